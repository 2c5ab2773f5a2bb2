"""What a member checks of every entry, whatever its kind: the relay's word is worth nothing here."""

from __future__ import annotations

from amanah_client.core.context import Context
from amanah_client.core.directory import NotLoggedError
from amanah_client.core.entry import Entry
from amanah_client.core.room import Room
from amanah_client.model import RoomStatus
from amanah_protocol import rooms
from amanah_protocol.envelope import Envelope, Header, audience_digest, verify_envelope
from amanah_protocol.errors import Code, RefusedError, VerifyError
from amanah_protocol.identity import Certificate
from amanah_protocol.kinds import Commit, Create
from amanah_protocol.types import DeviceId, RoomId


def authenticate(ctx: Context, entry: Entry, envelope: Envelope) -> Certificate:
    """Who signed this, by the log as it was before it.

    Raises:
        NotLoggedError: The device is not in the control stream, as far as we have it.
        VerifyError: `BINDING`, `KEY_ID`, `SIGNATURE`, `REVOKED` or `EXPIRED`.
    """
    header = envelope.header
    if header.room != entry.leaf.room:
        raise VerifyError(Code.BINDING, "the envelope was signed for another room")
    standing = ctx.directory.standing(header.kid, before=entry.index)
    if standing is None:
        raise NotLoggedError(f"the sender {header.kid.hex()[:16]} is not in the log")
    verify_envelope(envelope, standing.certificate.public_key)
    if standing.revoked:
        raise VerifyError(Code.REVOKED, "the sender was revoked before this was accepted")
    if not standing.usable(entry.accepted_at_ms):
        raise VerifyError(Code.EXPIRED, "the sender's certificate was not valid when this was accepted")
    return standing.certificate


def check_allowed(header: Header, certificate: Certificate, create: Create) -> None:
    """The sender's role and the labels' ceilings allow it.

    Raises:
        RefusedError: `ROLE` or `LABEL`.
    """
    rooms.check_kind(certificate, header.kind, header.label)
    check_machine(certificate, header.room)
    rooms.check_label(header.label, create)


def check_machine(certificate: Certificate, room: RoomId) -> None:
    """A machine's certificate may name the rooms that it writes to.

    Raises:
        RefusedError: `ROLE`.
    """
    machine = certificate.machine
    if machine is not None and machine.rooms and room not in machine.rooms:
        raise RefusedError(Code.ROLE, "the certificate does not allow the machine to write here")


def check_policy(
    ctx: Context, room: Room, commit: Commit, *, committer: DeviceId, members: set[DeviceId], entry: Entry
) -> None:
    """The room's policy allows this committer this change, by the log as it was before it.

    Raises:
        NotLoggedError: A device is added that the control stream, as far as we have it, does not hold.
        RefusedError: `MEMBERSHIP`, `ROLE`, `SUITE`, `LABEL` or `QUOTA`.
    """
    standings = ctx.directory.standings({committer, *members, *commit.added}, before=entry.index)
    unknown = [device for device in (committer, *commit.added) if device not in standings]
    if unknown:
        raise NotLoggedError(f"the device {unknown[0].hex()[:16]} is not in the log")
    rooms.check_commit(
        commit,
        create=room.spec,
        committer=committer,
        members=members,
        standings=standings,
        at_ms=entry.accepted_at_ms,
    )


def check_bound(room: Room, envelope: Envelope) -> None:
    """Media type, membership, epoch and audience are those of the room as we know it (attacks 9, 10).

    Raises:
        VerifyError: `BINDING`, `NOT_MEMBER`, `AUDIENCE`; `REFUSED_COMMIT` for what follows a commit
            that we refused, `BEHIND` for what follows one that is kept no longer, `STATE_LOST`.
    """
    header, group, engine = envelope.header, room.group, room.engine
    sealed = header.is_sealed
    if room.row.status is RoomStatus.LOST:
        raise VerifyError(Code.STATE_LOST, "this device's keys of the room are gone")
    if group is None or engine is None:
        raise VerifyError(Code.NOT_MEMBER, "this device has no keys of the room")
    if sealed and header.media_type != engine.media_type:
        raise VerifyError(Code.BINDING, f"the room's suite does not seal {header.media_type}")
    if room.lags(header.epoch):
        if room.row.status is RoomStatus.BEHIND:
            raise VerifyError(Code.BEHIND, "it follows a commit that is kept no longer")
        raise VerifyError(Code.REFUSED_COMMIT, "it follows a commit that was refused here")
    if header.kid not in group.members:
        raise VerifyError(Code.NOT_MEMBER, "the sender is not in the room")
    if header.epoch > group.epoch or (sealed and header.epoch != group.epoch):
        raise VerifyError(Code.BINDING, f"it is of epoch {header.epoch}, the room is in {group.epoch}")
    _check_audience(room, header)


def check_member(room: Room, envelope: Envelope) -> None:
    """For what needs no keys and cannot wait for them: a device that cannot follow goes by the commits' headers.

    Raises:
        VerifyError: As `check_bound`; `NOT_MEMBER` where headers are all that there is.
    """
    header = envelope.header
    if room.group is not None and not room.lags(header.epoch):
        check_bound(room, envelope)
    elif header.kid not in room.active:
        raise VerifyError(Code.NOT_MEMBER, "the sender is not in the room, by the headers of its commits")


def _check_audience(room: Room, header: Header) -> None:
    if room.group is None or room.row.status in (RoomStatus.HALTED, RoomStatus.BEHIND):
        return  # our picture of the members is known to be old
    audience = room.audience()
    if isinstance(header.specific, Commit):
        members = (set(room.group.members) | set(header.specific.added)) - set(header.specific.removed)
        audience = audience_digest(members)
    if header.audience != audience:
        raise VerifyError(Code.AUDIENCE, "the sender's picture of the members differs from ours")
