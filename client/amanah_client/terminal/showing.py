"""The conversation as blocks: an item that has not changed is not drawn again."""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_client.language import gettext as _
from amanah_client.terminal.drawing import Drawn, Look, draw, ruled
from amanah_client.terminal.lines import Part, Row, said, wrap
from amanah_client.view.board import ClockLine, DecisionLine, TaskLine
from amanah_client.view.entries import Entry, FileCard, Item, StandingCard
from amanah_protocol.types import EnvelopeId


@dataclass(slots=True)
class Showing:
    """A room, as it is looked at.

    Attributes:
        thread: The message that begins the thread that is open; None for all of the room.
        marked: The marked item; "" for none.
        opened: Items that are shown whole.
        new_from: Behind which place it is new to the reader; None where nothing is.
        items: What was shown last, by id.
    """

    thread: EnvelopeId | None = None
    marked: str = ""
    opened: set[str] = field(default_factory=set)
    new_from: int | None = None
    items: dict[str, Item] = field(default_factory=dict)
    _drawn: dict[str, tuple[Item, Look, Drawn]] = field(default_factory=dict)

    def blocks(self, items: tuple[Item, ...], width: int) -> list[Drawn]:
        """The conversation at a width."""
        found: list[Drawn] = []
        kept: dict[str, tuple[Item, Look, Drawn]] = {}
        self.items = {item.id: item for item in items if item.kind != "day"}
        is_new = False
        last: Item | None = None
        own = next((item.id for item in reversed(items) if isinstance(item, Entry) and item.who.me), "")
        for item in items:
            if not is_new and self._begins_new(item):
                is_new = True
                found.append(Drawn(id="", rows=(ruled(_("new to you"), width, "bold"),)))
            if item.kind == "day":
                found.append(draw(item, Look(width=width)))
                continue
            look = Look(
                width=width,
                marked=item.id == self.marked,
                opened=item.id in self.opened,
                newest=item.id == own,
                parted=not (_is_short(item) and _is_short(last)),
            )
            last = item
            before = self._drawn.get(item.id)
            drawn = before[2] if before is not None and before[:2] == (item, look) else draw(item, look)
            kept[item.id] = item, look, drawn
            found.append(drawn)
        self._drawn = kept
        if not found:
            found.append(Drawn(id="", rows=_note(_("Nothing was said here yet."), width)))
        return found

    def _begins_new(self, item: Item) -> bool:
        return self.new_from is not None and isinstance(item, Entry) and item.seq > self.new_from and not item.who.me

    def target(self) -> EnvelopeId | None:
        """The marked message, where it has a place in the room."""
        item = self.items.get(self.marked)
        if item is None or item.kind == "day" or not item.seq:
            return None
        return EnvelopeId(bytes.fromhex(item.id))


def _is_short(item: Item | None) -> bool:
    """Whether it is a card of one line or two: several of them stand together."""
    return isinstance(item, Entry) and isinstance(item.content, StandingCard | FileCard)


def command_for(item: ClockLine | TaskLine | DecisionLine) -> str:
    """What somebody most likely wants to say of what stands on the board; "" where there is nothing."""
    match item:
        case TaskLine(mine=True, state="open"):
            return f"/task take {item.id[:8]}"
        case TaskLine(mine=True, state="taken"):
            return f"/task done {item.id[:8]}"
        case DecisionLine(mine="waiting", open=True):
            return f"/decide agree {item.ordinal} "
        case DecisionLine(closable=True):
            return f"/decide close {item.ordinal}"
        case ClockLine(stands=True):
            return f"/ack #{item.entry[:8]} understood"
        case _:
            return ""


def _note(text: str, width: int) -> tuple[Row, ...]:
    return (Row(), *(Row(edge=(Part("  "),), parts=row) for row in wrap(said(text, "dim"), width - 2)))
