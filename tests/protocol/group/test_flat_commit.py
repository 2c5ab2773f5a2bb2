from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from amanah_protocol import cbor
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, PeerError, VerifyError
from amanah_protocol.group.flat.commit import Commit, decode_commit
from amanah_protocol.group.flat.members import Member, Members
from amanah_protocol.group.seam import Changed, CheckCredential, Credential
from amanah_protocol.limits import MAX_HANDSHAKE_BYTES, MAX_MEMBERS, MAX_NAMED_DEVICES
from amanah_protocol.types import DeviceId, RoomId
from tests.protocol.group.circle import AAD, Circle, changed, circle, created, key_package
from tests.protocol.group.devices import accept, device, randomness

EXPECTED = changed(added=(4,), removed=(3,))


@dataclass(slots=True)
class Offer:
    """A commit of device 0 that adds 4 and removes 3, and member 1 who is to process it."""

    room: Circle
    sealed: bytes

    @classmethod
    def make(cls) -> Offer:
        room = circle(1, 2, 3)
        adds, removes = (key_package(4).public,), (device(3).id,)
        staged = room.groups[0].stage_commit(adds=adds, removes=removes, aad=AAD, random=randomness(0))
        return cls(room, staged.sealed)

    @property
    def commit(self) -> Commit:
        return decode_commit(self.sealed, device(0).id)

    def process(
        self,
        sealed: bytes | None = None,
        *,
        sender: int = 0,
        aad: bytes = AAD,
        expected: Changed = EXPECTED,
        check: CheckCredential = accept,
        member: int = 1,
    ) -> None:
        self.room.groups[member].process(
            self.sealed if sealed is None else sealed,
            sender=device(sender).id,
            aad=aad,
            expected=expected,
            check=check,
        )

    def refused(
        self,
        sealed: bytes | None = None,
        **how: Any,  # noqa: ANN401 - the arguments of `process`, by name
    ) -> tuple[type[PeerError], Code]:
        group = self.room.groups[1]
        before = group.state()
        with pytest.raises(PeerError) as refused:
            self.process(sealed, **how)
        assert group.state() == before
        self.process()
        assert group.epoch == 2
        return type(refused.value), refused.value.code


def test_a_commit_is_applied_by_who_stays_and_by_who_leaves() -> None:
    offer = Offer.make()
    for member in (1, 2, 3):
        offer.process(member=member)
    offer.room.groups[0].merge()
    leaving = offer.room.groups.pop(3)
    assert leaving.epoch == 2
    stayed = [offer.room.groups[member].export("label", b"", 32) for member in (0, 1, 2)]
    assert len(set(stayed)) == 1


def test_a_commit_for_another_header_is_refused() -> None:
    assert Offer.make().refused(aad=sha256(b"another header")) == (VerifyError, Code.BINDING)


def test_a_commit_of_a_device_that_is_not_a_member_is_refused() -> None:
    assert Offer.make().refused(sender=5) == (VerifyError, Code.NOT_MEMBER)


def test_a_commit_under_another_member_s_name_is_refused() -> None:
    assert Offer.make().refused(sender=2) == (VerifyError, Code.OPEN)


def test_a_commit_in_the_own_name_is_not_processed() -> None:
    assert Offer.make().refused(sender=1) == (VerifyError, Code.OPEN)


@pytest.mark.parametrize(
    "expected",
    [
        changed(removed=(3,)),
        changed(added=(4,)),
        changed(added=(4, 5), removed=(3,)),
        changed(added=(3,), removed=(4,)),
    ],
)
def test_a_commit_that_does_something_else_than_its_header_says_is_refused(expected: Changed) -> None:
    assert Offer.make().refused(expected=expected) == (VerifyError, Code.REFUSED_COMMIT)


def test_a_commit_is_refused_when_the_credential_of_a_joiner_is() -> None:
    def check(credential: Credential) -> DeviceId:
        assert credential == device(4).credential
        raise VerifyError(Code.REVOKED, "revoked")

    assert Offer.make().refused(check=check) == (VerifyError, Code.REVOKED)


def test_a_commit_is_refused_when_a_credential_is_of_another_device() -> None:
    assert Offer.make().refused(check=lambda _: device(5).id) == (VerifyError, Code.KEY_ID)


def with_changes(commit: Commit, **changes: Any) -> bytes:  # noqa: ANN401 - fields of `Changes`, by name
    return replace(commit, changes=replace(commit.changes, **changes)).encode()


FLAWS: list[tuple[str, Callable[[Commit], bytes], Code]] = [
    ("another room", lambda c: with_changes(c, room=RoomId(bytes(16))), Code.BINDING),
    ("another epoch", lambda c: with_changes(c, epoch=2), Code.BINDING),
    ("another leaf key", lambda c: with_changes(c, leaf=device(7).key.public), Code.OPEN),
    ("a leaf key of low order", lambda c: with_changes(c, leaf=bytes(32)), Code.REFUSED_COMMIT),
    ("nobody added", lambda c: with_changes(c, adds=()), Code.REFUSED_COMMIT),
    ("nobody removed", lambda c: with_changes(c, removes=()), Code.REFUSED_COMMIT),
    ("another key package", lambda c: with_changes(c, adds=(key_package(4, 1).public,)), Code.OPEN),
    ("a secret too few", lambda c: replace(c, sealed=c.sealed[:-1]).encode(), Code.REFUSED_COMMIT),
    ("a secret too many", lambda c: replace(c, sealed=(*c.sealed, bytes(48))).encode(), Code.REFUSED_COMMIT),
    ("another member's secret", lambda c: replace(c, sealed=(c.sealed[0], bytes(48))).encode(), Code.OPEN),
    ("secrets exchanged", lambda c: replace(c, sealed=c.sealed[::-1]).encode(), Code.OPEN),
    ("another ephemeral key", lambda c: replace(c, ephemeral=device(7).key.public).encode(), Code.OPEN),
    ("an ephemeral key of low order", lambda c: replace(c, ephemeral=bytes(32)).encode(), Code.OPEN),
    ("another confirmation", lambda c: replace(c, confirmation=bytes(32)).encode(), Code.OPEN),
]


@pytest.mark.parametrize(("mutate", "code"), [flaw[1:] for flaw in FLAWS], ids=[flaw[0] for flaw in FLAWS])
def test_a_commit_with_one_part_changed_is_refused_and_changes_nothing(
    mutate: Callable[[Commit], bytes], code: Code
) -> None:
    offer = Offer.make()
    assert offer.refused(mutate(offer.commit)) == (VerifyError, code)


def test_a_key_package_in_a_commit_that_another_signed_is_refused() -> None:
    offer = Offer.make()
    damaged = bytearray(key_package(4).public)
    damaged[-1] ^= 1
    sealed = with_changes(offer.commit, adds=(bytes(damaged),))
    assert offer.refused(sealed) == (VerifyError, Code.SIGNATURE)


def test_removing_the_committer_is_refused_though_the_header_says_so() -> None:
    offer = Offer.make()
    sealed = with_changes(offer.commit, removes=(device(0).id,))
    expected = changed(added=(4,), removed=(0,))
    assert offer.refused(sealed, expected=expected) == (VerifyError, Code.REFUSED_COMMIT)


@pytest.mark.parametrize(
    ("position", "value", "code"),
    [
        (0, 2, Code.UNKNOWN_VERSION),
        (1, bytes(15), Code.BAD_TYPE),
        (2, 2**32 + 1, Code.BAD_TYPE),
        (4, [1], Code.BAD_TYPE),
        (5, [bytes(32), bytes(32)], Code.BAD_TYPE),
        (8, [bytes(47)], Code.BAD_TYPE),
        (9, None, Code.BAD_TYPE),
    ],
)
def test_a_commit_with_a_field_that_does_not_parse_is_refused(position: int, value: object, code: Code) -> None:
    offer = Offer.make()
    fields = cbor.decode(offer.sealed, max_bytes=MAX_HANDSHAKE_BYTES)
    assert isinstance(fields, list)
    altered = [value if place == position else field for place, field in enumerate(fields)]
    assert offer.refused(cbor.encode(altered)) == (DecodeError, code)


def test_a_commit_with_any_sampled_bit_flipped_is_refused_and_changes_nothing() -> None:
    offer = Offer.make()
    group = offer.room.groups[1]
    before = group.state()
    for bit in range(0, len(offer.sealed) * 8, 13):
        flipped = bytearray(offer.sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(PeerError):
            offer.process(bytes(flipped))
        assert group.state() == before
    offer.process()
    assert group.epoch == 2


def test_a_committer_cannot_give_members_different_secrets() -> None:
    offer = Offer.make()
    other = offer.room.groups[0]
    other.discard()
    adds, removes = (key_package(4).public,), (device(3).id,)
    # The same leaf key, hence the same changes: only the secret differs.
    source = randomness(0)
    leaf = source(32)
    draws = iter([leaf, b"\x11" * 32, b"\x22" * 32, b"\x33" * 32])
    staged = other.stage_commit(adds=adds, removes=removes, aad=AAD, random=lambda _: next(draws))
    forked = decode_commit(staged.sealed, device(0).id)
    assert forked.changes == offer.commit.changes
    mixed = replace(forked, confirmation=offer.commit.confirmation)
    assert offer.refused(mixed.encode()) == (VerifyError, Code.OPEN)


def members_of(count: int) -> Members:
    credential = Credential(certificate=b"", enrolment=b"")
    return Members(
        leaves=tuple(
            Member(device=DeviceId(number.to_bytes(32, "big")), credential=credential, leaf=bytes(32))
            for number in range(count)
        )
    )


@pytest.mark.parametrize(
    ("members", "added", "removed", "flawed"),
    [
        (10, range(10, 10 + MAX_NAMED_DEVICES), [], False),
        (10, range(10, 11 + MAX_NAMED_DEVICES), [], True),
        (100, range(100, 195), [1], False),
        (100, range(100, 196), [1], True),
        (MAX_MEMBERS - 1, [2_000], [], False),
        (MAX_MEMBERS, [2_000], [], True),
        (MAX_MEMBERS, [2_000], [5], False),
    ],
)
def test_a_commit_names_at_most_96_devices_and_a_room_has_at_most_a_thousand(
    members: int, added: range | list[int], removed: list[int], *, flawed: bool
) -> None:
    here = members_of(members)
    flaw = here.flaw(
        committer=here.leaves[0].device,
        added=[DeviceId(number.to_bytes(32, "big")) for number in added],
        removed=[DeviceId(number.to_bytes(32, "big")) for number in removed],
    )
    assert (flaw is not None) == flawed


def test_a_creator_alone_may_commit_and_heals_itself() -> None:
    group = created()
    secret = group.export("label", b"", 32)
    group.stage_commit(adds=(), removes=(), aad=AAD, random=randomness(0))
    group.merge()
    assert group.epoch == 1
    assert group.export("label", b"", 32) != secret
