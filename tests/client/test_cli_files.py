"""Files on the command line and through the SDK, against a real relay."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_client import Client, effects
from amanah_client.attaching import Attach, Fetch
from amanah_client.cli.main import main
from amanah_client.files import media_type
from amanah_client.said import said, said_json
from amanah_client.saying import saying
from amanah_protocol.content.file import OCTETS, File
from amanah_protocol.content.revision import Correction
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, OperationalError, RefusedError, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import EnvelopeId, RoomId
from tests.end_to_end.nations import Nations
from tests.protocol.refusal import refused

TN, MA = "cert.example.tn", "cert.example.ma"
ROOM: Final = "Files"
DATA: Final = os.urandom(300_000)
FILE: Final = File(name="a.bin", size=5_000, digest=sha256(b"a"), key=sha256(b"secret"), attachment=sha256(b"b"))


class Circle:
    """Two nations in one room."""

    def __init__(self, nations: Nations) -> None:
        self.nations = nations
        self.homes = {"a": nations.enrol("a", TN), "b": nations.enrol("b", MA)}

    def run(self, who: str, *words: str) -> int:
        return main([*words, "--home", str(self.homes[who])])

    def sdk(self, who: str, work: Callable[[Client], Any], *, connect: bool = True) -> Any:  # noqa: ANN401 - what the work gives
        """Do something with a profile's client."""

        async def play() -> Any:  # noqa: ANN401 - the same as above
            async with await Client.open(self.homes[who], connect=connect) as client:
                return await work(client)

        return asyncio.run(play())


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Circle]:
    nations = Nations(tmp_path_factory.mktemp("nations"))
    nations.relay.start()
    made = Circle(nations)
    for who in made.homes:
        assert made.run(who, "doctor") == 0
    assert made.run("a", "room", "create", ROOM, "--label", "TLP:AMBER") == 0
    assert made.run("a", "room", "invite", ROOM, MA) == 0
    yield made
    nations.close()


@pytest.fixture
def result(capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    """The JSON document on standard output."""
    capsys.readouterr()
    return lambda: json.loads(capsys.readouterr().out)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "capture.pcap"
    path.write_bytes(DATA)
    return path


def test_a_file_is_attached_listed_and_saved(
    circle: Circle, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert circle.run("b", "files", ROOM) == 0
    assert "no files" in capsys.readouterr().err
    assert circle.run("a", "attach", ROOM, str(source), "--text", "From the gateway", "--label", "green") == 0
    assert capsys.readouterr().out.startswith("done  ")
    assert circle.run("b", "files", ROOM) == 0
    shown = capsys.readouterr().out
    assert f"capture.pcap, 300,000 bytes, SHA-256 {sha256(DATA).hex()}: From the gateway" in " ".join(shown.split())
    assert "TLP:GREEN" in shown
    assert "  sent  " in shown
    identity = shown.split()[0]
    assert circle.run("b", "save", ROOM, identity, "--to", str(tmp_path / "missing")) == 4
    assert "is no folder" in capsys.readouterr().err
    assert not list((circle.homes["b"] / "files").glob("*"))  # nothing was fetched in vain
    to = tmp_path / "to"
    to.mkdir()
    assert circle.run("b", "save", ROOM, identity, "--to", str(to), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert Path(told["path"]).read_bytes() == DATA
    assert (told["size"], told["type"], told["state"]) == (300_000, "application/vnd.tcpdump.pcap", "sent")
    assert circle.run("b", "save", ROOM, identity, "--to", str(to), "--container") == 0
    assert capsys.readouterr().out == f"saved  {to / 'capture.pcap.zip'}\n"


def test_the_label_that_counts_by_now_is_shown_wherever_a_message_is(
    circle: Circle, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert circle.run("a", "attach", ROOM, str(source), "--text", "From the mirror", "--label", "green") == 0
    said = capsys.readouterr().out.split()[1]
    assert circle.run("b", "read", ROOM) == 0
    assert circle.run("b", "relabel", ROOM, said, "amber") == 0
    capsys.readouterr()
    for words in (("read", ROOM), ("search", "mirror"), ("files", ROOM), ("tail", ROOM, "--last", "2", "--count", "1")):
        assert circle.run("b", *words) == 0
        assert re.search(rf"{said}  .*  TLP:AMBER  .*mirror", capsys.readouterr().out.replace("\n       ", " "))
        assert circle.run("b", *words, "--json") == 0
        shown = json.loads(capsys.readouterr().out)
        (found,) = (one for one in ([shown] if "tail" in words else shown) if one["id"].startswith(said))
        assert (found["label"], found["sent_label"]) == ("TLP:AMBER", "TLP:GREEN")


def test_the_pap_that_counts_by_now_is_shown_wherever_a_message_is(
    circle: Circle, capsys: pytest.CaptureFixture[str]
) -> None:
    async def correct(client: Client) -> str:
        room = client.room(ROOM)
        sent = await room.send("The beacon of night", pap=Pap.AMBER)
        assert sent.envelope is not None
        await room.send(Correction(message=sent.envelope, text="The beacon of days"), pap=Pap.RED)
        return sent.envelope.hex()

    said = circle.sdk("a", correct)
    assert circle.run("b", "doctor") == 0
    capsys.readouterr()
    for words in (("read", ROOM), ("search", "night"), ("tail", ROOM, "--last", "2", "--count", "1")):
        assert circle.run("b", *words) == 0
        shown = capsys.readouterr().out.replace("\n       ", " ")
        assert re.search(rf"{said[:12]}  .*  TLP:AMBER .* \[PAP:RED\]: The beacon of night", shown), shown
        assert circle.run("b", *words, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        (found,) = (one for one in ([found] if "tail" in words else found) if one["id"] == said)
        assert (found["pap"], found["sent_pap"]) == ("PAP:RED", "PAP:AMBER")


def test_a_file_stands_in_the_list_with_the_pap_that_counts(
    circle: Circle, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    circle.sdk("a", lambda client: client.room(ROOM).attach(source, text="From the proxy", pap=Pap.RED))
    assert circle.run("b", "files", ROOM) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert re.search(r" \[PAP:RED\] capture\.pcap, .*: From the proxy", shown), shown
    assert circle.run("b", "files", ROOM, "--json") == 0
    (found,) = (one for one in json.loads(capsys.readouterr().out) if one["text"] == "From the proxy")
    assert (found["pap"], found["sent_pap"]) == ("PAP:RED", "PAP:RED")


def test_what_names_no_file_is_said_to(circle: Circle, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert circle.run("a", "attach", ROOM, str(source.with_name("missing"))) == 4
    assert "cannot be read" in capsys.readouterr().err
    assert circle.run("a", "attach", ROOM, str(source), "--label", "red") == 2
    assert circle.run("a", "save", ROOM, "ab") == 4
    assert "at least 4 digits" in capsys.readouterr().err
    assert circle.run("a", "save", ROOM, "abcdef") == 4
    assert "0 files begin" in capsys.readouterr().err


def test_the_sdk_attaches_lists_and_saves_and_tells_how_far_it_is(circle: Circle, source: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    events: list[effects.TransferChanged] = []

    async def attach(client: Client) -> EnvelopeId:
        with client.hearing() as heard:
            done = await client.room(ROOM).attach(source, tell=lambda at, of: told.append((at, of)))
            while not heard.empty():
                event = heard.get_nowait()
                if isinstance(event, effects.TransferChanged):
                    events.append(event)
        assert done.envelope is not None
        return done.envelope

    message = circle.sdk("a", attach)
    assert told[-1][0] == told[-1][1] > len(DATA)
    assert [event.upload for event in events] == [True] * len(events) != []

    async def save(client: Client) -> tuple[Path, str, str]:
        await client.online()
        room = client.room(ROOM)
        (found,) = [file for file in room.files() if file.message.id == message]
        before = found.state
        await client.do(Fetch(room=room.id, envelope=message))
        (fetched,) = [file for file in room.files() if file.message.id == message]
        return await room.save(found.message, tmp_path), before, fetched.state

    path, before, fetched = circle.sdk("b", save)
    assert path.read_bytes() == DATA
    assert (before, fetched) == ("sent", "here")


def test_what_is_not_here_to_save_is_refused_with_what_to_do(circle: Circle, source: Path, tmp_path: Path) -> None:
    async def work(client: Client) -> None:
        room = client.room(ROOM)
        await room.send("no file")
        plain = room.messages(newest=True)[-1]
        with refused(Code.NOT_FOUND, UsageError):
            await room.save(plain, tmp_path)
        long = tmp_path / ("a" * 250)
        long.write_bytes(b"x")
        with refused(Code.TOO_LARGE, UsageError):
            await room.attach(long, text="x" * 65_537)
        with refused(Code.LABEL, RefusedError):
            await room.attach(source, label=Label.RED)

    circle.sdk("a", work)


def test_offline_a_file_is_kept_and_another_program_sends_it(
    circle: Circle, source: Path, capsys: pytest.CaptureFixture[str], result: Callable[[], Any]
) -> None:
    async def keep(client: Client) -> None:
        with refused(Code.OFFLINE, OperationalError):
            await client.room(ROOM).attach(source, timeout_s=0.1)

    circle.sdk("a", keep, connect=False)
    assert circle.run("a", "outbox", "list") == 0
    assert "file to Files: capture.pcap, 300,000 bytes" in capsys.readouterr().out
    assert circle.run("a", "files", ROOM, "--offline", "--json") == 0
    before = result()
    assert circle.run("a", "tail", ROOM, "--until-idle", "2") == 0
    capsys.readouterr()
    assert circle.run("a", "files", ROOM, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)) == len(before) + 1


def test_a_fetch_that_was_asked_for_goes_on_and_is_said_in_the_outbox(
    circle: Circle, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert circle.run("a", "attach", ROOM, str(source), "--json") == 0
    identity = json.loads(capsys.readouterr().out)["id"]
    assert circle.run("b", "files", ROOM) == 0

    async def ask(client: Client) -> None:
        await client.ask(Fetch(room=client.room(ROOM).id, envelope=EnvelopeId(bytes.fromhex(identity))))

    circle.sdk("b", ask, connect=False)
    assert circle.run("b", "outbox", "list") == 0
    assert f"fetch the file of {identity[:12]}" in capsys.readouterr().out
    assert circle.run("b", "save", ROOM, identity[:12], "--to", str(tmp_path)) == 0
    assert circle.run("b", "outbox", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == []


def test_without_the_relay_a_file_is_shown_as_queued_and_can_be_dropped(
    circle: Circle, source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    circle.nations.relay.stop()
    try:
        assert circle.run("a", "attach", ROOM, str(source), "--timeout", "1", "--json") == 6
        kept = json.loads(capsys.readouterr().out)
        assert kept["state"] == "queued"
    finally:
        circle.nations.relay.start()
    # By whichever run of the program comes after it is dropped: one may end before it has cleared away.
    assert circle.run("a", "outbox", "drop", kept["intent"], "--yes") == 0
    assert circle.run("a", "room", "list") == 0
    assert not list((circle.homes["a"] / "files").glob("*.out"))


def test_an_erased_file_is_listed_as_erased(circle: Circle, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert circle.run("a", "attach", ROOM, str(source), "--json") == 0
    identity = json.loads(capsys.readouterr().out)["id"]
    assert circle.run("a", "erase", ROOM, identity[:12], "--yes") == 0
    capsys.readouterr()
    assert circle.run("b", "files", ROOM) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(identity[:12])]
    assert " erased " in line
    assert "capture" not in line
    assert circle.run("b", "save", ROOM, identity[:12]) == 4
    assert "or it was erased" in capsys.readouterr().err


def test_a_name_is_guessed_from_its_ending_alone() -> None:
    assert media_type(Path("a.PDF")) == "application/pdf"
    assert media_type(Path("a.yar")) == "text/x-yara"
    assert media_type(Path("a.pcap")) == "application/vnd.tcpdump.pcap"
    assert media_type(Path("README")) == OCTETS


def test_a_file_is_said_in_words_and_its_key_is_not() -> None:
    assert said(FILE) == f"[file a.bin, 5,000 bytes, SHA-256 {FILE.digest.hex()[:12]}]"
    sample = File(name="a", size=1, digest=FILE.digest, key=FILE.key, attachment=FILE.attachment, sample=True, text="x")
    assert said(sample) == f"[file a, 1 bytes, SHA-256 {FILE.digest.hex()[:12]}, a sample that may be harmful] x"
    assert FILE.key.hex() not in json.dumps(said_json(FILE))
    assert "key" not in said_json(FILE)
    attach = Attach(room=RoomId(bytes(16)), name="n", size=1, digest=b"d", key=b"k", attachment=b"a", label=Label.RED)
    assert "b'k'" not in repr(attach)


def test_a_file_is_not_said_but_attached() -> None:
    with refused(Code.USAGE, UsageError):
        saying(RoomId(bytes(16)), FILE, label=Label.AMBER)


def test_a_role_is_no_bar(circle: Circle, source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bots attach as officers do."""
    home = circle.nations.enrol("bot", TN, role=Role.BOT)
    circle.homes["bot"] = home
    assert circle.run("bot", "doctor") == 0
    assert circle.run("a", "room", "invite", ROOM, TN) == 0
    assert circle.run("bot", "room", "list") == 0
    capsys.readouterr()
    assert circle.run("bot", "attach", ROOM, str(source)) == 0
