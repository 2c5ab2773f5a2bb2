"""Where a face listens: loopback alone, both addresses, one port, a name that nobody else knows."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator

import pytest

from amanah_client.web.place import NAME_BYTES, Place, open_place
from amanah_protocol.errors import Code, OperationalError
from tests.protocol.refusal import refused

RANDOM = bytes(range(NAME_BYTES))


@contextlib.contextmanager
def closing(place: Place) -> Iterator[None]:
    try:
        yield
    finally:
        for opened in place.sockets:
            opened.close()


def test_it_listens_on_both_loopback_addresses_at_one_port() -> None:
    place = open_place(RANDOM, "audit")
    with closing(place):
        assert {opened.getsockname()[:2] for opened in place.sockets} <= {
            ("127.0.0.1", place.port),
            ("::1", place.port),
        }
        assert place.sockets[0].getsockname()[0] == "127.0.0.1"


def test_its_name_lies_under_localhost_and_is_not_to_be_guessed() -> None:
    place = open_place(RANDOM, "audit")
    with closing(place):
        assert place.name == "audit-00010203040506070809.localhost"
        assert place.authority == f"{place.name}:{place.port}"
        assert place.origin == f"http://{place.authority}"


@pytest.fixture
def second(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Lets the second address fail, so often."""
    opening = socket.create_server

    def fail(code: int, times: int) -> None:
        left = [times]

        def create(address: tuple[str, int], **options: int) -> socket.socket:
            if address[0] == "::1":
                if left[0]:
                    left[0] -= 1
                    raise OSError(code, "as this test wants it")
                return opening(("127.0.0.1", 0))
            return opening(address, **options)  # type: ignore[arg-type]  # as they were given

        monkeypatch.setattr(socket, "create_server", create)

    return fail


@pytest.mark.parametrize("code", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
def test_without_ipv6_there_is_no_second_address_that_anybody_could_hold(
    second: Callable[[int, int], None], code: int
) -> None:
    second(code, 1)
    place = open_place(RANDOM, "audit")
    with closing(place):
        assert len(place.sockets) == 1


def test_a_port_that_somebody_holds_on_the_other_address_is_not_taken(second: Callable[[int, int], None]) -> None:
    second(errno.EADDRINUSE, 3)
    place = open_place(RANDOM, "audit")
    with closing(place):
        assert len(place.sockets) == 2


def test_no_port_at_all_is_said(second: Callable[[int, int], None]) -> None:
    second(errno.EADDRINUSE, 1_000)
    with refused(Code.ADDRESS_IN_USE, OperationalError):
        open_place(RANDOM, "audit")
