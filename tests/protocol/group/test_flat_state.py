from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from amanah_protocol import cbor
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.group.flat.state import decode_state
from amanah_protocol.group.seam import Engine
from amanah_protocol.limits import MAX_MEMBERS, MIB
from tests.protocol.group.circle import AAD, COMMIT, CREATE, ENGINE, circle, created, joined, key_package
from tests.protocol.group.devices import device, randomness

CHAIN = [3, bytes(32), [[0, bytes(44)], [2, bytes(44)]]]


def fields_of(state: bytes) -> list[Any]:
    fields = cbor.decode(state, max_bytes=MIB)
    assert isinstance(fields, list)
    return fields


def pending_state() -> bytes:
    """A room of 0 and 1 in which 0 has skipped keys of 1 and a commit in flight that adds 2."""
    room = circle(1)
    room.groups[1].seal(b"lost", aad=AAD, random=randomness(0))
    room.send(1)
    adds = (key_package(2).public,)
    room.groups[0].stage_commit(adds=adds, removes=(), aad=AAD, random=randomness(0))
    return room.groups[0].state()


def refused(state: bytes, number: int = 0) -> Code:
    with pytest.raises(DecodeError) as error:
        ENGINE.restore(state, device(number).key)
    return error.value.code


def test_a_restored_group_has_the_same_state_byte_for_byte() -> None:
    state = pending_state()
    assert ENGINE.restore(state, device(0).key).state() == state


def test_a_pending_commit_survives_a_restart_with_its_welcome() -> None:
    state = pending_state()
    group = ENGINE.restore(state, device(0).key)
    again = ENGINE.restore(state, device(0).key)
    assert group.pending is not None
    assert again.pending is not None
    welcome = group.pending.welcome(CREATE, COMMIT)
    assert welcome == again.pending.welcome(CREATE, COMMIT)
    assert group.pending.sealed == again.pending.sealed
    group.merge()
    joiner = joined(welcome, 2, key_package(2))
    assert joiner.export("label", b"", 32) == group.export("label", b"", 32)


def test_the_state_of_another_engine_is_refused_by_its_suite() -> None:
    engine: Engine = ENGINE
    fields = fields_of(created().state())
    assert fields[0] == engine.suite
    assert refused(cbor.encode([0x0003, *fields[1:]])) is Code.SUITE
    assert refused(cbor.encode([0xF001, b"anything"])) is Code.SUITE


def test_the_state_of_another_device_is_refused() -> None:
    assert refused(created().state(), 1) is Code.KEY_ID


def test_a_damaged_state_is_refused() -> None:
    state = pending_state()
    assert refused(state[:-1]) is Code.MALFORMED
    assert refused(state + b"\0") is Code.NOT_CANONICAL


def test_no_part_of_a_state_shows_itself_in_a_repr() -> None:
    state = decode_state(pending_state())
    assert state.keys is not None
    parts = [state, state.keys, state.keys.leaf, *state.keys.chains.values(), state.pending]
    assert [part for part in parts if "b'" in repr(part) or 'b"' in repr(part)] == []


def set_field(position: int, value: object) -> Callable[[list[Any]], object]:
    return lambda fields: [value if place == position else field for place, field in enumerate(fields)]


def set_chains(*chains: object) -> Callable[[list[Any]], object]:
    return lambda fields: [*fields[:6], [fields[6][0], fields[6][1], list(chains)], fields[7]]


def set_pending(position: int, value: object) -> Callable[[list[Any]], object]:
    def mutate(fields: list[Any]) -> object:
        pending = [value if place == position else field for place, field in enumerate(fields[7])]
        return [*fields[:7], pending]

    return mutate


def spoil_key_package(fields: list[Any]) -> object:
    sealed = fields_of(fields[7][0])
    sealed[4] = [sealed[4][0][:-1] + bytes([sealed[4][0][-1] ^ 1])]
    return [*fields[:7], [cbor.encode(sealed), *fields[7][1:]]]


@pytest.mark.parametrize(
    ("mutate", "code"),
    [
        (lambda fields: fields[:7], Code.BAD_TYPE),
        (lambda _: [], Code.BAD_TYPE),
        (lambda _: 1, Code.BAD_TYPE),
        (set_field(1, 2), Code.UNKNOWN_VERSION),
        (set_field(2, bytes(15)), Code.BAD_TYPE),
        (set_field(3, 2**40), Code.BAD_TYPE),
        (set_field(5, b""), Code.MALFORMED),
        (set_field(6, []), Code.BAD_TYPE),
        (set_field(7, []), Code.BAD_TYPE),
        (set_chains(CHAIN), Code.BAD_TYPE),
        (set_chains(CHAIN, [3, bytes(32), [[2, bytes(44)], [0, bytes(44)]]]), Code.BAD_TYPE),
        (set_chains(CHAIN, [3, bytes(32), [[1, bytes(44)], [1, bytes(44)]]]), Code.BAD_TYPE),
        (set_chains(CHAIN, [3, bytes(32), [[3, bytes(44)]]]), Code.BAD_TYPE),
        (set_chains(CHAIN, [3, bytes(32), [[0, bytes(43)]]]), Code.BAD_TYPE),
        (set_chains(CHAIN, [3, bytes(32), [[place, bytes(44)] for place in range(33)]]), Code.BAD_TYPE),
        (set_pending(0, b""), Code.MALFORMED),
        (set_pending(1, bytes(31)), Code.BAD_TYPE),
        (spoil_key_package, Code.MALFORMED),
    ],
)
def test_a_state_with_one_part_that_cannot_be_is_refused(mutate: Callable[[list[Any]], object], code: Code) -> None:
    assert refused(cbor.encode(mutate(fields_of(pending_state())))) is code


def test_chains_that_can_be_are_restored() -> None:
    state = cbor.encode(set_chains(CHAIN, CHAIN)(fields_of(pending_state())))
    assert ENGINE.restore(state, device(0).key).state() == state


def test_a_state_keeps_neither_the_epoch_s_secret_nor_used_keys() -> None:
    room = circle(1)
    before = room.groups[1].state()
    room.send(0)
    chains = [fields_of(state)[6][2][0] for state in (before, room.groups[1].state())]
    assert [chain[0] for chain in chains] == [0, 1]
    assert chains[0][1] not in room.groups[1].state()


def test_the_bound_on_members_holds_in_a_state_too() -> None:
    fields = fields_of(created().state())
    chains = [[0, bytes(32), []]] * (MAX_MEMBERS + 1)
    assert refused(cbor.encode(set_chains(*chains)(fields))) is Code.BAD_TYPE
