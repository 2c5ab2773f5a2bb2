"""A relay asks time-stamping authorities: real ones, made with OpenSSL, which can be told to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.stamp import decode_token, find_covered, imprint_of
from amanah_relay import stamps
from amanah_relay.effects import PutStamp, ReadEnding
from amanah_relay.inputs import Ending, EndingRead, ReadFailed, StampPut
from amanah_relay.stamps import Authorities, Stamping, Told
from tests.authority import DAY, DAY_MS, REPLY_TYPE, Authority, AuthoritySite, make_authority
from tests.relay.people import LOG_SIGNER, ORIGIN
from tests.site import Answer

pytest.importorskip("rfc3161_client", reason="the extra `timestamps` is not installed")
LOGGER = logging.getLogger("test.stamps")
NOW_MS = int(datetime.now(UTC).timestamp() * 1000)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are for an authority's sake; here it is one of ours."""
    monkeypatch.setattr(stamps, "LOOK_S", 0.01)
    monkeypatch.setattr("amanah_relay.asking.RETRY_S", (0.01, 0.02))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "authority")


def note_of(size: int) -> bytes:
    return sign_checkpoint(Checkpoint(origin=ORIGIN, size=size, root=bytes([size]) * 32), LOG_SIGNER)


@dataclass(slots=True, kw_only=True, eq=False)
class Log:
    """What an authority's task is given, and what it records."""

    note: bytes | None = None
    put: list[PutStamp] = field(default_factory=list)
    looked: list[ReadEnding] = field(default_factory=list)
    ending: dict[str, list[Ending]] = field(default_factory=dict)
    newest: int = 0
    now_ms: int = NOW_MS
    fails: int = 0

    async def perform(self, effect: PutStamp | ReadEnding) -> object:
        if self.fails:
            self.fails -= 1
            return ReadFailed(token=effect.token)
        if isinstance(effect, ReadEnding):
            self.looked.append(effect)
            given = self.ending.pop(effect.authority, [])
            return EndingRead(token=effect.token, newest=self.newest, ending=tuple(given))
        self.put.append(effect)
        return StampPut(token=effect.token, number=len(self.put))

    async def until(self, count: int) -> None:
        """Wait until so many tokens are recorded."""
        await eventually(lambda: len(self.put) >= count)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - lists tell nobody that they have grown
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def asking(log: Log, *sites: AuthoritySite, **options: Any) -> AsyncIterator[Authorities]:  # noqa: ANN401 - as `Stamping` has them
    stamping = Stamping(
        **{"timeout_seconds": 5, "interval_seconds": 0, **options}, authorities=tuple(site.address for site in sites)
    )
    told = Told(witnessed=lambda: log.note, perform=log.perform, clock_ms=lambda: log.now_ms)
    asked = Authorities(stamping, told=told, logger=LOGGER)
    try:
        yield asked
    finally:
        await asked.close()


async def run(
    log: Log,
    work: Callable[[], Awaitable[None]],
    sites: Iterable[AuthoritySite],
    **options: Any,  # noqa: ANN401 - as `Stamping` has them
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for site in sites:
            await stack.enter_async_context(site.running())
        await stack.enter_async_context(asking(log, *sites, **options))
        await work()


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER.name]


async def test_each_authority_stamps_the_newest_witnessed_checkpoint_as_it_is_recorded(tmp_path: Path) -> None:
    one, two = (AuthoritySite(authority=make_authority(tmp_path / name)) for name in ("one", "two"))
    log = Log()

    async def work() -> None:
        for count, size in enumerate((3, 17), start=1):
            log.note = note_of(size)
            await log.until(2 * count)

    await run(log, work, (one, two))
    assert sorted((put.size, put.authority) for put in log.put) == sorted(
        (size, site.address) for size in (3, 17) for site in (one, two)
    )
    for put in log.put:
        note = note_of(put.size)
        token = decode_token(put.data)
        assert (put.covered, put.upto, put.ends_ms) == (len(note), 0, token.ends_ms)
        assert token.imprint == imprint_of(note)
        assert find_covered(token.imprint, note, ()) == ()


async def test_an_authority_is_not_asked_more_often_than_is_configured(authority: Authority) -> None:
    site = AuthoritySite(authority=authority)
    log = Log(note=note_of(3))

    async def work() -> None:
        await log.until(1)
        for size in (4, 5, 6):
            log.note = note_of(size)
            await asyncio.sleep(0.05)

    await run(log, work, (site,), interval_seconds=600)
    assert [put.size for put in log.put] == [3]


async def test_what_was_stamped_before_the_relay_started_is_not_stamped_again(authority: Authority) -> None:
    site = AuthoritySite(authority=authority)
    log = Log(note=note_of(3), newest=3)

    async def work() -> None:
        await eventually(lambda: bool(log.looked))
        await asyncio.sleep(0.1)
        log.note = note_of(4)
        await log.until(1)

    await run(log, work, (site,))
    assert [put.size for put in log.put] == [4]


def other_message(authority: Authority, query: bytes) -> bytes:
    """An answer to a request over something else, with the same nonce."""
    imprint = query[query.index(b"\x04\x20") + 2 :][:32]
    return authority.reply(query.replace(imprint, bytes(32)))


def other_nonce(authority: Authority, query: bytes) -> bytes:
    """An answer to the same bytes with another nonce: an old answer that is given again."""
    at = query.index(b"\x04\x20") + 2 + 32 + 2
    return authority.reply(query[:at] + bytes([query[at] ^ 1]) + query[at + 1 :])


def changed(authority: Authority, query: bytes) -> bytes:
    """An answer in which the covered bytes were changed on the way."""
    reply = bytearray(authority.reply(query))
    imprint = query[query.index(b"\x04\x20") + 2 :][:32]
    reply[reply.index(imprint)] ^= 1
    return bytes(reply)


def expired(authority: Authority, query: bytes) -> bytes:
    now = datetime.now(UTC)
    authority.sign_with_new(now - 10 * DAY, now - DAY)
    try:
        return authority.reply(query)
    finally:
        authority.sign_with_new(now - DAY, now + 300 * DAY)


FORGERIES = {
    "message": (other_message, "CONTENT_HASH"),
    "nonce": (other_nonce, "REPLAY"),
    "changed": (changed, "CONTENT_HASH"),
    "expired": (expired, "EXPIRED"),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_an_answer_to_something_else_is_recorded_by_nobody(
    authority: Authority, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    forge, code = FORGERIES[name]
    site = AuthoritySite(authority=authority)
    honest = Authority.reply
    asked: list[bytes] = []

    def reply(self: Authority, query: bytes) -> bytes:
        asked.append(query)
        if len(asked) > 1:
            return honest(self, query)
        with monkeypatch.context() as inner:
            inner.setattr(Authority, "reply", honest)
            return forge(self, query)

    monkeypatch.setattr(Authority, "reply", reply)
    log = Log(note=note_of(3))
    with caplog.at_level(logging.INFO):
        await run(log, lambda: log.until(1), (site,))
    # The control: the very next answer, an honest one, is recorded.
    assert [put.size for put in log.put] == [3]
    assert len(asked) == 2
    first, second = said(caplog)
    assert f"{site.address} stamps nothing: {code}" in first
    assert f"{site.address} stamps again" in second


REFUSED = bytes.fromhex("30053003020102")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((200, REPLY_TYPE, b"garbage"), "MALFORMED"),
        ((200, REPLY_TYPE, b""), "MALFORMED"),
        ((200, REPLY_TYPE, REFUSED), "PROOF the authority grants no token: rejection"),
        ((200, REPLY_TYPE, b"\x30" * 100_000), "too large"),
        ((503, "text/plain", b"closed"), "it answers 503"),
        ((301, "text/plain", b""), "it answers 301"),
    ],
)
async def test_an_answer_that_is_no_token_is_said_once_and_asked_for_again(
    authority: Authority, fault: Answer, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    site = AuthoritySite(authority=authority, faults=[fault, fault, fault])
    log = Log(note=note_of(3))
    with caplog.at_level(logging.INFO):
        await run(log, lambda: log.until(1), (site,))
    assert len(site.requests) == 4
    assert len(set(site.requests)) == 4, "each request has a nonce of its own"
    first, second = said(caplog)
    assert words in first
    assert "stamps again" in second


async def test_an_authority_that_does_not_answer_in_time_keeps_no_other_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slow, quick = (AuthoritySite(authority=make_authority(tmp_path / name)) for name in ("slow", "quick"))
    slow.faults = [None]
    log = Log(note=note_of(3))

    async def work() -> None:
        await log.until(1)
        assert log.put[0].authority == quick.address
        await log.until(2)

    with caplog.at_level(logging.INFO):
        await run(log, work, (slow, quick), timeout_seconds=0.3)
    assert "TimeoutError" in said(caplog)[0] or "ReadTimeout" in said(caplog)[0]


async def test_an_authority_that_is_away_is_asked_again_for_the_newest(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    site = AuthoritySite(authority=authority)
    async with site.running():
        pass
    log = Log(note=note_of(3))
    with caplog.at_level(logging.INFO):
        async with asking(log, site):
            await eventually(lambda: bool(said(caplog)))
            log.note = note_of(9)
            async with site.running():
                await log.until(1)
    assert [put.size for put in log.put] == [9]


async def test_a_token_that_the_store_did_not_record_is_asked_for_again(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    site = AuthoritySite(authority=authority)
    log = Log()

    async def work() -> None:
        await eventually(lambda: bool(log.looked))
        log.fails = 1
        log.note = note_of(3)
        await log.until(1)

    with caplog.at_level(logging.INFO):
        await run(log, work, (site,))
    assert len(site.requests) == 2
    assert "STORE" in said(caplog)[0]


async def test_a_store_that_does_not_answer_is_asked_again(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    log = Log(note=note_of(3), fails=1)
    with caplog.at_level(logging.INFO):
        await run(log, lambda: log.until(1), (AuthoritySite(authority=authority),))
    assert "STORE" in said(caplog)[0]


# ---- renewal


def ends(authority: Authority, days: float, *, tokens: int = 1) -> Ending:
    """A checkpoint whose tokens end so many days from now."""
    now = datetime.now(UTC)
    authority.sign_with_new(now - DAY, now + days * DAY)
    note = note_of(7)
    older = tuple(authority.token_at(imprint_of(note), now, nonce=number + 1) for number in range(tokens))
    return Ending(size=7, note=note, tokens=older, upto=41, ends_ms=decode_token(older[0]).ends_ms)


async def test_what_ends_is_covered_by_a_new_token_with_all_older_ones_in_order(authority: Authority) -> None:
    site = AuthoritySite(authority=authority)
    old = ends(authority, 30, tokens=3)
    now = datetime.now(UTC)
    authority.sign_with_new(now - DAY, now + 700 * DAY)
    log = Log()

    async def work() -> None:
        log.ending[site.address] = [old]
        await log.until(1)

    await run(log, work, (site,), renew_days=45)
    (put,) = log.put
    assert (put.size, put.covered, put.upto) == (7, len(old.note), 41)
    token = decode_token(put.data)
    assert token.imprint == imprint_of(old.note, old.tokens)
    assert find_covered(token.imprint, old.note, old.tokens) == (0, 1, 2)
    assert token.ends_ms > old.ends_ms
    (wanted, *_) = log.looked
    assert (wanted.authority, wanted.now_ms, wanted.before_ms) == (site.address, NOW_MS, NOW_MS + 45 * DAY_MS)


async def test_a_renewal_that_ends_no_later_is_not_recorded_and_said_once(
    authority: Authority, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "PASS_MS", 0)
    site = AuthoritySite(authority=authority)
    old = ends(authority, 30)
    log = Log()

    async def asked(count: int) -> None:
        await eventually(lambda: len(site.requests) == count)

    async def work() -> None:
        for passes in range(1, 3):
            log.ending[site.address] = [old, old]
            await asked(passes)
        now = datetime.now(UTC)
        authority.sign_with_new(now - DAY, now + 700 * DAY)
        log.ending[site.address] = [old]
        await log.until(1)

    with caplog.at_level(logging.INFO):
        await run(log, work, (site,))
    assert len(log.put) == 1
    first, second = said(caplog)
    assert "renews nothing" in first
    assert "ends no later" in first
    assert "renews again" in second


async def test_a_checkpoint_with_as_many_tokens_as_are_kept_is_said_and_left(
    authority: Authority, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "MAX_TOKENS", 2)
    site = AuthoritySite(authority=authority)
    log = Log()
    with caplog.at_level(logging.INFO):

        async def work() -> None:
            log.ending[site.address] = [ends(authority, 30, tokens=2)]
            await eventually(lambda: bool(said(caplog)))

        await run(log, work, (site,))
    assert (log.put, site.requests) == ([], [])


async def test_a_clock_that_was_set_back_lets_renewals_go_on(authority: Authority) -> None:
    site = AuthoritySite(authority=authority)
    log = Log()

    async def work() -> None:
        await eventually(lambda: len(log.looked) == 1)
        await asyncio.sleep(0.1)
        assert len(log.looked) == 1
        log.now_ms -= 1
        await eventually(lambda: len(log.looked) == 2)
        log.now_ms += stamps.PASS_MS
        await eventually(lambda: len(log.looked) == 3)

    await run(log, work, (site,))
