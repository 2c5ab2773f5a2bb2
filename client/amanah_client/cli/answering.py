"""`amanah ack`, `react`, `correct`, `withdraw`, `erase`, `handover`: of messages, and to the next shift."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Annotated

from cyclopts import Parameter

from amanah_client import actions
from amanah_client.cli import opening, questions, terminal
from amanah_client.cli.asking import MessageName, RoomName, find_message, find_room, settle, show_outcome
from amanah_client.cli.chat import GradeName
from amanah_client.cli.incident import say
from amanah_client.cli.terminal import DEFAULTS, Options, composed
from amanah_client.composing.mentions import read_mentions
from amanah_client.language import gettext as _
from amanah_client.room import Room
from amanah_client.said import said
from amanah_client.sdk import Client
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.kinds import Grade
from amanah_protocol.types import EnvelopeId

Flag = Annotated[bool, Parameter(negative="")]


def ack(
    room: RoomName,
    message: MessageName,
    grade: GradeName = "understood",
    /,
    *,
    common: Options = DEFAULTS,
) -> None:
    """Sign that a message was received, read or understood, or that you act on it. Everybody in the room sees it.

    Parameters
    ----------
    grade
        How far.
    """

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        found = await find_message(client, into, message, common)
        action = actions.Acknowledge(room=into.id, envelope=found.id, grade=int(Grade[grade.upper()]))
        show_outcome(await settle(client, action, common), common)

    opening.with_client(common, work)


def react(
    room: RoomName, message: MessageName, sign: str, /, *, take_back: Flag = False, common: Options = DEFAULTS
) -> None:
    """Put a sign on a message, or take it back. It is sealed: nobody but the room sees it.

    Parameters
    ----------
    sign
        Up to 16 characters, most often one.
    take_back
        Take back a sign that you put there.
    """
    _say_of(room, message, lambda _into, found: Reaction(message=found, sign=sign, stands=not take_back), common)


def correct(room: RoomName, message: MessageName, text: str, /, *, common: Options = DEFAULTS) -> None:
    """Put another text in the place of a message of yours. Both stand in the record.

    Parameters
    ----------
    text
        The text as it should be.
    """
    typed = unicodedata.normalize("NFC", text)

    def body(into: Room, found: EnvelopeId) -> Said:
        corrected, mentions = read_mentions(typed, into.members())
        return Correction(message=found, text=corrected, mentions=mentions)

    _say_of(room, message, body, common)


def withdraw(room: RoomName, message: MessageName, /, *, reason: str = "", common: Options = DEFAULTS) -> None:
    """Take back what you said: a message, a task, a joint time. It stays provable; `erase` drops what it said.

    Parameters
    ----------
    reason
        Why.
    """

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        found = await find_message(client, into, message, common)
        action = into.compose(Withdrawal(message=found.id, reason=reason))
        if isinstance(found.body, Said):
            terminal.say(_("takes back: %(what)s", what=composed(said(found.body))))
        show_outcome(await settle(client, action, common), common)

    opening.with_client(common, work)


def _say_of(room: str, message: str, body: Callable[[Room, EnvelopeId], Said], common: Options) -> None:
    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        found = await find_message(client, into, message, common)
        show_outcome(await settle(client, into.compose(body(into, found.id)), common), common)

    opening.with_client(common, work)


def erase(
    room: RoomName,
    message: MessageName,
    /,
    *more: str,
    yes: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Drop what messages of yours say, at every member and at the relay. That they were sent stays in the record.

    Parameters
    ----------
    more
        More of them.
    yes
        Do not ask to type the room's title.
    """

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        found = [await find_message(client, into, wanted, common) for wanted in (message, *more)]
        action = into.erasing(*(one.id for one in found))
        count = len(action.envelopes)
        what = "1 message" if count == 1 else f"{count} messages, corrections among them,"
        questions.confirm(f"Erasing {what} of {into.title}", into.title, yes=yes)
        show_outcome(await settle(client, action, common), common)

    opening.with_client(common, work)


def handover(room: RoomName, text: str, /, *, common: Options = DEFAULTS) -> None:
    """Leave a note for the next shift; it stays on the board.

    Parameters
    ----------
    text
        What the next shift has to know.
    """
    note = unicodedata.normalize("NFC", text)
    say(room, lambda _into: Handover(text=note), common)
