"""`amanah audit export` and `check`: what a third party does with the file, and with nothing else."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from msgspec import structs

from amanah_client.audit.bundle import Bundle
from amanah_client.cli.audit_files import opened, write_new
from amanah_client.cli.main import main
from amanah_client.home import Profile
from amanah_protocol import cbor, kinds
from amanah_protocol.cards import Armour, armour, decode_armour
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import AlertBatch, Body, RoomInfo
from amanah_protocol.content.bodies import Profile as ProfileBody
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.labels import Label
from amanah_protocol.log.checkpoint import decode_checkpoint, sign_checkpoint
from amanah_protocol.log.export import sign_manifest
from amanah_protocol.log.note import Note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.policy import encode_policy, policy_of_roster
from tests.client.audit.auditor import ROSTER, TOLD, Audit, copy
from tests.client.audit.bundles import archived, bundle, manifest_of, members_of
from tests.client.audit.world import (
    AUDITOR_TN,
    OFFICER_SN,
    OFFICER_TN,
    Incident,
    incident,
)
from tests.protocol.refusal import refused
from tests.vectors import examples as x

# ---- export and check


def test_an_export_is_checked_without_the_profile(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    copy(profile, TOLD)
    path, policy = tmp_path / "out.amanah", tmp_path / "policy"
    code, out, err = audit("export", path)
    assert (code, out) == (0, "")
    assert sha256(path.read_bytes()).hex() in err
    policy.write_bytes(encode_policy(policy_of_roster(x.roster_of())))
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


def test_an_export_of_a_copy_that_lost_rows_leaves_nothing(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    rows = TOLD.rows()
    extra = structs.replace(rows[-1], index=len(rows))
    copy(profile, TOLD, rows=[*rows[:5], *rows[6:], extra])
    path = tmp_path / "out.amanah"
    code, _, err = audit("export", path)
    assert code == 4
    assert "does not stand in the record" in err
    assert [left.name for left in tmp_path.iterdir()] == ["amanah-verify.py", "home"]


def test_an_export_of_a_record_that_does_not_hold_is_written_and_says_so(
    audit: Audit, profile: Profile, tmp_path: Path
) -> None:
    found = incident()
    index = found.log.post(OFFICER_SN, found.room, kinds.Message())
    copy(profile, found)
    path = tmp_path / "out.amanah"
    code, _, err = audit("export", path)
    assert code == 5
    assert f"first bad entry {index}" in err
    code, _, err = audit("check", path)
    assert code == 5
    assert f"first bad entry {index}" in err


def test_an_export_to_standard_output_is_the_file(profile: Profile, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    copy(profile, TOLD)
    assert main(["audit", "export", "-", "--home", str(profile.home.path)]) == 0
    written = Bundle(BytesIO(capfdbinary.readouterr().out))
    assert list(written.rows()) == TOLD.rows()
    assert list(written.broken()) == []


def test_an_export_that_ends_early_leaves_no_file(tmp_path: Path) -> None:
    def full() -> Iterator[bytes]:
        yield b"begun"
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "out.amanah"
    with refused(Code.DISK_FULL, OperationalError):
        write_new(path, full())
    assert not path.exists()


def test_whoever_reads_a_check_may_stop_early(exported: Path) -> None:
    with pytest.raises(BrokenPipeError), opened(exported):
        raise BrokenPipeError


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
    policy.write_bytes(encode_policy(policy_of_roster(x.roster_of(2))))
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
    text = f"witness w {witness.verifier.vkey}\n" + encode_policy(policy_of_roster(x.roster_of())).decode()
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


def test_a_bundle_that_is_cut_off_is_said_to_be(audit: Audit, exported: Path) -> None:
    exported.write_bytes(exported.read_bytes()[:-5_000])
    code, out, err = audit("check", exported)
    assert (code, out) == (5, "")
    assert "cut off" in err


def test_a_row_that_was_changed_is_named_though_the_file_is_not_the_manifests(audit: Audit, tmp_path: Path) -> None:
    rows = TOLD.rows()
    rows[20] = structs.replace(rows[20], entry=rows[19].entry)
    path = tmp_path / "forged"
    members = members_of(TOLD, rows)
    encoded = manifest_of(TOLD, members_of(TOLD)).encode()
    path.write_bytes(archived(members, encoded, sign_manifest(encoded, AUDITOR_TN.key)))
    code, out, _ = audit("check", path)
    assert code == 5
    assert "leaves is not the file that the manifest was made for [CONTENT_HASH]" in out
    assert "FIRST BAD ENTRY: 20 (PROOF)" in out


def test_a_bundle_is_read_from_standard_input(audit: Audit, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(exported.read_bytes())))
    assert audit("check", "-")[0] == 0


def test_a_bundle_is_read_from_a_pipe(audit: Audit, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe(BytesIO):
        def seekable(self) -> bool:
            return False

    monkeypatch.setattr("sys.stdin", TextIOWrapper(Pipe(exported.read_bytes())))
    assert audit("check", "-")[0] == 0


@pytest.mark.parametrize("text", ["", "nothing of ours", armour(Armour.ROSTER, ROSTER)])
def test_another_file_is_refused(audit: Audit, tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    code, _, err = audit("check", path)
    assert code == 5
    assert "an evidence bundle, a disclosure, evidence or a proof is wanted" in err
    assert "export, evidence and prove" in err


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
    path.write_bytes(bundle(TOLD, rosters=cbor.encode(unsigned)))
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
    verdict = out.splitlines()[-1]
    assert verdict.startswith("HOLDS: this device signed it, and it stands in the log")
    assert verdict.endswith("anchored in the rosters that this profile trusts")


def test_a_disclosure_in_json(audit: Audit, tmp_path: Path) -> None:
    code, out, _ = audit("check", disclosed(tmp_path, TOLD), "--json")
    shown = json.loads(out)
    assert code == 0
    assert (shown["text"], shown["label"], shown["label_differs"]) == ("Seen at your side?", "TLP:AMBER", False)
    assert (shown["log"]["log_index"], shown["log"]["size"]) == (TOLD.disclosed, TOLD.log.size)
    assert shown["from"]["role"] == "officer"
    assert shown["verdict"].startswith("HOLDS: ")


def test_a_disclosure_without_an_anchor_is_shown_and_is_not_enough(audit: Audit, tmp_path: Path) -> None:
    code, out, err = audit("check", disclosed(tmp_path, TOLD), home=tmp_path / "nowhere")
    assert code == 5
    assert "held against nothing but itself" in out
    assert out.splitlines()[-1] == "consistent, but anchored in nothing"
    assert "HOLDS" not in out
    assert "consistent, but anchored in nothing" in err
    _, out, _ = audit("check", disclosed(tmp_path, TOLD), "--json", home=tmp_path / "nowhere")
    assert (json.loads(out)["verdict"], json.loads(out)["anchored"]) == ("consistent, but anchored in nothing", False)


def test_a_disclosure_under_a_policy_needs_the_roster_at_hand(audit: Audit, tmp_path: Path) -> None:
    policy, roster = tmp_path / "policy", tmp_path / "roster"
    policy.write_bytes(encode_policy(policy_of_roster(x.roster_of())))
    roster.write_text(armour(Armour.ROSTER, ROSTER))
    nowhere = tmp_path / "nowhere"
    code, _, err = audit("check", disclosed(tmp_path, TOLD), "--policy", policy, home=nowhere)
    assert code == 5
    assert "the policy's roster is not at hand. Name the file of that roster by --roster" in err
    assert "--policy" not in err
    path = disclosed(tmp_path, TOLD)
    assert audit("check", path, "--policy", policy, "--roster", roster, home=nowhere)[0] == 0


def test_a_policy_of_another_community_is_said_to_be_one(audit: Audit, tmp_path: Path) -> None:
    path, policy = tmp_path / "told.amanah", tmp_path / "policy"
    path.write_bytes(bundle(TOLD))
    other = NoteSigner(name="relay.other/log", key=x.key("another log"), kind=SignatureType.ED25519)
    policy.write_text(f"log {other.verifier.vkey}\nquorum none\nroster sha256:{bytes(32).hex()}\n")
    code, _, err = audit("check", path, "--policy", policy, home=tmp_path / "nowhere")
    assert code == 5
    assert f"the policy is of the log relay.other/log, and this file of another, {x.ORIGIN}" in err
    assert "--roster" not in err


def test_a_remembered_checkpoint_counts_if_the_log_signed_it(audit: Audit, tmp_path: Path) -> None:
    path, roster, kept = tmp_path / "told.amanah", tmp_path / "roster", tmp_path / "kept"
    path.write_bytes(bundle(TOLD))
    roster.write_text(armour(Armour.ROSTER, ROSTER))
    kept.write_bytes(TOLD.log.checkpoint())
    nowhere = tmp_path / "nowhere"
    code, out, _ = audit("check", path, "--roster", roster, "--remembered", kept, home=nowhere)
    assert (code, f"as you remember it: its first {TOLD.log.size} entries are those" in out) == (0, True)
    seen = decode_checkpoint(TOLD.log.checkpoint())[0]
    thief = NoteSigner(name=x.ORIGIN, key=x.key("thief"), kind=SignatureType.ED25519)
    other = NoteSigner(name="relay.other/log", key=x.key("log"), kind=SignatureType.ED25519)
    for note in (sign_checkpoint(seen, thief), sign_checkpoint(replace(seen, origin=other.name), other)):
        kept.write_bytes(note)
        code, out, err = audit("check", path, "--roster", roster, "--remembered", kept, home=nowhere)
        assert (code, out, "the remembered checkpoint: " in err) == (2, "", True), err
        # Nobody can say which of the two is forged where nothing is trusted: it does not hold together.
        code, out, _ = audit("check", path, "--remembered", kept, home=nowhere)
        assert (code, "DOES NOT HOLD" in out, "the remembered checkpoint: " in out) == (5, True, True), out


def test_a_disclosure_that_does_not_hold_shows_nothing(audit: Audit, tmp_path: Path) -> None:
    code, out, err = audit("check", disclosed(tmp_path, TOLD, k=bytes(32)))
    assert (code, out) == (5, "")
    assert "the disclosure does not hold" in err
    assert "[COMMITMENT]" in err


def test_a_disclosure_that_is_cut_off_or_damaged_is_said_to_be_that(audit: Audit, tmp_path: Path) -> None:
    path = disclosed(tmp_path, TOLD)
    lines = path.read_text().splitlines()
    whole = decode_armour(path.read_text(), Armour.DISCLOSURE)
    for damaged in (
        "\n".join(lines[:-3]),
        "\n".join((*lines[:5], "?", *lines[6:])),
        "\n".join((*lines[:5], *lines[6:])),
        armour(Armour.DISCLOSURE, whole[:-9]),
    ):
        path.write_text(damaged)
        code, out, err = audit("check", path)
        assert (code, out) == (5, "")
        assert "the disclosure is damaged or incomplete" in err
        assert "Get the whole file again" in err


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
