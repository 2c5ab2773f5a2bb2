"""What commands say in other languages: for people alone, with names that keep their place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from amanah_client.cli import terminal
from amanah_client.cli.main import main
from amanah_client.language import Language, gettext, isolate, speaking
from amanah_client.said import said
from amanah_client.standing import Standing
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.revision import Withdrawal
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.types import EnvelopeId

ARABIC, FRENCH = Language(code="ar"), Language(code="fr")
ID = EnvelopeId(bytes(range(32)))


def errors(capsys: pytest.CaptureFixture[str], *words: str, home: Path) -> str:
    assert main([*words, "--home", str(home)]) == 4
    return capsys.readouterr().err


def test_an_error_says_what_happened_and_what_to_do_and_names_the_case_in_english(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("AMANAH_LANG", "fr")
    told = errors(capsys, "room", "list", home=tmp_path / "x")
    assert told.startswith(
        "amanah: Il n’y a pas de tel profil ici. Enrôlez-le d’abord\u00a0: `amanah device request`. ("
    )
    assert told.endswith(f"(there is no profile at {tmp_path / 'x'}) [NO_PROFILE]\n")
    monkeypatch.setenv("AMANAH_LANG", "ar")
    told = errors(capsys, "read", "room", home=tmp_path / "x")
    assert f"(\u2068there is no profile at {tmp_path / 'x'}\u2069) [NO_PROFILE]" in told


@pytest.mark.parametrize(
    "words",
    [("send", "room", "x"), ("attach", "room", "x"), ("forward", "room", "x", "--to", "y"), ("room", "create", "x")],
)
def test_a_mistyped_label_is_refused_in_the_language_that_is_spoken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    for code in ("fr", "ar"):
        monkeypatch.setenv("AMANAH_LANG", code)
        assert main([*words, "--label", "gren"]) == 2
        told = capsys.readouterr().err
        with speaking(Language(code=code)):
            refused = gettext("there is no label %(word)s; nothing was done", word=isolate("'gren'"))
        assert refused in told
        assert "no label" not in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("duty", "show"), "step 0, after 0 s"),
        (("template", "list"), "roles"),
        (("report", "room", "--zone", "Nowhere"), "is no time zone"),
    ],
)
def test_the_verbs_of_an_officers_day_speak_as_its_profile_does(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    told = {}
    for code in ("en", "fr", "ar"):
        monkeypatch.setenv("AMANAH_LANG", code)
        main([*words, "--home", str(tmp_path)])
        printed = capsys.readouterr()
        told[code] = printed.out + printed.err
    assert sentence in told["en"]
    assert sentence not in told["fr"] + told["ar"]
    assert len(set(told.values())) == len(told)


@pytest.mark.parametrize("words", [("room", "list", "--json"), ("audit", "verify"), ("doctor",)])
def test_programs_and_evidence_are_answered_in_english(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple[str, ...]
) -> None:
    monkeypatch.setenv("AMANAH_LANG", "ar")
    assert main([*words, "--home", str(tmp_path / "x")]) != 0
    told = capsys.readouterr()
    assert "there is no profile at" in told.err + told.out
    assert (told.err + told.out).isascii()


def test_a_profile_has_a_language_and_the_environment_outweighs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "client.toml").write_text('language = "fr"')
    monkeypatch.delenv("AMANAH_LANG")
    assert "Il n’y a pas" in errors(capsys, "room", "list", home=tmp_path)
    monkeypatch.setenv("AMANAH_LANG", "en")
    assert "there is no profile" in errors(capsys, "room", "list", home=tmp_path)


def test_a_setting_that_names_no_language_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("AMANAH_LANG")
    (tmp_path / "client.toml").write_text('language = "klingon"')
    assert main(["room", "list", "--home", str(tmp_path)]) == 2
    assert "names a language that there is no catalogue of: 'klingon'" in capsys.readouterr().err


def test_what_was_said_stands_in_the_readers_words_around_what_was_written() -> None:
    moved = Clock(id=b"c" * 16, nature=Nature.EMBARGO, what="b\u202eanner", at_ms=1_795_400_000_000, stands=True)
    assert said(moved) == "[embargo until 2026-11-23 02:13:20Z: b\u202eanner]"
    with speaking(FRENCH):
        assert said(moved) == "[embargo jusqu’au 2026-11-23 02:13:20Z: b<202E>anner]"
    with speaking(ARABIC):
        assert said(moved) == "[حظر نشر حتى \u20682026-11-23 02:13:20Z\u2069: \u2068b<202E>anner\u2069]"
        assert terminal.composed(said(moved)) == said(moved)
        assert said(Text(text="as \u202e it was written")) == "as \u202e it was written"


def test_an_incident_is_told_part_by_part() -> None:
    told = Incident(title="Portails", severity=Severity.HIGH)
    assert said(told) == "[incident: title Portails, severity high]"
    with speaking(FRENCH):
        assert said(told) == "[incident\u00a0: titre Portails, gravité élevée]"
    with speaking(ARABIC):
        assert said(told) == "[حادثة: العنوان \u2068Portails\u2069، الخطورة \u2068مرتفع\u2069]"
        assert said(Withdrawal(message=ID, reason="")) == "[يسحب \u2068000102030405\u2069]"


def test_a_name_on_a_line_of_its_own_is_isolated_from_a_sentence_that_runs_left() -> None:
    assert terminal.single("Officer A") == "Officer A"
    with speaking(ARABIC):
        assert terminal.single("Officer A") == "\u2068Officer A\u2069"
        assert terminal.single("") == ""


def test_how_the_log_stands_is_told_in_the_form_of_its_number() -> None:
    standing = Standing(log=None, witnessed=None, quorum=0, conflicts=2)
    assert standing.lines[0] == "no checkpoint of the log was seen yet"
    with speaking(ARABIC):
        assert standing.evidence == "محفوظ دليلا على السجل: تناقضان"


def test_json_says_the_same_whatever_is_spoken(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking(ARABIC):
        terminal.show_json({"state": "queued"})
    assert json.loads(capsys.readouterr().out) == {"state": "queued"}


def test_an_error_of_a_code_that_is_not_known_still_names_its_case(capsys: pytest.CaptureFixture[str]) -> None:
    with speaking(FRENCH):
        assert terminal.report(UsageError(Code.TIMEOUT, "the relay")) == 2
    assert capsys.readouterr().err == "amanah: Pas de réponse à temps. Réessayez. (the relay) [TIMEOUT]\n"
