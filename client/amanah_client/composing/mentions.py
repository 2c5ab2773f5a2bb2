"""Whom a text calls: `@cert.example.ma`, `@cert.example.ma/duty` for its duty desk, `@Name` for a person in it.

A mistyped duty desk would page nobody, and nobody would hear of it: what looks like a nation and names none of the room
is refused before it is sent. `@@` writes an @ that calls nobody; an address of e-mail calls nobody by itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

from amanah_client.directory import Party
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.language.errors import SpokenError
from amanah_protocol.content.text import MAX_MENTIONS, Called, Mention
from amanah_protocol.errors import Code
from amanah_protocol.types import OrgName, PersonId

DESK: Final = "/duty"
_AT: Final = re.compile(r"(?<![\w@.])@")
_DOUBLED: Final = re.compile(r"(?<![\w@.])@@(?=\S)")
_NATION: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*(?:\.[a-z][a-z0-9-]*[a-z0-9](?:/\w+)?|/duty)\b", re.IGNORECASE)
"""What is meant to be a nation or its duty desk: a DNS name, or anything that ends like a desk."""
_WORD: Final = re.compile(r"[\w-]++(?!\.\w|/\w)")
"""The whole of a word, or nothing: of `@dev/core` no `@de` is left over."""
_MOST_NAMED: Final = 8


def names(members: Collection[Party]) -> dict[str, Mention]:
    """What may stand behind an @ in a room -> whom it calls; a name that two people share stands for neither."""
    found: dict[str, Mention] = {}
    for organisation in sorted({party.organisation for party in members if party.organisation}):
        found[organisation] = Mention(called=Called.NATION, organisation=organisation)
        found[organisation + DESK] = Mention(called=Called.DESK, organisation=organisation)
    people: dict[str, set[tuple[OrgName, PersonId]]] = {}
    for party in members:
        if party.subject is not None and party.organisation:
            people.setdefault(party.name, set()).add((party.organisation, party.subject))
    for name, called in people.items():
        if len(called) == 1 and name not in found:
            ((organisation, person),) = called
            found[name] = Mention(called=Called.PERSON, organisation=organisation, person=person)
    return found


def read_mentions(text: str, members: Collection[Party]) -> tuple[str, tuple[Mention, ...]]:
    """A text as it is said, and whom it calls.

    Raises:
        SpokenError: `NOT_FOUND` where it calls a nation or a desk that is not there, or a name that two people share.
    """
    known = names(members)
    for at in _AT.finditer(text):
        meant = _unknown(text, at, members, known)
        if meant is not None:
            raise _nobody(meant, [name for name in known if known[name].called is not Called.PERSON])
    return _DOUBLED.sub("@", text), mentions_in(text, members)


def as_written(text: str, members: Collection[Party]) -> str:
    """A text that was said, as it is written to be said again: what calls nobody is not refused then."""
    known = names(members)

    def double(at: re.Match[str]) -> str:
        literal = text[at.end() :].startswith("@") or _unknown(text, at, members, known) is not None
        return "@@" if literal else "@"

    return _AT.sub(double, text)


def _unknown(text: str, at: re.Match[str], members: Collection[Party], known: Collection[str]) -> str | None:
    """What stands behind an @, is meant to call somebody, and names nobody; None where nothing is wrong."""
    behind = text[at.end() :]
    if any(_stands(behind, name) for name in known) or text[: at.start()].endswith("/"):
        return None
    shared = next((one.name for one in members if one.name and _stands(behind, one.name)), None)
    if shared is not None:
        return shared
    word = _WORD.match(behind)
    if word is not None and word[0].casefold() in {one.organisation.rpartition(".")[2] for one in members}:
        return word[0]  # as a face shows the nation, and as commands take it
    looks = _NATION.match(behind)
    return None if looks is None else looks[0]


def _nobody(meant: str, desks: Collection[str]) -> SpokenError:
    near = get_close_matches(meant.lower(), desks, n=3) or sorted(desks)[:_MOST_NAMED]
    detail = _("%(name)s calls nobody in this room, or more than one; nothing was sent", name=isolate(f"@{meant}"))
    listed = isolate(", ".join(f"@{name}" for name in near))
    return SpokenError(
        detail, _("Here are %(names)s. Write @@ for an @ that calls nobody.", names=listed), Code.NOT_FOUND
    )


def mentions_in(text: str, members: Collection[Party]) -> tuple[Mention, ...]:
    """Whom a text calls, in the order in which it does, each once, the first 64."""
    known = names(members)
    # The longest first: a name may begin with another.
    longest = sorted(known, key=len, reverse=True)
    found: dict[Mention, None] = {}
    for at in _AT.finditer(text):
        behind = text[at.end() :]
        called = next((name for name in longest if _stands(behind, name)), None)
        if called is not None:
            found[known[called]] = None
    return tuple(found)[:MAX_MENTIONS]


def _stands(text: str, name: str) -> bool:
    """Whether the text begins with the name, and the name ends there."""
    if text[: len(name)].casefold() != name.casefold():
        return False
    rest = text[len(name) :]
    # A full stop ends a sentence unless a further part of a DNS name follows it.
    return not re.match(r"[\w-]|\.\w|/\w", rest)
