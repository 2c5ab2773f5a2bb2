"""Certified devices of one organisation, repeatable."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from typing import Final

from amanah_protocol import endorse, identity
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.endorse import Endorsed
from amanah_protocol.group.seam import Credential, Random
from amanah_protocol.group.suites import SUPPORTED
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, PersonId

NOW_MS: Final = 1_800_000_000_000
ORGANISATION: Final = identity.parse_organisation("cert.example.tn")
ROOT: Final = SigningKey.from_seed(sha256(b"root"))
ENROLMENT_KEY: Final = SigningKey.from_seed(sha256(b"enrolment"))

_DOCUMENT: Final = identity.enrolment_document(ORGANISATION, ENROLMENT_KEY.public, now_ms=NOW_MS)
ENROLMENT: Final = Endorsed(document=_DOCUMENT, signatures=(endorse.endorse(_DOCUMENT, ROOT),)).encode()


def randomness(seed: object) -> Random:
    """A source that repeats for the same seed."""
    return random.Random(repr(seed)).randbytes


def seed_of(number: int) -> bytes:
    """The seed of device `number`'s signing key."""
    return sha256(b"device %d" % number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    key: SigningKey
    credential: Credential

    @property
    def id(self) -> DeviceId:
        return DeviceId(self.key.key_id)


@cache
def device(number: int, lifetime_ms: int = 90 * 86_400_000) -> Device:
    """Device `number` of the organisation, certified since a minute before `NOW_MS`."""
    key = SigningKey.from_seed(seed_of(number))
    request = identity.make_request(
        key,
        organisation=ORGANISATION,
        subject=PersonId(sha256(b"person %d" % number)[:16]),
        role=identity.Role.OFFICER,
        nonce=sha256(b"nonce %d" % number)[:16],
        suites=tuple(sorted(SUPPORTED)),
    )
    certificate = identity.issue_certificate(
        request,
        ENROLMENT_KEY,
        now_ms=NOW_MS,
        ceiling=Label.RED,
        profile_mac=bytes(32),
        lifetime_ms=lifetime_ms,
    )
    return Device(key=key, credential=Credential(certificate=certificate.encoded, enrolment=ENROLMENT))


def accept(credential: Credential) -> DeviceId:
    """A check that accepts every credential as the device that its certificate is of."""
    return identity.decode_certificate(credential.certificate).device_id
