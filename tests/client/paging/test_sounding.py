"""Which program sounds: one at a time, and never none because of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from amanah_client.home import Home, ProfileLock
from amanah_client.paging.sounding import Sounding
from amanah_protocol.errors import Code, OperationalError


def test_one_program_sounds_and_the_next_one_when_it_has_left(tmp_path: Path) -> None:
    page, watch = Sounding(Home(tmp_path)), Sounding(Home(tmp_path))
    assert page.take()
    assert page.take()
    assert page.has
    assert not watch.take()
    page.leave()
    assert watch.take()
    watch.leave()


def test_a_folder_that_cannot_be_written_is_no_reason_for_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: ProfileLock) -> bool:
        raise OperationalError(Code.DISK_FULL, "the disk is full")

    monkeypatch.setattr(ProfileLock, "acquire", full)
    sounding = Sounding(Home(tmp_path))
    assert sounding.take()
    assert sounding.has
