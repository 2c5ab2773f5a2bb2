"""Where the roster asks for witnesses: copies and disclosures end where their quorum has cosigned."""

from __future__ import annotations

import pytest
from msgspec import structs

from amanah_client import actions, model
from amanah_client.core import disclose, quorum
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.cose_receipt import sign_root
from amanah_protocol.log.disclosure import Disclosure, decode_disclosure
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.policy import policy_of_roster
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import RoomId
from tests.client.core.rooms import two
from tests.client.core.test_quorum import W1, W2, W3, WITNESSES, attend, row_of, wait
from tests.client.core.world import TN, Client, Stage
from tests.protocol.refusal import refused
from tests.relay.people import RELAY_KEY

DONE, SENT = model.IntentState.DONE, model.IntentState.SENT


@pytest.fixture
def stage() -> Stage:
    """A community that asks for three witnesses of four."""
    return Stage(witnesses=WITNESSES, quorum=3)


# ---- copies


def auditor(stage: Stage) -> tuple[Client, Client, RoomId]:
    """An auditor, and an officer who goes on talking."""
    a, _b, room = two(stage)
    a.say(room, "hello")
    return stage.online("auditor", of=TN, role=Role.AUDITOR), a, room


def sync(client: Client, *, uncosigned: bool = False) -> int:
    """Copy the log; gives how much of it there is."""
    intent = client.ask(actions.AuditSync(uncosigned=uncosigned))
    client.stage.wait(3_000)
    assert client.intent(intent).state is DONE
    return len(client.store.audit)


def test_a_copy_ends_where_the_quorum_has_cosigned(stage: Stage) -> None:
    client, a, room = auditor(stage)
    wait(stage, 70, W1, W2, W3)
    a.say(room, "not cosigned yet")
    copied = sync(client)
    row, view = row_of(client), client.store.base.log
    assert view is not None
    assert 0 < copied == row.size < view.size
    policy_of_roster(decode_roster(client.store.base.roster)).verify_note(row.note)
    assert row.root_signature == sign_root(row.root, RELAY_KEY)
    wait(stage, 70, W1, W2, W3)
    assert sync(client) >= view.size


def test_what_an_earlier_quorum_cosigned_counts_for_nothing(stage: Stage) -> None:
    client, _a, _room = auditor(stage)
    wait(stage, 70, W1, W2, W3)
    ctx = client.core._ctx  # noqa: SLF001 - as after a roster with other witnesses
    row = row_of(client)
    head = decode_note(row.note)
    ctx.witnesses.row = structs.replace(row, note=Note(text=head.text, signatures=head.signatures[:2]).encode())
    assert quorum.cosigned(ctx) is None
    ctx.witnesses.row = row
    assert quorum.cosigned(ctx) == row


def test_what_is_not_cosigned_is_copied_for_who_wants_it(stage: Stage) -> None:
    client, _a, _room = auditor(stage)
    assert sync(client) == 0
    assert sync(client, uncosigned=True) > 10


def test_a_copy_that_is_ahead_of_the_quorum_waits_for_it(stage: Stage) -> None:
    client, _a, _room = auditor(stage)
    assert sync(client, uncosigned=True) == sync(client)


# ---- disclosures


def told(stage: Stage) -> tuple[Client, actions.Disclose]:
    """A member, and what it discloses."""
    a, b, room = two(stage)
    for text in ("one", "two", "three"):
        a.say(room, text)
    return b, actions.Disclose(room=room, envelope=b.rooms_content(room)[-2].envelope, recipient="court of example")


def disclosed(client: Client, intent: str) -> Disclosure:
    done = client.intent(intent)
    assert done.state is DONE
    return decode_disclosure(done.result)


def test_a_disclosure_stands_under_a_checkpoint_that_the_quorum_has_cosigned(stage: Stage) -> None:
    b, action = told(stage)
    wait(stage, 70, W1, W2, W3)
    made = disclosed(b, b.do(action).id)
    policy = policy_of_roster(decode_roster(b.store.base.roster))
    assert len(policy.verify_note(made.checkpoint).cosignatures) == 3
    assert made.size == decode_checkpoint(made.checkpoint)[0].size == row_of(b).size


def test_a_disclosure_of_what_was_just_said_waits_for_the_witnesses(stage: Stage) -> None:
    b, action = told(stage)
    stage.wait(24_000)  # the relay publishes every 30 s
    b.say(action.room, "the newest")
    newest = actions.Disclose(room=action.room, envelope=b.rooms_content(action.room)[-1].envelope, recipient="x")
    intent = b.ask(newest)
    stage.wait(2_000)
    assert b.intent(intent).state is not DONE
    for _ in range(9):
        stage.tick()
        attend(stage, W1, W2, W3)
    made = disclosed(b, intent)
    assert len(policy_of_roster(decode_roster(b.store.base.roster)).verify_note(made.checkpoint).cosignatures) == 3


def test_without_witnesses_it_is_proven_under_what_the_log_alone_signed(stage: Stage) -> None:
    b, action = told(stage)
    intent = b.ask(action)
    stage.wait(disclose.COSIGNED_MS - 2_000)
    assert b.intent(intent).state is not DONE
    stage.wait(4_000)
    made = disclosed(b, intent)
    with refused(Code.THRESHOLD):
        policy_of_roster(decode_roster(b.store.base.roster)).verify_note(made.checkpoint)
