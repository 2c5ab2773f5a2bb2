"""What of a room may stand in a file that leaves it, and what is said there of its labels: in one place."""

from __future__ import annotations

from typing import Final

from amanah_protocol.errors import RefusedError
from amanah_protocol.labels import Label, Pap
from amanah_protocol.ways import Matter, Outside, Somebody, Way, check_way

ABOVE: Final = "above the label asked for"

_AUDIENCES: Final = {
    Label.CLEAR: "It may be given to anybody.",
    Label.GREEN: "It may be given on inside the community, and not be published.",
    Label.AMBER: "It may be given on inside the organisation and to its clients, as far as they need to know.",
    Label.AMBER_STRICT: "It may be given on inside the organisation alone.",
    Label.RED: "It is for those whom its author gives it to, and nobody else.",
}
_ACTIONS: Final = {
    Pap.CLEAR: "",
    Pap.GREEN: "act on what it names, and probe or block it.",
    Pap.AMBER: "look up what it names with others, and do nothing to it.",
    Pap.RED: "look for what it names in own logs, and do nothing that anybody else could notice.",
}


def may_stand(
    label: Label, *, asked: Label, source: Somebody, by: Somebody, way: Way, to: Outside
) -> str | None:  # fmt: skip
    """Why something may not stand in a file, and who can change that; None where it may.

    Args:
        label: The label that counts of it.
        asked: The highest label that the file may carry.
        source: Its author.
        by: The reader.
        way: What the file is: a report, or a notice.
        to: Who gets it: the reader's organisation, or somebody outside.
    """
    if label > asked:
        return ABOVE
    matter = Matter(label=label, source=source, circle=None)
    try:
        check_way(way, matter, by=by, to=to)
    except RefusedError as refused:
        return f"{refused.detail}. {refused.hint}"
    return None


def audience_of(label: Label, pap: Pap) -> str:
    """To whom a file of these labels may be given, and what its readers may do with it."""
    actions = _ACTIONS[pap]
    return f"{_AUDIENCES[label]} {pap.text}: who reads it may {actions}" if actions else _AUDIENCES[label]
