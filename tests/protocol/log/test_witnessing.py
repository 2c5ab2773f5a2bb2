"""The witness's side of C2SP tlog-witness, pure: each rule once right, and once broken in that alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.log import witnessing
from amanah_protocol.log.checkpoint import Checkpoint, encode_body, sign_checkpoint
from amanah_protocol.log.merkle import EMPTY_ROOT, MAX_TREE_SIZE, Frontier, consistency_path
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.witnessing import (
    MAX_PROOF_LINES,
    MAX_REQUEST_BYTES,
    Accepted,
    Finding,
    Refusal,
    Refused,
    decide,
    decode_answer,
    decode_request,
    decode_size,
    encode_answer,
    encode_request,
    encode_size,
)
from tests.protocol.log.trees import StoredTree, entries
from tests.protocol.refusal import refused

ORIGIN = "log.example/incidents"
LOG = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(b"l" * 32))
NEXT = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(b"n" * 32))
STRANGER = NoteSigner(name="stranger.example", key=SigningKey.from_seed(b"s" * 32))
WITNESS = NoteSigner(name="witness.example", key=SigningKey.from_seed(b"w" * 32), kind=SignatureType.COSIGNATURE)
KEYS = (LOG.verifier,)
TREE = StoredTree(entries(40))
OTHER = StoredTree([b"another", *entries(40)[1:]])

# The example of C2SP tlog-witness, section add-checkpoint.
EXAMPLE = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
""".encode()  # noqa: E501 - a signature is one line


def head(size: int, tree: StoredTree = TREE) -> Checkpoint:
    """The checkpoint of a tree's first leaves."""
    return Checkpoint(origin=ORIGIN, size=size, root=Frontier.load(tree.read, size).root())


def note(checkpoint: Checkpoint, *signers: NoteSigner) -> bytes:
    """The checkpoint, signed by these."""
    text = encode_body(checkpoint)
    return Note(text=text, signatures=tuple(signer.sign(text) for signer in signers)).encode()


def asked(
    old: int, new: int, *, proof: Iterable[bytes] | None = None, signed: bytes | None = None, tree: StoredTree = TREE
) -> witnessing.WitnessRequest:
    """A request; right but for what is given."""
    path = consistency_path(tree.read, old, new) if proof is None and 0 < old < new else proof or ()
    return decode_request(encode_request(old, tuple(path), signed or note(head(new, tree), LOG)))


def refusal(request: witnessing.WitnessRequest, known: Checkpoint | None) -> tuple[Refusal, Finding | None]:
    """Why a request is refused, and what it says of the log."""
    found = decide(request, KEYS, known)
    assert isinstance(found, Refused)
    assert (found.note is None) == (found.finding is None)
    return found.refusal, found.finding


# ---- the text


def test_the_example_of_the_specification_decodes() -> None:
    request = decode_request(EXAMPLE)
    assert (request.old_size, len(request.proof)) == (20852014, 4)
    assert (request.checkpoint.origin, request.checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert len(request.note.signatures) == 2
    assert encode_request(request.old_size, request.proof, request.note.encode()) == EXAMPLE


@given(
    old=st.integers(0, MAX_TREE_SIZE),
    proof=st.lists(st.binary(min_size=32, max_size=32), max_size=MAX_PROOF_LINES),
)
def test_every_request_is_read_back(old: int, proof: list[bytes]) -> None:
    request = decode_request(encode_request(old, proof, note(head(7), LOG)))
    assert (request.old_size, list(request.proof), request.checkpoint) == (old, proof, head(7))


@pytest.mark.parametrize(
    ("old", "proof"), [(-1, []), (2**63, []), (0, [bytes(32)] * 64), (0, [bytes(31)]), (0, [bytes(33)])]
)
def test_what_no_request_can_hold_is_not_encoded(old: int, proof: list[bytes]) -> None:
    with refused(Code.BAD_TYPE, UsageError):
        encode_request(old, proof, note(head(7), LOG))


def test_what_is_no_checkpoint_is_not_sent() -> None:
    with refused(Code.MALFORMED, DecodeError):
        encode_request(0, (), b"nothing signed")


SIGNED = note(head(7), LOG)
LINE = b"A" * 43 + b"="


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"old 0\n" + SIGNED,  # the empty line is that of the note
        b"old 0",
        b"\n\n" + SIGNED,
        b"new 0\n\n" + SIGNED,
        b"old  0\n\n" + SIGNED,
        b"old 00\n\n" + SIGNED,
        b"old 07\n\n" + SIGNED,
        b"old -1\n\n" + SIGNED,
        b"old +1\n\n" + SIGNED,
        b"old 9223372036854775808\n\n" + SIGNED,
        "old ٣\n\n".encode() + SIGNED,
        b"old 0\r\n\n" + SIGNED,
        b"old 1\nAAAA\n\n" + SIGNED,
        b"old 1\n" + b"A" * 42 + b"B=\n\n" + SIGNED,  # not canonical
        b"old 1\n" + LINE + b" \n\n" + SIGNED,
        b"old 1\n" + (LINE + b"\n") * 64 + b"\n" + SIGNED,
        b"old 1\n" + b"A" * 5_000 + b"\n\n" + SIGNED,
        b"old 0\n\n" + SIGNED[:-1],
        b"old 0\n\n" + SIGNED.replace(b"\n\n", b"\nextension\n\n"),
        b"old 0\n\n" + SIGNED.partition(b"\n\n")[0] + b"\n",
    ],
)
def test_what_is_not_a_request_is_refused_by_a_typed_error(data: bytes) -> None:
    assert decode_request(b"old 0\n\n" + SIGNED).old_size == 0
    with pytest.raises(DecodeError):
        decode_request(data)


def test_a_request_is_bounded() -> None:
    assert len(decode_request(b"old 1\n" + (LINE + b"\n") * 63 + b"\n" + SIGNED).proof) == 63
    with refused(Code.TOO_LARGE):
        decode_request(b"old 0\n\n" + b"x" * MAX_REQUEST_BYTES)


def test_an_answer_is_read_back() -> None:
    lines = [WITNESS.sign(encode_body(head(7)), time_s=time_s) for time_s in (1, 2)]
    assert decode_answer(encode_answer(lines)) == tuple(lines)
    assert encode_answer(lines).startswith("— witness.example ".encode())


@pytest.mark.parametrize("data", [b"", b"\n", b"ok\n", "— witness.example AAAAAAA=".encode(), b"\xff\n"])
def test_what_is_not_an_answer_is_refused(data: bytes) -> None:
    with refused(Code.MALFORMED, DecodeError):
        decode_answer(data)


def test_an_answer_is_bounded() -> None:
    line = WITNESS.sign(encode_body(head(7)), time_s=1)
    assert len(decode_answer(encode_answer([line] * 64))) == 64
    for data in (encode_answer([line] * 65), b"x" * (256 * 1024 + 1)):
        with refused(Code.TOO_LARGE):
            decode_answer(data)


@given(st.integers(0, MAX_TREE_SIZE))
def test_a_size_is_read_back(size: int) -> None:
    assert decode_size(encode_size(size)) == size


@pytest.mark.parametrize("data", [b"", b"7", b"\n", b"07\n", b"7\n\n", b"7 \n", b"9223372036854775808\n", b"1" * 99])
def test_what_is_not_a_size_is_refused(data: bytes) -> None:
    with refused(Code.MALFORMED, DecodeError):
        decode_size(data)


# ---- the decision


@pytest.mark.parametrize(
    ("old", "new", "known"), [(0, 7, None), (0, 7, 0), (7, 23, 7), (8, 40, 8), (7, 7, 7), (39, 40, 39)]
)
def test_what_continues_the_log_is_accepted(old: int, new: int, known: int | None) -> None:
    found = decide(asked(old, new), KEYS, None if known is None else head(known))
    assert isinstance(found, Accepted)
    assert found.checkpoint.value == head(new)
    assert found.note.encode() == note(head(new), LOG)


def test_the_empty_log_is_accepted() -> None:
    empty = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT)
    request = asked(0, 0, signed=note(empty, LOG))
    for known in (None, empty):
        found = decide(request, KEYS, known)
        assert isinstance(found, Accepted)
        assert found.checkpoint.value == empty


def test_lines_of_strangers_are_ignored_and_not_kept() -> None:
    cosigned = decode_note(note(head(7), STRANGER, LOG))
    line = WITNESS.sign(cosigned.text, time_s=1)
    signed = replace(cosigned, signatures=(*cosigned.signatures, line, cosigned.signatures[1])).encode()
    found = decide(asked(0, 7, signed=signed), KEYS, None)
    assert isinstance(found, Accepted)
    assert found.note.encode() == note(head(7), LOG)


def test_any_key_of_the_log_may_have_signed_and_all_that_did_are_kept() -> None:
    both = (LOG.verifier, NEXT.verifier)
    for signers in ((LOG,), (NEXT,), (LOG, NEXT)):
        found = decide(asked(0, 7, signed=note(head(7), *signers)), both, None)
        assert isinstance(found, Accepted)
        assert len(found.note.signatures) == len(signers)


def test_an_unknown_log_is_refused_with_404() -> None:
    found = decide(asked(0, 7), (), None)
    assert found == Refused(refusal=Refusal.UNKNOWN_ORIGIN, known_size=0)


def test_a_checkpoint_that_no_key_of_the_log_signed_is_refused_with_403() -> None:
    assert refusal(asked(0, 7, signed=note(head(7), NEXT)), None) == (Refusal.SIGNATURE, None)
    assert refusal(asked(0, 7, signed=note(head(7), STRANGER)), None) == (Refusal.SIGNATURE, None)


def test_one_failing_signature_of_a_trusted_key_refuses_with_403_what_another_signed() -> None:
    wrong = LOG.sign(encode_body(head(8)))
    whole = decode_note(note(head(7), NEXT))
    signed = replace(whole, signatures=(*whole.signatures, wrong)).encode()
    assert isinstance(decide(asked(0, 7, signed=signed), (NEXT.verifier,), None), Accepted)
    found = decide(asked(0, 7, signed=signed), (LOG.verifier, NEXT.verifier), None)
    assert isinstance(found, Refused)
    assert found.refusal is Refusal.SIGNATURE


def test_an_old_size_above_the_checkpoint_is_refused_with_400() -> None:
    assert refusal(asked(8, 7), head(8)) == (Refusal.OLD_SIZE, None)
    assert refusal(asked(8, 7), None) == (Refusal.OLD_SIZE, None)


@pytest.mark.parametrize(("old", "known"), [(0, 5), (4, 5), (6, 5), (7, None), (7, 23)])
def test_another_old_size_than_that_cosigned_last_is_refused_with_409_and_the_size(old: int, known: int | None) -> None:
    found = decide(asked(old, 7), KEYS, None if known is None else head(known))
    assert found == Refused(refusal=Refusal.STALE, known_size=known or 0)


def test_a_proof_that_does_not_lead_there_is_refused_with_422() -> None:
    right = list(consistency_path(TREE.read, 7, 23))
    assert isinstance(decide(asked(7, 23, proof=right), KEYS, head(7)), Accepted)
    for wrong in ([], right[:-1], [*right, bytes(32)], [bytes(32), *right[1:]]):
        assert refusal(asked(7, 23, proof=wrong), head(7)) == (Refusal.PROOF, Finding.UNPROVEN)


def test_a_fork_that_grew_is_refused_with_422_whatever_it_proves() -> None:
    assert refusal(asked(7, 23, tree=OTHER), head(7)) == (Refusal.PROOF, Finding.UNPROVEN)


@pytest.mark.parametrize(("size", "known"), [(7, None), (7, 0)])
def test_a_proof_from_nothing_is_refused_with_422(size: int, known: int | None) -> None:
    request = asked(0, size, proof=[bytes(32)])
    assert refusal(request, None if known is None else head(known)) == (Refusal.PROOF, None)


def test_a_proof_between_equal_sizes_is_refused_with_422() -> None:
    assert refusal(asked(7, 7, proof=[bytes(32)]), head(7)) == (Refusal.PROOF, None)


def test_another_root_at_the_size_cosigned_last_is_refused_with_409_and_is_evidence() -> None:
    request = asked(7, 7, tree=OTHER)
    found = decide(request, KEYS, head(7))
    assert isinstance(found, Refused)
    assert (found.refusal, found.finding) == (Refusal.OTHER_ROOT, Finding.CONFLICT)
    assert found.note is not None
    assert found.note.encode() == note(head(7, OTHER), LOG)


@pytest.mark.parametrize(
    ("old", "proof", "why"),
    [(0, [], Refusal.STALE), (5, [], Refusal.STALE), (8, [], Refusal.OLD_SIZE), (7, [bytes(32)], Refusal.PROOF)],
)
def test_two_roots_at_one_size_are_evidence_whatever_else_is_wrong(old: int, proof: list[bytes], why: Refusal) -> None:
    assert refusal(asked(old, 7, proof=proof, tree=OTHER), head(7)) == (why, Finding.CONFLICT)


def test_what_the_log_did_not_sign_is_no_evidence() -> None:
    request = asked(7, 7, signed=note(head(7, OTHER), STRANGER))
    assert refusal(request, head(7)) == (Refusal.SIGNATURE, None)


def test_the_checks_stand_in_the_order_of_the_specification() -> None:
    """A request with every fault, mended one by one."""
    strange = asked(8, 7, proof=[bytes(32)], signed=note(head(7, OTHER), STRANGER))
    signed = asked(8, 7, proof=[bytes(32)], tree=OTHER)
    lower = asked(5, 7, proof=[bytes(32)], tree=OTHER)
    right = asked(7, 7, proof=[bytes(32)], tree=OTHER)
    bare = asked(7, 7, tree=OTHER)
    assert decide(strange, (), head(7)).refusal is Refusal.UNKNOWN_ORIGIN  # type: ignore[union-attr]  # all are refused
    found = [refusal(request, head(7))[0] for request in (strange, signed, lower, right, bare)]
    assert found == [Refusal.SIGNATURE, Refusal.OLD_SIZE, Refusal.STALE, Refusal.PROOF, Refusal.OTHER_ROOT]
    assert [refused.status for refused in found] == [403, 400, 409, 422, 409]
    assert isinstance(decide(asked(7, 7), KEYS, head(7)), Accepted)


def test_two_keys_that_nobody_could_tell_apart_are_a_fault_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("amanah_protocol.log.note_keys.sha256", lambda _: bytes(32))
    with refused(Code.USAGE, UsageError):
        decide(asked(0, 7), (LOG.verifier, NEXT.verifier), None)


@given(data=st.data())
def test_whatever_is_asked_no_two_accepted_checkpoints_disagree(data: st.DataObject) -> None:
    known: Checkpoint | None = None
    accepted: list[Checkpoint] = []
    for _ in range(8):
        tree = data.draw(st.sampled_from([TREE, OTHER]))
        new = data.draw(st.integers(1, 40))
        old = data.draw(st.sampled_from([0, known.size if known else 0, min(new, 3)]))
        found = decide(asked(old, new, tree=tree), KEYS, known)
        if isinstance(found, Accepted):
            known = found.checkpoint.value
            accepted.append(known)
    assert [c.size for c in accepted] == sorted(c.size for c in accepted)
    assert all(c == head(c.size, TREE) for c in accepted) or all(c == head(c.size, OTHER) for c in accepted)


def test_the_log_needs_no_key_of_its_own_name() -> None:
    named = NoteSigner(name="key-2026", key=SigningKey.from_seed(b"k" * 32))
    found = decide(asked(0, 7, signed=note(head(7), named)), (named.verifier,), None)
    assert isinstance(found, Accepted)
    assert sign_checkpoint(head(7), LOG) == note(head(7), LOG)
