"""The control stream: one chain, and each object by its own organisation's keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from amanah_client import inputs
from amanah_protocol import frames
from amanah_protocol.identity import Role
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import CONTROL, LeafHash, OrgName, PersonId
from tests.client.core.forge import push
from tests.client.core.rooms import create, two
from tests.client.core.world import MA, SN, TN, Client, Stage, certify
from tests.relay.people import NOW_MS, Nation, endorsed_by, make_roster


def entry(
    victim: Client,
    leaf_type: int,
    data: bytes,
    document: bytes | None = None,
    **changes: Any,  # noqa: ANN401 - frame fields
) -> frames.ControlEntry:
    """The next entry of the stream, right in all that is not changed."""
    control = victim.core._ctx.control  # noqa: SLF001 - a forger knows what the victim knows
    fields: dict[str, Any] = {
        "sequence": control.sequence + 1,
        "index": control.index + 50,
        "type": leaf_type,
        "accepted_at_ms": victim.stage.relay.now_ms,
        "previous": control.leaf,
        "object": data,
        "document": document,
    }
    return frames.ControlEntry(**(fields | changes))


def endorsed(victim: Client, leaf_type: int, encoded: Any, **changes: Any) -> frames.ControlEntry:  # noqa: ANN401 - an Endorsed
    """An entry with its document beside it."""
    return entry(victim, leaf_type, encoded.record, encoded.encode(), **changes)


def newcomer(stage: Stage, of: str = MA, name: str = "N") -> bytes:
    """An encoded certificate of a device that never logged in."""
    device, _ = certify(stage.relay.nations[of], name, Role.OFFICER)
    return device.certificate.encoded


def known(victim: Client) -> int:
    """Devices that the victim knows."""
    return len(victim.core._ctx.directory.devices)  # noqa: SLF001 - what is tested


def test_a_certificate_that_chains_to_the_roster_is_recorded(stage: Stage) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    before = known(a)
    push(a, entry(a, LeafType.CERTIFICATE, newcomer(stage)))
    assert known(a) == before + 1
    assert a.store.control[-1].type == LeafType.CERTIFICATE
    assert a.store.alarms == []


def forged_certificate(stage: Stage) -> bytes:
    encoded = newcomer(stage)
    return encoded[:-1] + bytes([encoded[-1] ^ 1])


def of_another_issuer(stage: Stage) -> bytes:
    """A certificate of MA's device by TN's enrolment key."""
    nations = stage.relay.nations
    mixed = Nation(
        name=nations[MA].name,
        root=nations[TN].root,
        custodian=nations[TN].custodian,
        enrolment_key=nations[TN].enrolment_key,
        enrolment=nations[TN].enrolment,
    )
    return certify(mixed, "N", Role.OFFICER)[0].certificate.encoded


def expired(stage: Stage) -> bytes:
    return certify(stage.relay.nations[MA], "N", Role.OFFICER, now_ms=NOW_MS - 100 * 86_400_000)[0].certificate.encoded


@pytest.mark.parametrize(
    ("make", "code"),
    [(forged_certificate, "SIGNATURE"), (of_another_issuer, "CERTIFICATE"), (expired, "EXPIRED")],
)
def test_a_certificate_that_does_not_hold_is_passed_over_with_an_alarm(
    stage: Stage, make: Callable[[Stage], bytes], code: str
) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    before, rows = known(a), len(a.store.control)
    push(a, entry(a, LeafType.CERTIFICATE, make(stage)))
    assert (known(a), len(a.store.control), a.codes()) == (before, rows, [code])
    push(a, entry(a, LeafType.CERTIFICATE, newcomer(stage)))
    assert known(a) == before + 1
    assert a.peer is not None


def test_the_stream_is_read_on_behind_an_entry_that_was_passed_over(stage: Stage) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    push(a, entry(a, LeafType.CERTIFICATE, forged_certificate(stage)))
    push(a, entry(a, LeafType.CERTIFICATE, newcomer(stage)))
    a.restart()
    assert known(a) == 3


def test_a_device_of_another_organisation_stays_with_the_first(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    stage.online("C", of=SN)
    stolen, _ = certify(stage.relay.nations[SN], "B", Role.OFFICER)
    push(a, entry(a, LeafType.CERTIFICATE, stolen.certificate.encoded))
    assert a.codes() == ["FOREIGN_DEVICE"]
    assert a.core._ctx.directory.organisation(b.device.id) == MA  # noqa: SLF001 - what is tested


def test_a_device_of_another_person_stays_with_the_first(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    nation = stage.relay.nations[MA]
    subject = nation.certify("B").certificate.subject
    push(a, entry(a, LeafType.CERTIFICATE, nation.certify("B", subject=PersonId(bytes(16))).certificate.encoded))
    assert a.codes() == ["FOREIGN_DEVICE"]
    devices = a.core._ctx.directory.devices_of  # noqa: SLF001 - what is tested
    assert (devices(OrgName(MA), subject), devices(OrgName(MA), PersonId(bytes(16)))) == ((b.device.id,), ())
    push(a, entry(a, LeafType.CERTIFICATE, nation.certify("B", lifetime_ms=86_400_000).certificate.encoded))
    assert a.codes() == ["FOREIGN_DEVICE"], "a renewed one of the same person is taken"


def test_an_organisation_outside_the_roster_is_of_no_concern(stage: Stage) -> None:
    a = stage.online("A")
    stranger = Nation.make("cert.example.zz")
    push(a, endorsed(a, LeafType.ENROLMENT, stranger.enrolment.endorsed))
    assert a.store.alarms == []
    assert stranger.enrolment.key_id not in a.core._ctx.directory.enrolments  # noqa: SLF001 - what is tested


def test_a_revocation_by_the_own_organisation_counts(stage: Stage) -> None:
    a, b, room = two(stage)
    push(a, entry(a, LeafType.REVOCATION, stage.relay.nations[MA].revoke(b.device.id)))
    standing = a.core._ctx.directory.standing(b.device.id)  # noqa: SLF001 - what is tested
    assert standing is not None
    assert standing.revoked
    assert a.store.alarms == []
    assert a.row(room).in_flight is not None


@pytest.mark.parametrize("by", [TN, SN])
def test_a_revocation_by_another_organisation_is_an_alarm(stage: Stage, by: str) -> None:
    a, b, _room = two(stage)
    stage.online("C", of=SN)
    push(a, entry(a, LeafType.REVOCATION, stage.relay.nations[by].revoke(b.device.id)))
    assert a.codes() == ["CERTIFICATE"]
    standing = a.core._ctx.directory.standing(b.device.id)  # noqa: SLF001 - what is tested
    assert standing is not None
    assert not standing.revoked


def test_a_revoked_device_stops(stage: Stage) -> None:
    a = stage.online("A")
    push(a, entry(a, LeafType.REVOCATION, stage.relay.nations[TN].revoke(a.device.id)))
    assert a.codes() == ["REVOKED"]
    assert not a.disconnects[-1].again
    a.restart()
    a.connect()
    assert not a.disconnects[-1].again


def test_a_withdrawn_enrolment_key_certifies_nobody_any_more(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    withdrawn = stage.relay.nations[MA].withdraw_enrolment()
    document = endorsed_by_document(withdrawn)
    push(a, endorsed(a, LeafType.REVOCATION, document))
    assert a.store.alarms == []
    standing = a.core._ctx.directory.standing(b.device.id)  # noqa: SLF001 - what is tested
    assert standing is not None
    assert standing.revoked
    push(a, entry(a, LeafType.CERTIFICATE, newcomer(stage)))
    assert a.codes() == ["REVOKED"]


def endorsed_by_document(encoded: bytes) -> Any:  # noqa: ANN401 - an Endorsed
    """Take an encoded endorsed document apart."""
    from amanah_protocol.endorse import decode_endorsed  # noqa: PLC0415 - one use

    return decode_endorsed(encoded)


def test_a_withdrawal_by_another_root_is_an_alarm(stage: Stage) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    document = endorsed_by_document(stage.relay.nations[MA].withdraw_enrolment()).document
    push(a, endorsed(a, LeafType.REVOCATION, endorsed_by(document, stage.relay.nations[TN].root)))
    assert a.codes() == ["THRESHOLD"]


def test_a_withdrawal_of_another_organisations_key_is_an_alarm(stage: Stage) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    nations = stage.relay.nations
    mixed = Nation(
        name=nations[TN].name,
        root=nations[TN].root,
        custodian=nations[TN].custodian,
        enrolment_key=nations[MA].enrolment_key,
        enrolment=nations[MA].enrolment,
    )
    push(a, endorsed(a, LeafType.REVOCATION, endorsed_by_document(mixed.withdraw_enrolment())))
    assert a.codes() == ["CERTIFICATE"]


def test_the_same_enrolment_key_is_not_another_organisations_too(stage: Stage) -> None:
    a, _b = stage.online("A"), stage.online("B", of=MA)
    nations = stage.relay.nations
    thief = Nation.make(TN)
    document = replace_key(thief, nations[MA].enrolment_key.public)
    push(a, endorsed(a, LeafType.ENROLMENT, endorsed_by(document, thief.root)))
    assert a.codes() == ["FOREIGN_DEVICE"]


def replace_key(nation: Nation, public: bytes) -> bytes:
    """An enrolment document of an organisation for any key."""
    from amanah_protocol.identity import enrolment_document  # noqa: PLC0415 - one use

    return enrolment_document(nation.name, public, now_ms=NOW_MS)


def test_an_enrolment_key_is_renewed(stage: Stage) -> None:
    a = stage.online("A")
    renewed = stage.relay.nations[TN].renew_enrolment(now_ms=NOW_MS)
    push(a, endorsed(a, LeafType.ENROLMENT, renewed.endorsed))
    held = a.core._ctx.directory.enrolments[renewed.key_id].enrolment  # noqa: SLF001 - what is tested
    assert held.not_after_ms == renewed.not_after_ms
    assert a.store.alarms == []


def test_a_newer_roster_is_accepted_and_stored(stage: Stage) -> None:
    a = stage.online("A")
    newer = make_roster(tuple(stage.relay.nations.values()), version=2)
    push(a, endorsed(a, LeafType.ROSTER, newer.endorsed))
    assert a.store.base.roster == newer.endorsed.encode()
    assert a.store.alarms == []
    a.restart()
    assert a.core._ctx.control.roster_seen  # noqa: SLF001 - what is tested


@pytest.mark.parametrize(
    ("version", "signers", "code"), [(2, (TN,), "THRESHOLD"), (1, (TN, MA), "ROLLBACK"), (0, (TN, MA), "ROLLBACK")]
)
def test_a_roster_that_is_not_a_successor_is_an_alarm(
    stage: Stage, version: int, signers: tuple[str, ...], code: str
) -> None:
    a = stage.online("A")
    nations = stage.relay.nations
    push(a, endorsed(a, LeafType.ROSTER, stage.relay.roster.endorsed))
    other = make_roster((nations[TN], nations[MA]), version=version, signers=tuple(nations[name] for name in signers))
    push(a, endorsed(a, LeafType.ROSTER, other.endorsed))
    assert a.codes() == [code]
    assert a.store.base.roster == stage.relay.roster.endorsed.encode()


def test_older_rosters_before_the_one_handed_over_are_history(stage: Stage) -> None:
    a = stage.client("A")
    nations = tuple(stage.relay.nations.values())
    newer = make_roster(nations, version=3)
    a.store.base = replace(a.store.base, roster=newer.endorsed.encode())
    a.restart()
    a.connect()
    stage.run()
    push(a, endorsed(a, LeafType.ROSTER, make_roster(nations, version=2).endorsed))
    assert a.store.alarms == []
    push(a, endorsed(a, LeafType.ROSTER, newer.endorsed))
    push(a, endorsed(a, LeafType.ROSTER, make_roster(nations, version=2).endorsed))
    assert a.codes() == ["ROLLBACK"]


def test_a_document_that_the_leaf_does_not_name_is_an_alarm(stage: Stage) -> None:
    a = stage.online("A")
    newer = make_roster(tuple(stage.relay.nations.values()), version=2)
    push(a, entry(a, LeafType.ROSTER, stage.relay.roster.endorsed.record, newer.endorsed.encode()))
    assert a.codes() == ["CONTENT_HASH"]


@pytest.mark.parametrize(
    ("leaf_type", "with_document"),
    [(LeafType.ROSTER, False), (LeafType.ENVELOPE, False), (LeafType.CERTIFICATE, True), (LeafType.AUDIT_READ, True)],
)
def test_an_object_of_a_type_that_does_not_belong_here_is_an_alarm(
    stage: Stage,
    leaf_type: LeafType,
    with_document: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    a = stage.online("A")
    roster = stage.relay.roster.endorsed
    push(a, entry(a, leaf_type, roster.record, roster.encode() if with_document else None))
    assert a.codes() == ["BAD_TYPE"]
    assert a.peer is not None


def test_an_unknown_type_of_leaf_ends_the_connection(stage: Stage) -> None:
    a = stage.online("A")
    push(a, entry(a, 99, b""))
    assert a.codes() == ["BAD_TYPE"]
    assert a.peer is None


@pytest.mark.parametrize(
    ("changes", "code"), [({"previous": bytes(32)}, "FORK"), ({"index": 0}, "FORK"), ({"sequence": 9}, "GAP")]
)
def test_a_broken_chain_is_asked_for_once_more_and_then_stops_the_client(
    stage: Stage, changes: dict[str, Any], code: str
) -> None:
    a = stage.online("A")
    bad = entry(a, LeafType.CERTIFICATE, newcomer(stage, TN), **changes)
    push(a, bad)
    assert a.store.alarms == []
    stage.run()
    assert a.peer is not None
    push(a, bad)
    assert a.codes() == [code]
    assert not a.disconnects[-1].again


def test_a_broken_entry_that_comes_right_the_second_time_is_no_alarm(stage: Stage) -> None:
    a = stage.online("A")
    lost: list[frames.Frame] = []

    def drop_first(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.ControlEntry) and not lost:
            lost.append(frame)
            return []
        return [frame]

    a.toward = drop_first
    stage.online("B", of=MA)
    stage.online("C", of=SN)
    assert lost
    assert a.store.alarms == []
    assert known(a) == 3


def test_an_entry_that_comes_again_has_to_be_the_same(stage: Stage) -> None:
    a = stage.online("A")
    row = a.store.control[-1]
    again = frames.ControlEntry(
        row.sequence, row.index, row.type, row.accepted_at_ms, row.previous, row.object, row.document
    )
    push(a, again)
    assert a.store.alarms == []
    other = frames.ControlEntry(
        row.sequence, row.index, row.type, row.accepted_at_ms + 1, row.previous, row.object, row.document
    )
    push(a, other)
    assert a.codes() == ["FORK"]
    assert not a.disconnects[-1].again


def test_a_relay_that_lost_the_stream_stops_the_client(stage: Stage) -> None:
    a = stage.online("A")
    a.disconnect()
    a.toward = lambda frame: (
        [frames.Refused(request=frame.request, code="NOT_FOUND", detail="")]
        if isinstance(frame, frames.PageEnd) and frame.room == CONTROL
        else [frame]
    )
    a.connect()
    stage.run()
    assert a.codes() == ["FORK"]
    assert not a.disconnects[-1].again


def test_a_page_that_is_refused_for_now_is_asked_for_again(stage: Stage) -> None:
    a = stage.client("A")
    refusals = 2

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        nonlocal refusals
        if isinstance(frame, frames.PageEnd) and frame.room == CONTROL and refusals:
            refusals -= 1
            return [frames.Refused(request=frame.request, code="STORE", detail="", retry_after_ms=500)]
        return [frame]

    a.toward = refuse
    a.connect()
    stage.run()
    assert not a.online()
    stage.wait(3_000)
    assert a.online()
    assert a.store.alarms == []


def test_a_page_of_a_room_does_not_answer_for_the_control_stream(stage: Stage) -> None:
    a = stage.client("A")
    a.toward = lambda frame: (
        [frames.PageEnd(frame.request, b"r" * 16, frame.next, frame.live, frame.head)]
        if isinstance(frame, frames.PageEnd)
        else [frame]
    )
    a.connect()
    stage.run()
    assert a.codes() == ["FRAME"]


def test_the_stream_comes_in_pages(stage: Stage) -> None:
    stage.relay.limits = replace(stage.relay.limits, page_entries=1)
    stage.relay.restart()
    for name in ("B", "C", "D"):
        stage.online(name)
    a = stage.online("A")
    assert known(a) == 4
    assert a.store.alarms == []


def test_a_lagging_stream_is_asked_for_again(stage: Stage) -> None:
    a = stage.online("A")
    push(a, frames.Lagging(room=CONTROL))
    stage.run()
    assert a.core._ctx.control.live  # noqa: SLF001 - what is tested
    a.give(inputs.Received(data=frames.encode_frame(frames.Lagging(room=CONTROL))))
    push(a, frames.Lagging(room=CONTROL))
    stage.run()
    assert a.store.alarms == []


def test_the_leaf_of_an_entry_is_the_logs(stage: Stage) -> None:
    a = stage.online("A")
    row = a.store.control[0]
    leaf = Leaf(
        type=LeafType(row.type),
        accepted_at_ms=row.accepted_at_ms,
        room=CONTROL,
        room_seq=row.sequence,
        previous=LeafHash(row.previous),
        object=row.object,
    )
    assert row.hash == leaf.hash == stage.relay.store.entries[row.index].hash


def test_a_room_is_created_after_all_that(stage: Stage) -> None:
    create(stage.online("A"))
