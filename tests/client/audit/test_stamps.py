"""Time stamps against an examined record: real tokens of OpenSSL, whose times are chosen here."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from amanah_client.audit import stamps as stamps_module
from amanah_client.audit.anchors import anchor_of_policy
from amanah_client.audit.bundle import encode_item
from amanah_client.audit.examination import examine_copy
from amanah_client.audit.record import Report
from amanah_client.audit.report import Severity, Stamped
from amanah_client.audit.stamps import Link, Root, Stamps, State, Trust, examine_stamps, judge, load_roots, standing
from amanah_client.store.copy import AuditCopy
from amanah_protocol import cbor
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, sign_checkpoint
from amanah_protocol.log.policy import decode_policy, encode_policy, policy_of_roster
from amanah_protocol.log.stamp import MAX_TOKENS, imprint_of, parse_token
from tests.authority import DAY_MS, Authority, make_authority
from tests.client.audit.auditor import ROSTER
from tests.client.audit.bundles import bundle, checked
from tests.client.audit.test_times import published
from tests.client.audit.world import NOW_MS, STEP_MS, Incident, anchor, examined, faults, incident
from tests.protocol.refusal import refused
from tests.vectors import examples as x

VerifierBuilder = pytest.importorskip(
    "rfc3161_client", reason="the extra `timestamps` is not installed"
).VerifierBuilder

BEGIN = datetime.fromtimestamp(NOW_MS / 1000, UTC)
TOLD = incident()
SIZE = TOLD.log.size
"""Of the record; the checkpoints of ten and of twenty leaves were published."""
NOTES = {size: published(TOLD.log, size, [size]) for size in (10, 20, SIZE)}
LATER_MS = NOW_MS + DAY_MS

Given = tuple[int, str, bytes]


def at(days: float) -> datetime:
    return BEGIN + timedelta(days=days)


def ms(days: float) -> int:
    return int(at(days).timestamp() * 1000)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that was valid for a year around the record."""
    made = make_authority(tmp_path_factory.mktemp("authority") / "one", name="One")
    made.sign_with_new(at(-100), at(265))
    return made


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = make_authority(tmp_path_factory.mktemp("authority") / "two", name="Two")
    made.sign_with_new(at(-100), at(1_000))
    return made


def token(authority: Authority, size: int, days: float = 0.5, older: Sequence[bytes] = ()) -> bytes:
    """A token over a published checkpoint, and over older ones."""
    return authority.token_at(imprint_of(NOTES[size], older), at(days))


def root(authority: Authority, name: str = "one") -> Root:
    return Root(name, authority.root)


def report_of(copy: AuditCopy, told: Incident = TOLD) -> Report:
    """The record in a copy, examined, with the published checkpoints."""
    copy.append(told.rows())
    copy.put_checkpoints(NOTES.items())
    return examine_copy(copy, checkpoint=told.log.checkpoint(), anchor=anchor())


def stamped(given: Sequence[Given], roots: Sequence[Root], now_ms: int = LATER_MS) -> tuple[Report, Stamps]:
    report = report_of(AuditCopy.in_memory())
    return examine_stamps(report, given, NOTES.get, Trust(roots=roots, now_ms=now_ms))


def said(report: Report) -> list[tuple[str, str, str]]:
    """(severity, code, text) of what is said of time stamps."""
    found = [finding for finding in report.findings if "stamp" in finding.text]
    return [(str(finding.severity), str(finding.code), finding.text) for finding in found]


# ---- what holds


def test_a_token_bounds_every_leaf_under_its_checkpoint_from_above(one: Authority) -> None:
    report, found = stamped([(10, "tsa", token(one, 10)), (20, "tsa", token(one, 20, 0.7))], [root(one)])
    assert said(report) == []
    assert faults(report) == []
    assert found == Stamps(counts=(("one", State.HOLDS, 2),), checkpoints=2, size=20)
    assert report.record.stamped(0) == report.record.stamped(9) == (Stamped("one", ms(0.5)),)
    assert report.record.stamped(10) == report.record.stamped(19) == (Stamped("one", ms(0.7)),)
    assert report.record.stamped(20) == ()
    for entry in report.record.entries():
        assert entry.stamped == report.record.stamped(entry.index)
        # The other times are what they were.
        assert entry.accepted_at_ms == NOW_MS + entry.index * STEP_MS
        assert entry.witnessed == (None, None)


def test_several_authorities_are_told_apart(one: Authority, two: Authority) -> None:
    given = [(10, "a", token(one, 10, 0.5)), (20, "a", token(one, 20, 0.6)), (20, "b", token(two, 20, 0.4))]
    report, found = stamped(given, [root(one), root(two, "two")])
    assert found.counts == (("one", State.HOLDS, 2), ("two", State.HOLDS, 1))
    assert report.record.stamped(3) == (Stamped("one", ms(0.5)), Stamped("two", ms(0.4)))
    assert report.record.stamped(12) == (Stamped("one", ms(0.6)), Stamped("two", ms(0.4)))


def test_the_checkpoint_of_the_whole_record_may_have_been_stamped_with_other_cosignatures(one: Authority) -> None:
    assert NOTES[SIZE] != TOLD.log.checkpoint()
    report, found = stamped([(SIZE, "tsa", token(one, SIZE))], [root(one)])
    assert (said(report), found.size) == ([], SIZE)


def test_an_authority_that_is_not_known_is_not_checked_and_bounds_nothing(one: Authority, two: Authority) -> None:
    report, found = stamped([(10, "https://tsa/", token(one, 10))], [root(two)])
    assert (said(report), faults(report)) == ([], [])
    assert found == Stamps(counts=(("https://tsa/", State.UNKNOWN, 1),))
    assert report.record.stamped(0) == ()


def test_a_certificate_between_signer_and_root_may_stand_in_the_token(tmp_path: Path) -> None:
    """Made by the same key: what counts is that names and signatures lead from one to the other."""
    under = make_authority(tmp_path / "under", name="Under")
    chain = x509.load_pem_x509_certificates((under.folder / "signer.pem").read_bytes())
    assert [certificate.issuer for certificate in chain] == [under.root.subject]
    above = make_authority(tmp_path / "above", name="Above")
    between = above.certify(under)
    (under.folder / "between.pem").write_bytes(between)
    under.sign_with_new(at(-100), at(265))
    data = under.token_at(imprint_of(NOTES[10]), at(0.5), between="between.pem")
    report, found = stamped([(10, "tsa", data)], [root(above)])
    assert (said(report), found.counts) == ([], (("one", State.HOLDS, 1),))
    # The control: without it, nothing leads there.
    bare = under.token_at(imprint_of(NOTES[10]), at(0.5))
    assert stamped([(10, "tsa", bare)], [root(above)])[1].counts == (("tsa", State.UNKNOWN, 1),)


def test_a_second_certificate_of_the_signers_name_cannot_prolong_a_token(one: Authority) -> None:
    """Certificates in a token are not signed: with two of one name and number it would be chance which one is read."""
    (one.folder / "twin.pem").write_bytes(one.twin(at(9_000)))
    data = one.token_at(imprint_of(NOTES[10]), at(0.5), between="twin.pem")
    for now_ms in (LATER_MS, ms(900)):
        report, _ = stamped([(10, "tsa", data)], [root(one)], now_ms)
        assert [code for _, code, _ in said(report)] == [Code.MALFORMED]
        assert report.record.stamped(0) == ()
    # The control: the library itself takes such a token.
    verifier = VerifierBuilder(roots=[one.root]).build()
    assert verifier.verify(parse_token(data), imprint_of(NOTES[10]))


# ---- what does not


def flipped(data: bytes, at_byte: int) -> bytes:
    return data[:at_byte] + bytes([data[at_byte] ^ 1]) + data[at_byte + 1 :]


def test_a_token_that_was_changed_is_a_fault(one: Authority) -> None:
    good = token(one, 10)
    time_at = good.index(at(0.5).strftime("%Y%m%d%H%M%SZ").encode())
    for data, code in (
        (flipped(good, time_at + 3), Code.SIGNATURE),
        (flipped(good, good.index(imprint_of(NOTES[10])) + 5), Code.CONTENT_HASH),
        (flipped(good, len(good) - 3), Code.SIGNATURE),
        (b"garbage", Code.MALFORMED),
        (b"\x30" * 20_000, Code.TOO_LARGE),
        (b"", Code.MALFORMED),
    ):
        report, found = stamped([(10, "tsa", data)], [root(one)])
        ((severity, said_code, text),) = said(report)
        assert (severity, said_code) == (Severity.FAULT, code)
        assert text.startswith("time stamp 1 of the checkpoint of size 10: ")
        assert report.faults == 1
        assert found.counts == (("tsa", State.FAILS, 1),)
        assert report.record.stamped(0) == ()
    assert stamped([(10, "tsa", good)], [root(one)])[0].faults == 0


def test_a_token_over_another_checkpoint_is_a_fault_whoever_made_it(one: Authority) -> None:
    for roots in ([root(one)], []):
        report, _ = stamped([(10, "tsa", token(one, 20))], roots)
        assert [code for _, code, _ in said(report)] == [Code.CONTENT_HASH]


def test_a_root_of_the_same_name_with_another_key_is_a_forgery(one: Authority, tmp_path: Path) -> None:
    forger = make_authority(tmp_path / "forger", name="One")
    forger.sign_with_new(at(-100), at(265))
    report, _ = stamped([(10, "tsa", token(forger, 10))], [root(one)])
    ((_, code, text),) = said(report)
    assert (code, "names one" in text) == (Code.SIGNATURE, True)
    # With both known, as after a change of the root's key, each token holds by its own.
    both = [root(one, "old"), root(forger, "new")]
    given = [(10, "tsa", token(one, 10)), (20, "tsa", token(forger, 20))]
    assert stamped(given, both)[1].counts == (("new", State.HOLDS, 1), ("old", State.HOLDS, 1))


def test_a_token_made_outside_of_its_certificates_time_is_a_fault(one: Authority, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other", name="Other")
    for begins, ends in ((-50, -10), (10, 50)):
        other.sign_with_new(at(begins), at(ends))
        report, _ = stamped([(10, "tsa", token(other, 10, 0.5))], [root(other)])
        assert [code for _, code, _ in said(report)] == [Code.SIGNATURE]
    other.sign_with_new(at(-50), at(50))
    assert stamped([(10, "tsa", token(other, 10, 0.5))], [root(other)])[0].faults == 0


def test_a_certificate_that_is_not_for_time_stamps_is_a_fault(tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other", name="Other")
    other.sign_with_new(at(-50), at(50), critical=False)
    report, _ = stamped([(10, "tsa", token(other, 10, 0.5))], [root(other)])
    assert [code for _, code, _ in said(report)] == [Code.SIGNATURE]


def test_tokens_on_checkpoints_that_the_record_has_not_are_faults(one: Authority) -> None:
    frame = sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=20, root=bytes(32)), x.LOG_SIGNER)
    forged = one.token_at(imprint_of(frame), at(0.5))
    report = report_of(AuditCopy.in_memory())
    for size, note in ((20, frame), (11, NOTES[10]), (SIZE + 1, NOTES[SIZE]), (20, None), (20, b"no note")):
        found, _ = examine_stamps(
            report, [(size, "tsa", forged)], {size: note}.get, Trust(roots=[root(one)], now_ms=LATER_MS)
        )
        assert [code for _, code, _ in said(found)] == [Code.PROOF]
        assert found.record.stamped(0) == ()


def test_tokens_of_one_checkpoint_stand_together(one: Authority) -> None:
    given = [(10, "tsa", token(one, 10)), (20, "tsa", token(one, 20)), (10, "tsa", token(one, 10))]
    report, _ = stamped(given, [root(one)])
    assert [code for _, code, _ in said(report)] == [Code.PROOF]


def test_more_tokens_of_a_checkpoint_than_are_kept_are_not_looked_at(one: Authority) -> None:
    links = judge(NOTES[10], [("tsa", b"none")] * (MAX_TOKENS + 1), [root(one)])
    assert [link.code for link in links] == [Code.MALFORMED] * MAX_TOKENS + [Code.TOO_LARGE]


def test_a_time_before_the_relay_accepted_what_was_stamped_is_remarked(one: Authority) -> None:
    report, found = stamped([(10, "tsa", token(one, 10, -0.5))], [root(one)])
    ((severity, code, text),) = said(report)
    assert (severity, code) == (Severity.REMARK, Code.CLOCK)
    assert "before the relay accepted" in text
    assert found.counts == (("one", State.HOLDS, 1),)


def test_without_the_extra_it_is_said_that_nothing_was_checked(one: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stamps_module, "_EXTRA", "no_such_module")
    assert importlib.util.find_spec("no_such_module") is None
    report, found = stamped([(10, "tsa", token(one, 10)), (20, "tsa", b"garbage")], [root(one)])
    assert said(report) == [
        ("remark", "CONFIG", "time stamps are not checked here: the extra `timestamps` is not installed")
    ]
    assert found == Stamps(counts=(("tsa", State.UNCHECKED, 2),))


# ---- in a bundle


def bundled(given: Sequence[Given], notes: Sequence[int] = (10, 20), head: bytes = b"") -> bytes:
    return bundle(
        TOLD,
        checkpoint=head or TOLD.log.checkpoint(),
        checkpoints=b"".join(cbor.encode(NOTES[size]) for size in notes),
        timestamps=b"".join(encode_item(list(one)) for one in given),
    )


def test_a_bundle_brings_its_time_stamps_and_is_held_against_the_auditors_roots(one: Authority) -> None:
    given = [(10, "tsa", token(one, 10)), (20, "tsa", token(one, 20)), (SIZE, "tsa", token(one, SIZE))]
    trust = Trust(roots=[root(one)], now_ms=LATER_MS)
    found = checked(bundled(given, head=NOTES[SIZE]), trust=trust)
    assert faults(found.report) == []
    assert found.stamps == Stamps(counts=(("one", State.HOLDS, 3),), checkpoints=3, size=SIZE)
    assert found.stamps.all_checked
    assert found.report.record.stamped(SIZE - 1) == (Stamped("one", ms(0.5)),)
    # Without roots, nothing is wrong, and nothing known.
    found = checked(bundled(given, head=NOTES[SIZE]))
    assert (faults(found.report), found.stamps.all_checked) == ([], False)


def test_wrong_time_stamps_in_a_bundle_are_faults(one: Authority) -> None:
    trust = Trust(roots=[root(one)], now_ms=LATER_MS)
    first, second = (10, "tsa", token(one, 10)), (20, "tsa", token(one, 20))
    for given, notes, code in (
        ([second, first], (10, 20), Code.PROOF),
        ([first, second], (10,), Code.PROOF),
        ([(20, "tsa", first[2])], (10, 20), Code.CONTENT_HASH),
        ([first, (20, "tsa", second[2][:-1])], (10, 20), Code.MALFORMED),
        # The bundle's own checkpoint has other lines than the one that was stamped.
        ([(SIZE, "tsa", token(one, SIZE))], (10, 20), Code.CONTENT_HASH),
    ):
        assert faults(checked(bundled(given, notes), trust=trust).report) == [(None, code)]


# ---- the end of certificates


def test_a_token_counts_until_its_certificate_ends(one: Authority) -> None:
    given = [(10, "tsa", token(one, 10))]
    report, found = stamped(given, [root(one)], ms(264.9))
    assert found.counts == (("one", State.HOLDS, 1),)
    assert report.record.stamped(0) == (Stamped("one", ms(0.5)),)
    report, found = stamped(given, [root(one)], ms(265.1))
    assert found.counts == (("one", State.ENDED, 1),)
    assert (report.record.stamped(0), faults(report)) == ((), [])
    ((severity, code, text),) = said(report)
    assert (severity, code) == (Severity.REMARK, Code.EXPIRED)
    assert "has ended, and it was not renewed in time" in text


def chain(first: Authority, second: Authority, renewed: float) -> list[Given]:
    """A token, and its renewal by another authority after so many days."""
    old = token(first, 10, 0.5)
    return [(10, "a", old), (10, "b", token(second, 10, renewed, [old]))]


def test_a_renewal_carries_what_it_covers_beyond_its_end(one: Authority, two: Authority) -> None:
    roots = [root(one), root(two, "two")]
    report, found = stamped(chain(one, two, 250), roots, ms(900))
    assert found.counts == (("one", State.HOLDS, 1), ("two", State.HOLDS, 1))
    assert report.record.stamped(0) == (Stamped("one", ms(0.5)), Stamped("two", ms(250)))
    # Its own end is the end of both.
    report, found = stamped(chain(one, two, 250), roots, ms(1_001))
    assert found.counts == (("one", State.ENDED, 1), ("two", State.ENDED, 1))


def test_a_renewal_that_came_too_late_carries_nothing(one: Authority, two: Authority) -> None:
    report, found = stamped(chain(one, two, 266), [root(one), root(two, "two")], ms(900))
    assert found.counts == (("one", State.ENDED, 1), ("two", State.HOLDS, 1))
    assert report.record.stamped(0) == (Stamped("two", ms(266)),)


def test_a_renewal_by_an_authority_that_is_not_trusted_carries_nothing(one: Authority, two: Authority) -> None:
    _, found = stamped(chain(one, two, 250), [root(one)], ms(900))
    assert found.counts == (("b", State.UNKNOWN, 1), ("one", State.ENDED, 1))


def test_a_token_over_the_same_checkpoint_alone_is_no_renewal(one: Authority, two: Authority) -> None:
    given = [(10, "a", token(one, 10, 0.5)), (10, "b", token(two, 10, 250))]
    _, found = stamped(given, [root(one), root(two, "two")], ms(900))
    assert found.counts == (("one", State.ENDED, 1), ("two", State.HOLDS, 1))


def test_a_renewal_in_the_place_of_what_it_covers_is_a_fault(one: Authority, two: Authority) -> None:
    report, _ = stamped(chain(one, two, 250)[::-1], [root(one), root(two, "two")], ms(900))
    assert [code for _, code, _ in said(report)] == [Code.CONTENT_HASH, Code.EXPIRED]


def test_a_chain_of_renewals_over_many_years(one: Authority, tmp_path: Path) -> None:
    """Five certificates of one authority, each of a year; each token is renewed a month before its end."""
    made = make_authority(tmp_path / "made", name="Made")
    tokens: list[bytes] = []
    for year in range(5):
        made.sign_with_new(at(365 * year - 60), at(365 * (year + 1)))
        tokens.append(token(made, 10, 365 * year - 30 + 30.5 * (year == 0), list(tokens)))
    given = [(10, "tsa", data) for data in tokens]
    last = ms(365 * 5 - 1)
    report, found = stamped(given, [root(made)], last)
    assert found.counts == (("one", State.HOLDS, 5),)
    assert report.record.stamped(0) == (Stamped("one", ms(0.5)),)
    # A link less, and everything before it is lost.
    without = [*given[:2], *given[3:]]
    report, _ = stamped(without, [root(made)], last)
    assert report.faults == 2


def test_standing_is_found_from_the_newest_token_back() -> None:
    def link(made: int, ends: int, *covers: int, state: State = State.HOLDS) -> Link:
        return Link("x", state, made, ends, covers)

    assert standing([], 0) == ()
    assert standing([link(1, 10)], 10) == (True,)
    assert standing([link(1, 10)], 11) == (False,)
    line = [link(1, 10), link(9, 20, 0), link(19, 30, 0, 1)]
    assert standing(line, 30) == (True, True, True)
    assert standing(line, 31) == (False, False, False)
    assert standing([link(1, 10), link(10, 20, 0)], 15) == (True, True)
    assert standing([link(1, 10), link(11, 20, 0)], 15) == (False, True)
    # What fails or is unknown carries nothing, however long it lasts.
    for state in (State.FAILS, State.UNKNOWN, State.UNCHECKED):
        assert standing([link(1, 10), link(9, 99, 0, state=state)], 15) == (False, False)
    assert standing([link(1, 10), Link("x", State.HOLDS)], 15) == (False, False)


# ---- verified once


def test_what_was_found_is_kept_until_something_changes(one: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    honest = stamps_module.judge

    def counted(note: bytes, *rest: object) -> tuple[Link, ...]:
        asked.append(decode_checkpoint(note)[0].size)
        return honest(note, *rest)  # type: ignore[arg-type]  # what came is passed on

    monkeypatch.setattr(stamps_module, "judge", counted)
    monkeypatch.setattr(stamps_module, "_TOGETHER", 1)
    copy = AuditCopy.in_memory()
    report = report_of(copy)
    given = [(10, "tsa", token(one, 10)), (20, "tsa", token(one, 20))]

    def again(given: list[Given], roots: Sequence[Root], days: float = 1) -> tuple[list[int], Stamps]:
        asked.clear()
        return asked, examine_stamps(report, given, NOTES.get, Trust(roots=roots, now_ms=ms(days)))[1]

    holds = Stamps(counts=(("one", State.HOLDS, 2),), checkpoints=2, size=20)
    assert again(given, [root(one)]) == ([10, 20], holds)
    assert again(given, [root(one)]) == ([], holds)
    # Time passes: what ended is found without verifying anything again.
    assert again(given, [root(one)], 300) == ([], Stamps(counts=(("one", State.ENDED, 2),)))
    assert again(given, [root(one)]) == ([], holds)
    assert again([given[0], (20, "tsa", b"changed")], [root(one)])[0] == [20]
    assert again(given[:1], [root(one)]) == ([], Stamps(counts=(("one", State.HOLDS, 1),), checkpoints=1, size=10))
    assert again(given[:1], [root(one, "renamed")])[0] == [10]
    assert again(given[:1], [])[0] == [10]


# ---- whom an auditor trusts


def test_the_roots_of_a_file_are_called_by_their_subject(one: Authority, two: Authority) -> None:
    assert [found.name for found in load_roots(one.pem + two.pem)] == ["CN=One", "CN=Two"]
    with refused(Code.CONFIG, UsageError):
        load_roots(b"no certificate")


def test_a_policy_names_whom_of_a_file_it_means(one: Authority, two: Authority) -> None:
    text = encode_policy(policy_of_roster(x.roster_of()))
    named = decode_policy(text + f"timestamp first sha256:{one.root_hash.hex()}\n".encode())
    assert load_roots(two.pem + one.pem, named) == (Root("first", one.root),)
    with pytest.raises(UsageError, match="first") as caught:
        load_roots(two.pem, named)
    assert caught.value.code is Code.CONFIG
    assert len(load_roots(two.pem + one.pem, decode_policy(text))) == 2
    # The line is of no weight for the record itself.
    assert faults(examined(TOLD.log, anchor=anchor_of_policy(named, (ROSTER,)))) == []
