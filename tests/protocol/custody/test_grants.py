from __future__ import annotations

from typing import Any

import pytest

from amanah_protocol import cbor
from amanah_protocol.cose import Typ
from amanah_protocol.custody.grants import (
    check_ends,
    check_reader,
    decode_grant,
    ending_document,
    grant_document,
    verify_grant,
)
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.labels import Label
from amanah_protocol.limits import GRANT_MS
from amanah_protocol.types import GrantId, OrgName, PersonId, RoomId
from tests.protocol.custody.parties import CUSTODIAN, OFFICER, ROSTER, TN, grant, signed, terms
from tests.protocol.refusal import refused
from tests.vectors import examples as x

DAY_MS = 86_400_000
ROOMS = tuple(RoomId(bytes([number]) * 16) for number in range(1, 66))


def test_a_grant_decodes_to_what_was_written() -> None:
    made = grant()
    wanted = terms()
    assert all(getattr(made, name) == getattr(wanted, name) for name in wanted.__slots__)
    assert grant_document(made) == made.endorsed.document
    assert verify_grant(made, TN.enrolment, ROSTER).value is made


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "amanah/legal-hold/1"),
        (1, bytes(15)),
        (2, "NOT A NAME"),
        (3, None),
        (4, bytes(32)),
        (5, [ROOMS[1], ROOMS[0]]),
        (5, [ROOMS[0], ROOMS[0]]),
        (5, list(ROOMS)),
        (6, x.NOW_MS),
        (7, x.NOW_MS - DAY_MS),
        (8, [5]),
        (8, [2, 1]),
        (8, [1, 1]),
        (9, ""),
        (9, " "),
        (9, "two\nlines"),
        (9, "x" * 254),
        (11, x.NOW_MS + 31 * DAY_MS),
        (12, x.NOW_MS + GRANT_MS + 1),
    ],
)
def test_a_grant_that_makes_no_sense_is_refused(place: int, value: object) -> None:
    fields: Any = cbor.decode(grant_document(terms()), max_bytes=4_096)
    fields[place] = value
    with refused(Code.BAD_TYPE, DecodeError):
        decode_grant(Endorsed(document=cbor.encode(fields), signatures=()).encode())


def test_the_bounds_of_a_grant_are_exact() -> None:
    assert grant(not_after_ms=x.NOW_MS + GRANT_MS).not_after_ms == x.NOW_MS + GRANT_MS
    assert len(grant(rooms=ROOMS[:64]).rooms) == 64
    assert grant(purpose="x" * 253).purpose == "x" * 253
    assert grant(since_ms=None, until_ms=0).until_ms == 0
    assert grant(since_ms=5, until_ms=None).since_ms == 5


# ---- who may grant


def test_an_organisation_grants_by_two_parties() -> None:
    with refused(Code.THRESHOLD):
        verify_grant(grant(OFFICER), TN.enrolment, ROSTER)
    with refused(Code.CERTIFICATE):
        verify_grant(grant(), None, ROSTER)
    with refused(Code.CERTIFICATE):
        verify_grant(grant(granting=OrgName("cert.example.org")), TN.enrolment, ROSTER)
    with refused(Code.BAD_HEADER):
        verify_grant(grant(typ=Typ.LEGAL_HOLD), TN.enrolment, ROSTER)


def test_the_community_grants_by_the_threshold_of_its_organisations() -> None:
    two = x.custodians(*x.NAMES[:2])
    made = grant(*two, granting=None, rooms=())
    assert verify_grant(made, None, ROSTER).value.is_whole_log
    for signers in (two[:2], two[:3], (OFFICER, CUSTODIAN)):
        with refused(Code.THRESHOLD):
            verify_grant(grant(*signers, granting=None, rooms=()), TN.enrolment, ROSTER)
    with refused(Code.BAD_HEADER):
        verify_grant(grant(*two, granting=None, typ=Typ.ENDORSEMENT), None, ROSTER)


def test_a_threshold_of_one_is_two_for_what_is_everybodys() -> None:
    from amanah_protocol import roster  # noqa: PLC0415 - for this one roster

    document = x.roster_document(threshold=1)
    alone = roster.verify_roster(
        roster.decode_roster(x.endorsed(document, *x.custodians(x.TN)).encode()), None, now_ms=x.NOW_MS
    )
    with refused(Code.THRESHOLD):
        verify_grant(grant(*x.custodians(x.TN), granting=None), None, alone)
    verify_grant(grant(*x.custodians(*x.NAMES[1:]), granting=None), None, alone)


# ---- what it shows


def test_membership_is_shown_and_the_rest_is_selected() -> None:
    made = grant()
    inside = x.NOW_MS - 1
    assert made.is_selection
    assert not made.is_whole_log
    assert made.shows(inside, Label.GREEN)
    assert not made.shows(inside, Label.RED)
    assert not made.shows(x.NOW_MS, Label.GREEN)
    assert not made.shows(x.NOW_MS, None)
    assert not made.shows(x.NOW_MS - DAY_MS - 1, Label.GREEN)
    assert made.shows(x.NOW_MS - DAY_MS - 1, None)
    assert made.shows(inside, None)


def test_a_grant_without_bounds_shows_all() -> None:
    made = grant(since_ms=None, until_ms=None, labels=())
    assert not made.is_selection
    assert made.shows(0, Label.RED)
    assert grant(labels=()).is_selection
    assert not grant(since_ms=None, labels=()).is_selection
    assert grant(since_ms=None, labels=()).is_partial, "nothing from a time on"
    assert grant(until_ms=None, labels=()).is_partial
    assert not made.is_partial
    assert not grant(rooms=()).is_whole_log
    assert not grant(granting=None).is_whole_log


# ---- who reads, and how it ends


def test_a_grant_is_for_its_auditor_and_its_time() -> None:
    made = grant()
    reader, auditor = made.subject, made.auditor
    assert reader is not None
    check_reader(made, auditor, reader, x.NOW_MS)
    check_reader(grant(subject=None), auditor, PersonId(bytes(16)), x.NOW_MS)
    for organisation, subject in ((x.TN, reader), (auditor, PersonId(bytes(16)))):
        with refused(Code.ROLE):
            check_reader(made, organisation, subject, x.NOW_MS)
    for at_ms in (made.not_before_ms - 1, made.not_after_ms):
        with refused(Code.EXPIRED):
            check_reader(made, auditor, reader, at_ms)


def ended(now_ms: int) -> bytes:
    return signed(ending_document(grant(), now_ms=now_ms), Typ.AUDIT_GRANT, OFFICER, CUSTODIAN).encode()


@pytest.mark.parametrize("now_ms", [0, x.NOW_MS, x.NOW_MS + DAY_MS, x.NOW_MS + 90 * DAY_MS])
def test_an_end_is_a_grant_of_the_same_id_that_holds_for_less(now_ms: int) -> None:
    before, end = grant(), decode_grant(ended(now_ms))
    check_ends(end, before)
    assert end.not_before_ms <= end.not_after_ms < before.not_after_ms
    with refused(Code.ROLLBACK):
        check_ends(before, end)
    with refused(Code.ROLLBACK):
        check_ends(end, end)


@pytest.mark.parametrize(
    "changes",
    [
        {"rooms": ()},
        {"auditor": x.TN},
        {"subject": None},
        {"labels": ()},
        {"until_ms": None},
        {"since_ms": None},
        {"granting": x.NAMES[1]},
        {"purpose": "another"},
        {"not_before_ms": x.NOW_MS + 1},
        {"issued_ms": x.NOW_MS},
        {"not_after_ms": x.NOW_MS + 30 * DAY_MS},
        {"id": GrantId(bytes(16))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_end_changes_nothing_else(changes: dict[str, Any]) -> None:
    right: dict[str, Any] = {"issued_ms": x.NOW_MS + 1, "not_after_ms": x.NOW_MS + DAY_MS}
    check_ends(grant(**right), grant())
    with refused(Code.ROLLBACK):
        check_ends(grant(**(right | changes)), grant())
