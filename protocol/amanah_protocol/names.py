"""Names of organisations: DNS names, one spelling each.

A certificate is valid under its organisation's name alone, so a name that another one could be
mistaken for (upper case, other scripts, a trailing dot) is refused wherever it is read.
"""

from __future__ import annotations

from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.types import OrgName

_MAX_LABEL_CHARS: Final = 63
_LABEL_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


def decode_organisation(fields: cbor.Fields) -> OrgName:
    """Read the next field as the DNS name of an organisation.

    Raises:
        DecodeError: `BAD_TYPE`.
    """
    return check_organisation(fields.text(limits.MAX_NAME_CHARS))


def check_organisation(name: str) -> OrgName:
    """Take a text that must be a DNS name already.

    Raises:
        DecodeError: `BAD_TYPE`.
    """
    if not is_organisation(name):
        raise DecodeError(Code.BAD_TYPE, "an organisation is named by a DNS name in lower case")
    return OrgName(name)


def is_organisation(name: str) -> bool:
    """Whether it is a DNS name (RFC 1123 section 2.1) of at least two labels, in lower case."""
    labels = name.split(".")
    return len(name) <= limits.MAX_NAME_CHARS and len(labels) > 1 and all(map(_is_label, labels))


def _is_label(label: str) -> bool:
    return (
        0 < len(label) <= _MAX_LABEL_CHARS
        and _LABEL_CHARS.issuperset(label)
        and not label.startswith("-")
        and not label.endswith("-")
    )
