"""The report of a room, from its signed entries."""

from __future__ import annotations

from datetime import tzinfo

from amanah_client.language import ENGLISH, speaking
from amanah_client.report import summary
from amanah_client.report.gate import Gate, Given
from amanah_client.report.outward import audience_of
from amanah_client.report.report import Report
from amanah_client.report.timeline import absent, timeline
from amanah_protocol.labels import Label
from amanah_protocol.ways import Outside, Way


@speaking(ENGLISH)  # what goes to other nations is in one language, whoever writes it
def room_report(given: Given, *, asked: Label, zone: tzinfo | None) -> Report:
    """What a room's entries say, in their order.

    Args:
        given: The room.
        asked: The highest label that the report may carry; what is above is left out and counted.
        zone: The reader's zone beside UTC; None for that of this machine.
    """
    gate = Gate(given, asked, zone, way=Way.REPORT, to=Outside(organisation=given.me.organisation))
    sections = (
        summary.head(gate),
        summary.decisions(gate),
        summary.tasks(gate),
        summary.joint_times(gate),
        summary.closings(gate),
        timeline(gate),
        absent(gate),  # last, when all is known that was left out
    )
    return Report(
        title=f"Report of {_name(gate)}",
        label=gate.label,
        audience=audience_of(gate.label, gate.pap),
        drill=given.drill,
        sections=sections,
    )


def _name(gate: Gate) -> str:
    return gate.given.title if gate.given.title and gate.shows_circle() else f"room {gate.given.room.hex()[:8]}"
