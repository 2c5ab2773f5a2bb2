"""Attack 14: who is not in a room commits, proposes, or ends it all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pytest

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import AmanahError, Code
from amanah_protocol.group.leaves import identity_of
from amanah_protocol.group.room_group import RoomGroup
from amanah_protocol.group.seam import Changed
from amanah_protocol.mls import joining
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
from amanah_protocol.mls.group import Application, Group
from amanah_protocol.mls.group_context import GroupInfo
from amanah_protocol.mls.joining import ExternalJoin, Request, join_by_commit
from amanah_protocol.mls.key_package import decode_key_package
from amanah_protocol.mls.leaf_node import MLS10
from amanah_protocol.mls.message_protection import protect_public, sign_content
from amanah_protocol.mls.policy import EVERYTHING
from amanah_protocol.mls.proposals import Add, Commit, ReInit, Remove
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import X25519_CHACHA20POLY1305
from tests.adversary.forge import drawn
from tests.adversary.outcomes import control, defended
from tests.adversary.packages import credential_of
from tests.adversary.sealed_room import AAD, ROOM, checked, commit, device, inner, package, refusal, room_of
from tests.simulation.community import Device

SUITE: Final = X25519_CHACHA20POLY1305
FORMER: Final = "sn-2"
STRANGER: Final = "tn-bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A room, who was in it, and what has leaked out of it.

    Attributes:
        groups: Of its members.
        former: The group of the removed one, as it was when it left.
        info: A group info of the newest epoch, with the key by which others could come in.
    """

    groups: dict[str, RoomGroup]
    former: Group
    info: GroupInfo

    @property
    def reader(self) -> RoomGroup:
        """A member to whom all of it is shown."""
        return self.groups["ma-1"]


def scene() -> Scene:
    """A room out of which one was removed, and of which a member has given everything public away."""
    groups = room_of("tn-1", "ma-1", "sn-1", FORMER)
    former = as_anything(groups[FORMER], device(FORMER))
    commit(groups, "tn-1", removes=(FORMER,))
    group = inner(groups["sn-1"])
    info = decode_message(group.group_info((group.external_pub(), joining.ratchet_tree(group.tree))), 2**20)
    assert isinstance(info, GroupInfo)
    return Scene(groups=groups, former=former, info=info)


def as_anything(group: RoomGroup, of: Device) -> Group:
    """A member's state under a client that keeps to no policy."""
    app = Application(key=of.key, policy=EVERYTHING)
    live = inner(group)
    return Group.restore(live.epoch_state(), live.message_state(), app, lambda _: SUITE)


def join_from_outside(scene: Scene, who: str) -> ExternalJoin:
    """A commit by which somebody lets itself in."""
    identity = identity_of(device(who).key, credential_of(device(who)))
    request = Request(suite=SUITE, identity=identity, authenticated_data=AAD)
    return join_by_commit(scene.info, None, request, authenticate=lambda _leaf, _old: None, random=drawn)


def public(made: AuthenticatedContent, scene: Scene) -> bytes:
    """As it travels readably; the tag that only members can make is guessed."""
    return encode_message(protect_public(made, scene.info.context.encode(), bytes(32)))


def said(scene: Scene, who: str, sender: Sender, body: Body) -> bytes:
    """Something signed by its sender, in whatever capacity."""
    content = FramedContent.of(scene.info.context, sender, AAD, body)
    signature = sign_content(WireFormat.PUBLIC_MESSAGE, content, scene.info.context.encode(), device(who).key)
    tag = sha256(b"a tag") if isinstance(body, Commit) else None
    made = AuthenticatedContent(wire_format=WireFormat.PUBLIC_MESSAGE, content=content, auth=Auth(signature, tag))
    return public(made, scene)


def external_commit(scene: Scene, who: str) -> bytes:
    """It joins."""
    return public(join_from_outside(scene, who).content, scene)


def external_add(scene: Scene, who: str) -> bytes:
    """It proposes itself."""
    proposal = Add(decode_key_package(package(device(who))[0]))
    return said(scene, who, Sender(SenderType.NEW_MEMBER_PROPOSAL), proposal)


def external_remove(scene: Scene, who: str) -> bytes:
    """It proposes, as an external sender, to remove somebody."""
    return said(scene, who, Sender(SenderType.EXTERNAL, 0), Remove(0))


def reinit(scene: Scene, who: str) -> bytes:
    """It ends the group in a member's name."""
    ended = Commit((ReInit(ROOM, MLS10, SUITE.number, ()),), None)
    return said(scene, who, Sender(SenderType.MEMBER, 0), ended)


MADE: Final[dict[str, Callable[[Scene, str], bytes]]] = {
    "an external commit": external_commit,
    "a proposal of itself": external_add,
    "a proposal of an external sender": external_remove,
    "a reinitialisation": reinit,
}


def take(group: RoomGroup, message: bytes) -> None:
    """What a member does with it, where the seam does not stand before the engine."""
    found = decode_message(message, 2**21)
    assert isinstance(found, PublicMessage | PrivateMessage)
    live = inner(group)
    body = found.content.body if isinstance(found, PublicMessage) else None
    if body is None or isinstance(body, Commit):
        live.apply(live.take_commit(found))
    else:
        live.take_proposal(found)


def process(group: RoomGroup, message: bytes, sender: Device) -> None:
    """What a client does with it: it is the content of a commit envelope."""
    group.process(message, sender=sender.id, aad=AAD, expected=Changed(added=(), removed=()), check=checked)


@defended(14)
@pytest.mark.parametrize("who", [STRANGER, FORMER])
@pytest.mark.parametrize("form", MADE)
def test_what_comes_from_outside_changes_no_group(form: str, who: str) -> None:
    found = scene()
    message = MADE[form](found, who)
    before = [group.epoch_state() + group.message_state() for group in found.groups.values()]
    for group in found.groups.values():
        at_the_seam = refusal(lambda group=group: process(group, message, device(who)))  # type: ignore[misc]  # a default binds the loop's value
        in_the_engine = refusal(lambda group=group: take(group, message))  # type: ignore[misc]  # as above
        assert at_the_seam is not None
        assert at_the_seam.code is Code.BAD_TYPE
        assert isinstance(in_the_engine, InvalidError)
        assert in_the_engine.rule is Rule.POLICY
    assert [group.epoch_state() + group.message_state() for group in found.groups.values()] == before
    commit(found.groups, "sn-1")
    assert {group.epoch for group in found.groups.values()} == {found.info.context.epoch + 1}


@control(14, "nobody joins by its own commit")
def test_without_the_policy_a_stranger_lets_itself_in() -> None:
    found = scene()
    joined = join_from_outside(found, STRANGER)
    for group in found.groups.values():
        take(group, public(joined.content, found))
        assert device(STRANGER).id in group.members
        assert inner(group).epoch_authenticator == joined.entry.epoch.secrets.epoch_authenticator


def sealed_by_the_former(found: Scene, *, epoch: int) -> bytes:
    """A sealed reinitialisation with the keys of when it was in, said to be of any epoch."""
    ended = ReInit(ROOM, MLS10, SUITE.number, ())
    message = decode_message(found.former.commit((ended,), random=drawn, authenticated_data=AAD).message, 2**20)
    found.former.discard()
    assert isinstance(message, PrivateMessage)
    return encode_message(
        PrivateMessage(
            group_id=message.group_id,
            epoch=epoch,
            content_type=message.content_type,
            authenticated_data=AAD,
            encrypted_sender_data=message.encrypted_sender_data,
            ciphertext=message.ciphertext,
        )
    )


def rule_of(error: AmanahError | None) -> Rule | None:
    """The rule that refused."""
    return error.rule if isinstance(error, InvalidError) else None


@defended(14)
def test_who_was_removed_seals_nothing_any_more() -> None:
    found = scene()
    old, new = found.former.context.epoch, found.info.context.epoch
    before = found.reader.epoch_state() + found.reader.message_state()
    for epoch, rule in ((old, Rule.EPOCH), (new, Rule.SENDER_DATA)):
        message = sealed_by_the_former(found, epoch=epoch)
        assert rule_of(refusal(lambda message=message: process(found.reader, message, device(FORMER)))) is rule  # type: ignore[misc]  # as above
    assert found.reader.epoch_state() + found.reader.message_state() == before


@defended(14)
def test_not_even_a_member_ends_the_group_or_brings_a_stranger_in_sideways() -> None:
    found = scene()
    insider = as_anything(found.groups["sn-1"], device("sn-1"))
    before = found.reader.epoch_state() + found.reader.message_state()
    made = insider.commit((ReInit(ROOM, MLS10, SUITE.number, ()),), random=drawn, authenticated_data=AAD).message
    assert rule_of(refusal(lambda: process(found.reader, made, device("sn-1")))) is Rule.POLICY
    assert found.reader.epoch_state() + found.reader.message_state() == before


@control(14, "nobody joins by its own commit")
def test_without_the_policy_a_member_ends_the_group_for_all() -> None:
    found = scene()
    insider = as_anything(found.groups["sn-1"], device("sn-1"))
    made = insider.commit((ReInit(ROOM, MLS10, SUITE.number, ()),), random=drawn, authenticated_data=AAD).message
    process(found.reader, made, device("sn-1"))
    with pytest.raises(AmanahError):
        found.reader.seal(b"anything", aad=AAD, random=drawn)
