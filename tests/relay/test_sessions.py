from __future__ import annotations

import pytest

from amanah_relay.sessions import PROGRESS_BYTES, PROGRESS_SECONDS, Progress, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", "unknown"),
        ("/run/socket", "unknown"),
    ],
)
def test_a_peer_is_counted_by_address_or_by_the_64_bits_that_it_cannot_choose(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_reader_that_takes_less_than_a_kibibyte_a_second_is_stalled_after_thirty() -> None:
    progress = Progress()
    assert not progress.is_stalled(0, written=100_000, buffered=100_000)
    assert not progress.is_stalled(PROGRESS_SECONDS - 1, written=100_000, buffered=100_000)
    assert progress.is_stalled(PROGRESS_SECONDS, written=200_000, buffered=200_000 - PROGRESS_BYTES + 1)


def test_a_reader_that_takes_just_a_kibibyte_a_second_goes_on() -> None:
    progress = Progress()
    for window in range(5):
        taken = window * PROGRESS_BYTES
        assert not progress.is_stalled(window * PROGRESS_SECONDS, written=10**6, buffered=10**6 - taken)


def test_pace_is_judged_anew_in_each_window() -> None:
    progress = Progress()
    assert not progress.is_stalled(0, written=10**6, buffered=10**6)
    assert not progress.is_stalled(PROGRESS_SECONDS, written=10**6, buffered=10**6 - PROGRESS_BYTES)
    assert progress.is_stalled(2 * PROGRESS_SECONDS, written=10**6, buffered=10**6 - PROGRESS_BYTES)


def test_an_idle_reader_is_not_stalled_however_long_nothing_was_sent() -> None:
    progress = Progress()
    assert not progress.is_stalled(0, written=10, buffered=10)
    assert not progress.is_stalled(1, written=10, buffered=0)
    assert not progress.is_stalled(10_000, written=20, buffered=10)
    assert not progress.is_stalled(10_001, written=20, buffered=10)
