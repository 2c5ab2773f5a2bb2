"""The keystore file, byte by byte. Pure: the caller reads, writes and draws randomness.

    file     = magic, version: u8, body: bstr .cbor [header: bstr, wrapped: bstr .size 48,
               seal_nonce: bstr .size 24, sealed: bstr], checksum: 32 bytes
    header   = [ kdf, memory_kib, passes, lanes, salt: bstr .size 16, wrap_nonce: bstr .size 24,
                 commitment: bstr .size 32 ]
    wrapped  = XChaCha20-Poly1305(KEK, wrap_nonce, DEK, aad = magic, version, header)
    sealed   = XChaCha20-Poly1305(DEK, seal_nonce, { name => secret }, aad = magic, version, "key set")
    checksum = BLAKE2b-256 of all bytes before it

The checksum tells a damaged file from a wrong passphrase; it authenticates nothing. The commitment
tells a wrong key before the AEAD, which would open one ciphertext under two keys (invisible
salamanders). Changing what opens the file wraps the same DEK anew: whoever kept an old copy *and*
what opened it can still open what is sealed later.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from amanah_client.keystore.unlock import KEY_BYTES, SALT_BYTES, Argon2Cost, Kdf
from amanah_protocol import cbor, limits
from amanah_protocol.errors import Code, DecodeError, UsageError

MAGIC: Final = b"amanah keystore\n"
VERSION: Final = 1
NONCE_BYTES: Final = 24
MAX_FILE_BYTES: Final = limits.MIB
MAX_NAME_CHARS: Final = 64
MAX_SECRET_BYTES: Final = 64 * limits.KIB

_TAG_BYTES: Final = 16
_WRAPPED_BYTES: Final = KEY_BYTES + _TAG_BYTES
_CHECKSUM_BYTES: Final = 32
_PREFIX: Final = MAGIC + bytes([VERSION])
_SEAL_AAD: Final = _PREFIX + b"key set"
_COMMITMENT_PERSON: Final = b"amanah/kekcommit"
_MAX_HEADER_BYTES: Final = 256
_OVERHEAD_BYTES: Final = 1_024
MAX_KEY_SET_BYTES: Final = MAX_FILE_BYTES - _OVERHEAD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """How the KEK is made and recognised.

    Attributes:
        kdf: What opens the file.
        cost: Of argon2id; None for a key file or credential.
        salt: 16 bytes.
        wrap_nonce: 24 bytes.
        commitment: BLAKE2b-256 of the KEK.
    """

    kdf: Kdf
    cost: Argon2Cost | None
    salt: bytes
    wrap_nonce: bytes
    commitment: bytes

    def encode(self) -> bytes:
        """Canonical CBOR."""
        cost = (self.cost.memory_kib, self.cost.passes, self.cost.lanes) if self.cost else (0, 0, 0)
        return cbor.encode([self.kdf, *cost, self.salt, self.wrap_nonce, self.commitment])


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedFile:
    """The parts of a keystore file, none of them opened.

    Attributes:
        header: How the KEK is made.
        wrapped: The DEK under the KEK, 48 bytes.
        seal_nonce: 24 bytes.
        sealed: The key set under the DEK.
    """

    header: Header
    wrapped: bytes
    seal_nonce: bytes
    sealed: bytes

    def encode(self) -> bytes:
        """The whole file."""
        body = cbor.encode([self.header.encode(), self.wrapped, self.seal_nonce, self.sealed])
        return _PREFIX + body + _checksum(_PREFIX + body)


def decode_file(data: bytes) -> SealedFile:
    """Read a file; every bound is checked before anybody derives a key.

    Raises:
        DecodeError: `TOO_LARGE`, `UNKNOWN_VERSION`, or `MALFORMED` when it is damaged, is no keystore
            or asks for parameters outside the bounds; `BAD_TYPE` or `NOT_CANONICAL` when somebody
            made it by hand.
    """
    if len(data) > MAX_FILE_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"a keystore has at most {MAX_FILE_BYTES} bytes")
    if len(data) <= len(_PREFIX) + _CHECKSUM_BYTES or not data.startswith(MAGIC):
        raise DecodeError(Code.MALFORMED, "these bytes do not begin like a keystore")
    if data[len(MAGIC)] != VERSION:
        raise DecodeError(Code.UNKNOWN_VERSION, f"a keystore of version {data[len(MAGIC)]}, not {VERSION}")
    content, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if _checksum(content) != checksum:
        raise DecodeError(Code.MALFORMED, "the keystore is damaged: its checksum does not hold")
    f = cbor.Fields(cbor.decode(content[len(_PREFIX) :], max_bytes=MAX_FILE_BYTES), 4, "keystore")
    return SealedFile(
        header=_decode_header(f.blob(_MAX_HEADER_BYTES)),
        wrapped=f.fixed(_WRAPPED_BYTES),
        seal_nonce=f.fixed(NONCE_BYTES),
        sealed=f.blob(MAX_FILE_BYTES),
    )


def _decode_header(data: bytes) -> Header:
    f = cbor.Fields(cbor.decode(data, max_bytes=_MAX_HEADER_BYTES), 7, "keystore header")
    try:
        kdf = Kdf(f.uint())
    except ValueError as error:
        raise DecodeError(Code.UNKNOWN_VERSION, "a keystore that is opened in a way not known here") from error
    return Header(
        kdf=kdf,
        cost=_decode_cost(kdf, f),
        salt=f.fixed(SALT_BYTES),
        wrap_nonce=f.fixed(NONCE_BYTES),
        commitment=f.fixed(KEY_BYTES),
    )


def _decode_cost(kdf: Kdf, f: cbor.Fields) -> Argon2Cost | None:
    memory_kib, passes, lanes = f.uint(), f.uint(), f.uint()
    if kdf is not Kdf.ARGON2ID:
        if (memory_kib, passes, lanes) != (0, 0, 0):
            raise DecodeError(Code.MALFORMED, "argon2id parameters in a keystore that has no passphrase")
        return None
    try:
        return Argon2Cost(memory_kib=memory_kib, passes=passes, lanes=lanes)
    except UsageError as error:
        raise DecodeError(Code.MALFORMED, error.detail) from error


def commit_to(kek: bytes) -> bytes:
    """The header's commitment to a KEK, 32 bytes; it is of no help in finding the KEK."""
    return blake2b(kek, digest_size=KEY_BYTES, person=_COMMITMENT_PERSON).digest()


def wrap_dek(header: Header, *, kek: bytes, dek: bytes) -> bytes:
    """The DEK under the KEK, bound to the header; 48 bytes."""
    return crypto_aead_xchacha20poly1305_ietf_encrypt(dek, _PREFIX + header.encode(), header.wrap_nonce, kek)


def unwrap_dek(file: SealedFile, *, kek: bytes) -> bytes:
    """The DEK, 32 bytes.

    Raises:
        UsageError: `PASSPHRASE` when the KEK is not the one that the header commits to.
        DecodeError: `MALFORMED` when it is, and the wrapped key was altered all the same.
    """
    if not compare_digest(commit_to(kek), file.header.commitment):
        raise UsageError(Code.PASSPHRASE, _WRONG[file.header.kdf])
    return _open(kek, file.header.wrap_nonce, file.wrapped, _PREFIX + file.header.encode())


_WRONG: Final = {
    Kdf.ARGON2ID: "the passphrase does not open the keystore",
    Kdf.KEY_FILE: "the key file does not open the keystore: it belongs to another one",
    Kdf.CREDENTIAL: "the credential does not open the keystore: it belongs to another one",
}


def with_secrets(file: SealedFile, *, dek: bytes, nonce: bytes, secrets: Mapping[str, bytes]) -> SealedFile:
    """The same file with another key set; `nonce` is 24 bytes that this DEK has never met.

    Raises:
        UsageError: `USAGE` or `TOO_LARGE` when a name or secret is out of bounds.
    """
    for name, secret in secrets.items():
        check_entry(name, secret)
    plaintext = cbor.encode(dict(secrets))
    if len(secrets) > limits.MAX_ITEMS or len(plaintext) > MAX_KEY_SET_BYTES:
        raise UsageError(Code.TOO_LARGE, f"a keystore holds at most {limits.MAX_ITEMS} secrets in 1 MiB")
    sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, _SEAL_AAD, nonce, dek)
    return replace(file, seal_nonce=nonce, sealed=sealed)


def check_entry(name: str, secret: bytes) -> None:
    """Check the bounds of one secret.

    Raises:
        UsageError: `USAGE` for a name that is not 1 to 64 printable ASCII characters, or a secret
            that is not bytes; `TOO_LARGE` for a secret that is not 1 to 65,536 bytes.
    """
    if not 1 <= len(name) <= MAX_NAME_CHARS or not name.isascii() or not name.isprintable():
        raise UsageError(Code.USAGE, f"the name of a secret has 1 to {MAX_NAME_CHARS} printable characters")
    if type(secret) is not bytes:
        raise UsageError(Code.USAGE, f"the secret {name!r} is not bytes")
    if not 1 <= len(secret) <= MAX_SECRET_BYTES:
        raise UsageError(Code.TOO_LARGE, f"the secret {name!r} is not 1 to {MAX_SECRET_BYTES} bytes long")


def open_secrets(file: SealedFile, *, dek: bytes) -> dict[str, bytes]:
    """The key set.

    Raises:
        DecodeError: `MALFORMED` when it was altered, or sealed under another DEK.
    """
    plaintext = _open(dek, file.seal_nonce, file.sealed, _SEAL_AAD)
    value = cbor.decode(plaintext, max_bytes=MAX_FILE_BYTES)
    if not isinstance(value, dict):
        raise DecodeError(Code.MALFORMED, "the key set is not a map")
    secrets: dict[str, bytes] = {}
    for name, secret in value.items():
        if not isinstance(name, str) or not isinstance(secret, bytes):
            raise DecodeError(Code.MALFORMED, "the key set is not a map of names to byte strings")
        secrets[name] = secret
    return secrets


def _open(key: bytes, nonce: bytes, ciphertext: bytes, aad: bytes) -> bytes:
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(ciphertext, aad, nonce, key)
    except CryptoError as error:
        raise DecodeError(Code.MALFORMED, "the keystore was altered: its sealed part does not open") from error


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=_CHECKSUM_BYTES).digest()
