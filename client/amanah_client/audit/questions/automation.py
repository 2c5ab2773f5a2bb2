"""What machines posted, merged and dropped, and whether their sums add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case
from amanah_client.audit.questions.labels import MaybeRoom
from amanah_client.audit.questions.question import MAX_NAMED, Cell, Column, Found, Proof, Question, proof
from amanah_client.audit.record import read_specific
from amanah_client.audit.report import Who
from amanah_client.language import N_
from amanah_protocol import kinds
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind
from amanah_protocol.types import RoomId

_MACHINES: Final = (int(Role.BOT), int(Role.SENSOR))
_ALERTS: Final = """
    SELECT sender, room, specific, held, count(*) FROM entry
    WHERE kind IN (5, 16) AND kind = 5 AND (?1 IS NULL OR room = ?1) GROUP BY sender, room, specific, held"""
_COUNTS: Final = """
    SELECT sender, room, specific, held FROM entry WHERE kind IN (5, 16) AND kind = 16 AND (?1 IS NULL OR room = ?1)"""
_OTHERS: Final = f"""
    SELECT sender, room, kind, count(*) FROM entry WHERE sender IN (SELECT number FROM device WHERE role IN {_MACHINES})
    AND (?1 IS NULL OR room = ?1) GROUP BY sender, room, kind"""  # noqa: S608 - of numbers of ours
_PROOF: Final = """
    SELECT "index", kind FROM entry WHERE sender = ? AND room = ? AND kind = ? ORDER BY seq LIMIT ?"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What one device did by itself in one room.

    Attributes:
        who: The device.
        room: The room.
        envelopes: Envelopes with alerts.
        alerts: Alerts in them.
        accepted: Alerts that it counted as accepted.
        merged: Those that it counted as merged into others.
        dropped: Those that it counted as dropped.
        other: What else it sent.
        adds_up: Whether the alerts in envelopes are those that it counted, in words.
        proof: Its counts, then its first alerts.
    """

    who: Annotated[Who, Column("who", Cell.WHO)]
    room: Annotated[RoomId, Column("room", Cell.ROOM)]
    envelopes: Annotated[int, Column("envelopes", Cell.NUMBER)]
    alerts: Annotated[int, Column("alerts", Cell.NUMBER)]
    accepted: Annotated[int, Column("accepted", Cell.NUMBER)]
    merged: Annotated[int, Column("merged", Cell.NUMBER)]
    dropped: Annotated[int, Column("dropped", Cell.NUMBER)]
    other: Annotated[str | None, Column("also sent")]
    adds_up: Annotated[str, Column("sums")]
    proof: Annotated[Proof, Column("proof", Cell.PROOF)]


@dataclass(slots=True, kw_only=True)
class _Sums:
    envelopes: int = 0
    alerts: int = 0
    accepted: int = 0
    merged: int = 0
    dropped: int = 0
    counts: int = 0
    refused: int = 0
    other: dict[int, int] = field(default_factory=dict)

    def say(self) -> str:
        """Whether it adds up."""
        refused = f"; entries of it that do not hold: {self.refused}" if self.refused else ""
        if not self.counts:
            return (
                f"{words.counted(self.alerts, 'alert')} posted and never counted"
                if self.envelopes
                else "nothing to count"
            ) + refused
        over = self.alerts - self.accepted
        if over > 0:
            return f"{over} more in envelopes than it counted" + refused
        if over < 0:
            return f"{-over} counted as accepted that are in no envelope of this record" + refused
        return "adds up" + refused


def automation(case: Case, asked: MaybeRoom) -> Found[Machine]:
    """Of each bot and sensor, and of whoever posted alerts, by room: what it posted and what it counted."""
    sums = _sums(case, None if asked.room is None else asked.room.number)
    rows = [_row(case, sender, room, of) for (sender, room), of in sorted(sums.items())[: case.limit]]
    everything = list(sums.values())
    wrong = sum(not of.say().startswith(("adds up", "nothing")) for of in everything)
    posted = (
        f"{words.counted(sum(of.envelopes for of in everything), 'envelope').capitalize()} with "
        f"{words.counted(sum(of.alerts for of in everything), 'alert')}; counted by their senders: "
        f"{sum(of.accepted for of in everything)} accepted, {sum(of.merged for of in everything)} merged, "
        f"{sum(of.dropped for of in everything)} dropped."
    )
    said = (
        posted,
        N_("Every sum adds up.") if not wrong else f"Sums that do not add up: {wrong}.",
    )
    return Found(
        said=said,
        rows=tuple(rows),
        left_out=max(0, len(sums) - case.limit),
        limits=(
            (
                N_(
                    "How many alerts are in an envelope, and what was merged or dropped, is the sender's "
                    "word; the alerts are sealed."
                )
            ),
            (
                N_(
                    "Whether a machine stayed within its certificate was examined with every entry: see "
                    "the state of the record."
                )
            ),
            *words.bare(case.report),
            words.ENDS,
        ),
    )


def _sums(case: Case, room: int | None) -> dict[tuple[int, int], _Sums]:
    sums: dict[tuple[int, int], _Sums] = {}
    sizes: dict[bytes, int] = {}
    for sender, place, specific, held, count in case.record.select(_ALERTS, room):
        of = sums.setdefault((sender, place), _Sums())
        if specific not in sizes:
            alert = read_specific(Kind.ALERT, specific)
            sizes[specific] = alert.count if isinstance(alert, kinds.Alert) else 0
        if held:
            of.envelopes += count
            of.alerts += count * sizes[specific]
        else:
            of.refused += count
    for sender, place, specific, held in case.record.select(_COUNTS, room):
        of = sums.setdefault((sender, place), _Sums())
        said = read_specific(Kind.COUNTS, specific)
        if held and isinstance(said, kinds.Counts):
            of.counts += 1
            of.accepted, of.merged, of.dropped = (
                of.accepted + said.accepted,
                of.merged + said.merged,
                of.dropped + said.dropped,
            )
        else:
            of.refused += 1
    for sender, place, kind, count in case.record.select(_OTHERS, room):
        if kind not in {Kind.ALERT, Kind.COUNTS}:
            sums.setdefault((sender, place), _Sums()).other[kind] = count
    return sums


def _row(case: Case, sender: int, room: int, of: _Sums) -> Machine:
    half = MAX_NAMED // 2
    counts = case.record.select(_PROOF, sender, room, int(Kind.COUNTS), half)
    alerts = case.record.select(_PROOF, sender, room, int(Kind.ALERT), half)
    named = proof(*(index for index, _ in (*counts, *alerts)))
    more = of.counts + of.envelopes + of.refused - len(named.indices)
    return Machine(
        who=case.who(sender),
        room=case.room(room),
        envelopes=of.envelopes,
        alerts=of.alerts,
        accepted=of.accepted,
        merged=of.merged,
        dropped=of.dropped,
        other=", ".join(f"{count} {words.kind_name(kind)}" for kind, count in sorted(of.other.items())) or None,
        adds_up=of.say(),
        proof=Proof(named.indices, more),
    )


AUTOMATION: Final = Question(
    name="automation",
    sentence=N_("What did automation post, merge and drop, and do its sums add up?"),
    params=MaybeRoom,
    row=Machine,
    run=automation,
)
