"""Contents too large for a frame: staged before, fetched after, never taken on trust."""

from __future__ import annotations

from typing import Any

import pytest

from amanah_client import actions, model
from amanah_client.core import transfer
from amanah_protocol import frames, limits
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import Header, decode_envelope
from amanah_protocol.kinds import Kind, Welcome
from amanah_relay.core import fanout, fetch
from tests.client.core.forge import push
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, SN, TN, Client, Stage

DONE = model.IntentState.DONE


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames that take little, so that a commit of two is too large for one."""
    monkeypatch.setattr(limits, "MAX_CONTENT_BYTES", 1_000)
    monkeypatch.setattr(fanout, "MAX_CONTENT_BYTES", 1_000)
    monkeypatch.setattr(limits, "STAGE_CHUNK_BYTES", 700)
    monkeypatch.setattr(fetch, "STAGE_CHUNK_BYTES", 700)
    monkeypatch.setattr(transfer, "_SMALL", 500)


def count(client: Client, kind: type[frames.Frame]) -> list[frames.Frame]:
    """Gather the frames of a type that a client sends."""
    found: list[frames.Frame] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, kind):
            found.append(frame)
        return [frame]

    client.outward = hook
    return found


def joined(stage: Stage) -> tuple[Client, Client, Client]:
    """Three officers online."""
    return stage.online("A", of=TN), stage.online("B", of=MA), stage.online("C", of=SN)


@pytest.mark.usefixtures("small_frames")
def test_large_commits_and_welcomes_are_staged_and_fetched_in_pieces(stage: Stage) -> None:
    a, b, c = joined(stage)
    staged, fetched = count(a, frames.Stage), count(b, frames.FetchContent)
    room = create(a)
    invite(a, room, b, c)
    assert len(staged) > 4
    assert len(fetched) > 4
    a.say(room, "hello")
    assert b.texts(room) == c.texts(room) == ["hello"]
    assert [client.store.alarms for client in (a, b, c)] == [[], [], []]


@pytest.mark.usefixtures("small_frames")
def test_what_is_pushed_while_something_large_is_fetched_is_not_lost(stage: Stage) -> None:
    a, b, c = joined(stage)
    room = create(a)
    invite(a, room, b)
    held: list[frames.Frame] = []

    def slow(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.ContentPiece) and not held:
            held.append(frame)
            return []
        return [frame]

    b.toward = slow
    a.ask(actions.Invite(room=room, device=c.device.id))
    stage.run()
    a.say(room, "while it is fetched")
    assert held
    b.toward = None
    push(b, *held)
    stage.run()
    assert b.texts(room) == ["while it is fetched"]
    assert b.store.alarms == []


@pytest.mark.usefixtures("small_frames")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"data": b"x" * 10}, "CONTENT_HASH"),
        ({"offset": 1}, "CONTENT_HASH"),
        ({"data": b""}, "CONTENT_HASH"),
        ({"total": 2**30}, "TOO_LARGE"),
        ({"total": 10, "data": b"x" * 11}, "CONTENT_HASH"),
        ({"total": 10, "data": b"x" * 10}, "CONTENT_HASH"),
    ],
)
def test_pieces_that_do_not_make_the_signed_content_end_the_connection(
    stage: Stage, changes: dict[str, Any], code: str
) -> None:
    a, b, c = joined(stage)
    room = create(a)
    invite(a, room, b)

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.ContentPiece):
            values = {name: getattr(frame, name) for name in frame.__struct_fields__}
            return [frames.ContentPiece(**(values | changes))]
        return [frame]

    b.toward = hook
    a.do(actions.Invite(room=room, device=c.device.id))
    assert b.codes() == [code]
    assert b.peer is None
    b.toward = None
    b.connect()
    stage.run()
    a.say(room, "hello")
    assert b.texts(room) == ["hello"]


@pytest.mark.usefixtures("small_frames")
def test_a_content_that_is_refused_for_now_is_asked_for_again(stage: Stage) -> None:
    a, b, c = joined(stage)
    room = create(a)
    invite(a, room, b)
    b.toward = lambda frame: (
        [frames.Refused(frame.request, "STORE", "later")] if isinstance(frame, frames.ContentPiece) else [frame]
    )
    a.ask(actions.Invite(room=room, device=c.device.id))
    stage.run()
    b.toward = None
    stage.wait(3_000)
    a.say(room, "hello")
    assert b.texts(room) == ["hello"]
    assert b.store.alarms == []


@pytest.mark.usefixtures("small_frames")
def test_a_commit_whose_content_is_not_given_stops_the_room(stage: Stage) -> None:
    a, b, c = joined(stage)
    room = create(a)
    invite(a, room, b)
    b.toward = lambda frame: (
        [frames.Refused(frame.request, "NOT_FOUND", "gone")] if isinstance(frame, frames.ContentPiece) else [frame]
    )
    a.do(actions.Invite(room=room, device=c.device.id))
    assert b.codes() == ["GAP"]
    assert b.row(room).status is model.RoomStatus.HALTED


@pytest.mark.usefixtures("small_frames")
def test_a_large_publish_is_staged_again_after_a_reconnect(stage: Stage) -> None:
    a, b, _c = joined(stage)
    room = create(a)
    staged = count(a, frames.Stage)
    hook = a.outward
    assert hook is not None
    a.outward = lambda frame: [] if isinstance(frame, frames.Publish) else hook(frame)
    intent = a.ask(actions.Invite(room=room, device=b.device.id))
    stage.run()
    before = len(staged)
    a.restart()
    a.outward = hook
    a.connect()
    stage.run()
    assert len(staged) == 2 * before
    assert a.intent(intent).state is DONE


@pytest.mark.usefixtures("small_frames")
def test_a_refused_piece_makes_the_publish_come_again(stage: Stage) -> None:
    a, b, _c = joined(stage)
    room = create(a)
    lost: list[frames.Frame] = []

    def lose(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Stage) and not lost:
            lost.append(frame)
            a.peer.frames.append(frames.Refused(frame.request, "QUOTA", "full"))  # type: ignore[union-attr]  # it is connected
            return []
        return [frame]

    a.outward = lose
    intent = a.ask(actions.Invite(room=room, device=b.device.id))
    stage.wait(5_000)
    assert a.intent(intent).state is DONE
    assert b.row(room).status is model.RoomStatus.OPEN


def test_a_tree_is_staged_beside_the_welcome_and_fetched_by_its_hash(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    dropped: list[frames.Frame] = []
    trees: list[bytes] = []

    def drop(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish) and not dropped:
            dropped.append(frame)
            return []
        return [frame]

    def note(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Stage):
            trees.append(frame.data)
        return [frame]

    a.outward = drop
    intent = a.ask(actions.Invite(room=room, device=b.device.id))
    stage.run()
    a.restart()
    a.connect()
    a.outward = note
    stage.run()
    assert a.intent(intent).state is DONE
    (welcome,) = (decode_envelope(row.encoded).header.specific for row in b.rows(room, Kind.WELCOME))
    assert isinstance(welcome, Welcome)
    # The same bytes were made again after the restart: the header, signed before it, names their hash.
    assert welcome.tree_hash in {sha256(tree) for tree in trees}
    assert b.row(room).status is model.RoomStatus.OPEN
    assert a.store.alarms == b.store.alarms == []


def test_a_piece_for_nothing_is_passed_over(stage: Stage) -> None:
    a, _b, _c = joined(stage)
    room = create(a)
    held = a.core._ctx.rooms[room]  # noqa: SLF001 - what is tested
    piece = frames.ContentPiece(request=1, total=1, offset=0, data=b"x")
    assert transfer.receive_piece(a.core._ctx, held, piece) is None  # noqa: SLF001 - what is tested


def test_a_tree_that_nothing_pending_makes_is_not_staged(stage: Stage) -> None:
    a, b, _c = joined(stage)
    room = create(a)
    invite(a, room, b)
    held = a.core._ctx.rooms[room]  # noqa: SLF001 - what is tested
    row = b.rows(room, Kind.WELCOME)[0]
    header = decode_envelope(row.encoded).header
    assert isinstance(header, Header)
    specific = Welcome(addressees=(b.device.id,), tree_hash=bytes(32))
    from tests.client.core.forge import altered, signed  # noqa: PLC0415 - one use

    made = signed(altered(decode_envelope(row.encoded), specific=specific), b"x", a.device.key)
    assert transfer._tree_of(held, made.encoded) is None  # noqa: SLF001 - what is tested
