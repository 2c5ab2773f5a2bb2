"""`amanah report`: what a room's entries say, as a file for people."""

from __future__ import annotations

import contextlib
import time
from datetime import tzinfo
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from cyclopts import Parameter

from amanah_client.cli.asking import look
from amanah_client.cli.files import File, check_new, write_file
from amanah_client.cli.terminal import DEFAULTS, Options, say
from amanah_client.composing import names
from amanah_client.incident.duties import Duty
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.language.errors import SpokenError
from amanah_client.report.forms import Form
from amanah_client.report.reading import usual_label
from amanah_client.report.taking import record, recorded, take
from amanah_client.sdk import Client
from amanah_protocol.errors import AmanahError

Flag = Annotated[bool, Parameter(negative="")]
Notice = Literal["24h", "72h", "month"]
STDOUT: Final = "-"


def report(
    room: str,
    /,
    *,
    form: Form = "markdown",
    notice: Notice | None = None,
    to: File | None = None,
    label: str | None = None,
    zone: str | None = None,
    offline: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Write the report of a room: where the incident stands, decisions, tasks, joint times, and its timeline.

    Each line names the entry that says it, so that anybody can look it up and verify it. The report has the highest
    label of anything in it. What may not stand in it, cannot be read or is not here is counted, with its places.
    That it was made is recorded in the room, for all its members; offline, as soon as the relay is reached.

    Example: amanah report "Phishing wave" --form pdf --to report.pdf

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    form
        As text with marks, as a page, or as a print.
    notice
        Instead, the draft of a notice by Article 23 of NIS2: early warning, incident notification, or final report.
    to
        The new file; standard output when it is left out or `-`.
    label
        The highest label that it may carry; the room's by default, without what is TLP:RED.
    zone
        The zone that times are shown in beside UTC, such as Africa/Tunis; that of this machine by default.
    offline
        Write what is stored, without connecting.
    """
    asked, there = None if label is None else names.label(label), parse_zone(zone)
    check_new(to)

    async def write(client: Client) -> None:
        found, now_ms = client.room(room), time.time_ns() // 1_000_000
        most, duty = usual_label(found) if asked is None else asked, None if notice is None else Duty(notice)
        made = take(found, notice=duty, asked=most, form=form, zone=there, now_ms=now_ms)
        told = await record(found, made)
        write_file(to, made.data)
        if told is not None and client.is_online:
            with contextlib.suppress(AmanahError):  # the file is there; what became of its record is said
                await client.outcome(told.id, common.timeout, patience=Client.PATIENCE)
        say(recorded(made, told and client.intent(told.id)))

    look(common, write, offline=offline)


def parse_zone(name: str | None) -> tzinfo | None:
    """A zone by its name in the time zone database.

    Raises:
        SpokenError: There is none of this name.
    """
    try:
        return None if name is None else ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        detail = _("%(zone)s is no time zone that is known here", zone=isolate(repr(name)))
        hint = _("Write it as %(zones)s.", zones=isolate("Africa/Tunis, Europe/Brussels"))
        raise SpokenError(detail, hint) from None
