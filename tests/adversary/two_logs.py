"""Attack 36 in all its manners: a relay that keeps two records of its log from some leaf on, one for each group.

It knows what it has shown to which side, so whatever a member asks about its own side it answers as an honest relay
would. What it says to a question about the other side, and which witness is asked to cosign which side, is drawn.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import msgspec

from amanah_protocol import frames
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, PeerError, UsageError
from amanah_protocol.heads import sign_control_head, sign_room_head, verify_control_head, verify_room_head
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, sign_checkpoint
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.merkle import consistency_path, inclusion_path
from amanah_protocol.log.note import NoteSignature, decode_note
from amanah_protocol.log.policy import policy_of_roster
from amanah_protocol.log.receipt import sign_receipt, verify_receipt
from amanah_protocol.log.witnessing import Refused, decode_answer, encode_request
from amanah_protocol.roster import decode_roster, verify_roster
from amanah_protocol.types import CONTROL, DeviceId, LeafHash, RoomId
from amanah_relay.effects import Append, Entry
from tests.adversary.attack import Attack, Heads, Out
from tests.adversary.evil import EvilRelay
from tests.adversary.schedules import MEMBERS, Answer, Begin, Manner, Schedule
from tests.adversary.stage import Stage
from tests.simulation.final import read_log
from tests.simulation.log_tree import LogTree
from tests.simulation.witnesses import Witness

AT_ONCE_MS: Final = 30
PUT_OFF: Final = 3
"""So many answers are put off before one is given."""
TRUE, OTHER = 0, 1
"""The sides: who is shown the log as the relay stores it, and who is shown the other record."""


Placed = TypeVar("Placed", frames.Delivery, frames.ControlEntry, frames.MembershipEntry)


@dataclass(slots=True)
class Record:
    """What one side is shown.

    Attributes:
        leaves: Of its log.
        given: Sizes that its members have been told, by whatever signed word.
        shown_ms: When a member was first told of a size behind the fork.
        cosigned: Cosignatures by size.
    """

    leaves: list[LeafHash] = field(default_factory=list)
    given: set[int] = field(default_factory=set)
    shown_ms: int | None = None
    cosigned: dict[int, dict[str, NoteSignature]] = field(default_factory=dict)
    _tree: LogTree = field(default_factory=lambda: LogTree(()))
    _size: int = -1

    @property
    def tree(self) -> LogTree:
        """Its tree, as of now."""
        if self._size != len(self.leaves):
            self._tree, self._size = LogTree(self.leaves), len(self.leaves)
        return self._tree

    def forget(self) -> None:
        """A leaf of it has changed."""
        self._size = -1


class TwoLogs(Attack):
    """Forks the log as a schedule says."""

    def __init__(self, schedule: Schedule) -> None:
        super().__init__()
        self.records = (Record(), Record())
        self.forked_at: int | None = None
        self.findings: list[str] = []
        self.schedule = schedule
        self._chance = random.Random(f"{schedule.seed}/relay")
        self._led: frozenset[DeviceId] = frozenset()
        self._groups: tuple[frozenset[DeviceId], frozenset[DeviceId]] = (frozenset(), frozenset())
        self._senders: list[DeviceId | None] = []
        self._shared: frozenset[RoomId] = frozenset()
        self._is_due = False
        self._held: int | None = None
        self._shift = 0
        self._views: dict[DeviceId, int] = {}
        """The sizes up to which members follow their side."""
        self._put_off: dict[DeviceId, int] = {}
        self._witnesses: tuple[Witness, ...] = ()

    def led(self, stage: Stage) -> list[str]:
        """The members of the group that is shown the other record."""
        return [name for name in MEMBERS if stage.device(name).id in self._led]

    # ---- where it begins

    def aim(self, stage: Stage) -> None:
        """Know everything of the log until now, and who belongs to which group."""
        entries = read_log(stage.relay.store)
        for record in self.records:
            record.leaves = [entry.hash for entry in entries]
        self._senders = [entry.kid for entry in entries]
        ids = {name: stage.device(name).id for name in stage.world.clients}
        group = frozenset(ids[name] for name in self.schedule.group)
        self._groups = (group, frozenset(ids.values()) - group)
        for name, device in ids.items():
            view = stage.client(name).store.snapshot().log
            self._views[device] = 0 if view is None else view.size
        self._auditor = ids["auditor"]
        self._shared = frozenset(stage.rooms)
        community = stage.world.community
        log = community.log_signer.verifier
        self._witnesses = tuple(Witness(signer, log) for signer in community.witnesses)
        roster = decode_roster(community.roster)
        self._policy = policy_of_roster(verify_roster(roster, None, now_ms=roster.issued_ms).value)

    def begin(self, relay: EvilRelay) -> None:
        """From the next leaf that fits; or a group sees nothing new until `release`."""
        self._is_due = True
        if self.schedule.begin is Begin.LOGIN or self.schedule.manner is Manner.HOLD:
            self._lead(self._groups[TRUE])
        if self.schedule.manner is Manner.HOLD:
            self._held = len(self.records[OTHER].leaves)

    def release(self) -> None:
        """Who was held is shown a record that grows differently, from the first leaf behind all that it was told."""
        if self._held is None:
            return
        self._held = None
        leaves, told = self.records[OTHER].leaves, max(self.records[OTHER].given, default=0)
        for index in range(told, len(leaves)):
            if self._senders[index] not in self._led:
                self.forked_at = index
                leaves[index] = LeafHash(sha256(leaves[index]))
                self.records[OTHER].forget()
                return

    def _lead(self, group: frozenset[DeviceId]) -> None:
        self._led = group
        self.records[OTHER].given = set(self.records[TRUE].given)

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        for entry in batch.entries:
            self.records[TRUE].leaves.append(entry.hash)
            self._senders.append(entry.kid)
            if self._is_due and self.forked_at is None and self._held is None and self._fits(entry):
                self._fork(entry)
            else:
                self.records[OTHER].leaves.append(entry.hash)

    def _fits(self, entry: Entry) -> bool:
        schedule, author = self.schedule, entry.kid or self._auditor
        # Who wrote it would see at once that its own is not there.
        led = self._led or next(group for group in self._groups if author not in group)
        fits = author not in led
        match schedule.begin:
            case Begin.CONTROL:
                fits = fits and entry.type is not LeafType.ENVELOPE
            case Begin.ROOM:
                fits = fits and entry.room != CONTROL and entry.room not in self._shared
            case Begin.SHARED:
                fits = fits and entry.room in self._shared
        if schedule.manner is Manner.DROP:
            # What a member of the room misses, it misses without any log.
            fits = fits and entry.room not in self._shared
        if fits and not self._led:
            self._lead(led)
        return fits

    def _fork(self, entry: Entry) -> None:
        self.forked_at, other = entry.index, LeafHash(sha256(entry.hash))
        leaves = self.records[OTHER].leaves
        match self.schedule.manner:
            case Manner.REPLACE | Manner.HOLD:
                leaves.append(other)
            case Manner.DROP:
                self._shift = -1
            case Manner.INSERT:
                self._shift = 1
                leaves += [other, entry.hash]

    # ---- places in the other record

    def _index(self, index: int) -> int:
        return index if self.forked_at is None or index < self.forked_at + (self._shift < 0) else index + self._shift

    def _size(self, size: int) -> int:
        size = size if self.forked_at is None or size <= self.forked_at else size + self._shift
        return size if self._held is None else min(size, self._held)

    def _side(self, device: DeviceId) -> int:
        return OTHER if device in self._led else TRUE

    def _told(self, relay: EvilRelay, side: int, size: int) -> None:
        """A signed word of this size goes to a member of a side."""
        self.records[side].given.add(size)
        if self.forked_at is not None and size > self.forked_at and self.records[side].shown_ms is None:
            self.records[side].shown_ms = relay._scheduler.now_ms

    # ---- frames to members

    def on_login(self, relay: EvilRelay, to: DeviceId, frame: frames.Challenge | frames.Ready) -> Iterable[Out]:
        if not isinstance(frame, frames.Ready):
            return (frame,)
        note, head = self._note(relay, to, frame.checkpoint), self._head(relay, to, frame.control_head)
        return (frames.Ready(checkpoint=note, control_head=head, rooms=frame.rooms, stock=frame.stock),)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: Heads) -> Iterable[Out]:
        match frame:
            case frames.Checkpoint(request=request, note=note):
                return (frames.Checkpoint(request=request, note=self._note(relay, to, note)),)
            case frames.Head(head=head):
                return (frames.Head(head=self._head(relay, to, head)),)
            case frames.PageEnd(head=head) as end:
                head = self._head(relay, to, head) if head else head
                return (frames.PageEnd(end.request, end.room, end.next, end.live, head),)
            case frames.Stored():
                return (self._stored(relay, to, frame),)
            case _:
                return (frame,)

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[Out]:
        return (self._placed(to, frame),)

    def on_roster(self, relay: EvilRelay, to: DeviceId, frame: frames.ControlEntry) -> Iterable[Out]:
        return (self._placed(to, frame),)

    def on_other(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        if isinstance(frame, frames.Membership):
            entries = tuple(self._placed(to, entry) for entry in frame.entries)
            return (frames.Membership(request=frame.request, entries=entries),)
        return (frame,)

    def _placed(self, to: DeviceId, frame: Placed) -> Placed:
        return msgspec.structs.replace(frame, index=self._index(frame.index)) if self._side(to) == OTHER else frame

    def _note(self, relay: EvilRelay, to: DeviceId, note: bytes) -> bytes:
        side, size = self._side(to), decode_checkpoint(note)[0].size
        size = self._size(size) if side == OTHER else size
        self._told(relay, side, size)
        return self._signed(relay, side, size) if side == OTHER else note

    def _signed(self, relay: EvilRelay, side: int, size: int) -> bytes:
        """A checkpoint of a side with all cosignatures that it has."""
        record, community = self.records[side], relay._community
        origin = community.log_signer.name
        note = sign_checkpoint(Checkpoint(origin=origin, size=size, root=record.tree.root(size)), community.log_signer)
        signed = decode_note(note)
        lines = tuple(record.cosigned.get(size, {}).values())
        return replace(signed, signatures=(*signed.signatures, *lines)).encode()

    def _head(self, relay: EvilRelay, to: DeviceId, data: bytes) -> bytes:
        side = self._side(to)
        try:
            head = verify_control_head(data, relay.key.public).value
        except DecodeError:  # a room's, which names no root
            room = verify_room_head(data, relay.key.public).value
            return sign_room_head(replace(room, size=self._size(room.size)), relay.key) if side == OTHER else data
        size = self._size(head.size) if side == OTHER else head.size
        self._told(relay, side, size)
        if side == TRUE:
            return data
        return sign_control_head(replace(head, size=size, root=self.records[OTHER].tree.root(size)), relay.key)

    def _stored(self, relay: EvilRelay, to: DeviceId, frame: frames.Stored) -> frames.Stored:
        side, true = self._side(to), verify_receipt(frame.receipt, relay.key.public).value
        if side == TRUE:
            self._told(relay, side, true.size)
            return frame
        held, self._held = self._held, None  # no receipt can be older than what it acknowledges
        first, size = self._index(true.first_index), self._size(true.size)
        self._held = held
        self._told(relay, side, size)
        record = self.records[OTHER]
        leaves = tuple(record.leaves[first:size])
        false = replace(true, first_index=first, size=size, root=record.tree.root(size), leaves=leaves)
        accepted = tuple(
            frames.Accepted(
                request=one.request,
                indices=tuple(self._index(index) for index in one.indices),
                sequences=one.sequences,
                accepted_at_ms=one.accepted_at_ms,
            )
            for one in frame.accepted
        )
        return frames.Stored(receipt=sign_receipt(false, relay.key), accepted=accepted)

    # ---- questions of members

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is None or not self.armed or not self._led:
            return True
        try:
            frame = frames.decode_client_frame(data)
        except DecodeError:
            return True  # of a login
        match frame:
            case frames.GetCheckpoint(request=request, witnessed=True):
                self._say(relay, sender, self._witnessed(relay, self._side(sender), request))
            case frames.GetInclusion() if sender in self._led:
                self._say(relay, sender, self._own(OTHER, frame))
            case frames.GetConsistency():
                self._prove(relay, sender, frame)
            case _:
                return True
        return False

    def _prove(self, relay: EvilRelay, to: DeviceId, asked: frames.GetConsistency) -> None:
        """What lies on the member's own side is proven at once; else it asks about the other."""
        side, forked_at = self._side(to), self.forked_at
        grows = asked.new > self._views[to]
        self._views[to] = max(asked.new, self._views[to])
        is_own = asked.old in self.records[side].given and asked.old not in self.records[1 - side].given
        if grows or forked_at is None or asked.old <= forked_at or is_own:
            self._say(relay, to, self._own(side, asked))
        else:
            self._answer(relay, to, side, asked)

    def _answer(self, relay: EvilRelay, to: DeviceId, side: int, asked: frames.GetConsistency) -> None:
        answer, put_off = self.schedule.answer, self._put_off.get(to, 0)
        if answer is Answer.FOR_EVER or (answer is Answer.LATER and put_off < PUT_OFF):
            self._put_off[to] = put_off + 1
            code = self._chance.choice((Code.STORE, Code.SLOW, Code.RATE))
            self._say(relay, to, frames.Refused(request=asked.request, code=code, detail="not now"))
        elif answer is Answer.REFUSE:
            refused = frames.Refused(request=asked.request, code=Code.NOT_FOUND, detail="there is no such proof")
            self._say(relay, to, refused)
        elif answer is Answer.GARBAGE:
            hashes = tuple(self._chance.randbytes(32) for _ in range(self._chance.randint(0, 12)))
            self._say(relay, to, frames.Path(request=asked.request, leaf=None, hashes=hashes))
        elif answer is Answer.HANG_UP:
            relay.cut(to)
        elif answer is Answer.OTHERS:
            self._say(relay, to, self._own(OTHER if side == TRUE else TRUE, asked))
        elif answer is not Answer.NEVER:
            late_ms = self.schedule.late_ms if answer is Answer.LATE else AT_ONCE_MS
            self._say(relay, to, self._own(side, asked), late_ms)

    def _own(self, side: int, asked: frames.GetConsistency | frames.GetInclusion) -> frames.Frame:
        record = self.records[side]
        try:
            match asked:
                case frames.GetConsistency(request=request, old=old, new=new):
                    return frames.Path(request=request, leaf=None, hashes=consistency_path(record.tree.read, old, new))
                case frames.GetInclusion(request=request, index=index, size=size):
                    path = inclusion_path(record.tree.read, index, size)
                    return frames.Path(request=request, leaf=record.leaves[index], hashes=path)
        except (LookupError, UsageError):  # the record has no such size
            return frames.Refused(request=asked.request, code=Code.NOT_FOUND, detail="the log is smaller")

    def _say(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame, late_ms: int = AT_ONCE_MS) -> None:
        """Answer on the connection on which it was asked, if that is still there."""
        sessions = relay.sessions_of(to)

        def say() -> None:
            if sessions and relay.sessions_of(to) == sessions:
                relay.say(to, frame)

        relay._later(late_ms, say)

    # ---- witnesses

    def _witnessed(self, relay: EvilRelay, side: int, request: int) -> frames.Frame:
        """The newest of a side that the quorum has cosigned."""
        size = max(self.quorums(relay, side), default=0)
        if not size:
            return frames.Refused(request=request, code=Code.NOT_FOUND, detail="none yet", retry_after_ms=30_000)
        self._told(relay, side, size)
        return frames.Checkpoint(request=request, note=self._signed(relay, side, size))

    def quorums(self, relay: EvilRelay, side: int) -> list[int]:
        """The sizes of a side that a quorum has cosigned, by the policy of the roster."""
        sizes = []
        for size, lines in self.records[side].cosigned.items():
            if len(lines) < self.schedule.quorum:
                continue
            try:
                self._policy.verify_note(self._signed(relay, side, size))
            except PeerError:
                continue
            sizes.append(size)
        return sizes

    def on_time(self, relay: EvilRelay) -> None:
        """Each side's newest checkpoint goes to whichever witness it likes."""
        if not self.armed:
            return
        sides = (TRUE, OTHER) if self.forked_at is not None else (TRUE,)
        for number, witness in enumerate(self._witnesses):
            # It divides them as evenly as it can, and now and then asks one for the other side all the same.
            liked = (number + self.schedule.seed) % 2
            for side in sorted(sides, key=lambda side: side != liked):
                if self._chance.randrange(8) < (6 if side == liked else 2):
                    self._submit(relay, witness, side, collude=number < self.schedule.colluding)

    def _submit(self, relay: EvilRelay, witness: Witness, side: int, *, collude: bool) -> None:
        record = self.records[side]
        size, name = len(record.leaves), witness.signer.name
        lines = record.cosigned.setdefault(size, {})
        if name in lines:
            return
        note = self._signed(relay, side, size)
        if collude:
            lines[name] = witness.signer.sign(decode_note(note).text, time_s=relay.clock_ms // 1_000)
        else:
            old = 0 if witness.known is None else witness.known.size
            proof = consistency_path(record.tree.read, old, size) if 0 < old < size else ()
            answer = witness.take(encode_request(old, proof, note), relay.clock_ms)
            if isinstance(answer, Refused):
                if answer.finding:
                    self.findings.append(f"{name}: {answer.finding}")
                return
            (lines[name],) = decode_answer(answer)
        if self.forked_at is None or size <= self.forked_at:
            self.records[1 - side].cosigned.setdefault(size, {})[name] = lines[name]
