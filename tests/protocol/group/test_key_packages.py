from __future__ import annotations

import pytest

from amanah_protocol import limits
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.group.seam import OwnKeyPackage
from amanah_protocol.group.suites import CLASSICAL, POST_QUANTUM
from amanah_protocol.identity import decode_certificate
from amanah_protocol.mls.codec import opaque
from amanah_protocol.mls.leaf_node import Lifetime
from amanah_protocol.mls.rules import Rule
from tests.protocol.group.circle import ENGINES, key_package
from tests.protocol.group.devices import NOW_MS, Device, device, randomness
from tests.protocol.group.rogue import DAY_S, NOW_S, basic, claiming, package, refuses, resigned, with_value

HOUR_MS = 3_600_000
DAY_MS = 86_400_000


def make(suite: int, owner: Device, now_ms: int) -> OwnKeyPackage:
    return ENGINES[suite].make_key_package(
        owner.key, owner.credential, now_ms=now_ms, last_resort=False, random=randomness("package")
    )


def test_a_key_package_tells_whose_it_is_and_for_which_suite(suite: int) -> None:
    own = key_package(3, suite=suite)
    info = ENGINES[suite].key_package_info(own.public)
    assert info.credential == device(3).credential
    assert info.suite == suite
    assert info.reference == own.reference
    assert len(own.reference) == 32


@pytest.mark.parametrize("last_resort", [True, False])
def test_a_key_package_of_last_resort_says_so_and_another_does_not(suite: int, *, last_resort: bool) -> None:
    own = key_package(3, suite=suite, last_resort=last_resort)
    assert ENGINES[suite].key_package_info(own.public).last_resort is last_resort


def test_two_key_packages_of_one_device_share_no_key(suite: int) -> None:
    one, other = key_package(3, "one", suite=suite), key_package(3, "other", suite=suite)
    assert one.reference != other.reference
    assert one.private != other.private


def test_a_key_package_lives_from_an_hour_back_for_84_days(suite: int) -> None:
    now_ms = NOW_MS + 2 * HOUR_MS
    info = ENGINES[suite].key_package_info(make(suite, device(1), now_ms).public)
    assert info.not_before_ms == now_ms - HOUR_MS
    assert info.not_after_ms == info.not_before_ms + 84 * DAY_MS


def test_a_key_package_begins_no_earlier_than_its_certificate(suite: int) -> None:
    info = ENGINES[suite].key_package_info(make(suite, device(1), NOW_MS).public)
    assert info.not_before_ms == decode_certificate(device(1).credential.certificate).not_before_ms
    assert info.not_before_ms > NOW_MS - HOUR_MS


def test_a_key_package_ends_no_later_than_its_certificate(suite: int) -> None:
    owner = device(1, 7 * DAY_MS)
    info = ENGINES[suite].key_package_info(make(suite, owner, NOW_MS).public)
    assert info.not_after_ms == decode_certificate(owner.credential.certificate).not_after_ms


@pytest.mark.parametrize("end", ["before", "after"])
def test_no_key_package_is_made_outside_the_certificates_time(suite: int, end: str) -> None:
    certificate = decode_certificate(device(1).credential.certificate)
    now_ms = certificate.not_before_ms - 1 if end == "before" else certificate.not_after_ms
    with refuses(None, Code.EXPIRED, UsageError):
        make(suite, device(1), now_ms)


def test_no_key_package_is_made_with_another_devices_certificate(suite: int) -> None:
    mixed = Device(key=device(1).key, credential=device(2).credential)
    with refuses(None, Code.KEY_ID, UsageError):
        make(suite, mixed, NOW_MS)


# ---- somebody else's


def test_a_key_package_with_another_devices_certificate_is_refused(suite: int) -> None:
    forged = package(suite, claiming(device(1).key, device(2).credential))
    with refuses(None, Code.KEY_ID, VerifyError):
        ENGINES[suite].key_package_info(forged.public.encode())


def test_a_key_package_without_a_certificate_is_refused(suite: int) -> None:
    with refuses(None, Code.CERTIFICATE, VerifyError):
        ENGINES[suite].key_package_info(package(suite, basic(1)).public.encode())


@pytest.mark.parametrize("value", [b"", b"\x01", opaque(b"certificate") + opaque(b"enrolment") + b"more"])
def test_a_credential_that_does_not_parse_is_refused(suite: int, value: bytes) -> None:
    with refuses(None, Code.MALFORMED, DecodeError):
        ENGINES[suite].key_package_info(package(suite, with_value(1, value)).public.encode())


@pytest.mark.parametrize(("suite", "other"), [(CLASSICAL, POST_QUANTUM), (POST_QUANTUM, CLASSICAL)])
def test_a_key_package_of_another_suite_is_refused(suite: int, other: int) -> None:
    with refuses(None, Rule.KEY_PACKAGE_SUITE):
        ENGINES[suite].key_package_info(key_package(1, suite=other).public)


def test_a_key_package_that_is_too_large_is_refused_before_it_is_read(suite: int) -> None:
    with refuses(None, Code.TOO_LARGE, DecodeError):
        ENGINES[suite].key_package_info(bytes(limits.MAX_KEY_PACKAGE_BYTES + 1))


def test_a_key_package_whose_signature_is_changed_is_refused(suite: int) -> None:
    public = bytearray(key_package(1, suite=suite).public)
    public[-1] ^= 1
    with refuses(None, Rule.KEY_PACKAGE_SIGNATURE):
        ENGINES[suite].key_package_info(bytes(public))


def test_a_key_package_signed_by_another_device_is_refused(suite: int) -> None:
    bundle = package(suite, claiming(device(1).key, device(1).credential))
    with refuses(None, Rule.KEY_PACKAGE_SIGNATURE):
        ENGINES[suite].key_package_info(resigned(bundle, device(2).key, bytes))


def test_a_key_package_whose_leaf_is_not_signed_is_refused(suite: int) -> None:
    bundle = package(suite, claiming(device(1).key, device(1).credential))
    leaf = bundle.public.leaf_node
    broken = leaf.encoded[:-1] + bytes([leaf.encoded[-1] ^ 1])
    assert ENGINES[suite].key_package_info(resigned(bundle, device(1).key, bytes)).suite == suite
    with refuses(None, Rule.LEAF_SIGNATURE):
        public = resigned(bundle, device(1).key, lambda unsigned: unsigned.replace(leaf.encoded, broken))
        ENGINES[suite].key_package_info(public)


def test_a_key_package_of_exactly_84_days_is_taken(suite: int) -> None:
    life = Lifetime(NOW_S, NOW_S + 84 * DAY_S)
    bundle = package(suite, claiming(device(1).key, device(1).credential), lifetime=life)
    info = ENGINES[suite].key_package_info(bundle.public.encode())
    assert (info.not_before_ms, info.not_after_ms) == (NOW_MS, NOW_MS + 84 * DAY_MS)


@pytest.mark.parametrize("seconds", [84 * DAY_S + 1, 0, -1])
def test_a_key_package_that_lives_longer_or_not_at_all_is_refused(suite: int, seconds: int) -> None:
    bundle = package(suite, claiming(device(1).key, device(1).credential), lifetime=Lifetime(NOW_S, NOW_S + seconds))
    with refuses(None, Rule.LEAF_LIFETIME_RANGE):
        ENGINES[suite].key_package_info(bundle.public.encode())


def test_a_key_package_that_ends_early_or_goes_on_is_refused(suite: int) -> None:
    public = key_package(1, suite=suite).public
    for length in range(len(public)):
        with pytest.raises(DecodeError):
            ENGINES[suite].key_package_info(public[:length])
    with refuses(None, Code.MALFORMED, DecodeError):
        ENGINES[suite].key_package_info(public + b"\0")
