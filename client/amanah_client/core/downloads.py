"""Attachments on their way here: each chunk is opened before it is kept, and the whole hash compared at the end.

What is kept are the sealed chunks; the plaintext of a chunk is dropped where it was verified. So no more than one chunk
of what may be false is ever here, and the file as it was before its sealing appears when somebody saves it.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from amanah_client import effects as e
from amanah_client.attaching import Fetch
from amanah_client.core.context import Context
from amanah_client.core.moving import MOST, WINDOW, Download
from amanah_client.core.requests import PieceWanted
from amanah_client.core.room import Room
from amanah_client.inputs import FetchedFound, PieceKept
from amanah_client.model import Intent, IntentState, MessageRow
from amanah_protocol.attachment import chunk_count, open_chunk, sealed_offset
from amanah_protocol.content.file import File
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.frames import AttachmentPiece, FetchAttachment, Refused
from amanah_protocol.types import EnvelopeId, RoomId

PAUSE_MS: Final = 1_000
_GONE: Final = "there is no file in this message, or it was erased"


def work(ctx: Context, room: Room) -> None:
    """Take the downloads of a room's line further."""
    for intent in tuple(room.line.values()):
        if not isinstance(intent.action, Fetch):
            continue
        download = ctx.session.downloads.get(intent.id)
        if download is not None:
            _ask(ctx, intent, download)
        elif ctx.waits.get(intent.id, 0) <= ctx.timer_ms and _is_free(ctx, intent.action):
            ctx.session.downloads[intent.id] = Download(room=room.id, envelope=intent.action.envelope)
            ctx.effect(e.ReadMessage(room=room.id, envelope=intent.action.envelope))


def _is_free(ctx: Context, action: Fetch) -> bool:
    """Two that wrote to one file would write over each other: the second finds what the first has fetched."""
    moving = ctx.session.downloads.values()
    return len(moving) < MOST and all(download.envelope != action.envelope for download in moving)


def _is_moving(ctx: Context, attachment: bytes) -> bool:
    return any(one.file is not None and one.file.attachment == attachment for one in ctx.session.downloads.values())


def receive_message(ctx: Context, room: RoomId, envelope: EnvelopeId, row: MessageRow | None) -> None:
    """The store has the message of a file that is wanted, or not."""
    for intent_id, download in tuple(ctx.session.downloads.items()):
        if (download.room, download.envelope) != (room, envelope) or download.file is not None:
            continue
        content = None if row is None or not row.content else decode_content(row.content)
        if content is None or not isinstance(content.body, File):
            _end(ctx, intent_id, Code.NOT_FOUND, _GONE)
            continue
        if _is_moving(ctx, content.body.attachment):
            # Another message names the same bytes: the second finds what the first has fetched.
            ctx.session.downloads.pop(intent_id)
            ctx.waits[intent_id] = ctx.timer_ms + PAUSE_MS
            continue
        download.file, download.message_id = content.body, content.message_id
        ctx.effect(e.FindFetched(intent=intent_id, attachment=content.body.attachment, total=content.body.sealed_size))


def receive_found(ctx: Context, found: FetchedFound) -> None:
    """The shell has looked how many chunks are here."""
    download = ctx.session.downloads.get(found.intent)
    if download is None or download.file is None or download.found:
        return
    download.found, download.index, download.asked = True, found.chunks, found.chunks
    if found.whole:
        _finish(ctx, found.intent)


def _ask(ctx: Context, intent: Intent, download: Download) -> None:
    file = download.file
    if file is None or not download.found:
        return
    while download.asked < chunk_count(file.size) and download.asked - download.index < WINDOW:
        ctx.ask(
            PieceWanted(intent=intent.id, download=download, index=download.asked),
            partial(
                FetchAttachment, room=download.room, attachment=file.attachment, offset=sealed_offset(download.asked)
            ),
        )
        download.asked += 1


def receive_piece(ctx: Context, asked: PieceWanted, frame: AttachmentPiece) -> None:
    """A chunk: it is opened before it is kept (attack 45)."""
    download, file = asked.download, asked.download.file
    if file is None or ctx.session.downloads.get(asked.intent) is not download:
        return
    try:
        _check_piece(download, file, asked.index, frame)
    except VerifyError as error:
        detail = f"a file in the message {download.envelope.hex()[:12]} was altered, or was sealed wrong by its sender"
        ctx.alarm(str(error.code), detail, room=download.room)
        _end(ctx, asked.intent, error.code, detail)
        return
    download.index += 1
    ctx.effect(
        e.KeepPiece(
            intent=asked.intent,
            attachment=file.attachment,
            index=asked.index,
            data=frame.data,
            total=file.sealed_size,
        )
    )


def _check_piece(download: Download, file: File, index: int, frame: AttachmentPiece) -> None:
    if (frame.total, frame.offset, index) != (file.sealed_size, sealed_offset(index), download.index):
        raise VerifyError(Code.CONTENT_HASH, "this is not the piece of the attachment that was asked for")
    open_chunk(file.key, download.message_id, file.size, index, frame.data)


def receive_kept(ctx: Context, kept: PieceKept) -> None:
    """The shell has kept a chunk, or could not."""
    download = ctx.session.downloads.get(kept.intent)
    if download is None or download.file is None:
        return
    if kept.problem is not None:
        _end(ctx, kept.intent, kept.problem, kept.detail)
        return
    total = download.file.sealed_size
    ctx.effect(e.TransferChanged(attachment=download.file.attachment, upload=False, done=kept.size, total=total))
    if kept.whole:
        _finish(ctx, kept.intent)


def refused(ctx: Context, asked: PieceWanted, frame: Refused) -> None:
    """The relay does not give a piece, or not now."""
    if ctx.session.downloads.get(asked.intent) is asked.download:
        ctx.session.downloads.pop(asked.intent)
        ctx.refuse(asked.intent, frame)


def _finish(ctx: Context, intent_id: str) -> None:
    ctx.session.downloads.pop(intent_id)
    intent = ctx.outbox.get(intent_id)
    if intent is not None:
        ctx.finish_intent(intent)


def _end(ctx: Context, intent_id: str, code: Code, detail: str) -> None:
    ctx.session.downloads.pop(intent_id)
    intent = ctx.outbox.get(intent_id)
    if intent is not None and intent.state is not IntentState.DONE:
        ctx.fail(intent, str(code), detail)
