from __future__ import annotations

from random import Random
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.limits import MAX_FORWARD_GENERATIONS, MAX_SKIPPED_KEYS
from amanah_protocol.mls import labelled, secret_tree
from amanah_protocol.mls.codec import decode, opaque, u32, vector
from amanah_protocol.mls.labelled import derive_tree_secret, expand_with_label
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.secret_tree import (
    MAX_GENERATION,
    MessageKey,
    Ratchet,
    RatchetKind,
    SecretTree,
    SenderData,
)
from amanah_protocol.mls.suites import X25519_CHACHA20POLY1305, Suite
from tests.protocol.mls.stage import SUITES
from tests.protocol.refusal import refused

SUITE: Final = X25519_CHACHA20POLY1305
SECRET: Final = bytes(range(32))
LABELS: Final = {RatchetKind.HANDSHAKE: b"handshake", RatchetKind.APPLICATION: b"application"}


def plain_key(suite: Suite, leaves: int, leaf: int, kind: RatchetKind, generation: int) -> MessageKey:
    """Section 9, from the root down and from the first generation on."""
    secret, low, high = SECRET, 0, leaves
    while high - low > 1:
        middle = (low + high) // 2
        secret = expand_with_label(secret, b"tree", b"left" if leaf < middle else b"right", 32)
        low, high = (low, middle) if leaf < middle else (middle, high)
    secret = expand_with_label(secret, LABELS[kind], b"", 32)
    for number in range(generation):
        secret = derive_tree_secret(secret, b"secret", number, 32)
    return MessageKey(
        derive_tree_secret(secret, b"key", generation, suite.aead.key_bytes),
        derive_tree_secret(secret, b"nonce", generation, suite.aead.nonce_bytes),
    )


def fresh(leaves: int = 4) -> SecretTree:
    """A tree that nothing was taken from."""
    return SecretTree.of(SUITE, leaves, SECRET)


def take(tree: SecretTree, generation: int, leaf: int = 1) -> MessageKey:
    """Use a key up."""
    step = tree.find(leaf, RatchetKind.APPLICATION, generation)
    tree.apply(step)
    return step.key


def refuses(tree: SecretTree, generation: int, rule: Rule) -> None:
    """Asking is refused by a rule and changes nothing."""
    before = tree.encode()
    with pytest.raises(InvalidError) as caught:
        tree.find(1, RatchetKind.APPLICATION, generation)
    assert caught.value.rule is rule
    assert tree.encode() == before


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
@pytest.mark.parametrize("leaves", [1, 2, 8])
def test_every_key_is_the_one_that_the_specification_derives(suite: Suite, leaves: int) -> None:
    tree = SecretTree.of(suite, leaves, SECRET)
    for leaf in Random(leaves).sample(range(leaves), leaves):
        for kind in RatchetKind:
            for generation in (2, 0, 1, 3):
                step = tree.find(leaf, kind, generation)
                assert step.key == plain_key(suite, leaves, leaf, kind, generation)
                tree.apply(step)


@given(st.permutations(range(MAX_SKIPPED_KEYS + 1)))
def test_any_order_within_the_window_gives_each_key_once(order: list[int]) -> None:
    tree, seen = fresh(), set()
    for generation in order:
        seen.add(take(tree, generation))
        refuses(tree, generation, Rule.GENERATION_USED)
    assert len(seen) == len(order)
    assert take(tree, len(order)) not in seen


@given(st.lists(st.integers(0, 120), max_size=40))
def test_a_ratchet_follows_a_plain_model_of_its_window(asked: list[int]) -> None:
    tree, upcoming, kept = fresh(), 0, list[int]()
    for generation in asked:
        if generation >= upcoming:
            kept = [*kept, *range(upcoming, generation)][-MAX_SKIPPED_KEYS:]
            upcoming = generation + 1
            assert take(tree, generation) == plain_key(SUITE, 4, 1, RatchetKind.APPLICATION, generation)
        elif generation in kept:
            kept.remove(generation)
            assert take(tree, generation) == plain_key(SUITE, 4, 1, RatchetKind.APPLICATION, generation)
        else:
            refuses(tree, generation, Rule.GENERATION_USED)
        again = decode(tree.encode(), lambda reader: SecretTree.read(reader, SUITE, 4))
        assert again.encode() == tree.encode()


@pytest.mark.parametrize("skipped", [MAX_SKIPPED_KEYS - 1, MAX_SKIPPED_KEYS])
def test_a_key_is_kept_while_no_more_than_32_newer_ones_are_skipped(skipped: int) -> None:
    tree = fresh()
    take(tree, skipped)
    assert take(tree, 0) == plain_key(SUITE, 4, 1, RatchetKind.APPLICATION, 0)


def test_a_key_is_gone_when_more_than_32_newer_ones_are_skipped() -> None:
    tree = fresh()
    take(tree, MAX_SKIPPED_KEYS + 1)
    refuses(tree, 0, Rule.GENERATION_USED)
    assert take(tree, 1) == plain_key(SUITE, 4, 1, RatchetKind.APPLICATION, 1)


@pytest.mark.parametrize("ahead", [MAX_FORWARD_GENERATIONS - 1, MAX_FORWARD_GENERATIONS])
def test_a_thousand_generations_may_be_skipped(ahead: int) -> None:
    assert take(fresh(), ahead) == plain_key(SUITE, 4, 1, RatchetKind.APPLICATION, ahead)


@pytest.mark.parametrize("ahead", [MAX_FORWARD_GENERATIONS + 1, 1 << 31, MAX_GENERATION])
def test_more_than_a_thousand_generations_are_refused_before_anything_is_derived(
    ahead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = counted(monkeypatch)
    refuses(fresh(), ahead, Rule.GENERATION_AHEAD)
    assert not steps


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The generations at which a ratchet moves on, as they come."""
    steps: list[int] = []

    def derive(secret: bytes, label: bytes, generation: int, length: int) -> bytes:
        if label == b"secret":
            steps.append(generation)
        return labelled.derive_tree_secret(secret, label, generation, length)

    monkeypatch.setattr(secret_tree, "derive_tree_secret", derive)
    return steps


def test_the_longest_skip_costs_a_step_for_each_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = counted(monkeypatch)
    fresh().find(1, RatchetKind.APPLICATION, MAX_FORWARD_GENERATIONS)
    assert steps == list(range(MAX_FORWARD_GENERATIONS + 1))


def test_asking_changes_nothing_until_the_step_is_applied() -> None:
    tree = fresh()
    before = tree.encode()
    assert tree.find(1, RatchetKind.APPLICATION, 5).key == tree.find(1, RatchetKind.APPLICATION, 5).key
    assert tree.encode() == before


def test_what_a_key_came_from_is_gone_once_it_was_used() -> None:
    tree = fresh()
    step = tree.find(1, RatchetKind.APPLICATION, 0)
    tree.apply(step)
    stored = tree.encode()
    assert SECRET not in stored
    assert step.key.key not in stored
    assert step.key.nonce not in stored


def test_the_last_generation_is_never_used() -> None:
    spent = Ratchet(next=MAX_GENERATION, secret=SECRET, skipped={})
    tree = SecretTree(SUITE, 1, {}, {0: (spent, spent)})
    with pytest.raises(InvalidError) as caught:
        tree.next(0, RatchetKind.APPLICATION)
    assert caught.value.rule is Rule.GENERATION_AHEAD


def stored_ratchet(suite: Suite = SUITE, key: bytes | None = None, nonce: bytes | None = None) -> bytes:
    """A stored ratchet with one key in it."""
    skipped = u32(0) + opaque(bytes(suite.aead.key_bytes) if key is None else key)
    skipped += opaque(bytes(suite.aead.nonce_bytes) if nonce is None else nonce)
    return u32(1) + opaque(SECRET) + vector([skipped])


def test_a_stored_tree_with_one_secret_for_each_leaf_comes_back() -> None:
    stored = vector([u32(1) + opaque(SECRET)]) + vector(
        u32(leaf) + stored_ratchet() + stored_ratchet() for leaf in (2, 3)
    )
    assert decode(stored, lambda reader: SecretTree.read(reader, SUITE, 4)).encode() == stored


@pytest.mark.parametrize(
    ("nodes", "leaves"),
    [
        ((), ()),
        ((1,), (2,)),  # nothing for leaf 3
        ((1,), (1, 2, 3)),  # leaf 1 twice
        ((3,), (0,)),
        ((1, 4, 6), (3,)),
        ((7,), ()),  # of a larger tree
        ((3,), (9,)),
        ((1 << 31,), ()),
    ],
)
def test_a_stored_tree_without_one_secret_for_each_leaf_is_damaged(
    nodes: tuple[int, ...], leaves: tuple[int, ...]
) -> None:
    stored = vector(u32(node) + opaque(SECRET) for node in nodes)
    stored += vector(u32(leaf) + stored_ratchet() + stored_ratchet() for leaf in leaves)
    with refused(Code.MALFORMED, DecodeError):
        decode(stored, lambda reader: SecretTree.read(reader, SUITE, 4))


@pytest.mark.parametrize("damaged", [stored_ratchet(key=b"short"), stored_ratchet(nonce=bytes(13))])
def test_a_stored_key_of_another_length_is_damaged(damaged: bytes) -> None:
    with refused(Code.MALFORMED, DecodeError):
        decode(damaged, lambda reader: Ratchet.read(reader, SUITE))


def test_sender_data_comes_back_and_its_guard_changes_four_bytes_of_the_nonce() -> None:
    data = SenderData(5, 7, b"\xff\x00\xff\x00")
    assert decode(data.encode(), SenderData.read) == data
    assert data.guard(bytes(12)) == b"\xff\x00\xff\x00" + bytes(8)


def test_no_key_shows_in_a_repr() -> None:
    assert repr(MessageKey(b"a secret key", b"nonce")) == "MessageKey()"
    assert "secret key" not in repr(Ratchet(next=0, secret=b"a secret key", skipped={}))
