"""Fuzz `decode_content` and `open_plaintext`: what another member sealed."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from amanah_protocol import limits
from amanah_protocol.content import (
    bodies,
    clock,
    closing,
    file,
    forwarded,
    handover,
    history,
    incident,
    page,
    proposal,
    reaction,
    revision,
    sealed,
    task,
    text,
)
from amanah_protocol.errors import PeerError
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, OrgName, RoomId

_VIEW: Final = sealed.View(log_size=3, log_root=bytes(32), log_signature=bytes(64), room_seq=2, room_head=bytes(32))
_PAST: Final = bodies.PastMessage(envelope=EnvelopeId(bytes(32)), content=b"content", k=bytes(32))
_BODIES: Final = (
    text.Text(text="hello", reply_to=EnvelopeId(bytes(32)), asks=Grade.READ),
    reaction.Reaction(message=EnvelopeId(bytes(32)), sign="a"),
    revision.Correction(message=EnvelopeId(bytes(32)), text="a"),
    incident.Incident(title="a", type="other/other"),
    task.Task(id=bytes(16), what="a", nation=OrgName("cert.example.tn")),
    task.TaskMoved(id=bytes(16), state=task.TaskState.DONE),
    proposal.Proposal(ordinal=1, what="a", object_until_ms=1, quorum=1, nations=(OrgName("cert.example.tn"),)),
    proposal.Position(proposal=EnvelopeId(bytes(32)), agrees=True),
    clock.Clock(id=bytes(16), nature=clock.Nature.ACTION, what="a", at_ms=1),
    handover.Handover(text="a", to=text.Mention(called=text.Called.DESK, organisation=OrgName("cert.example.tn"))),
    file.File(name="a", size=1, digest=bytes(32), key=bytes(32), attachment=bytes(32), sample=True, text="a"),
    page.Page(message=EnvelopeId(bytes(32)), step=1, whom="a", result=page.Result.REACHED, at_ms=1),
    forwarded.Forwarded(
        text="a",
        origin=forwarded.Origin(
            nation=OrgName("cert.example.tn"),
            room=RoomId(bytes(16)),
            message=EnvelopeId(bytes(32)),
            accepted_at_ms=1,
            label=Label.GREEN,
        ),
    ),
    closing.Closing(first=1, last=2, facts=(bytes(32),) * 6, sign_until_ms=1, nations=(OrgName("cert.example.tn"),)),
    closing.ClosingRecorded(closing=EnvelopeId(bytes(32)), nations=()),
    closing.SignOff(closing=EnvelopeId(bytes(32)), first=1, facts=(bytes(32),) * 6),
    bodies.Profile(encoded=b"profile"),
    bodies.RoomInfo(title="title", description=""),
    history.Grant(
        log_size=3,
        log_root=bytes(32),
        log_signature=bytes(64),
        items=(history.Granted(entry=b"entry", index=1, path=(bytes(32),), content=b"content", k=bytes(32)),),
    ),
    bodies.Repair(items=(_PAST,)),
    bodies.Unknown(type=99, raw=b"\x80"),
)
SEEDS: Final = tuple(
    sealed.encode_content(
        sealed.Content(
            message_id=bytes(16), written_at_ms=1, label_number=2, pap_number=1, view=_VIEW, body=body, drill=drill
        )
    )
    for body in _BODIES
    for drill in (False, True)
)


def run(data: bytes) -> None:
    """What is accepted has one form; any plaintext is taken apart or refused."""
    for size_class, length in enumerate(limits.SIZE_CLASSES, start=1):
        if len(data) <= length:
            with suppress(PeerError):
                sealed.open_plaintext(data.ljust(length, b"\0"), size_class)
            break
    assert sealed.encode_content(sealed.decode_content(data)) == data
