from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol import crypto
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, UsageError, VerifyError
from tests.protocol.refusal import refused

KEY: Final = SigningKey(bytes(range(32)))
MESSAGE: Final = b"what is signed"
SIGNATURE: Final = KEY.sign(MESSAGE)
ORDER: Final = 2**252 + 27742317777372353535851937790883648493

LOW_ORDER: Final = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000080",
]
"""Points of small order: every secret with them is zero (RFC 7748 section 6.1)."""


def wycheproof(data_dir: Path, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each case with its group."""
    groups = json.loads((data_dir / "vectors" / "wycheproof" / f"{name}_test.json").read_text(encoding="utf-8"))
    for group in groups["testGroups"]:
        for case in group["tests"]:
            yield group, case


def test_a_signature_verifies_under_its_own_key_and_message_alone() -> None:
    crypto.verify_signature(KEY.public, SIGNATURE, MESSAGE)
    with refused(Code.SIGNATURE, VerifyError):
        crypto.verify_signature(SigningKey(bytes(32)).public, SIGNATURE, MESSAGE)
    with refused(Code.SIGNATURE, VerifyError):
        crypto.verify_signature(KEY.public, SIGNATURE, MESSAGE + b"\0")


def test_a_signature_with_any_bit_flipped_is_refused() -> None:
    for bit in range(512):
        forged = bytearray(SIGNATURE)
        forged[bit // 8] ^= 1 << bit % 8
        with refused(Code.SIGNATURE, VerifyError):
            crypto.verify_signature(KEY.public, bytes(forged), MESSAGE)


def test_a_second_form_of_a_signature_is_refused() -> None:
    # S + L verifies where S is not reduced first (RFC 8032 section 5.1.7): two ids for one envelope.
    s = int.from_bytes(SIGNATURE[32:], "little") + ORDER
    with refused(Code.SIGNATURE, VerifyError):
        crypto.verify_signature(KEY.public, SIGNATURE[:32] + s.to_bytes(32, "little"), MESSAGE)


@pytest.mark.parametrize(
    ("public", "signature"),
    [
        (KEY.public[:31], SIGNATURE),
        (KEY.public + b"\0", SIGNATURE),
        (b"", SIGNATURE),
        (KEY.public, SIGNATURE[:63]),
        (KEY.public, SIGNATURE + b"\0"),
        (KEY.public, b""),
        (bytes(32), bytes(64)),
        (b"\x01" + bytes(31), b"\x01" + bytes(63)),
        (b"\xff" * 32, SIGNATURE),
    ],
    ids=["short", "long", "none", "short", "long", "none", "zeros", "identity", "no point"],
)
def test_a_key_or_signature_of_wrong_length_or_small_order_is_refused(public: bytes, signature: bytes) -> None:
    with refused(Code.SIGNATURE, VerifyError):
        crypto.verify_signature(public, signature, MESSAGE)


def test_ed25519_agrees_with_wycheproof(data_dir: Path) -> None:
    verdicts = {"valid": 0, "invalid": 0}
    for group, case in wycheproof(data_dir, "ed25519"):
        public, signature = bytes.fromhex(group["publicKey"]["pk"]), bytes.fromhex(case["sig"])
        verdicts[case["result"]] += 1
        if case["result"] == "valid":
            crypto.verify_signature(public, signature, bytes.fromhex(case["msg"]))
            continue
        with refused(Code.SIGNATURE, VerifyError):
            crypto.verify_signature(public, signature, bytes.fromhex(case["msg"]))
    assert verdicts == {"valid": 88, "invalid": 63}


def test_x25519_agrees_with_wycheproof_or_refuses_a_low_order_point(data_dir: Path) -> None:
    agreed = 0
    for _, case in wycheproof(data_dir, "x25519"):
        private, public, shared = (bytes.fromhex(case[name]) for name in ("private", "public", "shared"))
        if any(shared):
            agreed += crypto.agree(private, public) == shared
            continue
        with refused(Code.OPEN, VerifyError):
            crypto.agree(private, public)
    assert agreed == 518 - 31


def test_hkdf_agrees_with_wycheproof(data_dir: Path) -> None:
    verdicts = {"valid": 0, "invalid": 0}
    for _, case in wycheproof(data_dir, "hkdf_sha256"):
        secret, salt, info = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info"))
        verdicts[case["result"]] += 1
        if case["result"] == "valid":
            assert crypto.hkdf(secret, salt=salt, info=info, length=case["size"]).hex() == case["okm"]
            continue
        with refused(Code.TOO_LARGE, UsageError):
            crypto.hkdf(secret, salt=salt, info=info, length=case["size"])
    assert verdicts["valid"] > 70
    assert verdicts["invalid"] > 0


def test_hkdf_gives_what_rfc_5869_appendix_a_1_says() -> None:
    okm = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    secret, salt, info = b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA))
    assert crypto.hkdf(secret, salt=salt, info=info, length=42).hex() == okm
    assert len(crypto.hkdf(secret, salt=b"", info=b"")) == 32


def test_hkdf_gives_at_most_255_blocks() -> None:
    assert len(crypto.hkdf(b"", salt=b"", info=b"", length=8_160)) == 8_160
    with refused(Code.TOO_LARGE, UsageError):
        crypto.hkdf(b"", salt=b"", info=b"", length=8_161)


def test_both_sides_agree_on_one_secret() -> None:
    one, two = bytes(range(32)), bytes(range(1, 33))
    shared = crypto.agree(one, crypto.agreement_public(two))
    assert shared == crypto.agree(two, crypto.agreement_public(one))
    assert len(shared) == 32


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_low_order_point_gives_no_secret(point: str) -> None:
    with refused(Code.OPEN, VerifyError):
        crypto.agree(bytes(range(32)), bytes.fromhex(point))


@pytest.mark.parametrize("length", [0, 31, 33])
def test_keys_of_another_length_never_reach_the_library(length: int) -> None:
    with refused(Code.OPEN, VerifyError):
        crypto.agree(bytes(range(32)), bytes(length))
    with refused(Code.BAD_TYPE, UsageError):
        crypto.agree(bytes(length), crypto.agreement_public(bytes(range(32))))
    with refused(Code.BAD_TYPE, UsageError):
        crypto.agreement_public(bytes(length))
    with refused(Code.BAD_TYPE, UsageError):
        SigningKey(bytes(length))


@given(st.binary(max_size=200), st.binary(max_size=40))
def test_what_was_sealed_opens_under_the_same_key_nonce_and_aad_alone(plaintext: bytes, aad: bytes) -> None:
    key, nonce = bytes(range(32)), bytes(range(12))
    sealed = crypto.aead_seal(key, nonce, plaintext, aad)
    assert len(sealed) == len(plaintext) + crypto.TAG_BYTES
    assert crypto.aead_open(key, nonce, sealed, aad) == plaintext
    flipped = bytes([sealed[0] ^ 1]) + sealed[1:]
    for arguments in (
        (bytes(32), nonce, sealed, aad),
        (key, bytes(12), sealed, aad),
        (key, nonce, flipped, aad),
        (key, nonce, sealed, aad + b"\0"),
    ):
        with refused(Code.OPEN, VerifyError):
            crypto.aead_open(*arguments)


@pytest.mark.parametrize("length", [0, 1, 15])
def test_sealed_bytes_shorter_than_the_tag_do_not_open(length: int) -> None:
    with refused(Code.OPEN, VerifyError):
        crypto.aead_open(bytes(32), bytes(12), bytes(length), b"")


def test_hashes_are_those_of_the_standard_library() -> None:
    assert crypto.sha256(b"a") == hashlib.sha256(b"a").digest()
    assert crypto.hmac_sha256(b"k", b"a") == hmac.new(b"k", b"a", hashlib.sha256).digest()


def test_equal_bytes_are_the_same_and_others_are_not() -> None:
    assert crypto.same(b"ab", b"ab")
    assert not crypto.same(b"ab", b"aB")
    assert not crypto.same(b"ab", b"abc")


def test_a_signing_key_shows_its_public_half_only() -> None:
    seed = bytes(range(32))
    key = SigningKey.from_seed(seed)
    assert seed.hex() not in repr(key)
    assert key.public.hex() in repr(key)
    assert key.key_id == crypto.sha256(key.public)
