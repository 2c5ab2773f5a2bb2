"""Entries of a room's custody chain, as they are shown."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from amanah_client import log_rows
from amanah_client.log_rows import CustodyRow
from amanah_protocol.audit import decode_order, order_device
from amanah_protocol.custody.erasures import ContentErasure, read_erasure
from amanah_protocol.custody.grants import AuditGrant, decode_grant
from amanah_protocol.custody.holds import LegalHold, decode_hold
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, GrantId, OrgName


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
        lapsed: Whether it is a hold of an organisation that the roster does not name any more: it holds nothing.
        unproven: Whether it was made, or its grant, under a roster that this device does not know, so that who signed
            cannot be told.
    """

    at_ms: int
    index: int
    what: AuditGrant | LegalHold | Read | ContentErasure | None
    lapsed: bool = False
    unproven: bool = False


def read_custody(rows: Iterable[CustodyRow], organisations: Container[OrgName]) -> list[Custody]:
    """The entries of one room's chain, in order; all that count were verified before they were stored.

    Args:
        rows: As stored.
        organisations: Those of the roster in force.
    """
    grants: dict[GrantId, AuditGrant] = {}
    claimed: set[GrantId] = set()
    found = []
    for row in rows:
        what: AuditGrant | LegalHold | Read | ContentErasure | None = None
        unproven = row.unproven or row.type == log_rows.LAPSED
        match row.type:
            case LeafType.AUDIT_GRANT:
                what = decode_grant(row.document or b"")
                grants[what.id] = what
                (claimed.add if unproven else claimed.discard)(what.id)
            case LeafType.LEGAL_HOLD | log_rows.LAPSED:
                what = decode_hold(row.document or b"")
            case LeafType.AUDIT_READ:
                named = decode_order(row.object).grant
                what = Read(device=order_device(row.object), grant=None if named is None else grants.get(named))
                unproven = unproven or named in claimed
            case LeafType.ERASURE:
                what = read_erasure(row.object)
            case _:
                pass  # it does not hold, and was an alarm
        lapsed = isinstance(what, LegalHold) and what.organisation not in organisations
        entry = Custody(at_ms=row.accepted_at_ms, index=row.index, what=what, lapsed=lapsed, unproven=unproven)
        found.append(entry)
    return found
