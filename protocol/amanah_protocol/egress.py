"""What the form of an `egress` says (protocol, section 4): one message left, or a file made of a room did."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

from amanah_protocol.labels import Label

DISCLOSURE: Final = "disclosure"
"""One message, with proof, for somebody outside."""
FORWARD: Final = "forward"
"""One message, quoted into the room whose id is the recipient, in hex."""
What: TypeAlias = Literal["report", "notice"]
"""A file made of what a room holds: a report for the own organisation, or the draft of a notice for its authority."""

_JOINT: Final = ", "
_WORD: Final = re.compile("[a-z0-9]+", re.ASCII)
_LABELS: Final = {label.text: label for label in Label}


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenOut:
    """A file made of a room, up to the entry that its `egress` names.

    Attributes:
        what: What was made.
        label: Its label, the highest of anything in it; as its maker says.
        form: The form of the file, in a word of small letters and digits.
    """

    what: What
    label: Label
    form: str

    @property
    def text(self) -> str:
        """As the form of an `egress`: `report, TLP:AMBER, markdown`."""
        return _JOINT.join((self.what, self.label.text, self.form))


def read_form(form: str) -> TakenOut | None:
    """The file that a form speaks of; None where it is another, which speaks of one message.

    What is no word could go on as a sentence of ours behind the label.
    """
    parts = form.split(_JOINT)
    for what in get_args(What):
        if len(parts) == 3 and parts[0] == what and parts[1] in _LABELS and _WORD.fullmatch(parts[2]):
            return TakenOut(what=what, label=_LABELS[parts[1]], form=parts[2])
    return None
