"""The auditor's copy: nothing in it that is not proven, and all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from amanah_client import actions, model
from amanah_client.core import audit_sync
from amanah_client.core.requests import AuditCheckpoints, AuditEdge, AuditPage
from amanah_protocol import frames
from amanah_protocol.errors import VerifyError
from amanah_protocol.identity import Role
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, sign_checkpoint
from amanah_protocol.log.leaf import LeafType, decode_leaf
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.note_keys import NoteSigner
from amanah_protocol.types import LeafHash
from tests.client.core.rooms import two
from tests.client.core.world import SN, TN, Client, Stage
from tests.relay.people import LOG_SIGNER, ORIGIN, key_of

DONE, FAILED, SENT = model.IntentState.DONE, model.IntentState.FAILED, model.IntentState.SENT


def auditor(stage: Stage, of: str = TN) -> Client:
    """An auditor who is online, beside a room that has said something."""
    a, b, room = two(stage)
    a.say(room, "hello")
    b.say(room, "bonjour")
    return stage.online("auditor", of=of, role=Role.AUDITOR)


def sync(client: Client) -> model.Intent:
    """Copy the log."""
    intent = client.ask(actions.AuditSync())
    client.stage.wait(3_000)
    return client.intent(intent)


def check_copy(client: Client) -> None:
    """The copy is a prefix of the real log, and its root is the real one."""
    entries = client.stage.relay.store.entries[: len(client.store.audit)]
    assert [row.hash for row in client.store.audit] == [entry.hash for entry in entries]
    frontier = Frontier()
    for row in client.store.audit:
        frontier.append(LeafHash(row.hash))
    view = client.store.base.log
    assert view is not None
    assert frontier.size <= view.size


def tamper(client: Client, change: Callable[[list[frames.LogEntry]], list[frames.LogEntry]]) -> None:
    """Change the pages that the auditor gets."""
    client.toward = lambda frame: (
        [frames.LogEntries(frame.request, tuple(change(list(frame.entries))), frame.size)]
        if isinstance(frame, frames.LogEntries)
        else [frame]
    )


def test_the_log_is_copied_up_to_the_newest_checkpoint(stage: Stage) -> None:
    client = auditor(stage)
    size = len(stage.relay.store.entries)
    assert sync(client).state is DONE
    assert len(client.store.audit) == size
    check_copy(client)
    types = {decode_leaf(row.entry).type for row in client.store.audit if row.entry is not None}
    assert types == {LeafType.ENVELOPE, LeafType.CERTIFICATE, LeafType.ENROLMENT}
    assert all(row.document for row in client.store.audit if row.entry and decode_leaf(row.entry).type == 3)
    assert client.store.alarms == []


def test_rooms_out_of_scope_are_bare_hashes_and_the_copy_still_verifies(stage: Stage) -> None:
    client = auditor(stage, of=SN)
    assert sync(client).state is DONE
    assert any(row.entry is None for row in client.store.audit)
    check_copy(client)


def test_a_copy_goes_on_where_it_ended_also_after_a_restart(stage: Stage) -> None:
    stage.relay.limits = replace(stage.relay.limits, page_entries=500)
    client = auditor(stage)
    for round_number in range(6):
        assert sync(client).state is DONE
        check_copy(client)
        stage.clients[0].say(next(iter(stage.clients[0].store.rooms)), f"round {round_number}")
        if round_number % 2:
            client.restart()
            client.connect()
            stage.run()
    assert len(client.store.audit) > 20
    assert client.store.alarms == []


def test_a_copy_in_pages_keeps_each_page_once_it_is_proven(stage: Stage) -> None:
    client = auditor(stage)
    tamper(client, lambda entries: entries[:3])
    intent = client.ask(actions.AuditSync())
    stage.wait(5_000)
    assert client.intent(intent).state is DONE
    check_copy(client)
    assert client.store.alarms == []


def test_a_copy_that_ends_in_the_middle_goes_on_from_there(stage: Stage) -> None:
    client = auditor(stage)
    limited(client, 1)
    intent = client.ask(actions.AuditSync())
    for step in (1, 1, 1, 2, 2):
        stage.wait(2_000)
        client.restart()
        limited(client, step)
        client.connect()
        stage.run()
    assert len(client.store.audit) >= 7
    client.toward = None
    client.disconnect()
    client.connect()
    stage.wait(5_000)
    assert client.intent(intent).state is DONE
    check_copy(client)
    assert client.store.alarms == []


def test_a_last_page_whose_proof_was_lost_with_the_connection_is_asked_for_again(stage: Stage) -> None:
    client = auditor(stage)
    limited(client, 2)
    client.ask(actions.AuditSync())
    stage.wait(2_000)
    client.restart()
    client.connect()
    ctx = client.core._ctx  # noqa: SLF001 - what is asked for
    client.toward = None

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        asked = ctx.session.requests.get(getattr(frame, "request", -1))
        return [] if asked is not None and isinstance(asked.purpose, AuditEdge) else [frame]

    client.outward = outward
    stage.wait(10_000)
    assert [intent.state for intent in client.store.intents.values()] == [SENT]
    client.outward = None
    client.disconnect()
    client.connect()
    stage.wait(10_000)
    assert [intent.state for intent in client.store.intents.values()] == [DONE]
    check_copy(client)
    assert client.store.alarms == []


def limited(client: Client, left: int) -> None:
    """Give one page of so many entries, and no more."""
    given = 0

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        nonlocal given
        if not isinstance(frame, frames.LogEntries):
            return [frame]
        given += 1
        return [frames.LogEntries(frame.request, frame.entries[:left], frame.size)] if given == 1 else []

    client.toward = hook


def test_a_second_copy_of_nothing_new_is_done_at_once(stage: Stage) -> None:
    client = auditor(stage)
    sync(client)
    size = len(client.store.audit)
    intent = client.ask(actions.AuditSync())
    client.stage.wait(2_000)
    assert client.intent(intent).state is DONE
    assert len(client.store.audit) == size + 1  # the reading order itself is a leaf


def changed_entry(entries: list[frames.LogEntry]) -> list[frames.LogEntry]:
    first = entries[0]
    assert first.entry is not None
    return [frames.LogEntry(first.index, first.hash, first.entry + b"x", first.document), *entries[1:]]


def changed_hash(entries: list[frames.LogEntry]) -> list[frames.LogEntry]:
    return [frames.LogEntry(entries[0].index, bytes(32), None, None), *entries[1:]]


def changed_document(entries: list[frames.LogEntry]) -> list[frames.LogEntry]:
    place = next(n for n, entry in enumerate(entries) if entry.document is not None)
    other = next(entry.document for entry in entries[place + 1 :] if entry.document is not None)
    found = entries[place]
    return [*entries[:place], frames.LogEntry(found.index, found.hash, found.entry, other), *entries[place + 1 :]]


def document_beside_a_hash(entries: list[frames.LogEntry]) -> list[frames.LogEntry]:
    return [frames.LogEntry(entries[0].index, entries[0].hash, None, b"x"), *entries[1:]]


def no_entry(entries: list[frames.LogEntry]) -> list[frames.LogEntry]:
    return [frames.LogEntry(entries[0].index, LeafHash(leaf()), b"\x80", None), *entries[1:]]


def leaf() -> bytes:
    from amanah_protocol.log.merkle import leaf_hash  # noqa: PLC0415 - one use

    return leaf_hash(b"\x80")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (changed_entry, "PROOF"),
        (changed_hash, "PROOF"),
        (changed_document, "CONTENT_HASH"),
        (document_beside_a_hash, "PROOF"),
        (no_entry, "PROOF"),
        (lambda entries: entries[1:], "PROOF"),
        (lambda entries: entries[::-1], "PROOF"),
        (lambda _: [], "PROOF"),
        (lambda entries: [changed_hash(entries)[0], *entries[1:3]], "PROOF"),
    ],
)
def test_nothing_that_is_not_proven_is_kept(
    stage: Stage, change: Callable[[list[frames.LogEntry]], list[frames.LogEntry]], code: str
) -> None:
    client = auditor(stage)
    tamper(client, change)
    intent = sync(client)
    assert (intent.state, intent.code) == (FAILED, code)
    assert client.codes() == [code]
    assert client.store.audit == []
    client.toward = None
    assert sync(client).state is DONE
    check_copy(client)


def test_a_page_whose_prefix_is_not_proven_is_not_kept(stage: Stage) -> None:
    client = auditor(stage)

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.LogEntries):
            return [frames.LogEntries(frame.request, frame.entries[:3], frame.size)]
        if isinstance(frame, frames.Path) and client.core._ctx.copying is not None:  # noqa: SLF001 - only these
            return [frames.Path(frame.request, None, ())]
        return [frame]

    client.toward = hook
    intent = sync(client)
    assert (intent.state, intent.code) == (FAILED, "PROOF")
    assert client.store.audit == []


def test_an_edge_that_is_not_proven_is_not_taken(stage: Stage) -> None:
    client = auditor(stage)
    sync(client)
    stage.clients[0].say(next(iter(stage.clients[0].store.rooms)), "more")
    client.restart()
    client.connect()
    stage.run()
    before = len(client.store.audit)
    client.toward = lambda frame: (
        [frames.Path(frame.request, frame.leaf, (bytes(32),))]
        if isinstance(frame, frames.Path) and frame.leaf is not None
        else [frame]
    )
    intent = sync(client)
    assert (intent.state, intent.code) == (FAILED, "PROOF")
    assert len(client.store.audit) == before


@pytest.mark.parametrize(("code", "state"), [("STORE", DONE), ("ROLE", FAILED)])
def test_a_refused_reading(stage: Stage, code: str, state: model.IntentState) -> None:
    client = auditor(stage)
    refused: list[frames.Frame] = []

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.LogEntries) and not refused:
            refused.append(frame)
            return [frames.Refused(frame.request, code, "no")]
        return [frame]

    client.toward = refuse
    intent = client.ask(actions.AuditSync())
    stage.wait(5_000)
    assert client.intent(intent).state is state


def test_an_answer_of_another_kind_fails_the_copy(stage: Stage) -> None:
    client = auditor(stage)
    client.toward = lambda frame: [frames.Done(frame.request)] if isinstance(frame, frames.LogEntries) else [frame]
    intent = sync(client)
    assert (intent.state, intent.code) == (FAILED, "FRAME")


def test_only_auditors_copy_the_log(stage: Stage) -> None:
    a = stage.online("A")
    intent = a.do(actions.AuditSync())
    assert (intent.state, intent.code) == (FAILED, "ROLE")


def test_answers_to_a_copy_that_is_gone_are_passed_over(stage: Stage) -> None:
    client = auditor(stage)
    ctx = client.core._ctx  # noqa: SLF001 - what is tested
    path = frames.Path(1, None, ())
    audit_sync.receive_entries(ctx, AuditPage(start=0, asked_ms=0), frames.LogEntries(1, (), 1))
    audit_sync.receive_edge(ctx, path)
    purpose: Any = None
    audit_sync.receive_prefix(ctx, purpose, path)
    assert client.store.audit == []


def test_a_wrong_proof_raises_the_verifiers_error(stage: Stage) -> None:
    client = auditor(stage)
    client.outward = lambda frame: [] if isinstance(frame, frames.AuditRead) else [frame]
    client.ask(actions.AuditSync())
    stage.wait(2_000)
    ctx = client.core._ctx  # noqa: SLF001 - what is tested
    assert ctx.copying is not None
    with pytest.raises(VerifyError):
        audit_sync.receive_entries(ctx, AuditPage(start=0, asked_ms=0), frames.LogEntries(1, (), 1))


# ---- published checkpoints


def publishing(client: Client, *notes: bytes) -> None:
    """Answer each question for published checkpoints from these, three at a time."""
    wanted: dict[int, int] = {}

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.GetCheckpoints):
            wanted[frame.request] = frame.after
        return [frame]

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, frames.Checkpoints):
            return [frame]
        later = [note for note in notes if decode_checkpoint(note)[0].size > wanted[frame.request]]
        return [frames.Checkpoints(frame.request, tuple(later[:3]))]

    client.outward, client.toward = outward, toward


def note_of(size: int, root: bytes = bytes(32)) -> bytes:
    return sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=root), LOG_SIGNER)


def test_published_checkpoints_up_to_the_copys_end_are_kept_with_it(stage: Stage) -> None:
    client = auditor(stage)
    size = len(stage.relay.store.entries)
    publishing(client, *(note_of(at) for at in (1, 3, 4, 6, 7, size, size + 1, size + 9)))
    assert sync(client).state is DONE
    assert sorted(client.store.checkpoints) == [1, 3, 4, 6, 7, size]
    assert client.store.settled == size
    assert client.store.alarms == []


def test_checkpoints_that_the_quorum_has_not_cosigned_are_asked_for_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = auditor(stage)
    first, second = note_of(3), note_of(5)
    monkeypatch.setattr(audit_sync, "_is_witnessed", lambda _, note: note == first)
    publishing(client, first, second)
    assert sync(client).state is DONE
    assert (client.store.checkpoints, client.store.settled) == ({3: first, 5: second}, 3)
    client.restart()
    client.connect()
    stage.run()
    cosigned = note_of(5, b"r" * 32)
    publishing(client, note_of(3, b"r" * 32), cosigned)
    assert sync(client).state is DONE
    assert client.store.checkpoints == {3: first, 5: cosigned}


def test_a_checkpoint_without_the_cosignatures_of_the_rosters_witnesses_is_not_settled(stage: Stage) -> None:
    client = auditor(stage)
    ctx = client.core._ctx  # noqa: SLF001 - what is tested
    assert audit_sync._is_witnessed(ctx, note_of(3))  # noqa: SLF001 - the same
    stranger = NoteSigner(name=ORIGIN, key=key_of("stranger"))
    assert not audit_sync._is_witnessed(  # noqa: SLF001 - the same
        ctx, sign_checkpoint(Checkpoint(origin=ORIGIN, size=3, root=bytes(32)), stranger)
    )


@pytest.mark.parametrize(
    ("notes", "code"),
    [
        ((b"none",), "MALFORMED"),
        ((note_of(3), note_of(3)), "CHECKPOINT"),
        ((note_of(5), note_of(4)), "CHECKPOINT"),
    ],
)
def test_checkpoints_that_do_not_hold_fail_the_copy(stage: Stage, notes: tuple[bytes, ...], code: str) -> None:
    client = auditor(stage)
    client.toward = lambda frame: (
        [frames.Checkpoints(frame.request, notes)] if isinstance(frame, frames.Checkpoints) else [frame]
    )
    intent = sync(client)
    assert (intent.state, intent.code) == (FAILED, code)
    assert client.store.checkpoints == {}


def test_a_checkpoint_of_another_log_key_fails_the_copy(stage: Stage) -> None:
    client = auditor(stage)
    forged = sign_checkpoint(
        Checkpoint(origin=ORIGIN, size=3, root=bytes(32)), NoteSigner(name=ORIGIN, key=key_of("evil"))
    )
    client.toward = lambda frame: (
        [frames.Checkpoints(frame.request, (forged,))] if isinstance(frame, frames.Checkpoints) else [frame]
    )
    assert sync(client).code == "CHECKPOINT"


def test_checkpoints_for_a_copy_that_is_gone_are_passed_over(stage: Stage) -> None:
    client = auditor(stage)
    audit_sync.receive_checkpoints(
        client.core._ctx,  # noqa: SLF001 - what is tested
        AuditCheckpoints(after=0),
        frames.Checkpoints(1, (note_of(3),)),
    )
    assert client.store.checkpoints == {}


# ---- time stamps


def stamp_of(number: int, size: int, note: bytes = b"") -> frames.Stamp:
    return frames.Stamp(number, size, "https://tsa.example/", note or note_of(size), b"token %d" % number)


def stamping(client: Client, *stamps: frames.Stamp) -> list[int]:
    """Answer each question for time stamps from these, two at a time; gives behind which numbers it was asked."""
    wanted: list[int] = []

    def outward(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.GetStamps):
            wanted.append(frame.after)
        return [frame]

    def toward(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, frames.Stamps):
            return [frame]
        later = [stamp for stamp in stamps if stamp.number > wanted[-1]]
        return [frames.Stamps(frame.request, tuple(later[:2]))]

    client.outward, client.toward = outward, toward
    return wanted


def test_time_stamps_come_behind_the_newest_that_is_there_whatever_their_checkpoint(stage: Stage) -> None:
    client = auditor(stage)
    asked = stamping(client, stamp_of(1, 3), stamp_of(2, 5), stamp_of(4, 3))
    assert sync(client).state is DONE
    assert [(row.number, row.size, row.token) for row in client.store.stamps] == [
        (1, 3, b"token 1"),
        (2, 5, b"token 2"),
        (4, 3, b"token 4"),
    ]
    assert client.store.stamps[0].note == note_of(3)
    assert asked == [0, 2, 4]
    client.restart()
    client.connect()
    stage.run()
    asked = stamping(client, stamp_of(4, 3), stamp_of(5, 3))
    assert sync(client).state is DONE
    assert [row.number for row in client.store.stamps] == [1, 2, 4, 5]
    assert asked == [4, 5]


def test_time_stamps_from_the_first_beyond_the_copy_on_are_left_for_another_time(stage: Stage) -> None:
    client = auditor(stage)
    stamping(client, stamp_of(1, 3), stamp_of(2, 10_000), stamp_of(3, 3))
    assert sync(client).state is DONE
    assert [row.number for row in client.store.stamps] == [1]


EVIL = sign_checkpoint(Checkpoint(origin=ORIGIN, size=3, root=bytes(32)), NoteSigner(name=ORIGIN, key=key_of("evil")))


@pytest.mark.parametrize(
    ("stamps", "code"),
    [
        ((stamp_of(1, 3, b"none"),), "MALFORMED"),
        ((stamp_of(1, 3, EVIL),), "CHECKPOINT"),
        ((stamp_of(1, 4, note_of(3)),), "CHECKPOINT"),
        ((stamp_of(2, 3), stamp_of(2, 3)), "CHECKPOINT"),
        ((stamp_of(2, 3), stamp_of(1, 3)), "CHECKPOINT"),
    ],
)
def test_time_stamps_that_are_not_beside_a_checkpoint_of_the_log_fail_the_copy(
    stage: Stage, stamps: tuple[frames.Stamp, ...], code: str
) -> None:
    client = auditor(stage)
    client.toward = lambda frame: (
        [frames.Stamps(frame.request, stamps)] if isinstance(frame, frames.Stamps) else [frame]
    )
    intent = sync(client)
    assert (intent.state, intent.code) == (FAILED, code)
    assert client.store.stamps == []


def test_time_stamps_for_a_copy_that_is_gone_are_passed_over(stage: Stage) -> None:
    client = auditor(stage)
    audit_sync.receive_stamps(client.core._ctx, frames.Stamps(1, (stamp_of(1, 3),)))  # noqa: SLF001 - what is tested
    assert client.store.stamps == []
