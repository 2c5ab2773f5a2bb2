"""What the sealed kinds check alike when they are made."""

from __future__ import annotations

from typing import Final

from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.names import is_organisation

ID_BYTES: Final = 16
"""Of what has a name of its own inside a room: a task, a clock."""
HASH_BYTES: Final = 32


def check_size(size: int, maximum: int, what: str, minimum: int = 0) -> None:
    """A length or count lies between two bounds.

    Raises:
        UsageError: `TOO_LARGE`.
    """
    if not minimum <= size <= maximum:
        raise UsageError(Code.TOO_LARGE, f"{what}: {size} where {minimum} to {maximum} are allowed")


def check_ids(*ids: bytes | None, length: int = HASH_BYTES) -> None:
    """Ids have their length, where there are any.

    Raises:
        UsageError: `BAD_TYPE`.
    """
    if any(one is not None and len(one) != length for one in ids):
        raise UsageError(Code.BAD_TYPE, f"an id has {length} bytes here")


def check_nations(*names: str) -> None:
    """Organisations are named by their DNS names.

    Raises:
        UsageError: `BAD_TYPE`.
    """
    if not all(map(is_organisation, names)):
        raise UsageError(Code.BAD_TYPE, "an organisation is named by a DNS name in lower case")


def check_time(*times: int | None) -> None:
    """Times lie where they can be shown, where there are any.

    Raises:
        UsageError: `BAD_TYPE`.
    """
    if any(one is not None and not 0 <= one <= MAX_OBSERVED_AT_MS for one in times):
        raise UsageError(Code.BAD_TYPE, "a time lies between the years 1970 and 9999")
