"""A sender's chain of message keys: each serves one message and is gone with it."""

from __future__ import annotations

from dataclasses import dataclass, field

from amanah_protocol import limits
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.flat.keys import MATERIAL_BYTES, derive_secret


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Chain:
    """One sender's chain in one epoch.

    Attributes:
        next: The generation that `key` stands for.
        key: 32 bytes from which this generation and all later ones follow.
        skipped: AEAD material of generations passed over, ascending, at most 32.
    """

    next: int = 0
    key: bytes
    skipped: dict[int, bytes] = field(default_factory=dict)

    def take(self, generation: int) -> tuple[bytes, Chain]:
        """The AEAD material of a generation, and the chain that no longer has it.

        The caller drops the material after use and keeps the new chain only when the message opened.

        Raises:
            VerifyError: `REPLAY` when the generation was used before (or its skipped key had to make
                room), `GENERATION` when it is more than 1,000 ahead.
        """
        if generation < self.next:
            return self._take_skipped(generation)
        # Before deriving: a sender could name a generation that takes hours to reach (attack 25).
        if generation - self.next > limits.MAX_FORWARD_GENERATIONS:
            raise VerifyError(Code.GENERATION, f"generation {generation} where {self.next} is next")
        oldest = generation - limits.MAX_SKIPPED_KEYS
        key, skipped = self.key, dict(self.skipped)
        for passed in range(self.next, generation):
            if passed >= oldest:
                skipped[passed] = _material(key)
            key = _following(key)
        for passed in list(skipped)[: -limits.MAX_SKIPPED_KEYS]:
            del skipped[passed]
        return _material(key), Chain(next=generation + 1, key=_following(key), skipped=skipped)

    def _take_skipped(self, generation: int) -> tuple[bytes, Chain]:
        material = self.skipped.get(generation)
        if material is None:
            raise VerifyError(Code.REPLAY, f"generation {generation} has no key any more")
        rest = {passed: kept for passed, kept in self.skipped.items() if passed != generation}
        return material, Chain(next=self.next, key=self.key, skipped=rest)


def _material(key: bytes) -> bytes:
    return derive_secret(key, "message", length=MATERIAL_BYTES)


def _following(key: bytes) -> bytes:
    return derive_secret(key, "chain")
