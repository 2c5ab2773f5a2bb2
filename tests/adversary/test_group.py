"""Attacks 16 and 19: the relay makes a room, or a key, and gives it out as another's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from amanah_client import actions
from amanah_client.model import IntentState, RoomStatus
from amanah_protocol import frames
from amanah_protocol.content.bodies import Body, RoomInfo
from amanah_protocol.content.sealed import open_plaintext
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code
from amanah_protocol.group.seam import Binding
from amanah_protocol.group.suites import CLASSICAL
from amanah_protocol.identity import decode_certificate
from amanah_protocol.kinds import Commit, Create, Kind, Welcome
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, RoomId
from amanah_relay.effects import Append, Entry, TakeKeyPackages
from tests.adversary.attack import Attack, Out
from tests.adversary.evil import EvilRelay
from tests.adversary.forge import (
    OwnRoom,
    Rogue,
    certified,
    log_device,
    message,
    open_own_room,
    rogue_organisation,
)
from tests.adversary.outcomes import control, defended
from tests.adversary.packages import Masked, forged_package, private_of, with_init_key
from tests.adversary.shown import evidence
from tests.adversary.stage import OFFICERS, Stage
from tests.engines import ENGINES
from tests.simulation.community import TN

Play = Callable[..., Stage]
VICTIM: Final = "sn-1"
LOOK_ALIKE: Final = "wave of phishing"


def invite_into_a_fake_room(play: Play) -> tuple[Stage, Rogue, OwnRoom]:
    """The relay makes an officer of TN, and with it a room that looks like the real one, for one victim."""
    stage = play()
    relay = stage.relay
    organisation = rogue_organisation(TN, stage.now_ms)
    officer = certified(organisation, "nobody", now_ms=stage.now_ms)
    document = organisation.enrolment
    relay.log_control(LeafType.ENROLMENT, _record(document), document)
    log_device(relay, officer)
    stage.wait(2)
    victim = stage.device(VICTIM).id
    taken = relay.store.take_key_packages(TakeKeyPackages(token=0, suite=CLASSICAL, devices=(victim,))).taken
    package = taken[0][0]
    assert package is not None
    own = open_own_room(relay, officer, victim, package)
    bodies: tuple[Body, ...] = (RoomInfo(title=LOOK_ALIKE, description=""), Text(text="send us your logs"))
    for number, body in enumerate(bodies):
        identity = sha256(b"%d" % number)[:16]
        relay.log(own.room, message(relay, officer.key, own.group, body, message_id=identity))
    stage.wait(5)
    return stage, officer, own


def _record(document: bytes) -> bytes:
    from amanah_protocol.endorse import decode_endorsed  # noqa: PLC0415 - one use

    return decode_endorsed(document).record


@defended(16)
def test_a_room_of_the_relays_own_making_is_never_joined(play: Play) -> None:
    stage, officer, own = invite_into_a_fake_room(play)
    for name in OFFICERS:
        assert [alarm.code for alarm in stage.alarms(name)][:2] == [Code.THRESHOLD, Code.CERTIFICATE]
        assert officer.enrolment in evidence(stage.alarms(name)[0])
    rooms = {row.room: row for row in stage.client(VICTIM).store.rooms()}
    fake = rooms.get(own.room)
    assert fake is None or (fake.status, fake.title, fake.group) == (RoomStatus.JOINING, "", b"")
    assert stage.said(VICTIM, own.room) == ()
    assert all(evidence(alarm) for alarm in stage.alarms(VICTIM))
    stage.say("tn-1", "in the real room")
    stage.wait(3)
    stage.say(VICTIM, "here too")
    stage.wait(3)
    assert sorted(stage.texts("ma-1")) == ["here too", "in the real room"]


@control(16, "the root's threshold")
def test_without_the_roots_threshold_the_victim_reads_what_the_relay_wrote_as_tn(play: Play) -> None:
    stage, officer, own = invite_into_a_fake_room(play)
    assert stage.all_alarms() == {}
    (row,) = [row for row in stage.client(VICTIM).store.rooms() if row.room == own.room]
    assert (row.status, row.title) == (RoomStatus.OPEN, LOOK_ALIKE)
    messages = stage.client(VICTIM).store.messages(own.room)
    assert {message.organisation for message in messages if message.sender == officer.id} == {TN}
    assert "send us your logs" in {said.text for said in stage.said(VICTIM, own.room)}


@defended(16)
def test_a_room_or_an_entry_that_was_never_logged_leads_nowhere(play: Play) -> None:
    """Pushed past the log: a room state of nothing, then an entry of it."""
    stage = play()
    unknown = RoomId(bytes(15) + b"\x01")
    before = stage.state(VICTIM)
    victim = stage.device(VICTIM).id
    stage.relay.say(
        victim, frames.RoomState(room=unknown, head=3, added_seq=2, removed_seq=None, counter=0, last=bytes(32))
    )
    stage.wait(3)
    entry = next(row for row in stage.messages(VICTIM) if row.kind == Kind.COMMIT)
    pushed = frames.Delivery(
        room=RoomId(bytes(15) + b"\x02"),
        room_seq=1,
        index=900,
        accepted_at_ms=stage.now_ms,
        previous=bytes(32),
        envelope=entry.encoded,
        content=b"",
    )
    stage.relay.say(victim, pushed)
    stage.wait(20)
    assert stage.state(VICTIM) == before
    assert [alarm.code for alarm in stage.alarms(VICTIM)] == [Code.FRAME]
    stage.say(VICTIM, "and on")
    stage.wait(3)
    assert stage.texts("tn-1") == ["and on"]


# ---- 19


class Substituting(Attack):
    """Hands out another key package than the device has offered."""

    from_the_start = True

    def __init__(self) -> None:
        super().__init__()
        self.device: DeviceId | None = None
        self.package: Callable[[bytes], bytes] = lambda genuine: genuine
        self.handed = 0
        self.given: list[bytes] = []
        self.entries: list[Entry] = []
        self.trees: dict[bytes, bytes] = {}

    def on_keypackage(self, relay: EvilRelay, to: DeviceId, frame: frames.KeyPackages) -> Iterable[Out]:
        packages = tuple(self._bend(taken) for taken in frame.packages)
        return (frames.KeyPackages(request=frame.request, packages=packages),)

    def _bend(self, taken: frames.TakenPackage) -> frames.TakenPackage:
        if taken.device != self.device or taken.package is None:
            return taken
        self.handed += 1
        self.given.append(self.package(taken.package))
        return frames.TakenPackage(device=taken.device, package=self.given[-1], last_resort=taken.last_resort)

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        self.entries.extend(batch.entries)
        self.trees |= {tree.hash: tree.data for tree in batch.trees}


def packages_of_the_relay(stage: Stage) -> dict[str, tuple[Callable[[bytes], bytes], Code]]:
    """Ways to give the relay's key for tn-2's, and what each is refused as."""
    device, relay = stage.device("tn-2"), stage.relay
    rogue = certified(rogue_organisation(TN, stage.now_ms), "second", now_ms=stage.now_ms)
    own = forged_package(relay.key, device, stage.now_ms)
    masked = forged_package(Masked(sha256(b"a seed"), device.certificate.public_key), device, stage.now_ms)
    unlogged = forged_package(rogue.key, rogue, stage.now_ms)
    other = stage.device("ma-2").id
    another = relay.store.take_key_packages(TakeKeyPackages(token=0, suite=CLASSICAL, devices=(other,))).taken[0][0]
    assert another is not None
    return {
        "signed by the relay under the right name": (lambda _: own, Code.KEY_ID),
        "under the right name and key": (lambda _: masked, Code.SIGNATURE),
        "of a device that nobody certified": (lambda _: unlogged, Code.CERTIFICATE),
        "of another device": (lambda _: another, Code.BINDING),
        "with the init key changed": (with_init_key, Code.SIGNATURE),
        "with its signature cut off": (lambda genuine: genuine[:-64] + bytes(64), Code.SIGNATURE),
    }


@defended(19)
def test_a_key_package_that_is_not_the_devices_own_adds_nobody(play: Play) -> None:
    attack = Substituting()
    stage = play(attack)
    attack.device = stage.device("tn-2").id
    ways = packages_of_the_relay(stage)
    before = stage.states()
    attack.package = next(iter(ways.values()))[0]
    intent = stage.ask("ma-1", actions.Invite(room=stage.rooms[1], device=attack.device))
    for package, code in ways.values():
        attack.package, handed = package, attack.handed
        stage.until(lambda handed=handed: attack.handed > handed, seconds=90)  # type: ignore[misc]  # a default binds the loop's value
        stage.wait(2)
        # The same alarm is not raised again within ten minutes.
        assert code in {alarm.code for alarm in stage.alarms("ma-1")}
        assert stage.states() == before
    assert [evidence(alarm)[0] in attack.given for alarm in stage.alarms("ma-1")] == [True] * 4
    assert stage.intent("ma-1", intent).state is not IntentState.DONE
    # As soon as the device's own is given, it is added.
    attack.package = lambda genuine: genuine
    stage.until(lambda: stage.intent("ma-1", intent).state is IntentState.DONE, seconds=90)
    stage.say("tn-2", "in the second room", room=1)
    stage.wait(3)
    assert stage.texts("sn-1", room=1) == ["in the second room"]
    assert stage.all_alarms().keys() == {"ma-1"}


@control(19, "key packages are signed")
def test_without_the_signature_of_key_packages_the_relay_reads_the_room(play: Play) -> None:
    attack = Substituting()
    stage = play(attack)
    device = stage.device("tn-2").id
    attack.device, attack.package = device, with_init_key
    stage.do("ma-1", actions.Invite(room=stage.rooms[1], device=device))
    stage.say("sn-1", "for members only", room=1)
    stage.wait(3)
    assert stage.all_alarms().get("ma-1") is None
    assert "for members only" in read_by_the_relay(stage, attack, device)


def read_by_the_relay(stage: Stage, attack: Substituting, device: DeviceId) -> set[str]:
    """What opens with the substitute's secret, out of what the relay stores."""
    room = stage.rooms[1]
    logged = [(entry, decode_envelope(entry.object)) for entry in attack.entries if entry.room == room]
    commit = next(e for _, e in logged if isinstance(e.header.specific, Commit) and device in e.header.specific.added)
    entry, welcome = next(
        (n, e) for n, e in logged if isinstance(e.header.specific, Welcome) and device in e.header.specific.addressees
    )
    assert isinstance(welcome.header.specific, Welcome)
    create = decode_envelope(stage.row("ma-1", 1).create)
    assert isinstance(create.header.specific, Create)
    reference, private = private_of(attack.given[-1])
    group, _ = ENGINES[CLASSICAL].join(
        entry.content or b"",
        attack.trees[welcome.header.specific.tree_hash or b""],
        Binding(
            room=room,
            policy=create.header.specific.policy,
            create_id=create.id,
            commit_id=commit.id,
            sender=welcome.header.kid,
        ),
        privates={reference: private},
        key=Masked(sha256(b"no key is needed"), stage.device("tn-2").certificate.public_key),
        check=lambda credential: decode_certificate(credential.certificate).device_id,
    )
    texts = set()
    for entry, envelope in logged:
        header = envelope.header
        if header.kind is Kind.MESSAGE and header.epoch == group.epoch:
            plaintext = group.open(entry.content or b"", sender=header.kid, aad=header.aad)
            body = open_plaintext(plaintext, header.size_class)[2].body
            texts.add(body.text if isinstance(body, Text) else "")
    return texts
