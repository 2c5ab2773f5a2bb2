"""Pre-shared keys (RFC 9420 section 8.4): secrets from outside the group that a commit mixes in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from amanah_protocol.crypto import hkdf_extract
from amanah_protocol.mls.codec import Reader, opaque, u8, u16, u64
from amanah_protocol.mls.labelled import expand_with_label
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import HASH_BYTES

MAX_PSKS: Final = 0xFFFF


class PskType(IntEnum):
    """Where the key comes from."""

    EXTERNAL = 1
    RESUMPTION = 2


class ResumptionUsage(IntEnum):
    """What a resumption key is for."""

    APPLICATION = 1
    REINIT = 2
    BRANCH = 3


_TYPES: Final = {kind.value: kind for kind in PskType}
_USAGES: Final = {usage.value: usage for usage in ResumptionUsage}


class ExternalPsk(NamedTuple):
    """`PreSharedKeyID` of a key that the application brings along."""

    id: bytes
    nonce: bytes

    def encode(self) -> bytes:
        """Its bytes."""
        return u8(PskType.EXTERNAL) + opaque(self.id) + opaque(self.nonce)


class ResumptionPsk(NamedTuple):
    """`PreSharedKeyID` of a key out of an epoch of this group or another."""

    usage: ResumptionUsage
    group_id: bytes
    epoch: int
    nonce: bytes

    def encode(self) -> bytes:
        """Its bytes."""
        group = opaque(self.group_id) + u64(self.epoch)
        return u8(PskType.RESUMPTION) + u8(self.usage) + group + opaque(self.nonce)


PskId: TypeAlias = ExternalPsk | ResumptionPsk

FindPsk: TypeAlias = Callable[[PskId], bytes | None]
"""The key of an id, or None if it is not known; the nonce is no part of what names a key."""


def read_psk_id(reader: Reader) -> PskId:
    """Decode a `PreSharedKeyID`."""
    if reader.choice(1, _TYPES, "PSK type") is PskType.EXTERNAL:
        return ExternalPsk(reader.opaque(), reader.opaque())
    usage = reader.choice(1, _USAGES, "resumption PSK usage")
    return ResumptionPsk(usage, reader.opaque(), reader.uint(8), reader.opaque())


def derive_psk_secret(keys: Sequence[tuple[PskId, bytes]]) -> bytes:
    """Mix keys in their order into one secret, 32 bytes; zeros if there are none.

    Raises:
        InvalidError: `PSK_COUNT` for more than 65,535.
    """
    if len(keys) > MAX_PSKS:
        raise InvalidError(Rule.PSK_COUNT)
    secret = bytes(HASH_BYTES)
    for index, (identity, key) in enumerate(keys):
        label = identity.encode() + u16(index) + u16(len(keys))
        extracted = hkdf_extract(bytes(HASH_BYTES), key)
        secret = hkdf_extract(expand_with_label(extracted, b"derived psk", label, HASH_BYTES), secret)
    return secret
