"""How long a room's content is kept, as people say it."""

from __future__ import annotations

import pytest

from amanah_client.cli.showing_custody import parse_policy
from amanah_protocol.custody.retention import DEFAULT, KindClass, RoomPolicy
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label


@pytest.mark.parametrize(
    ("words", "policy"),
    [
        ((), None),
        (("default",), DEFAULT),
        (("TLP:RED=last+7",), DEFAULT),
        (("red=30", "red=last+7"), RoomPolicy(labels={Label.RED: 30}, after_last={Label.RED: 7})),
        (("alerts=10", "talk=20"), RoomPolicy(classes={KindClass.ALERT: 10, KindClass.TALK: 20})),
    ],
)
def test_a_policy_is_what_was_said(words: tuple[str, ...], policy: RoomPolicy | None) -> None:
    assert parse_policy(words) == policy


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("red", Code.USAGE),
        ("red=", Code.USAGE),
        ("red=last+", Code.USAGE),
        ("red=-1", Code.USAGE),
        ("red=\u0663", Code.USAGE),
        ("purple=3", Code.LABEL),
        ("alerts=last+3", Code.LABEL),
    ],
)
def test_what_is_no_policy_is_refused(word: str, code: Code) -> None:
    with pytest.raises(UsageError) as refused:
        parse_policy((word,))
    assert refused.value.code is code
