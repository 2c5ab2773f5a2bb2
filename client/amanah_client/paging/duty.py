"""Who is on duty when, and in which order people are paged: plain values, made by `settings` alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from amanah_client.language import N_
from amanah_protocol.labels import Precedence

DESK: Final = N_("the desk")
"""Whom the first step pages: whoever hears the devices of the desk."""
_HORIZON_DAYS: Final = 8
"""A shift of one day in the week comes again within so many days, whatever the hour."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A program that is started, without a shell."""

    argv: tuple[str, ...]

    @property
    def text(self) -> str:
        """For people: the program; its arguments may hold numbers of theirs."""
        return f"command {self.argv[0]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is posted to."""

    url: str = field(repr=False)
    host: str

    @property
    def text(self) -> str:
        """For people: the host; what follows it is often a secret."""
        return f"webhook at {self.host}"


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """An address that a mail goes to, through this machine's own mail server."""

    to: str

    @property
    def text(self) -> str:
        """For people."""
        return f"mail to {self.to}"


Hook: TypeAlias = Command | Webhook | Mail


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """When somebody is on duty, week by week.

    Attributes:
        days: Days on which it begins, 0 Monday to 6 Sunday.
        begins: Its hour, on the clocks of its zone.
        ends: Likewise; at or before `begins` it ends on the day after.
        zone: Its zone.
    """

    days: frozenset[int]
    begins: time
    ends: time
    zone: ZoneInfo

    def around(self, at: datetime) -> tuple[datetime, datetime] | None:
        """Begin and end in UTC of the one that lasts at a time or, failing that, comes next; None if none comes."""
        today = at.astimezone(self.zone).date()
        turns = (self._turn(today + timedelta(days=day)) for day in range(-1, _HORIZON_DAYS))
        return next((turn for turn in turns if turn is not None and at < turn[1]), None)

    def _turn(self, day: date) -> tuple[datetime, datetime] | None:
        if day.weekday() not in self.days:
            return None
        last = day if self.begins < self.ends else day + timedelta(days=1)
        # In UTC, so that the day on which clocks change is as long as it is.
        begins = datetime.combine(day, self.begins, self.zone).astimezone(UTC)
        ends = datetime.combine(last, self.ends, self.zone).astimezone(UTC)
        return begins, ends


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can be paged.

    Attributes:
        name: What the room is told of whom was paged.
        hooks: How they are reached; at least one.
        shifts: When they are on duty; always without any.
    """

    name: str
    hooks: tuple[Hook, ...]
    shifts: tuple[Shift, ...] = ()

    def comes(self, at: datetime) -> datetime | None:
        """When they are on duty next: at this time if they are now; None for never again."""
        if not self.shifts:
            return at
        turns = (shift.around(at) for shift in self.shifts)
        return min((max(turn[0], at) for turn in turns if turn is not None), default=None)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of paging.

    Attributes:
        number: 0 for the desk's own devices, which ring through all steps.
        whom: Who is paged.
        hooks: How; none for the desk.
        wait_ms: How long it is waited for an acknowledgement before the next step.
    """

    number: int
    whom: str
    hooks: tuple[Hook, ...]
    wait_ms: int


class Rota(msgspec.Struct, frozen=True, kw_only=True):
    """What is paged for, who is paged, and how long it is waited.

    Attributes:
        least: A message of at least this precedence pages.
        rooms: Titles, or first digits of ids, of the rooms that page; all without any.
        people: By order: of those on duty the first is paged first.
        backup: Who is paged when nobody of these answers.
        desk_wait_ms: How long the desk rings alone.
        step_wait_ms: How long each further step is waited for.
        repeat_wait_ms: After how long the last step is taken again.
        mail_from: Sender of mails; "" where there are none.
        mail_via: `smtp:PORT` of this machine, or the path of a program like `sendmail`.
    """

    least: Precedence = Precedence.IMMEDIATE
    rooms: tuple[str, ...] = ()
    people: tuple[Duty, ...] = ()
    backup: Duty | None = None
    desk_wait_ms: int = 120_000
    step_wait_ms: int = 300_000
    repeat_wait_ms: int = 600_000
    mail_from: str = ""
    mail_via: str = "smtp:25"

    @property
    def pages(self) -> bool:
        """Whether anybody can be paged beyond the desk."""
        return bool(self.people) or self.backup is not None

    def on_duty(self, now_ms: int) -> tuple[tuple[Duty, int], ...]:
        """Who is on duty, in order, then who comes next and when (Unix milliseconds)."""
        at = datetime.fromtimestamp(now_ms / 1000, UTC)
        coming = [(person, when) for person in self.people if (when := person.comes(at)) is not None]
        here = [one for one in coming if one[1] <= at]
        later = sorted((one for one in coming if one[1] > at), key=lambda one: one[1])
        return tuple((person, round(when.timestamp() * 1000)) for person, when in (*here, *later[:1]))

    def steps(self, now_ms: int) -> tuple[Step, ...]:
        """The steps as they stand at a time: the desk, who is on duty, who comes next, the backup team."""
        people = [person for person, _ in self.on_duty(now_ms)]
        called = [*people, *([self.backup] if self.backup is not None else [])]
        desk = Step(number=0, whom=DESK, hooks=(), wait_ms=self.desk_wait_ms)
        further = (
            Step(number=number, whom=duty.name, hooks=duty.hooks, wait_ms=self.step_wait_ms)
            for number, duty in enumerate(called, start=1)
        )
        return desk, *further
