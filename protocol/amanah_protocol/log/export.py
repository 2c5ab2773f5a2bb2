"""Who exported an evidence bundle: a device's signature over its manifest (`docs/protocol.md` section 12).

It says who made the file and makes nothing in it true: everything else there proves itself.
"""

from __future__ import annotations

from typing import Final

from amanah_protocol import cose
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.types import DeviceId

MAX_SIGNATURE_BYTES: Final = 1_024


def sign_manifest(manifest: bytes, key: SigningKey) -> bytes:
    """Sign by the exporter's device key."""
    return cose.sign(cose.Typ.EXPORT, sha256(manifest), key)


def verify_manifest(data: bytes, manifest: bytes, device_key: bytes) -> None:
    """Verify that the device signed this manifest.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `KEY_ID` or `SIGNATURE`; `CONTENT_HASH` when it is of another manifest.
    """
    opened = _decode(data)
    cose.verify_opened(opened, device_key)
    if opened.payload != sha256(manifest):
        raise VerifyError(Code.CONTENT_HASH, "the signature is of another manifest")


def exporting_device(data: bytes) -> DeviceId:
    """The device that is said to have signed; not verified.

    Raises:
        DecodeError: It does not parse.
    """
    return DeviceId(_decode(data).kid)


def _decode(data: bytes) -> cose.Opened:
    opened = cose.decode(data, cose.Typ.EXPORT, max_bytes=MAX_SIGNATURE_BYTES)
    if type(opened.payload) is not bytes or len(opened.payload) != len(sha256(b"")):
        raise DecodeError(Code.BAD_TYPE, "the signature of a manifest is over its SHA-256")
    return opened
