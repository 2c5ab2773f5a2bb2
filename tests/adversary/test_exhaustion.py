"""Attack 21: one organisation takes all key packages of a device, so that nobody else can invite it."""

from __future__ import annotations

from typing import Final

from amanah_protocol import frames
from amanah_protocol.errors import Code
from amanah_protocol.group.suites import CLASSICAL
from amanah_protocol.limits import MAX_KEY_PACKAGES
from amanah_relay.quotas import RelayLimits
from tests.adversary.outcomes import control, defended
from tests.relay.world import MA, SN, Peer, World

FETCHES: Final = 10_000
LAST: Final = b"the last resort"


def fetch(peer: Peer, owner: Peer) -> tuple[bytes | None, bool, str]:
    """Ask for a key package of a device; gives it, whether it is the last resort, and the code of a refusal."""
    assert owner.device is not None
    peer.send(frames.TakeKeyPackages(request=peer.next_request(), suite=CLASSICAL, devices=(owner.device.id,)))
    refused = peer.take(frames.Refused)
    if refused:
        return None, False, refused[0].code
    (taken,) = peer.one(frames.KeyPackages).packages
    return taken.package, taken.last_resort, ""


def take_all(limits: RelayLimits | None = None) -> tuple[World, Peer, list[tuple[bytes | None, bool, str]]]:
    """Two officers of one organisation ask ten thousand times, as fast as they can; the owner is away."""
    world = World(limits)
    owner = world.officer("owner", of=MA)
    packages = tuple(b"package %d" % number for number in range(MAX_KEY_PACKAGES))
    offer = frames.OfferKeyPackages(request=owner.next_request(), suite=CLASSICAL, packages=packages, last_resort=LAST)
    owner.send(offer)
    owner.one(frames.Done)
    greedy = [world.officer(f"greedy {number}") for number in range(2)]
    answers = [fetch(greedy[number % 2], owner) for number in range(FETCHES)]
    return world, owner, answers


GENEROUS: Final = RelayLimits(key_package_requests_burst=FETCHES, key_package_requests_per_minute=FETCHES)
"""Each device may ask as often as it likes: what is looked at is how much its organisation gets."""


@defended(21)
def test_ten_thousand_fetches_leave_one_time_packages_for_the_next_organisation() -> None:
    for limits in (None, GENEROUS):
        world, owner, answers = take_all(limits)
        given = [package for package, last_resort, _ in answers if package is not None and not last_resort]
        assert given
        assert len(given) == len(set(given)) <= RelayLimits().key_packages_per_target_hour < MAX_KEY_PACKAGES
        assert {code for _, _, code in answers} == {"", Code.RATE}
        package, last_resort, code = fetch(world.officer("modest", of=SN), owner)
        assert (last_resort, code) == (False, "")
        assert package is not None
        assert package not in given


@control(21, "fetches are counted")
def test_without_the_count_one_organisation_takes_them_all() -> None:
    world, owner, answers = take_all()
    assert len({package for package, last_resort, _ in answers if package and not last_resort}) == MAX_KEY_PACKAGES
    assert fetch(world.officer("modest", of=SN), owner) == (LAST, True, "")
