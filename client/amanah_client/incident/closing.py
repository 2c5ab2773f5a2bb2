"""Closing an incident: asking nations to sign off, signing, and recording that it stands."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from amanah_client.incident.board import Board
from amanah_client.incident.event import Event
from amanah_client.incident.facts import differing, facts_of
from amanah_client.incident.on_board import ClosingOnBoard
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.language.errors import SpokenError
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.types import EnvelopeId, OrgName


class ShownClosing(msgspec.Struct, frozen=True, kw_only=True):
    """The newest closing as an officer was shown it: what they sign or record is that, or nothing.

    Attributes:
        entry: Its entry; None where none was shown.
        signed: The nations that had signed what was asked, ascending.
    """

    entry: EnvelopeId | None
    signed: tuple[OrgName, ...]


def ask_to_sign(events: Sequence[Event], *, nations: Sequence[OrgName], sign_until_ms: int) -> Closing:
    """Ask nations to sign off all that is here.

    Raises:
        UsageError: `NOT_FOUND` in a room without entries; as `Closing`.
    """
    if not events:
        raise UsageError(Code.NOT_FOUND, "there is nothing in the room to close")
    last = events[-1].seq
    first = whole_from(events, last)
    return Closing(
        first=first,
        last=last,
        facts=facts_of(events, first=first, last=last),
        sign_until_ms=sign_until_ms,
        nations=tuple(sorted(set(nations))),
    )


def open_closing(board: Board, *, typed: bool = False) -> ClosingOnBoard:
    """The newest closing, if it is not recorded yet.

    Args:
        board: The room's board.
        typed: Whether who is told is in a composer, and goes on by its commands.

    Raises:
        SpokenError: `NOT_FOUND`.
    """
    newest = board.closing
    if newest is None or newest.recorded is not None:
        detail = _("nobody asked to close this room") if newest is None else _("the closing of this room is recorded")
        command = "/close" if typed else f"`amanah close ROOM{'' if newest is None else ' --anew'}`"
        hint = _("%(command)s asks its nations to sign off.", command=isolate(command))
        raise SpokenError(detail, hint, Code.NOT_FOUND)
    return newest


def sign(
    events: Sequence[Event], board: Board, *, shown: ShownClosing | None = None, typed: bool = False
) -> tuple[SignOff, tuple[str, ...]]:
    """The sign-off by what is here, and in which facts it differs from what was asked.

    Who came later has no entries before: then the facts are of fewer entries, and nothing is compared here.

    Args:
        events: All entries of the room.
        board: What they come to.
        shown: What whoever signs was shown; None where they were shown nothing. Others may sign meanwhile.
        typed: As for `open_closing`.

    Raises:
        SpokenError: `NOT_FOUND` where nothing is to be signed, `USAGE` where another closing was shown.
    """
    of = open_closing(board, typed=typed)
    if shown is not None and shown.entry != of.id:
        raise _has_changed()
    first = max(of.closing.first, whole_from(events, of.closing.last))
    facts = facts_of(events, first=first, last=of.closing.last)
    made = SignOff(closing=of.id, first=first, facts=facts)
    return made, differing(of.closing.facts, facts) if first == of.closing.first else ()


def whole_from(events: Sequence[Event], last: int) -> int:
    """From which place on all entries up to a place are here: who came later has single ones of before alone."""
    places, first = {event.seq for event in events}, last
    while first - 1 in places:
        first -= 1
    return first


def record(board: Board, *, now_ms: int, shown: ShownClosing | None = None, typed: bool = False) -> ClosingRecorded:
    """That the closing stands, and who has signed it.

    Args:
        board: The room's board.
        now_ms: Now.
        shown: What whoever records it was shown; None where they were shown nothing.
        typed: As for `open_closing`.

    Raises:
        SpokenError: `NOT_FOUND` where nothing is to be recorded, `USAGE` while nations may still sign, or where
            another closing or other signatures were shown.
    """
    of = open_closing(board, typed=typed)
    if of.outstanding and now_ms <= of.closing.sign_until_ms:
        detail = _("not signed yet: %(nations)s", nations=isolate(", ".join(of.outstanding)))
        command = isolate("/sign" if typed else "`amanah sign-off ROOM`")
        raise SpokenError(detail, _("They sign by %(command)s; the board shows who has.", command=command))
    if shown is not None and (shown.entry, shown.signed) != (of.id, of.agreeing):
        raise _has_changed()
    return ClosingRecorded(closing=of.id, nations=of.agreeing)


def _has_changed() -> SpokenError:
    detail = _("the closing, or who has signed it, is not what you were shown; nothing was signed or recorded")
    return SpokenError(detail, _("Look at the board, then do it again."))
