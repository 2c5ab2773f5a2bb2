"""Which addresses of a relay are taken, and what of them both sides sign."""

from __future__ import annotations

import pytest

from amanah_protocol.addresses import parse_address
from amanah_protocol.errors import Code, UsageError


@pytest.mark.parametrize(
    ("url", "dialled", "secure"),
    [
        ("wss://relay.example.org:8443", "relay.example.org:8443", True),
        ("wss://relay.example.org", "relay.example.org:443", True),
        ("wss://[2001:db8::1]:8443", "[2001:db8::1]:8443", True),
        ("ws://127.0.0.1:8443", "127.0.0.1:8443", False),
        ("ws://[::1]:8443", "[::1]:8443", False),
        ("ws://localhost", "localhost:80", False),
        ("WSS://Relay.Example.org:8443/", "relay.example.org:8443", True),
    ],
)
def test_an_address_says_what_both_sides_sign(url: str, dialled: str, *, secure: bool) -> None:
    address = parse_address(url)
    assert (address.url, address.dialled, address.secure) == (url, dialled, secure)
    assert address.port == int(dialled.rsplit(":", maxsplit=1)[-1])


@pytest.mark.parametrize(
    "url",
    [
        "https://relay.example.org",
        "relay.example.org:8443",
        "127.0.0.1:80",
        "wss://",
        "",
        "wss://r.example:0",
        "wss://r.example:65536",
        "wss://r.example:1234567",
        "wss://u@r.example",
        "wss://r.example/p",
        "wss://r.example?q",
    ],
)
def test_what_is_no_websocket_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(url)
    assert caught.value.code is Code.CONFIG


@pytest.mark.parametrize("host", ["relay.example.org", "192.0.2.1", "localhost.example.org"])
def test_without_tls_nothing_but_loopback_is_dialled(host: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(f"ws://{host}:8443")
    assert caught.value.code is Code.CONFIG
