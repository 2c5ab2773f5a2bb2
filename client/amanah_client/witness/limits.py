"""What one address may ask for: a bucket of requests that fills again, kept for so many addresses at most."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

PER_SECOND: Final = 20
AT_ONCE: Final = 100
"""A log asks every half minute, or for each thousand leaves."""
MAX_NETWORKS: Final = 4_096
_IPV6_PREFIX: Final = 64


class Rate:
    """Counts requests by network: an address of IPv4, the /64 of IPv6."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """Begin with full buckets.

        Args:
            now_s: A clock that only goes forward, in seconds.
        """
        self._now_s = now_s
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, host: str) -> bool:
        """Whether this address may ask now. Loopback may always: behind a proxy, everybody is there."""
        network = _network(host)
        if network is None:
            return True
        now_s = self._now_s()
        left, at_s = self._buckets.pop(network, (float(AT_ONCE), now_s))
        left = min(float(AT_ONCE), left + (now_s - at_s) * PER_SECOND)
        allowed = left >= 1
        self._buckets[network] = (left - 1 if allowed else left, now_s)
        if len(self._buckets) > MAX_NETWORKS:
            # Who has been silent for the longest has a bucket that is nearly full.
            self._buckets.popitem(last=False)
        return allowed


def _network(host: str) -> str | None:
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)
