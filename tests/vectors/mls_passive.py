"""Checks of transcripts: a client that joins a group and follows it, and never sends (the passive-client format)."""

from __future__ import annotations

from amanah_protocol.crypto import SigningKey
from amanah_protocol.mls.framing import PrivateMessage, PublicMessage, decode_message
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.group_context import Welcome
from amanah_protocol.mls.joining import open_welcome
from amanah_protocol.mls.key_package import KeyPackage, KeyPackageBundle
from amanah_protocol.mls.message_protection import Handshake
from amanah_protocol.mls.policy import EVERYTHING
from amanah_protocol.mls.psk import ExternalPsk, PskId
from tests.vectors.mls_units import MAX_BYTES, Case, data, suite_of


def check_passive_client(case: Case) -> None:
    """Join by the welcome, follow every commit, and agree on each epoch's authenticator."""
    group = _join(case)
    assert group.epoch_authenticator == data(case, "initial_epoch_authenticator")
    for epoch in case["epochs"]:
        for proposal in epoch["proposals"]:
            group.take_proposal(_handshake(bytes.fromhex(proposal)))
        assert group.apply(group.take_commit(_handshake(data(epoch, "commit"))))
        assert group.epoch_authenticator == data(epoch, "epoch_authenticator")


def _join(case: Case) -> Group:
    suite = suite_of(case)
    package = decode_message(data(case, "key_package"), MAX_BYTES)
    welcome = decode_message(data(case, "welcome"), MAX_BYTES)
    assert isinstance(package, KeyPackage)
    assert isinstance(welcome, Welcome)
    bundle = KeyPackageBundle(
        public=package, init_private=data(case, "init_priv"), leaf_private=data(case, "encryption_priv")
    )
    key = SigningKey(data(case, "signature_priv"))
    assert package.leaf_node.signature_key == key.public
    assert package.init_key == suite.kem.public_of(bundle.init_private)
    assert package.leaf_node.encryption_key == suite.kem.public_of(bundle.leaf_private)
    psks = {data(psk, "psk_id"): data(psk, "psk") for psk in case["external_psks"]}

    def find_psk(psk: PskId) -> bytes | None:
        return psks.get(psk.id) if isinstance(psk, ExternalPsk) else None

    opened = open_welcome(welcome, [bundle], suite, find_psk)
    tree = None if case["ratchet_tree"] is None else data(case, "ratchet_tree")
    group, _ = Group.join(opened, tree, Application(key=key, policy=EVERYTHING, find_psk=find_psk))
    return group


def _handshake(raw: bytes) -> Handshake:
    message = decode_message(raw, MAX_BYTES)
    assert isinstance(message, PublicMessage | PrivateMessage)
    return message
