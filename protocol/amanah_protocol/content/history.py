"""History for members who came later: messages with what proves each of them, for those who were not shown its entry.

    grant   = [ log-size: uint, log-root: hash, log-signature: bstr .size 64, [ 1*96 granted ] ]            ; 5
    granted = [ entry: bstr, index: uint, path: [ *64 hash ], content: bstr, k: bstr .size 32 ]

A newcomer is shown no entry from before its adding commit. So each message comes with its entry of the log, and with
the path from there to a checkpoint that the log has signed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.content.bounds import check_ids, check_size
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.log.merkle import MAX_TREE_SIZE

MAX_GRANTED: Final = limits.MAX_NAMED_DEVICES
MAX_PATH: Final = 64
MAX_ENTRY_BYTES: Final = limits.MAX_ENVELOPE_BYTES + 256
"""An envelope and its place."""
_SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """One earlier message.

    Attributes:
        entry: Its log leaf, encoded, with its envelope inside.
        index: Where that stands in the log.
        path: From there to the root of the grant's checkpoint.
        content: Its canonical content.
        k: Its disclosure key, 32 bytes.

    Raises:
        UsageError: `BAD_TYPE` or `TOO_LARGE`.
    """

    entry: bytes = field(repr=False)
    index: int
    path: tuple[bytes, ...] = field(repr=False)
    content: bytes = field(repr=False)
    k: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_ids(self.k, *self.path)
        check_size(len(self.entry), MAX_ENTRY_BYTES, "bytes of an entry")
        check_size(len(self.path), MAX_PATH, "hashes of a path")
        check_size(len(self.content), limits.MAX_PLAINTEXT_BYTES, "bytes of content")

    def encode(self) -> list[object]:
        """Its value."""
        return [self.entry, self.index, list(self.path), self.content, self.k]

    @classmethod
    def decode(cls, value: cbor.Value) -> Granted:
        """Read it."""
        f = cbor.Fields(value, 5, "granted message")
        return cls(
            entry=f.blob(MAX_ENTRY_BYTES),
            index=f.uint(MAX_TREE_SIZE),
            path=f.fixed_array(32, MAX_PATH),
            content=f.blob(limits.MAX_PLAINTEXT_BYTES),
            k=f.fixed(32),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """History for members who came later.

    Attributes:
        log_size: Size of the checkpoint that the paths lead to.
        log_root: Its root, 32 bytes.
        log_signature: The log's Ed25519 signature over its body, 64 bytes.
        items: 1 to 96 messages; what one envelope cannot hold goes into several.

    Raises:
        UsageError: `BAD_TYPE` or `TOO_LARGE`.
    """

    log_size: int
    log_root: bytes = field(repr=False)
    log_signature: bytes = field(repr=False)
    items: tuple[Granted, ...]

    def __post_init__(self) -> None:
        check_ids(self.log_root)
        check_size(len(self.items), MAX_GRANTED, "messages of a grant", 1)
        if len(self.log_signature) != _SIGNATURE_BYTES:
            raise UsageError(Code.BAD_TYPE, "a log's signature has 64 bytes")

    def encode(self) -> list[object]:
        """Its value."""
        items = [item.encode() for item in self.items]
        return [self.log_size, self.log_root, self.log_signature, items]

    @classmethod
    def decode(cls, value: cbor.Value) -> Grant:
        """Read it.

        Raises:
            DecodeError: `BAD_TYPE`.
            UsageError: `TOO_LARGE`.
        """
        f = cbor.Fields(value, 4, "grant")
        return cls(
            log_size=f.uint(MAX_TREE_SIZE),
            log_root=f.fixed(32),
            log_signature=f.fixed(_SIGNATURE_BYTES),
            items=tuple(map(Granted.decode, f.array(MAX_GRANTED))),
        )
