"""`amanah watch` and `duty`: what they print, for people and for programs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from amanah_client.cli import watching
from amanah_client.cli.main import main
from amanah_client.cli.terminal import DEFAULTS
from amanah_client.cli.watching import told_json, told_lines
from amanah_client.home import Home
from amanah_client.paging import pager as p
from amanah_client.paging.duty import Command, Rota
from amanah_client.paging.hooks import Failure, Trouble
from amanah_client.paging.machine import State
from amanah_client.paging.sounding import Sounding
from amanah_client.sdk import Client
from amanah_protocol.content.page import Result
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Precedence
from tests.client.paging.calls import ROOM, message
from tests.client.paging.test_settings import WHOLE
from tests.client.test_sdk import until
from tests.end_to_end.nations import Nations

ID = message(7)
SHOWN = ID.hex()[:12]
RINGING = p.Ringing(
    room=ROOM, message=ID, precedence=Precedence.FLASH, since_ms=0, step=0, again=0, whom="the desk", state=State.DESK
)
FAILURE = Failure(hook="command /usr/bin/a\x1b", trouble=Trouble.REFUSED, detail="exit code 3")
TOLD: list[tuple[p.Notification, list[str], dict[str, object]]] = [
    (
        p.Rings(ringing=RINGING),
        [f"RINGS  {SHOWN}  flash since 1970-01-01 00:00:00Z; amanah ack 72727272 {SHOWN}; room a b"],
        {"event": "rings", "precedence": "flash", "since": "1970-01-01T00:00:00.000Z", "step": 0, "whom": "the desk"},
    ),
    (
        p.Called(room=ROOM, message=ID, step=2, again=1, whom="Night", result=Result.FAILED, failures=(FAILURE,)),
        [
            f"paged  {SHOWN}  step 2, time 2, reached nobody: Night",
            f"       command /usr/bin/a<001B>: refused (exit code 3). {FAILURE.hint}",
        ],
        {
            "event": "paged", "step": 2, "again": 1, "whom": "Night", "result": "failed",
            "failures": [{"hook": "command /usr/bin/a\x1b", "trouble": "refused", "detail": "exit code 3"}],
        },
    ),
    (
        p.Ended(room=ROOM, message=ID, answered=True),
        [f"quiet  {SHOWN}  acknowledged"],
        {"event": "quiet", "answered": True},
    ),
    (
        p.Ended(room=ROOM, message=ID, answered=False),
        [f"quiet  {SHOWN}  this device cannot acknowledge in that room any more"],
        {"event": "quiet", "answered": False},
    ),
    (
        p.NobodyElse(room=ROOM, message=ID, whom="Backup team"),
        [f"ALL STEPS USED  {SHOWN}  from now on again and again: Backup team"],
        {"event": "exhausted", "whom": "Backup team"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("told", "lines", "value"), TOLD)
def test_each_event_is_a_line_for_people_and_an_object_for_programs(
    told: p.Notification, lines: list[str], value: dict[str, object]
) -> None:
    client = cast("Client", SimpleNamespace(room=lambda _: SimpleNamespace(title="a b", is_drill=False)))
    shown = [line.replace("\u2068", "").replace("\u2069", "") for line in told_lines(told, client)]
    assert shown == lines
    assert told_json(told) == {"room": ROOM.hex(), "envelope": ID.hex(), **value}


def test_that_the_room_was_not_told_is_said_with_what_to_do() -> None:
    told = p.NotRecorded(room=ROOM, problem=UsageError(Code.LABEL, "too high", hint="Choose another."))
    (line,) = told_lines(told, cast("Client", None))
    assert line.replace("\u2068", "").replace("\u2069", "") == "the room was not told: too high [LABEL] Choose another."
    assert told_json(told) == {"event": "unrecorded", "room": ROOM.hex(), "code": "LABEL"}


def test_that_a_room_of_the_rota_was_renamed_is_said_and_its_titles_stand_in_no_file_of_programs() -> None:
    told = p.Renamed(room=ROOM, before="a\nb", title="c")
    (line,) = told_lines(told, cast("Client", None))
    digits = ROOM.hex()[:8]
    said = f"RENAMED  room {digits}, in paging.toml, from a b to c; it rings as before"
    assert line.replace("\u2068", "").replace("\u2069", "") == said
    assert told_json(told) == {"event": "renamed", "room": ROOM.hex()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "paging.toml").write_text(WHOLE)
    return tmp_path


def test_duty_shows_who_is_on_duty_who_comes_and_what_would_happen(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["duty", "show", "--at", "2026-11-27T12:00", "--home", str(home)]) == 0
    shown = capsys.readouterr().out.replace("\u2068", "").replace("\u2069", "").splitlines()
    assert shown == [
        "on duty at 2026-11-27 12:00:00Z: Analyst on duty",
        "next, 2026-11-27 20:00:00Z: Night",
        "what pages: flash and above, mentions of the duty desk; rooms: Phishing wave",
        "step 0, after 0 s: the desk (rings)",
        "step 1, after 60 s: Analyst on duty (command /usr/bin/logger, webhook at pager.example.org)",
        "step 2, after 150.5 s: Night (mail to night@cert.example.tn)",
        "step 3, after 241 s: Backup team (webhook at 127.0.0.1)",
        "then every 300 s: Backup team, until somebody acknowledges",
    ]


def test_duty_as_json_says_the_same(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["duty", "show", "--at", "2026-11-27T12:00", "--json", "--home", str(home)]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert value["on_duty"] == ["Analyst on duty"]
    assert value["next"] == [{"name": "Night", "at": "2026-11-27T20:00:00.000Z"}]
    assert (value["least"], value["rooms"], value["repeat_seconds"]) == ("flash", ["Phishing wave"], 300)
    assert [(step["step"], step["whom"], step["wait_seconds"]) for step in value["steps"]] == [
        (0, "the desk", 60), (1, "Analyst on duty", 90.5), (2, "Night", 90.5), (3, "Backup team", 90.5),
    ]  # fmt: skip


def test_a_mistake_in_the_rota_ends_duty_with_its_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "paging.toml").write_text(WHOLE.replace('least = "flash"', 'least = "soon"'))
    assert main(["duty", "show", "--home", str(home)]) == 2
    assert "paging.toml: line 3, page.least" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("sound", "said"), [("'", "--sound: No closing quotation"), (" ", "--sound names no program")])
def test_a_sound_that_names_no_program_is_refused(
    sound: str, said: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["watch", "--sound", sound, "--home", str(home)]) == 2
    assert said in capsys.readouterr().err


class Rung:
    """A pager for which something rings, and how often that was looked at."""

    rota = Rota()

    def __init__(self) -> None:
        self.looked = 0

    @property
    def ringing(self) -> tuple[p.Ringing, ...]:
        self.looked += 1
        return (RINGING,)


async def test_a_page_of_the_desk_that_sounds_is_heard_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BELL_S", 0.01)
    nations, heard = Nations(tmp_path), tmp_path / "heard"
    page = Sounding(Home(nations.enrol("watching", "cert.example.tn")))
    player, rung = Command(argv=("/bin/touch", str(heard))), Rung()
    async with await Client.open(tmp_path / "watching", connect=False) as client:
        watch = watching._Watch(client, DEFAULTS, player=player, bell=False)  # noqa: SLF001 - its sound alone
        watch._pager = cast("p.Pager", rung)  # noqa: SLF001 - as above
        assert page.take()
        sounding = asyncio.create_task(watch._sound())  # noqa: SLF001 - as above
        await until(lambda: rung.looked > 3)
        assert not heard.exists()
        page.leave()
        await until(heard.exists)
        sounding.cancel()
    nations.close()
