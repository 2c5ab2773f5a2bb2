"""A line of the composer: a text, or a command that begins with a slash.

What begins with a slash and is no command is an error: it is never sent, since a mistyped command that everybody
reads is worse than one that nobody carries out. `//` begins a text that begins with a slash.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Final

from amanah_client.composing.mentions import mentions_in
from amanah_client.composing.orders import Order, Saying
from amanah_client.directory import Party
from amanah_client.incident.board import Board
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.kinds import Grade
from amanah_protocol.types import EnvelopeId, OrgName

SLASH: Final = "/"
_WIDE_SLASH: Final = "\uff0f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a line is read against.

    Attributes:
        board: The room's board.
        members: Who is in the room.
        now_ms: Now.
        message: Finds a message by the first digits of its id; raises `UsageError` for none or several.
        fresh_id: 16 random bytes, new each time.
        answering: The message that a command means which names none: the one that is marked, or that asked last.
        asks: Up to which grade the next text asks for an acknowledgement.
        replies: Whether the next text answers `answering`.
        thread: The message that begins the thread that is open.
        known: Nations of the roster, whom somebody may invite by a short name.
    """

    board: Board
    members: Collection[Party]
    now_ms: int
    message: Callable[[str], EnvelopeId]
    fresh_id: Callable[[], bytes]
    answering: EnvelopeId | None = None
    asks: Grade | None = None
    replies: bool = False
    thread: EnvelopeId | None = None
    known: Collection[OrgName] = ()

    @property
    def nations(self) -> frozenset[OrgName]:
        """Nations that are in the room."""
        return frozenset(party.organisation for party in self.members)

    def meant(self) -> EnvelopeId:
        """The message that a command means which names none.

        Raises:
            UsageError: `NOT_FOUND` when there is none.
        """
        if self.answering is None:
            hint = "Mark it, or write the first digits of its id behind the command."
            raise UsageError(Code.NOT_FOUND, "no message is marked, and none asks for anything", hint=hint)
        return self.answering


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of the composer.

    Attributes:
        name: What follows the slash.
        usage: Its arguments, one line for each form.
        about: What it does, in one sentence; translated where it is shown.
        read: Reads its arguments.
    """

    name: str
    usage: tuple[str, ...]
    about: str
    read: Callable[[str, Situation], Order] = field(repr=False)

    def refuse(self, what: str) -> UsageError:
        """An error that says how the command is used."""
        forms = ", or ".join(f"/{self.name} {usage}".strip() for usage in self.usage)
        return UsageError(Code.USAGE, f"/{self.name}: {what}", hint=f"Write {forms}.")


def read_line(line: str, situation: Situation, commands: dict[str, Command]) -> Order:
    """What a line asks for.

    Args:
        line: As typed.
        situation: What it is read against.
        commands: The commands by name.

    Raises:
        UsageError: `USAGE` for an unknown command or arguments that do not fit, `NOT_FOUND` for what is not there,
            and what the bodies raise.
    """
    text = _clean(line)
    if not text:
        raise UsageError(Code.USAGE, "there is nothing to send", hint="Type a text, or / for the commands.")
    if not is_command(text):
        return Saying(body=compose_text(text.removeprefix(SLASH) if text.startswith(SLASH) else text, situation))
    name, _, rest = text.removeprefix(SLASH).partition(" ")
    command = commands.get(name.lower())
    if command is None:
        near = get_close_matches(name.lower(), commands, n=1)
        hint = f"Did you mean /{near[0]}?" if near else "/help lists the commands."
        raise UsageError(Code.USAGE, f"there is no command /{name}; nothing was sent", hint=f"{hint} // sends a slash.")
    return command.read(rest.strip(), situation)


def _clean(line: str) -> str:
    """Without what nobody sees at its ends: a command that was pasted is a command."""
    text = unicodedata.normalize("NFC", line).strip()
    while text and unicodedata.category(text[0]) == "Cf":
        text = text[1:].lstrip()
    return SLASH + text[1:] if text.startswith(_WIDE_SLASH) else text


def compose_text(text: str, situation: Situation) -> Text:
    """A text with its mentions, in the thread that is open, as an answer where it is one."""
    return Text(
        text=text,
        reply_to=situation.answering if situation.replies else None,
        thread=situation.thread,
        mentions=mentions_in(text, situation.members),
        asks=situation.asks,
    )


def compose_correction(message: EnvelopeId, text: str, situation: Situation) -> Correction:
    """What an own text says from now on, with its mentions."""
    return Correction(message=message, text=text, mentions=mentions_in(text, situation.members))


def is_command(line: str) -> bool:
    """Whether a line is no text."""
    text = _clean(line)
    return text.startswith(SLASH) and not text.startswith(SLASH * 2)
