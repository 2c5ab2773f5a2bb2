"""Checks of transcripts: a client that joins a group and follows it, and never sends (the passive-client format).

Our own transcripts (`tests.oracles.record`) say more: what was sent in each epoch, what the exporter gives, and the
group info by which somebody joined.
"""

from __future__ import annotations

from amanah_protocol.crypto import SigningKey
from amanah_protocol.mls.framing import PrivateMessage, PublicMessage, decode_message
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.group_context import GroupInfo, Welcome
from amanah_protocol.mls.joining import open_welcome
from amanah_protocol.mls.key_package import KeyPackage, KeyPackageBundle
from amanah_protocol.mls.message_protection import Handshake
from amanah_protocol.mls.policy import EVERYTHING
from amanah_protocol.mls.psk import ExternalPsk, PskId
from tests.oracles.ours import view_of
from tests.vectors.mls_units import MAX_BYTES, Case, data, suite_of


def check_passive_client(case: Case) -> None:
    """Join by the welcome, follow every commit, and agree on each epoch's authenticator."""
    group = _join(case)
    assert group.epoch_authenticator == data(case, "initial_epoch_authenticator")
    _check_application(group, case.get("initial_application", []))
    for epoch in case["epochs"]:
        for proposal in epoch["proposals"]:
            group.take_proposal(_handshake(bytes.fromhex(proposal)))
        if epoch.get("group_info") is not None:
            _check_group_info(group, data(epoch, "group_info"))
        assert group.apply(group.take_commit(_handshake(data(epoch, "commit"))))
        assert group.epoch_authenticator == data(epoch, "epoch_authenticator")
        if "exported" in epoch:
            assert view_of(group).exported == data(epoch, "exported")
        _check_application(group, epoch.get("application", []))


def _check_application(group: Group, messages: list[Case]) -> None:
    """Every message opens once, to what was sealed."""
    for item in messages:
        message = decode_message(data(item, "sealed"), MAX_BYTES)
        assert isinstance(message, PrivateMessage)
        received = group.open(message)
        assert (received.data, received.authenticated_data) == (data(item, "data"), data(item, "authenticated_data"))


def _check_group_info(group: Group, raw: bytes) -> None:
    """A member's group info of this epoch, with the key to join by."""
    info = decode_message(raw, MAX_BYTES)
    assert isinstance(info, GroupInfo)
    signer = group.tree.leaf(info.signer)
    assert signer is not None
    info.verify_signature(signer.signature_key)
    assert info.context == group.context
    assert group.external_pub() in info.extensions


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
