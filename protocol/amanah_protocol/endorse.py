"""Documents that several keys sign: k of n custodians, k of n organisations.

The document's bytes travel with an array of COSE_Sign1, each by one key over the document's
SHA-256. Every document begins with a text that names its purpose, so that an endorsement of one
kind never serves for another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from amanah_protocol import cbor, cose, limits
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.errors import Code, DecodeError, VerifyError


@dataclass(frozen=True, slots=True, kw_only=True)
class Endorsed:
    """A document and the endorsements beside it; nothing is verified yet.

    Attributes:
        document: Canonical CBOR, up to 1 MiB.
        signatures: Encoded COSE_Sign1 objects of `typ` endorsement.
    """

    document: bytes
    signatures: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Canonical CBOR of [document, [signatures]]."""
        return cbor.encode([self.document, list(self.signatures)])

    @property
    def hash(self) -> bytes:
        """SHA-256 of the document: what is signed."""
        return sha256(self.document)

    @property
    def record(self) -> bytes:
        """What a log leaf holds: canonical CBOR [document hash, hash of the signatures' array]."""
        return cbor.encode([self.hash, sha256(cbor.encode(list(self.signatures)))])

    def with_signature(self, signature: bytes) -> Endorsed:
        """The same document with one more endorsement; the same bytes twice count once."""
        kept = tuple(item for item in self.signatures if item != signature)
        return Endorsed(document=self.document, signatures=(*kept, signature))


def decode_endorsed(data: bytes, *, max_bytes: int = 2 * limits.MAX_ROSTER_BYTES) -> Endorsed:
    """Take document and signatures apart.

    Args:
        data: What `Endorsed.encode` made.
        max_bytes: The cap on all of it; a roster's is the default.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED`, `NOT_CANONICAL` or `BAD_TYPE`.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=max_bytes), 2, "endorsed document")
    document = f.blob(limits.MAX_ROSTER_BYTES)
    items = f.array(limits.MAX_SIGNATURES)
    signatures = cbor.Fields(items, None, "endorsements")
    return Endorsed(document=document, signatures=tuple(signatures.blob(1_024) for _ in items))


def endorse(document: bytes, key: SigningKey, typ: Typ = Typ.ENDORSEMENT) -> bytes:
    """One key's endorsement of a document: COSE_Sign1 over its SHA-256."""
    return cose.sign(typ, sha256(document), key)


def named_signers(endorsed: Endorsed, typ: Typ) -> tuple[bytes, ...]:
    """SHA-256 of each key that is said to have signed, in the signatures' order; nothing is verified.

    Raises:
        DecodeError: A signature is not of that type.
    """
    return tuple(cose.decode(signature, typ, max_bytes=1_024).kid for signature in endorsed.signatures)


def verified_signers(endorsed: Endorsed, keys: Iterable[bytes], typ: Typ = Typ.ENDORSEMENT) -> frozenset[bytes]:
    """The distinct public keys among `keys` that endorsed the document.

    Signatures by unknown keys are passed over; one by a known key that fails is not. Distinct
    *public keys* are counted, so neither one key under two names nor one signature sent twice
    counts twice (attack 31).

    Raises:
        DecodeError: A signature is not of that type.
        VerifyError: `SIGNATURE` or `BINDING` when a known key's signature is not of this document.
    """
    known = {sha256(key): key for key in keys}
    signers: set[bytes] = set()
    for signature in endorsed.signatures:
        opened = cose.decode(signature, typ, max_bytes=1_024)
        public = known.get(opened.kid)
        if public is None:
            continue
        cose.verify_opened(opened, public)
        if opened.payload != endorsed.hash:
            raise VerifyError(Code.BINDING, "an endorsement is of another document")
        signers.add(public)
    return frozenset(signers)


def verify_threshold(endorsed: Endorsed, keys: Iterable[bytes], threshold: int) -> None:
    """At least `threshold` distinct keys among `keys` endorsed the document.

    Raises:
        VerifyError: `THRESHOLD`, or as `verified_signers`.
    """
    signers = verified_signers(endorsed, keys)
    if threshold < 1 or len(signers) < threshold:
        raise VerifyError(Code.THRESHOLD, f"{len(signers)} of the {max(threshold, 1)} needed signatures hold")


def check_purpose(fields: cbor.Fields, purpose: str) -> None:
    """The first field of a document names what it is for.

    Raises:
        DecodeError: `BAD_TYPE`.
    """
    found = fields.text(64)
    if found != purpose:
        raise DecodeError(Code.BAD_TYPE, f"a document {purpose!r} is wanted, this is {found!r}")
