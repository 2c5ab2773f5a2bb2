"""What happens by time and at both ends: loading, heads, deadlines, stopping."""

from __future__ import annotations

from amanah_protocol import frames
from amanah_protocol.errors import Code, OperationalError
from amanah_relay.core import attachments, control, login, publication, retention, settlement
from amanah_relay.core.admission import Admission
from amanah_relay.core.ledger import Ledger
from amanah_relay.core.parts import Books, Parts
from amanah_relay.core.sequencer import Sequencer
from amanah_relay.state import RelayState


def load(parts: Parts, state: RelayState, now_ms: int) -> None:
    """Go on with a state as stored; the core owns it from now on.

    Raises:
        OperationalError: `LOG_ROLLBACK` when the log is not the one, or not all of the one, that this
            process has signed. Nothing may be signed then: the relay has to stop.
    """
    if parts.books is not None:
        return
    control.find_unrooted(state)
    identity, limits = parts.identity, parts.limits
    ledger = Ledger(
        state,
        key=identity.key,
        log_signer=identity.log_signer,
        origin=identity.origin,
        recent=limits.recent,
    )
    _check_kept(parts, ledger)
    parts.books = Books(
        state=state,
        admission=Admission(state=state, origin=identity.origin, limits=limits, quotas=parts.quotas, shelf=parts.shelf),
        sequencer=Sequencer(state, limits, batches=parts.batches),
        ledger=ledger,
    )
    publication.load(parts, parts.books, state.checkpoints, now_ms)
    parts.promised = (ledger.size, ledger.root)
    parts.heads_ms = now_ms
    attachments.tidy(parts)
    # What failed may have been stored: devices may have been added, removed or revoked by it.
    settlement.expel(parts)
    for client in parts.clients.ready():
        for room_state in ledger.room_states(client.device):
            parts.out.send(client.session, room_state)


def tick(parts: Parts, now_ms: int) -> None:
    """Time has passed."""
    login.expire(parts, now_ms)
    parts.staging.expire(now_ms)
    parts.quotas.sweep(now_ms)
    attachments.tick(parts, now_ms)
    # A clock that was set back must not make heads rest until it has caught up.
    if not 0 <= now_ms - parts.heads_ms < parts.limits.head_interval_ms:
        parts.heads_ms = now_ms
        _tell_heads(parts, now_ms)
    retention.advance(parts, now_ms)
    publication.advance(parts, now_ms)


def stop(parts: Parts, now_ms: int) -> None:
    """Begin nothing new; what waits for the store is still acknowledged."""
    parts.stopping = True
    error = OperationalError(Code.STOPPING, "the relay is stopping", retry_after_ms=parts.limits.retry_ms)
    settlement.fail_questions(parts, error, now_ms)


def finish_stop(parts: Parts) -> None:
    """Close all sessions once nothing waits for the store."""
    if parts.books is not None and not parts.books.sequencer.idle:
        return
    error = OperationalError(Code.STOPPING, "the relay is stopping", retry_after_ms=parts.limits.retry_ms)
    for session in (*parts.clients.connections, *parts.clients.by_session):
        parts.close(session, error)


def _check_kept(parts: Parts, ledger: Ledger) -> None:
    if parts.promised is None:
        return
    size, root = parts.promised
    if ledger.size < size or (ledger.size == size and ledger.root != root):
        raise OperationalError(Code.LOG_ROLLBACK, f"the store has lost leaves: {size} were acknowledged")


def _tell_heads(parts: Parts, now_ms: int) -> None:
    if parts.books is None:
        return
    ledger = parts.books.ledger
    everybody = tuple(client.session for client in parts.clients.ready())
    if everybody:
        head = frames.encode_frame(frames.Head(head=ledger.control_head(now_ms)))
        parts.out.fan_out(everybody, (head,))
    for room in sorted(ledger.moved):
        live = parts.watches.live(room)
        if live:
            head = frames.encode_frame(frames.Head(head=ledger.room_head(room, now_ms)))
            parts.out.fan_out(live, (head,))
    ledger.moved.clear()
