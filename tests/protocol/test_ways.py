"""What a label lets through: each rule with everything right, and with only that broken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol.errors import Code, RefusedError
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import OrgName, PersonId
from amanah_protocol.ways import (
    LEAVING,
    Goal,
    Inside,
    Matter,
    Outside,
    Somebody,
    Way,
    check_ceiling,
    check_relabel,
    check_way,
)
from tests.protocol.refusal import refused

TN, MA, SN = (OrgName(f"cert.example.{nation}") for nation in ("tn", "ma", "sn"))


def person(nation: OrgName, number: int = 0) -> Somebody:
    return Somebody(organisation=nation, person=PersonId(bytes(15) + bytes((number,))))


ONWARD = [way for way in Way if way in LEAVING]
A_TN, B_TN, A_MA, A_SN = person(TN), person(TN, 1), person(MA), person(SN)
CIRCLE = frozenset((A_TN, B_TN, A_MA))


def matter(label: Label, source: Somebody = A_TN, circle: frozenset[Somebody] | None = CIRCLE) -> Matter:
    return Matter(label=label, source=source, circle=circle)


def into(
    *people: Somebody, label: Label = Label.RED, ceiling: Label = Label.RED, clearance: Label = Label.RED
) -> Inside:
    return Inside(label=label, ceiling=ceiling, clearance=clearance, people=frozenset(people))


def goes(way: Way, what: Matter, by: Somebody, to: Goal) -> bool:
    try:
        check_way(way, what, by=by, to=to)
    except RefusedError as error:
        return error.code is not Code.LABEL
    return True


@pytest.mark.parametrize("way", [Way.SEND, Way.ALERT, Way.QUOTE, Way.FORWARD, Way.GRANT])
@pytest.mark.parametrize("label", Label)
def test_nothing_goes_above_the_ceiling_of_a_room_or_a_device(way: Way, label: Label) -> None:
    what = matter(Label.CLEAR)
    for limit in Label:
        assert goes(way, what, A_TN, into(A_TN, label=label, ceiling=limit)) is (label <= limit)
        assert goes(way, what, A_TN, into(A_TN, label=label, clearance=limit)) is (label <= limit)


@pytest.mark.parametrize("way", [Way.QUOTE, Way.FORWARD, Way.GRANT])
@pytest.mark.parametrize("pap", Pap)
def test_nothing_goes_on_under_a_laxer_pap(way: Way, pap: Pap) -> None:
    for there in Pap:
        to = replace(into(A_TN), pap=there)
        assert goes(way, replace(matter(Label.AMBER), pap=pap), A_TN, to) is (there >= pap)


@pytest.mark.parametrize("way", [Way.QUOTE, Way.FORWARD, Way.GRANT])
def test_nothing_goes_on_under_a_lower_label(way: Way) -> None:
    for label in Label:
        assert goes(way, matter(Label.AMBER), A_TN, into(A_TN, label=label)) is (label >= Label.AMBER)


def test_red_is_given_on_by_its_author_to_people_of_its_room_alone() -> None:
    red = matter(Label.RED)
    assert goes(Way.GRANT, red, A_TN, into(A_TN, B_TN, A_MA))
    for other in (B_TN, A_MA):
        assert not goes(Way.GRANT, red, other, into(A_TN, B_TN, A_MA))
    assert not goes(Way.GRANT, red, A_TN, into(A_TN, A_SN))
    assert not goes(Way.GRANT, replace(red, circle=None), A_TN, into(A_TN))
    unnamed = Somebody(organisation=TN, person=None)
    assert not goes(Way.GRANT, replace(red, source=unnamed), unnamed, into(A_TN))


def test_red_is_quoted_into_no_other_room_by_nobody() -> None:
    assert not goes(Way.FORWARD, matter(Label.RED), A_TN, into(A_TN))
    assert goes(Way.FORWARD, matter(Label.AMBER_STRICT), A_TN, into(A_TN))


@pytest.mark.parametrize("way", ONWARD)
def test_amber_strict_stays_inside_the_organisation_of_its_author(way: Way) -> None:
    strict = matter(Label.AMBER_STRICT)
    assert goes(way, strict, B_TN, into(A_TN, person(TN, 9)))
    assert not goes(way, strict, B_TN, into(A_TN, A_MA))
    assert not goes(way, strict, A_MA, into(A_TN))
    assert not goes(way, strict, A_MA, into(A_MA))


@pytest.mark.parametrize("way", ONWARD)
def test_amber_reaches_other_organisations_by_its_own_alone(way: Way) -> None:
    amber = matter(Label.AMBER)
    assert goes(way, amber, B_TN, into(A_SN))
    assert goes(way, amber, A_MA, into(A_TN, person(MA, 9)))
    assert goes(way, amber, A_SN, into(person(SN, 9)))
    assert not goes(way, amber, A_MA, into(A_MA, A_SN))
    # Who cannot know the circle judges nothing that rests on it.
    assert goes(way, replace(amber, circle=None), A_MA, into(A_SN))


@pytest.mark.parametrize("label", [Label.CLEAR, Label.GREEN])
def test_green_and_clear_are_passed_on_by_everybody(label: Label) -> None:
    assert goes(Way.FORWARD, matter(label), A_MA, into(A_SN))
    assert all(goes(way, matter(label), A_MA, Outside()) for way in Way)


@pytest.mark.parametrize("way", [Way.DISCLOSE, Way.EXPORT, Way.REPORT])
def test_red_and_strict_do_not_leave_by_a_members_act(way: Way) -> None:
    assert goes(way, matter(Label.AMBER), A_MA, Outside())
    for label in (Label.AMBER_STRICT, Label.RED):
        assert not goes(way, matter(label), A_TN, Outside())
        assert not goes(way, matter(label), A_TN, Outside(organisation=MA))
        assert not goes(way, matter(label), A_MA, Outside(organisation=TN))
    assert goes(way, matter(Label.AMBER_STRICT), B_TN, Outside(organisation=TN))
    assert not goes(way, matter(Label.RED), A_TN, Outside(organisation=TN))


def test_who_read_what_is_strict_may_report_it_to_his_own_and_to_nobody_else() -> None:
    strict = matter(Label.AMBER_STRICT)
    assert [way for way in Way if goes(way, strict, A_MA, Outside(organisation=MA))] == [Way.REPORT]
    assert not goes(Way.REPORT, strict, A_MA, Outside(organisation=TN))


def test_an_organisation_tells_its_authority_what_is_strict_of_its_own_and_nothing_that_is_red() -> None:
    assert goes(Way.NOTICE, matter(Label.AMBER_STRICT), B_TN, Outside())
    assert not goes(Way.NOTICE, matter(Label.AMBER_STRICT), A_MA, Outside())
    assert goes(Way.NOTICE, matter(Label.AMBER), A_MA, Outside())
    for by in (A_TN, A_MA):
        assert not goes(Way.NOTICE, matter(Label.RED), by, Outside())


def test_a_program_tells_what_is_green_at_the_most() -> None:
    assert [label for label in Label if goes(Way.NOTIFY, matter(label), A_TN, Outside(organisation=TN))] == [
        Label.CLEAR,
        Label.GREEN,
    ]


def test_a_refusal_names_the_rule() -> None:
    with pytest.raises(RefusedError, match="TLP:RED is above the room's ceiling TLP:AMBER") as above:
        check_ceiling(Label.RED, Label.AMBER, "the room's")
    assert "ask its author" in above.value.hint
    with pytest.raises(RefusedError, match=r"TLP:AMBER of cert\.example\.tn would reach cert\.example\.sn"):
        check_way(Way.FORWARD, matter(Label.AMBER), by=A_MA, to=into(A_MA, A_SN))


LABELS = st.sampled_from(Label)
PEOPLE = st.sampled_from([A_TN, B_TN, A_MA, A_SN])
CIRCLES = st.frozensets(PEOPLE, max_size=4)


@given(
    way=st.sampled_from(ONWARD),
    label=LABELS,
    there=LABELS,
    source=PEOPLE,
    by=PEOPLE,
    circle=CIRCLES,
    people=CIRCLES,
    ceiling=LABELS,
    clearance=LABELS,
)
def test_whatever_goes_on_reaches_only_whom_its_label_allows(
    way: Way,
    label: Label,
    there: Label,
    source: Somebody,
    by: Somebody,
    circle: frozenset[Somebody],
    people: frozenset[Somebody],
    ceiling: Label,
    clearance: Label,
) -> None:
    to = into(*people, label=there, ceiling=ceiling, clearance=clearance)
    if not goes(way, matter(label, source, circle), by, to):
        return
    assert label <= there <= min(ceiling, clearance)
    nations = {one.organisation for one in people}
    if label is Label.RED:
        assert by == source
        assert people <= circle
        assert way is Way.GRANT
    if label is Label.AMBER_STRICT:
        assert by.organisation == source.organisation
        assert nations <= {source.organisation}
    if label is Label.AMBER:
        assert by.organisation == source.organisation or nations <= {one.organisation for one in circle | {by}}


@given(label=LABELS, there=LABELS, source=PEOPLE, by=PEOPLE, people=CIRCLES)
def test_a_stricter_label_never_opens_a_way(
    label: Label, there: Label, source: Somebody, by: Somebody, people: frozenset[Somebody]
) -> None:
    """A property of the order of labels: what a strict one lets through, a laxer one does too."""
    for way in LEAVING:
        if goes(way, matter(max(label, there), source), by, into(*people)):
            assert goes(way, matter(min(label, there), source), by, into(*people))


# ---- changes of a label


def changed(old: Label, new: Label, now: Label, by: Somebody, *, sent: Label = Label.AMBER) -> Code | None:
    try:
        check_relabel(old=old, new=new, now=now, sent=sent, source=A_TN, by=by)
    except RefusedError as error:
        return error.code
    return None


@pytest.mark.parametrize("by", [A_TN, B_TN, A_MA])
def test_everybody_raises_a_label_also_behind_another(by: Somebody) -> None:
    assert changed(Label.AMBER, Label.RED, Label.AMBER, by) is None
    assert changed(Label.AMBER, Label.RED, Label.AMBER_STRICT, by) is None
    assert changed(Label.AMBER, Label.AMBER, Label.AMBER, by) is None


def test_a_label_is_lowered_by_its_authors_side_from_what_it_is() -> None:
    assert changed(Label.AMBER, Label.GREEN, Label.AMBER, A_TN) is None
    assert changed(Label.AMBER, Label.GREEN, Label.AMBER, B_TN) is None
    assert changed(Label.AMBER, Label.GREEN, Label.AMBER, A_MA) is Code.ROLE
    # Nobody lowers a label that he did not see: another has raised it meanwhile.
    assert changed(Label.AMBER, Label.GREEN, Label.AMBER_STRICT, A_TN) is Code.LABEL
    assert changed(Label.AMBER, Label.AMBER, Label.RED, A_TN) is Code.LABEL


def test_what_was_sent_as_red_is_lowered_by_its_author_alone() -> None:
    assert changed(Label.RED, Label.AMBER, Label.RED, A_TN, sent=Label.RED) is None
    assert changed(Label.RED, Label.AMBER, Label.RED, B_TN, sent=Label.RED) is Code.ROLE
    assert changed(Label.RED, Label.AMBER, Label.RED, B_TN) is None  # another raised it, which is no author's word


def test_what_was_forwarded_is_lowered_by_its_authors_organisation_and_not_by_its_forwarder() -> None:
    unnamed = Somebody(organisation=TN, person=None)
    for by, allowed in ((A_MA, False), (A_TN, True)):
        told = None
        try:
            check_relabel(old=Label.AMBER, new=Label.GREEN, now=Label.AMBER, sent=Label.AMBER, source=unnamed, by=by)
        except RefusedError as error:
            told = error.code
        assert told is (None if allowed else Code.ROLE)
    with refused(Code.ROLE, RefusedError):
        check_relabel(old=Label.RED, new=Label.GREEN, now=Label.RED, sent=Label.RED, source=unnamed, by=unnamed)


@given(st.lists(st.tuples(LABELS, LABELS, PEOPLE), max_size=8), LABELS)
def test_no_row_of_changes_takes_a_label_below_what_its_authors_side_wanted(
    changes: list[tuple[Label, Label, Somebody]], sent: Label
) -> None:
    now = lowest = sent
    for old, new, by in changes:
        if changed(old, new, now, by, sent=sent) is None:
            now = new
            if by == A_TN or (by.organisation == TN and sent is not Label.RED):
                lowest = min(lowest, new)
        assert now >= lowest
