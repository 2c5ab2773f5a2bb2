"""Attack 44: signatures, and parts that are authenticated, are taken off; plaintext stands where ciphertext should."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import pytest

from amanah_client.model import IntentState, RoomStatus
from amanah_protocol import cbor, frames
from amanah_protocol.content.sealed import Content, View, encode_content, pad
from amanah_protocol.content.text import Text
from amanah_protocol.cose import decode_sign1
from amanah_protocol.endorse import Endorsed, decode_endorsed
from amanah_protocol.envelope import decode_envelope, derive_commitment
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Decision, Kind, MediaType, Message, Outcome
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import ZERO_32, DeviceId
from amanah_relay.effects import Append
from tests.adversary.attack import Attack, Out, Planted
from tests.adversary.evil import EvilRelay
from tests.adversary.forge import K, certified, signed, stolen_group, without_signature
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage
from tests.simulation.community import MA, SN, TN

Play = Callable[..., Stage]
READERS: Final = ("tn-2", "ma-1", "ma-2", "sn-2")


class Watching(Attack):
    """Keeps the messages of one room."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[Planted] = []

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        for entry in batch.entries:
            if self.armed and entry.content and decode_envelope(entry.object).header.kind is Kind.MESSAGE:
                self.messages.append(Planted.of(decode_envelope(entry.object), entry.content))


def rebuilt(encoded: bytes, **parts: object) -> bytes:
    """A COSE_Sign1 with some of its four parts replaced; None leaves one out."""
    whole = decode_sign1(encoded, max_bytes=8_192)
    fields = {
        "protected": whole.protected,
        "unprotected": {},
        "payload": whole.payload,
        "signature": whole.signature,
        **parts,
    }
    return b"\xd2" + cbor.encode([value for value in fields.values() if value is not None])


STRIPPED: Final[dict[str, Callable[[bytes], bytes]]] = {
    "its signature is nought": lambda whole: rebuilt(whole, signature=bytes(64)),
    "its signature is empty": lambda whole: rebuilt(whole, signature=b""),
    "its signature is short": lambda whole: rebuilt(whole, signature=bytes(63)),
    "its signature is left out": lambda whole: rebuilt(whole, signature=None),
    "its signature is a text": lambda whole: rebuilt(whole, signature="signed"),
    "its payload is empty": lambda whole: rebuilt(whole, payload=b""),
    "its payload is nought": lambda whole: rebuilt(whole, payload=bytes(32)),
    "its header is empty": lambda whole: rebuilt(whole, protected=b""),
    "its header moved out of the signature": lambda whole: rebuilt(whole, unprotected={1: -19}),
}


@defended(44)
def test_an_envelope_without_its_signed_parts_shows_nothing_and_replaces_nothing(play: Play) -> None:
    attack = Watching()
    stage = play(attack)
    stage.say("sn-1", "genuine")
    stage.wait(35)
    (genuine,) = attack.messages
    before = stage.states()
    stored = {name: stage.messages(name) for name in READERS}
    planted = [Planted(object=strip(genuine.object), content=genuine.content) for strip in STRIPPED.values()]
    stage.relay.log(stage.rooms[0], *planted)
    stage.wait(5)
    assert stage.states() == before
    for name in READERS:
        assert stage.texts(name) == ["genuine"]
        # Not even a line that says who could not be read: nobody has said anything.
        new = [row for row in stage.messages(name) if row not in stored[name]]
        assert {row.kind for row in new} <= {Kind.DELIVERED}
        codes = {alarm.code for alarm in stage.alarms(name)}
        assert codes == {Code.SIGNATURE, Code.BAD_TYPE, Code.MALFORMED}
        assert all(evidence(alarm) for alarm in stage.alarms(name))
    _goes_on(stage)


def _goes_on(stage: Stage) -> None:
    stage.say("tn-1", "and on")
    stage.wait(3)
    assert {stage.texts(name)[-1] for name in READERS} == {"and on"}
    assert stage.crashes() == []


@defended(44)
def test_plaintext_in_an_encrypted_room_is_never_shown(play: Play) -> None:
    """Its author, a member, leaves the sealing out; the relay logs it."""
    stage = play()
    stage.wait(35)
    key, room = stage.device("sn-1").key, stage.rooms[0]
    view = View(log_size=0, log_root=ZERO_32, log_signature=b"", room_seq=0, room_head=ZERO_32)
    content = encode_content(
        Content(
            message_id=bytes(16),
            written_at_ms=stage.now_ms,
            label_number=int(Label.AMBER),
            pap_number=2,
            view=view,
            body=Text(text="in the clear"),
        )
    )
    size_class, padded = pad(K, content)
    counter = stage.relay.member(room, DeviceId(key.key_id)).last_counter + 1
    commitment = derive_commitment(K, room, DeviceId(key.key_id), counter, content)
    sealed = stolen_group(stage, "sn-1").seal(padded, aad=bytes(32), random=bytes)
    stage.relay.log(
        room, signed(stage.relay, key, room, Message(), padded, commitment=commitment, size_class=size_class)
    )
    stage.relay.log(room, signed(stage.relay, key, room, Message(), sealed, size_class=size_class))
    unsealed = signed(stage.relay, key, room, Message(), content, media_type=MediaType.NONE, commitment=ZERO_32)
    stage.relay.log(room, Planted(object=unsealed.object, content=content))
    stage.wait(5)
    for name in READERS:
        assert stage.texts(name) == []
        assert {alarm.code for alarm in stage.alarms(name)} == {Code.UNKNOWN_VERSION, Code.BINDING, Code.BAD_HEADER}
    _goes_on(stage)


def decide_as_tn(play: Play) -> Stage:
    """The relay writes a decision in tn-1's name, and signs it with nothing."""
    stage = play()
    stage.wait(35)
    decision = Decision(ordinal=1, outcome=Outcome.ADOPTED, nations=tuple(sorted((MA, SN, TN))))
    made = signed(stage.relay, stage.device("tn-1").key, stage.rooms[0], decision)
    assert made.envelope is not None
    stage.relay.log(stage.rooms[0], Planted(object=without_signature(made.envelope)))
    stage.wait(3)
    return stage


@defended(44)
def test_a_decision_that_nobody_signed_is_nobodys(play: Play) -> None:
    stage = decide_as_tn(play)
    for name in READERS:
        (alarm,) = stage.alarms(name)
        assert alarm.code == Code.SIGNATURE
        assert evidence(alarm)
        assert Kind.DECISION not in {Kind(row.kind) for row in stage.messages(name)}
    _goes_on(stage)


@control(44, "envelopes are signed")
def test_without_the_look_at_the_signature_the_relay_decides_in_tns_name(play: Play) -> None:
    stage = decide_as_tn(play)
    for name in READERS:
        assert [said.sender for said in stage.said(name, stage.rooms[0]) if said.kind is Kind.DECISION] == ["tn-1"]
        assert stage.alarms(name) == []


@defended(44)
def test_what_enters_the_control_stream_is_signed(play: Play) -> None:
    stage = play()
    organisation = stage.device("tn-1").organisation
    certificate = certified(organisation, "fresh", now_ms=stage.now_ms).certificate.encoded
    revocation = stage.world.community.revocation("tn-2", stage.now_ms)
    before = stage.states()
    for strip in STRIPPED.values():
        stage.relay.log_control(LeafType.CERTIFICATE, strip(certificate))
        stage.relay.log_control(LeafType.REVOCATION, strip(revocation))
    for document in (organisation.enrolment, stage.world.community.roster):
        bare = Endorsed(document=decode_endorsed(document).document, signatures=())
        kind = LeafType.ROSTER if document == stage.world.community.roster else LeafType.ENROLMENT
        stage.relay.log_control(kind, bare.record, bare.encode())
    stage.wait(5)
    assert stage.states() == before
    for name in stage.world.clients:
        codes = {alarm.code for alarm in stage.alarms(name)}
        assert codes >= {Code.SIGNATURE, Code.THRESHOLD}
        assert all(evidence(alarm) for alarm in stage.alarms(name))
    _goes_on(stage)


class Unsigning(Attack):
    """Takes the signature off what it signs itself, once for each sort."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.sort: type[frames.Frame] | None = None

    def _once(self, to: DeviceId, frame: frames.Frame) -> bool:
        if to != self.victim or type(frame) is not self.sort:
            return False
        self.sort = None
        return True

    def on_login(self, relay: EvilRelay, to: DeviceId, frame: frames.Challenge | frames.Ready) -> Iterable[Out]:
        if not self._once(to, frame):
            return (frame,)
        if isinstance(frame, frames.Challenge):
            return (_with(frame, signature=bytes(64)),)
        return (_with(frame, checkpoint=frame.checkpoint.partition(b"\n\n")[0] + b"\n\n"),)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        if not self._once(to, frame):
            return (frame,)
        if isinstance(frame, frames.Stored):
            return (_with(frame, receipt=rebuilt(frame.receipt, signature=bytes(64))),)
        assert isinstance(frame, frames.Head)
        return (_with(frame, head=rebuilt(frame.head, signature=bytes(64))),)


def _with(frame: frames.Frame, **changes: object) -> frames.Frame:
    fields = {name: getattr(frame, name) for name in frame.__struct_fields__}
    return type(frame)(**{**fields, **changes})


@pytest.mark.parametrize("sort", [frames.Challenge, frames.Ready, frames.Stored, frames.Head])
@defended(44)
def test_what_the_relay_signs_is_nothing_without_its_signature(play: Play, sort: type[frames.Frame]) -> None:
    attack = Unsigning()
    stage = play(attack)
    stage.wait(35)
    attack.victim, attack.sort = stage.device("ma-1").id, sort
    if sort in (frames.Challenge, frames.Ready):
        stage.relay.cut(stage.device("ma-1").id)
    intent = stage.say("ma-1", "goes out all the same")
    stage.wait(65)
    (alarm,) = stage.alarms("ma-1")
    assert alarm.code in (Code.LOGIN, Code.SIGNATURE, Code.MALFORMED, Code.CHECKPOINT)
    assert evidence(alarm)
    assert not attack.sort
    # What it was about is asked for anew, and now it is right.
    assert stage.intent("ma-1", intent).state is IntentState.DONE
    assert stage.row("ma-1").status is RoomStatus.OPEN
    assert stage.texts("tn-2") == ["goes out all the same"]
    assert stage.broken("I10") == {}
