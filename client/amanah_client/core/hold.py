"""The circle widened: what was written for a smaller one waits for the officer's word."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from amanah_client import effects as e
from amanah_client.actions import PostAlerts
from amanah_client.attaching import Attach
from amanah_client.core.context import Context
from amanah_client.core.room import Room
from amanah_client.model import Intent, IntentState
from amanah_client.reasons import JOINED, Reason, english
from amanah_client.saying import Say
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, OrgName, PersonId


def widen(ctx: Context, room: Room, before: Collection[DeviceId], added: Collection[DeviceId]) -> None:
    """Others were let in by another's commit: hold what an officer wrote for a smaller circle.

    `TLP:RED` is for the people who were there, all else for the organisations that were. A machine has
    nobody to ask, and an alert that waits for nobody is a lost alert: it sends on.
    """
    if ctx.certificate.role is not Role.OFFICER:
        return
    for intent in tuple(room.line.values()):
        if not isinstance(intent.action, Say | PostAlerts | Attach):
            continue
        joined = _joined(ctx, intent.action.label, before, added)
        if not joined:
            continue
        reasons = _reasons(joined)
        if intent.state is IntentState.QUEUED:
            hold(ctx, intent, english(reasons), reasons)
        elif intent.state is IntentState.SENT:
            # It may be accepted all the same, for the epoch before; if not, it is held then. On the
            # intent itself, so that a restart does not forget it.
            room.widened[intent.id] = reasons
            ctx.note(intent, str(Code.STALE_EPOCH), english(reasons), reasons)


def hold_behind(ctx: Context, room: Room, intent: Intent) -> None:
    """Hold what was written before a commit that was taken in first: the author was shown a smaller circle.

    A face shows the circle as it is stored, and what is asked there waits behind what has arrived. A commit in
    between widens nothing that stands in the line, and would have others read what was written without them.
    """
    if ctx.certificate.role is not Role.OFFICER or room.group is None:
        return
    if not isinstance(intent.action, Say | Attach) or not intent.action.circle:
        return
    if joined := _joined(ctx, intent.action.label, intent.action.circle, room.group.members):
        reasons = _reasons(joined)
        hold(ctx, intent, english(reasons), reasons)


def _joined(ctx: Context, label: Label, before: Collection[DeviceId], after: Collection[DeviceId]) -> set[OrgName]:
    """Whose people joined, as far as it matters to a label."""
    if label >= Label.RED:
        return {organisation for organisation, _ in _people(ctx, after) - _people(ctx, before)}
    return _organisations(ctx, after) - _organisations(ctx, before)


def _reasons(joined: Collection[OrgName]) -> tuple[Reason, ...]:
    return (Reason(why=JOINED, organisations=tuple(sorted(joined))),)


def _organisations(ctx: Context, devices: Collection[DeviceId]) -> set[OrgName]:
    return {ctx.directory.organisation(device) for device in devices}


def _people(ctx: Context, devices: Collection[DeviceId]) -> set[tuple[OrgName, PersonId]]:
    certificates = [standing.certificate for standing in ctx.directory.standings(devices).values()]
    return {(certificate.organisation, certificate.subject) for certificate in certificates}


def hold(ctx: Context, intent: Intent, detail: str, reasons: tuple[Reason, ...]) -> None:
    """Wait for the officer's word."""
    code = str(Code.STALE_EPOCH)
    ctx.put_intent(replace(intent, state=IntentState.HELD, code=code, detail=detail, reasons=reasons))


def release(ctx: Context, intent: Intent) -> None:
    """The officer's word: it goes to whoever is there.

    Whom he was shown when he wrote it counts no more, or the next start would hold it again.
    """
    action = intent.action
    if isinstance(action, Say | Attach) and action.circle:
        intent = replace(intent, action=replace(action, circle=()))
        ctx.write(e.PutAction(intent=intent))
    ctx.put_intent(replace(intent, state=IntentState.QUEUED, code="", detail="", reasons=()))
