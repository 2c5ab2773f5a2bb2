"""What `doctor` finds, and what it says to do about it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amanah_client import Client, actions, checkup, effects, model
from amanah_client.checkup import Finding, State
from amanah_client.cli import questions, terminal
from amanah_client.cli.main import main
from amanah_client.cli.showing import standing_json
from amanah_client.home import Home, open_profile
from amanah_client.keystore import FLOOR_COST, Passphrase
from amanah_client.log_rows import ConflictRow, LogView, Quorum, WitnessedRow
from amanah_client.standing import Standing
from amanah_protocol.errors import Code
from amanah_protocol.labels import Label
from amanah_protocol.limits import MIB
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId
from tests.end_to_end.nations import Nations, amanah, now_ms

TN, MA = "cert.example.tn", "cert.example.ma"
DAY_MS = 86_400_000
pytestmark = pytest.mark.xdist_group("checkup")


@pytest.fixture
def home(nations: Nations, request: pytest.FixtureRequest) -> Path:
    return nations.enrol(re.sub(r"\W", "-", request.node.name), TN)


def doctor(home: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the checks by name."""
    capsys.readouterr()
    code = main(["doctor", "--json", "--home", str(home)])
    return code, {check["name"]: check for check in json.loads(capsys.readouterr().out)["checks"]}


def states(findings: Iterator[Finding]) -> dict[str, State]:
    return {finding.name: finding.state for finding in findings}


def test_a_sound_profile_has_nothing_to_do_but_the_missing_tls(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = doctor(home, capsys)
    assert code == terminal.EXIT_OK
    assert [name for name, check in checks.items() if check["state"] != "ok"] == ["TLS"]
    assert set(checks) == {
        *("profile", "disk", "device", "certificate", "enrolment key", "roster", "community", "chain", "TLS"),
        *("connection", "control head", "clock", "key packages", "outbox", "log", "alarms"),
    }
    assert main(["doctor", "--home", str(home)]) == terminal.EXIT_OK
    shown = capsys.readouterr().out
    assert "ok    connection" in shown
    assert "warn  TLS" in shown
    assert "-> a relay in earnest has TLS" in shown


def test_without_the_relay_everything_else_is_checked_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nations = Nations(tmp_path)
    try:
        code, checks = doctor(nations.enrol("a", TN), capsys)
    finally:
        nations.close()
    assert code == terminal.EXIT_OFFLINE
    assert (checks["connection"]["state"], checks["connection"]["code"]) == ("fail", "OFFLINE")
    assert (checks["chain"]["state"], checks["log"]["state"], checks["key packages"]["state"]) == ("ok", "warn", "warn")
    assert checks["control head"]["code"] == "STALE_HEAD"
    assert "clock" not in checks


def test_where_there_is_no_profile_the_one_finding_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, checks = doctor(tmp_path, capsys)
    assert code == terminal.EXIT_NOT_FOUND
    assert list(checks) == ["profile"]
    assert "amanah device request" in checks["profile"]["hint"]


def test_a_profile_without_a_certificate_is_told_what_is_missing(
    nations: Nations, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["device", "request", TN, "--key-file", "--home", str(tmp_path / "new")]) == 0
    code, checks = doctor(tmp_path / "new", capsys)
    assert code == terminal.EXIT_NOT_FOUND
    assert checks["identity"]["code"] == "NO_PROFILE"


def test_a_folder_that_others_can_enter_is_a_warning(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.chmod(0o755)
    code, checks = doctor(home, capsys)
    assert code == terminal.EXIT_OK
    assert (checks["profile"]["state"], checks["profile"]["hint"]) == ("warn", f"chmod 700 {home}")


@pytest.mark.parametrize(
    ("free", "state", "code"),
    [(MIB, State.FAIL, Code.DISK_FULL), (100 * MIB, State.WARN, None), (1_000 * MIB, State.OK, None)],
)
def test_a_disk_is_judged_by_what_is_free(free: int, state: State, code: Code | None) -> None:
    found = checkup.check_disk(free)
    assert (found.state, found.code) == (state, code)


@pytest.mark.parametrize(
    ("days", "wrong"), [(0, set()), (80, {"certificate"}), (340, {"certificate", "enrolment key"})]
)
def test_what_will_expire_is_said_before_it_has(home: Path, days: int, wrong: set[str]) -> None:
    with open_profile(Home(home), str) as profile:
        found = states(checkup.check_identity(profile, now_ms() + days * DAY_MS))
    assert {name for name, state in found.items() if state is not State.OK} - {"TLS", "roster"} == wrong
    assert found["certificate"] is (State.OK if days == 0 else State.WARN if days == 80 else State.FAIL)


def test_the_way_to_a_relay_is_judged_by_its_address(nations: Nations) -> None:
    relay = decode_roster(nations.roster).relays[0]

    def found(address: str, *hashes: bytes) -> tuple[State, str]:
        (finding,) = checkup.check_addresses(replace(relay, addresses=(address,), tls_hashes=hashes))
        return finding.state, finding.detail

    assert found("wss://relay.example.org:8443", bytes(32)) == (
        State.OK,
        "1.3 to relay.example.org:8443, its certificate is pinned by the roster",
    )
    assert found("wss://relay.example.org:8443")[0] is State.OK
    assert found("ws://127.0.0.1:1")[0] is State.WARN
    assert found("ws://relay.example.org:1")[0] is State.FAIL
    assert found("127.0.0.1:80")[1].startswith(f"the roster's address of relay {relay.origin}: '127.0.0.1:80' is not")


@pytest.fixture
def seen(home: Path) -> Path:
    """A profile that was connected once."""
    assert main(["doctor", "--home", str(home)]) == terminal.EXIT_OK
    return home


@pytest.mark.parametrize(
    ("ahead_ms", "online", "wrong"),
    [
        (0, True, {}),
        (25 * 3_600_000, False, {"control head": State.FAIL}),
        (25 * 3_600_000, True, {"control head": State.FAIL, "clock": State.FAIL}),
        (15 * 60_000, True, {"clock": State.FAIL}),
        (-5 * 60_000, True, {"clock": State.WARN}),
        (-15 * 60_000, True, {"clock": State.FAIL}),
    ],
)
async def test_head_and_clock_are_judged_by_the_relays_last_word(
    seen: Path, ahead_ms: int, *, online: bool, wrong: dict[str, State]
) -> None:
    async with await Client.open(seen, connect=False) as client:
        found = states(checkup.check_head(client, now_ms() + ahead_ms, online=online))
    assert {name: state for name, state in found.items() if state is not State.OK} == wrong


async def test_alarms_halted_rooms_and_what_waits_are_named(seen: Path) -> None:
    room = model.RoomRow(room=RoomId(b"r" * 16), status=model.RoomStatus.HALTED, title="Wave")
    alarm = model.Alarm(at_ms=1, code="FORK", room=None, detail="two records", evidence=b"")
    async with await Client.open(seen, connect=False) as client:
        assert set(states(checkup.check_state(client)).values()) == {State.OK}
        intent = await client.ask(actions.CreateRoom(title="Later", ceiling=Label.RED))
        client.profile.store.commit((effects.PutRoom(row=room), effects.PutAlarm(alarm=alarm)))
        waiting = states(checkup.check_state(client))
        held = replace(intent, state=model.IntentState.HELD, code="STALE_EPOCH", detail="joined: x")
        client.profile.store.commit((effects.PutIntent(intent=held),))
        (outbox,) = (finding for finding in checkup.check_state(client) if finding.name == "outbox")
    assert {name: state for name, state in waiting.items() if state is not State.OK} == {
        "outbox": State.WARN,
        "room Wave": State.FAIL,
        "log": State.FAIL,
        "alarms": State.WARN,
    }
    assert "1 of them held" in outbox.detail


@pytest.mark.parametrize("status", [model.RoomStatus.BEHIND, model.RoomStatus.LOST])
async def test_a_room_that_waits_to_be_joined_again_is_a_warning(seen: Path, status: model.RoomStatus) -> None:
    room = model.RoomRow(room=RoomId(b"r" * 16), status=status, title="Wave")
    async with await Client.open(seen, connect=False) as client:
        client.profile.store.commit((effects.PutRoom(row=room),))
        found = states(checkup.check_state(client))
    assert {name: state for name, state in found.items() if state is not State.OK} == {"room Wave": State.WARN}


@pytest.mark.parametrize(("code", "said"), [("PROOF", "or is owed"), ("FORK", "Two records were shown")])
async def test_a_proof_that_may_be_owed_alone_is_not_called_an_altered_record(seen: Path, code: str, said: str) -> None:
    alarm = model.Alarm(at_ms=1, code=code, room=None, detail="the relay owes the proof", evidence=b"")
    async with await Client.open(seen, connect=False) as client:
        client.profile.store.commit((effects.PutAlarm(alarm=alarm),))
        (found,) = (one for one in checkup.check_state(client) if one.name == "log")
    assert (found.state, found.code) == (State.FAIL, code)
    assert said in found.hint


def test_what_cannot_be_read_is_counted_by_room_and_cause(seen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    room = model.RoomRow(room=RoomId(b"r" * 16), status=model.RoomStatus.OPEN, title="Wave")
    with open_profile(Home(seen), str) as profile:
        rows = [unread(room.room, number, cause) for number, cause in enumerate([*model.Cause, model.Cause.CORRUPTED])]
        profile.store.commit((effects.PutRoom(row=room), *(effects.PutMessage(row=row) for row in rows)))
    counted = {str(cause): 1 for cause in model.Cause} | {"corrupted": 2}
    capsys.readouterr()
    assert main(["doctor", "--json", "--home", str(seen)]) == terminal.EXIT_OK
    told = json.loads(capsys.readouterr().out)
    assert told["unreadable"] == [{"room": room.room.hex(), "causes": counted}]
    (said,) = (check["detail"] for check in told["checks"] if check["name"] == "room Wave")
    assert said.startswith(f"{len(rows)} cannot be read: 2 corrupted")
    assert main(["room", "show", "Wave", "--offline", "--json", "--home", str(seen)]) == terminal.EXIT_OK
    assert json.loads(capsys.readouterr().out)["unreadable"] == counted
    assert main(["room", "show", "Wave", "--offline", "--home", str(seen)]) == terminal.EXIT_OK
    assert "cannot be read: 2 (corrupted). What was delivered is missing" in capsys.readouterr().out


def test_witnesses_and_evidence_against_the_log_are_said(seen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_profile(Home(seen), str) as profile:
        rows = [ConflictRow(key=b"%32d" % number, at_ms=number, evidence=b"evidence") for number in (1, 2)]
        profile.store.commit(tuple(effects.PutConflict(row=row) for row in rows))
        room = model.RoomRow(room=RoomId(b"r" * 16), status=model.RoomStatus.OPEN, title="Wave")
        profile.store.commit((effects.PutRoom(row=room),))
    code, checks = doctor(seen, capsys)
    assert (code, checks["evidence"]["code"]) == (terminal.EXIT_VERIFICATION, "FORK")
    assert "amanah audit evidence FILE" in checks["evidence"]["hint"]
    assert main(["room", "show", "Wave", "--offline", "--home", str(seen)]) == terminal.EXIT_OK
    shown = " ".join(capsys.readouterr().out.split())
    assert "the roster asks for no witnesses" in shown
    assert "2 contradictions of the log kept as evidence: `amanah audit evidence FILE`" in shown
    assert main(["room", "show", "Wave", "--offline", "--json", "--home", str(seen)]) == terminal.EXIT_OK
    assert json.loads(capsys.readouterr().out)["log"]["conflicts"] == 2


@pytest.mark.parametrize("state", Quorum)
def test_a_quorum_that_is_missed_is_a_warning_and_no_failure(state: Quorum) -> None:
    row = WitnessedRow(
        size=3, root=bytes(32), note=b"", cosignatures=(("one", 1),), witnesses=4, state=state, since_ms=0
    )
    log = LogView(size=3, root=bytes(32), checkpoint=b"", seen_at_ms=0)
    (found,) = checkup.check_standing(Standing(log=log, witnessed=row, quorum=3, conflicts=0))
    assert found.state is (State.OK if state is Quorum.SEEN else State.WARN)
    assert "cosigned by 1 of 4 witnesses at 1970-01-01 00:00:01Z" in found.detail
    said = standing_json(Standing(log=log, witnessed=row, quorum=3, conflicts=0))
    assert (said["cosigned"], said["state"], said["quorum"]) == (3, str(state), 3)


def unread(room: RoomId, number: int, cause: model.Cause) -> model.MessageRow:
    return model.MessageRow(
        room=room,
        envelope=EnvelopeId(bytes([number]) * 32),
        room_seq=number + 1,
        index=number,
        accepted_at_ms=1,
        previous=None,
        encoded=b"",
        sender=DeviceId(bytes(32)),
        organisation=OrgName("cert.example.tn"),
        kind=4,
        label=Label.AMBER,
        label_differs=False,
        sent_at_ms=1,
        written_at_ms=None,
        state=model.MessageState.UNREADABLE,
        cause=cause,
        code="OPEN",
    )


@pytest.mark.parametrize("mistyped", [0, 1])
def test_a_passphrase_is_asked_for_once_more_only_where_it_was_wrong(
    seen: Path, mistyped: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = "six words that are the right ones"
    with open_profile(Home(seen), str) as profile:
        profile.keystore.change_unlock(Passphrase(text=right, cost=FLOOR_COST))
    answers = [*(mistyped * ["wrong"]), right, "contradicts the first answer"]
    monkeypatch.setattr(questions, "ask_passphrase", lambda: answers.pop(0))
    code, checks = doctor(seen, capsys)
    assert (code, checks["profile"]["state"], checks["connection"]["state"]) == (terminal.EXIT_OK, "ok", "ok")
    assert answers == ["contradicts the first answer"]


def test_a_title_cannot_write_a_finding_of_its_own(seen: Path, capsys: pytest.CaptureFixture[str]) -> None:
    room = model.RoomRow(room=RoomId(b"r" * 16), status=model.RoomStatus.HALTED, title="Wave\nok    forged\x1b")
    with open_profile(Home(seen), str) as profile:
        profile.store.commit((effects.PutRoom(row=room),))
    capsys.readouterr()
    assert main(["doctor", "--home", str(seen)]) == terminal.EXIT_VERIFICATION
    shown = capsys.readouterr().out
    assert "fail  room Wave ok    forged<001B>  halted" in shown
    assert "\nok    forged" not in shown


async def test_a_program_that_holds_the_connection_is_no_fault(seen: Path) -> None:
    async with await Client.open(seen) as client:
        await client.online()
        ran = await asyncio.to_thread(amanah, seen, "doctor", "--json")
    checks = {check["name"]: check for check in json.loads(ran.out)["checks"]}
    assert ran.code == terminal.EXIT_OK
    assert "another program" in checks["connection"]["detail"]
