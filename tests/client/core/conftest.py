"""Fixtures of the core's tests."""

from __future__ import annotations

import pytest

from amanah_protocol.mls.secret_tree import MessageKey, RatchetKind, SecretTree, Step
from tests.client.core.wedged import Victims
from tests.client.core.world import Stage


@pytest.fixture
def stage() -> Stage:
    """A relay and nobody there yet."""
    return Stage()


@pytest.fixture
def victims(monkeypatch: pytest.MonkeyPatch) -> Victims:
    """Clients for whom the commits of one member do not open; nobody yet."""
    return Victims(monkeypatch)


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> list[MessageKey]:
    """Each key and nonce that anybody seals with, before the nonce is mixed with MLS's reuse guard."""
    used: list[MessageKey] = []
    plain = SecretTree.next

    def watched(self: SecretTree, leaf: int, kind: RatchetKind) -> Step:
        step = plain(self, leaf, kind)
        used.append(step.key)
        return step

    monkeypatch.setattr(SecretTree, "next", watched)
    return used
