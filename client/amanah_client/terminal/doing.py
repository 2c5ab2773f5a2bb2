"""What was typed, done: each order is queued at once, or refused with what to do next; nothing is half done."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, assert_never

from amanah_client import actions
from amanah_client.composing import orders
from amanah_client.composing.commands import COMMANDS
from amanah_client.composing.line import Situation, compose_correction, is_command, read_line
from amanah_client.ending import ask_nations, record_closing, sign_off
from amanah_client.language import gettext as _
from amanah_client.reading import Found
from amanah_client.relabelling import Change
from amanah_client.sdk import Client
from amanah_client.terminal.exporting import export
from amanah_client.terminal.feed import Feed
from amanah_client.terminal.watch import Draft, Watch
from amanah_client.view import words
from amanah_client.view.closing import facts
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId

_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Said:
    """It was queued.

    Attributes:
        as_draft: Whether it was what the draft said: the next begins anew.
        text: What to tell; "" for nothing.
    """

    as_draft: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True)
class Shows:
    """Something is to be shown: `members`, `commands` or one command by name."""

    what: str
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Lowers:
    """A laxer label was asked for, of the next message or of one that was sent: somebody has to say so once more.

    Attributes:
        now: The label now.
        label: The one that was asked for.
        change: What changes it, where it was sent.
    """

    now: Label
    label: Label
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Finds:
    """Something was searched for: what was found, what came last first."""

    query: str
    found: tuple[Found, ...]


Done: TypeAlias = Said | Shows | Lowers | Finds


def situation(
    watch: Watch, feed: Feed, draft: Draft, marked: EnvelopeId | None, thread: EnvelopeId | None
) -> Situation:
    """What a line is read against.

    Args:
        watch: The rooms.
        feed: The room.
        draft: What is about to be said.
        marked: The message that is marked.
        thread: The one that begins the thread that is open.
    """
    asking = feed.last_asking(watch.seat())
    fallback = None if asking is None else asking.id
    return Situation(
        board=feed.window.board,
        members=feed.members,
        now_ms=watch.now_ms,
        message=lambda digits: feed.room.message(digits).id,
        fresh_id=lambda: secrets.token_bytes(_ID_BYTES),
        answering=draft.answers or marked or fallback,
        asks=draft.asks,
        replies=draft.answers is not None,
        thread=thread,
    )


async def type_line(watch: Watch, feed: Feed, line: str, seen: Situation) -> Done:
    """Do what a line asks for.

    Raises:
        AmanahError: It is refused, and nothing is queued.
    """
    order, corrects = read_line(line, seen, COMMANDS), watch.draft(feed).corrects
    if (
        corrects is not None
        and isinstance(order, orders.Saying)
        and isinstance(order.body, Text)
        and not is_command(line)
    ):
        order = orders.Saying(body=compose_correction(corrects, order.body.text, seen))
    return await _carry_out(watch, feed, order)


async def _carry_out(watch: Watch, feed: Feed, order: orders.Order) -> Done:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    client, room = watch.client, feed.room
    match order:
        case orders.Saying():
            return await _say(watch, feed, order)
        case orders.Acknowledging(message=message, grade=grade):
            await client.ask(actions.Acknowledge(room=room.id, envelope=message, grade=int(grade)))
            return Said()
        case orders.Concluding(ordinal=ordinal):
            await client.ask(room.decision(ordinal))
            return Said()
        case orders.Inviting(organisation=organisation):
            await client.ask(room.invitation(organisation))
            return Said(text=_("Invited. Its devices are in as soon as the relay has taken it."))
        case orders.Marking():
            return mark(watch, feed, order)
        case orders.ShowingMembers():
            return Shows("members")
        case orders.Helping(command=command):
            return Shows("commands", command)
        case orders.Relabelling(message=message, label=label):
            change = room.relabelling(room.message(message.hex()), label)
            if change.new < change.old:
                return Lowers(change.old, change.new, change)
            await _ask(client, change)
            return Said()
        case orders.Attaching(path=named):
            return await _attach(watch, feed, named)
        case orders.AskingToSign(days=days):
            await ask_nations(client, room, (), days)
            return Said(text=_("Asked. Who has signed stands on the board."))
        case orders.SigningOff(anyway=anyway):
            return await _sign(watch, feed, anyway=anyway)
        case orders.RecordingClosing():
            await record_closing(client, room)
            return Said()
        case orders.Searching(query=query):
            return Finds(query, tuple(client.search(query)))
        case orders.Exporting(path=named):
            path = await asyncio.to_thread(export, client, room, named, watch.zone)
            return Said(text=_("Written to %(path)s, for your eyes alone.", path=words.value(str(path))))
        case _:
            assert_never(order)


def mark(watch: Watch, feed: Feed, order: orders.Marking) -> Done:
    """Change with what the next message goes out; a laxer label wants somebody's word.

    Raises:
        UsageError: `LABEL` above the room's ceiling.
    """
    draft = watch.draft(feed)
    if order.label is not None:
        if order.label > feed.room.ceiling:
            raise UsageError(Code.LABEL, f"{order.label.text} is above the room's ceiling {feed.room.ceiling.text}")
        if order.label < draft.label:
            return Lowers(draft.label, order.label)
        draft.label = order.label
    draft.pap = draft.pap if order.pap is None else order.pap
    draft.precedence = draft.precedence if order.precedence is None else order.precedence
    return Said()


async def lower(watch: Watch, feed: Feed, wanted: Lowers) -> None:
    """Give it the laxer label: somebody said so."""
    if wanted.change is None:
        watch.draft(feed).label = wanted.label
    else:
        await _ask(watch.client, wanted.change)


async def _ask(client: Client, change: Change) -> None:
    for one in change.actions:
        await client.ask(one)


async def _say(watch: Watch, feed: Feed, order: orders.Saying) -> Said:
    draft = watch.draft(feed)
    said = feed.room.compose(order.body, label=draft.label, pap=draft.pap, precedence=draft.precedence)
    await watch.client.ask(said)
    return Said(as_draft=isinstance(order.body, Text | Correction))


async def _sign(watch: Watch, feed: Feed, *, anyway: bool) -> Said:
    differs = await sign_off(watch.client, feed.room, anyway=anyway)
    if not differs:
        return Said(text=_("Signed for your nation."))
    if anyway:
        return Said(text=_("Signed with the facts of this device; it does not count as agreement."))
    detail = _("This device has other facts than were asked: %(facts)s. Nothing was signed.", facts=facts(differs))
    raise VerifyError(Code.BINDING, detail, hint=_("Compare the reports of both, then write /sign anyway."))


async def _attach(watch: Watch, feed: Feed, named: str) -> Said:
    if not named:
        raise UsageError(Code.USAGE, _("the file is missing"), hint=_("Write /attach and the path of a file."))
    draft, path = watch.draft(feed), Path(named).expanduser()  # noqa: ASYNC240 - looks at the environment alone
    # Sealed when this returns: the file may go, and what is cut off goes on by itself.
    await feed.room.attach(path, label=draft.label, pap=draft.pap, precedence=draft.precedence, timeout_s=None)
    return Said(text=_("Sealed. It stands in the room when all of it is uploaded."))
