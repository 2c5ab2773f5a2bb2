"""`amanah audit prove`: the proof of single entries, and what `amanah audit check` says of one.

A C2SP tlog-proof carries its entry. A COSE receipt (RFC 9942) cannot, so the entry stands in a file beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from amanah_client.audit import local
from amanah_client.audit.anchors import check_log
from amanah_client.audit.evidence import relays_of_anchor
from amanah_client.audit.examination import Anchor
from amanah_client.audit.proofs import check_proof, prove_entry
from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import open_case
from amanah_client.cli import audit_json, files, opening, terminal
from amanah_client.cli.audit_ask import show
from amanah_client.cli.audit_words import raise_for
from amanah_client.cli.files import File
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.moments import iso, moment
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, PeerError, UsageError, VerifyError
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.cose_receipt import (
    CoseReceipt,
    decode_receipt,
    encode_receipt,
    verify_receipt,
)
from amanah_protocol.log.leaf import Leaf, decode_leaf
from amanah_protocol.log.merkle import leaf_hash
from amanah_protocol.log.policy import Policy
from amanah_protocol.log.proof_file import LogProof, decode_proof, encode_proof
from amanah_protocol.roster import Relay
from amanah_protocol.types import LeafHash

_NOT_SHOWN: Final = (
    "not shown by a proof of one entry: whether its sender's signature and rights hold; `amanah audit verify` does"
)


class ProofFormat(StrEnum):
    """How a proof is written."""

    TLOG_PROOF = "tlog-proof"
    COSE = "cose"


def prove(
    index: int,
    /,
    *,
    out: File | None = None,
    form: Annotated[ProofFormat, Parameter("--format")] = ProofFormat.TLOG_PROOF,
    common: Options = DEFAULTS,
) -> None:
    """Write the proof that an entry stands in the log, as a C2SP tlog-proof that carries the entry.

    `amanah audit check FILE` verifies it against the roster that the reader trusts; so does any other C2SP verifier,
    given the entry. For tools of COSE the same proof is written as a COSE Receipt (RFC 9942), the entry beside it.

    Parameters
    ----------
    index
        The entry's log index.
    out
        Where to write it; standard output by default. A COSE receipt wants a file: its entry goes to FILE.entry.
    form
        The C2SP tlog-proof, or a COSE receipt.
    """
    files.check_new(out)
    if form is ProofFormat.COSE:
        out = _check_receipt(out)
    with opening.profile(common) as profile, open_case(profile) as case:
        made = prove_entry(case.record.copy, index, case.checkpoint)
        if form is ProofFormat.COSE and out is not None:
            row = case.record.copy.row(index)
            assert row is not None  # noqa: S101 - it was proven
            _write_receipt(out, made, LeafHash(row.hash), case.anchor, local.root_signature(profile.store))
        else:
            files.write_file(out, encode_proof(made))
        if not made.extra:
            terminal.say(f"entry {index} is a bare hash here: whoever has the entry holds it against the proof")
        raise_for(case.report)


def _check_receipt(out: Path | None) -> Path:
    if out is None or str(out) == "-":
        raise UsageError(Code.USAGE, "a COSE receipt is written to a file, its entry beside it", hint="Give --out.")
    files.check_new(_entry_of(out))
    return out


def _write_receipt(out: Path, made: LogProof, leaf: LeafHash, anchor: Anchor, signature: bytes) -> None:
    receipt = _receipt_of(made, leaf, anchor, signature)
    files.write_file(out, encode_receipt(receipt))
    if made.extra:
        files.write_file(_entry_of(out), made.extra)


def _receipt_of(made: LogProof, leaf: LeafHash, anchor: Anchor, signature: bytes) -> CoseReceipt:
    """By whichever key of the log's relays has signed the root: rosters may have changed it since."""
    head = decode_checkpoint(made.checkpoint)[0]
    for key in {relay.key: None for relay in relays_of_anchor(anchor) if relay.origin == head.origin}:
        receipt = CoseReceipt(kid=sha256(key), size=head.size, index=made.index, path=made.path, signature=signature)
        with contextlib.suppress(VerifyError):
            verify_receipt(receipt, leaf, key)
            return receipt
    hint = "`amanah audit sync` gets a newer checkpoint."
    raise UsageError(Code.NOT_FOUND, "no relay that is trusted here has signed the root of the copy", hint=hint)


def _entry_of(receipt: Path) -> Path:
    return receipt.with_name(f"{receipt.name}.entry")


def check_proof_file(data: bytes, policy: Policy, name: str, common: Options) -> None:
    """Verify a `.tlog-proof` that carries its entry, for `amanah audit check`.

    Raises:
        DecodeError: It is none.
        UsageError: `NOT_FOUND` when it carries no entry, `UNANCHORED` with the policy of another log.
        VerifyError: `RECORD` when it does not hold.
    """
    made = decode_proof(data)
    check_log(policy, decode_checkpoint(made.checkpoint)[0].origin)
    try:
        leaf, witnessed = check_proof(made, policy)
    except PeerError as error:
        raise VerifyError(Code.RECORD, f"the proof does not hold: {error.detail} [{error.code}]") from error
    head = witnessed.checkpoint
    if common.json:
        log = {
            "origin": head.origin,
            "size": head.size,
            "witnesses": audit_json.witnesses_json(witnessed.cosignatures),
        }
        terminal.show_json(_entry_json(leaf, made.index, name) | {"log": log})
        return
    show(_entry_line(leaf, made.index))
    names = words.listed(cosigner for cosigner, _ in witnessed.cosignatures)
    show(f"under the checkpoint of {head.size} entries of {head.origin}, cosigned by {names}")
    show(_NOT_SHOWN)
    show(f"HOLDS: this entry stands in the log at its index; anchored in {name}")


def check_receipt_file(file: Path, data: bytes, relays: Iterable[Relay], name: str, common: Options) -> None:
    """Verify a COSE receipt against the entry in the file beside it, for `amanah audit check`.

    Raises:
        DecodeError: It is none, or the entry is none.
        UsageError: `CONFIG` when the entry cannot be read, `UNANCHORED` for a relay that nobody here trusts.
        VerifyError: `RECORD` when it does not hold.
    """
    receipt = decode_receipt(data)
    entry = files.read_file(_entry_of(file))
    relay = next((relay for relay in relays if relay.relay_id == receipt.kid), None)
    if relay is None:
        detail = f"the receipt is signed by the key {receipt.kid.hex()[:16]}, which is no relay's that is trusted here"
        raise UsageError(Code.UNANCHORED, detail, hint="A relay's key stands in the community's roster: give --roster.")
    try:
        root = verify_receipt(receipt, leaf_hash(entry), relay.key)
    except PeerError as error:
        raise VerifyError(Code.RECORD, f"the receipt does not hold: {error.detail} [{error.code}]") from error
    leaf = decode_leaf(entry)
    if common.json:
        terminal.show_json(
            _entry_json(leaf, receipt.index, name) | {"log": {"origin": relay.origin, "root": root.hex()}}
        )
        return
    show(_entry_line(leaf, receipt.index))
    show(f"in a log of {relay.origin} with the root {root.hex()}")
    show("a receipt signs the root alone: that this is the entry's index is shown where a checkpoint has this root")
    show(_NOT_SHOWN)
    show(f"HOLDS: this entry stands in the log; anchored in {name}")


def _entry_json(leaf: Leaf, index: int, name: str) -> dict[str, object]:
    return {
        "format": audit_json.FORMAT,
        "holds": True,
        "anchored": True,
        "held_against": name,
        "log_index": index,
        "entry": _kind(leaf),
        "accepted": iso(leaf.accepted_at_ms),
        "room": leaf.room.hex(),
        "room_seq": leaf.room_seq,
    }


def _entry_line(leaf: Leaf, index: int) -> str:
    return (
        f"entry {index}: {_kind(leaf)} of room {leaf.room.hex()}, place {leaf.room_seq}, accepted "
        f"{moment(leaf.accepted_at_ms)}"
    )


def _kind(leaf: Leaf) -> str:
    return leaf.type.name.lower().replace("_", " ")
