"""A world that stands is copied with all that is planned in it: setting one up takes longer than most attacks.

`pickle` does the walking. What it does not know is said here: functions with what they have closed
over. What it cannot know, such as open files, is no part of a picture, and whoever copies says what
stands for it.
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Callable
from types import CellType, CodeType, FunctionType, MappingProxyType
from typing import Any


class Picture:
    """Of an object, with all that it leads to."""

    def __init__(self, thing: object, *outside: type) -> None:
        """Take it.

        Args:
            thing: What is copied.
            outside: Types whose objects are not copied.
        """
        self._shared: list[Any] = []
        self._outside = outside
        file = io.BytesIO()
        _Writer(file, self._shared, outside).dump(thing)
        self._data = file.getvalue()

    def copy(self, again: Callable[[Any], Any]) -> Any:  # noqa: ANN401 - whatever it is a picture of
        """A copy that has nothing in common with the original that could change.

        Args:
            again: Gives what stands for each object of the types outside.
        """
        shared = [again(one) if isinstance(one, self._outside) else one for one in self._shared]
        return _Reader(io.BytesIO(self._data), shared).load()


class _Writer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, shared: list[Any], outside: tuple[type, ...]) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self._shared = shared
        self._kinds = (CodeType, *outside)
        self._numbers: dict[int, int] = {}

    def persistent_id(self, thing: object) -> int | None:
        """Code, and what lies outside."""
        if not isinstance(thing, self._kinds):
            return None
        number = self._numbers.setdefault(id(thing), len(self._shared))
        if number == len(self._shared):
            self._shared.append(thing)
        return number

    def reducer_override(self, thing: Any) -> Any:  # noqa: ANN401 - as `pickle` has it
        """How to make what `pickle` does not know."""
        match thing:
            case FunctionType() if "<" in thing.__qualname__:
                parts = (thing.__name__, thing.__defaults__, thing.__closure__)
                return _function, (thing.__module__, thing.__code__, parts)
            case CellType():  # on its own, for what it holds may lead back to it
                return _cell, (), thing.cell_contents, None, None, _fill
            case MappingProxyType():
                return _read_only, (dict(thing),)
        return NotImplemented


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: list[Any]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401 - as `pickle` has it
        """What stands for the object of this number."""
        return self._shared[pid]


def _function(module: str, code: CodeType, parts: tuple[Any, ...]) -> FunctionType:
    return FunctionType(code, vars(sys.modules[module]), *parts)


def _cell() -> CellType:
    return CellType()


def _fill(cell: CellType, contents: object) -> None:
    cell.cell_contents = contents


def _read_only(contents: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(contents)
