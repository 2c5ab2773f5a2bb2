"""Asks time-stamping authorities for tokens over published checkpoints (RFC 3161), and renews what ends.

Each authority has a task of its own. It stamps the newest checkpoint that the quorum has cosigned, as it is
recorded; and it covers tokens whose certificates end soon, with all that are older of that checkpoint. A token
is recorded before anybody is shown it. Whether an authority is trusted is not asked here: that is for auditors.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import httpx2

from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.stamp import (
    MAX_REPLY_BYTES,
    MAX_TOKENS,
    NONCE_BITS,
    REQUEST_TYPE,
    Token,
    decode_reply,
    encode_request,
    imprint_of,
)
from amanah_relay.asking import FAILURES, Patience, make_client, post, unanswered
from amanah_relay.effects import PutStamp, ReadEnding
from amanah_relay.inputs import Ending, EndingRead, StampPut

Perform: TypeAlias = Callable[[PutStamp | ReadEnding], Awaitable[object]]
"""`StoreWorker.perform_stamp`."""

DAY_MS: Final = 86_400_000
LOOK_S: Final = 1.0
"""Between two looks at what was published; and between two renewals."""
PASS_MS: Final = 3_600_000
"""Between two looks at what ends."""
PASS: Final = 100
"""Checkpoints that are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamping:
    """Which authorities a relay asks.

    Attributes:
        authorities: Their addresses.
        interval_seconds: Each is asked for a new checkpoint at most so often.
        timeout_seconds: For one exchange with one of them.
        renew_days: A token is renewed so many days before its certificate ends.
    """

    authorities: tuple[str, ...] = ()
    interval_seconds: float = 60.0
    timeout_seconds: float = 10.0
    renew_days: int = 60


NO_STAMPS: Final = Stamping()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the authorities' tasks call.

    Attributes:
        witnessed: The newest checkpoint that the quorum has cosigned, as it is recorded; None for none.
        perform: The store.
        clock_ms: Wall clock, Unix time in ms.
    """

    witnessed: Callable[[], bytes | None]
    perform: Perform
    clock_ms: Callable[[], int]


class Authorities:
    """All time-stamping authorities of a relay."""

    def __init__(self, stamping: Stamping, *, told: Told, logger: logging.Logger) -> None:
        """Begin to ask; needs a running event loop.

        Args:
            stamping: Whom to ask.
            told: What is called.
            logger: Where an authority that is away, or answers wrongly, is said, once each time.
        """
        self._client = make_client(stamping.timeout_seconds)
        authorities = [
            _Authority(address, self._client, stamping=stamping, told=told, logger=logger)
            for address in stamping.authorities
        ]
        self._tasks = [asyncio.create_task(authority.run()) for authority in authorities]

    async def close(self) -> None:
        """Ask no more; what is being recorded is recorded."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()


class _Authority:
    def __init__(
        self, address: str, client: httpx2.AsyncClient, *, stamping: Stamping, told: Told, logger: logging.Logger
    ) -> None:
        self._address = address
        self._client = client
        self._stamping = stamping
        self._told = told
        who = f"time-stamping authority {address}"
        self._new = Patience(logger, f"{who} stamps nothing", f"{who} stamps again")
        self._old = Patience(logger, f"{who} renews nothing", f"{who} renews again")
        self._ending: deque[Ending] = deque()
        self._looked_ms: int | None = None
        self._stamped = 0
        self._free_s = 0.0
        """When the next new checkpoint may be stamped, by the loop's clock."""

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            wait_s = LOOK_S
            try:
                await self._look()
                note = self._told.witnessed()
                size = 0 if note is None else decode_checkpoint(note)[0].size
                if note is not None and size > self._stamped and clock() >= self._free_s:
                    await self._stamp(note, size)
                    self._free_s = clock() + self._stamping.interval_seconds
            except FAILURES as error:
                wait_s = self._new.failed(error)
            if self._ending:
                try:
                    await self._renew(self._ending.popleft())
                except FAILURES as error:
                    # What ends has days; all of it is looked at again with the next pass.
                    self._ending.clear()
                    self._old.failed(error)
            await asyncio.sleep(wait_s)

    async def _look(self) -> None:
        """Learn from the store what was stamped last, and what ends."""
        now_ms = self._told.clock_ms()
        # A clock that was set back must not make renewals rest until it has caught up.
        if self._ending or (self._looked_ms is not None and 0 <= now_ms - self._looked_ms < PASS_MS):
            return
        before_ms = now_ms + self._stamping.renew_days * DAY_MS
        wanted = ReadEnding(token=0, authority=self._address, now_ms=now_ms, before_ms=before_ms, limit=PASS)
        read = await self._told.perform(wanted)
        if not isinstance(read, EndingRead):
            raise OperationalError(Code.STORE, "the store does not say what was stamped")
        self._stamped = max(self._stamped, read.newest)
        self._ending.extend(read.ending)
        # More may end than were read: then the next pass follows this one.
        self._looked_ms = now_ms if len(read.ending) < PASS else None

    async def _stamp(self, note: bytes, size: int) -> None:
        token = await self._ask(imprint_of(note))
        await self._record(token, size=size, covered=len(note), upto=0)
        self._new.succeeded()
        self._stamped = size

    async def _renew(self, ending: Ending) -> None:
        if len(ending.tokens) >= MAX_TOKENS:
            raise unanswered(f"the checkpoint of size {ending.size} has {MAX_TOKENS} tokens, as many as are kept")
        token = await self._ask(imprint_of(ending.note, ending.tokens))
        if token.ends_ms <= ending.ends_ms:
            raise unanswered("its own certificate ends no later than what is to be renewed")
        await self._record(token, size=ending.size, covered=len(ending.note), upto=ending.upto)
        self._old.succeeded()

    async def _ask(self, imprint: bytes) -> Token:
        """A token over this.

        Raises:
            OperationalError: `OFFLINE`: there is none, and why.
            PeerError: The answer does not parse, or is not the answer to this.
        """
        nonce = secrets.randbits(NONCE_BITS - 1) + 1
        request = encode_request(imprint, nonce)
        async with asyncio.timeout(self._stamping.timeout_seconds):
            reply = await post(self._client, self._address, request, kind=REQUEST_TYPE, max_bytes=MAX_REPLY_BYTES)
        if reply.status != httpx2.codes.OK:
            raise unanswered(f"it answers {reply.status}")
        return decode_reply(reply.body, imprint, nonce)

    async def _record(self, token: Token, *, size: int, covered: int, upto: int) -> None:
        stamp = PutStamp(
            token=0,
            size=size,
            authority=self._address,
            covered=covered,
            upto=upto,
            ends_ms=token.ends_ms,
            data=token.data,
        )
        if not isinstance(await self._told.perform(stamp), StampPut):
            raise OperationalError(Code.STORE, "the token could not be recorded")
