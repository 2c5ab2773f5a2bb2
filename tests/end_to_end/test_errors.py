"""What goes wrong in earnest: one clear line that says what to do, the right exit code, nothing lost.

Everything here is the real programs as their own processes.
"""

from __future__ import annotations

import json
import os
import pty
import resource
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from amanah_client.cli.terminal import (
    EXIT_AUTH,
    EXIT_NOT_FOUND,
    EXIT_OFFLINE,
    EXIT_OK,
    EXIT_TRY_LATER,
    EXIT_VERIFICATION,
)
from amanah_client.home import Home, create_profile
from amanah_client.keystore import FLOOR_COST, Passphrase
from tests.end_to_end.nations import PROGRAMS, Nations, Ran, amanah

TN: Final = "cert.example.tn"
ROOM: Final = "Phishing wave"
EVE: Final = '{"timestamp":"2026-11-20T05:42:10Z","event_type":"alert","alert":{"signature_id":9}}\n'
WAIT_S: Final = 60


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN,))
    made.relay.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def officer(nations: Nations) -> Path:
    """An officer's profile with a room of its own."""
    home = nations.enrol("officer", TN)
    assert amanah(home, "room", "create", ROOM, "--label", "amber").code == EXIT_OK
    return home


def one_line(ran: Ran, code: int, *said: str) -> None:
    """The exit code, and one line on standard error that holds all of these; never a traceback."""
    assert (ran.code, ran.err.count("\n")) == (code, 1), ran
    for part in said:
        assert part in ran.err


def type_into(words: list[str], typed: str, home: Path) -> tuple[int, str]:
    """Run a command on a terminal, type whenever a passphrase is asked for; gives exit code and all that was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [str(PROGRAMS / "amanah"), *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "AMANAH_HOME": str(home), "NO_COLOR": "1"},
        start_new_session=True,
    )
    os.close(theirs)
    shown, told = b"", 0
    while True:
        try:
            shown += os.read(ours, 4_096)
        except OSError:  # the other end is closed
            break
        if shown.count(b"Passphrase: ") > told:
            os.write(ours, typed.encode() + b"\n")
            told += 1
    os.close(ours)
    return process.wait(WAIT_S), shown.decode()


def test_a_wrong_passphrase_opens_nothing_and_changes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "profile")
    create_profile(home, Passphrase(text="six words that are the right ones", cost=FLOOR_COST)).close()
    before = home.keystore.read_bytes()
    code, shown = type_into(["org", "show"], "something else", home.path)
    assert code == EXIT_AUTH
    # A terminal gets it folded between words.
    last = " ".join(shown[shown.rindex("amanah: ") :].split())
    assert "Try again with the right passphrase; nothing was changed. [PASSPHRASE]" in last
    assert "something else" not in shown
    assert shown.count("Passphrase: ") == 3
    assert home.keystore.read_bytes() == before
    code, shown = type_into(["org", "show"], "six words that are the right ones", home.path)
    assert code == EXIT_OK
    assert "Traceback" not in shown


def test_a_passphrase_is_never_asked_for_where_there_is_no_terminal(tmp_path: Path) -> None:
    home = Home(tmp_path / "profile")
    create_profile(home, Passphrase(text="six words that are the right ones", cost=FLOOR_COST)).close()
    one_line(amanah(home.path, "room", "list"), EXIT_AUTH, "no terminal", "[PASSPHRASE]")


def test_an_expired_certificate_is_named_and_what_was_written_is_kept(nations: Nations, officer: Path) -> None:
    home = nations.enrol("expired", TN, expired=True)
    one_line(amanah(home, "room", "list"), EXIT_AUTH, "have it renewed", "[EXPIRED]")
    ran = amanah(home, "room", "create", "Too late", "--label", "amber")
    one_line(ran, EXIT_AUTH, "have it renewed", "[EXPIRED]")
    assert ran.out.startswith("queued  ")
    assert len(json.loads(amanah(home, "outbox", "list", "--json").out)) == 1
    checked = amanah(home, "doctor", "--json")
    assert checked.code == EXIT_AUTH
    states = {check["name"]: check for check in json.loads(checked.out)["checks"]}
    assert (states["certificate"]["state"], states["certificate"]["code"]) == ("fail", "EXPIRED")
    assert "ask your organisation" in states["certificate"]["hint"]


def test_an_unknown_room_is_named_and_where_the_known_ones_are(officer: Path) -> None:
    for words in (("send", "Fishing wave", "x"), ("read", "Fishing wave"), ("room", "show", "Fishing wave")):
        one_line(amanah(officer, *words), EXIT_NOT_FOUND, "'Fishing wave'", "amanah room list", "[UNKNOWN_ROOM]")


def test_a_malformed_line_of_alerts_is_named_and_all_others_arrive(nations: Nations, officer: Path) -> None:
    ran = amanah(officer, "alert", ROOM, stdin=f"{EVE}{{broken\n{EVE}")
    assert ran.code == EXIT_VERIFICATION
    assert ran.out == "2 alerts delivered in 1 envelope\n"
    assert "line 2: not an EVE event" in ran.err
    assert "1 line could not be used; all the others are delivered" in ran.err.splitlines()[-1]
    read = json.loads(amanah(officer, "read", ROOM, "--json").out)
    assert sum(len(entry.get("alerts", ())) for entry in read) == 2


# ---- the relay


def test_a_relay_that_is_down_is_named_and_what_was_sent_arrives_later(tmp_path: Path) -> None:
    nations = Nations(tmp_path, (TN,))
    try:
        nations.relay.start()
        home = nations.enrol("officer", TN)
        assert amanah(home, "room", "create", ROOM, "--label", "amber").code == EXIT_OK
        nations.relay.kill()
        ran = amanah(home, "send", ROOM, "said in the dark")
        one_line(ran, EXIT_OFFLINE, f"127.0.0.1:{nations.relay.port}", "goes out by itself", "[OFFLINE]")
        assert ran.out.startswith("queued  ")
        one_line(amanah(home, "room", "list"), EXIT_OFFLINE, "[OFFLINE]")
        nations.relay.start()
        assert amanah(home, "send", ROOM, "said in the light").code == EXIT_OK
        read = json.loads(amanah(home, "read", ROOM, "--json").out)
        assert [entry["text"] for entry in read if "text" in entry] == ["said in the dark", "said in the light"]
    finally:
        nations.close()


def test_what_answers_and_is_no_relay_is_not_waited_for(tmp_path: Path) -> None:
    nations = Nations(tmp_path, (TN,))
    try:
        home = nations.enrol("officer", TN)
        with socket.create_server(("127.0.0.1", nations.relay.port)) as silent:
            silent.settimeout(WAIT_S)
            for words in (("room", "list"), ("tail", "--until-idle", "0.1")):
                one_line(amanah(home, *words, "--timeout", "1"), EXIT_OFFLINE, "[OFFLINE]")
    finally:
        nations.close()


def test_a_port_that_is_in_use_is_named(tmp_path: Path) -> None:
    nations = Nations(tmp_path, (TN,))
    try:
        with socket.create_server(("127.0.0.1", nations.relay.port)):
            ran = subprocess.run(
                [str(PROGRAMS / "amanah-relay"), "serve", "--home", str(tmp_path / "relay")],
                capture_output=True,
                text=True,
                timeout=WAIT_S,
                check=False,
            )
        assert ran.returncode == EXIT_TRY_LATER
        assert f"127.0.0.1:{nations.relay.port}" in ran.stderr
        assert ran.stderr.splitlines()[-1].endswith("choose another port. [ADDRESS_IN_USE]")
        assert "Traceback" not in ran.stderr
    finally:
        nations.close()


# ---- the disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 4 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("skipped: a small disk needs root and mount")
    made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=False)
    if made.returncode != 0:
        pytest.skip("skipped: this machine mounts no tmpfs")
    yield folder
    subprocess.run([str(shutil.which("umount")), str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until nothing fits any more; gives the file to remove."""
    ballast = folder / "ballast"
    descriptor = os.open(ballast, os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(descriptor, b"x" * 4_096)
    except OSError:
        return ballast
    finally:
        os.close(descriptor)


def test_a_full_disk_loses_nothing_and_all_goes_on_when_there_is_room(nations: Nations, small_disk: Path) -> None:
    home = small_disk / "profile"
    shutil.copytree(nations.enrol("small", TN), home)
    assert amanah(home, "room", "create", "Small", "--label", "amber").code == EXIT_OK
    assert amanah(home, "send", "Small", "before").code == EXIT_OK
    ballast = fill(small_disk)
    for words in (("send", "Small", "while it was full"), ("read", "Small"), ("alert", "Small")):
        one_line(amanah(home, *words, stdin=EVE), EXIT_TRY_LATER, "make room, then try again", "[DISK_FULL]")
    assert "disk" in amanah(home, "doctor").out
    ballast.unlink()
    assert amanah(home, "send", "Small", "after").code == EXIT_OK
    read = json.loads(amanah(home, "read", "Small", "--json").out)
    assert [entry["text"] for entry in read if "text" in entry] == ["before", "after"]


def test_a_result_that_does_not_fit_the_disk_leaves_no_half_of_a_file(nations: Nations, tmp_path: Path) -> None:
    card = tmp_path / "card"
    ran = subprocess.run(
        [str(PROGRAMS / "amanah"), "org", "card", "--home", str(nations.folder / TN), "--out", str(card)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
        # Coverage of this process would not fit either, and it would say so.
        env={name: value for name, value in os.environ.items() if not name.startswith("COV")},
        preexec_fn=_nothing_fits,
    )
    assert (ran.returncode, ran.stderr.count("\n")) == (EXIT_TRY_LATER, 1), ran.stderr
    assert "[DISK_FULL]" in ran.stderr
    assert not card.exists()


def _nothing_fits() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))


@pytest.fixture
def locked_away(nations: Nations) -> Iterator[Callable[[], Path]]:
    """A profile that its user cannot write; root can always, so it becomes a read-only file system there."""
    mounted: list[Path] = []

    def lock() -> Path:
        home = nations.enrol(f"locked{len(mounted)}", TN)
        if os.geteuid() != 0:
            home.chmod(0o500)
            return home
        mount = shutil.which("mount")
        bind = [["--bind", str(home), str(home)], ["-o", "remount,ro,bind", str(home)]]
        if mount is None or any(subprocess.run([mount, *words], check=False).returncode for words in bind):
            pytest.skip("skipped: this machine makes no folder read-only for root")
        mounted.append(home)
        return home

    yield lock
    for home in mounted:
        subprocess.run([str(shutil.which("umount")), str(home)], check=True)


def test_a_profile_that_cannot_be_written_is_named(locked_away: Callable[[], Path]) -> None:
    ran = amanah(locked_away(), "room", "list")
    one_line(ran, EXIT_TRY_LATER, "[STORE]")


def test_a_profile_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    ran = amanah(tmp_path / "nothing", "send", ROOM, "x")
    one_line(ran, EXIT_NOT_FOUND, "amanah device request", "[NO_PROFILE]")


def test_a_damaged_keystore_is_named_and_not_touched(nations: Nations) -> None:
    home = nations.enrol("damaged", TN)
    data = (home / "keystore").read_bytes()
    (home / "keystore").write_bytes(data[: len(data) // 2])
    ran = amanah(home, "room", "list")
    assert ran.code in {EXIT_VERIFICATION, EXIT_TRY_LATER}
    assert ran.err.count("\n") == 1
    assert (home / "keystore").read_bytes() == data[: len(data) // 2]
