"""What happened and what to do, by the code of an error, for faces that do not speak English.

An error's own words (`detail`, `hint`) are English, made where it was raised, and stand beside these as evidence: they
name the file, the entry or the peer. The protocol knows codes, and no language. What an officer typed or chose just now
is refused in the language that is spoken instead (`SpokenError`): a code cannot say which word of it was wrong.
"""

from __future__ import annotations

from typing import Final

from amanah_client.language.sentences import N_, gettext
from amanah_client.language.spoken import ENGLISH, spoken
from amanah_protocol.errors import AmanahError, Code, UsageError

HAPPENED: Final[dict[Code, tuple[str, str]]] = {
    Code.TOO_LARGE: (
        N_("It is larger than is allowed."),
        N_("Send less at once; larger things are split by the client."),
    ),
    Code.MALFORMED: (N_("The bytes are damaged or of no known form."), N_("Fetch or export them again.")),
    Code.NOT_CANONICAL: (
        N_("The sender's software does not write the one form that is allowed."),
        N_("It has to be updated."),
    ),
    Code.BAD_TYPE: (N_("This file or message is of another kind than is wanted here."), N_("Choose the right one.")),
    Code.BAD_HEADER: (N_("The sender's software makes invalid envelopes."), N_("It has to be updated.")),
    Code.UNKNOWN_VERSION: (N_("The other side speaks a newer version."), N_("Update this program.")),
    Code.CONTENT_HASH: (N_("The content was changed on its way, or is missing."), N_("Fetch it again.")),
    Code.KEY_ID: (N_("The sender is not the device that logged in."), N_("Treat it as forged.")),
    Code.SIGNATURE: (N_("The signature is not that of the named key."), N_("Treat it as forged.")),
    Code.THRESHOLD: (N_("Not enough distinct organisations or custodians have signed."), N_("Ask them to sign.")),
    Code.CERTIFICATE: (N_("The certificate does not lead to the roster."), N_("Ask for a new one.")),
    Code.EXPIRED: (N_("The certificate or roster is not valid at this time."), N_("Have it renewed.")),
    Code.REVOKED: (N_("The device was revoked by its organisation."), N_("Enrol a new device.")),
    Code.FOREIGN_DEVICE: (N_("This key already belongs to another organisation or person."), N_("Make a new key.")),
    Code.ROLE: (N_("The role in the certificate does not allow this."), N_("Ask your organisation for another one.")),
    Code.LABEL: (N_("The label is above the ceiling of the room or the device."), N_("Choose another room.")),
    Code.DRILL: (
        N_("A message of a drill stands in a real room, or the other way round."),
        N_("Ask its sender."),
    ),
    Code.ROLLBACK: (N_("An older version than the one already accepted was offered."), N_("Get the newest.")),
    Code.CLOCK: (N_("The clock of this machine is wrong."), N_("Set it, then try again.")),
    Code.LOGIN: (N_("The login was not accepted."), N_("Run `amanah doctor`.")),
    Code.REPLACED: (N_("The same device logged in from elsewhere."), N_("Only the newest connection stays.")),
    Code.FRAME: (N_("The other side sent what is not of this protocol."), N_("It has to be updated.")),
    Code.UNKNOWN_ROOM: (N_("There is no such room here."), N_("`amanah room list` shows the rooms.")),
    Code.ROOM_EXISTS: (N_("The room exists already."), N_("Make another one.")),
    Code.NOT_MEMBER: (N_("This device is not in the room."), N_("Ask a member to invite it.")),
    Code.STALE_EPOCH: (N_("The room moved on meanwhile."), N_("The client seals again by itself.")),
    Code.STALE_INTAKE: (N_("The intake key changed."), N_("The sensor seals again by itself.")),
    Code.COUNTER: (N_("The counter does not go on from the record."), N_("The client sends again by itself.")),
    Code.MEMBERSHIP: (N_("This device may not add or remove these members."), N_("Ask one that may.")),
    Code.SUITE: (N_("The device or program does not support the room's suite."), N_("Update it.")),
    Code.SUITE_WITHHELD: (N_("No key package for the room's suite was given."), N_("Try again, or ask its owner.")),
    Code.NO_KEY_PACKAGE: (N_("The device has no key package left."), N_("Its owner has to come online once.")),
    Code.QUOTA: (N_("The organisation's quota is used up."), N_("Try later.")),
    Code.RATE: (N_("Too much was sent at once."), N_("The client waits and sends again by itself.")),
    Code.SLOW: (N_("The connection read too slowly."), N_("The client connects again by itself.")),
    Code.NOT_FOUND: (N_("There is no such thing."), N_("Check the identifier.")),
    Code.STAGING: (N_("The content is not complete at the relay."), N_("The client sends it again.")),
    Code.BINDING: (N_("The sealed content does not belong to this envelope."), N_("Treat it as an attack.")),
    Code.AUDIENCE: (N_("The sender's picture of the members differs from ours."), N_("Treat it as an attack.")),
    Code.COMMITMENT: (N_("The content does not match what was logged of it."), N_("Treat it as an attack.")),
    Code.REPLAY: (N_("This was already received."), N_("It is not shown twice.")),
    Code.OPEN: (N_("The content cannot be opened with the keys of this device."), N_("Ask its sender.")),
    Code.GENERATION: (N_("The sender skipped more messages than is allowed."), N_("Ask the sender.")),
    Code.REFUSED_COMMIT: (
        N_("A member changed the room in a way that is not allowed."),
        N_("The room is halted; tell the others."),
    ),
    Code.GAP: (N_("An entry of the record is missing."), N_("The client asks for it.")),
    Code.BEHIND: (N_("What this device missed is kept no longer."), N_("Members remove it and add it again.")),
    Code.STATE_LOST: (N_("This device's keys of the room are gone."), N_("Members remove it and add it again.")),
    Code.FORK: (N_("Two records were shown for one place."), N_("Keep the evidence and tell the others.")),
    Code.VOIDED_APPEARED: (N_("An envelope that was void appeared all the same."), N_("Keep the evidence.")),
    Code.PROOF: (N_("The proof does not lead to the checkpoint."), N_("The record was altered: keep it as evidence.")),
    Code.CHECKPOINT: (
        N_("The checkpoint is not signed by the log of the roster."),
        N_("Rely on nothing that it covers."),
    ),
    Code.RECEIPT: (N_("The relay's receipt does not hold."), N_("Keep it as evidence.")),
    Code.LOG_ROLLBACK: (N_("The relay shows a smaller log than before."), N_("Stop, and tell the others.")),
    Code.UNANCHORED: (N_("There is nothing to hold it against."), N_("Give `--policy FILE`, or install the roster.")),
    Code.RECORD: (
        N_("The record contradicts itself."),
        N_("Keep the file as evidence, tell the others, and rely on nothing that it says."),
    ),
    Code.STALE_HEAD: (
        N_("There was no fresh word from the relay's control stream for too long."),
        N_("Connect first."),
    ),
    Code.WITNESSES: (
        N_("Too few witnesses have cosigned."),
        N_("Nothing stops; ask the operators of relay and witnesses what keeps them."),
    ),
    Code.USAGE: (N_("It cannot be done like that."), N_("See `--help`.")),
    Code.CONFIG: (N_("The configuration is wrong."), N_("Mend it at the place that is named.")),
    Code.PASSPHRASE: (N_("The passphrase is wrong; nothing was changed."), N_("Try again with the right one.")),
    Code.NO_PROFILE: (N_("There is no such profile here."), N_("Enrol it first: `amanah device request`.")),
    Code.NOT_INITIALISED: (
        N_("The relay is not set up yet."),
        N_("Run `amanah-relay keys`, then `amanah-relay init --roster FILE`."),
    ),
    Code.HELD: (N_("It waits for your word."), N_("See `amanah outbox list`, then release or drop it.")),
    Code.OFFLINE: (N_("The relay cannot be reached."), N_("What was to be sent is kept and goes out by itself.")),
    Code.TIMEOUT: (N_("There was no answer in time."), N_("Try again.")),
    Code.STORE: (
        N_("Reading or writing failed; nothing was acknowledged."),
        N_("Look at the disk and its rights, then try again."),
    ),
    Code.DAMAGED: (N_("Stored data is damaged."), N_("Stop, copy the files and restore the newest backup.")),
    Code.DISK_FULL: (N_("The disk is full; nothing was lost."), N_("Make room, then try again.")),
    Code.NO_MEMORY: (N_("Not enough memory is free."), N_("Close other programs, then try again.")),
    Code.ADDRESS_IN_USE: (N_("Another program has this port."), N_("Stop it or choose another port.")),
    Code.STOPPING: (N_("The relay is stopping."), N_("The client connects again by itself.")),
    Code.INTERNAL: (N_("This is a fault of the program."), N_("Report it with the log.")),
}
"""What happened, and what to do."""

FOUND: Final[dict[Code, str]] = {
    Code.NOT_FOUND: N_("It refers to what is not in the room before it."),
    Code.LABEL: N_("A message left its circle, or a label is above what was allowed."),
    Code.CLOCK: N_("The times that are told do not go together."),
    Code.GAP: N_("Something is missing, or a count does not go on."),
    Code.CONFIG: N_("Something could not be checked here."),
    Code.EXPIRED: N_("Something was not valid at that time."),
}
"""Codes that say something else of an entry in a record than of what was just tried."""


class SpokenError(UsageError):
    """A refusal whose own words are in the language that is spoken: nothing else has to be said beside them."""

    def __init__(self, detail: str, hint: str, code: Code = Code.USAGE) -> None:
        """With what is wrong, without a full stop, and what to do.

        Args:
            detail: What is wrong, translated.
            hint: What to do, translated; whole sentences.
            code: The code that programs go by.
        """
        super().__init__(code, detail, hint=hint)


def speaks(error: AmanahError) -> bool:
    """Whether an error's own words are in the language that is spoken, and are shown as they are."""
    return isinstance(error, SpokenError) or spoken().code == ENGLISH.code


def happened(code: str) -> str:
    """What happened and what to do; "" for a code of a newer relay, whose own words then stand alone."""
    return " ".join(map(gettext, HAPPENED[Code(code)])) if code in HAPPENED else ""


def why(code: str) -> str:
    """What happened alone, to stand in a sentence; "" as `happened`."""
    return gettext(HAPPENED[Code(code)][0]).rstrip(".") if code in HAPPENED else ""


def found(code: str) -> str:
    """What an audit found of an entry; what to do depends on the record, and is said for all of it."""
    return gettext(FOUND.get(Code(code), HAPPENED[Code(code)][0]))
