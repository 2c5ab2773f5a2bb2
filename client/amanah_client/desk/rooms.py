"""All of the desk that works in rooms: what its page asks for once it stands."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket

from amanah_client.desk.desk import Desk
from amanah_client.desk.files import Hatch
from amanah_client.desk.live import Live
from amanah_client.desk.places import LIVE
from amanah_client.sdk import Client
from amanah_client.together import until_one_ends
from amanah_client.web.sessions import Sessions


async def run(
    client: Client,
    sessions: Sessions,
    begun: Callable[[ASGIApp], None],
    *,
    bell: Callable[[], None],
    tell: Callable[[str], None],
) -> None:
    """Work until cancelled.

    Args:
        client: The open client.
        sessions: Who is in.
        begun: Given the application, which stands behind the desk's gate.
        bell: Sounds while something rings and no page can.
        tell: Where a line goes that the user should see.
    """
    desk = Desk(client)
    hatch = Hatch(desk, sessions, secrets.token_bytes)

    async def live(socket: WebSocket) -> None:
        await Live(desk, sessions, hatch, socket).run()

    app = Starlette(routes=[WebSocketRoute(LIVE, live), *hatch.routes])
    app.router.redirect_slashes = False
    begun(app)
    await until_one_ends(desk.run(), desk.ringer.run(bell, tell))
