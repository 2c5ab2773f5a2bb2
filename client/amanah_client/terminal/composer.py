"""Where somebody writes: Enter sends, Alt+Enter makes a new line, Tab completes; what is pasted is made harmless."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, cast

from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.binding import Binding, BindingType
from textual.keys import Keys
from textual.message import Message
from textual.widgets import TextArea

from amanah_client.incident.closing import ShownClosing
from amanah_client.language import gettext as _
from amanah_client.visible import shown
from amanah_protocol.types import RoomId

# So a terminal says Alt+Enter that has no other way to say it; without this it is taken for Enter, and what was not yet
# written would be sent.
cast("dict[str, tuple[Keys, ...]]", ANSI_SEQUENCES_KEYS).setdefault("\x1b\r", (Keys.ControlJ,))

_NEW_LINE: Final = frozenset({"alt+enter", "shift+enter", "ctrl+j"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What stands around what is written: what is sealed goes to whom it names, as it was when Enter was pressed.

    Attributes:
        room: The room that is looked at.
        readers: `Readers.digest` of those who can read it.
        closing: Its newest closing.
    """

    room: RoomId
    readers: str
    closing: ShownClosing


class Composer(TextArea):
    """A text of one line or several."""

    DEFAULT_CSS = """
    Composer { height: auto; max-height: 6; border: none; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+d", "app.defang", show=False, priority=True),
        Binding("ctrl+f", "app.write('/search ')", show=False, priority=True),
        Binding("up", "up", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
    ]

    class Sent(Message):
        """Somebody wants it said.

        Attributes:
            text: As it stood when they pressed Enter, whatever they have typed since.
            shown: What stood around it then, whatever they look at by now; None where no room was open.
        """

        def __init__(self, text: str, shown: Shown | None) -> None:
            super().__init__()
            self.text = text
            self.shown = shown

    class Completing(Message):
        """Somebody wants it completed."""

    class Correcting(Message):
        """Somebody went up from an empty text."""

    class Paging(Message):
        """The conversation is to be scrolled.

        Attributes:
            by: Pages.
        """

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class Pasted(Message):
        """Something was pasted."""

    def __init__(self) -> None:
        """Begin empty."""
        super().__init__(
            id="composer",
            soft_wrap=True,
            show_line_numbers=False,
            tab_behavior="focus",
            placeholder=_("Write here; / begins a command, F1 shows the keys"),
        )
        self.shown: Shown | None = None
        self.cursor_blink = False
        self.highlight_cursor_line = False

    async def _on_key(self, event: events.Key) -> None:
        """Send, begin a line, complete: behind the letters that were typed before, which a binding could overtake."""
        if event.key == "enter":
            # It goes at once: what is typed from here on is another message.
            self.post_message(self.Sent(self.text, self.shown))
            self.begin("")
        elif event.key in _NEW_LINE:
            self.replace("\n", *self.selection, maintain_selection_offset=False)
        elif event.key == "tab":
            self.post_message(self.Completing())
        else:
            return
        event.prevent_default()
        event.stop()

    def action_up(self) -> None:
        """Go up; from an empty text, to the last own message."""
        if self.text:
            self.action_cursor_up()
        else:
            self.post_message(self.Correcting())

    def action_page(self, by: int) -> None:
        """Scroll the conversation: a text of six lines needs none."""
        self.post_message(self.Paging(by))

    async def _on_paste(self, event: events.Paste) -> None:
        """Take what is pasted, with what a terminal would obey shown as its number."""
        event.prevent_default()
        event.stop()
        self.replace(harmless(event.text), *self.selection, maintain_selection_offset=False)
        self.post_message(self.Pasted())

    def begin(self, text: str) -> None:
        """Begin with a text that has nothing before it: what was written in another room comes back in none."""
        self.text = text
        self.move_cursor(self.document.end)

    def fill(self, text: str) -> None:
        """Put a text in the place of what stands there, with the cursor at its end; Ctrl+Z brings that back."""
        if text != self.text:
            self.history.checkpoint()
            self.replace(text, (0, 0), self.document.end, maintain_selection_offset=False)
            self.history.checkpoint()
        self.move_cursor(self.document.end)

    def give_back(self, text: str) -> None:
        """Put back what was not sent, before what was typed since."""
        self.fill(text + self.text)

    @property
    def before_cursor(self) -> str:
        """The line that the cursor is in, up to it."""
        row, column = self.cursor_location
        return str(self.document.get_line(row)[:column])


def harmless(text: str) -> str:
    """A text from elsewhere, as it can stand in a composer: it says what it would have done, and does nothing."""
    return shown(text.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4))
