"""What of a room may stand in a file that leaves it: the rule of the labels, in one place."""

from __future__ import annotations

from typing import Final

from amanah_protocol.labels import Label

ABOVE: Final = "above the label asked for"
OTHERS_RED: Final = "TLP:RED, which only its author may hand on"

_AUDIENCES: Final = {
    Label.CLEAR: "It may be given to anybody.",
    Label.GREEN: "It may be given on inside the community, and not be published.",
    Label.AMBER: "It may be given on inside the organisation and to its clients, as far as they need to know.",
    Label.AMBER_STRICT: "It may be given on inside the organisation alone.",
    Label.RED: "It is for those whom its author gives it to, and nobody else.",
}


def may_stand(label: Label, *, asked: Label, own: bool) -> str | None:
    """Why something may not stand in a file; None where it may.

    Args:
        label: The label that counts of it.
        asked: The highest label that the file may carry.
        own: Whether the reader is its author.
    """
    if label > asked:
        return ABOVE
    return OTHERS_RED if label is Label.RED and not own else None


def audience_of(label: Label) -> str:
    """To whom a file of this label may be given, in a sentence."""
    return _AUDIENCES[label]
