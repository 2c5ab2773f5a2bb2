"""What asking witnesses and asking time-stamping authorities have in common: the exchange, and patience."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Final

import httpx2

from amanah_protocol.errors import AmanahError, Code, OperationalError

RETRY_S: Final = (1.0, 2.0, 5.0, 15.0, 30.0)
"""Waits after a failure, the last one again and again."""
FAILURES: Final = (AmanahError, httpx2.HTTPError, TimeoutError)
"""What an exchange may end with; all of it is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What somebody answered.

    Attributes:
        status: HTTP status.
        kind: Media type, as it was sent.
        body: At most as many bytes as were allowed.
    """

    status: int
    kind: str
    body: bytes


def make_client(timeout_seconds: float) -> httpx2.AsyncClient:
    """A client for the parties that the operator named, and nobody else."""
    # trust_env: a proxy of the environment would see what this relay's operator did not configure.
    return httpx2.AsyncClient(timeout=timeout_seconds, follow_redirects=False, trust_env=False)


async def post(client: httpx2.AsyncClient, url: str, body: bytes, *, kind: str = "", max_bytes: int) -> Reply:
    """Send a body and read the answer, as it is on the wire.

    Raises:
        OperationalError: `OFFLINE` when the answer is larger than `max_bytes`.
        HTTPError: As `httpx2` raises it.
    """
    headers = {"accept-encoding": "identity", **({"content-type": kind} if kind else {})}
    async with client.stream("POST", url, content=body, headers=headers) as response:
        data = b""
        async for piece in response.aiter_raw():
            data += piece
            if len(data) > max_bytes:
                raise unanswered("its answer is too large")
        return Reply(status=response.status_code, kind=response.headers.get("content-type", ""), body=data)


class Patience:
    """Says once that somebody fails, and once that it is over; and how long to wait."""

    def __init__(self, logger: logging.Logger, fails: str, recovers: str) -> None:
        """Begin without a failure.

        Args:
            logger: The operator's log.
            fails: What is said of the first failure, before the reason.
            recovers: What is said when it is over.
        """
        self._logger = logger
        self._fails = fails
        self._recovers = recovers
        self._failures = 0

    def failed(self, error: Exception) -> float:
        """It failed; gives the seconds to wait before it is tried again."""
        self._failures += 1
        if self._failures == 1:
            detail = f"{error.code} {error.detail}" if isinstance(error, AmanahError) else type(error).__name__
            self._logger.warning("%s: %s", self._fails, detail)
        return RETRY_S[min(self._failures, len(RETRY_S)) - 1]

    def succeeded(self) -> None:
        """It did not fail."""
        if self._failures:
            self._logger.info("%s", self._recovers)
        self._failures = 0


def unanswered(detail: str) -> OperationalError:
    """Somebody gave no answer that is of use."""
    return OperationalError(Code.OFFLINE, detail)
