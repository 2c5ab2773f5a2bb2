"""Signed notes: the text form (C2SP signed-note).

A note is text and signature lines. Its text means nothing until `note_keys.verify_note` found the
signature of a known key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.log.fields import decode_base64, encode_base64

MAX_NOTE_BYTES: Final = 256 * 1024
MAX_NOTE_SIGNATURES: Final = 64
"""At least 16 must be accepted (C2SP signed-note, section Format)."""

KEY_ID_BYTES: Final = 4

_DASH: Final = "\N{EM DASH} "
# Non-empty, without Unicode spaces, plus, control characters; a lone surrogate has no UTF-8.
_NAME: Final = re.compile(r"[^\s+\x00-\x1f\ud800-\udfff]+")
_NOT_IN_TEXT: Final = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line, not verified.

    Attributes:
        name: The key's name; no spaces, no plus.
        key_id: 4 bytes, a hint and no proof: anybody can make a key with a given id.
        signature: What follows the key id; its form depends on the key's type.

    Raises:
        UsageError: `MALFORMED`.
    """

    name: str
    key_id: bytes
    signature: bytes

    def __post_init__(self) -> None:
        check_name(self.name)
        if len(self.key_id) != KEY_ID_BYTES or not self.signature:
            raise UsageError(Code.MALFORMED, "a note signature is a key id of 4 bytes and at least one byte more")

    def encode(self) -> str:
        """The signature line with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A signed note, not verified.

    Attributes:
        text: What is signed, with its final newline; no control characters but newlines.
        signatures: 1 to 64 of them.

    Raises:
        UsageError: `MALFORMED` or `TOO_LARGE`.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    def __post_init__(self) -> None:
        check_text(self.text)
        if not self.signatures:
            raise UsageError(Code.MALFORMED, "a note has at least one signature")
        if len(self.signatures) > MAX_NOTE_SIGNATURES:
            raise UsageError(Code.TOO_LARGE, f"a note has at most {MAX_NOTE_SIGNATURES} signatures")

    def encode(self) -> bytes:
        """The note as UTF-8: text, empty line, signature lines.

        Raises:
            UsageError: `TOO_LARGE` above 256 KiB, which nobody would decode.
        """
        data = (self.text + "\n" + "".join(line.encode() for line in self.signatures)).encode()
        if len(data) > MAX_NOTE_BYTES:
            raise UsageError(Code.TOO_LARGE, f"a note has at most {MAX_NOTE_BYTES} bytes")
        return data


def decode_note(data: bytes) -> Note:
    """Decode a signed note; nothing is verified yet.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED` or `NOT_CANONICAL` (base64).
    """
    if len(data) > MAX_NOTE_BYTES:
        raise DecodeError(Code.TOO_LARGE, f"{len(data)} bytes where at most {MAX_NOTE_BYTES} are allowed")
    try:
        content = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DecodeError(Code.MALFORMED, "a note is UTF-8") from error
    # The last empty line: the text may hold others, and even lines that look like signatures.
    body, separator, lines = content.rpartition("\n\n")
    if not separator:
        raise DecodeError(Code.MALFORMED, "a note is text, an empty line and signature lines")
    signatures = decode_signatures(lines)
    try:
        return Note(text=body + "\n", signatures=signatures)
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error


def decode_signatures(lines: str) -> tuple[NoteSignature, ...]:
    """Decode 1 to 64 signature lines, each with its newline; nothing is verified yet.

    Raises:
        DecodeError: `TOO_LARGE`, `MALFORMED` or `NOT_CANONICAL` (base64).
    """
    if not lines.endswith("\n"):
        raise DecodeError(Code.MALFORMED, "each signature line ends in a newline, and there is at least one")
    if lines.count("\n") > MAX_NOTE_SIGNATURES:
        raise DecodeError(Code.TOO_LARGE, f"a note has at most {MAX_NOTE_SIGNATURES} signatures")
    return tuple(_decode_line(line) for line in lines[:-1].split("\n"))


def _decode_line(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH):
        raise DecodeError(Code.MALFORMED, "a signature line starts with an em dash and a space")
    data = decode_base64(encoded, "a note signature")
    try:
        return NoteSignature(name=name, key_id=data[:KEY_ID_BYTES], signature=data[KEY_ID_BYTES:])
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a key.

    Raises:
        UsageError: `MALFORMED`.
    """
    if _NAME.fullmatch(name) is None:
        raise UsageError(Code.MALFORMED, "a key name is not empty and has no spaces, plus or control characters")


def check_text(text: str) -> None:
    """Refuse what cannot be the text of a note.

    Raises:
        UsageError: `MALFORMED`.
    """
    if not text.endswith("\n") or _NOT_IN_TEXT.search(text):
        raise UsageError(Code.MALFORMED, "a note's text ends in a newline and has no other control characters")
