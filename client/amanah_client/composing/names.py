"""What a person names in a room: a nation, a task or a joint time by its first digits, a type of the taxonomy."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, TypeVar

from amanah_client.incident.board import Board
from amanah_protocol.content.incident import TYPES
from amanah_protocol.content.proposal import Position
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.types import OrgName

PREFIX_MIN: Final = 4
"""So many first digits of an id stand for it."""

K = TypeVar("K", bound=bytes)


def pick(known: Iterable[K], digits: str, what: str) -> K:
    """The one whose id begins so.

    Args:
        known: Ids.
        digits: First digits, at least four.
        what: What it is, for the error.

    Raises:
        UsageError: `NOT_FOUND` for none, or more than one.
    """
    wanted = digits.lower()
    found = [one for one in known if one.hex().startswith(wanted)] if len(wanted) >= PREFIX_MIN else []
    if len(found) != 1:
        detail = f"{'no' if not found else 'more than one'} {what} begins with {digits!r}"
        raise UsageError(Code.NOT_FOUND, detail, hint=f"The board lists them; give {PREFIX_MIN} digits or more.")
    return found[0]


def nation(text: str, among: Collection[OrgName]) -> OrgName:
    """A nation by its name, or by the last part of it where one alone has that: `ma` is cert.example.ma.

    Args:
        text: What was typed.
        among: Nations that it may be: those in the room, or of the roster.

    Raises:
        UsageError: `NOT_FOUND` for a short name that none or several have, `USAGE` for what is no DNS name.
    """
    wanted = text.lower().removeprefix("@")
    if "." in wanted:
        return parse_organisation(wanted)
    found = sorted(one for one in among if one.rpartition(".")[2] == wanted)
    if len(found) != 1:
        hint = f"Known here are {', '.join(sorted(among))}." if among else "Write its whole name."
        raise UsageError(Code.NOT_FOUND, f"{len(found)} nations here are called {text!r}", hint=hint)
    return found[0]


def incident_type(text: str) -> str:
    """A type as class/type of the Reference Security Incident Taxonomy.

    Raises:
        UsageError: `USAGE` for one that it does not have.
    """
    group, _, type_ = text.lower().partition("/")
    if type_ not in TYPES.get(group, ()):
        known = ", ".join(f"{group}/{one}" for one in TYPES[group]) if group in TYPES else ", ".join(TYPES)
        raise UsageError(Code.USAGE, f"{text!r} is no type of the taxonomy", hint=f"Known are {known}.")
    return f"{group}/{type_}"


def position(board: Board, number: int, reason: str, *, agrees: bool) -> Position:
    """Where the own nation stands to a proposal.

    Raises:
        UsageError: `NOT_FOUND` for no proposal of this number.
    """
    found = board.proposals.get(number)
    if found is None:
        raise UsageError(Code.NOT_FOUND, f"there is no proposal {number}", hint="The board lists them.")
    return Position(proposal=found.id, agrees=agrees, reason=reason)
