"""One world, one room with officers of two nations and a bot; each test breaks one thing only."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amanah_protocol import frames, kinds
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import Envelope, audience_digest, derive_room_id
from amanah_protocol.errors import MEANINGS, Code
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import (
    Ack,
    Alert,
    Commit,
    Counts,
    Create,
    Decision,
    Delivered,
    Egress,
    Erase,
    Grade,
    Grant,
    IntakeKey,
    Kind,
    MediaType,
    Message,
    Outcome,
    Refuse,
    Relabel,
    Repair,
    Specific,
    Welcome,
)
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import EnvelopeId, OrgName, RoomId
from amanah_relay.effects import Erasure
from amanah_relay.quotas import RelayLimits
from tests.relay.core.circle import ID, Circle, device_of
from tests.relay.people import DAY_MS, make_roster
from tests.relay.world import MA, SEALED, SN, TN, Peer, RoomModel, code_of


@pytest.fixture
def circle() -> Circle:
    """The room, as it stands at first."""
    return Circle()


def everything(circle: Circle) -> list[Specific]:
    """One of each kind that an officer can send into a room without more ado."""
    members = tuple(sorted(circle.room.members))
    return [
        Message(), Alert(count=3), Ack(grade=Grade.READ, envelope=ID), Delivered(room_seq=1),
        Grant(from_seq=1, to_seq=2, addressees=members[:1]), Erase(envelopes=(ID,)),
        Repair(envelopes=(ID,), addressees=members), Refuse(commit=ID, code="OPEN"),
        Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=(OrgName(TN),)),
        Relabel(envelope=ID, old=Label.RED, new=Label.AMBER), Egress(envelope=ID, form="pdf", recipient="ministry"),
        Counts(accepted=1, merged=0, dropped=0), IntakeKey(public_key=bytes(32), expires_ms=1), Commit(),
    ]  # fmt: skip


def test_an_officer_sends_every_kind(circle: Circle) -> None:
    for specific in everything(circle):
        circle.accept(circle.officer, circle.make(circle.officer, specific))
    circle.room.epoch += 1
    sent = {kinds.kind_of(specific) for specific in everything(circle)} | {Kind.CREATE, Kind.WELCOME}
    assert sent == set(Kind)
    circle.accept(circle.officer, circle.make(circle.officer, Message()))


def test_a_list_is_accepted_as_one(circle: Circle) -> None:
    made = [
        circle.make(circle.officer, Message()),
        circle.make(circle.officer, Counts(accepted=1, merged=0, dropped=0)),
    ]
    stored = circle.accept(circle.officer, *made)
    assert stored.accepted[0].sequences == (4, 5)
    assert circle.world.appends[-1].entries[-1].envelope == made[1].id


def test_a_list_is_refused_as_one_and_names_the_item(circle: Circle) -> None:
    good = circle.make(circle.officer, Message())
    bad = circle.make(circle.officer, Message(), audience=bytes(32))
    refused = circle.refusal(circle.officer, good, bad)
    assert (code_of(refused), refused.position) == (Code.AUDIENCE, 1)
    circle.accept(circle.officer, good)


def test_all_that_a_refused_list_had_changed_is_taken_back(circle: Circle) -> None:
    world, room = circle.world, circle.room
    new = world.new_room(device_of(circle.officer), nonce=bytes([9]) * 16)
    change = world.change(circle.officer, room, added=(device_of(circle.outsider),))
    bad = circle.make(circle.officer, Message(), label=Label.RED, audience=bytes(32))
    refused = circle.refusal(circle.officer, new.create, *change, bad)
    assert (code_of(refused), refused.position) == (Code.AUDIENCE, 3)
    circle.accept(circle.officer, new.create, *change)
    circle.accept(circle.officer, circle.make(circle.officer, Message()))


# ---- certificate, role, label


def test_a_revoked_device_is_refused_even_before_its_session_is_closed(circle: Circle) -> None:
    world = circle.world
    world.holding = True
    revocation = world.nations[TN].revoke(device_of(circle.bot).id)
    circle.officer.send(frames.Submit(request=50, type=LeafType.REVOCATION, object=revocation))
    circle.bot.publish(circle.make(circle.bot, Message()))
    assert code_of(circle.bot.refused()) is Code.REVOKED


def test_a_device_of_a_withdrawn_enrolment_key_is_refused(circle: Circle) -> None:
    world = circle.world
    world.holding = True
    withdrawal = world.nations[MA].withdraw_enrolment()
    circle.officer.send(frames.Submit(request=50, type=LeafType.REVOCATION, object=withdrawal))
    circle.guest.publish(circle.make(circle.guest, Message()))
    assert code_of(circle.guest.refused()) is Code.REVOKED


def test_a_device_of_an_organisation_that_left_the_roster_is_refused(circle: Circle) -> None:
    world = circle.world
    world.holding = True
    left = make_roster((world.nations[TN], world.nations[SN]), version=2)
    circle.officer.send(frames.Submit(request=50, type=LeafType.ROSTER, object=left.endorsed.encode()))
    circle.guest.publish(circle.make(circle.guest, Message()))
    assert code_of(circle.guest.refused()) is Code.CERTIFICATE


def test_an_expired_device_does_not_send() -> None:
    circle = Circle()
    circle.world.now_ms += 90 * DAY_MS - 60_000
    circle.accept(circle.officer, circle.make(circle.officer, Message()))
    circle.world.now_ms += 1
    assert circle.code(circle.officer, circle.make(circle.officer, Message())) is Code.EXPIRED


@pytest.mark.parametrize("specific", [Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=()), Erase(envelopes=(ID,))])
def test_a_bot_sends_only_what_bots_send(circle: Circle, specific: Specific) -> None:
    circle.accept(circle.bot, circle.make(circle.bot, Alert(count=1)))
    assert circle.code(circle.bot, circle.make(circle.bot, specific)) is Code.ROLE


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.WITNESS, Role.OPERATOR])
def test_who_is_no_member_by_role_sends_nothing(circle: Circle, role: Role) -> None:
    peer = circle.world.login(circle.world.certify("other", role))
    assert circle.code(peer, circle.make(peer, Message())) is Code.ROLE


def test_a_sensor_is_told_that_it_is_not_served(circle: Circle) -> None:
    sensor = circle.world.login(circle.world.certify("sensor", Role.SENSOR, machine=MachineLimits()))
    for media_type in (MediaType.ALERT_HPKE, MediaType.MLS):
        refused = circle.refusal(sensor, circle.make(sensor, Alert(count=1), media_type=media_type))
        assert code_of(refused) is Code.ROLE
        assert "not served" in refused.detail


def test_a_member_does_not_seal_to_an_intake_key(circle: Circle) -> None:
    made = circle.make(circle.bot, Alert(count=1), media_type=MediaType.ALERT_HPKE)
    assert circle.code(circle.bot, made) is Code.ROLE


def test_a_machine_keeps_to_the_kinds_and_rooms_of_its_certificate() -> None:
    alerts_only = Circle(machine=MachineLimits(kinds=(Kind.ALERT,)))
    assert alerts_only.code(alerts_only.bot, alerts_only.make(alerts_only.bot, Message())) is Code.ROLE
    elsewhere = Circle(machine=MachineLimits(rooms=(RoomId(bytes(16)),)))
    assert elsewhere.code(elsewhere.bot, elsewhere.make(elsewhere.bot, Alert(count=1))) is Code.ROLE
    here = Circle(machine=MachineLimits(rooms=(elsewhere.room.id,)))
    here.accept(here.bot, here.make(here.bot, Alert(count=1)))
    silent = Circle(machine=MachineLimits(per_second=0))
    assert silent.code(silent.bot, silent.make(silent.bot, Alert(count=1))) is Code.ROLE


def test_a_label_above_the_ceiling_of_the_device_is_refused(circle: Circle) -> None:
    world = circle.world
    low = world.login(world.certify("low", ceiling=Label.AMBER))
    room = world.open_room(circle.officer, nonce=bytes([2]) * 16, ceiling=Label.AMBER)
    world.commit(circle.officer, room, added=(device_of(low),))
    circle.accept(low, world.envelope(device_of(low), room, Message(), label=Label.AMBER))
    assert circle.code(low, world.envelope(device_of(low), room, Message(), label=Label.AMBER_STRICT)) is Code.LABEL


def test_a_label_above_the_ceiling_of_the_room_is_refused(circle: Circle) -> None:
    world = circle.world
    room = world.open_room(circle.officer, nonce=bytes([1]) * 16, ceiling=Label.AMBER)
    made = world.envelope(device_of(circle.officer), room, Message(), label=Label.AMBER)
    circle.accept(circle.officer, made)
    made = world.envelope(device_of(circle.officer), room, Message(), label=Label.AMBER_STRICT)
    assert circle.code(circle.officer, made) is Code.LABEL


# ---- clock


@pytest.mark.parametrize("away", [-600_000, 600_000])
def test_a_clock_is_at_most_ten_minutes_off(circle: Circle, away: int) -> None:
    now_ms = circle.world.now_ms
    circle.accept(circle.officer, circle.make(circle.officer, Message(), sent_at_ms=now_ms + away))
    beyond = now_ms + away + (1 if away > 0 else -1)
    refused = circle.refusal(circle.officer, circle.make(circle.officer, Message(), sent_at_ms=beyond))
    assert (code_of(refused), refused.time_ms) == (Code.CLOCK, now_ms)


def test_other_refusals_do_not_tell_the_time(circle: Circle) -> None:
    assert circle.refusal(circle.officer, circle.make(circle.officer, Message(), audience=bytes(32))).time_ms is None


# ---- room and membership


def test_a_room_that_does_not_exist_and_one_of_others_are_told_alike(circle: Circle) -> None:
    nowhere = RoomModel(id=RoomId(bytes([7]) * 16), members=set(circle.room.members))
    made = circle.world.envelope(device_of(circle.outsider), nowhere, Message())
    there, not_there = circle.make(circle.outsider, Message()), made
    answers = [circle.refusal(circle.outsider, item) for item in (there, not_there)]
    assert {code_of(refused) for refused in answers} == {Code.UNKNOWN_ROOM}
    assert len({refused.detail for refused in answers}) == 1


def test_a_removed_device_sends_nothing_more(circle: Circle) -> None:
    circle.world.commit(circle.officer, circle.room, removed=(device_of(circle.guest),))
    assert circle.code(circle.guest, circle.make(circle.guest, Message())) is Code.NOT_MEMBER


def test_counters_survive_removal_and_adding_again(circle: Circle) -> None:
    guest = device_of(circle.guest)
    circle.accept(circle.guest, circle.make(circle.guest, Message()))
    circle.world.commit(circle.officer, circle.room, removed=(guest,))
    circle.world.commit(circle.officer, circle.room, added=(guest,))
    fresh = circle.make(circle.guest, Message(), counter=1, previous=ID)
    assert circle.code(circle.guest, fresh) is Code.COUNTER
    circle.accept(circle.guest, circle.make(circle.guest, Message()))


# ---- creation


def test_a_room_exists_once(circle: Circle) -> None:
    world, room = circle.world, circle.room
    create = world.new_room(device_of(circle.officer), ceiling=Label.GREEN).create
    assert create.header.room == room.id
    assert circle.code(circle.officer, create) is Code.ROOM_EXISTS


@pytest.mark.parametrize(
    ("create", "header", "code"),
    [
        ({}, {}, None),
        ({"origin": "relay.example.net/log"}, {}, Code.BAD_HEADER),
        ({"nonce": bytes([3]) * 16}, {}, Code.BAD_HEADER),
        ({"suite": 0x0001}, {}, Code.SUITE),
        ({"owner": OrgName(MA)}, {}, Code.MEMBERSHIP),
        ({}, {"audience": bytes(32)}, Code.AUDIENCE),
        ({"ceiling": Label.GREEN}, {"label": Label.AMBER}, Code.LABEL),
        ({}, {"counter": 2, "voids": (1,)}, None),
        ({}, {"counter": 2}, Code.COUNTER),
    ],
)
def test_a_creation_fits_the_log_and_its_creator(
    circle: Circle, create: dict[str, Any], header: dict[str, Any], code: Code | None
) -> None:
    world, officer = circle.world, device_of(circle.officer)
    room = world.new_room(officer, nonce=bytes([2]) * 16)
    specific = room.create.header.specific
    assert isinstance(specific, Create)
    officer.made.pop(room.id)
    fields = {name: getattr(specific, name) for name in Create.__slots__} | create
    made = world.envelope(officer, room, Create(**fields), **header)
    if code is None:
        circle.accept(circle.officer, made)
    else:
        assert circle.code(circle.officer, made) is code


def test_a_successor_is_opened_by_who_was_in_the_room_that_it_names(circle: Circle) -> None:
    world = circle.world
    world.commit(circle.officer, circle.room, removed=(device_of(circle.guest),))
    stranger = world.login(world.certify("stranger"))

    def successor(peer: Peer, **changes: Any) -> Envelope:  # noqa: ANN401 - fields of the creation
        device = device_of(peer)
        room = world.new_room(device, nonce=bytes([7]) * 16)
        specific = room.create.header.specific
        assert isinstance(specific, Create)
        device.made.pop(room.id)
        old = circle.room.create.header.specific
        assert isinstance(old, Create)
        fields: dict[str, Any] = {"ceiling": old.ceiling, "policy": old.policy, "agreement": old.agreement}
        return world.envelope(device, room, replace(specific, **(fields | {"successor_of": circle.room.id} | changes)))

    assert circle.code(stranger, successor(stranger)) is Code.MEMBERSHIP
    assert circle.code(circle.officer, successor(circle.officer, agreement="other")) is Code.MEMBERSHIP
    # What a room names that is not of this log is for its members to judge.
    circle.accept(stranger, successor(stranger, successor_of=RoomId(bytes(16))))
    circle.accept(circle.officer, successor(circle.officer))
    # Who was removed, perhaps by the very commit that wedged the room, was in.
    circle.accept(circle.guest, successor(circle.guest))


def test_a_room_of_another_log_is_not_created_here(circle: Circle) -> None:
    world, officer = circle.world, device_of(circle.officer)
    origin, nonce = "relay.example.net/log", bytes([2]) * 16
    elsewhere = RoomModel(id=derive_room_id(origin, officer.id, nonce), members={officer.id})
    specific = circle.room.create.header.specific
    assert isinstance(specific, Create)
    refused = circle.refusal(
        circle.officer, world.envelope(officer, elsewhere, replace(specific, origin=origin, nonce=nonce))
    )
    assert code_of(refused) is Code.BAD_HEADER
    assert origin in refused.detail


def test_a_creators_certificate_names_the_suite(circle: Circle) -> None:
    other = circle.world.login(circle.world.certify("other", suite=0x0001))
    assert circle.code(other, circle.world.new_room(device_of(other)).create) is Code.SUITE


def test_a_suite_that_this_version_does_not_serve_is_refused_though_the_certificate_names_it(circle: Circle) -> None:
    other = circle.world.login(circle.world.certify("other", suite=0x0001))
    refused = circle.refusal(other, circle.world.new_room(device_of(other), suite=0x0001).create)
    assert code_of(refused) is Code.SUITE
    assert "not served" in refused.detail


def test_an_organisation_owns_so_many_rooms() -> None:
    circle = Circle(RelayLimits(rooms_per_organisation=2))
    circle.world.open_room(circle.officer, nonce=bytes([1]) * 16)
    third = circle.world.new_room(device_of(circle.officer), nonce=bytes([2]) * 16)
    assert circle.code(circle.officer, third.create) is Code.QUOTA
    circle.world.open_room(circle.guest)
    circle.world.restart()
    again = circle.world.login(device_of(circle.officer))
    again.publish(third.create)
    assert code_of(again.refused()) is Code.QUOTA


# ---- epoch


@pytest.mark.parametrize("specific", [Message(), Commit(), Alert(count=1)])
def test_what_is_sealed_is_of_the_current_epoch(circle: Circle, specific: Specific) -> None:
    for epoch in (circle.room.epoch - 1, circle.room.epoch + 1):
        made = circle.make(circle.officer, specific, epoch=epoch)
        assert circle.code(circle.officer, made) is Code.STALE_EPOCH
    circle.accept(circle.officer, circle.make(circle.officer, specific))


def test_what_seals_nothing_may_name_an_earlier_epoch(circle: Circle) -> None:
    ack = Ack(grade=Grade.READ, envelope=ID)
    circle.accept(circle.officer, circle.make(circle.officer, ack, epoch=0))
    ahead = circle.make(circle.officer, ack, epoch=circle.room.epoch + 1)
    assert circle.code(circle.officer, ahead) is Code.STALE_EPOCH


def test_of_two_commits_in_one_epoch_the_first_one_wins(circle: Circle) -> None:
    first = circle.make(circle.officer, Commit())
    second = circle.make(circle.guest, Commit())
    circle.accept(circle.officer, first)
    assert circle.code(circle.guest, second) is Code.STALE_EPOCH


def last_id(circle: Circle, sender: Peer) -> EnvelopeId:
    """Id of the sender's last accepted envelope."""
    return circle.world.store.members[circle.room.id, device_of(sender).id].last_id


# ---- counter


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"counter": 4}, True),
        ({"counter": 3}, False),
        ({"counter": 5}, False),
        ({"counter": 5, "voids": (4,)}, True),
        ({"counter": 6, "voids": (4, 5)}, True),
        ({"counter": 6, "voids": (5,)}, False),
        ({"counter": 5, "voids": (3,)}, False),
        ({"counter": 5, "voids": (3, 4)}, False),
        ({"counter": 2**62, "voids": (4,)}, False),
        ({"counter": 4, "previous": ID}, False),
    ],
)
def test_a_counter_goes_on_and_voids_say_what_was_skipped(
    circle: Circle, changes: dict[str, Any], *, accepted: bool
) -> None:
    made = circle.make(circle.officer, Message(), **({"previous": last_id(circle, circle.officer)} | changes))
    if accepted:
        circle.accept(circle.officer, made)
    else:
        assert circle.code(circle.officer, made) is Code.COUNTER


# ---- what the kinds ask for


@pytest.mark.parametrize("specific", [Message(), Ack(grade=Grade.READ, envelope=ID), Commit()])
def test_the_audience_is_that_of_the_members(circle: Circle, specific: Specific) -> None:
    fewer = audience_digest(circle.room.members - {device_of(circle.guest).id})
    refused = circle.refusal(circle.officer, circle.make(circle.officer, specific, audience=fewer))
    assert code_of(refused) is Code.AUDIENCE


def test_the_audience_of_a_commit_is_that_behind_it(circle: Circle) -> None:
    outsider = device_of(circle.outsider)
    change = Commit(added=(outsider.id,))
    before = circle.make(circle.officer, change)
    assert circle.code(circle.officer, before) is Code.AUDIENCE
    after = audience_digest(circle.room.members | {outsider.id})
    behind = circle.make(circle.officer, change, audience=after)
    circle.accept(circle.officer, behind)


def test_a_commit_obeys_the_policy_of_the_room(circle: Circle) -> None:
    world = circle.world
    by_guest = world.change(circle.guest, circle.room, added=(device_of(circle.outsider),))
    refused = circle.refusal(circle.guest, *by_guest)
    assert (code_of(refused), refused.position) == (Code.MEMBERSHIP, 0)


def test_a_bot_adds_nobody(circle: Circle) -> None:
    made = circle.world.change(circle.bot, circle.room, added=(device_of(circle.outsider),))
    assert circle.code(circle.bot, *made) is Code.ROLE


def test_a_device_that_is_not_certified_is_not_added(circle: Circle) -> None:
    stranger = circle.world.certify("stranger", of=SN)
    assert (
        circle.code(circle.officer, *circle.world.change(circle.officer, circle.room, added=(stranger,)))
        is Code.MEMBERSHIP
    )


def test_a_welcome_is_for_those_whom_its_own_publish_added(circle: Circle) -> None:
    world, room = circle.world, circle.room
    outsider = device_of(circle.outsider)
    alone = circle.make(circle.officer, Welcome(addressees=(device_of(circle.guest).id,)))
    assert circle.code(circle.officer, alone) is Code.MEMBERSHIP
    commit, welcome = world.change(circle.officer, room, added=(outsider,))
    again = circle.make(circle.officer, Welcome(addressees=(outsider.id,)))
    assert circle.code(circle.officer, commit, welcome, again) is Code.MEMBERSHIP
    circle.accept(circle.officer, commit, welcome)


def test_a_device_removed_in_the_same_publish_gets_no_welcome(circle: Circle) -> None:
    world, room = circle.world, circle.room
    outsider = device_of(circle.outsider)
    commit = world.change(circle.officer, room, added=(outsider,))[0]
    device_of(circle.officer).made[room.id] = (4, commit.id)
    removal = world.change(circle.officer, room, removed=(outsider,))[0]
    welcome = circle.make(circle.officer, Welcome(addressees=(outsider.id,)))
    refused = circle.refusal(circle.officer, commit, removal, welcome)
    assert (code_of(refused), refused.position) == (Code.MEMBERSHIP, 2)


@pytest.mark.parametrize("kind", [Kind.GRANT, Kind.REPAIR])
def test_history_goes_to_members_alone(circle: Circle, kind: Kind) -> None:
    def specific(*addressees: Any) -> Specific:  # noqa: ANN401 - device ids
        if kind is Kind.GRANT:
            return Grant(from_seq=1, to_seq=2, addressees=addressees)
        return Repair(envelopes=(ID,), addressees=addressees)

    made = circle.make(circle.officer, specific(device_of(circle.outsider).id))
    assert circle.code(circle.officer, made) is Code.MEMBERSHIP
    made = circle.make(
        circle.officer, specific(device_of(circle.guest).id), counter=4, previous=last_id(circle, circle.officer)
    )
    circle.accept(circle.officer, made)
    assert circle.world.appends[-1].entries[0].addressees == (device_of(circle.guest).id,)


def test_a_request_to_be_sent_something_again_is_taken_in_any_epoch_and_from_members_alone(circle: Circle) -> None:
    request = Repair(envelopes=(ID,), addressees=())
    circle.accept(circle.guest, circle.make(circle.guest, request, epoch=0))
    (entry,) = circle.world.appends[-1].entries
    assert (entry.content, entry.addressees) == (b"", None)
    made = circle.make(circle.outsider, request)
    assert circle.code(circle.outsider, made) is Code.UNKNOWN_ROOM


def test_a_delivery_report_moves_the_cursor_forwards_and_not_beyond_the_end(circle: Circle) -> None:
    guest = device_of(circle.guest)
    beyond = circle.make(circle.guest, Delivered(room_seq=4))
    assert circle.code(circle.guest, beyond) is Code.NOT_FOUND
    for room_seq, cursor in ((3, 3), (2, 3)):
        circle.world.now_ms += 30_000
        circle.accept(circle.guest, circle.make(circle.guest, Delivered(room_seq=room_seq)))
        assert circle.world.store.members[circle.room.id, guest.id].cursor == cursor


def test_a_member_erases_its_own_and_the_owners_officers_erase_any(circle: Circle) -> None:
    for sender, by in ((circle.guest, device_of(circle.guest).id), (circle.officer, None)):
        circle.accept(sender, circle.make(sender, Erase(envelopes=(ID,))))
        assert circle.world.appends[-1].erasures == (Erasure(room=circle.room.id, envelopes=(ID,), by=by),)


# ---- content


def test_content_is_what_was_signed(circle: Circle) -> None:
    made = circle.make(circle.officer, Message())
    assert circle.code(circle.officer, (made, b"other")) is Code.CONTENT_HASH
    circle.accept(circle.officer, (made, SEALED))


def test_what_seals_nothing_may_say_so_in_two_ways(circle: Circle) -> None:
    for content in (b"", None):
        ack = circle.make(circle.officer, Ack(grade=Grade.READ, envelope=ID))
        circle.accept(circle.officer, (ack, content))
        assert circle.world.appends[-1].entries[0].content == b""
    made = circle.make(circle.officer, Ack(grade=Grade.READ, envelope=ID))
    assert circle.code(circle.officer, (made, b"x")) is Code.TOO_LARGE


def test_content_that_was_not_staged_may_come_later(circle: Circle) -> None:
    made = circle.make(circle.officer, Message())
    assert circle.code(circle.officer, (made, None)) is Code.STAGING
    assert not MEANINGS[Code.STAGING].final
    circle.officer.send(frames.Stage(request=70, payload_hash=made.payload, total=len(SEALED), offset=0, data=SEALED))
    circle.accept(circle.officer, (made, None))


def test_a_tree_that_a_welcome_names_is_staged_with_it(circle: Circle) -> None:
    world, room = circle.world, circle.room
    officer, outsider = device_of(circle.officer), device_of(circle.outsider)
    commit = world.change(circle.officer, room, added=(outsider,))[0]
    officer.made[room.id] = (4, commit.id)
    tree = b"tree"
    welcome = circle.make(circle.officer, Welcome(addressees=(outsider.id,), tree_hash=sha256(tree)))
    assert circle.code(circle.officer, commit, welcome) is Code.STAGING
    circle.officer.send(frames.Stage(request=70, payload_hash=sha256(tree), total=4, offset=0, data=tree))
    circle.accept(circle.officer, commit, welcome)
    assert world.store.trees[room.id, sha256(tree)].data == tree
    assert world.core._parts.staging.reserved == 0  # noqa: SLF001 - the memory is given back
