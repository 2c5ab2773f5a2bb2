"""The picture that is loaded: who is certified, enrolled, revoked, and under which roster."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_protocol import identity
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import CONTROL
from amanah_relay.store import Store
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


def test_a_long_control_stream_is_loaded_whole(store: Store, log: Sequence) -> None:
    store.append(log.batch(*identities(), *[certificate_leaf()] * 1_200))
    state = store.load()
    assert (state.control.head_seq, state.control.head_leaf) == log.heads[CONTROL]
    assert state.devices[x.KID].certificate.role is Role.OFFICER
