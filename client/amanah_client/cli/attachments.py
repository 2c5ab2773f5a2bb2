"""`amanah attach`, `files` and `save`: hand a file over, see which there are, save one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from amanah_client.cli import opening, terminal
from amanah_client.cli.asking import catch_up, find_room, look, show_outcome
from amanah_client.cli.files import File as FileName
from amanah_client.cli.progress import Progress, progress
from amanah_client.cli.rooms import explain_status
from amanah_client.cli.showing import DRILL, party_json, remark_of, short, who, withdrawal_json
from amanah_client.cli.terminal import DEFAULTS, Options, clock, iso, single
from amanah_client.composing import names
from amanah_client.files import RoomFile, follow
from amanah_client.language import gettext as _
from amanah_client.language import ngettext
from amanah_client.model import Intent, IntentState
from amanah_client.reading import Since
from amanah_client.room import Room
from amanah_client.saying import unusual
from amanah_client.sdk import Client
from amanah_client.taken_back import since
from amanah_protocol.errors import AmanahError, Code, UsageError

Flag = Annotated[bool, Parameter(negative="")]


def attach(
    room: str,
    file: FileName,
    /,
    *,
    text: str = "",
    label: str | None = None,
    sample: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Hand over a file of up to 2 GiB. It is sealed here first; without the relay it is kept, and goes out by itself.

    Example: amanah attach "Phishing wave" capture.pcap --text "From the mail gateway"

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    file
        The file.
    text
        What to say of it.
    label
        Its label; the room's ceiling by default.
    sample
        It may be harmful: receivers save it in a container alone.
    """
    asked = None if label is None else names.label(label)

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        while (successor := into.successor) is not None:
            terminal.say(_("%(status)s, and so does this file", status=explain_status(into)))
            into = successor
        with progress(_("bytes sealed")) as shown:
            intent = await into.attach(file, text=text, label=asked, sample=sample, timeout_s=None, tell=shown.advance)
        with progress(_("bytes sent")) as shown:
            intent = await _outcome(client, intent, shown, common)
        show_outcome(intent, common)

    opening.with_client(common, work)


async def _outcome(client: Client, intent: Intent, shown: Progress, common: Options) -> Intent:
    """Wait as long as something moves; what is only kept for now is shown as such before the error."""
    try:
        return await follow(client, intent, common.timeout, shown.advance, patience=Client.PATIENCE)
    except AmanahError:
        shown.end()
        kept = client.intent(intent.id)
        if kept.state is not IntentState.FAILED:
            show_outcome(kept, common)
        raise


def files(room: str, /, *, offline: Flag = False, common: Options = DEFAULTS) -> None:
    """List the files of a room: when, label, size, hash, who, name, and how each stands.

    A file is sending (on its way to the room), sent, here (all of it fetched), erased or unreadable.

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    offline
        Show what is stored, without connecting.
    """

    def show(client: Client) -> None:
        inside = client.room(room)
        found = inside.files()
        became = since(inside, [file.message for file in found])
        if common.json:
            terminal.show_json([_json(file, inside, became[file.message.id]) for file in found])
            return
        for file in found:
            terminal.show(_line(file, inside, became[file.message.id]))
        if not found:
            terminal.say(_("no files"))

    look(common, show, offline=offline)


def save(
    room: str,
    file: str,
    /,
    *,
    to: Path = Path(),
    container: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Fetch a file, verify it, and save it under its own name made safe; nothing is overwritten, opened or run.

    A sample is saved in a container alone: a ZIP archive that is encrypted (AES) with the password `infected`.

    Example: amanah save "Phishing wave" 3f2a9c --to evidence

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    file
        The id of its message, or first digits of it, as `amanah files` shows it.
    to
        The folder where it goes; the current one by default.
    container
        Save it in a container although it is no sample.
    """

    async def work(client: Client) -> None:
        inside = await find_room(client, room, common)
        message = await _find(client, inside, file, common)
        with progress(_("bytes fetched")) as shown:
            made = await inside.save(
                message.message, to, container=container, timeout_s=common.timeout, tell=shown.advance
            )
        if common.json:
            became = since(inside, [message.message])[message.message.id]
            terminal.show_line({**_json(message, inside, became), "path": str(made)})
        else:
            terminal.show(_("saved  %(path)s", path=single(str(made))))

    opening.with_client(common, work)


async def _find(client: Client, room: Room, reference: str, common: Options) -> RoomFile:
    """The file that is meant; one that is not known yet may be known after catching up."""
    wanted = reference.strip().lower()
    hint = "`amanah files ROOM` shows each one's id."
    if len(wanted) < Client.PREFIX_MIN:
        raise UsageError(Code.NOT_FOUND, f"name a file by at least {Client.PREFIX_MIN} digits of its id", hint=hint)
    if not _begin_so(room, wanted) and (problem := await catch_up(client, common)) is not None:
        raise problem
    found = _begin_so(room, wanted)
    if len(found) != 1:
        raise UsageError(Code.NOT_FOUND, f"{len(found)} files begin with {reference!r}", hint=hint)
    return found[0]


def _begin_so(room: Room, digits: str) -> list[RoomFile]:
    return [file for file in room.files() if file.message.id.hex().startswith(digits)]


def _line(found: RoomFile, room: Room, made: Since) -> str:
    message, file = found.message, found.file
    label, pap = room.limits_of(message)
    drill = DRILL if message.drill else ""
    head = f"{short(message.id)}  {clock(message.sent_at_ms)}  {drill}{label.text:<17}"
    allowed = f" [{mark}]" if (mark := unusual(pap)) else ""
    allowed += remark_of(made)
    if file is None:
        return f"{head}  {found.state:<9}  {who(message.sender)}"
    sample = " " + _("(sample)") if file.sample else ""
    said = f": {single(file.text)}" if file.text else ""
    size = ngettext("%(count)s byte", "%(count)s bytes", file.size)
    what = f"{single(file.name)}{sample}, {size}, SHA-256 {file.digest.hex()}"
    return f"{head}  {found.state:<9}  {who(message.sender)}{allowed}  {what}{said}"


def _json(found: RoomFile, room: Room, made: Since) -> dict[str, object]:
    message, file = found.message, found.file
    label, pap = room.limits_of(message)
    return {
        "id": message.id.hex(),
        "room": message.room.hex(),
        "room_seq": message.room_seq,
        "drill": message.drill,
        "state": found.state,
        "sender": party_json(message.sender),
        "label": label.text,
        "sent_label": message.label.text,
        "pap": None if pap is None else pap.text,
        "sent_pap": None if message.pap is None else message.pap.text,
        "sent_at": iso(message.sent_at_ms),
        "attachment": found.attachment.hex(),
        "name": None if file is None else file.name,
        "safe_name": None if file is None else file.safe_name,
        "type": None if file is None else file.type,
        "size": None if file is None else file.size,
        "sha256": None if file is None else file.digest.hex(),
        "sample": None if file is None else file.sample,
        "text": None if file is None else file.text,
        "withdrawn": withdrawal_json(made.withdrawn),
    }
