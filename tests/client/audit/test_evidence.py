"""`amanah audit evidence` and `check` of its file: what a third party needs to accuse a log, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from amanah_client import effects as e
from amanah_client.audit import local
from amanah_client.audit.evidence import evidence_file, judge, relays_of_anchor
from amanah_client.audit.examination import Anchor
from amanah_client.home import Profile
from amanah_client.log_rows import ConflictRow, LogView, Quorum, WitnessedRow
from amanah_client.standing import Standing, standing_of
from amanah_protocol.cards import Armour, armour, decode_armour
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.log.conflict import Conflict, Verdict, encode_evidence
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.policy import Party, Policy, encode_policy, policy_of_roster
from amanah_protocol.types import LeafHash
from amanah_protocol.verified import Verified
from tests.client.audit.auditor import ROSTER, TOLD, Audit, copy
from tests.protocol.refusal import refused
from tests.vectors import examples as x
from tests.vectors import log_examples as log

SAME, PREFIX, LEAF, OPEN = log.conflicts()
NOTES_ONLY = Policy(logs=(Party(key=x.LOG_SIGNER.verifier),))


def keep(profile: Profile, *conflicts: Conflict) -> None:
    """What the core keeps when it finds them."""
    rows = [
        ConflictRow(key=b"%32d" % number, at_ms=x.NOW_MS, evidence=encode_evidence((conflict,)))
        for number, conflict in enumerate(conflicts)
    ]
    profile.store.commit(tuple(e.PutConflict(row=row) for row in rows))


def written(path: Path, *conflicts: Conflict) -> Path:
    path.write_text(armour(Armour.EVIDENCE, encode_evidence(conflicts)))
    return path


def policy_at(path: Path, policy: Policy) -> Path:
    path.write_bytes(encode_policy(policy))
    return path


def test_the_newest_evidence_is_written_and_checked_without_the_profile(
    audit: Audit, profile: Profile, tmp_path: Path
) -> None:
    keep(profile, PREFIX, SAME)
    path, policy = tmp_path / "fork.txt", policy_at(tmp_path / "policy", policy_of_roster(x.roster_of()))
    roster = tmp_path / "roster"
    roster.write_text(armour(Armour.ROSTER, ROSTER))
    code, out, err = audit("evidence", path)
    assert (code, out) == (0, "")
    assert "1 of 2 written" in err
    code, out, err = audit("check", path, "--policy", policy, "--roster", roster, home=tmp_path / "nowhere")
    assert (code, err) == (0, "")
    for said in ("PROOF BY ITSELF: the log signed two roots for one size", "the policy file", log.root(12).hex()[:40]):
        assert said in out.replace("\n", " ")
    assert x.KID.hex()[:12] in out
    assert x.ROOM.hex()[:12] in out
    assert "the word of whoever made the file" in out.replace("\n", " ")


def test_all_of_it_is_written_when_asked_for(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    keep(profile, *log.conflicts())
    path = tmp_path / "all.txt"
    code, _, err = audit("evidence", path, "--all")
    assert code == 0
    assert "4 of 4 written" in err
    code, out, _ = audit("check", path, "--json")
    found = json.loads(out)
    assert (code, found["holds"]) == (0, True)
    assert [conflict["verdict"] for conflict in found["conflicts"]] == list(Verdict)
    assert [conflict["is_proof"] for conflict in found["conflicts"]] == [True, True, True, False]
    assert found["conflicts"][2]["first"]["form"] == "receipt"
    assert found["conflicts"][0]["second"]["device"] == x.KID.hex()
    code, out, _ = audit("check", path)
    flat = " ".join(out.split())
    assert "NO PROOF BY ITSELF: two signed statements that the log must answer for" in flat
    assert "the consistency proof from size 8 to size 12" in flat
    assert "(index 9)" in flat


def test_evidence_is_written_once_and_only_where_there_is_any(audit: Audit, profile: Profile, tmp_path: Path) -> None:
    path = tmp_path / "fork.txt"
    code, _, err = audit("evidence", path)
    assert (code, path.exists()) == (4, False)
    assert "no evidence against the log" in err
    keep(profile, SAME)
    assert audit("evidence", path)[0] == 0
    before = path.read_bytes()
    code, _, err = audit("evidence", path)
    assert (code, path.read_bytes()) == (2, before)
    assert "nothing is overwritten" in err


@pytest.mark.parametrize(
    "conflict",
    [
        log.conflict(log.checkpoint(12), log.checkpoint(7), log.other_prefix(7)),
        log.conflict(log.checkpoint(12), log.checkpoint(12)),
        replace(SAME, origin="other.example/log"),
    ],
)
def test_what_accuses_nobody_does_not_hold(audit: Audit, tmp_path: Path, conflict: Conflict) -> None:
    code, out, err = audit("check", written(tmp_path / "false.txt", SAME, conflict))
    assert (code, out) == (5, "")
    assert "the evidence does not hold" in err


def test_evidence_that_was_changed_on_its_way_does_not_hold(audit: Audit, tmp_path: Path) -> None:
    data = decode_armour(written(tmp_path / "whole.txt", SAME).read_text(), Armour.EVIDENCE)
    at = data.rindex(b" 7Q" if b" 7Q" in data else b"=\n") - 8
    damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    path = tmp_path / "changed.txt"
    path.write_text(armour(Armour.EVIDENCE, damaged))
    code, _, err = audit("check", path)
    assert code == 5
    assert "does not hold" in err
    path.write_text(written(tmp_path / "cut.txt", SAME).read_text()[:-80])
    assert audit("check", path)[0] == 5


def test_a_policy_without_its_roster_judges_checkpoints_and_no_receipts(audit: Audit, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for policy in (NOTES_ONLY, policy_of_roster(x.roster_of())):
        named = policy_at(tmp_path / f"policy-{policy.roster is None}", policy)
        same, leaf = written(tmp_path / "same.txt", SAME), written(tmp_path / "leaf.txt", LEAF)
        code, out, _ = audit("check", same, "--policy", named, home=nowhere)
        assert (code, "HOLDS" in out) == (0, True)
        code, _, err = audit("check", leaf, "--policy", named, home=nowhere)
        assert (code, "KEY_ID" in err) == (5, True)


def test_without_any_key_nothing_is_verified_and_that_is_said(audit: Audit, tmp_path: Path) -> None:
    code, out, err = audit("check", written(tmp_path / "same.txt", SAME), home=tmp_path / "nowhere")
    assert (code, out) == (5, "")
    assert "no key of any log is at hand" in err


def test_a_damaged_policy_is_the_callers_mistake(audit: Audit, tmp_path: Path) -> None:
    policy = tmp_path / "policy"
    policy.write_text("nonsense\n")
    code, _, err = audit("check", written(tmp_path / "same.txt", SAME), "--policy", policy)
    assert code == 2
    assert "line 1" in err


def anchored(policy: Policy, *logs: str) -> Anchor:
    """Rosters of these log keys, ascending."""
    rosters = tuple(
        Verified(replace(x.roster_of(), version=number, relays=(replace(x.relay(), log_vkey=vkey),)))
        for number, vkey in enumerate(logs, start=1)
    )
    return Anchor(rosters=rosters, policy=policy, name="test")


def test_statements_hold_by_the_keys_of_their_day_and_the_policy_says_which_are_todays() -> None:
    ours, other = x.LOG_SIGNER.verifier.vkey, replace(x.LOG_SIGNER.verifier, public=x.key("new log").public).vkey
    text = evidence_file((ConflictRow(key=b"k", at_ms=0, evidence=encode_evidence((SAME,))),), every=False)
    policy = policy_of_roster(x.roster_of())
    assert judge(text, relays_of_anchor(anchored(policy, ours)))[0].judged.verdict is Verdict.SAME_SIZE
    assert judge(text, relays_of_anchor(anchored(policy, ours, other)))[0].judged.verdict is Verdict.SAME_SIZE
    with refused(Code.CHECKPOINT, VerifyError):
        judge(text, relays_of_anchor(anchored(policy, other)))


def test_of_many_contradictions_the_first_and_the_newest_are_kept(profile: Profile) -> None:
    for number in range(40):
        row = ConflictRow(key=b"%32d" % number, at_ms=number, evidence=b"evidence")
        profile.store.commit((e.PutConflict(row=row), e.PutConflict(row=structs.replace(row, at_ms=99))))
    assert [row.at_ms for row in profile.store.conflicts()] == [0, *range(25, 40)]
    assert profile.store.snapshot().conflicts[1] == (b"%32d" % 25, 25)
    assert evidence_rows_refused(profile.store.conflicts()[:0])


def evidence_rows_refused(rows: Sequence[ConflictRow]) -> bool:
    with refused(Code.NOT_FOUND, UsageError):
        evidence_file(rows, every=True)
    return True


# ---- what is said of the witnesses


def root_of(size: int) -> bytes:
    frontier = Frontier()
    for row in TOLD.rows()[:size]:
        frontier.append(LeafHash(row.hash))
    return frontier.root()


def cosigned(size: int, root: bytes = b"", state: Quorum = Quorum.SEEN) -> WitnessedRow:
    times = (("one", 1_790_000_000), ("two", 1_790_000_011), ("three", 1_790_000_005))
    return WitnessedRow(
        size=size, root=root or root_of(size), note=b"note", cosignatures=times, witnesses=4, state=state, since_ms=1
    )


WORDS = "log verified to 9, cosigned by 3 of 4 witnesses at 2026-09-21 14:13:31Z"


def test_a_verified_copy_says_how_far_witnesses_have_cosigned_it(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, out, _ = audit("verify")
    assert code == 0
    assert "no checkpoint of this log with a quorum" in " ".join(out.split())
    profile.store.commit((e.PutWitnessed(row=cosigned(9)),))
    code, out, _ = audit("verify")
    assert (code, WORDS in " ".join(out.split())) == (0, True)
    code, out, _ = audit("verify", "--json")
    found = json.loads(out)["cosigned"]
    assert (found["size"], found["of_copy"], found["witnesses"], len(found["cosignatures"])) == (9, True, 4, 3)


def test_witnesses_that_cosigned_another_log_than_the_copy_cannot_be_overlooked(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    profile.store.commit((e.PutWitnessed(row=cosigned(9, bytes(32))),))
    code, out, err = audit("verify")
    assert code == 5
    assert "THE COPY HAS ANOTHER ROOT AT THAT SIZE" in " ".join(out.split())
    assert "witnesses" in err
    profile.store.commit((e.PutWitnessed(row=structs.replace(cosigned(9), size=TOLD.log.size + 1)),))
    assert "beyond this copy" in audit("verify")[1]
    assert local.cosigned(profile.store) is not None
    profile.store.commit((e.PutWitnessed(row=structs.replace(cosigned(9), size=0, cosignatures=())),))
    assert local.cosigned(profile.store) is None


def test_the_standing_is_said_in_words(profile: Profile) -> None:
    assert standing_of(profile.store) == Standing(log=None, witnessed=None, quorum=0, conflicts=0)
    view = LogView(size=12, root=bytes(32), checkpoint=b"", seen_at_ms=0)
    said = Standing(log=None, witnessed=None, quorum=3, conflicts=0)
    assert said.verified == "no checkpoint of the log was seen yet"
    said = replace(said, log=view)
    assert said.verified == "log verified to 12, not cosigned by the witnesses yet"
    assert replace(said, quorum=0).verified == "log verified to 12; the roster asks for no witnesses"
    said = replace(said, witnessed=cosigned(9))
    assert said.verified == f"{WORDS}; 3 leaves more are not cosigned yet"
    assert replace(said, log=structs.replace(view, size=9)).verified == WORDS
    assert (said.missed, said.evidence) == ("", "")
    assert "late" in replace(said, witnessed=cosigned(9, state=Quorum.LATE)).missed
    assert "quorum" in replace(said, witnessed=cosigned(9, state=Quorum.MISSING)).missed
    assert said.lines == (said.verified,)
    assert len(replace(said, witnessed=cosigned(9, state=Quorum.LATE), conflicts=1).lines) == 3
    assert replace(said, conflicts=1).evidence == "one contradiction of the log kept as evidence"
    assert replace(said, conflicts=2).evidence == "2 contradictions of the log kept as evidence"
