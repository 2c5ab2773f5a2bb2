"""A stretch of a room's record as it can be granted to who came later: in how many grants, and what is left out.

A grant's header names a stretch, and an auditor counts all messages of it as granted. So it ends where a message may
not go, or cannot be read here, and the next one begins behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from amanah_client.actions import GrantHistory
from amanah_client.causes import MENDED_KINDS
from amanah_client.message import Message
from amanah_client.model import MessageState
from amanah_protocol.content.history import MAX_GRANTED
from amanah_protocol.errors import RefusedError
from amanah_protocol.labels import Label
from amanah_protocol.limits import KIB, MAX_PLAINTEXT_BYTES
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId

_MOST_BYTES: Final = MAX_PLAINTEXT_BYTES - 4 * KIB
_PROOF_BYTES: Final = 2 * KIB
"""A path of the longest log that can be, and the lengths of all."""
UNREADABLE: Final = "it cannot be read here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a grant comes to.

    Attributes:
        grants: For `Client.ask`, one after the other.
        left_out: Messages that are not in them, and why.
    """

    grants: tuple[GrantHistory, ...]
    left_out: tuple[tuple[EnvelopeId, str], ...]


@dataclass(slots=True, kw_only=True)
class _Stretch:
    """Messages of one grant, as far as they are gathered."""

    messages: list[Message]
    label: Label = Label.CLEAR
    size: int = 0

    def takes(self, message: Message, label: Label) -> bool:
        if not self.messages:
            return True
        fits = len(self.messages) < MAX_GRANTED and self.size + _bytes(message) <= _MOST_BYTES
        # The label of a grant is that of all in it.
        return fits and label is self.label

    def add(self, message: Message, label: Label) -> None:
        self.label = label
        self.messages.append(message)
        self.size += _bytes(message)


def plan(
    room: RoomId, messages: Iterable[Message], devices: tuple[DeviceId, ...], check: Callable[[Message], Label]
) -> Plan:
    """Grants of some messages.

    Args:
        room: The room.
        messages: Entries of it, in order, each with its place; those without content are gone by.
        devices: Whom they are for.
        check: Gives the label that it goes under; raises for what may not go to them.
    """
    stretches, left_out = [_Stretch(messages=[])], []
    for message in messages:
        if message.kind not in MENDED_KINDS:
            continue
        label = _label(message, check)
        if isinstance(label, str):
            left_out.append((message.id, label))
            stretches.append(_Stretch(messages=[]))
            continue
        if not stretches[-1].takes(message, label):
            stretches.append(_Stretch(messages=[]))
        stretches[-1].add(message, label)
    grants = tuple(_grant(room, one.messages, devices) for one in stretches if one.messages)
    return Plan(grants=grants, left_out=tuple(left_out))


def _label(message: Message, check: Callable[[Message], Label]) -> Label | str:
    """The label that it goes under, or why it does not go."""
    if message.state is not MessageState.STORED or not (message.row.content and message.row.key):
        return UNREADABLE
    try:
        return check(message)
    except RefusedError as error:
        return error.detail


def _grant(room: RoomId, messages: list[Message], devices: tuple[DeviceId, ...]) -> GrantHistory:
    return GrantHistory(
        room=room,
        from_seq=messages[0].room_seq or 0,
        to_seq=messages[-1].room_seq or 0,
        envelopes=tuple(message.id for message in messages),
        devices=devices,
    )


def _bytes(message: Message) -> int:
    return len(message.row.content) + len(message.row.encoded) + _PROOF_BYTES
