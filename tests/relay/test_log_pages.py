"""The log as a monitor reads it over HTTP: published checkpoints, their cosignatures, and the tree's hashes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.note import decode_note
from amanah_protocol.types import LeafHash
from amanah_relay.config import WitnessSection
from amanah_relay.quotas import RelayLimits
from tests.relay.people import witness
from tests.relay.serving import ORIGIN, get, make_site, open_for
from tests.relay.witness_site import WitnessSite


async def test_the_published_log_is_read_tile_by_tile_and_leads_to_its_checkpoint(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    hasty = replace(site, config=replace(site.config, limits=RelayLimits(checkpoint_interval_ms=1)))
    async with hasty.running() as port:
        devices = [organisation.certify() for organisation in site.organisations]
        links = [await site.enter(device, port) for device in devices]
        await open_for(site, links, devices)
        checkpoint, note = await newest_checkpoint(port, at_least=8)
        head, tile = (await get(port, f"GET /log/tile/0/000.p/{checkpoint.size} HTTP/1.1"))[1:]
        assert "max-age=3600" in head
        frontier = Frontier()
        for at in range(0, len(tile), 32):
            frontier.append(LeafHash(tile[at : at + 32]))
        assert (frontier.size, frontier.root()) == (checkpoint.size, checkpoint.root)
        assert (await get(port, "GET /log/tile/0/000.p/2 HTTP/1.1"))[2] == tile[:64]
        for line in (
            "GET /log/tile/0/000.p/99 HTTP/1.1",
            "GET /log/tile/0/000 HTTP/1.1",
            "GET /log/tile/1/000.p/1 HTTP/1.1",
        ):
            assert (await get(port, line))[0] == 404
        status, _, said = await get(port, f"GET /log/tile/entries/000.p/{checkpoint.size} HTTP/1.1")
        assert (status, b"audit sync" in said) == (403, True)
        assert decode_note(note).signatures


async def newest_checkpoint(port: int, *, at_least: int) -> tuple[Checkpoint, bytes]:
    """Wait until a checkpoint of so many leaves is published."""
    async with asyncio.timeout(20):
        while True:
            note = (await get(port, "GET /log/checkpoint HTTP/1.1"))[2]
            checkpoint = decode_checkpoint(note)[0]
            if checkpoint.size >= at_least:
                return checkpoint, note
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("name", ["one", "two"])
async def test_a_published_checkpoint_carries_the_cosignatures_of_the_rosters_witnesses(
    tmp_path: Path, name: str
) -> None:
    keys = witness("one")
    site = make_site(tmp_path, witnesses=(keys,))
    async with WitnessSite(signer=witness(name), log=site.keys.log.verifier).running() as asked:
        asking = replace(site.config, witnesses=WitnessSection(addresses=(asked.address,)))
        async with replace(site, config=asking).running() as port:
            await asked.told.wait()
            signers = {ORIGIN, keys.name} if name == "one" else {ORIGIN}
            async with asyncio.timeout(20):
                while await signers_of_checkpoint(port) != signers:  # noqa: ASYNC110 - a relay is asked, it does not tell
                    await asyncio.sleep(0.05)


async def signers_of_checkpoint(port: int) -> set[str]:
    """Who has signed what the relay shows."""
    note = (await get(port, "GET /log/checkpoint HTTP/1.1"))[2]
    return {line.name for line in decode_note(note).signatures}
