"""A room of several devices in memory: every member's group, and commits that reach all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_protocol.crypto import sha256
from amanah_protocol.group.flat.engine import FlatEngine
from amanah_protocol.group.flat.group import FlatGroup
from amanah_protocol.group.seam import Changed, OwnKeyPackage, WelcomeParts
from amanah_protocol.types import EnvelopeId, RoomId
from tests.protocol.group.devices import NOW_MS, accept, device, randomness

ENGINE: Final = FlatEngine()
ROOM: Final = RoomId(bytes(range(16)))
CREATE: Final = EnvelopeId(sha256(b"create"))
COMMIT: Final = EnvelopeId(sha256(b"commit"))
AAD: Final = sha256(b"header")


def key_package(number: int, seed: object = 0, *, last_resort: bool = False) -> OwnKeyPackage:
    """A key package of device `number`."""
    owner = device(number)
    source = randomness(("key package", number, seed))
    return ENGINE.make_key_package(owner.key, owner.credential, now_ms=NOW_MS, last_resort=last_resort, random=source)


def changed(*, added: tuple[int, ...] = (), removed: tuple[int, ...] = ()) -> Changed:
    """What a header says of devices by number."""
    return Changed(
        added=tuple(sorted(device(number).id for number in added)),
        removed=tuple(sorted(device(number).id for number in removed)),
    )


def created(number: int = 0, seed: object = 0) -> FlatGroup:
    """A new room of device `number`."""
    creator = device(number)
    return ENGINE.create(ROOM, creator.key, creator.credential, random=randomness(("create", number, seed)))


def joined(parts: WelcomeParts, number: int, package: OwnKeyPackage, committer: int = 0) -> FlatGroup:
    """The group of device `number`, by a welcome to that key package."""
    group, reference = ENGINE.join(
        parts.sealed,
        parts.tree,
        room=ROOM,
        create_id=CREATE,
        commit_id=COMMIT,
        sender=device(committer).id,
        privates={package.reference: package.private},
        key=device(number).key,
        check=accept,
    )
    assert reference == package.reference
    return group


@dataclass(slots=True, kw_only=True)
class Circle:
    """Groups by number of device; each step draws other randomness."""

    groups: dict[int, FlatGroup] = field(default_factory=lambda: {0: created()})
    seed: object = 0
    steps: int = 0

    def step(self) -> object:
        self.steps += 1
        return (self.seed, self.steps)

    def commit(self, by: int, *, adds: tuple[int, ...] = (), removes: tuple[int, ...] = ()) -> bytes:
        """A commit that wins, and everybody in its epoch afterwards; its sealed content."""
        step = self.step()
        packages = {number: key_package(number, step) for number in adds}
        aad = sha256(repr(step).encode())
        staged = self.groups[by].stage_commit(
            adds=tuple(package.public for package in packages.values()),
            removes=tuple(device(number).id for number in removes),
            aad=aad,
            random=randomness(step),
        )
        expected = changed(added=adds, removed=removes)
        for number, group in self.groups.items():
            if number != by:
                group.process(staged.sealed, sender=device(by).id, aad=aad, expected=expected, check=accept)
        self.groups[by].merge()
        for number in removes:
            del self.groups[number]
        for number, package in packages.items():
            self.groups[number] = joined(staged.welcome(CREATE, COMMIT), number, package, by)
        return staged.sealed

    def send(self, by: int, plaintext: bytes = b"incident", *, to: tuple[int, ...] | None = None) -> bytes:
        """A message that these members (all others) open; its sealed content."""
        step = self.step()
        aad = sha256(repr(step).encode())
        sealed = self.groups[by].seal(plaintext, aad=aad, random=randomness(step))
        for number in self.groups if to is None else to:
            if number != by:
                assert self.groups[number].open(sealed, sender=device(by).id, aad=aad) == plaintext
        return sealed

    def restart(self) -> None:
        """Everybody goes on from the stored state."""
        self.groups = {
            number: ENGINE.restore(group.state(), device(number).key) for number, group in self.groups.items()
        }

    def check_agreement(self) -> None:
        """All are in one epoch, with the same members and the same secrets."""
        groups = list(self.groups.values())
        assert {group.epoch for group in groups} == {groups[0].epoch}
        assert all(list(group.members.items()) == list(groups[0].members.items()) for group in groups)
        assert set(groups[0].members) == {device(number).id for number in self.groups}
        assert len({group.export("amanah test", b"context", 32) for group in groups}) == 1


def circle(*numbers: int) -> Circle:
    """A room created by device 0, who added these."""
    room = Circle()
    if numbers:
        room.commit(0, adds=numbers)
    return room
