"""The websocket to a relay: how it is dialled and what TLS must be.

TLS is 1.3 only. Where the roster pins certificate hashes, the pin decides (the core compares it
inside the login transcript); else the system's certificate authorities and the host name do.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from dataclasses import dataclass
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from amanah_protocol.addresses import Address, parse_address
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.limits import MAX_FRAME_BYTES
from amanah_protocol.roster import Relay
from amanah_protocol.session import NO_TLS, SUBPROTOCOL

_OPEN_S: Final = 10
_PING_S: Final = 20
_BAD_ADDRESS: Final = "The relay's operator makes a new card by `amanah-relay keys --address`, for a new roster."


def roster_address(relay: Relay, url: str) -> Address:
    """Check an address that the roster names for a relay.

    Raises:
        UsageError: `CONFIG`, naming the roster: it is signed, and no setting of this machine mends it.
    """
    try:
        return parse_address(url)
    except UsageError as error:
        detail = f"the roster's address of relay {relay.origin}: {error.detail}"
        raise UsageError(error.code, detail, hint=_BAD_ADDRESS) from error


@dataclass(frozen=True, slots=True)
class Link:
    """An open websocket.

    Attributes:
        socket: The connection; binary messages only.
        dialled: host:port that was dialled.
        tls_hash: SHA-256 of the server certificate's DER, zeros without TLS.
    """

    socket: ClientConnection
    dialled: str
    tls_hash: bytes


async def dial(relay: Relay, address: Address) -> Link:
    """Open a websocket to a relay.

    Raises:
        OperationalError: `OFFLINE` when it cannot be reached or does not speak the protocol.
    """
    # Loading the authorities of a machine takes 20 ms, in which nobody who types or looks may wait.
    context = await asyncio.to_thread(_tls_context, pinned=bool(relay.tls_hashes)) if address.secure else None
    try:
        socket = await connect(
            address.url,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]  # a NewType over str there
            compression=None,
            max_size=MAX_FRAME_BYTES,
            max_queue=16,
            open_timeout=_OPEN_S,
            ping_interval=_PING_S,
            ping_timeout=_PING_S,
            close_timeout=2,
            ssl=context,
            proxy=None,
            user_agent_header=None,
        )
    except (TimeoutError, OSError, InvalidHandshake, InvalidURI, ConnectionClosed, EOFError) as error:
        raise OperationalError(Code.OFFLINE, f"no connection to {address.dialled}: {_cause(error)}") from error
    if socket.subprotocol != SUBPROTOCOL:
        await socket.close()
        raise OperationalError(Code.OFFLINE, f"{address.dialled} is not a relay of this protocol")
    return Link(socket, address.dialled, _tls_hash(socket) if address.secure else NO_TLS)


def _cause(error: Exception) -> str:
    """Why a connection did not come about, for people."""
    match error:
        case ConnectionRefusedError():
            return "nothing listens there"
        case ssl.SSLError(reason=reason):
            return f"TLS failed ({reason})"
        case TimeoutError():
            return "no answer in time"
        case socket.gaierror():
            return "the name is not known"
        case OSError(strerror=str(said)):
            return said.lower()
        case _:
            return "what answers is no relay, or takes no connections now"


def _tls_context(*, pinned: bool) -> ssl.SSLContext:
    # Not create_default_context(): that one honours SSLKEYLOGFILE and would write session keys out.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if pinned:
        # The roster names the certificate itself, which is stronger than any authority's word.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_default_certs()
    return context


def _tls_hash(socket: ClientConnection) -> bytes:
    tls = socket.transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True)
    return hashlib.sha256(certificate).digest()
