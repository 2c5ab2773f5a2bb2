"""A room's own policy: how long its content stays. The `policy` bytes of its creation, for ever.

Header, leaf and receipt of an entry always stay; commits and welcomes follow the relay's own rule, as members
that lag behind need them. What a policy does not name follows the relay's configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from amanah_protocol import cbor
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label

VERSION: Final = 1
MAX_DAYS: Final = 36_500
DAY_MS: Final = 86_400_000
_MAX_BYTES: Final = 512


class KindClass(IntEnum):
    """Classes of sealed content that a policy tells apart; the number is the wire form."""

    TALK = 1
    ALERT = 2


_CLASSES: Final = {
    Kind.MESSAGE: KindClass.TALK,
    Kind.GRANT: KindClass.TALK,
    Kind.REPAIR: KindClass.TALK,
    Kind.ALERT: KindClass.ALERT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomPolicy:
    """How many days content stays; the shortest that applies counts.

    Attributes:
        labels: From the entry's acceptance, by its label.
        classes: From the entry's acceptance, by its class.
        after_last: From the room's last entry, by the entry's label: a room has no closing of its own yet.
    """

    labels: Mapping[Label, int] = field(default_factory=dict)
    classes: Mapping[KindClass, int] = field(default_factory=dict)
    after_last: Mapping[Label, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """The bytes that a `create` holds.

        Raises:
            UsageError: `USAGE` for a number of days that no policy has.
        """
        parts: list[object] = [VERSION]
        for days in (self.labels, self.classes, self.after_last):
            if not all(1 <= number <= MAX_DAYS for number in days.values()):
                raise UsageError(Code.USAGE, f"content stays from 1 to {MAX_DAYS} days")
            parts.append({int(key): number for key, number in days.items()})
        return cbor.encode(parts)

    def over_at_ms(self, kind: Kind, label: Label, *, accepted_at_ms: int, last_at_ms: int) -> int | None:
        """When the content of an entry goes, as the room stands; None where the relay's configuration decides.

        Args:
            kind: Its kind.
            label: The label in its header, which its sender signed: a later change neither shortens nor lengthens.
            accepted_at_ms: When it was accepted.
            last_at_ms: When the room's last entry was.
        """
        group = _CLASSES.get(kind)
        if group is None:
            return None
        ends = [
            since + days * DAY_MS
            for since, days in (
                (accepted_at_ms, self.labels.get(label)),
                (accepted_at_ms, self.classes.get(group)),
                (last_at_ms, self.after_last.get(label)),
            )
            if days is not None
        ]
        return min(ends, default=None)

    @property
    def shortest_days(self) -> int | None:
        """The least number of days after which anything goes; None when it names none."""
        return min((*self.labels.values(), *self.classes.values(), *self.after_last.values()), default=None)


DEFAULT: Final = RoomPolicy(after_last={Label.RED: 7})
"""What a client proposes for a new room that asks for a policy and names none."""


def decode_policy(data: bytes) -> RoomPolicy | None:
    """The policy of a room; None for no bytes: the relay's configuration.

    Raises:
        DecodeError: It does not parse, or is of another version.
    """
    if not data:
        return None
    value = cbor.decode(data, max_bytes=_MAX_BYTES)
    f = cbor.Fields(value, 4, "room policy")
    if f.uint() != VERSION:
        raise DecodeError(Code.UNKNOWN_VERSION, "a room policy of another version")
    return RoomPolicy(
        labels={Label(key): days for key, days in _days(f.next(), Label.RED)},
        classes={KindClass(key): days for key, days in _days(f.next(), KindClass.ALERT, first=KindClass.TALK)},
        after_last={Label(key): days for key, days in _days(f.next(), Label.RED)},
    )


def _days(value: cbor.Value, last: int, first: int = 0) -> list[tuple[int, int]]:
    if not isinstance(value, dict):
        raise DecodeError(Code.BAD_TYPE, "room policy: a map to days is wanted")
    found = []
    for key, days in value.items():
        if type(key) is not int or not first <= key <= last:
            raise DecodeError(Code.BAD_TYPE, "room policy: an unknown label or class")
        if type(days) is not int or not 1 <= days <= MAX_DAYS:
            raise DecodeError(Code.BAD_TYPE, f"room policy: content stays from 1 to {MAX_DAYS} days")
        found.append((key, days))
    return found
