"""Schedules of split views: all of it is drawn from a seed before anything happens."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MEMBERS: Final = ("tn-1", "tn-2", "tn-bot", "ma-1", "ma-2", "sn-1", "sn-2")
"""Of the room that both groups are in."""
OFFICERS: Final = tuple(name for name in MEMBERS if name != "tn-bot")
SPLITS: Final = 2 ** len(MEMBERS) - 2
"""Ways to put them into two groups with somebody in each."""
QUORUMS: Final = ((3, 2), (3, 3), (4, 3), (5, 4), (7, 5), (7, 6))
"""Numbers of witnesses with their quorum."""
APART_MS: Final = 20_000
"""Each group says something to the other at least so often."""
LAST_MS: Final = 240_000


class Begin(StrEnum):
    """With which leaf the records part."""

    NEXT = "the next leaf"
    SHARED = "a leaf of the shared room"
    ROOM = "a room of one group"
    CONTROL = "the control stream"
    LOGIN = "a login"
    RESTART = "a restart"


class Manner(StrEnum):
    """How they part."""

    REPLACE = "replaced"
    DROP = "dropped"
    INSERT = "inserted"
    HOLD = "held back"


class Answer(StrEnum):
    """What the relay says when a member asks for a proof about the other side."""

    OWN = "as of its own side"
    OTHERS = "as of the other side"
    REFUSE = "refused"
    LATER = "refused for now"
    GARBAGE = "garbage"
    LATE = "late"
    NEVER = "never given"
    FOR_EVER = "put off for ever"
    HANG_UP = "answered by hanging up"


STALLS: Final = (Answer.NEVER, Answer.FOR_EVER, Answer.HANG_UP)
"""Answers after which nothing but the client's own patience ends; they are played apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One split view.

    Attributes:
        seed: Where it comes from.
        group: One group, by name; all others are the other.
        begin: With which leaf the records part.
        manner: How.
        moment_ms: When the relay is ready to.
        pause_ms: How long a device or the relay is switched off then, or a group is held.
        answer: What the relay says to questions about the other side.
        late_ms: How late, where it is late.
        witnesses: How many there are.
        quorum: How many of them have to cosign.
        colluding: How many of them cosign anything.
        weather: Delay and jitter of messages, and how many of a hundred stall.
        says: When somebody says something, and who.
        cuts: When a connection breaks, and whose.
    """

    seed: int
    group: tuple[str, ...]
    begin: Begin
    manner: Manner
    moment_ms: int
    pause_ms: int
    answer: Answer
    late_ms: int
    witnesses: int
    quorum: int
    colluding: int
    weather: tuple[int, int, int]
    says: tuple[tuple[int, str], ...]
    cuts: tuple[tuple[int, str], ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The members of the other group."""
        return tuple(name for name in MEMBERS if name not in self.group)

    def line(self) -> str:
        """For people."""
        sides = f"{'+'.join(self.group)} | {'+'.join(self.others)}"
        return (
            f"seed {self.seed}: {sides}; {self.begin}, {self.manner} at {self.moment_ms / 1000:.0f} s, "
            f"proofs {self.answer}; n={self.witnesses} q={self.quorum} f={self.colluding}"
        )


def make_schedule(seed: int, *, stalls: bool = False) -> Schedule:
    """The schedule of a seed; the splits of the room's members take turns.

    Args:
        seed: The seed.
        stalls: Whether the relay stalls proofs about the other side.
    """
    source = random.Random(f"{seed}/split")
    split = seed * 53 % SPLITS + 1
    group = tuple(name for place, name in enumerate(MEMBERS) if split >> place & 1)
    others = tuple(name for name in MEMBERS if name not in group)
    witnesses, quorum = QUORUMS[seed % len(QUORUMS)]
    manner = source.choice(tuple(Manner))
    begin = source.choice(tuple(Begin))
    if manner is Manner.DROP and begin is Begin.SHARED:
        begin = Begin.ROOM
    if manner is Manner.HOLD:
        begin = Begin.NEXT
    says = [(at_ms, name) for side in (group, others) for at_ms, name in _talk(source, side)]
    return Schedule(
        seed=seed,
        group=group,
        begin=begin,
        manner=manner,
        moment_ms=source.randint(3_000, 30_000),
        pause_ms=source.randint(1_000, 12_000),
        answer=source.choice(STALLS if stalls else tuple(answer for answer in Answer if answer not in STALLS)),
        late_ms=source.randint(1_000, 20_000),
        witnesses=witnesses,
        quorum=quorum,
        # 2q - n > f
        colluding=source.randrange(2 * quorum - witnesses),
        weather=source.choice(((20, 30, 0), (60, 400, 2), (300, 1_000, 5))),
        says=tuple(sorted(says)),
        cuts=tuple((source.randint(1_000, 90_000), source.choice(MEMBERS)) for _ in range(source.randrange(6))),
    )


def _talk(source: random.Random, side: tuple[str, ...]) -> list[tuple[int, str]]:
    said, at_ms = [], source.randint(0, APART_MS)
    while at_ms < LAST_MS:
        said.append((at_ms, source.choice(side)))
        at_ms += source.randint(APART_MS // 5, APART_MS)
    return said
