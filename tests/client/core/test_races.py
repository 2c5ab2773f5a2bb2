"""Lost races: others change the room first, again and again; nothing that was asked for is given up for it."""

from __future__ import annotations

import pytest

from amanah_client import actions, inputs, model
from amanah_client.core import answers, commits
from amanah_client.core.context import Place, Spoken
from amanah_client.core.outbox import NAME_VOIDS
from amanah_client.saying import saying
from amanah_protocol import frames, kinds
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.limits import MAX_VOIDS
from amanah_protocol.types import RoomId
from amanah_relay.quotas import RelayLimits
from tests.client.core.forge import push, room_of
from tests.client.core.rooms import create, invite, two
from tests.client.core.test_outbox import refuse
from tests.client.core.world import MA, SN, TN, Client, Stage

DONE, QUEUED, HELD, SENT = (
    model.IntentState.DONE,
    model.IntentState.QUEUED,
    model.IntentState.HELD,
    model.IntentState.SENT,
)
LOSSES = 50
CHURN = RelayLimits(
    room_commits_per_second=100, room_commits_burst=100, device_commits_per_minute=6_000, device_commits_burst=6_000
)


def change_room(client: Client, room: RoomId) -> None:
    """The client moves the room to the next epoch, whatever else it was about to do."""
    while client.receive():
        pass
    ctx = client.core._ctx  # noqa: SLF001 - a commit that nobody asked for
    commits.commit(ctx, room_of(client, room), packages={}, removes=(), intent=None)
    step = ctx.finish()
    client.store.commit(step.writes)
    for effect in step.effects:
        data = getattr(effect, "data", None)
        if data is not None and client.peer is not None:
            client.peer.send_bytes(data)
    while client.receive():
        pass


def overtake(client: Client, by: Client, room: RoomId, times: int) -> list[int]:
    """Let another commit just before each publish that seals something; gives the counters of those that lost."""
    lost: list[int] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Publish) and len(lost) < times:
            header = decode_envelope(frame.items[0].envelope).header
            if header.kind not in kinds.HEADER_ONLY:
                change_room(by, room)
                lost.append(header.counter)
        return [frame]

    client.outward = hook
    return lost


def wait_until(stage: Stage, client: Client, intent: str, state: model.IntentState, seconds: int) -> int:
    """Let time pass until an intent is in a state; gives how many seconds that took."""
    for second in range(seconds):
        if client.intent(intent).state is state:
            return second
        assert client.intent(intent).state in (QUEUED, SENT), client.intent(intent)
        stage.tick()
    raise AssertionError(client.intent(intent))


def alert(text: str) -> Alert:
    return Alert(
        source="suricata",
        dedupe_id=text,
        observed_at_ms=1,
        severity=Severity.LOW,
        title=text,
        category="trojan",
        signature_id="1",
        original=text.encode(),
        original_hash=sha256(text.encode()),
    )


def test_an_alert_that_loses_fifty_races_is_posted_all_the_same() -> None:
    stage = Stage(CHURN)
    a, b = stage.online("A"), stage.online("B", of=MA)
    bot = stage.online("bot", role=Role.BOT)
    room = create(a)
    invite(a, room, b, bot)
    stage.wait(40_000)
    lost = overtake(bot, b, room, LOSSES)
    action = actions.PostAlerts(room=room, source_name="eve", alerts=(alert("beacon"),), label=Label.AMBER)
    intent = bot.ask(action)
    stage.run()
    wait_until(stage, bot, intent, DONE, 3_600)
    assert len(lost) == LOSSES
    assert len(set(lost)) == LOSSES
    assert len([row for row in a.rows(room, Kind.ALERT) if row.content]) == 1
    assert max(len(decode_envelope(row.encoded).header.voids) for row in bot.rows(room)) <= MAX_VOIDS
    assert [client.store.alarms for client in (a, b, bot)] == [[], [], []]


def test_a_commit_that_loses_fifty_races_is_rebased_and_made_all_the_same() -> None:
    stage = Stage(CHURN)
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    stage.wait(40_000)
    lost = overtake(a, b, room, LOSSES)
    intent = a.ask(actions.Invite(room=room, device=c.device.id))
    stage.run()
    wait_until(stage, a, intent, DONE, 3_600)
    assert len(lost) == LOSSES
    assert c.row(room).status is model.RoomStatus.OPEN
    assert c.say(room, "here").state is DONE
    assert [client.store.alarms for client in (a, b, c)] == [[], [], []]


def test_what_lost_a_race_is_shown_as_queued_while_it_waits() -> None:
    stage = Stage(CHURN)
    a, b, room = two(stage)
    overtake(a, b, room, 3)
    intent = a.ask(saying(room, Text(text="soon"), label=Label.AMBER))
    stage.run()
    assert (a.intent(intent).state, a.intent(intent).code) == (QUEUED, "")
    wait_until(stage, a, intent, DONE, 60)
    assert b.texts(room) == ["soon"]


def test_the_first_race_that_a_message_loses_costs_it_no_pause() -> None:
    stage = Stage(CHURN)
    a, b, room = two(stage)
    overtake(a, b, room, 1)
    assert a.say(room, "at once").state is DONE
    assert b.texts(room) == ["at once"]


def test_the_span_of_the_pause_doubles_up_to_a_bound(stage: Stage) -> None:
    a, _b, room = two(stage)
    ctx, held = a.core._ctx, room_of(a, room)  # noqa: SLF001 - what is tested
    ctx.random = lambda length: b"\xff" * length  # a draw at the far end of the span, or near it
    a.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    a.say(room, "x")
    assert held.row.in_flight is not None
    pauses = []
    for held.lost_in_a_row in range(1, 12):
        draws = [0]
        for draw in range(0, 2**32, 2**26 + 12_345):
            ctx.random = lambda _, draw=draw: draw.to_bytes(4, "big")  # type: ignore[misc]  # a default binds it
            draws.append(answers._pause_behind(ctx, held, held.row.in_flight, lost=True, again=True))  # noqa: SLF001 - what is tested
        pauses.append(max(draws))
    assert pauses[0] == 0
    assert pauses[1:] == sorted(pauses[1:])
    assert answers.LONGEST_RACE_MS // 2 < pauses[-1] < answers.LONGEST_RACE_MS


def test_voids_are_named_before_they_are_too_many(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(80_000)
    held = room_of(a, room)
    first = held.row.counter + 1
    held.change(counter=held.row.counter + NAME_VOIDS, voids=tuple(range(first, first + NAME_VOIDS)))
    assert a.say(room, "behind it").state is DONE
    named = [row for row in b.rows(room) if decode_envelope(row.encoded).header.voids]
    assert [row.kind for row in named] == [Kind.DELIVERED]
    assert a.store.alarms == b.store.alarms == []


def test_one_void_less_is_not_named_by_itself(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(40_000)
    held = room_of(a, room)
    first = held.row.counter + 1
    held.change(counter=held.row.counter + NAME_VOIDS - 1, voids=tuple(range(first, first + NAME_VOIDS - 1)))
    assert a.say(room, "with them").state is DONE
    named = [row for row in b.rows(room) if decode_envelope(row.encoded).header.voids]
    assert [row.kind for row in named] == [Kind.MESSAGE]


def test_a_report_that_lost_is_made_again(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.wait(40_000)
    b.say(room, "news")
    sent = refuse(a, "AUDIENCE")
    stage.wait(40_000)
    assert len(sent) == 1
    room_of(a, room).stale_epoch = None  # as if the commit that changed the members had come
    stage.wait(40_000)
    assert [decode_envelope(frame.items[0].envelope).header.kind for frame in sent[:2]] == [Kind.DELIVERED] * 2
    assert a.store.alarms == b.store.alarms == []


def test_a_device_whose_counters_are_used_up_says_so_and_keeps_what_it_was_asked(stage: Stage) -> None:
    a, _b, room = two(stage)
    first = room_of(a, room).row.counter + 1
    held = room_of(a, room)
    held.change(counter=held.row.counter + MAX_VOIDS, voids=tuple(range(first, first + MAX_VOIDS)))
    held.change(delivered_at_ms=0)
    refuse(a, "AUDIENCE")
    intent = a.ask(saying(room, Text(text="never"), label=Label.AMBER))
    stage.run()
    room_of(a, room).stale_epoch = None
    stage.wait(2_000)
    assert (a.intent(intent).state, a.intent(intent).code) == (QUEUED, "COUNTER")
    assert a.codes() == ["COUNTER"]


@pytest.mark.parametrize("hint", [1, 2**62])
def test_a_relay_makes_nobody_wait_longer_than_ten_minutes(stage: Stage, hint: int) -> None:
    a, b, room = two(stage)
    refuse(a, "RATE", retry_after_ms=hint)
    a.say(room, "patience")
    stage.wait(601_000)
    assert b.texts(room) == ["patience"]


# ---- the circle


def test_what_is_for_those_present_alone_is_held_when_another_person_joins(stage: Stage) -> None:
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    room = create(a, Label.RED)
    invite(a, room, b)
    b.disconnect()
    red = b.ask(saying(room, Text(text="for you"), label=Label.RED))
    strict = b.ask(saying(room, Text(text="for your nation"), label=Label.AMBER_STRICT))
    a2 = stage.online("A2", of=TN)
    invite(a, room, a2)
    b.connect()
    stage.run()
    assert (b.intent(red).state, b.intent(red).code) == (HELD, "STALE_EPOCH")
    assert TN in b.intent(red).detail
    assert b.intent(strict).state is DONE
    assert a2.texts(room) == ["for your nation"]


def test_what_is_for_those_present_alone_is_sent_when_nobody_joins(stage: Stage) -> None:
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    room = create(a, Label.RED)
    invite(a, room, b)
    b.disconnect()
    red = b.ask(saying(room, Text(text="for you"), label=Label.RED))
    change_room(a, room)
    b.connect()
    stage.run()
    assert b.intent(red).state is DONE


def test_who_was_out_for_a_while_holds_what_it_wrote_before_others_joined(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    b.disconnect()
    intent = b.ask(saying(room, Text(text="between us"), label=Label.AMBER))
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    invite(a, room, c)
    invite(a, room, b)
    b.connect()
    stage.run()
    assert b.row(room).status is model.RoomStatus.OPEN
    assert b.intent(intent).state is HELD
    assert SN in b.intent(intent).detail
    assert c.texts(room) == []


def test_who_was_out_for_a_while_sends_what_it_wrote_for_the_same_circle(stage: Stage) -> None:
    a, b, room = two(stage)
    b.disconnect()
    intent = b.ask(saying(room, Text(text="between us"), label=Label.AMBER))
    a.do(actions.Remove(room=room, devices=(b.device.id,)))
    invite(a, room, b)
    b.connect()
    stage.run()
    assert b.intent(intent).state is DONE
    assert a.texts(room) == ["between us"]


@pytest.mark.parametrize("shown", ["nobody", "those who were there", "all"])
def test_what_is_asked_for_behind_a_commit_is_held_where_its_author_was_shown_a_smaller_circle(
    stage: Stage, shown: str
) -> None:
    """The commit is taken in first, as where it waited before what was asked for: nothing in the line is widened."""
    a, b, room = two(stage)
    before = tuple(sorted((a.device.id, b.device.id)))
    c = stage.online("C", of=SN)
    invite(a, room, c)
    stage.run()
    circle = {"nobody": (), "those who were there": before, "all": (*before, c.device.id)}[shown]
    intent = b.ask(saying(room, Text(text="between us"), label=Label.AMBER, circle=circle))
    stage.run()
    # Without what was shown nothing is known of it, and it goes to whoever is there.
    assert c.texts(room) == ([] if shown == "those who were there" else ["between us"])
    if shown == "those who were there":
        assert b.intent(intent).state is HELD
        assert SN in b.intent(intent).detail
        b.give(inputs.Asked(intent=b.intent(intent)))  # the officer releases it
        stage.run()
        assert c.texts(room) == ["between us"]


@pytest.mark.parametrize("shown", ["those who were there", "all"])
def test_what_was_asked_for_while_no_core_ran_is_held_as_what_is_asked_for_behind_a_commit(
    stage: Stage, shown: str
) -> None:
    """Another process took the commit in and ended before it saw what a program without a connection laid down."""
    a, b, room = two(stage)
    before = tuple(sorted((a.device.id, b.device.id)))
    c = stage.online("C", of=SN)
    invite(a, room, c)
    stage.run()
    circle = before if shown == "those who were there" else (*before, c.device.id)
    say = saying(room, Text(text="between us"), label=Label.AMBER, circle=circle)
    b.store.intents["laid down"] = model.Intent(id="laid down", action=say, created_at_ms=stage.relay.now_ms)
    b.restart()
    b.connect()
    stage.run()
    assert c.texts(room) == ([] if shown == "those who were there" else ["between us"])
    if shown == "those who were there":
        assert b.intent("laid down").state is HELD
        assert SN in b.intent("laid down").detail


def test_what_was_released_is_not_held_again_by_a_restart(stage: Stage) -> None:
    a, b, room = two(stage)
    before = tuple(sorted((a.device.id, b.device.id)))
    c = stage.online("C", of=SN)
    invite(a, room, c)
    stage.run()
    intent = b.ask(saying(room, Text(text="between us"), label=Label.AMBER, circle=before))
    b.disconnect()
    b.give(inputs.Asked(intent=b.intent(intent)))
    assert b.intent(intent).state is QUEUED
    b.restart()
    b.connect()
    stage.run()
    assert c.texts(room) == ["between us"]


# ---- what was found on the way


def test_an_introduction_that_does_not_fit_is_the_first_of_the_next_publish(stage: Stage) -> None:
    a, b, room = two(stage)
    room_of(a, room).bodies = [Text(text="1" * 60_000), Text(text="2" * 60_000), Text(text="3")]
    stage.wait(3_000)
    assert [text[0] for text in b.texts(room)] == ["1", "2", "3"]


def test_a_relay_fills_no_memory_with_stocks_of_suites_that_nobody_has(stage: Stage) -> None:
    a, _b, _room = two(stage)
    before = dict(a.core._ctx.session.stock)  # noqa: SLF001 - what must not grow
    push(a, *(frames.Stock(suite=suite, left=3) for suite in range(100)))
    assert a.core._ctx.session.stock == before  # noqa: SLF001 - as above


def test_what_was_to_be_disclosed_is_forgotten_with_the_wish(stage: Stage) -> None:
    a, _b, room = two(stage)
    a.say(room, "for the court")
    row = a.rooms_content(room)[-1]
    a.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    a.say(room, "stands in the way")
    intent = a.ask(actions.Disclose(room=room, envelope=row.envelope, recipient="court"))
    stage.wait(2_000)
    a.core._ctx.spoken[intent] = {Place(room, row.envelope): Spoken(row=row)}  # noqa: SLF001 - as the store's answer leaves it
    a.give(inputs.Withdrawn(intent=intent))
    assert a.core._ctx.spoken == {}  # noqa: SLF001 - as above
