from __future__ import annotations

import msgspec
import pytest

from amanah_protocol.errors import Code, RefusedError
from amanah_relay.quotas import Bucket, Claim, Quotas, Rate, RelayLimits, Scope, put_back

RATE = Rate(per_ms=0.01, burst=5)
CLAIM = Claim(Scope.DEVICE, b"device", RATE)


def take(quotas: Quotas, claim: Claim, now_ms: int, times: int = 1) -> None:
    """Take from a bucket what must be there."""
    for _ in range(times):
        quotas.charge([claim], now_ms)


def wait(quotas: Quotas, claim: Claim, now_ms: int) -> int | None:
    """How long the refusal says to wait."""
    with pytest.raises(RefusedError) as caught:
        quotas.charge([claim], now_ms)
    assert caught.value.code is Code.RATE
    assert claim.scope.value in caught.value.detail
    return caught.value.retry_after_ms


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    quotas = Quotas()
    take(quotas, CLAIM, 0, 5)
    assert wait(quotas, CLAIM, 0) == 100
    assert wait(quotas, CLAIM, 99) == 1
    take(quotas, CLAIM, 100)
    assert wait(quotas, CLAIM, 100) == 100


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    quotas = Quotas()
    take(quotas, CLAIM, 0)
    take(quotas, CLAIM, 1_000_000, 5)
    assert wait(quotas, CLAIM, 1_000_000) == 100


def test_a_claim_of_several_tokens_takes_them_together() -> None:
    quotas = Quotas()
    take(quotas, CLAIM._replace(cost=4), 0)
    assert wait(quotas, CLAIM._replace(cost=4), 0) == 300
    take(quotas, CLAIM, 0)


def test_a_floor_is_left_for_others() -> None:
    quotas = Quotas()
    take(quotas, CLAIM._replace(floor=2), 0, 3)
    assert wait(quotas, CLAIM._replace(floor=2), 0) == 100
    take(quotas, CLAIM, 0, 2)


def test_buckets_of_others_are_their_own() -> None:
    quotas = Quotas()
    take(quotas, CLAIM, 0, 5)
    take(quotas, CLAIM._replace(key=b"other"), 0, 5)
    take(quotas, CLAIM._replace(scope=Scope.ROOM), 0, 5)


def test_claims_are_met_together_or_not_at_all() -> None:
    quotas = Quotas()
    other = CLAIM._replace(key=b"other")
    take(quotas, other, 0, 5)
    with pytest.raises(RefusedError):
        quotas.charge([CLAIM, other], 0)
    take(quotas, CLAIM, 0, 5)


def test_what_came_to_nothing_is_put_back_and_no_more() -> None:
    quotas = Quotas()
    charges = quotas.charge([CLAIM._replace(cost=5)], 0)
    put_back(charges)
    put_back(charges)
    take(quotas, CLAIM, 0, 5)
    assert wait(quotas, CLAIM, 0) == 100


def test_asking_takes_nothing() -> None:
    quotas = Quotas()
    assert quotas.has(CLAIM, 0)
    take(quotas, CLAIM, 0, 5)
    assert not quotas.has(CLAIM, 0)
    assert quotas.has(CLAIM, 100)


def test_a_clock_set_back_gives_no_tokens_and_takes_none() -> None:
    quotas = Quotas()
    take(quotas, CLAIM, 1_000, 4)
    take(quotas, CLAIM, 0)
    assert wait(quotas, CLAIM, 0) == 100
    take(quotas, CLAIM, 100)


def test_a_rate_that_changed_counts_from_the_next_claim_on() -> None:
    quotas = Quotas()
    take(quotas, CLAIM, 0, 5)
    faster = CLAIM._replace(rate=Rate(per_ms=0.1, burst=5))
    assert wait(quotas, faster, 0) == 10


def test_buckets_that_are_full_again_are_forgotten_and_others_are_kept() -> None:
    quotas = Quotas()
    slow = Claim(Scope.ROOM, b"room", Rate(per_ms=0.000_01, burst=1))
    take(quotas, CLAIM, 60_000)
    take(quotas, slow, 60_000)
    quotas.sweep(60_000)
    quotas.sweep(119_999)
    held = quotas._buckets  # noqa: SLF001 - memory is what this is about
    assert (len(held[Scope.DEVICE]), len(held[Scope.ROOM])) == (1, 1)
    quotas.sweep(120_000)
    assert (len(held[Scope.DEVICE]), len(held[Scope.ROOM])) == (0, 1)
    assert wait(quotas, slow, 120_000) == 40_000
    take(quotas, CLAIM, 120_000, 5)


def test_a_full_bucket_says_so() -> None:
    bucket = Bucket(RATE, 0)
    assert bucket.is_full(0)
    bucket.take(1)
    assert not bucket.is_full(99)
    assert bucket.is_full(100)


def test_the_limits_are_those_of_the_threat_model() -> None:
    limits = RelayLimits()
    assert (limits.unauthenticated, limits.unauthenticated_per_network, limits.login_ms) == (256, 8, 10_000)
    assert (limits.sessions, limits.sessions_per_organisation) == (10_000, 200)
    assert (limits.officer_per_second, limits.officer_burst) == (10, 50)
    assert (limits.machine_per_second, limits.machine_burst) == (20, 100)
    assert (limits.organisation_per_second, limits.organisation_burst) == (200, 1_000)
    assert (limits.room_per_second, limits.room_commits_per_second, limits.room_commits_burst) == (200, 1, 5)
    assert (limits.device_commits_per_minute, limits.flash_per_minute, limits.flash_reserve_percent) == (20, 6, 20)
    assert (limits.key_package_requests_per_minute, limits.key_packages_per_target_hour) == (10, 60)
    assert (limits.key_packages_per_organisation_hour, limits.rooms_per_organisation) == (3_000, 500)
    assert (limits.page_entries, limits.staged_bytes_per_session, limits.staged_bytes) == (500, 8 << 20, 64 << 20)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("unauthenticated", 0), ("officer_per_second", 0), ("officer_burst", 31), ("max_batch", 15), ("max_batch", 2_049),
     ("page_entries", 501), ("page_bytes", 262_143), ("flash_reserve_percent", 51),
     ("key_packages_per_organisation_hour", 95), ("ready_rooms", 2_001)],
)  # fmt: skip
def test_a_setting_that_would_stop_the_relay_is_refused(setting: str, value: int) -> None:
    msgspec.convert({setting: getattr(RelayLimits(), setting)}, RelayLimits)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({setting: value}, RelayLimits)
