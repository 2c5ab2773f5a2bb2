"""The register: what an examination made of the leaves, in tables that questions are asked of.

It is written a stretch of leaves at a time, each in one transaction with how far the examination is: one
that is interrupted goes on from there, with the same findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import msgspec
from sqlcipher3 import dbapi2 as sqlcipher

from amanah_client.audit.copies import Owed
from amanah_client.audit.doubts import Doubt
from amanah_client.audit.report import Finding
from amanah_client.store.copy import AuditCopy
from amanah_protocol.audit import ReadingOrder
from amanah_protocol.custody.erasures import ContentErasure, PersonErasure
from amanah_protocol.custody.holds import LegalHold
from amanah_protocol.kinds import Grade, Kind
from amanah_protocol.labels import Label
from amanah_protocol.log.merkle import Frontier, Subtree
from amanah_protocol.types import DeviceId, EnvelopeId, GrantId, LeafHash, OrgName, RoomId

VERSION: Final = 9
"""Of what an examination does; the register of another one is made anew."""
NODE_LEVELS: Final = frozenset({8, 16, 24, 32})

_PUT_ENTRY: Final = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
# Most are messages, which say nothing for all to see. The driver asks of each `bytes` and each None whether somebody
# adapts it, and takes longer for that than for writing the row: of these rows it gets neither.
_PUT_MESSAGE: Final = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, x'', NULL, NULL, ?)"
_PUT_SENDER: Final = "INSERT OR REPLACE INTO sender (room, device, counter, last, voided) VALUES (?, ?, ?, ?, ?)"
_PUT_STAY: Final = (
    "INSERT OR REPLACE INTO stay (room, device, from_seq, added, to_seq, removed) VALUES (?, ?, ?, ?, ?, ?)"
)
_PUT_ROOM: Final = "INSERT OR REPLACE INTO room VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_DEVICE: Final = "INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_CHAIN: Final = "INSERT OR REPLACE INTO chain (room, seq, leaf) VALUES (?, ?, ?)"
_PUT_FINDING: Final = 'INSERT INTO finding (severity, "index", code, text) VALUES (?, ?, ?, ?)'
_PUT_GRANT: Final = "INSERT OR REPLACE INTO audit_grant (id, logged, document) VALUES (?, ?, ?)"
_PUT_HOLD: Final = """
    INSERT INTO legal_hold (id, placed, placed_ms, released, released_ms, document) VALUES (?, ?, ?, NULL, NULL, ?)
    ON CONFLICT (id) DO UPDATE SET
        released = excluded.placed, released_ms = excluded.placed_ms, document = excluded.document"""
_PUT_ERASURE: Final = "INSERT OR REPLACE INTO erasure VALUES (?, ?, ?, ?, ?)"
_PUT_READ: Final = "INSERT OR REPLACE INTO audit_read VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT_FORGOTTEN: Final = "INSERT OR IGNORE INTO forgotten VALUES (?, ?, ?, ?)"
_PUT_DEPARTED: Final = "INSERT OR REPLACE INTO departed VALUES (?, ?, ?)"
_DROP_DEPARTED: Final = "DELETE FROM departed WHERE organisation = ?"
ENVELOPE_IS: Final = "substr(envelope, 1, 8) = substr(?1, 1, 8) AND envelope = ?1"
"""Of the table `entry`: the envelope whose id is the first value; the index holds the first bytes of ids."""
_FIND: Final = f"""
    SELECT "index", seq, kind, sender, accepted_ms, label FROM entry INDEXED BY entry_by_envelope
    WHERE {ENVELOPE_IS} AND room = ?2 AND held = 1"""  # noqa: S608 - a condition of ours
RELABELLED: Final = """
    SELECT became FROM mention JOIN entry ON entry."index" = mention."index"
    WHERE mention.target = ? AND entry.became IS NOT NULL ORDER BY entry."index" DESC LIMIT 1"""
_PUT_CONTENT: Final = "INSERT OR REPLACE INTO content (room, block, labels) VALUES (?, ?, ?)"
_PUT_AGAIN: Final = "INSERT INTO content_again (room, seq, label) VALUES (?, ?, ?)"
_PUT_ACKNOWLEDGED: Final = "INSERT OR REPLACE INTO acknowledged VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
CONTENT: Final = (Kind.MESSAGE, Kind.ALERT)
"""Kinds that tell members something."""
BLOCK: Final = 256
"""Places of a room that stand in one row of `content`; more, and a relay that numbers wildly would fill the disk."""
NO_CONTENT: Final = b"\xff"
"""Stands there for a place without any."""
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an examination is.

    Attributes:
        version: `VERSION`.
        anchor: What it is held against, as a hash.
        size: Leaves that were examined.
        edge: Right edge of their tree (`Frontier`).
        first_ms: The relay's time of the first entry in scope; None without any.
        last_ms: That of the last one.
        bare: Leaves that are shown as their hash alone.
        control: Entries of the control stream.
        envelopes: Entries of rooms.
        reads: Reading orders of auditors.
        faults: Faults in all, kept or not.
        findings: Findings that are kept.
        owed: Documents of custody that were not seen in each of their chains.
        told: Custody chains, each with a grant that names no rooms and stands there.
        doubts: Holds of which it is not known whether they still stood when names were forgotten.
    """

    version: int
    anchor: bytes
    size: int = 0
    edge: tuple[bytes, ...] = ()
    first_ms: int | None = None
    last_ms: int | None = None
    bare: int = 0
    control: int = 0
    envelopes: int = 0
    reads: int = 0
    faults: int = 0
    findings: int = 0
    owed: tuple[Owed, ...] = ()
    told: tuple[tuple[RoomId, GrantId], ...] = ()
    doubts: tuple[Doubt, ...] = ()


_progress: Final = msgspec.msgpack.Decoder(Progress)


class Sent(NamedTuple):
    """An envelope that a later one may refer to.

    Attributes:
        at: Its log index.
        seq: Its place in the room.
        kind: Its kind.
        kid: Its sender.
        accepted_ms: The relay's time of it.
        label: Its label now.
        sent_label: The label that it was sent with.
    """

    at: int
    seq: int
    kind: Kind
    kid: DeviceId
    accepted_ms: int
    label: Label
    sent_label: Label


class EntryRow(NamedTuple):
    """One envelope of a room in scope, as it stands in the table `entry`."""

    at: int
    room: int
    seq: int
    kind: int
    sender: int
    accepted_ms: int
    sent_ms: int
    label: int
    precedence: int
    size_class: int
    epoch: int
    envelope: bytes
    specific: bytes
    upto: int | None
    became: int | None
    held: int


class StayRow(NamedTuple):
    """A stay of a device in a room, as it stands in the table `stay`.

    Attributes:
        device: Number of the device.
        from_seq: Place of the entry that let it in; who is in at a place could read what stands there.
        added: Log index of that entry.
        to_seq: Place of the commit that removed it; None while it is in.
        removed: Log index of that commit.
    """

    device: int
    from_seq: int
    added: int
    to_seq: int | None = None
    removed: int | None = None


@dataclass(slots=True, kw_only=True)
class RoomRow:
    """A room, as it stands in the table `room`; `specific` is the encoded `create`, None if that did not hold."""

    number: int
    room: RoomId
    created: int | None = None
    specific: bytes | None = None
    opened_by: int | None = None
    epoch: int = 0
    entries: int = 0
    first_ms: int = 0
    last_ms: int = 0


@dataclass(slots=True, kw_only=True)
class DeviceRow:
    """A device, as it stands in the table `device`."""

    number: int
    device: DeviceId
    organisation: str = ""
    subject: bytes | None = None
    role: int | None = None
    certified: int | None = None
    revoked: int | None = None
    compromised_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class _Fresh:
    """What was found since the last transaction."""

    entries: list[EntryRow] = field(default_factory=list)
    sent: dict[EnvelopeId, tuple[int, Sent]] = field(default_factory=dict)
    """Envelope -> number of its room, and what it is."""
    mentions: list[tuple[int, int]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    nodes: list[tuple[int, int, bytes]] = field(default_factory=list)
    aside: list[tuple[int, int]] = field(default_factory=list)
    chains: set[RoomId] = field(default_factory=set)
    senders: dict[tuple[int, int], tuple[int, bytes, bytes]] = field(default_factory=dict)
    stays: dict[tuple[int, int, int], StayRow] = field(default_factory=dict)
    rooms: dict[int, RoomRow] = field(default_factory=dict)
    devices: dict[int, DeviceRow] = field(default_factory=dict)
    blocks: dict[tuple[int, int], bytearray] = field(default_factory=dict)
    """Room and number of a block -> its labels, a byte a place."""
    again: list[tuple[int, int, int]] = field(default_factory=list)
    acknowledged: list[tuple[int, ...]] = field(default_factory=list)
    custody: list[tuple[str, tuple[object, ...]]] = field(default_factory=list)
    """Statements about grants, holds, reads and erasures, which are few."""


class Register:
    """The tables, with what is not written yet."""

    def __init__(self, copy: AuditCopy, anchor: bytes) -> None:
        """Go on with what is there, or begin anew where it is of another version or another anchor.

        Args:
            copy: Where the tables are.
            anchor: What the examination holds the record against, as a hash.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`.
        """
        self.copy: AuditCopy = copy
        found = self._read_progress()
        if found is None or (found.version, found.anchor) != (VERSION, anchor):
            copy.forget_register()
            found = Progress(version=VERSION, anchor=anchor)
        self.progress: Progress = found
        self.chains: dict[RoomId, tuple[int, LeafHash]] = {}
        self._rooms: dict[RoomId, RoomRow] = {}
        self._devices: dict[DeviceId, DeviceRow] = {}
        self._numbered: dict[int, DeviceId] = {}
        self._fresh = _Fresh()
        self._load()

    def _read_progress(self) -> Progress | None:
        with self.copy.reading() as connection:
            row = connection.execute("SELECT data FROM progress WHERE name = 'examined'").fetchone()
        try:
            return None if row is None else _progress.decode(row[0])
        except msgspec.MsgspecError:
            return None

    def _load(self) -> None:
        with self.copy.reading() as connection:
            self.chains = {
                RoomId(room): (seq, LeafHash(leaf))
                for room, seq, leaf in connection.execute("SELECT room, seq, leaf FROM chain").fetchall()
            }
            for row in connection.execute("SELECT * FROM room").fetchall():
                names = RoomRow.__slots__
                found = RoomRow(**dict(zip(names, row, strict=True)))
                self._rooms[found.room] = found
            for row in connection.execute("SELECT * FROM device").fetchall():
                known = DeviceRow(**dict(zip(DeviceRow.__slots__, row, strict=True)))
                self._devices[known.device] = known
                self._numbered[known.number] = known.device

    # ---- what an examination knows by number

    def room(self, room: RoomId) -> tuple[RoomRow, bool]:
        """The row of a room, and whether there was none before."""
        found = self._rooms.get(room)
        if found is not None:
            return found, False
        made = self._rooms[room] = RoomRow(number=len(self._rooms) + 1, room=room)
        return made, True

    def knows(self, room: RoomId) -> bool:
        """Whether an entry of a room was seen."""
        return room in self._rooms

    def known_rooms(self) -> tuple[RoomId, ...]:
        """Rooms of which an entry was seen."""
        return tuple(self._rooms)

    def grants(self) -> list[bytes]:
        """Audit grants as they were last logged, encoded; as written."""
        return self._documents("audit_grant")

    def holds(self) -> list[bytes]:
        """The same of legal holds."""
        return self._documents("legal_hold")

    def _documents(self, table: str) -> list[bytes]:
        with self.copy.reading() as connection:
            rows = connection.execute(f"SELECT document FROM {table}").fetchall()  # noqa: S608 - a table of ours
        return [row[0] for row in rows]

    def places(self, room: int, wanted: Iterable[int]) -> dict[int, tuple[bytes, int]]:
        """Envelope id and time of acceptance of what stands at these places of a room, as far as it is in scope."""
        places = set(wanted)
        found = {
            row.seq: (row.envelope, row.accepted_ms)
            for row in self._fresh.entries
            if row.room == room and row.seq in places
        }
        marks = ", ".join("?" * len(places))
        query = f"SELECT seq, envelope, accepted_ms FROM entry WHERE room = ? AND seq IN ({marks})"  # noqa: S608 - question marks
        with self.copy.reading() as connection:
            rows = connection.execute(query, (room, *places)).fetchall()
        return found | {seq: (envelope, accepted) for seq, envelope, accepted in rows}

    def device(self, device: DeviceId) -> DeviceRow:
        """The row of a device; a new one where it was not spoken of before."""
        found = self._devices.get(device)
        if found is None:
            found = self._devices[device] = DeviceRow(number=len(self._devices) + 1, device=device)
            self._numbered[found.number] = device
            self._fresh.devices[found.number] = found
        return found

    def device_of(self, number: int) -> DeviceId:
        """The device of a number."""
        return self._numbered[number]

    def senders(self, room: int) -> Iterator[tuple[DeviceId, int, EnvelopeId, set[int]]]:
        """Device, counter, last envelope and voided counters of all that have sent in a room, as written."""
        with self.copy.reading() as connection:
            query = "SELECT device, counter, last, voided FROM sender WHERE room = ?"
            rows = connection.execute(query, (room,)).fetchall()
        for device, counter, last, voided in rows:
            yield self._numbered[device], counter, EnvelopeId(last), set(msgspec.msgpack.decode(voided))

    def stays(self, room: int) -> list[StayRow]:
        """All stays in a room, as written."""
        with self.copy.reading() as connection:
            query = "SELECT device, from_seq, added, to_seq, removed FROM stay WHERE room = ? ORDER BY from_seq, device"
            return [StayRow(*row) for row in connection.execute(query, (room,)).fetchall()]

    def find(self, room: int, envelope: EnvelopeId) -> Sent | None:
        """An envelope of a room that was put before, and held."""
        fresh = self._fresh.sent.get(envelope)
        if fresh is not None:
            return fresh[1] if fresh[0] == room else None
        with self.copy.reading() as connection:
            row = connection.execute(_FIND, (envelope, room)).fetchone()
            if row is None:
                return None
            index, seq, kind, sender, accepted_ms, label = row
            changed = connection.execute(RELABELLED, (index,)).fetchone()
        now = label if changed is None else changed[0]
        found = Sent(index, seq, Kind(kind), self._numbered[sender], accepted_ms, Label(now), Label(label))
        self._fresh.sent[envelope] = room, found
        return found

    # ---- what it puts

    def put_entry(self, row: EntryRow, envelope: EnvelopeId, sent: Sent | None, mentioned: Iterable[int]) -> None:
        """An envelope, and the log indices of those that it speaks of; `sent` where later ones may speak of it."""
        fresh = self._fresh
        fresh.entries.append(row)
        if sent is not None:
            fresh.sent[envelope] = row.room, sent
        for target in mentioned:
            fresh.mentions.append((target, row.at))

    def put_content(self, room: int, seq: int, label: Label) -> None:
        """A message or alert that holds; each counts, also where several claim one place."""
        block, at = divmod(seq, BLOCK)
        labels = self._fresh.blocks.get((room, block))
        if labels is None:
            labels = self._fresh.blocks[room, block] = self._read_block(room, block)
        if at >= len(labels):
            labels.extend(NO_CONTENT * (at + 1 - len(labels)))
        if labels[at] == NO_CONTENT[0]:
            labels[at] = label
        else:
            self._fresh.again.append((room, seq, label))

    def _read_block(self, room: int, block: int) -> bytearray:
        with self.copy.reading() as connection:
            query = "SELECT labels FROM content WHERE room = ? AND block = ?"
            row = connection.execute(query, (room, block)).fetchone()
        return bytearray() if row is None else bytearray(row[0])

    def put_acknowledged(self, row: EntryRow, sent: Sent, grade: Grade) -> None:
        """An officer's acknowledgement of a message or alert."""
        author = self.device(sent.kid).number
        cells = (row.room, sent.seq, row.at, row.sender, row.accepted_ms, int(grade), sent.at, sent.accepted_ms, author)
        self._fresh.acknowledged.append(cells)

    def relabel(self, room: int, envelope: EnvelopeId, sent: Sent, label: Label) -> None:
        """A message has another label from now on."""
        self._fresh.sent[envelope] = room, sent._replace(label=label)

    def put_sender(self, room: int, device: int, counter: int, last: EnvelopeId, voided: set[int]) -> None:
        """How far a device has counted in a room."""
        self._fresh.senders[room, device] = counter, last, _encoder.encode(sorted(voided)) if voided else b"\x90"

    def put_stay(self, room: int, stay: StayRow) -> None:
        """A stay that begins or ends."""
        self._fresh.stays[room, stay.device, stay.from_seq] = stay

    def put_room(self, row: RoomRow) -> None:
        """A room that has changed."""
        self._fresh.rooms[row.number] = row

    def put_device(self, row: DeviceRow) -> None:
        """A device that has changed."""
        self._fresh.devices[row.number] = row

    def put_grant(self, index: int, grant: GrantId, document: bytes) -> None:
        """An audit grant, or its end, with the document beside its leaf."""
        self._fresh.custody.append((_PUT_GRANT, (grant, index, document)))

    def put_hold(self, index: int, accepted_ms: int, hold: LegalHold, document: bytes) -> None:
        """A legal hold, or its release."""
        self._fresh.custody.append((_PUT_HOLD, (hold.id, index, accepted_ms, document)))

    def put_read(self, index: int, room: RoomId | None, device: int, order: ReadingOrder) -> None:
        """An auditor's order, in its organisation's chain or, under a grant, in the custody of a room."""
        place = None if room is None else self.room(room)[0].number
        cells = (index, place, device, order.first, order.until, order.ordered_at_ms, order.grant)
        self._fresh.custody.append((_PUT_READ, cells))

    def put_erasure(self, index: int, room: int, erasure: ContentErasure) -> None:
        """Contents of a room that the relay says it has dropped."""
        for place in erasure.places:
            cells = (room, place, index, int(erasure.cause), erasure.erased_at_ms)
            self._fresh.custody.append((_PUT_ERASURE, cells))

    def put_forgotten(self, index: int, erasure: PersonErasure) -> None:
        """A person whose profile an organisation has dropped."""
        cells = (erasure.organisation, erasure.subject, index, erasure.erased_at_ms)
        self._fresh.custody.append((_PUT_FORGOTTEN, cells))

    def put_departed(self, index: int, accepted_ms: int, left: Iterable[OrgName], members: Iterable[OrgName]) -> None:
        """A roster: organisations that it does not name any more, and those that it names, maybe again."""
        self._fresh.custody.extend((_DROP_DEPARTED, (name,)) for name in members)
        self._fresh.custody.extend((_PUT_DEPARTED, (name, index, accepted_ms)) for name in left)

    def put_chain(self, room: RoomId, seq: int, leaf: LeafHash) -> None:
        """The newest entry of a room or chain."""
        self.chains[room] = seq, leaf
        self._fresh.chains.add(room)

    def put_node(self, node: Subtree) -> None:
        """A complete subtree, if it is one of those that are kept."""
        if node.level in NODE_LEVELS:
            self._fresh.nodes.append((node.level, node.place, node.root))

    def put_aside(self, index: int, accepted_ms: int) -> None:
        """An entry that is no envelope, and when it was accepted."""
        self._fresh.aside.append((index, accepted_ms))

    def put_finding(self, finding: Finding) -> None:
        """Something that was found."""
        self._fresh.findings.append(finding)

    def save(self, frontier: Frontier, **fields: object) -> None:
        """Write all that was put, and how far the examination is, in one transaction.

        Args:
            frontier: The tree of the leaves that were examined.
            fields: More fields of `Progress`.

        Raises:
            OperationalError: `STORE` or `DISK_FULL`; the register is of no use any more.
        """
        progress = replace(self.progress, size=frontier.size, edge=frontier.edge, **fields)  # type: ignore[arg-type]  # fields of it
        fresh, self._fresh = self._fresh, _Fresh()
        with self.copy.writing() as connection:
            _write(connection, fresh, self.chains)
            data = _encoder.encode(progress)
            connection.execute("INSERT OR REPLACE INTO progress (name, data) VALUES ('examined', ?)", (data,))
        self.progress = progress


def _write(connection: sqlcipher.Connection, fresh: _Fresh, chains: dict[RoomId, tuple[int, LeafHash]]) -> None:
    put = connection.executemany
    put(_PUT_DEVICE, [_cells(row) for row in fresh.devices.values()])
    put(_PUT_ROOM, [_cells(row) for row in fresh.rooms.values()])
    put(_PUT_ENTRY, [row for row in fresh.entries if row.specific])
    put(_PUT_MESSAGE, [(*row[:11], bytearray(row.envelope), row.held) for row in fresh.entries if not row.specific])
    put("INSERT OR IGNORE INTO mention VALUES (?, ?)", fresh.mentions)
    put(_PUT_CONTENT, [(*place, labels) for place, labels in fresh.blocks.items()])
    put(_PUT_AGAIN, fresh.again)
    put(_PUT_ACKNOWLEDGED, fresh.acknowledged)
    put(_PUT_SENDER, [(*place, *row) for place, row in fresh.senders.items()])
    put(_PUT_STAY, [(place[0], *row) for place, row in fresh.stays.items()])
    put(_PUT_CHAIN, [(room, *chains[room]) for room in fresh.chains])
    put("INSERT OR REPLACE INTO node VALUES (?, ?, ?)", fresh.nodes)
    for statement, cells in fresh.custody:
        connection.execute(statement, cells)
    put("INSERT OR REPLACE INTO aside VALUES (?, ?)", fresh.aside)
    put(_PUT_FINDING, [(str(found.severity), found.index, str(found.code), found.text) for found in fresh.findings])


def _cells(row: RoomRow | DeviceRow) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in row.__slots__)
