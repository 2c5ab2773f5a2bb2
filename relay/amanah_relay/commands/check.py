"""`amanah-relay check`: what would keep the relay from serving."""

from __future__ import annotations

import time

from amanah_relay import terminal
from amanah_relay.checks import Finding, run_checks
from amanah_relay.commands.options import DEFAULTS, Options


def check(*, json: bool = False, options: Options = DEFAULTS) -> int:
    """Check configuration, keys, certificate, store, roster, port and clock; nothing is changed.

    Parameters
    ----------
    json
        Print it as one JSON document.
    """
    findings = run_checks(options.load(), now_ms=time.time_ns() // 1_000_000)
    if json:
        terminal.show_json([finding.as_json() for finding in findings])
    else:
        terminal.show_table((_state(f), f.name, f.detail) for f in findings)
    failed = [finding.error for finding in findings if finding.error is not None]
    for error in failed:
        terminal.report(error)
    for finding in findings:
        if finding.warning:
            terminal.warn(finding.warning)
    return terminal.exit_code(failed[0]) if failed else terminal.EXIT_OK


def _state(finding: Finding) -> str:
    if finding.error is not None:
        return "FAILED"
    return "warning" if finding.warning else "ok"
