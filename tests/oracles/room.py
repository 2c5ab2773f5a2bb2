"""A group that clients of several engines share, and what is held against every epoch of it.

All members agree on the tree, an exported secret and the epoch authenticator; one of each engine sends, everybody else
reads; and a fresh client of each engine joins the epoch's tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from amanah_protocol.mls.framing import decode_message
from amanah_protocol.mls.key_package import KeyPackage
from amanah_protocol.mls.proposals import Add, Proposal
from tests.oracles.cast import Cast
from tests.oracles.member import MAX_BYTES, Ability, Committed, Framing, Member, Outcome, View
from tests.oracles.ours import Ours
from tests.oracles.ts_mls import disorders, leaves_root_blank, refuses_tree

SIZES: Final = (1, 4, 10, 20, 50)
"""By how many members epochs are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An application message of an epoch."""

    sealed: bytes
    data: bytes
    authenticated_data: bytes


@dataclass(slots=True, kw_only=True)
class Epoch:
    """How an epoch began, and what was said in it.

    Attributes:
        proposals: What was proposed before the commit.
        commit: The commit that began it.
        committed: With its welcome; None where somebody joined by the commit.
        view: What its members agreed on.
        said: Application messages.
        group_info: By which somebody joined the next epoch.
    """

    proposals: list[bytes]
    commit: bytes
    committed: Committed | None
    view: View | None = None
    said: list[Said] = field(default_factory=list)
    group_info: bytes | None = None


def key_package(encoded: bytes) -> KeyPackage:
    """Decode a key package."""
    decoded = decode_message(encoded, MAX_BYTES)
    assert isinstance(decoded, KeyPackage)
    return decoded


class Room:
    """The group and who is in it, and what it takes to bring a commit to all."""

    def __init__(self, cast: Cast, *, seed: int, tally: Counter[str]) -> None:
        """Begin with a group of one, of whichever engine.

        Args:
            cast: Makes the clients up.
            seed: Of everything that happens.
            tally: Counts what happened.
        """
        self.cast, self.rnd, self.tally = cast, Random(f"history {seed}"), tally
        self.engines: Final = ("ours", *cast.engines)
        self.members: list[Member] = [cast.make(self.rnd.choice(self.engines))]
        self.since: dict[bytes, int] = {self.members[0].signature_key: 0}
        self.number = 0
        self.epochs: list[Epoch] = []
        self.passive: Ours | None = None
        self.members[0].create(self.rnd.randbytes(16))

    # ---- looking

    @property
    def active(self) -> list[Member]:
        """Who may do something."""
        return [member for member in self.members if member is not self.passive]

    def leaves(self) -> dict[bytes, int]:
        """Leaves by signature keys, as one of ours sees them; without one of ours there is a group of one."""
        seen = self.one_of_ours()
        if seen is None:
            return {self.members[0].signature_key: 0}
        return {leaf.signature_key: index for index, leaf in seen.group.members()}

    def one_of_ours(self) -> Ours | None:
        """A member of ours."""
        return next((member for member in self.members if isinstance(member, Ours)), None)

    def framing(self, sender: Member) -> Framing:
        """How a handshake of this sender travels this time."""
        kinds = [False] if Ability.SEND_SEALED in sender.abilities else []
        kinds += [True] if Ability.SEND_OPEN in sender.abilities else []
        return Framing(public=self.rnd.choice(kinds), authenticated_data=self.authenticated_data())

    def authenticated_data(self) -> bytes:
        """Something, where all can show it."""
        if Ability.VOUCH not in self.cast.abilities:
            return b""
        return self.rnd.randbytes(self.rnd.choice((0, 1, 40)))

    def count(self, member: Member, what: str) -> None:
        """Count something that a member did."""
        self.tally[f"{member.engine}: {what}"] += 1

    # ---- going on

    def restart_some(self) -> None:
        """Some of ours are born again out of their stored state."""
        for member in self.members:
            if isinstance(member, Ours) and self.rnd.random() < 0.2:
                member.restart()
                self.count(member, "restart")

    def deliver_proposal(self, sender: Member | None, message: bytes) -> None:
        """Everybody else takes a proposal."""
        for member in self.members:
            if member is not sender:
                member.take_proposal(message)

    def deliver(self, committer: Member, message: bytes, removed: Sequence[Member], epoch: Epoch) -> None:
        """Everybody takes a commit; who is removed learns of it and is gone."""
        self.restart_some()
        leaves = self.leaves()
        if committer not in self.members:  # somebody who joins by the commit
            self.members.append(committer)
        staying = [member for member in self.members if member not in removed]
        for member in staying:
            if member is committer:
                member.merge()
            else:
                assert member.take_commit(message) is Outcome.ENTERED, member.name
        for member in self.members:
            if member in removed:
                self._remove(member, leaves[member.signature_key], message)
        self.members = staying
        self.number += 1
        self.epochs.append(epoch)
        self.tally["epochs"] += 1
        size = next(most for most in SIZES if len(staying) <= most)
        self.tally[f"epochs of {size:2} members or fewer"] += 1

    def _remove(self, member: Member, leaf: int, message: bytes) -> None:
        seen = self.one_of_ours()
        assert seen is not None
        if member.engine == "ts-mls" and seen.group.tree.leaf(leaf) is not None:
            self.count(member, "could not see that it was removed")
        else:
            assert member.take_commit(message) is Outcome.REMOVED, member.name

    def can_change(self, adds: int, removed: Iterable[Member] = (), updated: Iterable[Member] = ()) -> bool:
        """Whether the engines of the cast can take so many adds and these changes."""
        seen = self.one_of_ours()
        if seen is None or "ts-mls" not in self.engines:
            return True
        leaves = self.leaves()
        gone, renewed = ([leaves[member.signature_key] for member in some] for some in (removed, updated))
        tree = seen.group.tree
        return not disorders(tree, gone, renewed, adds) and not leaves_root_blank(tree, gone)

    def welcome(self, newcomers: Sequence[Member], committed: Committed) -> list[Member]:
        """The newcomers join; who cannot, though the tree is right, is returned."""
        lost = []
        for newcomer in newcomers:
            assert committed.welcome is not None
            if newcomer.engine == "ts-mls" and self.refuses_newcomer(newcomer):
                lost.append(newcomer)
                continue
            newcomer.join(committed.welcome, committed.tree)
            self.members.append(newcomer)
            self.since[newcomer.signature_key] = self.number
            self.count(newcomer, "joined by a welcome")
        return lost

    def refuses_newcomer(self, newcomer: Member) -> bool:
        """Whether ts-mls cannot join by the tree of this epoch, though it is right."""
        seen = self.one_of_ours()
        if seen is None or not refuses_tree(seen.group.tree):
            return False
        self.count(newcomer, "could not join by a valid tree")
        return True

    def agree(self) -> None:
        """All members see the same."""
        views = {member.name: member.view() for member in self.members}
        first = next(iter(views.values()))
        for name, view in views.items():
            assert view.tree == first.tree, name
            assert view.exported == first.exported, name
        shown = {view.authenticator for view in views.values()} - {None}
        assert len(shown) <= 1
        self.epochs[-1].view = View(tree=first.tree, exported=first.exported, authenticator=next(iter(shown), None))

    def talk(self) -> None:
        """One of each engine sends twice; everybody else reads, in any order."""
        for engine in self.engines:
            senders = [member for member in self.active if member.engine == engine]
            if not senders:
                continue
            sender, said = self.rnd.choice(senders), []
            for length in (self.rnd.choice((0, 1, 300)), 20):
                data, vouched = self.rnd.randbytes(length), self.authenticated_data()
                said.append(Said(sealed=sender.seal(data, vouched), data=data, authenticated_data=vouched))
            self.epochs[-1].said += said
            self.count(sender, "sent application data")
            for member in self.members:
                if member is not sender:
                    for message in self.rnd.sample(said, len(said)):
                        assert member.open(message.sealed) == (message.data, message.authenticated_data)

    def probe(self) -> None:
        """A fresh client of each engine is added to the epoch and joins; then the commit is forgotten."""
        adders = [member for member in self.active if Ability.FORGET_COMMIT in member.abilities]
        if not self.can_change(len(self.engines)):
            adders = [member for member in adders if isinstance(member, Ours)]
        if not adders:
            return
        adder, fresh = self.rnd.choice(adders), [self.cast.make(engine) for engine in self.engines]
        adds: list[Proposal] = [Add(key_package(client.key_package())) for client in fresh]
        renew = self.rnd.random() < 0.5 and Ability.RENEW in adder.abilities
        framing, inside = self.framing(adder), self.rnd.random() < 0.5
        committed = adder.commit(adds, framing, renew=renew, tree_inside=inside)
        assert committed.welcome is not None
        views = []
        ours = next(client for client in fresh if isinstance(client, Ours))
        for client in sorted(fresh, key=lambda client: client is not ours):
            if client.engine == "ts-mls" and refuses_tree(ours.group.tree):
                self.count(client, "could not join by a valid tree")
                continue
            client.join(committed.welcome, committed.tree)
            views.append(client.view())
            self.count(client, "joined an epoch of all")
        assert len({(view.tree, view.exported) for view in views}) == 1
        adder.discard()
        for client in fresh:
            client.close()
