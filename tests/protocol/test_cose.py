from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import cbor2
import pytest
from nacl.signing import VerifyKey

from amanah_protocol import cbor, cose
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import sha256, verify_signature
from amanah_protocol.errors import Code, DecodeError, VerifyError
from amanah_protocol.kinds import Specific
from tests.protocol.refusal import refused
from tests.vectors import examples as x

KEY: Final = x.OFFICER
PAYLOAD: Final = ["an example", 7]
SIGNED: Final = cose.sign(Typ.REVOCATION, PAYLOAD, KEY)
PARTS: Final = cose.decode_sign1(SIGNED, max_bytes=4_096)


def verify_as_rfc_9052_says(data: bytes, public: bytes) -> tuple[dict[Any, Any], bytes]:
    """A verifier of its own, from RFC 9052 sections 4.2 and 4.4, over PyNaCl and plain cbor2.

    It shares no code with the package: what it accepts, any COSE tool accepts.
    """
    tagged = cbor2.load(BytesIO(data))
    assert tagged.tag == 18
    protected, unprotected, payload, signature = tagged.value
    header = cbor2.loads(protected)
    assert header[1] == -19
    assert len(unprotected) == 0
    head = bytes([0x84, 0x6A]) + b"Signature1"
    VerifyKey(public).verify(head + b"".join(map(byte_string, (protected, b"", payload))), signature)
    return header, payload


def byte_string(data: bytes) -> bytes:
    """A byte string of up to 65,535 bytes with its head (RFC 8949 section 3)."""
    length = len(data)
    if length < 24:
        return bytes([0x40 + length]) + data
    return (bytes([0x58, length]) if length < 256 else b"\x59" + length.to_bytes(2, "big")) + data


def test_another_verifier_accepts_what_was_signed_here() -> None:
    header, payload = verify_as_rfc_9052_says(SIGNED, KEY.public)
    assert header == {1: -19, 4: sha256(KEY.public), 16: "application/amanah-revocation+cose"}
    assert cbor2.loads(payload) == PAYLOAD


@pytest.mark.parametrize("specific", x.SPECIFICS.values(), ids=lambda specific: type(specific).__name__)
def test_another_verifier_accepts_envelopes(specific: Specific) -> None:
    signed = x.signed(specific)
    header, payload = verify_as_rfc_9052_says(signed.encoded, KEY.public)
    assert payload == sha256(x.sealed_content(signed.header.kind))
    assert header[2] == [-70001]
    assert header[258] == -16
    with pytest.raises(Exception, match="forged"):
        verify_as_rfc_9052_says(signed.encoded, x.RELAY_KEY.public)


def test_a_signed_object_is_taken_apart_and_verified() -> None:
    opened = cose.decode(SIGNED, Typ.REVOCATION, max_bytes=4_096)
    assert opened.payload == PAYLOAD
    assert opened.kid == KEY.key_id
    assert opened.object.encode() == SIGNED
    cose.verify_opened(opened, KEY.public)


def test_another_key_is_refused() -> None:
    opened = cose.decode(SIGNED, Typ.REVOCATION, max_bytes=4_096)
    with refused(Code.KEY_ID, VerifyError):
        cose.verify_opened(opened, x.RELAY_KEY.public)


@pytest.mark.parametrize("signature", [bytes(64), x.RELAY_KEY.sign(PARTS.signed_bytes)], ids=["zeros", "another's"])
def test_another_signature_is_refused(signature: bytes) -> None:
    forged = cose.encode_sign1(PARTS.protected, PARTS.payload, signature)
    with refused(Code.SIGNATURE, VerifyError):
        cose.verify_opened(cose.decode(forged, Typ.REVOCATION, max_bytes=4_096), KEY.public)


@pytest.mark.parametrize("typ", [typ for typ in Typ if typ is not Typ.REVOCATION])
def test_a_signature_made_for_one_purpose_is_refused_for_every_other(typ: Typ) -> None:
    with refused(Code.BAD_HEADER, DecodeError):
        cose.decode(SIGNED, typ, max_bytes=4_096)


def test_the_cap_is_exact() -> None:
    cose.decode(SIGNED, Typ.REVOCATION, max_bytes=len(SIGNED))
    with refused(Code.TOO_LARGE, DecodeError):
        cose.decode(SIGNED, Typ.REVOCATION, max_bytes=len(SIGNED) - 1)


def sign1(*fields: object) -> bytes:
    """A tagged array of any fields."""
    return b"\xd2" + cbor2.dumps(fields)


P, B, S = PARTS.protected, PARTS.payload, PARTS.signature

WRONG_SHAPES: Final[dict[str, tuple[bytes, Code]]] = {
    "untagged": (SIGNED[1:], Code.MALFORMED),
    "COSE_Sign": (b"\xd8\x62" + SIGNED[1:], Code.MALFORMED),
    "COSE_Mac0": (b"\xd1" + SIGNED[1:], Code.MALFORMED),
    "long head of the tag": (b"\xd8\x12" + SIGNED[1:], Code.MALFORMED),
    "tagged twice": (b"\xd2" + SIGNED, Code.MALFORMED),
    "nothing": (b"", Code.MALFORMED),
    "tag alone": (b"\xd2", Code.MALFORMED),
    "trailing byte": (SIGNED + b"\0", Code.NOT_CANONICAL),
    "three fields": (sign1(P, {}, B), Code.BAD_TYPE),
    "five fields": (sign1(P, {}, B, S, S), Code.BAD_TYPE),
    "map": (b"\xd2\xa0", Code.BAD_TYPE),
    "unprotected kid": (sign1(P, {4: KEY.key_id}, B, S), Code.BAD_TYPE),
    "unprotected array": (sign1(P, [], B, S), Code.BAD_TYPE),
    "unprotected null": (sign1(P, None, B, S), Code.BAD_TYPE),
    "unprotected false": (b"\xd2" + cbor2.dumps([P, False, B, S]), Code.BAD_TYPE),
    "unprotected bytes": (sign1(P, b"\xa0", B, S), Code.BAD_TYPE),
    "header as a map": (sign1({1: -19}, {}, B, S), Code.BAD_TYPE),
    "header above 4 KiB": (sign1(bytes(4_097), {}, B, S), Code.BAD_TYPE),
    "detached payload": (sign1(P, {}, None, S), Code.BAD_TYPE),
    "payload as text": (sign1(P, {}, "payload", S), Code.BAD_TYPE),
    "no signature": (sign1(P, {}, B, b""), Code.BAD_TYPE),
    "short signature": (sign1(P, {}, B, S[:63]), Code.BAD_TYPE),
    "long signature": (sign1(P, {}, B, S + b"\0"), Code.BAD_TYPE),
    "null signature": (sign1(P, {}, B, None), Code.BAD_TYPE),
}


@pytest.mark.parametrize(("data", "code"), WRONG_SHAPES.values(), ids=WRONG_SHAPES)
def test_another_shape_is_refused(data: bytes, code: Code) -> None:
    with refused(code, DecodeError):
        cose.decode(data, Typ.REVOCATION, max_bytes=8_192)


HEADER: Final[dict[Any, Any]] = {1: -19, 4: KEY.key_id, 16: str(Typ.REVOCATION)}

WRONG_HEADERS: Final[dict[str, dict[Any, Any]]] = {
    "without alg": {4: KEY.key_id, 16: str(Typ.REVOCATION)},
    "without kid": {1: -19, 16: str(Typ.REVOCATION)},
    "without typ": {1: -19, 4: KEY.key_id},
    "empty": {},
    "with crit": HEADER | {2: [16]},
    "with a text label": HEADER | {"x": 1},
    "EdDSA of RFC 9053": HEADER | {1: -8},
    "ES256": HEADER | {1: -7},
    "alg as text": HEADER | {1: "Ed25519"},
    "alg true": HEADER | {1: True},
    "kid of 31 bytes": HEADER | {4: KEY.key_id[:31]},
    "kid of 33 bytes": HEADER | {4: KEY.key_id + b"\0"},
    "kid as text": HEADER | {4: KEY.key_id.hex()[:32]},
    "kid null": HEADER | {4: None},
    "another typ": HEADER | {16: str(Typ.PROFILE)},
    "typ as a number": HEADER | {16: 0},
    "typ in upper case": HEADER | {16: str(Typ.REVOCATION).upper()},
    "typ as bytes": HEADER | {16: str(Typ.REVOCATION).encode()},
}


@pytest.mark.parametrize("header", WRONG_HEADERS.values(), ids=WRONG_HEADERS)
def test_another_header_is_refused_though_its_signature_holds(header: dict[Any, Any]) -> None:
    def signed(fields: dict[Any, Any]) -> bytes:
        protected = cbor.encode(fields)
        return cose.encode_sign1(protected, B, KEY.sign(cose.signed_bytes(protected, B)))

    cose.verify_opened(cose.decode(signed(HEADER), Typ.REVOCATION, max_bytes=4_096), KEY.public)
    with refused(Code.BAD_HEADER, DecodeError):
        cose.decode(signed(header), Typ.REVOCATION, max_bytes=4_096)


@pytest.mark.parametrize(
    ("protected", "code"),
    [(b"", Code.MALFORMED), (b"\x80", Code.BAD_HEADER), (b"\xf6", Code.BAD_HEADER), (P + b"\0", Code.NOT_CANONICAL)],
    ids=["nothing", "array", "null", "trailing byte"],
)
def test_a_header_that_is_no_map_is_refused(protected: bytes, code: Code) -> None:
    with refused(code, DecodeError):
        cose.decode(cose.encode_sign1(protected, B, S), Typ.REVOCATION, max_bytes=4_096)


def test_a_payload_that_is_not_canonical_is_refused() -> None:
    with refused(Code.NOT_CANONICAL, DecodeError):
        cose.decode(x.signed_bytes(Typ.REVOCATION, b"\x18\x01", KEY), Typ.REVOCATION, max_bytes=4_096)


def test_every_typ_is_a_media_type_of_its_own() -> None:
    assert len({str(typ).casefold() for typ in Typ}) == len(Typ) == 15
    assert all(str(typ).startswith("application/amanah-") for typ in Typ)


@pytest.mark.parametrize("name", ["eddsa-sig-01", "signed1-01"])
def test_the_sig_structure_is_that_of_the_cose_working_groups_example(data_dir: Path, name: str) -> None:
    example = json.loads((data_dir / "vectors" / "cose" / f"{name}.json").read_text(encoding="utf-8"))
    public = bytes.fromhex(example["input"]["sign0"]["key"]["x_hex"])
    protected, _, payload, signature = cbor2.loads(bytes.fromhex(example["output"]["cbor"])[1:])
    structure = cose.signed_bytes(protected, payload)
    assert structure == bytes.fromhex(example["intermediates"]["ToBeSign_hex"])
    verify_signature(public, signature, structure)


def test_no_example_of_the_cose_working_group_is_an_object_of_ours(data_dir: Path) -> None:
    files = sorted((data_dir / "vectors" / "cose").glob("*.json"))
    assert len(files) == 11
    for file in files:
        data = bytes.fromhex(json.loads(file.read_text(encoding="utf-8"))["output"]["cbor"])
        for typ in Typ:
            with pytest.raises(DecodeError):
                cose.decode(data, typ, max_bytes=4_096)
