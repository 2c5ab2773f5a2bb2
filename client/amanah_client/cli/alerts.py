"""`amanah alert`: a machine's alerts into a room."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from amanah_client.cli import opening, terminal
from amanah_client.cli.asking import find_room
from amanah_client.cli.files import File, unreadable
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.composing import names
from amanah_client.gateway.eve import MAX_NAMED_LINES, SOURCE
from amanah_client.gateway.intake import Intake, IntakeReport
from amanah_client.sdk import Client
from amanah_protocol.errors import Code, DecodeError

_PROGRESS_S: Final = 1.0
_NAMED_LINES: Final = 10
"""Of the malformed ones, for a person; what went wrong with the first is mostly wrong with all."""


def alert(
    room: str,
    file: File | None = None,
    /,
    *,
    label: str | None = None,
    source: str = SOURCE,
    common: Options = DEFAULTS,
) -> None:
    """Post alerts from Suricata EVE lines, up to 100 in an envelope.

    Events that are no alerts are counted and named; a malformed line is named and reading goes on. A file in
    which no line is an event is refused, and nothing is posted.
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
    asked = None if label is None else names.label(label)

    async def work(client: Client) -> IntakeReport:
        into = await find_room(client, room, common)
        intake = Intake(
            client, into, source_name=source, label=asked, timeout_s=common.timeout, progress=Progress().show
        )
        with _opened(file) as stream:
            return await intake.run(stream)

    report = opening.with_client(common, work)
    if report.lines.is_foreign and report.problem is None:
        if common.json:
            _show_json(report)
        named = "standard input" if file is None or str(file) == "-" else str(file)
        detail = f"no line of {named} is an EVE event ({_counted(report.lines.lines, 'line')}); nothing was posted"
        raise DecodeError(Code.MALFORMED, detail, hint="Give the lines of Suricata's eve.json, each one JSON object.")
    _show(report, common)
    if report.problem is not None:
        raise report.problem
    if report.dropped:
        unusable = _counted(report.dropped, "line")
        others = "all the others are delivered" if report.delivered else "the others hold no alert"
        detail = f"{unusable} could not be used; {others}"
        raise DecodeError(Code.MALFORMED, detail, hint="They are named above; post them again when they are mended.")


@contextlib.contextmanager
def _opened(file: Path | None) -> Iterator[BinaryIO]:
    if file is None or str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise unreadable(file, error) from error
    with stream:
        yield stream


class Progress:
    """Says how far an intake is, now and then."""

    def __init__(self, every_s: float = _PROGRESS_S) -> None:
        """Begin; it is said no more often than every so many seconds."""
        self._every_s = every_s
        self._said_s = time.monotonic()

    def show(self, report: IntakeReport) -> None:
        """Say it, if it is time."""
        now_s = time.monotonic()
        if now_s - self._said_s >= self._every_s:
            self._said_s = now_s
            terminal.say(f"{report.lines.lines} lines read, {report.delivered} alerts delivered")


def _show_json(report: IntakeReport) -> None:
    lines = report.lines
    terminal.show_line({
        "lines": lines.lines, "alerts": lines.alerts, "delivered": report.delivered, "kept": report.kept,
        "refused": report.refused, "envelopes": report.envelopes, "other_events": dict(sorted(lines.others.items())),
        "blank": lines.blank, "malformed": lines.malformed_total, "too_large": report.too_large,
        "malformed_lines": [{"line": item.number, "reason": item.reason} for item in lines.malformed],
    })  # fmt: skip


def _show(report: IntakeReport, common: Options) -> None:
    lines = report.lines
    others = dict(sorted(lines.others.items()))
    if common.json:
        _show_json(report)
    else:
        terminal.show(f"{_counted(report.delivered, 'alert')} delivered in {_counted(report.envelopes, 'envelope')}")
    if lines.lines == lines.blank:
        terminal.say("there was nothing to post: no line with anything on it")
        return
    named = ", ".join(f"{count} {kind}" for kind, count in others.items())
    sums = (_counted(lines.alerts, "alert"), _counted(sum(others.values()), "other event"))
    terminal.say(f"{_counted(lines.lines, 'line')}: {', '.join(sums)}" + (f" ({named})" if named else ""))
    for item in lines.malformed[:_NAMED_LINES]:
        terminal.say(f"line {item.number}: {item.reason}")
    unnamed = lines.malformed_total - len(lines.malformed[:_NAMED_LINES])
    if unnamed:
        more = "" if common.json else f"; --json names the first {MAX_NAMED_LINES}"
        terminal.say(f"and {_counted(unnamed, 'more malformed line')}{more}")
    if report.too_large:
        terminal.say(f"{report.too_large} alerts fit no envelope")
    if report.refused:
        terminal.say(f"{report.refused} alerts were refused, and what came behind them was not posted")
    if report.kept:
        terminal.say(f"{report.kept} alerts are kept and go out by themselves; `amanah outbox list` shows them")


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
