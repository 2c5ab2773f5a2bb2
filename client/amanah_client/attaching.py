"""What is asked for about files: to attach one, and to fetch the sealed bytes of one."""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_protocol.content.file import OCTETS, File
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class Attach:
    """A file for a room, sealed already (`spool`); the message goes out when all of it is at the relay.

    Attributes:
        room: The room.
        name: The file's name.
        type: Its media type.
        size: Bytes of the file.
        digest: SHA-256 of them.
        key: What it was sealed with.
        attachment: SHA-256 of the sealed bytes.
        sample: Whether it may be harmful.
        text: What is said of it.
        label: Its label.
        pap: What receivers may do with it.
        precedence: How urgent it is.
        circle: As `Say.circle`.
    """

    room: RoomId
    name: str = field(repr=False)
    type: str = field(repr=False, default=OCTETS)
    size: int
    digest: bytes = field(repr=False)
    key: bytes = field(repr=False)
    attachment: bytes
    sample: bool = False
    text: str = field(repr=False, default="")
    label: Label
    pap: Pap = Pap.AMBER
    precedence: Precedence = Precedence.ROUTINE
    circle: tuple[DeviceId, ...] = ()

    @property
    def body(self) -> File:
        """What its message says."""
        return File(
            name=self.name,
            type=self.type,
            size=self.size,
            digest=self.digest,
            key=self.key,
            attachment=self.attachment,
            sample=self.sample,
            text=self.text,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """The sealed bytes of a file that somebody attached: all of them, verified, in this profile."""

    room: RoomId
    envelope: EnvelopeId
