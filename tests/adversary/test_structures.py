"""Attack 49: structures of MLS that are none, sealed and signed as they must be where a member sends them."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from amanah_client.model import RoomStatus
from amanah_protocol.errors import Code
from amanah_protocol.group.room_group import RoomGroup
from amanah_protocol.group.seam import Changed
from amanah_protocol.kinds import Message
from amanah_protocol.mls.codec import opaque, optional, u16, u32, vector
from amanah_protocol.mls.commit import make_commit
from amanah_protocol.mls.framing import (
    Auth,
    AuthenticatedContent,
    FramedContent,
    Sender,
    SenderType,
    WireFormat,
    encode_message,
)
from amanah_protocol.mls.key_package import decode_key_package
from amanah_protocol.mls.leaf_node import Identity
from amanah_protocol.mls.message_protection import sign_content
from amanah_protocol.mls.proposals import Add, Commit, ExternalInit, GroupContextExtensions, Remove, Update
from amanah_protocol.mls.proposals import encode_proposal as proposal
from amanah_protocol.mls.ratchet_tree import MAX_LEAVES, decode_ratchet_tree
from tests.adversary.forge import drawn, signed, stolen_group
from tests.adversary.outcomes import control, defended
from tests.adversary.sealed_room import AAD, checked, commit, device, inner, join, package, refusal, room_of
from tests.adversary.stage import Stage
from tests.adversary.test_welcome import Door, door

Play = Callable[..., Stage]
SENDER: Final = "sn-1"
READER: Final = "ma-1"
MEMORY: Final = 64 * 2**20
BY_VALUE: Final = b"\x01"
__all__ = ["door"]


# ---- commits


def genuine(group: RoomGroup) -> Commit:
    """An empty commit of a member, with its path."""
    live = inner(group)
    made = make_commit(
        live._state.epoch,
        (),
        live._world(),
        identity=Identity.of(device(SENDER).key, live._own()),
        wire_format=WireFormat.PRIVATE_MESSAGE,
        authenticated_data=AAD,
        with_path=True,
        random=drawn,
    )
    found = made.content.content.body
    assert isinstance(found, Commit)
    return found


def sealed_as_commit(group: RoomGroup, body: bytes) -> bytes:
    """Whatever bytes, where a commit stands, signed and sealed by a member."""
    live = inner(group)
    content = FramedContent(
        group_id=live.context.group_id,
        epoch=live.context.epoch,
        sender=Sender(SenderType.MEMBER, live.own_leaf),
        authenticated_data=AAD,
        body=Commit((), None),
        encoded_body=body,
    )
    signature = sign_content(WireFormat.PRIVATE_MESSAGE, content, live.context.encode(), device(SENDER).key)
    made = AuthenticatedContent(
        wire_format=WireFormat.PRIVATE_MESSAGE, content=content, auth=Auth(signature, bytes(32))
    )
    return encode_message(live._sealer().seal(made, drawn))


def bodies(group: RoomGroup) -> Iterator[tuple[str, bytes]]:
    """Commits that are none."""
    right = genuine(group)
    path = right.path
    assert path is not None
    encoded, none = path.encode(), vector(())
    of_path = optional(encoded)
    newcomer = Add(decode_key_package(package(device("sn-2"))[0]))
    member = Add(decode_key_package(package(device(READER))[0]))

    def holding(*proposals: bytes, path: bytes = of_path) -> bytes:
        return vector(BY_VALUE + item for item in proposals) + path

    yield "nothing", b""
    yield "half of it", right.encode()[: len(right.encode()) // 2]
    yield "a byte more", right.encode() + b"\x01"
    yield "a list past the end", u16(0x7FFF) + of_path
    yield "a list of 2^30 bytes", u32(0xBFFFFFFF) + of_path
    yield "a length of no form", b"\xff" + of_path
    yield "a length that could be shorter", b"\x40\x00" + of_path
    yield "a path that is there twice", none + b"\x02" + encoded
    yield "no path", none + optional(None)
    yield "a removal without path", holding(proposal(Remove(1)), path=optional(None))
    yield "half a path", none + b"\x01" + encoded[: len(encoded) // 2]
    yield "a path to nowhere", none + optional(path._replace(nodes=()).encode())
    yield "a path that goes on", none + optional(path._replace(nodes=(*path.nodes, *path.nodes)).encode())
    yield "a path of one node twice", none + optional(path._replace(nodes=path.nodes[:1] * len(path.nodes)).encode())
    yield (
        "a path that is sealed to nobody",
        none + optional(path._replace(nodes=tuple(node._replace(secrets=()) for node in path.nodes)).encode()),
    )
    yield (
        "a path of no keys",
        none + optional(path._replace(nodes=tuple(node._replace(encryption_key=b"") for node in path.nodes)).encode()),
    )
    yield "an unknown proposal", holding(u16(0x0A0A) + opaque(b"grease"))
    yield "a proposal of type 0", holding(u16(0))
    yield "a proposal of no known way", vector((b"\x03" + proposal(Remove(1)),)) + of_path
    yield "a reference to nothing", vector((b"\x02" + opaque(bytes(32)),)) + of_path
    yield "a reference too short", vector((b"\x02" + opaque(b"short"),)) + of_path
    yield "a removal of leaf 2^32-1", holding(proposal(Remove(2**32 - 1)))
    yield "a removal of leaf 2^31", holding(proposal(Remove(2**31)))
    yield "a removal of a blank leaf", holding(proposal(Remove(3)))
    yield "two removals of one leaf", holding(proposal(Remove(1)), proposal(Remove(1)))
    yield "a removal of oneself", holding(proposal(Remove(inner(group).own_leaf)))
    yield "an addition of a member", holding(proposal(member))
    yield "one addition twice", holding(proposal(newcomer), proposal(newcomer))
    yield "half an addition", holding(proposal(newcomer)[:-40])
    yield "an update by value", holding(proposal(Update(path.leaf_node)))
    yield "an external init", holding(proposal(ExternalInit(bytes(32))))
    yield "other extensions of the context", holding(proposal(GroupContextExtensions(())))
    yield "ten thousand removals", holding(*(proposal(Remove(1)),) * 10_000)


@defended(49)
def test_no_malformed_commit_changes_a_group_or_costs_much() -> None:
    groups = room_of("tn-1", READER, SENDER)
    before = groups[READER].epoch_state() + groups[READER].message_state()
    tried = 0
    tracemalloc.start()
    for name, body in bodies(groups[SENDER]):
        sealed = sealed_as_commit(groups[SENDER], body)
        error = refusal(lambda sealed=sealed: process(groups[READER], sealed))  # type: ignore[misc]  # a default binds the loop's value
        assert error is not None, name
        tried += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tried >= 30
    assert peak < MEMORY
    assert groups[READER].epoch_state() + groups[READER].message_state() == before
    commit(groups, "tn-1")


def process(group: RoomGroup, sealed: bytes) -> None:
    """As a client does it."""
    nothing = Changed(added=(), removed=())
    group.process(sealed, sender=device(SENDER).id, aad=AAD, expected=nothing, check=checked)


# ---- trees


def trees(right: bytes) -> Iterator[tuple[str, bytes]]:
    """Ratchet trees that are none."""
    nodes = right[len(right) - len(_inside(right)) :]
    leaf = decode_ratchet_tree(right)[0]
    assert leaf is not None
    one = b"\x01\x01" + leaf.encoded if hasattr(leaf, "encoded") else b""
    blank = b"\x00"
    yield "nothing", b""
    yield "no node", vector(())
    yield "one blank", vector((blank,))
    yield "a claim of 2^30 bytes", u32(0xBFFFFFFF) + nodes
    yield "a claim of 2^31 leaves, all blank", opaque(blank * (2 * MAX_LEAVES + 1) + one)
    yield "a million blanks", opaque(blank * 2**20 + one)
    yield "a blank at its end", opaque(nodes + blank * 2)
    yield "an even number of nodes", opaque(nodes + one)
    yield "the first leaf twice", opaque(one + blank + one)
    yield "a leaf in a parent's place", opaque(one * 3)
    yield "a parent in a leaf's place", opaque(b"\x01\x02" + opaque(bytes(32)) + opaque(b"") + opaque(b""))
    yield "a node of type 3", opaque(b"\x01\x03" + nodes[2:])
    yield "a node that is there twice", opaque(b"\x02" + nodes[1:])
    yield "a byte more", right + b"\x00"
    yield "a byte less", right[:-1]
    yield "half of it", right[: len(right) // 2]


def _inside(tree: bytes) -> bytes:
    """What stands behind the length."""
    return tree[1 << (tree[0] >> 6) :]


@defended(49)
def test_no_malformed_tree_leads_into_a_group_or_costs_much(door: Door) -> None:
    right = door.tree
    tracemalloc.start()
    for name, tree in trees(right):
        invited = door.invitation(door.right().sealed, tree)
        assert refusal(lambda invited=invited: join(invited)) is not None, name  # type: ignore[misc]  # as above
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY
    assert join(door.right()).epoch


def longer(tree: bytes) -> bytes:
    """The same tree, its length in a longer form."""
    inside = _inside(tree)
    assert len(inside) < 2**14
    return u32(0x80000000 | len(inside)) + inside


@defended(49)
def test_a_tree_has_one_encoding(door: Door) -> None:
    error = refusal(lambda: join(door.invitation(door.right().sealed, longer(door.tree))))
    assert error is not None
    assert error.code is Code.MALFORMED


@control(49, "lengths have their shortest form")
def test_without_the_look_at_lengths_one_tree_has_many_encodings(door: Door) -> None:
    assert join(door.invitation(door.right().sealed, longer(door.tree))).epoch


# ---- over the relay


def contents(right: bytes) -> Iterator[bytes]:
    """What may stand where a sealed message does."""
    yield b"\x00"
    yield bytes(100)
    yield encode_message(decode_key_package(package(device("sn-2"))[0]))
    yield right[:4]
    yield right[:-1]
    yield right + b"\x00"
    yield from (right[:2] + u16(form) + right[4:] for form in (0, 1, 3, 4, 5, 6, 0x0A0A, 0xFFFF))
    yield u16(2) + right[2:]
    yield right[:4] + b"\xff" + right[5:]
    yield right[:4] + u32(0xBFFFFFFF) + right[5:]
    yield right[:4] + b"\x40\x10" + right[5:]
    place = 4 + 1 + 16 + 8
    yield from (right[:place] + bytes([kind]) + right[place + 1 :] for kind in (0, 2, 3, 4, 255))


@defended(49)
def test_malformed_content_over_the_relay_is_refused_by_all_and_the_room_goes_on(play: Play) -> None:
    stage = play()
    stage.wait(35)
    key, room = stage.device(SENDER).key, stage.rooms[0]
    right = stolen_group(stage, SENDER).seal(bytes(600), aad=bytes(32), random=drawn)
    readers = ("tn-1", "tn-2", READER, "ma-2", "sn-2")
    circles = {name: stage.circle(name, stage.row(name)) for name in readers}
    for content in contents(right):
        stage.relay.log(room, signed(stage.relay, key, room, Message(), content))
    stage.wait(10)
    for name in readers:
        now = stage.circle(name, stage.row(name))
        # Whose key signed them takes itself for an old copy, and renews its keys: other epochs, nothing else.
        assert replace(now, epoch=circles[name].epoch, secret=circles[name].secret) == circles[name]
        assert now == stage.circle(SENDER, stage.row(SENDER))
        assert stage.texts(name) == []
        codes = {alarm.code for alarm in stage.alarms(name)}
        assert {Code.MALFORMED, Code.BAD_TYPE, Code.UNKNOWN_VERSION} <= codes
        assert codes <= {Code.MALFORMED, Code.BAD_TYPE, Code.UNKNOWN_VERSION, Code.BINDING}
        assert stage.row(name).status is RoomStatus.OPEN
    stage.say("tn-1", "and on")
    stage.wait(3)
    assert stage.texts("ma-2") == ["and on"]
    assert stage.crashes() == []
