"""Deficit round robin: equal shares of bytes for organisations, whatever the number of their sessions."""

from __future__ import annotations

from collections import Counter
from typing import cast

import pytest

from amanah_relay.effects import SessionId
from amanah_relay.fairness import QUANTUM_BYTES, Line
from amanah_relay.inputs import Received
from amanah_relay.sessions import Session
from amanah_relay.wire import RelayConnection


def session(number: int, organisation: str | None, *sizes: int) -> Session:
    """A session with messages of these lengths; nothing here looks at its connection."""
    made = Session(number=SessionId(number), connection=cast("RelayConnection", None), organisation=organisation)
    for size in sizes:
        made.put(Received(session=made.number, data=b""), size)
    return made


def serve(line: Line, inputs: int) -> list[tuple[int, int]]:
    """Take so many inputs, each session going on while it has more; gives session and length."""
    served = []
    for _ in range(inputs):
        taken = line.take()
        size = taken.next_bytes
        taken.take()
        served.append((int(taken.number), size))
        if taken.inbox:
            line.append(taken)
    return served


def line_of(*sessions: Session) -> Line:
    line = Line()
    for one in sessions:
        line.append(one)
    return line


def test_organisations_alternate_whatever_the_number_of_their_sessions() -> None:
    many = [session(number, "many", *[10] * 5) for number in range(200)]
    line = line_of(*many, session(1_000, "one", *[10] * 50))
    served = [number for number, _ in serve(line, 100)]
    assert served.count(1_000) == 50
    assert len(set(served)) == 51  # each time another session of the many


def test_who_sends_long_messages_gets_the_same_bytes() -> None:
    long = 16 * QUANTUM_BYTES
    line = line_of(session(1, "long", *[long] * 100), session(2, "short", *[QUANTUM_BYTES] * 1_000))
    took: Counter[int] = Counter()
    for number, size in serve(line, 170):
        took[number] += size
    assert abs(took[1] - took[2]) <= long


def test_a_short_message_is_not_for_nothing() -> None:
    line = line_of(session(1, "tiny", *[0] * 100), session(2, "usual", *[QUANTUM_BYTES] * 100))
    assert Counter(number for number, _ in serve(line, 100)) == {1: 50, 2: 50}


def test_who_had_nothing_to_say_saved_nothing_up() -> None:
    line = line_of(session(1, "busy", *[10] * 100))
    serve(line, 50)
    line.append(session(2, "quiet", *[10] * 10))
    assert Counter(number for number, _ in serve(line, 10)) == {1: 5, 2: 5}


def test_a_line_is_empty_when_everybody_was_served() -> None:
    line = line_of(session(1, None, 1), session(2, "a", 1))
    assert line
    serve(line, 2)
    assert not line
    with pytest.raises(IndexError):
        line.take()
