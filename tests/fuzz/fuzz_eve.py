"""Fuzz `decode_event` and `read_eve`: lines of a sensor are counted, whatever they are."""

from __future__ import annotations

from typing import Final

from amanah_client.gateway.eve import EveReport, decode_event, read_eve
from tests.fuzz.fuzz_alerts import _EVENT

SEEDS: Final = (_EVENT, b'{"timestamp":"2026-01-01T00:00:00Z","event_type":"dns"}')


def run(data: bytes) -> None:
    """Every line is an alert, another event, blank or malformed, and nothing else."""
    report = EveReport()
    lines = data.split(b"\n")
    alerts = sum(1 for _ in read_eve(lines, report))
    assert alerts == report.alerts
    assert report.lines == len(lines)
    assert report.alerts + sum(report.others.values()) + report.blank + report.malformed_total == len(lines)
    decode_event(data)
