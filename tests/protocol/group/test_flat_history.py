"""Random histories of rooms: whatever happened, all members agree and all messages arrive."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from amanah_protocol.crypto import sha256
from tests.protocol.group.circle import Circle, changed, circle, key_package
from tests.protocol.group.devices import accept, device, randomness

PEOPLE = range(12)


def outsiders(room: Circle) -> list[int]:
    return [number for number in PEOPLE if number not in room.groups]


def commit(room: Circle, data: DataObject) -> None:
    by = data.draw(st.sampled_from(sorted(room.groups)))
    others = [number for number in room.groups if number != by]
    removable = others[: max(len(room.groups) - 2, 0)]
    adds = data.draw(st.lists(st.sampled_from(outsiders(room) or [0]), unique=True, max_size=3))
    removes = data.draw(st.lists(st.sampled_from(removable or [0]), unique=True, max_size=2))
    room.commit(
        by,
        adds=tuple(number for number in adds if number not in room.groups),
        removes=tuple(number for number in removes if number in removable),
    )


def race(room: Circle, data: DataObject) -> None:
    """Several stage a commit for one epoch; one wins, the others drop theirs in one way or the other."""
    racers = data.draw(st.lists(st.sampled_from(sorted(room.groups)), unique=True, min_size=2))
    step = room.step()
    newcomer = outsiders(room)[:1]
    for number in racers:
        room.groups[number].stage_commit(
            adds=tuple(key_package(other, (step, number)).public for other in newcomer),
            removes=(),
            aad=sha256(repr((step, number)).encode()),
            random=randomness((step, number)),
        )
    room.restart()
    winner = data.draw(st.sampled_from(racers))
    staged = room.groups[winner].pending
    assert staged is not None
    for number in room.groups:
        if number == winner:
            room.groups[number].merge()
            continue
        if data.draw(st.booleans()):
            room.groups[number].discard()
        room.groups[number].process(
            staged.sealed,
            sender=device(winner).id,
            aad=sha256(repr((step, winner)).encode()),
            expected=changed(added=tuple(newcomer)),
            check=accept,
        )
    for other in newcomer:  # the newcomer never heard of it: removed again at once
        members = {device(number).id for number in room.groups} | {device(other).id}
        assert set(room.groups[winner].members) == members
        remove(room, winner, other)


def remove(room: Circle, by: int, absent: int) -> None:
    """A commit that removes a member who has no group here."""
    step = room.step()
    aad = sha256(repr(step).encode())
    staged = room.groups[by].stage_commit(adds=(), removes=(device(absent).id,), aad=aad, random=randomness(step))
    for number, group in room.groups.items():
        if number != by:
            expected = changed(removed=(absent,))
            group.process(staged.sealed, sender=device(by).id, aad=aad, expected=expected, check=accept)
    room.groups[by].merge()


def send(room: Circle, data: DataObject) -> None:
    by = data.draw(st.sampled_from(sorted(room.groups)))
    late = room.step()
    aad = sha256(repr(late).encode())
    first = room.groups[by].seal(b"late", aad=aad, random=randomness(late))
    room.restart()
    room.send(by, b"in time")
    for number, group in room.groups.items():
        if number != by:
            assert group.open(first, sender=device(by).id, aad=aad) == b"late"


@settings(max_examples=30)
@given(st.data())
def test_members_of_any_history_agree_and_read_each_other(data: DataObject) -> None:
    size = data.draw(st.integers(2, len(PEOPLE)))
    room = circle(*range(1, size))
    for step in data.draw(st.lists(st.sampled_from([commit, race, send]), max_size=6)):
        step(room, data)
        room.restart()
        room.check_agreement()
    for number in sorted(room.groups):
        room.send(number)
