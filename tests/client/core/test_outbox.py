"""The outbox: order, gates, refusals, and the bytes that are sent again."""

from __future__ import annotations

from typing import Any

import pytest

from amanah_client import actions, inputs, model
from amanah_client.core import gate, ways
from amanah_client.reasons import JOINED, Reason
from amanah_client.saying import saying
from amanah_protocol import frames
from amanah_protocol.content.task import TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.receipt import Receipt, sign_receipt, verify_receipt
from amanah_relay.quotas import RelayLimits
from tests.client.core.forge import push, room_of
from tests.client.core.rooms import create, invite, two
from tests.client.core.world import MA, SN, TN, Client, Stage, keep
from tests.relay.people import RELAY_KEY

DONE, QUEUED, FAILED, HELD = (
    model.IntentState.DONE,
    model.IntentState.QUEUED,
    model.IntentState.FAILED,
    model.IntentState.HELD,
)


def refuse(client: Client, code: str, *, times: int = 1, **fields: Any) -> list[frames.Publish]:  # noqa: ANN401 - frame fields
    """Refuse publishes in the relay's place; gives all that were sent."""
    sent: list[frames.Publish] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, frames.Publish):
            return [frame]
        sent.append(frame)
        if len(sent) > times:
            return [frame]
        refused = frames.Refused(request=frame.request, code=code, detail="no", **fields)
        client.peer.frames.append(refused)  # type: ignore[union-attr]  # it is connected
        return []

    client.outward = hook
    return sent


def test_a_publish_that_is_refused_for_now_is_sent_again_byte_for_byte(stage: Stage) -> None:
    a, b, room = two(stage)
    sent = refuse(a, "RATE", retry_after_ms=2_000)
    intent = a.say(room, "patience")
    assert intent.state is model.IntentState.SENT
    stage.wait(1_000)
    assert len(sent) == 1
    stage.wait(2_000)
    assert sent[0].items == sent[1].items
    assert a.intent(intent.id).state is DONE
    assert b.texts(room) == ["patience"]
    assert a.row(room).voids == ()


def test_without_a_time_the_pause_grows(stage: Stage) -> None:
    a, b, room = two(stage)
    sent = refuse(a, "STORE", times=3)
    a.say(room, "patience")
    stage.wait(20_000)
    assert len({frame.items for frame in sent}) == 1
    assert b.texts(room) == ["patience"]


@pytest.mark.parametrize("code", ["ROLE", "LABEL", "TOO_LARGE", "NOT_MEMBER", "MEMBERSHIP", "SUITE", "WHO KNOWS"])
def test_what_cannot_get_better_fails(stage: Stage, code: str) -> None:
    a, b, room = two(stage)
    refuse(a, code)
    intent = a.say(room, "never")
    assert intent.state is FAILED
    assert intent.code == (code if code != "WHO KNOWS" else "FRAME")
    assert a.say(room, "next").state is DONE
    assert b.texts(room) == ["next"]
    assert a.store.alarms == b.store.alarms == []
    assert [row for row in a.rows(room) if row.room_seq is None] == []


@pytest.mark.parametrize("code", ["STALE_EPOCH", "COUNTER", "BINDING", "AUDIENCE", "CLOCK"])
def test_what_was_right_at_the_wrong_moment_is_sealed_anew(stage: Stage, code: str) -> None:
    a, b, room = two(stage)
    sent = refuse(a, code, time_ms=stage.relay.now_ms)
    counter = a.row(room).counter
    intent = a.ask(saying(room, Text(text="again"), label=Label.AMBER))
    stage.run()
    if code in ("STALE_EPOCH", "AUDIENCE"):
        assert a.intent(intent).state is QUEUED
        room_of(a, room).stale_epoch = None  # as if the commit that ended it had come
    stage.wait(4_000)
    assert a.intent(intent).state is DONE
    first, second = decode_envelope(sent[0].items[0].envelope), decode_envelope(sent[1].items[0].envelope)
    assert (first.header.counter, second.header.counter) == (counter + 1, counter + 2)
    assert second.header.voids == (counter + 1,)
    assert second.header.previous == first.header.previous
    assert b.texts(room) == ["again"]
    assert a.store.alarms == b.store.alarms == []


def test_a_message_sealed_anew_keeps_its_message_id(stage: Stage) -> None:
    a, b, room = two(stage)
    refuse(a, "COUNTER")
    intent = a.say(room, "again")
    stage.wait(4_000)
    assert b.rooms_content(room)[-1].message_id == bytes.fromhex(intent.id)


def test_a_message_that_is_refused_again_and_again_is_given_up(stage: Stage) -> None:
    a, _b, room = two(stage)
    refuse(a, "COUNTER", times=99)
    intent = a.say(room, "never")
    stage.wait(90_000)
    assert a.intent(intent.id).state is FAILED
    assert a.intent(intent.id).code == "COUNTER"
    assert len(a.row(room).voids) <= 16


def test_only_the_refused_item_of_a_publish_fails(stage: Stage) -> None:
    a, b, room = two(stage)
    a.disconnect()
    intents = [a.ask(saying(room, Text(text=f"number {n}"), label=Label.AMBER)) for n in range(3)]
    refuse(a, "LABEL", position=1)
    a.connect()
    stage.run()
    assert [a.intent(intent).state for intent in intents] == [DONE, FAILED, DONE]
    assert b.texts(room) == ["number 0", "number 2"]
    assert b.store.alarms == []


def test_counters_are_never_used_up_by_refusals(stage: Stage) -> None:
    a, _b, room = two(stage)
    room_of(a, room).change(voids=tuple(range(100, 117)))
    assert gate.blocked_in(a.core._ctx, room_of(a, room)).code == "COUNTER"  # type: ignore[union-attr]  # noqa: SLF001 - what is tested


def test_a_relay_that_delivers_and_then_refuses_is_an_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    a.toward = lambda frame: (
        [frames.Refused(frame.accepted[0].request, "LABEL", "no")] if isinstance(frame, frames.Stored) else [frame]
    )
    request: list[int] = []

    def swap(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Stored):
            request.append(frame.accepted[0].request)
            return []
        if isinstance(frame, frames.Delivery):
            return [frame, frames.Refused(request[0], "LABEL", "no")]
        return [frame]

    a.toward = swap
    a.say(room, "both")
    assert a.codes() == ["RECEIPT"]
    assert b.texts(room) == ["both"]
    a.disconnect()
    a.toward = None
    a.connect()
    stage.run()
    assert a.row(room).in_flight is None


def forge_receipt(client: Client, **changes: Any) -> None:  # noqa: ANN401 - receipt or frame fields
    """Change the receipts that a client gets; they are signed by the relay's real key."""

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, frames.Stored):
            return [frame]
        receipt = verify_receipt(frame.receipt, RELAY_KEY.public).value
        fields = {name: getattr(receipt, name) for name in Receipt.__slots__}
        own = {name: value for name, value in changes.items() if name in fields}
        accepted = frame.accepted[0]
        theirs = {name: getattr(accepted, name) for name in accepted.__struct_fields__}
        other = {name: value for name, value in changes.items() if name in theirs and name not in own}
        return [
            frames.Stored(
                receipt=changes.get("receipt") or sign_receipt(Receipt(**(fields | own)), RELAY_KEY),
                accepted=(frames.Accepted(**(theirs | other)),),
            )
        ]

    client.toward = hook


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"receipt": b"\xd2\x80"}, "MALFORMED"),
        ({"indices": ()}, "RECEIPT"),
        ({"indices": (0,)}, "RECEIPT"),
        ({"sequences": ()}, "RECEIPT"),
        ({"accepted_at_ms": 1}, "RECEIPT"),
        ({"leaves": (bytes(32),)}, "RECEIPT"),
        ({"sequences": (2,)}, "RECEIPT"),
        ({"request": 999}, "FRAME"),
    ],
)
def test_a_receipt_has_to_hold(stage: Stage, changes: dict[str, Any], code: str) -> None:
    a, _b, room = two(stage)
    forge_receipt(a, **changes)
    a.say(room, "promised")
    assert code in a.codes() or "BAD_TYPE" in a.codes()
    alarm = a.store.alarms[0]
    assert alarm.evidence


def test_a_receipt_that_names_another_entry_is_found_when_that_is_delivered(stage: Stage) -> None:
    a, _b, room = two(stage)
    forge_receipt(a, leaves=(bytes(32),))
    intent = a.say(room, "promised")
    assert intent.state is DONE
    assert a.codes() == ["RECEIPT"]


def test_a_receipt_that_comes_after_the_delivery_is_held_against_it(stage: Stage) -> None:
    a, _b, room = two(stage)
    held: list[frames.Frame] = []

    def late(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Stored):
            held.append(frame)
            return []
        return [frame]

    a.toward = late
    intent = a.say(room, "promised")
    assert intent.state is model.IntentState.SENT
    assert a.rows(room)[-1].state is model.MessageState.STORED
    push(a, *held)
    assert a.intent(intent.id).state is DONE
    assert a.store.alarms == []


def test_a_relay_that_acknowledges_and_logs_another_entry_is_found(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    invite(a, room, c)
    stored: list[frames.Frame] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Stored):
            stored.append(frame)
            accepted = frame.accepted[0]
            return [
                frames.Stored(
                    frame.receipt,
                    (
                        frames.Accepted(
                            accepted.request, accepted.indices, (accepted.sequences[0] + 1,), accepted.accepted_at_ms
                        ),
                    ),
                )
            ]
        return [frame]

    a.toward = hook
    a.say(room, "mine")
    a.toward = None
    b.say(room, "in its place")
    assert stored
    assert a.codes() == ["RECEIPT"]


# ---- the circle


def test_what_was_written_for_a_smaller_circle_is_held(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    b.disconnect()
    intent = b.ask(saying(room, Text(text="between us"), label=Label.AMBER))
    counts = b.ask(actions.ReportCounts(room=room, accepted=1, merged=0, dropped=0))
    invite(a, room, c)
    b.connect()
    stage.run()
    held = b.intent(intent)
    assert (held.state, held.code) == (HELD, "STALE_EPOCH")
    assert SN in held.detail
    assert held.reasons == (Reason(why=JOINED, organisations=(SN,)),)
    assert b.intent(counts).state is DONE
    assert c.texts(room) == []
    b.give(inputs.Asked(intent=held))
    stage.run()
    assert (b.intent(intent).state, b.intent(intent).reasons) == (DONE, ())
    assert c.texts(room) == ["between us"]


def test_what_was_in_flight_for_a_smaller_circle_is_held_when_it_is_refused(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    held: list[frames.Frame] = []
    b.outward = keep(held, frames.Publish)
    intent = b.ask(saying(room, Text(text="between us"), label=Label.AMBER))
    stage.run()
    invite(a, room, c)
    assert b.intent(intent).state is model.IntentState.SENT
    b.restart()
    b.outward = None
    b.connect()
    stage.run()
    assert b.intent(intent).state is HELD
    assert SN in b.intent(intent).detail
    assert b.intent(intent).reasons == (Reason(why=JOINED, organisations=(SN,)),)
    assert c.texts(room) == []
    b.give(inputs.Withdrawn(intent=intent))
    assert (b.intent(intent).state, b.intent(intent).reasons) == (FAILED, ())


def test_what_was_accepted_before_the_circle_widened_is_done(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    stored: list[frames.Frame] = []

    def late(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Stored):
            stored.append(frame)
            return []
        return [frame]

    b.toward = late
    intent = b.ask(saying(room, Text(text="in time"), label=Label.AMBER))
    stage.run()
    invite(a, room, c)
    b.toward = None
    push(b, *stored)
    assert (b.intent(intent).state, b.intent(intent).code) == (DONE, "")
    assert c.texts(room) == []


def test_a_machine_holds_nothing(stage: Stage) -> None:
    a, bot = stage.online("A"), stage.online("bot", role=Role.BOT)
    room = create(a)
    invite(a, room, bot)
    bot.disconnect()
    intent = bot.ask(saying(room, Text(text="alarm"), label=Label.AMBER))
    invite(a, room, stage.online("C", of=SN))
    bot.connect()
    stage.run()
    assert bot.intent(intent).state is DONE


def test_a_device_of_an_organisation_that_is_in_holds_nothing(stage: Stage) -> None:
    a, b, room = two(stage)
    b.disconnect()
    intent = b.ask(saying(room, Text(text="to all"), label=Label.AMBER))
    invite(a, room, stage.online("A2", of=TN))
    b.connect()
    stage.run()
    assert b.intent(intent).state is DONE


# ---- gates


def test_nothing_goes_to_a_revoked_member_and_it_is_removed_first(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    invite(a, room, c)
    stage.submit(a, LeafType.REVOCATION, stage.relay.nations[MA].revoke(b.device.id))
    stage.wait(5_000)
    assert b.peer is None
    assert a.say(room, "without them").state is DONE
    group = room_of(a, room).group
    assert group is not None
    assert set(group.members) == {a.device.id, c.device.id}
    assert c.texts(room) == ["without them"]
    assert a.store.alarms == c.store.alarms == []


def test_removal_duty_is_the_first_officers_and_the_next_ones_two_seconds_later(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    bot = stage.online("bot", of=SN, role=Role.BOT)
    invite(a, room, c, bot)
    for client in (a, b, c, bot):
        client.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    stage.submit(c, LeafType.REVOCATION, stage.relay.nations[MA].revoke(b.device.id))
    stage.tick(500)
    assert a.row(room).in_flight is not None
    assert c.row(room).in_flight is None
    assert c.say(room, "blocked").code == "REVOKED"
    stage.wait(2_500, step_ms=500)
    assert c.row(room).in_flight is not None
    assert bot.row(room).in_flight is None
    a.outward = c.outward = bot.outward = None
    for client in (a, c, bot):
        client.disconnect()
        client.connect()
    stage.wait(8_000)
    assert a.say(room, "all well").state is DONE
    assert [client.store.alarms for client in (a, c, bot)] == [[], [], []]


def test_a_wrong_clock_sends_nothing_and_costs_no_counter(stage: Stage) -> None:
    a, b, room = two(stage)
    counter = a.row(room).counter
    a.disconnect()
    a.clock_ms = 3_600_000
    a.connect()
    stage.run()
    intent = a.say(room, "from the future")
    assert (intent.state, intent.code) == (QUEUED, "CLOCK")
    assert a.row(room).counter == counter
    a.disconnect()
    a.clock_ms = 0
    a.connect()
    stage.run()
    assert a.intent(intent.id).state is DONE
    assert b.texts(room) == ["from the future"]


def test_a_clock_that_the_relay_refuses_is_an_alarm(stage: Stage) -> None:
    a, _b, room = two(stage)
    refuse(a, "CLOCK", time_ms=stage.relay.now_ms + 3_600_000)
    intent = a.say(room, "hello")
    stage.wait(3_000)
    assert a.codes() == ["CLOCK"]
    assert (a.intent(intent.id).state, a.intent(intent.id).code) == (QUEUED, "CLOCK")


def test_a_clock_refusal_without_a_time_is_sealed_anew(stage: Stage) -> None:
    a, b, room = two(stage)
    refuse(a, "CLOCK")
    a.say(room, "hello")
    stage.wait(4_000)
    assert b.texts(room) == ["hello"]
    assert a.store.alarms == []


def test_an_expired_certificate_sends_nothing(stage: Stage) -> None:
    a, _b, room = two(stage)
    a.clock_ms = 91 * 86_400_000
    a.core._ctx.session.skew_ms = 0  # noqa: SLF001 - the clock itself is right
    a.core._ctx.control.fresh_at_ms += a.clock_ms  # noqa: SLF001 - and the heads are fresh
    intent = a.say(room, "too late")
    assert (intent.state, intent.code) == (QUEUED, "EXPIRED")


def test_a_device_that_is_not_in_the_log_sends_nothing(stage: Stage) -> None:
    a = stage.online("A")
    a.core._ctx.directory.devices.clear()  # noqa: SLF001 - as before its certificate was delivered
    intent = a.do(actions.CreateRoom(title="x", ceiling=Label.AMBER, classical=True))
    assert (intent.state, intent.code) == (QUEUED, "CERTIFICATE")


def test_an_epoch_whose_end_is_withheld_is_an_alarm(stage: Stage) -> None:
    a, _b, room = two(stage)
    refuse(a, "STALE_EPOCH", times=99)
    intent = a.say(room, "stuck")
    stage.wait(59_000)
    assert a.store.alarms == []
    stage.wait(5_000)
    assert a.codes() == ["GAP"]
    assert a.intent(intent.id).state is QUEUED


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (lambda room: saying(room, Text(text="\U0001f6a8" * 60_000), label=Label.AMBER), "TOO_LARGE"),
        (lambda room: saying(room, Text(text="x"), label=Label.RED), "LABEL"),
        (lambda room: actions.PostAlerts(room=room, source_name="s", alerts=(), label=Label.AMBER), "TOO_LARGE"),
        (lambda room: actions.EraseMessages(room=room, envelopes=()), "BAD_TYPE"),
        (lambda room: actions.ReportCounts(room=room, accepted=-1, merged=0, dropped=0), "BAD_TYPE"),
    ],
)
def test_what_no_relay_would_take_fails_without_a_counter(stage: Stage, action: Any, code: str) -> None:  # noqa: ANN401 - a function of the room
    a, _b, room = two(stage)
    counter = a.row(room).counter
    intent = a.do(action(room))
    assert (intent.state, intent.code) == (FAILED, code)
    assert a.row(room).counter in (counter, counter + 1)
    assert a.say(room, "fine").state is DONE


def test_a_bot_that_may_only_post_alerts_joins_without_a_profile(stage: Stage) -> None:
    a = stage.online("A")
    bot = stage.online("bot", role=Role.BOT, machine=MachineLimits(kinds=(Kind.ALERT,)))
    room = create(a)
    invite(a, room, bot)
    assert bot.store.alarms == []
    assert bot.say(room, "x").code == "ROLE"
    assert bot.row(room).in_flight is None


@pytest.mark.parametrize("is_checked", [True, False])
def test_a_bots_word_for_its_nation_is_not_sealed(
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    is_checked: bool,  # noqa: FBT001 - and the control
) -> None:
    a, bot = stage.online("A"), stage.online("bot", role=Role.BOT)
    room = create(a)
    invite(a, room, bot)
    asked = a.say(room, "who acts?").envelope
    assert asked is not None
    if not is_checked:
        monkeypatch.setattr(ways, "may_ask", lambda _role, _action: True)
    expected = (FAILED, "ROLE") if is_checked else (DONE, "")
    for action in (
        actions.Acknowledge(room=room, envelope=asked, grade=4),
        saying(room, TaskMoved(id=bytes(16), state=TaskState.DONE), label=Label.AMBER),
    ):
        intent = bot.do(action)
        assert (intent.state, intent.code) == expected
        assert a.do(action).state is DONE
    assert bot.say(room, "beacon").state is DONE


def test_a_bot_that_may_write_elsewhere_only_reports_nothing(stage: Stage) -> None:
    a = stage.online("A")
    bot = stage.online("bot", role=Role.BOT, machine=MachineLimits(rooms=(b"r" * 16,)))  # type: ignore[arg-type]  # any room
    room = create(a)
    invite(a, room, bot)
    stage.wait(35_000)
    assert bot.row(room).counter == 0
    assert bot.store.alarms == []


def test_large_messages_are_split_over_publishes(stage: Stage) -> None:
    a, b, room = two(stage)
    a.disconnect()
    texts = [f"{n}" + "x" * 60_000 for n in range(5)]
    for text in texts:
        a.ask(saying(room, Text(text=text), label=Label.AMBER))
    a.connect()
    stage.run()
    assert b.texts(room) == texts
    assert a.store.alarms == []


def test_rates_of_the_relay_slow_a_burst_and_lose_nothing() -> None:
    stage = Stage(RelayLimits(officer_per_second=5, officer_burst=32))
    a, b, room = two(stage)
    a.disconnect()
    for number in range(60):
        a.ask(saying(room, Text(text=f"{number}"), label=Label.AMBER))
    a.connect()
    stage.wait(30_000, step_ms=500)
    assert b.texts(room) == [f"{number}" for number in range(60)]
    assert a.store.alarms == b.store.alarms == []


def test_an_intent_waits_for_its_room_to_be_known(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    b.disconnect()
    intent = b.ask(saying(room, Text(text="early"), label=Label.AMBER))
    a.do(actions.Invite(room=room, device=b.device.id))
    b.connect()
    stage.run()
    assert b.intent(intent).state is DONE
    assert a.texts(room) == ["early"]
