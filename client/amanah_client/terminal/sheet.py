"""What draws lines: a sheet that scrolls and marks what stands on it, and a plate as high as what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from amanah_client.terminal.drawing import Drawn
from amanah_client.terminal.lines import STYLES, Part, Row, strip_of

_HIDDEN: Final = 40
"""Cells of a line while the sheet is not on the screen."""
_MARK: Final = ">"


class Sheet(ScrollView, can_focus=True):
    """Lines in blocks, of which one may be marked; only what is in sight is drawn."""

    DEFAULT_CSS = """
    Sheet { scrollbar-size-vertical: 1; scrollbar-gutter: stable; overflow-x: hidden; overflow-y: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("home", "far(-1)", show=False),
        Binding("end", "far(1)", show=False),
        Binding("enter", "choose", show=False),
    ]

    class Marked(Message):
        """Another block is marked."""

        def __init__(self, sheet: Sheet, name: str) -> None:
            super().__init__()
            self.sheet, self.name = sheet, name

        @property
        def control(self) -> Sheet:
            """Whose it is, for selectors."""
            return self.sheet

    class Chosen(Marked):
        """The marked block is wanted."""

    class AtEdge(Message):
        """The reader came to the first or the last line.

        Attributes:
            before: Whether to the first.
        """

        def __init__(self, sheet: Sheet, *, before: bool) -> None:
            super().__init__()
            self.sheet, self.before = sheet, before

        @property
        def control(self) -> Sheet:
            """Whose it is, for selectors."""
            return self.sheet

    def __init__(self, *, name: str, at_end: bool = False) -> None:
        """Begin empty.

        Args:
            name: Its id.
            at_end: Whether it stays at its end while something is added there.
        """
        super().__init__(id=name)
        self.marked = ""
        self._at_end = at_end
        self._sticks = at_end
        self._blocks: tuple[Drawn, ...] = ()
        self._begins: list[int] = []
        self._rows: list[tuple[int, Row]] = []

    # ---- what stands on it

    @property
    def blocks(self) -> tuple[Drawn, ...]:
        """What stands on it."""
        return self._blocks

    @property
    def columns(self) -> int:
        """Cells of a line."""
        return self.scrollable_content_region.width or _HIDDEN

    @property
    def is_at_end(self) -> bool:
        """Whether the last line is in sight."""
        return self.scroll_offset.y >= len(self._rows) - self.size.height

    def put(self, blocks: Sequence[Drawn]) -> None:
        """Show other blocks; what the reader looks at stays where it is."""
        stays = self._sticks
        top = self._top()
        self._blocks = tuple(blocks)
        self._begins, self._rows = [], []
        for number, block in enumerate(self._blocks):
            self._begins.append(len(self._rows))
            self._rows += ((number, row) for row in block.rows)
        self.virtual_size = Size(self.columns, len(self._rows))
        self.refresh()
        if stays:
            self.to_end()
        elif top is not None:
            self._back_to(*top)

    def to_end(self) -> None:
        """Show the last line."""
        self._sticks = self._at_end
        self.scroll_to(y=max(len(self._rows) - self.size.height, 0), animate=False, force=True, immediate=True)

    def on_resize(self) -> None:
        """What came beside it took lines away: whoever looked at the end still does."""
        if self._sticks:
            self.to_end()

    def _top(self) -> tuple[str, int] | None:
        """The first block in sight that can be named, and how far below the top it begins."""
        y = round(self.scroll_offset.y)
        if not self._rows or y >= len(self._rows):
            return None
        first = self._rows[y][0]
        named = next((at for at in range(first, len(self._blocks)) if self._blocks[at].id), None)
        return None if named is None else (self._blocks[named].id, self._begins[named] - y)

    def _back_to(self, name: str, below: int) -> None:
        at = self._at(name)
        if at is not None:
            y = max(self._begins[at] - below, 0)
            self.scroll_to(y=y, animate=False, force=True, immediate=True)

    def _at(self, name: str) -> int | None:
        return next((at for at, block in enumerate(self._blocks) if name and block.id == name), None)

    def render_line(self, y: int) -> Strip:
        """One line of what is in sight."""
        at = y + round(self.scroll_offset.y)
        width = self.columns
        if at >= len(self._rows):
            return Strip.blank(width, STYLES[""])
        number, row = self._rows[at]
        block = self._blocks[number]
        if block.id and block.id == self.marked:
            row = _with_mark(row, _MARK if self.has_focus and at == self._point(number) else "\N{LEFT HALF BLOCK}")
        return strip_of(row, width)

    def _point(self, number: int) -> int:
        """The first line of a block that says something."""
        begin = self._begins[number]
        rows = self._blocks[number].rows
        return begin + next((at for at, row in enumerate(rows) if row.plain.strip()), 0)

    # ---- marking

    def mark(self, name: str) -> None:
        """Mark a block, or none, and bring it into sight."""
        if name == self.marked:
            return
        self.marked = name
        self.refresh()
        self.post_message(self.Marked(self, name))

    def show_marked(self) -> None:
        """Bring what is marked into sight."""
        at = self._at(self.marked)
        if at is None:
            return
        begin, end = self._begins[at], self._begins[at] + len(self._blocks[at].rows)
        top, height = round(self.scroll_offset.y), self.size.height
        if begin < top or end - begin > height:
            self.scroll_to(y=begin, animate=False, force=True, immediate=True)
        elif end > top + height:
            self.scroll_to(y=end - height, animate=False, force=True, immediate=True)

    def action_move(self, by: int) -> None:
        """Mark the next block, or the one before."""
        named = [at for at, block in enumerate(self._blocks) if block.id]
        if not named:
            return
        here = self._at(self.marked)
        if here is None:
            self.mark(self._blocks[named[-1] if by < 0 or self._at_end else named[0]].id)
        else:
            place = named.index(here) + by
            if not 0 <= place < len(named):
                self.scroll_to(y=0 if by < 0 else self.max_scroll_y, animate=False, force=True, immediate=True)
                self.post_message(self.AtEdge(self, before=by < 0))
                return
            self.mark(self._blocks[named[place]].id)
        self.show_marked()

    def action_far(self, to: int) -> None:
        """Go to the first line, or to the last."""
        named = [block.id for block in self._blocks if block.id]
        if named:
            self.mark(named[-1] if to > 0 else named[0])
        if to > 0:
            self.to_end()
        else:
            self.scroll_to(y=0, animate=False, force=True, immediate=True)
        self.post_message(self.AtEdge(self, before=to < 0))

    def action_choose(self) -> None:
        """Want what is marked."""
        if self.marked:
            self.post_message(self.Chosen(self, self.marked))

    def page(self, by: int) -> None:
        """Scroll by what is in sight, but for a line."""
        y = self.scroll_offset.y + by * max(self.size.height - 1, 1)
        self.scroll_to(y=min(max(y, 0), self.max_scroll_y), animate=False, force=True, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell when the reader came to an edge."""
        super().watch_scroll_y(old_value, new_value)
        self._sticks = self._at_end and self.is_at_end
        if new_value < old_value and new_value <= 1:
            self.post_message(self.AtEdge(self, before=True))
        elif new_value > old_value and self.is_at_end:
            self.post_message(self.AtEdge(self, before=False))

    def on_focus(self) -> None:
        """Whoever comes here by keys sees what they mark."""
        self.refresh()

    def on_blur(self) -> None:
        """The mark stays, without its point."""
        self.refresh()


class Plate(Widget):
    """Lines that are made for a width; as high as they are many, and away while there are none."""

    DEFAULT_CSS = """
    Plate { height: auto; }
    """

    def __init__(self, *, name: str) -> None:
        """Begin empty."""
        super().__init__(id=name)
        self._make: Callable[[int], Sequence[Row]] = lambda _: ()
        self._made: tuple[int, tuple[Row, ...]] | None = None
        self.display = False

    def put(self, make: Callable[[int], Sequence[Row]]) -> None:
        """Show other lines, made for whatever width there is."""
        width = self.size.width or self.app.size.width
        before = self.rows(width) if self.display else ()
        self._make, self._made = make, None
        after = self.rows(width)
        self.display = bool(after)
        if before != after:
            self.refresh(layout=len(before) != len(after))

    def rows(self, width: int) -> tuple[Row, ...]:
        """Its lines at a width."""
        if self._made is None or self._made[0] != width:
            self._made = width, tuple(self._make(width))
        return self._made[1]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - as Textual has it
        """As many lines as there are."""
        return len(self.rows(width))

    def render_line(self, y: int) -> Strip:
        """One of them."""
        rows = self.rows(self.size.width)
        return strip_of(rows[y], self.size.width) if y < len(rows) else Strip.blank(self.size.width, STYLES[""])


def _with_mark(row: Row, sign: str) -> Row:
    """The same with a sign in the cell that every line keeps for it."""
    edge = row.edge or (Part(" "),)
    first = edge[0]
    rest = (Part(first.text[1:], first.style), *edge[1:]) if row.edge else ()
    parts = row.parts
    return Row(edge=(Part(sign, "bold"), *rest), parts=parts, end=row.end)
