"""A profile: one folder that holds keystore, local store and lock of one device or organisation."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import platformdirs

from amanah_client.keystore import (
    Credential,
    Kdf,
    KeyFile,
    Keystore,
    Passphrase,
    Unlock,
    create_keystore,
    open_keystore,
    read_kdf,
)
from amanah_client.keystore.durable import operational_errors
from amanah_client.spool import Spool
from amanah_client.store import LocalStore
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, OperationalError, UsageError

ENVIRONMENT: Final = "AMANAH_HOME"
_STORE_KEY: Final = "store"
_DEVICE: Final = "device"
_NO_PROFILE: Final = "Name the right folder by --home, or enrol a device: `amanah device request`."


@dataclass(frozen=True, slots=True)
class Home:
    """Where a profile lies. The folder is private to its user (mode 0700)."""

    path: Path

    @property
    def keystore(self) -> Path:
        """The encrypted key file."""
        return self.path / "keystore"

    @property
    def key_file(self) -> Path:
        """The 0600 key file, for profiles that have no passphrase."""
        return self.path / "key"

    @property
    def store(self) -> Path:
        """The SQLCipher database."""
        return self.path / "store.db"

    @property
    def roster(self) -> Path:
        """The rosters that this profile trusted, armoured; public, so that a check needs no key."""
        return self.path / "roster.amanah"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the profile's connection."""
        return self.path / "lock"

    @property
    def rota(self) -> Path:
        """Optional: who is paged, TOML."""
        return self.path / "paging.toml"

    @property
    def paging_lock(self) -> Path:
        """Held by the process that pages others for this profile."""
        return self.path / "paging.lock"

    @property
    def sounding_lock(self) -> Path:
        """Held by the process that sounds while something rings."""
        return self.path / "sounding.lock"

    @property
    def files(self) -> Path:
        """Sealed bytes of files on their way (`spool`)."""
        return self.path / "files"

    @property
    def config(self) -> Path:
        """Optional settings, TOML."""
        return self.path / "client.toml"

    def exists(self) -> bool:
        """Whether there is a profile.

        Raises:
            UsageError: `CONFIG` when something that is no folder is there.
            OperationalError: `STORE` when the folder cannot be read.
        """
        with operational_errors(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise UsageError(Code.CONFIG, f"{self.path} is no folder", hint="Name a folder by --home.")
        with operational_errors(self.keystore):
            return self.keystore.exists()

    def check_writable(self) -> None:
        """A profile is written whenever it is used.

        Raises:
            OperationalError: `STORE` when the folder cannot be written.
        """
        if not os.access(self.path, os.W_OK | os.X_OK):
            hint = "Mend its rights or mount it for writing, or name another folder by --home."
            raise OperationalError(Code.STORE, f"the folder {self.path} cannot be written", hint=hint)

    def make_folder(self) -> None:
        """Make the folder, private to its user, if it is not there.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`.
        """
        with operational_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)


def find_home(chosen: Path | None = None) -> Home:
    """The profile: the one given, else `AMANAH_HOME`, else the user's data folder."""
    if chosen is not None:
        return Home(chosen)
    named = os.environ.get(ENVIRONMENT)
    return Home(Path(named) if named else Path(platformdirs.user_data_dir("amanah")))


class Profile:
    """An unlocked profile: its keys and its store."""

    def __init__(self, home: Home, keystore: Keystore, store: LocalStore) -> None:
        self.home = home
        self.keystore = keystore
        self.store = store
        self.spool = Spool(home.files)

    @property
    def device_key(self) -> SigningKey:
        """The device's signing key.

        Raises:
            UsageError: `NO_PROFILE` when no device was requested here.
        """
        return self.key(_DEVICE)

    def key(self, name: str) -> SigningKey:
        """A signing key of the keystore.

        Raises:
            UsageError: `NO_PROFILE` when there is none of that name.
        """
        seed = self.keystore.secrets.get(name)
        if seed is None:
            hint = "Name the right profile by --home: an organisation's signs rosters, a device's connects."
            raise UsageError(Code.NO_PROFILE, f"this profile holds no key {name!r}", hint=hint)
        return SigningKey(seed)

    def has_key(self, name: str) -> bool:
        """Whether the keystore holds a key of that name."""
        return name in self.keystore.secrets

    def make_key(self, name: str) -> SigningKey:
        """Make and keep a fresh signing key.

        Raises:
            UsageError: `USAGE` when there is one already: keys are never overwritten.
        """
        if self.has_key(name):
            hint = "Name another profile by --home; keys are never overwritten."
            raise UsageError(Code.USAGE, f"this profile holds a key {name!r} already", hint=hint)
        self.keystore.put(name, secrets.token_bytes(32))
        return self.key(name)

    def close(self) -> None:
        """Close store and keystore."""
        self.store.close()
        self.keystore.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def create_profile(home: Home, unlock: Unlock) -> Profile:
    """Make a new profile.

    Raises:
        UsageError: `USAGE` when there is one already.
        OperationalError: `STORE` or `DISK_FULL`.
    """
    if home.exists():
        raise UsageError(
            Code.USAGE, f"there is a profile at {home.path} already", hint="Name another folder by --home."
        )
    home.make_folder()
    keystore = create_keystore(home.keystore, unlock, {_STORE_KEY: secrets.token_bytes(32)})
    store = LocalStore(home.store, keystore.secrets[_STORE_KEY], create=True)
    return Profile(home, keystore, store)


def open_profile(home: Home, ask_passphrase: Callable[[], str]) -> Profile:
    """Unlock a profile in the way its keystore was made.

    Args:
        home: Where it lies.
        ask_passphrase: Called only when the keystore has a passphrase.

    Raises:
        UsageError: `NO_PROFILE`, `PASSPHRASE`, or what `ask_passphrase` raises.
        OperationalError: `STORE`.
    """
    if not home.exists():
        raise UsageError(Code.NO_PROFILE, f"there is no profile at {home.path}", hint=_NO_PROFILE)
    home.check_writable()
    keystore = open_keystore(home.keystore, _unlock(home, ask_passphrase))
    store = LocalStore(home.store, keystore.secrets[_STORE_KEY], create=not home.store.exists())
    return Profile(home, keystore, store)


def _unlock(home: Home, ask_passphrase: Callable[[], str]) -> Unlock:
    match read_kdf(home.keystore):
        case Kdf.KEY_FILE:
            return KeyFile(path=home.key_file)
        case Kdf.CREDENTIAL:
            return Credential(name="amanah")
        case _:
            return Passphrase(text=ask_passphrase())


def has_passphrase(home: Home) -> bool:
    """Whether a person opens the profile by a passphrase, and not by a file.

    Raises:
        OperationalError: `STORE`.
    """
    return read_kdf(home.keystore) is Kdf.ARGON2ID


def check_passphrase(home: Home, passphrase: str) -> None:
    """Whether this opens the profile; takes as long and as much memory as opening it.

    Raises:
        UsageError: `PASSPHRASE` when it does not.
        OperationalError: `STORE`.
    """
    open_keystore(home.keystore, Passphrase(text=passphrase)).close()


class ProfileLock:
    """The right to run the profile's connection; held by one process at a time.

    Two processes that advanced one group state would use one key twice, so the lock is taken before
    the state is read, and the kernel releases it however the process ends. Its file holds a word for
    the other processes, which is worth something only while the lock is held.
    """

    def __init__(self, home: Home, path: Path | None = None) -> None:
        """Hold nothing yet.

        Args:
            home: Whose connection it is.
            path: Another right of this profile, held in the same way.
        """
        self._path = home.lock if path is None else path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free; True also where it is held here.

        Raises:
            OperationalError: `STORE` or `DISK_FULL` when the profile's folder cannot be written.
        """
        if self._descriptor is not None:
            return True
        with operational_errors(self._path):
            descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        self.tell(b"")
        return True

    def tell(self, word: bytes) -> None:
        """Leave a word for whoever finds the lock taken, in place of the one before; nothing without the lock.

        On a full disk there is none, which says nothing, and nothing false.
        """
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, word, 0)

    def told(self) -> bytes:
        """The word of the process that holds the lock; empty when there is none, or it is just being written."""
        try:
            return self._path.read_bytes()
        except OSError:
            return b""

    def release(self) -> None:
        """Give the lock back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
