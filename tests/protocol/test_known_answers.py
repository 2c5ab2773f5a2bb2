"""The wire as it was written down: these sources still give exactly the bytes of `protocol.json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from amanah_protocol import audit, endorse, envelope, frames, heads, identity, revocation, roster
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.custody import erasures
from amanah_protocol.custody.grants import decode_grant
from amanah_protocol.custody.holds import decode_hold
from amanah_protocol.custody.retention import decode_policy
from amanah_protocol.log import cose_receipt
from amanah_protocol.log.conflict import Verdict, decode_evidence, verify_conflict
from amanah_protocol.log.export import verify_manifest
from amanah_protocol.log.leaf import decode_leaf
from amanah_protocol.log.merkle import leaf_hash, node_hash
from amanah_protocol.log.receipt import verify_receipt
from amanah_protocol.log.statement import rebuild_checkpoint
from amanah_protocol.types import LeafHash
from tests.vectors import examples as x
from tests.vectors import make

WRITTEN: Final = make.PATH.read_text(encoding="utf-8")
FILE: Final[dict[str, Any]] = json.loads(WRITTEN)
ANSWERS: Final[list[dict[str, Any]]] = FILE["answers"]


def of(*decoders: str) -> list[Any]:
    """The answers of some decoders, as parameters of a test."""
    return [pytest.param(answer, id=answer["name"]) for answer in ANSWERS if answer["decoder"] in decoders]


def data(answer: dict[str, Any], name: str = "hex") -> bytes:
    return bytes.fromhex(answer[name])


def public(answer: dict[str, Any]) -> bytes:
    return bytes.fromhex(FILE["keys"][answer["signed_by"]]["public"])


def test_the_file_is_what_these_sources_make() -> None:
    assert make.known_answers() == WRITTEN


def test_the_public_keys_are_those_of_the_seeds() -> None:
    for key in FILE["keys"].values():
        assert SigningKey(bytes.fromhex(key["seed"])).public.hex() == key["public"]


@pytest.mark.parametrize("answer", of("envelope"))
def test_an_envelope_of_the_file_is_verified(answer: dict[str, Any]) -> None:
    found = envelope.decode_envelope(data(answer))
    envelope.check_content(found, data(answer, "content"))
    envelope.verify_envelope(found, public(answer))
    assert found.id == data(answer, "id")
    assert found.parts.protected == data(answer, "header")
    assert found.header.aad == data(answer, "aad") == sha256(data(answer, "header"))


@pytest.mark.parametrize("answer", of("request", "certificate", "profile", "revocation"))
def test_an_identity_of_the_file_is_verified(answer: dict[str, Any]) -> None:
    key, encoded = public(answer), data(answer)
    match answer["decoder"]:
        case "request":
            request = identity.decode_request(encoded)
            assert (request.public_key, request.device_id) == (key, data(answer, "device_id"))
        case "certificate":
            certificate = identity.decode_certificate(encoded)
            identity.verify_certificate_signature(certificate, key)
            assert (certificate.device_id, certificate.hash) == (data(answer, "device_id"), data(answer, "hash"))
        case "profile":
            assert identity.decode_profile(encoded).mac == data(answer, "mac")
        case _:
            revocation.verify_revocation(revocation.decode_revocation(encoded), key)


DOCUMENTS: Final[dict[str, Callable[[bytes], Any]]] = {
    "enrolment": identity.decode_enrolment,
    "enrolment_revocation": revocation.decode_enrolment_revocation,
    "roster": roster.decode_roster,
    "audit_grant": decode_grant,
    "legal_hold": decode_hold,
    "person_erasure": erasures.decode_person_erasure,
}


@pytest.mark.parametrize("answer", of(*DOCUMENTS))
def test_a_document_of_the_file_is_read(answer: dict[str, Any]) -> None:
    found: endorse.Endorsed = DOCUMENTS[answer["decoder"]](data(answer)).endorsed
    assert (found.hash, found.record) == (data(answer, "document_hash"), data(answer, "record"))


@pytest.mark.parametrize("answer", of("erasure", "reading_order"))
def test_what_concerns_a_rooms_record_is_verified(answer: dict[str, Any]) -> None:
    match answer["decoder"]:
        case "erasure":
            assert erasures.verify_erasure(data(answer), public(answer)).value == x.content_erasure()
        case _:
            order = audit.verify_order(data(answer), public(answer)).value
            assert order.grant == (x.audit_grant().id if "grant" in answer["name"] else None)


@pytest.mark.parametrize("answer", of("room_policy"))
def test_a_rooms_policy_of_the_file_is_read(answer: dict[str, Any]) -> None:
    assert decode_policy(data(answer)) == x.POLICY


@pytest.mark.parametrize("answer", of("cose_receipt"))
def test_a_cose_receipt_of_the_file_is_verified(answer: dict[str, Any]) -> None:
    found = cose_receipt.decode_receipt(data(answer))
    root = cose_receipt.verify_receipt(found, LeafHash(data(answer, "leaf_hash")), public(answer))
    assert (found.size, found.index) == (2, 1)
    assert root == node_hash(found.path[0], data(answer, "leaf_hash"))


@pytest.mark.parametrize("answer", of("control_head", "room_head", "receipt"))
def test_a_relays_word_of_the_file_is_verified(answer: dict[str, Any]) -> None:
    verifiers: dict[str, Callable[[bytes, bytes], object]] = {
        "control_head": heads.verify_control_head,
        "room_head": heads.verify_room_head,
        "receipt": verify_receipt,
    }
    verifiers[answer["decoder"]](data(answer), public(answer))


@pytest.mark.parametrize("answer", of("content"))
def test_the_note_of_a_view_of_the_file_is_made_anew(answer: dict[str, Any]) -> None:
    view = decode_content(data(answer)).view
    relay = replace(x.relay(), log_vkey=answer["log_vkey"])
    note = rebuild_checkpoint(size=view.log_size, root=view.log_root, signature=view.log_signature, relay=relay)
    assert note == data(answer, "note")


@pytest.mark.parametrize("answer", of("log_evidence"))
def test_evidence_of_the_file_is_judged(answer: dict[str, Any]) -> None:
    relay = replace(x.relay(), log_vkey=answer["log_vkey"])
    judged = [verify_conflict(conflict, relay).verdict for conflict in decode_evidence(data(answer))]
    assert judged == list(Verdict)


@pytest.mark.parametrize("answer", of("export"))
def test_an_export_of_the_file_is_verified(answer: dict[str, Any]) -> None:
    verify_manifest(data(answer), data(answer, "manifest"), public(answer))


@pytest.mark.parametrize("answer", of("leaf"))
def test_an_entry_of_the_file_is_read(answer: dict[str, Any]) -> None:
    assert decode_leaf(data(answer)).hash == data(answer, "leaf_hash") == leaf_hash(data(answer))


@pytest.mark.parametrize("answer", of("client_frame", "relay_frame"))
def test_a_frame_of_the_file_is_read(answer: dict[str, Any]) -> None:
    decode = frames.decode_client_frame if answer["decoder"] == "client_frame" else frames.decode_relay_frame
    found = decode(data(answer))
    assert type(found).__name__ == answer["name"]
    assert frames.encode_frame(found) == data(answer)
