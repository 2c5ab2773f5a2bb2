"""What is written and what is filled in can be told from what it stands on, in both themes: WCAG 2.2, level AA."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

import amanah_client

CLIENT: Final = Path(amanah_client.__file__).parent
SHEETS: Final = sorted(CLIENT.glob("*/static/*.css"))
GROUNDS: Final = ("paper", "panel", "raised")
PAIRS: Final = (
    # Text, 1.4.3: on what pages are made of, on what is chosen or pointed at, and on what asks to be looked at.
    *((ink, ground, 4.5) for ink in ("ink", "ink-2", "ink-3", "accent", "crit", "high", "ok") for ground in GROUNDS),
    *((ink, "accent-soft", 4.5) for ink in ("ink", "ink-2", "ink-3", "accent", "crit", "high", "ok")),
    *((ink, "warn-soft", 4.5) for ink in ("ink", "ink-2", "high")),
    *((ink, "crit-soft", 4.5) for ink in ("ink", "ink-2", "high", "crit")),
    *(("mod", ground, 4.5) for ground in GROUNDS),
    ("accent-ink", "accent", 4.5), ("crit-ink", "crit", 4.5), ("alarm-ink", "alarm", 4.5), ("paper", "ink", 4.5),
    # Where something is filled in, and what shows where the focus is, 1.4.11.
    *((edge, ground, 3.0) for edge in ("edge", "accent") for ground in (*GROUNDS, "warn-soft", "accent-soft")),
)  # fmt: skip
ROOT: Final = re.compile(r"(@media \(prefers-color-scheme:dark\)\{)?:root\{(.*?)\}", re.DOTALL)
FIELD: Final = re.compile(r"(?:^|[\s,.])(?:input|select|textarea|search|find|pick|box)(?![\w-])(?!\[type=checkbox)")


def themes() -> dict[str, dict[str, str]]:
    """The tokens of each theme."""
    light: dict[str, str] = {}
    dark: dict[str, str] = {}
    for sheet in SHEETS:
        for is_dark, block in ROOT.findall(sheet.read_text(encoding="utf-8")):
            (dark if is_dark else light).update(re.findall(r"--([\w-]+):\s*(#[0-9a-f]{6})", block))
    return {"light": light, "dark": light | dark}


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1, of `#rrggbb`."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_what_the_guideline_says() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_each_token_can_be_read_where_it_stands(theme: str) -> None:
    tokens = themes()[theme]
    found = [(ink, ground, round(contrast(tokens[ink], tokens[ground]), 2), least) for ink, ground, least in PAIRS]
    assert [one for one in found if one[2] < one[3]] == []


def rules() -> list[tuple[str, str]]:
    """Selector and declarations of each rule, the innermost."""
    text = "\n".join(re.sub(r"/\*.*?\*/", "", sheet.read_text(encoding="utf-8"), flags=re.DOTALL) for sheet in SHEETS)
    return [(selector.strip(), body) for selector, body in re.findall(r"([^{}]+)\{([^{}]*)\}", text)]


def test_no_field_has_the_edge_of_what_only_divides() -> None:
    fields = [(selector, body) for selector, body in rules() if FIELD.search(selector)]
    assert len(fields) > 5
    assert [selector for selector, body in fields if re.search(r"border[\w-]*:[^;]*var\(--line", body)] == []


def test_what_moves_does_not_fade() -> None:
    frames = [body for selector, body in rules() if selector in {"from", "to"} or selector.endswith("%")]
    assert frames
    assert [body for body in frames if "opacity" in body] == []


def test_what_is_pointed_at_in_the_list_of_rooms_stands_on_a_ground_that_was_measured() -> None:
    ((_, body),) = [rule for rule in rules() if rule[0] == ".room:hover"]
    assert body == "background:var(--accent-soft)"
