"""The auditor's copy in the profile's store, and the rosters that are kept readable beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlcipher3.dbapi2 import Connection

from amanah_client import effects as e
from amanah_client.audit import local
from amanah_client.audit.anchors import decode_rosters
from amanah_client.home import Home, Profile, ProfileLock, create_profile
from amanah_client.keystore import create_key_file
from amanah_client.log_rows import LogView, Quorum, WitnessedRow
from amanah_client.store import copy as copy_module
from amanah_client.store.copy import AuditCopy
from amanah_client.store.writes import MAX_HEADS
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.kinds import Message
from amanah_protocol.log.cose_receipt import sign_root
from tests.client.audit.world import AUDITOR_TN, OFFICER_TN, Incident, examined, faults, incident
from tests.protocol.refusal import refused
from tests.vectors import examples as x

TOLD = incident()
FIRST, SECOND = (x.roster_of(version).endorsed.encode() for version in (1, 2))


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    home = Home(tmp_path / "home")
    home.path.mkdir(mode=0o700)
    made = create_profile(home, create_key_file(home.key_file))
    yield made
    made.close()


def enrol(profile: Profile) -> None:
    """As if a reply had been installed."""
    profile.store.install(
        certificate=AUDITOR_TN.certificate.encoded,
        enrolment=x.nation(x.TN).enrolment.endorsed.encode(),
        profile=x.profile().encoded,
        roster=FIRST,
    )


def copy(profile: Profile, told: Incident, rows: int | None = None) -> None:
    """As if the log had been copied, with the newest checkpoint beside it."""
    view = LogView(size=told.log.size, root=told.log.root, checkpoint=told.log.checkpoint(), seen_at_ms=0)
    head = e.PutControlHead(head=told.log.control_head())
    profile.store.commit((e.PutAuditRows(rows=tuple(told.rows()[:rows])), e.PutLogView(view=view), head))


def test_the_copy_is_read_back_whole_and_holds(profile: Profile) -> None:
    enrol(profile)
    copy(profile, TOLD)
    note, size = local.copied(profile.store)
    rows = local.copied_rows(profile.store, size)
    anchor = local.trusted(profile)
    head = local.copied_head(profile.store)
    report = examined(TOLD.log, rows, checkpoint=note, anchor=anchor, control_head=head)
    assert (faults(report), report.control_confirmed) == ([], 12)


def test_the_copy_is_read_a_page_at_a_time(profile: Profile, monkeypatch: pytest.MonkeyPatch) -> None:
    enrol(profile)
    copy(profile, TOLD)
    monkeypatch.setattr(copy_module, "_PAGE", 10)
    assert list(local.copied_rows(profile.store, TOLD.log.size)) == TOLD.rows()
    assert list(local.copied_rows(profile.store, 20)) == TOLD.rows()[:20]


def test_without_a_copy_nothing_is_verified(profile: Profile) -> None:
    enrol(profile)
    with refused(Code.NOT_FOUND, UsageError):
        local.copied(profile.store)


def test_a_copy_that_is_not_whole_yet_is_not_taken_for_one(profile: Profile) -> None:
    enrol(profile)
    copy(profile, TOLD, rows=-1)
    with refused(Code.NOT_FOUND, UsageError):
        local.copied(profile.store)
    assert local.keep_checkpoint(profile.store) is None


def test_the_copys_checkpoint_stays_when_the_live_view_moves_on(profile: Profile) -> None:
    enrol(profile)
    copy(profile, TOLD)
    assert local.keep_checkpoint(profile.store) == TOLD.log.size
    later = LogView(size=999, root=x.fixed("r"), checkpoint=TOLD.log.checkpoint(size=999), seen_at_ms=1)
    profile.store.commit((e.PutLogView(view=later), e.PutControlHead(head=b"later")))
    assert local.keep_checkpoint(profile.store) == TOLD.log.size
    assert local.copied(profile.store) == (TOLD.log.checkpoint(), TOLD.log.size)
    assert local.copied_head(profile.store) == TOLD.log.control_head()


def test_a_copy_keeps_the_newest_head_that_it_covers(profile: Profile) -> None:
    """A later one cannot say that a revocation in the copy is left out."""
    told = incident()
    sizes = [told.log.size - 9, told.log.size]
    heads = [told.log.control_head(size=size) for size in sizes]
    enrol(profile)
    copy(profile, told)
    told.log.read(AUDITOR_TN)
    later = told.log.control_head()
    profile.store.commit(tuple(e.PutControlHead(head=head) for head in [*heads, later]))
    assert local.keep_checkpoint(profile.store) == sizes[1]
    assert profile.store.value("control_head") == later, "a control: the newest is larger than the copy"
    assert local.copied_head(profile.store) == heads[1]
    hidden = [replace(row, entry=None) if row.index == told.revoked else row for row in told.rows()][: sizes[1]]
    note = local.copied(profile.store)[0]
    for head, code in ((later, False), (heads[1], True)):
        report = examined(told.log, hidden, checkpoint=note, control_head=head)
        assert ((None, "GAP") in faults(report)) == code


def test_heads_are_kept_up_to_a_bound_and_none_of_another_relay_counts(profile: Profile) -> None:
    enrol(profile)
    copy(profile, TOLD)
    covered = TOLD.log.control_head(time_ms=1)
    others = [TOLD.log.control_head(size=TOLD.log.size + number, time_ms=number) for number in range(1, MAX_HEADS)]
    profile.store.commit(tuple(e.PutControlHead(head=head) for head in [covered, *others]))
    assert profile.store.control_heads() == [covered, *others]
    profile.store.commit((e.PutControlHead(head=b"another relay's"),))
    assert len(profile.store.control_heads()) == MAX_HEADS
    local.keep_checkpoint(profile.store)
    assert local.copied_head(profile.store) == b"another relay's", "the newest where none is covered"


def test_a_copy_that_meets_no_checkpoint_keeps_none(profile: Profile) -> None:
    enrol(profile)
    copy(profile, TOLD, 30)
    assert local.keep_checkpoint(profile.store) is None


def test_a_copy_that_ends_where_the_witnesses_cosigned_keeps_that_checkpoint(profile: Profile) -> None:
    enrol(profile)
    copy(profile, TOLD)
    log = TOLD.log.checkpoint()
    note = log + log[log.rindex(b"\xe2\x80\x94") :].replace(b"relay.example", b"witness.example")
    row = WitnessedRow(
        size=TOLD.log.size, root=TOLD.log.root, note=note, cosignatures=(("one", 1),), witnesses=1,
        state=Quorum.SEEN, since_ms=0, root_signature=bytes(64),
    )  # fmt: skip
    profile.store.commit((e.PutWitnessed(row=row),))
    assert local.keep_checkpoint(profile.store) == TOLD.log.size
    assert profile.store.copy.value("checkpoint") == note
    assert local.root_signature(profile.store) == bytes(64)


def test_before_any_checkpoint_there_is_none_to_keep(profile: Profile) -> None:
    enrol(profile)
    assert local.keep_checkpoint(profile.store) is None
    assert local.copied_head(profile.store) == b""


def test_trusted_rosters_are_kept_in_the_store_and_readable_beside_it(profile: Profile) -> None:
    enrol(profile)
    local.remember_roster(profile, FIRST)
    local.remember_roster(profile, SECOND)
    local.remember_roster(profile, SECOND)
    assert decode_rosters(profile.home.roster.read_text()) == (FIRST, SECOND)
    assert [roster.value.version for roster in local.trusted(profile).rosters] == [1, 2]


def test_a_file_that_was_changed_beside_the_store_is_not_what_is_trusted(profile: Profile) -> None:
    enrol(profile)
    local.remember_roster(profile, FIRST)
    profile.home.roster.write_text("")
    assert [roster.value.version for roster in local.trusted(profile).rosters] == [1]
    assert decode_rosters(profile.home.roster.read_text()) == (FIRST,)


def test_a_roster_that_the_control_stream_brought_is_trusted_beside_the_first(profile: Profile) -> None:
    enrol(profile)
    local.remember_roster(profile, FIRST)
    profile.store.commit((e.PutRoster(roster=SECOND),))
    assert [roster.value.version for roster in local.trusted(profile).rosters] == [1, 2]


def test_before_enrolment_nothing_is_trusted(profile: Profile) -> None:
    with refused(Code.NO_PROFILE, UsageError):
        local.trusted(profile)


def test_a_record_that_begins_a_room_in_the_middle_is_told_from_one_with_whole_rooms() -> None:
    rows = TOLD.rows()
    assert not examined(TOLD.log, rows).record.begins_late()
    rows[11] = replace(rows[11], entry=None)
    assert examined(TOLD.log, rows).record.begins_late()


def test_a_copy_is_begun_anew_while_nobody_of_the_profile_is_connected(profile: Profile) -> None:
    enrol(profile)
    copy(profile, TOLD)
    lock = ProfileLock(profile.home)
    assert lock.acquire()
    with refused(Code.STORE, OperationalError):
        local.begin_anew(profile)
    lock.release()
    assert profile.store.snapshot().audit_size == TOLD.log.size
    local.begin_anew(profile)
    assert profile.store.snapshot().audit_size == 0
    assert lock.acquire()
    lock.release()


def signed(told: Incident) -> LogView:
    """The newest checkpoint, whose root the relay has signed for receipts."""
    signature = sign_root(told.log.root, x.RELAY_KEY)
    return LogView(
        size=told.log.size,
        root=told.log.root,
        checkpoint=told.log.checkpoint(),
        seen_at_ms=0,
        root_signature=signature,
    )


class CutOff(Exception):  # noqa: N818 - as if the process ended there
    pass


def grown() -> Incident:
    """The same log, a message longer."""
    later = incident()
    later.log.post(OFFICER_TN, later.room, Message())
    return later


@pytest.mark.parametrize("writes", [0, 1])
def test_what_is_kept_of_a_copys_end_is_of_one_size_wherever_it_breaks_off(
    profile: Profile, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    enrol(profile)
    profile.store.commit((e.PutAuditRows(rows=tuple(TOLD.rows())), e.PutLogView(view=signed(TOLD))))
    assert local.keep_checkpoint(profile.store) == TOLD.log.size
    later = grown()
    more = tuple(later.rows()[TOLD.log.size :])
    profile.store.commit((e.PutAuditRows(rows=more), e.PutLogView(view=signed(later))))
    whole, left = AuditCopy.writing, [writes]

    @contextmanager
    def cut(copy: AuditCopy) -> Iterator[Connection]:
        if not left[0]:
            raise CutOff
        left[0] -= 1
        with whole(copy) as connection:
            yield connection

    with monkeypatch.context() as broken, suppress(CutOff):
        broken.setattr(AuditCopy, "writing", cut)
        local.keep_checkpoint(profile.store)
    roots = {told.log.checkpoint(): told.log.root for told in (TOLD, later)}
    kept = profile.store.copy.value("checkpoint")
    assert kept is not None
    assert profile.store.copy.value("root_signature") == sign_root(roots[kept], x.RELAY_KEY)


def test_the_signature_is_of_the_root_that_counts_before_the_end_is_kept(profile: Profile) -> None:
    """All leaves have come, and the copy broke off before it noted that; with the control that it had not."""
    enrol(profile)
    profile.store.commit((e.PutAuditRows(rows=tuple(TOLD.rows())), e.PutLogView(view=signed(TOLD))))
    assert local.keep_checkpoint(profile.store) == TOLD.log.size
    later = grown()
    profile.store.commit((e.PutLogView(view=signed(later)),))
    assert local.copied(profile.store) == (TOLD.log.checkpoint(), TOLD.log.size)
    assert local.root_signature(profile.store) == sign_root(TOLD.log.root, x.RELAY_KEY)
    profile.store.commit((e.PutAuditRows(rows=tuple(later.rows()[TOLD.log.size :])),))
    assert local.copied(profile.store) == (later.log.checkpoint(), later.log.size)
    assert local.root_signature(profile.store) == sign_root(later.log.root, x.RELAY_KEY)
