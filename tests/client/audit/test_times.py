"""The three times of an entry: claimed, accepted, witnessed; attack 40, a relay whose clock lies."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from amanah_client.audit.anchors import anchor_of_policy
from amanah_client.audit.examination import Anchor, examine_copy
from amanah_client.audit.record import Report
from amanah_client.audit.report import Bounds, Severity
from amanah_client.audit.times import bounds_of
from amanah_client.store.copy import AuditCopy
from amanah_protocol import kinds
from amanah_protocol.errors import Code
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, sign_checkpoint
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.note import Note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.policy import Policy, decode_policy, encode_policy, policy_of_roster
from tests.client.audit.auditor import ROSTER
from tests.client.audit.world import NOW_MS, OFFICER_TN, STEP_MS, Log, examined, faults, incident
from tests.vectors import examples as x

NAMES = ("w1", "w2", "w3", "w4")
WITNESSES = {
    name: NoteSigner(name=f"{name}.example", key=x.key(name), kind=SignatureType.COSIGNATURE) for name in NAMES
}
MINUTE_S = 60


def policy(quorum: str = "none") -> Policy:
    lines = [f"witness {name} {signer.verifier.vkey}\n" for name, signer in WITNESSES.items()]
    text = "".join(lines) + encode_policy(policy_of_roster(x.roster_of())).decode()
    return decode_policy(text.replace("quorum none", f"quorum {quorum}").encode())


WITNESSED = anchor_of_policy(policy(), (ROSTER,))


def published(log: Log, size: int, times_s: Iterable[int], **changes: object) -> bytes:
    """The checkpoint of the first leaves, cosigned by one witness after the other, so long after the beginning."""
    frontier = Frontier()
    for leaf in log.leaves[:size]:
        frontier.append(leaf.hash)
    root = changes.pop("root", frontier.root())
    assert isinstance(root, bytes)
    note = decode_checkpoint(sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=size, root=root), x.LOG_SIGNER))[1]
    cosigned = [
        signer.sign(note.text, time_s=NOW_MS // 1000 + time_s)
        for signer, time_s in zip(WITNESSES.values(), times_s, strict=False)
    ]
    return Note(text=note.text, signatures=(*note.signatures, *cosigned)).encode()


def at(index: int) -> int:
    """Seconds after the beginning at which a leaf was accepted."""
    return index * STEP_MS // 1000


def ms(time_s: int) -> int:
    return NOW_MS + 1000 * time_s


def unbounded(report: Report) -> list[str]:
    return [f.text for f in report.findings if f.severity is Severity.REMARK and f.code is Code.CLOCK]


def test_a_leaf_lies_between_the_checkpoints_around_it() -> None:
    told = incident()
    notes = [published(told.log, 10, [at(10)]), published(told.log, 20, [at(20)])]
    head = published(told.log, told.log.size, [at(told.log.size)])
    report = examined(told.log, anchor=WITNESSED, published=notes, checkpoint=head)
    assert faults(report) == []
    assert unbounded(report) == []
    assert report.record.bounds(9) == Bounds(None, ms(at(10)))
    assert report.record.bounds(10) == report.record.bounds(19) == Bounds(ms(at(10)), ms(at(20)))
    assert report.record.bounds(20) == Bounds(ms(at(20)), ms(at(told.log.size)))
    for entry in report.record.entries():
        assert entry.witnessed == report.record.bounds(entry.index)


def test_of_four_witnesses_one_may_lie_in_either_direction() -> None:
    four = [(name, time) for name, time in zip(NAMES, (100, 110, 120, 99_999), strict=True)]
    assert bounds_of(policy(), four) == (120_000, 110_000)
    assert bounds_of(policy(), [("w1", 5), *four[1:]]) == (120_000, 110_000)
    assert bounds_of(policy(), four[:3]) == (120_000, 100_000)
    assert bounds_of(policy(), []) is None


def test_a_witness_with_two_keys_is_one_witness() -> None:
    lines = [f"witness {name} {signer.verifier.vkey}\n" for name, signer in WITNESSES.items()]
    text = "".join(lines) + "group w any w3 w4\n" + encode_policy(policy_of_roster(x.roster_of())).decode()
    two = decode_policy(text.encode())
    four = [("w1", 100), ("w2", 110), ("w3", 120), ("w4", 130)]
    assert bounds_of(two, four) == (130_000, 100_000)
    assert bounds_of(policy(), four) == (120_000, 110_000)


def test_without_a_witness_the_record_is_said_to_be_unbounded_once() -> None:
    told = incident()
    assert unbounded(examined(told.log)) == [
        "no witness has dated this record: of its times there is the word of senders and of the relay alone"
    ]


def test_what_follows_the_last_cosigned_checkpoint_is_said_to_be_unbounded() -> None:
    told = incident()
    report = examined(told.log, anchor=WITNESSED, published=[published(told.log, 10, [at(10)])])
    assert faults(report) == []
    (text,) = unbounded(report)
    assert text.startswith("no witness has dated the leaves from 10 on")
    assert report.record.bounds(11) == Bounds(ms(at(10)), None)


@pytest.mark.parametrize(("late_s", "found"), [(2 * MINUTE_S, 0), (2 * MINUTE_S + 1, 1)])
def test_a_relay_that_dates_forward_is_found_beyond_two_minutes(late_s: int, found: int) -> None:
    told = incident()
    index = told.log.post(OFFICER_TN, told.room, kinds.Message())
    head = published(told.log, told.log.size, [at(index) - late_s])
    report = examined(told.log, anchor=WITNESSED, checkpoint=head)
    assert faults(report) == [(index, "CLOCK")] * found


@pytest.mark.parametrize(("early_s", "found"), [(2 * MINUTE_S, 0), (2 * MINUTE_S + 1, 1)])
def test_a_relay_that_dates_back_is_found_beyond_two_minutes(early_s: int, found: int) -> None:
    told = incident()
    note = published(told.log, told.log.last, [at(told.log.last) + early_s])
    report = examined(told.log, anchor=WITNESSED, published=[note])
    assert faults(report) == [(told.log.last, "CLOCK")] * found


def test_an_entry_that_is_no_envelope_is_held_against_the_witnesses_too() -> None:
    told = incident()
    head = published(told.log, told.log.size, [at(told.log.size) - 10 * MINUTE_S])
    report = examined(told.log, anchor=WITNESSED, checkpoint=head)
    assert [index for index, _ in faults(report)] == list(range(told.log.size))
    assert {code for _, code in faults(report)} == {"CLOCK"}
    assert report.faults == told.log.size


def test_control_without_the_bounds_a_lying_relay_is_believed() -> None:
    told = incident()
    log = Log()
    log.leaves, log._frontier = told.log.leaves, told.log._frontier  # noqa: SLF001 - the same log
    head = published(told.log, told.log.size, [at(told.log.size) - 10 * MINUTE_S])
    assert faults(examined(told.log, checkpoint=head)) == []


def test_a_checkpoint_that_is_no_prefix_is_found() -> None:
    told = incident()
    note = published(told.log, 10, [at(10)], root=x.fixed("another"))
    report = examined(told.log, anchor=WITNESSED, published=[note])
    assert faults(report) == [(None, "PROOF")]
    assert "checkpoint of size 10" in report.findings[-2].text
    assert report.record.bounds(5) == Bounds()


def test_a_checkpoint_that_the_log_did_not_sign_is_found() -> None:
    told = incident()
    note = decode_checkpoint(published(told.log, 10, [at(10)]))[1]
    report = examined(
        told.log, anchor=WITNESSED, published=[Note(text=note.text, signatures=note.signatures[1:]).encode()]
    )
    assert faults(report) == [(None, "CHECKPOINT")]


def test_what_is_no_checkpoint_is_found() -> None:
    assert faults(examined(incident().log, published=[b"none"])) == [(None, "MALFORMED")]


def test_a_published_checkpoint_beyond_the_head_says_nothing() -> None:
    told = incident()
    head, size = told.log.checkpoint(), told.log.size
    told.log.post(OFFICER_TN, told.room, kinds.Message())
    beyond = published(told.log, size + 1, [at(0)])
    assert (
        faults(examined(told.log, told.log.rows()[:size], checkpoint=head, published=[beyond], anchor=WITNESSED)) == []
    )


# ---- going on


def again(copy: AuditCopy, told_head: bytes, anchor: Anchor = WITNESSED) -> Report:
    return examine_copy(copy, checkpoint=told_head, anchor=anchor)


def put(copy: AuditCopy, *notes: bytes) -> None:
    copy.put_checkpoints((decode_checkpoint(note)[0].size, note) for note in notes)


@pytest.fixture
def copy(tmp_path: Path) -> Iterable[AuditCopy]:
    made = AuditCopy.open(tmp_path / "audit.db", bytes(32))
    yield made
    made.close()


def test_an_examination_that_goes_on_finds_what_one_in_a_piece_finds(copy: AuditCopy) -> None:
    told = incident(more=600)
    log, rows = told.log, told.log.rows()
    first, second, third = (published(log, size, [at(size)]) for size in (100, 300, 500))
    lying = published(log, 400, [at(400) - 5 * MINUTE_S])
    copy.append(rows[:300])
    put(copy, first)
    report = again(copy, second)
    assert faults(report) == []
    copy.append(rows[300:])
    put(copy, second, lying, third)
    report = again(copy, log.checkpoint())
    # All that lies under it alone was dated more than two minutes after that witness had seen it.
    found = [index for index, _ in faults(report)]
    assert found == list(range(300, 400))
    whole = examined(log, rows, anchor=WITNESSED, published=[first, second, lying, third])
    assert report.findings == whole.findings
    assert again(copy, log.checkpoint()).findings == whole.findings


def test_a_checkpoint_that_comes_later_bounds_what_was_examined_before(copy: AuditCopy) -> None:
    told = incident(more=600)
    log = told.log
    copy.append(log.rows())
    report = again(copy, log.checkpoint())
    assert unbounded(report)
    put(copy, published(log, 300, [at(300) - 5 * MINUTE_S]))
    assert [index for index, _ in faults(again(copy, log.checkpoint()))] == list(range(300 - 3 * MINUTE_S + 1, 300))
    put(copy, published(log, 70, [at(70)], root=x.fixed("another")))
    assert (None, "PROOF") in faults(again(copy, log.checkpoint()))


def test_a_cosignature_that_comes_later_counts(copy: AuditCopy) -> None:
    told = incident()
    log = told.log
    copy.append(log.rows())
    put(copy, published(log, 20, [at(20) - 20 * MINUTE_S]))
    assert faults(again(copy, log.checkpoint()))
    put(copy, published(log, 20, [at(20) - 20 * MINUTE_S, at(20), at(20), at(20)]))
    report = again(copy, log.checkpoint())
    assert faults(report) == []
    assert report.record.bounds(3) == Bounds(None, ms(at(20)))
