"""Who is let in: one link, once, until nobody has used it for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from amanah_client.web.sessions import IDLE_S, TOKEN_BYTES, Sessions
from tests.vectors import examples as x


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    numbers: Iterator[int] = iter(range(100))
    random: Callable[[int], bytes] = lambda length: x.fixed(f"random {next(numbers)}", length)  # noqa: E731 - a short source of randomness
    return Sessions(clock, random)


def enter(sessions: Sessions) -> str:
    cookie = sessions.take_up(sessions.offer())
    assert cookie is not None
    return cookie


def test_an_offered_token_is_exchanged_for_a_cookie_that_admits(sessions: Sessions) -> None:
    token = sessions.offer()
    assert sessions.is_open
    cookie = sessions.take_up(token)
    assert cookie is not None
    assert cookie != token
    assert len(cookie) >= TOKEN_BYTES
    assert sessions.admits(cookie)
    assert not sessions.is_open


def test_a_token_is_taken_up_once(sessions: Sessions) -> None:
    token = sessions.offer()
    assert sessions.take_up(token) is not None
    assert sessions.take_up(token) is None


@pytest.mark.parametrize("token", ["", "x", "\udcff"])
def test_another_token_lets_nobody_in(sessions: Sessions, token: str) -> None:
    sessions.offer()
    assert sessions.take_up(token) is None
    assert sessions.is_locked


def test_nothing_lets_anybody_in_before_an_offer(sessions: Sessions) -> None:
    assert sessions.take_up("") is None
    assert not sessions.admits("")


def test_a_newer_offer_voids_the_one_before(sessions: Sessions) -> None:
    first, second = sessions.offer(), sessions.offer()
    assert sessions.take_up(first) is None
    assert sessions.take_up(second) is not None


def test_whoever_comes_in_later_ends_the_session_before(sessions: Sessions) -> None:
    first = enter(sessions)
    second = enter(sessions)
    assert not sessions.admits(first)
    assert sessions.admits(second)


def test_an_offer_alone_does_not_end_the_session(sessions: Sessions) -> None:
    cookie = enter(sessions)
    sessions.offer()
    assert sessions.admits(cookie)


def test_a_session_ends_that_was_not_used_for_too_long(sessions: Sessions, clock: Clock) -> None:
    cookie = enter(sessions)
    clock.now_s += IDLE_S
    assert sessions.admits(cookie)
    clock.now_s += IDLE_S + 1
    assert not sessions.admits(cookie)
    clock.now_s -= 2 * IDLE_S
    assert not sessions.admits(cookie)


def test_use_keeps_a_session(sessions: Sessions, clock: Clock) -> None:
    cookie = enter(sessions)
    for _ in range(5):
        clock.now_s += IDLE_S - 1
        assert sessions.admits(cookie)


def test_a_wrong_cookie_does_not_keep_a_session(sessions: Sessions, clock: Clock) -> None:
    cookie = enter(sessions)
    clock.now_s += IDLE_S - 1
    assert not sessions.admits("x")
    clock.now_s += 2
    assert not sessions.admits(cookie)


def test_locking_ends_the_session(sessions: Sessions) -> None:
    cookie = enter(sessions)
    sessions.lock()
    assert sessions.is_locked
    assert not sessions.admits(cookie)
