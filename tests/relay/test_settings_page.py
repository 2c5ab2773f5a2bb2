"""What the page for operators says of limits is what the program does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from amanah_relay.quotas import RelayLimits

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "operating.md"
_ROW = re.compile(r"^\| `(\w+)` \| ([\d,]+) \|", re.MULTILINE)


def documented() -> dict[str, int]:
    """The rows of the table of limits: setting and default."""
    return {name: int(value.replace(",", "")) for name, value in _ROW.findall(PAGE.read_text(encoding="utf-8"))}


def test_every_limit_that_the_page_names_exists_with_that_default() -> None:
    found = documented()
    assert len(found) >= 4
    assert {name: getattr(RelayLimits(), name, None) for name in found} == found


def test_the_page_names_what_bounds_the_store() -> None:
    stored = {field.name for field in fields(RelayLimits) if field.name.endswith("_days")}
    assert stored | {"held_bytes_per_organisation", "purge_interval_ms"} <= documented().keys()
