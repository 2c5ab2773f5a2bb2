"""Two nations at a real relay say all that can be said, and their boards come to the same."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from amanah_client.actions import EraseMessages
from amanah_client.effective import next_number
from amanah_client.erasing import corrections_from_here
from amanah_client.incident.board import Board
from amanah_client.language.errors import SpokenError
from amanah_client.model import Intent, IntentState, MessageState
from amanah_client.room import Room
from amanah_client.saying import Say, saying
from amanah_client.sdk import Client
from amanah_client.store.rows import decode_intent, encode_action, encode_intent
from amanah_protocol import cbor
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import RoomInfo, Said, encode_body
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, DecodeError, RefusedError, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.kinds import Grade, Kind, Outcome
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, PersonId, RoomId
from tests.client.test_sdk import Two, invited, joined, officers, until
from tests.end_to_end.nations import Nations

TN, MA = parse_organisation("cert.example.tn"), parse_organisation("cert.example.ma")
ELSEWHERE = parse_organisation("cert.example.sn")
NAME = bytes(16)
FAR_MS = 4_000_000_000_000


@pytest.fixture
async def two(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Two]:
    async with officers(nations, request.node.name) as made:
        yield made


async def test_what_two_nations_say_comes_to_the_same_board_with_both(two: Two) -> None:
    async def ours(body: Said) -> EnvelopeId:
        found = (await two.ours.send(body)).envelope
        assert found is not None
        await until(lambda: found in two.theirs.board().messages)
        return found

    async def theirs(body: Said) -> EnvelopeId:
        found = (await two.theirs.send(body)).envelope
        assert found is not None
        await until(lambda: found in two.ours.board().messages)
        return found

    asked = await ours(Text(text="Who sees this?", asks=Grade.ACTING))
    answer = await theirs(Text(text="We do.", reply_to=asked))
    await two.theirs.acknowledge(asked, Grade.ACTING)
    await ours(Reaction(message=answer, sign="👀"))
    corrected = await theirs(Correction(message=answer, text="We do, since 06:40."))
    await ours(Incident(title="Phishing wave", severity=Severity.HIGH, status=Status.TRIAGE))
    await ours(Task(id=NAME, what="Block the host", nation=MA))
    await theirs(TaskMoved(id=NAME, state=TaskState.TAKEN))
    proposed = await ours(
        Proposal(ordinal=1, what="Sinkhole it", object_until_ms=4_000_000_000_000, quorum=2, nations=(MA, TN))
    )
    for say in (ours, theirs):
        await say(Position(proposal=proposed, agrees=True))
    await theirs(Clock(id=NAME, nature=Nature.ACTION, what="Sinkhole it", at_ms=4_000_000_000_000))
    # Who came later does not have what stood there before.
    seen = set(two.theirs.board().messages)
    await until(lambda: since(two.ours.board(), seen) == since(two.theirs.board(), seen))
    board = two.theirs.board()
    assert board.messages[asked].replies == [answer]
    assert board.messages[asked].grades() == {MA: Grade.ACTING}
    assert board.messages[answer].corrected == corrected
    shown = two.theirs.board(about=(answer,))
    assert (shown.messages[answer], shown.tasks) == (board.messages[answer], board.tasks)
    assert set(two.theirs.entries(corrected, EnvelopeId(bytes(32)))) == {corrected}
    assert {(sign, nation) for sign, nation, _ in board.messages[answer].reactions} == {("👀", TN)}
    assert (board.standing.title, board.standing.status) == ("Phishing wave", Status.TRIAGE)
    assert board.tasks[NAME].state is TaskState.TAKEN
    assert board.proposals[1].is_carried
    assert board.clocks[NAME].by.organisation == MA
    assert board.without_effect == {}


async def test_what_is_said_waits_without_the_relay_and_goes_out_by_itself(two: Two, nations: Nations) -> None:
    nations.relay.stop()
    kept = await two.a.ask(two.ours.compose(Text(text="said while it was down")))
    nations.relay.start()
    done = await two.a.outcome(kept.id, 60)
    assert done.state is IntentState.DONE
    await until(lambda: done.envelope in two.theirs.board().messages)


async def test_who_erases_a_message_erases_its_corrections(two: Two) -> None:
    first = (await two.ours.send("at 14:00")).envelope
    assert first is not None
    second = (await two.ours.send(Correction(message=first, text="at 15:00"))).envelope
    await two.ours.erase(first)
    await until(lambda: two.theirs.messages(newest=True)[-1].kind is Kind.ERASE)
    assert [two.theirs.message(one.hex()).state for one in (first, second or first)] == [MessageState.ERASED] * 2


@pytest.fixture
async def three(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Room, Room, Room]]:
    """One room, as its owner has it, and as two devices of one person of another nation do."""
    title = request.node.name
    person = PersonId(title.encode()[-16:])
    homes = [
        nations.enrol(f"{name} of {title}", nation, called=name[0], subject=subject)
        for name, nation, subject in (("a", TN, None), ("b1", MA, person), ("b2", MA, person))
    ]
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(await Client.open(home)) for home in homes]
        for client in clients:
            await client.online()
        room = await clients[0].create_room(title, label=Label.AMBER)
        for client in clients[1:]:
            await invited(room, client.me)
        yield room, await joined(clients[1], title), await joined(clients[2], title)


def _stands(room: Room, entry: EnvelopeId) -> MessageState | None:
    found = room.entries(entry).get(entry)
    return None if found is None else found.state


async def test_what_another_device_of_its_author_sent_is_not_said_to_be_erased(
    three: tuple[Room, Room, Room],
) -> None:
    owner, first, second = three
    sent = (await first.send("at 14:00")).envelope
    assert sent is not None
    await until(lambda: _stands(second, sent) is MessageState.STORED)
    with pytest.raises(SpokenError) as refused:
        await second.erase(sent)
    assert (refused.value.code, "on that device" in refused.value.hint) == (Code.ROLE, True)
    # Without the check it goes into the record, and all of it stays with everybody.
    await second.client.do(EraseMessages(room=second.id, envelopes=(sent,)), 30)
    await until(lambda: owner.messages(newest=True)[-1].kind is Kind.ERASE)
    assert (_stands(owner, sent), _stands(second, sent)) == (MessageState.STORED,) * 2
    await second.send(Withdrawal(message=sent, reason="wrong"))
    await until(lambda: owner.board().messages[sent].withdrawn is not None)


async def test_a_message_is_erased_with_its_corrections_or_not_at_all(three: tuple[Room, Room, Room]) -> None:
    owner, first, second = three
    sent = (await first.send("at 14:00")).envelope
    assert sent is not None
    await until(lambda: _stands(second, sent) is MessageState.STORED)
    again = (await second.send(Correction(message=sent, text="at 15:00"))).envelope
    assert again is not None
    await until(lambda: _stands(first, again) is MessageState.STORED)
    refusals = []
    for device in (first, second):
        with pytest.raises(SpokenError) as refused:
            await device.erase(sent)
        refusals.append(re.findall("`amanah erase ROOM ([0-9a-f]+)`", refused.value.hint))
    # To the one the correction's device is named, to the other what it can do itself, and then the message's device.
    assert refusals == [[again.hex()[:12]], [again.hex()[:12], sent.hex()[:12]]]
    assert (corrections_from_here(first, sent), corrections_from_here(second, sent)) == ((), (again,))
    await second.erase(*corrections_from_here(second, sent))
    await until(lambda: _stands(first, again) is MessageState.ERASED)
    assert corrections_from_here(second, sent) == ()
    # What is erased already is nothing that would stay.
    assert first.erasing(sent).envelopes == (sent,)
    await first.erase(sent)
    await until(lambda: _stands(owner, sent) is MessageState.ERASED)


async def test_others_erase_nothing_and_an_officer_of_the_owner_anything(two: Two) -> None:
    ours, theirs = (await two.ours.send("ours")).envelope, (await two.theirs.send("theirs")).envelope
    assert ours is not None
    assert theirs is not None
    await until(lambda: None not in (_stands(two.theirs, ours), _stands(two.ours, theirs)))
    with pytest.raises(SpokenError) as refused:
        await two.theirs.erase(ours)
    assert (refused.value.code, TN in refused.value.hint) == (Code.ROLE, True)
    await two.ours.erase(theirs)
    await until(lambda: _stands(two.theirs, theirs) is MessageState.ERASED)


async def test_nothing_is_said_above_the_ceiling_of_the_room(two: Two) -> None:
    with pytest.raises(RefusedError) as refused:
        await two.ours.send(Text(text=""), label=Label.RED)
    assert refused.value.code is Code.LABEL


def test_what_waits_to_be_said_is_laid_down_and_found_again() -> None:
    say = saying(RoomId(NAME), Text(text="x", asks=Grade.READ), label=Label.AMBER)
    name, body = encode_action(say)
    row = encode_intent(intent_of(say))
    found = decode_intent(name, body, row).action
    assert found == say
    assert say.body == Text(text="x", asks=Grade.READ)


def test_what_nobody_says_is_not_said_either() -> None:
    number, value = encode_body(RoomInfo(title="x", description=""))
    say = replace(saying(RoomId(NAME), Text(text="x"), label=Label.AMBER), number=number, value=cbor.encode(value))
    with pytest.raises(DecodeError) as refused:
        _ = say.body
    assert refused.value.code is Code.BAD_TYPE


def since(board: Board, seen: set[EnvelopeId]) -> Board:
    """Without what is not seen by both."""
    return replace(board, messages={one: spoken for one, spoken in board.messages.items() if one in seen})


def intent_of(say: Say) -> Intent:
    return Intent(id="one", action=say, created_at_ms=1)


async def test_what_would_have_no_effect_is_refused_before_it_is_sent(two: Two) -> None:
    await two.ours.send(Task(id=NAME, what="Block the host", nation=MA))
    await two.ours.send(Proposal(ordinal=1, what="Sinkhole it", object_until_ms=FAR_MS, quorum=2, nations=(MA, TN)))
    await two.ours.send(Proposal(ordinal=2, what="Alone", object_until_ms=FAR_MS, quorum=1, nations=(MA,)))
    await two.ours.send(Proposal(ordinal=3, what="Over", object_until_ms=1, quorum=1, nations=(TN,)))
    said = (await two.ours.send("mine")).envelope
    assert said is not None
    await until(lambda: said in two.theirs.board().messages)
    proposals = two.theirs.board(about=()).proposals
    before = two.ours.row.head_seq
    for room, body, why in (
        (two.ours, TaskMoved(id=NAME, state=TaskState.REFUSED, reason="x"), f"asked of {MA}"),
        (two.ours, Position(proposal=proposals[2].id, agrees=True), "not among those that are asked"),
        (two.ours, Position(proposal=proposals[3].id, agrees=True), "the time to answer it is over"),
        (two.ours, Task(id=bytes(16), what="x", nation=ELSEWHERE), f"not in this room, .*: {ELSEWHERE}"),
        (
            two.ours,
            Proposal(ordinal=4, what="x", object_until_ms=FAR_MS, quorum=1, nations=(ELSEWHERE, TN)),
            f"not in this room, .*: {ELSEWHERE}",
        ),
        (two.theirs, Withdrawal(message=said, reason=""), "only who wrote it"),
        (two.theirs, Correction(message=said, text="x"), "only who wrote it"),
    ):
        with pytest.raises(UsageError, match=why) as error:
            room.compose(body)
        assert "nothing was sent" in error.value.detail
        assert error.value.hint
    assert two.ours.row.head_seq == before
    # Each of them by who may, or to whom it can be said.
    two.theirs.compose(TaskMoved(id=NAME, state=TaskState.REFUSED, reason="x"))
    two.theirs.compose(Position(proposal=proposals[2].id, agrees=True))
    two.ours.compose(Task(id=bytes(16), what="x", nation=MA))
    two.ours.compose(Withdrawal(message=said, reason=""))


async def test_the_proposal_of_who_came_later_is_the_same_for_all_and_is_decided(two: Two, nations: Nations) -> None:
    def propose(room: Room, what: str) -> Proposal:
        number = next_number(room, room.board(about=()).proposals)
        return Proposal(ordinal=number, what=what, object_until_ms=FAR_MS, quorum=1, nations=(MA, TN))

    def board(room: Room) -> dict[int, str]:
        return {number: of.proposal.what for number, of in room.board(about=()).proposals.items()}

    home = nations.enrol(f"c of {two.ours.title}"[:200], MA)
    async with await Client.open(home) as c:
        await c.online()
        for place, what in enumerate(("Sinkhole it", "Publish"), 1):
            asked = Proposal(ordinal=place, what=what, object_until_ms=FAR_MS, quorum=1, nations=(MA, TN))
            await two.ours.send(asked)
        await invited(two.ours, c.me)
        late = await joined(c, two.ours.title)
        assert board(late) == {}
        said = (await late.send(propose(late, "Call the press"))).envelope
        await until(lambda: said in two.ours.board().messages)
        (number,) = board(late)
        assert board(two.ours) == {1: "Sinkhole it", 2: "Publish", number: "Call the press"}
        # Who has read all of it goes on counting; who came later, behind whatever stands there.
        assert propose(two.ours, "x").ordinal == 4
        assert propose(late, "x").ordinal == late.row.head_seq + 1
        assert propose(two.theirs, "x").ordinal == two.theirs.row.head_seq + 1
        await two.ours.send(propose(two.ours, "Meet"))
        assert said is not None
        for room in (two.ours, late):
            await until(lambda room=room: said in room.board().messages)  # type: ignore[misc]  # a default binds it
            last = (await room.send(Position(proposal=said, agrees=True))).envelope
        await until(lambda: last in late.board().messages)
        await until(lambda: len(late.board(about=()).proposals[number].agreeing) == 2)
        decided = await c.do(late.decision(number), 20)
        await until(lambda: decided.envelope in two.ours.board().messages)
        for room in (two.ours, late):
            assert room.board().proposals[number].outcome is Outcome.ADOPTED
            assert room.board().without_effect == {}


async def test_a_decision_is_recorded_when_it_can_be_and_once(two: Two) -> None:
    await two.ours.send(Proposal(ordinal=1, what="Sinkhole it", object_until_ms=FAR_MS, quorum=1, nations=(MA, TN)))
    proposed = two.ours.board(about=()).proposals[1].id
    await two.ours.send(Position(proposal=proposed, agrees=True))
    with pytest.raises(UsageError, match=f"not all have said where they stand: {MA}"):
        two.ours.decision(1)
    await until(lambda: 1 in two.theirs.board(about=()).proposals)
    sent = (await two.theirs.send(Position(proposal=proposed, agrees=True))).envelope
    await until(lambda: sent in two.ours.board().messages)
    await two.a.do(two.ours.decision(1), 20)
    with pytest.raises(UsageError, match="recorded already"):
        two.ours.decision(1)
    with pytest.raises(UsageError, match="recorded already"):
        two.ours.compose(Position(proposal=proposed, agrees=False, reason="x"))
    assert two.ours.board().without_effect == {}


async def test_a_nation_that_does_not_own_the_room_is_told_at_once_whom_to_ask(two: Two, nations: Nations) -> None:
    nations.relay.stop()
    try:
        with pytest.raises(UsageError, match=f"{TN} owns this room") as error:
            two.theirs.invitation(ELSEWHERE)
        assert f"@{TN}" in error.value.hint
        two.theirs.invitation(MA)
        two.ours.invitation(ELSEWHERE)
    finally:
        nations.relay.start()
