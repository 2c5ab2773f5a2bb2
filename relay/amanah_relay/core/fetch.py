"""Staged pieces in, pieces of large contents out, proofs and checkpoints."""

from __future__ import annotations

from amanah_protocol import frames
from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.limits import STAGE_CHUNK_BYTES
from amanah_protocol.types import DeviceId, RoomId
from amanah_relay.core.clients import Client
from amanah_relay.core.ledger import Ledger
from amanah_relay.core.parts import Parts
from amanah_relay.core.pending import ContentFetch, ProofFetch
from amanah_relay.core.staging import CachedContent
from amanah_relay.effects import ReadContent, ReadProof
from amanah_relay.inputs import ContentRead, ProofRead


def stage(parts: Parts, client: Client, frame: frames.Stage, now_ms: int) -> None:
    """Take a piece of a content.

    Raises:
        AmanahError: `STOPPING`, or as `Staging.put`.
    """
    parts.check_open()
    parts.staging.put(client.session, client.organisation, frame, now_ms)
    parts.out.send(client.session, frames.Done(request=frame.request))


def fetch(parts: Parts, client: Client, frame: frames.FetchContent) -> None:
    """Give a piece of a content, from the cache or after the store has read it.

    A device that was ever in the room may ask: payload hashes stand in headers, and whoever is out
    never saw those behind its removal.

    Raises:
        AmanahError: `STOPPING`, `STORE`, `SLOW`, `UNKNOWN_ROOM` or `NOT_FOUND`.
    """
    parts.check_open()
    check_pace(parts, client)
    room = RoomId(frame.room)
    _check_was_member(parts.loaded().ledger, room, client.device)
    question = ContentFetch(
        client=client,
        request=frame.request,
        room=room,
        payload=frame.payload_hash,
        offset=frame.offset,
        generation=parts.contents.generation,
    )
    cached = parts.contents.get(room, frame.payload_hash)
    if cached is not None:
        _give_piece(parts, question, cached)
    else:
        token = parts.ask(question)
        parts.out.add(ReadContent(token=token, room=room, payload=frame.payload_hash))


def answer_content(parts: Parts, question: ContentFetch, read: ContentRead) -> None:
    """The store has read a content."""
    client = question.client
    if not parts.knows(client):
        return
    content = None if read.data is None else CachedContent(data=read.data, addressees=read.addressees)
    # Nothing that was read before an erasure is kept behind it.
    if content is not None and question.generation == parts.contents.generation:
        parts.contents.put(question.room, question.payload, content)
    try:
        _give_piece(parts, question, content)
    except RefusedError as error:
        parts.out.refuse(client.session, question.request, error)


def check_pace(parts: Parts, client: Client) -> None:
    """Who does not read what it was given asks for nothing more.

    Raises:
        RefusedError: `SLOW`.
    """
    if client.congested:
        raise RefusedError(Code.SLOW, "the connection reads too slowly", retry_after_ms=parts.limits.retry_ms)


def inclusion(parts: Parts, client: Client, frame: frames.GetInclusion) -> None:
    """Ask for an inclusion proof in a tree that is durable.

    Raises:
        AmanahError: `STOPPING`, `STORE` or `NOT_FOUND`.
    """
    parts.check_open()
    if not frame.index < frame.size <= parts.loaded().ledger.size:
        raise RefusedError(Code.NOT_FOUND, f"the log has {parts.loaded().ledger.size} leaves")
    token = parts.ask(ProofFetch(client=client, request=frame.request))
    parts.out.add(ReadProof(token=token, inclusion=True, old_or_index=frame.index, size=frame.size))


def consistency(parts: Parts, client: Client, frame: frames.GetConsistency) -> None:
    """Ask for a consistency proof between trees that are durable.

    Raises:
        AmanahError: `STOPPING`, `STORE` or `NOT_FOUND`.
    """
    parts.check_open()
    if not 0 < frame.old <= frame.new <= parts.loaded().ledger.size:
        raise RefusedError(Code.NOT_FOUND, f"the log has {parts.loaded().ledger.size} leaves")
    token = parts.ask(ProofFetch(client=client, request=frame.request))
    parts.out.add(ReadProof(token=token, inclusion=False, old_or_index=frame.old, size=frame.new))


def answer_proof(parts: Parts, question: ProofFetch, read: ProofRead) -> None:
    """The store has made a proof."""
    if parts.knows(question.client):
        path = frames.Path(request=question.request, leaf=read.leaf, hashes=read.hashes)
        parts.out.send(question.client.session, path)


def checkpoint(parts: Parts, client: Client, frame: frames.GetCheckpoint) -> None:
    """Give the newest checkpoint.

    Raises:
        AmanahError: `STOPPING` or `STORE`.
    """
    parts.check_open()
    note = parts.loaded().ledger.shown_checkpoint()
    parts.out.send(client.session, frames.Checkpoint(request=frame.request, note=note))


def _check_was_member(ledger: Ledger, room: RoomId, device: DeviceId) -> None:
    kept = ledger.rooms.get(room)
    if kept is None or device not in kept.members:
        raise RefusedError(Code.UNKNOWN_ROOM, "there is no such room for this device")


def _give_piece(parts: Parts, question: ContentFetch, content: CachedContent | None) -> None:
    allowed = content is not None and (content.addressees is None or question.client.device in content.addressees)
    if content is None or not allowed or question.offset >= len(content.data):
        raise RefusedError(Code.NOT_FOUND, "there is no such content for this device")
    piece = frames.ContentPiece(
        request=question.request,
        total=len(content.data),
        offset=question.offset,
        data=content.data[question.offset : question.offset + STAGE_CHUNK_BYTES],
    )
    parts.out.send(question.client.session, piece)
