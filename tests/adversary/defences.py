"""The defences, and how a test takes one away: one check each, and nothing else.

A green attack suite proves nothing if the attack would not work anyway. So every attack is played
once more with the one check that stops it cut out of the running code, and then it has to succeed.
The check is named by its own text: when the code around it is written anew, the switch does not
find it any more and says so.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, Final

from amanah_client.audit import record as examination
from amanah_client.core import checks, heads, invite, membership, monitor, opening, place, senders
from amanah_protocol import cbor, cose, identity, roster, rooms, session
from amanah_protocol.group.flat import keypackage
from amanah_relay.core import login as relay_login
from amanah_relay.core import publish as relay_publish

NEVER: Final = "False"
ALWAYS: Final = "True"
NOTHING: Final = "None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defence:
    """One check.

    Attributes:
        attacks: Numbers of the attacks that it stops.
        function: Where it stands.
        check: The expression that is the check, as `ast.unparse` writes it.
        off: What stands in its place when it is off.
    """

    attacks: tuple[int, ...]
    function: Callable[..., Any]
    check: str
    off: str = NEVER


DEFENCES: Final[dict[str, Defence]] = {
}


class _Cut(ast.NodeTransformer):
    """Replaces an expression by its text, and counts how often it stood there."""

    def __init__(self, check: str, off: str) -> None:
        self._check = check
        self._off = off
        self.found = 0

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace the node, or look inside it."""
        if isinstance(node, ast.expr) and ast.unparse(node) == self._check:
            self.found += 1
            return ast.copy_location(ast.parse(self._off, mode="eval").body, node)
        return super().visit(node)  # type: ignore[no-any-return]  # the visitor's own type is Any


def without(function: FunctionType, check: str, off: str) -> CodeType:
    """The code of a function with one expression replaced.

    Raises:
        LookupError: The expression does not stand there exactly once.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    cut = _Cut(check, off)
    changed = ast.fix_missing_locations(cut.visit(tree))
    if cut.found != 1:
        raise LookupError(f"{function.__qualname__} holds {check!r} {cut.found} times, once is wanted")
    # A file name of its own, so that a run without a check counts for no one's coverage.
    whole = compile(changed, f"<{function.__qualname__} without a check>", "exec", dont_inherit=True)
    return next(found for found in _codes(whole) if found.co_name == function.__name__)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


@contextmanager
def switched_off(name: str) -> Iterator[None]:
    """Run without a defence."""
    defence = DEFENCES[name]
    function = inspect.unwrap(defence.function)
    assert isinstance(function, FunctionType)
    whole = function.__code__
    function.__code__ = without(function, defence.check, defence.off)
    try:
        yield
    finally:
        function.__code__ = whole
