"""A group with everything in it that a forger needs: five members, a blank leaf, an external sender, a newcomer.

All randomness is seeded. A stage is built once for each suite and restored from its stored state for each test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from random import Random as Seeded
from typing import Final

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey

from amanah_protocol.crypto import SigningKey
from amanah_protocol.mls import joining
from amanah_protocol.mls.codec import vector
from amanah_protocol.mls.credential import Credential, CredentialType, Extension, ExtensionType, ExternalSender
from amanah_protocol.mls.framing import PrivateMessage, PublicMessage, decode_message
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.group_context import Welcome
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.key_package import KeyPackageBundle, make_key_package
from amanah_protocol.mls.leaf_node import Capabilities, Identity, Lifetime
from amanah_protocol.mls.message_protection import Handshake
from amanah_protocol.mls.policy import EVERYTHING, Policy
from amanah_protocol.mls.proposals import Add, Remove
from amanah_protocol.mls.psk import ExternalPsk, PskId
from amanah_protocol.mls.suites import X25519_AES128GCM, X25519_CHACHA20POLY1305, Suite, xwing_aes128gcm

MAX_BYTES: Final = 1 << 24
GROUP_ID: Final = b"a group's name.."
LIFETIME: Final = Lifetime(1_000, 9_000)
KNOWN_PSK: Final = b"a key that all members have"
MEMBERS: Final = {"alice": 0, "bob": 1, "carol": 2, "dave": 3, "frank": 5}
BLANK: Final = 4
"""A leaf that nobody is at."""
EXTRA_EXTENSION: Final = 0xF0A0
"""Not the RFC's own; every member supports it."""


def _encapsulate(public: bytes) -> tuple[bytes, bytes]:
    return MLKEM768PublicKey.from_public_bytes(public).encapsulate()


SUITES: Final[Mapping[str, Suite]] = {
    "x25519-aes128gcm": X25519_AES128GCM,
    "x25519-chacha20poly1305": X25519_CHACHA20POLY1305,
    "xwing-aes128gcm": xwing_aes128gcm(_encapsulate),
}


def suite_of(number: int) -> Suite | None:
    """The suite of a number."""
    return next((suite for suite in SUITES.values() if suite.number == number), None)


def find_psk(psk: PskId) -> bytes | None:
    """The one external key that there is."""
    return b"its secret" if isinstance(psk, ExternalPsk) and psk.id == KNOWN_PSK else None


def key_of(name: str) -> SigningKey:
    """Somebody's signing key."""
    return SigningKey(sha256(name.encode()).digest())


def identity_of(name: str, suite: Suite) -> Identity:
    """Somebody, with the capabilities that all have here."""
    capabilities = Capabilities(
        versions=(1,),
        suites=(suite.number,),
        extensions=(ExtensionType.LAST_RESORT, EXTRA_EXTENSION),
        credentials=(CredentialType.BASIC, CredentialType.AMANAH),
    )
    credential = Credential(CredentialType.BASIC, name.encode())
    return Identity(key=key_of(name), credential=credential, capabilities=capabilities)


def external_sender(name: str) -> ExternalSender:
    """Somebody outside who may propose."""
    return ExternalSender(key_of(name).public, Credential(CredentialType.BASIC, name.encode()))


CONTEXT_EXTENSIONS: Final = (
    Extension(ExtensionType.EXTERNAL_SENDERS, vector([external_sender("eve").encode()])),
    Extension(EXTRA_EXTENSION, b"what the members agreed on"),
)


def handshake(encoded: bytes) -> Handshake:
    """Decode a handshake."""
    message = decode_message(encoded, MAX_BYTES)
    assert isinstance(message, PublicMessage | PrivateMessage)
    return message


def private(encoded: bytes) -> PrivateMessage:
    """Decode a sealed message."""
    message = decode_message(encoded, MAX_BYTES)
    assert isinstance(message, PrivateMessage)
    return message


def welcome_of(encoded: bytes) -> Welcome:
    """Decode a welcome."""
    message = decode_message(encoded, MAX_BYTES)
    assert isinstance(message, Welcome)
    return message


@dataclass(slots=True, kw_only=True)
class Stage:
    """Five members of one group in one epoch, and somebody who waits to be added.

    Attributes:
        suite: The group's suite.
        random: Seeded.
        groups: By who holds them.
        newcomer: The key package of `erin`.
    """

    suite: Suite
    random: Random
    groups: dict[str, Group] = field(default_factory=dict)
    newcomer: KeyPackageBundle

    def __getitem__(self, name: str) -> Group:
        return self.groups[name]

    def application(self, name: str, policy: Policy = EVERYTHING) -> Application:
        """What somebody's client brings along."""
        return Application(key=key_of(name), policy=policy, find_psk=find_psk)

    def under(self, name: str, **changes: object) -> Group:
        """Somebody's group, the very same state, under a policy that differs."""
        policy = replace(EVERYTHING, **changes)  # type: ignore[arg-type] # the names are the policy's own
        return Group(self[name]._state, self.application(name, policy))

    def identity(self, name: str) -> Identity:
        """Somebody."""
        return identity_of(name, self.suite)

    def package(self, name: str) -> KeyPackageBundle:
        """A fresh key package."""
        return make_key_package(self.suite, self.identity(name), LIFETIME, last_resort=False, random=self.random)

    def states(self) -> dict[str, tuple[bytes, bytes]]:
        """The whole state of all members."""
        return {name: (group.epoch_state(), group.message_state()) for name, group in self.groups.items()}

    def deliver(self, committer: str, commit: bytes) -> None:
        """All others take a commit; who was removed drops out."""
        for name, group in list(self.groups.items()):
            if name == committer:
                group.merge()
            elif not group.apply(group.take_commit(handshake(commit))):
                del self.groups[name]

    def add(self, committer: str, bundles: Mapping[str, KeyPackageBundle]) -> None:
        """Somebody adds others, and they join."""
        group = self[committer]
        adds = [Add(bundle.public) for bundle in bundles.values()]
        staged = group.commit(adds, random=self.random)
        tree = [joining.ratchet_tree(staged.tree)]
        welcome = welcome_of(staged.welcome(tree, key=key_of(committer), random=self.random))
        self.deliver(committer, staged.message)
        for name, bundle in bundles.items():
            opened = joining.open_welcome(welcome, [bundle], self.suite, find_psk)
            self.groups[name], _ = Group.join(opened, None, self.application(name))

    def check_in_step(self) -> None:
        """All members are in one epoch with one tree, and read what each of them writes."""
        assert len({group.epoch_authenticator for group in self.groups.values()}) == 1
        assert len({group.tree.encode() for group in self.groups.values()}) == 1
        for name, sender in self.groups.items():
            sealed = private(sender.seal(b"said by " + name.encode(), random=self.random))
            for other, group in self.groups.items():
                if other != name:
                    assert group.open(sealed).data == b"said by " + name.encode()

    def check_honest_traffic(self) -> None:
        """An honest commit with an add is taken, the newcomer joins, and all hear each other."""
        self.add("alice", {"erin": self.newcomer})
        self.check_in_step()


def _build(suite: Suite) -> Stage:
    random = Seeded(suite.number).randbytes
    newcomer = make_key_package(suite, identity_of("erin", suite), LIFETIME, last_resort=False, random=random)
    stage = Stage(suite=suite, random=random, newcomer=newcomer)
    stage.groups["alice"] = Group.create(
        suite,
        GROUP_ID,
        stage.identity("alice"),
        app=stage.application("alice"),
        lifetime=LIFETIME,
        random=random,
        extensions=CONTEXT_EXTENSIONS,
    )
    names = ("bob", "carol", "dave", "gone", "frank")
    stage.add("alice", {name: stage.package(name) for name in names})
    for name in ("bob", "dave", "frank"):
        stage.deliver(name, stage[name].commit(random=random).message)
    stage.deliver("alice", stage["alice"].commit([Remove(BLANK)], random=random).message)
    return stage


@lru_cache(maxsize=len(SUITES))
def _stored(number: int) -> tuple[Stage, dict[str, tuple[bytes, bytes]]]:
    suite = suite_of(number)
    assert suite is not None
    built = _build(suite)
    return built, built.states()


def make_stage(suite: Suite = X25519_CHACHA20POLY1305) -> Stage:
    """A fresh stage; what one test does to it, no other sees."""
    built, states = _stored(suite.number)
    stage = Stage(suite=suite, random=Seeded(7).randbytes, newcomer=built.newcomer)
    for name, (epoch, messages) in states.items():
        stage.groups[name] = Group.restore(epoch, messages, stage.application(name), suite_of)
    return stage
