"""Envelopes: a COSE hash envelope (RFC 9052, RFC 9995) around sealed content that travels beside it.

The signature covers a header and the SHA-256 of the sealed content, so metadata can be verified
for ever while the content can be erased. The order of checks on receipt is: size, canonical form,
types (`decode_envelope`), content hash (`check_content`), signature (`verify_envelope`); what
depends on a room's state follows in relay and client.
"""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Final

import msgspec

from amanah_protocol import cbor, kinds, limits
from amanah_protocol.cose import ALG_ED25519, Sign1, Typ, decode_sign1, encode_sign1, signed_bytes
from amanah_protocol.crypto import KEY_BYTES, SignatureClaim, SigningKey, hmac_sha256, sha256
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.kinds import Kind, MediaType, Specific
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.shapes import BYTES_16, BYTES_32, UINT, fixed, layout, one_of, uint
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, RoomId
from amanah_protocol.verified import Verified

VERSION: Final = 1
_LABEL: Final = -70001
_HASH_ALG: Final = -16
_HEADER_KEYS: Final = {1, 2, 4, 16, 258, 259, _LABEL}
EMPTY_HASH: Final = sha256(b"")

_MEDIA: Final = {cbor.encode(str(media)): media for media in MediaType}
_KINDS: Final = {cbor.encode(kind): kind for kind in Kind}
_TLP: Final = {cbor.encode(label): label for label in Label}
_PRECEDENCES: Final = {cbor.encode(precedence): precedence for precedence in Precedence}
_SIZES: Final = {cbor.encode(number): number for number in range(len(limits.SIZE_CLASSES) + 1)}
_USUAL: Final = layout(
    rb"\xa7", fixed(1, ALG_ED25519), fixed(2, [_LABEL]), fixed(4), BYTES_32,
    fixed(16, str(Typ.ENVELOPE)), fixed(258, _HASH_ALG), fixed(259), one_of(_MEDIA), fixed(_LABEL),
    rb"\x8e", fixed(VERSION), one_of(_KINDS), BYTES_16, UINT, UINT, BYTES_32, fixed([]),
    UINT, one_of(_TLP), one_of(_PRECEDENCES), BYTES_32, BYTES_32, one_of(_SIZES),
)  # fmt: skip
"""The usual shape of a header, which skips no counter, up to `kind_specific`."""
_NOTHING: Final = cbor.encode([])
_FEW: Final = layout(rb"\x81", UINT, rb"|\x82", UINT, BYTES_32)
"""`kind_specific` of alerts and `delivered`, and of acknowledgements."""


class Header(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The signed metadata of an envelope.

    Attributes:
        kid: The sending device.
        media_type: What the payload's hash is of.
        room: The room.
        epoch: The room's epoch that this was sealed in; for a commit, the one that it ends.
        counter: Counts the device's envelopes in this room from 1; never reused once signed.
        previous: Id of the device's last *accepted* envelope in this room; zeros at first.
        voids: Counters skipped since then because their envelopes were refused; ascending.
        sent_at_ms: Time of sealing on the sender's clock.
        label: The outer label; the sealed one counts.
        precedence: Orders admission, never the room.
        audience: Digest of the devices that can read it (`audience_digest`).
        commitment: HMAC that allows disclosure of this one message; zeros for most kinds.
        size_class: 1 to 5 for the padded plaintext's length, 0 where nothing is padded.
        specific: What the kind says for all to see.
    """

    kid: DeviceId
    media_type: MediaType
    room: RoomId
    epoch: int
    counter: int
    previous: EnvelopeId
    voids: tuple[int, ...] = ()
    sent_at_ms: int
    label: Label
    precedence: Precedence = Precedence.ROUTINE
    audience: bytes
    commitment: bytes = ZERO_32
    size_class: int = 0
    specific: Specific

    @property
    def kind(self) -> Kind:
        """The kind, which follows from `specific`."""
        return kinds.kind_of(self.specific)

    @property
    def is_sealed(self) -> bool:
        """Whether there is sealed content."""
        return kinds.is_sealed(self.specific)

    @cached_property
    def encoded(self) -> bytes:
        """The protected header's bytes."""
        body = [
            VERSION, int(self.kind), self.room, self.epoch, self.counter, self.previous, list(self.voids),
            self.sent_at_ms, int(self.label), int(self.precedence), self.audience, self.commitment,
            self.size_class, kinds.encode_specific(self.specific),
        ]  # fmt: skip
        return cbor.encode({
            1: ALG_ED25519, 2: [_LABEL], 4: self.kid, 16: str(Typ.ENVELOPE),
            258: _HASH_ALG, 259: str(self.media_type), _LABEL: body,
        })  # fmt: skip

    @property
    def aad(self) -> bytes:
        """SHA-256 of the header's bytes: the authenticated data of what is sealed."""
        return sha256(self.encoded)


class Envelope(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A decoded envelope; signature and content are checked by the functions below.

    Attributes:
        header: The metadata.
        payload: SHA-256 of the sealed content, 32 bytes.
        encoded: The whole tagged COSE_Sign1, exactly as received or made.
        parts: Its parts, exactly as signed.
    """

    header: Header
    payload: bytes
    encoded: bytes
    parts: Sign1

    @cached_property
    def signed_bytes(self) -> bytes:
        """The Sig_structure: what is signed, and what the id is the hash of."""
        return self.parts.signed_bytes

    @cached_property
    def id(self) -> EnvelopeId:
        """SHA-256 of the Sig_structure: it never depends on the signature's bytes."""
        return EnvelopeId(sha256(self.signed_bytes))


def sign_envelope(header: Header, sealed: bytes, key: SigningKey) -> Envelope:
    """Sign a header over its sealed content (empty for header-only kinds)."""
    payload = sha256(sealed)
    signature = key.sign(signed_bytes(header.encoded, payload))
    parts = Sign1(protected=header.encoded, payload=payload, signature=signature)
    encoded = encode_sign1(header.encoded, payload, signature)
    return Envelope(header=header, payload=payload, encoded=encoded, parts=parts)


def decode_envelope(data: bytes) -> Envelope:
    """Size, canonical form, types: the first three checks on any envelope.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED`, `NOT_CANONICAL`, `BAD_TYPE`, `BAD_HEADER`,
            `UNKNOWN_VERSION`, or `CONTENT_HASH` when a kind that seals nothing names content.
    """
    parts = decode_sign1(data, max_bytes=limits.MAX_ENVELOPE_BYTES)
    if len(parts.payload) != len(EMPTY_HASH):
        raise DecodeError(Code.BAD_TYPE, "an envelope's payload is a SHA-256")
    header = decode_header(parts.protected)
    # Who has no content to hold against it (an auditor) would else keep 32 bytes that nothing explains.
    if header.media_type is MediaType.NONE and parts.payload != EMPTY_HASH:
        raise DecodeError(Code.CONTENT_HASH, "a header-only kind names the hash of nothing")
    return Envelope(header=header, payload=parts.payload, encoded=data, parts=parts)


def decode_header(data: bytes) -> Header:
    """Decode a protected header and check every field of it.

    Raises:
        DecodeError: as `decode_envelope`.
    """
    header = _usual_header(data) or _decode_header(data)
    check_header(header)
    return header


def _usual_header(data: bytes) -> Header | None:
    if len(data) > limits.MAX_HEADER_BYTES:
        return None
    found = _USUAL.match(data)
    if found is None:
        return None
    (kid, media, kind, room, epoch, counter, previous,
     sent_at, label, precedence, audience, commitment, size) = found.groups()  # fmt: skip
    return Header(
        kid=DeviceId(kid),
        media_type=_MEDIA[media],
        room=RoomId(room),
        epoch=uint(epoch),
        counter=uint(counter),
        previous=EnvelopeId(previous),
        sent_at_ms=uint(sent_at),
        label=_TLP[label],
        precedence=_PRECEDENCES[precedence],
        audience=audience,
        commitment=commitment,
        size_class=_SIZES[size],
        specific=_specific(_KINDS[kind], data[found.end() :]),
    )


def _specific(kind: Kind, data: bytes) -> Specific:
    if kind is Kind.MESSAGE and data == _NOTHING:
        return kinds.Message()
    found = _FEW.fullmatch(data)
    if found is None:
        # All before it fits, so what is refused here is what the long way would refuse. The header's map and body are
        # two levels above.
        value = cbor.decode(data, max_bytes=limits.MAX_HEADER_BYTES, max_depth=limits.MAX_DEPTH - 2)
    else:
        only, first, second = found.groups()
        value = [uint(only)] if only else [uint(first), second]
    return kinds.decode_specific(kind, value)


def _decode_header(data: bytes) -> Header:
    fields = cbor.decode(data, max_bytes=limits.MAX_HEADER_BYTES)
    if not isinstance(fields, dict) or fields.keys() != _HEADER_KEYS:
        raise DecodeError(Code.BAD_HEADER, "the header's labels are not those of an envelope")
    if fields[1] != ALG_ED25519 or fields[2] != [_LABEL] or fields[258] != _HASH_ALG:
        raise DecodeError(Code.BAD_HEADER, "alg, crit or payload hash algorithm differ from version 1")
    kid, media_type = fields[4], fields[259]
    if fields[16] != str(Typ.ENVELOPE) or type(kid) is not bytes or len(kid) != len(ZERO_32):
        raise DecodeError(Code.BAD_HEADER, "typ or kid are not those of an envelope")
    try:
        media = MediaType(media_type)  # type: ignore[arg-type]  # any other type is a ValueError here
    except ValueError:
        raise DecodeError(Code.BAD_HEADER, "an unknown media type") from None
    return _decode_body(DeviceId(kid), media, fields[_LABEL])


def _decode_body(kid: DeviceId, media_type: MediaType, value: cbor.Value) -> Header:
    f = cbor.Fields(value, 14, "envelope header")
    if f.uint() != VERSION:
        raise DecodeError(Code.UNKNOWN_VERSION, "an envelope of another version")
    try:
        kind = Kind(f.uint())
    except ValueError:
        raise DecodeError(Code.BAD_HEADER, "an unknown kind of envelope") from None
    return Header(
        kid=kid,
        media_type=media_type,
        room=RoomId(f.fixed(16)),
        epoch=f.uint(),
        counter=f.uint(),
        previous=EnvelopeId(f.fixed(32)),
        voids=_decode_voids(f.array(limits.MAX_VOIDS)),
        sent_at_ms=f.uint(),
        label=Label(f.uint(Label.RED)),
        precedence=Precedence(f.uint(Precedence.FLASH)),
        audience=f.fixed(32),
        commitment=f.fixed(32),
        size_class=f.uint(len(limits.SIZE_CLASSES)),
        specific=kinds.decode_specific(kind, f.next()),
    )


def _decode_voids(items: list[cbor.Value]) -> tuple[int, ...]:
    f = cbor.Fields(items, None, "voids")
    voids = tuple(f.uint() for _ in items)
    if list(voids) != sorted(set(voids)):
        raise DecodeError(Code.BAD_HEADER, "voids must ascend")
    return voids


def check_header(header: Header) -> None:
    """Fields that must agree with one another.

    Raises:
        DecodeError: `BAD_HEADER` when counter, voids, media type, commitment or size class do not
            fit the kind, or when a `create` names another room than it makes.
    """
    kind, sealed = header.kind, header.is_sealed
    committed = kind in kinds.COMMITTED
    if header.room == CONTROL:
        raise DecodeError(Code.BAD_HEADER, "the room is the one that stands for the control stream")
    if header.counter < 1 or (header.voids and not 1 <= header.voids[0] <= header.voids[-1] < header.counter):
        raise DecodeError(Code.BAD_HEADER, "counters start at 1 and voids lie below the counter")
    if (header.media_type is MediaType.NONE) == sealed:
        raise DecodeError(Code.BAD_HEADER, "the media type does not fit the kind")
    if header.media_type is MediaType.ALERT_HPKE and kind is not Kind.ALERT:
        raise DecodeError(Code.BAD_HEADER, "only alerts are sealed to an intake key")
    if (header.commitment != ZERO_32) != committed:
        raise DecodeError(Code.BAD_HEADER, "a commitment stands exactly in messages, alerts and grants")
    padded = committed or (kind is Kind.REPAIR and sealed)
    if (header.size_class != 0) != padded:
        raise DecodeError(Code.BAD_HEADER, "a size class stands exactly where content is padded")
    if isinstance(header.specific, kinds.Create):
        _check_create(header, header.specific)


def _check_create(header: Header, create: kinds.Create) -> None:
    if header.epoch != 0:
        raise DecodeError(Code.BAD_HEADER, "a room is created at epoch 0")
    if header.room != derive_room_id(create.origin, header.kid, create.nonce):
        raise DecodeError(Code.BAD_HEADER, "the room is not the one of this origin, creator and nonce")


def max_content_bytes(header: Header) -> int:
    """The cap on the sealed content of an envelope."""
    if not header.is_sealed:
        return 0
    return limits.MAX_HANDSHAKE_BYTES if header.kind in kinds.HANDSHAKE else limits.MAX_CONTENT_BYTES


def check_content(envelope: Envelope, sealed: bytes) -> None:
    """The sealed content is within its cap and is what the payload names.

    Raises:
        DecodeError: `TOO_LARGE`.
        VerifyError: `CONTENT_HASH`.
    """
    if len(sealed) > max_content_bytes(envelope.header):
        raise DecodeError(Code.TOO_LARGE, "the sealed content is larger than its kind allows")
    if sha256(sealed) != envelope.payload:
        raise VerifyError(Code.CONTENT_HASH, "the sealed content is not the one that was signed")


def claim_of(envelope: Envelope, public_key: bytes) -> SignatureClaim:
    """What is to be verified of an envelope: that the device of `kid`, whose key is given, signed it.

    Raises:
        VerifyError: `KEY_ID`.
    """
    if sha256(public_key) != envelope.header.kid:
        raise VerifyError(Code.KEY_ID, "the key given is not the sender's")
    return SignatureClaim(public_key, envelope.parts.signature, envelope.signed_bytes)


def verify_envelope(envelope: Envelope, public_key: bytes) -> Verified[Envelope]:
    """Verify that the device of `kid`, whose key is given, signed it.

    Raises:
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    return verify_answered(envelope, holds=claim_of(envelope, public_key).holds)


def verify_answered(envelope: Envelope, *, holds: bool) -> Verified[Envelope]:
    """As `verify_envelope`, where the answer to its `claim_of` came from elsewhere.

    Raises:
        VerifyError: `SIGNATURE`.
    """
    if not holds:
        raise VerifyError(Code.SIGNATURE, "the signature does not verify")
    return Verified(envelope)


def audience_digest(devices: frozenset[DeviceId] | set[DeviceId]) -> bytes:
    """SHA-256 over the sorted device ids that can read a message, its sender included."""
    return sha256(b"amanah/audience/1" + struct.pack(">I", len(devices)) + b"".join(sorted(devices)))


def derive_room_id(origin: str, creator: DeviceId, nonce: bytes) -> RoomId:
    """The id of a room; everyone recomputes it, so that no `create` can be replayed to another log."""
    return RoomId(sha256(b"amanah/room/1" + origin.encode() + creator + nonce)[:16])


def derive_commitment(key: bytes, room: RoomId, kid: DeviceId, counter: int, content: bytes) -> bytes:
    """HMAC under the disclosure key `k`; binds content to one place of the record.

    Raises:
        UsageError: `COMMITMENT` when the key is not 32 bytes: HMAC fills shorter keys up with zeros,
            so that two of them would open one commitment.
    """
    if len(key) != KEY_BYTES:
        raise UsageError(Code.COMMITMENT, "a disclosure key has 32 bytes")
    return hmac_sha256(key, b"amanah/commitment/1" + room + kid + struct.pack(">Q", counter) + content)
