"""What people hand to each other outside the relay: cards, requests, replies, as armoured text.

Armour makes a file that survives mail and chat: a begin line, base64 (RFC 4648), an end line. It
protects nothing; what is inside is signed, or is compared by people through `fingerprint`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from amanah_protocol import cbor, endorse, identity, limits
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.log.note_keys import decode_vkey
from amanah_protocol.names import decode_organisation
from amanah_protocol.roster import Organisation, Relay, Witness
from amanah_protocol.types import OrgName

_MAX_BYTES: Final = 2 * limits.MIB
_COLUMNS: Final = 64
_WORDS: Final = 8
_WORD_BITS: Final = 11


class Armour(StrEnum):
    """Kinds of armoured files."""

    ORGANISATION = "AMANAH ORGANISATION CARD"
    RELAY = "AMANAH RELAY CARD"
    REQUEST = "AMANAH DEVICE REQUEST"
    REPLY = "AMANAH DEVICE REPLY"
    ROSTER = "AMANAH ROSTER"
    REVOCATION = "AMANAH REVOCATION"
    CUSTODIAN = "AMANAH CUSTODIAN KEY"
    AUDIT_GRANT = "AMANAH AUDIT GRANT"
    LEGAL_HOLD = "AMANAH LEGAL HOLD"
    FORGOTTEN = "AMANAH FORGOTTEN PERSON"
    DISCLOSURE = "AMANAH DISCLOSURE"
    EVIDENCE = "AMANAH LOG EVIDENCE"


def armour(kind: Armour, data: bytes) -> str:
    """Wrap bytes as text of 64 columns, newline at the end."""
    text = base64.b64encode(data).decode()
    body = [text[start : start + _COLUMNS] for start in range(0, len(text), _COLUMNS)]
    return "\n".join([f"-----BEGIN {kind}-----", *body, f"-----END {kind}-----", ""])


def decode_armour(text: str, kind: Armour) -> bytes:
    """Unwrap; text before and after is passed over, so a mail can be fed in whole.

    Raises:
        DecodeError: `BAD_TYPE` when another kind is inside, `MALFORMED`, `TOO_LARGE`.
    """
    found = armour_kind(text)
    if found is not kind:
        raise DecodeError(Code.BAD_TYPE, f"a file {kind!s} is wanted" + (f", this is {found!s}" if found else ""))
    lines = [line.strip() for line in text.splitlines()]
    begin = lines.index(f"-----BEGIN {kind}-----")
    try:
        end = lines.index(f"-----END {kind}-----", begin)
        data = base64.b64decode("".join(lines[begin + 1 : end]), validate=True)
    except (ValueError, binascii.Error) as error:
        raise DecodeError(Code.MALFORMED, f"the file {kind!s} is damaged or cut off") from error
    if len(data) > _MAX_BYTES and kind is not Armour.EVIDENCE:
        raise DecodeError(Code.TOO_LARGE, f"a file {kind!s} is never this large")
    return data


def armour_kind(text: str) -> Armour | None:
    """Which kind of armour the text holds first, or None."""
    for line in text.splitlines():
        for kind in Armour:
            if line.strip() == f"-----BEGIN {kind}-----":
                return kind
    return None


def fingerprint(data: bytes) -> tuple[int, ...]:
    """Eight numbers of 11 bits of SHA-256: as words, what two people compare (88 bits)."""
    bits = int.from_bytes(sha256(b"amanah/fingerprint/1" + data), "big") >> (256 - _WORDS * _WORD_BITS)
    return tuple(bits >> (_WORD_BITS * (_WORDS - 1 - place)) & (2**_WORD_BITS - 1) for place in range(_WORDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationCard:
    """What an organisation hands out to be put into a roster.

    Attributes:
        organisation: Name, root keys and threshold.
        enrolment: Encoded enrolment certificate, checked against the roots when decoded.
    """

    organisation: Organisation
    enrolment: bytes

    def encode(self) -> bytes:
        """Canonical CBOR."""
        o = self.organisation
        return cbor.encode(["amanah/organisation-card/1", o.name, o.threshold, sorted(o.roots), self.enrolment])


def decode_organisation_card(data: bytes) -> OrganisationCard:
    """Decode a card and verify that its own roots endorsed its enrolment key.

    Raises:
        DecodeError: It does not parse.
        VerifyError: `THRESHOLD` or `SIGNATURE`.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=_MAX_BYTES), 5, "organisation card")
    endorse.check_purpose(f, "amanah/organisation-card/1")
    name = OrgName(f.text(limits.MAX_NAME_CHARS))
    organisation = Organisation(name=name, threshold=f.uint(64), roots=f.sorted_array(32, 64))
    card = OrganisationCard(organisation=organisation, enrolment=f.blob(limits.MAX_CONTROL_BYTES))
    enrolment = identity.decode_enrolment(card.enrolment)
    if enrolment.organisation != name:
        raise DecodeError(Code.BAD_TYPE, "the card's enrolment key is another organisation's")
    endorse.verify_threshold(enrolment.endorsed, organisation.roots, organisation.threshold)
    return card


def encode_custodian(organisation: OrgName, public: bytes) -> bytes:
    """What a custodian hands to the organisation, to be put into its card: a root key of its own."""
    return cbor.encode(["amanah/custodian/1", organisation, public])


def decode_custodian(data: bytes) -> tuple[OrgName, bytes]:
    """The organisation and the root key of a custodian.

    Raises:
        DecodeError: It does not parse.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=_MAX_BYTES), 3, "custodian's key")
    endorse.check_purpose(f, "amanah/custodian/1")
    return decode_organisation(f), f.fixed(32)


def encode_relay_card(relay: Relay) -> bytes:
    """What an operator hands out to be put into a roster."""
    return cbor.encode([
        "amanah/relay-card/1", relay.key, relay.log_vkey, relay.origin, list(relay.addresses), sorted(relay.tls_hashes),
    ])  # fmt: skip


def decode_relay_card(data: bytes) -> Relay:
    """Decode a relay's card.

    Raises:
        DecodeError: It does not parse.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=_MAX_BYTES), 6, "relay card")
    endorse.check_purpose(f, "amanah/relay-card/1")
    return Relay(
        key=f.fixed(32),
        log_vkey=f.text(limits.MAX_TEXT_CHARS),
        origin=f.text(limits.MAX_NAME_CHARS),
        addresses=f.texts(limits.MAX_NAME_CHARS, 16),
        tls_hashes=f.sorted_array(32, 16),
    )


def decode_witness_keys(text: str) -> Witness:
    """Decode what a witness hands out, one of ours or any other of C2SP: its verifier keys, one a line.

    Empty lines and those that start with `#` are passed over. The witness is named as its first key is.

    Raises:
        DecodeError: as `decode_vkey`; `BAD_TYPE` for no keys, more than one of a type, or keys that do not cosign.
    """
    lines = [line.strip() for line in text.splitlines()]
    keys = sorted((decode_vkey(line) for line in lines if line and not line.startswith("#")), key=lambda key: key.kind)
    try:
        return Witness(name=keys[0].name if keys else "", keys=tuple(keys))
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What an organisation hands back to a device: the device's whole first trust.

    Attributes:
        certificate: Encoded certificate.
        enrolment: Encoded enrolment certificate.
        profile: Encoded profile.
        roster: Encoded roster.
    """

    certificate: bytes
    enrolment: bytes
    profile: bytes
    roster: bytes

    def encode(self) -> bytes:
        """Canonical CBOR."""
        return cbor.encode(["amanah/device-reply/1", self.certificate, self.enrolment, self.profile, self.roster])


def decode_reply(data: bytes) -> Reply:
    """Decode a reply; its parts are verified when it is installed.

    Raises:
        DecodeError: It does not parse.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=_MAX_BYTES), 5, "device reply")
    endorse.check_purpose(f, "amanah/device-reply/1")
    return Reply(
        certificate=f.blob(limits.MAX_CONTROL_BYTES),
        enrolment=f.blob(limits.MAX_CONTROL_BYTES),
        profile=f.blob(limits.MAX_CONTROL_BYTES),
        roster=f.blob(2 * limits.MAX_ROSTER_BYTES),
    )
