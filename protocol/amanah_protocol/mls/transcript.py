"""Transcript hashes (RFC 9420 section 8.2): all commits of a group, in one hash after the other."""

from __future__ import annotations

from amanah_protocol.crypto import sha256
from amanah_protocol.mls.codec import opaque, u16
from amanah_protocol.mls.framing import AuthenticatedContent


def confirmed_transcript_hash(interim: bytes, commit: AuthenticatedContent) -> bytes:
    """`confirmed_transcript_hash` after a commit, 32 bytes; `interim` is that of the epoch before."""
    signed = u16(commit.wire_format) + commit.content.encode() + opaque(commit.auth.signature)
    return sha256(interim + signed)


def interim_transcript_hash(confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """`interim_transcript_hash` of an epoch, 32 bytes."""
    return sha256(confirmed + opaque(confirmation_tag))
