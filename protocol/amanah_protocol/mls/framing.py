"""Messages as they travel (RFC 9420 section 6): content, who vouches for it, and the two ways to send it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.mls.codec import Reader, decode, opaque, u8, u16, u32, u64
from amanah_protocol.mls.group_context import GroupContext, GroupInfo, Welcome
from amanah_protocol.mls.key_package import KeyPackage
from amanah_protocol.mls.leaf_node import MLS10
from amanah_protocol.mls.proposals import Commit, Proposal, encode_proposal, read_proposal
from amanah_protocol.mls.rules import InvalidError, Rule


class ContentType(IntEnum):
    """What is sent."""

    APPLICATION = 1
    PROPOSAL = 2
    COMMIT = 3


class SenderType(IntEnum):
    """In which capacity somebody sends."""

    MEMBER = 1
    EXTERNAL = 2
    NEW_MEMBER_PROPOSAL = 3
    NEW_MEMBER_COMMIT = 4


class WireFormat(IntEnum):
    """What an `MLSMessage` holds."""

    PUBLIC_MESSAGE = 1
    PRIVATE_MESSAGE = 2
    WELCOME = 3
    GROUP_INFO = 4
    KEY_PACKAGE = 5


CONTENT_TYPES: Final = {kind.value: kind for kind in ContentType}
_SENDER_TYPES: Final = {kind.value: kind for kind in SenderType}
_WIRE_FORMATS: Final = {kind.value: kind for kind in WireFormat}
_WITH_INDEX: Final = frozenset({SenderType.MEMBER, SenderType.EXTERNAL})


class Sender(NamedTuple):
    """Who sends: a member's leaf, the number of an external sender, or 0 for who has neither."""

    type: SenderType
    number: int = 0

    @classmethod
    def read(cls, reader: Reader) -> Sender:
        """Decode one."""
        kind = reader.choice(1, _SENDER_TYPES, "sender type")
        return cls(kind, reader.uint(4) if kind in _WITH_INDEX else 0)

    def encode(self) -> bytes:
        """Its bytes."""
        return u8(self.type) + (u32(self.number) if self.type in _WITH_INDEX else b"")


Body: TypeAlias = bytes | Proposal | Commit
"""Application data, a proposal or a commit."""


def content_type_of(body: Body) -> ContentType:
    """What a body is."""
    match body:
        case bytes():
            return ContentType.APPLICATION
        case Commit():
            return ContentType.COMMIT
        case _:
            return ContentType.PROPOSAL


def encode_body(body: Body) -> bytes:
    """A body's bytes, without its type."""
    match body:
        case bytes():
            return opaque(body)
        case Commit():
            return body.encode()
        case _:
            return encode_proposal(body)


def read_body(reader: Reader, kind: ContentType) -> Body:
    """Decode a body of a type."""
    match kind:
        case ContentType.APPLICATION:
            return reader.opaque()
        case ContentType.PROPOSAL:
            return read_proposal(reader)
        case _:
            return Commit.read(reader)


@dataclass(frozen=True, slots=True, kw_only=True)
class FramedContent:
    """`FramedContent` (section 6).

    Attributes:
        group_id: The group.
        epoch: Its epoch.
        sender: Who sends.
        authenticated_data: What is vouched for and not hidden.
        body: What is sent.
        encoded_body: Its bytes; a commit to hundreds is not encoded again for each hash that covers it.
    """

    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    body: Body
    encoded_body: bytes

    @classmethod
    def of(cls, place: GroupContext, sender: Sender, authenticated_data: bytes, body: Body) -> FramedContent:
        """Content for the epoch of a context."""
        return cls(
            group_id=place.group_id,
            epoch=place.epoch,
            sender=sender,
            authenticated_data=authenticated_data,
            body=body,
            encoded_body=encode_body(body),
        )

    @classmethod
    def read(cls, reader: Reader) -> FramedContent:
        """Decode one."""
        group_id, epoch, sender = reader.opaque(), reader.uint(8), Sender.read(reader)
        authenticated_data = reader.opaque()
        kind = reader.choice(1, CONTENT_TYPES, "content type")
        at = reader.at
        return cls(
            group_id=group_id,
            epoch=epoch,
            sender=sender,
            authenticated_data=authenticated_data,
            body=read_body(reader, kind),
            encoded_body=reader.since(at),
        )

    def encode(self) -> bytes:
        """Its bytes."""
        return b"".join(
            (
                opaque(self.group_id),
                u64(self.epoch),
                self.sender.encode(),
                opaque(self.authenticated_data),
                u8(content_type_of(self.body)),
                self.encoded_body,
            )
        )


class Auth(NamedTuple):
    """`FramedContentAuthData` (section 6.1): the sender's signature, and a commit's confirmation tag."""

    signature: bytes
    confirmation_tag: bytes | None = None

    @classmethod
    def read(cls, reader: Reader, kind: ContentType) -> Auth:
        """Decode that of a content of a type."""
        return cls(reader.opaque(), reader.opaque() if kind is ContentType.COMMIT else None)

    def encode(self) -> bytes:
        """Its bytes."""
        return opaque(self.signature) + (b"" if self.confirmation_tag is None else opaque(self.confirmation_tag))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticatedContent:
    """`AuthenticatedContent` (section 6): content with who vouches for it, however it travels.

    Attributes:
        wire_format: How it travels; the signature covers it.
        content: The content.
        auth: Who vouches for it.
    """

    wire_format: WireFormat
    content: FramedContent
    auth: Auth

    @classmethod
    def read(cls, reader: Reader) -> AuthenticatedContent:
        """Decode one."""
        wire_format = reader.choice(2, _WIRE_FORMATS, "wire format")
        content = FramedContent.read(reader)
        return cls(wire_format=wire_format, content=content, auth=Auth.read(reader, content_type_of(content.body)))

    def encode(self) -> bytes:
        """Its bytes, which a proposal's reference is made of."""
        return u16(self.wire_format) + self.content.encode() + self.auth.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicMessage:
    """`PublicMessage` (section 6.2): signed, and in a member's case tagged; readable by all.

    Attributes:
        content: The content.
        auth: Who vouches for it.
        membership_tag: Proves that a member sent it; None from others.
    """

    content: FramedContent
    auth: Auth
    membership_tag: bytes | None

    @classmethod
    def read(cls, reader: Reader) -> PublicMessage:
        """Decode one."""
        content = FramedContent.read(reader)
        auth = Auth.read(reader, content_type_of(content.body))
        tag = reader.opaque() if content.sender.type is SenderType.MEMBER else None
        return cls(content=content, auth=auth, membership_tag=tag)

    def encode(self) -> bytes:
        """Its bytes."""
        tag = b"" if self.membership_tag is None else opaque(self.membership_tag)
        return self.content.encode() + self.auth.encode() + tag


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateMessage:
    """`PrivateMessage` (section 6.3): sealed for the members of an epoch.

    Attributes:
        group_id: The group.
        epoch: Its epoch.
        content_type: What is inside.
        authenticated_data: What is vouched for and not hidden.
        encrypted_sender_data: Who sent it, sealed.
        ciphertext: The content, sealed.
    """

    group_id: bytes
    epoch: int
    content_type: ContentType
    authenticated_data: bytes
    encrypted_sender_data: bytes
    ciphertext: bytes

    @classmethod
    def read(cls, reader: Reader) -> PrivateMessage:
        """Decode one."""
        return cls(
            group_id=reader.opaque(),
            epoch=reader.uint(8),
            content_type=reader.choice(1, CONTENT_TYPES, "content type"),
            authenticated_data=reader.opaque(),
            encrypted_sender_data=reader.opaque(),
            ciphertext=reader.opaque(),
        )

    def encode(self) -> bytes:
        """Its bytes."""
        return b"".join(
            (
                self.place(),
                opaque(self.authenticated_data),
                opaque(self.encrypted_sender_data),
                opaque(self.ciphertext),
            )
        )

    def place(self) -> bytes:
        """`SenderDataAAD` (section 6.3.2): what the sender data is bound to."""
        return opaque(self.group_id) + u64(self.epoch) + u8(self.content_type)

    def content_aad(self) -> bytes:
        """`PrivateContentAAD` (section 6.3.1)."""
        return self.place() + opaque(self.authenticated_data)


Message: TypeAlias = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage

_READERS: Final[dict[WireFormat, Callable[[Reader], Message]]] = {
    WireFormat.PUBLIC_MESSAGE: PublicMessage.read,
    WireFormat.PRIVATE_MESSAGE: PrivateMessage.read,
    WireFormat.WELCOME: Welcome.read,
    WireFormat.GROUP_INFO: GroupInfo.read,
    WireFormat.KEY_PACKAGE: KeyPackage.read,
}
_FORMATS: Final[dict[type[Message], WireFormat]] = {
    PublicMessage: WireFormat.PUBLIC_MESSAGE,
    PrivateMessage: WireFormat.PRIVATE_MESSAGE,
    Welcome: WireFormat.WELCOME,
    GroupInfo: WireFormat.GROUP_INFO,
    KeyPackage: WireFormat.KEY_PACKAGE,
}


def read_message(reader: Reader) -> Message:
    """Decode an `MLSMessage`."""
    if reader.uint(2) != MLS10:
        raise InvalidError(Rule.VERSION)
    return _READERS[reader.choice(2, _WIRE_FORMATS, "wire format")](reader)


def decode_message(data: bytes, max_bytes: int) -> Message:
    """Decode a whole `MLSMessage` (section 6).

    Args:
        data: The bytes.
        max_bytes: Bound on them, checked before anything else.

    Raises:
        DecodeError: `TOO_LARGE` or `MALFORMED`.
        InvalidError: `VERSION`.
    """
    if len(data) > max_bytes:
        raise DecodeError(Code.TOO_LARGE, f"{len(data)} bytes where at most {max_bytes} are taken")
    return decode(data, read_message)


def encode_message(message: Message) -> bytes:
    """Encode as `MLSMessage`."""
    return u16(MLS10) + u16(_FORMATS[type(message)]) + message.encode()
