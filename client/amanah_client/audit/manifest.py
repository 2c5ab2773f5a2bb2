"""The manifest of an evidence bundle: what the file claims to be, in one encoding (`docs/protocol.md` section 12)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from amanah_client.moments import iso
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId

FORMAT: Final = "amanah evidence 1"
MAX_MANIFEST_BYTES: Final = 16 * 1024 * 1024

_Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
_Uint = Annotated[int, Meta(ge=0, le=2**63 - 1)]
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRange:
    """A room that is in the bundle whole between two places.

    Attributes:
        room: Its id.
        first: Place of its first entry.
        last: Place of its last entry here.
    """

    room: RoomId
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle claims.

    Attributes:
        origin: The log's.
        size: Leaves under its checkpoint, all of which are there, as entry or as bare hash.
        root: Its root.
        rooms: Rooms that are shown, ascending by id.
        control: Entries of the control stream.
        disclosed: Ids of the messages that are disclosed, in order.
        exported_ms: When it was made, as the exporter's device says.
        device: The exporter's device.
        organisation: Its organisation.
        certificate: Log index of its certificate.
        files: Name -> SHA-256 in hex of each member but the manifest and its signature, ascending by name.
    """

    origin: str
    size: int
    root: bytes
    rooms: tuple[RoomRange, ...]
    control: int
    disclosed: tuple[EnvelopeId, ...]
    exported_ms: int
    device: DeviceId
    organisation: OrgName
    certificate: int
    files: dict[str, str]

    def encode(self) -> bytes:
        """ASCII JSON with sorted keys, two spaces of indentation and one newline at the end."""
        rooms = [{"room": found.room.hex(), "first": found.first, "last": found.last} for found in self.rooms]
        value = {
            "format": FORMAT,
            "log": {"origin": self.origin, "size": self.size, "root": self.root.hex()},
            "complete": {"from": 0, "until": self.size, "rooms": rooms, "control": self.control},
            "disclosed": [envelope.hex() for envelope in self.disclosed],
            "exported": iso(self.exported_ms),
            "exporter": {
                "device": self.device.hex(),
                "organisation": self.organisation,
                "certificate": self.certificate,
            },
            "files": self.files,
        }
        return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode("ascii")


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An object of the manifest: just these fields."""


class _Log(_Struct, frozen=True):
    origin: str
    size: _Uint
    root: _Hash


class _Room(_Struct, frozen=True):
    room: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    first: _Uint
    last: _Uint


class _Complete(_Struct, frozen=True):
    until: _Uint
    rooms: tuple[_Room, ...]
    control: _Uint
    from_: Annotated[int, Meta(ge=0, le=0)] = msgspec.field(name="from")


class _Exporter(_Struct, frozen=True):
    device: _Hash
    organisation: str
    certificate: _Uint


class _Manifest(_Struct, frozen=True):
    format: str
    log: _Log
    complete: _Complete
    disclosed: tuple[_Hash, ...]
    exported: str
    exporter: _Exporter
    files: dict[str, _Hash]


_decoder: Final = msgspec.json.Decoder(_Manifest)


def decode_manifest(data: bytes) -> Manifest:
    """Read a manifest, strictly: what it says has one form.

    Raises:
        DecodeError: `UNKNOWN_VERSION`, `MALFORMED` or `NOT_CANONICAL`.
    """
    try:
        found = _decoder.decode(data)
        exported_ms = _milliseconds(found.exported)
    except (ValueError, RecursionError) as error:
        raise DecodeError(Code.MALFORMED, "the manifest does not parse") from error
    if found.format != FORMAT:
        raise DecodeError(Code.UNKNOWN_VERSION, "this bundle is of another version")
    manifest = Manifest(
        origin=found.log.origin,
        size=found.log.size,
        root=bytes.fromhex(found.log.root),
        rooms=tuple(
            RoomRange(room=RoomId(bytes.fromhex(room.room)), first=room.first, last=room.last)
            for room in found.complete.rooms
        ),
        control=found.complete.control,
        disclosed=tuple(EnvelopeId(bytes.fromhex(envelope)) for envelope in found.disclosed),
        exported_ms=exported_ms,
        device=DeviceId(bytes.fromhex(found.exporter.device)),
        organisation=OrgName(found.exporter.organisation),
        certificate=found.exporter.certificate,
        files=found.files,
    )
    # Doubled keys, another order or spacing, another size than the range: all that reads the same and is not.
    if found.complete.until != manifest.size or manifest.encode() != data:
        raise DecodeError(Code.NOT_CANONICAL, "the manifest is not in its one form")
    return manifest


def _milliseconds(text: str) -> int:
    if _TIME.fullmatch(text) is None:
        raise ValueError(text)
    at = datetime.fromisoformat(text).replace(tzinfo=UTC) - datetime.fromtimestamp(0, UTC)
    return (at.days * 86_400 + at.seconds) * 1000 + at.microseconds // 1000
