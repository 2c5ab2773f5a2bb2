"""Limits of the relay: token buckets and counts, as the operator may set them.

Buckets are keyed by certified identity (device, organisation, room), never by address: behind one
address may sit a nation, and one attacker has many. The defaults are those of the threat model,
section 5. Sizes that both sides check stand in `amanah_protocol.limits`, out of an operator's reach.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, NamedTuple

from msgspec import Meta

from amanah_protocol import limits
from amanah_protocol.errors import Code, RefusedError

PerTime = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(ge=1)]
Burst = Annotated[int, Meta(ge=2 * limits.MAX_PUBLISH)]
"""A whole `publish` passes, also where half of the bucket is kept for `flash`."""
BatchCount = Annotated[int, Meta(ge=limits.MAX_PUBLISH, le=2_048)]
"""A whole `publish` fits into a batch, and what a sender is told of a batch into a frame."""
PageCount = Annotated[int, Meta(ge=1, le=limits.MAX_PAGE)]
PageBytes = Annotated[int, Meta(ge=limits.MAX_FRAME_BYTES, le=4 * limits.MIB)]
Percent = Annotated[int, Meta(ge=0, le=50)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayLimits:
    """What one peer, one organisation and all of them together may take.

    Attributes:
        unauthenticated: Connections before login, in all.
        unauthenticated_per_network: The same of one IPv4 address or IPv6 /64.
        sessions: Logged-in connections, in all.
        sessions_per_organisation: The same of one organisation.
        login_ms: Time from connection to proof.
        requests_per_second: Frames of one device, whatever they ask for; a `publish` counts as its envelopes.
        requests_burst: The same at once.
        officer_per_second: Envelopes of an officer's device.
        officer_burst: The same at once.
        machine_per_second: Envelopes of a bot; its certificate may say less.
        machine_burst: The same at once.
        organisation_per_second: Envelopes of all devices of one organisation.
        organisation_burst: The same at once.
        room_per_second: Envelopes in one room.
        room_burst: The same at once.
        room_commits_per_second: Commits in one room; each costs every member work.
        room_commits_burst: The same at once.
        device_commits_per_minute: Commits of one device.
        device_commits_burst: The same at once.
        flash_per_minute: Envelopes of one organisation that may draw on the reserve.
        flash_burst: The same at once.
        flash_reserve_percent: Share of the buckets of organisation and room kept for `flash`.
        control_per_minute: Certificates and enrolment keys that logins of one organisation put into the log.
        control_burst: The same at once.
        submissions_per_minute: Control objects and reading orders that one device submits.
        submissions_burst: The same at once.
        key_package_offers_per_minute: Offers of key packages of one device; each is a durable write.
        key_package_offers_burst: The same at once.
        key_package_requests_per_minute: Requests of one device for key packages.
        key_package_requests_burst: The same at once.
        key_packages_per_target_hour: Packages of one device that one organisation takes.
        key_packages_per_organisation_hour: Packages that one organisation takes.
        last_resort_per_day: Times that one device gets another's last-resort package.
        low_stock: A device is told when so few packages of a suite are left.
        rooms_per_organisation: Rooms that one organisation owns.
        held_bytes_per_organisation: Contents and trees that devices of one organisation sent and that a member has
            not confirmed yet.
        attachment_bytes_per_organisation: Attachments that devices of one organisation uploaded, half uploads included.
        attachment_bytes: The same of all organisations.
        attachments_per_organisation: How many of them one organisation may have here.
        attachment_hours: Hours after which an attachment that no message names is dropped.
        retention_days: Days after which content that every member has confirmed is dropped.
        handshake_days: Days after which commits, welcomes and trees are dropped also where a member lags behind.
        purge_interval_ms: Time between two passes that look for content to be dropped.
        ready_rooms: Rooms that `Ready` names; of more, each follows in a frame of its own.
        max_batch: Leaves in one transaction.
        max_batch_bytes: Their objects and contents; one `publish` always fits.
        queue_bytes: What may wait for the store before publishing is refused with `RATE`.
        page_entries: Entries in one page.
        page_bytes: Objects and contents in one page.
        reads_in_flight: Contents, proofs and the like that one session has being read at a time.
        pages_in_flight: Pages that one session has being read at a time.
        pages_waiting: Pages that one session may have asked for beyond these.
        tail_bytes: Entries kept for one page while it is read, so that it joins the live stream.
        staged_bytes_per_session: Contents announced by one session and not yet published.
        staged_bytes_per_organisation: The same of all sessions of one organisation.
        staged_bytes: The same of all sessions.
        stage_ms: Time from the first piece of a content to its `publish`.
        content_cache_bytes: Large contents kept for those who fetch them piece by piece.
        recent: Envelopes and control objects whose receipt is given again without asking the store.
        head_interval_ms: Time between two signatures of one head.
        checkpoint_interval_ms: Time after which a log that grew publishes its next checkpoint.
        checkpoint_leaves: Leaves after which it does so at once.
        retry_ms: When to try again while the store recovers.
    """

    unauthenticated: Count = 256
    unauthenticated_per_network: Count = 8
    sessions: Count = 10_000
    sessions_per_organisation: Count = 200
    login_ms: Count = limits.LOGIN_MS
    requests_per_second: PerTime = 200
    requests_burst: Count = 2_000
    officer_per_second: PerTime = 10
    officer_burst: Burst = 50
    machine_per_second: PerTime = 20
    machine_burst: Burst = 100
    organisation_per_second: PerTime = 200
    organisation_burst: Burst = 1_000
    room_per_second: PerTime = 200
    room_burst: Burst = 400
    room_commits_per_second: PerTime = 1
    room_commits_burst: Count = 5
    device_commits_per_minute: PerTime = 20
    device_commits_burst: Count = 20
    flash_per_minute: PerTime = 6
    flash_burst: Count = 6
    flash_reserve_percent: Percent = 20
    control_per_minute: PerTime = 60
    control_burst: Count = 300
    submissions_per_minute: PerTime = 60
    submissions_burst: Count = 100
    key_package_offers_per_minute: PerTime = 10
    key_package_offers_burst: Count = 20
    key_package_requests_per_minute: PerTime = 10
    key_package_requests_burst: Count = 10
    key_packages_per_target_hour: Count = 60
    key_packages_per_organisation_hour: Annotated[int, Meta(ge=limits.MAX_NAMED_DEVICES)] = 3_000
    last_resort_per_day: Count = 1
    low_stock: Count = 20
    rooms_per_organisation: Count = 500
    held_bytes_per_organisation: Count = 10 * 1024 * limits.MIB
    attachment_bytes_per_organisation: Count = 20 * 1024 * limits.MIB
    attachment_bytes: Count = 100 * 1024 * limits.MIB
    attachments_per_organisation: Count = 10_000
    attachment_hours: Count = 24
    retention_days: Count = 30
    handshake_days: Count = 90
    purge_interval_ms: Count = 3_600_000
    ready_rooms: Annotated[int, Meta(ge=1, le=2_000)] = 1_000
    max_batch: BatchCount = 512
    max_batch_bytes: Count = 8 * limits.MIB
    queue_bytes: Count = 64 * limits.MIB
    page_entries: PageCount = limits.MAX_PAGE
    page_bytes: PageBytes = limits.MIB
    reads_in_flight: Count = 16
    pages_in_flight: Count = 4
    pages_waiting: Count = 4_096
    tail_bytes: Count = limits.MIB
    staged_bytes_per_session: Count = 8 * limits.MIB
    staged_bytes_per_organisation: Count = 24 * limits.MIB
    staged_bytes: Count = 64 * limits.MIB
    stage_ms: Count = limits.STAGE_MS
    content_cache_bytes: Count = 32 * limits.MIB
    recent: Count = 20_000
    head_interval_ms: Count = limits.HEAD_INTERVAL_MS
    checkpoint_interval_ms: Annotated[int, Meta(ge=1, le=30_000)] = 30_000
    checkpoint_leaves: Annotated[int, Meta(ge=1, le=1_000)] = 1_000
    retry_ms: Count = 1_000


class Scope(StrEnum):
    """What a bucket counts; the value is how a refusal names it."""

    REQUESTS = "requests of the device"
    DEVICE = "envelopes of the device"
    ORGANISATION = "envelopes of the organisation"
    ROOM = "envelopes in the room"
    ROOM_COMMITS = "commits in the room"
    DEVICE_COMMITS = "commits of the device"
    FLASH = "flash envelopes of the organisation"
    DELIVERED = "delivery reports of the device in the room"
    LOGINS_LOGGED = "certificates of the organisation"
    SUBMISSIONS = "submissions of the device"
    PACKAGE_OFFERS = "offers of key packages"
    PACKAGE_REQUESTS = "requests for key packages"
    PACKAGES_OF_TARGET = "key packages of the device asked for"
    PACKAGES_OF_ORGANISATION = "key packages taken by the organisation"
    LAST_RESORT = "last-resort key packages of the device asked for"


class Rate(NamedTuple):
    """How a bucket fills.

    Attributes:
        per_ms: Tokens a millisecond.
        burst: Tokens that it holds.
    """

    per_ms: float
    burst: int


class Claim(NamedTuple):
    """What is to be taken from one bucket.

    Attributes:
        scope: What it counts.
        key: Whose bucket.
        rate: How it fills.
        cost: Tokens to take.
        floor: Tokens that must be left; the reserve for `flash`.
    """

    scope: Scope
    key: bytes | str
    rate: Rate
    cost: int = 1
    floor: float = 0


_ROUNDING: Final = 1e-6


class Bucket:
    """A token bucket: full at first, filling with time, never above its burst."""

    __slots__ = ("_at_ms", "_level", "_rate")

    def __init__(self, rate: Rate, now_ms: int) -> None:
        self._rate = rate
        self._level: float = rate.burst
        self._at_ms = now_ms

    def wait_ms(self, claim: Claim, now_ms: int) -> int:
        """Milliseconds until the claim can be met; 0 when it can be now."""
        per_ms, burst = self._rate = claim.rate
        # A clock that was set back gives no tokens and takes none.
        if now_ms > self._at_ms:
            self._level = min(burst, self._level + (now_ms - self._at_ms) * per_ms)
        self._at_ms = now_ms
        missing = claim.cost + claim.floor - self._level
        # Levels are floats: whoever waited as long as it was told is not refused for a rounding.
        return 0 if missing <= _ROUNDING else math.ceil(missing / per_ms - _ROUNDING)

    def take(self, cost: int) -> None:
        """Take tokens that are there."""
        self._level -= cost

    def put_back(self, cost: int) -> None:
        """Give back what was taken for something that did not come about."""
        self._level = min(self._rate.burst, self._level + cost)

    def is_full(self, now_ms: int) -> bool:
        """Whether the bucket says nothing that a new one would not."""
        return self._level + (now_ms - self._at_ms) * self._rate.per_ms >= self._rate.burst


Charge = tuple[Bucket, int]
"""A bucket and what was taken from it."""

_SWEEP_MS: Final = 60_000


class Quotas:
    """All buckets of a relay."""

    def __init__(self) -> None:
        self._buckets: dict[Scope, dict[bytes | str, Bucket]] = {scope: {} for scope in Scope}
        self._swept_ms = 0

    def charge(self, claims: Sequence[Claim], now_ms: int) -> list[Charge]:
        """Take all that is claimed, or nothing.

        Returns:
            What was taken, for `put_back`.

        Raises:
            RefusedError: `RATE` with the time to wait; nothing was taken.
        """
        buckets: list[Charge] = []
        for claim in claims:
            of_scope = self._buckets[claim.scope]
            bucket = of_scope.get(claim.key)
            if bucket is None:
                bucket = of_scope[claim.key] = Bucket(claim.rate, now_ms)
            wait_ms = bucket.wait_ms(claim, now_ms)
            if wait_ms:
                raise RefusedError(Code.RATE, f"too many {claim.scope.value}", retry_after_ms=wait_ms)
            buckets.append((bucket, claim.cost))
        for bucket, cost in buckets:
            bucket.take(cost)
        return buckets

    def has(self, claim: Claim, now_ms: int) -> bool:
        """Whether a claim could be met now; nothing is taken."""
        bucket = self._buckets[claim.scope].get(claim.key)
        return bucket is None or not bucket.wait_ms(claim, now_ms)

    def sweep(self, now_ms: int) -> None:
        """Forget full buckets, once a minute: a peer that is gone costs no memory."""
        if 0 <= now_ms - self._swept_ms < _SWEEP_MS:
            return
        self._swept_ms = now_ms
        for scope, buckets in self._buckets.items():
            self._buckets[scope] = {key: bucket for key, bucket in buckets.items() if not bucket.is_full(now_ms)}


def put_back(charges: Sequence[Charge]) -> None:
    """Undo `Quotas.charge`."""
    for bucket, cost in charges:
        bucket.put_back(cost)
