"""What a program tells without a person is the same whatever was said, under whatever label, and by whom."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from amanah_client.cli.watching import told_json
from amanah_client.message import Message
from amanah_client.model import MessageState
from amanah_client.paging import hooks
from amanah_client.paging import inputs as i
from amanah_client.paging.hooks import Notice
from amanah_client.paging.machine import State
from amanah_client.paging.pager import Ringing, Rings
from amanah_protocol.content.bodies import AlertBatch, Body
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.text import Text
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import EnvelopeId, RoomId
from tests.client.core.test_machine import alert
from tests.client.paging.calls import TN
from tests.client.paging.test_reading import DESK, IN, entry

CANARY: Final = "canary"
DIGEST: Final = bytes(range(32))
ORIGIN: Final = Origin(
    nation=TN, room=RoomId(bytes(16)), message=EnvelopeId(DIGEST), accepted_at_ms=1, label=Label.CLEAR
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What a message says, and what members alone know of it.

    Attributes:
        body: What it says; None where it cannot be read here.
        label: Its label.
        pap: What receivers may do with it.
        name: What its author is called.
        title: The title of its room.
    """

    body: Body | None
    label: Label
    pap: Pap
    name: str
    title: str


WORDS: Final = st.text(max_size=20).map(CANARY.__add__)
BODIES: Final[st.SearchStrategy[Body | None]] = st.one_of(
    st.none(),
    st.builds(Text, text=WORDS),
    st.builds(Forwarded, text=WORDS, origin=st.just(ORIGIN), note=WORDS),
    st.builds(File, name=WORDS, size=st.just(1), digest=st.just(DIGEST), key=st.just(DIGEST),
              attachment=st.just(DIGEST), text=WORDS),
    st.just(AlertBatch(source=CANARY, alerts=(replace(alert(), title=CANARY),))),
)  # fmt: skip
SEALED: Final = st.builds(
    Sealed, body=BODIES, label=st.sampled_from(Label), pap=st.sampled_from(Pap), name=WORDS, title=WORDS
)


def message_of(sealed: Sealed, precedence: Precedence) -> Message:
    """A message of another nation that pages."""
    made = entry(sealed.body, precedence=precedence)
    state = MessageState.UNREADABLE if sealed.body is None else MessageState.STORED
    sender = structs.replace(made.sender, name=sealed.name)
    return replace(made, label=sealed.label, pap=sealed.pap, sender=sender, state=state)


def told(sealed: Sealed, precedence: Precedence, count: int, step: int, *, drill: bool) -> list[bytes]:
    """All that leaves for it: to a command, a webhook, a mail, and a service's log."""
    called = DESK.meaning(message_of(sealed, precedence), replace(IN, title=sealed.title))
    assert isinstance(called, i.Arrived)
    call = called.call
    notice = hooks.notice_of(call.room, call.precedence, count=count, step=step, drill=drill)
    rings = Ringing(
        room=call.room, message=call.message, precedence=call.precedence, since_ms=call.at_ms, step=step, again=0,
        whom="Analyst on duty", state=State.DESK,
    )  # fmt: skip
    letter = hooks._letter("amanah@cert.example.ma", "night@cert.example.ma", notice)  # noqa: SLF001 - what is mailed
    return [
        json.dumps(notice.words).encode(),
        notice.json,
        letter.as_bytes(),
        json.dumps(told_json(Rings(ringing=rings))).encode(),
    ]


URGENT: Final = st.sampled_from((Precedence.IMMEDIATE, Precedence.FLASH))


@settings(max_examples=300, deadline=None)
@given(SEALED, SEALED, URGENT, st.integers(1, 99), st.integers(0, 9), st.booleans())
def test_what_is_told_outside_follows_from_no_word_name_or_label(
    one: Sealed,
    other: Sealed,
    precedence: Precedence,
    count: int,
    step: int,
    drill: bool,  # noqa: FBT001 - as examples are drawn
) -> None:
    found = told(one, precedence, count, step, drill=drill)
    assert found == told(other, precedence, count, step, drill=drill)
    assert not any(CANARY.encode() in each for each in found)


def test_a_notice_that_names_the_room_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: each of the ways that lead outside tells what is in a notice."""
    sealed = Sealed(body=Text(text="x"), label=Label.RED, pap=Pap.RED, name="x", title=CANARY)
    made = hooks.notice_of

    def naming(room: RoomId, precedence: Precedence, *, count: int, step: int, drill: bool) -> Notice:
        return structs.replace(made(room, precedence, count=count, step=step, drill=drill), room=sealed.title)

    monkeypatch.setattr(hooks, "notice_of", naming)
    found = told(sealed, Precedence.FLASH, 1, 1, drill=False)
    assert [CANARY.encode() in each for each in found] == [True, True, True, False]
