from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from amanah_protocol import cbor, limits
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.log.leaf import CONTROL_TYPES, MAX_ENTRY_BYTES, Leaf, LeafType, decode_leaf
from amanah_protocol.types import CONTROL, LeafHash, RoomId
from tests.protocol.refusal import refused
from tests.vectors import examples as x

ENVELOPE: Final = x.envelope_leaf()
CERTIFICATE: Final = x.control_leaf()


@pytest.mark.parametrize("leaf", [ENVELOPE, CERTIFICATE])
def test_an_entry_is_read_back(leaf: Leaf) -> None:
    assert decode_leaf(leaf.encode()) == leaf
    assert leaf.hash == sha256(b"\0" + leaf.encode())


@given(
    st.sampled_from(sorted(set(LeafType) - CONTROL_TYPES)),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=16, max_size=16).filter(any),
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.binary(max_size=100),
)
def test_any_entry_is_read_back(
    kind: LeafType, at_ms: int, room: bytes, seq: int, previous: bytes, data: bytes
) -> None:
    leaf = Leaf(
        type=kind,
        accepted_at_ms=at_ms,
        room=RoomId(room),
        room_seq=seq,
        previous=LeafHash(previous),
        object=data,
    )
    assert decode_leaf(leaf.encode()) == leaf


WRONG: Final[dict[str, tuple[int, object, Code]]] = {
    "version 0": (0, 0, Code.UNKNOWN_VERSION),
    "version 2": (0, 2, Code.UNKNOWN_VERSION),
    "version true": (0, True, Code.BAD_TYPE),
    "type 0": (1, 0, Code.BAD_TYPE),
    "type 10": (1, 10, Code.BAD_TYPE),
    "type of the control stream": (1, 2, Code.BAD_TYPE),
    "time of 64 bits": (2, 2**63, Code.BAD_TYPE),
    "room of 15 bytes": (3, bytes(15), Code.BAD_TYPE),
    "room of the control stream": (3, CONTROL, Code.BAD_TYPE),
    "place 0": (4, 0, Code.BAD_TYPE),
    "previous of 31 bytes": (5, bytes(31), Code.BAD_TYPE),
    "object as text": (6, "x", Code.BAD_TYPE),
    "object above its limit": (6, bytes(limits.MAX_CONTROL_BYTES + 1), Code.BAD_TYPE),
}


def row(leaf: Leaf) -> list[Any]:
    value = cbor.decode(leaf.encode(), max_bytes=MAX_ENTRY_BYTES)
    assert isinstance(value, list)
    return value


@pytest.mark.parametrize(("place", "wrong", "code"), WRONG.values(), ids=WRONG)
def test_an_entry_with_another_field_is_refused(place: int, wrong: object, code: Code) -> None:
    fields = row(ENVELOPE)
    fields[place] = wrong
    with refused(code, DecodeError):
        decode_leaf(cbor.encode(fields))


@pytest.mark.parametrize("fields", [row(ENVELOPE)[:6], [*row(ENVELOPE), 0], {}])
def test_an_entry_of_another_length_is_refused(fields: object) -> None:
    with refused(Code.BAD_TYPE, DecodeError):
        decode_leaf(cbor.encode(fields))


@pytest.mark.parametrize("kind", sorted(CONTROL_TYPES))
def test_control_objects_stand_in_the_control_stream_alone(kind: LeafType) -> None:
    control = replace(CERTIFICATE, type=kind)
    assert decode_leaf(control.encode()) == control
    with refused(Code.BAD_TYPE, DecodeError):
        decode_leaf(replace(control, room=x.ROOM).encode())


def test_an_entry_fits_an_entry_bundle() -> None:
    most = replace(ENVELOPE, object=bytes(limits.MAX_CONTROL_BYTES))
    assert decode_leaf(most.encode()) == most
    assert len(most.encode()) < MAX_ENTRY_BYTES == 2**16 - 1
    with refused(Code.TOO_LARGE, DecodeError):
        decode_leaf(bytes(MAX_ENTRY_BYTES + 1))


def test_the_numbers_of_types_do_not_change() -> None:
    names = "ENVELOPE CERTIFICATE ENROLMENT REVOCATION ROSTER AUDIT_READ AUDIT_GRANT LEGAL_HOLD ERASURE"
    assert " ".join(kind.name for kind in sorted(LeafType)) == names
    assert [int(kind) for kind in sorted(LeafType)] == list(range(1, 10))
    assert {int(kind) for kind in CONTROL_TYPES} == {2, 3, 4, 5}
