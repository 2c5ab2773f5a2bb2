"""Entries of a room's custody chain, as they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from amanah_client.log_rows import CustodyRow
from amanah_protocol.audit import decode_order, order_device
from amanah_protocol.custody.erasures import ContentErasure, read_erasure
from amanah_protocol.custody.grants import AuditGrant, decode_grant
from amanah_protocol.custody.holds import LegalHold, decode_hold
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, GrantId


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """An auditor's device read the room's record under a grant."""

    device: DeviceId
    grant: AuditGrant | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """One entry, for faces.

    Attributes:
        at_ms: The relay's time.
        index: Log index.
        what: What it is; None for what does not hold.
    """

    at_ms: int
    index: int
    what: AuditGrant | LegalHold | Read | ContentErasure | None


def read_custody(rows: Iterable[CustodyRow]) -> list[Custody]:
    """The entries of one room's chain, in order; all of them were verified before they were stored."""
    grants: dict[GrantId, AuditGrant] = {}
    found = []
    for row in rows:
        what: AuditGrant | LegalHold | Read | ContentErasure | None = None
        match row.type:
            case LeafType.AUDIT_GRANT:
                what = decode_grant(row.document or b"")
                grants[what.id] = what
            case LeafType.LEGAL_HOLD:
                what = decode_hold(row.document or b"")
            case LeafType.AUDIT_READ:
                named = decode_order(row.object).grant
                what = Read(device=order_device(row.object), grant=None if named is None else grants.get(named))
            case LeafType.ERASURE:
                what = read_erasure(row.object)
            case _:
                pass  # it does not hold, and was an alarm
        found.append(Custody(at_ms=row.accepted_at_ms, index=row.index, what=what))
    return found
