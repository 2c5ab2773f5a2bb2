"""`amanah audit` as people and programs use it: exit codes, text and JSON, offline."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from amanah_client import effects as e
from amanah_client import enrolment, model
from amanah_client.audit.anchors import decode_rosters
from amanah_client.audit.bundle import MAGIC, BundleReader
from amanah_client.audit.local import remember_roster
from amanah_client.audit.policy import encode_policy, policy_of_roster
from amanah_client.cli.main import main
from amanah_client.home import Home, Profile, ProfileLock, create_profile
from amanah_client.keystore import create_key_file
from amanah_client.model import AuditRow
from amanah_protocol import kinds
from amanah_protocol.cards import Armour, Reply, armour
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import AlertBatch, Body, RoomInfo, Text
from amanah_protocol.content.bodies import Profile as ProfileBody
from amanah_protocol.crypto import sha256
from amanah_protocol.endorse import Endorsed
from amanah_protocol.identity import decode_request, issue_certificate, issue_profile
from amanah_protocol.labels import Label
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.note import Note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.types import CONTROL, RoomId
from tests.client.audit.world import (
    AUDITOR_TN,
    BOT_TN,
    OFFICER_SN,
    OFFICER_TN,
    SN,
    TN,
    Incident,
    Log,
    bundle,
    incident,
)
from tests.vectors import examples as x

TOLD = incident()
ROSTER = x.roster_of().endorsed.encode()


def home_at(path: Path) -> Profile:
    home = Home(path)
    home.path.mkdir(mode=0o700)
    return create_profile(home, create_key_file(home.key_file))


def enrol(profile: Profile) -> None:
    profile.store.install(
        certificate=AUDITOR_TN.certificate.encoded,
        enrolment=x.nation(TN).enrolment.endorsed.encode(),
        profile=x.profile().encoded,
        roster=ROSTER,
    )
    remember_roster(profile, ROSTER)


def copy(profile: Profile, told: Incident, rows: list[AuditRow] | None = None) -> None:
    view = model.LogView(size=told.log.size, root=told.log.root, checkpoint=told.log.checkpoint(), seen_at_ms=0)
    head = e.PutControlHead(head=told.log.control_head())
    profile.store.commit(
        (e.PutAuditRows(rows=tuple(told.rows() if rows is None else rows)), e.PutLogView(view=view), head)
    )


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    made = home_at(tmp_path / "home")
    enrol(made)
    yield made
    made.close()


@pytest.fixture
def audit(profile: Profile, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run `amanah audit` in the profile: exit code, standard output, standard error."""

    def call(*arguments: object, home: Path | None = None) -> tuple[int, str, str]:
        code = main(["audit", *map(str, arguments), "--home", str(home or profile.home.path)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


Audit = Callable[..., tuple[int, str, str]]


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    path = tmp_path / "record.bundle"
    path.write_bytes(bundle(TOLD))
    return path


# ---- verify


def test_an_honest_copy_verifies_offline(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, out, err = audit("verify")
    assert (code, err) == (0, "")
    assert "HOLDS" in out
    assert f"room {TOLD.room.hex()[:8]}: opened by officer" in out
    assert "added officer" in out
    assert "then in it: cert.example.ma 1, cert.example.sn 1, cert.example.tn 2" in out
    assert "outside: 5 bare hashes" in out
    assert "sealed" in out


def test_the_first_bad_entry_is_unmistakable(audit: Audit, profile: Profile) -> None:
    rows = TOLD.rows()
    rows[20] = replace(rows[20], entry=rows[19].entry)
    copy(profile, TOLD, rows=rows)
    code, out, err = audit("verify")
    assert code == 5
    assert "DOES NOT HOLD. FIRST BAD ENTRY: 20 (PROOF)" in out
    assert "FAULT at entry 20: " in out
    assert "first bad entry 20" in err
    assert "HOLDS:" not in out


def test_a_fault_of_the_whole_record_is_said_to_be_one(audit: Audit, profile: Profile) -> None:
    rows = TOLD.rows()
    rows[16] = replace(rows[16], hash=bytes(32))
    copy(profile, TOLD, rows=rows)
    code, out, err = audit("verify")
    assert code == 5
    assert "DOES NOT HOLD. THE WHOLE RECORD (PROOF)" in out
    assert "the whole record" in err


def test_verify_prints_one_json_document(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, out, _ = audit("verify", "--json")
    report = json.loads(out)
    assert code == 0
    assert (report["holds"], report["anchored"], report["first_bad"]) == (True, True, None)
    assert report["scope"]["control_confirmed"] == 12
    assert report["rooms"][0]["members"] == {"cert.example.ma": 1, "cert.example.tn": 2}
    assert report["rooms"][0]["changes"][1]["added"][0]["organisation"] == SN


def test_faults_stand_in_the_json_too(audit: Audit, profile: Profile) -> None:
    rows = TOLD.rows()
    rows[20] = replace(rows[20], entry=rows[19].entry)
    copy(profile, TOLD, rows=rows)
    code, out, _ = audit("verify", "--json")
    report = json.loads(out)
    assert (code, report["holds"], report["first_bad"]["index"]) == (5, False, 20)
    assert report["findings"][0]["severity"] == "fault"


def test_remarks_break_nothing(audit: Audit, profile: Profile) -> None:
    found = incident()
    found.log.post(OFFICER_TN, found.room, kinds.Message(), sent_at_ms=found.log.now_ms - 200_000)
    copy(profile, found)
    code, out, _ = audit("verify")
    assert code == 0
    assert f"REMARK at entry {found.log.last}: the sender's clock and the relay's differ by 200 s [CLOCK]" in out


def test_without_a_copy_there_is_nothing_to_verify(audit: Audit) -> None:
    code, out, err = audit("verify")
    assert (code, out) == (4, "")
    assert "`amanah audit sync` makes one" in err


def test_a_record_that_is_wrong_throughout_says_how_many_faults_there_are(audit: Audit, tmp_path: Path) -> None:
    log = Log()
    for _ in range(1_003):
        log.append(LeafType.CERTIFICATE, CONTROL, b"none")
    path = tmp_path / "wrong.bundle"
    wrong = replace(TOLD, log=log)
    path.write_bytes(bundle(wrong, log.rows()))
    code, out, _ = audit("check", path)
    assert code == 5
    assert "1003 faults in all" in out


def test_times_beyond_the_calendar_are_shown_as_such(audit: Audit, profile: Profile) -> None:
    found = incident()
    found.log.post(OFFICER_TN, found.room, kinds.Message(), leaf_accepted_at_ms=2**62)
    copy(profile, found)
    code, out, _ = audit("verify")
    assert code == 5
    assert "beyond the year 9999" in out
    listed = json.loads(audit("list", "--json")[1])
    assert listed["entries"][-1]["accepted"] is None


def test_a_commit_without_a_change_is_not_told_as_one_and_a_room_without_its_creation_is(
    audit: Audit, profile: Profile
) -> None:
    found = incident()
    found.log.post(OFFICER_TN, found.room, kinds.Commit())
    headless = found.log.open(OFFICER_TN, "headless", owner=SN)
    copy(profile, found)
    code, out, _ = audit("verify")
    assert code == 5
    assert f"room {headless.hex()[:8]}: its creation does not hold" in out
    assert "in it at the end: nobody" in out
    assert out.count("then in it") == 4
    assert [len(room["changes"]) for room in json.loads(audit("verify", "--json")[1])["rooms"]] == [4, 1, 0]


# ---- list


def test_the_list_says_who_told_whom_what_class_of_thing_when(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, out, _ = audit("list")
    assert code == 0
    bot = BOT_TN.certificate.subject.hex()[:8]
    assert f"TLP:AMBER  bot {bot} of cert.example.tn: 37 alerts" in out
    assert "to cert.example.ma 1, cert.example.sn 1, cert.example.tn 2; room" in out
    assert "outside to a court (disclosure)" in out
    assert "routine, up to 2 KiB; verified" in out
    assert "neither the relay nor an auditor can read them" in out


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ((), 17),
        (("--room", TOLD.small.hex()[:8]), 4),
        (("--organisation", "cert.example.sn"), 7),
        (("--kind", "alert"), 1),
        (("--kind", "intake-key"), 0),
        (("--since", "2026-09-21T14:13:51"), 3),
        (("--since", "2026-09-21T15:13:51+01:00"), 3),
        (("--since", "2027-01-01"), 0),
    ],
)
def test_the_list_takes_filters(audit: Audit, profile: Profile, arguments: tuple[str, ...], count: int) -> None:
    copy(profile, TOLD)
    code, out, _ = audit("list", *arguments, "--json")
    listed = json.loads(out)
    assert (code, listed["format"], len(listed["entries"])) == (0, 1, count)


def test_an_entry_in_json_holds_what_its_header_says(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    (entry,) = json.loads(audit("list", "--kind", "alert", "--json")[1])["entries"]
    assert entry["header"] == {"count": 37}
    assert entry["from"]["organisation"] == TN
    assert entry["to"] == {"cert.example.ma": 1, "cert.example.sn": 1, "cert.example.tn": 2}
    assert (entry["label"], entry["precedence"], entry["size_class"]) == ("TLP:AMBER", "routine", 2)
    assert (entry["said"], entry["state"]) == ("37 alerts", "verified")
    assert entry["accepted"].startswith("2026-09-21T14:13:40")


def test_an_unknown_kind_is_a_usage_error(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, _, err = audit("list", "--kind", "gossip")
    assert code == 2
    assert "known: create, commit" in err


def test_a_list_of_a_record_that_does_not_hold_says_so_beside_the_entry_and_at_the_end(
    audit: Audit, profile: Profile
) -> None:
    found = incident()
    index = found.log.post(OFFICER_SN, found.room, kinds.Message())
    copy(profile, found)
    code, out, err = audit("list")
    assert code == 5
    assert "FAULT: REVOKED" in out
    assert f"first bad entry {index}" in err
    code, out, _ = audit("list", "--json")
    assert (code, json.loads(out)["first_bad"]["index"]) == (5, index)


# ---- export and check


def test_an_export_is_checked_without_the_profile(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    copy(profile, TOLD)
    path, policy = tmp_path / "out.bundle", tmp_path / "policy"
    code, out, err = audit("export", path)
    assert (code, out) == (0, "")
    assert sha256(path.read_bytes()).hex() in err
    assert path.read_bytes() == bundle(TOLD)
    policy.write_text(encode_policy(policy_of_roster(x.roster_of())))
    code, out, err = audit("check", path, "--policy", policy, home=tmp_path / "nowhere")
    assert (code, err) == (0, "")
    assert "held against the policy file" in out
    assert "HOLDS" in out


def test_an_export_overwrites_nothing(audit: Audit, profile: Profile, exported: Path) -> None:
    copy(profile, TOLD)
    before = exported.read_bytes()
    code, _, err = audit("export", exported)
    assert (code, exported.read_bytes()) == (2, before)
    assert "nothing is overwritten" in err


def test_an_export_that_cannot_be_written_leaves_no_file(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    copy(profile, TOLD)
    code, _, err = audit("export", tmp_path / "missing" / "out")
    assert code == 75
    assert "No such file" in err


def test_an_export_of_a_copy_that_lost_rows_leaves_no_file(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    rows = TOLD.rows()
    extra = replace(rows[-1], index=len(rows))
    copy(profile, TOLD, rows=[*rows[:5], *rows[6:], extra])
    path = tmp_path / "out.bundle"
    code, _, _ = audit("export", path)
    assert code == 2
    assert not path.exists()


def test_an_export_to_standard_output_is_the_file(profile: Profile, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    copy(profile, TOLD)
    assert main(["audit", "export", "-", "--home", str(profile.home.path)]) == 0
    assert capfdbinary.readouterr().out == bundle(TOLD)


def test_a_check_takes_the_profiles_rosters_without_a_key(audit: Audit, profile: Profile, exported: Path) -> None:
    profile.home.key_file.unlink()
    profile.home.keystore.unlink()
    code, out, _ = audit("check", exported)
    assert code == 0
    assert "held against the rosters that this profile trusts" in out


def test_a_check_takes_a_roster_that_is_named(audit: Audit, exported: Path, tmp_path: Path) -> None:
    roster = tmp_path / "roster"
    roster.write_text(armour(Armour.ROSTER, ROSTER))
    code, out, _ = audit("check", exported, "--roster", roster, home=tmp_path / "nowhere")
    assert code == 0
    assert "held against the roster file" in out


def test_without_an_anchor_it_is_consistent_and_that_is_not_enough(
    audit: Audit, exported: Path, tmp_path: Path
) -> None:
    code, out, err = audit("check", exported, home=tmp_path / "nowhere")
    assert code == 5
    assert "held against nothing but itself" in out
    assert out.count("consistent, but anchored in nothing") == 1
    assert "HOLDS" not in out
    assert "--policy FILE" in err
    code, out, _ = audit("check", exported, "--json", home=tmp_path / "nowhere")
    assert (code, json.loads(out)["anchored"]) == (5, False)


def test_a_policy_for_another_roster_anchors_nothing(audit: Audit, exported: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text(encode_policy(policy_of_roster(x.roster_of(2))))
    code, out, err = audit("check", exported, "--policy", policy)
    assert (code, out) == (5, "")
    assert "--roster" in err


def test_a_policy_that_does_not_parse_names_the_line(audit: Audit, exported: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text(f"log {x.LOG_SIGNER.verifier.vkey}\ntrust me\n")
    code, _, err = audit("check", exported, "--policy", policy)
    assert code == 2
    assert "line 2 of the policy" in err


def test_witnesses_that_a_policy_demands_are_looked_for(audit: Audit, exported: Path, tmp_path: Path) -> None:
    witness = NoteSigner(name="w.example", key=x.key("witness"), kind=SignatureType.COSIGNATURE)
    policy, cosigned = tmp_path / "policy", tmp_path / "cosigned"
    text = f"witness w {witness.verifier.vkey}\n" + encode_policy(policy_of_roster(x.roster_of()))
    policy.write_text(text.replace("quorum none", "quorum w"))
    code, out, _ = audit("check", exported, "--policy", policy)
    assert code == 5
    assert "THE WHOLE RECORD (THRESHOLD)" in out
    note = decode_checkpoint(TOLD.log.checkpoint())[1]
    line = witness.sign(note.text, time_s=1_790_000_100)
    signed = Note(text=note.text, signatures=(*note.signatures, line)).encode()
    cosigned.write_bytes(bundle(TOLD, checkpoint=signed))
    code, out, _ = audit("check", cosigned, "--policy", policy)
    assert code == 0
    assert "cosigned by w (2026-09-21" in out
    witnesses = json.loads(audit("check", cosigned, "--policy", policy, "--json")[1])["log"]["witnesses"]
    assert [found["name"] for found in witnesses] == ["w"]


def test_a_bundle_that_is_cut_off_names_the_place(audit: Audit, exported: Path) -> None:
    exported.write_bytes(exported.read_bytes()[:-5_000])
    code, out, _ = audit("check", exported)
    assert code == 5
    assert "FIRST BAD ENTRY" in out
    assert "cut off" in out


def test_an_armoured_bundle_is_taken_too(audit: Audit, tmp_path: Path) -> None:
    path = tmp_path / "mail.txt"
    path.write_text("Dear colleague,\n\n" + armour(Armour.BUNDLE, bundle(TOLD)))
    assert audit("check", path)[0] == 0


def test_a_bundle_is_read_from_standard_input(audit: Audit, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(exported.read_bytes())))
    assert audit("check", "-")[0] == 0


@pytest.mark.parametrize("text", ["", "nothing of ours", armour(Armour.ROSTER, ROSTER)])
def test_another_file_is_refused(audit: Audit, tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    code, _, err = audit("check", path)
    assert code == 5
    assert "an export or a disclosure is wanted" in err


def test_a_file_that_is_not_there_or_is_a_folder_is_named(audit: Audit, tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        code, _, err = audit("check", path)
        assert code == 4
        assert "cannot be read" in err


def test_a_roster_file_without_a_roster_is_refused(audit: Audit, exported: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("nothing")
    code, _, err = audit("check", exported, "--roster", path)
    assert code == 5
    assert "is not a roster's file" in err


def test_a_bundle_whose_own_roster_nobody_signed_is_refused(audit: Audit, tmp_path: Path) -> None:
    unsigned = Endorsed(document=x.roster_document(1), signatures=()).encode()
    path = tmp_path / "file"
    path.write_bytes(bundle(TOLD, roster=unsigned))
    assert audit("check", path, home=tmp_path / "nowhere")[0] == 5


# ---- disclosures


def disclosed(tmp_path: Path, told: Incident, k: bytes | None = None) -> Path:
    path = tmp_path / "disclosure.txt"
    made = told.log.disclosure(told.disclosed, k or told.k, told.content, OFFICER_TN)
    path.write_text(armour(Armour.DISCLOSURE, made.encode()))
    return path


def saying(body: Body, **changes: object) -> Incident:
    """An incident whose last message says this."""
    found = incident()
    index, k, content = found.log.disclosable(OFFICER_TN, found.room, body, **changes)
    return replace(found, disclosed=index, k=k, content=content)


def test_a_disclosure_says_who_said_what_when_and_where_it_stands(audit: Audit, tmp_path: Path) -> None:
    code, out, err = audit("check", disclosed(tmp_path, TOLD))
    assert (code, err) == (0, "")
    subject = OFFICER_TN.certificate.subject.hex()
    assert f"from      officer {subject[:8]} of cert.example.tn, device {OFFICER_TN.id.hex()[:8]}" in out
    assert f"pseudonym {subject}: " in out
    assert "accepted  2026-09-21 14:13:39Z" in out
    assert f"room      {TOLD.room.hex()}, entry 6" in out
    assert "label     TLP:AMBER PAP:AMBER" in out
    assert "Seen at your side?" in out
    assert f"stands in the log relay.example/log at index {TOLD.disclosed}, under its checkpoint of size 35" in out
    assert "revoked before" in out


def test_a_disclosure_in_json(audit: Audit, tmp_path: Path) -> None:
    code, out, _ = audit("check", disclosed(tmp_path, TOLD), "--json")
    shown = json.loads(out)
    assert code == 0
    assert (shown["text"], shown["label"], shown["label_differs"]) == ("Seen at your side?", "TLP:AMBER", False)
    assert (shown["log"]["index"], shown["log"]["size"]) == (TOLD.disclosed, TOLD.log.size)
    assert shown["from"]["role"] == "officer"


def test_a_disclosure_without_an_anchor_is_shown_and_is_not_enough(audit: Audit, tmp_path: Path) -> None:
    code, out, err = audit("check", disclosed(tmp_path, TOLD), home=tmp_path / "nowhere")
    assert code == 5
    assert "held against nothing but itself" in out
    assert "consistent, but anchored in nothing" in err


def test_a_disclosure_under_a_policy_needs_the_roster_at_hand(audit: Audit, tmp_path: Path) -> None:
    policy, roster = tmp_path / "policy", tmp_path / "roster"
    policy.write_text(encode_policy(policy_of_roster(x.roster_of())))
    roster.write_text(armour(Armour.ROSTER, ROSTER))
    nowhere = tmp_path / "nowhere"
    code, _, err = audit("check", disclosed(tmp_path, TOLD), "--policy", policy, home=nowhere)
    assert code == 5
    assert "--roster" in err
    path = disclosed(tmp_path, TOLD)
    assert audit("check", path, "--policy", policy, "--roster", roster, home=nowhere)[0] == 0


def test_a_disclosure_that_does_not_hold_shows_nothing(audit: Audit, tmp_path: Path) -> None:
    code, out, err = audit("check", disclosed(tmp_path, TOLD, k=bytes(32)))
    assert (code, out) == (5, "")
    assert "the disclosure does not hold" in err
    assert "[COMMITMENT]" in err


def test_a_disclosure_of_an_expired_sender_exits_as_one_that_does_not_hold(audit: Audit, tmp_path: Path) -> None:
    found = incident()
    late_ms = x.NOW_MS + 100 * 86_400_000
    index, k, content = found.log.disclosable(OFFICER_TN, found.room, Text(text="late"), leaf_accepted_at_ms=late_ms)
    late = replace(found, disclosed=index, k=k, content=content)
    code, _, err = audit("check", disclosed(tmp_path, late))
    assert code == 5
    assert "[EXPIRED]" in err


def test_what_was_said_cannot_look_like_a_line_of_the_report(audit: Audit, tmp_path: Path) -> None:
    told = saying(Text(text="one\nheld against everything\x1b[2J\n\u202eevil"))
    code, out, _ = audit("check", disclosed(tmp_path, told))
    assert code == 0
    assert "\x1b" not in out
    assert "\u202e" not in out
    said = [line for line in out.splitlines() if "everything" in line or "evil" in line]
    assert all(line.startswith("  | ") for line in said)
    assert len(said) == 2


def test_a_label_that_the_record_shows_otherwise_is_an_alarm(audit: Audit, tmp_path: Path) -> None:
    told = saying(Text(text="strict"), inner_label=Label.RED)
    code, out, _ = audit("check", disclosed(tmp_path, told))
    assert code == 0
    assert "label     TLP:RED" in out
    assert "ALARM: the record shows TLP:AMBER" in out
    assert json.loads(audit("check", disclosed(tmp_path, told), "--json")[1])["label_differs"] is True


def one_alert() -> Alert:
    return Alert(
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
        (AlertBatch(source="sensor 1", alerts=(one_alert(),)), "high ET MALWARE beacon", "alerts"),
        (RoomInfo(title="Phishing wave", description=""), "the room is called Phishing wave", "title"),
        (ProfileBody(encoded=b"profile"), "[profile]", "type"),
    ],
)
def test_each_kind_of_content_is_shown(audit: Audit, tmp_path: Path, body: Body, shown: str, key: str) -> None:
    specific = kinds.Alert(count=1) if isinstance(body, AlertBatch) else kinds.Message()
    path = disclosed(tmp_path, saying(body, specific=specific))
    assert shown in audit("check", path)[1]
    assert key in json.loads(audit("check", path, "--json")[1])


# ---- sync


def serve(profile: Profile, told: Incident, stop: threading.Event, ending: model.IntentState) -> None:
    """What the connected process of a profile does: it copies, a few rows at a time, and ends the intent."""
    store = profile.store
    while not stop.is_set():
        for intent in store.intents(model.IntentState.QUEUED):
            begun = store.snapshot().audit_size
            rows = told.rows()[begun:]
            for first in range(0, len(rows), 10):
                store.commit((e.PutAuditRows(rows=tuple(rows[first : first + 10])),))
                time.sleep(0.3)
            log = told.log
            view = model.LogView(size=log.size, root=log.root, checkpoint=log.checkpoint(), seen_at_ms=0)
            done = replace(intent, state=ending, code="ROLE", detail="only auditors copy the log")
            store.commit((e.PutLogView(view=view), e.PutControlHead(head=log.control_head()), e.PutIntent(intent=done)))
        time.sleep(0.02)


@pytest.fixture
def connected(profile: Profile) -> Iterator[Callable[..., None]]:
    """Another process of the profile, which is connected: it holds the lock."""
    lock = ProfileLock(profile.home)
    assert lock.acquire()
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(told: Incident, ending: model.IntentState = model.IntentState.DONE) -> None:
        threads.append(threading.Thread(target=serve, args=(profile, told, stop, ending)))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join()
    lock.release()


def test_a_sync_says_how_many_leaves_were_copied_up_to_which_checkpoint(
    audit: Audit, profile: Profile, connected: Callable[..., None]
) -> None:
    connected(TOLD)
    code, out, _ = audit("sync", "--timeout", "1")
    assert code == 0
    assert "copied 35 leaves, up to the checkpoint of size 35" in out
    assert audit("verify")[0] == 0
    code, out, _ = audit("sync", "--json")
    assert (code, json.loads(out)) == (0, {"format": 1, "copied": 0, "size": 35})


def test_a_sync_that_is_refused_says_why(audit: Audit, connected: Callable[..., None]) -> None:
    connected(TOLD, model.IntentState.FAILED)
    code, out, err = audit("sync", "--timeout", "5")
    assert (code, out) == (3, "")
    assert "only auditors copy the log" in err


def test_a_sync_without_anybody_connected_is_kept_and_goes_on_later(
    audit: Audit, profile: Profile, connected: Callable[..., None]
) -> None:
    code, out, _ = audit("sync", "--timeout", "0.2")
    assert (code in {6, 75}, out) == (True, "")
    assert len(profile.store.intents(model.IntentState.QUEUED)) == 1
    connected(TOLD)
    assert audit("sync", "--timeout", "1")[0] == 0
    assert profile.store.intents(model.IntentState.QUEUED) == ()


def test_a_copy_that_the_log_outgrows_is_said(audit: Audit, profile: Profile, connected: Callable[..., None]) -> None:
    longer = incident(more=1)
    behind = replace(TOLD, log=_Ahead(TOLD.log, longer.log))
    connected(behind)
    code, _, err = audit("sync", "--timeout", "1")
    assert code == 75
    assert "the log grew while it was copied" in err


class _Ahead(Log):
    """The rows of one log under the newest checkpoint of a longer one."""

    def __init__(self, copied: Log, newest: Log) -> None:
        super().__init__()
        for index, leaf in enumerate(newest.leaves):
            self.append(leaf.type, leaf.room, leaf.object, newest.documents.get(index))
        self._copied = copied

    def rows(self, hidden: Iterable[RoomId] = ()) -> list[AuditRow]:
        return self._copied.rows(hidden)


def test_a_copy_from_before_the_organisation_joined_a_room_is_not_begun_anew_under_anothers_feet(
    audit: Audit, profile: Profile, connected: Callable[..., None]
) -> None:
    rows = TOLD.rows()
    rows[11] = replace(rows[11], entry=None)
    copy(profile, TOLD, rows=rows)
    connected(TOLD)
    code, _, err = audit("sync", "--timeout", "1")
    assert code == 75
    assert "joined a room since the last copy" in err
    assert "another program of this profile is connected" in err


# ---- ceremonies that feed it


def test_a_roster_prints_as_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "roster"
    path.write_text(armour(Armour.ROSTER, ROSTER))
    assert main(["roster", "show", str(path), "--policy"]) == 0
    assert capsys.readouterr().out == encode_policy(policy_of_roster(x.roster_of()))


def test_an_installed_roster_is_readable_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: (x.NOW_MS + 1_000) * 1_000_000)
    profile = home_at(tmp_path / "home")
    asked = enrolment.request_device(profile, organisation=TN, role=AUDITOR_TN.certificate.role)
    name = issue_profile(
        x.nation(TN).enrolment_key, organisation=TN, subject=asked.subject, name="Auditor A", salt=bytes(16)
    )
    certificate = issue_certificate(
        decode_request(asked.encoded),
        x.nation(TN).enrolment_key,
        now_ms=x.NOW_MS,
        ceiling=Label.RED,
        profile_mac=name.mac,
    )
    reply = Reply(
        certificate=certificate.encoded,
        enrolment=x.nation(TN).enrolment.endorsed.encode(),
        profile=name.encoded,
        roster=ROSTER,
    )
    enrolment.install_reply(profile, reply)
    assert decode_rosters(profile.home.roster.read_text()) == (ROSTER,)
    second = x.roster_of(2).endorsed.encode()
    enrolment.install_roster(profile, second)
    assert decode_rosters(profile.home.roster.read_text()) == (ROSTER, second)
    profile.close()


def test_the_magic_of_a_bundle_stays_what_it_is(exported: Path) -> None:
    assert exported.read_bytes().startswith(b"amanah audit bundle 1\n")
    assert MAGIC == b"amanah audit bundle 1\n"
    with exported.open("rb") as file:
        assert BundleReader(file.read).header.rows == TOLD.log.size
