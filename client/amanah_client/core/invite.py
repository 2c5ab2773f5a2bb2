"""Invitations: whom a name stands for, their key packages, the commit, and what newcomers are told.

A step at a time: key packages are taken from the relay and checked, as many as there are go into one
commit of up to 96, until nobody is left; then title and known names are sent again, sealed for the
new circle. Where a key package is missing, the others are added and the missing are named.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from msgspec import structs

from amanah_client.actions import Invite
from amanah_client.core import commits
from amanah_client.core.context import Context
from amanah_client.core.requests import Taken
from amanah_client.core.room import Room
from amanah_client.model import Intent
from amanah_client.reasons import (
    BAD_PACKAGE,
    NEVER_CONNECTED,
    NO_PACKAGE,
    NOT_IN_FORCE,
    NOT_IN_ROSTER,
    ONLY_AUDITORS,
    OTHER_SUITE,
    Reason,
    english,
    few,
)  # fmt: skip
from amanah_protocol.content.bodies import Body, Profile, RoomInfo
from amanah_protocol.errors import AmanahError, Code, PeerError, VerifyError
from amanah_protocol.frames import KeyPackages, TakeKeyPackages
from amanah_protocol.identity import MEMBER_ROLES, Role, decode_certificate
from amanah_protocol.types import DeviceId

FIRST_AGAIN_MS: Final = 1_000
"""When to ask again for key packages that were not there: a device that has just come puts them there next."""
AGAIN_MS: Final = 30_000
"""The longest pause; each is twice the one before."""
_DIGITS: Final = 16
"""So much of a device's id names it."""
MAX_PROFILES: Final = 62
"""Names of members that newcomers are told at once; the others tell theirs with time."""


def advance(ctx: Context, room: Room, intent: Intent, action: Invite) -> bool:
    """Take an invitation a step further; False when what stands behind it in the line has to wait."""
    if room.group is None:
        return False
    named = _named(ctx, action)
    left_out = room.left_out.setdefault(intent.id, {})
    standings = ctx.directory.standings(named)
    for device in named:
        if device not in room.group.members and room.spec.suite not in standings[device].certificate.suites:
            left_out[device] = _of(ctx, device, OTHER_SUITE, f"0x{room.spec.suite:04X}")
    missing = [device for device in named if device not in room.group.members and device not in left_out]
    if missing:
        return _add(ctx, room, intent, missing)
    if commits.is_sent(intent):
        return _introduce(ctx, room, intent)
    if not named:
        reason = _why_nobody(ctx, action)
        ctx.fail(intent, str(Code.NOT_FOUND), english((reason,)), (reason,))
    elif left_out:
        room.left_out.pop(intent.id)
        reasons = _reasons(left_out)
        ctx.note(intent, str(Code.NO_KEY_PACKAGE), english(reasons), reasons)
        pause_ms = room.pauses[intent.id] = min(2 * room.pauses.get(intent.id, FIRST_AGAIN_MS // 2), AGAIN_MS)
        ctx.wait(intent, ctx.timer_ms + pause_ms)
    else:
        ctx.finish_intent(intent)
    return True


def _named(ctx: Context, action: Invite) -> tuple[DeviceId, ...]:
    """The valid member devices that an invitation names, in order of their ids."""
    found = []
    for device, standing in sorted(ctx.directory.standings(ctx.directory.devices).items()):
        certificate = standing.certificate
        fits = (
            action.organisation in (None, certificate.organisation)
            and action.subject in (None, certificate.subject)
            and action.device in (None, device)
        )
        if fits and certificate.role in MEMBER_ROLES and standing.usable(ctx.now_ms):
            found.append(device)
    return tuple(found)


def _why_nobody(ctx: Context, action: Invite) -> Reason:
    """Why no device can be invited by what an invitation names."""
    whom = Reason(
        why=NOT_IN_FORCE,
        organisations=() if action.organisation is None else (action.organisation,),
        device="" if action.device is None else action.device.hex()[:_DIGITS],
    )
    if not whom.device and action.organisation is not None and action.organisation not in ctx.roster.value.by_name:
        return replace(whom, why=NOT_IN_ROSTER)
    standings = ctx.directory.standings(ctx.directory.devices)
    known = [
        standing.certificate
        for device, standing in standings.items()
        if action.device == device
        or action.organisation == standing.certificate.organisation
        or action.subject == standing.certificate.subject
    ]
    if not known:
        return replace(whom, why=NEVER_CONNECTED)
    if all(certificate.role is Role.AUDITOR for certificate in known):
        return replace(whom, why=ONLY_AUDITORS)
    return whom


def _add(ctx: Context, room: Room, intent: Intent, missing: list[DeviceId]) -> bool:
    if ctx.is_asking(lambda purpose: isinstance(purpose, Taken) and purpose.room == room.id):
        return False
    wanted = tuple(missing[: commits.MOST])
    unasked = tuple(device for device in wanted if device not in room.packages)
    if unasked:
        if ctx.certificate.role is not Role.OFFICER:
            ctx.fail(intent, str(Code.ROLE), "only officers add members")
            return True
        suite = room.spec.suite
        purpose = Taken(room=room.id, intent=intent.id, devices=unasked)
        ctx.ask(purpose, lambda number: TakeKeyPackages(request=number, suite=suite, devices=unasked))
        return False
    try:
        commits.commit(
            ctx, room, packages={device: room.packages[device] for device in wanted}, removes=(), intent=intent
        )
    except AmanahError as error:
        ctx.fail(intent, str(error.code), error.detail)
        return True
    return False


def receive_packages(ctx: Context, purpose: Taken, frame: KeyPackages) -> Taken | None:
    """Check the key packages that came; gives what is still to come, as the relay answers in parts.

    Raises:
        VerifyError: `FRAME`: others than were asked for.
    """
    room, intent = ctx.rooms.get(purpose.room), ctx.outbox.get(purpose.intent)
    rest = check_asked(purpose.devices, frame)
    if room is not None and intent is not None:
        left_out = room.left_out.setdefault(intent.id, {})
        for taken in frame.packages:
            device = DeviceId(taken.device)
            if taken.package is None:
                left_out[device] = _of(ctx, device, NO_PACKAGE)
                continue
            try:
                check_package(ctx, room, device, taken.package)
            except PeerError as error:
                left_out[device] = _of(ctx, device, BAD_PACKAGE, str(error.code))
                ctx.alarm_for(error, room=room.id, evidence=(taken.package,))
            else:
                room.packages[device] = taken.package
    return structs.replace(purpose, devices=rest) if rest else None


def check_asked(devices: tuple[DeviceId, ...], frame: KeyPackages) -> tuple[DeviceId, ...]:
    """An answer is for those that were asked for, in order; gives those that are still to come.

    Raises:
        VerifyError: `FRAME`: others than were asked for.
    """
    asked = devices[: len(frame.packages)]
    if not frame.packages or tuple(taken.device for taken in frame.packages) != asked:
        raise VerifyError(Code.FRAME, "key packages of other devices than were asked for")
    return devices[len(asked) :]


def check_package(ctx: Context, room: Room, device: DeviceId, package: bytes) -> None:
    """The package is that device's own, for this suite and time (attacks 19, 20).

    Raises:
        DecodeError: It does not parse.
        VerifyError: `SIGNATURE`, `KEY_ID`, `SUITE`, `CERTIFICATE`, `BINDING` or `EXPIRED`.
    """
    if room.engine is None:
        raise VerifyError(Code.SUITE, "the room's suite is not known")
    info = room.engine.key_package_info(package)
    if info.suite != room.spec.suite:
        raise VerifyError(Code.SUITE, "a key package of another suite")
    if ctx.directory.credential_check()(info.credential) != device:
        raise VerifyError(Code.BINDING, "the relay gave another device's key package")
    certificate = decode_certificate(info.credential.certificate)
    inside = info.not_after_ms <= certificate.not_after_ms
    if not inside or not info.not_before_ms <= ctx.now_ms <= info.not_after_ms:
        raise VerifyError(Code.EXPIRED, "the key package is not valid now, or lives longer than its certificate")


def _introduce(ctx: Context, room: Room, intent: Intent) -> bool:
    """Title and names again, for those who could not read them before."""
    if intent.id in room.introducing:
        room.introducing.discard(intent.id)
        finish(ctx, room, intent)
        return True
    room.introducing.add(intent.id)
    room.bodies += introductions(ctx, room)
    return False


def introductions(ctx: Context, room: Room) -> list[Body]:
    """What newcomers are told: title and names."""
    bodies: list[Body] = [RoomInfo(title=room.row.title, description="")] if room.row.title else []
    return [*bodies, Profile(encoded=ctx.profile), *_profiles(ctx, room)]


def _profiles(ctx: Context, room: Room) -> list[Body]:
    members = () if room.group is None else room.group.members
    known: dict[bytes, None] = {}
    for standing in ctx.directory.standings(members).values():
        certificate = standing.certificate
        encoded = ctx.profiles.get((certificate.organisation, certificate.subject))
        if encoded is not None and encoded != ctx.profile:
            known[encoded] = None
    return [Profile(encoded=encoded) for encoded in list(known)[:MAX_PROFILES]]


def introduced(ctx: Context, room: Room) -> Intent | None:
    """The invitation whose introductions are being sent, if there is one."""
    return next((ctx.outbox[intent] for intent in sorted(room.introducing) if intent in ctx.outbox), None)


def finish(ctx: Context, room: Room, intent: Intent) -> None:
    """End an invitation; who could not be added is named."""
    room.introducing.discard(intent.id)
    left_out = room.left_out.pop(intent.id, {})
    code = str(Code.NO_KEY_PACKAGE) if left_out else ""
    ctx.finish_intent(intent, code=code, reasons=_reasons(left_out))


def _reasons(left_out: dict[DeviceId, Reason]) -> tuple[Reason, ...]:
    """Who is left out and why, in order of their ids."""
    return few([left_out[device] for device in sorted(left_out)])


def _of(ctx: Context, device: DeviceId, why: str, named: str = "") -> Reason:
    organisations = (ctx.directory.organisation(device),)
    return Reason(why=why, organisations=organisations, device=device.hex()[:_DIGITS], named=named)
