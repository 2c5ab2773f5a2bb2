"""What was asked for from this profile and is not done, or was refused since the desk was opened."""

from __future__ import annotations

from typing import Final

import msgspec

from amanah_client.model import Intent, IntentState
from amanah_client.sdk import Client
from amanah_client.view.people import Seat
from amanah_client.view.waiting import WaitingLine, is_trouble, waiting_line

_MOST: Final = 50
"""So many are told one by one; the foot of the page counts all."""
_ENDED: Final = frozenset({IntentState.DONE, IntentState.FAILED})


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """What waits.

    Attributes:
        lines: What somebody has to look at first, then what goes out by itself.
        trouble: How many somebody has to look at.
    """

    lines: tuple[WaitingLine, ...]
    trouble: int


class Outcomes:
    """What became of what was asked for, as long as somebody has to know."""

    def __init__(self, client: Client) -> None:
        """Over an open client; what ended before is not told again."""
        self._client = client
        self._refused: dict[str, Intent] = {}
        self._dropped: set[str] = set()

    def hear(self, intent: Intent) -> None:
        """An intent has changed."""
        if intent.state in _ENDED and is_trouble(intent) and intent.id not in self._dropped:
            self._refused[intent.id] = intent

    def drop(self, intent_id: str) -> None:
        """Its officer drops it: that it ends is no news."""
        self._dropped.add(intent_id)

    def dismiss(self, intent_id: str) -> None:
        """What was refused was seen."""
        self._refused.pop(intent_id, None)

    def pending(self, seat: Seat) -> Pending:
        """What waits, and what was refused."""
        outbox = [intent for intent in self._client.outbox() if intent.id not in self._dropped]
        trouble = [*self._refused.values(), *filter(is_trouble, outbox)]
        rest = [intent for intent in outbox if not is_trouble(intent)]
        lines = tuple(waiting_line(intent, seat) for intent in (*trouble, *rest)[:_MOST])
        return Pending(lines=lines, trouble=len(trouble))
