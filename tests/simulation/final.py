"""How a world ends: the relay's log as stored, and every client's store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from amanah_client import model
from amanah_protocol import limits
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.kinds import Commit, Create, Delivered, Erase
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from amanah_relay.effects import Entry, ReadEntries, ReadLog
from tests.simulation.history import History, Revoked

if TYPE_CHECKING:
    from tests.simulation.relay_store import RelayStore
    from tests.simulation.world import World

EVERYTHING: Final = 2**40
_decoded: dict[bytes, Envelope] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An envelope in its place.

    Attributes:
        entry: As stored.
        envelope: Decoded.
        content: Sealed content, None where it was erased.
        members: Who is in the room behind it.
    """

    entry: Entry
    envelope: Envelope
    content: bytes | None
    members: frozenset[DeviceId]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that invariants are held against.

    Attributes:
        seed: Of the world.
        history: What happened.
        log: Every leaf.
        rooms: By room, its envelopes in order.
        messages: By device, all rows of its store.
        intents: By device and id, the intents as they ended.
        pending: What was under way when nothing should have been.
        names: What the simulation calls each device.
    """

    seed: int
    history: History
    log: tuple[Entry, ...]
    rooms: dict[RoomId, tuple[Logged, ...]]
    messages: dict[DeviceId, tuple[model.MessageRow, ...]]
    intents: dict[DeviceId, dict[str, model.Intent]]
    pending: tuple[str, ...]
    names: dict[DeviceId, str]

    @cached_property
    def logged(self) -> dict[EnvelopeId, list[Logged]]:
        """Every envelope's places; one each, if all is well."""
        found: dict[EnvelopeId, list[Logged]] = {}
        for entries in self.rooms.values():
            for logged in entries:
                found.setdefault(logged.envelope.id, []).append(logged)
        return found

    @cached_property
    def erased(self) -> frozenset[tuple[DeviceId, EnvelopeId]]:
        """What devices hold for erased and an `erase` in the log names."""
        named = {
            envelope
            for entries in self.rooms.values()
            for logged in entries
            if isinstance(specific := logged.envelope.header.specific, Erase)
            for envelope in specific.envelopes
        }
        return frozenset(
            (device, row.envelope)
            for device, rows in self.messages.items()
            for row in rows
            if row.state is model.MessageState.ERASED and row.envelope in named
        )

    @cached_property
    def confirmed(self) -> dict[RoomId, int]:
        """Up to where all who are in each room have said that they have it; who was added later, from there on."""
        return {room: _confirmed(entries) for room, entries in self.rooms.items()}

    @cached_property
    def revoked(self) -> dict[DeviceId, int]:
        """When each revoked device was revoked."""
        return {event.device: event.at_ms for event in reversed(list(self.history.of(Revoked)))}


def read_log(store: RelayStore) -> tuple[Entry, ...]:
    """Every leaf, without contents."""
    return store.read_log(ReadLog(token=0, first=0, until=EVERYTHING)).entries


def read_room(store: RelayStore, room: RoomId) -> tuple[Logged, ...]:
    """All envelopes of a room, with who was in it behind each."""
    return tuple(_with_members(_entries(store, room)))


def _entries(store: RelayStore, room: RoomId) -> Iterator[Entry]:
    after = 0
    while True:
        wanted = ReadEntries(token=0, room=room, after=after, limit=limits.MAX_PAGE, max_bytes=EVERYTHING)
        page = store.read_entries(wanted)
        for stored in page.entries:
            after = stored.entry.room_seq
            yield stored.entry
        if not page.more:
            return


def _with_members(entries: Iterator[Entry]) -> Iterator[Logged]:
    members: frozenset[DeviceId] = frozenset()
    for entry in entries:
        envelope = decoded(entry.object)
        specific = envelope.header.specific
        if isinstance(specific, Create):
            members = frozenset({envelope.header.kid})
        elif isinstance(specific, Commit):
            members = (members | set(specific.added)) - set(specific.removed)
        yield Logged(entry=entry, envelope=envelope, content=entry.content, members=members)


def _confirmed(entries: tuple[Logged, ...]) -> int:
    has: dict[DeviceId, int] = {}
    for logged in entries:
        specific = logged.envelope.header.specific
        if isinstance(specific, Commit):
            has |= dict.fromkeys(specific.added, logged.entry.room_seq - 1)
        elif isinstance(specific, Delivered):
            kid = logged.envelope.header.kid
            has[kid] = max(specific.room_seq, has.get(kid, 0))
    return min((has.get(device, 0) for device in entries[-1].members), default=len(entries))


def decoded(data: bytes) -> Envelope:
    """An envelope; the same bytes are decoded once."""
    found = _decoded.get(data)
    if found is None:
        if len(_decoded) > 20_000:
            _decoded.clear()
        found = _decoded[data] = decode_envelope(data)
    return found


def collect(world: World) -> Outcome:
    """How a world stands now."""
    store = world.relay.store
    log = read_log(store)
    rooms = {entry.room: None for entry in log if entry.type is LeafType.ENVELOPE}
    devices = {shell.device.id: shell for shell in world.clients.values()}
    return Outcome(
        seed=world.plan.seed,
        history=world.history,
        log=log,
        rooms={room: read_room(store, room) for room in rooms},
        messages={
            device: tuple(
                row for room in shell.store.rooms() for row in shell.store.messages(room.room, limit=EVERYTHING)
            )
            for device, shell in devices.items()
        },
        intents={
            device: {intent.id: intent for intent in shell.store.intents(*model.IntentState)}
            for device, shell in devices.items()
        },
        pending=tuple(world.pending),
        names=world.community.names,
    )
