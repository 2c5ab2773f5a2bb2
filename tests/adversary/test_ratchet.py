"""Attacks 23 and 25, at the engine: message keys asked for far ahead, and a state that is used twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Final

import pytest

from amanah_protocol.errors import Code
from amanah_protocol.group.room_group import RoomGroup
from amanah_protocol.limits import MAX_FORWARD_GENERATIONS, MAX_SKIPPED_KEYS
from amanah_protocol.mls import labelled, secret_tree
from amanah_protocol.mls.framing import (
    Auth,
    AuthenticatedContent,
    FramedContent,
    Sender,
    SenderType,
    WireFormat,
    encode_message,
)
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.message_protection import Sealer, sign_content
from amanah_protocol.mls.policy import ROOM
from amanah_protocol.mls.secret_tree import MAX_GENERATION, MessageKey, RatchetKind, SecretTree, Step
from tests.adversary.forge import drawn
from tests.adversary.outcomes import control, defended
from tests.adversary.packages import SUITE
from tests.adversary.sealed_room import AAD, device, inner, refusal, room_of

SENDER: Final = "sn-1"
READER: Final = "ma-1"
RUNS: Final = 1_000
KEY: Final = MessageKey(bytes(SUITE.aead.key_bytes), bytes(SUITE.aead.nonce_bytes))
"""Nobody has to know the key of a generation to ask others to derive it."""


@dataclass(slots=True, kw_only=True)
class Leaping(SecretTree):
    """A member's message keys, of which the next is of whatever generation it likes."""

    generation: int
    right: SecretTree | None = None

    def next(self, leaf: int, kind: RatchetKind) -> Step:
        """A step to that generation; with its own key, where the tree behind it is given."""
        if self.right is not None:
            return self.right.find(leaf, kind, self.generation)
        return Step(key=KEY, leaf=leaf, generation=self.generation, ratchets=(), secrets={}, spent=None)  # type: ignore[arg-type]  # never applied

    def apply(self, step: Step) -> None:
        """Nothing: it lives for one message."""


def leap(group: RoomGroup, generation: int, *, right: bool = False) -> bytes:
    """A message of a member, of a generation that it has not come to."""
    live = inner(group)
    content = FramedContent.of(live.context, Sender(SenderType.MEMBER, live.own_leaf), AAD, b"from afar")
    signature = sign_content(WireFormat.PRIVATE_MESSAGE, content, live.context.encode(), device(SENDER).key)
    state = live._state
    sealer = Sealer(
        suite=SUITE,
        sender_data_secret=state.epoch.secrets.sender_data_secret,
        tree=Leaping(generation=generation, right=state.messages if right else None),
    )
    made = AuthenticatedContent(wire_format=WireFormat.PRIVATE_MESSAGE, content=content, auth=Auth(signature))
    return encode_message(sealer.seal(made, drawn))


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Counter[bytes]:
    """Counts what ratchets derive, by label: `secret` is a step."""
    counted: Counter[bytes] = Counter()
    real = labelled.derive_tree_secret

    def derive(secret: bytes, label: bytes, generation: int, length: int) -> bytes:
        counted[label] += 1
        return real(secret, label, generation, length)

    monkeypatch.setattr(secret_tree, "derive_tree_secret", derive)
    return counted


BEYOND: Final = (MAX_FORWARD_GENERATIONS + 1, 10_000, 2**31, MAX_GENERATION - 1, MAX_GENERATION)


@defended(25)
@pytest.mark.parametrize("generation", BEYOND)
def test_a_generation_far_ahead_costs_nothing(steps: Counter[bytes], generation: int) -> None:
    groups = room_of("tn-1", READER, SENDER)
    message = leap(groups[SENDER], generation)
    before = groups[READER].message_state()
    steps.clear()
    error = refusal(lambda: groups[READER].open(message, sender=device(SENDER).id, aad=AAD))
    assert error is not None
    assert error.code is Code.GENERATION
    assert not steps
    assert groups[READER].message_state() == before


@defended(25)
def test_the_farthest_generation_that_is_taken_costs_a_thousand_steps_and_keeps_32_keys(steps: Counter[bytes]) -> None:
    groups = room_of("tn-1", READER, SENDER)
    message = leap(groups[SENDER], MAX_FORWARD_GENERATIONS, right=True)
    steps.clear()
    assert groups[READER].open(message, sender=device(SENDER).id, aad=AAD) == b"from afar"
    # One step for each generation that is passed over, and one behind the key that is used.
    assert steps[b"secret"] == MAX_FORWARD_GENERATIONS + 1
    assert steps[b"key"] == MAX_SKIPPED_KEYS + 1
    assert len(groups[READER].message_state()) < 8_192


@defended(25)
def test_a_message_that_does_not_open_moves_no_ratchet(steps: Counter[bytes]) -> None:
    """Asked for again and again, it costs a thousand steps each time and never more."""
    groups = room_of("tn-1", READER, SENDER)
    message = leap(groups[SENDER], MAX_FORWARD_GENERATIONS)
    before = groups[READER].message_state()
    for _ in range(3):
        steps.clear()
        error = refusal(lambda: groups[READER].open(message, sender=device(SENDER).id, aad=AAD))
        assert error is not None
        assert error.code is Code.OPEN
        assert steps[b"secret"] <= MAX_FORWARD_GENERATIONS + 1
    assert groups[READER].message_state() == before


@control(25, "generations ahead are counted")
def test_without_the_count_a_message_costs_as_many_steps_as_its_sender_likes(steps: Counter[bytes]) -> None:
    groups = room_of("tn-1", READER, SENDER)
    message = leap(groups[SENDER], 20_000)
    steps.clear()
    assert refusal(lambda: groups[READER].open(message, sender=device(SENDER).id, aad=AAD)) is not None
    assert steps[b"secret"] > 10 * MAX_FORWARD_GENERATIONS


# ---- 23: a state that is used twice


@dataclass(slots=True, kw_only=True)
class Used:
    """What was sealed with: every key and nonce, and how often."""

    pairs: Counter[tuple[bytes, bytes]] = field(default_factory=Counter)

    def seal(self, key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """Seal, and remember with what."""
        self.pairs[key, nonce] += 1
        return SUITE.aead.seal(key, nonce, plaintext, aad)

    @property
    def twice(self) -> int:
        """Pairs that were used more than once."""
        return sum(count > 1 for count in self.pairs.values())


def send_from_old_copies() -> tuple[Used, set[bytes]]:
    """Send, restore the state from before, and send something else: a thousand times."""
    used = Used()
    suite = replace(SUITE, aead=replace(SUITE.aead, seal=used.seal))
    app = Application(key=device(SENDER).key, policy=ROOM)
    live = inner(room_of("tn-1", READER, SENDER)[SENDER])
    epoch, messages = live.epoch_state(), live.message_state()
    keys = set()
    for run in range(RUNS):
        first, again = (Group.restore(epoch, messages, app, lambda _: suite) for _ in range(2))
        first.seal(b"%d, sent" % run, random=drawn, authenticated_data=AAD)
        again.seal(b"%d, sent by the copy" % run, random=drawn, authenticated_data=AAD)
        messages = again.message_state()
        keys = {key for key, _ in used.pairs}
    return used, keys


@defended(23)
def test_a_state_that_is_used_twice_reuses_keys_and_not_one_nonce_with_them() -> None:
    used, keys = send_from_old_copies()
    assert sum(used.pairs.values()) == 4 * RUNS
    assert len(keys) == 3 * RUNS  # one for both contents of a run: the attack is a real one
    assert used.twice == 0


@control(23, "nonces are guarded")
def test_without_the_guard_every_run_uses_a_key_and_a_nonce_twice() -> None:
    used, _ = send_from_old_copies()
    assert used.twice == RUNS
