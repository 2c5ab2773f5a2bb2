"""What people say in a room besides plain text, in words that several faces show."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from amanah_client import terms
from amanah_client.language import gettext as _
from amanah_client.language import isolate, pgettext
from amanah_client.moments import iso, moment
from amanah_client.plain import plain
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.page import Page, Result
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.types import EnvelopeId

ID_DIGITS: Final = 12
"""Digits of an id that are shown to people."""


def said(body: Said) -> str:  # noqa: C901, PLR0911, PLR0912 - one for each
    """What it says: a text as it was written, all else in words of ours around what was written.

    In English a face makes it safe to show; in other languages what others wrote in it is safe already, and isolated.
    """
    match body:
        case Text(text=text):
            return text
        case Reaction(message=message, sign=sign, stands=stands):
            named = {"sign": isolate(sign), "message": _short(message)}
            return (
                _("[puts %(sign)s on %(message)s]", **named)
                if stands
                else _("[takes back %(sign)s from %(message)s]", **named)
            )
        case Correction(message=message, text=text):
            return _("[corrects %(message)s]", message=_short(message)) + f" {_written(text)}"
        case Withdrawal(message=message, reason=reason):
            return _("[withdraws %(message)s%(reason)s]", message=_short(message), reason=_because(reason))
        case File(text=text):
            return _file(body) + (f" {_written(text)}" if text else "")
        case Incident():
            return _("[incident: %(changes)s]", changes=pgettext("between", ", ").join(_changes(body)))
        case Task():
            return _task(body)
        case TaskMoved(id=task, state=state, reason=reason):
            return _moved(state) % {"task": _short(task), "reason": _because(reason)}
        case Proposal(what=what, object_until_ms=until_ms, quorum=quorum, nations=nations):
            return _(
                # Its number is the board's to give: where two have taken one, it is another.
                "[proposes: %(what)s; %(quorum)s of %(nations)s have to agree, objections until %(until)s]",
                what=isolate(what),
                quorum=quorum,
                nations=isolate(", ".join(nations)),
                until=isolate(moment(until_ms)),
            )
        case Position(proposal=proposal, agrees=agrees, reason=reason):
            named = {"proposal": _short(proposal), "reason": _because(reason)}
            return (
                _("[agrees to %(proposal)s%(reason)s]", **named)
                if agrees
                else _("[objects to %(proposal)s%(reason)s]", **named)
            )
        case Clock(nature=nature, what=what, at_ms=at_ms, stands=stands):
            named = {"what": isolate(what), "time": isolate(moment(at_ms))}
            if not stands:
                return _("[called off: %(what)s, %(time)s]", **named)
            return f"[{nature_words(nature, at_ms)}: {isolate(what)}]"
        case Handover(text=text, to=to):
            if to is None:
                return _("[hands over]") + f" {_written(text)}"
            return _("[hands over to %(whom)s]", whom=_called(to)) + f" {_written(text)}"
        case Page():
            return _page(body)
        case Forwarded(text=text):
            return _forwarded(body) + f" {_written(text)}"
        case Closing() | ClosingRecorded() | SignOff():
            return _closing(body)


def nature_words(nature: Nature, at_ms: int) -> str:
    """What a joint time is for, and when it is."""
    time = isolate(moment(at_ms))
    return {
        Nature.ACTION: _("act together %(time)s", time=time),
        Nature.EMBARGO: _("embargo until %(time)s", time=time),
        Nature.DEADLINE: _("due %(time)s", time=time),
    }[nature]


def _forwarded(body: Forwarded) -> str:
    origin = body.origin
    return _(
        "[forwards %(label)s of %(nation)s in room %(room)s, %(time)s%(note)s]",
        label=isolate(origin.label.text),
        nation=isolate(origin.nation),
        room=isolate(origin.room.hex()[:8]),
        time=isolate(moment(origin.accepted_at_ms)),
        note=_because(body.note),
    )


def _closing(body: Closing | ClosingRecorded | SignOff) -> str:
    match body:
        case Closing():
            return _(
                "[asks %(nations)s to sign off the entries up to %(last)s until %(time)s]",
                nations=isolate(", ".join(body.nations)),
                last=body.last,
                time=isolate(moment(body.sign_until_ms)),
            )
        case ClosingRecorded(closing=closing, nations=nations):
            if not nations:
                return _("[records the end of %(closing)s; nobody has signed off]", closing=_short(closing))
            named = {"closing": _short(closing), "nations": isolate(", ".join(nations))}
            return _("[records the end of %(closing)s, signed off by %(nations)s]", **named)
        case SignOff(closing=closing, first=first):
            return _("[signs off the entries from %(first)s on, for %(closing)s]", closing=_short(closing), first=first)


def _task(body: Task) -> str:
    named = {"task": _short(body.id), "nation": isolate(body.nation), "what": isolate(body.what)}
    if body.until_ms is None:
        return _("[task %(task)s for %(nation)s: %(what)s]", **named)
    return _("[task %(task)s for %(nation)s, by %(time)s: %(what)s]", time=isolate(moment(body.until_ms)), **named)


def _moved(state: TaskState) -> str:
    return {
        TaskState.OPEN: _("[opens task %(task)s%(reason)s]"),
        TaskState.TAKEN: _("[takes task %(task)s%(reason)s]"),
        TaskState.DONE: _("[has done task %(task)s%(reason)s]"),
        TaskState.REFUSED: _("[refuses task %(task)s%(reason)s]"),
    }[state]


def _page(body: Page) -> str:
    result = {
        Result.RANG: _("a device rang"),
        Result.REACHED: _("the page was taken over"),
        Result.FAILED: _("the page reached nobody"),
    }[body.result]
    named = {"message": _short(body.message), "step": body.step, "result": result, "whom": isolate(body.whom)}
    if body.again:
        again = body.again + 1
        return _("[pages for %(message)s, step %(step)s, time %(again)s: %(result)s: %(whom)s]", again=again, **named)
    return _("[pages for %(message)s, step %(step)s: %(result)s: %(whom)s]", **named)


def said_json(body: Said) -> dict[str, object]:
    """The same as JSON has it; times are RFC 3339."""
    value = {}
    for item in fields(body):
        if item.name == "key":
            continue  # of a file: what is printed ends in logs
        found, at = getattr(body, item.name), item.name.removesuffix("_ms")
        value[at] = plain(found) if at == item.name else iso(found)
    return value


def _short(identifier: EnvelopeId | bytes) -> str:
    return isolate(identifier.hex()[:ID_DIGITS])


def _written(text: str) -> str:
    """Several lines that somebody wrote: each keeps its own order."""
    return "\n".join(isolate(line) for line in text.split("\n"))


def _file(file: File) -> str:
    named = {"name": isolate(file.name), "size": f"{file.size:,}", "digest": _short(file.digest)}
    if file.sample:
        return _("[file %(name)s, %(size)s bytes, SHA-256 %(digest)s, a sample that may be harmful]", **named)
    return _("[file %(name)s, %(size)s bytes, SHA-256 %(digest)s]", **named)


def _because(reason: str) -> str:
    return f": {isolate(reason)}" if reason else ""


def _called(mention: Mention) -> str:
    nation = isolate(mention.organisation)
    if mention.person is not None:
        nation = _("%(person)s of %(nation)s", person=_short(mention.person), nation=nation)
    return _("the duty desk of %(nation)s", nation=nation) if mention.called is Called.DESK else nation


def _changes(body: Incident) -> list[str]:
    known = {
        _("title %(value)s"): body.title,
        _("severity %(value)s"): None if body.severity is None else terms.severity(body.severity),
        _("status %(value)s"): None if body.status is None else terms.status(body.status),
        _("type %(value)s"): body.type,
        _("aware since %(value)s"): None if body.aware_at_ms is None else moment(body.aware_at_ms),
    }
    return [words % {"value": isolate(value)} for words, value in known.items() if value is not None]
