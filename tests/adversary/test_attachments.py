"""Attack 45: attachments are swapped, cut, put in another order, or passed off as another message's.

The relay gives other bytes than it was given; a member seals others than its message says, or uses a colleague's file
under a message of its own. Nothing of it is ever saved, and altered chunks are not even kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from amanah_client import model
from amanah_client.attaching import Attach
from amanah_protocol import frames, limits
from amanah_protocol.content.file import File
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import AmanahError, Code
from amanah_protocol.limits import SEALED_CHUNK_BYTES
from amanah_protocol.types import EnvelopeId
from amanah_relay.core.shelf import Shelf
from tests.adversary.outcomes import control, defended
from tests.client.core.filing import CHUNK, DATA, FileStage
from tests.client.core.world import Client

DONE, FAILED = model.IntentState.DONE, model.IntentState.FAILED
Altered = Callable[[dict[int, bytes]], dict[int, bytes]]


@pytest.fixture
def stage(tmp_path: Path, _without_the_defence: None) -> FileStage:
    return FileStage(tmp_path)


def evil(stage: FileStage, change: Altered, *, total: int | None = None) -> EnvelopeId:
    """A file, of which the relay gives B other chunks than it has; gives the message."""
    message = stage.sent(stage.a)
    file, _ = stage.told(stage.a, message)
    (path,) = (stage.folder / "relay").glob("*/*/*")
    whole = path.read_bytes()
    chunks = {index: whole[index * SEALED_CHUNK_BYTES :][:SEALED_CHUNK_BYTES] for index in range(4)}
    given = change(chunks)

    def lie(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.AttachmentPiece):
            index = frame.offset // SEALED_CHUNK_BYTES
            data = given.get(index, b"")
            said = frame.total if total is None else total
            return [frames.AttachmentPiece(request=frame.request, total=said, offset=frame.offset, data=data)]
        return [frame]

    stage.b.toward = lie
    assert file.size == len(DATA)
    return message


def swapped(chunks: dict[int, bytes]) -> dict[int, bytes]:
    return {**chunks, 0: chunks[1], 1: chunks[0]}


def repeated(chunks: dict[int, bytes]) -> dict[int, bytes]:
    return {**chunks, 1: chunks[0]}


def cut(border: int) -> Altered:
    return lambda chunks: {index: data for index, data in chunks.items() if index < border}


def flipped(index: int) -> Altered:
    return lambda chunks: {**chunks, index: bytes((chunks[index][0] ^ 1,)) + chunks[index][1:]}


def of_another(chunks: dict[int, bytes]) -> dict[int, bytes]:
    return {index: data[::-1] for index, data in chunks.items()}


ALTERED = [swapped, repeated, cut(1), cut(2), cut(3), flipped(0), flipped(1), flipped(3), of_another]


@defended(45)
@pytest.mark.parametrize("change", ALTERED)
def test_no_altered_chunk_is_kept_and_nothing_is_saved(stage: FileStage, change: Altered) -> None:
    message = evil(stage, change)
    intent = stage.fetch(stage.b, message)
    assert (intent.state, intent.code) == (FAILED, Code.OPEN)
    assert stage.b.codes() == [Code.OPEN]
    kept = [path.read_bytes() for path in (stage.folder / "B" / "files").glob("*")]
    (sealed,) = (path.read_bytes() for path in (stage.folder / "relay").glob("*/*/*"))
    assert all(sealed.startswith(part) for part in kept)
    stage.b.toward = None
    assert stage.fetch(stage.b, message).state is DONE
    assert stage.saved(stage.b, message) == DATA


@defended(45)
@pytest.mark.parametrize("border", [1, 2, 3])
def test_a_prefix_is_not_taken_for_the_whole(stage: FileStage, border: int) -> None:
    """Cut at each border of a chunk, and the relay says that this is all."""
    message = evil(stage, cut(border), total=border * SEALED_CHUNK_BYTES)
    intent = stage.fetch(stage.b, message)
    assert (intent.state, intent.code) == (FAILED, Code.CONTENT_HASH)
    assert stage.files(stage.b) == []


@control(45, "chunks in their places")
def test_without_their_places_chunks_are_saved_in_another_order(stage: FileStage) -> None:
    message = evil(stage, swapped)
    assert stage.fetch(stage.b, message).state is DONE
    found = stage.saved(stage.b, message)
    assert found == DATA[CHUNK : 2 * CHUNK] + DATA[:CHUNK] + DATA[2 * CHUNK :]


@control(45, "chunks are opened when they come")
def test_without_opening_them_altered_chunks_are_kept(stage: FileStage) -> None:
    message = evil(stage, lambda chunks: {**chunks, 0: bytes(SEALED_CHUNK_BYTES), 3: b""})
    lie = stage.b.toward
    assert lie is not None
    stage.b.toward = lambda frame: [] if getattr(frame, "offset", 0) else lie(frame)
    stage.fetch(stage.b, message)
    (part,) = (stage.folder / "B" / "files").glob("*.part")
    assert part.read_bytes() == bytes(SEALED_CHUNK_BYTES)


@control(45, "the length is the message's")
def test_without_its_length_a_prefix_is_taken_for_the_whole(stage: FileStage) -> None:
    """One chunk of four, which the client keeps as all of it; saving ends where the bytes do."""
    message = evil(stage, cut(1), total=SEALED_CHUNK_BYTES)
    stage.fetch(stage.b, message)
    assert ".in" in stage.files(stage.b)
    file, _ = stage.told(stage.b, message)
    assert stage.b.spool is not None
    assert stage.b.spool.fetched(file.attachment).stat().st_size < file.sealed_size


# ---- a member that works against the others


def reused(stage: FileStage, monkeypatch: pytest.MonkeyPatch) -> str:
    """B posts A's file as its own, under another name, with a relay that says it has it from B; gives B's intent."""
    message = stage.sent(stage.a)
    assert stage.fetch(stage.b, message).state is DONE
    file, _ = stage.told(stage.b, message)
    assert stage.b.spool is not None
    shutil.copy(stage.b.spool.fetched(file.attachment), stage.folder / "B" / "files" / f"{file.attachment.hex()}.out")
    upload = stage.relay.core._parts.shelf.get((stage.room, file.attachment))
    assert upload is not None
    monkeypatch.setattr(upload, "organisation", "cert.example.ma")
    intent = stage.b.ask(
        Attach(
            room=stage.room,
            name="mine.bin",
            size=file.size,
            digest=file.digest,
            key=file.key,
            attachment=file.attachment,
            label=stage.b.store.messages[stage.room, message].label,
        )
    )
    stage.run()
    monkeypatch.setattr(upload, "organisation", "cert.example.tn")
    return intent


@defended(45)
def test_an_attachment_is_not_used_for_a_second_message(stage: FileStage, monkeypatch: pytest.MonkeyPatch) -> None:
    intent = reused(stage, monkeypatch)
    assert (stage.b.intent(intent).state, stage.b.intent(intent).code) == (FAILED, Code.REPLAY)


@defended(45)
def test_where_the_relay_lets_it_the_chunks_do_not_open_under_another_message(
    stage: FileStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shelf, "check_attachable", lambda *_: None)
    posted = stage.b.intent(reused(stage, monkeypatch)).envelope
    assert posted is not None
    fetched = stage.fetch(stage.a, posted)
    assert (fetched.state, fetched.code) == (FAILED, Code.OPEN)
    assert stage.a.codes() == [Code.OPEN]


@control(45, "an attachment has one message")
def test_a_relay_without_the_check_takes_an_attachment_twice(stage: FileStage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert stage.b.intent(reused(stage, monkeypatch)).state is DONE


@control(45, "chunks of their message")
def test_without_the_message_in_them_chunks_open_under_another(
    stage: FileStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shelf, "check_attachable", lambda *_: None)
    posted = stage.b.intent(reused(stage, monkeypatch)).envelope
    assert posted is not None
    assert stage.fetch(stage.a, posted).state is DONE
    assert stage.saved(stage.a, posted) == DATA


def shown_as(stage: FileStage) -> EnvelopeId:
    """A's message gives the hash of something harmless."""
    return stage.sent(stage.a, digest=sha256(b"harmless"))


@defended(45)
def test_a_file_that_is_not_what_its_hash_says_is_not_saved(stage: FileStage) -> None:
    message = shown_as(stage)
    assert stage.fetch(stage.b, message).state is DONE
    with pytest.raises(AmanahError) as refused:
        stage.saved(stage.b, message)
    assert refused.value.code is Code.CONTENT_HASH
    assert list((stage.folder / "saved by B").iterdir()) == []


@control(45, "a file is what its hash names")
def test_without_the_comparison_another_file_than_was_named_is_saved(stage: FileStage) -> None:
    message = shown_as(stage)
    assert stage.fetch(stage.b, message).state is DONE
    assert stage.saved(stage.b, message) == DATA


def misnamed(stage: FileStage, monkeypatch: pytest.MonkeyPatch) -> tuple[Client, EnvelopeId]:
    """The header names one attachment, for the relay to keep and drop; the sealed body another."""
    real = vars(Attach)["body"].fget

    def other(self: Attach) -> File:
        body: File = real(self)
        return replace(body, attachment=bytes(32))

    monkeypatch.setattr(Attach, "body", property(other))
    return stage.b, stage.sent(stage.a)


@defended(45)
def test_a_header_that_names_another_attachment_is_refused(stage: FileStage, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, message = misnamed(stage, monkeypatch)
    row = reader.store.messages[stage.room, message]
    assert (row.state, row.code, row.content) == (model.MessageState.UNREADABLE, Code.BINDING, b"")


@control(45, "headers name the attachment")
def test_without_the_comparison_the_header_may_name_anything(stage: FileStage, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, message = misnamed(stage, monkeypatch)
    assert reader.store.messages[stage.room, message].state is model.MessageState.STORED


def test_the_file_of_these_attacks_has_several_chunks() -> None:
    assert len(DATA) > 3 * limits.ATTACHMENT_CHUNK_BYTES
