from __future__ import annotations

import pytest

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import AmanahError, Code, DecodeError, UsageError, VerifyError
from amanah_protocol.group.flat.group import FlatGroup
from amanah_protocol.group.flat.message import decode_message
from amanah_protocol.group.flat.staged import StagedCommit
from amanah_protocol.group.seam import Group, Staged
from amanah_protocol.limits import MAX_CONTENT_BYTES, MAX_PLAINTEXT_BYTES
from amanah_protocol.types import RoomId
from tests.protocol.group.circle import AAD, COMMIT, CREATE, ENGINE, ROOM, changed, circle, created, key_package
from tests.protocol.group.devices import accept, device, randomness

OTHER_AAD = sha256(b"another header")


def refused_open(group: FlatGroup, sealed: bytes, sender: int, aad: bytes = AAD) -> Code:
    """The code of a refusal that leaves the state as it was."""
    before = group.state()
    with pytest.raises(VerifyError) as refused:
        group.open(sealed, sender=device(sender).id, aad=aad)
    assert group.state() == before
    return refused.value.code


def test_a_new_room_is_at_epoch_zero_with_its_creator_alone() -> None:
    group: Group = created()
    assert (group.room, group.epoch, group.pending) == (ROOM, 0, None)
    assert dict(group.members) == {device(0).id: device(0).credential}


def test_a_room_is_not_created_with_the_certificate_of_another_device() -> None:
    with pytest.raises(UsageError) as refused:
        ENGINE.create(ROOM, device(0).key, device(1).credential, random=randomness(0))
    assert refused.value.code is Code.KEY_ID


def test_members_stand_in_order_of_leaves_and_new_ones_behind_the_others() -> None:
    room = circle(2, 1)
    room.commit(1, adds=(3,), removes=(2,))
    assert list(room.groups[3].members) == [device(number).id for number in (0, 1, 3)]


def test_a_message_opens_for_every_member_and_for_no_other_header() -> None:
    room = circle(1, 2)
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(0))
    assert refused_open(room.groups[1], sealed, 0, OTHER_AAD) is Code.BINDING
    for member in (1, 2):
        assert room.groups[member].open(sealed, sender=device(0).id, aad=AAD) == b"incident"


def test_a_replayed_message_is_refused() -> None:
    room = circle(1)
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(0))
    room.groups[1].open(sealed, sender=device(0).id, aad=AAD)
    assert refused_open(room.groups[1], sealed, 0) is Code.REPLAY


def test_an_own_message_that_comes_back_is_refused() -> None:
    room = circle(1)
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(0))
    assert refused_open(room.groups[0], sealed, 0) is Code.REPLAY


def test_a_message_under_another_member_s_name_does_not_open() -> None:
    room = circle(1, 2)
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(0))
    assert refused_open(room.groups[1], sealed, 2) is Code.OPEN


def test_a_message_of_a_device_that_is_not_in_the_room_is_refused() -> None:
    room = circle(1)
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(0))
    assert refused_open(room.groups[1], sealed, 3) is Code.NOT_MEMBER


def test_a_message_of_another_epoch_is_refused() -> None:
    room = circle(1, 2)
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(0))
    room.commit(2)
    assert refused_open(room.groups[1], sealed, 0) is Code.BINDING


def test_a_message_of_another_room_is_refused() -> None:
    room = circle(1)
    elsewhere = ENGINE.create(RoomId(bytes(16)), device(0).key, device(0).credential, random=randomness(0))
    sealed = elsewhere.seal(b"incident", aad=AAD, random=randomness(0))
    assert refused_open(room.groups[1], sealed, 0) is Code.BINDING


def test_messages_open_out_of_order_and_skip_at_most_a_thousand() -> None:
    room = circle(1)
    sealed = [room.groups[0].seal(b"%d" % n, aad=AAD, random=randomness(n)) for n in range(1_003)]
    assert refused_open(room.groups[1], sealed[1_001], 0) is Code.GENERATION
    for n in (2, 0, 1, 1_002):
        assert room.groups[1].open(sealed[n], sender=device(0).id, aad=AAD) == b"%d" % n


def test_a_message_with_any_single_bit_flipped_is_refused_and_changes_nothing() -> None:
    room = circle(1)
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(0))
    before = room.groups[1].state()
    for bit in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises((DecodeError, VerifyError)):
            room.groups[1].open(bytes(flipped), sender=device(0).id, aad=AAD)
        assert room.groups[1].state() == before
    assert room.groups[1].open(sealed, sender=device(0).id, aad=AAD) == b"incident"


def test_a_message_of_another_version_is_refused() -> None:
    room = circle(1)
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(0))
    with pytest.raises(DecodeError) as refused:
        room.groups[1].open(sealed[:1] + b"\x02" + sealed[2:], sender=device(0).id, aad=AAD)
    assert refused.value.code is Code.UNKNOWN_VERSION


def test_the_largest_plaintext_fits_and_what_no_envelope_takes_is_not_sealed() -> None:
    room = circle(1)
    sealed = room.groups[0].seal(bytes(MAX_PLAINTEXT_BYTES), aad=AAD, random=randomness(0))
    assert len(sealed) < MAX_PLAINTEXT_BYTES + 128
    before = room.groups[0].state()
    with pytest.raises(UsageError) as refused:
        room.groups[0].seal(bytes(MAX_CONTENT_BYTES), aad=AAD, random=randomness(0))
    assert refused.value.code is Code.TOO_LARGE
    assert room.groups[0].state() == before


def test_a_restored_old_state_seals_under_another_nonce() -> None:
    group = created()
    old = group.state()
    first = group.seal(b"incident", aad=AAD, random=randomness("before"))
    second = ENGINE.restore(old, device(0).key).seal(b"incident", aad=AAD, random=randomness("after"))
    (place, ciphertext), (again, other) = decode_message(first), decode_message(second)
    assert place.generation == again.generation
    assert place.guard != again.guard
    assert ciphertext != other


def test_a_member_that_was_removed_can_do_nothing_more_in_the_room() -> None:
    room = circle(1, 2)
    removed = room.groups[2]
    room.commit(0, removes=(2,))
    assert removed.epoch == room.groups[0].epoch
    assert device(2).id not in removed.members
    room.groups[2] = ENGINE.restore(removed.state(), device(2).key)
    for attempt in (
        lambda: removed.seal(b"", aad=AAD, random=randomness(0)),
        lambda: removed.export("label", b"", 32),
        lambda: removed.stage_commit(adds=(), removes=(), aad=AAD, random=randomness(0)),
    ):
        with pytest.raises(UsageError) as refused:
            attempt()
        assert refused.value.code is Code.NOT_MEMBER
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=randomness(0))
    assert refused_open(removed, sealed, 0) is Code.NOT_MEMBER
    staged = room.groups[0].stage_commit(adds=(), removes=(), aad=AAD, random=randomness(0))
    with pytest.raises(VerifyError) as refused_commit:
        removed.process(staged.sealed, sender=device(0).id, aad=AAD, expected=changed(), check=accept)
    assert refused_commit.value.code is Code.NOT_MEMBER


def test_a_member_that_was_removed_comes_back_by_another_welcome() -> None:
    room = circle(1, 2)
    room.commit(0, removes=(2,))
    room.commit(1, adds=(2,))
    room.check_agreement()
    room.send(2)


def test_staging_leaves_the_group_in_its_epoch_until_merge() -> None:
    room = circle(1)
    secret = room.groups[0].export("label", b"", 32)
    staged: Staged = room.groups[0].stage_commit(adds=(), removes=(), aad=AAD, random=randomness(0))
    assert room.groups[0].pending is staged
    assert room.groups[0].epoch == 1
    assert room.groups[0].export("label", b"", 32) == secret
    room.send(0)
    merged = room.groups[0]
    merged.merge()
    assert (merged.pending, merged.epoch) == (None, 2)
    assert merged.export("label", b"", 32) != secret


def test_a_discarded_commit_leaves_nothing_but_the_epoch_as_it_was() -> None:
    room = circle(1)
    before = room.groups[0].state()
    room.groups[0].stage_commit(adds=(), removes=(), aad=AAD, random=randomness(0))
    assert room.groups[0].state() != before
    room.groups[0].discard()
    room.groups[0].discard()
    assert room.groups[0].state() == before
    room.commit(1)
    room.check_agreement()


def test_the_loser_of_a_race_goes_on_in_the_winner_s_epoch_and_commits_again() -> None:
    room = circle(1, 2)
    for early in (True, False):
        room.groups[1].stage_commit(adds=(), removes=(device(0).id,), aad=OTHER_AAD, random=randomness(early))
        if early:
            room.groups[1].discard()
        room.commit(0)
        assert room.groups[1].pending is None
        with pytest.raises(UsageError) as refused:
            room.groups[1].merge()
        assert refused.value.code is Code.USAGE
    room.commit(1, removes=(0,))
    room.check_agreement()


def refused_stage(group: FlatGroup, *, adds: tuple[bytes, ...] = (), removes: tuple[int, ...] = ()) -> AmanahError:
    before = group.state()
    with pytest.raises((UsageError, DecodeError, VerifyError)) as refused:
        group.stage_commit(
            adds=adds, removes=tuple(device(number).id for number in removes), aad=AAD, random=randomness(0)
        )
    assert group.state() == before
    return refused.value


def test_a_second_commit_is_not_staged_while_one_is_pending() -> None:
    room = circle(1)
    room.groups[0].stage_commit(adds=(), removes=(), aad=AAD, random=randomness(0))
    assert refused_stage(room.groups[0]).code is Code.USAGE


@pytest.mark.parametrize(("adds", "removes"), [((1,), ()), ((2, 2), ()), ((), (2,)), ((), (0,)), ((1,), (1,))])
def test_a_change_that_is_not_possible_is_the_caller_s_fault(adds: tuple[int, ...], removes: tuple[int, ...]) -> None:
    room = circle(1)
    packages = tuple(key_package(number, place).public for place, number in enumerate(adds))
    error = refused_stage(room.groups[0], adds=packages, removes=removes)
    assert isinstance(error, UsageError)
    assert error.code is Code.MEMBERSHIP


def test_a_key_package_that_does_not_verify_is_not_added() -> None:
    damaged = bytearray(key_package(1).public)
    damaged[-1] ^= 1
    assert refused_stage(created(), adds=(bytes(damaged),)).code is Code.SIGNATURE


def test_naming_a_device_to_remove_twice_removes_it_once() -> None:
    room = circle(1, 2)
    twice = (device(2).id, device(2).id)
    staged = room.groups[0].stage_commit(adds=(), removes=twice, aad=AAD, random=randomness(0))
    room.groups[1].process(staged.sealed, sender=device(0).id, aad=AAD, expected=changed(removed=(2,)), check=accept)
    assert room.groups[1].epoch == 2


def test_nobody_is_welcomed_by_a_commit_that_adds_nobody() -> None:
    staged = created().stage_commit(adds=(), removes=(), aad=AAD, random=randomness(0))
    with pytest.raises(UsageError) as refused:
        staged.welcome(CREATE, COMMIT)
    assert refused.value.code is Code.USAGE


def test_exported_secrets_differ_by_label_context_length_and_epoch() -> None:
    room = circle(1)
    group = room.groups[0]
    first = group.export("amanah intake", b"", 32)
    found = {first, group.export("amanah other", b"", 32), group.export("amanah intake", b"c", 32)}
    found.add(group.export("amanah intake", b"", 64)[:32])
    room.commit(1)
    found.add(group.export("amanah intake", b"", 32))
    assert len(found) == 5


def test_an_exported_secret_has_the_length_asked_for_or_is_refused() -> None:
    assert len(created().export("label", b"", 48)) == 48
    with pytest.raises(UsageError) as refused:
        created().export("label", b"", 0)
    assert refused.value.code is Code.USAGE


def test_no_repr_shows_a_secret() -> None:
    group = circle(1).groups[0]
    staged = group.stage_commit(adds=(key_package(2).public,), removes=(), aad=AAD, random=randomness(0))
    assert isinstance(staged, StagedCommit)
    assert repr(group) == f"FlatGroup(room={ROOM.hex()}, epoch=1)"
    for secret in (staged.secret, staged.leaf.private, staged.ephemeral.private):
        assert secret.hex() not in repr(staged)
        assert repr(secret) not in repr(staged)
