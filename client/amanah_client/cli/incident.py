"""`amanah board`, `incident`, `task`, `decide` and `clock`: the incident of a room on the command line."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Annotated, Literal

from cyclopts import App, Parameter

from amanah_client.cli import opening, terminal
from amanah_client.cli.asking import RoomName, find_room, look, settle, show_outcome
from amanah_client.cli.board import board_json, board_lines
from amanah_client.cli.closing import ask_nations, confirm
from amanah_client.cli.rooms import DRILL_ROOM
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.composing import names
from amanah_client.composing.times import parse_time
from amanah_client.effective import next_number
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Proposal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.identity import parse_organisation

Flag = Annotated[bool, Parameter(negative="")]

Number = Annotated[int, Parameter(help="The proposal's number, as `board` shows it.")]

task = App(name="task", help="Ask a nation to do something, and say how far it is.")
decide = App(name="decide", help="Propose, agree or object, and close what was decided.")
clock = App(name="clock", help="Set a joint time, move it, call it off.")


def board(room: RoomName, /, *, offline: Flag = False, common: Options = DEFAULTS) -> None:
    """Show what a room's entries come to: where the incident stands, tasks, decisions, joint times.

    Parameters
    ----------
    offline
        Show what is stored, without connecting.
    """

    def show(client: Client) -> None:
        shown = client.room(room)
        found = shown.board()
        if common.json:
            terminal.show_json({"drill": shown.is_drill, **board_json(found, shown)})
        else:
            if shown.is_drill:
                terminal.show(DRILL_ROOM)
            for line in board_lines(found, shown, time.time_ns() // 1_000_000):
                terminal.show(line)

    look(common, show, offline=offline)


def incident(
    room: RoomName,
    /,
    *,
    title: str | None = None,
    severity: Literal["low", "medium", "high", "critical"] | None = None,
    status: Literal["triage", "investigating", "containing", "recovering", "resolved", "closed"] | None = None,
    type_: Annotated[str | None, Parameter(name="--type")] = None,
    aware: str | None = None,
    yes: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Say where the incident stands: what is given changes, the rest stays. `closed` asks all nations to sign off.

    Example: amanah incident "Phishing wave" --severity high --status triage --type fraud/phishing

    Parameters
    ----------
    title
        What it is called.
    severity
        How bad it is.
    status
        How far the work is.
    type_
        Its type as class/type of the Reference Security Incident Taxonomy.
    aware
        When the first party became aware: duties to notify run from here. In UTC, as 06:12 or 2026-11-23T06:12.
    yes
        Close also while tasks, proposals or joint times are open, unasked.
    """
    body = Incident(
        title=title,
        severity=None if severity is None else Severity[severity.upper()],
        status=None if status is None else Status[status.upper()],
        type=None if type_ is None else names.incident_type(type_),
        aware_at_ms=None if aware is None else _time(aware, past=True),
    )
    if body.status is not Status.CLOSED:
        say(room, lambda _: body, common)
        return

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        confirm(into, yes=yes)
        show_outcome(await settle(client, into.compose(body), common), common)
        await ask_nations(client, into, common)

    opening.with_client(common, work)


@task.command
def add(room: RoomName, what: str, /, *, nation: str, until: str | None = None, common: Options = DEFAULTS) -> None:
    """Ask a nation to do something.

    Parameters
    ----------
    what
        What is to be done.
    nation
        Whose task it is.
    until
        By when, in UTC, as 14:00, 2026-11-23T14:00 or +2h.
    """
    body = Task(
        id=secrets.token_bytes(16),
        what=what,
        nation=parse_organisation(nation),
        until_ms=None if until is None else _time(until),
    )
    say(room, lambda _: body, common)


@task.command
def move(
    room: RoomName,
    which: str,
    state: Literal["open", "taken", "done", "refused"],
    /,
    *,
    reason: str = "",
    common: Options = DEFAULTS,
) -> None:
    """Say how far a task of your nation is; who refuses says why.

    Parameters
    ----------
    which
        The task, by first digits as `board` shows them.
    state
        How far it is.
    reason
        Why.
    """

    def body(into: Room) -> Said:
        found = names.pick(into.board(about=()).tasks, which, "task")
        return TaskMoved(id=found, state=TaskState[state.upper()], reason=reason)

    say(room, body, common)


@decide.command
def propose(
    room: RoomName,
    what: str,
    /,
    *,
    until: str,
    nation: Annotated[tuple[str, ...], Parameter(show_default=False)] = (),
    quorum: int | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Propose something to nations: it is adopted when the quorum agrees and none objects in time.

    Parameters
    ----------
    what
        What is proposed.
    until
        Until when nations may object, in UTC, as 14:00, 2026-11-23T14:00 or +2h.
    nation
        Who is asked, once for each; all nations in the room when it is left out.
    quorum
        How many have to agree; all who are asked when it is left out.
    """
    until_ms = _time(until)

    def body(into: Room) -> Said:
        asked = map(parse_organisation, nation) if nation else (party.organisation for party in into.members())
        nations = tuple(sorted(set(asked)))
        ordinal = next_number(into, into.board(about=()).proposals)
        return Proposal(
            ordinal=ordinal, what=what, object_until_ms=until_ms, quorum=quorum or len(nations), nations=nations
        )

    say(room, body, common)


@decide.command
def agree(room: RoomName, number: Number, /, *, reason: str = "", common: Options = DEFAULTS) -> None:
    """Agree for your nation.

    Parameters
    ----------
    reason
        Why.
    """
    say(room, lambda into: names.position(into.board(about=()), number, reason, agrees=True), common)


@decide.command(name="object")
def object_(room: RoomName, number: Number, /, *, reason: str, common: Options = DEFAULTS) -> None:
    """Object for your nation, and say why.

    Parameters
    ----------
    reason
        Why.
    """
    say(room, lambda into: names.position(into.board(about=()), number, reason, agrees=False), common)


@decide.command
def close(room: RoomName, number: Number, /, *, common: Options = DEFAULTS) -> None:
    """Record how a proposal ended, by what the positions come to; auditors see it."""

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        show_outcome(await settle(client, into.decision(number), common), common)

    opening.with_client(common, work)


@clock.command(name="set")
def set_(
    room: RoomName,
    what: str,
    /,
    *,
    at: str,
    nature: Literal["action", "embargo", "deadline"] = "action",
    common: Options = DEFAULTS,
) -> None:
    """Set a joint time; `amanah ack` says that it was understood.

    Parameters
    ----------
    what
        What happens then, or until then.
    at
        When, in UTC, as 14:00, 2026-11-23T14:00 or +2h.
    nature
        Whether nations act together then, nobody speaks until then, or something is due then.
    """
    body = Clock(id=secrets.token_bytes(16), nature=Nature[nature.upper()], what=what, at_ms=_time(at))
    say(room, lambda _: body, common)


@clock.command
def change(room: RoomName, which: str, /, *, at: str | None = None, common: Options = DEFAULTS) -> None:
    """Move a joint time; without a time it is called off.

    Parameters
    ----------
    which
        The joint time, by first digits as `board` shows them.
    at
        When instead, in UTC, as 14:00, 2026-11-23T14:00 or +2h.
    """
    moved = None if at is None else _time(at)

    def body(into: Room) -> Said:
        clocks = into.board(about=()).clocks
        known = clocks[names.pick(clocks, which, "joint time")].clock
        return Clock(
            id=known.id,
            nature=known.nature,
            what=known.what,
            at_ms=known.at_ms if moved is None else moved,
            stands=moved is not None,
        )

    say(room, body, common)


def say(room: str, body: Callable[[Room], Said], common: Options) -> None:
    """Say in a room what `body` makes of it."""

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        show_outcome(await settle(client, into.compose(body(into)), common), common)

    opening.with_client(common, work)


def _time(text: str, *, past: bool = False) -> int:
    return parse_time(text, time.time_ns() // 1_000_000, past=past)
