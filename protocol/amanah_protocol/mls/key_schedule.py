"""The key schedule (RFC 9420 section 8): from one epoch's init secret and a commit's secrets to the next epoch."""

from __future__ import annotations

from dataclasses import dataclass

from amanah_protocol.crypto import hkdf_extract, same, sha256
from amanah_protocol.mls.kem import KeyPair
from amanah_protocol.mls.labelled import derive_secret, expand_with_label, mac
from amanah_protocol.mls.suites import HASH_BYTES, Suite

NO_SECRET = bytes(HASH_BYTES)
"""What stands for a commit secret or a PSK secret where there is none."""


def derive_joiner_secret(init_secret: bytes, commit_secret: bytes, context: bytes) -> bytes:
    """What newcomers are given; from it and the PSKs everything of the epoch follows."""
    return expand_with_label(hkdf_extract(init_secret, commit_secret), b"joiner", context, HASH_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WelcomeKeys:
    """What the group info of a welcome is sealed with (section 12.4.3.1)."""

    key: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EpochSecrets:
    """The secrets of one epoch, 32 bytes each (section 8, table 4).

    `encryption_secret` is the root of the secret tree and is not kept beside it.
    """

    sender_data_secret: bytes
    encryption_secret: bytes
    exporter_secret: bytes
    external_secret: bytes
    confirmation_key: bytes
    membership_key: bytes
    resumption_psk: bytes
    epoch_authenticator: bytes
    init_secret: bytes

    def confirmation_tag(self, confirmed_transcript_hash: bytes) -> bytes:
        """Proves that its maker has this epoch's secrets (section 6.1)."""
        return mac(self.confirmation_key, confirmed_transcript_hash)

    def confirms(self, confirmed_transcript_hash: bytes, tag: bytes) -> bool:
        """Whether a tag is this epoch's; compared whole and in constant time."""
        return same(self.confirmation_tag(confirmed_transcript_hash), tag)

    def export(self, label: bytes, context: bytes, length: int) -> bytes:
        """`MLS-Exporter` (section 8.5)."""
        secret = derive_secret(self.exporter_secret, label)
        return expand_with_label(secret, b"exported", sha256(context), length)

    def external_key_pair(self, suite: Suite) -> KeyPair:
        """Whom an external commit seals its init secret to (section 8.3)."""
        return suite.kem.derive_key_pair(self.external_secret)


def derive_welcome_keys(suite: Suite, joiner_secret: bytes, psk_secret: bytes) -> WelcomeKeys:
    """Key and nonce of the group info."""
    secret = derive_secret(hkdf_extract(joiner_secret, psk_secret), b"welcome")
    return WelcomeKeys(
        key=expand_with_label(secret, b"key", b"", suite.aead.key_bytes),
        nonce=expand_with_label(secret, b"nonce", b"", suite.aead.nonce_bytes),
    )


def derive_epoch(joiner_secret: bytes, psk_secret: bytes, context: bytes) -> EpochSecrets:
    """All secrets of an epoch.

    Args:
        joiner_secret: Of the epoch.
        psk_secret: Out of its pre-shared keys, or zeros.
        context: Its encoded `GroupContext`.
    """
    member = hkdf_extract(joiner_secret, psk_secret)
    return secrets_of(expand_with_label(member, b"epoch", context, HASH_BYTES))


def secrets_of(epoch_secret: bytes) -> EpochSecrets:
    """The secrets under an epoch secret."""
    return EpochSecrets(
        sender_data_secret=derive_secret(epoch_secret, b"sender data"),
        encryption_secret=derive_secret(epoch_secret, b"encryption"),
        exporter_secret=derive_secret(epoch_secret, b"exporter"),
        external_secret=derive_secret(epoch_secret, b"external"),
        confirmation_key=derive_secret(epoch_secret, b"confirm"),
        membership_key=derive_secret(epoch_secret, b"membership"),
        resumption_psk=derive_secret(epoch_secret, b"resumption"),
        epoch_authenticator=derive_secret(epoch_secret, b"authentication"),
        init_secret=derive_secret(epoch_secret, b"init"),
    )
