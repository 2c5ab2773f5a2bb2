"""Which program of a profile sounds: one at a time, though each of them rings.

A page of the desk that its officer has touched keeps the right for as long as it is open; `amanah watch` takes it for
one sound, and gives it back: so it goes on where nobody can hear a page.
"""

from __future__ import annotations

from typing import Final

from amanah_client.home import Home, ProfileLock
from amanah_protocol.errors import OperationalError

BELL_S: Final = 5.0
"""So often it sounds while something rings."""


class Sounding:
    """The right to sound."""

    def __init__(self, home: Home) -> None:
        """Have no right yet."""
        self._lock = ProfileLock(home, home.sounding_lock)
        self._has = False

    @property
    def has(self) -> bool:
        """Whether this program sounds."""
        return self._has

    def take(self) -> bool:
        """Take the right if nobody has it; a folder that cannot be written is no reason for silence."""
        if not self._has:
            try:
                self._has = self._lock.acquire()
            except OperationalError:
                self._has = True
        return self._has

    def leave(self) -> None:
        """Give it back."""
        self._lock.release()
        self._has = False
