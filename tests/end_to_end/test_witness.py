"""A real relay and a real witness: what the relay publishes grows, and the witness cosigns each step of it."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from amanah_client.witness.rows import origin_hash
from amanah_client.witness.state import State
from amanah_client.witness.witness import Witness
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.note_keys import verify_note
from amanah_relay.config import WitnessSection
from amanah_relay.quotas import RelayLimits
from tests.client.witness.serving import Site as WitnessSite
from tests.client.witness.serving import serving
from tests.relay.people import witness
from tests.relay.serving import ORIGIN, get, make_site, open_for

LEAVES = 8


async def cosigned(witness_at: WitnessSite, *, at_least: int) -> bytes:
    """Wait until the witness has cosigned so many leaves; gives what it tells monitors."""
    async with asyncio.timeout(30):
        while True:
            reply = await witness_at.ask("GET", f"/{origin_hash(ORIGIN)}/checkpoint")
            if reply.status == 200 and decode_checkpoint(reply.body)[0].size >= at_least:
                return reply.body
            await asyncio.sleep(0.1)


async def published(port: int) -> bytes:
    """Wait until the relay shows a checkpoint with a cosignature."""
    async with asyncio.timeout(30):
        while True:
            note = (await get(port, "GET /log/checkpoint HTTP/1.1"))[2]
            if len(decode_note(note).signatures) > 1:
                return note
            await asyncio.sleep(0.1)


async def test_a_relays_log_is_cosigned_as_it_grows(tmp_path: Path) -> None:
    signer = witness("one")
    site = make_site(tmp_path, witnesses=(signer,))
    with closing(State.create(tmp_path / "witness.db", (signer.verifier,))) as state:
        state.add_log(ORIGIN, site.keys.log.verifier)
        async with serving(Witness(state, (signer,), lambda: int(time.time()))) as watching:
            addresses = (f"http://127.0.0.1:{watching.port}",)
            limits = RelayLimits(checkpoint_interval_ms=1)
            asking = replace(site.config, witnesses=WitnessSection(addresses=addresses), limits=limits)
            async with replace(site, config=asking).running() as port:
                await cosigned(watching, at_least=1)
                devices = [organisation.certify() for organisation in site.organisations]
                links = [await site.enter(device, port) for device in devices]
                await open_for(site, links, devices)
                told = await cosigned(watching, at_least=LEAVES)
                shown = await published(port)
        (log,) = state.logs()
    keys = (site.keys.log.verifier, signer.verifier)
    for note in (told, shown):
        assert {known.verifier for known in verify_note(decode_note(note), keys)} == set(keys)
    assert log.evidence == ()
