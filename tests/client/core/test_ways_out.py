"""Every way out, for any label, ceiling and circle: as the core's two checks have it, and as a table of TLP has it.

The table below knows nothing of `check_way`: it says of each way what it may carry to whom. What one refuses the
other does, and what one lets through the other does, for who seals and for who reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah_client import actions, model
from amanah_client.attaching import Attach
from amanah_client.core import ways
from amanah_client.core.context import Place, Spoken
from amanah_client.core.room import Room
from amanah_client.labels import somebody
from amanah_client.log_rows import Nations
from amanah_client.saying import saying
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.sealed import decode_content, encode_content
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, PeerError, UsageError
from amanah_protocol.kinds import Create
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import EnvelopeId, OrgName, RoomId
from amanah_protocol.ways import Inside, Somebody
from tests.client.core.forge import room_of
from tests.client.core.rooms import create, invite
from tests.client.core.test_machine import alert
from tests.client.core.world import MA, SN, TN, Client, Stage

SCALE: Final = int(os.environ.get("AMANAH_SCALE", "1"))
NATION: Final = {"A": TN, "A2": TN, "B": MA, "C": SN}
SENDING: Final = ("send", "attach", "alert")
WAYS: Final = (*SENDING, "answer", "correct", "forward", "grant", "disclose", "relabel")
LABELS: Final = st.sampled_from(Label)
PAPS: Final = st.sampled_from(Pap)
NAMES: Final = st.sampled_from(sorted(NATION))
CIRCLES: Final = st.frozensets(NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Four people in two rooms, and a text in the first."""

    people: dict[str, Client]
    home: RoomId
    to: RoomId
    row: model.MessageRow

    def who(self, name: str) -> Somebody:
        """A person."""
        return somebody(self.people[name].device.certificate)


@cache
def scene() -> Scene:
    stage = Stage()
    people = {name: stage.online(name, of=of) for name, of in NATION.items()}
    rooms = []
    for _ in range(2):
        room = create(people["A"], Label.RED)
        invite(people["A"], room, *(people[name] for name in ("A2", "B", "C")))
        rooms.append(room)
    said = people["A"].say(rooms[0], "a text", Label.RED).envelope
    assert said is not None
    stage.wait(1_000)
    return Scene(people=people, home=rooms[0], to=rooms[1], row=people["A"].store.messages[rooms[0], said])


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """Somebody tries a way.

    Attributes:
        way: Which.
        author: Whose the message is.
        sent: Its label.
        label: The label that it is to have where it goes.
        circle: Who is in the room that it stands in.
        readers: Who reads it there.
        ceiling: Of that room.
        clearance: The lowest of its readers'.
        held: What its author lets receivers do with it.
        pap: What it is to let them do where it goes.
    """

    way: str
    author: str
    sent: Label
    label: Label
    circle: frozenset[str]
    readers: frozenset[str]
    ceiling: Label
    clearance: Label
    held: Pap = Pap.AMBER
    pap: Pap = Pap.AMBER


TRIES: Final = st.builds(
    Try,
    way=st.sampled_from(WAYS),
    author=NAMES,
    sent=LABELS,
    label=LABELS,
    circle=CIRCLES,
    readers=CIRCLES,
    ceiling=LABELS,
    clearance=LABELS,
    held=PAPS,
    pap=PAPS,
)


def onward(one: Try, by: str) -> bool:
    """TLP of what goes on to people who might not have read it: by whom, to whom."""
    home, own = NATION[one.author], NATION[by] == NATION[one.author]
    there = {NATION[name] for name in one.readers}
    match one.sent:
        case Label.RED:
            return one.way == "grant" and one.author == by and one.readers <= one.circle
        case Label.AMBER_STRICT:
            return own and there <= {home}
        case Label.AMBER:
            return own or there <= {NATION[by], *(NATION[name] for name in one.circle)}
        case _:
            return True


def allowed(one: Try, by: str) -> bool:
    """What TLP says of a try."""
    fits = one.label <= min(one.ceiling, one.clearance)
    match one.way:
        case "send" | "attach" | "alert":
            return fits
        case "answer" | "correct":
            return fits and one.label >= one.sent and one.pap >= one.held
        case "forward":
            return fits and one.label >= one.sent and onward(one, by)
        case "grant":
            return bool(one.readers) and one.sent <= one.ceiling and onward(one, by)
        case "disclose":
            return one.sent <= Label.AMBER
        case _:  # a change of a label
            theirs = by == one.author or (NATION[by] == NATION[one.author] and one.sent is not Label.RED)
            return one.label > one.sent or (one.label < one.sent and theirs)


def action_of(one: Try, here: Scene) -> actions.Action:  # noqa: PLR0911 - one for each way
    target = here.row.envelope
    match one.way:
        case "send":
            return saying(here.home, Text(text="x"), label=one.label)
        case "attach":
            return Attach(
                room=here.home, attachment=bytes(32), name="a", type="text/plain", size=1, digest=bytes(32),
                key=bytes(32), sample=False, text="", label=one.label,
            )  # fmt: skip
        case "alert":
            return actions.PostAlerts(room=here.home, source_name="eve", alerts=(alert(),), label=one.label)
        case "answer":
            return saying(here.home, Text(text="x", reply_to=target), label=one.label, pap=one.pap)
        case "correct":
            return saying(here.home, Correction(message=target, text="x"), label=one.label, pap=one.pap)
        case "forward":
            return actions.Forward(room=here.home, envelope=target, to=here.to, label=one.label)
        case "grant":
            place = here.row.room_seq or 0
            devices = tuple(here.people[name].device.id for name in sorted(one.readers))
            return actions.GrantHistory(
                room=here.home, from_seq=place, to_seq=place, envelopes=(target,), devices=devices
            )
        case "disclose":
            return actions.Disclose(room=here.home, envelope=target, recipient="a court")
        case _:
            return actions.Relabel(room=here.home, envelope=target, old=one.sent, new=one.label)


@contextmanager
def as_if(rooms: dict[Room, frozenset[Somebody]], ceiling: Label, clearance: Label) -> Iterator[pytest.MonkeyPatch]:
    """Rooms with other members, and another ceiling, as the checks see them."""
    sequence = scene().people["A"].core._ctx.control.sequence  # noqa: SLF001 - of which a room remembers its readers
    before = {room: room.readers for room in rooms}
    with pytest.MonkeyPatch.context() as patch:
        for room, people in rooms.items():
            assert room.group is not None
            inside = Inside(label=ceiling, ceiling=ceiling, clearance=clearance, people=people)
            room.readers = (room.group.epoch, sequence), inside
        patch.setattr(Room, "spec", property(lambda room: replace_spec(room, ceiling)))
        yield patch
    for room, readers in before.items():
        room.readers = readers


def replace_spec(room: Room, ceiling: Label) -> Create:
    assert room.create is not None
    specific = room.create.header.specific
    assert isinstance(specific, Create)
    return replace(specific, ceiling=ceiling)


# ---- who seals


def goes(one: Try) -> bool:
    """Whether the core of A seals it."""
    here = scene()
    a = here.people["A"]
    ctx = a.core._ctx  # noqa: SLF001 - as its outbox asks
    home, to = room_of(a, here.home), room_of(a, here.to)
    content = encode_content(replace(decode_content(here.row.content), pap_number=int(one.held)))
    row = replace(here.row, sender=here.people[one.author].device.id, label=one.sent, content=content)
    intent = model.Intent(id="0" * 32, action=action_of(one, here), created_at_ms=1)
    ctx.spoken[intent.id] = {Place(here.home, row.envelope): Spoken(row=row, labelling=(row,))}
    circle, readers = (frozenset(map(here.who, names)) for names in (one.circle, one.readers))
    members = {home: circle, to: readers}
    refused: Code | None = None
    try:
        with as_if(members, one.ceiling, one.clearance):
            ways.check(ctx, home, intent)
    except (PeerError, UsageError) as error:
        refused = error.code
    finally:
        del ctx.spoken[intent.id]
    # Besides what a label keeps back: the label that it has already, and a grant to nobody.
    assert refused in (None, Code.LABEL, Code.ROLE, Code.USAGE, Code.NOT_MEMBER)
    return refused is None


@settings(max_examples=1_500 * SCALE, deadline=None)
@given(TRIES)
def test_nothing_is_sealed_that_its_label_keeps_back_and_all_else_is(one: Try) -> None:
    assert goes(one) is allowed(one, "A")


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"relabel"}))
def test_without_its_check_each_way_would_take_what_it_must_not(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the check is what stops it."""
    monkeypatch.setattr(ways, "check_way", lambda *_, **__: None)
    one = Try(
        way=way, author="B", sent=Label.RED, label=Label.AMBER, circle=frozenset("AB"), readers=frozenset("C"),
        ceiling=Label.GREEN, clearance=Label.GREEN,
    )  # fmt: skip
    assert goes(one)
    assert not allowed(one, "A")


# ---- who reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What somebody else's program sealed, as B gets it.

    Attributes:
        by: Its sender.
        label: The label that is sealed in it.
        outside: That of its header.
        ceiling: The room's.
        cleared: What its sender is cleared for.
        own: What B is cleared for.
        origin: Where a quotation says that it is from: its nation and label; None for what is none.
        there: Organisations in the room then.
    """

    by: str
    label: Label
    outside: Label
    ceiling: Label
    cleared: Label
    own: Label
    origin: tuple[OrgName, Label] | None
    there: frozenset[str]


def shows(one: Shown) -> bool:
    """Whether the core of B shows it."""
    here = scene()
    ctx = here.people["B"].core._ctx  # noqa: SLF001 - as it opens an entry
    room = room_of(here.people["B"], here.home)
    header = msgspec.structs.replace(decode_envelope(here.row.encoded).header, label=one.outside)
    content = decode_content(here.row.content)
    if one.origin is not None:
        nation, label = one.origin
        origin = Origin(nation=nation, room=here.to, message=EnvelopeId(bytes(32)), accepted_at_ms=1, label=label)
        content = replace(content, body=Forwarded(text="x", origin=origin))
    content = replace(content, label_number=int(one.label))
    sender = replace(here.people[one.by].device.certificate, ceiling=one.cleared)
    refused: Code | None = None
    try:
        with as_if({room: frozenset()}, one.ceiling, one.ceiling) as patch:
            patch.setattr(ctx, "certificate", replace(ctx.certificate, ceiling=one.own))
            patch.setattr(Nations, "inside", lambda *_: frozenset(NATION[name] for name in one.there))
            ways.check_opened(ctx, room, header, content, sender, index=here.row.index or 0)
    except PeerError as error:
        refused = error.code
    assert refused in (None, Code.LABEL)
    return refused is None


def may_show(one: Shown) -> bool:
    """What TLP says of it, as far as who reads it can know."""
    fits = one.label is one.outside and one.label <= min(one.ceiling, one.cleared, one.own)
    if one.origin is None:
        return fits
    nation, label = one.origin
    strict = NATION[one.by] == nation and {NATION[name] for name in one.there} <= {nation}
    return fits and label <= one.label and label is not Label.RED and (label is not Label.AMBER_STRICT or strict)


ORIGINS: Final = st.tuples(st.sampled_from([OrgName(TN), OrgName(MA), OrgName(SN)]), LABELS)


@settings(max_examples=1_500 * SCALE, deadline=None)
@given(
    st.builds(
        Shown,
        by=NAMES,
        label=LABELS,
        outside=LABELS,
        ceiling=LABELS,
        cleared=LABELS,
        own=LABELS,
        origin=st.none() | ORIGINS,
        there=CIRCLES,
    )
)
def test_nothing_is_shown_that_its_label_keeps_back_whoever_sealed_it_and_all_else_is(one: Shown) -> None:
    assert shows(one) is may_show(one)


@settings(max_examples=500 * SCALE, deadline=None)
@given(by=NAMES, author=NAMES, sent=LABELS, label=LABELS, ceiling=LABELS, circle=CIRCLES, devices=CIRCLES)
def test_a_grant_is_taken_as_its_labels_let_it_go(
    by: str, author: str, sent: Label, label: Label, ceiling: Label, circle: frozenset[str], devices: frozenset[str]
) -> None:
    here = scene()
    ctx = here.people["B"].core._ctx  # noqa: SLF001 - as it opens a grant
    room = room_of(here.people["B"], here.home)
    content = replace(decode_content(here.row.content), label_number=int(sent))
    one = Try(
        way="grant", author=author, sent=sent, label=label, circle=circle, readers=devices, ceiling=ceiling,
        clearance=Label.RED,
    )  # fmt: skip
    refused: Code | None = None
    try:
        with as_if({room: frozenset(map(here.who, circle))}, ceiling, ceiling):
            ways.check_granted(
                ctx, room, content, label, author=here.people[author].device.certificate,
                by=here.people[by].device.certificate,
                devices=tuple(here.people[name].device.id for name in devices),
            )  # fmt: skip
    except PeerError as error:
        refused = error.code
    assert refused in (None, Code.LABEL)
    assert (refused is None) is (sent <= label <= ceiling and onward(one, by))


@pytest.mark.parametrize("pap", Pap)
def test_what_is_forwarded_keeps_what_its_author_lets_receivers_do(stage: Stage, pap: Pap) -> None:
    a, b = stage.online("A", of=TN), stage.online("B", of=MA)
    home, to = create(a, Label.RED), create(a, Label.RED)
    invite(a, to, b)
    said = a.do(saying(home, Text(text="x"), label=Label.GREEN, pap=pap))
    assert said.envelope is not None
    a.ask(actions.Forward(room=home, envelope=said.envelope, to=to, label=Label.GREEN))
    stage.wait(3_000)
    quoted = decode_content(b.rooms_content(to)[-1].content)
    assert (type(quoted.body), quoted.pap) == (Forwarded, pap)
    # By hand it is no laxer, and what its author corrected since goes on as the strictest of both.
    assert isinstance(quoted.body, Forwarded)
    for asked in Pap:
        by_hand = a.do(saying(to, quoted.body, label=Label.GREEN, pap=asked))
        assert (by_hand.state is model.IntentState.DONE) is (asked >= pap)
    a.do(saying(home, Correction(message=said.envelope, text="y"), label=Label.GREEN, pap=Pap.RED))
    a.ask(actions.Forward(room=home, envelope=said.envelope, to=to, label=Label.GREEN))
    stage.wait(3_000)
    assert decode_content(b.rooms_content(to)[-1].content).pap is Pap.RED
