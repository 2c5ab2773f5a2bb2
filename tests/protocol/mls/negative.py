"""The negative table: for each rule, messages in which only that rule is broken.

A case takes a fresh stage, does what has to come before, and gives what has to be refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import pytest

from amanah_protocol.mls.group import Group
from amanah_protocol.mls.rules import InvalidError, Rule
from amanah_protocol.mls.suites import Suite
from tests.protocol.mls.stage import Stage, handshake, make_stage, private

Attempt: TypeAlias = Callable[[], object]
Make: TypeAlias = Callable[[Stage], Attempt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that is refused.

    Attributes:
        rule: By which rule.
        name: What is wrong.
        make: Builds the attempt.
        goes_on: Whether the stage's group can go on afterwards.
    """

    rule: Rule
    name: str
    make: Make
    goes_on: bool


CASES: Final[list[Case]] = []


def case(rule: Rule, *, goes_on: bool = True) -> Callable[[Make], Make]:
    """Register a case under its function's name."""

    def register(make: Make) -> Make:
        CASES.append(Case(rule=rule, name=make.__name__, make=make, goes_on=goes_on))
        return make

    return register


def run_case(entry: Case, suite: Suite) -> None:
    """It is refused by exactly its rule, changes nothing, and what is honest is still taken afterwards."""
    stage = make_stage(suite)
    attempt = entry.make(stage)
    before = stage.states()
    with pytest.raises(InvalidError) as caught:
        attempt()
    assert caught.value.rule is entry.rule, caught.value
    assert caught.value.code is entry.rule.code
    assert stage.states() == before
    if entry.goes_on:
        stage.check_honest_traffic()


def take(group: Group, message: bytes) -> object:
    """Take a commit."""
    return group.take_commit(handshake(message))


def commit_to(stage: Stage, message: bytes, name: str = "bob") -> Attempt:
    """Somebody is sent a commit."""
    return lambda: take(stage[name], message)


def proposal_to(stage: Stage, message: bytes, name: str = "bob") -> Attempt:
    """Somebody is sent a proposal."""
    return lambda: stage[name].take_proposal(handshake(message))


def data_to(stage: Stage, message: bytes, name: str = "bob") -> Attempt:
    """Somebody is sent application data."""
    return lambda: stage[name].open(private(message))
