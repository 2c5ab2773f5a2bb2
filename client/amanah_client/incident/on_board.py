"""What stands on the board of a room: tasks, proposals, joint times, closings, each with what was said of it.

What is withdrawn is unsaid, and nothing else: what it had replaced does not come back, and is said anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from amanah_client.incident.event import Author
from amanah_protocol.content.clock import Clock
from amanah_protocol.content.closing import FACTS, Closing, SignOff
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.task import Task, TaskState
from amanah_protocol.kinds import Outcome
from amanah_protocol.types import EnvelopeId, OrgName


@dataclass(slots=True, kw_only=True)
class TaskOnBoard:
    """A task, and what its nation says of it; `withdrawn` is the withdrawal by who asked for it."""

    task: Task
    by: Author
    opened: EnvelopeId
    state: TaskState = TaskState.OPEN
    reason: str = ""
    moved: EnvelopeId | None = None
    withdrawn: EnvelopeId | None = None

    @property
    def is_done(self) -> bool:
        """Whether its nation has done or refused it."""
        return self.state in {TaskState.DONE, TaskState.REFUSED}

    @property
    def is_open(self) -> bool:
        """Whether anybody still waits for it."""
        return self.withdrawn is None and not self.is_done

    def take_back(self, entry: EnvelopeId, by: EnvelopeId) -> None:
        """An entry that opened or moved it is withdrawn."""
        if entry == self.opened:
            self.withdrawn = by
        elif entry == self.moved:
            self.state, self.reason, self.moved = TaskState.OPEN, "", None


@dataclass(slots=True, kw_only=True)
class ProposalOnBoard:
    """A proposal, where each nation stands, and how it ended.

    Attributes:
        proposal: What is proposed.
        number: By which people and its decision name it.
        by: By whom.
        id: Its envelope.
        positions: Of each nation the last position, and its envelope.
        outcome: What was decided; None while it is open.
        decided: The envelope of the decision.
        withdrawn: The withdrawal by who proposed it, where that came before a decision.
    """

    proposal: Proposal
    number: int
    by: Author
    id: EnvelopeId
    positions: dict[OrgName, tuple[Position, EnvelopeId]] = field(default_factory=dict)
    outcome: Outcome | None = None
    decided: EnvelopeId | None = None
    withdrawn: EnvelopeId | None = None

    @property
    def agreeing(self) -> tuple[OrgName, ...]:
        """Nations that agree, ascending."""
        return tuple(sorted(nation for nation, (position, _) in self.positions.items() if position.agrees))

    @property
    def objecting(self) -> tuple[OrgName, ...]:
        """Nations that object, ascending."""
        return tuple(sorted(nation for nation, (position, _) in self.positions.items() if not position.agrees))

    @property
    def is_open(self) -> bool:
        """Whether anybody still waits for a decision."""
        return self.withdrawn is None and self.decided is None

    @property
    def is_carried(self) -> bool:
        """Whether enough agree and none objects."""
        return len(self.agreeing) >= self.proposal.quorum and not self.objecting

    def take_back(self, entry: EnvelopeId, by: EnvelopeId) -> None:
        """An entry that proposed it, or said where a nation stands, is withdrawn."""
        if entry == self.id:
            self.withdrawn = by
        self.positions = {nation: found for nation, found in self.positions.items() if found[1] != entry}


@dataclass(slots=True, kw_only=True)
class ClockOnBoard:
    """A joint time as it was set last; `set` is the entry whose acknowledgements count.

    Withdrawn, it is announced no more: an hour that was replaced by it does not come back by that.
    """

    clock: Clock
    by: Author
    set: EnvelopeId
    withdrawn: EnvelopeId | None = None

    @property
    def stands(self) -> bool:
        """Whether it was neither called off nor withdrawn."""
        return self.clock.stands and self.withdrawn is None

    def take_back(self, entry: EnvelopeId, by: EnvelopeId) -> None:
        """An entry that set it is withdrawn; of one that was replaced since, nothing is left to take back."""
        if entry == self.set:
            self.withdrawn = by


@dataclass(slots=True, kw_only=True)
class ClosingOnBoard:
    """Nations that are asked to sign off, and what each has signed.

    Attributes:
        closing: What they are asked.
        by: By whom.
        id: Its envelope.
        signed: Of each nation the last sign-off, and its envelope.
        recorded: The envelope that records that it stands.
        withdrawn: The withdrawal by who asked, where that came before the record.
    """

    closing: Closing
    by: Author
    id: EnvelopeId
    signed: dict[OrgName, tuple[SignOff, EnvelopeId]] = field(default_factory=dict)
    recorded: EnvelopeId | None = None
    withdrawn: EnvelopeId | None = None

    def take_back(self, entry: EnvelopeId, by: EnvelopeId) -> None:
        """An entry that asked for it, or signed it, is withdrawn."""
        if entry == self.id:
            self.withdrawn = by
        self.signed = {nation: found for nation, found in self.signed.items() if found[1] != entry}

    def differs(self, nation: OrgName) -> tuple[str, ...]:
        """In which facts a nation's sign-off differs; nothing is compared where it has fewer entries."""
        signed, _ = self.signed[nation]
        pairs = zip(FACTS, signed.facts, self.closing.facts, strict=True)
        return tuple(name for name, theirs, asked in pairs if theirs != asked and signed.first == self.closing.first)

    @property
    def agreeing(self) -> tuple[OrgName, ...]:
        """Nations that have signed what they were asked, ascending."""
        return tuple(sorted(nation for nation in self.signed if not self.differs(nation)))

    @property
    def outstanding(self) -> tuple[OrgName, ...]:
        """Nations that have not, ascending."""
        return tuple(nation for nation in self.closing.nations if nation not in self.agreeing)


OnBoard: TypeAlias = TaskOnBoard | ProposalOnBoard | ClockOnBoard | ClosingOnBoard
