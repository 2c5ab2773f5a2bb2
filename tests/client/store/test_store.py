"""The local store: all of a step or nothing, nothing in the clear, other processes see it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.log_rows import AuditRow, CustodyRow, LogView, StampRow
from amanah_client.model import Cause, Mending
from amanah_client.saying import Say, saying
from amanah_client.store import LocalStore
from amanah_client.store.rows import decode_row, encode_intent
from amanah_client.store.schema import STEPS, strike_results
from amanah_protocol import identity
from amanah_protocol.content.bodies import Profile
from amanah_protocol.content.sealed import Content, View, encode_content
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.retention import DAY_MS, RoomPolicy
from amanah_protocol.errors import Code, DecodeError, OperationalError, UsageError
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import DeviceId, EnvelopeId, LeafHash, OrgName, PersonId, RoomId
from tests.vectors import examples as x

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
    action = saying(ROOM, Text(text=words), label=Label.AMBER)
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
    view = LogView(size=3, root=b"r" * 32, checkpoint=b"note", seen_at_ms=5)
    store.add_intent(text_intent(1))
    store.commit(
        (
            e.PutRoom(row=room),
            e.PutLogView(view=view),
            e.PutControlHead(head=b"head"),
            e.PutRoster(roster=b"newer", first=b"r"),
            e.PutRoster(roster=b"newest"),
            e.PutKeyPackage(reference=b"1" * 32, private=b"secret"),
            e.PutKeyPackage(reference=b"2" * 32, private=b"other"),
            e.DropKeyPackage(reference=b"2" * 32),
            e.PutAuditRows(rows=(AuditRow(index=0, hash=b"h" * 32, entry=b"e", document=None),)),
        )
    )
    snapshot = store.snapshot()
    assert snapshot.rooms == (room,)
    assert snapshot.log == view
    assert (snapshot.control_head, snapshot.roster, snapshot.first_roster) == (b"head", b"newest", b"r")
    assert snapshot.key_packages == ((b"1" * 32, b"secret"),)
    assert snapshot.intents == (text_intent(1),)
    assert snapshot.audit_size == 1
    assert next(store.copy.rows()).entry == b"e"


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
    assert done.action == actions.Finished(name="Say")
    assert done.index == 4
    assert store.intents(model.IntentState.QUEUED, model.IntentState.SENT) == ()
    assert store.intent("f" * 32) is None


def test_an_intent_may_be_about_another_room_from_now_on(store: LocalStore) -> None:
    intent = text_intent(1, CANARY)
    store.add_intent(intent)
    assert isinstance(intent.action, Say)
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


def test_what_was_refused_here_is_kept_beside_the_alarms_and_not_at_each_try(store: LocalStore) -> None:
    refused = model.Alarm(at_ms=1, code=str(Code.LABEL), room=ROOM, detail="a message: above", own=True)
    later = replace(refused, at_ms=1 + model.ALARM_AGAIN_MS)
    for one in (refused, replace(refused, at_ms=2), replace(refused, room=None), later):
        store.add_alarm(one)
    assert store.refused() == (refused, replace(refused, room=None), later)
    assert store.alarms() == ()
    # A program that goes on being refused fills no disk.
    for number in range(100):
        store.add_alarm(replace(later, detail=f"rule {number}"))
    assert len(store.refused()) < 100


def test_published_checkpoints_are_kept_with_the_copy_and_where_to_go_on(store: LocalStore) -> None:
    assert store.copy.settled == 0
    store.commit((e.PutCheckpoints(notes=((7, b"seven"), (9, b"nine")), settled=7),))
    store.commit((e.PutCheckpoints(notes=((9, b"nine, cosigned"), (12, b"twelve")), settled=12),))
    assert list(store.copy.checkpoints()) == [b"seven", b"nine, cosigned", b"twelve"]
    assert list(store.copy.checkpoints(12)) == [b"seven", b"nine, cosigned"]
    assert store.copy.settled == 12
    store.copy.put_checkpoints((size, b"many") for size in range(100, 5_000))
    assert len(list(store.copy.checkpoints())) == 4_903


def stamp(number: int, size: int, note: bytes) -> StampRow:
    return StampRow(number=number, size=size, authority="tsa", note=note, token=b"token %d" % number)


def test_time_stamps_are_kept_in_the_order_of_their_chain_and_with_the_longer_note(store: LocalStore) -> None:
    assert store.copy.newest_stamp == 0
    store.commit((e.PutCheckpoints(notes=((7, b"seven\nline\n"), (9, b"nine\n")), settled=9),))
    store.commit((e.PutStamps(stamps=(stamp(1, 9, b"nine\nline\n"), stamp(3, 7, b"seven\n"))),))
    store.copy.add_stamp(7, "own", b"own")
    store.copy.add_stamp(7, "own", b"own again")
    store.commit((e.PutStamps(stamps=(stamp(4, 7, b"another\n"), stamp(5, 8, b"eight\n"))),))
    assert store.copy.newest_stamp == 5
    relays, own = [b"token 3", b"token 4"], [b"own", b"own again"]
    assert [(size, token) for size, _, token in store.copy.stamps()] == [
        *((7, token) for token in (*relays, *own)),
        (8, b"token 5"),
        (9, b"token 1"),
    ]
    assert [token for _, token in store.copy.stamps_of(7)] == relays + own
    notes = {7: b"seven\nline\n", 8: b"eight\n", 9: b"nine\nline\n", 10: None}
    assert {size: store.copy.checkpoint(size) for size in notes} == notes


def test_a_copy_that_is_forgotten_keeps_the_time_stamps_that_were_added(store: LocalStore) -> None:
    store.commit((e.PutStamps(stamps=(stamp(1, 9, b"nine\n"),)),))
    store.copy.add_stamp(9, "own", b"own")
    store.copy.forget()
    assert store.copy.newest_stamp == 0
    assert list(store.copy.stamps()) == [(9, "own", b"own")]


def test_many_time_stamps_are_read_a_page_at_a_time(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amanah_client.store.copy._PAGE", 3)
    store.commit((e.PutStamps(stamps=tuple(stamp(number, 9 - number // 2, b"x\n") for number in range(1, 9))),))
    found = [(size, token) for size, _, token in store.copy.stamps()]
    assert found == sorted(found)
    assert len(found) == 8


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
            assert isinstance(statement, str)
            connection.execute(statement)
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("INSERT INTO value (name, data) VALUES ('note', x'61')")
    store = LocalStore(path, KEY)
    assert store.value("note") == b"a"
    store.close()


def test_a_store_from_before_causes_had_names_opens_and_is_repaired(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    rows = [(1, "", "stored", 4), (2, "BEHIND", "unreadable", 4), (3, "COMMITMENT", "unreadable", 4)]
    rows += [(4, "REFUSED_COMMIT", "unreadable", 2), (5, "REFUSED_COMMIT", "unreadable", 5)]
    with opened(path) as connection:
        for step in STEPS[:2]:
            for statement in step:
                assert isinstance(statement, str)
                connection.execute(statement)
        connection.execute("PRAGMA user_version = 2")
        for number, cause, state, kind in rows:
            row = msgspec.to_builtins(message(number, room_seq=number), builtin_types=(bytes,))
            for name in ("code", "mending", "asked_at_ms", "asks", "repaired_by"):
                del row[name]  # of later versions
            data = msgspec.msgpack.encode(row | {"cause": cause, "state": state, "kind": kind})
            values = (ROOM, bytes([number]) * 32, number, data)
            connection.execute("INSERT INTO message (room, envelope, room_seq, row) VALUES (?, ?, ?, ?)", values)
    store = LocalStore(path, KEY)
    named = {row.room_seq: (row.cause, row.code, row.mending) for row in store.messages(ROOM)}
    store.close()
    assert named == {
        1: (None, "", None),
        2: (Cause.EPOCH_TOO_OLD, "BEHIND", Mending.WAITING),
        3: (Cause.SENDER_AT_FAULT, "COMMITMENT", None),
        4: (Cause.SENDER_AT_FAULT, "REFUSED_COMMIT", None),
        5: (Cause.STATE_LOST, "REFUSED_COMMIT", Mending.WAITING),
    }


def test_disclosures_of_an_older_store_keep_nothing_of_what_was_erased_since(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    before = max(number for number, step in enumerate(STEPS) if strike_results in step)
    intent = replace(text_intent(1), state=model.IntentState.DONE, result=CANARY.encode())
    with opened(path) as connection:
        for statement in (statement for step in STEPS[:before] for statement in step):
            _ = statement(connection) if callable(statement) else connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {before}")
        values = (intent.id, "done", "Disclose", b"", encode_intent(intent))
        connection.execute("INSERT INTO intent (id, state, action, body, row) VALUES (?, ?, ?, ?, ?)", values)
    store = LocalStore(path, KEY)
    found = store.intent(intent.id)
    store.close()
    assert found is not None
    assert (found.state, found.result) == (model.IntentState.DONE, b"")


def test_a_text_that_waited_in_an_older_store_is_still_to_be_said(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    wanted, done = text_intent(1, CANARY), text_intent(2)
    old = {"room": ROOM, "text": CANARY, "label": int(Label.AMBER), "pap": int(Pap.AMBER), "precedence": 0}
    with opened(path) as connection:
        for statement in (statement for step in STEPS[:6] for statement in step):
            _ = statement(connection) if callable(statement) else connection.execute(statement)
        connection.execute("PRAGMA user_version = 6")
        for intent, body in ((wanted, msgspec.msgpack.encode(old)), (done, b"")):
            values = (intent.id, str(intent.state), "SendText", body, encode_intent(intent))
            connection.execute("INSERT INTO intent (id, state, action, body, row) VALUES (?, ?, ?, ?, ?)", values)
    store = LocalStore(path, KEY)
    assert store.intent(wanted.id) == wanted
    assert store.intent(done.id) == replace(done, action=actions.Finished(name="Say"))
    store.close()


def unread(number: int, cause: Cause, mending: Mending | None = None) -> model.MessageRow:
    row = replace(message(number, room_seq=number, content=b""), cause=cause, code="OPEN", mending=mending)
    return replace(row, state=model.MessageState.UNREADABLE)


def test_what_cannot_be_read_is_counted_by_cause_until_it_is_repaired_or_erased(store: LocalStore) -> None:
    waits = [unread(number, Cause.STATE_LOST, Mending.WAITING) for number in (1, 2, 3)]
    header = replace(unread(5, Cause.STATE_LOST), kind=8)  # its header says what there is to say
    rows = [*waits, unread(4, Cause.SENDER_AT_FAULT), header, message(6, room_seq=6)]
    store.commit(tuple(e.PutMessage(row=row) for row in rows))
    assert store.unreadable(ROOM) == {Cause.SENDER_AT_FAULT: 1, Cause.STATE_LOST: 3}
    store.install(certificate=b"c", enrolment=b"e", profile=b"p", roster=b"r")
    assert store.snapshot().missing == tuple(waits)
    mended = replace(message(1, room_seq=1), mending=Mending.DONE, repaired_by=DeviceId(b"x" * 32))
    gone = replace(waits[2], mending=Mending.NOBODY)
    erase = e.EraseContent(room=ROOM, envelopes=(waits[1].envelope,), by=None)
    store.commit((e.PutMessage(row=mended), erase, e.PutMessage(row=gone)))
    assert store.unreadable(ROOM) == {Cause.SENDER_AT_FAULT: 1, Cause.STATE_LOST: 1}
    assert store.snapshot().missing == (gone,)
    assert store.message(ROOM, waits[1].envelope) == replace(
        waits[1], state=model.MessageState.ERASED, cause=None, code="", mending=None, key=b""
    )


def test_a_room_whose_keys_are_gone_is_a_room_all_the_same(store: LocalStore, tmp_path: Path) -> None:
    row = model.RoomRow(room=ROOM, status=model.RoomStatus.OPEN, group=b"large", keys=b"small")
    store.commit((e.PutRoom(row=row),))
    with opened(tmp_path / "store.db") as connection:
        connection.execute("DELETE FROM room_group")
    assert store.rooms() == (replace(row, group=b""),)


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


# ---- custody, persons, policies


def test_custody_is_kept_by_room_and_in_its_order(store: LocalStore) -> None:
    rows = [
        CustodyRow(
            room=room,
            sequence=sequence,
            index=sequence + 10,
            type=7,
            accepted_at_ms=5,
            hash=bytes(32),
            object=b"object",
            document=None,
            unproven=sequence == 2,
        )
        for room, sequence in ((x.ROOM, 1), (RoomId(bytes(16)), 1), (x.ROOM, 2))
    ]
    store.commit(tuple(e.PutCustody(row=row) for row in rows))
    assert store.custody(x.ROOM) == (rows[0], rows[2])
    assert store.custody(RoomId(bytes([1]) * 16)) == ()
    earlier = msgspec.msgpack.decode(msgspec.msgpack.encode(rows[0]))
    del earlier["unproven"]
    assert decode_row(msgspec.msgpack.encode(earlier), CustodyRow) == rows[0]


def sealed_profile(name: str) -> bytes:
    """The content of a message that introduces somebody."""
    view = View(log_size=0, log_root=bytes(32), log_signature=b"", room_seq=0, room_head=bytes(32))
    profile = x.profile(x.TN if name == "tn" else x.NAMES[0])
    return encode_content(
        Content(
            message_id=bytes(16),
            written_at_ms=5,
            label_number=Label.AMBER,
            pap_number=Pap.AMBER,
            view=view,
            body=Profile(encoded=profile.encoded),
        )
    )


def test_a_forgotten_person_is_dropped_from_profiles_and_from_what_introduced_it(store: LocalStore) -> None:
    store.commit((
        e.PutProfile(profile=x.profile().encoded),
        e.PutProfile(profile=x.profile(x.NAMES[0]).encoded),
        e.PutMessage(row=message(1, room_seq=1, content=sealed_profile("tn"))),
        e.PutMessage(row=message(2, room_seq=2, content=sealed_profile("ma"))),
        e.PutMessage(row=message(3, room_seq=3, content=b"no content of ours")),
    ))  # fmt: skip
    store.commit((e.ForgetPerson(organisation=x.TN, subject=x.request().subject),))
    assert store.profiles() == (x.profile(x.NAMES[0]).encoded,)
    rows = store.messages(message(1).room)
    assert [(row.state, bool(row.content)) for row in rows] == [
        (model.MessageState.ERASED, False), (model.MessageState.STORED, True), (model.MessageState.STORED, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("now_ms", "held_since_ms", "left"),
    [(7 * DAY_MS, None, [1, 2]), (8 * DAY_MS, None, [2]), (8 * DAY_MS, 0, [1, 2]), (8 * DAY_MS, DAY_MS, [2])],
)
def test_what_is_over_by_a_rooms_policy_is_dropped(
    store: LocalStore, now_ms: int, held_since_ms: int | None, left: list[int]
) -> None:
    policy = RoomPolicy(labels={Label.AMBER: 8}, after_last={Label.GREEN: 20}).encode()
    rows = [
        replace(message(1, room_seq=1), accepted_at_ms=0, label=Label.AMBER),
        replace(message(2, room_seq=2), accepted_at_ms=0, label=Label.GREEN),
    ]
    store.commit(tuple(e.PutMessage(row=row) for row in rows))
    store.commit((e.DropOver(room=rows[0].room, policy=policy, now_ms=now_ms, held_since_ms=held_since_ms),))
    assert [row.room_seq for row in store.messages(rows[0].room) if row.content] == left
