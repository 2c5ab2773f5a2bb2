"""A file that somebody hands over; its bytes are an attachment (`amanah_protocol.attachment`).

file = [ 1, name: tstr, type: tstr, size: uint, digest: hash, key: bstr .size 32, attachment: hash, sample: bool,
         text: tstr ]

The name is whatever its sender wrote; `safe_name` is what a receiver may use.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.attachment import sealed_bytes
from amanah_protocol.content.bounds import HASH_BYTES, check_ids, check_size
from amanah_protocol.content.text import MAX_CHARS
from amanah_protocol.errors import Code, UsageError

MAX_NAME_CHARS: Final = 255
MAX_TYPE_CHARS: Final = 127
MAX_SAFE_BYTES: Final = 200
"""File systems take 255; the rest is left for what a receiver puts behind it."""
FALLBACK: Final = "file"
OCTETS: Final = "application/octet-stream"

_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}")
"""RFC 6838 section 4.2, in lower case."""
_RESERVED: Final = frozenset('<>:"|?*')
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Control, format (all that changes the direction of text is there), surrogate, private, unassigned; line ends."""
_ENDS: Final = ". \u00a0\u3000"
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file.

    Attributes:
        name: As its sender wrote it, 1 to 255 characters.
        type: The media type that its sender declares; nobody is to believe it.
        size: Bytes, up to 2 GiB.
        digest: SHA-256 of the bytes.
        key: Key of the attachment, 32 bytes.
        attachment: SHA-256 of the sealed attachment; the envelope's header gives the same, which the receiver compares.
        sample: Whether its sender says that it may be harmful: it is saved in a container alone.
        text: What its sender says of it, up to 65,536 characters.

    Raises:
        UsageError: `TOO_LARGE` or `BAD_TYPE`.
    """

    name: str = field(repr=False)
    type: str = field(repr=False, default=OCTETS)
    size: int
    digest: bytes = field(repr=False)
    key: bytes = field(repr=False)
    attachment: bytes
    sample: bool = False
    text: str = field(repr=False, default="")

    def __post_init__(self) -> None:
        check_size(len(self.name), MAX_NAME_CHARS, "characters of a file's name", 1)
        check_size(len(self.text), MAX_CHARS, "characters of a text")
        check_size(self.size, limits.MAX_ATTACHMENT_BYTES, "bytes of a file")
        check_ids(self.digest, self.key, self.attachment)
        if not _TYPE.fullmatch(self.type):
            raise UsageError(Code.BAD_TYPE, "a media type is two names with a slash between")

    @property
    def sealed_size(self) -> int:
        """Bytes of the sealed attachment."""
        return sealed_bytes(self.size)

    @property
    def safe_name(self) -> str:
        """A name that a receiver may give it."""
        return safe_name(self.name)

    def encode(self) -> list[object]:
        """What follows the version."""
        return [self.name, self.type, self.size, self.digest, self.key, self.attachment, self.sample, self.text]

    @classmethod
    def decode(cls, f: cbor.Fields) -> File:
        """Read what follows the version."""
        return cls(
            name=f.text(MAX_NAME_CHARS),
            type=f.text(MAX_TYPE_CHARS),
            size=f.uint(limits.MAX_ATTACHMENT_BYTES),
            digest=f.fixed(HASH_BYTES),
            key=f.fixed(HASH_BYTES),
            attachment=f.fixed(HASH_BYTES),
            sample=f.boolean(),
            text=f.text(MAX_CHARS),
        )


def safe_name(name: str) -> str:
    """What of a stranger's name for a file can be used as one, on every system.

    No folder, nothing that hides or turns what stands beside it, nothing that is hidden, is an option of a command or
    the name of a device; at most 200 bytes of UTF-8, of which the ending stays. Never empty.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    seen = "".join("_" if character in _RESERVED else character for character in last if _is_visible(character))
    # Systems drop dots and spaces at the end; at the beginning they hide a file, and a dash makes it an option.
    bare = seen.rstrip(_ENDS).lstrip(_ENDS + "-")
    if _DEVICES.fullmatch(bare):
        bare = f"_{bare}"
    return _shortened(bare).rstrip(_ENDS) or FALLBACK


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in _INVISIBLE


def _shortened(name: str) -> str:
    """The beginning and the ending of a name that is too long."""
    data = name.encode()
    if len(data) <= MAX_SAFE_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    kept = f"{dot}{ending}".encode()
    if not stem or len(kept) > MAX_SAFE_BYTES // 4:
        stem, kept = name, b""
    return (stem.encode()[: MAX_SAFE_BYTES - len(kept)] + kept).decode(errors="ignore")
