"""The open keystore: reads, seals and replaces the file; several processes may hold it open.

Each write takes the writers' lock, reads the file anew and changes only what it was asked to: a
secret that another process put there in the meantime stays. The generation before a write is kept
as `<name>.previous`; it is never read by itself, because going back unnoticed is an attack.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NoReturn

from amanah_client.keystore import durable, sealed
from amanah_client.keystore.strength import check_strength
from amanah_client.keystore.unlock import KEY_BYTES, SALT_BYTES, Kdf, Passphrase, Random, Unlock, derive_kek, kdf_of
from amanah_protocol.errors import Code, DecodeError, UsageError

_NEEDS: Final = {
    Kdf.ARGON2ID: "this keystore is opened with a passphrase",
    Kdf.KEY_FILE: "this keystore is opened with a key file",
    Kdf.CREDENTIAL: "this keystore is opened with a systemd credential",
}


class Keystore:
    """Every secret of one profile. Made by `create_keystore` and `open_keystore` alone."""

    __slots__ = ("_dek", "_path", "_random", "_secrets")

    def __init__(self, path: Path, *, dek: bytes, secrets: Mapping[str, bytes], random: Random) -> None:
        """For this package; callers use `create_keystore` or `open_keystore`."""
        self._path = path
        self._dek = bytearray(dek)
        self._secrets = dict(secrets)
        self._random = random

    def __repr__(self) -> str:
        """Path and names, never a secret."""
        return f"Keystore({str(self._path)!r}, names={sorted(self._secrets)})"

    def __reduce__(self) -> NoReturn:
        """Pickling would write the keys out in plain form."""
        message = "Keystore holds secrets and is not pickled"
        raise TypeError(message)

    @property
    def secrets(self) -> Mapping[str, bytes]:
        """A read-only view: name to secret, as of opening or the last write here."""
        return MappingProxyType(self._secrets)

    def put(self, name: str, secret: bytes) -> None:
        """Add or replace one secret; it is durable on return.

        Args:
            name: 1 to 64 printable ASCII characters.
            secret: 1 to 65,536 bytes.

        Raises:
            UsageError: `USAGE` or `TOO_LARGE` for a name or secret out of bounds; `NO_PROFILE` when
                the file is gone.
            DecodeError: `MALFORMED` when the file was damaged, or replaced by another keystore;
                nothing was written.
            OperationalError: `DISK_FULL` or `STORE`; the file holds the key set from before or the
                new one, and the same call may be made again.
        """
        sealed.check_entry(name, secret)
        dek = self._key()
        with durable.locked(self._path):
            before = _read(self._path)
            file = _decode(self._path, before)
            secrets = sealed.open_secrets(file, dek=dek) | {name: secret}
            nonce = self._random(sealed.NONCE_BYTES)
            after = sealed.with_secrets(file, dek=dek, nonce=nonce, secrets=secrets).encode()
            durable.replace_file(_previous(self._path), before)
            durable.replace_file(self._path, after)
        self._secrets = secrets

    def change_unlock(self, unlock: Unlock) -> None:
        """Let something else open the keystore from now on, and what opened it before no longer.

        The data key and the sealed secrets stay as they are, and `<name>.previous` becomes a copy
        of the new file. After an interruption the old way opens the one or the other; make the
        call again. A copy of the file made *before* stays open to what opened it then, with every
        secret of that time: where that matters, the keys themselves have to be replaced.

        Raises:
            UsageError: As `create_keystore`; `NO_PROFILE` when the file is gone.
            DecodeError: As `put`.
            OperationalError: As `put`.
        """
        dek = self._key()
        header, kek = _new_header(unlock, self._random)
        with durable.locked(self._path):
            file = _decode(self._path, _read(self._path))
            sealed.open_secrets(file, dek=dek)  # or the key of one keystore would be wrapped into another
            wrapped = sealed.wrap_dek(header, kek=kek, dek=dek)
            after = sealed.SealedFile(
                header=header, wrapped=wrapped, seal_nonce=file.seal_nonce, sealed=file.sealed
            ).encode()
            durable.replace_file(self._path, after)
            durable.replace_file(_previous(self._path), after)

    def close(self) -> None:
        """Forget the keys as far as Python can: copies made by others or by the allocator remain."""
        self._dek[:] = bytes(len(self._dek))
        self._dek.clear()
        self._secrets.clear()

    def _key(self) -> bytes:
        if not self._dek:
            raise UsageError(Code.USAGE, "the keystore is closed")
        return bytes(self._dek)


def create_keystore(path: Path, unlock: Unlock, secrets: Mapping[str, bytes], random: Random = os.urandom) -> Keystore:
    """Make a keystore file, mode 0600, durable on return; its folder exists already.

    Args:
        path: Of the file, for example `<home>/keystore`.
        unlock: What opens it.
        secrets: Names of 1 to 64 printable ASCII characters, secrets of 1 to 65,536 bytes.
        random: A source for keys, salts and nonces that never repeats itself, also across restarts.

    Raises:
        UsageError: `USAGE` when there is a keystore already (it is never overwritten) or a name is out
            of bounds; `TOO_LARGE`; `PASSPHRASE` for one below the floor (`strength`); `CONFIG` for a key file or
            credential that is absent, open to others or not a key.
        OperationalError: `DISK_FULL`, `STORE` or `NO_MEMORY`; there is no keystore then, unless only
            the last step, making it durable, has failed.
    """
    header, kek = _new_header(unlock, random)
    dek = random(KEY_BYTES)
    empty = sealed.SealedFile(
        header=header, wrapped=sealed.wrap_dek(header, kek=kek, dek=dek), seal_nonce=b"", sealed=b""
    )
    file = sealed.with_secrets(empty, dek=dek, nonce=random(sealed.NONCE_BYTES), secrets=secrets)
    with durable.locked(path):
        if os.path.lexists(path):
            raise UsageError(Code.USAGE, f"{path} is there already and is not overwritten")
        durable.replace_file(path, file.encode())
    return Keystore(path, dek=dek, secrets=secrets, random=random)


def open_keystore(path: Path, unlock: Unlock, random: Random = os.urandom) -> Keystore:
    """Open a keystore file.

    Args:
        path: Of the file.
        unlock: What opens it, of the kind that `read_kdf` tells.
        random: For the nonces of later writes; see `create_keystore`.

    Raises:
        UsageError: `NO_PROFILE` when there is no file; `PASSPHRASE` when the passphrase, key file or
            credential is the wrong one; `USAGE` when it is of another kind; `CONFIG` when it cannot
            be used.
        DecodeError: `MALFORMED` when it is damaged, `UNKNOWN_VERSION`, and what else
            `sealed.decode_file` finds.
        OperationalError: `STORE` or `NO_MEMORY`.
    """
    file = _decode(path, _read(path))
    if kdf_of(unlock) is not file.header.kdf:
        raise UsageError(Code.USAGE, _NEEDS[file.header.kdf])
    kek = derive_kek(unlock, salt=file.header.salt, cost=file.header.cost)
    dek = sealed.unwrap_dek(file, kek=kek)
    return Keystore(path, dek=dek, secrets=sealed.open_secrets(file, dek=dek), random=random)


def read_kdf(path: Path) -> Kdf:
    """What a keystore is opened with, so that a program knows whether to ask for a passphrase.

    Raises:
        UsageError: `NO_PROFILE`.
        DecodeError: As `open_keystore`.
        OperationalError: `STORE`.
    """
    return _decode(path, _read(path)).header.kdf


def _new_header(unlock: Unlock, random: Random) -> tuple[sealed.Header, bytes]:
    if isinstance(unlock, Passphrase):
        check_strength(unlock.text)
    salt = random(SALT_BYTES)
    cost = unlock.cost if isinstance(unlock, Passphrase) else None
    kek = derive_kek(unlock, salt=salt, cost=cost)
    header = sealed.Header(
        kdf=kdf_of(unlock),
        cost=cost,
        salt=salt,
        wrap_nonce=random(sealed.NONCE_BYTES),
        commitment=sealed.commit_to(kek),
    )
    return header, kek


def _read(path: Path) -> bytes:
    try:
        return durable.read_file(path, max_bytes=sealed.MAX_FILE_BYTES)
    except FileNotFoundError as error:
        raise UsageError(Code.NO_PROFILE, f"there is no keystore at {path}") from error


def _decode(path: Path, data: bytes) -> sealed.SealedFile:
    try:
        return sealed.decode_file(data)
    except DecodeError as error:
        previous = _previous(path)
        kept = f"; {previous} holds the generation before it" if os.path.lexists(previous) else ""
        raise DecodeError(error.code, f"{path}: {error.detail}{kept}") from error


def _previous(path: Path) -> Path:
    return path.with_name(path.name + ".previous")
