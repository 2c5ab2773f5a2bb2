"""Whether the time of a content is over: the room's policy, the relay's configuration, and what holds it."""

from __future__ import annotations

from dataclasses import dataclass

from amanah_protocol.custody.erasures import Cause
from amanah_protocol.custody.retention import RoomPolicy
from amanah_protocol.envelope import Header
from amanah_protocol.kinds import HANDSHAKE


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRule:
    """What is particular to a room; a room without one follows the relay's configuration.

    Attributes:
        policy: Its policy, None where it has none.
        held_since_ms: What was accepted then or later is held; None where nothing is.
    """

    policy: RoomPolicy | None = None
    held_since_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The relay's own times.

    Attributes:
        newest_ms: The log's time.
        delivered_ms: What was accepted by then goes where every member has confirmed it.
        handshake_ms: Commits and welcomes that were accepted by then go in any case.
    """

    newest_ms: int
    delivered_ms: int
    handshake_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a content stands.

    Attributes:
        accepted_at_ms: When it was accepted.
        last_at_ms: When the room's newest entry was.
        confirmed: Whether every member has confirmed it.
        erased: Whether an `erase` has named it, and a hold has kept it.
    """

    accepted_at_ms: int
    last_at_ms: int
    confirmed: bool
    erased: bool


def cause_to_go(header: Header, at: Standing, rule: RoomRule, terms: Terms) -> Cause | None:
    """What demands that a content goes now; None when it stays."""
    if rule.held_since_ms is not None and at.accepted_at_ms >= rule.held_since_ms:
        return None
    if at.erased:
        return Cause.HELD
    if rule.policy is not None:
        over_ms = rule.policy.over_at_ms(
            header.kind, header.label, accepted_at_ms=at.accepted_at_ms, last_at_ms=at.last_at_ms
        )
        if over_ms is not None:
            return Cause.ROOM if over_ms <= terms.newest_ms else None
    if at.confirmed and at.accepted_at_ms <= terms.delivered_ms:
        return Cause.RELAY
    is_over = header.kind in HANDSHAKE and not at.confirmed and at.accepted_at_ms <= terms.handshake_ms
    return Cause.HANDSHAKE if is_over else None
