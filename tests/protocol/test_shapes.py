from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from amanah_protocol import cbor, cose, envelope, kinds, limits, shapes
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import Envelope, Header
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.kinds import Kind, MediaType, Specific
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.log.leaf import CONTROL_TYPES, Leaf, LeafType
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, LeafHash, OrgName, RoomId
from tests.fuzz.two_ways import PATTERNS, USUAL, WAYS, Refusal, agreed
from tests.vectors import examples as x

EDGES: Final = sorted({edge + by for edge in (0, 24, 2**8, 2**16, 2**32, 2**63, 2**64 - 1) for by in (-1, 0, 1)})
WIDTHS: Final = (0, 1, 2, 4, 8)


def head(major: int, argument: int, width: int) -> bytes:
    """A head of RFC 8949 section 3 with so many bytes behind the first; minimal or not."""
    if width == 0:
        return bytes([major << 5 | argument])
    return bytes([major << 5 | 23 + width.bit_length()]) + argument.to_bytes(width)


def heads(major: int, argument: int) -> Iterator[bytes]:
    """All heads with this argument."""
    for width in WIDTHS:
        if argument < (24 if width == 0 else 256**width):
            yield head(major, argument, width)


@pytest.mark.parametrize("number", [edge for edge in EDGES if 0 <= edge < 2**64])
def test_a_number_is_recognised_in_its_shortest_form_alone(number: int) -> None:
    pattern = shapes.layout(shapes.UINT)
    for encoded in heads(0, number):
        found = pattern.fullmatch(encoded)
        assert (found is not None) == (encoded == cbor.encode(number) and number < 2**63)
        assert found is None or shapes.uint(found[1]) == number


@pytest.mark.parametrize("length", [edge for edge in EDGES if 0 <= edge <= 2**16 + 1])
def test_a_byte_string_is_encoded_as_ever(length: int) -> None:
    assert shapes.blob(bytes(length)) == cbor.encode(bytes(length))


def repetitions(parsed: object) -> Iterator[tuple[int, int]]:
    """Fewest and most turns of each repetition in a parsed pattern."""
    match parsed:
        case (int(least), int(most), _):
            yield least, most
    inside = getattr(parsed, "data", parsed)
    if isinstance(inside, list | tuple):
        for item in inside:
            yield from repetitions(item)


def counts(pattern: re.Pattern[bytes]) -> list[tuple[int, int]]:
    """Of all repetitions of a pattern, as the regular expressions' own parser reads it."""
    parser = importlib.import_module("re._parser")
    return list(repetitions(parser.parse(pattern.pattern, pattern.flags)))


def test_no_pattern_repeats_but_by_a_fixed_count() -> None:
    found = [count for pattern in PATTERNS for count in counts(pattern)]
    assert {4, 7, 16, 32} <= {most for _, most in found}
    assert all(least == most for least, most in found)
    assert counts(re.compile(b"a(b{0,3}c)d")) == [(0, 3)]
    assert all(least < most for least, most in counts(re.compile(b"(?:a+b)*")))


# Both ways on everything that is valid.

UINTS: Final = st.integers(0, 2**63 - 1) | st.sampled_from([edge for edge in EDGES if 0 <= edge < 2**63])
HASHES: Final = st.binary(min_size=32, max_size=32)
IDS: Final = st.lists(HASHES, min_size=1, max_size=3, unique=True).map(lambda ids: tuple(sorted(ids)))
DEVICES: Final = IDS.map(lambda ids: tuple(map(DeviceId, ids)))
ENVELOPES: Final = IDS.map(lambda ids: tuple(map(EnvelopeId, ids)))
ONE: Final = HASHES.map(EnvelopeId)
TLP: Final = st.sampled_from(Label)
NATIONS: Final = st.lists(st.sampled_from(x.NAMES), unique=True).map(lambda names: tuple(map(OrgName, sorted(names))))
RANGES: Final = st.tuples(st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1)).map(sorted)

SPECIFICS: Final[dict[Kind, st.SearchStrategy[Any]]] = {
    Kind.CREATE: st.builds(
        kinds.Create,
        origin=st.text(max_size=40),
        nonce=st.binary(min_size=16, max_size=16),
        suite=st.integers(0, 0xFFFF),
        ceiling=TLP,
        owner=st.sampled_from(x.NAMES),
        agreement=st.none() | st.text(max_size=40),
        policy=st.binary(max_size=40),
        successor_of=st.none() | st.binary(min_size=16, max_size=16).map(RoomId),
    ),
    Kind.COMMIT: st.builds(kinds.Commit, added=DEVICES, removed=st.just(()) | DEVICES),
    Kind.WELCOME: st.builds(kinds.Welcome, addressees=DEVICES, tree_hash=st.none() | HASHES),
    Kind.MESSAGE: st.builds(kinds.Message, attachment=st.none() | HASHES),
    Kind.ALERT: st.builds(kinds.Alert, count=st.integers(1, limits.MAX_ALERTS)),
    Kind.INTAKE_KEY: st.builds(kinds.IntakeKey, public_key=HASHES, expires_ms=UINTS),
    Kind.ACK: st.builds(kinds.Ack, grade=st.sampled_from(kinds.Grade), envelope=ONE),
    Kind.DELIVERED: st.builds(kinds.Delivered, room_seq=UINTS),
    Kind.GRANT: st.builds(
        lambda ends, devices: kinds.Grant(from_seq=ends[0], to_seq=ends[1], addressees=devices), RANGES, DEVICES
    ),
    Kind.ERASE: st.builds(kinds.Erase, envelopes=ENVELOPES),
    Kind.REPAIR: st.builds(kinds.Repair, envelopes=ENVELOPES, addressees=st.just(()) | DEVICES),
    Kind.REFUSE: st.builds(kinds.Refuse, commit=ONE, code=st.text(max_size=32)),
    Kind.DECISION: st.builds(
        kinds.Decision, ordinal=UINTS, outcome=st.sampled_from(kinds.Outcome), nations=NATIONS
    ),
    Kind.RELABEL: st.builds(kinds.Relabel, envelope=ONE, old=TLP, new=TLP),
    Kind.EGRESS: st.builds(kinds.Egress, envelope=ONE, form=st.text(max_size=64), recipient=st.text(max_size=40)),
    Kind.COUNTS: st.builds(kinds.Counts, accepted=UINTS, merged=UINTS, dropped=UINTS),
}  # fmt: skip


@st.composite
def headers(draw: st.DrawFn, kind: Kind) -> Header:
    """A valid header of a kind."""
    specific: Specific = draw(SPECIFICS[kind])
    kid = DeviceId(draw(HASHES))
    create = specific if isinstance(specific, kinds.Create) else None
    sealed, committed = kinds.is_sealed(specific), kind in kinds.COMMITTED
    padded = committed or (kind is Kind.REPAIR and sealed)
    media = [MediaType.MLS, MediaType.ALERT_HPKE] if kind is Kind.ALERT else [MediaType.MLS]
    counter = draw(UINTS.filter(bool))
    voids = draw(st.just(()) | st.sets(st.integers(1, counter), max_size=16).map(lambda found: tuple(sorted(found))))
    return Header(
        kid=kid,
        media_type=draw(st.sampled_from(media)) if sealed else MediaType.NONE,
        room=envelope.derive_room_id(create.origin, kid, create.nonce)
        if create
        else RoomId(draw(st.binary(min_size=16, max_size=16).filter(any))),
        epoch=0 if create else draw(UINTS),
        counter=counter,
        previous=EnvelopeId(draw(HASHES)),
        voids=tuple(void for void in voids if void < counter),
        sent_at_ms=draw(UINTS),
        label=draw(TLP),
        precedence=draw(st.sampled_from(Precedence)),
        audience=draw(HASHES),
        commitment=draw(HASHES.filter(any)) if committed else ZERO_32,
        size_class=draw(st.integers(1, 5)) if padded else 0,
        specific=specific,
    )


@pytest.mark.parametrize("kind", Kind)
def test_every_header_that_skips_no_counter_has_the_usual_shape(kind: Kind) -> None:
    @given(headers(kind), st.binary(max_size=20))
    def holds(header: Header, sealed: bytes) -> None:
        made = envelope.sign_envelope(header, sealed if header.is_sealed else b"", x.OFFICER)
        assert agreed("header", header.encoded) == header
        assert agreed("envelope", made.encoded) == made
        assert USUAL["header"](header.encoded) == (None if header.voids else header)
        assert USUAL["sign1"](made.encoded) == made.parts

    holds()


@given(
    st.sampled_from(LeafType), UINTS, st.binary(min_size=16, max_size=16).filter(any), UINTS.filter(bool), HASHES,
    st.binary(max_size=300),
)  # fmt: skip
def test_every_entry_has_the_usual_shape(
    kind: LeafType, at_ms: int, room: bytes, seq: int, previous: bytes, data: bytes
) -> None:
    leaf = Leaf(
        type=kind,
        accepted_at_ms=at_ms,
        room=CONTROL if kind in CONTROL_TYPES else RoomId(room),
        room_seq=seq,
        previous=LeafHash(previous),
        object=data,
    )
    assert agreed("leaf", leaf.encode()) == USUAL["leaf"](leaf.encode()) == leaf


@given(st.binary(min_size=24, max_size=300), HASHES, st.binary(min_size=64, max_size=64))
def test_every_signed_hash_has_the_usual_shape(protected: bytes, payload: bytes, signature: bytes) -> None:
    parts = cose.Sign1(protected=protected, payload=payload, signature=signature)
    assert agreed("sign1", parts.encode()) == USUAL["sign1"](parts.encode()) == parts


@given(st.binary(max_size=300), st.binary(max_size=100), st.binary(max_size=100))
def test_any_three_byte_strings_are_taken_apart_in_both_ways_alike(
    protected: bytes, payload: bytes, signature: bytes
) -> None:
    found = agreed("sign1", cose.encode_sign1(protected, payload, signature))
    assert isinstance(found, Refusal) == (len(signature) != 64)


# Both ways on what is damaged.


def without_voids() -> Iterator[Envelope]:
    for specific in (*x.SPECIFICS.values(), x.REQUEST):
        yield x.signed(specific, voids=())


SMALL: Final = x.message(epoch=0, counter=1, voids=(), sent_at_ms=0)
LARGE: Final = x.message(epoch=2**63 - 1, counter=2**32, voids=(), sent_at_ms=2**16)
ENVELOPE_SAMPLES: Final = {
    **{f"envelope {made.header.kind.name}{number}": made.encoded for number, made in enumerate(without_voids())},
    "envelope with voids": x.message().encoded,
    "envelope with small numbers": SMALL.encoded,
    "envelope with large numbers": LARGE.encoded,
    "envelope of a sensor": x.signed(x.SPECIFICS[Kind.ALERT], media_type=MediaType.ALERT_HPKE, voids=()).encoded,
}
ENTRY: Final = x.envelope_leaf()
LEAF_SAMPLES: Final = {
    "leaf of an envelope": ENTRY.encode(),
    "leaf of a certificate": x.control_leaf().encode(),
    "leaf with small numbers": replace(ENTRY, accepted_at_ms=0, room_seq=1, object=b"").encode(),
    "leaf with large numbers": replace(ENTRY, accepted_at_ms=2**32, room_seq=2**63 - 1, object=bytes(23)).encode(),
    **{
        f"leaf with {length} bytes": replace(ENTRY, type=kind, object=sha256(b"object") * (length // 32)).encode()
        for kind, length in zip(
            (LeafType.AUDIT_READ, LeafType.AUDIT_GRANT, LeafType.ERASURE), (32, 224, 256), strict=True
        )
    },
}
SAMPLES: Final = [
    *(pytest.param("envelope", data, id=name) for name, data in ENVELOPE_SAMPLES.items()),
    *(pytest.param("leaf", data, id=name) for name, data in LEAF_SAMPLES.items()),
]
INSERTED: Final = (b"\x00", b"\x18", b"\x1b", b"\x58", b"\x9f", b"\xff")


def damaged(data: bytes) -> Iterator[bytes]:
    """Every bit flipped, every beginning and end, every byte left out or doubled, and bytes put everywhere."""
    for bit in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)
    for at in range(len(data)):
        yield data[:at]
        yield data[at + 1 :]
        yield data[:at] + data[at + 1 :]
        yield data[: at + 1] + data[at:]
    for at in range(len(data) + 1):
        for inserted in INSERTED:
            yield data[:at] + inserted + data[at:]


@pytest.mark.slow
@pytest.mark.parametrize(("what", "data"), SAMPLES)
def test_damage_of_any_one_place_has_the_same_verdict_in_both_ways(what: str, data: bytes) -> None:
    assert not isinstance(agreed(what, data), Refusal)
    codes = {found.code for found in (agreed(what, other) for other in damaged(data)) if isinstance(found, Refusal)}
    assert {Code.MALFORMED, Code.NOT_CANONICAL, Code.BAD_TYPE, Code.UNKNOWN_VERSION} <= codes


# Forms that another decoder would take.


def flat(fields: list[bytes], place: int, other: bytes) -> bytes:
    """The fields with one of them replaced."""
    return b"".join([*fields[:place], other, *fields[place + 1 :]])


BODY: Final[list[Any]] = [
    1, 4, x.ROOM, 4, 9, x.fixed("previous"), [], x.NOW_MS, 2, 1, x.fixed("audience"), x.fixed("commitment"), 1, [],
]  # fmt: skip
LABELS: Final[list[tuple[int, Any]]] = [
    (1, -19), (2, [-70001]), (4, x.KID), (16, "application/amanah-envelope+cose"), (258, -16), (259, "message/mls"),
]  # fmt: skip


def header(*body: bytes, labels: list[bytes] | None = None, count: bytes = b"\xa7") -> bytes:
    """A header of pieces that are encoded already."""
    pairs = [cbor.encode(key) + cbor.encode(value) for key, value in LABELS] if labels is None else labels
    return count + b"".join(pairs) + cbor.encode(-70001) + b"".join(body)


FIELDS: Final = [cbor.encode(value) for value in BODY]
PAIRS: Final = [cbor.encode(key) + cbor.encode(value) for key, value in LABELS]
ENTRY_FIELDS: Final = [
    cbor.encode(value) for value in (1, 1, x.NOW_MS, x.ROOM, 12, x.fixed("previous leaf"), x.message().encoded)
]


def wider(field: bytes) -> Iterator[bytes]:
    """The same item with each longer head."""
    major, info = divmod(field[0], 32)
    width = 0 if info < 24 else 1 << info - 24
    argument = int.from_bytes(field[1 : 1 + width]) if width else info
    for other in WIDTHS[WIDTHS.index(width) + 1 :]:
        yield head(major, argument, other) + field[1 + width :]


def widened(fields: list[bytes]) -> Iterator[bytes]:
    """All fields, in turn with each longer head of one of them."""
    for place, field in enumerate(fields):
        for other in wider(field):
            yield flat(fields, place, other)


def of_kind(kind: Kind, specific: bytes) -> bytes:
    """A header of a kind with any `kind_specific`."""
    return header(b"\x8e", flat([*FIELDS[:1], cbor.encode(kind), *FIELDS[2:]], 13, specific))


def long_forms() -> Iterator[tuple[str, bytes]]:
    """What is right but for the head of one item."""
    yield from (("header", header(b"\x8e", fields)) for fields in widened(FIELDS))
    yield from (("leaf", b"\x87" + fields) for fields in widened(ENTRY_FIELDS))
    flattened = [cbor.encode(item) for pair in LABELS for item in pair]
    yield from (("header", header(b"\x8e", *FIELDS, labels=[pairs])) for pairs in widened(flattened))
    parts = SMALL.parts
    outside: tuple[object, ...] = (parts.protected, {}, parts.payload, parts.signature)
    for pieces in widened([cbor.encode(item) for item in outside]):
        yield from ((what, b"\xd2\x84" + pieces) for what in ("envelope", "sign1"))
    for specific in (b"\x81\x18\x05", b"\x98\x01\x05", b"\x82\x18\x01" + FIELDS[5], b"\x98\x00"):
        yield from (("header", of_kind(kind, specific)) for kind in Kind)


OTHERS: Final = [
    *(cbor.encode(number) for number in (*range(-1, 20), 100, 101, *EDGES[3:-2])),
    *(cbor.encode(bytes(length)) for length in (0, 15, 16, 17, 31, 32, 33, 64, limits.MAX_CONTROL_BYTES + 1)),
    *(
        cbor.encode(value)
        for value in (True, None, "", "now", [], [0], [1], [5], [100], [101], [1, 2], [7, 7], {}, {1: 1})
    ),
    *(cbor.encode([number, x.fixed("of")]) for number in range(6)),
    *(cbor.encode([1, bytes(length)]) for length in (31, 33)),
]
"""Values that some field takes and the others do not."""


@pytest.mark.parametrize("place", range(14))
def test_a_header_with_another_field_has_the_same_verdict_in_both_ways(place: int) -> None:
    found = []
    for kind in (Kind.MESSAGE, Kind.ALERT, Kind.ACK, Kind.DELIVERED, Kind.COUNTS):
        body = [*FIELDS[:1], cbor.encode(kind), *FIELDS[2:13], cbor.encode(kinds.encode_specific(x.SPECIFICS[kind]))]
        found += [agreed("header", header(b"\x8e", flat(body, place, other))) for other in OTHERS]
    assert {Code.BAD_TYPE, Code.UNKNOWN_VERSION if place == 0 else Code.BAD_HEADER} <= {
        refusal.code for refusal in found if isinstance(refusal, Refusal)
    }


@pytest.mark.parametrize("place", range(7))
def test_an_entry_with_another_field_has_the_same_verdict_in_both_ways(place: int) -> None:
    found = [agreed("leaf", b"\x87" + flat(ENTRY_FIELDS, place, other)) for other in OTHERS]
    assert Code.BAD_TYPE in {refusal.code for refusal in found if isinstance(refusal, Refusal)}


@pytest.mark.parametrize("length", [limits.MAX_HEADER_BYTES, limits.MAX_HEADER_BYTES + 1])
def test_the_cap_of_a_protected_header_is_the_same_in_both_ways(length: int) -> None:
    found = agreed("sign1", cose.encode_sign1(bytes(length), bytes(32), bytes(64)))
    assert isinstance(found, Refusal) == (length > limits.MAX_HEADER_BYTES)


def test_a_longer_head_anywhere_is_refused() -> None:
    refused = [(agreed(what, data), data) for what, data in long_forms()]
    assert len(refused) > 150
    for found, data in refused:
        assert isinstance(found, Refusal), data.hex()
        assert found.code is Code.NOT_CANONICAL, data.hex()


CHUNKED: Final = b"\x5f\x41a\x41b\xff"
OTHER_FORMS: Final[dict[str, tuple[str, bytes, Code]]] = {
    "array of no stated length": ("header", header(b"\x9f", *FIELDS, b"\xff"), Code.MALFORMED),
    "map of no stated length": ("header", header(b"\x8e", *FIELDS, b"\xff", count=b"\xbf"), Code.MALFORMED),
    "voids of no stated length": ("header", header(b"\x8e", flat(FIELDS, 6, b"\x9f\xff")), Code.MALFORMED),
    "specific of no stated length": ("header", header(b"\x8e", flat(FIELDS, 13, b"\x9f\xff")), Code.MALFORMED),
    "leaf of no stated length": ("leaf", b"\x9f" + b"".join(ENTRY_FIELDS) + b"\xff", Code.MALFORMED),
    "object in chunks": ("leaf", b"\x87" + flat(ENTRY_FIELDS, 6, CHUNKED), Code.MALFORMED),
    "keys in another order": (
        "header", header(b"\x8e", *FIELDS, labels=[PAIRS[1], PAIRS[0], *PAIRS[2:]]), Code.NOT_CANONICAL,
    ),
    "a key twice": ("header", header(b"\x8e", *FIELDS, labels=[*PAIRS, PAIRS[5]], count=b"\xa8"), Code.MALFORMED),
    "a key twice and one missing": ("header", header(b"\x8e", *FIELDS, labels=[PAIRS[0], *PAIRS[:5]]), Code.MALFORMED),
    "a byte behind the header": ("header", header(b"\x8e", *FIELDS, b"\x00"), Code.NOT_CANONICAL),
    "a byte behind the leaf": ("leaf", b"\x87" + b"".join(ENTRY_FIELDS) + b"\x00", Code.NOT_CANONICAL),
    "a byte behind the envelope": ("envelope", SMALL.encoded + b"\x00", Code.NOT_CANONICAL),
    "no specific": ("header", header(b"\x8e", *FIELDS[:13]), Code.MALFORMED),
    "too large": ("header", header(b"\x8e", flat(FIELDS, 13, b"\x80" * 4_096)), Code.TOO_LARGE),
    "a tagged number": ("header", header(b"\x8e", flat(FIELDS, 4, b"\xc2\x41\x09")), Code.MALFORMED),
    # Two bytes of the head that stands there would be the right head of what follows.
    "a head within a head": ("leaf", b"\x87" + flat(ENTRY_FIELDS, 6, b"\x59\x58\x1e" + bytes(30)), Code.MALFORMED),
}  # fmt: skip


@pytest.mark.parametrize(("what", "data", "code"), OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_another_form_is_refused_as_by_the_long_way(what: str, data: bytes, code: Code) -> None:
    found = agreed(what, data)
    assert isinstance(found, Refusal)
    assert found.code is code


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("opened", "closed"), [(b"\x81", b""), (b"\xa1\x01", b""), (b"\x82", b"\x00")])
@pytest.mark.parametrize("inmost", [b"\x00", b"\x80", b"\xa0", b"\x81\x00"])
def test_depth_is_counted_from_the_outside_in_both_ways(
    kind: Kind, opened: bytes, closed: bytes, inmost: bytes
) -> None:
    codes = []
    for depth in range(limits.MAX_DEPTH + 2):
        nested = opened * depth + inmost + closed * depth
        found = agreed("header", of_kind(kind, nested))
        codes.append(found.code if isinstance(found, Refusal) else None)
    assert codes[-1] is Code.MALFORMED
    assert codes[2] is not Code.MALFORMED


@pytest.mark.parametrize("decode", ["header", "envelope", "leaf", "sign1"])
def test_both_ways_differ_where_one_of_them_is_broken(decode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WAYS, decode, (lambda _: 0, lambda _: False))
    with pytest.raises(AssertionError):
        agreed(decode, b"")
    monkeypatch.undo()
    with pytest.raises(DecodeError):
        WAYS[decode][0](b"")
