"""A room to type into: three nations, and what stands on its board."""

from __future__ import annotations

from collections.abc import Iterator

from amanah_client.composing.line import Situation
from amanah_client.directory import Party
from amanah_client.incident.board import Board
from amanah_client.incident.event import Author, Event
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.proposal import Proposal
from amanah_protocol.content.task import Task
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import Role
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId

TN, MA, SN = (OrgName(f"cert.example.{nation}") for nation in ("tn", "ma", "sn"))
NOW_MS = 1_764_000_000_000


def party(organisation: OrgName, number: int, name: str) -> Party:
    return Party(
        device=DeviceId(bytes(31) + bytes((number,))),
        organisation=organisation,
        role=Role.OFFICER,
        name=name,
        revoked=False,
        subject=PersonId(bytes(15) + bytes((number,))),
    )


ANALYST, LEAD, THIRD = party(TN, 1, "Analyst on duty"), party(MA, 2, "Malware lead"), party(SN, 3, "Shift lead")
MEMBERS = (ANALYST, LEAD, THIRD)
ASKED = EnvelopeId(b"\xaa" * 32)
OTHER = EnvelopeId(b"\xbb" * 32)
TASK = Task(id=b"\x11" * 16, what="image the disks", nation=TN)
CLOCK = Clock(id=b"\x22" * 16, nature=Nature.EMBARGO, what="nothing is said", at_ms=NOW_MS + 1)
PROPOSAL = Proposal(ordinal=1, what="sinkhole", object_until_ms=NOW_MS + 1, quorum=2, nations=tuple(sorted((TN, MA))))
PROPOSED = EnvelopeId(b"\xcc" * 32)
FRESH = b"\x55" * 16


def told() -> Iterator[tuple[EnvelopeId, Said]]:
    yield ASKED, Text(text="who sees this?")
    yield OTHER, TASK
    yield EnvelopeId(b"\xbc" * 32), CLOCK
    yield PROPOSED, PROPOSAL


def board() -> Board:
    made = Board()
    author = Author(device=ANALYST.device, organisation=TN, person=PersonId(bytes(16)), role=Role.OFFICER)
    for seq, (identifier, body) in enumerate(told(), 1):
        made.apply(Event(seq=seq, id=identifier, author=author, at_ms=1, specific=kinds.Message(), body=body))
    return made


def find(digits: str) -> EnvelopeId:
    found = [identifier for identifier, _ in told() if identifier.hex().startswith(digits)]
    if len(found) != 1:
        raise UsageError(Code.NOT_FOUND, f"{len(found)} messages begin with {digits!r}")
    return found[0]


def situation(*, answering: EnvelopeId | None = ASKED) -> Situation:
    return Situation(
        board=board(),
        members=MEMBERS,
        now_ms=NOW_MS,
        message=find,
        fresh_id=lambda: FRESH,
        number=2,
        answering=answering,
        known=(TN, MA, SN, OrgName("cert.example.fr"), OrgName("cert.example.de"), OrgName("cert.other.de")),
    )
