"""What a client does, as events: from the writes that became durable and the frames that left."""

from __future__ import annotations

from typing import Final

from amanah_client import effects as e
from amanah_client import model
from amanah_client.core import group_of
from amanah_protocol import frames
from amanah_protocol.crypto import SigningKey, sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.kinds import Kind
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.simulation.history import Asked, Entered, History, Joined, Kept, Left, Raised, Sent
from tests.simulation.scheduler import Scheduler

PUBLISH: Final = frames.Publish.__struct_config__.tag
_EPOCH_MOVERS: Final = frozenset({Kind.CREATE, Kind.COMMIT, Kind.WELCOME})
_INSIDE: Final = frozenset(
    {model.RoomStatus.OPENING, model.RoomStatus.OPEN, model.RoomStatus.HALTED, model.RoomStatus.BEHIND}
)


class Published:
    """Which envelopes every publish carried, by its bytes: the relay's record looks them up."""

    def __init__(self) -> None:
        self._envelopes: dict[bytes, tuple[int, tuple[EnvelopeId, ...]]] = {}

    def remember(self, data: bytes, request: int, envelopes: tuple[EnvelopeId, ...]) -> None:
        """A publish left a client."""
        self._envelopes[sha256(data)] = (request, envelopes)

    def find(self, data: bytes) -> tuple[int, tuple[EnvelopeId, ...]] | None:
        """Request number and envelopes, if these bytes are a publish."""
        return self._envelopes.get(sha256(data))


class ClientRecord:
    """Notes one client's events."""

    def __init__(self, *, scheduler: Scheduler, history: History, published: Published, key: SigningKey) -> None:
        """Begin with an empty store.

        Args:
            scheduler: The world's time and trace.
            history: Where events go.
            published: Where publishes are remembered.
            key: The device's key: what a thief of the whole device would have.
        """
        self.history = history
        self.device = DeviceId(key.key_id)
        self._scheduler = scheduler
        self._published = published
        self._key = key
        self._rows: dict[tuple[RoomId, EnvelopeId], model.MessageRow] = {}
        self._rooms: dict[RoomId, model.RoomRow] = {}
        self._sent: set[EnvelopeId] = set()

    @property
    def _now(self) -> int:
        return self._scheduler.elapsed_ms

    def asked(self, intent: model.Intent) -> None:
        """An intent is durable."""
        self._scheduler.note("asked", self.device, intent)
        self.history.add(Asked(at_ms=self._now, device=self.device, intent=intent.id, action=intent.action))

    def told(self, effect: e.Effect) -> None:
        """The faces heard something."""
        self._scheduler.note("told", self.device, effect)

    def sending(self, data: bytes) -> None:
        """A frame leaves."""
        self._scheduler.note("up", self.device, data)
        if data[1] != PUBLISH:
            return
        frame = frames.decode_client_frame(data)
        assert isinstance(frame, frames.Publish)
        envelopes = [decode_envelope(item.envelope) for item in frame.items]
        self._published.remember(data, frame.request, tuple(envelope.id for envelope in envelopes))
        for envelope in envelopes:
            if envelope.id not in self._sent:
                self._sent.add(envelope.id)
                header = envelope.header
                event = Sent(
                    at_ms=self._now,
                    device=self.device,
                    room=header.room,
                    envelope=envelope.id,
                    counter=header.counter,
                )
                self.history.add(event)

    def stored(self, writes: tuple[e.Write, ...]) -> None:
        """Writes became durable, all of them."""
        moved = False
        for write in writes:
            match write:
                case e.PutMessage(row=row):
                    self._keep(row)
                    moved |= row.kind in _EPOCH_MOVERS
                case e.PutAlarm(alarm=alarm) if not alarm.own:
                    self._scheduler.note("alarm", self.device, alarm)
                    event = Raised(at_ms=self._now, device=self.device, code=alarm.code, detail=alarm.detail)
                    self.history.add(event)
                case _:
                    pass
        for write in writes:
            if isinstance(write, e.PutRoom):
                self._move(write.row, moved=moved)

    def _keep(self, row: model.MessageRow) -> None:
        before = self._rows.get((row.room, row.envelope))
        self._rows[row.room, row.envelope] = row
        known = self._rooms.get(row.room)
        joining = known is None or known.status is model.RoomStatus.JOINING
        self.history.add(Kept(at_ms=self._now, device=self.device, row=row, before=before, joining=joining))

    def _move(self, row: model.RoomRow, *, moved: bool) -> None:
        before = self._rooms.get(row.room)
        self._rooms[row.room] = row
        was_inside = before is not None and before.status in _INSIDE
        if row.status in _INSIDE and not was_inside:
            self.history.add(Joined(at_ms=self._now, device=self.device, room=row.room))
        if row.status is model.RoomStatus.REMOVED and (before is None or before.status is not row.status):
            self.history.add(Left(at_ms=self._now, device=self.device, room=row.room))
        group = group_of(row, self._key) if row.group and (moved or not was_inside) else None
        if group is None:
            return
        entered = Entered(
            at_ms=self._now,
            device=self.device,
            room=row.room,
            epoch=group.epoch,
            secret=group.export("amanah simulation", row.room, 32),
            group=row.group,
            keys=row.keys,
        )
        self._scheduler.note("entered", self.device, entered.room, entered.epoch, entered.secret)
        self.history.add(entered)
