"""What the paging machine takes in, and what it gives out: two closed unions."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from amanah_client.paging.duty import Rota, Step
from amanah_protocol.content.page import Page, Result
from amanah_protocol.labels import Precedence
from amanah_protocol.types import EnvelopeId, OrgName, PersonId, RoomId

Person: TypeAlias = tuple[OrgName, PersonId]


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A message that pages the own nation.

    Attributes:
        room: Its room.
        message: Its envelope.
        author: Who wrote it; this person's own acknowledgement answers nothing.
        at_ms: When the relay accepted it.
        precedence: How urgent it is.
    """

    room: RoomId
    message: EnvelopeId
    author: Person
    at_ms: int
    precedence: Precedence


# ---- inputs


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """A message that pages is here.

    Attributes:
        call: What it is.
        fresh: Whether it came just now: the desk then has its whole time, however long the message was on its way.
    """

    call: Call
    fresh: bool = True


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """A person of the own nation acknowledged a message, at least as read."""

    message: EnvelopeId
    by: Person


class Unacknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """An own acknowledgement that was on its way was refused: it does not stand in the room."""

    message: EnvelopeId
    by: Person


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The room, or the own outbox, holds the record of a step of the own nation."""

    page: Page


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """The hooks of a step that was asked for have ended.

    Attributes:
        message: For which message.
        number: Which step.
        again: How often it was taken before.
        whom: Who was paged.
        reached: Whether any of them took it over.
    """

    message: EnvelopeId
    number: int
    again: int
    whom: str
    reached: bool


class RotaChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Another rota holds from here on."""

    rota: Rota


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """This device is not in a room any more, or the room is closed: nothing of it can be acknowledged.

    It may be added again: what arrives from there rings then as before.
    """

    room: RoomId


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """Time has passed."""


Input: TypeAlias = Arrived | Acknowledged | Unacknowledged | Told | Ran | RotaChanged | Gone | Tick

# ---- effects


class Ring(msgspec.Struct, frozen=True, kw_only=True):
    """Ring here, until `Quiet`."""

    call: Call


class Quiet(msgspec.Struct, frozen=True, kw_only=True):
    """Ring no longer for a message."""

    call: Call


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Run the hooks of a step, and give back `Ran`."""

    call: Call
    step: Step
    again: int


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the room."""

    call: Call
    number: int
    again: int
    whom: str
    result: Result


class Exhausted(msgspec.Struct, frozen=True, kw_only=True):
    """Say that all steps are used: the last one is taken again and again from here on.

    Attributes:
        call: For which message.
        whom: Whom the last step pages.
    """

    call: Call
    whom: str


Effect: TypeAlias = Ring | Quiet | Run | Record | Exhausted
