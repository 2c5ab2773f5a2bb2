"""Shows the link of a face that stands in a browser, and opens it there."""

from __future__ import annotations

import webbrowser
from threading import Thread

from amanah_client.cli import terminal
from amanah_client.cli.terminal import Options
from amanah_client.web.launch import Launch


def show_link(launch: Launch, common: Options, *, face: str, form: int, browser: bool | None) -> None:
    """Offer a link, and say how it is used.

    Args:
        launch: The way in.
        common: The command's options.
        face: What Ctrl-C ends.
        form: The `format` of what is shown as JSON.
        browser: Whether a browser is opened, too; None where there is a desktop.
    """
    link = launch.offer()
    if common.json:
        terminal.show_line({"format": form, "link": link})
    else:
        terminal.show(link)
        terminal.say("open this link in a browser of this machine; it works once")
        terminal.say(f"Enter makes a new link, Ctrl-C ends the {face}")
    if terminal.has_desktop() if browser is None else browser:
        # What a browser is started with can be read by every user of this machine: a file leads it to the link.
        # One on the console is waited for, and itself waits for the face, which is not served before this returns.
        Thread(target=webbrowser.open, args=(launch.leading,), daemon=True).start()
