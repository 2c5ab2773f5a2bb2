"""Planted faults: each check of the engine switched off, one at a time, in the code that runs.

The checks are found in the source: a `raise InvalidError(...)`, a call of a `check_...` or `verify_...` function that
stands by itself, and each part of an `or` that leads to a refusal. A case of the negative table has to notice.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, ModuleType
from typing import Final

import pytest

from amanah_protocol import mls

CHECK: Final = re.compile(r"_?(check|verify)_\w+")
Path = tuple[tuple[str, int | None], ...]
"""From the module down to one node: fields, and places in lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A check that is switched off.

    Attributes:
        module: Where it stands.
        function: Its function's qualified name.
        what: The check, in source.
        rules: The rules that it names; empty if it calls another check.
        path: The statement.
        operand: Which part of an `or` is left out; None switches the whole off.
    """

    module: str
    function: str
    what: str
    rules: frozenset[str]
    path: Path
    operand: int | None = None

    @property
    def name(self) -> str:
        """Tells it from the others of its function."""
        return f"{self.module}:{self.function}: {self.what}"

    def plant(self, patch: pytest.MonkeyPatch) -> None:
        """Put the function without the check in the place of the real one."""
        module = _module(self.module)
        tree = ast.parse(inspect.getsource(module))
        _switch_off(tree, self.path, self.operand)
        code = compile(ast.fix_missing_locations(tree), str(module.__file__), "exec")
        patch.setattr(_live(module, self.function), "__code__", _code_of(code, self.function))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{mls.__name__}.{name}")


def _live(module: ModuleType, function: str) -> FunctionType:
    found: object = module
    for part in function.split("."):
        found = inspect.getattr_static(found, part)
    found = getattr(found, "__func__", found)
    assert isinstance(found, FunctionType), function
    return found


def _code_of(code: CodeType, function: str) -> CodeType:
    return next(found for found in _codes(code) if found.co_qualname == function)


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _switch_off(tree: ast.AST, path: Path, operand: int | None) -> None:
    found: object = tree
    for field, place in path[:-1]:
        found = getattr(found, field) if place is None else getattr(found, field)[place]
    field, place = path[-1]
    assert place is not None
    statements = getattr(found, field)
    if operand is None:
        statements[place] = ast.Pass()
    else:
        values = statements[place].test.values
        del values[operand]
        if len(values) == 1:
            statements[place].test = values[0]


def mutants() -> list[Mutant]:
    """Every check of the engine."""
    found: list[Mutant] = []
    for module in pkgutil.iter_modules(mls.__path__):
        tree = ast.parse(inspect.getsource(_module(module.name)))
        found += _of_body(module.name, "", tree, ())
    return found


def _of_body(module: str, function: str, node: ast.AST, path: Path) -> Iterator[Mutant]:
    for field, value in ast.iter_fields(node):
        for place, child in enumerate(value) if isinstance(value, list) else ():
            below = (*path, (field, place))
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                name = f"{function}.{child.name}" if function else child.name
                yield from _of_body(module, name, child, below)
            elif isinstance(child, ast.stmt | ast.excepthandler):
                if function and isinstance(child, ast.stmt):
                    yield from _of_statement(module, function, child, below)
                yield from _of_body(module, function, child, below)


def _is_refusal(node: ast.stmt) -> bool:
    """Whether a statement refuses by a rule."""
    return isinstance(node, ast.Raise) and node.exc is not None and ast.unparse(node.exc).startswith("InvalidError(")


def _is_check(node: ast.stmt) -> bool:
    """Whether a statement does nothing but call a check."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    return CHECK.fullmatch(ast.unparse(node.value.func).rpartition(".")[2]) is not None


def _of_statement(module: str, function: str, node: ast.stmt, path: Path) -> Iterator[Mutant]:
    rules = frozenset(re.findall(r"Rule\.(\w+)", ast.unparse(node)))
    mutant = Mutant(module=module, function=function, what=ast.unparse(node), rules=rules, path=path)
    if _is_refusal(node) or _is_check(node):
        yield mutant
    elif isinstance(node, ast.If) and isinstance(node.test, ast.BoolOp) and isinstance(node.body[0], ast.Raise):
        operands = node.test.values if isinstance(node.test.op, ast.Or) else []
        for operand, value in enumerate(operands):
            yield replace(mutant, what=f"or {ast.unparse(value)}", operand=operand)
