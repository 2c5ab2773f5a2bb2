"""`amanah watch` and `amanah duty`: ring for what must not wait, and see who would be paged."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
import time
from collections.abc import Iterator
from typing import Annotated, Final, assert_never

from cyclopts import App, Parameter

from amanah_client import terms
from amanah_client.cli import opening, terminal
from amanah_client.cli.showing import short
from amanah_client.cli.terminal import DEFAULTS, Options, clock, iso, isolated, single
from amanah_client.composing.times import parse_time
from amanah_client.engine import Offline
from amanah_client.home import find_home
from amanah_client.language import N_, isolate, pgettext
from amanah_client.language import gettext as _
from amanah_client.paging import pager as p
from amanah_client.paging.duty import DESK, Command, Rota
from amanah_client.paging.hooks import ROOM_DIGITS, Failure, notice_of, run_hooks
from amanah_client.paging.settings import read_rota
from amanah_client.paging.sounding import BELL_S, Sounding
from amanah_client.sdk import Client
from amanah_client.together import until_one_ends
from amanah_protocol.content.page import Result
from amanah_protocol.errors import Code, OperationalError, UsageError

Flag = Annotated[bool, Parameter(negative="")]
_RESULTS: Final = {
    Result.RANG: N_("rings here"),
    Result.REACHED: N_("taken over"),
    Result.FAILED: N_("reached nobody"),
}

duty = App(name="duty", help="Who is on duty, and who would be paged.")


def watch(*, sound: str | None = None, no_bell: Flag = False, common: Options = DEFAULTS) -> None:
    """Ring for what must not wait until somebody of your nation acknowledges it, and page others. Ends with Ctrl-C.

    What rings: messages of precedence immediate or flash of other nations, and what mentions your duty desk.

    Parameters
    ----------
    sound
        A program that sounds while something rings, with its arguments in quotes; no shell reads it.
    no_bell
        Do not ring the terminal's bell.
    """
    player = None if sound is None else _player(sound)

    async def work(client: Client) -> None:
        watching = _Watch(client, common, player=player, bell=not no_bell)
        await watching.run()

    opening.with_client(common, work)


def _player(sound: str) -> Command:
    try:
        words = tuple(shlex.split(sound))
    except ValueError as error:
        raise UsageError(Code.USAGE, f"--sound: {error}", hint="Write it as in a shell, in quotes.") from error
    if not words:
        raise UsageError(Code.USAGE, "--sound names no program", hint="Leave it out, or name a program.")
    return Command(argv=words)


class _Watch:
    """What `watch` keeps while it runs."""

    def __init__(self, client: Client, common: Options, *, player: Command | None, bell: bool) -> None:
        self._client = client
        self._common = common
        self._player = player
        self._bell = bell and sys.stderr.isatty()
        self._pager = p.Pager(client, tell=self._told)
        self._sounding = Sounding(client.profile.home)
        self._silent = False

    async def run(self) -> None:
        """Watch until it is interrupted."""
        for name in self._pager.unknown_rooms():
            told = _("paging.toml names a room %(name)s, and there is none: nothing pages by that name")
            terminal.say(told % {"name": isolate(repr(name))})
        if not self._pager.rota.pages:
            terminal.say(_("nobody is named in paging.toml: this device rings, and nobody else is paged"))
        # What ends has failed, and nobody may take silence for quiet.
        await until_one_ends(self._pager.run(), self._sound(), self._follow_line())

    async def _follow_line(self) -> None:
        """Say how the connection stands: who is not connected hears of nothing."""
        was: str | None = None
        async for event in self._client.events():
            problem = self._client.problem
            if self._client.is_online or (self._client.is_following and problem is None):
                now = _("online")
            elif problem is None:
                now = ""
            else:
                detail = isolate(problem.detail)
                now = _("offline: %(detail)s; nothing new arrives, trying again", detail=detail)
            if now and now != was:
                was = now
                terminal.say(now)
            if isinstance(event, Offline) and event.final:
                raise OperationalError(event.problem.code, event.problem.detail, hint=event.problem.hint)

    async def _sound(self) -> None:
        while True:
            ringing = self._pager.ringing
            # A page of the desk that its officer sits at sounds instead.
            if ringing and (self._bell or self._player is not None) and self._sounding.take():
                try:
                    if self._bell:
                        sys.stderr.write("\a")
                        sys.stderr.flush()
                    if self._player is not None:
                        await self._play(self._player, ringing)
                finally:
                    self._sounding.leave()
            await asyncio.sleep(BELL_S)

    async def _play(self, player: Command, ringing: tuple[p.Ringing, ...]) -> None:
        first = ringing[0]
        drill = self._client.is_drill(first.room)
        notice = notice_of(first.room, first.precedence, count=len(ringing), step=first.step, drill=drill)
        (failure,) = await run_hooks((player,), notice, self._pager.rota)
        if failure is not None and not self._silent:
            terminal.say(_("no sound: %(why)s", why=isolate(_why(failure))))
        self._silent = failure is not None

    def _told(self, told: p.Notification) -> None:
        if self._common.json:
            terminal.show_line(told_json(told))
            return
        for line in told_lines(told, self._client):
            terminal.show(line)
        with contextlib.suppress(BrokenPipeError):  # whoever reads no more is told by the next line of talk
            sys.stdout.flush()


def told_lines(told: p.Notification, client: Client) -> Iterator[str]:
    """What happened, for people: a line, and one for each hook that failed."""
    match told:
        case p.Rings(ringing=of):
            room = client.room(of.room)
            where = f"DRILL {isolated(room.title)}" if room.is_drill else isolated(room.title)
            act = f"amanah ack {of.room.hex()[:ROOM_DIGITS]} {short(of.message)}"
            yield _(
                "RINGS  %(message)s  %(precedence)s since %(time)s; %(command)s; room %(room)s",
                message=isolate(short(of.message)),
                precedence=terms.precedence(of.precedence),
                time=isolate(clock(of.since_ms)),
                command=isolate(act),
                room=where,
            )
        case p.Called(message=message, step=step, again=again, whom=whom, result=result, failures=failures):
            said = (
                _("paged  %(message)s  step %(step)s, time %(again)s, %(result)s: %(whom)s")
                if again
                else _("paged  %(message)s  step %(step)s, %(result)s: %(whom)s")
            )
            named = {"message": isolate(short(message)), "step": step, "again": again + 1, "whom": _whom(whom)}
            yield said % {"result": _(_RESULTS[result]), **named}
            yield from (f"       {isolate(_why(failure))}" for failure in failures)
        case p.Ended(message=message, answered=answered):
            ended = (
                _("quiet  %(message)s  acknowledged")
                if answered
                else _("quiet  %(message)s  this device cannot acknowledge in that room any more")
            )
            yield ended % {"message": isolate(short(message))}
        case p.NobodyElse(message=message, whom=whom):
            named = {"message": isolate(short(message)), "whom": _whom(whom)}
            yield _("ALL STEPS USED  %(message)s  from now on again and again: %(whom)s", **named)
        case p.NotRecorded(problem=problem):
            why = isolate(f"{single(problem.detail)} [{problem.code}] {problem.hint}")
            yield _("the room was not told: %(why)s", why=why)
        case p.Renamed(room=renamed, before=before, title=title):
            named = {"room": isolate(renamed.hex()[:ROOM_DIGITS]), "before": single(before), "title": single(title)}
            yield _("RENAMED  room %(room)s, in paging.toml, from %(before)s to %(title)s; it rings as before", **named)
        case _:
            assert_never(told)


def _whom(name: str) -> str:
    return _(DESK) if name == DESK else single(name)


def _why(failure: Failure) -> str:
    """What kept a hook from reaching anybody: in English, as it stands in its documentation."""
    return f"{single(failure.hook)}: {failure.trouble} ({single(failure.detail)}). {failure.hint}"


def told_json(told: p.Notification) -> dict[str, object]:
    """The same as one object; `event` says what it is."""
    match told:
        case p.Rings(ringing=of):
            return {
                "event": "rings",
                "room": of.room.hex(),
                "envelope": of.message.hex(),
                "precedence": of.precedence.name.lower(),
                "since": iso(of.since_ms),
                "step": of.step,
                "whom": of.whom,
            }
        case p.Called(failures=failures):
            return {
                "event": "paged",
                "room": told.room.hex(),
                "envelope": told.message.hex(),
                "step": told.step,
                "again": told.again,
                "whom": told.whom,
                "result": told.result.name.lower(),
                "failures": [{"hook": one.hook, "trouble": str(one.trouble), "detail": one.detail} for one in failures],
            }
        case p.Ended(answered=answered):
            return {
                "event": "quiet",
                "room": told.room.hex(),
                "envelope": told.message.hex(),
                "answered": answered,
            }
        case p.NobodyElse(whom=whom):
            return {"event": "exhausted", "room": told.room.hex(), "envelope": told.message.hex(), "whom": whom}
        case p.NotRecorded(problem=problem):
            return {"event": "unrecorded", "room": told.room.hex(), "code": str(problem.code)}
        case p.Renamed():
            return {"event": "renamed", "room": told.room.hex()}
        case _:
            assert_never(told)


@duty.command
def show(*, at: str | None = None, common: Options = DEFAULTS) -> None:
    """Show who is on duty, who comes next, and what would happen to a page. Nobody is paged.

    Parameters
    ----------
    at
        For this time instead of now, as 22:00, 2026-11-23T22:00 or +8h, in UTC.
    """
    now_ms = time.time_ns() // 1_000_000
    at_ms = now_ms if at is None else parse_time(at, now_ms)
    rota = read_rota(find_home(common.home).rota)
    if common.json:
        terminal.show_json(duty_json(rota, at_ms))
    else:
        for line in duty_lines(rota, at_ms):
            terminal.show(line)


def duty_lines(rota: Rota, at_ms: int) -> Iterator[str]:
    """Who is on duty, and the steps of a page that comes at this time."""
    known = rota.on_duty(at_ms)
    here = [person for person, when in known if when <= at_ms]
    between = pgettext("between", ", ")
    whom = between.join(single(person.name) for person in here) or _("nobody")
    yield _("on duty at %(time)s: %(whom)s", time=isolate(clock(at_ms)), whom=whom)
    for person, when in known:
        if when > at_ms:
            yield _("next, %(time)s: %(whom)s", time=isolate(clock(when)), whom=single(person.name))
    rooms = between.join(map(isolated, rota.rooms)) or pgettext("rooms", "all")
    least = terms.precedence(rota.least)
    yield _("what pages: %(least)s and above, mentions of the duty desk; rooms: %(rooms)s", least=least, rooms=rooms)
    after_ms, last = 0, None
    for step in rota.steps(at_ms):
        ways = isolate(", ".join(single(hook.text) for hook in step.hooks)) if step.hooks else pgettext("hook", "rings")
        named = {"step": step.number, "seconds": f"{after_ms / 1000:g}", "whom": _whom(step.whom), "ways": ways}
        yield _("step %(step)s, after %(seconds)s s: %(whom)s (%(ways)s)", **named)
        after_ms, last = after_ms + step.wait_ms, step
    whom = "" if last is None else _whom(last.whom)
    seconds = f"{rota.repeat_wait_ms / 1000:g}"
    yield _("then every %(seconds)s s: %(whom)s, until somebody acknowledges", seconds=seconds, whom=whom)


def duty_json(rota: Rota, at_ms: int) -> dict[str, object]:
    """The same."""
    return {
        "at": iso(at_ms),
        "on_duty": [of.name for of, when in rota.on_duty(at_ms) if when <= at_ms],
        "next": [{"name": of.name, "at": iso(when)} for of, when in rota.on_duty(at_ms) if when > at_ms],
        "least": rota.least.name.lower(),
        "rooms": list(rota.rooms),
        "steps": [
            {
                "step": step.number,
                "whom": step.whom,
                "hooks": [hook.text for hook in step.hooks],
                "wait_seconds": step.wait_ms / 1000,
            }
            for step in rota.steps(at_ms)
        ],
        "repeat_seconds": rota.repeat_wait_ms / 1000,
    }
