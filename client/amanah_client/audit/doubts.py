"""Names that were forgotten under a hold, where its release may stand in chains that are not shown.

A name is forgotten in the control stream, which everybody is shown; holds and releases stand in chains that some are
not shown, or not any more. A release is logged in all chains of its hold at once (protocol, section 13): so the next
entry of any of them shows that none came before.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from amanah_protocol.log.leaf import Leaf
from amanah_protocol.types import OrgName, RoomId


class Doubt(NamedTuple):
    """A hold that may have stood when a name was forgotten.

    Attributes:
        at: Log index where the name was forgotten.
        organisation: Whose hold it is.
        chains: The hold's chains that were not seen to go on since.
    """

    at: int
    organisation: OrgName
    chains: tuple[RoomId, ...]


class Doubts:
    """What is in doubt, as far as the log was read."""

    def __init__(self, left: Iterable[Doubt] = ()) -> None:
        """Go on behind what is known.

        Args:
            left: As `left` of the examination before.
        """
        self._left = list(left)

    @property
    def left(self) -> tuple[Doubt, ...]:
        """What was not decided yet."""
        return tuple(self._left)

    def add(self, at: int, organisation: OrgName, chains: Iterable[RoomId]) -> None:
        """A name was forgotten at a place of the log, and no release of this hold was seen before."""
        self._left.append(Doubt(at, organisation, tuple(sorted(set(chains)))))

    def decide(self, leaf: Leaf, *, follows: bool) -> dict[int, OrgName]:
        """Where names were forgotten while a hold stood, as this entry shows, each with whose hold it was.

        Args:
            leaf: The next entry of its chain.
            follows: Whether it follows the newest one that was seen there; else the release may stand between.
        """
        touched = [doubt for doubt in self._left if leaf.room in doubt.chains]
        if not touched:
            return {}
        found = {doubt.at: doubt.organisation for doubt in reversed(touched)} if follows else {}
        others = (
            doubt._replace(chains=tuple(chain for chain in doubt.chains if chain != leaf.room)) for doubt in self._left
        )
        self._left = [doubt for doubt in others if doubt.at not in found]
        return dict(sorted(found.items()))
