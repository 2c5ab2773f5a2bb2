"""Sealed messages: opened once, held against what was signed, and only then shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_client import effects as e
from amanah_client.causes import MENDED_KINDS
from amanah_client.core import monitor, ways
from amanah_client.core.behind import may_be_dropped
from amanah_client.core.conflicts import MEMBER_LAZY_MS
from amanah_client.core.context import Context
from amanah_client.core.entry import Entry, row_of
from amanah_client.core.requests import Claim
from amanah_client.core.room import Room
from amanah_client.model import MessageRow, MessageState, Namer, Retitled
from amanah_protocol import kinds
from amanah_protocol.content.bodies import AlertBatch, Body, Profile, Repair, RoomInfo, Unknown
from amanah_protocol.content.file import File
from amanah_protocol.content.history import Grant
from amanah_protocol.content.sealed import Content, View, check_commitment, check_drill, open_plaintext
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.identity import Certificate, Role, decode_profile, verify_profile
from amanah_protocol.log.conflict import Sighting, Way
from amanah_protocol.log.statement import Form, Statement, rebuild_checkpoint
from amanah_protocol.types import DeviceId, OrgName

MAX_TITLES: Final = 16
"""Earlier titles of a room that are kept, as a rota may name any of them. Who has given it so many gives no more."""


def open_message(ctx: Context, room: Room, entry: Entry, envelope: Envelope, certificate: Certificate) -> MessageRow:
    """Open one sealed entry; its keys are spent whatever comes out.

    Raises:
        DecodeError: It does not parse.
        RefusedError: `LABEL`.
        VerifyError: `GAP`, `CONTENT_HASH`, `OPEN`, `BINDING`, `GENERATION`, `REPLAY`, `COMMITMENT`, `LABEL`, `DRILL`.
    """
    header, group = envelope.header, room.group
    row = row_of(entry, envelope, certificate.organisation)
    if not is_addressed(ctx, envelope):
        return row  # sent again to others: its header is all that is for us
    if entry.delivery.erased and entry.content is None:
        if header.kind not in MENDED_KINDS or may_be_dropped(ctx, envelope):
            return row
        # Only an `erase` in the record ends what is younger (attack 1), and that stands behind this.
        room.withheld[envelope.id] = ctx.timer_ms
    sealed = entry.sealed()
    if group is None:
        raise VerifyError(Code.NOT_MEMBER, "this device has no keys of the room")
    plaintext = group.open(sealed, sender=header.kid, aad=header.aad)
    room.used_key()
    key, encoded, content = open_plaintext(plaintext, header.size_class)
    if header.kind in kinds.COMMITTED:
        check_commitment(header, key, encoded)
    check_drill(content, drill=room.spec.drill)
    check_body(envelope, content.body)
    ways.check_opened(ctx, room, header, content, certificate, index=entry.index)
    if not room.note_message(header.kid, content.message_id):
        raise VerifyError(Code.REPLAY, "this message was received before, in another envelope")
    _compare_views(ctx, room, entry, envelope, content.view)
    if is_forgotten(ctx, content.body):
        return replace(row, state=MessageState.ERASED)
    retitled = _take_body(ctx, room, envelope, certificate, content.body)
    return replace(opened(row, content, encoded, key), retitled=retitled)


def is_forgotten(ctx: Context, body: Body) -> bool:
    """Whether it introduces a person whose organisation has forgotten the name; members who do not know yet do so."""
    if not isinstance(body, Profile):
        return False
    profile = decode_profile(body.encoded)
    return (profile.organisation, profile.subject) in ctx.directory.forgotten


def is_addressed(ctx: Context, envelope: Envelope) -> bool:
    """Whether its content is for this device."""
    specific = envelope.header.specific
    if isinstance(specific, kinds.Grant | kinds.Repair | kinds.Welcome):
        return ctx.me in specific.addressees
    return True


def check_body(envelope: Envelope, body: Body) -> None:
    """Kind and sealed body say the same: else an alert could hide in what auditors count as messages.

    Raises:
        VerifyError: `BINDING`.
    """
    specific = envelope.header.specific
    fits = True
    match specific:
        case kinds.Alert(count=count):
            fits = isinstance(body, AlertBatch) and len(body.alerts) == count
        case kinds.Grant():
            fits = isinstance(body, Grant)
        case kinds.Repair():
            fits = isinstance(body, Repair)
        case kinds.Message(attachment=attachment) if isinstance(body, File) or attachment is not None:
            # A body of a later version may have an attachment too.
            fits = isinstance(body, Unknown) or (isinstance(body, File) and body.attachment == attachment)
        case _:
            fits = not isinstance(body, AlertBatch | Grant | Repair)
    if not fits:
        raise VerifyError(Code.BINDING, "the sealed content is of another kind than the header says")


def _compare_views(ctx: Context, room: Room, entry: Entry, envelope: Envelope, view: View) -> None:
    """What the sender had seen, against what we are shown (attacks 3, 36)."""
    known = room.known.get(view.room_seq)
    differs = known is not None and known.leaf != view.room_head
    if differs or view.room_seq >= entry.room_seq:
        detail = f"the sender of entry {entry.room_seq} saw another record of this room"
        ctx.alarm(Code.FORK, detail, room=room.id, evidence=(envelope.encoded, view.room_head))
    _note_log(ctx, room, envelope, view)


def _note_log(ctx: Context, room: Room, envelope: Envelope, view: View) -> None:
    """The log's own word, which the sender passes on; what the log did not sign is the sender's doing alone."""
    if view.log_size == 0:
        return
    kid = envelope.header.kid
    try:
        note = rebuild_checkpoint(size=view.log_size, root=view.log_root, signature=view.log_signature, relay=ctx.relay)
    except VerifyError as error:
        detail = f"device {kid.hex()[:12]} names a checkpoint that the log has not signed"
        ctx.alarm(error.code, detail, room=room.id, evidence=(envelope.encoded, view.log_root, view.log_signature))
        return
    claim_log(ctx, room, kid, size=view.log_size, root=view.log_root, note=note)


def claim_log(ctx: Context, room: Room, kid: DeviceId, *, size: int, root: bytes, note: bytes) -> None:
    """A member passes on a checkpoint that the log has signed: it has to lie on our line."""
    statement = Statement(form=Form.CHECKPOINT, data=note)
    sighting = Sighting(statement=statement, way=Way.MEMBER, at_ms=ctx.now_ms, device=kid, room=room.id)
    claim = Claim(
        size=size,
        root=root,
        line=kid,
        sighting=sighting,
        since_ms=ctx.timer_ms,
        due_ms=ctx.timer_ms + MEMBER_LAZY_MS,
    )
    monitor.note_claim(ctx, claim)


def _take_body(ctx: Context, room: Room, envelope: Envelope, certificate: Certificate, body: Body) -> Retitled | None:
    match body:
        case Profile(encoded=encoded):
            take_profile(ctx, room, envelope, encoded)
        case RoomInfo(title=title):
            return _take_title(ctx, room, certificate, title)
        case _:  # texts and alerts are for the faces; grants are kept and shown as such, repairs taken apart
            pass
    return None


def _take_title(ctx: Context, room: Room, certificate: Certificate, title: str) -> Retitled | None:
    """The owner's officers name the room, until they do the own ones, and others only where it has no title yet.

    Each who invites tells newcomers the title anew, so it may be anybody's. Could anybody change it as well, one
    member would give a room another's name, or take it out of what another nation is paged for.
    """
    before, known, by = room.row.title, room.row.titled_by, _namer(ctx, room, certificate.organisation)
    may_tell = certificate.role is Role.OFFICER and title != ""
    if not before or title == before:
        if may_tell and (not before or by > known):
            room.change(title=title, titled_by=by)
        return None
    former = [one for one in room.row.titles if one not in (before, title)]
    holds = may_tell and (by > known or by == known > Namer.OTHER) and len(former) < MAX_TITLES
    if holds:
        room.change(title=title, titled_by=by, titles=(*former, before))
    return Retitled(before=before, holds=holds)


def _namer(ctx: Context, room: Room, of: OrgName) -> Namer:
    if of == room.spec.owner:
        return Namer.OWNER
    return Namer.OWN if of == ctx.certificate.organisation else Namer.OTHER


def take_profile(ctx: Context, room: Room, envelope: Envelope, encoded: bytes) -> None:
    """A name is taken only if the organisation signed it for the pseudonym of a logged certificate.

    Members pass each other's profiles on to newcomers, so it is not always the sender's own.
    """
    try:
        profile = decode_profile(encoded)
        for device in reversed(ctx.directory.devices_of(profile.organisation, profile.subject)):
            standing = ctx.directory.standing(device)
            if standing is not None and profile.mac == standing.certificate.profile_mac:
                enrolment = ctx.directory.enrolments[standing.certificate.issuer].enrolment
                verify_profile(profile, standing.certificate, enrolment.public_key)
                ctx.profiles[profile.organisation, profile.subject] = encoded
                ctx.write(e.PutProfile(profile=encoded))
                return
        raise VerifyError(Code.BINDING, "the profile is of nobody whose certificate is logged")
    except PeerError as error:
        ctx.alarm_for(error, room=room.id, evidence=(envelope.encoded, encoded))


def opened(row: MessageRow, content: Content, encoded: bytes, key: bytes) -> MessageRow:
    """The row of what was opened and checked."""
    return replace(
        row,
        label=content.label,
        written_at_ms=content.written_at_ms,
        state=MessageState.STORED,
        message_id=content.message_id,
        content=encoded,
        key=key,
    )
