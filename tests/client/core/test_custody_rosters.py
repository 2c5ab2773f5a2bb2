"""Custody is held against the roster of its time: what newcomers say of it once organisations left or changed keys."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from amanah_client import actions
from amanah_client.cli.showing_custody import custody_json
from amanah_client.core.directory import Rosters
from amanah_client.custody import read_custody
from amanah_client.log_rows import FLAWED, LAPSED
from amanah_protocol import endorse, identity
from amanah_protocol.cose import Typ
from amanah_protocol.custody.grants import decode_grant, grant_document
from amanah_protocol.custody.holds import decode_hold, release_document
from amanah_protocol.endorse import Endorsed
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.roster import Roster
from amanah_protocol.types import OrgName, RoomId
from amanah_protocol.verified import Verified
from tests.client.core.test_custody import DONE, Watched, forged, held_since
from tests.client.core.world import MA, SN, TN, Client
from tests.relay.people import Nation, endorsed_by, key_of, make_roster, verify_made_roster


@pytest.fixture
def watched() -> Watched:
    return Watched()


def hold_of(watched: Watched, nation: Nation, hold: bytes = b"m" * 16) -> bytes:
    return nation.hold(watched.room, now_ms=watched.stage.relay.now_ms, hold=hold, since_ms=7)


def placed(watched: Watched) -> bytes:
    """Log a hold of MA."""
    made = hold_of(watched, watched.stage.relay.nations[MA])
    assert watched.stage.submit(watched.a, LeafType.LEGAL_HOLD, made).state is DONE
    return made


def released(watched: Watched, made: bytes) -> None:
    document = release_document(decode_hold(made), now_ms=watched.stage.relay.now_ms)
    release = watched.stage.relay.nations[MA].two_party(document, Typ.LEGAL_HOLD)
    assert watched.stage.submit(watched.a, LeafType.LEGAL_HOLD, release).state is DONE


def granted_and_read(watched: Watched, by: tuple[str, str] = (TN, MA)) -> None:
    """Two organisations let SN's auditor read the room, and it reads."""
    nations = watched.stage.relay.nations
    document = grant_document(watched.terms(granting=None))
    signatures = tuple(endorse.endorse(document, nations[name].root, Typ.AUDIT_GRANT) for name in by)
    made = Endorsed(document=document, signatures=signatures).encode()
    assert watched.stage.submit(watched.a, LeafType.AUDIT_GRANT, made).state is DONE
    assert watched.read().state is DONE


def other_roots(watched: Watched) -> Nation:
    """MA with other keys."""
    name, now_ms = OrgName(MA), watched.stage.relay.now_ms
    root, enrolment_key = key_of("new root of MA"), key_of("new enrolment of MA")
    document = identity.enrolment_document(name, enrolment_key.public, now_ms=now_ms)
    enrolment = identity.decode_enrolment(endorsed_by(document, root).encode())
    custodian = key_of("new custodian of MA")
    return Nation(name=name, root=root, custodian=custodian, enrolment_key=enrolment_key, enrolment=enrolment)


def other_custodian(watched: Watched) -> Nation:
    """MA with the root that endorsed its enrolment key, and another one beside it."""
    return replace(watched.stage.relay.nations[MA], custodian=key_of("new custodian of MA"))


def roster_of(watched: Watched, *nations: Nation, version: int = 2, handed: bool = False) -> Roster:
    """Log a roster of TN, SN and these; `handed`: newcomers are given it by their organisation."""
    stage = watched.stage
    signers = (stage.relay.nations[TN], stage.relay.nations[SN])
    made = make_roster((*signers, *nations), version=version, signers=signers, now_ms=stage.relay.now_ms)
    assert stage.submit(watched.a, LeafType.ROSTER, made.endorsed.encode()).state is DONE
    if handed:
        stage.relay.roster = made
    return made


def let_in(watched: Watched, late: Client) -> Client:
    watched.a.do(actions.Invite(room=watched.room, device=late.device.id))
    watched.stage.wait(3_000)
    assert watched.room in late.store.rooms
    return late


def newcomer(watched: Watched) -> Client:
    return let_in(watched, watched.stage.online("late", of=TN))


def accused(watched: Watched, client: Client) -> list[str]:
    """What a device says of the room."""
    return [alarm.code for alarm in client.store.alarms if alarm.room == watched.room]


def unproven(client: Client) -> list[bool]:
    return [row.unproven for row in client.store.custody]


def only_by_the_newest(self: Rosters, index: int, held: Verified[Roster]) -> tuple[Verified[Roster], bool]:
    """As if the roster of today had always been in force."""
    return held, True


# ---- an organisation that left, and is back


def test_the_hold_of_an_organisation_ends_with_the_roster_that_does_not_name_it(watched: Watched) -> None:
    """For who has known it, and for a newcomer."""
    placed(watched)
    assert held_since(watched.a, watched.room) == 7
    roster_of(watched)
    assert held_since(watched.a, watched.room) is None
    late = newcomer(watched)
    assert held_since(late, watched.room) is None
    assert watched.types(late) == [LeafType.LEGAL_HOLD]
    assert late.codes() == watched.a.codes() == []


def test_a_hold_binds_again_for_who_came_while_its_organisation_was_away(watched: Watched) -> None:
    placed(watched)
    roster_of(watched)
    late = newcomer(watched)
    assert held_since(late, watched.room) is None
    roster_of(watched, watched.stage.relay.nations[MA], version=3)
    for _ in range(2):
        assert held_since(late, watched.room) == held_since(watched.a, watched.room) == 7
        late.restart()
        late.connect()
        watched.stage.run()
    assert (unproven(late), late.codes()) == ([False], [])


def test_what_an_earlier_version_took_for_over_binds_again_too(watched: Watched) -> None:
    placed(watched)
    roster_of(watched)
    late = newcomer(watched)
    late.store.custody = [structs.replace(row, type=LAPSED) for row in late.store.custody]
    late.restart()
    assert held_since(late, watched.room) is None
    late.connect()
    roster_of(watched, watched.stage.relay.nations[MA], version=3)
    assert held_since(late, watched.room) == 7
    late.core._ctx.rooms[watched.room].custody.claimed.clear()  # noqa: SLF001 - what the hold stands on, and nothing else
    assert held_since(late, watched.room) is None


# ---- an organisation that changed its roots


def test_a_newcomer_holds_a_hold_against_the_roots_of_its_time(watched: Watched) -> None:
    placed(watched)
    roster_of(watched, other_roots(watched))
    late = newcomer(watched)
    assert (watched.types(late), unproven(late), late.codes()) == ([LeafType.LEGAL_HOLD], [False], [])
    assert held_since(late, watched.room) == 7


def test_by_the_newest_roots_an_honest_relay_is_accused(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rosters, "at", only_by_the_newest)
    placed(watched)
    roster_of(watched, other_roots(watched))
    late = newcomer(watched)
    assert (watched.types(late), accused(watched, late)) == ([FLAWED], ["THRESHOLD"])
    assert held_since(late, watched.room) is None


def test_what_was_in_force_before_the_first_roster_of_the_log_outlives_a_restart(watched: Watched) -> None:
    placed(watched)
    roster_of(watched, other_roots(watched))
    late, forgets = (watched.stage.online(name, of=TN) for name in ("late", "forgets"))
    forgets.store.base = replace(forgets.store.base, first_roster=b"")
    for client in (late, forgets):
        client.disconnect()
        client.restart()
        client.connect()
        watched.stage.run()
        let_in(watched, client)
        assert accused(watched, client) == []
        assert held_since(client, watched.room) == 7
    assert (unproven(late), unproven(forgets)) == ([False], [True])


def test_who_was_handed_the_new_roots_accuses_nobody_and_keeps_what_is_held(watched: Watched) -> None:
    placed(watched)
    roster_of(watched, other_custodian(watched), handed=True)
    late = newcomer(watched)
    assert (watched.types(late), unproven(late), late.codes()) == ([LeafType.LEGAL_HOLD], [True], [])
    for _ in range(2):
        assert held_since(late, watched.room) == 7
        late.restart()


def test_a_roster_that_follows_the_one_that_was_handed_makes_that_no_older(watched: Watched) -> None:
    placed(watched)
    roster_of(watched, other_custodian(watched), handed=True)
    late = watched.stage.online("late", of=TN)
    roster_of(watched, other_custodian(watched), version=3)
    late.disconnect()
    late.restart()
    late.connect()
    watched.stage.run()
    let_in(watched, late)
    assert (unproven(late), late.codes(), held_since(late, watched.room)) == ([True], [], 7)


def test_what_holds_by_the_roster_that_was_handed_is_proven(watched: Watched) -> None:
    watched.hold()
    roster_of(watched, other_custodian(watched), handed=True)
    late = newcomer(watched)
    assert (unproven(late), accused(watched, late)) == ([False], [])


def test_a_hold_that_cannot_be_proven_ends_by_a_release_that_can(watched: Watched) -> None:
    made = placed(watched)
    nation = watched.stage.relay.nations[MA]
    nation.custodian = key_of("new custodian of MA")
    roster_of(watched, nation, handed=True)
    late = newcomer(watched)
    assert held_since(late, watched.room) == 7
    released(watched, made)
    assert unproven(late) == [True, False]
    assert held_since(late, watched.room) is held_since(watched.a, watched.room) is None
    assert late.codes() == []
    late.restart()
    assert held_since(late, watched.room) is None


@pytest.mark.parametrize("handed", [False, True])
def test_a_release_that_cannot_be_proven_ends_nothing(watched: Watched, handed: bool) -> None:  # noqa: FBT001 - a parameter of the test
    released(watched, placed(watched))
    roster_of(watched, other_custodian(watched), handed=handed)
    late = newcomer(watched)
    assert held_since(late, watched.room) == (7 if handed else None)
    assert accused(watched, late) == []


# ---- what is still found


def test_roots_that_were_replaced_place_no_hold_any_more(watched: Watched) -> None:
    roster_of(watched, other_roots(watched))
    made = hold_of(watched, watched.stage.relay.nations[MA])
    watched.b = watched.a  # MA's own device has no certificate by the new roots yet
    forged(watched, LeafType.LEGAL_HOLD, decode_hold(made).endorsed.record, made)
    assert (watched.types(watched.b), watched.b.codes()) == ([FLAWED], ["THRESHOLD"])


@pytest.mark.parametrize("signers", [("enrolment_key", "custodian"), ("enrolment_key",)], ids=["rightly", "one party"])
def test_one_party_is_none_by_the_roster_of_the_time_either(watched: Watched, signers: tuple[str, ...]) -> None:
    nation = watched.stage.relay.nations[MA]
    made = nation.two_party(decode_hold(hold_of(watched, nation)).endorsed.document, Typ.LEGAL_HOLD,
                            *(getattr(nation, name) for name in signers))  # fmt: skip
    place = len(watched.stage.relay.store.entries)
    roster_of(watched, other_roots(watched))
    watched.b = watched.a
    forged(watched, LeafType.LEGAL_HOLD, decode_hold(made).endorsed.record, made, at=place)
    right = len(signers) == 2
    assert (watched.types(watched.b), watched.b.codes()) == (
        ([LeafType.LEGAL_HOLD], []) if right else ([FLAWED], ["THRESHOLD"])
    )


@pytest.mark.parametrize("back", [False, True])
def test_a_place_that_goes_back_to_an_earlier_roster_is_an_alarm(watched: Watched, back: bool) -> None:  # noqa: FBT001 - a parameter of the test
    watched.hold()
    last = watched.b.store.custody[-1]
    made = hold_of(watched, watched.stage.relay.nations[MA])
    record = decode_hold(made).endorsed.record
    forged(watched, LeafType.LEGAL_HOLD, record, made, after=last, at=last.index if back else last.index + 1)
    assert watched.b.codes() == (["FORK"] if back else [])
    assert len(watched.types(watched.b)) == (1 if back else 2)


# ---- grants, and what was read under them


def test_a_grant_stands_for_newcomers_when_one_of_its_signers_has_left(watched: Watched) -> None:
    granted_and_read(watched)
    roster_of(watched)
    late = newcomer(watched)
    assert watched.types(late) == [LeafType.AUDIT_GRANT, LeafType.AUDIT_READ]
    assert (unproven(late), late.codes()) == ([False, False], [])


def test_by_the_newest_roster_a_grant_and_its_reads_are_accused(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rosters, "at", only_by_the_newest)
    granted_and_read(watched)
    roster_of(watched)
    late = newcomer(watched)
    assert (watched.types(late), accused(watched, late)) == ([FLAWED, FLAWED], ["THRESHOLD", "NOT_FOUND"])


@pytest.mark.parametrize("by", [(TN, MA), (TN, SN)], ids=["who is in the roster", "one who left"])
def test_who_was_handed_the_later_roster_is_told_what_is_not_proven(watched: Watched, by: tuple[str, str]) -> None:
    granted_and_read(watched, by)
    nations = watched.stage.relay.nations
    roster = make_roster((nations[TN], nations[MA]), version=2, now_ms=watched.stage.relay.now_ms)
    assert watched.stage.submit(watched.a, LeafType.ROSTER, roster.endorsed.encode()).state is DONE
    watched.stage.relay.roster = roster
    late = newcomer(watched)
    assert watched.types(late) == [LeafType.AUDIT_GRANT, LeafType.AUDIT_READ]
    assert late.codes() == []
    doubted = [by == (TN, SN), True]  # the reader's certificate is of an organisation that is strange to this device
    shown = read_custody(late.store.custody, roster.by_name)
    assert [entry.unproven for entry in shown] == doubted
    assert [custody_json(entry)["unproven"] for entry in shown] == doubted
    known = read_custody(watched.a.store.custody, roster.by_name)
    assert [entry.unproven for entry in known] == [False, False]


def test_a_grant_of_other_rooms_is_found_whoever_was_in_the_roster(watched: Watched) -> None:
    roster_of(watched, other_custodian(watched), handed=True)
    watched.b = newcomer(watched)
    made = watched.stage.relay.nations[TN].grant(watched.terms(rooms=(RoomId(bytes(16)),)))
    forged(watched, LeafType.AUDIT_GRANT, decode_grant(made).endorsed.record, made)
    assert accused(watched, watched.b) == ["BINDING"]


# ---- rosters by their place


def test_between_rosters_that_do_not_follow_each_other_none_is_known_to_have_been_in_force(watched: Watched) -> None:
    nations = tuple(watched.stage.relay.nations.values())
    one, two, four = (verify_made_roster(make_roster(nations, version=version)) for version in (1, 2, 4))
    rosters = Rosters()
    assert rosters.at(5, one) == (one, True)
    rosters.place(two, 10, one)
    rosters.place(four, 20, two)
    assert [rosters.at(index, four) for index in (5, 11, 21)] == [(one, True), (four, False), (four, True)]
    handed = Rosters()
    handed.place(two, 10, two)
    assert [handed.at(index, two) for index in (10, 11)] == [(two, False), (two, True)]
    assert handed.at(11, four) == (four, False)
