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

from amanah_client.composing.mentions import as_written, read_mentions
from amanah_client.composing.orders import Order, Saying
from amanah_client.directory import Party
from amanah_client.incident.board import Board
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.language.errors import SpokenError
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code
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
        number: What the next proposal is called (`effective.next_number`).
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
    number: int
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
            detail = _("no message is marked, and none asks for anything; nothing was sent")
            hint = _("Mark it, or write the first digits of its id behind the command.")
            raise SpokenError(detail, hint, Code.NOT_FOUND)
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

    def refuse(self, what: str) -> SpokenError:
        """An error that says how the command is used.

        Args:
            what: What is wrong, in the language that is spoken.
        """
        forms = _(", or ").join(isolate(f"/{self.name} {usage}".strip()) for usage in self.usage)
        detail = _("%(command)s: %(what)s; nothing was sent", command=isolate(f"/{self.name}"), what=what)
        return SpokenError(detail, _("Write %(forms)s.", forms=forms))


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
        raise SpokenError(_("there is nothing to send"), _("Type a text, or / for the commands."))
    if not is_command(text):
        return Saying(body=compose_text(text.removeprefix(SLASH) if text.startswith(SLASH) else text, situation))
    name, _blank, rest = text.removeprefix(SLASH).partition(" ")
    command = commands.get(name.lower())
    if command is None:
        near = get_close_matches(name.lower(), commands, n=1)
        detail = _("there is no command %(command)s; nothing was sent", command=isolate(f"/{name}"))
        meant = _("Did you mean %(command)s?", command=isolate(f"/{near[0]}")) + " " if near else ""
        raise SpokenError(detail, meant + _("/help lists the commands. // sends a slash."))
    return command.read(rest.strip(), situation)


def _clean(line: str) -> str:
    """Without what nobody sees at its ends: a command that was pasted is a command."""
    text = unicodedata.normalize("NFC", line).strip()
    while text and unicodedata.category(text[0]) == "Cf":
        text = text[1:].lstrip()
    return SLASH + text[1:] if text.startswith(_WIDE_SLASH) else text


def compose_text(text: str, situation: Situation) -> Text:
    """A text with its mentions, in the thread that is open, as an answer where it is one.

    Raises:
        SpokenError: It calls somebody who is not there.
    """
    said, mentions = read_mentions(text, situation.members)
    return Text(
        text=said,
        reply_to=situation.answering if situation.replies else None,
        thread=situation.thread,
        mentions=mentions,
        asks=situation.asks,
    )


def compose_correction(message: EnvelopeId, text: str, situation: Situation) -> Correction:
    """What an own text says from now on, with its mentions; errors as `compose_text`."""
    said, mentions = read_mentions(text, situation.members)
    return Correction(message=message, text=said, mentions=mentions)


def as_typed(text: str, members: Collection[Party]) -> str:
    """A text that was said, as somebody would have to type it to say the same: no command, and nobody called."""
    typed = as_written(text, members)
    return SLASH + typed if typed.startswith(SLASH) else typed


def is_command(line: str) -> bool:
    """Whether a line is no text."""
    text = _clean(line)
    return text.startswith(SLASH) and not text.startswith(SLASH * 2)
