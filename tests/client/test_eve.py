"""Suricata EVE lines: what becomes an alert, what is counted, and that no line stops the next."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_client.gateway import eve
from amanah_client.gateway.eve import EveReport, MalformedLine, bounded_lines, decode_event, read_eve
from amanah_protocol import limits
from amanah_protocol.content.alert import Alert, Severity, decode_alerts, encode_alerts, pack_alerts
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError

SIGNATURE: Final[dict[str, Any]] = {
    "action": "allowed",
    "gid": 1,
    "signature_id": 9_000_001,
    "rev": 3,
    "signature": "LOCAL beacon to a known server",
    "category": "A Network Trojan was detected",
    "severity": 1,
}
EVENT: Final[dict[str, Any]] = {
    "timestamp": "2026-03-01T10:00:00.250000+0100",
    "flow_id": 1_234_567_890,
    "in_iface": "eth0",
    "event_type": "alert",
    "src_ip": "192.0.2.10",
    "src_port": 49_152,
    "dest_ip": "2001:db8::5",
    "dest_port": 443,
    "proto": "TCP",
    "alert": SIGNATURE,
}
MISSING: Final = object()


def line(signature: dict[str, Any] | None = None, **changes: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """An alert line with some fields changed or, by `MISSING`, left out."""
    alert = {key: value for key, value in (SIGNATURE | (signature or {})).items() if value is not MISSING}
    event = {key: value for key, value in (EVENT | {"alert": alert} | changes).items() if value is not MISSING}
    return json.dumps(event).encode()


def read_alert(data: bytes) -> Alert:
    event = decode_event(data)
    assert isinstance(event, Alert)
    return event


def refuse(data: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode_event(data)
    return caught.value


# one alert


def test_an_alert_line_becomes_an_alert() -> None:
    record = line()
    assert read_alert(record + b"\r\n") == Alert(
        source="suricata",
        dedupe_id="1234567890:1:9000001:2026-03-01T10:00:00.250000+0100",
        observed_at_ms=1_772_355_600_250,
        severity=Severity.HIGH,
        title="LOCAL beacon to a known server",
        category="A Network Trojan was detected",
        signature_id="9000001",
        source_address="192.0.2.10",
        source_port=49_152,
        destination_address="2001:db8::5",
        destination_port=443,
        protocol="TCP",
        original=record,
        original_hash=sha256(record),
    )


@pytest.mark.parametrize(
    ("written", "severity"),
    [
        (1, Severity.HIGH),
        (2, Severity.MEDIUM),
        (3, Severity.LOW),
        (4, Severity.LOW),
        (255, Severity.LOW),
        (0, Severity.MEDIUM),
        (-1, Severity.MEDIUM),
        ("1", Severity.MEDIUM),
        (True, Severity.MEDIUM),
        (None, Severity.MEDIUM),
        (MISSING, Severity.MEDIUM),
    ],
)
def test_severity_is_turned_round_and_an_unknown_one_is_not_low(written: object, severity: Severity) -> None:
    assert read_alert(line({"severity": written})).severity is severity


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        ("2026-03-01T10:00:00.250000+0100", datetime(2026, 3, 1, 9, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-03-01T10:00:00.250000+01:00", datetime(2026, 3, 1, 9, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-03-01T10:00:00.250000-0330", datetime(2026, 3, 1, 13, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-03-01T10:00:00Z", datetime(2026, 3, 1, 10, tzinfo=UTC)),
        ("2026-03-01T10:00:00.5Z", datetime(2026, 3, 1, 10, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-03-01T10:00:00.123456789Z", datetime(2026, 3, 1, 10, 0, 0, 123_000, tzinfo=UTC)),
        ("2026-03-01T10:00:00.999999+0000", datetime(2026, 3, 1, 10, 0, 0, 999_000, tzinfo=UTC)),
        ("1970-01-01T00:00:00+0000", datetime(1970, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999Z", datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
    ],
)
def test_a_time_with_any_offset_is_read_to_the_millisecond(timestamp: str, moment: datetime) -> None:
    assert read_alert(line(timestamp=timestamp)).observed_at_ms == round(moment.timestamp() * 1_000)


@pytest.mark.parametrize(
    ("timestamp", "reason"),
    [
        ("2026-03-01T10:00:00.250000", "no offset"),
        ("2026-03-01", "no offset"),
        ("yesterday", "not ISO 8601"),
        ("", "not ISO 8601"),
        ("2026-13-01T10:00:00Z", "not ISO 8601"),
        ("2026-03-01T10:00:00Z" + " " * 21, "too long"),
        ("1969-12-31T23:59:59.999Z", "between the years"),
        ("0001-01-01T00:00:00+2359", "between the years"),
        ("9999-12-31T23:59:59-0100", "between the years"),
        (1_772_355_600, "timestamp"),
        (None, "timestamp"),
        (MISSING, "timestamp"),
    ],
)
def test_an_alert_without_a_usable_time_is_malformed(timestamp: object, reason: str) -> None:
    error = refuse(line(timestamp=timestamp))
    assert error.code is Code.MALFORMED
    assert reason in error.detail


@pytest.mark.parametrize(
    ("field", "attribute", "right"),
    [
        ("src_ip", "source_address", "192.0.2.10"),
        ("src_port", "source_port", 49_152),
        ("dest_ip", "destination_address", "2001:db8::5"),
        ("dest_port", "destination_port", 443),
        ("proto", "protocol", "TCP"),
    ],
)
@pytest.mark.parametrize("odd", [MISSING, None, [], {"a": 1}, 1.5, -1, 2**70, False])
def test_a_missing_or_odd_field_does_not_spoil_an_alert(field: str, attribute: str, right: object, odd: object) -> None:
    assert getattr(read_alert(line()), attribute) == right
    changes: dict[str, Any] = {field: odd}
    alert = read_alert(line(**changes))
    assert getattr(alert, attribute) is None
    assert alert.title == SIGNATURE["signature"]


@pytest.mark.parametrize("odd", [MISSING, None, 7, ["a"], ""])
def test_an_alert_without_a_signature_text_is_named_by_its_number(odd: object) -> None:
    alert = read_alert(line({"signature": odd, "category": odd}))
    assert (alert.title, alert.category) == ("signature 9000001", "")


@pytest.mark.parametrize("odd", [MISSING, None, "1", -1, 2**64, 1.5])
def test_an_alert_without_a_usable_signature_id_is_malformed(odd: object) -> None:
    assert read_alert(line({"signature_id": 2**64 - 1})).signature_id == str(2**64 - 1)
    assert refuse(line({"signature_id": odd})).code is Code.MALFORMED


@pytest.mark.parametrize("odd", [MISSING, None, [], "alert", 1])
def test_an_alert_event_without_its_alert_object_is_malformed(odd: object) -> None:
    assert refuse(line(alert=odd)).code is Code.MALFORMED


def test_control_characters_do_not_reach_an_alert() -> None:
    alert = read_alert(line({"signature": "a\x1b[2Jb", "category": "c\n"}, proto="T\x00CP"))
    assert (alert.title, alert.category, alert.protocol) == ("a\ufffd[2Jb", "c\ufffd", "T\ufffdCP")


def test_texts_that_are_too_long_are_cut() -> None:
    alert = read_alert(line({"signature": "x" * 2_000}, src_ip="y" * 300))
    assert alert.title == "x" * limits.MAX_TEXT_CHARS
    assert alert.source_address == "y" * limits.MAX_NAME_CHARS


def test_a_record_above_64_kib_leaves_its_hash_alone() -> None:
    overhead = len(line(payload=""))
    for length, kept in ((limits.MAX_ALERT_ORIGINAL_BYTES, True), (limits.MAX_ALERT_ORIGINAL_BYTES + 1, False)):
        record = line(payload="x" * (length - overhead))
        assert len(record) == length
        alert = read_alert(record)
        assert alert.original == (record if kept else b"")
        assert alert.original_hash == sha256(record)


# the id for deduplication


@pytest.mark.parametrize(
    ("signature", "changes"),
    [
        ({"gid": 2}, {}),
        ({"signature_id": 9_000_002}, {}),
        ({}, {"flow_id": 1}),
        ({}, {"timestamp": "2026-03-01T10:00:00.250001+0100"}),
    ],
)
def test_another_flow_generator_signature_or_time_is_another_event(
    signature: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert read_alert(line(signature, **changes)).dedupe_id != read_alert(line()).dedupe_id
    assert read_alert(line({"rev": 4}, src_port=1)).dedupe_id == read_alert(line()).dedupe_id


def test_a_missing_generator_is_suricatas_own() -> None:
    assert read_alert(line({"gid": MISSING})).dedupe_id == read_alert(line()).dedupe_id


@pytest.mark.parametrize("flow_id", [MISSING, None, "1", -1, 2**64])
def test_without_a_flow_the_record_itself_is_the_event(flow_id: object) -> None:
    first, second = line(flow_id=flow_id), line(flow_id=flow_id, pcap_cnt=2)
    assert read_alert(first).dedupe_id.startswith(sha256(first).hex() + ":1:9000001:")
    assert read_alert(first).dedupe_id != read_alert(second).dedupe_id


# other events and unusable lines


def test_events_that_are_not_alerts_are_counted_by_type() -> None:
    lines = [b'{"event_type":"dns"}', line(), b'{"event_type":"flow","alert":5}', b'{"event_type":"dns"}', line()]
    report = EveReport()
    assert len(list(read_eve(lines, report))) == 2
    assert report == EveReport(lines=5, alerts=2, others={"dns": 2, "flow": 1})


def test_a_malformed_line_is_named_and_the_next_one_goes_on() -> None:
    report = EveReport()
    alerts = list(read_eve([line(), b'{"event_type":"al', b"", line(), b" \r\n", b"{}", line()], report))
    assert len(alerts) == report.alerts == 3
    assert [named.number for named in report.malformed] == [2, 6]
    assert (report.malformed_total, report.blank, report.lines) == (2, 2, 7)


MALFORMED: Final = {
    "not JSON": b"alert!",
    "cut off": line()[:-1],
    "not an object": b"[1]",
    "no event type": b'{"timestamp":"2026-03-01T10:00:00Z"}',
    "event type is no text": b'{"event_type":1}',
    "two objects": line() + line(),
    "broken UTF-8": b'{"event_type":"\xff"}',
    "lone surrogate": b'{"event_type":"\\ud800"}',
    "too deep": b'{"event_type":"dns","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "too deep in a field that is read": line(src_ip=0)[:-1] + b',"src_ip":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "a number without end": line(flow_id=0)[:-1] + b',"flow_id":' + b"9" * 5_000 + b"}",
    "a number beyond all bounds": line(flow_id=0)[:-1] + b',"flow_id":1e999}',
    "no content": b"\x00",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_an_unusable_line_is_malformed(data: bytes) -> None:
    assert refuse(data).code is Code.MALFORMED


def test_a_reason_quotes_nothing_of_the_line() -> None:
    report = EveReport()
    list(read_eve([line(timestamp="CANARY"), b"CANARY", line(alert="CANARY"), b'{"CANARY":1}'], report))
    assert report.malformed_total == 4
    assert "CANARY" not in str(report)


def test_named_lines_are_bounded_and_counted_beyond() -> None:
    report = EveReport()
    assert list(read_eve([b"x"] * (eve.MAX_NAMED_LINES + 5), report)) == []
    assert len(report.malformed) == eve.MAX_NAMED_LINES
    assert report.malformed_total == eve.MAX_NAMED_LINES + 5
    assert isinstance(report.malformed[0], MalformedLine)


def test_named_types_are_bounded_and_counted_beyond() -> None:
    report = EveReport()
    lines = [b'{"event_type":"t%d"}' % number for number in range(eve.MAX_NAMED_TYPES + 5)]
    assert list(read_eve([*lines, b'{"event_type":"t0"}', b'{"event_type":"' + b"x" * 500 + b'"}'], report)) == []
    assert len(report.others) == eve.MAX_NAMED_TYPES + 1
    assert report.others[eve.OTHER_TYPES] == 6
    assert report.others["t0"] == 2


def test_the_name_of_a_type_is_cut_and_made_printable() -> None:
    assert decode_event(b'{"event_type":"\\u001b[2J' + b"x" * 500 + b'"}') == "\ufffd[2J" + "x" * 60


def test_alerts_come_one_by_one_while_the_lines_still_arrive() -> None:
    report = EveReport()
    arriving = iter([line(), b"x", line()])
    alerts = read_eve(arriving, report)
    next(alerts)
    assert report.lines == 1
    assert next(arriving) == b"x"


# long lines


def test_a_line_of_1_mib_is_read_and_a_longer_one_is_refused() -> None:
    overhead = len(line(payload=""))
    right = line(payload="x" * (eve.MAX_LINE_BYTES - overhead))
    assert len(right) == eve.MAX_LINE_BYTES
    assert read_alert(right + b"\r\n").original == b""
    wrong = line(payload="x" * (eve.MAX_LINE_BYTES - overhead + 1))
    assert refuse(wrong).code is Code.TOO_LARGE


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("extra", range(-2, 5))
def test_a_stream_is_cut_into_lines_and_the_next_one_after_a_long_one_is_whole(extra: int, end: bytes) -> None:
    padded = line(payload="x" * (eve.MAX_LINE_BYTES - len(line(payload="")) + extra))
    report = EveReport()
    stream = io.BytesIO(padded + end + line() + end + b"x" * (3 * eve.MAX_LINE_BYTES) + end + line())
    assert len(list(read_eve(bounded_lines(stream), report))) == (3 if extra <= 0 else 2)
    assert [named.number for named in report.malformed] == ([3] if extra <= 0 else [1, 3])
    assert report.lines == 4


def test_a_long_line_is_never_held_whole() -> None:
    class Counting(io.BytesIO):
        largest = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            data = super().readline(size)
            self.largest = max(self.largest, len(data))
            return data

    stream = Counting(b"x" * (5 * eve.MAX_LINE_BYTES))
    assert [len(part) for part in bounded_lines(stream)] == [eve.MAX_LINE_BYTES + 2]
    assert stream.largest == eve.MAX_LINE_BYTES + 2


def test_a_line_of_blanks_beyond_the_bound_is_malformed() -> None:
    report = EveReport()
    assert list(read_eve([b" " * (eve.MAX_LINE_BYTES + 1)], report)) == []
    assert (report.malformed_total, report.blank) == (1, 0)


def test_an_empty_stream_has_no_lines() -> None:
    assert list(bounded_lines(io.BytesIO(b""))) == []
    assert list(bounded_lines(io.BytesIO(b"\n\na"))) == [b"\n", b"\n", b"a"]


# any input, and real input


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ODD_EVENTS: Final = st.builds(
    lambda changes, signature: line(signature, **changes),
    st.dictionaries(st.sampled_from([*EVENT, "x"]), JSON, max_size=4),
    st.dictionaries(st.sampled_from([*SIGNATURE, "x"]), JSON, max_size=4),
)
CUT_EVENTS: Final = st.builds(
    lambda start, end, middle: line()[:start] + middle + line()[end:],
    st.integers(0, len(line())),
    st.integers(0, len(line())),
    st.binary(max_size=8),
)


@given(st.lists(st.one_of(st.binary(max_size=60), ODD_EVENTS, CUT_EVENTS), max_size=8))
def test_every_line_is_an_alert_or_counted_and_every_alert_can_be_sent(lines: list[bytes]) -> None:
    report = EveReport()
    alerts = list(read_eve(lines, report))
    assert report.lines == len(lines)
    assert report.alerts == len(alerts)
    assert report.lines == report.blank + report.alerts + sum(report.others.values()) + report.malformed_total
    for pack in pack_alerts(alerts):
        assert decode_alerts(encode_alerts(pack)) == pack


def test_four_hundred_real_alerts_give_four_hundred_alerts(data_dir: Path) -> None:
    report = EveReport()
    with (data_dir / "suricata" / "vast-eve-alerts-first-400.ndjson").open("rb") as file:
        alerts = list(read_eve(bounded_lines(file), report))
    assert report == EveReport(lines=400, alerts=400)
    assert len({alert.original_hash for alert in alerts}) == 400
    # Two packets of one flow within a microsecond: the same event for Suricata, two records.
    assert len({alert.dedupe_id for alert in alerts}) == 392
    packs = list(pack_alerts(alerts))
    assert [alert for pack in packs for alert in pack] == alerts
    assert all(alert.original for alert in alerts)


def test_real_events_of_all_types_are_counted_and_named(data_dir: Path) -> None:
    report = EveReport()
    with (data_dir / "suricata" / "vast-eve-all-types.ndjson").open("rb") as file:
        alerts = list(read_eve(bounded_lines(file), report))
    others = dict.fromkeys(("dns", "fileinfo", "flow", "http", "netflow", "stats"), 1)
    assert report == EveReport(lines=7, alerts=1, others=others)
    assert alerts[0].severity is Severity.MEDIUM
    assert alerts[0].original_hash == sha256(alerts[0].original)
