"""One open page: what changes is pushed to it, what its officer asks for is done and answered.

A push holds what has changed alone: entries go by their keys, and one that stands as it stood is not sent again.
Nothing is pushed while the session is over; a page that is told so takes its content away.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from amanah_client.desk import wire
from amanah_client.desk.circle import NotDoneError
from amanah_client.desk.desk import Desk
from amanah_client.desk.doing import do
from amanah_client.desk.files import Hatch
from amanah_client.desk.finding import before, find, timeline, whole
from amanah_client.desk.frames import Frames
from amanah_client.desk.telling import told
from amanah_client.desk.words import words_of_page
from amanah_client.feed import Feed
from amanah_client.language import gettext as _
from amanah_client.view.people import Seat, Who
from amanah_client.view.readers import highest, narrowed, offered, readers
from amanah_client.web.gate import cookie_of
from amanah_client.web.sessions import Sessions
from amanah_protocol.errors import AmanahError
from amanah_protocol.types import EnvelopeId, RoomId

GATHER_S: Final = 0.02
"""So long after one push the next comes, with all that arrived meanwhile; the first of them waits for nothing.

Nor does a room that somebody opens.
"""
WATCH_S: Final = 1.0
"""So often it is looked whether the session is over."""
CLOCK_TICKS: Final = 20
"""After so many looks, what depends on the time alone is told anew."""
MOST_READS: Final = 64
"""More than a page asks for at a time."""
LOCKED: Final = 4001
ENDED: Final = 1001
_ENCODE: Final = msgspec.json.Encoder().encode


class _SessionOverError(Exception):
    """The session is over."""


class Live:
    """One page over its websocket."""

    def __init__(self, desk: Desk, sessions: Sessions, hatch: Hatch, socket: WebSocket) -> None:
        """Take a page that was let in."""
        self._desk = desk
        self._sessions = sessions
        self._hatch = hatch
        self._socket = socket
        self._cookie = cookie_of(socket.headers)
        self._feed: Feed | None = None
        self._thread: EnvelopeId | None = None
        self._sent: dict[str, bytes] = {}
        self._entries = Frames()
        self._anew = False
        self._changed = asyncio.Event()
        self._dirty: set[RoomId | None] = set()
        self._reads: asyncio.Queue[wire.Read] = asyncio.Queue(MOST_READS)

    async def run(self) -> None:
        """Serve the page until it goes, or the session is over."""
        await self._socket.accept()
        stop = self._desk.listen(self._hear, self._changed.set)
        tasks = [asyncio.create_task(work) for work in (self._push(), self._watch(), self._receive(), self._read())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            # The program ends: the server closes the socket by itself, and nobody waits for this task.
            pass
        finally:
            stop()
            self._leave()
            self._desk.ringer.sounds_in(self, on=False)
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await self._socket.close(ENDED if self._sessions.holds(self._cookie) else LOCKED)
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, _SessionOverError | WebSocketDisconnect):
                raise error

    # ---- what is pushed

    async def _push(self) -> None:
        desk = self._desk
        me = self._me(desk.seat())
        looked = "" if desk.looked is None else desk.looked.hex()
        more = {"words": words_of_page(), "most": desk.client.certificate.ceiling.text, "looked": looked}
        await self._tell({"kind": "hello", "me": me, **more})
        while True:
            self._changed.clear()
            failed = False
            try:
                await self._refresh()
            except AmanahError as error:
                failed = True
                # The store may fail for a while; what it had is on the page, and it is tried again with what comes.
                await self._tell({"kind": "trouble", "value": told(error)})
            ended_s = time.monotonic()
            await self._changed.wait()
            if failed or not self._anew:
                await asyncio.sleep(max(0.0, ended_s + GATHER_S - time.monotonic()))

    def _hear(self, room: RoomId | None) -> None:
        self._dirty.add(room)
        self._changed.set()

    async def _refresh(self) -> None:
        seat, feed = self._desk.seat(), self._feed
        dirty, self._dirty = self._dirty, set()
        # What somebody looks at comes first.
        if feed is not None and (self._anew or None in dirty or feed.room.id in dirty):
            await self._show(feed, self._thread, seat)
        # A certificate may be read first while the page is open: until then its own name is digits.
        await self._tell_changed("me", self._me(seat))
        await self._tell_changed("rooms", self._desk.rooms(seat))
        await self._tell_changed("line", self._desk.line())
        await self._tell_changed("trust", self._desk.trust())
        await self._tell_changed("alarms", self._desk.alarms())
        await self._tell_changed("pending", self._desk.pending(seat))
        await self._tell_changed("ringing", self._desk.ringer.shown(seat, self))
        await self._tell_changed("transfers", self._desk.transfers.value())

    def _me(self, seat: Seat) -> Who:
        return seat.who(self._desk.client.party(self._desk.client.me))

    async def _show(self, feed: Feed, thread: EnvelopeId | None, seat: Seat) -> None:
        """The open room: the entries of the window that have changed, head and board."""
        desk, room = self._desk, feed.room
        name = room.id.hex()
        if self._anew:
            await self._tell_changed(f"head {name}", self._head(feed, seat))
        if self._feed is not feed or self._thread is not thread:
            return  # it was asked for something else meanwhile, and that is shown next
        await self._tell_entries(feed, thread, seat)
        await self._tell_changed(f"head {name}", self._head(feed, seat))
        await self._tell_changed(f"board {name}", desk.board(feed, seat))

    def _head(self, feed: Feed, seat: Seat) -> dict[str, object]:
        draft, labels = feed.room.draft, offered(feed.members, seat, feed.ceiling)
        return {
            "room": self._desk.line_of(feed.room.id, seat),
            "readers": readers(feed.members, seat),
            "labels": [{"label": one.label.text, "why": one.why} for one in labels],
            "label": highest(labels, feed.ceiling).text,
            "narrowed": narrowed(labels),
            "draft": "" if draft is None else draft.text,
            "mark": feed.room.read_mark,
        }

    async def _tell_entries(self, feed: Feed, thread: EnvelopeId | None, seat: Seat) -> None:
        pushed = self._entries.push(self._desk.items(feed, seat, thread), anyway=self._anew)
        if pushed is None:
            return
        self._anew = False
        place = {
            "first": feed.first,
            "more": thread is None and feed.first > 1,
            "newest": thread is None and feed.last is None,
        }
        named = {"room": feed.room.id.hex(), "thread": "" if thread is None else thread.hex()}
        await self._tell({"kind": "entries", **named, **pushed, **place})

    async def _tell_changed(self, name: str, value: object) -> None:
        encoded = _ENCODE(value)
        if self._sent.get(name) != encoded:
            self._sent[name] = encoded
            kind, _, room = name.partition(" ")
            await self._tell({"kind": kind, "room": room, "value": msgspec.Raw(encoded)})

    async def _tell(self, value: object) -> None:
        # A session that is over sees nothing more, also where it ended while this was made.
        if not self._sessions.holds(self._cookie):
            raise _SessionOverError
        await self._socket.send_text(_ENCODE(value).decode())

    async def _watch(self) -> None:
        ticks = 0
        while self._sessions.holds(self._cookie):
            await asyncio.sleep(WATCH_S)
            ticks += 1
            if ticks % CLOCK_TICKS == 0:
                self._desk.grow_old()
                self._hear(None)

    # ---- what is asked for

    async def _receive(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            if text is None:
                return
            if not self._sessions.holds(self._cookie):
                return
            try:
                asked = wire.decode_frame(text)
                # A page asks for much by itself, also for what somebody could have asked for: only its word that it
                # was touched keeps somebody in.
                if isinstance(asked, wire.Active):
                    self._sessions.admits(self._cookie)
            except (msgspec.ValidationError, msgspec.DecodeError):
                await self._tell(
                    wire.Answer(n=_number(text), ok=False, text=_("The page asked for what is not known."))
                )
                continue
            # Whoever locks the page, or uses it, does not wait until a report is made.
            if isinstance(asked, wire.Read):
                await self._reads.put(asked)
            else:
                await self._tell(await self._answer(asked))

    async def _read(self) -> None:
        while True:
            await self._tell(await self._answer(await self._reads.get()))

    async def _answer(self, asked: wire.Asked) -> wire.Answer:
        try:
            text, data = await self._do(asked)
        except NotDoneError as error:
            # By then the page is told what stands now.
            self._hear(None)
            return wire.Answer(n=asked.n, ok=False, text=f"{error.detail}. {error.hint}", data=error.data)
        except AmanahError as error:
            self._hear(None)  # what is refused for its label stands among the alarms
            return wire.Answer(n=asked.n, ok=False, text=told(error))
        return wire.Answer(n=asked.n, ok=True, text=text, data=data)

    async def _do(self, asked: wire.Asked) -> tuple[str, object]:  # noqa: PLR0911 - one for each kind
        match asked:
            case wire.Active():
                return "", None
            case wire.Lock():
                self._sessions.lock()
                return "", None
            case wire.Look():
                self._look(asked)
                return "", None
            case wire.Seen(room=room, seq=seq):
                self._desk.mark_read(RoomId(bytes.fromhex(room)), seq)
                self._hear(RoomId(bytes.fromhex(room)))
                return "", None
            case wire.Draft(room=room, text=text):
                self._desk.keep_draft(RoomId(bytes.fromhex(room)), text)
                return "", None
            case wire.Sounds(on=on):
                self._desk.ringer.sounds_in(self, on=on)
                return "", None
            case wire.Search(query=query):
                return "", find(self._desk, query)
            case (
                wire.Whole() | wire.Before() | wire.Timeline() | wire.Save() | wire.Files() | wire.Report()
            ):  # fmt: skip
                return "", await self._found(asked)
            case wire.Bring() | wire.Erase():
                return await self._hand(asked)
            case _:
                done = await do(self._desk, asked)
                # What waits without the relay is told by no event.
                self._hear(None)
                return done

    async def _found(self, asked: wire.Read) -> object:
        match asked:
            case wire.Whole():
                return await asyncio.to_thread(whole, self._desk, asked)
            case wire.Before():
                return await asyncio.to_thread(before, self._desk, asked)
            case wire.Timeline(room=room):
                return await asyncio.to_thread(timeline, self._desk, room)
            case wire.Files(room=room):
                return await asyncio.to_thread(self._hatch.files, room)
            case wire.Report():
                return await self._hatch.report(asked, self._cookie)
            case wire.Save():
                found = await self._hatch.save(asked, self._cookie)
                self._changed.set()
                return found

    async def _hand(self, asked: wire.Bring | wire.Erase) -> tuple[str, object]:
        match asked:
            case wire.Bring():
                return "", self._hatch.announce(asked, self._cookie)
            case wire.Erase():
                await self._hatch.erase(asked)
                return _("It is erased as soon as the relay has taken it."), None

    def _look(self, asked: wire.Look) -> None:
        room = RoomId(bytes.fromhex(asked.room))
        feed = self._feed
        if feed is None or feed.room.id != room:
            feed = self._desk.open(room)
            self._leave()
        self._feed = feed
        self._thread = None if asked.thread is None else EnvelopeId(bytes.fromhex(asked.thread))
        match asked.at:
            case "newest":
                feed.newest()
            case "before":
                feed.older()
            case "after":
                feed.newer()
            case "around":
                feed.around(asked.seq)
        # The page draws the whole window anew.
        self._entries.begin()
        self._anew = True
        self._desk.looked = room
        self._sent = {name: value for name, value in self._sent.items() if " " not in name}
        self._changed.set()

    def _leave(self) -> None:
        if self._feed is not None:
            self._desk.close(self._feed)
            self._feed = None


def _number(text: str) -> int:
    """The number of a frame that is none, as far as it has one."""
    try:
        value: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return 0
    number = value.get("n") if isinstance(value, dict) else None
    return number if type(number) is int and 0 <= number <= 2**53 else 0
