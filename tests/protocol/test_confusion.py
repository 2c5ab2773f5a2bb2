"""Every signed type into every verifier, under one key for all of them (attack 33).

In the field the keys differ; here one key has signed everything, so that nothing but the domain
separation can tell the types apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

import pytest

from amanah_protocol import audit, cose, endorse, envelope, heads, identity, revocation, roster, session
from amanah_protocol.cose import Typ, encode_sign1
from amanah_protocol.crypto import SigningKey, sha256, verify_signature
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import PeerError
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from amanah_protocol.log.checkpoint import Checkpoint, encode_body, verify_checkpoint
from amanah_protocol.log.note import Note, NoteSignature
from amanah_protocol.log.note_keys import NoteSigner, SignatureType, verify_note
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.receipt import sign_receipt, verify_receipt
from amanah_protocol.roster import Organisation
from amanah_protocol.types import DeviceId, KeyId
from tests.vectors import examples as x

KEY: Final = x.key("one key for everything")
PUBLIC: Final = KEY.public
TN: Final = x.TN
ROOT: Final = Organisation(name=TN, threshold=1, roots=(PUBLIC,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A type that is signed.

    Attributes:
        signature: The 64 bytes that its example holds.
        carrying: The example with another signature in that place.
        verify: What its receiver does, with the public key that it trusts.
    """

    signature: bytes
    carrying: Callable[[bytes], bytes]
    verify: Callable[[bytes, bytes], object]

    @property
    def example(self) -> bytes:
        """The example with its own signature."""
        return self.carrying(self.signature)


def sign1(data: bytes, verify: Callable[[bytes, bytes], object]) -> Signed:
    """A type that is one COSE_Sign1."""
    parts = cose.decode_sign1(data, max_bytes=8_192)
    return Signed(
        signature=parts.signature,
        carrying=lambda signature: encode_sign1(parts.protected, parts.payload, signature),
        verify=verify,
    )


def document(data: bytes, verify: Callable[[bytes, bytes], object]) -> Signed:
    """A type that is a document with one endorsement."""
    one = sign1(endorse.endorse(data, KEY), verify)
    return Signed(
        signature=one.signature,
        carrying=lambda signature: Endorsed(document=data, signatures=(one.carrying(signature),)).encode(),
        verify=verify,
    )


def note(kind: SignatureType, verify: Callable[[bytes, bytes], object]) -> Signed:
    """A checkpoint signed by the log, or cosigned."""
    text = encode_body(Checkpoint(origin=x.ORIGIN, size=40, root=x.fixed("root")))
    line = NoteSigner(name=x.ORIGIN, key=KEY, kind=kind).sign(text, time_s=0 if kind is SignatureType.ED25519 else 7)
    stamp, own = line.signature[:-64], line.signature[-64:]

    def carrying(signature: bytes) -> bytes:
        other = NoteSignature(name=line.name, key_id=line.key_id, signature=stamp + signature)
        return Note(text=text, signatures=(other,)).encode()

    return Signed(signature=own, carrying=carrying, verify=verify)


def verifier(kind: SignatureType, public: bytes) -> str:
    name = x.ORIGIN
    key_id = sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4]
    return f"{name}+{key_id.hex()}+{x.base64(bytes([kind]) + public)}"


def opened(typ: Typ) -> Signed:
    """A type of the closed list that has no module of its own yet."""
    return sign1(
        cose.sign(typ, ["example"], KEY),
        lambda data, public: cose.verify_opened(cose.decode(data, typ, max_bytes=8_192), public),
    )
