"""Values of ours as JSON has them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum, IntEnum

from amanah_protocol.labels import Label


def plain(value: object) -> object:  # noqa: PLR0911 - one for each type of ours
    """A value of ours as JSON has it."""
    match value:
        case bytes():
            return value.hex()
        case Label():
            return value.text
        case IntEnum():
            return value.name.lower()
        case Enum():
            return value.value
        case tuple():
            return [plain(item) for item in value]
        case _ if is_dataclass(value):
            return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
        case _:
            return value
