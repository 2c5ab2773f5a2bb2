"""The head of a room's report: where the incident stands, what was decided, asked for and agreed on as a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from amanah_client.incident.board import Standing
from amanah_client.incident.on_board import ClockOnBoard, ClosingOnBoard, ProposalOnBoard, TaskOnBoard
from amanah_client.report.gate import WITHHELD, Gate
from amanah_client.report.report import DRILL, Fact, Item, Section, times
from amanah_protocol.content.clock import Nature
from amanah_protocol.content.revision import Withdrawal
from amanah_protocol.kinds import Ack
from amanah_protocol.types import EnvelopeId

UNSAID: Final = "not said in the room"
_NATURES: Final = {Nature.ACTION: "act together", Nature.EMBARGO: "embargo until", Nature.DEADLINE: "due"}
_STANDING: Final = {
    "title": "incident",
    "severity": "severity",
    "type": "type",
    "status": "status",
    "aware_at_ms": "aware since",
}


def head(gate: Gate) -> Section:
    """What it is about, and where it stands."""
    given = gate.given
    facts = [Fact(name="drill or real", value=DRILL if given.drill else "real", missing=given.drill)]
    if gate.shows_circle():
        nations = ", ".join(f"{name} ({count})" for name, count in given.nations)
        facts += [
            Fact(name="room", value=given.title or UNSAID, missing=not given.title),
            Fact(name="nations (devices)", value=nations or "this device is not in the room any more"),
            Fact(name="opened for", value=given.owner or UNSAID, missing=given.owner is None),
            Fact(name="agreement", value=given.agreement or "none"),
        ]
    else:
        facts.append(Fact(name="room", value=f"{WITHHELD}, like its nations and all names", missing=True))
    facts += [
        Fact(name="room id", value=given.room.hex()),
        Fact(name="highest label allowed in it", value=given.ceiling.text),
        *(standing(gate, name) for name in _STANDING),
    ]
    return Section(heading="The incident", items=(Item(facts=tuple(facts)),))


def standing(gate: Gate, name: str, of: Standing | None = None) -> Fact:
    """One thing about the incident, as it was said last; `of` other entries than all of the room, where it is given."""
    of = gate.board.standing if of is None else of
    value, said = getattr(of, name), dict(of.said)
    if value is None:
        return Fact(name=_STANDING[name], value=UNSAID, missing=True)
    words = times(value, gate.zone) if name == "aware_at_ms" else value
    words = words if isinstance(words, str) else words.name.lower()
    return gate.fact(_STANDING[name], words, said[name])


def decisions(gate: Gate) -> Section:
    """Proposals, where each nation stands, and how they ended."""
    items = [_proposal(gate, number, of) for number, of in gate.board.proposals.items()]
    return _section("Decisions", items, "Nothing was proposed.")


def tasks(gate: Gate) -> Section:
    """What nations were asked to do."""
    items = [_task(gate, of) for of in gate.board.tasks.values()]
    return _section("Tasks", items, "No nation was asked to do anything.")


def joint_times(gate: Gate) -> Section:
    """Times that were agreed on, and who has acknowledged them."""
    items = [_clock(gate, of) for of in gate.board.clocks.values()]
    return _section("Joint times", items, "No joint time was set.")


def closings(gate: Gate) -> Section:
    """Who was asked to sign off, who has, and whether the closing stands."""
    items = [_closed(gate, asked, of) for asked, of in gate.board.closings.items()]
    return _section("Closing", items, "Nobody asked to close the room.")


def acknowledged(gate: Gate, entry: EnvelopeId) -> Iterator[Fact]:
    """Which nations have acknowledged an entry, how far, and the entry that says so."""
    grades = gate.board.messages[entry].grades()
    if not grades or not gate.shows_circle():
        return
    said = {
        (message.sender.organisation, message.specific.grade): message.id
        for message in reversed(gate.given.messages)
        if isinstance(message.specific, Ack)
        and message.specific.envelope == entry
        and message.id not in gate.board.without_effect
    }
    for nation, grade in sorted(grades.items()):
        yield Fact(name="acknowledged", value=f"{nation} {grade.name.lower()}", source=gate.source(said[nation, grade]))


def withdrawn(gate: Gate, entry: EnvelopeId) -> Fact:
    """That something was withdrawn, when and why, and the entry that says so."""
    message = gate.message(entry)
    reason = message.body.reason if isinstance(message.body, Withdrawal) else ""
    said = f"{times(message.accepted_at_ms, gate.zone)}: {reason or 'without a reason'}"
    return gate.fact("withdrawn by its author", said, entry)


def _section(heading: str, items: list[Item], none: str) -> Section:
    return Section(heading=heading, note="" if items else none, items=tuple(items))


def _item(gate: Gate, entry: EnvelopeId, name: str, facts: Callable[[], Iterator[Fact]]) -> Item:
    """What an entry opened, whole or not at all: its nation and time are as sealed as its words.

    It stands under the strictest of all entries whose words are in it. Those of what is withdrawn are not.
    """
    source, by = gate.source(entry), gate.board.messages[entry].withdrawn
    if by is not None:
        who, why = gate.called(gate.board.messages[entry].author.device), withdrawn(gate, by)
        told = (Fact(name=name, value="withdrawn", source=source), Fact(name="by", value=who), why)
        return Item(facts=told, source=source, label=None if why.missing else gate.label_of(by))
    if not gate.lets(entry):
        return Item(facts=(Fact(name=name, value=WITHHELD, source=source, missing=True),))
    found = tuple(facts())
    said = (entry, *(fact.source.id for fact in found if fact.source is not None and not fact.missing))
    return Item(facts=(*found, *gate.limits(*said)), source=source, label=max(map(gate.label_of, said)))


def _proposal(gate: Gate, number: int, of: ProposalOnBoard) -> Item:
    def facts() -> Iterator[Fact]:
        proposal = of.proposal
        yield Fact(name=f"proposal {number}", value=proposal.what)
        yield Fact(name="by", value=gate.called(of.by.device))
        yield Fact(name="objections until", value=times(proposal.object_until_ms, gate.zone))
        yield Fact(name="asked", value=f"{', '.join(proposal.nations)}; {proposal.quorum} have to agree")
        for nation, (position, entry) in sorted(of.positions.items()):
            yield gate.fact(nation, ("agrees" if position.agrees else "objects") + _because(position.reason), entry)
        if of.decided is None or of.outcome is None:
            yield Fact(name="outcome", value="open", missing=True)
        else:
            yield gate.fact("outcome", of.outcome.name.lower(), of.decided)

    return _item(gate, of.id, f"proposal {number}", facts)


def _task(gate: Gate, of: TaskOnBoard) -> Item:
    def facts() -> Iterator[Fact]:
        yield Fact(name="task", value=of.task.what)
        yield Fact(name="for", value=of.task.nation)
        yield Fact(name="by", value=gate.called(of.by.device))
        yield Fact(name="deadline", value="none" if of.task.until_ms is None else times(of.task.until_ms, gate.zone))
        state = of.state.name.lower() + _because(of.reason)
        if of.moved is None:
            yield Fact(name="state", value=f"{state}; its nation has said nothing of it", missing=True)
        else:
            yield gate.fact("state", state, of.moved)

    return _item(gate, of.opened, "task", facts)


def _clock(gate: Gate, of: ClockOnBoard) -> Item:
    def facts() -> Iterator[Fact]:
        when = times(of.clock.at_ms, gate.zone)
        yield Fact(name="joint time", value=of.clock.what)
        yield Fact(
            name="when", value=f"{_NATURES[of.clock.nature]} {when}" if of.clock.stands else f"called off: {when}"
        )
        yield Fact(name="by", value=gate.called(of.by.device))
        yield from acknowledged(gate, of.set)

    return _item(gate, of.set, "joint time", facts)


def _closed(gate: Gate, asked: EnvelopeId, of: ClosingOnBoard) -> Item:
    def facts() -> Iterator[Fact]:
        yield Fact(name="entries", value=f"{of.closing.first} to {of.closing.last}")
        yield Fact(name="sign until", value=times(of.closing.sign_until_ms, gate.zone))
        for nation in of.closing.nations:
            if nation not in of.signed:
                yield Fact(name=nation, value="has not signed", missing=True)
                continue
            differs = of.differs(nation)
            words = f"has other facts: {', '.join(differs)}" if differs else "has signed"
            yield gate.fact(nation, words, of.signed[nation][1])
        if of.recorded is None:
            yield Fact(name="stands", value="not recorded", missing=True)
        else:
            yield gate.fact("stands", "recorded", of.recorded)

    return _item(gate, asked, "closing", facts)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
