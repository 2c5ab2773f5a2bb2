"""An examination that is interrupted goes on where it was, and finds what one in a single pass finds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from amanah_client.audit import examination
from amanah_client.audit.examination import examine_copy
from amanah_client.audit.record import Report
from amanah_client.audit.report import Severity
from amanah_client.store.copy import AuditCopy
from amanah_client.store.copy_schema import REGISTER
from amanah_protocol import kinds
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId
from tests.client.audit.world import OFFICER_MA, OFFICER_SN, OFFICER_TN, Incident, anchor, incident
from tests.vectors import examples as x

KEY = bytes(range(32))


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "STRETCH", 3)
    monkeypatch.setattr(examination, "SAVED", 1)
    monkeypatch.setattr(examination, "_AHEAD", 2)


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[AuditCopy]:
    made = AuditCopy.open(tmp_path / "audit.db", KEY)
    yield made
    made.close()


def troubled() -> Incident:
    """A log with faults and remarks all over it, and entries that speak of others far behind them."""
    told = incident(more=12)
    log, room = told.log, told.room
    first = log.rooms[room].sent[4]
    log.post(OFFICER_MA, room, kinds.Message(), counter=99)
    log.post(OFFICER_TN, room, kinds.Message(), audience=bytes(32))
    log.post(OFFICER_SN, room, kinds.Ack(grade=kinds.Grade.READ, envelope=first))
    log.post(OFFICER_TN, room, kinds.Relabel(envelope=told_message(told), old=Label.AMBER, new=Label.GREEN))
    log.post(OFFICER_TN, room, kinds.Relabel(envelope=told_message(told), old=Label.AMBER, new=Label.CLEAR))
    log.post(OFFICER_TN, room, kinds.Relabel(envelope=told_message(told), old=Label.GREEN, new=Label.CLEAR))
    log.remove(OFFICER_TN, room, OFFICER_SN)
    log.post(OFFICER_SN, room, kinds.Message())
    log.revoke(OFFICER_MA, since_ms=log.now_ms - 5_000)
    log.post(OFFICER_MA, room, kinds.Message())
    log.add(OFFICER_TN, room, OFFICER_SN)
    for _ in range(5):
        log.post(OFFICER_SN, room, kinds.Message())
    return told


def told_message(told: Incident) -> EnvelopeId:
    """The first message of the officer of TN."""
    envelopes = (decode_envelope(leaf.object) for leaf in told.log.leaves if leaf.room == told.room)
    return next(
        made.id for made in envelopes if made.header.kid == OFFICER_TN.id and made.header.kind is kinds.Kind.MESSAGE
    )


def tables(copy: AuditCopy) -> dict[str, list[tuple[Any, ...]]]:
    with copy.reading() as connection:
        return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in REGISTER}  # noqa: S608 - tables of ours


def whole(told: Incident) -> tuple[dict[str, list[tuple[Any, ...]]], Report]:
    copy = AuditCopy.in_memory()
    copy.append(told.rows())
    report = examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor())
    return tables(copy), report


class Interrupted(Exception):  # noqa: N818 - what a test throws
    """The process was ended."""


def run_until(copy: AuditCopy, told: Incident, stretches: int) -> None:
    """Examine so many stretches, and no more."""
    done = 0

    def advanced(_: int) -> None:
        nonlocal done
        done += 1
        if done == stretches:
            raise Interrupted

    with pytest.raises(Interrupted):
        examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor(), advanced=advanced)


def shown(report: Report) -> list[tuple[Severity, int | None, Code, str]]:
    return [(found.severity, found.index, found.code, found.text) for found in report.findings]


@pytest.mark.parametrize("stretches", range(1, 16))
def test_an_interrupted_examination_goes_on_and_finds_the_same(copy: AuditCopy, stretches: int) -> None:
    told = troubled()
    copy.append(told.rows())
    run_until(copy, told, stretches)
    report = examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor())
    expected, all_at_once = whole(told)
    assert all_at_once.faults > 5
    assert shown(report) == shown(all_at_once)
    assert (report.faults, report.scope, report.compromised) == (
        all_at_once.faults,
        all_at_once.scope,
        all_at_once.compromised,
    )
    assert tables(copy) == expected


def test_an_examination_that_ends_after_every_stretch_finds_the_same(copy: AuditCopy) -> None:
    told = troubled()
    copy.append(told.rows())
    for _ in range(len(told.log.leaves) // 3):
        run_until(copy, told, 1)
    report = examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor())
    expected, all_at_once = whole(told)
    assert shown(report) == shown(all_at_once)
    assert tables(copy) == expected


def test_a_copy_that_grew_is_examined_from_where_it_ended(copy: AuditCopy, monkeypatch: pytest.MonkeyPatch) -> None:
    told = incident()
    copy.append(told.rows())
    note = told.log.checkpoint()
    examine_copy(copy, checkpoint=note, anchor=anchor())
    for _ in range(4):
        told.log.post(OFFICER_TN, told.room, kinds.Message())
    size = copy.size
    copy.append(told.rows()[size:])
    decoded: list[bytes] = []

    def watched(data: bytes) -> Envelope:
        decoded.append(data)
        return decode_envelope(data)

    monkeypatch.setattr(examination, "decode_envelope", watched)
    report = examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor())
    assert report.faults == 0
    assert decoded == [leaf.object for leaf in told.log.leaves[size:]]
    assert report.scope.leaves == told.log.size


def test_another_anchor_makes_the_register_anew(copy: AuditCopy) -> None:
    told = incident()
    copy.append(told.rows())
    note = told.log.checkpoint()
    examine_copy(copy, checkpoint=note, anchor=anchor())
    done: list[int] = []
    examine_copy(copy, checkpoint=note, anchor=anchor(), advanced=done.append)
    assert done == []
    other = anchor(*(x.roster_of(version).endorsed.encode() for version in (1, 2)))
    report = examine_copy(copy, checkpoint=note, anchor=other, advanced=done.append)
    assert done[-1] == told.log.size
    assert len(list(report.record.entries())) == report.scope.envelopes


def test_a_register_of_another_version_is_made_anew(copy: AuditCopy) -> None:
    told = incident()
    copy.append(told.rows())
    examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor())
    with copy.writing() as connection:
        connection.execute("UPDATE progress SET data = x'80'")
    done: list[int] = []
    report = examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor(), advanced=done.append)
    assert (done[-1], report.faults) == (told.log.size, 0)


def test_the_copy_of_a_nation_that_is_told_less_is_whole_too(copy: AuditCopy) -> None:
    told = incident()
    copy.append(told.log.rows(hidden=(told.room,)))
    report = examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor())
    assert report.faults == 0
    assert {entry.room for entry in report.record.entries()} == {told.small, told.hidden}


@pytest.mark.parametrize("stretches", [1, 4, 7, 12])
def test_what_was_not_written_yet_is_examined_again(
    copy: AuditCopy, stretches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examination, "SAVED", 5)
    told = troubled()
    copy.append(told.rows())
    run_until(copy, told, stretches)
    report = examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor())
    expected, all_at_once = whole(told)
    assert shown(report) == shown(all_at_once)
    assert tables(copy) == expected
