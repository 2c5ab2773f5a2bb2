"""Audit grants, legal holds and forgotten persons on their way into the log; and custody chains on their way out.

Each document proves itself: it does not matter who brings it. Grants and holds stand where those they concern
look: in the custody chain of each room that they name, and in the chains of the organisations' audit reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from amanah_protocol import frames, limits
from amanah_protocol.audit import audit_chain
from amanah_protocol.cose import Typ
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import decode_person_erasure, verify_person_erasure
from amanah_protocol.custody.grants import AuditGrant, check_ends, decode_grant, verify_grant
from amanah_protocol.custody.holds import LegalHold, check_releases, decode_hold, verify_hold
from amanah_protocol.endorse import Endorsed, named_signers
from amanah_protocol.errors import Code, RefusedError, VerifyError
from amanah_protocol.identity import Enrolment
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.roster import verify_enrolment
from amanah_protocol.types import CONTROL, KeyId, OrgName, PersonId, RoomId
from amanah_relay.core.checks import check_enrolment_key, check_issued
from amanah_relay.core.clients import Client
from amanah_relay.core.fetch import check_pace
from amanah_relay.core.ledger import Ledger
from amanah_relay.core.parts import Books, Parts
from amanah_relay.core.pending import CustodyFetch
from amanah_relay.core.sequencer import Batch, Draft, Unit, object_key
from amanah_relay.effects import ReadEntries
from amanah_relay.inputs import EntriesRead
from amanah_relay.state import RelayState

_PAGE_BYTES: Final = limits.MAX_FRAME_BYTES - 8 * limits.KIB
_ENTRY_BYTES: Final = 128
"""Numbers and hash of an entry in the answer."""


def admit_grant(books: Books, data: bytes, at_ms: int) -> Unit | None:
    """Check and apply an audit grant, or the end of one; None when it says nothing new.

    Raises:
        DecodeError: It does not parse.
        RefusedError: `UNKNOWN_ROOM`, `MEMBERSHIP`, `EXPIRED`, `CLOCK` or `REVOKED`.
        VerifyError: `ROLLBACK`, or why it was not granted by those who may.
    """
    state, grant = books.state, decode_grant(data)
    known = state.grants.get(grant.id)
    if known is not None and known.endorsed.document == grant.endorsed.document:
        return None
    enrolment, until_ms = None, state.roster.value.expires_ms
    if grant.granting is not None:
        enrolment = _signing_enrolment(state, grant.endorsed, Typ.AUDIT_GRANT, grant.granting, at_ms)
        until_ms = enrolment.not_after_ms
    verify_grant(grant, enrolment, state.roster)
    check_issued(grant.issued_ms, at_ms)
    if known is None:
        _check_granted(state, grant, at_ms)
    else:
        check_ends(grant, known)
    state.grants[grant.id] = grant
    chains = [audit_chain(grant.auditor)]
    if grant.granting is not None:
        chains.append(audit_chain(grant.granting))
    chains.extend(custody_chain(room) for room in grant.rooms)
    unit = Unit(at_ms=at_ms, until_ms=until_ms)
    _put_everywhere(books, unit, LeafType.AUDIT_GRANT, grant.endorsed, chains)
    return unit


def admit_hold(books: Books, data: bytes, at_ms: int) -> Unit | None:
    """Check and apply a legal hold, or its release; None when it says nothing new.

    Raises:
        DecodeError: It does not parse.
        RefusedError: `UNKNOWN_ROOM`, `MEMBERSHIP`, `CLOCK` or `REVOKED`.
        VerifyError: `ROLLBACK`, or why it was not placed by those who may.
    """
    state, hold = books.state, decode_hold(data)
    known = state.holds.get(hold.id)
    if known is not None and known.endorsed.document == hold.endorsed.document:
        return None
    enrolment = _signing_enrolment(state, hold.endorsed, Typ.LEGAL_HOLD, hold.organisation, at_ms)
    verify_hold(hold, enrolment, state.roster)
    check_issued(hold.issued_ms, at_ms)
    if known is None:
        _check_held(state, hold)
    else:
        check_releases(hold, known)
    state.holds[hold.id] = hold
    chains = [audit_chain(hold.organisation), *(custody_chain(room) for room in hold.rooms)]
    unit = Unit(at_ms=at_ms, until_ms=enrolment.not_after_ms)
    _put_everywhere(books, unit, LeafType.LEGAL_HOLD, hold.endorsed, chains)
    return unit


def admit_forgotten(books: Books, data: bytes, at_ms: int) -> Unit | None:
    """Log that an organisation has dropped a person's profile; None when that is known.

    Raises:
        DecodeError: It does not parse.
        RefusedError: `MEMBERSHIP` while a room in which the person wrote is held; `CLOCK`, `REVOKED` or
            `FOREIGN_DEVICE`.
        VerifyError: `CERTIFICATE`, `SIGNATURE`, `THRESHOLD` or `EXPIRED`.
    """
    state, forgotten = books.state, decode_person_erasure(data)
    endorsed = forgotten.endorsed
    enrolment = _signing_enrolment(state, endorsed, Typ.ERASURE, forgotten.organisation, at_ms)
    verify_person_erasure(forgotten, enrolment, state.roster)
    check_issued(forgotten.erased_at_ms, at_ms)
    person = forgotten.organisation, forgotten.subject
    if person in state.forgotten:
        return None
    _check_not_kept(state, *person)
    state.forgotten.add(person)
    unit = Unit(at_ms=at_ms, until_ms=enrolment.not_after_ms)
    put(books, unit, LeafType.ERASURE, CONTROL, endorsed.record, endorsed.encode(), key=object_key(data))
    return unit


def put(
    books: Books,
    unit: Unit,
    leaf_type: LeafType,
    chain: RoomId,
    signed: bytes,
    document: bytes | None = None,
    *,
    key: bytes,
) -> None:
    """Give an object the next place of a chain; `key` makes a repetition known."""
    head = books.sequencer.chain(chain)
    head.head_seq += 1
    unit.drafts.append(
        Draft(key=key, type=leaf_type, room=chain, room_seq=head.head_seq, object=signed, document=document)
    )


def place_key(data: bytes, chain: RoomId) -> bytes:
    """What makes known that an object stands in this very chain."""
    return object_key(chain + data)


# ---- what members of a room are shown


def ask(parts: Parts, client: Client, frame: frames.GetCustody) -> None:
    """Ask for the custody chain of a room; who is in it sees all of it.

    Raises:
        AmanahError: `STOPPING`, `STORE`, `SLOW`, `UNKNOWN_ROOM`, `NOT_FOUND` or `RATE`.
    """
    parts.check_open()
    check_pace(parts, client)
    ledger, room = parts.loaded().ledger, RoomId(frame.room)
    kept = ledger.rooms.get(room)
    member = None if kept is None else kept.members.get(client.device)
    if member is None or member.removed_seq is not None:
        raise RefusedError(Code.UNKNOWN_ROOM, "there is no such room for this device")
    chain = custody_chain(room)
    head = ledger.chains.get(chain)
    if frame.after > (0 if head is None else head.head_seq):
        raise RefusedError(Code.NOT_FOUND, "the custody chain ends before")
    token = parts.ask(CustodyFetch(client=client, request=frame.request, chain=chain))
    parts.out.add(
        ReadEntries(token=token, room=chain, after=frame.after, limit=limits.MAX_CUSTODY, max_bytes=_PAGE_BYTES)
    )


def answer(parts: Parts, question: CustodyFetch, read: EntriesRead, now_ms: int) -> None:
    """The store has read entries of a custody chain."""
    client, ledger = question.client, parts.loaded().ledger
    if not parts.knows(client):
        return
    entries: list[frames.CustodyEntry] = []
    size = 0
    for entry in (stored.entry for stored in read.entries):
        size += _ENTRY_BYTES + len(entry.object) + len(entry.document or b"")
        if entries and size > _PAGE_BYTES:
            break
        entries.append(
            frames.CustodyEntry(
                sequence=entry.room_seq,
                index=entry.index,
                type=int(entry.type),
                accepted_at_ms=entry.accepted_at_ms,
                previous=entry.previous,
                object=entry.object,
                document=entry.document,
            )
        )
    last = entries[-1].sequence if entries else None
    kept = ledger.chains.get(question.chain)
    is_end = last is None or kept is None or last == kept.head_seq
    head = ledger.custody_head(question.chain, now_ms) if is_end else b""
    parts.out.send(client.session, frames.Custody(request=question.request, entries=tuple(entries), head=head))


def announce(parts: Parts, ledger: Ledger, batch: Batch) -> None:
    """Members who are live in a room are told that its custody chain has grown."""
    grown = {entry.room: entry.room_seq for entry in batch.append.entries if entry.room in ledger.custody}
    for chain, sequence in grown.items():
        room = ledger.custody[chain]
        live = parts.watches.live(room)
        if live:
            parts.out.fan_out(live, (frames.encode_frame(frames.CustodyGrown(room=room, sequence=sequence)),))


# ---- checks


def _signing_enrolment(
    state: RelayState, endorsed: Endorsed, typ: Typ, organisation: OrgName, at_ms: int
) -> Enrolment:  # fmt: skip
    """The enrolment key of an organisation among those that are said to have signed, in force."""
    logged = (state.enrolments.get(KeyId(kid)) for kid in named_signers(endorsed, typ))
    found = next((known for known in logged if known is not None and known.organisation == organisation), None)
    if found is None:
        raise VerifyError(Code.CERTIFICATE, f"no enrolment key of {organisation} that is logged has signed")
    check_enrolment_key(state, found)
    verify_enrolment(found, state.roster, at_ms=at_ms)
    return found


def _check_granted(state: RelayState, grant: AuditGrant, at_ms: int) -> None:
    state.roster.value.organisation(grant.auditor)
    if at_ms >= grant.not_after_ms:
        raise RefusedError(Code.EXPIRED, "the grant is over already", hint="Have it made again, for a later time.")
    for room in grant.rooms:
        known = state.rooms.get(room)
        if known is None:
            raise RefusedError(Code.UNKNOWN_ROOM, f"there is no room {room.hex()[:16]} here")
        if grant.granting not in (None, known.create.owner):
            detail = f"the room {room.hex()[:16]} is owned by {known.create.owner}, which alone may grant it"
            raise RefusedError(Code.MEMBERSHIP, detail)


def _check_held(state: RelayState, hold: LegalHold) -> None:
    if hold.released:
        raise RefusedError(Code.NOT_FOUND, "a hold is released that was never logged")
    for room in hold.rooms:
        known = state.rooms.get(room)
        members = () if known is None else known.members.values()
        if not any(member.organisation == hold.organisation and member.removed_seq is None for member in members):
            detail = f"{hold.organisation} is not in a room {room.hex()[:16]}"
            raise RefusedError(Code.UNKNOWN_ROOM, detail)


def _check_not_kept(state: RelayState, organisation: OrgName, subject: PersonId) -> None:
    # Who wrote what is held is part of it: else a name could be made to go before it is asked for.
    known = ((device, one.certificate) for device, one in state.devices.items())
    own = {device for device, one in known if (one.organisation, one.subject) == (organisation, subject)}
    for hold in state.standing_holds():
        for room in hold.rooms:
            members = state.rooms[room].members
            if any(members[device].last_counter for device in own & members.keys()):
                detail = (
                    f"a legal hold of {hold.organisation} keeps the room {room.hex()[:16]}, where this person wrote"
                )
                hint = "Submit it again when the hold is released."
                raise RefusedError(Code.MEMBERSHIP, detail, hint=hint)


def _put_everywhere(
    books: Books, unit: Unit, leaf_type: LeafType, endorsed: Endorsed, chains: Iterable[RoomId]
) -> None:  # fmt: skip
    document = endorsed.encode()
    for chain in dict.fromkeys(chains):
        # Whoever submitted it is told of the first place.
        key = place_key(document, chain) if unit.drafts else object_key(document)
        put(books, unit, leaf_type, chain, endorsed.record, document, key=key)
