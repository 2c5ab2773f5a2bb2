"""A wedged room goes on in a successor (`protocol.md` section 5).

A commit that the relay took and members refuse ends a room for them: its epoch cannot be entered. Each publishes
`refuse` and stops sending. A device holds the room for *wedged* when its own processing refused the commit, its own
`refuse` is in the log, at least one other member's is there, and more members of the last good epoch refuse than go on
behind the commit; the committer counts for neither. Where most of them refuse or were removed behind the commit before
they sent anything, the latter count as refusing. So nobody leaves a room on others' word, and one for whom alone a
commit fails makes no successor: it is removed and added again.

An officer's client opens the successor: the owner organisation's first, in order of the leaves, each two seconds after
the one before, once there was time for those who go on to show it. It adds the devices of the last good epoch, but for
the committer and those that are not valid. What waits in the outbox moves there, when the room proves to be a successor
(`_is_valid`); any other room that claims to be one is an ordinary invitation. Of several one counts, and which says the
log alone (`_claim`); the others are closed in its favour. They are open but for that, so that what else may have halted
them stays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_client import effects as e
from amanah_client.actions import Acknowledge, Disclose, EraseMessages, Forward, GrantHistory, Relabel, TakeOut
from amanah_client.attaching import Fetch
from amanah_client.core import apart, commits, invite
from amanah_client.core.context import Context, room_of
from amanah_client.core.entry import Entry
from amanah_client.core.gate import blocked
from amanah_client.core.hold import widen
from amanah_client.core.opening import MAX_TITLES
from amanah_client.core.requests import Gathered
from amanah_client.core.room import Room
from amanah_client.model import Intent, IntentState, RoomStatus, Wedge
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
EARLIEST_MS: Final = SETTLE_MS - 5_000
"""No successor is opened sooner behind the commit, by the relay's clock; a little is for that of who opens it."""
_ABOUT_ENTRIES: Final = (
    Acknowledge | EraseMessages | Disclose | Relabel | Forward | GrantHistory | Fetch | TakeOut
)  # fmt: skip
"""What is asked for of entries of a room, which no other room has."""
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
    # Who was removed right behind the commit had no time to say anything (attack: its maker removes all at once).
    silenced = circle - set(wedge.outer) - followed
    if 2 * len(refused | silenced) > len(circle):
        refused |= silenced
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
        elif room.row.status is RoomStatus.OPEN:
            room.change(wedge=None, successor=None)  # added again, where by now more go on than refuse
            continue
        for old in (room, *_claimants(ctx, room)):
            _move(ctx, old)


def _claimants(ctx: Context, room: Room) -> list[Room]:
    return [one for one in ctx.rooms.values() if one is not room and predecessor(ctx, one) is room]


def _settle(ctx: Context, room: Room) -> None:
    """Of the valid successors the one with the highest claim counts; the others are closed in its favour."""
    claimants = _claimants(ctx, room)
    claims = {one.id: _claim(room, one) for one in claimants if _is_valid(ctx, room, one)}
    if not claims:
        if any(one.id == room.row.successor and _is_put_out(ctx, room, one) for one in claimants):
            room.change(successor=None)
        return
    best = ctx.rooms[max(claims, key=lambda one: claims[one])]
    if room.row.successor != best.id:
        room.change(successor=best.id)
        _name_after(room, best)
    for one in claimants:
        ours = one.create is not None and one.create.header.kid == ctx.me
        closed = None if one is best else best.id
        # One that is wedged itself goes on in its own successor.
        if one.row.wedge is None and (one.id in claims or ours) and one.row.successor != closed:
            one.change(successor=closed)


def _claim(old: Room, room: Room) -> tuple[int, bool, int]:
    """How many of those who were in have ever been in a successor, whose it is, and since when they have been.

    Said by the log alone, so that all who are in several choose alike, whatever they see first. One that leaves members
    out could else draw some away from the others. Nor does another organisation become the owner because it was
    faster than the old one (attack: the committer's colleague), or displace what is in use by one that it fills later.
    """
    creator = None if room.create is None else room.create.header.kid
    others = circle_before(old) - {creator}
    inside = [index for device, index in room.entered.items() if device in others]
    return len(inside), room.spec.owner == old.spec.owner, -max(inside, default=0)


def _is_valid(ctx: Context, old: Room, room: Room) -> bool:
    """Whether a room that claims to be the successor of one that we found wedged is one (attack: a false one).

    It was opened behind the commit, not before all who go on had time to show it. Its creator was in the last good
    epoch and did not make the commit; it is of the same ceiling, suite, policy and agreement; those whom the creator
    added first were all in then. Who was let in later changes nothing: each would else see another truth.
    """
    create, wedge, row = room.create, old.row.wedge, room.row
    if create is None or wedge is None or not room.entered or _is_put_out(ctx, old, room):
        return False
    circle = circle_before(old)
    try:
        rooms.check_successor(room.spec, creator=create.header.kid, before=old.spec, members=circle)
    except PeerError:
        return False
    first = min(room.entered.values())
    founders = {device for device, index in room.entered.items() if index == first}
    behind = row.created_index > wedge.index and row.created_at_ms >= wedge.accepted_at_ms + EARLIEST_MS
    forked = row.status is RoomStatus.HALTED and row.wedge is None
    there = room.id == old.row.successor or (room.group is not None and not forked)
    return behind and founders <= circle and there


def _is_put_out(ctx: Context, old: Room, room: Room) -> bool:
    """Whether another organisation made itself the owner and removed the old owner's device: that one opens its own."""
    gone = room.row.status is RoomStatus.REMOVED and not room.row.lapsed
    return gone and ctx.certificate.organisation == old.spec.owner != room.spec.owner


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
        if isinstance(intent.action, _ABOUT_ENTRIES):
            ctx.fail(intent, str(Code.REFUSED_COMMIT), f"the room is closed; it goes on in {new.id.hex()}")
        else:
            _move_intent(ctx, old, new, intent)


def _move_intent(ctx: Context, old: Room, new: Room, intent: Intent) -> None:
    del old.line[intent.id]
    ctx.waits.pop(intent.id, None)
    # What stands in a room's line is about that room.
    action = replace(intent.action, room=new.id)  # type: ignore[arg-type]  # for the type, it may be about none
    moved = replace(intent, action=action, room=None)
    if intent.state is not IntentState.HELD:
        moved = replace(moved, code="", detail="", reasons=())
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
        drill=before.drill,
    )
    try:
        apart.open_room(ctx, create, title=room.row.title, written_at_ms=ctx.now_ms, intent=None)
    except AmanahError as error:
        ctx.alarm(str(error.code), f"no successor can be opened: {error.detail}", room=room.id)


def _name_after(room: Room, new: Room) -> None:
    """What people called a room names its successor too, whatever the one who opened that calls it."""
    names = (one for one in (*room.row.titles, room.row.title, *new.row.titles) if one not in ("", new.row.title))
    new.change(titles=tuple(dict.fromkeys(names))[:MAX_TITLES])


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
    if old.row.successor not in (None, room.id):
        return False
    alone = len(room.group.members) == 1
    # Who was in and was removed by hand is not brought in again.
    missing = _missing(ctx, room, circle_before(old) - {ctx.me} - set(room.entered))
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


def begin(room: Room, group: Group, entry: Entry, envelope: Envelope, code: str) -> None:
    """This device refuses a commit: who does too is counted from here on."""
    wedge = Wedge(
        commit=envelope.id,
        code=code,
        committer=envelope.header.kid,
        index=entry.index,
        accepted_at_ms=entry.accepted_at_ms,
        epoch=group.epoch,
        members=tuple(group.members),
        outer=tuple(sorted(room.outer or ())),
    )
    room.change(wedge=wedge)
