"""`amanah doctor`: is this profile fit for the next incident, and if not, what to do."""

from __future__ import annotations

import time
from typing import Final

from amanah_client.checkup import Finding, State, check_head, check_identity, check_machine, check_state, failed
from amanah_client.cli import opening, terminal
from amanah_client.cli.asking import catch_up
from amanah_client.cli.showing import unreadable_json
from amanah_client.cli.terminal import DEFAULTS, Line, Options
from amanah_client.sdk import Client
from amanah_protocol.errors import MEANINGS, AmanahError, Code, OperationalError, UsageError, VerifyError

_STYLES: Final = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}
_NAME_WIDTH: Final = 14
_INDENT: Final = len(f"{State.WARN:<4}") + _NAME_WIDTH + 4
_WORST: Final = (State.FAIL, State.WARN, State.OK)


def doctor(*, common: Options = DEFAULTS) -> int:
    """Check this profile and its connection. Warnings give exit code 0, a failure that of its cause."""
    findings: list[Finding] = []
    unreadable: list[dict[str, object]] = []
    try:
        with opening.profile(common) as profile:
            findings += check_machine(profile)
            findings += check_identity(profile, _now_ms())
            # The same profile: what is asked for twice may be answered in two ways.
            opening.with_client(common, lambda client: _connected(client, common, findings, unreadable), opened=profile)
    except AmanahError as error:
        findings.append(failed("profile" if not findings else "identity", error))
    _show(findings, unreadable, common)
    wrong = next((finding.code for finding in findings if finding.code is not None), None)
    return terminal.EXIT_OK if wrong is None else _exit_code(wrong)


def _exit_code(code: Code) -> int:
    """What fails and can be mended by time is to be tried later; what cannot is the record's or the profile's."""
    if not MEANINGS[code].final:
        return terminal.exit_code(OperationalError(code, ""))
    return terminal.exit_code(UsageError(code, "") if code is Code.CONFIG else VerifyError(code, ""))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _connected(
    client: Client, common: Options, findings: list[Finding], unreadable: list[dict[str, object]]
) -> None:
    problem = await catch_up(client, common)
    if problem is not None:
        findings.append(failed("connection", problem))
    elif client.is_following:
        detail = "held by another program of this profile, which receives for this one too"
        findings.append(Finding(name="connection", state=State.OK, detail=detail))
    else:
        findings.append(Finding(name="connection", state=State.OK, detail="logged in and caught up"))
    findings += check_head(client, _now_ms(), online=problem is None)
    findings += check_state(client)
    counted = ((room, unreadable_json(room)) for room in client.rooms())
    unreadable += [{"room": room.id.hex(), "causes": causes} for room, causes in counted if causes]


def _show(findings: list[Finding], unreadable: list[dict[str, object]], common: Options) -> None:
    if common.json:
        worst = next(state for state in _WORST if any(finding.state is state for finding in findings))
        checks = [
            {"name": f.name, "state": str(f.state), "detail": f.detail, "code": f.code, "hint": f.hint or None}
            for f in findings
        ]
        terminal.show_json({"state": str(worst), "checks": checks, "unreadable": unreadable})
        return
    for finding in findings:
        hint = f"  -> {terminal.single(finding.hint)}" if finding.hint else ""
        about = f"  {terminal.single(finding.name):<{_NAME_WIDTH}}  {terminal.single(finding.detail)}{hint}"
        terminal.show(Line(((f"{finding.state:<4}", _STYLES[finding.state]), (about, "")), indent=_INDENT))
