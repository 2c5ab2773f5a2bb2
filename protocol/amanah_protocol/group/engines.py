"""The engines of the room suites."""

from __future__ import annotations

from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.room_engine import RoomEngine
from amanah_protocol.group.seam import Engine
from amanah_protocol.group.suites import CLASSICAL, POST_QUANTUM
from amanah_protocol.mls.kem import Encapsulate
from amanah_protocol.mls.suites import X25519_CHACHA20POLY1305, xwing_aes128gcm


class Engines:
    """An engine for each suite that rooms may have."""

    __slots__ = ("_engines",)

    def __init__(self, encapsulate: Encapsulate | None = None) -> None:
        """Make them.

        Args:
            encapsulate: ML-KEM-768 encapsulation, which draws its own randomness; without it, what is of a
                post-quantum suite can be opened and looked at, and not be sealed.
        """
        self._engines: dict[int, Engine] = {
            POST_QUANTUM: RoomEngine(xwing_aes128gcm(encapsulate)),
            CLASSICAL: RoomEngine(X25519_CHACHA20POLY1305),
        }

    def __getitem__(self, suite: int) -> Engine:
        """The engine of a suite, as `create` and certificates name it.

        Raises:
            VerifyError: `SUITE`: never another suite in its place (attack 22).
        """
        engine = self._engines.get(suite)
        if engine is None:
            raise VerifyError(Code.SUITE, f"the room suite 0x{suite:04X} is not known here")
        return engine
