"""The proof of one entry, as its page shows it: leaf, path and root, recomputed when the page is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from amanah_client.audit.proofs import prove_entry
from amanah_client.console.state import Examined
from amanah_protocol.errors import AmanahError, Code, PeerError, UsageError
from amanah_protocol.log.leaf import Leaf, decode_leaf


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A leaf of the copy and how it stands in the log.

    Attributes:
        index: Its log index.
        hash: Its hash, as the copy has it.
        leaf: What it is; None for a bare hash, or what does not decode.
        raw: Its bytes, b"" for a bare hash.
        path: The proof; empty where it does not hold.
        refused: Why the proof does not hold; None where it does.
    """

    index: int
    hash: bytes
    leaf: Leaf | None
    raw: bytes
    path: tuple[bytes, ...]
    refused: AmanahError | None


def show(examined: Examined, index: int) -> Shown:
    """One leaf, with its proof under the copy's checkpoint.

    Raises:
        UsageError: `NOT_FOUND` when the log has no such entry.
    """
    copy, size = examined.record.copy, examined.report.size
    row = copy.row(index) if 0 <= index < size else None
    if row is None:
        hint = f"The checkpoint of this copy covers the entries 0 to {size - 1}." if size else "The copy is empty."
        raise UsageError(Code.NOT_FOUND, f"there is no entry {index} in this copy", hint=hint)
    path: tuple[bytes, ...] = ()
    leaf, refused = None, None
    try:
        path = tuple(prove_entry(copy, index, examined.checkpoint).path)
        leaf = None if row.entry is None else decode_leaf(row.entry)
    except (PeerError, UsageError) as error:
        refused = error
    return Shown(index=index, hash=row.hash, leaf=leaf, raw=row.entry or b"", path=path, refused=refused)
