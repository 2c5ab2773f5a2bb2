"""The relay's picture of its store, made anew from the rows: what `amanah_relay.store.load` does from tables."""

from __future__ import annotations

from collections.abc import Iterable

from amanah_protocol.custody.erasures import decode_person_erasure
from amanah_protocol.custody.grants import decode_grant
from amanah_protocol.custody.holds import decode_hold
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.identity import decode_certificate, decode_enrolment
from amanah_protocol.kinds import Create
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.revocation import decode_enrolment_revocation, decode_revocation
from amanah_protocol.roster import decode_roster, verify_roster
from amanah_protocol.types import CONTROL, DeviceId, EnvelopeId, LeafHash, OrgName, RoomId
from amanah_relay.effects import Entry, MemberRow, RoomRow
from amanah_relay.state import Chain, Device, Member, RelayState, Room


def state_of(
    entries: list[Entry],
    rooms: Iterable[RoomRow],
    members: Iterable[MemberRow],
    edge: tuple[bytes, ...],
    accepted_at_ms: int,
) -> RelayState:
    """The whole state; every object in it is new, because the core changes what it is given."""
    state = _replay_control([entry for entry in entries if entry.room == CONTROL])
    state.size, state.edge, state.last_accepted_ms = len(entries), edge, accepted_at_ms
    last = {entry.room: entry for entry in entries}
    creates = {entry.room: entry for entry in entries if entry.room_seq == 1}
    state.rooms = {row.room: _room(row, creates[row.room]) for row in rooms}
    places = {(entry.room, entry.room_seq): entry.index for entry in entries}
    for row in members:
        state.rooms[row.room].members[row.device] = Member(
            device=row.device,
            organisation=OrgName(row.organisation),
            added_seq=row.added_seq,
            removed_seq=row.removed_seq,
            removed_index=None if row.removed_seq is None else places[row.room, row.removed_seq],
            cursor=row.cursor,
            last_counter=row.last_counter,
            last_id=EnvelopeId(row.last_id),
        )
    state.chains = {
        room: Chain(head_seq=entry.room_seq, head_leaf=entry.hash)
        for room, entry in last.items()
        if room != CONTROL and room not in state.rooms
    }
    for entry in entries:
        if entry.type is LeafType.AUDIT_GRANT and entry.document is not None:
            grant = decode_grant(entry.document)
            state.grants[grant.id] = grant
        elif entry.type is LeafType.LEGAL_HOLD and entry.document is not None:
            hold = decode_hold(entry.document)
            state.holds[hold.id] = hold
    return state


def _room(row: RoomRow, create: Entry) -> Room:
    specific = decode_envelope(create.object).header.specific
    assert isinstance(specific, Create)
    return Room(
        room=RoomId(row.room),
        create=specific,
        epoch=row.epoch,
        head_seq=row.head_seq,
        head_leaf=LeafHash(row.head_leaf),
    )


def _replay_control(entries: list[Entry]) -> RelayState:
    first, *others = entries
    assert first.document is not None
    roster = verify_roster(decode_roster(first.document), None, now_ms=first.accepted_at_ms)
    head = Chain(head_seq=entries[-1].room_seq, head_leaf=entries[-1].hash)
    state = RelayState(roster=roster, control=head)
    revoked: dict[DeviceId, int] = {}
    for entry in others:
        _apply(state, entry, revoked)
    return state


def _apply(state: RelayState, entry: Entry, revoked: dict[DeviceId, int]) -> None:
    match entry.type, entry.document:
        case LeafType.ENROLMENT, bytes(document):
            enrolment = decode_enrolment(document)
            state.add_enrolment(enrolment)
        case LeafType.CERTIFICATE, None:
            certificate = decode_certificate(entry.object)
            device = certificate.device_id
            state.devices[device] = Device(certificate=certificate, revoked_index=revoked.get(device))
        case LeafType.REVOCATION, bytes(document):
            state.revoked_enrolments.add(decode_enrolment_revocation(document).enrolment)
        case LeafType.REVOCATION, None:
            device = decode_revocation(entry.object).device
            index = revoked.setdefault(device, entry.index)
            if device in state.devices:
                state.devices[device].revoked_index = index
        case LeafType.ERASURE, bytes(document):
            forgotten = decode_person_erasure(document)
            state.forgotten.add((forgotten.organisation, forgotten.subject))
        case LeafType.ROSTER, bytes(document):
            state.roster = verify_roster(decode_roster(document), state.roster, now_ms=entry.accepted_at_ms)
        case _:
            raise AssertionError(f"leaf {entry.index} does not stand in the control stream")
