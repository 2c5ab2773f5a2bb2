"""Grants and holds that stand in several chains: whether each chain that is here has them.

The relay logs such a document in all its chains at once (protocol, section 13), so nothing of a chain comes between.
An organisation's auditors see its own chain and the custody of the rooms that it is in: they find here what was kept
from the others in a room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from amanah_protocol.audit import audit_chain
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.log.leaf import Leaf
from amanah_protocol.types import OrgName, RoomId


class Owed(NamedTuple):
    """A chain in which a document should stand, and was not seen yet.

    Attributes:
        chain: The chain.
        record: The object of the document's leaves.
        at: Log index where it was seen first.
        parties: Organisations in whose chains it should stand.
    """

    chain: RoomId
    record: bytes
    at: int
    parties: tuple[OrgName, ...]


class Copies:
    """Documents that were seen in one of their chains, as far as the log was read."""

    def __init__(self, owed: Iterable[Owed] = ()) -> None:
        """Go on behind what is known.

        Args:
            owed: As `owed` of the examination before.
        """
        self._owed: dict[RoomId, dict[bytes, Owed]] = {}
        for one in owed:
            self._owed.setdefault(one.chain, {})[one.record] = one

    @property
    def owed(self) -> tuple[Owed, ...]:
        """What was not seen yet; much of it stands in chains that are out of scope."""
        return tuple(one for left in self._owed.values() for one in left.values())

    def expect(self, index: int, leaf: Leaf, chains: Iterable[RoomId], parties: tuple[OrgName, ...]) -> None:
        """A document was seen first in this entry: it stands in the others of these chains before anything else."""
        for chain in set(chains) - {leaf.room}:
            self._owed.setdefault(chain, {})[leaf.object] = Owed(chain, leaf.object, index, parties)

    def check(self, leaf: Leaf) -> None:
        """No document that concerns this chain was left out before this entry.

        Raises:
            VerifyError: `GAP`.
        """
        for one in self._owed.pop(leaf.room, {}).values():
            if one.record != leaf.object:
                raise VerifyError(Code.GAP, f"entry {one.at} concerns this chain too, and does not stand in it before")

    def left_out(self, custody: dict[RoomId, frozenset[OrgName]]) -> Iterator[Owed]:
        """Documents that do not stand in the custody of a room, where whoever was shown them is in the room.

        Args:
            custody: Custody chain -> organisations that are in the room now.
        """
        for one in self.owed:
            shown = {name for name in one.parties if one.record not in self._owed.get(audit_chain(name), {})}
            # Of a room that it has left an organisation is not shown the custody: there nothing follows.
            if shown & custody.get(one.chain, frozenset()):
                yield one
