"""What this device has missed is kept no longer: it says so, and follows by headers until it is added again.

The relay drops the contents of old commits and welcomes (`protocol.md` section 7). Who was away for so
long cannot follow the group any more. That is nobody's fault: no commit is refused for it, and nobody else is
alarmed. From now on this device gives no sign of life in the room, so members remove it as silent, if they have not
done so already; its fresh key packages then show that it is back (`duty`).
"""

from __future__ import annotations

from typing import Final, NoReturn

from amanah_client.core.context import Context
from amanah_client.core.duty import SILENT_MS
from amanah_client.core.entry import Entry
from amanah_client.core.room import Room
from amanah_client.model import RoomStatus
from amanah_protocol.custody.retention import RoomPolicy, decode_policy
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.kinds import Create
from amanah_protocol.limits import CLOCK_WINDOW_MS

KEPT_MS: Final = SILENT_MS - 2 * CLOCK_WINDOW_MS
"""What is younger is there for everybody; the sender's clock and ours may each be ten minutes off."""


def may_be_dropped(ctx: Context, envelope: Envelope) -> bool:
    """Whether a content may be gone without anybody's fault, whoever asks for it: by the room's policy, or for its age.

    Only what a device missed for so long that it is to be removed anyway: else a relay could put any member out by
    withholding one commit. The time is the sender's, which the relay alone cannot set back.
    """
    header = envelope.header
    room = ctx.rooms.get(header.room)
    policy = None if room is None or room.create is None else policy_of(room.spec)
    if policy is not None:
        # From the entry's own time also where the room's last one counts: that is never earlier.
        over_ms = policy.over_at_ms(
            header.kind, header.label, accepted_at_ms=header.sent_at_ms, last_at_ms=header.sent_at_ms
        )
        if over_ms is not None:
            return ctx.now_ms >= over_ms - 2 * CLOCK_WINDOW_MS
    return ctx.now_ms - header.sent_at_ms >= KEPT_MS


def policy_of(create: Create) -> RoomPolicy | None:
    """How long content of a room stays; None where the relay decides, or where nobody here knows what it says."""
    try:
        return decode_policy(create.policy)
    except DecodeError:
        return None


def fall_behind(ctx: Context, room: Room, entry: Entry) -> NoReturn:
    """The group cannot go on from here: say so, and send nothing more in the room.

    Raises:
        VerifyError: `BEHIND`, always.
    """
    # A room that is halted has a graver cause, which stays.
    if room.row.status is not RoomStatus.HALTED:
        room.change(status=RoomStatus.BEHIND)
    detail = f"entry {entry.room_seq} is kept no longer: this device waits to be removed and added again"
    ctx.alarm(Code.BEHIND, detail, room=room.id, evidence=(entry.leaf.encode(),))
    raise VerifyError(Code.BEHIND, detail)
