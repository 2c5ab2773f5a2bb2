"""What people say: each kind comes back as it was, keeps its bounds, and is refused where it does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amanah_protocol import cbor, limits
from amanah_protocol.content.alert import MAX_OBSERVED_AT_MS, Severity
from amanah_protocol.content.bodies import Said, Unknown, decode_body, encode_body
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import TYPES, Incident, Status
from amanah_protocol.content.page import Page, Result
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, OrgName, PersonId, RoomId

TN, MA = OrgName("cert.example.tn"), OrgName("cert.example.ma")
MESSAGE = EnvelopeId(bytes(range(32)))
NAME = bytes(range(16))
ORIGIN = Origin(nation=TN, room=RoomId(NAME), message=MESSAGE, accepted_at_ms=1, label=Label.AMBER_STRICT)
PERSON = Mention(called=Called.PERSON, organisation=TN, person=PersonId(NAME))
FACTS = (MESSAGE,) * 6


def closing(**changed: Any) -> Closing:  # noqa: ANN401 - fields of a closing
    fields: dict[str, Any] = {"first": 1, "last": 9, "facts": FACTS, "sign_until_ms": 1, "nations": (MA, TN)}
    return Closing(**(fields | changed))


SAID: list[tuple[int, Said]] = [
    (17, Text(text="a word", asks=Grade.READ)),
    (
        17,
        Text(
            text="حادث — incident — e\u0301",
            reply_to=MESSAGE,
            thread=MESSAGE,
            mentions=(
                PERSON,
                Mention(called=Called.DESK, organisation=MA),
                Mention(called=Called.NATION, organisation=TN),
            ),
            asks=Grade.UNDERSTOOD,
        ),
    ),
    (7, Reaction(message=MESSAGE, sign="👀")),
    (7, Reaction(message=MESSAGE, sign="👀", stands=False)),
    (8, Correction(message=MESSAGE, text="a word", mentions=(PERSON,))),
    (9, Withdrawal(message=MESSAGE, reason="a word")),
    (10, File(name="a word", size=0, digest=MESSAGE, key=MESSAGE, attachment=MESSAGE)),
    (
        10,
        File(
            name="حادث.pcap",
            type="application/vnd.tcpdump.pcap",
            size=limits.MAX_ATTACHMENT_BYTES,
            digest=MESSAGE,
            key=MESSAGE,
            attachment=MESSAGE,
            sample=True,
            text="a word",
        ),
    ),
    (11, Incident(title="a word")),
    (11, Incident(severity=Severity.LOW)),
    (11, Incident(status=Status.CLOSED, type="availability/ddos", aware_at_ms=0)),
    (12, Task(id=NAME, what="a word", nation=TN, until_ms=1)),
    (12, Task(id=NAME, what="a word", nation=TN)),
    (12, TaskMoved(id=NAME, state=TaskState.REFUSED, reason="a word")),
    (12, TaskMoved(id=NAME, state=TaskState.TAKEN)),
    (13, Proposal(ordinal=1, what="a word", object_until_ms=1, quorum=2, nations=(MA, TN))),
    (14, Position(proposal=MESSAGE, agrees=True)),
    (14, Position(proposal=MESSAGE, agrees=False, reason="a word")),
    (15, Clock(id=NAME, nature=Nature.ACTION, what="a word", at_ms=1)),
    (15, Clock(id=NAME, nature=Nature.EMBARGO, what="a word", at_ms=MAX_OBSERVED_AT_MS, stands=False)),
    (16, Handover(text="a word")),
    (16, Handover(text="a word", to=PERSON)),
    (18, Page(message=MESSAGE, step=0, whom="a word", result=Result.RANG, at_ms=0)),
    (18, Page(message=MESSAGE, step=63, again=2**31 - 1, whom="a word", result=Result.FAILED, at_ms=1)),
    (21, Forwarded(text="a word", origin=ORIGIN)),
    (21, Forwarded(text="حادث", origin=ORIGIN, note="a word")),
    (19, closing()),
    (19, ClosingRecorded(closing=MESSAGE, nations=())),
    (19, ClosingRecorded(closing=MESSAGE, nations=(MA, TN))),
    (20, SignOff(closing=MESSAGE, first=3, facts=FACTS)),
]


def through_the_wire(said: Said) -> object:
    number, value = encode_body(said)
    return decode_body(number, cbor.decode(cbor.encode(value), max_bytes=limits.MIB))


@pytest.mark.parametrize(("number", "said"), SAID)
def test_what_is_said_has_its_number_and_comes_back_as_it_was(number: int, said: Said) -> None:
    assert encode_body(said)[0] == number
    assert through_the_wire(said) == said


@pytest.mark.parametrize("said", [said for _, said in SAID])
def test_no_repr_shows_what_was_said(said: Said) -> None:
    assert "a word" not in repr(said)
    assert "حادث" not in repr(said)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_a_text_keeps_every_character(text: str) -> None:
    assert through_the_wire(Text(text=text)) == Text(text=text)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.sampled_from(["", "a", TN, "other/other", NAME, MESSAGE]),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted({number for number, _ in SAID})), st.lists(VALUES, max_size=6))
def test_what_is_accepted_gives_the_same_bytes_again(number: int, rest: list[cbor.Value]) -> None:
    value = [1, *rest]
    try:
        body = decode_body(number, value)
    except DecodeError:
        return
    assert not isinstance(body, Unknown)
    assert encode_body(body)[0] == number
    assert cbor.encode(encode_body(body)[1]) == cbor.encode(value)


@pytest.mark.parametrize("number", sorted({number for number, _ in SAID}))
def test_a_later_version_is_kept_as_it_is_and_what_is_none_is_refused(number: int) -> None:
    later: cbor.Value = [2, {1: "newer"}]
    assert decode_body(number, later) == Unknown(type=number, raw=cbor.encode(later))
    assert encode_body(Unknown(type=number, raw=cbor.encode(later))) == (number, later)
    others: list[cbor.Value] = [[1, "a"], [0], [True], [None], [], "text", {1: 2}]
    for value in others:
        with pytest.raises(DecodeError) as refused:
            decode_body(number, value)
        assert refused.value.code is Code.BAD_TYPE
        with pytest.raises(UsageError) as misused:
            Unknown(type=number, raw=cbor.encode(value))
        assert misused.value.code is Code.USAGE


LARGEST: list[Callable[[int], Said]] = [
    lambda more: Text(text="a" * (65_536 + more)),
    lambda more: Text(text="", mentions=(PERSON,) * (64 + more)),
    lambda more: Reaction(message=MESSAGE, sign="a" * (16 + more)),
    lambda more: Reaction(message=MESSAGE, sign="a" * (1 - more)),
    lambda more: Correction(message=MESSAGE, text="a" * (65_536 + more)),
    lambda more: Correction(message=MESSAGE, text="", mentions=(PERSON,) * (64 + more)),
    lambda more: Withdrawal(message=MESSAGE, reason="a" * (1_024 + more)),
    lambda more: Incident(title="a" * (253 + more)),
    lambda more: Task(id=NAME, what="a" * (1_024 + more), nation=TN),
    lambda more: Task(id=NAME, what="a" * (1 - more), nation=TN),
    lambda more: TaskMoved(id=NAME, state=TaskState.DONE, reason="a" * (1_024 + more)),
    lambda more: Proposal(ordinal=0, what="a" * (1_024 + more), object_until_ms=1, quorum=1, nations=(TN,)),
    lambda more: Proposal(ordinal=0, what="a" * (1 - more), object_until_ms=1, quorum=1, nations=(TN,)),
    lambda more: Proposal(ordinal=0, what="a", object_until_ms=1, quorum=1 - more, nations=(TN,)),
    lambda more: Proposal(ordinal=0, what="a", object_until_ms=1, quorum=1 + more, nations=(TN,)),
    lambda more: Proposal(ordinal=2**63 - 1 + more, what="a", object_until_ms=1, quorum=1, nations=(TN,)),
    lambda more: Proposal(ordinal=0, what="a", object_until_ms=1, quorum=1, nations=many(64 + more)),
    lambda more: Proposal(ordinal=0, what="a", object_until_ms=1, quorum=1, nations=many(1 - more)),
    lambda more: Position(proposal=MESSAGE, agrees=True, reason="a" * (1_024 + more)),
    lambda more: Clock(id=NAME, nature=Nature.DEADLINE, what="a" * (1_024 + more), at_ms=1),
    lambda more: Clock(id=NAME, nature=Nature.DEADLINE, what="a" * (1 - more), at_ms=1),
    lambda more: Handover(text="a" * (65_536 + more)),
    lambda more: Handover(text="a" * (1 - more)),
    lambda more: Page(message=MESSAGE, step=63 + more, whom="a", result=Result.RANG, at_ms=1),
    lambda more: Page(message=MESSAGE, step=0, again=2**31 - 1 + more, whom="a", result=Result.RANG, at_ms=1),
    lambda more: Page(message=MESSAGE, step=0, whom="a" * (253 + more), result=Result.RANG, at_ms=1),
    lambda more: Page(message=MESSAGE, step=0, whom="a" * (1 - more), result=Result.RANG, at_ms=1),
    lambda more: Forwarded(text="a" * (65_536 + more), origin=ORIGIN),
    lambda more: Forwarded(text="", origin=ORIGIN, note="a" * (1_024 + more)),
    lambda more: closing(nations=many(64 + more)),
    lambda more: closing(nations=many(1 - more)),
    lambda more: closing(first=9 + more),
    lambda more: closing(first=1 - more),
    lambda more: ClosingRecorded(closing=MESSAGE, nations=many(64 + more)),
    lambda more: SignOff(closing=MESSAGE, first=1 - more, facts=FACTS),
]


def many(count: int) -> tuple[OrgName, ...]:
    return tuple(OrgName(f"cert{number:02}.example.org") for number in range(count))


@pytest.mark.parametrize("make", LARGEST)
def test_what_is_said_at_its_bound_is_made_and_beyond_is_not(make: Callable[[int], Said]) -> None:
    assert through_the_wire(make(0)) == make(0)
    with pytest.raises(UsageError) as refused:
        make(1)
    assert refused.value.code is Code.TOO_LARGE


SHORT = EnvelopeId(bytes(31))
WRONG: list[tuple[Callable[[], object], Code]] = [
    (lambda: Text(text="", reply_to=SHORT), Code.BAD_TYPE),
    (lambda: Text(text="", thread=SHORT), Code.BAD_TYPE),
    (lambda: Mention(called=Called.NATION, organisation=OrgName("Tunisia")), Code.BAD_TYPE),
    (lambda: Mention(called=Called.NATION, organisation=TN, person=PersonId(NAME)), Code.BAD_TYPE),
    (lambda: Mention(called=Called.PERSON, organisation=TN), Code.BAD_TYPE),
    (lambda: Mention(called=Called.PERSON, organisation=TN, person=PersonId(bytes(15))), Code.BAD_TYPE),
    (lambda: Reaction(message=SHORT, sign="a"), Code.BAD_TYPE),
    (lambda: Correction(message=SHORT, text=""), Code.BAD_TYPE),
    (lambda: Withdrawal(message=SHORT, reason=""), Code.BAD_TYPE),
    (Incident, Code.USAGE),
    (lambda: Incident(type="ddos"), Code.BAD_TYPE),
    (lambda: Incident(type="Availability/ddos"), Code.BAD_TYPE),
    (lambda: Incident(type="a/" + "a" * 127), Code.BAD_TYPE),
    (lambda: Incident(aware_at_ms=-1), Code.BAD_TYPE),
    (lambda: Incident(aware_at_ms=MAX_OBSERVED_AT_MS + 1), Code.BAD_TYPE),
    (lambda: Task(id=bytes(15), what="a", nation=TN), Code.BAD_TYPE),
    (lambda: Task(id=NAME, what="a", nation=OrgName("Tunisia")), Code.BAD_TYPE),
    (lambda: Task(id=NAME, what="a", nation=TN, until_ms=MAX_OBSERVED_AT_MS + 1), Code.BAD_TYPE),
    (lambda: TaskMoved(id=bytes(15), state=TaskState.DONE), Code.BAD_TYPE),
    (lambda: TaskMoved(id=NAME, state=TaskState.REFUSED), Code.USAGE),
    (lambda: Proposal(ordinal=0, what="a", object_until_ms=-1, quorum=1, nations=(TN,)), Code.BAD_TYPE),
    (lambda: Proposal(ordinal=0, what="a", object_until_ms=1, quorum=1, nations=(TN, MA)), Code.BAD_TYPE),
    (lambda: Proposal(ordinal=0, what="a", object_until_ms=1, quorum=1, nations=(TN, TN)), Code.BAD_TYPE),
    (lambda: Proposal(ordinal=0, what="a", object_until_ms=1, quorum=1, nations=(OrgName("TN"),)), Code.BAD_TYPE),
    (lambda: Position(proposal=SHORT, agrees=True), Code.BAD_TYPE),
    (lambda: Position(proposal=MESSAGE, agrees=False), Code.USAGE),
    (lambda: Clock(id=bytes(17), nature=Nature.ACTION, what="a", at_ms=1), Code.BAD_TYPE),
    (lambda: Clock(id=NAME, nature=Nature.ACTION, what="a", at_ms=-1), Code.BAD_TYPE),
    (lambda: Page(message=SHORT, step=0, whom="a", result=Result.RANG, at_ms=1), Code.BAD_TYPE),
    (lambda: Page(message=MESSAGE, step=0, whom="a", result=Result.RANG, at_ms=-1), Code.BAD_TYPE),
    (lambda: replace(ORIGIN, nation=OrgName("Tunisia")), Code.BAD_TYPE),
    (lambda: replace(ORIGIN, room=RoomId(bytes(15))), Code.BAD_TYPE),
    (lambda: replace(ORIGIN, message=SHORT), Code.BAD_TYPE),
    (lambda: replace(ORIGIN, accepted_at_ms=MAX_OBSERVED_AT_MS + 1), Code.BAD_TYPE),
    (lambda: closing(facts=FACTS[1:]), Code.BAD_TYPE),
    (lambda: closing(facts=(*FACTS[1:], SHORT)), Code.BAD_TYPE),
    (lambda: closing(nations=(TN, MA)), Code.BAD_TYPE),
    (lambda: closing(nations=(OrgName("Tunisia"),)), Code.BAD_TYPE),
    (lambda: closing(sign_until_ms=-1), Code.BAD_TYPE),
    (lambda: ClosingRecorded(closing=SHORT, nations=()), Code.BAD_TYPE),
    (lambda: ClosingRecorded(closing=MESSAGE, nations=(TN, TN)), Code.BAD_TYPE),
    (lambda: SignOff(closing=SHORT, first=1, facts=FACTS), Code.BAD_TYPE),
    (lambda: SignOff(closing=MESSAGE, first=1, facts=(*FACTS, MESSAGE)), Code.BAD_TYPE),
]


@pytest.mark.parametrize(("make", "code"), WRONG)
def test_what_makes_no_sense_cannot_be_said(make: Callable[[], object], code: Code) -> None:
    with pytest.raises(UsageError) as refused:
        make()
    assert refused.value.code is code


@pytest.mark.parametrize(
    ("number", "value", "code"),
    [
        (17, [1, "a", None, None, [], 5], Code.BAD_TYPE),
        (17, [1, "a", None, None, [], 0], Code.NOT_CANONICAL),
        (17, [1, "a", None, None, [[0, TN]], 0], Code.BAD_TYPE),
        (17, [1, "a", None, None, [[3, TN]], 0], Code.BAD_TYPE),
        (17, [1, "a", None, None, [[1, TN, NAME]], 0], Code.BAD_TYPE),
        (17, [1, "a", None, None, [TN], 0], Code.BAD_TYPE),
        (7, [0, MESSAGE, "a", True], Code.BAD_TYPE),
        (7, [1, MESSAGE, "a", 1], Code.BAD_TYPE),
        (11, [1, None, 4, None, None, None], Code.BAD_TYPE),
        (11, [1, None, None, 0, None, None], Code.BAD_TYPE),
        (11, [1, None, None, 7, None, None], Code.BAD_TYPE),
        (11, [1, None, None, None, None, None], Code.USAGE),
        (12, [1, NAME, [0, "a", TN, None]], Code.BAD_TYPE),
        (12, [1, NAME, [True, "a", TN, None]], Code.BAD_TYPE),
        (12, [1, NAME, [1, "a", TN]], Code.BAD_TYPE),
        (12, [1, NAME, [2, 1, "a", None]], Code.BAD_TYPE),
        (12, [1, NAME, [2, 1]], Code.BAD_TYPE),
        (12, [1, NAME, [2, 0, ""]], Code.BAD_TYPE),
        (12, [1, NAME, [2, 5, ""]], Code.BAD_TYPE),
        (15, [1, NAME, 0, "a", 1, True], Code.BAD_TYPE),
        (15, [1, NAME, 4, "a", 1, True], Code.BAD_TYPE),
        (18, [1, MESSAGE, 0, 0, "a", 0, 1], Code.BAD_TYPE),
        (18, [1, MESSAGE, 0, 0, "a", 4, 1], Code.BAD_TYPE),
        (19, [1, [0, MESSAGE, []]], Code.BAD_TYPE),
        (19, [1, [2, 1, 9, [MESSAGE] * 6, 1, [TN]]], Code.BAD_TYPE),
        (19, [1, [1, MESSAGE, []]], Code.BAD_TYPE),
        (19, [1, [2, MESSAGE]], Code.BAD_TYPE),
        (19, [1, [1, 1, 9, [MESSAGE] * 5, 1, [TN]]], Code.BAD_TYPE),
        (20, [1, MESSAGE, 1, [MESSAGE] * 5], Code.BAD_TYPE),
        (20, [1, MESSAGE, 0, [MESSAGE] * 6], Code.TOO_LARGE),
    ],
)
def test_what_does_not_fit_its_kind_is_refused(number: int, value: cbor.Value, code: Code) -> None:
    with pytest.raises(DecodeError) as refused:
        decode_body(number, value)
    assert refused.value.code is code


def test_every_type_of_the_taxonomy_can_be_said() -> None:
    types = [f"{group}/{type_}" for group, of in TYPES.items() for type_ in of]
    assert len(types) == len(set(types)) == len(list(chain(*TYPES.values())))
    assert all(Incident(type=type_).type == type_ for type_ in types)


def test_the_taxonomy_is_the_published_one(data_dir: Path) -> None:
    published = json.loads((data_dir / "taxonomies" / "rsit.json").read_text(encoding="utf-8"))
    assert {of["predicate"]: tuple(entry["value"] for entry in of["entry"]) for of in published["values"]} == TYPES
