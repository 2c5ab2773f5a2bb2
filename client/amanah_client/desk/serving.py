"""The desk on its place: served, locked when nobody uses it, and gone with the program."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from amanah_client.desk.app import make_app
from amanah_client.desk.desk import Desk
from amanah_client.desk.ringing import terminal_bell
from amanah_client.desk.wire import MAX_FRAME_BYTES
from amanah_client.home import check_passphrase, has_passphrase
from amanah_client.language import Language
from amanah_client.listener import serve
from amanah_client.sdk import Client
from amanah_client.together import until_one_ends
from amanah_client.web.launch import Launch, asked_by_enter
from amanah_client.web.sessions import running_s

MAX_CONNECTIONS: Final = 32


async def run(
    client: Client,
    launch: Launch,
    tell: Callable[[str], None],
    *,
    usual: Language | None = None,
    bell: Callable[[], None] = terminal_bell,
) -> None:
    """Serve until the program is ended.

    Args:
        client: The open client.
        launch: The way in, with what it listens on.
        tell: Where a line goes that the user should see.
        usual: The language of the page, for whoever has chosen none there; None leaves it to the browser.
        bell: Sounds while something rings and no page can.

    Raises:
        OperationalError: `STORE` or `DISK_FULL`.
    """
    home = client.profile.home
    check = (lambda passphrase: check_passphrase(home, passphrase)) if has_passphrase(home) else None
    desk = Desk(client)
    app = make_app(desk, launch, check, usual, now_s=running_s, random=secrets.token_bytes, tell=tell)
    serving = serve(
        app,
        launch.place.sockets,
        max_connections=MAX_CONNECTIONS,
        websockets="websockets-sansio",
        max_message_bytes=MAX_FRAME_BYTES,
    )
    with asked_by_enter(lambda: tell(f"a new link, which works once: {launch.offer()}")):
        await until_one_ends(serving, desk.run(), desk.ringer.run(bell, tell))
