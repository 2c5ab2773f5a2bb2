"""From what is to be said to signed envelopes: one publish, its counters and its links.

Sealing moves the group's keys on; the state is written in the same step, before anything leaves.
"""

from __future__ import annotations

from dataclasses import replace

from amanah_client.core import monitor
from amanah_client.core.checks import check_machine
from amanah_client.core.context import Context
from amanah_client.core.room import Room
from amanah_client.core.transfer import MAX_ITEMS_BYTES, fly, item_bytes
from amanah_client.model import InFlight, Intent, IntentState, MessageRow, MessageState, RoomStatus
from amanah_protocol import kinds, limits, rooms
from amanah_protocol.content.bodies import Body
from amanah_protocol.content.history import Grant
from amanah_protocol.content.sealed import Content, View, encode_content, pad
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import (
    Envelope,
    Header,
    audience_digest,
    decode_header,
    derive_commitment,
    sign_envelope,
)
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.kinds import MediaType, Specific
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import ZERO_32, DeviceId


class Batch:
    """The envelopes of one publish, each continuing the one before it."""

    def __init__(self, ctx: Context, room: Room) -> None:
        """Continue the room's own record; who has lost its keys can still sign what seals nothing.

        Raises:
            UsageError: `NOT_MEMBER` where this device has no keys.
        """
        if room.engine is None or (room.group is None and room.row.status is not RoomStatus.LOST):
            raise UsageError(Code.NOT_MEMBER, "this device has no keys of the room")
        self._ctx, self._room = ctx, room
        self._group, self._engine = room.group, room.engine
        self._counter = room.row.counter
        self._previous = room.row.last_id
        self._voids = room.row.voids
        self._items: list[tuple[bytes, bytes]] = []
        self._intents: list[str] = []
        self._rows: list[MessageRow] = []
        self._asked: list[Intent] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def room_for(self) -> int:
        """Envelopes that may still be added.

        A refusal voids them all, and at most 16 voids can be named: after one refusal they go out one
        by one, so that a run of bad luck (others change the room faster than we can write) does not end
        the device's record.
        """
        most = 1 if self._room.row.voids else limits.MAX_VOIDS // 2
        return min(limits.MAX_PUBLISH, most) - len(self._items)

    def add_bare(
        self, specific: Specific, intent: Intent | None = None, *, members: set[DeviceId] | None = None
    ) -> None:
        """Add an envelope that seals nothing.

        Raises:
            DecodeError: A field is out of bounds.
            RefusedError: `ROLE` or `LABEL`.
        """
        audience = self._room.audience() if members is None else audience_digest(members)
        header = self.header(specific, audience=audience)
        self.check(header)
        self.sign(header, b"", intent)

    def add_message(
        self,
        body: Body,
        specific: Specific,
        *,
        message_id: bytes,
        written_at_ms: int,
        label: Label,
        pap: Pap = Pap.AMBER,
        precedence: Precedence = Precedence.ROUTINE,
        intent: Intent | None = None,
    ) -> bool:
        """Seal and add a message.

        Returns:
            False when it does not fit the frame any more; nothing was changed.

        Raises:
            DecodeError: A field is out of bounds.
            RefusedError: `ROLE` or `LABEL`.
            UsageError: `TOO_LARGE`; `STATE_LOST` where this device has no keys.
        """
        ctx, room, group = self._ctx, self._room, self._group
        if group is None:
            raise UsageError(Code.STATE_LOST, "this device's keys of the room are gone")
        content = Content(
            message_id=message_id,
            written_at_ms=written_at_ms,
            label_number=int(label),
            pap_number=int(pap),
            view=self._view(),
            body=body,
            drill=room.spec.drill,
        )
        encoded = encode_content(content)
        key = ctx.random(32)
        size_class, plaintext = pad(key, encoded)
        if self._items and self._bytes + item_bytes(bytes(limits.MAX_ENVELOPE_BYTES), plaintext) > MAX_ITEMS_BYTES:
            return False
        committed = kinds.kind_of(specific) in kinds.COMMITTED
        commitment = derive_commitment(key, room.id, ctx.me, self._counter + 1, encoded)
        header = self.header(
            specific,
            audience=room.audience(),
            label=label,
            precedence=precedence,
            media_type=self._engine.media_type,
            commitment=commitment if committed else ZERO_32,
            size_class=size_class,
        )
        self.check(header)
        sealed = group.seal(plaintext, aad=header.aad, random=ctx.random)
        room.used_key()
        self.sign(header, sealed, intent)
        if committed:  # others' words that are sent again stand in their own rows, where an erasure finds them
            self._rows[-1] = replace(self._rows[-1], written_at_ms=written_at_ms, message_id=message_id)
            if not isinstance(body, Grant):
                self._rows[-1] = replace(self._rows[-1], content=encoded, key=key)
        room.note_message(self._ctx.me, message_id)
        return True

    def _view(self) -> View:
        size, root, signature = monitor.view_of(self._ctx) or (0, ZERO_32, b"")
        row = self._room.row
        return View(
            log_size=size,
            log_root=root,
            log_signature=signature,
            room_seq=row.head_seq,
            room_head=row.head_leaf,
        )

    def header(
        self,
        specific: Specific,
        *,
        audience: bytes,
        epoch: int | None = None,
        label: Label = Label.CLEAR,
        precedence: Precedence = Precedence.ROUTINE,
        media_type: MediaType = MediaType.NONE,
        commitment: bytes = ZERO_32,
        size_class: int = 0,
    ) -> Header:
        """The header of the next envelope."""
        return Header(
            kid=self._ctx.me,
            media_type=media_type,
            room=self._room.id,
            epoch=epoch if epoch is not None else 0 if self._group is None else self._group.epoch,
            counter=self._counter + 1,
            previous=self._previous,
            voids=self._voids,
            sent_at_ms=self._ctx.now_ms,
            label=label,
            precedence=precedence,
            audience=audience,
            commitment=commitment,
            size_class=size_class,
            specific=specific,
        )

    def check(self, header: Header) -> None:
        """What the relay and every member will check: found here, it costs no counter.

        Raises:
            DecodeError: A field is out of bounds.
            RefusedError: `ROLE` or `LABEL`.
        """
        decode_header(header.encoded)
        rooms.check_kind(self._ctx.certificate, header.kind, header.label)
        check_machine(self._ctx.certificate, header.room)
        if not isinstance(header.specific, kinds.Create):
            rooms.check_label(header.label, self._room.spec)

    def sign(self, header: Header, sealed: bytes, intent: Intent | None = None) -> Envelope:
        """Sign the next envelope over its sealed content, and link it to the one before."""
        envelope = sign_envelope(header, sealed, self._ctx.key)
        self._counter, self._previous, self._voids = header.counter, envelope.id, ()
        self._items.append((envelope.encoded, sealed))
        self._bytes += item_bytes(envelope.encoded, sealed)
        self._intents.append("" if intent is None else intent.id)
        if intent is not None:
            self._asked.append(intent)
        self._rows.append(
            MessageRow(
                room=header.room,
                envelope=envelope.id,
                room_seq=None,
                index=None,
                accepted_at_ms=None,
                previous=None,
                encoded=envelope.encoded,
                sender=header.kid,
                organisation=self._ctx.certificate.organisation,
                kind=int(header.kind),
                label=header.label,
                label_differs=False,
                sent_at_ms=header.sent_at_ms,
                written_at_ms=None,
                state=MessageState.SENT,
            )
        )
        return envelope

    def launch(self) -> None:
        """Write what was signed and sealed, then send it: all of one step."""
        ctx, room = self._ctx, self._room
        flight = InFlight(intents=tuple(self._intents), items=tuple(self._items), first_counter=room.row.counter + 1)
        room.change(counter=self._counter, in_flight=flight)
        for row in self._rows:
            room.sent[row.envelope] = row
            ctx.put_message(row)
        for intent in self._asked:
            ctx.put_intent(replace(intent, state=IntentState.SENT, code="", detail="", reasons=(), room=room.id))
        fly(ctx, room, flight)


def message_id_of(intent: Intent) -> bytes:
    """The id sealed in the message of an intent: the same in every envelope that ever carries it."""
    try:
        identity = bytes.fromhex(intent.id)
    except ValueError:
        identity = b""
    return identity if len(identity) == 16 else sha256(intent.id.encode())[:16]
