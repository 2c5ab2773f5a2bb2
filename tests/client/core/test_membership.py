"""Creations, commits and welcomes that are not allowed, whoever signed them and whatever the relay accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec import structs

from amanah_client import actions, model
from amanah_client.core.room import Room
from amanah_protocol import frames
from amanah_protocol.envelope import Envelope, audience_digest, decode_envelope, derive_room_id
from amanah_protocol.group import suites
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Commit, Create, Kind, Refuse, Welcome
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.client.core.forge import delivery, header_of, message, push, room_of, signed
from tests.client.core.rooms import create, invite, two
from tests.client.core.world import MA, SN, TN, Client, Stage, denied, seeded
from tests.engines import ENGINES
from tests.relay.people import ORIGIN

HALTED, OPEN, JOINING = model.RoomStatus.HALTED, model.RoomStatus.OPEN, model.RoomStatus.JOINING
LOST = model.RoomStatus.LOST


def commit(
    sender: Client,
    room: RoomId,
    *,
    added: tuple[Client, ...] = (),
    removed: tuple[DeviceId, ...] = (),
    says: Commit | None = None,
    **changes: Any,  # noqa: ANN401 - header fields
) -> tuple[Envelope, bytes]:
    """A commit that the sender's own checks would not let pass; `says` is what its header says instead."""
    held = room_of(sender, room)
    assert held.group is not None
    specific = Commit(added=tuple(sorted(client.device.id for client in added)), removed=tuple(sorted(removed)))
    says = says or specific
    members = (set(held.group.members) | set(says.added)) - set(says.removed)
    header = header_of(sender, room, says, **({"audience": audience_digest(members)} | changes))
    packages = tuple(key_package(client) for client in sorted(added, key=lambda client: client.device.id))
    staged = held.group.stage_commit(
        adds=packages,
        removes=specific.removed,
        credential=sender.core._ctx.credential,  # noqa: SLF001 - as the sender itself
        aad=header.aad,
        random=seeded("commit"),
    )
    return signed(header, staged.sealed, sender.device.key), staged.sealed


def key_package(client: Client) -> bytes:
    """A fresh key package of a client, whose secret it keeps."""
    ctx = client.core._ctx  # noqa: SLF001 - as the client itself makes one
    made = ENGINES[suites.CLASSICAL].make_key_package(
        client.device.key, ctx.credential, now_ms=client.stage.relay.now_ms, last_resort=False, random=seeded("package")
    )
    ctx.packages[made.reference] = made.private
    client.store.packages[made.reference] = made.private
    return made.public


def check_refused(victim: Client, room: RoomId, members: set[DeviceId]) -> None:
    """The commit is evidence, the room is halted, nothing is sent there but the refusal."""
    assert "REFUSED_COMMIT" in victim.codes()
    assert victim.row(room).status is HALTED
    held = room_of(victim, room)
    assert held.group is not None
    assert set(held.group.members) == members
    row = [row for row in victim.rows(room) if row.room_seq is not None][-1]
    assert (row.kind, row.state, row.code) == (Kind.COMMIT, model.MessageState.UNREADABLE, "REFUSED_COMMIT")
    assert victim.say(room, "blocked").state is model.IntentState.QUEUED


def test_a_commit_made_by_hand_is_processed(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=MA)
    push(a, delivery(a, *commit(b, room, added=(c,))))
    group = room_of(a, room).group
    assert group is not None
    assert c.device.id in group.members
    assert a.store.alarms == []


def test_a_guest_adds_no_new_organisation(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    push(a, delivery(a, *commit(b, room, added=(c,))))
    check_refused(a, room, {a.device.id, b.device.id})


def test_a_bot_adds_nobody(stage: Stage) -> None:
    a, bot = stage.online("A"), stage.online("bot", role=Role.BOT)
    room = create(a)
    invite(a, room, bot)
    push(a, delivery(a, *commit(bot, room, added=(stage.online("C"),))))
    check_refused(a, room, {a.device.id, bot.device.id})


def test_a_guest_removes_nobody_elses_valid_device(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    invite(a, room, c)
    push(c, delivery(c, *commit(b, room, removed=(a.device.id,))))
    check_refused(c, room, {a.device.id, b.device.id, c.device.id})


def test_a_revoked_device_is_not_added(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=MA)
    made = commit(b, room, added=(c,))
    stage.submit(b, LeafType.REVOCATION, stage.relay.nations[MA].revoke(c.device.id))
    push(a, delivery(a, *made))
    check_refused(a, room, {a.device.id, b.device.id})


def test_an_auditor_is_not_added(stage: Stage) -> None:
    a, b, room = two(stage)
    auditor = stage.online("auditor", of=MA, role=Role.AUDITOR)
    push(a, delivery(a, *commit(b, room, added=(auditor,))))
    check_refused(a, room, {a.device.id, b.device.id})


def test_a_commit_that_does_something_else_than_its_header_says(stage: Stage) -> None:
    a, b, room = two(stage)
    c, d = stage.online("C", of=MA), stage.online("D", of=MA)
    push(a, delivery(a, *commit(b, room, added=(c,), says=Commit(added=(d.device.id,)))))
    check_refused(a, room, {a.device.id, b.device.id})


def test_a_commit_that_does_not_open(stage: Stage) -> None:
    a, b, room = two(stage)
    envelope, sealed = commit(b, room, added=(stage.online("C", of=MA),))
    broken = sealed[:-1] + bytes([sealed[-1] ^ 1])
    push(a, delivery(a, signed(envelope.header, broken, b.device.key), broken))
    check_refused(a, room, {a.device.id, b.device.id})


@pytest.mark.parametrize("changes", [{"epoch": 0}, {"epoch": 9}, {"audience": bytes(32)}])
def test_a_commit_of_another_epoch_or_audience(stage: Stage, changes: dict[str, Any]) -> None:
    a, b, room = two(stage)
    push(a, delivery(a, *commit(b, room, added=(stage.online("C", of=MA),), **changes)))
    check_refused(a, room, {a.device.id, b.device.id})


def test_a_ghost_device_that_is_not_in_the_log_is_not_added(stage: Stage) -> None:
    a, b, room = two(stage)
    ghost = stage.client("ghost", of=MA)
    entry = delivery(a, *commit(b, room, added=(ghost,)))
    push(a, entry)
    assert a.store.alarms == []
    stage.run()
    push(a, entry)
    check_refused(a, room, {a.device.id, b.device.id})


def test_a_commit_ahead_of_the_control_stream_is_waited_for(stage: Stage) -> None:
    a, b, room = two(stage)
    late: list[frames.Frame] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.ControlEntry) and not late:
            late.append(frame)
            return []
        return [frame]

    a.toward = hook
    c = stage.online("C", of=MA)
    assert late
    invite(b, room, c)
    c.say(room, "hello")
    assert a.texts(room) == ["hello"]
    assert a.store.alarms == []


def test_others_hear_of_a_refused_commit_and_later_entries_are_marked(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=MA)
    stage.relay.core._parts.books.admission._check_commit = allow(stage)  # type: ignore[union-attr,method-assign]  # noqa: SLF001 - a relay that allows anything
    d = stage.online("D", of=SN)
    force(b, room, d)
    assert "REFUSED_COMMIT" in a.codes()
    assert a.row(room).status is HALTED
    assert any(row.kind is Kind.REFUSE or row.kind == Kind.REFUSE for row in b.rows(room))
    assert "REFUSED_COMMIT" in b.codes()
    b.say(room, "after it")
    row = [row for row in a.rows(room) if row.room_seq is not None][-1]
    assert (row.state, row.code) == (model.MessageState.UNREADABLE, "REFUSED_COMMIT")
    assert a.texts(room) == []
    assert c.store.rooms == {}


def allow(stage: Stage) -> Any:  # noqa: ANN401 - the method of another class
    """The relay's check of commits, without its policy."""
    admission = stage.relay.core._parts.books.admission  # type: ignore[union-attr]  # noqa: SLF001 - as above

    def check(transaction: Any, room: Any, header: Any, commit: Any) -> None:  # noqa: ANN401 - as the method
        transaction.put(admission._audiences, room.room, header.audience)  # noqa: SLF001 - as above

    return check


def force(sender: Client, room: RoomId, added: Client | None, removed: tuple[DeviceId, ...] = ()) -> None:
    """Publish a commit that the policy does not allow, as a malicious member would."""
    from amanah_client.core import commits  # noqa: PLC0415 - its policy is switched off here alone
    from amanah_protocol import rooms  # noqa: PLC0415 - as above

    original = rooms.check_commit
    rooms.check_commit = lambda *_args, **_named: None
    try:
        ctx = sender.core._ctx  # noqa: SLF001 - as the sender itself
        commits.commit(
            ctx,
            room_of(sender, room),
            packages={} if added is None else {added.device.id: key_package(added)},
            removes=removed,
            intent=None,
        )
        step = ctx.finish()
    finally:
        rooms.check_commit = original
    sender.store.commit(step.writes)
    for effect in step.effects:
        data = getattr(effect, "data", None)
        if data is not None and sender.peer is not None:
            sender.peer.send_bytes(data)
    sender.stage.run()


@pytest.mark.parametrize("gives", [False, True])
def test_a_withheld_commit_is_fetched_by_its_name_or_stops_the_room_without_blaming_its_sender(
    stage: Stage,
    gives: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    a, b, room = two(stage)

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery) and decode_envelope(frame.envelope).header.kind is Kind.COMMIT:
            values = {name: getattr(frame, name) for name in frame.__struct_fields__}
            return [frames.Delivery(**(values | {"content": None}))]
        return [frame] if gives or not isinstance(frame, frames.ContentPiece) else [denied(frame)]

    b.toward = hook
    invite(a, room, stage.online("C", of=TN))
    assert b.codes() == ([] if gives else ["GAP"])
    assert b.row(room).status is (OPEN if gives else HALTED)
    assert not [row for row in a.rows(room) if row.kind == Kind.REFUSE]


# ---- creation


def creation(sender: Client, **changes: Any) -> tuple[RoomId, Envelope]:  # noqa: ANN401 - create and header fields
    """The creation of a room by hand."""
    fields: dict[str, Any] = {
        "origin": ORIGIN,
        "nonce": bytes(16),
        "suite": suites.CLASSICAL,
        "ceiling": Label.AMBER,
        "owner": sender.device.certificate.organisation,
    }
    header_fields = {key: changes.pop(key) for key in ("audience", "label", "counter") if key in changes}
    specific = Create(**(fields | changes))
    room = derive_room_id(specific.origin, sender.device.id, bytes(16))
    ctx = sender.core._ctx  # noqa: SLF001 - as the sender itself
    held = Room(row=model.RoomRow(room=room, status=model.RoomStatus.OPENING))
    held.group = ENGINES[suites.CLASSICAL].create(
        room,
        sender.device.key,
        ctx.credential,
        policy=specific.policy,
        now_ms=sender.stage.relay.now_ms,
        random=seeded("creation"),
    )
    ctx.rooms[room] = held
    header = header_of(sender, room, specific, **({"label": Label.CLEAR} | header_fields))
    return room, signed(header, b"", sender.device.key)


def shown(victim: Client, room: RoomId) -> None:
    """Let the relay say that the victim was added to a room, and the victim ask for it."""
    push(victim, frames.RoomState(room=room, head=2, added_seq=2, removed_seq=None, counter=0, last=bytes(32)))


def test_a_creation_made_by_hand_is_taken(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room, envelope = creation(b)
    shown(a, room)
    push(a, delivery(a, envelope))
    assert a.row(room).create == envelope.encoded
    assert a.store.alarms == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"origin": "other.example.org"}, "BINDING"),
        ({"audience": bytes(32)}, "AUDIENCE"),
        ({"owner": TN}, "MEMBERSHIP"),
        ({"suite": 0x0001}, "SUITE"),
        ({"label": Label.RED}, "LABEL"),
        ({"counter": 2}, "GAP"),
    ],
)
def test_a_creation_that_is_not_allowed(stage: Stage, changes: dict[str, Any], code: str) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room, envelope = creation(b, **changes)
    shown(a, room)
    push(a, delivery(a, envelope))
    assert a.codes() == [code]
    assert a.row(room).create == b""
    assert a.row(room).status is JOINING


def test_a_creation_by_a_bot(stage: Stage) -> None:
    a, bot = stage.online("A"), stage.online("B", of=MA, role=Role.BOT)
    room, envelope = creation(bot)
    shown(a, room)
    push(a, delivery(a, envelope))
    assert a.codes() == ["ROLE"]


def test_a_suite_that_this_device_does_not_support(stage: Stage) -> None:
    a, b = stage.online("A", device_suites=(0x0001,)), stage.online("B", of=MA)
    room, envelope = creation(b)
    shown(a, room)
    push(a, delivery(a, envelope))
    assert a.codes() == ["SUITE"]


def test_a_second_creation(stage: Stage) -> None:
    a, b, room = two(stage)
    first = room_of(a, room).spec
    header = header_of(a, room, replace(first, ceiling=Label.RED), epoch=0, label=Label.CLEAR)
    push(b, delivery(b, signed(header, b"", a.device.key)))
    assert b.codes() == ["BINDING"]
    assert room_of(b, room).spec == first


def test_a_room_that_begins_with_something_else(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room, _ = creation(b)
    shown(a, room)
    push(a, delivery(a, *message(b, room)))
    assert a.codes() == ["GAP"]


# ---- welcomes


def change_welcome(victim: Client, changed: Any) -> None:  # noqa: ANN401 - a function of envelope and content
    """Change the welcome on its way to the victim."""

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Delivery):
            envelope = decode_envelope(frame.envelope)
            if envelope.header.kind is Kind.WELCOME:
                made, content = changed(envelope, frame.content)
                values = {name: getattr(frame, name) for name in frame.__struct_fields__}
                return [frames.Delivery(**(values | {"envelope": made.encoded, "content": content}))]
        return [frame]

    victim.toward = hook


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"epoch": 5}, "BINDING"),
        ({"audience": bytes(32)}, "AUDIENCE"),
    ],
)
def test_a_welcome_that_differs_from_its_commit(stage: Stage, changes: dict[str, Any], code: str) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    change_welcome(
        b,
        lambda envelope, content: (signed(structs.replace(envelope.header, **changes), content, a.device.key), content),
    )
    a.do(actions.Invite(room=room, device=b.device.id))
    assert b.codes()[0] == code
    assert b.row(room).status is LOST
    assert room_of(b, room).group is None


def test_a_welcome_by_another_than_who_added(stage: Stage) -> None:
    a, a2 = stage.online("A"), stage.online("A2")
    b = stage.online("B", of=MA)
    room = create(a)
    invite(a, room, a2)
    change_welcome(
        b,
        lambda envelope, content: (
            signed(structs.replace(envelope.header, kid=a2.device.id), content, a2.device.key),
            content,
        ),
    )
    a.do(actions.Invite(room=room, device=b.device.id))
    assert b.codes()[0] == "BINDING"


def test_a_welcome_that_does_not_open(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    b.core._ctx.packages.clear()  # noqa: SLF001 - as if its secrets were lost
    a.do(actions.Invite(room=room, device=b.device.id))
    assert b.codes() == ["OPEN", "STATE_LOST"]
    assert b.row(room).status is LOST
    a.say(room, "can you read this?")
    row = [row for row in b.rows(room) if row.room_seq is not None][-1]
    assert (row.state, row.code) == (model.MessageState.UNREADABLE, "STATE_LOST")
    assert b.codes() == ["OPEN", "STATE_LOST"]
    assert a.do(actions.Remove(room=room, devices=(b.device.id,))).state is model.IntentState.DONE
    assert b.row(room).status is model.RoomStatus.REMOVED
    b.restart()
    b.connect()
    stage.run()
    invite(a, room, b)
    a.say(room, "and now?")
    assert b.texts(room) == ["and now?"]


def test_a_withheld_welcome_stops_the_room(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    change_welcome(b, lambda envelope, _: (envelope, None))
    a.do(actions.Invite(room=room, device=b.device.id))
    assert b.codes() == ["GAP"]
    assert b.row(room).status is JOINING


def test_a_welcome_into_a_room_whose_adder_was_not_allowed(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.relay.core._parts.books.admission._check_commit = allow(stage)  # type: ignore[union-attr,method-assign]  # noqa: SLF001 - a relay that allows anything
    c = stage.online("C", of=SN)
    force(b, room, c)
    assert c.codes() == ["MEMBERSHIP"]
    assert c.row(room).status is JOINING
    assert room_of(c, room).group is None
    assert a.row(room).status is HALTED


def test_a_used_key_package_is_deleted(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    before = set(b.store.packages)
    room = create(a)
    invite(a, room, b)
    assert len(before - set(b.store.packages)) == 1
    assert b.row(room).status is OPEN


def test_a_welcome_for_others_changes_nothing_here(stage: Stage) -> None:
    a, b, room = two(stage)
    invite(a, room, stage.online("C", of=TN))
    welcome = [row for row in b.rows(room) if row.kind == Kind.WELCOME][-1]
    assert welcome.state is model.MessageState.STORED
    specific = decode_envelope(welcome.encoded).header.specific
    assert isinstance(specific, Welcome)
    assert b.device.id not in specific.addressees
    assert b.store.alarms == []


def test_a_refusal_names_commit_and_cause(stage: Stage) -> None:
    a, b, room = two(stage)
    c = stage.online("C", of=SN)
    envelope, sealed = commit(b, room, added=(c,))
    a.outward = lambda _: []
    push(a, delivery(a, envelope, sealed))
    refusal = decode_envelope(a.rows(room)[-1].encoded).header.specific
    assert refusal == Refuse(commit=envelope.id, code="MEMBERSHIP")
    assert isinstance(envelope.id, bytes)
    assert EnvelopeId(envelope.id) == envelope.id


def test_a_removal_that_the_relay_only_claims_stops_the_room(stage: Stage) -> None:
    a, b, room = two(stage)
    b.disconnect()

    def claim(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Ready):
            rooms = tuple(structs.replace(state, removed_seq=b.row(room).head_seq) for state in frame.rooms)
            return [frames.Ready(frame.control_head, frame.checkpoint, rooms, frame.stock)]
        return [frame]

    b.toward = claim
    b.connect()
    stage.run()
    assert b.store.alarms == []
    room_of(b, room).link.subscribed = True
    a.say(room, "x")
    assert b.row(room).status is OPEN


def test_a_member_of_a_halted_room_that_is_removed_is_out(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.relay.core._parts.books.admission._check_commit = allow(stage)  # type: ignore[union-attr,method-assign]  # noqa: SLF001 - a relay that allows anything
    force(b, room, stage.online("D", of=SN))
    assert a.row(room).status is HALTED
    a.restart()
    a.connect()
    stage.run()
    assert a.row(room).status is HALTED
    assert a.codes().count("REFUSED_COMMIT") == 1
    force(b, room, None, (a.device.id,))
    assert a.row(room).status is model.RoomStatus.REMOVED
    assert a.row(room).group == b""


def test_later_commits_of_a_halted_room_are_counted_by_their_headers(stage: Stage) -> None:
    a, b, room = two(stage)
    stage.relay.core._parts.books.admission._check_commit = allow(stage)  # type: ignore[union-attr,method-assign]  # noqa: SLF001 - a relay that allows anything
    d = stage.online("D", of=SN)
    force(b, room, d)
    force(b, room, None, (d.device.id,))
    assert room_of(a, room).outer == {a.device.id, b.device.id}
    row = [row for row in a.rows(room, Kind.COMMIT) if row.room_seq is not None][-1]
    assert (row.state, row.code) == (model.MessageState.UNREADABLE, "REFUSED_COMMIT")


def test_a_commit_after_a_welcome_that_failed_changes_nothing(stage: Stage) -> None:
    a, b = stage.online("A"), stage.online("B", of=MA)
    room = create(a)
    b.core._ctx.packages.clear()  # noqa: SLF001 - as if its secrets were lost
    a.do(actions.Invite(room=room, device=b.device.id))
    invite(a, room, stage.online("C", of=TN))
    row = b.rows(room, Kind.COMMIT)[-1]
    assert (row.state, row.code) == (model.MessageState.UNREADABLE, "STATE_LOST")
    assert b.codes() == ["OPEN", "STATE_LOST"]
