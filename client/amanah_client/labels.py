"""Whose a message is, who reads it, and how it is quoted, as the rules of labels see it.

The same for the core, which decides when it seals and when it opens, and for the SDK, which is asked first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from amanah_client.model import MessageRow, Struck
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import Certificate
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, OrgName
from amanah_protocol.ways import Inside, Matter, Somebody

Who = Callable[[DeviceId], Somebody]
"""Which person a device is."""
NOBODY: Final = Somebody(organisation=OrgName(""), person=None)
"""Behind a device whose certificate is not known."""


def somebody(certificate: Certificate) -> Somebody:
    """The person of a certificate."""
    return Somebody(organisation=certificate.organisation, person=certificate.subject)


def inside(label: Label, ceiling: Label, certificates: Iterable[Certificate]) -> Inside:
    """A room as somewhere to go: its ceiling, and its members by their certificates."""
    known = tuple(certificates)
    clearance = min((certificate.ceiling for certificate in known), default=Label.RED)
    return Inside(label=label, ceiling=ceiling, clearance=clearance, people=frozenset(map(somebody, known)))


def source_of(sender: Somebody, body: Body | None, struck: Struck | None = None) -> Somebody:
    """Whose a content is: its sender's, and what was forwarded its author's, who is not known by person."""
    origin = None if struck is None else struck.origin
    if isinstance(body, Forwarded):
        origin = body.origin.nation
    return sender if origin is None else Somebody(organisation=origin, person=None)


def circle_of(sender: Somebody, body: Body | None, circle: frozenset[Somebody]) -> frozenset[Somebody]:
    """Who counts as told of a content by being in its room.

    Where it was forwarded, its author's organisation does not choose who is let in: else whoever owns the other room
    would tell anybody by an invitation.
    """
    if not isinstance(body, Forwarded):
        return circle
    told = {sender.organisation, body.origin.nation}
    return frozenset(one for one in circle if one.organisation in told)


def quotation(row: MessageRow, matter: Matter, *, note: str) -> Forwarded:
    """A stored message as it is quoted into another room.

    Raises:
        UsageError: `USAGE`: it has no text.
    """
    accepted_at_ms = row.accepted_at_ms or 0
    match decode_content(row.content).body:
        case Text(text=text) | Correction(text=text):
            pass
        case Forwarded(text=text, origin=first):
            accepted_at_ms = first.accepted_at_ms
        case _:
            raise UsageError(Code.USAGE, "only what has a text is forwarded", hint="Say it in a message of your own.")
    origin = Origin(
        nation=matter.source.organisation,
        room=row.room,
        message=row.envelope,
        accepted_at_ms=accepted_at_ms,
        label=matter.label,
    )
    return Forwarded(text=text, origin=origin, note=note)
