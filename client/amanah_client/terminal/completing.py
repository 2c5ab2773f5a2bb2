"""What Tab makes of a line: the commands that begin so, their words, and whom a text may call."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from amanah_client.composing.commands import COMMANDS
from amanah_client.composing.line import SLASH
from amanah_client.composing.mentions import names
from amanah_client.directory import Party
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName

_AT: Final = "@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """What a line could go on to.

    Attributes:
        text: The line as far as it is certain.
        choices: What may follow, each with what it is for.
    """

    text: str
    choices: tuple[tuple[str, str], ...]


def complete(
    line: str, members: Collection[Party], others: Collection[OrgName] = (), labels: Collection[Label] = tuple(Label)
) -> Completion | None:
    """What the end of a line could go on to; None where there is nothing to complete.

    Args:
        line: The text before the cursor.
        members: Who is in the room.
        others: Nations that may be let in.
        labels: Labels that are offered in the room.
    """
    head, blank, word = line.rpartition(" ")
    if word.startswith(SLASH) and not blank:
        known = [(f"{SLASH}{name}", command.about) for name, command in sorted(COMMANDS.items())]
        return _from("", word, known)
    if word.startswith(_AT):
        return _from(head + blank, word, [(f"{_AT}{name}", "") for name in sorted(names(members))])
    if line.startswith(SLASH) and not line.startswith(SLASH * 2) and blank:
        return _from(
            head + blank, word, [(one, "") for one in _words(head.removeprefix(SLASH), members, others, labels)]
        )
    return None


def usage(line: str) -> tuple[str, ...]:
    """How the command at the beginning of a line is written; () for none."""
    name = line.removeprefix(SLASH).partition(" ")[0].lower()
    command = COMMANDS.get(name) if line.startswith(SLASH) else None
    return () if command is None else tuple(f"{SLASH}{name} {form}".strip() for form in command.usage)


def _words(
    head: str, members: Collection[Party], others: Collection[OrgName], labels: Collection[Label]
) -> Iterable[str]:
    """What may stand behind some words of a command, from what it says of itself."""
    name, *before = head.split()
    command = COMMANDS.get(name.lower())
    if command is None:
        return ()
    if command.name == "tlp" and not before:
        return tuple(one.text.removeprefix("TLP:").lower() for one in labels)
    found: dict[str, None] = {}
    inside = {one.organisation for one in members if one.organisation}
    nations = sorted({*others} - inside if command.name == "invite" else inside)
    for form in command.usage:
        for place in _next(form.split(" "), before):
            if place == "NATION":
                found |= dict.fromkeys(nations)
            elif place.islower():
                found |= dict.fromkeys(place.split("|"))
    return found


def _next(form: list[str], before: list[str]) -> Iterator[str]:
    """What may stand next where a command is written in a form: of what may be left out, also what follows it."""
    if not all(_fits(place.strip("[]"), word.lower()) for place, word in zip(form, before, strict=False)):
        return
    for place in form[len(before) :]:
        yield place.strip("[]")
        if not (place.startswith("[") and place.endswith("]")):
            return


def _fits(place: str, word: str) -> bool:
    """Whether a word may stand there: what is written small stands as it is, anything else is for its writer."""
    return not place.islower() or word in place.split("|")


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
