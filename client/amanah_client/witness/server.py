"""The listening socket of a witness; `amanah_client.listener` serves on it.

TLS is 1.3 only, from a certificate and a key file; without it, the witness listens on loopback alone, for a
proxy in front of it.
"""

from __future__ import annotations

import errno
import ipaddress
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanah_client.listener import MAX_CONNECTIONS
from amanah_protocol.errors import Code, OperationalError, UsageError

_PORT: Final = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a witness listens.

    Attributes:
        host: An address of this machine.
        port: 0 for any.
    """

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether nobody beyond this machine gets there."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback


def parse_address(text: str) -> Address:
    """Read `HOST:PORT`, with an address of IPv6 in brackets.

    Raises:
        UsageError: `CONFIG`.
    """
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not _is_host(bare) or _PORT.fullmatch(port) is None or int(port) > 65_535:
        hint = "Write an address of this machine and a port: 127.0.0.1:8088, [::1]:8088, 0.0.0.0:8443."
        raise UsageError(Code.CONFIG, f"{text!r} is no address to listen on", hint=hint)
    return Address(host=bare, port=int(port))


def _is_host(text: str) -> bool:
    try:
        return text == "localhost" or bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def load_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """Load a certificate (its chain may follow it) and its private key, both PEM.

    Raises:
        UsageError: `CONFIG` for a file that is missing, unreadable, encrypted or does not fit.
    """
    # Not create_default_context(): it writes session keys to whatever file SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except (OSError, ValueError) as error:
        hint = "Name both by --tls-certificate and --tls-key, readable for this user, the key without a passphrase."
        detail = f"{certificate} and {key} are no certificate with its private key"
        raise UsageError(Code.CONFIG, detail, hint=hint) from error
    return context


def listen(address: Address) -> socket.socket:
    """Open the listening socket.

    Raises:
        OperationalError: `ADDRESS_IN_USE`, also for an address that is not this machine's.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=MAX_CONNECTIONS)
    except OSError as error:
        hint = None if error.errno == errno.EADDRINUSE else "Name an address of this machine that this user may use."
        detail = f"{address.host}:{address.port}: {error.strerror or 'unusable'}"
        raise OperationalError(Code.ADDRESS_IN_USE, detail, hint=hint) from error


def _refuse_password() -> str:
    # Without this OpenSSL would ask on the terminal, and a service would hang at its start.
    message = "the private key is encrypted"
    raise ValueError(message)
