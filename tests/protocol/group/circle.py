"""A room of several devices in memory: every member's group, and commits that reach all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from amanah_client.encapsulation import encapsulate
from amanah_protocol.crypto import sha256
from amanah_protocol.group.room_engine import RoomEngine
from amanah_protocol.group.room_group import RoomGroup, StagedCommit
from amanah_protocol.group.seam import Binding, Changed, Credential, OwnKeyPackage, Random
from amanah_protocol.group.suites import CLASSICAL, SUPPORTED
from amanah_protocol.mls.suites import X25519_CHACHA20POLY1305, Suite, xwing_aes128gcm
from amanah_protocol.types import EnvelopeId, RoomId
from tests.protocol.group.devices import NOW_MS, accept, device, randomness

ROOM: Final = RoomId(bytes(range(16)))
POLICY: Final = b"policy"
CREATE: Final = EnvelopeId(sha256(b"create"))
COMMIT: Final = EnvelopeId(sha256(b"commit"))
AAD: Final = sha256(b"header")


SUITES: Final[dict[int, Suite]] = {
    suite.number: suite for suite in (xwing_aes128gcm(encapsulate), X25519_CHACHA20POLY1305)
}
ENGINES: Final = {number: RoomEngine(SUITES[number]) for number in SUPPORTED}
"""An engine of each room suite; what it makes of one seed is the same each time, but for post-quantum encapsulation."""


def binding(by: int = 0) -> Binding:
    """What a welcome by device `by` belongs to."""
    return Binding(room=ROOM, policy=POLICY, create_id=CREATE, commit_id=COMMIT, sender=device(by).id)


def key_package(number: int, seed: object = 0, *, suite: int = CLASSICAL, last_resort: bool = False) -> OwnKeyPackage:
    """A key package of device `number`."""
    owner = device(number)
    source = randomness(("key package", number, seed))
    return ENGINES[suite].make_key_package(
        owner.key, owner.credential, now_ms=NOW_MS, last_resort=last_resort, random=source
    )


def changed(*, added: tuple[int, ...] = (), removed: tuple[int, ...] = ()) -> Changed:
    """What a header says of devices by number."""
    return Changed(
        added=tuple(sorted(device(number).id for number in added)),
        removed=tuple(sorted(device(number).id for number in removed)),
    )


def created(number: int = 0, seed: object = 0, *, suite: int = CLASSICAL) -> RoomGroup:
    """A new room of device `number`."""
    creator = device(number)
    return ENGINES[suite].create(
        ROOM, creator.key, creator.credential, policy=POLICY, now_ms=NOW_MS, random=randomness(("create", number, seed))
    )


def staged(
    group: RoomGroup,
    by: int = 0,
    *,
    adds: tuple[bytes, ...] = (),
    removes: tuple[int, ...] = (),
    aad: bytes = AAD,
    credential: Credential | None = None,
    random: Random | None = None,
) -> StagedCommit:
    """A commit of device `by` with these key packages and without these devices."""
    return group.stage_commit(
        adds=adds,
        removes=tuple(device(number).id for number in removes),
        credential=credential or device(by).credential,
        aad=aad,
        random=random or randomness(("stage", by, adds, removes, aad)),
    )


def joined(
    sealed: bytes,
    tree: bytes | None,
    number: int,
    package: OwnKeyPackage,
    committer: int = 0,
    *,
    suite: int = CLASSICAL,
) -> RoomGroup:
    """The group of device `number`, by a welcome to that key package."""
    group, reference = ENGINES[suite].join(
        sealed,
        tree,
        binding(committer),
        privates={package.reference: package.private},
        key=device(number).key,
        check=accept,
    )
    assert reference == package.reference
    return group


def restored(group: RoomGroup, number: int, *, suite: int = CLASSICAL) -> RoomGroup:
    """The group as device `number` has it after a restart."""
    return ENGINES[suite].restore(group.epoch_state(), group.message_state(), device(number).key)


@dataclass(slots=True, kw_only=True)
class Circle:
    """Groups by number of device; each step draws other randomness."""

    suite: int = CLASSICAL
    seed: object = 0
    groups: dict[int, RoomGroup] = field(default_factory=dict)
    steps: int = 0
    aad: bytes = b""

    def __post_init__(self) -> None:
        self.groups.setdefault(0, created(seed=self.seed, suite=self.suite))

    def step(self) -> object:
        self.steps += 1
        self.aad = sha256(repr((self.seed, self.steps)).encode())
        return (self.seed, self.steps)

    def commit(self, by: int, *, adds: tuple[int, ...] = (), removes: tuple[int, ...] = ()) -> bytes:
        """A commit that wins, and everybody in its epoch afterwards; its sealed content."""
        step = self.step()
        packages = {number: key_package(number, step, suite=self.suite) for number in adds}
        own = staged(
            self.groups[by],
            by,
            adds=tuple(package.public for package in packages.values()),
            removes=removes,
            aad=self.aad,
            random=randomness(step),
        )
        expected = changed(added=adds, removed=removes)
        for number, group in self.groups.items():
            if number != by:
                group.process(own.sealed, sender=device(by).id, aad=self.aad, expected=expected, check=accept)
        self.groups[by].merge()
        for number in removes:
            del self.groups[number]
        if packages:
            welcome = own.welcome(CREATE, COMMIT, random=randomness((step, "welcome")))
            for number, package in packages.items():
                self.groups[number] = joined(welcome, own.tree, number, package, by, suite=self.suite)
        return own.sealed

    def send(self, by: int, plaintext: bytes = b"incident", *, to: tuple[int, ...] | None = None) -> bytes:
        """A message that these members (all others) open; its sealed content."""
        step = self.step()
        sealed = self.groups[by].seal(plaintext, aad=self.aad, random=randomness(step))
        for number in self.groups if to is None else to:
            if number != by:
                assert self.groups[number].open(sealed, sender=device(by).id, aad=self.aad) == plaintext
        return sealed

    def restart(self) -> None:
        """Everybody goes on from the stored state."""
        self.groups = {number: restored(group, number, suite=self.suite) for number, group in self.groups.items()}

    def check_agreement(self) -> None:
        """All are in one epoch, with the same members and the same secrets."""
        groups = list(self.groups.values())
        assert {group.epoch for group in groups} == {groups[0].epoch}
        assert all(list(group.members.items()) == list(groups[0].members.items()) for group in groups)
        assert set(groups[0].members) == {device(number).id for number in self.groups}
        assert len({group.export("amanah test", b"context", 32) for group in groups}) == 1


def circle(*numbers: int, suite: int = CLASSICAL) -> Circle:
    """A room created by device 0, who added these."""
    room = Circle(suite=suite)
    if numbers:
        room.commit(0, adds=numbers)
    return room
