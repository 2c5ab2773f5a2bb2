"""Intents that stand in no room's line: new rooms, control objects, proofs, the auditor's copy."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_client.actions import AuditSync, CreateRoom, Disclose, Forward, SubmitControl
from amanah_client.core import audit_sync, disclose, forward, renewal
from amanah_client.core.batch import Batch, message_id_of
from amanah_client.core.context import Context, room_of
from amanah_client.core.gate import blocked
from amanah_client.core.requests import Submitted
from amanah_client.core.room import Room
from amanah_client.model import Intent, IntentState, Namer, RoomRow, RoomStatus
from amanah_protocol import limits, rooms
from amanah_protocol.content.bodies import Profile, RoomInfo
from amanah_protocol.envelope import audience_digest, derive_room_id
from amanah_protocol.errors import AmanahError, Code, RefusedError
from amanah_protocol.frames import Submit
from amanah_protocol.group.suites import CLASSICAL, POST_QUANTUM
from amanah_protocol.kinds import Create, Message
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.rooms import Standing
from amanah_protocol.types import CONTROL, RoomId

_LEAF_TYPES: Final = frozenset(int(leaf_type) for leaf_type in LeafType)
_MAX_OBJECT_BYTES: Final = 128 * limits.KIB


def advance(ctx: Context) -> None:
    """Take each a step further."""
    for intent in tuple(ctx.apart.values()):
        if intent.state is IntentState.HELD or ctx.waits.get(intent.id, 0) > ctx.timer_ms:
            continue
        match intent.action:
            case CreateRoom():
                _create(ctx, intent, intent.action)
            case SubmitControl():
                _submit(ctx, intent, intent.action)
            case AuditSync():
                audit_sync.advance(ctx, intent)
            case Disclose() if intent.envelope is not None:
                disclose.prove(ctx, intent)
            case Forward() if intent.envelope is not None:
                forward.go_on(ctx, intent, intent.action)
            case action:
                _place(ctx, intent, room_of(action) or CONTROL)


def _place(ctx: Context, intent: Intent, room_id: RoomId) -> None:
    """What is asked for in a room that is asked for too waits for it, and then stands in its line."""
    room = ctx.rooms.get(room_id)
    if room is not None:
        del ctx.apart[intent.id]
        room.line[intent.id] = intent
    elif not any(room_to_be(ctx, one) == room_id for one in ctx.apart.values()):
        ctx.fail(intent, str(Code.UNKNOWN_ROOM), f"this device is in no room {room_id.hex()}")


def room_to_be(ctx: Context, intent: Intent) -> RoomId | None:
    """The id of the room that an intent opens."""
    if not isinstance(intent.action, CreateRoom):
        return None
    return derive_room_id(ctx.relay.origin, ctx.me, message_id_of(intent))


def _create(ctx: Context, intent: Intent, action: CreateRoom) -> None:
    if intent.state is IntentState.SENT:
        return
    problem = blocked(ctx)
    if problem is not None:
        ctx.note(intent, problem.code, problem.detail)
        return
    try:
        _open(ctx, intent, action)
    except AmanahError as error:
        ctx.fail(intent, str(error.code), error.detail)


def _open(ctx: Context, intent: Intent, action: CreateRoom) -> None:
    """What an officer asked for.

    Raises:
        AmanahError: It is not allowed; nothing was changed.
    """
    create = Create(
        origin=ctx.relay.origin,
        nonce=message_id_of(intent),  # random as the intent's id: sealing again after a refusal gives the same room
        suite=CLASSICAL if action.classical else POST_QUANTUM,
        ceiling=action.ceiling,
        owner=ctx.certificate.organisation,
        agreement=action.agreement,
        policy=action.policy,
        drill=action.drill,
    )
    open_room(ctx, create, title=action.title, written_at_ms=intent.created_at_ms, intent=intent)


def open_room(ctx: Context, create: Create, *, title: str, written_at_ms: int, intent: Intent | None) -> None:
    """Creation, title and own name in one publish.

    Raises:
        AmanahError: It is not allowed; nothing was changed.
    """
    if create.suite not in ctx.certificate.suites:
        raise RefusedError(Code.SUITE, f"the own certificate does not name the room suite 0x{create.suite:04X}")
    rooms.check_create(create, Standing(certificate=ctx.certificate, revoked=False))
    room_id = derive_room_id(create.origin, ctx.me, create.nonce)
    room = ctx.rooms.get(room_id) or Room(row=RoomRow(room=room_id, status=RoomStatus.OPENING))
    room.engine = ctx.engines[create.suite]
    room.group = room.engine.create(
        room_id, ctx.key, ctx.credential, policy=create.policy, now_ms=ctx.now_ms, random=ctx.random
    )
    batch = Batch(ctx, room)
    header = batch.header(create, audience=audience_digest({ctx.me}))
    batch.check(header)
    room.create = batch.sign(header, b"", intent)
    label = min(create.ceiling, ctx.certificate.ceiling, Label.AMBER)
    for body in (RoomInfo(title=title, description=""), Profile(encoded=ctx.profile)):
        batch.add_message(body, Message(), message_id=ctx.random(16), written_at_ms=written_at_ms, label=label)
    ctx.rooms[room_id] = room
    renewal.set_time(ctx, room)
    room.change(status=RoomStatus.OPENING, title=title, titled_by=Namer.OWNER)
    room.moved()
    batch.launch()


def _submit(ctx: Context, intent: Intent, action: SubmitControl) -> None:
    if ctx.is_asking(lambda purpose: isinstance(purpose, Submitted) and purpose.intent == intent.id):
        return
    if action.type not in _LEAF_TYPES or len(action.object) > _MAX_OBJECT_BYTES:
        # The relay would close the connection for it, each time anew.
        ctx.fail(intent, str(Code.TOO_LARGE if action.type in _LEAF_TYPES else Code.BAD_TYPE), "no control object")
        return
    purpose = Submitted(intent=intent.id)
    ctx.ask(purpose, lambda number: Submit(request=number, type=action.type, object=action.object))
    if intent.state is not IntentState.SENT:
        ctx.put_intent(replace(intent, state=IntentState.SENT, code="", detail="", reasons=()))
