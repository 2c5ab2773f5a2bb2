"""What is to be said of the log, and of the connection: calm where all is well, the whole head where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from amanah_client.language import ENGLISH, ngettext, number, pgettext, spoken
from amanah_client.language import gettext as _
from amanah_client.language.errors import why
from amanah_client.model import Alarm
from amanah_client.standing import Standing
from amanah_client.view import words
from amanah_client.visible import shown
from amanah_protocol.errors import MEANINGS, AmanahError, Code


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """How the log stands.

    Attributes:
        line: One line, for the foot of a face.
        tone: Whether all is well, something is late, or the log is broken.
        alarm: What takes over the head of a face; "" while nothing does.
        steps: What to do then.
    """

    line: str
    tone: Literal["ok", "late", "broken"]
    alarm: str = ""
    steps: str = ""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """How the connection stands.

    Attributes:
        text: In one line.
        online: Whether the relay is connected.
        waiting: How much is queued or on its way.
        hint: What to do; "" for nothing.
    """

    text: str
    online: bool
    waiting: int
    hint: str = ""


def trust(standing: Standing) -> Trust:
    """How the log stands."""
    if standing.conflicts:
        count = ngettext(
            "The relay's log contradicts itself: %(count)s contradiction is kept as evidence.",
            "The relay's log contradicts itself: %(count)s contradictions are kept as evidence.",
            standing.conflicts,
        )
        steps = _(
            "Nothing is sent any more. What you read stays. Tell the other nations over another channel, and give "
            "them the evidence: %(command)s",
            command=words.value("amanah audit evidence FILE"),
        )
        return Trust(line=_("The log is broken"), tone="broken", alarm=count, steps=steps)
    return Trust(line=_verified(standing), tone="late" if standing.missed else "ok")


def _verified(standing: Standing) -> str:
    log, seen = standing.log, standing.witnessed
    if log is None:
        return _("No checkpoint of the log was seen yet")
    if not standing.quorum:
        return _("Log verified to %(size)s; the roster asks for no witnesses", size=number(log.size))
    if seen is None or not seen.size:
        return _("Log verified to %(size)s, not cosigned by the witnesses yet", size=number(log.size))
    said = _(
        "Log verified to %(size)s, cosigned by %(count)s of %(all)s witnesses",
        size=number(seen.size),
        count=len(seen.cosignatures),
        all=seen.witnesses,
    )
    late = _("The witnesses are late.")
    return f"{said}. {late}" if standing.missed else said


def line(problem: AmanahError | None, *, online: bool, following: bool, waiting: int) -> Line:
    """How the connection stands.

    Args:
        problem: What keeps it from being connected.
        online: Whether this program is connected and has caught up.
        following: Whether another program of the profile holds the connection.
        waiting: How much is queued or on its way.
    """
    count = ngettext("%(count)s message waits", "%(count)s messages wait", waiting)
    queued = count if waiting else _("nothing waiting")
    if problem is not None:
        is_english = spoken().code == ENGLISH.code
        reason = words.value(problem.detail) if is_english else why(problem.code)
        said = _("Offline: %(why)s", why=reason)
        kept = _("What you write is kept and goes out by itself.")
        # Where the relay is not reached, the code itself says so, and nobody reads it twice.
        is_new = is_english and problem.hint != MEANINGS[Code.OFFLINE].hint
        hint = f"{shown(problem.hint)} {kept}" if is_new else kept
        return Line(text=said + pgettext("between", "; ") + queued, online=False, waiting=waiting, hint=hint)
    if online:
        return Line(text=_("Relay connected, %(queued)s", queued=queued), online=True, waiting=waiting)
    if following:
        said = _("Another program of this profile holds the connection, %(queued)s", queued=queued)
        return Line(text=said, online=True, waiting=waiting)
    return Line(text=_("Connecting, %(queued)s", queued=queued), online=False, waiting=waiting)


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """An alarm, for people.

    Attributes:
        at_ms: When.
        code: What it is about.
        text: What it says.
        room: In hex; "" where it is about none.
        own: Whether it is what this device itself was refused.
    """

    at_ms: int
    code: str
    text: str
    room: str
    own: bool


def _refused(alarm: Alarm) -> str:
    return _("Refused on this device, and not sent: %(what)s", what=words.value(alarm.detail))


def warnings(alarms: Sequence[Alarm], newest: int = 20) -> tuple[Warned, ...]:
    """The newest of some alarms, or of what this device was refused, newest first."""
    return tuple(
        Warned(
            at_ms=alarm.at_ms,
            code=shown(alarm.code),
            text=_refused(alarm) if alarm.own else shown(alarm.detail),
            room="" if alarm.room is None else alarm.room.hex(),
            own=alarm.own,
        )
        for alarm in reversed(alarms[-newest:])
    )
