"""What a record or a disclosure is held against: a policy file, a roster, or what this profile trusts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from amanah_client.audit.examination import Anchor
from amanah_protocol.cards import Armour, armour, decode_armour
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.log.policy import Policy, policy_of_roster
from amanah_protocol.roster import Roster, decode_roster, verify_roster
from amanah_protocol.verified import Verified

MAX_ROSTERS: Final = 16
"""Rosters that a profile keeps as once trusted, the newest ones."""

_END: Final = f"-----END {Armour.ROSTER}-----"


def decode_rosters(text: str) -> tuple[bytes, ...]:
    """The encoded rosters of an armoured file that may hold several, in order.

    Raises:
        DecodeError: A part of it is damaged.
    """
    parts = text.split(_END)[:-1]
    return tuple(decode_armour(part + _END, Armour.ROSTER) for part in parts)


def add_roster(text: str, roster: bytes) -> str:
    """The armoured file with one more roster at its end; one that is there already moves there.

    Raises:
        DecodeError: The file is damaged.
    """
    kept = [known for known in decode_rosters(text) if known != roster]
    return "".join(armour(Armour.ROSTER, data) for data in [*kept, roster][-MAX_ROSTERS:])


def anchor_of_rosters(rosters: Iterable[bytes], name: str) -> Anchor:
    """Trust these rosters; the newest one says whose checkpoints count.

    Raises:
        DecodeError: One of them does not parse.
        UsageError: `UNANCHORED` when there are none.
        VerifyError: One of them is not signed by its own organisations.
    """
    verified = sorted((_verify(data) for data in rosters), key=lambda roster: roster.value.version)
    if not verified:
        raise UsageError(Code.UNANCHORED, "there is no roster to hold it against")
    return Anchor(rosters=tuple(verified), policy=policy_of_roster(verified[-1].value), name=name)


def anchor_of_policy(policy: Policy, candidates: Iterable[bytes]) -> Anchor:
    """Trust what a policy names; the roster itself is found among the candidates by its hash.

    Raises:
        DecodeError: The roster does not parse.
        UsageError: `CONFIG` when the policy names no roster, `UNANCHORED` when none of the candidates is the one.
        VerifyError: The roster is not signed by its own organisations.
    """
    if policy.roster is None:
        hint = "Add its line, `roster sha256:...`: `amanah roster show --policy` prints one."
        raise UsageError(Code.CONFIG, "the policy names no roster, so nobody's certificates are known", hint=hint)
    for data in candidates:
        if decode_roster(data).endorsed.hash == policy.roster:
            return Anchor(rosters=(_verify(data),), policy=policy, name="the policy file")
    # The code's own hint asks for a policy, and here is one.
    hint = "Name the file of that roster by --roster: the policy holds its hash alone."
    raise UsageError(Code.UNANCHORED, "the policy's roster is not at hand", hint=hint)


def check_log(policy: Policy, origin: str) -> None:
    """A policy is of the log that it is asked about.

    Raises:
        UsageError: `UNANCHORED`: of another one, so that no roster and no signature would help.
    """
    names = sorted({log.key.name for log in policy.logs})
    if origin not in names:
        hint = "Give the policy of the community whose record this is, from somebody other than its sender."
        detail = f"the policy is of the log {', '.join(names)}, and this file of another, {origin}"
        raise UsageError(Code.UNANCHORED, detail, hint=hint)


def _verify(data: bytes) -> Verified[Roster]:
    roster = decode_roster(data)
    # Judged at its own time: a record is read long after the roster of its day has expired.
    return verify_roster(roster, None, now_ms=roster.issued_ms)
