from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from amanah_client.mldsa import MlDsaKey
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.checkpoint import (
    Checkpoint,
    cosign_checkpoint,
    encode_body,
    sign_checkpoint,
    verify_checkpoint,
)
from amanah_protocol.log.cosigned import cosigned_message
from amanah_protocol.log.mldsa import mldsa44_public, verify_mldsa44
from amanah_protocol.log.note import MAX_NOTE_BYTES, MAX_NOTE_SIGNATURES, Note, decode_note
from amanah_protocol.log.note_keys import (
    KnownSignature,
    NoteSigner,
    NoteVerifier,
    SignatureType,
    decode_skey,
    decode_vkey,
    encode_skey,
    verify_note,
)
from tests.protocol.log import published

ORIGIN = "log.example/incidents"
HEAD = Checkpoint(origin=ORIGIN, size=5, root=bytes(range(32)))
TEXT = encode_body(HEAD)
TIME_S = 1_700_000_000
SEED = bytes(range(32))
KEY = MlDsaKey(SEED)
LOG = NoteSigner(name=ORIGIN, key=SigningKey.from_seed(SEED))
WITNESS = NoteSigner(name="witness.example", key=KEY, kind=SignatureType.ML_DSA_44)
LINE = WITNESS.sign(TEXT, time_s=TIME_S)


def message(name: str = "witness.example", time_s: int = TIME_S) -> bytes:
    """The message of the specification, put together without ours."""
    return b"".join((
        b"subtree/v1\x0a\x00",
        bytes([len(name)]), name.encode(),
        time_s.to_bytes(8, "big"),
        bytes([len(ORIGIN)]), ORIGIN.encode(),
        bytes(8), (5).to_bytes(8, "big"), bytes(range(32)),
    ))  # fmt: skip


def refused(note: Note, verifier: NoteVerifier = WITNESS.verifier) -> bool:
    with pytest.raises(VerifyError) as caught:
        verify_note(note, [verifier])
    return caught.value.code is Code.SIGNATURE


def test_a_checkpoint_that_another_implementation_signed_verifies() -> None:
    verifier = decode_vkey(published.MLDSA_VKEY)
    assert verifier.vkey == published.MLDSA_VKEY
    data = published.MLDSA_CHECKPOINT.encode()
    assert verify_checkpoint(data, verifier, published.MLDSA_ORIGIN).value.size == 1
    note = decode_note(data)
    assert verify_note(note, [verifier]) == (KnownSignature(verifier=verifier, time_s=0),)
    assert refused(replace(note, text=note.text.replace("\n1\n", "\n2\n")), verifier)


def test_a_cosignature_signs_the_message_of_the_specification() -> None:
    assert LINE.signature[:8] == TIME_S.to_bytes(8, "big")
    assert len(LINE.signature) == 8 + 2_420
    verify_mldsa44(KEY.public, LINE.signature[8:], message())
    note = Note(text=TEXT, signatures=(LINE,))
    assert verify_note(note, [WITNESS.verifier]) == (KnownSignature(verifier=WITNESS.verifier, time_s=TIME_S),)


def test_a_cosignature_that_the_specification_allows_is_taken_wherever_it_was_made() -> None:
    made = replace(LINE, signature=TIME_S.to_bytes(8, "big") + KEY.sign(message()))
    assert made != LINE
    assert verify_note(Note(text=TEXT, signatures=(made,)), [WITNESS.verifier])


@pytest.mark.parametrize("at", [0, 7, 8, 1_000, 2_427])
def test_a_cosignature_that_is_changed_in_one_place_is_refused(at: int) -> None:
    data = bytearray(LINE.signature)
    data[at] ^= 1
    assert refused(Note(text=TEXT, signatures=(replace(LINE, signature=bytes(data)),)))


@pytest.mark.parametrize("length", [1, 8, 72, 2_427, 2_429])
def test_a_cosignature_of_another_length_is_refused(length: int) -> None:
    cut = replace(LINE, signature=(LINE.signature + b"\x00")[:length])
    assert refused(Note(text=TEXT, signatures=(cut,)))


@pytest.mark.parametrize(("old", "new"), [(ORIGIN, "log.example/incidentz"), ("\n5\n", "\n6\n"), ("AAEC", "BAEC")])
def test_a_cosignature_of_another_checkpoint_is_refused(old: str, new: str) -> None:
    assert refused(Note(text=TEXT.replace(old, new), signatures=(LINE,)))


def test_a_cosignature_binds_the_name_of_its_cosigner() -> None:
    """With Ed25519 (0x04) a signature moves to another name of the same key; here it must not."""
    other = NoteSigner(name="other.example", key=KEY, kind=SignatureType.ML_DSA_44)
    moved = replace(LINE, name="other.example", key_id=other.verifier.key_id)
    assert refused(Note(text=TEXT, signatures=(moved,)), other.verifier)
    own, renamed = (NoteSigner(name=name, key=SigningKey(SEED), kind=SignatureType.COSIGNATURE) for name in ("a", "b"))
    line = replace(own.sign(TEXT, time_s=1), name="b", key_id=renamed.verifier.key_id)
    assert verify_note(Note(text=TEXT, signatures=(line,)), [renamed.verifier])


def test_extension_lines_which_no_cosignature_covers_are_refused_with_the_note() -> None:
    assert refused(Note(text=TEXT + "extension\n", signatures=(LINE,)))
    with pytest.raises(UsageError) as caught:
        WITNESS.sign(TEXT + "extension\n", time_s=TIME_S)
    assert caught.value.code is Code.MALFORMED
    with pytest.raises(UsageError) as caught:
        WITNESS.sign(f"{'é' * 128}\n5\n{TEXT.splitlines()[2]}\n", time_s=TIME_S)
    assert caught.value.code is Code.MALFORMED


def test_a_cosignature_without_a_time_verifies_and_says_so() -> None:
    """A log signs that way; whoever counts witnesses must not count it (attack 42)."""
    line = WITNESS.sign(TEXT)
    assert verify_note(Note(text=TEXT, signatures=(line,)), [WITNESS.verifier])[0].time_s == 0
    verified = verify_checkpoint(sign_checkpoint(HEAD, LOG), LOG.verifier, ORIGIN)
    assert cosign_checkpoint(verified, WITNESS, time_s=1).signature[:8] == (1).to_bytes(8, "big")
    with pytest.raises(UsageError) as caught:
        cosign_checkpoint(verified, WITNESS, time_s=0)
    assert caught.value.code is Code.USAGE


@pytest.mark.parametrize("time_s", [-1, 2**63])
def test_a_time_of_more_than_63_bits_is_neither_signed_nor_taken(time_s: int) -> None:
    assert WITNESS.sign(TEXT, time_s=2**63 - 1).signature[:8] == (2**63 - 1).to_bytes(8, "big")
    with pytest.raises(UsageError) as caught:
        WITNESS.sign(TEXT, time_s=time_s)
    assert caught.value.code is Code.MALFORMED
    signature = (time_s % 2**64).to_bytes(8, "big") + KEY.sign(message(time_s=time_s % 2**64))
    assert refused(Note(text=TEXT, signatures=(replace(LINE, signature=signature),)))


def test_a_key_id_is_made_of_name_type_and_key() -> None:
    assert LINE.key_id == hashlib.sha256(b"witness.example\n\x06" + KEY.public).digest()[:4]


def test_keys_are_read_back_from_their_text() -> None:
    skey = encode_skey("witness.example", SEED, SignatureType.ML_DSA_44)
    signer = decode_skey(skey, mldsa=MlDsaKey)
    assert signer.verifier == WITNESS.verifier
    assert decode_vkey(signer.verifier.vkey) == WITNESS.verifier
    assert verify_note(Note(text=TEXT, signatures=(signer.sign(TEXT, time_s=1),)), [WITNESS.verifier])
    assert SEED.hex() not in repr(signer)
    with pytest.raises(DecodeError) as caught:
        decode_skey(skey)
    assert caught.value.code is Code.BAD_TYPE
    with pytest.raises(UsageError) as seed:
        encode_skey("witness.example", SEED[1:], SignatureType.ML_DSA_44)
    assert seed.value.code is Code.BAD_TYPE


@pytest.mark.parametrize("length", [0, 32, 1_311, 1_313])
def test_no_verifier_is_made_of_a_key_of_another_length(length: int) -> None:
    with pytest.raises(UsageError) as caught:
        NoteVerifier(name="a", public=bytes(length), kind=SignatureType.ML_DSA_44)
    assert caught.value.code is Code.MALFORMED
    with pytest.raises(VerifyError) as refusal:
        verify_mldsa44(bytes(length), LINE.signature[8:], message())
    assert refusal.value.code is Code.SIGNATURE


def test_a_key_signs_as_its_own_type_alone() -> None:
    for key, kind in ((KEY, SignatureType.COSIGNATURE), (SigningKey(SEED), SignatureType.ML_DSA_44)):
        with pytest.raises(UsageError) as caught:
            NoteSigner(name="a", key=key, kind=kind)
        assert caught.value.code is Code.MALFORMED


def test_a_name_that_no_cosigned_message_holds_has_no_such_key() -> None:
    longest = NoteVerifier(name="é" * 127, public=KEY.public, kind=SignatureType.ML_DSA_44)
    assert decode_vkey(longest.vkey) == longest
    with pytest.raises(UsageError) as caught:
        NoteVerifier(name="é" * 128, public=KEY.public, kind=SignatureType.ML_DSA_44)
    assert caught.value.code is Code.MALFORMED


def test_a_note_holds_as_many_cosignatures_as_it_may_have_lines() -> None:
    lines = tuple(replace(LINE, name=f"{number:02}." + "n" * 250) for number in range(MAX_NOTE_SIGNATURES))
    data = Note(text=TEXT, signatures=lines).encode()
    assert len(data) < MAX_NOTE_BYTES
    assert decode_note(data).signatures == lines


@pytest.mark.parametrize(
    "changed",
    [
        {"name": ""}, {"name": "n" * 256}, {"origin": ""}, {"origin": "o" * 256}, {"start": -1}, {"start": 6},
        {"end": 2**63}, {"time_s": -1}, {"time_s": 2**63}, {"root": bytes(31)},
    ],
)  # fmt: skip
def test_no_message_is_made_of_what_the_structure_cannot_hold(changed: dict[str, str | int | bytes]) -> None:
    parts: dict[str, str | int | bytes] = {
        "name": "witness.example", "time_s": TIME_S, "origin": ORIGIN, "start": 0, "end": 5, "root": HEAD.root
    }  # fmt: skip
    assert cosigned_message(**parts) == message()  # type: ignore[arg-type]  # each value has its argument's type
    with pytest.raises(UsageError) as caught:
        cosigned_message(**parts | changed)  # type: ignore[arg-type]  # the same
    assert caught.value.code is Code.MALFORMED


def test_a_part_of_a_log_is_cosigned_without_a_time() -> None:
    parts = {"name": "a", "origin": ORIGIN, "end": 6, "root": HEAD.root}
    assert cosigned_message(start=4, time_s=0, **parts)  # type: ignore[arg-type]  # each value has its argument's type
    with pytest.raises(UsageError) as caught:
        cosigned_message(start=4, time_s=1, **parts)  # type: ignore[arg-type]  # the same
    assert caught.value.code is Code.USAGE


def test_a_seed_is_32_bytes() -> None:
    assert mldsa44_public(SEED) == KEY.public
    for make in (mldsa44_public, MlDsaKey):
        with pytest.raises(UsageError) as caught:
            make(SEED[1:])
        assert caught.value.code is Code.BAD_TYPE
    assert SEED.hex() not in repr(KEY)
