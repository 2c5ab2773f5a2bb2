"""A wedged room goes on in a successor (`protocol.md` section 5).

A commit that the relay took and members refuse ends a room for them: its epoch cannot be entered. Each publishes
`refuse` and stops sending. A device holds the room for *wedged* when its own processing refused the commit, its own
`refuse` is in the log, at least one other member's is there, and more members of the last good epoch refuse than go on
behind the commit; the committer counts for neither. So nobody leaves a room on others' word, and one for whom alone a
commit fails makes no successor: it is removed and added again.

An officer's client opens the successor: the owner organisation's first, in order of the leaves, each two seconds after
the one before, once there was time for those who go on to show it. It adds the devices of the last good epoch, but for
the committer and those that are not valid. What waits in the outbox moves there, when the room proves to be a successor
(`_is_valid`); any other room that claims to be one is an ordinary invitation. Of several that with most of those who
were in counts, of equal ones the first in the log; the others are closed in its favour.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_client import effects as e
from amanah_client.core import apart, commits, invite
from amanah_client.core.context import Context, room_of
from amanah_client.core.gate import blocked
from amanah_client.core.hold import widen
from amanah_client.core.requests import Gathered
from amanah_client.core.room import Room
from amanah_client.model import (
    Acknowledge,
    Disclose,
    EraseMessages,
    Intent,
    IntentState,
    RoomStatus,
    Wedge,
)
from amanah_protocol import rooms
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import AmanahError, Code, PeerError
from amanah_protocol.frames import KeyPackages, TakeKeyPackages
from amanah_protocol.group.seam import Group
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Create, Refuse
from amanah_protocol.types import DeviceId

SETTLE_MS: Final = 40_000
"""Who goes on behind the commit reports what it has at least so often, so it was heard by then."""
AGAIN_MS: Final = 60_000
"""When another successor is tried, where the relay refused one."""


# ---- what the record says


def note(room: Room, envelope: Envelope) -> None:
    """An authentic entry behind a commit that we refused: its sender refuses it too, or goes on."""
    wedge, header = room.row.wedge, envelope.header
    if wedge is None:
        return
    kid, specific = header.kid, header.specific
    if isinstance(specific, Refuse) and specific.commit == wedge.commit:
        if kid not in wedge.refused:
            room.change(wedge=replace(wedge, refused=(*wedge.refused, kid)))
    elif header.epoch > wedge.epoch and kid not in wedge.followed:
        room.change(wedge=replace(wedge, followed=(*wedge.followed, kid)))


def is_wedged(ctx: Context, room: Room) -> bool:
    """Whether this device has found, by its own processing and not alone, that the room cannot go on."""
    wedge = room.row.wedge
    if wedge is None:
        return False
    circle = circle_before(room)
    refused, followed = circle & set(wedge.refused), circle & set(wedge.followed)
    return ctx.me in refused and len(refused) > 1 and len(refused) > len(followed - refused)


def circle_before(room: Room) -> set[DeviceId]:
    """The last good epoch's members, but for who made the commit that was refused."""
    wedge = room.row.wedge
    return set() if wedge is None else set(wedge.members) - {wedge.committer}


def predecessor(ctx: Context, room: Room) -> Room | None:
    """The wedged room that this one was opened to continue, as far as it says so."""
    create = None if room.create is None else room.create.header.specific
    before = create.successor_of if isinstance(create, Create) else None
    found = None if before is None else ctx.rooms.get(before)
    return None if found is None or found.row.wedge is None else found


def _circle(ctx: Context, room: Room) -> set[DeviceId]:
    """Whom what waits in a closed room was written for, at most; whoever came there later has had it held."""
    if room.row.wedge is not None:
        return circle_before(room)
    before = predecessor(ctx, room)
    inside = set(room.row.left_among if room.group is None else room.group.members)
    return inside if before is None else inside | circle_before(before)


def old_circle(ctx: Context, room: Room) -> set[DeviceId]:
    """Whom what waits was written for already, where this is the successor that it moved to."""
    before = predecessor(ctx, room)
    return circle_before(before) if before is not None and before.row.successor == room.id else set()


# ---- the outbox moves


def work(ctx: Context) -> None:
    """Find successors of wedged rooms and move there; open one where it is this device's turn."""
    for room in tuple(ctx.rooms.values()):
        if room.row.wedge is None:
            continue
        if is_wedged(ctx, room):
            _settle(ctx, room)
            if room.row.successor is None:
                _open(ctx, room)
        for old in (room, *_claimants(ctx, room)):
            _move(ctx, old)


def _claimants(ctx: Context, room: Room) -> list[Room]:
    return [one for one in ctx.rooms.values() if one is not room and predecessor(ctx, one) is room]


def _settle(ctx: Context, room: Room) -> None:
    """Of the valid successors the one with most of those who were in counts, of equal ones the first in the log.

    One that leaves members out could else draw some away from the others.
    """
    claimants = _claimants(ctx, room)
    sizes = {one.id: _size(room, one) for one in claimants}
    best = max(claimants, key=lambda one: (sizes[one.id], -one.row.created_index), default=None)
    if best is None or not sizes[best.id]:
        return
    if (room.row.successor, room.row.successor_size) != (best.id, sizes[best.id]):
        room.change(successor=best.id, successor_size=sizes[best.id])
    if best.row.successor is not None:
        best.change(status=RoomStatus.OPEN, successor=None)  # closed in favour of one that it has outgrown
    for one in claimants:
        ours = one.create is not None and one.create.header.kid == ctx.me
        if one is not best and (sizes[one.id] or ours) and one.row.successor != best.id:
            ctx.halt(one)
            one.change(successor=best.id)


def _size(old: Room, room: Room) -> int:
    """How many of those who were in are in a successor; 0 where it is none."""
    inside = 0 if room.group is None else len(circle_before(old) & set(room.group.members))
    if room.id == old.row.successor:
        return max(old.row.successor_size, inside)  # whoever leaves it later takes nobody along
    return inside if _is_valid(old, room) else 0


def _is_valid(old: Room, room: Room) -> bool:
    """Whether a room that claims to be the successor of one that we found wedged is one (attack: a false one).

    It was opened behind the commit. Its creator was in the last good epoch and did not make the commit; it is of the
    same ceiling, suite, policy and agreement; nobody is in who was not in then, and somebody besides its creator is.
    """
    create, group, wedge, row = room.create, room.group, old.row.wedge, room.row
    closed = row.status is RoomStatus.HALTED and row.wedge is None and row.successor == old.row.successor is not None
    if create is None or group is None or wedge is None or not (row.status is RoomStatus.OPEN or closed):
        return False
    circle, members = circle_before(old), set(group.members)
    try:
        rooms.check_successor(room.spec, creator=create.header.kid, before=old.spec, members=circle)
    except PeerError:
        return False
    return row.created_index > wedge.index and members <= circle and len(members) > 1


def _move(ctx: Context, old: Room) -> None:
    """What waits in a closed room goes on in its successor; what was about entries of it ends here."""
    new = None if old.row.successor is None else ctx.rooms.get(old.row.successor)
    if new is None or not old.line:
        return
    # However late it moves, it is held where others are there than it was written for.
    widen(ctx, old, _circle(ctx, old), new.row.left_among if new.group is None else new.group.members)
    for intent in tuple(old.line.values()):
        if intent.state not in (IntentState.QUEUED, IntentState.HELD):
            continue
        if isinstance(intent.action, Acknowledge | EraseMessages | Disclose):
            ctx.fail(intent, str(Code.REFUSED_COMMIT), f"the room is closed; it goes on in {new.id.hex()}")
        else:
            _move_intent(ctx, old, new, intent)


def _move_intent(ctx: Context, old: Room, new: Room, intent: Intent) -> None:
    del old.line[intent.id]
    ctx.waits.pop(intent.id, None)
    # What stands in a room's line is about that room.
    action = replace(intent.action, room=new.id)  # type: ignore[arg-type]  # for the type, it may be about none
    code, detail = (intent.code, intent.detail) if intent.state is IntentState.HELD else ("", "")
    moved = replace(intent, action=action, room=None, code=code, detail=detail)
    ctx.outbox[intent.id] = new.line[intent.id] = moved
    assert room_of(moved.action) == new.id  # noqa: S101 - what else would stand in its line
    ctx.write(e.PutAction(intent=moved))
    ctx.put_intent(moved)


# ---- opening one


def _open(ctx: Context, room: Room) -> None:
    """Open the successor, when it is this device's turn."""
    wedge, rank = room.row.wedge, _rank(ctx, room)
    # Who was removed behind the commit, perhaps by its maker, is shown no more of the room.
    read = room.link.live or room.row.status is RoomStatus.REMOVED
    if wedge is None or rank is None or not read or blocked(ctx) is not None:
        return
    if room.wedged_since_ms is None:
        room.wedged_since_ms = ctx.timer_ms
    due_ms = room.wedged_since_ms + SETTLE_MS + rank * commits.RANK_MS
    if ctx.timer_ms < max(due_ms, room.duty_at_ms) or any(_is_own(ctx, one) for one in _claimants(ctx, room)):
        return
    room.duty_at_ms = ctx.timer_ms + AGAIN_MS
    before = room.spec
    create = Create(
        origin=ctx.relay.origin,
        # The same again after a refusal, so that one device opens one.
        nonce=sha256(b"amanah/successor/1" + room.id + wedge.commit)[:16],
        suite=before.suite,
        ceiling=before.ceiling,
        owner=ctx.certificate.organisation,
        agreement=before.agreement,
        policy=before.policy,
        successor_of=room.id,
    )
    try:
        apart.open_room(ctx, create, title=room.row.title, written_at_ms=ctx.now_ms, intent=None)
    except AmanahError as error:
        ctx.alarm(str(error.code), f"no successor can be opened: {error.detail}", room=room.id)


def _is_own(ctx: Context, room: Room) -> bool:
    own = room.create is not None and room.create.header.kid == ctx.me
    return own and room.row.status is not RoomStatus.REMOVED


def _rank(ctx: Context, room: Room) -> int | None:
    """How many officers are to act before us; None where it is not for us to act."""
    wedge = room.row.wedge
    if wedge is None:
        return None
    standings = ctx.directory.standings(wedge.members)
    able = {
        device: standing.certificate.organisation
        for device, standing in standings.items()
        if standing.certificate.role is Role.OFFICER
        and standing.usable(ctx.now_ms)
        and device != wedge.committer
        and device not in wedge.followed
    }
    order = sorted(able, key=lambda device: able[device] != room.spec.owner)
    return order.index(ctx.me) if ctx.me in able else None


# ---- bringing in who was there


def gather(ctx: Context, room: Room) -> bool:
    """Add to an own successor who is missing; True when what is to be said there has to wait."""
    old = predecessor(ctx, room)
    if old is None or room.group is None or room.create is None or room.create.header.kid != ctx.me:
        return False
    wedge = old.row.wedge
    if wedge is None or old.row.successor not in (None, room.id):
        return False
    inside = set(room.group.members)
    if not inside <= set(wedge.moved):
        wedge = replace(wedge, moved=tuple(sorted({*wedge.moved, *inside})))
        old.change(wedge=wedge)
    alone = len(inside) == 1
    missing = _missing(ctx, room, circle_before(old) - set(wedge.moved))
    here = {device: room.packages[device] for device in missing if device in room.packages}
    if here:
        return _add(ctx, room, here) or alone
    asked = ctx.is_asking(lambda purpose: isinstance(purpose, Gathered) and purpose.room == room.id)
    if missing and not asked and ctx.timer_ms >= room.gather_at_ms:
        room.gather_at_ms = ctx.timer_ms + invite.AGAIN_MS
        suite, purpose = room.spec.suite, Gathered(room=room.id, devices=missing)
        ctx.ask(purpose, lambda number: TakeKeyPackages(request=number, suite=suite, devices=missing))
        return True
    return alone


def _missing(ctx: Context, room: Room, wanted: set[DeviceId]) -> tuple[DeviceId, ...]:
    """Those that may be added; whoever is revoked or expired meanwhile is left out."""
    standings = ctx.directory.standings(wanted)
    fits = (d for d, one in standings.items() if one.usable(ctx.now_ms) and room.spec.suite in one.certificate.suites)
    return tuple(sorted(fits))[: commits.MOST]


def _add(ctx: Context, room: Room, packages: dict[DeviceId, bytes]) -> bool:
    try:
        commits.commit(ctx, room, packages=packages, removes=(), intent=None)
    except AmanahError as error:
        room.packages = {}
        room.gather_at_ms = ctx.timer_ms + AGAIN_MS
        ctx.alarm(str(error.code), f"members of the closed room cannot be added: {error.detail}", room=room.id)
        return False
    room.bodies += invite.introductions(ctx, room)
    return True


def receive_gathered(ctx: Context, purpose: Gathered, frame: KeyPackages) -> Gathered | None:
    """Check the key packages that came; gives what is still to come.

    Raises:
        VerifyError: `FRAME`: others than were asked for.
    """
    room, rest = ctx.rooms.get(purpose.room), invite.check_asked(purpose.devices, frame)
    for taken in frame.packages:
        if room is None or taken.package is None:
            continue
        try:
            invite.check_package(ctx, room, DeviceId(taken.device), taken.package)
        except PeerError as error:
            ctx.alarm_for(error, room=room.id, evidence=(taken.package,))
            continue
        room.packages[DeviceId(taken.device)] = taken.package
    return Gathered(room=purpose.room, devices=rest) if rest else None


def begin(room: Room, group: Group, envelope: Envelope, code: str, *, index: int) -> None:
    """This device refuses a commit: who does too is counted from here on."""
    wedge = Wedge(
        commit=envelope.id,
        code=code,
        committer=envelope.header.kid,
        index=index,
        epoch=group.epoch,
        members=tuple(group.members),
        outer=tuple(sorted(room.outer or ())),
    )
    room.change(wedge=wedge)
