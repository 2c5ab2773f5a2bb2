from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amanah_protocol import cbor, cose, limits
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import Code, DecodeError, PeerError, UsageError, VerifyError
from amanah_protocol.group.seam import Credential
from amanah_protocol.group.suites import FLAT
from amanah_protocol.identity import decode_certificate
from tests.protocol.group.circle import ENGINE, key_package
from tests.protocol.group.devices import NOW_MS, device, randomness

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
LOW_ORDER_POINT = bytes(32)


def payload(public: bytes) -> list[Any]:
    opened = cose.decode(public, cose.Typ.KEY_PACKAGE, max_bytes=limits.MAX_KEY_PACKAGE_BYTES)
    assert isinstance(opened.payload, list)
    return opened.payload


def signed(fields: list[Any], key: SigningKey | None = None) -> bytes:
    return cose.sign(cose.Typ.KEY_PACKAGE, fields, key or device(1).key)


def refusal(public: bytes) -> tuple[type[PeerError], Code]:
    with pytest.raises(PeerError) as refused:
        ENGINE.key_package_info(public)
    return type(refused.value), refused.value.code


def test_a_fresh_key_package_says_whose_it_is_and_how_long_it_lives() -> None:
    package = key_package(1, last_resort=True)
    info = ENGINE.key_package_info(package.public)
    assert info.suite == FLAT
    assert info.credential == device(1).credential
    assert info.last_resort
    assert info.reference == package.reference == sha256(package.public)
    assert info.not_after_ms - info.not_before_ms == 84 * DAY_MS


def test_a_key_package_begins_an_hour_back_but_never_before_the_certificate() -> None:
    owner = device(1)
    certificate = decode_certificate(owner.credential.certificate)

    def begins(now_ms: int) -> int:
        made = ENGINE.make_key_package(
            owner.key, owner.credential, now_ms=now_ms, last_resort=False, random=randomness(0)
        )
        return ENGINE.key_package_info(made.public).not_before_ms

    assert begins(NOW_MS) == certificate.not_before_ms
    assert begins(NOW_MS + 2 * HOUR_MS) == NOW_MS + HOUR_MS


def test_a_key_package_ends_with_a_certificate_that_ends_sooner() -> None:
    owner = device(1, 10 * DAY_MS)
    made = ENGINE.make_key_package(owner.key, owner.credential, now_ms=NOW_MS, last_resort=False, random=randomness(0))
    certificate = decode_certificate(owner.credential.certificate)
    assert ENGINE.key_package_info(made.public).not_after_ms == certificate.not_after_ms


@pytest.mark.parametrize("at", ["before", "after"])
def test_no_key_package_is_made_while_the_certificate_is_not_valid(at: str) -> None:
    owner = device(1)
    certificate = decode_certificate(owner.credential.certificate)
    now_ms = certificate.not_before_ms - 1 if at == "before" else certificate.not_after_ms
    with pytest.raises(UsageError) as refused:
        ENGINE.make_key_package(owner.key, owner.credential, now_ms=now_ms, last_resort=False, random=randomness(0))
    assert refused.value.code is Code.EXPIRED


def test_no_key_package_is_made_with_the_certificate_of_another_device() -> None:
    with pytest.raises(UsageError) as refused:
        ENGINE.make_key_package(
            device(1).key, device(2).credential, now_ms=NOW_MS, last_resort=False, random=randomness(0)
        )
    assert refused.value.code is Code.KEY_ID


def test_a_key_package_under_a_device_s_name_by_another_key_is_refused() -> None:
    fields = payload(key_package(1).public)
    assert refusal(signed(fields, device(2).key)) == (VerifyError, Code.KEY_ID)


def test_a_key_package_whose_key_was_exchanged_after_signing_is_refused() -> None:
    package = key_package(1).public
    parts = cose.decode_sign1(package, max_bytes=limits.MAX_KEY_PACKAGE_BYTES)
    fields = payload(package)
    fields[1] = payload(key_package(2).public)[1]
    assert refusal(replace(parts, payload=cbor.encode(fields)).encode()) == (VerifyError, Code.SIGNATURE)


@pytest.mark.parametrize(
    ("position", "value", "code"),
    [
        (0, FLAT - 1, Code.SUITE),
        (1, bytes(31), Code.BAD_TYPE),
        (1, LOW_ORDER_POINT, Code.BAD_TYPE),
        (4, 1, Code.BAD_TYPE),
        (5, b"", Code.MALFORMED),
        (6, "text", Code.BAD_TYPE),
    ],
)
def test_a_key_package_with_one_wrong_field_is_refused(position: int, value: object, code: Code) -> None:
    fields = payload(key_package(1).public)
    assert ENGINE.key_package_info(signed(fields)).suite == FLAT
    fields[position] = value
    assert refusal(signed(fields)) == (DecodeError, code)


@pytest.mark.parametrize("flaw", ["empty", "too long", "before the certificate", "after the certificate"])
def test_a_lifetime_that_is_too_long_or_outside_the_certificate_s_is_refused(flaw: str) -> None:
    certificate = decode_certificate(device(1).credential.certificate)
    start, end = {
        "empty": (NOW_MS, NOW_MS),
        "too long": (NOW_MS, NOW_MS + 84 * DAY_MS + 1),
        "before the certificate": (certificate.not_before_ms - 1, NOW_MS),
        "after the certificate": (NOW_MS + 10 * DAY_MS, certificate.not_after_ms + 1),
    }[flaw]
    fields = payload(key_package(1).public)
    fields[2], fields[3] = start, end
    assert refusal(signed(fields)) == (DecodeError, Code.BAD_TYPE)


def test_the_private_half_is_in_no_repr() -> None:
    package = key_package(1)
    assert package.private.hex() not in repr(package)
    assert repr(package.private) not in repr(package)


def test_a_credential_whose_certificate_does_not_parse_makes_no_room() -> None:
    broken = Credential(certificate=b"\xd2", enrolment=b"")
    with pytest.raises(DecodeError):
        ENGINE.make_key_package(device(1).key, broken, now_ms=NOW_MS, last_resort=False, random=randomness(0))
