"""What people and machines of three nations do with each other, drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, TypeAlias

from amanah_client import actions
from amanah_client.saying import saying
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.kinds import Grade, Kind
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import OrgName, RoomId
from tests.simulation.community import CAST, MA, SN, TN

if TYPE_CHECKING:
    from tests.simulation.world import World

Work: TypeAlias = "Callable[[World], None]"
Planned: TypeAlias = "tuple[int, str, Work]"

WRITERS: Final = tuple(name for name, _, _ in CAST if name != "auditor")
CREATORS: Final = ("tn-1", "ma-1")
"""Who opens room 0 and room 1."""
OWNERS: Final = (("tn-1", "tn-2"), ("ma-1", "ma-2"))
"""Officers of the organisation that owns each room."""
TEXTS: Final = ("seen at your side?", "نعم، منذ الفجر", "confirmé, même empreinte", "blocked at the border", "")
LABELS: Final = (Label.CLEAR, Label.GREEN, Label.AMBER)


def plan(source: random.Random, storm_ms: int) -> Iterator[Planned]:
    """Everybody starts, two rooms are opened and filled, then they work together."""
    yield from opening(source)
    yield from work(source, 7_000, storm_ms, storm_ms // 1_400)
    if source.randrange(3) == 0:
        at_ms = source.randint(storm_ms // 2, storm_ms)
        if source.randrange(2):
            # Who is away when it is revoked finds out at the door.
            yield at_ms - 500, "sn-2 is offline", lambda world: world.take_offline("sn-2", 8_000)
        yield at_ms, "revoke sn-2", _revoke("sn-1", "sn-2")


def opening(source: random.Random) -> Iterator[Planned]:
    """Everybody starts, two rooms are opened and filled."""
    for name, _, _ in CAST:
        late = name not in CREATORS and source.randrange(5) == 0
        yield source.randint(0, 30_000 if late else 3_000), f"start {name}", _start(name)
    for number, creator in enumerate(CREATORS):
        yield source.randint(3_000, 6_000), f"create {number}", _create(creator, number)
    for number, who in ((0, MA), (0, SN), (0, "tn-2"), (0, "tn-bot"), (1, "ma-2"), (1, SN)):
        yield source.randint(6_500, 15_000), f"invite {who} to {number}", _invite(CREATORS[number], number, who)


def work(source: random.Random, since_ms: int, until_ms: int, count: int) -> Iterator[Planned]:
    """So many things that somebody does, between two times."""
    for number in range(count):
        yield from _one(source, source.randint(since_ms, until_ms), number)


def _one(source: random.Random, at_ms: int, count: int) -> Iterator[Planned]:  # noqa: C901 - one branch for each thing
    """One thing that somebody does; a race is two at almost the same time."""
    name, number = source.choice(WRITERS), source.randrange(len(CREATORS))
    officer = name.replace("bot", "1")
    owners = OWNERS[number]
    pick = source.randrange(2**32)
    kind = source.choices(
        ("send", "alerts", "acknowledge", "erase", "counts", "disclose", "remove", "invite", "race", "audit"),
        (52, 8, 9, 4, 3, 3, 4, 7, 5, 3),
    )[0]
    what = f"{kind} {name} {number} {count}"
    match kind:
        case "send":
            text = f"{count} {source.choice(TEXTS)}" + "x" * source.choice((0, 0, 0, 700, 9_000))
            yield at_ms, what, _send(name, number, text, source.choice(LABELS))
        case "alerts":
            yield at_ms, what, _alerts("tn-bot", number, count, source.randint(1, 5))
        case "acknowledge":
            yield at_ms, what, _acknowledge(officer, number, pick)
        case "erase":
            yield at_ms, what, _erase(officer, number, pick)
        case "counts":
            yield at_ms, what, _counts("tn-bot", number, count)
        case "disclose":
            yield at_ms, what, _disclose(officer, number, pick)
        case "audit":
            yield at_ms, what, _audit()
        case "remove":
            yield at_ms, what, _remove(source.choice(owners), number, source.choice(("sn-1", "sn-2", "ma-2", "tn-bot")))
        case "invite":
            yield at_ms, what, _invite(source.choice(owners), number, source.choice((MA, SN, TN, "sn-1", "ma-2")))
        case _:
            # Two officers change the room at once: one commit per epoch, the other has to rebase.
            leaving = source.sample(("sn-1", "sn-2", "ma-2" if number == 0 else "tn-bot"), 2)
            yield at_ms, f"{what} a", _remove(owners[0], number, leaving[0])
            yield at_ms + source.randint(0, 40), f"{what} b", _remove(owners[1], number, leaving[1])
            yield at_ms + source.randint(0, 60), f"{what} c", _send(name, number, f"race {count}", Label.AMBER)
            for again in leaving:
                yield (
                    at_ms + source.randint(1_000, 9_000),
                    f"{what} again",
                    _invite(source.choice(owners), number, again),
                )


def _start(name: str) -> Work:
    return lambda world: world.clients[name].start()


def _create(name: str, number: int) -> Work:
    def work(world: World) -> None:
        action = actions.CreateRoom(title=f"incident {number}", ceiling=Label.AMBER, classical=True)
        world.created[number] = (name, world.clients[name].ask(action).id)

    return work


def _invite(name: str, number: int, who: str) -> Work:
    def make(world: World, room: RoomId) -> actions.Action:
        if who in world.clients:
            return actions.Invite(room=room, device=world.clients[who].device.id)
        return actions.Invite(room=room, organisation=OrgName(who))

    return _in_room(name, number, make)


def _remove(name: str, number: int, who: str) -> Work:
    return _in_room(
        name, number, lambda world, room: actions.Remove(room=room, devices=(world.clients[who].device.id,))
    )


def _send(name: str, number: int, text: str, label: Label) -> Work:
    precedence = Precedence(len(text) % 3)
    return _in_room(
        name,
        number,
        lambda _, room: saying(room, Text(text=text), label=label, pap=Pap.AMBER, precedence=precedence),
    )


def _alerts(name: str, number: int, first: int, count: int) -> Work:
    alerts = tuple(_alert(1_000 * first + place) for place in range(count))
    return _in_room(
        name,
        number,
        lambda _, room: actions.PostAlerts(room=room, source_name="eve", alerts=alerts, label=Label.GREEN),
    )


def _alert(number: int) -> Alert:
    original = f"alert {number}".encode()
    return Alert(
        source="suricata",
        dedupe_id=str(number),
        observed_at_ms=1_799_999_000_000 + number,
        severity=Severity(number % 4),
        title=f"beacon {number}",
        category="trojan",
        signature_id=str(2_000_000 + number),
        original=original,
        original_hash=sha256(original),
    )


def _acknowledge(name: str, number: int, pick: int) -> Work:
    def make(world: World, room: RoomId) -> actions.Action | None:
        row = world.pick_message(name, room, pick)
        grade = 1 + pick % max(Grade)
        return None if row is None else actions.Acknowledge(room=room, envelope=row.envelope, grade=grade)

    return _in_room(name, number, make)


def _erase(name: str, number: int, pick: int) -> Work:
    def make(world: World, room: RoomId) -> actions.Action | None:
        row = world.pick_message(name, room, pick, own=name not in OWNERS[number])
        return None if row is None else actions.EraseMessages(room=room, envelopes=(row.envelope,))

    return _in_room(name, number, make)


def _disclose(name: str, number: int, pick: int) -> Work:
    def make(world: World, room: RoomId) -> actions.Action | None:
        row = world.pick_message(name, room, pick, kind=Kind.MESSAGE)
        return (
            None if row is None else actions.Disclose(room=room, envelope=row.envelope, recipient="court.example.org")
        )

    return _in_room(name, number, make)


def _counts(name: str, number: int, count: int) -> Work:
    return _in_room(
        name, number, lambda _, room: actions.ReportCounts(room=room, accepted=count, merged=count // 2, dropped=0)
    )


def _audit() -> Work:
    return lambda world: world.ask("auditor", actions.AuditSync())


def _revoke(by: str, who: str) -> Work:
    def work(world: World) -> None:
        revocation = world.community.revocation(who, world.scheduler.now_ms)
        world.ask(by, actions.SubmitControl(type=int(LeafType.REVOCATION), object=revocation))

    return work


def _in_room(name: str, number: int, make: Callable[[World, RoomId], actions.Action | None]) -> Work:
    """Ask for something in a room, if this device knows it and is not out of it."""

    def work(world: World) -> None:
        room = world.room(number)
        if room is None or not world.is_in(name, room):
            return
        action = make(world, room)
        if action is not None:
            world.ask(name, action)

    return work
