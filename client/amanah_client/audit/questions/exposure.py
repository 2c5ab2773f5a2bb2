"""What a lost device exposed, and what it sent after it was lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case, Stay
from amanah_client.audit.questions.contents import LAST, Contents, spans_of
from amanah_client.audit.questions.leaving import gaps
from amanah_client.audit.questions.question import Cell, Column, Found, Parameter, Proof, Question, Takes, proof
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol import kinds
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId

_SENT: Final = """
    SELECT room, kind, held, count(*), min(seq), max(seq), min(epoch), max(epoch), max(label), min(accepted_ms),
        max(accepted_ms), min("index"), max("index")
    FROM entry WHERE sender = ? AND accepted_ms >= ? GROUP BY room, kind, held ORDER BY min("index")"""
_DEVICE: Final = "SELECT revoked, compromised_ms FROM device WHERE number = ?"
_TIME: Final = 'SELECT accepted_ms FROM entry WHERE "index" = ?'
_REACH: Final = "SELECT max(seq) FROM entry WHERE room = ?"
_EPOCH: Final = "SELECT epoch + (kind = 2 AND held) FROM entry WHERE room = ? AND seq <= ? ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostDevice:
    """Which device, and since when it was in wrong hands."""

    device: Annotated[int, Parameter(Takes.DEVICE, N_("first digits of the device's id or of its officer's pseudonym"))]
    since: Annotated[
        int | None, Parameter(Takes.TIME, N_("since when it was lost, if not as its organisation says"))
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """One stretch of a room that the device could read, or what it sent after it was lost.

    Attributes:
        what: Which of these.
        room: The room.
        first_seq: First place.
        last_seq: Last place.
        first_epoch: The room's epoch at the first place.
        last_epoch: That at the last place.
        entries: Messages and alerts there; of what it sent, entries.
        label: The strictest label among them.
        first_ms: When the relay accepted what began it.
        last_ms: When it accepted what ended it; None for a stay that has not ended.
        state: `holds`, or what is wrong.
        proof: The entries.
    """

    what: Annotated[str, Column("what")]
    room: Annotated[RoomId, Column("room", Cell.ROOM)]
    first_seq: Annotated[int, Column("from place", Cell.NUMBER)]
    last_seq: Annotated[int, Column("to place", Cell.NUMBER)]
    first_epoch: Annotated[int, Column("from epoch", Cell.NUMBER)]
    last_epoch: Annotated[int, Column("to epoch", Cell.NUMBER)]
    entries: Annotated[int, Column("messages", Cell.NUMBER)]
    label: Annotated[Label | None, Column("label", Cell.LABEL)]
    first_ms: Annotated[int, Column("from", Cell.TIME)]
    last_ms: Annotated[int | None, Column("to", Cell.TIME)]
    state: Annotated[str, Column("state")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


READ: Final = N_("could read")
GRANTED: Final = N_("was granted")
SENT: Final = N_("sent after it was lost")


def exposure(case: Case, asked: LostDevice) -> Found[Exposed]:
    """All that a device could ever read, and what it sent since it was in wrong hands."""
    who = case.who(asked.device)
    ((revoked, compromised),) = case.record.select(_DEVICE, asked.device)
    since = compromised if asked.since is None else asked.since
    contents = Contents(case)
    read = [*_stays(case, contents, asked.device), *_grants(case, contents, who)]
    sent = [] if since is None else list(_sent(case, asked.device, since))
    rows = [*read, *sent]
    messages, after = sum(row.entries for row in read), sum(row.entries for row in sent)
    strictest = max((row.label for row in read if row.label is not None), default=None)
    said = [
        (
            f"Whoever holds {who.text} can have read "
            f"{words.counted(messages, 'message or alert', 'messages and alerts')} in "
            f"{words.counted(len({row.room for row in read}), 'room')}"
            f"{'' if strictest is None else f', up to {strictest.text}'}."
        ),
        f"Its organisation revoked it (entry {revoked})."
        if revoked is not None
        else N_("It is not revoked in this record."),
        N_("When it was lost is not in the record: give --since to see what it sent after.")
        if since is None
        else f"Since {words.moment(since)} it sent {words.counted(after, 'entry', 'entries')}.",
    ]
    return Found(
        said=tuple(said),
        rows=tuple(rows[: case.limit]),
        left_out=max(0, len(rows) - case.limit),
        limits=(
            (
                N_(
                    "This is the most that it can have read: what its store had erased by then, or never "
                    "fetched, is not known here."
                )
            ),
            (
                N_(
                    "Its keys let nobody read what was said after its removal, and its signatures stop "
                    "counting with its revocation."
                )
            ),
            words.LABELS,
            *words.bare(case.report),
        ),
    )


def _stays(case: Case, contents: Contents, device: int) -> Iterator[Exposed]:
    for stay in case.stays(devices=(device,)):
        counts = contents.count(stay.room, spans_of((stay,)))
        last = _last(case, stay)
        yield Exposed(
            what=READ,
            room=case.room(stay.room),
            first_seq=stay.from_seq,
            last_seq=last,
            first_epoch=_epoch(case, stay.room, stay.from_seq),
            last_epoch=_epoch(case, stay.room, last),
            entries=sum(counts.values()),
            label=max(counts, default=None),
            first_ms=case.record.select(_TIME, stay.added)[0][0],
            last_ms=None if stay.removed is None else case.record.select(_TIME, stay.removed)[0][0],
            state="holds",
            proof=proof(stay.added, stay.removed),
        )


def _last(case: Case, stay: Stay) -> int:
    if stay.to_seq is not None:
        return stay.to_seq - 1
    return int(case.record.select(_REACH, stay.room)[0][0])


def _epoch(case: Case, room: int, seq: int) -> int:
    return int(case.record.select(_EPOCH, room, seq)[0][0])


def _grants(case: Case, contents: Contents, who: Who) -> Iterator[Exposed]:
    for row in case.of_kind(Kind.GRANT):
        grant = case.specific(row)
        if not isinstance(grant, kinds.Grant) or who.device not in grant.addressees:
            continue
        spans = gaps(case, row, grant, who)
        counts = contents.count(row.room, spans)
        if spans:
            yield Exposed(
                what=GRANTED,
                room=case.room(row.room),
                first_seq=grant.from_seq,
                last_seq=min(grant.to_seq, LAST),
                first_epoch=_epoch(case, row.room, grant.from_seq),
                last_epoch=_epoch(case, row.room, grant.to_seq),
                entries=sum(counts.values()),
                label=max(counts, default=None),
                first_ms=row.accepted_ms,
                last_ms=row.accepted_ms,
                state=case.state(row),
                proof=proof(row.at),
            )


def _sent(case: Case, device: int, since_ms: int) -> Iterator[Exposed]:
    for found in case.record.select(_SENT, device, since_ms):
        room, kind, held, count, first, last, epoch, newest, label, first_ms, last_ms, index, end = found
        yield Exposed(
            what=f"{SENT}: {words.kind_name(kind)}",
            room=case.room(room),
            first_seq=first,
            last_seq=last,
            first_epoch=epoch,
            last_epoch=newest,
            entries=count,
            label=Label(label),
            first_ms=first_ms,
            last_ms=last_ms,
            state=case.state_of(index) if held or count == 1 else "DOES NOT HOLD",
            proof=Proof(proof(index, end).indices, max(0, count - 2)),
        )


EXPOSURE: Final = Question(
    name="exposure",
    sentence=N_("What did this lost device expose, and what did it send after it was lost?"),
    params=LostDevice,
    row=Exposed,
    run=exposure,
)
