"""The engines of the room suites, as a client's shell makes them, but that they make no key package twice."""

from __future__ import annotations

from typing import Final

from amanah_client.encapsulation import encapsulate
from amanah_protocol.crypto import SigningKey
from amanah_protocol.group.engines import Engines
from amanah_protocol.group.room_engine import RoomEngine
from amanah_protocol.group.seam import Credential, OwnKeyPackage, Random
from amanah_protocol.group.suites import CLASSICAL, POST_QUANTUM
from amanah_protocol.mls.suites import HASH_BYTES, X25519_CHACHA20POLY1305, Suite, xwing_aes128gcm

MOST: Final = 5_000


class Remembering(RoomEngine):
    """Gives the key package that it made before, where it would make the same again.

    A device that comes online offers a hundred, and simulated devices draw the same in every test: to
    make them took longer than all else that the tests of the client's core do.
    """

    __slots__ = ("_made",)

    def __init__(self, suite: Suite) -> None:
        """Of a suite that rooms may have."""
        super().__init__(suite)
        self._made: dict[tuple[object, ...], OwnKeyPackage] = {}

    def make_key_package(
        self, key: SigningKey, credential: Credential, *, now_ms: int, last_resort: bool, random: Random
    ) -> OwnKeyPackage:
        """As `RoomEngine` makes it, of the two secrets that it draws."""
        secrets = random(HASH_BYTES), random(HASH_BYTES)
        what = (key.public, credential, now_ms, last_resort, secrets)
        if what not in self._made:
            if len(self._made) == MOST:
                self._made.clear()
            drawn = iter(secrets)
            self._made[what] = super().make_key_package(
                key, credential, now_ms=now_ms, last_resort=last_resort, random=lambda _: next(drawn)
            )
        return self._made[what]


class _Engines(Engines):
    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(encapsulate)
        self._engines |= {
            POST_QUANTUM: Remembering(xwing_aes128gcm(encapsulate)),
            CLASSICAL: Remembering(X25519_CHACHA20POLY1305),
        }


ENGINES: Final = _Engines()
