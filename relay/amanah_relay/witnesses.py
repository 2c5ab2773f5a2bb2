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

from amanah_protocol.errors import AmanahError, Code, OperationalError
from amanah_protocol.log.witnessing import MAX_ANSWER_BYTES, SIZE_TYPE, decode_size, encode_request
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
RETRY_S: Final = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Waits after a failure, the last one again and again."""


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
        # trust_env: a proxy of the environment would see what this relay's operator did not configure.
        self._client = httpx2.AsyncClient(timeout=outward.timeout_seconds, follow_redirects=False, trust_env=False)
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
        self._address = address
        self._url = address.rstrip("/") + "/add-checkpoint"
        self._client = client
        self._timeout_s = timeout_s
        self._told = told
        self._logger = logger
        self._wanted: Cosign | None = None
        self._asked = asyncio.Event()
        self._size = 0
        """What the witness has cosigned last, as far as we know."""
        self._failures = 0

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
            except (AmanahError, httpx2.HTTPError, TimeoutError) as error:
                self._fail(error)
                self._asked.set()
                await asyncio.sleep(RETRY_S[min(self._failures, len(RETRY_S)) - 1])
                continue
            if self._failures:
                self._logger.info("witness %s cosigns again", self._address)
            self._failures, self._size = 0, wanted.size
            self._told.tell(Cosigned(size=wanted.size, lines=lines))
            await asyncio.sleep(ROUND_S)

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            detail = f"{error.code} {error.detail}" if isinstance(error, AmanahError) else type(error).__name__
            self._logger.warning("witness %s does not cosign: %s", self._address, detail)

    async def _submit(self, wanted: Cosign) -> bytes:
        """Submit, once more where the witness knows another size than we thought.

        Raises:
            OperationalError: `OFFLINE`: it does not cosign, and why.
        """
        status, kind, body = await self._post(wanted)
        if status == httpx2.codes.CONFLICT and kind == SIZE_TYPE:
            size = decode_size(body)
            if size > wanted.size:
                raise _error(f"it has cosigned {size} leaves already, more than {wanted.size}")
            self._size = size
            status, kind, body = await self._post(wanted)
        if status != httpx2.codes.OK:
            said = body[:200].decode("utf-8", "replace").strip()
            raise _error(f"it answers {status} {said}")
        return body

    async def _post(self, wanted: Cosign) -> tuple[int, str, bytes]:
        proof: tuple[bytes, ...] = ()
        if 0 < self._size < wanted.size:
            read = await self._told.prove(
                ReadProof(token=0, inclusion=False, old_or_index=self._size, size=wanted.size)
            )
            if not isinstance(read, ProofRead):
                raise _error("the store gave no proof for it")
            proof = read.hashes
        request = encode_request(self._size, proof, wanted.note)
        async with self._client.stream("POST", self._url, content=request) as response:
            body = b""
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > MAX_ANSWER_BYTES:
                    raise _error("its answer is too large")
            return response.status_code, response.headers.get("content-type", ""), body


def _error(detail: str) -> OperationalError:
    return OperationalError(Code.OFFLINE, detail)
