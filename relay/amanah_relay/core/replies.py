"""Who waits for a unit to become durable: a closed union.

Nothing is acknowledged but from here, when the store has said `Appended`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from amanah_protocol.audit import ReadingOrder
from amanah_protocol.verified import Verified
from amanah_relay.effects import SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """A `publish` or `submit`, to be answered by `Stored`.

    Attributes:
        session: Who asked.
        request: Its number.
        positions: Which drafts of the unit it asked for.
    """

    session: SessionId
    request: int
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """A login whose certificate is being logged."""

    session: SessionId


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """An auditor whose reading order is being logged.

    Attributes:
        session: Who asked.
        request: Its number.
        order: The verified order.
        signed: Its bytes.
        start: Where the page begins.
        told: Keys of what is durable in the custody of rooms by the time it is served.
    """

    session: SessionId
    request: int
    order: Verified[ReadingOrder]
    signed: bytes
    start: int
    told: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Purger:
    """The pass through old contents, which goes on behind `after`, or is at its end where that is None."""

    after: int | None


Waiter: TypeAlias = Publisher | Newcomer | Reader | Purger
