"""Which labels are offered in a room: none that somebody who can read it is certified for less than."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from amanah_client.directory import Party
from amanah_client.view.readers import highest, narrowed, offered
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId
from tests.client.view.told import A_MA, A_SN, A_TN, MA, SN, TN, party, seat

LABELS = st.sampled_from(Label)


def circle(ceilings: Sequence[Label | None]) -> list[Party]:
    """Members of three nations, each certified up to a label; None for one of whom nothing is known."""
    nations = [TN, MA, SN]
    return [structs.replace(party(nations[n % 3], n), ceiling=ceiling) for n, ceiling in enumerate(ceilings)]


@given(ceiling=LABELS, ceilings=st.lists(st.none() | LABELS, max_size=9))
def test_a_label_is_offered_just_where_all_who_can_read_are_certified_for_it(
    ceiling: Label, ceilings: list[Label | None]
) -> None:
    members = circle(ceilings)
    found = offered(members, seat(parties=members), ceiling)
    assert [one.label for one in found] == [label for label in Label if label <= ceiling]
    clearance = min((one for one in ceilings if one is not None), default=Label.RED)
    assert [one.label for one in found if not one.why] == [one for one in Label if one <= min(ceiling, clearance)]
    assert highest(found, ceiling) is min(ceiling, clearance)
    assert bool(narrowed(found)) is (clearance < ceiling)


@given(ceiling=LABELS, ceilings=st.lists(LABELS, max_size=9))
def test_who_stands_in_the_way_is_told_and_nobody_else(ceiling: Label, ceilings: list[Label]) -> None:
    members = circle(ceilings)
    for one in offered(members, seat(parties=members), ceiling):
        less = [member for member in members if member.ceiling is not None and member.ceiling < one.label]
        named = less if 0 < len(less) <= 3 else []
        assert [member for member in members if member.name in one.why] == named
        assert [nation for nation in ("TN", "MA", "SN") if nation in one.why] == [
            nation for nation in ("TN", "MA", "SN") if any(member.name.endswith(nation) for member in less)
        ]


def test_somebody_at_two_devices_is_named_once() -> None:
    one = structs.replace(A_SN, ceiling=Label.GREEN)
    other = structs.replace(one, device=DeviceId(bytes(32)))
    members = (A_TN, A_MA, one, other)
    red = offered(members, seat(parties=members), Label.RED)[-1]
    assert red.why.count("officer 0 of SN") == 1
