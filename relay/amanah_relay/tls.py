"""TLS of the listening socket: version 1.3 alone, from a certificate file and a key file."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, UsageError

_END: Final = "-----END CERTIFICATE-----"
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_SELF_TEST_ROUNDS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """A context that is ready to listen.

    Attributes:
        context: For `create_server`.
        certificate_hash: SHA-256 of the server certificate's DER (tls-server-end-point, RFC 5929
            section 4.1): what both sides of a login sign.
        certificate_pem: The server certificate, without the rest of its chain.
    """

    context: ssl.SSLContext
    certificate_hash: bytes
    certificate_pem: str


def load_server_tls(certificate: Path, key: Path) -> ServerTls:
    """Load a certificate (its chain may follow it) and its private key, both PEM.

    Raises:
        UsageError: `CONFIG` for a file that is missing, unreadable, encrypted or does not fit.
    """
    pem = _server_certificate(_read(certificate), certificate)
    # Not create_default_context(): it writes session keys to whatever file SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # No resumption: each connection proves the certificate that the login transcript names.
    context.num_tickets = 0
    _read(key)
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(Code.CONFIG, f"{certificate} and {key} are no certificate with its private key") from error
    return ServerTls(context=context, certificate_hash=sha256(ssl.PEM_cert_to_DER_cert(pem)), certificate_pem=pem)


def check_server_tls(tls: ServerTls) -> float:
    """Shake hands with ourselves in memory, as a client that trusts this very certificate.

    Returns:
        When the certificate expires, seconds of Unix time.

    Raises:
        UsageError: `CONFIG` when no TLS 1.3 handshake comes about: an expired certificate, for one.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cadata=tls.certificate_pem)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_side=False),
        tls.context.wrap_bio(to_server, to_client, server_side=True),
    ]
    try:
        waiting = sides
        for _ in range(_SELF_TEST_ROUNDS):
            waiting = [side for side in waiting if not _advance(side)]
    except ssl.SSLError as error:
        raise UsageError(Code.CONFIG, f"the TLS certificate is not usable: {_reason(error)}") from error
    certificate = sides[0].getpeercert()
    if waiting or not certificate:
        raise UsageError(Code.CONFIG, "the TLS certificate does not complete a handshake")
    return float(ssl.cert_time_to_seconds(str(certificate["notAfter"])))


def _advance(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _reason(error: ssl.SSLError) -> str:
    verification = getattr(error, "verify_message", "")
    return str(verification or error.reason or "the handshake failed")


def _server_certificate(text: str, path: Path) -> str:
    begin, end = text.find(_BEGIN), text.find(_END)
    if not 0 <= begin < end:
        raise UsageError(Code.CONFIG, f"{path} holds no PEM certificate")
    return text[begin : end + len(_END)] + "\n"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise UsageError(Code.CONFIG, f"{path}: {error.strerror or 'cannot be read'}") from error


def _refuse_password() -> str:
    # Without this OpenSSL would ask on the terminal, and a service would hang at its start.
    message = "the private key is encrypted"
    raise ValueError(message)
