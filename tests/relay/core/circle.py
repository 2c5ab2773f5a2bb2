"""One room with officers of two nations and a bot, for tests that break one thing only."""

from __future__ import annotations

from typing import Any, Final

from amanah_protocol import frames
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import Code
from amanah_protocol.identity import MachineLimits, Role
from amanah_protocol.kinds import Specific
from amanah_protocol.types import EnvelopeId, RoomId
from amanah_relay.quotas import RelayLimits
from tests.relay.people import Device
from tests.relay.world import MA, SEALED, SN, Peer, World, code_of

ID: Final = EnvelopeId(bytes(32))


class Circle:
    """A room of `officer` (its owner's), `guest` (of another nation) and `bot`."""

    def __init__(self, limits: RelayLimits | None = None, machine: MachineLimits | None = None) -> None:
        self.world = World(limits)
        self.officer = self.world.officer("officer")
        self.guest = self.world.officer("guest", of=MA)
        self.bot = self.world.login(self.world.certify("bot", Role.BOT, machine=machine or MachineLimits()))
        self.outsider = self.world.officer("outsider", of=SN)
        self.room = self.world.open_room(self.officer, device_of(self.guest), device_of(self.bot))

    def make(self, sender: Peer, specific: Specific, content: bytes = SEALED, **changes: Any) -> Envelope:  # noqa: ANN401 - fields of a header
        """The sender's next envelope."""
        return self.world.envelope(device_of(sender), self.room, specific, content, **changes)

    def refusal(self, sender: Peer, *items: Envelope | tuple[Envelope, bytes | None]) -> frames.Refused:
        """Publish what must be refused, whole and without a trace; gives the refusal."""
        before = self.world.store.state()
        leaves = len(self.world.store.entries)
        sender.publish(*items)
        refused = sender.refused()
        assert not sender.take(frames.Stored)
        assert len(self.world.store.entries) == leaves
        assert self.world.store.state() == before
        self.recall(sender)
        return refused

    def recall(self, sender: Peer) -> None:
        """The sender goes on behind its last accepted envelope."""
        for room in tuple(device_of(sender).made):
            self.world.recall(device_of(sender), RoomId(room))

    def code(self, sender: Peer, *items: Envelope | tuple[Envelope, bytes | None]) -> Code:
        """The code of that refusal."""
        return code_of(self.refusal(sender, *items))

    def accept(self, sender: Peer, *items: Envelope | tuple[Envelope, bytes | None]) -> frames.Stored:
        """Publish what must be accepted."""
        sender.publish(*items)
        assert not sender.take(frames.Refused)
        self.recall(sender)
        return sender.one(frames.Stored)


def device_of(peer: Peer) -> Device:
    """The device behind a connection."""
    assert peer.device is not None
    return peer.device
