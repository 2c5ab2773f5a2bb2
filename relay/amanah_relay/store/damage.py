"""How a damaged row is told from a whole one, and what reading one raises."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import TypeAlias, TypeVar

import msgspec

from amanah_protocol.errors import Code, OperationalError

Cell: TypeAlias = "int | bytes | str | bool | None"

T = TypeVar("T")

_encode = msgspec.msgpack.Encoder().encode


def checksum(*cells: Cell) -> int:
    """CRC-32 over cells in a fixed order, each with its type and length.

    A CRC, because it guards against a failing disk alone: whoever can write to the store can also
    write a checksum, and meets the signatures and the log instead.
    """
    return zlib.crc32(_encode(cells))


def check_row(stored: object, *cells: Cell, what: str) -> None:
    """The cells are those that the checksum was made of.

    Raises:
        OperationalError: `DAMAGED`.
    """
    if stored != checksum(*cells):
        raise damaged(what)


def damaged(what: str) -> OperationalError:
    """The error for what must not be served."""
    return OperationalError(Code.DAMAGED, f"damaged store: {what}")


def only(found: T | None, what: str) -> T:
    """A row that has to be there.

    Raises:
        OperationalError: `DAMAGED`.
    """
    if found is None:
        raise damaged(what)
    return found


def split(data: bytes, width: int, what: str, make: Callable[[bytes], T]) -> tuple[T, ...]:
    """Cut a cell of concatenated values of `width` bytes.

    Raises:
        OperationalError: `DAMAGED` when it does not divide.
    """
    if len(data) % width:
        raise damaged(what)
    return tuple(make(data[at : at + width]) for at in range(0, len(data), width))
