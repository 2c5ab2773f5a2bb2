"""Random histories of one group, under a seed: who commits what, proposed by whom, and how it travels.

Nothing that our engine is asked to do may fail. What another engine cannot do is not asked of it; its module says what
that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from amanah_protocol.mls.credential import Extension, ExtensionType, RequiredCapabilities
from amanah_protocol.mls.proposals import Add, GroupContextExtensions, PreSharedKey, Proposal, Remove
from amanah_protocol.mls.psk import ExternalPsk, ResumptionPsk, ResumptionUsage
from amanah_protocol.mls.suites import HASH_BYTES
from tests.oracles.cast import Cast, Casts
from tests.oracles.member import SPARE_EXTENSION, Ability, Committed, Framing, Member
from tests.oracles.ours import Ours
from tests.oracles.room import Epoch, Room, key_package
from tests.oracles.ts_mls import KEPT_EPOCHS

EPOCHS: Final = 7
SMALLEST: Final = 2
MOST_MEMBERS: Final = 40


@dataclass(slots=True, kw_only=True)
class Draft:
    """What the commit that ends the epoch will hold, so that nothing in it gets in the way of anything else.

    Attributes:
        committer: Who will make it.
        proposals: What was proposed before it, as messages.
        newcomers: Whom it adds.
        removed: Whom it removes.
        touched: Whose leaves it changes.
        resumes: It holds a resumption key, which newcomers do not know.
        context: It replaces the extensions of the context.
        kinds: What it holds, for the tally.
    """

    committer: Member
    proposals: list[bytes] = field(default_factory=list)
    newcomers: list[Member] = field(default_factory=list)
    removed: list[Member] = field(default_factory=list)
    touched: list[Member] = field(default_factory=list)
    resumes: bool = False
    context: bool = False
    kinds: set[str] = field(default_factory=set)


class History:
    """One history."""

    def __init__(self, cast: Cast, *, seed: int, tally: Counter[str], most: int = MOST_MEMBERS) -> None:
        """Begin with a group of one; see `Room`. `most`: members that it may grow to."""
        self.room = Room(cast, seed=seed, tally=tally)
        self._cast, self._rnd = cast, self.room.rnd
        # Small groups show as much as large ones and cost less, so most are small.
        self._aim: Final = min(most, SMALLEST + int((MOST_MEMBERS - SMALLEST) * self._rnd.random() ** 3))
        self._lost: list[Member] = []
        self._draft = Draft(committer=self.room.members[0])

    def run(self, epochs: int, *, observed: bool = False) -> None:
        """Go on for so many epochs; `observed`: one of ours joins at once and never sends."""
        self._begin(observed=observed)
        self._end_epoch()
        while self.room.number < epochs:
            self._step()
            self._end_epoch()

    def _end_epoch(self) -> None:
        self.room.agree()
        self.room.talk()
        self.room.probe()

    def _begin(self, *, observed: bool) -> None:
        """The first commit: it brings in one of ours, whoever made the group."""
        first = [self._cast.make("ours") for _ in range(1 + observed)]
        if observed:
            assert isinstance(first[0], Ours)
            self.room.passive = first[0]
        some = max(0, self._rnd.randrange(self._aim) - 1)
        first += [self._cast.make(self._rnd.choice(self.room.engines)) for _ in range(some)]
        self._draft = Draft(committer=self.room.members[0], newcomers=first, kinds={"add"})
        self._commit([Add(key_package(member.key_package())) for member in first])

    def _step(self) -> None:
        if self._lost and self._can_remove_lost():
            self._remove_lost()
            return
        able = [engine for engine in self.room.engines if engine != "mls-rs"]
        info = [member for member in self.room.active if Ability.GROUP_INFO in member.abilities]
        kind = self._rnd.random()
        if info and kind < 0.12:
            self._join_by_commit(self._rnd.choice(info), self._rnd.choice(able))
        elif info and kind < 0.2 and "ts-mls" in able and Ability.TAKE_FROM_OUTSIDE in self._cast.abilities:
            self._propose_self(self._rnd.choice(info))
        else:
            self._commit_something()

    # ---- a member's commit

    def _commit_something(self) -> None:
        committer = self._rnd.choice(self.room.active)
        self._draft = Draft(committer=committer)
        for _ in range(self._rnd.choice((0, 0, 1, 2, 4))):
            self._propose_something(self._rnd.choice(self.room.active))
        self._commit(self._by_value())

    def _by_value(self) -> list[Proposal]:
        committer, kinds = self._draft.committer, self._makers()
        if Ability.MIX in committer.abilities:
            chosen = [self._rnd.choice(list(kinds)) for _ in range(self._rnd.choice((0, 0, 1, 1, 2, 4)))]
        else:
            chosen = [self._rnd.choice(("add", "remove"))] * self._rnd.choice((0, 1, 2))
        if "context" in chosen and Ability.COMMIT_CONTEXT not in committer.abilities:
            chosen = [kind for kind in chosen if kind != "context"]
        made = [(kind, kinds[kind](committer)) for kind in chosen]
        self._draft.kinds |= {kind for kind, proposal in made if proposal is not None}
        return [proposal for _, proposal in made if proposal is not None]

    def _propose_something(self, proposer: Member) -> None:
        """A proposal by reference, if this member can make it and the committer can take it up."""
        framing, kinds = self.room.framing(proposer), self._makers()
        kind = self._rnd.choice((*kinds, "update"))
        if kind == "update":
            if Ability.UPDATE not in proposer.abilities or proposer in self._draft.touched:
                return
            self._draft.touched.append(proposer)
            message = proposer.propose_update(framing)
        else:
            if kind == "context" and Ability.COMMIT_CONTEXT not in self._draft.committer.abilities:
                return
            proposal = kinds[kind](proposer)
            if proposal is None:
                return
            message = proposer.propose(proposal, framing)
        self.room.deliver_proposal(proposer, message)
        self.room.count(proposer, f"{'public' if framing.public else 'sealed'} proposal: {kind}")
        self._draft.proposals.append(message)
        self._draft.kinds.add(f"{kind} by reference")

    def _makers(self) -> dict[str, Callable[[Member], Proposal | None]]:
        return {
            "add": self._add,
            "remove": self._remove,
            "external psk": self._external_psk,
            "resumption psk": self._resumption_psk,
            "context": self._context,
        }

    def _add(self, _: Member) -> Proposal | None:
        draft = self._draft
        if draft.resumes or len(self.room.members) + len(draft.newcomers) - len(draft.removed) >= self._aim:
            return None
        if not self._fits(adds=1):
            return None
        newcomer = self._cast.make(self._rnd.choice(self.room.engines))
        draft.newcomers.append(newcomer)
        return Add(key_package(newcomer.key_package()))

    def _fits(self, *, adds: int = 0, removed: Sequence[Member] = ()) -> bool:
        draft = self._draft
        updated = [member for member in draft.touched if member not in draft.removed]
        return self.room.can_change(len(draft.newcomers) + adds, [*draft.removed, *removed], updated)

    def _remove(self, proposer: Member) -> Proposal | None:
        draft, staying = self._draft, [member for member in self.room.members if member not in self._draft.removed]
        ours = [member for member in staying if isinstance(member, Ours) and member is not self.room.passive]
        kept = [draft.committer, self.room.passive, *draft.touched, *(ours if len(ours) == 1 else ())]
        victims = [member for member in staying if member not in kept]
        if not victims:
            return None
        victim = self._rnd.choice(victims)
        if not self._fits(removed=[victim]):
            return None
        draft.removed.append(victim)
        draft.touched.append(victim)
        return Remove(self.room.leaves()[victim.signature_key])

    def _external_psk(self, _: Member) -> Proposal | None:
        if Ability.EXTERNAL_PSK not in self._cast.abilities:
            return None
        name = self._rnd.randbytes(8)
        self._cast.keys[name] = self._rnd.randbytes(self._rnd.choice((16, 32, 48)))
        return PreSharedKey(ExternalPsk(name, self._rnd.randbytes(HASH_BYTES)))

    def _resumption_psk(self, proposer: Member) -> Proposal | None:
        """A key of an epoch that all were in and none has forgotten."""
        draft, room = self._draft, self.room
        oldest = max(*room.since.values(), room.number - KEPT_EPOCHS + 1, 0)
        if Ability.RESUMPTION_PSK not in proposer.abilities or draft.newcomers or oldest > room.number:
            return None
        draft.resumes = True
        seen = room.one_of_ours()
        assert seen is not None
        epoch = self._rnd.randint(oldest, room.number)
        nonce = self._rnd.randbytes(HASH_BYTES)
        return PreSharedKey(ResumptionPsk(ResumptionUsage.APPLICATION, seen.group.context.group_id, epoch, nonce))

    def _context(self, proposer: Member) -> Proposal | None:
        if self._draft.context or Ability.PROPOSE_CONTEXT not in proposer.abilities:
            return None
        self._draft.context = True
        required = RequiredCapabilities(credentials=(1,)) if self._rnd.random() < 0.5 else RequiredCapabilities()
        extensions = [Extension(ExtensionType.REQUIRED_CAPABILITIES, required.encode())]
        if Ability.SPARE in self._cast.abilities:
            extensions.append(Extension(SPARE_EXTENSION, self._rnd.randbytes(self._rnd.choice((0, 9)))))
        return GroupContextExtensions(tuple(extensions))

    def _commit(self, by_value: list[Proposal]) -> None:
        """Commit the draft; now and then somebody else commits too, and loses."""
        draft, room = self._draft, self.room
        committer, framing = draft.committer, room.framing(draft.committer)
        if self._rnd.random() < 0.15:
            rival = self._rnd.choice(room.active)
            if rival is not committer:
                self._lose(rival)
        renew = Ability.RENEW in committer.abilities and self._rnd.random() < 0.5
        made = committer.commit(by_value, framing, renew=renew, tree_inside=self._rnd.random() < 0.5)
        epoch = Epoch(proposals=draft.proposals, commit=made.message, committed=made)
        room.deliver(committer, made.message, draft.removed, epoch)
        self._count_commit(made, framing, by_value)
        ours_first = sorted(draft.newcomers, key=lambda member: not isinstance(member, Ours))
        self._lost += room.welcome(ours_first, made)

    def _count_commit(self, made: Committed, framing: Framing, by_value: list[Proposal]) -> None:
        draft, room, committer = self._draft, self.room, self._draft.committer
        form = "public" if framing.public else "sealed"
        room.count(committer, f"{form} commit")
        for kind in sorted(draft.kinds) or ["nothing"]:
            room.count(committer, f"commit with {kind}")
        if draft.proposals and by_value:
            room.count(committer, "commit by reference and by value")
        if made.welcome is not None:
            room.count(committer, f"welcome with the tree {'inside' if made.tree is None else 'beside'}")

    def _lose(self, rival: Member) -> None:
        takes_context = Ability.COMMIT_CONTEXT in rival.abilities or not self._draft.context
        removed_or_updated = rival in self._draft.touched
        if removed_or_updated or not takes_context:
            return
        rival.commit([], self.room.framing(rival), renew=False, tree_inside=True)
        if Ability.FORGET_COMMIT in rival.abilities and self._rnd.random() < 0.5:
            rival.discard()
        self.room.count(rival, "lost a race")

    def _can_remove_lost(self) -> bool:
        return self.room.can_change(0, self._lost)

    def _remove_lost(self) -> None:
        """Remove whoever stands in the tree and could not join."""
        committer = self._rnd.choice(self.room.active)
        leaves = self.room.leaves()
        lost, self._lost = self._lost, []
        self._draft = Draft(committer=committer, removed=lost, kinds={"remove"})
        self._commit([Remove(leaves[member.signature_key]) for member in lost])

    # ---- from outside

    def _join_by_commit(self, inside: Member, engine: str) -> None:
        room = self.room
        again = [member for member in room.active if member.engine == engine and member is not inside]
        former = self._rnd.choice(again) if again and self._rnd.random() < 0.5 else None
        if former is None and len(room.members) >= MOST_MEMBERS:
            return
        joiner, tree_inside = former or self._cast.make(engine), self._rnd.random() < 0.5
        if engine == "ts-mls" and room.refuses_newcomer(joiner):
            return
        info = inside.group_info(tree_inside=tree_inside, bare=engine == "ts-mls")
        tree = None if tree_inside else inside.view().tree
        message = joiner.join_by_commit(
            info, tree, again=former is not None, authenticated_data=room.authenticated_data()
        )
        group_info = inside.group_info(tree_inside=tree_inside, bare=False)
        epoch = Epoch(proposals=[], commit=message, committed=None, group_info=group_info)
        room.deliver(joiner, message, [], epoch)
        room.since[joiner.signature_key] = room.number
        room.count(joiner, "external commit" + (", again" if former is not None else ""))

    def _propose_self(self, inside: Member) -> None:
        """Somebody proposes from outside to be added, and a member takes it up."""
        if not self.room.can_change(1):
            return
        newcomer = self._cast.make("ts-mls")
        newcomer.key_package()
        message = newcomer.propose_self(inside.group_info(tree_inside=False, bare=False))
        self.room.deliver_proposal(None, message)
        self._draft = Draft(
            committer=self._rnd.choice(self.room.active),
            proposals=[message],
            newcomers=[newcomer],
            kinds={"add by reference from outside"},
        )
        self._commit([])


def run_history(seed: int, casts: Casts, *, now_s: int, tally: Counter[str], epochs: int = EPOCHS) -> None:
    """One history; its seed chooses the cast, too.

    Args:
        seed: Of everything that happens.
        casts: Suites, and the engines beside ours in them.
        now_s: Unix time in seconds, for lifetimes of key packages: other engines read the clock.
        tally: Counts what happened.
        epochs: How long it is.
    """
    number, engines = casts[seed % len(casts)]
    cast = Cast.of(number, engines, seed=seed, now_s=now_s)
    try:
        History(cast, seed=seed, tally=tally).run(epochs)
    finally:
        cast.close()
    tally["histories"] += 1
    tally[f"histories in suite {number:#06x} with {' and '.join(engines) or 'ours alone'}"] += 1
