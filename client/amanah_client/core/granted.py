"""History that a member grants this device, which was not there: each message is held against the log, then kept.

This device was shown no entry from before its adding commit. So an entry comes with its path to a checkpoint that the
log has signed, and is judged as if it had been delivered then: its author's signature, by a certificate that the log
held before it, what the author's role and label allowed, and the commitment in its header.
"""

from __future__ import annotations

from dataclasses import replace

from amanah_client import effects as e
from amanah_client.causes import MENDED_KINDS
from amanah_client.core import matter, ways
from amanah_client.core.checks import check_allowed
from amanah_client.core.context import Context
from amanah_client.core.entry import Entry
from amanah_client.core.opening import check_body, claim_log, is_forgotten, open_message, opened
from amanah_client.core.room import Room
from amanah_client.model import MessageRow, MessageState
from amanah_protocol import kinds
from amanah_protocol.content.history import Grant, Granted
from amanah_protocol.content.sealed import check_commitment, check_drill, decode_content
from amanah_protocol.envelope import Envelope, decode_envelope, verify_envelope
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.identity import Certificate
from amanah_protocol.log.leaf import Leaf, LeafType, decode_leaf
from amanah_protocol.log.merkle import verify_inclusion
from amanah_protocol.log.statement import rebuild_checkpoint


def take(
    ctx: Context, room: Room, entry: Entry, envelope: Envelope, grant: kinds.Grant, certificate: Certificate
) -> MessageRow:
    """Open a grant, and take out what holds; what does not is an alarm.

    Raises:
        DecodeError: As `open_message`.
        RefusedError: As `open_message`.
        VerifyError: As `open_message`; `SIGNATURE`: it rests on a checkpoint that the log did not sign.
    """
    row = open_message(ctx, room, entry, envelope, certificate)
    body = decode_content(row.content).body if row.content else None
    if isinstance(body, Grant):
        size, root, signature = body.log_size, body.log_root, body.log_signature
        note = rebuild_checkpoint(size=size, root=root, signature=signature, relay=ctx.relay)
        claim_log(ctx, room, envelope.header.kid, size=size, root=root, note=note)
        for item in body.items:
            try:
                found = _check(ctx, room, envelope, grant, certificate, body, row, item)
            except PeerError as error:
                detail = f"a message granted by device {envelope.header.kid.hex()[:16]} does not hold: {error.detail}"
                ctx.alarm(str(error.code), detail, room=room.id, evidence=(envelope.encoded, item.entry))
            else:
                room.missing.pop(found.envelope, None)
                matter.note(ctx, found)
                ctx.write(e.PutGranted(row=found))
    # The words stand in their own rows: kept here too, they would outlive an erasure.
    return replace(row, content=b"", key=b"")


def _check(
    ctx: Context,
    room: Room,
    envelope: Envelope,
    grant: kinds.Grant,
    certificate: Certificate,
    body: Grant,
    row: MessageRow,
    item: Granted,
) -> MessageRow:
    """One message, held against the log and against its label.

    Raises:
        PeerError: It is not what was logged then, or not for this device.
    """
    leaf = decode_leaf(item.entry)
    verify_inclusion(leaf.hash, item.index, body.log_size, item.path, body.log_root)
    original = _original(room, grant, leaf)
    header = original.header
    standing = ctx.directory.standing(header.kid, before=item.index)
    if standing is None:
        raise VerifyError(Code.CERTIFICATE, "its author's certificate is not in the log before it")
    author = standing.certificate
    verify_envelope(original, author.public_key)
    if not standing.usable(leaf.accepted_at_ms):
        raise VerifyError(Code.EXPIRED, "its author's certificate was not valid when it was accepted")
    check_allowed(header, author, room.spec)
    check_commitment(header, item.k, item.content)
    content = decode_content(item.content)
    check_drill(content, drill=room.spec.drill)
    check_body(original, content.body)
    ways.check_opened(ctx, room, header, content, author, index=item.index)
    ways.check_granted(ctx, room, content, row.label, author=author, by=certificate, devices=grant.addressees)
    bare = MessageRow(
        room=room.id,
        envelope=original.id,
        room_seq=leaf.room_seq,
        index=item.index,
        accepted_at_ms=leaf.accepted_at_ms,
        previous=leaf.previous,
        encoded=original.encoded,
        sender=header.kid,
        organisation=author.organisation,
        kind=int(header.kind),
        label=header.label,
        label_differs=False,
        sent_at_ms=header.sent_at_ms,
        written_at_ms=None,
        state=MessageState.STORED,
        granted_by=envelope.header.kid,
    )
    if is_forgotten(ctx, content.body):
        return replace(bare, state=MessageState.ERASED)
    # A label that was raised before this device came stands in the grant's: it saw no entry that says so.
    return replace(opened(bare, content, item.content, item.k), label=max(content.label, row.label))


def _original(room: Room, grant: kinds.Grant, leaf: Leaf) -> Envelope:
    """The envelope of a granted entry, of the room and the stretch that the grant's header names.

    Raises:
        VerifyError: `BINDING`.
    """
    inside = leaf.room == room.id and grant.from_seq <= leaf.room_seq <= grant.to_seq
    if leaf.type is not LeafType.ENVELOPE or not inside:
        raise VerifyError(Code.BINDING, "it stands elsewhere than the grant's header says")
    original = decode_envelope(leaf.object)
    if original.header.room != room.id or original.header.kind not in MENDED_KINDS:
        raise VerifyError(Code.BINDING, "it is no message of this room")
    return original
