"""An entry of a room as the fold takes it: verified, opened where it can be read, and with its place."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from amanah_client.model import Struck
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.revision import Correction
from amanah_protocol.identity import Role
from amanah_protocol.labels import Pap
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote an entry.

    Attributes:
        device: The device.
        organisation: Its nation.
        person: The pseudonym behind it; the devices of one person are one author.
        role: What its certificate made the device when it wrote the entry; None where that is not known.
    """

    device: DeviceId
    organisation: OrgName
    person: PersonId
    role: Role | None

    def is_same(self, other: Author) -> bool:
        """Whether both are one person."""
        return (self.organisation, self.person) == (other.organisation, other.person)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry.

    Attributes:
        seq: Its place in the room.
        id: Its envelope.
        author: Who wrote it.
        at_ms: When the relay accepted it: one time for all who read it.
        specific: What its header says for all to see.
        body: What was sealed; None for header-only kinds and what cannot be read here.
        label_number: The label it was sent with.
        pap: What its author lets receivers do with it.
        struck: What counts on where its words are gone.
        index: Its place in the log; None where that is not known.
    """

    seq: int
    id: EnvelopeId
    author: Author
    at_ms: int
    specific: kinds.Specific
    body: Body | None = field(default=None, repr=False)
    label_number: int = 0
    pap: Pap = Pap.CLEAR
    struck: Struck | None = None
    index: int | None = None

    @property
    def corrects(self) -> EnvelopeId | None:
        """What it corrects, or wants to, whether or not its words are here; None where it is no correction."""
        if isinstance(self.body, Correction):
            return self.body.message
        return None if self.struck is None else self.struck.corrects
