from __future__ import annotations

import asyncio
import importlib.util

import pytest

from amanah_relay.service import loop_factory


def test_the_faster_event_loop_is_used_where_it_is_installed() -> None:
    loop = loop_factory()()
    assert type(loop).__module__.startswith("uvloop") == (importlib.util.find_spec("uvloop") is not None)
    loop.close()


def test_without_it_the_loop_of_the_standard_library_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert loop_factory() is asyncio.new_event_loop
