"""An incident with what custody adds to its record: grants, granted reads, holds, erasures, forgotten persons."""

from __future__ import annotations

from typing import Any

from amanah_protocol import endorse
from amanah_protocol.audit import ReadingOrder, audit_chain, sign_order
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import (
    Cause,
    ContentErasure,
    erased_digest,
    person_erasure_document,
    sign_erasure,
)
from amanah_protocol.custody.grants import AuditGrant, Terms, decode_grant, grant_document
from amanah_protocol.custody.holds import LegalHold, decode_hold, hold_document
from amanah_protocol.endorse import Endorsed
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import CONTROL, GrantId, OrgName, RoomId
from tests.client.audit.world import (
    AUDITOR_MA,
    MA,
    OFFICER_TN,
    TN,
    Device,
    Incident,
    examined,
    faults,
    incident,
)
from tests.vectors import examples as x

DAY_MS = 86_400_000
Row = tuple[Any, ...]


def parties(name: OrgName) -> tuple[SigningKey, SigningKey]:
    """The enrolment key, and the custodian who did not endorse it."""
    nation = x.nation(name)
    return nation.enrolment_key, nation.custodians[2]


def signed(document: bytes, typ: Typ, *signers: SigningKey) -> Endorsed:
    return Endorsed(document=document, signatures=tuple(endorse.endorse(document, key, typ) for key in signers))


class Held:
    """The incident, and what may be added to its log: TN owns the rooms `room` and `small`, MA the room `hidden`."""

    def __init__(self) -> None:
        self.found: Incident = incident()
        self.log = self.found.log

    def grant(self, *signers: SigningKey, of: OrgName | None = TN, **changes: Any) -> AuditGrant:  # noqa: ANN401 - fields of a grant
        now = self.log.now_ms
        fields: dict[str, Any] = {
            "id": GrantId(b"g" * 16),
            "granting": of,
            "auditor": MA,
            "rooms": (self.found.small,),
            "purpose": "joint review 7",
            "issued_ms": now,
            "not_before_ms": now - 1,
            "not_after_ms": now + DAY_MS,
        }
        document = grant_document(Terms(**(fields | changes)))
        return decode_grant(signed(document, Typ.AUDIT_GRANT, *(signers or parties(TN))).encode())

    def hold(self, *signers: SigningKey, of: OrgName = TN, **changes: Any) -> LegalHold:  # noqa: ANN401 - fields of a hold
        fields: dict[str, Any] = {
            "hold": b"h" * 16,
            "organisation": of,
            "rooms": (self.found.room,),
            "since_ms": 0,
            "reference": bytes(16),
            "issued_ms": self.log.now_ms,
        }
        document = hold_document(**(fields | changes))
        return decode_hold(signed(document, Typ.LEGAL_HOLD, *(signers or parties(of))).encode())

    def put(self, document: AuditGrant | LegalHold, *chains: RoomId, **changes: object) -> int:
        """Log it as a relay does: with its organisations and in the custody of its rooms; or where it is said."""
        grant = isinstance(document, AuditGrant)
        names = (document.auditor, document.granting) if isinstance(document, AuditGrant) else (document.organisation,)
        homes = [audit_chain(name) for name in names if name is not None]
        homes += [custody_chain(room) for room in document.rooms]
        at = [
            self.log.append(
                LeafType.AUDIT_GRANT if grant else LeafType.LEGAL_HOLD,
                chain,
                document.endorsed.record,
                document.endorsed.encode(),
                **changes,
            )
            for chain in chains or homes
        ]
        return at[0]

    def read(
        self, auditor: Device = AUDITOR_MA, grant: bytes | None = b"g" * 16, chain: RoomId | None = None
    ) -> int:  # fmt: skip
        order = ReadingOrder(
            first=0,
            until=self.log.size,
            ordered_at_ms=self.log.now_ms,
            nonce=bytes(16),
            grant=None if grant is None else GrantId(grant),
        )
        home = audit_chain(auditor.certificate.organisation)
        return self.log.append(LeafType.AUDIT_READ, chain or home, sign_order(order, auditor.key))

    def erasure(self, *places: int, by: SigningKey = x.RELAY_KEY, chain: RoomId | None = None, **changes: Any) -> int:  # noqa: ANN401 - fields of the statement
        room = self.found.room
        leaves = {leaf.room_seq: leaf for leaf in self.log.leaves if leaf.room == room}
        digest = erased_digest((place, decode_envelope(leaves[place].object).id) for place in places)
        fields: dict[str, Any] = {
            "room": room,
            "places": places,
            "digest": digest,
            "cause": Cause.ROOM,
            "erased_at_ms": self.log.now_ms,
        }
        statement = ContentErasure(**(fields | changes))
        return self.log.append(LeafType.ERASURE, chain or custody_chain(room), sign_erasure(statement, by))

    def custody(self, name: str = "small") -> RoomId:
        return custody_chain(getattr(self.found, name))

    def refused_at(self, index: object) -> set[str]:
        """Why a document is refused, where it stands first as in each further chain."""
        found = self.codes()
        assert found[0][0] == index
        return {code for _, code in found}

    def codes(self, **options: Any) -> list[tuple[int | None, str]]:  # noqa: ANN401 - as `examined`
        return faults(examined(self.log, **options))


def forgotten(held: Held, *signers: SigningKey, by: OrgName = TN, of: OrgName = TN) -> int:
    subject = OFFICER_TN.certificate.subject
    document = person_erasure_document(organisation=of, subject=subject, now_ms=held.log.now_ms)
    made = signed(document, Typ.ERASURE, *(signers or parties(by)))
    return held.log.append(LeafType.ERASURE, CONTROL, made.record, made.encode())


def roster_without(held: Held, *gone: OrgName, version: int = 9, **changes: object) -> int:
    """A roster that does not name some organisations any more."""
    left = [name for name in x.NAMES if name not in gone]
    document = x.roster_document(version, organisations=tuple(x.nation(name).member for name in left))
    made = x.endorsed(document, *x.custodians(*left))
    return held.log.append(LeafType.ROSTER, CONTROL, made.record, made.encode(), **changes)
