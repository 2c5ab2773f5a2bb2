"""Write `protocol.json`, the known answers of the protocol: `python -m tests.vectors.make`.

A second implementation reads the file alone: each structure with the function that takes it apart,
its bytes, and what follows from them. Nothing in it is random, so a change of the file is a change
of the wire.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from amanah_protocol import endorse, envelope, heads, kinds, session
from amanah_protocol.audit import sign_order
from amanah_protocol.content.sealed import encode_content
from amanah_protocol.custody.chain import custody_chain
from amanah_protocol.custody.erasures import sign_erasure
from amanah_protocol.endorse import Endorsed
from amanah_protocol.frames import Frame, encode_frame
from amanah_protocol.identity import Role
from amanah_protocol.log.conflict import encode_evidence
from amanah_protocol.log.cose_receipt import encode_receipt
from amanah_protocol.log.export import sign_manifest
from amanah_protocol.log.receipt import sign_receipt
from tests.vectors import examples as x
from tests.vectors import frame_examples, log_examples

PATH: Final = Path(__file__).with_name("protocol.json")
ABOUT: Final = (
    "Known answers of the Amanah protocol, made by tests/vectors/make.py. All bytes are hexadecimal. "
    "The seeds are SHA-256 of 'amanah example key: ' and a name; they protect nothing."
)
KEYS: Final = {
    "officer": f"{x.TN} officer",
    "enrolment": f"{x.TN} enrolment",
    "custodian 1": f"{x.TN} custodian 1",
    "relay": "relay",
}
"""What the answers call a key, and the name that its seed is made of."""

Answer = dict[str, str | int]


def answer(name: str, decoder: str, data: bytes, **derived: bytes | str) -> Answer:
    """One known answer: bytes, who reads them, and what follows from them."""
    follows = {key: value.hex() if isinstance(value, bytes) else value for key, value in derived.items()}
    return {"name": name, "decoder": decoder, "hex": data.hex(), **follows}


def identities() -> Iterator[Answer]:
    """Requests, certificates, profiles, enrolment certificates."""
    request, enrolment = x.request(), x.nation(x.TN).enrolment
    yield answer("device request", "request", request.encoded, device_id=request.device_id, signed_by="officer")
    for role in (Role.OFFICER, Role.BOT):
        certificate = x.certificate(role)
        yield answer(
            f"certificate of the {role.name.lower()}",
            "certificate",
            certificate.encoded,
            device_id=certificate.device_id,
            hash=certificate.hash,
            signed_by="enrolment",
        )
    yield answer("profile", "profile", x.profile().encoded, mac=x.profile().mac, signed_by="enrolment")
    yield document("enrolment certificate", "enrolment", enrolment.endorsed)


def authority() -> Iterator[Answer]:
    """Revocations and rosters."""
    yield answer("revocation of a device", "revocation", x.device_revocation().encoded, signed_by="enrolment")
    yield document("withdrawal of an enrolment key", "enrolment_revocation", x.enrolment_revocation().endorsed)
    for version in (1, 2):
        yield document(f"roster, version {version}", "roster", x.roster_of(version).endorsed)
    witnessed = x.endorsed(x.roster_document(3, witnesses=x.WITNESSES, quorum=2), *x.custodians(*x.NAMES[:2]))
    yield document("roster, version 3, with witnesses", "roster", witnessed)
    endorsement = endorse.endorse(x.roster_document(), x.key(KEYS["custodian 1"]))
    yield answer("endorsement of roster 1", "endorsement", endorsement, signed_by="custodian 1")


def custody() -> Iterator[Answer]:
    """Grants, holds, erasures, reading orders, a room's policy."""
    yield document("audit grant", "audit_grant", x.audit_grant().endorsed)
    yield document("legal hold", "legal_hold", x.legal_hold().endorsed)
    yield answer("erasure of content", "erasure", sign_erasure(x.content_erasure(), x.RELAY_KEY), signed_by="relay")
    yield document("erasure of a person", "person_erasure", x.person_erasure().endorsed)
    for name, order in (("reading order", x.reading_order()), ("reading order under a grant", x.granted_order())):
        yield answer(name, "reading_order", sign_order(order, x.OFFICER), signed_by="officer")
    yield answer("room policy", "room_policy", x.POLICY.encode())


def document(name: str, decoder: str, endorsed: Endorsed) -> Answer:
    """The known answer of a document that several keys sign."""
    return answer(name, decoder, endorsed.encode(), document_hash=endorsed.hash, record=endorsed.record)


def envelopes() -> Iterator[Answer]:
    """One envelope of each kind, and of a repair and a creation both forms, with its content and id."""
    named = {kind.name.lower(): specific for kind, specific in x.SPECIFICS.items()}
    others: dict[str, kinds.Specific] = {
        "message, with an attachment": x.ATTACHED,
        "repair, a request": x.REQUEST,
        "create, a drill": x.DRILL,
    }
    for name, specific in {**named, **others}.items():
        signed = x.signed(specific)
        yield answer(
            f"envelope: {name}",
            "envelope",
            signed.encoded,
            header=signed.parts.protected,
            id=signed.id,
            aad=signed.header.aad,
            content=x.sealed_content(signed.header.kind) if signed.header.is_sealed else b"",
            signed_by="officer",
        )


def records() -> Iterator[Answer]:
    """What the relay signs and logs, and an exporter of it."""
    control, room = (
        heads.sign_control_head(x.control_head(), x.RELAY_KEY),
        heads.sign_room_head(x.room_head(), x.RELAY_KEY),
    )
    yield answer("control head", "control_head", control, signed_by="relay")
    yield answer("room head", "room_head", room, signed_by="relay")
    yield answer("receipt", "receipt", sign_receipt(x.receipt(), x.RELAY_KEY), signed_by="relay")
    inclusion, leaf_hash = x.cose_receipt(), x.control_leaf().hash
    yield answer("COSE Receipt", "cose_receipt", encode_receipt(inclusion), leaf_hash=leaf_hash, signed_by="relay")
    manifest = b"{}\n"
    yield answer("export", "export", sign_manifest(manifest, x.OFFICER), manifest=manifest, signed_by="officer")
    for name, leaf in (("envelope", x.envelope_leaf()), ("certificate", x.control_leaf())):
        yield answer(f"log entry of the {name}", "leaf", leaf.encode(), leaf_hash=leaf.hash)


def gossip() -> Iterator[Answer]:
    """Sealed content with its sender's view of the log, the note that its receiver makes of it, and evidence."""
    content = log_examples.content()
    note = log_examples.checkpoint(log_examples.SIZE).data
    yield answer("content: a short text", "content", encode_content(content), note=note, log_vkey=log_vkey())
    drill = encode_content(replace(content, drill=True))
    yield answer("content: a short text of a drill", "content", drill, note=note, log_vkey=log_vkey())
    file = encode_content(log_examples.file_content())
    yield answer(
        "content: a file", "content", file, note=note, log_vkey=log_vkey(), attachment=log_examples.attachment()
    )
    yield answer(
        "evidence against a log", "log_evidence", encode_evidence(log_examples.conflicts()), log_vkey=log_vkey()
    )


def log_vkey() -> str:
    """The log's key as the roster names it."""
    return x.LOG_SIGNER.verifier.vkey


def logins() -> Iterator[Answer]:
    """The transcript of a login, and both signatures over it."""
    transcript = x.transcript()
    yield answer(
        "login transcript",
        "transcript",
        transcript.encode(),
        relay_proof=session.sign_as_relay(transcript, x.RELAY_KEY),
        client_proof=session.sign_as_client(transcript, x.OFFICER),
    )


def derivations() -> dict[str, dict[str, str | int]]:
    """Values that both sides compute, with what they are computed from."""
    readers = sorted({x.KID, *x.DEVICES})
    return {
        "room_id": {"origin": x.ORIGIN, "creator": x.KID.hex(), "nonce": x.NONCE.hex(), "value": x.ROOM.hex()},
        "audience": {
            "devices": " ".join(device.hex() for device in readers),
            "value": envelope.audience_digest(frozenset(readers)).hex(),
        },
        "custody_chain": {"room": x.ROOM.hex(), "value": custody_chain(x.ROOM).hex()},
        "commitment": {
            "key": x.fixed("disclosure key").hex(),
            "room": x.ROOM.hex(),
            "kid": x.KID.hex(),
            "counter": 9,
            "content": b"content".hex(),
            "value": x.commitment().hex(),
        },
    }


def frame(example: Frame) -> Answer:
    """The known answer of a frame."""
    decoder = "client_frame" if example in frame_examples.CLIENT else "relay_frame"
    return answer(type(example).__name__, decoder, encode_frame(example))


def known_answers() -> str:
    """The text of the file."""
    parts = (
        identities(),
        authority(),
        custody(),
        envelopes(),
        records(),
        gossip(),
        logins(),
        map(frame, frame_examples.FRAMES),
    )
    seeds = {
        name: {"seed": x.example_seed(label).hex(), "public": x.key(label).public.hex()} for name, label in KEYS.items()
    }
    content = {
        "about": ABOUT,
        "keys": seeds,
        "derived": derivations(),
        "answers": [item for part in parts for item in part],
    }
    return json.dumps(content, indent=1) + "\n"


if __name__ == "__main__":
    PATH.write_text(known_answers(), encoding="utf-8")
