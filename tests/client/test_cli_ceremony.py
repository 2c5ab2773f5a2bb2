"""Who is who, by hand: organisations, a roster, devices - on files alone, without any relay."""

from __future__ import annotations

import io
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from amanah_client.cli import terminal
from amanah_client.cli.main import main
from amanah_protocol.cards import Armour, armour, decode_armour, encode_relay_card
from amanah_protocol.crypto import SigningKey
from amanah_protocol.log.mldsa import mldsa44_public
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier, SignatureType
from amanah_protocol.roster import decode_roster
from amanah_relay.keys import create_relay_keys

NATIONS = ("tn", "ma", "fr")

GOOD = "correct horse battery staple seven dice"

Run = Callable[..., int]


@pytest.fixture
def community(run: Run, tmp_path: Path) -> Run:
    """Three organisations, a relay's card, and a roster that two of them have signed."""
    for nation in NATIONS:
        assert run(nation, "org", "init", f"cert.example.{nation}", "--key-file") == 0
        assert run(nation, "org", "card", "--out", f"{nation}.card") == 0
    card = create_relay_keys(tmp_path / "relay.keys", "relay.example.org/log").card(("wss://relay.example.org:8443",))
    (tmp_path / "relay.card").write_text(armour(Armour.RELAY, encode_relay_card(card)))
    cards = [f"{nation}.card" for nation in NATIONS]
    community = ("--community", "Example circle", "--relay", "relay.card", "--threshold", "2")
    assert main(["roster", "new", *cards, *community, "--out", "roster.txt"]) == 0
    for nation in NATIONS[:2]:
        assert run(nation, "roster", "sign", "roster.txt") == 0
    return run


def test_three_organisations_make_a_roster_and_enrol_a_device(
    community: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["roster", "show", "roster.txt", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["signed_by"] == ["cert.example.ma", "cert.example.tn"]
    assert [item["name"] for item in shown["organisations"]] == [f"cert.example.{n}" for n in ("fr", "ma", "tn")]

    assert community("a", "device", "request", "cert.example.tn", "--key-file", "--out", "a.request") == 0
    certify = ("org", "certify", "a.request", "--name", "Officer A (Tunis desk)", "--roster", "roster.txt")
    assert community("tn", *certify, "--out", "a.reply") == 0
    capsys.readouterr()
    assert community("a", "device", "install", "a.reply") == 0
    said = capsys.readouterr().err
    assert "enrolled: officer of cert.example.tn" in said
    words = next(line for line in said.splitlines() if "roster in words" in line).split(":")[1].split()
    assert len(words) == 8

    assert community("a", "device", "show", "--json") == 0
    device = json.loads(capsys.readouterr().out)
    assert (device["organisation"], device["role"], device["ceiling"]) == ("cert.example.tn", "officer", "TLP:RED")
    assert community("a", "device", "show") == 0
    assert device["device"] in capsys.readouterr().out
    assert community("a", "roster", "show") == 0
    assert "signed by 2, needed 2 of 3" in capsys.readouterr().out

    assert community("tn", "org", "show", "--json") == 0
    (issued,) = json.loads(capsys.readouterr().out)
    assert (issued["device"], issued["name"]) == (device["device"], "Officer A (Tunis desk)")
    assert community("tn", "org", "revoke", "Officer A (Tunis desk)", "--reason", "lost", "--out", "gone") == 0
    decode_armour((tmp_path / "gone").read_text(), Armour.REVOCATION)
    capsys.readouterr()
    assert community("tn", "org", "show") == 0
    assert "revoked" in capsys.readouterr().out


def test_a_second_device_of_an_officer_has_the_same_pseudonym(
    community: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    pseudonym = "0123456789abcdef" * 2
    asked = ("device", "request", "cert.example.tn", "--key-file", "--subject")
    assert community("a2", *asked, pseudonym, "--out", "a2.request") == 0
    certify = ("org", "certify", "a2.request", "--name", "Officer A", "--roster", "roster.txt", "--out", "a2.reply")
    assert community("tn", *certify) == 0
    assert community("a2", "device", "install", "a2.reply") == 0
    capsys.readouterr()
    assert community("a2", "device", "show", "--json") == 0
    assert json.loads(capsys.readouterr().out)["subject"] == pseudonym
    for wrong in ("xyz", "0123"):
        assert community("a3", *asked, wrong) == terminal.EXIT_USAGE


def test_a_roster_without_enough_signatures_certifies_nobody(
    community: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    cards = [f"{nation}.card" for nation in NATIONS]
    options = ("--community", "c", "--relay", "relay.card", "--threshold", "2", "--out", "weak.txt")
    assert main(["roster", "new", *cards, *options]) == 0
    assert community("tn", "roster", "sign", "weak.txt") == 0
    assert community("a", "device", "request", "cert.example.tn", "--key-file", "--out", "a.request") == 0
    capsys.readouterr()
    certify = ("org", "certify", "a.request", "--name", "A", "--roster", "weak.txt", "--out", "a.reply")
    assert community("tn", *certify) == terminal.EXIT_VERIFICATION
    assert "[THRESHOLD]" in capsys.readouterr().err
    assert not Path("a.reply").exists()


WITNESS_FILES = tuple(f"witness{number}.txt" for number in range(1, 5))
WITH_WITNESSES = ("--community", "c", "--relay", "relay.card", "--threshold", "2", "--out", "witnessed.txt")


def witness_files() -> list[str]:
    """Four witnesses hand out their keys, the first one of each type; the options that name their files."""
    for number, path in enumerate(WITNESS_FILES):
        key = SigningKey(bytes([number + 1]) * 32)
        keys = [NoteSigner(name=f"w{number}.example", key=key, kind=SignatureType.COSIGNATURE).verifier]
        Path(path).write_text("".join(f"{key.vkey}\n" for key in keys))
    pq = NoteVerifier(name="w0.example", public=mldsa44_public(bytes(32)), kind=SignatureType.ML_DSA_44)
    Path(WITNESS_FILES[0]).write_text(f"{pq.vkey}\n{Path(WITNESS_FILES[0]).read_text()}")
    return [word for path in WITNESS_FILES for word in ("--witness", path)]


@pytest.mark.parametrize(
    ("quorum", "found", "warned"), [((), 3, False), (("--quorum", "3"), 3, False), (("--quorum", "2"), 2, True)]
)
def test_a_roster_names_witnesses_and_a_quorum_that_is_too_small_is_warned_of(
    community: Run,
    capsys: pytest.CaptureFixture[str],
    quorum: tuple[str, ...],
    found: int,
    warned: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    cards = [f"{nation}.card" for nation in NATIONS]
    capsys.readouterr()
    assert main(["roster", "new", *cards, *WITH_WITNESSES, *witness_files(), *quorum]) == 0
    assert ("warning: with 4 witnesses a quorum below 3" in capsys.readouterr().err) is warned
    made = decode_roster(decode_armour(Path("witnessed.txt").read_text(), Armour.ROSTER))
    assert (made.quorum, [len(witness.keys) for witness in made.witnesses]) == (found, [2, 1, 1, 1])
    assert main(["roster", "show", "witnessed.txt", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["quorum"], [witness["name"] for witness in shown["witnesses"]]) == (
        found, ["w0.example", "w1.example", "w2.example", "w3.example"],
    )  # fmt: skip
    assert main(["roster", "show", "witnessed.txt"]) == 0
    out = capsys.readouterr().out
    assert "witness w3.example" in out
    assert f"of the witnesses, {found} must cosign" in out


@pytest.mark.parametrize("quorum", ["5", "-1"])
def test_a_quorum_that_no_witnesses_can_reach_is_named_and_no_roster_is_made(
    community: Run, capsys: pytest.CaptureFixture[str], quorum: str
) -> None:
    cards = [f"{nation}.card" for nation in NATIONS]
    new = ["roster", "new", *cards, *WITH_WITNESSES, *witness_files(), "--quorum", quorum]
    assert main(new) == terminal.EXIT_USAGE
    assert f"--quorum {quorum}: 4 witnesses were given" in capsys.readouterr().err
    assert not Path("witnessed.txt").exists()


def test_a_newer_roster_follows_the_one_that_is_trusted_and_an_older_one_does_not(
    community: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert community("a", "device", "request", "cert.example.tn", "--key-file", "--out", "a.request") == 0
    certify = ("org", "certify", "a.request", "--name", "A", "--roster", "roster.txt", "--out", "a.reply")
    assert community("tn", *certify) == 0
    assert community("a", "device", "install", "a.reply") == 0
    cards = [f"{nation}.card" for nation in NATIONS]
    options = ("--community", "Example circle", "--relay", "relay.card", "--threshold", "3")
    assert main(["roster", "new", *cards, *options, "--previous", "roster.txt", "--out", "next.txt"]) == 0
    for nation in NATIONS:
        assert community(nation, "roster", "sign", "next.txt", "--out", f"next.{nation}") == 0
    # Signed one after the other, not side by side: each signature is added to the file before.
    for nation in NATIONS:
        assert community(nation, "roster", "sign", "next.txt") == 0
    assert community("a", "roster", "install", "next.txt") == 0
    assert decode_roster(decode_armour(Path("next.txt").read_text(), Armour.ROSTER)).version == 2
    capsys.readouterr()
    assert community("a", "roster", "install", "roster.txt") == terminal.EXIT_VERIFICATION
    assert "[ROLLBACK]" in capsys.readouterr().err


def test_a_reply_for_another_device_is_not_installed(community: Run, capsys: pytest.CaptureFixture[str]) -> None:
    for who in ("a", "b"):
        assert community(who, "device", "request", "cert.example.tn", "--key-file", "--out", f"{who}.request") == 0
    certify = ("org", "certify", "a.request", "--name", "A", "--roster", "roster.txt", "--out", "a.reply")
    assert community("tn", *certify) == 0
    capsys.readouterr()
    assert community("b", "device", "install", "a.reply") == terminal.EXIT_USAGE
    assert "another device" in capsys.readouterr().err
    assert community("b", "device", "show") == terminal.EXIT_NOT_FOUND


def test_an_organisation_is_not_made_twice_and_a_device_not_requested_twice(
    community: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert community("tn", "org", "init", "cert.example.tn", "--key-file") == terminal.EXIT_USAGE
    assert community("a", "device", "request", "cert.example.tn", "--key-file") == 0
    assert community("a", "device", "request", "cert.example.tn", "--key-file") == terminal.EXIT_USAGE
    assert "already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("org", "init", "not a name", "--key-file"), terminal.EXIT_USAGE),
        (("org", "card"), terminal.EXIT_NOT_FOUND),
        (("roster", "show"), terminal.EXIT_NOT_FOUND),
        (("device", "install", "missing.reply"), terminal.EXIT_NOT_FOUND),
        (("org", "init", "cert.example.tn"), terminal.EXIT_AUTH),
    ],
)
def test_a_ceremony_that_cannot_be_done_says_so_and_makes_nothing(
    run: Run, tmp_path: Path, words: tuple[str, ...], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("new", *words) == code
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "new" / "keystore").exists()


def test_a_profile_without_device_or_organisation_says_what_it_is_not(
    community: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert community("tn", "roster", "show") == terminal.EXIT_NOT_FOUND
    assert community("tn", "device", "show") == terminal.EXIT_NOT_FOUND
    assert community("a", "device", "request", "cert.example.tn", "--key-file", "--out", "a.request") == 0
    assert community("a", "org", "card") == terminal.EXIT_NOT_FOUND
    assert capsys.readouterr().err.count("[NO_PROFILE]") == 3


def test_a_passphrase_protects_a_profile_and_a_wrong_one_opens_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    answers = iter([GOOD, GOOD, *(3 * ["wrong words"]), "wrong words", GOOD])
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda _: next(answers))
    assert run("tn", "org", "init", "cert.example.tn") == 0
    assert stat.S_IMODE((tmp_path / "tn").stat().st_mode) == 0o700
    before = (tmp_path / "tn" / "keystore").read_bytes()
    capsys.readouterr()
    assert run("tn", "org", "card") == terminal.EXIT_AUTH
    said = capsys.readouterr().err
    assert said.count("the passphrase does not open the keystore; try again\n") == 2
    assert said.endswith("[PASSPHRASE]\n")
    assert (tmp_path / "tn" / "keystore").read_bytes() == before
    assert run("tn", "org", "card") == 0
    assert "BEGIN AMANAH ORGANISATION CARD" in capsys.readouterr().out


def test_a_name_that_another_person_has_is_refused_until_it_is_meant(
    community: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    for who in ("a", "b"):
        assert community(who, "device", "request", "cert.example.tn", "--key-file", "--out", f"{who}.request") == 0
    named = ("--roster", "roster.txt", "--name")
    assert community("tn", "org", "certify", "a.request", *named, "Officer A", "--out", "a.reply") == 0
    capsys.readouterr()
    again = ("org", "certify", "b.request", *named, "officer  a", "--out", "b.reply")
    assert community("tn", *again) == terminal.EXIT_USAGE
    refused = capsys.readouterr().err
    assert "'officer  a' is taken" in refused
    assert "--same-name" in refused
    assert not Path("b.reply").exists()
    assert community("tn", *again, "--same-name") == 0
    assert community("tn", "org", "show", "--json") == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["subject"] != second["subject"]
    assert community("tn", "org", "show") == 0
    shown = capsys.readouterr().out
    assert first["subject"][:8] in shown
    assert second["subject"][:8] in shown


def test_a_second_device_of_one_person_and_one_whose_device_is_revoked_keep_the_name(
    community: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ("device", "request", "cert.example.tn", "--key-file", "--out")
    named = ("--roster", "roster.txt", "--name", "Officer A", "--out")
    assert community("a", *ask, "a.request") == 0
    assert community("tn", "org", "certify", "a.request", *named, "a.reply") == 0
    assert community("a", "device", "install", "a.reply") == 0
    capsys.readouterr()
    assert community("a", "device", "show", "--json") == 0
    subject = json.loads(capsys.readouterr().out)["subject"]
    assert community("a2", *ask, "a2.request", "--subject", subject) == 0
    assert community("tn", "org", "certify", "a2.request", *named, "a2.reply") == 0
    assert community("tn", "org", "show", "--json") == 0
    devices = [item["device"] for item in json.loads(capsys.readouterr().out)]
    for device in devices:
        assert community("tn", "org", "revoke", device, "--out", f"{device}.revocation") == 0
    assert community("a3", *ask, "a3.request") == 0
    assert community("tn", "org", "certify", "a3.request", *named, "a3.reply") == 0


def test_a_home_that_is_a_file_is_named(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    for words in (["org", "init", "cert.example.tn", "--key-file"], ["room", "list"], ["device", "show"]):
        assert run("file", *words) == terminal.EXIT_USAGE
        said = capsys.readouterr().err
        assert f"{tmp_path / 'file'} is no folder. Name a folder by --home. [CONFIG]" in said
        assert said.count("\n") == 1


def test_a_home_that_cannot_be_written_is_named(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("tn", "org", "init", "cert.example.tn", "--key-file") == 0
    capsys.readouterr()
    monkeypatch.setattr(os, "access", lambda *_: False)  # as the system says of a folder that is mounted read-only
    assert run("tn", "org", "show") == terminal.EXIT_TRY_LATER
    said = capsys.readouterr().err
    assert "cannot be written. Mend its rights" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("code", "enrolled", "compare"),
    [("fr", "enrôlé\u00a0: officer de cert.example.tn", "de vive voix"), ("ar", "سُجّل", "صوتيا")],
)
def test_the_ceremony_is_told_in_the_readers_language_and_its_words_are_the_same_for_all(
    community: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    code: str,
    enrolled: str,
    compare: str,
) -> None:
    assert community("l", "device", "request", "cert.example.tn", "--key-file", "--out", "l.request") == 0
    asked = capsys.readouterr().err.splitlines()[-1].split(":")[1].split()
    monkeypatch.setenv("AMANAH_LANG", code)
    certify = ("org", "certify", "l.request", "--name", "Officer L", "--roster", "roster.txt")
    assert community("tn", *certify, "--out", "l.reply") == 0
    said = capsys.readouterr().err
    assert " ".join(asked) in said  # two nations compare them by voice, whatever each of them speaks
    assert community("l", "device", "install", "l.reply") == 0
    said = capsys.readouterr().err
    assert enrolled in said
    assert compare in said
    assert community("l", "roster", "show", "--json") == 0
    assert capsys.readouterr().out.isascii()
