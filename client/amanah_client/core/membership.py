"""Creation, commits and welcomes: who is in, by rules that every member checks for itself."""

from __future__ import annotations

from dataclasses import replace

from amanah_client.core import duty, nations, packages, renewal, repair, restored, successor
from amanah_client.core.behind import fall_behind, may_be_dropped
from amanah_client.core.checks import check_bound, check_policy
from amanah_client.core.circle import after_commit, circle_of
from amanah_client.core.context import Context
from amanah_client.core.directory import NotLoggedError
from amanah_client.core.entry import Entry
from amanah_client.core.hold import widen
from amanah_client.core.room import Room
from amanah_client.core.withdraw import expel
from amanah_client.model import Circle, RoomStatus
from amanah_protocol import rooms
from amanah_protocol.content.bodies import Profile
from amanah_protocol.envelope import Envelope, audience_digest
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.group.seam import Binding, Changed, Group
from amanah_protocol.kinds import Commit, Create, Refuse, Welcome


def take_create(ctx: Context, room: Room, entry: Entry, envelope: Envelope, create: Create) -> None:
    """The first entry of a room: its id follows from it, and its creator may open rooms.

    Raises:
        VerifyError: `BINDING` or `SUITE`.
        RefusedError: `ROLE`, `MEMBERSHIP`, `SUITE` or `LABEL`.
    """
    header = envelope.header
    # That the room's id follows from origin, creator and nonce is checked where envelopes are decoded.
    if entry.room_seq != 1 or create.origin != ctx.relay.origin:
        raise VerifyError(Code.BINDING, "this creation is not that of this room, or not of this log")
    if header.audience != audience_digest({header.kid}):
        raise VerifyError(Code.AUDIENCE, "a room begins with its creator alone")
    standing = ctx.directory.standing(header.kid, before=entry.index)
    if standing is None:
        raise NotLoggedError("the creator is not in the log")
    rooms.check_create(create, standing)
    rooms.check_label(header.label, create)
    engine = ctx.engines[create.suite]
    if create.suite not in ctx.certificate.suites:
        raise VerifyError(Code.SUITE, f"this device does not support the room's suite 0x{create.suite:04X}")
    if room.create is not None and room.create.id != envelope.id:
        raise VerifyError(Code.FORK, "two creations of one room")
    room.create, room.engine = envelope, engine
    room.change(create=envelope.encoded, created_index=entry.index, created_at_ms=entry.accepted_at_ms)


def take_commit(ctx: Context, room: Room, entry: Entry, envelope: Envelope, commit: Commit) -> None:
    """Another member changed the room.

    Raises:
        NotLoggedError: A device is added that the control stream, as far as we have it, does not hold.
        VerifyError: `REFUSED_COMMIT`, `BEHIND`, or `NOT_MEMBER` where this device has no keys.
    """
    if room.group is None and ctx.me in commit.added:
        _begin_joining(ctx, room, entry, envelope)
        return
    stuck = room.group is None or room.outer is not None or room.lags(envelope.header.epoch)
    _count_outside(room, commit)
    if stuck and ctx.me in commit.removed:
        _leave(ctx, room, entry, circle_of(room))
        return
    if stuck or room.group is None:
        check_bound(room, envelope)
        return
    before = set(room.group.members)
    try:
        _check_header(ctx, room, entry, envelope, commit)
        room.group.discard()  # an own commit of this epoch has lost
        if entry.content and ctx.me not in commit.removed:
            _process(ctx, room.group, entry, envelope, commit)
    except PeerError as error:
        if isinstance(error, NotLoggedError) and room.refreshed_seq != room.row.head_seq:
            raise  # the control stream may just be late
        _refuse(ctx, room, entry, envelope, commit, error)
        raise VerifyError(Code.REFUSED_COMMIT, f"{error.code}: {error.detail}") from error
    room.moved()
    room.enter(commit.added, entry.index)
    nations.follow(ctx, room, (before | set(commit.added)) - set(commit.removed), entry.index)
    if ctx.me in commit.removed:
        circle = circle_of(room)
        # Who is added again goes on from here: what it has verified is not shown to it otherwise.
        after = None if circle is None else after_commit(circle, entry, envelope, commit)
        _leave(ctx, room, entry, after)
    elif not entry.content:
        fall_behind(ctx, room, entry)
    else:
        restored.follow_commit(room)
        widen(ctx, room, before | successor.old_circle(ctx, room), commit.added)


def _count_outside(room: Room, commit: Commit) -> None:
    """Behind a refused commit the relay's members are followed by headers alone."""
    if room.outer is not None:
        room.outer = (room.outer | set(commit.added)) - set(commit.removed)
    if room.outer is not None and room.row.wedge is not None:
        room.change(wedge=replace(room.row.wedge, outer=tuple(sorted(room.outer))))


def _leave(ctx: Context, room: Room, entry: Entry, circle: Circle | None) -> None:
    # Who was removed for want of keys is added again, as is who was silent: what waits to be sent goes on waiting.
    keyless = room.row.status in (RoomStatus.LOST, RoomStatus.HALTED)
    room.change(lapsed=keyless or duty.has_lapsed(ctx, room, ctx.me, entry.accepted_at_ms))
    if room.row.lapsed:
        packages.freshen(ctx)
    expel(room, circle)


def _check_header(ctx: Context, room: Room, entry: Entry, envelope: Envelope, commit: Commit) -> None:
    """All that a commit's header and signature show, also where its content is not for us or is kept no longer."""
    kid = envelope.header.kid
    check_bound(room, envelope)
    members = set() if room.group is None else set(room.group.members)
    check_policy(ctx, room, commit, committer=kid, members=members, entry=entry)


def _process(ctx: Context, group: Group, entry: Entry, envelope: Envelope, commit: Commit) -> None:
    """Apply a commit as a whole or not at all."""
    header = envelope.header
    group.process(
        entry.sealed(),
        sender=header.kid,
        aad=header.aad,
        expected=Changed(added=commit.added, removed=commit.removed),
        check=ctx.directory.credential_check(before=entry.index),
    )


def _refuse(ctx: Context, room: Room, entry: Entry, envelope: Envelope, commit: Commit, error: PeerError) -> None:
    """A commit that the relay accepted and that is not allowed: say so, and send nothing more there."""
    code = str(error.code)[:32]
    if room.group is not None:
        room.outer = (set(room.group.members) | set(commit.added)) - set(commit.removed)
        successor.begin(room, room.group, entry, envelope, code)
    ctx.halt(room)
    room.refusals.append(Refuse(commit=envelope.id, code=code))
    detail = f"a commit was refused: {error.code}: {error.detail}"
    ctx.alarm(Code.REFUSED_COMMIT, detail, room=room.id, evidence=(envelope.encoded,))


def _begin_joining(ctx: Context, room: Room, entry: Entry, envelope: Envelope) -> None:
    room.adding = envelope
    own = room.senders.get(ctx.me)
    room.senders = {} if own is None else {ctx.me: own}
    room.change(status=RoomStatus.JOINING, added_seq=entry.room_seq, adding_commit=envelope.id)


def take_welcome(ctx: Context, room: Room, entry: Entry, envelope: Envelope, welcome: Welcome) -> None:
    """Secrets for devices that were added: ours are opened, those of others are noted.

    Raises:
        NotLoggedError: A member is not in the control stream, as far as we have it.
        DecodeError: It does not parse.
        VerifyError: `BINDING`, `AUDIENCE`, `OPEN`, `CERTIFICATE`, `BEHIND`, or `NOT_MEMBER`.
    """
    adding = room.adding
    if adding is None or ctx.me not in welcome.addressees or room.group is not None:
        check_bound(room, envelope)
        return
    if _is_gone(ctx, entry, envelope, welcome):
        room.adding = None
        fall_behind(ctx, room, entry)
    group, reference = _join(ctx, room, entry, envelope, adding)
    room.group, room.adding, room.outer = group, None, None
    room.refusals.clear()
    room.moved()
    # What waits here was written for who was in when this device left.
    widen(ctx, room, room.row.left_among or group.members, group.members)
    room.change(status=RoomStatus.OPEN, circle=None, left_among=(), lapsed=False, asked_at_ms=0)
    # An `erase` of what it was sent before may stand where it was outside, and is not shown there.
    room.withheld.clear()
    # What it was sent before it may not have been able to open.
    repair.ask_anew(ctx, room, tuple(room.missing))
    if room.row.successor is None:  # what was closed stays so, whoever adds this device there again
        room.change(wedge=None)
    renewal.set_time(ctx, room, at_once=reference is None)
    if reference is not None:
        packages.spend(ctx, reference)
    room.bodies.append(Profile(encoded=ctx.profile))
    restored.check_joined(ctx, room)


def _is_gone(ctx: Context, entry: Entry, envelope: Envelope, welcome: Welcome) -> bool:
    missing = not entry.content or (welcome.tree_hash is not None and not entry.tree)
    return missing and may_be_dropped(ctx, envelope)


def _join(ctx: Context, room: Room, entry: Entry, envelope: Envelope, adding: Envelope) -> tuple[Group, bytes | None]:
    header, create = envelope.header, room.create
    if room.engine is None or create is None:
        raise VerifyError(Code.BINDING, "a welcome to a room of another suite, or of none")
    if header.kid != adding.header.kid or header.epoch != adding.header.epoch + 1:
        raise VerifyError(Code.BINDING, "the welcome is not that of the commit that added this device")
    group, reference = room.engine.join(
        entry.sealed(),
        entry.tree,
        Binding(room=room.id, policy=room.spec.policy, create_id=create.id, commit_id=adding.id, sender=header.kid),
        privates=ctx.packages,
        key=ctx.key,
        check=ctx.directory.credential_check(before=entry.index),
    )
    members = set(group.members)
    if group.epoch != header.epoch:
        raise VerifyError(Code.BINDING, "the welcome leads into another epoch than its header says")
    if not audience_digest(members) == header.audience == adding.header.audience:
        # That these follow from the creation and all commits since was checked before (`joining`).
        raise VerifyError(Code.AUDIENCE, "the members that the welcome shows are not those that the commit signed")
    return group, reference
