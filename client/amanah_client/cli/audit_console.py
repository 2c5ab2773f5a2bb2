"""`amanah audit console`: the examined copy as pages in the auditor's own browser."""

from __future__ import annotations

import asyncio
import os
import time
from typing import Annotated

from cyclopts import Parameter

from amanah_client.cli import audit_json, opening
from amanah_client.cli.browsing import show_link
from amanah_client.cli.terminal import DEFAULTS, Options, say
from amanah_client.commands import home_option
from amanah_client.console.app import Owner
from amanah_client.console.serving import run
from amanah_client.console.state import Console
from amanah_client.console.views import overview
from amanah_client.home import find_home
from amanah_client.language import of_program
from amanah_client.web.launch import offered
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
        with offered("console", profile.home.path, say) as launch:
            show_link(launch, common, face="console", form=audit_json.FORMAT, browser=browser)
            console = Console(profile, lambda: time.time_ns() // 1_000_000, lambda examined: overview(examined, {}))
            asyncio.run(run(console, owner, launch, say, of_program(os.environ, profile.home.path)))
