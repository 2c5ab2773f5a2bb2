"""Checks of the MLS working group's unit vectors, one function a family; each takes one case and asserts."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from amanah_protocol.crypto import SigningKey
from amanah_protocol.mls import labelled, tree_math
from amanah_protocol.mls.codec import Reader, decode
from amanah_protocol.mls.framing import (
    Auth,
    AuthenticatedContent,
    Body,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    decode_message,
    encode_message,
)
from amanah_protocol.mls.group_context import GroupContext, GroupInfo, GroupSecrets, Welcome
from amanah_protocol.mls.hpke import Ciphertext, set_up_receiver
from amanah_protocol.mls.kem import XWing
from amanah_protocol.mls.key_package import KeyPackage
from amanah_protocol.mls.key_schedule import EpochSecrets, derive_epoch, derive_joiner_secret, derive_welcome_keys
from amanah_protocol.mls.leaf_node import Identity, Place
from amanah_protocol.mls.message_protection import (
    Sealer,
    protect_public,
    sign_content,
    unprotect_public,
    verify_content,
)
from amanah_protocol.mls.proposals import Add, Commit, Remove, Update, encode_proposal, read_proposal
from amanah_protocol.mls.psk import ExternalPsk, derive_psk_secret
from amanah_protocol.mls.ratchet_tree import RatchetTree, decode_ratchet_tree
from amanah_protocol.mls.rules import Rule
from amanah_protocol.mls.secret_tree import RatchetKind, SecretTree, sender_data_key
from amanah_protocol.mls.suites import (
    CHACHA20_POLY1305,
    X25519_AES128GCM,
    X25519_CHACHA20POLY1305,
    Suite,
    xwing_aes128gcm,
)
from amanah_protocol.mls.transcript import confirmed_transcript_hash, interim_transcript_hash
from amanah_protocol.mls.treekem import create_path, merge_path, open_path, path_secrets, take_path_secret
from amanah_protocol.mls.update_path import UpdatePath

Case = dict[str, Any]
"""One object out of a vector file."""

SUITES: Final = {suite.number: suite for suite in (X25519_AES128GCM, X25519_CHACHA20POLY1305, xwing_aes128gcm())}
MAX_BYTES: Final = 1 << 24


def data(case: Case, name: str) -> bytes:
    """A field in hexadecimal."""
    return bytes.fromhex(case[name])


def suite_of(case: Case) -> Suite:
    """The suite of a case."""
    return SUITES[case["cipher_suite"]]


def check_crypto_basics(case: Case) -> None:
    """Labelled hashes, derivations, signatures and encryption."""
    suite = suite_of(case)
    c = case["ref_hash"]
    assert labelled.make_reference(c["label"].encode(), data(c, "value")) == data(c, "out")
    c = case["expand_with_label"]
    label, context = c["label"].encode(), data(c, "context")
    assert labelled.expand_with_label(data(c, "secret"), label, context, c["length"]) == data(c, "out")
    c = case["derive_secret"]
    assert labelled.derive_secret(data(c, "secret"), c["label"].encode()) == data(c, "out")
    c = case["derive_tree_secret"]
    derived = labelled.derive_tree_secret(data(c, "secret"), c["label"].encode(), c["generation"], c["length"])
    assert derived == data(c, "out")
    c = case["sign_with_label"]
    label, content, key = c["label"].encode(), data(c, "content"), SigningKey(data(c, "priv"))
    assert key.public == data(c, "pub")
    for signature in (data(c, "signature"), labelled.sign_with_label(key, label, content)):
        labelled.verify_with_label(key.public, label, content, signature, Rule.LEAF_SIGNATURE)
    c = case["encrypt_with_label"]
    label, context, plaintext = c["label"].encode(), data(c, "context"), data(c, "plaintext")
    own = labelled.encrypt_with_label(suite, data(c, "pub"), label, context, plaintext, secrets.token_bytes)
    for sealed in (Ciphertext(data(c, "kem_output"), data(c, "ciphertext")), own):
        assert labelled.decrypt_with_label(suite, data(c, "priv"), label, context, sealed) == plaintext


def check_deserialization(case: Case) -> None:
    """The length in front of a vector."""
    assert decode(data(case, "vlbytes_header"), Reader.length) == case["length"]


def check_tree_math(case: Case) -> None:
    """Places of the array form."""
    leaves, top = case["n_leaves"], case["root"]
    assert tree_math.width(leaves) == case["n_nodes"]
    assert tree_math.root(leaves) == top
    for node in range(case["n_nodes"]):
        inner = bool(node & 1)
        assert case["left"][node] == (tree_math.left(node) if inner else None)
        assert case["right"][node] == (tree_math.right(node) if inner else None)
        assert case["parent"][node] == (None if node == top else tree_math.parent(node))
        assert case["sibling"][node] == (None if node == top else tree_math.sibling(node))


_STRUCTURES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "mls_welcome": lambda raw: encode_message(decode_message(raw, MAX_BYTES)),
    "mls_group_info": lambda raw: encode_message(decode_message(raw, MAX_BYTES)),
    "mls_key_package": lambda raw: encode_message(decode_message(raw, MAX_BYTES)),
    "ratchet_tree": lambda raw: decode_ratchet_tree(raw).encode(),
    "group_secrets": lambda raw: decode(raw, GroupSecrets.read).encode(),
    "commit": lambda raw: decode(raw, Commit.read).encode(),
    "public_message_application": lambda raw: encode_message(decode_message(raw, MAX_BYTES)),
    "public_message_proposal": lambda raw: encode_message(decode_message(raw, MAX_BYTES)),
    "public_message_commit": lambda raw: encode_message(decode_message(raw, MAX_BYTES)),
    "private_message": lambda raw: encode_message(decode_message(raw, MAX_BYTES)),
}
_PROPOSALS: Final = {
    "add_proposal": 1,
    "update_proposal": 2,
    "remove_proposal": 3,
    "pre_shared_key_proposal": 4,
    "re_init_proposal": 5,
    "external_init_proposal": 6,
    "group_context_extensions_proposal": 7,
}


def check_messages(case: Case) -> None:
    """Every structure decodes, and encodes to the same bytes."""
    for name, again in _STRUCTURES.items():
        assert again(data(case, name)) == data(case, name), name
    for name, number in _PROPOSALS.items():
        raw = number.to_bytes(2, "big") + data(case, name)
        assert encode_proposal(decode(raw, read_proposal)) == raw, name


def check_key_schedule(case: Case) -> None:
    """All secrets of several epochs in a row, the exporter among them."""
    suite, init = suite_of(case), data(case, "initial_init_secret")
    for number, e in enumerate(case["epochs"]):
        context = GroupContext(
            suite=suite.number,
            group_id=data(case, "group_id"),
            epoch=number,
            tree_hash=data(e, "tree_hash"),
            confirmed_transcript_hash=data(e, "confirmed_transcript_hash"),
            extensions=(),
        ).encode()
        assert context == data(e, "group_context")
        psk = data(e, "psk_secret")
        joiner = derive_joiner_secret(init, data(e, "commit_secret"), context)
        assert joiner == data(e, "joiner_secret")
        found = derive_epoch(joiner, psk, context)
        _check_epoch(suite, found, e)
        welcome = derive_welcome_keys(suite, joiner, psk)
        assert welcome.key == labelled.expand_with_label(data(e, "welcome_secret"), b"key", b"", suite.aead.key_bytes)
        init = found.init_secret


def _check_epoch(suite: Suite, found: EpochSecrets, e: Case) -> None:
    for name in (
        "init_secret",
        "sender_data_secret",
        "encryption_secret",
        "exporter_secret",
        "epoch_authenticator",
        "external_secret",
        "confirmation_key",
        "membership_key",
        "resumption_psk",
    ):
        assert getattr(found, name) == data(e, name), name
    assert found.external_key_pair(suite).public == data(e, "external_pub")
    x = e["exporter"]
    # The label is used as the text that it is, though it looks like hexadecimal.
    assert found.export(x["label"].encode(), data(x, "context"), x["length"]) == data(x, "secret")


def check_psk_secret(case: Case) -> None:
    """External keys mixed in their order."""
    keys = [(ExternalPsk(data(psk, "psk_id"), data(psk, "psk_nonce")), data(psk, "psk")) for psk in case["psks"]]
    assert derive_psk_secret(keys) == data(case, "psk_secret")


def check_secret_tree(case: Case) -> None:
    """Keys of leaves and generations, and of sender data."""
    suite, s = suite_of(case), case["sender_data"]
    key = sender_data_key(suite, data(s, "sender_data_secret"), data(s, "ciphertext"))
    assert key == (data(s, "key"), data(s, "nonce"))
    tree = SecretTree.of(suite, len(case["leaves"]), data(case, "encryption_secret"))
    for leaf, generations in enumerate(case["leaves"]):
        for g in generations:
            for kind, name in ((RatchetKind.HANDSHAKE, "handshake"), (RatchetKind.APPLICATION, "application")):
                step = tree.find(leaf, kind, g["generation"])
                assert step.key == (data(g, f"{name}_key"), data(g, f"{name}_nonce"))
                tree.apply(step)


def check_transcript_hashes(case: Case) -> None:
    """A commit's place in the transcript."""
    commit = decode(data(case, "authenticated_content"), AuthenticatedContent.read)
    tag = commit.auth.confirmation_tag
    assert tag is not None
    confirmed = confirmed_transcript_hash(data(case, "interim_transcript_hash_before"), commit)
    assert confirmed == data(case, "confirmed_transcript_hash_after")
    assert interim_transcript_hash(confirmed, tag) == data(case, "interim_transcript_hash_after")
    assert labelled.mac(data(case, "confirmation_key"), confirmed) == tag


def check_message_protection(case: Case) -> None:
    """Public and private messages, theirs and ours."""
    suite, key = suite_of(case), SigningKey(data(case, "signature_priv"))
    assert key.public == data(case, "signature_pub")
    context = GroupContext(
        suite=suite.number,
        group_id=data(case, "group_id"),
        epoch=case["epoch"],
        tree_hash=data(case, "tree_hash"),
        confirmed_transcript_hash=data(case, "confirmed_transcript_hash"),
        extensions=(),
    )
    bodies: dict[str, Body] = {
        "proposal": decode(data(case, "proposal"), read_proposal),
        "commit": decode(data(case, "commit"), Commit.read),
        "application": data(case, "application"),
    }
    for name, body in bodies.items():
        content = FramedContent.of(context, Sender(SenderType.MEMBER, 1), b"", body)
        tag = bytes(32) if name == "commit" else None
        theirs = decode_message(data(case, f"{name}_priv"), MAX_BYTES)
        assert isinstance(theirs, PrivateMessage)
        signature = sign_content(WireFormat.PRIVATE_MESSAGE, content, context.encode(), key)
        own = AuthenticatedContent(wire_format=WireFormat.PRIVATE_MESSAGE, content=content, auth=Auth(signature, tag))
        for message in (theirs, _sealer(case, suite).seal(own, secrets.token_bytes)):
            assert _open(case, suite, message, context, key.public) == body
        if name != "application":
            _check_public(case, name, content, context, key)


def _sealer(case: Case, suite: Suite) -> Sealer:
    tree = SecretTree.of(suite, 2, data(case, "encryption_secret"))
    return Sealer(suite=suite, sender_data_secret=data(case, "sender_data_secret"), tree=tree)


def _open(case: Case, suite: Suite, message: PrivateMessage, context: GroupContext, public: bytes) -> Body:
    sealer = _sealer(case, suite)
    sender = sealer.open_sender(message)
    assert sender.leaf == 1
    opened, step = sealer.open(message, sender)
    verify_content(opened, context.encode(), public)
    sealer.tree.apply(step)
    return opened.content.body


def _check_public(case: Case, name: str, content: FramedContent, context: GroupContext, key: SigningKey) -> None:
    encoded, membership_key = context.encode(), data(case, "membership_key")
    theirs = decode_message(data(case, f"{name}_pub"), MAX_BYTES)
    assert isinstance(theirs, PublicMessage)
    signature = sign_content(WireFormat.PUBLIC_MESSAGE, content, encoded, key)
    auth = Auth(signature, bytes(32) if name == "commit" else None)
    signed = AuthenticatedContent(wire_format=WireFormat.PUBLIC_MESSAGE, content=content, auth=auth)
    for message in (theirs, protect_public(signed, encoded, membership_key)):
        opened = unprotect_public(message, encoded, membership_key)
        verify_content(opened, encoded, key.public)
        assert opened.content.body == content.body


def check_welcome(case: Case) -> None:
    """A welcome opened with one key package."""
    suite = suite_of(case)
    package = decode_message(data(case, "key_package"), MAX_BYTES)
    welcome = decode_message(data(case, "welcome"), MAX_BYTES)
    assert isinstance(package, KeyPackage)
    assert isinstance(welcome, Welcome)
    entry = next(secret for secret in welcome.secrets if secret.new_member == package.reference)
    opened = labelled.decrypt_with_label(
        suite, data(case, "init_priv"), b"Welcome", welcome.encrypted_group_info, entry.sealed
    )
    joiner = decode(opened, GroupSecrets.read).joiner_secret
    keys = derive_welcome_keys(suite, joiner, bytes(32))
    info = decode(suite.aead.open(keys.key, keys.nonce, welcome.encrypted_group_info, b""), GroupInfo.read)
    info.verify_signature(data(case, "signer_pub"))
    epoch = derive_epoch(joiner, bytes(32), info.context.encode())
    assert epoch.confirms(info.context.confirmed_transcript_hash, info.confirmation_tag)


def check_tree_operations(case: Case) -> None:
    """One proposal applied to a tree."""
    tree = decode_ratchet_tree(data(case, "tree_before"))
    assert tree.hash() == data(case, "tree_hash_before")
    match decode(data(case, "proposal"), read_proposal):
        case Add(key_package=package):
            tree, _ = tree.with_leaf(package.leaf_node)
        case Update(leaf_node=leaf):
            tree = tree.with_update(case["proposal_sender"], leaf)
        case Remove(removed=removed):
            tree = tree.without(removed)
        case other:
            raise AssertionError(other)
    assert tree.encode() == data(case, "tree_after")
    assert tree.hash() == data(case, "tree_hash_after")


def check_tree_validation(case: Case) -> None:
    """Resolutions, hashes, parent hashes and signatures of a tree."""
    tree = decode_ratchet_tree(data(case, "tree"))
    assert tree.encode() == data(case, "tree")
    width = tree_math.width(tree.leaves)
    assert [tree.resolution(node) for node in range(width)] == case["resolutions"]
    assert [tree.hash(node).hex() for node in range(width)] == case["tree_hashes"]
    tree.check_unmerged_leaves()
    tree.check_parent_hashes()
    for index, leaf in tree.members():
        leaf.verify_signature(Place(data(case, "group_id"), index))


def check_treekem(case: Case) -> None:
    """Update paths, theirs and ours, taken by every member."""
    suite, tree = suite_of(case), decode_ratchet_tree(data(case, "ratchet_tree"))
    privates = {private["index"]: _private_state(suite, tree, private) for private in case["leaves_private"]}
    for path in case["update_paths"]:
        _check_path(case, suite, tree, privates, path)
        _check_own_path(case, suite, tree, privates, path["sender"])


def _private_state(suite: Suite, tree: RatchetTree, private: Case) -> dict[int, bytes]:
    found = {2 * private["index"]: data(private, "encryption_priv")}
    for entry in private["path_secrets"]:
        (secret,), _ = path_secrets(suite, data(entry, "path_secret"), 1)
        found[entry["node"]] = secret.keys.private
    for node, key in found.items():
        there = tree[node]
        assert there is not None
        assert there.encryption_key == suite.kem.public_of(key)
    return found


def _context(case: Case, suite: Suite, tree_hash: bytes) -> bytes:
    return GroupContext(
        suite=suite.number,
        group_id=data(case, "group_id"),
        epoch=case["epoch"],
        tree_hash=tree_hash,
        confirmed_transcript_hash=data(case, "confirmed_transcript_hash"),
        extensions=(),
    ).encode()


def _check_path(
    case: Case, suite: Suite, tree: RatchetTree, privates: dict[int, dict[int, bytes]], expected: Case
) -> None:
    sender, path = expected["sender"], decode(data(expected, "update_path"), UpdatePath.read)
    merged = merge_path(tree, sender, path)
    merged.check_parent_hashes()
    path.leaf_node.verify_signature(Place(data(case, "group_id"), sender))
    assert merged.hash() == data(expected, "tree_hash_after")
    for own, private in privates.items():
        if own == sender:
            continue
        args = {"sender": sender, "own": own, "privates": private}
        found = open_path(suite, merged, path, added=frozenset(), context=_context(case, suite, merged.hash()), **args)
        assert found.commit_secret == data(expected, "commit_secret")
        by_secret = take_path_secret(suite, merged, bytes.fromhex(expected["path_secrets"][own]), **args)
        assert by_secret.commit_secret == found.commit_secret
        assert by_secret.privates == found.privates


def _check_own_path(
    case: Case, suite: Suite, tree: RatchetTree, privates: dict[int, dict[int, bytes]], sender: int
) -> None:
    private = next(entry for entry in case["leaves_private"] if entry["index"] == sender)
    leaf = tree.leaf(sender)
    assert leaf is not None
    identity = Identity.of(SigningKey(data(private, "signature_priv")), leaf)
    made = create_path(
        suite,
        tree,
        identity,
        Place(data(case, "group_id"), sender),
        added=frozenset(),
        context=lambda tree_hash: _context(case, suite, tree_hash),
        random=secrets.token_bytes,
    )
    for own, held in privates.items():
        if own == sender:
            continue
        found = open_path(
            suite,
            merge_path(tree, sender, made.path),
            made.path,
            sender=sender,
            own=own,
            privates=held,
            added=frozenset(),
            context=_context(case, suite, made.tree.hash()),
        )
        assert found.commit_secret == made.commit_secret


def check_hpke_xwing(case: Case) -> None:
    """The KEM; and schedule, encryptions and exports where the KDF is HKDF-SHA256."""
    kem = XWing()
    keys = kem.derive_key_pair(data(case, "ikmR"))
    assert keys == (data(case, "skRm"), data(case, "pkRm"))
    assert kem.decapsulate(data(case, "enc"), keys.private) == data(case, "shared_secret")
    if case["kdf_id"] != 1:
        return
    assert case["aead_id"] == CHACHA20_POLY1305.id
    suite = Suite(number=0, kem=kem, aead=CHACHA20_POLY1305)
    hpke = set_up_receiver(suite, data(case, "enc"), keys.private, data(case, "info"))
    assert (hpke.key, hpke.nonce) == (data(case, "key"), data(case, "base_nonce"))
    assert hpke.exporter == data(case, "exporter_secret")
    for e in case["encryptions"]:
        opened = suite.aead.open(hpke.key, data(e, "nonce"), data(e, "ct"), data(e, "aad"))
        assert opened == data(e, "pt")
    for x in case["exports"]:
        assert hpke.export(data(x, "exporter_context"), x["L"]) == data(x, "exported_value")
