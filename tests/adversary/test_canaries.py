"""After a real incident, nothing that people wrote is found at the relay: not stored, not logged, not on the wire."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

import pytest

from amanah_client import Client
from amanah_protocol.identity import Role
from amanah_protocol.labels import Label
from scripts.ports import free_port
from tests.adversary.between import recording
from tests.end_to_end.nations import Nations, Ran, amanah

TN, MA = "cert.example.tn", "cert.example.ma"
CANARIES: Final = {
    "room title": "Title-canary-7Qx2",
    "message": "Message-canary-9Kd4",
    "message in Arabic": "رسالة-الكناري",
    "answer": "Réponse-canari-3Vp8",
    "alert signature": "Signature-canary-5Tz1",
    "alert category": "Category-canary-2Lm6",
    "source of alerts": "eve-canary-8Hr3",
    "file of alerts": "file-canary-4Wn9",
    "officer of TN": "Officer-canary-6Bs5",
    "officer of MA": "Officer-canary-1Gf7",
    "bot": "Bot-canary-0Jc8",
}
VISIBLE: Final = (TN.encode(), MA.encode())
"""What the relay sees by design: found, it shows that the search looks at the right place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All that whoever runs the relay can look at.

    Attributes:
        store: The files of its database, with its journal, its keys and its configuration.
        log: What it said.
        wire: Every connection, as it was on the wire.
        messages: What clients sent, with the masks of their frames taken off.
    """

    store: bytes
    log: bytes
    wire: bytes
    messages: bytes

    @property
    def parts(self) -> dict[str, bytes]:
        """By name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def spellings(text: str) -> set[bytes]:
    """A text as it might stand somewhere: in UTF-8 and UTF-16, as hex, in base64 at any of three offsets."""
    plain = text.encode()
    digits = plain.hex()
    found = {plain, digits.encode(), digits.upper().encode(), json.dumps(text)[1:-1].encode()}
    found |= {text.encode("utf-16-le"), text.encode("utf-16-be")}
    for offset in range(3):
        # The first and last characters depend on what stands around it.
        found.add(base64.b64encode(bytes(offset) + plain)[4:-4])
    return found


def hits(seen: dict[str, bytes]) -> list[tuple[str, str]]:
    """Which canary is found where."""
    return [
        (name, where)
        for name, text in CANARIES.items()
        for where, data in seen.items()
        if any(spelling in data for spelling in spellings(text))
    ]


def eve(count: int) -> str:
    """Lines of Suricata that hold canaries."""
    lines = [
        {
            "timestamp": "2026-11-01T10:00:00.000000+0000",
            "event_type": "alert",
            "src_ip": "192.0.2.1",
            "dest_ip": "198.51.100.1",
            "proto": "TCP",
            "flow_id": number,
            "alert": {
                "signature_id": 2_000_000 + number,
                "rev": 1,
                "gid": 1,
                "action": "allowed",
                "severity": 1,
                "signature": CANARIES["alert signature"],
                "category": CANARIES["alert category"],
            },
        }
        for number in range(count)
    ]
    return "".join(json.dumps(line) + "\n" for line in lines)


async def run(home: Path, *words: str) -> Ran:
    """The real command line, beside what else goes on here."""
    return await asyncio.to_thread(amanah, home, *words)


async def done(home: Path, *words: str) -> str:
    """A command that must succeed; gives its results."""
    ran = await run(home, *words)
    assert ran.code == 0, (words, ran)
    return ran.out


async def told(client: Client, text: str) -> None:
    """Wait until a client shows a text."""
    async with asyncio.timeout(30):
        while not any(message.text == text for room in client.rooms() for message in room.messages()):
            await asyncio.sleep(0.05)


@pytest.fixture
def nations(tmp_path: Path) -> Iterator[Nations]:
    made = Nations(tmp_path)
    yield made
    made.close()


async def incident(nations: Nations) -> Seen:
    """Two nations and a bot at work, by the command line and the SDK, over a tapped wire."""
    outer, inner = nations.relay.port, free_port()
    home = nations.folder / "relay"
    (home / "relay.toml").write_text(f'[listen]\nport = {inner}\n[log]\nlevel = "debug"\n')
    nations.relay.start()
    title, first, second = CANARIES["room title"], CANARIES["message"], CANARIES["message in Arabic"]
    tn = nations.enrol("tn", TN, called=CANARIES["officer of TN"])
    ma = nations.enrol("ma", MA, called=CANARIES["officer of MA"])
    bot = nations.enrol("bot", TN, role=Role.BOT, called=CANARIES["bot"])
    alerts = nations.folder / f"{CANARIES['file of alerts']}.ndjson"
    alerts.write_text(eve(150))
    async with recording(outer, inner) as wires:
        async with await Client.open(ma) as theirs, await Client.open(bot) as machine:
            await theirs.online(20)
            await machine.online(20)
            await done(tn, "room", "create", title, "--label", "TLP:AMBER")
            await done(tn, "room", "invite", title, MA, TN)
            await done(tn, "send", title, first)
            await told(theirs, first)
            await theirs.room(title).send(CANARIES["answer"], label=Label.GREEN)
            await done(tn, "send", title, second)
            await told(theirs, second)
        await done(bot, "alert", title, str(alerts), "--source", CANARIES["source of alerts"])
        shown = await done(ma, "read", title, "--json")
    assert nations.relay.stop() == 0
    # It did happen, and people saw it; the name of a file stays where the file is.
    unseen = {name for name, text in CANARIES.items() if text not in shown}
    assert unseen <= {"file of alerts", "room title"}
    files = [path for path in sorted(home.iterdir()) if path.name != "said.txt"]
    return Seen(
        store=b"".join(path.read_bytes() for path in files),
        log=(home / "said.txt").read_bytes(),
        wire=b"".join(bytes(wire.up + wire.down) for wire in wires),
        messages=b"".join(wire.messages for wire in wires),
    )


@pytest.mark.slow
async def test_the_relay_its_log_and_its_wire_hold_nothing_that_people_wrote(nations: Nations) -> None:
    seen = await incident(nations)
    assert hits(seen.parts) == []
    # What must be visible is found, in the same bytes and in the same way.
    for part in (seen.store, seen.wire, seen.messages):
        assert all(name in part for name in VISIBLE)
    assert b"listening" in seen.log
    # And a canary in any spelling would be.
    for text in CANARIES.values():
        for spelling in spellings(text):
            assert hits({"store": seen.store + spelling})
