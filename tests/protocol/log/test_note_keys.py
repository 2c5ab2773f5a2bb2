from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from itertools import count

import pytest

from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.note import Note, NoteSignature, decode_note
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

SEED = bytes(range(32))
TEXT = "log.example\n5\nroot\n"
TIME_S = 1_700_000_000


def signer(name: str = "log.example", seed: bytes = SEED, kind: SignatureType = SignatureType.ED25519) -> NoteSigner:
    return NoteSigner(name=name, key=SigningKey.from_seed(seed), kind=kind)


LOG = signer()
WITNESS = signer("witness.example", bytes(32), SignatureType.COSIGNATURE)


def refusal(note: Note, *verifiers: NoteVerifier) -> Code:
    with pytest.raises(VerifyError) as caught:
        verify_note(note, verifiers)
    return caught.value.code


def damaged(line: NoteSignature, at: int = -1) -> NoteSignature:
    data = bytearray(line.signature)
    data[at] ^= 1
    return replace(line, signature=bytes(data))


@pytest.mark.parametrize(
    ("vkey", "note"), [(published.SPEC_VKEY, published.SPEC_NOTE), (published.GO_VKEY, published.GO_NOTE)]
)
def test_published_notes_verify_and_their_keys_are_written_back(vkey: str, note: str) -> None:
    verifier = decode_vkey(vkey)
    assert verifier.vkey == vkey
    assert verify_note(decode_note(note.encode()), [verifier]) == (KnownSignature(verifier=verifier, time_s=0),)
    changed = note.replace("is", "IS", 1)
    assert refusal(decode_note(changed.encode()), verifier) is Code.SIGNATURE


def test_a_published_note_is_signed_again_to_the_byte() -> None:
    key = decode_skey(published.GO_SKEY)
    text = decode_note(published.GO_NOTE.encode()).text
    assert key.verifier.vkey == published.GO_VKEY
    assert Note(text=text, signatures=(key.sign(text),)).encode() == published.GO_NOTE.encode()


def test_a_public_checkpoint_verifies_with_log_and_witnesses() -> None:
    note = decode_note(published.CHECKPOINT.encode())
    verifiers = [decode_vkey(vkey) for vkey in (published.LOG_VKEY, *published.WITNESS_VKEYS)]
    assert [verifier.vkey for verifier in verifiers] == [published.LOG_VKEY, *published.WITNESS_VKEYS]
    assert {found.verifier: found.time_s for found in verify_note(note, verifiers)} == {
        verifiers[0]: 0,
        **dict.fromkeys(verifiers[1:], published.COSIGNED_AT_S),
    }
    for verifier in verifiers:
        assert refusal(replace(note, text=note.text.replace("1432088532", "1432088533")), verifier) is Code.SIGNATURE


def test_a_key_id_is_made_of_name_type_and_key() -> None:
    digest = hashlib.sha256(b"log.example\n\x01" + LOG.verifier.public).digest()
    assert LOG.verifier.key_id == digest[:4]
    others = (
        replace(LOG.verifier, name="log.examplf"),
        replace(LOG.verifier, kind=SignatureType.COSIGNATURE),
        replace(LOG.verifier, public=bytes(32)),
    )
    assert LOG.verifier.key_id not in {other.key_id for other in others}


@pytest.mark.parametrize("kind", [SignatureType.ED25519, SignatureType.COSIGNATURE])
def test_keys_are_read_back_from_their_text(kind: SignatureType) -> None:
    skey = encode_skey("log.example", SEED, kind)
    key = decode_skey(skey)
    assert (key.name, key.verifier.kind, key.verifier.public) == ("log.example", kind, SigningKey(SEED).public)
    assert decode_vkey(key.verifier.vkey) == key.verifier
    assert skey.split("+")[3] == key.verifier.vkey.split("+")[1]


def test_no_text_of_a_signer_shows_its_seed() -> None:
    skey = encode_skey("log.example", SEED)
    shown = repr(decode_skey(skey))
    assert shown == f"NoteSigner({LOG.verifier.vkey})"
    seed = base64.b64encode(b"\x01" + SEED).decode()
    for wrong in (skey + "A", skey[:-1], skey.replace("log", "lug"), skey[8:], skey + "AAAA", skey.replace("log", "")):
        with pytest.raises(DecodeError) as caught:
            decode_skey(wrong)
        chain = f"{caught.value} {caught.value.__cause__}"
        assert seed[4:-4] not in chain
        assert SEED.hex() not in chain


VKEY = LOG.verifier.vkey
KEY_BASE64 = VKEY.split("+", 2)[2]


@pytest.mark.parametrize(
    ("vkey", "code"),
    [
        ("", Code.BAD_TYPE),
        ("log.example", Code.BAD_TYPE),
        ("log.example+" + LOG.verifier.key_id.hex(), Code.BAD_TYPE),
        (VKEY.replace("log", "lug"), Code.KEY_ID),
        (VKEY.replace("+" + LOG.verifier.key_id.hex(), "+00000000"), Code.KEY_ID),
        (VKEY.replace("+" + LOG.verifier.key_id.hex(), "+" + LOG.verifier.key_id.hex().upper()), Code.KEY_ID),
        (VKEY.replace("+" + LOG.verifier.key_id.hex(), "+"), Code.KEY_ID),
        (VKEY.replace("log.", "log "), Code.MALFORMED),
        (VKEY.removeprefix("log.example"), Code.MALFORMED),
        (VKEY + "\n", Code.MALFORMED),
        (VKEY[:-4], Code.MALFORMED),
        (VKEY + "AAAA", Code.MALFORMED),
        (VKEY[:-1], Code.MALFORMED),
        (VKEY.replace("+A", "+B"), Code.BAD_TYPE),
    ],
)
def test_a_vkey_that_is_changed_in_one_place_is_refused(vkey: str, code: Code) -> None:
    assert decode_vkey(VKEY) == LOG.verifier
    assert vkey != VKEY
    with pytest.raises(DecodeError) as caught:
        decode_vkey(vkey)
    assert caught.value.code is code


@pytest.mark.parametrize("kind", [0x00, 0x02, 0x05, 0x07, 0xFF])
def test_a_key_of_a_type_that_is_not_known_is_refused(kind: int) -> None:
    encoded = base64.b64encode(bytes([kind]) + LOG.verifier.public).decode()
    key_id = hashlib.sha256(b"log.example\n" + bytes([kind]) + LOG.verifier.public).hexdigest()[:8]
    with pytest.raises(DecodeError) as caught:
        decode_vkey(f"log.example+{key_id}+{encoded}")
    assert caught.value.code is Code.BAD_TYPE


def test_a_seed_is_32_bytes() -> None:
    with pytest.raises(UsageError) as caught:
        encode_skey("log.example", bytes(31))
    assert caught.value.code is Code.BAD_TYPE
    short = base64.b64encode(b"\x01" + bytes(31)).decode()
    with pytest.raises(DecodeError) as refused:
        decode_skey(f"PRIVATE+KEY+log.example+00000000+{short}")
    assert refused.value.code is Code.BAD_TYPE


def test_a_private_key_without_its_prefix_is_refused() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_skey(encode_skey("log.example", SEED).removeprefix("PRIVATE+KEY+"))
    assert caught.value.code is Code.MALFORMED


def test_a_private_key_under_another_name_is_refused() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_skey(encode_skey("log.example", SEED).replace("log", "lug"))
    assert caught.value.code is Code.KEY_ID


@pytest.mark.parametrize(
    ("name", "public"), [("", bytes(32)), ("a b", bytes(32)), ("a+b", bytes(32)), ("a", bytes(31))]
)
def test_no_verifier_is_made_of_what_is_no_key(name: str, public: bytes) -> None:
    assert NoteVerifier(name="a", public=bytes(32)).kind is SignatureType.ED25519
    with pytest.raises(UsageError) as caught:
        NoteVerifier(name=name, public=public)
    assert caught.value.code is Code.MALFORMED


def test_a_cosignature_signs_its_time_and_the_text() -> None:
    line = WITNESS.sign(TEXT, time_s=TIME_S)
    message = f"cosignature/v1\ntime {TIME_S}\n{TEXT}".encode()
    assert line.signature == TIME_S.to_bytes(8, "big") + SigningKey(bytes(32)).sign(message)
    note = Note(text=TEXT, signatures=(line,))
    assert verify_note(note, [WITNESS.verifier]) == (KnownSignature(verifier=WITNESS.verifier, time_s=TIME_S),)


@pytest.mark.parametrize("at", [0, 7, 8, 71])
def test_a_cosignature_that_is_changed_in_one_place_is_refused(at: int) -> None:
    line = WITNESS.sign(TEXT, time_s=TIME_S)
    assert refusal(Note(text=TEXT, signatures=(damaged(line, at),)), WITNESS.verifier) is Code.SIGNATURE


@pytest.mark.parametrize("time_s", [0, 2**63, 2**64 - 1])
def test_a_cosignature_of_no_time_is_refused(time_s: int) -> None:
    message = f"cosignature/v1\ntime {time_s}\n{TEXT}".encode()
    signature = time_s.to_bytes(8, "big") + SigningKey(bytes(32)).sign(message)
    line = replace(WITNESS.sign(TEXT, time_s=1), signature=signature)
    assert refusal(Note(text=TEXT, signatures=(line,)), WITNESS.verifier) is Code.SIGNATURE


@pytest.mark.parametrize("length", [1, 8, 64, 71, 73])
def test_a_cosignature_of_another_length_is_refused(length: int) -> None:
    line = WITNESS.sign(TEXT, time_s=TIME_S)
    cut = replace(line, signature=(line.signature + b"\x00")[:length])
    assert refusal(Note(text=TEXT, signatures=(cut,)), WITNESS.verifier) is Code.SIGNATURE


@pytest.mark.parametrize("length", [1, 63, 65])
def test_a_plain_signature_of_another_length_is_refused(length: int) -> None:
    line = LOG.sign(TEXT)
    cut = replace(line, signature=(line.signature + b"\x00")[:length])
    assert refusal(Note(text=TEXT, signatures=(cut,)), LOG.verifier) is Code.SIGNATURE


def test_a_signature_of_one_type_does_not_verify_as_the_other() -> None:
    """The same key and name under both types: the signatures must not be exchangeable."""
    plain, timed = signer("both.example"), signer("both.example", kind=SignatureType.COSIGNATURE)
    signed, cosigned = plain.sign(TEXT), timed.sign(TEXT, time_s=TIME_S)
    for moved in (
        replace(cosigned, key_id=plain.verifier.key_id),
        replace(cosigned, key_id=plain.verifier.key_id, signature=cosigned.signature[8:]),
        replace(signed, key_id=timed.verifier.key_id),
        replace(signed, key_id=timed.verifier.key_id, signature=TIME_S.to_bytes(8, "big") + signed.signature),
    ):
        note = Note(text=TEXT, signatures=(moved,))
        assert refusal(note, plain.verifier, timed.verifier) is Code.SIGNATURE


@pytest.mark.parametrize(("key", "time_s"), [(LOG, 1), (WITNESS, 0), (WITNESS, -1), (WITNESS, 2**63)])
def test_a_time_that_does_not_fit_the_type_is_not_signed(key: NoteSigner, time_s: int) -> None:
    assert WITNESS.sign(TEXT, time_s=2**63 - 1).signature[:8] == (2**63 - 1).to_bytes(8, "big")
    with pytest.raises(UsageError) as caught:
        key.sign(TEXT, time_s=time_s)
    assert caught.value.code is Code.USAGE


def test_a_text_that_no_note_can_have_is_not_signed() -> None:
    with pytest.raises(UsageError) as caught:
        LOG.sign("no newline")
    assert caught.value.code is Code.MALFORMED


def test_unknown_keys_are_ignored_even_with_a_known_name_or_id() -> None:
    good = LOG.sign(TEXT)
    junk = NoteSignature(name="other.example", key_id=bytes(4), signature=b"junk")
    same_name = replace(junk, name="log.example")
    same_id = replace(junk, key_id=good.key_id)
    note = Note(text=TEXT, signatures=(junk, same_name, good, same_id))
    assert verify_note(note, [LOG.verifier]) == (KnownSignature(verifier=LOG.verifier, time_s=0),)


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    note = Note(text=TEXT, signatures=(LOG.sign(TEXT),))
    assert refusal(note, WITNESS.verifier) is Code.SIGNATURE
    assert refusal(note) is Code.SIGNATURE


def test_one_failing_signature_of_a_known_key_spoils_the_note() -> None:
    good, other = LOG.sign(TEXT), WITNESS.sign(TEXT, time_s=TIME_S)
    assert len(verify_note(Note(text=TEXT, signatures=(good, other)), [LOG.verifier, WITNESS.verifier])) == 2
    for lines in ((good, damaged(other)), (damaged(good), other), (good, damaged(good))):
        note = Note(text=TEXT, signatures=lines)
        assert refusal(note, LOG.verifier, WITNESS.verifier) is Code.SIGNATURE


def test_a_key_that_signed_twice_counts_once_with_its_newest_time() -> None:
    times = (TIME_S, TIME_S + 60, TIME_S + 30)
    lines = tuple(WITNESS.sign(TEXT, time_s=time_s) for time_s in times)
    newest = (KnownSignature(verifier=WITNESS.verifier, time_s=TIME_S + 60),)
    assert verify_note(Note(text=TEXT, signatures=lines), [WITNESS.verifier, WITNESS.verifier]) == newest


def test_two_keys_that_share_name_and_id_are_refused() -> None:
    """Key ids have 32 bits: two that are equal are found at once."""
    seen: dict[bytes, NoteVerifier] = {}
    publics = (number.to_bytes(32, "big") for number in count())
    verifiers = (NoteVerifier(name="log.example", public=public) for public in publics)
    first, second = next(
        (seen[verifier.key_id], verifier)
        for verifier in verifiers
        if seen.setdefault(verifier.key_id, verifier) is not verifier
    )
    note = Note(text=TEXT, signatures=(LOG.sign(TEXT),))
    assert len(verify_note(note, [LOG.verifier, first])) == 1
    with pytest.raises(UsageError) as caught:
        verify_note(note, [LOG.verifier, first, second])
    assert caught.value.code is Code.USAGE
