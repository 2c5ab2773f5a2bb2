"""Files between the page and this program: brought in pieces and sealed as they come, taken as downloads.

The page announces over its websocket, where labels and sizes are judged, and is given a pass; the bytes go over HTTP
behind the same gate as everything else. Nothing of a file is on this disk but its sealed form.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from amanah_client.desk import wire
from amanah_client.desk.circle import readers_of
from amanah_client.desk.desk import Desk
from amanah_client.desk.doing import room_of
from amanah_client.desk.download import Download
from amanah_client.desk.passes import Passes
from amanah_client.desk.places import BRING, TAKE
from amanah_client.desk.telling import told
from amanah_client.desk.transfers import Move
from amanah_client.erasing import corrections_from_here
from amanah_client.files import Announced, Incoming, RoomFile, begin_fetch, file_of
from amanah_client.incident.duties import Duty
from amanah_client.language import gettext as _
from amanah_client.language import pgettext
from amanah_client.message import Message
from amanah_client.report.forms import ENDINGS
from amanah_client.report.taking import record, recorded, take
from amanah_client.room import Room
from amanah_client.saving import check_container, pieces
from amanah_client.saying import unusual
from amanah_client.taken_back import since
from amanah_client.view import words
from amanah_client.view.conversation import file_card
from amanah_client.view.people import Seat
from amanah_client.web.gate import cookie_of
from amanah_client.web.sessions import Sessions
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.errors import AmanahError, Code, OperationalError
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import EnvelopeId

PIECE_S: Final = 30.0
"""Within which the next piece of a file comes; a page that was closed would else hold what it began for ever."""


class _Brought(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a page may bring."""

    incoming: Incoming
    size: int


class Hatch:
    """Where files go in and out of the desk."""

    def __init__(self, desk: Desk, sessions: Sessions, random: Callable[[int], bytes]) -> None:
        """Over a desk.

        Args:
            desk: The desk.
            sessions: Who is in.
            random: Unguessable bytes, so many.
        """
        self._desk = desk
        self._sessions = sessions
        self._bring: Passes[_Brought] = Passes(random)
        self._take: Passes[Download] = Passes(random)

    @property
    def routes(self) -> list[Route]:
        """Where they are brought and taken."""
        return [
            Route(BRING + "{name}", self._brought, methods=["POST"]),
            Route(TAKE + "{name}", self._taken, methods=["GET"]),
        ]

    # ---- in

    def announce(self, asked: wire.Bring, cookie: str) -> dict[str, object]:
        """A file that somebody chose: where the page may bring it.

        Raises:
            AmanahError: It may not be sent so; nothing of it was read.
        """
        room = room_of(self._desk, asked.room)
        said = Announced(
            name=asked.name,
            text=asked.text,
            label=Label.parse(asked.label),
            pap=Pap[asked.pap.removeprefix("PAP:")],
            precedence=Precedence[asked.precedence.upper()],
            sample=asked.sample,
            circle=readers_of(room, asked),
        )
        incoming = room.incoming(said, asked.size)
        return {"bring": BRING + self._bring.give(cookie, _Brought(incoming=incoming, size=asked.size))}

    async def _brought(self, request: Request) -> Response:
        cookie = cookie_of(request.headers)
        brought = self._bring.take(cookie, request.path_params["name"])
        if brought is None:
            return _refused(HTTPStatus.NOT_FOUND, _("This was brought before, or is not expected here."))
        if request.headers.get("Content-Length") != str(brought.size):
            return _refused(HTTPStatus.BAD_REQUEST, _("This is not the file that was announced. Choose it again."))
        try:
            async with brought.incoming as into:
                await self._feed(request, into, cookie)
                self._check_open(cookie)
                await into.finish()
        except AmanahError as error:
            await self._drain(request, cookie)
            return _refused(HTTPStatus.UNPROCESSABLE_ENTITY, told(error))
        except (TimeoutError, ClientDisconnect):
            # Nobody is left to be told, or the page began it again.
            return _refused(HTTPStatus.REQUEST_TIMEOUT, _("It did not arrive whole. Nothing of it was kept."))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _drain(self, request: Request, cookie: str) -> None:
        """Let the rest go by: a browser that is cut off while it sends reads no answer, and could tell no reason."""
        with contextlib.suppress(TimeoutError, ClientDisconnect):
            stream = aiter(request.stream())
            while self._sessions.holds(cookie):
                async with asyncio.timeout(PIECE_S):
                    if await anext(stream, None) is None:
                        return

    async def _feed(self, request: Request, into: Incoming, cookie: str) -> None:
        stream = aiter(request.stream())
        while True:
            async with asyncio.timeout(PIECE_S):
                data = await anext(stream, None)
            if data is None:
                return
            self._check_open(cookie)
            if data:
                await into.feed(data)

    def _check_open(self, cookie: str) -> None:
        if not self._sessions.holds(cookie):
            raise OperationalError(Code.INTERNAL, "the desk was locked meanwhile", hint="Attach it again.")

    # ---- out

    async def save(self, asked: wire.Save, cookie: str) -> dict[str, object]:
        """A file that somebody wants: where it is taken, or that it is on its way here first.

        Raises:
            AmanahError: There is none, or it cannot be saved so.
        """
        message = self._message(asked.room, asked.entry)
        file = file_of(message)
        if file.sample or asked.container:
            check_container()
        if await begin_fetch(self._desk.client, message) is not None:
            self._desk.transfers.put(file.attachment, Move(up=False, state="waiting"))
            return {"attachment": file.attachment.hex()}
        given = self._download(message, container=asked.container, cookie=cookie)
        return {"attachment": file.attachment.hex(), "take": TAKE + self._take.give(cookie, given)}

    def _download(self, message: Message, *, container: bool, cookie: str) -> Download:
        file, spool = file_of(message), self._desk.client.profile.spool
        packed = file.sample or container
        given = pieces(
            spool.fetched(file.attachment), file, decode_content(message.row.content).message_id, container=packed
        )

        def ended(problem: AmanahError | OSError | None) -> None:
            spool.drop_fetched(file.attachment)
            self._desk.transfers.forget(file.attachment)
            if isinstance(problem, OSError):
                problem = OperationalError(Code.STORE, "the fetched file cannot be read", hint="Save it again.")
            if problem is not None:
                self._desk.transfers.put(file.attachment, Move(up=False, state="failed", problem=problem))
            self._desk.tell_moved()

        return Download(
            f"{file.safe_name}.zip" if packed else file.safe_name,
            given,
            size=None if packed else file.size,
            goes_on=lambda: self._sessions.holds(cookie),
            ended=ended,
        )

    def _message(self, room: str, entry: str) -> Message:
        return room_of(self._desk, room).message(entry)

    async def erase(self, asked: wire.Erase) -> None:
        """Drop the content of an own message everywhere, and its file with it; errors as `Client.ask`."""
        room, entry = room_of(self._desk, asked.room), EnvelopeId(bytes.fromhex(asked.entry))
        named = corrections_from_here(room, entry) if asked.corrections else ()
        await self._desk.client.ask(room.erasing(*(named or (entry,))))

    def files(self, room: str) -> list[dict[str, object]]:
        """The files of a room, what came last first; it reads the whole room."""
        found = room_of(self._desk, room)
        files, seat = found.files(), self._desk.seat()
        became = since(found, [file.message for file in files])
        return [
            _line(file, found, seat, withdrawn=became[file.message.id].withdrawn is not None)
            for file in reversed(files)
        ]

    async def report(self, asked: wire.Report, cookie: str) -> dict[str, object]:
        """The report of a room, or the draft of a notice: where it is taken, and whether the room is told.

        Raises:
            UsageError: `CONFIG` when its form needs an extra.
        """
        room = room_of(self._desk, asked.room)
        label, seat, duty = Label.parse(asked.label), self._desk.seat(), Duty(asked.notice) if asked.notice else None
        taken = await asyncio.to_thread(
            take, room, notice=duty, asked=label, form=asked.form, zone=seat.zone, now_ms=seat.now_ms
        )
        told, made, data = recorded(taken, await record(room, taken)), taken.report, taken.data
        what = f"notice-{asked.notice}" if asked.notice else "report"
        name = f"{what}-{room.id.hex()[:8]}-{made.label.text.replace(':', '-')}{ENDINGS[asked.form]}"
        given_out = Download(
            name, _whole(data), size=len(data), goes_on=lambda: self._sessions.holds(cookie)
        )  # fmt: skip
        return {"take": TAKE + self._take.give(cookie, given_out), "label": made.label.text, "recorded": told}

    async def _taken(self, request: Request) -> Response:
        if request.method != "GET":
            # Who only looks (HEAD) would use up what is taken once, and what was fetched would count as given.
            return Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})
        given = self._take.take(cookie_of(request.headers), request.path_params["name"])
        if given is None:
            return _refused(HTTPStatus.NOT_FOUND, _("This was taken before, or is not offered here."))
        return given


def _whole(data: bytes) -> Iterator[bytes]:
    yield data


def _line(found: RoomFile, room: Room, seat: Seat, *, withdrawn: bool) -> dict[str, object]:
    message = found.message
    label, pap = room.limits_of(message)
    marks = (pgettext("file", "withdrawn"),) if withdrawn else ()
    return {
        "entry": message.id.hex(),
        "seq": message.room_seq or 0,
        "who": seat.who(message.sender),
        "at_ms": message.sent_at_ms,
        "when": words.when(message.sent_at_ms, seat.now_ms),
        "label": label.text,
        "pap": unusual(pap),
        "state": found.state,
        "state_words": words.joined((*marks, state_words(found.state))),
        "file": None if found.file is None else file_card(found.file, 0),
    }


def state_words(state: str) -> str:
    """How a file stands, as `RoomFile.state` has it."""
    return {
        "sending": _("on its way to the room"),
        "sent": _("at the relay"),
        "here": _("fetched, sealed on this machine"),
        "erased": _("erased"),
    }.get(state, _("cannot be read"))


def _refused(status: HTTPStatus, text: str) -> Response:
    # What is left of a body is no request of its own.
    return PlainTextResponse(text, status, headers={"Connection": "close"})
