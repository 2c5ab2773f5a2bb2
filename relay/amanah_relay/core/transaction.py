"""One publish being admitted: changes the picture as it goes, and takes all of it back on a refusal.

Members are replaced, never changed: the objects that a unit or the ledger holds stay what they were.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar, assert_never

from amanah_protocol.envelope import Envelope
from amanah_protocol.identity import Role
from amanah_protocol.kinds import (
    Ack,
    Alert,
    Commit,
    Counts,
    Create,
    Decision,
    Delivered,
    Egress,
    Erase,
    Grant,
    IntakeKey,
    Message,
    Refuse,
    Relabel,
    Repair,
    Specific,
    Welcome,
)
from amanah_protocol.labels import Precedence
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId
from amanah_relay.core.sequencer import Draft, Unit
from amanah_relay.effects import Attached, Erasure, Standing, Tree
from amanah_relay.quotas import Charge, put_back
from amanah_relay.state import Member, RelayState, Room

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What of an envelope's kind goes into its draft and its sender's row."""

    added: tuple[DeviceId, ...] = ()
    removed: tuple[DeviceId, ...] = ()
    addressees: tuple[DeviceId, ...] | None = None
    cursor: int = 0


class Transaction:
    """Applies admitted envelopes to the state and builds their unit."""

    def __init__(
        self,
        state: RelayState,
        *,
        sender: DeviceId,
        organisation: OrgName,
        first: int,
        at_ms: int,
        until_ms: int,
    ) -> None:
        """Begin.

        Args:
            state: The picture; changed in place.
            sender: The device that publishes.
            organisation: Its organisation.
            first: Log index of the first envelope that is applied.
            at_ms: Time of admission.
            until_ms: Until when the sender's certificate is valid.
        """
        self._state = state
        self._sender = sender
        self._organisation = organisation
        self._first = first
        self._undo: list[Callable[[], object]] = []
        self._added: dict[RoomId, set[DeviceId]] = {}
        self.unit = Unit(at_ms=at_ms, until_ms=until_ms)

    def unwelcomed(self, room: RoomId) -> set[DeviceId]:
        """Devices that this publish added to a room and that no welcome of it addresses yet."""
        return self._added.get(room, set())

    def rest_on(self, until_ms: int) -> None:
        """What is admitted holds until this time only."""
        self.unit.until_ms = min(self.unit.until_ms, until_ms)

    def charge(self, charges: list[Charge]) -> None:
        """Something was taken from quotas."""
        self.unit.charges.extend(charges)

    def put(self, mapping: MutableMapping[K, V], key: K, value: V) -> None:
        """Set a key, so that it can be taken back."""
        if key in mapping:
            self._undo.append(partial(mapping.__setitem__, key, mapping[key]))
        else:
            self._undo.append(partial(mapping.pop, key, None))
        mapping[key] = value

    def roll_back(self) -> None:
        """Take everything back."""
        for undo in reversed(self._undo):
            undo()
        put_back(self.unit.charges)

    def open_room(self, room_id: RoomId, create: Create) -> Room:
        """A room without entries and with nobody in it; `apply` of its create does the rest."""
        room = Room(room=room_id, create=create)
        self.put(self._state.rooms, room_id, room)
        return room

    def apply(self, room: Room, envelope: Envelope, content: bytes, tree: bytes | None) -> None:
        """Give the envelope its place in the room and do what its kind says.

        Args:
            room: Its room.
            envelope: Every check has passed.
            content: Its sealed content.
            tree: The staged tree that a welcome names.
        """
        header = envelope.header
        self._undo.append(partial(_restore, room, room.epoch, room.head_seq))
        room.head_seq += 1
        seq = room.head_seq
        said = self._say(room, header.specific, envelope, tree)
        self._hold(len(content) + len(tree or b""))
        self._advance(room, header.counter, envelope.id, said.cursor)
        self.unit.rooms[room.room] = room.epoch
        self.unit.drafts.append(
            Draft(
                key=envelope.id,
                type=LeafType.ENVELOPE,
                room=room.room,
                room_seq=seq,
                object=envelope.encoded,
                envelope=envelope.id,
                kid=self._sender,
                payload=envelope.payload,
                content=content,
                addressees=said.addressees,
                added=said.added,
                removed=said.removed,
                membership=isinstance(header.specific, Create | Commit),
                flash=header.precedence is Precedence.FLASH,
            )
        )

    def _say(self, room: Room, specific: Specific, envelope: Envelope, tree: bytes | None) -> _Said:
        """Do what the kind of an envelope says; it has its place, the newest of the room."""
        seq = room.head_seq
        match specific:
            case Create():
                self.unit.creates[room.room] = envelope.encoded
                self._put_member(room, Member(device=self._sender, organisation=self._organisation, added_seq=seq))
                return _Said(added=(self._sender,))
            case Commit(added=added, removed=removed):
                self._change_members(room, seq, added, removed)
                room.epoch += 1
                return _Said(added=added, removed=removed)
            case Welcome(addressees=addressees, tree_hash=tree_hash):
                self._added[room.room].difference_update(addressees)
                if tree is not None and tree_hash is not None:
                    self.unit.trees.append(Tree(hash=tree_hash, room=room.room, room_seq=seq, data=tree))
                return _Said(addressees=addressees)
            case Grant(addressees=addressees) | Repair(addressees=addressees):
                return _Said(addressees=addressees or None)
            case Delivered(room_seq=cursor):
                return _Said(cursor=cursor)
            case Erase():
                self.unit.erasures.append(self._erasure(room, specific))
                self._erase_attachments(self.unit.erasures[-1])
            case Message(attachment=bytes(attachment)):
                self._attach(room, attachment, envelope)
            case Message() | Alert() | Ack() | IntakeKey() | Refuse() | Decision() | Relabel() | Egress() | Counts():
                pass
            case _:
                assert_never(specific)
        return _Said()

    def _hold(self, size: int) -> None:
        organisation = self._organisation
        self.put(self._state.held, organisation, self._state.held.get(organisation, 0) + size)
        self.unit.held[organisation] += size

    def _change_members(self, room: Room, seq: int, added: tuple[DeviceId, ...], removed: tuple[DeviceId, ...]) -> None:
        index = self._first + len(self.unit.drafts)
        for device in removed:
            self._put_member(room, _changed(room.members[device], removed=(seq, index)))
        for device in added:
            organisation = self._state.devices[device].certificate.organisation
            # Counters survive removal and re-adding: else a removed device could use one twice.
            before = room.members.get(device) or Member(device=device, organisation=organisation, added_seq=seq)
            self._put_member(room, _changed(before, added_seq=seq))
        unwelcomed = self._added.setdefault(room.room, set())
        unwelcomed.difference_update(removed)
        unwelcomed.update(added)

    def _erasure(self, room: Room, erase: Erase) -> Erasure:
        held_since_ms = self._state.held_since(room.room)
        return Erasure(
            room=room.room, envelopes=erase.envelopes, by=self._eraser(room), held_since_ms=held_since_ms
        )  # fmt: skip

    def _attach(self, room: Room, attachment: bytes, envelope: Envelope) -> None:
        found = Attached(
            room=room.room,
            attachment=attachment,
            envelope=envelope.id,
            sender=self._sender,
            organisation=self._organisation,
            accepted_at_ms=self.unit.at_ms,
        )
        self.put(self._state.attached, (room.room, attachment), envelope.id)
        self._put_attached(found)

    def _erase_attachments(self, erasure: Erasure) -> None:
        """What goes with the contents that an `erase` drops, as the store finds those."""
        since_ms = erasure.held_since_ms
        for envelope in erasure.envelopes:
            found = self._state.attachments.get(envelope)
            if found is None or found.room != erasure.room or found.standing is not Standing.KEPT:
                continue
            if erasure.by in (None, found.sender):
                held = since_ms is not None and found.accepted_at_ms >= since_ms
                self._put_attached(replace(found, standing=Standing.HIDDEN if held else Standing.DROPPED))

    def _put_attached(self, found: Attached) -> None:
        self.put(self._state.attachments, found.envelope, found)
        self.unit.attachments.append(found)

    def _eraser(self, room: Room) -> DeviceId | None:
        """Whose content an `erase` drops: any in the room for officers of its owner, else the sender's own."""
        officer = self._state.devices[self._sender].certificate.role is Role.OFFICER
        return None if officer and self._organisation == room.create.owner else self._sender

    def _advance(self, room: Room, counter: int, envelope: EnvelopeId, cursor: int) -> None:
        member = room.members[self._sender]
        self._put_member(
            room,
            Member(
                device=member.device,
                organisation=member.organisation,
                added_seq=member.added_seq,
                removed_seq=member.removed_seq,
                removed_index=member.removed_index,
                cursor=max(cursor, member.cursor),
                last_counter=counter,
                last_id=envelope,
            ),
        )

    def _put_member(self, room: Room, member: Member) -> None:
        self.put(room.members, member.device, member)
        self.unit.members[room.room, member.device] = member


def _restore(room: Room, epoch: int, head_seq: int) -> None:
    room.epoch, room.head_seq = epoch, head_seq


def _changed(
    member: Member, *, added_seq: int | None = None, removed: tuple[int, int] | tuple[None, None] = (None, None)
) -> Member:  # fmt: skip
    """The member as added at `added_seq`, or as removed at a place of the room and of the log."""
    removed_seq, removed_index = removed
    return Member(
        device=member.device,
        organisation=member.organisation,
        added_seq=member.added_seq if added_seq is None else added_seq,
        removed_seq=removed_seq,
        removed_index=removed_index,
        cursor=member.cursor,
        last_counter=member.last_counter,
        last_id=member.last_id,
    )
