"""The normalised alert: its bounds, its wire form, and how a stream of them is packed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol import cbor, limits
from amanah_protocol.content.alert import (
    MAX_OBSERVED_AT_MS,
    MAX_PACK_BYTES,
    Alert,
    AlertPacker,
    Severity,
    decode_alerts,
    encode_alerts,
    pack_alerts,
    plain_text,
)
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, UsageError

RECORD: Final = b'{"event_type":"alert"}'
ALERT: Final = Alert(
    source="suricata",
    dedupe_id="1:1:2200073:2018-10-30T09:56:07.459844+0100",
    observed_at_ms=1_540_889_767_459,
    severity=Severity.LOW,
    title="SURICATA IPv4 invalid checksum",
    category="Generic Protocol Command Decode",
    signature_id="2200073",
    source_address="192.0.2.1",
    source_port=61_183,
    destination_address="2001:db8::1",
    destination_port=22,
    protocol="TCP",
    original=RECORD,
    original_hash=sha256(RECORD),
)
BARE: Final = Alert(
    source="suricata",
    dedupe_id="",
    observed_at_ms=0,
    severity=Severity.CRITICAL,
    title="t",
    category="",
    signature_id="1",
    original=b"",
    original_hash=bytes(32),
)
ROW: Final = ALERT.to_row()
NAMES: Final = [field.name for field in fields(Alert)]


def with_record(length: int) -> Alert:
    record = bytes(length)
    return replace(ALERT, original=record, original_hash=sha256(record))


def encoded_bytes(pack: tuple[Alert, ...]) -> int:
    return len(cbor.encode(encode_alerts(pack)))


# one alert


def test_an_alert_reads_as_it_was_written() -> None:
    data = cbor.encode(encode_alerts([ALERT, BARE]))
    assert decode_alerts(cbor.decode(data, max_bytes=len(data))) == (ALERT, BARE)


def test_the_row_holds_every_field_in_the_order_of_the_class() -> None:
    assert [getattr(ALERT, name) for name in NAMES] == ROW


def test_severities_ascend() -> None:
    assert list(Severity) == sorted(Severity) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["title", "category"])
def test_a_long_text_is_bounded(name: str) -> None:
    assert_bounded(name, "x" * limits.MAX_TEXT_CHARS, "x" * (limits.MAX_TEXT_CHARS + 1), Code.TOO_LARGE)


@pytest.mark.parametrize(
    "name", ["source", "dedupe_id", "signature_id", "source_address", "destination_address", "protocol"]
)
def test_a_name_is_bounded(name: str) -> None:
    assert_bounded(name, "x" * limits.MAX_NAME_CHARS, "x" * (limits.MAX_NAME_CHARS + 1), Code.TOO_LARGE)


@pytest.mark.parametrize("name", ["source_port", "destination_port"])
def test_a_port_is_bounded(name: str) -> None:
    assert_bounded(name, 0, -1, Code.MALFORMED)
    assert_bounded(name, 65_535, 65_536, Code.MALFORMED)


def test_a_time_is_bounded() -> None:
    assert_bounded("observed_at_ms", 0, -1, Code.MALFORMED)
    assert_bounded("observed_at_ms", MAX_OBSERVED_AT_MS, MAX_OBSERVED_AT_MS + 1, Code.MALFORMED)


def test_an_original_is_bounded() -> None:
    assert len(with_record(limits.MAX_ALERT_ORIGINAL_BYTES).original) == limits.MAX_ALERT_ORIGINAL_BYTES
    with pytest.raises(UsageError) as caught:
        with_record(limits.MAX_ALERT_ORIGINAL_BYTES + 1)
    assert caught.value.code is Code.TOO_LARGE


def test_the_hash_has_to_be_that_of_the_original() -> None:
    assert_bounded("original_hash", sha256(RECORD), sha256(b"other"), Code.CONTENT_HASH)
    assert_bounded("original_hash", sha256(RECORD), sha256(RECORD)[:31], Code.MALFORMED)


@pytest.mark.parametrize("wrong", ["\x1b[2J", "a\n", "\x00", "\x7f", "\x9b1m", "\ud800"])
@pytest.mark.parametrize("name", ["source", "dedupe_id", "title", "category", "signature_id", "source_address"])
def test_a_text_holds_no_control_characters(name: str, wrong: str) -> None:
    assert_bounded(name, "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{ARABIC LETTER ALEF}\u00a0", wrong, Code.MALFORMED)


def assert_bounded(name: str, right: object, wrong: object, code: Code) -> None:
    change: dict[str, Any] = {name: right}
    assert getattr(replace(ALERT, **change), name) == right
    with pytest.raises(UsageError) as caught:
        replace(ALERT, **{name: wrong})  # type: ignore[arg-type]  # any field, with what does not belong there
    assert caught.value.code is code


# decoding


WRONG: Final[dict[str, list[tuple[cbor.Value, Code]]]] = {
    "source": [(1, Code.BAD_TYPE), (None, Code.BAD_TYPE), ("\n", Code.MALFORMED)],
    "dedupe_id": [(b"x", Code.BAD_TYPE), ("x" * 254, Code.BAD_TYPE)],
    "observed_at_ms": [("1", Code.BAD_TYPE), (-1, Code.BAD_TYPE), (MAX_OBSERVED_AT_MS + 1, Code.BAD_TYPE)],
    "severity": [(4, Code.BAD_TYPE), (-1, Code.BAD_TYPE), (True, Code.BAD_TYPE)],
    "title": [(None, Code.BAD_TYPE), ("x" * 1_025, Code.BAD_TYPE), ("\x1b", Code.MALFORMED)],
    "category": [(b"", Code.BAD_TYPE)],
    "signature_id": [(2_200_073, Code.BAD_TYPE)],
    "source_address": [(b"", Code.BAD_TYPE)],
    "source_port": [("80", Code.BAD_TYPE), (65_536, Code.MALFORMED), (False, Code.BAD_TYPE)],
    "destination_address": [(1, Code.BAD_TYPE)],
    "destination_port": [(-1, Code.BAD_TYPE)],
    "protocol": [([], Code.BAD_TYPE)],
    "original": [("text", Code.BAD_TYPE), (bytes(65_537), Code.BAD_TYPE), (b"other", Code.CONTENT_HASH)],
    "original_hash": [(bytes(31), Code.BAD_TYPE), (None, Code.BAD_TYPE), (bytes(32), Code.CONTENT_HASH)],
}


@pytest.mark.parametrize(
    ("name", "wrong", "code"), [(name, value, code) for name, rows in WRONG.items() for value, code in rows]
)
def test_a_field_of_another_type_or_out_of_bounds_is_refused(name: str, wrong: cbor.Value, code: Code) -> None:
    row = list(ROW)
    row[NAMES.index(name)] = wrong
    with pytest.raises(DecodeError) as caught:
        decode_alerts([row])
    assert caught.value.code is code


def test_every_field_has_a_wrong_form_in_this_test() -> None:
    assert list(WRONG) == NAMES


@pytest.mark.parametrize("row", [ROW[:-1], [*ROW, None], [], None, {}, RECORD])
def test_a_row_of_another_length_or_kind_is_refused(row: cbor.Value) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_alerts([ROW, row])
    assert caught.value.code is Code.BAD_TYPE


def test_one_to_a_hundred_alerts_are_read_and_written() -> None:
    for count in (1, 100):
        assert len(decode_alerts(encode_alerts([ALERT] * count))) == count
    for count in (0, 101):
        with pytest.raises(DecodeError) as refused:
            decode_alerts([ROW] * count)
        assert refused.value.code is Code.BAD_TYPE
        with pytest.raises(UsageError) as caught:
            encode_alerts([ALERT] * count)
        assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize("value", [None, {}, 1, RECORD, "text"])
def test_what_is_no_array_is_refused(value: cbor.Value) -> None:
    with pytest.raises(DecodeError):
        decode_alerts(value)


VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=15),
    max_leaves=30,
)


@given(VALUES, st.lists(st.tuples(st.integers(0, len(ROW) - 1), VALUES), max_size=3))
def test_no_value_raises_anything_but_a_decode_error(value: cbor.Value, changes: list[tuple[int, cbor.Value]]) -> None:
    row = list(ROW)
    for position, changed in changes:
        row[position] = changed
    candidates: list[cbor.Value] = [value, [value], [row]]
    for candidate in candidates:
        try:
            alerts = decode_alerts(candidate)
        except DecodeError:
            continue
        assert encode_alerts(alerts) == candidate


# text for an alert


def test_plain_text_keeps_what_can_be_shown_and_replaces_what_controls() -> None:
    assert plain_text("caf\u00e9 \u0627", 100) == "caf\u00e9 \u0627"
    assert plain_text("a\x1b[2J\n\ud800b", 100) == "a\ufffd[2J\ufffd\ufffdb"
    assert plain_text("abcdef", 3) == "abc"


@given(st.text(st.characters(), max_size=50))
def test_plain_text_always_fits_an_alert(text: str) -> None:
    assert replace(ALERT, title=plain_text(text, 40)).title == plain_text(text, 40)


# packing


def test_packs_hold_at_most_a_hundred_alerts_in_order() -> None:
    alerts = [replace(ALERT, source_port=number) for number in range(250)]
    packs = list(pack_alerts(alerts))
    assert [len(pack) for pack in packs] == [100, 100, 50]
    assert [alert for pack in packs for alert in pack] == alerts


def test_no_alerts_give_no_pack() -> None:
    assert list(pack_alerts([])) == []


def test_a_pack_is_filled_to_the_last_byte_and_not_beyond() -> None:
    pair = (ALERT, with_record(1_000))
    exact = encoded_bytes(pair) + 1  # the head of an array of 24 or more takes one byte more than here
    assert list(pack_alerts(pair, exact)) == [pair]
    assert list(pack_alerts(pair, exact - 1)) == [(pair[0],), (pair[1],)]


def test_the_largest_alert_that_there_is_fits_into_a_message() -> None:
    long, name = "\U0010ffff" * limits.MAX_TEXT_CHARS, "\U0010ffff" * limits.MAX_NAME_CHARS
    largest = replace(
        with_record(limits.MAX_ALERT_ORIGINAL_BYTES),
        **dict.fromkeys(("title", "category"), long),  # type: ignore[arg-type]  # fields of text alone
        **dict.fromkeys(("source", "dedupe_id", "signature_id", "source_address", "protocol"), name),  # type: ignore[arg-type]  # fields of text alone
    )
    assert list(pack_alerts([largest])) == [(largest,)]
    assert encoded_bytes((largest,)) <= MAX_PACK_BYTES < limits.MAX_PLAINTEXT_BYTES


def test_an_alert_too_large_for_a_pack_travels_without_its_original() -> None:
    large = with_record(5_000)
    stripped = replace(large, original=b"")
    assert list(pack_alerts([ALERT, large, ALERT], 1_000)) == [(ALERT, stripped, ALERT)]
    assert stripped.original_hash == large.original_hash


def test_an_alert_too_large_even_so_is_refused_and_the_ones_before_stay() -> None:
    packer = AlertPacker(400)
    assert packer.add(ALERT) == ()
    with pytest.raises(UsageError) as caught:
        packer.add(replace(ALERT, title="x" * 500))
    assert caught.value.code is Code.TOO_LARGE
    assert packer.flush() == (ALERT,)
    assert packer.flush() == ()


def test_a_pack_is_handed_over_with_its_hundredth_alert() -> None:
    packer = AlertPacker()
    assert [len(packer.add(ALERT)) for _ in range(101)] == [0] * 99 + [100, 0]
    assert packer.flush() == (ALERT,)


@given(st.lists(st.integers(0, 3_000), max_size=300), st.integers(1_000, 20_000))
def test_packing_loses_nothing_and_keeps_every_bound(lengths: list[int], max_bytes: int) -> None:
    alerts = [with_record(length) for length in lengths]
    packs = list(pack_alerts(alerts, max_bytes))
    assert [alert.original_hash for pack in packs for alert in pack] == [alert.original_hash for alert in alerts]
    assert all(1 <= len(pack) <= limits.MAX_ALERTS and encoded_bytes(pack) <= max_bytes for pack in packs)
