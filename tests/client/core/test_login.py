"""Login: the relay proves itself first, the log continues, the rest follows the table."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from amanah_client import effects as e
from amanah_client import inputs, model
from amanah_client.core import login
from amanah_client.core.login import LOGIN, TAKEN, Event, Phase
from amanah_protocol import frames
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.identity import Role
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.roster import Relay, decode_roster, roster_document
from amanah_protocol.session import NO_TLS
from tests.client.core.rooms import create
from tests.client.core.world import TN, Client, Stage
from tests.relay.people import ADDRESS, LOG_SIGNER, ORIGIN, RELAY_KEY, endorsed_by, key_of


def change(client: Client, kind: type[frames.Frame], **fields: Any) -> None:  # noqa: ANN401 - fields of a frame
    """Change a frame on its way to the client."""

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if not isinstance(frame, kind):
            return [frame]
        values = {name: getattr(frame, name) for name in frame.__struct_fields__}
        return [kind(**(values | fields))]

    client.toward = hook


def sent(client: Client, kind: type[frames.Frame]) -> int:
    """How many frames of a type the client has sent."""
    count = 0
    for effect in client.effects:
        if isinstance(effect, e.SendFrame):
            try:
                frame: object = frames.decode_login_frame(effect.data)
            except Exception:  # noqa: BLE001 - any other frame
                frame = frames.decode_client_frame(effect.data)
            count += isinstance(frame, kind)
    return count


def test_an_honest_relay_is_logged_in_to(stage: Stage) -> None:
    a = stage.online("A")
    assert sent(a, frames.Proof) == 1
    assert a.store.alarms == []


@pytest.mark.parametrize(
    "fields",
    [
        {"relay": bytes(32)},
        {"origin": "other.example.org/log"},
        {"chosen": 2},
        {"signature": bytes(64)},
        {"relay_nonce": bytes(32)},
        {"time_ms": 1},
        {"control_sequence": 7},
    ],
)
def test_nothing_is_signed_for_a_relay_that_does_not_prove_itself(stage: Stage, fields: dict[str, Any]) -> None:
    a = stage.client("A")
    change(a, frames.Challenge, **fields)
    a.connect()
    stage.run()
    assert sent(a, frames.Proof) == 0
    assert a.codes() in (["LOGIN"], ["UNKNOWN_VERSION"])
    assert [effect.again for effect in a.disconnects] == [True]


@pytest.mark.parametrize(("seen", "proofs"), [(b"t" * 32, 1), (b"u" * 32, 0), (NO_TLS, 0)])
def test_the_tls_certificate_has_to_be_one_of_the_roster(stage: Stage, seen: bytes, proofs: int) -> None:
    a = stage.client("A")
    nation = stage.relay.nations[TN]
    relay = Relay(
        key=RELAY_KEY.public,
        log_vkey=LOG_SIGNER.verifier.vkey,
        origin=ORIGIN,
        addresses=(f"wss://{ADDRESS}",),
        tls_hashes=(b"t" * 32,),
    )
    document = roster_document(
        version=1, community="x", issued_ms=1, threshold=1, organisations=(nation.member,), relays=(relay,)
    )
    a.store.base = replace(a.store.base, roster=endorsed_by(document, nation.root).encode())
    a.restart()
    peer = a.peer = stage.relay.connect()
    stage.relay.core._parts.clients.connections[peer.number].tls_hash = seen  # noqa: SLF001 - the relay's own certificate
    a.give(inputs.Opened(dialled=ADDRESS, tls_hash=seen))
    a.receive()
    assert sent(a, frames.Proof) == proofs
    assert a.codes() == ([] if proofs else ["LOGIN"])


def test_a_checkpoint_by_another_key_is_refused(stage: Stage) -> None:
    a = stage.client("A")
    other = sign_checkpoint(
        Checkpoint(origin=ORIGIN, size=1, root=bytes(32)), type(LOG_SIGNER)(name=ORIGIN, key=key_of("x"))
    )
    change(a, frames.Ready, checkpoint=other)
    a.connect()
    stage.run()
    assert a.codes() == ["CHECKPOINT"]
    assert a.store.base.log is None


def test_a_control_head_by_another_key_is_refused(stage: Stage) -> None:
    a = stage.client("A")
    change(a, frames.Ready, control_head=b"\xd2")
    a.connect()
    stage.run()
    assert a.codes() == ["MALFORMED"]


def grown(stage: Stage, a: Client) -> None:
    """Let the log grow while the client is away."""
    a.disconnect()
    create(stage.online("B"))


def test_a_longer_log_is_proven_to_continue_before_anything_of_it_is_taken(stage: Stage) -> None:
    a = stage.online("A")
    before = a.store.base.log
    grown(stage, a)
    a.connect()
    stage.run()
    after = a.store.base.log
    assert before is not None
    assert after is not None
    assert after.size > before.size
    assert a.store.alarms == []


def test_a_shorter_log_stops_the_client(stage: Stage) -> None:
    a = stage.online("A")
    assert a.store.base.log is not None
    note = a.store.base.log.checkpoint
    grown(stage, a)
    a.connect()
    stage.run()
    a.disconnect()
    change(a, frames.Ready, checkpoint=note)
    a.connect()
    stage.run()
    assert a.codes() == ["LOG_ROLLBACK"]
    assert a.store.alarms[-1].evidence
    assert not a.disconnects[-1].again


def test_another_log_of_the_same_size_stops_the_client(stage: Stage) -> None:
    a = stage.online("A")
    assert a.store.base.log is not None
    a.disconnect()
    forked = sign_checkpoint(Checkpoint(origin=ORIGIN, size=a.store.base.log.size, root=bytes(32)), LOG_SIGNER)
    change(a, frames.Ready, checkpoint=forked)
    a.connect()
    stage.run()
    assert a.codes() == ["FORK"]
    assert not a.disconnects[-1].again


def test_a_longer_log_without_proof_stops_the_client(stage: Stage) -> None:
    a = stage.online("A")
    view = a.store.base.log
    grown(stage, a)
    change(a, frames.Path, hashes=())
    a.connect()
    stage.run()
    assert a.codes() == ["LOG_ROLLBACK"]
    assert a.store.conflicts
    assert not a.disconnects[-1].again
    assert a.store.base.log == view


@pytest.mark.parametrize(("code", "alarms", "again"), [("NOT_FOUND", ["PROOF"], False), ("STORE", [], True)])
def test_a_refused_proof_of_a_longer_log(stage: Stage, code: str, alarms: list[str], again: bool) -> None:  # noqa: FBT001 - a parameter of the test
    a = stage.online("A")
    grown(stage, a)
    a.toward = lambda frame: (
        [frames.Refused(request=frame.request, code=code, detail="")] if isinstance(frame, frames.Path) else [frame]
    )
    a.connect()
    stage.run()
    assert a.codes() == alarms
    assert a.disconnects[-1].again is again


def test_a_login_that_takes_too_long_is_given_up(stage: Stage) -> None:
    a = stage.client("A")
    a.toward = lambda _: []
    a.connect()
    stage.wait(9_000)
    assert a.disconnects == []
    stage.wait(2_000)
    assert [effect.reason for effect in a.disconnects] == ["TIMEOUT: the relay did not finish the login"]


@pytest.mark.parametrize(
    ("code", "again"), [("REPLACED", False), ("STOPPING", True), ("SLOW", True), ("REVOKED", False), ("NEW", True)]
)
def test_a_closing_relay_says_whether_to_come_back(stage: Stage, code: str, again: bool) -> None:  # noqa: FBT001 - a parameter of the test
    a = stage.online("A")
    a.give(inputs.Received(data=frames.encode_frame(frames.Closing(code=code, detail="x"))))
    assert [(effect.reason, effect.again) for effect in a.disconnects] == [(f"{code}: x", again)]


def test_a_refused_connection_says_why(stage: Stage) -> None:
    a = stage.online("A")
    a.give(inputs.Received(data=frames.encode_frame(frames.Refused(request=0, code="EXPIRED", detail="old"))))
    assert [(effect.reason, effect.again) for effect in a.disconnects] == [("EXPIRED: old", False)]


def test_the_newest_connection_of_a_device_replaces_the_older(stage: Stage) -> None:
    a = stage.online("A")
    twin = Client(stage=stage, name="A", device=a.device, store=a.store, core=a.core)
    a.restart()
    older = stage.relay.login(a.device)
    twin.core = a.core
    a.connect()
    stage.run()
    assert older.closed == (1008, "REPLACED")
    assert a.peer is not None


def test_an_auditor_asks_for_no_rooms_and_offers_no_keys(stage: Stage) -> None:
    auditor = stage.online("auditor", role=Role.AUDITOR)
    assert sent(auditor, frames.Subscribe) == sent(auditor, frames.OfferKeyPackages) == 0
    assert auditor.online()


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize(
    "frame",
    [
        frames.Challenge(1, bytes(32), "x", bytes(32), 0, 0, bytes(64)),
        frames.Ready(b"", b"", (), ()),
        frames.Done(1),
        frames.Lagging(bytes(16)),
        frames.Stock(1, 1),
    ],
)
def test_a_frame_that_the_table_has_no_place_for_is_refused(stage: Stage, phase: Phase, frame: frames.Frame) -> None:
    ctx = stage.client("A").core._ctx  # noqa: SLF001 - the table is what is tested
    ctx.session.phase = phase
    later = {Phase.CONTROL, Phase.ROOMS, Phase.ONLINE}
    if phase in TAKEN.get(type(frame), later):
        login.check_frame(ctx, frame)
    else:
        with pytest.raises(VerifyError) as caught:
            login.check_frame(ctx, frame)
        assert caught.value.code is Code.FRAME


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("event", list(Event))
def test_only_the_steps_of_the_table_are_taken(stage: Stage, phase: Phase, event: Event) -> None:
    ctx = stage.client("A").core._ctx  # noqa: SLF001 - the table is what is tested
    ctx.session.phase = phase
    if (phase, event) in LOGIN:
        login.advance(ctx, event)
        assert ctx.session.phase == LOGIN[phase, event]
    else:
        with pytest.raises(VerifyError):
            login.advance(ctx, event)


def test_every_phase_leads_back_to_the_beginning() -> None:
    assert {LOGIN[phase, Event.LOST] for phase in Phase} == {Phase.CLOSED}


def test_the_relay_is_not_known_before_it_has_proven_itself(stage: Stage) -> None:
    with pytest.raises(VerifyError):
        _ = stage.client("A").core._ctx.relay  # noqa: SLF001 - the property is what is tested


def test_a_roster_that_has_expired_still_logs_in_and_sends_nothing(stage: Stage) -> None:
    a = stage.online("A")
    room = create(a)
    a.core._ctx.roster = type(a.core._ctx.roster)(  # noqa: SLF001 - as a year later
        replace(decode_roster(a.store.base.roster), expires_ms=stage.relay.now_ms - 1)
    )
    intent = a.say(room, "hello")
    assert (intent.state, intent.code) == (model.IntentState.QUEUED, "EXPIRED")
