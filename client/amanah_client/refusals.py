"""What was refused on this device for its label, before it was sent: an event that its profile keeps.

What others sent and is refused here is kept as an alarm. This is beside it, without a word of what was refused: whoever
asks later what somebody tried to pass on finds it, and nobody is roused, as who asked was told at once.
"""

from __future__ import annotations

from typing import Final

from amanah_client import actions
from amanah_client.attaching import Attach
from amanah_client.model import Alarm
from amanah_client.saying import Say
from amanah_protocol.errors import Code
from amanah_protocol.types import RoomId

KEPT: Final = frozenset({Code.LABEL, Code.ROLE})
"""Above a ceiling, beyond its circle, or laxer than what it speaks of; and not one's to lower."""
_WHAT: Final = {
    Say: "a message", Attach: "a file", actions.PostAlerts: "alerts", actions.Disclose: "a disclosure",
    actions.Forward: "a forward", actions.GrantHistory: "history", actions.Relabel: "another label",
    actions.Invite: "an invitation",
}  # fmt: skip


def what_of(action: actions.Action) -> str | None:
    """What an action is, without its words; None where it hands nothing on."""
    return _WHAT.get(type(action))


def refusal(at_ms: int, code: str, detail: str, *, room: RoomId | None, what: str) -> Alarm:
    """The event.

    Args:
        at_ms: Local time.
        code: The rule, as an error names it.
        detail: The rule, for people.
        room: The room.
        what: What was refused, without its words.
    """
    return Alarm(at_ms=at_ms, code=code, room=room, detail=f"{what}: {detail}", own=True)
