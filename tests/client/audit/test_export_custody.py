"""Exports of records with grants, granted reads, holds and erasures: both verifiers say the same of each."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from amanah_client.audit import local
from amanah_client.audit.bundle import Bundle
from amanah_client.audit.export import shown_rows
from amanah_client.home import Profile
from amanah_client.log_rows import AuditRow
from amanah_protocol import kinds
from amanah_protocol.audit import audit_chain
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.grants import decode_grant, ending_document
from amanah_protocol.custody.holds import decode_hold, release_document
from amanah_protocol.labels import Label
from amanah_protocol.types import CONTROL
from tests.client.audit.auditor import ROSTER, Audit, copy
from tests.client.audit.bundles import bundle, checked
from tests.client.audit.custodian import Held, forgotten, parties, roster_without, signed
from tests.client.audit.world import AUDITOR_TN, MA, OFFICER_MA, OFFICER_TN, TN, examined, faults
from tests.vectors import examples as x
from tests.verify.bundles import verdict

Export = Callable[..., bytes]


@pytest.fixture
def exported(audit: Audit, tmp_path: Path) -> Export:
    """Export what the auditor has, under this exit code."""

    def call(*arguments: object, code: int = 0) -> bytes:
        path = tmp_path / "out.amanah"
        found, _, err = audit("export", path, *arguments)
        assert found == code, err
        return path.read_bytes()

    return call


@pytest.fixture
def held() -> Held:
    """With a grant of TN's to MA and what was read under it, a hold that was released, and somebody forgotten."""
    held = Held()
    grant, hold = held.grant(), held.hold()
    held.put(grant)
    held.put(hold)
    held.read(chain=held.custody())
    held.put(decode_hold(signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(TN)).encode()))
    ending = signed(ending_document(grant, now_ms=held.log.now_ms), Typ.AUDIT_GRANT, *parties(TN))
    held.put(decode_grant(ending.encode()))
    forgotten(held)
    return held


def seen(held: Held, *, every: bool = False) -> list[AuditRow]:
    """What the auditor of TN gets; `every` room where TN is in all of them."""
    hidden = {audit_chain(MA)} if every else {held.found.hidden, audit_chain(MA)}
    return [
        replace(row, entry=None, document=None) if leaf.room in hidden else row
        for row, leaf in zip(held.log.rows(), held.log.leaves, strict=True)
    ]


def both(data: bytes) -> tuple[list[tuple[int | None, str]], int | None]:
    """What the main verifier finds, and where the single file does first; both find something, or both nothing."""
    found, second = faults(checked(data).report), verdict(data, (ROSTER,))
    assert bool(found) == bool(second.reasons), (found, second.reasons)
    assert second.unchecked == frozenset()
    return found, second.first


def test_what_was_erased_under_a_policy_leaves_both_verifiers_content(
    held: Held, profile: Profile, audit: Audit, exported: Export
) -> None:
    held.erasure(6, 7)
    copy(profile, held.found, seen(held))
    assert audit("verify")[0] == 0
    data = exported()
    assert list(Bundle(io.BytesIO(data)).rows()) == seen(held)
    assert both(data) == ([], None)


def test_what_was_erased_under_a_hold_is_named_by_both(held: Held, profile: Profile, exported: Export) -> None:
    held.put(held.hold(hold=bytes(16)))
    index = held.erasure(6)
    copy(profile, held.found, seen(held))
    assert both(exported(code=5)) == ([(index, "RECORD")], index)


def test_the_custody_of_a_room_that_is_left_out_is_left_out_too(held: Held, profile: Profile, exported: Export) -> None:
    copy(profile, held.found, seen(held))
    data = exported("--room", held.found.room.hex())
    rooms = {row.index: leaf.room for row, leaf in zip(seen(held), held.log.leaves, strict=True)}
    shown = {rooms[row.index] for row in Bundle(io.BytesIO(data)).rows() if row.entry is not None}
    assert shown == {CONTROL, audit_chain(TN), held.found.room, held.custody("room")}
    assert both(data) == ([], None)


def test_a_custody_without_its_room_would_not_hold(held: Held) -> None:
    """The control of the test above."""
    rows = list(shown_rows(seen(held), frozenset({held.found.room}), frozenset(), None))
    codes = faults(examined(held.log, rows))
    assert codes
    assert {code for _, code in codes} == {"BINDING"}


# ---- a selection of a room


@pytest.fixture
def selected(profile: Profile) -> Held:
    """TN's auditor reads what is green in a room that TN is not in."""
    held = Held()
    grant = held.grant(*parties(MA), of=MA, auditor=TN, rooms=(held.found.hidden,), labels=(Label.GREEN,))
    held.put(grant)
    bare = held.log.post(OFFICER_MA, held.found.hidden, kinds.Message())
    held.log.post(OFFICER_MA, held.found.hidden, kinds.Message(), label=Label.GREEN)
    held.log.post(OFFICER_TN, held.found.room, kinds.Message())
    first = next(at for at, leaf in enumerate(held.log.leaves) if leaf.room == held.found.hidden)
    rows = [
        replace(row, entry=None, document=None) if leaf.room == audit_chain(MA) or at in (first + 2, bare) else row
        for at, (row, leaf) in enumerate(zip(held.log.rows(), held.log.leaves, strict=True))
    ]
    local.read_under(profile, grant.endorsed.encode())
    copy(profile, held.found, rows)
    return held


def test_a_room_of_which_a_selection_was_granted_is_left_out_and_that_is_said(
    selected: Held, audit: Audit, exported: Export, tmp_path: Path
) -> None:
    assert audit("verify")[0] == 0
    data = exported()
    assert both(data) == ([], None)
    assert selected.found.hidden not in {found.room for found in checked(data).manifest.rooms}
    _, _, err = audit("export", tmp_path / "another.amanah")
    assert "left out, since a grant shows a selection of it and nothing proves the rest: 1 room" in err


def test_a_selection_in_a_bundle_would_be_a_gap(selected: Held, profile: Profile) -> None:
    """The control of the test above."""
    rows = list(local.copied_rows(profile.store, selected.log.size))
    data = bundle(selected.found, rows)
    assert "GAP" in {code for _, code in faults(checked(data).report)}
    assert verdict(data, (ROSTER,)).reasons


def test_a_copy_that_is_begun_anew_is_read_under_the_same_grant(selected: Held, profile: Profile) -> None:
    local.begin_anew(profile)
    assert profile.store.copy.size == 0
    grant = local.grant_of(profile.store)
    assert grant is not None
    assert grant.rooms == (selected.found.hidden,)


def test_who_reads_on_alone_keeps_what_a_grant_has_shown(selected: Held, profile: Profile, audit: Audit) -> None:
    grant = local.grant_of(profile.store)
    assert local.reading_grant(profile.store) == grant
    local.read_alone(profile)
    assert local.reading_grant(profile.store) is None
    assert audit("verify", "--anew")[0] == 0, "its selection is still no gap"
    assert grant is not None
    assert local.read_under(profile, grant.endorsed.encode()) is True, "what came in between is bare"
    assert (local.reading_grant(profile.store), profile.store.copy.size) == (grant, 0)
    assert local.read_under(profile, grant.endorsed.encode()) is False
    local.read_alone(profile)
    local.begin_anew(profile)
    assert local.grant_of(profile.store) is None
    code, _, err = audit("sync", "--own", "--grant", "any.grant")
    assert (code, "Give one of them." in err) == (2, True)


def test_a_room_that_the_own_organisation_joins_by_now_is_copied_anew(
    selected: Held, profile: Profile, audit: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    selected.log.add(OFFICER_MA, selected.found.hidden, OFFICER_TN)
    known = profile.store.copy.size
    copy(profile, selected.found, list(selected.log.rows()[known:]))
    begun: list[int] = []

    def copied(owner: Profile, _: object, *, uncosigned: bool) -> tuple[int, int]:
        assert not uncosigned
        if not owner.store.copy.size:
            begun.append(owner.store.copy.size)
            copy(owner, selected.found, seen(selected, every=True))
        local.keep_checkpoint(owner.store)
        return known, selected.log.size

    monkeypatch.setattr("amanah_client.cli.audit._copied", copied)
    code, _, err = audit("sync")
    assert (code, begun) == (0, [0])
    assert "joined a room since the last copy" in err


# ---- asked and shown


def test_no_answer_takes_a_selection_for_the_whole(selected: Held, audit: Audit) -> None:
    room = selected.found.hidden.hex()
    code, out, err = audit("ask", "completeness", "--room", room)
    assert code == 0, err
    assert "whether anything else is missing in it is NOT shown" in out
    assert "Nothing is missing" not in out
    assert "OF 1 ROOM A SELECTION IS HERE" in out
    _, out, _ = audit("ask", "not-given", "--room", room, "--nation", TN)
    assert "It cannot be said, from a selection of a room's entries" in out
    message = str(selected.log.size - 2)
    _, out, _ = audit("ask", "not-given", "--message", message, "--nation", TN)
    assert "It cannot be said, from a selection of a room's entries" in out
    _, out, _ = audit("ask", "not-given", "--room", selected.found.small.hex(), "--nation", MA)
    assert "As far as this record reaches" in out


def test_a_statement_of_another_relay_is_found_by_both(held: Held, profile: Profile, exported: Export) -> None:
    index = held.erasure(6, by=x.key("another relay"))
    copy(profile, held.found, seen(held))
    found, first = both(exported(code=5))
    assert (found[0][0], first) == (index, index)


def test_a_name_that_another_organisation_forgets_is_found_by_both(
    held: Held, profile: Profile, exported: Export
) -> None:
    index = forgotten(held, by=MA)
    copy(profile, held.found, seen(held))
    found, first = both(exported(code=5))
    assert (found[0][0], first) == (index, index)


@pytest.mark.parametrize("signers", [parties(TN)[:1], (parties(TN)[0], x.nation(TN).custodians[1])])
def test_a_name_that_one_party_forgets_is_found_by_both(
    held: Held, profile: Profile, exported: Export, signers: tuple[SigningKey, ...]
) -> None:
    index = forgotten(held, *signers)
    copy(profile, held.found, seen(held))
    assert both(exported(code=5)) == ([(index, "THRESHOLD")], index)


def test_a_name_that_goes_while_a_hold_keeps_its_room_is_found_by_both(
    held: Held, profile: Profile, exported: Export
) -> None:
    held.put(held.hold(hold=bytes(16)))
    index = forgotten(held)
    held.read(AUDITOR_TN, grant=None)
    copy(profile, held.found, seen(held))
    assert both(exported(code=5)) == ([(index, "RECORD")], index)


def test_a_name_that_goes_behind_a_hold_whose_release_is_later_than_the_export_accuses_nobody(
    held: Held, profile: Profile, exported: Export
) -> None:
    """The control stream is exported whole, the chains of the hold are not."""
    hold = held.hold(hold=bytes(16))
    held.put(hold)
    until = datetime.fromtimestamp(held.log.now_ms / 1000 - 0.5, UTC).isoformat()
    held.put(decode_hold(signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(TN)).encode()))
    forgotten(held)
    copy(profile, held.found, seen(held))
    assert both(exported("--until", until)) == ([], None)


def test_the_hold_of_who_has_left_the_roster_keeps_nothing_for_both(
    held: Held, profile: Profile, exported: Export
) -> None:
    held.put(held.hold(of=MA, hold=bytes(16)), held.custody("room"))
    roster_without(held, MA)
    held.erasure(6)
    forgotten(held)
    copy(profile, held.found, seen(held))
    assert both(exported()) == ([], None)


def test_the_hold_of_who_was_never_in_a_room_is_found_by_both(held: Held, profile: Profile, exported: Export) -> None:
    index = held.put(held.hold(of=MA, hold=bytes(16), rooms=(held.found.small,)), held.custody())
    copy(profile, held.found, seen(held))
    assert both(exported(code=5)) == ([(index, "MEMBERSHIP")], index)
