"""What an auditor holds against an egress: its form, the label of its message then, and who let it out."""

from __future__ import annotations

from amanah_client.audit.report import Who
from amanah_protocol.egress import FORWARD, read_form
from amanah_protocol.labels import Label


def egress_fault(label: Label, form: str, *, by: Who, author: Who) -> str | None:
    """The rule that an egress breaks, as far as its own room shows; None for none (protocol, section 5, labels)."""
    taken = read_form(form)
    if taken is not None:
        return f"{taken.label.text} does not leave its room" if taken.label is Label.RED else None
    if label < Label.AMBER_STRICT:
        return None
    if form != FORWARD:
        return f"{label.text} does not leave its circle by a single member's act"
    if label is Label.RED:
        return f"{label.text} is forwarded into no other room"
    if by.organisation != author.organisation:
        return f"{label.text} is forwarded inside its author's organisation alone"
    return None
