from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.checkpoint import (
    MAX_ORIGIN_BYTES,
    Checkpoint,
    cosign_checkpoint,
    decode_body,
    decode_checkpoint,
    encode_body,
    sign_checkpoint,
    verify_checkpoint,
)
from amanah_protocol.log.merkle import EMPTY_ROOT, MAX_TREE_SIZE
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType, verify_note
from tests.protocol.log import published

ORIGIN = "log.example/incidents"
ROOT = bytes(range(32))
LOG = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(ROOT))
OTHER = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(bytes(32)))
WITNESS = NoteSigner(name="witness.example", key=SigningKey.from_seed(b"w" * 32), kind=SignatureType.COSIGNATURE)
HEAD = Checkpoint(origin=ORIGIN, size=5, root=ROOT)
BODY = encode_body(HEAD)
SIGNED = sign_checkpoint(HEAD, LOG)


def refusal(data: bytes, vkey: str = LOG.verifier.vkey, origin: str = ORIGIN) -> Code:
    assert verify_checkpoint(SIGNED, LOG.verifier.vkey, ORIGIN).value == HEAD
    with pytest.raises(VerifyError) as caught:
        verify_checkpoint(data, vkey, origin)
    return caught.value.code


def test_the_body_is_three_lines() -> None:
    assert f"{ORIGIN}\n5\n{base64.b64encode(ROOT).decode()}\n" == BODY
    assert decode_body(BODY) == HEAD


def test_the_example_of_the_specification_decodes() -> None:
    head = decode_body("example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n")
    assert (head.origin, head.size, head.root[:4].hex()) == ("example.com/behind-the-sofa", 20852163, "0ac5186a")


heads = st.builds(
    Checkpoint,
    origin=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60),
    size=st.integers(1, MAX_TREE_SIZE),
    root=st.binary(min_size=32, max_size=32),
)


@given(heads)
def test_every_checkpoint_is_read_back(head: Checkpoint) -> None:
    assert decode_body(encode_body(head)) == head


def test_a_published_checkpoint_verifies() -> None:
    head = verify_checkpoint(published.CHECKPOINT.encode(), published.LOG_VKEY, published.ORIGIN).value
    assert (head.origin, head.size) == (published.ORIGIN, 1_432_088_532)
    assert encode_body(head) == published.CHECKPOINT.partition("\n\n")[0] + "\n"


def test_the_head_of_an_empty_log_has_the_root_of_the_empty_tree() -> None:
    head = Checkpoint(origin=ORIGIN, size=0, root=EMPTY_ROOT)
    assert verify_checkpoint(sign_checkpoint(head, LOG), LOG.verifier, ORIGIN).value == head
    with pytest.raises(UsageError) as caught:
        replace(head, root=ROOT)
    assert caught.value.code is Code.MALFORMED


@pytest.mark.parametrize(
    "changed",
    [
        {"origin": ""},
        {"origin": "two\nlines"},
        {"origin": "escape\x1b"},
        {"origin": "escape\x9b"},
        {"origin": "lone\ud800"},
        {"origin": "é" * (MAX_ORIGIN_BYTES // 2 + 1)},
        {"size": -1},
        {"size": MAX_TREE_SIZE + 1},
        {"root": ROOT[1:]},
        {"root": ROOT + b"\x00"},
    ],
)
def test_no_checkpoint_is_made_of_values_out_of_range(changed: dict[str, str | int | bytes]) -> None:
    assert replace(HEAD, origin="é" * (MAX_ORIGIN_BYTES // 2), size=MAX_TREE_SIZE).root == ROOT
    with pytest.raises(UsageError) as caught:
        replace(HEAD, **changed)  # type: ignore[arg-type]  # each value has the type of its field
    assert caught.value.code is Code.MALFORMED


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (BODY + "extension\n", Code.MALFORMED),
        (BODY + "extension", Code.MALFORMED),
        (BODY + "\n", Code.MALFORMED),
        (BODY[:-1], Code.MALFORMED),
        (BODY.replace("\n5\n", "\n"), Code.MALFORMED),
        (BODY.replace("\n5\n", "\n05\n"), Code.MALFORMED),
        (BODY.replace("\n5\n", "\n-5\n"), Code.MALFORMED),
        (BODY.replace("\n5\n", "\n0\n"), Code.MALFORMED),
        (BODY.replace("\n5\n", "\n\n"), Code.MALFORMED),
        (BODY.replace(ORIGIN, ""), Code.MALFORMED),
        (BODY.replace("AAEC", "AAE"), Code.MALFORMED),
        (BODY.replace("AAEC", ""), Code.MALFORMED),
        (BODY.replace("Hh8=", "Hh9="), Code.NOT_CANONICAL),
        ("", Code.MALFORMED),
    ],
)
def test_a_body_that_is_changed_in_one_place_is_refused(body: str, code: Code) -> None:
    assert body != BODY
    with pytest.raises(DecodeError) as caught:
        decode_body(body)
    assert caught.value.code is code


def test_a_checkpoint_decodes_without_a_key_for_choosing_one() -> None:
    assert decode_checkpoint(SIGNED) == (HEAD, decode_note(SIGNED))
    with pytest.raises(DecodeError):
        decode_checkpoint(SIGNED.replace(b"\n5\n", b"\n05\n"))


def test_a_checkpoint_signed_by_another_key_of_the_same_name_is_refused() -> None:
    forged = sign_checkpoint(HEAD, OTHER)
    assert refusal(forged) is Code.CHECKPOINT
    # with the key id of the log's key, which anybody can write there
    (line,) = decode_note(forged).signatures
    claimed = replace(line, key_id=LOG.verifier.key_id)
    assert refusal(Note(text=BODY, signatures=(claimed,)).encode()) is Code.CHECKPOINT


@pytest.mark.parametrize(("old", "new"), [(ORIGIN, "log.example/incidentz"), ("\n5\n", "\n6\n"), ("AAEC", "BAEC")])
def test_a_checkpoint_changed_after_signing_is_refused(old: str, new: str) -> None:
    changed = replace(decode_note(SIGNED), text=BODY.replace(old, new)).encode()
    assert decode_checkpoint(changed)[0] != HEAD
    assert refusal(changed) is Code.CHECKPOINT


def test_a_checkpoint_of_another_log_of_the_same_key_is_refused() -> None:
    text = encode_body(replace(HEAD, origin="log.example/other"))
    assert refusal(Note(text=text, signatures=(LOG.sign(text),)).encode()) is Code.CHECKPOINT
    assert refusal(SIGNED, origin="log.example/other") is Code.CHECKPOINT


def test_a_checkpoint_with_the_signature_of_an_older_one_is_refused() -> None:
    newer = replace(HEAD, size=6)
    (line,) = decode_note(SIGNED).signatures
    assert refusal(Note(text=encode_body(newer), signatures=(line,)).encode()) is Code.CHECKPOINT


def test_a_log_signs_only_under_its_own_name_and_not_with_a_witness_key() -> None:
    with pytest.raises(UsageError) as caught:
        sign_checkpoint(replace(HEAD, origin="log.example/other"), LOG)
    assert caught.value.code is Code.USAGE
    witness = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(ROOT), kind=SignatureType.COSIGNATURE)
    with pytest.raises(UsageError) as caught:
        sign_checkpoint(HEAD, witness)
    assert caught.value.code is Code.USAGE


def test_a_witness_cosigns_and_the_log_still_verifies() -> None:
    verified = verify_checkpoint(SIGNED, LOG.verifier, ORIGIN)
    line = cosign_checkpoint(verified, WITNESS, time_s=1_700_000_000)
    note = decode_note(SIGNED)
    cosigned = replace(note, signatures=(*note.signatures, line))
    assert verify_checkpoint(cosigned.encode(), LOG.verifier, ORIGIN).value == HEAD
    found = verify_note(cosigned, [LOG.verifier, WITNESS.verifier])
    assert {(known.verifier.name, known.time_s) for known in found} == {(ORIGIN, 0), ("witness.example", 1_700_000_000)}
    with pytest.raises(UsageError) as caught:
        cosign_checkpoint(verified, LOG, time_s=1_700_000_000)
    assert caught.value.code is Code.USAGE


def test_a_cosignature_alone_is_not_the_signature_of_the_log() -> None:
    line = cosign_checkpoint(verify_checkpoint(SIGNED, LOG.verifier, ORIGIN), WITNESS, time_s=1)
    assert refusal(Note(text=BODY, signatures=(line,)).encode()) is Code.CHECKPOINT
