"""What every member has confirmed: it is held no longer, and dropped when its time is over.

*Held* is the content that a member of its room may still have to fetch: it stands behind the room's
mark. The mark follows the lowest cursor of those who are in (`protocol.md` section 4, `delivered`);
who was added later counts from its adding commit on. It never falls: a newcomer is added behind it.

Nothing here is in the way of publishing: the store is asked for one small step at a time, once a
tick, and for the next at once only while nothing else waits for it. A step that failed, or that a
restart cut off, is taken again; each is whole in itself.
"""

from __future__ import annotations

from typing import Final

from amanah_relay.core.ledger import Kept
from amanah_relay.core.parts import FIRST, Books, Parts
from amanah_relay.core.pending import ContentsPurge, MarksConfirm
from amanah_relay.effects import Confirm, Mark, Purge
from amanah_relay.inputs import Confirmed, Purged

DAY_MS: Final = 86_400_000
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
        _ask_purge(parts, books)


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


def answer_purge(parts: Parts, answer: Purged, now_ms: int) -> None:
    """A step of a purge is done."""
    books, purging = parts.loaded(), parts.purging
    purging.asked = False
    books.state.release(answer.freed)
    if answer.dropped:
        parts.contents.clear()
    if answer.after is None:
        purging.after, purging.due_ms = FIRST, now_ms + parts.limits.purge_interval_ms
    else:
        purging.after = answer.after
        _go_on(parts, books, now_ms)


def fail(parts: Parts, question: MarksConfirm | ContentsPurge) -> None:
    """The store could not take the step; it is taken again with the next tick."""
    parts.purging.asked = False
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


def _ask_purge(parts: Parts, books: Books) -> None:
    # By the log's own time: a clock that leaps forward must not drop anything before its time.
    newest_ms = books.state.last_accepted_ms
    token = parts.questions.ask(ContentsPurge())
    parts.out.add(
        Purge(
            token=token,
            after=parts.purging.after,
            delivered_ms=newest_ms - parts.limits.retention_days * DAY_MS,
            handshake_ms=newest_ms - parts.limits.handshake_days * DAY_MS,
            limit=STEP_CONTENTS,
        )
    )


def _go_on(parts: Parts, books: Books, now_ms: int) -> None:
    if books.sequencer.idle:
        advance(parts, now_ms)
