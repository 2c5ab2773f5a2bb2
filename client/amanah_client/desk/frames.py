"""What a page has of a conversation: entries go by their keys, and one that stands as it stood is not sent again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Final

import msgspec

from amanah_client.view.entries import DayBreak, Item

_ENCODE: Final = msgspec.json.Encoder().encode


class Frames:
    """One page's entries, as they were sent last."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self._sent: dict[str, tuple[Item, bytes]] = {}

    def begin(self) -> None:
        """The page has nothing of them any more."""
        self._sent = {}

    def push(self, items: Sequence[Item], *, anyway: bool = False) -> dict[str, object] | None:
        """What is to be sent so that the page shows these; None where it does.

        Args:
            items: The conversation.
            anyway: Whether something is sent also where nothing has changed: the page waits for it.
        """
        before, now = self._sent, dict[str, tuple[Item, bytes]]()
        for key, item in _keyed(items):
            was = before.get(key)
            # The same value was encoded before.
            now[key] = was if was is not None and was[0] is item else (item, _ENCODE(item))
        changed = {key: msgspec.Raw(new) for key, (_, new) in now.items() if key not in before or before[key][1] != new}
        if not (anyway or changed or list(now) != list(before)):
            return None
        self._sent = now
        return {"order": list(now), "items": changed}


def _keyed(items: Sequence[Item]) -> Iterator[tuple[str, Item]]:
    """Each item with what the page knows it by; a day by the entry that it stands before, as it may come again."""
    for item, behind in zip_longest(items, items[1:]):
        if not isinstance(item, DayBreak):
            yield item.id, item
        else:
            yield f"day {item.text} {'' if behind is None or isinstance(behind, DayBreak) else behind.id}", item
