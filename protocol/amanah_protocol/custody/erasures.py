"""Erasures: what the relay has dropped, in its own signed words; and whose name an organisation has forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from amanah_protocol import cbor, cose, endorse, limits
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.custody.parties import verify_two_parties
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.identity import Enrolment
from amanah_protocol.names import decode_organisation
from amanah_protocol.roster import Roster
from amanah_protocol.types import OrgName, PersonId, RoomId
from amanah_protocol.verified import Verified

CONTENT_PURPOSE: Final = "amanah/erasure/content/1"
PERSON_PURPOSE: Final = "amanah/erasure/person/1"
_MAX_BYTES: Final = 8 * limits.KIB


class Cause(IntEnum):
    """What demanded that content went; the number is the wire form.

    ROOM: The room's own policy.
    RELAY: What the relay keeps for all where a room has no policy.
    HANDSHAKE: The time of commits and welcomes is over.
    HELD: An `erase` came while a hold stood, and it stands no longer.
    """

    ROOM = 1
    RELAY = 2
    HANDSHAKE = 3
    HELD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentErasure:
    """What one step of a purge dropped in one room.

    Attributes:
        room: The room.
        places: The entries' places there, ascending, 1 to 256.
        digest: `erased_digest` of them.
        cause: What demanded it.
        erased_at_ms: The relay's time.
    """

    room: RoomId
    places: tuple[int, ...]
    digest: bytes
    cause: Cause
    erased_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonErasure:
    """An organisation has dropped a person's profile, and with it the salt of its MAC.

    Attributes:
        organisation: The organisation.
        subject: The person's pseudonym.
        erased_at_ms: Its time.
        endorsed: The document with its signatures.
    """

    organisation: OrgName
    subject: PersonId
    erased_at_ms: int
    endorsed: Endorsed


def erased_digest(erased: Iterable[tuple[int, bytes]]) -> bytes:
    """SHA-256 over (place, envelope id) of what was dropped: an id covers the payload's hash."""
    return sha256(b"amanah/erased/1" + b"".join(place.to_bytes(8, "big") + envelope for place, envelope in erased))


def sign_erasure(erasure: ContentErasure, key: SigningKey) -> bytes:
    """Sign by the relay's key."""
    body = [
        CONTENT_PURPOSE, erasure.room, list(erasure.places), erasure.digest, int(erasure.cause), erasure.erased_at_ms,
    ]  # fmt: skip
    return cose.sign(Typ.ERASURE, body, key)


def verify_erasure(data: bytes, relay_key: bytes) -> Verified[ContentErasure]:
    """Verify by the relay's key of the roster.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    cose.verify_opened(cose.decode(data, Typ.ERASURE, max_bytes=_MAX_BYTES), relay_key)
    return Verified(read_erasure(data))


def read_erasure(data: bytes) -> ContentErasure:
    """What a statement says; not verified.

    Raises:
        DecodeError: It does not parse.
    """
    f = cbor.Fields(cose.decode(data, Typ.ERASURE, max_bytes=_MAX_BYTES).payload, 6, "erasure")
    endorse.check_purpose(f, CONTENT_PURPOSE)
    return ContentErasure(
        room=RoomId(f.fixed(16)),
        places=_places(f.array(limits.MAX_ERASED_PLACES)),
        digest=f.fixed(32),
        cause=_cause(f.uint()),
        erased_at_ms=f.uint(),
    )


def person_erasure_document(*, organisation: OrgName, subject: PersonId, now_ms: int) -> bytes:
    """The canonical document, ready to be signed."""
    return cbor.encode([PERSON_PURPOSE, organisation, subject, now_ms])


def decode_person_erasure(data: bytes) -> PersonErasure:
    """Decode the statement; signatures are not verified here.

    Raises:
        DecodeError: It does not parse.
    """
    endorsed = endorse.decode_endorsed(data, max_bytes=limits.MAX_CUSTODY_BYTES)
    f = cbor.Fields(cbor.decode(endorsed.document, max_bytes=limits.MAX_CUSTODY_BYTES), 4, "person's erasure")
    endorse.check_purpose(f, PERSON_PURPOSE)
    return PersonErasure(
        organisation=decode_organisation(f), subject=PersonId(f.fixed(16)), erased_at_ms=f.uint(), endorsed=endorsed
    )


def verify_person_erasure(erasure: PersonErasure, enrolment: Enrolment, roster: Verified[Roster]) -> None:
    """Two parties of the organisation signed it; that the enrolment key is in force is the caller's check.

    Raises:
        DecodeError: A signature was made for something else.
        VerifyError: `THRESHOLD`, `CERTIFICATE`, `SIGNATURE` or `BINDING`.
    """
    organisation = roster.value.organisation(erasure.organisation)
    verify_two_parties(erasure.endorsed, Typ.ERASURE, enrolment=enrolment, organisation=organisation)


def _places(items: list[cbor.Value]) -> tuple[int, ...]:
    f = cbor.Fields(items, None, "places of an erasure")
    places = tuple(f.uint() for _ in items)
    if not places or places[0] < 1 or list(places) != sorted(set(places)):
        raise DecodeError(Code.BAD_TYPE, "an erasure names places, ascending, from 1")
    return places


def _cause(number: int) -> Cause:
    try:
        return Cause(number)
    except ValueError:
        raise DecodeError(Code.BAD_TYPE, "an erasure of an unknown cause") from None
