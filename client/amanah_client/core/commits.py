"""Own commits: staged, published with their welcome, merged when they come back in the room's order."""

from __future__ import annotations

from typing import Final

from amanah_client.actions import Remove
from amanah_client.core.batch import Batch
from amanah_client.core.context import Context
from amanah_client.core.room import Room
from amanah_client.model import Intent, IntentState
from amanah_protocol import rooms
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import Envelope, audience_digest
from amanah_protocol.errors import AmanahError, Code, UsageError
from amanah_protocol.kinds import Commit, Welcome
from amanah_protocol.limits import MAX_NAMED_DEVICES
from amanah_protocol.types import DeviceId

MOST: Final = MAX_NAMED_DEVICES
"""Devices that one commit names."""
RANK_MS: Final = 2_000
FRUITLESS_MS: Final = 3_600_000
"""Nobody waits for what a machine does by itself: where it is refused for good, it is left alone for an hour."""


def commit(
    ctx: Context, room: Room, *, packages: dict[DeviceId, bytes], removes: tuple[DeviceId, ...], intent: Intent | None
) -> None:
    """Publish a commit, and the welcome for those it adds, as one transaction.

    Args:
        ctx: The core's memory.
        room: The room; nothing of ours is in flight there.
        packages: Checked key packages of the devices to add.
        removes: Members to remove.
        intent: Whom it serves, or None for what a machine does by itself.

    Raises:
        AmanahError: It is not allowed or does not fit; nothing was changed.
    """
    group, engine, create = room.group, room.engine, room.create
    if group is None or engine is None or create is None:
        raise UsageError(Code.NOT_MEMBER, "this device has no keys of the room")
    change = Commit(added=tuple(sorted(packages)), removed=tuple(sorted(removes)))
    members = set(group.members)
    rooms.check_commit(
        change,
        create=room.spec,
        committer=ctx.me,
        members=members,
        standings=ctx.directory.standings({ctx.me, *members, *change.added}),
        at_ms=ctx.now_ms,
    )
    audience = audience_digest((members | set(change.added)) - set(change.removed))
    batch = Batch(ctx, room)
    header = batch.header(change, audience=audience, media_type=engine.media_type)
    batch.check(header)
    staged = group.stage_commit(
        adds=tuple(packages[device] for device in change.added),
        removes=change.removed,
        credential=ctx.credential,
        aad=header.aad,
        random=ctx.random,
    )
    room.moved()
    envelope = batch.sign(header, staged.sealed, intent)
    if change.added:
        sealed = staged.welcome(create.id, envelope.id, random=ctx.random)
        _welcome(batch, envelope, change.added, sha256(staged.tree), sealed)
    batch.launch()


def _welcome(batch: Batch, commit: Envelope, added: tuple[DeviceId, ...], tree_hash: bytes, sealed: bytes) -> None:
    specific = Welcome(addressees=added, tree_hash=tree_hash)
    header = batch.header(
        specific,
        audience=commit.header.audience,
        epoch=commit.header.epoch + 1,
        media_type=commit.header.media_type,
    )
    batch.sign(header, sealed)


def remove(ctx: Context, room: Room, intent: Intent, action: Remove) -> bool:
    """Take a removal a step further; False when what stands behind it in the line has to wait."""
    if room.group is None:
        return False
    leaving = tuple(device for device in action.devices if device in room.group.members)
    if not leaving:
        ctx.finish_intent(intent)
        return True
    try:
        commit(ctx, room, packages={}, removes=leaving[:MOST], intent=intent)
    except AmanahError as error:
        ctx.fail(intent, str(error.code), error.detail)
        return True
    return False


def is_removed(room: Room, action: Remove, removed: tuple[DeviceId, ...]) -> bool:
    """Whether an accepted commit was the last that a removal needs."""
    members = () if room.group is None else room.group.members
    return all(device in removed or device not in members for device in action.devices)


def is_sent(intent: Intent) -> bool:
    """Whether a part of the intent was accepted already."""
    return intent.state is IntentState.SENT and intent.envelope is not None
