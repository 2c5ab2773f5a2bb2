"""Key packages: each handed out once, but for the last resort."""

from __future__ import annotations

import pytest

from amanah_protocol.limits import MAX_KEY_PACKAGES
from amanah_protocol.types import DeviceId
from amanah_relay.effects import CountKeyPackages, PutKeyPackages, TakeKeyPackages
from amanah_relay.store import Store, key_packages
from tests.relay.store.sequence import OTHER_KID
from tests.vectors import examples as x

SUITE = 3


def put(
    store: Store,
    *packages: bytes,
    last_resort: bytes | None = None,
    device: DeviceId = x.KID,
    suite: int = SUITE,
) -> int:
    offer = PutKeyPackages(token=7, device=device, suite=suite, packages=packages, last_resort=last_resort)
    answer = store.put_key_packages(offer)
    assert answer.token == 7
    return answer.left


def take(store: Store, *devices: DeviceId, suite: int = SUITE) -> tuple[tuple[bytes | None, bool, int], ...]:
    answer = store.take_key_packages(TakeKeyPackages(token=8, suite=suite, devices=devices or (x.KID,)))
    assert answer.token == 8
    return answer.taken


def stock(store: Store, device: DeviceId = x.KID) -> dict[int, int]:
    answer = store.count_key_packages(CountKeyPackages(token=9, device=device))
    assert answer.token == 9
    return dict(answer.stock)


def test_a_package_is_handed_out_once_and_the_newest_first(store: Store) -> None:
    assert put(store, b"one", b"two") == 2
    assert take(store) == ((b"two", False, 1),)
    assert take(store) == ((b"one", False, 0),)
    assert take(store) == ((None, False, 0),)


def test_packages_of_several_devices_are_taken_in_the_order_asked(store: Store) -> None:
    put(store, b"one", b"two")
    put(store, b"theirs", device=OTHER_KID)
    assert take(store, OTHER_KID, x.DEVICES[0], x.KID) == (
        (b"theirs", False, 0),
        (None, False, 0),
        (b"two", False, 1),
    )


def test_a_device_named_twice_gives_two_packages(store: Store) -> None:
    put(store, b"one", b"two")
    assert take(store, x.KID, x.KID) == ((b"two", False, 1), (b"one", False, 0))


def test_the_last_resort_is_kept_and_said_to_be_one(store: Store) -> None:
    assert put(store, b"one", last_resort=b"last") == 1
    assert take(store) == ((b"one", False, 0),)
    assert take(store) == take(store) == ((b"last", True, 0),)


def test_a_new_last_resort_replaces_the_old_one(store: Store) -> None:
    put(store, last_resort=b"old")
    put(store, last_resort=b"new")
    assert take(store) == ((b"new", True, 0),)


def test_an_offer_without_a_last_resort_keeps_the_stored_one(store: Store) -> None:
    put(store, last_resort=b"last")
    put(store, b"one")
    put(store)
    assert take(store, x.KID, x.KID) == ((b"one", False, 0), (b"last", True, 0))


def test_a_package_offered_again_is_stored_once(store: Store) -> None:
    put(store, b"one")
    assert put(store, b"one", b"one", b"two") == 2


def test_a_package_offered_again_after_it_was_taken_does_not_come_back(store: Store) -> None:
    put(store, b"one")
    take(store)
    assert put(store, b"one") == 0
    assert take(store) == ((None, False, 0),)


def test_one_package_may_be_one_time_and_last_resort(store: Store) -> None:
    put(store, b"same", last_resort=b"same")
    assert take(store, x.KID, x.KID) == ((b"same", False, 0), (b"same", True, 0))


def test_suites_have_stocks_of_their_own(store: Store) -> None:
    put(store, b"one", b"two")
    put(store, b"one", suite=5, last_resort=b"last")
    take(store)
    assert stock(store) == {SUITE: 1, 5: 1}
    assert take(store, suite=5) == ((b"one", False, 0),)
    assert stock(store) == {SUITE: 1, 5: 0}
    assert stock(store, OTHER_KID) == {}


@pytest.mark.parametrize("more", [0, 1, 5])
def test_a_full_stock_drops_its_oldest(store: Store, more: int) -> None:
    names = [b"package %d" % number for number in range(MAX_KEY_PACKAGES + more)]
    for start in range(0, len(names), 30):
        put(store, *names[start : start + 30])
    assert stock(store) == {SUITE: MAX_KEY_PACKAGES}
    taken = [package for package, _, _ in take(store, *[x.KID] * MAX_KEY_PACKAGES)]
    assert taken == names[more:][::-1]
    assert take(store) == ((None, False, 0),)


def test_packages_that_were_handed_out_are_remembered_up_to_a_bound(store: Store) -> None:
    for start in range(0, key_packages.MAX_REMEMBERED + 100, 100):
        put(store, *(b"package %d" % number for number in range(start, start + 100)))
        take(store, *[x.KID] * 100)
    newest = b"package %d" % (key_packages.MAX_REMEMBERED + 99)
    assert put(store, newest) == 0
    assert put(store, b"package 0") == 1


def test_what_was_taken_stays_taken_when_the_store_is_opened_again(store: Store, url: str) -> None:
    put(store, b"one", b"two", last_resort=b"last")
    take(store)
    again = Store.open(url)
    again.load()
    assert take(again, x.KID, x.KID) == ((b"one", False, 0), (b"last", True, 0))
    again.close()
