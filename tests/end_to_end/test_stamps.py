"""A real relay and a real authority: checkpoints are time-stamped, through a power cut, and date a record."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amanah_protocol.identity import Role
from tests.authority import AuthoritySite, make_authority, serving
from tests.end_to_end.nations import PROGRAMS, Nations, amanah

pytest.importorskip("rfc3161_client", reason="the extra `timestamps` is not installed")

TN, MA = "cert.example.tn", "cert.example.ma"
SETTINGS = """
[limits]
checkpoint_interval_ms = 100
[timestamps]
authorities = ["{address}"]
interval_seconds = 1
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[AuthoritySite]:
    authority = make_authority(tmp_path / "authority", name="Authority")
    (tmp_path / "roots.pem").write_bytes(authority.pem)
    with serving(authority) as found:
        yield found


@pytest.fixture
def nations(tmp_path: Path, site: AuthoritySite) -> Iterator[Nations]:
    made = Nations(tmp_path / "nations")
    settings = made.folder / "relay" / "relay.toml"
    settings.write_text(settings.read_text() + SETTINGS.format(address=site.address))
    made.relay.start()
    yield made
    made.close()


def verified(auditor: Path, roots: Path, *, size: int) -> dict[str, object]:
    """The auditor's report, once its copy has time stamps over so many leaves."""
    deadline = time.monotonic() + 60
    while True:
        assert amanah(auditor, "audit", "sync").code == 0
        ran = amanah(auditor, "audit", "verify", "--tsa", str(roots), "--json")
        report: dict[str, dict[str, int]] = json.loads(ran.out)
        assert ran.code == 0, ran
        if report["stamps"]["size"] >= size:
            return dict(report)
        assert time.monotonic() < deadline, report["stamps"]
        time.sleep(1)


def holding(report: dict[str, object]) -> int:
    """How many tokens there are, all of which hold."""
    stamps = report["stamps"]
    assert isinstance(stamps, dict)
    ((authority, state, count),) = [(one["authority"], one["state"], one["count"]) for one in stamps["tokens"]]
    assert (authority, state) == ("CN=Authority", "holds")
    return int(count)


@pytest.mark.slow
def test_what_was_said_is_dated_by_an_authority(nations: Nations, tmp_path: Path) -> None:
    a = nations.enrol("officer a", TN)
    auditor = nations.enrol("auditor", TN, role=Role.AUDITOR)
    roots = tmp_path / "roots.pem"
    assert amanah(a, "room", "create", "Phishing wave", "--label", "TLP:AMBER").code == 0
    assert amanah(a, "send", "Phishing wave", "Seen at your side?").code == 0
    said = json.loads(amanah(a, "read", "Phishing wave", "--json").out)
    before = verified(auditor, roots, size=5)
    count = holding(before)
    listed = json.loads(amanah(auditor, "audit", "list", "--kind", "message", "--json").out)["entries"]
    stamped = [found["times"]["stamped"] for found in listed if found["id"] in {one.get("id") for one in said}]
    assert stamped
    assert all(authority["authority"] == "CN=Authority" for found in stamped for authority in found)
    # A power cut: what was shown is still there, and the relay stamps on.
    nations.relay.kill()
    relay = nations.folder / "relay"
    done = subprocess.run(
        [str(PROGRAMS / "amanah-relay"), "verify-log", "--home", str(relay)],
        check=False,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    nations.relay.start()
    assert amanah(a, "send", "Phishing wave", "And now?").code == 0
    size = before["log"]
    assert isinstance(size, dict)
    assert holding(verified(auditor, roots, size=size["size"] + 1)) > count
    # A third party, with nothing but files.
    bundle, policy, nowhere = tmp_path / "record.amanah", tmp_path / "policy", tmp_path / "nowhere"
    assert amanah(auditor, "audit", "export", str(bundle)).code == 0
    policy.write_text(amanah(a, "roster", "show", "--policy").out)
    checked = amanah(nowhere, "audit", "check", str(bundle), "--policy", str(policy), "--tsa", str(roots), "--json")
    assert checked.code == 0, checked
    found = json.loads(checked.out)
    assert (found["not_checked"], found["holds"]) == ([], True)
    assert holding(found) > count


@pytest.mark.slow
def test_a_relay_without_the_extra_says_so_before_it_starts(nations: Nations, tmp_path: Path) -> None:
    nations.relay.stop()
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    script = (
        "import sys, importlib.util\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'rfc3161_client' else find(name, *rest)\n"
        "from amanah_relay.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    command = [str(PROGRAMS / "python"), "-c", script, "serve", "--home", str(nations.folder / "relay")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=hidden)
    assert done.returncode == 2, done
    assert "[timestamps] needs the extra `timestamps`" in done.stderr
    assert "pip install" in done.stderr
