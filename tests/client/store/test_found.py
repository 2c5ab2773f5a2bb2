"""A search tells of what a store holds: whatever was put, broken, given or erased, what can be read and no more."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amanah_client import effects as e
from amanah_client import model
from amanah_client.store import LocalStore, noting
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.content.text import Text
from amanah_protocol.labels import Label
from tests.client.store.test_desk import found, said
from tests.client.store.test_store import KEY, ROOM, message

NUMBERS: Final = range(1, 5)
ACTS: Final = ("said", "broken", "granted", "erased", "dropped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """What is done with an entry.

    Attributes:
        what: Which act.
        number: Of which entry.
        label: Under which label.
    """

    what: str
    number: int
    label: Label


def write_of(act: Act, turn: int, store: LocalStore) -> e.Write | None:
    """The write of an act; the words of each turn are its own."""
    row = replace(said(act.number, f"turn{turn}"), label=act.label)
    known = store.message(ROOM, row.envelope)
    match act.what:
        case "said":
            return e.PutMessage(row=row)
        case "broken":
            state, cause = model.MessageState.UNREADABLE, model.Cause.LABEL_BROKEN
            return e.PutMessage(row=replace(row, state=state, cause=cause, code="LABEL", content=b"", key=b""))
        case "granted":
            return e.PutGranted(row=row)
        case "erased":
            return e.EraseContent(room=ROOM, envelopes=(row.envelope,), by=None)
        case _:
            return None if known is None else e.DropMessage(room=ROOM, envelope=row.envelope)


def check(store: LocalStore, acts: list[Act]) -> None:
    """After each act each word is found where it can be read, under its label, and nowhere else."""
    for turn, act in enumerate(acts):
        write = write_of(act, turn, store)
        store.commit(() if write is None else (write,))
        rows = [row for number in NUMBERS if (row := store.message(ROOM, message(number).envelope)) is not None]
        for earlier in range(turn + 1):
            there = [row for row in rows if f"turn{earlier}" in text_of(row)]
            assert found(store, f'"turn{earlier}"') == [row.envelope[0] for row in there]
            for label in Label:
                under = [row.envelope[0] for row in there if row.label is label]
                assert found(store, f'"turn{earlier}" label:{label.text}') == under


def text_of(row: model.MessageRow) -> list[str]:
    """The words of an entry, as anybody reads it."""
    body = decode_content(row.content).body if row.content else None
    assert body is None or row.state is model.MessageState.STORED
    return body.text.split() if isinstance(body, Text) else []


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.builds(
            Act, what=st.sampled_from(ACTS), number=st.sampled_from(NUMBERS), label=st.sampled_from(Label)
        ),
        max_size=8,
    )
)  # fmt: skip
def test_a_search_finds_what_can_be_read_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, acts: list[Act]
) -> None:
    with closing(LocalStore(tmp_path_factory.mktemp("found") / "store.db", KEY, create=True)) as store:
        check(store, acts)


def test_without_striking_what_is_erased_it_is_found_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: what takes words out of the index is what stops it."""
    acts = [Act(what=what, number=1, label=Label.RED) for what in ("said", "erased")]
    monkeypatch.setattr(noting, "strike", lambda *_: None)
    with closing(LocalStore(tmp_path / "store.db", KEY, create=True)) as store, pytest.raises(AssertionError):
        check(store, acts)
