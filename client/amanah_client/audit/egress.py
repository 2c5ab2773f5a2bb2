"""What an auditor holds against an egress: its form, the label of its message then, and who let it out."""

from __future__ import annotations

from amanah_client.audit.report import Who
from amanah_protocol.egress import FORWARD, TakenOut, read_form
from amanah_protocol.kinds import Egress
from amanah_protocol.labels import Label


def egress_fault(label: Label, egress: Egress, *, by: Who, author: Who) -> str | None:
    """The rule that an egress breaks, as far as its own room shows; None for none (protocol, section 5, labels).

    Args:
        label: Of the message that it names, then.
        egress: What it says.
        by: Who let it out.
        author: Whose message it is.
    """
    taken = read_form(egress.form)
    if taken is not None:
        return _file_fault(taken, egress.recipient, by=by)
    if label < Label.AMBER_STRICT:
        return None
    if egress.form != FORWARD:
        return f"{label.text} does not leave its circle by a single member's act"
    if label is Label.RED:
        return f"{label.text} is forwarded into no other room"
    if by.organisation != author.organisation:
        return f"{label.text} is forwarded inside its author's organisation alone"
    return None


def _file_fault(taken: TakenOut, recipient: str, *, by: Who) -> str | None:
    if taken.label is Label.RED:
        return f"{taken.label.text} does not leave its room"
    return None if recipient == by.organisation else f"a {taken.what} is made for its maker's own organisation"
