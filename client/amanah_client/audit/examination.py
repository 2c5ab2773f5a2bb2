"""The examination of a copy of the log: every hash, link, signature and right, recomputed offline.

What it needs is in the copy, but for one thing: the rosters that the auditor trusts. What it cannot
show: that nobody was shown another log (cosignatures do), and what stands behind the last entry of a
room (a signed head of the room does, which only its members get). Published checkpoints are held against
the leaves on the way; what their cosignatures say of time is `times`.

It goes through the leaves once, a stretch at a time. Of each stretch everything is decoded and its
signatures are given to `Signatures`; while those are verified the next stretch is decoded; then the
stretch is held against all before it, entry by entry, and what it says is written to the register.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from amanah_client.audit.custody import Custody
from amanah_client.audit.garbage import without_collections
from amanah_client.audit.identities import Identities, beside, check_alone
from amanah_client.audit.record import Record, Report
from amanah_client.audit.register import Register
from amanah_client.audit.report import Finding, Findings, Scope
from amanah_client.audit.room import RoomHistory
from amanah_client.audit.signatures import Signatures, answer
from amanah_client.audit.times import Timeline, prefix_root
from amanah_client.log_rows import AuditRow
from amanah_client.store.copy import AuditCopy
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS
from amanah_protocol.crypto import SignatureClaim, sha256
from amanah_protocol.custody.erasures import decode_person_erasure
from amanah_protocol.custody.grants import AuditGrant
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.heads import ControlHead, verify_control_head
from amanah_protocol.identity import decode_certificate
from amanah_protocol.limits import CLOCK_REMARK_MS
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.leaf import Leaf, LeafType, decode_leaf
from amanah_protocol.log.merkle import HASH_BYTES, Frontier, leaf_hash
from amanah_protocol.log.policy import Policy
from amanah_protocol.roster import Roster
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, LeafHash, RoomId
from amanah_protocol.verified import Verified

STRETCH: Final = 1_000
"""Leaves that are decoded and verified together."""
SAVED: Final = 64
"""Stretches that are written together: each page of an index that they touch is sealed and written once for all."""
_AHEAD: Final = 16
"""Stretches whose signatures are being verified: enough for all the time that the register is being written."""
_AHEAD_BYTES: Final = 16 * 2**20
"""Bytes of entries in them, about: usual ones are of 400 bytes, and the largest of 65,535."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What a record is held against.

    Attributes:
        rosters: Rosters that are trusted, ascending by version, at least one.
        policy: Whose checkpoints count.
        name: What it is, for people; "" when it was taken from the record itself, which proves nothing.
    """

    rosters: tuple[Verified[Roster], ...]
    policy: Policy
    name: str

    @property
    def digest(self) -> bytes:
        """SHA-256 over the rosters: a register that was made under others is made anew."""
        return sha256(b"".join(roster.value.endorsed.hash for roster in self.rosters))


def examine(
    rows: Iterable[AuditRow],
    *,
    checkpoint: bytes,
    anchor: Anchor,
    control_head: bytes = b"",
    published: Iterable[bytes] = (),
    copy: AuditCopy | None = None,
    advanced: Callable[[int], None] = lambda _: None,
) -> Report:
    """Examine a record from its beginning.

    Args:
        rows: Every leaf under the checkpoint, in order; an iterator is read once. A `PeerError` that it
            raises ends the examination and is a finding.
        checkpoint: The signed note.
        anchor: What it is held against.
        control_head: A signed head of the control stream, b"" for none.
        published: Signed notes of smaller published checkpoints, ascending by size.
        copy: Where the register is written, its tables empty; None for one in memory.
        advanced: Told after each stretch how many leaves are done.

    Raises:
        DecodeError: The checkpoint is none, so that there is nothing to begin with.
        OperationalError: `STORE` or `DISK_FULL`; `INTERNAL`.
    """
    where = copy or AuditCopy.in_memory()
    register = Register(where, anchor.digest)
    head = decode_checkpoint(checkpoint)[0]
    with Signatures(head.size) as signatures, without_collections():
        return Examination(checkpoint, anchor, register, signatures, published).run(rows, control_head, advanced)


def examine_copy(
    copy: AuditCopy,
    *,
    checkpoint: bytes,
    anchor: Anchor,
    control_head: bytes = b"",
    selection: AuditGrant | None = None,
    advanced: Callable[[int], None] = lambda _: None,
) -> Report:
    """Examine a copy, going on behind what was examined before under the same anchor.

    Args:
        copy: The copy.
        checkpoint: The signed note that it leads to.
        anchor: What it is held against.
        control_head: A signed head of the control stream, b"" for none.
        selection: The grant that it was read under; one of a selection excuses gaps in rooms of others alone, and has
            to be found in the log like any other.
        advanced: Told after each stretch how many leaves are done.

    Raises:
        DecodeError, OperationalError: As `examine`.
    """
    register = Register(copy, anchor.digest)
    head = decode_checkpoint(checkpoint)[0]
    first = register.progress.size
    with Signatures(head.size - first) as signatures, without_collections():
        examination = Examination(checkpoint, anchor, register, signatures, copy.checkpoints(head.size), selection)
        examination.remember(copy.rows(0, first, control_alone=True))
        return examination.run(copy.rows(first, head.size), control_head, advanced)


class _Decoded(NamedTuple):
    """A leaf as far as it is understood without any other.

    Attributes:
        row: The leaf.
        leaf: Its entry; None for a bare hash, or what does not decode.
        envelope: The envelope in it, if it is one.
        error: Why it was refused; None where nothing was wrong.
        claim: Place among the signatures of its stretch; -1 for none.
    """

    row: AuditRow
    leaf: Leaf | None = None
    envelope: Envelope | None = None
    error: PeerError | None = None
    claim: int = -1


class _Stretch(NamedTuple):
    """Leaves whose signatures are being verified."""

    decoded: list[_Decoded]
    answers: Future[list[bool]]
    size: int


class _Held(NamedTuple):
    """An entry of the control stream: its log index and its hash."""

    at: int
    leaf: LeafHash


class Examination:
    """One pass over a record."""

    def __init__(
        self,
        checkpoint: bytes,
        anchor: Anchor,
        register: Register,
        signatures: Signatures,
        published: Iterable[bytes] = (),
        selection: AuditGrant | None = None,
    ) -> None:
        """Begin where the register ends.

        Raises:
            DecodeError: The checkpoint is none.
        """
        self._anchor = anchor
        self._register = register
        self._selection = selection
        self._signatures = signatures
        progress = register.progress
        self._findings = Findings(register.put_finding, count=progress.findings, faults=progress.faults)
        self._identities = Identities(anchor.rosters, self._findings, register)
        self._head = decode_checkpoint(checkpoint)[0]
        self._frontier = Frontier(progress.size, progress.edge)
        self._rooms: dict[RoomId, RoomHistory] = {}
        self._custody = Custody(self._identities, self._findings, register, self._known_room)
        self._keys: dict[DeviceId, bytes] = {}
        self._counts = {
            "bare": progress.bare, "control": progress.control,
            "envelopes": progress.envelopes, "reads": progress.reads,
        }  # fmt: skip
        self._first_ms, self._last_ms = progress.first_ms, progress.last_ms
        self._control = {0: _Held(-1, LeafHash(ZERO_32))}
        self._found: list[Finding] = []
        self._whole = Findings(self._found.append)
        """About the whole record as it is now: no part of the register."""
        self._left_out: set[RoomId] = set()
        self._signed: ControlHead | None = None
        self._signed_root: bytes | None = None
        """Root of the leaves that a signed head covers; None where they do not reach so far."""
        self._timeline = Timeline(published, checkpoint, anchor.policy, register.copy, self._whole)
        self._witnesses: tuple[tuple[str, int], ...] = ()
        try:
            self._witnesses = anchor.policy.verify_note(checkpoint).cosignatures
        except PeerError as error:
            self._whole.refused(None, error)

    def remember(self, rows: Iterable[AuditRow]) -> None:
        """Take in entries of the control stream that were examined before; what was wrong with them is known."""
        for row, leaf, _, error, _ in (self._decode(row, []) for row in rows):
            if leaf is not None and leaf.room == CONTROL and error is None:
                self._control[leaf.room_seq] = _Held(row.index, LeafHash(row.hash))
                self._identities.remember(row.index, leaf, row.document)

    def run(self, rows: Iterable[AuditRow], control_head: bytes, advanced: Callable[[int], None]) -> Report:
        """Examine all rows that follow, and say what was found.

        Raises:
            OperationalError: The register cannot be written, or a process that verified signatures is gone.
        """
        self._timeline.pass_examined(self._frontier.size)
        self._take_signed(control_head)
        try:
            for number, stretch in enumerate(self._verified(self._in_order(rows)), start=1):
                holds = answer(stretch.answers)
                for decoded in stretch.decoded:
                    self._take(decoded, holds)
                if not number % SAVED:
                    self._save()
                advanced(self._frontier.size)
            self._save()
        except PeerError as error:
            # What cannot be read names the place where it should stand, if it is one of a row.
            self._save()
            place = self._frontier.size
            self._whole.refused(place if place < self._head.size else None, error)
        else:
            if self._frontier.root() != self._head.root:
                self._whole.fault(None, Code.PROOF, "the hashes of the leaves do not lead to the checkpoint's root")
        self._timeline.settle(self._frontier.size)
        self._end_custody()
        confirmed = None
        if self._signed is not None:
            try:
                confirmed = self._confirm(self._signed)
            except VerifyError as error:
                self._whole.refused(None, error)
        return self._report(confirmed)

    # ---- decoding, and signatures

    def _verified(self, rows: Iterator[AuditRow]) -> Iterator[_Stretch]:
        """Stretches whose signatures are verified, in order; some are on their way while one is given out."""
        waiting: deque[_Stretch] = deque()
        failure: PeerError | None = None
        while failure is None:
            stretch: list[_Decoded] = []
            claims: list[SignatureClaim] = []
            try:
                for row in islice(rows, STRETCH):
                    stretch.append(self._decode(row, claims))  # noqa: PERF401 - what came before a refusal is kept
            except PeerError as error:
                failure = error
            if stretch:
                size = sum(len(decoded.row.entry or b"") for decoded in stretch)
                waiting.append(_Stretch(stretch, self._signatures.verify(claims), size))
            elif failure is None:
                break
            while len(waiting) > _AHEAD or sum(stretch.size for stretch in waiting) > _AHEAD_BYTES:
                yield waiting.popleft()
        yield from waiting
        if failure is not None:
            raise failure

    def _in_order(self, rows: Iterable[AuditRow]) -> Iterator[AuditRow]:
        at, end = self._frontier.size, self._head.size
        for row in rows:
            if at == end:
                raise VerifyError(Code.PROOF, "there are more leaves than under the checkpoint")
            if row.index != at or len(row.hash) != HASH_BYTES:
                raise VerifyError(Code.GAP, f"leaf {row.index} stands where leaf {at} should")
            at += 1
            yield row
        if at < end:
            raise VerifyError(Code.GAP, f"the copy ends before the checkpoint's size of {end}")

    def _decode(self, row: AuditRow, claims: list[SignatureClaim]) -> _Decoded:
        if row.entry is None:
            return _Decoded(row)
        leaf = None
        try:
            if leaf_hash(row.entry) != row.hash:
                raise VerifyError(Code.PROOF, "the entry is not the one whose hash stands in the log")
            leaf = decode_leaf(row.entry)
            if leaf.type is LeafType.CERTIFICATE:
                self._note_key(leaf)
            if leaf.type is not LeafType.ENVELOPE:
                return _Decoded(row, leaf)
            envelope = decode_envelope(leaf.object)
        except PeerError as error:
            return _Decoded(row, leaf, None, error)
        public = self._keys.get(envelope.header.kid)
        if public is None:
            return _Decoded(row, leaf, envelope)
        claims.append(SignatureClaim(public, envelope.parts.signature, envelope.signed_bytes))
        return _Decoded(row, leaf, envelope, None, len(claims) - 1)

    def _note_key(self, leaf: Leaf) -> None:
        """A device id is the hash of its key: whether the certificate holds is not asked here."""
        try:
            certificate = decode_certificate(leaf.object)
        except PeerError:
            return  # it is refused in its turn
        self._keys[certificate.device_id] = certificate.public_key

    # ---- one leaf after another

    def _take(self, decoded: _Decoded, holds: list[bool]) -> None:
        row = decoded.row
        try:
            self._examine(decoded, holds[decoded.claim] if decoded.claim >= 0 else None)
        except PeerError as error:
            self._findings.refused(row.index, error)
            # One that was kept beside its entry would keep the entry: its traceback knows this frame.
            error.__traceback__ = None
        for node in self._frontier.append(LeafHash(row.hash)):
            self._register.put_node(node)
        if self._frontier.size == self._timeline.wanted:
            self._timeline.reached(self._frontier.root())
        if self._signed is not None and self._frontier.size == self._signed.size:
            self._signed_root = self._frontier.root()

    def _examine(self, decoded: _Decoded, holds: bool | None) -> None:  # noqa: FBT001 - an answer, or that there is none
        row, leaf = decoded.row, decoded.leaf
        if leaf is None:
            if decoded.error is not None:
                raise decoded.error
            self._counts["bare"] += 1
            if row.document is not None:
                raise VerifyError(Code.BAD_TYPE, "a document stands beside a bare hash")
            return
        # Every entry is taken further even if its link is wrong: else one gap would hide all that follows it.
        for check in (self._check_time, self._check_link, self._custody.copies.check):
            try:
                check(leaf)
            except VerifyError as error:
                self._findings.refused(row.index, error)
        before = self._register.chains.get(leaf.room, (0, LeafHash(ZERO_32)))
        self._custody.decide(leaf, follows=before == (leaf.room_seq - 1, leaf.previous))
        self._register.put_chain(leaf.room, leaf.room_seq, LeafHash(row.hash))
        if leaf.type is not LeafType.ENVELOPE:
            self._register.put_aside(row.index, leaf.accepted_at_ms)
        if leaf.room == CONTROL:
            self._control[leaf.room_seq] = _Held(row.index, LeafHash(row.hash))
        self._dispatch(decoded, leaf, holds)

    def _check_time(self, leaf: Leaf) -> None:
        before, self._last_ms = self._last_ms, leaf.accepted_at_ms
        if before is None:
            self._first_ms = leaf.accepted_at_ms
        elif leaf.accepted_at_ms < before:
            self._last_ms = before
            raise VerifyError(Code.CLOCK, "the relay's time of acceptance goes backwards")
        if leaf.accepted_at_ms > MAX_OBSERVED_AT_MS:
            raise VerifyError(Code.CLOCK, "the relay's time of acceptance lies beyond the year 9999")

    def _check_link(self, leaf: Leaf) -> None:
        """`room_seq` and `previous`: nothing is left out inside the scope (protocol, section 6)."""
        last_seq, last = self._register.chains.get(leaf.room, (0, LeafHash(ZERO_32)))
        if leaf.room_seq > last_seq + 1 and self._selects(leaf.room):
            return
        if leaf.room_seq != last_seq + 1:
            raise VerifyError(Code.GAP, f"entry {leaf.room_seq} of its room follows entry {last_seq}")
        if leaf.previous != last:
            raise VerifyError(Code.FORK, "the entry does not name the one before it in its room")

    def _selects(self, room: RoomId) -> bool:
        """Whether the grant that the copy was read under leaves out entries of a room of others."""
        selection, history = self._selection, self._known_room(room)
        # What stands there after the auditor's own organisation has left is shown for the grant's sake, if at all.
        if selection is None or not selection.is_selection or history is None or history.has(selection.auditor):
            return False
        return not selection.rooms or room in selection.rooms

    def _dispatch(self, decoded: _Decoded, leaf: Leaf, holds: bool | None) -> None:  # noqa: FBT001 - as above
        row = decoded.row
        if leaf.room == CONTROL:
            self._counts["control"] += 1
            self._identities.add(row.index, leaf, row.document)
            if leaf.type is LeafType.ERASURE:
                self._custody.check_forgotten(row.index, decode_person_erasure(beside(row.document)))
        elif leaf.type is LeafType.ENVELOPE:
            check_alone(row.document)
            self._counts["envelopes"] += 1
            if decoded.envelope is None:
                assert decoded.error is not None  # noqa: S101 - narrows for mypy: one of them is there
                raise decoded.error
            self._envelope(row.index, leaf, decoded.envelope, holds)
        else:
            self._counts["reads"] += leaf.type is LeafType.AUDIT_READ and leaf.room not in self._custody.chains
            self._custody.take(row.index, leaf, row.document)

    def _envelope(self, index: int, leaf: Leaf, envelope: Envelope, holds: bool | None) -> None:  # noqa: FBT001 - as above
        history = self._room(leaf.room)
        if self._selection is not None and not history.partial and self._selects(leaf.room):
            history.partial = True
            text = "a selection of this room was granted: that nothing else is missing in it is not proven"
            self._findings.remark(index, Code.GAP, text)
        history.take(index, leaf, envelope, holds=holds)
        late = abs(envelope.header.sent_at_ms - leaf.accepted_at_ms)
        if late > CLOCK_REMARK_MS:
            text = f"the sender's clock and the relay's differ by {late // 1000} s"
            self._findings.remark(index, Code.CLOCK, text)

    def _room(self, room: RoomId) -> RoomHistory:
        history = self._rooms.get(room)
        if history is None:
            self._custody.know(room)
            history = RoomHistory(room, self._head.origin, self._identities, self._findings, self._register)
            self._rooms[room] = history
        return history

    def _known_room(self, room: RoomId) -> RoomHistory | None:
        return self._room(room) if self._register.knows(room) else None

    # ---- the end

    def _end_custody(self) -> None:
        """Say what was not seen of custody up to here; entries that come later may show it."""
        for owed in self._custody.copies.left_out(self._custody.insiders()):
            room = self._custody.chains[owed.chain]
            self._left_out.add(room)
            text = f"entry {owed.at} concerns room {room.hex()[:8]} too, and does not stand in its custody"
            self._whole.fault(None, Code.GAP, text)
        for index, text in sorted(self._custody.undecided().items()):
            self._whole.remark(index, Code.RECORD, text)

    def _save(self) -> None:
        self._register.save(
            self._frontier,
            first_ms=self._first_ms,
            last_ms=self._last_ms,
            faults=self._findings.faults,
            findings=self._findings.count,
            owed=self._custody.copies.owed,
            told=self._custody.told,
            doubts=self._custody.doubts.left,
            **self._counts,
        )

    def _signed_head(self, data: bytes) -> ControlHead:
        refusal: PeerError = VerifyError(Code.SIGNATURE, "no relay signed the head of the control stream")
        for relay in (relay for roster in self._anchor.rosters for relay in roster.value.relays):
            try:
                return verify_control_head(data, relay.key).value
            except PeerError as error:
                refusal = error
        raise refusal

    def _take_signed(self, data: bytes) -> None:
        """Verify a head of the control stream before the leaves that it covers go by."""
        if not data:
            return
        try:
            self._signed = self._signed_head(data)
        except PeerError as error:
            self._whole.refused(None, error)
            return
        if self._signed.size <= self._frontier.size:
            self._signed_root = prefix_root(self._register.copy, self._signed.size)

    def _confirm(self, head: ControlHead) -> int | None:
        """The control stream is whole up to a head that the relay signed; None when that is not known.

        Raises:
            VerifyError: `FORK` or `GAP`: what it says is not what the leaves show (protocol, section 8).
        """
        held, covered = self._control.get(head.sequence), head.size <= self._head.size
        if head.size == self._head.size and head.root != self._head.root:
            raise VerifyError(Code.FORK, "the relay signed two different logs of this size")
        # Whether the leaves lead to the checkpoint's own root is said elsewhere.
        if head.size < self._head.size and self._signed_root not in {None, head.root}:
            raise VerifyError(Code.FORK, f"the first {head.size} leaves are not those that the relay signed")
        if held is not None and held.leaf != head.leaf:
            raise VerifyError(
                Code.FORK, f"entry {head.sequence} of the control stream is not the one that the relay signed"
            )
        # Else the last revocations could be shown as bare hashes of somebody else's leaves.
        if held is None and covered:
            raise VerifyError(Code.GAP, f"the control stream is not here up to entry {head.sequence}")
        # A head is exact, and one that names fewer entries is evidence: the relay hid one, or put one in.
        if any(sequence > head.sequence and entry.at < head.size for sequence, entry in self._control.items()):
            text = f"the relay signed that the control stream ended with entry {head.sequence} at size {head.size}"
            raise VerifyError(Code.FORK, f"{text}; it did not")
        if held is not None and held.at >= head.size:
            text = f"the relay signed entry {head.sequence} of the control stream before it was there"
            raise VerifyError(Code.FORK, text)
        is_here = held is not None and (self._signed_root is not None or not covered)
        return head.sequence if is_here else None

    def _report(self, confirmed: int | None) -> Report:
        head, record = self._head, Record(self._register.copy, self._selection)
        return Report(
            origin=head.origin,
            size=head.size,
            root=head.root,
            anchor=self._anchor.name,
            witnesses=self._witnesses,
            scope=Scope(leaves=self._frontier.size, first_ms=self._first_ms, last_ms=self._last_ms, **self._counts),
            control_confirmed=confirmed,
            withdrawn=frozenset(self._identities.withdrawn),
            compromised=self._identities.compromised,
            findings=(*record.findings(), *self._found),
            faults=self._findings.faults + self._whole.faults + record.misdated_count,
            record=record,
            left_out=frozenset(self._left_out),
        )
