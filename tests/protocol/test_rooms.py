"""Who may do what in a room: each rule with everything right, and with only that broken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from amanah_protocol import identity, rooms
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.identity import Certificate, MachineLimits, Role
from amanah_protocol.kinds import Commit, Create, Kind
from amanah_protocol.labels import Label
from amanah_protocol.limits import MAX_MEMBERS
from amanah_protocol.rooms import Standing
from amanah_protocol.types import DeviceId, OrgName, PersonId, RoomId
from tests.protocol.refusal import refused

NOW = 1_790_000_000_000
SUITE = 0x0003
OWNER, GUEST, NEW = OrgName("cert.example.tn"), OrgName("cert.example.ma"), OrgName("cert.example.fr")
CREATE = Create(origin="relay.example.org/log", nonce=bytes(16), suite=SUITE, ceiling=Label.AMBER, owner=OWNER)


def certificate(
    number: int,
    organisation: OrgName = OWNER,
    role: Role = Role.OFFICER,
    *,
    ceiling: Label = Label.RED,
    suites: tuple[int, ...] = (SUITE,),
    machine: MachineLimits | None = None,
) -> Certificate:
    request = identity.make_request(
        SigningKey(bytes([number]) * 32),
        organisation=organisation,
        subject=PersonId(bytes(16)),
        role=role,
        nonce=bytes(16),
        suites=suites,
    )
    enrolment = SigningKey(b"e" * 32)
    return identity.issue_certificate(
        request, enrolment, now_ms=NOW, ceiling=ceiling, profile_mac=bytes(32), machine=machine
    )


def standings(*certificates: Certificate, revoked: Iterable[Certificate] = ()) -> dict[DeviceId, Standing]:
    gone = {item.device_id for item in revoked}
    return {
        item.device_id: Standing(certificate=item, revoked=item.device_id in gone) for item in (*certificates, *revoked)
    }


OFFICER = certificate(1)
COLLEAGUE = certificate(2)
GUEST_OFFICER = certificate(3, GUEST)
GUEST_COLLEAGUE = certificate(4, GUEST)
NEWCOMER = certificate(5, NEW)
BOT = certificate(6, OWNER, Role.BOT)


def check(
    *,
    by: Certificate = OFFICER,
    added: tuple[Certificate, ...] = (),
    removed: tuple[Certificate, ...] = (),
    inside: tuple[Certificate, ...] = (OFFICER, GUEST_OFFICER),
    known: Mapping[DeviceId, Standing] | None = None,
) -> None:
    everybody = (OFFICER, COLLEAGUE, GUEST_OFFICER, GUEST_COLLEAGUE, NEWCOMER, BOT, *added, *inside, by)
    rooms.check_commit(
        Commit(
            added=tuple(sorted(item.device_id for item in added)),
            removed=tuple(sorted(item.device_id for item in removed)),
        ),
        create=CREATE,
        committer=by.device_id,
        members=[item.device_id for item in inside],
        standings=standings(*everybody) if known is None else known,
        at_ms=NOW,
    )


def test_officers_add_devices_of_organisations_that_are_in() -> None:
    check(added=(COLLEAGUE,))
    check(by=GUEST_OFFICER, added=(GUEST_COLLEAGUE,))
    check(by=GUEST_OFFICER, added=(COLLEAGUE,))


def test_only_the_owner_adds_a_new_organisation() -> None:
    check(added=(NEWCOMER,))
    with refused(Code.MEMBERSHIP, RefusedError):
        check(by=GUEST_OFFICER, added=(NEWCOMER,))


def test_bots_neither_add_nor_remove_and_may_commit_without_a_change() -> None:
    inside = (OFFICER, BOT)
    check(by=BOT, inside=inside)
    with refused(Code.ROLE, RefusedError):
        check(by=BOT, inside=inside, added=(COLLEAGUE,))
    with refused(Code.ROLE, RefusedError):
        check(by=BOT, inside=inside, removed=(OFFICER,))


def test_a_device_that_is_in_already_is_not_added() -> None:
    with refused(Code.MEMBERSHIP, RefusedError):
        check(added=(GUEST_OFFICER,))


def test_a_device_is_not_added_and_removed_at_once() -> None:
    with refused(Code.MEMBERSHIP, RefusedError):
        check(added=(COLLEAGUE,), removed=(COLLEAGUE,))


def test_a_device_without_a_logged_certificate_is_not_added() -> None:
    with refused(Code.MEMBERSHIP, RefusedError):
        check(added=(COLLEAGUE,), known=standings(OFFICER, GUEST_OFFICER))


def test_a_revoked_device_is_not_added() -> None:
    with refused(Code.MEMBERSHIP, RefusedError):
        check(added=(COLLEAGUE,), known=standings(OFFICER, GUEST_OFFICER, revoked=(COLLEAGUE,)))


def test_a_device_with_an_expired_certificate_is_not_added() -> None:
    old = replace(COLLEAGUE, not_after_ms=NOW - 1)
    with refused(Code.MEMBERSHIP, RefusedError):
        check(added=(old,), known=standings(OFFICER, GUEST_OFFICER, old))


@pytest.mark.parametrize("role", [Role.SENSOR, Role.AUDITOR, Role.WITNESS, Role.OPERATOR])
def test_only_officers_and_bots_are_members(role: Role) -> None:
    check(added=(BOT,))
    with refused(Code.ROLE, RefusedError):
        check(added=(certificate(9, OWNER, role),))


def test_a_device_without_the_rooms_suite_is_refused_by_name() -> None:
    other = certificate(9, suites=(1,))
    with refused(Code.SUITE, RefusedError):
        check(added=(other,))


def test_a_device_that_is_not_cleared_for_the_room_is_not_added() -> None:
    check(added=(certificate(9, ceiling=Label.AMBER),))
    with refused(Code.LABEL, RefusedError):
        check(added=(certificate(9, ceiling=Label.GREEN),))


def test_an_organisation_removes_its_own_and_the_owner_any() -> None:
    inside = (OFFICER, GUEST_OFFICER, GUEST_COLLEAGUE)
    check(by=GUEST_OFFICER, inside=inside, removed=(GUEST_COLLEAGUE,))
    check(by=OFFICER, inside=inside, removed=(GUEST_COLLEAGUE,))
    with refused(Code.MEMBERSHIP, RefusedError):
        check(by=GUEST_OFFICER, inside=(*inside, COLLEAGUE), removed=(COLLEAGUE,))


def test_anybody_removes_a_device_that_is_revoked_or_not_certified() -> None:
    inside = (OFFICER, GUEST_OFFICER, COLLEAGUE)
    check(
        by=GUEST_OFFICER,
        inside=inside,
        removed=(COLLEAGUE,),
        known=standings(OFFICER, GUEST_OFFICER, revoked=(COLLEAGUE,)),
    )
    check(by=GUEST_OFFICER, inside=inside, removed=(COLLEAGUE,), known=standings(OFFICER, GUEST_OFFICER))


def test_nobody_removes_itself_or_somebody_who_is_not_in() -> None:
    with refused(Code.MEMBERSHIP, RefusedError):
        check(removed=(OFFICER,))
    with refused(Code.MEMBERSHIP, RefusedError):
        check(removed=(COLLEAGUE,))


def test_a_room_has_at_most_a_thousand_members() -> None:
    crowd = [DeviceId(number.to_bytes(32, "big")) for number in range(MAX_MEMBERS - 1)]
    known = standings(OFFICER, COLLEAGUE)

    def add(members: list[DeviceId]) -> None:
        rooms.check_commit(
            Commit(added=(COLLEAGUE.device_id,)),
            create=CREATE,
            committer=OFFICER.device_id,
            members=[OFFICER.device_id, *members],
            standings=known,
            at_ms=NOW,
        )

    add(crowd[:-1])
    with refused(Code.QUOTA, RefusedError):
        add(crowd)


def test_an_officer_opens_a_room_that_the_own_organisation_owns() -> None:
    rooms.check_create(CREATE, Standing(certificate=OFFICER, revoked=False))
    for creator, code in (
        (BOT, Code.ROLE),
        (GUEST_OFFICER, Code.MEMBERSHIP),
        (certificate(9, suites=(1,)), Code.SUITE),
    ):
        with refused(code, RefusedError):
            rooms.check_create(CREATE, Standing(certificate=creator, revoked=False))


def test_a_successor_is_opened_by_who_was_in_and_is_of_the_same_kind() -> None:
    made = replace(CREATE, nonce=bytes([1]) * 16, owner=GUEST, successor_of=RoomId(bytes(16)))
    creator, other = GUEST_OFFICER.device_id, OFFICER.device_id
    rooms.check_successor(made, creator=creator, before=CREATE, members=(creator, other))
    with refused(Code.MEMBERSHIP, RefusedError):
        rooms.check_successor(made, creator=creator, before=CREATE, members=(other,))
    changes: tuple[dict[str, Any], ...] = (
        {"suite": 0xF001},
        {"ceiling": Label.RED},
        {"policy": b"other"},
        {"agreement": "other"},
        {"drill": True},
    )
    for change in changes:
        with refused(Code.MEMBERSHIP, RefusedError):
            rooms.check_successor(replace(made, **change), creator=creator, before=CREATE, members=(creator,))


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("kind", list(Kind))
def test_a_role_sends_its_kinds_and_no_others(role: Role, kind: Kind) -> None:
    allowed = {
        Role.OFFICER: set(Kind),
        Role.BOT: {
            Kind.MESSAGE, Kind.ALERT, Kind.ACK, Kind.DELIVERED, Kind.COUNTS, Kind.COMMIT, Kind.REFUSE, Kind.REPAIR,
        },
        Role.SENSOR: {Kind.ALERT, Kind.COUNTS},
    }.get(role, set())  # fmt: skip
    if kind in allowed:
        rooms.check_kind(certificate(9, OWNER, role), kind, Label.CLEAR)
    else:
        with refused(Code.ROLE, RefusedError):
            rooms.check_kind(certificate(9, OWNER, role), kind, Label.CLEAR)


def test_a_machine_sends_only_the_kinds_of_its_certificate() -> None:
    bound = certificate(9, OWNER, Role.BOT, machine=MachineLimits(kinds=(Kind.ALERT,)))
    rooms.check_kind(bound, Kind.ALERT, Label.CLEAR)
    rooms.check_kind(bound, Kind.DELIVERED, Label.CLEAR)
    with refused(Code.ROLE, RefusedError):
        rooms.check_kind(bound, Kind.MESSAGE, Label.CLEAR)


def test_a_label_above_the_devices_ceiling_is_refused() -> None:
    green = certificate(9, ceiling=Label.GREEN)
    rooms.check_kind(green, Kind.MESSAGE, Label.GREEN)
    with refused(Code.LABEL, RefusedError):
        rooms.check_kind(green, Kind.MESSAGE, Label.AMBER)


def test_a_label_above_the_rooms_ceiling_is_refused() -> None:
    rooms.check_label(Label.AMBER, CREATE)
    with refused(Code.LABEL, RefusedError):
        rooms.check_label(Label.AMBER_STRICT, CREATE)
