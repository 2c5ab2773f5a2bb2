"""Attacks 16 and 27: a newcomer is shown a false circle, or not all of how the circle came about.

For 16 an officer of a member nation, who was never in the room, works together with the relay. He
makes a commit that adds the victim, a welcome into a group of his own and its title; the relay shows
them behind the room's real creation, with whatever it likes of the commits between. For 27 the relay
alone leaves some of those out, or changes their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest

from amanah_client import actions, model
from amanah_client.model import RoomStatus
from amanah_protocol import frames
from amanah_protocol.content.bodies import RoomInfo
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import audience_digest, decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.group.seam import Group
from amanah_protocol.group.suites import CLASSICAL
from amanah_protocol.heads import RoomHead, sign_room_head
from amanah_protocol.kinds import Commit, Create, Kind, Welcome
from amanah_protocol.labels import Label
from amanah_protocol.types import ZERO_32, DeviceId, RoomId
from amanah_relay.effects import ReadMembership, TakeKeyPackages
from tests.adversary.attack import Attack, Out, Planted
from tests.adversary.evil import EvilRelay
from tests.adversary.forge import drawn, message, signed
from tests.adversary.outcomes import control, defended
from tests.adversary.packages import credential_of
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage
from tests.client.core.forge import leaf_of
from tests.engines import ENGINES

Play = Callable[..., Stage]
Entries = tuple[frames.MembershipEntry, ...]
Bend = Callable[[Entries], Entries]
VICTIM: Final = "sn-1"
TITLE: Final = "the government's own room"
CLAIMED: Final = ("tn-1", "tn-2", "ma-2", "sn-2")
"""Who was in the room, says who invites; in truth the first two alone."""


class FalseRecord(Attack):
    """Shows one device a record of a room that nobody else is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.room = RoomId(b"")
        self.record: list[frames.Delivery] = []
        self.before: tuple[frames.MembershipEntry, ...] = ()
        """What is said to have made the circle before the victim."""
        self.tree = b""
        """What the false welcome names."""
        self.published: list[frames.Publish] = []

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is None or sender != self.victim:
            return True
        match frames.decode_client_frame(data):
            case frames.Subscribe(room=room) as frame if room == self.room:
                first = frame.after == 0
                shown = [entry for entry in self.record if (entry.room_seq == 1) == first]
                relay.say(sender, *shown, self._end(relay, frame.request, first=first))
            case frames.GetMembership(room=room, after=after, request=request) if room == self.room:
                rest = tuple(entry for entry in self.before if entry.room_seq > after)
                relay.say(sender, frames.Membership(request=request, entries=rest))
            case frames.FetchContent(payload_hash=payload, request=request) if payload == sha256(self.tree):
                total = len(self.tree)
                relay.say(sender, frames.ContentPiece(request=request, total=total, offset=0, data=self.tree))
            case frames.Publish() as frame:
                self.published.append(frame)
            case _:
                return True
        return False

    def _end(self, relay: EvilRelay, request: int, *, first: bool) -> frames.PageEnd:
        last = self.record[-1]
        head = RoomHead(
            room=self.room,
            room_seq=last.room_seq,
            leaf=leaf_of(last).hash,
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
            index=max(last.index, relay.books.state.size) + 1,
            accepted_at_ms=relay.clock_ms,
            previous=leaf_of(last).hash,
            envelope=planted.object,
            content=planted.content,
        )
        self.record.append(entry)


def take_package(relay: EvilRelay, device: DeviceId) -> bytes:
    """A genuine key package of a device: the relay has them."""
    package = relay.store.take_key_packages(TakeKeyPackages(token=0, suite=CLASSICAL, devices=(device,))).taken[0][0]
    assert package is not None
    return package


def false_group(stage: Stage, room: RoomId, epoch: int, policy: bytes) -> Group:
    """A group in which everybody is who is claimed; but for ma-2, nobody has ever heard of it.

    It is made of their own key packages, so there is nothing wrong with its tree.
    """
    me, relay = stage.device("ma-2"), stage.relay
    own = credential_of(me)
    group = ENGINES[CLASSICAL].create(room, me.key, own, policy=policy, now_ms=relay.clock_ms, random=drawn)
    others = tuple(take_package(relay, stage.device(name).id) for name in CLAIMED if name != "ma-2")
    for adds in (others, *[()] * (epoch - 1)):
        group.stage_commit(adds=adds, removes=(), credential=own, aad=bytes(32), random=drawn)
        group.merge()
    return group


def deceive(stage: Stage, attack: FalseRecord, room: RoomId, *, epoch: int, counter: int) -> None:
    """Make commit, welcome and title of the false circle, and show them to the victim."""
    relay, key, victim = stage.relay, stage.device("ma-2").key, stage.device(VICTIM).id
    create = decode_envelope(attack.before[0].envelope if attack.before else attack.record[0].envelope)
    assert isinstance(create.header.specific, Create)
    group = false_group(stage, room, epoch, create.header.specific.policy)
    audience = audience_digest({victim, *(stage.device(name).id for name in CLAIMED)})
    commit = Commit(added=(victim,))
    fields = {"epoch": epoch, "counter": counter, "audience": audience, "label": Label.CLEAR}
    bare = signed(relay, key, room, commit, b"", **fields)
    assert bare.envelope is not None
    staged = group.stage_commit(
        adds=(take_package(relay, victim),),
        removes=(),
        credential=credential_of(stage.device("ma-2")),
        aad=bare.envelope.header.aad,
        random=drawn,
    )
    adding = signed(relay, key, room, commit, staged.sealed, **fields)
    assert adding.envelope is not None
    welcome, attack.tree = staged.welcome(create.id, adding.envelope.id, random=drawn), staged.tree
    group.merge()
    attack.append(relay, adding)
    chain = {"epoch": epoch + 1, "audience": audience}
    specific = Welcome(addressees=(victim,), tree_hash=sha256(attack.tree))
    inviting = signed(
        relay,
        key,
        room,
        specific,
        welcome,
        label=Label.CLEAR,
        counter=counter + 1,
        previous=adding.envelope.id,
        **chain,
    )
    assert inviting.envelope is not None
    attack.append(relay, inviting)
    title = RoomInfo(title=TITLE, description="")
    attack.append(relay, message(relay, key, group, title, counter=counter + 2, previous=inviting.envelope.id, **chain))
    attack.victim = victim
    state = frames.RoomState(
        room=room, head=attack.record[-1].room_seq, added_seq=9, removed_seq=None, counter=0, last=bytes(32)
    )
    relay.say(victim, state)


def membership(stage: Stage, room: RoomId) -> tuple[frames.MembershipEntry, ...]:
    """How the room's circle came about, as an honest relay shows it."""
    wanted = ReadMembership(token=0, room=room, after=0, until=2**40, limit=100, max_bytes=2**30)
    return tuple(
        frames.MembershipEntry(
            room_seq=entry.room_seq,
            index=entry.index,
            accepted_at_ms=entry.accepted_at_ms,
            previous=entry.previous,
            envelope=entry.object,
        )
        for entry in stage.relay.store.read_membership(wanted).entries
    )


def made_up(stage: Stage, room: RoomId) -> frames.MembershipEntry:
    """A commit by which the outsider adds himself."""
    outsider = stage.device("ma-2")
    circle = audience_digest({stage.device(name).id for name in ("tn-1", "tn-2", "ma-2")})
    planted = signed(
        stage.relay, outsider.key, room, Commit(added=(outsider.id,)), b"", audience=circle, label=Label.CLEAR
    )
    log = stage.relay.books.state.size
    return frames.MembershipEntry(
        room_seq=8, index=log, accepted_at_ms=stage.relay.clock_ms, previous=ZERO_32, envelope=planted.object
    )


def show_a_false_circle(play: Play, shown: str) -> tuple[Stage, FalseRecord]:
    """The attack, with what the relay shows of the commits before: nothing, the truth, or more than that."""
    attack = FalseRecord()
    stage = play(attack)
    room = stage.open("tn-1", "TN's own room", stage.device("tn-2").id)
    stage.settle()
    attack.room = room
    truth = membership(stage, room)
    create = truth[0]
    attack.record = [
        frames.Delivery(
            room=room,
            room_seq=1,
            index=create.index,
            accepted_at_ms=create.accepted_at_ms,
            previous=ZERO_32,
            envelope=create.envelope,
            content=b"",
        )
    ]
    epoch = stage.relay.room(room).epoch
    attack.before = {
        "nothing": (),
        "the creation alone": truth[:1],
        "the truth": truth,
        "a made-up commit": (*truth, made_up(stage, room)),
    }[shown]
    more = shown == "a made-up commit"
    deceive(stage, attack, room, epoch=epoch + more, counter=1 + more)
    stage.wait(10)
    return stage, attack


@defended(16)
@pytest.mark.parametrize(
    ("shown", "code"),
    [
        ("nothing", Code.GAP),
        ("the creation alone", Code.GAP),
        ("the truth", Code.NOT_MEMBER),
        ("a made-up commit", Code.NOT_MEMBER),
    ],
)
def test_an_officer_who_was_never_in_a_room_invites_nobody_into_it(play: Play, shown: str, code: Code) -> None:
    stage, attack = show_a_false_circle(play, shown)
    (row,) = [row for row in stage.client(VICTIM).store.rooms() if row.room == attack.room]
    assert (row.status, row.title, row.group) == (RoomStatus.JOINING, "", b"")
    assert [said.kind for said in stage.said(VICTIM, attack.room)] == [Kind.CREATE]
    (alarm,) = stage.alarms(VICTIM)
    assert (alarm.code, alarm.room) == (code, attack.room)
    assert evidence(alarm)
    assert attack.published == []
    attack.victim = None
    stage.say("ma-1", "the other rooms go on", room=1)
    stage.wait(3)
    assert stage.texts(VICTIM, room=1) == ["the other rooms go on"]
    assert stage.all_alarms().keys() == {VICTIM}
    assert stage.crashes() == []


@control(16, "the circle before a newcomer")
def test_without_the_circle_before_it_a_newcomer_believes_who_invites_it(play: Play) -> None:
    stage, attack = show_a_false_circle(play, "the truth")
    (row,) = [row for row in stage.client(VICTIM).store.rooms() if row.room == attack.room]
    circle = stage.circle(VICTIM, row)
    assert (circle.status, circle.title) == (RoomStatus.OPEN, TITLE)
    assert circle.members == tuple(sorted((VICTIM, *CLAIMED)))
    assert stage.all_alarms() == {}
    assert attack.published  # what it says of itself goes to the false circle


# ---- attack 27: not all of how the circle came about


class Bending(Attack):
    """Bends what a newcomer is shown of the commits before its own."""

    def __init__(self, bend: Bend) -> None:
        super().__init__()
        self.bend = bend
        self.victim: DeviceId | None = None
        self.asked = 0

    def on_other(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        if isinstance(frame, frames.Membership) and to == self.victim:
            self.asked += 1
            # All of it fits one answer; who asks for what was left out is given nothing more.
            entries = self.bend(frame.entries) if self.asked == 1 else ()
            return (frames.Membership(request=frame.request, entries=entries),)
        return (frame,)


def invite_the_victim(play: Play, bend: Bend) -> tuple[Stage, RoomId]:
    """A room in which ma-1 was for a while, and into which the victim is invited by one who is in.

    Commits of epoch 0 to 3: tn-2 is added, ma-1 added, ma-1 removed, ma-2 added.
    """
    attack = Bending(bend)
    stage = play(attack)
    attack.victim = stage.device(VICTIM).id
    former = stage.device("ma-1").id
    room = stage.open("tn-1", "TN's own room", stage.device("tn-2").id, former)
    assert stage.do("tn-1", actions.Remove(room=room, devices=(former,))).state is model.IntentState.DONE
    for name in ("ma-2", VICTIM):
        assert stage.do("tn-1", actions.Invite(room=room, device=stage.device(name).id)).state is model.IntentState.DONE
    stage.settle()
    stage.rooms.append(room)
    stage.say("tn-1", "welcome", room=2)
    stage.wait(5)
    return stage, room


def without(*places: int) -> Bend:
    """Leaves out some: 0 is the creation, 1 to 4 are the commits."""
    return lambda entries: tuple(entry for place, entry in enumerate(entries) if place not in places)


def swapped(entries: Entries) -> Entries:
    """The second and third commit change places, each where the other was."""
    moved = list(entries)
    for place, other in ((2, 3), (3, 2)):
        values = {name: getattr(entries[place], name) for name in entries[place].__struct_fields__}
        moved[place] = frames.MembershipEntry(**(values | {"envelope": entries[other].envelope}))
    return tuple(moved)


def reordered(entries: Entries) -> Entries:
    """The same, with their places."""
    return (*entries[:2], *entries[2:4][::-1], *entries[4:])


def test_what_an_honest_relay_shows_lets_a_newcomer_in(play: Play) -> None:
    """The positive case of all that follows."""
    stage, _ = invite_the_victim(play, lambda entries: entries)
    assert stage.circle(VICTIM, stage.row(VICTIM, 2)).members == tuple(sorted((VICTIM, "ma-2", "tn-1", "tn-2")))
    assert stage.texts(VICTIM, room=2) == ["welcome"]
    assert stage.all_alarms() == {}


FORMS: Final[dict[str, Bend]] = {
    "everything": lambda _: (),
    "the creation": without(0),
    "a prefix": without(0, 1, 2),
    "the first commit": without(1),
    "one in the middle": without(2),
    "who was in for a while": without(2, 3),
    "the last": without(4),
    "a suffix": without(3, 4),
    "all commits": without(1, 2, 3, 4),
    "the order of two": swapped,
    "the order of two, with their places": reordered,
    "nothing, but one twice": lambda entries: (*entries[:2], entries[1], *entries[2:]),
}


@defended(27)
@pytest.mark.parametrize("form", FORMS)
def test_a_newcomer_that_is_not_shown_every_commit_joins_nothing(play: Play, form: str) -> None:
    stage, room = invite_the_victim(play, FORMS[form])
    row = stage.row(VICTIM, 2)
    assert (row.status, row.title, row.group) == (RoomStatus.JOINING, "", b"")
    assert [said.kind for said in stage.said(VICTIM, room)] == [Kind.CREATE]
    (alarm,) = stage.alarms(VICTIM)
    assert alarm.code in (Code.GAP, Code.FORK)
    assert alarm.room == room
    assert evidence(alarm)
    assert stage.texts("tn-2", room=2) == ["welcome"]
    assert stage.all_alarms().keys() == {VICTIM}
    assert stage.crashes() == []


@control(27, "every commit before a newcomer")
def test_without_the_count_of_epochs_it_is_hidden_who_was_in_for_a_while(play: Play) -> None:
    stage, _ = invite_the_victim(play, FORMS["who was in for a while"])
    assert stage.row(VICTIM, 2).status is RoomStatus.OPEN
    assert stage.texts(VICTIM, room=2) == ["welcome"]
    assert stage.all_alarms() == {}
