"""What happened, in order, with virtual time: all that the invariants are held against.

Events are noted where they take effect: a delivery when it is durable at the client, an
acknowledgement when the relay writes it, whether or not it ever arrives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from amanah_client.actions import Action
from amanah_client.model import MessageRow, MessageState
from amanah_protocol.types import DeviceId, EnvelopeId, LeafHash, RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A person or machine asked for something; it is durable at the client."""

    at_ms: int
    device: DeviceId
    intent: str
    action: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An envelope left a client for the first time since its process began."""

    at_ms: int
    device: DeviceId
    room: RoomId
    envelope: EnvelopeId
    counter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A client made a row of a message durable: its own as sealed, or an entry of the record."""

    at_ms: int
    device: DeviceId
    row: MessageRow
    before: MessageRow | None
    """What stood in its place."""
    joining: bool
    """Whether the room was being joined: then its record may be read again from the beginning."""

    @property
    def is_delivery(self) -> bool:
        """Whether it shows an entry of the record."""
        return self.row.state is not MessageState.SENT and self.row.room_seq is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acked:
    """The relay wrote a receipt for one envelope."""

    at_ms: int
    device: DeviceId
    envelope: EnvelopeId
    index: int
    room_seq: int
    leaf: LeafHash | None
    """The leaf that the receipt names at this index, or None when it names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """The relay wrote an entry of a room to a device, with or without its content."""

    at_ms: int
    device: DeviceId
    room: RoomId
    room_seq: int
    has_content: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A client entered a room: it holds keys now."""

    at_ms: int
    device: DeviceId
    room: RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A client was removed from a room: its keys are gone."""

    at_ms: int
    device: DeviceId
    room: RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A client's group is in an epoch, durably.

    Attributes:
        epoch: The epoch.
        secret: What the members of this epoch, and nobody else, can derive.
        group: The group's state that changes with epochs, as a thief of the store would have it.
        keys: That of its message keys.
    """

    at_ms: int
    device: DeviceId
    room: RoomId
    epoch: int
    secret: bytes
    group: bytes = field(repr=False)
    keys: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Promised:
    """The relay signed that the log has this root at this size, or that a chain has this head."""

    at_ms: int
    source: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """The relay told a device that its login is accepted."""

    at_ms: int
    device: DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """A device's revocation is durable at the relay."""

    at_ms: int
    device: DeviceId


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """A client raised an alarm."""

    at_ms: int
    device: DeviceId
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something was done to the world."""

    at_ms: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A core raised what is no refusal: a fault of the program."""

    at_ms: int
    who: str
    detail: str


Event: TypeAlias = (
    Asked | Sent | Kept | Acked | Handed | Joined | Left | Entered | Promised | LoggedIn | Revoked | Raised | Fault
    | Failed
)  # fmt: skip
E = TypeVar("E", bound=Event)


@dataclass(slots=True)
class History:
    """All events of one run."""

    events: list[Event] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Append an event."""
        self.events.append(event)

    def of(self, kind: type[E]) -> Iterator[E]:
        """The events of one kind, in order."""
        return (event for event in self.events if isinstance(event, kind))
