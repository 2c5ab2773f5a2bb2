"""Who is in a room, followed from its creation by headers and signatures alone (attacks 16 and 27).

The room's id names its creator; every commit is signed by one who was in, and says who is in after
it. So nobody who was never in can put himself, or anybody, into the circle, whatever the relay shows.
What is sealed in the commits is not for a newcomer, and nothing here needs it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_client.core import nations
from amanah_client.core.checks import authenticate, check_allowed, check_policy
from amanah_client.core.context import Context
from amanah_client.core.entry import Entry
from amanah_client.core.room import Room
from amanah_client.core.senders import later_flaw
from amanah_client.model import Circle, RoomStatus, SenderRow
from amanah_protocol.envelope import Envelope, audience_digest
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.kinds import Commit
from amanah_protocol.types import ZERO_32, DeviceId, LeafHash


def circle_of(room: Room) -> Circle | None:
    """The circle as far as this device has verified it; None where that has to begin at the creation.

    A member's own group is followed commit by commit, so it is as good as a replay; not where the
    record was found wrong.
    """
    row, group = room.row, room.group
    if group is None:
        return row.circle
    if row.status is not RoomStatus.OPEN or room.outer is not None:
        return None
    return Circle(
        epoch=group.epoch,
        members=tuple(sorted(group.members)),
        committers=tuple(room.senders.values()),
        room_seq=row.head_seq,
        index=row.head_index,
        leaf=row.head_leaf,
        accepted_at_ms=0,
    )


def follow_commit(ctx: Context, room: Room, circle: Circle | None, entry: Entry) -> Circle:
    """The circle after the next `create` or commit: nothing of it is taken on anybody's word.

    Args:
        ctx: The core's memory.
        room: The room; its creation is known and was checked.
        circle: The circle before, None before the creation.
        entry: What is said to come next.

    Raises:
        NotLoggedError: A device is not in the control stream, as far as we have it.
        DecodeError: It is no envelope.
        VerifyError: `FORK` or `GAP` when it does not come next; `NOT_MEMBER` or `AUDIENCE`; what
            `authenticate` raises; `REPLAY`, `VOIDED_APPEARED` or `FORK` for its counter.
        RefusedError: The room's policy did not allow it then.
    """
    envelope = entry.envelope
    if envelope is None:
        raise entry.flaw or VerifyError(Code.MALFORMED, "an entry that is no envelope")
    check_place(room, circle, entry)
    certificate = authenticate(ctx, entry, envelope)
    if circle is None:
        begun = _begin(room, entry, envelope)
        nations.follow(ctx, room, begun.members, entry.index)
        return begun
    header = envelope.header
    commit = header.specific
    if not isinstance(commit, Commit) or room.engine is None:
        raise VerifyError(Code.BINDING, "this is no commit of this room's suite")
    check_allowed(header, certificate, room.spec)
    if header.epoch != circle.epoch:
        raise VerifyError(Code.GAP, f"a commit of epoch {header.epoch} stands where that of {circle.epoch} has to")
    if header.kid not in circle.members:
        raise VerifyError(Code.NOT_MEMBER, "who changed the room was not in it")
    if header.audience != audience_digest(_members_after(circle, commit)):
        raise VerifyError(Code.AUDIENCE, "the members that a commit signed are not those that were in after it")
    check_policy(ctx, room, commit, committer=header.kid, members=set(circle.members), entry=entry)
    _check_sender(ctx, room, circle, envelope)
    room.enter(commit.added, entry.index)
    after = after_commit(circle, entry, envelope, commit)
    nations.follow(ctx, room, after.members, entry.index)
    return after


def after_commit(circle: Circle, entry: Entry, envelope: Envelope, commit: Commit) -> Circle:
    """The circle behind a commit that was checked."""
    header = envelope.header
    sender = SenderRow(device=header.kid, counter=header.counter, last_id=envelope.id, voided=header.voids)
    others = tuple(one for one in circle.committers if one.device != header.kid)
    return replace(
        _at(circle, entry),
        epoch=header.epoch + 1,
        members=tuple(sorted(_members_after(circle, commit))),
        committers=(*others, sender),
    )


def check_place(room: Room, circle: Circle | None, entry: Entry) -> None:
    """It stands behind the one before it, and where we know the place it is what we know.

    What stands between two commits is not shown, so their links cannot be followed; where nothing
    stands between, they have to fit.

    Raises:
        VerifyError: `FORK`.
    """
    before = _NOWHERE if circle is None else circle
    behind = entry.room_seq > before.room_seq and entry.index > before.index
    if not behind or entry.accepted_at_ms < before.accepted_at_ms:
        raise VerifyError(Code.FORK, f"entry {entry.room_seq} does not stand behind entry {before.room_seq}")
    if entry.room_seq == before.room_seq + 1 and entry.leaf.previous != before.leaf:
        raise VerifyError(Code.FORK, f"entry {entry.room_seq} does not continue the one before it")
    known = room.known.get(entry.room_seq)
    if known is not None and known.leaf != entry.leaf_hash:
        raise VerifyError(Code.FORK, f"two entries {entry.room_seq} of this room")


def _begin(room: Room, entry: Entry, envelope: Envelope) -> Circle:
    # The creation was checked when it came first: its origin, its creator's role, its id.
    if room.create is None or envelope.id != room.create.id or entry.room_seq != 1:
        raise VerifyError(Code.GAP, "the record of the members does not begin with the room's creation")
    header = envelope.header
    creator = SenderRow(device=header.kid, counter=header.counter, last_id=envelope.id)
    return replace(_at(_NOWHERE, entry), members=(header.kid,), committers=(creator,))


def _check_sender(ctx: Context, room: Room, circle: Circle, envelope: Envelope) -> None:
    header = envelope.header
    before = next((one for one in circle.committers if one.device == header.kid), None)
    flaw = None if before is None else later_flaw(before, header)
    if flaw is not None:
        raise flaw
    if header.kid != ctx.me:
        return
    # We have been in the room before. What we never signed comes from a copy of this profile (attack 23).
    if header.counter in room.row.voids:
        raise VerifyError(Code.VOIDED_APPEARED, f"our commit {header.counter}, which the relay had refused, appeared")
    if header.counter > room.row.counter:
        raise VerifyError(Code.FORK, f"a commit {header.counter} of this device that this profile never signed")


def _members_after(circle: Circle, commit: Commit) -> frozenset[DeviceId]:
    return (frozenset(circle.members) | set(commit.added)) - set(commit.removed)


def _at(circle: Circle, entry: Entry) -> Circle:
    return replace(
        circle,
        room_seq=entry.room_seq,
        index=entry.index,
        leaf=entry.leaf_hash,
        accepted_at_ms=entry.accepted_at_ms,
    )


_NOWHERE: Final = Circle(
    epoch=0, members=(), committers=(), room_seq=0, index=-1, leaf=LeafHash(ZERO_32), accepted_at_ms=0
)
"""Before the creation."""
