"""The parts of a relay core, as its steps see them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import AmanahError, Code, OperationalError, RefusedError
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.types import KeyId, RoomId
from amanah_relay.core.admission import Admission
from amanah_relay.core.clients import Client, Clients
from amanah_relay.core.fanout import Watches
from amanah_relay.core.ledger import Ledger
from amanah_relay.core.output import Output
from amanah_relay.core.pending import Fetching, Questions
from amanah_relay.core.sequencer import Sequencer, Unit
from amanah_relay.core.shelf import Shelf
from amanah_relay.core.staging import ContentCache, Staging
from amanah_relay.effects import SessionId
from amanah_relay.purging import RoomRule
from amanah_relay.quotas import Quotas, RelayLimits
from amanah_relay.state import RelayState


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this relay is.

    Attributes:
        key: Signs logins, receipts and heads.
        log_signer: Signs checkpoints.
        origin: Origin of the log.
        addresses: host:port under which clients may have dialled it.
    """

    key: SigningKey
    log_signer: NoteSigner
    origin: str
    addresses: frozenset[str]

    @property
    def relay_id(self) -> KeyId:
        """SHA-256 of the key."""
        return KeyId(self.key.key_id)


@dataclass(slots=True, kw_only=True)
class Publication:
    """What was published.

    Attributes:
        notes: The newest recorded notes by size, ascending.
        gained: Notes with cosignatures that are not recorded yet.
        witnessed: Size of the newest that the roster's quorum has cosigned; 0 for none.
        published_ms: When the newest was published.
        asked: Whether one is in the store's hands.
    """

    notes: dict[int, bytes] = field(default_factory=dict)
    gained: dict[int, bytes] = field(default_factory=dict)
    witnessed: int = 0
    published_ms: int = 0
    asked: bool = False

    @property
    def size(self) -> int:
        """Size of the newest; 0 for none."""
        return next(reversed(self.notes), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """All that stands and falls with the loaded state.

    When an append fails, nobody knows whether it was stored; the books are thrown away as a whole.

    Attributes:
        state: The picture as it will be when everything queued is stored.
        admission: Holds envelopes against it.
        sequencer: What is on its way into the store.
        ledger: What is durable.
        publication: What of it was published.
    """

    state: RelayState
    admission: Admission
    sequencer: Sequencer
    ledger: Ledger
    publication: Publication = field(default_factory=Publication)

    def at_ms(self, now_ms: int) -> int:
        """The time of acceptance of what is admitted now: it never goes backwards."""
        return max(now_ms, self.state.last_accepted_ms)

    def enqueue(self, unit: Unit) -> None:
        """What was admitted goes to the store behind all before it."""
        self.state.last_accepted_ms = unit.at_ms
        self.sequencer.enqueue(unit)


FIRST: Final = -1
"""The place in the log behind which everything stands."""


@dataclass(slots=True, kw_only=True)
class Purging:
    """How far the pass through old content is (`retention`).

    Attributes:
        after: Log index behind which it goes on; None when only trees are left.
        due_ms: When the next pass begins.
        asked: Whether a step of it, or of the marks, is in the store's hands.
        rules: What is particular to single rooms, as of the begin of the pass.
    """

    after: int | None = FIRST
    due_ms: int = 0
    asked: bool = False
    rules: dict[RoomId, RoomRule] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Parts:
    """What the steps of the core share.

    Attributes:
        identity: Who this relay is.
        limits: What others may take.
        out: Where effects go.
        clients: Who is connected.
        quotas: Token buckets.
        questions: What the store was asked.
        staging: Contents on their way in.
        contents: Large contents on their way out.
        watches: Who is told what live.
        books: The loaded state; None before it is loaded and after an append failed.
        batches: Number of the last batch of this process.
        promised: Log size and root of the newest durable batch that this process knows of.
        stopping: Whether `Stop` came.
        heads_ms: When heads were last signed for all.
        purging: How far old content was looked at.
        shelf: Files of attachments.
    """

    identity: Identity
    limits: RelayLimits
    out: Output
    clients: Clients
    quotas: Quotas
    questions: Questions
    staging: Staging
    contents: ContentCache
    watches: Watches
    books: Books | None = None
    batches: int = 0
    promised: tuple[int, bytes] | None = None
    stopping: bool = False
    heads_ms: int = 0
    purging: Purging = field(default_factory=Purging)
    shelf: Shelf = field(default_factory=Shelf)

    def loaded(self) -> Books:
        """The books.

        Raises:
            OperationalError: `STORE` while there are none.
        """
        if self.books is None:
            detail = "the store is being read anew"
            raise OperationalError(Code.STORE, detail, retry_after_ms=self.limits.retry_ms)
        return self.books

    def check_open(self) -> None:
        """Nothing new is begun while stopping.

        Raises:
            OperationalError: `STOPPING`.
        """
        if self.stopping:
            raise OperationalError(Code.STOPPING, "the relay is stopping", retry_after_ms=self.limits.retry_ms)

    def ask(self, question: Fetching) -> int:
        """Remember a question whose answer may be large or dear; gives its token.

        Raises:
            RefusedError: `RATE` when too many of the client's are open.
        """
        # Each answer may be of megabytes, and they all arrive whether or not the client reads.
        if question.client.asked >= self.limits.reads_in_flight:
            raise RefusedError(Code.RATE, "too many answers are on their way", retry_after_ms=self.limits.retry_ms)
        return self.questions.ask(question)

    def knows(self, client: Client) -> bool:
        """Whether a client is still connected, in the same session."""
        return self.clients.by_session.get(client.session) is client

    def forget(self, session: SessionId) -> None:
        """Drop everything about a session; nothing is sent."""
        client = self.clients.by_session.get(session)
        if client is not None:
            self.watches.end_all(client)
        self.staging.drop(session)
        self.clients.drop(session)

    def close(self, session: SessionId, error: AmanahError) -> None:
        """Say why, close, and forget."""
        self.out.close(session, error)
        self.forget(session)

    def reject(self, session: SessionId, error: AmanahError) -> None:
        """Refuse the connection itself (request 0): what came is not of this protocol or not a login."""
        self.out.refuse(session, 0, error)
        self.close(session, error)
