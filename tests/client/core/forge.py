"""Entries that no honest relay would deliver, made with real keys and pushed to one client."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from amanah_client import inputs
from amanah_client.core.room import Room
from amanah_protocol import frames, heads, kinds
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.sealed import Content, View, encode_content, pad
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import SigningKey
from amanah_protocol.envelope import Envelope, Header, audience_digest, derive_commitment, sign_envelope
from amanah_protocol.kinds import MediaType, Message, Specific
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import ZERO_32, LeafHash, RoomId
from tests.client.core.world import Client
from tests.relay.people import RELAY_KEY

K = bytes(range(32))


def room_of(client: Client, room: RoomId) -> Room:
    """What a client's core holds of a room in memory."""
    return client.core._ctx.rooms[room]  # noqa: SLF001 - a forger knows what the sender knows


def header_of(sender: Client, room: RoomId, specific: Specific, **changes: Any) -> Header:  # noqa: ANN401 - header fields
    """The sender's next header, right in all that is not changed."""
    held = room_of(sender, room)
    assert held.group is not None
    kind = kinds.kind_of(specific)
    sealed = kinds.is_sealed(specific)
    fields: dict[str, Any] = {
        "kid": sender.device.id,
        "media_type": MediaType.MLS if sealed else MediaType.NONE,
        "room": room,
        "epoch": held.group.epoch,
        "counter": held.row.counter + 1,
        "previous": held.row.last_id,
        "sent_at_ms": sender.stage.relay.now_ms,
        "label": Label.AMBER,
        "audience": audience_digest(set(held.group.members)),
        "commitment": K if kind in kinds.COMMITTED else ZERO_32,
        "size_class": 1 if kind in kinds.COMMITTED or (kind is kinds.Kind.REPAIR and sealed) else 0,
        "specific": specific,
    }
    return Header(**(fields | changes))


def signed(header: Header, sealed: bytes, key: SigningKey) -> Envelope:
    """Sign whatever the header says."""
    return sign_envelope(header, sealed, key)


def message(
    sender: Client,
    room: RoomId,
    body: Body | None = None,
    *,
    content: dict[str, Any] | None = None,
    specific: Specific | None = None,
    committed: bytes | None = None,
    aad: bytes | None = None,
    plaintext: bytes | None = None,
    **changes: Any,  # noqa: ANN401 - header fields
) -> tuple[Envelope, bytes]:
    """A sealed message, right in all that is not changed; gives it with its sealed content.

    Args:
        sender: Who seals and signs.
        room: The room.
        body: What it says.
        content: Fields of the sealed content to change.
        specific: Another kind than a message.
        committed: Content bytes that the commitment is made of, if others.
        aad: Authenticated data, if other than the header's.
        plaintext: The padded plaintext, if another.
        changes: Fields of the header to change.
    """
    held = room_of(sender, room)
    view = View(
        log_size=0, log_root=ZERO_32, log_signature=b"", room_seq=held.row.head_seq, room_head=held.row.head_leaf
    )
    fields: dict[str, Any] = {
        "message_id": changes.pop("message_id", sender.device.id[:16]),
        "written_at_ms": sender.stage.relay.now_ms,
        "label_number": int(changes.get("label", Label.AMBER)),
        "pap_number": 2,
        "view": view,
        "body": body or Text(text="forged"),
    }
    encoded = encode_content(Content(**(fields | (content or {}))))
    size_class, padded = pad(K, encoded)
    counter = changes.get("counter", held.row.counter + 1)
    commitment = derive_commitment(K, room, sender.device.id, counter, committed or encoded)
    own: dict[str, Any] = {"commitment": commitment, "size_class": size_class}
    header = header_of(sender, room, specific or Message(), **(own | changes))
    assert held.group is not None
    sealed = held.group.seal(plaintext or padded, aad=aad or header.aad, random=bytes)
    return signed(header, sealed, sender.device.key), sealed


def delivery(
    victim: Client,
    envelope: Envelope,
    content: bytes | None = b"",
    /,
    *,
    room: RoomId | None = None,
    **changes: Any,  # noqa: ANN401 - frame fields
) -> frames.Delivery:
    """The next entry of the victim's record, right in all that is not changed."""
    held = room_of(victim, room or envelope.header.room)
    fields: dict[str, Any] = {
        "room": room or envelope.header.room,
        "room_seq": held.row.head_seq + 1,
        "index": held.row.head_index + 100,
        "accepted_at_ms": victim.stage.relay.now_ms,
        "previous": held.row.head_leaf,
        "envelope": envelope.encoded,
        "content": content,
    }
    return frames.Delivery(**(fields | changes))


def push(victim: Client, *pushed: frames.Frame) -> None:
    """Give frames to a client as if the relay had sent them."""
    for frame in pushed:
        victim.give(inputs.Received(data=frames.encode_frame(frame)))


def leaf_of(entry: frames.Delivery) -> Leaf:
    """The log leaf of a delivery."""
    return Leaf(
        type=LeafType.ENVELOPE,
        accepted_at_ms=entry.accepted_at_ms,
        room=RoomId(entry.room),
        room_seq=entry.room_seq,
        previous=LeafHash(entry.previous),
        object=entry.envelope,
    )


def room_head(victim: Client, room: RoomId, /, **changes: Any) -> frames.Head:  # noqa: ANN401 - head fields
    """A signed head of the room, right in all that is not changed."""
    row = room_of(victim, room).row
    fields: dict[str, Any] = {
        "room": room,
        "room_seq": row.head_seq,
        "leaf": row.head_leaf,
        "size": row.head_index + 1,
        "time_ms": victim.stage.relay.now_ms,
    }
    return frames.Head(head=heads.sign_room_head(heads.RoomHead(**(fields | changes)), RELAY_KEY))


def control_head(victim: Client, **changes: Any) -> frames.Head:  # noqa: ANN401 - head fields
    """A signed head of the control stream, right in all that is not changed."""
    ctx = victim.core._ctx  # noqa: SLF001 - a forger knows what the victim knows
    assert ctx.log is not None
    fields: dict[str, Any] = {
        "sequence": ctx.control.sequence,
        "leaf": ctx.control.leaf,
        "size": ctx.log.size,
        "root": ctx.log.root,
        "time_ms": victim.stage.relay.now_ms,
    }
    return frames.Head(head=heads.sign_control_head(heads.ControlHead(**(fields | changes)), RELAY_KEY))


def altered(envelope: Envelope, **changes: Any) -> Header:  # noqa: ANN401 - header fields
    """The header with some fields changed; its signature has to be made anew."""
    return replace(envelope.header, **changes)
