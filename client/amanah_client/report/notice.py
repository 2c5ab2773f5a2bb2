"""Drafts of notices: what the directive asks for, as far as signed entries of the room say it, and no further.

Nothing is concluded: that nations work together does not say that an incident has an impact across borders. What
nobody said is marked as that, for the person who completes the draft.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from amanah_client.doing import summary
from amanah_client.incident.duties import Duty, due_ms
from amanah_client.language import ENGLISH, speaking
from amanah_client.report.gate import Gate, Given
from amanah_client.report.outward import audience_of
from amanah_client.report.report import DRILL, Fact, Item, Report, Section, times
from amanah_client.report.summary import UNSAID, standing
from amanah_client.report.timeline import absent
from amanah_client.said import said
from amanah_protocol.content.bodies import AlertBatch
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.task import TaskState
from amanah_protocol.kinds import Outcome
from amanah_protocol.labels import Label
from amanah_protocol.ways import Outside

_DRAFT: Final = (
    "A draft. Each line that is filled names the signed entry that says it; what is marked as not said in the room is "
    "for the person who completes and sends it."
)


@speaking(ENGLISH)  # as a report
def notice(given: Given, duty: Duty, *, asked: Label, zone: tzinfo | None) -> Report:
    """The draft of a notice.

    Args:
        given: The room.
        duty: Which notice.
        asked: The highest label that it may carry; what is above is left out and counted.
        zone: The reader's zone beside UTC; None for that of this machine.
    """
    gate = Gate(given, asked, zone, to=Outside())  # an authority gets it, which nobody certified
    sections = (
        Section(heading="The notice", note=_DRAFT, items=(Item(facts=tuple(_head(gate, duty))),)),
        *(Section(heading=heading, items=(Item(facts=tuple(facts)),)) for heading, facts in _asked(gate, duty)),
        absent(gate),
    )
    return Report(
        title=f"Draft: {duty.called} ({duty.article})",
        label=gate.label,
        audience=audience_of(gate.label, gate.pap),
        drill=given.drill,
        sections=sections,
    )


def _head(gate: Gate, duty: Duty) -> Iterator[Fact]:
    aware = gate.board.standing.aware_at_ms
    yield Fact(name="drill or real", value=DRILL if gate.given.drill else "real", missing=gate.given.drill)
    yield standing(gate, "title")
    yield standing(gate, "aware_at_ms")
    if aware is None:
        yield Fact(name="due", value="not known: nobody said when the first party became aware", missing=True)
        return
    words = times(due_ms(duty, aware), gate.zone)
    if duty is Duty.FINAL_REPORT:
        words += ", at the latest: a month after the notification was submitted"
    yield gate.fact("due", words, dict(gate.board.standing.said)["aware_at_ms"])


def _asked(gate: Gate, duty: Duty) -> Iterator[tuple[str, Iterator[Fact]]]:
    """What the directive asks for, in its order."""
    if duty is Duty.FINAL_REPORT:
        yield "Detailed description, severity and impact (i)", _description(gate)
        yield "Type of threat or root cause (ii)", _cause(gate)
        yield "Measures, applied and ongoing (iii)", _measures(gate)
        yield "Impact across borders (iv)", _borders(gate)
        return
    yield "Suspected unlawful or malicious acts", _cause(gate)
    yield "Possible impact across borders", _borders(gate)
    if duty is Duty.NOTIFICATION:
        yield "First assessment: severity and impact", _assessment(gate)
        yield "Indicators of compromise, where there are any", _indicators(gate)


def _gap(name: str) -> Fact:
    return Fact(name=name, value=UNSAID, missing=True)


def _cause(gate: Gate) -> Iterator[Fact]:
    yield standing(gate, "type")
    yield _gap("suspected unlawful or malicious acts")
    yield _gap("root cause")


def _borders(gate: Gate) -> Iterator[Fact]:
    if gate.shows_circle():
        nations = ", ".join(name for name, _ in gate.given.nations)
        yield Fact(name="nations in the room", value=nations or UNSAID, missing=not nations)
    yield _gap("impact across borders")


def _assessment(gate: Gate) -> Iterator[Fact]:
    yield standing(gate, "severity")
    yield standing(gate, "status")
    yield _gap("impact")


def _description(gate: Gate) -> Iterator[Fact]:
    for message in gate.given.messages:
        if isinstance(message.body, Incident):
            at = times(message.accepted_at_ms, gate.zone)
            yield gate.fact(f"said at {at}", said(message.body), message.id)
    yield standing(gate, "severity")
    yield _gap("impact")
    yield _gap("description")


def _indicators(gate: Gate) -> Iterator[Fact]:
    found = [message for message in gate.given.messages if isinstance(message.body, AlertBatch)]
    for message in found:
        body = message.body
        if isinstance(body, AlertBatch):
            addresses = sorted({alert.source_address for alert in body.alerts if alert.source_address})
            seen = f"; from {', '.join(addresses)}" if addresses else ""
            yield gate.fact("alerts", f"{summary(body.alerts, str)} by {body.source}{seen}", message.id)
    if not found:
        yield _gap("indicators")


def _measures(gate: Gate) -> Iterator[Fact]:
    board = gate.board
    names = {TaskState.DONE: "applied", TaskState.TAKEN: "ongoing", TaskState.OPEN: "asked for"}
    tasks = [of for of in board.tasks.values() if of.state in names]
    for of in tasks:
        # What its nation says of it stands in another entry than what it is: both have to stand.
        if of.moved is not None and not gate.lets(of.moved):
            continue
        yield gate.fact(names[of.state], f"{of.task.what} ({of.task.nation})", of.opened)
    adopted = [of for of in board.proposals.values() if of.outcome is Outcome.ADOPTED]
    for proposal in adopted:
        yield gate.fact("decided together", proposal.proposal.what, proposal.id)
    if not tasks and not adopted:
        yield _gap("measures")
