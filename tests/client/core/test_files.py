"""Attachments in the client's core: up before their message, down chunk by chunk, whatever breaks between."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from amanah_client import effects as e
from amanah_client import inputs, model
from amanah_client.attaching import Fetch
from amanah_client.core.opening import check_body
from amanah_protocol import frames, kinds
from amanah_protocol.content.bodies import Unknown
from amanah_protocol.content.file import File
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.labels import Label
from amanah_protocol.limits import SEALED_CHUNK_BYTES
from amanah_protocol.types import EnvelopeId
from amanah_relay.effects import DropFile
from amanah_relay.quotas import RelayLimits
from tests.client.core.filing import CHUNK, DATA, FileStage
from tests.client.core.rooms import invite
from tests.client.core.world import SN, Client, keep
from tests.protocol.refusal import refused
from tests.vectors import examples as x

DONE, FAILED, QUEUED = model.IntentState.DONE, model.IntentState.FAILED, model.IntentState.QUEUED


@pytest.fixture
def stage(tmp_path: Path) -> FileStage:
    return FileStage(tmp_path)


def count(client: Client, kind: type[frames.Frame]) -> list[Any]:
    """Gather the frames of a type that a client sends."""
    found: list[frames.Frame] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, kind):
            found.append(frame)
        return [frame]

    client.outward = hook
    return found


def moves(client: Client, *, upload: bool) -> list[int]:
    """What the faces were told of a transfer."""
    return [one.done for one in client.effects if isinstance(one, e.TransferChanged) and one.upload is upload]


def test_a_file_is_uploaded_named_by_its_message_and_fetched_by_the_other_nation(stage: FileStage) -> None:
    message = stage.sent(stage.a)
    assert stage.files(stage.a) == []
    file, _ = stage.told(stage.b, message)
    assert (file.name, file.size) == ("source.bin", len(DATA))
    assert stage.fetch(stage.b, message).state is DONE
    assert stage.files(stage.b) == [".in"]
    assert stage.saved(stage.b, message) == DATA
    assert moves(stage.a, upload=True)[-1] == moves(stage.b, upload=False)[-1] == file.sealed_size
    assert moves(stage.b, upload=False) == sorted(moves(stage.b, upload=False))
    assert [client.store.alarms for client in stage.clients] == [[], []]


def test_an_empty_file_is_a_file(stage: FileStage) -> None:
    message = stage.sent(stage.a, b"")
    assert stage.fetch(stage.b, message).state is DONE
    assert stage.saved(stage.b, message) == b""


def test_what_people_say_does_not_wait_for_an_upload(stage: FileStage) -> None:
    stage.shelving = False
    intent = stage.attach(stage.a)
    stage.a.say(stage.room, "meanwhile")
    assert stage.b.texts(stage.room) == ["meanwhile"]
    assert stage.a.intent(intent).state is QUEUED
    stage.shelving = True
    stage.run()
    assert stage.a.intent(intent).state is DONE


def test_an_upload_goes_on_where_a_lost_connection_left_it(stage: FileStage) -> None:
    stage.shelving = False
    intent = stage.attach(stage.a)
    stage.run()
    sent = count(stage.a, frames.PutAttachment)
    stage.shelving = True
    stage.shelve()
    stage.shelve()
    stage.a.disconnect()
    while stage.shelve():
        pass
    stage.a.connect()
    stage.run()
    assert stage.a.intent(intent).state is DONE
    assert sent == []  # all four were on their way, and arrived


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_program_that_was_killed_goes_on_where_the_relay_is(stage: FileStage, kept: int) -> None:
    held: list[frames.Frame] = []
    stage.a.outward = keep(held, frames.PutAttachment)
    intent = stage.attach(stage.a)
    stage.run()
    assert len(held) == 4
    stage.a.outward = None
    for frame in held[:kept]:
        assert stage.a.peer is not None
        stage.a.peer.send(frame)
    while stage.shelve():
        pass
    stage.a.restart()
    sent = count(stage.a, frames.PutAttachment)
    stage.a.connect()
    stage.run()
    assert [frame.offset // SEALED_CHUNK_BYTES for frame in sent] == list(range(kept, 4))
    assert stage.a.intent(intent).state is DONE
    # The very bytes that were sent before: nothing is sealed twice.
    assert [frame.data for frame in sent] == [frame.data for frame in held[kept:]]  # type: ignore[attr-defined]  # of that kind


def test_more_files_than_are_moved_at_a_time_all_arrive(stage: FileStage) -> None:
    stage.shelving = False
    intents = [stage.attach(stage.a, b"%d" % number) for number in range(5)]
    stage.run()
    assert len(stage.relay.shelving) == 2
    stage.shelving = True
    stage.run()
    assert [stage.a.intent(intent).state for intent in intents] == [DONE] * 5
    wanted = [stage.b.ask(Fetch(room=stage.room, envelope=stage.a.intent(one).envelope)) for one in intents]  # type: ignore[arg-type]  # it is done
    stage.run()
    assert [stage.b.intent(one).state for one in wanted] == [DONE] * 5


def test_what_the_relay_has_no_room_for_is_kept_and_tried_again(tmp_path: Path) -> None:
    stage = FileStage(tmp_path, RelayLimits(attachment_bytes_per_organisation=100))
    intent = stage.attach(stage.a, bytes(200))
    stage.run()
    kept = stage.a.intent(intent)
    assert (kept.state, kept.code) == (QUEUED, "QUOTA")
    stage.relay.core._parts.limits = RelayLimits()  # noqa: SLF001 - the operator gives more
    stage.wait(601_000, 5_000)
    assert stage.a.intent(intent).state is DONE
    assert stage.a.intent(intent).code == ""


def test_an_upload_that_can_never_be_taken_ends(stage: FileStage) -> None:
    stage.a.toward = instead(frames.AttachmentState, "REPLAY")
    intent = stage.attach(stage.a)
    stage.run()
    assert (stage.a.intent(intent).state, stage.a.intent(intent).code) == (FAILED, "REPLAY")
    assert stage.files(stage.a) == []


def test_a_code_of_a_later_version_is_a_fault_of_the_relay(stage: FileStage) -> None:
    stage.a.toward = instead(frames.AttachmentState, "UNHEARD_OF")
    intent = stage.attach(stage.a)
    stage.run()
    assert stage.a.intent(intent).code == "FRAME"


def instead(kind: type[frames.Frame], code: str) -> Any:  # noqa: ANN401 - a hook of the stage
    """A hook: a refusal comes where such a frame was to come."""

    def hook(frame: Any) -> list[frames.Frame]:  # noqa: ANN401 - any frame
        if isinstance(frame, kind):
            return [frames.Refused(request=frame.request, code=code, detail="no")]  # type: ignore[attr-defined]  # it answers one
        return [frame]

    return hook


def test_a_sealed_copy_that_is_gone_is_said_to_be(stage: FileStage) -> None:
    stage.a.disconnect()
    intent = stage.attach(stage.a)
    for path in (stage.folder / "A" / "files").iterdir():
        path.unlink()
    stage.a.connect()
    stage.run()
    assert (stage.a.intent(intent).state, stage.a.intent(intent).code) == (FAILED, "NOT_FOUND")
    assert "attach it again" in stage.a.intent(intent).detail


def test_what_was_withdrawn_leaves_nothing_behind(stage: FileStage) -> None:
    before = stage.b.rows(stage.room, kinds.Kind.MESSAGE)
    stage.shelving = False
    intent = stage.attach(stage.a)
    stage.run()
    stage.a.give(inputs.Withdrawn(intent=intent))
    assert stage.files(stage.a) == []
    stage.shelving = True
    stage.run()
    assert stage.a.intent(intent).state is FAILED
    assert stage.b.rows(stage.room, kinds.Kind.MESSAGE) == before
    stage.a.give(inputs.SealedRead(intent=intent, offset=0, data=b"late"))  # and what comes late is nobody's
    assert stage.a.codes() == []


@pytest.mark.parametrize("state", [{"size": 2**40}, {"whole": True}])
def test_a_relay_that_has_more_than_there_is_loses_the_connection(stage: FileStage, state: dict[str, Any]) -> None:
    def lie(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.AttachmentState):
            return [frames.AttachmentState(**{"request": frame.request, "size": 1, "whole": False, **state})]
        return [frame]

    stage.a.toward = lie
    intent = stage.attach(stage.a)
    stage.run()
    assert stage.a.codes() == ["FRAME"]
    assert stage.a.peer is None
    stage.a.toward = None
    stage.a.connect()
    stage.run()
    assert stage.a.intent(intent).state is DONE


def test_what_the_relay_did_not_take_is_sent_from_where_it_stands(stage: FileStage) -> None:
    """The disk under it lost a part of the upload."""
    stage.shelving = False
    intent = stage.attach(stage.a)
    stage.run()
    stage.relay.shelving.popleft()  # never written, so nothing behind it is
    stage.shelving = True
    stage.run()
    assert stage.a.intent(intent).state is QUEUED
    stage.wait(5_000)
    assert stage.a.intent(intent).state is DONE
    message = stage.a.intent(intent).envelope
    assert message is not None
    assert stage.fetch(stage.b, message).state is DONE


def test_a_message_whose_attachment_is_gone_at_the_relay_uploads_it_again(stage: FileStage) -> None:
    """Between the last piece and the message the relay dropped it."""
    lost: list[int] = []

    def drop(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish) and not lost:
            lost.append(1)
            for place, upload in stage.relay.core._parts.shelf:  # noqa: SLF001 - what expiry does
                stage.relay.core._parts.shelf.drop(place)  # noqa: SLF001 - the same as above
                stage.shelf.drop(DropFile(room=place[0], organisation=upload.organisation, attachment=place[1]))
        return [frame]

    stage.a.outward = drop
    intent = stage.attach(stage.a)
    stage.run()
    assert lost
    stage.wait(40_000)
    assert stage.a.intent(intent).state is DONE
    message = stage.a.intent(intent).envelope
    assert message is not None
    assert stage.fetch(stage.b, message).state is DONE


def test_while_its_message_is_on_its_way_a_refused_upload_does_not_end_it(stage: FileStage) -> None:
    held: list[frames.Frame] = []
    stage.a.outward = keep(held, frames.Publish)
    intent = stage.attach(stage.a)
    stage.run()
    (publish,) = held
    assert isinstance(publish, frames.Publish)
    stage.a.outward = None
    stage.a.toward = instead(frames.AttachmentState, "REPLAY")
    staging = frames.Refused(request=publish.request, code="STAGING", detail="not here", retry_after_ms=30_000)
    stage.a.give(inputs.Received(data=frames.encode_frame(staging)))
    stage.run()
    assert stage.a.intent(intent).state is model.IntentState.SENT
    stage.a.toward = None
    stage.wait(70_000)
    assert stage.a.intent(intent).state is DONE


@pytest.mark.parametrize(
    ("trouble", "code"), [("gone", "NOT_FOUND"), ("damaged", "CONTENT_HASH"), ("theirs", "REPLAY")]
)
def test_a_message_whose_upload_can_never_succeed_ends_and_the_room_goes_on(
    stage: FileStage, trouble: str, code: str
) -> None:
    """The relay dropped the file behind its last piece, and what would be uploaded again is not to be had."""
    held: list[frames.Frame] = []
    stage.a.outward = keep(held, frames.Publish)
    intent = stage.attach(stage.a)
    stage.run()
    (first,) = held
    assert isinstance(first, frames.Publish)
    stage.a.say(stage.room, "behind it")
    for place, upload in list(stage.relay.core._parts.shelf):  # noqa: SLF001 - what expiry does
        stage.relay.core._parts.shelf.drop(place)  # noqa: SLF001 - the same as above
        stage.shelf.drop(DropFile(room=place[0], organisation=upload.organisation, attachment=place[1]))
    (sealed,) = (stage.folder / "A" / "files").iterdir()
    if trouble == "gone":
        sealed.unlink()
    elif trouble == "damaged":
        sealed.write_bytes(sealed.read_bytes()[:-1] + b"\0")
    else:
        stage.a.toward = instead(frames.AttachmentState, "REPLAY")
    stage.a.outward = None
    assert stage.a.peer is not None
    stage.a.peer.send(first)  # the relay itself refuses it: STAGING
    stage.run()
    assert stage.a.intent(intent).state is model.IntentState.SENT  # the answer to its message counts first
    stage.wait(70_000, 1_000)
    assert (stage.a.intent(intent).state, stage.a.intent(intent).code) == (FAILED, code)
    assert stage.b.texts(stage.room) == ["behind it"]
    assert stage.a.codes() == []


def test_an_officers_file_is_held_where_another_nation_came_in(stage: FileStage) -> None:
    stage.shelving = False
    intent = stage.attach(stage.a)
    stage.run()
    third = stage.online("C", of=SN)
    other = stage.file_client("D")
    invite(stage.a, stage.room, other)
    invite(other, stage.room, third)
    assert stage.a.intent(intent).state is model.IntentState.HELD
    stage.shelving = True
    stage.run()
    assert stage.a.intent(intent).state is model.IntentState.HELD


def test_a_label_above_the_rooms_is_refused_here(stage: FileStage) -> None:
    intent = stage.attach(stage.a, label=Label.RED)
    stage.run()
    assert (stage.a.intent(intent).state, stage.a.intent(intent).code) == (FAILED, "LABEL")


# ---- on the way here


def test_a_download_goes_on_where_a_lost_connection_left_it(stage: FileStage) -> None:
    message = stage.sent(stage.a)
    seen: list[frames.Frame] = []

    def cut(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.AttachmentPiece):
            seen.append(frame)
            if len(seen) > 2:
                return []
        return [frame]

    stage.b.toward = cut
    intent = stage.b.ask(Fetch(room=stage.room, envelope=message))
    stage.run()
    assert stage.files(stage.b) == [".part"]
    stage.b.restart()
    stage.b.toward = None
    wanted = count(stage.b, frames.FetchAttachment)
    stage.b.connect()
    stage.run()
    assert stage.b.intent(intent).state is DONE
    assert [frame.offset for frame in wanted] == [2 * SEALED_CHUNK_BYTES, 3 * SEALED_CHUNK_BYTES]
    assert stage.saved(stage.b, message) == DATA


def test_what_is_here_is_not_fetched_again(stage: FileStage) -> None:
    message = stage.sent(stage.a)
    assert stage.fetch(stage.b, message).state is DONE
    wanted = count(stage.b, frames.FetchAttachment)
    assert stage.fetch(stage.b, message).state is DONE
    assert wanted == []


def test_two_that_want_one_file_do_not_write_over_each_other(stage: FileStage) -> None:
    message = stage.sent(stage.a)
    stage.b.disconnect()
    wanted = [stage.b.ask(Fetch(room=stage.room, envelope=message)) for _ in range(2)]
    stage.b.connect()
    stage.run()
    assert [stage.b.intent(one).state for one in wanted] == [DONE] * 2
    assert stage.saved(stage.b, message) == DATA


def test_two_messages_that_name_one_file_do_not_write_over_each_other(stage: FileStage) -> None:
    message, other = stage.sent(stage.a), EnvelopeId(bytes(32))
    stage.b.disconnect()
    stage.b.store.messages[stage.room, other] = stage.b.store.messages[stage.room, message]
    wanted = [stage.b.ask(Fetch(room=stage.room, envelope=one)) for one in (message, other)]
    asked = count(stage.b, frames.FetchAttachment)
    stage.b.connect()
    stage.wait(5_000, 1_000)
    assert [stage.b.intent(one).state for one in wanted] == [DONE] * 2
    assert [frame.offset // SEALED_CHUNK_BYTES for frame in asked] == [0, 1, 2, 3]
    assert stage.saved(stage.b, message) == DATA


def test_a_message_without_a_file_has_none(stage: FileStage) -> None:
    said = stage.a.say(stage.room, "text")
    assert said.envelope is not None
    for message in (said.envelope, EnvelopeId(bytes(32))):
        intent = stage.fetch(stage.b, message)
        assert (intent.state, intent.code) == (FAILED, "NOT_FOUND")


def test_a_file_that_was_erased_meanwhile_is_said_to_be(stage: FileStage) -> None:
    message = stage.sent(stage.a)
    stage.b.toward = instead(frames.AttachmentPiece, "NOT_FOUND")
    intent = stage.fetch(stage.b, message)
    assert (intent.state, intent.code) == (FAILED, "NOT_FOUND")


def test_what_the_relay_does_not_give_now_is_asked_for_again(stage: FileStage) -> None:
    message = stage.sent(stage.a)
    stage.b.toward = instead(frames.AttachmentPiece, "SLOW")
    intent = stage.b.ask(Fetch(room=stage.room, envelope=message))
    stage.run()
    assert (stage.b.intent(intent).state, stage.b.intent(intent).code) == (QUEUED, "SLOW")
    stage.b.toward = None
    stage.wait(3_000)
    assert stage.b.intent(intent).state is DONE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"total": 5}, "CONTENT_HASH"),
        ({"offset": 1}, "CONTENT_HASH"),
        ({"data": bytes(SEALED_CHUNK_BYTES)}, "OPEN"),
        ({"data": b""}, "OPEN"),
    ],
)
def test_a_piece_that_is_not_the_one_that_was_asked_for_ends_the_download_with_an_alarm(
    stage: FileStage, changes: dict[str, Any], code: str
) -> None:
    message = stage.sent(stage.a)

    def change(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.AttachmentPiece) and frame.offset == 0:
            fields = {name: getattr(frame, name) for name in frame.__struct_fields__}
            return [frames.AttachmentPiece(**(fields | changes))]
        return [frame]

    stage.b.toward = change
    intent = stage.fetch(stage.b, message)
    assert (intent.state, intent.code) == (FAILED, code)
    assert stage.b.codes() == [code]
    assert stage.files(stage.b) == []
    stage.b.toward = None
    assert stage.fetch(stage.b, message).state is DONE


def test_what_the_disk_here_does_not_take_ends_the_download_and_goes_on_later(
    stage: FileStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = stage.sent(stage.a)
    real, taken = os.open, []

    def full(path: Any, *arguments: Any) -> int:  # noqa: ANN401 - as `os.open`
        if str(path).endswith(".part"):
            taken.append(path)
            if len(taken) > 2:
                raise OSError(28, "No space left on device")
        return real(path, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        intent = stage.fetch(stage.b, message)
    assert (intent.state, intent.code) == (FAILED, "DISK_FULL")
    wanted = count(stage.b, frames.FetchAttachment)
    assert stage.fetch(stage.b, message).state is DONE
    assert [frame.offset for frame in wanted] == [2 * SEALED_CHUNK_BYTES, 3 * SEALED_CHUNK_BYTES]


def test_what_the_disk_here_has_changed_is_found_at_the_end(stage: FileStage) -> None:
    message = stage.sent(stage.a)
    stage.b.toward = keep([], frames.AttachmentPiece)
    stage.b.ask(Fetch(room=stage.room, envelope=message))
    stage.run()
    stage.b.restart()
    file, _ = stage.told(stage.b, message)
    part = stage.folder / "B" / "files" / f"{file.attachment.hex()}.part"
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(bytes(2 * SEALED_CHUNK_BYTES))
    stage.b.toward = None
    stage.b.connect()
    stage.run()
    assert [one.code for one in stage.b.store.intents.values() if isinstance(one.action, Fetch)] == ["CONTENT_HASH"]
    assert stage.files(stage.b) == []
    assert stage.fetch(stage.b, message).state is DONE


def test_answers_for_a_download_that_is_over_are_nobodys(stage: FileStage) -> None:
    message = stage.sent(stage.a)
    held: list[frames.Frame] = []
    stage.b.toward = keep(held, frames.AttachmentPiece)
    intent = stage.b.ask(Fetch(room=stage.room, envelope=message))
    stage.run()
    stage.b.give(inputs.Withdrawn(intent=intent))
    stage.b.toward = None
    for frame in held:
        stage.b.give(inputs.Received(data=frames.encode_frame(frame)))
    stage.b.give(inputs.FetchedFound(intent=intent, chunks=0, whole=False))
    stage.b.give(inputs.PieceKept(intent=intent, size=1))
    assert stage.b.intent(intent).state is FAILED
    assert stage.files(stage.b) == []
    assert stage.b.codes() == []


# ---- the message and its header say the same


FILE = File(name="a", size=1, digest=bytes(32), key=bytes(32), attachment=x.fixed("attachment"))


@pytest.mark.parametrize("body", [FILE, Unknown(type=99, raw=b"\x80")])
def test_a_file_is_the_one_that_the_header_names(body: File | Unknown) -> None:
    check_body(x.signed(x.ATTACHED), body)


@pytest.mark.parametrize(
    ("named", "body"),
    [
        (kinds.Message(), FILE),
        (x.ATTACHED, Text(text="a")),
        (kinds.Message(attachment=bytes(32)), FILE),
    ],
)
def test_a_file_that_the_header_does_not_name_is_refused(named: kinds.Message, body: File | Text) -> None:
    with refused(Code.BINDING, VerifyError):
        check_body(x.signed(named), body)


def test_the_chunks_of_the_stage_are_real_ones() -> None:
    assert 3 * CHUNK < len(DATA) < 4 * CHUNK
