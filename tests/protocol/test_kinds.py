from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol import cbor, kinds
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.kinds import Kind, MediaType, Specific
from amanah_protocol.labels import Label
from tests.protocol.refusal import refused
from tests.vectors import examples as x

ROW: Final[dict[Kind, list[Any]]] = {kind: kinds.encode_specific(specific) for kind, specific in x.SPECIFICS.items()}
ROW[Kind.MESSAGE] = kinds.encode_specific(x.ATTACHED)  # that of one without an attachment is empty
SORTED: Final = [bytes([number]) * 32 for number in range(1, 98)]


def decode(kind: Kind, row: object) -> Specific:
    """Through the bytes, as it arrives."""
    return kinds.decode_specific(kind, cbor.decode(cbor.encode(row), max_bytes=1 << 16))


@pytest.mark.parametrize("kind", Kind)
def test_what_a_kind_says_is_read_back(kind: Kind) -> None:
    specific = x.SPECIFICS[kind]
    assert kinds.kind_of(specific) is kind
    assert decode(kind, kinds.encode_specific(specific)) == specific


@pytest.mark.parametrize("kind", Kind)
def test_one_field_more_or_less_is_refused(kind: Kind) -> None:
    row = ROW[kind]
    less = {} if kind is Kind.MESSAGE else row[:-1]  # which says something, or nothing
    shapes: list[Any] = [[*row, 0], less, None, b"", {}]
    for wrong in shapes:
        with refused(Code.BAD_TYPE, DecodeError):
            decode(kind, wrong)


@pytest.mark.parametrize("kind", Kind)
def test_a_field_of_another_type_is_refused(kind: Kind) -> None:
    for place in range(len(ROW[kind])):
        values: list[Any] = [True, -1, {}, 2**63, "\0" * 300, bytes(2_000)]
        for wrong in values:
            row = [*ROW[kind][:place], wrong, *ROW[kind][place + 1 :]]
            with pytest.raises(DecodeError):
                decode(kind, row)


WRONG: Final[list[tuple[Kind, int, object, Code]]] = [
    (Kind.CREATE, 0, "x" * 254, Code.BAD_TYPE),
    (Kind.CREATE, 1, bytes(15), Code.BAD_TYPE),
    (Kind.CREATE, 2, 0x10000, Code.BAD_TYPE),
    (Kind.CREATE, 3, 5, Code.BAD_TYPE),
    (Kind.CREATE, 4, "Cert.example.tn", Code.BAD_TYPE),
    (Kind.CREATE, 6, bytes(513), Code.BAD_TYPE),
    (Kind.CREATE, 7, bytes(15), Code.BAD_TYPE),
    (Kind.COMMIT, 0, SORTED[1::-1], Code.BAD_TYPE),
    (Kind.COMMIT, 0, [SORTED[0]] * 2, Code.BAD_TYPE),
    (Kind.COMMIT, 0, SORTED[:96], Code.TOO_LARGE),
    (Kind.COMMIT, 1, SORTED, Code.BAD_TYPE),
    (Kind.WELCOME, 0, [], Code.BAD_TYPE),
    (Kind.WELCOME, 1, bytes(31), Code.BAD_TYPE),
    (Kind.MESSAGE, 0, bytes(31), Code.BAD_TYPE),
    (Kind.MESSAGE, 0, None, Code.BAD_TYPE),
    (Kind.ALERT, 0, 0, Code.BAD_TYPE),
    (Kind.ALERT, 0, 101, Code.BAD_TYPE),
    (Kind.INTAKE_KEY, 0, bytes(33), Code.BAD_TYPE),
    (Kind.INTAKE_KEY, 0, b"", Code.BAD_TYPE),
    (Kind.INTAKE_KEY, 0, bytes(1_217), Code.BAD_TYPE),
    (Kind.ACK, 0, 0, Code.BAD_TYPE),
    (Kind.ACK, 0, 5, Code.BAD_TYPE),
    (Kind.GRANT, 0, 0, Code.BAD_TYPE),
    (Kind.GRANT, 0, 10, Code.BAD_TYPE),
    (Kind.GRANT, 2, [], Code.BAD_TYPE),
    (Kind.ERASE, 0, [], Code.BAD_TYPE),
    (Kind.ERASE, 0, SORTED, Code.BAD_TYPE),
    (Kind.REPAIR, 0, [], Code.BAD_TYPE),
    (Kind.REPAIR, 1, SORTED, Code.BAD_TYPE),
    (Kind.REFUSE, 1, "x" * 33, Code.BAD_TYPE),
    (Kind.DECISION, 1, 0, Code.BAD_TYPE),
    (Kind.DECISION, 1, 3, Code.BAD_TYPE),
    (Kind.DECISION, 2, [x.NAMES[1], x.NAMES[0]], Code.BAD_TYPE),
    (Kind.DECISION, 2, [x.NAMES[0]] * 2, Code.BAD_TYPE),
    (Kind.DECISION, 2, ["tn"], Code.BAD_TYPE),
    (Kind.DECISION, 2, [f"a{number:02}.tn" for number in range(65)], Code.BAD_TYPE),
    (Kind.RELABEL, 1, 5, Code.BAD_TYPE),
    (Kind.RELABEL, 2, 5, Code.BAD_TYPE),
    (Kind.EGRESS, 1, "x" * 65, Code.BAD_TYPE),
    (Kind.EGRESS, 2, "x" * 254, Code.BAD_TYPE),
]


@pytest.mark.parametrize(("kind", "place", "wrong", "code"), WRONG)
def test_a_value_out_of_bounds_is_refused(kind: Kind, place: int, wrong: object, code: Code) -> None:
    with refused(code, DecodeError):
        decode(kind, [*ROW[kind][:place], wrong, *ROW[kind][place + 1 :]])


RIGHT: Final[list[tuple[Kind, int, object]]] = [
    (Kind.CREATE, 0, "x" * 253),
    (Kind.CREATE, 2, 0xFFFF),
    (Kind.CREATE, 3, 4),
    (Kind.CREATE, 5, None),
    (Kind.CREATE, 6, bytes(512)),
    (Kind.CREATE, 7, None),
    (Kind.COMMIT, 0, SORTED[:95]),
    (Kind.COMMIT, 1, []),
    (Kind.WELCOME, 0, SORTED[:96]),
    (Kind.WELCOME, 1, None),
    (Kind.MESSAGE, 0, bytes(32)),
    (Kind.ALERT, 0, 1),
    (Kind.INTAKE_KEY, 0, bytes(1_216)),
    (Kind.ACK, 0, 1),
    (Kind.ACK, 0, 4),
    (Kind.DELIVERED, 0, 2**63 - 1),
    (Kind.GRANT, 0, 9),
    (Kind.ERASE, 0, SORTED[:96]),
    (Kind.REPAIR, 1, []),
    (Kind.REFUSE, 1, "x" * 32),
    (Kind.DECISION, 1, 2),
    (Kind.DECISION, 2, []),
    (Kind.DECISION, 2, [f"a{number:02}.tn" for number in range(64)]),
    (Kind.EGRESS, 1, "x" * 64),
    (Kind.EGRESS, 2, "x" * 253),
]


@pytest.mark.parametrize(("kind", "place", "right"), RIGHT)
def test_a_value_at_its_bound_is_accepted(kind: Kind, place: int, right: object) -> None:
    row = [*ROW[kind][:place], right, *ROW[kind][place + 1 :]]
    assert cbor.encode(kinds.encode_specific(decode(kind, row))) == cbor.encode(row)


@given(st.sampled_from(list(Kind)), st.data())
def test_whatever_is_accepted_encodes_to_the_same_row(kind: Kind, data: st.DataObject) -> None:
    scalars = st.none() | st.integers(-2, 200) | st.binary(min_size=30, max_size=34) | st.text(max_size=6)
    values = scalars | st.lists(scalars, max_size=2)
    row = [value if data.draw(st.booleans()) else data.draw(values) for value in ROW[kind]]
    try:
        specific = decode(kind, row)
    except DecodeError:
        return
    assert cbor.encode(kinds.encode_specific(specific)) == cbor.encode(row)


def test_the_numbers_of_kinds_grades_and_outcomes_do_not_change() -> None:
    names = "CREATE COMMIT WELCOME MESSAGE ALERT INTAKE_KEY ACK DELIVERED GRANT ERASE REPAIR REFUSE DECISION RELABEL"
    assert [kind.name for kind in sorted(Kind)] == [*names.split(), "EGRESS", "COUNTS"]
    assert [int(kind) for kind in sorted(Kind)] == list(range(1, 17))
    assert [(grade.name, int(grade)) for grade in kinds.Grade] == [
        ("RECEIVED", 1),
        ("READ", 2),
        ("UNDERSTOOD", 3),
        ("ACTING", 4),
    ]
    assert [(outcome.name, int(outcome)) for outcome in kinds.Outcome] == [("ADOPTED", 1), ("REFUSED", 2)]


def test_the_closed_lists_are_those_of_the_protocol() -> None:
    assert {int(kind) for kind in kinds.HEADER_ONLY} == {1, 6, 7, 8, 10, 12, 13, 14, 15, 16}
    assert {int(kind) for kind in kinds.COMMITTED} == {4, 5, 9}
    assert {int(kind) for kind in kinds.HANDSHAKE} == {2, 3}
    assert [str(media) for media in MediaType] == [
        "message/mls",
        "application/vnd.amanah.alert+hpke",
        "application/vnd.amanah.none",
    ]


def test_labels_in_headers_are_labels() -> None:
    relabel = decode(Kind.RELABEL, ROW[Kind.RELABEL])
    assert isinstance(relabel, kinds.Relabel)
    assert (relabel.old, relabel.new) == (Label.AMBER, Label.AMBER_STRICT)
    assert type(relabel.old) is Label
