"""What two parties of an organisation sign: audit grants, legal holds, and whom it forgets.

All of it works on files and needs no network. The enrolment key lies in the organisation's own profile; a custodian
has a profile of its own with a root key of the same organisation. One profile never gives both signatures.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import Final

from amanah_client.home import Profile
from amanah_client.organisation import Issued, issued, own_card
from amanah_protocol import cards, endorse
from amanah_protocol.cose import Typ
from amanah_protocol.custody.erasures import PersonErasure, decode_person_erasure, person_erasure_document
from amanah_protocol.custody.grants import AuditGrant, Terms, decode_grant, ending_document, grant_document
from amanah_protocol.custody.holds import LegalHold, decode_hold, hold_document, release_document
from amanah_protocol.custody.parties import verify_two_parties
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import decode_enrolment
from amanah_protocol.types import GrantId, OrgName, PersonId, RoomId

_ROOT: Final = "root"
_ENROLMENT: Final = "enrolment"
_CUSTODIAN: Final = "custodian"
_CARD: Final = "organisation"
_TYPES: Final = {AuditGrant: Typ.AUDIT_GRANT, LegalHold: Typ.LEGAL_HOLD, PersonErasure: Typ.ERASURE}
FORGOTTEN: Final = "(forgotten)"
"""In place of a name that was dropped."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


# ---- custodians


def make_custodian(profile: Profile, organisation: OrgName) -> bytes:
    """Make a custodian's root key; gives what the organisation puts into its card.

    Raises:
        UsageError: `USAGE` when this profile has a root key already.
    """
    root = profile.make_key(_ROOT)
    encoded = cards.encode_custodian(organisation, root.public)
    profile.store.put_value(_CUSTODIAN, encoded)
    return encoded


def add_custodian(profile: Profile, encoded: bytes) -> int:
    """Put a custodian's key into the organisation's card, whose threshold stays; gives how many there are now.

    Raises:
        DecodeError: It does not parse.
        UsageError: `USAGE` when it is another organisation's, or there already.
    """
    card = own_card(profile)
    organisation, public = cards.decode_custodian(encoded)
    if organisation != card.organisation.name:
        detail = f"the custodian is one of {organisation}, this is {card.organisation.name}"
        raise UsageError(Code.USAGE, detail, hint="Have the key made for this organisation: `amanah org custodian`.")
    roots = card.organisation.roots
    if public in roots:
        raise UsageError(Code.USAGE, "this custodian's key is in the card already", hint="Name another file.")
    grown = replace(card.organisation, roots=tuple(sorted((*roots, public))))
    profile.store.put_value(_CARD, replace(card, organisation=grown).encode())
    return len(grown.roots)


# ---- documents of two parties


def grant(profile: Profile, terms: Terms) -> AuditGrant:
    """An audit grant of this organisation, or of the community, signed by this profile alone.

    Raises:
        DecodeError: The terms do not make sense.
        UsageError: `NO_PROFILE` when this profile is no organisation's.
    """
    card = own_card(profile)
    if terms.granting is None:
        return decode_grant(_signed(grant_document(terms), Typ.AUDIT_GRANT, profile, _ROOT).encode())
    own = replace(terms, granting=card.organisation.name)
    return decode_grant(_signed(grant_document(own), Typ.AUDIT_GRANT, profile, _ENROLMENT).encode())


def end_grant(profile: Profile, encoded: bytes) -> AuditGrant:
    """The end of a grant, signed by this profile alone.

    Raises:
        DecodeError: It is no grant.
        UsageError: `NO_PROFILE`.
    """
    before = decode_grant(encoded)
    key = _ROOT if before.granting is None else _ENROLMENT
    return decode_grant(_signed(ending_document(before, now_ms=_now_ms()), Typ.AUDIT_GRANT, profile, key).encode())


def place_hold(profile: Profile, rooms: tuple[RoomId, ...], *, since_ms: int, reference: bytes) -> LegalHold:
    """A legal hold of this organisation, signed by its enrolment key alone.

    Raises:
        DecodeError: It names no room, or too many.
        UsageError: `NO_PROFILE`.
    """
    document = hold_document(
        hold=secrets.token_bytes(16),
        organisation=own_card(profile).organisation.name,
        rooms=rooms,
        since_ms=since_ms,
        reference=reference,
        issued_ms=_now_ms(),
    )
    return decode_hold(_signed(document, Typ.LEGAL_HOLD, profile, _ENROLMENT).encode())


def release_hold(profile: Profile, encoded: bytes) -> LegalHold:
    """The release of a hold, signed by the enrolment key alone.

    Raises:
        DecodeError: It is no hold.
        UsageError: `NO_PROFILE`.
    """
    document = release_document(decode_hold(encoded), now_ms=_now_ms())
    return decode_hold(_signed(document, Typ.LEGAL_HOLD, profile, _ENROLMENT).encode())


def countersign(profile: Profile, document: AuditGrant | LegalHold | PersonErasure) -> bytes:
    """Add the second party's signature; gives the encoded document.

    Raises:
        UsageError: `USAGE` where this profile is the first party, or of another organisation; `NO_PROFILE`.
    """
    typ = _TYPES[type(document)]
    owner = document.granting if isinstance(document, AuditGrant) else document.organisation
    if owner is not None:
        _check_second(profile, owner)
    return document.endorsed.with_signature(
        endorse.endorse(document.endorsed.document, profile.key(_ROOT), typ)
    ).encode()


def new_grant_id() -> GrantId:
    """A fresh id."""
    return GrantId(secrets.token_bytes(16))


def _check_second(profile: Profile, owner: OrgName) -> None:
    # The relay tells keys apart, not people: a profile that holds both keys is where one hand would sign twice.
    if profile.has_key(_ENROLMENT):
        hint = "Hand the file to a custodian, whose profile `amanah org custodian` made."
        raise UsageError(Code.USAGE, "this profile holds the enrolment key: it is the first party", hint=hint)
    encoded = profile.store.value(_CUSTODIAN)
    if encoded is None:
        hint = "`amanah org custodian ORGANISATION` makes one."
        raise UsageError(Code.NO_PROFILE, "this profile is no custodian's", hint=hint)
    own, _ = cards.decode_custodian(encoded)
    if own != owner:
        detail = f"this custodian is one of {own}, the document is {owner}'s"
        raise UsageError(Code.USAGE, detail, hint="Hand it to a custodian of that organisation.")


def _signed(document: bytes, typ: Typ, profile: Profile, name: str) -> Endorsed:
    return Endorsed(document=document, signatures=(endorse.endorse(document, profile.key(name), typ),))


# ---- persons


def forget_person(profile: Profile, subject: PersonId) -> PersonErasure:
    """That a person's name is forgotten, signed by the enrolment key alone; nothing is dropped yet.

    Raises:
        UsageError: `NOT_FOUND` when nobody was certified under that pseudonym; `NO_PROFILE`.
    """
    organisation = own_card(profile).organisation.name
    _devices_of(profile, subject)
    document = person_erasure_document(organisation=organisation, subject=subject, now_ms=_now_ms())
    return decode_person_erasure(_signed(document, Typ.ERASURE, profile, _ENROLMENT).encode())


def drop_name(profile: Profile, encoded: bytes) -> list[Issued]:
    """Drop the name of a person from this organisation's record, on a statement that two parties have signed.

    The salt of the certificate's MAC was never kept here: it lies in the profile that the device was given. What
    stays, in the log and here, is a pseudonym and a MAC that nobody can open any more.

    Returns:
        The devices whose name was dropped.

    Raises:
        DecodeError: It is no such statement.
        VerifyError: `THRESHOLD` while one party alone has signed; `CERTIFICATE`, `SIGNATURE` or `BINDING`.
        UsageError: `NOT_FOUND` when nobody was certified under that pseudonym; `NO_PROFILE`.
    """
    card, erasure = own_card(profile), decode_person_erasure(encoded)
    enrolment = decode_enrolment(card.enrolment)
    verify_two_parties(erasure.endorsed, Typ.ERASURE, enrolment=enrolment, organisation=card.organisation)
    if erasure.organisation != card.organisation.name:
        detail = f"the statement is {erasure.organisation}'s, this is {card.organisation.name}"
        raise UsageError(Code.USAGE, detail, hint="Name a statement of this organisation.")
    devices = _devices_of(profile, erasure.subject)
    for item in devices:
        profile.store.rename_issued(item.device, FORGOTTEN)
    return devices


def _devices_of(profile: Profile, subject: PersonId) -> list[Issued]:
    devices = [item for item in issued(profile) if item.certificate.subject == subject]
    if not devices:
        hint = "`amanah org show` lists the persons."
        raise UsageError(Code.NOT_FOUND, f"nobody was certified as {subject.hex()}", hint=hint)
    return devices
