"""`amanah witness`: what an officer types, what it prints, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from amanah_client.cli import terminal
from amanah_client.cli.main import main
from amanah_client.home import Home
from amanah_client.witness import rows
from amanah_client.witness.keys import open_witness_keys
from amanah_client.witness.state import State
from amanah_client.witness.witness import Witness
from amanah_protocol.cards import Armour, armour
from amanah_protocol.errors import Code
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.note_keys import decode_vkey, verify_note
from amanah_protocol.log.policy import decode_policy
from amanah_protocol.log.witnessing import encode_request
from scripts.ports import free_port
from tests.client.witness.logs import FOREIGN, LOG, NOW_S, ORIGIN, TWIN
from tests.client.witness.serving import Site
from tests.client.witness.test_kill import ended, program
from tests.end_to_end.nations import Nations
from tests.relay.serving import write_certificate
from tests.screen import Screen

NAME = "cert.example.tn/witness"
LOG_VKEY = LOG.signer.verifier.vkey

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a verb on one home; gives exit code, results and talk."""

    def make(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["witness", *words, "--home", str(tmp_path / "w")])
        said = capsys.readouterr()
        return code, said.out, said.err

    return make


@pytest.fixture
def made(run: Run, tmp_path: Path) -> Path:
    """A witness that knows the log."""
    assert run("init", "--name", NAME)[0] == 0
    assert run("add-log", LOG_VKEY)[0] == 0
    return tmp_path / "w"


def ask(home: Path, *bodies: bytes) -> list[int]:
    """What a log hears that asks."""
    signers = open_witness_keys(Home(home))
    with closing(State(home / "witness.db", [signer.verifier for signer in signers])) as state:
        return [Witness(state, signers, lambda: NOW_S).add_checkpoint(body).status for body in bodies]


def status(run: Run, code: int = 0) -> Any:  # noqa: ANN401 - JSON of any shape
    ended_with, out, _ = run("status", "--json")
    assert ended_with == code
    return json.loads(out)


# ---- init


def test_init_prints_the_public_keys_one_a_line(run: Run) -> None:
    code, out, err = run("init", "--name", NAME)
    assert code == 0
    keys = [decode_vkey(line) for line in out.splitlines()]
    assert [(key.name, int(key.kind)) for key in keys] == [(NAME, 4), (NAME, 6)]
    assert "next: `amanah witness add-log" in err
    assert "PRIVATE" not in out + err


def test_what_init_prints_for_a_policy_is_one_witness_of_it(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("init", "--name", NAME, "--json")
    assert code == 0
    shown = json.loads(out)
    policy = decode_policy("\n".join([f"log {LOG_VKEY}", *shown["policy"], f"quorum {NAME}", ""]).encode())
    assert [party.key.vkey for party in policy.witnesses.values()] == shown["vkeys"]
    home = tmp_path / "w"
    run("add-log", LOG_VKEY)
    assert ask(home, LOG.request(0, 7)) == [200]
    (log,) = status(run)["logs"]
    assert policy.verify_note(log["checkpoint"].encode()).checkpoint == LOG.head(7)
    assert status(run)["policy"] == shown["policy"]


def test_a_classical_witness_has_one_key_and_one_line(run: Run) -> None:
    shown = json.loads(run("init", "--name", NAME, "--classical", "--json")[1])
    assert shown["policy"] == [f"witness {NAME} {shown['vkeys'][0]}"]


def test_init_writes_the_keys_to_a_file_and_overwrites_nothing(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "witness.keys"
    assert run("init", "--name", NAME, "--out", str(out))[:2] == (0, "")
    assert len(out.read_text().splitlines()) == 2
    assert run("init", "--name", NAME)[0] == terminal.EXIT_USAGE
    (tmp_path / "other").mkdir()
    assert main(["witness", "init", "--name", NAME, "--home", str(tmp_path / "other"), "--out", str(out)]) == 2
    assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize("verb", [("status",), ("add-log", LOG_VKEY), ("serve", "--listen", "127.0.0.1:0")])
def test_where_no_witness_is_the_way_to_one_is_told(run: Run, verb: tuple[str, ...]) -> None:
    code, _, err = run(*verb)
    assert code == terminal.EXIT_NOT_FOUND
    assert "there is no witness at" in err
    assert "`amanah witness init --name NAME`" in err


@pytest.mark.parametrize("verb", [("status",), ("serve", "--listen", "127.0.0.1:0")])
def test_a_witness_whose_memory_is_gone_does_not_serve(run: Run, made: Path, verb: tuple[str, ...]) -> None:
    (made / "witness.db").unlink()
    code, _, err = run(*verb)
    assert code == terminal.EXIT_NOT_FOUND
    assert "may cosign another history" in err


# ---- add-log


def test_a_log_is_added_by_its_key_and_the_origin_may_differ(run: Run, made: Path) -> None:
    code, _, err = run("add-log", FOREIGN.signer.verifier.vkey, "--origin", FOREIGN.origin)
    assert (code, err) == (0, f"{FOREIGN.origin} is witnessed from now on\n")
    assert run("add-log", LOG_VKEY)[2] == f"{ORIGIN} was witnessed with this key already\n"
    assert ask(made, FOREIGN.request(0, 7), LOG.request(0, 7)) == [200, 200]


def test_the_logs_of_a_roster_are_added(run: Run, made: Path, tmp_path: Path) -> None:
    nations = Nations(tmp_path / "nations")
    nations.close()
    roster = tmp_path / "roster.txt"
    roster.write_text(armour(Armour.ROSTER, nations.roster))
    assert run("add-log", "--roster", str(roster))[2] == "relay.example.org/log is witnessed from now on\n"
    assert [log["origin"] for log in status(run)["logs"]] == [ORIGIN, "relay.example.org/log"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), Code.USAGE, "either a verifier key or --roster FILE"),
        ((LOG_VKEY, "--roster", "x"), Code.USAGE, "either a verifier key or --roster FILE"),
        (("--roster", "x", "--origin", "y"), Code.USAGE, "a roster names the origins itself"),
        (("nonsense",), Code.BAD_TYPE, "no key of a log: the signature type of this note key is not known. A log's"),
        (("--roster", "none"), Code.NOT_FOUND, "cannot be read"),
    ],
)
def test_what_names_no_log_is_refused(run: Run, made: Path, words: tuple[str, ...], code: Code, said: str) -> None:
    exit_code, _, err = run("add-log", *words)
    assert exit_code != 0
    assert f"[{code}]" in err
    assert said in err
    assert len(status(run)["logs"]) == 1


def test_the_key_of_a_witness_is_not_the_key_of_a_log(run: Run, made: Path) -> None:
    for vkey in status(run)["vkeys"]:
        code, _, err = run("add-log", vkey)
        assert (code, "[USAGE]" in err) == (terminal.EXIT_USAGE, True)


# ---- status


def test_status_shows_what_was_cosigned_last(run: Run, made: Path) -> None:
    assert run("status")[:2] == (0, f"witness {NAME}, 1 log\n{ORIGIN}: nothing cosigned yet\n")
    ask(made, LOG.request(0, 7))
    run("add-log", FOREIGN.signer.verifier.vkey, "--origin", FOREIGN.origin)
    assert run("status")[1].splitlines() == [
        f"witness {NAME}, 2 logs",
        f"{ORIGIN}: size 7, cosigned 2026-09-21 14:13:20Z",
        f"{FOREIGN.origin}: nothing cosigned yet",
    ]
    shown = status(run)["logs"]
    assert (shown[0]["size"], shown[0]["cosigned_at"]) == (7, "2026-09-21T14:13:20.000Z")
    assert (shown[1]["size"], shown[1]["cosigned_at"], shown[1]["checkpoint"]) == (None, None, None)


def test_two_histories_cannot_be_overlooked(run: Run, made: Path) -> None:
    ask(made, LOG.request(0, 7), *[TWIN.request(7, 7)] * 3, LOG.request(7, 23))
    code, out, err = run("status")
    assert code == terminal.EXIT_VERIFICATION
    assert "  CONFLICT: another history of size 7, signed by the log; first seen" in out
    assert "3 times" in out
    assert f"two histories of one log, both signed by it: {ORIGIN}. Keep what `amanah witness status --json`" in err
    assert "[FORK]" in err


def test_the_json_of_status_proves_the_conflict_to_anybody(run: Run, made: Path) -> None:
    ask(made, LOG.request(0, 7), TWIN.request(7, 7))
    (log,) = status(run, terminal.EXIT_VERIFICATION)["logs"]
    (found,) = log["evidence"]
    assert (found["finding"], found["size"], found["times"], log["conflicts"]) == ("conflict", 7, 1, 1)
    keys = [decode_vkey(vkey) for vkey in log["keys"]]
    notes = [decode_note(found[name].encode()) for name in ("checkpoint", "cosigned")]
    assert all(verify_note(note, keys) for note in notes)
    assert len({note.text for note in notes}) == 2
    assert len({note.text.split("\n")[1] for note in notes}) == 1


def test_every_name_in_the_json_of_status_stands_in_the_page_or_needs_no_word(run: Run, made: Path) -> None:
    ask(made, LOG.request(0, 7), TWIN.request(7, 7))
    shown = status(run, terminal.EXIT_VERIFICATION)
    names = {*shown, *shown["logs"][0], *shown["logs"][0]["evidence"][0]}
    page = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", page))
    assert names - named <= {"format", "name", "logs", "keys", "size", "cosigned_at", "first_seen", "times"}


def test_what_came_without_a_proof_is_shown_and_is_no_alarm(
    run: Run, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "MAX_KEPT", 1)
    ask(made, LOG.request(0, 7), encode_request(7, (), LOG.note(8)), encode_request(7, (), LOG.note(9)))
    code, out, _ = run("status")
    assert code == 0
    assert "unproven: a checkpoint of size 8 came without a proof that holds" in out
    assert "unproven: 1 more, for which there was no room" in out
    assert status(run)["logs"][0]["unproven"] == 2


def test_on_a_terminal_a_conflict_stands_out(made: Path, screen: Callable[[], Screen]) -> None:
    ask(made, LOG.request(0, 7), TWIN.request(7, 7))
    shown = screen()
    assert main(["witness", "status", "--home", str(made)]) == terminal.EXIT_VERIFICATION
    assert "CONFLICT" in shown.getvalue()


# ---- serve


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--listen", "0.0.0.0:0"), "without TLS, 0.0.0.0:0 would be open"),
        (("--listen", "nowhere"), "'nowhere' is no address to listen on"),
        (("--listen", "127.0.0.1:0", "--tls-key", "x"), "--tls-certificate and --tls-key go together"),
        (
            ("--listen", "127.0.0.1:0", "--tls-key", "x", "--tls-certificate", "y"),
            "no certificate with its private key",
        ),
    ],
)
def test_what_cannot_be_served_is_told_before_anything_listens(
    run: Run, made: Path, words: tuple[str, ...], said: str
) -> None:
    code, _, err = run("serve", *words)
    assert code == terminal.EXIT_USAGE
    assert said in err


def test_it_serves_over_tls_and_takes_logs_while_it_does(run: Run, tmp_path: Path) -> None:
    home, port = tmp_path / "w", free_port()
    run("init", "--name", NAME)
    certificate, key, authority = write_certificate(tmp_path)
    tls = ("--tls-certificate", str(certificate), "--tls-key", str(key))
    command = program("serve", "--listen", f"127.0.0.1:{port}", *tls, "--home", str(home))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "no log is witnessed yet" in process.stderr.readline()
    assert process.stderr.readline() == f"listening on https://127.0.0.1:{port}\n"
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(trust)
    site = Site(port, [], trust)
    assert site._ask("POST", "/add-checkpoint", LOG.request(0, 7)).status == 404
    run("add-log", LOG_VKEY)
    assert site._ask("POST", "/add-checkpoint", LOG.request(0, 7)).status == 200
    assert ended(process, signal.SIGTERM) == 0


def test_it_serves_the_logs_of_a_roster_and_ends_with_ctrl_c(run: Run, tmp_path: Path) -> None:
    run("init", "--name", NAME)
    nations = Nations(tmp_path / "nations")
    nations.close()
    roster = tmp_path / "roster.txt"
    roster.write_text(armour(Armour.ROSTER, nations.roster))
    command = program("serve", "--listen", "[::1]:0", "--roster", str(roster), "--home", str(tmp_path / "w"))
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "relay.example.org/log is witnessed from now on\n"
    assert process.stderr.readline().startswith("listening on http://[::1]:")
    assert ended(process, signal.SIGINT) == terminal.EXIT_INTERRUPTED
