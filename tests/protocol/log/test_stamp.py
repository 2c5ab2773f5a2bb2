"""What an authority is asked and answers, against real tokens of OpenSSL; which bytes a token covers."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.limits import MAX_TOKEN_BYTES
from amanah_protocol.log import stamp
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.stamp import (
    MAX_REPLY_BYTES,
    decode_reply,
    decode_token,
    encode_request,
    find_covered,
    imprint_of,
)
from tests.authority import DAY, Authority, make_authority
from tests.protocol.refusal import refused
from tests.vectors import examples as x

pytest.importorskip("rfc3161_client", reason="the extra `timestamps` is not installed")

NOTE = sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=7, root=bytes(32)), x.LOG_SIGNER)
IMPRINT = imprint_of(NOTE)
NONCE = 2**63 - 5
WITNESS = NoteSigner(name="witness.example", key=x.key("witness"), kind=SignatureType.COSIGNATURE)
MADE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority") / "one")


@pytest.fixture(scope="module")
def reply(authority: Authority) -> bytes:
    return authority.reply(encode_request(IMPRINT, NONCE))


def openssl(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], cwd=folder, check=False, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


@pytest.mark.parametrize("nonce", [1, 127, 128, 2**63 - 1, 2**64 - 1])
def test_a_request_is_what_openssl_reads_as_one(tmp_path: Path, nonce: int) -> None:
    (tmp_path / "query").write_bytes(encode_request(IMPRINT, nonce))
    said = openssl(tmp_path, "ts", "-query", "-in", "query", "-text")
    assert "Hash Algorithm: sha256" in said
    digits = f"{nonce:X}"
    assert f"Nonce: 0x{'0' * (len(digits) % 2)}{digits}\n" in said
    assert "Certificate required: yes" in said
    dumped = "".join(line[11:58].replace("-", " ") for line in said.split("\n") if line.startswith("    00"))
    assert bytes.fromhex(dumped) == IMPRINT


def test_the_answer_to_a_request_is_a_token(authority: Authority, reply: bytes) -> None:
    token = decode_reply(reply, IMPRINT, NONCE)
    assert (token.imprint, token.nonce) == (IMPRINT, NONCE)
    assert token.data in reply
    assert token.begins_ms < token.made_ms < token.ends_ms
    assert [issuer for _, issuer in token.names] == [authority.root.subject]
    assert decode_token(token.data) == token


def test_a_token_is_one_that_openssl_verifies(authority: Authority, reply: bytes, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(decode_reply(reply, IMPRINT, NONCE).data)
    (tmp_path / "root.pem").write_bytes(authority.pem)
    (tmp_path / "note").write_bytes(NOTE)
    verify = ("ts", "-verify", "-in", "token", "-token_in", "-CAfile", "root.pem", "-data", "note")
    assert "Verification: OK" in openssl(tmp_path, *verify)
    (tmp_path / "note").write_bytes(NOTE + b"x")
    assert "Verification: OK" not in openssl(tmp_path, *verify)


def test_the_accuracy_of_an_authority_is_added_to_its_time(authority: Authority, reply: bytes) -> None:
    """OpenSSL was told to name one second; a token made by hand names none."""
    made_ms = int(MADE.timestamp() * 1000)
    assert decode_token(authority.token_at(IMPRINT, MADE)).made_ms == made_ms
    precise = decode_reply(reply, IMPRINT, NONCE)
    assert precise.made_ms % 1000 == 0
    assert b"\x30\x03\x02\x01\x01" in precise.data

    class Accuracy:
        seconds, millis, micros = 2, 3, 1

    assert stamp._accuracy_ms(Accuracy()) == 2004  # noqa: SLF001 - OpenSSL names whole seconds here
    assert stamp._accuracy_ms(None) == 0  # noqa: SLF001 - the same


@pytest.mark.parametrize(
    ("imprint", "nonce", "code"), [(IMPRINT, NONCE + 1, Code.REPLAY), (bytes(32), NONCE, Code.CONTENT_HASH)]
)
def test_the_answer_to_another_request_is_refused(reply: bytes, imprint: bytes, nonce: int, code: Code) -> None:
    with refused(code, VerifyError):
        decode_reply(reply, imprint, nonce)


def test_a_token_by_a_certificate_that_is_not_valid_then_is_refused(tmp_path: Path) -> None:
    one = make_authority(tmp_path / "one")
    now = datetime.now(UTC)
    for begins, ends in ((now - 9 * DAY, now - DAY), (now + DAY, now + 9 * DAY)):
        one.sign_with_new(begins, ends)
        with refused(Code.EXPIRED, VerifyError):
            decode_reply(one.reply(encode_request(IMPRINT, NONCE)), IMPRINT, NONCE)
    one.sign_with_new(now - DAY, now + DAY)
    decode_reply(one.reply(encode_request(IMPRINT, NONCE)), IMPRINT, NONCE)


@pytest.mark.parametrize(
    ("status", "words"), [(2, "rejection"), (1, "granted with changes"), (5, "revoked"), (99, "status 99")]
)
def test_an_answer_that_grants_nothing_says_so(status: int, words: str) -> None:
    with pytest.raises(VerifyError, match=words) as caught:
        decode_reply(bytes((0x30, 5, 0x30, 3, 2, 1, status)), IMPRINT, NONCE)
    assert caught.value.code is Code.PROOF


def test_what_is_no_answer_is_refused(reply: bytes) -> None:
    for data in (b"", b"garbage", reply[:-1], reply + b"\0", b"\x30\x05\x30\x03\x02\x01\x00"):
        with refused(Code.MALFORMED, DecodeError):
            decode_reply(data, IMPRINT, NONCE)
    with refused(Code.TOO_LARGE, DecodeError):
        decode_reply(b"\x30" * (MAX_REPLY_BYTES + 1), IMPRINT, NONCE)


def test_what_is_no_token_is_refused(reply: bytes) -> None:
    for data in (b"", b"garbage", reply):
        with refused(Code.MALFORMED, DecodeError):
            decode_token(data)
    with refused(Code.TOO_LARGE, DecodeError):
        decode_token(bytes(MAX_TOKEN_BYTES + 1))


def test_a_token_without_its_certificate_is_refused(authority: Authority, tmp_path: Path) -> None:
    request = encode_request(IMPRINT, NONCE)
    assert request.endswith(b"\x01\x01\xff")
    bare = request[:1] + bytes((request[1] - 3,)) + request[2:-3]
    with refused(Code.MALFORMED, DecodeError):
        decode_reply(authority.reply(bare), IMPRINT, NONCE)


def test_a_token_over_another_kind_of_hash_is_refused(authority: Authority) -> None:
    sha512 = encode_request(hashlib.sha512(NOTE).digest(), NONCE).replace(
        bytes.fromhex("0609608648016503040201"), bytes.fromhex("0609608648016503040203")
    )
    with refused(Code.MALFORMED, DecodeError):
        decode_reply(authority.reply(sha512), hashlib.sha512(NOTE).digest(), NONCE)


def test_without_the_extra_it_is_named(monkeypatch: pytest.MonkeyPatch, reply: bytes) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(UsageError, match="timestamps") as caught:
        decode_reply(reply, IMPRINT, NONCE)
    assert caught.value.code is Code.CONFIG
    assert "amanah[timestamps]" in caught.value.hint


def test_lengths_are_written_as_der_wants_them() -> None:
    for length, head in ((0, "0400"), (127, "047f"), (128, "048180"), (256, "04820100"), (70_000, "0483011170")):
        assert stamp._der(4, bytes(length)) == bytes.fromhex(head) + bytes(length)  # noqa: SLF001 - no token has them all


def test_whatever_stands_in_a_token_is_refused_by_one_error(authority: Authority) -> None:
    """Names, numbers and times in certificates are read late, and each has errors of its own."""
    token = authority.token_at(IMPRINT, MADE)
    chance = random.Random(7)
    refusals = 0
    for _ in range(2_000):
        changed = bytearray(token)
        for _ in range(chance.choice((1, 1, 2, 4))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            decode_token(bytes(changed))
        except DecodeError:
            refusals += 1
    assert refusals > 500


# ---- what a token covers


def grown(note: bytes, count: int) -> bytes:
    parsed = decode_note(note)
    witnesses = [WITNESS.sign(parsed.text, time_s=time_s) for time_s in range(1, count + 1)]
    return Note(text=parsed.text, signatures=(*parsed.signatures, *witnesses)).encode()


OLDER = (b"one", b"two", b"three", b"four")


def test_a_token_covers_a_note_up_to_the_end_of_any_of_its_lines() -> None:
    whole = grown(NOTE, 3)
    for lines in range(4):
        assert find_covered(imprint_of(grown(NOTE, lines)), whole, OLDER) == ()


@pytest.mark.parametrize("cut", [1, 10, len(NOTE) - 5])
def test_half_a_line_and_a_note_without_a_signature_are_not_covered(cut: int) -> None:
    assert find_covered(imprint_of(NOTE[:cut]), NOTE, ()) is None
    assert find_covered(imprint_of(NOTE + b"\n"), NOTE, ()) is None
    unsigned = NOTE[: NOTE.rindex(b"\n\n") + 2]
    assert find_covered(imprint_of(unsigned), NOTE, ()) is None


def test_a_renewal_covers_a_beginning_of_the_older_tokens() -> None:
    whole = grown(NOTE, 2)
    for note in (NOTE, whole):
        for count in range(5):
            assert find_covered(imprint_of(note, OLDER[:count]), whole, OLDER) == tuple(range(count))


def test_an_addition_covers_the_whole_note_a_beginning_and_all_additions_before_it() -> None:
    assert find_covered(imprint_of(NOTE, (b"one", b"three", b"four")), NOTE, OLDER) == (0, 2, 3)
    assert find_covered(imprint_of(NOTE, (b"two", b"three", b"four")), NOTE, OLDER) == (1, 2, 3)
    assert find_covered(imprint_of(NOTE, (b"one", b"two", b"four")), NOTE, OLDER) == (0, 1, 3)
    assert find_covered(imprint_of(NOTE, (b"one", b"four")), grown(NOTE, 1), OLDER) is None


@pytest.mark.parametrize("order", [(b"two", b"one"), (b"one", b"three"), (b"four", b"three"), (b"one", b"one")])
def test_older_tokens_in_another_order_or_with_a_gap_at_the_end_are_not_covered(order: tuple[bytes, ...]) -> None:
    assert find_covered(imprint_of(NOTE, order), NOTE, OLDER) is None
