"""One search for anything that somebody may hold in hand: an id, a name, a log index, a pasted receipt."""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from amanah_client.audit.questions import words
from amanah_client.audit.questions.case import Case
from amanah_client.audit.questions.parameters import devices_by_prefix, entries_by_prefix, rooms_by_prefix
from amanah_client.audit.record import read_specific
from amanah_protocol import kinds
from amanah_protocol.errors import AmanahError, Code, PeerError, UsageError
from amanah_protocol.kinds import Kind
from amanah_protocol.log.cose_receipt import decode_receipt
from amanah_protocol.log.cose_receipt import verify_receipt as verify_cose_receipt
from amanah_protocol.log.leaf import decode_leaf
from amanah_protocol.log.merkle import verify_inclusion
from amanah_protocol.log.proof_file import decode_proof
from amanah_protocol.log.receipt import Receipt, verify_receipt
from amanah_protocol.types import LeafHash

MAX_CHARS: Final = 300_000
"""Of what is pasted: the longest receipt of a batch, in hex."""
_MOST: Final = 10
_PROOF: Final = "c2sp.org/tlog-proof@"
_BLANK: Final = re.compile(r"\s+")
_MIN_RECEIPT: Final = 65
"""Bytes: what is shorter is an id."""


class Hit(StrEnum):
    """What was found."""

    ENTRY = "entry"
    ROOM = "room"
    NATION = "nation"
    DEVICE = "device"
    RECEIPT = "receipt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """One thing that was found.

    Attributes:
        hit: What it is.
        key: What names it to a question: an id, a name or a log index.
        text: For people.
        holds: Whether the record and what was pasted agree.
        index: A log index, where there is one.
        ask: Questions that it fits, as arguments of `amanah audit ask`.
    """

    hit: Hit
    key: str
    text: str
    holds: bool = True
    index: int | None = None
    ask: tuple[str, ...] = ()


def search(case: Case, text: str) -> tuple[Hits, ...]:
    """Everything that a text may mean, at most ten of each.

    Raises:
        UsageError: `USAGE` for an empty or overlong text; `NOT_FOUND` when nothing was found.
    """
    wanted = text.strip()
    if not wanted or len(wanted) > MAX_CHARS:
        hint = "Type an id's first digits, a nation, a log index, or paste a receipt."
        raise UsageError(Code.USAGE, "there is nothing to search for", hint=hint)
    found = tuple(_receipts(case, wanted)) or (
        *_entries(case, wanted), *_rooms(case, wanted), *_nations(case, wanted), *_devices(case, wanted),
    )  # fmt: skip
    if not found:
        hint = "Ids need four first digits at the least; what is out of scope is bare hashes here."
        raise UsageError(Code.NOT_FOUND, "nothing in this record is called so", hint=hint)
    return found


def _entries(case: Case, text: str) -> Iterator[Hits]:
    if re.fullmatch(r"[0-9]{1,18}", text) and int(text) < case.report.size:
        yield _leaf(case, int(text))
    for row in entries_by_prefix(case, text):
        yield _leaf(case, row.at)


def _leaf(case: Case, index: int) -> Hits:
    row = case.entry(index)
    if row is not None:
        asks = (f"who-could-read --message {index}", f"acknowledgements --message {index}", f"times --entry {index}")
        text = (
            f"{words.named(case, row)}, by {case.who(row.sender).text}, accepted "
            f"{words.moment(row.accepted_ms)}: {case.state(row)}"
        )
        return Hits(hit=Hit.ENTRY, key=row.envelope.hex(), text=text, index=index, ask=asks)
    return Hits(
        hit=Hit.ENTRY,
        key=str(index),
        text=f"entry {index}: {_other(case, index)}",
        index=index,
        ask=(f"times --entry {index}",),
    )


def _other(case: Case, index: int) -> str:
    leaf = case.record.copy.row(index)
    if leaf is None or leaf.entry is None:
        return "a bare hash, outside of this scope"
    try:
        decoded = decode_leaf(leaf.entry)
    except PeerError:
        return "no entry that can be read"
    name = decoded.type.name.lower().replace("_", " ")
    return f"{name}, accepted {words.moment(decoded.accepted_at_ms)}: {case.state_of(index)}"


def _rooms(case: Case, text: str) -> Iterator[Hits]:
    for ref in rooms_by_prefix(case, text):
        ((specific, entries, first, last),) = case.record.select(
            "SELECT specific, entries, first_ms, last_ms FROM room WHERE number = ?", ref.number
        )
        made = None if specific is None else read_specific(Kind.CREATE, specific)
        under = f", under {made.agreement}" if isinstance(made, kinds.Create) and made.agreement else ""
        digits = ref.room.hex()[:8]
        yield Hits(
            hit=Hit.ROOM,
            key=ref.room.hex(),
            text=f"room {digits}{under}: {words.counted(entries, 'entry', 'entries')} from {words.moment(first)} "
            f"to {words.moment(last)}",
            ask=tuple(f"{name} --room {digits}" for name in ("membership", "completeness", "left-circle", "labels")),
        )


def _nations(case: Case, text: str) -> Iterator[Hits]:
    query = """
        SELECT organisation, count(*) FROM device WHERE organisation <> '' AND instr(organisation, ?)
        GROUP BY organisation ORDER BY organisation LIMIT ?"""
    for name, devices in case.record.select(query, text.lower(), _MOST):
        yield Hits(
            hit=Hit.NATION,
            key=name,
            text=f"{name}: {words.counted(devices, 'device')} in this record",
            ask=tuple(
                f"{question} --nation {name}" for question in ("membership", "acknowledgements", "decisions", "audits")
            ),
        )


def _devices(case: Case, text: str) -> Iterator[Hits]:
    for number in devices_by_prefix(case, text):
        who = case.who(number)
        digits = who.device.hex()[:12]
        yield Hits(
            hit=Hit.DEVICE,
            key=who.device.hex(),
            text=f"{who.text}, device {digits}",
            ask=(f"exposure --device {digits}",),
        )


# ---- receipts


def _receipts(case: Case, text: str) -> Iterator[Hits]:
    if text.startswith(_PROOF):
        yield _of_proof(case, text)
        return
    data = _pasted(_BLANK.sub("", text))
    if len(data) < _MIN_RECEIPT:
        return
    refused: PeerError | None = None
    for read in (_of_batch, _of_cose):
        try:
            found = list(read(case, data))
        except PeerError as error:
            refused = refused or error
        else:
            yield from found
            return
    assert refused is not None  # noqa: S101 - narrows for mypy: both were tried
    # Bytes of that length are nothing else: what is wrong with them is the answer.
    yield Hits(hit=Hit.RECEIPT, key="", text=f"no receipt that holds: {refused.detail} [{refused.code}]", holds=False)


def _pasted(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        pass
    for decode in (lambda value: b64decode(value, validate=True), urlsafe_b64decode):
        try:
            return decode(text + "=" * (-len(text) % 4))
        except (Base64Error, ValueError):
            pass
    return b""


def _relay_keys(case: Case) -> list[bytes]:
    return list({relay.key for roster in reversed(case.anchor.rosters) for relay in roster.value.relays})


def _of_batch(case: Case, data: bytes) -> Iterator[Hits]:
    """A relay's receipt of a batch: each of its leaves is held against the copy."""
    receipt = _verified(case, data)
    for place, promised in enumerate(receipt.leaves):
        index = receipt.first_index + place
        yield _held(case, index, promised, f"the relay's receipt of {words.moment(receipt.accepted_at_ms)}")


def _verified(case: Case, data: bytes) -> Receipt:
    refused: PeerError | None = None
    for key in _relay_keys(case):
        try:
            return verify_receipt(data, key).value
        except PeerError as error:
            refused = error
    assert refused is not None  # noqa: S101 - narrows for mypy: a roster names a relay
    raise refused


def _held(case: Case, index: int, promised: LeafHash, by: str) -> Hits:
    row = case.record.copy.row(index)
    if row is None:
        text = f"{by} promises entry {index}, which lies behind the end of this copy: sync again and look then"
        return Hits(hit=Hit.RECEIPT, key=str(index), text=text, holds=False, index=index)
    if row.hash != promised:
        text = f"{by} PROMISES ANOTHER ENTRY {index} THAN THE LOG HAS: keep it, it is evidence against the relay"
        return Hits(hit=Hit.RECEIPT, key=str(index), text=text, holds=False, index=index)
    found = _leaf(case, index)
    return Hits(hit=Hit.RECEIPT, key=found.key, text=f"{by} is kept: {found.text}", index=index, ask=found.ask)


def _of_cose(case: Case, data: bytes) -> Iterator[Hits]:
    """A COSE Receipt: its path has to lead from this copy's leaf to a root that a relay signed."""
    receipt = decode_receipt(data)
    row = case.record.copy.row(receipt.index)
    if row is None:
        yield _held(case, receipt.index, LeafHash(b""), "the receipt")
        return
    refused: PeerError | None = None
    for key in _relay_keys(case):
        try:
            verify_cose_receipt(receipt, LeafHash(row.hash), key)
        except PeerError as error:
            refused = error
        else:
            yield _held(case, receipt.index, LeafHash(row.hash), f"the relay's receipt under {receipt.size} entries")
            return
    assert refused is not None  # noqa: S101 - narrows for mypy: a roster names a relay
    raise refused


def _of_proof(case: Case, text: str) -> Hits:
    """A `.tlog-proof`: its path has to lead from this copy's leaf to a checkpoint that the policy accepts."""
    try:
        proof = decode_proof((text + "\n").encode())
        head = case.anchor.policy.verify_note(proof.checkpoint).checkpoint
        row = case.record.copy.row(proof.index)
        if row is None:
            return _held(case, proof.index, LeafHash(b""), "the proof")
        verify_inclusion(LeafHash(row.hash), proof.index, head.size, proof.path, head.root)
    except AmanahError as error:
        return Hits(hit=Hit.RECEIPT, key="", text=f"no proof that holds: {error.detail} [{error.code}]", holds=False)
    return _held(case, proof.index, LeafHash(row.hash), f"the proof under {head.size} entries")
