"""What a member makes who keeps to no rule, and how a test says that it is refused and leaves no trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import AmanahError, Code, PeerError
from amanah_protocol.group.leaves import CAPABILITIES, identity_of
from amanah_protocol.group.room_group import RoomGroup, split_state
from amanah_protocol.group.seam import Credential
from amanah_protocol.mls.codec import opaque
from amanah_protocol.mls.credential import Credential as MlsCredential
from amanah_protocol.mls.credential import CredentialType
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.key_package import KeyPackageBundle, make_key_package
from amanah_protocol.mls.labelled import sign_with_label
from amanah_protocol.mls.leaf_node import Identity, Lifetime
from amanah_protocol.mls.policy import EVERYTHING
from amanah_protocol.mls.rules import InvalidError, Rule
from tests.protocol.group.circle import SUITES
from tests.protocol.group.devices import NOW_MS, device, randomness

NOW_S: Final = NOW_MS // 1000
DAY_S: Final = 86_400


def lawless(group: RoomGroup, number: int, suite: int) -> Group:
    """The same member's group, with a policy that allows everything."""
    _, state = split_state(group.epoch_state())
    app = Application(key=device(number).key, policy=EVERYTHING)
    return Group.restore(state, group.message_state(), app, SUITES.get)


def claiming(key: SigningKey, credential: Credential) -> Identity:
    """A device that puts this chain into its leaf, whosever it is."""
    return identity_of(key, credential)


def basic(number: int) -> Identity:
    """A device without a certificate."""
    return Identity(
        key=device(number).key,
        credential=MlsCredential(CredentialType.BASIC, b"somebody"),
        capabilities=CAPABILITIES._replace(credentials=(CredentialType.BASIC,)),
    )


def with_value(number: int, value: bytes) -> Identity:
    """A device whose credential holds these bytes."""
    return Identity(
        key=device(number).key,
        credential=MlsCredential(CredentialType.AMANAH, value),
        capabilities=CAPABILITIES,
    )


def package(suite: int, identity: Identity, *, lifetime: Lifetime | None = None, seed: object = 0) -> KeyPackageBundle:
    """A key package that nobody looked at before it was signed."""
    life = lifetime or Lifetime(NOW_S - 60, NOW_S + DAY_S)
    return make_key_package(SUITES[suite], identity, life, last_resort=False, random=randomness(("rogue", seed)))


def resigned(bundle: KeyPackageBundle, key: SigningKey, change: Callable[[bytes], bytes]) -> bytes:
    """A key package whose signed bytes are changed and then signed again."""
    unsigned = change(bundle.public.unsigned)
    return unsigned + opaque(sign_with_label(key, b"KeyPackageTBS", unsigned))


def both(group: RoomGroup) -> tuple[bytes, bytes]:
    """The two parts of the state."""
    return group.epoch_state(), group.message_state()


@contextmanager
def refuses(group: RoomGroup | None, why: Rule | Code, error: type[AmanahError] = PeerError) -> Iterator[None]:
    """The block is refused by this rule (or with this code), and the group's state is what it was."""
    before = None if group is None else both(group)
    with pytest.raises(error) as caught:
        yield
    if isinstance(why, Rule):
        assert isinstance(caught.value, InvalidError), caught.value
        assert caught.value.rule is why, caught.value
    else:
        assert caught.value.code is why, caught.value
    assert group is None or both(group) == before
