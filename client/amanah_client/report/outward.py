"""What of a room may stand in a file that leaves it: the rule of the labels, in one place."""

from __future__ import annotations

from typing import Final

from amanah_protocol.errors import RefusedError
from amanah_protocol.labels import Label
from amanah_protocol.ways import Matter, Outside, Somebody, Way, check_way

ABOVE: Final = "above the label asked for"

_AUDIENCES: Final = {
    Label.CLEAR: "It may be given to anybody.",
    Label.GREEN: "It may be given on inside the community, and not be published.",
    Label.AMBER: "It may be given on inside the organisation and to its clients, as far as they need to know.",
    Label.AMBER_STRICT: "It may be given on inside the organisation alone.",
    Label.RED: "It is for those whom its author gives it to, and nobody else.",
}


def may_stand(label: Label, *, asked: Label, source: Somebody, by: Somebody) -> str | None:
    """Why something may not stand in a file that the reader's organisation gets; None where it may.

    Args:
        label: The label that counts of it.
        asked: The highest label that the file may carry.
        source: Its author.
        by: The reader.
    """
    if label > asked:
        return ABOVE
    matter = Matter(label=label, source=source, circle=None)
    try:
        check_way(Way.REPORT, matter, by=by, to=Outside(organisation=by.organisation))
    except RefusedError as refused:
        return refused.detail
    return None


def audience_of(label: Label) -> str:
    """To whom a file of this label may be given, in a sentence."""
    return _AUDIENCES[label]
