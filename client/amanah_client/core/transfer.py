"""Contents too large for one frame: staged before they are published, fetched before they are judged."""

from __future__ import annotations

from functools import partial
from typing import Final

from amanah_client.core.context import Context
from amanah_client.core.entry import Entry
from amanah_client.core.opening import is_addressed
from amanah_client.core.requests import ContentWanted, Published, StagedPiece
from amanah_client.core.room import Fetch, Room
from amanah_client.model import InFlight
from amanah_protocol import limits
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope, max_content_bytes
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.frames import ContentPiece, FetchContent, Item, Publish, Stage
from amanah_protocol.kinds import Welcome

MAX_ITEMS_BYTES: Final = limits.MAX_FRAME_BYTES - 4 * limits.KIB
"""What the envelopes and contents of one `publish` frame may hold together."""
_ITEM_OVERHEAD: Final = 16
_SMALL: Final = 16 * limits.KIB
"""Contents up to this length are never staged: sixteen of them fit a frame with their envelopes."""


def item_bytes(envelope: bytes, content: bytes) -> int:
    """What an item takes of a frame."""
    return len(envelope) + len(content) + _ITEM_OVERHEAD


def fly(ctx: Context, room: Room, flight: InFlight) -> None:
    """Send a publish: what does not fit the frame is staged first, in the same breath.

    The bytes are those that were signed; sending them again is always safe.
    """
    room.link.flying = True
    staged = _too_large(flight)
    for envelope, content in flight.items:
        tree = _tree_of(room, envelope)
        if tree is not None:
            _stage(ctx, room, tree)
        if staged and len(content) > _SMALL:
            _stage(ctx, room, content)
    items = tuple(
        Item(envelope=envelope, content=None if staged and len(content) > _SMALL else content)
        for envelope, content in flight.items
    )
    ctx.ask(Published(room=room.id), lambda number: Publish(request=number, items=items))


def _too_large(flight: InFlight) -> bool:
    longest = max(len(content) for _, content in flight.items)
    total = sum(item_bytes(envelope, content) for envelope, content in flight.items)
    return longest > limits.MAX_CONTENT_BYTES or total > MAX_ITEMS_BYTES


def _tree_of(room: Room, encoded: bytes) -> bytes | None:
    """The tree that a welcome of ours names; the pending commit makes it again after a restart."""
    specific = decode_envelope(encoded).header.specific
    if not isinstance(specific, Welcome) or specific.tree_hash is None:
        return None
    if room.group is None or room.group.pending is None:
        return None
    return room.group.pending.tree


def _stage(ctx: Context, room: Room, data: bytes) -> None:
    payload = sha256(data)
    for offset in range(0, len(data), limits.STAGE_CHUNK_BYTES):
        piece = data[offset : offset + limits.STAGE_CHUNK_BYTES]
        ctx.ask(
            StagedPiece(room=room.id),
            partial(Stage, payload_hash=payload, total=len(data), offset=offset, data=piece),
        )


def fetch_missing(ctx: Context, room: Room, entry: Entry, fetched: dict[bytes, bytes]) -> bool:
    """Begin to fetch what the delivery names and does not hold; the room stands still meanwhile."""
    envelope, delivery = entry.envelope, entry.delivery
    if envelope is None:
        return False
    wanted = []
    if (delivery.content is None and delivery.length > 0) or _is_damaged(ctx, room, entry):
        wanted.append(envelope.payload)
    specific = envelope.header.specific
    if isinstance(specific, Welcome) and specific.tree_hash is not None and ctx.me in specific.addressees:
        wanted.append(specific.tree_hash)
    wanted = [payload for payload in wanted if payload not in fetched]
    if not wanted:
        return False
    room.link.fetch = Fetch(delivery=delivery, wanted=wanted, got=dict(fetched))
    _ask(ctx, room, room.link.fetch)
    return True


def _is_damaged(ctx: Context, room: Room, entry: Entry) -> bool:
    """Whether what was delivered is not what was signed, and has not been fetched by its name before.

    Once: a relay that gives it wrong or not at all a second time does not make us ask for ever.
    """
    envelope, delivery = entry.envelope, entry.delivery
    if envelope is None or room.group is None or delivery.erased or room.refetched_seq == entry.room_seq:
        return False
    if not envelope.header.is_sealed or envelope.header.kid == ctx.me or not is_addressed(ctx, envelope):
        return False
    if delivery.content is not None and sha256(delivery.content) == envelope.payload:
        return False
    room.refetched_seq = entry.room_seq
    return True


def _ask(ctx: Context, room: Room, fetch: Fetch) -> None:
    payload, offset = fetch.wanted[0], len(fetch.buffer)
    ctx.ask(
        ContentWanted(room=room.id),
        lambda number: FetchContent(request=number, room=room.id, payload_hash=payload, offset=offset),
    )


def receive_piece(ctx: Context, room: Room, frame: ContentPiece) -> Fetch | None:
    """Take a piece; gives the fetch back once everything is here.

    Raises:
        VerifyError: `CONTENT_HASH` for a piece that does not follow, or a whole that is not what was named;
            `TOO_LARGE`.
    """
    fetch = room.link.fetch
    if fetch is None:
        return None
    payload = fetch.wanted[0]
    if frame.total > _bound(fetch, payload):
        raise VerifyError(Code.TOO_LARGE, "a content longer than its kind allows")
    if not frame.data or frame.offset != len(fetch.buffer) or frame.offset + len(frame.data) > frame.total:
        raise VerifyError(Code.CONTENT_HASH, "this is not the next piece of the content")
    fetch.buffer += frame.data
    if len(fetch.buffer) < frame.total:
        _ask(ctx, room, fetch)
        return None
    whole = bytes(fetch.buffer)
    if sha256(whole) != payload:
        raise VerifyError(Code.CONTENT_HASH, "the content is not the one that was signed")
    fetch.got[payload] = whole
    fetch.wanted.pop(0)
    fetch.buffer.clear()
    if fetch.wanted:
        _ask(ctx, room, fetch)
        return None
    room.link.fetch = None
    return fetch


def _bound(fetch: Fetch, payload: bytes) -> int:
    envelope = decode_envelope(fetch.delivery.envelope)
    return max_content_bytes(envelope.header) if payload == envelope.payload else limits.MAX_TREE_BYTES
