"""The right to serve a store: one process has it, for as long as it runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from amanah_protocol.errors import Code, OperationalError
from amanah_relay.store.engine import Database
from amanah_relay.store.failures import store_errors

_PRIVATE: Final = 0o600
_MOST_DIGITS: Final = 20
_HINT: Final = "Nothing is to be done; to start it anew, stop the other one first."


@contextmanager
def held_alone(url: str) -> Iterator[None]:
    """Serve a store, and be the only process that does.

    Two processes on one store would sequence one log twice. A port keeps the second out too late, after the store
    is open, and not at all where the two listen on different ones. The kernel gives the right back however the
    process ends. The lock has a file of its own beside the store's: closing any descriptor of the store's file would
    drop the locks that SQLite has on it.

    Args:
        url: `sqlite:///PATH`, as `Store.open` takes it.

    Raises:
        UsageError: `CONFIG`, as `Store.open` raises it.
        OperationalError: `STORE` when another process serves it, named by its number; or when the lock cannot be made.
    """
    store = Database(url).file
    store.check()
    # By its real place: a link to a store is the same store.
    path = Path(f"{store.path.resolve()}.lock")
    with store_errors():
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE)
        _give_to_owner(descriptor, store.path)
    try:
        with store_errors():
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OperationalError(Code.STORE, _taken(descriptor, store.path), hint=_HINT) from None
            _name_holder(descriptor)
        yield
    finally:
        os.close(descriptor)


def _give_to_owner(descriptor: int, store: Path) -> None:
    """Of a start as root nothing stays that keeps the service's own user out."""
    if os.geteuid() == 0:
        owner = store.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _name_holder(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)


def _taken(descriptor: int, store: Path) -> str:
    # Empty for the moment between taking the lock and saying who did.
    number = os.pread(descriptor, _MOST_DIGITS, 0).strip()
    by = f", as process {int(number)}" if number.isdigit() else ""
    return f"this relay is running already{by}, on {store}"
