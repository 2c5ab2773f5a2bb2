"""Faults that our engine would make on both sides alike: alone it would never notice, and beside others it must."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import pytest

from amanah_protocol.mls import commit, joining
from amanah_protocol.mls.key_schedule import EpochSecrets
from tests.oracles.cast import CASTS, Casts, absent
from tests.oracles.history import run_history

ABSENT: Final = absent()
SEEDS: Final = range(12)
OWN: Final[Casts] = ((0x0001, ()), (0x0003, ()))

Plant = Callable[[pytest.MonkeyPatch], None]


def another_welcome_label(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(joining, "_WELCOME_LABEL", b"welcome")


def another_external_label(patch: pytest.MonkeyPatch) -> None:
    for module in (commit, joining):
        patch.setattr(module, "EXTERNAL_INIT_LABEL", b"MLS 1.0 external secret")


def newcomers_in_the_path(patch: pytest.MonkeyPatch) -> None:
    """Path secrets are sealed to those that the same commit adds, too (section 7.5 leaves them out)."""
    for name in ("create_path", "open_path"):
        right: Callable[..., object] = getattr(commit, name)

        def wrong(*args: Any, right: Callable[..., object] = right, **kwargs: Any) -> object:  # noqa: ANN401 - as given
            return right(*args, **{**kwargs, "added": frozenset()})

        patch.setattr(commit, name, wrong)


def another_exporter_context(patch: pytest.MonkeyPatch) -> None:
    """The exporter hashes more than its context (section 8.5)."""
    right = EpochSecrets.export
    patch.setattr(
        EpochSecrets, "export", lambda self, label, context, length: right(self, label, context + b".", length)
    )


FAULTS: Final = (another_welcome_label, another_external_label, newcomers_in_the_path, another_exporter_context)


def run(casts: Casts) -> None:
    for seed in SEEDS:
        run_history(seed, casts, now_s=int(time.time()), tally=Counter())


@pytest.mark.slow
@pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT))
@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_fault_on_both_sides_of_ours_is_found_by_another_engine(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    with pytest.raises(Exception):  # noqa: B017, PT011 - each engine refuses in words of its own
        run(CASTS)


@pytest.mark.slow
@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_fault_on_both_sides_is_not_found_by_ours_alone(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    run(OWN)
