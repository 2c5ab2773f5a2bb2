"""A small log as an honest relay would write it: three organisations, rooms in and out of scope, a revocation.

Every key and time is derived from a name. A test appends one more entry, right or wrong, and examines.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from msgspec.structs import replace

from amanah_client.audit.anchors import anchor_of_rosters
from amanah_client.audit.examination import Anchor, examine
from amanah_client.audit.record import Report
from amanah_client.audit.report import Finding, Severity
from amanah_client.log_rows import AuditRow
from amanah_protocol import envelope, identity, kinds
from amanah_protocol.audit import ReadingOrder, audit_chain, sign_order
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.sealed import Content, View, encode_content
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import SigningKey
from amanah_protocol.endorse import Endorsed
from amanah_protocol.errors import Code
from amanah_protocol.heads import ControlHead, sign_control_head
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import Kind, MediaType, Specific
from amanah_protocol.labels import Label, Pap
from amanah_protocol.log.checkpoint import Checkpoint, sign_checkpoint
from amanah_protocol.log.disclosure import Disclosure
from amanah_protocol.log.leaf import Leaf, LeafType
from amanah_protocol.log.merkle import Frontier, inclusion_path
from amanah_protocol.revocation import issue_revocation
from amanah_protocol.types import CONTROL, ZERO_32, DeviceId, EnvelopeId, LeafHash, OrgName, PersonId, RoomId
from tests.vectors import examples as x

MA, SN, TN = x.NAMES
NOW_MS: Final = x.NOW_MS
STEP_MS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A certified device and its key."""

    key: SigningKey
    certificate: identity.Certificate

    @property
    def id(self) -> DeviceId:
        return self.certificate.device_id


def certified(name: str, organisation: OrgName = TN, role: Role = Role.OFFICER, **changes: object) -> Device:
    """A device of that name; `changes` go to `issue_certificate`, `issuer`, `key` and `suites` stand for ours."""
    given: dict[str, Any] = dict(changes)
    key = given.pop("key", None) or x.key(name)
    request = identity.make_request(
        key,
        organisation=organisation,
        subject=PersonId(x.fixed(f"{name} subject", 16)),
        role=role,
        nonce=x.fixed(f"{name} nonce", 16),
        suites=given.pop("suites", (x.SUITE,)),
    )
    issuer = given.pop("issuer", None) or x.nation(organisation).enrolment_key
    fields: dict[str, Any] = {"now_ms": NOW_MS, "ceiling": Label.RED, "profile_mac": x.fixed(f"{name} mac"), **given}
    return Device(key=key, certificate=identity.issue_certificate(request, issuer, **fields))


@dataclass(slots=True, kw_only=True)
class Room:
    """What the log's writer keeps of a room."""

    members: set[DeviceId]
    epoch: int = 0
    counters: dict[DeviceId, int] = field(default_factory=dict)
    last: dict[DeviceId, EnvelopeId] = field(default_factory=dict)
    sent: list[EnvelopeId] = field(default_factory=list)


class Log:
    """Writes a log; nothing here checks anything."""

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.documents: dict[int, bytes] = {}
        self.rooms: dict[RoomId, Room] = {}
        self._chains: dict[RoomId, tuple[int, LeafHash]] = {}
        self._nodes: dict[tuple[int, int], bytes] = {}
        self._frontier = Frontier()

    @property
    def size(self) -> int:
        return len(self.leaves)

    @property
    def last(self) -> int:
        """Index of the newest leaf."""
        return len(self.leaves) - 1

    @property
    def now_ms(self) -> int:
        """When the next leaf is accepted."""
        return NOW_MS + STEP_MS * len(self.leaves)

    def append(
        self, leaf_type: LeafType, room: RoomId, data: bytes, document: bytes | None = None, **changes: object
    ) -> int:
        """Append a leaf that follows its chain, or what `changes` make of it; gives its index."""
        seq, previous = self._chains.get(room, (0, LeafHash(ZERO_32)))
        leaf = Leaf(
            type=leaf_type, accepted_at_ms=self.now_ms, room=room, room_seq=seq + 1, previous=previous, object=data
        )
        given: dict[str, Any] = dict(changes)
        leaf = replace(leaf, **given)
        index = len(self.leaves)
        self.leaves.append(leaf)
        if document is not None:
            self.documents[index] = document
        self._chains[leaf.room] = leaf.room_seq, leaf.hash
        for node in self._frontier.append(leaf.hash):
            self._nodes[node.level, node.place] = node.root
        return index

    # ---- the control stream

    def endorsed(self, leaf_type: LeafType, document: Endorsed, **changes: object) -> int:
        return self.append(leaf_type, CONTROL, document.record, document.encode(), **changes)

    def certify(self, *devices: Device, **changes: object) -> None:
        for device in devices:
            self.append(LeafType.CERTIFICATE, CONTROL, device.certificate.encoded, None, **changes)

    def revoke(self, device: Device, *, since_ms: int | None = None, issuer: SigningKey | None = None) -> int:
        organisation = device.certificate.organisation
        revocation = issue_revocation(
            issuer or x.nation(organisation).enrolment_key,
            organisation=organisation,
            device=device.id,
            now_ms=self.now_ms,
            reason="lost",
            compromised_since_ms=since_ms,
        )
        return self.append(LeafType.REVOCATION, CONTROL, revocation.encoded)

    def read(self, auditor: Device, **changes: object) -> int:
        """A reading order of an auditor."""
        order = ReadingOrder(first=0, until=self.size, ordered_at_ms=self.now_ms, nonce=bytes(16))
        given: dict[str, Any] = dict(changes)
        room = given.pop("chain", None) or audit_chain(auditor.certificate.organisation)
        return self.append(LeafType.AUDIT_READ, room, sign_order(order, auditor.key), **given)

    # ---- rooms

    def open(self, creator: Device, name: str = "room", ceiling: Label = Label.AMBER, **changes: object) -> RoomId:
        nonce = x.fixed(name, 16)
        given: dict[str, Any] = dict(changes)
        create = kinds.Create(
            origin=given.pop("origin", x.ORIGIN),
            nonce=nonce,
            suite=x.SUITE,
            ceiling=ceiling,
            owner=given.pop("owner", creator.certificate.organisation),
            agreement=given.pop("agreement", "agreement 7"),
        )
        room = envelope.derive_room_id(create.origin, creator.id, nonce)
        self.rooms[room] = Room(members={creator.id})
        self.post(creator, room, create, **given)
        return room

    def post(self, sender: Device, room: RoomId, specific: Specific, **changes: object) -> int:
        """Append an envelope; `changes` replace fields of its header, and of its leaf where they begin with `leaf_`."""
        state = self.rooms[room]
        given: dict[str, Any] = dict(changes)
        of_leaf = {key[5:]: given.pop(key) for key in list(given) if key.startswith("leaf_")}
        members = set(state.members)
        if isinstance(specific, kinds.Commit):
            members = (members | set(specific.added)) - set(specific.removed)
        sealed = given.pop("sealed", None)
        header = self._header(sender, room, specific, members, given)
        if sealed is None:
            sealed = b"sealed" if header.is_sealed else b""
        made = envelope.sign_envelope(header, sealed, given.pop("key", None) or sender.key)
        if isinstance(specific, kinds.Commit):
            state.members, state.epoch = members, state.epoch + 1
        state.counters[sender.id], state.last[sender.id] = header.counter, made.id
        state.sent.append(made.id)
        return self.append(LeafType.ENVELOPE, room, made.encoded, **of_leaf)

    def _header(
        self, sender: Device, room: RoomId, specific: Specific, members: set[DeviceId], changes: dict[str, Any]
    ) -> envelope.Header:
        state = self.rooms[room]
        kind, sealed = kinds.kind_of(specific), kinds.is_sealed(specific)
        padded = kind in kinds.COMMITTED or (kind is Kind.REPAIR and sealed)
        fields: dict[str, Any] = {
            "kid": sender.id,
            "media_type": MediaType.MLS if sealed else MediaType.NONE,
            "room": room,
            "epoch": state.epoch,
            "counter": state.counters.get(sender.id, 0) + 1,
            "previous": state.last.get(sender.id, EnvelopeId(ZERO_32)),
            "sent_at_ms": self.now_ms,
            "label": Label.AMBER,
            "audience": envelope.audience_digest(members),
            "commitment": x.fixed("commitment") if kind in kinds.COMMITTED else ZERO_32,
            "size_class": 2 if padded else 0,
            "specific": specific,
        }
        fields.update(
            {key: changes.pop(key) for key in list(changes) if key in fields or key in {"voids", "precedence"}}
        )
        return envelope.Header(**fields)

    def add(self, committer: Device, room: RoomId, *devices: Device, **changes: object) -> int:
        added = tuple(sorted(device.id for device in devices))
        self.post(committer, room, kinds.Commit(added=added), **changes)
        return self.post(committer, room, kinds.Welcome(addressees=added))

    def remove(self, committer: Device, room: RoomId, *devices: Device, **changes: object) -> int:
        return self.post(committer, room, kinds.Commit(removed=tuple(sorted(d.id for d in devices))), **changes)

    def disclosable(self, sender: Device, room: RoomId, body: Body, **changes: object) -> tuple[int, bytes, bytes]:
        """A message with real content; gives its index, the disclosure key and the content."""
        given: dict[str, Any] = dict(changes)
        k = x.fixed("disclosure key")
        view = View(log_size=0, log_root=ZERO_32, log_signature=b"", room_seq=0, room_head=ZERO_32)
        content = encode_content(
            Content(
                message_id=bytes(16),
                written_at_ms=self.now_ms,
                label_number=given.pop("inner_label", Label.AMBER),
                pap_number=Pap.AMBER,
                view=view,
                body=body,
            )
        )
        counter = self.rooms[room].counters.get(sender.id, 0) + 1
        commitment = envelope.derive_commitment(k, room, sender.id, counter, content)
        specific = given.pop("specific", kinds.Message())
        return self.post(sender, room, specific, commitment=commitment, **given), k, content

    # ---- what is handed out

    def rows(self, hidden: Iterable[RoomId] = ()) -> list[AuditRow]:
        """The copy of an auditor who sees all rooms but these."""
        bare = set(hidden)
        return [
            AuditRow(
                index=index,
                hash=leaf.hash,
                entry=None if leaf.room in bare else leaf.encode(),
                document=None if leaf.room in bare else self.documents.get(index),
            )
            for index, leaf in enumerate(self.leaves)
        ]

    @property
    def root(self) -> bytes:
        return self._frontier.root()

    def checkpoint(self, **changes: object) -> bytes:
        fields: dict[str, Any] = {"origin": x.ORIGIN, "size": self.size, "root": self.root, **changes}
        return sign_checkpoint(Checkpoint(**fields), x.LOG_SIGNER)

    def control_head(self, **changes: object) -> bytes:
        sequence, leaf = self._chains.get(CONTROL, (0, LeafHash(ZERO_32)))
        fields: dict[str, Any] = {
            "sequence": sequence, "leaf": leaf, "size": self.size, "root": self.root, "time_ms": self.now_ms,
        }  # fmt: skip
        fields.update(changes)
        return sign_control_head(ControlHead(**fields), x.RELAY_KEY)

    def disclosure(self, index: int, k: bytes, content: bytes, sender: Device) -> Disclosure:
        leaf = self.leaves[index]
        return Disclosure(
            envelope=leaf.object,
            k=k,
            content=content,
            entry=leaf.encode(),
            index=index,
            size=self.size,
            path=inclusion_path(lambda level, place: self._nodes[level, place], index, self.size),
            checkpoint=self.checkpoint(),
            certificate=sender.certificate.encoded,
            enrolment=x.nation(sender.certificate.organisation).enrolment.endorsed.encode(),
        )


# ---- the incident

OFFICER_TN: Final = certified("officer tn")
OFFICER_MA: Final = certified("officer ma", MA)
OFFICER_SN: Final = certified("officer sn", SN)
SECOND_TN: Final = certified("second officer tn")
AUDITOR_TN: Final = certified("auditor tn", role=Role.AUDITOR)
AUDITOR_MA: Final = certified("auditor ma", MA, Role.AUDITOR)
BOT_TN: Final = certified(
    "bot tn", role=Role.BOT, ceiling=Label.AMBER, machine=MachineLimits(kinds=(Kind.ALERT,), per_second=20)
)
EVERYBODY: Final = (OFFICER_TN, OFFICER_MA, OFFICER_SN, SECOND_TN, AUDITOR_TN, AUDITOR_MA, BOT_TN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A log, and where things are in it."""

    log: Log
    room: RoomId
    small: RoomId
    hidden: RoomId
    disclosed: int
    k: bytes
    content: bytes
    revoked: int

    def rows(self) -> list[AuditRow]:
        """As the auditor of TN gets them."""
        return self.log.rows(hidden=(self.hidden, audit_chain(MA)))


def community() -> Log:
    """A log with everybody in it and no room yet."""
    log = Log()
    log.endorsed(LeafType.ROSTER, x.roster_of().endorsed)
    for name in x.NAMES:
        log.endorsed(LeafType.ENROLMENT, x.nation(name).enrolment.endorsed)
    log.certify(*EVERYBODY)
    return log


def incident(more: int = 0) -> Incident:
    """Three rooms, one of them out of scope; `more` messages beyond the few that tell the story."""
    log = community()
    room = log.open(OFFICER_TN, "large")
    log.add(OFFICER_TN, room, OFFICER_MA, BOT_TN)
    log.add(OFFICER_TN, room, OFFICER_SN)
    hidden = log.open(OFFICER_MA, "hidden")
    log.add(OFFICER_MA, hidden, OFFICER_SN)
    disclosed, k, content = log.disclosable(OFFICER_TN, room, Text(text="Seen at your side?"))
    message = log.rooms[room].sent[-1]
    log.post(BOT_TN, room, kinds.Alert(count=37))
    log.post(OFFICER_MA, room, kinds.Ack(grade=kinds.Grade.UNDERSTOOD, envelope=message))
    log.post(OFFICER_SN, hidden, kinds.Message())
    log.post(OFFICER_SN, room, kinds.Message(), counter=3, voids=(1, 2))
    log.post(OFFICER_SN, room, kinds.Delivered(room_seq=5))
    small = log.open(OFFICER_TN, "small", agreement=None)
    log.add(OFFICER_TN, small, SECOND_TN)
    log.post(SECOND_TN, small, kinds.Message(), label=Label.GREEN)
    log.read(AUDITOR_MA)
    for number in range(more):
        log.post((OFFICER_TN, OFFICER_MA, OFFICER_SN)[number % 3], room, kinds.Message())
    revoked = log.revoke(OFFICER_SN)
    log.remove(OFFICER_MA, room, OFFICER_SN)
    log.post(OFFICER_TN, room, kinds.Egress(envelope=message, form="disclosure", recipient="a court"))
    log.read(AUDITOR_TN)
    log.post(BOT_TN, room, kinds.Counts(accepted=37, merged=1, dropped=0))
    return Incident(
        log=log, room=room, small=small, hidden=hidden, disclosed=disclosed, k=k, content=content, revoked=revoked
    )


# ---- examining


def anchor(*rosters: bytes) -> Anchor:
    """The community's roster, as somebody holds it who trusts it."""
    return anchor_of_rosters(rosters or (x.roster_of().endorsed.encode(),), "the roster of this test")


def examined(log: Log, rows: Iterable[AuditRow] | None = None, **changes: object) -> Report:
    """Examine a log, whole by default."""
    fields: dict[str, Any] = {"checkpoint": log.checkpoint(), "anchor": anchor(), **changes}
    return examine(log.rows() if rows is None else rows, **fields)


def faults(report: Report) -> list[tuple[int | None, str]]:
    """(index, code) of each fault."""
    return [(f.index, str(f.code)) for f in report.findings if f.severity is Severity.FAULT]


def remarks(report: Report) -> list[Finding]:
    """The remarks, but for the one that no witness has dated the record: `test_times` is about that."""
    found = [finding for finding in report.findings if finding.severity is Severity.REMARK]
    return [finding for finding in found if (finding.index, finding.code) != (None, Code.CLOCK)]


def findings(report: Report) -> list[Finding]:
    """Faults, and remarks as `remarks`."""
    return [*(finding for finding in report.findings if finding.severity is Severity.FAULT), *remarks(report)]
