"""`amanah alert`: a machine's alerts into a room."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from amanah_client.cli import terminal
from amanah_client.cli.asking import find_room
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.gateway.eve import SOURCE
from amanah_client.gateway.intake import Intake, IntakeReport
from amanah_client.sdk import Client
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.labels import Label

_PROGRESS_S: Final = 1.0


def alert(
    room: str,
    file: Path | None = None,
    /,
    *,
    label: str | None = None,
    source: str = SOURCE,
    common: Options = DEFAULTS,
) -> None:
    """Post alerts from Suricata EVE lines, up to 100 in an envelope.

    Events that are no alerts are counted and named; a malformed line is named and reading goes on.
    The result is exit code 5 if a line was not usable (everything else is delivered), 6 if alerts are
    kept because the relay is not reached; they go out by themselves.

    Example: tail -F eve.json | amanah alert "Phishing wave"

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    file
        File of EVE lines; standard input when it is left out or `-`.
    label
        Their label; the room's ceiling by default.
    source
        How this machine names its input; sealed.
    """
    asked = None if label is None else Label.parse(label)

    async def work(client: Client) -> IntakeReport:
        into = await find_room(client, room, common)
        intake = Intake(
            client, into, source_name=source, label=asked, timeout_s=common.timeout, progress=_Progress().show
        )
        with _opened(file) as stream:
            return await intake.run(stream)

    report = terminal.with_client(common, work)
    _show(report, common)
    if report.problem is not None:
        raise report.problem
    if report.dropped:
        raise DecodeError(Code.MALFORMED, f"{report.dropped} lines were not usable; all the others are delivered")


@contextlib.contextmanager
def _opened(file: Path | None) -> Iterator[BinaryIO]:
    if file is None or str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise UsageError(Code.NOT_FOUND, f"{file} cannot be read: {error.strerror}") from error
    with stream:
        yield stream


class _Progress:
    """Says how far it is, at most once a second."""

    def __init__(self) -> None:
        self._said_s = time.monotonic()

    def show(self, report: IntakeReport) -> None:
        """Say it, if it is time."""
        now_s = time.monotonic()
        if now_s - self._said_s >= _PROGRESS_S:
            self._said_s = now_s
            terminal.say(f"{report.lines.lines} lines read, {report.delivered} alerts delivered")


def _show(report: IntakeReport, common: Options) -> None:
    lines = report.lines
    others = dict(sorted(lines.others.items()))
    if common.json:
        terminal.show_line({
            "lines": lines.lines, "alerts": lines.alerts, "delivered": report.delivered, "kept": report.kept,
            "refused": report.refused, "envelopes": report.envelopes, "other_events": others, "blank": lines.blank,
            "malformed": lines.malformed_total, "too_large": report.too_large,
            "malformed_lines": [{"line": item.number, "reason": item.reason} for item in lines.malformed],
        })  # fmt: skip
    else:
        terminal.show(f"{report.delivered} alerts delivered in {report.envelopes} envelopes")
    named = ", ".join(f"{count} {kind}" for kind, count in others.items())
    terminal.say(f"{lines.lines} lines: {lines.alerts} alerts, {sum(others.values())} other events" + _aside(named))
    for item in lines.malformed:
        terminal.say(f"line {item.number}: {item.reason}")
    unnamed = lines.malformed_total - len(lines.malformed)
    if unnamed:
        terminal.say(f"and {unnamed} more malformed lines")
    if report.too_large:
        terminal.say(f"{report.too_large} alerts fit no envelope")
    if report.refused:
        terminal.say(f"{report.refused} alerts were refused, and what came behind them was not posted")
    if report.kept:
        terminal.say(f"{report.kept} alerts are kept and go out by themselves; `amanah outbox list` shows them")


def _aside(text: str) -> str:
    return f" ({text})" if text else ""
