"""The rules of a room: each kept, and with one of them broken."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from amanah_client.audit.record import Report
from amanah_client.audit.table import words
from amanah_protocol import envelope, kinds
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import Kind, MediaType
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import EnvelopeId, OrgName
from tests.client.audit.world import (
    AUDITOR_TN,
    BOT_TN,
    MA,
    NOW_MS,
    OFFICER_MA,
    OFFICER_SN,
    OFFICER_TN,
    SECOND_TN,
    SN,
    TN,
    Device,
    Incident,
    certified,
    community,
    examined,
    faults,
    incident,
    remarks,
)
from tests.vectors import examples as x

NOWHERE = EnvelopeId(x.fixed("nowhere"))


@pytest.fixture
def told() -> Incident:
    return incident()


def posted(told: Incident, sender: Device, specific: kinds.Specific, **changes: object) -> tuple[int, Report]:
    """One more entry of the large room, examined with all before it."""
    index = told.log.post(sender, told.room, specific, **changes)
    return index, examined(told.log)


def said(report: Report) -> list[tuple[int | None, Code]]:
    """(index, code) of each remark."""
    return [(remark.index, remark.code) for remark in remarks(report)]


# ---- who sent it


def test_a_message_of_a_member_holds(told: Incident) -> None:
    _, report = posted(told, OFFICER_MA, kinds.Message())
    assert faults(report) == []


def test_a_message_may_name_an_attachment_which_is_shown_as_such(told: Incident) -> None:
    _, report = posted(told, OFFICER_MA, x.ATTACHED)
    assert faults(report) == []
    last = list(report.record.entries())[-1]
    assert last.specific == x.ATTACHED
    assert words(last.specific) == f"a sealed file, attachment {x.fixed('attachment').hex()[:8]}"
    assert words(kinds.Message()) == "sealed text, title or name"


def test_a_message_that_another_key_signed_is_found(told: Incident) -> None:
    index, report = posted(told, OFFICER_MA, kinds.Message(), key=x.key("mine"))
    assert faults(report) == [(index, "SIGNATURE")]


def test_a_message_of_a_device_without_a_logged_certificate_is_found(told: Incident) -> None:
    index, report = posted(told, certified("unlogged"), kinds.Message())
    assert faults(report) == [(index, "CERTIFICATE")]
    assert list(report.record.entries())[-1].sender.text.startswith("unknown device ")


def test_a_certificate_that_is_logged_later_does_not_help(told: Incident) -> None:
    late = certified("late")
    index = told.log.post(late, told.room, kinds.Message())
    told.log.certify(late)
    assert faults(examined(told.log)) == [(index, "CERTIFICATE")]


def test_a_message_of_a_certified_device_outside_the_room_is_found(told: Incident) -> None:
    index, report = posted(told, SECOND_TN, kinds.Message())
    assert faults(report) == [(index, "NOT_MEMBER")]


def test_a_message_of_a_removed_device_is_found(told: Incident) -> None:
    told.log.remove(OFFICER_TN, told.room, BOT_TN)
    index, report = posted(told, BOT_TN, kinds.Counts(accepted=1, merged=0, dropped=0))
    assert faults(report) == [(index, "NOT_MEMBER")]


def test_an_auditor_who_posts_is_found(told: Incident) -> None:
    index, report = posted(told, AUDITOR_TN, kinds.Message())
    assert faults(report) == [(index, "ROLE")]


def test_an_envelope_of_another_room_is_found(told: Incident) -> None:
    index = told.log.append(LeafType.ENVELOPE, told.small, told.log.leaves[told.disclosed].object)
    assert faults(examined(told.log)) == [(index, "BINDING")]


def test_a_machine_whose_certificate_names_another_room_is_found(told: Incident) -> None:
    bound = certified("bound", role=Role.BOT, ceiling=Label.AMBER, machine=MachineLimits(rooms=(told.small,)))
    told.log.certify(bound)
    told.log.add(OFFICER_TN, told.room, bound)
    index, report = posted(told, bound, kinds.Alert(count=1))
    assert faults(report) == [(index, "ROLE")]


def test_a_sensor_posts_only_where_its_certificate_names_the_room(told: Incident) -> None:
    at_home = certified("sensor", role=Role.SENSOR, ceiling=Label.AMBER, machine=MachineLimits(rooms=(told.room,)))
    anywhere = certified("other sensor", role=Role.SENSOR, ceiling=Label.AMBER, machine=MachineLimits())
    told.log.certify(at_home, anywhere)
    _, report = posted(told, at_home, kinds.Alert(count=1), media_type=MediaType.ALERT_HPKE)
    assert faults(report) == []
    index, report = posted(told, anywhere, kinds.Alert(count=1), media_type=MediaType.ALERT_HPKE)
    assert faults(report) == [(index, "NOT_MEMBER")]


# ---- the sender's own chain


def test_voids_cover_a_counter_that_jumps(told: Incident) -> None:
    counter = told.log.rooms[told.room].counters[OFFICER_MA.id]
    _, report = posted(told, OFFICER_MA, kinds.Message(), counter=counter + 3, voids=(counter + 1, counter + 2))
    assert faults(report) == []


@pytest.mark.parametrize("voids", [(), (1,), (2, 3)])
def test_a_counter_that_jumps_without_its_voids_is_found(told: Incident, voids: tuple[int, ...]) -> None:
    counter = told.log.rooms[told.room].counters[OFFICER_MA.id]
    named = tuple(counter + void for void in voids)
    index, report = posted(told, OFFICER_MA, kinds.Message(), counter=counter + 4, voids=named)
    assert faults(report) == [(index, "GAP")]


def test_a_counter_that_is_used_twice_is_found(told: Incident) -> None:
    counter = told.log.rooms[told.room].counters[OFFICER_MA.id]
    index, report = posted(told, OFFICER_MA, kinds.Message(), counter=counter)
    assert faults(report) == [(index, "FORK")]


def test_the_same_envelope_twice_is_found(told: Incident) -> None:
    same = told.log.leaves[told.disclosed].object
    index = told.log.append(LeafType.ENVELOPE, told.room, same)
    assert faults(examined(told.log)) == [(index, "FORK")]


def test_a_voided_envelope_that_appears_is_found(told: Incident) -> None:
    counter = told.log.rooms[told.room].counters[OFFICER_MA.id]
    void = counter + 1
    posted(told, OFFICER_MA, kinds.Message(), counter=counter + 2, voids=(void,))
    index, report = posted(told, OFFICER_MA, kinds.Message(), counter=void)
    assert faults(report) == [(index, "VOIDED_APPEARED")]


def test_an_envelope_that_does_not_name_the_senders_last_one_is_found(told: Incident) -> None:
    index, report = posted(told, OFFICER_MA, kinds.Message(), previous=NOWHERE)
    assert faults(report) == [(index, "COUNTER")]


def test_what_a_check_refused_still_counts_in_its_senders_chain(told: Incident) -> None:
    index, _ = posted(told, OFFICER_MA, kinds.Message(), label=Label.RED)
    _, report = posted(told, OFFICER_MA, kinds.Message())
    assert faults(report) == [(index, "LABEL")]


def test_counters_survive_removal_and_return(told: Incident) -> None:
    told.log.remove(OFFICER_TN, told.room, BOT_TN)
    told.log.add(OFFICER_TN, told.room, BOT_TN)
    _, report = posted(told, BOT_TN, kinds.Alert(count=1))
    assert faults(report) == []


# ---- labels and kinds


def test_a_label_above_the_rooms_ceiling_is_found(told: Incident) -> None:
    index, report = posted(told, OFFICER_TN, kinds.Message(), label=Label.AMBER_STRICT)
    assert faults(report) == [(index, "LABEL")]


def test_a_label_above_the_devices_ceiling_is_found() -> None:
    log = community()
    low = certified("low", ceiling=Label.GREEN)
    log.certify(low)
    log.open(low)
    assert faults(examined(log)) == [(log.last, "LABEL")]


def test_a_kind_that_the_role_may_not_send_is_found(told: Incident) -> None:
    index, report = posted(told, BOT_TN, kinds.Egress(envelope=NOWHERE, form="disclosure", recipient="a court"))
    assert faults(report) == [(index, "ROLE")]


def test_a_kind_that_the_machines_certificate_does_not_name_is_found(told: Incident) -> None:
    index, report = posted(told, BOT_TN, kinds.Message())
    assert faults(report) == [(index, "ROLE")]


def test_an_envelope_that_does_not_decode_is_found_and_not_shown(told: Incident) -> None:
    entries = len(list(examined(told.log).record.entries()))
    index = told.log.append(LeafType.ENVELOPE, told.room, b"none")
    report = examined(told.log)
    assert faults(report) == [(index, "MALFORMED")]
    assert len(list(report.record.entries())) == entries


def test_a_kind_without_content_that_names_some_is_found(told: Incident) -> None:
    index, report = posted(told, OFFICER_TN, kinds.Delivered(room_seq=1), sealed=b"hidden")
    assert faults(report) == [(index, "CONTENT_HASH")]


# ---- creation


def test_a_room_of_another_log_is_found() -> None:
    log = community()
    log.open(OFFICER_TN, origin="another.example/log")
    assert faults(examined(log)) == [(log.last, "BINDING")]


def test_a_room_that_another_organisation_is_to_own_is_found() -> None:
    log = community()
    log.open(OFFICER_TN, owner=SN)
    assert faults(examined(log)) == [(log.last, "MEMBERSHIP")]


def test_a_room_that_a_bot_opens_is_found() -> None:
    log = community()
    log.open(BOT_TN)
    assert faults(examined(log)) == [(log.last, "ROLE")]


def test_a_creation_with_a_wider_audience_than_its_creator_is_found() -> None:
    log = community()
    log.open(OFFICER_TN, audience=envelope.audience_digest({OFFICER_TN.id, OFFICER_MA.id}))
    assert faults(examined(log)) == [(log.last, "AUDIENCE")]


def test_a_creation_above_its_own_ceiling_is_found() -> None:
    log = community()
    log.open(OFFICER_TN, ceiling=Label.GREEN, label=Label.AMBER)
    assert faults(examined(log)) == [(log.last, "LABEL")]


def test_a_room_that_is_created_twice_is_found(told: Incident) -> None:
    create = kinds.Create(
        origin=x.ORIGIN, nonce=x.fixed("large", 16), suite=x.SUITE, ceiling=Label.RED, owner=TN, agreement=None
    )
    index, report = posted(told, OFFICER_TN, create, epoch=0)
    assert faults(report) == [(index, "ROOM_EXISTS")]


def test_a_room_without_its_creation_is_found_at_its_first_entry() -> None:
    log = community()
    room = log.open(OFFICER_TN, owner=SN)
    index = log.post(OFFICER_TN, room, kinds.Message())
    report = examined(log)
    assert faults(report) == [(index - 1, "MEMBERSHIP"), (index, "UNKNOWN_ROOM")]
    assert report.record.rooms()[0].create is None


# ---- the circle


def test_a_commit_by_the_owner_adds_a_new_organisation(told: Incident) -> None:
    told.log.add(OFFICER_TN, told.room, certified_here(told, "another ma", MA))
    assert faults(examined(told.log)) == []


def test_a_commit_by_another_organisation_that_adds_a_new_one_is_found() -> None:
    log = community()
    room = log.open(OFFICER_TN)
    log.add(OFFICER_TN, room, OFFICER_MA)
    index = log.post(OFFICER_MA, room, kinds.Commit(added=(OFFICER_SN.id,)))
    assert faults(examined(log)) == [(index, "MEMBERSHIP")]


def test_a_member_without_a_certificate_is_found(told: Incident) -> None:
    index, report = posted(told, OFFICER_TN, kinds.Commit(added=(certified("ghost").id,)))
    assert faults(report) == [(index, "MEMBERSHIP")]


def test_an_auditor_as_a_member_is_found(told: Incident) -> None:
    index, report = posted(told, OFFICER_TN, kinds.Commit(added=(AUDITOR_TN.id,)))
    assert faults(report) == [(index, "ROLE")]


def test_a_bot_that_changes_the_circle_is_found(told: Incident) -> None:
    index, report = posted(told, BOT_TN, kinds.Commit(removed=(OFFICER_MA.id,)))
    assert faults(report) == [(index, "ROLE")]


def test_a_foreign_officer_removes_a_valid_device_only_once_it_is_revoked(told: Incident) -> None:
    told.log.revoke(BOT_TN)
    _, report = posted(told, OFFICER_MA, kinds.Commit(removed=(BOT_TN.id,)))
    assert faults(report) == []
    index, report = posted(told, OFFICER_MA, kinds.Commit(removed=(OFFICER_TN.id,)))
    assert faults(report) == [(index, "MEMBERSHIP")]


def test_a_commit_that_does_not_hold_changes_nobodys_circle(told: Incident) -> None:
    index, report = posted(told, OFFICER_TN, kinds.Commit(added=(AUDITOR_TN.id,)))
    assert dict(report.record.rooms()[0].members) == {MA: 1, TN: 2}
    assert faults(report) == [(index, "ROLE")]


def test_the_members_of_a_room_are_known_at_every_time(told: Incident) -> None:
    room = examined(told.log).record.rooms()[0]
    assert [dict(change.members) for change in room.changes] == [
        {MA: 1, TN: 2},
        {MA: 1, SN: 1, TN: 2},
        {MA: 1, TN: 2},
    ]
    assert [len(change.added) - len(change.removed) for change in room.changes] == [2, 1, -1]
    assert room.opened_by is not None
    assert room.opened_by.organisation == TN
    assert (room.entries, room.create is not None) == (13, True)


def test_an_entry_names_who_could_read_it(told: Incident) -> None:
    entries = {entry.index: entry for entry in examined(told.log).record.entries()}
    assert dict(entries[told.disclosed].readers) == {MA: 1, SN: 1, TN: 2}
    assert dict(entries[told.log.last].readers) == {MA: 1, TN: 2}


# ---- epoch and audience


def test_sealed_content_of_a_past_epoch_is_found(told: Incident) -> None:
    index, report = posted(told, OFFICER_TN, kinds.Message(), epoch=told.log.rooms[told.room].epoch - 1)
    assert faults(report) == [(index, "STALE_EPOCH")]


def test_a_header_alone_may_name_a_past_epoch_and_no_later_one(told: Incident) -> None:
    epoch = told.log.rooms[told.room].epoch
    _, report = posted(told, OFFICER_TN, kinds.Delivered(room_seq=1), epoch=epoch - 1)
    assert faults(report) == []
    index, report = posted(told, OFFICER_TN, kinds.Delivered(room_seq=1), epoch=epoch + 1)
    assert faults(report) == [(index, "STALE_EPOCH")]


def test_two_commits_of_one_epoch_are_found(told: Incident) -> None:
    epoch = told.log.rooms[told.room].epoch
    posted(told, OFFICER_TN, kinds.Commit())
    index, report = posted(told, OFFICER_MA, kinds.Commit(), epoch=epoch)
    assert faults(report) == [(index, "STALE_EPOCH")]


@pytest.mark.parametrize("specific", [kinds.Message(), kinds.Commit(), kinds.Delivered(room_seq=1)])
def test_an_audience_that_is_not_the_circle_is_found(told: Incident, specific: kinds.Specific) -> None:
    wide = envelope.audience_digest({OFFICER_TN.id, OFFICER_MA.id, BOT_TN.id, SECOND_TN.id})
    index, report = posted(told, OFFICER_TN, specific, audience=wide)
    assert faults(report) == [(index, "AUDIENCE")]


# ---- what a kind may say


def last_sent(told: Incident) -> EnvelopeId:
    return told.log.rooms[told.room].sent[-1]


def certified_here(told: Incident, name: str, organisation: OrgName) -> Device:
    device = certified(name, organisation)
    told.log.certify(device)
    return device


RIGHT: list[tuple[str, kinds.Specific]] = [
    ("welcome", kinds.Welcome(addressees=(OFFICER_MA.id,))),
    ("delivered", kinds.Delivered(room_seq=13)),
    ("grant", kinds.Grant(from_seq=1, to_seq=13, addressees=(OFFICER_MA.id,))),
    ("decision", kinds.Decision(ordinal=1, outcome=kinds.Outcome.ADOPTED, nations=(MA, TN))),
    ("intake key", kinds.IntakeKey(public_key=bytes(32), expires_ms=NOW_MS)),
    ("counts", kinds.Counts(accepted=1, merged=0, dropped=0)),
]


@pytest.mark.parametrize(("name", "specific"), RIGHT)
def test_what_fits_the_record_holds(told: Incident, name: str, specific: kinds.Specific) -> None:
    _, report = posted(told, OFFICER_TN, specific)
    assert (name, faults(report), said(report)) == (name, [], [])


@pytest.mark.parametrize(
    ("specific", "code"),
    [
        (kinds.Welcome(addressees=(SECOND_TN.id,)), "MEMBERSHIP"),
        (kinds.Delivered(room_seq=14), "NOT_FOUND"),
        (kinds.Grant(from_seq=1, to_seq=14, addressees=(OFFICER_MA.id,)), "NOT_FOUND"),
        (kinds.Grant(from_seq=1, to_seq=2, addressees=(SECOND_TN.id,)), "MEMBERSHIP"),
        (kinds.Repair(envelopes=(NOWHERE,), addressees=(SECOND_TN.id,)), "MEMBERSHIP"),
    ],
)
def test_what_a_relay_must_not_take_is_found(told: Incident, specific: kinds.Specific, code: str) -> None:
    index, report = posted(told, OFFICER_TN, specific)
    assert faults(report) == [(index, code)]


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda e: kinds.Ack(grade=kinds.Grade.READ, envelope=e),
        lambda e: kinds.Refuse(commit=e, code="BINDING"),
        lambda e: kinds.Erase(envelopes=(e,)),
        lambda e: kinds.Egress(envelope=e, form="disclosure", recipient="a court"),
        lambda e: kinds.Relabel(envelope=e, old=Label.AMBER, new=Label.RED),
        lambda e: kinds.Repair(envelopes=(e,), addressees=(OFFICER_MA.id,)),
    ],
    ids=["ack", "refuse", "erase", "egress", "relabel", "repair"],
)
def test_what_refers_to_nothing_in_the_room_is_remarked(
    told: Incident,
    make: Callable[[EnvelopeId], kinds.Specific],
    there: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    told.log.post(OFFICER_TN, told.room, kinds.Message())
    index, report = posted(told, OFFICER_TN, make(last_sent(told) if there else NOWHERE))
    assert faults(report) == []
    assert said(report) == ([] if there else [(index, Code.NOT_FOUND)])


def test_a_repair_to_a_device_that_came_later_is_remarked(told: Incident) -> None:
    early = last_sent(told)
    late = certified_here(told, "late ma", MA)
    told.log.add(OFFICER_TN, told.room, late)
    index, report = posted(told, OFFICER_TN, kinds.Repair(envelopes=(early,), addressees=(late.id,)))
    assert (faults(report), said(report)) == ([], [(index, Code.MEMBERSHIP)])


def test_a_request_to_be_sent_something_again_is_none_to_widen_an_audience(told: Incident) -> None:
    early = last_sent(told)
    late = certified_here(told, "late ma", MA)
    told.log.add(OFFICER_TN, told.room, late)
    _index, report = posted(told, late, kinds.Repair(envelopes=(early,), addressees=()), epoch=0)
    assert (faults(report), said(report)) == ([], [])


def test_a_decision_that_names_an_absent_nation_is_remarked(told: Incident) -> None:
    absent = kinds.Decision(ordinal=1, outcome=kinds.Outcome.REFUSED, nations=(SN,))
    index, report = posted(told, OFFICER_TN, absent)
    assert (faults(report), said(report)) == ([], [(index, Code.MEMBERSHIP)])


def test_a_label_is_changed_by_its_author_from_what_it_was(told: Incident) -> None:
    told.log.post(OFFICER_TN, told.room, kinds.Message(), label=Label.GREEN)
    message = last_sent(told)
    told.log.post(OFFICER_TN, told.room, kinds.Relabel(envelope=message, old=Label.GREEN, new=Label.AMBER))
    _, report = posted(told, OFFICER_TN, kinds.Relabel(envelope=message, old=Label.AMBER, new=Label.RED))
    assert (faults(report), said(report)) == ([], [])
    wrong, report = posted(told, OFFICER_TN, kinds.Relabel(envelope=message, old=Label.GREEN, new=Label.CLEAR))
    assert said(report) == [(wrong, Code.LABEL)]
    other, report = posted(told, OFFICER_MA, kinds.Relabel(envelope=message, old=Label.RED, new=Label.CLEAR))
    assert said(report) == [(wrong, Code.LABEL), (other, Code.ROLE)]


@pytest.mark.parametrize(("label", "remarked"), [(Label.AMBER, False), (Label.AMBER_STRICT, True), (Label.RED, True)])
def test_a_strict_message_that_leaves_its_circle_is_remarked(label: Label, remarked: bool) -> None:  # noqa: FBT001 - a parameter of the test
    log = community()
    room = log.open(OFFICER_TN, ceiling=Label.RED)
    log.post(OFFICER_TN, room, kinds.Message(), label=label)
    egress = kinds.Egress(envelope=log.rooms[room].sent[-1], form="disclosure", recipient="a court")
    index = log.post(OFFICER_TN, room, egress)
    report = examined(log)
    assert faults(report) == []
    assert said(report) == ([(index, Code.LABEL)] if remarked else [])


@pytest.mark.parametrize(
    ("form", "recipient", "remarked"),
    [("report, TLP:AMBER+STRICT, pdf", TN, []), ("notice, TLP:RED, pdf", TN, ["TLP:RED does not leave its room"]),
     ("report, TLP:GREEN, pdf", MA, ["a report is made for its maker's own organisation"])],
)  # fmt: skip
def test_a_file_made_of_the_room_is_remarked_for_its_own_label_and_for_whom_it_is(
    form: str, recipient: str, remarked: list[str]
) -> None:
    log = community()
    room = log.open(OFFICER_TN, ceiling=Label.RED)
    log.post(OFFICER_TN, room, kinds.Message(), label=Label.AMBER)
    index = log.post(OFFICER_TN, room, kinds.Egress(envelope=log.rooms[room].sent[-1], form=form, recipient=recipient))
    report = examined(log)
    assert faults(report) == []
    assert [(one.index, one.text) for one in remarks(report)] == [(index, words) for words in remarked]


def test_every_kind_has_been_through_an_honest_record(told: Incident) -> None:
    log, room, message = told.log, told.room, last_sent(told)
    for _, specific in RIGHT:
        log.post(OFFICER_TN, room, specific)
    log.post(OFFICER_TN, room, kinds.Erase(envelopes=(message,)))
    log.post(OFFICER_TN, room, kinds.Repair(envelopes=(message,), addressees=(OFFICER_MA.id,)))
    log.post(OFFICER_TN, room, kinds.Refuse(commit=message, code="BINDING"))
    log.post(BOT_TN, room, kinds.Relabel(envelope=message, old=Label.AMBER, new=Label.GREEN))
    log.disclosable(OFFICER_TN, room, Text(text="and again"))
    report = examined(log)
    # A bot may not change labels: that one is there to show that the others hold.
    assert [code for _, code in faults(report)] == ["ROLE"]
    assert {entry.kind for entry in report.record.entries()} == set(Kind)
