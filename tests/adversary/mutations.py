"""Every field of a ratchet tree and of a group info changed, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from amanah_protocol.mls.codec import opaque, optional, u8, u16, vector
from amanah_protocol.mls.credential import Credential, Extension, encode_extensions
from amanah_protocol.mls.group_context import GroupInfo
from amanah_protocol.mls.leaf_node import LeafNode, LeafSource, Lifetime
from amanah_protocol.mls.ratchet_tree import Node, ParentNode, RatchetTree

Nodes = list[bytes | None]


def flipped(data: bytes) -> bytes:
    """One bit of it changed; nothing becomes something."""
    return bytes([data[0] ^ 1]) + data[1:] if data else b"\x01"


def encode_leaf(leaf: LeafNode) -> bytes:
    """A leaf's bytes, put together anew from its fields: its signature stays what it was."""
    of_source = b""
    if leaf.source is LeafSource.KEY_PACKAGE:
        of_source = (leaf.lifetime or Lifetime(0, 0)).encode()
    elif leaf.source is LeafSource.COMMIT:
        of_source = opaque(leaf.parent_hash or b"")
    return b"".join(
        (
            opaque(leaf.encryption_key),
            opaque(leaf.signature_key),
            leaf.credential.encode(),
            leaf.capabilities.encode(),
            u8(leaf.source),
            of_source,
            encode_extensions(leaf.extensions),
            opaque(leaf.signature),
        )
    )


def leaf_mutants(leaf: LeafNode) -> Iterator[tuple[str, bytes]]:
    """A leaf with one of its fields changed."""
    own = leaf.capabilities
    changes: dict[str, dict[str, object]] = {
        "encryption key": {"encryption_key": flipped(leaf.encryption_key)},
        "no encryption key": {"encryption_key": b""},
        "a longer encryption key": {"encryption_key": leaf.encryption_key + b"\x00"},
        "no signature key": {"signature_key": b""},
        "no credential": {"credential": Credential(leaf.credential.type, b"")},
        "nothing listed": {"capabilities": type(own)(versions=(), suites=(), extensions=(), credentials=())},
        "signature key": {"signature_key": flipped(leaf.signature_key)},
        "credential type": {"credential": Credential(leaf.credential.type ^ 1, leaf.credential.value)},
        "credential": {"credential": Credential(leaf.credential.type, flipped(leaf.credential.value))},
        "versions": {"capabilities": own._replace(versions=(*own.versions, 7))},
        "suites": {"capabilities": own._replace(suites=own.suites[:1])},
        "other suites": {"capabilities": own._replace(suites=own.suites[::-1])},
        "extensions listed": {"capabilities": own._replace(extensions=(*own.extensions, 7))},
        "proposals listed": {"capabilities": own._replace(proposals=(*own.proposals, 7))},
        "credentials listed": {"capabilities": own._replace(credentials=(*own.credentials, 7))},
        "source": {"source": LeafSource.UPDATE if leaf.source is not LeafSource.UPDATE else LeafSource.COMMIT},
        "extension": {"extensions": (*leaf.extensions, Extension(0x000A, b""))},
        "signature": {"signature": flipped(leaf.signature)},
        "no signature": {"signature": b""},
    }
    if leaf.parent_hash is not None:
        changes["parent hash"] = {"parent_hash": flipped(leaf.parent_hash)}
        changes["no parent hash"] = {"parent_hash": b""}
    if leaf.lifetime is not None:
        changes["lifetime"] = {"lifetime": Lifetime(leaf.lifetime.not_before, leaf.lifetime.not_after + 1)}
    for name, fields in changes.items():
        yield name, u8(1) + encode_leaf(replace(leaf, **fields))  # type: ignore[arg-type]  # names and types are LeafNode's


def parent_mutants(parent: ParentNode, members: int) -> Iterator[tuple[str, bytes]]:
    """A parent node with one of its fields changed."""
    unmerged = parent.unmerged_leaves
    changed = {
        "encryption key": replace(parent, encryption_key=flipped(parent.encryption_key)),
        "parent hash": replace(parent, parent_hash=flipped(parent.parent_hash)),
        "an unmerged leaf more": replace(parent, unmerged_leaves=(*unmerged, members)),
        "unmerged leaves twice": replace(parent, unmerged_leaves=(*unmerged, 0, 0)),
    }
    if unmerged:
        changed["no unmerged leaves"] = replace(parent, unmerged_leaves=())
        changed["another unmerged leaf"] = replace(parent, unmerged_leaves=(unmerged[0] ^ 1,))
    for name, node in changed.items():
        yield name, u8(2) + node.encode()


def tree_mutants(tree: RatchetTree) -> Iterator[tuple[str, bytes]]:
    """The encoded tree with one field of one node changed, one node blank, or two nodes of one level swapped."""
    places = [tree[place] for place in range(2 * tree.leaves - 1)]
    while places[-1] is None:
        places.pop()
    nodes: Nodes = [_encoded(node) for node in places]
    for place, node in enumerate(places):
        if node is None:
            continue
        of_node = leaf_mutants(node) if isinstance(node, LeafNode) else parent_mutants(node, tree.leaves)
        for name, changed in of_node:
            yield f"node {place}, {name}", _tree({place: changed}, nodes)
        yield f"node {place}, blank", _tree({place: None}, nodes)
        other = place + 2
        if other < len(nodes):
            yield f"nodes {place} and {other}, swapped", _tree({place: nodes[other], other: nodes[place]}, nodes)
            yield f"node {place}, twice", _tree({other: nodes[place]}, nodes)


def _encoded(node: Node | None) -> bytes | None:
    if node is None:
        return None
    return u8(1) + node.encoded if isinstance(node, LeafNode) else u8(2) + node.encode()


def _tree(changed: dict[int, bytes | None], nodes: Nodes) -> bytes:
    return vector(optional(changed.get(place, node)) for place, node in enumerate(nodes))


def info_mutants(info: GroupInfo) -> Iterator[tuple[str, bytes]]:
    """The encoded group info with one field changed; its signature stays what it was."""
    context = info.context
    contexts = {
        "suite": replace(context, suite=context.suite ^ 2),
        "group id": replace(context, group_id=flipped(context.group_id)),
        "epoch": replace(context, epoch=context.epoch + 1),
        "epoch before": replace(context, epoch=context.epoch - 1),
        "tree hash": replace(context, tree_hash=flipped(context.tree_hash)),
        "transcript": replace(context, confirmed_transcript_hash=flipped(context.confirmed_transcript_hash)),
        "no policy": replace(context, extensions=()),
        "policy": replace(context, extensions=tuple(Extension(e.type, flipped(e.data)) for e in context.extensions)),
        "policy twice": replace(context, extensions=context.extensions * 2),
        "a context extension more": replace(context, extensions=(*context.extensions, Extension(0x0A0A, b""))),
    }
    infos = {name: replace(info, context=changed) for name, changed in contexts.items()}
    for place, extension in enumerate(info.extensions):
        rest = info.extensions[:place] + info.extensions[place + 1 :]
        infos[f"without extension {extension.type:04x}"] = replace(info, extensions=rest)
        changed = Extension(extension.type, flipped(extension.data))
        infos[f"extension {extension.type:04x}"] = replace(info, extensions=(*rest, changed))
        infos[f"extension {extension.type:04x} twice"] = replace(info, extensions=(*info.extensions, extension))
    infos["an extension more"] = replace(info, extensions=(*info.extensions, Extension(0x0A0A, b"")))
    infos["confirmation tag"] = replace(info, confirmation_tag=flipped(info.confirmation_tag))
    infos["no confirmation tag"] = replace(info, confirmation_tag=b"")
    infos["signature"] = replace(info, signature=flipped(info.signature))
    infos["no signature"] = replace(info, signature=b"")
    for signer in range(8):
        if signer != info.signer:
            infos[f"signer {signer}"] = replace(info, signer=signer)
    for name, mutant in infos.items():
        yield name, mutant.encode()
    yield "version", u16(2) + info.encode()[2:]
    yield "a byte more", info.encode() + b"\x00"
    yield "a byte less", info.encode()[:-1]
