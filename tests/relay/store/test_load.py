"""The picture that is loaded: who is certified, enrolled, revoked, and under which roster."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.dialects import sqlite

from amanah_protocol import identity
from amanah_protocol.audit import audit_chain
from amanah_protocol.cose import Typ
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.grants import ending_document
from amanah_protocol.custody.holds import release_document
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import CONTROL, RoomId
from amanah_relay.store import Store
from amanah_relay.store.load import CUSTODY, REMOVALS
from tests.relay.store.sequence import OTHER_KID, Draft, Sequence, control, identities
from tests.vectors import examples as x


def roster_leaf(version: int) -> Draft:
    endorsed = x.roster_of(version).endorsed
    return control(LeafType.ROSTER, endorsed.record, endorsed.encode())


def revocation_leaf() -> Draft:
    return control(LeafType.REVOCATION, x.device_revocation().encoded)


def certificate_leaf() -> Draft:
    return control(LeafType.CERTIFICATE, x.certificate().encoded)


def renewed() -> identity.Certificate:
    return identity.issue_certificate(
        x.request(),
        x.nation(x.TN).enrolment_key,
        now_ms=x.NOW_MS + 86_400_000,
        ceiling=Label.RED,
        profile_mac=x.profile().mac,
    )


def test_a_new_store_is_loaded_with_its_roster_and_nobody(store: Store) -> None:
    state = store.load()
    assert state.roster.value == x.roster_of()
    assert (state.size, len(state.edge), state.last_accepted_ms) == (1, 1, x.NOW_MS)
    assert (state.devices, state.enrolments, state.rooms, state.chains) == ({}, {}, {}, {})


def test_logged_devices_and_enrolments_are_loaded(store: Store, log: Sequence) -> None:
    store.append(log.batch(*identities()))
    state = store.load()
    assert set(state.devices) == {x.KID, OTHER_KID}
    assert state.devices[x.KID].certificate == x.certificate()
    assert state.devices[x.KID].revoked_index is None
    assert state.enrolments == {
        x.nation(name).enrolment.key_id: x.nation(name).enrolment for name in (x.TN, x.NAMES[1])
    }


def test_the_newest_certificate_of_a_device_counts(store: Store, log: Sequence) -> None:
    store.append(log.batch(*identities()))
    store.append(log.batch(control(LeafType.CERTIFICATE, renewed().encoded)))
    assert store.load().devices[x.KID].certificate == renewed()


def test_a_revocation_counts_from_its_index(store: Store, log: Sequence) -> None:
    store.append(log.batch(*identities(), revocation_leaf()))
    store.append(log.batch(revocation_leaf()))
    state = store.load()
    assert state.devices[x.KID].revoked_index == 5
    assert state.devices[OTHER_KID].revoked_index is None


def test_a_renewal_does_not_bring_a_revoked_device_back(store: Store, log: Sequence) -> None:
    store.append(log.batch(*identities(), revocation_leaf(), control(LeafType.CERTIFICATE, renewed().encoded)))
    assert store.load().devices[x.KID].revoked_index == 5


def test_a_revocation_before_the_certificate_counts(store: Store, log: Sequence) -> None:
    store.append(log.batch(revocation_leaf(), certificate_leaf()))
    assert store.load().devices[x.KID].revoked_index == 1


def test_a_withdrawn_enrolment_key_is_loaded(store: Store, log: Sequence) -> None:
    endorsed = x.enrolment_revocation().endorsed
    store.append(log.batch(*identities(), control(LeafType.REVOCATION, endorsed.record, endorsed.encode())))
    state = store.load()
    assert state.revoked_enrolments == {x.nation(x.TN).enrolment.key_id}
    assert state.devices[x.KID].revoked_index is None


def test_the_newest_roster_of_the_chain_is_loaded(store: Store, log: Sequence) -> None:
    store.append(log.batch(roster_leaf(2), *identities(), roster_leaf(3)))
    assert store.load().roster.value == x.roster_of(3)


@pytest.mark.parametrize(
    "wrong",
    [
        [roster_leaf(3), roster_leaf(2)],
        [replace(roster_leaf(2), type=LeafType.ENROLMENT)],
        [replace(certificate_leaf(), type=LeafType.ROSTER)],
        [replace(certificate_leaf(), type=LeafType.REVOCATION)],
        [replace(certificate_leaf(), type=LeafType.AUDIT_GRANT)],
    ],
)
def test_a_control_stream_that_nobody_could_have_accepted_is_damage(
    store: Store, log: Sequence, wrong: list[Draft]
) -> None:
    store.append(log.batch(*wrong))
    with pytest.raises(OperationalError) as refused:
        store.load()
    assert refused.value.code is Code.DAMAGED


def test_a_room_that_begins_with_another_envelope_is_damage(store: Store, log: Sequence) -> None:
    store.append(log.batch(log.envelope()))
    with pytest.raises(OperationalError, match="the room"):
        store.load()


def test_a_member_whose_removal_stands_nowhere_is_damage(store: Store, log: Sequence) -> None:
    store.append(log.batch(log.create()))
    row = log.batch(log.envelope()).members[0]
    again = Sequence.behind(store.load())
    store.append(again.batch(members=(replace(row, removed_seq=7),)))
    with pytest.raises(OperationalError, match="a member of the room") as refused:
        store.load()
    assert refused.value.code is Code.DAMAGED


def test_a_long_control_stream_is_loaded_whole(store: Store, log: Sequence) -> None:
    store.append(log.batch(*identities(), *[certificate_leaf()] * 1_200))
    state = store.load()
    assert (state.control.head_seq, state.control.head_leaf) == log.heads[CONTROL]
    assert state.devices[x.KID].certificate.role is Role.OFFICER


def custody_leaf(leaf_type: LeafType, endorsed: Endorsed, chain: RoomId = custody_chain(x.ROOM)) -> Draft:  # noqa: B008 - a value that never changes
    return Draft(type=leaf_type, room=chain, object=endorsed.record, document=endorsed.encode())


def test_grants_and_holds_are_loaded_as_they_were_last_logged(store: Store, log: Sequence) -> None:
    grant, hold = x.audit_grant(), x.legal_hold()
    home = audit_chain(x.TN)
    store.append(
        log.batch(
            custody_leaf(LeafType.AUDIT_GRANT, grant.endorsed, home),
            custody_leaf(LeafType.AUDIT_GRANT, grant.endorsed),
            custody_leaf(LeafType.LEGAL_HOLD, hold.endorsed),
        )
    )
    state = store.load()
    assert (state.grants, state.holds) == ({grant.id: grant}, {hold.id: hold})
    ending = x.two_party(ending_document(grant, now_ms=x.NOW_MS + 1), Typ.AUDIT_GRANT)
    release = x.two_party(release_document(hold, now_ms=x.NOW_MS + 1), Typ.LEGAL_HOLD)
    store.append(log.batch(custody_leaf(LeafType.AUDIT_GRANT, ending), custody_leaf(LeafType.LEGAL_HOLD, release)))
    state = store.load()
    assert state.grants[grant.id].endorsed == ending
    assert state.holds[hold.id].released
    assert store.verify_log().size == state.size


def test_forgotten_persons_are_loaded_from_the_control_stream(store: Store, log: Sequence) -> None:
    store.append(log.batch(custody_leaf(LeafType.ERASURE, x.person_erasure().endorsed, CONTROL)))
    assert store.load().forgotten == {(x.TN, x.request().subject)}
    assert store.verify_log().size == 2


def test_a_grant_that_does_not_parse_any_more_is_damage(store: Store, log: Sequence) -> None:
    broken = Endorsed(document=b"\x80", signatures=())
    store.append(log.batch(custody_leaf(LeafType.AUDIT_GRANT, broken)))
    with pytest.raises(OperationalError, match="leaf 1") as refused:
        store.load()
    assert refused.value.code is Code.DAMAGED


def test_grants_and_holds_are_found_without_reading_the_log(store: Store, tmp_path: Path) -> None:
    assert store.load().grants == {}
    with closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as raw:
        asked = str(CUSTODY.compile(dialect=sqlite.dialect()))
        plan = " ".join(str(row) for row in raw.execute(f"EXPLAIN QUERY PLAN {asked}"))
    assert "leaf_custody" in plan


def test_removals_are_found_by_their_places(store: Store, tmp_path: Path) -> None:
    assert store.load().rooms == {}
    with closing(sqlite3.connect(next(tmp_path.glob("*.db")))) as raw:
        asked = str(REMOVALS.compile(dialect=sqlite.dialect()))
        plan = [str(row) for row in raw.execute(f"EXPLAIN QUERY PLAN {asked}")]
    assert [step for step in plan if "SCAN" in step] == [step for step in plan if "member" in step]
