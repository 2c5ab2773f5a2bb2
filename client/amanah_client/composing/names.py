"""What a person names in a room: a nation, a task or a joint time by its first digits, a type of the taxonomy."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable
from typing import Final, TypeVar

from amanah_client.incident.board import Board
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.language.errors import SpokenError
from amanah_protocol.content.incident import TYPES
from amanah_protocol.content.proposal import Position
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName

PREFIX_MIN: Final = 4
"""So many first digits of an id stand for it."""

K = TypeVar("K", bound=bytes)


def pick(known: Iterable[K], digits: str, what: str) -> K:
    """The one whose id begins so.

    Args:
        known: Ids.
        digits: First digits, at least four.
        what: What it is, for the error, in the language that is spoken.

    Raises:
        UsageError: `NOT_FOUND` for none, or more than one.
    """
    wanted = digits.lower()
    found = [one for one in known if one.hex().startswith(wanted)] if len(wanted) >= PREFIX_MIN else []
    if len(found) != 1:
        told = (
            _("more than one %(what)s begins with %(digits)s; nothing was sent")
            if found
            else _("no %(what)s begins with %(digits)s; nothing was sent")
        )
        hint = _("The board lists them; give %(count)s digits or more.", count=PREFIX_MIN)
        raise SpokenError(told % {"what": what, "digits": isolate(repr(digits))}, hint, Code.NOT_FOUND)
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
        known = isolate(", ".join(sorted(among)))
        hint = _("Known here are %(nations)s.", nations=known) if among else _("Write its whole name.")
        named = {"name": isolate(repr(text))}
        told = _("several nations here are called %(name)s; nothing was sent", **named) if found else ""
        told = told or _("no nation here is called %(name)s; nothing was sent", **named)
        raise SpokenError(told, hint, Code.NOT_FOUND)
    return found[0]


def incident_type(text: str) -> str:
    """A type as class/type of the Reference Security Incident Taxonomy.

    Raises:
        UsageError: `USAGE` for one that it does not have.
    """
    group, _slash, type_ = text.lower().partition("/")
    if type_ not in TYPES.get(group, ()):
        known = ", ".join(f"{group}/{one}" for one in TYPES[group]) if group in TYPES else ", ".join(TYPES)
        detail = _("%(word)s is no type of the taxonomy; nothing was sent", word=isolate(repr(text)))
        raise SpokenError(detail, _("Known are %(names)s.", names=isolate(known)))
    return f"{group}/{type_}"


def label(text: str) -> Label:
    """A label as it is typed, such as `TLP:AMBER` or `amber`.

    Raises:
        SpokenError: There is none of this name.
    """
    try:
        return Label.parse(text)
    except UsageError:
        # The code's own words are about ceilings, and nothing is above one here.
        known = isolate(", ".join(one.text for one in Label))
        detail = _("there is no label %(word)s; nothing was done", word=isolate(repr(text)))
        raise SpokenError(detail, _("The labels are %(labels)s.", labels=known), Code.LABEL) from None


def path(text: str) -> str:
    """A path as it is typed: bare, blanks and all, or as a shell would take it, in quotes or with backslashes."""
    if text[:1] not in {"'", '"'} and "\\ " not in text:
        return text
    try:
        (found,) = shlex.split(text)
    except ValueError:  # no end of the quotes, or more than one word: it is a name that looks like that
        return text
    return found


def no_proposal(number: int) -> SpokenError:
    """An error that says that there is none of this number."""
    detail = _("there is no proposal %(number)s; nothing was sent", number=number)
    return SpokenError(detail, _("The board lists them."), Code.NOT_FOUND)


def position(board: Board, number: int, reason: str, *, agrees: bool) -> Position:
    """Where the own nation stands to a proposal.

    Raises:
        UsageError: `NOT_FOUND` for no proposal of this number.
    """
    found = board.proposals.get(number)
    if found is None:
        raise no_proposal(number)
    return Position(proposal=found.id, agrees=agrees, reason=reason)
