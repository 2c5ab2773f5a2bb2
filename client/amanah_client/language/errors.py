"""What happened and what to do, by the code of an error, for faces that do not speak English.

An error's own words (`detail`, `hint`) are English, made where it was raised, and stand beside these as evidence: they
name the file, the entry or the peer. The protocol knows codes, and no language.
"""

from __future__ import annotations

from typing import Final

from amanah_client.language.sentences import N_, gettext
from amanah_protocol.errors import Code

HAPPENED: Final[dict[Code, str]] = {
    Code.TOO_LARGE: N_("It is larger than is allowed. Send less at once; larger things are split by the client."),
    Code.MALFORMED: N_("The bytes are damaged or of no known form. Fetch or export them again."),
    Code.NOT_CANONICAL: N_("The sender's software does not write the one form that is allowed. It has to be updated."),
    Code.BAD_TYPE: N_("This file or message is of another kind than is wanted here. Choose the right one."),
    Code.BAD_HEADER: N_("The sender's software makes invalid envelopes. It has to be updated."),
    Code.UNKNOWN_VERSION: N_("The other side speaks a newer version. Update this program."),
    Code.CONTENT_HASH: N_("The content was changed on its way, or is missing. Fetch it again."),
    Code.KEY_ID: N_("The sender is not the device that logged in. Treat it as forged."),
    Code.SIGNATURE: N_("The signature is not that of the named key. Treat it as forged."),
    Code.THRESHOLD: N_("Not enough distinct organisations or custodians have signed. Ask them to sign."),
    Code.CERTIFICATE: N_("The certificate does not lead to the roster. Ask for a new one."),
    Code.EXPIRED: N_("The certificate or roster is not valid at this time. Have it renewed."),
    Code.REVOKED: N_("The device was revoked by its organisation. Enrol a new device."),
    Code.FOREIGN_DEVICE: N_("This key already belongs to another organisation or person. Make a new key."),
    Code.ROLE: N_("The role in the certificate does not allow this. Ask your organisation for another one."),
    Code.LABEL: N_("The label is above the ceiling of the room or the device. Choose another room."),
    Code.ROLLBACK: N_("An older version than the one already accepted was offered. Get the newest."),
    Code.CLOCK: N_("The clock of this machine is wrong. Set it, then try again."),
    Code.LOGIN: N_("The login was not accepted. Run `amanah doctor`."),
    Code.REPLACED: N_("The same device logged in from elsewhere. Only the newest connection stays."),
    Code.FRAME: N_("The other side sent what is not of this protocol. It has to be updated."),
    Code.UNKNOWN_ROOM: N_("There is no such room here. `amanah room list` shows the rooms."),
    Code.ROOM_EXISTS: N_("The room exists already. Make another one."),
    Code.NOT_MEMBER: N_("This device is not in the room. Ask a member to invite it."),
    Code.STALE_EPOCH: N_("The room moved on meanwhile. The client seals again by itself."),
    Code.STALE_INTAKE: N_("The intake key changed. The sensor seals again by itself."),
    Code.COUNTER: N_("The counter does not go on from the record. The client sends again by itself."),
    Code.MEMBERSHIP: N_("This device may not add or remove these members. Ask one that may."),
    Code.SUITE: N_("The device or program does not support the room's suite. Update it."),
    Code.SUITE_WITHHELD: N_("No key package for the room's suite was given. Try again, or ask its owner."),
    Code.NO_KEY_PACKAGE: N_("The device has no key package left. Its owner has to come online once."),
    Code.QUOTA: N_("The organisation's quota is used up. Try later."),
    Code.RATE: N_("Too much was sent at once. The client waits and sends again by itself."),
    Code.SLOW: N_("The connection read too slowly. The client connects again by itself."),
    Code.NOT_FOUND: N_("There is no such thing. Check the identifier."),
    Code.STAGING: N_("The content is not complete at the relay. The client sends it again."),
    Code.BINDING: N_("The sealed content does not belong to this envelope. Treat it as an attack."),
    Code.AUDIENCE: N_("The sender's picture of the members differs from ours. Treat it as an attack."),
    Code.COMMITMENT: N_("The content does not match what was logged of it. Treat it as an attack."),
    Code.REPLAY: N_("This was already received. It is not shown twice."),
    Code.OPEN: N_("The content cannot be opened with the keys of this device. Ask its sender."),
    Code.GENERATION: N_("The sender skipped more messages than is allowed. Ask the sender."),
    Code.REFUSED_COMMIT: N_(
        "A member changed the room in a way that is not allowed. The room is halted; tell the others."
    ),
    Code.GAP: N_("An entry of the record is missing. The client asks for it."),
    Code.BEHIND: N_("What this device missed is kept no longer. Members remove it and add it again."),
    Code.STATE_LOST: N_("This device's keys of the room are gone. Members remove it and add it again."),
    Code.FORK: N_("Two records were shown for one place. Keep the evidence and tell the others."),
    Code.VOIDED_APPEARED: N_("An envelope that was void appeared all the same. Keep the evidence."),
    Code.PROOF: N_("The proof does not lead to the checkpoint. The record was altered: keep it as evidence."),
    Code.CHECKPOINT: N_("The checkpoint is not signed by the log of the roster. Rely on nothing that it covers."),
    Code.RECEIPT: N_("The relay's receipt does not hold. Keep it as evidence."),
    Code.LOG_ROLLBACK: N_("The relay shows a smaller log than before. Stop, and tell the others."),
    Code.UNANCHORED: N_("There is nothing to hold it against. Give `--policy FILE`, or install the roster."),
    Code.RECORD: N_(
        "The record contradicts itself. Keep the file as evidence, tell the others, and rely on nothing that it says."
    ),
    Code.STALE_HEAD: N_("There was no fresh word from the relay's control stream for too long. Connect first."),
    Code.WITNESSES: N_(
        "Too few witnesses have cosigned. Nothing stops; ask the operators of relay and witnesses what keeps them."
    ),
    Code.USAGE: N_("It cannot be done like that. See `--help`."),
    Code.CONFIG: N_("The configuration is wrong. Mend it at the place that is named."),
    Code.PASSPHRASE: N_("The passphrase is wrong; nothing was changed. Try again with the right one."),
    Code.NO_PROFILE: N_("There is no such profile here. Enrol it first: `amanah device request`."),
    Code.NOT_INITIALISED: N_(
        "The relay is not set up yet. Run `amanah-relay keys`, then `amanah-relay init --roster FILE`."
    ),
    Code.HELD: N_("It waits for your word. See `amanah outbox list`, then release or drop it."),
    Code.OFFLINE: N_("The relay cannot be reached. What was to be sent is kept and goes out by itself."),
    Code.TIMEOUT: N_("There was no answer in time. Try again."),
    Code.STORE: N_(
        "Reading or writing failed; nothing was acknowledged. Look at the disk and its rights, then try again."
    ),
    Code.DAMAGED: N_("Stored data is damaged. Stop, copy the files and restore the newest backup."),
    Code.DISK_FULL: N_("The disk is full; nothing was lost. Make room, then try again."),
    Code.NO_MEMORY: N_("Not enough memory is free. Close other programs, then try again."),
    Code.ADDRESS_IN_USE: N_("Another program has this port. Stop it or choose another port."),
    Code.STOPPING: N_("The relay is stopping. The client connects again by itself."),
    Code.INTERNAL: N_("This is a fault of the program. Report it with the log."),
}
"""One sentence of what happened, one of what to do."""


def happened(code: str) -> str:
    """Both, in the language that is spoken; "" for a code of a newer relay, whose own words then stand alone."""
    return gettext(HAPPENED[Code(code)]) if code in HAPPENED else ""
