from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from amanah_relay.logs import NAME, Tally, configure_logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where events go; what is global about logging is as before afterwards."""
    loggers = [logging.getLogger(name) for name in (NAME, "websockets", "websockets.server", "asyncio")]
    before = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    yield io.StringIO()
    for logger, level, propagate, handlers in before:
        logger.setLevel(level)
        logger.propagate = propagate
        logger.handlers[:] = handlers


def test_an_event_is_one_line_with_time_and_level(stream: io.StringIO) -> None:
    configure_logs("info", stream).warning("stopping sessions=%d", 3)
    line = stream.getvalue()
    assert line.endswith(" WARNING stopping sessions=3\n")
    assert line[10] == "T"
    assert line[19] == "Z"


def test_what_is_below_the_level_is_not_said(stream: io.StringIO) -> None:
    logger = configure_logs("warning", stream)
    logger.info("quiet")
    logger.warning("loud")
    assert stream.getvalue().count("\n") == 1


def test_no_text_forges_a_second_line_or_a_terminal_command(stream: io.StringIO) -> None:
    configure_logs("info", stream).info("closed %s", "a\r\n2026-01-01T00:00:00Z INFO forged \u202e\x9b")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().isascii()


def test_an_exception_stays_on_its_line(stream: io.StringIO) -> None:
    logger = configure_logs("info", stream)
    try:
        int("inside")
    except ValueError:
        logger.exception("the core failed")
    assert stream.getvalue().count("\n") == 1
    assert "inside" in stream.getvalue()


def test_libraries_do_not_log_what_any_stranger_can_provoke(stream: io.StringIO) -> None:
    configure_logs("debug", stream)
    for name in ("websockets.server", "asyncio"):
        assert not logging.getLogger(name).isEnabledFor(logging.ERROR)


def test_configuring_twice_says_nothing_twice(stream: io.StringIO) -> None:
    configure_logs("info", stream)
    configure_logs("info", stream).info("once")
    assert stream.getvalue().count("once") == 1


def test_what_peers_cause_is_counted_into_one_line(stream: io.StringIO) -> None:
    tally = Tally(configure_logs("info", stream))
    tally.flush()
    assert stream.getvalue() == ""
    for _ in range(1_000):
        tally.count("refused-at-gate")
    tally.count("closed-1009")
    tally.flush()
    assert stream.getvalue().endswith("INFO connections closed-1009=1 refused-at-gate=1000\n")
    tally.flush()
    assert stream.getvalue().count("\n") == 1
