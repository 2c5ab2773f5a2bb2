"""Names for people, from verified certificates and profiles."""

from __future__ import annotations

from amanah_client.directory import Directory
from amanah_client.model import ControlRow
from amanah_protocol import identity, revocation
from amanah_protocol.crypto import SigningKey
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, LeafHash, OrgName, PersonId

NOW = 1_790_000_000_000
ORGANISATION = OrgName("cert.example.tn")
ENROLMENT = SigningKey(b"e" * 32)
DEVICE = SigningKey(b"d" * 32)


def rows(*objects: tuple[LeafType, bytes]) -> tuple[ControlRow, ...]:
    return tuple(
        ControlRow(
            sequence=place, index=place, type=kind, accepted_at_ms=NOW, previous=LeafHash(bytes(32)),
            hash=LeafHash(bytes(32)), object=data, document=None,
        )
        for place, (kind, data) in enumerate(objects, start=1)
    )  # fmt: skip


def certified() -> tuple[identity.Certificate, identity.Profile]:
    subject = PersonId(b"s" * 16)
    request = identity.make_request(
        DEVICE, organisation=ORGANISATION, subject=subject, role=Role.OFFICER, nonce=bytes(16), suites=(0x0003,)
    )
    profile = identity.issue_profile(
        ENROLMENT, organisation=ORGANISATION, subject=subject, name="Officer A", salt=bytes(16)
    )
    certificate = identity.issue_certificate(request, ENROLMENT, now_ms=NOW, ceiling=Label.RED, profile_mac=profile.mac)
    return certificate, profile


def test_a_device_with_a_profile_has_its_name() -> None:
    certificate, profile = certified()
    directory = Directory(rows((LeafType.CERTIFICATE, certificate.encoded)), (profile.encoded,))
    party = directory.party(certificate.device_id)
    assert party.text == "Officer A (cert.example.tn)"
    assert (party.role, party.revoked) == (Role.OFFICER, False)


def test_without_a_profile_the_pseudonym_stands_for_the_name() -> None:
    certificate, _ = certified()
    party = Directory(rows((LeafType.CERTIFICATE, certificate.encoded)), ()).party(certificate.device_id)
    assert party.name == certificate.subject.hex()[:8]


def test_a_role_is_that_of_the_certificate_that_was_logged_before_an_entry() -> None:
    officer, _ = certified()
    request = identity.make_request(
        DEVICE, organisation=ORGANISATION, subject=officer.subject, role=Role.BOT, nonce=bytes(16), suites=(0x0003,)
    )
    bot = identity.issue_certificate(request, ENROLMENT, now_ms=NOW, ceiling=Label.RED, profile_mac=bytes(32))
    directory = Directory(rows((LeafType.CERTIFICATE, officer.encoded), (LeafType.CERTIFICATE, bot.encoded)), ())
    found = [directory.party(officer.device_id, before=before).role for before in (1, 2, 3)]
    assert found == [None, Role.OFFICER, Role.BOT]
    assert directory.party(officer.device_id).role is Role.BOT


def test_an_unknown_device_is_shown_by_its_id() -> None:
    party = Directory((), ()).party(DeviceId(b"x" * 32))
    assert (party.text, party.role) == ((b"x" * 32).hex()[:16], None)


def test_a_revoked_device_is_marked() -> None:
    certificate, _ = certified()
    gone = revocation.issue_revocation(
        ENROLMENT, organisation=ORGANISATION, device=certificate.device_id, now_ms=NOW, reason="lost"
    )
    directory = Directory(rows((LeafType.CERTIFICATE, certificate.encoded), (LeafType.REVOCATION, gone.encoded)), ())
    assert directory.party(certificate.device_id).revoked


def named(subject: bytes, name: str, organisation: OrgName = ORGANISATION) -> tuple[SigningKey, tuple[bytes, bytes]]:
    """A device of a person of this name: its key, its certificate and its profile."""
    key, person = SigningKey(subject * 2), PersonId(subject)
    request = identity.make_request(
        key, organisation=organisation, subject=person, role=Role.OFFICER, nonce=bytes(16), suites=(0x0003,)
    )
    profile = identity.issue_profile(ENROLMENT, organisation=organisation, subject=person, name=name, salt=bytes(16))
    certificate = identity.issue_certificate(request, ENROLMENT, now_ms=NOW, ceiling=Label.RED, profile_mac=profile.mac)
    return key, (certificate.encoded, profile.encoded)


def test_two_of_an_organisation_whose_names_look_alike_are_namesakes_and_nobody_else() -> None:
    people = [
        named(b"1" * 16, "Officer A"),
        named(b"2" * 16, "\u041efficer\u200b \u0410"),
        named(b"3" * 16, "Officer B"),
        named(b"4" * 16, "Officer A", OrgName("cert.example.ma")),
    ]
    certificates = (encoded for _, (encoded, _) in people)
    directory = Directory(
        rows(*((LeafType.CERTIFICATE, one) for one in certificates)), tuple(profile for _, (_, profile) in people)
    )
    devices = [identity.decode_certificate(encoded).device_id for _, (encoded, _) in people]
    assert [directory.party(device).namesakes for device in devices] == [True, True, False, False]
