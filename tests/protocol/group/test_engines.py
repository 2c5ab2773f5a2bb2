from __future__ import annotations

from typing import Final

import pytest

from amanah_client.encapsulation import encapsulate
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.group.engines import Engines
from amanah_protocol.group.room_group import RoomGroup
from amanah_protocol.group.suites import CLASSICAL, POST_QUANTUM, SUPPORTED
from tests.protocol.group.circle import AAD, circle, key_package, staged
from tests.protocol.group.devices import device
from tests.protocol.group.rogue import both, refuses

ENGINES: Final = Engines(encapsulate)


def test_every_supported_suite_has_its_engine() -> None:
    assert [ENGINES[suite].suite for suite in SUPPORTED] == list(SUPPORTED)


def test_a_device_names_both_suites_ascending() -> None:
    assert SUPPORTED == (CLASSICAL, POST_QUANTUM) == (0x0003, 0xF001)


@pytest.mark.parametrize("suite", [0, 0x0001, 0x0002, 0xF000, 0xFFFF])
def test_a_suite_that_is_not_known_gets_no_engine_in_its_place(suite: int) -> None:
    with pytest.raises(VerifyError) as refused:
        ENGINES[suite]
    assert refused.value.code is Code.SUITE


def test_without_a_source_of_encapsulations_a_post_quantum_room_is_read_and_not_committed_to(suite: int) -> None:
    room = circle(1, suite=suite)
    group = Engines()[suite].restore(*both(room.groups[1]), device(1).key)
    assert isinstance(group, RoomGroup)
    sealed = room.groups[0].seal(b"incident", aad=AAD, random=bytes)
    assert group.open(sealed, sender=device(0).id, aad=AAD) == b"incident"
    assert Engines()[suite].key_package_info(key_package(2, suite=suite).public).suite == suite
    if suite == CLASSICAL:
        assert staged(group, 1).sealed
    else:
        with refuses(None, Code.SUITE, UsageError):
            staged(group, 1)
        assert group.pending is None
    assert staged(room.groups[1], 1).sealed
