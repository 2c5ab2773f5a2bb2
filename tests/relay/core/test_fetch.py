from __future__ import annotations

from typing import Any

import pytest

from amanah_protocol import frames
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Erase, Grant, Message, Welcome
from amanah_protocol.limits import STAGE_CHUNK_BYTES
from amanah_protocol.log.checkpoint import decode_checkpoint, sign_checkpoint
from amanah_protocol.log.cose_receipt import sign_root, split_root_line
from amanah_protocol.log.merkle import verify_consistency, verify_inclusion
from amanah_protocol.types import EnvelopeId, RoomId
from amanah_relay.effects import ReadContent
from amanah_relay.quotas import RelayLimits
from tests.relay.people import LOG_SIGNER, RELAY_KEY
from tests.relay.world import MA, SN, Peer, RoomModel, World, code_of, device_of

CONTENT = bytes(range(256)) * 600  # two pieces, the second one shorter
HASH = sha256(CONTENT)


def room_with_content(limits: RelayLimits | None = None) -> tuple[World, Peer, Peer, RoomModel, EnvelopeId]:
    """A room of two officers that holds a message of this content."""
    world = World(limits)
    writer, reader = world.officer("writer"), world.officer("reader", of=MA)
    room = world.open_room(writer, device_of(reader))
    made = world.envelope(device_of(writer), room, Message(), CONTENT)
    writer.publish((made, CONTENT))
    writer.one(frames.Stored)
    return world, writer, reader, room, made.id


def fetch(peer: Peer, room: RoomId, offset: int = 0, payload: bytes = HASH) -> int:
    """Ask for a piece; gives the request's number."""
    request = peer.next_request()
    peer.send(frames.FetchContent(request=request, room=room, payload_hash=payload, offset=offset))
    return request


def reads(world: World) -> int:
    """How often the store is asked for contents from now on, by a fetch."""
    return sum(isinstance(effect, ReadContent) for effect in world.waiting)


def test_a_content_comes_in_pieces() -> None:
    _, _, reader, room, _ = room_with_content()
    whole = b""
    while len(whole) < len(CONTENT):
        request = fetch(reader, room.id, len(whole))
        piece = reader.one(frames.ContentPiece)
        assert (piece.request, piece.total, piece.offset) == (request, len(CONTENT), len(whole))
        assert len(piece.data) <= STAGE_CHUNK_BYTES
        whole += piece.data
    assert whole == CONTENT


def test_the_store_is_asked_once_for_a_content_that_many_fetch() -> None:
    world, writer, reader, room, _ = room_with_content()
    fetch(reader, room.id)
    world.holding = True
    fetch(writer, room.id)
    fetch(reader, room.id, STAGE_CHUNK_BYTES)
    assert not world.waiting
    assert reader.take(frames.ContentPiece)[1].data == CONTENT[STAGE_CHUNK_BYTES:]


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    world, writer, reader, room, _ = room_with_content(RelayLimits(content_cache_bytes=2 * len(CONTENT)))
    others = [bytes([number]) * len(CONTENT) for number in (1, 2)]
    for content in others:
        writer.publish((world.envelope(device_of(writer), room, Message(), content), content))
    first, second = (sha256(content) for content in others)
    for payload in (HASH, first, HASH, second):
        fetch(reader, room.id, payload=payload)
    world.holding = True
    for payload, asked in ((HASH, 0), (second, 0), (first, 1)):
        fetch(reader, room.id, payload=payload)
        assert len(world.waiting) == asked


def test_two_who_ask_at_once_both_get_it() -> None:
    world, writer, reader, room, _ = room_with_content()
    world.holding = True
    fetch(writer, room.id)
    fetch(reader, room.id)
    assert reads(world) == 2
    world.release()
    assert writer.one(frames.ContentPiece).data == reader.one(frames.ContentPiece).data


@pytest.mark.parametrize(
    ("who", "room", "payload", "offset", "code"),
    [
        ("outsider", "here", HASH, 0, Code.UNKNOWN_ROOM),
        ("reader", "nowhere", HASH, 0, Code.UNKNOWN_ROOM),
        ("reader", "here", bytes(32), 0, Code.NOT_FOUND),
        ("reader", "here", HASH, len(CONTENT), Code.NOT_FOUND),
    ],
)
def test_what_is_not_there_for_a_device_is_refused(
    who: str, room: str, payload: bytes, offset: int, code: Code
) -> None:
    world, _, reader, here, _ = room_with_content()
    peer = reader if who == "reader" else world.officer("outsider", of=SN)
    request = fetch(peer, here.id if room == "here" else RoomId(bytes([9]) * 16), offset, payload)
    refused = peer.refused()
    assert (refused.request, code_of(refused)) == (request, code)


@pytest.mark.parametrize("cached", [False, True])
def test_only_addressees_fetch(*, cached: bool) -> None:
    world, writer, reader, room, _ = room_with_content()
    sealed = bytes([5]) * 1_000
    grant = Grant(from_seq=1, to_seq=2, addressees=(device_of(reader).id,))
    writer.publish((world.envelope(device_of(writer), room, grant, sealed), sealed))
    if cached:
        fetch(reader, room.id, payload=sha256(sealed))
        assert reader.one(frames.ContentPiece).data == sealed
    fetch(writer, room.id, payload=sha256(sealed))
    assert code_of(writer.refused()) is Code.NOT_FOUND
    fetch(reader, room.id, payload=sha256(sealed))
    assert reader.one(frames.ContentPiece).data == sealed


def test_a_newcomer_fetches_the_tree_that_its_welcome_names() -> None:
    world, writer, _, room, _ = room_with_content()
    newcomer = world.officer("newcomer", of=SN)
    tree = b"tree" * 50_000
    (commit, _) = world.change(writer, room, added=(device_of(newcomer),))
    device_of(writer).made[room.id] = (commit.header.counter, commit.id)
    welcome = world.envelope(
        device_of(writer), room, Welcome(addressees=(device_of(newcomer).id,), tree_hash=sha256(tree))
    )
    for offset in (0, STAGE_CHUNK_BYTES):
        piece = tree[offset : offset + STAGE_CHUNK_BYTES]
        writer.send(frames.Stage(request=5, payload_hash=sha256(tree), total=len(tree), offset=offset, data=piece))
    writer.publish(commit, welcome)
    fetch(newcomer, room.id, payload=sha256(tree))
    assert newcomer.one(frames.ContentPiece).data == tree[:STAGE_CHUNK_BYTES]


def test_erased_content_is_gone_from_the_cache_too() -> None:
    world, writer, reader, room, envelope = room_with_content()
    fetch(reader, room.id)
    reader.one(frames.ContentPiece)
    writer.publish(world.envelope(device_of(writer), room, Erase(envelopes=(envelope,))))
    fetch(reader, room.id)
    assert code_of(reader.refused()) is Code.NOT_FOUND


def test_content_read_before_its_erasure_is_not_kept_behind_it() -> None:
    world, writer, reader, room, envelope = room_with_content()
    world.holding = True
    fetch(reader, room.id)
    late = world.store.perform(world.waiting.popleft())
    world.holding = False
    writer.publish(world.envelope(device_of(writer), room, Erase(envelopes=(envelope,))))
    world.handle(late)
    reader.frames.clear()
    fetch(reader, room.id)
    assert code_of(reader.refused()) is Code.NOT_FOUND


def test_so_many_answers_may_be_on_their_way_to_one_client() -> None:
    world, writer, reader, room, _ = room_with_content(RelayLimits(reads_in_flight=2))
    world.holding = True
    fetch(reader, room.id)
    reader.send(frames.GetInclusion(request=70, index=0, size=1))
    fetch(reader, room.id)
    refused = reader.refused()
    assert (code_of(refused), refused.retry_after_ms) == (Code.RATE, world.limits.retry_ms)
    fetch(writer, room.id)
    world.store.reads_fail = True
    world.step()
    reader.take(frames.Refused)
    fetch(reader, room.id)
    assert not reader.take(frames.Refused)
    world.store.reads_fail = False
    world.release()
    assert len(reader.take(frames.ContentPiece)) == len(reader.take(frames.Path)) == 1


def test_a_content_for_somebody_who_left_comes_to_nothing() -> None:
    world, _, reader, room, _ = room_with_content()
    world.holding = True
    fetch(reader, room.id)
    world.drop(reader)
    world.release()
    assert not reader.frames


def test_who_does_not_read_asks_for_no_more_pieces() -> None:
    world, _, reader, room, _ = room_with_content()
    world.congest(reader)
    fetch(reader, room.id)
    refused = reader.refused()
    assert (code_of(refused), refused.retry_after_ms) == (Code.SLOW, world.limits.retry_ms)


# ---- staging


def stage(peer: Peer, content: bytes, *, at: int = 0, size: int = STAGE_CHUNK_BYTES, **changes: Any) -> None:  # noqa: ANN401 - fields of a frame
    """Send one piece of a content."""
    fields: dict[str, Any] = {
        "request": 5,
        "payload_hash": sha256(content),
        "total": len(content),
        "offset": at,
        "data": content[at : at + size],
    }
    peer.send(frames.Stage(**(fields | changes)))


def publish_staged(world: World, peer: Peer, room: RoomModel, content: bytes) -> None:
    """Publish a message whose content was staged."""
    world.recall(device_of(peer), room.id)
    peer.publish((world.envelope(device_of(peer), room, Message(), content), None))


def test_what_was_staged_piece_by_piece_is_published_under_its_hash() -> None:
    world, writer, _, room, _ = room_with_content()
    content = b"x" * 150_000
    for at in (0, STAGE_CHUNK_BYTES):
        stage(writer, content, at=at)
        assert writer.one(frames.Done).request == 5
    publish_staged(world, writer, room, content)
    writer.one(frames.Stored)
    assert world.store.entries[-1].content == content


def test_a_content_is_staged_for_one_publish() -> None:
    world, writer, _, room, _ = room_with_content()
    stage(writer, b"x")
    publish_staged(world, writer, room, b"x")
    publish_staged(world, writer, room, b"x")
    assert code_of(writer.refused()) is Code.STAGING


def test_a_content_is_staged_for_one_session() -> None:
    world, writer, reader, room, _ = room_with_content()
    stage(reader, b"x")
    publish_staged(world, writer, room, b"x")
    assert code_of(writer.refused()) is Code.STAGING


@pytest.mark.parametrize("wrong", [{"at": 20}, {"at": 5}, {"at": 10, "total": 31}, {"at": 10, "data": b"x" * 21}])
def test_pieces_come_in_order_and_within_what_was_announced(wrong: dict[str, Any]) -> None:
    world, writer, _, room, _ = room_with_content()
    content = bytes(range(30))
    stage(writer, content, size=10)
    stage(writer, content, **({"size": 10} | wrong))
    assert code_of(writer.refused()) is Code.STAGING
    publish_staged(world, writer, room, content)
    assert code_of(writer.refused()) is Code.STAGING
    for at in (0, 10, 20):
        stage(writer, content, at=at, size=10)
    publish_staged(world, writer, room, content)
    writer.one(frames.Stored)


def test_nothing_is_added_to_a_content_that_is_whole() -> None:
    _, writer, *_ = room_with_content()
    stage(writer, b"x")
    stage(writer, b"x", offset=1, data=b"y")
    assert code_of(writer.refused()) is Code.STAGING


def test_a_content_is_begun_with_its_first_piece() -> None:
    _, writer, *_ = room_with_content()
    stage(writer, bytes(20), at=10, size=10)
    assert code_of(writer.refused()) is Code.STAGING


def test_a_content_that_is_not_what_its_hash_names_is_refused() -> None:
    world, writer, _, room, _ = room_with_content()
    stage(writer, b"x", data=b"y")
    assert code_of(writer.refused()) is Code.CONTENT_HASH
    publish_staged(world, writer, room, b"x")
    assert code_of(writer.refused()) is Code.STAGING


def test_what_is_announced_is_bounded_by_session_and_in_all() -> None:
    world, writer, reader, *_ = room_with_content(RelayLimits(staged_bytes_per_session=100, staged_bytes=150))
    stage(writer, bytes(60), size=1)
    stage(writer, bytes([1]) * 41, size=1)
    refused = writer.refused()
    assert (code_of(refused), refused.retry_after_ms) == (Code.QUOTA, world.limits.stage_ms)
    stage(writer, bytes([1]) * 40, size=1)
    stage(reader, bytes([2]) * 51, size=1)
    assert code_of(reader.refused()) is Code.QUOTA
    stage(writer, bytes(60), size=1)  # begun anew, not counted twice
    stage(reader, bytes([2]) * 50, size=1)
    assert len(writer.take(frames.Done)) + len(reader.take(frames.Done)) == 4
    world.drop(writer)
    stage(reader, bytes([3]) * 50, size=1)
    reader.one(frames.Done)


def test_what_was_staged_is_kept_for_a_minute() -> None:
    world, writer, _, room, _ = room_with_content()
    stage(writer, b"x")
    world.tick(59_999)
    publish_staged(world, writer, room, b"x")
    writer.one(frames.Stored)
    stage(writer, b"y")
    world.tick(60_000)
    publish_staged(world, writer, room, b"y")
    assert code_of(writer.refused()) is Code.STAGING


def test_staged_content_expires_when_a_clock_was_set_back() -> None:
    world, writer, _, room, _ = room_with_content()
    stage(writer, b"x")
    world.tick(-300_000)
    world.tick(60_000)
    world.now_ms += 240_000
    publish_staged(world, writer, room, b"x")
    assert code_of(writer.refused()) is Code.STAGING


# ---- proofs


def test_every_leaf_is_proven_in_every_tree_of_the_log() -> None:
    world, writer, *_ = room_with_content()
    sizes = [append.first + len(append.entries) for append in world.store.batches]
    roots = dict(zip(sizes, [append.root for append in world.store.batches], strict=True))
    for size in sizes:
        for index in range(size):
            writer.send(frames.GetInclusion(request=3, index=index, size=size))
            path = writer.one(frames.Path)
            assert path.leaf == world.store.entries[index].hash
            verify_inclusion(world.store.entries[index].hash, index, size, path.hashes, roots[size])


def test_a_checkpoint_has_its_root_signed_for_cose_receipts() -> None:
    world, writer, *_ = room_with_content()
    for _ in range(2):
        writer.send(frames.GetCheckpoint(request=1))
        note, signature = split_root_line(writer.one(frames.Checkpoint).note, RELAY_KEY.public)
        assert signature == sign_root(world.store.batches[-1].root, RELAY_KEY)
        assert note == sign_checkpoint(decode_checkpoint(note)[0], LOG_SIGNER)


def test_trees_of_the_log_are_proven_to_continue_each_other() -> None:
    world, writer, *_ = room_with_content()
    sizes = [append.first + len(append.entries) for append in world.store.batches]
    roots = dict(zip(sizes, [append.root for append in world.store.batches], strict=True))
    for old in sizes:
        for new in [size for size in sizes if size >= old]:
            writer.send(frames.GetConsistency(request=3, old=old, new=new))
            path = writer.one(frames.Path)
            assert (path.request, path.leaf) == (3, None)
            verify_consistency(old, roots[old], new, roots[new], path.hashes)


def test_proofs_are_of_the_durable_log_alone() -> None:
    world, writer, _, room, _ = room_with_content()
    size = len(world.store.entries)
    world.holding = True
    writer.publish(world.envelope(device_of(writer), room, Message()))
    for request in (
        frames.GetInclusion(request=1, index=size, size=size + 1),
        frames.GetInclusion(request=1, index=size, size=size),
        frames.GetConsistency(request=1, old=size, new=size + 1),
        frames.GetConsistency(request=1, old=2, new=1),
        frames.GetConsistency(request=1, old=0, new=1),
    ):
        writer.send(request)
        assert code_of(writer.refused()) is Code.NOT_FOUND


def test_a_proof_for_somebody_who_left_comes_to_nothing() -> None:
    world, writer, *_ = room_with_content()
    world.holding = True
    writer.send(frames.GetInclusion(request=1, index=0, size=1))
    world.drop(writer)
    world.release()
    assert not writer.frames
