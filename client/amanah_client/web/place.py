"""Where a web face listens: a name of its own, on both loopback addresses, at one port that the system chooses.

Cookies know no ports: a cookie of `127.0.0.1` goes to whatever another user of this machine serves there. So
each start has a name that nobody else knows, under `localhost`, which browsers take to loopback by themselves
(RFC 6761, section 6.3). A page of another site that has its own name point here (DNS rebinding) knows it
neither.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Final

from amanah_protocol.errors import Code, OperationalError

NAME_BYTES: Final = 10
_BACKLOG: Final = 64
_TRIES: Final = 8
_NO_IPV6: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a face is reached.

    Attributes:
        name: Its host, as the only one that is answered.
        port: Its port.
        sockets: What it listens on.
    """

    name: str
    port: int
    sockets: tuple[socket.socket, ...]

    @property
    def authority(self) -> str:
        """What every request has to name as its host."""
        return f"{self.name}:{self.port}"

    @property
    def origin(self) -> str:
        """What every request that changes something has to come from."""
        return f"http://{self.authority}"


def open_place(random: bytes, face: str) -> Place:
    """Listen on both loopback addresses.

    Both, because a browser may try either first: whoever held the other at this port would be shown what is
    meant for us. Where the machine has no IPv6, nobody holds it.

    Args:
        random: `NAME_BYTES` of it.
        face: What the name begins with, for people.

    Raises:
        OperationalError: `ADDRESS_IN_USE` when no port is free on both.
    """
    for _ in range(_TRIES):
        opened = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        port = opened.getsockname()[1]
        try:
            second = socket.create_server(("::1", port), family=socket.AF_INET6, backlog=_BACKLOG)
        except OSError as error:
            if error.errno in _NO_IPV6:
                return Place(name=f"{face}-{random.hex()}.localhost", port=port, sockets=(opened,))
            opened.close()
            continue
        return Place(name=f"{face}-{random.hex()}.localhost", port=port, sockets=(opened, second))
    detail = "no port is free on both loopback addresses of this machine"
    raise OperationalError(Code.ADDRESS_IN_USE, detail, hint="Try again.")
