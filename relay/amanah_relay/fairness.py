"""Whose turn it is: deficit round robin over organisations (Shreedhar and Varghese, 1996).

However many sessions an organisation has, it gets the same share as one that has one; inside it,
sessions take turns. The share is counted in bytes, because what an input costs the core (signatures
to verify above all) grows with its length; an input costs at least `QUANTUM_BYTES`, so that many
small ones are not for nothing. Strangers, who have not logged in, are one class together.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from amanah_relay.sessions import Session

QUANTUM_BYTES: Final = 4_096
"""What a class may take each time that it comes round; what it does not use it keeps while it waits."""


@dataclass(slots=True, kw_only=True)
class _Class:
    """The sessions of one organisation that have something to say, and what they may still take."""

    sessions: deque[Session] = field(default_factory=deque)
    deficit: int = QUANTUM_BYTES


class Line:
    """Sessions that wait for their turn, each once."""

    def __init__(self) -> None:
        """An empty line."""
        self._classes: dict[str | None, _Class] = {}
        self._round: deque[str | None] = deque()
        self._waiting = 0

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return self._waiting > 0

    def append(self, session: Session) -> None:
        """Put a session with a non-empty inbox behind the others of its organisation."""
        waiting = self._classes.get(session.organisation)
        if waiting is None:
            waiting = self._classes[session.organisation] = _Class()
            self._round.append(session.organisation)
        waiting.sessions.append(session)
        self._waiting += 1

    def take(self) -> Session:
        """The session whose oldest input is next; it leaves the line.

        Raises:
            IndexError: Nobody waits.
        """
        while True:
            waiting = self._classes[self._round[0]]
            if not waiting.sessions:
                # Only now: whoever was put back behind its last input has waited all the time. Who has
                # nothing to say saves nothing up.
                del self._classes[self._round.popleft()]
                continue
            cost = max(QUANTUM_BYTES, waiting.sessions[0].next_bytes)
            if waiting.deficit >= cost:
                waiting.deficit -= cost
                self._waiting -= 1
                return waiting.sessions.popleft()
            waiting.deficit += QUANTUM_BYTES
            self._round.rotate(-1)
