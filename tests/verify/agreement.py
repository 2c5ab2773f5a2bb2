"""Both verifiers on each world of the tests of the main one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import pytest

from amanah_client.audit.examination import Anchor
from amanah_client.audit.record import Report
from amanah_client.log_rows import AuditRow
from amanah_protocol.errors import Code, DecodeError
from tests.client.audit import world
from tests.verify.bundles import Evidence, Verdict, verdict


def whole_rows(rows: Iterable[AuditRow]) -> tuple[list[AuditRow], bytes]:
    """The rows that can be read, and damage behind them where they end in some."""
    found: list[AuditRow] = []
    try:
        found.extend(rows)
    except DecodeError:
        return found, b"\x59\xff\xffcut off"
    return found, b""


def second_opinion(log: world.Log, rows: list[AuditRow], tail: bytes, **given: object) -> Verdict:
    """The single-file verifier on a bundle of the same rows, under the same rosters."""
    changes: dict[str, Any] = dict(given)
    anchor: Anchor = changes.get("anchor") or world.anchor()
    rosters = tuple(roster.value.endorsed.encode() for roster in anchor.rosters)
    evidence = Evidence(
        rows=rows,
        tails={"leaves": tail},
        checkpoint=changes.get("checkpoint") or log.checkpoint(),
        control_head=changes.get("control_head") or b"",
        rosters=rosters,
    )
    return verdict(evidence.encode(), rosters)


def compare(report: Report, second: Verdict) -> None:
    """Both hold, or both find the same entry first."""
    first = report.first_bad
    # Many of these logs have no exporter: what only bundles have is tested elsewhere.
    found = [(index, reason) for index, reason in second.reasons if not reason.startswith("the exporter")]
    assert (first is not None) == bool(found), (first, found)
    if first is not None:
        assert second.first == first.index, (first, found)


def agreeing(module: ModuleType) -> Callable[..., None]:
    """A fixture under which each examination in the tests of a module is made by both."""

    @pytest.fixture(autouse=True)
    def both(monkeypatch: pytest.MonkeyPatch) -> None:
        def examined(log: world.Log, rows: Iterable[AuditRow] | None = None, **given: object) -> Report:
            chosen, tail = whole_rows(log.rows() if rows is None else rows)

            def again() -> Iterator[AuditRow]:
                yield from chosen
                if tail:
                    raise DecodeError(Code.MALFORMED, "the disk is damaged here")

            report = world.examined(log, again(), **given)
            compare(report, second_opinion(log, chosen, tail, **given))
            return report

        monkeypatch.setattr(module, "examined", examined)

    return both
