"""What is durable, and all that the relay signs about it.

The rest of the core works on the state as it *will* be. This is the state as it *is*: it moves by
`record`, which only `Appended` leads to, and nothing else signs heads, checkpoints or receipts. So
the relay cannot sign ahead of its store (threat model, section 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_protocol import frames, heads
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import ContentErasure, sign_erasure
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.cose_receipt import with_root_line
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.log.receipt import Receipt, sign_receipt
from amanah_protocol.types import CONTROL, DeviceId, LeafHash, RoomId
from amanah_relay.core.sequencer import Batch
from amanah_relay.state import Chain, Member, RelayState


@dataclass(slots=True, kw_only=True)
class Kept:
    """A room as far as it is durable.

    Attributes:
        head_seq: Newest room sequence.
        head_leaf: Leaf hash of that entry.
        members: By device, removed ones included.
    """

    head_seq: int
    head_leaf: LeafHash
    members: dict[DeviceId, Member] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class Recorded:
    """A durable batch, for its receipt.

    Attributes:
        receipt: What the receipt says.
        signed: The signed receipt, once somebody asked for it.
    """

    receipt: Receipt
    signed: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Where a durable leaf stands.

    Attributes:
        batch: Its batch.
        index: Its log index.
        room_seq: Its place in its room or chain.
    """

    batch: Recorded
    index: int
    room_seq: int


class Ledger:
    """The durable picture, and the keys."""

    def __init__(self, state: RelayState, *, key: SigningKey, log_signer: NoteSigner, origin: str, recent: int) -> None:
        """Take the picture of a state as loaded.

        Args:
            state: The state, before anything was admitted to it.
            key: The relay's COSE key.
            log_signer: The log's key.
            origin: The log's origin.
            recent: How many leaves are kept in `recent`.
        """
        self._key = key
        self._log_signer = log_signer
        self._origin = origin
        self._most_recent = recent
        self._note: bytes | None = None
        self._shown: bytes | None = None
        self.size = state.size
        self.root = Frontier(state.size, state.edge).root()
        self.control = Chain(head_seq=state.control.head_seq, head_leaf=state.control.head_leaf)
        self.rooms = {
            room.room: Kept(head_seq=room.head_seq, head_leaf=room.head_leaf, members=dict(room.members))
            for room in state.rooms.values()
        }
        self.chains = {
            chain: Chain(head_seq=found.head_seq, head_leaf=found.head_leaf) for chain, found in state.chains.items()
        }
        """Chains that are no rooms."""
        self.custody = {custody_chain(room): room for room in self.rooms}
        """Custody chain -> its room."""
        self.recent: dict[bytes, Settled] = {}
        """By `Draft.key`, oldest first."""
        self.moved: set[RoomId] = set()
        """Rooms with entries since `moved` was last cleared."""
        self.confirming: dict[RoomId, None] = dict.fromkeys(self.rooms)
        """Rooms in which a cursor moved or somebody left: all members may have confirmed more (`retention`)."""
        self._rooms_of: dict[DeviceId, set[RoomId]] = {}
        for room_id, kept in self.rooms.items():
            for device in kept.members:
                self._rooms_of.setdefault(device, set()).add(room_id)

    def record(self, batch: Batch) -> Recorded:
        """The store has said that this batch is durable."""
        append = batch.append
        self.size = append.first + len(append.entries)
        self.root = append.root
        self._note = self._shown = None
        for row in append.rooms:
            kept = self.rooms.get(row.room)
            if kept is None:
                kept = self.rooms[row.room] = Kept(head_seq=0, head_leaf=row.head_leaf)
                self.custody[custody_chain(row.room)] = row.room
            kept.head_seq, kept.head_leaf = row.head_seq, row.head_leaf
            self.moved.add(row.room)
        for (room, device), member in batch.members.items():
            before = self.rooms[room].members.get(device, member)
            if (before.cursor, before.removed_seq) != (member.cursor, member.removed_seq):
                self.confirming[room] = None
            self.rooms[room].members[device] = member
            self._rooms_of.setdefault(device, set()).add(room)
        receipt = Receipt(
            first_index=append.first,
            size=self.size,
            root=append.root,
            accepted_at_ms=append.accepted_at_ms,
            leaves=tuple(entry.hash for entry in append.entries),
        )
        recorded = Recorded(receipt=receipt)
        for draft, entry in zip(batch.drafts, append.entries, strict=True):
            if entry.room == CONTROL:
                self.control.head_seq, self.control.head_leaf = entry.room_seq, entry.hash
            elif entry.room not in self.rooms:
                self.chains[entry.room] = Chain(head_seq=entry.room_seq, head_leaf=entry.hash)
            self.recent[draft.key] = Settled(batch=recorded, index=entry.index, room_seq=entry.room_seq)
        while len(self.recent) > self._most_recent:
            del self.recent[next(iter(self.recent))]
        return recorded

    def receipt(self, batch: Recorded) -> bytes:
        """The signed receipt of a durable batch; the same bytes whenever it is asked for."""
        if batch.signed is None:
            batch.signed = sign_receipt(batch.receipt, self._key)
        return batch.signed

    def checkpoint(self) -> bytes:
        """The signed checkpoint of the durable log."""
        if self._note is None:
            head = Checkpoint(origin=self._origin, size=self.size, root=self.root)
            self._note = sign_checkpoint(head, self._log_signer)
        return self._note

    def shown_checkpoint(self) -> bytes:
        """The same for a client (`with_root`)."""
        if self._shown is None:
            self._shown = self.with_root(self.checkpoint())
        return self._shown

    def with_root(self, note: bytes) -> bytes:
        """A checkpoint of this log for a client, with the signature of its root that makes COSE receipts."""
        return with_root_line(note, self._key)

    def control_head(self, now_ms: int) -> bytes:
        """A fresh signed head of the control stream."""
        head = heads.ControlHead(
            sequence=self.control.head_seq,
            leaf=self.control.head_leaf,
            size=self.size,
            root=self.root,
            time_ms=now_ms,
        )
        return heads.sign_control_head(head, self._key)

    def room_head(self, room: RoomId, now_ms: int) -> bytes:
        """A fresh signed head of a room."""
        kept = self.rooms[room]
        head = heads.RoomHead(room=room, room_seq=kept.head_seq, leaf=kept.head_leaf, size=self.size, time_ms=now_ms)
        return heads.sign_room_head(head, self._key)

    def erasure(self, statement: ContentErasure) -> bytes:
        """The signed statement of what a batch drops; it is a leaf of that batch, and nothing before it is durable."""
        return sign_erasure(statement, self._key)

    def custody_head(self, chain: RoomId, now_ms: int) -> bytes:
        """A fresh signed head of a custody chain."""
        kept = self.chains.get(chain, Chain())
        head = heads.RoomHead(
            room=chain, room_seq=kept.head_seq, leaf=kept.head_leaf, size=self.size, time_ms=now_ms
        )  # fmt: skip
        return heads.sign_room_head(head, self._key)

    def room_state(self, room: RoomId, device: DeviceId) -> frames.RoomState:
        """What a device may know of a room that it is or was in."""
        kept = self.rooms[room]
        member = kept.members[device]
        # Who is out learns nothing of what goes on there, not even how much.
        head = kept.head_seq if member.removed_seq is None else member.removed_seq
        return frames.RoomState(
            room=room,
            head=head,
            added_seq=member.added_seq,
            removed_seq=member.removed_seq,
            counter=member.last_counter,
            last=member.last_id,
        )

    def room_states(self, device: DeviceId) -> list[frames.RoomState]:
        """The same for all rooms of a device."""
        return [self.room_state(room, device) for room in sorted(self._rooms_of.get(device, ()))]
