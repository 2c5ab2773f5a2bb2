"""Programs that know no label: each member refuses what they seal, whoever they are, and the refusal is an event.

What is made here has real keys, and right is all but what the rules of labels are about. The table below knows nothing
of the checks: it says of an entry and of who gets it whether it may be shown to him.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah_client import model
from amanah_client.core import ways
from amanah_client.incident.labelled import matter_of
from amanah_protocol import kinds, rooms
from amanah_protocol.content.bodies import AlertBatch, Body
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.sealed import Content
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import Envelope
from amanah_protocol.labels import Label
from amanah_protocol.types import ZERO_32, EnvelopeId, OrgName, RoomId
from tests.adversary.copying import Picture
from tests.client.core.forge import altered, delivery, header_of, message, push, signed
from tests.client.core.rooms import create, invite
from tests.client.core.test_labels import cleared
from tests.client.core.test_machine import alert
from tests.client.core.world import MA, SN, TN, Client, Stage

SCALE: Final = int(os.environ.get("AMANAH_SCALE", "1"))
NATION: Final = {"A": TN, "A2": TN, "B": MA, "C": SN}
CLEARED: Final = {"A": Label.RED, "A2": Label.RED, "B": Label.RED, "C": Label.AMBER}
"""By their newest certificates: C was let in with another."""
ROOMS: Final = (
    (("A", "A2", "B"), Label.RED),
    (("A", "A2"), Label.RED),
    (("A", "B", "C"), Label.GREEN),
    (("A", "B", "C"), Label.AMBER_STRICT),
)
"""Who is in, and up to which label."""
BODIES: Final = ("text", "answer", "correction", "file", "alerts", "quotation", "relabel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Forged:
    """What somebody makes by hand.

    Attributes:
        by: Who signs it.
        what: Its body.
        sealed: The label in it; of a change of a label, the one that it claims to have seen.
        outside: That of its header; of a change of a label, the new one.
        origin: Where a quotation says that it is from: the nation, and its label there.
    """

    by: str
    what: str
    sealed: Label
    outside: Label
    origin: tuple[str, Label] = (TN, Label.CLEAR)


@dataclass(slots=True, kw_only=True)
class World:
    """Rooms, and a message of A in each.

    Attributes:
        people: Who there is.
        rooms: Ids of the rooms.
        told: The message in each.
        last: Counter and last envelope of who forged something.
    """

    people: dict[str, Client]
    rooms: list[RoomId] = field(default_factory=list)
    told: list[EnvelopeId] = field(default_factory=list)
    last: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def forge(self, number: int, one: Forged) -> tuple[Envelope, bytes]:
        """An entry of a room; who is not in it has a member's keys of it, and his own to sign."""
        room, person = self.rooms[number], self.people[one.by]
        member = person if one.by in ROOMS[number][0] else self.people["A"]
        changes: dict[str, Any] = {"label": one.outside}
        if one.by in self.last:
            counter, previous = self.last[one.by]
            changes |= {"counter": counter + 1, "previous": previous}
        elif member is not person:
            changes |= {"counter": 1, "previous": ZERO_32}
        if one.what == "relabel":
            changes["label"] = Label.CLEAR
            specific = kinds.Relabel(envelope=self.told[number], old=one.sealed, new=one.outside)
            made, sealed = signed(header_of(member, room, specific, **changes), b"", member.device.key), b""
        else:
            body, kind = self._body(number, one)
            mark = bytes([len(self.last) + 1]) * 8 + self.last.get(one.by, (0, b""))[0].to_bytes(8, "big")
            content = {"label_number": int(one.sealed), "message_id": mark}
            made, sealed = message(member, room, body, specific=kind, content=content, **changes)
        if member is not person:
            made = signed(altered(made, kid=person.device.id), sealed, person.device.key)
        self.last[one.by] = made.header.counter, made.id
        return made, sealed

    def _body(self, number: int, one: Forged) -> tuple[Body, kinds.Specific]:
        match one.what:
            case "answer":
                return Text(text="leaked", reply_to=self.told[number]), kinds.Message()
            case "correction":
                return Correction(message=self.told[number], text="leaked"), kinds.Message()
            case "alerts":
                return AlertBatch(source="eve", alerts=(alert(),)), kinds.Alert(count=1)
            case "file":
                attachment = bytes(range(32))
                body = File(name="leaked", size=1, digest=attachment, key=attachment, attachment=attachment)
                return body, kinds.Message(attachment=attachment)
            case "quotation":
                nation, label = one.origin
                elsewhere = RoomId(bytes(16))
                origin = Origin(
                    nation=OrgName(nation), room=elsewhere, message=EnvelopeId(bytes(32)), accepted_at_ms=1, label=label
                )
                return Forwarded(text="leaked", origin=origin), kinds.Message()
            case _:
                return Text(text="leaked"), kinds.Message()

    def label_now(self, name: str, number: int) -> Label:
        """The label of the message that was there before, as a person's client has it."""
        client, room, told = self.people[name], self.rooms[number], self.told[number]
        row = client.store.messages[room, told]
        ctx = client.core._ctx  # noqa: SLF001 - who they are
        return matter_of(row, client.labelling(room, told), None, lambda device: ways.who(ctx, device)).label


@cache
def _standing() -> Picture:
    stage = Stage()
    people = {name: stage.online(name, of=of) for name, of in NATION.items()}
    world = World(people=people)
    for members, ceiling in ROOMS:
        room = create(people["A"], ceiling)
        invite(people["A"], room, *(people[name] for name in members[1:]))
        said = people["A"].say(room, "a text", ceiling).envelope
        assert said is not None
        world.rooms.append(room)
        world.told.append(said)
        stage.wait(1_000)  # only so much is published in a moment
    cleared(stage, people["C"], CLEARED["C"])
    return Picture(world)


def fresh() -> World:
    world = _standing().copy(lambda one: one)
    assert isinstance(world, World)
    return world


# ---- what the rules say, by other means than the checks


def may_be_shown(one: Forged, number: int, reader: str) -> bool:
    members, ceiling = ROOMS[number]
    if one.by not in members:
        return False
    if one.what == "relabel":
        return True  # it is a header, and may have no effect
    if one.sealed is not one.outside or one.sealed > min(ceiling, CLEARED[one.by], CLEARED[reader]):
        return False
    if one.what != "quotation":
        return True
    nation, label = one.origin
    strict = all(NATION[name] == nation for name in members)
    return label <= one.sealed and label is not Label.RED and (label is not Label.AMBER_STRICT or strict)


def lowest(before: Label, rows: list[Forged]) -> Label:
    """The lowest label that the author's side, which is TN, ever gave it by what was made."""
    theirs = ("A",) if before is Label.RED else ("A", "A2")
    return min([before, *(one.outside for one in rows if one.what == "relabel" and one.by in theirs)])


# ---- what comes of it


def check(world: World, number: int, rows: list[Forged]) -> None:
    """Each member is given each entry, and shows what he may and nothing else."""
    room, members = world.rooms[number], ROOMS[number][0]
    before = world.label_now("A", number)
    entries = [(one, *world.forge(number, one)) for one in rows]
    for reader in members:
        client = world.people[reader]
        assert client.codes() == []
        taken = [entry for entry in entries if entry[0].by != reader]  # what he never said himself is another attack
        for one, envelope, sealed in taken:
            push(client, delivery(client, envelope, sealed))
            row = client.store.messages[room, envelope.id]
            if may_be_shown(one, number, reader):
                assert (row.state, row.content == b"") == (model.MessageState.STORED, one.what == "relabel")
                continue
            assert (row.state, row.content) == (model.MessageState.UNREADABLE, b"")
            assert row.code in client.codes(), "a refusal is an event"  # once for many that are alike
            if one.by in members:
                assert (row.cause, row.code) == (model.Cause.LABEL_BROKEN, "LABEL")
        assert (client.codes() == []) is all(may_be_shown(entry[0], number, reader) for entry in taken)
        assert world.label_now(reader, number) >= lowest(before, rows)


LABELS: Final = st.sampled_from(Label)
NATIONS: Final = st.sampled_from((TN, MA, SN))


@st.composite
def forgeries(draw: st.DrawFn) -> Forged:
    """Half of them have the same label inside and outside: else hardly any would get beyond that check."""
    sealed = draw(LABELS)
    return Forged(
        by=draw(st.sampled_from(sorted(NATION))),
        what=draw(st.sampled_from(BODIES)),
        sealed=sealed,
        outside=draw(st.just(sealed) | LABELS),
        origin=draw(st.tuples(NATIONS, LABELS)),
    )


@pytest.mark.slow
@settings(max_examples=100 * SCALE, deadline=None)
@given(st.integers(0, len(ROOMS) - 1), st.lists(forgeries(), min_size=1, max_size=6))
def test_no_entry_is_shown_beyond_its_label_whoever_made_it_and_each_refusal_is_an_event(
    number: int, rows: list[Forged]
) -> None:
    check(fresh(), number, rows)


# ---- the controls: without its check each of them is shown


CONTROLS: Final = [
    (
        "above the room's ceiling",
        2,
        Forged(by="B", what="text", sealed=Label.AMBER, outside=Label.AMBER),
        "check_ceiling",
    ),
    (
        "above what its reader is cleared for",
        3,
        Forged(by="B", what="file", sealed=Label.AMBER_STRICT, outside=Label.AMBER_STRICT),
        "check_ceiling",
    ),
    ("another label outside", 0, Forged(by="B", what="text", sealed=Label.RED, outside=Label.CLEAR), "differs_from"),
    (
        "RED quoted",
        0,
        Forged(by="B", what="quotation", sealed=Label.RED, outside=Label.RED, origin=(MA, Label.RED)),
        "check_way",
    ),
    (
        "AMBER+STRICT quoted out of its organisation",
        0,
        Forged(by="A", what="quotation", sealed=Label.RED, outside=Label.RED, origin=(TN, Label.AMBER_STRICT)),
        "check_way",
    ),
]


def without(patch: pytest.MonkeyPatch, check_name: str) -> None:
    if check_name == "differs_from":
        patch.setattr(Content, check_name, lambda *_: False)
        return
    for module in (ways, rooms):
        if hasattr(module, check_name):
            patch.setattr(module, check_name, lambda *_, **__: None)


@pytest.mark.parametrize(("number", "one", "gone"), [row[1:] for row in CONTROLS], ids=[row[0] for row in CONTROLS])
def test_without_its_check_each_of_them_is_shown(
    number: int, one: Forged, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(fresh(), number, [one])
    without(monkeypatch, gone)
    with pytest.raises(AssertionError):
        check(fresh(), number, [one])
