"""Rooms, nations and devices of the record, each with what is said of it on its page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from amanah_client.audit.record import Record
from amanah_client.audit.report import RoomSummary, Who
from amanah_client.console.state import Examined
from amanah_protocol.types import DeviceId, OrgName, RoomId

_STAYS = """
    SELECT room.room, stay.device, entered."index", entered.accepted_ms, gone."index", gone.accepted_ms
    FROM stay JOIN room ON room.number = stay.room
    LEFT JOIN entry AS entered ON entered."index" = stay.added LEFT JOIN entry AS gone ON gone."index" = stay.removed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """A stay of a device in a room: between which entries it could read.

    Attributes:
        room: The room.
        who: The device.
        added: Log index of the entry that let it in.
        added_ms: The relay's time of that entry; None when the entry is not in scope.
        removed: Log index of the commit that removed it; None while it is in.
        removed_ms: The relay's time of that.
    """

    room: RoomId
    who: Who
    added: int | None
    added_ms: int | None
    removed: int | None
    removed_ms: int | None


def stays(record: Record, where: str, *values: object) -> list[Stay]:
    """Stays by what follows `FROM stay JOIN room`, in log order."""
    found = record.select(f"{_STAYS} {where} ORDER BY stay.added", *values)
    return [
        Stay(room=RoomId(room), who=record.who(device), added=added, added_ms=at, removed=removed, removed_ms=gone)
        for room, device, added, at, removed, gone in found
    ]


# ---- rooms


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time in which so many devices of a nation were in a room."""

    nation: OrgName
    from_ms: int
    to_ms: int
    devices: int


def circle(room: RoomSummary) -> list[Span]:
    """The circle of a room over time, by nation: from its first entry to its last one."""
    opener = () if room.opened_by is None else ((room.opened_by.organisation, 1),)
    steps = [(room.first_ms, opener), *((change.accepted_at_ms, change.members) for change in room.changes)]
    spans: list[Span] = []
    for (begin, members), (end, _) in pairwise([*steps, (room.last_ms, ())]):
        spans.extend(Span(nation=name, from_ms=begin, to_ms=end, devices=count) for name, count in members)
    return _merged(spans)


def _merged(spans: list[Span]) -> list[Span]:
    """Stretches of the same number of devices, one after the other, as one."""
    open_spans: dict[OrgName, Span] = {}
    done: list[Span] = []
    for span in spans:
        last = open_spans.get(span.nation)
        if last is not None and last.to_ms == span.from_ms and last.devices == span.devices:
            span = Span(nation=span.nation, from_ms=last.from_ms, to_ms=span.to_ms, devices=span.devices)  # noqa: PLW2901 - it takes the last one in
        elif last is not None:
            done.append(last)
        open_spans[span.nation] = span
    return sorted([*done, *open_spans.values()], key=lambda span: (span.nation, span.from_ms))


# ---- nations


@dataclass(frozen=True, slots=True, kw_only=True)
class NationLine:
    """One nation in the list.

    Attributes:
        name: Its name; "" for devices without a certificate in the record.
        devices: Its devices in the record.
        revoked: Those of them that were revoked.
        rooms: Rooms in which it is or was.
        sent: Entries that its devices sent.
    """

    name: OrgName
    devices: int
    revoked: int
    rooms: int
    sent: int


def nations(examined: Examined) -> list[NationLine]:
    """The nations that the record speaks of."""
    return examined.once("nations", lambda: _nations(examined.record))


def _nations(record: Record) -> list[NationLine]:
    rooms = dict(
        record.select(
            "SELECT organisation, count(DISTINCT room) FROM stay JOIN device ON number = stay.device"
            " GROUP BY organisation"
        )
    )
    sent: Counter[str] = Counter()
    for device, count in record.select("SELECT sender, count(*) FROM entry GROUP BY sender"):
        sent[record.who(device).organisation] += count
    query = "SELECT organisation, count(*), count(revoked) FROM device GROUP BY organisation ORDER BY organisation"
    return [
        NationLine(name=OrgName(name), devices=devices, revoked=revoked, rooms=rooms.get(name, 0), sent=sent[name])
        for name, devices, revoked in record.select(query)
    ]


# ---- devices


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLine:
    """One device.

    Attributes:
        who: The device.
        certified: Log index of its certificate; None when none was logged before.
        revoked: Log index of its revocation.
        compromised_ms: Since when its organisation says that its key was in wrong hands.
        sent: Entries that it sent.
    """

    who: Who
    certified: int | None
    revoked: int | None
    compromised_ms: int | None
    sent: int


def devices(record: Record, where: str = "", *values: object, limit: int = 500) -> list[DeviceLine]:
    """Devices by what follows `FROM device`, by nation, at most so many."""
    known = "SELECT number, certified, revoked, compromised_ms FROM device"
    query = f"{known} {where} ORDER BY organisation, number LIMIT {limit}"
    found = record.select(query, *values)
    marks = ", ".join("?" * len(found))
    counted = f"SELECT sender, count(*) FROM entry WHERE sender IN ({marks}) GROUP BY sender"  # noqa: S608 - marks alone
    sent = dict(record.select(counted, *(row[0] for row in found)))
    return [
        DeviceLine(
            who=record.who(number),
            certified=certified,
            revoked=revoked,
            compromised_ms=compromised,
            sent=sent.get(number, 0),
        )
        for number, certified, revoked, compromised in found
    ]


def device(record: Record, identifier: DeviceId) -> DeviceLine | None:
    """One device by its id."""
    return next(iter(devices(record, "WHERE device = ?", identifier)), None)
