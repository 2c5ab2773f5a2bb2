"""Attack 26: points of low order, and signatures in a second form, wherever keys and signatures are taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_client.encapsulation import encapsulate
from amanah_protocol import session
from amanah_protocol.crypto import SigningKey, agree, sha256, verify_signature
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.leaves import identity_of, lifetime_of
from amanah_protocol.group.suites import CLASSICAL
from amanah_protocol.mls.codec import opaque
from amanah_protocol.mls.hpke import set_up_receiver, set_up_sender
from amanah_protocol.mls.kem import X25519Kem
from amanah_protocol.mls.key_package import KeyPackage, decode_key_package
from amanah_protocol.mls.labelled import sign_with_label
from amanah_protocol.mls.leaf_node import MLS10
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import X25519_CHACHA20POLY1305, Suite, xwing_aes128gcm
from tests.adversary.forge import drawn
from tests.adversary.outcomes import control, defended
from tests.adversary.packages import credential_of
from tests.adversary.points import LOW_ORDER, SMALL_ORDER, malleated
from tests.adversary.sealed_room import commit, device, package, refusal, room_of
from tests.engines import ENGINES
from tests.simulation.scheduler import START_MS
from tests.vectors import examples as x

SUITES: Final = (X25519_CHACHA20POLY1305, xwing_aes128gcm(encapsulate))
each_point = pytest.mark.parametrize("point", LOW_ORDER, ids=bytes.hex)


def public_with(suite: Suite, point: bytes) -> bytes:
    """A public key of the suite's KEM whose point on the curve is this one."""
    return suite.kem.derive_key_pair(bytes(32)).public[:-32] + point


# ---- agreement and HPKE


@defended(26)
@each_point
def test_no_secret_is_agreed_with_a_point_of_low_order(point: bytes) -> None:
    with pytest.raises(VerifyError) as raised:
        agree(sha256(b"a private key"), point)
    assert raised.value.code is Code.OPEN


@defended(26)
@each_point
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: f"{suite.number:04x}")
def test_hpke_neither_seals_to_one_nor_opens_with_one(suite: Suite, point: bytes) -> None:
    with pytest.raises(InvalidError) as sealing:
        set_up_sender(suite, public_with(suite, point), b"", drawn)
    assert sealing.value.rule is Rule.HPKE_KEY
    own = suite.kem.derive_key_pair(sha256(b"a key"))
    _, enc = suite.kem.encapsulate(own.public, drawn)
    with pytest.raises(InvalidError) as opening:
        set_up_receiver(suite, enc[:-32] + point, own.private, b"")
    assert opening.value.rule is Rule.DECRYPTION


@control(26, "points of low order")
def test_without_the_look_at_the_secret_everybody_opens_what_is_sealed_to_such_a_point() -> None:
    suite = X25519_CHACHA20POLY1305
    for point in LOW_ORDER:
        enc, sealing = set_up_sender(suite, point, b"", drawn)
        sealed = sealing.seal(b"for one member alone")
        assert set_up_receiver(Suite(number=3, kem=Keyless(point), aead=suite.aead), enc, b"", b"").open(sealed)


class Keyless(X25519Kem):
    """Opens what was sealed to a point of low order; it holds no private key."""

    def __init__(self, point: bytes) -> None:
        """To that point."""
        self._point = point

    def decapsulate(self, enc: bytes, private: bytes) -> bytes:
        """The secret that everybody knows."""
        return self._derive(bytes(32), enc + self._point)


# ---- key packages and trees


def own_package(name: str, *, init: bytes | None = None, leaf: bytes | None = None) -> bytes:
    """A device's own key package, signed as it must be, with public keys of its choice."""
    suite = X25519_CHACHA20POLY1305
    own = device(name)
    identity = identity_of(own.key, credential_of(own))
    lifetime = lifetime_of(own.key, credential_of(own), START_MS)
    honest = [suite.kem.derive_key_pair(sha256(name.encode() + what)).public for what in (b"init", b"leaf")]
    node = identity.leaf_for_key_package(leaf or honest[1], lifetime)
    unsigned = MLS10.to_bytes(2) + suite.number.to_bytes(2) + opaque(init or honest[0]) + node.encoded + opaque(b"")
    return unsigned + opaque(sign_with_label(own.key, b"KeyPackageTBS", unsigned))


def test_a_key_package_of_ones_own_making_is_taken_if_its_keys_are_keys() -> None:
    groups = room_of("tn-1", "ma-1")
    ENGINES[CLASSICAL].key_package_info(own_package("sn-2"))
    commit(groups, "tn-1", adds=(own_package("sn-2"),))
    assert device("sn-2").id in groups["ma-1"].members


@defended(26)
@each_point
@pytest.mark.parametrize("place", ["init", "leaf"])
def test_a_key_package_with_such_a_point_is_not_one(place: str, point: bytes) -> None:
    """Else whoever seals to it seals to nobody or to all, and a room with such a leaf could not go on."""
    with pytest.raises(InvalidError) as raised:
        ENGINES[CLASSICAL].key_package_info(own_package("sn-2", **{place: point}))
    assert raised.value.rule is Rule.HPKE_KEY
    groups = room_of("tn-1", "ma-1")
    assert refusal(lambda: commit(groups, "tn-1", adds=(own_package("sn-2", **{place: point}),))) is not None
    commit(groups, "ma-1")


@defended(26)
def test_a_lattice_key_that_none_can_seal_to_is_no_key() -> None:
    """Its coefficients lie above the modulus: every commit behind it would fail at its leaf."""
    suite = SUITES[1]
    right = suite.kem.derive_key_pair(bytes(32)).public
    suite.kem.check_public(right)
    wrong = b"\xff\xff\xff" + right[3:]
    for key in (wrong, *(public_with(suite, point) for point in LOW_ORDER)):
        with pytest.raises(InvalidError) as raised:
            suite.kem.check_public(key)
        assert raised.value.rule is Rule.HPKE_KEY
    with pytest.raises(InvalidError) as raised:
        set_up_sender(suite, wrong, b"", drawn)
    assert raised.value.rule is Rule.HPKE_KEY


@control(26, "keys are keys")
def test_without_the_look_at_announced_keys_nobody_can_change_the_room_any_more() -> None:
    """A member lets in a device of its own with such a leaf; every later commit has to be sealed to it."""
    groups = room_of("tn-1", "ma-1")
    commit(groups, "tn-1", adds=(own_package("sn-2", leaf=LOW_ORDER[0]),))
    for name in groups:
        assert refusal(lambda name=name: commit(groups, name)) is not None  # type: ignore[misc]  # a default binds the loop's value


# ---- signatures


def signed_package(change: Callable[[bytes], bytes]) -> KeyPackage:
    """A genuine key package whose signature is changed."""
    genuine = decode_key_package(package(device("sn-2"))[0])
    return decode_key_package(genuine.unsigned + opaque(change(genuine.signature)))


@defended(26)
def test_a_signature_has_one_form() -> None:
    key, message = SigningKey(sha256(b"a key")), b"a message"
    verify_signature(key.public, key.sign(message), message)
    with pytest.raises(VerifyError):
        verify_signature(key.public, malleated(key.sign(message)), message)
    with pytest.raises(InvalidError) as raised:
        signed_package(malleated).verify_signature()
    assert raised.value.rule is Rule.KEY_PACKAGE_SIGNATURE


@defended(26)
@pytest.mark.parametrize("point", SMALL_ORDER, ids=bytes.hex)
def test_a_key_of_small_order_signs_nothing(point: bytes) -> None:
    for nonce in SMALL_ORDER:
        for number in range(16):
            with pytest.raises(VerifyError):
                verify_signature(point, nonce + bytes(32), b"message %d" % number)


@defended(26)
def test_a_login_has_one_form_and_needs_a_key() -> None:
    key = SigningKey(sha256(b"a key"))
    roles = (
        (session.sign_as_client, session.verify_client_proof),
        (session.sign_as_relay, session.verify_relay_proof),
    )
    for sign, verify in roles:
        proof = sign(x.transcript(), key)
        verify(x.transcript(), proof, key.public)
        assert refusal(lambda v=verify, p=proof: v(x.transcript(), malleated(p), key.public)) is not None  # type: ignore[misc]  # defaults bind the loop's values
        for point in SMALL_ORDER:
            forged = [nonce + bytes(32) for nonce in SMALL_ORDER]
            assert None not in [
                refusal(lambda v=verify, f=proof, p=point: v(x.transcript(), f, p))  # type: ignore[misc]  # as above
                for proof in forged
            ]


# ---- the vectors of Project Wycheproof


def cases(data_dir: Path, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each case with its group."""
    groups = json.loads((data_dir / "vectors" / "wycheproof" / name).read_text())["testGroups"]
    return [(group, case) for group in groups for case in group["tests"]]


@defended(26)
def test_signatures_are_judged_as_wycheproof_does(data_dir: Path) -> None:
    for group, case in cases(data_dir, "ed25519_test.json"):
        public, message, signature = (
            bytes.fromhex(text) for text in (group["publicKey"]["pk"], case["msg"], case["sig"])
        )
        error = refusal(lambda s=signature, p=public, m=message: verify_signature(p, s, m))  # type: ignore[misc]  # defaults bind the loop's values
        assert (error is None) == (case["result"] == "valid"), case


@defended(26)
def test_secrets_are_agreed_as_wycheproof_does(data_dir: Path) -> None:
    refused = 0
    for _, case in cases(data_dir, "x25519_test.json"):
        private, public, shared = (bytes.fromhex(case[name]) for name in ("private", "public", "shared"))
        if not any(shared):
            refused += 1
            assert refusal(lambda a=private, b=public: agree(a, b)) is not None, case  # type: ignore[misc]  # as above
        else:
            assert agree(private, public) == shared, case
    assert refused > 10
