"""How long the auditor's questions take on a register of a million entries, and what memory they need.

    python -m bench.questions [ENTRIES]

The register is filled directly, in an encrypted file: what is measured is asking, not examining.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from amanah_client.audit.anchors import anchor_of_rosters
from amanah_client.audit.proofs import prove_entry
from amanah_client.audit.questions.case import Case
from amanah_client.audit.questions.registry import QUESTIONS, ask
from amanah_client.audit.questions.search import search
from amanah_client.audit.record import Record, Report
from amanah_client.audit.register import BLOCK, CONTENT, NO_CONTENT, NODE_LEVELS
from amanah_client.audit.report import Scope
from amanah_client.store.copy import AuditCopy
from amanah_protocol import cbor, kinds
from amanah_protocol.crypto import sha256
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.merkle import Frontier, leaf_hash
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName
from tests.vectors import examples as x

ENTRIES: Final = 1_000_000
ROOMS: Final = 200
DEVICES: Final = 100
NATIONS: Final = 25
LARGEST: Final = 0.3
"""Share of the largest room."""
BATCH: Final = 20_000
NOW_MS: Final = x.NOW_MS
MIX: Final = (
    (Kind.MESSAGE, 450), (Kind.DELIVERED, 250), (Kind.ALERT, 120), (Kind.ACK, 120), (Kind.COUNTS, 20),
    (Kind.REPAIR, 15), (Kind.COMMIT, 10), (Kind.GRANT, 5), (Kind.EGRESS, 4), (Kind.DECISION, 3), (Kind.RELABEL, 3),
)  # fmt: skip


class Filler:
    """Makes up a register: nothing in it was signed by anybody."""

    def __init__(self, copy: AuditCopy, entries: int) -> None:
        self.copy, self.entries = copy, entries
        self._random = random.Random(7)
        self.devices = [DeviceId(sha256(b"device %d" % number)) for number in range(1, DEVICES + 1)]
        self.rooms = [sha256(b"room %d" % number)[:16] for number in range(1, ROOMS + 1)]
        self._seq = [0] * (ROOMS + 1)
        self._counters: dict[tuple[int, int], int] = {}
        self._sent: dict[int, list[tuple[int, int, bytes, int]]] = {number: [] for number in range(1, ROOMS + 1)}
        self._contents = {number: bytearray() for number in range(1, ROOMS + 1)}
        self._members = {
            room: self._random.sample(range(1, DEVICES + 1), 40 if room == 1 else 15) for room in self._sent
        }
        self._strange: list[int] = []
        self._frontier = Frontier()
        self.root = b""

    def fill(self) -> None:
        """All tables."""
        self._people()
        for first in range(0, self.entries, BATCH):
            self._batch(first, min(first + BATCH, self.entries))
        self.root = self._frontier.root()
        with self.copy.writing() as connection:
            connection.executemany(
                "INSERT INTO sender VALUES (?, ?, ?, x'', ?)",
                [(room, device, counter, b"\x90") for (room, device), counter in self._counters.items()],
            )
            connection.executemany(
                "INSERT INTO content VALUES (?, ?, ?)",
                [
                    (room, at // BLOCK, bytes(labels[at : at + BLOCK]))
                    for room, labels in self._contents.items()
                    for at in range(0, len(labels), BLOCK)
                ],
            )
            connection.executemany(
                "INSERT INTO finding (severity, \"index\", code, text) VALUES ('remark', ?, 'MEMBERSHIP', 'strange')",
                [(index,) for index in self._strange],
            )

    def _people(self) -> None:
        rows = [
            (number, device, f"cert.example{number % NATIONS}.org", sha256(device)[:16],
             int(Role.BOT if number % 10 == 0 else Role.OFFICER), number, None, None)
            for number, device in enumerate(self.devices, start=1)
        ]  # fmt: skip
        with self.copy.writing() as connection:
            connection.executemany("INSERT INTO device VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            for number, room in enumerate(self.rooms, start=1):
                create = kinds.Create(
                    origin=x.ORIGIN, nonce=bytes(16), suite=x.SUITE, ceiling=Label.RED,
                    owner=OrgName("cert.example1.org"), agreement="agreement 7",
                )  # fmt: skip
                specific = cbor.encode(kinds.encode_specific(create))
                connection.execute(
                    "INSERT INTO room VALUES (?, ?, ?, ?, ?, 5, ?, ?, ?)",
                    (number, room, number, specific, self._members[number][0], self.entries // ROOMS, NOW_MS, NOW_MS),
                )
                for device in self._members[number]:
                    connection.execute(
                        "INSERT INTO stay VALUES (?, ?, ?, ?, ?, ?)",
                        (number, device, self._random.randint(1, 20), self._random.randint(0, 5_000), None, None),
                    )

    def _batch(self, first: int, end: int) -> None:
        mentions: list[tuple[int, int]] = []
        told: list[tuple[int, ...]] = []
        rows = [self._entry(index, mentions, told) for index in range(first, end)]
        leaves, nodes = [], []
        for index in range(first, end):
            entry = b"\x87\x01\x06" + bytes(8) if index % 5_000 == 0 else b"\x87\x01\x01" + index.to_bytes(240)
            hidden = index % 7 == 3
            leaf = leaf_hash(entry)
            leaves.append((index, leaf, None if hidden else entry))
            nodes += [tuple(node) for node in self._frontier.append(leaf) if node.level in NODE_LEVELS]
        with self.copy.writing() as connection:
            connection.executemany("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany("INSERT OR IGNORE INTO mention VALUES (?, ?)", mentions)
            connection.executemany("INSERT INTO acknowledged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", told)
            connection.executemany('INSERT INTO leaf ("index", hash, entry) VALUES (?, ?, ?)', leaves)
            connection.executemany("INSERT INTO node VALUES (?, ?, ?)", nodes)

    def _entry(self, index: int, mentions: list[tuple[int, int]], told: list[tuple[int, ...]]) -> tuple[Any, ...]:
        rnd = self._random
        room = 1 if rnd.random() < LARGEST else rnd.randint(2, ROOMS)
        sender = rnd.choice(self._members[room])
        self._seq[room] += 1
        seq = self._seq[room]
        self._counters[room, sender] = self._counters.get((room, sender), 0) + 1
        known = self._sent[room]
        kind = rnd.choices([k for k, _ in MIX], [w for _, w in MIX])[0] if len(known) > 9 else Kind.MESSAGE
        envelope = sha256(index.to_bytes(8))
        target = known[max(0, len(known) - rnd.randint(1, 60))] if known else (0, 0, b"", 0)
        specific, upto, became = self._specific(index, kind, target, seq, sender)
        if kind in {Kind.ACK, Kind.EGRESS, Kind.RELABEL, Kind.REPAIR}:
            mentions.append((target[0], index))
        if kind is Kind.MESSAGE:
            known.append((index, seq, envelope, sender))
            del known[:-100]
        label = rnd.choice((1, 2, 2, 2, 2, 3, 4))
        at_ms = NOW_MS + index * 100
        if kind in CONTENT:
            self._contents[room].extend(NO_CONTENT * (seq + 1 - len(self._contents[room])))
            self._contents[room][seq] = label
        if kind is Kind.ACK:
            told.append((room, target[1], index, sender, at_ms, specific[1], target[0], NOW_MS + target[0] * 100,
                         target[3]))  # fmt: skip
        return (index, room, seq, int(kind), sender, at_ms, at_ms - 40, label, 0, 2, 5,
                envelope, specific, upto, became, 1)  # fmt: skip

    def _specific(  # noqa: C901 - one for each kind
        self, index: int, kind: Kind, target: tuple[int, int, bytes, int], seq: int, sender: int
    ) -> tuple[bytes, int | None, int | None]:
        rnd, envelope = self._random, EnvelopeId(target[2])
        nation = OrgName(f"cert.example{sender % NATIONS}.org")
        match kind:
            case Kind.MESSAGE:
                return b"", None, None
            case Kind.DELIVERED:
                said: kinds.Specific = kinds.Delivered(room_seq=seq - 1)
            case Kind.ALERT:
                said = kinds.Alert(count=rnd.randint(1, 100))
            case Kind.ACK:
                said = kinds.Ack(grade=kinds.Grade(rnd.randint(1, 4)), envelope=envelope)
            case Kind.COUNTS:
                said = kinds.Counts(accepted=rnd.randint(0, 300), merged=1, dropped=0)
            case Kind.REPAIR:
                # Honest repairs go to a device that was there; one of twenty here does not.
                whom = rnd.randint(1, DEVICES) if rnd.random() < 0.05 else sender
                if whom != sender:
                    self._strange.append(index)
                said = kinds.Repair(envelopes=(envelope,), addressees=(self.devices[whom - 1],))
            case Kind.COMMIT:
                said = kinds.Commit()
            case Kind.GRANT:
                said = kinds.Grant(from_seq=max(1, seq - 200), to_seq=seq - 1, addressees=(rnd.choice(self.devices),))
            case Kind.EGRESS:
                said = kinds.Egress(envelope=envelope, form="disclosure", recipient="a court")
            case Kind.DECISION:
                said = kinds.Decision(ordinal=rnd.randint(1, 99), outcome=kinds.Outcome.ADOPTED, nations=(nation,))
            case _:
                said = kinds.Relabel(envelope=envelope, old=Label.AMBER, new=Label.GREEN)
        became = int(said.new) if isinstance(said, kinds.Relabel) else None
        upto = seq - 1 if kind in {Kind.DELIVERED, Kind.GRANT} else None
        return cbor.encode(kinds.encode_specific(said)), upto, became


def case_of(copy: AuditCopy, filler: Filler) -> Case:
    """As if it had been examined."""
    roster = x.roster_of().endorsed.encode()
    note = sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=filler.entries, root=filler.root), x.LOG_SIGNER)
    record = Record(copy)
    scope = Scope(
        leaves=filler.entries, bare=filler.entries // 7, envelopes=filler.entries, first_ms=NOW_MS,
        last_ms=NOW_MS + filler.entries * 100,
    )  # fmt: skip
    report = Report(
        origin=x.ORIGIN, size=filler.entries, root=filler.root, anchor="a bench", witnesses=(), scope=scope,
        control_confirmed=None, compromised={}, withdrawn=frozenset(), findings=(), faults=0, record=record,
    )  # fmt: skip
    return Case(report=report, anchor=anchor_of_rosters((roster,), "a bench"), checkpoint=note)


def asked(filler: Filler) -> Iterator[tuple[str, dict[str, str]]]:
    """Each question, at its dearest."""
    room, nation = filler.rooms[0].hex(), "cert.example3.org"
    device = next(device for device in filler.devices if device)
    middle = str(next(row[0] for row in filler._sent[1]))  # noqa: SLF001 - of this file
    yield "first-learned", {"nation": nation, "room": room}
    yield "who-could-read", {"message": middle}
    yield "membership", {}
    yield "labels", {}
    yield "left-circle", {}
    yield "completeness", {}
    yield "automation", {}
    yield "acknowledgements", {}
    yield "acknowledgements", {"message": middle}
    yield "acknowledgements", {"room": room, "nation": nation}
    yield "decisions", {}
    yield "exposure", {"device": device.hex()[:12], "since": "2020-01-01"}
    yield "not-given", {"message": middle, "nation": nation}
    yield "not-given", {"room": room, "nation": nation}
    yield "not-given", {"label": "TLP:AMBER", "nation": nation}
    yield "audits", {}
    yield "times", {"entry": str(filler.entries // 3)}


def main() -> None:
    """Fill, ask, and print a line each."""
    entries = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "copy.db"
        copy = AuditCopy.open(path, bytes(32))
        filler = Filler(copy, entries)
        begun = time.perf_counter()
        filler.fill()
        print(f"filled {entries} entries in {time.perf_counter() - begun:.1f} s")
        begun, worked = time.perf_counter(), time.process_time()
        copy.prepare_questions()
        took, work = time.perf_counter() - begun, time.process_time() - worked
        print(f"{took:7.3f} s, {work:6.3f} s of work  their indices; {path.stat().st_size >> 20} MiB")
        case = case_of(copy, filler)
        for name, given in asked(filler):
            # As after a start of the program: nothing is in its memory.
            copy.close()
            copy = AuditCopy.open(path, bytes(32))
            case = case_of(copy, filler)
            begun, worked = time.perf_counter(), time.process_time()
            answer = ask(QUESTIONS[name], case, given)
            took, work = time.perf_counter() - begun, time.process_time() - worked
            what = " ".join(f"--{key} {value[:12]}" for key, value in given.items())
            print(f"{took:7.3f} s, {work:6.3f} s of work  {len(answer.found.rows):5} rows  {name} {what}")
        begun = time.perf_counter()
        prove_entry(copy, entries // 3, case.checkpoint)
        print(f"{time.perf_counter() - begun:7.3f} s  a proof")
        begun = time.perf_counter()
        search(case, filler.devices[3].hex()[:6])
        print(f"{time.perf_counter() - begun:7.3f} s  a search")
        copy.close()
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


if __name__ == "__main__":
    main()
