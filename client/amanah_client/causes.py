"""Why an entry cannot be read, in a closed list, and what becomes of it by itself: for people.

An error's code says what did not hold, and there are many; here is decided, once, whose fault it is.
"""

from __future__ import annotations

from typing import Final

from amanah_client.language import N_, gettext
from amanah_client.model import Cause, Mending, MessageRow, MessageState
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Kind

MENDED_KINDS: Final = frozenset({Kind.MESSAGE, Kind.ALERT})
"""What is sent again: its sealed content is all that there is to it."""
COUNTED: Final = MENDED_KINDS | {Kind.GRANT}
"""What is counted when it cannot be read; of all other entries the header says what there is to say."""
MENDABLE: Final = frozenset({Cause.EPOCH_TOO_OLD, Cause.STATE_LOST, Cause.CORRUPTED})
"""Causes that lie with this device or the relay, so that another device may have opened it."""

GIVING_WAY: Final = MENDABLE | {Cause.NOT_MEMBER_THEN}
"""Causes of what a grant takes the place of: what was refused for what it is stays refused, whoever grants it."""

MEANINGS: Final = {
    Cause.EPOCH_TOO_OLD: N_(
        "This device can no longer get the keys to it: it was away for too long, or is an old copy."
    ),
    Cause.NOT_MEMBER_THEN: N_("This device was not in the room when it was sent."),
    Cause.STATE_LOST: N_("This device's keys to it are gone."),
    Cause.SENDER_AT_FAULT: N_("What its sender signed does not hold."),
    Cause.CORRUPTED: N_("What was delivered is missing, was changed on its way, or does not open."),
    Cause.LABEL_BROKEN: N_("Its sender sent it under a label that it must not have here."),
}
"""One sentence for each cause."""

_STEPS: Final = {
    Mending.WAITING: N_("This client asks its organisation's other devices for it by itself."),
    Mending.NOBODY: N_("No other device of this organisation is in the room that could send it again; ask its sender."),
    Mending.UNANSWERED: N_("No device of this organisation has sent it again so far; it still can."),
}
_LASTS: Final = {
    Cause.NOT_MEMBER_THEN: N_("A member can tell you what it said."),
    Cause.SENDER_AT_FAULT: N_("Nothing can repair it; the alarm holds the evidence, tell its sender."),
    Cause.LABEL_BROKEN: N_("It is not shown, and nobody needs to send it again; the alarm holds the evidence."),
}


def cause_of(code: str, *, kind: int, was_in: bool, has_keys: bool, has_content: bool, is_own: bool = False) -> Cause:
    """The cause of an entry that cannot be read, from its error and the place where that was met.

    Args:
        code: The error's code.
        kind: Kind of the envelope.
        was_in: Whether this device was in the room then, by the record.
        has_keys: Whether this device held keys of the room.
        has_content: Whether the relay gave any content.
        is_own: Whether it is this device's, which it may have sent from a copy of this profile.
    """
    if code == Code.BEHIND:
        return Cause.EPOCH_TOO_OLD
    if code == Code.LABEL and kind in COUNTED:
        return Cause.LABEL_BROKEN
    without_keys = code == Code.NOT_MEMBER and not has_keys
    if without_keys and not was_in:
        return Cause.NOT_MEMBER_THEN
    # A commit that is refused is its sender's doing; what follows it cannot be opened for want of keys.
    follows = code == Code.REFUSED_COMMIT and kind != Kind.COMMIT
    if without_keys or follows or code == Code.STATE_LOST or (code == Code.FORK and is_own):
        return Cause.STATE_LOST
    # A gap in the sender's own counting is another matter than a content that was held back.
    if code in (Code.CONTENT_HASH, Code.OPEN) or (code == Code.GAP and not has_content):
        return Cause.CORRUPTED
    return Cause.SENDER_AT_FAULT


def mending_of(cause: Cause, kind: int) -> Mending | None:
    """Whether a repair begins."""
    return Mending.WAITING if cause in MENDABLE and kind in MENDED_KINDS else None


def explain(row: MessageRow) -> str:
    """What it means that an entry cannot be read, and what happens by itself; "" where it can."""
    if row.state is not MessageState.UNREADABLE or row.cause is None:
        return ""
    step = _STEPS.get(row.mending, "") if row.mending is not None else _LASTS.get(row.cause, "")
    return " ".join(gettext(words) for words in (MEANINGS[row.cause], step) if words)
