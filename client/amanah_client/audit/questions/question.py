"""What a question is: a name, a sentence, parameters, the columns of its rows, and the function that answers it.

Parameters and columns stand beside the fields they describe (`Annotated`), so that a verb, a page and the
answer in JSON all say the same of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar, get_type_hints

if TYPE_CHECKING:
    from amanah_client.audit.questions.case import Case

MAX_NAMED: Final = 20
"""Entries that one row names as its proof; the others are counted."""

P = TypeVar("P")
R = TypeVar("R")


class Takes(StrEnum):
    """What a parameter is."""

    NATION = "nation"
    ROOM = "room"
    MESSAGE = "message"
    ENTRY = "entry"
    DEVICE = "device"
    LABEL = "label"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a question is told: what it is, and a help line for people."""

    takes: Takes
    help: str


class Cell(StrEnum):
    """What stands in a column; None stands in any of them where there is nothing to say."""

    TEXT = "text"
    NUMBER = "number"
    TIME = "time"
    """Milliseconds of Unix time."""
    DURATION = "duration"
    """Milliseconds."""
    WHO = "who"
    """`report.Who`."""
    ROOM = "room"
    """A room's id."""
    ENTRY = "entry"
    """A log index."""
    LABEL = "label"
    """`labels.Label`."""
    PROOF = "proof"
    """`Proof`."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an answer: its heading for people, and what stands in it."""

    heading: str
    cell: Cell = Cell.TEXT


class Proof(NamedTuple):
    """The entries of the log that prove a row.

    Attributes:
        indices: Their log indices, at most `MAX_NAMED`.
        more: How many further ones there are.
    """

    indices: tuple[int, ...] = ()
    more: int = 0


def proof(*indices: int | None) -> Proof:
    """The proof by these entries, ascending, each once."""
    known = sorted({index for index in indices if index is not None})
    return Proof(tuple(known[:MAX_NAMED]), max(0, len(known) - MAX_NAMED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found(Generic[R]):
    """What a question found.

    Attributes:
        said: The answer in sentences, the one that counts first.
        rows: What it rests on.
        left_out: Rows beyond the limit.
        limits: What this answer cannot say, in sentences.
    """

    said: tuple[str, ...]
    rows: tuple[R, ...] = ()
    left_out: int = 0
    limits: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[P, R]):
    """One question that a record answers.

    Attributes:
        name: As it is typed.
        sentence: The question in plain English.
        params: A dataclass; each field is a parameter, one without a default is required.
        row: A dataclass; each field is a column.
        run: Answers it.
    """

    name: str
    sentence: str
    params: type[P]
    row: type[R]
    run: Callable[[Case, P], Found[R]]

    @property
    def parameters(self) -> dict[str, Parameter]:
        """By the name of the field."""
        return _described(self.params, Parameter)

    @property
    def required(self) -> tuple[str, ...]:
        """Parameters that it cannot do without."""
        described: Any = self.params
        return tuple(field.name for field in fields(described) if field.default is MISSING)

    @property
    def columns(self) -> dict[str, Column]:
        """By the name of the field."""
        return _described(self.row, Column)


D = TypeVar("D", Parameter, Column)


def _described(described: type[object], kind: type[D]) -> dict[str, D]:
    hints = get_type_hints(described, include_extras=True)
    return {name: next(mark for mark in hint.__metadata__ if isinstance(mark, kind)) for name, hint in hints.items()}
