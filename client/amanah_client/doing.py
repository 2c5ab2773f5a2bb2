"""What an entry without words of a person says, in words that several faces show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from amanah_client.said import ID_DIGITS
from amanah_protocol import kinds
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Kind
from amanah_protocol.types import DeviceId

QUIET_KINDS: Final = frozenset({Kind.WELCOME, Kind.DELIVERED, Kind.INTAKE_KEY, Kind.REPAIR})
"""What the programs tell each other: shown when everything is asked for."""
QUIET_TYPES: Final = frozenset({"profile", "title"})
"""Said anew to everybody who joins; the room's members and title are shown by other verbs."""

_NAMED_SIGNATURES: Final = 3


def does(specific: kinds.Specific, name: Callable[[DeviceId], str], safe: Callable[[str], str]) -> str:  # noqa: C901, PLR0911 - one for each kind
    """What an entry says by its header.

    Args:
        specific: The header's part of its kind.
        name: Who a device is, safe to show.
        safe: Makes others' text safe to show.
    """
    match specific:
        case kinds.Create(owner=owner, ceiling=ceiling, drill=drill):
            return f"opens the room for {owner}, up to {ceiling.text}{', as a drill' if drill else ''}"
        case kinds.Commit(added=added, removed=removed):
            named = {"adds": added, "removes": removed}
            parts = [f"{verb} {'; '.join(name(d) for d in ds)}" for verb, ds in named.items() if ds]
            return ", ".join(parts) or "renews its keys"
        case kinds.Ack(grade=grade, envelope=envelope):
            return f"acknowledges {_short(envelope)}: {grade.name.lower()}"
        case kinds.Egress(envelope=envelope, recipient=recipient):
            return f"discloses {_short(envelope)} to {safe(recipient)}"
        case kinds.Counts(accepted=accepted, merged=merged, dropped=dropped):
            return f"counted its alerts: {accepted} accepted, {merged} merged, {dropped} dropped"
        case kinds.Erase(envelopes=envelopes):
            return f"erases {', '.join(_short(envelope) for envelope in envelopes)}"
        case kinds.Delivered(room_seq=room_seq):
            return f"has stored everything up to {room_seq}"
        case kinds.Repair(envelopes=envelopes, addressees=()):
            return f"asks for {', '.join(_short(envelope) for envelope in envelopes)} again"
        case kinds.Repair(envelopes=envelopes):
            return f"sends {', '.join(_short(envelope) for envelope in envelopes)} again"
        case kinds.Refuse(code=Code.FORK):
            return "asks for a new epoch: its profile is an old copy"
        case kinds.Refuse(commit=commit, code=code):
            return f"refuses the change {_short(commit)}: {safe(code)}"
        case _:
            return kinds.kind_of(specific).name.lower().replace("_", " ")


def summary(alerts: tuple[Alert, ...], safe: Callable[[str], str]) -> str:
    """How many alerts, how bad, and what most of them say."""
    by_severity = Counter(alert.severity for alert in alerts)
    severities = ", ".join(f"{by_severity[s]} {s.name.lower()}" for s in reversed(Severity) if by_severity[s])
    titles = Counter(alert.title for alert in alerts)
    often = titles.most_common(_NAMED_SIGNATURES)
    named = ", ".join(f"{count} x {safe(title)}" for title, count in often)
    rest = f", {len(titles) - len(often)} other kinds" if len(titles) > len(often) else ""
    count = "1 alert" if len(alerts) == 1 else f"{len(alerts)} alerts"
    return f"{count} ({severities}): {named}{rest}"


def _short(identifier: bytes) -> str:
    return identifier.hex()[:ID_DIGITS]
