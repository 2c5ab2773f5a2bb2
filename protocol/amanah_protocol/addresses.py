"""A relay's address, as it stands in card and roster and as both sides sign it in the login."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from amanah_protocol.errors import Code, UsageError

_DEFAULT_PORTS: Final = {"ws": 80, "wss": 443}
_MAX_PORT: Final = 65_535
_FORM: Final = re.compile(r"(wss?)://(?:\[([0-9a-f:.]+)\]|([^\s/?#@:\[\]]+))(?::([0-9]{1,5}))?/?", re.IGNORECASE)
"""No path and no user: the login signs host and port alone."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a relay is reached.

    Attributes:
        url: `wss://host:port` or, on loopback only, `ws://host:port`.
        dialled: host:port, as both sides sign it.
        secure: Whether TLS is used.
    """

    url: str
    dialled: str
    secure: bool

    @property
    def port(self) -> int:
        """The port, that of the scheme where none is written."""
        return int(self.dialled.rpartition(":")[2])


def parse_address(url: str) -> Address:
    """Check a relay's address.

    Raises:
        UsageError: `CONFIG` for another form, or for `ws://` to anything but loopback.
    """
    match = _FORM.fullmatch(url)
    if match is None:
        raise UsageError(Code.CONFIG, f"{url!r} is not a relay's address (wss://host:port)")
    scheme, numbers, name, digits = match.groups()
    host = (numbers or name).lower()
    port = int(digits) if digits else _DEFAULT_PORTS[scheme.lower()]
    if not 0 < port <= _MAX_PORT:
        raise UsageError(Code.CONFIG, f"{url!r} is not a relay's address: there is no port {port}")
    secure = scheme.lower() == "wss"
    if not secure and not _is_loopback(host):
        raise UsageError(Code.CONFIG, f"{url!r}: without TLS a relay is reached on loopback only (wss://host:port)")
    return Address(url=url, dialled=f"[{host}]:{port}" if numbers else f"{host}:{port}", secure=secure)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
