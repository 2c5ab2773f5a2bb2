"""What the page asks for, done: each is queued and answered at once, or refused with what to do next."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Final, TypeAlias, assert_never

from amanah_client import actions
from amanah_client.circle import check_offered
from amanah_client.composing import orders
from amanah_client.composing.commands import COMMANDS
from amanah_client.composing.line import Situation, compose_correction, is_command, read_line
from amanah_client.composing.times import parse_time
from amanah_client.desk import wire
from amanah_client.desk.circle import NotDoneError, readers_of
from amanah_client.desk.desk import Desk
from amanah_client.desk.flows import flow, record, sign
from amanah_client.desk.passing import lowering
from amanah_client.effective import next_number
from amanah_client.language import gettext as _
from amanah_client.room import Room
from amanah_client.view.closing import closes, left_open
from amanah_client.view.indicators import defang, has_live
from amanah_client.view.people import Seat
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId

Doing: TypeAlias = wire.Asked
_ID_BYTES: Final = 16


async def do(desk: Desk, asked: Doing) -> tuple[str, object]:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """Do what a frame asks for; gives what to tell, and what was asked for.

    Raises:
        AmanahError: It is refused, and nothing is queued.
    """
    match asked:
        case wire.Type():
            return await _type(desk, asked)
        case wire.Acknowledge(entry=entry, grade=grade):
            room = room_of(desk, asked.room)
            action = actions.Acknowledge(room=room.id, envelope=_entry(entry), grade=int(Grade(grade)))
            await desk.client.ask(action)
            return "", None
        case wire.Conclude(ordinal=ordinal):
            await desk.client.ask(room_of(desk, asked.room).decision(ordinal))
            return "", None
        case wire.Invite(whom=whom):
            await desk.client.ask(room_of(desk, asked.room).invitation(whom.strip()))
            return _("The invitation is on its way. Should it be refused, that stands above the composer."), None
        case wire.Remove(devices=devices):
            room = room_of(desk, asked.room)
            readers_of(room, asked)  # else a device that somebody came in with meanwhile would read on
            await desk.client.ask(
                actions.Remove(room=room.id, devices=tuple(DeviceId(bytes.fromhex(one)) for one in devices))
            )
            return _("They are removed as soon as the relay has taken it."), None
        case wire.Release(intent=intent, drop=drop):
            found = desk.client.intent(intent)
            if drop:
                desk.outcomes.drop(found.id)
            await (desk.client.withdraw(found) if drop else desk.client.release(found))
            return "", None
        case wire.Defang(text=text):
            return "", {"live": has_live(text), "text": defang(text)}
        case wire.Correct():
            return await _correct(desk, asked)
        case wire.Stand() | wire.AddTask() | wire.Propose() | wire.SetClock() | wire.Handover():
            room = room_of(desk, asked.room)
            label, pap = _chosen(asked)
            body, circle = _body(asked, room, desk.now_ms), readers_of(room, asked)
            await desk.client.ask(room.compose(body, label=label, pap=pap, circle=circle))
            return "", None
        case wire.MoveClock():
            await _move_clock(desk, asked)
            return "", None
        case wire.React() | wire.Withdraw() | wire.MoveTask() | wire.Position():
            room = room_of(desk, asked.room)
            await desk.client.ask(room.compose(_body(asked, room, desk.now_ms), circle=readers_of(room, asked)))
            return "", None
        case (
            wire.Active() | wire.Lock() | wire.Look() | wire.Whole() | wire.Before() | wire.Timeline() | wire.Seen()
            | wire.Draft() | wire.Search() | wire.Sounds()
            | wire.Bring() | wire.Save() | wire.Files() | wire.Erase() | wire.Report()
        ):  # fmt: skip
            raise UsageError(Code.USAGE, "this is about the page itself")
        case _:
            return await flow(desk, asked)


async def _type(desk: Desk, asked: wire.Type) -> tuple[str, object]:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    room = room_of(desk, asked.room)
    order = read_line(asked.text, _typed(desk, room, asked), COMMANDS)
    label, pap = _chosen(asked)
    match order:
        case orders.Saying(body=body) if closes(body) and not asked.anyway and (left := _left_open(desk, room)):
            return "", {"left_open": left}
        case orders.Saying(body=body):
            precedence, circle = Precedence[asked.precedence.upper()], readers_of(room, asked)
            await desk.client.ask(room.compose(body, label=label, pap=pap, precedence=precedence, circle=circle))
            return "", {"sent": True}
        case orders.Acknowledging(message=message, grade=grade):
            await desk.client.ask(actions.Acknowledge(room=room.id, envelope=message, grade=int(grade)))
        case orders.Concluding(ordinal=ordinal):
            await desk.client.ask(room.decision(ordinal))
        case orders.Inviting(organisation=organisation):
            await desk.client.ask(room.invitation(organisation))
        case orders.Marking():
            return "", {"marks": _marks(order, room, desk.seat())}
        case orders.ShowingMembers():
            return "", {"show": "members"}
        case orders.Searching(query=query):
            return "", {"show": "search", "query": query}
        case orders.Relabelling(message=message, label=wanted):
            found = room.message(message.hex())
            lower = lowering(room, found, wanted)
            if lower is not None:
                return "", {"lower": lower}
            for change in room.relabelling(found, wanted).actions:
                await desk.client.ask(change)
        case orders.AskingToSign(days=days):
            return "", {"show": "closing", "days": days}
        case orders.SigningOff(anyway=anyway):
            text, differs = await sign(desk, asked, anyway=anyway)
            return text, differs or {"sent": True}
        case orders.RecordingClosing():
            await record(desk, asked)
        case orders.Attaching():
            # A page opens no file by its path: its officer chooses one.
            return "", {"show": "attach"}
        case orders.Saving():
            return "", {"show": "files"}
        case orders.Exporting():
            return "", {"show": "report"}
        case orders.Helping(command=command):
            return "", {"show": "commands", "commands": _commands(command)}
        case _:
            assert_never(order)
    return "", {"sent": True}


def _chosen(asked: wire.Marked) -> tuple[Label, Pap]:
    return Label.parse(asked.label), Pap[asked.pap.removeprefix("PAP:")]


def _left_open(desk: Desk, room: Room) -> tuple[str, ...]:
    return left_open(room.board(about=()), desk.now_ms)


async def _correct(desk: Desk, asked: wire.Correct) -> tuple[str, object]:
    """Another text in the place of an own one, read as any line is; a command is none, and is never said as a text.

    Nor is it carried out: whoever corrects a text did not mean to do something else with it half written.
    """
    room = room_of(desk, asked.room)
    order = read_line(asked.text, found := _situation(desk, room), COMMANDS)
    if not isinstance(order, orders.Saying) or not isinstance(order.body, Text) or is_command(asked.text):
        hint = _("Cancel the correction first; // begins a text that begins with a slash.")
        raise NotDoneError(_("A correction is a text, and this is a command: nothing was sent"), hint)
    body = compose_correction(_entry(asked.entry), order.body.text, found)
    label, pap = _chosen(asked)
    await desk.client.ask(room.compose(body, label=label, pap=pap, circle=readers_of(room, asked)))
    return "", {"sent": True}


def _marks(order: orders.Marking, room: Room, seat: Seat) -> dict[str, str]:
    if order.label is not None:
        check_offered(room, seat, order.label)
    named = {
        "label": None if order.label is None else order.label.text,
        "pap": None if order.pap is None else order.pap.text,
        "precedence": None if order.precedence is None else order.precedence.name.lower(),
    }
    return {name: value for name, value in named.items() if value is not None}


def _commands(name: str | None) -> list[dict[str, object]]:
    return [
        {"name": command.name, "usage": list(command.usage), "about": _(command.about)}
        for command in COMMANDS.values()
        if name in {None, command.name}
    ]


def _situation(desk: Desk, room: Room) -> Situation:
    board = desk.feed(room.id).incident
    return Situation(
        board=board,
        members=room.members(),
        now_ms=desk.now_ms,
        message=lambda digits: room.message(digits).id,
        fresh_id=lambda: secrets.token_bytes(_ID_BYTES),
        number=next_number(room, board.proposals),
    )


def _typed(desk: Desk, room: Room, asked: wire.Type) -> Situation:
    return replace(
        _situation(desk, room),
        answering=None if asked.answering is None else _entry(asked.answering),
        asks=None if asked.asks is None else Grade(asked.asks),
        replies=asked.replies,
        thread=None if asked.thread is None else _entry(asked.thread),
    )


def _body(asked: Doing, room: Room, now_ms: int) -> Said:  # noqa: C901, PLR0911 - one for each kind
    match asked:
        case wire.React(entry=entry, sign=sign, stands=stands):
            return Reaction(message=_entry(entry), sign=sign, stands=stands)
        case wire.Withdraw(entry=entry, reason=reason):
            return Withdrawal(message=_entry(entry), reason=reason)
        case wire.Stand():
            return Incident(
                title=asked.title.strip() or None,
                severity=Severity[asked.severity.upper()] if asked.severity else None,
                status=Status[asked.status.upper()] if asked.status else None,
                type=asked.type.strip() or None,
                aware_at_ms=parse_time(asked.aware, now_ms, past=True) if asked.aware else None,
            )
        case wire.AddTask(nation=nation, what=what, until=until):
            return Task(
                id=secrets.token_bytes(_ID_BYTES),
                what=what.strip(),
                nation=parse_organisation(nation),
                until_ms=parse_time(until, now_ms) if until else None,
            )
        case wire.MoveTask(task=task, state=state, reason=reason):
            return TaskMoved(id=bytes.fromhex(task), state=TaskState[state.upper()], reason=reason)
        case wire.Propose(what=what, until=until, quorum=quorum):
            nations = tuple(sorted({party.organisation for party in room.members()}))
            return Proposal(
                ordinal=next_number(room, room.board(about=()).proposals),
                what=what.strip(),
                object_until_ms=parse_time(until, now_ms),
                quorum=quorum or len(nations),
                nations=nations,
            )
        case wire.Position(ordinal=ordinal, agrees=agrees, reason=reason):
            found = room.board(about=()).proposals.get(ordinal)
            if found is None:
                raise UsageError(Code.NOT_FOUND, f"there is no proposal {ordinal}")
            return Position(proposal=found.id, agrees=agrees, reason=reason)
        case wire.SetClock(nature=nature, what=what, at=at):
            return Clock(
                id=secrets.token_bytes(_ID_BYTES),
                nature=Nature[nature.upper()],
                what=what.strip(),
                at_ms=parse_time(at, now_ms),
            )
        case wire.Handover(text=text):
            return Handover(text=text)
        case _:
            raise UsageError(Code.USAGE, "this says nothing")


async def _move_clock(desk: Desk, asked: wire.MoveClock) -> None:
    room = room_of(desk, asked.room)
    board = room.board(about=())
    known = board.clocks.get(bytes.fromhex(asked.clock))
    if known is None:
        raise UsageError(Code.NOT_FOUND, "there is no such joint time")
    at_ms = parse_time(asked.at, desk.now_ms) if asked.at else known.clock.at_ms
    body = replace(known.clock, at_ms=at_ms, stands=asked.stands)
    label, pap, circle = board.label_of(known.set), board.pap_of(known.set), readers_of(room, asked)
    await desk.client.ask(room.compose(body, label=label, pap=pap, circle=circle))


def room_of(desk: Desk, room: str) -> Room:
    """A room of this profile.

    Raises:
        UsageError: `UNKNOWN_ROOM`.
    """
    return desk.feed(RoomId(bytes.fromhex(room))).room


def _entry(digits: str) -> EnvelopeId:
    return EnvelopeId(bytes.fromhex(digits))
