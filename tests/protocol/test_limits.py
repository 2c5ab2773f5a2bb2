from __future__ import annotations

from typing import Final

from amanah_protocol import limits

PUBLISHED: Final = {
    "MAX_HEADER_BYTES": 4_096,
    "MAX_ENVELOPE_BYTES": 4_224,
    "MAX_CONTENT_BYTES": 196_608,
    "MAX_HANDSHAKE_BYTES": 2_097_152,
    "MAX_TREE_BYTES": 8_388_608,
    "STAGE_CHUNK_BYTES": 131_072,
    "MAX_ATTACHMENT_BYTES": 2_147_483_648,
    "ATTACHMENT_CHUNK_BYTES": 131_072,
    "SEALED_CHUNK_BYTES": 131_088,
    "MAX_SEALED_BYTES": 2_147_745_792,
    "MAX_FRAME_BYTES": 262_144,
    "MAX_PRE_AUTH_FRAME_BYTES": 4_096,
    "MAX_PLAINTEXT_BYTES": 131_072,
    "SIZE_CLASSES": (512, 2_048, 8_192, 32_768, 131_072),
    "MAX_VOIDS": 16,
    "MAX_NAMED_DEVICES": 96,
    "MAX_MEMBERS": 1_000,
    "MAX_PUBLISH": 16,
    "MAX_PAGE": 500,
    "MAX_MEMBERSHIP": 256,
    "MAX_MEMBERSHIP_BYTES": 196_608,
    "MAX_ALERTS": 100,
    "MAX_ALERT_ORIGINAL_BYTES": 65_536,
    "MAX_KEY_PACKAGES": 100,
    "MAX_DEPTH": 8,
    "MAX_ITEMS": 1_000,
    "MAX_HEADS": 32_768,
    "MAX_FORWARD_GENERATIONS": 1_000,
    "MAX_SKIPPED_KEYS": 32,
    "CERTIFICATE_MS": 90 * 86_400_000,
    "ENROLMENT_MS": 366 * 86_400_000,
    "ROSTER_MS": 366 * 86_400_000,
    "KEY_PACKAGE_MS": 84 * 86_400_000,
    "CLOCK_WINDOW_MS": 600_000,
    "CLOCK_REMARK_MS": 120_000,
    "HEAD_FRESHNESS_MS": 86_400_000,
    "HEAD_INTERVAL_MS": 60_000,
    "LOGIN_MS": 10_000,
    "STAGE_MS": 60_000,
    "DELIVERED_INTERVAL_MS": 30_000,
}
"""Numbers that the protocol names: who changes one changes what other implementations accept."""


def test_the_limits_are_those_that_the_protocol_names() -> None:
    assert {name: getattr(limits, name) for name in PUBLISHED} == PUBLISHED


def test_what_is_nested_fits_into_what_holds_it() -> None:
    assert limits.MAX_HEADER_BYTES < limits.MAX_ENVELOPE_BYTES < limits.MAX_FRAME_BYTES
    assert limits.MAX_CONTENT_BYTES + limits.MAX_ENVELOPE_BYTES < limits.MAX_FRAME_BYTES
    assert limits.MAX_MEMBERSHIP_BYTES + 64 * limits.MAX_MEMBERSHIP < limits.MAX_FRAME_BYTES
    assert limits.STAGE_CHUNK_BYTES < limits.SEALED_CHUNK_BYTES < limits.MAX_FRAME_BYTES
    assert limits.MAX_PLAINTEXT_BYTES < limits.MAX_CONTENT_BYTES < limits.MAX_HANDSHAKE_BYTES < limits.MAX_TREE_BYTES
    assert limits.MAX_PRE_AUTH_FRAME_BYTES < limits.MAX_FRAME_BYTES


def test_size_classes_ascend_up_to_the_largest_plaintext() -> None:
    assert list(limits.SIZE_CLASSES) == sorted(set(limits.SIZE_CLASSES))
    assert limits.SIZE_CLASSES[-1] == limits.MAX_PLAINTEXT_BYTES


def test_the_largest_lists_of_devices_fit_a_header() -> None:
    assert limits.MAX_NAMED_DEVICES * 34 + 600 <= limits.MAX_HEADER_BYTES


def test_a_key_package_does_not_outlive_the_certificate_in_it() -> None:
    assert limits.KEY_PACKAGE_MS < limits.CERTIFICATE_MS < limits.ENROLMENT_MS
