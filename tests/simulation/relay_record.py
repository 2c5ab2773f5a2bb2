"""What the relay does, as events: from the frames that it writes and the batches that its store took."""

from __future__ import annotations

from typing import Final

from amanah_protocol import frames
from amanah_protocol.errors import DecodeError
from amanah_protocol.frames import Accepted, Delivery, PageEnd, Ready, Stored
from amanah_protocol.heads import verify_control_head
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.receipt import Receipt, verify_receipt
from amanah_protocol.revocation import decode_revocation
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from amanah_relay.effects import Append, SessionId
from tests.simulation.client_record import Published
from tests.simulation.history import Acked, Failed, Handed, History, LoggedIn, Promised, Revoked
from tests.simulation.scheduler import Scheduler

_HELLO: Final = frames.Hello.__struct_config__.tag
_NOTED: Final = frozenset(
    kind.__struct_config__.tag for kind in (Stored, Ready, Delivery, PageEnd, frames.Head, frames.Checkpoint)
)


class RelayRecord:
    """Notes the relay's events."""

    def __init__(self, *, scheduler: Scheduler, history: History, published: Published, relay_key: bytes) -> None:
        """Begin with nothing.

        Args:
            scheduler: The world's time and trace.
            history: Where events go.
            published: What clients have published, by its bytes.
            relay_key: The relay's public key, with which its promises are verified.
        """
        self.history = history
        self._scheduler = scheduler
        self._published = published
        self._relay_key = relay_key
        self._devices: dict[SessionId, DeviceId] = {}
        self._requests: dict[tuple[SessionId, int], tuple[EnvelopeId, ...]] = {}

    @property
    def _now(self) -> int:
        return self._scheduler.elapsed_ms

    def received(self, session: SessionId, data: bytes) -> None:
        """A frame of a client arrived."""
        if data[1] == _HELLO:
            hello = frames.decode_login_frame(data)
            assert isinstance(hello, frames.Hello)
            self._devices[session] = DeviceId(hello.device)
            self._requests = {key: ids for key, ids in self._requests.items() if key[0] != session}
        published = self._published.find(data)
        if published is not None:
            request, envelopes = published
            self._requests[session, request] = envelopes

    def stored(self, batch: Append) -> None:
        """The store took a batch, whether or not it says so."""
        self._scheduler.note("append", batch.first, len(batch.entries), batch.root)
        for entry in batch.entries:
            if entry.type is LeafType.REVOCATION and entry.document is None:
                device = decode_revocation(entry.object).device
                self.history.add(Revoked(at_ms=self._now, device=device))

    def writing(self, session: SessionId, data: bytes) -> None:
        """A frame is written to a client."""
        device = self._devices.get(session)
        if device is None or data[1] not in _NOTED:
            return
        match frames.decode_relay_frame(data):
            case Stored() as stored:
                self._acknowledge(session, device, stored)
            case Ready() as ready:
                self.history.add(LoggedIn(at_ms=self._now, device=device))
                self._promise_checkpoint(ready.checkpoint)
                self._promise_head(ready.control_head)
            case Delivery() as delivery:
                event = Handed(
                    at_ms=self._now,
                    device=device,
                    room=RoomId(delivery.room),
                    room_seq=delivery.room_seq,
                    has_content=bool(delivery.content) or delivery.length > 0,
                )
                self.history.add(event)
            case PageEnd(head=head) | frames.Head(head=head):
                self._promise_head(head)
            case frames.Checkpoint(note=note):
                self._promise_checkpoint(note)
            case _:
                pass

    def _acknowledge(self, session: SessionId, device: DeviceId, stored: Stored) -> None:
        receipt = verify_receipt(stored.receipt, self._relay_key).value
        self._promise("receipt", receipt.size, receipt.root)
        for accepted in stored.accepted:
            # A publish is stored whole or not at all, so its answer names all its envelopes, in order.
            envelopes = self._requests.get((session, accepted.request), ())
            if len(envelopes) not in {0, len(accepted.indices)}:
                detail = f"{len(accepted.indices)} of a publish's {len(envelopes)} envelopes are acknowledged"
                self.history.add(Failed(at_ms=self._now, who="relay", detail=detail))
                continue
            for place, envelope in enumerate(envelopes):
                self.history.add(_acked(self._now, device, receipt, accepted, place, envelope))

    def _promise_checkpoint(self, note: bytes) -> None:
        checkpoint, _ = decode_checkpoint(note)
        self._promise("checkpoint", checkpoint.size, checkpoint.root)

    def _promise_head(self, head: bytes) -> None:
        try:
            control = verify_control_head(head, self._relay_key).value
        except DecodeError:
            return  # the head of a room names a size and no root
        self._promise("control head", control.size, control.root)

    def _promise(self, source: str, size: int, root: bytes) -> None:
        self.history.add(Promised(at_ms=self._now, source=source, size=size, root=root))


def _acked(
    at_ms: int, device: DeviceId, receipt: Receipt, accepted: Accepted, place: int, envelope: EnvelopeId
) -> Acked:
    index = accepted.indices[place]
    at = index - receipt.first_index
    return Acked(
        at_ms=at_ms,
        device=device,
        envelope=envelope,
        index=index,
        room_seq=accepted.sequences[place],
        leaf=receipt.leaves[at] if 0 <= at < len(receipt.leaves) else None,
    )
