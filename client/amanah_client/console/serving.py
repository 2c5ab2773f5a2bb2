"""The console on its place: offered, served, locked when nobody uses it, and gone with the program."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from amanah_client.console.app import Owner, make_app
from amanah_client.console.state import Console
from amanah_client.language import Language
from amanah_client.listener import serve
from amanah_client.web.launch import Launch, asked_by_enter
from amanah_client.web.place import NAME_BYTES, open_place
from amanah_client.web.sessions import Sessions, running_s

MAX_HEAD_BYTES: Final = 64 * 1024
"""A pasted receipt stands in the address."""
MAX_CONNECTIONS: Final = 64
LAUNCH_FILE: Final = "console.html"


async def run(
    console: Console,
    owner: Owner,
    tell: Callable[[str], None],
    opened: Callable[[str, str], None],
    usual: Language | None = None,
) -> None:
    """Serve until the program is ended.

    Args:
        console: Whose copy is verified as soon as pages can be asked for.
        owner: Whose it is.
        tell: Where a line goes that the user should see.
        opened: Told the link, and the file that leads a browser to it.
        usual: The language of the pages, for whoever has chosen none there; None leaves it to the browser.

    Raises:
        OperationalError: `ADDRESS_IN_USE`, `STORE` or `DISK_FULL`.
    """
    place = open_place(secrets.token_bytes(NAME_BYTES), "audit")
    sessions = Sessions(running_s, secrets.token_bytes)
    path = console.profile.home.path / LAUNCH_FILE
    launch = Launch(place, sessions, path, tell)
    app = make_app(console, owner, place, sessions, launch, usual)

    def offer() -> None:
        opened(launch.offer(), path.as_uri())

    def ready() -> None:
        console.verify()
        offer()

    try:
        with asked_by_enter(lambda: tell(f"a new link, which works once: {launch.offer()}")):
            await serve(
                app,
                place.sockets,
                ready=ready,
                max_connections=MAX_CONNECTIONS,
                max_head_bytes=MAX_HEAD_BYTES,
                websockets="none",
            )
    finally:
        launch.withdraw()
