"""What a desk asks of the SDK: search, what is unread, drafts, and to hear of everything, whoever is connected."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from amanah_client import Client, Room, model
from amanah_client import effects as e
from amanah_client.cli.main import main
from amanah_client.engine import Event, NamesChanged
from amanah_client.follower import Follower
from amanah_client.home import Home, create_profile, open_profile
from amanah_client.keystore import create_key_file
from amanah_client.message import Message
from amanah_client.model import MessageState
from amanah_client.reading import UNCHANGED, Draft, Unread
from amanah_client.saying import saying
from amanah_client.store import LocalStore
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId
from tests.client.store.test_desk import put, said
from tests.client.store.test_store import KEY, ROOM, message, text_intent
from tests.client.test_sdk import Two, officers, until
from tests.end_to_end.nations import Nations
from tests.vectors import examples as x

TN, MA = parse_organisation("cert.example.tn"), parse_organisation("cert.example.ma")


@pytest.fixture
async def two(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Two]:
    async with officers(nations, request.node.name) as made:
        yield made


# ---- with a relay


async def test_what_was_said_is_found_by_words_and_by_where_and_by_whom(two: Two) -> None:
    sent = (await two.ours.send("Hameçonnage vu au ministère")).envelope
    assert sent is not None
    await until(lambda: bool(two.theirs.search("hamec")))
    (found,) = two.b.search("hamec")
    assert (found.message.id, found.message.sender.organisation) == (sent, TN)
    assert [found.excerpt[start:end] for start, end in found.spans] == ["Hameçonnage"]
    name = two.b.party(two.a.me).name
    for query in (
        f"hamec from:{TN}",
        f'hamec from:"{name}"',
        f"from:{two.a.me.hex()[:9]} hamec",
        f'hamec room:"{two.theirs.title}"',
    ):
        assert [one.message.id for one in two.b.search(query)] == [sent], query
    assert two.theirs.search(f'hamec room:"{two.theirs.title}"') == two.b.search("hamec")
    assert two.b.search(f"hamec from:{MA}") == []
    assert two.b.search("hamec", before=found.place) == []
    other = await two.b.create_room("another room", label=Label.AMBER)
    assert other.search("hamec") == []
    for query, code in (("from:nobody x", Code.NOT_FOUND), ("room:nowhere x", Code.UNKNOWN_ROOM), ("", Code.USAGE)):
        with pytest.raises(UsageError) as refused:
            two.b.search(query)
        assert refused.value.code is code
        assert refused.value.hint
    with pytest.raises(UsageError) as refused:
        other.search(f'hamec room:"{two.theirs.title}"')
    assert refused.value.code is Code.USAGE
    with pytest.raises(UsageError):
        two.b.search("hamec", limit=0)


async def test_what_is_found_says_what_its_author_has_made_of_it_since(two: Two) -> None:
    async def say(body: Text | Correction | Withdrawal, room: Room = two.ours) -> EnvelopeId:
        sent = (await room.send(body)).envelope
        assert sent is not None
        await until(lambda: two.theirs.entries(sent))
        return sent

    def found(word: str) -> dict[EnvelopeId, tuple[EnvelopeId, EnvelopeId | None, EnvelopeId | None]]:
        """What is found, where it stands, what withdraws it, and what tells in its place."""
        made = {}
        for one in two.b.search(word):
            withdrawn, corrected = (by.id if by else None for by in (one.since.withdrawn, one.since.corrected))
            made[one.message.id] = one.at.id, withdrawn, corrected
        return made

    said = await say(Text(text="portal alpha"))
    assert found("portal") == {said: (said, None, None)}
    first = await say(Correction(message=said, text="portal beta"))
    assert found("portal") == {said: (said, None, first), first: (said, None, None)}
    second = await say(Correction(message=said, text="portal gamma"))
    assert found("portal") == {said: (said, None, second), first: (said, None, second), second: (said, None, None)}
    # What takes back a message takes back all that it ever said.
    taken = await say(Withdrawal(message=said, reason="no such portal"))
    assert found("alpha") == {said: (said, taken, second)}
    assert found("beta") == {first: (said, taken, second)}
    assert found("gamma") == {second: (said, taken, None)}
    assert found('"no such portal"') == {taken: (said, None, None)}


async def test_what_another_says_of_an_entry_marks_no_find_of_it(two: Two) -> None:
    """The control of the mark: what has no effect on the board has none on what a search finds."""
    said = (await two.ours.send(Text(text="portal alpha"))).envelope
    assert said is not None
    await until(lambda: two.theirs.entries(said))
    body = Correction(message=said, text="portal omega")
    for other in (body, Withdrawal(message=said, reason="")):
        # As a client sends it that does not ask first whether it counts.
        await two.b.do(saying(two.theirs.id, other, label=two.theirs.ceiling))
    await until(lambda: len(two.a.search("portal")) == 2)
    await until(lambda: [one for one in two.ours.messages() if isinstance(one.body, Withdrawal)])
    assert [one.since for one in two.a.search("portal")] == [UNCHANGED, UNCHANGED]
    # Nor does what becomes of the entry mark the words of the other.
    await two.ours.send(Withdrawal(message=said, reason=""))
    await until(lambda: two.a.search("alpha")[0].since.withdrawn)
    assert [one.since for one in two.a.search("omega")] == [UNCHANGED]


async def test_what_others_say_is_unread_until_it_is_marked(two: Two) -> None:
    before = two.theirs.unread()
    calls = (Mention(called=Called.DESK, organisation=MA),)
    await two.ours.send(Text(text="Who is on duty?", mentions=calls))
    first = (await two.ours.send("Please look")).envelope
    assert first is not None
    await two.ours.send(Reaction(message=first, sign="👀"))
    await until(lambda: two.theirs.unread() == Unread(entries=before.entries + 2, mentions=1))
    assert two.b.unread()[two.theirs.id] == two.theirs.unread()
    assert two.ours.unread().mentions == 0
    ours = two.ours.unread()
    await two.theirs.send("We look")
    await until(lambda: two.ours.unread().entries == ours.entries + 1)
    assert two.theirs.unread().entries == before.entries + 2, "own words are no news"
    last = two.theirs.messages(newest=True, limit=1)[0].room_seq
    assert last is not None
    two.theirs.mark_read(last)
    assert (two.theirs.read_mark, two.theirs.unread()) == (last, Unread())


async def test_a_draft_goes_with_the_message_that_says_it(two: Two) -> None:
    two.ours.keep_draft(Draft(text="half a thought", label=Label.GREEN))
    await two.ours.send("something else")
    assert two.ours.draft == Draft(text="half a thought", label=Label.GREEN)
    await two.ours.send("half a thought")
    assert two.ours.draft is None


async def test_a_window_is_shown_with_what_it_answers_and_what_corrects_it(two: Two) -> None:
    asked = (await two.ours.send("Seen at 14:00?")).envelope
    assert asked is not None
    corrected = (await two.ours.send(Correction(message=asked, text="Seen at 15:00?"))).envelope
    for number in range(3):
        await two.ours.send(f"between, {number}")
    answer = (await two.ours.send(Text(text="Yes.", reply_to=asked))).envelope
    withdrawn = (await two.ours.send(Withdrawal(message=answer or asked, reason="not sure"))).envelope
    assert answer is not None
    window = [two.ours.message(answer.hex())]
    board = two.ours.board(about=[answer])
    assert set(board.messages) >= {answer, asked}
    assert board.messages[asked].corrected == corrected
    assert set(two.ours.beside(window, board)) == {answer, asked, corrected, withdrawn}


async def test_the_connected_and_who_follows_hear_of_what_arrives_is_sent_and_is_erased(
    two: Two, nations: Nations
) -> None:
    async with await Client.open(two.b.profile.home.path) as follows:
        assert follows.is_following
        with two.b.hearing() as connected, follows.hearing() as following:
            sent = (await two.ours.send("to be erased")).envelope
            assert sent is not None
            intent = await follows.do(follows.room(two.theirs.id).compose("from the one that follows"))
            for events in (connected, following):
                await _heard(events, lambda event: _is(event, sent, MessageState.STORED))
            await two.ours.erase(sent)
            for events in (connected, following):
                await _heard(events, lambda event: _is(event, sent, MessageState.ERASED))
        with follows.hearing() as following:
            again = await follows.do(follows.room(two.theirs.id).compose("once more"))
            await _heard(
                following,
                lambda event: (
                    isinstance(event, e.IntentChanged)
                    and (event.intent.id, event.intent.state) == (again.id, model.IntentState.DONE)
                ),
            )
        assert intent.state is model.IntentState.DONE


def _is(event: Event, envelope: EnvelopeId, state: MessageState) -> bool:
    return isinstance(event, e.MessageChanged) and (event.row.envelope, event.row.state) == (envelope, state)


async def _heard(events: asyncio.Queue[Event], wanted: Callable[[Event], bool]) -> None:
    async with asyncio.timeout(20):
        while not wanted(await events.get()):
            pass


# ---- two processes at one store


def test_who_follows_hears_of_each_change_once_and_of_names_when_they_change(tmp_path: Path) -> None:
    writes, reads = (LocalStore(tmp_path / "store.db", KEY, create=create) for create in (True, False))
    put(writes, said(1, "from before"))
    heard: list[Event] = []
    follower = Follower(reads, heard.append)

    def told() -> list[Event]:
        heard.clear()
        follower.look()
        return list(heard)

    assert told() == []
    sent = said(2, "on its way", placed=False)
    put(writes, sent)
    assert told() == [e.MessageChanged(row=sent)]
    rows = [said(2, "on its way"), said(1, "repaired")]
    put(writes, *rows)
    assert told() == [e.MessageChanged(row=row) for row in rows]
    writes.commit((e.EraseContent(room=ROOM, envelopes=(message(1).envelope,), by=None),))
    assert [event.row.state for event in told() if isinstance(event, e.MessageChanged)] == [MessageState.ERASED]
    writes.commit((e.PutProfile(profile=x.profile().encoded),))
    assert told() == [NamesChanged()]
    intent = text_intent(1)
    writes.add_intent(intent)
    assert told() == [e.IntentChanged(intent=intent)]
    quick = replace(text_intent(2), state=model.IntentState.DONE)
    reads.add_intent(text_intent(2))
    follower.expect(text_intent(2))
    writes.commit((e.PutIntent(intent=quick),))
    assert [event.intent.id for event in told() if isinstance(event, e.IntentChanged)] == [quick.id]
    writes.put_value("note", b"nothing that faces show")
    assert told() == []
    done = replace(intent, state=model.IntentState.DONE)
    room = model.RoomRow(room=ROOM, status=model.RoomStatus.OPEN)
    alarm = model.Alarm(at_ms=1, code=str(Code.FORK), room=ROOM, detail="two heads", evidence=b"e")
    writes.commit((e.PutIntent(intent=done), e.PutRoom(row=room), e.PutAlarm(alarm=alarm)))
    finished, *others = told()
    assert isinstance(finished, e.IntentChanged)
    assert finished.intent.state is model.IntentState.DONE
    assert others == [e.RoomChanged(row=room), e.AlarmRaised(alarm=alarm)]
    assert told() == []
    for store in (writes, reads):
        store.close()


# ---- the command line


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A profile with two rooms, which never connects."""
    made = Home(tmp_path / "home")
    made.path.mkdir(mode=0o700)
    profile = create_profile(made, create_key_file(made.key_file))
    rooms = (ROOM, type(ROOM)(b"o" * 16))
    encoded = x.message().encoded
    for room, title in zip(rooms, ("Phishing wave", "Ransom"), strict=True):
        profile.store.commit((e.PutRoom(row=model.RoomRow(room=room, status=model.RoomStatus.OPEN, title=title)),))
    rows = [
        replace(said(number, f"phishing number {number}"), encoded=encoded, accepted_at_ms=1) for number in (1, 2, 3)
    ]
    put(profile.store, rows[0], rows[1], replace(rows[2], room=rooms[1]))
    profile.close()
    return made.path


def test_search_shows_what_fits_room_by_room_newest_first(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["search", "phish", "--offline", "--home", str(home)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "in Ransom"
    assert ["number 3" in lines[1], "Phishing wave" in lines[2], "number 2" in lines[3], "number 1" in lines[4]] == [
        True
    ] * 4
    assert main(["search", "phish", "--room", "Phishing wave", "--limit", "1", "--offline", "--home", str(home)]) == 0
    shown = capsys.readouterr()
    assert "number 2" in shown.out
    assert "Phishing wave" not in shown.out
    before = shown.err.strip().rpartition("--before ")[2]
    assert main(["search", "phish", "--before", before, "--json", "--offline", "--home", str(home)]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["text"], one["excerpt"], one["spans"]) == ("phishing number 1", "phishing number 1", [[0, 8]])


@pytest.mark.parametrize("page", [1, 2, 500])
def test_read_shows_the_newest_and_reads_back_no_further_than_that(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr("amanah_client.cli.chat._PAGE", page)
    read: list[int] = []
    messages = Room.messages

    def counted(room: Room, **options: Any) -> list[Message]:  # noqa: ANN401 - as the method takes them
        found = messages(room, **options)
        read.append(len(found))
        return found

    monkeypatch.setattr(Room, "messages", counted)
    with_profile = open_profile(Home(home), lambda: "")
    put(
        with_profile.store,
        *(replace(said(number, f"number {number}"), encoded=x.message().encoded) for number in (4, 5)),
    )
    put(with_profile.store, replace(said(6, "on its way", placed=False), encoded=x.message().encoded))
    with_profile.close()
    assert main(["read", "Phishing wave", "--limit", "2", "--offline", "--home", str(home)]) == 0
    assert ["number 5" in line or "on its way" in line for line in capsys.readouterr().out.splitlines()] == [True, True]
    assert sum(read) <= max(2, page)
    assert main(["read", "Phishing wave", "--limit", "9", "--offline", "--home", str(home)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert main(["read", "Phishing wave", "--after", "1", "--limit", "2", "--offline", "--home", str(home)]) == 0
    assert ["number 2" in capsys.readouterr().out.splitlines()[0]] == [True]


def test_search_says_when_nothing_fits_and_refuses_what_it_cannot_ask(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", "nothing like it", "--offline", "--home", str(home)]) == 0
    assert capsys.readouterr() == ("", "nothing fits\n")
    for words in (
        ["search", "room:"],
        ["search", "x", "--limit", "0"],
        ["search", "label:purple"],
        ["search", "--hard"],
    ):
        assert main([*words, "--offline", "--home", str(home)]) == 2
        assert capsys.readouterr().err.startswith("amanah: ")
