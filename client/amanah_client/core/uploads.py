"""Attachments on their way to the relay, before the messages that name them.

The relay's word says how far each is, asked for anew on every connection; what is sent are bytes that were sealed
once and lie in the profile, so a repetition is the same bytes. A message whose upload is whole goes out as any other.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from amanah_client import effects as e
from amanah_client.attaching import Attach
from amanah_client.core.context import Context
from amanah_client.core.moving import MOST, WINDOW, Upload
from amanah_client.core.requests import PieceSent, UploadFound
from amanah_client.core.room import Room
from amanah_client.inputs import SealedRead
from amanah_client.model import InFlight, Intent, IntentState
from amanah_protocol.attachment import sealed_bytes
from amanah_protocol.errors import MEANINGS, Code, VerifyError
from amanah_protocol.frames import AttachmentState, FindAttachment, PutAttachment, Refused
from amanah_protocol.limits import SEALED_CHUNK_BYTES

AGAIN_MS: Final = 60_000
"""When it is asked again how far an upload is whose message is on its way."""
PAUSE_MS: Final = 1_000


class Barred(msgspec.Struct, frozen=True, kw_only=True):
    """An upload that cannot succeed, of a message in flight.

    Attributes:
        position: Of its message in the publish.
        code: Why.
        detail: The same in words.
    """

    position: int
    code: Code
    detail: str


def is_ready(ctx: Context, intent: Intent) -> bool:
    """Whether an intent has no attachment, or one that the relay has."""
    upload = ctx.session.uploads.get(intent.id)
    return not isinstance(intent.action, Attach) or (upload is not None and upload.whole)


def work(ctx: Context, room: Room) -> None:
    """Take the uploads of a room's line further."""
    for intent in tuple(room.line.values()):
        if not isinstance(intent.action, Attach) or intent.state is IntentState.HELD:
            continue
        upload = ctx.session.uploads.get(intent.id)
        if upload is not None:
            _read(ctx, intent, intent.action, upload)
        elif intent.state is IntentState.QUEUED and ctx.waits.get(intent.id, 0) <= ctx.timer_ms:
            _begin(ctx, intent, intent.action)


def again(ctx: Context, room: Room, flight: InFlight) -> Barred | None:
    """The relay does not have, or no longer has, what a message in flight names: it is uploaded once more.

    Returns:
        Why one of them never will be there: its message would stand in the way of all others of the room for ever.
    """
    for position, intent_id in enumerate(flight.intents):
        intent = room.line.get(intent_id)
        if intent is None or not isinstance(intent.action, Attach):
            continue
        if intent_id in ctx.session.barred:
            code, detail = ctx.session.barred.pop(intent_id)
            return Barred(position=position, code=code, detail=detail)
        ctx.session.uploads.pop(intent.id, None)
        _begin(ctx, intent, intent.action)
    return None


def _begin(ctx: Context, intent: Intent, action: Attach) -> None:
    if sum(not upload.whole for upload in ctx.session.uploads.values()) >= MOST:
        return
    upload = ctx.session.uploads[intent.id] = Upload()
    ctx.ask(
        UploadFound(intent=intent.id, upload=upload),
        lambda number: FindAttachment(request=number, room=action.room, attachment=action.attachment),
    )


def _read(ctx: Context, intent: Intent, action: Attach, upload: Upload) -> None:
    total = sealed_bytes(action.size)
    while upload.found and not upload.whole and upload.flying < WINDOW and upload.next < total:
        length = min(SEALED_CHUNK_BYTES, total - upload.next)
        ctx.effect(e.ReadSealed(intent=intent.id, attachment=action.attachment, offset=upload.next, length=length))
        upload.next += length
        upload.flying += 1


def receive_sealed(ctx: Context, read: SealedRead) -> None:
    """The shell has read a piece of what is to be uploaded."""
    intent, upload = ctx.outbox.get(read.intent), ctx.session.uploads.get(read.intent)
    if upload is None or intent is None or not isinstance(intent.action, Attach):
        return  # the connection is another one by now, or nobody wants it any more
    if read.data is None:
        _bar(ctx, intent, Code.NOT_FOUND, "the sealed copy of the file is gone or damaged; attach it again")
        return
    action, data = intent.action, read.data
    ctx.ask(
        PieceSent(intent=intent.id, upload=upload, end=read.offset + len(data)),
        partial(
            PutAttachment,
            room=action.room,
            attachment=action.attachment,
            total=sealed_bytes(action.size),
            offset=read.offset,
            data=data,
        ),
    )


def receive_state(ctx: Context, asked: UploadFound | PieceSent, frame: AttachmentState) -> None:
    """The relay says how far it is.

    Raises:
        VerifyError: `FRAME`: further than there is.
    """
    intent = ctx.outbox.get(asked.intent)
    if intent is None or not isinstance(intent.action, Attach) or not _is_current(ctx, asked):
        return
    total, upload = sealed_bytes(intent.action.size), asked.upload
    if frame.size > total or (frame.whole and frame.size != total):
        raise VerifyError(Code.FRAME, "more of an attachment than there is")
    if isinstance(asked, UploadFound):
        upload.found, upload.next = True, frame.size
    else:
        upload.flying -= 1
    upload.whole = frame.whole
    end = asked.end if isinstance(asked, PieceSent) else total
    if not frame.whole and (frame.size == total or (isinstance(asked, PieceSent) and frame.size < end)):
        # It did not take what was sent: from the place where it stands.
        ctx.session.uploads.pop(intent.id)
        ctx.wait(intent, ctx.timer_ms + PAUSE_MS)
        return
    ctx.effect(e.TransferChanged(attachment=intent.action.attachment, upload=True, done=frame.size, total=total))
    if frame.whole:
        ctx.note(intent, "", "")


def refused(ctx: Context, asked: UploadFound | PieceSent, frame: Refused) -> None:
    """A piece was refused: it is tried later, or the file cannot be sent."""
    intent = ctx.outbox.get(asked.intent)
    if intent is None or not _is_current(ctx, asked):
        return
    ctx.session.uploads.pop(asked.intent)
    if MEANINGS[_code(frame)].final:
        _bar(ctx, intent, _code(frame), frame.detail)
    else:
        ctx.refuse(asked.intent, frame)


def _bar(ctx: Context, intent: Intent, code: Code, detail: str) -> None:
    """It cannot be sent. Of a message that is on its way the answer to that one counts: it may be in the record."""
    if intent.state is IntentState.SENT:
        ctx.session.uploads.pop(intent.id, None)
        ctx.session.barred[intent.id] = code, detail
        ctx.wait(intent, ctx.timer_ms + AGAIN_MS)
    else:
        ctx.fail(intent, str(code), detail)


def _is_current(ctx: Context, asked: UploadFound | PieceSent) -> bool:
    return ctx.session.uploads.get(asked.intent) is asked.upload


def _code(frame: Refused) -> Code:
    return Code(frame.code) if frame.code in Code.__members__ else Code.FRAME
