"""What opens a keystore: a passphrase, a key file, or a credential that systemd hands over.

Each gives a key-encryption key (KEK) of 32 bytes. A passphrase goes through argon2id (RFC 9106); the
other two hold 256 random bits already and go through keyed BLAKE2b, so that one key file can
serve two keystores with different KEKs.
"""

from __future__ import annotations

import os
import shlex
import stat
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import blake2b
from pathlib import Path
from typing import Final, NoReturn, TypeAlias, assert_never

from amanah_client.keystore.durable import create_file, operational_errors
from amanah_protocol.errors import Code, OperationalError, UsageError

Random: TypeAlias = Callable[[int], bytes]

KEY_BYTES: Final = 32
SALT_BYTES: Final = 16

_MIB_IN_KIB: Final = 1_024
_KEY_FILE_PERSON: Final = b"amanah/keyfile/1"
_ARGON2_VERSION: Final = 0x13
_MAX_KEY_FILE_BYTES: Final = 2 * KEY_BYTES + len(b"\r\n")
_HEX: Final = frozenset(b"0123456789abcdefABCDEF")


class Kdf(IntEnum):
    """What a keystore is opened with; the number is the form in the file."""

    ARGON2ID = 1
    KEY_FILE = 2
    CREDENTIAL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """Parameters of argon2id, inside the bounds on construction.

    The floor keeps a hostile file from making guesses cheap; the ceiling keeps it from taking the
    machine's memory.

    Attributes:
        memory_kib: 64 MiB to 1 GiB, in KiB (`m`).
        passes: 3 to 10 (`t`).
        lanes: 1 to 16 (`p`).

    Raises:
        UsageError: `CONFIG` on construction.
    """

    memory_kib: int
    passes: int
    lanes: int

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not 64 * _MIB_IN_KIB <= self.memory_kib <= 1_024 * _MIB_IN_KIB:
            raise UsageError(Code.CONFIG, "argon2id: the memory is between 64 MiB and 1 GiB")
        if not 3 <= self.passes <= 10:
            raise UsageError(Code.CONFIG, "argon2id: there are between 3 and 10 passes")
        if not 1 <= self.lanes <= 16:
            raise UsageError(Code.CONFIG, "argon2id: there are between 1 and 16 lanes")


OFFICER_COST: Final = Argon2Cost(memory_kib=256 * _MIB_IN_KIB, passes=3, lanes=4)
"""For officers' devices: about half a second a guess."""

CEREMONY_COST: Final = Argon2Cost(memory_kib=1_024 * _MIB_IN_KIB, passes=4, lanes=4)
"""For root keys, which are used once a year."""

FLOOR_COST: Final = Argon2Cost(memory_kib=64 * _MIB_IN_KIB, passes=3, lanes=1)
"""The least that is accepted."""


class _NeverPickled:
    """Refuses to be copied by `pickle` and `copy`, which would write the secret out in plain form."""

    __slots__ = ()

    def __reduce__(self) -> NoReturn:
        message = f"{type(self).__name__} holds a secret and is not pickled"
        raise TypeError(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passphrase(_NeverPickled):
    """A passphrase that a person types; six dice words or more are advised.

    Attributes:
        text: As typed. It is taken in NFC (RFC 8265 section 4.2.2), so that an accent is the same
            on every keyboard.
        cost: For making a keystore or changing what opens it; opening follows the file.
    """

    text: str = field(repr=False)
    cost: Argon2Cost = OFFICER_COST


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFile:
    """A file of 64 hexadecimal digits with mode 0600 that belongs to the user who runs the program."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A systemd credential (`LoadCredential=`) of 64 hexadecimal digits: `$CREDENTIALS_DIRECTORY/<name>`."""

    name: str


Unlock: TypeAlias = Passphrase | KeyFile | Credential


def kdf_of(unlock: Unlock) -> Kdf:
    """The kind that stands in the file."""
    match unlock:
        case Passphrase():
            return Kdf.ARGON2ID
        case KeyFile():
            return Kdf.KEY_FILE
        case Credential():
            return Kdf.CREDENTIAL
        case _:
            assert_never(unlock)


def derive_kek(unlock: Unlock, *, salt: bytes, cost: Argon2Cost | None) -> bytes:
    """The key-encryption key, 32 bytes.

    Args:
        unlock: What opens the keystore.
        salt: 16 bytes, from the file.
        cost: From the file; None means the passphrase's own. Used for a passphrase alone.

    Raises:
        UsageError: `PASSPHRASE` for an empty passphrase; `CONFIG` for a key file or credential that
            is absent, open to others, or not a key.
        OperationalError: `NO_MEMORY`, or `STORE` when it cannot be read.
    """
    match unlock:
        case Passphrase():
            return _stretch(unlock.text, salt, unlock.cost if cost is None else cost)
        case KeyFile():
            secret = _read_key_file(unlock.path)
        case Credential():
            secret = _read_credential(unlock.name)
        case _:
            assert_never(unlock)
    return blake2b(salt, key=secret, digest_size=KEY_BYTES, person=_KEY_FILE_PERSON).digest()


def create_key_file(path: Path, random: Random = os.urandom) -> KeyFile:
    """Make a key file of 32 random bytes, mode 0600, durable on return.

    Raises:
        UsageError: `CONFIG` when there is one already: it may be the only key to a keystore.
        OperationalError: `STORE` or `DISK_FULL`.
    """
    try:
        create_file(path, random(KEY_BYTES).hex().encode() + b"\n")
    except FileExistsError as error:
        raise UsageError(Code.CONFIG, f"{path} is there already and is not overwritten") from error
    return KeyFile(path=path)


def _stretch(text: str, salt: bytes, cost: Argon2Cost) -> bytes:
    if not text:
        raise UsageError(Code.PASSPHRASE, "the passphrase is empty")
    from argon2.exceptions import HashingError  # noqa: PLC0415 - a profile with a key file does without
    from argon2.low_level import Type, hash_secret_raw  # noqa: PLC0415 - the same

    def hashed() -> bytes:
        return hash_secret_raw(
            secret=unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass"),
            salt=salt,
            time_cost=cost.passes,
            memory_cost=cost.memory_kib,
            parallelism=cost.lanes,
            hash_len=KEY_BYTES,
            type=Type.ID,
            version=_ARGON2_VERSION,
        )

    try:
        return _aside(hashed)
    except (HashingError, RuntimeError) as error:  # inside the bounds, memory is all that can be missing
        needed = cost.memory_kib // _MIB_IN_KIB
        raise OperationalError(Code.NO_MEMORY, f"argon2id needs {needed} MiB of memory here") from error


def _aside(work: Callable[[], bytes]) -> bytes:
    """What takes seconds in one call, in a thread: Python hears Ctrl-C between its own steps alone, and waits in them.

    Raises:
        RuntimeError: There is no memory for a thread; or what `work` raises.
    """
    ended: list[bytes | Exception] = []

    def run() -> None:
        try:
            ended.append(work())
        except Exception as error:  # noqa: BLE001 - raised again below, where it belongs
            ended.append(error)

    # A daemon: who interrupts does not wait for the rest.
    thread = threading.Thread(target=run, name="amanah-argon2id", daemon=True)
    thread.start()
    thread.join()
    if isinstance(ended[0], Exception):
        raise ended[0]
    return ended[0]


def _read_key_file(path: Path) -> bytes:
    descriptor = _open_secret(path, "key file")
    try:
        with operational_errors(path):
            # On the open file, not on its name, which somebody could exchange in between.
            status = os.fstat(descriptor)
            _check_private(path, status)
            data = os.read(descriptor, _MAX_KEY_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    return _parse_key(data, f"key file {path}")


def _check_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(Code.CONFIG, f"key file {path} is not a regular file")
    if status.st_uid != os.geteuid():
        raise UsageError(Code.CONFIG, f"key file {path} belongs to another user; it has to be your own")
    if status.st_mode & 0o077:
        raise UsageError(
            Code.CONFIG,
            f"key file {path} is open to others (mode {stat.S_IMODE(status.st_mode):04o}): "
            f"chmod 600 {shlex.quote(str(path))}",
        )


def _read_credential(name: str) -> bytes:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        raise UsageError(Code.CONFIG, "CREDENTIALS_DIRECTORY is not set: the unit needs LoadCredential=")
    # A name is no path: `../../` would read a file that systemd did not hand over.
    if not name or name in {".", ".."} or "/" in name:
        raise UsageError(Code.CONFIG, f"{name!r} is not a name of a credential")
    path = Path(folder) / name
    # Owner and mode are systemd's own affair: root's, with an access list for the service.
    descriptor = _open_secret(path, "credential")
    try:
        with operational_errors(path):
            data = os.read(descriptor, _MAX_KEY_FILE_BYTES + 1)
    finally:
        os.close(descriptor)
    return _parse_key(data, f"credential {name}")


def _open_secret(path: Path, what: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise UsageError(Code.CONFIG, f"{what} {path} cannot be opened: {error.strerror}") from error


def _parse_key(data: bytes, what: str) -> bytes:
    digits = data.rstrip(b"\r\n")
    if len(digits) != 2 * KEY_BYTES or not _HEX.issuperset(digits):
        raise UsageError(Code.CONFIG, f"{what} does not hold {2 * KEY_BYTES} hexadecimal digits")
    return bytes.fromhex(digits.decode("ascii"))
