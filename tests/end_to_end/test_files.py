"""Files between two nations, on the command line, over a real relay whose connections break."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import pyzipper

from amanah_client.cli.terminal import EXIT_NOT_FOUND, EXIT_OFFLINE, EXIT_OK
from amanah_client.home import Home, open_profile
from amanah_protocol.limits import MIB
from tests.end_to_end.nations import PROGRAMS, Nations, amanah

TN, MA = "cert.example.tn", "cert.example.ma"
ROOM: Final = "Phishing wave"
LARGE: Final = 20 * MIB + 12_345
WAIT_S: Final = 60


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN, MA))
    # Slow enough that a connection can be cut in the middle: each piece is a request.
    with (made.folder / "relay" / "relay.toml").open("a") as settings:
        settings.write("[limits]\nrequests_per_second = 60\nrequests_burst = 40\n")
    made.relay.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def tunis(nations: Nations) -> Path:
    return nations.enrol("tunis", TN)


@pytest.fixture(scope="module")
def rabat(nations: Nations, tunis: Path) -> Path:
    """An officer of the other nation, in the room."""
    home = nations.enrol("rabat", MA)
    assert amanah(home, "doctor").code == EXIT_OK
    assert amanah(tunis, "room", "create", ROOM, "--label", "amber").code == EXIT_OK
    assert amanah(tunis, "room", "invite", ROOM, MA).code == EXIT_OK
    return home


def files(home: Path) -> Any:  # noqa: ANN401 - JSON of any form
    ran = amanah(home, "files", ROOM, "--json")
    assert ran.code == EXIT_OK, ran.err
    return json.loads(ran.out)


def parts(nations: Nations) -> list[Path]:
    return [path for path in (nations.folder / "relay" / "attachments").glob("*/*/*") if path.is_file()]


def wait_for(what: Any) -> None:  # noqa: ANN401 - anything that can be asked
    end = time.monotonic() + WAIT_S
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_twenty_megabytes_survive_a_cut_connection_and_a_killed_program_and_arrive_equal(
    nations: Nations, tunis: Path, rabat: Path, tmp_path: Path
) -> None:
    data = os.urandom(LARGE)
    source = tmp_path / "capture \u202egpj.pcap"
    source.write_bytes(data)
    command = [str(PROGRAMS / "amanah"), "attach", ROOM, str(source), "--text", "From the gateway", "--timeout", "60"]
    environment = {**os.environ, "AMANAH_HOME": str(tunis)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sending:
        wait_for(lambda: any(path.stat().st_size > 2 * MIB for path in parts(nations)))
        nations.relay.kill()  # in the middle, for both sides
        sending.kill()
        sending.wait()
    (half,) = parts(nations)
    assert half.suffix == ".part"
    assert 2 * MIB < half.stat().st_size < LARGE
    source.unlink()  # what was sealed goes out all the same
    nations.relay.start()
    held = half.stat().st_size
    outbox = json.loads(amanah(tunis, "outbox", "list", "--json").out)
    assert len(outbox) == 1
    assert amanah(tunis, "tail", ROOM, "--until-idle", "6").code == EXIT_OK
    (whole,) = parts(nations)
    assert whole.name == half.name.partition(".")[0]
    assert whole.stat().st_size > LARGE > held
    assert data[:4_096] not in whole.read_bytes()
    assert not list((tunis / "files").iterdir())  # the sealed copy is needed no more

    (found,) = files(rabat)
    assert found["state"] == "sent"
    assert (found["size"], found["sha256"]) == (LARGE, hashlib.sha256(data).hexdigest())
    assert found["name"] == source.name
    assert found["text"] == "From the gateway"
    assert "key" not in found
    to = tmp_path / "evidence"
    to.mkdir()
    fetching = [str(PROGRAMS / "amanah"), "save", ROOM, found["id"][:12], "--to", str(to)]
    with subprocess.Popen(fetching, env={**os.environ, "AMANAH_HOME": str(rabat)}) as saving:
        wait_for(lambda: any(path.stat().st_size > 2 * MIB for path in (rabat / "files").glob("*.part")))
        saving.kill()
        saving.wait()
    assert list(to.iterdir()) == []
    begun = next((rabat / "files").glob("*.part")).stat().st_size
    assert 0 < begun < LARGE
    ran = amanah(rabat, "save", ROOM, found["id"][:12], "--to", str(to), "--timeout", "60")
    assert ran.code == EXIT_OK, ran.err
    (saved,) = to.iterdir()
    assert saved.name == "capture gpj.pcap"
    assert saved.read_bytes() == data
    assert saved.stat().st_mode & 0o777 == 0o600
    assert not list((rabat / "files").iterdir())


def test_a_file_goes_with_its_message(nations: Nations, tunis: Path, rabat: Path, tmp_path: Path) -> None:
    """The relay has no byte of it any more, and the receiver no key."""
    before = set(parts(nations))
    source = tmp_path / "rule.yar"
    source.write_bytes(b"rule loader { condition: true }")
    sent = amanah(tunis, "attach", ROOM, str(source), "--json")
    assert sent.code == EXIT_OK, sent.err
    message = json.loads(sent.out)["id"]
    (file,) = set(parts(nations)) - before
    assert next(one for one in files(rabat) if one["id"] == message)["state"] == "sent"
    assert key_of(rabat, message)
    assert amanah(tunis, "erase", ROOM, message[:12], "--yes").code == EXIT_OK
    wait_for(lambda: not file.exists())
    gone = next(one for one in files(rabat) if one["id"] == message)
    assert (gone["state"], gone["name"], gone["sha256"]) == ("erased", None, None)
    assert not key_of(rabat, message)
    assert amanah(rabat, "save", ROOM, message[:12], "--to", str(tmp_path)).code == EXIT_NOT_FOUND


def test_a_sample_is_saved_in_a_container_alone(tunis: Path, rabat: Path, tmp_path: Path) -> None:
    data = b"MZ this would run"
    source = tmp_path / "invoice.exe"
    source.write_bytes(data)
    sent = amanah(tunis, "attach", ROOM, str(source), "--sample", "--json")
    assert sent.code == EXIT_OK, sent.err
    message = json.loads(sent.out)["id"]
    shown = amanah(rabat, "read", ROOM)
    assert "invoice.exe" in shown.out
    assert "a sample that may be harmful" in shown.out
    to = tmp_path / "samples"
    to.mkdir()
    for name in ("invoice.exe.zip", "invoice (2).exe.zip"):
        ran = amanah(rabat, "save", ROOM, message[:12], "--to", str(to))
        assert ran.code == EXIT_OK, ran.err
        assert (to / name).is_file()
    container = to / "invoice.exe.zip"
    assert data not in container.read_bytes()
    with pyzipper.AESZipFile(container) as archive:
        assert archive.namelist() == ["invoice.exe"]
        with pytest.raises(RuntimeError, match="requires a password"):
            archive.read("invoice.exe")
        archive.setpassword(b"infected")
        assert archive.read("invoice.exe") == data
    assert not any(data in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path != source)


def test_without_the_relay_a_file_is_kept_and_goes_out_by_itself(
    nations: Nations, tunis: Path, rabat: Path, tmp_path: Path
) -> None:
    source = tmp_path / "notes.txt"
    source.write_text("the host is in the list")
    nations.relay.stop()
    kept = amanah(tunis, "attach", ROOM, str(source))
    assert kept.code == EXIT_OFFLINE
    assert kept.out.startswith("queued  ")
    assert "file to" in amanah(tunis, "outbox", "list").out
    nations.relay.start()
    assert amanah(tunis, "tail", ROOM, "--until-idle", "3").code == EXIT_OK
    assert files(rabat)[-1]["name"] == "notes.txt"


def key_of(home: Path, message: str) -> bytes:
    """What a profile has stored of a message's content."""
    with open_profile(Home(home), str) as profile:
        first = bytes.fromhex(message)
        (row,) = profile.store.messages_between(first, first)  # type: ignore[arg-type]  # an id is its bytes
        return row.content + row.key
