"""The relay's picture of its store, made anew from the tables.

Rooms and members have tables of their own. Who is certified, enrolled and revoked, and the roster,
are read from the control stream: every leaf of it is held against its hash and its predecessor, and
every roster is verified against the one before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Select, bindparam, func, select, text

from amanah_protocol.custody.erasures import decode_person_erasure
from amanah_protocol.custody.grants import decode_grant
from amanah_protocol.custody.holds import decode_hold
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, OperationalError, PeerError, UsageError
from amanah_protocol.identity import decode_certificate, decode_enrolment
from amanah_protocol.kinds import Create
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.merkle import HASH_BYTES, Frontier
from amanah_protocol.revocation import decode_enrolment_revocation, decode_revocation
from amanah_protocol.roster import Roster, decode_roster, verify_roster
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, LeafHash, OrgName, RoomId
from amanah_protocol.verified import Verified
from amanah_relay.effects import Attached, Entry, Standing
from amanah_relay.state import Chain, Device, Member, RelayState, Room
from amanah_relay.store import checkpoints, schema
from amanah_relay.store.damage import check_row, damaged, only, split
from amanah_relay.store.retention import check_held_row, check_mark_row
from amanah_relay.store.rows import SELECT_LEAVES, AnyRow, decode_leaf_row

_CHAIN_PAGE: Final = 500
_CHECKPOINTS: Final = 16
_leaf = schema.leaf.c
_CONTROL: Final[Select[Any]] = (
    SELECT_LEAVES.where(_leaf.room == CONTROL, _leaf.room_seq > bindparam("after"))
    .order_by(_leaf.room_seq)
    .limit(_CHAIN_PAGE)
)
# Word for word the condition of the partial index: else it would not serve.
CUSTODY: Final[Select[Any]] = SELECT_LEAVES.where(text("leaf.type IN (7, 8)")).order_by(_leaf.log_index)
_ATTACHMENTS: Final[Select[Any]] = select(*schema.attachment.c, _leaf.kid, _leaf.accepted_at_ms).outerjoin(
    schema.leaf, _leaf.envelope == schema.attachment.c.envelope
)
_CREATES: Final[Select[Any]] = SELECT_LEAVES.join(
    schema.room, (schema.room.c.room == _leaf.room) & (_leaf.room_seq == 1)
)
# The commits that removed members who are out.
REMOVALS: Final[Select[Any]] = SELECT_LEAVES.join(
    schema.member, (schema.member.c.room == _leaf.room) & (schema.member.c.removed_seq == _leaf.room_seq)
)


def load_state(connection: Connection) -> RelayState:
    """Everything the core must know, as of one transaction.

    Raises:
        OperationalError: `DAMAGED`.
    """
    head = read_head(connection)
    chains = {row.room: Chain(head_seq=row.head_seq, head_leaf=row.head_leaf) for row in _read_chains(connection)}
    control = chains.pop(CONTROL, Chain())
    state = _replay_control(connection, control)
    state.size = head.size
    state.edge = split(head.edge, HASH_BYTES, "the head of the log", bytes)
    state.last_accepted_ms = head.last_accepted_ms
    state.chains = chains
    state.rooms = _load_rooms(connection)
    _replay_custody(connection, state)
    _load_attachments(connection, state)
    for row in connection.execute(select(*schema.held.c)):
        check_held_row(row)
        state.held[OrgName(row.organisation)] = row.size
    state.checkpoints = checkpoints.newest(connection, _CHECKPOINTS)
    return state


def read_head(connection: Connection) -> AnyRow:
    """The head of the log: root and edge agree, and the newest leaf is the one before its size.

    Raises:
        OperationalError: `DAMAGED`.
    """
    what = "the head of the log"
    row = only(connection.execute(select(*schema.head.c).where(schema.head.c.id == 1)).first(), what)
    check_row(row.checksum, row.origin, row.size, row.root, row.edge, row.last_accepted_ms, what=what)
    try:
        frontier = Frontier(row.size, split(row.edge, HASH_BYTES, what, bytes))
    except UsageError as error:
        raise damaged(what) from error
    newest = connection.execute(select(func.max(_leaf.log_index))).scalar_one()
    if frontier.root() != row.root or newest != row.size - 1:
        raise damaged(what)
    return row


def check_chain_row(row: AnyRow) -> None:
    """A row of `chain` is as it was stored.

    Raises:
        OperationalError: `DAMAGED`.
    """
    check_row(row.checksum, row.room, row.head_seq, row.head_leaf, what=f"the chain {_name(row.room)}")


def check_room_row(row: AnyRow) -> None:
    """A row of `room` is as it was stored.

    Raises:
        OperationalError: `DAMAGED`.
    """
    what = f"the room {_name(row.room)}"
    check_row(row.checksum, row.room, row.epoch, row.head_seq, row.head_leaf, what=what)


def check_member_row(row: AnyRow) -> None:
    """A row of `member` is as it was stored.

    Raises:
        OperationalError: `DAMAGED`.
    """
    check_row(row.checksum, *row[:-1], what=f"a member of the room {_name(row.room)}")


def _read_chains(connection: Connection) -> Iterator[AnyRow]:
    for row in connection.execute(select(*schema.chain.c)):
        check_chain_row(row)
        yield row


def _load_rooms(connection: Connection) -> dict[RoomId, Room]:
    creates = {row.room: decode_leaf_row(row).object for row in connection.execute(_CREATES)}
    rooms = {}
    for row in connection.execute(select(*schema.room.c)):
        check_room_row(row)
        room = RoomId(row.room)
        rooms[room] = Room(
            room=room,
            create=_decode_create(creates.get(room, b""), room),
            epoch=row.epoch,
            head_seq=row.head_seq,
            head_leaf=LeafHash(row.head_leaf),
        )
    for row in connection.execute(select(*schema.confirmed.c)):
        check_mark_row(row)
        only(rooms.get(RoomId(row.room)), f"the room {_name(row.room)}").confirmed_seq = row.room_seq
    removals = {
        (entry.room, entry.room_seq): entry.index for entry in map(decode_leaf_row, connection.execute(REMOVALS))
    }
    for row in connection.execute(select(*schema.member.c)):
        check_member_row(row)
        device = DeviceId(row.device)
        only(rooms.get(RoomId(row.room)), f"the room {_name(row.room)}").members[device] = Member(
            device=device,
            organisation=OrgName(row.organisation),
            added_seq=row.added_seq,
            removed_seq=row.removed_seq,
            removed_index=_removed_index(row, removals),
            cursor=row.cursor,
            last_counter=row.last_counter,
            last_id=EnvelopeId(row.last_id),
        )
    return rooms


def _removed_index(row: AnyRow, removals: dict[tuple[RoomId, int], int]) -> int | None:
    if row.removed_seq is None:
        return None
    return only(removals.get((RoomId(row.room), row.removed_seq)), f"a member of the room {_name(row.room)}")


def _decode_create(data: bytes, room: RoomId) -> Create:
    try:
        specific = decode_envelope(data).header.specific
    except PeerError as error:
        raise damaged(f"the room {_name(room)}") from error
    if not isinstance(specific, Create):
        raise damaged(f"the room {_name(room)}")
    return specific


def _replay_control(connection: Connection, head: Chain) -> RelayState:
    state: RelayState | None = None
    revoked: dict[DeviceId, int] = {}
    for entry in _control_entries(connection, head):
        try:
            if state is None:
                state = RelayState(roster=_next_roster(entry, None), control=head)
            elif entry.type is LeafType.ROSTER:
                state.roster = _next_roster(entry, state.roster)
            else:
                _apply(state, entry, revoked)
        except PeerError as error:
            # The relay verified it before it logged it: what does not hold now was changed since.
            raise OperationalError(Code.DAMAGED, f"leaf {entry.index}: {error.detail}") from error
    return only(state, "the control stream")


def _control_entries(connection: Connection, head: Chain) -> Iterator[Entry]:
    """The control stream from its start, each entry held against the one before it."""
    sequence, previous = 0, LeafHash(ZERO_32)
    while rows := connection.execute(_CONTROL, {"after": sequence}).all():
        for row in rows:
            entry = decode_leaf_row(row)
            sequence += 1
            if (entry.room_seq, entry.previous) != (sequence, previous):
                raise damaged(f"the control stream before leaf {entry.index}")
            previous = entry.hash
            yield entry
    if (sequence, previous) != (head.head_seq, head.head_leaf):
        raise damaged("the end of the control stream")


def _replay_custody(connection: Connection, state: RelayState) -> None:
    """Grants and holds as they were last logged, in the order of the log; one stands in several chains."""
    for row in connection.execute(CUSTODY):
        entry = decode_leaf_row(row)
        try:
            if entry.type is LeafType.AUDIT_GRANT:
                grant = decode_grant(_document(entry))
                state.grants[grant.id] = grant
            else:
                hold = decode_hold(_document(entry))
                state.holds[hold.id] = hold
        except PeerError as error:
            raise OperationalError(Code.DAMAGED, f"leaf {entry.index}: {error.detail}") from error


def check_attachment_row(row: AnyRow) -> None:
    """A row of `attachment` is as it was stored.

    Raises:
        OperationalError: `DAMAGED`.
    """
    check_row(row.checksum, row.envelope, row.room, row.hash, row.standing, what="the attachment of a message")


def _load_attachments(connection: Connection, state: RelayState) -> None:
    for row in connection.execute(_ATTACHMENTS):
        check_attachment_row(row)
        what = "the sender of an attachment"
        room = only(state.rooms.get(RoomId(row.room)), what)
        sender = only(room.members.get(DeviceId(only(row.kid, what))), what)
        found = Attached(
            room=room.room,
            attachment=row.hash,
            envelope=EnvelopeId(row.envelope),
            sender=sender.device,
            organisation=sender.organisation,
            accepted_at_ms=row.accepted_at_ms,
            standing=Standing(row.standing),
        )
        state.attachments[found.envelope] = found
        state.attached[found.room, found.attachment] = found.envelope


def _next_roster(entry: Entry, previous: Verified[Roster] | None) -> Verified[Roster]:
    # Its expiry was judged when it was accepted; that the newest has expired since is the core's to see.
    return verify_roster(decode_roster(_document(entry)), previous, now_ms=entry.accepted_at_ms)


def _apply(state: RelayState, entry: Entry, revoked: dict[DeviceId, int]) -> None:
    match entry.type:
        case LeafType.ENROLMENT:
            state.add_enrolment(decode_enrolment(_document(entry)))
        case LeafType.CERTIFICATE:
            certificate = decode_certificate(entry.object)
            device = certificate.device_id
            # A renewal does not bring a revoked device back.
            state.devices[device] = Device(certificate=certificate, revoked_index=revoked.get(device))
        case LeafType.REVOCATION if entry.document is not None:
            state.revoked_enrolments.add(decode_enrolment_revocation(entry.document).enrolment)
        case LeafType.REVOCATION:
            device = decode_revocation(entry.object).device
            index = revoked.setdefault(device, entry.index)
            if device in state.devices:
                state.devices[device].revoked_index = index
        case LeafType.ERASURE:
            forgotten = decode_person_erasure(_document(entry))
            state.forgotten.add((forgotten.organisation, forgotten.subject))
        case _:
            raise damaged(f"leaf {entry.index}: the type of an entry of the control stream")


def _document(entry: Entry) -> bytes:
    return only(entry.document, f"the document of leaf {entry.index}")


def _name(room: object) -> str:
    return room.hex()[:16] if isinstance(room, bytes) else repr(room)
