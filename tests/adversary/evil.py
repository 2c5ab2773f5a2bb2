"""A hostile relay: the real core and the real store, under the hand of whoever runs them.

`EvilRelay` is the simulation's relay shell. An `Attack` sees everything between its core, its store
and its clients, and may change, hold back, repeat or invent any of it. It has the relay's keys, so
whatever it invents is signed as the relay signs.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Final

from amanah_protocol import frames
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import DecodeError, PeerError
from amanah_protocol.kinds import Commit, Create, Welcome
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import CONTROL, DeviceId, EnvelopeId, OrgName, RoomId
from amanah_relay.core.parts import Books
from amanah_relay.core.replies import Publisher
from amanah_relay.core.sequencer import Draft, Unit
from amanah_relay.effects import Append, Cosign, SessionId, Tree
from amanah_relay.inputs import Appended, Input, Tick
from amanah_relay.state import Member, Room
from tests.adversary.attack import Attack, Out, Planted
from tests.simulation.network import Connection
from tests.simulation.relay_shell import Change, RelayShell

FOR_EVER_MS: Final = 2**62
_HELLO: Final = b"\x01"
"""The tag of `frames.Hello`, as it stands behind the array's head."""


class EvilRelay(RelayShell):
    """The relay under an attack; `bent_by` gives it one."""

    attack: Attack = Attack()

    # ---- what it knows

    @property
    def key(self) -> SigningKey:
        """Signs logins, receipts and heads: the relay's own."""
        return self._community.relay_key

    @property
    def books(self) -> Books:
        """The core's picture of rooms, members and log."""
        assert self._core is not None
        return self._core._parts.loaded()

    def room(self, room: RoomId) -> Room:
        """A room as the core knows it."""
        return self.books.state.rooms[room]

    def member(self, room: RoomId, device: DeviceId) -> Member:
        """A device's record in a room; one that was never in it has none yet."""
        return self.room(room).members.get(device) or Member(device=device, organisation=OrgName(""), added_seq=0)

    @property
    def devices(self) -> dict[SessionId, DeviceId]:
        """Who says to sit behind each session."""
        return self.__dict__.setdefault("_devices", {})  # type: ignore[no-any-return]  # made on first use

    def sessions_of(self, device: DeviceId) -> list[SessionId]:
        """Open sessions of a device."""
        return [session for session, known in self.devices.items() if known == device and session in self._sessions]

    # ---- frames, both ways

    def _receive(self, session: SessionId, data: bytes) -> None:
        if data[1:2] == _HELLO:
            self._note_hello(session, data)
        device = self.devices.get(session)
        if self.attack.on_receive(self, device, data):
            super()._receive(session, data)

    def _note_hello(self, session: SessionId, data: bytes) -> None:
        try:
            hello = frames.decode_login_frame(data)
        except DecodeError:
            return
        if isinstance(hello, frames.Hello):
            self.devices[session] = DeviceId(hello.device)

    def _write(self, session: SessionId, data: tuple[bytes, ...]) -> None:
        connection, to = self._sessions.get(session), self.devices.get(session)
        if connection is None:
            return
        for encoded in data:
            frame = frames.decode_relay_frame(encoded)
            bent = (frame,) if to is None else tuple(self._bend(to, frame))
            if bent == (frame,):
                super()._write(session, (encoded,))
            else:
                self._lie(connection, bent)

    @staticmethod
    def _lie(connection: Connection, out: Iterable[Out]) -> None:
        """Write what no honest relay has said: it is no part of the record that invariants are held against."""
        for frame in out:
            connection.to_client(frame if isinstance(frame, bytes) else frames.encode_frame(frame))

    def say(self, to: DeviceId, *out: Out) -> None:
        """Write frames or bytes of its own to a device."""
        for session in self.sessions_of(to):
            self._lie(self._sessions[session], out)

    def hear(self, device: DeviceId, data: bytes) -> None:
        """Take bytes as if a device had sent them over its connection."""
        for session in self.sessions_of(device):
            self._receive(session, data)

    def _bend(self, to: DeviceId, frame: frames.RelayFrame) -> Iterable[Out]:
        match frame:
            case frames.Delivery():
                return self.attack.on_deliver(self, to, frame)
            case frames.KeyPackages():
                return self.attack.on_keypackage(self, to, frame)
            case frames.ControlEntry():
                return self.attack.on_roster(self, to, frame)
            case frames.Challenge() | frames.Ready():
                return self.attack.on_login(self, to, frame)
            case frames.Head() | frames.Checkpoint() | frames.PageEnd() | frames.Path() | frames.Stored():
                return self.attack.on_checkpoint(self, to, frame)
            case _:
                return self.attack.on_other(self, to, frame)

    def cut(self, device: DeviceId) -> None:
        """Break the connections of a device."""
        for session in self.sessions_of(device):
            self._sessions[session].cut()

    # ---- the store

    def _apply(self, effect: Append | Change) -> Input:
        if not isinstance(effect, Append):
            return super()._apply(effect)
        freed = self.store.append(effect)
        with suppress(PeerError):  # what was planted need not be what it says
            self._record.stored(effect)
        self.attack.on_store(self, effect)
        return Appended(batch=effect.batch, freed=freed)

    def log(self, room_id: RoomId, *planted: Planted, waiter: Publisher | None = None) -> int:
        """Put entries into a room past all checks, so that log, heads and receipts agree with each other.

        Gives the place of the last.

        Args:
            room_id: The room; a planted `create` makes it.
            planted: The entries, in the order of the log.
            waiter: Whose publish this answers.
        """
        books = self.books
        unit = Unit(at_ms=books.at_ms(self.clock_ms), until_ms=FOR_EVER_MS)
        for entry in planted:
            room = self._make_room(room_id, entry)
            room.head_seq += 1
            unit.drafts.append(_draft(room, entry))
            if entry.tree is not None:
                unit.trees.append(Tree(hash=sha256(entry.tree), room=room_id, room_seq=room.head_seq, data=entry.tree))
            self._move(room, unit, entry)
        contents = sum(len(draft.content or b"") for draft in unit.drafts)
        unit.held[OrgName("")] = contents + sum(len(tree.data) for tree in unit.trees)
        # What the core remembers of who is in, it has from commits that it admitted.
        books.admission._audiences.pop(room_id, None)
        if waiter is not None:
            unit.waiters.append(waiter)
        place = books.state.rooms[room_id].head_seq
        books.enqueue(unit)
        self.handle(Tick())
        return place

    def log_control(self, leaf_type: LeafType, signed: bytes, document: bytes | None = None) -> int:
        """Put an object into the control stream past all checks; gives its sequence there."""
        books = self.books
        books.state.control.head_seq += 1
        draft = Draft(
            key=_fresh_id(),
            type=leaf_type,
            room=CONTROL,
            room_seq=books.state.control.head_seq,
            object=signed,
            document=document,
        )
        books.enqueue(Unit(at_ms=books.at_ms(self.clock_ms), until_ms=FOR_EVER_MS, drafts=[draft]))
        self.handle(Tick())
        return draft.room_seq

    def remember(self, room_id: RoomId, envelope: Envelope) -> None:
        """Count an envelope in its sender's record, wherever it went."""
        room, header = self.room(room_id), envelope.header
        member = self.member(room_id, header.kid)
        room.members[header.kid] = replace(member, last_counter=header.counter, last_id=envelope.id)

    def _make_room(self, room_id: RoomId, entry: Planted) -> Room:
        rooms = self.books.state.rooms
        specific = None if entry.envelope is None else entry.envelope.header.specific
        if room_id not in rooms and isinstance(specific, Create):
            rooms[room_id] = Room(room=room_id, create=specific)
        return rooms[room_id]

    @staticmethod
    def _move(room: Room, unit: Unit, entry: Planted) -> None:
        """What the core's picture has to follow, so that honest publishes behind it are admitted."""
        if entry.envelope is not None and entry.envelope.header.room == room.room:
            header = entry.envelope.header
            own = room.members.get(header.kid)
            if isinstance(header.specific, Create):
                unit.creates[room.room] = entry.object
                own = Member(device=header.kid, organisation=header.specific.owner, added_seq=1)
            if isinstance(header.specific, Commit):
                room.epoch += 1
                for device in header.specific.added:
                    _put(room, unit, Member(device=device, organisation=OrgName(""), added_seq=room.head_seq))
                for device in header.specific.removed:
                    _put(room, unit, replace(room.members[device], removed_seq=room.head_seq))
            if own is not None and header.counter > own.last_counter:
                _put(room, unit, replace(own, last_counter=header.counter, last_id=entry.envelope.id))
        unit.rooms[room.room] = room.epoch

    def _cosign(self, wanted: Cosign) -> None:
        """Which witnesses see what, if any, is the attack's choice."""

    # ---- time

    def _tick(self) -> None:
        self.attack.on_time(self)
        super()._tick()


_ids: Final = count(1)


def _fresh_id() -> bytes:
    """An id that the store has not seen: it keeps each once, and the same envelope is planted again and again."""
    return sha256(b"planted %d" % next(_ids))


def _draft(room: Room, entry: Planted) -> Draft:
    key = _fresh_id()
    header = None if entry.envelope is None else entry.envelope.header
    specific = None if header is None or header.room != room.room else header.specific
    return Draft(
        key=key,
        type=LeafType.ENVELOPE,
        room=room.room,
        room_seq=room.head_seq,
        object=entry.object,
        envelope=EnvelopeId(key),
        kid=DeviceId(bytes(32)) if header is None else header.kid,
        payload=sha256(entry.content),
        content=entry.content,
        addressees=specific.addressees if isinstance(specific, Welcome) else None,
        added=specific.added if isinstance(specific, Commit) else (),
        removed=specific.removed if isinstance(specific, Commit) else (),
        membership=isinstance(specific, Create | Commit),
    )


def _put(room: Room, unit: Unit, member: Member) -> None:
    room.members[member.device] = unit.members[room.room, member.device] = member


def bent_by(attack: Attack) -> type[EvilRelay]:
    """The relay of an attack, as `world.Build` takes it."""
    return type("BentRelay", (EvilRelay,), {"attack": attack})
