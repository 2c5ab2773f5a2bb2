"""One delivered entry of a room: its leaf recomputed, its envelope decoded, its row for the store."""

from __future__ import annotations

import msgspec

from amanah_client.model import MessageRow, MessageState
from amanah_protocol.envelope import Envelope, check_content, decode_envelope
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.frames import ControlEntry, CustodyEntry, Delivery
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import LeafHash, OrgName, RoomId


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as delivered.

    Attributes:
        delivery: The frame.
        leaf: Its log leaf, recomputed from it.
        leaf_hash: Hash of that.
        envelope: The envelope, or None when it does not decode.
        flaw: Why it does not.
        content: Sealed content, also where it was fetched in pieces; None where there is none.
        tree: The sealed tree fetched beside a welcome.
    """

    delivery: Delivery
    leaf: Leaf
    leaf_hash: LeafHash
    envelope: Envelope | None
    flaw: DecodeError | None
    content: bytes | None
    tree: bytes | None = None

    @property
    def room_seq(self) -> int:
        """Its place in the room."""
        return self.delivery.room_seq

    @property
    def index(self) -> int:
        """Its place in the log."""
        return self.delivery.index

    @property
    def accepted_at_ms(self) -> int:
        """When the relay says that it accepted it."""
        return self.delivery.accepted_at_ms

    def sealed(self) -> bytes:
        """The sealed content, which is what the envelope's signature covers.

        Raises:
            DecodeError: `TOO_LARGE`.
            VerifyError: `CONTENT_HASH`, or `GAP` when the relay gave none that is ours to read.
        """
        if self.envelope is None or self.content is None:
            raise VerifyError(Code.GAP, "the relay withholds the content")
        check_content(self.envelope, self.content)
        return self.content


def read_entry(delivery: Delivery, content: bytes | None, tree: bytes | None = None) -> Entry:
    """Take a delivery apart; nothing is verified but what the leaf hash follows from."""
    leaf = Leaf(
        type=LeafType.ENVELOPE,
        accepted_at_ms=delivery.accepted_at_ms,
        room=RoomId(delivery.room),
        room_seq=delivery.room_seq,
        previous=LeafHash(delivery.previous),
        object=delivery.envelope,
    )
    envelope: Envelope | None = None
    flaw: DecodeError | None = None
    try:
        envelope = decode_envelope(delivery.envelope)
    except DecodeError as error:
        flaw = error
    return Entry(
        delivery=delivery,
        leaf=leaf,
        leaf_hash=leaf.hash,
        envelope=envelope,
        flaw=flaw,
        content=content,
        tree=tree,
    )


def row_of(entry: Entry, envelope: Envelope, organisation: OrgName) -> MessageRow:
    """The stored row of an entry whose header is all that is to be said of it."""
    header = envelope.header
    erased = entry.delivery.erased and header.is_sealed
    return MessageRow(
        room=header.room,
        envelope=envelope.id,
        room_seq=entry.room_seq,
        index=entry.index,
        accepted_at_ms=entry.accepted_at_ms,
        previous=entry.leaf.previous,
        encoded=envelope.encoded,
        sender=header.kid,
        organisation=organisation,
        kind=int(header.kind),
        label=header.label,
        label_differs=False,
        sent_at_ms=header.sent_at_ms,
        written_at_ms=None,
        state=MessageState.ERASED if erased else MessageState.STORED,
    )


def chain_leaf(entry: ControlEntry | CustodyEntry, chain: RoomId) -> Leaf:
    """The leaf of an entry of the control stream or of a custody chain, whose type was found to belong there."""
    return Leaf(
        type=LeafType(entry.type),
        accepted_at_ms=entry.accepted_at_ms,
        room=chain,
        room_seq=entry.sequence,
        previous=LeafHash(entry.previous),
        object=entry.object,
    )
