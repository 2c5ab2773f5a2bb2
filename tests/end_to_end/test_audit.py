"""An auditor's work against a real relay, by the real programs: copy, verify, list, export, check, disclose."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanah_protocol.identity import Role
from tests.end_to_end.nations import Nations, Ran, amanah

TN, MA = "cert.example.tn", "cert.example.ma"


@pytest.fixture
def nations(tmp_path: Path) -> Iterator[Nations]:
    made = Nations(tmp_path)
    made.relay.start()
    yield made
    made.close()


def done(home: Path, *words: str) -> Ran:
    """Run a command that must succeed."""
    ran = amanah(home, *words)
    assert ran.code == 0, (words, ran)
    return ran


@pytest.mark.slow
def test_what_three_devices_did_is_copied_verified_exported_and_disclosed(nations: Nations, tmp_path: Path) -> None:
    a, b = nations.enrol("officer a", TN), nations.enrol("officer b", MA)
    auditor = nations.enrol("auditor", MA, role=Role.AUDITOR)
    done(b, "room", "list")
    done(a, "room", "create", "Phishing wave", "--label", "TLP:AMBER")
    done(a, "send", "Phishing wave", "Seen at your side?")
    # The auditor's organisation is not in the room yet: all of it is bare hashes to this copy.
    first = done(auditor, "audit", "sync")
    assert "copied" in first.out
    assert json.loads(done(auditor, "audit", "verify", "--json").out)["rooms"] == []
    done(a, "room", "invite", "Phishing wave", MA)
    done(b, "send", "Phishing wave", "Not yet")

    again = done(auditor, "audit", "sync")
    assert "joined a room since the last copy" in again.err
    report = json.loads(done(auditor, "audit", "verify", "--json").out)
    assert (report["holds"], report["faults"], report["scope"]["bare"]) == (True, 0, 0)
    assert report["scope"]["control_confirmed"] == report["scope"]["control"]
    assert report["rooms"][0]["members"] == {MA: 1, TN: 1}
    listed = json.loads(done(auditor, "audit", "list", "--kind", "message", "--json").out)["entries"]
    assert {entry["from"]["organisation"] for entry in listed} == {TN, MA}
    assert {entry["state"] for entry in listed} == {"verified"}

    export, policy, nowhere = tmp_path / "record.amanah", tmp_path / "policy", tmp_path / "nowhere"
    receipt, index = tmp_path / "receipt", str(listed[0]["log_index"])
    done(auditor, "audit", "export", str(export))
    done(auditor, "audit", "prove", index, "--format", "cose", "--out", str(receipt))
    policy.write_text(done(b, "roster", "show", "--policy").out)
    assert f"entry {index}: envelope" in done(b, "audit", "check", str(receipt)).out
    done(nowhere, "audit", "check", str(export), "--policy", str(policy))
    assert amanah(nowhere, "audit", "check", str(export)).code == 5
    damaged = bytearray(export.read_bytes())
    with zipfile.ZipFile(export) as archive:
        leaves = archive.getinfo("leaves")
        verifier = archive.extract("amanah-verify.py", tmp_path)
    alone = [sys.executable, "-I", verifier, str(export), "--policy", str(policy)]
    second = subprocess.run(alone, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stdout
    damaged[leaves.header_offset + leaves.file_size // 2] ^= 1
    export.with_suffix(".damaged").write_bytes(damaged)
    assert "first bad entry" in amanah(auditor, "audit", "check", str(export.with_suffix(".damaged"))).err

    said = next(line for line in json.loads(done(a, "read", "Phishing wave", "--json").out) if line.get("text"))
    proof = tmp_path / "proof.txt"
    done(a, "disclose", said["id"], "--to", "a court", "--out", str(proof))
    shown = json.loads(done(auditor, "audit", "check", str(proof), "--json").out)
    assert (shown["text"], shown["from"]["organisation"], shown["room"]) == ("Seen at your side?", TN, said["room"])
    done(auditor, "audit", "sync")
    egress = json.loads(done(auditor, "audit", "list", "--kind", "egress", "--json").out)["entries"]
    assert [entry["header"]["recipient"] for entry in egress] == ["a court"]
    assert amanah(b, "audit", "sync").code == 3
