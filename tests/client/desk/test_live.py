"""By what a page knows the items of a conversation."""

from __future__ import annotations

from amanah_client.desk.frames import _keyed
from amanah_client.view.entries import DayBreak, Item
from amanah_protocol.content.text import Text
from tests.client.view.told import A_TN, Told


def items(count: int) -> list[Item]:
    told = Told()
    for number in range(count):
        told.say(A_TN, Text(text=f"entry {number}"))
    return [item for item in told.items() if not isinstance(item, DayBreak)]


def test_a_day_that_comes_again_has_a_key_of_its_own() -> None:
    """An author's clock that is wrong brings a day back; under one key the page would draw it once."""
    first, second, third = items(3)
    day, other = DayBreak(text="Sunday"), DayBreak(text="Monday")
    keys = [key for key, _ in _keyed([day, first, other, second, day, third])]
    assert len(set(keys)) == 6


def test_a_day_keeps_its_key_while_entries_arrive_behind_it() -> None:
    first, second, third = items(3)
    day = DayBreak(text="Sunday")
    before = [key for key, _ in _keyed([day, first, second])]
    assert [key for key, _ in _keyed([day, first, second, third])][:3] == before


def test_a_day_at_the_end_and_two_in_a_row_have_keys_too() -> None:
    (first,) = items(1)
    keys = [key for key, _ in _keyed([first, DayBreak(text="Sunday"), DayBreak(text="Monday")])]
    assert len(set(keys)) == 3
