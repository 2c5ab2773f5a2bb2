"""What a device shows, and what an attack must not change of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_client import effects as e
from amanah_client import model
from amanah_client.model import Alarm, RoomStatus
from amanah_protocol import cbor
from amanah_protocol.content.bodies import AlertBatch, RoomInfo
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.simulation.client_store import MemoryClientStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An entry of a room as its readers are shown it.

    Attributes:
        sender: Who, by the simulation's name.
        kind: Its kind.
        label: The label that counts.
        text: What it says: a text, the titles of alerts, a room's title, "" for the rest.
    """

    sender: str
    kind: Kind
    label: Label
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """What a device holds of a room's group.

    Attributes:
        status: Where the room stands.
        title: Its title.
        epoch: The epoch, -1 without keys.
        members: Who is in.
        secret: What the members of this epoch alone can derive.
    """

    status: RoomStatus
    title: str
    epoch: int
    members: tuple[str, ...]
    secret: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What an attack must not change at an honest client: circles, who is who, and what was said."""

    circles: tuple[tuple[RoomId, Circle], ...]
    roster: bytes
    control: bytes
    said: tuple[tuple[RoomId, tuple[Said, ...]], ...]


@dataclass(slots=True, kw_only=True)
class TellingStore(MemoryClientStore):
    """A client's store that shows its alarms.

    Attributes:
        raised: All of them, oldest first.
    """

    raised: list[Alarm] = field(default_factory=list)

    def commit(self, writes: tuple[e.Write, ...]) -> None:
        """All writes, or none."""
        MemoryClientStore.commit(self, writes)  # a class with slots is made anew, and `super` would not know it
        self.raised += [write.alarm for write in writes if isinstance(write, e.PutAlarm)]


def text_of(row: model.MessageRow) -> str:
    """What a row says: a text, a title in brackets, the titles of alerts; "" for the rest."""
    if not row.content:
        return ""
    match decode_content(row.content).body:
        case Text(text=text):
            return text
        case RoomInfo(title=title):
            return f"[{title}]"
        case AlertBatch(alerts=alerts):
            return ", ".join(alert.title for alert in alerts)
        case _:
            return ""


def evidence(alarm: Alarm) -> list[bytes]:
    """The bytes that prove an alarm."""
    value = cbor.decode(alarm.evidence, max_bytes=1 << 20) if alarm.evidence else []
    assert isinstance(value, list)
    return [item for item in value if isinstance(item, bytes)]
