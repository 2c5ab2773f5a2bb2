"""What Tab makes of a line: the commands that begin so, their words, and whom a text may call."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from amanah_client.composing.commands import COMMANDS
from amanah_client.composing.line import SLASH
from amanah_client.composing.mentions import names
from amanah_client.directory import Party
from amanah_protocol.types import OrgName

_AT: Final = "@"
_WORDS: Final = {
    "tlp": ("clear", "green", "amber", "amber+strict", "red"),
    "incident severity": ("low", "medium", "high", "critical"),
    "incident status": ("triage", "investigating", "containing", "recovering", "resolved", "closed"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a line could go on to.

    Attributes:
        text: The line as far as it is certain.
        choices: What may follow, each with what it is for.
    """

    text: str
    choices: tuple[tuple[str, str], ...]


def complete(line: str, members: Collection[Party], roster: Collection[OrgName] = ()) -> Completion | None:
    """What the end of a line could go on to; None where there is nothing to complete.

    Args:
        line: The text before the cursor.
        members: Who is in the room.
        roster: All nations that there are.
    """
    head, blank, word = line.rpartition(" ")
    if word.startswith(SLASH) and not blank:
        known = [(f"{SLASH}{name}", command.about) for name, command in sorted(COMMANDS.items())]
        return _from("", word, known)
    if word.startswith(_AT):
        return _from(head + blank, word, [(f"{_AT}{name}", "") for name in sorted(names(members))])
    if line.startswith(SLASH) and not line.startswith(SLASH * 2) and blank:
        return _from(head + blank, word, [(one, "") for one in _words(head.removeprefix(SLASH), members, roster)])
    return None


def usage(line: str) -> tuple[str, ...]:
    """How the command at the beginning of a line is written; () for none."""
    name = line.removeprefix(SLASH).partition(" ")[0].lower()
    command = COMMANDS.get(name) if line.startswith(SLASH) else None
    return () if command is None else tuple(f"{SLASH}{name} {form}".strip() for form in command.usage)


def _words(head: str, members: Collection[Party], roster: Collection[OrgName]) -> Iterable[str]:
    """What may stand behind some words of a command, from what it says of itself."""
    if head.lower() in _WORDS:
        return _WORDS[head.lower()]
    name, _, before = head.partition(" ")
    command = COMMANDS.get(name.lower())
    if command is None or before:
        return ()
    found: dict[str, None] = {}
    inside = {one.organisation for one in members if one.organisation}
    nations = sorted({*roster} - inside if command.name == "invite" else inside)
    for form in command.usage:
        first = form.partition(" ")[0].strip("[]")
        if first in {"NATION", "NATION]"}:
            found |= dict.fromkeys(nations)
        elif first.islower():
            found |= dict.fromkeys(first.split("|"))
        elif first == "#MESSAGE":
            rest = form.partition(" ")[2].strip("[]")
            found |= dict.fromkeys(rest.split("|") if rest.islower() else ())
    return found


def _from(before: str, word: str, known: list[tuple[str, str]]) -> Completion | None:
    fitting = tuple((one, about) for one, about in known if one.casefold().startswith(word.casefold()))
    if not fitting:
        return None
    if len(fitting) == 1:
        return Completion(text=f"{before}{fitting[0][0]} ", choices=())
    common = _common([one for one, _ in fitting])
    return Completion(text=before + (common if len(common) > len(word) else word), choices=fitting)


def _common(words: list[str]) -> str:
    """What all of them begin with."""
    first, last = min(words), max(words)
    return next((first[:at] for at, letter in enumerate(first) if last[at : at + 1] != letter), first)
