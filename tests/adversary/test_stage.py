"""What every attack stands on: a copy of the stage is as the stage itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.adversary.attack import Attack
from tests.adversary.stage import Stage

Play = Callable[..., Stage]


class Watching(Attack):
    """Looks on from the start, or is there only for what follows."""

    def __init__(self, *, from_the_start: bool = False) -> None:
        super().__init__()
        self.from_the_start = from_the_start
        self.stored = 0

    def on_store(self, relay: object, batch: object) -> None:
        self.stored += 1


def talk(stage: Stage) -> tuple[str, object]:
    """Some life in both rooms; gives all that happened, and what everybody holds in the end."""
    stage.say("tn-1", "in the first")
    stage.say("sn-2", "in the second", room=1)
    stage.wait(40)
    stage.client("ma-1").kill()
    stage.client("ma-1").start()
    stage.settle()
    assert stage.texts("ma-1") == ["in the first"]
    assert stage.broken() == {}
    return stage.world.scheduler.trace, stage.states()


def test_a_copy_goes_on_as_the_stage_that_is_set_for_it_alone(play: Play, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    own = Stage(tmp_path / "own")
    assert talk(play()) == talk(own)
    own.close()


def test_what_happens_to_one_copy_happens_to_no_other(play: Play) -> None:
    first, second = play(), play()
    talk(first)
    assert second.texts("ma-1") == []
    assert talk(second) == (first.world.scheduler.trace, first.states())


def test_an_attack_is_told_of_the_setting_only_if_it_says_so(play: Play) -> None:
    late, early = Watching(), Watching(from_the_start=True)
    play(late)
    play(early)
    assert late.stored == 0 < early.stored
    assert late.armed
    assert early.armed
