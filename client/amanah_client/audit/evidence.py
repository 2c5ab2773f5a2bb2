"""Evidence against the log: from the profile into a file, and judged by anybody who has the log's key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from amanah_client.audit.examination import Anchor
from amanah_client.log_rows import ConflictRow
from amanah_protocol.cards import Armour, armour, decode_armour
from amanah_protocol.errors import Code, PeerError, UsageError, VerifyError
from amanah_protocol.log.conflict import Conflict, Judged, decode_evidence, encode_evidence, verify_conflict
from amanah_protocol.log.policy import Policy
from amanah_protocol.roster import Relay

_NO_KEY: Final = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A conflict that holds.

    Attributes:
        conflict: As it stands in the file.
        judged: What it comes to.
    """

    conflict: Conflict
    judged: Judged


def evidence_file(rows: Sequence[ConflictRow], *, every: bool) -> str:
    """The armoured text of the newest contradiction that is kept, or of all, oldest first.

    Raises:
        UsageError: `NOT_FOUND` when none is kept.
    """
    if not rows:
        hint = "It is kept as soon as the log contradicts itself; an alarm says so then."
        raise UsageError(Code.NOT_FOUND, "there is no evidence against the log in this profile", hint=hint)
    chosen = rows if every else rows[-1:]
    conflicts = [conflict for row in chosen for conflict in decode_evidence(row.evidence)]
    return armour(Armour.EVIDENCE, encode_evidence(conflicts))


def relays_of_anchor(anchor: Anchor) -> tuple[Relay, ...]:
    """Whose keys count, of the newest roster first; the policy has the last word about that one."""
    newest, *older = reversed(anchor.rosters)
    trusted = {log.key.vkey for log in anchor.policy.logs}
    named = (relay for relay in newest.value.relays if relay.log_vkey in trusted)
    return (*named, *(relay for roster in older for relay in roster.value.relays))


def relays_of_policy(policy: Policy) -> tuple[Relay, ...]:
    """The logs of a policy without its roster: their checkpoints can be verified, what relays signed cannot."""
    return tuple(Relay(key=_NO_KEY, log_vkey=log.key.vkey, origin=log.key.name, addresses=()) for log in policy.logs)


def judge(text: str, relays: Iterable[Relay]) -> tuple[Held, ...]:
    """Verify all that a file of evidence holds.

    Raises:
        DecodeError: It is damaged.
        VerifyError: One of its conflicts does not hold.
    """
    conflicts = decode_evidence(decode_armour(text, Armour.EVIDENCE))
    known = tuple(relays)
    return tuple(Held(conflict=conflict, judged=_judge(conflict, known)) for conflict in conflicts)


def _judge(conflict: Conflict, relays: tuple[Relay, ...]) -> Judged:
    error: PeerError = VerifyError(Code.CHECKPOINT, f"the log {conflict.origin} is none of those that are trusted")
    # The roster may have brought other keys since: each statement holds by the keys of its day.
    for relay in relays:
        if relay.origin == conflict.origin:
            try:
                return verify_conflict(conflict, relay)
            except PeerError as refused:
                error = refused
    raise error
