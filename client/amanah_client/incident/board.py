"""The state of an incident room: a pure fold over its entries, the same for all who read the same of them.

Entries count in the order of their places, whenever they arrive: what is repaired or granted later is put where it
stands. What an entry may not do changes nothing, and is named with the reason (`Board.without_effect`): a correction
of somebody else's words, a position after the window for objections, what a bot says for its nation, a withdrawal of
what was decided.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import msgspec

from amanah_client.incident.binding import is_binding
from amanah_client.incident.event import Author, Event
from amanah_client.incident.on_board import ClockOnBoard, ClosingOnBoard, OnBoard, ProposalOnBoard, TaskOnBoard
from amanah_client.labels import source_of
from amanah_protocol import kinds
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import AlertBatch, Body, Unknown
from amanah_protocol.content.clock import Clock
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.page import Page
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Withdrawal
from amanah_protocol.content.task import Task, TaskMoved
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade, Outcome
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import EnvelopeId, OrgName, PersonId
from amanah_protocol.ways import Somebody, check_relabel

NOT_THEIRS: Final = "only its author may do that"
NO_OFFICER: Final = "a bot does not say that for its nation; its officers do"
NOT_THERE: Final = "what it speaks of is not here before it"
TAKEN: Final = "something else has its number"
LATE: Final = "the window for objections was closed"
NOT_ASKED: Final = "its nation is not asked"
LABEL: Final = "the message had another label then"
NOT_THEIRS_TO_LOWER: Final = "only its author, or an officer of its author's organisation, lowers that label"
BELOW: Final = "it answers what has a stricter label"
CORRECTS: Final = "it corrects a correction, and not the message"
DECIDED: Final = "it was decided before"
EARLY: Final = "the window for objections is open, and not everybody has said where it stands"
UNFOUNDED: Final = "the positions do not bear it out"
NO_TEXT: Final = "only a text is corrected; anything else is withdrawn and said anew"
WITHDRAWN: Final = "it was withdrawn before"
DONE: Final = "its nation has done or refused it before"
STAYS: Final = "that cannot be withdrawn by itself"

_TO_WITHDRAW: Final = (
    Text, File, Forwarded, Handover, Incident, Task, TaskMoved, Proposal, Position, Clock, Closing, SignOff,
    AlertBatch, Unknown, kinds.Message, kinds.Alert,
)  # fmt: skip
"""What somebody says by itself, and what of that cannot be read here; a sign or a page is about something else."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where the incident stands; None for what nobody said yet.

    Attributes:
        title: What it is called.
        severity: How bad it is.
        status: How far the work is.
        type: Its type, by the taxonomy.
        aware_at_ms: When the first party became aware.
        said: By which entry each of these was said last, by name.
    """

    title: str | None = None
    severity: Severity | None = None
    status: Status | None = None
    type: str | None = None
    aware_at_ms: int | None = None
    said: tuple[tuple[str, EnvelopeId], ...] = ()


@dataclass(frozen=True, slots=True)
class Given:
    """A person's acknowledgement: the highest grade that they gave, and when they gave it first."""

    grade: Grade
    at_ms: int


@dataclass(slots=True, kw_only=True)
class Spoken:
    """What was said of one message; what it says itself stands in the entries alone.

    Attributes:
        author: Its author.
        kind: What it is: of what was sealed, unless it cannot be read here.
        on_board: What it began or changed on the board.
        label_number: Its own label now; `Board.label_of` says which counts.
        sent_number: The label that it was sent with.
        pap: What it lets receivers do; `Board.pap_of` says what counts.
        source: Its author, or that of what it forwards.
        asks: Up to which grade an acknowledgement is asked for.
        corrects: The message that it corrects, or wants to; None where it is no correction.
        corrections: Corrections that count, oldest first, those of which the words are erased among them.
        corrected: The one that tells what it says now; None where it stands as it was sent.
        withdrawn: The withdrawal, where it was withdrawn.
        reactions: (sign, organisation, person) that stand.
        acknowledged: What each person gave, by organisation and pseudonym.
        replies: Entries that answer it.
        thread: Entries that stand in the thread that it begins.
        pages: Who was paged for it, and by which nation, in the order in which that was told.
        index: Its place in the log, by which it is known for whom it was sealed; None where that is not known.
    """

    author: Author
    kind: type[Body | kinds.Specific]
    label_number: int
    sent_number: int
    pap: Pap
    source: Somebody
    on_board: OnBoard | None = None
    asks: Grade | None = None
    corrects: EnvelopeId | None = None
    corrections: list[EnvelopeId] = field(default_factory=list)
    corrected: EnvelopeId | None = None
    withdrawn: EnvelopeId | None = None
    reactions: set[tuple[str, OrgName, PersonId]] = field(default_factory=set)
    acknowledged: dict[tuple[OrgName, PersonId], Given] = field(default_factory=dict)
    replies: list[EnvelopeId] = field(default_factory=list)
    thread: list[EnvelopeId] = field(default_factory=list)
    pages: list[tuple[OrgName, Page]] = field(default_factory=list)
    index: int | None = None

    def grades(self) -> dict[OrgName, Grade]:
        """The highest grade of each nation."""
        highest: dict[OrgName, Grade] = {}
        for (nation, _), given in self.acknowledged.items():
            highest[nation] = max(given.grade, highest.get(nation, given.grade))
        return highest


@dataclass(slots=True, kw_only=True)
class Board:
    """What a room's entries come to.

    Attributes:
        standing: Where the incident stands.
        tasks: By their ids, in the order in which they were opened.
        proposals: By their numbers, likewise.
        clocks: By their ids, likewise.
        messages: What was said of each entry.
        handovers: Notes at changes of shift that are not withdrawn, oldest first.
        closings: By the entries that asked for them, oldest first.
        without_effect: Entries that may not do what they say, and why.
    """

    standing: Standing = field(default_factory=Standing)
    tasks: dict[bytes, TaskOnBoard] = field(default_factory=dict)
    proposals: dict[int, ProposalOnBoard] = field(default_factory=dict)
    clocks: dict[bytes, ClockOnBoard] = field(default_factory=dict)
    messages: dict[EnvelopeId, Spoken] = field(default_factory=dict)
    handovers: dict[EnvelopeId, Handover] = field(default_factory=dict)
    closings: dict[EnvelopeId, ClosingOnBoard] = field(default_factory=dict)
    without_effect: dict[EnvelopeId, str] = field(default_factory=dict)

    def apply(self, event: Event) -> None:
        """Take the next entry in the order of the room."""
        self.messages[event.id] = Spoken(
            author=event.author,
            kind=type(event.specific if event.body is None else event.body),
            label_number=event.label_number,
            sent_number=event.label_number,
            pap=event.pap,
            source=source_of(_somebody(event), event.body, event.struck),
            index=event.index,
        )
        if is_binding(event.specific, event.body) and event.author.role is not Role.OFFICER:
            refused: str | None = NO_OFFICER
        elif event.corrects is not None:
            refused = self._correct(event, event.corrects)
        else:
            refused = self._say(event) if event.body is not None else self._show(event)
        if refused is not None:
            self.without_effect[event.id] = refused

    @property
    def closing(self) -> ClosingOnBoard | None:
        """The newest closing; None where nobody asked for one, or it was withdrawn."""
        newest = next(reversed(self.closings.values()), None)
        return None if newest is None or newest.withdrawn is not None else newest

    def proposal(self, entry: EnvelopeId) -> ProposalOnBoard | None:
        """The proposal that an entry made; None for none."""
        return next((one for one in self.proposals.values() if one.id == entry), None)

    def label_of(self, entry: EnvelopeId) -> Label:
        """The label that counts of an entry: the strictest of its own, its message's and that of what corrects it.

        A message and its corrections say the same in other words, and a face shows one in the place of the other.
        """
        return max(Label.strictest(one.label_number) for one in self._alike(entry))

    def pap_of(self, entry: EnvelopeId) -> Pap:
        """What counts of what receivers may do with an entry, by the same rule; no entry changes it."""
        return max(one.pap for one in self._alike(entry))

    def _alike(self, entry: EnvelopeId) -> tuple[Spoken, ...]:
        own = self.messages[entry]
        said = own if own.corrects is None else self.messages.get(own.corrects, own)
        others = (self.messages[one] for one in said.corrections if one in self.messages)
        return own, said, *others

    def _show(self, event: Event) -> str | None:
        """What a header says for all to see."""
        match event.specific:
            case kinds.Ack(grade=grade, envelope=envelope):
                return self._acknowledge(event, grade, envelope)
            case kinds.Relabel(envelope=envelope, old=old, new=new):
                return self._relabel(event, envelope, old, new)
            case kinds.Decision(ordinal=ordinal, outcome=outcome, nations=nations):
                return self._decide(event, ordinal, outcome, nations)
            case _:  # the others say nothing of the incident
                return None

    def _say(self, event: Event) -> str | None:  # noqa: C901, PLR0911, PLR0912 - one for each kind
        """What was sealed."""
        match event.body:
            case Text() as body:
                return self._speak(event, body)
            case Reaction() as body:
                return self._react(event, body)
            case Withdrawal() as body:
                return self._withdraw(event, body)
            case Incident() as body:
                self._stand(event, body)
                return None
            case Task() | TaskMoved() as body:
                return self._task(event, body)
            case Proposal() as body:
                self._propose(event, body)
                return None
            case Position() as body:
                return self._position(event, body)
            case Clock() as body:
                self._put(event, clock := ClockOnBoard(clock=body, by=event.author, set=event.id))
                self.clocks[body.id] = clock
                return None
            case Handover() as body:
                self.handovers[event.id] = body
                return None
            case Page() as body:
                return self._page(event, body)
            case Closing() as body:
                self._put(event, closing := ClosingOnBoard(closing=body, by=event.author, id=event.id))
                self.closings[event.id] = closing
                return None if body.last < event.seq else NOT_THERE
            case SignOff() | ClosingRecorded() as body:
                return self._close(event, body)
            case _:  # machines speak of other things
                return None

    def _put(self, event: Event, on_board: OnBoard) -> None:
        """An entry began or changed it."""
        self.messages[event.id].on_board = on_board

    # ---- the conversation

    def _speak(self, event: Event, text: Text) -> str | None:
        self.messages[event.id].asks = text.asks
        named = [one for one in (text.reply_to, text.thread) if one is not None]
        answered = None if text.reply_to is None else self.messages.get(text.reply_to)
        if text.reply_to is not None and answered is not None and event.label_number < self.label_of(text.reply_to):
            return BELOW
        if answered is not None:
            answered.replies.append(event.id)
        if text.thread in self.messages and text.thread is not None:
            self.messages[text.thread].thread.append(event.id)
        return None if all(one in self.messages for one in named) else NOT_THERE

    def _react(self, event: Event, reaction: Reaction) -> str | None:
        target = self.messages.get(reaction.message)
        if target is None:
            return NOT_THERE
        sign = (reaction.sign, event.author.organisation, event.author.person)
        (target.reactions.add if reaction.stands else target.reactions.discard)(sign)
        return None

    def _correct(self, event: Event, message: EnvelopeId) -> str | None:
        """Also where its words are erased: else whoever erases a correction lowers the label of what it corrects."""
        target = self.messages.get(message)
        if target is None:
            return NOT_THERE
        label, root = self.label_of(message), target.corrects
        self.messages[event.id].corrects = message if root is None else root
        if not target.author.is_same(event.author):
            return NOT_THEIRS
        if root is not None:
            return CORRECTS
        refused = None if issubclass(target.kind, Text | kinds.Message) else NO_TEXT
        if event.label_number < label:
            return refused or BELOW
        # Its label counts whatever it corrects: what is erased cannot be told from a text any more.
        target.corrections.append(event.id)
        if refused is not None:
            return refused
        if event.body is not None:
            target.corrected = event.id
        return None

    def _withdraw(self, event: Event, body: Withdrawal) -> str | None:
        target = self.messages.get(body.message)
        if target is None:
            return NOT_THERE
        if not target.author.is_same(event.author):
            return NOT_THEIRS
        if (refused := self.keeps(body.message, event.at_ms)) is not None:
            return refused
        target.withdrawn = event.id
        self.handovers.pop(body.message, None)
        if target.on_board is not None:
            target.on_board.take_back(body.message, event.id)
        if target.kind is Incident:
            self._unsay(body.message)
        return None

    def keeps(self, entry: EnvelopeId, at_ms: int) -> str | None:
        """Why an entry stays even if its author withdraws it at that time; None where it does not."""
        target = self.messages[entry]
        if target.withdrawn is not None or not issubclass(target.kind, _TO_WITHDRAW):
            return STAYS if target.withdrawn is None else WITHDRAWN
        match target.on_board:
            case TaskOnBoard() as task if task.is_done and entry == task.opened:
                return DONE
            case ProposalOnBoard(decided=ended) | ClosingOnBoard(recorded=ended) if ended is not None:
                return DECIDED
            # What nations have said is counted when the time for it is over, whoever records that then.
            case ProposalOnBoard(proposal=proposal) if target.kind is Position and at_ms > proposal.object_until_ms:
                return LATE
            case ClosingOnBoard(closing=closing) if target.kind is SignOff and at_ms > closing.sign_until_ms:
                return LATE
            case _:
                return None

    def _acknowledge(self, event: Event, grade: Grade, envelope: EnvelopeId) -> str | None:
        target = self.messages.get(envelope)
        if target is None:
            return NOT_THERE
        who = event.author.organisation, event.author.person
        known = target.acknowledged.get(who)
        if known is None or grade > known.grade:
            target.acknowledged[who] = Given(grade, event.at_ms)
        return None

    def _page(self, event: Event, page: Page) -> str | None:
        target = self.messages.get(page.message)
        if target is None:
            return NOT_THERE
        target.pages.append((event.author.organisation, page))
        return None

    def _relabel(self, event: Event, envelope: EnvelopeId, old: Label, new: Label) -> str | None:
        target = self.messages.get(envelope)
        if target is None:
            return NOT_THERE
        now, sent = Label.strictest(target.label_number), Label.strictest(target.sent_number)
        try:
            check_relabel(old=old, new=new, now=now, sent=sent, source=target.source, by=_somebody(event))
        except RefusedError as error:
            return LABEL if error.code is Code.LABEL else NOT_THEIRS_TO_LOWER
        target.label_number = new
        return None

    # ---- the incident

    def _stand(self, event: Event, body: Incident) -> None:
        before = self.standing
        changed = {
            name: value
            for name in ("title", "severity", "status", "type", "aware_at_ms")
            if (value := getattr(body, name)) is not None
        }
        said = dict(before.said) | dict.fromkeys(changed, event.id)
        fields = {name: getattr(before, name) for name in ("title", "severity", "status", "type", "aware_at_ms")}
        self.standing = Standing(**(fields | changed), said=tuple(sorted(said.items())))

    def _unsay(self, entry: EnvelopeId) -> None:
        kept = {name: by for name, by in self.standing.said if by != entry}
        fields = {name: getattr(self.standing, name) for name in kept}
        self.standing = Standing(**fields, said=tuple(kept.items()))

    def _task(self, event: Event, body: Task | TaskMoved) -> str | None:
        known = self.tasks.get(body.id)
        if isinstance(body, Task):
            if known is not None:
                return TAKEN
            self._put(event, task := TaskOnBoard(task=body, by=event.author, opened=event.id))
            self.tasks[body.id] = task
            return None
        if known is None:
            return NOT_THERE
        if known.task.nation != event.author.organisation:
            return NOT_ASKED
        if known.withdrawn is not None:
            return WITHDRAWN
        known.state, known.reason, known.moved = body.state, body.reason, event.id
        self._put(event, known)
        return None

    def _propose(self, event: Event, body: Proposal) -> None:
        number = body.ordinal
        if number in self.proposals:  # two were made at one time: none is void for that, and all give it the same
            number = next(free for free in count(event.seq) if free not in self.proposals)
        self._put(event, proposal := ProposalOnBoard(proposal=body, number=number, by=event.author, id=event.id))
        self.proposals[number] = proposal

    def _position(self, event: Event, body: Position) -> str | None:
        known = self.proposal(body.proposal)
        nation = event.author.organisation
        if known is None:
            return NOT_THERE
        if nation not in known.proposal.nations:
            return NOT_ASKED
        if known.withdrawn is not None:
            return WITHDRAWN
        if known.decided is not None:
            return DECIDED
        if event.at_ms > known.proposal.object_until_ms:
            return LATE
        known.positions[nation] = body, event.id
        self._put(event, known)
        return None

    def _close(self, event: Event, body: SignOff | ClosingRecorded) -> str | None:
        known = self.closings.get(body.closing)
        if known is None:
            return NOT_THERE
        if known.withdrawn is not None:
            return WITHDRAWN
        if known.recorded is not None:
            return DECIDED
        is_over = event.at_ms > known.closing.sign_until_ms
        if isinstance(body, SignOff):
            self._put(event, known)
            return _sign(known, event, body, is_over=is_over)
        return _record(known, event, body, is_over=is_over)

    def _decide(self, event: Event, ordinal: int, outcome: Outcome, nations: tuple[OrgName, ...]) -> str | None:
        known = self.proposals.get(ordinal)
        if known is None:
            return NOT_THERE
        if known.withdrawn is not None:
            return WITHDRAWN
        if known.decided is not None:
            return DECIDED
        if event.at_ms <= known.proposal.object_until_ms and len(known.positions) < len(known.proposal.nations):
            return EARLY
        # Everybody counts the positions alike, so nobody has to take another's word for how it ended.
        if (outcome is Outcome.ADOPTED) != known.is_carried or nations != known.agreeing:
            return UNFOUNDED
        known.outcome, known.decided = outcome, event.id
        return None


def _sign(known: ClosingOnBoard, event: Event, body: SignOff, *, is_over: bool) -> str | None:
    if event.author.organisation not in known.closing.nations:
        return NOT_ASKED
    if is_over:
        return LATE
    known.signed[event.author.organisation] = body, event.id
    return None


def _record(known: ClosingOnBoard, event: Event, body: ClosingRecorded, *, is_over: bool) -> str | None:
    if known.outstanding and not is_over:
        return EARLY
    # Everybody counts who has signed alike, as with decisions.
    if body.nations != known.agreeing:
        return UNFOUNDED
    known.recorded = event.id
    return None


class Fold:
    """A board that is kept while entries arrive, in whatever order."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        """Take entries in, and order them by their places."""
        self._events: list[Event] = sorted(events, key=_place)
        self.board: Board = _board(self._events)

    def add(self, event: Event) -> None:
        """Take one more entry in; one that is known already, in what can be read of it now.

        What belongs behind all others is applied at once; anything else makes the board anew.
        """
        if not self._events or event.seq > self._events[-1].seq:
            self._events.append(event)
            self.board.apply(event)
            return
        self._events = [known for known in self._events if known.seq != event.seq]
        insort(self._events, event, key=_place)
        self.board = _board(self._events)


def _somebody(event: Event) -> Somebody:
    return Somebody(organisation=event.author.organisation, person=event.author.person)


def _place(event: Event) -> int:
    return event.seq


def _board(events: Iterable[Event]) -> Board:
    board = Board()
    for event in events:
        board.apply(event)
    return board
