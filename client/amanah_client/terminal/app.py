"""The terminal itself: which key does what, and what is done with what is typed."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, Final

from textual import on
from textual.binding import Binding, BindingType

from amanah_client import actions
from amanah_client.composing.line import SLASH, as_typed
from amanah_client.feed import Feed
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.message import Message
from amanah_client.model import Intent
from amanah_client.saying import unusual
from amanah_client.terminal import dialogs, doing, opening
from amanah_client.terminal.completing import Completion, complete, usage
from amanah_client.terminal.composer import Composer
from amanah_client.terminal.dialogs import NOTHING, Choice, Choosing, Finding, Jumping, Telling
from amanah_client.terminal.drawing import Drawn
from amanah_client.terminal.frame import BOARD_FROM, ROOMS_FROM, Frame
from amanah_client.terminal.lines import Part, Row, part, said
from amanah_client.terminal.sheet import Sheet
from amanah_client.terminal.showing import command_for
from amanah_client.view import words
from amanah_client.view.board import ClockLine, DecisionLine, TaskLine
from amanah_client.view.entries import Entry
from amanah_client.view.finds import find_line
from amanah_client.view.indicators import defang, has_live
from amanah_client.view.runs import parse, plain
from amanah_client.view.trust import warnings
from amanah_client.view.why import why
from amanah_protocol.content.text import Text
from amanah_protocol.errors import AmanahError
from amanah_protocol.kinds import Grade
from amanah_protocol.types import RoomId

_OWN: Final = frozenset(
    {"jump", "room", "panel", "keys", "held", "members", "ringing", "write_on", "answer", "acknowledge"}
)
"""Actions that wait while something stands in front of the rooms."""


class Terminal(Frame):
    """Rooms, conversation and board of one profile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+k", "jump", show=False, priority=True),
        # Behind what was typed before: overtaking Enter, they would send into the room that is looked at next.
        Binding("alt+up", "room(-1)", show=False),
        Binding("alt+down", "room(1)", show=False),
        Binding("f1,ctrl+underscore,ctrl+slash", "keys", show=False, priority=True),
        Binding("f2", "panel('rooms')", show=False, priority=True),
        Binding("f3", "panel('board')", show=False, priority=True),
        Binding("f4", "held", show=False, priority=True),
        Binding("f5", "members", show=False, priority=True),
        Binding("f6", "ringing", show=False, priority=True),
        Binding("escape", "write_on", show=False),
        Binding("ctrl+q", "leave", show=False, priority=True),
        Binding("ctrl+c", "stop", show=False, priority=True),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - as Textual has it
        """Nothing happens behind a dialog."""
        return not (action in _OWN and self.screen.is_modal)

    def action_room(self, by: int) -> None:
        """Look at the room above or below."""
        lines = [line.id for line in self.watch_over.rooms(self.watch_over.seat())]
        if lines:
            at = lines.index(self.here.hex()) if self.here is not None and self.here.hex() in lines else -by
            self.look_at(RoomId(bytes.fromhex(lines[(at + by) % len(lines)])))

    def action_jump(self) -> None:
        """Go to a room by its title, or open one."""
        self.ask(Jumping(self.watch_over.rooms(self.watch_over.seat())), self._jumped)

    def _jumped(self, name: str | None) -> None:
        if not name:
            return
        if not name.startswith(dialogs.NEW):
            self._close_panels()
            self.look_at(RoomId(bytes.fromhex(name)))
            return
        self._ask_how(name.removeprefix(dialogs.NEW), drill=False)

    def _ask_how(self, title: str, *, drill: bool) -> None:
        asks, choices = opening.asked(title, most=self.watch_over.client.certificate.ceiling, drill=drill)
        self.ask(Choosing(asks, choices), partial(self._open_room, title, drill))

    async def _open_room(self, title: str, drill: bool, how: str | None) -> None:  # noqa: FBT001 - bound where it is asked
        if how == opening.EXERCISE:
            self._ask_how(title, drill=True)
        elif how not in {None, NOTHING}:
            self._opening, told = await opening.open_room(self.watch_over.client, title, how or "", drill=drill)
            self.tell(told)

    def action_panel(self, name: str) -> None:
        """Bring a panel, or put it away."""
        panel = self._sheet(name)
        shown = panel.has_class("beside") or panel.has_class("alone")
        self._panels = {one: None if self._is_narrow(one) else wanted for one, wanted in self._panels.items()}
        self._panels[name] = not shown
        self._lay_out(*self.size)
        (self.composer if shown else panel).focus()
        self.call_after_refresh(self.show)

    def _is_narrow(self, name: str) -> bool:
        return bool(self.size.width < (ROOMS_FROM if name == "rooms" else BOARD_FROM))

    def _close_panels(self) -> bool:
        """Put away what stands in the place of the conversation; gives whether anything did."""
        closed = self._sheet("rooms").has_class("alone") or self._sheet("board").has_class("alone")
        if closed:
            self._panels = {name: None if self._is_narrow(name) else on for name, on in self._panels.items()}
            self._lay_out(*self.size)
            self.call_after_refresh(self.show)
        return closed

    @on(Sheet.Chosen, "#rooms")
    def _room_chosen(self, event: Sheet.Chosen) -> None:
        self._close_panels()
        self.look_at(RoomId(bytes.fromhex(event.name)))
        self.composer.focus()

    @on(Sheet.Chosen, "#board")
    def _on_board_chosen(self, event: Sheet.Chosen) -> None:
        if self.here is None:
            return
        board = self.watch_over.board(self.watch_over.feed(self.here), self.watch_over.seat())
        known: dict[str, TaskLine | ClockLine | DecisionLine] = {}
        known |= {f"task {task.id}": task for task in board.tasks}
        known |= {f"clock {clock.id}": clock for clock in board.clocks}
        known |= {f"decision {decision.ordinal}": decision for decision in board.decisions}
        self._close_panels()
        self.action_write(command_for(known[event.name]) if event.name in known else "")

    # ---- writing

    @on(Composer.Sent)
    async def _sent(self, event: Composer.Sent) -> None:
        event.stop()
        text, shown = event.text, event.shown
        feed = None if shown is None else self.watch_over.feed(shown.room)
        if not text.strip() or shown is None or feed is None:
            self.tell(_("There is nothing to send.") if feed is not None else _("No room is open: Ctrl+K opens one."))
            return
        draft, watch = self.watch_over.draft(feed), self.watch_over
        here = shown.room == self.here
        marked, thread = (self._showing.target(), self._showing.thread) if here else (None, None)
        self._told, self._choices = (), ()
        try:
            rings = self.ringer.in_room(feed.room.id)
            seen = doing.situation(watch, feed, draft, marked=marked, thread=thread, rings=rings)
            done = await doing.type_line(watch, feed, text, seen, shown)
        except AmanahError as error:
            self._give_back(feed, text)
            self.tell_error(error)
            return
        match done:
            case doing.Said(as_draft=True):
                watch.forget_draft(feed)
                self._showing.new_from = None
                feed.newest()
                self._sheet("conversation").mark("")
                self._sheet("conversation").to_end()
            case doing.Said(text=told, until=until):
                self.tell(told, until=until)
            case doing.Shows(what="members"):
                self.action_members()
            case doing.Shows(command=command):
                self.call_later(self.push_screen, Telling(dialogs.commands(command)))
            case doing.Finds():
                self._find(done)
            case doing.Lowers() | doing.Closes():
                self._ask_again(feed, done, text)
            case doing.Takes():
                self.run_worker(self._take(done, text, feed), group="work")
        self.show_soon()

    def _give_back(self, feed: Feed, text: str) -> None:
        """Put what was not done where it was written; they may look at another room by now, for other readers."""
        if feed.room.id == self.here:
            self.composer.give_back(text)
        else:
            self.watch_over.keep_draft(feed, text + self.watch_over.draft(feed).text)

    async def _take(self, takes: doing.Takes, text: str, feed: Feed) -> None:
        """Do what takes a while; its reader goes on meanwhile."""
        move = self.moves.begin(takes.title, local=takes.local)
        self.show_moves()
        try:
            told = await takes.work(move.tell)
        except AmanahError as error:
            self._give_back(feed, text)
            self.tell_error(error)
        else:
            self.tell(told, passing=True)
        finally:
            self.moves.end(move)
            self.show_moves()

    def _find(self, finds: doing.Finds) -> None:
        """Show what was found; one that is chosen is looked at where its conversation shows it."""
        at = {one.message.id.hex(): find_line(one).entry for one in finds.found}

        def chosen(name: str | None) -> None:
            if name:
                self._go_to(at[name])

        self.ask(Finding(finds.query, self._found(finds)), chosen)

    def _found(self, finds: doing.Finds) -> list[Drawn]:
        """What was found, as something to choose from."""
        seat, client = self.watch_over.seat(), self.watch_over.client
        drawn = []
        for one in finds.found:
            message, room = one.message, client.room(one.message.room)
            label, pap = room.limits_of(message)
            at, who = words.when(message.sent_at_ms, seat.now_ms), seat.who(message.sender)
            head = (part(room.title, "bold"), Part("  "), *said(at, "dim"), Part("  "),
                    part(who.chip, "chip"), Part(" "), part(who.name))  # fmt: skip
            allowed = (Part(mark, "bold"), Part("  ")) if (mark := unusual(pap)) else ()
            told = (*allowed, Part(f" {label.text} ", label.text), Part("  "), *dialogs.find(find_line(one)))
            rows = (
                Row(edge=(Part("  "),), parts=head),
                Row(edge=(Part("    "),), parts=told),
                Row(),
            )
            drawn.append(Drawn(id=message.id.hex(), rows=rows))
        return drawn

    def _go_to(self, name: str) -> None:
        """Look at a message, wherever it stands, and mark it."""
        message = self.watch_over.client.message(name)
        if message.room != self.here:
            self.look_at(message.room)
        self.watch_over.feed(message.room).around(message.room_seq or 0)
        self.show()
        self._sheet("conversation").mark(name)
        self._sheet("conversation").focus()

    def _ask_again(self, feed: Feed, wanted: doing.Lowers | doing.Closes, text: str) -> None:
        if isinstance(wanted, doing.Lowers):
            self._ask_to_lower(feed, wanted)
        else:
            self._ask_to_close(feed, wanted, text)

    def _ask_to_close(self, feed: Feed, wanted: doing.Closes, text: str) -> None:
        def chosen(name: str | None) -> None:
            if name == dialogs.CLOSE:
                self.run_worker(self._take(wanted.work, text, feed), group="work")

        self.ask(Choosing(*dialogs.closing(wanted.left, signs=wanted.signs)), chosen)

    def _ask_to_lower(self, feed: Feed, wanted: doing.Lowers) -> None:
        sent = wanted.change is not None
        asked = _("Give a message that was sent a laxer label?") if sent else _("Send the next with a laxer label?")
        asks = (said(asked, "bold"), said(_("More people may then pass it on.")), ())
        keep = (Part(f" {wanted.now.text} ", wanted.now.text), Part("  "), *said(_("as it is")))
        lower = (Part(f" {wanted.label.text} ", wanted.label.text), Part("  "), *said(_("from now on")))
        choices = (Choice(name=NOTHING, says=keep), Choice(name=wanted.label.text, says=lower))

        async def chosen(name: str | None) -> None:
            if name == wanted.label.text:
                await doing.lower(self.watch_over, feed, wanted)

        self.ask(Choosing(asks, choices), chosen)

    @on(Composer.Changed)
    def _typed(self, event: Composer.Changed) -> None:
        event.stop()
        # What was completed says already how it can go on.
        self._keeping.reset()
        self._keeping.resume()
        if self.composer.text != self._offered_for:
            self._choices = tuple((Part(form, "dim"),) for form in usage(self.composer.text))
            begun = complete(self.composer.text, ()) if self.composer.text == SLASH else None
            if begun is not None:
                self._offer(begun.choices)
            self._forget_passing()
            self.show_bar()

    @on(Composer.Pasted)
    def _pasted(self, event: Composer.Pasted) -> None:
        event.stop()
        if has_live(self.composer.text):
            self.tell(_("There are live addresses in it. Ctrl+D defangs them; readers see them defanged either way."))

    def action_defang(self) -> None:
        """Defang what is being written."""
        self.composer.fill(defang(self.composer.text))
        self.tell("")

    @on(Composer.Completing)
    def _complete(self, event: Composer.Completing) -> None:
        event.stop()
        if not self.composer.text:
            self._to_conversation()
            return
        before, feed = self.composer.before_cursor, self._feed
        found = complete(before, ()) if feed is None else self._completed(before, feed)
        if found is None:
            return
        row, column = self.composer.cursor_location
        if found.text != before:
            self.composer.replace(found.text, (row, column - len(before)), (row, column))
        if found.choices:
            self._offered_for = self.composer.text
            self._offer(found.choices)
            self.show_bar()

    def _completed(self, before: str, feed: Feed) -> Completion | None:
        watch = self.watch_over
        labels = tuple(one.label for one in watch.offered(feed, watch.seat()) if not one.why)
        return complete(before, feed.members, watch.invitable(feed), labels)

    def _offer(self, choices: tuple[tuple[str, str], ...]) -> None:
        self._choices = tuple(
            (Part(name, "code"), Part("  "), *said(_(about) if about else "", "dim")) for name, about in choices
        )

    @on(Composer.Paging)
    def _page(self, event: Composer.Paging) -> None:
        event.stop()
        self._sheet("conversation").page(event.by)

    @on(Composer.Correcting)
    def _correct_last(self, event: Composer.Correcting) -> None:
        event.stop()
        feed = self._feed
        last = None if feed is None else feed.last_own(self.watch_over.seat())
        if feed is not None and last is not None:
            self._correct(feed, last)

    def action_correct(self) -> None:
        """Correct the marked message, where it is the reader's."""
        feed, target = self._feed, self._showing.target()
        message = None if feed is None or target is None else feed.find(target)
        if feed is None or message is None:
            return
        if not self.watch_over.seat().is_me(message.sender):
            self.tell(_("Only what you wrote yourself can be corrected by you."))
        elif isinstance(message.body, Text):
            self._correct(feed, message)
        else:
            command = isolate("/withdraw")
            self.tell(_("Only a text is corrected. Withdraw this by %(command)s, and say it anew.", command=command))

    def _correct(self, feed: Feed, message: Message) -> None:
        draft = self.watch_over.draft(feed)
        draft.corrects, draft.answers = message.id, None
        self.composer.fill(as_typed(feed.text_of(message), feed.members))
        self.composer.focus()
        self.show_soon()

    def action_write(self, text: str) -> None:
        """Put the beginning of a command into the composer."""
        if text and not self.composer.text:
            self.composer.fill(text)
        self.composer.focus()

    def action_unsign(self) -> None:
        """Take a sign of the reader's back from the marked message; which, is written where they put one there."""
        item = self._showing.items.get(self._showing.marked)
        own = [one.sign for one in item.reactions if one.mine] if isinstance(item, Entry) else []
        self.action_write("/react off " + (own[0] if len(own) == 1 else ""))

    # ---- at the marked message

    @property
    def _feed(self) -> Feed | None:
        return None if self.here is None else self.watch_over.feed(self.here)

    def _to_conversation(self) -> None:
        conversation = self._sheet("conversation")
        conversation.focus()
        if not conversation.marked:
            conversation.action_move(-1)

    @on(Sheet.Marked, "#conversation")
    def _marked(self, event: Sheet.Marked) -> None:
        self._showing.marked = event.name
        self.show()
        self._sheet("conversation").show_marked()

    @on(Sheet.AtEdge, "#conversation")
    def _at_edge(self, event: Sheet.AtEdge) -> None:
        feed = self._feed
        if feed is not None and (feed.older() if event.before else feed.newer() or bool(feed.room.unread().entries)):
            self.show_soon()

    def action_answer(self) -> None:
        """Answer what is marked; of what is held, decide."""
        feed, target = self._feed, self._showing.target()
        if feed is None:
            return
        if target is None:
            held = next((one for one in self.watch_over.held() if one.id == self._showing.marked), None)
            if held is not None:
                self._decide(held)
            return
        draft = self.watch_over.draft(feed)
        draft.answers, draft.corrects = target, None
        self.composer.focus()
        self.show_soon()

    async def action_acknowledge(self, grade: int) -> None:
        """Acknowledge what is marked."""
        feed, target = self._feed, self._showing.target()
        if feed is None or target is None:
            self.tell(_("Mark a message that is in the room first."))
            return
        await self.watch_over.client.ask(actions.Acknowledge(room=feed.room.id, envelope=target, grade=grade))
        self.tell(_("Acknowledged: %(grade)s.", grade=words.grade(Grade(grade))))

    def action_thread(self) -> None:
        """Open the thread of what is marked: the one that it stands in, or the one that it begins."""
        feed, target = self._feed, self._showing.target()
        message = None if feed is None or target is None else feed.find(target)
        if message is None:
            return
        body = message.body
        self._showing.thread = body.thread if isinstance(body, Text) and body.thread is not None else message.id
        self.composer.focus()
        self.show_soon()
        self.call_after_refresh(self._sheet("conversation").to_end)

    def action_open(self) -> None:
        """Show all of what is marked, or no more than its beginning."""
        self._showing.opened ^= {self._showing.marked}
        self.show()
        self._sheet("conversation").show_marked()

    def action_write_on(self) -> None:
        """End the nearest of: what is offered, an answer or correction, a panel, a thread, the mark; then write on."""
        feed = self._feed
        draft = None if feed is None else self.watch_over.draft(feed)
        if self._choices or self._told:
            self._choices, self._told = (), ()
        elif draft is not None and (draft.answers or draft.corrects):
            if draft.corrects:
                self.composer.fill("")
            draft.answers = draft.corrects = None
        elif self._close_panels():
            pass
        elif self._showing.thread is not None:
            self._showing.thread = None
            self.call_after_refresh(self._sheet("conversation").to_end)
        else:
            self._sheet("conversation").mark("")
            self._sheet("conversation").to_end()
        self.composer.focus()
        self.show_soon()

    # ---- in front of the rooms

    def action_keys(self) -> None:
        """Show the keys and the commands."""
        self.call_later(self.push_screen, Telling(dialogs.keys()))

    def action_members(self) -> None:
        """Show who can read the room, and what this device was refused there."""
        feed = self._feed
        if feed is None:
            return
        seat, refused = self.watch_over.seat(), warnings(feed.room.refused())
        lines = [*dialogs.members(self.watch_over.readers(feed, seat)), *dialogs.refused(refused, seat.now_ms)]
        self.call_later(self.push_screen, Telling(lines))

    def action_held(self) -> None:
        """Decide about the first message that is held."""
        held = self.watch_over.held()
        if held:
            self._decide(held[0])
        else:
            self.tell(_("Nothing is held."))

    def _decide(self, held: Intent) -> None:
        body = getattr(held.action, "body", None)
        text = body.text if isinstance(body, Text) else _("something of another kind")
        quoted = Part(plain(parse(text)).replace("\n", " ")[:200], "dim", apart=True)
        asks = (
            said(_("This was written for fewer readers:"), "bold"),
            (quoted,),
            (),
            said(why(held).whole),
            (),
        )
        choices = (
            Choice(name=NOTHING, says=said(_("Decide later; it stays held"))),
            Choice(name="release", says=said(_("Send it to all who can read the room now"))),
            Choice(name="drop", says=said(_("Drop it; it is never sent"))),
        )
        self.ask(Choosing(asks, choices), partial(self._decided, held.id))

    async def _decided(self, intent: str, name: str | None) -> None:
        client = self.watch_over.client
        found = client.intent(intent)
        if name == "release":
            await client.release(found)
        elif name == "drop":
            await client.withdraw(found)

    def action_ringing(self) -> None:
        """Go to what has rung longest."""
        ringing = self.ringer.ringing
        if ringing:
            self._close_panels()
            self._go_to(ringing[0].message.hex())
        else:
            self.tell(_("Nothing rings."))

    # ---- leaving

    def action_leave(self) -> None:
        """End; what is queued stays queued, and what is being written is kept."""
        if self.moves.any_local and not self._leaves:
            self._leaves = True
            self.tell(_("A file is not sealed or written yet. Again leaves without it."), "worst")
            return
        try:
            self.keep_draft()
        finally:  # a disk that cannot keep it is told, and keeps nobody here
            self.exit()

    def action_stop(self) -> None:
        """Copy what is selected; else empty the composer; else end."""
        composer = self.composer
        if composer.selected_text:
            self.copy_to_clipboard(composer.selected_text)
        elif composer.text and not self.screen.is_modal:
            composer.fill("")
            self.tell(_("Emptied. Ctrl+Z brings it back, Ctrl+C again leaves."))
        else:
            self.action_leave()
