"""Attack 23: a device goes on from an old copy of its profile."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Final

from amanah_client.model import IntentState, Rekey, RoomStatus
from amanah_protocol import frames
from amanah_protocol.envelope import Header, decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Kind
from amanah_protocol.types import DeviceId
from tests.adversary.attack import Attack
from tests.adversary.evil import EvilRelay
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage

Play = Callable[..., Stage]
VICTIM: Final = "sn-1"
LOST: Final = ("said and forgotten", "and this")


class Listening(Attack):
    """Keeps the headers of what one device publishes."""

    def __init__(self) -> None:
        super().__init__()
        self.device: DeviceId | None = None
        self.headers: list[Header] = []

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is not None and sender == self.device:
            frame = frames.decode_client_frame(data)
            if isinstance(frame, frames.Publish):
                self.headers += [decode_envelope(item.envelope).header for item in frame.items]
        return True


def restore_an_old_copy(play: Play) -> tuple[Stage, list[Header]]:
    """Copy a profile, say something, put the copy back, and say something else; gives what the copy published."""
    attack = Listening()
    stage = play(attack)
    stage.wait(35)
    client = stage.client(VICTIM)
    copy = deepcopy(client.store)
    for text in LOST:
        stage.say(VICTIM, text)
        stage.wait(3)
    client.kill()
    stage.put_back(VICTIM, copy)
    attack.device = stage.device(VICTIM).id
    client.start()
    stage.say(VICTIM, "said by the copy")
    stage.say(VICTIM, "in the other room", room=1)
    stage.wait(20)
    return stage, [header for header in attack.headers if header.room == stage.rooms[0]]


@defended(23)
def test_an_old_copy_finds_in_the_log_that_it_is_one_and_renews_its_keys_before_it_sends(play: Play) -> None:
    stage, published = restore_an_old_copy(play)
    asked, commit, *rest = published
    assert (asked.kind, commit.kind) == (Kind.REFUSE, Kind.COMMIT)
    # It asks in the epoch that it may have used, and seals in one that another began behind all that it had seen.
    assert commit.epoch > asked.epoch
    assert {header.epoch for header in rest} == {commit.epoch + 1}
    assert [header.kind for header in rest if header.kind is not Kind.DELIVERED] == [Kind.REPAIR, Kind.MESSAGE]
    # What it had said before, and holds no more, a colleague's client sends again.
    assert set(LOST) <= set(stage.texts(VICTIM))
    alarms = stage.alarms(VICTIM)
    assert {alarm.code for alarm in alarms} == {Code.FORK}
    assert all("this profile never signed" in alarm.detail and evidence(alarm) for alarm in alarms)
    assert (stage.row(VICTIM).status, stage.row(VICTIM).rekey) == (RoomStatus.OPEN, Rekey.NONE)
    assert stage.client(VICTIM).store.intents(IntentState.QUEUED) == ()
    # Where nothing was lost it goes on; and the others have read all that was said.
    assert stage.texts("ma-2", room=1) == ["in the other room"]
    assert stage.texts("tn-1") == [*LOST, "said by the copy"]
    assert stage.all_alarms().keys() == {VICTIM}
    assert stage.crashes() == []


@control(23, "own envelopes are known")
def test_without_the_look_at_own_envelopes_a_copy_seals_with_keys_that_were_used(play: Play) -> None:
    stage, published = restore_an_old_copy(play)
    assert Kind.MESSAGE in {header.kind for header in published}
    assert stage.alarms(VICTIM, Code.FORK) == []
