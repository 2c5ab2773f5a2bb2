"""What a line asks for: a closed union that each face carries out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from amanah_protocol.content.bodies import Said
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import EnvelopeId, OrgName


class Saying(msgspec.Struct, frozen=True, kw_only=True):
    """Say this, with the label, the permissible actions and the precedence that the composer shows."""

    body: Said


class Acknowledging(msgspec.Struct, frozen=True, kw_only=True):
    """Acknowledge a message."""

    message: EnvelopeId
    grade: Grade


class Concluding(msgspec.Struct, frozen=True, kw_only=True):
    """Record how a proposal ended."""

    ordinal: int


class Marking(msgspec.Struct, frozen=True, kw_only=True):
    """Change what the composer puts on what is said next; None stays as it is."""

    label: Label | None = None
    pap: Pap | None = None
    precedence: Precedence | None = None


class Relabelling(msgspec.Struct, frozen=True, kw_only=True):
    """Give a message that was sent another label."""

    message: EnvelopeId
    label: Label


class Inviting(msgspec.Struct, frozen=True, kw_only=True):
    """Invite a nation."""

    organisation: OrgName


class Attaching(msgspec.Struct, frozen=True, kw_only=True):
    """Attach a file of this machine; no path asks for one."""

    path: str


class Saving(msgspec.Struct, frozen=True, kw_only=True):
    """Save the file of a message in a folder of this machine; no folder leaves it to the face.

    Attributes:
        message: The message; None for the file that is marked, or came last.
        folder: The folder.
    """

    message: EnvelopeId | None
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Searching:
    """Search what is stored."""

    query: str = field(repr=False)


class Exporting(msgspec.Struct, frozen=True, kw_only=True):
    """Write the report of the room to a file; no path leaves the name to the face."""

    path: str


class ShowingMembers(msgspec.Struct, frozen=True, kw_only=True):
    """Show who is in the room."""


class AskingToSign(msgspec.Struct, frozen=True, kw_only=True):
    """Say that the incident is closed, and ask all nations of the room to sign off.

    Attributes:
        days: How many days they have.
    """

    days: int


class SigningOff(msgspec.Struct, frozen=True, kw_only=True):
    """Sign off for the own nation.

    Attributes:
        anyway: Also where this device has other facts than were asked.
    """

    anyway: bool


class RecordingClosing(msgspec.Struct, frozen=True, kw_only=True):
    """Record that the closing stands."""


class Helping(msgspec.Struct, frozen=True, kw_only=True):
    """Show the commands, or how one is used.

    Attributes:
        command: Its name; None for all.
    """

    command: str | None = None


Order: TypeAlias = (
    Saying | Acknowledging | Concluding | Marking | Relabelling | Inviting | Attaching | Saving | Searching | Exporting
    | ShowingMembers | AskingToSign | SigningOff | RecordingClosing | Helping
)  # fmt: skip
