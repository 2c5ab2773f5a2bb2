"""What is erased stays erased: whatever comes late, and wherever else its words were kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.incident import labelled
from amanah_client.incident.labelled import labels_of
from amanah_client.model import Cause
from amanah_client.outcome import result_of
from amanah_client.store import LocalStore, writes
from amanah_client.store.rows import decode_intent
from amanah_protocol.content.bodies import Body, Profile
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.sealed import Content, View, encode_content
from amanah_protocol.content.text import Text
from amanah_protocol.custody.retention import DAY_MS, RoomPolicy
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.kinds import Kind, Relabel
from amanah_protocol.labels import Label, Pap
from amanah_protocol.log.disclosure import Disclosure
from amanah_protocol.types import DeviceId
from amanah_protocol.ways import Somebody
from tests.client.store.test_store import CANARY, KEY, ROOM, message, text_intent
from tests.vectors import examples as x


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LocalStore]:
    made = LocalStore(tmp_path / "store.db", KEY, create=True)
    yield made
    made.close()


@pytest.mark.parametrize("by", [None, message(1).sender, DeviceId(b"x" * 32)])
def test_what_was_erased_before_it_was_granted_stays_erased(store: LocalStore, by: DeviceId | None) -> None:
    store.commit((e.EraseContent(room=ROOM, envelopes=(message(1).envelope,), by=by),))
    assert store.messages(ROOM) == ()
    store.commit((e.PutGranted(row=message(1, room_seq=1)), e.PutGranted(row=message(2, room_seq=2))))
    first, second = store.messages(ROOM)
    assert second == message(2, room_seq=2)
    if by == DeviceId(b"x" * 32):  # nobody erases others' words, before they come either
        assert first == message(1, room_seq=1)
    else:
        assert (first.state, first.content, first.key) == (model.MessageState.ERASED, b"", b"")


@pytest.mark.parametrize("by", [None, message(1).sender])
def test_an_erasure_takes_no_label_away_that_a_header_gave(store: LocalStore, by: DeviceId | None) -> None:
    """A relabel seals nothing: its label would be gone with it, and no words with that."""
    raised = Relabel(envelope=message(1).envelope, old=Label.AMBER, new=Label.RED)
    row = replace(message(2, room_seq=2, content=b""), kind=Kind.RELABEL, encoded=x.signed(raised).encoded)
    store.commit((e.PutMessage(row=message(1, room_seq=1)), e.PutMessage(row=row)))
    store.commit((e.EraseContent(room=ROOM, envelopes=(row.envelope,), by=by),))
    assert store.messages(ROOM) == (message(1, room_seq=1), row)
    # In a store where that was done before, it counts all the same.
    assert labels_of(replace(row, state=model.MessageState.ERASED)) == raised.envelope


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("how", ["by its author", "by the room's owner", "over by its label", "before it was granted"])
def test_a_correction_whose_words_are_gone_counts_by_its_labels(
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    kept: bool,  # noqa: FBT001 - with what counts on, and the control without
) -> None:
    if not kept:
        whole = labelled.tombstone
        monkeypatch.setattr(writes, "tombstone", lambda row: replace(whole(row), struck=None))
    first, second = message(1).envelope, message(2).envelope
    spoken = _sealed(1, Text(text=CANARY), Label.GREEN, Pap.GREEN)
    corrected = _sealed(2, Correction(message=first, text=CANARY), Label.RED, Pap.RED)
    policy = RoomPolicy(labels={Label.RED: 7, Label.GREEN: 90}).encode()
    gone: dict[str, e.Write] = {
        "by its author": e.EraseContent(room=ROOM, envelopes=(second,), by=corrected.sender),
        "by the room's owner": e.EraseContent(room=ROOM, envelopes=(second,), by=None),
        "over by its label": e.DropOver(room=ROOM, policy=policy, now_ms=8 * DAY_MS, held_since_ms=None),
        "before it was granted": e.EraseContent(room=ROOM, envelopes=(second,), by=None),
    }
    late = how == "before it was granted"
    come = e.PutGranted(row=corrected) if late else e.PutMessage(row=corrected)
    store.commit((e.PutMessage(row=spoken), *([gone[how], come] if late else [come, gone[how]])))
    row, erased = store.messages(ROOM)
    assert (row, erased.state, erased.content) == (spoken, model.MessageState.ERASED, b"")
    found = labelled.matter_of(
        row, store.labelling(ROOM, first), None, lambda _: Somebody(organisation=x.TN, person=None)
    )
    assert (found.label, found.pap) == ((Label.RED, Pap.RED) if kept else (Label.GREEN, Pap.GREEN))


def _sealed(number: int, body: Body, label: Label, pap: Pap) -> model.MessageRow:
    row = message(number, room_seq=number, content=encode_content(_content(body, label, pap)))
    return replace(row, label=label, encoded=b"envelope %d" % number, accepted_at_ms=0)


@pytest.mark.parametrize("how", ["erased", "forgotten", "over", "another"])
def test_a_finished_disclosure_is_erased_with_what_it_discloses(store: LocalStore, how: str) -> None:
    row = replace(message(1, room_seq=1, content=_introduction()), encoded=b"the envelope of 1", accepted_at_ms=0)
    store.commit((e.PutMessage(row=row), e.PutMessage(row=replace(message(2, room_seq=2), encoded=b"another's"))))
    action = actions.Disclose(room=ROOM, envelope=row.envelope, recipient="a court")
    intent = model.Intent(id="1" * 32, action=action, created_at_ms=1)
    store.add_intent(intent, text_intent(2))
    proof = _proof(row.encoded)
    store.commit((e.PutIntent(intent=replace(intent, state=model.IntentState.DONE, result=proof)),))
    said: dict[str, e.Write] = {
        "erased": e.EraseContent(room=ROOM, envelopes=(row.envelope,), by=row.sender),
        "forgotten": e.ForgetPerson(organisation=x.TN, subject=x.request().subject),
        "over": e.DropOver(
            room=ROOM, policy=RoomPolicy(labels={Label.AMBER: 8}).encode(), now_ms=9 * DAY_MS, held_since_ms=None
        ),
        "another": e.EraseContent(room=ROOM, envelopes=(message(2).envelope,), by=None),
    }
    store.commit((said[how],))
    found = store.intent(intent.id)
    assert found is not None
    assert (found.state, found.result) == (model.IntentState.DONE, proof if how == "another" else b"")
    if how != "another":
        with pytest.raises(UsageError) as gone:
            result_of(found)
        assert gone.value.code is Code.NOT_FOUND


def test_what_was_disclosed_is_read_once_however_many_messages_end_together(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        replace(message(number, room_seq=number), encoded=b"envelope %d" % number, accepted_at_ms=0)
        for number in range(1, 21)
    ]
    store.commit(tuple(e.PutMessage(row=row) for row in rows))
    intents = [
        model.Intent(
            id=f"{number:032x}",
            action=actions.Disclose(room=ROOM, envelope=row.envelope, recipient="a court"),
            created_at_ms=1,
            state=model.IntentState.DONE,
            result=_proof(row.encoded),
        )
        for number, row in enumerate(rows[:3])
    ]
    store.add_intent(*intents)
    store.commit(tuple(e.PutIntent(intent=intent) for intent in intents))
    read: list[str] = []

    def counted(action: str, body: bytes, row: bytes) -> model.Intent:
        found = decode_intent(action, body, row)
        read.append(found.id)
        return found

    monkeypatch.setattr("amanah_client.store.writes.decode_intent", counted)
    policy = RoomPolicy(labels={Label.AMBER: 8}).encode()
    store.commit((e.DropOver(room=ROOM, policy=policy, now_ms=9 * DAY_MS, held_since_ms=None),))
    assert {row.state for row in store.messages(ROOM)} == {model.MessageState.ERASED}
    assert sorted(read) == [intent.id for intent in intents]
    assert [found.result for intent in intents if (found := store.intent(intent.id))] == [b""] * 3


def _proof(envelope: bytes) -> bytes:
    return Disclosure(
        envelope=envelope, k=bytes(32), content=CANARY.encode(), entry=b"", index=0, size=1, path=(), checkpoint=b"",
        certificate=b"", enrolment=b"",
    ).encode()  # fmt: skip


def _introduction() -> bytes:
    return encode_content(_content(Profile(encoded=x.profile(x.TN).encoded), Label.AMBER, Pap.AMBER))


def _content(body: Body, label: Label, pap: Pap) -> Content:
    view = View(log_size=0, log_root=bytes(32), log_signature=b"", room_seq=0, room_head=bytes(32))
    return Content(message_id=bytes(16), written_at_ms=5, label_number=label, pap_number=pap, view=view, body=body)


@pytest.mark.parametrize("cause", Cause)
def test_a_grant_takes_the_place_of_what_could_not_be_read_for_no_fault_of_its_sender(
    store: LocalStore, cause: Cause
) -> None:
    unread = replace(message(1, room_seq=1, content=b""), state=model.MessageState.UNREADABLE, cause=cause, code="OPEN")
    store.commit((e.PutMessage(row=unread), e.PutMessage(row=message(2, room_seq=2))))
    granted = (message(1, room_seq=1), replace(message(2, room_seq=2), content=b"another"))
    store.commit(tuple(e.PutGranted(row=row) for row in granted))
    refused = cause in (Cause.LABEL_BROKEN, Cause.SENDER_AT_FAULT)
    assert store.messages(ROOM) == (unread if refused else granted[0], message(2, room_seq=2))
