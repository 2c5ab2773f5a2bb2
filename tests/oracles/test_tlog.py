"""Another implementation of C2SP logs reads what a relay serves, and verifies checkpoints that witnesses cosigned."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest

from amanah_protocol.log.leaf import Leaf
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.types import LeafHash
from amanah_relay.config import WitnessSection
from amanah_relay.effects import Entry, ReadLog
from amanah_relay.quotas import RelayLimits
from amanah_relay.store import Store
from bench.long_log import LongLog
from tests.relay.people import witness
from tests.relay.serving import ORIGIN, Site, make_site
from tests.relay.test_log_pages import signers_of_checkpoint
from tests.relay.witness_site import WitnessSite

ORACLE: Final = Path(__file__).resolve().parent.parent.parent / "build" / "oracles" / "tlog" / "bin" / "python"
READER: Final = Path(__file__).with_name("tlog_reader.py")
LEAVES: Final = 256 * 3 + 40
WITNESSES: Final = tuple(witness(name) for name in ("one", "two", "three"))

pytestmark = pytest.mark.skipif(
    not ORACLE.exists(), reason="another log's reader is not installed (make oracles; it needs Python 3.12)"
)


@dataclass(frozen=True, kw_only=True)
class Published:
    """A log of some hundreds of leaves, all of them behind a relay that is not started."""

    site: Site
    entries: tuple[Entry, ...]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    site = make_site(tmp_path_factory.mktemp("relay"), witnesses=WITNESSES)
    store = Store.open(site.config.store.url)
    log = LongLog(store, origin=ORIGIN)
    devices = [site.organisations[number % 2].certify() for number in range(4)]
    log.certify(site.organisations, devices)
    log.talk(devices, 2, LEAVES - log.size - 6)
    entries = store.read_log(ReadLog(token=0, first=0, until=log.size)).entries
    store.close()
    assert len(entries) == LEAVES
    return Published(site=site, entries=entries)


async def read(published: Published, **changes: object) -> dict[str, Any]:
    """What the other implementation says of the log, under the keys and the quorum of the roster or other ones."""
    site = published.site
    sites = [WitnessSite(signer=signer, log=site.keys.log.verifier) for signer in WITNESSES]
    async with sites[0].running(), sites[1].running(), sites[2].running():
        config = replace(
            site.config,
            witnesses=WitnessSection(addresses=tuple(one.address for one in sites)),
            limits=RelayLimits(checkpoint_interval_ms=1),
        )
        async with replace(site, config=config).running() as port:
            async with asyncio.timeout(30):
                while len(await signers_of_checkpoint(port)) < 1 + len(WITNESSES):  # noqa: ASYNC110 - it is asked
                    await asyncio.sleep(0.1)
            return await ask(published, port, changes)


def leaf_of(entry: Entry) -> Leaf:
    """The leaf as auditors get it."""
    return Leaf(
        type=entry.type,
        accepted_at_ms=entry.accepted_at_ms,
        room=entry.room,
        room_seq=entry.room_seq,
        previous=entry.previous,
        object=entry.object,
    )


async def ask(published: Published, port: int, changes: dict[str, object]) -> dict[str, Any]:

    frontier = Frontier()
    for entry in published.entries[:300]:
        frontier.append(LeafHash(entry.hash))
    wanted = (0, 1, 255, 256, 700, LEAVES - 1)
    asked = {
        "log": f"http://127.0.0.1:{port}/log",
        "vkey": published.site.relay.log_vkey,
        "origin": ORIGIN,
        "witnesses": [signer.verifier.vkey for signer in WITNESSES],
        "quorum": 2,
        "entries": [(at, leaf_of(published.entries[at]).encode().hex()) for at in wanted],
        "old": (300, frontier.root().hex()),
        **changes,
    }
    process = await asyncio.create_subprocess_exec(
        str(ORACLE), "-I", str(READER), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(json.dumps(asked).encode() + b"\n")
    found: dict[str, Any] = json.loads(out)
    return found


async def test_tiles_checkpoint_and_cosignatures_are_verified(published: Published) -> None:
    found = await read(published)
    frontier = Frontier()
    for entry in published.entries:
        frontier.append(LeafHash(entry.hash))
    assert (found["ok"], found["error"]) == (True, None)
    assert (found["size"], found["root"]) == (LEAVES, frontier.root().hex())
    assert found["included"] == [True] * 6
    assert found["consistent"]
    # Three full tiles of leaves, what is left of them, and the level above.
    assert found["tiles"] == 5


async def test_what_is_wrong_is_refused_there_too(published: Published) -> None:
    stranger = witness("stranger").verifier.vkey
    found = await read(
        published,
        witnesses=[stranger, WITNESSES[0].verifier.vkey],
        entries=[(5, b"another entry".hex())],
        old=(300, bytes(32).hex()),
    )
    assert not found["ok"]
    assert found["included"] == [False]
    assert not found["consistent"]
