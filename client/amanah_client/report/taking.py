"""A file made of a room, and what the room is told of it: whoever takes something out is seen."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo

from amanah_client.actions import TakeOut
from amanah_client.incident.duties import Duty
from amanah_client.language import gettext as _
from amanah_client.model import Intent, IntentState, RoomStatus
from amanah_client.report.forms import Form, rendered
from amanah_client.report.gate import Given
from amanah_client.report.notice import notice as draft
from amanah_client.report.reading import read_room
from amanah_client.report.report import Report
from amanah_client.report.room import room_report
from amanah_client.room import Room
from amanah_protocol.egress import TakenOut
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file that is made, and not given to anybody yet.

    Attributes:
        report: What it says.
        data: Its bytes.
        record: What the room is to be told; None where nothing can be sent to it.
        unrecorded: Why nothing can; "" where it can.
    """

    report: Report
    data: bytes = field(repr=False)
    record: TakeOut | None
    unrecorded: str


def take(
    room: Room, *, notice: Duty | None, asked: Label, form: Form, zone: tzinfo | None, now_ms: int
) -> Taken:  # fmt: skip
    """Make the report of a room, or the draft of a notice; it reads the whole room.

    Args:
        room: The room.
        notice: Which notice; None for the report.
        asked: The highest label that it may carry.
        form: Its form.
        zone: The reader's zone beside UTC; None for that of this machine.
        now_ms: When it is made, for the print.

    Raises:
        UsageError: `CONFIG` when the form needs an extra that is not installed.
    """
    given = read_room(room.client, room)
    if notice is None:
        made = room_report(given, asked=asked, zone=zone)
    else:
        made = draft(given, notice, asked=asked, zone=zone)
    taken = TakenOut(what="report" if notice is None else "notice", label=made.label, form=form)
    why = _unrecorded(room, given)
    return Taken(
        report=made,
        data=rendered(made, form, now_ms),
        record=None if why else _record(given, taken),
        unrecorded=why,
    )


def _record(given: Given, taken: TakenOut) -> TakeOut:
    newest = given.messages[-1].id
    return TakeOut(room=given.room, envelope=newest, taken=taken, recipient=given.me.organisation)


def _unrecorded(room: Room, given: Given) -> str:
    """Why nothing can be sent to a room any more, or not by this device; "" where it can, now or later."""
    row = room.row
    if row.successor is not None:
        return _("the room is closed, and goes on in another")
    if row.status is RoomStatus.REMOVED and not row.lapsed:
        return _("this device is not in the room any more")
    if row.status is RoomStatus.HALTED:
        return _("the room is halted")
    if given.me.role is not Role.OFFICER:
        return _("a bot does not record it")
    return "" if given.messages else _("nothing of the room is in the log yet")


async def record(room: Room, taken: Taken) -> Intent | None:
    """Queue what the room is told, durably: before the file is given to anybody, so that none is out unseen."""
    return None if taken.record is None else await room.client.ask(taken.record)


def recorded(taken: Taken, intent: Intent | None) -> str:
    """Whether the room is told that the file was made, in a sentence.

    Args:
        taken: The file.
        intent: What was queued for it, as it stands now.
    """
    if intent is None or intent.state is IntentState.FAILED:
        why = taken.unrecorded if intent is None else intent.detail
        return _("That it was made is NOT recorded in the room: %(why)s.", why=why)
    if intent.state is IntentState.DONE:
        return _("That it was made is recorded in the room, for all its members and auditors.")
    return _("That it was made is recorded in the room as soon as the relay has taken it.")
