"""What was erased, when and why; what a room's policy demanded and is not said to be gone; what is held.

From the register of an examined copy alone: statements of erasure by the relay, `erase` envelopes of members, the
policies in rooms' creations, the relay's times of acceptance. That content is *gone* nobody can prove: the relay says
so, and signs it; what members have copied is theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from amanah_client.audit.record import Record
from amanah_client.audit.report import RoomSummary, Who
from amanah_client.language import N_
from amanah_protocol.custody.erasures import Cause
from amanah_protocol.custody.holds import LegalHold, decode_hold
from amanah_protocol.custody.retention import DAY_MS, RoomPolicy, decode_policy
from amanah_protocol.errors import DecodeError
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName, PersonId, RoomId

GRACE_MS: Final = DAY_MS
"""So much later a relay that keeps to a policy has made a pass."""
_SEALED: Final = (Kind.MESSAGE, Kind.ALERT, Kind.GRANT, Kind.REPAIR)
CAUSES: Final = {
    Cause.ROOM: N_("the room's policy"),
    Cause.RELAY: N_("the relay's configuration"),
    Cause.HANDSHAKE: N_("the time of commits and welcomes"),
    Cause.HELD: N_("an erase that a legal hold had put off"),
}

_STATED: Final = """
    SELECT entry."index", entry.seq, kind, label, entry.accepted_ms, erasure.erased_ms, erasure.cause, erasure."index"
    FROM erasure JOIN entry ON entry.room = erasure.room AND entry.seq = erasure.seq
    WHERE erasure.room = ? ORDER BY entry.seq"""
_ERASED: Final = """
    SELECT target."index", target.seq, target.kind, target.label, target.accepted_ms, erasing.accepted_ms,
        erasing.sender, erasing."index"
    FROM entry AS erasing JOIN mention ON mention."index" = erasing."index"
        JOIN entry AS target ON target."index" = mention.target
    WHERE erasing.room = ? AND erasing.kind = ? AND erasing.held = 1 ORDER BY target.seq"""
_THERE: Final = """
    SELECT "index", seq, kind, accepted_ms, label FROM entry
    WHERE room = ? AND kind IN (4, 5, 9, 11) AND size_class > 0 ORDER BY seq"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A sealed content, by the entry that brought it.

    Attributes:
        index: Log index of its entry.
        room: Its room.
        room_seq: Its place there.
        kind: Its kind.
        label: Its outer label.
    """

    index: int
    room: RoomId
    room_seq: int
    kind: Kind
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone(Content):
    """A content that is erased.

    Attributes:
        accepted_at_ms: When it was accepted.
        erased_at_ms: When it was erased, by the relay's time.
        cause: What demanded it, when the relay said so; None where a member did.
        by: The member who erased it; None where the relay did.
        proof: Log index of the statement or of the `erase`.
        early: Whether that was before the room's policy demanded it.
    """

    accepted_at_ms: int
    erased_at_ms: int
    cause: Cause | None
    by: Who | None
    proof: int
    early: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue(Content):
    """A content of which the room's policy demands that it is gone, and which nothing says is.

    Attributes:
        over_at_ms: When its time was over.
    """

    over_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A legal hold: log index and time of its placing, and of its end, if it has one.

    Attributes:
        hold: The hold, or its release.
        placed: Log index of its placing.
        placed_at_ms: When that was.
        released: Log index of its release.
        released_at_ms: When that was.
        lapsed: Log index of the roster that named its organisation no more; None where that was released before.
        lapsed_at_ms: When that was.
    """

    hold: LegalHold
    placed: int
    placed_at_ms: int
    released: int | None
    released_at_ms: int | None
    lapsed: int | None = None
    lapsed_at_ms: int | None = None

    @property
    def stands(self) -> bool:
        """Whether it keeps content still."""
        return self.released is None and self.lapsed is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What a copy says of retention, as of its newest entry.

    Attributes:
        as_of_ms: The relay's time of the newest entry of any room; None where no entry of a room is here.
        gone: What was erased, by room and place.
        overdue: What should have been.
        holds: Legal holds, in log order.
        forgotten: (organisation, pseudonym, log index, organisation's time) of persons whose name was dropped.
        with_policy: Rooms whose policy stands in the log: of these alone it says what should have been erased.
        without_policy: Rooms that follow the relay's configuration, which is not in the log.
    """

    as_of_ms: int | None
    gone: tuple[Gone, ...]
    overdue: tuple[Overdue, ...]
    holds: tuple[Held, ...]
    forgotten: tuple[tuple[OrgName, PersonId, int, int], ...]
    with_policy: tuple[RoomId, ...]
    without_policy: tuple[RoomId, ...]


def retention(record: Record) -> Retention:
    """Read the register."""
    as_of_ms = record.select("SELECT max(accepted_ms) FROM entry")[0][0]
    holds = tuple(_holds(record))
    gone: list[Gone] = []
    overdue: list[Overdue] = []
    ruled: list[RoomId] = []
    without: list[RoomId] = []
    for number, summary in enumerate(record.rooms(), 1):
        policy = _policy(summary)
        here = [*_stated(record, number, summary.room, policy), *_erased(record, number, summary.room)]
        gone += sorted(here, key=lambda item: (item.room_seq, item.proof))
        if policy is None:
            without.append(summary.room)
            continue
        ruled.append(summary.room)
        known = {item.room_seq for item in here}
        found = _overdue(record, number, summary, policy, as_of_ms or 0)
        overdue += [item for item in found if item.room_seq not in known and not _is_held(record, item, holds)]
    forgotten = record.select('SELECT organisation, subject, "index", erased_ms FROM forgotten ORDER BY "index"')
    return Retention(
        as_of_ms=as_of_ms,
        gone=tuple(gone),
        overdue=tuple(overdue),
        holds=holds,
        forgotten=tuple((OrgName(name), PersonId(subject), index, at_ms) for name, subject, index, at_ms in forgotten),
        with_policy=tuple(ruled),
        without_policy=tuple(without),
    )


def _policy(room: RoomSummary) -> RoomPolicy | None:
    try:
        return None if room.create is None else decode_policy(room.create.policy)
    except DecodeError:
        return None


def _stated(record: Record, number: int, room: RoomId, policy: RoomPolicy | None) -> Iterator[Gone]:
    for index, seq, kind, label, accepted, erased, cause, proof in record.select(_STATED, number):
        yield Gone(
            index=index,
            room=room,
            room_seq=seq,
            kind=Kind(kind),
            label=Label(label),
            accepted_at_ms=accepted,
            erased_at_ms=erased,
            cause=Cause(cause),
            by=None,
            proof=proof,
            early=Cause(cause) is Cause.ROOM
            and _is_early(record, number, policy, Kind(kind), Label(label), accepted, erased),
        )


def _is_early(
    record: Record, number: int, policy: RoomPolicy | None, kind: Kind, label: Label, accepted: int, erased: int
) -> bool:
    if policy is None:
        return True
    query = "SELECT max(accepted_ms) FROM entry WHERE room = ? AND accepted_ms <= ?"
    last = record.select(query, number, erased)[0][0] or accepted
    over = policy.over_at_ms(kind, label, accepted_at_ms=accepted, last_at_ms=last)
    return over is None or erased < over


def _erased(record: Record, number: int, room: RoomId) -> Iterator[Gone]:
    for index, seq, kind, label, accepted, erased, sender, proof in record.select(_ERASED, number, int(Kind.ERASE)):
        yield Gone(
            index=index,
            room=room,
            room_seq=seq,
            kind=Kind(kind),
            label=Label(label),
            accepted_at_ms=accepted,
            erased_at_ms=erased,
            cause=None,
            by=record.who(sender),
            proof=proof,
        )


def _overdue(
    record: Record, number: int, room: RoomSummary, policy: RoomPolicy, as_of_ms: int
) -> Iterator[Overdue]:  # fmt: skip
    for index, seq, kind, accepted, label in record.select(_THERE, number):
        over = policy.over_at_ms(Kind(kind), Label(label), accepted_at_ms=accepted, last_at_ms=room.last_ms)
        if over is not None and over + GRACE_MS <= as_of_ms:
            yield Overdue(
                index=index, room=room.room, room_seq=seq, kind=Kind(kind), label=Label(label), over_at_ms=over
            )


def _is_held(record: Record, item: Overdue, holds: tuple[Held, ...]) -> bool:
    accepted = record.select('SELECT accepted_ms FROM entry WHERE "index" = ?', item.index)[0][0]
    return any(held.stands and item.room in held.hold.rooms and accepted >= held.hold.since_ms for held in holds)


def _holds(record: Record) -> Iterator[Held]:
    query = "SELECT document, placed, placed_ms, released, released_ms FROM legal_hold ORDER BY placed"
    gone = {name: at for name, *at in record.select('SELECT organisation, "index", accepted_ms FROM departed')}
    for document, placed, placed_ms, released, released_ms in record.select(query):
        hold = decode_hold(document)
        lapsed, lapsed_ms = gone.get(hold.organisation, (None, None)) if released is None else (None, None)
        yield Held(
            hold=hold,
            placed=placed,
            placed_at_ms=placed_ms,
            released=released,
            released_at_ms=released_ms,
            lapsed=lapsed,
            lapsed_at_ms=lapsed_ms,
        )
