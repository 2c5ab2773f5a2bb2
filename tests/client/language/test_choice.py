"""Which language a person gets before anybody asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanah_client.language import Language, asked_for, of_environment, of_program, setting
from amanah_protocol.errors import Code, UsageError


@pytest.mark.parametrize(
    ("environment", "chosen", "tag"),
    [
        ({}, "", "en"),
        ({"AMANAH_LANG": "ar", "LANG": "fr_FR.UTF-8"}, "fr", "ar"),
        ({"LANG": "ar_TN.UTF-8"}, "fr", "fr"),
        ({"LANG": "ar_TN.UTF-8"}, "", "ar-TN"),
        ({"LC_ALL": "fr_FR.UTF-8", "LANG": "ar"}, "", "fr-FR"),
        ({"LC_ALL": "C", "LANG": "ar"}, "", "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "fr", "LANG": "ar"}, "", "fr"),
        ({"LANG": "de_DE.UTF-8"}, "", "en"),
        ({"AMANAH_LANG": "de", "LANG": "ar"}, "", "ar"),
    ],
)
def test_a_terminals_language(environment: dict[str, str], chosen: str, tag: str) -> None:
    assert of_environment(environment, chosen).tag == tag


@pytest.mark.parametrize(
    ("chosen", "header", "tag"),
    [
        ("", "", "en"),
        ("fr", "ar", "fr"),
        ("de", "ar", "ar"),
        ("", "de, fr;q=0.5, ar-TN;q=0.8", "ar-TN"),
        ("", "fr;q=0, ar;q=0.1", "ar"),
        ("", "ar;q=x, fr;q=0.2", "fr"),
        ("", "ar;q=7, fr;q=0.2", "fr"),
        ("", "ar;level=1", "ar"),
        ("", "*", "en"),
        ("", "de," * 40 + "ar", "en"),
    ],
)
def test_a_pages_language(chosen: str, header: str, tag: str) -> None:
    assert asked_for(chosen, header).tag == tag


def test_a_program_s_pages_have_the_language_that_was_chosen_for_it_or_the_browser_s(tmp_path: Path) -> None:
    assert of_program({"LANG": "ar"}, tmp_path) is None
    (tmp_path / "client.toml").write_text('language = "ar-TN"\n')
    assert of_program({}, tmp_path) == Language(code="ar", region="TN")
    assert of_program({"AMANAH_LANG": "fr"}, tmp_path) == Language(code="fr")


def test_a_profile_says_which_language_it_has(tmp_path: Path) -> None:
    assert setting(tmp_path) == ""
    assert setting(tmp_path / "no such folder") == ""
    (tmp_path / "client.toml").write_text('language = "ar-TN"\n')
    assert setting(tmp_path) == "ar-TN"
    assert setting(tmp_path / "client.toml") == ""
    (tmp_path / "client.toml").write_text("# nothing\n")
    assert setting(tmp_path) == ""


@pytest.mark.parametrize("text", ['language = "de"', "language = 3", "language =", "\udcff"])
def test_a_language_that_there_is_no_catalogue_of_is_a_fault_of_the_settings(tmp_path: Path, text: str) -> None:
    (tmp_path / "client.toml").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError) as refused:
        setting(tmp_path)
    assert refused.value.code == Code.CONFIG
    assert "client.toml" in refused.value.detail
