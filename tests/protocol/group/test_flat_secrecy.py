"""What a thief can do with everything that a device held, and what it cannot do any more."""

from __future__ import annotations

from collections.abc import Iterator

from amanah_protocol import cbor
from amanah_protocol.errors import VerifyError
from amanah_protocol.group.flat.commit import decode_commit
from amanah_protocol.group.flat.keys import KeyPair, open_secret
from amanah_protocol.group.flat.message import decode_message
from amanah_protocol.group.flat.ratchet import Chain
from amanah_protocol.limits import MIB
from tests.protocol.group.circle import AAD, circle, created
from tests.protocol.group.devices import device, randomness


def strings_in(value: cbor.Value) -> Iterator[bytes]:
    """Every byte string of a state, at any depth."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings_in(item)


def stolen(state: bytes) -> list[bytes]:
    return list(strings_in(cbor.decode(state, max_bytes=MIB)))


def opens_commit(loot: list[bytes], sealed: bytes, by: int) -> bool:
    """Whether any secret of the loot opens any of a commit's sealed secrets, as whichever device."""
    commit = decode_commit(sealed, device(by).id)
    for private in (item for item in loot if len(item) == 32):
        for box in commit.sealed:
            for number in range(6):
                context = commit.changes.context(device(number).id)
                try:
                    open_secret(box, ephemeral=commit.ephemeral, recipient=KeyPair.of(private), context=context)
                except VerifyError:
                    continue
                return True
    return False


def opens_message(loot: list[bytes], sealed: bytes, by: int) -> bool:
    """Whether any key of the loot, or what follows from it in a few steps, opens a message."""
    place, ciphertext = decode_message(sealed)
    chains = [Chain(key=item) for item in loot if len(item) == 32]
    materials = [item for item in loot if len(item) == 44]
    materials += [chain.take(generation)[0] for chain in chains for generation in range(3)]
    for material in materials:
        try:
            place.open(ciphertext, sender=device(by).id, material=material)
        except VerifyError:
            continue
        return True
    return False


def test_a_thief_of_a_member_s_state_reads_this_epoch_and_the_next() -> None:
    room = circle(1, 2)
    loot = stolen(room.groups[2].state())
    assert opens_message(loot, room.send(0), 0)
    assert opens_commit(loot, room.commit(1), 1)


def test_the_stolen_state_of_a_removed_member_opens_no_later_epoch() -> None:
    room = circle(1, 2)
    loot = stolen(room.groups[2].state())
    removal = room.commit(0, removes=(2,))
    assert not opens_commit(loot, removal, 0)
    assert not opens_message(loot, room.send(0), 0)
    assert not opens_message(loot, room.send(1), 1)
    assert not opens_commit(loot, room.commit(1, adds=(3,)), 1)
    assert not opens_message(loot, room.send(3), 3)


def test_a_thief_who_also_has_the_pending_commit_of_the_removed_member_reads_nothing_later() -> None:
    room = circle(1, 2)
    room.groups[2].stage_commit(adds=(), removes=(), aad=AAD, random=randomness(0))
    loot = stolen(room.groups[2].state())
    removal = room.commit(0, removes=(2,))
    assert not opens_commit(loot, removal, 0)
    assert not opens_message(loot, room.send(0), 0)


def test_a_member_that_commits_shuts_out_who_copied_its_state_before() -> None:
    room = circle(1, 2)
    loot = stolen(room.groups[2].state())
    room.commit(2)
    assert not opens_message(loot, room.send(0), 0)
    assert not opens_commit(loot, room.commit(0), 0)


def test_another_member_s_commit_does_not_shut_a_thief_out() -> None:
    room = circle(1, 2)
    loot = stolen(room.groups[2].state())
    room.commit(0)
    assert opens_commit(loot, room.commit(1), 1)


def test_a_state_stolen_after_a_message_was_opened_does_not_open_it_again() -> None:
    room = circle(1)
    sealed = room.send(0)
    assert not opens_message(stolen(room.groups[1].state()), sealed, 0)
    assert not opens_message(stolen(room.groups[0].state()), sealed, 0)


def test_who_was_never_a_member_opens_nothing() -> None:
    room = circle(1)
    loot = stolen(created(5).state())
    assert not opens_commit(loot, room.commit(0), 0)
    assert not opens_message(loot, room.send(0), 0)
