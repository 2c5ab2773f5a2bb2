"""Why something that was asked for is held or was not done, as facts: faces say them in the language of their reader.

They are stored beside the English sentence (`Intent.detail`), which logs and programs show. What a newer version knows
besides is a word without a meaning here, and that sentence stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

JOINED: Final = "joined"
"""Others were let in since it was written."""
NOT_IN_ROSTER: Final = "not-in-roster"
"""The community does not know the organisation."""
NEVER_CONNECTED: Final = "never-connected"
"""No device of it has connected yet."""
ONLY_AUDITORS: Final = "only-auditors"
"""All devices of it that are known are auditors'."""
NOT_IN_FORCE: Final = "not-in-force"
"""No certificate of an officer or bot of it is in force."""
NO_PACKAGE: Final = "no-package"
"""A device has no key package left."""
BAD_PACKAGE: Final = "bad-package"
"""A device's key package does not hold; `named` is the code that says why."""
OTHER_SUITE: Final = "other-suite"
"""A device does not support the room's suite, which is `named`."""
MORE: Final = "more"
"""As many further devices as `named` says."""

_MOST: Final = 12
"""So many devices are named; the others are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One of these.

    Attributes:
        why: Which.
        organisations: Who joined, or whose device it is.
        device: First digits of the device's id, where one is meant.
        named: What else it names; "" for nothing.
    """

    why: str
    organisations: tuple[str, ...] = ()
    device: str = ""
    named: str = ""


def few(found: Sequence[Reason]) -> tuple[Reason, ...]:
    """No more of them than somebody reads."""
    rest = len(found) - _MOST
    return tuple(found) if rest <= 0 else (*found[:_MOST], Reason(why=MORE, named=str(rest)))


def english(reasons: Iterable[Reason]) -> str:
    """Them in English, as they are stored."""
    return "; ".join(map(_english, reasons))


def _english(one: Reason) -> str:
    whom, device = ", ".join(one.organisations) or "this person", f"device {one.device}"
    return _ENGLISH[one.why].format(
        whom=whom,
        device=device,
        one=device if one.device else whom,
        none=f"{device} has not" if one.device else f"no device of {whom} has",
        named=one.named,
    )


_ENGLISH: Final = {
    JOINED: "joined since this was written: {whom}",
    NOT_IN_ROSTER: "{whom} is not in the community's roster",
    NEVER_CONNECTED: "{none} connected yet: a device connects once before it can be invited",
    ONLY_AUDITORS: "{one}: all that is known is an auditor's, and auditors are in no room",
    NOT_IN_FORCE: "{one}: no certificate of an officer or bot is in force",
    NO_PACKAGE: "{whom} {device}: no key package left",
    BAD_PACKAGE: "{whom} {device}: its key package does not hold ({named})",
    OTHER_SUITE: "{whom} {device}: it does not support the room's suite {named}",
    MORE: "and {named} more",
}
