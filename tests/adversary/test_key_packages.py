"""Attack 20: a key package that is handed out twice, or long after its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amanah_client import actions
from amanah_client.model import IntentState, RoomStatus
from amanah_protocol.errors import Code
from amanah_protocol.group.leaves import identity_of
from amanah_protocol.mls.key_package import make_key_package
from amanah_protocol.mls.leaf_node import Lifetime
from tests.adversary.forge import drawn
from tests.adversary.outcomes import control, defended
from tests.adversary.packages import SUITE, credential_of
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage
from tests.adversary.test_group import Substituting

Play = Callable[..., Stage]
GUEST: Final = "tn-2"
DAY_S: Final = 86_400


def invite_twice_with_one(play: Play) -> Stage:
    """Two officers of two organisations invite one device; the relay gives both the same key package."""
    attack = Substituting()
    stage = play(attack)
    attack.device = stage.device(GUEST).id
    attack.package = lambda genuine: attack.given[0] if attack.given else genuine
    stage.rooms.append(stage.open("sn-1", "a third room", stage.device("sn-2").id))
    for host, room in (("ma-1", 1), ("sn-1", 2)):
        stage.do(host, actions.Invite(room=stage.rooms[room], device=attack.device))
    stage.say("ma-1", "in the second", room=1)
    stage.say("sn-1", "in the third", room=2)
    stage.wait(5)
    assert len(set(attack.given)) == 1
    return stage


@defended(20)
def test_a_key_package_lets_its_device_into_one_room(play: Play) -> None:
    stage = invite_twice_with_one(play)
    assert stage.texts(GUEST, room=1) == ["in the second"]
    row = stage.row(GUEST, 2)
    assert (row.status, row.group, row.title) == (RoomStatus.LOST, b"", "")
    assert stage.texts(GUEST, room=2) == []
    alarm, alone = stage.alarms(GUEST)
    assert (alarm.code, alarm.room) == (Code.OPEN, stage.rooms[2])
    assert evidence(alarm)
    assert (alone.code, alone.room) == (Code.STATE_LOST, stage.rooms[2])  # nobody of its own is there to help
    assert stage.texts("sn-2", room=2) == ["in the third"]
    # With one of its own, after it was put out of the room where it is deaf, it comes in.
    guest = stage.device(GUEST).id
    assert isinstance(stage.attack, Substituting)
    stage.attack.package = lambda genuine: genuine
    stage.do("sn-1", actions.Remove(room=stage.rooms[2], devices=(guest,)))
    stage.do("sn-1", actions.Invite(room=stage.rooms[2], device=guest))
    stage.wait(3)
    stage.say(GUEST, "here now", room=2)
    stage.wait(5)
    assert stage.texts("sn-2", room=2) == ["in the third", "here now"]
    assert stage.crashes() == []


@control(20, "key packages are spent")
def test_without_spending_it_one_key_package_opens_two_rooms(play: Play) -> None:
    stage = invite_twice_with_one(play)
    assert stage.texts(GUEST, room=1) == ["in the second"]
    assert stage.texts(GUEST, room=2) == ["in the third"]
    assert stage.all_alarms() == {}


def invite_with_an_old_one(play: Play) -> tuple[Stage, Substituting, str]:
    """The relay has kept a key package of the device until long after its end."""
    attack = Substituting()
    stage = play(attack)
    guest = stage.device(GUEST)
    now_s = stage.now_ms // 1000
    old = make_key_package(
        SUITE,
        identity_of(guest.key, credential_of(guest)),
        Lifetime(now_s - 85 * DAY_S, now_s - DAY_S),
        last_resort=False,
        random=drawn,
    ).public.encode()
    attack.device, attack.package = guest.id, lambda _: old
    intent = stage.ask("ma-1", actions.Invite(room=stage.rooms[1], device=guest.id))
    stage.until(lambda: attack.handed > 0)
    stage.wait(5)
    return stage, attack, intent


@defended(20)
def test_a_key_package_after_its_time_adds_nobody(play: Play) -> None:
    stage, attack, intent = invite_with_an_old_one(play)
    (alarm,) = stage.alarms("ma-1")
    assert alarm.code == Code.EXPIRED
    assert evidence(alarm) == attack.given[:1]
    assert GUEST not in stage.circle("sn-1", stage.row("sn-1", 1)).members
    attack.package = lambda genuine: genuine
    stage.until(lambda: stage.intent("ma-1", intent).state is IntentState.DONE, seconds=90)
    assert GUEST in stage.circle("sn-1", stage.row("sn-1", 1)).members


@control(20, "key packages have their time")
def test_without_the_look_at_its_time_an_old_key_package_is_used(play: Play) -> None:
    stage, _, _ = invite_with_an_old_one(play)
    assert stage.alarms("ma-1") == []
    assert GUEST in stage.circle("sn-1", stage.row("sn-1", 1)).members
