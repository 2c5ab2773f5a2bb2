"""The desk on its place: served, locked when nobody uses it, and gone with the program."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import TYPE_CHECKING, Final

from amanah_client.desk.app import make_app
from amanah_client.desk.places import MAX_FRAME_BYTES
from amanah_client.home import Home, check_passphrase, has_passphrase
from amanah_client.language import Language
from amanah_client.listener import serve
from amanah_client.together import until_one_ends
from amanah_client.web.launch import Launch, asked_by_enter
from amanah_client.web.sessions import running_s

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from amanah_client.sdk import Client

MAX_CONNECTIONS: Final = 32


def terminal_bell() -> None:
    """Ring the bell of the terminal that the program runs in, if it runs in one."""
    if sys.stderr.isatty():
        sys.stderr.write("\a")
        sys.stderr.flush()


async def run(
    home: Home,
    open_client: Callable[[], AbstractAsyncContextManager[Client]],
    launch: Launch,
    tell: Callable[[str], None],
    *,
    usual: Language | None = None,
    bell: Callable[[], None] = terminal_bell,
) -> None:
    """Serve until the program is ended. A browser loads the page while all that works in rooms is loaded here.

    Args:
        home: Where the profile is.
        open_client: Opens its client.
        launch: The way in, with what it listens on.
        tell: Where a line goes that the user should see.
        usual: The language of the page, for whoever has chosen none there; None leaves it to the browser.
        bell: Sounds while something rings and no page can.

    Raises:
        OperationalError: `STORE` or `DISK_FULL`.
    """
    check = (lambda passphrase: check_passphrase(home, passphrase)) if has_passphrase(home) else None
    begun: asyncio.Future[ASGIApp] = asyncio.get_running_loop().create_future()
    serving = serve(
        make_app(begun, launch, check, usual, now_s=running_s, tell=tell),
        launch.place.sockets,
        max_connections=MAX_CONNECTIONS,
        websockets="websockets-sansio",
        max_message_bytes=MAX_FRAME_BYTES,
    )

    async def work() -> None:
        await asyncio.to_thread(import_module, "amanah_client.desk.rooms")
        from amanah_client.desk import rooms  # noqa: PLC0415 - it was loaded beside

        async with open_client() as client:
            await rooms.run(client, launch.sessions, begun.set_result, bell=bell, tell=tell)

    with asked_by_enter(lambda: tell(f"a new link, which works once: {launch.offer()}")):
        await until_one_ends(serving, work())
