"""Certificates, enrolment keys, revocations and rosters on their way into the control stream.

Each proves itself: it does not matter who brings it. What changes nothing any more is not logged again.
"""

from __future__ import annotations

from typing import Final

from amanah_protocol import cose, frames, identity, revocation, roster
from amanah_protocol.endorse import Endorsed, verify_threshold
from amanah_protocol.errors import Code, DecodeError, PeerError, RefusedError, VerifyError
from amanah_protocol.identity import Certificate, Enrolment, Role
from amanah_protocol.limits import KIB
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import CONTROL
from amanah_relay.core import custody
from amanah_relay.core.acknowledgement import acknowledge_again
from amanah_relay.core.checks import check_enrolment_key, check_valid
from amanah_relay.core.clients import Client
from amanah_relay.core.parts import Books, Parts
from amanah_relay.core.replies import Publisher
from amanah_relay.core.sequencer import Draft, Unit, object_key
from amanah_relay.effects import SessionId
from amanah_relay.quotas import Charge, Claim, Rate, Scope
from amanah_relay.state import Device, RelayState

_ALWAYS_MS: Final = 2**63 - 1
_READ_ONLY_MS: Final = 14 * 86_400_000
"""An expired device still reads for so long; then members remove it (`protocol.md` section 1)."""
_MAX_BYTES: Final = {
    LeafType.CERTIFICATE: 2 * KIB,
    LeafType.ENROLMENT: 2 * KIB,
    LeafType.REVOCATION: 4 * KIB,
    LeafType.ROSTER: 128 * KIB,
    LeafType.AUDIT_GRANT: 32 * KIB,
    LeafType.LEGAL_HOLD: 4 * KIB,
    LeafType.ERASURE: 4 * KIB,
}
"""A document may carry signatures that nobody asked for, and all clients are sent it."""
_ROSTER_ROLES: Final = (Role.OFFICER, Role.OPERATOR)


def check_chain(state: RelayState, certificate: Certificate, enrolment: Enrolment, at_ms: int) -> None:
    """Everything from the roster down to the device holds at a time.

    Raises:
        DecodeError: The device's request inside the certificate does not parse.
        RefusedError: `FOREIGN_DEVICE` or `REVOKED`.
        VerifyError: as `roster.verify_certificate`.
    """
    known = state.devices.get(certificate.device_id)
    if known is not None and known.certificate.organisation != certificate.organisation:
        raise RefusedError(Code.FOREIGN_DEVICE, f"the device belongs to {known.certificate.organisation}")
    # Else the name of who wrote what is held could be forgotten, once the device has another pseudonym.
    if known is not None and known.certificate.subject != certificate.subject:
        raise RefusedError(Code.FOREIGN_DEVICE, "the device was certified for another person before")
    if known is not None and known.revoked_index is not None:
        raise RefusedError(Code.REVOKED, "the device was revoked")
    check_enrolment_key(state, enrolment)
    roster.verify_certificate(certificate, enrolment, state.roster, at_ms=at_ms)


def check_login_chain(state: RelayState, certificate: Certificate, enrolment: Enrolment, at_ms: int) -> None:
    """As `check_chain`, but a logged certificate that has expired lately still serves for reading.

    Raises:
        DecodeError: as `check_chain`.
        RefusedError: as `check_chain`.
        VerifyError: as `check_chain`.
    """
    known = state.devices.get(certificate.device_id)
    is_logged = known is not None and known.certificate.hash == certificate.hash
    lately = certificate.not_after_ms < at_ms <= certificate.not_after_ms + _READ_ONLY_MS
    check_chain(state, certificate, enrolment, certificate.not_after_ms if is_logged and lately else at_ms)


def log_chain(parts: Parts, certificate: Certificate, enrolment: Enrolment, now_ms: int) -> Unit | None:
    """Log what is new of a chain that `check_login_chain` let pass.

    Returns:
        What has to be durable before the login ends; None when all of it is.

    Raises:
        RefusedError: `RATE`.
    """
    books = parts.loaded()
    state = books.state
    known = state.devices.get(certificate.device_id)
    new_certificate = known is None or _is_newer(certificate, known.certificate)
    new_enrolment = _is_news(state, enrolment)
    if not new_certificate and not new_enrolment:
        newest = certificate if known is None else known.certificate
        place = books.sequencer.pending.get(object_key(newest.encoded))
        return None if place is None else place[0]
    limits = parts.limits
    rate = Rate(per_ms=limits.control_per_minute / 60_000, burst=limits.control_burst)
    charges = parts.quotas.charge([Claim(Scope.LOGINS_LOGGED, certificate.organisation, rate)], now_ms)
    unit = Unit(at_ms=books.at_ms(now_ms), until_ms=enrolment.not_after_ms, charges=charges)
    if new_enrolment:
        _log_enrolment(books, unit, enrolment)
    if new_certificate:
        _log_certificate(books, unit, certificate)
    books.enqueue(unit)
    return unit


def submit(parts: Parts, client: Client, frame: frames.Submit, now_ms: int) -> None:
    """Take a control object from a logged-in device.

    Raises:
        AmanahError: Why it is not logged.
    """
    parts.check_open()
    books = parts.loaded()
    if frame.type not in _MAX_BYTES:
        raise DecodeError(Code.BAD_TYPE, f"type {frame.type} is not submitted")
    leaf_type = LeafType(frame.type)
    if len(frame.object) > _MAX_BYTES[leaf_type]:
        raise DecodeError(Code.TOO_LARGE, f"at most {_MAX_BYTES[leaf_type]} bytes are logged of this type")
    key = object_key(frame.object)
    place = books.sequencer.pending.get(key)
    if place is not None:
        unit, position = place
        unit.waiters.append(_publisher(client.session, frame.request, position))
        return
    settled = books.ledger.recent.get(key)
    if settled is not None:
        acknowledge_again(parts.out, books.ledger, client.session, frame.request, [settled])
        return
    # By device: one in wrong hands must not use up what its organisation needs to revoke it.
    charge_submission(parts, client, now_ms)
    new = _admit(books, client, leaf_type, frame.object, books.at_ms(now_ms))
    if new is None:
        parts.out.send(client.session, frames.Done(request=frame.request))
        return
    new.waiters.append(_publisher(client.session, frame.request, 0))
    books.enqueue(new)


def charge_submission(parts: Parts, client: Client, now_ms: int) -> list[Charge]:
    """What a device brings for the log is counted, whether or not it is taken.

    Raises:
        RefusedError: `RATE`.
    """
    limits = parts.limits
    rate = Rate(per_ms=limits.submissions_per_minute / 60_000, burst=limits.submissions_burst)
    return parts.quotas.charge([Claim(Scope.SUBMISSIONS, client.device, rate)], now_ms)


def _publisher(session: SessionId, request: int, position: int) -> Publisher:
    return Publisher(session=session, request=request, positions=(position,))


def _admit(  # noqa: PLR0911 - one case for each type
    books: Books, client: Client, leaf_type: LeafType, data: bytes, at_ms: int
) -> Unit | None:
    """Check and apply one object; None when it says nothing new."""
    match leaf_type:
        case LeafType.CERTIFICATE:
            return _admit_certificate(books, identity.decode_certificate(data), at_ms)
        case LeafType.ENROLMENT:
            return _admit_enrolment(books, identity.decode_enrolment(data), at_ms)
        case LeafType.ROSTER:
            return _admit_roster(books, client, roster.decode_roster(data), at_ms)
        case LeafType.AUDIT_GRANT:
            return custody.admit_grant(books, data, at_ms)
        case LeafType.LEGAL_HOLD:
            return custody.admit_hold(books, data, at_ms)
        case LeafType.ERASURE:
            return custody.admit_forgotten(books, data, at_ms)
        case _ if data[:1] == cose.TAG:
            return _admit_revocation(books, revocation.decode_revocation(data), at_ms)
        case _:  # the root's withdrawal of an enrolment key has the same leaf type
            return _admit_enrolment_revocation(books, revocation.decode_enrolment_revocation(data), at_ms)


def _admit_certificate(books: Books, certificate: Certificate, at_ms: int) -> Unit | None:
    state = books.state
    enrolment = state.enrolments.get(certificate.issuer)
    if enrolment is None:
        raise VerifyError(Code.CERTIFICATE, "the enrolment key that signed is not logged; submit its certificate first")
    check_chain(state, certificate, enrolment, at_ms)
    known = state.devices.get(certificate.device_id)
    if known is not None and known.certificate.hash == certificate.hash:
        return None
    if known is not None and not _is_newer(certificate, known.certificate):
        raise RefusedError(Code.ROLLBACK, "a newer certificate of the device is logged")
    unit = Unit(at_ms=at_ms, until_ms=enrolment.not_after_ms)
    _log_certificate(books, unit, certificate)
    return unit


def _admit_enrolment(books: Books, enrolment: Enrolment, at_ms: int) -> Unit | None:
    state = books.state
    check_enrolment_key(state, enrolment)
    roster.verify_enrolment(enrolment, state.roster, at_ms=at_ms)
    if not _is_news(state, enrolment):
        return None
    unit = Unit(at_ms=at_ms, until_ms=enrolment.not_after_ms)
    _log_enrolment(books, unit, enrolment)
    return unit


def _admit_revocation(books: Books, revoked: revocation.Revocation, at_ms: int) -> Unit | None:
    state = books.state
    enrolment = state.enrolments.get(revoked.issuer)
    device = state.devices.get(revoked.device)
    if device is None:
        raise RefusedError(Code.NOT_FOUND, "the device is not logged; submit its certificate first")
    organisations = {revoked.organisation, device.certificate.organisation}
    if enrolment is None or organisations != {enrolment.organisation}:
        raise VerifyError(Code.CERTIFICATE, "a device is revoked by an enrolment key of its own organisation")
    check_enrolment_key(state, enrolment)
    roster.verify_enrolment(enrolment, state.roster, at_ms=at_ms)
    revocation.verify_revocation(revoked, enrolment.public_key)
    if device.revoked_index is not None and revoked.compromised_since_ms is None:
        return None
    unit = Unit(at_ms=at_ms, until_ms=enrolment.not_after_ms)
    index = books.sequencer.next_index if device.revoked_index is None else device.revoked_index
    state.devices[revoked.device] = Device(certificate=device.certificate, revoked_index=index)
    _log(state, unit, LeafType.REVOCATION, revoked.encoded)
    return unit


def _admit_enrolment_revocation(books: Books, revoked: revocation.EnrolmentRevocation, at_ms: int) -> Unit | None:
    state = books.state
    organisation = state.roster.value.organisation(revoked.organisation)
    enrolment = state.enrolments.get(revoked.enrolment)
    if enrolment is None or enrolment.organisation != revoked.organisation:
        raise RefusedError(Code.NOT_FOUND, f"no such enrolment key of {revoked.organisation} is logged")
    revocation.verify_enrolment_revocation(revoked, organisation)
    if revoked.enrolment in state.revoked_enrolments:
        return None
    unit = Unit(at_ms=at_ms, until_ms=_ALWAYS_MS)
    state.revoked_enrolments.add(revoked.enrolment)
    _log_endorsed(state, unit, LeafType.REVOCATION, revoked.endorsed)
    return unit


def _admit_roster(books: Books, client: Client, found: roster.Roster, at_ms: int) -> Unit | None:
    state = books.state
    if check_valid(state, client.device, at_ms).role not in _ROSTER_ROLES:
        raise RefusedError(Code.ROLE, "officers and operators submit rosters")
    verified = roster.verify_roster(found, state.roster, now_ms=at_ms)
    if found.endorsed.document == state.roster.value.endorsed.document:
        return None
    unit = Unit(at_ms=at_ms, until_ms=found.expires_ms)
    state.roster = verified
    find_unrooted(state)
    _log_endorsed(state, unit, LeafType.ROSTER, found.endorsed)
    return unit


def find_unrooted(state: RelayState) -> None:
    """Hold the logged enrolment keys against the roots of the newest roster.

    A roster that replaces a stolen root ends with it what that root had endorsed (T10).
    """
    members = state.roster.value.by_name
    state.unrooted = {
        key
        for key, enrolment in state.enrolments.items()
        if not _is_endorsed(enrolment, members.get(enrolment.organisation))
    }


def _is_endorsed(enrolment: Enrolment, organisation: roster.Organisation | None) -> bool:
    if organisation is None:
        return False
    try:
        verify_threshold(enrolment.endorsed, organisation.roots, organisation.threshold)
    except PeerError:
        return False
    return True


def _is_newer(certificate: Certificate, logged: Certificate) -> bool:
    """Whether it takes the place of the logged one; an older one that is still valid takes nothing back."""
    # A total order: else two certificates of one time could take turns in the log without end.
    return (certificate.not_before_ms, certificate.hash) > (logged.not_before_ms, logged.hash)


def _is_news(state: RelayState, enrolment: Enrolment) -> bool:
    known = state.enrolments.get(enrolment.key_id)
    # After a change of roots the same enrolment may come again, endorsed by the new ones.
    return known is None or enrolment.not_before_ms > known.not_before_ms or enrolment.key_id in state.unrooted


def _log_certificate(books: Books, unit: Unit, certificate: Certificate) -> None:
    books.state.devices[certificate.device_id] = Device(certificate=certificate)
    unit.until_ms = min(unit.until_ms, certificate.not_after_ms)
    _log(books.state, unit, LeafType.CERTIFICATE, certificate.encoded)


def _log_enrolment(books: Books, unit: Unit, enrolment: Enrolment) -> None:
    books.state.add_enrolment(enrolment)
    books.state.unrooted.discard(enrolment.key_id)
    _log_endorsed(books.state, unit, LeafType.ENROLMENT, enrolment.endorsed)


def _log_endorsed(state: RelayState, unit: Unit, leaf_type: LeafType, endorsed: Endorsed) -> None:
    _log(state, unit, leaf_type, endorsed.record, endorsed.encode())


def _log(state: RelayState, unit: Unit, leaf_type: LeafType, signed: bytes, document: bytes | None = None) -> None:
    state.control.head_seq += 1
    unit.drafts.append(
        Draft(
            key=object_key(signed if document is None else document),
            type=leaf_type,
            room=CONTROL,
            room_seq=state.control.head_seq,
            object=signed,
            document=document,
        )
    )
