"""The auditor's copy in pages: two on their way, several proven together, and over any line."""

from __future__ import annotations

import pytest

from amanah_client import actions, inputs
from amanah_client.core import audit_sync
from amanah_protocol import frames
from amanah_relay.core import reading
from tests.client.core.test_audit_sync import DONE, auditor, check_copy, sync, tamper
from tests.client.core.world import Client, Stage


def pages_of(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    """Pages have so few rows that a short log takes several."""
    for module in (audit_sync, reading):
        monkeypatch.setattr(module, "MAX_PAGE", rows)


def asking(client: Client) -> list[tuple[str, int]]:
    """What the auditor asks for from now on: pages by their beginning, proofs by the size that they prove."""
    asked: list[tuple[str, int]] = []

    def note(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.AuditRead):
            asked.append(("page", frame.start))
        if isinstance(frame, frames.GetConsistency) and client.core._ctx.copying is not None:  # noqa: SLF001 - only these
            asked.append(("proof", frame.old))
        return [frame]

    client.outward = note
    return asked


def test_two_pages_are_on_their_way_and_more_and_more_are_proven_together(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages_of(monkeypatch, 2)
    client = auditor(stage)
    asked = asking(client)
    assert sync(client).state is DONE
    assert asked[:9] == [
        ("page", 0), ("proof", 2), ("page", 2), ("page", 4), ("page", 6), ("proof", 6), ("page", 8), ("page", 10),
        ("page", 12),
    ]  # fmt: skip
    assert [size for what, size in asked if what == "proof"] == [2, 6, 14]
    check_copy(client)
    assert [row.index for row in client.store.audit] == list(range(len(client.store.audit)))
    assert client.store.alarms == []


def test_a_page_that_follows_a_shorter_one_is_asked_for_anew(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    pages_of(monkeypatch, 4)
    client = auditor(stage)
    asked = asking(client)
    given = 0

    def shortened(entries: list[frames.LogEntry]) -> list[frames.LogEntry]:
        nonlocal given
        given += 1
        return entries[:3] if given % 3 == 2 else entries

    tamper(client, shortened)
    assert sync(client).state is DONE
    starts = [at for what, at in asked if what == "page"]
    assert starts[:4] == [0, 4, 8, 7]
    check_copy(client)
    assert [row.index for row in client.store.audit] == list(range(len(client.store.audit)))
    assert client.store.alarms == []


def test_over_a_slow_line_pages_come_one_by_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    pages_of(monkeypatch, 2)
    client = auditor(stage)
    held: list[frames.Frame] = []

    def hold(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, frames.LogEntries):
            return [frame]
        held.append(frame)
        return []

    client.toward = hold
    intent = client.ask(actions.AuditSync())
    while client.intent(intent).state is not DONE:
        stage.wait(audit_sync.QUICK_MS + 2_000)
        assert len(held) == 1
        client.give(inputs.Received(data=frames.encode_frame(held.pop())))
        stage.run()
    check_copy(client)
    assert client.store.alarms == []


def test_after_a_lost_connection_pages_come_one_by_one_at_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    pages_of(monkeypatch, 2)
    client = auditor(stage)
    asked = asking(client)
    intent = client.ask(actions.AuditSync())
    client.toward = lambda frame: (
        [] if isinstance(frame, frames.LogEntries) and frame.entries[0].index >= 6 else [frame]
    )
    stage.wait(5_000)
    assert {("page", 6), ("page", 8)} <= set(asked)
    asked.clear()
    client.disconnect()
    client.connect()
    stage.wait(5_000)
    assert [at for what, at in asked if what == "page"] == [6]
    client.toward = None
    client.disconnect()
    client.connect()
    stage.wait(5_000)
    assert client.intent(intent).state is DONE
    check_copy(client)
    assert client.store.alarms == []


def test_after_a_lost_connection_a_page_is_proven_alone_at_first(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    pages_of(monkeypatch, 2)
    client = auditor(stage)
    asked = asking(client)
    client.ask(actions.AuditSync())
    client.toward = lambda frame: (
        [] if isinstance(frame, frames.LogEntries) and frame.entries[0].index >= 6 else [frame]
    )
    stage.wait(5_000)
    client.toward = lambda frame: (
        [] if isinstance(frame, frames.LogEntries) and frame.entries[0].index >= 8 else [frame]
    )
    client.disconnect()
    client.connect()
    stage.wait(5_000)
    assert ("proof", 8) in asked
    assert len(client.store.audit) == 8


def test_no_more_pages_than_that_wait_for_a_proof(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    pages_of(monkeypatch, 1)
    client = auditor(stage)
    asked = asking(client)
    client.ask(actions.AuditSync())
    ctx = client.core._ctx  # noqa: SLF001 - what is asked for
    client.toward = lambda frame: [] if isinstance(frame, frames.Path) and ctx.copying is not None else [frame]
    stage.wait(5_000)
    # One is being proven; behind it as many as are proven together, and the one that was on its way beside the last.
    assert len([at for what, at in asked if what == "page"]) == 1 + audit_sync.MOST_TOGETHER + 1
