"""A record of a week for pages to show: rooms, nations, acknowledgements, alerts, witnesses, strings that bite."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from amanah_client import effects as e
from amanah_client.audit.local import remember_roster
from amanah_client.home import Profile
from amanah_client.log_rows import AuditRow, LogView, Quorum, WitnessedRow
from amanah_protocol import kinds
from amanah_protocol.audit import audit_chain
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import Grade, Kind
from amanah_protocol.labels import Label, Precedence
from amanah_protocol.log.checkpoint import Checkpoint, decode_checkpoint, sign_checkpoint
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.note import Note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.roster import Roster, Witness, decode_roster
from amanah_protocol.types import EnvelopeId, RoomId
from tests.client.audit.auditor import home_at
from tests.client.audit.world import (
    AUDITOR_MA,
    AUDITOR_TN,
    EVERYBODY,
    MA,
    NOW_MS,
    OFFICER_MA,
    OFFICER_SN,
    OFFICER_TN,
    SECOND_TN,
    TN,
    Device,
    Log,
    certified,
)
from tests.vectors import examples as x

HOSTILE: Final = "<img src=x onerror=alert(1)>\"'><script>alert(2)</script>\u202egnp.exe"
"""What a peer may write where it may write: markup, quotes that end an attribute, a mark that turns text round."""
NAMES: Final = ("Dakar", "Rabat", "Tunis", "Paris")
SIGNERS: Final = tuple(
    NoteSigner(name=f"{name.lower()}.example", key=x.key(f"witness {name}"), kind=SignatureType.COSIGNATURE)
    for name in NAMES
)
HOUR_MS: Final = 3_600_000
BOT: Final = certified(
    "bot", role=Role.BOT, ceiling=Label.RED, machine=MachineLimits(kinds=(Kind.ALERT,), per_second=20)
)


def roster() -> Roster:
    witnesses = tuple(
        Witness(name=f"CERT of {name}", keys=(signer.verifier,)) for name, signer in zip(NAMES, SIGNERS, strict=True)
    )
    document = x.roster_document(1, witnesses=witnesses, quorum=3)
    return decode_roster(x.endorsed(document, *x.custodians(*x.NAMES[:2])).encode())


class Days(Log):
    """A log whose time goes by as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.at_ms = NOW_MS

    @property
    def now_ms(self) -> int:
        return self.at_ms

    def pass_(self, ms: int) -> None:
        self.at_ms += ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The log, where things are in it, and its published checkpoints."""

    log: Days
    room: RoomId
    hostile: RoomId
    hidden: RoomId
    message: int
    envelope: EnvelopeId
    notes: tuple[bytes, ...]

    def rows(self) -> list[AuditRow]:
        return self.log.rows(hidden=(self.hidden, audit_chain(MA)))


def cosigned(log: Days, size: int, *, by: int = 3) -> bytes:
    """The checkpoint of the first leaves, cosigned by so many witnesses just then."""
    frontier = Frontier()
    for leaf in log.leaves[:size]:
        frontier.append(leaf.hash)
    note = decode_checkpoint(
        sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=size, root=frontier.root()), x.LOG_SIGNER)
    )[1]
    at_s = log.leaves[size - 1].accepted_at_ms // 1000 + 2
    lines = [signer.sign(note.text, time_s=at_s + number) for number, signer in enumerate(SIGNERS[:by])]
    return Note(text=note.text, signatures=(*note.signatures, *lines)).encode()


def tell(messages: int = 160) -> Told:
    """A week of an incident; all of it from one seed."""
    chance, log = random.Random(7), Days()
    notes: list[bytes] = []
    log.endorsed(LeafType.ROSTER, roster().endorsed)
    for name in x.NAMES:
        log.endorsed(LeafType.ENROLMENT, x.nation(name).enrolment.endorsed)
    log.certify(*EVERYBODY, BOT)
    room = log.open(OFFICER_TN, "large", Label.AMBER_STRICT, agreement="TN-MA-SN 2026-11")
    log.pass_(40_000)
    log.add(OFFICER_TN, room, OFFICER_MA, BOT)
    hidden = log.open(OFFICER_MA, "hidden")
    log.add(OFFICER_MA, hidden, OFFICER_SN)
    log.pass_(9 * HOUR_MS)
    log.add(OFFICER_TN, room, OFFICER_SN)
    message = log.post(OFFICER_TN, room, kinds.Message(), label=Label.AMBER_STRICT, precedence=Precedence.FLASH)
    envelope = log.rooms[room].sent[-1]
    log.pass_(95_000)
    log.post(OFFICER_MA, room, kinds.Ack(grade=Grade.UNDERSTOOD, envelope=envelope), label=Label.AMBER_STRICT)
    _talk(log, room, chance, messages, notes)
    hostile = log.open(OFFICER_TN, "hostile", agreement=HOSTILE)
    log.add(OFFICER_TN, hostile, SECOND_TN)
    log.post(SECOND_TN, hostile, kinds.Message(), label=Label.GREEN)
    target = log.rooms[hostile].sent[-1]
    log.post(SECOND_TN, hostile, kinds.Egress(envelope=target, form="disclosure", recipient=HOSTILE))
    log.post(OFFICER_TN, hostile, kinds.Refuse(commit=log.rooms[hostile].sent[1], code="<b>code</b>\u202e"))
    log.read(AUDITOR_MA)
    log.revoke(OFFICER_SN, since_ms=log.now_ms - HOUR_MS)
    log.remove(OFFICER_MA, room, OFFICER_SN)
    log.post(OFFICER_TN, room, kinds.Egress(envelope=envelope, form="disclosure", recipient="a court"))
    log.read(AUDITOR_TN)
    log.post(BOT, room, kinds.Counts(accepted=914, merged=871, dropped=2))
    return Told(
        log=log, room=room, hostile=hostile, hidden=hidden, message=message, envelope=envelope, notes=tuple(notes)
    )


def _talk(log: Days, room: RoomId, chance: random.Random, messages: int, notes: list[bytes]) -> None:
    talkers: tuple[tuple[Device, int], ...] = ((OFFICER_TN, 5), (OFFICER_MA, 3), (OFFICER_SN, 2), (BOT, 3))
    for number in range(messages):
        log.pass_(chance.choice((20_000, 90_000, 400_000, HOUR_MS, 3 * HOUR_MS)) if number % 9 else 5 * HOUR_MS // 2)
        (sender,) = chance.choices([talker for talker, _ in talkers], [weight for _, weight in talkers])
        if sender is BOT:
            log.post(sender, room, kinds.Alert(count=chance.randint(1, 100)))
            continue
        log.post(sender, room, kinds.Message(), label=chance.choice((Label.AMBER, Label.GREEN, Label.AMBER_STRICT)))
        told = log.rooms[room].sent[-1]
        for device in (OFFICER_MA, OFFICER_SN):
            if device is not sender and chance.random() < 0.4:
                log.pass_(int(1000 * chance.lognormvariate(4, 1.4)))
                grade = chance.choice(tuple(Grade))
                log.post(device, room, kinds.Ack(grade=grade, envelope=told))
        if number % 12 == 0:
            notes.append(cosigned(log, log.size))


TOLD: Final = tell()


def tampered(rows: Iterable[AuditRow], index: int) -> list[AuditRow]:
    """The copy with one entry in place of another: its hash is the log's, its bytes are not."""
    changed = list(rows)
    changed[index] = replace(changed[index], entry=changed[index - 1].entry)
    return changed


def auditor(path: Path, told: Told, rows: list[AuditRow] | None = None) -> Profile:
    """The profile of TN's auditor, with a copy of the log."""
    made, encoded = home_at(path), roster().endorsed.encode()
    made.store.install(
        certificate=AUDITOR_TN.certificate.encoded,
        enrolment=x.nation(TN).enrolment.endorsed.encode(),
        profile=x.profile().encoded,
        roster=encoded,
    )
    remember_roster(made, encoded)
    log = told.log
    note = cosigned(log, log.size)
    view = LogView(size=log.size, root=log.root, checkpoint=note, seen_at_ms=0)
    at_s = log.now_ms // 1000
    witnessed = WitnessedRow(
        size=log.size, root=log.root, note=note,
        cosignatures=tuple((f"CERT of {name}", at_s + 2) for name in NAMES[:3]),
        witnesses=4, state=Quorum.SEEN, since_ms=log.now_ms,
    )  # fmt: skip
    made.store.commit(
        (
            e.PutAuditRows(rows=tuple(told.rows() if rows is None else rows)),
            e.PutLogView(view=view),
            e.PutControlHead(head=log.control_head()),
            e.PutWitnessed(row=witnessed),
        )
    )
    made.store.copy.put_checkpoints((decode_checkpoint(one)[0].size, one) for one in told.notes)
    return made
