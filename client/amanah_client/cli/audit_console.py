"""`amanah audit console`: the examined copy as pages in the auditor's own browser."""

from __future__ import annotations

import asyncio
import os
import time
import webbrowser
from typing import Annotated

from cyclopts import Parameter

from amanah_client.cli import audit_json, opening, terminal
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.commands import home_option
from amanah_client.console.app import Owner
from amanah_client.console.serving import run
from amanah_client.console.state import Console
from amanah_client.console.views import overview
from amanah_client.home import find_home
from amanah_client.language import of_program
from amanah_protocol.identity import decode_certificate


def console(
    *, browser: Annotated[bool | None, Parameter(negative="--no-browser")] = None, common: Options = DEFAULTS
) -> None:
    """Show the copy as pages in a browser on this machine, verified anew at each start.

    Nothing is loaded from elsewhere and nothing leaves this machine. The link works once, for this machine's
    browser alone; Enter makes a new one, Ctrl-C ends it all.

    Parameters
    ----------
    browser
        Whether to open the link in a browser; by default where there is a desktop.
    """
    with opening.profile(common) as profile:
        certificate = decode_certificate(profile.store.snapshot().certificate)
        usual = find_home(None).path
        owner = Owner(organisation=certificate.organisation, home=home_option(profile.home.path, usual))
        wanted = browser if browser is not None else terminal.has_desktop()

        def opened(link: str, leading: str) -> None:
            if common.json:
                terminal.show_line({"format": audit_json.FORMAT, "link": link})
            else:
                terminal.show(link)
                terminal.say("open this link in a browser of this machine; it works once")
                terminal.say("Enter makes a new link, Ctrl-C ends the console")
            if wanted:
                # What a browser is started with can be read by every user of this machine: a file leads it to the link.
                webbrowser.open(leading)

        console = Console(profile, lambda: time.time_ns() // 1_000_000, lambda examined: overview(examined, {}))
        asyncio.run(run(console, owner, terminal.say, opened, of_program(os.environ, profile.home.path)))
