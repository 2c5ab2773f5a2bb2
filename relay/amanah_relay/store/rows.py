"""Between entries and their rows. What comes out of here was held against its hashes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, TypeAlias

from sqlalchemy import Row, Select, select

from amanah_protocol import cose
from amanah_protocol.crypto import sha256
from amanah_protocol.endorse import decode_endorsed
from amanah_protocol.errors import DecodeError, UsageError
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.types import DeviceId, EnvelopeId, LeafHash, RoomId
from amanah_relay.effects import Entry
from amanah_relay.inputs import StoredEntry
from amanah_relay.store.damage import Cell, check_row, checksum, damaged, split
from amanah_relay.store.schema import Cells, content, document, leaf

AnyRow: TypeAlias = Row[Any]

LEAF_COLUMNS: Final = (
    leaf.c.log_index, leaf.c.type, leaf.c.room, leaf.c.room_seq, leaf.c.accepted_at_ms, leaf.c.previous,
    leaf.c.hash, leaf.c.envelope, leaf.c.kid, leaf.c.checksum, leaf.c.object, document.c.data,
)  # fmt: skip
CONTENT_COLUMNS: Final = (
    content.c.payload, content.c.length, content.c.erased, content.c.addressees, content.c.checksum, content.c.data
)  # fmt: skip

SELECT_LEAVES: Final[Select[Any]] = select(*LEAF_COLUMNS).outerjoin(document, document.c.log_index == leaf.c.log_index)
"""Leaves with their documents: rows for `decode_leaf_row`."""

SELECT_ENTRIES: Final[Select[Any]] = SELECT_LEAVES.outerjoin(
    content, content.c.log_index == leaf.c.log_index
).add_columns(*CONTENT_COLUMNS)
"""The same with their contents: rows for `decode_entry_row`."""


def leaf_cells(entry: Entry) -> Cells:
    """The row of `leaf` for an entry."""
    return {
        "log_index": entry.index,
        "type": int(entry.type),
        "room": entry.room,
        "room_seq": entry.room_seq,
        "accepted_at_ms": entry.accepted_at_ms,
        "previous": entry.previous,
        "hash": entry.hash,
        "envelope": entry.envelope,
        "kid": entry.kid,
        "checksum": checksum(entry.index, entry.hash, entry.envelope, entry.kid),
        "object": entry.object,
    }


def content_cells(entry: Entry) -> Cells:
    """The row of `content` for an envelope."""
    data = entry.content
    length = 0 if data is None else len(data)
    addressees = None if entry.addressees is None else b"".join(entry.addressees)
    return {
        "log_index": entry.index,
        "payload": entry.payload,
        "length": length,
        "erased": False,
        "addressees": addressees,
        "checksum": checksum(entry.index, entry.payload, length, False, addressees),  # noqa: FBT003 - a cell's value
        "data": data,
    }


def erased_cells(index: int, payload: bytes, length: int, addressees: bytes | None) -> Cells:
    """What a row of `content` says after its data was dropped; `at` names the row."""
    sealed = checksum(index, payload, length, True, addressees)  # noqa: FBT003 - a cell's value
    return {"at": index, "checksum": sealed}


def check_hash_row(index: int, leaf_hash: bytes, envelope: bytes | None, kid: bytes | None, stored: int) -> None:
    """A leaf's hash, envelope id and sender are those that were stored.

    Raises:
        OperationalError: `DAMAGED`.
    """
    check_row(stored, index, leaf_hash, envelope, kid, what=f"leaf {index}")


def decode_leaf_row(row: AnyRow) -> Entry:
    """An entry without its content, from the columns of `SELECT_LEAVES`.

    Raises:
        OperationalError: `DAMAGED` when hash, checksum or document do not fit the rest.
    """
    cells: tuple[Any, ...] = tuple(row)
    index, kind, room, room_seq, accepted, previous, stored_hash, envelope, kid, stored_sum, signed, beside = cells[:12]
    check_hash_row(index, stored_hash, envelope, kid, stored_sum)
    try:
        made = Leaf(
            type=LeafType(kind),
            accepted_at_ms=accepted,
            room=RoomId(room),
            room_seq=room_seq,
            previous=LeafHash(previous),
            object=signed,
        )
        found_hash: bytes = made.hash
    except (ValueError, UsageError) as error:  # no such type of leaf; a cell that has no encoding
        raise damaged(f"leaf {index}") from error
    if found_hash != stored_hash or (made.type is LeafType.ENVELOPE) != (envelope is not None):
        raise damaged(f"leaf {index}")
    _check_document(index, signed, beside)
    return Entry(
        index=index,
        type=made.type,
        room=made.room,
        room_seq=room_seq,
        accepted_at_ms=accepted,
        previous=made.previous,
        hash=LeafHash(stored_hash),
        object=signed,
        envelope=None if envelope is None else EnvelopeId(envelope),
        kid=None if kid is None else DeviceId(kid),
        document=beside,
    )


def decode_entry_row(row: AnyRow) -> StoredEntry:
    """An entry with its content, from the columns of `SELECT_ENTRIES`.

    Raises:
        OperationalError: `DAMAGED`, also when the content is not the one that was signed.
    """
    entry = decode_leaf_row(row)
    cells: tuple[Any, ...] = tuple(row)
    payload, length, erased, addressees, stored_sum, data = cells[12:]
    if entry.envelope is None:
        return StoredEntry(entry=entry, erased=False)
    check_content_row(entry.index, payload, length, erased, addressees, stored_sum)
    check_data(entry.index, payload, length, erased, data)
    # One that a hold keeps is erased for everybody all the same.
    shown = None if erased else data
    filled = replace(entry, payload=payload, content=shown, addressees=decode_addressees(entry.index, addressees))
    return StoredEntry(entry=filled, erased=erased)


def check_content_row(index: int, *cells: Cell) -> None:
    """The cells of a content but its data, with the checksum last, are those that were stored.

    Raises:
        OperationalError: `DAMAGED`.
    """
    check_row(cells[-1], index, *cells[:-1], what=f"the content of leaf {index}")


def check_data(index: int, payload: bytes, length: int, erased: bool, data: bytes | None) -> None:  # noqa: FBT001 - a cell's value
    """The data is what the payload's hash names, or was erased; what a hold keeps is both.

    Raises:
        OperationalError: `DAMAGED`.
    """
    is_named = type(data) is bytes and len(data) == length and sha256(data) == payload
    if not (erased if data is None else is_named):
        raise damaged(f"the content of leaf {index}")


def decode_addressees(index: int, addressees: bytes | None) -> tuple[DeviceId, ...] | None:
    """The devices that a content is for; None for every member.

    Raises:
        OperationalError: `DAMAGED`.
    """
    if addressees is None:
        return None
    return split(addressees, 32, f"the content of leaf {index}", DeviceId)


def _check_document(index: int, signed: bytes, beside: bytes | None) -> None:
    # A leaf holds one signed object, or the record of a document that stands beside it; never both.
    if (beside is None) != (signed[:1] == cose.TAG):
        raise damaged(f"the document of leaf {index}")
    if beside is None:
        return
    try:
        record = decode_endorsed(beside).record
    except DecodeError as error:
        raise damaged(f"the document of leaf {index}") from error
    if record != signed:
        raise damaged(f"the document of leaf {index}")
