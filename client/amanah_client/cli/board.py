"""A room's board as text for people and as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import tzinfo

from amanah_client import terms
from amanah_client.cli.showing import short
from amanah_client.cli.terminal import composed, isolated, single
from amanah_client.incident.board import Board, Spoken
from amanah_client.incident.duties import Duty, due_ms
from amanah_client.incident.event import Author
from amanah_client.incident.on_board import ClosingOnBoard
from amanah_client.language import gettext as _
from amanah_client.language import isolate, pgettext
from amanah_client.moments import clock, iso, iso_there
from amanah_client.room import Room
from amanah_client.said import nature_words, said, said_json
from amanah_client.view import words
from amanah_client.view.board import is_absent
from amanah_client.view.closing import facts
from amanah_client.view.zones import own_time
from amanah_protocol.types import EnvelopeId

_NOTES = 3
"""Notes that are shown: older shifts are over."""
_INDENT = 4


def board_lines(board: Board, room: Room, now_ms: int, zone: tzinfo | None = None) -> Iterator[str]:
    """What a room's entries come to, or that nothing is set yet.

    Args:
        board: The fold of its entries.
        room: The room: who is in it, and since when.
        now_ms: What is over stands behind what is to come.
        zone: The reader's zone, in which joint times stand beside UTC; None for that of this machine.
    """
    lines = tuple(_lines(board, room, now_ms, zone))
    yield from lines or (_("nothing is set yet"),)


def _lines(board: Board, room: Room, now_ms: int, zone: tzinfo | None) -> Iterator[str]:
    """Incident, joint times, tasks, proposals, the last handovers, and what had no effect; empty parts are left out."""
    standing, nations = board.standing, room.nations()
    named = {
        _("title"): None if standing.title is None else isolated(standing.title),
        _("severity"): None if standing.severity is None else terms.severity(standing.severity),
        _("status"): None if standing.status is None else terms.status(standing.status),
        _("type"): standing.type,
        _("aware since"): None if standing.aware_at_ms is None else clock(standing.aware_at_ms),
    }
    yield from (f"{name:<12} {value}" for name, value in named.items() if value is not None)
    if standing.aware_at_ms is not None:
        for duty in Duty:
            due = (
                _("%(duty)s due %(time)s at the latest (%(article)s)")
                if duty is Duty.FINAL_REPORT
                else _("%(duty)s due %(time)s (%(article)s)")
            )
            time = isolate(clock(due_ms(duty, standing.aware_at_ms)))
            yield due % {"duty": _(duty.called), "time": time, "article": isolate(duty.article)}
    yield from _clock_lines(board, now_ms, zone)
    for task in board.tasks.values():
        until = "" if task.task.until_ms is None else _(", by %(time)s", time=isolate(clock(task.task.until_ms)))
        why = f": {single(task.reason)}" if task.reason and not task.withdrawn else ""
        why += _("; its nation is not in this room") if is_absent(task, nations) else ""
        state = f"{terms.task_state(None if task.withdrawn else task.state)}{why}"
        about = f"{isolate(task.task.nation)}{until}  {single(task.task.what)}  [{state}]"
        yield _("task %(id)s", id=isolate(short(task.task.id)[:8])) + f"  {about}"
    for number, of_nations in board.proposals.items():
        proposal = of_nations.proposal
        ended = _("objections until %(time)s", time=isolate(clock(proposal.object_until_ms)))
        if not of_nations.is_open:
            ended = terms.outcome(of_nations.outcome)
        stands = _("%(count)s of %(quorum)s agree", count=len(of_nations.agreeing), quorum=proposal.quorum)
        objecting = isolate(", ".join(of_nations.objecting))
        against = _(", %(nations)s object", nations=objecting) if of_nations.objecting else ""
        yield _("proposal %(number)s", number=number) + f"  {single(proposal.what)}  [{stands}{against}; {ended}]"
    yield from _asked_lines(board, room)
    for entry, note in list(board.handovers.items())[-_NOTES:]:
        author = _who(board.messages[entry].author, room)
        yield _("handover by %(who)s: ", who=author) + isolated(note.text).replace("\n", f"\n{'':{_INDENT}}")
    yield from _page_lines(board)
    for asked, closing in board.closings.items():
        yield from _closing(asked, closing)
    for entry, why in board.without_effect.items():
        named = {"entry": isolate(short(entry)), "who": _who(board.messages[entry].author, room), "why": _(why)}
        yield _("without effect: %(entry)s by %(who)s: %(why)s", **named)


def _clock_lines(board: Board, now_ms: int, zone: tzinfo | None) -> Iterator[str]:
    """Joint times, the next first."""
    for of in sorted(board.clocks.values(), key=lambda of: (of.clock.at_ms < now_ms, of.clock.at_ms)):
        when = _("withdrawn") if of.withdrawn else _("called off")
        if of.stands:
            told = nature_words(of.clock.nature, of.clock.at_ms), own_time(of.clock.at_ms, zone)
            when = words.joined(filter(None, told))
        understood = board.messages[of.set].grades()
        ends = _("; acknowledged by %(nations)s", nations=isolate(", ".join(sorted(understood)))) if understood else ""
        yield _("time %(id)s", id=isolate(short(of.clock.id)[:8])) + f"  {when}: {single(of.clock.what)}{ends}"


def _asked_lines(board: Board, room: Room) -> Iterator[str]:
    """Which messages ask for an acknowledgement, who gave one, and which nation that can read it is still to."""
    nations, times = room.nations(), room.row.nations
    for message, spoken in board.messages.items():
        if spoken.asks is None or spoken.withdrawn is not None:
            continue
        graded, own = spoken.grades(), spoken.author.organisation
        asked = times.sealed_for(nations, spoken.index)
        late = sorted(of for of in asked if of != own and graded.get(of, 0) < spoken.asks)
        given = ", ".join(f"{nation} ({terms.grade(grade)})" for nation, grade in sorted(graded.items()))
        named = {
            "entry": isolate(short(message)),
            "who": _who(spoken.author, room),
            "grade": terms.grade(spoken.asks),
        }
        line = _("%(who)s asks in %(entry)s: %(grade)s", **named)
        line += _("; acknowledged by %(nations)s", nations=isolate(given)) if given else ""
        yield line + (_("; waits for %(nations)s", nations=isolate(", ".join(late))) if late else "")


def _page_lines(board: Board) -> Iterator[str]:
    """Who was paged for which message, and which nation acknowledged it since."""
    for message, spoken in board.messages.items():
        for nation, page in spoken.pages:
            named = {"message": isolate(short(message)), "time": isolate(clock(page.at_ms)), "nation": isolate(nation)}
            yield _("paged %(message)s  %(time)s  %(nation)s  %(what)s", what=composed(said(page)), **named)
        if spoken.pages and (graded := spoken.grades()):
            answers = ", ".join(f"{nation} ({terms.grade(grade)})" for nation, grade in sorted(graded.items()))
            named = {"message": isolate(short(message)), "nations": isolate(answers)}
            yield _("paged %(message)s  acknowledged by %(nations)s", **named)


def _closing(asked: EnvelopeId, of: ClosingOnBoard) -> Iterator[str]:
    signed = isolate(", ".join(of.agreeing)) if of.agreeing else _("nobody")
    if of.withdrawn is not None:
        until = _("withdrawn")
    elif of.recorded is None:
        until = _("until %(time)s", time=isolate(clock(of.closing.sign_until_ms)))
    else:
        until = _("recorded in %(entry)s", entry=isolate(short(of.recorded)))
    waits = _("; not signed: %(nations)s", nations=isolate(", ".join(of.outstanding))) if of.outstanding else ""
    stands = _("signed: %(nations)s", nations=signed) + waits + pgettext("between", "; ") + until
    named = {"closing": isolate(short(asked)), "last": of.closing.last}
    yield _("closing %(closing)s of entries up to %(last)s", **named) + f"  [{stands}]"
    for nation in sorted(of.signed):
        if differing := of.differs(nation):
            told = {"nation": isolate(nation), "facts": facts(differing), "command": isolate("`amanah report`")}
            yield "  " + _("%(nation)s has other facts: %(facts)s; compare %(command)s of both", **told)


def _who(author: Author, room: Room) -> str:
    return single(room.party(author.device).text)


def board_json(board: Board, room: Room, zone: tzinfo | None = None) -> dict[str, object]:
    """The same; times are RFC 3339, ids in hex.

    `absent` is a task that waits for who is not in the room, `at_local` a joint time in the reader's zone;
    `acknowledged` is by nation, `acknowledged_by` by person. `withdrawn` is the withdrawal of a task, a proposal, a
    joint time or a closing, None where it stands.
    """
    standing, nations = board.standing, room.nations()
    return {
        "incident": {
            "title": standing.title,
            "severity": None if standing.severity is None else standing.severity.name.lower(),
            "status": None if standing.status is None else standing.status.name.lower(),
            "type": standing.type,
            "aware_at": iso(standing.aware_at_ms),
        },
        "duties": []
        if standing.aware_at_ms is None
        else [{"notice": str(duty), "due_at": iso(due_ms(duty, standing.aware_at_ms))} for duty in Duty],
        "clocks": _clocks_json(board, room, zone),
        "tasks": [
            said_json(of.task)
            | {
                "envelope": of.opened.hex(),
                "state": "withdrawn" if of.withdrawn else of.state.name.lower(),
                "reason": of.reason,
                "withdrawn": _id(of.withdrawn),
                "absent": is_absent(of, nations),
            }
            for of in board.tasks.values()
        ],
        "proposals": [
            said_json(of.proposal)
            | {
                "envelope": of.id.hex(),
                "agree": list(of.agreeing),
                "object": list(of.objecting),
                "outcome": None if of.outcome is None else of.outcome.name.lower(),
                "withdrawn": _id(of.withdrawn),
            }
            for of in board.proposals.values()
        ],
        "asked": _asked_json(board, room),
        "handovers": [{"envelope": entry.hex(), **said_json(note)} for entry, note in board.handovers.items()],
        "pages": [
            said_json(page)
            | {
                "nation": nation,
                **_acknowledged_json(spoken, room),
            }
            for spoken in board.messages.values()
            for nation, page in spoken.pages
        ],
        "closings": _closings_json(board),
        "without_effect": [{"envelope": entry.hex(), "why": why} for entry, why in board.without_effect.items()],
    }


def _id(entry: EnvelopeId | None) -> str | None:
    return None if entry is None else entry.hex()


def _closings_json(board: Board) -> list[dict[str, object]]:
    return [
        said_json(of.closing)
        | {
            "envelope": asked.hex(),
            "signed": list(of.agreeing),
            "outstanding": list(of.outstanding),
            "differ": {nation: list(names) for nation in sorted(of.signed) if (names := of.differs(nation))},
            "recorded": _id(of.recorded),
            "withdrawn": _id(of.withdrawn),
        }
        for asked, of in board.closings.items()
    ]


def _asked_json(board: Board, room: Room) -> list[dict[str, object]]:
    return [
        {
            "envelope": message.hex(),
            "grade": spoken.asks.name.lower(),
            **_acknowledged_json(spoken, room),
        }
        for message, spoken in board.messages.items()
        if spoken.asks is not None and spoken.withdrawn is None
    ]


def _clocks_json(board: Board, room: Room, zone: tzinfo | None) -> list[dict[str, object]]:
    return [
        said_json(of.clock)
        | {
            "at_local": iso_there(of.clock.at_ms, zone),
            "envelope": of.set.hex(),
            "stands": of.stands,
            "withdrawn": _id(of.withdrawn),
            **_acknowledged_json(board.messages[of.set], room),
        }
        for of in board.clocks.values()
    ]


def _acknowledged_json(spoken: Spoken, room: Room) -> dict[str, object]:
    profile = room.client.directory().profile
    return {
        "acknowledged": {nation: grade.name.lower() for nation, grade in sorted(spoken.grades().items())},
        "acknowledged_by": [
            {
                "nation": nation,
                "person": person.hex(),
                "name": None if (known := profile(nation, person)) is None else known.name,
                "grade": given.grade.name.lower(),
                "at": iso(given.at_ms),
            }
            for (nation, person), given in sorted(spoken.acknowledged.items())
        ],
    }
