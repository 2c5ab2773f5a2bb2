"""Where an incident stands: one entry changes some of it, and the last that changed a thing counts.

incident = [ 1, title: tstr / null, severity: 0..3 / null, status: 1..6 / null, type: tstr / null,
             aware-at: ms / null ]                                  ; at least one of them
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bounds import check_size, check_time
from amanah_protocol.errors import Code, DecodeError, UsageError

MAX_TYPE_CHARS: Final = 128
_TYPE: Final = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")

TYPES: Final = {
    "abusive-content": ("spam", "harmful-speech", "violence"),
    "malicious-code": ("infected-system", "c2-server", "malware-distribution", "malware-configuration"),
    "information-gathering": ("scanner", "sniffing", "social-engineering"),
    "intrusion-attempts": ("ids-alert", "brute-force", "exploit"),
    "intrusions": (
        "privileged-account-compromise", "unprivileged-account-compromise", "application-compromise",
        "system-compromise", "burglary",
    ),
    "availability": ("dos", "ddos", "misconfiguration", "sabotage", "outage"),
    "information-content-security": (
        "unauthorised-information-access", "unauthorised-information-modification", "data-loss", "data-leak",
    ),
    "fraud": ("unauthorised-use-of-resources", "copyright", "masquerade", "phishing"),
    "vulnerable": (
        "weak-crypto", "ddos-amplifier", "potentially-unwanted-accessible", "information-disclosure",
        "vulnerable-system",
    ),
    "other": ("other", "undetermined"),
    "test": ("test",),
}  # fmt: skip
"""The Reference Security Incident Taxonomy, version 1003: classes, and the types of each."""


class Status(IntEnum):
    """How far the work on it is; the number is the wire form."""

    TRIAGE = 1
    INVESTIGATING = 2
    CONTAINING = 3
    RECOVERING = 4
    RESOLVED = 5
    CLOSED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What changes of an incident; None for what stays.

    Attributes:
        title: What people call it, up to 253 characters.
        severity: How bad it is.
        status: How far the work is.
        type: `class/type` of `TYPES`, or of a later version of the taxonomy, up to 128 characters.
        aware_at_ms: When the first party became aware of it: duties to notify run from here.

    Raises:
        UsageError: `TOO_LARGE`, `BAD_TYPE`, or `USAGE` where nothing changes.
    """

    title: str | None = field(default=None, repr=False)
    severity: Severity | None = None
    status: Status | None = None
    type: str | None = field(default=None, repr=False)
    aware_at_ms: int | None = None

    def __post_init__(self) -> None:
        if (self.title, self.severity, self.status, self.type, self.aware_at_ms) == (None,) * 5:
            raise UsageError(Code.USAGE, "nothing of the incident changes")
        check_size(len(self.title or ""), limits.MAX_NAME_CHARS, "characters of a title")
        check_time(self.aware_at_ms)
        if self.type is not None and not (len(self.type) <= MAX_TYPE_CHARS and _TYPE.fullmatch(self.type)):
            raise UsageError(Code.BAD_TYPE, "an incident's type is a class and a type, with a stroke between")

    def encode(self) -> list[object]:
        """What follows the version."""
        severity = None if self.severity is None else int(self.severity)
        status = None if self.status is None else int(self.status)
        return [self.title, severity, status, self.type, self.aware_at_ms]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Incident:
        """Read what follows the version."""
        return cls(
            title=f.optional_text(limits.MAX_NAME_CHARS),
            severity=_severity(f.optional_uint()),
            status=_status(f.optional_uint()),
            type=f.optional_text(MAX_TYPE_CHARS),
            aware_at_ms=f.optional_uint(),
        )


def _severity(number: int | None) -> Severity | None:
    try:
        return None if number is None else Severity(number)
    except ValueError:
        raise DecodeError(Code.BAD_TYPE, "an unknown severity") from None


def _status(number: int | None) -> Status | None:
    try:
        return None if number is None else Status(number)
    except ValueError:
        raise DecodeError(Code.BAD_TYPE, "an unknown status") from None
