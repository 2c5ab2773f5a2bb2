"""Attack 42, witness forgery and short quorum: at whoever counts cosignatures, and at the witness itself.

Three witnesses watch a log, and two of them must have cosigned. The verifier is that of a policy, the
witness the one that serves, on its memory on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from amanah_client.mldsa import MlDsaKey
from amanah_client.witness.state import State
from amanah_client.witness.witness import Answer
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.log.note import Note, NoteSignature, decode_note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.policy import Policy, Witnessed, decode_policy
from amanah_protocol.log.witnessing import encode_request
from tests.adversary.outcomes import control, defended
from tests.client.witness.logs import FOREIGN, LOG, NOW_S, ORIGIN, TWIN, WITNESS, witness
from tests.protocol.refusal import refused


def cosigner(name: str, seed: str = "") -> NoteSigner:
    """A witness's key of Ed25519."""
    key = SigningKey.from_seed((seed or name).encode().ljust(32, b"."))
    return NoteSigner(name=f"{name}.example", key=key, kind=SignatureType.COSIGNATURE)


A: Final = cosigner("a")
B: Final = cosigner("b")
C: Final = NoteSigner(name="c.example", key=MlDsaKey(b"c" * 32), kind=SignatureType.ML_DSA_44)
STRANGER: Final = cosigner("stranger")
LOG_LINE: Final = f"log {LOG.signer.verifier.vkey}\n"
TWO_OF_THREE: Final = LOG_LINE + "".join(
    (
        *(f"witness {signer.name} {signer.verifier.vkey}\n" for signer in (A, B, C)),
        "group two 2 a.example b.example c.example\nquorum two\n",
    )
)
TEXT: Final = decode_note(LOG.note(7)).text
"""The newest checkpoint; the one before it has 5 leaves."""


def policy(text: str = TWO_OF_THREE) -> Policy:
    return decode_policy(text.encode())


def line(signer: NoteSigner, *, text: str = TEXT, time_s: int = NOW_S) -> NoteSignature:
    return signer.sign(text, time_s=time_s)


def with_lines(*lines: NoteSignature) -> bytes:
    """The newest checkpoint, signed by its log, with these lines beneath."""
    signed = decode_note(LOG.note(7))
    return Note(text=signed.text, signatures=(*signed.signatures, *lines)).encode()


def forged(signer: NoteSigner) -> NoteSignature:
    """A line under the name and key id of a witness, made without its key."""
    length = 2_420 if signer is C else 64
    stamp = NOW_S.to_bytes(8, "big")
    return NoteSignature(name=signer.name, key_id=signer.verifier.key_id, signature=stamp + b"\x01" * length)


def timeless(signer: NoteSigner) -> NoteSignature:
    """A line of a witness without a time, as it is made for a part of a log (C2SP tlog-cosignature)."""
    if signer is C:
        return signer.sign(TEXT, time_s=0)
    plain = NoteSigner(name=signer.name, key=SigningKey.from_seed(b"a" + b"." * 31))
    signature = plain.sign(f"cosignature/v1\ntime 0\n{TEXT}").signature
    return NoteSignature(name=signer.name, key_id=signer.verifier.key_id, signature=bytes(8) + signature)


# ---- whoever counts cosignatures


@defended(42)
@pytest.mark.parametrize("signers", [(A, B), (A, C), (B, C), (A, B, C), (A, B, STRANGER)])
def test_two_of_the_three_witnesses_are_enough(signers: Sequence[NoteSigner]) -> None:
    found = policy().verify_note(with_lines(*map(line, signers)))
    assert isinstance(found, Witnessed)
    assert {name for name, _ in found.cosignatures} == {signer.name for signer in signers} - {STRANGER.name}
    assert {time_s for _, time_s in found.cosignatures} == {NOW_S}


SHORT: Final = {
    "none": (),
    "q-1": (line(A),),
    "an unknown witness": (line(A), line(STRANGER)),
    "a known name with another key": (line(A), line(cosigner("b", seed="not b"))),
    "the same line twice": (line(A), line(A)),
    "two lines of one witness": (line(A), line(A, time_s=NOW_S + 1)),
    "one witness under two names": (line(A), line(cosigner("a2", seed="a"))),
}


@defended(42)
@pytest.mark.parametrize("name", SHORT)
def test_a_short_quorum_is_refused(name: str) -> None:
    with refused(Code.THRESHOLD, VerifyError):
        policy().verify_note(with_lines(*SHORT[name]))


@control(42, "the quorum of witnesses")
@pytest.mark.parametrize("name", SHORT)
def test_without_the_quorum_it_is_taken(name: str) -> None:
    policy().verify_note(with_lines(*SHORT[name]))


OLD: Final = decode_note(LOG.note(5)).text
FALSE: Final = {
    "forged, of Ed25519": (line(A), forged(B)),
    "forged, of ML-DSA-44": (line(A), forged(C)),
    "an old cosignature of Ed25519, put beneath a newer checkpoint": (line(A), line(B, text=OLD)),
    "an old cosignature of ML-DSA-44, put beneath a newer checkpoint": (line(A), line(C, text=OLD)),
    "another time than was signed": (line(A), replace(line(B), signature=bytes(7) + b"\x09" + line(B).signature[8:])),
}


@defended(42)
@pytest.mark.parametrize("name", FALSE)
def test_a_false_line_of_a_known_witness_spoils_the_whole(name: str) -> None:
    with refused(Code.SIGNATURE, VerifyError):
        policy().verify_note(with_lines(*FALSE[name]))
    # Also where enough others have cosigned: it would be passed on with the line in it.
    with refused(Code.SIGNATURE, VerifyError):
        policy().verify_note(with_lines(*FALSE[name], *map(line, (A, B, C))))


@control(42, "cosignatures are verified")
@pytest.mark.parametrize("name", FALSE)
def test_without_verifying_it_fills_the_quorum(name: str) -> None:
    assert len(policy().verify_note(with_lines(*FALSE[name])).cosignatures) == 2


@defended(42)
def test_a_cosignature_of_ed25519_without_a_time_spoils_the_whole() -> None:
    with refused(Code.SIGNATURE, VerifyError):
        policy().verify_note(with_lines(line(B), timeless(A)))


@defended(42)
def test_a_cosignature_of_ml_dsa_without_a_time_is_not_counted() -> None:
    with refused(Code.THRESHOLD, VerifyError):
        policy().verify_note(with_lines(line(A), timeless(C)))


@control(42, "cosignatures say when")
@pytest.mark.parametrize("lines", [(line(B), timeless(A)), (line(A), timeless(C))])
def test_without_asking_when_it_fills_the_quorum(lines: Sequence[NoteSignature]) -> None:
    assert 0 in {time_s for _, time_s in policy().verify_note(with_lines(*lines)).cosignatures}


@defended(42)
def test_how_old_a_cosignature_is_stands_beside_it() -> None:
    found = policy().verify_note(with_lines(line(A, time_s=5), line(B)))
    assert dict(found.cosignatures) == {A.name: 5, B.name: NOW_S}


TWICE: Final = (
    LOG_LINE
    + f"witness a {A.verifier.vkey}\nwitness again {cosigner('a2', seed='a').verifier.vkey}\n"
    + "group two all a again\nquorum two\n"
)
IN_TWO_GROUPS: Final = (
    LOG_LINE + f"witness a {A.verifier.vkey}\ngroup g 1 a\ngroup h 1 a\ngroup two all g h\nquorum two\n"
)


@defended(42)
@pytest.mark.parametrize("text", [TWICE, IN_TWO_GROUPS])
def test_a_policy_in_which_one_witness_would_count_twice_is_refused(text: str) -> None:
    with refused(Code.CONFIG, UsageError):
        policy(text)


@control(42, "a witness's key stands once in a policy")
def test_without_looking_at_keys_one_witness_fills_a_quorum_under_two_names() -> None:
    policy(TWICE).verify_note(with_lines(line(A), line(cosigner("a2", seed="a"))))


@control(42, "a witness counts in one group")
def test_without_looking_at_members_one_witness_fills_a_quorum_in_two_groups() -> None:
    policy(IN_TWO_GROUPS).verify_note(with_lines(line(A)))


# ---- the witness


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """The memory of a witness that has cosigned 7 leaves of the log."""
    with closing(State.create(tmp_path / "witness.db", (WITNESS.verifier,))) as made:
        made.add_log(ORIGIN, LOG.signer.verifier)
        assert witness(made).add_checkpoint(LOG.request(0, 7)).status == 200
        yield made


def unsigned(size: int) -> bytes:
    """The honest tree, under a line that the log's key has not made."""
    signed = decode_note(LOG.note(size))
    without = replace(signed.signatures[0], signature=b"\x01" * 64)
    return encode_request(7, (), Note(text=signed.text, signatures=(without,)).encode())


ASKED: Final = {
    "403": (unsigned(7), Answer(status=403, body=b"")),
    "404": (FOREIGN.request(0, 7), Answer(status=404, body=b"")),
    "409 with the size, from the begin": (TWIN.request(0, 23), Answer(status=409, body=b"7\n")),
    "409 with the size, from a size that was never cosigned": (LOG.request(5, 23), Answer(status=409, body=b"7\n")),
    "409 for another root": (TWIN.request(7, 7), Answer(status=409, body=b"")),
    "422": (TWIN.request(7, 23), Answer(status=422, body=b"")),
    "400": (LOG.request(8, 7), Answer(status=400, body=b"")),
}


@defended(42)
@pytest.mark.parametrize("name", ASKED)
def test_a_witness_cosigns_nothing_but_what_continues_the_log(state: State, name: str) -> None:
    body, expected = ASKED[name]
    before = state.logs()[0].newest
    answer = witness(state).add_checkpoint(body)
    assert answer.status == expected.status
    assert not expected.body or answer.body == expected.body
    assert state.logs()[0].newest == before
    assert witness(state).add_checkpoint(LOG.request(7, 23)).status == 200


@control(42, "a log's own signature")
def test_without_the_logs_signature_anybody_has_a_tree_cosigned(state: State) -> None:
    assert witness(state).add_checkpoint(unsigned(7)).status == 200


@control(42, "witnesses know the old size")
def test_without_the_old_size_a_second_history_is_cosigned_from_its_begin(state: State) -> None:
    assert witness(state).add_checkpoint(TWIN.request(0, 23)).status == 200


@control(42, "witnesses ask for a proof")
def test_without_a_proof_a_second_history_is_cosigned_as_it_grows(state: State) -> None:
    assert witness(state).add_checkpoint(TWIN.request(7, 23)).status == 200


@control(42, "witnesses cosign one root at a size")
def test_without_a_look_at_the_root_a_second_history_is_cosigned_at_one_size(state: State) -> None:
    assert witness(state).add_checkpoint(TWIN.request(7, 7)).status == 200
