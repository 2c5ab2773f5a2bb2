"""Key packages that are not what they say: right in all that a test does not change."""

from __future__ import annotations

from typing import Final

from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.group.leaves import identity_of, lifetime_of
from amanah_protocol.group.seam import Credential
from amanah_protocol.mls.codec import opaque
from amanah_protocol.mls.kem import KeyPair
from amanah_protocol.mls.key_package import decode_key_package, make_key_package
from amanah_protocol.mls.suites import X25519_CHACHA20POLY1305
from tests.adversary.forge import Rogue, drawn
from tests.simulation.community import Device

SUITE: Final = X25519_CHACHA20POLY1305


class Masked(SigningKey):
    """Signs with one key and says to be another."""

    __slots__ = ()

    def __init__(self, seed: bytes, shown: bytes) -> None:
        """Sign with the key of a seed; show another public key."""
        super().__init__(seed)
        self.public = shown


def credential_of(device: Device | Rogue) -> Credential:
    """The chain of a device."""
    if isinstance(device, Rogue):
        return device.credential
    return Credential(certificate=device.certificate.encoded, enrolment=device.organisation.enrolment)


def forged_package(key: SigningKey, named: Device | Rogue, now_ms: int) -> bytes:
    """A fresh key package signed by a key, with somebody's certificate in it."""
    holder = Masked(bytes(32), named.certificate.public_key)
    lifetime = lifetime_of(holder, credential_of(named), now_ms)
    identity = identity_of(key, credential_of(named))
    return make_key_package(SUITE, identity, lifetime, last_resort=False, random=drawn).public.encode()


INIT: Final[KeyPair] = SUITE.kem.derive_key_pair(sha256(b"the relay's init key"))


def with_init_key(genuine: bytes) -> bytes:
    """A genuine key package, but that welcomes to it are for the relay."""
    package = decode_key_package(genuine)
    begin = 4 + len(opaque(package.init_key))
    return package.unsigned[:4] + opaque(INIT.public) + package.unsigned[begin:] + opaque(package.signature)


def private_of(public: bytes) -> tuple[bytes, bytes]:
    """Reference of what `with_init_key` gave, and what the relay holds of its secrets: not the leaf's."""
    return decode_key_package(public).reference, opaque(public) + opaque(INIT.private) + opaque(bytes(32))
