"""A relay with a long log, and an auditor who copies and examines it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amanah_client import actions
from amanah_client.audit import local
from amanah_client.audit.examination import examine_copy
from amanah_client.enrolment import install_reply, request_device
from amanah_client.home import Home, create_profile
from amanah_client.keystore import create_key_file
from amanah_client.sdk import Client
from amanah_protocol.cards import Armour, decode_armour
from amanah_protocol.identity import Role
from amanah_relay.store import Store
from bench.community import Organisation
from bench.long_log import LongLog
from bench.relay import ORIGIN, made_relay, serving

DEVICES = 60


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What is to be audited.

    Attributes:
        folder: The relay's home.
        profile: The auditor's.
        size: Leaves in the log.
    """

    folder: Path
    profile: Path
    size: int


def prepare(folder: Path, *, leaves: int, rooms: int) -> Prepared:
    """Make relay, log and auditor."""
    now_ms = time.time_ns() // 1_000_000
    organisations = [Organisation(f"cert.example.{land}", now_ms=now_ms) for land in ("de", "fr", "tn")]
    made_relay(folder, organisations, now_ms=now_ms)
    devices = [organisations[number % 3].certify() for number in range(DEVICES)]
    store = Store.open(f"sqlite:///{folder / 'relay.db'}")
    log = LongLog(store, origin=ORIGIN)
    log.certify(organisations, devices)
    log.talk(devices, rooms, leaves - log.size - 3 * rooms)
    while store.checkpoint() is False:
        time.sleep(0.1)
    store.close()
    home = Home(folder / "auditor")
    home.path.mkdir(mode=0o700)
    profile = create_profile(home, create_key_file(home.key_file))
    request = request_device(profile, organisation=organisations[0].name, role=Role.AUDITOR)
    install_reply(
        profile, organisations[0].answer(request, decode_armour((folder / "roster").read_text(), Armour.ROSTER))
    )
    profile.store.close()
    return Prepared(folder=folder, profile=home.path, size=log.size)


async def audit(prepared: Prepared, *, between: Callable[[], None]) -> tuple[float, float, int]:
    """Copy and examine; gives seconds of both, and the number of faults. `between` runs before, between and after."""
    with serving(prepared.folder):
        client = await Client.open(prepared.profile)
        try:
            between()
            begun = time.perf_counter()
            store = client.profile.store
            while store.copy.size < prepared.size:
                intent = await client.ask(actions.AuditSync())
                await client.outcome(intent.id, 3_600)
            copied = time.perf_counter() - begun
            local.keep_checkpoint(store)
            note, _ = local.copied(store)
            anchor = local.trusted(client.profile)
            between()
            begun = time.perf_counter()
            report = examine_copy(store.copy, checkpoint=note, anchor=anchor)
            examined = time.perf_counter() - begun
            between()
        finally:
            await client.close()
    return copied, examined, report.faults
