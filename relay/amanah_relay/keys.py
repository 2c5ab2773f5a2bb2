"""The relay's two secret keys, in one file that only its owner reads.

One key signs logins, receipts and heads; the other signs the log's checkpoints (C2SP signed note).
Its name is the log's origin. The community's roster names both, so they are made first, their
public halves go to whoever makes the roster, and the store is made with the roster that comes back.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from amanah_protocol.crypto import KEY_BYTES, SigningKey
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.merkle import EMPTY_ROOT
from amanah_protocol.log.note_keys import NoteSigner, decode_skey, encode_skey
from amanah_protocol.roster import Relay, Roster

_PRIVATE: Final = 0o600
_MAX_BYTES: Final = 4_096
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_ABOUT: Final = "# Secret keys of an Amanah relay. Whoever has this file can sign as the relay.\n"


class _KeyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    relay: str
    log: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayKeys:
    """What a relay signs with.

    Attributes:
        key: Signs logins, receipts and heads; the relay id is the SHA-256 of its public key.
        log: Signs checkpoints; its name is the origin.
    """

    key: SigningKey
    log: NoteSigner

    @property
    def origin(self) -> str:
        """The log's origin."""
        return self.log.name

    def card(self, addresses: tuple[str, ...] = (), tls_hashes: tuple[bytes, ...] = ()) -> Relay:
        """What the roster says of this relay: no secret."""
        return Relay(
            key=self.key.public,
            log_vkey=self.log.verifier.vkey,
            origin=self.origin,
            addresses=addresses,
            tls_hashes=tls_hashes,
        )

    def check_named(self, roster: Roster) -> Relay:
        """The roster names these keys under this origin; gives its entry.

        Raises:
            VerifyError: `LOGIN` when it does not: no client would log in.
        """
        for relay in roster.relays:
            if (relay.key, relay.log_vkey, relay.origin) == (self.key.public, self.log.verifier.vkey, self.origin):
                return relay
        raise VerifyError(Code.LOGIN, f"the roster does not name the keys of {self.origin}")


def create_relay_keys(path: Path, origin: str) -> RelayKeys:
    """Make the key file, and its folder if need be; durable when it returns.

    Raises:
        UsageError: `MALFORMED` for an origin with spaces, plus or control characters; `CONFIG` when
            the file is there already: it is never overwritten.
        OperationalError: `DISK_FULL` or `STORE`; there is no file then.
    """
    # The log's own rules, before anything is written: an origin is for ever.
    Checkpoint(origin=origin, size=0, root=EMPTY_ROOT)
    seed, log_seed = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)
    skey = encode_skey(origin, log_seed)
    keys = RelayKeys(key=SigningKey.from_seed(seed), log=decode_skey(skey))
    text = f'{_ABOUT}relay = "{seed.hex()}"\nlog = {msgspec.json.encode(skey).decode()}\n'
    if path.exists():
        raise UsageError(Code.CONFIG, f"{path} is there already; keys are never overwritten")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Exclusive: between the question above and here another process may have made them.
        _create(path, text.encode())
    except OSError as error:
        code = Code.DISK_FULL if error.errno in _FULL else Code.STORE
        raise OperationalError(code, f"{path}: {error.strerror or 'cannot be written'}") from error
    return keys


def load_relay_keys(path: Path) -> RelayKeys:
    """Read the key file. No error shows any of it but the origin.

    Raises:
        UsageError: `NOT_INITIALISED` when it is missing; `CONFIG` when others can read it or it is not
            a key file.
    """
    data = _read_private(path)
    try:
        file = msgspec.toml.decode(data, type=_KeyFile)
        return RelayKeys(key=SigningKey.from_seed(bytes.fromhex(file.relay)), log=decode_skey(file.log))
    except (msgspec.MsgspecError, ValueError, AmanahError):
        # Not chained: what the parser quotes could be a part of a key.
        raise UsageError(Code.CONFIG, f"{path} is not a relay's key file; restore it from the backup") from None


def _create(path: Path, data: bytes) -> None:
    # O_EXCL: a link planted under this name is not followed, and no looser mode is taken over.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        _sync_folder(path.parent)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    # The name is durable only when the folder is: a roster must never name keys that a power cut took.
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read_private(path: Path) -> bytes:
    try:
        # Non-blocking, or a named pipe in its place would hang the program.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise UsageError(Code.NOT_INITIALISED, f"{path} is not there") from None
    except OSError as error:
        raise UsageError(Code.CONFIG, f"{path}: {error.strerror or 'cannot be read'}") from error
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(Code.CONFIG, f"{path} is not a file")
        if mode & 0o077:
            raise UsageError(Code.CONFIG, f"{path} can be read by others; run: chmod 600 {path}")
        return os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)
