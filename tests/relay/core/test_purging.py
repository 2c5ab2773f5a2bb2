"""What a room's policy, the relay's configuration and a legal hold make of contents, and what the log says of it."""

from __future__ import annotations

from typing import Any

import pytest

from amanah_protocol import frames
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import sha256
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import Cause, ContentErasure, erased_digest, verify_erasure
from amanah_protocol.custody.holds import decode_hold, hold_document, release_document
from amanah_protocol.custody.retention import KindClass, RoomPolicy
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Alert, Commit, Delivered, Erase, Message, Relabel
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import OrgName
from amanah_relay.effects import Append, Purge, Survey
from amanah_relay.inputs import CheckpointsRead, EntriesRead, Input, Purged, Surveyed, Tick
from amanah_relay.purging import RoomRule, Standing, Terms, cause_to_go
from amanah_relay.quotas import RelayLimits
from tests.relay.memory_store import StoreEffect
from tests.relay.people import RELAY_KEY, Device
from tests.relay.world import MA, SEALED, TN, Peer, World, code_of
from tests.vectors import examples as x

DAY_MS = 86_400_000
RED = RoomPolicy(after_last={Label.RED: 7}, labels={Label.GREEN: 3}, classes={KindClass.ALERT: 1})


class Shelf:
    """A room with a policy, in which something was said."""

    def __init__(self, policy: RoomPolicy | None = RED, limits: RelayLimits | None = None) -> None:
        self.world = World(limits)
        self.officer, self.guest = self.world.officer("officer"), self.world.officer("guest", of=MA)
        assert self.officer.device is not None
        assert self.guest.device is not None
        self.me, self.other = self.officer.device, self.guest.device
        data = b"" if policy is None else policy.encode()
        self.room = self.world.open_room(self.officer, self.other, policy=data)
        self.begun_ms = self.world.now_ms

    def say(self, label: Label, specific: Any = None, content: bytes = SEALED) -> int:  # noqa: ANN401 - what any kind says in a header
        """Send something; gives its place."""
        made = self.world.envelope(self.me, self.room, specific or Message(), content, label=label)
        self.officer.publish((made, content))
        self.officer.one(frames.Stored)
        return self.last

    @property
    def last(self) -> int:
        return self.world.store.rooms[self.room.id].head_seq

    def pass_days(self, days: float, *, quiet: bool = True) -> None:
        """Time passes, elsewhere something is said, and a pass is made."""
        self.world.now_ms += int(days * DAY_MS)
        if quiet:
            nonce = sha256(b"%d" % self.world.now_ms)[:16]
            self.world.open_room(self.guest, nonce=nonce)
        self.world.core._parts.purging.due_ms = 0  # noqa: SLF001 - the next pass comes at once
        self.world.tick()

    def gone(self) -> list[int]:
        """Places of the room whose content a member is not given any more."""
        self.officer.take(frames.Delivery)
        self.officer.subscribe(self.room.id, 1)
        shown = self.officer.take(frames.Delivery)
        return [delivery.room_seq for delivery in shown if delivery.erased]

    def statements(self) -> list[ContentErasure]:
        """What the relay says it has dropped in the room."""
        chain = custody_chain(self.room.id)
        entries = [entry for entry in self.world.store.entries if entry.room == chain]
        signed = [entry.object for entry in entries if entry.type is LeafType.ERASURE]
        return [verify_erasure(data, RELAY_KEY.public).value for data in signed]

    def hold(self, **changes: Any) -> bytes:  # noqa: ANN401 - fields of a hold
        """TN holds the room."""
        made = self.world.nations[TN].hold(self.room.id, now_ms=self.world.now_ms, **changes)
        self.submit(made)
        return made

    def release(self, hold: bytes) -> None:
        document = release_document(decode_hold(hold), now_ms=self.world.now_ms)
        self.submit(self.world.nations[TN].two_party(document, Typ.LEGAL_HOLD))

    def submit(self, data: bytes) -> None:
        request = self.officer.next_request()
        self.officer.send(frames.Submit(request=request, type=int(LeafType.LEGAL_HOLD), object=data))
        self.officer.one(frames.Stored)

    def purges(self) -> list[Purge]:
        """What the store is asked to drop of trees in the next pass."""
        self.world.store.purges.clear()
        self.pass_days(0.1)
        return self.world.store.purges

    def erase(self, place: int, by: Device | None = None, peer: Peer | None = None) -> None:
        envelope = next(
            entry.envelope
            for entry in self.world.store.entries
            if (entry.room, entry.room_seq) == (self.room.id, place)
        )
        assert envelope is not None
        made = self.world.envelope(by or self.me, self.room, Erase(envelopes=(envelope,)))
        (peer or self.officer).publish(made)
        (peer or self.officer).one(frames.Stored)


def test_a_rooms_policy_drops_by_label_class_and_the_last_entry() -> None:
    shelf = Shelf()
    green, alert, red = shelf.say(Label.GREEN), shelf.say(Label.AMBER, Alert(count=1)), shelf.say(Label.RED)
    amber = shelf.say(Label.AMBER)
    found = []
    for days in (0.9, 0.2, 1.8, 0.2, 3.7, 0.3):
        shelf.pass_days(days)
        found.append(shelf.gone())
    assert found == [[], [alert], [alert], [green, alert], [green, alert], [green, alert, red]]
    assert amber not in found[-1]


def test_what_counts_from_the_last_entry_waits_while_the_room_goes_on() -> None:
    shelf = Shelf()
    red = shelf.say(Label.RED)
    shelf.pass_days(5)
    shelf.say(Label.AMBER)
    shelf.pass_days(5)
    assert red not in shelf.gone()
    shelf.pass_days(2.1)
    assert red in shelf.gone()


def test_a_room_without_a_policy_follows_the_relay() -> None:
    shelf = Shelf(policy=None)
    shelf.say(Label.RED)
    shelf.pass_days(29)
    assert shelf.gone() == []


def test_the_relay_says_what_it_dropped_and_why_in_the_batch_that_drops_it() -> None:
    shelf = Shelf()
    places = (shelf.say(Label.GREEN), shelf.say(Label.GREEN))
    shelf.pass_days(3.1)
    purging = [append for append in shelf.world.appends if append.purges]
    assert len(purging) == 1
    assert [entry.type for entry in purging[0].entries] == [LeafType.ERASURE]
    (said,) = shelf.statements()
    store = shelf.world.store.entries
    stood = [entry for entry in store if entry.index in purging[0].purges]
    assert (said.room, said.places, said.cause) == (shelf.room.id, places, Cause.ROOM)
    assert said.digest == erased_digest((entry.room_seq, entry.envelope or b"") for entry in stood)
    assert said.erased_at_ms == purging[0].accepted_at_ms
    assert [entry.accepted_at_ms for entry in stood] == [shelf.begun_ms] * 2


def test_a_pass_that_drops_nothing_says_nothing() -> None:
    shelf = Shelf()
    shelf.say(Label.AMBER)
    leaves = len(shelf.world.store.entries)
    shelf.pass_days(0.5, quiet=False)
    assert len(shelf.world.store.entries) == leaves
    assert shelf.statements() == []


def test_what_all_have_confirmed_goes_by_the_relays_configuration_and_that_is_said() -> None:
    shelf = Shelf(policy=None, limits=RelayLimits(retention_days=2))
    place = shelf.say(Label.AMBER)
    shelf.world.now_ms += 60_000
    for peer, device in ((shelf.officer, shelf.me), (shelf.guest, shelf.other)):
        peer.publish(shelf.world.envelope(device, shelf.room, Delivered(room_seq=place)))
        peer.one(frames.Stored)
    shelf.world.tick(1)
    shelf.pass_days(2.1)
    assert place in shelf.gone()
    assert {said.cause for said in shelf.statements()} == {Cause.RELAY}


def test_a_leap_of_the_clock_is_not_carried_into_the_log() -> None:
    shelf = Shelf()
    shelf.say(Label.GREEN)
    shelf.pass_days(3.1)
    before = shelf.world.appends[-1].accepted_at_ms
    shelf.pass_days(1_000, quiet=False)
    assert shelf.world.appends[-1].accepted_at_ms == before


def test_a_step_that_fails_is_taken_again_and_says_it_once() -> None:
    shelf = Shelf()
    place = shelf.say(Label.GREEN)
    shelf.world.now_ms += 4 * DAY_MS
    shelf.world.open_room(shelf.guest, nonce=bytes([1]) * 16)
    shelf.world.core._parts.purging.due_ms = 0  # noqa: SLF001 - the next pass comes at once
    shelf.world.holding = True
    shelf.world.handle(Tick())
    assert [type(effect) for effect in shelf.world.waiting] == [Survey]
    shelf.world.step()
    assert [type(effect) for effect in shelf.world.waiting] == [Append]
    shelf.world.store.append_fails = "lost"
    shelf.world.release()
    assert shelf.statements() == []
    shelf.world.tick(1)
    assert [said.places for said in shelf.statements()] == [(place,)]


def test_a_pass_goes_on_behind_what_it_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amanah_relay.core.retention.STEP_CONTENTS", 2)
    shelf = Shelf()
    places = [shelf.say(Label.GREEN) for _ in range(5)]
    shelf.pass_days(3.1)
    assert shelf.gone() == places
    assert sorted(place for said in shelf.statements() for place in said.places) == places
    assert isinstance(shelf.world.steps[-1], Purge)


def test_a_policy_that_nobody_here_knows_opens_no_room() -> None:
    shelf = Shelf()
    for policy in (b"\xa0", b"\x84\x02\xa0\xa0\xa0"):
        room = shelf.world.new_room(shelf.me, nonce=sha256(policy)[:16], policy=policy)
        shelf.officer.publish(room.create)
        assert code_of(shelf.officer.refused()) in (Code.BAD_TYPE, Code.UNKNOWN_VERSION)


def test_a_room_of_an_older_version_with_such_a_policy_follows_the_relay() -> None:
    from amanah_relay.core.retention import _policy  # noqa: PLC0415 - what a stored room may hold

    assert _policy(b"\xa0") is None
    assert _policy(RED.encode()) == RED


# ---- holds


def test_while_a_hold_stands_nothing_of_the_room_is_dropped() -> None:
    shelf, control = Shelf(), Shelf()
    for one in (shelf, control):
        one.say(Label.GREEN)
    hold = shelf.hold()
    for one in (shelf, control):
        one.pass_days(3.1)
    assert control.gone(), "without the hold it goes"
    assert shelf.gone() == []
    shelf.release(hold)
    shelf.pass_days(0.1)
    assert len(shelf.gone()) == 1
    assert {said.cause for said in shelf.statements()} == {Cause.ROOM}


def test_a_hold_protects_what_was_accepted_since() -> None:
    shelf = Shelf()
    old = shelf.say(Label.GREEN)
    shelf.world.now_ms += DAY_MS
    young = shelf.say(Label.GREEN)
    shelf.hold(since_ms=shelf.begun_ms + 1)
    shelf.pass_days(5)
    assert shelf.gone() == [old]
    assert young not in shelf.gone()


def test_a_hold_of_another_room_protects_nothing_here() -> None:
    shelf = Shelf()
    shelf.say(Label.GREEN)
    other = shelf.world.open_room(shelf.officer, nonce=bytes([9]) * 16)
    shelf.hold(rooms=(other.id,))
    shelf.pass_days(3.1)
    assert len(shelf.gone()) == 1


def test_an_erase_under_a_hold_hides_the_content_and_keeps_it_until_the_release() -> None:
    shelf = Shelf(policy=None)
    place = shelf.say(Label.AMBER)
    hold = shelf.hold()
    shelf.erase(place)
    assert shelf.gone() == [place]
    ask = frames.FetchContent(request=90, room=shelf.room.id, payload_hash=sha256(SEALED), offset=0)
    assert kept(shelf, place) == SEALED
    shelf.guest.send(ask)
    shelf.pass_days(1)
    assert kept(shelf, place) == SEALED
    shelf.release(hold)
    shelf.pass_days(0.1)
    assert kept(shelf, place) is None
    assert [(said.places, said.cause) for said in shelf.statements()] == [((place,), Cause.HELD)]


def test_without_a_hold_an_erase_drops_at_once() -> None:
    shelf = Shelf(policy=None)
    place = shelf.say(Label.AMBER)
    shelf.erase(place)
    assert (shelf.gone(), kept(shelf, place)) == ([place], None)


def test_a_hold_that_comes_while_the_store_looks_is_kept_to() -> None:
    shelf = Shelf()
    shelf.say(Label.GREEN)
    shelf.world.now_ms += 4 * DAY_MS
    shelf.world.open_room(shelf.guest, nonce=bytes([1]) * 16)
    shelf.world.core._parts.purging.due_ms = 0  # noqa: SLF001 - the next pass comes at once
    shelf.world.holding = True
    shelf.world.handle(Tick())
    document = hold_document(
        hold=b"h" * 16,
        organisation=OrgName(TN),
        rooms=(shelf.room.id,),
        since_ms=0,
        reference=bytes(16),
        issued_ms=shelf.world.now_ms,
    )
    made = shelf.world.nations[TN].two_party(document, Typ.LEGAL_HOLD)
    shelf.officer.send(frames.Submit(request=77, type=int(LeafType.LEGAL_HOLD), object=made))
    shelf.world.release()
    assert (shelf.gone(), shelf.statements()) == ([], [])


def test_a_hold_outlives_the_process() -> None:
    shelf = Shelf()
    shelf.say(Label.GREEN)
    shelf.hold()
    shelf.world.restart()
    shelf.officer, shelf.guest = shelf.world.login(shelf.me), shelf.world.login(shelf.other)
    shelf.pass_days(3.1)
    assert shelf.gone() == []


def kept(shelf: Shelf, place: int) -> bytes | None:
    """What the store still has of a content, for nobody to be given."""
    store = shelf.world.store
    entry = next(one for one in store.entries if (one.room, one.room_seq) == (shelf.room.id, place))
    return entry.content if entry.hash not in store.erased or entry.hash in store.withheld else None


# ---- the decision alone


@pytest.mark.parametrize(
    ("standing", "rule", "cause"),
    [
        ({}, {}, None),
        ({"confirmed": True}, {}, None),
        ({"accepted_at_ms": 40, "confirmed": True}, {}, Cause.RELAY),
        ({"accepted_at_ms": 40}, {}, None),
        ({"accepted_at_ms": 10}, {}, Cause.HANDSHAKE),
        ({"accepted_at_ms": 10}, {"held_since_ms": 10}, None),
        ({"accepted_at_ms": 10}, {"held_since_ms": 11}, Cause.HANDSHAKE),
        ({"erased": True}, {}, Cause.HELD),
        ({"erased": True}, {"held_since_ms": 0}, None),
        ({"accepted_at_ms": 10}, {"policy": RoomPolicy(labels={Label.AMBER: 1})}, Cause.HANDSHAKE),
    ],
)
def test_a_commit_goes_by_the_relays_times_alone(
    standing: dict[str, Any], rule: dict[str, Any], cause: Cause | None
) -> None:
    fields: dict[str, Any] = {"accepted_at_ms": 90, "last_at_ms": 90, "confirmed": False, "erased": False}
    header = x.header(Commit(added=x.DEVICES[:1]))
    terms = Terms(newest_ms=100, delivered_ms=50, handshake_ms=20)
    assert cause_to_go(header, Standing(**(fields | standing)), RoomRule(**rule), terms) is cause


# ---- trees, and answers that nobody waits for


def test_trees_go_in_steps_behind_the_last_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amanah_relay.core.retention.STEP_CONTENTS", 2)
    shelf = Shelf()
    counts = iter((2, 1))
    perform = shelf.world.store.perform

    def with_trees(effect: StoreEffect) -> Input:
        if isinstance(effect, Purge):
            return Purged(token=effect.token, dropped=next(counts, 0), freed=())
        return perform(effect)

    monkeypatch.setattr(type(shelf.world.store), "perform", lambda _, effect: with_trees(effect))
    shelf.world.steps.clear()
    shelf.pass_days(0.5)
    assert [type(step) for step in shelf.world.steps][-2:] == [Purge, Purge]


def test_an_answer_to_nothing_that_was_asked_changes_nothing() -> None:
    shelf = Shelf()
    steps = len(shelf.world.steps)
    shelf.world.give(Surveyed(token=9_999, after=None, over=()))
    shelf.world.give(Purged(token=9_999, dropped=1, freed=()))
    shelf.world.give(EntriesRead(token=9_999, room=shelf.room.id, entries=(), more=False))
    shelf.world.give(CheckpointsRead(token=9_999, notes=()))
    assert len(shelf.world.steps) == steps


def test_a_label_that_is_changed_later_changes_no_time() -> None:
    """As auditors have it: by the label in the entry's header, which its sender signed."""
    shelf = Shelf()
    green, amber = shelf.say(Label.GREEN), shelf.say(Label.AMBER)
    for place, old, new in ((green, Label.GREEN, Label.AMBER), (amber, Label.AMBER, Label.GREEN)):
        envelope = next(
            entry.envelope
            for entry in shelf.world.store.entries
            if (entry.room, entry.room_seq) == (shelf.room.id, place)
        )
        assert envelope is not None
        relabel = Relabel(envelope=envelope, old=old, new=new)
        shelf.officer.publish(shelf.world.envelope(shelf.me, shelf.room, relabel, label=new))
        shelf.officer.one(frames.Stored)
    shelf.pass_days(3.1)
    assert shelf.gone() == [green]


def test_trees_under_a_hold_are_named_to_the_store() -> None:
    shelf = Shelf()
    assert [purge.held for purge in shelf.purges()] == [{}]
    hold = shelf.hold(since_ms=5)
    assert [purge.held for purge in shelf.purges()] == [{shelf.room.id: 5}]
    shelf.release(hold)
    assert [purge.held for purge in shelf.purges()] == [{}]
