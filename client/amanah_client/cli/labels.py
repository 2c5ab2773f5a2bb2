"""`amanah relabel`, `forward` and `grant`: another label, a message in another room, history for who came later."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from amanah_client.cli import opening, questions, terminal
from amanah_client.cli.asking import find_message, find_room, settle, show_outcome
from amanah_client.cli.showing import short
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.composing import names
from amanah_client.history import UNREADABLE
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.language.errors import SpokenError
from amanah_client.sdk import Client
from amanah_protocol.errors import Code
from amanah_protocol.types import EnvelopeId

Flag = Annotated[bool, Parameter(negative="")]


def relabel(room: str, message: str, label: str, /, *, yes: Flag = False, common: Options = DEFAULTS) -> None:
    """Change the label of a message. Everybody sees who did it, and ways out go by the new one from then on.

    Everybody raises a label. Its author lowers it, or, where it was not sent as TLP:RED, an officer of the author's
    organisation.

    Example: amanah relabel "Phishing wave" 3fa9c1d2 TLP:AMBER+STRICT

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    message
        The message's id, or first digits of it, as `read` shows them.
    label
        The label that it gets.
    yes
        Do not ask when it is lowered.
    """
    new = names.label(label)

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        found = await find_message(client, into, message, common)
        change = into.relabelling(found, new)
        if change.new < change.old:
            named = {"message": short(found.id), "old": change.old.text, "new": new.text}
            isolates = {name: isolate(value) for name, value in named.items()}
            lowered = _("Lowering %(message)s from %(old)s to %(new)s lets it go further", **isolates)
            questions.confirm(lowered, new.text, yes=yes)
        for action in change.actions:
            show_outcome(await settle(client, action, common), common)

    opening.with_client(common, work)


def forward(
    room: str,
    message: str,
    /,
    *,
    to: Annotated[str, Parameter(name="--to")],
    label: str | None = None,
    remark: Annotated[str, Parameter(name="--note")] = "",
    common: Options = DEFAULTS,
) -> None:
    """Quote a message's text into another room, with where it comes from. Its own room sees that it was.

    Example: amanah forward "Phishing wave" 3fa9c1d2 --to "Payment portals" --note "The same sender?"

    Parameters
    ----------
    room
        The room that it stands in: its title, its id, or first digits of the id.
    message
        The message's id, or first digits of it, as `read` shows them.
    to
        The room that it goes into, likewise.
    label
        Its label there; the one that it has now when it is left out, and never a lower one.
    remark
        What you say of it there.
    """
    asked = None if label is None else names.label(label)

    async def work(client: Client) -> None:
        outof, into = await find_room(client, room, common), await find_room(client, to, common)
        found = await find_message(client, outof, message, common)
        action = outof.forwarding(found, to=into, label=asked, note=remark)
        show_outcome(await settle(client, action, common), common)

    opening.with_client(common, work)


def grant(
    room: str,
    /,
    *,
    to: Annotated[str, Parameter(name="--to")],
    since: str,
    until: str | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Give messages from before they came to members of a room. Everybody in the room, and auditors, see who gave what.

    What its label keeps from them is left out, and said.

    Example: amanah grant "Phishing wave" --to cert.example.sn --since 3fa9c1d2

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    to
        Whom it is for, in the room: an organisation, a name, or first digits of a device's id.
    since
        The first message, by its id or first digits of it, as `read` shows them.
    until
        The last message, likewise; the newest when it is left out.
    """

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        begin = await find_message(client, into, since, common)
        end = None if until is None else await find_message(client, into, until, common)
        last = into.row.head_seq if end is None else end.room_seq or 0
        plan = into.granting(begin.room_seq or 0, last, into.find_members(to))
        for envelope, reason in plan.left_out:
            terminal.say(_left_out(envelope, reason))
        if not plan.grants:
            raise SpokenError(_("there is nothing to give"), _("Begin at an earlier message."), Code.NOT_FOUND)
        for part in plan.grants:
            show_outcome(await settle(client, part, common), common)

    opening.with_client(common, work)


def _left_out(envelope: EnvelopeId, reason: str) -> str:
    message = isolate(short(envelope))
    if reason == UNREADABLE:
        return _("left out: %(message)s, it cannot be read here", message=message)
    # The rule itself is what an error says, in English.
    return _("left out: %(message)s, its label keeps it back: %(rule)s", message=message, rule=isolate(reason))
