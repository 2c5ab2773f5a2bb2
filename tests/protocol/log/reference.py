"""A second Merkle tree, written from the recursive definitions alone.

Those are RFC 9162 section 2.1's, and for subtrees draft-ietf-plants-merkle-tree-certs's.
It shares no code with `amanah_protocol.log.merkle`, holds all leaves and recurses: slow, and easy to hold
against the text of the RFC. `k` is "the largest power of two smaller than n".
"""

from __future__ import annotations

import hashlib
from functools import cache


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


class RecursiveTree:
    """The tree over `entries`; D[start:end] in the RFC is `(start, end)` here."""

    def __init__(self, entries: list[bytes]) -> None:
        self.entries = entries
        self.mth = cache(self._mth)

    def _mth(self, start: int, end: int) -> bytes:
        """Section 2.1.1: MTH(D[start:end])."""
        n = end - start
        if n == 0:
            return sha256(b"")
        if n == 1:
            return sha256(b"\x00" + self.entries[start])
        k = split(n)
        return sha256(b"\x01" + self.mth(start, start + k) + self.mth(start + k, end))

    def path(self, m: int, start: int, end: int) -> list[bytes]:
        """Section 2.1.3.1: PATH(m, D[start:end])."""
        n = end - start
        if n == 1:
            return []
        k = split(n)
        if m < k:
            return [*self.path(m, start, start + k), self.mth(start + k, end)]
        return [*self.path(m - k, start + k, end), self.mth(start, start + k)]

    def proof(self, m: int, n: int) -> list[bytes]:
        """Section 2.1.4.1: PROOF(m, D_n)."""
        return self._subproof(m, 0, n, whole=True)

    def _subproof(self, m: int, start: int, end: int, *, whole: bool) -> list[bytes]:
        """Section 2.1.4.1: SUBPROOF(m, D[start:end], b)."""
        n = end - start
        if m == n:
            return [] if whole else [self.mth(start, end)]
        k = split(n)
        if m <= k:
            return [*self._subproof(m, start, start + k, whole=whole), self.mth(start + k, end)]
        return [*self._subproof(m - k, start + k, end, whole=False), self.mth(start, start + k)]

    def subtree_proof(self, start: int, end: int, n: int) -> list[bytes]:
        """The draft's SUBTREE_PROOF(start, end, D_n)."""
        return [] if start == end else self._subtree_subproof(start, end, 0, n, known=True)

    def _subtree_subproof(self, start: int, end: int, first: int, last: int, *, known: bool) -> list[bytes]:
        """SUBTREE_SUBPROOF(start - first, end - first, D[first:last], known)."""
        if (start, end) == (first, last):
            return [] if known else [self.mth(first, last)]
        k = first + split(last - first)
        if end <= k:
            return [*self._subtree_subproof(start, end, first, k, known=known), self.mth(k, last)]
        if k <= start:
            return [*self._subtree_subproof(start, end, k, last, known=known), self.mth(first, k)]
        assert start == first
        return [*self._subtree_subproof(k, end, k, last, known=False), self.mth(first, k)]
