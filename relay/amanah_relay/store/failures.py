"""What goes wrong below the store, turned into the project's errors."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import exc

from amanah_protocol.errors import Code, OperationalError

_FULL_ERRNO: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
# Growing the shared-memory index beside the WAL fails with a code of its own when the disk is full.
_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn errors of driver and system into `OperationalError`.

    Raises:
        OperationalError: `DISK_FULL`; `DAMAGED` where the database itself finds its pages broken;
            `STORE` for anything else.
    """
    try:
        yield
    except exc.DBAPIError as error:
        raise _from_driver(error.orig) from error
    except sqlite3.Error as error:
        raise _from_driver(error) from error
    except OSError as error:
        code = Code.DISK_FULL if error.errno in _FULL_ERRNO else Code.STORE
        raise OperationalError(code, f"{error.filename or 'the store'}: {error.strerror}") from error


def _from_driver(error: BaseException | None) -> OperationalError:
    extended = getattr(error, "sqlite_errorcode", 0)
    codes = {extended, extended & 0xFF}
    if codes & _FULL:
        return OperationalError(Code.DISK_FULL, f"the store cannot grow: {error}")
    if codes & _DAMAGED:
        return OperationalError(Code.DAMAGED, f"the store's file is damaged: {error}")
    return OperationalError(Code.STORE, f"the store failed: {error}")
