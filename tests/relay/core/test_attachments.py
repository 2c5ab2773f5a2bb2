"""Attachments at the relay: pieces in and out, quotas, and the one message that each belongs to.

The files are real ones, the store is the one in memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from amanah_protocol import frames
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import sha256
from amanah_protocol.custody.holds import decode_hold, release_document
from amanah_protocol.custody.retention import RoomPolicy
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Erase, Message
from amanah_protocol.labels import Label
from amanah_protocol.limits import SEALED_CHUNK_BYTES
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import EnvelopeId, OrgName
from amanah_relay.effects import DropFile, PutPiece, ReadPiece, Standing
from amanah_relay.inputs import ReadFailed, Tick
from amanah_relay.quotas import RelayLimits
from amanah_relay.shelf import Shelf
from tests.relay.core.circle import Circle
from tests.relay.world import TN, Peer, code_of

DATA: Final = b"sealed bytes of an attachment " * 9
HASH: Final = sha256(DATA)
PIECE: Final = 100
DAY_MS: Final = 86_400_000


class Shelved(Circle):
    """A circle whose relay has a shelf."""

    def __init__(self, folder: Path, limits: RelayLimits | None = None) -> None:
        super().__init__(limits)
        self.folder = folder
        self.shelf = Shelf(folder, reserve_bytes=0)
        self.full = False
        self.listen()

    def listen(self) -> None:
        """The shell tells which files there are."""
        self.world.give(self.shelf.look())

    def work(self, most: int = 1_000) -> None:
        """The shell does what it was asked."""
        while self.world.shelving and most:
            most -= 1
            match effect := self.world.shelving.popleft():
                case PutPiece() if self.full:
                    self.world.give(ReadFailed(token=effect.token, full=True))
                case PutPiece():
                    self.world.give(self.shelf.put(effect))
                case ReadPiece():
                    self.world.give(self.shelf.read(effect))
                case DropFile():
                    self.shelf.drop(effect)

    def hand(self, sender: Peer, offset: int, data: bytes, *, total: int = len(DATA), name: bytes = HASH) -> None:
        """Send a piece; the shell does nothing yet."""
        sender.send(
            frames.PutAttachment(
                request=sender.next_request(),
                room=self.room.id,
                attachment=name,
                total=total,
                offset=offset,
                data=data,
            )
        )

    def put(self, sender: Peer, offset: int, data: bytes, *, total: int = len(DATA), name: bytes = HASH) -> None:
        """Send a piece, and the shell writes it."""
        self.hand(sender, offset, data, total=total, name=name)
        self.work()

    def upload(self, sender: Peer, data: bytes = DATA) -> frames.AttachmentState:
        """All pieces; gives the last answer."""
        for offset in range(0, len(data), PIECE):
            self.put(sender, offset, data[offset : offset + PIECE], total=len(data), name=sha256(data))
        assert not sender.take(frames.Refused)
        return sender.take(frames.AttachmentState)[-1]

    def found(self, sender: Peer, name: bytes = HASH) -> tuple[int, bool]:
        """How far it is, as the relay says."""
        sender.send(frames.FindAttachment(request=sender.next_request(), room=self.room.id, attachment=name))
        state = sender.one(frames.AttachmentState)
        return state.size, state.whole

    def attach(self, sender: Peer, name: bytes = HASH) -> EnvelopeId:
        """Send the message."""
        made = self.make(sender, Message(attachment=name))
        self.accept(sender, made)
        return made.id

    def ask(self, reader: Peer, offset: int = 0, name: bytes = HASH) -> None:
        """Ask for a piece."""
        reader.send(
            frames.FetchAttachment(request=reader.next_request(), room=self.room.id, attachment=name, offset=offset)
        )
        self.work()

    def files(self) -> list[bytes]:
        """Names of the files that there are."""
        return [file.attachment for file in self.shelf.look().files]

    def recode(self, peer: Peer) -> Code:
        """The code of the one refusal that has come."""
        return code_of(peer.refused())


@pytest.fixture
def circle(tmp_path: Path) -> Shelved:
    return Shelved(tmp_path / "attachments")


def test_what_was_uploaded_and_named_by_a_message_is_given_to_the_other_nation(circle: Shelved) -> None:
    assert circle.found(circle.officer) == (0, False)
    assert circle.upload(circle.officer).whole
    assert circle.found(circle.officer) == (len(DATA), True)
    circle.attach(circle.officer)
    circle.ask(circle.guest)
    piece = circle.guest.one(frames.AttachmentPiece)
    assert (piece.total, piece.offset, piece.data) == (len(DATA), 0, DATA)
    circle.ask(circle.guest, offset=200)
    assert circle.guest.one(frames.AttachmentPiece).data == DATA[200:]


def test_a_large_one_is_given_in_pieces_of_a_chunk(circle: Shelved) -> None:
    data = bytes(SEALED_CHUNK_BYTES) + b"end"
    for offset in (0, SEALED_CHUNK_BYTES):
        piece = data[offset : offset + SEALED_CHUNK_BYTES]
        circle.put(circle.officer, offset, piece, total=len(data), name=sha256(data))
    circle.attach(circle.officer, sha256(data))
    circle.ask(circle.guest, name=sha256(data))
    assert len(circle.guest.one(frames.AttachmentPiece).data) == SEALED_CHUNK_BYTES
    circle.ask(circle.guest, SEALED_CHUNK_BYTES, sha256(data))
    assert circle.guest.one(frames.AttachmentPiece).data == b"end"


def test_an_upload_goes_on_after_a_lost_connection(circle: Shelved) -> None:
    circle.put(circle.officer, 0, DATA[:PIECE])
    device = circle.officer.device
    assert device is not None
    circle.world.drop(circle.officer)
    again = circle.world.login(device)
    assert circle.found(again) == (PIECE, False)
    circle.put(again, PIECE, DATA[PIECE:])
    assert again.one(frames.AttachmentState).whole


def test_an_upload_goes_on_after_a_restart_of_the_relay(circle: Shelved) -> None:
    device = circle.officer.device
    assert device is not None
    circle.put(circle.officer, 0, DATA[:PIECE])
    circle.world.restart()
    again = circle.world.login(device)
    circle.put(again, PIECE, DATA[PIECE:])
    assert circle.recode(again) is Code.STORE  # it has not looked yet
    circle.listen()
    assert circle.found(again) == (PIECE, False)
    circle.put(again, PIECE, DATA[PIECE:])
    assert again.one(frames.AttachmentState).whole


def test_an_upload_that_a_crash_cut_off_before_it_had_its_name_is_completed(circle: Shelved) -> None:
    """All its bytes are there, and nobody has compared their hash."""
    circle.put(circle.officer, 0, DATA[:PIECE])
    (part,) = circle.folder.glob("*/*/*")
    part.write_bytes(DATA)
    device = circle.officer.device
    assert device is not None
    circle.world.restart()
    circle.listen()
    again = circle.world.login(device)
    assert circle.found(again) == (len(DATA) - 1, False)
    circle.put(again, len(DATA) - 1, DATA[-1:])
    assert again.one(frames.AttachmentState).whole


def test_pieces_may_follow_one_another_before_they_are_written(circle: Shelved) -> None:
    for offset in range(0, len(DATA), PIECE):
        circle.hand(circle.officer, offset, DATA[offset : offset + PIECE])
    circle.work()
    states = circle.officer.take(frames.AttachmentState)
    assert [state.whole for state in states] == [False, False, True]


def test_behind_a_piece_that_the_disk_did_not_take_it_goes_on_from_there(circle: Shelved) -> None:
    """Those that were on their way behind it are not written either, and none of it is forgotten."""
    circle.put(circle.officer, 0, DATA[:PIECE])
    circle.officer.one(frames.AttachmentState)
    circle.full = True
    circle.hand(circle.officer, PIECE, DATA[PIECE : 2 * PIECE])
    circle.hand(circle.officer, 2 * PIECE, DATA[2 * PIECE :])
    circle.work(1)
    refused = circle.officer.refused()
    assert (refused.code, refused.retry_after_ms) == ("DISK_FULL", circle.world.limits.retry_ms)
    circle.full = False
    circle.hand(circle.officer, PIECE, DATA[PIECE : 2 * PIECE])  # again, before the answer to the one behind it
    circle.work()
    assert [state.size for state in circle.officer.take(frames.AttachmentState)] == [PIECE, 2 * PIECE]
    circle.put(circle.officer, 2 * PIECE, DATA[2 * PIECE :])
    assert circle.officer.one(frames.AttachmentState).whole


def test_what_is_whole_is_not_written_again(circle: Shelved) -> None:
    circle.upload(circle.officer)
    circle.put(circle.officer, 0, b"other")
    state = circle.officer.one(frames.AttachmentState)
    assert (state.size, state.whole) == (len(DATA), True)
    assert circle.files() == [HASH]


@pytest.mark.parametrize(
    ("offset", "data", "total"),
    [(PIECE + 1, b"x", len(DATA)), (0, b"x", len(DATA)), (PIECE, DATA, len(DATA)), (PIECE, b"x", len(DATA) + 1)],
)
def test_a_piece_that_does_not_follow_is_refused(circle: Shelved, offset: int, data: bytes, total: int) -> None:
    circle.put(circle.officer, 0, DATA[:PIECE])
    assert circle.officer.one(frames.AttachmentState).size == PIECE
    circle.put(circle.officer, offset, data, total=total)
    assert circle.recode(circle.officer) is Code.STAGING
    assert circle.found(circle.officer) == (PIECE, False)


def test_the_first_piece_is_the_first(circle: Shelved) -> None:
    circle.put(circle.officer, 1, b"x")
    assert circle.recode(circle.officer) is Code.STAGING
    assert circle.found(circle.officer) == (0, False)


def test_bytes_of_another_hash_are_dropped(circle: Shelved) -> None:
    circle.put(circle.officer, 0, bytes(len(DATA)))
    assert circle.recode(circle.officer) is Code.CONTENT_HASH
    assert circle.files() == []
    assert circle.upload(circle.officer).whole  # and it can begin anew


def test_the_answer_to_somebody_who_is_gone_is_kept_for_the_next_time(circle: Shelved) -> None:
    device = circle.officer.device
    assert device is not None
    circle.hand(circle.officer, 0, DATA)
    circle.world.drop(circle.officer)
    circle.work()
    assert circle.found(circle.world.login(device)) == (len(DATA), True)
    circle.hand(circle.guest, 0, bytes(5), total=5, name=bytes(32))
    circle.world.drop(circle.guest)
    circle.full = True
    circle.work()
    assert circle.files() == [HASH]


@pytest.mark.parametrize("frame", ["find", "put", "fetch"])
def test_who_is_not_in_the_room_neither_uploads_nor_fetches(circle: Shelved, frame: str) -> None:
    circle.upload(circle.officer)
    circle.attach(circle.officer)
    circle.world.commit(circle.officer, circle.room, removed=(circle.guest.device,))  # type: ignore[arg-type]  # it has one
    for peer in (circle.outsider, circle.guest):
        if frame == "find":
            peer.send(frames.FindAttachment(request=1, room=circle.room.id, attachment=HASH))
        elif frame == "put":
            circle.put(peer, 0, b"x", total=1, name=bytes(32))
        else:
            circle.ask(peer)
        assert circle.recode(peer) is Code.UNKNOWN_ROOM
        assert not peer.take(frames.AttachmentPiece)
    circle.ask(circle.bot)
    assert circle.bot.one(frames.AttachmentPiece).data == DATA


def test_an_upload_is_its_organisations(circle: Shelved) -> None:
    circle.put(circle.officer, 0, DATA[:PIECE])
    assert circle.found(circle.guest) == (0, False)
    circle.put(circle.guest, PIECE, DATA[PIECE:])
    assert circle.recode(circle.guest) is Code.REPLAY
    assert circle.found(circle.bot) == (PIECE, False)  # a colleague


def test_a_message_names_an_attachment_that_is_whole_and_its_own_organisations(circle: Shelved) -> None:
    named = Message(attachment=HASH)
    assert circle.code(circle.officer, circle.make(circle.officer, named)) is Code.STAGING
    circle.put(circle.officer, 0, DATA[:PIECE])
    assert circle.code(circle.officer, circle.make(circle.officer, named)) is Code.STAGING
    circle.put(circle.officer, PIECE, DATA[PIECE:])
    assert circle.code(circle.guest, circle.make(circle.guest, named)) is Code.STAGING
    circle.attach(circle.bot)


def test_an_attachment_belongs_to_one_message(circle: Shelved) -> None:
    circle.upload(circle.officer)
    circle.attach(circle.officer)
    assert circle.code(circle.officer, circle.make(circle.officer, Message(attachment=HASH))) is Code.REPLAY
    twice = [circle.make(circle.officer, Message(attachment=sha256(b"two"))) for _ in range(2)]
    circle.upload(circle.officer, b"two")
    assert circle.code(circle.officer, *twice) is Code.REPLAY
    circle.attach(circle.officer, sha256(b"two"))  # what the refused list had taken was given back


def test_what_no_message_names_is_given_to_nobody(circle: Shelved) -> None:
    circle.upload(circle.officer)
    circle.ask(circle.guest)
    assert circle.recode(circle.guest) is Code.NOT_FOUND
    circle.attach(circle.officer)
    circle.ask(circle.guest, offset=len(DATA))
    assert circle.recode(circle.guest) is Code.NOT_FOUND


def test_a_file_that_is_gone_is_said_to_be(circle: Shelved) -> None:
    circle.upload(circle.officer)
    message = circle.attach(circle.officer)
    assert circle.officer.device is not None
    organisation = OrgName(circle.officer.device.certificate.organisation)
    circle.shelf.drop(DropFile(room=circle.room.id, organisation=organisation, attachment=HASH))
    circle.ask(circle.guest)
    assert circle.recode(circle.guest) is Code.NOT_FOUND
    circle.world.restart()
    circle.listen()
    again = circle.world.login(circle.guest.device)  # type: ignore[arg-type]  # it has one
    circle.ask(again)
    assert circle.recode(again) is Code.NOT_FOUND
    officer = circle.world.login(circle.officer.device)
    circle.accept(officer, circle.make(officer, Erase(envelopes=(message,))))  # which drops nothing, and is no fault
    assert not circle.world.shelving


def test_who_does_not_read_asks_for_no_more(circle: Shelved) -> None:
    circle.upload(circle.officer)
    circle.attach(circle.officer)
    circle.world.congest(circle.guest)
    circle.ask(circle.guest)
    assert circle.recode(circle.guest) is Code.SLOW


def test_too_many_pieces_at_once_are_refused_and_the_upload_goes_on(tmp_path: Path) -> None:
    circle = Shelved(tmp_path, RelayLimits(reads_in_flight=2))
    for offset in (0, PIECE, 2 * PIECE):
        circle.hand(circle.officer, offset, DATA[offset : offset + PIECE])
    assert circle.recode(circle.officer) is Code.RATE
    circle.work()
    circle.put(circle.officer, 2 * PIECE, DATA[2 * PIECE :])
    assert circle.officer.take(frames.AttachmentState)[-1].whole


def test_answers_that_come_behind_a_failure_of_the_store_are_nobodys(circle: Shelved) -> None:
    """All that was asked was refused; the next piece goes on from what is known for certain."""
    circle.upload(circle.officer, b"named")
    circle.attach(circle.officer, sha256(b"named"))
    circle.put(circle.officer, 0, DATA[:PIECE])
    circle.officer.take(frames.AttachmentState)
    circle.guest.send(frames.FetchAttachment(request=1, room=circle.room.id, attachment=sha256(b"named"), offset=0))
    circle.hand(circle.officer, PIECE, DATA[PIECE:])
    circle.world.store.append_fails = "lost"
    circle.bot.publish(circle.make(circle.bot, Message()))
    assert circle.recode(circle.officer) is Code.STORE
    assert circle.recode(circle.guest) is Code.STORE
    circle.work()
    assert not circle.guest.take(frames.AttachmentPiece)
    assert circle.found(circle.officer) == (PIECE, False)
    circle.put(circle.officer, PIECE, DATA[PIECE:])
    assert circle.officer.one(frames.AttachmentState).whole


# ---- quotas


def test_an_organisation_has_so_many_bytes_and_no_more(tmp_path: Path) -> None:
    circle = Shelved(tmp_path, RelayLimits(attachment_bytes_per_organisation=len(DATA) + 10))
    circle.put(circle.officer, 0, b"x", total=11, name=bytes(32))
    circle.officer.one(frames.AttachmentState)
    circle.put(circle.bot, 0, DATA)
    refused = circle.bot.refused()
    assert refused.code == "QUOTA"
    assert refused.retry_after_ms
    assert circle.upload(circle.guest).whole  # another nation is not hindered
    circle.put(circle.bot, 0, b"x", total=len(DATA) - 1, name=bytes(32)[:31] + b"1")
    assert circle.bot.one(frames.AttachmentState).size == 1


def test_all_of_them_have_so_many_bytes(tmp_path: Path) -> None:
    circle = Shelved(tmp_path, RelayLimits(attachment_bytes=len(DATA)))
    circle.upload(circle.officer)
    circle.put(circle.guest, 0, b"x", total=1, name=bytes(32))
    assert circle.recode(circle.guest) is Code.QUOTA


def test_an_organisation_has_so_many_attachments(tmp_path: Path) -> None:
    circle = Shelved(tmp_path, RelayLimits(attachments_per_organisation=1))
    circle.upload(circle.officer)
    circle.put(circle.officer, 0, b"x", total=1, name=bytes(32))
    assert circle.recode(circle.officer) is Code.QUOTA


def test_what_counts_is_known_after_a_restart(tmp_path: Path) -> None:
    circle = Shelved(tmp_path, RelayLimits(attachment_bytes_per_organisation=len(DATA)))
    circle.put(circle.officer, 0, DATA[:PIECE])  # all of it is reserved
    circle.world.restart()
    circle.listen()
    again = circle.world.login(circle.officer.device)  # type: ignore[arg-type]  # it has one
    circle.put(again, 0, b"x", total=1, name=bytes(32))
    assert circle.recode(again) is Code.QUOTA


# ---- what is dropped


def test_a_half_upload_and_one_that_no_message_names_are_dropped_after_their_time(circle: Shelved) -> None:
    circle.put(circle.officer, 0, b"x", total=5, name=bytes(32))
    circle.upload(circle.officer)
    circle.upload(circle.officer, b"named")
    circle.attach(circle.officer, sha256(b"named"))
    circle.world.tick(DAY_MS - 1)
    circle.work()
    assert len(circle.files()) == 3
    circle.world.tick(60_001)
    circle.work()
    assert circle.files() == [sha256(b"named")]
    assert circle.upload(circle.officer).whole


def test_a_piece_gives_an_upload_more_time(circle: Shelved) -> None:
    circle.put(circle.officer, 0, DATA[:PIECE])
    circle.world.tick(DAY_MS - 1)
    circle.hand(circle.officer, PIECE, DATA[PIECE : 2 * PIECE])
    circle.world.tick(DAY_MS)  # the shell has not written it yet: nothing is dropped under its hands
    circle.work()
    assert circle.files() == [HASH]
    circle.world.tick(60_001)
    circle.work()
    assert circle.files() == []


def test_a_clock_that_was_set_back_gives_no_time(circle: Shelved) -> None:
    circle.upload(circle.officer)
    circle.world.tick(-10 * DAY_MS)
    circle.world.tick(DAY_MS + 60_001)
    circle.work()
    assert circle.files() == []


def test_an_attachment_goes_with_its_message(circle: Shelved) -> None:
    circle.upload(circle.officer)
    message = circle.attach(circle.officer)
    circle.accept(circle.officer, circle.make(circle.officer, Erase(envelopes=(message,))))
    circle.work()
    assert circle.files() == []
    circle.ask(circle.guest)
    assert circle.recode(circle.guest) is Code.NOT_FOUND
    circle.put(circle.officer, 0, DATA)  # and it does not come back under another message
    assert circle.recode(circle.officer) is Code.REPLAY


def test_nobody_erases_anothers_attachment_but_the_owner(circle: Shelved) -> None:
    circle.upload(circle.officer)
    message = circle.attach(circle.officer)
    circle.accept(circle.guest, circle.make(circle.guest, Erase(envelopes=(message,))))
    circle.work()
    assert circle.files() == [HASH]
    circle.upload(circle.guest, b"theirs")
    theirs = circle.attach(circle.guest, sha256(b"theirs"))
    circle.accept(circle.officer, circle.make(circle.officer, Erase(envelopes=(theirs,))))
    circle.work()
    assert circle.files() == [HASH]


def test_an_erasure_names_messages_of_its_own_room(circle: Shelved) -> None:
    circle.upload(circle.officer)
    message = circle.attach(circle.officer)
    other = circle.world.open_room(circle.officer, nonce=bytes(15) + b"1")
    circle.accept(circle.officer, circle.world.envelope(circle.officer.device, other, Erase(envelopes=(message,))))  # type: ignore[arg-type]  # it has one
    circle.work()
    assert circle.files() == [HASH]


def test_nothing_is_dropped_before_that_is_durable(circle: Shelved) -> None:
    """An append that failed may or may not be stored; the state that is loaded then says which."""
    circle.upload(circle.officer)
    message = circle.attach(circle.officer)
    for failure, files in (("lost", [HASH]), ("kept", [])):
        circle.world.store.append_fails = failure
        circle.officer.publish(circle.make(circle.officer, Erase(envelopes=(message,))))
        assert circle.recode(circle.officer) is Code.STORE
        circle.recall(circle.officer)
        circle.work()
        assert circle.files() == files


def test_what_a_crash_left_is_dropped_at_the_next_start(circle: Shelved) -> None:
    circle.upload(circle.officer)
    message = circle.attach(circle.officer)
    circle.accept(circle.officer, circle.make(circle.officer, Erase(envelopes=(message,))))
    circle.world.shelving.clear()  # the process dies
    circle.world.restart()
    circle.listen()
    circle.work()
    assert circle.files() == []


def test_a_file_that_could_not_be_removed_is_found_by_the_next_look(circle: Shelved) -> None:
    circle.upload(circle.officer)
    message = circle.attach(circle.officer)
    circle.accept(circle.officer, circle.make(circle.officer, Erase(envelopes=(message,))))
    circle.world.shelving.clear()  # the disk said no
    circle.upload(circle.officer, b"other")
    circle.listen()
    circle.work()
    assert circle.files() == [sha256(b"other")]


def test_a_hold_keeps_an_erased_attachment_from_everybody_until_it_ends(circle: Shelved) -> None:
    circle.upload(circle.officer)
    message = circle.attach(circle.officer)
    nation = circle.world.nations[TN]
    made = nation.hold(circle.room.id, now_ms=circle.world.now_ms, since_ms=0)
    submit(circle, made)
    circle.accept(circle.officer, circle.make(circle.officer, Erase(envelopes=(message,))))
    circle.work()
    assert circle.files() == [HASH]
    assert circle.world.store.attachments[message].standing is Standing.HIDDEN
    circle.ask(circle.guest)
    assert circle.recode(circle.guest) is Code.NOT_FOUND
    submit(circle, nation.two_party(release_document(decode_hold(made), now_ms=circle.world.now_ms), Typ.LEGAL_HOLD))
    sweep(circle)
    assert circle.files() == []


def test_an_attachment_goes_when_the_time_of_its_message_is_over(tmp_path: Path) -> None:
    circle = Shelved(tmp_path)
    room = circle.room
    circle.room = circle.world.open_room(
        circle.officer, nonce=bytes(15) + b"2", policy=RoomPolicy(labels={Label.AMBER: 1}).encode()
    )
    circle.upload(circle.officer)
    circle.attach(circle.officer)
    circle.room = room
    circle.upload(circle.officer, b"stays")
    circle.attach(circle.officer, sha256(b"stays"))
    circle.world.now_ms += 2 * DAY_MS
    circle.accept(circle.officer, circle.make(circle.officer, Message()))
    sweep(circle)
    assert circle.files() == [sha256(b"stays")]


def test_what_is_read_while_it_is_erased_is_not_given(circle: Shelved) -> None:
    circle.upload(circle.officer)
    message = circle.attach(circle.officer)
    circle.guest.send(frames.FetchAttachment(request=1, room=circle.room.id, attachment=HASH, offset=0))
    circle.bot.send(frames.FetchAttachment(request=1, room=circle.room.id, attachment=HASH, offset=0))
    circle.accept(circle.officer, circle.make(circle.officer, Erase(envelopes=(message,))))
    circle.world.drop(circle.bot)
    circle.work()
    assert circle.recode(circle.guest) is Code.NOT_FOUND


def test_before_the_state_is_loaded_nothing_is_dropped(circle: Shelved) -> None:
    """Which message a file belongs to is not known then."""
    circle.upload(circle.officer)
    core = circle.world.new_core()
    core.handle(circle.shelf.look(), circle.world.now_ms)
    assert core.handle(Tick(), circle.world.now_ms + 9 * DAY_MS) == []


def submit(circle: Shelved, data: bytes) -> None:
    """Have a hold logged."""
    officer = circle.officer
    officer.send(frames.Submit(request=officer.next_request(), type=int(LeafType.LEGAL_HOLD), object=data))
    officer.one(frames.Stored)


def sweep(circle: Shelved) -> None:
    """A whole pass through what is over."""
    circle.world.core._parts.purging.due_ms = 0  # noqa: SLF001 - the next pass comes at once
    for _ in range(3):
        circle.world.tick()
    circle.work()
