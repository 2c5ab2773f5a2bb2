"""Drafts of notices: what the directive asks for, as far as signed entries of the room say it, and no further.

Nothing is concluded: that nations work together does not say that an incident has an impact across borders. What
nobody said is marked as that, for the person who completes the draft.

It goes to the authority that the own nation has to notify. What the nation said itself it may tell there; what others
said under TLP:AMBER+STRICT is theirs, and is left out, with who can release it. So an incident stands in it
as the entries say that may: what others said of it since is named, and not told.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from amanah_client.doing import summary
from amanah_client.incident.board import Fold, Standing
from amanah_client.incident.duties import Duty, due_ms
from amanah_client.language import ENGLISH, speaking
from amanah_client.message import event_of
from amanah_client.report.gate import WITHHELD, Gate, Given
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
from amanah_protocol.ways import Outside, Way

_FOR: Final = "It is for the authority that the own nation has to notify."
_DRAFT: Final = (
    "A draft. Each line that is filled names the signed entry that says it; what is marked as not said in the room is "
    "for the person who completes and sends it. What is left out stands at the end, with who can release it."
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
    gate = Gate(given, asked, zone, way=Way.NOTICE, to=Outside())  # nobody certified the authority
    sections = (
        Section(heading="The notice", note=_DRAFT, items=(Item(facts=tuple(_head(gate, duty))),)),
        *(Section(heading=heading, items=(Item(facts=tuple(facts)),)) for heading, facts in _asked(gate, duty)),
        absent(gate),
    )
    return Report(
        title=f"Draft: {duty.called} ({duty.article})",
        label=gate.label,
        audience=f"{_FOR} {audience_of(gate.label, gate.pap)}",
        drill=given.drill,
        sections=sections,
    )


def _head(gate: Gate, duty: Duty) -> Iterator[Fact]:
    yield Fact(name="drill or real", value=DRILL if gate.given.drill else "real", missing=gate.given.drill)
    yield from _told(gate, "title")
    yield from _told(gate, "aware_at_ms")
    known = _known(gate)
    if known.aware_at_ms is None and gate.board.standing.aware_at_ms is not None:
        yield Fact(name="due", value=f"{WITHHELD}, as it follows from aware since", missing=True)
        return
    if known.aware_at_ms is None:
        yield Fact(name="due", value="not known: nobody said when the first party became aware", missing=True)
        return
    words = times(due_ms(duty, known.aware_at_ms), gate.zone)
    if duty is Duty.FINAL_REPORT:
        words += ", at the latest: a month after the notification was submitted"
    yield gate.fact("due", words, dict(known.said)["aware_at_ms"])


def _known(gate: Gate) -> Standing:
    """Where the incident stands by the entries that may stand."""
    said = (message for message in gate.given.messages if isinstance(message.body, Incident))
    return Fold(event_of(message) for message in said if gate.refusal(message.id) is None).board.standing


def _told(gate: Gate, name: str) -> Iterator[Fact]:
    """One thing about the incident, as the last entry says that may stand; that another said it since is named."""
    known, last = _known(gate), dict(gate.board.standing.said).get(name)
    if getattr(known, name) is None:
        yield standing(gate, name)
        return
    fact = standing(gate, name, known)
    yield fact
    if last is not None and last != dict(known.said)[name]:
        yield gate.fact(f"{fact.name}, said since", "", last)


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
    yield from _told(gate, "type")
    yield _gap("suspected unlawful or malicious acts")
    yield _gap("root cause")


def _borders(gate: Gate) -> Iterator[Fact]:
    if gate.shows_circle():
        nations = ", ".join(name for name, _ in gate.given.nations)
        yield Fact(name="nations in the room", value=nations or UNSAID, missing=not nations)
    yield _gap("impact across borders")


def _assessment(gate: Gate) -> Iterator[Fact]:
    yield from _told(gate, "severity")
    yield from _told(gate, "status")
    yield _gap("impact")


def _description(gate: Gate) -> Iterator[Fact]:
    for message in gate.given.messages:
        if isinstance(message.body, Incident) and gate.board.messages[message.id].withdrawn is None:
            at = times(message.accepted_at_ms, gate.zone)
            yield gate.fact(f"said at {at}", said(message.body), message.id)
    yield from _told(gate, "severity")
    yield _gap("impact")
    yield _gap("description")


def _indicators(gate: Gate) -> Iterator[Fact]:
    found = [
        one
        for one in gate.given.messages
        if isinstance(one.body, AlertBatch) and gate.board.messages[one.id].withdrawn is None
    ]
    for message in found:
        body = message.body
        if isinstance(body, AlertBatch):
            addresses = sorted({alert.source_address for alert in body.alerts if alert.source_address})
            seen = f"; from {', '.join(addresses)}" if addresses else ""
            yield gate.fact("alerts", f"{summary(body.alerts, str)} by {body.source}{seen}", message.id)
    if not found:
        yield _gap("indicators")


def _measures(gate: Gate) -> Iterator[Fact]:
    board, none = gate.board, True
    names = {TaskState.DONE: "applied", TaskState.TAKEN: "ongoing", TaskState.OPEN: "asked for"}
    for task in board.tasks.values():
        # What its nation says of it stands in another entry than what it is; without that one it was asked for.
        told = task.moved is None or gate.lets(task.moved)
        name = names.get(task.state if told else TaskState.OPEN)
        if name is None or task.withdrawn is not None:
            continue
        yield gate.fact(name, f"{task.task.what} ({task.task.nation})", task.opened)
        if task.moved is not None and not told:
            yield gate.fact(f"{name}, said since", "", task.moved)
        none = False
    for proposal in board.proposals.values():
        if proposal.outcome is Outcome.ADOPTED:
            yield gate.fact("decided together", proposal.proposal.what, proposal.id)
            none = False
    if none:
        yield _gap("measures")
