"""The commands of the composer, one reader each; the table at the end is what `/help` shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from enum import IntEnum
from typing import Final, TypeVar

from amanah_client.composing import names
from amanah_client.composing.line import Command, Situation, compose_correction, compose_text
from amanah_client.composing.orders import (
    Acknowledging,
    AskingToSign,
    Attaching,
    Concluding,
    Exporting,
    Helping,
    Inviting,
    Marking,
    Order,
    RecordingClosing,
    Relabelling,
    Saving,
    Saying,
    Searching,
    ShowingMembers,
    SigningOff,
)
from amanah_client.composing.times import parse_time
from amanah_client.language import N_, isolate
from amanah_client.language import gettext as _
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Pap, Precedence
from amanah_protocol.types import EnvelopeId

E = TypeVar("E", bound=IntEnum)
_ORDINAL_DIGITS: Final = 19
USUAL_DAYS: Final = 7
MAX_DAYS: Final = 90
_MAX_DAYS_DIGITS: Final = 2
_TASK_MOVES: Final = {
    "take": TaskState.TAKEN,
    "done": TaskState.DONE,
    "refuse": TaskState.REFUSED,
    "open": TaskState.OPEN,
}


def _first(text: str) -> tuple[str, str]:
    """The first word, and the rest."""
    word, _, rest = text.partition(" ")
    return word, rest.strip()


def _wanted(name: str, rest: str, missing: str) -> str:
    if not rest:
        raise COMMANDS[name].refuse(missing)
    return rest


def _none_of(word: str, choices: Iterable[str]) -> str:
    return _("%(word)s is none of %(words)s", word=isolate(repr(word)), words=isolate(", ".join(choices)))


def _one_of(name: str, word: str, choices: type[E]) -> E:
    found = {choice.name.lower(): choice for choice in choices}.get(word.lower())
    if found is None:
        raise COMMANDS[name].refuse(_none_of(word, [choice.name.lower() for choice in choices]))
    return found


def _nothing(word: str) -> str:
    return _("%(word)s is nothing that it can say", word=isolate(repr(word)))


def _message(word: str, situation: Situation) -> EnvelopeId:
    """The message that the digits name; the one that is meant where there are none."""
    return situation.message(word) if word else situation.meant()


def _target(rest: str, situation: Situation) -> tuple[EnvelopeId, str]:
    """A message by `#digits` in front, else the one that is meant; and what follows."""
    word, others = _first(rest)
    return (
        (situation.message(word[1:]), others) if word.startswith("#") and len(word) > 1 else (situation.meant(), rest)
    )


# ---- the incident


def _incident(rest: str, situation: Situation) -> Order:
    what, value = _first(rest)
    readers: dict[str, Callable[[str], Said]] = {
        "title": lambda text: Incident(title=text),
        "severity": lambda text: Incident(severity=_one_of("incident", text, Severity)),
        "status": lambda text: Incident(status=_one_of("incident", text, Status)),
        "type": lambda text: Incident(type=names.incident_type(text)),
        "aware": lambda text: Incident(aware_at_ms=parse_time(text, situation.now_ms, past=True)),
    }
    if what == "close" and not value:
        return Saying(body=Incident(status=Status.CLOSED))
    if what not in readers:
        raise COMMANDS["incident"].refuse(_nothing(what) if what else _("what changes is missing"))
    missing = _("what follows %(word)s is missing", word=isolate(repr(what)))
    return Saying(body=readers[what](_wanted("incident", value, missing)))


def _task(rest: str, situation: Situation) -> Order:
    word, others = _first(rest)
    if word.lower() in _TASK_MOVES:
        digits, reason = _first(_wanted("task", others, _("the task's first digits are missing")))
        state, task = _TASK_MOVES[word.lower()], names.pick(situation.board.tasks, digits.lstrip("#"), _("task"))
        return Saying(body=TaskMoved(id=task, state=state, reason=reason))
    nation = names.nation(_wanted("task", word, _("the nation is missing")), situation.nations)
    until_ms, what = None, others
    if others.startswith("by "):
        when, what = _first(others.removeprefix("by ").strip())
        until_ms = parse_time(when, situation.now_ms)
    what = _wanted("task", what, _("what is to be done is missing"))
    return Saying(body=Task(id=situation.fresh_id(), what=what, nation=nation, until_ms=until_ms))


def _decide(rest: str, situation: Situation) -> Order:
    word, others = _first(rest)
    if word in ("agree", "object", "close"):
        digits, reason = _first(others)
        if not digits.isdecimal() or len(digits) > _ORDINAL_DIGITS:
            raise COMMANDS["decide"].refuse(_("the proposal's number is missing"))
        number = int(digits)
        if word == "close":
            return Concluding(ordinal=number)
        return Saying(body=names.position(situation.board, number, reason, agrees=word == "agree"))
    if word != "by":
        raise COMMANDS["decide"].refuse(_("until when nations may object is missing"))
    when, what = _first(others)
    until_ms = parse_time(when, situation.now_ms)
    nations = tuple(sorted(situation.nations))
    quorum, what = _quorum(what, len(nations))
    return Saying(
        body=Proposal(
            ordinal=situation.number,
            what=_wanted("decide", what, _("what is proposed is missing")),
            object_until_ms=until_ms,
            quorum=quorum,
            nations=nations,
        )
    )


def _quorum(rest: str, nations: int) -> tuple[int, str]:
    """How many nations have to agree, where that stands in front, else all of them; and what follows."""
    word, others = _first(rest)
    if word.lower() != "quorum":
        return nations, rest
    digits, what = _first(others)
    if not (digits.isdecimal() and len(digits) <= _ORDINAL_DIGITS and 1 <= int(digits) <= nations):
        refused = _("%(word)s is no number of nations from 1 to %(most)s", word=isolate(repr(digits)), most=nations)
        raise COMMANDS["decide"].refuse(refused)
    return int(digits), what


def _clock(rest: str, situation: Situation) -> Order:
    word, others = _first(rest)
    if word in ("off", "move"):
        digits, when = _first(_wanted("clock", others, _("the joint time's first digits are missing")))
        clocks = situation.board.clocks
        known = clocks[names.pick(clocks, digits.lstrip("#"), _("joint time"))].clock
        at_ms = parse_time(when, situation.now_ms) if word == "move" else known.at_ms
        return Saying(body=Clock(id=known.id, nature=known.nature, what=known.what, at_ms=at_ms, stands=word == "move"))
    natures = {nature.name.lower(): nature for nature in Nature}
    nature = natures.get(word.lower(), Nature.ACTION)
    when, what = _first(others if word.lower() in natures else rest)
    at_ms = parse_time(_wanted("clock", when, _("the time is missing")), situation.now_ms)
    what = _wanted("clock", what, _("what happens then is missing"))
    return Saying(body=Clock(id=situation.fresh_id(), nature=nature, what=what, at_ms=at_ms))


def _handover(rest: str, _situation: Situation) -> Order:
    return Saying(body=Handover(text=_wanted("handover", rest, _("the note is missing"))))


def _close(rest: str, _situation: Situation) -> Order:
    if rest.lower() == "record":
        return RecordingClosing()
    if rest and not (rest.isdecimal() and 1 <= len(rest) <= _MAX_DAYS_DIGITS and 1 <= int(rest) <= MAX_DAYS):
        raise COMMANDS["close"].refuse(
            _("%(word)s is no number of days from 1 to %(most)s", word=isolate(repr(rest)), most=MAX_DAYS)
        )
    return AskingToSign(days=int(rest) if rest else USUAL_DAYS)


def _sign(rest: str, _situation: Situation) -> Order:
    if rest.lower() not in {"", "anyway"}:
        raise COMMANDS["sign"].refuse(_nothing(rest))
    return SigningOff(anyway=bool(rest))


# ---- the conversation


def _ack(rest: str, situation: Situation) -> Order:
    words = rest.split()
    grades = {grade.name.lower(): grade for grade in Grade}
    grade = grades.get(words[-1].lower()) if words else None
    digits = words[:-1] if grade is not None else words
    if len(digits) > 1:
        raise COMMANDS["ack"].refuse(_none_of(words[-1], grades))
    message = _message(digits[0].lstrip("#") if digits else "", situation)
    return Acknowledging(message=message, grade=Grade.UNDERSTOOD if grade is None else grade)


def _reply(rest: str, situation: Situation) -> Order:
    message, text = _target(rest, situation)
    answer = replace(situation, answering=message, replies=True)
    return Saying(body=compose_text(_wanted("reply", text, _("the answer is missing")), answer))


def _react(rest: str, situation: Situation) -> Order:
    word, others = _first(rest)
    stands = word.lower() != "off"
    message, sign = _target(rest if stands else others, situation)
    sign = _wanted("react", sign, _("the sign is missing"))
    return Saying(body=Reaction(message=message, sign=sign, stands=stands))


def _correct(rest: str, situation: Situation) -> Order:
    message, text = _target(rest, situation)
    return Saying(
        body=compose_correction(message, _wanted("correct", text, _("the text as it should be is missing")), situation)
    )


def _withdraw(rest: str, situation: Situation) -> Order:
    message, reason = _target(rest, situation)
    return Saying(body=Withdrawal(message=message, reason=reason))


# ---- what it is marked with, who reads it, and the rest


def _tlp(rest: str, situation: Situation) -> Order:
    word, others = _first(_wanted("tlp", rest, _("the label is missing")))
    if not others:
        return Marking(label=names.label(word))
    return Relabelling(message=situation.message(others.lstrip("#")), label=names.label(word))


def _pap(rest: str, _situation: Situation) -> Order:
    return Marking(pap=_one_of("pap", rest.upper().removeprefix("PAP:"), Pap))


def _precedence(rest: str, _situation: Situation) -> Order:
    return Marking(precedence=_one_of("precedence", rest, Precedence))


def _invite(rest: str, situation: Situation) -> Order:
    # Whom one invites is not in the room: what is short is a name of the roster.
    known = {*situation.known, *situation.nations}
    return Inviting(organisation=names.nation(_wanted("invite", rest, _("the nation is missing")), known))


def _who(_rest: str, _situation: Situation) -> Order:
    return ShowingMembers()


def _attach(rest: str, _situation: Situation) -> Order:
    return Attaching(path=names.path(rest))


def _save(rest: str, situation: Situation) -> Order:
    word, others = _first(rest)
    if word.startswith("#") and len(word) > 1:
        return Saving(message=situation.message(word[1:]), folder=names.path(others))
    return Saving(message=None, folder=names.path(rest))


def _search(rest: str, _situation: Situation) -> Order:
    return Searching(query=_wanted("search", rest, _("what to look for is missing")))


def _export(rest: str, _situation: Situation) -> Order:
    return Exporting(path=names.path(rest))


def _help(rest: str, _situation: Situation) -> Order:
    name = rest.removeprefix("/").lower()
    if name and name not in COMMANDS:
        raise COMMANDS["help"].refuse(_("there is no command %(command)s", command=isolate(f"/{name}")))
    return Helping(command=name or None)


_TABLE: Final = (
    Command(
        name="ack",
        usage=("[#MESSAGE] [received|read|understood|acting]",),
        about=N_("Sign that a message was understood, or how far it got."),
        read=_ack,
    ),
    Command(
        name="attach",
        usage=("FILE",),
        about=N_(
            "Attach a file, sealed for those who can read the room; the desk asks which. Quotes may stand around it."
        ),
        read=_attach,
    ),
    Command(
        name="clock",
        usage=("[action|embargo|deadline] TIME WHAT", "move JOINT-TIME TIME", "off JOINT-TIME"),
        about=N_("Set a joint time, move it, or call it off."),
        read=_clock,
    ),
    Command(
        name="close",
        usage=("[DAYS]", "record"),
        about=N_("Close the incident and ask its nations to sign off, then record that they have."),
        read=_close,
    ),
    Command(
        name="correct",
        usage=("[#MESSAGE] TEXT",),
        about=N_("Put another text in the place of yours; the first stays provable."),
        read=_correct,
    ),
    Command(
        name="decide",
        usage=("by TIME [quorum NUMBER] WHAT", "agree NUMBER [REASON]", "object NUMBER REASON", "close NUMBER"),
        about=N_("Propose something to the nations of the room, agree, object, and record how it ended."),
        read=_decide,
    ),
    Command(name="export", usage=("[FILE]",), about=N_("Write the room's report to a file."), read=_export),
    Command(name="handover", usage=("NOTE",), about=N_("Leave a note for the next shift."), read=_handover),
    Command(name="help", usage=("[COMMAND]",), about=N_("Show the commands, or how one is used."), read=_help),
    Command(
        name="incident",
        usage=(
            "severity low|medium|high|critical",
            "status triage|investigating|containing|recovering|resolved|closed",
            "title TEXT",
            "type CLASS/TYPE",
            "aware TIME",
            "close",
        ),
        about=N_("Say where the incident stands."),
        read=_incident,
    ),
    Command(name="invite", usage=("NATION",), about=N_("Let a nation read what is sent from now on."), read=_invite),
    Command(
        name="pap", usage=("clear|green|amber|red",), about=N_("Say what readers may do with what you send."), read=_pap
    ),
    Command(
        name="precedence",
        usage=("routine|priority|immediate|flash",),
        about=N_("Say how urgent what you send next is; immediate and flash ring until somebody acknowledges."),
        read=_precedence,
    ),
    Command(
        name="react",
        usage=("[#MESSAGE] SIGN", "off [#MESSAGE] SIGN"),
        about=N_("Put a sign on a message, or take yours back."),
        read=_react,
    ),
    Command(name="reply", usage=("[#MESSAGE] TEXT",), about=N_("Answer a message."), read=_reply),
    Command(name="search", usage=("WORDS",), about=N_("Search what is stored here."), read=_search),
    Command(name="sign", usage=("[anyway]",), about=N_("Sign off for your nation what the room came to."), read=_sign),
    Command(
        name="save",
        usage=("[#MESSAGE] [FOLDER]",),
        about=N_("Fetch the file of a message, verify it, and save it; a sample in a container alone."),
        read=_save,
    ),
    Command(
        name="task",
        usage=("NATION [by TIME] WHAT", "take|done TASK", "refuse TASK REASON", "open TASK"),
        about=N_("Ask a nation to do something, or say how far it is."),
        read=_task,
    ),
    Command(
        name="tlp",
        usage=("clear|green|amber|amber+strict|red", "LABEL #MESSAGE"),
        about=N_("Label what you send next, or a message that was sent."),
        read=_tlp,
    ),
    Command(name="who", usage=("",), about=N_("Show who can read this room."), read=_who),
    Command(
        name="withdraw",
        usage=("[#MESSAGE] [REASON]",),
        about=N_("Take back what you said, a task or a joint time as well; that it was said stays provable."),
        read=_withdraw,
    ),
)
COMMANDS: Final = {command.name: command for command in _TABLE}
"""All commands, by name."""
