"""What is sealed: content, its disclosure key, and padding to one of five lengths.

    plaintext = [ k: bstr .size 32, content: bstr .cbor content, padding ]
    content   = [ 1 / 2, type: uint, message id: bstr .size 16, written_at_ms: uint, label: uint, pap: uint,
                  [ log size: uint, log root: bstr .size 32, log signature: bstr .size 64 / h'', room_seq: uint,
                    room head: bstr .size 32 ], body ]
    padding   = bstr / [ h'', bstr ]                                    ; all zeros

The relay sees only which of the five lengths it is (attack 46). A byte string's head grows with its
length, so four remainders cannot be filled by one byte string; those, and no others, are filled by
the array.

Version 2 is a drill's, and says nothing else: whoever does not know drills refuses it, and takes none for real.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS
from amanah_protocol.content.bodies import MAX_TYPE, Body, decode_body, encode_body
from amanah_protocol.crypto import same
from amanah_protocol.envelope import Header, derive_commitment
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.labels import Label, Pap
from amanah_protocol.log.merkle import MAX_TREE_SIZE
from amanah_protocol.types import Milliseconds

REAL, DRILL = 1, 2
"""Versions of content."""
K_BYTES: Final = 32
MESSAGE_ID_BYTES: Final = 16
LOG_SIGNATURE_BYTES: Final = 64

_MAX_NUMBER: Final = 255
"""Labels and actions of later versions are small numbers too."""

_ARRAY_AND_K_BYTES: Final = 1 + 2 + K_BYTES
_HEAD_BYTES: Final = {1: 24, 2: 2**8, 3: 2**16, 5: 2**32}
"""Length of a CBOR head -> where the lengths end that it is used for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What the sender had last seen; members compare it with what they were shown (attacks 3, 36).

    The log's signature makes of a member's word the log's own: with another checkpoint of the log it is evidence
    against the log, and no member can invent it.

    Attributes:
        log_size: Size of the newest checkpoint; 0 for none yet.
        log_root: Its root, 32 bytes.
        log_signature: The log's Ed25519 signature over the body of that checkpoint, 64 bytes; none for size 0.
        room_seq: Newest sequence of the room.
        room_head: Leaf hash of that entry, 32 bytes.

    Raises:
        UsageError: `BAD_TYPE`.
    """

    log_size: int
    log_root: bytes
    log_signature: bytes
    room_seq: int
    room_head: bytes

    def __post_init__(self) -> None:
        if len(self.log_root) != 32 or len(self.room_head) != 32:
            raise UsageError(Code.BAD_TYPE, "a view holds two hashes of 32 bytes")
        if len(self.log_signature) != (LOG_SIGNATURE_BYTES if self.log_size else 0):
            raise UsageError(Code.BAD_TYPE, "a view holds the log's signature of 64 bytes, and none of an empty log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was written, by whom the envelope says.

    The numbers of label and action are kept raw, so that encoding it again gives the committed bytes.

    Attributes:
        message_id: 16 random bytes; the same in every envelope that carries this message.
        written_at_ms: When the sender wrote it, on its clock; up to the year 9999, so that it can be shown.
        label_number: The label; the one that counts. Above 4 it is a later version's.
        pap_number: What a receiver may do with it. Above 3 it is a later version's.
        view: What the sender had seen.
        body: What it says.
        drill: Whether it was said in an exercise.

    Raises:
        UsageError: `BAD_TYPE` for an id of another length or a time out of range, `LABEL` for a number above 255.
    """

    message_id: bytes
    written_at_ms: Milliseconds
    label_number: int
    pap_number: int
    view: View
    body: Body = field(repr=False)
    drill: bool = False

    def __post_init__(self) -> None:
        if len(self.message_id) != MESSAGE_ID_BYTES:
            raise UsageError(Code.BAD_TYPE, "a message id has 16 bytes")
        if not 0 <= self.written_at_ms <= MAX_OBSERVED_AT_MS:
            raise UsageError(Code.BAD_TYPE, "a time lies between the years 1970 and 9999")
        if not (0 <= self.label_number <= _MAX_NUMBER and 0 <= self.pap_number <= _MAX_NUMBER):
            raise UsageError(Code.LABEL, "no label and no action has this number")

    @property
    def label(self) -> Label:
        """The label; one that is not known counts as the strictest (attack 43)."""
        return Label.strictest(self.label_number)

    @property
    def pap(self) -> Pap:
        """The permissible action; one that is not known counts as the strictest."""
        return Pap(min(self.pap_number, Pap.RED))

    def differs_from(self, outer: Label) -> bool:
        """Whether the envelope's label is another than the one that counts: it is refused, and never corrected."""
        return self.label is not outer


def encode_content(content: Content) -> bytes:
    """The canonical bytes: what the commitment is over."""
    view = content.view
    number, body = encode_body(content.body)
    version = DRILL if content.drill else REAL
    return cbor.encode([
        version, number, content.message_id, content.written_at_ms, content.label_number, content.pap_number,
        [view.log_size, view.log_root, view.log_signature, view.room_seq, view.room_head], body,
    ])  # fmt: skip


def decode_content(data: bytes) -> Content:
    """Read content; a type that is not known gives a body `Unknown`.

    Raises:
        DecodeError: It does not parse, or is of another version.
    """
    f = cbor.Fields(cbor.decode(data, max_bytes=limits.MAX_PLAINTEXT_BYTES), 8, "content")
    version = f.uint()
    if version not in {REAL, DRILL}:
        raise DecodeError(Code.UNKNOWN_VERSION, "content of another version")
    number = f.uint(MAX_TYPE)
    return Content(
        message_id=f.fixed(MESSAGE_ID_BYTES),
        written_at_ms=f.uint(MAX_OBSERVED_AT_MS),
        label_number=f.uint(_MAX_NUMBER),
        pap_number=f.uint(_MAX_NUMBER),
        view=_decode_view(f.next()),
        body=decode_body(number, f.next()),
        drill=version == DRILL,
    )


def _decode_view(value: cbor.Value) -> View:
    f = cbor.Fields(value, 5, "view")
    size = f.uint(MAX_TREE_SIZE)
    return View(
        log_size=size,
        log_root=f.fixed(32),
        log_signature=f.fixed(LOG_SIGNATURE_BYTES if size else 0),
        room_seq=f.uint(),
        room_head=f.fixed(32),
    )


def pad(k: bytes, content: bytes) -> tuple[int, bytes]:
    """Pad to the smallest class that takes the content.

    Args:
        k: The disclosure key, 32 fresh random bytes.
        content: From `encode_content`.

    Returns:
        The class, 1 to 5, for the envelope's header, and the plaintext to seal.

    Raises:
        UsageError: `BAD_TYPE` for a key of another length, `TOO_LARGE` when no class takes the content.
    """
    if len(k) != K_BYTES:
        raise UsageError(Code.BAD_TYPE, "a disclosure key has 32 bytes")
    for size_class, length in enumerate(limits.SIZE_CLASSES, start=1):
        plaintext = _padded(k, content, length)
        if plaintext is not None:
            return size_class, plaintext
    raise UsageError(Code.TOO_LARGE, f"{len(content)} bytes of content do not fit one message; send an attachment")


def open_plaintext(plaintext: bytes, size_class: int) -> tuple[bytes, bytes, Content]:
    """Take an opened plaintext apart.

    Args:
        plaintext: What the group engine opened.
        size_class: The class of the envelope's header, 1 to 5.

    Returns:
        k, the canonical content bytes, and what they say.

    Raises:
        DecodeError: It does not parse, or is padded in another way than `pad` does.
        VerifyError: `BINDING` when its length is not that of the class.
    """
    if not 1 <= size_class <= len(limits.SIZE_CLASSES) or len(plaintext) != limits.SIZE_CLASSES[size_class - 1]:
        raise VerifyError(Code.BINDING, "the plaintext is not of the size that its header names")
    f = cbor.Fields(cbor.decode(plaintext, max_bytes=limits.MAX_PLAINTEXT_BYTES), 3, "plaintext")
    k, content = f.fixed(K_BYTES), f.blob(limits.MAX_PLAINTEXT_BYTES)
    # Free padding would be a place to hide what no reader is shown and no disclosure holds.
    if _padded(k, content, len(plaintext)) != plaintext:
        raise DecodeError(Code.NOT_CANONICAL, "the padding is not the one of this length")
    return k, content, decode_content(content)


def check_commitment(header: Header, k: bytes, content: bytes) -> None:
    """The content is what its sender committed to in the signed header. Before anything is shown.

    Raises:
        VerifyError: `COMMITMENT`, also for a key that is not 32 bytes: to HMAC a shorter one and the same
            filled up with zeros are one key.
    """
    if len(k) != K_BYTES:
        raise VerifyError(Code.COMMITMENT, "a disclosure key has 32 bytes")
    if not same(derive_commitment(k, header.room, header.kid, header.counter, content), header.commitment):
        raise VerifyError(Code.COMMITMENT, "the content is not the one that its sender committed to")


def check_drill(content: Content, *, drill: bool) -> None:
    """A message of an exercise stands in a room for exercises, and no other does. Before anything is shown.

    Raises:
        VerifyError: `DRILL`.
    """
    if content.drill != drill:
        kind = "a drill" if content.drill else "real"
        raise VerifyError(Code.DRILL, f"the message says that it is {kind}, and its room says the opposite")


def _padded(k: bytes, content: bytes, length: int) -> bytes | None:
    """The plaintext of exactly this length; None when the content is too long for it."""
    padding = _padding(length - _ARRAY_AND_K_BYTES - _head_bytes(len(content)) - len(content))
    return None if padding is None else cbor.encode([k, content, padding])


def _padding(room: int) -> object:
    """What encodes to exactly `room` bytes; None below 1."""
    whole = _zeros(room)
    return whole if whole is not None or room < 1 else [b"", _zeros(room - 2)]


def _zeros(room: int) -> bytes | None:
    """The byte string that encodes to exactly `room` bytes, if there is one."""
    sizes = (room - head for head in _HEAD_BYTES if room >= head)
    return next((bytes(size) for size in sizes if size + _head_bytes(size) == room), None)


def _head_bytes(length: int) -> int:
    """Bytes of the CBOR head of a byte string (RFC 8949 section 3)."""
    return next(head for head, end in _HEAD_BYTES.items() if length < end)
