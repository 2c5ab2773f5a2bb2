"""What a group's members accept beyond the RFC's rules: one frozen object, held against what comes in as well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from amanah_protocol.limits import KEY_PACKAGE_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """An application's choices (RFC 9750 section 7).

    Attributes:
        public_handshakes: Proposals and commits may travel as PublicMessage.
        commits_without_path: A commit may leave its committer's keys as they are, where the RFC allows it.
        external_commits: Somebody may join by a commit of its own.
        external_proposals: External senders and newcomers may propose.
        proposals_by_reference: Proposals may be sent before the commit that takes them up.
        pre_shared_keys: Commits may mix in pre-shared keys.
        reinit: A group may be ended in favour of another.
        context_changes: The extensions of the context may be replaced.
        longest_lifetime_s: Of a key package, seconds; None takes any.
        padding: Sealed plaintexts are padded to a multiple of so many bytes; 0 pads nothing.
        kept_resumption_psks: Past epochs whose resumption key is kept.
    """

    public_handshakes: bool
    commits_without_path: bool
    external_commits: bool
    external_proposals: bool
    proposals_by_reference: bool
    pre_shared_keys: bool
    reinit: bool
    context_changes: bool
    longest_lifetime_s: int | None
    padding: int
    kept_resumption_psks: int


EVERYTHING: Final = Policy(
    public_handshakes=True,
    commits_without_path=True,
    external_commits=True,
    external_proposals=True,
    proposals_by_reference=True,
    pre_shared_keys=True,
    reinit=True,
    context_changes=True,
    longest_lifetime_s=None,
    padding=0,
    kept_resumption_psks=512,
)
"""All of the RFC, for conformance with other engines."""

ROOM: Final = Policy(
    public_handshakes=False,
    commits_without_path=False,
    external_commits=False,
    external_proposals=False,
    proposals_by_reference=False,
    pre_shared_keys=False,
    reinit=False,
    context_changes=False,
    longest_lifetime_s=KEY_PACKAGE_MS // 1000,
    padding=0,
    kept_resumption_psks=0,
)
"""Of Amanah's rooms: a member's sealed commit that adds, removes or renews, and nothing else.

Content is padded before it is sealed, to the size classes that its header names.
"""
