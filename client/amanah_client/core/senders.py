"""Each sender's record in a room: its counter, its last envelope, and what it declared void."""

from __future__ import annotations

from typing import Final

import msgspec

from amanah_client.core.room import Room
from amanah_client.model import SenderRow
from amanah_protocol.envelope import Header
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.types import ZERO_32, EnvelopeId

MAX_VOIDED: Final = 64
"""Voided counters that are remembered of one sender."""


class Following(msgspec.Struct, frozen=True, kw_only=True):
    """How an envelope follows its sender's record.

    Attributes:
        row: The record with it.
        flaw: Why it does not follow, or None.
    """

    row: SenderRow
    flaw: VerifyError | None


def follow(room: Room, header: Header, envelope: EnvelopeId, *, enters: bool = False) -> Following:
    """Hold an authentic envelope against its sender's record (attacks 1, 5, 7).

    A joiner takes a sender's first envelope from its own adding commit on as the baseline.

    Args:
        room: The room.
        header: The envelope's header.
        envelope: Its id.
        enters: Whether it is the commit that adds this device: what its sender sent before is not for us to see.
    """
    before = room.senders.get(header.kid)
    if enters or (before is None and room.row.added_seq > 1):
        return Following(row=_with(header, envelope, ()), flaw=None)
    if before is None:
        before = SenderRow(device=header.kid, counter=0, last_id=EnvelopeId(ZERO_32))
    flaw = _flaw(before, header)
    if header.counter <= before.counter:
        return Following(row=before, flaw=flaw)
    return Following(row=_with(header, envelope, before.voided), flaw=flaw)


def later_flaw(before: SenderRow, header: Header) -> VerifyError | None:
    """Why an envelope cannot stand behind another of its sender, where not all that it sent is shown."""
    flaw = _order_flaw(before, header)
    skipped = header.counter - before.counter - 1
    if flaw is None and skipped == len(header.voids) and header.previous != before.last_id:
        return VerifyError(Code.FORK, "the sender's last envelope is another one than we were shown")
    return flaw


def _with(header: Header, envelope: EnvelopeId, voided: tuple[int, ...]) -> SenderRow:
    kept = (*voided, *header.voids)[-MAX_VOIDED:]
    return SenderRow(device=header.kid, counter=header.counter, last_id=envelope, voided=kept)


def _order_flaw(before: SenderRow, header: Header) -> VerifyError | None:
    counter = header.counter
    if counter in before.voided:
        return VerifyError(Code.VOIDED_APPEARED, f"the envelope {counter}, which its sender declared void, appeared")
    if counter <= before.counter:
        return VerifyError(Code.REPLAY, f"the counter {counter} of this sender was used before")
    if any(void <= before.counter for void in header.voids):
        return VerifyError(Code.VOIDED_APPEARED, "the sender declares an envelope void that stands in the record")
    return None


def _flaw(before: SenderRow, header: Header) -> VerifyError | None:
    counter = header.counter
    flaw = _order_flaw(before, header)
    if flaw is not None:
        return flaw
    # By their number first: a counter of 2**60 would otherwise cost all memory.
    skipped = counter - before.counter - 1
    if skipped != len(header.voids) or header.voids != tuple(range(before.counter + 1, counter)):
        return VerifyError(Code.GAP, f"between {before.counter} and {counter} an envelope of this sender is missing")
    if header.previous != before.last_id:
        return VerifyError(Code.FORK, "the sender's last envelope is another one than we were shown")
    return None
