"""Rooms, messages, alerts and the outbox on the command line, against a real relay."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_client import Client, Room, effects, model
from amanah_client.cli import terminal
from amanah_client.cli.alerts import Progress
from amanah_client.cli.chat import _text
from amanah_client.cli.main import main
from amanah_client.cli.rooms import explain_status
from amanah_client.gateway.intake import IntakeReport
from amanah_client.home import Home, open_profile
from amanah_protocol.cards import Armour, decode_armour
from amanah_protocol.content.text import MAX_CHARS
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.log.disclosure import decode_disclosure, verify_disclosure
from amanah_protocol.roster import decode_roster, verify_roster
from amanah_protocol.types import EnvelopeId, RoomId
from tests.end_to_end.nations import PROGRAMS, Nations, now_ms

TN, MA = "cert.example.tn", "cert.example.ma"
ROOM: Final = "Phishing wave"
pytestmark = pytest.mark.xdist_group("one circle")
EVE: Final = (
    '{"timestamp":"2026-11-20T05:42:10.4+0000","flow_id":1,"event_type":"alert","src_ip":"192.0.2.1",'
    '"alert":{"signature_id":9,"signature":"LOCAL scan","severity":2}}'
)


class Circle:
    """Two nations in one room, and what a command of theirs printed last."""

    def __init__(self, nations: Nations) -> None:
        self.nations = nations
        self.homes = {
            "a": nations.enrol("a", TN),
            "b": nations.enrol("b", MA),
            "bot": nations.enrol("bot", TN, role=Role.BOT),
        }

    def run(self, who: str, *words: str) -> int:
        return main([*words, "--home", str(self.homes[who])])

    def run_behind(self, who: str, *options: str, words: tuple[str, ...]) -> int:
        """With words behind the options."""
        return main([*options, "--home", str(self.homes[who]), *words])


@contextmanager
def in_a_room(folder: Path, room: str, *options: str, invited: tuple[str, ...]) -> Iterator[Circle]:
    """All of them have connected once, and one has opened a room and invited others."""
    nations = Nations(folder)
    nations.relay.start()
    made = Circle(nations)
    for who in made.homes:
        assert made.run(who, "doctor") == 0
    assert made.run("a", "room", "create", room, "--label", "TLP:AMBER", *options) == 0
    assert made.run("a", "room", "invite", room, *invited) == 0
    yield made
    nations.close()


@pytest.fixture(scope="module")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Circle]:
    with in_a_room(tmp_path_factory.mktemp("nations"), ROOM, "--agreement", "agreement-7", invited=(MA, TN)) as made:
        for who in ("b", "bot", "a"):
            assert made.run(who, "room", "list") == 0
        yield made


@pytest.fixture
def result(capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    """The JSON document on standard output."""
    capsys.readouterr()
    return lambda: json.loads(capsys.readouterr().out)


def test_a_room_shows_who_can_read_by_nation(circle: Circle, result: Callable[[], Any]) -> None:
    assert circle.run("b", "room", "show", ROOM, "--json") == 0
    shown = result()
    assert [(member["organisation"], member["name"], member["role"]) for member in shown["members"]] == [
        (MA, "b", "officer"),
        (TN, "a", "officer"),
        (TN, "bot", "bot"),
    ]
    assert (shown["title"], shown["ceiling"], shown["owner"], shown["status"]) == (ROOM, "TLP:AMBER", TN, "open")
    assert (shown["agreement"], shown["alarms"]) == ("agreement-7", [])


def test_a_room_and_the_list_of_rooms_are_shown_to_people(circle: Circle, capsys: pytest.CaptureFixture[str]) -> None:
    assert circle.run("a", "room", "show", ROOM) == 0
    shown = capsys.readouterr().out
    assert "who can read what is sent now: 3 devices of 2 organisations" in shown
    assert f"opened for {TN} under agreement-7" in shown
    assert "alarms: 0" in shown
    assert circle.run("a", "room", "list") == 0
    assert re.search(rf"{ROOM} +open +TLP:AMBER +3 ", capsys.readouterr().out)


def test_rooms_are_listed_for_programs(circle: Circle, result: Callable[[], Any]) -> None:
    assert circle.run("a", "room", "list", "--offline", "--json") == 0
    (listed,) = result()
    assert (listed["title"], listed["status"], listed["epoch"]) == (ROOM, "open", 2)


def test_what_one_nation_sends_the_other_reads_with_its_label(
    circle: Circle, capsys: pytest.CaptureFixture[str], result: Callable[[], Any]
) -> None:
    urgent = ("--label", "green", "--pap", "red", "--precedence", "flash")
    assert circle.run("a", "send", ROOM, "Seen at your side?", *urgent) == 0
    done = capsys.readouterr().out
    assert re.fullmatch(r"done  [0-9a-f]{12}  room sequence \d+, log index \d+\n", done)
    assert circle.run("b", "read", ROOM, "--json") == 0
    message = result()[-1]
    assert (message["text"], message["label"], message["pap"]) == ("Seen at your side?", "TLP:GREEN", "PAP:RED")
    assert message["sender"]["name"] == "a"
    assert circle.run("b", "read", ROOM, "--limit", "1") == 0
    assert capsys.readouterr().out.endswith(f"TLP:GREEN         a, {TN} [flash] [PAP:RED]: Seen at your side?\n")


@pytest.mark.parametrize("said", [b"caf\xe9\n", b"\xff", "déjà".encode()[:-1], b"x" * 64_000 + b"\xe9"])
def test_what_is_not_utf8_is_refused_whole_and_nothing_is_sent(
    circle: Circle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: bytes
) -> None:
    def stored() -> list[bytes]:
        with open_profile(Home(circle.homes["a"]), str) as profile:
            room = Client(profile).room(ROOM)
            return [*(m.id for m in room.messages(limit=10_000)), *(i.id.encode() for i in Client(profile).outbox())]

    before = stored()
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(said)))
    assert circle.run("a", "send", ROOM) == terminal.EXIT_USAGE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.search(r"byte \d+ of standard input is not UTF-8. Nothing was sent", shown.err)
    assert circle.run("a", "send", ROOM, os.fsdecode(b"caf\xe9")) == terminal.EXIT_USAGE
    assert "the text is not UTF-8" in capsys.readouterr().err
    assert stored() == before


def test_a_longest_message_is_read_whole_and_one_byte_more_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = "\N{FIRE}" * MAX_CHARS
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{longest}\n".encode())))
    assert _text(None) == longest
    for more in (f"{longest}x\n", f"{longest}\nx", "x" + "\n" * len(longest.encode()) + "and more"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(more.encode())))
        with pytest.raises(UsageError) as caught:
            _text(None)
        assert caught.value.code is Code.TOO_LARGE


def test_a_message_comes_from_standard_input_and_is_normalised(
    circle: Circle, monkeypatch: pytest.MonkeyPatch, result: Callable[[], Any]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("de\u0301ja\n".encode())))
    assert circle.run("a", "send", ROOM, "--json") == 0
    sent = result()
    assert (sent["state"], sent["code"]) == ("done", None)
    assert circle.run("b", "read", ROOM, "--after", str(sent["room_seq"] - 1), "--json") == 0
    assert [message["text"] for message in result()] == ["d\u00e9ja"]


@pytest.mark.parametrize(
    ("words", "text"), [(("--", "-v was wrong"), "-v was wrong"), (("--", "-v"), "-v"), (("- a list",), "- a list")]
)
def test_a_text_may_begin_with_a_dash(
    circle: Circle, words: tuple[str, ...], text: str, result: Callable[[], Any]
) -> None:
    assert circle.run_behind("a", "send", ROOM, "--json", words=words) == 0
    sent = result()
    assert circle.run("b", "read", ROOM, "--after", str(sent["room_seq"] - 1), "--json") == 0
    assert [message["text"] for message in result()] == [text]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("send", ROOM, "too much", "--label", "red"), terminal.EXIT_USAGE, "[LABEL]"),
        (("send", ROOM, "x", "--label", "purple"), terminal.EXIT_USAGE, "[LABEL]"),
        (("send", ROOM, "--labl", "red"), terminal.EXIT_USAGE, "amanah send --help"),
        (("send", ROOM, "-v"), terminal.EXIT_USAGE, "comes behind `--`"),
        (("alert", ROOM, "--fil"), terminal.EXIT_USAGE, "no option --fil"),
        (("send", ROOM, "--labl=red"), terminal.EXIT_USAGE, "no option --labl=red"),
        (("send", ROOM, " \n"), terminal.EXIT_USAGE, "nothing to send"),
        (("send", ROOM, "x" * 65_537), terminal.EXIT_USAGE, "[TOO_LARGE]"),
        (("send", "no such room", "x"), terminal.EXIT_NOT_FOUND, "[UNKNOWN_ROOM]"),
        (("read", "no such room"), terminal.EXIT_NOT_FOUND, "[UNKNOWN_ROOM]"),
        (("room", "show", "no such room"), terminal.EXIT_NOT_FOUND, "[UNKNOWN_ROOM]"),
        (("room", "create", " ", "--label", "red"), terminal.EXIT_USAGE, "a room has a title"),
        (("room", "create", "x" * 254, "--label", "red"), terminal.EXIT_USAGE, "[TOO_LARGE]"),
        (("room", "create", "x", "--label", "grey"), terminal.EXIT_USAGE, "[LABEL]"),
        (("room", "invite", ROOM, "not_a.name"), terminal.EXIT_USAGE, "DNS name"),
        (("room", "invite", ROOM, "ffffffff"), terminal.EXIT_NOT_FOUND, "[NOT_FOUND]"),
        (("room", "invite", ROOM, "cert.example.fr"), terminal.EXIT_NOT_FOUND, "[NOT_FOUND]"),
        (("room", "remove", ROOM, "nobody", "--yes"), terminal.EXIT_NOT_FOUND, "[NOT_FOUND]"),
        (("room", "remove", ROOM, "b"), terminal.EXIT_USAGE, "--yes"),
        (("disclose", "ffffffff", "--to", "court"), terminal.EXIT_NOT_FOUND, "[NOT_FOUND]"),
        (("disclose", "xyz", "--to", "court"), terminal.EXIT_NOT_FOUND, "[NOT_FOUND]"),
        (("outbox", "drop", "ffffffff", "--yes"), terminal.EXIT_NOT_FOUND, "[NOT_FOUND]"),
        (("outbox", "release", "ffffffff"), terminal.EXIT_NOT_FOUND, "[NOT_FOUND]"),
        (("alert", ROOM, "no-such-file"), terminal.EXIT_NOT_FOUND, "[NOT_FOUND]"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_its_exit_code_and_leaves_nothing_queued(
    circle: Circle, words: tuple[str, ...], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert circle.run("a", *words) == code
    err = capsys.readouterr().err
    assert said in err.splitlines()[-1]
    assert circle.run("a", "outbox", "list", "--json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_tail_shows_what_is_there_and_ends_when_nothing_comes(
    circle: Circle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert circle.run("a", "send", ROOM, "for the tail") == 0
    capsys.readouterr()
    assert circle.run("b", "tail", ROOM, "--json", "--until-idle", "0.5") == 0
    shown = capsys.readouterr()
    assert "for the tail" in [json.loads(line).get("text") for line in shown.out.splitlines()]
    assert shown.err == "online\n"
    assert circle.run("b", "tail", "--last", "1", "--count", "1") == 0
    assert "for the tail" in capsys.readouterr().out


def test_read_hides_what_programs_tell_each_other_unless_it_is_asked_for(
    circle: Circle, result: Callable[[], Any]
) -> None:
    assert circle.run("a", "read", ROOM, "--json", "--offline") == 0
    usual = {message["type"] for message in result()}
    assert circle.run("a", "read", ROOM, "--json", "--offline", "--all") == 0
    everything = {message["type"] for message in result()}
    assert "welcome" not in usual
    assert {"welcome", "profile", "title", *usual} <= everything


def test_whoever_types_a_message_is_told_how_to_end_it(
    circle: Circle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BytesIO(b"typed\n")))
    assert circle.run("a", "send", ROOM, "-") == 0
    assert "Ctrl-D" in capsys.readouterr().err


def test_to_invite_whoever_is_in_already_changes_nothing(circle: Circle, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert circle.run("a", "room", "invite", ROOM, MA) == 0
    shown = capsys.readouterr()
    assert shown.out == "done\n"
    assert shown.err.startswith(f"nobody new: 1 device of {MA} is in already; others have not connected yet")
    assert circle.run("a", "room", "invite", ROOM, MA, TN, "--json") == 0
    shown = capsys.readouterr()
    counts = [(done["added"], done["already_in"]) for done in map(json.loads, shown.out.splitlines())]
    assert counts == [(0, 1), (0, 2)]
    assert f"nobody new: 2 devices of {TN} are in already" in shown.err


def test_who_has_never_connected_is_known_to_nobody_until_it_has(
    circle: Circle, capsys: pytest.CaptureFixture[str]
) -> None:
    assert circle.run("a", "room", "create", "Newcomers", "--label", "green") == 0
    assert circle.run("a", "room", "invite", "Newcomers", MA) == 0
    late = circle.nations.enrol("late", MA)
    capsys.readouterr()
    assert circle.run("a", "room", "invite", "Newcomers", MA) == 0
    assert "nobody new: 1 device of" in capsys.readouterr().err
    assert main(["doctor", "--home", str(late)]) == 0
    capsys.readouterr()
    assert circle.run("a", "room", "invite", "Newcomers", MA, "--json") == 0
    shown = capsys.readouterr()
    done = json.loads(shown.out)
    assert (done["added"], done["already_in"], shown.err) == (1, 1, "")
    assert circle.run("a", "room", "invite", "Newcomers", "cert.example.fr") == terminal.EXIT_NOT_FOUND
    said = capsys.readouterr().err
    assert "cert.example.fr is not in the community's roster. Its officer" in said


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (model.RoomStatus.HALTED, "is halted"),
        (model.RoomStatus.BEHIND, "waits to be removed and added again"),
        (model.RoomStatus.LOST, "asked to be removed and added again"),
        (model.RoomStatus.JOINING, "waits for its welcome"),
        (model.RoomStatus.REMOVED, "was removed"),
        (model.RoomStatus.OPEN, None),
    ],
)
def test_why_nothing_more_comes_from_a_room_is_said(circle: Circle, status: model.RoomStatus, said: str | None) -> None:
    with open_profile(Home(circle.nations.enrol(f"member-{status}", TN)), str) as profile:
        row = model.RoomRow(room=RoomId(b"s" * 16), status=status, title="Wave")
        profile.store.commit((effects.PutRoom(row=row),))
        found = explain_status(Room(Client(profile), row.room))
        assert Room(Client(profile), row.room).status == status
    assert (found is None) if said is None else (found is not None and said in found)


def test_a_closed_room_leads_on_to_its_successor(
    circle: Circle, result: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    home = circle.nations.enrol("moved", TN)
    old = model.RoomRow(
        room=RoomId(b"o" * 16), status=model.RoomStatus.HALTED, title="Wave", successor=RoomId(b"n" * 16)
    )
    new = model.RoomRow(room=RoomId(b"n" * 16), status=model.RoomStatus.OPEN, title="Wave")
    with open_profile(Home(home), str) as profile:
        profile.store.commit((effects.PutRoom(row=old), effects.PutRoom(row=new)))
        client = Client(profile)
        assert client.room("Wave").id == new.room
        found = client.room(old.room).successor
        assert found is not None
        assert (found.id, found.successor, client.room(old.room).status) == (new.room, None, "closed")
    words = ("--offline", "--home", str(home))
    assert main(["room", "list", "--json", *words]) == 0
    listed = {room["room"]: room for room in result()}
    assert listed[old.room.hex()]["status"] == "closed"
    assert listed[old.room.hex()]["successor"] == new.room.hex()
    assert listed[new.room.hex()]["successor"] is None
    assert main(["room", "list", *words]) == 0
    assert f"closed, on in {new.room.hex()[:12]}" in " ".join(capsys.readouterr().out.split())
    assert main(["room", "show", old.room.hex(), *words]) == 0
    assert f"it goes on in room {new.room.hex()[:12]}" in " ".join(capsys.readouterr().out.split())
    main(["send", old.room.hex(), "to the old one", "--timeout", "1", "--home", str(home)])
    assert "Wave is closed" in capsys.readouterr().err
    with open_profile(Home(home), str) as profile:
        (intent,) = profile.store.intents(model.IntentState.QUEUED, model.IntentState.FAILED)
        assert intent.room == new.room or getattr(intent.action, "room", new.room) == new.room


def test_an_alarm_is_shown_where_its_room_is_and_where_somebody_follows(
    circle: Circle, capsys: pytest.CaptureFixture[str]
) -> None:
    home = circle.nations.enrol("alarmed", TN)
    with open_profile(Home(home), str) as profile:
        room = model.RoomRow(room=RoomId(b"t" * 16), status=model.RoomStatus.OPEN, title="Alarmed")
        alarm = model.Alarm(at_ms=1, code="FORK", room=room.room, detail="two records\nforged line", evidence=b"")
        profile.store.commit((effects.PutRoom(row=room), effects.PutAlarm(alarm=alarm)))
    capsys.readouterr()
    assert main(["room", "show", "Alarmed", "--offline", "--home", str(home)]) == 0
    shown = capsys.readouterr().out
    assert "alarms: 1\n  1970-01-01 00:00:00Z  FORK  two records forged line\n" in shown


def test_whoever_reads_our_output_may_stop_at_any_time(circle: Circle) -> None:
    with subprocess.Popen(
        [str(PROGRAMS / "amanah"), "read", ROOM, "--json", "--offline", "--all", "--home", str(circle.homes["a"])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


# ---- alerts


def test_alerts_are_delivered_and_everything_else_is_counted_and_named(
    circle: Circle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eve = tmp_path / "eve.json"
    eve.write_text("\n".join([EVE] * 103 + ['{"event_type":"dns"}', "", '{"event_type":"flow"}']))
    capsys.readouterr()
    assert circle.run("bot", "alert", ROOM, str(eve)) == 0
    shown = capsys.readouterr()
    assert shown.out == "103 alerts delivered in 2 envelopes\n"
    assert "106 lines: 103 alerts, 2 other events (1 dns, 1 flow)" in shown.err
    assert circle.run("b", "read", ROOM, "--json", "--limit", "3") == 0
    *batches, counts = json.loads(capsys.readouterr().out)
    assert [len(batch["alerts"]) for batch in batches] == [100, 3]
    assert {alert["original"] for batch in batches for alert in batch["alerts"]} == {EVE}
    assert counts["header"] == {"accepted": 103, "merged": 0, "dropped": 0}


def test_a_malformed_line_is_named_and_the_others_are_delivered(
    circle: Circle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = f"{EVE}\n{{not json\n{EVE}\n".encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    capsys.readouterr()
    assert circle.run("bot", "alert", ROOM, "-", "--source", "sensor 1", "--json") == terminal.EXIT_VERIFICATION
    shown = capsys.readouterr()
    counts = json.loads(shown.out)
    assert (counts["delivered"], counts["malformed"], counts["malformed_lines"][0]["line"]) == (2, 1, 2)
    assert "line 2: not an EVE event" in shown.err
    assert shown.err.splitlines()[-1].endswith("[MALFORMED]")
    assert circle.run("b", "read", ROOM, "--json", "--limit", "2") == 0
    batch, sums = json.loads(capsys.readouterr().out)
    assert (batch["source"], sums["header"]) == ("sensor 1", {"accepted": 2, "merged": 0, "dropped": 1})


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_file_without_any_event_is_refused_in_one_line_and_posts_nothing(
    circle: Circle, tmp_path: Path, result: Callable[[], Any], capsys: pytest.CaptureFixture[str], options: tuple[str]
) -> None:
    page = tmp_path / "README.md"
    page.write_text("# No events\n\n" + "words\n" * 113)
    assert circle.run("bot", "alert", ROOM, str(page), *options) == terminal.EXIT_VERIFICATION
    shown = capsys.readouterr()
    assert shown.err.count("\n") == 1
    assert f"no line of {page} is an EVE event (115 lines); nothing was posted" in shown.err
    assert [json.loads(line)["malformed"] for line in shown.out.splitlines()] == [114] * len(options)
    assert circle.run("b", "read", ROOM, "--json") == 0
    dropped = [entry["header"].get("dropped") for entry in result() if entry["kind"] == "counts"]
    assert 114 not in dropped
    page.write_text('{"event_type":"dns"}\nwords\n')
    assert circle.run("bot", "alert", ROOM, str(page)) == terminal.EXIT_VERIFICATION
    assert "1 line could not be used; the others hold no alert" in capsys.readouterr().err
    assert circle.run("b", "read", ROOM, "--json", "--limit", "1") == 0
    assert result()[-1]["header"] == {"accepted": 0, "merged": 0, "dropped": 1}


def test_that_there_was_nothing_to_post_is_said(
    circle: Circle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for nothing in (b"", b"\n \n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(nothing)))
        capsys.readouterr()
        assert circle.run("bot", "alert", ROOM) == 0
        shown = capsys.readouterr()
        assert shown.out == "0 alerts delivered in 0 envelopes\n"
        assert shown.err == "there was nothing to post: no line with anything on it\n"


def test_of_many_malformed_lines_the_first_ten_are_named_and_the_others_counted(
    circle: Circle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eve = tmp_path / "eve.json"
    eve.write_text("broken\n" * 103 + EVE)
    capsys.readouterr()
    assert circle.run("bot", "alert", ROOM, str(eve)) == terminal.EXIT_VERIFICATION
    said = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("line ") for line in said) == 10
    assert "and 93 more malformed lines; --json names the first 100" in said
    assert "103 lines could not be used" in said[-1]


def test_a_long_intake_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    report = IntakeReport(delivered=7)
    Progress(every_s=3_600).show(report)
    assert capsys.readouterr().err == ""
    Progress(every_s=0).show(report)
    assert capsys.readouterr().err == "0 lines read, 7 alerts delivered\n"


def test_of_a_long_room_the_newest_are_shown_or_those_behind_a_place(circle: Circle, result: Callable[[], Any]) -> None:
    assert circle.run("a", "send", ROOM, "one of many", "--json") == 0
    assert result()["state"] == "done"
    with open_profile(Home(circle.homes["a"]), str) as profile:
        room = Client(profile).room(ROOM)
        pattern = next(message.row for message in room.messages() if message.text)
        long = model.RoomRow(room=RoomId(b"l" * 16), status=model.RoomStatus.OPEN, title="Long")
        rows = [
            replace(pattern, room=long.room, room_seq=number, envelope=EnvelopeId(number.to_bytes(32, "big")))
            for number in range(1, 1_202)
        ]
        profile.store.commit((effects.PutRoom(row=long), *(effects.PutMessage(row=row) for row in rows)))
    asked = ("read", "Long", "--offline", "--json")
    assert circle.run("a", *asked, "--limit", "700") == 0
    assert [message["room_seq"] for message in result()] == list(range(502, 1_202))
    assert circle.run("a", *asked, "--after", "100", "--limit", "600") == 0
    assert [message["room_seq"] for message in result()] == list(range(101, 701))


# ---- evidence


def test_one_message_is_disclosed_with_its_proof_and_that_is_recorded(
    circle: Circle, tmp_path: Path, result: Callable[[], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert circle.run("a", "send", ROOM, "for the court", "--json") == 0
    sent = result()
    assert circle.run("b", "room", "list") == 0
    out = tmp_path / "evidence.txt"
    assert circle.run("b", "disclose", sent["id"][:12], "--to", "Court", "--out", str(out)) == 0
    roster = verify_roster(decode_roster(circle.nations.roster), None, now_ms=now_ms())
    disclosed = verify_disclosure(decode_disclosure(decode_armour(out.read_text(), Armour.DISCLOSURE)), roster=roster)
    assert disclosed.value.envelope.id.hex() == sent["id"]
    capsys.readouterr()
    assert circle.run("b", "disclose", sent["id"][:12], "--to", "Court", "--out", str(out)) == terminal.EXIT_USAGE
    capsys.readouterr()
    assert circle.run("a", "read", ROOM, "--json", "--limit", "2") == 0
    egress = [entry["header"] for entry in json.loads(capsys.readouterr().out) if entry["kind"] == "egress"]
    assert [(entry["envelope"], entry["recipient"]) for entry in egress] == [(sent["id"], "Court")]


# ---- removal, last: it changes who is in


def test_a_bot_that_was_removed_is_told_how_much_was_refused(
    circle: Circle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    eve = tmp_path / "eve.json"
    eve.write_text(f"{EVE}\n" * 2)
    assert circle.run("a", "room", "remove", ROOM, "bot", "--yes") == 0
    capsys.readouterr()
    assert circle.run("bot", "alert", ROOM, str(eve)) == terminal.EXIT_AUTH
    said = capsys.readouterr().err
    assert "2 alerts were refused" in said
    assert said.endswith("[NOT_MEMBER]\n")


def test_a_removed_member_is_told_and_reads_and_sends_no_more(
    circle: Circle, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert circle.run("b", "room", "list") == 0
    monkeypatch.setattr(sys, "stdin", Terminal(f"{ROOM}\n"))
    capsys.readouterr()
    assert circle.run("a", "room", "remove", ROOM, MA) == 0
    assert f"to be removed: b, {MA}" in capsys.readouterr().err
    assert circle.run("a", "send", ROOM, "without the other nation") == 0
    capsys.readouterr()
    assert circle.run("b", "read", ROOM) == 0
    shown = capsys.readouterr()
    assert "without the other nation" not in shown.out
    assert "was removed from Phishing wave" in shown.err
    assert circle.run("b", "send", ROOM, "still in?") == terminal.EXIT_AUTH
    said = capsys.readouterr().err
    assert (
        "a member removed this device. This device is not in the room; ask a member to invite it. [NOT_MEMBER]" in said
    )
    assert circle.run("b", "tail", ROOM, "--until-idle", "0.2") == 0
    assert circle.run("b", "room", "show", ROOM, "--json") == 0
    assert json.loads(capsys.readouterr().out)["members"] == []


HEX_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")


def hex_names(value: object, name: str = "") -> Iterator[str]:
    """The names under which ids stand in a document; a header has the names of the protocol."""
    match value:
        case dict():
            for key, item in value.items():
                if key != "header":
                    yield from hex_names(item, key)
        case list():
            for item in value:
                yield from hex_names(item, name)
        case str() if HEX_ID.fullmatch(value):
            yield name
        case _:
            pass


def test_an_id_has_one_name_in_every_verb_and_it_stands_in_the_page(circle: Circle, result: Callable[[], Any]) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    names = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    seen: set[str] = set()
    organisation = circle.nations.folder / TN
    verbs = (
        ("read", ROOM), ("room", "list"), ("room", "show", ROOM), ("send", ROOM, "x"), ("device", "show"),
        ("outbox", "list"), ("org", "show", "--home", str(organisation)),
    )  # fmt: skip
    for verb in verbs:
        home = () if "--home" in verb else ("--home", str(circle.homes["a"]))
        assert main([*verb, "--json", *home]) == 0
        found = set(hex_names(result()))
        assert found <= names | {"original_sha256", "evidence"}, verb
        seen |= found
    assert seen >= {"id", "envelope", "room", "device", "subject", "intent"}
