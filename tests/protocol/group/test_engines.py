from __future__ import annotations

import pytest

from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.engines import engine_for
from amanah_protocol.group.suites import FLAT, SUPPORTED
from amanah_protocol.kinds import MediaType


def test_every_supported_suite_has_its_engine() -> None:
    assert [engine_for(suite).suite for suite in SUPPORTED] == list(SUPPORTED)


def test_the_flat_engine_names_its_own_media_type() -> None:
    assert engine_for(FLAT).media_type is MediaType.FLAT


@pytest.mark.parametrize("suite", [0, 0x0001, 0x0003, 0xF001, 0xFFFF])
def test_a_suite_that_is_not_known_gets_no_engine_in_its_place(suite: int) -> None:
    with pytest.raises(VerifyError) as refused:
        engine_for(suite)
    assert refused.value.code is Code.SUITE
