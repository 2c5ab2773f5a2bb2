"""`amanah desk`: the officers' desk in a browser of this machine."""

from __future__ import annotations

import os
from typing import Annotated, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from amanah_client.cli import opening
from amanah_client.cli.browsing import show_link
from amanah_client.cli.terminal import DEFAULTS, Options, say
from amanah_client.language import of_program
from amanah_client.web.launch import offered

FORMAT: Final = 1


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
    with opening.profile(common) as own, offered("desk", own.home.path, say, idle_s=60 * lock_after) as way:
        show_link(way, common, face="desk", form=FORMAT, browser=browser)
        from amanah_client.desk.serving import run  # noqa: PLC0415 - who waits for the link does not wait for this

        usual = of_program(os.environ, own.home.path)
        opening.ended_in_order(run(own.home, lambda: opening.client_of(own), way, say, usual=usual))
