"""What auditors are shown of the custody of a room that their organisation has left."""

from __future__ import annotations

import pytest

from amanah_protocol import frames
from amanah_protocol.audit import audit_chain
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.holds import decode_hold
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Message
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import OrgName
from tests.relay.core.test_custody import Custody
from tests.relay.world import MA, SN, Peer, device_of


class Left(Custody):
    """MA places a hold, TN another one, and MA's only device in the room is removed."""

    def __init__(self) -> None:
        super().__init__()
        self.reader = self.world.login(self.world.certify("auditor of ma", Role.AUDITOR, of=MA))
        self.chain = custody_chain(self.room.id)
        self.holds = (self.hold(of=MA), self.hold(hold=b"t" * 16))
        for made in self.holds:
            assert self.bring(LeafType.LEGAL_HOLD, made) is None

    def remove(self, *peers: Peer) -> None:
        """Devices of MA are removed."""
        self.world.commit(self.officer, self.room, removed=tuple(device_of(peer) for peer in peers))

    def add(self, *peers: Peer) -> None:
        """Devices are added."""
        self.world.commit(self.officer, self.room, added=tuple(device_of(peer) for peer in peers))

    def go_on(self) -> None:
        """What happens without MA: a third entry of the custody, and something in the room."""
        assert self.bring(LeafType.LEGAL_HOLD, self.release(self.holds[1])) is None
        self.say(self.room)

    def again(self) -> None:
        """The relay starts anew, from what its store has."""
        self.world.restart()
        self.officer = self.world.login(device_of(self.officer))
        self.reader = self.world.login(device_of(self.reader))

    def custody_shown(self, nonce: int = 0) -> list[int]:
        """The places of the room's custody that MA's auditor is shown."""
        return self.read(grant=None, by=self.reader, nonce=nonce).get(self.chain, [])


@pytest.fixture
def left() -> Left:
    """The room, its custody, and MA in it still."""
    return Left()


def test_the_custody_of_a_room_that_was_left_stays_in_scope_and_what_follows_does_not(left: Left) -> None:
    left.remove(left.guest)
    left.go_on()
    assert len(left.custody(left.room)) == 3, "a control: there is more"
    assert left.custody_shown() == [1, 2]


def test_a_restarted_relay_shows_the_same_of_it(left: Left) -> None:
    left.remove(left.guest)
    left.go_on()
    left.again()
    assert left.custody_shown() == [1, 2]


def test_of_a_room_that_the_organisation_never_was_in_no_custody_is_shown(left: Left) -> None:
    other = left.hold(rooms=(left.other.id,), hold=b"o" * 16, of=SN)
    assert left.bring(LeafType.LEGAL_HOLD, other) is None
    assert custody_chain(left.other.id) not in left.read(grant=None, by=left.reader)


def test_it_ends_with_the_removal_of_the_last_device(left: Left) -> None:
    second = left.world.officer("second guest", of=MA)
    left.add(second)
    left.remove(left.guest)
    left.go_on()
    assert left.custody_shown() == [1, 2, 3], "one device is in"
    left.remove(second)
    assert left.bring(LeafType.LEGAL_HOLD, left.hold(hold=b"u" * 16)) is None
    assert left.custody_shown(nonce=1) == [1, 2, 3]
    left.again()
    assert left.custody_shown(nonce=2) == [1, 2, 3]


def test_who_is_added_again_sees_all_of_it_and_after_a_second_leave_what_stood_there_then(left: Left) -> None:
    left.remove(left.guest)
    left.go_on()
    left.add(left.guest)
    assert left.custody_shown() == [1, 2, 3]
    left.remove(left.guest)
    assert left.bring(LeafType.LEGAL_HOLD, left.hold(hold=b"u" * 16)) is None
    assert left.custody_shown(nonce=1) == [1, 2, 3]
    left.again()
    assert left.custody_shown(nonce=2) == [1, 2, 3]


def test_what_a_removed_device_had_on_its_way_moves_no_end(left: Left) -> None:
    """Its row changes by its own envelopes alone, of which none is accepted behind the removal."""
    left.remove(left.guest)
    left.guest.publish(left.world.envelope(device_of(left.guest), left.room, Message()))
    left.guest.refused()
    left.go_on()
    assert left.custody_shown() == [1, 2]


def test_the_end_is_the_one_in_the_log_also_behind_what_waits_for_the_store(left: Left) -> None:
    """The removal is admitted while other leaves are not durable, and it is not the first of its publish."""
    left.world.holding = True
    left.officer.send(
        frames.Submit(
            request=left.officer.next_request(), type=int(LeafType.LEGAL_HOLD), object=left.hold(hold=b"v" * 16)
        )
    )
    message = left.world.envelope(device_of(left.officer), left.room, Message())
    left.officer.publish(message, *left.world.change(left.officer, left.room, removed=(device_of(left.guest),)))
    left.world.release()
    left.go_on()
    places = {entry.room_seq: entry.index for entry in left.world.store.entries if entry.room == left.room.id}
    member = left.world.store.state().rooms[left.room.id].members[device_of(left.guest).id]
    assert member.removed_seq is not None
    assert member.removed_index == places[member.removed_seq]
    kept = left.world.core._parts.loaded().state.rooms[left.room.id].members  # noqa: SLF001 - what it was admitted with
    assert kept[member.device].removed_index == member.removed_index
    assert left.custody_shown() == [1, 2, 3]


def test_a_hold_is_in_the_auditors_own_chain_and_in_the_custody_that_it_is_shown(left: Left) -> None:
    left.remove(left.guest)
    shown = left.read(grant=None, by=left.reader)
    assert shown[audit_chain(OrgName(MA))][0] == 1
    record = decode_hold(left.holds[0]).endorsed.record
    found = {entry.room for entry in left.world.store.entries if entry.object == record}
    assert found == {audit_chain(OrgName(MA)), left.chain}
    assert found <= set(shown)
