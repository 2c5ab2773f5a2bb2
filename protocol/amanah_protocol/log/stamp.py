"""Time stamps on checkpoints (RFC 3161): what an authority is asked, what it answers, which bytes a token covers.

A token covers the signed note of a checkpoint, as it was recorded when the authority was asked: text, empty
line, and the signature lines that it had by then. Lines that come later stand behind those, so what was
covered is the note up to the end of one of its lines. A renewal covers such bytes and behind them older
tokens of the same checkpoint, in their order (the spirit of RFC 4998).

Nothing here asks whether an authority is trusted: that is the auditor's (`amanah_client.audit.stamps`).
`rfc3161_client` reads the tokens; it is an extra, so it is imported where it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from cryptography import x509

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.limits import MAX_TOKEN_BYTES

if TYPE_CHECKING:
    from rfc3161_client import TimeStampResponse

REQUEST_TYPE: Final = "application/timestamp-query"
"""Media type of a request over HTTP (RFC 3161 section 3.4)."""
MAX_REPLY_BYTES: Final = MAX_TOKEN_BYTES + 1024
MAX_TOKENS: Final = 32
"""Tokens of one checkpoint."""
NONCE_BITS: Final = 64

_SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
# AlgorithmIdentifier of SHA-256 with NULL parameters, as DER.
_SHA256_DER: Final = bytes.fromhex("300d06096086480165030402010500")
_GRANTED: Final = bytes.fromhex("3003020100")
_MISSING: Final = "the extra `timestamps` is not installed, so that no time stamp can be read"
_HINT: Final = "Install it: `pip install 'amanah[timestamps]'`."
_STATUS: Final = ("granted", "granted with changes", "rejection", "waiting", "revocation warning", "revoked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A time-stamp token, parsed; neither its signature nor its authority is verified.

    Attributes:
        data: The token (a CMS ContentInfo, DER), as the authority made it.
        imprint: SHA-256 of what it covers, 32 bytes.
        nonce: Of the request; None for none.
        made_ms: The authority's time; with its accuracy added, where it names one: what is covered existed then.
        begins_ms: When the signing certificate begins.
        ends_ms: When it ends.
        names: (subject, issuer) of the certificates in the token, the signing one first.
    """

    data: bytes = field(repr=False)
    imprint: bytes
    nonce: int | None
    made_ms: int
    begins_ms: int
    ends_ms: int
    names: tuple[tuple[x509.Name, x509.Name], ...] = field(repr=False)


def encode_request(imprint: bytes, nonce: int) -> bytes:
    """A request for a token over a SHA-256, with the certificates in it (RFC 3161 section 2.4.1).

    By hand: the library would draw the nonce itself.

    Args:
        imprint: SHA-256 of what is to be covered.
        nonce: Positive, unpredictable, of at most 64 bits.
    """
    number = nonce.to_bytes(nonce.bit_length() // 8 + 1, "big")
    body = (
        _der(0x02, b"\x01")
        + _der(0x30, _SHA256_DER + _der(0x04, imprint))
        + _der(0x02, number)
        + _der(0x01, b"\xff")  # certReq: without the certificate nobody could verify it later
    )
    return _der(0x30, body)


def decode_reply(data: bytes, imprint: bytes, nonce: int) -> Token:
    """The token of an authority's answer (RFC 3161 section 2.4.2), which has to be the answer to this request.

    Args:
        data: The answer.
        imprint: As it was asked for.
        nonce: As it was asked for.

    Raises:
        UsageError: `CONFIG` where the extra is not installed.
        DecodeError: `TOO_LARGE` or `MALFORMED`, also for a token that names no signing certificate.
        VerifyError: `PROOF` when it grants nothing, `CONTENT_HASH` when it covers something else, `REPLAY` when it
            answers another request, `EXPIRED` when its certificate was not valid by its own time.
    """
    if len(data) > MAX_REPLY_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"an answer of more than {MAX_REPLY_BYTES} bytes")
    response = _parse(data)
    if response.status:
        known = 0 < response.status < len(_STATUS)
        said = _STATUS[response.status] if known else f"status {response.status}"
        raise VerifyError(Code.PROOF, f"the authority grants no token: {said}")
    token = _token(response)
    if token.imprint != imprint:
        raise VerifyError(Code.CONTENT_HASH, "the token covers something else than was asked for")
    if token.nonce != nonce:
        # An old token over the same bytes would show an old time, or none that anybody chose.
        raise VerifyError(Code.REPLAY, "the token answers another request")
    if not token.begins_ms <= token.made_ms <= token.ends_ms:
        raise VerifyError(Code.EXPIRED, "the authority's certificate was not valid when it made the token")
    return token


def decode_token(data: bytes) -> Token:
    """Decode a token.

    Raises:
        UsageError: `CONFIG` where the extra is not installed.
        DecodeError: `TOO_LARGE` or `MALFORMED`.
    """
    return _token(parse_token(data))


def parse_token(data: bytes) -> TimeStampResponse:
    """A token as the library takes it: it knows tokens in granted answers alone.

    Raises:
        UsageError: `CONFIG` where the extra is not installed.
        DecodeError: `TOO_LARGE` or `MALFORMED`.
    """
    if len(data) > MAX_TOKEN_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"a token has at most {MAX_TOKEN_BYTES} bytes")
    return _parse(_der(0x30, _GRANTED + data))


def imprint_of(note: bytes, older: Sequence[bytes] = ()) -> bytes:
    """What a token over a note and over older tokens has as its imprint.

    Args:
        note: The signed note, up to the end of one of its signature lines.
        older: For a renewal, the older tokens that it covers, in order.
    """
    return sha256(b"".join((note, *older)))


def find_covered(imprint: bytes, note: bytes, older: Sequence[bytes]) -> tuple[int, ...] | None:
    """What a token covers, of what was there before it.

    Args:
        imprint: The token's.
        note: The signed note of the checkpoint, with all lines that it has got.
        older: Tokens of this checkpoint before this one, at most `MAX_TOKENS`: those that the log's relay keeps, in
            its order, then those that whoever copied them has added. An addition covers the whole note, of the first
            a beginning, and all additions before it.

    Returns:
        Places in `older` of the tokens that it covers too, none for a first token; None when it covers neither the
        note nor the note with older ones.
    """
    for start in _beginnings(note):
        for end, data in enumerate(accumulate(older, initial=start)):
            if sha256(data) == imprint:
                return tuple(range(end))
    for end, data in enumerate(accumulate(older, initial=note)):
        for begin in range(end + 1, len(older)):
            if imprint_of(data, older[begin:]) == imprint:
                return (*range(end), *range(begin, len(older)))
    return None


def _beginnings(note: bytes) -> Iterator[bytes]:
    """A note up to the end of each of its signature lines."""
    at = note.rfind(b"\n\n") + 1
    while (at := note.find(b"\n", at + 1)) >= 0:
        yield note[: at + 1]


def _parse(data: bytes) -> TimeStampResponse:
    try:
        from rfc3161_client import decode_timestamp_response  # noqa: PLC0415 - an extra: who reads no token needs none
    except ImportError:
        raise UsageError(Code.CONFIG, _MISSING, hint=_HINT) from None
    try:
        return decode_timestamp_response(data)
    except Exception as error:
        raise DecodeError(Code.MALFORMED, "this is no answer of a time-stamping authority") from error


def _token(response: TimeStampResponse) -> Token:
    try:
        info, signed = response.tst_info, response.signed_data
        imprint = info.message_imprint
        certificates = [x509.load_der_x509_certificate(data) for data in signed.certificates]
        (signer,) = signed.signer_infos
        wanted = signer.serial_number, signer.issuer
        # One alone: certificates are not signed, and a second one of that name could say another end than the
        # one by which the signature verifies.
        (signing,) = (one for one in certificates if (one.serial_number, one.issuer) == wanted)
        others = (one for one in certificates if one != signing)
        token = Token(
            data=response.time_stamp_token(),
            imprint=imprint.message,
            nonce=info.nonce,
            made_ms=int(info.gen_time.timestamp() * 1000) + _accuracy_ms(info.accuracy),
            begins_ms=int(signing.not_valid_before_utc.timestamp() * 1000),
            ends_ms=int(signing.not_valid_after_utc.timestamp() * 1000),
            names=tuple((one.subject, one.issuer) for one in (signing, *others)),
        )
    except Exception as error:
        raise DecodeError(Code.MALFORMED, "the token does not parse, or its certificate is not in it") from error
    if imprint.hash_algorithm != _SHA256:
        raise DecodeError(Code.MALFORMED, "the token is not over a SHA-256")
    return token


def _accuracy_ms(accuracy: object) -> int:
    """How much later than it says the authority's time may be, rounded up."""
    parts = [getattr(accuracy, name, None) or 0 for name in ("seconds", "millis", "micros")]
    seconds, millis, micros = parts
    return 1000 * seconds + millis - -micros // 1000


def _der(tag: int, body: bytes) -> bytes:
    """One element in DER."""
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(digits))) + digits + body
