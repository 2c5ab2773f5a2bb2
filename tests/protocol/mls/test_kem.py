from __future__ import annotations

from typing import Final

import pytest

from amanah_protocol.errors import Code, UsageError
from amanah_protocol.mls.hpke import set_up_receiver, set_up_sender
from amanah_protocol.mls.kem import KeyPair, X25519Kem, XWing
from amanah_protocol.mls.labelled import decrypt_with_label, encrypt_with_label
from amanah_protocol.mls.primitives import MLKEM_PUBLIC_BYTES
from amanah_protocol.mls.rules import InvalidError, Rule
from tests.protocol.mls.stage import SUITES, Stage, make_stage
from tests.protocol.refusal import refused
from tests.protocol.test_crypto import LOW_ORDER

HIGH_BIT: Final = 0x80
LOW: Final = [
    bytes.fromhex(point)[:-1] + bytes([bytes.fromhex(point)[-1] ^ bit]) for point in LOW_ORDER for bit in (0, HIGH_BIT)
]


@pytest.fixture(params=SUITES)
def stage(request: pytest.FixtureRequest) -> Stage:
    return make_stage(SUITES[request.param])


def test_what_is_sealed_to_a_key_opens_with_its_private_key_alone(stage: Stage) -> None:
    mine, other = (stage.suite.kem.derive_key_pair(stage.random(32)) for _ in range(2))
    sealed = encrypt_with_label(stage.suite, mine.public, b"label", b"context", b"secret", stage.random)
    assert decrypt_with_label(stage.suite, mine.private, b"label", b"context", sealed) == b"secret"
    for private, label, context in (
        (other.private, b"label", b"context"),
        (mine.private, b"other", b"context"),
        (mine.private, b"label", b"other"),
    ):
        with pytest.raises(InvalidError) as caught:
            decrypt_with_label(stage.suite, private, label, context, sealed)
        assert caught.value.rule is Rule.DECRYPTION


def test_both_sides_export_the_same(stage: Stage) -> None:
    keys = stage.suite.kem.derive_key_pair(stage.random(32))
    enc, sender = set_up_sender(stage.suite, keys.public, b"info", stage.random)
    receiver = set_up_receiver(stage.suite, enc, keys.private, b"info")
    assert sender.export(b"use", 48) == receiver.export(b"use", 48)
    assert sender.export(b"use", 48) != sender.export(b"other", 48)


def test_a_key_pair_follows_from_its_secret_and_its_public_key_from_the_private_one(stage: Stage) -> None:
    kem = stage.suite.kem
    keys = kem.derive_key_pair(bytes(32))
    assert keys == kem.derive_key_pair(bytes(32))
    assert kem.public_of(keys.private) == keys.public
    assert len(keys.public) == kem.public_bytes
    kem.check_public(keys.public)


@pytest.mark.parametrize("point", LOW, ids=bytes.hex)
def test_no_point_of_low_order_is_a_key(stage: Stage, point: bytes) -> None:
    kem, good = stage.suite.kem, stage.suite.kem.derive_key_pair(bytes(32)).public
    for refuse in (
        lambda: kem.check_public(good[:-32] + point),
        lambda: kem.encapsulate(good[:-32] + point, stage.random),
    ):
        with pytest.raises(InvalidError) as caught:
            refuse()
        assert caught.value.rule is Rule.HPKE_KEY


@pytest.mark.parametrize("point", LOW, ids=bytes.hex)
def test_nothing_is_opened_with_a_point_of_low_order(stage: Stage, point: bytes) -> None:
    kem = stage.suite.kem
    keys = kem.derive_key_pair(bytes(32))
    _, enc = kem.encapsulate(keys.public, stage.random)
    with pytest.raises(InvalidError) as caught:
        kem.decapsulate(enc[:-32] + point, keys.private)
    assert caught.value.rule is Rule.DECRYPTION


@pytest.mark.parametrize("change", [-1, 1])
def test_keys_and_outputs_of_another_length_are_refused(stage: Stage, change: int) -> None:
    kem = stage.suite.kem
    keys = kem.derive_key_pair(bytes(32))
    _, enc = kem.encapsulate(keys.public, stage.random)
    longer = (keys.public + b"\x01")[: kem.public_bytes + change]
    with pytest.raises(InvalidError) as caught:
        kem.check_public(longer)
    assert caught.value.rule is Rule.HPKE_KEY
    with pytest.raises(InvalidError) as caught:
        kem.decapsulate((enc + b"\x01")[: len(enc) + change], keys.private)
    assert caught.value.rule is Rule.DECRYPTION


def test_a_lattice_key_beyond_the_modulus_is_refused() -> None:
    kem = XWing(lambda _: (b"", b""))
    good = kem.derive_key_pair(bytes(32)).public
    for check in (kem.check_public, lambda public: kem.encapsulate(public, bytes)):
        with pytest.raises(InvalidError) as caught:
            check(b"\xff" * MLKEM_PUBLIC_BYTES + good[MLKEM_PUBLIC_BYTES:])
        assert caught.value.rule is Rule.HPKE_KEY


def test_without_a_source_of_encapsulations_nothing_is_sealed() -> None:
    kem = XWing()
    with refused(Code.SUITE, UsageError):
        kem.encapsulate(kem.derive_key_pair(bytes(32)).public, bytes)


def test_a_private_key_of_another_length_is_none() -> None:
    for kem in (X25519Kem(), XWing()):
        with refused(Code.BAD_TYPE, UsageError):
            kem.public_of(bytes(31))


def test_no_secret_shows_in_a_repr() -> None:
    private = b"private private private private "
    assert "private" not in repr(KeyPair(private, bytes(32)))
