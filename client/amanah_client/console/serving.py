"""The console on its place: served, locked when nobody uses it, and gone with the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amanah_client.console.app import Owner, make_app
from amanah_client.console.state import Console
from amanah_client.language import Language
from amanah_client.listener import serve
from amanah_client.web.launch import Launch, asked_by_enter

MAX_HEAD_BYTES: Final = 64 * 1024
"""A pasted receipt stands in the address."""
MAX_CONNECTIONS: Final = 64


async def run(
    console: Console,
    owner: Owner,
    launch: Launch,
    tell: Callable[[str], None],
    usual: Language | None = None,
) -> None:
    """Serve until the program is ended.

    Args:
        console: Whose copy is verified as soon as pages can be asked for.
        owner: Whose it is.
        launch: The way in, with what it listens on.
        tell: Where a line goes that the user should see.
        usual: The language of the pages, for whoever has chosen none there; None leaves it to the browser.

    Raises:
        OperationalError: `STORE` or `DISK_FULL`.
    """
    with asked_by_enter(lambda: tell(f"a new link, which works once: {launch.offer()}")):
        await serve(
            make_app(console, owner, launch, usual),
            launch.place.sockets,
            ready=console.verify,
            max_connections=MAX_CONNECTIONS,
            max_head_bytes=MAX_HEAD_BYTES,
            websockets="none",
        )
