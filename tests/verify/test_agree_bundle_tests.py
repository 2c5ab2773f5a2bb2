"""The bundles of `tests/client/audit/test_bundle.py`, each judged by both verifiers."""

from __future__ import annotations

import pytest

from amanah_client.audit.bundle_check import Checked
from amanah_client.audit.examination import Anchor
from amanah_protocol.log.policy import encode_policy
from tests.client.audit import bundles, test_bundle, world
from tests.client.audit.test_bundle import *  # noqa: F403 - its tests are run again here, under the fixture below
from tests.verify.bundles import verdict


@pytest.fixture(autouse=True)
def both(monkeypatch: pytest.MonkeyPatch) -> None:
    def checked(data: bytes, held_against: Anchor | None = None) -> Checked:
        found = bundles.checked(data, held_against)
        anchor = held_against or world.anchor()
        rosters = tuple(roster.value.endorsed.encode() for roster in anchor.rosters)
        second = verdict(data, rosters, encode_policy(anchor.policy))
        first = found.report.first_bad
        if first is not None and first.index is None and "time stamp" in first.text:
            assert second.unchecked or second.reasons
            return found
        assert (first is not None) == bool(second.reasons), (first, second)
        if first is not None:
            assert second.first in {first.index, None}, (first, second)
        return found

    monkeypatch.setattr(test_bundle, "checked", checked)
