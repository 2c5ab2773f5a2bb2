"""The local store: all of a step or nothing, nothing in the clear, other processes see it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client import effects as e
from amanah_client import model
from amanah_client.store import LocalStore
from amanah_client.store.rows import decode_row
from amanah_client.store.schema import STEPS
from amanah_protocol import identity
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, DecodeError, OperationalError, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, EnvelopeId, LeafHash, OrgName, PersonId, RoomId

KEY = bytes(range(32))
ROOM = RoomId(b"r" * 16)
CANARY = "canary-of-the-local-store"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    opened = LocalStore(tmp_path / "store.db", KEY, create=True)
    yield opened
    opened.close()


def message(number: int, *, room_seq: int | None = None, content: bytes = b"content") -> model.MessageRow:
    return model.MessageRow(
        room=ROOM,
        envelope=EnvelopeId(bytes([number]) * 32),
        room_seq=room_seq,
        index=room_seq,
        accepted_at_ms=None,
        previous=None,
        encoded=b"envelope",
        sender=DeviceId(b"d" * 32),
        organisation=OrgName("cert.example.tn"),
        kind=4,
        label=Label.AMBER,
        label_differs=False,
        sent_at_ms=1,
        written_at_ms=1,
        state=model.MessageState.STORED if room_seq else model.MessageState.SENT,
        content=content,
        key=b"k" * 32,
    )


def text_intent(number: int, words: str = "hello") -> model.Intent:
    action = model.SendText(room=ROOM, text=words, label=Label.AMBER)
    return model.Intent(id=f"{number:032x}", action=action, created_at_ms=number)


def test_a_missing_profile_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        LocalStore(tmp_path / "store.db", KEY)
    assert refused.value.code is Code.NO_PROFILE


def test_another_key_does_not_open_it(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        LocalStore(tmp_path / "store.db", bytes(32))
    assert refused.value.code is Code.PASSPHRASE
    assert store.rooms() == ()


def test_nothing_stands_on_disk_in_the_clear(store: LocalStore, tmp_path: Path) -> None:
    store.add_intent(text_intent(1, CANARY))
    store.commit(
        (
            e.PutRoom(row=model.RoomRow(room=ROOM, status=model.RoomStatus.OPEN, title=CANARY)),
            e.PutMessage(row=message(1, room_seq=1, content=CANARY.encode())),
        )
    )
    for path in tmp_path.iterdir():
        assert CANARY.encode() not in path.read_bytes(), path


def test_a_step_is_stored_whole_or_not_at_all(store: LocalStore) -> None:
    control = model.ControlRow(
        sequence=1, index=0, type=5, accepted_at_ms=1, previous=LeafHash(bytes(32)), hash=LeafHash(bytes(32)),
        object=b"", document=b"",
    )  # fmt: skip
    room = model.RoomRow(room=ROOM, status=model.RoomStatus.OPEN)
    with pytest.raises(OperationalError) as failed:
        store.commit((e.PutRoom(row=room), e.PutControl(row=control), e.PutControl(row=control)))
    assert failed.value.code is Code.STORE
    assert store.rooms() == ()
    store.commit((e.PutRoom(row=room), e.PutControl(row=control)))
    assert store.rooms() == (room,)
    assert store.control_rows() == (control,)


@pytest.mark.parametrize("state", [model.MessageState.UNREADABLE, model.MessageState.ERASED])
def test_a_message_that_has_its_place_is_not_undone_by_a_copy_that_does_not_hold(
    store: LocalStore, state: model.MessageState
) -> None:
    read = message(1, room_seq=1)
    store.commit((e.PutMessage(row=read),))
    store.commit((e.PutMessage(row=replace(read, room_seq=2, state=state, content=b"", key=b"")),))
    assert store.messages(ROOM) == (read,)


def test_an_own_message_without_a_place_takes_any(store: LocalStore) -> None:
    sent = message(1)
    refused = replace(sent, room_seq=2, state=model.MessageState.UNREADABLE, content=b"", key=b"")
    store.commit((e.PutMessage(row=sent), e.PutMessage(row=refused)))
    assert store.messages(ROOM) == (refused,)


def test_a_snapshot_gives_back_what_was_stored(store: LocalStore) -> None:
    with pytest.raises(UsageError) as refused:
        store.snapshot()
    assert refused.value.code is Code.NO_PROFILE
    store.install(certificate=b"c", enrolment=b"e", profile=b"p", roster=b"r")
    flight = model.InFlight(intents=("x",), items=((b"envelope", b"content"),), first_counter=7)
    sender = model.SenderRow(device=DeviceId(b"d" * 32), counter=3, last_id=EnvelopeId(b"i" * 32), voided=(2,))
    room = model.RoomRow(room=ROOM, status=model.RoomStatus.OPEN, group=b"g", in_flight=flight, senders=(sender,))
    view = model.LogView(size=3, root=b"r" * 32, checkpoint=b"note", seen_at_ms=5)
    store.add_intent(text_intent(1))
    store.commit(
        (
            e.PutRoom(row=room),
            e.PutLogView(view=view),
            e.PutControlHead(head=b"head"),
            e.PutRoster(roster=b"newer"),
            e.PutKeyPackage(reference=b"1" * 32, private=b"secret"),
            e.PutKeyPackage(reference=b"2" * 32, private=b"other"),
            e.DropKeyPackage(reference=b"2" * 32),
            e.PutAuditRows(rows=(model.AuditRow(index=0, hash=b"h" * 32, entry=b"e", document=None),)),
        )
    )
    snapshot = store.snapshot()
    assert snapshot.rooms == (room,)
    assert snapshot.log == view
    assert (snapshot.control_head, snapshot.roster) == (b"head", b"newer")
    assert snapshot.key_packages == ((b"1" * 32, b"secret"),)
    assert snapshot.intents == (text_intent(1),)
    assert snapshot.audit_size == 1
    assert store.audit_rows()[0].entry == b"e"


def test_a_finished_intent_keeps_no_plaintext(store: LocalStore) -> None:
    intent = text_intent(1, CANARY)
    store.add_intent(intent)
    store.commit((e.PutIntent(intent=replace(intent, state=model.IntentState.SENT)),))
    kept = store.intent(intent.id)
    assert kept is not None
    assert kept.action == intent.action
    store.commit((e.PutIntent(intent=replace(intent, state=model.IntentState.DONE, index=4)),))
    done = store.intent(intent.id)
    assert done is not None
    assert done.action == model.Finished(name="SendText")
    assert done.index == 4
    assert store.intents(model.IntentState.QUEUED, model.IntentState.SENT) == ()
    assert store.intent("f" * 32) is None


def test_an_intent_may_be_about_another_room_from_now_on(store: LocalStore) -> None:
    intent = text_intent(1, CANARY)
    store.add_intent(intent)
    assert isinstance(intent.action, model.SendText)
    moved = replace(intent, action=replace(intent.action, room=RoomId(b"n" * 16)))
    store.commit((e.PutAction(intent=moved),))
    assert store.intent(intent.id) == moved
    assert store.intents(model.IntentState.QUEUED) == (moved,)


def test_messages_stand_in_room_order_and_unacknowledged_ones_last(store: LocalStore) -> None:
    store.commit(
        (
            e.PutMessage(row=message(3)),
            e.PutMessage(row=message(2, room_seq=2)),
            e.PutMessage(row=message(1, room_seq=1)),
        )
    )
    assert [row.room_seq for row in store.messages(ROOM)] == [1, 2, None]
    assert [row.room_seq for row in store.messages(ROOM, after=1)] == [2, None]
    assert [row.room_seq for row in store.messages(ROOM, limit=2, newest=True)] == [2, None]


def test_a_member_erases_its_own_messages_alone(store: LocalStore) -> None:
    store.commit((e.PutMessage(row=message(1, room_seq=1)), e.PutMessage(row=message(2, room_seq=2))))
    envelopes = (message(1).envelope, message(2).envelope)
    store.commit((e.EraseContent(room=ROOM, envelopes=envelopes, by=DeviceId(b"x" * 32)),))
    assert [row.content for row in store.messages(ROOM)] == [b"content", b"content"]
    store.commit((e.EraseContent(room=ROOM, envelopes=envelopes, by=message(1).sender),))
    assert [row.content for row in store.messages(ROOM)] == [b"", b""]


def test_messages_are_found_by_their_id_and_between_two_ids(store: LocalStore) -> None:
    store.commit(tuple(e.PutMessage(row=message(number)) for number in (1, 2, 3)))
    second = EnvelopeId(bytes([2]) * 32)
    assert store.message(ROOM, second) == message(2)
    assert store.message(ROOM, EnvelopeId(bytes(32))) is None
    first, last = EnvelopeId(b"\x02\x02" + bytes(30)), EnvelopeId(b"\x02\x02" + b"\xff" * 30)
    assert store.messages_between(first, last) == (message(2),)
    assert len(store.messages_between(EnvelopeId(bytes(32)), EnvelopeId(b"\xff" * 32))) == 2


def test_a_message_is_replaced_dropped_and_erased_by_its_id(store: LocalStore) -> None:
    store.commit((e.PutMessage(row=message(1)), e.PutMessage(row=message(2))))
    store.commit((e.PutMessage(row=message(1, room_seq=1)), e.DropMessage(room=ROOM, envelope=message(2).envelope)))
    assert [row.room_seq for row in store.messages(ROOM)] == [1]
    store.commit((e.EraseContent(room=ROOM, envelopes=(message(1).envelope,), by=None),))
    (erased,) = store.messages(ROOM)
    assert (erased.state, erased.content, erased.key) == (model.MessageState.ERASED, b"", b"")
    assert erased.encoded == b"envelope"


def test_profiles_and_alarms_are_kept(store: LocalStore) -> None:
    key = SigningKey(bytes(32))
    named = [
        identity.issue_profile(
            key, organisation=OrgName("cert.example.tn"), subject=PersonId(bytes(16)), name=name, salt=bytes(16)
        ).encoded
        for name in ("Officer A", "Officer A, night desk")
    ]
    alarm = model.Alarm(at_ms=1, code=str(Code.FORK), room=ROOM, detail="two heads", evidence=b"e")
    store.commit((e.PutProfile(profile=named[0]), e.PutProfile(profile=named[1]), e.PutAlarm(alarm=alarm)))
    assert store.profiles() == (named[1],)
    assert store.alarms() == (alarm,)


def test_the_organisation_remembers_whom_it_certified(store: LocalStore) -> None:
    device = DeviceId(b"d" * 32)
    store.put_issued(device, "Officer A", b"certificate")
    store.put_issued(device, "Officer A", b"certificate", b"revocation")
    assert store.issued() == ((device, "Officer A", b"certificate", b"revocation"),)


def test_another_process_sees_a_change(store: LocalStore, tmp_path: Path) -> None:
    before = store.data_version()
    script = (
        "import sys; from pathlib import Path; from amanah_client.store import LocalStore\n"
        f"LocalStore(Path(sys.argv[1]), {KEY!r}).put_value('note', b'there')"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "store.db")], check=True, timeout=60)
    assert store.data_version() != before
    assert store.value("note") == b"there"
    assert store.value("absent") is None


@contextmanager
def opened(path: Path) -> Iterator[sqlcipher.Connection]:
    """The file as another program of the same user opens it."""
    connection = sqlcipher.connect(str(path), isolation_level=None)
    connection.execute(f"PRAGMA key = \"x'{KEY.hex()}'\"")
    yield connection
    connection.close()


def test_a_store_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    LocalStore(path, KEY, create=True).close()
    with opened(path) as connection:
        connection.execute("PRAGMA user_version = 9999")
    with pytest.raises(UsageError) as refused:
        LocalStore(path, KEY)
    assert refused.value.code is Code.UNKNOWN_VERSION
    with opened(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (9999,)


def test_a_store_that_noted_its_step_in_a_table_opens_with_all_that_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path) as connection:
        for statement in STEPS[0]:
            connection.execute(statement)
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO value (name, data) VALUES ('note', x'61')")
    store = LocalStore(path, KEY)
    assert store.value("note") == b"a"
    store.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with opened(path) as connection:
        connection.execute("CREATE TABLE wish (somebody_elses INTEGER)")
    with pytest.raises(OperationalError):
        LocalStore(path, KEY)
    with opened(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("wish",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)


def test_a_damaged_row_is_named_not_guessed() -> None:
    with pytest.raises(DecodeError) as refused:
        decode_row(b"\xc1", model.RoomRow)
    assert refused.value.code is Code.MALFORMED


def test_a_wish_stands_until_the_step_that_carries_it_out_is_durable(store: LocalStore) -> None:
    store.put_wish("a", model.Wish.RELEASE)
    store.put_wish("b", model.Wish.WITHDRAW)
    store.put_wish("a", model.Wish.WITHDRAW)
    assert dict(store.wishes()) == {"a": model.Wish.WITHDRAW, "b": model.Wish.WITHDRAW}
    assert dict(store.wishes()) == {"a": model.Wish.WITHDRAW, "b": model.Wish.WITHDRAW}
    store.commit((e.DropWish(intent="a"), e.DropWish(intent="unknown")))
    assert store.wishes() == (("b", model.Wish.WITHDRAW),)
