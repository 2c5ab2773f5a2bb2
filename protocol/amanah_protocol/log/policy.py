"""Trust policies: which logs, which witnesses, and how many of them (C2SP tlog-policy).

The text form is that of the specification (`log`, `witness`, `group`, `quorum`, comments) and, where a policy is
to judge more than a checkpoint, one line of our own: `roster sha256:<hex>`, the SHA-256 of the roster's document,
because a checkpoint says nothing about who may certify devices. A second line of our own,
`timestamp <name> sha256:<hex>`, names a time-stamping authority by the SHA-256 of its root certificate's DER.

A witness with two keys, one of Ed25519 and one of ML-DSA-44, is two `witness` lines and a group of `any` of them:
each key may stand once in a policy and each name in one group, so that the witness counts once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from amanah_protocol.errors import AmanahError, Code, UsageError, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint
from amanah_protocol.log.note_keys import NoteVerifier, SignatureType, decode_vkey, verify_note
from amanah_protocol.roster import Roster

MAX_POLICY_BYTES: Final = 2 * 1024 * 1024
_MAX_LINES: Final = 1_100
"""C2SP recommends that 32 logs, witnesses and groups are taken. This is what the largest roster asks for."""
_NONE: Final = "none"
_ROSTER_QUORUM: Final = "roster-quorum"
_KINDS: Final = {SignatureType.COSIGNATURE: "ed25519", SignatureType.ML_DSA_44: "ml-dsa-44"}
_ALLOWED: Final = re.compile(rb"[\x09\x0a\x20-\x7e\x80-\xff]*")
_SHA256: Final = re.compile(r"sha256:([0-9a-f]{64})")
_THRESHOLD: Final = re.compile(r"[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Counts as having witnessed when `threshold` of its members have.

    Attributes:
        threshold: From 1 to all.
        members: Names of witnesses and groups defined before.
    """

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A log or a key of a witness.

    Attributes:
        key: Its public key; the name of a log's is its origin.
        url: Where it is reached, for whoever asks it; empty if the policy does not say.
    """

    key: NoteVerifier
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnessed:
    """A checkpoint that satisfies a policy.

    Attributes:
        checkpoint: What it says.
        cosignatures: (name in the policy, seconds of Unix time) of each known witness that cosigned.
    """

    checkpoint: Checkpoint
    cosignatures: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Who must have signed a checkpoint, and which roster is meant.

    Attributes:
        logs: Logs that are accepted, at least one.
        witnesses: Name in the policy -> one key of a witness.
        groups: Name -> group, in order of definition.
        quorum: Name of the witness or group that must have witnessed; None: no cosignature is asked for.
        roster: SHA-256 of the roster's document, 32 bytes; None: the policy judges checkpoints alone.
        timestamps: Name -> SHA-256 of the DER of a time-stamping authority's root certificate.
    """

    logs: tuple[Party, ...]
    witnesses: dict[str, Party] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str | None = None
    roster: bytes | None = None
    timestamps: dict[str, bytes] = field(default_factory=dict)

    def verify_note(self, data: bytes) -> Witnessed:
        """Verify a signed checkpoint: one of the logs signed it, and the quorum cosigned.

        Raises:
            DecodeError: It is not a checkpoint.
            VerifyError: `CHECKPOINT` when no log of the policy signed it, `SIGNATURE` when a known
                witness's line fails, `THRESHOLD` when the quorum is not reached.
        """
        checkpoint, note = decode_checkpoint(data)
        # A log's name is its origin: a key that is trusted for one log signs nothing for another.
        logs = [log.key for log in self.logs if log.key.name == checkpoint.origin]
        if not logs:
            raise VerifyError(Code.CHECKPOINT, f"the log {checkpoint.origin} is none of those that are trusted")
        names = {witness.key: name for name, witness in self.witnesses.items()}
        known = verify_note(note, (*logs, *names))
        if not any(found.verifier in logs for found in known):
            raise VerifyError(Code.CHECKPOINT, f"the key of {checkpoint.origin} has not signed this checkpoint")
        # Without a time a cosigner does not say that it knows no larger tree, nor when (attack 42).
        times = {names[found.verifier]: found.time_s for found in known if found.verifier in names and found.time_s}
        if self.quorum is not None and not self._reached(self.quorum, frozenset(times)):
            cosigned = ", ".join(sorted(times)) or "none of them"
            raise VerifyError(
                Code.THRESHOLD, f"of the witnesses, {cosigned} cosigned: not the quorum {self.quorum} of this policy"
            )
        return Witnessed(checkpoint=checkpoint, cosignatures=tuple(sorted(times.items())))

    def _reached(self, name: str, cosigned: frozenset[str]) -> bool:
        reached = set(cosigned)
        # A group names only what stands before it, so one pass in that order settles all of them.
        for group, definition in self.groups.items():
            if sum(member in reached for member in definition.members) >= definition.threshold:
                reached.add(group)
        return name in reached


def policy_of_roster(roster: Roster) -> Policy:
    """The policy that a roster itself asks for: its logs, and its quorum of its witnesses."""
    logs = {log.public: Party(key=log) for log in (decode_vkey(relay.log_vkey) for relay in roster.relays)}
    witnesses: dict[str, Party] = {}
    groups: dict[str, Group] = {}
    # The roster's own names of witnesses may hold spaces; names mean nothing outside of a policy.
    members = [f"witness-{number}" for number in range(1, len(roster.witnesses) + 1)]
    for name, witness in zip(members, roster.witnesses, strict=True):
        if len(witness.keys) == 1:
            witnesses[name] = Party(key=witness.keys[0])
            continue
        own = {f"{name}-{_KINDS[key.kind]}": Party(key=key) for key in witness.keys}
        witnesses |= own
        groups[name] = Group(threshold=1, members=tuple(own))
    if roster.quorum:
        groups[_ROSTER_QUORUM] = Group(threshold=roster.quorum, members=tuple(members))
    return Policy(
        logs=tuple(logs.values()),
        witnesses=witnesses,
        groups=groups,
        quorum=_ROSTER_QUORUM if roster.quorum else None,
        roster=roster.endorsed.hash,
    )


def encode_policy(policy: Policy) -> bytes:
    """The text form; `decode_policy` reads it back. What it read of octets above 0x7F is given back as it was."""
    lines = [
        *(["log", log.key.vkey, log.url] for log in policy.logs),
        *(["witness", name, witness.key.vkey, witness.url] for name, witness in policy.witnesses.items()),
        *(["group", name, str(group.threshold), *group.members] for name, group in policy.groups.items()),
        ["quorum", policy.quorum or _NONE],
        *([["roster", f"sha256:{policy.roster.hex()}"]] if policy.roster is not None else []),
        *(["timestamp", name, f"sha256:{root.hex()}"] for name, root in policy.timestamps.items()),
    ]
    return "".join(" ".join(word for word in line if word) + "\n" for line in lines).encode("utf-8", "surrogateescape")


def decode_policy(data: bytes) -> Policy:
    """Read a policy file, strictly.

    Raises:
        UsageError: `CONFIG`; the message names the line.
    """
    if len(data) > MAX_POLICY_BYTES or _ALLOWED.fullmatch(data) is None:
        raise UsageError(Code.CONFIG, "the policy is too large, or holds control characters")
    reader = _Reader()
    # Octets above 0x7F are opaque (C2SP tlog-policy, "Character set"); `splitlines` would break at some of them.
    for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), start=1):
        words = [word for word in re.split(r"[ \t]+", line) if word]
        if words and not words[0].startswith("#"):
            reader.read(number, words)
    return reader.policy()


class _Reader:
    """Takes a policy line by line."""

    def __init__(self) -> None:
        self._logs: list[Party] = []
        self._witnesses: dict[str, Party] = {}
        self._groups: dict[str, Group] = {}
        self._quorum: str | None = None
        self._roster: bytes | None = None
        self._timestamps: dict[str, bytes] = {}
        self._members: set[str] = set()
        self._keys: set[tuple[str, bytes]] = set()
        self._lines = 0

    def read(self, number: int, words: list[str]) -> None:
        """Take the words of one line."""
        readers: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._set_quorum,
            "roster": self._set_roster,
            "timestamp": self._timestamp,
        }
        reader = readers.get(words[0])
        self._lines += 1
        try:
            if reader is None or self._lines > _MAX_LINES:
                raise UsageError(Code.CONFIG, "not a line of a policy" if reader is None else "too many lines")
            reader(words[1:])
        except AmanahError as error:
            raise UsageError(Code.CONFIG, f"line {number} of the policy: {error.detail}") from error

    def policy(self) -> Policy:
        """All lines were taken."""
        if not self._logs or self._quorum is None:
            raise UsageError(Code.CONFIG, "a policy has a log, and exactly one quorum line")
        return Policy(
            logs=tuple(self._logs),
            witnesses=self._witnesses,
            groups=self._groups,
            quorum=None if self._quorum == _NONE else self._quorum,
            roster=self._roster,
            timestamps=self._timestamps,
        )

    def _log(self, words: list[str]) -> None:
        _check(len(words) in (1, 2), "log <vkey> [<url>]")
        self._logs.append(self._party("log", *words))

    def _witness(self, words: list[str]) -> None:
        _check(len(words) in (2, 3), "witness <name> <vkey> [<url>]")
        self._check_new(words[0])
        self._witnesses[words[0]] = self._party("witness", *words[1:])

    def _party(self, role: str, vkey: str, url: str = "") -> Party:
        key = decode_vkey(vkey)
        # A log signs with Ed25519 (0x01) or with ML-DSA-44 (0x06), a witness with 0x04 or with 0x06.
        other = SignatureType.COSIGNATURE if role == "log" else SignatureType.ED25519
        _check(key.kind is not other, "a log has a signing key, a witness a cosigning one")
        # By key: an Ed25519 cosignature does not bind a name, so one witness could fill a quorum (attack 42).
        _check((role, key.public) not in self._keys, "this key is there twice")
        self._keys.add((role, key.public))
        return Party(key=key, url=url)

    def _group(self, words: list[str]) -> None:
        _check(len(words) > 2, "group <name> <k|any|all> <name>...")
        name, threshold, *members = words
        self._check_new(name)
        for member in members:
            self._check_known(member)
            # Else a witness would count in more than one way.
            _check(member not in self._members, f"{member} is a member already")
            self._members.add(member)
        count = {"any": "1", "all": str(len(members))}.get(threshold, threshold)
        _check(_THRESHOLD.fullmatch(count) is not None and int(count) <= len(members), "the threshold is out of range")
        self._groups[name] = Group(threshold=int(count), members=tuple(members))

    def _set_quorum(self, words: list[str]) -> None:
        _check(len(words) == 1 and self._quorum is None, "one line: quorum <name|none>")
        if words[0] != _NONE:
            self._check_known(words[0])
        self._quorum = words[0]

    def _set_roster(self, words: list[str]) -> None:
        found = _SHA256.fullmatch(words[0]) if len(words) == 1 and self._roster is None else None
        if found is None:
            raise UsageError(Code.CONFIG, "one line: roster sha256:<64 lower-case hex digits>")
        self._roster = bytes.fromhex(found[1])

    def _timestamp(self, words: list[str]) -> None:
        found = _SHA256.fullmatch(words[1]) if len(words) == 2 else None
        if found is None:
            raise UsageError(Code.CONFIG, "timestamp <name> sha256:<64 lower-case hex digits>")
        _check(words[0] not in self._timestamps, f"{words[0]} is taken")
        self._timestamps[words[0]] = bytes.fromhex(found[1])

    def _check_new(self, name: str) -> None:
        _check(name != _NONE and name not in self._witnesses and name not in self._groups, f"{name} is taken")

    def _check_known(self, name: str) -> None:
        _check(name in self._witnesses or name in self._groups, f"{name} is not defined before")


def _check(holds: bool, wanted: str) -> None:  # noqa: FBT001 - the condition is the first thing one reads
    if not holds:
        raise UsageError(Code.CONFIG, wanted)
