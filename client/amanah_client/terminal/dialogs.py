"""What stands in front of the rooms for a while: keys and commands, a choice, the way to another room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from amanah_client.composing.commands import COMMANDS
from amanah_client.language import gettext as _
from amanah_client.language import ngettext
from amanah_client.terminal.drawing import Drawn, Parts
from amanah_client.terminal.lines import Part, Row, part, said, wrap
from amanah_client.terminal.sheet import Plate, Sheet
from amanah_client.view import words
from amanah_client.view.finds import FindLine
from amanah_client.view.readers import Readers
from amanah_client.view.rooms import RoomLine
from amanah_client.view.trust import Warned

NEW: Final = "new"
"""Before the title of a room that somebody wants to open."""
NOTHING: Final = "nothing"
"""The answer that changes nothing."""
CLOSE: Final = "close"
"""The answer that closes although something is open."""
_INDENT: Final = 4
_MOST_LEFT: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What may be chosen.

    Attributes:
        name: What is chosen.
        says: What it does.
    """

    name: str
    says: Parts


class Telling(ModalScreen[None]):
    """Something to read; any of the keys that close lead back."""

    DEFAULT_CSS = """
    Telling Vertical { width: 92; max-width: 96%; height: 90%; padding: 0 1; }
    Telling Sheet { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,f1,q,enter,ctrl+underscore,ctrl+slash", "dismiss", show=False, priority=True),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown,space", "page(1)", show=False),
        Binding("up", "line(-1)", show=False, priority=True),
        Binding("down", "line(1)", show=False, priority=True),
    ]

    def __init__(self, lines: Sequence[tuple[Parts, int]]) -> None:
        """With what is to be read.

        Args:
            lines: Lines, and how far each is set in.
        """
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        """A sheet in a frame."""
        with Vertical():
            yield Sheet(name="told")
            yield Plate(name="leads")

    def on_mount(self) -> None:
        """Show it when there is a width to fold it to."""
        self.query_one("#leads", Plate).put(lambda _width: (Row(parts=said(_("Esc leads back."), "dim")),))
        self.call_after_refresh(self._show)

    def on_resize(self) -> None:
        """Fold it anew."""
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        sheet = self.query_one("#told", Sheet)
        width = sheet.columns
        rows = tuple(
            Row(edge=(Part(" " * indent),), parts=folded)
            for line, indent in self._lines
            for folded in wrap(line, width - indent)
        )
        sheet.put([Drawn(id="", rows=rows)])

    def action_page(self, by: int) -> None:
        """Read on."""
        self.query_one("#told", Sheet).page(by)

    def action_line(self, by: int) -> None:
        """Read on by a line."""
        self.query_one("#told", Sheet).scroll_relative(y=by, animate=False)


class Choosing(ModalScreen[str]):
    """A question; the first answer is the one that changes nothing, and Esc gives it too."""

    DEFAULT_CSS = """
    Choosing Vertical { width: 76; max-width: 96%; height: auto; max-height: 90%; padding: 0 1; }
    Choosing Sheet { height: auto; max-height: 12; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False, priority=True)]

    def __init__(self, asks: Sequence[Parts], choices: Sequence[Choice]) -> None:
        """With the question and its answers."""
        super().__init__()
        self._asks = asks
        self._choices = choices

    def compose(self) -> ComposeResult:
        """The question, and its answers below."""
        with Vertical():
            yield Plate(name="asked")
            yield Sheet(name="choices")
            yield Plate(name="leads")

    def on_mount(self) -> None:
        """Nothing is chosen by a key that was meant for something else: the safe answer is marked."""
        asked = self._asks
        self.query_one("#asked", Plate).put(
            lambda width: [*(Row(parts=row) for line in asked for row in wrap(line, width)), Row()]
        )
        told = said(_("Up and Down choose, Enter takes it, Esc changes nothing."), "dim")
        self.query_one("#leads", Plate).put(lambda width: [Row(), *(Row(parts=row) for row in wrap(told, width))])
        sheet = self.query_one("#choices", Sheet)
        sheet.put([Drawn(id=one.name, rows=(Row(edge=(Part("  "),), parts=one.says),)) for one in self._choices])
        sheet.marked = self._choices[0].name
        sheet.focus()

    @on(Sheet.Chosen)
    def _chosen(self, event: Sheet.Chosen) -> None:
        event.stop()
        self.app.call_later(self.dismiss, event.name)

    def action_leave(self) -> None:
        """Change nothing."""
        self.app.call_later(self.dismiss, self._choices[0].name)


class Jumping(ModalScreen[str]):
    """The way to a room by some letters of its title, or to a new one."""

    DEFAULT_CSS = """
    Jumping Vertical { width: 76; max-width: 96%; height: 60%; min-height: 12; padding: 0 1; }
    Jumping Input { border: none; height: 1; padding: 0; }
    Jumping Sheet { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("enter", "take", show=False, priority=True),
    ]

    def __init__(self, rooms: Sequence[RoomLine]) -> None:
        """With the rooms that there are."""
        super().__init__()
        self._rooms = rooms

    def compose(self) -> ComposeResult:
        """A line to type into, and what fits below."""
        with Vertical():
            yield Plate(name="asked")
            yield Input(id="wanted", select_on_focus=False)
            yield Sheet(name="found")

    def on_mount(self) -> None:
        """All of them fit an empty line."""
        told = said(_("Go to a room, or type the title of a new one"), "bold")
        self.query_one("#asked", Plate).put(lambda width: [Row(parts=row) for row in wrap(told, width)])
        wanted = self.query_one(Input)
        wanted.cursor_blink = False
        wanted.focus()
        self._find("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        self._find(event.value)

    def _find(self, typed: str) -> None:
        wanted = typed.strip().casefold()
        found = [line for line in self._rooms if wanted in line.title.casefold() or line.id.startswith(wanted)]
        drawn = [Drawn(id=line.id, rows=(Row(edge=(Part("  "),), parts=_room(line)),)) for line in found]
        if wanted and not any(line.title.casefold() == wanted for line in found):
            new = said(_("Open a new room: %(title)s", title=words.value(typed.strip())), "bold")
            drawn.append(Drawn(id=NEW + typed.strip(), rows=(Row(edge=(Part("  "),), parts=new),)))
        sheet = self.query_one(Sheet)
        sheet.put(drawn)
        sheet.marked = drawn[0].id if drawn else ""

    def action_move(self, by: int) -> None:
        """Mark another."""
        self.query_one(Sheet).action_move(by)

    def action_take(self) -> None:
        """Go there."""
        self.app.call_later(self.dismiss, self.query_one(Sheet).marked)

    def action_leave(self) -> None:
        """Go nowhere."""
        self.app.call_later(self.dismiss, "")


def find(line: FindLine) -> Parts:
    """What a find says, or that it was withdrawn."""
    if line.state == "withdrawn":
        return said(line.text, "dim")
    mark = (*said(_("corrected"), "dim"), Part("  ")) if line.state == "corrected" else ()
    return (*mark, part(line.text))


class Finding(ModalScreen[str]):
    """What was found, and the way there."""

    DEFAULT_CSS = """
    Finding Vertical { width: 100; max-width: 96%; height: 80%; padding: 0 1; }
    Finding Sheet { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", show=False, priority=True)]

    def __init__(self, query: str, found: Sequence[Drawn]) -> None:
        """With what was searched for, and what was found."""
        super().__init__()
        self._query = query
        self._found = found

    def compose(self) -> ComposeResult:
        """What was asked, and what was found below."""
        with Vertical():
            yield Plate(name="asked")
            yield Sheet(name="found")
            yield Plate(name="leads")

    def on_mount(self) -> None:
        """What came last is marked."""
        found, query = len(self._found), words.value(self._query)
        told = ngettext("%(count)s message fits: %(query)s", "%(count)s messages fit: %(query)s", found, query=query)
        asked = said(told if found else _("Nothing fits: %(query)s", query=query), "bold")
        self.query_one("#asked", Plate).put(lambda width: [*(Row(parts=row) for row in wrap(asked, width)), Row()])
        leads = said(_("Enter goes there, Esc leads back."), "dim")
        self.query_one("#leads", Plate).put(lambda width: [Row(parts=row) for row in wrap(leads, width)])
        sheet = self.query_one(Sheet)
        sheet.put(self._found)
        sheet.marked = self._found[0].id if self._found else ""
        sheet.focus()

    @on(Sheet.Chosen)
    def _chosen(self, event: Sheet.Chosen) -> None:
        event.stop()
        self.app.call_later(self.dismiss, event.name)

    def action_leave(self) -> None:
        """Go nowhere."""
        self.app.call_later(self.dismiss, "")


def _room(line: RoomLine) -> Parts:
    unread = (Part(f" {line.unread} ", "here"), Part(" ")) if line.unread else ()
    return (*unread, part(line.title, "bold"), Part("  "), *said(line.words, "dim"))


# ---- what there is to ask


def closing(left: Sequence[str], *, signs: bool) -> tuple[list[Parts], list[Choice]]:
    """Whether the incident is closed although something is open, and the answers.

    Args:
        left: What is open, a line for each; of many, the first are shown.
        signs: Whether nations are asked to sign off, too.
    """
    more = len(left) - _MOST_LEFT
    asks = [
        said(_("Still open, and left behind by the closing:"), "bold"),
        *(said(f"- {one}") for one in left[:_MOST_LEFT]),
    ]
    if more > 0:
        asks.append(said(_("and %(count)s more", count=more), "dim"))
    close = _("Close all the same, and ask the nations to sign off") if signs else _("Close all the same")
    choices = [
        Choice(name=NOTHING, says=said(_("Do not close yet"))),
        Choice(name=CLOSE, says=said(close)),
    ]
    return [*asks, ()], choices


# ---- what there is to read


def members(readers: Readers) -> list[tuple[Parts, int]]:
    """Who can read a room."""
    lines: list[tuple[Parts, int]] = [(said(readers.compose, "bold"), 0), ((), 0)]
    for nation in readers.nations:
        devices = said(words.devices(nation.devices), "dim")
        lines.append(((part(nation.chip, "chip"), Part(" "), part(nation.organisation), Part("  "), *devices), 0))
        for person in nation.people:
            who = person.who
            note = said(words.joined(one for one in (who.note, person.counted) if one), "dim")
            name = (*said(_("you"), "bold"),) if who.me else (part(who.name),)
            lines.append(((*name, Part("  "), *note), _INDENT))
    return lines


def refused(rows: Sequence[Warned], now_ms: int) -> list[tuple[Parts, int]]:
    """What this device was refused for its label, newest first; nothing where there is none."""
    if not rows:
        return []
    lines: list[tuple[Parts, int]] = [((), 0), (said(_("Refused here"), "bold"), 0)]
    for one in rows:
        lines += [(said(words.when(one.at_ms, now_ms), "dim"), 0), (said(one.text), _INDENT)]
    return lines


def commands(name: str | None) -> list[tuple[Parts, int]]:
    """The commands, or one of them."""
    lines: list[tuple[Parts, int]] = []
    if name is None:
        lines += [(said(_("Commands"), "bold"), 0), ((), 0)]
    for command in COMMANDS.values():
        if name in {None, command.name}:
            lines += [((Part(f"/{command.name} {usage}".strip(), "code"),), 0) for usage in command.usage]
            lines += [(said(_(command.about)), _INDENT), ((), 0)]
    lines.append((said(_("A command without #MESSAGE means the one that is marked, or that asked last."), "dim"), 0))
    lines.append((said(_("// begins a text that begins with a slash. Tab completes."), "dim"), 0))
    return lines


def keys() -> list[tuple[Parts, int]]:
    """The keys, and after them the commands."""
    groups: list[tuple[str, list[tuple[str, str]]]] = [
        (_("Writing"), [
            (_("Enter"), _("Send")),
            (_("Alt+Enter, Ctrl+J"), _("A new line")),
            ("Tab", _("Complete a command, a nation or a name; from an empty line, go to the conversation")),
            (_("Up, in an empty line"), _("Correct your last message")),
            ("Ctrl+D", _("Defang the addresses in what you write")),
            ("Ctrl+F", _("Search what was said")),
            (_("Page Up, Page Down"), _("Scroll the conversation")),
            (_("Esc"), _("Drop an answer or a correction, close a panel or a thread, come back here")),
        ]),
        (_("Rooms and panels"), [
            ("Ctrl+K", _("Go to a room, or open one")),
            (_("Alt+Up, Alt+Down"), _("The room above or below")),
            ("F2, F3", _("Rooms, board; beside the conversation where there is room, else in its place")),
            ("F4", _("Decide about messages that are held")),
            ("F5", _("Who can read this room, and what was refused here for its label")),
            ("F6", _("Go to what rings")),
            ("F1, Ctrl+/", _("These keys")),
            ("Ctrl+Q", _("Leave; what is queued goes out next time, or with another program of this profile")),
        ]),
        (_("In the conversation, at the marked message"), [
            (_("Up, Down, Home, End"), _("Mark a message")),
            (_("Enter, R"), _("Answer it")),
            ("1, 2, 3, 4", _("Acknowledge: received, read, understood, acting")),
            ("T", _("Open its thread")),
            ("X", _("Put a sign on it")),
            ("Shift+X", _("Take your sign back")),
            ("C", _("Correct it, where it is yours")),
            ("W", _("Take it back, where it is yours")),
            ("S", _("Save its file")),
            (_("Space"), _("All of it, and what it said before it was corrected")),
        ]),
        (_("On the board"), [(_("Enter"), _("Write the command that moves a task, agrees or acknowledges"))]),
    ]  # fmt: skip
    lines: list[tuple[Parts, int]] = []
    for title, pairs in groups:
        lines.append((said(title, "bold"), 0))
        for key, does in pairs:
            lines.append(((Part(key, "code"), Part("  "), *said(does)), 2))
        lines.append(((), 0))
    return [*lines, *commands(None)]
