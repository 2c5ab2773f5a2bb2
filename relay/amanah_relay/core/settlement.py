"""What follows when the store says that a batch is durable, or that it failed."""

from __future__ import annotations

from typing import assert_never

from amanah_protocol import frames
from amanah_protocol.errors import AmanahError, Code, OperationalError, RefusedError
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import RoomId
from amanah_relay.core import attachments, catchup, custody, login, packages, publication, publish, reading, retention
from amanah_relay.core.acknowledgement import accepted
from amanah_relay.core.checks import is_revoked, is_rooted
from amanah_relay.core.clients import Client
from amanah_relay.core.ledger import Ledger, Recorded
from amanah_relay.core.parts import Parts
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
    Question,
    SignatureCheck,
    StampsFetch,
    StockCount,
    TreesPurge,
)
from amanah_relay.core.replies import Newcomer, Publisher, Purger, Reader, Waiter
from amanah_relay.core.sequencer import Batch, Draft
from amanah_relay.effects import Entry, Reload, SessionId
from amanah_relay.inputs import Appended
from amanah_relay.quotas import put_back
from amanah_relay.state import RelayState


def flush(parts: Parts) -> None:
    """Give the store its next batch, if it is free and something waits."""
    if parts.books is None:
        return
    append = parts.books.sequencer.next_batch()
    if append is not None:
        parts.batches = append.batch
        parts.out.add(append)


def appended(parts: Parts, event: Appended, now_ms: int) -> None:
    """A batch is durable: acknowledge it, tell it to those who are live, act on it."""
    books = parts.books
    batch = None if books is None else books.sequencer.settle(event.batch)
    if books is None or batch is None:
        return
    recorded = books.ledger.record(batch)
    books.state.release(event.freed)
    parts.promised = (books.ledger.size, books.ledger.root)
    # First the next batch: the store works on it while the frames of this one go out.
    flush(parts)
    if batch.append.erasures or batch.append.purges:
        parts.contents.clear()
    attachments.settled(parts, batch.append.attachments)
    _announce_flashes(parts, books.ledger, batch)
    _acknowledge(parts, books.ledger, batch, recorded, now_ms)
    _deliver(parts, batch)
    _tell_members(parts, books.ledger, batch)
    custody.announce(parts, books.ledger, batch)
    if any(entry.type in (LeafType.REVOCATION, LeafType.ROSTER) for entry in batch.append.entries):
        expel(parts)


def append_failed(parts: Parts, number: int, *, full: bool, now_ms: int) -> None:
    """A batch failed and may be durable all the same: nothing of the picture is trusted any more.

    Whoever waits is told to try again, with the same bytes: if the batch was stored after all, the
    repetition is answered from the store.
    """
    units = None if parts.books is None else parts.books.sequencer.unsettled(number)
    if units is None:
        return
    parts.books = None
    error = store_error(parts, full=full)
    for unit in units:
        put_back(unit.charges)
        for waiter in unit.waiters:
            _fail_waiter(parts, waiter, error)
    fail_questions(parts, error, now_ms)
    for client in parts.clients.ready():
        for room in sorted(client.watched):
            parts.out.send(client.session, frames.Lagging(room=room))
        parts.watches.end_all(client)
    parts.contents.clear()
    parts.out.add(Reload())


def store_error(parts: Parts, *, full: bool) -> OperationalError:
    """What a peer is told when the store fails."""
    if full:
        return OperationalError(Code.DISK_FULL, "the relay's disk is full", retry_after_ms=parts.limits.retry_ms)
    return OperationalError(Code.STORE, "the relay's store failed", retry_after_ms=parts.limits.retry_ms)


def fail_questions(parts: Parts, error: AmanahError, now_ms: int) -> None:
    """No open question will be answered."""
    for question in parts.questions.take_all():
        fail_question(parts, question, error, now_ms)


def fail_question(  # noqa: C901 - one case for each question
    parts: Parts, question: Question, error: AmanahError, now_ms: int
) -> None:
    """A question will not be answered: refuse what it was asked for."""
    match question:
        case PageRead():
            catchup.fail(parts, question.page, error, now_ms)
        case IdLookup():
            publish.fail(parts, question, error)
        case StockCount():
            if parts.knows(question.client):
                parts.close(question.client.session, error)
        case PackagesOffer():
            packages.fail_offer(parts, question, error)
        case MarksConfirm() | ContentsSurvey() | TreesPurge():
            retention.fail(parts, question)
        case CheckpointRecord():
            publication.fail(parts)
        case PieceWriting():
            attachments.fail(parts, question, error)
        case (
            SignatureCheck() | ContentFetch() | MembershipFetch() | CustodyFetch() | OrderRead() | ProofFetch()
            | PackagesTake() | CheckpointsFetch() | StampsFetch() | PieceFetch()
        ):  # fmt: skip
            if parts.knows(question.client):
                parts.out.refuse(question.client.session, question.request, error)
        case _:
            assert_never(question)


def expel(parts: Parts) -> None:
    """Close the sessions of devices that may no longer have one."""
    books = parts.loaded()
    for client in tuple(parts.clients.by_session.values()):
        reason = _reason_to_expel(books.state, client)
        if reason is not None:
            parts.close(client.session, reason)


def _reason_to_expel(state: RelayState, client: Client) -> RefusedError | None:
    device = state.devices.get(client.device)
    if device is None or not is_rooted(state, device.certificate):
        return RefusedError(Code.CERTIFICATE, "the device's certificate no longer chains to the roster")
    if is_revoked(state, device):
        return RefusedError(Code.REVOKED, "the device was revoked")
    return None


def _announce_flashes(parts: Parts, ledger: Ledger, batch: Batch) -> None:
    """Members hear of a `flash` before anything of it comes, whatever stands before it; its room is read first."""
    for draft in batch.drafts:
        if not draft.flash:
            continue
        sessions: list[SessionId] = []
        for member in ledger.rooms[draft.room].members.values():
            client = parts.clients.online(member.device)
            if client is None or member.removed_seq is not None or member.device == draft.kid:
                continue
            if draft.room in client.waiting:
                client.waiting.move_to_end(draft.room, last=False)
            sessions.append(client.session)
        if sessions:
            notice = frames.encode_frame(frames.Flash(room=draft.room, room_seq=draft.room_seq))
            parts.out.fan_out(tuple(sessions), (notice,))


def _acknowledge(parts: Parts, ledger: Ledger, batch: Batch, recorded: Recorded, now_ms: int) -> None:
    """Answer all who wait, each connection in one `Stored`."""
    entries = batch.append.entries
    told: dict[SessionId, list[frames.Accepted]] = {}
    first = 0
    for unit in batch.units:
        for waiter in unit.waiters:
            if isinstance(waiter, Purger):
                retention.dropped(parts, waiter, now_ms)
                continue
            client = parts.clients.by_session.get(waiter.session)
            if client is None:
                continue
            match waiter:
                case Publisher():
                    mine = [entries[first + position] for position in waiter.positions]
                    places = [(entry.index, entry.room_seq) for entry in mine]
                    told.setdefault(waiter.session, []).append(accepted(waiter.request, recorded, places))
                case Newcomer():
                    login.logged(parts, client)
                case Reader():
                    reading.serve(parts, client, waiter)
                case _:
                    assert_never(waiter)
        first += len(unit.drafts)
    for session, answers in told.items():
        parts.out.send(session, frames.Stored(receipt=ledger.receipt(recorded), accepted=tuple(answers)))


def _fail_waiter(parts: Parts, waiter: Waiter, error: AmanahError) -> None:
    if isinstance(waiter, Purger):
        retention.rest(parts)
        return
    if waiter.session not in parts.clients.by_session:
        return
    match waiter:
        case Publisher() | Reader():
            parts.out.refuse(waiter.session, waiter.request, error)
        case Newcomer():
            parts.close(waiter.session, error)
        case _:
            assert_never(waiter)


def _deliver(parts: Parts, batch: Batch) -> None:
    by_room: dict[RoomId, list[tuple[Draft, Entry]]] = {}
    for draft, entry in zip(batch.drafts, batch.append.entries, strict=True):
        by_room.setdefault(entry.room, []).append((draft, entry))
    for room, stored in by_room.items():
        parts.watches.deliver(room, stored)


def _tell_members(parts: Parts, ledger: Ledger, batch: Batch) -> None:
    """Devices that were added to a room or removed from one learn it now, wherever they are subscribed."""
    changed = {(draft.room, device): None for draft in batch.drafts for device in (*draft.added, *draft.removed)}
    for room, device in changed:
        client = parts.clients.online(device)
        if client is not None:
            parts.out.send(client.session, ledger.room_state(room, device))
