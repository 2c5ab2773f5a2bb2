"""Errors of Amanah: whose fault it is, a stable code, and what to do next.

Three branches answer the first question a person asks at three in the morning:

* `PeerError`: somebody sent something wrong (bytes, a signature, a claim);
* `UsageError`: the caller asked for something that cannot be done;
* `OperationalError`: the world is in the way (disk, network, clock); it may be tried again.

`Code` travels on the wire and in `--json` output and never changes its meaning. No error
holds key material or plaintext.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Code(StrEnum):
    """Stable codes of refusals and failures, on the wire and in results of the command line."""

    # what a peer sent does not parse or does not hold
    TOO_LARGE = "TOO_LARGE"
    MALFORMED = "MALFORMED"
    NOT_CANONICAL = "NOT_CANONICAL"
    BAD_TYPE = "BAD_TYPE"
    BAD_HEADER = "BAD_HEADER"
    UNKNOWN_VERSION = "UNKNOWN_VERSION"
    CONTENT_HASH = "CONTENT_HASH"
    KEY_ID = "KEY_ID"
    SIGNATURE = "SIGNATURE"
    THRESHOLD = "THRESHOLD"
    CERTIFICATE = "CERTIFICATE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    FOREIGN_DEVICE = "FOREIGN_DEVICE"
    ROLE = "ROLE"
    LABEL = "LABEL"
    DRILL = "DRILL"
    ROLLBACK = "ROLLBACK"
    CLOCK = "CLOCK"
    LOGIN = "LOGIN"
    REPLACED = "REPLACED"
    FRAME = "FRAME"
    # admission to a room
    UNKNOWN_ROOM = "UNKNOWN_ROOM"
    ROOM_EXISTS = "ROOM_EXISTS"
    NOT_MEMBER = "NOT_MEMBER"
    STALE_EPOCH = "STALE_EPOCH"
    STALE_INTAKE = "STALE_INTAKE"
    COUNTER = "COUNTER"
    MEMBERSHIP = "MEMBERSHIP"
    SUITE = "SUITE"
    SUITE_WITHHELD = "SUITE_WITHHELD"
    NO_KEY_PACKAGE = "NO_KEY_PACKAGE"
    QUOTA = "QUOTA"
    RATE = "RATE"
    SLOW = "SLOW"
    NOT_FOUND = "NOT_FOUND"
    STAGING = "STAGING"
    # the sealed inside
    BINDING = "BINDING"
    AUDIENCE = "AUDIENCE"
    COMMITMENT = "COMMITMENT"
    REPLAY = "REPLAY"
    OPEN = "OPEN"
    GENERATION = "GENERATION"
    REFUSED_COMMIT = "REFUSED_COMMIT"
    # what the record shows
    GAP = "GAP"
    BEHIND = "BEHIND"
    STATE_LOST = "STATE_LOST"
    FORK = "FORK"
    VOIDED_APPEARED = "VOIDED_APPEARED"
    PROOF = "PROOF"
    CHECKPOINT = "CHECKPOINT"
    RECEIPT = "RECEIPT"
    LOG_ROLLBACK = "LOG_ROLLBACK"
    UNANCHORED = "UNANCHORED"
    RECORD = "RECORD"
    STALE_HEAD = "STALE_HEAD"
    WITNESSES = "WITNESSES"
    # the caller
    USAGE = "USAGE"
    CONFIG = "CONFIG"
    PASSPHRASE = "PASSPHRASE"  # noqa: S105 - the name of a failure
    NO_PROFILE = "NO_PROFILE"
    NOT_INITIALISED = "NOT_INITIALISED"
    HELD = "HELD"
    # the world
    OFFLINE = "OFFLINE"
    TIMEOUT = "TIMEOUT"
    STORE = "STORE"
    DAMAGED = "DAMAGED"
    DISK_FULL = "DISK_FULL"
    NO_MEMORY = "NO_MEMORY"
    ADDRESS_IN_USE = "ADDRESS_IN_USE"
    STOPPING = "STOPPING"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code tells its receiver.

    Attributes:
        final: True when the same bytes can never be accepted later.
        hint: What a person does next, one sentence.
    """

    final: bool
    hint: str


_AGAIN: Final = False
_FINAL: Final = True

MEANINGS: Final[dict[Code, Meaning]] = {
    Code.TOO_LARGE: Meaning(_FINAL, "Send less at once; larger things are split by the client."),
    Code.MALFORMED: Meaning(_FINAL, "The bytes are damaged; fetch or export them again."),
    Code.NOT_CANONICAL: Meaning(_FINAL, "The sender's software does not encode canonically; update it."),
    Code.BAD_TYPE: Meaning(_FINAL, "This file or message is of another kind than is wanted here."),
    Code.BAD_HEADER: Meaning(_FINAL, "The sender's software makes invalid envelopes; update it."),
    Code.UNKNOWN_VERSION: Meaning(_FINAL, "The other side speaks a newer version; update this program."),
    Code.CONTENT_HASH: Meaning(_FINAL, "The content was changed on its way; fetch it again."),
    Code.KEY_ID: Meaning(_FINAL, "The sender is not the device that logged in."),
    Code.SIGNATURE: Meaning(_FINAL, "The signature is not that of the named key; treat it as forged."),
    Code.THRESHOLD: Meaning(_FINAL, "Not enough distinct organisations or custodians have signed; ask them to sign."),
    Code.CERTIFICATE: Meaning(_FINAL, "The certificate does not chain to the roster; ask for a new one."),
    Code.EXPIRED: Meaning(_FINAL, "The certificate or roster is not valid at this time; have it renewed."),
    Code.REVOKED: Meaning(_FINAL, "The device was revoked by its organisation; enrol a new device."),
    Code.FOREIGN_DEVICE: Meaning(_FINAL, "This key is already another organisation's or person's; make a new key."),
    Code.ROLE: Meaning(_FINAL, "The role in the certificate does not allow this."),
    Code.LABEL: Meaning(_FINAL, "Its label does not let it go there; choose another room, or ask its author."),
    Code.DRILL: Meaning(_FINAL, "A message of a drill stands in a real room, or the other way round; ask its sender."),
    Code.ROLLBACK: Meaning(_FINAL, "An older version than the one already accepted was offered; get the newest."),
    Code.CLOCK: Meaning(_AGAIN, "The clock of this machine is wrong; set it and send again."),
    Code.LOGIN: Meaning(_FINAL, "The login was not accepted; run `amanah doctor`."),
    Code.REPLACED: Meaning(_FINAL, "The same device logged in from elsewhere; only the newest connection stays."),
    Code.FRAME: Meaning(_FINAL, "The other side sent a frame that is not of this protocol; update it."),
    Code.UNKNOWN_ROOM: Meaning(_FINAL, "No such room here; `amanah room list` shows the rooms."),
    Code.ROOM_EXISTS: Meaning(_FINAL, "The room exists already; make another one."),
    Code.NOT_MEMBER: Meaning(_FINAL, "This device is not in the room; ask a member to invite it."),
    Code.STALE_EPOCH: Meaning(_FINAL, "The room moved on; the client seals again by itself."),
    Code.STALE_INTAKE: Meaning(_FINAL, "The intake key changed; the sensor seals again by itself."),
    Code.COUNTER: Meaning(_FINAL, "The counter does not go on from the record; the client sends again by itself."),
    Code.MEMBERSHIP: Meaning(_FINAL, "This device may not add or remove these members."),
    Code.SUITE: Meaning(_FINAL, "The device or program does not support the room's suite; update it."),
    Code.SUITE_WITHHELD: Meaning(_AGAIN, "No key package for the room's suite was given; try again or ask its owner."),
    Code.NO_KEY_PACKAGE: Meaning(_AGAIN, "The device has no key package left; its owner has to come online once."),
    Code.QUOTA: Meaning(_AGAIN, "The organisation's quota is used up; try later."),
    Code.RATE: Meaning(_AGAIN, "Too much at once; the client waits and sends again by itself."),
    Code.SLOW: Meaning(_AGAIN, "The connection read too slowly; the client connects again by itself."),
    Code.NOT_FOUND: Meaning(_FINAL, "There is no such thing; check the identifier."),
    Code.STAGING: Meaning(_AGAIN, "The staged content is not complete; the client stages it again."),
    Code.BINDING: Meaning(_FINAL, "The sealed content does not belong to this envelope; treat it as an attack."),
    Code.AUDIENCE: Meaning(_FINAL, "The sender's picture of the members differs from ours; treat it as an attack."),
    Code.COMMITMENT: Meaning(_FINAL, "The content does not match its logged commitment; treat it as an attack."),
    Code.REPLAY: Meaning(_FINAL, "This was already received; it is not shown twice."),
    Code.OPEN: Meaning(_FINAL, "The content cannot be opened with the keys of this device."),
    Code.GENERATION: Meaning(_FINAL, "The sender skipped more messages than is allowed."),
    Code.REFUSED_COMMIT: Meaning(_FINAL, "A member changed the room in a way that is not allowed; the room is halted."),
    Code.GAP: Meaning(_AGAIN, "A message of the record is missing; the client asks for it."),
    Code.BEHIND: Meaning(_AGAIN, "What this device missed is kept no longer; members remove it and add it again."),
    Code.STATE_LOST: Meaning(_AGAIN, "This device's keys of the room are gone; members remove it and add it again."),
    Code.FORK: Meaning(_FINAL, "Two records were shown for one place; keep the evidence and tell the others."),
    Code.VOIDED_APPEARED: Meaning(_FINAL, "An envelope that was void appeared all the same; keep the evidence."),
    Code.PROOF: Meaning(_FINAL, "The proof does not lead to the checkpoint; the record was altered."),
    Code.CHECKPOINT: Meaning(_FINAL, "The checkpoint is not signed by the log of the roster."),
    Code.RECEIPT: Meaning(_FINAL, "The relay's receipt does not hold; keep it as evidence."),
    Code.LOG_ROLLBACK: Meaning(_FINAL, "The relay shows a smaller log than before; stop and tell the others."),
    Code.RECORD: Meaning(_FINAL, "Keep the file as evidence, tell the others, and rely on nothing that it says."),
    Code.UNANCHORED: Meaning(_FINAL, "Give `--policy FILE`, or install the roster, to hold it against something."),
    Code.STALE_HEAD: Meaning(_AGAIN, "No fresh word from the relay's control stream for too long; connect first."),
    Code.WITNESSES: Meaning(_AGAIN, "Nothing stops; ask the operators of relay and witnesses what keeps them."),
    Code.USAGE: Meaning(_FINAL, "See `--help`."),
    Code.CONFIG: Meaning(_FINAL, "Mend the configuration at the place that is named."),
    Code.PASSPHRASE: Meaning(_FINAL, "Try again with the right passphrase; nothing was changed."),
    Code.NO_PROFILE: Meaning(_FINAL, "Enrol this profile first: `amanah device request`."),
    Code.NOT_INITIALISED: Meaning(_FINAL, "Run `amanah-relay keys`, then `amanah-relay init --roster FILE`."),
    Code.HELD: Meaning(_AGAIN, "It waits for your word: `amanah outbox list`, then release or drop it."),
    Code.OFFLINE: Meaning(_AGAIN, "The relay cannot be reached; what was to be sent is kept and goes out by itself."),
    Code.TIMEOUT: Meaning(_AGAIN, "No answer in time; try again."),
    Code.STORE: Meaning(_AGAIN, "The store failed and nothing was acknowledged; look at the disk, then try again."),
    Code.DAMAGED: Meaning(_FINAL, "Stored data is damaged; stop, copy the files and restore the newest backup."),
    Code.DISK_FULL: Meaning(_AGAIN, "The disk is full and nothing was lost; make room, then try again."),
    Code.NO_MEMORY: Meaning(_AGAIN, "Not enough memory is free; close other programs, then try again."),
    Code.ADDRESS_IN_USE: Meaning(_AGAIN, "Another program has this port; stop it or choose another port."),
    Code.STOPPING: Meaning(_AGAIN, "The relay is stopping; the client connects again by itself."),
    Code.INTERNAL: Meaning(_AGAIN, "This is a fault of the program; report it with the log."),
}  # fmt: skip


class AmanahError(Exception):
    """The root of all errors that Amanah raises on purpose.

    Attributes:
        code: The stable code.
        detail: What happened, for people; never key material or plaintext.
        retry_after_ms: When a second try makes sense, if that is known.
        hint: What a person does next: that of the place where it was raised, else that of the code.
    """

    def __init__(self, code: Code, detail: str, *, retry_after_ms: int | None = None, hint: str | None = None) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_ms = retry_after_ms
        self.hint = MEANINGS[code].hint if hint is None else hint

    @property
    def final(self) -> bool:
        """True when the same input can never succeed later."""
        return MEANINGS[self.code].final


class PeerError(AmanahError):
    """Somebody else sent something wrong."""


class DecodeError(PeerError):
    """Bytes do not decode to the one canonical form of their type."""


class VerifyError(PeerError):
    """A signature, chain, proof or binding does not hold."""


class RefusedError(PeerError):
    """A well-formed request is not allowed by the rules of a room, log or relay."""


class UsageError(AmanahError):
    """The caller asked for something that cannot be done."""


class OperationalError(AmanahError):
    """The world is in the way; the same call may succeed later."""
