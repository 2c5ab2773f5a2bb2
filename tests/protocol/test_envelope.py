from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any, Final

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from amanah_protocol import cbor, envelope, kinds, limits
from amanah_protocol.cose import Typ, encode_sign1, signed_bytes
from amanah_protocol.crypto import hmac_sha256, sha256
from amanah_protocol.envelope import Envelope, Header
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.kinds import Kind, MediaType
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, RoomId
from tests.protocol.refusal import refused
from tests.vectors import examples as x

MESSAGE: Final = x.message()
CONTENT: Final = x.sealed_content(Kind.MESSAGE)
LABELS: Final[dict[Any, Any]] = cbor2.loads(MESSAGE.parts.protected)
BODY: Final[list[Any]] = LABELS[-70001]


def receive(data: bytes, sealed: bytes, public: bytes = x.OFFICER.public) -> Envelope:
    """All checks on an envelope that need no room, in the order of the protocol (section 4)."""
    decoded = envelope.decode_envelope(data)
    envelope.check_content(decoded, sealed)
    return envelope.verify_envelope(decoded, public).value


@pytest.mark.parametrize("kind", Kind)
def test_an_envelope_of_each_kind_is_made_and_read_back(kind: Kind) -> None:
    made = x.signed(x.SPECIFICS[kind])
    found = receive(made.encoded, x.sealed_content(kind))
    assert found == made
    assert found.id == made.id == sha256(signed_bytes(made.header.encoded, made.payload))
    assert found.header.kind is kind
    assert found.header.encoded == made.parts.protected
    assert found.header.aad == sha256(made.parts.protected)


def test_what_a_header_need_not_say_has_a_default() -> None:
    header = Header(
        kid=x.KID,
        media_type=MediaType.MLS,
        room=x.ROOM,
        epoch=1,
        counter=1,
        previous=EnvelopeId(ZERO_32),
        sent_at_ms=x.NOW_MS,
        label=Label.CLEAR,
        audience=bytes(32),
        specific=kinds.Commit(),
    )
    assert envelope.decode_header(header.encoded) == header
    assert (header.voids, header.precedence, header.size_class) == ((), Precedence.ROUTINE, 0)


UINTS: Final = st.integers(0, 2**63 - 1)
VOIDS: Final = st.lists(st.integers(1, 2**62), max_size=16, unique=True).map(lambda voids: tuple(sorted(voids)))


@given(
    st.builds(
        Header,
        kid=st.binary(min_size=32, max_size=32).map(DeviceId),
        media_type=st.sampled_from([MediaType.MLS, MediaType.MLS]),
        room=st.binary(min_size=16, max_size=16).filter(any).map(RoomId),
        epoch=UINTS,
        counter=st.integers(2**62 + 1, 2**63 - 1),
        previous=st.binary(min_size=32, max_size=32).map(EnvelopeId),
        voids=VOIDS,
        sent_at_ms=UINTS,
        label=st.sampled_from(Label),
        precedence=st.sampled_from(Precedence),
        audience=st.binary(min_size=32, max_size=32),
        commitment=st.binary(min_size=32, max_size=32).filter(any),
        size_class=st.integers(1, 5),
        specific=st.just(kinds.Message()) | st.builds(kinds.Alert, count=st.integers(1, 100)),
    )
)
def test_any_valid_header_is_read_back(header: Header) -> None:
    assert envelope.decode_header(header.encoded) == header


def flip(data: bytes, bit: int) -> bytes:
    """The data with one bit changed."""
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def test_an_envelope_with_any_single_bit_flipped_is_refused() -> None:
    codes = set()
    for bit in range(len(MESSAGE.encoded) * 8):
        with pytest.raises((DecodeError, VerifyError)) as caught:
            receive(flip(MESSAGE.encoded, bit), CONTENT)
        codes.add(caught.value.code)
    assert codes == {
        Code.MALFORMED,
        Code.NOT_CANONICAL,
        Code.BAD_TYPE,
        Code.BAD_HEADER,
        Code.UNKNOWN_VERSION,
        Code.CONTENT_HASH,
        Code.KEY_ID,
        Code.SIGNATURE,
    }


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.MESSAGE])
def test_an_envelope_of_any_kind_with_a_bit_flipped_is_refused(kind: Kind) -> None:
    encoded = x.signed(x.SPECIFICS[kind]).encoded
    for bit in range(0, len(encoded) * 8, 7):
        with pytest.raises((DecodeError, VerifyError)):
            receive(flip(encoded, bit), x.sealed_content(kind))


def test_content_with_any_single_bit_flipped_is_refused() -> None:
    for bit in range(len(CONTENT) * 8):
        with refused(Code.CONTENT_HASH, VerifyError):
            envelope.check_content(MESSAGE, flip(CONTENT, bit))


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"\0", CONTENT[::-1]])
def test_other_content_is_refused(content: bytes) -> None:
    envelope.check_content(MESSAGE, CONTENT)
    with refused(Code.CONTENT_HASH, VerifyError):
        envelope.check_content(MESSAGE, content)


def test_the_id_does_not_depend_on_the_signature() -> None:
    forged = encode_sign1(MESSAGE.parts.protected, MESSAGE.payload, bytes(64))
    assert envelope.decode_envelope(forged).id == MESSAGE.id


def test_an_envelope_is_verified_by_the_key_of_its_kid_alone() -> None:
    with refused(Code.KEY_ID, VerifyError):
        receive(MESSAGE.encoded, CONTENT, x.RELAY_KEY.public)
    of_another = x.message(kid=DeviceId(x.RELAY_KEY.key_id))
    with refused(Code.SIGNATURE, VerifyError):
        receive(of_another.encoded, CONTENT, x.RELAY_KEY.public)


def signed(labels: dict[Any, Any], payload: bytes = MESSAGE.payload) -> bytes:
    """An envelope whose signature holds over any header."""
    protected = cbor.encode(labels)
    return encode_sign1(protected, payload, x.OFFICER.sign(signed_bytes(protected, payload)))


def without(label: int) -> dict[Any, Any]:
    """The labels of the message but one."""
    return {key: value for key, value in LABELS.items() if key != label}


WRONG_LABELS: Final[dict[str, dict[Any, Any]]] = {
    **{f"without {label}": without(label) for label in LABELS},
    "one label more": LABELS | {3: 0},
    "content type": LABELS | {3: "text/plain"},
    "a text label": LABELS | {"kid": x.KID},
    "alg EdDSA (-8)": LABELS | {1: -8},
    "alg ES256": LABELS | {1: -7},
    "crit without our label": LABELS | {2: []},
    "crit twice": LABELS | {2: [-70001, -70001]},
    "crit with another": LABELS | {2: [-70001, 16]},
    "crit as a number": LABELS | {2: -70001},
    "kid of 31 bytes": LABELS | {4: x.KID[:31]},
    "kid as text": LABELS | {4: x.KID.hex()[:32]},
    "typ of a certificate": LABELS | {16: str(Typ.CERTIFICATE)},
    "typ as a number": LABELS | {16: 1},
    "SHA-512 of the content": LABELS | {258: -44},
    "unknown media type": LABELS | {259: "text/plain"},
    "media type as a number": LABELS | {259: 0},
    "media type as a list": LABELS | {259: ["message/mls"]},
    "media type as a map": LABELS | {259: {1: 1}},
    "media type null": LABELS | {259: None},
}


@pytest.mark.parametrize("labels", WRONG_LABELS.values(), ids=WRONG_LABELS)
def test_a_header_with_other_labels_is_refused_though_its_signature_holds(labels: dict[Any, Any]) -> None:
    receive(signed(LABELS), CONTENT)
    with refused(Code.BAD_HEADER, DecodeError):
        envelope.decode_envelope(signed(labels))


def body(place: int, value: object) -> dict[Any, Any]:
    """The message with one field of its body replaced."""
    return LABELS | {-70001: [*BODY[:place], value, *BODY[place + 1 :]]}


WRONG_BODIES: Final[dict[str, tuple[dict[Any, Any], Code]]] = {
    "no array": (LABELS | {-70001: {}}, Code.BAD_TYPE),
    "thirteen fields": (LABELS | {-70001: BODY[:-1]}, Code.BAD_TYPE),
    "fifteen fields": (LABELS | {-70001: [*BODY, 0]}, Code.BAD_TYPE),
    "version 0": (body(0, 0), Code.UNKNOWN_VERSION),
    "version 2": (body(0, 2), Code.UNKNOWN_VERSION),
    "version true": (body(0, value=True), Code.BAD_TYPE),
    "kind 0": (body(1, 0), Code.BAD_HEADER),
    "kind 17": (body(1, 17), Code.BAD_HEADER),
    "kind true": (body(1, value=True), Code.BAD_TYPE),
    "room of 15 bytes": (body(2, x.ROOM[:15]), Code.BAD_TYPE),
    "room of the control stream": (body(2, CONTROL), Code.BAD_HEADER),
    "negative epoch": (body(3, -1), Code.BAD_TYPE),
    "epoch of 64 bits": (body(3, 2**63), Code.BAD_TYPE),
    "counter 0": (body(4, 0), Code.BAD_HEADER),
    "previous of 31 bytes": (body(5, bytes(31)), Code.BAD_TYPE),
    "voids descending": (body(6, [8, 7]), Code.BAD_HEADER),
    "void twice": (body(6, [7, 7]), Code.BAD_HEADER),
    "void 0": (body(6, [0]), Code.BAD_HEADER),
    "void of the counter": (body(6, [9]), Code.BAD_HEADER),
    "void beyond the counter": (body(6, [7, 10]), Code.BAD_HEADER),
    "void true": (body(6, [True]), Code.BAD_TYPE),
    "seventeen voids": (body(6, list(range(1, 18))), Code.BAD_TYPE),
    "time as text": (body(7, "now"), Code.BAD_TYPE),
    "label 5": (body(8, 5), Code.BAD_TYPE),
    "label true": (body(8, value=True), Code.BAD_TYPE),
    "precedence 4": (body(9, 4), Code.BAD_TYPE),
    "audience of 33 bytes": (body(10, bytes(33)), Code.BAD_TYPE),
    "no commitment": (body(11, ZERO_32), Code.BAD_HEADER),
    "commitment null": (body(11, None), Code.BAD_TYPE),
    "no size class": (body(12, 0), Code.BAD_HEADER),
    "size class 6": (body(12, 6), Code.BAD_TYPE),
    "a message that says something": (body(13, [0]), Code.BAD_TYPE),
}


@pytest.mark.parametrize(("labels", "code"), WRONG_BODIES.values(), ids=WRONG_BODIES)
def test_a_body_with_another_field_is_refused_though_its_signature_holds(labels: dict[Any, Any], code: Code) -> None:
    receive(signed(LABELS), CONTENT)
    with refused(code, DecodeError):
        envelope.decode_envelope(signed(labels))


CREATE: Final = x.SPECIFICS[Kind.CREATE]
assert isinstance(CREATE, kinds.Create)

WRONG_TOGETHER: Final[list[tuple[Kind, dict[str, object]]]] = [
    (Kind.MESSAGE, {"media_type": MediaType.NONE}),
    (Kind.MESSAGE, {"media_type": MediaType.ALERT_HPKE}),
    (Kind.COMMIT, {"media_type": MediaType.NONE}),
    (Kind.COMMIT, {"commitment": x.commitment()}),
    (Kind.COMMIT, {"size_class": 1}),
    (Kind.ACK, {"media_type": MediaType.MLS}),
    (Kind.ACK, {"commitment": x.commitment()}),
    (Kind.ACK, {"size_class": 1}),
    (Kind.REPAIR, {"size_class": 0}),
    (Kind.REPAIR, {"commitment": x.commitment()}),
    (Kind.GRANT, {"commitment": ZERO_32}),
    (Kind.CREATE, {"epoch": 1}),
    (Kind.CREATE, {"room": RoomId(x.fixed("another room", 16))}),
    (Kind.CREATE, {"kid": DeviceId(x.fixed("another device"))}),
    (Kind.CREATE, {"specific": replace(CREATE, origin="other.example/log")}),
    (Kind.CREATE, {"specific": replace(CREATE, nonce=bytes(16))}),
]


@pytest.mark.parametrize(("kind", "changes"), WRONG_TOGETHER)
def test_fields_that_do_not_fit_together_are_refused(kind: Kind, changes: dict[str, object]) -> None:
    right = x.header(x.SPECIFICS[kind])
    envelope.check_header(right)
    with refused(Code.BAD_HEADER, DecodeError):
        envelope.check_header(structs.replace(right, **changes))
    with refused(Code.BAD_HEADER, DecodeError):
        envelope.decode_envelope(x.signed(**{"specific": x.SPECIFICS[kind], **changes}).encoded)  # type: ignore[arg-type]  # the same


@pytest.mark.parametrize("voids", [(), (1,), (8,), tuple(range(1, 9))])
def test_voids_lie_between_one_and_the_counter(voids: tuple[int, ...]) -> None:
    assert envelope.decode_envelope(x.message(voids=voids).encoded).header.voids == voids


def test_an_alert_may_be_sealed_to_the_intake_key() -> None:
    alert = x.signed(x.SPECIFICS[Kind.ALERT], media_type=MediaType.ALERT_HPKE)
    receive(alert.encoded, x.sealed_content(Kind.ALERT))


@pytest.mark.parametrize("kind", sorted(kinds.HEADER_ONLY))
def test_a_kind_that_seals_nothing_names_no_content(kind: Kind) -> None:
    right = x.signed(x.SPECIFICS[kind])
    assert right.payload == sha256(b"") == envelope.EMPTY_HASH
    header = cbor2.loads(right.parts.protected)
    with refused(Code.CONTENT_HASH, DecodeError):
        envelope.decode_envelope(signed(header, sha256(b"something")))
    with refused(Code.TOO_LARGE, DecodeError):
        envelope.check_content(right, b"s")


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_payload_that_is_no_hash_is_refused(length: int) -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        envelope.decode_envelope(signed(LABELS, bytes(length)))


def test_size_is_checked_first() -> None:
    with refused(Code.TOO_LARGE, DecodeError):
        envelope.decode_envelope(b"\xff" * (limits.MAX_ENVELOPE_BYTES + 1))
    with refused(Code.MALFORMED, DecodeError):
        envelope.decode_envelope(b"\xff" * limits.MAX_ENVELOPE_BYTES)


@pytest.mark.parametrize(("length", "code"), [(4_096, Code.MALFORMED), (4_097, Code.BAD_TYPE)])
def test_a_header_is_at_most_four_kibibytes(length: int, code: Code) -> None:
    with refused(code, DecodeError):
        envelope.decode_envelope(encode_sign1(b"\xff" * length, bytes(32), bytes(64)))


def test_a_header_alone_is_bounded_too() -> None:
    with refused(Code.TOO_LARGE, DecodeError):
        envelope.decode_header(bytes(4_097))


def test_the_largest_envelope_of_each_kind_fits() -> None:
    many = tuple(DeviceId(sha256(bytes([number]))) for number in range(limits.MAX_NAMED_DEVICES))
    devices = tuple(sorted(many))
    commit = x.signed(
        kinds.Commit(added=devices),
        epoch=2**63 - 1,
        counter=2**63 - 1,
        voids=tuple(range(2**62, 2**62 + 16)),
        sent_at_ms=2**63 - 1,
    )
    assert envelope.decode_envelope(commit.encoded) == commit
    assert len(commit.encoded) <= limits.MAX_ENVELOPE_BYTES


def test_a_repair_that_names_no_device_asks_and_seals_nothing() -> None:
    made = envelope.sign_envelope(x.header(x.REQUEST), b"", x.OFFICER)
    assert envelope.decode_envelope(made.encoded) == made
    assert (made.header.is_sealed, made.header.media_type) == (False, MediaType.NONE)
    envelope.check_content(made, b"")
    with refused(Code.TOO_LARGE, DecodeError):
        envelope.check_content(made, b"\0")


@pytest.mark.parametrize("changes", [{"media_type": MediaType.MLS}, {"size_class": 1}])
def test_a_request_that_claims_to_seal_something_is_refused(changes: dict[str, object]) -> None:
    with refused(Code.BAD_HEADER, DecodeError):
        envelope.decode_header(x.header(x.REQUEST, **changes).encoded)


@pytest.mark.parametrize("kind", Kind)
def test_sealed_content_is_capped_by_its_kind(kind: Kind) -> None:
    most = envelope.max_content_bytes(x.header(x.SPECIFICS[kind]))
    assert most == (0 if kind in kinds.HEADER_ONLY else 2 * limits.MIB if kind in kinds.HANDSHAKE else 192 * limits.KIB)
    sealed = bytes(most)
    made = envelope.sign_envelope(x.header(x.SPECIFICS[kind]), sealed, x.OFFICER)
    envelope.check_content(made, sealed)
    with refused(Code.TOO_LARGE, DecodeError):
        envelope.check_content(made, sealed + b"\0")


def test_a_payload_of_the_right_hash_in_another_envelope_is_refused() -> None:
    other = x.message(counter=10)
    spliced = encode_sign1(MESSAGE.parts.protected, other.payload, other.parts.signature)
    with refused(Code.SIGNATURE, VerifyError):
        receive(spliced, CONTENT)


def test_the_audience_is_one_digest_whatever_the_order() -> None:
    devices = sorted([x.KID, *x.DEVICES])
    expected = sha256(b"amanah/audience/1" + struct.pack(">I", 4) + b"".join(devices))
    assert envelope.audience_digest(set(devices)) == envelope.audience_digest(frozenset(devices)) == expected
    assert envelope.audience_digest(set(devices[1:])) != expected


def test_the_room_id_binds_origin_creator_and_nonce() -> None:
    assert sha256(b"amanah/room/1" + x.ORIGIN.encode() + x.KID + x.NONCE)[:16] == x.ROOM
    assert envelope.derive_room_id("other.example/log", x.KID, x.NONCE) != x.ROOM
    assert envelope.derive_room_id(x.ORIGIN, x.DEVICES[0], x.NONCE) != x.ROOM
    assert envelope.derive_room_id(x.ORIGIN, x.KID, bytes(16)) != x.ROOM


def test_a_commitment_binds_content_to_one_place() -> None:
    key = x.fixed("disclosure key")
    data = b"amanah/commitment/1" + x.ROOM + x.KID + struct.pack(">Q", 9) + b"content"
    assert x.commitment() == hmac_sha256(key, data)
    for place in ((bytes(16), x.KID, 9), (x.ROOM, x.DEVICES[0], 9), (x.ROOM, x.KID, 10)):
        room, kid, counter = place
        other = envelope.derive_commitment(key, RoomId(room), DeviceId(kid), counter, b"content")
        assert other != x.commitment()


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_disclosure_key_of_another_length_is_refused(length: int) -> None:
    with refused(Code.COMMITMENT, UsageError):
        envelope.derive_commitment(bytes(length), x.ROOM, x.KID, 9, b"content")


# ---- drills


def specific_of(*changed: object) -> dict[Any, Any]:
    """A body whose creation has these fields behind the eight of a real room."""
    fields = [*kinds.encode_specific(replace(x.DRILL, drill=False)), *changed]
    header = x.header(x.DRILL)
    labels = cbor.decode(header.encoded, max_bytes=limits.MAX_HEADER_BYTES)
    assert isinstance(labels, dict)
    whole = labels[-70001]
    assert isinstance(whole, list)
    return {**labels, -70001: [*whole[:-1], fields]}


@pytest.mark.parametrize(
    ("fields", "code"),
    [((False,), Code.NOT_CANONICAL), ((1,), Code.BAD_TYPE), ((None,), Code.BAD_TYPE), ((True, True), Code.BAD_TYPE)],
)
def test_a_creation_marks_a_drill_by_true_alone(fields: tuple[object, ...], code: Code) -> None:
    assert envelope.decode_header(cbor.encode(specific_of(True))).specific == x.DRILL  # noqa: FBT003 - a field of the wire
    assert envelope.decode_header(cbor.encode(specific_of())).specific == replace(x.DRILL, drill=False)
    with refused(code, DecodeError):
        envelope.decode_header(cbor.encode(specific_of(*fields)))


def test_a_real_room_is_created_as_before_there_were_drills() -> None:
    assert len(kinds.encode_specific(CREATE)) == 8
    assert len(kinds.encode_specific(x.DRILL)) == 9
