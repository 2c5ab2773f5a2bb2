"""`amanah-relay` as an operator meets it: what is printed where, and the exit codes."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_protocol.cards import Armour, armour, decode_armour, decode_relay_card
from amanah_protocol.errors import MEANINGS, AmanahError, Code, DecodeError, OperationalError, UsageError, VerifyError
from amanah_protocol.roster import Relay
from amanah_relay import checks, terminal
from amanah_relay.addresses import dialled_addresses, port_warning
from amanah_relay.checks import run_checks
from amanah_relay.cli import main
from amanah_relay.config import load_config
from amanah_relay.keys import create_relay_keys, load_relay_keys
from bench.community import Organisation, make_roster
from scripts.ports import free_port
from tests.relay.serving import write_certificate

ORIGIN: Final = "relay.example.org/test"
ADDRESS: Final = "wss://relay.example.org:8443"
NOW_MS: Final = time.time_ns() // 1_000_000
PROGRAM: Final = [sys.executable, "-c", "from amanah_relay.cli import run; run()"]


class Operator:
    """Runs commands in one home and keeps what they printed."""

    def __init__(self, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capfd = capfd
        self.out = self.err = ""

    def run(self, *arguments: str, home: bool = True) -> int:
        """Run one command; gives its exit code."""
        code = main([*arguments, *(["--home", str(self.home)] if home else [])])
        self.out, self.err = self._capfd.readouterr()
        assert "Traceback" not in self.err
        return code

    def refused(self, *arguments: str, home: bool = True) -> tuple[int, str]:
        """A command that fails: its exit code, and the one line that it says."""
        code = self.run(*arguments, home=home)
        assert self.err.count("\n") == 1, self.err
        assert self.out == ""
        return code, self.err

    def relay(self) -> Relay:
        """What the roster is to say of this relay."""
        return load_relay_keys(self.home / "relay.keys").card((ADDRESS,))

    def roster(self, relay: Relay | None = None, *, now_ms: int = NOW_MS) -> Path:
        """A signed roster, in its file."""
        organisation = Organisation("cert.example.tn", now_ms=now_ms)
        path = self.home / "roster.txt"
        path.write_text(armour(Armour.ROSTER, make_roster([organisation], relay or self.relay(), now_ms=now_ms)))
        return path

    def made(self) -> Operator:
        """With keys, roster and store."""
        assert self.run("keys", "--origin", ORIGIN) == 0
        assert self.run("init", "--roster", str(self.roster())) == 0
        return self

    def configure(self, text: str) -> None:
        """Write the configuration."""
        (self.home / "relay.toml").write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def serving(self) -> Iterator[tuple[subprocess.Popen[str], str]]:
        """`serve` as a process of its own: the process, and the line that it printed."""
        environment = {**os.environ, "AMANAH_RELAY_LISTEN_PORT": "0"}
        command = [*PROGRAM, "serve", "--home", str(self.home)]
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert process.stderr is not None
                # Before it, the warning that the roster names another port than the free one.
                yield process, next(line for line in process.stderr if not line.startswith("amanah-relay: warning"))
            finally:
                process.kill()


@pytest.fixture
def operator(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Operator:
    return Operator(tmp_path, capfd)


# ---- keys


def test_keys_are_made_once_and_their_card_is_the_result(operator: Operator) -> None:
    assert operator.run("keys", "--origin", ORIGIN, "--address", ADDRESS, "--address", "ws://127.0.0.1:1") == 0
    card = decode_relay_card(decode_armour(operator.out, Armour.RELAY))
    assert (card.origin, card.addresses) == (ORIGIN, (ADDRESS, "ws://127.0.0.1:1"))
    assert ORIGIN in operator.err
    assert operator.run("keys", "--address", ADDRESS) == 0
    assert decode_relay_card(decode_armour(operator.out, Armour.RELAY)).key == card.key


@pytest.mark.parametrize("address", ["127.0.0.1:80", "ws://relay.example.org:80", "https://relay.example.org", ""])
def test_an_address_that_no_client_takes_is_refused_before_keys_are_made(operator: Operator, address: str) -> None:
    code, said = operator.refused("keys", "--origin", ORIGIN, "--address", ADDRESS, "--address", address)
    assert (code, "--address: " in said, repr(address) in said, "wss://host:port" in said) == (2, True, True, True)
    assert not (operator.home / "relay.keys").exists()
    assert operator.run("keys", "--origin", ORIGIN, "--address", ADDRESS) == 0


def test_a_card_can_be_written_to_a_file_that_is_never_overwritten(operator: Operator) -> None:
    card = operator.home / "relay.card"
    assert operator.run("keys", "--origin", ORIGIN, "--out", str(card)) == 0
    assert operator.out == ""
    assert decode_relay_card(decode_armour(card.read_text(), Armour.RELAY)).origin == ORIGIN
    code, said = operator.refused("keys", "--out", str(card))
    assert (code, "nothing is overwritten" in said) == (2, True)
    code, said = operator.refused("keys", "--out", str(card / "below"))
    assert (code, "Not a directory" in said) == (75, True)


def test_a_card_for_programs_names_the_tls_certificate_too(operator: Operator) -> None:
    certificate, key, _ = write_certificate(operator.home)
    operator.configure(f'[tls]\ncertificate = "{certificate.name}"\nkey = "{key.name}"\n')
    assert operator.run("keys", "--origin", ORIGIN, "--json") == 0
    card = json.loads(operator.out)
    keys = load_relay_keys(operator.home / "relay.keys")
    assert (card["key"], card["log_vkey"]) == (keys.key.public.hex(), keys.log.verifier.vkey)
    assert [len(tls_hash) for tls_hash in card["tls_hashes"]] == [64]


def test_no_secret_is_ever_printed(operator: Operator) -> None:
    operator.run("keys", "--origin", ORIGIN)
    secret = (operator.home / "relay.keys").read_text().split('relay = "')[1][:64]
    for arguments in (["keys"], ["keys", "--json"], ["check"], ["init", "--roster", str(operator.roster())]):
        operator.run(*arguments)
        assert secret[:16] not in operator.out + operator.err


def test_keys_need_a_name_for_the_log_and_keep_it(operator: Operator) -> None:
    code, said = operator.refused("keys")
    assert (code, "--origin" in said) == (2, True)
    operator.run("keys", "--origin", ORIGIN)
    code, said = operator.refused("keys", "--origin", "other.example.org/log")
    assert (code, ORIGIN in said) == (2, True)


# ---- init


def test_a_store_is_made_from_keys_and_roster(operator: Operator) -> None:
    operator.made()
    assert operator.run("verify-log", "--json") == 0
    assert json.loads(operator.out)["size"] == 1


def test_a_store_is_not_made_twice(operator: Operator) -> None:
    operator.made()
    code, said = operator.refused("init", "--roster", str(operator.roster()))
    assert (code, "store already" in said) == (2, True)


def test_a_store_needs_keys_first(operator: Operator) -> None:
    other = create_relay_keys(operator.home / "other.keys", ORIGIN).card()
    code, said = operator.refused("init", "--roster", str(operator.roster(other)))
    assert (code, "amanah-relay keys" in said) == (4, True)


def test_a_roster_that_does_not_name_these_keys_is_refused(operator: Operator) -> None:
    operator.run("keys", "--origin", ORIGIN)
    relay = operator.relay()
    other = create_relay_keys(operator.home / "other.keys", ORIGIN).card()
    elsewhere = create_relay_keys(operator.home / "elsewhere.keys", "other.example.org/log").card()
    for wrong in (other, elsewhere, replace(relay, log_vkey=other.log_vkey), replace(relay, key=other.key)):
        code, said = operator.refused("init", "--roster", str(operator.roster(wrong)))
        assert (code, "does not name" in said) == (3, True)
    assert not (operator.home / "relay.db").exists()


def test_an_expired_roster_is_refused(operator: Operator) -> None:
    operator.run("keys", "--origin", ORIGIN)
    code, said = operator.refused("init", "--roster", str(operator.roster(now_ms=NOW_MS - 400 * 86_400_000)))
    assert (code, "expired" in said) == (3, True)


def test_a_missing_roster_and_another_file_are_named(operator: Operator) -> None:
    operator.run("keys", "--origin", ORIGIN)
    code, said = operator.refused("init", "--roster", str(operator.home / "none.txt"))
    assert (code, "none.txt" in said) == (4, True)
    (operator.home / "card").write_text(armour(Armour.RELAY, b""))
    code, said = operator.refused("init", "--roster", str(operator.home / "card"))
    assert (code, "AMANAH ROSTER" in said) == (5, True)


# ---- serve


def test_serve_says_where_it_listens_and_ends_on_sigterm(operator: Operator) -> None:
    with operator.made().serving() as (process, line):
        assert line.startswith("listening on ws://127.0.0.1:")
        assert not line.endswith(":0\n")
        with socket.create_connection(("127.0.0.1", int(line.rpartition(":")[2]))) as opened:
            opened.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
            assert opened.recv(100).startswith(b"HTTP/1.1 200 ")
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""


def test_ctrl_c_ends_it_in_order_too_and_gives_130(operator: Operator) -> None:
    with operator.made().serving() as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr is not None
        assert process.stderr.read().splitlines()[-1] == "amanah-relay: interrupted"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_serving_relay_leaves_no_core_file_and_may_open_many_connections(operator: Operator) -> None:
    with operator.made().serving() as (process, _):
        limits = Path(f"/proc/{process.pid}/limits").read_text()
    found = {line[:26].strip(): line[26:].split()[:2] for line in limits.splitlines()[1:]}
    assert found["Max core file size"] == ["0", "0"]
    assert found["Max open files"][0] == found["Max open files"][1]


def test_a_port_in_use_is_one_line_with_a_hint(operator: Operator) -> None:
    operator.made()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        operator.configure(f"[listen]\nport = {other.getsockname()[1]}\n")
        code, said = operator.refused("serve")
    assert (code, "choose another port" in said, "[ADDRESS_IN_USE]" in said) == (75, True, True)


def test_a_second_start_of_a_relay_that_runs_says_so_and_names_the_process(operator: Operator) -> None:
    # The second would take another port: what keeps it out is the store alone.
    with operator.made().serving() as (process, _):
        code, said = operator.refused("serve")
    assert (code, f"this relay is running already, as process {process.pid}, on " in said) == (75, True)
    assert "another port" not in said


def test_a_copy_of_a_home_that_runs_is_not_sent_to_another_port(operator: Operator, tmp_path: Path) -> None:
    shutil.copytree(operator.made().home, copy := tmp_path / "copy")
    with operator.serving() as (_, line):
        (copy / "relay.toml").write_text(f"[listen]\nport = {line.rpartition(':')[2].strip()}\n", encoding="utf-8")
        operator.home = copy
        code, said = operator.refused("serve")
    assert (code, "this relay is running already" in said, "[ADDRESS_IN_USE]" in said) == (75, True, True)
    assert "another port" not in said


@pytest.mark.parametrize("one_port", [True, False])
def test_of_two_relays_started_at_once_on_one_home_one_serves_and_the_other_is_refused(
    operator: Operator, *, one_port: bool
) -> None:
    operator.made().configure(f"[listen]\nport = {free_port() if one_port else 0}\n")
    command = [*PROGRAM, "serve", "--home", str(operator.home)]
    with contextlib.ExitStack() as running:
        both = [running.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True)) for _ in "12"]
        for process in both:
            running.callback(process.kill)
        first: dict[int, str] = {}
        for process in both:
            assert process.stderr is not None
            lines = (line for line in process.stderr if not line.startswith("amanah-relay: warning"))
            first[process.pid] = next(lines)
        serving = [process for process in both if first[process.pid].startswith("listening on ")]
        refused = [process for process in both if "this relay is running already" in first[process.pid]]
        assert len(serving) == len(refused) == 1, first
        assert refused[0].wait(30) == 75
        assert serving[0].poll() is None


def test_a_relay_that_was_killed_leaves_its_home_free(operator: Operator) -> None:
    with operator.made().serving() as (process, _):
        process.kill()
        process.wait(30)
        assert (operator.home / "relay.db.lock").exists()
        with operator.serving() as (_, line):
            assert line.startswith("listening on ")


def test_a_host_of_another_machine_is_one_line(operator: Operator) -> None:
    write_certificate(operator.home)
    operator.made().configure('[listen]\nhost = "192.0.2.1"\n[tls]\ncertificate = "relay.crt"\nkey = "relay.key"\n')
    ended = subprocess.run(
        [*PROGRAM, "serve", "--home", str(operator.home)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n"), "192.0.2.1:8443" in ended.stderr) == (2, 1, True)


def test_a_relay_without_a_store_does_not_start(operator: Operator) -> None:
    operator.run("keys", "--origin", ORIGIN)
    code, said = operator.refused("serve")
    assert (code, "amanah-relay init" in said) == (2, True)


def test_the_store_of_another_log_is_refused(operator: Operator) -> None:
    operator.made()
    (operator.home / "relay.keys").unlink()
    create_relay_keys(operator.home / "relay.keys", "other.example.org/log")
    code, said = operator.refused("serve")
    assert (code, "other.example.org/log" in said) == (2, True)


# ---- check


def findings(operator: Operator) -> dict[str, dict[str, Any]]:
    """What `check --json` found, by name."""
    return {found["check"]: found for found in json.loads(operator.out)}


def test_a_relay_that_was_made_passes_every_check(operator: Operator) -> None:
    operator.made()
    assert operator.run("check") == 0
    assert operator.err == ""
    assert operator.out.count("ok ") == 7
    assert operator.run("check", "--json") == 0
    assert {name for name, found in findings(operator).items() if found["ok"]} == {
        *("keys", "certificate", "store", "roster", "clock", "port", "address"),
    }


def test_a_port_that_no_address_of_the_roster_has_is_a_warning_and_no_error(operator: Operator) -> None:
    operator.made().configure("[listen]\nport = 8444\n")
    assert operator.run("check") == 0
    assert operator.err.count("\n") == 1
    assert operator.err.startswith(f"amanah-relay: warning: port 8444 is listened on, and the roster names {ADDRESS} ")
    assert "warning  address" in operator.out
    assert operator.run("check", "--json") == 0
    assert "set [listen] port" in findings(operator)["address"]["warning"]
    operator.configure("")
    assert operator.run("check", "--json") == 0
    assert findings(operator)["address"]["warning"] is None


def test_serve_warns_of_a_port_that_no_address_of_the_roster_has(operator: Operator) -> None:
    operator.made()
    port = free_port()
    operator.configure(f"[listen]\nport = {port}\n")
    command = [*PROGRAM, "serve", "--home", str(operator.home)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = [process.stderr.readline(), process.stderr.readline()]
        process.kill()
    assert said[0].startswith(f"amanah-relay: warning: port {port} is listened on")
    assert said[1].startswith("listening on ")


def test_an_address_of_the_roster_that_is_none_leads_to_no_port(operator: Operator) -> None:
    relay = create_relay_keys(operator.home / "other.keys", ORIGIN).card(("127.0.0.1:80", "ws://127.0.0.1:81"))
    assert dialled_addresses(relay) == {"127.0.0.1:81"}
    assert port_warning(relay, 80) is not None
    assert port_warning(relay, 81) is None
    assert "no address" in (port_warning(replace(relay, addresses=()), 80) or "")


def test_nothing_is_there_yet_is_said_of_each_thing(operator: Operator) -> None:
    assert operator.run("check", "--json") == 4
    found = findings(operator)
    assert [name for name in found if not found[name]["ok"]] == ["keys", "store", "roster"]
    assert operator.err.count("\n") == 3


def test_checks_beside_the_running_relay_know_it_by_its_checkpoint(operator: Operator) -> None:
    with operator.made().serving() as (_, line):
        operator.configure(f"[listen]\nport = {line.rpartition(':')[2].strip()}\n")
        assert operator.run("check", "--json") == 0
        assert "this relay is running" in findings(operator)["port"]["detail"]
        (operator.home / "relay.keys").unlink()
        create_relay_keys(operator.home / "relay.keys", ORIGIN)
        operator.run("check", "--json")
        assert findings(operator)["port"]["code"] == Code.ADDRESS_IN_USE


def test_checks_beside_the_running_relay_work_over_tls(operator: Operator) -> None:
    write_certificate(operator.home)
    tls = '[tls]\ncertificate = "relay.crt"\nkey = "relay.key"\n'
    operator.configure(tls)
    with operator.made().serving() as (_, line):
        assert line.startswith("listening on wss://")
        operator.configure(f"{tls}[listen]\nport = {line.rpartition(':')[2].strip()}\n")
        assert operator.run("check", "--json") == 0
        assert "this relay is running" in findings(operator)["port"]["detail"]


def test_a_port_of_something_else_is_found(operator: Operator) -> None:
    operator.made()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        operator.configure(f"[listen]\nport = {other.getsockname()[1]}\n")
        checks.PROBE_SECONDS, before = 0.2, checks.PROBE_SECONDS  # type: ignore[misc]  # a constant but for this test
        try:
            assert operator.run("check", "--json") == 75
        finally:
            checks.PROBE_SECONDS = before  # type: ignore[misc]  # as above
    assert findings(operator)["port"]["code"] == Code.ADDRESS_IN_USE


def test_an_expired_certificate_is_found(operator: Operator) -> None:
    operator.made()
    write_certificate(operator.home, not_after=dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
    operator.configure('[tls]\ncertificate = "relay.crt"\nkey = "relay.key"\n')
    assert operator.run("check", "--json") == 2
    assert "expired" in findings(operator)["certificate"]["detail"]


def test_a_certificate_that_the_roster_does_not_know_is_found(operator: Operator) -> None:
    operator.run("keys", "--origin", ORIGIN)
    operator.run("init", "--roster", str(operator.roster(replace(operator.relay(), tls_hashes=(bytes(32),)))))
    assert operator.run("check") == 0
    write_certificate(operator.home)
    operator.configure('[tls]\ncertificate = "relay.crt"\nkey = "relay.key"\n')
    assert operator.run("check", "--json") == 3
    assert findings(operator)["roster"]["code"] == Code.LOGIN


def test_a_store_of_another_log_is_found(operator: Operator) -> None:
    operator.made()
    (operator.home / "relay.keys").unlink()
    create_relay_keys(operator.home / "relay.keys", "other.example.org/log")
    assert operator.run("check", "--json") == 2
    assert findings(operator)["store"]["code"] == Code.CONFIG


def by_name(operator: Operator, now_ms: int) -> dict[str, AmanahError | None]:
    found = run_checks(load_config(None, operator.home, {}), now_ms=now_ms)
    return {finding.name: finding.error for finding in found}


def test_an_expired_roster_is_found(operator: Operator) -> None:
    operator.made()
    error = by_name(operator, NOW_MS + 400 * 86_400_000)["roster"]
    assert error is not None
    assert error.code is Code.EXPIRED


def test_a_clock_that_was_set_back_is_found(operator: Operator) -> None:
    operator.made()
    error = by_name(operator, NOW_MS - 86_400_000)["clock"]
    assert error is not None
    assert error.code is Code.CLOCK


def test_a_disk_that_is_nearly_full_is_found(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.made()
    monkeypatch.setattr(checks, "MIN_FREE_BYTES", 2**63)
    assert operator.run("check", "--json") == 75
    assert findings(operator)["store"]["code"] == Code.DISK_FULL


def test_a_long_control_stream_is_read_to_its_end(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.made()
    monkeypatch.setattr(checks, "MAX_PAGE", 1)
    assert operator.run("check") == 0


# ---- backup, verify-log


def test_a_backup_is_a_store_of_its_own(operator: Operator) -> None:
    operator.made()
    copy = operator.home / "copy.db"
    assert operator.run("backup", str(copy), "--json") == 0
    made = json.loads(operator.out)
    assert (made["file"], made["size"]) == (str(copy), 1)
    operator.configure('[store]\nurl = "sqlite:///copy.db"\n')
    assert operator.run("verify-log", "--json") == 0
    assert json.loads(operator.out)["root"] == made["root"]


def test_a_backup_overwrites_nothing(operator: Operator) -> None:
    operator.made()
    assert operator.run("backup", str(operator.home / "copy.db")) == 0
    assert "1 leaves" in operator.err
    code, said = operator.refused("backup", str(operator.home / "copy.db"))
    assert (code, "never overwrites" in said) == (2, True)


def test_a_whole_log_is_said_to_be_whole(operator: Operator) -> None:
    operator.made()
    assert operator.run("verify-log") == 0
    assert ORIGIN in operator.out


def test_a_damaged_log_is_exit_code_5(operator: Operator) -> None:
    operator.made()
    with contextlib.closing(sqlite3.connect(operator.home / "relay.db")) as database:
        database.execute("UPDATE leaf SET accepted_at_ms = accepted_at_ms + 1")
        database.commit()
    code, said = operator.refused("verify-log")
    assert (code, "[DAMAGED]" in said, "leaf 0" in said) == (5, True, True)


# ---- usage


def test_help_shows_each_command_and_the_exit_codes(operator: Operator) -> None:
    assert operator.run("--help", home=False) == 0
    for word in ("keys", "init", "serve", "check", "backup", "verify-log", "Exit codes", "75"):
        assert word in operator.out
    assert operator.run("init", "--help", home=False) == 0
    assert "--roster" in operator.out


def test_a_misspelt_command_is_answered_with_the_nearest(operator: Operator) -> None:
    code, said = operator.refused("verify-logs", home=False)
    assert (code, 'Did you mean "verify-log"' in said) == (2, True)


@pytest.mark.parametrize("arguments", [["init"], ["backup"], ["serve", "--prot", "1"], ["keys", "--json=maybe"]])
def test_wrong_usage_is_one_line_and_exit_code_2(operator: Operator, arguments: list[str]) -> None:
    code, said = operator.refused(*arguments, home=False)
    assert (code, "--help" in said) == (2, True)


def test_a_wrong_configuration_is_one_line_that_names_the_place(operator: Operator) -> None:
    operator.configure("[listen]\nprot = 1\n")
    code, said = operator.refused("check")
    assert (code, "did you mean 'port'?" in said) == (2, True)


def test_the_configuration_can_be_named(operator: Operator) -> None:
    operator.made()
    assert operator.run("verify-log", "--config", str(operator.home / "none.toml"), home=False) == 2
    operator.configure("")
    assert operator.run("verify-log", "--config", str(operator.home / "relay.toml"), home=False) == 0


def test_ctrl_c_and_a_closed_pipe_leave_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("amanah_relay.commands.options.load_config", interrupt)
    assert main(["check"]) == 130


def test_a_reader_that_has_enough_is_no_error(operator: Operator) -> None:
    operator.made()
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [*PROGRAM, "verify-log", "--json", "--home", str(operator.home)],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError(Code.CONFIG, "x"), 2),
        (UsageError(Code.USAGE, "x"), 2),
        (VerifyError(Code.LOGIN, "x"), 3),
        (VerifyError(Code.EXPIRED, "x"), 3),
        (UsageError(Code.NOT_INITIALISED, "x"), 4),
        (UsageError(Code.NOT_FOUND, "x"), 4),
        (VerifyError(Code.SIGNATURE, "x"), 5),
        (DecodeError(Code.MALFORMED, "x"), 5),
        (OperationalError(Code.DAMAGED, "x"), 5),
        (OperationalError(Code.STORE, "x"), 75),
        (OperationalError(Code.DISK_FULL, "x"), 75),
        (OperationalError(Code.ADDRESS_IN_USE, "x"), 75),
        (OperationalError(Code.INTERNAL, "x"), 70),
    ],
)
def test_each_error_has_its_exit_code_and_says_what_to_do(
    capfd: pytest.CaptureFixture[str], error: AmanahError, code: int
) -> None:
    assert terminal.report(error) == code
    said = capfd.readouterr().err
    assert said == f"amanah-relay: x. {MEANINGS[error.code].hint} [{error.code}]\n"
