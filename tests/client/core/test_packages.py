"""Own key packages: stored before they leave, and never running out."""

from __future__ import annotations

from typing import Any

import pytest

from amanah_client import effects as e
from amanah_client.core import packages
from amanah_protocol import frames, limits
from amanah_protocol.group import suites
from tests.client.core.forge import push
from tests.client.core.world import Client, Stage
from tests.engines import ENGINES


def offers(client: Client) -> list[frames.OfferKeyPackages]:
    """Gather what a client offers."""
    found: list[frames.OfferKeyPackages] = []

    def hook(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.OfferKeyPackages):
            found.append(frame)
        return [frame]

    client.outward = hook
    return found


def online(stage: Stage) -> tuple[Client, list[frames.OfferKeyPackages]]:
    """A client that has logged in, and what it offered."""
    a = stage.client("A")
    found = offers(a)
    a.connect()
    stage.run()
    return a, found


def test_a_new_device_offers_a_hundred_and_a_last_resort(stage: Stage) -> None:
    a, found = online(stage)
    assert [len(offer.packages) for offer in found] == [100]
    infos = [ENGINES[suites.CLASSICAL].key_package_info(package) for package in found[0].packages]
    assert {info.last_resort for info in infos} == {False}
    assert found[0].last_resort is not None
    assert ENGINES[suites.CLASSICAL].key_package_info(found[0].last_resort).last_resort
    assert {info.reference for info in infos} < set(a.store.packages)
    assert len(a.store.packages) == 101


def test_secrets_are_written_in_the_step_that_offers(stage: Stage) -> None:
    a = stage.client("A")
    a.connect()
    seen = False
    while a.peer is not None and (waiting := a.peer.frames):
        a.peer.frames = []
        for frame in waiting:
            from amanah_client.inputs import Received  # noqa: PLC0415 - one use

            step = a.core.handle(Received(data=frames.encode_frame(frame)), stage.relay.now_ms)
            a.store.commit(step.writes)
            sent = [effect.data for effect in step.effects if isinstance(effect, e.SendFrame)]
            if any(len(data) > 10_000 for data in sent):
                assert sum(isinstance(write, e.PutKeyPackage) for write in step.writes) == 101
                seen = True
            for data in sent:
                a.peer.send_bytes(data)
    assert seen


@pytest.mark.parametrize(("left", "offered"), [(50, []), (49, [51]), (0, [100])])
def test_the_stock_is_filled_when_it_is_low(stage: Stage, left: int, offered: list[int]) -> None:
    a, found = online(stage)
    found.clear()
    stage.relay.store.stock[a.device.id, suites.CLASSICAL] = stage.relay.store.stock[a.device.id, suites.CLASSICAL][
        :left
    ]
    client = stage.relay.core._parts.clients.online(a.device.id)  # noqa: SLF001 - what the relay counts
    assert client is not None
    client.stock[suites.CLASSICAL] = left
    push(a, frames.Stock(suite=suites.CLASSICAL, left=left))
    stage.run()
    assert [len(offer.packages) for offer in found] == offered


@pytest.mark.parametrize(("code", "again"), [("QUOTA", 0), ("STORE", 1), ("ROLE", 1)])
def test_a_refused_offer(stage: Stage, code: str, again: int) -> None:
    a = stage.client("A")
    found = offers(a)
    refusals: list[frames.Frame] = []

    def refuse(frame: frames.Frame) -> list[frames.Frame]:
        if isinstance(frame, frames.Done) and not refusals:
            refusals.append(frame)
            return [frames.Refused(frame.request, code, "no", retry_after_ms=1_000)]
        return [frame]

    a.toward = refuse
    stage.relay.core._parts.limits = type(stage.relay.limits)()  # noqa: SLF001 - as configured
    a.connect()
    stage.run()
    found.clear()
    stage.wait(20_000)
    assert found == []
    stage.relay.store.stock.clear()
    client = stage.relay.core._parts.clients.online(a.device.id)  # noqa: SLF001 - what the relay counts
    assert client is not None
    client.stock.clear()
    stage.wait(15_000)
    assert len(found) == again


def test_an_offer_that_does_not_fit_a_frame_is_made_in_parts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_OFFER_BYTES", limits.MAX_KEY_PACKAGE_BYTES + 20_000)
    a, found = online(stage)
    assert len(found) > 2
    assert max(len(frames.encode_frame(offer)) for offer in found) < 24_000
    assert a.core._ctx.session.stock[suites.CLASSICAL] >= 50  # noqa: SLF001 - what is tested


def test_a_suite_that_the_certificate_does_not_name_is_not_offered(stage: Stage) -> None:
    a = stage.client("A", device_suites=(0x0001,))
    found: Any = offers(a)
    a.connect()
    stage.run()
    assert found == []
