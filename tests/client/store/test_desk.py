"""What the store keeps for a desk: an index of what is said, in the transaction that stores it; marks and drafts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.incident.about import INCIDENT
from amanah_client.reading import Draft, Reader, Unread
from amanah_client.saying import saying
from amanah_client.search.query import expression, parse_query
from amanah_client.store import LocalStore, noting
from amanah_client.store import desk as desk_module
from amanah_client.store import store as store_module
from amanah_client.store.database import Database
from amanah_client.store.schema import STEPS
from amanah_client.store.writes import DISCLOSED, perform
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import AlertBatch, Body, Profile, RoomInfo
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.sealed import Content, View, encode_content
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.crypto import sha256
from amanah_protocol.custody.retention import DAY_MS, RoomPolicy
from amanah_protocol.errors import OperationalError, UsageError
from amanah_protocol.kinds import Kind, Message, Relabel
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import DeviceId, EnvelopeId, LeafHash, OrgName, PersonId, RoomId
from tests.client.store.test_store import KEY, ROOM, message, opened, text_intent
from tests.vectors import examples as x

OTHER = RoomId(b"o" * 16)
TN, MA = OrgName("cert.example.tn"), OrgName("cert.example.ma")
ME = DeviceId(b"m" * 32)
READER = Reader(organisation=TN, person=PersonId(b"p" * 16), devices=(ME,))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    made = LocalStore(tmp_path / "store.db", KEY, create=True)
    yield made
    made.close()


def sealed(body: Body) -> bytes:
    view = View(log_size=0, log_root=bytes(32), log_signature=b"", room_seq=0, room_head=bytes(32))
    content = Content(
        message_id=bytes(16), written_at_ms=5, label_number=Label.AMBER, pap_number=Pap.AMBER, view=view, body=body
    )
    return encode_content(content)


def said(number: int, body: Body | str, *, placed: bool = True) -> model.MessageRow:
    body = Text(text=body) if isinstance(body, str) else body
    return message(number, room_seq=number if placed else None, content=sealed(body))


def put(store: LocalStore, *rows: model.MessageRow) -> None:
    store.commit(tuple(e.PutMessage(row=row) for row in rows))


def found(store: LocalStore, text: str, **page: int) -> list[int]:
    """First bytes of the ids of what a search finds."""
    results = store.desk.search(
        expression(parse_query(text), [], []), before=page.get("before"), limit=page.get("limit", 50)
    )
    return [row.envelope[0] for _, row in results]


def noted(store: LocalStore) -> dict[str, int]:
    """Rows of what is noted beside the messages."""
    with store._database.reading() as connection:  # noqa: SLF001 - what nobody else may count
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - names of ours
            for table in ("found", "mention", "about")
        }


# ---- search


def alert(title: str, address: str) -> Alert:
    return Alert(
        source="suricata", dedupe_id="1", observed_at_ms=1, severity=Severity.HIGH, title=title, category="web",
        signature_id="9", source_address=address, original=b"", original_hash=sha256(b""),
    )  # fmt: skip


def test_what_people_and_alerts_say_is_found_newest_first(store: LocalStore) -> None:
    put(
        store,
        said(1, "Hameçonnage au ministère"),
        said(2, Correction(message=EnvelopeId(bytes(32)), text="hameconnage, puis rançongiciel")),
        said(3, Task(id=bytes(16), what="block the host", nation=MA)),
        said(4, RoomInfo(title="Hameçonnage", description="the wave of May")),
        said(5, AlertBatch(source="eve", alerts=(alert("ET EXPLOIT kerberos", "198.51.100.7"),) * 2)),
        said(6, "الأمن السيبراني"),
        said(7, Reaction(message=EnvelopeId(bytes(32)), sign="host")),
    )
    asked = {"HAMECON": [4, 2, 1], "rancon": [2], "host": [3], '"wave of may"': [4], "kerb": [5], "198.51.100": [5]}
    asked |= {"امن": [], "الامن": [6], "hamec puis": [2], '"puis hame"': [], "nothing": []}
    assert {text: found(store, text) for text in asked} == asked
    assert found(store, "hamec", limit=2) == [4, 2]
    assert found(store, "hamec", limit=2, before=2) == [1]


def test_where_it_was_said_by_whom_and_with_which_label_narrows_a_search(store: LocalStore) -> None:
    rows = [said(number, "phishing") for number in (1, 2, 3)]
    put(store, rows[0], replace(rows[1], room=OTHER, label=Label.RED), replace(rows[2], sender=ME))
    query = parse_query("phish")

    def narrowed(rooms: list[RoomId], senders: list[DeviceId], text: str = "phish") -> list[int]:
        results = store.desk.search(expression(parse_query(text), rooms, senders), before=None, limit=9)
        return [row.envelope[0] for _, row in results]

    assert (narrowed([ROOM], []), narrowed([OTHER, ROOM], []), narrowed([], [ME])) == ([3, 1], [3, 2, 1], [3])
    assert (narrowed([OTHER], [ME]), narrowed([], [], "label:red"), narrowed([], [], "phish label:amber")) == (
        [],
        [2],
        [3, 1],
    )
    assert query.rooms == ()


def test_what_an_entry_says_now_is_what_is_found(store: LocalStore) -> None:
    sent = said(1, "kerberoasting", placed=False)
    put(store, sent)
    assert found(store, "kerb") == [1], "own words are found before they are acknowledged"
    unread = replace(sent, room_seq=1, state=model.MessageState.UNREADABLE, cause=model.Cause.CORRUPTED, content=b"")
    put(store, unread)
    assert found(store, "kerb") == []
    put(store, replace(sent, room_seq=1, state=model.MessageState.STORED))
    assert found(store, "kerb") == [1]
    put(store, unread)
    assert found(store, "kerb") == [1], "a copy that does not hold takes no word away"
    put(store, said(1, "golden ticket"))
    assert (found(store, "kerb"), found(store, "golden")) == ([], [1])


def test_content_of_a_newer_version_is_stored_and_not_found(store: LocalStore) -> None:
    put(
        store,
        message(1, room_seq=1, content=b"no content of ours"),
        replace(message(2, room_seq=2, content=b""), kind=7),
    )
    assert noted(store) == {"found": 0, "mention": 0, "about": 0}
    assert len(store.messages(ROOM)) == 2


QUERY = st.lists(
    st.sampled_from(
        [*'"*^:(){}-+', " ", "\0", "\ud800", "words", "marks", "NEAR", "AND", "OR", "NOT", "room:", "é", "\ue000"]
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(QUERY.map("".join), st.text(max_size=40)))
def test_no_query_is_an_error_of_the_store(store: LocalStore, text: str) -> None:
    try:
        query = parse_query(text)
    except UsageError:
        return
    rooms, senders = [ROOM] * len(query.rooms), [ME] * len(query.senders)
    store.desk.search(expression(query, rooms, senders), before=None, limit=5)


def test_what_the_queries_would_be_to_the_store_without_their_quotes(store: LocalStore) -> None:
    with pytest.raises(OperationalError):
        store.desk.search('words : (" OR', before=None, limit=5)


# ---- what is erased leaves


CANARY = "canaryoftheindex"


def erasures() -> dict[str, e.Write]:
    policy = RoomPolicy(labels={Label.AMBER: 8}).encode()
    return {
        "erased": e.EraseContent(room=ROOM, envelopes=(message(1).envelope,), by=None),
        "dropped": e.DropMessage(room=ROOM, envelope=message(1).envelope),
        "over": e.DropOver(room=ROOM, policy=policy, now_ms=9 * DAY_MS, held_since_ms=None),
        "said anew": e.PutMessage(row=said(1, "other words")),
    }


@pytest.mark.parametrize("how", sorted(erasures()))
def test_what_is_erased_leaves_the_index_with_it(store: LocalStore, how: str) -> None:
    mention = Mention(called=Called.NATION, organisation=TN)
    row = replace(said(1, Text(text=CANARY, reply_to=EnvelopeId(bytes(32)), mentions=(mention,))), accepted_at_ms=0)
    put(store, row)
    assert noted(store) == {"found": 1, "mention": 1, "about": 1}
    store.commit((erasures()[how],))
    left = int(how == "said anew")
    assert noted(store) == {"found": left, "mention": 0, "about": 0}
    assert found(store, CANARY) == []
    assert store.desk.unread([ROOM], READER)[ROOM] == Unread(entries=left)


@pytest.mark.parametrize("secure", [True, False])
def test_no_page_of_the_file_holds_an_erased_word(tmp_path: Path, *, secure: bool) -> None:
    """In a file that is not encrypted, so that its pages can be searched."""
    path = tmp_path / "plain.db"
    database = Database(path, None, STEPS)
    with database.writing() as connection:
        if not secure:
            connection.execute("INSERT INTO found (found, rank) VALUES ('secure-delete', 0)")
            connection.execute("PRAGMA secure_delete = OFF")
        for number in range(1, 40):
            perform(connection, e.PutMessage(row=said(number, f"{CANARY} word{number}")))
    assert CANARY.encode() in _pages(database, path)
    with database.writing() as connection:
        for number in range(1, 40):
            perform(connection, e.EraseContent(room=ROOM, envelopes=(message(number).envelope,), by=None))
    assert (CANARY[2:].encode() in _pages(database, path)) is not secure
    database.close()


def _pages(database: Database, path: Path) -> bytes:
    with database.reading() as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return path.read_bytes()


def test_a_forgotten_persons_introduction_leaves_and_no_name_was_ever_in_the_index(store: LocalStore) -> None:
    profile = x.profile(x.TN)
    put(store, said(1, Profile(encoded=profile.encoded)), said(2, "words"))
    store.commit((e.PutProfile(profile=profile.encoded),))
    assert noted(store)["found"] == 1
    _, names = store.desk.turns()
    store.commit((e.ForgetPerson(organisation=x.TN, subject=x.request().subject),))
    assert found(store, profile.name.split()[0]) == []
    assert [row.state for row in store.messages(ROOM)] == [model.MessageState.ERASED, model.MessageState.STORED]
    assert store.desk.turns()[1] > names


def test_a_step_that_fails_leaves_neither_message_nor_index(store: LocalStore) -> None:
    put(store, said(1, "stays"))
    control = model.ControlRow(
        sequence=1, index=0, type=5, accepted_at_ms=1, previous=LeafHash(bytes(32)),
        hash=LeafHash(bytes(32)), object=b"", document=b"",
    )  # fmt: skip
    writes = (
        e.PutMessage(row=said(2, "goes")),
        e.EraseContent(room=ROOM, envelopes=(message(1).envelope,), by=None),
        e.PutControl(row=control),
        e.PutControl(row=control),
    )
    with pytest.raises(OperationalError):
        store.commit(writes)
    assert (found(store, "stays"), found(store, "goes"), len(store.messages(ROOM))) == ([1], [], 1)


# ---- unread


def test_what_others_say_behind_the_mark_is_unread(store: LocalStore) -> None:
    calls = [
        Mention(called=Called.NATION, organisation=TN),
        Mention(called=Called.DESK, organisation=TN),
        Mention(called=Called.PERSON, organisation=TN, person=READER.person),
        Mention(called=Called.PERSON, organisation=TN, person=PersonId(b"q" * 16)),
        Mention(called=Called.NATION, organisation=MA),
    ]
    rows = [said(number, Text(text="", mentions=(call,))) for number, call in enumerate(calls, start=1)]
    rows += [
        said(6, Reaction(message=EnvelopeId(bytes(32)), sign="a")),
        replace(said(7, Text(text="", mentions=tuple(calls))), sender=ME),
        replace(message(8, room_seq=8, content=b""), kind=8),
        replace(message(9, room_seq=9, content=b""), kind=13),
        said(10, Text(text="", mentions=tuple(calls))),
        said(11, "on its way", placed=False),
    ]
    put(store, *rows)
    assert store.desk.unread([ROOM, OTHER], READER) == {ROOM: Unread(entries=7, mentions=4), OTHER: Unread()}
    store.desk.put_mark(ROOM, 3)
    assert store.desk.unread([ROOM], READER)[ROOM] == Unread(entries=4, mentions=1)
    store.commit((e.EraseContent(room=ROOM, envelopes=(rows[9].envelope,), by=None),))
    assert store.desk.unread([ROOM], READER)[ROOM] == Unread(entries=3, mentions=0)


def urgent(number: int, precedence: Precedence, body: Body | str) -> model.MessageRow:
    return replace(said(number, body), encoded=x.signed(Message(), precedence=precedence).encoded)


def test_what_wants_an_answer_at_once_is_named_the_newest_first(store: LocalStore) -> None:
    rows = [
        urgent(1, Precedence.FLASH, "read already"),
        urgent(2, Precedence.IMMEDIATE, "first"),
        urgent(3, Precedence.PRIORITY, "not at once"),
        urgent(4, Precedence.FLASH, "second"),
        replace(urgent(5, Precedence.FLASH, "own"), sender=ME),
        replace(urgent(6, Precedence.FLASH, "not here"), content=b""),
    ]
    put(store, *rows)
    store.desk.put_mark(ROOM, 1)
    assert store.desk.unread([ROOM], READER)[ROOM] == Unread(entries=3, urgent=(rows[3].envelope, rows[1].envelope))
    store.commit((e.EraseContent(room=ROOM, envelopes=(rows[3].envelope,), by=None),))
    assert store.desk.unread([ROOM], READER)[ROOM].urgent == (rows[1].envelope,)
    put(store, urgent(6, Precedence.FLASH, "repaired"))
    assert store.desk.unread([ROOM], READER)[ROOM].urgent == (rows[5].envelope, rows[1].envelope)


@pytest.mark.parametrize(
    ("least", "calling"),
    [
        (Precedence.FLASH, [1, 3, 4, 5, 9]),
        (Precedence.PRIORITY, [1, 2, 3, 4, 5, 9]),
        (Precedence.ROUTINE, [1, 2, 3, 4, 5, 6, 9]),
    ],
)
def test_what_calls_is_found_by_urgency_and_by_the_duty_desk(
    store: LocalStore, least: Precedence, calling: list[int]
) -> None:
    desk = Mention(called=Called.DESK, organisation=TN)
    rows = [
        urgent(1, Precedence.FLASH, "at once"),
        urgent(2, Precedence.PRIORITY, "soon"),
        said(3, Text(text="", mentions=(desk,))),
        said(4, Correction(message=EnvelopeId(bytes(32)), text="", mentions=(desk,))),
        said(5, Handover(text="over", to=desk)),
        said(6, Text(text="", mentions=(replace(desk, called=Called.NATION), replace(desk, organisation=MA)))),
        replace(urgent(7, Precedence.FLASH, "on its way"), room_seq=None),
        replace(urgent(8, Precedence.FLASH, "elsewhere"), room=OTHER),
        replace(urgent(9, Precedence.FLASH, "cannot be read here"), content=b""),
    ]
    put(store, *rows)
    assert [row.envelope[0] for row in store.desk.calling(ROOM, TN, least)] == calling


def test_a_mark_goes_on_alone_and_never_behind_what_is_here(store: LocalStore, tmp_path: Path) -> None:
    put(store, said(1, "a"), said(2, "b"))
    store.desk.put_mark(ROOM, 2**60)
    assert store.desk.mark(ROOM) == 2
    put(store, said(3, "c"))
    assert store.desk.unread([ROOM], READER)[ROOM].entries == 1
    other = LocalStore(tmp_path / "store.db", KEY)
    other.desk.put_mark(ROOM, 3)
    store.desk.put_mark(ROOM, 1)
    store.desk.put_mark(OTHER, 7)
    assert (store.desk.mark(ROOM), other.desk.mark(OTHER)) == (3, 0)
    other.close()


# ---- drafts


def test_a_draft_is_kept_until_it_is_sent_or_given_up(store: LocalStore, tmp_path: Path) -> None:
    draft = Draft(text=" he\u0301llo ", label=Label.GREEN, reply_to=EnvelopeId(bytes(32)))
    store.desk.put_draft(ROOM, Draft(text="before"))
    store.desk.put_draft(ROOM, draft)
    other = LocalStore(tmp_path / "store.db", KEY)
    assert other.desk.draft(ROOM) == draft
    other.close()
    store.add_intent(text_intent(1, "of another program"))
    say = saying(ROOM, Reaction(message=EnvelopeId(bytes(32)), sign="a"), label=Label.AMBER)
    store.add_intent(replace(text_intent(2), action=say))
    store.add_intent(replace(text_intent(3), action=replace(say, number=65_535, value=b"\x80")))
    store.add_intent(replace(text_intent(4), action=actions.CreateRoom(title="x", ceiling=Label.RED)))
    assert store.desk.draft(ROOM) == draft
    store.add_intent(text_intent(5, "h\u00e9llo"))
    assert store.desk.draft(ROOM) is None
    store.desk.put_draft(ROOM, draft)
    reply = Text(text="h\u00e9llo", reply_to=EnvelopeId(bytes(32)))
    store.add_intent(replace(text_intent(6), action=saying(ROOM, reply, label=Label.AMBER)))
    assert store.desk.draft(ROOM) is None
    store.desk.put_draft(ROOM, draft)
    store.desk.put_draft(ROOM, None)
    assert store.desk.draft(ROOM) is None


def test_a_draft_stays_where_its_message_was_not_queued(store: LocalStore) -> None:
    store.desk.put_draft(ROOM, Draft(text="hello"))
    store.add_intent(text_intent(1, "something else"))
    with pytest.raises(OperationalError):
        store.add_intent(text_intent(1, "hello"))
    assert store.desk.draft(ROOM) == Draft(text="hello")


# ---- parts of a room


def test_a_room_is_scrolled_without_reading_all_of_it(store: LocalStore) -> None:
    put(store, *(said(number, "a", placed=number < 9) for number in range(1, 11)))

    def places(*, after: int = 0, before: int | None = None, limit: int = 9) -> list[int | None]:
        return [row.room_seq for row in store.messages(ROOM, after=after, before=before, limit=limit)]

    assert places(before=5, limit=3) == [2, 3, 4]
    assert places(before=3, limit=9) == [1, 2]
    assert places(before=9, after=6) == [7, 8]
    assert [row.room_seq for row in store.messages(ROOM, limit=4, newest=True)] == [7, 8, None, None]
    assert [row.envelope[0] for row in store.messages(ROOM, limit=1, newest=True)] == [10]
    assert places(after=7, limit=2) == [8, None]


@pytest.mark.parametrize(
    "query",
    [
        store_module._PLACED,  # noqa: SLF001 - as it is asked
        store_module._PLACED_LAST,  # noqa: SLF001 - as it is asked
        store_module._OWN,  # noqa: SLF001 - as it is asked
        store_module._OWN_LAST,  # noqa: SLF001 - as it is asked
        "SELECT row FROM message WHERE envelope BETWEEN x'00' AND x'ff' LIMIT 2",
        DISCLOSED,
        desk_module._CHANGED,  # noqa: SLF001 - as it is asked
        store_module._UNPLACED,  # noqa: SLF001 - as it is asked
        desk_module._FOUND.replace("MATCH ?", "MATCH 'a'"),  # noqa: SLF001 - as it is asked
    ],
)
def test_what_faces_ask_for_is_found_by_an_index(store: LocalStore, query: str) -> None:
    with store._database.reading() as connection:  # noqa: SLF001 - nobody else can be asked for a plan
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query.replace('?', '9')}").fetchall()]
    assert not [step for step in plan if step.startswith("SCAN message") and "INDEX" not in step], plan
    # The few own messages that are on their way may be put into order.
    sorts = [step for step in plan if "TEMP B-TREE" in step]
    assert query == store_module._UNPLACED or not sorts, plan  # noqa: SLF001 - as it is asked


def test_entries_are_found_by_what_they_speak_of_and_by_their_ids(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = message(1).envelope
    put(
        store,
        said(1, "first"),
        said(2, Text(text="answer", reply_to=first, thread=first)),
        said(3, Reaction(message=first, sign="a")),
        replace(said(4, Task(id=bytes(16), what="a", nation=MA)), room=OTHER),
        said(5, Reaction(message=first, sign="a"), placed=False),
        said(6, Task(id=bytes(16), what="a", nation=MA)),
    )
    monkeypatch.setattr(desk_module, "_SOME", 1)
    assert [row.envelope[0] for row in store.desk.about(ROOM, [first, INCIDENT])] == [2, 3, 6]
    assert [row.envelope[0] for row in store.desk.entries(ROOM, [first, EnvelopeId(b"\x06" * 32)])] == [1, 6]
    assert store.desk.about(ROOM, []) == []


def test_what_a_label_follows_from_is_a_message_its_corrections_and_what_changes_them(store: LocalStore) -> None:
    def relabel(number: int, of: int, *, placed: bool = True) -> model.MessageRow:
        specific = Relabel(envelope=message(of).envelope, old=Label.AMBER, new=Label.RED)
        row = message(number, room_seq=number if placed else None, content=b"")
        return replace(row, kind=Kind.RELABEL, encoded=x.signed(specific).encoded)

    put(
        store,
        said(1, "first"),
        said(2, Text(text="answer", reply_to=message(1).envelope)),
        said(3, Correction(message=message(1).envelope, text="corrected")),
        relabel(4, 3, placed=False),
        said(5, Correction(message=message(3).envelope, text="a correction's")),
        replace(relabel(6, 1), state=model.MessageState.UNREADABLE),
        relabel(7, 1),
    )
    for about, of in ((1, [1, 3, 5, 7, 4]), (3, [1, 3, 5, 7, 4]), (5, [1, 3, 5, 7, 4]), (2, [2]), (9, [])):
        assert [row.envelope[0] for row in store.labelling(ROOM, message(about).envelope)] == of


def test_changes_are_told_in_the_order_in_which_they_were_written(store: LocalStore) -> None:
    before, _ = store.desk.turns()
    put(store, said(1, "a", placed=False), said(2, "b"))
    put(store, said(1, "a"))
    store.commit((e.DropMessage(room=ROOM, envelope=message(2).envelope),))
    middle, _ = store.desk.turns()
    store.commit((e.EraseContent(room=ROOM, envelopes=(message(1).envelope,), by=None),))
    put(store, said(3, "c"))
    assert [(row.envelope[0], row.state.name) for _, row in store.desk.changed(before, 9)] == [
        (1, "ERASED"),
        (3, "STORED"),
    ]
    turns = [turn for turn, _ in store.desk.changed(middle, 9)]
    assert turns == sorted(turns)
    assert [row.envelope[0] for _, row in store.desk.changed(turns[0], 1)] == [3]


# ---- stores from before


def test_a_store_from_before_there_was_an_index_is_indexed_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noting, "_BATCH", 2)
    path = tmp_path / "store.db"
    first = message(1).envelope
    rows = [
        said(1, "kerberoasting"), said(2, Text(text="seen", reply_to=first)),
        said(3, Reaction(message=first, sign="a")),
        urgent(6, Precedence.FLASH, "look now"),
        message(4, room_seq=4, content=b"no content of ours"), said(5, "on its way", placed=False),
    ]  # fmt: skip
    with opened(path) as connection:
        before = max(number for number, step in enumerate(STEPS) if noting.note_all in step)
        for step in STEPS[:before]:
            for statement in step:
                if isinstance(statement, str):
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {before}")
        for row in rows:
            values = (ROOM, row.envelope, row.room_seq, msgspec.msgpack.encode(row))
            connection.execute("INSERT INTO message (room, envelope, room_seq, row) VALUES (?, ?, ?, ?)", values)
    store = LocalStore(path, KEY)
    assert (found(store, "kerb"), found(store, "seen"), found(store, "on its")) == ([1], [2], [5])
    assert [row.envelope[0] for row in store.desk.about(ROOM, [first])] == [2, 3]
    assert store.desk.unread([ROOM], READER)[ROOM] == Unread(entries=3, urgent=(rows[3].envelope,))
    assert sorted(row.envelope for row in store.messages(ROOM)) == sorted(row.envelope for row in rows)
    kept = noted(store)
    with store._database.writing() as connection:  # noqa: SLF001 - a step of the schema
        noting.note_all(connection)
    assert (noted(store), found(store, "kerb")) == (kept, [1])
    store.close()


_LIFE = """
import os, sys
from pathlib import Path
from amanah_client import effects as e
from amanah_client.store import LocalStore
from tests.client.store.test_desk import CANARY, message, said, ROOM
from tests.client.store.test_store import KEY
store = LocalStore(Path(sys.argv[1]), KEY)
for number in range(1, 200):
    writes = [e.PutMessage(row=said(number, f"{CANARY} word{number}"))]
    if number % 3 == 0:
        writes.append(e.EraseContent(room=ROOM, envelopes=(message(number - 1).envelope,), by=None))
    store.commit(tuple(writes))
    print(number, flush=True)
"""


def test_a_process_killed_while_it_writes_leaves_an_index_of_just_what_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    LocalStore(path, KEY, create=True).close()
    with subprocess.Popen(
        [sys.executable, "-c", _LIFE, str(path)], stdout=subprocess.PIPE, env=os.environ, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 40:
                process.kill()
    store = LocalStore(path, KEY)
    rows = store.messages(ROOM, limit=1_000)
    readable = [row.envelope[0] for row in rows if row.content]
    assert len(rows) >= 40
    assert found(store, CANARY, limit=1_000) == readable[::-1]
    with store._database.reading() as connection:  # noqa: SLF001 - the index checks itself
        connection.execute("INSERT INTO found (found, rank) VALUES ('integrity-check', 1)")
    store.close()
