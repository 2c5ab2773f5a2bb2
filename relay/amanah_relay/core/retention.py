"""What every member has confirmed: it is held no longer, and dropped when its time is over.

*Held* is the content that a member of its room may still have to fetch: it stands behind the room's
mark. The mark follows the lowest cursor of those who are in (`protocol.md` section 4, `delivered`);
who was added later counts from its adding commit on. It never falls: a newcomer is added behind it.

Nothing here is in the way of publishing: the store is asked for one small step at a time, once a
tick, and for the next at once only while nothing else waits for it. A step that failed, or that a
restart cut off, is taken again; each is whole in itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import Cause, ContentErasure, erased_digest
from amanah_protocol.custody.retention import RoomPolicy, decode_policy
from amanah_protocol.errors import DecodeError
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import RoomId
from amanah_relay.core import attachments
from amanah_relay.core.custody import put
from amanah_relay.core.ledger import Kept
from amanah_relay.core.parts import FIRST, Books, Parts
from amanah_relay.core.pending import ContentsSurvey, MarksConfirm, TreesPurge
from amanah_relay.core.replies import Purger
from amanah_relay.core.sequencer import Unit, object_key
from amanah_relay.effects import Confirm, Mark, Purge, Survey
from amanah_relay.inputs import Confirmed, Over, Purged, Surveyed
from amanah_relay.purging import RoomRule, Terms
from amanah_relay.state import RelayState

DAY_MS: Final = 86_400_000
_ALWAYS_MS: Final = 2**63 - 1
STEP_ROOMS: Final = 64
"""Rooms whose cursors are compared in one step."""
STEP_PLACES: Final = 4_096
"""Places of rooms that marks move over in one step."""
STEP_CONTENTS: Final = 256
"""Contents that are looked at in one step of a purge; this is also as many as are overwritten."""


def advance(parts: Parts, now_ms: int) -> None:
    """Ask the store for the next step, if one is due and none is on its way."""
    books, purging = parts.books, parts.purging
    if books is None or parts.stopping or purging.asked:
        return
    marks = _next_marks(books)
    if marks:
        purging.asked = True
        token = parts.questions.ask(MarksConfirm(marks=marks))
        parts.out.add(Confirm(token=token, marks=marks))
    elif now_ms >= purging.due_ms:
        purging.asked = True
        _ask(parts, books)


def answer_confirm(parts: Parts, question: MarksConfirm, answer: Confirmed, now_ms: int) -> None:
    """Marks have moved."""
    books = parts.loaded()
    parts.purging.asked = False
    for mark in question.marks:
        books.state.rooms[mark.room].confirmed_seq = mark.room_seq
        # What goes beyond one step is looked at again, behind the other rooms.
        books.ledger.confirming[mark.room] = None
    books.state.release(answer.freed)
    _go_on(parts, books, now_ms)


def answer_survey(parts: Parts, answer: Surveyed, now_ms: int) -> None:
    """Contents were found whose time is over: the relay says so in the log, and drops them, in one batch."""
    books = parts.loaded()
    state = books.state
    # A hold may have come since the store was asked.
    over = [item for item in answer.over if not _is_held(state, item)]
    if not over:
        _pass_on(parts, books, answer.after, now_ms)
        return
    # By the log's own time, as all of this: the statement must not carry a leap of the clock into the log.
    unit = Unit(at_ms=state.last_accepted_ms, until_ms=_ALWAYS_MS, purges=[item.index for item in over])
    groups: dict[tuple[RoomId, Cause], list[Over]] = {}
    for item in over:
        groups.setdefault((item.room, item.cause), []).append(item)
    for (room, cause), items in groups.items():
        signed = books.ledger.erasure(
            ContentErasure(
                room=room,
                places=tuple(item.room_seq for item in items),
                digest=erased_digest((item.room_seq, item.envelope) for item in items),
                cause=cause,
                erased_at_ms=unit.at_ms,
            )
        )
        put(books, unit, LeafType.ERASURE, custody_chain(room), signed, key=object_key(signed))
    for item in over:
        attachments.drop_with(state, unit, item.envelope)
    unit.waiters.append(Purger(after=answer.after))
    books.enqueue(unit)


def dropped(parts: Parts, waiter: Purger, now_ms: int) -> None:
    """What a step has found is gone, and stands in the log."""
    _pass_on(parts, parts.loaded(), waiter.after, now_ms)


def answer_purge(parts: Parts, answer: Purged, now_ms: int) -> None:
    """Trees are gone; if they were fewer than a step takes, the pass is at its end."""
    books, purging = parts.loaded(), parts.purging
    purging.asked = False
    books.state.release(answer.freed)
    if answer.dropped:
        parts.contents.clear()
    if answer.dropped < STEP_CONTENTS:
        purging.after, purging.due_ms = FIRST, now_ms + parts.limits.purge_interval_ms
    else:
        _go_on(parts, books, now_ms)


def rest(parts: Parts) -> None:
    """A step came to nothing; it is taken again with the next tick."""
    parts.purging.asked = False


def fail(parts: Parts, question: MarksConfirm | ContentsSurvey | TreesPurge) -> None:
    """The store could not take the step; it is taken again with the next tick."""
    rest(parts)
    if parts.books is not None and isinstance(question, MarksConfirm):
        parts.books.ledger.confirming.update({mark.room: None for mark in question.marks})


def confirmed_by_all(kept: Kept) -> int:
    """The place up to which every member of a room has confirmed it."""
    inside = [member for member in kept.members.values() if member.removed_seq is None]
    return min((max(member.cursor, member.added_seq - 1) for member in inside), default=kept.head_seq)


def _next_marks(books: Books) -> tuple[Mark, ...]:
    marks: list[Mark] = []
    left = STEP_PLACES
    for room in tuple(books.ledger.confirming)[:STEP_ROOMS]:
        if not left:
            break
        del books.ledger.confirming[room]
        marked = books.state.rooms[room].confirmed_seq
        until = min(confirmed_by_all(books.ledger.rooms[room]), marked + left)
        if until > marked:
            marks.append(Mark(room=room, room_seq=until))
            left -= until - marked
    return tuple(marks)


def _ask(parts: Parts, books: Books) -> None:
    # By the log's own time: a clock that leaps forward must not drop anything before its time.
    state, limits, purging = books.state, parts.limits, parts.purging
    terms = Terms(
        newest_ms=state.last_accepted_ms,
        delivered_ms=state.last_accepted_ms - limits.retention_days * DAY_MS,
        handshake_ms=state.last_accepted_ms - limits.handshake_days * DAY_MS,
    )
    if purging.after is None:
        token = parts.questions.ask(TreesPurge())
        parts.out.add(
            Purge(
                token=token,
                delivered_ms=terms.delivered_ms,
                handshake_ms=terms.handshake_ms,
                limit=STEP_CONTENTS,
                held=state.held_rooms(),
            )
        )
        return
    if purging.after == FIRST:
        purging.rules = _rules(state)
    token = parts.questions.ask(ContentsSurvey())
    parts.out.add(
        Survey(
            token=token,
            after=purging.after,
            until_ms=_until_ms(state, terms, purging.rules),
            terms=terms,
            rules=purging.rules,
            limit=STEP_CONTENTS,
        )
    )


def _rules(state: RelayState) -> dict[RoomId, RoomRule]:
    """What is particular to single rooms; to most nothing is."""
    found = {}
    held = state.held_rooms()
    for room in state.rooms.values():
        policy = _policy(room.create.policy)
        if policy is not None or room.room in held:
            found[room.room] = RoomRule(policy=policy, held_since_ms=held.get(room.room))
    return found


def _policy(data: bytes) -> RoomPolicy | None:
    """The policy of a room; none for bytes that an older version took without reading them."""
    try:
        return decode_policy(data)
    except DecodeError:
        return None


def _until_ms(state: RelayState, terms: Terms, rules: Mapping[RoomId, RoomRule]) -> int:
    """What was accepted later is not over; after a hold even the newest may be."""
    if state.holds:
        return terms.newest_ms
    days = [rule.policy.shortest_days for rule in rules.values() if rule.policy is not None]
    ends = [terms.newest_ms - number * DAY_MS for number in days if number is not None]
    return max(terms.delivered_ms, terms.handshake_ms, *ends)


def _is_held(state: RelayState, item: Over) -> bool:
    since_ms = state.held_since(item.room)
    return since_ms is not None and item.accepted_at_ms >= since_ms


def _pass_on(parts: Parts, books: Books, after: int | None, now_ms: int) -> None:
    parts.purging.asked, parts.purging.after = False, after
    _go_on(parts, books, now_ms)


def _go_on(parts: Parts, books: Books, now_ms: int) -> None:
    if books.sequencer.idle:
        advance(parts, now_ms)
