"""A message is asked for, and sent again by one of us: each check, and that alone."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Any

import pytest
from msgspec import structs

from amanah_client import actions, model
from amanah_client.core import repair, resend
from amanah_client.core.batch import Batch
from amanah_client.model import Cause, Mending
from amanah_client.saying import saying
from amanah_protocol import frames, kinds
from amanah_protocol.content.bodies import PastMessage, Repair
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import ZERO_32, EnvelopeId, RoomId
from tests.client.core.forge import delivery, header_of, message, push, room_of, signed
from tests.client.core.mending import answers, ask, missing, repairs, spoiled, three, unread
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, TN, Client, Stage

UNREADABLE, STORED, ERASED = model.MessageState.UNREADABLE, model.MessageState.STORED, model.MessageState.ERASED


# ---- one message, asked for by hand


def test_a_message_that_was_in_the_audience_is_sent_again(stage: Stage) -> None:
    """The control of all that follow."""
    a, a2, b, room = three(stage)
    row = unread(stage, a, a2, b, room)
    assert (row.cause, row.code) == (Cause.CORRUPTED, "GAP")
    stage.wait(70_000)
    assert a2.texts(room) == ["the words"]
    (mended,) = [row for row in a2.rows(room) if row.mending is Mending.DONE]
    assert (mended.state, mended.cause, mended.code, mended.repaired_by) == (STORED, None, "", a.device.id)
    assert mended.key == next(row.key for row in a.rows(room) if row.envelope == mended.envelope)
    # The words stand in one place only, where an erasure finds them.
    assert not any(row.content for client in (a, a2) for row in client.rows(room, Kind.REPAIR))


def test_content_that_was_changed_on_its_way_is_fetched_again(stage: Stage) -> None:
    _a, a2, b, room = three(stage)

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery) and decode_envelope(frame.envelope).header.kind is Kind.MESSAGE:
            return [structs.replace(frame, content=b"changed")]
        return [frame]

    a2.toward = hook
    b.say(room, "fetched by its name")
    assert a2.texts(room) == ["fetched by its name"]
    assert a2.codes() == []
    assert repairs(b, room) == []


def test_a_content_that_is_wrong_again_is_judged_and_not_fetched_for_ever(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    fetches: list[frames.Frame] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        fetches.extend([frame] if isinstance(frame, frames.FetchContent) else [])
        return [frame]

    a2.outward = hook
    unread(stage, a, a2, b, room)
    assert len(fetches) == 1
    assert a2.codes() == ["GAP"]


def ask_for_what_was_before(stage: Stage, a: Client, b: Client, room: RoomId) -> None:
    """A device that comes later asks for what was said before its time."""
    b.say(room, "before its time")
    earlier = b.rows(room, Kind.MESSAGE)[-1].envelope
    late = stage.online("A3", of=TN)
    invite(a, room, late)
    ask(late, room, earlier)
    stage.wait(10_000)


def test_a_device_that_was_not_in_the_audience_is_sent_nothing(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    ask_for_what_was_before(stage, a, b, room)
    assert answers(b, room) == []
    assert room_of(a, room).owed == room_of(a2, room).owed == {}


def test_without_that_check_it_would_be(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "was_in", lambda *_: True)
    a, _a2, b, room = three(stage)
    ask_for_what_was_before(stage, a, b, room)
    assert answers(b, room) == [a.device.id]


def test_what_was_said_while_it_was_removed_is_not_sent_to_who_came_back(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    a.do(actions.Remove(room=room, devices=(a2.device.id,)))
    b.say(room, "while it was out")
    between = b.rows(room, Kind.MESSAGE)[-1].envelope
    invite(a, room, a2)
    ask(a2, room, between)
    stage.wait(10_000)
    assert answers(b, room) == []


def both_out(stage: Stage) -> tuple[Client, Client, Client, RoomId, EnvelopeId]:
    """A and A2 are out, A first; B speaks when A is back and A2 is not; then A2 is back too."""
    a, a2, b, room = three(stage)
    a3 = stage.online("A3", of=TN)
    invite(a, room, a3)
    a3.do(actions.Remove(room=room, devices=(a.device.id,)))
    a3.do(actions.Remove(room=room, devices=(a2.device.id,)))
    a3.ask(actions.Invite(room=room, device=a.device.id))
    stage.wait(60_000)
    b.say(room, "while A2 was out")
    assert a.texts(room)[-1] == "while A2 was out"
    between = b.rows(room, Kind.MESSAGE)[-1].envelope
    a3.ask(actions.Invite(room=room, device=a2.device.id))
    stage.wait(70_000)
    assert a2.row(room).status is model.RoomStatus.OPEN
    return a, a2, b, room, between


def test_who_was_out_itself_does_not_hold_others_for_members_that_left_meanwhile(stage: Stage) -> None:
    _a, a2, b, room, between = both_out(stage)
    ask(a2, room, between)
    stage.wait(15_000)
    assert answers(b, room) == []


def test_without_the_end_of_all_times_at_its_own_it_would(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "_end", lambda *_: None)
    a, a2, b, room, between = both_out(stage)
    ask(a2, room, between)
    stage.wait(15_000)
    assert a.device.id in answers(b, room)


@pytest.mark.parametrize("holds", [True, False])
def test_a_commit_that_is_not_followed_begins_nobodys_time(
    stage: Stage,
    holds: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Its header alone would: one that a member signed and nobody could follow, say with a gap before it."""
    a, _a2, b, room = three(stage)
    late = stage.online("A3", of=TN)
    commit = kinds.Commit(added=(late.device.id,), removed=())
    if holds:
        invite(a, room, late)
    else:
        header = header_of(b, room, commit, counter=room_of(b, room).row.counter + 2)
        push(a, delivery(a, signed(header, b"sealed", b.device.key), b"sealed"))
        assert a.rows(room, Kind.COMMIT)[-1].state is UNREADABLE
    assert resend.was_in(room_of(a, room), late.device.id, a.row(room).head_seq + 1) is holds


def test_another_organisations_request_is_not_answered(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    a.say(room, "known to all")
    known = a.rows(room, Kind.MESSAGE)[-1].envelope
    ask(b, room, known)
    stage.wait(10_000)
    assert answers(a, room) == []
    # The control: the same, asked by one of us.
    ask(a2, room, known)
    stage.wait(10_000)
    assert answers(b, room) == [a.device.id]


def test_a_strangers_request_is_refused_and_costs_nothing(stage: Stage) -> None:
    a, _a2, b, room = three(stage)
    stranger = stage.online("stranger", of=TN)
    known = b.rows(room, Kind.MESSAGE)[-1].envelope
    request = kinds.Repair(envelopes=(known,), addressees=())
    header = structs.replace(
        header_of(b, room, request), kid=stranger.device.id, counter=1, previous=EnvelopeId(ZERO_32)
    )
    push(a, delivery(a, signed(header, b"", stranger.device.key), b""))
    assert a.rows(room, Kind.REPAIR)[-1].code == "NOT_MEMBER"
    assert a.rows(room, Kind.REPAIR)[-1].cause is Cause.SENDER_AT_FAULT
    assert room_of(a, room).owed == {}


def test_red_is_sent_again_by_its_authors_device_alone(stage: Stage) -> None:
    a, a2, b, room = three(stage, Label.RED)
    foreign = unread(stage, a, a2, b, room, Label.RED)
    stage.wait(70_000)
    assert answers(b, room) == []
    assert missing(a2, room)[0].envelope == foreign.envelope
    stage.wait(60_000)
    a2.toward = spoiled(decode_envelope)
    a.say(room, "its own words", Label.RED)
    a2.toward = None
    stage.wait(70_000)
    assert answers(b, room) == [a.device.id]
    assert a2.texts(room) == ["its own words"]


def test_red_from_another_than_its_author_is_not_taken(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender's check is off: the receiver's stands by itself."""
    real = resend._may_have  # noqa: SLF001 - what is broken here
    monkeypatch.setattr(resend, "_may_have", lambda c, r, d, row: real(c, r, d, replace(row, label=Label.AMBER)))
    a, a2, b, room = three(stage, Label.RED)
    unread(stage, a, a2, b, room, Label.RED)
    stage.wait(70_000)
    assert answers(b, room) == [a.device.id]
    assert a2.texts(room) == []
    assert a2.codes() == ["GAP", "LABEL"]


@pytest.mark.parametrize("label", [Label.AMBER, Label.AMBER_STRICT])
def test_other_labels_are_sent_again_inside_the_organisation(stage: Stage, label: Label) -> None:
    a, a2, b, room = three(stage, Label.AMBER_STRICT)
    unread(stage, a, a2, b, room, label)
    stage.wait(70_000)
    assert a2.texts(room) == ["the words"]
    assert {row.label for row in a2.rows(room) if row.mending is Mending.DONE} == {label}


# ---- answers that do not hold


def answer(sender: Client, victim: Client, room: RoomId, item: PastMessage, **changes: Any) -> tuple[Any, bytes]:  # noqa: ANN401 - header fields
    """An answer by hand."""
    specific = kinds.Repair(envelopes=(item.envelope,), addressees=(victim.device.id,))
    fields: dict[str, Any] = {"specific": specific, "commitment": ZERO_32}
    return message(sender, room, Repair(items=(item,)), **(fields | changes))


def right(holder: Client, room: RoomId, envelope: EnvelopeId) -> PastMessage:
    """What a member has of a message."""
    row = holder.store.messages[room, envelope]
    return PastMessage(envelope=envelope, content=row.content, k=row.key)


def prepared(stage: Stage) -> tuple[Client, Client, Client, RoomId, PastMessage]:
    """A message that A2 cannot read and that A would send again; only what a test pushes comes."""
    a, a2, b, room = three(stage)
    row = unread(stage, a, a2, b, room)
    a2.disconnect()
    a2.restart()
    a2.peer = None
    return a, a2, b, room, right(a, room, row.envelope)


def test_an_answer_that_holds_is_taken(stage: Stage) -> None:
    a, a2, _b, room, item = prepared(stage)
    live(a2, room)
    push(a2, delivery(a2, *answer(a, a2, room, item)))
    assert a2.texts(room) == ["the words"]
    assert a2.codes() == ["GAP"]


def live(client: Client, room: RoomId) -> None:
    """As if it were connected: entries are pushed to it by hand."""
    client.connect()
    client.stage.run()
    room_of(client, room).row = replace(room_of(client, room).row, asked_at_ms=client.stage.relay.now_ms)


@pytest.mark.parametrize("part", ["content", "k"])
def test_an_answer_that_is_not_what_was_committed_to_is_refused_counted_and_asked_for_again(
    stage: Stage, part: str
) -> None:
    a, a2, _b, room, item = prepared(stage)
    live(a2, room)
    other = right(a, room, next(r.envelope for r in a.rooms_content(room) if r.envelope != item.envelope))
    wrong = replace(item, content=other.content) if part == "content" else replace(item, k=bytes(32))
    push(a2, delivery(a2, *answer(a, a2, room, wrong)))
    assert a2.texts(room) == []
    assert a2.codes() == ["GAP", "COMMITMENT"]
    (row,) = missing(a2, room)
    assert (row.mending, row.cause) == (Mending.WAITING, Cause.CORRUPTED)


def test_an_answer_of_another_organisation_is_none(stage: Stage) -> None:
    _a, a2, b, room, item = prepared(stage)
    live(a2, room)
    push(a2, delivery(a2, *answer(b, a2, room, item)))
    assert a2.texts(room) == []
    assert a2.codes() == ["GAP", "MEMBERSHIP"]
    assert a2.rows(room, Kind.REPAIR)[-1].cause is Cause.SENDER_AT_FAULT


def test_an_answer_that_holds_others_than_it_names_is_refused(stage: Stage) -> None:
    a, a2, _b, room, item = prepared(stage)
    live(a2, room)
    named = kinds.Repair(envelopes=(EnvelopeId(ZERO_32),), addressees=(a2.device.id,))
    push(a2, delivery(a2, *answer(a, a2, room, item, specific=named)))
    assert a2.texts(room) == []
    assert a2.codes() == ["GAP", "BINDING"]


def test_what_people_say_goes_before_what_a_colleague_asked_for(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    said = [f"{number} " + "x" * 60_000 for number in range(8)]
    for text in said:
        b.say(room, text)
    stage.wait(60_000)
    order: list[Kind] = []

    def out(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish):
            order.extend(decode_envelope(item.envelope).header.kind for item in frame.items)
            if order == [Kind.MESSAGE]:  # while it is on its way, and an answer is ready
                a.ask(saying(room, Text(text="urgent"), label=Label.AMBER))
        return [frame]

    room_of(a, room).retry_at_ms = 10**15
    ask(a2, room, *sorted(row.envelope for row in b.rows(room, Kind.MESSAGE)))
    a.ask(saying(room, Text(text="one more"), label=Label.AMBER))
    room_of(a, room).retry_at_ms = 0
    a.outward = out
    stage.wait(60_000)
    sent = [kind for kind in order if kind is not Kind.DELIVERED]
    assert sent[:2] == [Kind.MESSAGE, Kind.MESSAGE]
    assert sent.count(Kind.REPAIR) >= 4  # they all come, behind it
    assert b.texts(room)[-1] == "urgent"


@pytest.mark.parametrize("by", ["another", "its author"])
def test_a_message_id_that_another_uses_too_keeps_no_message_from_being_repaired(stage: Stage, by: str) -> None:
    """Only its author can, which is the control."""
    a, a2, b, room = three(stage)
    c = stage.online("C", of=MA)
    invite(a, room, c)
    row = unread(stage, a, a2, b, room)
    used = a.store.messages[room, row.envelope].message_id
    assert used is not None
    sender = c if by == "another" else b
    batch = Batch(sender.core._ctx, room_of(sender, room))  # noqa: SLF001 - as the outbox does
    body = Text(text="planted")
    batch.add_message(body, kinds.Message(), message_id=used, written_at_ms=0, label=Label.AMBER)
    batch.launch()
    stage.wait(70_000)
    assert sorted(a2.texts(room)) == (["planted", "the words"] if sender is c else ["planted"])


class Bad(StrEnum):
    """What is wrong with a colleague's answer."""

    OTHERS = "it holds another message than it names"
    CONTENT = "what it holds is not what was said"
    SEALED = "it does not open"
    WITHHELD = "its content does not come"


@pytest.mark.parametrize("bad", Bad)
def test_what_an_answer_names_and_does_not_bring_is_asked_for_again(stage: Stage, bad: Bad) -> None:
    """Its header alone tells the others that they owe nothing any more."""
    a, a2, b, room = three(stage)
    a3 = stage.online("A3", of=TN)
    invite(a, room, a3)
    row = unread(stage, a, a2, b, room)
    a.disconnect()
    room_of(a3, room).duty_at_ms = 10**15
    item = right(a3, room, row.envelope)
    held = right(a3, room, next(one.envelope for one in a3.rooms_content(room) if one.envelope != row.envelope))
    a3.disconnect()
    ask(a2, room, row.envelope)
    wrong = {Bad.OTHERS: held, Bad.CONTENT: replace(held, envelope=row.envelope)}.get(bad, item)
    specific = kinds.Repair(envelopes=(row.envelope,), addressees=(a2.device.id,))
    changes: dict[str, Any] = {"plaintext": b"x"} if bad is Bad.SEALED else {}
    envelope, sealed = answer(a3, a2, room, wrong, specific=specific, **changes)
    for client in (b, a2):
        push(client, delivery(client, envelope, None if bad is Bad.WITHHELD and client is a2 else sealed))
    stage.run()
    (row,) = missing(a2, room)
    assert (row.asked_at_ms, row.asks, row.mending) == (0, 1, Mending.WAITING)


def test_another_organisations_answer_has_nothing_asked_for_again(stage: Stage) -> None:
    """Else a stranger could have this device spend all that it asks."""
    _a, a2, b, room, item = prepared(stage)
    live(a2, room)
    ask(a2, room, item.envelope)
    push(a2, delivery(a2, *answer(b, a2, room, item)))
    assert a2.codes() == ["GAP", "MEMBERSHIP"]
    assert all(row.asked_at_ms for row in missing(a2, room))


def test_a_message_under_another_messages_name_is_refused(stage: Stage) -> None:
    """Content and k are right, for another place: the commitment binds them to author, room and counter."""
    a, a2, _b, room, item = prepared(stage)
    live(a2, room)
    a.say(room, "another")
    stage.run()
    other = right(a, room, a.rooms_content(room)[-1].envelope)
    push(a2, delivery(a2, *answer(a, a2, room, replace(other, envelope=item.envelope))))
    assert "the words" not in a2.texts(room)
    assert a2.codes()[:2] == ["GAP", "COMMITMENT"]


def test_what_is_not_missing_is_not_replaced(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    b.say(room, "read by all")
    row = a2.rooms_content(room)[-1]
    push(a2, delivery(a2, *answer(a, a2, room, replace(right(a, room, row.envelope), k=bytes(32)))))
    assert a2.store.messages[room, row.envelope] == row
    assert a2.codes() == []


def test_what_was_erased_is_not_brought_back(stage: Stage) -> None:
    a, a2, b, room, item = prepared(stage)
    live(a2, room)
    b.do(actions.EraseMessages(room=room, envelopes=(item.envelope,)))
    push(a2, delivery(a2, *answer(a, a2, room, item)))
    assert a2.store.messages[room, item.envelope].state is ERASED
    assert missing(a2, room) == []


# ---- the controls: what each check is for


def test_without_the_commitment_a_colleague_could_put_words_into_anybodys_mouth(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "check_commitment", lambda *_: None)
    a, a2, _b, room, item = prepared(stage)
    live(a2, room)
    a.say(room, "never said by B")
    other = right(a, room, a.rooms_content(room)[-1].envelope)
    a2.core._ctx.rooms[room].seen.clear()  # noqa: SLF001 - a message id of its own would do
    push(a2, delivery(a2, *answer(a, a2, room, replace(other, envelope=item.envelope))))
    (forged,) = [row for row in a2.rows(room) if row.envelope == item.envelope]
    assert (forged.state, forged.organisation) == (STORED, MA)


def test_without_the_organisation_another_nation_would_choose_what_is_read_when(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair, "_check_ours", lambda *_: None)
    _a, a2, b, room, item = prepared(stage)
    live(a2, room)
    push(a2, delivery(a2, *answer(b, a2, room, item)))
    assert a2.texts(room) == ["the words"]


def test_without_a_memory_each_request_would_be_answered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resend, "_was_sent", lambda *_: False)
    a, a2, b, room = three(stage)
    row = unread(stage, a, a2, b, room)
    for _ in range(5):
        ask(a2, room, row.envelope)
        stage.wait(3_000)
    assert answers(b, room) == [a.device.id] * 5


# ---- as few answers as there can be


def test_one_answers_and_the_others_stand_back(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    more = [stage.online(name, of=TN) for name in ("A3", "A4", "A5")]
    invite(a, room, *more)
    unread(stage, a, a2, b, room)
    stage.wait(80_000)
    assert len(answers(b, room)) == 1
    assert all(room_of(client, room).owed == {} for client in (a, *more))


def test_when_the_first_is_away_the_next_one_answers(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    a3 = stage.online("A3", of=TN)
    invite(a, room, a3)
    stage.wait(5_000)
    a.disconnect()
    unread(stage, a, a2, b, room)
    stage.wait(80_000)
    assert answers(b, room) == [a3.device.id]
    assert a2.texts(room)[-1] == "the words"


def test_the_same_request_again_and_again_is_answered_once(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    row = unread(stage, a, a2, b, room)
    for _ in range(20):
        ask(a2, room, row.envelope)
        stage.wait(3_000)
    assert answers(b, room) == [a.device.id]


def test_what_one_device_may_have_asked_for_is_bounded(stage: Stage) -> None:
    a, a2, _b, room = three(stage)
    room_of(a, room).owed[a2.device.id] = {EnvelopeId(n.to_bytes(32, "big")): None for n in range(resend.MAX_OWED)}
    room_of(a, room).owed_since[a2.device.id] = 10**15
    ask(a2, room, EnvelopeId(b"\xff" * 32))
    assert len(room_of(a, room).owed[a2.device.id]) == resend.MAX_OWED


def test_a_bot_of_the_organisation_sends_again_too(stage: Stage) -> None:
    a, a2, b = stage.online("A", of=TN), stage.online("bot", of=TN, role=Role.BOT), stage.online("B", of=MA)
    room = create(b)
    invite(b, room, a, a2)
    unread(stage, a2, a, b, room)
    stage.wait(70_000)
    assert a.texts(room)[-1] == "the words"
    assert answers(b, room) == [a2.device.id]


# ---- what does not fit


def test_what_does_not_fit_one_envelope_goes_into_several(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    said = [f"{number} " + "x" * 40_000 for number in range(5)]
    stage.wait(5_000)
    a2.toward = spoiled(decode_envelope)
    room_of(a2, room).change(asked_at_ms=stage.relay.now_ms)
    for text in said:
        b.say(room, text)
    a2.toward = None
    assert len(missing(a2, room)) == 5
    stage.wait(120_000)
    assert sorted(a2.texts(room)) == said
    assert answers(b, room) == [a.device.id] * 2
    assert room_of(a, room).owed == {}


def test_what_is_too_large_for_any_is_said_on_both_sides(stage: Stage) -> None:
    a, a2, b, room = three(stage)
    stage.wait(5_000)
    a2.toward = spoiled(decode_envelope)
    assert b.say(room, "\u00e9" * 65_400).state is model.IntentState.DONE
    a2.toward = None
    stage.wait(70_000)
    assert answers(b, room) == []
    assert "TOO_LARGE" in a.codes()
    assert room_of(a, room).owed == {}
    stage.relay.now_ms += repair.WAIT_MS
    stage.wait(5_000)
    assert missing(a2, room)[0].mending is Mending.UNANSWERED


def test_a_machine_that_may_not_write_here_asks_for_nothing_and_says_so(stage: Stage) -> None:
    limits = MachineLimits(rooms=(RoomId(b"x" * 16),), kinds=(), per_second=1)
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    bot = stage.online("bot", of=TN, role=Role.BOT, machine=limits)
    room = create(a)
    invite(a, room, bot, b)
    bot.toward = spoiled(decode_envelope)
    b.say(room, "the words")
    bot.toward = None
    stage.wait(70_000)
    assert repairs(b, room) == []
    assert "ROLE" in bot.codes()
    (row,) = missing(bot, room)
    assert (row.cause, row.mending) == (Cause.CORRUPTED, Mending.UNANSWERED)
