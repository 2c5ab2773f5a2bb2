"""Legal holds: while one stands, neither retention nor an `erase` drops a room's content.

Placed and released by two parties (`parties`) of an organisation that is in the room. The reason is a reference
that means something to them alone: the log is for ever, and other nations read it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from amanah_protocol import cbor, endorse, limits
from amanah_protocol.cose import Typ
from amanah_protocol.custody.parties import verify_two_parties
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.identity import Enrolment
from amanah_protocol.names import decode_organisation
from amanah_protocol.roster import Roster
from amanah_protocol.types import HoldId, OrgName, RoomId
from amanah_protocol.verified import Verified

PURPOSE: Final = "amanah/legal-hold/1"
_PLACED: Final = 1
_RELEASED: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LegalHold:
    """What is held, or no longer.

    Attributes:
        id: 16 random bytes.
        organisation: Who holds it.
        rooms: Rooms, ascending, 1 to 64.
        since_ms: What was accepted then or later is held.
        reference: 16 bytes that name the case to those who know it, and say nothing to others.
        issued_ms: When it was made.
        released: Whether this ends the hold of this id.
        endorsed: The document with its signatures.
    """

    id: HoldId
    organisation: OrgName
    rooms: tuple[RoomId, ...]
    since_ms: int
    reference: bytes
    issued_ms: int
    released: bool
    endorsed: Endorsed


def hold_document(
    *,
    hold: bytes,
    organisation: OrgName,
    rooms: tuple[RoomId, ...],
    since_ms: int,
    reference: bytes,
    issued_ms: int,
    released: bool = False,
) -> bytes:
    """The canonical document, ready to be signed."""
    return cbor.encode([
        PURPOSE, hold, organisation, sorted(set(rooms)), since_ms, reference, issued_ms,
        _RELEASED if released else _PLACED,
    ])  # fmt: skip


def release_document(hold: LegalHold, *, now_ms: int) -> bytes:
    """The document that releases a hold."""
    return hold_document(
        hold=hold.id,
        organisation=hold.organisation,
        rooms=hold.rooms,
        since_ms=hold.since_ms,
        reference=hold.reference,
        issued_ms=max(now_ms, hold.issued_ms + 1),
        released=True,
    )


def decode_hold(data: bytes) -> LegalHold:
    """Decode a hold or its release; signatures are not verified here.

    Raises:
        DecodeError: It does not parse.
    """
    endorsed = endorse.decode_endorsed(data, max_bytes=limits.MAX_CUSTODY_BYTES)
    f = cbor.Fields(cbor.decode(endorsed.document, max_bytes=limits.MAX_CUSTODY_BYTES), 8, "legal hold")
    endorse.check_purpose(f, PURPOSE)
    hold = LegalHold(
        id=HoldId(f.fixed(16)),
        organisation=decode_organisation(f),
        rooms=tuple(RoomId(room) for room in f.sorted_array(16, limits.MAX_GRANTED_ROOMS)),
        since_ms=f.uint(),
        reference=f.fixed(16),
        issued_ms=f.uint(),
        released=_is_release(f.uint(_RELEASED)),
        endorsed=endorsed,
    )
    if not hold.rooms:
        raise DecodeError(Code.BAD_TYPE, "a legal hold names its rooms")
    return hold


def verify_hold(hold: LegalHold, enrolment: Enrolment, roster: Verified[Roster]) -> Verified[LegalHold]:
    """Two parties of the organisation signed it; that it is in the rooms is the caller's check.

    Raises:
        DecodeError: A signature was made for something else.
        VerifyError: `THRESHOLD`, `CERTIFICATE`, `SIGNATURE` or `BINDING`.
    """
    organisation = roster.value.organisation(hold.organisation)
    verify_two_parties(hold.endorsed, Typ.LEGAL_HOLD, enrolment=enrolment, organisation=organisation)
    return Verified(hold)


def check_releases(hold: LegalHold, before: LegalHold) -> None:
    """A second document of one id releases the first and says nothing else.

    Raises:
        VerifyError: `ROLLBACK`.
    """
    same = replace(hold, issued_ms=before.issued_ms, released=before.released, endorsed=before.endorsed)
    if same != before or before.released or not hold.released or hold.issued_ms <= before.issued_ms:
        raise VerifyError(Code.ROLLBACK, "a hold of this id was logged, and this is not its release")


def _is_release(state: int) -> bool:
    if state not in (_PLACED, _RELEASED):
        raise DecodeError(Code.BAD_TYPE, "a legal hold is placed or released")
    return state == _RELEASED
