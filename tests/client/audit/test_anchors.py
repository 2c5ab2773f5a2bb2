"""What a record is held against, and where it is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from amanah_client.audit.anchors import MAX_ROSTERS, add_roster, anchor_of_policy, anchor_of_rosters, decode_rosters
from amanah_protocol.cards import Armour, armour
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.log.policy import policy_of_roster
from tests.protocol.refusal import refused
from tests.vectors import examples as x

FIRST, SECOND = (x.roster_of(version).endorsed.encode() for version in (1, 2))


def test_a_file_of_several_rosters_is_read_in_order() -> None:
    text = add_roster(add_roster("", FIRST), SECOND)
    assert decode_rosters(text) == (FIRST, SECOND)
    assert decode_rosters(f"Dear colleagues,\n\n{text}\nRegards") == (FIRST, SECOND)


def test_a_file_without_a_roster_holds_none() -> None:
    assert decode_rosters("") == ()
    assert decode_rosters(armour(Armour.REQUEST, b"request")) == ()


def test_a_roster_that_is_kept_already_moves_to_the_end() -> None:
    text = add_roster(add_roster(add_roster("", FIRST), SECOND), FIRST)
    assert decode_rosters(text) == (SECOND, FIRST)


def test_only_the_newest_rosters_are_kept() -> None:
    text = ""
    for number in range(MAX_ROSTERS + 3):
        text = add_roster(text, bytes([number]))
    assert decode_rosters(text) == tuple(bytes([number]) for number in range(3, MAX_ROSTERS + 3))


def test_a_damaged_file_is_refused() -> None:
    lines = add_roster("", FIRST).splitlines(keepends=True)
    assert decode_rosters("".join(lines)) == (FIRST,)
    for damaged in ([lines[0], "*" + lines[1], *lines[2:]], lines[1:]):
        with pytest.raises(DecodeError):
            decode_rosters("".join(damaged))


def test_the_newest_roster_says_whose_checkpoints_count() -> None:
    found = anchor_of_rosters((SECOND, FIRST), "both")
    assert [roster.value.version for roster in found.rosters] == [1, 2]
    assert found.policy == policy_of_roster(x.roster_of(2))
    assert found.name == "both"


def test_no_roster_is_no_anchor() -> None:
    with refused(Code.UNANCHORED, UsageError):
        anchor_of_rosters((), "nothing")


def test_a_roster_that_its_own_organisations_did_not_sign_is_no_anchor() -> None:
    unsigned = Endorsed(document=x.roster_document(1), signatures=()).encode()
    with refused(Code.THRESHOLD):
        anchor_of_rosters((unsigned,), "unsigned")


def test_a_policy_finds_its_roster_among_the_candidates() -> None:
    policy = policy_of_roster(x.roster_of(1))
    found = anchor_of_policy(policy, (SECOND, FIRST))
    assert [roster.value.version for roster in found.rosters] == [1]
    assert found.policy is policy


def test_a_policy_without_its_roster_anchors_nothing() -> None:
    with refused(Code.UNANCHORED, UsageError):
        anchor_of_policy(policy_of_roster(x.roster_of(1)), (SECOND,))


def test_a_policy_that_names_no_roster_anchors_nothing() -> None:
    with refused(Code.CONFIG, UsageError):
        anchor_of_policy(replace(policy_of_roster(x.roster_of(1)), roster=None), (FIRST,))
