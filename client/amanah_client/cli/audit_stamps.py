"""`amanah audit renew-stamps`: cover the copy's time stamps before their certificates end."""

from __future__ import annotations

import time
from typing import Annotated, Final

from cyclopts import Parameter
from cyclopts.validators import Number

from amanah_client.audit import local
from amanah_client.audit.restamping import find_due, renew
from amanah_client.audit.table import counted
from amanah_client.cli import audit_json, files, opening, terminal
from amanah_client.cli.audit_copy import verify_copy
from amanah_client.cli.files import File
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_protocol.errors import Code, UsageError

_DAY_MS: Final = 86_400_000
Days = Annotated[int, Parameter(validator=Number(gte=1, lte=3_650))]


def renew_stamps(authority: str, /, *, days: Days = 60, tsa: File | None = None, common: Options = DEFAULTS) -> None:
    """Cover time stamps of the copy whose certificates end soon by new ones, over them and their checkpoint.

    The log's relay does so too; whoever keeps a copy for longer does it here. What has ended cannot be renewed.

    Example: amanah audit renew-stamps https://tsa.example.org/ --tsa roots.pem

    Parameters
    ----------
    authority
        Address of a time-stamping authority (RFC 3161) whose root is trusted here.
    days
        What ends within so many days.
    tsa
        Root certificates, in PEM, of the time-stamping authorities that are trusted from now on.
    """
    pem = None if tsa is None else files.read_file(tsa)
    now_ms = time.time_ns() // 1_000_000
    renewed = 0
    with opening.profile(common) as profile:
        local.examined_stamps(profile.store, verify_copy(profile), pem, now_ms=now_ms)
        roots = local.trusted_roots(profile.store, None)
        if not roots:
            hint = "Name a file with their root certificates by --tsa."
            raise UsageError(Code.UNANCHORED, "no time-stamping authority is trusted here", hint=hint)
        copy = profile.store.copy
        try:
            for due in find_due(copy, now_ms=now_ms, within_ms=days * _DAY_MS):
                renew(copy, due, authority, roots, timeout_s=common.timeout)
                renewed += 1
        finally:
            # Each is durable by itself: what was renewed before a failure stays.
            if renewed or not common.json:
                terminal.say(f"{counted(renewed, 'checkpoint')} renewed")
    if common.json:
        terminal.show_json({"format": audit_json.FORMAT, "renewed": renewed})
