from __future__ import annotations

import pytest

from amanah_protocol import cbor
from amanah_protocol.custody.retention import DAY_MS, DEFAULT, KindClass, RoomPolicy, decode_policy
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from tests.protocol.refusal import refused

POLICY = RoomPolicy(
    labels={Label.GREEN: 90, Label.RED: 30}, classes={KindClass.ALERT: 10}, after_last={Label.RED: 7}
)  # fmt: skip


@pytest.mark.parametrize("policy", [POLICY, DEFAULT, RoomPolicy()])
def test_a_policy_decodes_to_what_was_written(policy: RoomPolicy) -> None:
    assert decode_policy(policy.encode()) == policy
    assert len(policy.encode()) <= 512


def test_no_bytes_are_no_policy() -> None:
    assert decode_policy(b"") is None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({}, Code.BAD_TYPE),
        ([1, {}, {}], Code.BAD_TYPE),
        ([2, {}, {}, {}], Code.UNKNOWN_VERSION),
        ([1, [], {}, {}], Code.BAD_TYPE),
        ([1, {5: 1}, {}, {}], Code.BAD_TYPE),
        ([1, {"red": 1}, {}, {}], Code.BAD_TYPE),
        ([1, {}, {0: 1}, {}], Code.BAD_TYPE),
        ([1, {}, {3: 1}, {}], Code.BAD_TYPE),
        ([1, {0: 0}, {}, {}], Code.BAD_TYPE),
        ([1, {0: 36_501}, {}, {}], Code.BAD_TYPE),
        ([1, {0: "7"}, {}, {}], Code.BAD_TYPE),
        ([1, {}, {}, {0: True}], Code.BAD_TYPE),
    ],
)
def test_another_shape_is_refused(value: object, code: Code) -> None:
    with refused(code, DecodeError):
        decode_policy(cbor.encode(value))


@pytest.mark.parametrize("days", [0, 36_501])
def test_nobody_writes_a_policy_that_nobody_reads(days: int) -> None:
    with refused(Code.USAGE, UsageError):
        RoomPolicy(labels={Label.RED: days}).encode()


@pytest.mark.parametrize(
    ("kind", "label", "days"),
    [
        (Kind.MESSAGE, Label.GREEN, 90),
        (Kind.ALERT, Label.GREEN, 10),
        (Kind.ALERT, Label.AMBER, 10),
        (Kind.MESSAGE, Label.AMBER, None),
        (Kind.REPAIR, Label.RED, 27),
        (Kind.COMMIT, Label.RED, None),
        (Kind.WELCOME, Label.GREEN, None),
    ],
)
def test_the_shortest_that_applies_counts(kind: Kind, label: Label, days: int | None) -> None:
    over = POLICY.over_at_ms(kind, label, accepted_at_ms=0, last_at_ms=20 * DAY_MS)
    assert over == (None if days is None else days * DAY_MS)


def test_a_room_that_goes_on_keeps_what_counts_from_its_last_entry() -> None:
    over = POLICY.over_at_ms(Kind.MESSAGE, Label.RED, accepted_at_ms=0, last_at_ms=25 * DAY_MS)
    assert over == 30 * DAY_MS
    assert POLICY.shortest_days == 7
    assert RoomPolicy().shortest_days is None
