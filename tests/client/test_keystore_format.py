"""The keystore file against damage, hostile parameters and parts of other keystores."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_encrypt

from amanah_client.keystore import FLOOR_COST, Kdf, KeyFile, create_key_file, create_keystore, open_keystore, sealed
from amanah_protocol import cbor
from amanah_protocol.errors import Code, DecodeError, UsageError

SECRETS: Final = {"device": bytes(32)}
HEADER: Final = sealed.Header(
    kdf=Kdf.ARGON2ID, cost=FLOOR_COST, salt=bytes(16), wrap_nonce=bytes(24), commitment=bytes(32)
)
FILE: Final = sealed.SealedFile(header=HEADER, wrapped=bytes(48), seal_nonce=bytes(24), sealed=bytes(64))


@pytest.fixture
def key_file(tmp_path: Path) -> KeyFile:
    return create_key_file(tmp_path / "key")


@pytest.fixture
def path(tmp_path: Path, key_file: KeyFile) -> Path:
    create_keystore(tmp_path / "keystore", key_file, SECRETS)
    return tmp_path / "keystore"


def with_checksum(content: bytes) -> bytes:
    """A file with a right checksum, as a careful attacker makes it."""
    return content + blake2b(content, digest_size=32).digest()


def with_body(body: object) -> bytes:
    return with_checksum(sealed.MAGIC + bytes([sealed.VERSION]) + cbor.encode(body))


def test_a_file_reads_as_it_was_written() -> None:
    assert sealed.decode_file(FILE.encode()) == FILE


def test_every_flipped_bit_is_told_as_damage(path: Path, key_file: KeyFile) -> None:
    right = path.read_bytes()
    codes = set()
    for position in range(8 * len(right)):
        wrong = bytearray(right)
        wrong[position // 8] ^= 1 << position % 8
        with pytest.raises(DecodeError) as caught:
            sealed.decode_file(bytes(wrong))
        in_version = position // 8 == len(sealed.MAGIC)
        assert caught.value.code is (Code.UNKNOWN_VERSION if in_version else Code.MALFORMED)
        codes.add(caught.value.code)
    assert codes == {Code.UNKNOWN_VERSION, Code.MALFORMED}


def test_every_truncation_is_told_as_damage(path: Path) -> None:
    right = path.read_bytes()
    for length in range(len(right)):
        with pytest.raises(DecodeError):
            sealed.decode_file(right[:length])


def test_damage_names_the_previous_generation_where_there_is_one(path: Path, key_file: KeyFile) -> None:
    damaged = path.read_bytes()[:-1] + b"?"
    open_keystore(path, key_file).put("device", b"1")
    path.write_bytes(damaged)
    with pytest.raises(DecodeError, match=r"keystore\.previous holds") as caught:
        open_keystore(path, key_file)
    assert caught.value.code is Code.MALFORMED
    path.with_name("keystore.previous").unlink()
    with pytest.raises(DecodeError) as caught:
        open_keystore(path, key_file)
    assert "holds the generation before" not in caught.value.detail


def test_a_newer_version_is_said_so_whatever_follows() -> None:
    newer = sealed.MAGIC + bytes([sealed.VERSION + 1]) + bytes(100)
    with pytest.raises(DecodeError) as caught:
        sealed.decode_file(newer)
    assert caught.value.code is Code.UNKNOWN_VERSION


def test_a_file_that_is_too_large_is_refused_unread(path: Path, key_file: KeyFile) -> None:
    path.write_bytes(bytes(sealed.MAX_FILE_BYTES + 1))
    with pytest.raises(DecodeError) as caught:
        open_keystore(path, key_file)
    assert caught.value.code is Code.TOO_LARGE
    with pytest.raises(DecodeError) as caught:
        sealed.decode_file(bytes(sealed.MAX_FILE_BYTES + 1))
    assert caught.value.code is Code.TOO_LARGE


@pytest.mark.parametrize(
    "cost",
    [(65_535, 3, 1), (65_536, 2, 1), (65_536, 3, 0), (2**21, 3, 1), (65_536, 11, 1), (65_536, 3, 17), (2**63 - 1,) * 3],
)
def test_hostile_parameters_are_refused_before_any_work(cost: tuple[int, int, int]) -> None:
    header = cbor.encode([Kdf.ARGON2ID, *cost, bytes(16), bytes(24), bytes(32)])
    with pytest.raises(DecodeError, match="argon2id") as caught:
        sealed.decode_file(with_body([header, bytes(48), bytes(24), b""]))
    assert caught.value.code is Code.MALFORMED
    right = cbor.encode([Kdf.ARGON2ID, 65_536, 3, 1, bytes(16), bytes(24), bytes(32)])
    assert sealed.decode_file(with_body([right, bytes(48), bytes(24), b""])).header.cost == FLOOR_COST


@pytest.mark.parametrize("cost", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
@pytest.mark.parametrize("kdf", [Kdf.KEY_FILE, Kdf.CREDENTIAL])
def test_a_key_file_has_no_argon2id_parameters(kdf: Kdf, cost: tuple[int, int, int]) -> None:
    header = cbor.encode([kdf, *cost, bytes(16), bytes(24), bytes(32)])
    with pytest.raises(DecodeError) as caught:
        sealed.decode_file(with_body([header, bytes(48), bytes(24), b""]))
    assert caught.value.code is Code.MALFORMED


def test_an_unknown_way_of_opening_is_said_so() -> None:
    header = cbor.encode([4, 0, 0, 0, bytes(16), bytes(24), bytes(32)])
    with pytest.raises(DecodeError) as caught:
        sealed.decode_file(with_body([header, bytes(48), bytes(24), b""]))
    assert caught.value.code is Code.UNKNOWN_VERSION


@pytest.mark.parametrize(
    "changed",
    [
        {"wrapped": bytes(48)},
        {"sealed": bytes(48)},
        {"seal_nonce": bytes(24)},
    ],
)
def test_an_altered_part_does_not_open_even_with_a_right_checksum(
    path: Path, key_file: KeyFile, changed: dict[str, bytes]
) -> None:
    right = sealed.decode_file(path.read_bytes())
    path.write_bytes(right.encode())
    assert open_keystore(path, key_file).secrets == SECRETS
    path.write_bytes(replace(right, **changed).encode())  # type: ignore[arg-type]  # fields of bytes alone
    with pytest.raises(DecodeError) as caught:
        open_keystore(path, key_file)
    assert caught.value.code is Code.MALFORMED


def test_a_header_is_bound_to_the_key_that_it_wraps(path: Path, key_file: KeyFile) -> None:
    right = sealed.decode_file(path.read_bytes())
    header = replace(right.header, wrap_nonce=bytes(24))
    path.write_bytes(replace(right, header=header).encode())
    with pytest.raises(DecodeError):
        open_keystore(path, key_file)


def test_a_wrapped_key_does_not_open_under_another_header() -> None:
    kek = b"k" * 32
    header = replace(HEADER, commitment=sealed.commit_to(kek))
    right = replace(FILE, header=header, wrapped=sealed.wrap_dek(header, kek=kek, dek=bytes(32)))
    assert sealed.unwrap_dek(right, kek=kek) == bytes(32)
    with pytest.raises(DecodeError):
        sealed.unwrap_dek(replace(right, header=replace(header, salt=b"s" * 16)), kek=kek)


def test_a_key_that_the_header_does_not_commit_to_is_refused_before_the_aead() -> None:
    kek = b"k" * 32
    header = replace(HEADER, commitment=sealed.commit_to(b"x" * 32))
    file = replace(FILE, header=header, wrapped=sealed.wrap_dek(header, kek=kek, dek=bytes(32)))
    with pytest.raises(UsageError) as caught:
        sealed.unwrap_dek(file, kek=kek)
    assert caught.value.code is Code.PASSPHRASE


def test_a_keystore_that_was_exchanged_under_an_open_one_is_not_written(
    tmp_path: Path, path: Path, key_file: KeyFile
) -> None:
    keystore = open_keystore(path, key_file)
    create_keystore(tmp_path / "other", key_file, {"device": b"other"})
    (tmp_path / "other").replace(path)
    before = path.read_bytes()
    with pytest.raises(DecodeError):
        keystore.put("device", b"1")
    with pytest.raises(DecodeError):
        keystore.change_unlock(key_file)
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(UsageError) as caught:
        keystore.put("device", b"1")
    assert caught.value.code is Code.NO_PROFILE


@pytest.mark.parametrize("value", [[], {1: b""}, {"device": "text"}, {"device": None}])
def test_a_key_set_of_another_shape_is_refused(value: object) -> None:
    dek, nonce = b"d" * 32, bytes(24)
    plaintext = cbor.encode(value)
    ciphertext = crypto_aead_xchacha20poly1305_ietf_encrypt(
        plaintext, sealed.MAGIC + bytes([sealed.VERSION]) + b"key set", nonce, dek
    )
    file = replace(FILE, seal_nonce=nonce, sealed=ciphertext)
    with pytest.raises(DecodeError) as caught:
        sealed.open_secrets(file, dek=dek)
    assert caught.value.code is Code.MALFORMED


@given(st.binary(max_size=400), st.booleans())
def test_no_input_raises_anything_but_a_typed_error(body: bytes, whole: bool) -> None:  # noqa: FBT001 - drawn by Hypothesis
    data = with_checksum(sealed.MAGIC + bytes([sealed.VERSION]) + body) if whole else body
    with contextlib.suppress(DecodeError):
        assert sealed.decode_file(data).encode() == data
