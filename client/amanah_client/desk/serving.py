"""The desk on its place: offered, served, locked when nobody uses it, and gone with the program."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from amanah_client.desk.app import Lock, make_app
from amanah_client.desk.desk import Desk
from amanah_client.desk.ringing import terminal_bell
from amanah_client.desk.wire import MAX_FRAME_BYTES
from amanah_client.home import check_passphrase, has_passphrase
from amanah_client.language import Language
from amanah_client.listener import serve
from amanah_client.sdk import Client
from amanah_client.together import until_one_ends
from amanah_client.web.launch import Launch, asked_by_enter
from amanah_client.web.place import NAME_BYTES, open_place
from amanah_client.web.sessions import Sessions, running_s

MAX_CONNECTIONS: Final = 32
LAUNCH_FILE: Final = "desk.html"


async def run(
    client: Client,
    tell: Callable[[str], None],
    opened: Callable[[str, str], None],
    *,
    lock_minutes: int,
    usual: Language | None = None,
    bell: Callable[[], None] = terminal_bell,
) -> None:
    """Serve until the program is ended.

    Args:
        client: The open client.
        tell: Where a line goes that the user should see.
        opened: Told the link, and the file that leads a browser to it.
        lock_minutes: After how long without use the page locks.
        usual: The language of the page, for whoever has chosen none there; None leaves it to the browser.
        bell: Sounds while something rings and no page can.

    Raises:
        OperationalError: `ADDRESS_IN_USE`, `STORE` or `DISK_FULL`.
    """
    home = client.profile.home
    place = open_place(secrets.token_bytes(NAME_BYTES), "desk")
    sessions = Sessions(running_s, secrets.token_bytes, idle_s=60 * lock_minutes)
    path = home.path / LAUNCH_FILE
    launch = Launch(place, sessions, path, tell)
    check = (lambda passphrase: check_passphrase(home, passphrase)) if has_passphrase(home) else None
    desk = Desk(client)
    lock = Lock(minutes=lock_minutes, check=check)
    app = make_app(desk, place, sessions, launch, lock, usual, now_s=running_s, random=secrets.token_bytes, tell=tell)
    serving = serve(
        app,
        place.sockets,
        ready=lambda: opened(launch.offer(), path.as_uri()),
        max_connections=MAX_CONNECTIONS,
        websockets="websockets-sansio",
        max_message_bytes=MAX_FRAME_BYTES,
    )
    try:
        with asked_by_enter(lambda: tell(f"a new link, which works once: {launch.offer()}")):
            await until_one_ends(serving, desk.run(), desk.ringer.run(bell, tell))
    finally:
        launch.withdraw()
