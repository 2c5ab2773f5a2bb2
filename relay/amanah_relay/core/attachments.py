"""Attachments: pieces in, pieces out, and what is dropped.

The bytes are files, which the shell writes and reads; which message an attachment belongs to stands in the store, in
the transaction that accepts the message. A file that no message names goes after its time, one whose message was
erased goes when that is durable. A crash between the two leaves a file that the next listing finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from amanah_protocol import frames
from amanah_protocol.errors import AmanahError, Code, OperationalError, RefusedError, VerifyError
from amanah_protocol.limits import SEALED_CHUNK_BYTES
from amanah_protocol.types import EnvelopeId, RoomId
from amanah_relay.core.clients import Client
from amanah_relay.core.fetch import check_pace
from amanah_relay.core.parts import Parts
from amanah_relay.core.pending import PieceFetch, PieceWriting
from amanah_relay.core.sequencer import Unit
from amanah_relay.core.shelf import Place, Shelf, Upload
from amanah_relay.effects import Attached, DropFile, PutPiece, ReadPiece, Standing
from amanah_relay.inputs import PiecePut, PieceRead, Shelved
from amanah_relay.state import RelayState

HOUR_MS: Final = 3_600_000
SWEEP_MS: Final = 60_000


def find(parts: Parts, client: Client, frame: frames.FindAttachment) -> None:
    """Say how far an upload of the own organisation is.

    Raises:
        AmanahError: `STOPPING`, `STORE` or `UNKNOWN_ROOM`.
    """
    upload = _inside(parts, client, frame.room).get((RoomId(frame.room), frame.attachment))
    if upload is not None and upload.organisation != client.organisation:
        upload = None
    _tell(parts, client, frame.request, upload)


def put(parts: Parts, client: Client, frame: frames.PutAttachment, now_ms: int) -> None:
    """Take the next piece.

    Raises:
        AmanahError: `STOPPING`, `STORE`, `UNKNOWN_ROOM`; `REPLAY` for an attachment of a message or of another
            organisation; `QUOTA`; `STAGING` for a piece that does not follow; `RATE`.
    """
    shelf = _inside(parts, client, frame.room)
    place = (RoomId(frame.room), frame.attachment)
    upload = shelf.get(place)
    if upload is not None and upload.whole and upload.organisation == client.organisation:
        _tell(parts, client, frame.request, upload)
        return
    if place in parts.loaded().state.attached or (upload and upload.organisation != client.organisation):
        raise RefusedError(Code.REPLAY, "the attachment belongs to another message or organisation")
    if frame.offset != (0 if upload is None else upload.handed) or frame.total < frame.offset + len(frame.data):
        raise OperationalError(Code.STAGING, "this is not the next piece of the attachment")
    if upload is None:
        upload = shelf.begin(place, client.organisation, frame.total, parts.limits, now_ms)
    elif upload.total != frame.total:
        raise OperationalError(Code.STAGING, "the attachment was announced with another length")
    token = parts.ask(PieceWriting(client=client, request=frame.request, place=place, upload=upload))
    upload.handed, upload.touched_ms = frame.offset + len(frame.data), now_ms
    parts.out.add(
        PutPiece(
            token=token,
            room=place[0],
            organisation=client.organisation,
            attachment=frame.attachment,
            total=frame.total,
            offset=frame.offset,
            data=frame.data,
        )
    )


def answer_put(parts: Parts, writing: PieceWriting, answer: PiecePut) -> None:
    """A piece was written, or did not follow what is there."""
    upload = writing.upload
    # Behind a piece that was not written nothing was: what is there is where it goes on.
    follows = answer.size > upload.size
    upload.size, upload.whole = answer.size, answer.whole
    upload.handed = max(upload.handed, answer.size) if follows else answer.size
    if answer.damaged:
        parts.shelf.drop(writing.place)
    if not parts.knows(writing.client):
        return
    if answer.damaged:
        error = VerifyError(Code.CONTENT_HASH, "the attachment is not the one that was announced")
        parts.out.refuse(writing.client.session, writing.request, error)
    else:
        _tell(parts, writing.client, writing.request, upload)


def fail(parts: Parts, writing: PieceWriting, error: AmanahError) -> None:
    """A piece could not be written; the upload goes on from what is there."""
    writing.upload.handed = writing.upload.size
    if parts.knows(writing.client):
        parts.out.refuse(writing.client.session, writing.request, error)


def fetch(parts: Parts, client: Client, frame: frames.FetchAttachment) -> None:
    """Give a piece to somebody who is in the room.

    Raises:
        AmanahError: `STOPPING`, `STORE`, `SLOW`, `UNKNOWN_ROOM`, `NOT_FOUND` or `RATE`.
    """
    shelf = _inside(parts, client, frame.room)
    check_pace(parts, client)
    state = parts.loaded().state
    place = (RoomId(frame.room), frame.attachment)
    envelope = state.attached.get(place)
    upload = shelf.get(place)
    if envelope is None or upload is None or not _is_given(state, envelope) or frame.offset >= upload.total:
        raise _not_found()
    question = PieceFetch(
        client=client, request=frame.request, envelope=envelope, total=upload.total, offset=frame.offset
    )
    token = parts.ask(question)
    parts.out.add(
        ReadPiece(
            token=token,
            room=place[0],
            organisation=upload.organisation,
            attachment=frame.attachment,
            offset=frame.offset,
            length=SEALED_CHUNK_BYTES,
        )
    )


def answer_fetch(parts: Parts, question: PieceFetch, read: PieceRead) -> None:
    """A piece was read; what was erased meanwhile is not given."""
    client = question.client
    if not parts.knows(client):
        return
    if not read.data or parts.books is None or not _is_given(parts.books.state, question.envelope):
        parts.out.refuse(client.session, question.request, _not_found())
        return
    piece = frames.AttachmentPiece(
        request=question.request, total=question.total, offset=question.offset, data=read.data
    )
    parts.out.send(client.session, piece)


def settled(parts: Parts, attachments: Iterable[Attached]) -> None:
    """A batch is durable: what it drops is dropped."""
    state = parts.loaded().state
    for found in attachments:
        known = state.attachments[found.envelope]
        # The time that the log names; what came since stays what it is.
        state.attachments[found.envelope] = replace(known, accepted_at_ms=found.accepted_at_ms)
        if found.standing is Standing.DROPPED:
            _drop(parts, (found.room, found.attachment))


def drop_with(state: RelayState, unit: Unit, envelope: EnvelopeId) -> None:
    """The time of a message is over, and with it that of its attachment."""
    found = state.attachments.get(envelope)
    if found is not None:
        state.attachments[envelope] = replace(found, standing=Standing.DROPPED)
        unit.attachments.append(state.attachments[envelope])


def shelved(parts: Parts, event: Shelved) -> None:
    """The shell has looked which files there are.

    Only the first time it says what there is: later it is older than what this process knows, and shows what should
    not be there any more.
    """
    if not parts.shelf.listed:
        parts.shelf.fill(event.files)
        tidy(parts)
        return
    for file in event.files:
        if parts.shelf.get((file.room, file.attachment)) is None:
            effect = DropFile(room=file.room, organisation=file.organisation, attachment=file.attachment)
            parts.out.add(effect)


def tidy(parts: Parts) -> None:
    """Drop what a process before this one was to drop."""
    if parts.books is None:
        return
    attached = parts.books.state.attachments
    for place, _ in parts.shelf:
        envelope = parts.books.state.attached.get(place)
        if envelope is not None and attached[envelope].standing is Standing.DROPPED:
            _drop(parts, place)


def tick(parts: Parts, now_ms: int) -> None:
    """Drop what nobody has named in a message within its time."""
    books = parts.books
    if books is None or 0 <= now_ms - parts.shelf.swept_ms < SWEEP_MS:
        return
    parts.shelf.swept_ms = now_ms
    for place, upload in parts.shelf:
        upload.touched_ms = min(upload.touched_ms, now_ms)  # a clock that was set back gives no time
        over = now_ms - upload.touched_ms >= parts.limits.attachment_hours * HOUR_MS
        if over and upload.handed == upload.size and place not in books.state.attached:
            _drop(parts, place)


def _drop(parts: Parts, place: Place) -> None:
    upload = parts.shelf.drop(place)
    if upload is not None:
        parts.out.add(DropFile(room=place[0], organisation=upload.organisation, attachment=place[1]))


def _inside(parts: Parts, client: Client, room: bytes) -> Shelf:
    """The shelf, for somebody who is in a room."""
    parts.check_open()
    kept = parts.loaded().ledger.rooms.get(RoomId(room))
    member = None if kept is None else kept.members.get(client.device)
    if member is None or member.removed_seq is not None:
        raise RefusedError(Code.UNKNOWN_ROOM, "there is no such room for this device")
    if not parts.shelf.listed:
        detail = "the relay has not looked through its attachments yet"
        raise OperationalError(Code.STORE, detail, retry_after_ms=parts.limits.retry_ms)
    return parts.shelf


def _is_given(state: RelayState, envelope: EnvelopeId) -> bool:
    return state.attachments[envelope].standing is Standing.KEPT


def _tell(parts: Parts, client: Client, request: int, upload: Upload | None) -> None:
    size, whole = (0, False) if upload is None else (upload.size, upload.whole)
    parts.out.send(client.session, frames.AttachmentState(request=request, size=size, whole=whole))


def _not_found() -> RefusedError:
    return RefusedError(Code.NOT_FOUND, "there is no such attachment for this device, or it was erased")
