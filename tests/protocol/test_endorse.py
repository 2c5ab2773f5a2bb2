"""Documents that several keys sign, and the ways in which a threshold could be forged (attack 31)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from amanah_protocol import cbor, cose, endorse, limits
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.endorse import Endorsed, decode_endorsed, verified_signers, verify_threshold
from amanah_protocol.errors import AmanahError, Code, DecodeError, VerifyError
from tests.protocol.refusal import refused
from tests.vectors import examples as x

DOCUMENT: Final = cbor.encode(["amanah/example/1", "what is decided"])
OTHER: Final = cbor.encode(["amanah/example/1", "something else"])
A, B, C = (x.key(f"custodian {letter}") for letter in "abc")
STRANGER: Final = x.key("stranger")
KEYS: Final = (A.public, B.public, C.public)


def endorsed(*signatures: bytes) -> Endorsed:
    return Endorsed(document=DOCUMENT, signatures=signatures)


def by(key: SigningKey, document: bytes = DOCUMENT) -> bytes:
    return endorse.endorse(document, key)


def test_a_document_is_read_back_with_its_signatures() -> None:
    made = endorsed(by(A), by(B))
    assert decode_endorsed(made.encode()) == made
    assert made.hash == sha256(DOCUMENT)
    assert made.record == cbor.encode([sha256(DOCUMENT), sha256(cbor.encode([by(A), by(B)]))])


def test_one_more_signature_is_appended_and_the_same_one_counts_once() -> None:
    made = endorsed(by(A)).with_signature(by(B)).with_signature(by(A))
    assert made.signatures == (by(B), by(A))


def test_the_distinct_keys_that_signed_are_found() -> None:
    assert verified_signers(endorsed(by(A), by(C)), KEYS) == {A.public, C.public}
    assert verified_signers(endorsed(), KEYS) == frozenset()


def test_a_threshold_of_distinct_keys_is_enough() -> None:
    verify_threshold(endorsed(by(A), by(C)), KEYS, 2)
    verify_threshold(endorsed(by(C), by(STRANGER), by(A)), KEYS, 2)
    verify_threshold(endorsed(by(A)), KEYS, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """A document that lacks one of two signatures, and how it pretends not to."""

    signatures: tuple[bytes, ...]
    code: Code
    keys: tuple[bytes, ...] = KEYS
    threshold: int = 2


def relabelled(signature: bytes, kid: bytes) -> bytes:
    """The same signature under the name of another key."""
    parts = cose.decode_sign1(signature, max_bytes=1_024)
    protected = cbor.encode({1: cose.ALG_ED25519, 4: kid, 16: str(Typ.ENDORSEMENT)})
    return cose.encode_sign1(protected, parts.payload, parts.signature)


def as_typ(typ: Typ, key: SigningKey) -> bytes:
    """A signature over the right hash that was made for something else."""
    return cose.sign(typ, sha256(DOCUMENT), key)


def second_form(signature: bytes) -> bytes:
    """S + L in place of S: other bytes, the same signature where it is not reduced first."""
    parts = cose.decode_sign1(signature, max_bytes=1_024)
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(parts.signature[32:], "little") + order
    return cose.encode_sign1(parts.protected, parts.payload, parts.signature[:32] + s.to_bytes(32, "little"))


def with_unprotected(signature: bytes) -> bytes:
    """The same signature with an unsigned field that makes its bytes differ."""
    parts = cose.decode_sign1(signature, max_bytes=1_024)
    return b"\xd2" + cbor.encode([parts.protected, {0: 1}, parts.payload, parts.signature])


FORGERIES: Final[dict[str, Forgery]] = {
    "nobody signs": Forgery(signatures=(), code=Code.THRESHOLD),
    "one of two": Forgery(signatures=(by(A),), code=Code.THRESHOLD),
    "one key signs twice": Forgery(signatures=(by(A), by(A)), code=Code.THRESHOLD),
    "one key signs 256 times": Forgery(signatures=(by(A),) * 256, code=Code.THRESHOLD),
    "one key under two entries of the list": Forgery(
        signatures=(by(A), by(A)), keys=(A.public, A.public, B.public), code=Code.THRESHOLD
    ),
    "one key under its own and another's id": Forgery(
        signatures=(by(A), relabelled(by(A), B.key_id)), code=Code.SIGNATURE
    ),
    "another's signature under a known id": Forgery(
        signatures=(by(A), relabelled(by(STRANGER), B.key_id)), code=Code.SIGNATURE
    ),
    "an id that nobody has": Forgery(signatures=(by(A), relabelled(by(B), bytes(32))), code=Code.THRESHOLD),
    "a raw key in place of its id": Forgery(signatures=(by(A), relabelled(by(B), B.public)), code=Code.THRESHOLD),
    "a stranger fills up": Forgery(signatures=(by(A), by(STRANGER)), code=Code.THRESHOLD),
    "two strangers": Forgery(signatures=(by(STRANGER), by(x.key("stranger 2"))), code=Code.THRESHOLD),
    "a signature of another document": Forgery(signatures=(by(A), by(B, OTHER)), code=Code.BINDING),
    "a signature moved to this document": Forgery(
        signatures=(by(A), x.signed_bytes(Typ.ENDORSEMENT, cbor.encode(sha256(DOCUMENT)), STRANGER)),
        code=Code.THRESHOLD,
    ),
    "the document itself in place of its hash": Forgery(
        signatures=(by(A), cose.sign(Typ.ENDORSEMENT, DOCUMENT, B)), code=Code.BINDING
    ),
    "the hash as text": Forgery(
        signatures=(by(A), cose.sign(Typ.ENDORSEMENT, sha256(DOCUMENT).hex(), B)), code=Code.BINDING
    ),
    "an empty signature": Forgery(
        signatures=(by(A), cose.encode_sign1(cose.decode_sign1(by(B), max_bytes=1_024).protected, b"\xf6", bytes(64))),
        code=Code.SIGNATURE,
    ),
    "a signature made for a certificate": Forgery(signatures=(by(A), as_typ(Typ.CERTIFICATE, B)), code=Code.BAD_HEADER),
    "a signature made for a revocation": Forgery(signatures=(by(A), as_typ(Typ.REVOCATION, B)), code=Code.BAD_HEADER),
    "a second form of one signature": Forgery(signatures=(by(A), second_form(by(A))), code=Code.SIGNATURE),
    "one signature with an unsigned field": Forgery(signatures=(by(A), with_unprotected(by(A))), code=Code.BAD_TYPE),
    "something that is no signature": Forgery(signatures=(by(A), b""), code=Code.MALFORMED),
    "threshold 0": Forgery(signatures=(), threshold=0, code=Code.THRESHOLD),
    "threshold -1": Forgery(signatures=(by(A),), threshold=-1, code=Code.THRESHOLD),
    "threshold above the number of keys": Forgery(signatures=(by(A), by(B), by(C)), threshold=4, code=Code.THRESHOLD),
    "no keys at all": Forgery(signatures=(by(A), by(B)), keys=(), code=Code.THRESHOLD),
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_threshold_is_refused(forgery: Forgery) -> None:
    verify_threshold(endorsed(by(A), by(B)), KEYS, 2)
    with refused(forgery.code):
        verify_threshold(endorsed(*forgery.signatures), forgery.keys, forgery.threshold)


def test_there_are_twenty_ways_to_forge_a_threshold() -> None:
    assert len(FORGERIES) >= 20


def test_counting_signatures_in_place_of_keys_would_let_forgeries_pass() -> None:
    def naive(forgery: Forgery) -> bool:
        """The check that attack 31 is about: it counts what verifies, not who."""
        known = {sha256(key): key for key in forgery.keys}
        count = 0
        for signature in forgery.signatures:
            try:
                opened = cose.decode(signature, Typ.ENDORSEMENT, max_bytes=1_024)
                cose.verify_opened(opened, known.get(opened.kid, b""))
            except AmanahError:
                continue
            count += 1
        return count >= forgery.threshold

    passed = [name for name, forgery in FORGERIES.items() if naive(forgery)]
    assert {"one key signs twice", "one key signs 256 times", "a signature of another document", "threshold 0"} <= set(
        passed
    )


WRONG_SHAPES: Final[dict[str, tuple[object, Code]]] = {
    "no array": ({}, Code.BAD_TYPE),
    "document alone": ([DOCUMENT], Code.BAD_TYPE),
    "three fields": ([DOCUMENT, [], 0], Code.BAD_TYPE),
    "document as text": (["document", []], Code.BAD_TYPE),
    "signatures as a map": ([DOCUMENT, {}], Code.BAD_TYPE),
    "a signature as text": ([DOCUMENT, ["signature"]], Code.BAD_TYPE),
    "a signature of 1,025 bytes": ([DOCUMENT, [bytes(1_025)]], Code.BAD_TYPE),
    "257 signatures": ([DOCUMENT, [b""] * 257], Code.BAD_TYPE),
    "a document above 1 MiB": ([bytes(limits.MAX_ROSTER_BYTES + 1), []], Code.BAD_TYPE),
}


@pytest.mark.parametrize(("value", "code"), WRONG_SHAPES.values(), ids=WRONG_SHAPES)
def test_another_shape_is_refused(value: object, code: Code) -> None:
    with refused(code, DecodeError):
        decode_endorsed(cbor.encode(value))


def test_the_bounds_are_exact() -> None:
    most = Endorsed(document=bytes(limits.MAX_ROSTER_BYTES), signatures=(bytes(1_024),) * 256)
    assert decode_endorsed(most.encode()) == most
    data = endorsed(by(A)).encode()
    assert decode_endorsed(data, max_bytes=len(data)) == endorsed(by(A))
    with refused(Code.TOO_LARGE, DecodeError):
        decode_endorsed(data, max_bytes=len(data) - 1)
    with refused(Code.TOO_LARGE, DecodeError):
        decode_endorsed(bytes(2 * limits.MAX_ROSTER_BYTES + 1))


def test_a_document_of_another_purpose_is_refused() -> None:
    def fields() -> cbor.Fields:
        return cbor.Fields(cbor.decode(DOCUMENT, max_bytes=1_024), 2, "example")

    endorse.check_purpose(fields(), "amanah/example/1")
    with refused(Code.BAD_TYPE, DecodeError):
        endorse.check_purpose(fields(), "amanah/example/2")


@pytest.mark.parametrize("order", [tuple, lambda signatures: tuple(reversed(signatures))])
def test_the_order_of_signatures_does_not_matter(order: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]) -> None:
    assert verified_signers(endorsed(*order((by(A), by(B)))), KEYS) == {A.public, B.public}


def test_one_bad_signature_of_a_known_key_spoils_the_document() -> None:
    bad = relabelled(by(STRANGER), C.key_id)
    with refused(Code.SIGNATURE, VerifyError):
        verify_threshold(endorsed(by(A), by(B), bad), KEYS, 2)
