"""From the fresh secret of a commit to what an epoch uses.

The secret itself and the epoch's root are not kept: from them every message key of the epoch could
be derived again, and deleting used keys would delete nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from amanah_protocol import cbor
from amanah_protocol.crypto import sha256
from amanah_protocol.group.flat.keys import derive_secret
from amanah_protocol.group.flat.members import Members
from amanah_protocol.group.flat.ratchet import Chain
from amanah_protocol.types import DeviceId, RoomId


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Epoch:
    """What members of one epoch share.

    Attributes:
        confirmation: 32 bytes, public: who computes the same has the same secret, members and leaf keys.
        exporter: 32 bytes for `Group.export`.
        chains: Each sender's chain, in order of leaves.
    """

    confirmation: bytes
    exporter: bytes
    chains: dict[DeviceId, Chain]


def derive_epoch(secret: bytes, *, room: RoomId, epoch: int, origin: bytes, members: Members) -> Epoch:
    """Enter an epoch.

    Args:
        secret: The commit's fresh 32 bytes.
        room: The group id.
        epoch: The epoch that begins.
        origin: `Commit.origin` of the commit that began it, 32 bytes.
        members: The members in it; two that see other members or leaf keys derive nothing in common.
    """
    context = cbor.encode([room, epoch, origin, sha256(members.encoded)])
    root = derive_secret(secret, "epoch", context)
    return Epoch(
        confirmation=derive_secret(root, "confirmation"),
        exporter=derive_secret(root, "exporter"),
        chains={device: Chain(key=derive_secret(root, "sender", device)) for device in members.by_device},
    )


def export(exporter: bytes, label: str, context: bytes, length: int) -> bytes:
    """The exporter of RFC 9420 section 8.5: one label knows nothing of another."""
    return derive_secret(derive_secret(exporter, "export", label.encode()), "exported", sha256(context), length)
