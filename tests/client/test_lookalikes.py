"""Which names are taken for one."""

from __future__ import annotations

from itertools import combinations
from typing import Final

import pytest

from amanah_client.lookalikes import likeness

NAME: Final = "Malik Boukari"


@pytest.mark.parametrize(
    "other",
    [
        "malik boukari",
        "Malik  Boukari",
        "Malik\u00a0Boukari",
        "Malik\u200b Bou\u200dkari\u2060",
        "\u202eMalik\u202c Boukari",
        "Mal\u0456k Boukari",
        "\u041calik \u0412\u043euk\u0430r\u0456",
        "Ma1ik B0ukari",
        "MaIik Boukari",
        "Malik Boukar\u0131",
        "\uff2dalik Boukari",
        "Mali\u0301k Boukari\ufe0f",
        "Malik Boukari\u3164",
        "Malik\u2800Boukari",
        "Malik-Boukari.",
        "\U0001d40c\U0001d41a\U0001d425\U0001d422\U0001d424 Boukari",
        "rnalik boukari",
    ],
)
def test_what_differs_in_nothing_that_is_seen_is_one_name(other: str) -> None:
    assert other != NAME
    assert likeness(other) == likeness(NAME)


def test_a_name_in_arabic_is_the_same_from_another_keyboard_and_lengthened() -> None:
    assert (
        likeness("\u0639\u0644\u064a") == likeness("\u0639\u0644\u06cc") == likeness("\u0639\u0640\u0640\u0644\u064a")
    )


def test_names_that_differ_to_the_eye_are_two() -> None:
    names = (
        "Analyst on duty",
        "Malware lead",
        "Malika Boukari",
        NAME,
        "\u0639\u0644\u064a",
        "\u0639\u0645\u0631",
        "A",
        "B",
    )
    assert [pair for pair in combinations(names, 2) if likeness(pair[0]) == likeness(pair[1])] == []


def test_a_name_that_shows_nothing_is_like_itself_alone() -> None:
    assert likeness("\u200b") != likeness("\u200c")
