from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from amanah_protocol import cbor
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, PeerError, UsageError, VerifyError
from amanah_protocol.group.flat.group import FlatGroup
from amanah_protocol.group.flat.members import Members, decode_members
from amanah_protocol.group.flat.schedule import derive_epoch
from amanah_protocol.group.flat.staged import StagedCommit
from amanah_protocol.group.flat.welcome import Binding, EpochInfo, Welcome, decode_welcome, seal_welcome
from amanah_protocol.group.seam import CheckCredential, Credential, OwnKeyPackage
from amanah_protocol.limits import MAX_HANDSHAKE_BYTES
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.protocol.group.circle import AAD, COMMIT, CREATE, ENGINE, ROOM, circle, created, key_package
from tests.protocol.group.devices import NOW_MS, accept, device, randomness


@dataclass(slots=True)
class Invitation:
    """Device 0, in a room with 1, adds 2 and 3; device 2 is to join."""

    committer: FlatGroup
    staged: StagedCommit
    package: OwnKeyPackage
    sealed: bytes

    @classmethod
    def make(cls) -> Invitation:
        committer = circle(1).groups[0]
        packages = [key_package(number) for number in (2, 3)]
        adds = tuple(package.public for package in packages)
        staged = committer.stage_commit(adds=adds, removes=(), aad=AAD, random=randomness(0))
        return cls(committer, staged, packages[0], staged.welcome(CREATE, COMMIT).sealed)

    @property
    def welcome(self) -> Welcome:
        return decode_welcome(self.sealed)

    def join(
        self,
        sealed: bytes | None = None,
        *,
        tree: bytes | None = None,
        room: RoomId = ROOM,
        create_id: EnvelopeId = CREATE,
        commit_id: EnvelopeId = COMMIT,
        sender: int = 0,
        privates: dict[bytes, bytes] | None = None,
        number: int = 2,
        check: CheckCredential = accept,
    ) -> FlatGroup:
        group, reference = ENGINE.join(
            self.sealed if sealed is None else sealed,
            tree,
            room=room,
            create_id=create_id,
            commit_id=commit_id,
            sender=device(sender).id,
            privates={self.package.reference: self.package.private} if privates is None else privates,
            key=device(number).key,
            check=check,
        )
        assert reference == self.package.reference
        return group

    def refused(
        self,
        sealed: bytes | None = None,
        **how: Any,  # noqa: ANN401 - the arguments of `join`, by name
    ) -> tuple[type[PeerError], Code]:
        with pytest.raises(PeerError) as refused:
            self.join(sealed, **how)
        return type(refused.value), refused.value.code

    def resealed(self, info: EpochInfo) -> bytes:
        """The welcome as a dishonest committer would make it, with true keys and another info."""
        ephemeral, packages = self.staged.ephemeral, self.staged.transition.packages
        binding = Binding(room=ROOM, create_id=CREATE, commit_id=COMMIT, committer=device(0).id)
        return seal_welcome(self.staged.secret, info, binding=binding, ephemeral=ephemeral, packages=packages).encode()

    def info_of(self, members: Members) -> EpochInfo:
        """A consistent info over other members."""
        origin = self.staged.commit.origin
        epoch = derive_epoch(self.staged.secret, room=ROOM, epoch=2, origin=origin, members=members)
        return EpochInfo(epoch=2, origin=origin, confirmation=epoch.confirmation, members=members)


def test_a_joiner_is_in_the_committer_s_epoch_with_the_same_members() -> None:
    offer = Invitation.make()
    group = offer.join()
    offer.committer.merge()
    assert (group.room, group.epoch, group.pending) == (ROOM, 2, None)
    assert list(group.members.items()) == list(offer.committer.members.items())
    assert group.export("label", b"", 32) == offer.committer.export("label", b"", 32)
    sealed = group.seal(b"present", aad=AAD, random=randomness(1))
    assert offer.committer.open(sealed, sender=device(2).id, aad=AAD) == b"present"


def test_a_joiner_reads_nothing_of_the_epoch_before() -> None:
    room = circle(1)
    sealed = room.send(0)
    room.commit(0, adds=(2,))
    with pytest.raises(VerifyError):
        room.groups[2].open(sealed, sender=device(0).id, aad=AAD)


@pytest.mark.parametrize(
    "how",
    [
        {"room": RoomId(bytes(16))},
        {"create_id": EnvelopeId(bytes(32))},
        {"commit_id": EnvelopeId(bytes(32))},
        {"sender": 1},
        {"tree": b"tree"},
    ],
)
def test_a_welcome_of_another_room_create_commit_or_sender_is_refused(how: dict[str, Any]) -> None:
    assert Invitation.make().refused(**how) == (VerifyError, Code.BINDING)


@pytest.mark.parametrize("part", ["room", "create_id", "commit_id", "committer"])
def test_a_welcome_rewritten_to_another_place_does_not_open(part: str) -> None:
    offer = Invitation.make()
    other: Any = {
        "room": RoomId(bytes(16)),
        "create_id": EnvelopeId(bytes(32)),
        "commit_id": EnvelopeId(bytes(32)),
        "committer": device(1).id,
    }[part]
    binding = replace(offer.welcome.binding, **{part: other})
    moved = replace(offer.welcome, binding=binding).encode()
    sender = 1 if part == "committer" else 0
    how: dict[str, Any] = {} if part == "committer" else {part: other}
    assert offer.refused(moved, sender=sender, **how) == (VerifyError, Code.OPEN)


def test_a_key_package_that_was_used_before_opens_no_welcome() -> None:
    assert Invitation.make().refused(privates={}) == (VerifyError, Code.OPEN)


def test_a_welcome_for_another_device_does_not_open() -> None:
    stranger = key_package(4)
    refused = Invitation.make().refused(privates={stranger.reference: stranger.private}, number=4)
    assert refused == (VerifyError, Code.OPEN)


def test_a_welcome_does_not_open_with_another_key_under_its_reference() -> None:
    offer = Invitation.make()
    privates = {offer.package.reference: key_package(4).private}
    assert offer.refused(privates=privates) == (VerifyError, Code.OPEN)


def test_a_welcome_to_the_own_key_package_for_another_device_key_is_refused() -> None:
    assert Invitation.make().refused(number=4) == (VerifyError, Code.BINDING)


def test_a_joiner_whose_leaf_is_another_key_than_its_own_refuses() -> None:
    offer = Invitation.make()
    true = offer.staged.transition.members
    altered = [
        replace(member, leaf=device(9).key.public) if member.device == device(2).id else member
        for member in true.leaves
    ]
    assert offer.join(offer.resealed(offer.info_of(true))).epoch == 2
    forged = offer.resealed(offer.info_of(Members(leaves=tuple(altered))))
    assert offer.refused(forged) == (VerifyError, Code.BINDING)


def test_a_committer_who_is_not_among_the_members_is_refused() -> None:
    offer = Invitation.make()
    without = Members(leaves=offer.staged.transition.members.leaves[1:])
    assert offer.refused(offer.resealed(offer.info_of(without))) == (VerifyError, Code.BINDING)


def test_members_that_do_not_belong_to_the_confirmed_secret_are_refused() -> None:
    offer = Invitation.make()
    without = Members(leaves=offer.staged.transition.members.leaves[:-1])
    true = offer.info_of(offer.staged.transition.members)
    assert offer.refused(offer.resealed(replace(true, members=without))) == (VerifyError, Code.OPEN)


def test_a_welcome_is_refused_when_the_credential_of_any_member_is() -> None:
    asked = []

    def check(credential: Credential) -> DeviceId:
        asked.append(accept(credential))
        if asked[-1] == device(3).id:
            raise VerifyError(Code.REVOKED, "revoked")
        return asked[-1]

    assert Invitation.make().refused(check=check) == (VerifyError, Code.REVOKED)
    assert asked == [device(number).id for number in (0, 1, 2, 3)]


def test_a_welcome_is_refused_when_a_credential_is_of_another_device() -> None:
    assert Invitation.make().refused(check=lambda _: device(5).id) == (VerifyError, Code.KEY_ID)


FLAWS: list[Callable[[Welcome], Welcome]] = [
    lambda w: replace(w, ephemeral=device(7).key.public),
    lambda w: replace(w, ephemeral=bytes(32)),
    lambda w: replace(w, secrets=dict.fromkeys(w.secrets, bytes(48))),
    lambda w: replace(w, secrets=dict(zip(w.secrets, reversed(w.secrets.values()), strict=True))),
    lambda w: replace(w, info=w.info[:-1] + bytes([w.info[-1] ^ 1])),
    lambda w: replace(w, info=b""),
    lambda w: replace(w, secrets={}),
]


@pytest.mark.parametrize("mutate", FLAWS)
def test_a_welcome_with_one_part_changed_does_not_open(mutate: Callable[[Welcome], Welcome]) -> None:
    offer = Invitation.make()
    assert offer.refused(mutate(offer.welcome).encode()) == (VerifyError, Code.OPEN)


@pytest.mark.parametrize(
    ("position", "value", "code"),
    [
        (0, 2, Code.UNKNOWN_VERSION),
        (1, b"", Code.BAD_TYPE),
        (6, [[bytes(32), bytes(47)]], Code.BAD_TYPE),
        (6, [[bytes(32), bytes(48)], [bytes(32), bytes(48)]], Code.BAD_TYPE),
        (7, "text", Code.BAD_TYPE),
    ],
)
def test_a_welcome_with_a_field_that_does_not_parse_is_refused(position: int, value: object, code: Code) -> None:
    offer = Invitation.make()
    fields = cbor.decode(offer.sealed, max_bytes=MAX_HANDSHAKE_BYTES)
    assert isinstance(fields, list)
    altered = [value if place == position else field for place, field in enumerate(fields)]
    assert offer.refused(cbor.encode(altered)) == (DecodeError, code)


def test_the_same_envelopes_give_the_same_welcome_and_others_share_no_key_with_it() -> None:
    offer = Invitation.make()
    assert offer.staged.welcome(CREATE, COMMIT).sealed == offer.sealed
    other = decode_welcome(offer.staged.welcome(CREATE, EnvelopeId(sha256(b"later commit"))).sealed)
    assert set(other.secrets) == set(offer.welcome.secrets)
    assert not set(other.secrets.values()) & set(offer.welcome.secrets.values())
    same_start = [a for a, b in zip(other.info, offer.welcome.info, strict=True) if a == b]
    assert len(same_start) < len(other.info) // 8


def test_the_members_of_a_welcome_are_sealed() -> None:
    offer = Invitation.make()
    for number in range(4):
        assert device(number).credential.certificate not in offer.sealed


def large_package(number: int) -> bytes:
    owner = device(number)
    credential = replace(owner.credential, enrolment=number.to_bytes(2, "big") * 7_000)
    package = ENGINE.make_key_package(
        owner.key, credential, now_ms=NOW_MS, last_resort=False, random=randomness(number)
    )
    return package.public


def test_a_commit_whose_welcome_would_be_too_large_is_not_staged() -> None:
    group = created()
    packages = [large_package(number) for number in range(1, 161)]
    group.stage_commit(adds=tuple(packages[:80]), removes=(), aad=AAD, random=randomness(0))
    group.merge()
    with pytest.raises(UsageError) as refused:
        group.stage_commit(adds=tuple(packages[80:]), removes=(), aad=AAD, random=randomness(0))
    assert refused.value.code is Code.TOO_LARGE
    assert group.pending is None


def encoded_members() -> list[object]:
    members = circle(1).groups[0].members
    assert len(members) == 2
    rows = [[owner, credential.certificate, 0, device(0).key.public] for owner, credential in members.items()]
    return [[device(0).credential.enrolment], rows]


def test_members_decode_to_what_was_encoded() -> None:
    data = cbor.encode(encoded_members())
    assert decode_members(data).encoded == data


@pytest.mark.parametrize(
    ("mutate", "code"),
    [
        (lambda table, rows: [table, [*rows, rows[0]]], Code.BAD_TYPE),
        (lambda table, _: [table, []], Code.BAD_TYPE),
        (lambda table, rows: [[*table, b"\xff"], rows], Code.NOT_CANONICAL),
        (lambda _, rows: [[], rows], Code.BAD_TYPE),
        (lambda table, rows: [table, [row[:3] for row in rows]], Code.BAD_TYPE),
    ],
)
def test_members_that_are_not_the_one_encoding_of_themselves_are_refused(
    mutate: Callable[[list[object], list[list[object]]], object], code: Code
) -> None:
    table, rows = encoded_members()
    assert isinstance(table, list)
    assert isinstance(rows, list)
    with pytest.raises(DecodeError) as refused:
        decode_members(cbor.encode(mutate(table, rows)))
    assert refused.value.code is code
