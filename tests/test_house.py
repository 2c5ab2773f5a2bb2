"""The style of the house, held by tests: what ruff and mypy cannot see.

Each rule is a function over one source that returns what it found, so that the rule itself is
tested on a source that breaks it.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from coverage import Coverage

ROOT: Final = Path(__file__).resolve().parent.parent
MAX_FILE_LINES: Final = 600
MAX_FUNCTION_LINES: Final = 60
BANNED_NAMES: Final = {"common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}

LONG_FILES: Final = {
    "client/amanah_client/audit/verify/amanah-verify.py": "one file that an auditor can read, at most 700 lines",
}
"""Path -> why it is better long. An entry that is no longer needed fails too."""
LONG_FUNCTIONS: Final[dict[str, str]] = {}
"""`path::function` -> why it is better long. An entry that is no longer needed fails too."""

PURE: Final = {
    "amanah_relay": ("core", "admission", "quotas", "sequencer", "inputs", "effects"),
    "amanah_client": ("core", "rooms", "outbox", "monitor"),
}
ANSWERED: Final = Path("relay/amanah_relay/core/publish.py")
"""Where envelopes are taken for verified because the shell said so."""
IMPURE_CALLS: Final = {"breakpoint", "input", "print"}
IMPURE_IMPORTS: Final = {
    *("asyncio", "concurrent", "datetime", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random"),
    *("secrets", "select", "selectors", "shutil", "signal", "socket", "sqlalchemy", "sqlcipher3", "sqlite3", "ssl"),
    *("subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid", "websockets"),
}

DIRECTIVE: Final = re.compile(r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)?|type:\s*ignore(?:\[[^\]]*\])?)")
NO_COVER: Final = re.compile(r"#\s*pragma:\s*no (?:cover|branch)")
WORDS_OF_A_REASON: Final = 2

SCALE: Final = "AMANAH_" + "SCALE"
"""By how much `make campaign` lengthens a test; in two parts, so that this file does not read it."""

# Written in two parts, so that this file does not find itself.
REGISTRY_HOSTS: Final = ("pypi" + ".org", "python" + "hosted", "registry.npm" + "js", "deb.deb" + "ian.org")
MACHINE_PATHS: Final = re.compile(r"(?<![\w.~-])/(?:" + "ro" + "ot|wo" + "rk|ho" + r"me)/\w")


def tracked_files() -> list[Path]:
    """Every file that is or would be committed, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        paths = [Path(name) for name in listed.stdout.decode().split("\0") if name]
    else:  # an unpacked source distribution has no git
        paths = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
        paths = [path for path in paths if not any(made_by_tools(part) for part in path.parts)]
    return sorted(path for path in paths if (ROOT / path).is_file())


def made_by_tools(part: str) -> bool:
    """Whether a file or folder of this name is made, not written."""
    return part in {"build", "dist", "__pycache__"} or (part.startswith(".") and part not in {".ci", ".gitignore"})


@cache
def parsed(text: str) -> ast.Module:
    """A source as a tree; the rules share it."""
    return ast.parse(text)


@cache
def sources() -> dict[Path, str]:
    """Every Python file, with its text."""
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in tracked_files() if path.suffix == ".py"}


def find_everywhere(rule: Callable[[Path, str], Iterator[str]]) -> list[str]:
    """Apply a rule to every Python file."""
    return [found for path, text in sources().items() for found in rule(path, text)]


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function with its qualified name."""
    for node in ast.iter_child_nodes(tree):
        name = f"{prefix}{node.name}" if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) else ""
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield name, node
        yield from functions(node, f"{name}." if name else prefix)


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring: saying more about it is not held against it."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


@cache
def lengthened() -> tuple[Path, ...]:
    """What `make campaign` runs."""
    made = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^LENGTHENED := (.+)$", made, re.MULTILINE)
    return tuple(map(Path, line.split()))


def left_out_of_the_campaign(path: Path, text: str) -> Iterator[str]:
    """Tests that a campaign would lengthen, and does not run: their factor is always one."""
    if path.parts[0] != "tests" or path.name == "conftest.py" or any(path.is_relative_to(one) for one in lengthened()):
        return
    if SCALE in text:
        yield path.as_posix()
    for name, function in functions(parsed(text)):
        given = "".join(map(ast.unparse, function.decorator_list))
        if any(argument.arg == "scale" for argument in function.args.args) and "scale" not in given:
            yield f"{path.as_posix()}::{name}"


def long_file(path: Path, text: str) -> Iterator[str]:
    """A file that holds more than one concept, by its length."""
    if len(text.splitlines()) > MAX_FILE_LINES:
        yield path.as_posix()


def long_functions(path: Path, text: str) -> Iterator[str]:
    """Functions past the hard stop."""
    for name, function in functions(parsed(text)):
        if length(function) > MAX_FUNCTION_LINES:
            yield f"{path.as_posix()}::{name}"


def empty_names(path: Path, text: str) -> Iterator[str]:
    """Modules, folders and classes whose name says nothing."""
    for part in path.with_suffix("").parts:
        if BANNED_NAMES & set(part.lower().split("_")):
            yield f"{path}: the name {part!r}"
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.ClassDef):
            words = {word.lower() for word in re.findall(r"[A-Z][a-z0-9]*", node.name)}
            if BANNED_NAMES & words:
                yield f"{path}:{node.lineno}: the name {node.name!r}"


def unexplained_exceptions(path: Path, text: str) -> Iterator[str]:
    """Lint, type and coverage exceptions without a reason on the line or in the comment above it."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        reason = NO_COVER.sub("", DIRECTIVE.sub("", token.string))
        if reason == token.string:
            continue
        above = lines[token.start[0] - 2].strip() if token.start[0] > 1 else ""
        said = [reason, above if above.startswith("#") else ""]
        if max(len(re.findall(r"[^\W\d_]{2,}", text)) for text in said) < WORDS_OF_A_REASON:
            yield f"{path}:{token.start[0]}: {token.string} has no reason beside it"


def verified_made_elsewhere(path: Path, text: str) -> Iterator[str]:
    """`Verified(...)` anywhere but in a `verify_...` function of the protocol (attack 44)."""
    if path.parts[0] == "tests" or "Verified" not in text:
        return
    tree = parsed(text)
    allowed: set[int] = set()
    if path.parts[:2] == ("protocol", "amanah_protocol"):
        for name, function in functions(tree):
            if name.split(".")[-1].lstrip("_").startswith("verify_"):
                allowed.update(id(node) for node in ast.walk(function))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and id(node) not in allowed and called_name(node.func) == "Verified":
            yield f"{path}:{node.lineno}: Verified is made outside a verify_... function of the protocol"


def answers_taken_elsewhere(path: Path, text: str) -> Iterator[str]:
    """`verify_answered`, which believes its caller, anywhere but where the relay's shell answers (attack 44)."""
    if path.parts[0] == "tests" or path in (ANSWERED, Path("protocol/amanah_protocol/envelope.py")):
        return
    if "verify_answered" in text:
        yield f"{path}: verify_answered believes its caller; verify_envelope verifies"


def called_name(function: ast.expr) -> str:
    """The last name of what is called: `Verified` for `verified.Verified[Roster](...)`."""
    if isinstance(function, ast.Subscript):
        return called_name(function.value)
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def impure_parts(path: Path, text: str) -> Iterator[str]:
    """Clocks, randomness and IO in the pure parts (the protocol's imports are held by its `ruff.toml`)."""
    package, name = (path.parts[1], Path(path.parts[2]).stem) if len(path.parts) > 2 else ("", "")
    if package != "amanah_protocol" and name not in PURE.get(package, ()):
        return
    for node in ast.walk(parsed(text)):
        if isinstance(node, ast.Call) and called_name(node.func) in IMPURE_CALLS:
            yield f"{path}:{node.lineno}: a pure part calls {called_name(node.func)}"
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for imported in names:
            if imported.split(".")[0] in IMPURE_IMPORTS:
                yield f"{path}:{node.lineno}: a pure part imports {imported}"


def foreign_addresses(path: Path, text: str) -> Iterator[str]:
    """Addresses of package registries and paths of one machine."""
    for number, line in enumerate(text.splitlines(), start=1):
        found = [host for host in REGISTRY_HOSTS if host in line] + MACHINE_PATHS.findall(line)
        if found:
            yield f"{path}:{number}: {', '.join(found)}"


def test_files_are_of_six_hundred_lines_or_have_a_reason_in_the_allow_list() -> None:
    assert set(find_everywhere(long_file)) == set(LONG_FILES)
    assert all(LONG_FILES.values())


def test_functions_are_short_or_have_a_reason_in_the_allow_list() -> None:
    assert set(find_everywhere(long_functions)) == set(LONG_FUNCTIONS)
    assert all(LONG_FUNCTIONS.values())


def test_no_module_folder_or_class_has_an_empty_name() -> None:
    assert find_everywhere(empty_names) == []


def test_every_exception_to_a_rule_has_its_reason_beside_it() -> None:
    assert find_everywhere(unexplained_exceptions) == []


def test_only_verifiers_of_the_protocol_make_verified_values() -> None:
    assert find_everywhere(verified_made_elsewhere) == []


def test_only_the_relays_publish_believes_what_was_verified_elsewhere() -> None:
    assert find_everywhere(answers_taken_elsewhere) == []
    assert "verify_answered" in (ROOT / ANSWERED).read_text(encoding="utf-8")


def test_pure_parts_import_no_clock_no_randomness_and_no_io() -> None:
    assert find_everywhere(impure_parts) == []


def test_no_tracked_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found = []
    for path in tracked_files():
        try:
            text = (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:  # a binary sample has no addresses to read
            continue
        found += list(foreign_addresses(path, text))
    assert found == []


def test_whatever_a_campaign_would_lengthen_is_in_it() -> None:
    assert find_everywhere(left_out_of_the_campaign) == []
    assert all((ROOT / path).exists() for path in lengthened())


def test_the_files_that_the_rules_read_are_there() -> None:
    assert {Path("tests/test_house.py"), Path("protocol/amanah_protocol/verified.py")} <= set(sources())


RELAY: Final = Path("relay/amanah_relay/core.py")
ELSEWHERE: Final = Path("tests/protocol/test_ways.py")
PROTOCOL: Final = Path("protocol/amanah_protocol/roster.py")
BROKEN: Final[list[tuple[Callable[[Path, str], Iterator[str]], Path, str, str]]] = [
    (long_file, RELAY, "x = 1\n" * 600, "x = 1\n" * 601),
    (long_functions, RELAY, "def f():\n" + "    g()\n" * 59, "def f():\n" + "    g()\n" * 60),
    (
        long_functions,
        RELAY,
        'def f():\n    """A.\n\n    B.\n    """\n' + "    g()\n" * 59,
        "def f():\n" + "    g()\n" * 60,
    ),
    (empty_names, RELAY, "class Roster: ...", "class RosterManager: ..."),
    (unexplained_exceptions, RELAY, "f()  # noqa: S101 - the reason is here", "f()  # noqa: S101"),
    (unexplained_exceptions, RELAY, "f()  # type: ignore[misc]  # stub is wrong", "f()  # type: ignore[misc]"),
    (unexplained_exceptions, RELAY, "# kept for the shell\nf()  # pragma: no cover", "f()  # pragma: no cover"),
    (verified_made_elsewhere, PROTOCOL, "def verify_a():\n    Verified(1)", "def decode_a():\n    Verified(1)"),
    (verified_made_elsewhere, PROTOCOL, "def _verify_a():\n    Verified[int](1)", "v.Verified[int](value=1)"),
    (verified_made_elsewhere, RELAY, "def f(a: Verified[int]): ...", "def verify_a():\n    Verified(1)"),
    (answers_taken_elsewhere, RELAY, "verify_envelope(e, key)", "verify_answered(e, holds=True)"),
    (left_out_of_the_campaign, ELSEWHERE, "def test_a(part: int): ...", "def test_a(scale: int): ..."),
    (left_out_of_the_campaign, ELSEWHERE, '@parametrize("scale", [1])\ndef test_a(scale): ...', f"X = '{SCALE}'"),
    (impure_parts, RELAY, "import dataclasses", "import time"),
    (impure_parts, RELAY, "from collections import abc", "from os.path import join"),
    (impure_parts, PROTOCOL, "f()", "input()"),
    (foreign_addresses, RELAY, "x = 'cert.example.tn'", "x = 'https://files.python" + "hosted.example'"),
    (foreign_addresses, RELAY, "x = 'relay/work/er'", "x = '/wo" + "rk/main'"),
]


@pytest.mark.parametrize(("rule", "path", "right", "wrong"), BROKEN)
def test_a_rule_lets_the_right_source_pass_and_finds_the_wrong_one(
    rule: Callable[[Path, str], Iterator[str]], path: Path, right: str, wrong: str
) -> None:
    assert list(rule(path, right)) == []
    assert len(list(rule(path, wrong))) == 1


def test_a_module_with_an_empty_name_is_found() -> None:
    assert len(list(empty_names(Path("relay/amanah_relay/store_utils.py"), ""))) == 1


def test_what_is_not_to_be_counted_is_not_measured_all_the_same() -> None:
    assert Coverage.current() is None  # this file is among it, and a worker is measured by more than what pauses for it
