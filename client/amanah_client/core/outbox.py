"""The outbox: what is asked for becomes envelopes, in order, one publish a room at a time.

Plaintext waits here and is sealed only when it can leave, so that it gets the circle and the keys of
that moment. Until the relay has answered, the very same bytes are sent again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from amanah_client.actions import (
    Acknowledge,
    Disclose,
    EraseMessages,
    Forward,
    GrantHistory,
    Invite,
    PostAlerts,
    Relabel,
    Remove,
    ReportCounts,
    TakeOut,
)
from amanah_client.attaching import Attach
from amanah_client.core import (
    anchor,
    apart,
    commits,
    downloads,
    duty,
    granting,
    invite,
    matter,
    monitor,
    packages,
    pledge,
    quorum,
    renewal,
    repair,
    resend,
    restored,
    successor,
    uploads,
    ways,
)
from amanah_client.core.batch import Batch, message_id_of
from amanah_client.core.context import Context, Place
from amanah_client.core.gate import blocked, blocked_in, revoked_members
from amanah_client.core.room import Room, Work
from amanah_client.core.transfer import fly
from amanah_client.model import Intent, IntentState, Rekey, RoomStatus
from amanah_client.saying import Decide, Say
from amanah_protocol import kinds
from amanah_protocol.content.bodies import AlertBatch, Body
from amanah_protocol.egress import DISCLOSURE, FORWARD
from amanah_protocol.errors import AmanahError, Code, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Specific
from amanah_protocol.labels import Label, Pap
from amanah_protocol.limits import DELIVERED_INTERVAL_MS

DELIVERED_MS: Final = DELIVERED_INTERVAL_MS + 2_000
"""A report that came too early would be refused and stand in the way until its time."""
NAME_VOIDS: Final = 10
"""So many void counters are named before more are risked; sixteen fit a header."""
BEHIND_MS: Final = 60_000
"""The end of an epoch that the relay says is over has to be delivered within this time (attack 12)."""

_MESSAGES: Final = (
    Say, Attach, PostAlerts, Acknowledge, EraseMessages, ReportCounts, Decide, Disclose, Relabel, Forward, GrantHistory,
    TakeOut,
)  # fmt: skip


def advance(ctx: Context) -> None:
    """Do all that can be done now."""
    if ctx.halted or ctx.session.closing or not ctx.session.online:
        return
    packages.fill(ctx)
    successor.work(ctx)
    for room in tuple(ctx.rooms.values()):
        _advance_room(ctx, room)
    apart.advance(ctx)
    anchor.work(ctx)
    pledge.work(ctx)
    quorum.work(ctx)
    monitor.work(ctx)


def _advance_room(ctx: Context, room: Room) -> None:
    repair.tend(ctx, room)
    resend.tend(ctx, room)
    if room.row.status in (RoomStatus.OPEN, RoomStatus.HALTED) and room.group is not None:
        uploads.work(ctx, room)
        downloads.work(ctx, room)
    row = room.row
    if row.in_flight is not None:
        if not room.link.flying and ctx.timer_ms >= room.retry_at_ms:
            fly(ctx, room, row.in_flight)
        return
    if row.status is RoomStatus.REMOVED:
        _wait_outside(ctx, room)
        return
    if row.status in (RoomStatus.BEHIND, RoomStatus.LOST):
        problem = blocked_in(ctx, room)
        _note(ctx, room, "" if problem is None else problem.code, "" if problem is None else problem.detail)
        if row.status is RoomStatus.LOST and room.link.live and ctx.timer_ms >= room.retry_at_ms:
            repair.call(ctx, room)
        return
    if room.group is None or not room.link.live or ctx.timer_ms < room.retry_at_ms or _is_behind(ctx, room):
        return
    if room.group.pending is not None:
        return  # accepted, and its place in the record is still to come
    if room.refusals and row.status is RoomStatus.HALTED:
        _tell_refusals(ctx, room)
        return
    _seal_next(ctx, room)


def _seal_next(ctx: Context, room: Room) -> None:
    problem = blocked_in(ctx, room)
    _note(ctx, room, "" if problem is None else problem.code, "" if problem is None else problem.detail)
    if problem is None or problem.code != Code.REVOKED:
        room.revoked_since_ms = None  # another has removed them: the next ones are waited for anew
    if room.row.rekey is Rekey.EPOCH and room.row.status is RoomStatus.OPEN and blocked(ctx) is None:
        restored.ask(ctx, room)
    elif problem is None and room.row.rekey is Rekey.KEYS:
        renewal.work(ctx, room)
    elif problem is None and room.row.status is RoomStatus.OPEN:
        # Each publishes at most one thing, and only if those before it had nothing to publish: what a colleague asked
        # for, which may be much, comes behind what people say.
        repairs_last = (_publish_next, resend.work, _report_delivered)
        works = (_name_voids, duty.work, renewal.work, successor.gather, repair.work, *repairs_last)
        any(work(ctx, room) for work in works)
    elif problem is not None and problem.code == Code.REVOKED:
        _remove_revoked(ctx, room)


def _wait_outside(ctx: Context, room: Room) -> None:
    """This device was removed: what was asked for is given up, or waits until it is added again."""
    if successor.is_wedged(ctx, room):
        _note(ctx, room, str(Code.REFUSED_COMMIT), "the room cannot go on; waits for its successor")
        return
    if room.row.lapsed:
        _note(ctx, room, str(Code.NOT_MEMBER), "removed from the room by its rules; waits to be added again")
        return
    for intent in tuple(room.line.values()):
        ctx.fail(intent, str(Code.NOT_MEMBER), "a member removed this device")


def _name_voids(ctx: Context, room: Room) -> bool:
    """Before too many counters are void to be named, name them in a report, which no commit overtakes.

    It seals nothing, so the relay takes it in any epoch; only a change of who is in the room, at that
    very moment, would lose it too.

    Returns:
        False when nothing has to be named, or this device may send no report.
    """
    row = room.row
    if len(row.voids) < NAME_VOIDS:
        return False
    if 0 <= ctx.now_ms - row.delivered_at_ms < DELIVERED_MS:
        return True
    return _deliver(ctx, room, Batch(ctx, room))


def _is_behind(ctx: Context, room: Room) -> bool:
    """Whether the relay has refused for an epoch whose end we have not been shown."""
    if room.stale_epoch is None or room.group is None:
        return False
    if room.group.epoch != room.stale_epoch or room.row.wedge is not None:  # we were shown, and refused it
        room.stale_epoch = None
        return False
    if ctx.heard_ms - room.stale_since_ms >= BEHIND_MS and Code.GAP not in room.told:
        room.told.add(Code.GAP)
        detail = f"the relay says that epoch {room.stale_epoch} is over and delivers no commit that ends it"
        ctx.alarm(Code.GAP, detail, room=room.id)
    return True


def _note(ctx: Context, room: Room, code: str, detail: str) -> None:
    """Say on what is queued why it waits, and that it no longer does."""
    before, room.noted = room.noted, code
    if not (code or before):
        return
    for intent in tuple(room.line.values()):
        if intent.state is IntentState.QUEUED and (code or intent.code == before):
            ctx.note(intent, code, detail)


def _tell_refusals(ctx: Context, room: Room) -> None:
    batch = Batch(ctx, room)
    refusals = room.refusals[: batch.room_for]
    try:
        for refuse in refusals:
            # The relay counts members by the headers that it accepted, also those that we refuse.
            batch.add_bare(refuse, members=room.outer)
    except AmanahError:
        room.refusals.clear()
        return
    room.work = Work(refusals=len(refusals))
    batch.launch()


def _remove_revoked(ctx: Context, room: Room) -> None:
    """Removal duty: the officer at rank r by leaf waits r times two seconds, then does it by itself."""
    group, revoked = room.group, revoked_members(ctx, room)
    if group is None or not revoked or ctx.me in revoked or ctx.certificate.role is not Role.OFFICER:
        return
    if room.revoked_since_ms is None:
        room.revoked_since_ms = ctx.timer_ms
    standings = ctx.directory.standings(group.members)
    able = [
        device
        for device, standing in standings.items()
        if standing.usable(ctx.now_ms) and standing.certificate.role is Role.OFFICER
    ]
    rank = able.index(ctx.me) if ctx.me in able else len(able)
    if ctx.timer_ms - room.revoked_since_ms >= rank * commits.RANK_MS and ctx.timer_ms >= room.duty_at_ms:
        room.revoked_since_ms = None
        try:
            commits.commit(ctx, room, packages={}, removes=revoked[: commits.MOST], intent=None)
        except AmanahError as error:
            room.revoked_since_ms = ctx.timer_ms + BEHIND_MS  # not anew at every step
            ctx.alarm(str(error.code), f"a revoked device cannot be removed: {error.detail}", room=room.id)


def _publish_next(ctx: Context, room: Room) -> bool:
    """Take the room's line a step further; True when something of it was published."""
    if room.bodies:
        _introduce(ctx, room)
        return room.row.in_flight is not None
    batch = Batch(ctx, room)
    for intent in _ready(ctx, room):
        if not matter.is_ready(ctx, intent):
            matter.want(ctx, intent)
            if isinstance(intent.action, Say):
                break  # what people say keeps its order; the store answers before anything else comes
        elif not granting.is_proven(ctx, intent):
            granting.prove(ctx, intent)
        elif isinstance(intent.action, _MESSAGES):
            if batch.room_for <= 0 or not _add(ctx, room, batch, intent):
                break
        elif len(batch) or not _other(ctx, room, intent):
            break
    if len(batch):
        batch.launch()
    return room.row.in_flight is not None


def _ready(ctx: Context, room: Room) -> Iterator[Intent]:
    """Intents of the room that may be tried now, in order, as far as one publish takes them."""
    changed: set[Place] = set()
    for intent in tuple(room.line.values()):
        if not changed.isdisjoint(matter.rests_on(ctx, intent)):
            return  # it is judged by the label that this publish gives what it is about
        changed.update(matter.changed(intent.action))
        waits = intent.state is IntentState.HELD or ctx.waits.get(intent.id, 0) > ctx.timer_ms
        if not waits and uploads.is_ready(ctx, intent):
            yield intent


def _other(ctx: Context, room: Room, intent: Intent) -> bool:
    """Take an intent that is no message a step further; False when what follows it has to wait."""
    match intent.action:
        case Invite():
            return invite.advance(ctx, room, intent, intent.action)
        case Remove():
            return commits.remove(ctx, room, intent, intent.action)
        case _:
            return True


def _add(ctx: Context, room: Room, batch: Batch, intent: Intent) -> bool:
    """Add a message to the publish; one that can never be sent ends here. False when the frame is full."""
    try:
        ways.check_speaker(ctx, intent)
        ways.check(ctx, room, intent)
        return _seal(ctx, batch, intent)
    except AmanahError as error:
        ctx.fail(intent, str(error.code), error.detail)
        return True


def _seal(ctx: Context, batch: Batch, intent: Intent) -> bool:
    body: Body
    specific: Specific
    match intent.action:
        case Say() as action:
            body, specific, pap = action.body, kinds.Message(), action.pap
        case Attach() as action:
            body, specific, pap = action.body, kinds.Message(attachment=action.attachment), action.pap
        case PostAlerts() as action:
            body, pap = AlertBatch(source=action.source_name, alerts=action.alerts), Pap.AMBER
            specific = kinds.Alert(count=len(action.alerts))
        case GrantHistory() as action:
            return _grant(ctx, batch, intent, action)
        case other:
            batch.add_bare(_bare(ctx, intent, other), intent)
            return True
    return batch.add_message(
        body,
        specific,
        message_id=message_id_of(intent),
        written_at_ms=intent.created_at_ms,
        label=action.label,
        pap=pap,
        precedence=action.precedence,
        intent=intent,
    )


def _grant(ctx: Context, batch: Batch, intent: Intent, action: GrantHistory) -> bool:
    body, label = granting.make(ctx, intent)
    addressees = tuple(sorted(set(action.devices)))
    return batch.add_message(
        body,
        kinds.Grant(from_seq=action.from_seq, to_seq=action.to_seq, addressees=addressees),
        message_id=message_id_of(intent),
        written_at_ms=intent.created_at_ms,
        label=label,
        intent=intent,
    )


def _grade(number: int) -> kinds.Grade:
    try:
        return kinds.Grade(number)
    except ValueError:
        raise UsageError(Code.USAGE, f"there is no grade {number}") from None


def _bare(ctx: Context, intent: Intent, action: object) -> Specific:  # noqa: PLR0911 - one for each of them
    match action:
        case Acknowledge():
            return kinds.Ack(grade=_grade(action.grade), envelope=action.envelope)
        case EraseMessages():
            return kinds.Erase(envelopes=tuple(sorted(set(action.envelopes))))
        case Decide(ordinal=ordinal, outcome=outcome, nations=nations):
            return kinds.Decision(ordinal=ordinal, outcome=kinds.Outcome(outcome), nations=nations)
        case ReportCounts():
            return kinds.Counts(accepted=action.accepted, merged=action.merged, dropped=action.dropped)
        case Disclose():
            return kinds.Egress(envelope=action.envelope, form=DISCLOSURE, recipient=action.recipient)
        case Forward():
            return kinds.Egress(envelope=action.envelope, form=FORWARD, recipient=action.to.hex())
        case TakeOut(envelope=last, taken=taken, recipient=recipient):
            return kinds.Egress(envelope=last, form=taken.text, recipient=recipient)
        case Relabel():
            # From what it is now: where another has raised it meanwhile, it is raised from there.
            now = ways.own_label(ctx, intent)
            return kinds.Relabel(envelope=action.envelope, old=now, new=action.new)
    raise AssertionError(action)


def _introduce(ctx: Context, room: Room) -> None:
    """Machine-made messages: who we are, and what the room is called."""
    batch = Batch(ctx, room)
    bodies = room.bodies[: batch.room_for]
    intent = invite.introduced(ctx, room)
    label = min(room.spec.ceiling, ctx.certificate.ceiling, Label.AMBER)
    try:
        for body in bodies:
            fits = batch.add_message(
                body,
                kinds.Message(),
                message_id=ctx.random(16),
                written_at_ms=ctx.now_ms,
                label=label,
                intent=intent if body is room.bodies[-1] else None,
            )
            if not fits:
                break  # it is the first of the next publish
    except AmanahError:
        room.bodies.clear()  # a machine whose certificate allows alerts only has no profile to send
        return
    room.work = Work(bodies=len(batch))
    batch.launch()


def _report_delivered(ctx: Context, room: Room) -> bool:
    row = room.row
    news = row.head_seq > row.delivered_seq or duty.is_quiet(ctx, room)
    if not news or 0 <= ctx.now_ms - row.delivered_at_ms < DELIVERED_MS:
        return False
    return _deliver(ctx, room, Batch(ctx, room))


def _deliver(ctx: Context, room: Room, batch: Batch) -> bool:
    head_seq = room.row.head_seq
    try:
        batch.add_bare(kinds.Delivered(room_seq=head_seq))
    except AmanahError:
        return False
    room.change(delivered_seq=head_seq, delivered_at_ms=ctx.now_ms)
    batch.launch()
    return True
