"""`amanah disclose`: one message, with proof, for somebody outside its room."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from amanah_client import actions
from amanah_client.cli import files, opening, terminal
from amanah_client.cli.asking import await_outcome, find_message, settle
from amanah_client.cli.files import File
from amanah_client.cli.showing import short
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.outcome import result_of
from amanah_client.sdk import Client
from amanah_protocol.cards import Armour, armour


def disclose(
    message: str,
    /,
    *,
    to: Annotated[str, Parameter(name="--to")],
    out: File | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Disclose one message: anybody can check the file offline, and no other message is opened.

    That it was disclosed, and to whom, is logged first, and every member and auditor sees it.

    Example: amanah disclose 3fa9c1d2 --to "Court of cassation" --out evidence.txt

    Parameters
    ----------
    message
        Its id, or first digits of it, as `amanah read` shows them.
    to
        Who receives it; stands in the record.
    out
        Where to write the disclosure; standard output by default.
    """
    files.check_new(out)

    async def work(client: Client) -> None:
        chosen = await find_message(client, client, message, common)
        action = actions.Disclose(room=chosen.room, envelope=chosen.id, recipient=to)
        # Asked for before and not done yet: to ask again would record a second disclosure.
        asked = next((intent for intent in client.outbox() if intent.action == action), None)
        if asked is None:
            done = await settle(client, client.room(chosen.room).disclosure(chosen, recipient=to), common)
        else:
            done = await await_outcome(client, asked.id, common)
        files.write_file(out, armour(Armour.DISCLOSURE, result_of(done)))
        terminal.say(f"logged: {short(chosen.id)} was disclosed to {to}; `amanah audit check FILE` verifies the file")

    opening.with_client(common, work)
