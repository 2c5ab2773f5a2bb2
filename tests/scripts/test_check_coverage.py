"""The coverage gates, on reports made for the purpose."""

from __future__ import annotations

from scripts.check_coverage import FileReport, Gate, decode_report, judge

CORE = Gate(name="core", percent=100, prefixes=("relay/amanah_relay/core.py",))
REST = Gate(name="rest", percent=95, prefixes=("relay/amanah_relay/",))


def file(path: str, reached: int, total: int) -> FileReport:
    return FileReport(path=path, reached=reached, total=total, missing="7, 9->exit")


def test_gates_hold_when_every_share_is_reached() -> None:
    files = [file("relay/amanah_relay/core.py", 10, 10), file("relay/amanah_relay/server.py", 95, 100)]
    passed, lines = judge(files, (CORE, REST))
    assert passed
    assert lines == [
        "coverage of core: 100.00 % of at least 100 %: ok",
        "coverage of rest: 95.00 % of at least 95 %: ok",
    ]


def test_one_missed_branch_in_the_core_fails_and_is_named() -> None:
    files = [file("relay/amanah_relay/core.py", 9, 10), file("relay/amanah_relay/server.py", 100, 100)]
    passed, lines = judge(files, (CORE, REST))
    assert not passed
    assert "  relay/amanah_relay/core.py: 7, 9->exit" in lines


def test_a_whole_core_does_not_lift_the_rest_over_its_gate() -> None:
    files = [file("relay/amanah_relay/core.py", 1_000, 1_000), file("relay/amanah_relay/server.py", 94, 100)]
    assert not judge(files, (CORE, REST))[0]


def test_a_gate_over_no_code_fails() -> None:
    passed, lines = judge([file("relay/amanah_relay/server.py", 1, 1)], (CORE, REST))
    assert not passed
    assert lines[0] == "coverage of core: no code was measured: FAILED"


def test_lines_and_branches_of_a_report_count_alike() -> None:
    summary = {"covered_lines": 3, "covered_branches": 1, "num_statements": 4, "num_branches": 2}
    entry = {"summary": summary, "missing_lines": [4], "missing_branches": [[2, -1]]}
    assert decode_report({"files": {"a/b.py": entry}}) == [
        FileReport(path="a/b.py", reached=4, total=6, missing="4, 2->exit")
    ]
