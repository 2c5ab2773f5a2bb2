"""What the roster says of where this relay is reached, beside where it listens."""

from __future__ import annotations

from collections.abc import Iterator

from amanah_protocol.addresses import Address, parse_address
from amanah_protocol.errors import UsageError
from amanah_protocol.roster import Relay


def dialled_addresses(named: Relay) -> frozenset[str]:
    """host:port of each address that the roster names, as clients sign it."""
    return frozenset(address.dialled for address in _addresses(named))


def port_warning(named: Relay, port: int) -> str | None:
    """Why nobody may reach a relay that listens on this port; None where an address of the roster has it.

    No error: a proxy in front may listen on the address and lead to another port.
    """
    if any(address.port == port for address in _addresses(named)):
        return None
    known = ", ".join(named.addresses) or "no address"
    return (
        f"port {port} is listened on, and the roster names {known} for this relay: unless something in front of it "
        "leads there, no client reaches it; set [listen] port in relay.toml"
    )


def _addresses(named: Relay) -> Iterator[Address]:
    for text in named.addresses:
        try:
            yield parse_address(text)
        except UsageError:
            # A signed roster is not to be mended here; clients refuse the address, and `amanah doctor` names it.
            continue
