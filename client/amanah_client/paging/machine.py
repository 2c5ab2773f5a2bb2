"""The paging machine: inputs in, effects out. What each page does stands in one table.

    machine = Machine(rota)
    effects = machine.take(Arrived(call=...), now_ms)

Every page that nobody answered rings, and has a time at which something more happens: that is what its states have in
common, and what the tests hold. Hooks are run by `DUE` alone, so whatever is read from a store at start runs none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final, TypeAlias, assert_never

from amanah_client.paging import inputs as i
from amanah_client.paging.duty import DESK, Rota, Step
from amanah_protocol.content.page import Result
from amanah_protocol.types import EnvelopeId, RoomId

CALL_TIMEOUT_MS: Final = 120_000
"""Hooks whose end nobody tells in so long have failed; each has a shorter limit of its own."""


class State(StrEnum):
    """Where a page stands."""

    DESK = "desk"
    """The desk's devices ring."""
    CALLING = "calling"
    """Hooks of a step are running."""
    WAITING = "waiting"
    """Somebody was paged, and has time to answer."""
    REPEATING = "repeating"
    """All steps are used: the last one is taken again and again."""
    ANSWERED = "answered"
    """A person of the nation acknowledged the message."""


@unique
class Event(StrEnum):
    """What happens to a page."""

    DUE = "time is up, there is a further step"
    DUE_LAST = "time is up, there is none"
    DUE_ALONE = "time is up, nobody can be paged"
    REACHED = "hooks took it over"
    REACHED_LAST = "hooks of the last step took it over"
    FAILED = "hooks failed"
    FAILED_LAST = "hooks of the last step failed"
    TOLD = "the record holds a later step"
    TOLD_LAST = "it holds the last one"
    ANSWER = "acknowledged"
    REFUSED = "the acknowledgement was refused"
    ROTA = "another rota holds, which has a further step"
    ROTA_LAST = "another rota holds, and its last step is taken"


@unique
class Act(StrEnum):
    """What is done then."""

    NEXT = "run the next step"
    AGAIN = "run the last step again"
    RECORD = "tell the room"
    WAIT = "wait for the step's time"
    REST = "wait a while"
    NOW = "go on at once"
    EXHAUSTED = "say that all steps are used"
    RING = "ring"
    QUIET = "stop ringing"


TABLE: Final[dict[tuple[State, Event], tuple[State, tuple[Act, ...]]]] = {
    (State.DESK, Event.DUE): (State.CALLING, (Act.NEXT,)),
    (State.DESK, Event.DUE_ALONE): (State.REPEATING, (Act.EXHAUSTED, Act.REST)),
    (State.DESK, Event.TOLD): (State.WAITING, (Act.WAIT,)),
    (State.DESK, Event.TOLD_LAST): (State.REPEATING, (Act.WAIT,)),
    (State.DESK, Event.ROTA): (State.DESK, (Act.WAIT,)),
    (State.DESK, Event.ANSWER): (State.ANSWERED, (Act.QUIET,)),
    (State.CALLING, Event.REACHED): (State.WAITING, (Act.RECORD, Act.WAIT)),
    (State.CALLING, Event.REACHED_LAST): (State.REPEATING, (Act.RECORD, Act.EXHAUSTED, Act.WAIT)),
    (State.CALLING, Event.FAILED): (State.WAITING, (Act.RECORD, Act.NOW)),
    (State.CALLING, Event.FAILED_LAST): (State.REPEATING, (Act.RECORD, Act.EXHAUSTED, Act.WAIT)),
    (State.CALLING, Event.ANSWER): (State.ANSWERED, (Act.QUIET,)),
    (State.WAITING, Event.DUE): (State.CALLING, (Act.NEXT,)),
    (State.WAITING, Event.DUE_LAST): (State.CALLING, (Act.AGAIN,)),
    (State.WAITING, Event.DUE_ALONE): (State.REPEATING, (Act.EXHAUSTED, Act.REST)),
    (State.WAITING, Event.TOLD): (State.WAITING, (Act.WAIT,)),
    (State.WAITING, Event.TOLD_LAST): (State.REPEATING, (Act.WAIT,)),
    (State.WAITING, Event.ROTA): (State.WAITING, (Act.WAIT,)),
    (State.WAITING, Event.ROTA_LAST): (State.REPEATING, (Act.WAIT,)),
    (State.WAITING, Event.ANSWER): (State.ANSWERED, (Act.QUIET,)),
    (State.REPEATING, Event.DUE): (State.CALLING, (Act.NEXT,)),
    (State.REPEATING, Event.DUE_LAST): (State.CALLING, (Act.AGAIN,)),
    (State.REPEATING, Event.DUE_ALONE): (State.REPEATING, (Act.RING, Act.REST)),
    (State.REPEATING, Event.TOLD): (State.WAITING, (Act.WAIT,)),
    (State.REPEATING, Event.TOLD_LAST): (State.REPEATING, (Act.WAIT,)),
    (State.REPEATING, Event.ROTA): (State.WAITING, (Act.WAIT,)),
    (State.REPEATING, Event.ROTA_LAST): (State.REPEATING, (Act.WAIT,)),
    (State.REPEATING, Event.ANSWER): (State.ANSWERED, (Act.QUIET,)),
    # Whoever was paged before the answer was paged all the same.
    (State.ANSWERED, Event.REACHED): (State.ANSWERED, (Act.RECORD,)),
    (State.ANSWERED, Event.REACHED_LAST): (State.ANSWERED, (Act.RECORD,)),
    (State.ANSWERED, Event.FAILED): (State.ANSWERED, (Act.RECORD,)),
    (State.ANSWERED, Event.FAILED_LAST): (State.ANSWERED, (Act.RECORD,)),
    (State.ANSWERED, Event.REFUSED): (State.WAITING, (Act.RING, Act.NOW)),
}
"""What is not named here changes nothing."""

_ENDED: Final = {
    (True, False): Event.REACHED,
    (True, True): Event.REACHED_LAST,
    (False, False): Event.FAILED,
    (False, True): Event.FAILED_LAST,
}
_Position: TypeAlias = tuple[int, int]


@dataclass(slots=True, kw_only=True)
class Paged:
    """A page as it stands.

    Attributes:
        call: For which message.
        state: Where it stands.
        step: The step that was taken last.
        again: How often that step was taken before.
        whom: Whom it paged.
        failed: Whether it reached nobody.
        due_ms: When something more happens; None when it was answered.
        taken_ms: When the last step ended, and for the desk when the call came: from then on it is waited.
    """

    call: i.Call
    state: State = State.DESK
    step: int = 0
    again: int = 0
    whom: str = DESK
    failed: bool = False
    due_ms: int | None
    taken_ms: int

    @property
    def rings(self) -> bool:
        """Whether this device rings for it."""
        return self.state is not State.ANSWERED

    @property
    def position(self) -> _Position:
        """How far it is: a step, and how often it was taken before."""
        return self.step, self.again


class Machine:
    """All pages of a profile."""

    def __init__(self, rota: Rota) -> None:
        """Begin with nothing."""
        self._rota = rota
        self._pages: dict[EnvelopeId, Paged] = {}
        # What is repaired or granted later may arrive behind its acknowledgement and behind its record.
        self._answers: dict[EnvelopeId, set[i.Person]] = {}
        self._told: dict[EnvelopeId, list[i.Told]] = {}

    @property
    def pages(self) -> tuple[Paged, ...]:
        """What rings, the oldest first."""
        return tuple(sorted((page for page in self._pages.values() if page.rings), key=lambda page: page.call.at_ms))

    def page(self, message: EnvelopeId) -> Paged | None:
        """The page for a message, answered or not."""
        return self._pages.get(message)

    def take(self, received: i.Input, now_ms: int) -> tuple[i.Effect, ...]:
        """One input.

        Args:
            received: What happened.
            now_ms: The time, Unix milliseconds.
        """
        return tuple(self._take(received, now_ms))

    def _take(self, received: i.Input, now_ms: int) -> Iterator[i.Effect]:
        match received:
            case i.Arrived(call=call, fresh=fresh):
                yield from self._arrive(call, now_ms, fresh=fresh)
            case i.Acknowledged(message=message, by=by):
                self._answers.setdefault(message, set()).add(by)
                yield from self._answer(message, now_ms)
            case i.Unacknowledged(message=message, by=by):
                self._answers.get(message, set()).discard(by)
                yield from self._refuse(message, now_ms)
            case i.Told(page=page):
                self._told.setdefault(page.message, []).append(received)
                yield from self._tell(received, now_ms)
            case i.Ran():
                yield from self._ended(received, now_ms)
            case i.RotaChanged(rota=rota):
                yield from self._change_rota(rota, now_ms)
            case i.Gone(room=room):
                yield from self._leave(room)
            case i.Tick():
                for paged in self.pages:
                    yield from self._pass_time(paged, now_ms)
            case _:
                assert_never(received)

    def _arrive(self, call: i.Call, now_ms: int, *, fresh: bool) -> Iterator[i.Effect]:
        if call.message in self._pages:
            return
        # A relay whose clock is ahead must not hold up the next step.
        taken_ms = now_ms if fresh else min(call.at_ms, now_ms)
        page = Paged(call=call, due_ms=taken_ms + self._rota.desk_wait_ms, taken_ms=taken_ms)
        self._pages[call.message] = page
        if self._answers.get(call.message, set()) - {call.author}:
            page.state, page.due_ms = State.ANSWERED, None
            return
        yield i.Ring(call=call)
        told = self._told.get(call.message, ())
        for one in told:
            yield from self._tell(one, now_ms)
        if self._rota.pages and not any(one.page.step == 0 for one in told):
            yield i.Record(call=call, number=0, again=0, whom=DESK, result=Result.RANG)

    def _answer(self, message: EnvelopeId, now_ms: int) -> Iterator[i.Effect]:
        page = self._pages.get(message)
        if page is not None and self._answers.get(message, set()) - {page.call.author}:
            yield from self._go(page, Event.ANSWER, now_ms)

    def _refuse(self, message: EnvelopeId, now_ms: int) -> Iterator[i.Effect]:
        page = self._pages.get(message)
        if page is not None and not self._answers.get(message, set()) - {page.call.author}:
            yield from self._go(page, Event.REFUSED, now_ms)

    def _tell(self, told: i.Told, now_ms: int) -> Iterator[i.Effect]:
        """A step that another machine of the desk took, or this one before it was started again."""
        page = self._pages.get(told.page.message)
        if page is None or (told.page.step, told.page.again) <= page.position:
            return
        event = Event.TOLD_LAST if told.page.step >= len(self._steps(now_ms)) - 1 else Event.TOLD
        if (page.state, event) not in TABLE:
            return  # hooks of our own are running, or it was answered
        page.step, page.again, page.whom = told.page.step, told.page.again, told.page.whom
        page.failed = told.page.result is Result.FAILED
        page.taken_ms = min(told.page.at_ms, now_ms)
        yield from self._go(page, event, now_ms)

    def _ended(self, ran: i.Ran, now_ms: int) -> Iterator[i.Effect]:
        page = self._pages.get(ran.message)
        if page is None:
            return
        event = _ENDED[ran.reached, ran.number >= len(self._steps(now_ms)) - 1]
        if (ran.number, ran.again) == page.position and (page.state, event) in TABLE:
            page.failed, page.taken_ms = not ran.reached, now_ms
            yield from self._go(page, event, now_ms)
            return
        # It ended after its time; that somebody was paged is told all the same.
        result = Result.REACHED if ran.reached else Result.FAILED
        yield i.Record(call=page.call, number=ran.number, again=ran.again, whom=ran.whom, result=result)

    def _pass_time(self, page: Paged, now_ms: int) -> Iterator[i.Effect]:
        if page.due_ms is None or now_ms < page.due_ms:
            return
        steps = self._steps(now_ms)
        if page.state is State.CALLING:
            is_last = page.step >= len(steps) - 1
            page.failed, page.taken_ms = True, now_ms
            yield from self._go(page, _ENDED[False, is_last], now_ms)
        elif len(steps) == 1:
            yield from self._go(page, Event.DUE_ALONE, now_ms)
        else:
            yield from self._go(page, Event.DUE if page.step < len(steps) - 1 else Event.DUE_LAST, now_ms)

    def _change_rota(self, rota: Rota, now_ms: int) -> Iterator[i.Effect]:
        """Whoever takes over goes on from the time of the call and from the record, as if it had paged all the time."""
        self._rota = rota
        last = len(self._steps(now_ms)) - 1
        if last > 0:
            for page in self.pages:
                yield from self._go(page, Event.ROTA if page.step < last else Event.ROTA_LAST, now_ms)

    def _leave(self, room: RoomId) -> Iterator[i.Effect]:
        for page in self.pages:
            if page.call.room == room:
                del self._pages[page.call.message]
                yield i.Quiet(call=page.call)

    # ---- one page

    def _go(self, page: Paged, event: Event, now_ms: int) -> Iterator[i.Effect]:
        found = TABLE.get((page.state, event))
        if found is None:
            return
        page.state, acts = found
        for act in acts:
            yield from self._act(page, act, now_ms)
        if page.state is State.ANSWERED:
            page.due_ms = None

    def _act(self, page: Paged, act: Act, now_ms: int) -> Iterator[i.Effect]:
        match act:
            case Act.NEXT | Act.AGAIN:
                yield self._run(page, now_ms, again=act is Act.AGAIN)
            case Act.RECORD:
                result = Result.FAILED if page.failed else Result.REACHED
                yield i.Record(call=page.call, number=page.step, again=page.again, whom=page.whom, result=result)
            case Act.WAIT:
                page.due_ms = page.taken_ms + self._wait_ms(page, now_ms)
            case Act.REST:
                page.due_ms = now_ms + self._rota.repeat_wait_ms
            case Act.NOW:
                page.due_ms = now_ms
            case Act.EXHAUSTED:
                yield i.Exhausted(call=page.call, whom=page.whom)
            case Act.RING:
                yield i.Ring(call=page.call)
            case Act.QUIET:
                yield i.Quiet(call=page.call)
            case _:
                assert_never(act)

    def _run(self, page: Paged, now_ms: int, *, again: bool) -> i.Run:
        steps = self._steps(now_ms)
        # Fewer may be left than there were: the rota goes with the hour.
        number = len(steps) - 1 if again else page.step + 1
        page.again = page.again + 1 if again else 0
        page.step, page.whom, page.failed = number, steps[number].whom, False
        page.taken_ms, page.due_ms = now_ms, now_ms + CALL_TIMEOUT_MS
        return i.Run(call=page.call, step=steps[number], again=page.again)

    def _wait_ms(self, page: Paged, now_ms: int) -> int:
        if page.state is State.REPEATING:
            return self._rota.repeat_wait_ms
        return 0 if page.failed else self._steps(now_ms)[min(page.step, len(self._steps(now_ms)) - 1)].wait_ms

    def _steps(self, now_ms: int) -> tuple[Step, ...]:
        return self._rota.steps(now_ms)
