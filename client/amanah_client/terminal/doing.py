"""What was typed, done: each order is queued at once, or refused with what to do next; nothing is half done."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, assert_never

from amanah_client import actions
from amanah_client.circle import check_offered, shown_as
from amanah_client.composing import orders
from amanah_client.composing.commands import COMMANDS
from amanah_client.composing.line import Situation, compose_correction, is_command, read_line
from amanah_client.effective import next_number
from amanah_client.ending import ask_nations, record_closing, sign_off
from amanah_client.feed import Feed
from amanah_client.files import Tell
from amanah_client.language import gettext as _
from amanah_client.language.errors import SpokenError
from amanah_client.message import Message
from amanah_client.reading import Found
from amanah_client.relabelling import Change
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_client.terminal.composer import Shown
from amanah_client.terminal.exporting import export
from amanah_client.terminal.watch import Draft, Watch
from amanah_client.view import words
from amanah_client.view.closing import closes, facts, left_open
from amanah_client.view.ringing import begins
from amanah_protocol.content.file import File
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId

_ID_BYTES: Final = 16
_STALL_S: Final = 60
"""A fetched file of which nothing has moved for so long is asked for again by its reader."""


@dataclass(frozen=True, slots=True)
class Said:
    """It was queued.

    Attributes:
        as_draft: Whether it was what the draft said: the next begins anew.
        text: What to tell; "" for nothing.
        until: The intent that makes it untrue when it is settled; "" where it stays.
    """

    as_draft: bool = False
    text: str = ""
    until: str = ""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """Something that takes a while, beside which its reader goes on.

    Attributes:
        title: What is being done.
        work: Does it, and tells how far it is; gives what to tell at its end.
        local: Whether it ends with this program, and is not kept to go on.
    """

    title: str
    work: Callable[[Tell], Awaitable[str]]
    local: bool = False


@dataclass(frozen=True, slots=True)
class Closes:
    """The incident is to be closed with things still open: somebody has to say so once more.

    Attributes:
        left: What is still open, a line for each.
        work: Closes it.
        signs: Whether nations are asked to sign, too.
    """

    left: tuple[str, ...]
    work: Takes
    signs: bool


@dataclass(frozen=True, slots=True)
class Finds:
    """Something was searched for: what was found, what came last first."""

    query: str
    found: tuple[Found, ...]


Done: TypeAlias = Said | Shows | Lowers | Closes | Finds | Takes


def situation(
    watch: Watch,
    feed: Feed,
    draft: Draft,
    *,
    marked: EnvelopeId | None,
    thread: EnvelopeId | None,
    rings: EnvelopeId | None,
) -> Situation:
    """What a line is read against.

    Args:
        watch: The rooms.
        feed: The room.
        draft: What is about to be said.
        marked: The message that is marked.
        thread: The one that begins the thread that is open.
        rings: The one that rings in the room.
    """
    asking = feed.last_asking(watch.seat())
    fallback = rings or (None if asking is None else asking.id)
    return Situation(
        board=feed.window.board,
        members=feed.members,
        now_ms=watch.now_ms,
        message=lambda digits: feed.room.message(digits).id,
        fresh_id=lambda: secrets.token_bytes(_ID_BYTES),
        number=next_number(feed.room, feed.window.board.proposals),
        answering=draft.answers or marked or fallback,
        asks=draft.asks,
        replies=draft.answers is not None,
        thread=thread,
        known=watch.organisations(),
    )


async def type_line(watch: Watch, feed: Feed, line: str, seen: Situation, shown: Shown) -> Done:
    """Do what a line asks for.

    Args:
        watch: The rooms.
        feed: The room.
        line: As typed.
        seen: What it is read against.
        shown: What stood around it: what is sealed goes to whom that names, or is refused.

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
    return await _carry_out(watch, feed, order, seen, shown)


async def _carry_out(watch: Watch, feed: Feed, order: orders.Order, seen: Situation, shown: Shown) -> Done:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    client, room = watch.client, feed.room
    match order:
        case orders.Saying(body=body) if closes(body) and (left := left_open(room.board(about=()), seen.now_ms)):
            work = Takes(title=_("Closing the incident"), work=partial(_say_closed, watch, feed, order, shown))
            return Closes(left, work, signs=False)
        case orders.Saying():
            return await _say(watch, feed, order, shown)
        case orders.Acknowledging(message=message, grade=grade):
            await client.ask(actions.Acknowledge(room=room.id, envelope=message, grade=int(grade)))
            return Said()
        case orders.Concluding(ordinal=ordinal):
            await client.ask(room.decision(ordinal))
            return Said()
        case orders.Inviting(organisation=organisation):
            asked = await client.ask(room.invitation(organisation))
            return Said(text=_("Invited. Its devices are in as soon as the relay has taken it."), until=asked.id)
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
            return _attach(watch, feed, named, shown)
        case orders.Saving(message=message, folder=named):
            return _save(feed, room.message(message.hex()) if message else _file_in_sight(feed, seen), named)
        case orders.AskingToSign(days=days):
            left = left_open(room.board(about=()), seen.now_ms)
            work = Takes(title=_("Closing the incident"), work=partial(_close, client, room, days, shown))
            return Closes(left, work, signs=True) if left else work
        case orders.SigningOff(anyway=anyway):
            return Takes(title=_("Signing off"), work=partial(_sign, client, room, anyway, shown))
        case orders.RecordingClosing():
            return Takes(title=_("Recording the closing"), work=partial(_record, client, room, shown))
        case orders.Searching(query=query):
            return Finds(query, tuple(client.search(query)))
        case orders.Exporting(path=named):
            return _export(watch, room, named)
        case _:
            assert_never(order)


def mark(watch: Watch, feed: Feed, order: orders.Marking) -> Done:
    """Change with what the next message goes out; a laxer label wants somebody's word.

    Raises:
        UsageError: As `check_offered`.
    """
    draft = watch.draft(feed)
    if order.label is not None:
        check_offered(feed.room, watch.seat(), order.label)
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


async def _say(watch: Watch, feed: Feed, order: orders.Saying, shown: Shown) -> Said:
    draft, circle = watch.draft(feed), shown_as(feed.room, shown.readers)
    said = feed.room.compose(order.body, label=draft.label, pap=draft.pap, precedence=draft.precedence, circle=circle)
    taken = _taken(watch, feed, order.body.message) if isinstance(order.body, Withdrawal) else ""
    await watch.client.ask(said)
    return Said(as_draft=isinstance(order.body, Text | Correction), text=taken)


def _taken(watch: Watch, feed: Feed, message: EnvelopeId) -> str:
    found = feed.find(message)
    entry = None if found is None else feed.entry(found, watch.seat())
    return "" if entry is None else _("Taken back: %(what)s", what=words.value(begins(entry.content)))


# ---- what takes a while


async def _say_closed(watch: Watch, feed: Feed, order: orders.Saying, shown: Shown, _tell: Tell) -> str:
    await _say(watch, feed, order, shown)
    return ""


async def _close(client: Client, room: Room, days: int, shown: Shown, _tell: Tell) -> str:
    await ask_nations(client, room, (), days, circle=shown_as(room, shown.readers))
    return _("Asked. Who has signed stands on the board.")


async def _record(client: Client, room: Room, shown: Shown, _tell: Tell) -> str:
    await record_closing(client, room, shown=shown.closing, circle=shown_as(room, shown.readers))
    return _("Recorded that the closing stands.")


async def _sign(client: Client, room: Room, anyway: bool, shown: Shown, _tell: Tell) -> str:  # noqa: FBT001 - bound where it is typed
    circle = shown_as(room, shown.readers)
    differs = await sign_off(client, room, anyway=anyway, shown=shown.closing, circle=circle)
    if not differs:
        return _("Signed for your nation.")
    if anyway:
        return _("Signed with the facts of this device; it does not count as agreement.")
    detail = _("This device has other facts than were asked: %(facts)s. Nothing was signed.", facts=facts(differs))
    raise VerifyError(Code.BINDING, detail, hint=_("Compare the reports of both, then write /sign anyway."))


def _attach(watch: Watch, feed: Feed, named: str, shown: Shown) -> Takes:
    if not named:
        raise SpokenError(_("the file is missing"), _("Write /attach and the path of a file."))
    draft, path = watch.draft(feed), Path(named).expanduser()
    if not path.exists():
        detail = _("there is no file %(path)s; nothing was sent", path=words.value(str(path)))
        hint = _("Look at its name; a path begins in the folder where this program was started, or with / or ~.")
        raise SpokenError(detail, hint, Code.NOT_FOUND)
    circle = shown_as(feed.room, shown.readers)
    attach = partial(
        feed.room.attach, path, label=draft.label, pap=draft.pap, precedence=draft.precedence, circle=circle
    )

    async def work(tell: Tell) -> str:
        # Sealed when this returns: the file may go, and what is cut off goes on by itself.
        await attach(timeout_s=None, tell=tell)
        return _("Sealed. It stands in the room when all of it is uploaded.")

    return Takes(title=_("Sealing %(name)s", name=words.value(path.name)), work=work, local=True)


def _file_in_sight(feed: Feed, seen: Situation) -> Message:
    """The message with a file that is meant without a word: the marked one, else the newest."""
    with_files = [one for one in feed.window.messages if isinstance(one.body, File)]
    if not with_files:
        hint = _("Mark it, or write the first digits of its message behind /save.")
        raise SpokenError(_("there is no file in sight"), hint, Code.NOT_FOUND)
    return next((one for one in with_files if one.id == seen.answering), with_files[-1])


def _save(feed: Feed, message: Message, named: str) -> Takes:
    folder = Path(named or ".").expanduser()
    if not folder.is_dir():
        detail = _("there is no folder %(path)s; nothing was saved", path=words.value(str(folder)))
        raise SpokenError(detail, _("Write the path of one that is there behind /save."), Code.NOT_FOUND)
    name = message.body.safe_name if isinstance(message.body, File) else _("a file")

    async def work(tell: Tell) -> str:
        made = await feed.room.save(message, folder, timeout_s=_STALL_S, tell=tell)
        return _("Saved as %(path)s.", path=words.value(str(made.resolve())))

    return Takes(title=_("Fetching %(name)s", name=words.value(name)), work=work)


def _export(watch: Watch, room: Room, named: str) -> Takes:
    async def work(_tell: Tell) -> str:
        path, told = await export(room, named, watch.zone)
        written = _("Written to %(path)s, for your eyes alone.", path=words.value(str(path)))
        return f"{written} {told}"

    return Takes(title=_("Writing the report"), work=work, local=True)
