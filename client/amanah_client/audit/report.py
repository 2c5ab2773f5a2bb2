"""What an examination of the record found: typed findings, entries, rooms, and how far it reaches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias

from amanah_protocol.errors import AmanahError, Code
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Create, Kind, Specific, kind_of
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId, RoomId
from amanah_protocol.ways import Somebody

MAX_FINDINGS: Final = 1_000
"""Findings that are kept with their text; the others are counted."""

_SHORT: Final = 8


class Severity(StrEnum):
    """Whether a finding breaks the record."""

    FAULT = "fault"
    """Something that was promised does not hold; the record is not what it claims to be."""
    REMARK = "remark"
    """The record holds, and a reader should know this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found.

    Attributes:
        severity: Whether it breaks the record.
        index: Log index that it is about; None for the whole record.
        code: What it is.
        text: For people.
    """

    severity: Severity
    index: int | None
    code: Code
    text: str


class Findings:
    """Collects findings; a record that is wrong throughout does not fill the memory, or the disk."""

    def __init__(self, keep: Callable[[Finding], None], *, count: int = 0, faults: int = 0) -> None:
        """Go on with so many.

        Args:
            keep: Takes one of the first thousand.
            count: Findings that are kept already.
            faults: Faults that there are already.
        """
        self._keep_one = keep
        self.count = count
        self.faults = faults

    def fault(self, index: int | None, code: Code, text: str) -> None:
        """Something does not hold."""
        self.faults += 1
        self._keep(Finding(severity=Severity.FAULT, index=index, code=code, text=text))

    def refused(self, index: int | None, error: AmanahError) -> None:
        """A check refused an entry."""
        self.fault(index, error.code, error.detail)

    def remark(self, index: int | None, code: Code, text: str) -> None:
        """Something to know."""
        self._keep(Finding(severity=Severity.REMARK, index=index, code=code, text=text))

    def _keep(self, finding: Finding) -> None:
        if self.count < MAX_FINDINGS:
            self.count += 1
            self._keep_one(finding)


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A device as an auditor sees it: never a name.

    Attributes:
        device: The device.
        organisation: Its organisation by its logged certificate; "" when none was logged before.
        subject: The person's or machine's pseudonym; None when no certificate was logged before.
        role: Its role; None likewise.
    """

    device: DeviceId
    organisation: OrgName
    subject: PersonId | None
    role: Role | None

    @property
    def somebody(self) -> Somebody:
        """The person behind it, as the rules of labels see one."""
        return Somebody(organisation=self.organisation, person=self.subject)

    @property
    def text(self) -> str:
        """`officer 3f2a91bc of cert.example.ma`."""
        if self.subject is None or self.role is None:
            return f"unknown device {self.device.hex()[:_SHORT]}"
        return f"{self.role.name.lower()} {self.subject.hex()[:_SHORT]} of {self.organisation}"


Nations: TypeAlias = tuple[tuple[OrgName, int], ...]
"""(organisation, number of its devices), ascending by name."""


class Bounds(NamedTuple):
    """When a leaf existed, by the clocks of witnesses; None where no witness has said.

    Attributes:
        not_before_ms: No witness had been shown it then.
        not_after_ms: It existed then.
    """

    not_before_ms: int | None = None
    not_after_ms: int | None = None


UNBOUNDED: Final = Bounds()


class Stamped(NamedTuple):
    """A leaf existed *not after* this time, by the word of one time-stamping authority."""

    authority: str
    not_after_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One envelope of a room in scope.

    Attributes:
        index: Log index.
        accepted_at_ms: *Accepted*: the relay's time of acceptance, as it says.
        sent_at_ms: *Claimed*: the sender's time of sealing, as it says.
        witnessed: *Witnessed*: between which times of witnesses it came to be.
        stamped: *Stamped*: by which time each time-stamping authority that is trusted says that it existed.
        room: The room.
        room_seq: Its place there.
        envelope: Its id.
        sender: Who sent it.
        specific: What its header says for all to see.
        label: The outer label.
        precedence: How urgent it was.
        size_class: 1 to 5 for what was sealed, 0 for nothing.
        epoch: The room's epoch.
        readers: Who could read it: the room's devices by nation, for a commit those after it.
    """

    index: int
    accepted_at_ms: int
    sent_at_ms: int
    room: RoomId
    room_seq: int
    envelope: EnvelopeId
    sender: Who
    specific: Specific
    label: Label
    precedence: Precedence
    size_class: int
    epoch: int
    readers: Nations
    witnessed: Bounds = UNBOUNDED
    stamped: tuple[Stamped, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind of envelope."""
        return kind_of(self.specific)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One commit: who changed the circle, and how.

    Attributes:
        index: Log index.
        accepted_at_ms: The relay's time.
        epoch: The epoch that it began.
        by: Who committed.
        added: Devices added.
        removed: Devices removed.
        members: The circle after it, by nation.
    """

    index: int
    accepted_at_ms: int
    epoch: int
    by: Who
    added: tuple[Who, ...]
    removed: tuple[Who, ...]
    members: Nations


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomSummary:
    """One room in scope.

    Attributes:
        room: Its id.
        create: What was fixed when it was opened; None when that entry did not hold.
        opened_by: Who opened it; None likewise.
        first_ms: The relay's time of its first entry.
        last_ms: The relay's time of its last entry in this record.
        entries: Entries in this record.
        changes: Changes of its circle, in order.
        members: Its devices by nation after the last entry.
    """

    room: RoomId
    create: Create | None
    opened_by: Who | None
    first_ms: int
    last_ms: int
    entries: int
    changes: tuple[Change, ...]
    members: Nations


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """How far the record reaches.

    Attributes:
        leaves: Leaves read.
        bare: Those shown as their hash alone: outside the auditor's scope.
        control: Entries of the control stream.
        envelopes: Entries of rooms.
        reads: Reading orders of auditors.
        first_ms: The relay's time of the first entry in scope; None without any.
        last_ms: That of the last one.
    """

    leaves: int = 0
    bare: int = 0
    control: int = 0
    envelopes: int = 0
    reads: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
