"""The export: what is shown, what is a bare hash, what people and programs get, and the same bytes again."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amanah_client.audit import export, export_report
from amanah_client.audit.bundle import LIMITS, Bundle
from amanah_client.audit.export_entries import COLUMNS, csv_pieces
from amanah_client.audit.report import UNBOUNDED
from amanah_client.audit.table import Filter, lines
from amanah_client.cli import audit_bundle
from amanah_client.home import Profile
from amanah_protocol import kinds
from amanah_protocol.cards import Armour, armour
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import AlertBatch, Body, RoomInfo
from amanah_protocol.content.bodies import Profile as ProfileBody
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import decode_leaf
from tests.client.audit.auditor import TOLD, Audit, copy
from tests.client.audit.bundles import EXPORTED_MS, checked
from tests.client.audit.test_times import at, published
from tests.client.audit.world import (
    NOW_MS,
    OFFICER_SN,
    OFFICER_TN,
    Incident,
    examined,
    faults,
    incident,
)
from tests.vectors import examples as x

Exported = Callable[..., bytes]


@pytest.fixture
def exported(audit: Audit, profile: Profile, tmp_path: Path) -> Exported:
    """Export what the auditor has; gives the file's bytes."""

    def call(*arguments: object, told: Incident = TOLD) -> bytes:
        if not profile.store.copy.size:
            copy(profile, told)
        path = tmp_path / "out.amanah"
        path.unlink(missing_ok=True)
        code, _, err = audit("export", path, *arguments)
        assert code == 0, err
        return path.read_bytes()

    return call


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == list(LIMITS)
        return {name: archive.read(name) for name in archive.namelist()}


def when(index: int) -> str:
    """A second after an entry was accepted."""
    return datetime.fromtimestamp(NOW_MS // 1000 + at(index) + 0.5, UTC).isoformat()


# ---- the file


def test_an_export_holds_for_whoever_trusts_the_roster(exported: Exported, verifier: bytes) -> None:
    data = exported()
    found = checked(data)
    assert faults(found.report) == []
    assert list(found.bundle.rows()) == TOLD.rows()
    assert (found.manifest.exported_ms, found.manifest.control) == (EXPORTED_MS, 12)
    assert members(data)["amanah-verify.py"] == verifier


def test_the_same_copy_gives_the_same_bytes_again(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    data = exported()
    assert exported() == data
    monkeypatch.setattr(audit_bundle, "now_ms", lambda: EXPORTED_MS + 60_000)
    before, after = members(data), members(exported())
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"manifest.json", "manifest.sig", "report.html", "report.pdf"}


def test_published_checkpoints_go_along(exported: Exported, profile: Profile) -> None:
    copy(profile, TOLD)
    note = published(TOLD.log, 9, [at(9)])
    profile.store.copy.put_checkpoints([(9, note)])
    assert list(Bundle(io.BytesIO(exported())).checkpoints()) == [note]


def test_an_installation_without_a_verifier_exports_nothing(
    audit: Audit, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy(profile, TOLD)
    monkeypatch.setattr(export, "VERIFIER_PATH", tmp_path / "missing")
    code, _, err = audit("export", tmp_path / "out")
    assert code == 4
    assert "has no amanah-verify.py" in err
    assert not list(tmp_path.glob("out*"))
    assert not list(tmp_path.glob(".amanah*"))


@pytest.mark.parametrize("package", ["jinja2", "fpdf", "uharfbuzz"])
def test_an_installation_without_reports_exports_nothing_and_says_what_to_install(
    audit: Audit, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    copy(profile, TOLD)
    export_report.page_template.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, package, None)
    code, _, err = audit("export", tmp_path / "out")
    assert code == 2
    assert "pip install 'amanah[reports]'" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shift_ms", [-(10**9), 10**10])
def test_an_exporter_whose_certificate_is_not_valid_now_is_told(
    audit: Audit, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift_ms: int
) -> None:
    copy(profile, TOLD)
    monkeypatch.setattr(audit_bundle, "now_ms", lambda: EXPORTED_MS + shift_ms)
    code, _, err = audit("export", tmp_path / "out")
    assert code == 3
    assert "not valid now" in err


def test_an_exporter_who_was_revoked_is_told(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    from tests.client.audit.world import AUDITOR_TN  # noqa: PLC0415 - one use

    told = incident()
    told.log.revoke(AUDITOR_TN)
    copy(profile, told)
    code, _, err = audit("export", tmp_path / "out")
    assert code == 3
    assert "was revoked" in err


# ---- what is shown


def test_rooms_that_are_not_chosen_are_bare_hashes_and_the_log_still_verifies(exported: Exported) -> None:
    found = checked(exported("--room", TOLD.small.hex()[:6]))
    assert faults(found.report) == []
    assert [one.room for one in found.manifest.rooms] == [TOLD.small]
    assert found.report.scope.control == 12
    rooms = {decode_leaf(row.entry).room for row in found.bundle.rows() if row.entry is not None}
    assert TOLD.room not in rooms
    assert members(exported("--room", TOLD.small.hex()[:6]))["entries.csv"].count(b"\r\n") == 5


def test_several_rooms_can_be_chosen(exported: Exported) -> None:
    found = checked(exported("--room", TOLD.small.hex()[:6], "--room", TOLD.room.hex()))
    assert len(found.manifest.rooms) == 2


def test_a_room_that_is_not_there_is_named(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    copy(profile, TOLD)
    code, _, err = audit("export", tmp_path / "out", "--room", "00ff")
    assert code == 4
    assert "no room of the record begins with 00ff" in err


def test_what_was_accepted_later_is_left_out_but_for_the_control_stream(exported: Exported) -> None:
    data = exported("--until", when(TOLD.disclosed))
    found = checked(data)
    assert faults(found.report) == []
    assert [(one.room, one.last) for one in found.manifest.rooms] == [(TOLD.room, 6)]
    last = max(entry.index for entry in found.report.record.entries())
    assert last == TOLD.disclosed
    # The revocation at the end is of the control stream: it is never left out.
    assert found.report.record.select("SELECT revoked FROM device WHERE device = ?", OFFICER_SN.id) == [(TOLD.revoked,)]
    assert found.report.scope.reads == 0


def test_rooms_without_anything_newer_are_left_out_and_tables_begin_there(exported: Exported) -> None:
    since = when(TOLD.revoked)
    data = exported("--since", since)
    found = checked(data)
    assert faults(found.report) == []
    assert [(one.room, one.first) for one in found.manifest.rooms] == [(TOLD.room, 1)]
    rows = list(csv.DictReader(io.StringIO(members(data)["entries.csv"].decode())))
    assert [int(row["log_index"]) for row in rows] == [31, 32, 34]


# ---- for analysis


def hostile() -> Incident:
    """Others' words in every place that takes some."""
    told = incident()
    message = told.log.rooms[told.room].sent[-1]
    for recipient in ('=HYPERLINK("http://evil")', "+1", "-1", "@x", "a\tb", 'quote " and, comma', "نص", "<script>"):
        told.log.post(OFFICER_TN, told.room, kinds.Egress(envelope=message, form="disclosure", recipient=recipient))
    told.log.open(OFFICER_TN, "third", agreement="=1+1")
    return told


def test_a_cell_never_begins_as_a_formula(exported: Exported) -> None:
    rows = list(csv.reader(io.StringIO(members(exported(told=hostile()))["entries.csv"].decode(), newline="")))
    assert rows[0] == list(COLUMNS)
    assert all(len(row) == len(COLUMNS) for row in rows)
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell


def test_a_formula_in_the_place_of_an_organisation_is_shown_and_not_run() -> None:
    report = examined(TOLD.log, TOLD.rows())
    line = next(iter(lines(report, Filter())))
    for bad in ("=1", "+1", "-1", "@1", "\t1", "\r1", "\n1"):
        forged = replace(line, said=bad)
        row = next(iter(csv.DictReader(io.StringIO(b"".join(csv_pieces([forged])).decode(), newline=""))))
        assert row["said"] == "'" + bad
    fine = next(iter(csv.DictReader(io.StringIO(b"".join(csv_pieces([line])).decode()))))
    assert fine["said"].startswith("opened a room")


def test_both_files_say_the_same_of_every_entry(exported: Exported) -> None:
    found = members(exported(told=hostile()))
    rows = list(csv.DictReader(io.StringIO(found["entries.csv"].decode(), newline="")))
    objects = [json.loads(line) for line in found["entries.jsonl"].splitlines()]
    assert len(rows) == len(objects) > 20
    for row, entry in zip(rows, objects, strict=True):
        assert int(row["log_index"]) == entry["log_index"]
        assert (row["id"], row["kind"], row["said"]) == (entry["id"], entry["kind"], entry["said"])
        assert (row["claimed"], row["accepted"]) == (entry["times"]["claimed"], entry["times"]["accepted"])
        assert row["from_device"] == entry["from"]["device"]
        assert row["state"] == entry["state"]


def test_the_three_times_are_columns_of_their_own(exported: Exported, profile: Profile) -> None:
    copy(profile, TOLD)
    rows = list(csv.DictReader(io.StringIO(members(exported())["entries.csv"].decode())))
    assert {row["witnessed_not_before"] for row in rows} == {""}
    assert rows[0]["claimed"] == "2026-09-21T14:13:31.000Z"
    report = examined(TOLD.log, TOLD.rows())
    line = replace(next(iter(lines(report, Filter()))), state="verified")
    dated = replace(line, entry=replace(line.entry, witnessed=UNBOUNDED._replace(not_after_ms=NOW_MS)))
    row = next(iter(csv.DictReader(io.StringIO(b"".join(csv_pieces([dated])).decode()))))
    assert (row["witnessed_not_before"], row["witnessed_not_after"]) == ("", "2026-09-21T14:13:20.000Z")


# ---- for people


def test_the_page_holds_everything_and_fetches_and_runs_nothing(exported: Exported) -> None:
    page = members(exported(told=hostile()))["report.html"].decode()
    assert page.startswith("\n") or page.lstrip().startswith("<!doctype html>")
    for forbidden in ("<script", "src=", "href=", "url(", "@import", "javascript:", "<link", "<iframe", "<form"):
        assert forbidden not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "&lt;script&gt;" in page
    assert "TLP:AMBER" in page
    assert "What its exporter found" in page
    assert "HOLDS" in page
    assert "anchored in the rosters that its exporter trusts" in page.replace("&#39;", "'")


def test_a_report_says_whom_to_take_policy_and_program_from_and_what_the_program_needs(exported: Exported) -> None:
    page = members(exported())["report.html"].decode()
    assert "Take the policy, and the program, from somebody other than who gave you this file" in page
    assert "amanah-verify.py needs Python 3.11 and PyNaCl" in page
    assert "may say TLP:CLEAR in a room of any label" in page


def test_the_page_shows_marks_of_direction_as_numbers(exported: Exported) -> None:
    told = incident()
    message = told.log.rooms[told.room].sent[-1]
    told.log.post(OFFICER_TN, told.room, kinds.Egress(envelope=message, form="x", recipient="\u202etruoc"))
    page = members(exported(told=told))["report.html"].decode()
    assert "\u202e" not in page
    assert "&lt;202E&gt;truoc" in page


def test_a_record_that_does_not_hold_says_so_on_the_page_and_in_the_print(
    audit: Audit, profile: Profile, tmp_path: Path
) -> None:
    told = incident()
    index = told.log.post(OFFICER_SN, told.room, kinds.Message())
    copy(profile, told)
    path = tmp_path / "out.amanah"
    assert audit("export", path)[0] == 5
    page = members(path.read_bytes())["report.html"].decode()
    assert f"DOES NOT HOLD. FIRST BAD ENTRY: {index}" in page
    assert 'class="verdict bad"' in page
    assert "FAULT: REVOKED" in page
    assert members(path.read_bytes())["report.pdf"].startswith(b"%PDF-")


def test_a_long_record_is_shown_in_part_and_counted(exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_report, "MAX_ENTRIES", 5)
    monkeypatch.setattr(export_report, "MAX_ROOMS", 1)
    data = members(exported())
    page = data["report.html"].decode()
    assert "in entries.csv and entries.jsonl of the same file: 12" in page
    assert "Further rooms, in the files for analysis: 1" in page
    assert data["entries.csv"].count(b"\r\n") == 18


def test_a_record_without_a_room_has_a_report_too(exported: Exported) -> None:
    page = members(exported("--since", "2027-01-01"))["report.html"].decode()
    assert "No room is shown in this file." in page
    assert "No entry of a room is shown in this file." in page


# ---- disclosures


def disclosure(tmp_path: Path, told: Incident, name: str = "disclosed.txt", k: bytes | None = None) -> Path:
    path = tmp_path / name
    made = told.log.disclosure(told.disclosed, k or told.k, told.content, OFFICER_TN)
    path.write_text(armour(Armour.DISCLOSURE, made.encode()))
    return path


def saying(body: Body, **changes: object) -> Incident:
    found = incident()
    index, k, content = found.log.disclosable(OFFICER_TN, found.room, body, **changes)
    return replace(found, disclosed=index, k=k, content=content)


ARABIC = "رصدنا صفحات تصيّد تستهدف بوابات الدفع."


def test_a_disclosed_message_rides_in_a_new_bundle_signed_anew(
    audit: Audit, exported: Exported, tmp_path: Path
) -> None:
    told = saying(Text(text=f"{ARABIC}\nseen"))
    data = exported(told=told)
    assert b"seen" not in members(data)["disclosures"]
    out = tmp_path / "opened.amanah"
    code, _, err = audit("add-disclosures", tmp_path / "out.amanah", disclosure(tmp_path, told), "--out", out)
    assert code == 0, err
    found = checked(out.read_bytes())
    assert faults(found.report) == []
    assert [one.content.body for one in found.opened] == [Text(text=f"{ARABIC}\nseen")]
    after = members(out.read_bytes())
    assert ARABIC in after["report.html"].decode()
    assert re.search(rf"log index {told.disclosed}, routine", after["report.html"].decode())
    kept = {name for name, data in members(data).items() if after[name] == data}
    assert kept >= {"leaves", "checkpoint", "rosters", "policy", "entries.csv", "entries.jsonl", "amanah-verify.py"}
    code, shown, _ = audit("check", out)
    assert code == 0
    assert ARABIC in shown
    assert "disclosed: log index 35, by officer" in shown
    assert json.loads(audit("check", out, "--json")[1])["disclosed"][0]["text"] == f"{ARABIC}\nseen"
    # Once more changes nothing of what is disclosed.
    again = tmp_path / "again.amanah"
    assert audit("add-disclosures", out, disclosure(tmp_path, told), "--out", again)[0] == 0
    assert members(again.read_bytes())["disclosures"] == after["disclosures"]


ALERT = Alert(
    source="suricata",
    dedupe_id="1",
    observed_at_ms=x.NOW_MS,
    severity=Severity.HIGH,
    title="ET MALWARE beacon",
    category="",
    signature_id="2027865",
    source_address="192.0.2.1",
    original=b"{}",
    original_hash=sha256(b"{}"),
)


@pytest.mark.parametrize(
    ("body", "shown", "key"),
    [
        (AlertBatch(source="sensor 1", alerts=(ALERT,)), "high ET MALWARE beacon", "alerts"),
        (RoomInfo(title="Phishing wave", description=""), "the room is called Phishing wave", "title"),
        (ProfileBody(encoded=b"profile"), "[profile]", "type"),
    ],
)
def test_each_kind_of_disclosed_content_is_shown(
    audit: Audit, exported: Exported, tmp_path: Path, body: Body, shown: str, key: str
) -> None:
    specific = kinds.Alert(count=1) if isinstance(body, AlertBatch) else kinds.Message()
    told = saying(body, specific=specific, inner_label=Label.GREEN)
    exported(told=told)
    out = tmp_path / "opened.amanah"
    assert audit("add-disclosures", tmp_path / "out.amanah", disclosure(tmp_path, told), "--out", out)[0] == 0
    assert shown in members(out.read_bytes())["report.html"].decode()
    code, text, _ = audit("check", out)
    assert code == 0
    assert shown in text
    assert "ALARM: the record shows TLP:AMBER" in text
    assert key in json.loads(audit("check", out, "--json")[1])["disclosed"][0]


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize(
    ("inner", "became", "exported_"),
    [
        (Label.AMBER, (), True),
        (Label.AMBER, (Label.AMBER_STRICT,), False),  # raised since it was disclosed
        (Label.AMBER, (Label.RED,), False),
        (Label.AMBER, (Label.AMBER_STRICT, Label.GREEN), True),  # and lowered by its author
        (Label.RED, (Label.GREEN,), False),  # what its header said was another label
    ],
)
def test_no_file_is_made_of_what_its_label_keeps_inside(
    audit: Audit,
    exported: Exported,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    inner: Label,
    became: tuple[Label, ...],
    exported_: bool,  # noqa: FBT001 - what is expected
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    told, now = saying(Text(text="seen"), inner_label=inner), Label.AMBER
    envelope = decode_envelope(told.log.leaves[told.disclosed].object).id
    for new in became:
        told.log.post(OFFICER_TN, told.room, kinds.Relabel(envelope=envelope, old=now, new=new))
        now = new
    exported(told=told)
    out = tmp_path / "opened.amanah"
    if not checked:
        monkeypatch.setattr(audit_bundle, "check_exported", lambda *_, **__: None)
    code, _, err = audit("add-disclosures", tmp_path / "out.amanah", disclosure(tmp_path, told), "--out", out)
    assert (code, out.exists()) == ((0, True) if exported_ or not checked else (2, False)), err
    if code:
        assert f"the message at log index {told.disclosed} stays out of the file" in err


def test_a_disclosure_that_does_not_fit_the_bundle_is_refused(audit: Audit, exported: Exported, tmp_path: Path) -> None:
    exported()
    out = tmp_path / "opened.amanah"
    other = disclosure(tmp_path, saying(Text(text="of another record")))
    forged = disclosure(tmp_path, TOLD, "forged.txt", k=bytes(32))
    for path in (other, forged):
        code, _, err = audit("add-disclosures", tmp_path / "out.amanah", path, "--out", out)
        assert code == 5
        assert "does not fit this bundle" in err
        assert not out.exists()


def test_a_bundle_that_does_not_hold_takes_no_disclosure(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    told = incident()
    told.log.post(OFFICER_SN, told.room, kinds.Message())
    copy(profile, told)
    path, out = tmp_path / "out.amanah", tmp_path / "opened.amanah"
    assert audit("export", path)[0] == 5
    assert audit("add-disclosures", path, disclosure(tmp_path, told), "--out", out)[0] == 5
    assert not out.exists()


def test_what_is_no_bundle_or_no_disclosure_is_named(audit: Audit, exported: Exported, tmp_path: Path) -> None:
    exported()
    out = tmp_path / "opened.amanah"
    text = tmp_path / "text"
    text.write_text("hello")
    code, _, err = audit("add-disclosures", text, disclosure(tmp_path, TOLD), "--out", out)
    assert code == 5
    assert "an evidence bundle is wanted" in err
    code, _, err = audit("add-disclosures", tmp_path / "out.amanah", text, "--out", out)
    assert code == 5
    assert "damaged or incomplete" in err
    code, _, err = audit("add-disclosures", tmp_path / "out.amanah", "--out", out)
    assert code == 2
    assert "no disclosure was named" in err


def test_too_many_disclosures_are_refused(
    audit: Audit, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported()
    monkeypatch.setattr(audit_bundle, "MAX_DISCLOSURES", 0)
    out = tmp_path / "opened.amanah"
    code, _, err = audit("add-disclosures", tmp_path / "out.amanah", disclosure(tmp_path, TOLD), "--out", out)
    assert code == 2
    assert "at most 0" in err
