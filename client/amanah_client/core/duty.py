"""Who has given no sign of life is removed by one member, and added again when it is back (`protocol.md` 1, 5, 6).

A sign of life is a commit or a `delivered`: a device that gives none for thirty days heals nothing and
holds old keys. Who is able to remove it has a rank, waits by it, and finds nothing left to do once
another has acted. That an absent device is back shows in its key packages: one that was made after the
removal, which nobody but the device can sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from amanah_client.core import commits, invite
from amanah_client.core.context import Context
from amanah_client.core.entry import Entry
from amanah_client.core.requests import Recalled
from amanah_client.core.room import Room
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import AmanahError, Code, PeerError
from amanah_protocol.frames import KeyPackages, TakeKeyPackages
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Commit, Create, Delivered, Welcome
from amanah_protocol.limits import KEY_PACKAGE_BACKDATE_MS
from amanah_protocol.rooms import Standing
from amanah_protocol.types import DeviceId, OrgName

DAY_MS: Final = 86_400_000
SILENT_MS: Final = 30 * DAY_MS
EXPIRED_MS: Final = 14 * DAY_MS
QUIET_MS: Final = 7 * DAY_MS
"""A device that had nothing to report for so long reports all the same, so that it is not taken for silent."""
GRACE_MS: Final = 60_000
"""After a long outage all come back at once: nobody is removed before all had time for a sign of life."""
LOOK_MS: Final = 10_000
RECALL_MS: Final = 900_000
"""How often the first in rank looks for an absent device; each look costs it a key package."""
SOON_MS: Final = 5_000
"""How often it looks for one that asked to be removed and added again, and is there."""
SOON_FOR_MS: Final = 60_000
"""For how long; then as for any other."""
FORGET_MS: Final = 90 * DAY_MS
"""An absent device is not looked for longer than a certificate lives."""


def observe(ctx: Context, room: Room, entry: Entry, envelope: Envelope) -> None:
    """Note what an entry of the record, which holds, says of who is there."""
    # A relay whose clock runs ahead must not give anybody a sign of life for tomorrow.
    kid, at_ms = envelope.header.kid, min(entry.accepted_at_ms, ctx.now_ms)
    match envelope.header.specific:
        case Create() | Delivered():
            room.active[kid] = at_ms
        case Commit(added=added, removed=removed):
            room.active[kid] = at_ms
            for device in added:
                room.active[device] = at_ms
                room.absent.pop(device, None)
                room.stranded.pop(device, None)
            for device in removed:
                if device in room.stranded or has_lapsed(ctx, room, device, entry.accepted_at_ms):
                    room.absent[device] = at_ms
                if device in room.stranded:
                    room.recall_at_ms = None
                room.active.pop(device, None)
        case Welcome(addressees=addressees) if ctx.me in addressees and room.group is not None:
            # What lies before its time a newcomer does not know: it watches everybody from here on.
            room.active = dict.fromkeys(room.group.members, at_ms)
            room.absent = {}
        case _:  # no other kind counts
            return
    room.touch()


def has_lapsed(ctx: Context, room: Room, device: DeviceId, at_ms: int) -> bool:
    """Whether a member was, at this time, to be removed for silence or for its certificate's end."""
    standing = ctx.directory.standing(device)
    if standing is None or standing.revoked:
        return False
    return _is_expired(standing, at_ms) or _is_silent(room, device, at_ms)


def _is_expired(standing: Standing, at_ms: int) -> bool:
    return at_ms - standing.certificate.not_after_ms > EXPIRED_MS


def _is_silent(room: Room, device: DeviceId, at_ms: int) -> bool:
    return at_ms - room.active.get(device, at_ms) >= SILENT_MS


def is_quiet(ctx: Context, room: Room) -> bool:
    """Whether this device has to give a sign of life, though there is nothing new."""
    return ctx.now_ms - room.active.get(ctx.me, ctx.now_ms) >= QUIET_MS


def work(ctx: Context, room: Room) -> bool:
    """Do what is this device's to do; True when it has published a commit."""
    # One that asks for it waits for no silence to be told from an outage.
    if not (_is_rested(ctx) or room.stranded) or ctx.timer_ms < room.duty_at_ms:
        return False
    if room.group is None or ctx.certificate.role is not Role.OFFICER:
        return False
    _look(ctx, room, room.group.epoch)
    due = tuple(device for device, at_ms in room.overdue.items() if ctx.timer_ms >= at_ms)
    if due:
        return _commit(ctx, room, {}, due[: commits.MOST])
    return bool(room.absent) and _recall(ctx, room)


def _is_rested(ctx: Context) -> bool:
    return ctx.timer_ms - ctx.session.online_at_ms >= GRACE_MS


def _look(ctx: Context, room: Room, epoch: int) -> None:
    """Find who is to be removed by this device, and when: at most every ten seconds, as it costs a little."""
    if room.group is None:
        return
    if room.looked is not None and room.looked[0] == epoch and ctx.timer_ms - room.looked[1] < LOOK_MS:
        return
    room.looked = epoch, ctx.timer_ms
    standings = ctx.directory.standings(room.group.members)
    for device in standings:
        if device not in room.active:  # of a store from before this was noted
            room.active[device] = ctx.now_ms
            room.touch()
    able = _able(ctx, room, standings)
    before, room.overdue = room.overdue, {}
    for device, standing in standings.items():
        rank = _rank(ctx, room, device, standing, able)
        if rank is not None:
            room.overdue[device] = before.get(device, ctx.timer_ms + rank * commits.RANK_MS)


def _able(ctx: Context, room: Room, standings: Mapping[DeviceId, Standing]) -> dict[DeviceId, OrgName]:
    """Officers who may be expected to act, in order of their leaves, with their organisations."""
    return {
        device: standing.certificate.organisation
        for device, standing in standings.items()
        if standing.certificate.role is Role.OFFICER
        and standing.usable(ctx.now_ms)
        and not _is_silent(room, device, ctx.now_ms)
    }


def _rank(
    ctx: Context, room: Room, device: DeviceId, standing: Standing, able: Mapping[DeviceId, OrgName]
) -> int | None:
    """How many are to act before us; None when there is nothing to do, or it is not ours."""
    lapsed = _is_rested(ctx) and has_lapsed(ctx, room, device, ctx.now_ms)
    if device == ctx.me or not (lapsed or device in room.stranded):
        return None
    own, owner = standing.certificate.organisation, room.spec.owner
    if not lapsed:
        # It is added again by its own organisation, so nobody else removes it for that.
        owner = own
    # Who is not valid any more is removed by anybody, a valid device by its organisation or the owner alone.
    may = able if not standing.usable(ctx.now_ms) else {d: o for d, o in able.items() if o in (own, owner)}
    order = sorted((one for one in may if one != device), key=lambda one: may[one] != own)
    return order.index(ctx.me) if ctx.me in may else None


def _commit(ctx: Context, room: Room, packages: dict[DeviceId, bytes], removes: tuple[DeviceId, ...]) -> bool:
    try:
        commits.commit(ctx, room, packages=packages, removes=removes, intent=None)
    except AmanahError as error:
        room.duty_at_ms = ctx.timer_ms + commits.FRUITLESS_MS
        room.packages = {device: package for device, package in room.packages.items() if device not in packages}
        ctx.alarm(str(error.code), f"a silent device cannot be removed or added again: {error.detail}", room=room.id)
        return False
    return True


def _recall(ctx: Context, room: Room) -> bool:
    """Add again who is back, and look for who is not."""
    wanted = _missed(ctx, room)
    soon = any(d in room.stranded and ctx.now_ms - room.absent[d] < SOON_FOR_MS for d in wanted)
    back = {device: room.packages[device] for device in wanted if device in room.packages}
    if back:
        if not _commit(ctx, room, back, ()):
            return False
        room.bodies += invite.introductions(ctx, room)
        return True
    rank = _place_in(ctx, room)
    if not wanted or rank is None:
        return False
    if room.recall_at_ms is None:
        room.recall_at_ms = ctx.timer_ms + rank * (commits.RANK_MS if soon else RECALL_MS)
    if ctx.timer_ms >= room.recall_at_ms and not ctx.is_asking(lambda purpose: isinstance(purpose, Recalled)):
        # The later in rank, the more seldom: however many they are, few packages are used up.
        room.recall_at_ms = ctx.timer_ms + (1 + rank) * (SOON_MS if soon else RECALL_MS)
        suite = room.spec.suite
        purpose = Recalled(room=room.id, devices=wanted)
        ctx.ask(purpose, lambda number: TakeKeyPackages(request=number, suite=suite, devices=wanted))
    return False


def _missed(ctx: Context, room: Room) -> tuple[DeviceId, ...]:
    """Absent devices of the own organisation that could be members."""
    late = [device for device, at_ms in room.absent.items() if ctx.now_ms - at_ms >= FORGET_MS]
    for device in late:
        del room.absent[device]
        room.touch()
    own = ctx.certificate.organisation
    standings = ctx.directory.standings(room.absent)
    wanted = [d for d, s in standings.items() if s.certificate.organisation == own and s.usable(ctx.now_ms)]
    if not _is_rested(ctx):
        wanted = [device for device in wanted if device in room.stranded]
    return tuple(sorted(wanted))[: commits.MOST]


def _place_in(ctx: Context, room: Room) -> int | None:
    """The own rank among the able officers of the own organisation."""
    members = () if room.group is None else room.group.members
    able = _able(ctx, room, ctx.directory.standings(members))
    mine = [device for device, organisation in able.items() if organisation == ctx.certificate.organisation]
    return mine.index(ctx.me) if ctx.me in mine else None


def receive_recalled(ctx: Context, purpose: Recalled, frame: KeyPackages) -> Recalled | None:
    """A package that was made after its device was removed shows that it is back; gives what is still to come.

    Raises:
        VerifyError: `FRAME`: others than were asked for.
    """
    rest = invite.check_asked(purpose.devices, frame)
    room = ctx.rooms.get(purpose.room)
    for taken in frame.packages:
        device = DeviceId(taken.device)
        if room is None or room.engine is None or taken.package is None or device not in room.absent:
            continue
        try:
            invite.check_package(ctx, room, device, taken.package)
            made_at_ms = room.engine.key_package_info(taken.package).not_before_ms + KEY_PACKAGE_BACKDATE_MS
        except PeerError as error:
            if error.code is not Code.EXPIRED:  # what an absent device left behind may be old
                ctx.alarm_for(error, room=room.id, evidence=(taken.package,))
            continue
        if made_at_ms >= room.absent[device]:
            room.packages[device] = taken.package
    return Recalled(room=purpose.room, devices=rest) if rest else None
