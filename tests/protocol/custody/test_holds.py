from __future__ import annotations

from typing import Any

import pytest

from amanah_protocol import cbor
from amanah_protocol.cose import Typ
from amanah_protocol.custody.holds import check_releases, decode_hold, release_document, verify_hold
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.types import OrgName, RoomId
from tests.protocol.custody.parties import CUSTODIAN, OFFICER, ROSTER, TN, hold, signed
from tests.protocol.refusal import refused
from tests.vectors import examples as x


def test_a_hold_decodes_to_what_was_written() -> None:
    made = hold()
    assert (made.organisation, made.rooms, made.released) == (x.TN, tuple(sorted((x.ROOM, RoomId(bytes(16))))), False)
    assert decode_hold(made.endorsed.encode()) == made
    assert verify_hold(made, TN.enrolment, ROSTER).value is made


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, "amanah/audit-grant/1"),
        (1, bytes(15)),
        (2, "TN"),
        (3, []),
        (3, [bytes(16), bytes(16)]),
        (3, [number.to_bytes(16, "big") for number in range(65)]),
        (4, -1),
        (5, b"a text about the case"),
        (6, None),
        (7, 0),
        (7, 3),
        (7, True),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(place: int, value: object) -> None:
    fields: Any = cbor.decode(hold().endorsed.document, max_bytes=4_096)
    fields[place] = value
    with refused(Code.BAD_TYPE, DecodeError):
        decode_hold(Endorsed(document=cbor.encode(fields), signatures=()).encode())


@pytest.mark.parametrize("signers", [(OFFICER,), (CUSTODIAN,), (OFFICER, TN.custodians[0])])
@pytest.mark.parametrize("released", [False, True])
def test_one_party_neither_holds_nor_releases(signers: tuple[Any, ...], released: bool) -> None:  # noqa: FBT001 - a parameter of the test
    verify_hold(hold(released=released), TN.enrolment, ROSTER)
    with refused(Code.THRESHOLD):
        verify_hold(hold(*signers, released=released), TN.enrolment, ROSTER)


def test_a_hold_is_signed_as_a_hold_by_its_own_organisation() -> None:
    with refused(Code.BAD_HEADER):
        verify_hold(hold(typ=Typ.AUDIT_GRANT), TN.enrolment, ROSTER)
    with refused(Code.CERTIFICATE):
        verify_hold(hold(organisation=OrgName("cert.example.org")), TN.enrolment, ROSTER)
    with refused(Code.CERTIFICATE):
        verify_hold(hold(organisation=x.NAMES[0]), TN.enrolment, ROSTER)


def test_a_release_is_the_same_hold_that_says_so() -> None:
    before = hold()
    release = signed(release_document(before, now_ms=x.NOW_MS), Typ.LEGAL_HOLD, OFFICER, CUSTODIAN)
    decoded = decode_hold(release.encode())
    assert decoded.released
    check_releases(decoded, before)
    for later, earlier in ((decoded, decoded), (before, before), (before, decoded)):
        with refused(Code.ROLLBACK):
            check_releases(later, earlier)


@pytest.mark.parametrize(
    "changes",
    [
        {"rooms": (x.ROOM,)},
        {"organisation": x.NAMES[0]},
        {"since_ms": 0},
        {"reference": bytes(16)},
        {"issued_ms": x.NOW_MS},
        {"hold": bytes(16)},
        {"released": False},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_release_changes_nothing_else(changes: dict[str, Any]) -> None:
    right: dict[str, Any] = {"issued_ms": x.NOW_MS + 1, "released": True}
    check_releases(hold(**right), hold())
    with refused(Code.ROLLBACK):
        check_releases(hold(**(right | changes)), hold())
