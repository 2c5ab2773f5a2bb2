"""The record in words: who told whom what class of thing."""

from __future__ import annotations

import pytest

from amanah_client.audit.report import Who
from amanah_client.audit.table import Filter, changed, lines, nations, size_words, words
from amanah_protocol import kinds
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import OrgName, PersonId
from tests.client.audit.world import (
    MA,
    NOW_MS,
    OFFICER_SN,
    OFFICER_TN,
    SN,
    TN,
    community,
    examined,
    incident,
)
from tests.vectors import examples as x

TOLD = incident()
REPORT = examined(TOLD.log, TOLD.rows())

SAID = {
    Kind.CREATE: "opened a room up to TLP:RED under agreement 7, which continues 84041a68",
    Kind.COMMIT: "changed the circle: 2 added, 1 removed",
    Kind.WELCOME: "handed the keys to 2 devices",
    Kind.MESSAGE: "sealed text, title or name",
    Kind.ALERT: "100 alerts",
    Kind.INTAKE_KEY: "gave post-only sensors a key",
    Kind.ACK: f"acknowledged {x.ENVELOPES[0].hex()[:8]} (understood)",
    Kind.DELIVERED: "confirmed that it has every entry of the room up to place 12",
    Kind.GRANT: "granted the history from place 1 to 9 to 1 device",
    Kind.ERASE: f"erased the content of {x.ENVELOPES[0].hex()[:8]}, {x.ENVELOPES[1].hex()[:8]}",
    Kind.REPAIR: "sent 2 messages again to 1 device",
    Kind.REFUSE: f"refused the change {x.ENVELOPES[0].hex()[:8]} (BINDING)",
    Kind.DECISION: "proposal 3 adopted by cert.example.ma, cert.example.sn, cert.example.tn",
    Kind.RELABEL: f"changed the label of {x.ENVELOPES[0].hex()[:8]} from TLP:AMBER to TLP:AMBER+STRICT",
    Kind.EGRESS: f"disclosed {x.ENVELOPES[0].hex()[:8]} outside to an auditor (disclosure)",
    Kind.COUNTS: "counted alerts: 400 accepted, 12 merged, 0 dropped",
}


@pytest.mark.parametrize("kind", Kind)
def test_each_kind_has_its_words(kind: Kind) -> None:
    assert words(x.SPECIFICS[kind]) == SAID[kind]


def test_one_of_a_thing_is_one() -> None:
    assert words(kinds.Repair(envelopes=x.ENVELOPES[:1], addressees=())) == "asked for 1 message again"
    assert words(kinds.Alert(count=1)) == "1 alert"
    report = kinds.Egress(envelope=x.ENVELOPES[0], form="report, TLP:AMBER, pdf", recipient="cert.example.tn")
    newest = x.ENVELOPES[0].hex()[:8]
    assert words(report) == (
        f"took out a file made of the room up to {newest}, for cert.example.tn (report, TLP:AMBER, pdf)"
    )
    assert words(kinds.Refuse(commit=x.ENVELOPES[0], code="FORK")).startswith("asked for a new epoch")
    assert words(kinds.Decision(ordinal=1, outcome=kinds.Outcome.REFUSED, nations=())) == "proposal 1 refused by nobody"


def test_a_change_of_the_circle_names_who_and_of_which_nation() -> None:
    found = [line.said for line in lines(REPORT, Filter(kind=Kind.COMMIT))]
    added, removed = found[1], found[-1]
    assert added == f"added officer {OFFICER_SN.certificate.subject.hex()[:8]} of {SN}"
    assert removed == f"removed officer {OFFICER_SN.certificate.subject.hex()[:8]} of {SN}"
    assert changed((), ()) == "renewed the keys"


def test_a_commit_that_does_not_hold_is_told_by_numbers() -> None:
    log = community()
    room = log.open(OFFICER_TN)
    log.post(OFFICER_TN, room, kinds.Commit(added=(x.KID,)))
    line = list(lines(examined(log), Filter()))[-1]
    assert (line.said, line.state, line.fault) == (
        "changed the circle: 1 added, 0 removed",
        "FAULT: MEMBERSHIP",
        True,
    )


def test_every_entry_of_the_record_is_listed_in_order_and_verified() -> None:
    found = list(lines(REPORT, Filter()))
    assert [line.entry.index for line in found] == [entry.index for entry in REPORT.record.entries()]
    assert {(line.state, line.fault) for line in found} == {("verified", False)}


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        (Filter(room=TOLD.small.hex()[:6]), 4),
        (Filter(room="ffffffffff"), 0),
        (Filter(organisation=SN), 7),
        (Filter(organisation=MA), 12),
        (Filter(organisation=OrgName("cert.example.xx")), 0),
        (Filter(kind=Kind.ALERT), 1),
        (Filter(since_ms=NOW_MS + 30_000), 3),
        (Filter(kind=Kind.MESSAGE, organisation=TN, since_ms=NOW_MS), 3),
    ],
)
def test_only_what_is_asked_for_is_listed(wanted: Filter, count: int) -> None:
    assert len(list(lines(REPORT, wanted))) == count


def test_what_a_key_sent_in_wrong_hands_is_marked() -> None:
    found = incident()
    since_ms = NOW_MS + 20_000
    found.log.revoke(OFFICER_SN, since_ms=since_ms)
    states = {
        line.entry.accepted_at_ms >= since_ms: line.state
        for line in lines(examined(found.log), Filter())
        if line.entry.sender.device == OFFICER_SN.id
    }
    assert states[True] == "verified, but the key was in wrong hands by then"
    other = {line.state for line in lines(examined(found.log), Filter()) if line.entry.sender.device == OFFICER_TN.id}
    assert other == {"verified"}


def test_nations_and_sizes_in_words() -> None:
    assert nations(((MA, 2), (TN, 1))) == "cert.example.ma 2, cert.example.tn 1"
    assert nations(((OrgName(""), 1),)) == "unknown 1"
    assert [size_words(Kind.MESSAGE, number) for number in range(1, 6)] == [
        "up to 512 B", "up to 2 KiB", "up to 8 KiB", "up to 32 KiB", "up to 128 KiB",
    ]  # fmt: skip
    assert (size_words(Kind.ACK, 0), size_words(Kind.COMMIT, 0)) == ("header only", "keys")


def test_a_person_is_a_pseudonym_of_a_nation() -> None:
    who = Who(device=x.KID, organisation=TN, subject=PersonId(bytes(16)), role=Role.BOT)
    assert who.text == "bot 00000000 of cert.example.tn"
    nobody = Who(device=x.KID, organisation=OrgName(""), subject=None, role=None)
    assert nobody.text == f"unknown device {x.KID.hex()[:8]}"


def test_a_label_is_the_outer_one() -> None:
    assert {line.entry.label for line in lines(REPORT, Filter(room=TOLD.small.hex()))} == {Label.AMBER, Label.GREEN}
