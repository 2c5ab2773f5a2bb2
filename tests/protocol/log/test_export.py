"""The signature of a manifest is the exporter's, of this manifest, and of nothing else."""

from __future__ import annotations

import pytest

from amanah_protocol import cose
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.log.export import MAX_SIGNATURE_BYTES, exporting_device, sign_manifest, verify_manifest
from tests.protocol.refusal import refused

EXPORTER = SigningKey(b"e" * 32)
MANIFEST = b"{}\n"
SIGNED = sign_manifest(MANIFEST, EXPORTER)


def test_a_manifest_is_verified_by_its_exporters_key() -> None:
    verify_manifest(SIGNED, MANIFEST, EXPORTER.public)
    assert exporting_device(SIGNED) == EXPORTER.key_id


def test_another_key_or_manifest_is_refused() -> None:
    with refused(Code.KEY_ID, VerifyError):
        verify_manifest(SIGNED, MANIFEST, SigningKey(b"o" * 32).public)
    with refused(Code.CONTENT_HASH, VerifyError):
        verify_manifest(SIGNED, b"{ }\n", EXPORTER.public)
    with refused(Code.SIGNATURE, VerifyError):
        verify_manifest(SIGNED[:-1] + bytes([SIGNED[-1] ^ 1]), MANIFEST, EXPORTER.public)


@pytest.mark.parametrize("payload", [MANIFEST.hex(), sha256(MANIFEST)[:-1], [sha256(MANIFEST)]])
def test_a_payload_of_another_form_is_refused(payload: object) -> None:
    data = cose.sign(cose.Typ.EXPORT, payload, EXPORTER)
    for read in (lambda: verify_manifest(data, MANIFEST, EXPORTER.public), lambda: exporting_device(data)):
        with refused(Code.BAD_TYPE, DecodeError):
            read()


def test_something_else_that_the_exporter_signed_is_no_export() -> None:
    with refused(Code.BAD_HEADER, DecodeError):
        exporting_device(cose.sign(cose.Typ.RECEIPT, sha256(MANIFEST), EXPORTER))
    with refused(Code.TOO_LARGE, DecodeError):
        exporting_device(SIGNED + bytes(MAX_SIGNATURE_BYTES))
