"""Two records of one log, under its one key, and what can be said of them."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Final

from amanah_protocol.attachment import seal_chunk
from amanah_protocol.content.file import File
from amanah_protocol.content.sealed import Content, View
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.heads import ControlHead, sign_control_head
from amanah_protocol.labels import Label, Pap
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.conflict import Conflict, OtherLeaf, OtherPrefix, Proof, Sighting, Way
from amanah_protocol.log.merkle import Frontier, consistency_path, inclusion_path
from amanah_protocol.log.receipt import Receipt, sign_receipt
from amanah_protocol.log.statement import Form, Statement, log_signature
from amanah_protocol.types import LeafHash
from tests.protocol.log.trees import StoredTree
from tests.vectors import examples as x

SIZE = 12


@cache
def tree(fork: int = 0) -> StoredTree:
    """One of them; both begin with the same four leaves."""
    return StoredTree([b"%d" % (place if place < 4 else place + 100 * fork) for place in range(SIZE)])


def root(size: int, fork: int = 0) -> bytes:
    """The root at a size."""
    frontier = Frontier()
    for leaf in tree(fork).leaves[:size]:
        frontier.append(leaf)
    return frontier.root()


def checkpoint(size: int, fork: int = 0) -> Statement:
    """A signed checkpoint."""
    head = Checkpoint(origin=x.ORIGIN, size=size, root=root(size, fork))
    return Statement(form=Form.CHECKPOINT, data=sign_checkpoint(head, x.LOG_SIGNER))


def head(size: int, fork: int = 0) -> Statement:
    """A signed head of the control stream."""
    found = ControlHead(
        sequence=3, leaf=LeafHash(x.fixed("control leaf")), size=size, root=root(size, fork), time_ms=x.NOW_MS
    )
    return Statement(form=Form.HEAD, data=sign_control_head(found, x.RELAY_KEY))


def receipt(size: int, fork: int = 0, count: int = 2) -> Statement:
    """A signed receipt of the last leaves."""
    first = size - count
    leaves = tuple(tree(fork).leaves[first:size])
    found = Receipt(first_index=first, size=size, root=root(size, fork), accepted_at_ms=x.NOW_MS, leaves=leaves)
    return Statement(form=Form.RECEIPT, data=sign_receipt(found, x.RELAY_KEY))


def conflict(first: Statement, second: Statement, proof: Proof | None = None) -> Conflict:
    """What a member had seen, against the own view."""
    own = Sighting(statement=first, way=Way.OWN, at_ms=x.NOW_MS)
    member = Sighting(statement=second, way=Way.MEMBER, at_ms=x.NOW_MS + 60_000, device=x.KID, room=x.ROOM)
    return Conflict(origin=x.ORIGIN, first=own, second=member, proof=proof)


def other_prefix(old: int, new: int = SIZE) -> OtherPrefix:
    """The path by which the first record shows its own root of a size."""
    return OtherPrefix(root=root(old), path=consistency_path(tree().read, old, new))


def other_leaf(index: int) -> OtherLeaf:
    """The path by which the first record shows its own leaf."""
    return OtherLeaf(index=index, leaf=tree().leaves[index], path=inclusion_path(tree().read, index, SIZE))


def conflicts() -> tuple[Conflict, ...]:
    """One of each verdict, in their order."""
    return (
        conflict(checkpoint(SIZE), checkpoint(SIZE, 1)),
        conflict(checkpoint(SIZE), checkpoint(7, 1), other_prefix(7)),
        conflict(receipt(10, 1), checkpoint(SIZE), other_leaf(9)),
        conflict(checkpoint(SIZE), head(8, 1)),
    )


def content() -> Content:
    """A short text, as it is sealed."""
    signature = log_signature(checkpoint(SIZE).data, x.LOG_SIGNER.verifier.vkey)
    view = View(log_size=SIZE, log_root=root(SIZE), log_signature=signature, room_seq=5, room_head=x.fixed("room leaf"))
    return Content(
        message_id=x.fixed("message id", 16),
        written_at_ms=x.NOW_MS,
        label_number=int(Label.AMBER),
        pap_number=int(Pap.GREEN),
        view=view,
        body=Text(text="Phishing against two ministries since 06:40. Who sees the same?"),
    )


FILE_BYTES: Final = b"rule sample { condition: true }\n"


def attachment() -> bytes:
    """The sealed attachment of the example file."""
    return seal_chunk(x.fixed("attachment key"), x.fixed("message id", 16), len(FILE_BYTES), 0, FILE_BYTES)


def file_content() -> Content:
    """A file that is handed over, as it is sealed."""
    body = File(
        name="sample.yar",
        type="text/x-yara",
        size=len(FILE_BYTES),
        digest=sha256(FILE_BYTES),
        key=x.fixed("attachment key"),
        attachment=sha256(attachment()),
        text="Finds the loader.",
    )
    return replace(content(), body=body)
