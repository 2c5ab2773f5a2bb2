"""COSE_Sign1 (RFC 9052) with Ed25519 (-19, RFC 9864): every signed thing that is not a live login.

`typ` (RFC 9596) is mandatory, inside the signature and from a closed list, so that no signature
made for one purpose verifies for another (attack 33). The unprotected map is empty, byte for byte:
it is not signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec

from amanah_protocol import cbor
from amanah_protocol.crypto import SIGNATURE_BYTES, SigningKey, sha256, verify_signature
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.limits import MAX_HEADER_BYTES
from amanah_protocol.shapes import blob

ALG_ED25519: Final = -19
TAG: Final = b"\xd2"
"""CBOR tag 18, COSE_Sign1."""

_SIGN1: Final = TAG + b"\x84"
_UNPROTECTED: Final = b"\xa0"
_SIG_STRUCTURE: Final = b"\x84\x6aSignature1"
_NO_AAD: Final = b"\x40"

ALG: Final = 1
KID: Final = 4
TYP: Final = 16


class Typ(StrEnum):
    """The closed list of `typ` values: what a signature was made for."""

    ENVELOPE = "application/amanah-envelope+cose"
    REQUEST = "application/amanah-device-request+cose"
    CERTIFICATE = "application/amanah-certificate+cwt"
    REVOCATION = "application/amanah-revocation+cose"
    PROFILE = "application/amanah-profile+cose"
    ENDORSEMENT = "application/amanah-endorsement+cose"
    CONTROL_HEAD = "application/amanah-control-head+cose"
    ROOM_HEAD = "application/amanah-room-head+cose"
    RECEIPT = "application/amanah-receipt+cose"
    INCLUSION = "application/amanah-inclusion+cose"
    """A COSE Receipt (`log.cose_receipt`), the only one with another header field."""
    AUDIT_READ = "application/amanah-audit-read+cose"
    EXPORT = "application/amanah-export+cose"
    AUDIT_GRANT = "application/amanah-audit-grant+cose"
    LEGAL_HOLD = "application/amanah-legal-hold+cose"
    ERASURE = "application/amanah-erasure+cose"


class Sign1(msgspec.Struct, frozen=True, kw_only=True):
    """A decoded, not yet verified COSE_Sign1; a struct, as what is made for every entry of a log.

    Attributes:
        protected: The protected header's bytes, exactly as signed.
        payload: The payload's bytes.
        signature: 64 bytes.
    """

    protected: bytes
    payload: bytes
    signature: bytes

    @property
    def signed_bytes(self) -> bytes:
        """The Sig_structure (RFC 9052 section 4.4), external_aad empty."""
        return signed_bytes(self.protected, self.payload)

    def encode(self) -> bytes:
        """The tagged object."""
        return encode_sign1(self.protected, self.payload, self.signature)


def signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure (RFC 9052 section 4.4) with an empty external_aad."""
    return _SIG_STRUCTURE + blob(protected) + _NO_AAD + blob(payload)


def encode_sign1(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """The tagged COSE_Sign1 with an empty unprotected map."""
    return _SIGN1 + blob(protected) + _UNPROTECTED + blob(payload) + blob(signature)


def decode_sign1(data: bytes, *, max_bytes: int) -> Sign1:
    """Take a tagged COSE_Sign1 apart; nothing is verified yet.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED`, `NOT_CANONICAL` or `BAD_TYPE`.
    """
    if len(data) > max_bytes:
        raise DecodeError(Code.TOO_LARGE, f"{len(data)} bytes where at most {max_bytes} are allowed")
    return _usual_sign1(data) or _decode_sign1(data, max_bytes)


def _usual_sign1(data: bytes) -> Sign1 | None:
    """The usual shape: the payload is a hash, so that 1 + 34 + 66 bytes follow the protected header."""
    header_at = 4 if data[2:3] == b"\x58" else 5
    protected, payload, signature = data[header_at:-101], data[-98:-66], data[-64:]
    # What encodes to the very bytes is their one reading, however it was found.
    if len(protected) > MAX_HEADER_BYTES or encode_sign1(protected, payload, signature) != data:
        return None
    return Sign1(protected=protected, payload=payload, signature=signature)


def _decode_sign1(data: bytes, max_bytes: int) -> Sign1:
    if data[:1] != TAG:
        raise DecodeError(Code.MALFORMED, "not a tagged COSE_Sign1")
    fields = cbor.Fields(cbor.decode(data[1:], max_bytes=max_bytes, max_depth=2), 4, "COSE_Sign1")
    protected = fields.blob(MAX_HEADER_BYTES)
    if fields.next() != {}:
        raise DecodeError(Code.BAD_TYPE, "COSE_Sign1: the unprotected map must be empty, it is not signed")
    return Sign1(protected=protected, payload=fields.blob(max_bytes), signature=fields.fixed(SIGNATURE_BYTES))


def sign(typ: Typ, payload: object, key: SigningKey) -> bytes:
    """Sign a payload of this package's own making; the payload is encoded canonically."""
    protected = cbor.encode({ALG: ALG_ED25519, KID: key.key_id, TYP: str(typ)})
    body = cbor.encode(payload)
    return encode_sign1(protected, body, key.sign(signed_bytes(protected, body)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A decoded COSE_Sign1 of a known `typ`; its signature is not yet verified.

    Attributes:
        kid: SHA-256 of the key that is said to have signed.
        payload: The decoded payload.
        object: The parts, for `verify_opened`.
    """

    kid: bytes
    payload: cbor.Value
    object: Sign1


def decode(data: bytes, typ: Typ, *, max_bytes: int) -> Opened:
    """Decode a COSE_Sign1 that must be of one `typ`.

    Raises:
        DecodeError: as `decode_sign1`; `BAD_HEADER` for another algorithm, `typ` or header field.
    """
    parts = decode_sign1(data, max_bytes=max_bytes)
    header = cbor.decode(parts.protected, max_bytes=MAX_HEADER_BYTES)
    if not isinstance(header, dict) or set(header) != {ALG, KID, TYP}:
        raise DecodeError(Code.BAD_HEADER, "the protected header holds exactly alg, kid and typ")
    kid = header[KID]
    if header[ALG] != ALG_ED25519 or type(kid) is not bytes or len(kid) != len(sha256(b"")):
        raise DecodeError(Code.BAD_HEADER, "alg must be Ed25519 (-19) and kid a SHA-256")
    if header[TYP] != str(typ):
        raise DecodeError(Code.BAD_HEADER, f"this is not a {typ}")
    return Opened(kid=kid, payload=cbor.decode(parts.payload, max_bytes=max_bytes), object=parts)


def verify_opened(opened: Opened, public: bytes) -> None:
    """Verify that `public` is the key of `kid` and that it signed.

    Raises:
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    if sha256(public) != opened.kid:
        raise VerifyError(Code.KEY_ID, "the signer named is not the key given")
    verify_signature(public, opened.object.signature, opened.object.signed_bytes)
