from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.flat.ratchet import Chain
from amanah_protocol.limits import MAX_FORWARD_GENERATIONS, MAX_SKIPPED_KEYS

START = Chain(key=bytes(32))


def code_of(chain: Chain, generation: int) -> Code:
    with pytest.raises(VerifyError) as refused:
        chain.take(generation)
    return refused.value.code


def test_each_generation_has_other_material_and_gives_it_once() -> None:
    chain, seen = START, set()
    for generation in range(50):
        material, chain = chain.take(generation)
        seen.add(material)
        assert code_of(chain, generation) is Code.REPLAY
    assert len(seen) == 50


def test_the_material_of_a_generation_does_not_depend_on_the_way_to_it() -> None:
    chain = START
    for generation in range(19):
        _, chain = chain.take(generation)
    assert chain.take(19)[0] == START.take(19)[0]


def test_what_is_left_of_a_used_generation_is_neither_its_key_nor_its_chain_key() -> None:
    material, chain = START.take(0)
    assert chain.key != START.key
    assert material not in chain.skipped.values()


def test_skipped_generations_open_late_once() -> None:
    _, chain = START.take(3)
    assert list(chain.skipped) == [0, 1, 2]
    late, chain = chain.take(1)
    assert late == START.take(1)[0]
    assert list(chain.skipped) == [0, 2]
    assert code_of(chain, 1) is Code.REPLAY


def test_a_jump_of_a_thousand_is_allowed_and_keeps_the_newest_thirty_two() -> None:
    material, chain = START.take(MAX_FORWARD_GENERATIONS)
    assert len(material) == 44
    first = MAX_FORWARD_GENERATIONS - MAX_SKIPPED_KEYS
    assert list(chain.skipped) == list(range(first, MAX_FORWARD_GENERATIONS))
    assert code_of(chain, first - 1) is Code.REPLAY


def test_a_jump_of_more_than_a_thousand_is_refused() -> None:
    assert code_of(START, MAX_FORWARD_GENERATIONS + 1) is Code.GENERATION


def test_a_jump_that_would_take_for_ever_is_refused_before_it_is_derived() -> None:
    assert code_of(START, 2**64 - 1) is Code.GENERATION


def test_skipped_keys_of_several_jumps_are_bounded_together() -> None:
    chain = START
    for generation in (20, 41, 62):
        _, chain = chain.take(generation)
    assert len(chain.skipped) == MAX_SKIPPED_KEYS
    assert max(chain.skipped) == 61
    assert 20 not in chain.skipped


def test_keys_are_in_no_repr() -> None:
    _, chain = START.take(1)
    assert chain.key.hex() not in repr(chain)
    assert repr(chain.key) not in repr(chain)


@given(st.lists(st.integers(0, 60), max_size=40))
def test_any_order_gives_each_generation_its_own_material_at_most_once(order: list[int]) -> None:
    expected = [START.take(generation)[0] for generation in range(61)]
    chain, taken = START, set[int]()
    for generation in order:
        if generation < chain.next and generation not in chain.skipped:
            assert code_of(chain, generation) is Code.REPLAY
            continue
        material, chain = chain.take(generation)
        assert material == expected[generation]
        assert generation not in taken
        assert len(chain.skipped) <= MAX_SKIPPED_KEYS
        taken.add(generation)
