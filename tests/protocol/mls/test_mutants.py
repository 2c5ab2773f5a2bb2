from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from tests.protocol.mls.mutants import Mutant, mutants
from tests.protocol.mls.negative import CASES, Case, run_case
from tests.protocol.mls.stage import SUITES, make_stage
from tests.protocol.mls.test_negative import MAIN

XWING: Final = "xwing-aes128gcm"
PARTS: Final = 8
"""One of the parts runs each time, all of them in a campaign."""

OF_THE_OWN_SIDE: Final[dict[str, str]] = {
    "group:Group.create": "what a client begins its own group with (test_group)",
    "group:Group.seal": "what it may not send (test_group)",
    "group:Group.propose": "what it may not send (test_group)",
    "group:Group.propose_update": "what it may not send (test_group)",
    "group:Group.commit": "what it may not send (test_group)",
    "epoch:Epoch.read": "what its own disk gave back (test_stored)",
}
"""Checks that no peer's message meets, and where they are shown."""

MUTANTS: Final = [mutant for mutant in mutants() if f"{mutant.module}:{mutant.function}" not in OF_THE_OWN_SIDE]


def notices(entry: Case, suite: str) -> bool:
    """Whether a case of the negative table fails; what is honest is not asked again each time."""
    try:
        run_case(replace(entry, goes_on=False), SUITES[suite])
    except (Exception, pytest.fail.Exception):  # noqa: BLE001 - a fault may show as anything; it counts that it shows
        return True
    return False


def is_found(mutant: Mutant, patch: pytest.MonkeyPatch) -> bool:
    """Whether any case that has to do with the mutant's rules fails with it."""
    suite = XWING if mutant.function.startswith("XWing.") else MAIN
    make_stage(SUITES[suite])
    concerned = [entry for entry in CASES if entry.rule.name in mutant.rules] or CASES
    mutant.plant(patch)
    return any(notices(entry, suite) for entry in concerned)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_every_check_that_is_switched_off_is_missed_by_a_case(part: int, scale: int) -> None:
    if part and scale == 1:
        pytest.skip("the other planted faults: make campaign")
    survivors = []
    for mutant in MUTANTS[part::PARTS]:
        with pytest.MonkeyPatch.context() as patch:
            if not is_found(mutant, patch):
                survivors.append(mutant.name)
    assert survivors == []


def test_a_planted_fault_is_gone_when_the_test_is_over() -> None:
    mutant = next(mutant for mutant in MUTANTS if "PADDING" in mutant.rules)
    entry = next(entry for entry in CASES if entry.rule.name == "PADDING")
    with pytest.MonkeyPatch.context() as patch:
        assert is_found(mutant, patch)
    assert not notices(entry, MAIN)


def test_the_checks_are_found_in_the_source() -> None:
    found = mutants()
    assert len(found) > len(CASES) // 2
    assert {f"{mutant.module}:{mutant.function}" for mutant in found}.issuperset(OF_THE_OWN_SIDE)
    named = {rule for mutant in found for rule in mutant.rules}
    assert named.issubset({entry.rule.name for entry in CASES})
