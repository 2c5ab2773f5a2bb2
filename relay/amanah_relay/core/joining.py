"""What a member may know of a room from before its own time: how the circle came about, and nothing else.

Headers and signatures of the `create` and of each commit let a newcomer follow who was in the room,
epoch by epoch, instead of taking it from its welcome (attack 16).
"""

from __future__ import annotations

from amanah_protocol import frames
from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.limits import MAX_MEMBERSHIP, MAX_MEMBERSHIP_BYTES
from amanah_protocol.types import RoomId
from amanah_relay.core.clients import Client
from amanah_relay.core.fetch import check_pace
from amanah_relay.core.parts import Parts
from amanah_relay.core.pending import MembershipFetch
from amanah_relay.effects import Entry, ReadMembership


def ask(parts: Parts, client: Client, frame: frames.GetMembership) -> None:
    """Read what lies before the commit that added this device, as far as one frame holds it.

    Raises:
        AmanahError: `STOPPING`, `STORE`, `SLOW`, `RATE` or `UNKNOWN_ROOM`.
    """
    parts.check_open()
    check_pace(parts, client)
    room = RoomId(frame.room)
    kept = parts.loaded().ledger.rooms.get(room)
    member = None if kept is None else kept.members.get(client.device)
    if member is None:
        raise RefusedError(Code.UNKNOWN_ROOM, "there is no such room for this device")
    token = parts.ask(MembershipFetch(client=client, request=frame.request))
    parts.out.add(
        ReadMembership(
            token=token,
            room=room,
            after=frame.after,
            # What came later reaches it as entries of its own record, or is not for it to see.
            until=member.added_seq,
            limit=MAX_MEMBERSHIP,
            max_bytes=MAX_MEMBERSHIP_BYTES,
        )
    )


def answer(parts: Parts, question: MembershipFetch, entries: tuple[Entry, ...]) -> None:
    """The store gave the entries."""
    if not parts.knows(question.client):
        return
    frame = frames.Membership(
        request=question.request,
        entries=tuple(
            frames.MembershipEntry(
                room_seq=entry.room_seq,
                index=entry.index,
                accepted_at_ms=entry.accepted_at_ms,
                previous=entry.previous,
                envelope=entry.object,
            )
            for entry in entries
        ),
    )
    parts.out.send(question.client.session, frame)
