"""The objects of the control stream: decoded, verified at the time of their acceptance, recorded.

Decoding and recording happen again when a stored stream is loaded; verifying happens once, before
an entry is stored.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from amanah_client.core.directory import Directory
from amanah_protocol import endorse, limits
from amanah_protocol.cose import Typ
from amanah_protocol.custody.erasures import PersonErasure, decode_person_erasure, verify_person_erasure
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.identity import Certificate, Enrolment, check_validity, decode_certificate, decode_enrolment
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.revocation import (
    EnrolmentRevocation,
    Revocation,
    decode_enrolment_revocation,
    decode_revocation,
    verify_enrolment_revocation,
    verify_revocation,
)
from amanah_protocol.roster import Roster, decode_roster, verify_certificate, verify_enrolment
from amanah_protocol.types import KeyId, OrgName
from amanah_protocol.verified import Verified

Recorded: TypeAlias = Certificate | Enrolment | Revocation | EnrolmentRevocation | PersonErasure
ControlObject: TypeAlias = Recorded | Roster


def decode_object(leaf_type: int, data: bytes, document: bytes | None) -> ControlObject:
    """Decode an entry's object; a document beside it must be the one that the leaf names.

    Args:
        leaf_type: `LeafType` as a number.
        data: The leaf's object: a COSE_Sign1, or `Endorsed.record`.
        document: `Endorsed.encode()` for a type with several signatures, else None.

    Raises:
        DecodeError: It does not parse, or is of a type that does not belong here.
        VerifyError: `CONTENT_HASH`: the document is another one.
    """
    if document is None:
        match leaf_type:
            case LeafType.CERTIFICATE:
                return decode_certificate(data)
            case LeafType.REVOCATION:
                return decode_revocation(data)
        raise DecodeError(Code.BAD_TYPE, "an entry of the control stream lacks its document")
    if endorse.decode_endorsed(document).record != data:
        raise VerifyError(Code.CONTENT_HASH, "the document is not the one that the log names")
    match leaf_type:
        case LeafType.ENROLMENT:
            return decode_enrolment(document)
        case LeafType.REVOCATION:
            return decode_enrolment_revocation(document)
        case LeafType.ROSTER:
            return decode_roster(document)
        case LeafType.ERASURE:
            return decode_person_erasure(document)
    raise DecodeError(Code.BAD_TYPE, "a document of a type that has none in the control stream")


def organisation_of(value: ControlObject) -> OrgName | None:
    """Whose object it is; None for a roster."""
    return None if isinstance(value, Roster) else value.organisation


def verify_object(
    value: Recorded,
    directory: Directory,
    roster: Verified[Roster],
    *,
    at_ms: int,
) -> None:
    """The organisation made it, with keys that stood at this time.

    Raises:
        DecodeError: A part does not parse.
        VerifyError: `CERTIFICATE`, `THRESHOLD`, `KEY_ID`, `SIGNATURE`, `EXPIRED` or `REVOKED`.
    """
    match value:
        case Enrolment():
            verify_enrolment(value, roster, at_ms=at_ms)
        case Certificate():
            # A withdrawn enrolment key certifies nobody from its place in the log on.
            verify_certificate(value, directory.enrolment(value.issuer), roster, at_ms=at_ms)
        case Revocation():
            _verify_revocation(value, directory, at_ms)
        case EnrolmentRevocation():
            _verify_withdrawal(value, directory, roster)
        case PersonErasure():
            _verify_person_erasure(value, directory, roster, at_ms)
        case _:
            assert_never(value)


def _verify_revocation(value: Revocation, directory: Directory, at_ms: int) -> None:
    enrolment = directory.enrolment(value.issuer)
    # An organisation revokes its own devices; nobody else's, whatever key it holds.
    if not enrolment.organisation == value.organisation == directory.organisation(value.device):
        raise VerifyError(Code.CERTIFICATE, "a revocation of a device that is not the organisation's")
    check_validity(enrolment.not_before_ms, enrolment.not_after_ms, limits.ENROLMENT_MS, at_ms)
    verify_revocation(value, enrolment.public_key)


def _verify_withdrawal(value: EnrolmentRevocation, directory: Directory, roster: Verified[Roster]) -> None:
    if directory.enrolment(value.enrolment).organisation != value.organisation:
        raise VerifyError(Code.CERTIFICATE, "an enrolment key of another organisation is withdrawn")
    verify_enrolment_revocation(value, roster.value.organisation(value.organisation))


def _verify_person_erasure(
    value: PersonErasure, directory: Directory, roster: Verified[Roster], at_ms: int
) -> None:  # fmt: skip
    named = (KeyId(kid) for kid in endorse.named_signers(value.endorsed, Typ.ERASURE))
    # An organisation forgets its own people; nobody else's name may be taken from the record by it.
    own = [key for key in named if key in directory.enrolments and _is_of(directory, key, value.organisation)]
    if not own:
        raise VerifyError(Code.CERTIFICATE, f"no enrolment key of {value.organisation} that is logged has signed")
    enrolment = directory.enrolment(own[0])
    check_validity(enrolment.not_before_ms, enrolment.not_after_ms, limits.ENROLMENT_MS, at_ms)
    verify_person_erasure(value, enrolment, roster)


def _is_of(directory: Directory, key: KeyId, organisation: OrgName) -> bool:
    return directory.enrolments[key].enrolment.organisation == organisation


def record_object(value: Recorded, directory: Directory, index: int) -> None:
    """Record a verified object at its place in the log.

    Raises:
        VerifyError: `FOREIGN_DEVICE`.
    """
    match value:
        case Enrolment():
            directory.add_enrolment(value, index)
        case Certificate():
            directory.add_certificate(value, index)
        case Revocation():
            directory.revoke_device(value.device, index)
        case EnrolmentRevocation():
            directory.revoke_enrolment(value.enrolment, index)
        case PersonErasure():
            directory.forgotten.add((value.organisation, value.subject))
        case _:
            assert_never(value)
