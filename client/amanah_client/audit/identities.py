"""Who is who, recomputed from the control stream alone: rosters, enrolment keys, certificates, revocations.

Every object is judged as of its place in the log and the relay's time of its acceptance. What the log
says of rosters is worth as much as its link to a roster that the auditor trusts: either a trusted
roster stands in the log before, so that each later one is signed by the threshold of the one before
it, or the organisation's root keys are the same in a trusted one. Anything else is said.
"""

from __future__ import annotations

from collections.abc import Iterable

from amanah_client.audit.register import Register
from amanah_client.audit.report import Findings, Who
from amanah_protocol.cose import TAG, Typ
from amanah_protocol.custody.erasures import decode_person_erasure, verify_person_erasure
from amanah_protocol.endorse import named_signers
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.identity import Certificate, Enrolment, decode_certificate, decode_enrolment
from amanah_protocol.limits import CLOCK_WINDOW_MS
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.revocation import (
    decode_enrolment_revocation,
    decode_revocation,
    verify_enrolment_revocation,
    verify_revocation,
)
from amanah_protocol.rooms import Standing
from amanah_protocol.roster import (
    Organisation,
    Roster,
    decode_roster,
    verify_certificate,
    verify_enrolment,
    verify_roster,
)
from amanah_protocol.types import DeviceId, KeyId, OrgName
from amanah_protocol.verified import Verified


class Identities:
    """Rosters, enrolment keys, certificates and revocations, as far as the log was read."""

    def __init__(self, trusted: tuple[Verified[Roster], ...], findings: Findings, register: Register) -> None:
        """Begin before the first entry.

        Args:
            trusted: Rosters that the auditor trusts, ascending by version, at least one.
            findings: Where a doubt is noted that does not keep an object from being used.
            register: Where devices are put.
        """
        self._trusted = trusted
        self._findings = findings
        self._register = register
        self._known = False
        """Whether what is added was examined before: findings and register have it already."""
        self._standings: dict[DeviceId, Standing] = {}
        self._logged: Verified[Roster] | None = None
        self._descends = False
        self._enrolments: dict[KeyId, Enrolment] = {}
        # Each with whose word it is: else others could end a key or a device before its own organisation logs it.
        self.withdrawn: set[tuple[OrgName, KeyId]] = set()
        """Enrolment keys that an organisation's root has withdrawn; of other organisations they stand."""
        self._organisations: dict[DeviceId, OrgName] = {}
        self._certificates: dict[DeviceId, Certificate] = {}
        self._revoked: set[tuple[OrgName, DeviceId]] = set()
        self._compromised: dict[tuple[OrgName, DeviceId], int] = {}

    @property
    def compromised(self) -> dict[DeviceId, int]:
        """Device -> the earliest time since which its organisation says that its key was in wrong hands."""
        owner, said = self._organisations, self._compromised
        return {device: since for (name, device), since in said.items() if owner.get(device, name) == name}

    @property
    def roster(self) -> Verified[Roster]:
        """The roster in force at this place of the log; the newest trusted one before any was logged."""
        return self._logged or self._trusted[-1]

    def add(self, index: int, leaf: Leaf, document: bytes | None) -> None:
        """Verify and record the next entry of the control stream.

        Args:
            index: Its log index.
            leaf: Its entry.
            document: The endorsed document that travels beside it; None for what one key signed.

        Raises:
            PeerError: The object does not hold; nothing is recorded.
        """
        self._standings.clear()
        match leaf.type:
            case LeafType.ROSTER:
                self._add_roster(index, leaf, beside(document))
            case LeafType.ENROLMENT:
                self._add_enrolment(index, leaf, beside(document))
            case LeafType.CERTIFICATE:
                check_alone(document)
                self._add_certificate(index, leaf)
            case LeafType.ERASURE:
                self._forget_person(index, leaf, beside(document))
            case _:
                self._add_revocation(index, leaf, document)

    def remember(self, index: int, leaf: Leaf, document: bytes | None) -> None:
        """Take in an entry that was examined before; if it did not hold, that was found then."""
        self._known = True
        try:
            self.add(index, leaf, document)
        except PeerError:
            pass
        finally:
            self._known = False

    def standing(self, device: DeviceId) -> Standing | None:
        """What the log says of a device up to here; None when no certificate of it is logged."""
        found = self._standings.get(device)
        if found is not None:
            return found
        certificate = self._certificates.get(device)
        if certificate is None:
            return None
        name = certificate.organisation
        revoked = (name, device) in self._revoked or (name, certificate.issuer) in self.withdrawn
        made = self._standings[device] = Standing(certificate=certificate, revoked=revoked)
        return made

    def standings(self, devices: Iterable[DeviceId]) -> dict[DeviceId, Standing]:
        """The same for several; those without a certificate are left out."""
        found = ((device, self.standing(device)) for device in devices)
        return {device: standing for device, standing in found if standing is not None}

    def who(self, device: DeviceId) -> Who:
        """A device for people."""
        certificate = self._certificates.get(device)
        if certificate is None:
            return Who(device=device, organisation=OrgName(""), subject=None, role=None)
        return Who(
            device=device,
            organisation=certificate.organisation,
            subject=certificate.subject,
            role=certificate.role,
        )

    def signing_enrolment(self, keys: Iterable[KeyId], organisation: OrgName, at_ms: int) -> Enrolment:
        """The enrolment key of an organisation among these, in force at this time.

        Raises:
            VerifyError: `CERTIFICATE`, `REVOKED`, `THRESHOLD` or `EXPIRED`.
        """
        for key in keys:
            known = self._enrolments.get(key)
            if known is not None and known.organisation == organisation:
                enrolment = self._enrolment(key)
                verify_enrolment(enrolment, self.roster, at_ms=at_ms)
                return enrolment
        raise VerifyError(Code.CERTIFICATE, f"no enrolment key of {organisation} that was logged before has signed")

    def check_usable(self, device: DeviceId, at_ms: int) -> Certificate:
        """The device's newest logged certificate allows it to sign something at this time.

        Raises:
            VerifyError: `CERTIFICATE`, `REVOKED` or `EXPIRED`.
        """
        standing = self.standing(device)
        if standing is None:
            raise VerifyError(Code.CERTIFICATE, "no certificate of this device stands in the log before")
        if standing.revoked:
            raise VerifyError(Code.REVOKED, "the device, or the key that certified it, was revoked before")
        if standing.certificate.organisation not in self.roster.value.by_name:
            raise VerifyError(Code.CERTIFICATE, f"{standing.certificate.organisation} is not in the roster")
        if not standing.usable(at_ms):
            raise VerifyError(Code.EXPIRED, "the certificate is not valid at the time of acceptance")
        return standing.certificate

    def _add_roster(self, index: int, leaf: Leaf, document: bytes) -> None:
        roster = decode_roster(document)
        check_record(leaf, roster.endorsed.record)
        before = self.roster.value.by_name
        self._logged = verify_roster(roster, self._logged, now_ms=leaf.accepted_at_ms)
        if not self._known:
            self._register.put_departed(index, leaf.accepted_at_ms, before.keys() - roster.by_name, roster.by_name)
        self._descends = self._descends or any(
            trusted.value.endorsed.document == roster.endorsed.document for trusted in self._trusted
        )

    def _add_enrolment(self, index: int, leaf: Leaf, document: bytes) -> None:
        enrolment = decode_enrolment(document)
        check_record(leaf, enrolment.endorsed.record)
        verify_enrolment(enrolment, self.roster, at_ms=leaf.accepted_at_ms)
        self._check_anchored(index, self.roster.value.organisation(enrolment.organisation))
        known = self._enrolments.get(enrolment.key_id, enrolment)
        # Else one organisation could take another's key for its own, and revoke with it.
        if known.organisation != enrolment.organisation:
            raise VerifyError(Code.FOREIGN_DEVICE, f"the enrolment key belongs to {known.organisation}")
        self._enrolments[enrolment.key_id] = enrolment.with_endorsers_of(known)

    def _add_certificate(self, index: int, leaf: Leaf) -> None:
        certificate = decode_certificate(leaf.object)
        enrolment = self._enrolment(certificate.issuer)
        verify_certificate(certificate, enrolment, self.roster, at_ms=leaf.accepted_at_ms)
        device = certificate.device_id
        first = self._organisations.get(device, certificate.organisation)
        # A device id belongs to one organisation for ever: a second one could speak in its name.
        if first != certificate.organisation:
            raise VerifyError(Code.FOREIGN_DEVICE, f"{certificate.organisation} certified a key of {first}")
        # And to one person: else the name of who wrote what is held could be forgotten under another pseudonym.
        if self._certificates.get(device, certificate).subject != certificate.subject:
            raise VerifyError(Code.FOREIGN_DEVICE, f"{first} certified a key of one person for another")
        if (first, device) in self._revoked:
            raise VerifyError(Code.REVOKED, "a device is certified after its organisation revoked it")
        self._organisations[device], self._certificates[device] = first, certificate
        if not self._known:
            row = self._register.device(device)
            row.organisation, row.subject = certificate.organisation, certificate.subject
            row.role, row.certified = int(certificate.role), index
            # Whoever revoked it before is not its organisation.
            row.revoked = row.compromised_ms = None
            self._register.put_device(row)

    def _add_revocation(self, index: int, leaf: Leaf, document: bytes | None) -> None:
        # One key signs the revocation of a device; that of an enrolment key is a document endorsed by the root.
        if leaf.object[:1] == TAG:
            check_alone(document)
            self._revoke_device(index, leaf)
        else:
            self._withdraw_enrolment(leaf, beside(document))

    def _revoke_device(self, index: int, leaf: Leaf) -> None:
        revocation = decode_revocation(leaf.object)
        enrolment = self._enrolment(revocation.issuer)
        verify_enrolment(enrolment, self.roster, at_ms=leaf.accepted_at_ms)
        verify_revocation(revocation, enrolment.public_key)
        owner = self._organisations.get(revocation.device, revocation.organisation)
        if not enrolment.organisation == revocation.organisation == owner:
            raise VerifyError(Code.FOREIGN_DEVICE, "an organisation revokes devices of its own only")
        ended = revocation.organisation, revocation.device
        self._revoked.add(ended)
        since = revocation.compromised_since_ms
        if since is not None:
            self._compromised[ended] = min(since, self._compromised.get(ended, since))
        if self._known:
            return
        row = self._register.device(revocation.device)
        row.revoked, row.compromised_ms = index, self._compromised.get(ended)
        self._register.put_device(row)
        if since is not None:
            said = (
                f"{self.who(revocation.device).text} was revoked: its key was in wrong hands before; see what it sent"
            )
            self._findings.remark(index, Code.REVOKED, said)

    def _withdraw_enrolment(self, leaf: Leaf, document: bytes) -> None:
        withdrawal = decode_enrolment_revocation(document)
        check_record(leaf, withdrawal.endorsed.record)
        verify_enrolment_revocation(withdrawal, self.roster.value.organisation(withdrawal.organisation))
        enrolment = self._enrolments.get(withdrawal.enrolment)
        if enrolment is not None and enrolment.organisation != withdrawal.organisation:
            raise VerifyError(Code.CERTIFICATE, "a root withdraws enrolment keys of its own organisation only")
        self.withdrawn.add((withdrawal.organisation, withdrawal.enrolment))

    def _forget_person(self, index: int, leaf: Leaf, document: bytes) -> None:
        erasure = decode_person_erasure(document)
        check_record(leaf, erasure.endorsed.record)
        signers = map(KeyId, named_signers(erasure.endorsed, Typ.ERASURE))
        enrolment = self.signing_enrolment(signers, erasure.organisation, leaf.accepted_at_ms)
        verify_person_erasure(erasure, enrolment, self.roster)
        check_issued(erasure.erased_at_ms, leaf.accepted_at_ms)
        if not self._known:
            self._register.put_forgotten(index, erasure)

    def _enrolment(self, key: KeyId) -> Enrolment:
        enrolment = self._enrolments.get(key)
        if enrolment is None:
            raise VerifyError(Code.CERTIFICATE, "the enrolment key that signed stands nowhere in the log before")
        if (enrolment.organisation, key) in self.withdrawn:
            raise VerifyError(Code.REVOKED, "the enrolment key that signed was withdrawn before")
        return enrolment

    def _check_anchored(self, index: int, organisation: Organisation) -> None:
        known = any(trusted.value.by_name.get(organisation.name) == organisation for trusted in self._trusted)
        if not (self._descends or known or self._known):
            # A relay can write an older roster of its own making, and let the true one follow it.
            text = f"the root keys of {organisation.name} stand in no roster that is trusted here or follows from one"
            self._findings.fault(index, Code.UNANCHORED, text)


def beside(document: bytes | None) -> bytes:
    """The document beside an entry that has one.

    Raises:
        VerifyError: `NOT_FOUND`.
    """
    if document is None:
        raise VerifyError(Code.NOT_FOUND, "the endorsed document is missing; its leaf holds the hash alone")
    return document


def check_alone(document: bytes | None) -> None:
    """Nothing stands beside an entry that one key signed.

    Raises:
        VerifyError: `BAD_TYPE`.
    """
    # Whatever is not covered by the tree would be a place to put words into a signed record.
    if document is not None:
        raise VerifyError(Code.BAD_TYPE, "a document stands beside an entry that has none")


def check_issued(issued_ms: int, at_ms: int) -> None:
    """A document was not made later than it was accepted, as clocks go.

    Raises:
        VerifyError: `CLOCK`.
    """
    if issued_ms > at_ms + CLOCK_WINDOW_MS:
        raise VerifyError(Code.CLOCK, "the document was made later than it was accepted")


def check_record(leaf: Leaf, record: bytes) -> None:
    """The leaf holds the record of the document beside it.

    Raises:
        VerifyError: `BINDING`.
    """
    if record != leaf.object:
        raise VerifyError(Code.BINDING, "the document beside the entry is not the one whose hash was logged")
