"""The roster: which organisations, relays and witnesses make up the community.

The rules of TUF's root role: a new version needs the threshold of the old *and* of the new;
distinct public keys are counted; the lowest accepted version is remembered by the caller
(attacks 30 and 31).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

from amanah_protocol import cbor, endorse, identity, limits
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import sha256
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.note_keys import NoteVerifier, SignatureType, decode_vkey
from amanah_protocol.names import decode_organisation
from amanah_protocol.types import KeyId, OrgName
from amanah_protocol.verified import Verified

PURPOSE: Final = "amanah/roster/1"
_MAX_MEMBERS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """A member organisation.

    Attributes:
        name: Its DNS name.
        threshold: How many of its root keys must sign for it.
        roots: Its custodians' public keys, ascending, distinct.
    """

    name: OrgName
    threshold: int
    roots: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """A relay of the community.

    Attributes:
        key: Public key that signs logins, receipts and heads; the relay id is its SHA-256.
        log_vkey: The C2SP verifier key of its log's checkpoints.
        origin: The log's origin line.
        addresses: `wss://host:port` (or `ws://` on loopback), in order of preference.
        tls_hashes: SHA-256 of accepted TLS certificates; empty where a CA decides.
    """

    key: bytes
    log_vkey: str
    origin: str
    addresses: tuple[str, ...]
    tls_hashes: tuple[bytes, ...] = ()

    @property
    def relay_id(self) -> KeyId:
        """SHA-256 of the key."""
        return KeyId(sha256(self.key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """Who cosigns checkpoints; it counts once, whichever of its keys cosigned.

    Attributes:
        name: For people.
        keys: A key that cosigns with Ed25519, one with ML-DSA-44, or both in that order.

    Raises:
        UsageError: `BAD_TYPE` for other keys.
    """

    name: str
    keys: tuple[NoteVerifier, ...]

    def __post_init__(self) -> None:
        kinds = [key.kind for key in self.keys]
        if not kinds or kinds != sorted({kind for kind in kinds if kind.cosigns}):
            raise UsageError(Code.BAD_TYPE, "a witness has one key that cosigns of each type, Ed25519 first, or of one")


@dataclass(frozen=True, kw_only=True)
class Roster:
    """One version of the roster.

    Attributes:
        version: Ascends by at least one.
        community: A name for people.
        issued_ms: When it was made.
        expires_ms: At most 366 days later.
        threshold: How many organisations must sign.
        organisations: Ascending by name.
        relays: At least one, with distinct keys.
        witnesses: Distinct names, and distinct keys across all of them.
        quorum: How many witnesses must cosign, at most all.
        endorsed: The document with its signatures.
    """

    version: int
    community: str
    issued_ms: int
    expires_ms: int
    threshold: int
    organisations: tuple[Organisation, ...]
    relays: tuple[Relay, ...]
    witnesses: tuple[Witness, ...]
    quorum: int
    endorsed: Endorsed

    @cached_property
    def by_name(self) -> dict[OrgName, Organisation]:
        """The organisations by name."""
        return {organisation.name: organisation for organisation in self.organisations}

    def organisation(self, name: OrgName) -> Organisation:
        """A member organisation.

        Raises:
            VerifyError: `CERTIFICATE` when the roster does not name it.
        """
        found = self.by_name.get(name)
        if found is None:
            raise VerifyError(Code.CERTIFICATE, f"{name} is not in the roster")
        return found

    def relay(self, relay_id: bytes) -> Relay:
        """The relay of an id.

        Raises:
            VerifyError: `LOGIN` when the roster does not name it.
        """
        for relay in self.relays:
            if relay.relay_id == relay_id:
                return relay
        raise VerifyError(Code.LOGIN, "the relay is not in the roster")


def roster_document(
    *,
    version: int,
    community: str,
    issued_ms: int,
    threshold: int,
    organisations: tuple[Organisation, ...],
    relays: tuple[Relay, ...],
    witnesses: tuple[Witness, ...] = (),
    quorum: int = 0,
    lifetime_ms: int = limits.ROSTER_MS,
) -> bytes:
    """The canonical document, ready to be endorsed by the organisations' roots."""
    return cbor.encode([
        PURPOSE, version, community, issued_ms, issued_ms + lifetime_ms, threshold,
        [[o.name, o.threshold, sorted(o.roots)] for o in sorted(organisations, key=lambda o: o.name)],
        [[r.key, r.log_vkey, r.origin, list(r.addresses), sorted(r.tls_hashes)] for r in relays],
        [[w.name, [key.vkey for key in w.keys]] for w in witnesses],
        quorum,
    ])  # fmt: skip


def decode_roster(data: bytes) -> Roster:
    """Decode a roster and check that its parts agree; signatures are not verified here.

    Raises:
        DecodeError: It does not parse, or thresholds, names or keys do not fit together.
    """
    endorsed = endorse.decode_endorsed(data)
    f = cbor.Fields(cbor.decode(endorsed.document, max_bytes=limits.MAX_ROSTER_BYTES), 10, "roster")
    endorse.check_purpose(f, PURPOSE)
    roster = Roster(
        version=f.uint(2**32),
        community=f.text(limits.MAX_NAME_CHARS),
        issued_ms=f.uint(),
        expires_ms=f.uint(),
        threshold=f.uint(_MAX_MEMBERS),
        organisations=tuple(_organisation(item) for item in f.array(_MAX_MEMBERS)),
        relays=tuple(_relay(item) for item in f.array(_MAX_MEMBERS)),
        witnesses=tuple(_witness(item) for item in f.array(_MAX_MEMBERS)),
        quorum=f.uint(_MAX_MEMBERS),
        endorsed=endorsed,
    )
    _check_roster(roster)
    return roster


def _check_roster(roster: Roster) -> None:
    names = [organisation.name for organisation in roster.organisations]
    if names != sorted(set(names)) or not roster.relays:
        raise DecodeError(Code.BAD_TYPE, "a roster names organisations once each, ascending, and a relay")
    if not 1 <= roster.threshold <= len(names):
        raise DecodeError(Code.BAD_TYPE, "the threshold lies between one and all organisations")
    _check_distinct([key for organisation in roster.organisations for key in organisation.roots], "root key")
    _check_distinct([relay.key for relay in roster.relays], "relay's key")
    _check_distinct([witness.name for witness in roster.witnesses], "witness")
    # By key, because a cosignature does not bind a name: one witness could fill the quorum (attack 42).
    _check_distinct([key.public for witness in roster.witnesses for key in witness.keys], "witness's key")
    if roster.quorum > len(roster.witnesses):
        raise DecodeError(Code.BAD_TYPE, "the quorum is larger than the number of witnesses")
    if not 0 < roster.expires_ms - roster.issued_ms <= limits.ROSTER_MS:
        raise DecodeError(Code.BAD_TYPE, "a roster lives at most twelve months")


def _check_distinct(items: list[bytes] | list[str], what: str) -> None:
    if len(set(items)) != len(items):
        raise DecodeError(Code.BAD_TYPE, f"one {what} stands twice in the roster")


def _organisation(value: cbor.Value) -> Organisation:
    f = cbor.Fields(value, 3, "organisation")
    name, threshold = decode_organisation(f), f.uint(64)
    roots = f.sorted_array(32, 64)
    if not 1 <= threshold <= len(roots):
        raise DecodeError(Code.BAD_TYPE, "an organisation's threshold lies between one and all its roots")
    return Organisation(name=name, threshold=threshold, roots=roots)


def _relay(value: cbor.Value) -> Relay:
    f = cbor.Fields(value, 5, "relay")
    relay = Relay(
        key=f.fixed(32),
        log_vkey=f.text(limits.MAX_TEXT_CHARS),
        origin=f.text(limits.MAX_NAME_CHARS),
        addresses=f.texts(limits.MAX_NAME_CHARS, 16),
        tls_hashes=f.sorted_array(32, 16),
    )
    log = decode_vkey(relay.log_vkey)
    if log.name != relay.origin or log.kind is not SignatureType.ED25519:
        raise DecodeError(Code.BAD_TYPE, "the log's key is a signing key under the log's origin")
    return relay


def _witness(value: cbor.Value) -> Witness:
    f = cbor.Fields(value, 2, "witness")
    name = f.text(limits.MAX_NAME_CHARS)
    keys = tuple(decode_vkey(vkey) for vkey in f.texts(limits.MAX_VKEY_CHARS, 2))
    try:
        return Witness(name=name, keys=keys)
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error


def default_quorum(witnesses: int) -> int:
    """How many of so many witnesses must cosign, at the least, for a split view to need more than a third of them.

    Two quorums of q overlap in 2q - n witnesses. While that is more than the f = floor((n - 1) / 3) that may work
    against the others, no two checkpoints that contradict each other both reach it.
    """
    hostile = (witnesses - 1) // 3
    return (witnesses + hostile) // 2 + 1


def signing_organisations(endorsed: Endorsed, roster: Roster, typ: Typ = Typ.ENDORSEMENT) -> frozenset[OrgName]:
    """The organisations of `roster` whose own root threshold endorsed the document.

    Raises:
        DecodeError: A signature is not an endorsement.
        VerifyError: `SIGNATURE` or `BINDING`.
    """
    keys = [key for organisation in roster.organisations for key in organisation.roots]
    signers = endorse.verified_signers(endorsed, keys, typ)
    return frozenset(o.name for o in roster.organisations if len(signers & set(o.roots)) >= o.threshold)


def verify_roster(roster: Roster, previous: Verified[Roster] | None, *, now_ms: int) -> Verified[Roster]:
    """Accept a roster as the first (handed over by the own organisation) or as successor.

    Raises:
        VerifyError: `THRESHOLD`; `ROLLBACK` for an older version or another document of the same
            version; `EXPIRED`; `SIGNATURE` or `BINDING`.
    """
    _check_threshold(roster.endorsed, roster)
    if previous is not None and previous.value.endorsed.document != roster.endorsed.document:
        if roster.version <= previous.value.version:
            raise VerifyError(Code.ROLLBACK, f"version {previous.value.version} was accepted before")
        _check_threshold(roster.endorsed, previous.value)
    if now_ms > roster.expires_ms:
        raise VerifyError(Code.EXPIRED, "the roster has expired")
    return Verified(roster)


def _check_threshold(endorsed: Endorsed, roster: Roster) -> None:
    signed = signing_organisations(endorsed, roster)
    if len(signed) < roster.threshold:
        raise VerifyError(Code.THRESHOLD, f"{len(signed)} of {roster.threshold} organisations have signed")


def verify_enrolment(enrolment: identity.Enrolment, roster: Verified[Roster], *, at_ms: int) -> None:
    """The organisation's root endorsed the enrolment key, for this time.

    Raises:
        VerifyError: `CERTIFICATE`, `THRESHOLD`, `SIGNATURE` or `EXPIRED`.
    """
    organisation = roster.value.organisation(enrolment.organisation)
    endorse.verify_threshold(enrolment.endorsed, organisation.roots, organisation.threshold)
    identity.check_validity(enrolment.not_before_ms, enrolment.not_after_ms, limits.ENROLMENT_MS, at_ms)


def verify_certificate(
    certificate: identity.Certificate, enrolment: identity.Enrolment, roster: Verified[Roster], *, at_ms: int
) -> Verified[identity.Certificate]:
    """The whole chain: roster, root, enrolment key, device and its own request, at one time.

    Raises:
        DecodeError: The embedded request does not parse.
        VerifyError: `CERTIFICATE`, `THRESHOLD`, `KEY_ID`, `SIGNATURE` or `EXPIRED`.
    """
    verify_enrolment(enrolment, roster, at_ms=at_ms)
    if certificate.organisation != enrolment.organisation:
        raise VerifyError(Code.CERTIFICATE, "an enrolment key certifies its own organisation only")
    identity.verify_certificate_signature(certificate, enrolment.public_key)
    identity.check_validity(certificate.not_before_ms, certificate.not_after_ms, limits.CERTIFICATE_MS, at_ms)
    return Verified(certificate)
