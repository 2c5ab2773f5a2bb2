"""Whatever members do, and in whatever order: nobody reads what its label keeps from him.

The world holds what the rules never see: a text of its own for each message. Whoever has that text in any room, in
whatever body, reads the message; and what its author's side allowed is kept beside, by other means than the rules'.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah_client import actions, model
from amanah_client import labels as shared
from amanah_client.core import ways
from amanah_client.core.context import Context, Spoken
from amanah_client.incident import board, labelled
from amanah_client.saying import saying
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.kinds import Egress, Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, OrgName, RoomId
from amanah_protocol.ways import Matter
from tests.adversary.copying import Picture
from tests.client.core.rooms import create, invite
from tests.client.core.world import MA, SN, TN, Stage

SCALE: Final = int(os.environ.get("AMANAH_SCALE", "1"))
DONE: Final = model.IntentState.DONE
PEOPLE: Final = ("A", "A2", "B", "C")
NATION: Final = {"A": TN, "A2": TN, "B": MA, "C": SN}
ROOMS: Final = (
    (("A", "B"), Label.RED),
    (("A", "A2"), Label.RED),
    (("B", "C"), Label.RED),
    (("A", "B", "C"), Label.GREEN),
    (("B", "A", "A2"), Label.AMBER),
)
"""Who is in, the creator first, and up to which label."""


@dataclass(slots=True, kw_only=True)
class Written:
    """A message as its author's side means it.

    Attributes:
        by: Its author.
        home: The room that it was written in.
        envelope: Its envelope there.
        text: A text that no other has.
        sent: The label that it was sent with.
        lowest: The lowest that its author's side gave it since it was corrected more strictly, if it was.
        there: Who was in a room where its author said it, when he did.
        told: Organisations that its author's side told by forwarding it.
        given: To whom its author granted it.
    """

    by: str
    home: int
    envelope: EnvelopeId
    text: str
    sent: Label
    lowest: Label
    there: frozenset[str]
    told: set[str] = field(default_factory=set)
    given: set[str] = field(default_factory=set)

    def may_read(self, name: str, members: list[str]) -> bool:
        """Whether a person may have its text at all; members are those of its room by now."""
        if name in self.there or self.lowest <= Label.GREEN:
            return True
        if self.lowest is Label.RED:
            return name in self.given
        own = NATION[name] == NATION[self.by]
        if self.lowest is Label.AMBER_STRICT:
            return own
        return own or NATION[name] in {NATION[member] for member in members} | self.told


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that a member tries.

    Attributes:
        what: Which act.
        who: Number of a person.
        one: Number of a message that was written before, or of a room to write in.
        room: Number of a room to bring it into, if it goes into one.
        label: A label: to write under, to change to, to forward under.
        old: A label that it claims to have seen, or that the message had.
    """

    what: str
    who: int
    one: int
    room: int
    label: Label
    old: Label


class World:
    """Four people of three nations in rooms that overlap."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.people = {name: self.stage.online(name, of=NATION[name]) for name in PEOPLE}
        self.rooms: list[RoomId] = []
        self.members = [list(members) for members, _ in ROOMS]
        self.written: list[Written] = []
        for members, ceiling in ROOMS:
            room = create(self.people[members[0]], ceiling)
            invite(self.people[members[0]], room, *(self.people[name] for name in members[1:]))
            self.rooms.append(room)
        self.stage.wait(1_000)

    def act(self, step: Step) -> None:
        """Try it; most of it is refused."""
        name = PEOPLE[step.who]
        if step.what == "write":
            self._write(name, step.one % len(ROOMS), step.label)
        elif step.what == "invite":
            self._invite(step.room % len(ROOMS), PEOPLE[step.one % len(PEOPLE)])
        elif self.written:
            acts = {
                "relabel": self._relabel,
                "forward": self._forward,
                "quote": self._quote,
                "disclose": self._disclose,
                "grant": self._grant,
                "correct": self._correct,
                "erase": self._erase,
            }
            acts[step.what](name, self.written[step.one % len(self.written)], step)

    def _invite(self, number: int, name: str) -> None:
        """By the room's owner, who may invite anybody."""
        if name not in self.members[number]:
            self.members[number].append(name)
            invite(self.people[ROOMS[number][0][0]], self.rooms[number], self.people[name])

    def _write(self, name: str, number: int, label: Label) -> None:
        text = f"message {len(self.written)}."
        intent = self.people[name].say(self.rooms[number], text, label)
        if intent.state is DONE and intent.envelope is not None:
            found = Written(
                by=name,
                home=number,
                envelope=intent.envelope,
                text=text,
                sent=label,
                lowest=label,
                there=frozenset(self.members[number]),
            )
            self.written.append(found)

    def _copies(self, name: str, one: Written) -> list[model.MessageRow]:
        """Where somebody has it: as it was written, or forwarded."""
        rows = self.people[name].store.messages.values()
        return [row for row in rows if row.content and one.text in repr(_texts(row))]

    def _relabel(self, name: str, one: Written, step: Step) -> None:
        for row in self._copies(name, one):
            action = actions.Relabel(room=row.room, envelope=row.envelope, old=step.old, new=step.label)
            done = self.people[name].do(action).state is DONE
            theirs = name == one.by or (NATION[name] == NATION[one.by] and one.sent is not Label.RED)
            if done and theirs:
                one.lowest = min(one.lowest, step.label)

    def _forward(self, name: str, one: Written, step: Step) -> None:
        number = step.room % len(ROOMS)
        for row in self._copies(name, one):
            action = actions.Forward(room=row.room, envelope=row.envelope, to=self.rooms[number], label=step.label)
            intent = self.people[name].ask(action)
            self.stage.wait(2_000)
            if self.people[name].intent(intent).state is DONE and NATION[name] == NATION[one.by]:
                one.told |= {NATION[member] for member in self.members[number]}

    def _quote(self, name: str, one: Written, step: Step) -> None:
        """By hand: it lies about whose it was, and what its label was."""
        number = step.room % len(ROOMS)
        for row in self._copies(name, one):
            origin = Origin(
                nation=OrgName(NATION[name]),
                room=row.room,
                message=row.envelope,
                accepted_at_ms=1,
                label=step.old,
            )
            body = Forwarded(text=one.text, origin=origin)
            intent = self.people[name].do(saying(self.rooms[number], body, label=step.label))
            if intent.state is DONE and NATION[name] == NATION[one.by]:
                one.told |= {NATION[member] for member in self.members[number]}

    def _grant(self, name: str, one: Written, step: Step) -> None:
        """To everybody who came to a room where it stands."""
        for row in self._copies(name, one):
            number, place = self.rooms.index(row.room), row.room_seq or 0
            others = [other for other in self.members[number] if other != name]
            action = actions.GrantHistory(
                room=row.room,
                from_seq=place,
                to_seq=place,
                envelopes=(row.envelope,),
                devices=tuple(self.people[other].device.id for other in others),
            )
            intent = self.people[name].ask(action)
            self.stage.wait(3_000)
            if self.people[name].intent(intent).state is DONE and name == one.by and number == one.home:
                one.given |= set(others)
        del step

    def _correct(self, name: str, one: Written, step: Step) -> None:
        """In words that hold the message's own: its author says them to whoever is there by now, as strictly.

        What another person types is his own.
        """
        for row in self._copies(name, one) if name == one.by else ():
            body = Correction(message=row.envelope, text=f"{one.text} {step.room}")
            if self.people[name].do(saying(row.room, body, label=step.label)).state is DONE:
                one.there |= frozenset(self.members[self.rooms.index(row.room)])
                if row.envelope == one.envelope:
                    self._raise(one, step.label)

    def _raise(self, one: Written, label: Label) -> None:
        """Who has it keeps it; from there on the stricter label counts, unless it is elsewhere under a laxer one."""
        copies = {name: self._copies(name, one) for name in PEOPLE}
        rooms = {row.room for rows in copies.values() for row in rows}
        if rooms == {self.rooms[one.home]} and not self._was_disclosed(one):
            one.there |= frozenset(name for name, rows in copies.items() if rows)
            one.lowest = max(one.lowest, label)

    def _erase(self, name: str, one: Written, step: Step) -> None:
        """One of what he has of it, if he may: a correction alone, too."""
        for row in self._copies(name, one)[step.room % 2 :][:1]:
            self.people[name].do(actions.EraseMessages(room=row.room, envelopes=(row.envelope,)))

    def _disclose(self, name: str, one: Written, _: Step) -> None:
        for row in self._copies(name, one):
            self.people[name].ask(actions.Disclose(room=row.room, envelope=row.envelope, recipient=f"court {one.text}"))
            self.stage.wait(1_000)

    # ---- what must hold

    def check(self) -> None:
        """Nobody has what its label keeps from him, and nothing strict was proven to anybody outside."""
        for one in self.written:
            for name in PEOPLE:
                assert not self._copies(name, one) or one.may_read(name, self.members[one.home]), (name, one)
            assert not self._was_disclosed(one) or one.lowest < Label.AMBER_STRICT, one

    def _was_disclosed(self, one: Written) -> bool:
        rows = [row for person in self.people.values() for row in person.store.messages.values()]
        said = [decode_envelope(row.encoded).header.specific for row in rows if row.kind == Kind.EGRESS]
        return any(isinstance(egress, Egress) and egress.recipient == f"court {one.text}" for egress in said)


@cache
def _standing() -> Picture:
    return Picture(World())


def fresh() -> World:
    """A world before anything was said in it; to make each anew takes twenty times as long as to copy one."""
    world = _standing().copy(lambda one: one)
    assert isinstance(world, World)
    return world


def _texts(row: model.MessageRow) -> str:
    body = decode_content(row.content).body
    return body.text if isinstance(body, Text | Forwarded | Correction) else ""


ACTS: Final = ["write", "relabel", "forward", "forward", "quote", "disclose", "invite", "grant", "correct", "erase"]
LABELS = st.sampled_from(Label)
NUMBERS = st.integers(0, 7)
STEPS = st.builds(
    Step,
    what=st.sampled_from(ACTS),
    who=st.integers(0, len(PEOPLE) - 1),
    one=NUMBERS,
    room=NUMBERS,
    label=LABELS,
    old=LABELS,
)
FIRST = st.builds(
    Step, what=st.just("write"), who=st.integers(0, 2), one=NUMBERS, room=NUMBERS, label=LABELS, old=LABELS
)


@pytest.mark.slow
@settings(max_examples=100 * SCALE, deadline=None)
@given(st.lists(FIRST, min_size=1, max_size=3), st.lists(STEPS, min_size=1, max_size=8))
def test_no_row_of_acts_widens_an_audience_beyond_what_a_label_allows(first: list[Step], then: list[Step]) -> None:
    world = fresh()
    for step in (*first, *then):
        world.act(step)
        world.check()


@pytest.mark.slow
@settings(max_examples=50 * SCALE, deadline=None)
@given(st.lists(FIRST, min_size=1, max_size=3), st.lists(STEPS, min_size=1, max_size=8))
def test_who_reads_refuses_what_is_strict_from_programs_that_check_nothing(first: list[Step], then: list[Step]) -> None:
    """Of AMBER a reader cannot know all; what is RED or AMBER+STRICT nobody shows whom it may not reach.

    That it is another's, one's own, or was laxer there is a lie that no reader sees through: nobody here tells one.
    """
    world = fresh()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ways, "check", lambda *_: None)
        patch.setattr(ways, "forwarded", without_a_check)
        for step in (*first, *then):
            if step.what not in ("quote", "disclose", "correct", "erase"):
                world.act(step)
        for one in world.written:
            if one.lowest >= Label.AMBER_STRICT:
                for name in PEOPLE:
                    readable = world._copies(name, one)  # noqa: SLF001 - as `check` looks
                    assert not readable or one.may_read(name, world.members[one.home]), (name, one)
    for person in world.people.values():
        rows = person.store.messages.values()
        refused = [row for row in rows if row.cause is model.Cause.LABEL_BROKEN]
        assert not refused or "LABEL" in person.codes(), "a refusal is an event"
        assert all(row.content == b"" for row in refused)


def without_a_check(ctx: Context, action: actions.Forward, spoken: Spoken) -> Forwarded:
    if action.to not in ctx.rooms or spoken.row is None:
        raise UsageError(Code.UNKNOWN_ROOM, "it cannot seal anything there")
    found = shared.quotation(spoken.row, ways.weigh(ctx, spoken), note=action.note)
    before = decode_content(spoken.row.content).body
    if isinstance(before, Forwarded):  # it says whose it was and how strict, whatever it was quoted under meanwhile
        label = max(found.origin.label, before.origin.label)
        return replace(found, origin=replace(found.origin, label=label))
    return found


# ---- the controls: each row of acts is refused, and does widen an audience where its check is gone


def write(who: str, room: int, label: Label) -> Step:
    return Step(what="write", who=PEOPLE.index(who), one=room, room=0, label=label, old=label)


def then(what: str, who: str, *, room: int = 0, label: Label = Label.AMBER, old: Label = Label.AMBER) -> Step:
    return Step(what=what, who=PEOPLE.index(who), one=0, room=room, label=label, old=old)


def call(who: str, room: int) -> Step:
    number = PEOPLE.index(who)
    return Step(what="invite", who=0, one=number, room=room, label=Label.RED, old=Label.RED)


def unchecked(patch: pytest.MonkeyPatch, *places: tuple[Any, str]) -> None:
    for module, name in places:
        patch.setattr(module, name, lambda *_, **__: None)


def without_ways(patch: pytest.MonkeyPatch) -> None:
    unchecked(patch, (ways, "check_way"))


def without_right_to_lower(patch: pytest.MonkeyPatch) -> None:
    unchecked(patch, (ways, "check_relabel"), (board, "check_relabel"))


def without_faithful_quotes(patch: pytest.MonkeyPatch) -> None:
    def of_anybody(row: model.MessageRow, matter: Matter, *, note: str) -> Forwarded:
        found = shared.quotation(row, matter, note=note)
        return replace(found, origin=replace(found.origin, nation=OrgName(MA)))

    patch.setattr(ways, "quotation", of_anybody)


def without_narrow_circles(patch: pytest.MonkeyPatch) -> None:
    for module in (labelled, ways):
        patch.setattr(module, "circle_of", lambda _sender, _body, circle: circle)


def without_what_counts_on(patch: pytest.MonkeyPatch) -> None:
    whole = labelled.tombstone
    patch.setattr(labelled, "tombstone", lambda row: replace(whole(row), struck=None))


Gone = Callable[[pytest.MonkeyPatch], None]
ATTACKS: list[tuple[str, list[Step], Gone]] = [
    (
        "RED to who is not in its room",
        [write("A", 0, Label.RED), then("forward", "A", room=1, label=Label.RED)],
        without_ways,
    ),
    (
        "STRICT out of its organisation",
        [write("A", 0, Label.AMBER_STRICT), then("forward", "B", room=2, label=Label.RED)],
        without_ways,
    ),
    (
        "AMBER to an organisation that was not told",
        [write("A", 0, Label.AMBER), then("forward", "B", room=2, label=Label.AMBER)],
        without_ways,
    ),
    (
        "AMBER through a room in between",
        [
            write("A", 0, Label.AMBER),
            then("forward", "B", room=4, label=Label.AMBER),
            then("forward", "B", room=2, label=Label.AMBER),
        ],
        without_ways,
    ),
    (
        "RED under a lower label",
        [write("A", 0, Label.RED), then("forward", "A", room=3, label=Label.GREEN)],
        without_ways,
    ),
    (
        "lowered by who may not, then forwarded",
        [
            write("A", 0, Label.AMBER_STRICT),
            then("relabel", "B", label=Label.CLEAR, old=Label.AMBER_STRICT),
            then("forward", "B", room=2, label=Label.AMBER),
        ],
        without_right_to_lower,
    ),
    (
        "RED lowered by a colleague, then disclosed",
        [
            write("A", 1, Label.RED),
            then("relabel", "A2", label=Label.CLEAR, old=Label.RED),
            then("disclose", "A2"),
        ],
        without_right_to_lower,
    ),
    (
        "RED granted by its reader",
        [write("A", 0, Label.RED), call("C", 0), then("grant", "B")],
        without_ways,
    ),
    (
        "STRICT granted to another organisation",
        [write("A", 0, Label.AMBER_STRICT), call("C", 0), then("grant", "A")],
        without_ways,
    ),
    (
        "AMBER to anybody whom a forwarder lets in",
        [
            write("A", 0, Label.AMBER),
            then("forward", "B", room=4, label=Label.AMBER),
            call("C", 4),
            then("grant", "B"),
        ],
        without_narrow_circles,
    ),
    ("RED disclosed by its reader", [write("A", 0, Label.RED), then("disclose", "B")], without_ways),
    (
        "quoted by hand as one's own, then forwarded",
        [
            write("A", 0, Label.AMBER),
            then("quote", "B", room=4, label=Label.AMBER),
            then("forward", "B", room=2, label=Label.AMBER),
        ],
        without_faithful_quotes,
    ),
    *(
        (
            f"STRICT by a correction that {who} erased, then forwarded",
            [
                write("B", 0, Label.GREEN),
                then("correct", "B", label=Label.AMBER_STRICT),
                then("erase", by, room=1),
                then("forward", "A", room=1, label=Label.GREEN),
            ],
            without_what_counts_on,
        )
        for by, who in (("A", "the room's owner"), ("B", "its author"))
    ),
]


@pytest.mark.parametrize(("steps", "gone"), [attack[1:] for attack in ATTACKS], ids=[attack[0] for attack in ATTACKS])
@pytest.mark.parametrize("checked", [True, False])
def test_each_way_to_widen_an_audience_is_closed_by_its_check_alone(
    monkeypatch: pytest.MonkeyPatch,
    steps: list[Step],
    gone: Gone,
    checked: bool,  # noqa: FBT001 - with the check, and the control without
) -> None:
    world = fresh()
    if not checked:
        gone(monkeypatch)
    for step in steps:
        world.act(step)
    if checked:
        world.check()
    else:
        with pytest.raises(AssertionError):
            world.check()
