"""The single file as a program: what it is made of, what it says, and with what it ends."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from amanah_protocol.cards import Armour, armour
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.policy import encode_policy, policy_of_roster
from tests.client.audit.world import NOW_MS
from tests.vectors import examples as x
from tests.verify.bundles import ROSTER, SCRIPT, TOLD, VERIFIER, WITNESSED, honest, witnessed
from tests.verify.test_bundle_faults import changed

MAX_LINES = 700
POLICY = encode_policy(policy_of_roster(x.roster_of()))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "good.amanah").write_bytes(honest().encode())
    rows = TOLD.rows()
    rows[19], rows[20] = rows[20], rows[19]
    (tmp_path / "bad.amanah").write_bytes(honest(rows=rows).encode())
    (tmp_path / "roster").write_bytes(ROSTER)
    (tmp_path / "roster.txt").write_text(f"Dear colleagues,\n\n{armour(Armour.ROSTER, ROSTER)}\nRegards\n")
    (tmp_path / "policy").write_bytes(POLICY)
    (tmp_path / "policy-alone").write_bytes(b"".join(POLICY.splitlines(keepends=True)[:-1]))
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """Run it in this process: exit code and standard output."""
    code = VERIFIER.main([str(argument) for argument in arguments])
    assert isinstance(code, int)
    return code, capsys.readouterr().out


# ---- what it is made of


def test_it_has_at_most_seven_hundred_lines() -> None:
    assert len(SCRIPT.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def imported(source: str) -> set[str]:
    """The top-level packages that a source imports, and the names of functions that import or run others."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." * node.level + (node.module or "").split(".")[0])
        elif isinstance(node, ast.Name) and node.id in {"__import__", "eval", "exec", "compile"}:
            found.add(node.id)
    return found


def test_it_imports_the_standard_library_and_pynacl_alone() -> None:
    assert imported(SCRIPT.read_text(encoding="utf-8")) - sys.stdlib_module_names == {"nacl"}


@pytest.mark.parametrize(
    "line", ["import amanah_protocol.cbor", "from amanah_client import audit", "from . import x", "__import__('cbor2')"]
)
def test_another_import_would_be_noticed(line: str) -> None:
    assert imported(line) - sys.stdlib_module_names


def test_it_opens_no_socket_and_starts_no_program() -> None:
    assert not imported(SCRIPT.read_text(encoding="utf-8")) & {"socket", "ssl", "subprocess", "urllib", "os", "ctypes"}


@pytest.fixture
def alone(tmp_path: Path) -> list[str]:
    """Isolated Python that finds PyNaCl, what that is made of, and nothing else that is installed."""
    folder = tmp_path / "only"
    folder.mkdir()
    for name in ("nacl", "_cffi_backend"):
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if spec.submodule_search_locations else origin
        (folder / source.name).symlink_to(source)
    run = (
        "import runpy, sys; sys.path.append(sys.argv[1]); script = sys.argv[2]; sys.argv = sys.argv[2:]; "
        "runpy.run_path(script, run_name='__main__')"
    )
    return [sys.executable, "-I", "-S", "-c", run, str(folder)]


def test_it_runs_where_nothing_but_pynacl_is_installed(alone: list[str], files: Path) -> None:
    found = subprocess.run(
        [*alone, str(SCRIPT), str(files / "good.amanah"), "--roster", str(files / "roster")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert "HOLDS, anchored in what you gave." in found.stdout


def test_what_is_not_pynacl_is_not_found_there(alone: list[str], tmp_path: Path) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text("import nacl.signing\nimport cbor2\n")
    found = subprocess.run([*alone, str(probe)], capture_output=True, text=True, check=False)
    assert "No module named 'cbor2'" in found.stderr


# ---- what it says


@pytest.mark.parametrize("anchor", [["--roster", "roster"], ["--roster", "roster.txt"], ["--policy", "policy"]])
def test_a_bundle_that_holds_ends_with_0(capsys: pytest.CaptureFixture[str], files: Path, anchor: list[str]) -> None:
    code, text = said(capsys, files / "good.amanah", anchor[0], files / anchor[1])
    assert code == 0
    assert "verdict: HOLDS, anchored in what you gave." in text
    assert "\nnot checked here: RFC 3161 time stamps\nverdict: " in text
    assert f"sha256:{x.roster_of().endorsed.hash.hex()}" in text


def test_without_anything_of_ones_own_it_is_anchored_in_nothing(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    code, text = said(capsys, files / "good.amanah")
    assert code == 5
    assert "CONSISTENT, BUT ANCHORED IN NOTHING" in text
    assert f"sha256:{x.roster_of().endorsed.hash.hex()}" in text


def test_a_bundle_that_does_not_hold_names_the_first_bad_entry(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, text = said(capsys, files / "bad.amanah", "--roster", files / "roster")
    assert code == 5
    assert "DOES NOT HOLD" in text
    assert "first at log index 19: another row, or one too many" in text


def test_what_does_not_hold_is_anchored_in_nothing(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    _, text = said(capsys, files / "bad.amanah", "--roster", files / "roster")
    assert "anchored" not in text
    _, text = said(capsys, files / "bad.amanah", "--roster", files / "roster", "--json")
    assert json.loads(text)["anchored"] is False


def test_what_people_read_is_words_and_nothing_of_the_language(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, files: Path
) -> None:
    odd = tmp_path / "odd.amanah"
    odd.write_bytes(honest(members=changed(leaves=b"\x44none")).encode())
    rows = TOLD.rows()
    rows[19] = structs.replace(rows[19], hash=b"short")
    (tmp_path / "short.amanah").write_bytes(honest(rows=rows).encode())
    for name in ("good.amanah", "bad.amanah", "odd.amanah", "short.amanah"):
        _, text = said(capsys, files / name, "--roster", files / "roster")
        assert re.search(r"True|False|None|\[|\('|b'|range\(|slice\(|<class", text) is None, text


def test_that_no_witness_has_dated_a_record_is_remarked(
    capsys: pytest.CaptureFixture[str], files: Path, tmp_path: Path
) -> None:
    _, text = said(capsys, files / "good.amanah", "--roster", files / "roster")
    assert "\nremarks: no witness has dated the leaves from 0 on\n" in text
    dated = tmp_path / "dated.amanah"
    dated.write_bytes(witnessed([NOW_MS // 1000 + 60] * 3, TOLD).encode())
    (tmp_path / "witnessed").write_bytes(WITNESSED.encode())
    code, text = said(capsys, dated, "--roster", tmp_path / "witnessed")
    assert (code, "\nremarks: nothing\n" in text) == (0, True), text


def test_a_member_that_was_altered_is_named(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    for name in ("entries.csv", "report.html"):
        (files / "odd.amanah").write_bytes(honest(members=changed(**{name.replace(".", "_"): b"another"})).encode())
        code, text = said(capsys, files / "odd.amanah", "--roster", files / "roster")
        assert (code, f"altered since the manifest was made: {name}\n" in text) == (5, True), text


def test_a_policy_of_another_community_is_said_to_be_one(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    other = NoteSigner(name="relay.other/log", key=x.key("another log"), kind=SignatureType.ED25519)
    (files / "other").write_text(f"log {other.verifier.vkey}\nquorum none\nroster sha256:{bytes(32).hex()}\n")
    code, text = said(capsys, files / "good.amanah", "--policy", files / "other")
    assert code == 5
    assert f"the policy is of the log relay.other/log, the bundle of another, {x.ORIGIN}" in text


# ---- a checkpoint that is remembered


def remembered(capsys: pytest.CaptureFixture[str], files: Path, note: bytes, *more: str) -> tuple[int, str]:
    """Exit code, and what was said, when this is what somebody kept."""
    (files / "note").write_bytes(note)
    anchor = ["--roster", str(files / "roster")] if not more else []
    try:
        code = VERIFIER.main([str(files / "good.amanah"), "--remembered", str(files / "note"), *anchor])
    except SystemExit as ended:
        code = int(str(ended.code))
    out = capsys.readouterr()
    return code, out.out + out.err


def test_a_remembered_checkpoint_counts_if_the_log_signed_it(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    genuine = TOLD.log.checkpoint()
    code, text = remembered(capsys, files, genuine)
    assert (code, "It continues what you remembered." in text) == (0, True)
    seen = Checkpoint(origin=x.ORIGIN, size=TOLD.log.size, root=TOLD.log.root)
    thief = NoteSigner(name=x.ORIGIN, key=x.key("thief"), kind=SignatureType.ED25519)
    other = NoteSigner(name="relay.other/log", key=x.key("log"), kind=SignatureType.ED25519)
    lines = genuine.split(b"\n")
    signature = bytearray(base64.b64decode(lines[-2].split(b" ")[2]))
    signature[-1] ^= 1
    damaged = b"\n".join([*lines[:-2], lines[-2].rsplit(b" ", 1)[0] + b" " + base64.b64encode(signature), b""])
    for note in (
        sign_checkpoint(seen, thief),
        sign_checkpoint(replace(seen, origin=other.name), other),
        damaged,
    ):
        code, text = remembered(capsys, files, note)
        assert (code, "error: the remembered checkpoint: " in text) == (2, True), text
        code, text = remembered(capsys, files, note, "anchored in nothing")
        assert (code, "DOES NOT HOLD" in text, "the remembered checkpoint: " in text) == (5, True, True), text


def test_machines_get_the_same(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    code, text = said(capsys, files / "good.amanah", "--roster", files / "roster", "--json")
    found = json.loads(text)
    assert (code, found["holds"], found["anchored"], found["first"], found["faults"]) == (0, True, True, None, [])
    assert (found["log"], found["size"], found["root"]) == (x.ORIGIN, TOLD.log.size, TOLD.log.root.hex())
    code, text = said(capsys, files / "bad.amanah", "--roster", files / "roster", "--json")
    found = json.loads(text)
    assert (code, found["holds"], found["first"][0], found["faults"][0]) == (5, False, 19, found["first"])


def test_a_policy_without_a_roster_line_needs_a_roster(capsys: pytest.CaptureFixture[str], files: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        VERIFIER.main([str(files / "good.amanah"), "--policy", str(files / "policy-alone")])
    assert ended.value.code == 2
    assert "give --roster too" in capsys.readouterr().err
    code, _ = said(capsys, files / "good.amanah", "--policy", files / "policy-alone", "--roster", files / "roster")
    assert code == 0


@pytest.mark.parametrize(
    "arguments", [["nothing.amanah"], [], ["good.amanah", "--roster", "policy"], ["good.amanah", "--policy", "roster"]]
)
def test_a_wrong_call_ends_with_2(capsys: pytest.CaptureFixture[str], files: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        VERIFIER.main([one if one.startswith("--") else str(files / one) for one in arguments])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_nothing_from_a_bundle_steers_a_terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "odd.amanah"
    path.write_bytes(honest(policy=b"log \xc2\x9b2J\nquorum none\n").encode())
    said(capsys, path)
    hostile = x.endorsed(x.roster_document(1, community="\x1b[2J\u202eelbuod"), *x.custodians(*x.NAMES[:2]))
    path.write_bytes(honest(rosters=(hostile.encode(),)).encode())
    _, text = said(capsys, path)
    assert all(one.isprintable() or one == "\n" for one in text)
    assert "elbuod" in text
