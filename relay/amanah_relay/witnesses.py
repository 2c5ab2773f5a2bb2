"""Asks witnesses to cosign what the log publishes (C2SP tlog-witness).

Each witness has a task of its own: a slow one keeps no other waiting, and one that is away is asked
again for the newest checkpoint of then. Nothing here decides anything: what they answer is verified
against the roster.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import httpx2

from amanah_protocol.log.witnessing import MAX_ANSWER_BYTES, SIZE_TYPE, decode_size, encode_request
from amanah_relay.asking import FAILURES, Patience, Reply, make_client, post, unanswered
from amanah_relay.effects import Cosign, ReadProof
from amanah_relay.inputs import Cosigned, ProofRead

Prove: TypeAlias = Callable[[ReadProof], Awaitable[object]]
"""`StoreWorker.perform`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outward:
    """Whom a relay asks.

    Attributes:
        addresses: Submission prefixes of witnesses.
        timeout_seconds: For one exchange with one of them.
    """

    addresses: tuple[str, ...] = ()
    timeout_seconds: float = 10.0


NO_WITNESSES: Final = Outward()

ROUND_S: Final = 1.0
"""A witness is asked at most so often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the witnesses' tasks call.

    Attributes:
        prove: Reads a consistency proof from the store.
        verify: Raises unless lines are cosignatures of a note by witnesses of the roster.
        tell: Takes what was cosigned.
    """

    prove: Prove
    verify: Callable[[bytes, bytes], None]
    tell: Callable[[Cosigned], None]


class Witnesses:
    """All witnesses of a relay."""

    def __init__(self, outward: Outward, *, told: Told, logger: logging.Logger) -> None:
        """Begin with nothing to ask; needs a running event loop.

        Args:
            outward: Whom to ask.
            told: What is called.
            logger: Where a witness that is away, or answers wrongly, is said, once each time.
        """
        self._client = make_client(outward.timeout_seconds)
        self._witnesses = [
            _Witness(address, self._client, timeout_s=outward.timeout_seconds, told=told, logger=logger)
            for address in outward.addresses
        ]
        self._tasks = [asyncio.create_task(witness.run()) for witness in self._witnesses]

    def ask(self, effect: Cosign) -> None:
        """Have a checkpoint cosigned by all of them."""
        for witness in self._witnesses:
            witness.want(effect)

    async def close(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.aclose()


class _Witness:
    def __init__(
        self, address: str, client: httpx2.AsyncClient, *, timeout_s: float, told: Told, logger: logging.Logger
    ) -> None:
        self._url = address.rstrip("/") + "/add-checkpoint"
        self._client = client
        self._timeout_s = timeout_s
        self._told = told
        self._patience = Patience(logger, f"witness {address} does not cosign", f"witness {address} cosigns again")
        self._wanted: Cosign | None = None
        self._asked = asyncio.Event()
        self._size = 0
        """What the witness has cosigned last, as far as we know."""

    def want(self, effect: Cosign) -> None:
        self._wanted = effect
        self._asked.set()

    async def run(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            wanted = self._wanted
            if wanted is None:  # pragma: no cover - `want` sets it first
                continue
            try:
                async with asyncio.timeout(self._timeout_s):
                    lines = await self._submit(wanted)
                self._told.verify(wanted.note, lines)
            except FAILURES as error:
                self._asked.set()
                await asyncio.sleep(self._patience.failed(error))
                continue
            self._patience.succeeded()
            self._size = wanted.size
            self._told.tell(Cosigned(size=wanted.size, lines=lines))
            await asyncio.sleep(ROUND_S)

    async def _submit(self, wanted: Cosign) -> bytes:
        """Submit, once more where the witness knows another size than we thought.

        Raises:
            OperationalError: `OFFLINE`: it does not cosign, and why.
        """
        reply = await self._post(wanted)
        if reply.status == httpx2.codes.CONFLICT and reply.kind == SIZE_TYPE:
            size = decode_size(reply.body)
            if size > wanted.size:
                raise unanswered(f"it has cosigned {size} leaves already, more than {wanted.size}")
            self._size = size
            reply = await self._post(wanted)
        if reply.status != httpx2.codes.OK:
            said = reply.body[:200].decode("utf-8", "replace").strip()
            raise unanswered(f"it answers {reply.status} {said}")
        return reply.body

    async def _post(self, wanted: Cosign) -> Reply:
        proof: tuple[bytes, ...] = ()
        if 0 < self._size < wanted.size:
            read = await self._told.prove(
                ReadProof(token=0, inclusion=False, old_or_index=self._size, size=wanted.size)
            )
            if not isinstance(read, ProofRead):
                raise unanswered("the store gave no proof for it")
            proof = read.hashes
        request = encode_request(self._size, proof, wanted.note)
        return await post(self._client, self._url, request, max_bytes=MAX_ANSWER_BYTES)
