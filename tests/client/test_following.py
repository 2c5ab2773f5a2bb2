"""Two processes of one profile: what the one that follows knows of the other one's connection."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from amanah_client import effects as e
from amanah_client.cli import terminal
from amanah_client.cli.main import main
from amanah_client.engine import Offline
from amanah_client.follower import decode_line, encode_line
from amanah_client.home import Home, ProfileLock
from amanah_protocol.errors import Code, OperationalError
from tests.end_to_end.nations import PROGRAMS, Nations, amanah

TN: Final = "cert.example.tn"
ROOM: Final = "Phishing wave"
OFFLINE: Final = Offline(problem=OperationalError(Code.OFFLINE, "down: refused"), attempts=4)
REVOKED: Final = Offline(problem=OperationalError(Code.REVOKED, "revoked"), attempts=4)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An officer's profile with a room, whose relay is down."""
    nations = Nations(tmp_path_factory.mktemp("nations"), (TN,))
    nations.relay.start()
    made = nations.enrol("officer", TN)
    assert main(["room", "create", ROOM, "--label", "amber", "--home", str(made)]) == 0
    nations.relay.stop()
    yield made
    nations.close()


@pytest.mark.parametrize(
    ("word", "code", "said"),
    [
        (OFFLINE, terminal.EXIT_OFFLINE, "what was to be sent is kept"),
        (REVOKED, terminal.EXIT_AUTH, "[REVOKED]"),
        (e.Online(), terminal.EXIT_TRY_LATER, "It is kept and goes out by itself; do not ask for it again. [TIMEOUT]"),
        (None, terminal.EXIT_TRY_LATER, "It is kept and goes out by itself; do not ask for it again. [TIMEOUT]"),
    ],
)
def test_who_sends_while_another_process_is_connected_hears_whether_that_one_has_a_connection(
    home: Path, word: e.Online | Offline | None, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = ProfileLock(Home(home))
    assert lock.acquire()
    try:
        lock.tell(b"" if word is None else encode_line(word))
        capsys.readouterr()
        assert main(["send", ROOM, "kept", "--timeout", "0.5", "--home", str(home)]) == code
        shown = capsys.readouterr()
        assert shown.out.startswith("queued  ")
        assert said in shown.err
        wanted = 0 if word is None or isinstance(word, e.Online) else code
        assert main(["read", ROOM, "--timeout", "0.5", "--home", str(home)]) == wanted
    finally:
        lock.release()


def test_the_word_of_who_held_the_lock_before_is_not_taken_for_that_of_who_holds_it(home: Path) -> None:
    first, second = ProfileLock(Home(home)), ProfileLock(Home(home))
    assert first.acquire()
    first.tell(encode_line(OFFLINE))
    assert not second.acquire()
    second.tell(b"not the holder")
    assert decode_line(second.told()) is not None
    first.release()
    assert second.acquire()
    assert second.told() == b""
    second.release()


def test_a_word_is_read_as_it_was_written_and_what_is_none_says_nothing(tmp_path: Path) -> None:
    assert decode_line(encode_line(e.Online())) == e.Online()
    found = decode_line(encode_line(OFFLINE))
    assert isinstance(found, Offline)
    assert (found.problem.code, found.problem.detail, found.attempts) == (Code.OFFLINE, "down: refused", 4)
    assert found.problem.hint == OFFLINE.problem.hint
    for wrong in (b"", b"{", b"[]", b'{"online":false,"code":"NEVER_HEARD_OF"}', encode_line(OFFLINE)[:-1]):
        assert decode_line(wrong) is None
    assert ProfileLock(Home(tmp_path)).told() == b""


def test_without_the_relay_send_ends_alike_with_and_without_a_tail_and_nothing_goes_twice(tmp_path: Path) -> None:
    nations = Nations(tmp_path, (TN,))
    try:
        nations.relay.start()
        home = nations.enrol("officer", TN)
        assert amanah(home, "room", "create", ROOM, "--label", "amber").code == 0
        with subprocess.Popen(
            [str(PROGRAMS / "amanah"), "tail", ROOM, "--home", str(home)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as tail:
            assert tail.stderr is not None
            assert tail.stderr.readline() == "online\n"
            nations.relay.kill()
            with_tail = amanah(home, "send", ROOM, "said in the dark")
            followed = amanah(home, "tail", "--until-idle", "0.1")
            tail.send_signal(signal.SIGINT)
            tail.wait(30)
        without = amanah(home, "send", ROOM, "said without a tail")
        for ran in (with_tail, without):
            assert ran.code == terminal.EXIT_OFFLINE, ran
            assert "what was to be sent is kept and goes out by itself. [OFFLINE]" in ran.err
        assert (followed.code, "offline: " in followed.err) == (terminal.EXIT_OFFLINE, True)
        nations.relay.start()
        assert amanah(home, "doctor").code == 0
        read = json.loads(amanah(home, "read", ROOM, "--json").out)
        assert [entry["text"] for entry in read if "text" in entry] == ["said in the dark", "said without a tail"]
    finally:
        nations.close()
