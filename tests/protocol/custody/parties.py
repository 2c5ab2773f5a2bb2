"""Two parties of an example organisation, and documents that they sign."""

from __future__ import annotations

from typing import Any, Final

from amanah_protocol import endorse, roster
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.grants import AuditGrant, Terms, decode_grant, grant_document
from amanah_protocol.custody.holds import LegalHold, decode_hold, hold_document
from amanah_protocol.endorse import Endorsed
from amanah_protocol.labels import Label
from amanah_protocol.types import GrantId, RoomId
from tests.vectors import examples as x

TN: Final = x.nation(x.TN)
OFFICER: Final = TN.enrolment_key
CUSTODIAN: Final = TN.custodians[2]
"""The one who did not endorse the enrolment key."""
ROSTER: Final = roster.verify_roster(x.roster_of(), None, now_ms=x.NOW_MS)


def signed(document: bytes, typ: Typ, *signers: SigningKey) -> Endorsed:
    """A document with these signatures."""
    return Endorsed(document=document, signatures=tuple(endorse.endorse(document, key, typ) for key in signers))


def terms(**changes: Any) -> Terms:  # noqa: ANN401 - fields of a grant
    """What TN grants."""
    fields: dict[str, Any] = {
        "id": GrantId(x.fixed("grant", 16)),
        "granting": x.TN,
        "auditor": x.NAMES[0],
        "subject": x.request().subject,
        "rooms": (x.ROOM,),
        "since_ms": x.NOW_MS - 86_400_000,
        "until_ms": x.NOW_MS,
        "labels": (Label.GREEN, Label.AMBER),
        "purpose": "joint review 7",
        "issued_ms": x.NOW_MS,
        "not_before_ms": x.NOW_MS,
        "not_after_ms": x.NOW_MS + 30 * 86_400_000,
    }
    return Terms(**(fields | changes))


def grant(*signers: SigningKey, typ: Typ = Typ.AUDIT_GRANT, **changes: Any) -> AuditGrant:  # noqa: ANN401 - as `terms`
    """A grant by its two parties, or by these."""
    return decode_grant(signed(grant_document(terms(**changes)), typ, *(signers or (OFFICER, CUSTODIAN))).encode())


def hold(*signers: SigningKey, typ: Typ = Typ.LEGAL_HOLD, **changes: Any) -> LegalHold:  # noqa: ANN401 - fields of a hold
    """A hold by its two parties, or by these."""
    fields: dict[str, Any] = {
        "hold": x.fixed("hold", 16),
        "organisation": x.TN,
        "rooms": (x.ROOM, RoomId(bytes(16))),
        "since_ms": x.NOW_MS - 86_400_000,
        "reference": x.fixed("reference", 16),
        "issued_ms": x.NOW_MS,
    }
    return decode_hold(signed(hold_document(**(fields | changes)), typ, *(signers or (OFFICER, CUSTODIAN))).encode())
