"""Every command block of README and `docs/` runs; what a page claims is tried as its reader would."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from amanah_client.audit.bundle import Bundle
from amanah_client.bodies import BODY_S
from amanah_client.listener import HEAD_S, MAX_CONNECTIONS
from amanah_client.witness.limits import AT_ONCE, PER_SECOND
from amanah_client.witness.rows import MAX_KEPT
from amanah_protocol.cards import Armour, armour, decode_armour, decode_relay_card
from amanah_protocol.identity import decode_request
from amanah_protocol.log.note_keys import decode_vkey
from amanah_protocol.log.witnessing import MAX_REQUEST_BYTES
from amanah_relay.addresses import port_warning
from amanah_relay.config import Listen, TimestampSection, load_config
from scripts.ports import free_port
from tests.docs import evidence
from tests.end_to_end.nations import Nations, amanah

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
PORTS = ("8765", "8766", "8767")
"""Ports that the pages name; a test takes a free one instead."""

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return [body for name, body in _BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]


def environment(home: Path | None = None) -> dict[str, str]:
    """As after `source .venv/bin/activate`."""
    changed = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    if home is not None:
        changed["AMANAH_HOME"] = str(home)
    return {**os.environ, **changed}


def run_shell(script: str, folder: Path, home: Path | None = None) -> str:
    """Run a page's shell blocks as one session that stops at the first failure."""
    for port in PORTS:
        script = script.replace(port, str(free_port()))
    process = subprocess.Popen(
        ["/bin/bash", "-euo", "pipefail", "-m"],
        cwd=folder,
        env=environment(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        # Whatever the page left in the background would hold our end of the pipe open.
        told, _ = process.communicate("trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n" + script, timeout=180)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        told, _ = process.communicate()
        pytest.fail(f"the page does not come to its end:\n{told}")
    assert process.returncode == 0, told
    return told


@pytest.mark.slow
def test_the_walk_through_of_the_readme_runs_as_it_stands(tmp_path: Path) -> None:
    told = run_shell("\n".join(blocks(ROOT / "README.md", "sh")), tmp_path)
    for expected in (
        "Seen at your side?",
        "Two portals since this morning.",
        "signed by 2, needed 2 of 2",
        "stands in the log",
    ):
        assert expected in told


@pytest.mark.slow
def test_who_has_the_page_for_officers_alone_gets_to_the_first_message_and_through_a_night(tmp_path: Path) -> None:
    request, install, look, *night = blocks(ROOT / "docs" / "officers.md", "sh")
    nations = Nations(tmp_path / "nations")
    officer, desk = tmp_path / "officer", tmp_path / "desk"
    desk.mkdir()
    try:
        nations.relay.start()
        # The page asks for a passphrase, which takes a terminal.
        run_shell(request.replace("request cert", "request --key-file cert"), desk, officer)
        asked = decode_request(decode_armour((desk / "my.request").read_text(), Armour.REQUEST))
        answer = nations.reply(asked, "Analyst on duty")
        (desk / "my.reply").write_text(armour(Armour.REPLY, answer.encode()))
        told = run_shell(install, desk, officer)
        assert "roster in words" in told
        colleague = nations.enrol("colleague", "cert.example.tn")
        for words in (
            ("room", "create", "Port authority", "--label", "TLP:AMBER"),
            ("room", "invite", "Port authority", "cert.example.ma"),
            ("send", "Port authority", "Two berths are encrypted."),
        ):
            ran = amanah(colleague, *words)
            assert ran.code == 0, ran.err
        assert "Two berths are encrypted." in run_shell(look, desk, officer)
        # The page says that a reader takes the number from the board.
        agree = 'amanah decide agree "Port authority" '
        assert f"{agree}17" in "\n".join(night)
        number = """$(amanah board "Port authority" | sed -n 's/^proposal \\([0-9]*\\) .*/\\1/p')"""
        run_shell("\n".join(night).replace(f"{agree}17", agree + number), desk, officer)
        assert "We are here" in amanah(colleague, "read", "Port authority").out
        board = amanah(colleague, "board", "Port authority").out
        for expected in ("high", "containing", "Pull netflow", "act together", "1 of 2 agree", "handover by"):
            assert expected in board
    finally:
        nations.close()


@pytest.mark.slow
def test_who_follows_the_page_about_paging_sees_who_would_be_paged_and_hears_the_desk_ring(tmp_path: Path) -> None:
    rota, (rehearsal, trial) = blocks(ROOT / "docs" / "paging.md", "toml")[0], blocks(ROOT / "docs" / "paging.md", "sh")
    nations = Nations(tmp_path / "nations")
    desk = tmp_path / "desk"
    desk.mkdir()
    try:
        nations.relay.start()
        officer = nations.enrol("officer", "cert.example.ma")
        assert amanah(officer, "room", "create", "Port authority", "--label", "TLP:AMBER").code == 0
        (officer / "paging.toml").write_text(rota)
        told = run_shell(rehearsal, desk, officer)
        for expected in ("Analyst by day", "Analyst by night", "Backup team", "webhook at pager.example.org"):
            assert expected in told
        assert "RINGS" in run_shell(trial, desk, officer)
    finally:
        nations.close()


@pytest.mark.slow
def test_the_commands_for_operators_run_as_they_stand(tmp_path: Path) -> None:
    run_shell("\n".join(blocks(ROOT / "docs" / "operating.md", "sh")), tmp_path)
    card = decode_relay_card(decode_armour((tmp_path / "relay.card").read_text(), Armour.RELAY))
    # Who follows the page gets a relay that listens where its card sends clients.
    assert port_warning(card, load_config(None, tmp_path / "relay-home", {}).listen.port) is None
    assert port_warning(card, Listen().port) is not None


@pytest.mark.slow
def test_the_commands_for_who_runs_a_witness_run_as_they_stand(tmp_path: Path) -> None:
    nations = Nations(tmp_path / "nations")
    nations.close()
    (tmp_path / "community.roster").write_text(armour(Armour.ROSTER, nations.roster))
    told = run_shell("\n".join(blocks(ROOT / "docs" / "witnesses.md", "sh")), tmp_path)
    assert "witness cert.example.tn/witness, 1 log" in told
    assert "relay.example.org/log: nothing cosigned yet" in told
    keys = [decode_vkey(line) for line in (tmp_path / "witness.keys").read_text().splitlines()]
    assert all(key.kind.cosigns for key in keys)


@pytest.mark.slow
def test_the_commands_for_auditors_find_the_forged_row(tmp_path: Path) -> None:
    for folder in ("docs", "client"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    demo = tmp_path / "build" / "demo"
    demo.mkdir(parents=True)
    shutil.copyfile(evidence.RECORD, demo / "evidence.amanah")  # the demo's own is checked where it is made
    shutil.copyfile(evidence.POLICY, demo / "community.policy")
    told = run_shell("\n".join(blocks(ROOT / "docs" / "auditors.md", "sh")), tmp_path)
    assert told.count("HOLDS: every hash") == 2
    assert told.count("exit code 5") == 2
    assert f"FAULT at entry {evidence.INDEX}: the entry is not the one whose hash stands in the log" in told
    assert f"FIRST BAD ENTRY: {evidence.INDEX}" in told
    assert f"first at log index {evidence.INDEX}" in told
    assert f"`FAULT at entry {evidence.INDEX}:" in (ROOT / "docs" / "auditors.md").read_text(encoding="utf-8")


def test_the_shipped_forgery_differs_in_one_row_and_is_made_again() -> None:
    genuine, forged = evidence.RECORD.read_bytes(), evidence.FORGED.read_bytes()
    assert evidence.forge(genuine) == forged
    rows = [list(Bundle(io.BytesIO(data)).rows()) for data in (genuine, forged)]
    assert [row.index for row, lie in zip(*rows, strict=True) if row != lie] == [evidence.INDEX]


def test_the_quorums_that_the_page_names_have_an_honest_witness_in_common() -> None:
    page = (ROOT / "docs" / "witnesses.md").read_text(encoding="utf-8")
    rows = [tuple(map(int, row)) for row in re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)]
    assert [n for n, *_ in rows] == [1, 2, 3, 4, 5, 7, 10]
    for n, f, q, away in rows:
        assert f == (n - 1) // 3
        assert 2 * q - n > f
        assert 2 * (q - 1) - n <= f
        assert away == n - q


def test_the_limits_that_the_page_names_are_the_witnesss() -> None:
    page = (ROOT / "docs" / "witnesses.md").read_text(encoding="utf-8")
    assert (
        f"at most {MAX_REQUEST_BYTES // 1024} KiB, {HEAD_S:.0f} seconds for its head and {BODY_S:.0f} for its" in page
    )
    assert f"{MAX_CONNECTIONS} connections are open" in page
    assert f"has {PER_SECOND} requests a second, {AT_ONCE} at once" in page
    assert f"Of each log and finding {MAX_KEPT} checkpoints are kept" in page


def test_every_setting_that_the_pages_name_exists(tmp_path: Path) -> None:
    settings = "\n".join(blocks(ROOT / "docs" / "operating.md", "toml"))
    tomllib.loads(settings)
    (tmp_path / "relay.toml").write_text(settings)
    config = load_config(None, tmp_path, {})
    assert config.secure
    assert msgspec.to_builtins(config.listen)["port"] == 8443
    # What the page shows beside names and addresses is what holds by itself.
    assert replace(config.timestamps, authorities=()) == TimestampSection()


def languages() -> Iterator[tuple[str, str]]:
    """(page, language) of every fenced block of all pages."""
    for page in PAGES:
        for language, _ in _BLOCK.findall(page.read_text(encoding="utf-8")):
            yield page.relative_to(ROOT).as_posix(), language


def test_no_page_holds_a_block_that_no_test_runs() -> None:
    run = {("README.md", "sh"), ("docs/operating.md", "sh"), ("docs/operating.md", "toml"), ("docs/sdk.md", "python")}
    run |= {("docs/witnesses.md", "sh"), ("docs/auditors.md", "sh")}
    run |= {("docs/officers.md", "sh"), ("docs/paging.md", "sh"), ("docs/paging.md", "toml")}
    for page, language in languages():
        assert language in {"cddl", "text"} or (page, language) in run, f"{page}: a block of {language!r}"


def test_links_inside_the_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.slow
def test_the_ten_lines_of_the_sdk_run_as_they_stand(tmp_path: Path) -> None:
    send, listen, triage = blocks(ROOT / "docs" / "sdk.md", "python")
    nations = Nations(tmp_path)
    try:
        nations.relay.start()
        ours, theirs = nations.enrol("ours", "cert.example.tn"), nations.enrol("theirs", "cert.example.ma")
        assert amanah(theirs, "doctor").code == 0  # brings its key packages, as every client does when it connects
        listening = subprocess.Popen(
            [sys.executable, "-c", listen], env=environment(theirs), stdout=subprocess.PIPE, text=True
        )
        try:
            assert "in the log at" in printed(send, ours)
            heard, _ = listening.communicate(timeout=60)
        finally:
            listening.kill()
        assert "TLP:AMBER" in heard
        assert "Seen at your side?" in heard
        assert printed(triage, ours) == "Ministry mailboxes TRIAGE {}\n"
    finally:
        nations.close()


def printed(program: str, home: Path) -> str:
    """What a program prints that ends well."""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
