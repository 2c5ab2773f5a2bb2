"""Signing, tagging, sealing and opening messages (RFC 9420 sections 6.1 to 6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from amanah_protocol.crypto import SigningKey, same
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.mls.codec import Reader, u16
from amanah_protocol.mls.framing import (
    Auth,
    AuthenticatedContent,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    content_type_of,
    read_body,
)
from amanah_protocol.mls.kem import Random
from amanah_protocol.mls.labelled import mac, sign_with_label, verify_with_label
from amanah_protocol.mls.leaf_node import MLS10
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.secret_tree import RatchetKind, SecretTree, SenderData, Step, sender_data_key
from amanah_protocol.mls.suites import Suite

_LABEL: Final = b"FramedContentTBS"
_IN_GROUP: Final = frozenset({SenderType.MEMBER, SenderType.NEW_MEMBER_COMMIT})

Handshake: TypeAlias = PublicMessage | PrivateMessage


def _to_be_signed(wire_format: WireFormat, content: FramedContent, context: bytes) -> bytes:
    """`FramedContentTBS` (section 6.1); a member's is bound to the epoch's context."""
    bound = context if content.sender.type in _IN_GROUP else b""
    return u16(MLS10) + u16(wire_format) + content.encode() + bound


def sign_content(wire_format: WireFormat, content: FramedContent, context: bytes, key: SigningKey) -> bytes:
    """The sender's signature, 64 bytes.

    Args:
        wire_format: How it will travel.
        content: The content.
        context: The epoch's encoded `GroupContext`.
        key: The sender's signature key.
    """
    return sign_with_label(key, _LABEL, _to_be_signed(wire_format, content, context))


def verify_content(message: AuthenticatedContent, context: bytes, public: bytes) -> None:
    """Hold a content against its sender's key.

    Raises:
        InvalidError: `CONTENT_SIGNATURE`.
    """
    signed = _to_be_signed(message.wire_format, message.content, context)
    verify_with_label(public, _LABEL, signed, message.auth.signature, Rule.CONTENT_SIGNATURE)


def _membership_tag(message: AuthenticatedContent, context: bytes, membership_key: bytes) -> bytes:
    signed = _to_be_signed(WireFormat.PUBLIC_MESSAGE, message.content, context)
    return mac(membership_key, signed + message.auth.encode())


def protect_public(message: AuthenticatedContent, context: bytes, membership_key: bytes) -> PublicMessage:
    """Send a signed content so that everybody may read it (section 6.2).

    Raises:
        UsageError: `USAGE` for application data, which is only ever sealed.
    """
    if content_type_of(message.content.body) is ContentType.APPLICATION:
        raise UsageError(Code.USAGE, "application data travels in a PrivateMessage only")
    member = message.content.sender.type is SenderType.MEMBER
    tag = _membership_tag(message, context, membership_key) if member else None
    return PublicMessage(content=message.content, auth=message.auth, membership_tag=tag)


def unprotect_public(message: PublicMessage, context: bytes, membership_key: bytes) -> AuthenticatedContent:
    """Check a member's tag; the signature is still to be verified.

    Raises:
        InvalidError: `APPLICATION_IN_PUBLIC` or `MEMBERSHIP_TAG`.
    """
    if content_type_of(message.content.body) is ContentType.APPLICATION:
        raise InvalidError(Rule.APPLICATION_IN_PUBLIC)
    found = AuthenticatedContent(wire_format=WireFormat.PUBLIC_MESSAGE, content=message.content, auth=message.auth)
    if message.content.sender.type is SenderType.MEMBER:
        tag = message.membership_tag
        if tag is None or not same(tag, _membership_tag(found, context, membership_key)):
            raise InvalidError(Rule.MEMBERSHIP_TAG)
    return found


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sealer:
    """What an epoch's messages are sealed and opened with.

    Attributes:
        suite: The group's suite.
        sender_data_secret: Of the epoch.
        tree: Keys of the epoch that were not used yet.
        padding: Plaintexts are padded with zeros to a multiple of so many bytes; 0 pads nothing.
    """

    suite: Suite
    sender_data_secret: bytes
    tree: SecretTree
    padding: int = 0

    def seal(self, message: AuthenticatedContent, random: Random) -> PrivateMessage:
        """Seal a signed content of the own leaf (section 6.3); its key is used up at once.

        Raises:
            InvalidError: `GENERATION_AHEAD` when the epoch's keys are used up.
        """
        content = message.content
        kind = content_type_of(content.body)
        step = self.tree.next(content.sender.number, ratchet_of(kind))
        self.tree.apply(step)
        data = SenderData(content.sender.number, step.generation, random(4))
        plaintext = content.encoded_body + message.auth.encode()
        if self.padding:
            plaintext += bytes(-len(plaintext) % self.padding)
        frame = PrivateMessage(
            group_id=content.group_id,
            epoch=content.epoch,
            content_type=kind,
            authenticated_data=content.authenticated_data,
            encrypted_sender_data=b"",
            ciphertext=b"",
        )
        aead = self.suite.aead
        nonce = data.guard(step.key.nonce)
        ciphertext = aead.seal(step.key.key, nonce, plaintext, frame.content_aad())
        key = sender_data_key(self.suite, self.sender_data_secret, ciphertext)
        return PrivateMessage(
            group_id=content.group_id,
            epoch=content.epoch,
            content_type=kind,
            authenticated_data=content.authenticated_data,
            encrypted_sender_data=aead.seal(key.key, key.nonce, data.encode(), frame.place()),
            ciphertext=ciphertext,
        )

    def open_sender(self, message: PrivateMessage) -> SenderData:
        """Who sent it, before anything is derived for it.

        Raises:
            DecodeError: `MALFORMED`.
            InvalidError: `SENDER_DATA`.
        """
        key = sender_data_key(self.suite, self.sender_data_secret, message.ciphertext)
        try:
            data = self.suite.aead.open(key.key, key.nonce, message.encrypted_sender_data, message.place())
        except VerifyError as error:
            raise InvalidError(Rule.SENDER_DATA) from error
        reader = Reader(data)
        found = SenderData.read(reader)
        reader.finish()
        return found

    def open(self, message: PrivateMessage, sender: SenderData) -> tuple[AuthenticatedContent, Step]:
        """Open the content; the signature is still to be verified, and then the step applied.

        Raises:
            DecodeError: `MALFORMED`.
            InvalidError: `GENERATION_USED`, `GENERATION_AHEAD`, `CONTENT_AEAD` or `PADDING`.
        """
        step = self.tree.find(sender.leaf, ratchet_of(message.content_type), sender.generation)
        nonce = sender.guard(step.key.nonce)
        try:
            plaintext = self.suite.aead.open(step.key.key, nonce, message.ciphertext, message.content_aad())
        except VerifyError as error:
            raise InvalidError(Rule.CONTENT_AEAD) from error
        reader = Reader(plaintext)
        body, encoded_body = read_body(reader, message.content_type), reader.since(0)
        auth = Auth.read(reader, message.content_type)
        if any(plaintext[reader.at :]):
            raise InvalidError(Rule.PADDING)
        content = FramedContent(
            group_id=message.group_id,
            epoch=message.epoch,
            sender=Sender(SenderType.MEMBER, sender.leaf),
            authenticated_data=message.authenticated_data,
            body=body,
            encoded_body=encoded_body,
        )
        return AuthenticatedContent(wire_format=WireFormat.PRIVATE_MESSAGE, content=content, auth=auth), step


def ratchet_of(kind: ContentType) -> RatchetKind:
    """Which ratchet a content type takes its keys from (section 9.1)."""
    return RatchetKind.APPLICATION if kind is ContentType.APPLICATION else RatchetKind.HANDSHAKE
