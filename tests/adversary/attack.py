"""What a strategy may do to a relay: hooks on everything that passes between its core, its store and its clients."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from amanah_protocol import frames
from amanah_protocol.envelope import Envelope
from amanah_protocol.types import DeviceId
from amanah_relay.effects import Append

if TYPE_CHECKING:
    from tests.adversary.evil import EvilRelay

Out: TypeAlias = "frames.Frame | bytes"
Heads: TypeAlias = frames.Head | frames.Checkpoint | frames.PageEnd | frames.Path | frames.Stored


class Attack:
    """What a strategy may override; as it stands it is the honest relay.

    Every `on_...` hook on frames gives what is written in place of the frame: nothing, the same,
    others, or raw bytes.

    Attributes:
        from_the_start: Whether it is told of what happens before the stage is set, too.
    """

    from_the_start = False

    def __init__(self) -> None:
        self.armed = False
        """Nothing is done before the stage is set."""

    def on_receive(self, relay: EvilRelay, sender: DeviceId | None, data: bytes) -> bool:
        """A frame of a client arrived; False keeps it from the core."""
        return True

    def on_store(self, relay: EvilRelay, batch: Append) -> None:
        """A batch is durable, and nobody has heard of it yet."""

    def on_deliver(self, relay: EvilRelay, to: DeviceId, frame: frames.Delivery) -> Iterable[Out]:
        """An entry of a room is written to a device."""
        return (frame,)

    def on_keypackage(self, relay: EvilRelay, to: DeviceId, frame: frames.KeyPackages) -> Iterable[Out]:
        """Key packages are handed to who asked for them."""
        return (frame,)

    def on_roster(self, relay: EvilRelay, to: DeviceId, frame: frames.ControlEntry) -> Iterable[Out]:
        """An entry of the control stream: certificates, revocations, rosters."""
        return (frame,)

    def on_checkpoint(self, relay: EvilRelay, to: DeviceId, frame: Heads) -> Iterable[Out]:
        """The relay signs something about its log: heads, checkpoints, receipts; or proves it."""
        return (frame,)

    def on_login(self, relay: EvilRelay, to: DeviceId, frame: frames.Challenge | frames.Ready) -> Iterable[Out]:
        """A step of a login."""
        return (frame,)

    def on_other(self, relay: EvilRelay, to: DeviceId, frame: frames.Frame) -> Iterable[Out]:
        """Any other frame."""
        return (frame,)

    def on_time(self, relay: EvilRelay) -> None:
        """A second has passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """An entry of a room that no admission has seen.

    Attributes:
        object: The envelope's bytes, or what stands in their place.
        content: Sealed content beside it.
        envelope: The envelope, where the bytes are one.
        tree: A sealed ratchet tree that it names.
    """

    object: bytes
    content: bytes = b""
    envelope: Envelope | None = None
    tree: bytes | None = None

    @classmethod
    def of(cls, envelope: Envelope, content: bytes = b"", tree: bytes | None = None) -> Planted:
        """An envelope with its content, and the tree beside it."""
        return cls(object=envelope.encoded, content=content, envelope=envelope, tree=tree)
