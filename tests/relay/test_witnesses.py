from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.merkle import consistency_path, subtree_root
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.note_keys import verify_note
from amanah_relay import witnesses
from amanah_relay.effects import Cosign, ReadProof
from amanah_relay.inputs import Cosigned, ProofRead, ReadFailed
from amanah_relay.witnesses import Outward, Told, Witnesses
from tests.protocol.log.trees import StoredTree, entries
from tests.relay.people import LOG_SIGNER, ORIGIN, witness
from tests.relay.witness_site import TEXT, WitnessSite

TREE = StoredTree(entries(40))
LOGGER = logging.getLogger("test.witnesses")


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits are for a witness's sake; here it is one of ours."""
    monkeypatch.setattr(witnesses, "ROUND_S", 0.0)
    monkeypatch.setattr("amanah_relay.asking.RETRY_S", (0.01, 0.02))


def published(size: int) -> Cosign:
    """The log's checkpoint of a size."""
    checkpoint = Checkpoint(origin=ORIGIN, size=size, root=subtree_root(TREE.read, 0, size))
    return Cosign(size=size, note=sign_checkpoint(checkpoint, LOG_SIGNER))


@dataclass(slots=True, kw_only=True, eq=False)
class Log:
    """What the relay's witnesses are given, and what they tell."""

    signed: tuple[WitnessSite, ...]
    cosigned: list[Cosigned] = field(default_factory=list)
    no_proofs: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def prove(self, wanted: ReadProof) -> object:
        if self.no_proofs:
            return ReadFailed(token=wanted.token)
        hashes = consistency_path(TREE.read, wanted.old_or_index, wanted.size)
        return ProofRead(token=wanted.token, leaf=None, hashes=hashes)

    def verify(self, note: bytes, lines: bytes) -> None:
        keys = [site.signer.verifier for site in self.signed]
        verify_note(decode_note(decode_note(note).text.encode() + b"\n" + lines), keys)

    def tell(self, what: Cosigned) -> None:
        self.cosigned.append(what)
        self.news.set()

    async def until(self, *sizes: int) -> None:
        """Wait until a cosignature for each of these sizes has come."""
        async with asyncio.timeout(20):
            while not set(sizes) <= {told.size for told in self.cosigned}:
                self.news.clear()
                await self.news.wait()


def site(name: str = "one") -> WitnessSite:
    return WitnessSite(signer=witness(name), log=LOG_SIGNER.verifier)


async def is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Wait until the operator is told something."""
    async with asyncio.timeout(20):
        while not caplog.records:  # noqa: ASYNC110 - a list of records tells nobody
            await asyncio.sleep(0.01)


async def asking(log: Log, work: Callable[[Witnesses], Awaitable[None]], timeout_s: float = 5) -> None:
    """Ask the log's witnesses while something is done."""
    outward = Outward(addresses=tuple(found.address for found in log.signed), timeout_seconds=timeout_s)
    asked = Witnesses(outward, told=Told(prove=log.prove, verify=log.verify, tell=log.tell), logger=LOGGER)
    try:
        await work(asked)
    finally:
        await asked.close()


async def test_each_witness_cosigns_what_is_published_and_gets_proofs_from_what_it_knows() -> None:
    async with site("one").running() as one, site("two").running() as two:
        log = Log(signed=(one, two))

        async def work(asked: Witnesses) -> None:
            for size in (3, 17, 40):
                asked.ask(published(size))
                await log.until(size)
                while len([told for told in log.cosigned if told.size == size]) < 2:
                    log.news.clear()
                    await log.news.wait()

        await asking(log, work)
    assert [request.old_size for request in one.requests] == [0, 3, 17]
    assert two.known is not None
    assert two.known.size == 40


async def test_a_witness_that_knows_more_than_the_relay_thinks_is_asked_from_there() -> None:
    async with site().running() as one:
        one.known = None
        log = Log(signed=(one,))

        async def first(asked: Witnesses) -> None:
            asked.ask(published(9))
            await log.until(9)

        await asking(log, first)
        one.requests.clear()

        async def second(asked: Witnesses) -> None:
            asked.ask(published(30))
            await log.until(30)

        await asking(log, second)
    # A new process knows nothing of what the witness has seen: 409, and the size.
    assert [request.old_size for request in one.requests] == [0, 9]


async def test_a_witness_that_is_away_is_asked_again_for_the_newest_checkpoint(
    caplog: pytest.LogCaptureFixture,
) -> None:
    one = site()
    async with one.running():
        pass
    log = Log(signed=(one,))

    async def work(asked: Witnesses) -> None:
        asked.ask(published(5))
        await asyncio.sleep(0.1)
        asked.ask(published(12))
        async with one.running():
            await log.until(12)

    with caplog.at_level(logging.INFO):
        await asking(log, work)
    assert [told.size for told in log.cosigned] == [12]
    said = [record.getMessage() for record in caplog.records if record.name == LOGGER.name]
    assert len([line for line in said if "does not cosign" in line]) == 1
    assert said[-1] == f"witness {one.address} cosigns again"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (None, "RemoteProtocolError"),
        ((500, TEXT, b"out of ink\n"), "it answers 500 out of ink"),
        ((403, TEXT, b""), "it answers 403"),
        ((409, TEXT, b"another root"), "it answers 409 another root"),
        ((200, TEXT, b""), "MALFORMED"),
        ((200, TEXT, b"\xff\xff\n"), "MALFORMED"),
        ((200, TEXT, "— other/witness AAAAAAAAAAA=\n".encode()), "SIGNATURE"),
        ((200, TEXT, b"x" * 600_000), "its answer is too large"),
        ((409, "text/x.tlog.size", b"many\n"), "MALFORMED"),
        ((409, "text/x.tlog.size", b"100\n"), "it has cosigned 100 leaves already, more than 5"),
        ((301, TEXT, b""), "it answers 301"),
    ],
)
async def test_an_answer_that_is_no_cosignature_is_said_and_asked_for_again(
    fault: tuple[int, str, bytes] | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with site().running() as one:
        one.faults.append(fault)
        log = Log(signed=(one,))

        async def work(asked: Witnesses) -> None:
            asked.ask(published(5))
            await log.until(5)

        await asking(log, work)
    assert [told.size for told in log.cosigned] == [5]
    assert said in next(line.getMessage() for line in caplog.records if "does not cosign" in line.getMessage())


async def test_a_witness_that_does_not_answer_in_time_keeps_nobody_waiting() -> None:
    async def sleep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read()
            writer.close()
            await writer.wait_closed()

    slow = await asyncio.start_server(sleep, "127.0.0.1", 0)
    async with slow, site("two").running() as two:
        one = site("one")
        one.port = slow.sockets[0].getsockname()[1]
        log = Log(signed=(one, two))

        async def work(asked: Witnesses) -> None:
            for size in (3, 4, 5):
                asked.ask(published(size))
                await log.until(size)

        await asking(log, work, timeout_s=0.2)
    assert [told.size for told in log.cosigned] == [3, 4, 5]


async def test_a_proof_that_the_store_cannot_give_is_asked_for_later(caplog: pytest.LogCaptureFixture) -> None:
    async with site().running() as one:
        log = Log(signed=(one,))

        async def work(asked: Witnesses) -> None:
            asked.ask(published(5))
            await log.until(5)
            log.no_proofs = True
            asked.ask(published(9))
            await is_said(caplog)
            log.no_proofs = False
            await log.until(9)

        await asking(log, work)
    assert "the store gave no proof" in caplog.records[0].getMessage()


async def test_what_the_roster_does_not_know_is_told_to_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async with site("stranger").running() as one:
        log = Log(signed=(one,))

        def refuse(_: bytes, __: bytes) -> None:
            raise VerifyError(Code.SIGNATURE, "no known key has signed this note")

        outward = Outward(addresses=(one.address,))
        asked = Witnesses(outward, told=Told(prove=log.prove, verify=refuse, tell=log.tell), logger=LOGGER)
        asked.ask(published(5))
        await one.told.wait()
        await is_said(caplog)
        await asked.close()
    assert log.cosigned == []
    assert "SIGNATURE no known key" in caplog.records[0].getMessage()
