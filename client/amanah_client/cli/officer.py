"""`amanah chat`: the officers' terminal."""

from __future__ import annotations

import sys

from amanah_client.cli import opening
from amanah_client.cli.asking import find_room
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.sdk import Client
from amanah_client.terminal.app import Terminal
from amanah_protocol.errors import Code, UsageError


def chat(room: str | None = None, /, *, common: Options = DEFAULTS) -> None:
    """Work in rooms on a terminal: conversation, board, and what is written, while it arrives.

    F1 shows the keys, / the commands. It needs 60 columns and 16 lines, and has all it shows side by side from 130
    columns on. NO_COLOR takes the colours away; AMANAH_LANG, or the profile, chooses the language.

    Example: amanah chat "Phishing wave"

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id; the one with the newest entry when it is left out.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        hint = "Programs use `amanah tail --json`, `amanah read --json` and `amanah send`."
        raise UsageError(Code.USAGE, "this is for a person at a terminal", hint=hint)

    async def work(client: Client) -> None:
        if room is not None:
            await find_room(client, room, common)
        terminal = Terminal(client, room)
        await terminal.run_async()
        if terminal.fault is not None:
            raise terminal.fault

    opening.with_client(common, work)
