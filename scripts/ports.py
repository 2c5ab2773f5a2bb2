"""Ports of loopback for programs whose address must be written down before they listen."""

import random
import socket
from typing import Final

# Below what Linux gives to outgoing connections (ip_local_port_range, from 32768): a port from there that is
# free now may be some client's own end a moment later.
_PORTS: Final = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """As many different ports that nobody listens on now."""
    free: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(free) == count:
            break
        if _is_free(port):
            free.append(port)
    return free


def free_port() -> int:
    """A port that nobody listens on now."""
    (port,) = free_ports(1)
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as opened:
        try:
            opened.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
