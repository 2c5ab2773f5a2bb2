"""Writes evidence bundles by section 12 of the protocol, right ones and others; and runs the single-file verifier."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import io
import json
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from amanah_client.log_rows import AuditRow
from amanah_protocol import cbor, cose
from amanah_protocol.crypto import SigningKey
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import DecodeError
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.leaf import LeafType, decode_leaf
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.policy import encode_policy, policy_of_roster
from amanah_protocol.log.stamp import imprint_of
from amanah_protocol.roster import Witness, decode_roster
from amanah_protocol.types import CONTROL, LeafHash
from tests.authority import make_authority
from tests.client.audit.world import AUDITOR_TN, NOW_MS, TN, Incident, incident
from tests.vectors import examples as x

SCRIPT: Final = Path(__file__).resolve().parents[2] / "client/amanah_client/audit/verify/amanah-verify.py"
TYP: Final = "application/amanah-export+cose"
VIEWS: Final = {
    "entries.csv": b"index\n",
    "entries.jsonl": b"{}\n",
    "report.html": b"<!doctype html>\n",
    "report.pdf": b"%PDF-1.7\n",
}
SIGNERS: Final = tuple(
    NoteSigner(name=f"witness.example.{number}", key=x.key(f"cosigner {number}"), kind=SignatureType.COSIGNATURE)
    for number in range(4)
)
"""Four witnesses, of whom one may lie."""

WITNESSED: Final = x.endorsed(
    x.roster_document(
        1,
        witnesses=tuple(Witness(name=f"witness {n}", keys=(s.verifier,)) for n, s in enumerate(SIGNERS)),
        quorum=3,
    ),
    *x.custodians(*x.NAMES[:2]),
)
"""The roster that asks for three of them."""


def load() -> ModuleType:
    """The verifier, whose name no `import` takes."""
    spec = importlib.util.spec_from_file_location("amanah_verify", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


VERIFIER: Final = load()


def sequence(items: Iterable[bytes]) -> bytes:
    """A CBOR sequence of byte strings."""
    return b"".join(cbor.encode(item) for item in items)


def encode_row(row: AuditRow) -> bytes:
    return cbor.encode([row.index, row.hash, row.entry, row.document])


def archive(members: dict[str, bytes]) -> bytes:
    """A ZIP of stored members, all of one time."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as made:
        for name, content in members.items():
            made.writestr(zipfile.ZipInfo(name), content)
    return data.getvalue()


def members_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        return {name: made.read(name) for name in made.namelist()}


def sign_manifest(manifest: bytes, key: SigningKey = AUDITOR_TN.key, typ: str = TYP) -> bytes:
    protected = cbor.encode({1: cose.ALG_ED25519, 4: key.key_id, 16: typ})
    payload = cbor.encode(hashlib.sha256(manifest).digest())
    return cose.encode_sign1(protected, payload, key.sign(cose.signed_bytes(protected, payload)))


def cosigned(note: bytes, seconds: Iterable[int], signers: Iterable[NoteSigner] = SIGNERS) -> bytes:
    """A checkpoint with cosignatures of these times by the witnesses, one after the other."""
    text = note.decode().rpartition("\n\n")[0] + "\n"
    lines = [signer.sign(text, time_s=time) for signer, time in zip(signers, seconds, strict=False)]
    return note + "".join(line.encode() for line in lines).encode()


def checkpoint_at(rows: list[AuditRow], size: int) -> bytes:
    """What the log signed when it had this size."""
    frontier = Frontier()
    for row in rows[:size]:
        frontier.append(LeafHash(row.hash))
    return sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=size, root=frontier.root()), x.LOG_SIGNER)


@dataclass(kw_only=True)
class Evidence:
    """What goes into a bundle. A test changes one part; manifest and signature are made last, of all the others."""

    rows: list[AuditRow]
    checkpoint: bytes
    rosters: tuple[bytes, ...]
    policy: bytes = b""
    checkpoints: tuple[bytes, ...] = ()
    control_head: bytes = b""
    timestamps: tuple[bytes, ...] = ()
    disclosures: tuple[bytes, ...] = ()
    exported: int = NOW_MS + 60_000
    tails: dict[str, bytes] = field(default_factory=dict)
    """Bytes behind what a member holds; the manifest is of them too."""
    manifest: Callable[[dict[str, Any]], None] = field(default=lambda _: None)
    """Changes the manifest before it is signed."""
    members: Callable[[dict[str, bytes]], None] = field(default=lambda _: None)
    """Changes the members after it was signed."""

    def encode(self) -> bytes:
        policy = self.policy or encode_policy(policy_of_roster(decode_roster(self.rosters[-1])))
        files = {
            "policy": policy,
            "rosters": sequence(self.rosters),
            "leaves": sequence(map(encode_row, self.rows)),
            "checkpoint": self.checkpoint,
            "checkpoints": sequence(self.checkpoints),
            "control-head": self.control_head,
            "timestamps": sequence(self.timestamps),
            "disclosures": sequence(self.disclosures),
            **VIEWS,
            "amanah-verify.py": SCRIPT.read_bytes(),
        }
        files = {name: content + self.tails.get(name, b"") for name, content in files.items()}
        manifest = self.claims()
        manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        self.manifest(manifest)
        encoded = json.dumps(manifest, indent=2, sort_keys=True).encode() + b"\n"
        members = {"manifest.json": encoded, "manifest.sig": sign_manifest(encoded), **files}
        self.members(members)
        return archive(members)

    def claims(self) -> dict[str, Any]:
        rooms: dict[bytes, int] = {}
        control, certificate = 0, 0
        for row in self.rows:
            try:
                leaf = decode_leaf(row.entry or b"")
            except DecodeError:
                continue
            if leaf.room == CONTROL:
                control = leaf.room_seq
                if leaf.type is LeafType.CERTIFICATE and leaf.object == AUDITOR_TN.certificate.encoded:
                    certificate = row.index
            elif leaf.type is LeafType.ENVELOPE:
                rooms[leaf.room] = max(leaf.room_seq, rooms.get(leaf.room, 0))
        origin, size, root = self.checkpoint.decode().split("\n")[:3]
        return {
            "format": "amanah evidence 1",
            "log": {"origin": origin, "size": int(size), "root": root_hex(root)},
            "complete": {
                "from": 0,
                "until": int(size),
                "rooms": [{"room": room.hex(), "first": 1, "last": last} for room, last in sorted(rooms.items())],
                "control": control,
            },
            "disclosed": [decode_id(one) for one in self.disclosures],
            "exported": iso(self.exported),
            "exporter": {"device": AUDITOR_TN.id.hex(), "organisation": str(TN), "certificate": certificate},
        }


def root_hex(root: str) -> str:
    return base64.b64decode(root).hex()


def iso(at_ms: int) -> str:
    """A time as a manifest has it."""
    return datetime.fromtimestamp(at_ms / 1_000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decode_id(disclosure: bytes) -> str:
    value = cbor.decode(disclosure, max_bytes=2**20)
    assert isinstance(value, list)
    assert isinstance(value[0], bytes)
    return value[0].hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the single-file verifier says."""

    holds: bool
    first: int | None
    reasons: tuple[tuple[int | None, str], ...]
    unchecked: frozenset[str]


def verdict(data: bytes, rosters: Iterable[bytes] = (), policy: bytes | None = None) -> Verdict:
    """Run the verifier on a bundle, in this process."""
    given = [VERIFIER.Roster(VERIFIER.Endorsed(one, 2**21)) for one in rosters]
    bundle = VERIFIER.Bundle(io.BytesIO(data), len(data))
    bundle.verify(policy, given)
    return Verdict(
        holds=not bundle.first,
        first=bundle.first[0][0] if bundle.first else None,
        reasons=tuple(bundle.faults),
        unchecked=frozenset(bundle.unchecked),
    )


@cache
def stamped(note: bytes) -> bytes:
    """A token on a checkpoint, by an authority that nobody here trusts."""
    with tempfile.TemporaryDirectory() as folder:
        return make_authority(Path(folder) / "authority").token_at(imprint_of(note), datetime.now(UTC))


ROSTER: Final = x.roster_of().endorsed.encode()
TOLD: Final = incident()


def honest(told: Incident = TOLD, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of `Evidence`
    """What an honest exporter writes of a log, with a disclosure, a smaller checkpoint and a head."""
    rows = told.rows()
    envelope = decode_envelope(told.log.leaves[told.disclosed].object)
    fields: dict[str, Any] = {
        "rows": rows,
        "checkpoint": told.log.checkpoint(),
        "checkpoints": (checkpoint_at(rows, 9), checkpoint_at(rows, 20)),
        "rosters": (ROSTER,),
        "control_head": told.log.control_head(),
        "disclosures": (cbor.encode([envelope.id, told.k, told.content]),),
        "timestamps": (cbor.encode([told.log.size, "authority.example", stamped(told.log.checkpoint())]),),
        **changes,
    }
    return Evidence(**fields)


def witnessed(seconds: Iterable[int], told: Incident, **changes: Any) -> Evidence:  # noqa: ANN401 - fields of `Evidence`
    """A bundle of a community with witnesses, whose checkpoint they cosigned at these times."""
    return honest(told, checkpoint=cosigned(told.log.checkpoint(), seconds), rosters=(WITNESSED.encode(),), **changes)
