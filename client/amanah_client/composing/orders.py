"""What a line asks for: a closed union that each face carries out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from amanah_protocol.content.bodies import Said
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import EnvelopeId, OrgName


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """Say this, with the label, the permissible actions and the precedence that the composer shows."""

    body: Said


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledging:
    """Acknowledge a message."""

    message: EnvelopeId
    grade: Grade


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluding:
    """Record how a proposal ended."""

    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """Change what the composer puts on what is said next; None stays as it is."""

    label: Label | None = None
    pap: Pap | None = None
    precedence: Precedence | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabelling:
    """Give a message that was sent another label."""

    message: EnvelopeId
    label: Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Inviting:
    """Invite a nation."""

    organisation: OrgName


@dataclass(frozen=True, slots=True, kw_only=True)
class Attaching:
    """Attach a file of this machine; no path asks for one."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporting:
    """Write the report of the room to a file; no path leaves the name to the face."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowingMembers:
    """Show who is in the room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingToSign:
    """Say that the incident is closed, and ask all nations of the room to sign off.

    Attributes:
        days: How many days they have.
    """

    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningOff:
    """Sign off for the own nation.

    Attributes:
        anyway: Also where this device has other facts than were asked.
    """

    anyway: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingClosing:
    """Record that the closing stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helping:
    """Show the commands, or how one is used.

    Attributes:
        command: Its name; None for all.
    """

    command: str | None = None


Order: TypeAlias = (
    Saying | Acknowledging | Concluding | Marking | Relabelling | Inviting | Attaching | Saving | Searching | Exporting
    | ShowingMembers | AskingToSign | SigningOff | RecordingClosing | Helping
)  # fmt: skip
