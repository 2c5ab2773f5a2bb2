from __future__ import annotations

from amanah_protocol import limits


def test_what_is_nested_fits_into_what_holds_it() -> None:
    assert limits.MAX_HEADER_BYTES < limits.MAX_ENVELOPE_BYTES < limits.MAX_FRAME_BYTES
    assert limits.MAX_CONTENT_BYTES + limits.MAX_ENVELOPE_BYTES < limits.MAX_FRAME_BYTES
    assert limits.STAGE_CHUNK_BYTES < limits.MAX_FRAME_BYTES
    assert limits.MAX_PLAINTEXT_BYTES < limits.MAX_CONTENT_BYTES < limits.MAX_HANDSHAKE_BYTES < limits.MAX_TREE_BYTES
    assert limits.MAX_PRE_AUTH_FRAME_BYTES < limits.MAX_FRAME_BYTES


def test_size_classes_ascend_up_to_the_largest_plaintext() -> None:
    assert list(limits.SIZE_CLASSES) == sorted(set(limits.SIZE_CLASSES))
    assert limits.SIZE_CLASSES[-1] == limits.MAX_PLAINTEXT_BYTES


def test_the_largest_lists_of_devices_fit_a_header() -> None:
    assert limits.MAX_NAMED_DEVICES * 34 + 600 <= limits.MAX_HEADER_BYTES


def test_a_key_package_does_not_outlive_the_certificate_in_it() -> None:
    assert limits.KEY_PACKAGE_MS < limits.CERTIFICATE_MS < limits.ENROLMENT_MS
