"""The examination of a copy of the log: every hash, link, signature and right, recomputed offline.

What it needs is in the copy, but for one thing: the rosters that the auditor trusts. What it cannot
show: that nobody was shown another log (cosignatures do), and what stands behind the last entry of a
room (a signed head of the room does, which only its members get).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from amanah_client.audit.identities import Identities
from amanah_client.audit.report import Entry, Findings, Report, Scope
from amanah_client.audit.room import RoomHistory
from amanah_client.model import AuditRow
from amanah_protocol.audit import audit_chain, order_device, verify_order
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.heads import ControlHead, verify_control_head
from amanah_protocol.identity import Role
from amanah_protocol.limits import CLOCK_REMARK_MS
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.leaf import CONTROL_TYPES, Leaf, LeafType, decode_leaf
from amanah_protocol.log.merkle import HASH_BYTES, Frontier, leaf_hash
from amanah_protocol.log.policy import Policy
from amanah_protocol.roster import Roster
from amanah_protocol.types import CONTROL, ZERO_32, LeafHash, RoomId
from amanah_protocol.verified import Verified


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


def examine(rows: Iterable[AuditRow], *, checkpoint: bytes, anchor: Anchor, control_head: bytes = b"") -> Report:
    """Examine a record.

    Args:
        rows: Every leaf under the checkpoint, in order; an iterator is read once. A `PeerError` that it
            raises ends the examination and is a finding.
        checkpoint: The signed note.
        anchor: What it is held against.
        control_head: A signed head of the control stream, b"" for none.

    Raises:
        DecodeError: The checkpoint is none, so that there is nothing to begin with.
    """
    return _Examination(checkpoint, anchor).run(rows, control_head)


class _Examination:
    def __init__(self, checkpoint: bytes, anchor: Anchor) -> None:
        self._anchor = anchor
        self._findings = Findings()
        self._identities = Identities(anchor.rosters, self._findings)
        self._head = decode_checkpoint(checkpoint)[0]
        self._witnesses: tuple[tuple[str, int], ...] = ()
        self._frontier = Frontier()
        self._chains: dict[RoomId, tuple[int, LeafHash]] = {}
        self._control: dict[int, LeafHash] = {0: LeafHash(ZERO_32)}
        self._rooms: dict[RoomId, RoomHistory] = {}
        self._entries: list[Entry] = []
        self._counts = {"bare": 0, "control": 0, "envelopes": 0, "reads": 0}
        self._first_ms: int | None = None
        self._last_ms: int | None = None
        try:
            self._witnesses = anchor.policy.verify_note(checkpoint).cosignatures
        except PeerError as error:
            self._findings.refused(None, error)

    def run(self, rows: Iterable[AuditRow], control_head: bytes) -> Report:
        try:
            for row in self._in_order(rows):
                self._read(row)
        except PeerError as error:
            # What cannot be read names the place where it should stand, if it is one of a row.
            place = self._frontier.size
            self._findings.refused(place if place < self._head.size else None, error)
        else:
            if self._frontier.root() != self._head.root:
                self._findings.fault(None, Code.PROOF, "the hashes of the leaves do not lead to the checkpoint's root")
        confirmed = None
        if control_head:
            try:
                confirmed = self._confirm(self._signed_head(control_head))
            except PeerError as error:
                self._findings.refused(None, error)
        return self._report(confirmed)

    def _in_order(self, rows: Iterable[AuditRow]) -> Iterator[AuditRow]:
        for row in rows:
            if self._frontier.size == self._head.size:
                raise VerifyError(Code.PROOF, "there are more leaves than under the checkpoint")
            if row.index != self._frontier.size or len(row.hash) != HASH_BYTES:
                raise VerifyError(Code.GAP, f"leaf {row.index} stands where leaf {self._frontier.size} should")
            yield row
        if self._frontier.size < self._head.size:
            raise VerifyError(Code.GAP, f"the copy ends before the checkpoint's size of {self._head.size}")

    def _read(self, row: AuditRow) -> None:
        try:
            self._examine(row)
        except PeerError as error:
            self._findings.refused(row.index, error)
        self._frontier.append(LeafHash(row.hash))

    def _examine(self, row: AuditRow) -> None:
        if row.entry is None:
            self._counts["bare"] += 1
            if row.document is not None:
                raise VerifyError(Code.BAD_TYPE, "a document stands beside a bare hash")
            return
        if leaf_hash(row.entry) != row.hash:
            raise VerifyError(Code.PROOF, "the entry is not the one whose hash stands in the log")
        leaf = decode_leaf(row.entry)
        # Every entry is taken further even if its link is wrong: else one gap would hide all that follows it.
        for check in (self._check_time, self._check_link):
            try:
                check(leaf)
            except VerifyError as error:
                self._findings.refused(row.index, error)
        self._chains[leaf.room] = leaf.room_seq, LeafHash(row.hash)
        if leaf.room == CONTROL:
            self._control[leaf.room_seq] = LeafHash(row.hash)
        self._dispatch(row, leaf)

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
        last_seq, last = self._chains.get(leaf.room, (0, LeafHash(ZERO_32)))
        if leaf.room_seq != last_seq + 1:
            raise VerifyError(Code.GAP, f"entry {leaf.room_seq} of its room follows entry {last_seq}")
        if leaf.previous != last:
            raise VerifyError(Code.FORK, "the entry does not name the one before it in its room")

    def _dispatch(self, row: AuditRow, leaf: Leaf) -> None:
        if leaf.type in CONTROL_TYPES:
            self._counts["control"] += 1
            self._identities.add(row.index, leaf, row.document)
            return
        if row.document is not None:
            raise VerifyError(Code.BAD_TYPE, "a document stands beside an entry that has none")
        if leaf.type is LeafType.ENVELOPE:
            self._counts["envelopes"] += 1
            self._envelope(row.index, leaf)
        elif leaf.type is LeafType.AUDIT_READ:
            self._counts["reads"] += 1
            self._audit_read(leaf)
        else:
            kind = leaf.type.name.lower().replace("_", " ")
            self._findings.remark(row.index, Code.UNKNOWN_VERSION, f"this version does not examine a {kind}")

    def _envelope(self, index: int, leaf: Leaf) -> None:
        envelope = decode_envelope(leaf.object)
        history = self._rooms.get(leaf.room)
        if history is None:
            history = RoomHistory(leaf.room, self._head.origin, self._identities, self._findings)
            self._rooms[leaf.room] = history
        try:
            history.add(index, leaf, envelope)
        finally:
            # An entry that was refused is shown too, with its fault beside it.
            self._entries.append(self._entry(index, leaf, envelope, history))
        late = abs(envelope.header.sent_at_ms - leaf.accepted_at_ms)
        if late > CLOCK_REMARK_MS:
            text = f"the sender's clock and the relay's differ by {late // 1000} s"
            self._findings.remark(index, Code.CLOCK, text)

    def _entry(self, index: int, leaf: Leaf, envelope: Envelope, history: RoomHistory) -> Entry:
        header = envelope.header
        return Entry(
            index=index,
            accepted_at_ms=leaf.accepted_at_ms,
            sent_at_ms=header.sent_at_ms,
            room=leaf.room,
            room_seq=leaf.room_seq,
            envelope=envelope.id,
            sender=self._identities.who(header.kid),
            specific=header.specific,
            label=header.label,
            precedence=header.precedence,
            size_class=header.size_class,
            epoch=header.epoch,
            readers=history.circle.nations,
        )

    def _audit_read(self, leaf: Leaf) -> None:
        certificate = self._identities.check_usable(order_device(leaf.object), leaf.accepted_at_ms)
        if certificate.role is not Role.AUDITOR:
            raise VerifyError(Code.ROLE, f"a {certificate.role.name.lower()} read the log as an auditor")
        verify_order(leaf.object, certificate.public_key)
        if leaf.room != audit_chain(certificate.organisation):
            raise VerifyError(Code.BINDING, "the reading order stands in another organisation's chain")

    def _signed_head(self, data: bytes) -> ControlHead:
        refusal: PeerError = VerifyError(Code.SIGNATURE, "no relay signed the head of the control stream")
        for relay in (relay for roster in self._anchor.rosters for relay in roster.value.relays):
            try:
                return verify_control_head(data, relay.key).value
            except PeerError as error:
                refusal = error
        raise refusal

    def _confirm(self, head: ControlHead) -> int | None:
        """The control stream is whole up to a head that the relay signed; None when that is not known."""
        if head.size == self._head.size and head.root != self._head.root:
            raise VerifyError(Code.FORK, "the relay signed two different logs of this size")
        held = self._control.get(head.sequence)
        if held is not None and held != head.leaf:
            raise VerifyError(
                Code.FORK, f"entry {head.sequence} of the control stream is not the one that the relay signed"
            )
        # Else the last revocations could be shown as bare hashes of somebody else's leaves.
        if held is None and head.size <= self._head.size:
            raise VerifyError(Code.GAP, f"the control stream is not here up to entry {head.sequence}")
        return None if held is None else head.sequence

    def _report(self, confirmed: int | None) -> Report:
        head = self._head
        return Report(
            origin=head.origin,
            size=head.size,
            root=head.root,
            anchor=self._anchor.name,
            witnesses=self._witnesses,
            scope=Scope(leaves=self._frontier.size, first_ms=self._first_ms, last_ms=self._last_ms, **self._counts),
            control_confirmed=confirmed,
            rooms=tuple(room.summary() for room in self._rooms.values()),
            entries=tuple(self._entries),
            compromised=self._identities.compromised,
            findings=tuple(self._findings.kept),
            faults=self._findings.faults,
        )
