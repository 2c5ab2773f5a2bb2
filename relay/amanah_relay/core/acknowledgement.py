"""Acknowledgements: what a sender is told of leaves that are durable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from amanah_protocol import frames
from amanah_protocol.log.receipt import Receipt
from amanah_relay.core.ledger import Ledger, Recorded, Settled
from amanah_relay.core.output import Output
from amanah_relay.effects import SessionId
from amanah_relay.inputs import Known


def accepted(request: int, batch: Recorded, places: Sequence[tuple[int, int]]) -> frames.Accepted:
    """What became of a request in a batch.

    Args:
        request: Number of the request.
        batch: The batch.
        places: Log index and room sequence of each of its leaves there.
    """
    return frames.Accepted(
        request=request,
        indices=tuple(index for index, _ in places),
        sequences=tuple(room_seq for _, room_seq in places),
        accepted_at_ms=batch.receipt.accepted_at_ms,
    )


def acknowledge_again(out: Output, ledger: Ledger, session: SessionId, request: int, known: Iterable[Settled]) -> None:
    """Answer a repetition: the same receipts as the first time, one `Stored` for each batch."""
    batches: dict[int, list[Settled]] = {}
    for settled in known:
        batches.setdefault(settled.batch.receipt.first_index, []).append(settled)
    for group in batches.values():
        batch = group[0].batch
        places = [(settled.index, settled.room_seq) for settled in group]
        out.send(
            session,
            frames.Stored(receipt=ledger.receipt(batch), accepted=(accepted(request, batch, places),)),
        )


def settled_from_store(known: Known) -> Settled:
    """What the store tells of an envelope, as the ledger would."""
    receipt = Receipt(
        first_index=known.batch_first,
        size=known.batch_first + len(known.leaves),
        root=known.batch_root,
        accepted_at_ms=known.accepted_at_ms,
        leaves=known.leaves,
    )
    return Settled(batch=Recorded(receipt=receipt), index=known.index, room_seq=known.room_seq)
