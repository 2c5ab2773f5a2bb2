"""Asking a small log: its copy is examined as an auditor's is; answers are compared with what is written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from amanah_client.audit.examination import Anchor, examine_copy
from amanah_client.audit.questions.case import MAX_ROWS, Case
from amanah_client.audit.questions.registry import QUESTIONS, Answer, ask
from amanah_client.log_rows import AuditRow
from amanah_client.store.copy import AuditCopy
from tests.client.audit.world import NOW_MS, STEP_MS, Device, Log, anchor


def case_of(
    log: Log,
    rows: Iterable[AuditRow] | None = None,
    *,
    limit: int = MAX_ROWS,
    held_against: Anchor | None = None,
    checkpoint: bytes | None = None,
    checkpoints: Sequence[tuple[int, bytes]] = (),
) -> Case:
    """The examined copy of a log, whole by default."""
    copy = AuditCopy.in_memory()
    copy.append(log.rows() if rows is None else rows)
    copy.put_checkpoints(checkpoints)
    note, against = checkpoint or log.checkpoint(), held_against or anchor()
    report = examine_copy(copy, checkpoint=note, anchor=against, control_head=log.control_head())
    copy.prepare_questions()
    return Case(report=report, anchor=against, checkpoint=note, limit=limit)


def answered(case: Case, name: str, **given: object) -> Answer:
    """The answer to a question; parameters as they are typed."""
    return ask(QUESTIONS[name], case, {key: str(value) for key, value in given.items()})


def cells(answer: Answer, *names: str) -> list[tuple[Any, ...]]:
    """These columns of all rows; devices as people see them, and proofs as their indices."""
    return [tuple(_plain(getattr(row, name)) for name in names) for row in answer.found.rows]


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever stands in a cell
    if hasattr(value, "indices"):
        return value.indices
    return value.text if hasattr(value, "device") else value


def said(answer: Answer) -> str:
    """The sentences of an answer."""
    return " ".join(answer.found.said)


def at(index: int) -> int:
    """When the relay accepted an entry."""
    return NOW_MS + STEP_MS * index


def text(device: Device) -> str:
    """A device as an auditor sees it."""
    certificate = device.certificate
    return f"{certificate.role.name.lower()} {certificate.subject.hex()[:8]} of {certificate.organisation}"
