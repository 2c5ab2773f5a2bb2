"""`amanah send`, `read` and `tail`: a room's conversation on a terminal or in a pipe."""

from __future__ import annotations

import asyncio
import sys
import time
import unicodedata
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from amanah_client import effects as e
from amanah_client.cli import opening, terminal
from amanah_client.cli.asking import find_message, find_room, look, settle, show_outcome
from amanah_client.cli.rooms import explain_status
from amanah_client.cli.showing import is_quiet, line, message_json
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.composing import names
from amanah_client.composing.mentions import read_mentions
from amanah_client.engine import Event, Offline
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.message import Message
from amanah_client.model import Mending, MessageState
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_client.taken_back import since
from amanah_protocol.content.text import MAX_CHARS, Text
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Pap, Precedence
from amanah_protocol.types import RoomId

Flag = Annotated[bool, Parameter(negative="")]
PapName = Literal["clear", "green", "amber", "red"]
PrecedenceName = Literal["routine", "priority", "immediate", "flash"]
GradeName = Literal["received", "read", "understood", "acting"]

_PAGE: Final = 500
_BEHIND_ALL: Final = 2**62
"""Behind every place of a room."""


def send(
    room: str,
    text: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    /,
    *,
    label: str | None = None,
    pap: PapName = "amber",
    precedence: PrecedenceName = "routine",
    reply: str | None = None,
    thread: str | None = None,
    ask: GradeName | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Send a message. Without the relay it is kept, shown as queued (exit code 6), and goes out by itself.

    An @ calls somebody: @cert.example.ma a nation, @cert.example.ma/duty its duty desk, @Name a person of the room.

    Example: amanah send "Phishing wave" "Seen at your side, @cert.example.ma?" --ask understood

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    text
        What to say; from standard input when it is left out or `-`. One that begins with a dash comes behind `--`.
        @cert.example.ma calls a nation of the room, @cert.example.ma/duty its duty desk; @@ writes an @ that calls
        nobody.
    label
        Its label; the room's ceiling by default.
    pap
        What receivers may do with it (PAP).
    precedence
        How urgent it is.
    reply
        The message that it answers: its id, or first digits of it.
    thread
        The message that begins the thread it stands in, likewise.
    ask
        How far everybody is asked to acknowledge it.
    """
    asked = None if label is None else names.label(label)
    typed = _text(text)

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        while (successor := into.successor) is not None:
            terminal.say(_("%(status)s, and so does this message", status=explain_status(into)))
            into = successor
        answered = None if reply is None else await find_message(client, into, reply, common)
        root = None if thread is None else await find_message(client, into, thread, common)
        said, mentions = read_mentions(unicodedata.normalize("NFC", typed), into.members())
        body = Text(
            text=said,
            reply_to=None if answered is None else answered.id,
            thread=None if root is None else root.id,
            mentions=mentions,
            asks=None if ask is None else Grade[ask.upper()],
        )
        action = into.compose(body, label=asked, pap=Pap[pap.upper()], precedence=Precedence[precedence.upper()])
        show_outcome(await settle(client, action, common), common)

    opening.with_client(common, work)


def _text(given: str | None) -> str:
    if given is not None:
        # Somebody meant an option: what was mistyped must never be sent.
        terminal.check_no_option(given, f"See `--help`; a text like this comes behind `--`: send ROOM -- {given}")
    if given is None or given == "-":
        if sys.stdin.isatty():
            terminal.say(_("type the message; Ctrl-D on a line of its own sends it"))
        given = _standard_input()
    elif any("\ud800" <= character <= "\udfff" for character in given):  # how Python keeps such bytes
        raise _not_utf8("the text")
    if not given.strip():
        raise UsageError(Code.USAGE, "there is nothing to send", hint="Give a text, or write it on standard input.")
    if len(given) > MAX_CHARS:
        raise _too_long()
    return given


def _standard_input() -> str:
    """What is typed or piped, whole or not at all: nobody may read what the sender did not write."""
    # One byte more than the longest message and its line end: nothing behind it falls off unseen.
    data = sys.stdin.buffer.read(4 * MAX_CHARS + 2)
    if len(data) > 4 * MAX_CHARS + 1:
        raise _too_long()
    try:
        return data.decode().rstrip("\n")
    except UnicodeDecodeError as error:
        raise _not_utf8(f"byte {error.start + 1} of standard input") from error


def _too_long() -> UsageError:
    detail = f"a message has at most {MAX_CHARS} characters"
    return UsageError(Code.TOO_LARGE, detail, hint="Say it in several messages; nothing was sent.")


def _not_utf8(what: str) -> UsageError:
    hint = "Nothing was sent. Convert it first, such as by `iconv -f ISO-8859-1 -t UTF-8`."
    return UsageError(Code.USAGE, f"{what} is not UTF-8", hint=hint)


def read(
    room: str,
    /,
    *,
    after: int | None = None,
    limit: int = 100,
    everything: Annotated[bool, Parameter(name="--all", negative="")] = False,
    offline: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Read a room: what is there, in room order. What cannot be read is shown with its cause.

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    after
        Begin behind this room sequence, instead of showing the newest.
    limit
        Show at most so many.
    everything
        Show what the programs tell each other too (welcomes, delivery reports).
    offline
        Show what is stored, without connecting.
    """

    def show(client: Client) -> None:
        shown = client.room(room)
        messages = _pick(shown, after=after, limit=limit, everything=everything)
        became = since(shown, messages)
        if common.json:
            terminal.show_json([message_json(one, *shown.limits_of(one), since=became[one.id]) for one in messages])
        else:
            for one in messages:
                terminal.show(line(one, client.directory(), *shown.limits_of(one), since=became[one.id]))
        if (status := explain_status(shown)) is not None:
            terminal.say(status)

    look(common, show, offline=offline)


def _pick(room: Room, *, after: int | None, limit: int, everything: bool) -> list[Message]:
    """The messages to show: `limit` behind `after`, or the newest ones; of the others no more is read than it takes."""
    if after is None:
        return _newest(room, limit=limit, everything=everything)
    found: list[Message] = []
    while True:
        page = room.messages(after=after, limit=_PAGE)
        found += [message for message in page if everything or not is_quiet(message)]
        last = page[-1].room_seq if page else None
        if last is None or len(page) < _PAGE or len(found) >= limit:
            return found[:limit]
        after = last


def _newest(room: Room, *, limit: int, everything: bool) -> list[Message]:
    found: list[Message] = []
    page = room.messages(newest=True, limit=_PAGE)
    while page:
        found = [message for message in page if everything or not is_quiet(message)] + found
        if len(found) >= limit:
            break
        # Own ones without a place stand behind all others.
        first = next((message.room_seq for message in page if message.room_seq is not None), _BEHIND_ALL)
        page = room.messages(before=first, limit=_PAGE)
    return found[max(0, len(found) - limit) :]


def tail(
    room: str | None = None,
    /,
    *,
    last: int = 0,
    count: int | None = None,
    until_idle: float | None = None,
    everything: Annotated[bool, Parameter(name="--all", negative="")] = False,
    common: Options = DEFAULTS,
) -> None:
    """Follow a room, or all rooms, until Ctrl-C. It connects again by itself, and says so.

    With --json each message is one line of JSON.

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id; all rooms when it is left out.
    last
        First show so many of the newest stored messages.
    count
        End after so many messages.
    until_idle
        End when nothing has arrived for so many seconds.
    everything
        Show what the programs tell each other too (welcomes, delivery reports).
    """
    followed = _Tail(everything=everything, count=count, until_idle=until_idle, common=common)

    async def work(client: Client) -> None:
        rooms = [] if room is None else [await find_room(client, room, common)]
        await followed.run(client, rooms, last)

    opening.with_client(common, work)


class _Tail:
    """What `tail` keeps while it follows."""

    def __init__(self, *, everything: bool, count: int | None, until_idle: float | None, common: Options) -> None:
        self._everything = everything
        self._left = count
        self._idle_s = until_idle
        self._common = common
        self._reached: dict[RoomId, int] = {}
        self._problem: AmanahError | None = None

    async def run(self, client: Client, rooms: list[Room], last: int) -> None:
        """Follow some rooms, or all.

        Raises:
            OperationalError: It ended, or cannot go on, without the relay.
        """
        wanted = {room.id for room in rooms}
        # It hears from here on, so nothing falls between what is stored and what comes.
        with client.hearing() as events:
            if client.is_following:
                terminal.say(_("another program of this profile is connected; following what it receives"))
                if (problem := client.problem) is not None:
                    self._hear(client, Offline(problem=problem, attempts=0))
            for room in rooms or client.rooms():
                self._begin(client, room, last)
            deadline = time.monotonic() + self._common.timeout
            while self._left != 0:
                try:
                    event = await asyncio.wait_for(events.get(), self._idle_s)
                except TimeoutError:
                    if self._may_end(client, deadline):
                        break
                    continue
                if not (isinstance(event, e.MessageChanged) and wanted and event.row.room not in wanted):
                    self._hear(client, event)
        if self._problem is not None:
            raise OperationalError(self._problem.code, self._problem.detail, hint=self._problem.hint)

    def _may_end(self, client: Client, deadline: float) -> bool:
        """Nothing came for a while: whether that is because there is nothing."""
        if client.is_online or client.is_following or self._problem is not None:
            return True
        if time.monotonic() > deadline:
            self._problem = OperationalError(Code.OFFLINE, "the relay does not answer")
        return self._problem is not None

    def _begin(self, client: Client, room: Room, last: int) -> None:
        self._reached[room.id] = room.row.head_seq
        newest = _pick(room, after=None, limit=last, everything=self._everything) if last else []
        for message in newest:
            if message.room_seq is not None:
                self._show(client, message)
        if (status := explain_status(room)) is not None:
            terminal.say(status)

    def _hear(self, client: Client, event: Event) -> None:
        match event:
            case e.MessageChanged(row=row) if row.state is not MessageState.SENT and row.room_seq is not None:
                reached = self._reached.get(row.room, 0)
                if row.room_seq > reached or row.mending is Mending.DONE:
                    self._reached[row.room] = max(reached, row.room_seq)
                    self._show(client, client.read(row))
            case e.Online():
                terminal.say(_("online") if self._problem is None else _("online again"))
                self._problem = None
            case Offline(problem=problem, final=final):
                if self._problem is None:
                    again = "" if final else _("; trying again")
                    terminal.say(_("offline: %(detail)s", detail=isolate(problem.detail)) + again)
                self._problem = problem
                if final:
                    raise OperationalError(problem.code, problem.detail, hint=problem.hint)
            case e.AlarmRaised(alarm=alarm):
                named = {"code": isolate(alarm.code), "detail": isolate(alarm.detail)}
                terminal.say(_("ALARM %(code)s: %(detail)s", **named))
            case _:
                pass

    def _show(self, client: Client, message: Message) -> None:
        if self._left == 0 or (is_quiet(message) and not self._everything):
            return
        room = Room(client, message.room)
        became = since(room, [message])[message.id]
        if self._common.json:
            terminal.show_line(message_json(message, *room.limits_of(message), since=became))
        else:
            terminal.show(line(message, client.directory(), *room.limits_of(message), since=became))
        if self._left is not None:
            self._left -= 1
