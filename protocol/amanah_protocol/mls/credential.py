"""Credentials and extensions (RFC 9420 sections 5.3 and 13.4), as they stand in leaves, key packages and contexts."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from amanah_protocol.mls.codec import Reader, decode, opaque, read_u16, u16, vector
from amanah_protocol.mls.rules import InvalidError, Rule


class CredentialType(IntEnum):
    """The types that this engine reads more of than their bytes."""

    BASIC = 1
    X509 = 2
    AMANAH = 0xF0C1
    """A device certificate and its enrolment certificate, in the private range."""


class Credential(NamedTuple):
    """Who a client says it is; what proves it is the application's business (section 5.3.1).

    Attributes:
        type: Its registered number.
        value: Identity of a basic credential, certificates of an X.509 one, the bytes of any other.
    """

    type: int
    value: bytes

    @classmethod
    def read(cls, reader: Reader) -> Credential:
        """Decode one; a type that is not known counts as bytes with a length in front."""
        kind, value = reader.uint(2), reader.opaque()
        if kind == CredentialType.X509:
            decode(opaque(value), lambda inner: inner.vector(Reader.opaque))
        return cls(kind, value)

    def encode(self) -> bytes:
        """Its bytes."""
        return u16(self.type) + opaque(self.value)


class ExtensionType(IntEnum):
    """Extensions of RFC 9420 section 17.3, of the extensions draft, and our own."""

    APPLICATION_ID = 0x0001
    RATCHET_TREE = 0x0002
    REQUIRED_CAPABILITIES = 0x0003
    EXTERNAL_PUB = 0x0004
    EXTERNAL_SENDERS = 0x0005
    LAST_RESORT = 0x000A
    ROOM_POLICY = 0xF0A0
    ROOM_BINDING = 0xF0A1
    ROOM_TREE_KEY = 0xF0A2


class Extension(NamedTuple):
    """One extension: its type and its data, which another structure may be encoded in."""

    type: int
    data: bytes

    @classmethod
    def read(cls, reader: Reader) -> Extension:
        """Decode one."""
        return cls(reader.uint(2), reader.opaque())

    def encode(self) -> bytes:
        """Its bytes."""
        return u16(self.type) + opaque(self.data)


Extensions = tuple[Extension, ...]


def read_extensions(reader: Reader) -> Extensions:
    """Decode a list of extensions."""
    return reader.vector(Extension.read)


def encode_extensions(extensions: Iterable[Extension]) -> bytes:
    """Encode a list of extensions."""
    return vector(extension.encode() for extension in extensions)


def find_extension(extensions: Extensions, kind: int) -> bytes | None:
    """The data of the extension of a type, if there is one."""
    return next((extension.data for extension in extensions if extension.type == kind), None)


def check_extensions(extensions: Extensions) -> None:
    """A list names each type once (section 13.4).

    Raises:
        InvalidError: `EXTENSION_TWICE`.
    """
    if len({extension.type for extension in extensions}) != len(extensions):
        raise InvalidError(Rule.EXTENSION_TWICE)


class RequiredCapabilities(NamedTuple):
    """What every member has to support beyond the defaults (section 11.1)."""

    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    @classmethod
    def read(cls, reader: Reader) -> RequiredCapabilities:
        """Decode the extension's data."""
        return cls(reader.vector(read_u16), reader.vector(read_u16), reader.vector(read_u16))

    def encode(self) -> bytes:
        """The extension's data."""
        return b"".join(vector(u16(number) for number in numbers) for numbers in self)


class ExternalSender(NamedTuple):
    """Somebody outside who may propose (section 12.1.8.1)."""

    signature_key: bytes
    credential: Credential

    @classmethod
    def read(cls, reader: Reader) -> ExternalSender:
        """Decode one."""
        return cls(reader.opaque(), Credential.read(reader))

    def encode(self) -> bytes:
        """Its bytes."""
        return opaque(self.signature_key) + self.credential.encode()


def external_senders(extensions: Extensions) -> tuple[ExternalSender, ...]:
    """Who may propose from outside, by the group's context.

    Raises:
        DecodeError: `MALFORMED`.
    """
    data = find_extension(extensions, ExtensionType.EXTERNAL_SENDERS)
    return () if data is None else decode(data, lambda reader: reader.vector(ExternalSender.read))


def required_capabilities(extensions: Extensions) -> RequiredCapabilities:
    """What the group's context asks of every member.

    Raises:
        DecodeError: `MALFORMED`.
    """
    data = find_extension(extensions, ExtensionType.REQUIRED_CAPABILITIES)
    return RequiredCapabilities() if data is None else decode(data, RequiredCapabilities.read)
