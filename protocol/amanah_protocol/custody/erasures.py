"""Erasures: what the relay has dropped, in its own signed words; and whose name an organisation has forgotten."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from amanah_protocol import cbor, cose, limits
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.names import decode_organisation
from amanah_protocol.types import KeyId, OrgName, PersonId, RoomId
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
        issuer: SHA-256 of the enrolment key that signed.
        encoded: The COSE_Sign1 as signed.
    """

    organisation: OrgName
    subject: PersonId
    erased_at_ms: int
    issuer: KeyId
    encoded: bytes


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
    _check_purpose(f, CONTENT_PURPOSE)
    return ContentErasure(
        room=RoomId(f.fixed(16)),
        places=_places(f.array(limits.MAX_ERASED_PLACES)),
        digest=f.fixed(32),
        cause=_cause(f.uint()),
        erased_at_ms=f.uint(),
    )


def issue_person_erasure(
    key: SigningKey, *, organisation: OrgName, subject: PersonId, now_ms: int
) -> PersonErasure:  # fmt: skip
    """Sign by the enrolment key that a person's profile and salt are gone."""
    return decode_person_erasure(cose.sign(Typ.ERASURE, [PERSON_PURPOSE, organisation, subject, now_ms], key))


def decode_person_erasure(data: bytes) -> PersonErasure:
    """Decode the statement; `verify_person_erasure` holds it against the enrolment key.

    Raises:
        DecodeError: It does not parse.
    """
    opened = cose.decode(data, Typ.ERASURE, max_bytes=_MAX_BYTES)
    f = cbor.Fields(opened.payload, 4, "person's erasure")
    _check_purpose(f, PERSON_PURPOSE)
    return PersonErasure(
        organisation=decode_organisation(f),
        subject=PersonId(f.fixed(16)),
        erased_at_ms=f.uint(),
        issuer=KeyId(opened.kid),
        encoded=data,
    )


def verify_person_erasure(erasure: PersonErasure, enrolment_public: bytes) -> None:
    """The enrolment key signed it; that it is the organisation's own is the caller's check.

    Raises:
        VerifyError: `KEY_ID` or `SIGNATURE`.
    """
    cose.verify_opened(cose.decode(erasure.encoded, Typ.ERASURE, max_bytes=_MAX_BYTES), enrolment_public)


def _check_purpose(f: cbor.Fields, purpose: str) -> None:
    # One type of signature for two statements: the relay's key and an enrolment key say different things by it.
    if f.text(64) != purpose:
        raise DecodeError(Code.BAD_TYPE, f"a statement {purpose!r} is wanted")


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
