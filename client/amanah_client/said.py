"""What people say in a room besides plain text, in words that several faces show."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

from amanah_client.moments import iso, moment
from amanah_client.plain import plain
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
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
_NATURES: Final = {Nature.ACTION: "act together", Nature.EMBARGO: "embargo until", Nature.DEADLINE: "due"}
_RESULTS: Final = {
    Result.RANG: "a device rang",
    Result.REACHED: "the page was taken over",
    Result.FAILED: "the page reached nobody",
}
_MOVED: Final = {
    TaskState.OPEN: "opens",
    TaskState.TAKEN: "takes",
    TaskState.DONE: "has done",
    TaskState.REFUSED: "refuses",
}


def said(body: Said) -> str:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """What it says, as it was written: a face makes it safe to show."""
    match body:
        case Text(text=text):
            return text
        case Reaction(message=message, sign=sign, stands=stands):
            return f"[{'puts' if stands else 'takes back'} {sign} {'on' if stands else 'from'} {_short(message)}]"
        case Correction(message=message, text=text):
            return f"[corrects {_short(message)}] {text}"
        case Withdrawal(message=message, reason=reason):
            return f"[withdraws {_short(message)}{_because(reason)}]"
        case Incident():
            return f"[incident: {', '.join(_changes(body))}]"
        case Task(id=task, what=what, nation=nation, until_ms=until_ms):
            until = "" if until_ms is None else f", by {moment(until_ms)}"
            return f"[task {_short(task)} for {nation}{until}: {what}]"
        case TaskMoved(id=task, state=state, reason=reason):
            return f"[{_MOVED[state]} task {_short(task)}{_because(reason)}]"
        case Proposal(ordinal=ordinal, what=what, object_until_ms=until_ms, quorum=quorum, nations=nations):
            asked = f"{quorum} of {', '.join(nations)} have to agree, objections until {moment(until_ms)}"
            return f"[proposes {ordinal}: {what}; {asked}]"
        case Position(proposal=proposal, agrees=agrees, reason=reason):
            return f"[{'agrees' if agrees else 'objects'} to {_short(proposal)}{_because(reason)}]"
        case Clock(nature=nature, what=what, at_ms=at_ms, stands=stands):
            return (
                f"[{_NATURES[nature]} {moment(at_ms)}: {what}]" if stands else f"[called off: {what}, {moment(at_ms)}]"
            )
        case Closing(last=last, sign_until_ms=until_ms, nations=nations):
            return f"[asks {', '.join(nations)} to sign off entries up to {last}, until {moment(until_ms)}]"
        case ClosingRecorded(closing=closing, nations=nations):
            return f"[records that {_short(closing)} stands, signed by {', '.join(nations) or 'nobody'}]"
        case SignOff(closing=closing, first=first):
            return f"[signs off {_short(closing)}, from entry {first} on]"
        case Handover(text=text, to=to):
            return f"[hands over{'' if to is None else f' to {_called(to)}'}] {text}"
        case Page(message=message, step=step, again=again, whom=whom, result=result):
            time = f", time {again + 1}" if again else ""
            return f"[pages for {_short(message)}, step {step}{time}: {_RESULTS[result]}: {whom}]"


def said_json(body: Said) -> dict[str, object]:
    """The same as JSON has it; times are RFC 3339."""
    value = {}
    for item in fields(body):
        found, at = getattr(body, item.name), item.name.removesuffix("_ms")
        value[at] = plain(found) if at == item.name else iso(found)
    return value


def _short(identifier: EnvelopeId | bytes) -> str:
    return identifier.hex()[:ID_DIGITS]


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _called(mention: Mention) -> str:
    desk = "the duty desk of " if mention.called is Called.DESK else ""
    person = "" if mention.person is None else f"{_short(mention.person)} of "
    return f"{desk}{person}{mention.organisation}"


def _changes(body: Incident) -> list[str]:
    named = {
        "title": body.title,
        "severity": None if body.severity is None else body.severity.name.lower(),
        "status": None if body.status is None else body.status.name.lower(),
        "type": body.type,
        "aware since": None if body.aware_at_ms is None else moment(body.aware_at_ms),
    }
    return [f"{name} {value}" for name, value in named.items() if value is not None]
