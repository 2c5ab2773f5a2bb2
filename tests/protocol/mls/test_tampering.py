"""Attack 18 and its kin: valid bytes in which one thing is changed, everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from amanah_protocol.errors import Code, DecodeError, PeerError
from amanah_protocol.mls.codec import Reader
from amanah_protocol.mls.credential import Credential, Extension
from amanah_protocol.mls.framing import PrivateMessage, PublicMessage, decode_message
from amanah_protocol.mls.group import Group
from amanah_protocol.mls.joining import open_welcome
from amanah_protocol.mls.leaf_node import LeafNode
from amanah_protocol.mls.message_protection import Handshake
from amanah_protocol.mls.proposals import Remove
from amanah_protocol.mls.ratchet_tree import ParentNode, RatchetTree
from amanah_protocol.mls.rules import InvalidError
from tests.protocol.mls.forged_commit import commit_by, sealed_commit, welcome_to
from tests.protocol.mls.franken import LeafForm, flipped
from tests.protocol.mls.negative_welcomes import _with_node, application_of_erin, enter, tree_with_unmerged
from tests.protocol.mls.stage import LIFETIME, MAX_BYTES, MEMBERS, Stage, find_psk, handshake, key_of, make_stage


@pytest.fixture
def stage() -> Stage:
    return make_stage()


def bent_leaves(leaf: LeafNode) -> Iterator[LeafNode]:
    """A leaf with each of its fields changed, its signature left as it was."""
    form = LeafForm(
        encryption_key=leaf.encryption_key,
        key=key_of("whoever"),
        signature_key=leaf.signature_key,
        credential=leaf.credential,
        capabilities=leaf.capabilities,
        extensions=leaf.extensions,
        source=leaf.source,
        lifetime=leaf.lifetime or LIFETIME,
        parent_hash=leaf.parent_hash or b"",
        signature=leaf.signature,
    )
    assert form.sign() == leaf
    yield replace(form, encryption_key=flipped(leaf.encryption_key)).sign()
    yield replace(form, signature_key=flipped(leaf.signature_key)).sign()
    yield replace(form, signature_key=b"").sign()
    yield replace(form, credential=Credential(0xF0C1, leaf.credential.value)).sign()
    yield replace(form, credential=leaf.credential._replace(value=leaf.credential.value + b"x")).sign()
    for name, numbers in leaf.capabilities._asdict().items():
        yield form.with_capabilities(**{name: (*numbers, 0x0A0A)}).sign()
        yield form.with_capabilities(**{name: numbers[1:]}).sign() if numbers else replace(form, signature=b"").sign()
    yield replace(form, extensions=(Extension(1, b"somebody else"),)).sign()
    yield replace(form, parent_hash=bytes(32), lifetime=LIFETIME._replace(not_after=1 << 40)).sign()
    yield replace(form, parent_hash=b"\x01", lifetime=LIFETIME._replace(not_before=0)).sign()
    yield replace(form, signature=flipped(leaf.signature)).sign()
    yield replace(form, signature=leaf.signature[:-1]).sign()
    yield replace(form, signature=leaf.signature + b"\x00").sign()


def bent_parents(parent: ParentNode) -> Iterator[ParentNode]:
    """A parent with each of its fields changed."""
    unmerged = parent.unmerged_leaves
    yield replace(parent, encryption_key=flipped(parent.encryption_key))
    yield replace(parent, encryption_key=b"")
    yield replace(parent, parent_hash=flipped(parent.parent_hash) if parent.parent_hash else bytes(32))
    yield replace(parent, parent_hash=parent.parent_hash[:-1] or b"\x00")
    yield replace(parent, unmerged_leaves=(*unmerged, 6))
    yield replace(parent, unmerged_leaves=(0, *unmerged))
    yield replace(parent, unmerged_leaves=(*unmerged, 1 << 20))
    if unmerged:
        yield replace(parent, unmerged_leaves=())
        yield replace(parent, unmerged_leaves=unmerged[::-1])
        yield replace(parent, unmerged_leaves=(unmerged[0], *unmerged))
        yield replace(parent, unmerged_leaves=unmerged[:-1])


def bent_trees(tree: RatchetTree) -> Iterator[RatchetTree]:
    """A tree with each field of each node changed."""
    for index, leaf in tree.members():
        for bent_leaf in bent_leaves(leaf):
            yield _with_node(tree, 2 * index, bent_leaf)
    for place, parent in tree.parents():
        for bent_parent in bent_parents(parent):
            yield _with_node(tree, place, bent_parent)


def test_no_tree_with_a_changed_field_is_believed_even_if_a_member_vouches_for_it(stage: Stage) -> None:
    tree = tree_with_unmerged(stage)
    right = welcome_to(stage, tree=tree)
    assert enter(right, right.message()).tree.hash() == tree.hash()
    bent = list(bent_trees(tree))
    assert len(bent) >= 200
    assert len({other.hash() for other in bent} - {tree.hash()}) == len(bent)
    for other in bent:
        form = welcome_to(stage, tree=other)
        with pytest.raises(InvalidError):
            enter(form, form.message())


def test_no_tree_beside_a_welcome_is_believed_in_which_a_byte_is_changed(stage: Stage) -> None:
    form = welcome_to(stage, info_extensions=lambda _: ())
    opened = open_welcome(form.welcome(), [form.bundle], stage.suite, find_psk)
    tree = form.tree.encode()
    Group.join(opened, tree, application_of_erin())
    for at in range(len(tree)):
        with pytest.raises(PeerError):
            Group.join(opened, flipped(tree, at), application_of_erin())


@pytest.mark.parametrize("public", [False, True])
def test_no_commit_is_taken_in_which_a_byte_is_changed_or_the_end_is_missing(stage: Stage, public: bool) -> None:  # noqa: FBT001 - a parameter of the test
    form = commit_by(stage, "carol", Remove(MEMBERS["frank"]))
    message = form.public() if public else form.sealed(stage["carol"])
    bob, before = stage["bob"], stage.states()
    for at in range(len(message)):
        for other in (flipped(message, at), message[:at]):
            with pytest.raises(PeerError):
                bob.take_commit(handshake_or_refusal(other))
    assert stage.states() == before
    with pytest.raises(PeerError):
        bob.take_commit(handshake(sealed_commit(stage, "carol", bend_tag=flipped)))
    assert bob.apply(bob.take_commit(handshake(message)))


def handshake_or_refusal(data: bytes) -> Handshake:
    """Decode; what is another kind of message counts as refused."""
    message = decode_message(data, MAX_BYTES)
    if not isinstance(message, PublicMessage | PrivateMessage):
        raise DecodeError(Code.BAD_TYPE, "no handshake")
    return message


def test_no_leaf_reads_past_its_end(stage: Stage) -> None:
    encoded = stage.newcomer.public.leaf_node.encoded
    for at in range(len(encoded)):
        with pytest.raises(PeerError):
            LeafNode.read(Reader(encoded[:at]))
