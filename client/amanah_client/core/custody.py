"""The custody chain of a room: who was granted its record, who read it under a grant, what is held and what went.

It stands beside the room's own chain, is asked for when the room is at its head and when the relay hints that it
has grown, and holds up nothing. What does not hold in it is an alarm; the chain goes on behind it.

Each entry is held against the roster that was in force at its place in the log. Where that is not known here, because
this device was handed a later one, an entry that does not hold by the later one is no alarm. Such a hold is kept: one
that is kept wrongly loses nothing, one that is dropped wrongly loses evidence. For the same reason it ends no other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec import structs

from amanah_client import effects as e
from amanah_client.core import login, nations
from amanah_client.core.context import Context
from amanah_client.core.entry import chain_leaf
from amanah_client.core.requests import CustodyWanted
from amanah_client.core.room import Room
from amanah_client.log_rows import FLAWED, LAPSED, CustodyRow
from amanah_protocol import frames
from amanah_protocol.audit import order_device, verify_order
from amanah_protocol.cose import Typ
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import verify_erasure
from amanah_protocol.custody.grants import check_ends, check_reader, decode_grant, verify_grant
from amanah_protocol.custody.holds import check_releases, decode_hold, verify_hold
from amanah_protocol.endorse import Endorsed, decode_endorsed, named_signers
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.heads import verify_room_head
from amanah_protocol.identity import Enrolment, Role
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.roster import Roster, verify_enrolment
from amanah_protocol.types import GrantId, KeyId, LeafHash, OrgName
from amanah_protocol.verified import Verified

TYPES: Final = (LeafType.AUDIT_READ, LeafType.AUDIT_GRANT, LeafType.LEGAL_HOLD, LeafType.ERASURE)
_BY_ROSTER: Final = (Code.CERTIFICATE, Code.THRESHOLD, Code.EXPIRED)
"""How something that held by one roster does not hold by another; all else does not hold by any."""


def load(ctx: Context, rows: tuple[CustodyRow, ...]) -> None:
    """Take up what is stored; it was verified before."""
    for row in rows:
        room = ctx.rooms.get(row.room)
        if room is not None:
            _record(room, row)


def refresh(ctx: Context, room: Room) -> None:
    """Ask for what follows, unless that is on its way."""
    if room.link.custody or room.broken:
        return
    room.link.custody, room.link.holds_known = True, False
    after = room.custody.sequence
    ctx.ask(
        CustodyWanted(room=room.id), lambda number: frames.GetCustody(request=number, room=room.id, after=after)
    )  # fmt: skip


def hinted(ctx: Context, frame: frames.CustodyGrown) -> None:
    """The relay hints at a new entry; a hint about a room that we do not follow says nothing."""
    room = ctx.rooms.get(frame.room)  # type: ignore[call-overload]  # frames hold plain bytes
    if room is not None and room.link.live and frame.sequence > room.custody.sequence:
        refresh(ctx, room)


def receive(ctx: Context, room: Room, frame: frames.Custody) -> None:
    """Entries, each the next of the chain; at the end a signed head that names just the last of them.

    Raises:
        DecodeError: The head is none.
        VerifyError: `GAP` or `FORK` where the chain does not go on; `KEY_ID` or `SIGNATURE`.
    """
    room.link.custody = False
    if not room.link.live or room.link.waits:
        return  # who was in where a hold stands is not known yet; it is asked for again when the room is at its head
    for entry in frame.entries:
        _take(ctx, room, entry)
    if not frame.head:
        if not frame.entries:
            raise VerifyError(Code.FRAME, "neither entries nor the head of a custody chain")
        refresh(ctx, room)
        return
    _known(ctx, room)
    head = verify_room_head(frame.head, ctx.relay.key).value
    if head.room != custody_chain(room.id):
        raise VerifyError(Code.FRAME, "the head of another chain")
    if (head.room_seq, head.leaf) != (room.custody.sequence, room.custody.leaf):
        _contradicted(ctx, room, frame.head)
        return
    room.link.holds_known = True


def refused(ctx: Context, room: Room) -> None:
    """The relay gives nothing now; it is asked again on the next connection, or at the next hint."""
    room.link.custody = False
    _known(ctx, room)


def _known(ctx: Context, room: Room) -> None:
    """A room counts as read to its head when its custody is, too: else a face would show an old one as the newest."""
    if room.link.live:
        ctx.session.catching_up.discard(room.id)
        login.check_caught_up(ctx)


def _contradicted(ctx: Context, room: Room, head: bytes) -> None:
    """A signed head and the entries that came with it cannot both be all that there is."""
    detail = "the relay signed another end of this room's custody chain than it has shown"
    ctx.alarm(Code.FORK, detail, room=room.id, evidence=(head, room.custody.leaf))


def _take(ctx: Context, room: Room, entry: frames.CustodyEntry) -> None:
    custody = room.custody
    if entry.type not in TYPES:
        raise VerifyError(Code.BAD_TYPE, "an entry of a custody chain of a type that does not belong there")
    leaf = chain_leaf(entry, custody_chain(room.id))
    # The place says which roster counts: it must not go back to one that was in force before.
    follows = leaf.previous == custody.leaf and entry.index > custody.index
    if entry.sequence != custody.sequence + 1 or not follows:
        code = Code.GAP if entry.sequence != custody.sequence + 1 else Code.FORK
        raise VerifyError(code, f"the custody chain does not go on behind entry {custody.sequence}")
    row = CustodyRow(
        room=room.id,
        sequence=entry.sequence,
        index=entry.index,
        type=entry.type,
        accepted_at_ms=entry.accepted_at_ms,
        hash=leaf.hash,
        object=entry.object,
        document=entry.document,
    )
    try:
        row = structs.replace(row, unproven=not _verify(ctx, room, row))
    except PeerError as error:
        ctx.alarm_for(error, room=room.id, evidence=(leaf.encode(), entry.document or b""))
        # It keeps its place, or nothing could follow it; a face shows no more than that it does not hold.
        row = structs.replace(row, type=FLAWED)
    _record(room, row)
    ctx.write(e.PutCustody(row=row))


def _verify(ctx: Context, room: Room, row: CustodyRow) -> bool:
    """Who signed might, as far as a member can know; False where it may be made up."""
    match row.type:
        case LeafType.AUDIT_GRANT:
            return _verify_grant(ctx, room, row)
        case LeafType.LEGAL_HOLD:
            return _verify_hold(ctx, room, row)
        case LeafType.AUDIT_READ:
            return _verify_read(ctx, room, row)
        case _:
            erasure = verify_erasure(row.object, ctx.relay.key).value
            if erasure.room != room.id:
                raise VerifyError(Code.BINDING, "a statement of erasure is of another room")
            return True


def _is_signed(ctx: Context, row: CustodyRow, verify: Callable[[Verified[Roster]], object]) -> bool:
    """It holds by the roster of its time; False where that is not known, and it does not hold by the next."""
    roster, in_force = ctx.directory.rosters.at(row.index, ctx.roster)
    try:
        verify(roster)
    except VerifyError as error:
        if in_force or error.code not in _BY_ROSTER:
            raise
        return False
    return True


def _verify_grant(ctx: Context, room: Room, row: CustodyRow) -> bool:
    grant = decode_grant(_document(row))

    def verify(roster: Verified[Roster]) -> None:
        enrolment = None
        if grant.granting is not None:
            enrolment = _enrolment(ctx, grant.endorsed, Typ.AUDIT_GRANT, grant.granting, row, roster)
        verify_grant(grant, enrolment, roster)

    proven = _is_signed(ctx, row, verify)
    if grant.granting not in (None, room.spec.owner):
        raise VerifyError(Code.MEMBERSHIP, f"{grant.granting} granted a room that {room.spec.owner} owns")
    if grant.rooms and room.id not in grant.rooms:
        raise VerifyError(Code.BINDING, "an audit grant is of other rooms")
    known = room.custody.grants.get(grant.id)
    if known is not None and known.endorsed.document != grant.endorsed.document:
        check_ends(grant, known)
    return proven


def _verify_hold(ctx: Context, room: Room, row: CustodyRow) -> bool:
    hold = decode_hold(_document(row))

    def verify(roster: Verified[Roster]) -> None:
        enrolment = _enrolment(ctx, hold.endorsed, Typ.LEGAL_HOLD, hold.organisation, row, roster)
        verify_hold(hold, enrolment, roster)

    proven = _is_signed(ctx, row, verify)
    if room.id not in hold.rooms:
        raise VerifyError(Code.BINDING, "a legal hold is of other rooms")
    if not proven:
        return False  # whose device was in the room follows from certificates of the same time
    known = room.custody.holds.get(hold.id)
    if known is not None:
        check_releases(hold, known)
    elif not hold.released and nations.was_in(room, hold.organisation, row.index) is False:
        raise VerifyError(Code.MEMBERSHIP, f"{hold.organisation} holds a room that it is not in")
    return True


def _verify_read(ctx: Context, room: Room, row: CustodyRow) -> bool:
    standing = ctx.directory.standing(order_device(row.object), row.index)
    if standing is None or not standing.usable(row.accepted_at_ms):
        if not ctx.directory.rosters.at(row.index, ctx.roster)[1]:
            return False  # nor are the certificates known that were logged then
        raise VerifyError(Code.CERTIFICATE, "who read this room's record has no valid certificate in the log")
    certificate = standing.certificate
    if certificate.role is not Role.AUDITOR:
        raise VerifyError(Code.ROLE, "who read this room's record is no auditor")
    order = verify_order(row.object, certificate.public_key).value
    grant = None if order.grant is None else room.custody.grants.get(GrantId(order.grant))
    if grant is None:
        raise VerifyError(Code.NOT_FOUND, "this room's record was read under a grant that is not here")
    check_reader(grant, certificate.organisation, certificate.subject, row.accepted_at_ms)
    return True


def _enrolment(
    ctx: Context, endorsed: Endorsed, typ: Typ, organisation: OrgName, row: CustodyRow, roster: Verified[Roster]
) -> Enrolment:
    for kid in named_signers(endorsed, typ):
        known = ctx.directory.enrolments.get(KeyId(kid))
        if known is None or known.enrolment.organisation != organisation:
            continue
        # What was signed by a key before it was withdrawn stands; the log's order says which was first.
        if known.revoked_index is not None and known.revoked_index < row.index:
            raise VerifyError(Code.REVOKED, "the enrolment key was withdrawn by its organisation")
        enrolment = known.before(row.index)
        if enrolment is None:
            continue
        verify_enrolment(enrolment, roster, at_ms=row.accepted_at_ms)
        return enrolment
    raise VerifyError(Code.CERTIFICATE, f"no enrolment key of {organisation} that is in the log has signed")


def _document(row: CustodyRow) -> bytes:
    if row.document is None or decode_endorsed(row.document).record != row.object:
        raise VerifyError(Code.CONTENT_HASH, "the document is not the one that the log names")
    return row.document


def _record(room: Room, row: CustodyRow) -> None:
    custody = room.custody
    custody.sequence, custody.leaf, custody.index = row.sequence, LeafHash(row.hash), row.index
    if row.type == LeafType.AUDIT_GRANT:
        grant = decode_grant(_document(row))
        custody.grants[grant.id] = grant
    elif row.type in (LeafType.LEGAL_HOLD, LAPSED):
        hold = decode_hold(_document(row))
        if row.unproven or row.type == LAPSED:
            custody.claimed.append(hold)  # a release among them stands beside its hold, and ends nothing
            return
        custody.claimed = [one for one in custody.claimed if one.id != hold.id]
        custody.holds[hold.id] = hold
