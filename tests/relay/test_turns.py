"""Turns: who is heard when, and what a session that does not keep up can hold back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, cast

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from amanah_protocol.crypto import SigningKey
from amanah_protocol.log.note_keys import NoteSigner
from amanah_relay.core import RelayCore
from amanah_relay.effects import Effect, SessionId
from amanah_relay.inputs import Checked, Congested, Disconnected, Drained, Input, Received, Tick
from amanah_relay.quotas import RelayLimits
from amanah_relay.sessions import MAX_WAITING, MAX_WAITING_BYTES, Session
from amanah_relay.store import StoreInput
from amanah_relay.turns import Turns
from amanah_relay.verifier import Verifier
from amanah_relay.wire import JoinedWriter, RelayConnection

ORIGIN: Final = "relay.example.org/test"


class WatchedCore(RelayCore):
    """The real core, and a list of what it was told."""

    def __init__(self) -> None:
        key = SigningKey(bytes(32))
        super().__init__(
            key=key,
            log_signer=NoteSigner(name=ORIGIN, key=key),
            origin=ORIGIN,
            addresses=frozenset(),
            limits=RelayLimits(),
        )
        self.told: list[Input] = []

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        """Note it down."""
        self.told.append(event)
        return super().handle(event, now_ms)


@dataclass(kw_only=True)
class Stage:
    """Turns over real connections, without a store."""

    core: WatchedCore
    turns: Turns
    sessions: list[Session]

    def told(self, *kinds: type[Input]) -> list[tuple[str, int]]:
        """What the core was told of these kinds: its name and the session."""
        return [
            (type(event).__name__, cast("Received", event).session)
            for event in self.core.told
            if isinstance(event, kinds)
        ]

    async def rest(self) -> None:
        """Let everything that is ready run."""
        for _ in range(20):
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def stage(sessions: int) -> AsyncIterator[Stage]:
    """So many sessions, open and connected."""
    accepted: asyncio.Queue[RelayConnection] = asyncio.Queue()

    async def hold(connection: ServerConnection) -> None:
        accepted.put_nowait(cast("RelayConnection", connection))
        await connection.wait_closed()

    async def no_store(_: object) -> StoreInput:
        raise AssertionError

    core = WatchedCore()
    turns = Turns(
        core=core,
        perform=no_store,
        shelve=no_store,
        writer=JoinedWriter(),
        clock_ms=lambda: 0,
        close=lambda session, code, reason: None,  # noqa: ARG005 - nothing is closed here
        cosign=lambda effect: None,  # noqa: ARG005 - nobody is asked here
        logger=logging.getLogger("test"),
    )
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serve(hold, "127.0.0.1", 0, create_connection=RelayConnection, compression=None)
        )
        port = next(iter(server.sockets)).getsockname()[1]
        found = []
        for number in range(1, sessions + 1):
            await stack.enter_async_context(connect(f"ws://127.0.0.1:{port}"))
            session = Session(number=SessionId(number), connection=await accepted.get())
            # Not `Connected`: what comes from a session that it does not know, the core passes over.
            turns.open(session, Drained(session=session.number))
            found.append(session)
        set_up = Stage(core=core, turns=turns, sessions=found)
        await set_up.rest()
        core.told.clear()
        yield set_up


async def flood(turns: Turns, session: Session, count: int, size: int = 1) -> None:
    """Receive many messages of one session, as its connection would hand them over."""
    for _ in range(count):
        await turns.receive(session, bytes(size))


async def test_a_session_that_sends_more_is_not_heard_more_often() -> None:
    async with stage(2) as there:
        loud, quiet = there.sessions
        sending = asyncio.create_task(flood(there.turns, loud, 50))
        await asyncio.sleep(0)
        await flood(there.turns, quiet, 3)
        await sending
        await there.rest()
        heard = [number for _, number in there.told(Received)]
    assert heard[:7].count(quiet.number) == 3
    assert heard.count(loud.number) == 50


async def test_an_organisation_with_many_sessions_gets_no_more_of_a_turn_than_one_with_one() -> None:
    async with stage(9) as there:
        *many, one = there.sessions
        for session in there.sessions:
            session.organisation = "one" if session is one else "many"
        for session in there.sessions:
            for _ in range(8):
                await there.turns.receive(session, b"x")
        await there.rest()
        heard = [number for _, number in there.told(Received)]
    assert len(heard) == 72
    assert [number == one.number for number in heard[:16]].count(True) == 8
    assert {number for number in heard[:16] if number != one.number} == {session.number for session in many}


async def test_strangers_are_one_class_beside_the_organisations() -> None:
    async with stage(5) as there:
        *strangers, member = there.sessions
        member.organisation = "one"
        for session in (*strangers, member):
            for _ in range(3):
                await there.turns.receive(session, b"x")
        await there.rest()
        heard = [number for _, number in there.told(Received)]
    assert heard[:6].count(member.number) == 3


async def test_messages_of_one_session_keep_their_order_with_its_end() -> None:
    async with stage(1) as there:
        (session,) = there.sessions
        await flood(there.turns, session, 3)
        there.turns.end(session)
        await there.rest()
        assert [name for name, _ in there.told(Received, Disconnected)] == [
            *("Received", "Received", "Received", "Disconnected"),
        ]
        assert there.turns.quiet.is_set()


async def test_nothing_is_taken_from_sessions_while_too_many_signatures_are_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(1) as there:
        (session,) = there.sessions
        monkeypatch.setattr(Verifier, "is_full", True)
        await flood(there.turns, session, 3)
        there.turns.tell(Tick())
        await there.rest()
        assert not there.told(Received)
        monkeypatch.setattr(Verifier, "is_full", False)
        there.turns.tell(Checked(answers=()))
        await there.rest()
        assert len(there.told(Received)) == 3


async def test_reading_waits_while_too_many_messages_wait() -> None:
    async with stage(1) as there:
        (session,) = there.sessions
        reading = asyncio.create_task(flood(there.turns, session, 3 * MAX_WAITING))
        await asyncio.sleep(0)
        assert len(session.inbox) == MAX_WAITING
        await reading
        await there.rest()
        assert len(there.told(Received)) == 3 * MAX_WAITING


async def test_reading_waits_while_too_many_bytes_wait() -> None:
    async with stage(1) as there:
        (session,) = there.sessions
        reading = asyncio.create_task(flood(there.turns, session, 9, MAX_WAITING_BYTES // 4))
        await asyncio.sleep(0)
        assert session.waiting_bytes == MAX_WAITING_BYTES
        await reading
        await there.rest()
        assert session.waiting_bytes == 0
        assert len(there.told(Received)) == 9


async def test_nothing_is_taken_from_a_congested_session_until_it_has_drained() -> None:
    async with stage(2) as there:
        slow, other = there.sessions
        there.turns.press(slow, high=True)
        reading = asyncio.create_task(flood(there.turns, slow, 3))
        await flood(there.turns, other, 1)
        await there.rest()
        assert not reading.done()
        assert there.told(Received, Congested) == [("Congested", 1), ("Received", 2)]
        there.turns.press(slow, high=False)
        await reading
        await there.rest()
        assert there.told(Received, Congested, Drained)[2:] == [("Drained", 1)] + 3 * [("Received", 1)]


async def test_a_session_that_was_in_line_when_it_became_congested_waits_too() -> None:
    async with stage(1) as there:
        (session,) = there.sessions
        await flood(there.turns, session, 1)
        there.turns.press(session, high=True)
        await there.rest()
        assert there.told(Received) == []
        there.turns.press(session, high=False)
        await there.rest()
        assert there.told(Received) == [("Received", 1)]


async def test_pressure_is_told_once_and_not_of_sessions_that_are_gone() -> None:
    async with stage(1) as there:
        (session,) = there.sessions
        for high in (False, True, True, False, False):
            there.turns.press(session, high=high)
        there.turns.end(session)
        await there.rest()
        there.turns.press(session, high=True)
        await there.rest()
        assert there.told(Congested, Drained) == [("Congested", 1), ("Drained", 1)]


async def test_what_a_closing_session_sends_is_dropped() -> None:
    async with stage(1) as there:
        (session,) = there.sessions
        session.closing = True
        await flood(there.turns, session, 3)
        await there.rest()
        assert there.told(Received) == []
