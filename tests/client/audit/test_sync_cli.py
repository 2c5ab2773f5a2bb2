"""`amanah audit sync`, and the ceremonies that say what a copy is held against."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from amanah_client import effects as e
from amanah_client import enrolment, model
from amanah_client.audit.anchors import decode_rosters
from amanah_client.audit.bundle import MAGIC, Bundle
from amanah_client.cli import audit as cli_audit
from amanah_client.cli.main import main
from amanah_client.home import Profile, ProfileLock
from amanah_client.log_rows import AuditRow, LogView, Quorum, WitnessedRow
from amanah_protocol.cards import Armour, Reply, armour
from amanah_protocol.identity import decode_request, issue_certificate, issue_profile
from amanah_protocol.labels import Label
from amanah_protocol.log.policy import encode_policy, policy_of_roster
from amanah_protocol.types import RoomId
from tests.client.audit.auditor import ROSTER, TOLD, Audit, copy, home_at
from tests.client.audit.world import (
    AUDITOR_TN,
    TN,
    Incident,
    Log,
    incident,
)
from tests.vectors import examples as x

# ---- sync


def serve(profile: Profile, told: Incident, stop: threading.Event, ending: model.IntentState) -> None:
    """What the connected process of a profile does: it copies, a few rows at a time, and ends the intent."""
    store = profile.store
    while not stop.is_set():
        for intent in store.intents(model.IntentState.QUEUED):
            begun = store.snapshot().audit_size
            rows = told.rows()[begun:]
            for first in range(0, len(rows), 10):
                store.commit((e.PutAuditRows(rows=tuple(rows[first : first + 10])),))
                time.sleep(0.3)
            log = told.log
            view = LogView(size=log.size, root=log.root, checkpoint=log.checkpoint(), seen_at_ms=0)
            done = replace(intent, state=ending, code="ROLE", detail="only auditors copy the log")
            store.commit((e.PutLogView(view=view), e.PutControlHead(head=log.control_head()), e.PutIntent(intent=done)))
        time.sleep(0.02)


@pytest.fixture
def connected(profile: Profile) -> Iterator[Callable[..., None]]:
    """Another process of the profile, which is connected: it holds the lock."""
    lock = ProfileLock(profile.home)
    assert lock.acquire()
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start(told: Incident, ending: model.IntentState = model.IntentState.DONE) -> None:
        threads.append(threading.Thread(target=serve, args=(profile, told, stop, ending)))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join()
    lock.release()


def test_a_sync_says_how_many_leaves_were_copied_up_to_which_checkpoint(
    audit: Audit, profile: Profile, connected: Callable[..., None]
) -> None:
    connected(TOLD)
    code, out, _ = audit("sync", "--timeout", "1")
    assert code == 0
    assert "copied 35 leaves; this copy has the whole log as it is now: 35 leaves" in out
    assert "HOLDS" in out
    assert audit("verify")[0] == 0
    code, out, _ = audit("sync", "--json")
    assert (code, json.loads(out)) == (0, {"format": 1, "copied": 0, "size": 35, "holds": True, "uncosigned": 0})


def test_a_sync_says_how_much_the_witnesses_have_not_cosigned(
    audit: Audit, profile: Profile, connected: Callable[..., None]
) -> None:
    log = TOLD.log
    row = WitnessedRow(
        size=log.size, root=log.root, note=log.checkpoint(), cosignatures=(("one", 1_800_000_000),), witnesses=1,
        state=Quorum.SEEN, since_ms=0,
    )  # fmt: skip
    connected(TOLD)
    assert audit("sync", "--timeout", "1")[0] == 0
    later = LogView(size=log.size + 2, root=bytes(32), checkpoint=log.checkpoint(size=log.size + 2), seen_at_ms=1)
    profile.store.commit((e.PutWitnessed(row=row), e.PutLogView(view=later)))
    left = cli_audit._uncosigned(profile, log.size)  # noqa: SLF001 - what the verb says in words
    has, newer = cli_audit._reach(profile, 0, log.size, left)  # noqa: SLF001 - the same
    assert has == (
        "copied nothing new; this copy has 35 of 37 leaves of the log, up to the newest checkpoint that the quorum of "
        "witnesses has cosigned (2027-01-15 08:00:00Z)"
    )
    home = profile.home.path
    assert newer.startswith("2 newer leaves are not in it, because the witnesses have not cosigned so far yet")
    assert f"run `amanah audit sync --home {home}` again in 30 s." in newer
    assert f"`amanah audit sync --uncosigned --home {home}` copies the rest without waiting" in newer


def test_one_leaf_is_one_leaf(profile: Profile) -> None:
    has, newer = cli_audit._reach(profile, 1, 1, 1)  # noqa: SLF001 - what the verb says of a log that has just begun
    assert has.startswith("copied 1 leaf; this copy has 1 of 2 leaves of the log")
    assert newer.startswith("1 newer leaf is not in it")
    (whole,) = cli_audit._reach(profile, 1, 1, 0)  # noqa: SLF001 - the same
    assert whole == "copied 1 leaf; this copy has the whole log as it is now: 1 leaf"


def test_a_sync_that_is_refused_says_why(audit: Audit, connected: Callable[..., None]) -> None:
    connected(TOLD, model.IntentState.FAILED)
    code, out, err = audit("sync", "--timeout", "5")
    assert (code, out) == (3, "")
    assert "only auditors copy the log" in err


def test_a_sync_without_anybody_connected_is_kept_and_goes_on_later(
    audit: Audit, profile: Profile, connected: Callable[..., None]
) -> None:
    code, out, _ = audit("sync", "--timeout", "0.2")
    assert (code in {6, 75}, out) == (True, "")
    assert len(profile.store.intents(model.IntentState.QUEUED)) == 1
    connected(TOLD)
    assert audit("sync", "--timeout", "1")[0] == 0
    assert profile.store.intents(model.IntentState.QUEUED) == ()


def test_a_copy_that_the_log_outgrows_is_said(audit: Audit, profile: Profile, connected: Callable[..., None]) -> None:
    longer = incident(more=1)
    behind = replace(TOLD, log=_Ahead(TOLD.log, longer.log))
    connected(behind)
    code, _, err = audit("sync", "--timeout", "1")
    assert code == 75
    assert "the log grew while it was copied" in err


class _Ahead(Log):
    """The rows of one log under the newest checkpoint of a longer one."""

    def __init__(self, copied: Log, newest: Log) -> None:
        super().__init__()
        for index, leaf in enumerate(newest.leaves):
            self.append(leaf.type, leaf.room, leaf.object, newest.documents.get(index))
        self._copied = copied

    def rows(self, hidden: Iterable[RoomId] = ()) -> list[AuditRow]:
        return self._copied.rows(hidden)


def test_a_copy_from_before_the_organisation_joined_a_room_is_not_begun_anew_under_anothers_feet(
    audit: Audit, profile: Profile, connected: Callable[..., None]
) -> None:
    rows = TOLD.rows()
    rows[11] = structs.replace(rows[11], entry=None)
    copy(profile, TOLD, rows=rows)
    connected(TOLD)
    code, _, err = audit("sync", "--timeout", "1")
    assert code == 75
    assert "joined a room since the last copy" in err
    assert "another program of this profile is connected" in err


# ---- ceremonies that feed it


def test_a_roster_prints_as_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "roster"
    path.write_text(armour(Armour.ROSTER, ROSTER))
    assert main(["roster", "show", str(path), "--policy"]) == 0
    assert capsys.readouterr().out.encode() == encode_policy(policy_of_roster(x.roster_of()))


def test_an_installed_roster_is_readable_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: (x.NOW_MS + 1_000) * 1_000_000)
    profile = home_at(tmp_path / "home")
    asked = enrolment.request_device(profile, organisation=TN, role=AUDITOR_TN.certificate.role)
    name = issue_profile(
        x.nation(TN).enrolment_key, organisation=TN, subject=asked.subject, name="Auditor A", salt=bytes(16)
    )
    certificate = issue_certificate(
        decode_request(asked.encoded),
        x.nation(TN).enrolment_key,
        now_ms=x.NOW_MS,
        ceiling=Label.RED,
        profile_mac=name.mac,
    )
    reply = Reply(
        certificate=certificate.encoded,
        enrolment=x.nation(TN).enrolment.endorsed.encode(),
        profile=name.encoded,
        roster=ROSTER,
    )
    enrolment.install_reply(profile, reply)
    assert decode_rosters(profile.home.roster.read_text()) == (ROSTER,)
    second = x.roster_of(2).endorsed.encode()
    enrolment.install_roster(profile, second)
    assert decode_rosters(profile.home.roster.read_text()) == (ROSTER, second)
    profile.close()


def test_the_magic_of_a_bundle_stays_what_it_is(exported: Path) -> None:
    assert exported.read_bytes().startswith(MAGIC)
    assert MAGIC == b"PK\3\4"
    with exported.open("rb") as file:
        assert Bundle(file).manifest.size == TOLD.log.size
