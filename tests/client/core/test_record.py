"""What a hostile relay delivers: kept and marked, alarmed, never shown; the record goes on behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.core.behind import KEPT_MS
from amanah_protocol import frames, kinds
from amanah_protocol.cbor import decode as decode_cbor
from amanah_protocol.content.bodies import AlertBatch, PastMessage, Profile, Repair, RoomInfo
from amanah_protocol.content.history import Grant, Granted
from amanah_protocol.content.sealed import View
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import Kind, MediaType
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import ZERO_32, EnvelopeId, RoomId
from tests.client.core.forge import K, delivery, header_of, leaf_of, message, push, room_of, signed
from tests.client.core.rooms import create, invite, two
from tests.client.core.test_machine import alert
from tests.client.core.world import MA, SN, TN, Client, Stage
from tests.relay.people import DAY_MS, key_of

Made = tuple[Envelope, bytes]
GRANT = Grant(
    log_size=1,
    log_root=ZERO_32,
    log_signature=bytes(64),
    items=(Granted(entry=b"", index=0, path=(), content=b"", k=K),),
)
UNREADABLE, STORED = model.MessageState.UNREADABLE, model.MessageState.STORED


def last(client: Client, room: RoomId) -> model.MessageRow:
    """The newest entry with a place."""
    return [row for row in client.rows(room) if row.room_seq is not None][-1]


def refused(victim: Client, room: RoomId, made: Made, cause: str, alarm: str | None = None, **changes: Any) -> None:  # noqa: ANN401 - frame fields
    """The entry is kept as unreadable for this cause, alarmed with evidence, and the record has moved on."""
    before = victim.row(room).head_seq
    push(victim, delivery(victim, *made, room=room, **changes))
    row = last(victim, room)
    assert (row.state, row.code, row.content, row.room_seq) == (UNREADABLE, cause, b"", before + 1)
    assert victim.codes() == [alarm or cause]
    assert victim.store.alarms[0].room == room
    assert decode_cbor(victim.store.alarms[0].evidence, max_bytes=100_000)
    assert victim.peer is not None


def unsigned(victim: Client, room: RoomId, made: Made, cause: str) -> None:
    """Nothing of the entry is kept but the alarm with its evidence, and the record has moved on."""
    before, rows = victim.row(room).head_seq, victim.rows(room)
    push(victim, delivery(victim, *made, room=room))
    assert (victim.row(room).head_seq, victim.rows(room)) == (before + 1, rows)
    assert victim.codes() == [cause]
    assert decode_cbor(victim.store.alarms[0].evidence, max_bytes=100_000)
    assert victim.peer is not None


def test_an_honest_message_made_by_hand_is_shown(stage: Stage) -> None:
    a, b, room = two(stage)
    push(a, delivery(a, *message(b, room)))
    assert a.texts(room) == ["forged"]
    assert (last(a, room).state, last(a, room).sender) == (STORED, b.device.id)
    assert a.store.alarms == []


def test_a_wrong_signature(stage: Stage) -> None:
    a, b, room = two(stage)
    envelope, sealed = message(b, room)
    unsigned(a, room, (signed(envelope.header, sealed, key_of("thief")), sealed), "SIGNATURE")


@pytest.mark.parametrize("part", range(16))
def test_a_flipped_bit_anywhere_in_an_envelope_is_never_shown(stage: Stage, part: int) -> None:
    a, b, room = two(stage)
    envelope, sealed = message(b, room)
    bit = len(envelope.encoded) * 8 * part // 16 + 3
    data = bytearray(envelope.encoded)
    data[bit // 8] ^= 1 << bit % 8
    head_seq = a.row(room).head_seq
    entry = delivery(a, envelope, sealed, envelope=bytes(data))
    push(a, entry)
    if a.row(room).head_seq == head_seq:  # an unknown sender is waited for once
        stage.run()
        push(a, entry)
    assert a.texts(room) == []
    assert a.store.alarms
    assert a.row(room).head_seq == head_seq + 1


def test_an_unknown_sender(stage: Stage) -> None:
    a, b, room = two(stage)
    stranger = stage.client("stranger", of=SN)
    envelope, sealed = message(b, room)
    made = signed(structs.replace(envelope.header, kid=stranger.device.id), sealed, stranger.device.key), sealed
    push(a, delivery(a, *made))
    stage.run()
    assert a.store.alarms == []
    unsigned(a, room, made, "CERTIFICATE")


def test_a_device_that_is_not_in_the_room(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    envelope, sealed = message(b, room, counter=1, previous=EnvelopeId(ZERO_32))
    made = signed(structs.replace(envelope.header, kid=c.device.id), sealed, c.device.key), sealed
    refused(a, room, made, "NOT_MEMBER")


def test_a_sender_whose_certificate_had_ended(stage: Stage) -> None:
    a, b, room = two(stage)
    refused(a, room, message(b, room), "EXPIRED", accepted_at_ms=stage.relay.now_ms + 91 * DAY_MS)


def test_a_sender_that_was_revoked_before(stage: Stage) -> None:
    a, b, room = two(stage)
    made = message(b, room)
    stage.submit(a, LeafType.REVOCATION, stage.relay.nations[MA].revoke(b.device.id))
    stage.tick()
    push(a, delivery(a, *made))
    assert (last(a, room).code, a.codes()) == ("REVOKED", ["REVOKED"])


def test_what_was_accepted_before_a_revocation_stays(stage: Stage) -> None:
    a, b, room = two(stage)
    a.outward = lambda frame: [] if isinstance(frame, frames.Publish) else [frame]
    stage.submit(a, LeafType.REVOCATION, stage.relay.nations[MA].revoke(b.device.id))
    push(a, delivery(a, *message(b, room), index=a.row(room).head_index + 1))
    assert a.texts(room) == ["forged"]
    assert a.store.alarms == []


def test_an_envelope_of_another_room(stage: Stage) -> None:
    a, b, room = two(stage)
    intent = b.do(actions.CreateRoom(title="other", ceiling=Label.AMBER, classical=True))
    assert intent.room is not None
    unsigned(a, room, message(b, intent.room), "BINDING")


def test_a_role_that_may_not_send_this_kind(stage: Stage) -> None:
    a, bot = stage.online("A"), stage.online("bot", role=Role.BOT)
    room = create(a)
    invite(a, room, bot)
    header = header_of(bot, room, kinds.Egress(envelope=EnvelopeId(ZERO_32), form="x", recipient="y"))
    refused(a, room, (signed(header, b"", bot.device.key), b""), "ROLE")


def test_a_machine_that_may_not_write_here(stage: Stage) -> None:
    a = stage.online("A")
    machine = MachineLimits(rooms=(RoomId(b"r" * 16),))
    bot = stage.online("bot", role=Role.BOT, machine=machine)
    room = create(a)
    a.do(actions.Invite(room=room, device=bot.device.id))
    refused(a, room, message(bot, room), "ROLE")


@pytest.mark.parametrize("ceiling", [Label.AMBER, Label.RED])
def test_a_label_above_the_ceiling_of_room_or_device(stage: Stage, ceiling: Label) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA, ceiling=ceiling)
    room = create(a, ceiling=Label.AMBER)
    invite(a, room, b)
    refused(a, room, message(b, room, label=Label.RED), "LABEL")


@pytest.mark.parametrize("step", [-1, 1])
def test_another_epoch(stage: Stage, step: int) -> None:
    a, b, room = two(stage)
    group = room_of(b, room).group
    assert group is not None
    refused(a, room, message(b, room, epoch=group.epoch + step), "BINDING")


def test_another_media_type(stage: Stage) -> None:
    a, b, room = two(stage)
    refused(a, room, message(b, room, specific=kinds.Alert(count=1), media_type=MediaType.ALERT_HPKE), "BINDING")


def test_another_audience(stage: Stage) -> None:
    a, b, room = two(stage)
    refused(a, room, message(b, room, audience=bytes(32)), "AUDIENCE")


def test_another_audience_of_an_entry_without_content(stage: Stage) -> None:
    a, b, room = two(stage)
    header = header_of(b, room, kinds.Counts(accepted=1, merged=0, dropped=0), audience=bytes(32))
    refused(a, room, (signed(header, b"", b.device.key), b""), "AUDIENCE")


def test_a_report_of_an_earlier_epoch_is_fine_when_its_audience_is(stage: Stage) -> None:
    a, b, room = two(stage)
    header = header_of(b, room, kinds.Delivered(room_seq=1), epoch=0)
    push(a, delivery(a, signed(header, b"", b.device.key)))
    assert last(a, room).state is STORED
    assert a.store.alarms == []


def refetched(victim: Client, room: RoomId) -> None:
    """As if the next content had been fetched once more already, in vain (`test_repair`)."""
    room_of(victim, room).refetched_seq = victim.row(room).head_seq + 1


def test_changed_content(stage: Stage) -> None:
    a, b, room = two(stage)
    envelope, sealed = message(b, room)
    refetched(a, room)
    refused(a, room, (envelope, sealed + b"x"), "CONTENT_HASH")


def test_withheld_content(stage: Stage) -> None:
    a, b, room = two(stage)
    refetched(a, room)
    refused(a, room, (message(b, room)[0], None), "GAP")  # type: ignore[arg-type]  # what is withheld


def test_content_that_may_be_kept_no_longer_leaves_a_tombstone(stage: Stage) -> None:
    a, b, room = two(stage)
    old, _ = message(b, room, sent_at_ms=stage.relay.now_ms - KEPT_MS)
    push(a, delivery(a, old, None, erased=True))
    assert last(a, room).state is model.MessageState.ERASED
    assert a.store.alarms == []


def test_content_sealed_for_another_header(stage: Stage) -> None:
    a, b, room = two(stage)
    refused(a, room, message(b, room, aad=bytes(32)), "BINDING")


def test_content_that_does_not_open(stage: Stage) -> None:
    a, b, room = two(stage)
    envelope, sealed = message(b, room)
    broken = sealed[:-1] + bytes([sealed[-1] ^ 1])
    refused(a, room, (signed(envelope.header, broken, b.device.key), broken), "OPEN")


def test_a_wrong_commitment(stage: Stage) -> None:
    a, b, room = two(stage)
    refused(a, room, message(b, room, committed=b"something else"), "COMMITMENT")


def test_another_size_class(stage: Stage) -> None:
    a, b, room = two(stage)
    refused(a, room, message(b, room, size_class=2), "BINDING")


def test_a_plaintext_that_is_not_canonical(stage: Stage) -> None:
    a, b, room = two(stage)
    refused(a, room, message(b, room, plaintext=bytes(512)), "NOT_CANONICAL")


def test_the_keys_of_a_message_that_failed_are_spent(stage: Stage) -> None:
    a, b, room = two(stage)
    before = a.row(room).keys
    refused(a, room, message(b, room, committed=b"something else"), "COMMITMENT")
    assert a.row(room).keys != before


@pytest.mark.parametrize(
    ("body", "specific"),
    [
        (Text(text="x"), kinds.Alert(count=1)),
        (AlertBatch(source="s", alerts=(alert(), alert())), kinds.Alert(count=1)),
        (AlertBatch(source="s", alerts=(alert(),)), kinds.Message()),
        (Text(text="x"), kinds.Grant(from_seq=1, to_seq=1, addressees=())),
        (Text(text="x"), kinds.Repair(envelopes=(EnvelopeId(K),), addressees=())),
        (GRANT, kinds.Message()),
        (Repair(items=(PastMessage(envelope=EnvelopeId(ZERO_32), content=b"", k=K),)), kinds.Message()),
    ],
)
def test_a_body_of_another_kind_than_the_header_says(stage: Stage, body: Any, specific: Any) -> None:  # noqa: ANN401 - bodies and kinds
    a, b, room = two(stage, of=TN)  # an answer of another organisation would not be opened
    if isinstance(specific, kinds.Grant | kinds.Repair):
        specific = replace(specific, addressees=(a.device.id,))
    changes: dict[str, Any] = {"commitment": ZERO_32} if isinstance(specific, kinds.Repair) else {}
    refused(a, room, message(b, room, body, specific=specific, **changes), "BINDING")


@pytest.mark.parametrize(
    ("body", "specific"),
    [
        (AlertBatch(source="s", alerts=(alert(),)), kinds.Alert(count=1)),
        (
            Repair(items=(PastMessage(envelope=EnvelopeId(K), content=b"", k=K),)),
            kinds.Repair(envelopes=(EnvelopeId(K),), addressees=()),
        ),
    ],
)
def test_kinds_with_their_own_bodies_are_kept(stage: Stage, body: Any, specific: Any) -> None:  # noqa: ANN401 - bodies and kinds
    a, b, room = two(stage, of=TN)
    if isinstance(specific, kinds.Repair):
        specific = replace(specific, addressees=(a.device.id,))
    changes: dict[str, Any] = {"commitment": ZERO_32} if isinstance(specific, kinds.Repair) else {}
    push(a, delivery(a, *message(b, room, body, specific=specific, **changes)))
    assert last(a, room).state is STORED
    # Others' words that are sent again do not stand here too: they would outlive an erasure.
    assert bool(last(a, room).content) != isinstance(body, Repair)
    assert a.store.alarms == []


def test_what_is_sent_again_to_others_is_no_message_that_cannot_be_read(stage: Stage) -> None:
    a, b, room = two(stage)
    body = GRANT
    specific = kinds.Grant(from_seq=1, to_seq=1, addressees=(b.device.id,))
    push(a, delivery(a, message(b, room, body, specific=specific)[0], None))
    assert (last(a, room).state, last(a, room).cause, last(a, room).content) == (STORED, None, b"")
    assert a.store.alarms == []


@pytest.mark.parametrize(("outside", "number"), [(Label.CLEAR, 2), (Label.AMBER, 0), (Label.AMBER, 99)])
def test_another_label_outside_than_sealed_is_refused_by_name_and_counted(
    stage: Stage, outside: Label, number: int
) -> None:
    a, b, room = two(stage)
    refused(a, room, message(b, room, label=outside, content={"label_number": number}), "LABEL")
    assert last(a, room).cause is model.Cause.LABEL_BROKEN
    assert last(a, room).mending is None


def test_an_unknown_sealed_label_counts_as_the_strictest(stage: Stage) -> None:
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    room = create(a, Label.RED)
    invite(a, room, b)
    push(a, delivery(a, *message(b, room, label=Label.RED, content={"label_number": 99})))
    assert (last(a, room).state, last(a, room).label) == (STORED, Label.RED)
    assert a.store.alarms == []


def test_a_message_that_came_before_is_kept_once(stage: Stage) -> None:
    a, b, room = two(stage)
    push(a, delivery(a, *message(b, room)))
    envelope = decode_envelope(last(a, room).encoded)
    push(a, delivery(a, *message(b, room, counter=envelope.header.counter + 1, previous=envelope.id)))
    assert a.texts(room) == ["forged"]
    assert a.codes() == ["REPLAY"]


def test_the_same_envelope_again(stage: Stage) -> None:
    a, b, room = two(stage)
    made = message(b, room)
    push(a, delivery(a, *made))
    push(a, delivery(a, *made))
    assert a.texts(room) == ["forged"]
    assert last(a, room).state is STORED
    assert a.codes() == ["REPLAY"]


def test_an_own_envelope_again(stage: Stage) -> None:
    a, _b, room = two(stage)
    a.say(room, "mine")
    row = last(a, room)
    entry = delivery(a, decode_envelope(row.encoded), b"")
    push(a, entry)
    assert a.texts(room) == ["mine"]
    assert a.codes() == ["REPLAY"]
    assert a.row(room).status is model.RoomStatus.OPEN


def test_the_same_delivery_a_hundred_times(stage: Stage) -> None:
    a, b, room = two(stage)
    entry = delivery(a, *message(b, room))
    push(a, *[entry] * 100)
    assert a.texts(room) == ["forged"]
    assert a.store.alarms == []
    assert a.peer is not None


def test_a_missing_envelope_of_a_sender(stage: Stage) -> None:
    a, b, room = two(stage)
    counter = room_of(b, room).row.counter
    refused(a, room, message(b, room, counter=counter + 2), "GAP")
    following = message(
        b, room, counter=counter + 3, previous=decode_envelope(last(a, room).encoded).id, message_id=K[:16]
    )
    push(a, delivery(a, *following))
    assert last(a, room).state is STORED
    assert a.codes() == ["GAP"]


def test_voids_cover_what_was_refused(stage: Stage) -> None:
    a, b, room = two(stage)
    counter = room_of(b, room).row.counter
    push(a, delivery(a, *message(b, room, counter=counter + 3, voids=(counter + 1, counter + 2))))
    assert last(a, room).state is STORED
    assert a.store.alarms == []
    voided = message(b, room, counter=counter + 2, message_id=K[:16])
    refused(a, room, voided, "VOIDED_APPEARED")


def test_voids_that_name_what_stands_in_the_record(stage: Stage) -> None:
    a, b, room = two(stage)
    push(a, delivery(a, *message(b, room)))
    counter = room_of(b, room).row.counter
    before = room_of(b, room).row.last_id
    made = message(b, room, counter=counter + 2, previous=before, voids=(counter + 1,), message_id=K[:16])
    refused(a, room, made, "VOIDED_APPEARED")


def test_a_sender_that_continues_another_record(stage: Stage) -> None:
    a, b, room = two(stage)
    refused(a, room, message(b, room, previous=EnvelopeId(K)), "FORK")


def test_a_sender_who_saw_another_record_of_the_room(stage: Stage) -> None:
    a, b, room = two(stage)
    view = View(log_size=0, log_root=ZERO_32, log_signature=b"", room_seq=a.row(room).head_seq, room_head=K)
    push(a, delivery(a, *message(b, room, content={"view": view})))
    assert last(a, room).state is STORED
    assert a.codes() == ["FORK"]


def test_a_sender_who_saw_the_future(stage: Stage) -> None:
    a, b, room = two(stage)
    view = View(log_size=0, log_root=ZERO_32, log_signature=b"", room_seq=a.row(room).head_seq + 1, room_head=K)
    push(a, delivery(a, *message(b, room, content={"view": view})))
    assert a.codes() == ["FORK"]


def test_an_entry_that_is_no_envelope_is_alarmed_and_passed_over(stage: Stage) -> None:
    a, b, room = two(stage)
    before = len(a.rows(room))
    push(a, delivery(a, message(b, room)[0], envelope=b"\xd2\x00"))
    assert len(a.codes()) == 1
    assert len(a.rows(room)) == before
    push(a, delivery(a, *message(b, room)))
    assert a.texts(room) == ["forged"]


def test_a_room_that_was_not_asked_for_ends_the_connection(stage: Stage) -> None:
    a, b, room = two(stage)
    entry = delivery(a, *message(b, room), room=None)
    values = {name: getattr(entry, name) for name in entry.__struct_fields__} | {"room": b"r" * 16}
    push(a, frames.Delivery(**values))
    assert a.codes() == ["FRAME"]
    assert a.peer is None


def test_a_profile_of_the_sender_is_taken(stage: Stage) -> None:
    a, b, room = two(stage)
    a.store.profiles.clear()
    push(a, delivery(a, *message(b, room, Profile(encoded=b.store.base.profile))))
    assert a.store.profiles == [b.store.base.profile]


@pytest.mark.parametrize("whose", ["nobody", "forged", "garbage"])
def test_a_profile_that_does_not_hold_is_an_alarm(stage: Stage, whose: str) -> None:
    a, b, room = two(stage)
    a.store.profiles.clear()
    stranger = stage.client("stranger", of=MA)
    profile = {
        "nobody": stranger.store.base.profile,
        "forged": b.store.base.profile[:-1] + bytes([b.store.base.profile[-1] ^ 1]),
        "garbage": b"x",
    }[whose]
    push(a, delivery(a, *message(b, room, Profile(encoded=profile))))
    assert a.store.profiles == []
    assert a.codes() == [{"nobody": "BINDING", "forged": "SIGNATURE", "garbage": "MALFORMED"}[whose]]


@pytest.mark.parametrize(("role", "title"), [(Role.OFFICER, "renamed"), (Role.BOT, "Phishing wave")])
def test_only_officers_name_the_room(stage: Stage, role: Role, title: str) -> None:
    a, b = stage.online("A"), stage.online("B", role=role)
    room = create(a)
    invite(a, room, b)
    push(a, delivery(a, *message(b, room, RoomInfo(title="renamed", description=""))))
    assert a.row(room).title == title


def test_a_refusal_of_another_member_is_an_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    header = header_of(b, room, kinds.Refuse(commit=EnvelopeId(K), code="OPEN"))
    push(a, delivery(a, signed(header, b"", b.device.key)))
    assert a.codes() == ["REFUSED_COMMIT"]
    assert a.row(room).status is model.RoomStatus.OPEN


def test_a_member_erases_only_its_own(stage: Stage) -> None:
    a, b, room = two(stage)
    own = b.say(room, "mine").envelope
    other = a.say(room, "yours").envelope
    assert own is not None
    assert other is not None
    header = header_of(b, room, kinds.Erase(envelopes=tuple(sorted((own, other)))))
    push(a, delivery(a, signed(header, b"", b.device.key)))
    assert a.texts(room) == ["yours"]


def test_the_owners_officers_erase_anything(stage: Stage) -> None:
    a, b, room = two(stage)
    other = b.say(room, "yours").envelope
    assert other is not None
    assert a.do(actions.EraseMessages(room=room, envelopes=(other,))).state is model.IntentState.DONE
    assert a.texts(room) == b.texts(room) == []


def test_the_leaf_hashes_are_the_logs(stage: Stage) -> None:
    a, _b, room = two(stage)
    held = room_of(a, room)
    logged = {entry.room_seq: entry.hash for entry in stage.relay.store.entries if entry.room == room}
    assert {seq: known.leaf for seq, known in held.known.items()} == logged
    entry = delivery(a, message(a, room)[0])
    assert leaf_of(entry).room == room


def test_evidence_is_written_with_the_alarm(stage: Stage) -> None:
    a, b, room = two(stage)
    push(a, delivery(a, *message(b, room, audience=bytes(32))))
    alarm = a.store.alarms[0]
    assert decode_cbor(alarm.evidence, max_bytes=100_000)
    assert any(isinstance(effect, e.AlarmRaised) and effect.alarm == alarm for effect in a.effects)


def test_every_kind_of_an_officer_has_a_row(stage: Stage) -> None:
    a, b, room = two(stage)
    specifics: list[Callable[[], kinds.Specific]] = [
        lambda: kinds.Decision(ordinal=1, outcome=kinds.Outcome.ADOPTED, nations=()),
        lambda: kinds.Relabel(envelope=EnvelopeId(K), old=Label.AMBER, new=Label.GREEN),
        lambda: kinds.Egress(envelope=EnvelopeId(K), form="x", recipient="y"),
        lambda: kinds.IntakeKey(public_key=bytes(32), expires_ms=1),
    ]
    counter, previous = room_of(b, room).row.counter, room_of(b, room).row.last_id
    for make in specifics:
        counter += 1
        envelope = signed(header_of(b, room, make(), counter=counter, previous=previous), b"", b.device.key)
        push(a, delivery(a, envelope))
        previous = envelope.id
        assert last(a, room).state is STORED
    assert a.store.alarms == []
    assert {row.kind for row in a.rows(room)} >= {Kind.DECISION, Kind.RELABEL, Kind.EGRESS, Kind.INTAKE_KEY}


def test_three_members_have_one_record(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    invite(a, room, c)
    b.say(room, "x")
    records = [{(row.room_seq, row.envelope) for row in client.rows(room)} for client in (a, b, c)]
    assert records[0] >= records[1] >= records[2] - {min(records[2])}
