"""`amanah desk`: the officers' desk in a browser of this machine."""

from __future__ import annotations

import os
import webbrowser
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from amanah_client.cli import opening, terminal
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.desk.serving import run
from amanah_client.language import of_program
from amanah_client.sdk import Client

FORMAT = 1


def desk(
    *,
    browser: Annotated[bool | None, Parameter(negative="--no-browser")] = None,
    lock_after: Annotated[int, Parameter(validator=Number(gte=1, lte=480))] = 15,
    common: Options = DEFAULTS,
) -> None:
    """Open the officers' desk in a browser on this machine: rooms, conversation, incident board.

    Nothing is loaded from elsewhere; the page talks to this program alone. The link works once, for this machine's
    browser alone; Enter makes a new one, Ctrl-C ends it all.

    Parameters
    ----------
    browser
        Whether to open the link in a browser; by default where there is a desktop.
    lock_after
        Minutes without use after which the page is locked, and its content gone from the browser.
    """
    wanted = browser if browser is not None else terminal.has_desktop()

    def opened(link: str, leading: str) -> None:
        if common.json:
            terminal.show_line({"format": FORMAT, "link": link})
        else:
            terminal.show(link)
            terminal.say("open this link in a browser of this machine; it works once")
            terminal.say("Enter makes a new link, Ctrl-C ends the desk")
        if wanted:
            # What a browser is started with can be read by every user of this machine: a file leads it to the link.
            webbrowser.open(leading)

    async def work(client: Client) -> None:
        usual = of_program(os.environ, client.profile.home.path)
        await run(client, terminal.say, opened, lock_minutes=lock_after, usual=usual)

    opening.with_client(common, work)
