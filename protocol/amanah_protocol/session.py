"""Login: both sides sign one transcript, the relay first.

The signed bytes begin with `amanah/login/1/...`, which no COSE or MLS structure does, so that no
signature made here verifies elsewhere and none from elsewhere verifies here (attack 35). The
transcript binds both nonces, both identities, the address dialled and the TLS certificate seen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from amanah_protocol import cbor
from amanah_protocol.crypto import SigningKey, verify_signature
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.types import ZERO_32, DeviceId, KeyId

VERSIONS: Final = (1,)
SUBPROTOCOL: Final = "amanah.v1"
NO_TLS: Final = ZERO_32
"""Stands for the certificate's hash on loopback without TLS."""

_RELAY: Final = b"amanah/login/1/relay\0"
_CLIENT: Final = b"amanah/login/1/client\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """Everything both sides sign.

    Attributes:
        offered: Protocol versions that the client offered.
        chosen: The one the relay chose.
        relay: SHA-256 of the relay's key.
        origin: Origin of the relay's log.
        dialled: host:port that the client dialled.
        tls_hash: SHA-256 of the server certificate's DER; zeros only on loopback without TLS.
        client_nonce: 32 random bytes.
        relay_nonce: 32 random bytes.
        device: The client's device.
        certificate_hash: SHA-256 of its certificate.
        control_sequence: Newest sequence of the relay's control stream.
        time_ms: The relay's time.
    """

    offered: tuple[int, ...]
    chosen: int
    relay: KeyId
    origin: str
    dialled: str
    tls_hash: bytes
    client_nonce: bytes
    relay_nonce: bytes
    device: DeviceId
    certificate_hash: bytes
    control_sequence: int
    time_ms: int

    def encode(self) -> bytes:
        """Canonical CBOR of the twelve fields."""
        return cbor.encode([
            list(self.offered), self.chosen, self.relay, self.origin, self.dialled, self.tls_hash, self.client_nonce,
            self.relay_nonce, self.device, self.certificate_hash, self.control_sequence, self.time_ms,
        ])  # fmt: skip

    def with_tls_hash(self, tls_hash: bytes) -> Transcript:
        """The same login over another TLS certificate."""
        return replace(self, tls_hash=tls_hash)


def choose_version(offered: tuple[int, ...]) -> int:
    """The highest version that both sides speak.

    Raises:
        VerifyError: `UNKNOWN_VERSION` when there is none.
    """
    common = set(offered) & set(VERSIONS)
    if not common:
        raise VerifyError(Code.UNKNOWN_VERSION, "no protocol version in common")
    return max(common)


def sign_as_relay(transcript: Transcript, key: SigningKey) -> bytes:
    """The relay's proof, 64 bytes."""
    return key.sign(_RELAY + transcript.encode())


def sign_as_client(transcript: Transcript, key: SigningKey) -> bytes:
    """The client's proof, 64 bytes; made only after the relay's was verified."""
    return key.sign(_CLIENT + transcript.encode())


def verify_relay_proof(transcript: Transcript, signature: bytes, relay_key: bytes) -> None:
    """The relay of the roster holds its key and saw the same transcript.

    Raises:
        VerifyError: `LOGIN`.
    """
    _verify(_RELAY, transcript, signature, relay_key)


def verify_client_proof(transcript: Transcript, signature: bytes, device_key: bytes) -> None:
    """The device holds its key and saw the same transcript.

    Raises:
        VerifyError: `LOGIN`.
    """
    _verify(_CLIENT, transcript, signature, device_key)


def _verify(context: bytes, transcript: Transcript, signature: bytes, public: bytes) -> None:
    try:
        verify_signature(public, signature, context + transcript.encode())
    except VerifyError as error:
        raise VerifyError(Code.LOGIN, "the login proof does not verify") from error
