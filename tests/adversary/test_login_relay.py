"""Attack 35: a relay passes another relay's login on, proofs are shown again, the client is used to sign things."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from amanah_client import Client, model
from amanah_client.organisation import sign_roster
from amanah_protocol import cbor, cose, frames
from amanah_protocol.audit import ReadingOrder, sign_order
from amanah_protocol.crypto import sha256, verify_signature
from amanah_protocol.endorse import Endorsed, endorse
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.suites import CLASSICAL
from amanah_protocol.identity import decode_certificate
from amanah_protocol.labels import Label
from amanah_protocol.mls.codec import opaque
from amanah_protocol.mls.key_package import decode_key_package
from amanah_protocol.roster import roster_document
from amanah_protocol.session import NO_TLS, Transcript, sign_as_relay
from amanah_protocol.types import DeviceId, KeyId
from amanah_relay.config import Config, Keys, Listen, StoreSection
from amanah_relay.effects import TakeKeyPackages
from amanah_relay.keys import RelayKeys, create_relay_keys, load_relay_keys
from amanah_relay.service import serve
from amanah_relay.store import Store
from bench.link import Link
from scripts.ports import free_port
from tests.adversary.attack import Attack, Out
from tests.adversary.between import HOST, Between
from tests.adversary.evil import EvilRelay
from tests.adversary.outcomes import control, defended
from tests.adversary.stage import Stage
from tests.end_to_end.nations import ORIGIN, Nations, now_ms

Play = Callable[..., Stage]
TN: Final = "cert.example.tn"
OTHER_ORIGIN: Final = "relay.example.org/other"


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoRelays:
    """A community with two relays in its roster.

    Attributes:
        nations: The community; its own relay is the second one.
        first: Address of the relay that is in the hands of an attacker: its port.
        second: Port of the honest one.
        keys: Keys of the honest one.
    """

    nations: Nations
    first: int
    second: int
    keys: RelayKeys

    @asynccontextmanager
    async def honest(self, port: int = 0) -> AsyncIterator[None]:
        """Run the second relay in this process, so that a control can take a check from it."""
        home = self.nations.folder / "relay"
        config = Config(
            listen=Listen(port=port or self.second, stop_seconds=2),
            keys=Keys(file=home / "relay.keys"),
            store=StoreSection(url=f"sqlite:///{home / 'relay.db'}"),
        )
        listens: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        service = asyncio.create_task(serve(config, self.keys, listens.set_result, lambda _: None))
        await listens
        try:
            yield
        finally:
            service.cancel()
            await asyncio.wait((service,))


@pytest.fixture
def two(tmp_path: Path) -> Iterator[TwoRelays]:
    nations = Nations(tmp_path)
    home = tmp_path / "relay"
    keys = load_relay_keys(home / "relay.keys")
    others = create_relay_keys(tmp_path / "other.keys", OTHER_ORIGIN)
    first, second = free_port(), nations.relay.port
    document = roster_document(
        version=1,
        community="Two relays",
        issued_ms=now_ms() - 60_000,
        threshold=1,
        organisations=tuple(nation.card.organisation for nation in nations.members.values()),
        relays=(others.card((f"ws://{HOST}:{first}",)), keys.card((f"ws://{HOST}:{second}",))),
    )
    nations.roster = sign_roster(nations.members[TN].profile, Endorsed(document=document, signatures=()).encode())
    for leftover in home.glob("relay.db*"):
        leftover.unlink()
    Store.init(f"sqlite:///{home / 'relay.db'}", roster=nations.roster, origin=ORIGIN, now_ms=now_ms()).close()
    yield TwoRelays(nations=nations, first=first, second=second, keys=keys)
    nations.close()


def redirected(dialled: str) -> Callable[[bytes], list[bytes]]:
    """Says hello to the honest relay as if its own address had been dialled."""

    def bend(data: bytes) -> list[bytes]:
        if data[1] != HELLO:
            return [data]
        hello = frames.decode_login_frame(data)
        fields = {name: getattr(hello, name) for name in hello.__struct_fields__}
        return [frames.encode_frame(frames.Hello(**{**fields, "dialled": dialled}))]

    return bend


def kinds_of(messages: Iterable[bytes]) -> set[int]:
    """The tags of encoded frames."""
    return {message[1] for message in messages}


HELLO, PROOF, CHALLENGE, READY = (
    kind.__struct_config__.tag for kind in (frames.Hello, frames.Proof, frames.Challenge, frames.Ready)
)


@pytest.mark.parametrize("rewritten", [False, True])
@defended(35)
async def test_a_login_that_is_passed_on_to_another_relay_is_refused(two: TwoRelays, rewritten: bool) -> None:  # noqa: FBT001 - pytest hands it over by name
    middle = Between(relay_port=two.second)
    if rewritten:
        middle.up = redirected(f"{HOST}:{two.second}")
    path = two.nations.enrol("a", TN)
    async with two.honest(), middle.running(two.first), await Client.open(path) as client:
        # The client tries the first relay, finds it out, and logs in to the second by itself.
        await client.online(20)
        room = await client.create_room("in the honest relay", label=Label.AMBER)
        await room.send("and on")
        alarms = client.alarms()
    assert middle.sent
    assert PROOF not in kinds_of(middle.sent)
    assert READY not in kinds_of(middle.told)
    assert (CHALLENGE in kinds_of(middle.told)) == rewritten
    if not rewritten:
        refused = frames.decode_relay_frame(middle.told[0])
        assert isinstance(refused, frames.Refused)
        assert refused.code == Code.LOGIN
    else:
        assert {alarm.code for alarm in alarms} == {Code.LOGIN}
        challenge = cbor.Fields(cbor.decode(alarms[0].evidence, max_bytes=8_192), 1, "evidence").blob(8_192)
        assert isinstance(frames.decode_relay_frame(challenge), frames.Challenge)


@control(35, "the address that was dialled")
async def test_without_the_look_at_the_address_the_relay_in_the_middle_is_logged_in(two: TwoRelays) -> None:
    middle = Between(relay_port=two.second)
    path = two.nations.enrol("a", TN)
    async with two.honest(), middle.running(two.first), await Client.open(path) as client:
        await client.online(20)
        assert client.alarms() == ()
    assert PROOF in kinds_of(middle.sent)
    ready = next(message for message in middle.told if message[1] == READY)
    assert isinstance(frames.decode_relay_frame(ready), frames.Ready)


@defended(35)
async def test_a_login_that_is_shown_again_is_refused(two: TwoRelays) -> None:
    listening = free_port()
    tap = Between(relay_port=listening)
    path = two.nations.enrol("a", TN)
    async with two.honest(listening), tap.running(two.second), await Client.open(path) as client:
        await client.online(20)
        hello, proof = (frames.decode_login_frame(data) for data in tap.sent[:2])
        assert isinstance(proof, frames.Proof)
        _, thief = await asyncio.get_running_loop().create_connection(Link, HOST, listening)
        thief.send(hello)
        await thief.expect(frames.Challenge)
        thief.send(proof)
        assert (await thief.expect(frames.Refused)).code == Code.LOGIN
        await thief.lost
        # Whose login it was is not disturbed by it.
        room = await client.create_room("still here", label=Label.AMBER)
        assert (await room.send("and on")).state is model.IntentState.DONE


class Oracle(Attack):
    """Chooses its nonces so that the client's proof might be worth something elsewhere, and keeps the proofs."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.nonces: list[bytes] = []
        self.hello: frames.Hello | None = None
        self.proofs: list[bytes] = []

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        if sender is None or sender != self.victim:
            return True
        if data[1] == PROOF and self.nonces:
            proof = frames.decode_login_frame(data)
            assert isinstance(proof, frames.Proof)
            self.proofs.append(proof.signature)
            self.nonces.pop()
            relay.cut(sender)
            return False
        if data[1] == HELLO:
            hello = frames.decode_login_frame(data)
            self.hello = hello if isinstance(hello, frames.Hello) else None
        return True

    def on_login(self, relay: EvilRelay, to: DeviceId, frame: frames.Challenge | frames.Ready) -> Iterable[Out]:
        hello = self.hello
        if to != self.victim or hello is None or not self.nonces or not isinstance(frame, frames.Challenge):
            return (frame,)
        transcript = Transcript(
            offered=hello.versions,
            chosen=frame.chosen,
            relay=KeyId(frame.relay),
            origin=frame.origin,
            dialled=hello.dialled,
            tls_hash=NO_TLS,
            client_nonce=hello.client_nonce,
            relay_nonce=self.nonces[-1],
            device=DeviceId(hello.device),
            certificate_hash=hello.certificate_hash,
            control_sequence=frame.control_sequence,
            time_ms=frame.time_ms,
        )
        bent = frames.Challenge(
            chosen=frame.chosen,
            relay=frame.relay,
            origin=frame.origin,
            relay_nonce=self.nonces[-1],
            control_sequence=frame.control_sequence,
            time_ms=frame.time_ms,
            signature=sign_as_relay(transcript, relay.key),
        )
        return (bent,)


def signed_by_devices(stage: Stage) -> dict[str, bytes]:
    """The bytes under everything that a device signs, each worth a signature to the relay."""
    device = stage.device("sn-1")
    envelope = next(row.encoded for row in stage.messages("tn-1") if row.sender == device.id)
    order = sign_order(ReadingOrder(first=0, until=1, ordered_at_ms=1, nonce=bytes(16)), device.key)
    wanted = TakeKeyPackages(token=0, suite=CLASSICAL, devices=(device.id,))
    package = decode_key_package(stage.relay.store.take_key_packages(wanted).taken[0][0] or b"")
    request = decode_certificate(device.certificate.encoded).request
    cose_objects = {"envelope": envelope, "order": order, "request": request}
    found = {name: cose.decode_sign1(data, max_bytes=16_384).signed_bytes for name, data in cose_objects.items()}
    document = b"a document to be endorsed"
    return {
        **found,
        "key package": opaque(b"MLS 1.0 KeyPackageTBS") + opaque(package.unsigned),
        "endorsement": cose.decode_sign1(endorse(document, device.key), max_bytes=1_024).signed_bytes,
        "login to a relay": b"amanah/login/1/relay\0" + document,
        "bare hash": sha256(document),
    }


@defended(35)
def test_a_proof_of_login_is_a_signature_of_nothing_else(play: Play) -> None:
    attack = Oracle()
    stage = play(attack)
    messages = signed_by_devices(stage)
    attack.nonces = [sha256(message) if len(message) != 32 else message for message in messages.values()]
    attack.victim = stage.device("sn-1").id
    wanted = len(attack.nonces)
    stage.relay.cut(attack.victim)
    stage.until(lambda: len(attack.proofs) == wanted, seconds=600)
    public = stage.device("sn-1").certificate.public_key
    for proof in attack.proofs:
        for message in messages.values():
            for claimed in (message, sha256(message)):
                with pytest.raises(VerifyError):
                    verify_signature(public, proof, claimed)
    stage.wait(60)
    stage.say("sn-1", "and on")
    stage.wait(3)
    assert stage.texts("tn-1") == ["and on"]
    assert stage.alarms("sn-1") == []
