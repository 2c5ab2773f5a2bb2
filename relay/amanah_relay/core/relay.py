"""The relay core: one machine between two closed unions, `Input` and `Effect`.

It does no IO, knows no clock and draws no randomness. One caller gives it one input at a time.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from amanah_protocol import frames
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import AmanahError, Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.types import CONTROL, OrgName, RoomId
from amanah_relay.core import (
    attachments,
    catchup,
    control,
    custody,
    fetch,
    joining,
    login,
    packages,
    publication,
    publish,
    reading,
    retention,
    settlement,
    upkeep,
)
from amanah_relay.core.clients import Client, Clients, PageRequest
from amanah_relay.core.fanout import Watches
from amanah_relay.core.output import Output
from amanah_relay.core.parts import Identity, Parts
from amanah_relay.core.pending import (
    CheckpointRecord,
    CheckpointsFetch,
    ContentFetch,
    ContentsSurvey,
    CustodyFetch,
    IdLookup,
    MarksConfirm,
    MembershipFetch,
    OrderRead,
    PackagesOffer,
    PackagesTake,
    PageRead,
    PieceFetch,
    PieceWriting,
    ProofFetch,
    Questions,
    SignatureCheck,
    StampsFetch,
    StockCount,
    TreesPurge,
)
from amanah_relay.core.staging import ContentCache, Staging
from amanah_relay.effects import Effect, SessionId
from amanah_relay.inputs import (
    Appended,
    AppendFailed,
    Checked,
    CheckpointPut,
    CheckpointsRead,
    Confirmed,
    Congested,
    Connected,
    ContentRead,
    Cosigned,
    Disconnected,
    Drained,
    EntriesRead,
    Input,
    KeyPackagesCounted,
    KeyPackagesPut,
    KeyPackagesTaken,
    KnownRead,
    Loaded,
    LogRead,
    MembershipRead,
    PiecePut,
    PieceRead,
    ProofRead,
    Purged,
    ReadFailed,
    Received,
    Shelved,
    StampsRead,
    Stop,
    Surveyed,
    Tick,
)
from amanah_relay.quotas import Claim, Quotas, RelayLimits

Request: TypeAlias = (
    frames.Publish | frames.Stage | frames.Subscribe | frames.SubscribeControl | frames.FetchContent
    | frames.OfferKeyPackages | frames.TakeKeyPackages | frames.Submit | frames.GetInclusion
    | frames.GetConsistency | frames.GetCheckpoint | frames.AuditRead
    | frames.GetMembership | frames.GetCheckpoints | frames.GetCustody | frames.GetStamps
    | frames.FindAttachment | frames.PutAttachment | frames.FetchAttachment
)  # fmt: skip
"""What a client may send once it is logged in."""


class RelayCore:
    """Admits, orders, acknowledges and forwards."""

    def __init__(
        self, *, key: SigningKey, log_signer: NoteSigner, origin: str, addresses: frozenset[str], limits: RelayLimits
    ) -> None:
        """Make a core; the first input is `Loaded`.

        Args:
            key: The relay's COSE key: logins, receipts, heads.
            log_signer: The log's key: checkpoints. Its name is the origin.
            origin: Origin of the log.
            addresses: host:port under which clients may dial this relay.
            limits: What others may take.

        Raises:
            UsageError: `CONFIG` when the log's key is named otherwise than the log.
        """
        if log_signer.name != origin:
            raise UsageError(Code.CONFIG, f"the log key is that of {log_signer.name}, not of {origin}")
        out = Output()
        self._parts = Parts(
            identity=Identity(key=key, log_signer=log_signer, origin=origin, addresses=addresses),
            limits=limits,
            out=out,
            clients=Clients(limits),
            quotas=Quotas(),
            questions=Questions(),
            staging=Staging(limits),
            contents=ContentCache(limits.content_cache_bytes),
            watches=Watches(out, tail_bytes=limits.tail_bytes),
        )

    def checkpoint(self, now_ms: int) -> bytes | None:
        """The checkpoint that the log shows (`publication.newest`); None while no state is loaded."""
        books = self._parts.books
        return None if books is None else publication.newest(books, now_ms)

    @property
    def published(self) -> int:
        """Size of the newest published checkpoint, up to which anybody may read hashes; 0 for none."""
        books = self._parts.books
        return 0 if books is None else books.publication.size

    @property
    def witnessed(self) -> bytes | None:
        """The newest checkpoint that the quorum has cosigned, as it is recorded; None for none."""
        books = self._parts.books
        return None if books is None else publication.witnessed(books)

    def verify_cosignatures(self, note: bytes, lines: bytes) -> None:
        """Whether a witness of the roster has answered with cosignatures of this note.

        Raises:
            OperationalError: `STORE` while no state is loaded.
            DecodeError: They are no signature lines.
            VerifyError: `SIGNATURE`.
        """
        publication.verified_lines(self._parts.loaded().state.roster.value, decode_note(note), lines)

    @property
    def ready(self) -> bool:
        """Whether publishing is possible now."""
        return self._parts.books is not None and not self._parts.stopping

    def organisation(self, session: SessionId) -> OrgName | None:
        """Whose device has logged in over a session; None before that."""
        client = self._parts.clients.by_session.get(session)
        return None if client is None else client.organisation

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        """Take one input.

        Args:
            event: The input.
            now_ms: The relay's clock. It may be wrong or jump; times of acceptance still never go back.

        Returns:
            What is to be done, in order.

        Raises:
            OperationalError: `LOG_ROLLBACK`, only from `Loaded`: see `upkeep.load`.
        """
        self._dispatch(event, now_ms)
        settlement.flush(self._parts)
        if self._parts.stopping:
            upkeep.finish_stop(self._parts)
        return self._parts.out.take()

    def _dispatch(self, event: Input, now_ms: int) -> None:  # noqa: C901, PLR0912 - one case for each input
        parts = self._parts
        match event:
            case Received():
                self._receive(event.session, event.data, now_ms)
            case Appended():
                settlement.appended(parts, event, now_ms)
                publication.advance(parts, now_ms)
            case Connected():
                login.connect(parts, event, now_ms)
            case Disconnected():
                parts.forget(event.session)
            case Congested() | Drained():
                self._change_pace(event, now_ms)
            case Tick():
                upkeep.tick(parts, now_ms)
            case AppendFailed():
                settlement.append_failed(parts, event.batch, full=event.full, now_ms=now_ms)
            case Loaded():
                upkeep.load(parts, event.state, now_ms)
            case Stop():
                upkeep.stop(parts, now_ms)
            case ReadFailed():
                question = parts.questions.take_any(event.token)
                if question is not None:
                    error = settlement.store_error(parts, full=event.full)
                    settlement.fail_question(parts, question, error, now_ms)
            case Shelved() | PiecePut() | PieceRead():
                self._shelve(event)
            case _:
                self._answer(event, now_ms)

    def _answer(  # noqa: C901, PLR0912 - one case for each answer
        self,
        event: Checked | KnownRead | EntriesRead | MembershipRead | ContentRead | LogRead | ProofRead
        | KeyPackagesPut | KeyPackagesTaken | KeyPackagesCounted | Confirmed | Surveyed | Purged | CheckpointPut
        | CheckpointsRead | StampsRead | Cosigned,
        now_ms: int,
    ) -> None:  # fmt: skip
        """The shell has answered; to a question that is no longer open it says nothing."""
        parts, take = self._parts, self._parts.questions.take
        match event:
            case Checked():
                for token, holds in event.answers:
                    if (check := take(token, SignatureCheck)) is not None:
                        publish.answer_check(parts, check, holds, now_ms)
            case EntriesRead():
                if (page := take(event.token, PageRead)) is not None:
                    catchup.answer(parts, page.page, event.entries, now_ms)
                elif (chain := take(event.token, CustodyFetch)) is not None:
                    custody.answer(parts, chain, event, now_ms)
            case KnownRead():
                if (lookup := take(event.token, IdLookup)) is not None:
                    publish.answer(parts, lookup, event.known, now_ms)
            case ContentRead():
                if (content := take(event.token, ContentFetch)) is not None:
                    fetch.answer_content(parts, content, event)
            case MembershipRead():
                if (wanted := take(event.token, MembershipFetch)) is not None:
                    joining.answer(parts, wanted, event.entries)
            case LogRead():
                if (order := take(event.token, OrderRead)) is not None:
                    reading.answer(parts, order, event.entries, now_ms)
            case ProofRead():
                if (proof := take(event.token, ProofFetch)) is not None:
                    fetch.answer_proof(parts, proof, event)
            case KeyPackagesPut():
                if (offer := take(event.token, PackagesOffer)) is not None:
                    packages.answer_offer(parts, offer, event)
            case KeyPackagesTaken():
                if (taking := take(event.token, PackagesTake)) is not None:
                    packages.answer_take(parts, taking, event, now_ms)
            case KeyPackagesCounted():
                if (count := take(event.token, StockCount)) is not None and parts.knows(count.client):
                    login.welcome(parts, count.client, event.stock, now_ms)
            case Confirmed() | Surveyed() | Purged():
                self._swept(event, now_ms)
            case CheckpointPut():
                if (record := take(event.token, CheckpointRecord)) is not None:
                    publication.recorded(parts, record, now_ms)
            case CheckpointsRead():
                if (asked := take(event.token, CheckpointsFetch)) is not None:
                    publication.answer(parts, asked, event)
            case StampsRead():
                if (stamps := take(event.token, StampsFetch)) is not None:
                    publication.answer_stamps(parts, stamps, event)
            case Cosigned():
                publication.cosigned(parts, event, now_ms)
            case _:
                assert_never(event)

    def _shelve(self, event: Shelved | PiecePut | PieceRead) -> None:
        """The shell has done something to files of attachments."""
        parts, take = self._parts, self._parts.questions.take
        match event:
            case Shelved():
                attachments.shelved(parts, event)
            case PiecePut():
                if (writing := take(event.token, PieceWriting)) is not None:
                    attachments.answer_put(parts, writing, event)
            case _:
                if (piece := take(event.token, PieceFetch)) is not None:
                    attachments.answer_fetch(parts, piece, event)

    def _swept(self, event: Confirmed | Surveyed | Purged, now_ms: int) -> None:
        """A step of what drops old content is done."""
        parts, take = self._parts, self._parts.questions.take
        match event:
            case Confirmed():
                if (marks := take(event.token, MarksConfirm)) is not None:
                    retention.answer_confirm(parts, marks, event, now_ms)
            case Surveyed():
                if take(event.token, ContentsSurvey) is not None:
                    retention.answer_survey(parts, event, now_ms)
            case _:
                if take(event.token, TreesPurge) is not None:
                    retention.answer_purge(parts, event, now_ms)

    def _change_pace(self, event: Congested | Drained, now_ms: int) -> None:
        client = self._parts.clients.by_session.get(event.session)
        if client is None:
            return
        if isinstance(event, Congested):
            client.congested = True
        else:
            catchup.drained(self._parts, client, now_ms)

    def _receive(self, session: SessionId, data: bytes, now_ms: int) -> None:
        parts = self._parts
        client = parts.clients.by_session.get(session)
        if client is None:
            connection = parts.clients.connections.get(session)
            # What arrives behind a `Close` of ours finds nobody.
            if connection is not None:
                login.receive(parts, connection, data, now_ms)
            return
        try:
            frame = _decode_request(client, data)
        except AmanahError as error:
            # What does not parse has no number to refuse it under, and what follows it no beginning.
            parts.reject(session, error)
            return
        try:
            parts.quotas.charge((_price(client, frame),), now_ms)
            self._serve(client, frame, now_ms)
        except AmanahError as error:
            parts.out.refuse(session, frame.request, error)

    def _serve(self, client: Client, frame: Request, now_ms: int) -> None:  # noqa: C901, PLR0912 - one case a frame
        parts = self._parts
        match frame:
            case frames.Publish():
                publish.receive(parts, client, frame)
            case frames.Stage():
                fetch.stage(parts, client, frame, now_ms)
            case frames.Subscribe():
                asked = PageRequest(request=frame.request, room=RoomId(frame.room), after=frame.after)
                if asked.room == CONTROL:
                    raise DecodeError(Code.BAD_TYPE, "the control stream is no room")
                catchup.subscribe(parts, client, asked, now_ms)
            case frames.SubscribeControl():
                asked = PageRequest(request=frame.request, room=CONTROL, after=frame.after)
                catchup.subscribe(parts, client, asked, now_ms)
            case frames.FetchContent():
                fetch.fetch(parts, client, frame)
            case frames.GetMembership():
                joining.ask(parts, client, frame)
            case frames.GetCustody():
                custody.ask(parts, client, frame)
            case frames.OfferKeyPackages():
                packages.offer(parts, client, frame, now_ms)
            case frames.TakeKeyPackages():
                packages.take(parts, client, frame, now_ms)
            case frames.Submit():
                control.submit(parts, client, frame, now_ms)
            case frames.GetInclusion():
                fetch.inclusion(parts, client, frame)
            case frames.GetConsistency():
                fetch.consistency(parts, client, frame)
            case frames.GetCheckpoint(witnessed=True):
                publication.give_witnessed(parts, client, frame.request)
            case frames.GetCheckpoint():
                fetch.checkpoint(parts, client, frame)
            case frames.GetCheckpoints():
                publication.fetch(parts, client, frame)
            case frames.GetStamps():
                publication.fetch_stamps(parts, client, frame)
            case frames.AuditRead():
                reading.order(parts, client, frame, now_ms)
            case frames.FindAttachment():
                attachments.find(parts, client, frame)
            case frames.PutAttachment():
                attachments.put(parts, client, frame, now_ms)
            case frames.FetchAttachment():
                attachments.fetch(parts, client, frame)
            case _:
                assert_never(frame)


def _price(client: Client, frame: Request) -> Claim:
    # Each envelope of a `publish` costs a signature check and perhaps a look into the store before any other bound.
    if not isinstance(frame, frames.Publish) or len(frame.items) == 1:
        return client.requests
    return client.requests._replace(cost=min(len(frame.items), client.requests.rate.burst))


def _decode_request(client: Client, data: bytes) -> Request:
    frame = frames.decode_client_frame(data)
    if isinstance(frame, frames.Hello | frames.Proof) or not client.ready:
        raise VerifyError(Code.FRAME, "a frame that has no place at this point")
    return frame
