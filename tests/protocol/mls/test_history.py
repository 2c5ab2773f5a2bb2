"""Groups that live: members come by welcome and by commit, go, renew and lose their state, in any order."""

from __future__ import annotations

from random import Random as Seeded

import pytest

from amanah_protocol.mls import joining
from amanah_protocol.mls.checks import Ground, check_tree
from amanah_protocol.mls.framing import decode_message
from amanah_protocol.mls.group import Group
from amanah_protocol.mls.group_context import GroupInfo
from amanah_protocol.mls.joining import Request
from amanah_protocol.mls.key_package import KeyPackageBundle
from amanah_protocol.mls.proposals import Add, PreSharedKey, Proposal, Remove
from amanah_protocol.mls.psk import ExternalPsk
from tests.protocol.mls.stage import (
    KNOWN_PSK,
    MAX_BYTES,
    SUITES,
    Stage,
    find_psk,
    handshake,
    key_of,
    make_stage,
    suite_of,
    welcome_of,
)

EPOCHS = 25
MOST_MEMBERS = 14


class History:
    """One group's life under one seed."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage = stage
        self.choose = Seeded(seed)
        self.born = 0

    def run(self) -> None:
        """Epoch after epoch, all members agree, and the tree is one that a newcomer would believe."""
        for _ in range(EPOCHS):
            self.choose.choice((self.commit, self.commit, self.commit, self.join_by_commit))()
            self.restart_somebody()
            self.stage.check_in_step()
            group = next(iter(self.stage.groups.values()))
            context = group.context
            ground = Ground(
                suite=group.suite,
                group_id=context.group_id,
                extensions=context.extensions,
                authenticate=lambda *_: None,
            )
            check_tree(group.tree, ground)

    def commit(self) -> None:
        """Somebody commits what waits and what comes to its mind."""
        stage, names = self.stage, sorted(self.stage.groups)
        committer = self.choose.choice(names)
        for name in self.choose.sample(names, self.choose.randint(0, 2)):
            self.propose(name, committer)
        new = self.newcomers()
        items: list[Proposal] = [Add(bundle.public) for bundle in new.values()]
        if self.choose.random() < 0.2:
            items.append(PreSharedKey(ExternalPsk(KNOWN_PSK, stage.random(32))))
        path = self.choose.random() < 0.7
        public = self.choose.random() < 0.3
        staged = stage[committer].commit(items, random=stage.random, with_path=path, public=public)
        stage.deliver(committer, staged.message)
        self.welcome(committer, new, staged.welcome([], key=key_of(committer), random=stage.random))

    def welcome(self, committer: str, new: dict[str, KeyPackageBundle], message: bytes) -> None:
        """They join, each with the tree beside the welcome."""
        stage, tree = self.stage, self.stage[committer].tree.encode()
        for name, bundle in new.items():
            opened = joining.open_welcome(welcome_of(message), [bundle], stage.suite, find_psk)
            stage.groups[name], _ = Group.join(opened, tree, stage.application(name))

    def newcomers(self) -> dict[str, KeyPackageBundle]:
        """Some who wait to be added, if there is room."""
        room = MOST_MEMBERS - len(self.stage.groups)
        names = [f"member {self.born + number}" for number in range(min(room, self.choose.randint(0, 3)))]
        self.born += len(names)
        return {name: self.stage.package(name) for name in names}

    def propose(self, name: str, committer: str) -> None:
        """Somebody proposes to be renewed, or that another goes."""
        stage = self.stage
        if self.choose.random() < 0.5 or len(stage.groups) < 4:
            message = stage[name].propose_update(stage.identity(name), random=stage.random)
        else:
            gone = self.choose.choice(sorted(set(stage.groups) - {committer}))
            message = stage[name].propose(Remove(stage[gone].own_leaf), random=stage.random)
        for other, group in stage.groups.items():
            if other != name:
                group.take_proposal(handshake(message))

    def join_by_commit(self) -> None:
        """Somebody new joins, or a member that lost everything comes back."""
        stage = self.stage
        host = self.choose.choice(sorted(stage.groups))
        group = stage[host]
        info = decode_message(group.group_info([joining.external_pub(group._state.epoch)]), MAX_BYTES)
        assert isinstance(info, GroupInfo)
        name, removes = f"member {self.born}", None
        if len(stage.groups) >= MOST_MEMBERS or self.choose.random() < 0.5:
            name = self.choose.choice(sorted(stage.groups))
            removes = stage.groups.pop(name).own_leaf
        else:
            self.born += 1
        request = Request(suite=stage.suite, identity=stage.identity(name), removes=removes)
        joined, message = Group.join_by_commit(
            info, group.tree.encode(), request, stage.application(name), random=stage.random
        )
        for other in stage.groups.values():
            assert other.apply(other.take_commit(handshake(message)))
        stage.groups[name] = joined

    def restart_somebody(self) -> None:
        """Somebody goes on from its stored state."""
        name = self.choose.choice(sorted(self.stage.groups))
        group = self.stage[name]
        states = group.epoch_state(), group.message_state()
        self.stage.groups[name] = Group.restore(*states, self.stage.application(name), suite_of)


@pytest.mark.parametrize("suite", SUITES)
def test_members_agree_in_every_epoch_of_any_history(suite: str, scale: int) -> None:
    for seed in range(2 * scale):
        History(make_stage(SUITES[suite]), seed).run()
