"""`Verified[T]`: a value whose signature and authority were checked.

Functions that act on signed things take `Verified[...]`. Only the verifiers of this package make
one (`tests/protocol/test_verified.py` reads the sources and fails on any other), so an unsigned
path cannot be written by accident (attack 44).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Verified(Generic[T_co]):
    """A checked value.

    Attributes:
        value: The value; nothing else is carried, so that it cannot be told apart by accident.
    """

    value: T_co
