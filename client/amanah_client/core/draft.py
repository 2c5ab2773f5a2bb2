"""A step in the making."""

from __future__ import annotations

from amanah_client.effects import Effect, Step, Write


class Draft:
    """Collects writes and effects; `take` gives them as one `Step`."""

    __slots__ = ("_effects", "_writes")

    def __init__(self) -> None:
        self._writes: list[Write] = []
        self._effects: list[Effect] = []

    def write(self, write: Write) -> None:
        """Append a write."""
        self._writes.append(write)

    def effect(self, effect: Effect) -> None:
        """Append an effect."""
        self._effects.append(effect)

    def take(self) -> Step:
        """Everything since the last call."""
        step = Step(writes=tuple(self._writes), effects=tuple(self._effects))
        self._writes, self._effects = [], []
        return step
