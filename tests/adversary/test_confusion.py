"""Attack 33: what was signed as one thing is shown as another, by a relay, to clients that expect it there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from amanah_client.model import MessageState
from amanah_protocol import cose, frames, identity, revocation
from amanah_protocol.audit import ReadingOrder, sign_order
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey
from amanah_protocol.endorse import Endorsed, decode_endorsed, endorse
from amanah_protocol.errors import Code
from amanah_protocol.group.suites import CLASSICAL
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind
from amanah_protocol.log import cose_receipt
from amanah_protocol.log.export import sign_manifest
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.receipt import Receipt, sign_receipt
from amanah_protocol.types import DeviceId, KeyId, PersonId
from amanah_relay.effects import TakeKeyPackages
from tests.adversary.attack import Attack, Out, Planted
from tests.adversary.evil import EvilRelay
from tests.adversary.forge import certified
from tests.adversary.outcomes import control, defended
from tests.adversary.stage import Stage
from tests.simulation.community import TN

Play = Callable[..., Stage]
VICTIM: Final = "sn-1"


class Offering(Attack):
    """Puts something else where a login expects a head or a checkpoint, once."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.control_head = b""
        self.checkpoint = b""

    def on_login(self, relay: EvilRelay, to: DeviceId, frame: frames.Challenge | frames.Ready) -> Iterable[Out]:
        if to != self.victim or not isinstance(frame, frames.Ready):
            return (frame,)
        offered = frames.Ready(
            control_head=self.control_head or frame.control_head,
            checkpoint=self.checkpoint or frame.checkpoint,
            rooms=frame.rooms,
            stock=frame.stock,
        )
        self.control_head = self.checkpoint = b""
        return (offered,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place where a client expects one type.

    Attributes:
        name: The type that belongs there.
        put: Puts bytes there, before the eyes of the victim.
        document: Whether what stands there has several signatures.
    """

    name: str
    put: Callable[[Stage, bytes], None]
    document: bool = False


def _plant(stage: Stage, data: bytes) -> None:
    stage.relay.log(stage.rooms[0], Planted(object=data))


def _log(leaf_type: LeafType) -> Callable[[Stage, bytes], None]:
    return lambda stage, data: _quietly(stage.relay.log_control(leaf_type, data))


def _log_document(leaf_type: LeafType) -> Callable[[Stage, bytes], None]:
    return lambda stage, data: _quietly(stage.relay.log_control(leaf_type, decode_endorsed(data).record, data))


def _quietly(_: int) -> None:
    """The place in the stream is of no interest."""


def _push(stage: Stage, data: bytes) -> None:
    stage.relay.say(stage.device(VICTIM).id, frames.Head(head=data))


def _offer_head(stage: Stage, data: bytes) -> None:
    assert isinstance(stage.attack, Offering)
    stage.attack.control_head = data
    stage.relay.cut(stage.device(VICTIM).id)


def _offer_checkpoint(stage: Stage, data: bytes) -> None:
    assert isinstance(stage.attack, Offering)
    stage.attack.checkpoint = data
    stage.relay.cut(stage.device(VICTIM).id)


SLOTS: Final = (
    Slot(name="envelope", put=_plant),
    Slot(name="certificate", put=_log(LeafType.CERTIFICATE)),
    Slot(name="revocation", put=_log(LeafType.REVOCATION)),
    Slot(name="enrolment", put=_log_document(LeafType.ENROLMENT), document=True),
    Slot(name="withdrawal", put=_log_document(LeafType.REVOCATION), document=True),
    Slot(name="roster", put=_log_document(LeafType.ROSTER), document=True),
    Slot(name="head", put=_push),
    Slot(name="control head", put=_offer_head),
    Slot(name="checkpoint", put=_offer_checkpoint),
)


def objects(stage: Stage) -> dict[str, tuple[str, bytes]]:
    """One of everything that is signed, by those who sign it in earnest: the slot it belongs into, and its bytes."""
    tn = stage.device("tn-1").organisation
    key, ledger = stage.device("tn-1").key, stage.relay.books.ledger
    entry = next(row for row in stage.messages(VICTIM) if row.kind == Kind.MESSAGE and row.state is MessageState.STORED)
    package = stage.relay.store.take_key_packages(
        TakeKeyPackages(token=0, suite=CLASSICAL, devices=(stage.device("tn-2").id,))
    )
    receipt = Receipt(
        first_index=0, size=1, root=bytes(32), accepted_at_ms=stage.now_ms, leaves=(ledger.control.head_leaf,)
    )
    withdrawal = revocation.enrolment_revocation_document(TN, KeyId(tn.enrolment_key.key_id), now_ms=stage.now_ms)
    subject = PersonId(bytes(16))
    request = identity.make_request(
        key, organisation=TN, subject=subject, role=Role.OFFICER, nonce=bytes(16), suites=(CLASSICAL,)
    )
    order = ReadingOrder(first=0, until=1, ordered_at_ms=stage.now_ms, nonce=bytes(16))
    return {
        "envelope": ("envelope", entry.encoded),
        "certificate": ("certificate", certified(tn, "fresh", now_ms=stage.now_ms).certificate.encoded),
        "revocation": ("revocation", stage.world.community.revocation("tn-2", stage.now_ms)),
        "request": ("", request.encoded),
        "profile": ("", stage.device("tn-1").profile),
        "key package": ("", package.taken[0][0] or b""),
        "reading order": ("", sign_order(order, key)),
        "export": ("", sign_manifest(b"{}\n", key)),
        "receipt": ("", sign_receipt(receipt, stage.relay.key)),
        "COSE Receipt": ("", _inclusion(stage)),
        "room head": ("head", ledger.room_head(stage.rooms[0], stage.now_ms)),
        "control head": ("head", ledger.control_head(stage.now_ms)),
        "checkpoint": ("checkpoint", ledger.checkpoint()),
        "enrolment": ("enrolment", tn.enrolment),
        "roster": ("roster", stage.world.community.roster),
        "withdrawal": (
            "withdrawal",
            Endorsed(document=withdrawal, signatures=(endorse(withdrawal, tn.root),)).encode(),
        ),
    }


def _inclusion(stage: Stage) -> bytes:
    """A receipt of the control stream's newest leaf, as if it were alone in the log."""
    leaf, key = stage.relay.books.ledger.control.head_leaf, stage.relay.key
    return cose_receipt.encode_receipt(
        cose_receipt.CoseReceipt(kid=key.key_id, size=1, index=0, path=(), signature=cose_receipt.sign_root(leaf, key))
    )


def belongs(slot: Slot, home: str, name: str) -> bool:
    """Whether an object is expected there, or would not even be stored there."""
    document = home in ("enrolment", "roster", "withdrawal")
    right = slot.name == home or (slot.name == "control head" and name == "control head")
    logged = slot.put in (_push, _offer_head, _offer_checkpoint)
    return right or (not logged and (document != slot.document or name == "checkpoint"))


@defended(33)
def test_nothing_that_is_signed_passes_in_the_place_of_something_else(play: Play) -> None:
    attack = Offering()
    stage = play(attack)
    attack.victim = stage.device(VICTIM).id
    stage.say("tn-1", "an envelope")
    stage.wait(35)
    others = tuple(name for name in stage.world.clients if name != VICTIM)
    found = objects(stage)
    before = stage.states()
    tried = 0
    for slot in SLOTS:
        for name, (home, data) in found.items():
            if belongs(slot, home, name):
                continue
            slot.put(stage, data)
            stage.wait(1)
            tried += 1
            assert stage.state(VICTIM) == before[VICTIM], (name, slot.name)
        stage.wait(35)
        assert stage.alarms(VICTIM)
    assert tried > 70
    assert stage.states(*others) == {name: before[name] for name in others}
    allowed = {Code.BAD_HEADER, Code.BAD_TYPE, Code.MALFORMED, Code.FRAME, Code.TOO_LARGE, Code.NOT_CANONICAL}
    assert {alarm.code for alarm in stage.alarms(VICTIM)} <= allowed
    assert stage.crashes() == []
    stage.say(VICTIM, "and on")
    stage.wait(3)
    assert stage.texts("tn-2")[-1] == "and on"


@defended(33)
def test_the_id_of_a_device_is_not_taken_for_that_of_a_key(play: Play) -> None:
    """A device of TN signs as if its id were that of an enrolment key, or of the relay."""
    stage = play()
    key, before = stage.device("tn-1").key, stage.states()
    revoked = revocation.issue_revocation(
        key, organisation=TN, device=stage.device("tn-2").id, now_ms=stage.now_ms, reason="lost"
    )
    stage.relay.log_control(LeafType.REVOCATION, revoked.encoded)
    stage.wait(2)
    for name in stage.world.clients:
        assert {alarm.code for alarm in stage.alarms(name)} == {Code.CERTIFICATE}
    head = stage.relay.books.ledger
    data = cose.sign(
        Typ.CONTROL_HEAD, [head.control.head_seq, head.control.head_leaf, head.size, head.root, stage.now_ms], key
    )
    stage.relay.say(stage.device(VICTIM).id, frames.Head(head=data))
    stage.wait(10)
    assert [alarm.code for alarm in stage.alarms(VICTIM)] == [Code.CERTIFICATE, Code.KEY_ID]
    assert stage.states() == before


def hold_as_revocation(play: Play) -> Stage:
    """TN put a legal hold on what tn-2 has sent; the relay logs that signature as a revocation of tn-2."""
    stage = play()
    issuer: SigningKey = stage.device("tn-2").organisation.enrolment_key
    body = [TN, stage.device("tn-2").id, stage.now_ms, None, "hold until the trial is over"]
    stage.relay.log_control(LeafType.REVOCATION, cose.sign(Typ.LEGAL_HOLD, body, issuer))
    stage.wait(20)
    return stage


@defended(33)
def test_a_signature_for_another_purpose_revokes_nobody(play: Play) -> None:
    stage = hold_as_revocation(play)
    for name in stage.world.clients:
        assert [alarm.code for alarm in stage.alarms(name)] == [Code.BAD_HEADER]
    assert "tn-2" in stage.circle("tn-1", stage.row("tn-1")).members
    stage.say("tn-2", "still here")
    stage.wait(3)
    assert stage.texts("ma-1") == ["still here"]


@control(33, "purposes are signed")
def test_without_the_purpose_inside_the_signature_a_legal_hold_revokes_a_device(play: Play) -> None:
    stage = hold_as_revocation(play)
    assert [alarm.code for alarm in stage.alarms("tn-2")] == [Code.REVOKED]
    assert "tn-2" not in stage.circle("tn-1", stage.row("tn-1")).members
    assert stage.alarms("ma-1") == []
