"""What an act would come to, asked before it is sent: the fold says so of the board as it stands here.

Whatever has no effect would still stand in the record for ever, and its author would be told that it is done. What
arrives meanwhile may change that all the same; then the board names the reason, as for what others send.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from itertools import count
from typing import TYPE_CHECKING, Final

from amanah_client.actions import Action
from amanah_client.incident import board as rules
from amanah_client.incident.binding import may_ask
from amanah_client.incident.board import Board
from amanah_client.incident.event import Event
from amanah_client.keeping import kept
from amanah_client.labels import inside, somebody
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.language.errors import SpokenError
from amanah_client.message import author_of
from amanah_client.moments import clock
from amanah_client.reach import check_reach
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import decode_certificate
from amanah_protocol.kinds import Outcome
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import EnvelopeId, OrgName
from amanah_protocol.ways import Way, check_way

if TYPE_CHECKING:
    from amanah_client.home import Profile
    from amanah_client.room import Room

_NEXT: Final = EnvelopeId(bytes(32))
"""Stands for the envelope that is not there yet."""
_JUDGED: Final = TaskMoved | Position | SignOff | ClosingRecorded | Correction | Withdrawal


def check_speaker(profile: Profile, *asked: Action) -> None:
    """An officer asks for what binds its nation; whoever has no certificate yet is asked again when it is sealed.

    Raises:
        SpokenError: `ROLE`: a bot asks for what would count nowhere.
    """
    stored = profile.store.value("certificate")
    own = None if stored is None else decode_certificate(stored)
    if own is not None and not all(may_ask(own.role, action) for action in asked):
        raise _no_officer(own.organisation)


def _no_officer(nation: OrgName) -> SpokenError:
    detail = _("a bot does not answer, decide or close for its nation; nothing was sent")
    hint = _(
        "Have an officer of %(nation)s say it. A bot says texts, files, alerts and facts of the incident, "
        "and asks for tasks.",
        nation=isolate(nation),
    )
    return SpokenError(detail, hint, Code.ROLE)


def check_effect(room: Room, body: Said) -> None:
    """What is to be said in a room would have an effect, as far as this device knows.

    Raises:
        SpokenError: It would have none.
    """
    match body:
        case Task(nation=nation):
            check_present(room, (nation,))
        case Proposal(nations=asked) | Closing(nations=asked):
            check_present(room, asked)
        case _:
            pass
    if isinstance(body, _JUDGED):
        about = (body.message,) if isinstance(body, Correction | Withdrawal) else ()
        known = room.board(about)
        reason = _reason(known, _next(room, kinds.Message(), body))
        _refuse(reason, body, known)


def next_number(room: Room, known: Collection[int]) -> int:
    """A number for a proposal that nothing has, also of what is not here.

    Who has read the whole room knows all of them. Others take one behind the last place: each number is at most the
    place of its proposal, so what stood before they came has a lower one.

    Args:
        room: The room.
        known: Numbers of the proposals that are here.
    """
    is_whole = room.row.added_seq <= 1 and not room.unreadable()
    first = 1 + (len(known) if is_whole else room.row.head_seq)
    return next(number for number in count(first) if number not in known)


def check_answer(room: Room, body: Said, label: Label) -> Pap:
    """An answer or a correction may go under a label, beside what it answers or corrects.

    Returns:
        The laxest PAP that it may have.

    Raises:
        RefusedError: `LABEL` below the label of that.
        UsageError: It corrects a correction.
    """
    answered = body.reply_to if isinstance(body, Text) else body.message if isinstance(body, Correction) else None
    row = None if answered is None else room.client.profile.store.message(room.id, answered)
    if row is None:
        return Pap.CLEAR  # it repeats nothing, or nothing that is here
    spoken = room.client.read(row)
    if isinstance(body, Correction) and isinstance(spoken.body, Correction):
        root = spoken.body.message.hex()[:12]
        raise UsageError(Code.USAGE, "it is a correction itself", hint=f"Correct the message {root}.")
    own = room.client.certificate
    found, to = room.matter(spoken), inside(label, room.ceiling, (own,))
    check_way(Way.QUOTE, found, by=somebody(own), to=to)
    return found.pap


def usual_label(room: Room, body: Said) -> Label | None:
    """Under which label something goes where none was chosen: a correction under that of what it corrects.

    None where it is the room's ceiling, or what is corrected is not here.
    """
    row = room.client.profile.store.message(room.id, body.message) if isinstance(body, Correction) else None
    return None if row is None else room.limits_of(room.client.read(row))[0]


def check_present(room: Room, asked: Collection[OrgName]) -> None:
    """All who are asked are in the room: others would never hear of it.

    Raises:
        SpokenError: `NOT_FOUND` for one that is not.
    """
    nations = room.nations()
    absent = sorted(set(asked) - nations)
    if not absent or not nations:
        return
    detail = _("not in this room, where it would not be seen: %(nations)s; nothing was sent", nations=_listed(absent))
    hint = _(
        "Those who can be asked are %(nations)s. A nation that is invited first can be, too.", nations=_listed(nations)
    )
    raise SpokenError(detail, hint, Code.NOT_FOUND)


def conclude(room: Room, number: int) -> tuple[Outcome, tuple[OrgName, ...]]:
    """How a proposal ended, by what the positions come to now, and the nations that agree.

    Raises:
        SpokenError: `NOT_FOUND` for no proposal of this number; it was decided before, or cannot be yet.
    """
    board = room.board(about=())
    found = board.proposals.get(number)
    if found is None:
        detail = _("there is no proposal %(number)s; nothing was sent", number=number)
        raise SpokenError(detail, _("The board lists them."), Code.NOT_FOUND)
    outcome, nations = (Outcome.ADOPTED if found.is_carried else Outcome.REFUSED), found.agreeing
    decision = kinds.Decision(ordinal=number, outcome=outcome, nations=nations)
    reason = _reason(board, _next(room, decision))
    if reason == rules.NO_OFFICER:
        raise _no_officer(room.client.certificate.organisation)
    if reason == rules.EARLY:
        silent = set(found.proposal.nations) - set(found.positions)
        named = {"time": clock(found.proposal.object_until_ms), "nations": _listed(silent)}
        raise SpokenError(
            _(
                "nations may object until %(time)s, not all have said where they stand: %(nations)s; nothing was sent",
                **named,
            ),
            _("Record it when that time is over, or when all have said so."),
        )
    if reason is not None:
        raise _stays(reason) if reason == rules.WITHDRAWN else _decided()
    return outcome, nations


@kept("an invitation")
def check_nation(room: Room, nation: OrgName) -> None:
    """All devices of a nation may be invited: this nation's officers may do that, and the ceiling may reach them.

    Raises:
        SpokenError: As `check_invitation`.
        RefusedError: `LABEL` where a device of it is certified for less than the room's ceiling.
    """
    check_invitation(room, nation)
    check_reach(room.client, room.ceiling, (nation,), time.time_ns() // 1_000_000)


def check_invitation(room: Room, nation: OrgName) -> None:
    """This nation's officers may invite it: a new one comes by the owner of the room alone.

    Raises:
        SpokenError: `MEMBERSHIP` where the owner has to.
    """
    created, me = room.created, room.client.certificate.organisation
    if created is None or created.owner == me or not nation or nation in room.nations():
        return
    named = {"nation": isolate(nation), "owner": isolate(created.owner)}
    raise SpokenError(
        _("%(owner)s owns this room and alone lets a new nation in; %(nation)s was not invited", **named),
        _("Ask them in the room: @%(nation)s.", nation=named["owner"]),
        Code.MEMBERSHIP,
    )


def _next(room: Room, specific: kinds.Specific, body: Said | None = None) -> Event:
    """What this device says now, as the fold would take it."""
    return Event(
        seq=0,
        id=_NEXT,
        author=author_of(room.party(room.client.me)),
        at_ms=time.time_ns() // 1_000_000,
        specific=specific,
        body=body,
    )


def _reason(board: Board, event: Event) -> str | None:
    """Why the fold lets it change nothing; the board is of no use afterwards."""
    board.apply(event)
    return board.without_effect.get(event.id)


def _refuse(reason: str | None, body: Said, board: Board) -> None:
    match reason, body:
        case rules.NOT_ASKED, TaskMoved(id=task):
            nation = isolate(board.tasks[task].task.nation)
            detail = _(
                "this task is asked of %(nation)s, which alone says how far it is; nothing was sent", nation=nation
            )
            raise SpokenError(detail, _("Ask them in the room: @%(nation)s.", nation=nation))
        case rules.NOT_ASKED, Position() | SignOff():
            hint = _("Say in the room what your nation has to say of it.")
            raise SpokenError(_("your nation is not among those that are asked; nothing was sent"), hint)
        case rules.LATE, _:
            hint = _("Say in the room what your nation has to say of it.")
            raise SpokenError(_("the time to answer it is over; nothing was sent"), hint)
        case rules.DECIDED, _:
            raise _decided()
        case rules.WITHDRAWN | rules.DONE | rules.STAYS, _:
            raise _stays(reason)
        case rules.NO_TEXT, Correction(message=message):
            raise _no_text(board.messages[message].kind)
        case rules.NOT_THEIRS, _:
            detail = _("only who wrote it corrects it or takes it back; nothing was sent")
            raise SpokenError(detail, _("Answer it instead."))
        case _:  # what is not here may be there for others, and the rest has errors of its own
            pass


def _no_text(kind: type[object]) -> SpokenError:
    hint = _("Withdraw it, and say it anew.")
    if kind is Clock:
        hint = _("Move the joint time, call it off, or withdraw it and set it anew.")
    if kind is Task:
        hint = _("Withdraw it, and ask anew.")
    return SpokenError(_("only a text is corrected, and this is none; nothing was sent"), hint)


def _stays(reason: str) -> SpokenError:
    if reason == rules.DONE:
        detail = _("its nation has done or refused it already; nothing was sent")
        return SpokenError(detail, _("Say in the room what has changed."))
    if reason == rules.STAYS:
        hint = _("Withdraw the message itself; a sign is taken off where it was put.")
        return SpokenError(_("that cannot be withdrawn by itself; nothing was sent"), hint)
    return SpokenError(_("it is withdrawn; nothing was sent"), _("Where it is still wanted, say it anew."))


def _decided() -> SpokenError:
    detail = _("how it ended is recorded already; nothing was sent")
    return SpokenError(detail, _("The board shows it. Where something has changed, ask anew."))


def _listed(nations: Collection[OrgName]) -> str:
    return isolate(", ".join(sorted(nations)))
