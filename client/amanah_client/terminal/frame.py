"""What is on the screen, and how it is kept up to date."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar, Final, TypeAlias

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message as TextualMessage
from textual.screen import Screen

from amanah_client import effects as e
from amanah_client.engine import Event
from amanah_client.feed import Feed
from amanah_client.language import gettext as _
from amanah_client.language import ngettext
from amanah_client.language.errors import SpokenError, happened, speaks
from amanah_client.model import Intent, IntentState
from amanah_client.outcome import ENDED
from amanah_client.paging.sounding import BELL_S
from amanah_client.sdk import Client
from amanah_client.terminal import panels
from amanah_client.terminal.composer import Composer, Shown
from amanah_client.terminal.drawing import Parts
from amanah_client.terminal.lines import Part, Row, cut, said, wrap
from amanah_client.terminal.moving import Moves
from amanah_client.terminal.ringing import Ringer
from amanah_client.terminal.sheet import Plate, Sheet
from amanah_client.terminal.showing import Showing
from amanah_client.terminal.watch import Watch
from amanah_client.view import words
from amanah_client.view.board import BoardView
from amanah_client.view.closing import shown_closing
from amanah_client.view.people import Seat
from amanah_client.view.readers import Readers, narrowed
from amanah_client.view.runs import parse, plain
from amanah_client.view.why import why
from amanah_protocol.errors import AmanahError, Code
from amanah_protocol.types import RoomId

ROOMS_FROM: Final = 100
"""Columns from which the rooms stand beside the conversation."""
BOARD_FROM: Final = 130
"""Columns from which the board does."""
TALL_FROM: Final = 30
"""Lines from which there is room for what only parts."""
_SETTLE_S: Final = 0.08
"""What arrives within this is drawn once."""
_CLOCKS_S: Final = 20
_KEEP_S: Final = 1
_MOVES_S: Final = 0.25
"""So often it is drawn how far something is."""
_QUOTED: Final = 60
_MOST_CHOICES: Final = 8

Answered: TypeAlias = Callable[[str | None], Awaitable[None] | None]
"""Takes the answer to a question; None for none."""


class Conversation(Sheet):
    """The conversation, with what can be done about the marked message."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,r", "app.answer", show=False),
        *(Binding(str(grade), f"app.acknowledge({grade})", show=False) for grade in range(1, 5)),
        Binding("t", "app.thread", show=False),
        Binding("x", "app.write('/react ')", show=False),
        Binding("X", "app.unsign", show=False),
        Binding("w", "app.write('/withdraw ')", show=False),
        Binding("c", "app.correct", show=False),
        Binding("s", "app.write('/save ')", show=False),
        Binding("space", "app.open", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("tab", "app.write_on", show=False),
    ]

    def action_page(self, by: int) -> None:
        """Scroll by what is in sight."""
        self.page(by)


class Frame(App[None]):
    """Rooms, conversation and board of one profile."""

    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    ModalScreen { background: transparent; }
    ModalScreen { align: center middle; }
    ModalScreen > Vertical { background: ansi_default; border: round ansi_bright_black; }
    Sheet {
        scrollbar-color: ansi_bright_black; scrollbar-color-hover: ansi_bright_black;
        scrollbar-color-active: ansi_bright_black; scrollbar-background: ansi_default;
        scrollbar-background-hover: ansi_default; scrollbar-background-active: ansi_default;
    }
    #middle { height: 1fr; }
    #rooms { width: 30; display: none; border-right: solid ansi_bright_black; }
    #board { width: 40; display: none; border-left: solid ansi_bright_black; }
    #talk { width: 1fr; }
    #conversation { height: 1fr; }
    #head { border-bottom: solid ansi_bright_black; }
    #above { border-top: solid ansi_bright_black; }
    #foot { border-top: solid ansi_bright_black; }
    Composer, Composer:focus { background: ansi_default; color: ansi_default; border: none; }
    Composer .text-area--placeholder { color: ansi_default; text-style: dim; }
    Input, Input:focus { background: ansi_default; color: ansi_default; border: none; height: 1; padding: 0; }
    .beside { display: block !important; }
    .alone { display: block !important; width: 1fr !important; border: none !important; }
    .away { display: none; }
    .low #head, .low #foot { border: none; }
    """
    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = "#composer"

    def __init__(self, client: Client, room: str | None = None) -> None:
        """Over an open client.

        Args:
            client: The client.
            room: The room that is looked at first; the one with the newest entry without one.
        """
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.animation_level = "none"
        self.watch_over = Watch(client, self._heard)
        self.here: RoomId | None = None
        self.fault: Exception | None = None
        self.ringer = Ringer(client, changed=self._rings, sound=self.bell)
        self.moves = Moves(client)
        self._showing = Showing()
        self._wanted = room
        self._opening = ""
        self._wants_showing = False
        self._told: tuple[Parts, ...] = ()
        self._choices: tuple[Parts, ...] = ()
        self._is_passing = False
        self._told_until = ""
        self._was_away = False
        self._leaves = False
        self._offered_for: str | None = None
        self._panels: dict[str, bool | None] = {"rooms": None, "board": None}

    # ---- what is on the screen

    def compose(self) -> ComposeResult:
        """Rooms, conversation and board side by side, what is told of all of them above and below."""
        yield Plate(name="alarm")
        yield Plate(name="ringing")
        with Horizontal(id="middle"):
            yield Sheet(name="rooms")
            with Vertical(id="talk"):
                yield Plate(name="head")
                yield Conversation(name="conversation", at_end=True)
                yield Plate(name="moving")
                yield Plate(name="told")
                yield Plate(name="above")
                yield Composer()
                yield Plate(name="choices")
            yield Sheet(name="board")
        yield Plate(name="foot")

    def on_mount(self) -> None:
        """Begin to hear, and look at the first room."""
        self.run_worker(self.watch_over.run(), name="watch")
        self.run_worker(self.ringer.run(), name="ringing")
        self.set_interval(BELL_S, self._sound)
        self._drawing = self.set_interval(_MOVES_S, self._show_moves, pause=True)
        self.set_interval(_CLOCKS_S, self._grow_old)
        self._keeping = self.set_interval(_KEEP_S, self._keep, pause=True)
        self._lay_out(*self.size)
        known = self.watch_over.client.rooms()
        if self._wanted is not None:
            self.look_at(self.watch_over.client.room(self._wanted).id)
        elif known:
            self.look_at(known[-1].id)
        self.call_after_refresh(self.show)

    def _sound(self) -> None:
        """Again and again, while something rings."""
        self.ringer.sound()

    def _rings(self) -> None:
        self.show_soon()

    def show_moves(self) -> None:
        """Draw how far things are, until none is on its way."""
        self._drawing.resume()
        self._show_moves()

    def _show_moves(self) -> None:
        if not self.moves.all:
            self._drawing.pause()
        self._plate("moving").put(self.moves.rows)

    def _grow_old(self) -> None:
        """Times that are told have changed."""
        self.watch_over.grow_old()
        self.show_soon()

    def _keep(self) -> None:
        """Nothing was typed for a moment: what is there is kept."""
        self._keeping.pause()
        try:
            self.keep_draft()
        except AmanahError as error:  # what a timer calls is not dispatched
            self.tell_error(error)

    def on_app_blur(self) -> None:
        """Somebody looks elsewhere."""
        self._was_away = True

    def on_app_focus(self) -> None:
        """They look again: what is in sight is read."""
        self.show_soon()

    def on_resize(self, event: events.Resize) -> None:
        """Panels come and go with the width."""
        self._lay_out(*event.size)
        self.call_after_refresh(self.show)

    def _lay_out(self, width: int, height: int) -> None:
        self.screen_stack[0].set_class(height < TALL_FROM, "low")
        alone = ""
        for name, least in (("rooms", ROOMS_FROM), ("board", BOARD_FROM)):
            wanted, beside = self._panels[name], width >= least
            shown = beside if wanted is None else wanted
            panel = self.query_one(f"#{name}", Sheet)
            panel.set_class(shown and beside, "beside")
            panel.set_class(shown and not beside, "alone")
            alone = name if shown and not beside else alone
        self.query_one("#talk").set_class(bool(alone), "away")

    def show_soon(self) -> None:
        """Draw what has changed, once for all that changes at the same time."""
        if not self._wants_showing:
            self._wants_showing = True
            self.set_timer(_SETTLE_S, self.show)

    def show(self) -> None:
        """Draw everything as it stands now; where what is stored cannot be read, say that."""
        self._wants_showing = False
        if not self.is_running or self.screen_stack[0].size.width == 0:
            return
        try:
            self._show()
        except AmanahError as error:
            told = words_of(error)
            self._plate("told").put(lambda width: [Row(parts=row) for row in wrap(said(told, "worst"), width)])

    def _show(self) -> None:
        watch = self.watch_over
        seat, trust, line = watch.seat(), watch.trust(), watch.line()
        self._plate("alarm").put(partial(panels.alarm, trust))
        self._plate("ringing").put(partial(self.ringer.rows, seat))
        self._plate("foot").put(partial(panels.foot, line, trust))
        if self.here is not None:
            self._show_room(watch.feed(self.here), seat)
        else:
            # Where the rooms are not beside it, nothing else says how to begin.
            conversation = self._sheet("conversation")
            conversation.put(panels.rooms((), conversation.columns, ""))
        here = "" if self.here is None else self.here.hex()
        rooms = self._sheet("rooms")
        rooms.put(panels.rooms(watch.rooms(seat), rooms.columns, here))
        self.show_bar()

    def _show_around(self, feed: Feed, seat: Seat) -> tuple[BoardView, Readers]:
        """Draw what is said around the composer: what is sent from here on goes to whom it names."""
        watch, board = self.watch_over, self.watch_over.board(feed, seat)
        readers, draft, less = watch.readers(feed, seat), watch.draft(feed), narrowed(watch.offered(feed, seat))
        self._plate("head").put(partial(panels.head, watch.line_of(feed, seat), board, readers))
        self._plate("above").put(partial(panels.composing, draft.label, draft.pap, draft.precedence, readers, less))
        closing = shown_closing(board.closing)
        self.composer.shown = Shown(room=feed.room.id, readers=readers.digest, closing=closing)
        return board, readers

    def _show_room(self, feed: Feed, seat: Seat) -> None:
        watch = self.watch_over
        board, readers = self._show_around(feed, seat)
        conversation = self._sheet("conversation")
        self._read(feed, conversation)
        items = feed.items(seat, watch.waiting(feed.room.id), self._showing.thread)
        conversation.put(self._showing.blocks(items, conversation.columns))
        sheet = self._sheet("board")
        sheet.put(panels.board(board, readers.nations, seat.now_ms, sheet.columns))

    def _read(self, feed: Feed, conversation: Sheet) -> None:
        """What is in sight of somebody who looks was read."""
        if self.app_focus and conversation.is_at_end and self._showing.thread is None:
            before = feed.mark_read()
            # What somebody watches arrive is not marked as new; what came while they looked elsewhere is.
            if before is not None and self._was_away:
                self._showing.new_from = before
            self._was_away = False

    def _bar(self, width: int) -> list[Row]:
        """What is to be known before somebody writes on: what is held, what this answers, what went wrong."""
        lines: list[Parts] = []
        if held := self.watch_over.held():
            told = ngettext("%(count)s message is held", "%(count)s messages are held", len(held))
            lines.append((*said(f"{told}: {why(held[0]).whole}. ", "worst"), *said(_("F4 decides."), "bold")))
        if self.here is not None:
            lines += self._state_of(self.watch_over.feed(self.here))
        rows = [row for one in (*lines, *self._told) for row in wrap(one, width - 2, 4)]
        return [Row(edge=(Part(" "),), parts=row) for row in rows]

    def _state_of(self, feed: Feed) -> list[Parts]:
        draft = self.watch_over.draft(feed)
        found: list[Parts] = []
        for entry, state in (
            (self._showing.thread, _("Thread of %(whom)s: %(text)s")),
            (draft.answers, _("Answering %(whom)s: %(text)s")),
            (draft.corrects, _("Correcting %(whom)s: %(text)s")),
        ):
            message = None if entry is None else feed.find(entry)
            if message is not None:
                text = plain(parse(feed.text_of(message))).replace("\n", " ")[:_QUOTED]
                told = state % {"whom": words.value(message.sender.name), "text": words.value(text)}
                found.append((*said(told, "bold"), Part("   "), *said(_("Esc ends it"), "dim")))
        newest = feed.window.board.closing
        if newest is not None and newest.recorded is not None:
            told = _("The closing of this room is recorded: nobody has signed off what is written here from now on.")
            found.append(said(told))
        return found

    def show_bar(self) -> None:
        """Draw what stands around the composer alone."""
        self._plate("told").put(self._bar)
        self._plate("choices").put(self._offered)

    def _offered(self, width: int) -> list[Row]:
        return [Row(edge=(Part("  "),), parts=cut(one, width - 2)) for one in self._choices[:_MOST_CHOICES]]

    def _plate(self, name: str) -> Plate:
        return self.screen_stack[0].query_one(f"#{name}", Plate)

    def _sheet(self, name: str) -> Sheet:
        return self.screen_stack[0].query_one(f"#{name}", Sheet)

    @property
    def composer(self) -> Composer:
        """Where somebody writes."""
        return self.screen_stack[0].query_one(Composer)

    def tell(self, text: str, style: str = "", *, passing: bool = False, until: str = "") -> None:
        """Say something above the composer until somebody sends or presses Esc; in passing, until they write on.

        Args:
            text: What to say.
            style: How it looks.
            passing: Whether it is said in passing.
            until: The intent with whose end it is no longer said, which may have come already; "" for none.
        """
        self._is_passing, self._told_until = passing, until
        self._told = (said(text, style),) if text else ()
        self.show_soon()
        if until:
            self._settled(self.watch_over.client.intent(until))

    def _forget_passing(self) -> None:
        if self._is_passing and self.composer.text:
            self._told, self._is_passing = (), False

    def tell_error(self, error: AmanahError) -> None:
        """Say what went wrong and what to do."""
        self.tell(words_of(error), "worst")

    async def _dispatch_message(self, message: TextualMessage) -> None:
        """Keys, timers and what is heard: what one of them fails by is told, and the rooms stay."""
        try:
            await super()._dispatch_message(message)
        except AmanahError as error:
            self.tell_error(error)

    def ask(self, screen: Screen[str], answered: Answered) -> None:
        """Put a question in front of the rooms.

        Args:
            screen: The question.
            answered: Called with the answer; what it fails by is told.
        """

        async def settle(name: str | None) -> None:
            try:
                answer = answered(name)
                if answer is not None:
                    await answer
            except AmanahError as error:
                self.tell_error(error)
            self.show_soon()

        self.call_later(self.push_screen, screen, settle)

    def _handle_exception(self, error: Exception) -> None:
        """End in order: what Textual would print holds variables, and so what was sealed."""
        if self.fault is None:
            self.fault = error
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._return_code = 1
        self._close_messages_no_wait()

    # ---- what arrives

    def _heard(self, event: Event | AmanahError) -> None:
        match event:
            case AmanahError():
                self.tell_error(event)
            case e.TransferChanged():
                self.moves.hear(event)
                self.show_moves()
            case e.RoomChanged(row=row) if self.here is None:
                self.look_at(row.room)
            case e.IntentChanged(intent=intent):
                self._settled(intent)
            case e.AlarmRaised(alarm=alarm):
                what = f"{words.value(alarm.detail)} [{alarm.code}]"
                self.tell(_("Alarm: %(what)s", what=what), "worst")
            case _:
                pass
        self.show_soon()

    def _settled(self, intent: Intent) -> None:
        self.moves.settled()
        if intent.id == self._told_until and intent.state in ENDED:
            self.tell("")
        if intent.state is IntentState.FAILED and intent.detail != "withdrawn":
            refused = f"{why(intent).whole} [{intent.code}]"
            self.tell(_("Refused: %(why)s", why=refused), "worst")
        if intent.id == self._opening and intent.room is not None:
            self._opening = ""
            if self.composer.text:
                self.tell(_("The room is open; Ctrl+K goes there."))
            else:  # in the middle of a sentence nobody is taken elsewhere
                self.look_at(intent.room)

    # ---- rooms

    def keep_draft(self) -> None:
        """Keep what is being written."""
        if self.here is not None:
            self.watch_over.keep_draft(self.watch_over.feed(self.here), self.composer.text)

    def look_at(self, room: RoomId) -> None:
        """Look at another room; what was being written in this one is kept."""
        watch = self.watch_over
        self.keep_draft()
        self.here, self._showing = room, Showing()
        feed = watch.feed(room)
        feed.newest()
        if feed.room.unread().entries:
            self._showing.new_from = feed.room.read_mark
        # Together: what is sent from here on goes to this room.
        self._show_around(feed, watch.seat())
        self.composer.begin(watch.draft(feed).text)
        self._told, self._choices = (), ()
        self._sheet("rooms").marked = room.hex()
        conversation = self._sheet("conversation")
        conversation.marked = ""
        conversation.put(())
        self.show_soon()
        self.call_after_refresh(conversation.to_end)


def words_of(error: AmanahError) -> str:
    """What went wrong and what to do, in the language that is spoken."""
    detail = error.detail.rstrip(".")
    is_doubled = detail != "" and error.hint.casefold().startswith(detail.casefold())
    told = error.hint if is_doubled else f"{detail}. {error.hint}"
    if not speaks(error):
        # Its own words are English, and stand behind what happened and what to do.
        told = f"{happened(error.code)} ({words.value(detail)})".lstrip()
    begin = _("Not done:")
    # What was said in this language says all there is; behind a sentence of a code stands which one it was.
    says_all = isinstance(error, SpokenError) or error.code is Code.USAGE
    return f"{begin} {told}" if says_all else f"{begin} {told} [{error.code}]"
