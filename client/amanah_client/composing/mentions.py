"""Whom a text calls: `@cert.example.ma`, `@cert.example.ma/duty` for its duty desk, `@Name` for a person in it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from amanah_client.directory import Party
from amanah_protocol.content.text import MAX_MENTIONS, Called, Mention
from amanah_protocol.types import OrgName, PersonId

DESK: Final = "/duty"
_AT: Final = re.compile(r"(?<![\w@.])@")


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
