"""Renewal of a copy's time stamps by the auditor, before their certificates end.

The log's relay renews them too. An auditor who keeps a copy for longer than that relay runs, or does not trust
that it does, has them covered here: by a new token over a checkpoint and all its tokens, in order.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from amanah_client.audit.stamps import Link, Root, State, judge, read_links
from amanah_client.store.copy import AuditCopy
from amanah_protocol.errors import Code, OperationalError, UsageError, VerifyError
from amanah_protocol.log.stamp import (
    MAX_REPLY_BYTES,
    MAX_TOKENS,
    NONCE_BITS,
    REQUEST_TYPE,
    decode_reply,
    encode_request,
    imprint_of,
)

_PIECE: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A checkpoint whose time stamps are to be renewed.

    Attributes:
        size: Its size.
        note: As signed.
        tokens: (authority, token) of all its tokens, in order.
        ends_ms: When the last of those certificates ends that are the reason.
    """

    size: int
    note: bytes
    tokens: tuple[tuple[str, bytes], ...]
    ends_ms: int


def find_due(copy: AuditCopy, *, now_ms: int, within_ms: int) -> Iterator[Due]:
    """Checkpoints with a token that counts, ends soon, and is not covered by one that lasts longer.

    Args:
        copy: Examined, its time stamps too.
        now_ms: The time.
        within_ms: What ends so soon.
    """
    query = "SELECT DISTINCT size FROM dated WHERE counts = 1 AND ends_ms < ? ORDER BY size"
    with copy.reading() as connection:
        sizes = [int(size) for (size,) in connection.execute(query, (now_ms + within_ms,)).fetchall()]
    for size in sizes:
        ends_ms = _ending(read_links(copy, size), now_ms, now_ms + within_ms)
        note = copy.checkpoint(size)
        if ends_ms is not None and note is not None:
            yield Due(size=size, note=note, tokens=copy.stamps_of(size), ends_ms=ends_ms)


def _ending(links: Sequence[tuple[Link, bool]], now_ms: int, before_ms: int) -> int | None:
    """When the last of those ends that are to be renewed; None for none."""
    found = [
        link.ends_ms
        for place, (link, counts) in enumerate(links)
        if counts and link.ends_ms is not None and now_ms <= link.ends_ms < before_ms
        if not any(one and place in later.covers and (later.ends_ms or 0) > link.ends_ms for later, one in links)
    ]
    return max(found, default=None)


def renew(copy: AuditCopy, due: Due, address: str, roots: Sequence[Root], *, timeout_s: float) -> None:
    """Cover the tokens of a checkpoint by a new one, which is in the copy when this returns.

    Args:
        copy: Where it is kept.
        due: The checkpoint.
        address: Of the authority.
        roots: Authorities that are trusted: a renewal by another would be worth nothing.
        timeout_s: For the exchange.

    Raises:
        OperationalError: `OFFLINE` when the authority gives nothing that lasts longer; `STORE` or `DISK_FULL`.
        PeerError: What it gives does not hold.
        UsageError: `CONFIG` for an address that is none, or where the extra is not installed.
    """
    if len(due.tokens) >= MAX_TOKENS:
        raise UsageError(Code.TOO_LARGE, f"the checkpoint of size {due.size} has {MAX_TOKENS} tokens already")
    older = tuple(token for _, token in due.tokens)
    imprint, nonce = imprint_of(due.note, older), secrets.randbits(NONCE_BITS - 1) + 1
    token = decode_reply(ask(address, encode_request(imprint, nonce), timeout_s=timeout_s), imprint, nonce)
    if token.ends_ms <= due.ends_ms:
        raise _offline(address, "its own certificate ends no later than what is to be renewed")
    judged = judge(due.note, (*due.tokens, (address, token.data)), roots)[-1]
    if judged.state is not State.HOLDS:
        why = judged.text or "its root is none of those that are trusted here"
        raise VerifyError(Code.SIGNATURE, f"the authority's token does not hold: {why}")
    copy.add_stamp(due.size, address, token.data)


def ask(address: str, request: bytes, *, timeout_s: float) -> bytes:
    """What an authority answers; no proxy and no other host, by a redirect, learns what is stamped.

    Raises:
        UsageError: `CONFIG` for an address that is neither `https://` nor `http://` on loopback.
        OperationalError: `OFFLINE`.
    """
    connection, path = _connection(address, timeout_s)
    ends = time.monotonic() + timeout_s
    body = b""
    try:
        connection.request("POST", path, body=request, headers={"Content-Type": REQUEST_TYPE})
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK:
            raise _offline(address, f"it answers {answer.status}")
        while len(body) <= MAX_REPLY_BYTES and (piece := answer.read1(_PIECE)):
            body += piece
            if time.monotonic() > ends:
                raise _offline(address, "it is too slow")
    except (OSError, HTTPException) as error:
        raise _offline(address, str(error) or type(error).__name__) from error
    finally:
        connection.close()
    return body


def _offline(address: str, why: str) -> OperationalError:
    return OperationalError(Code.OFFLINE, f"the time-stamping authority {address} gives nothing: {why}")


def _connection(address: str, timeout_s: float) -> tuple[HTTPConnection, str]:
    """A connection to an authority, not open yet, and the path there."""
    detail = f"{address!r} is no address of a time-stamping authority: https://host/path, or http:// on loopback"
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise UsageError(Code.CONFIG, detail) from error
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if host and parts.scheme == "https":
        return HTTPSConnection(host, port, timeout=timeout_s), path
    if parts.scheme == "http" and _is_loopback(host):
        return HTTPConnection(host, port, timeout=timeout_s), path
    raise UsageError(Code.CONFIG, detail)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
