"""Messages inside an epoch.

message = [ 1, room: bstr .size 16, epoch: uint, generation: uint, guard: bstr .size 12,
            aad: bstr .size 32, sealed: bstr ]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.crypto import KEY_BYTES, NONCE_BYTES
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.group.flat.commit import MAX_EPOCH
from amanah_protocol.group.flat.keys import open_by, seal_by
from amanah_protocol.types import DeviceId, RoomId

VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePlace:
    """Where a message stands; all of it is authenticated.

    Attributes:
        room: The group id.
        epoch: The epoch.
        generation: The place in the sender's chain, from 0.
        guard: 12 random bytes that are mixed into the nonce: a device whose old state was restored
            uses a key twice, but never a nonce (attack 23; the reuse guard of RFC 9420 section 6.3.2).
        aad: SHA-256 of the envelope's header.
    """

    room: RoomId
    epoch: int
    generation: int
    guard: bytes
    aad: bytes

    def seal(self, plaintext: bytes, *, sender: DeviceId, material: bytes) -> bytes:
        """The sealed content of an envelope."""
        sealed = seal_by(self._guarded(material), plaintext, self._bound(sender))
        return cbor.encode([VERSION, self.room, self.epoch, self.generation, self.guard, self.aad, sealed])

    def open(self, sealed: bytes, *, sender: DeviceId, material: bytes) -> bytes:
        """The plaintext.

        Raises:
            VerifyError: `OPEN`.
        """
        return open_by(self._guarded(material), sealed, self._bound(sender))

    def _guarded(self, material: bytes) -> bytes:
        mixed = int.from_bytes(material[KEY_BYTES:], "big") ^ int.from_bytes(self.guard, "big")
        return material[:KEY_BYTES] + mixed.to_bytes(NONCE_BYTES, "big")

    def _bound(self, sender: DeviceId) -> bytes:
        return cbor.encode([VERSION, self.room, self.epoch, sender, self.generation, self.guard, self.aad])


def decode_message(data: bytes) -> tuple[MessagePlace, bytes]:
    """Where the message stands and its ciphertext.

    Raises:
        DecodeError: It does not parse.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=limits.MAX_CONTENT_BYTES), 7, "message")
    if f.uint() != VERSION:
        raise DecodeError(Code.UNKNOWN_VERSION, "a message of another version")
    place = MessagePlace(
        room=RoomId(f.fixed(16)),
        epoch=f.uint(MAX_EPOCH),
        generation=f.uint(),
        guard=f.fixed(NONCE_BYTES),
        aad=f.fixed(32),
    )
    return place, f.blob(limits.MAX_CONTENT_BYTES)
