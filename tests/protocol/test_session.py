"""Login proofs: bound to both sides and to the place (attack 35)."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, Final

import pytest

from amanah_protocol import cbor, session
from amanah_protocol.crypto import verify_signature
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.session import Transcript
from amanah_protocol.types import DeviceId, KeyId
from tests.protocol.refusal import refused
from tests.vectors import examples as x

TRANSCRIPT: Final = x.transcript()
BY_RELAY: Final = session.sign_as_relay(TRANSCRIPT, x.RELAY_KEY)
BY_CLIENT: Final = session.sign_as_client(TRANSCRIPT, x.OFFICER)

CHANGES: Final[dict[str, Any]] = {
    "offered": (1, 2),
    "chosen": 2,
    "relay": KeyId(x.fixed("another relay")),
    "origin": "other.example/log",
    "dialled": "other.example:443",
    "tls_hash": session.NO_TLS,
    "client_nonce": x.fixed("another nonce"),
    "relay_nonce": x.fixed("another nonce"),
    "device": DeviceId(x.fixed("another device")),
    "certificate_hash": x.fixed("another certificate"),
    "control_sequence": 8,
    "time_ms": x.NOW_MS + 1,
}


def test_both_proofs_verify_over_the_same_transcript() -> None:
    session.verify_relay_proof(TRANSCRIPT, BY_RELAY, x.RELAY_KEY.public)
    session.verify_client_proof(TRANSCRIPT, BY_CLIENT, x.OFFICER.public)


def test_every_field_of_the_transcript_is_one_that_a_change_is_tried_of() -> None:
    assert {field.name for field in fields(Transcript)} == set(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
def test_a_proof_over_another_transcript_is_refused(name: str) -> None:
    other = replace(TRANSCRIPT, **{name: CHANGES[name]})
    with refused(Code.LOGIN, VerifyError):
        session.verify_relay_proof(other, BY_RELAY, x.RELAY_KEY.public)
    with refused(Code.LOGIN, VerifyError):
        session.verify_client_proof(other, BY_CLIENT, x.OFFICER.public)


def test_a_proof_by_another_key_is_refused() -> None:
    with refused(Code.LOGIN, VerifyError):
        session.verify_relay_proof(TRANSCRIPT, BY_RELAY, x.OFFICER.public)
    with refused(Code.LOGIN, VerifyError):
        session.verify_client_proof(TRANSCRIPT, BY_CLIENT, x.RELAY_KEY.public)


@pytest.mark.parametrize("signature", [b"", bytes(64), BY_RELAY + b"\0"])
def test_something_else_is_no_proof(signature: bytes) -> None:
    with refused(Code.LOGIN, VerifyError):
        session.verify_relay_proof(TRANSCRIPT, signature, x.RELAY_KEY.public)


def test_a_proof_is_not_reflected_to_the_side_that_made_it() -> None:
    # One key in both roles: only the context keeps the two proofs apart.
    key = x.OFFICER
    with refused(Code.LOGIN, VerifyError):
        session.verify_relay_proof(TRANSCRIPT, session.sign_as_client(TRANSCRIPT, key), key.public)
    with refused(Code.LOGIN, VerifyError):
        session.verify_client_proof(TRANSCRIPT, session.sign_as_relay(TRANSCRIPT, key), key.public)


def test_a_relay_cannot_pass_its_challenge_on_to_another() -> None:
    # The evil relay dials the honest one and hands its challenge to the client.
    honest = x.RELAY_KEY
    through = replace(TRANSCRIPT, relay=KeyId(honest.key_id), dialled="evil.example:443", tls_hash=x.fixed("evil tls"))
    with refused(Code.LOGIN, VerifyError):
        session.verify_relay_proof(through, session.sign_as_relay(TRANSCRIPT, honest), honest.public)
    with refused(Code.LOGIN, VerifyError):
        session.verify_client_proof(TRANSCRIPT, session.sign_as_client(through, x.OFFICER), x.OFFICER.public)


NONCES: Final = [
    b"\x84\x6aSignature1".ljust(32, b"\0"),
    b"amanah/login/1/relay\0".ljust(32, b"\0"),
    b"MLS 1.0 ".ljust(32, b"\0"),
    x.message().payload,
    x.roster_of().endorsed.hash,
]


@pytest.mark.parametrize("nonce", NONCES)
def test_no_nonce_makes_a_login_sign_something_else(nonce: bytes) -> None:
    # Whatever the other side sends, the signed bytes begin with the context and hold the nonce as one field.
    chosen = replace(TRANSCRIPT, relay_nonce=nonce, client_nonce=nonce)
    signed = b"amanah/login/1/client\0" + chosen.encode()
    verify_signature(x.OFFICER.public, session.sign_as_client(chosen, x.OFFICER), signed)
    assert not signed.startswith((b"\x84\x6aSignature1", b"amanah/login/1/relay\0"))
    assert cbor.decode(chosen.encode(), max_bytes=4_096) == [
        [1],
        1,
        x.RELAY_KEY.key_id,
        x.ORIGIN,
        "relay.example:443",
        x.fixed("tls certificate"),
        nonce,
        nonce,
        x.KID,
        x.certificate().hash,
        7,
        x.NOW_MS,
    ]


def test_the_same_login_over_another_certificate_has_another_transcript() -> None:
    other = TRANSCRIPT.with_tls_hash(x.fixed("other tls"))
    assert other == replace(TRANSCRIPT, tls_hash=x.fixed("other tls"))
    assert other.encode() != TRANSCRIPT.encode()


@pytest.mark.parametrize("offered", [(1,), (1, 2), (7, 1)])
def test_the_highest_common_version_is_chosen(offered: tuple[int, ...]) -> None:
    assert session.choose_version(offered) == 1


@pytest.mark.parametrize("offered", [(), (0,), (2, 3)])
def test_without_a_common_version_there_is_no_login(offered: tuple[int, ...]) -> None:
    with refused(Code.UNKNOWN_VERSION, VerifyError):
        session.choose_version(offered)
