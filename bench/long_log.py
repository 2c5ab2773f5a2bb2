"""A store with a long log, written past the relay: as much as years of incidents leave behind.

Every entry is signed, linked and counted as a relay would have taken it, so that an auditor's
examination finds nothing wrong; what it takes to write it is no part of any measurement.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from amanah_protocol.endorse import decode_endorsed
from amanah_protocol.envelope import Envelope
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, LeafHash, OrgName, RoomId
from amanah_relay.effects import Append, Entry, Held, MemberRow, RoomRow
from amanah_relay.store import Store
from bench.community import Author, Device, Opening, Organisation, open_room

BATCH: Final = 500
STEP_MS: Final = 1
"""Between two batches: the log must not run ahead of the clock by which it is read."""


@dataclass(slots=True, kw_only=True)
class _Room:
    """A room and its senders."""

    opening: Opening
    authors: dict[DeviceId, Author]
    organisations: dict[DeviceId, OrgName]
    epoch: int = 0
    last: dict[DeviceId, tuple[int, EnvelopeId]] = field(default_factory=dict)


class LongLog:
    """The end of a store's log."""

    def __init__(self, store: Store, *, origin: str) -> None:
        """Go on behind the store's first leaf.

        Args:
            store: A store that was just made.
            origin: Its log's origin.
        """
        state = store.load()
        self._store = store
        self._origin = origin
        self._frontier = Frontier(state.size, state.edge)
        self._heads: dict[RoomId, tuple[int, LeafHash]] = {CONTROL: (state.control.head_seq, state.control.head_leaf)}
        self._now_ms = state.last_accepted_ms
        self._batches = 0

    @property
    def size(self) -> int:
        """Leaves."""
        return self._frontier.size

    def certify(self, organisations: Iterable[Organisation], devices: Iterable[Device]) -> None:
        """Log enrolments and certificates."""
        entries = []
        for organisation in organisations:
            record = decode_endorsed(organisation.enrolment).record
            entries.append(self._entry(LeafType.ENROLMENT, CONTROL, record, document=organisation.enrolment))
        entries += [self._entry(LeafType.CERTIFICATE, CONTROL, device.certificate.encoded) for device in devices]
        self._append(entries, [])

    def talk(self, devices: list[Device], rooms: int, messages: int) -> None:
        """Open rooms in which the devices are, and have them talk.

        Args:
            devices: At most 97.
            rooms: How many rooms.
            messages: How many messages, in all.
        """
        opened = [self._open(devices[number % len(devices)], devices) for number in range(rooms)]
        for first in range(0, messages, BATCH):
            count = min(BATCH, messages - first)
            drafts = [self._message(opened[(first + number) % rooms], first + number) for number in range(count)]
            self._append([entry for _, entry in drafts], [room for room, _ in drafts])

    def _open(self, creator: Device, devices: list[Device]) -> _Room:
        others = [device for device in devices if device.id != creator.id]
        opening = open_room(creator, others, origin=self._origin, now_ms=self._now_ms)
        authors = {device.id: Author(device, opening.room) for device in others}
        room = _Room(
            opening=opening,
            authors={creator.id: opening.creator, **authors},
            organisations={device.id: device.certificate.organisation for device in devices},
        )
        first = [self._envelope(room, made, sealed) for made, sealed in opening.create]
        self._append(first, [room])
        room.epoch = 1
        self._append([self._envelope(room, made, sealed) for made, sealed in opening.commit], [room])
        return room

    def _message(self, room: _Room, number: int) -> tuple[_Room, Entry]:
        author = tuple(room.authors.values())[number // 7 % len(room.authors)]
        members = room.opening.members
        made, sealed = author.message(secrets.token_bytes(16), epoch=1, audience=members, now_ms=self._now_ms)
        return room, self._envelope(room, made, sealed)

    def _envelope(self, room: _Room, made: Envelope, sealed: bytes) -> Entry:
        room.last[made.header.kid] = made.header.counter, made.id
        return self._entry(LeafType.ENVELOPE, room.opening.room, made.encoded, envelope=made, sealed=sealed)

    def _entry(
        self,
        leaf_type: LeafType,
        room: RoomId,
        data: bytes,
        *,
        document: bytes | None = None,
        envelope: Envelope | None = None,
        sealed: bytes | None = None,
    ) -> Entry:
        seq, previous = self._heads.get(room, (0, LeafHash(ZERO_32)))
        leaf = Leaf(
            type=leaf_type,
            accepted_at_ms=self._now_ms,
            room=room,
            room_seq=seq + 1,
            previous=previous,
            object=data,
        )
        self._heads[room] = seq + 1, leaf.hash
        index = self._frontier.size
        self._frontier.append(leaf.hash)
        header = None if envelope is None else envelope.header
        return Entry(
            index=index,
            type=leaf_type,
            room=room,
            room_seq=seq + 1,
            accepted_at_ms=self._now_ms,
            previous=previous,
            hash=leaf.hash,
            object=data,
            envelope=None if envelope is None else envelope.id,
            kid=None if header is None else header.kid,
            payload=None if envelope is None else envelope.payload,
            content=sealed,
            document=document,
            membership=header is not None and header.kind.value in (1, 2),
        )

    def _append(self, entries: list[Entry], rooms: list[_Room]) -> None:
        self._batches += 1
        changed = {room.opening.room: room for room in rooms}
        held: dict[OrgName, int] = {}
        for entry in entries:
            if entry.content and entry.kid is not None:
                organisation = changed[entry.room].organisations[entry.kid]
                held[organisation] = held.get(organisation, 0) + len(entry.content)
        self._store.append(
            Append(
                batch=self._batches,
                first=entries[0].index,
                root=self._frontier.root(),
                edge=self._frontier.edge,
                accepted_at_ms=self._now_ms,
                entries=tuple(entries),
                rooms=tuple(self._row(room) for room in changed.values()),
                members=tuple(member for room in changed.values() for member in self._members(room)),
                held=tuple(Held(organisation=name, size=size) for name, size in held.items()),
            )
        )
        if self._store.checkpoint_due:
            self._store.checkpoint()
        self._now_ms += STEP_MS

    def _row(self, room: _Room) -> RoomRow:
        seq, leaf = self._heads[room.opening.room]
        create = room.opening.create[0][0].encoded
        return RoomRow(room=room.opening.room, create=create, epoch=room.epoch, head_seq=seq, head_leaf=leaf)

    def _members(self, room: _Room) -> Iterable[MemberRow]:
        creator = room.opening.creator.device.id
        for device in room.opening.members if room.epoch else (creator,):
            counter, last = room.last.get(device, (0, EnvelopeId(ZERO_32)))
            yield MemberRow(
                room=room.opening.room,
                device=device,
                organisation=room.organisations[device],
                added_seq=1 if device == creator else 2,
                removed_seq=None,
                cursor=0,
                last_counter=counter,
                last_id=last,
            )
