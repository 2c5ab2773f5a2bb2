from __future__ import annotations

import pytest

from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.suites import CLASSICAL, SUPPORTED
from amanah_protocol.kinds import MediaType
from tests.engines import ENGINES


def test_every_supported_suite_has_its_engine() -> None:
    assert [ENGINES[suite].suite for suite in SUPPORTED] == list(SUPPORTED)


def test_the_flat_engine_names_its_own_media_type() -> None:
    assert ENGINES[CLASSICAL].media_type is MediaType.MLS


@pytest.mark.parametrize("suite", [0, 0x0001, 0x0003, 0xF001, 0xFFFF])
def test_a_suite_that_is_not_known_gets_no_engine_in_its_place(suite: int) -> None:
    with pytest.raises(VerifyError) as refused:
        ENGINES[suite]
    assert refused.value.code is Code.SUITE
