from __future__ import annotations

import pytest

from amanah_protocol import limits
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, PeerError, UsageError, VerifyError
from amanah_protocol.group.room_group import MAX_SEALED_BYTES, RoomGroup
from amanah_protocol.mls.framing import PrivateMessage, decode_message, encode_message
from amanah_protocol.mls.rules import Rule
from amanah_protocol.types import RoomId
from tests.protocol.group.circle import AAD, ENGINES, POLICY, Circle, circle, restored, staged
from tests.protocol.group.devices import NOW_MS, device, randomness
from tests.protocol.group.rogue import both, lawless, refuses


@pytest.fixture(name="room")
def _room(suite: int) -> Circle:
    """Devices 0, 1 and 2."""
    return circle(1, 2, suite=suite)


def seal(group: RoomGroup, plaintext: bytes = b"incident", seed: object = 0) -> bytes:
    return group.seal(plaintext, aad=AAD, random=randomness(("seal", seed)))


def opened(group: RoomGroup, sealed: bytes, by: int = 0, aad: bytes = AAD) -> bytes:
    return group.open(sealed, sender=device(by).id, aad=aad)


def test_everybody_opens_what_a_member_seals(room: Circle) -> None:
    for by in range(3):
        room.send(by, b"from %d" % by)


@pytest.mark.parametrize("length", [0, 1, 512, 131_072])
def test_a_message_of_any_size_class_comes_out_as_it_went_in(room: Circle, length: int) -> None:
    plaintext = bytes(range(256)) * (length // 256) + bytes(length % 256)
    assert opened(room.groups[1], seal(room.groups[0], plaintext)) == plaintext


def test_the_largest_plaintext_fits_an_envelope(room: Circle) -> None:
    sealed = seal(room.groups[0], bytes(MAX_SEALED_BYTES))
    assert len(sealed) <= limits.MAX_CONTENT_BYTES
    assert opened(room.groups[1], sealed) == bytes(MAX_SEALED_BYTES)


def test_what_no_envelope_takes_is_not_sealed_and_uses_up_no_key(room: Circle) -> None:
    with refuses(room.groups[0], Code.TOO_LARGE, UsageError):
        seal(room.groups[0], bytes(MAX_SEALED_BYTES + 1))


def test_a_message_under_another_header_is_refused(room: Circle) -> None:
    sealed = seal(room.groups[0])
    with refuses(room.groups[1], Code.BINDING, VerifyError):
        opened(room.groups[1], sealed, aad=sha256(b"another header"))
    assert opened(room.groups[1], sealed) == b"incident"


def test_a_message_whose_authenticated_data_is_changed_with_the_header_is_refused(room: Circle) -> None:
    message = decode_message(seal(room.groups[0]), limits.MAX_CONTENT_BYTES)
    assert isinstance(message, PrivateMessage)
    other = sha256(b"another header")
    moved = PrivateMessage(
        group_id=message.group_id,
        epoch=message.epoch,
        content_type=message.content_type,
        authenticated_data=other,
        encrypted_sender_data=message.encrypted_sender_data,
        ciphertext=message.ciphertext,
    )
    with refuses(room.groups[1], Rule.CONTENT_AEAD):
        opened(room.groups[1], encode_message(moved), aad=other)


def test_a_message_of_another_device_than_the_envelope_says_is_refused(room: Circle) -> None:
    sealed = seal(room.groups[0])
    with refuses(room.groups[1], Code.BINDING, VerifyError):
        opened(room.groups[1], sealed, by=2)
    assert opened(room.groups[1], sealed) == b"incident"


def test_a_message_is_opened_once(room: Circle) -> None:
    sealed = seal(room.groups[0])
    opened(room.groups[1], sealed)
    with refuses(room.groups[1], Rule.GENERATION_USED):
        opened(room.groups[1], sealed)


def test_a_message_is_opened_once_also_after_a_restart(room: Circle) -> None:
    sealed = seal(room.groups[0])
    opened(room.groups[1], sealed)
    again = restored(room.groups[1], 1, suite=room.suite)
    with refuses(again, Rule.GENERATION_USED):
        opened(again, sealed)


def test_an_own_message_that_comes_back_is_refused(room: Circle) -> None:
    sealed = seal(room.groups[0])
    with refuses(room.groups[0], Rule.SENDER_SELF):
        opened(room.groups[0], sealed)


def test_a_message_of_another_room_is_refused(room: Circle) -> None:
    creator = device(0)
    other = ENGINES[room.suite].create(
        RoomId(bytes(16)), creator.key, creator.credential, policy=POLICY, now_ms=NOW_MS, random=randomness(1)
    )
    other.stage_commit(adds=(), removes=(), credential=creator.credential, aad=AAD, random=randomness(2))
    other.merge()
    with refuses(room.groups[1], Rule.GROUP_ID):
        opened(room.groups[1], seal(other))


def test_a_message_of_a_past_epoch_is_refused(room: Circle) -> None:
    late = seal(room.groups[0])
    room.commit(2)
    with refuses(room.groups[1], Rule.EPOCH):
        opened(room.groups[1], late)


def test_a_message_of_an_epoch_to_come_is_refused(room: Circle) -> None:
    staged(room.groups[0])
    room.groups[0].merge()
    with refuses(room.groups[1], Rule.EPOCH):
        opened(room.groups[1], seal(room.groups[0]))


def test_messages_open_in_any_order_within_the_window(room: Circle) -> None:
    sealed = [seal(room.groups[0], b"%d" % number, number) for number in range(limits.MAX_SKIPPED_KEYS + 1)]
    for number in reversed(range(len(sealed))):
        assert opened(room.groups[1], sealed[number]) == b"%d" % number


def test_a_message_passed_over_too_long_ago_is_refused(room: Circle) -> None:
    sealed = [seal(room.groups[0], b"%d" % number, number) for number in range(limits.MAX_SKIPPED_KEYS + 2)]
    opened(room.groups[1], sealed[-1])
    assert opened(room.groups[1], sealed[1]) == b"1"
    with refuses(room.groups[1], Rule.GENERATION_USED):
        opened(room.groups[1], sealed[0])


def test_a_sender_skips_at_most_a_thousand_generations(room: Circle) -> None:
    for number in range(limits.MAX_FORWARD_GENERATIONS):
        seal(room.groups[0], seed=number)
    allowed = seal(room.groups[0], b"the thousandth")
    too_far = seal(room.groups[0], b"one more")
    with refuses(room.groups[1], Rule.GENERATION_AHEAD):
        opened(room.groups[1], too_far)
    assert opened(room.groups[1], allowed) == b"the thousandth"
    assert opened(room.groups[1], too_far) == b"one more"


def test_a_commit_is_no_message(room: Circle) -> None:
    own = staged(room.groups[0])
    with refuses(room.groups[1], Rule.SENDER_CONTENT):
        opened(room.groups[1], own.sealed)


def test_what_is_not_sealed_is_refused(room: Circle) -> None:
    rogue = lawless(room.groups[0], 0, room.suite)
    commit = rogue.commit(random=randomness(1), public=True, authenticated_data=AAD)
    with refuses(room.groups[1], Code.BAD_TYPE, DecodeError):
        opened(room.groups[1], commit.message)


def test_a_message_that_is_too_large_is_refused_before_it_is_read(room: Circle) -> None:
    with refuses(room.groups[1], Code.TOO_LARGE, DecodeError):
        opened(room.groups[1], bytes(limits.MAX_CONTENT_BYTES + 1))


def test_a_message_that_a_member_did_not_sign_is_refused(room: Circle) -> None:
    """Device 2 seals with the keys of device 0, which all members have."""
    rogue = lawless(room.groups[0], 2, room.suite)
    with refuses(room.groups[1], Rule.CONTENT_SIGNATURE):
        opened(room.groups[1], rogue.seal(b"incident", random=randomness(1), authenticated_data=AAD))


def test_a_message_with_one_bit_changed_is_refused_and_the_good_one_still_opens(room: Circle) -> None:
    sealed, before = seal(room.groups[0]), both(room.groups[1])
    for at in range(len(sealed)):
        mutant = bytearray(sealed)
        mutant[at] ^= 1 << at % 8
        for bad in (bytes(mutant), sealed[:at]):
            with pytest.raises(PeerError):
                opened(room.groups[1], bad)
    assert both(room.groups[1]) == before
    assert opened(room.groups[1], sealed) == b"incident"


def test_an_exported_secret_is_one_for_the_epoch_label_context_and_length(room: Circle) -> None:
    one, other = room.groups[0], room.groups[1]
    secret = one.export("amanah test", b"context", 32)
    assert secret == other.export("amanah test", b"context", 32)
    assert len(one.export("amanah test", b"context", 16)) == 16
    different = {
        secret,
        one.export("amanah other", b"context", 32),
        one.export("amanah test", b"other", 32),
        one.export("amanah test", b"context", 16) + bytes(16),
    }
    room.commit(0)
    assert len(different | {one.export("amanah test", b"context", 32)}) == 5
