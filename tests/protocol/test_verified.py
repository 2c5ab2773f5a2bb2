"""A `Verified[T]` comes from a verifier of the protocol and from nowhere else (attack 44)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Final

import pytest

from amanah_protocol import envelope
from amanah_protocol.verified import Verified
from tests.vectors import examples as x

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PACKAGES: Final = ("protocol/amanah_protocol", "relay/amanah_relay", "client/amanah_client")

VERIFIERS: Final = {
    "envelope.py": {"verify_answered"},
    "heads.py": {"verify_control_head", "verify_room_head"},
    "roster.py": {"verify_roster", "verify_certificate"},
    "receipt.py": {"verify_receipt"},
    "checkpoint.py": {"verify_checkpoint"},
}
"""Verifiers that must be found, so that the search itself is known to work; others may be added."""


def harmless(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node inside an annotation, an alias of a type, a pattern or an `isinstance`."""
    for node in ast.walk(tree):
        found = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "TypeAlias":
            found.append(node.value)
        if isinstance(node, ast.MatchClass):
            found.append(node.cls)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
            found += node.args
        for part in found:
            if part is not None:
                yield from ast.walk(part)


def makers(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Where the name `Verified` could make a value, with the function around it."""
    ignored = {id(node) for node in harmless(tree)}
    around = {
        id(node): function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        named = isinstance(node, ast.Name) and node.id == "Verified"
        attribute = isinstance(node, ast.Attribute) and node.attr == "Verified"
        if (named or attribute) and id(node) not in ignored:
            yield around.get(id(node), "<module>"), node


def offences(tree: ast.Module, *, in_protocol: bool) -> Iterator[str]:
    """What makes, or could make, a `Verified` outside a verifier."""
    for function, node in makers(tree):
        if not (in_protocol and function.startswith("verify_")):
            yield f"{getattr(node, 'lineno', 0)}: used in {function}"
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "Verified" and alias.asname for alias in node.names):
            yield f"{node.lineno}: imported under another name"
        if isinstance(node, ast.Call) and any(keyword.arg == "value" for keyword in node.keywords):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name == "replace":
                yield f"{node.lineno}: a value is replaced"


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.name != "verified.py")


def test_only_verifiers_of_the_protocol_make_a_verified_value() -> None:
    found = []
    for path in sources():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        in_protocol = path.is_relative_to(ROOT / PACKAGES[0])
        found += [f"{path.relative_to(ROOT)}:{offence}" for offence in offences(tree, in_protocol=in_protocol)]
    assert found == []


def test_the_verifiers_are_found() -> None:
    found: dict[str, set[str]] = {}
    for path in sources():
        for function, _ in makers(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(path.name, set()).add(function)
    assert all(functions <= found[name] for name, functions in VERIFIERS.items())


@pytest.mark.parametrize(
    "source",
    [
        "def decode_it(data):\n    return Verified(data)",
        "def verify(data):\n    return Verified[int](data)",
        "it = Verified(1)",
        "def f():\n    return verified.Verified(1)",
        "def f():\n    return object.__new__(Verified)",
        "make = Verified",
        "from amanah_protocol.verified import Verified as V",
        "def f(a):\n    return replace(a, value=1)",
        "def f(a):\n    return dataclasses.replace(a, value=1)",
    ],
)
def test_each_way_around_a_verifier_is_found(source: str) -> None:
    assert len(list(offences(ast.parse(source), in_protocol=True))) == 1


def test_a_verifier_outside_the_protocol_is_none() -> None:
    source = ast.parse("def verify_it(a: Verified[int]) -> Verified[int]:\n    return Verified(1)")
    assert len(list(offences(source, in_protocol=False))) == 1
    assert list(offences(source, in_protocol=True)) == []


def test_naming_the_type_is_not_making_a_value() -> None:
    source = """
from amanah_protocol.verified import Verified
x: Verified[int]
Y: TypeAlias = Verified[int] | None
def f(a: Verified[int] | None) -> Verified[int]:
    match a:
        case Verified(value=1): ...
    return isinstance(a, Verified)
"""
    assert list(offences(ast.parse(source), in_protocol=False)) == []


def test_a_verified_value_cannot_be_exchanged() -> None:
    verified = envelope.verify_envelope(x.message(), x.OFFICER.public)
    assert verified == Verified(x.message())
    with pytest.raises(FrozenInstanceError):
        verified.value = x.message(counter=10)  # type: ignore[misc]  # the type says so too
    with pytest.raises((AttributeError, TypeError)):
        verified.other = 1  # type: ignore[attr-defined]  # the same
