"""A stated limit of attack 16: a newcomer takes the word of who invites it that the inviter was in the room.

An officer of a member nation, who was never in the room, and the relay show somebody a false circle.
What a newcomer is given begins with the room's creation and the commit that adds it; who was in the
room between them it cannot see, and without witnesses the relay can show it a record of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from amanah_client import model
from amanah_client.model import RoomStatus
from amanah_protocol import frames
from amanah_protocol.content.bodies import RoomInfo
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import Envelope, audience_digest, decode_envelope
from amanah_protocol.group.flat.group import FlatGroup
from amanah_protocol.group.flat.keys import KeyPair
from amanah_protocol.group.flat.members import Member, Members
from amanah_protocol.group.flat.schedule import derive_epoch
from amanah_protocol.group.flat.state import EpochKeys, GroupState
from amanah_protocol.group.seam import Credential
from amanah_protocol.group.suites import FLAT
from amanah_protocol.heads import RoomHead, sign_room_head
from amanah_protocol.kinds import Commit, Welcome
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import ZERO_32, DeviceId, LeafHash, RoomId
from amanah_relay.effects import TakeKeyPackages
from tests.adversary.attack import Attack, Planted
from tests.adversary.evil import EvilRelay
from tests.adversary.forge import message, signed
from tests.adversary.stage import Stage

Play = Callable[..., Stage]
CLAIMED: Final = ("tn-1", "tn-2", "ma-2", "sn-2")
"""Who was in the room, says who invites; in truth the first two alone."""


class FalseRecord(Attack):
    """Shows one device a record of a room that nobody else is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.room = RoomId(b"")
        self.record: list[frames.Delivery] = []

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is None or sender != self.victim:
            return True
        frame = frames.decode_client_frame(data)
        if not isinstance(frame, frames.Subscribe) or frame.room != self.room:
            return not isinstance(frame, frames.Publish)
        first = frame.after == 0
        shown = [entry for entry in self.record if (entry.room_seq == 1) == first]
        relay.say(sender, *shown, self._end(relay, frame.request, first=first))
        return False

    def _end(self, relay: EvilRelay, request: int, *, first: bool) -> frames.PageEnd:
        last = self.record[-1]
        head = RoomHead(
            room=self.room,
            room_seq=last.room_seq,
            leaf=_leaf(last).hash,
            size=last.index + 1,
            time_ms=relay.clock_ms,
        )
        behind = self.record[1].room_seq - 1 if first else last.room_seq
        signed_head = sign_room_head(head, relay.key)
        return frames.PageEnd(request=request, room=self.room, next=behind, live=not first, head=signed_head)

    def append(self, relay: EvilRelay, planted: Planted) -> None:
        """One more entry of the false record, linked to the one before it."""
        last = self.record[-1]
        entry = frames.Delivery(
            room=self.room,
            room_seq=last.room_seq + 1 if last.room_seq > 1 else 9,
            index=last.index + 1,
            accepted_at_ms=relay.clock_ms,
            previous=_leaf(last).hash,
            envelope=planted.object,
            content=planted.content,
        )
        self.record.append(entry)


def _leaf(entry: frames.Delivery) -> Leaf:
    return Leaf(
        type=LeafType.ENVELOPE,
        accepted_at_ms=entry.accepted_at_ms,
        room=RoomId(entry.room),
        room_seq=entry.room_seq,
        previous=LeafHash(entry.previous),
        object=entry.envelope,
    )


def false_group(stage: Stage, room: RoomId, epoch: int) -> FlatGroup:
    """A group in which everybody is who is claimed; but for ma-2, nobody has ever heard of it."""
    leaves = {name: KeyPair.of(sha256(name.encode())) for name in CLAIMED}
    members = Members(
        leaves=tuple(
            Member(
                device=stage.device(name).id,
                credential=Credential(
                    certificate=stage.device(name).certificate.encoded,
                    enrolment=stage.device(name).organisation.enrolment,
                ),
                leaf=leaves[name].public,
            )
            for name in CLAIMED
        )
    )
    entered = derive_epoch(sha256(b"a secret"), room=room, epoch=epoch, origin=ZERO_32, members=members)
    keys = EpochKeys.of(entered, leaves["ma-2"])
    me = stage.device("ma-2").id
    return FlatGroup(GroupState(room=room, epoch=epoch, device=me, members=members, keys=keys))


def deceive(stage: Stage, attack: FalseRecord, room: RoomId) -> None:
    """Make commit, welcome and title of the false circle, and show them to sn-1."""
    relay, key, victim = stage.relay, stage.device("ma-2").key, stage.device("sn-1").id
    create = _created(stage, room)
    epoch = relay.room(room).epoch
    group = false_group(stage, room, epoch)
    wanted = TakeKeyPackages(token=0, suite=FLAT, devices=(victim,))
    package = relay.store.take_key_packages(wanted).taken[0][0]
    assert package is not None
    audience = audience_digest({victim, *(stage.device(name).id for name in CLAIMED)})
    commit = Commit(added=(victim,))
    bare = signed(relay, key, room, commit, b"", audience=audience, label=Label.CLEAR)
    assert bare.envelope is not None
    draws = iter(range(1, 9))
    staged = group.stage_commit(
        adds=(package,), removes=(), aad=bare.envelope.header.aad, random=lambda n: sha256(bytes([next(draws)]))[:n]
    )
    adding = signed(relay, key, room, commit, staged.sealed, audience=audience, label=Label.CLEAR)
    assert adding.envelope is not None
    welcome = staged.welcome(create.id, adding.envelope.id).sealed
    group.merge()
    attack.append(relay, adding)
    chain = {"epoch": epoch + 1, "audience": audience}
    specific = Welcome(addressees=(victim,))
    inviting = signed(
        relay, key, room, specific, welcome, label=Label.CLEAR, counter=2, previous=adding.envelope.id, **chain
    )
    assert inviting.envelope is not None
    attack.append(relay, inviting)
    title = RoomInfo(title="the government's own room", description="")
    attack.append(relay, message(relay, key, group, title, counter=3, previous=inviting.envelope.id, **chain))
    attack.victim = victim
    state = frames.RoomState(room=room, head=attack.record[-1].room_seq, added_seq=9, removed_seq=None)
    relay.say(victim, state)


def _created(stage: Stage, room: RoomId) -> Envelope:
    row = next(row for row in stage.client("tn-1").store.rooms() if row.room == room)
    return decode_envelope(row.create)


@pytest.mark.xfail(strict=True, reason="a newcomer is not shown who was in the room before it; see the module's text")
def test_an_officer_who_was_never_in_a_room_invites_nobody_into_it(play: Play) -> None:
    attack = FalseRecord()
    stage = play(attack)
    room = stage.open("tn-1", "TN's own room", stage.device("tn-2").id)
    stage.settle()
    first = next(row for row in stage.client("tn-1").store.messages(room) if row.room_seq == 1)
    assert first.index is not None
    assert first.accepted_at_ms is not None
    attack.room = room
    attack.record = [
        frames.Delivery(
            room=room,
            room_seq=1,
            index=first.index,
            accepted_at_ms=first.accepted_at_ms,
            previous=ZERO_32,
            envelope=first.encoded,
            content=b"",
        )
    ]
    deceive(stage, attack, room)
    stage.wait(10)
    (row,) = [row for row in stage.client("sn-1").store.rooms() if row.room == room]
    assert (row.status, row.title) != (RoomStatus.OPEN, "the government's own room"), model.RoomStatus(row.status)
