"""The words that all faces share: plain, short, and through gettext."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from typing import Final

from amanah_client import language
from amanah_client.incident import board
from amanah_client.language import gettext as _
from amanah_client.language import guarded, list_of, ngettext, pgettext
from amanah_client.view.indicators import defang
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.clock import Nature
from amanah_protocol.content.incident import Status
from amanah_protocol.content.task import TaskState
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Precedence

_LAST_MS: Final = 253_402_214_399_999
"""The end of the last day but one of the year 9999: in every zone that is a time the calendar has."""


def value(text: str) -> str:
    """What a person or machine wrote, harmless and on one line, with its own direction, for a sentence of ours."""
    return guarded(text.replace("\n", " "))


def title(text: str) -> str:
    """As `value`, for what is called by a text that may name addresses: they are shown as a message shows them."""
    return value(defang(text))


def listed(names: Iterable[str]) -> str:
    """Several of them."""
    return list_of(map(value, names))


def joined(parts: Iterable[str]) -> str:
    """Several things beside each other, none of them the last of a sentence."""
    return pgettext("between", ", ").join(parts)


def severity(found: Severity | None) -> str:
    """How bad it is."""
    if found is None:
        return ""
    return {
        Severity.LOW: _("Low"),
        Severity.MEDIUM: _("Medium"),
        Severity.HIGH: _("High"),
        Severity.CRITICAL: _("Critical"),
    }[found]


def status(found: Status | None) -> str:
    """How far the work is."""
    if found is None:
        return ""
    return {
        Status.TRIAGE: _("Triage"),
        Status.INVESTIGATING: _("Investigating"),
        Status.CONTAINING: _("Containing"),
        Status.RECOVERING: _("Recovering"),
        Status.RESOLVED: _("Resolved"),
        Status.CLOSED: _("Closed"),
    }[found]


def precedence(found: Precedence) -> str:
    """How urgent it is."""
    return {
        Precedence.ROUTINE: _("Routine"),
        Precedence.PRIORITY: _("Priority"),
        Precedence.IMMEDIATE: _("Immediate"),
        Precedence.FLASH: _("Flash"),
    }[found]


def grade(found: Grade) -> str:
    """How far an acknowledgement goes."""
    return {
        Grade.RECEIVED: _("received"),
        Grade.READ: _("read"),
        Grade.UNDERSTOOD: _("understood"),
        Grade.ACTING: _("acting"),
    }[found]


def asks(found: Grade) -> str:
    """What a message asks for."""
    return {
        Grade.RECEIVED: _("asks each nation to say that it was received"),
        Grade.READ: _("asks each nation to say that it was read"),
        Grade.UNDERSTOOD: _("asks each nation to say that it was understood"),
        Grade.ACTING: _("asks each nation to say that it acts"),
    }[found]


def not_yet(found: Grade) -> str:
    """What is still waited for."""
    return {
        Grade.RECEIVED: _("has not yet received it"),
        Grade.READ: _("has not yet read it"),
        Grade.UNDERSTOOD: _("has not yet understood it"),
        Grade.ACTING: _("does not act yet"),
    }[found]


def nature(found: Nature) -> str:
    """What a joint time is for."""
    return {
        Nature.ACTION: _("Act together"),
        Nature.EMBARGO: _("Embargo until"),
        Nature.DEADLINE: _("Due"),
    }[found]


def task_state(found: TaskState | None) -> str:
    """What its nation says of a task; None for one that was withdrawn."""
    return {
        None: pgettext("task", "withdrawn"),
        TaskState.OPEN: _("not taken yet"),
        TaskState.TAKEN: _("in progress"),
        TaskState.DONE: _("done"),
        TaskState.REFUSED: _("refused"),
    }[found]


def without_effect(why: str) -> str:
    """Why an entry changes nothing."""
    return {
        board.NOT_THEIRS: _("only its author may do that"),
        board.NO_OFFICER: _("a bot does not say that for its nation; its officers do"),
        board.NOT_THERE: _("what it speaks of is not here before it"),
        board.TAKEN: _("something else has its number"),
        board.LATE: _("the window for objections was closed"),
        board.NOT_ASKED: _("its nation is not asked"),
        board.LABEL: _("the message had another label then"),
        board.NOT_THEIRS_TO_LOWER: _("only its author, or an officer of its author's organisation, lowers that label"),
        board.BELOW: _("it answers what has a stricter label"),
        board.CORRECTS: _("it corrects a correction, and not the message"),
        board.DECIDED: _("it was decided before"),
        board.EARLY: _("the window for objections is open, and not everybody has said where it stands"),
        board.UNFOUNDED: _("the positions do not bear it out"),
        board.NO_TEXT: _("only a text is corrected; anything else is withdrawn and said anew"),
        board.WITHDRAWN: _("it was withdrawn before"),
        board.DONE: _("its nation has done or refused it before"),
        board.STAYS: _("that cannot be withdrawn by itself"),
    }.get(why, why)


def nations(count: int) -> str:
    """So many nations."""
    return ngettext("%(count)s nation", "%(count)s nations", count)


def devices(count: int) -> str:
    """So many devices."""
    return ngettext("%(count)s device", "%(count)s devices", count)


def span(ms: int) -> str:
    """A stretch of time in the two largest units that say something."""
    minutes = abs(ms) // 60_000
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return _("%(days)s d %(hours)s h", days=days, hours=hours)
    if hours:
        return _("%(hours)s h %(minutes)s min", hours=hours, minutes=rest)
    return _("%(minutes)s min", minutes=rest)


# ---- times


def moment_of(at_ms: int) -> datetime | None:
    """A time that a peer may have made up."""
    return datetime.fromtimestamp(at_ms / 1000, UTC) if 0 <= at_ms <= _LAST_MS else None


def time_of_day(at_ms: int) -> str:
    """`06:14`, in UTC."""
    at = moment_of(at_ms)
    return "--:--" if at is None else f"{at:%H:%M}"


def times_of_day(first_ms: int, then_ms: int) -> tuple[str, str]:
    """Two times to be told beside each other: with their dates where these differ."""
    first, then = moment_of(first_ms), moment_of(then_ms)
    if first is not None and then is not None and first.date() == then.date():
        return time_of_day(first_ms), time_of_day(then_ms)
    return when(first_ms, then_ms), when(then_ms, first_ms)


def day(at_ms: int) -> str:
    """`Monday 23 November 2026`, of the day in UTC."""
    return _("beyond any calendar") if moment_of(at_ms) is None else language.day(at_ms)


def when(at_ms: int, now_ms: int) -> str:
    """A time in UTC: alone where it is today, with its date else."""
    at, now = moment_of(at_ms), moment_of(now_ms)
    if at is None:
        return _("beyond any calendar")
    if now is not None and at.date() == now.date():
        return value(f"{at:%H:%M} UTC")
    return value(f"{at:%Y-%m-%d %H:%M} UTC")


def offset(at_ms: int, zone: tzinfo | None) -> str:
    """`UTC+1`, at that time; None is the zone of this machine."""
    at = moment_of(at_ms)
    minutes = 0 if at is None else int((at.astimezone(zone).utcoffset() or at - at).total_seconds()) // 60
    if not minutes:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")
