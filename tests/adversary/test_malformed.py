"""Attack 48: malformed CBOR wherever a peer expects some: to a live relay, and from a relay to clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from amanah_client import Client, model
from amanah_client.model import IntentState
from amanah_protocol import frames, limits
from amanah_protocol.cose import encode_sign1
from amanah_protocol.errors import Code
from amanah_protocol.frames import Frame
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId
from amanah_relay.quotas import RelayLimits
from bench.link import Link
from scripts.ports import free_port
from tests.adversary.attack import Attack, Out, Planted
from tests.adversary.between import HOST, Between
from tests.adversary.evil import EvilRelay
from tests.adversary.outcomes import control, defended
from tests.adversary.shown import evidence
from tests.adversary.stage import Stage
from tests.end_to_end.nations import Nations
from tests.protocol.test_cbor_malformed import CASES
from tests.relay.serving import Site, items, make_site, open_for

Play = Callable[..., Stage]
TN: Final = "cert.example.tn"
MALFORMED: Final = tuple(bytes.fromhex(text) for text, _ in CASES.values())
TYPED: Final = {Code.MALFORMED, Code.NOT_CANONICAL, Code.BAD_TYPE, Code.TOO_LARGE, Code.BAD_HEADER}


def objects() -> list[bytes]:
    """Every case as it is, as a COSE_Sign1's header, and as its payload."""
    as_header = [encode_sign1(case, bytes(32), bytes(64)) for case in MALFORMED]
    as_payload = [encode_sign1(b"\xa0", case, bytes(64)) for case in MALFORMED]
    return [*(b"\xd2" + case for case in MALFORMED), *as_header, *as_payload]


OBJECTS: Final = objects()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A relay that lets one device ask for as much as it likes: what is looked at here is not how much."""
    limits = RelayLimits(
        requests_per_second=1e6, requests_burst=10**6, submissions_per_minute=1e6, submissions_burst=10**6
    )
    return make_site(tmp_path, limits=limits)


# ---- to a live relay


@defended(48)
async def test_a_relay_refuses_every_malformed_object_with_a_typed_code_and_goes_on(site: Site) -> None:
    device, other = (organisation.certify() for organisation in site.organisations)
    async with site.running() as port:
        link, honest = await site.enter(device, port), await site.enter(other, port)
        for request, data in enumerate(OBJECTS, start=1):
            sent = data[: limits.MAX_ENVELOPE_BYTES]
            item = frames.Item(envelope=sent, content=b"")
            link.send(frames.Publish(request=request, items=(item,)))
            refused = await link.expect(frames.Refused)
            assert (refused.request, refused.code in TYPED) == (request, True)
        for request, case in enumerate(MALFORMED, start=10_000):
            for kind in (LeafType.CERTIFICATE, LeafType.ENROLMENT, LeafType.REVOCATION, LeafType.ROSTER):
                await asyncio.sleep(0)
                link.send(frames.Submit(request=request, type=int(kind), object=case))
                refused = await link.expect(frames.Refused)
                assert refused.request == request
                assert refused.code in TYPED, (refused, case, kind)
        opening, (author,) = await open_for(site, [honest], [other])
        message = author.message(b"sealed", epoch=0, audience=opening.members, now_ms=site.now_ms)
        honest.send(frames.Publish(request=5, items=items((message,))))
        assert (await honest.expect(frames.Stored)).accepted[0].request == 5


@pytest.mark.parametrize("number", range(0, len(MALFORMED), 12))
@defended(48)
async def test_a_relay_ends_a_login_with_a_malformed_certificate_and_says_why(site: Site, number: int) -> None:
    device = site.organisations[0].certify()
    async with site.running() as port:
        _, link = await asyncio.get_running_loop().create_connection(Link, HOST, port)
        hello = frames.Hello(
            versions=(1,),
            client_nonce=bytes(32),
            device=device.id,
            certificate_hash=device.certificate.hash,
            dialled=f"{HOST}:{port}",
        )
        link.send(hello)
        await link.expect(frames.Challenge)
        case = MALFORMED[number]
        link.send(frames.Proof(signature=bytes(64), certificate=b"\xd2" + case, enrolment=case))
        assert (await link.expect(frames.Refused)).code in TYPED
        await link.lost
        assert link.close_code == 1007
        await site.enter(device, port)


async def publish_with_a_byte_behind(site: Site) -> Frame:
    """An envelope that is right, and one byte more behind it; gives the relay's answer."""
    device = site.organisations[0].certify()
    async with site.running() as port:
        link = await site.enter(device, port)
        opening, (author,) = await open_for(site, [link], [device])
        envelope, content = author.message(b"sealed", epoch=0, audience=opening.members, now_ms=site.now_ms)
        item = frames.Item(envelope=envelope.encoded + b"\x00", content=content)
        link.send(frames.Publish(request=7, items=(item,)))
        while True:
            frame = await link.next()
            if isinstance(frame, frames.Stored | frames.Refused):
                return frame


@defended(48)
async def test_a_second_encoding_of_an_envelope_is_refused(site: Site) -> None:
    refused = await publish_with_a_byte_behind(site)
    assert isinstance(refused, frames.Refused)
    assert refused.code == Code.NOT_CANONICAL


@control(48, "one encoding")
async def test_without_the_look_at_the_encoding_a_second_one_is_logged(site: Site) -> None:
    stored = await publish_with_a_byte_behind(site)
    assert isinstance(stored, frames.Stored)
    assert stored.accepted[0].request == 7


# ---- from a relay, in virtual time: every case in every place


class Garbling(Attack):
    """Puts bytes in the place of what the relay signs, in the next frame of a sort to one device."""

    def __init__(self) -> None:
        super().__init__()
        self.victim: DeviceId | None = None
        self.place: tuple[type[Frame], str] | None = None
        self.data = b""

    def _garble(self, to: DeviceId, frame: Frame) -> Iterable[Out]:
        if self.place is None or to != self.victim or type(frame) is not self.place[0]:
            return (frame,)
        fields = {name: getattr(frame, name) for name in frame.__struct_fields__}
        fields[self.place[1]] = self.data
        self.place = None
        return (type(frame)(**fields),)

    def on_login(self, relay: EvilRelay, to: DeviceId, frame: frames.Challenge | frames.Ready) -> Iterable[Out]:
        return self._garble(to, frame)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: Frame) -> Iterable[Out]:
        return self._garble(to, frame)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a client decodes what a relay sends.

    Attributes:
        name: What stands there.
        put: Puts bytes there.
        wait_s: How long it takes until the client is back.
    """

    name: str
    put: Callable[[Stage, bytes], None]
    wait_s: float


def _head(stage: Stage, data: bytes) -> None:
    stage.relay.say(stage.device("sn-1").id, frames.Head(head=data))


def _in(sort: type[Frame], field: str) -> Callable[[Stage, bytes], None]:
    def put(stage: Stage, data: bytes) -> None:
        assert isinstance(stage.attack, Garbling)
        stage.attack.place, stage.attack.data = (sort, field), data
        stage.relay.cut(stage.device("sn-1").id)

    return put


PLACES: Final = (
    Place(name="entry", put=lambda s, data: _forget(s.relay.log(s.rooms[0], Planted(object=data))), wait_s=0.3),
    Place(name="certificate", put=lambda s, data: _forget(s.relay.log_control(LeafType.CERTIFICATE, data)), wait_s=0.3),
    Place(name="revocation", put=lambda s, data: _forget(s.relay.log_control(LeafType.REVOCATION, data)), wait_s=0.3),
    Place(name="pushed head", put=_head, wait_s=4),
    Place(name="head at login", put=_in(frames.Ready, "control_head"), wait_s=8),
    Place(name="head of a page", put=_in(frames.PageEnd, "head"), wait_s=8),
)


def _forget(_: int) -> None:
    """Its place is of no interest."""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
@defended(48)
def test_a_client_refuses_every_malformed_object_and_goes_on(play: Play, place: Place, scale: int) -> None:
    stage = play(Garbling())
    attack = stage.attack
    assert isinstance(attack, Garbling)
    attack.victim = stage.device("sn-1").id
    stage.wait(35)
    before = stage.states()
    every = max(1, (1 if place.wait_s < 1 else 12) // scale)
    for data in OBJECTS[::every]:
        place.put(stage, data)
        stage.wait(place.wait_s)
    attack.place = None
    stage.wait(60)
    assert stage.states() == before
    alarms = stage.alarms("sn-1")
    assert alarms
    assert {alarm.code for alarm in alarms} <= TYPED
    assert all(evidence(alarm) for alarm in alarms)
    assert stage.crashes() == []
    intent = stage.say("sn-1", "and on")
    stage.wait(5)
    assert stage.intent("sn-1", intent).state is IntentState.DONE
    assert stage.texts("tn-1") == ["and on"]


# ---- from a relay, over a real socket


@pytest.fixture
def nations(tmp_path: Path) -> Iterator[Nations]:
    made = Nations(tmp_path)
    yield made
    made.close()


@defended(48)
async def test_a_live_client_alarms_and_is_back_by_itself(nations: Nations) -> None:
    inner, outer = free_port(), nations.relay.port
    (nations.folder / "relay" / "relay.toml").write_text(f"[listen]\nport = {inner}\n")
    nations.relay.start()
    cases = [*OBJECTS[::70], b"\x93\xcd", b"\xc1"]
    middle = Between(relay_port=inner, down=lambda data: _once_online(data, cases))
    path = nations.enrol("a", TN)
    async with middle.running(outer), await Client.open(path) as client:
        async with asyncio.timeout(60):
            while cases or not client.is_online:
                await asyncio.sleep(0.05)
        assert {alarm.code for alarm in client.alarms()} <= {*TYPED, Code.FRAME}
        assert client.alarms()
        assert all(alarm.evidence for alarm in client.alarms())
        room = await client.create_room("and on", label=Label.AMBER)
        assert (await room.send("still here")).state is model.IntentState.DONE


def _once_online(data: bytes, cases: list[bytes]) -> list[bytes]:
    """One case for each connection, once it has caught up: as a head, or, what is not even a frame, as it is."""
    if data[1] != frames.PageEnd.__struct_config__.tag or not cases:
        return [data]
    case = cases.pop()
    return [data, case if case[0] != 0xD2 else frames.encode_frame(frames.Head(head=case))]
