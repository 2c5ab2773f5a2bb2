from __future__ import annotations

import pytest

from amanah_protocol import frames
from amanah_protocol.errors import Code
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId
from amanah_relay.quotas import RelayLimits
from tests.relay.people import DAY_MS, Nation, make_roster
from tests.relay.world import MA, SN, TN, Peer, World, code_of, device_of

SUITE = 0x0003


def offer(peer: Peer, *packages: bytes, last_resort: bytes | None = None, suite: int = SUITE) -> int:
    """Offer key packages; gives the request's number."""
    request = peer.next_request()
    peer.send(frames.OfferKeyPackages(request=request, suite=suite, packages=packages, last_resort=last_resort))
    return request


def take(peer: Peer, *devices: DeviceId, suite: int = SUITE) -> int:
    """Ask for key packages; gives the request's number."""
    request = peer.next_request()
    peer.send(frames.TakeKeyPackages(request=request, suite=suite, devices=devices))
    return request


def given(peer: Peer) -> list[tuple[bytes | None, bool]]:
    """What was handed out, in order."""
    return [(taken.package, taken.last_resort) for answer in peer.take(frames.KeyPackages) for taken in answer.packages]


def pair(limits: RelayLimits | None = None) -> tuple[World, Peer, Peer]:
    """An officer who adds, and one of another nation who is added."""
    world = World(limits)
    return world, world.officer("adder"), world.officer("owner", of=MA)


def test_each_package_is_handed_out_once() -> None:
    _, adder, owner = pair()
    request = offer(owner, b"one", b"two")
    assert owner.one(frames.Done).request == request
    for expected in (b"two", b"one", None):
        request = take(adder, device_of(owner).id)
        answer = adder.one(frames.KeyPackages)
        assert answer.request == request
        assert [(taken.device, taken.package) for taken in answer.packages] == [(device_of(owner).id, expected)]


def test_packages_come_in_the_order_asked() -> None:
    world, adder, owner = pair()
    other = world.officer("other", of=SN)
    offer(owner, b"owner's")
    offer(other, b"other's")
    stranger = DeviceId(bytes(32))
    take(adder, device_of(other).id, stranger, device_of(owner).id)
    assert given(adder) == [(b"other's", False), (None, False), (b"owner's", False)]


def test_the_last_resort_is_given_once_a_day_to_one_adder() -> None:
    world, adder, owner = pair()
    other = world.officer("other", of=SN)
    offer(owner, last_resort=b"last")
    for expected in ((b"last", True), (None, False)):
        take(adder, device_of(owner).id)
        assert given(adder) == [expected]
    take(other, device_of(owner).id)
    assert given(other) == [(b"last", True)]
    world.now_ms += DAY_MS
    take(adder, device_of(owner).id)
    assert given(adder) == [(b"last", True)]


def test_an_owner_is_told_when_its_stock_runs_low() -> None:
    world, adder, owner = pair(RelayLimits(low_stock=1))
    offer(owner, b"one", b"two", b"three")
    take(adder, device_of(owner).id)
    assert not owner.take(frames.Stock)
    take(adder, device_of(owner).id)
    stock = owner.one(frames.Stock)
    assert (stock.suite, stock.left) == (SUITE, 1)
    world.drop(owner)
    take(adder, device_of(owner).id)
    assert given(adder)[-1] == (b"one", False)


def test_a_stock_has_its_bound() -> None:
    world, adder, owner = pair()
    offer(owner, *[bytes([number]) for number in range(99)])
    owner.one(frames.Done)
    offer(owner, b"x", b"y")
    assert code_of(owner.refused()) is Code.QUOTA
    offer(owner, b"x")
    owner.one(frames.Done)
    offer(owner, b"y")
    assert code_of(owner.refused()) is Code.QUOTA
    take(adder, device_of(owner).id)
    offer(owner, b"y")
    owner.one(frames.Done)
    world.drop(owner)
    again = world.login(device_of(owner))
    offer(again, b"z")
    assert code_of(again.refused()) is Code.QUOTA


def test_offers_on_their_way_count() -> None:
    world, _, owner = pair()
    world.holding = True
    offer(owner, *[bytes([number]) for number in range(60)])
    offer(owner, *[bytes([number]) for number in range(60)])
    assert code_of(owner.refused()) is Code.QUOTA
    world.store.reads_fail = True
    world.release()
    assert code_of(owner.refused()) is Code.STORE
    world.store.reads_fail = False
    offer(owner, *[bytes([number]) for number in range(60)])
    owner.one(frames.Done)


def test_offers_have_a_rate() -> None:
    world, _, owner = pair(RelayLimits(key_package_offers_burst=2, key_package_offers_per_minute=10))
    for number in range(2):
        offer(owner, last_resort=bytes([number]))
        owner.one(frames.Done)
    offer(owner, last_resort=b"x")
    assert owner.refused().retry_after_ms == 6_000
    world.now_ms += 6_000
    offer(owner, last_resort=b"x")
    owner.one(frames.Done)


def test_an_offer_of_somebody_who_left_is_kept() -> None:
    world, adder, owner = pair()
    world.holding = True
    offer(owner, b"one")
    world.drop(owner)
    world.release()
    assert not owner.frames
    take(adder, device_of(owner).id)
    assert given(adder) == [(b"one", False)]


def test_packages_for_somebody_who_left_are_used_up() -> None:
    world, adder, owner = pair()
    offer(owner, b"one")
    world.holding = True
    take(adder, device_of(owner).id)
    world.drop(adder)
    world.release()
    assert not adder.frames
    assert owner.one(frames.Stock).left == 0


@pytest.mark.parametrize(
    ("role", "code"),
    [(Role.OFFICER, None), (Role.BOT, None), (Role.AUDITOR, Code.ROLE), (Role.SENSOR, Code.ROLE)],
)
def test_those_who_can_be_members_offer(role: Role, code: Code | None) -> None:
    world = World()
    machine = MachineLimits() if role in (Role.BOT, Role.SENSOR) else None
    peer = world.login(world.certify("x", role, machine=machine))
    offer(peer, b"one")
    if code is None:
        peer.one(frames.Done)
    else:
        assert code_of(peer.refused()) is code


@pytest.mark.parametrize("role", [Role.BOT, Role.AUDITOR, Role.OPERATOR])
def test_only_officers_take(role: Role) -> None:
    world, _, owner = pair()
    peer = world.login(world.certify("x", role))
    take(peer, device_of(owner).id)
    assert code_of(peer.refused()) is Code.ROLE


def test_a_suite_that_the_certificate_does_not_name_is_refused() -> None:
    _, _, owner = pair()
    offer(owner, b"one", suite=0x0001)
    assert code_of(owner.refused()) is Code.SUITE


def test_each_device_is_named_once() -> None:
    _, adder, owner = pair()
    take(adder, device_of(owner).id, device_of(owner).id)
    assert code_of(adder.refused()) is Code.BAD_TYPE


def test_an_expired_device_neither_offers_nor_takes() -> None:
    world, adder, owner = pair()
    world.now_ms += 91 * DAY_MS
    offer(owner, b"one")
    take(adder, device_of(owner).id)
    assert {code_of(owner.refused()), code_of(adder.refused())} == {Code.EXPIRED}


def test_packages_of_those_who_cannot_be_added_are_not_taken() -> None:
    world = World()
    adder, revoked, expired = (
        world.officer("adder"),
        world.officer("revoked"),
        world.certify("expired", lifetime_ms=DAY_MS),
    )
    auditor = world.login(world.certify("auditor", Role.AUDITOR))
    left = Nation.make("cert.example.dz")
    world.login(expired)
    grown = make_roster((*world.nations.values(), left), version=2, signers=tuple(world.nations.values()))
    adder.send(frames.Submit(request=70, type=LeafType.ROSTER, object=grown.endorsed.encode()))
    leaver = world.login(left.certify("leaver"))
    for peer in (revoked, leaver):
        offer(peer, b"one", last_resort=b"last")
    shrunk = make_roster(tuple(world.nations.values()), version=3)
    adder.send(frames.Submit(request=71, type=LeafType.ROSTER, object=shrunk.endorsed.encode()))
    revocation = world.nations[TN].revoke(device_of(revoked).id)
    adder.send(frames.Submit(request=72, type=LeafType.REVOCATION, object=revocation))
    world.now_ms += 2 * DAY_MS
    assert len(adder.take(frames.Stored)) == 3
    devices = [device_of(peer).id for peer in (revoked, leaver, auditor)]
    take(adder, *devices, expired.id)
    assert given(adder) == [(None, False)] * 4
    assert world.store.stock[device_of(revoked).id, SUITE] == [b"one"]


def test_an_answer_that_does_not_fit_a_frame_comes_in_several() -> None:
    world, adder, _ = pair(RelayLimits(sessions_per_organisation=1_000))
    owners = [world.officer(f"owner {number}") for number in range(20)]
    for number, owner in enumerate(owners):
        offer(owner, bytes([number]) * 16_384)
    request = take(adder, *[device_of(owner).id for owner in owners])
    answers = adder.take(frames.KeyPackages)
    assert len(answers) == 2
    assert {answer.request for answer in answers} == {request}
    found = [(taken.device, taken.package) for answer in answers for taken in answer.packages]
    assert found == [(device_of(owner).id, bytes([number]) * 16_384) for number, owner in enumerate(owners)]


def test_requests_for_packages_have_a_rate() -> None:
    world, adder, owner = pair()
    for _ in range(10):
        take(adder, device_of(owner).id)
    assert len(given(adder)) == 10
    take(adder, device_of(owner).id)
    assert adder.refused().retry_after_ms == 6_000
    world.now_ms += 6_000
    take(adder, device_of(owner).id)
    assert given(adder) == [(None, False)]


def test_one_organisation_cannot_use_up_what_another_one_needs() -> None:
    world, adder, owner = pair(RelayLimits(key_package_requests_burst=1_000))
    other = world.officer("other", of=SN)
    offer(owner, *[bytes([number]) for number in range(100)])
    for _ in range(60):
        take(adder, device_of(owner).id)
    assert all(package is not None and not last for package, last in given(adder))
    take(adder, device_of(owner).id)
    refused = adder.refused()
    assert (code_of(refused), refused.retry_after_ms) == (Code.RATE, 60_000)
    take(other, device_of(owner).id)
    ((package, last_resort),) = given(other)
    assert package is not None
    assert not last_resort


def test_an_organisation_has_a_rate_over_all_targets() -> None:
    world, adder, _ = pair(RelayLimits(key_package_requests_burst=1_000, key_packages_per_organisation_hour=96))
    owners = [world.officer(f"owner {number}", of=MA) for number in range(49)]
    ids = [device_of(owner).id for owner in owners]
    take(adder, *ids)
    take(adder, *ids[:47])
    assert len(given(adder)) == 96
    take(adder, ids[0])
    assert code_of(adder.refused()) is Code.RATE
