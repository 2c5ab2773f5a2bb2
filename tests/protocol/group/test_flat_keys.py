from __future__ import annotations

import pytest

from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.group.flat.keys import KeyPair, derive_secret, is_usable, open_secret, seal_secret
from tests.protocol.group.devices import randomness

# The points of small order on Curve25519 and their non-canonical twins (RFC 7748 section 6.1).
LOW_ORDER = [
    bytes(32),
    b"\x01" + bytes(31),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    bytes.fromhex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
]

EPHEMERAL = KeyPair.generate(randomness("ephemeral"))
RECIPIENT = KeyPair.generate(randomness("recipient"))
OTHER = KeyPair.generate(randomness("other"))
SECRET = bytes(range(32))


@pytest.mark.parametrize("point", LOW_ORDER)
def test_points_of_low_order_are_not_usable(point: bytes) -> None:
    assert not is_usable(point)
    assert is_usable(RECIPIENT.public)


def test_a_sealed_secret_opens_for_its_recipient_in_its_context() -> None:
    sealed = seal_secret(SECRET, ephemeral=EPHEMERAL, recipient=RECIPIENT.public, context=b"here")
    assert len(sealed) == 48
    assert open_secret(sealed, ephemeral=EPHEMERAL.public, recipient=RECIPIENT, context=b"here") == SECRET


@pytest.mark.parametrize("flaw", ["recipient", "context", "ephemeral", "bytes", "low order"])
def test_a_sealed_secret_does_not_open_otherwise(flaw: str) -> None:
    sealed = seal_secret(SECRET, ephemeral=EPHEMERAL, recipient=RECIPIENT.public, context=b"here")
    ephemeral = {"ephemeral": OTHER.public, "low order": bytes(32)}.get(flaw, EPHEMERAL.public)
    with pytest.raises(VerifyError) as refused:
        open_secret(
            sealed[:-1] + b"\0" if flaw == "bytes" else sealed,
            ephemeral=ephemeral,
            recipient=OTHER if flaw == "recipient" else RECIPIENT,
            context=b"there" if flaw == "context" else b"here",
        )
    assert refused.value.code is Code.OPEN


def test_one_ephemeral_key_seals_differently_in_each_context() -> None:
    first = seal_secret(SECRET, ephemeral=EPHEMERAL, recipient=RECIPIENT.public, context=b"one")
    second = seal_secret(SECRET, ephemeral=EPHEMERAL, recipient=RECIPIENT.public, context=b"two")
    assert first != second


def test_derivation_is_separated_by_label_context_and_length() -> None:
    found = {
        derive_secret(SECRET, "a"),
        derive_secret(SECRET, "b"),
        derive_secret(SECRET, "a", b"b"),
        derive_secret(SECRET, "a", b"c"),
        derive_secret(SECRET, "a", length=33)[:32],
    }
    assert len(found) == 5


@pytest.mark.parametrize("length", [0, 8_161])
def test_a_length_that_cannot_be_derived_is_the_caller_s_fault(length: int) -> None:
    assert len(derive_secret(SECRET, "a", length=8_160)) == 8_160
    with pytest.raises(UsageError) as refused:
        derive_secret(SECRET, "a", length=length)
    assert refused.value.code is Code.USAGE


def test_the_private_key_is_in_no_repr() -> None:
    assert RECIPIENT.private.hex() not in repr(RECIPIENT)
    assert repr(RECIPIENT.private) not in repr(RECIPIENT)
