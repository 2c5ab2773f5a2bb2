"""Own envelopes in the record: what we signed gets its place; what we did not sign is an alarm."""

from __future__ import annotations

from dataclasses import replace

from amanah_client import effects as e
from amanah_client.core import matter, nations, renewal, repair, resend, restored
from amanah_client.core.context import Context
from amanah_client.core.entry import Entry
from amanah_client.core.room import Room
from amanah_client.core.senders import Following
from amanah_client.model import MessageRow, MessageState, Rekey, RoomStatus
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.identity import Certificate, Role
from amanah_protocol.kinds import Commit, Create, Erase, Refuse, Repair


def take_own(  # noqa: C901 - one case for each kind that changes something
    ctx: Context, room: Room, entry: Entry, envelope: Envelope, following: Following
) -> MessageRow | None:
    """An envelope with our own signature came back.

    Returns:
        The row with its place; None when the store holds a better one than we do.

    Raises:
        VerifyError: `VOIDED_APPEARED` when we were told that it was refused; `FORK` when this state
            never signed it: the profile was copied or restored from a backup (attack 23); `BEHIND` when
            that is a commit.
    """
    sent = room.sent.pop(envelope.id, None)
    lost: VerifyError | None = None
    if sent is None:
        lost = _check_ours(ctx, room, envelope, following)
    elif following.flaw is not None:
        # Its place stands; but what we signed before it was left out or put behind it (attacks 1, 5).
        ctx.alarm_for(following.flaw, room=room.id, evidence=(entry.leaf.encode(),))
    match envelope.header.specific:
        case Create():
            room.create = envelope
            room.change(create=envelope.encoded, added_seq=1)
            room.change(created_index=entry.index, created_at_ms=entry.accepted_at_ms)
            if room.row.status is RoomStatus.OPENING:
                room.change(status=RoomStatus.OPEN)
            nations.follow(ctx, room, (ctx.me,), entry.index)
        case Commit() if lost is not None:
            restored.stop(ctx, room, envelope)
        case Commit(added=added):
            _merge(ctx, room, envelope)
            room.enter(added, entry.index)
            nations.follow(ctx, room, () if room.group is None else room.group.members, entry.index)
        case Erase():
            erase(ctx, room, envelope, ctx.certificate)
        case Repair() as said:
            _note_repair(ctx, room, said)
        case Refuse():
            restored.note_logged(room, envelope)
        case _:  # the other kinds change nothing here
            pass
    if lost is not None:
        raise lost
    if sent is None:
        return None
    return replace(
        sent,
        state=MessageState.STORED,
        room_seq=entry.room_seq,
        index=entry.index,
        accepted_at_ms=entry.accepted_at_ms,
        previous=entry.leaf.previous,
    )


def _note_repair(ctx: Context, room: Room, said: Repair) -> None:
    if said.addressees:
        resend.note_answer(ctx, room, said, ctx.certificate.organisation)
    else:
        repair.note_asked(ctx, room, said.envelopes)


def erase(ctx: Context, room: Room, envelope: Envelope, certificate: Certificate) -> None:
    """Drop what an `erase` names: any content for officers of the room's owner, else the sender's own alone."""
    specific = envelope.header.specific
    if isinstance(specific, Erase):
        owner = certificate.role is Role.OFFICER and certificate.organisation == room.spec.owner
        by = None if owner else envelope.header.kid
        ctx.write(e.EraseContent(room=room.id, envelopes=specific.envelopes, by=by))
        # What was read of them, to be passed on or sent again, is read anew: it may be gone.
        matter.forget(ctx, room.id, specific.envelopes)
        if room.answer is not None and not room.answer.found.keys().isdisjoint(specific.envelopes):
            room.answer = None
        for envelope_id in specific.envelopes:
            row = room.missing.get(envelope_id)
            if row is not None and by in (None, row.sender):
                del room.missing[envelope_id]  # nobody sends it again, and nobody's answer brings it back


def _check_ours(ctx: Context, room: Room, envelope: Envelope, following: Following) -> VerifyError | None:
    """Whether this profile signed it; what to raise where it is an old copy of the one that did."""
    if room.create is not None and envelope.id == room.create.id:
        return None  # a creator who was added again reads from the beginning
    counter, flaw = envelope.header.counter, following.flaw
    if flaw is not None and flaw.code is Code.REPLAY and counter not in room.row.voids:
        raise flaw  # ours, and in its place already
    if counter in room.row.voids or (flaw is not None and flaw.code is Code.VOIDED_APPEARED):
        ctx.halt(room)
        raise VerifyError(Code.VOIDED_APPEARED, f"our envelope {counter}, which the relay had refused, is in the log")
    if flaw is not None:
        # What we signed before it was left out or put behind it: that is no copy, or not that alone.
        ctx.halt(room)
        raise VerifyError(Code.FORK, f"an envelope {counter} of this device stands where it never put one")
    return restored.notice(ctx, room, envelope) if restored.is_foreign(room, envelope) else None


def _merge(ctx: Context, room: Room, envelope: Envelope) -> None:
    """The own commit has its place: enter its epoch.

    Raises:
        VerifyError: `REFUSED_COMMIT`: it is not the one that we hold, so its epoch cannot be entered.
    """
    group = room.group
    pending = None if group is None else group.pending
    if group is None or pending is None or sha256(pending.sealed) != envelope.payload:
        detail = "an own commit was accepted that is no longer held here"
        ctx.halt(room)
        ctx.alarm(Code.REFUSED_COMMIT, detail, room=room.id, evidence=(envelope.encoded,))
        raise VerifyError(Code.REFUSED_COMMIT, detail)
    group.merge()
    renewal.set_time(ctx, room)
    room.change(rekey=Rekey.NONE if room.row.rekey is Rekey.KEYS else room.row.rekey)
    room.moved()
