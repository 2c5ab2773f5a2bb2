from __future__ import annotations

from typing import Final

import pytest

from amanah_protocol.mls.rules import Rule
from tests.protocol.mls import negative_commits, negative_framing, negative_leaves, negative_policy, negative_welcomes
from tests.protocol.mls.negative import CASES, Case, run_case
from tests.protocol.mls.stage import SUITES

MODULES: Final = (negative_commits, negative_framing, negative_leaves, negative_policy, negative_welcomes)
"""They register their cases."""
MAIN: Final = "x25519-chacha20poly1305"
OF_THE_SUITE: Final = frozenset(
    {Rule.HPKE_KEY, Rule.DECRYPTION, Rule.SENDER_DATA, Rule.CONTENT_AEAD, Rule.GROUP_INFO_OPEN, Rule.PATH_KEY}
)
"""Rules that rest on a KEM or an AEAD, and so on other code in each suite."""
RUNS: Final = [(entry, suite) for entry in CASES for suite in SUITES if suite == MAIN or entry.rule in OF_THE_SUITE]


@pytest.mark.parametrize(("entry", "suite"), RUNS, ids=[f"{entry.name}-{suite}" for entry, suite in RUNS])
def test_what_breaks_one_rule_is_refused_by_it_and_leaves_no_trace(entry: Case, suite: str) -> None:
    run_case(entry, SUITES[suite])


def test_every_rule_has_a_case() -> None:
    assert {entry.rule for entry in CASES} == set(Rule)


def test_every_case_has_its_own_name() -> None:
    assert len({entry.name for entry in CASES}) == len(CASES)
