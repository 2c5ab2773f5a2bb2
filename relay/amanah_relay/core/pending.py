"""What the core asked its shell and waits for: a closed union, by token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias, TypeVar

from amanah_protocol.envelope import Envelope
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from amanah_relay.core.admission import Beside, Incoming
from amanah_relay.core.clients import Client
from amanah_relay.core.fanout import Page
from amanah_relay.core.ledger import Settled
from amanah_relay.core.replies import Reader
from amanah_relay.core.shelf import Place, Upload
from amanah_relay.effects import Mark


class Candidate(NamedTuple):
    """An envelope whose signature is still to be verified, and what came with it."""

    envelope: Envelope
    beside: Beside


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureCheck:
    """Whether the signatures of a publish hold; `candidates` are its envelopes, in order."""

    client: Client
    request: int
    candidates: list[Candidate]


@dataclass(slots=True, kw_only=True, eq=False)
class Publishing:
    """A publish whose signatures hold.

    Attributes:
        client: Who publishes.
        request: Number of the request.
        items: Its envelopes, in order.
        known: By position, those that the store knew.
        unanswered: Positions for which the store was asked.
    """

    client: Client
    request: int
    items: list[Incoming]
    known: dict[int, Settled] = field(default_factory=dict)
    unanswered: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRead:
    """Entries for a page."""

    page: Page


@dataclass(frozen=True, slots=True, kw_only=True)
class IdLookup:
    """Whether the id of one item of a publish is known; `position` is the item's."""

    publishing: Publishing
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentFetch:
    """A content of which one piece is wanted; `generation` as in `ContentCache` when it was asked for."""

    client: Client
    request: int
    room: RoomId
    payload: bytes
    offset: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipFetch:
    """The `create` and commits of a room before a member's own time."""

    client: Client
    request: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyFetch:
    """Entries of a room's custody chain."""

    client: Client
    request: int
    chain: RoomId


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRead:
    """Leaves for an auditor, of a log of `size`; `reader` is who waits for them."""

    client: Client
    request: int
    reader: Reader
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFetch:
    """A proof."""

    client: Client
    request: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesOffer:
    """Key packages being stored; `number` of them, without the last-resort one."""

    client: Client
    request: int
    suite: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagesTake:
    """Key packages being taken: `asked` in the client's order, `taken` those of them that the store was asked for."""

    client: Client
    request: int
    suite: int
    asked: tuple[DeviceId, ...]
    taken: tuple[DeviceId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StockCount:
    """The last step of a login."""

    client: Client


@dataclass(frozen=True, slots=True, kw_only=True)
class MarksConfirm:
    """Marks of rooms being moved."""

    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentsSurvey:
    """A step of the pass through old contents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreesPurge:
    """Old trees being dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRecord:
    """A published checkpoint being recorded."""

    size: int
    note: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointsFetch:
    """Published checkpoints."""

    client: Client
    request: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StampsFetch:
    """Time stamps on published checkpoints."""

    client: Client
    request: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceWriting:
    """A piece of an attachment on its way to the shelf."""

    client: Client
    request: int
    place: Place
    upload: Upload


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceFetch:
    """A piece of an attachment of `total` bytes, on its way to a member."""

    client: Client
    request: int
    envelope: EnvelopeId
    total: int
    offset: int


Fetching: TypeAlias = (
    ContentFetch | MembershipFetch | CustodyFetch | OrderRead | ProofFetch | PackagesOffer | PackagesTake
    | CheckpointsFetch | StampsFetch | PieceWriting | PieceFetch
)  # fmt: skip
"""What one client may have only so many of at a time."""

Question: TypeAlias = (
    SignatureCheck
    | PageRead
    | IdLookup
    | StockCount
    | MarksConfirm
    | ContentsSurvey
    | TreesPurge
    | CheckpointRecord
    | Fetching
)

Q = TypeVar("Q", bound=Question)


class Questions:
    """Open questions by token; a token is never used twice."""

    def __init__(self) -> None:
        self._open: dict[int, Question] = {}
        self._asked = 0

    def ask(self, question: Question) -> int:
        """Remember a question; gives its token."""
        self._asked += 1
        self._open[self._asked] = question
        _count(question, 1)
        return self._asked

    def take(self, token: int, kind: type[Q]) -> Q | None:
        """The question that an answer of this kind answers; None when it is no longer open."""
        question = self._open.get(token)
        if not isinstance(question, kind):
            return None
        del self._open[token]
        _count(question, -1)
        return question

    def take_any(self, token: int) -> Question | None:
        """The question of a token, whatever it is."""
        question = self._open.pop(token, None)
        if question is not None:
            _count(question, -1)
        return question

    def take_all(self) -> list[Question]:
        """All open questions; answers to them will find nothing."""
        questions = list(self._open.values())
        self._open.clear()
        for question in questions:
            _count(question, -1)
        return questions


def _count(question: Question, change: int) -> None:
    if isinstance(question, Fetching):
        question.client.asked += change
