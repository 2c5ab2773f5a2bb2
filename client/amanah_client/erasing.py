"""What an erasure takes away, and what it would leave: asked before it is sent.

A message and its corrections go together, or whoever shows one of them would show what the other said. Each is erased
by the device that sent it, so of one person's two devices each may have a part of it.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.language.errors import SpokenError
from amanah_client.message import Message, author_of
from amanah_client.model import MessageState
from amanah_protocol.errors import Code
from amanah_protocol.types import EnvelopeId

if TYPE_CHECKING:
    from amanah_client.room import Room


def corrections_of(room: Room, messages: Collection[EnvelopeId]) -> list[Message]:
    """What corrects messages and has its words still, as far as it is here."""
    spoken = filter(None, map(room.board(about=messages).messages.get, messages))
    named = [one for said in spoken for one in said.corrections]
    return [one for one in room.entries(*named).values() if one.state is not MessageState.ERASED]


def corrections_from_here(room: Room, message: EnvelopeId) -> tuple[EnvelopeId, ...]:
    """What this device may erase of what corrects a message."""
    return tuple(one.id for one in corrections_of(room, (message,)) if _may_erase(room, one))


def to_erase(room: Room, messages: Collection[EnvelopeId]) -> tuple[EnvelopeId, ...]:
    """Messages and what corrects them, ascending, as far as they are here and where all of it would be erased.

    Raises:
        SpokenError: `ROLE` where some of it would stay: the relay and the members drop only what the eraser may.
    """
    corrections = corrections_of(room, messages)
    staying = [one for one in (*room.entries(*messages).values(), *corrections) if not _may_erase(room, one)]
    if staying:
        raise _refused(room, messages, staying, [one for one in corrections if one not in staying])
    return tuple(sorted({*messages, *(one.id for one in corrections)}))


def _may_erase(room: Room, message: Message) -> bool:
    created = room.created
    owner = None if created is None else created.owner
    return room.party(room.client.me).may_erase(message.sender.device, owner)


def _refused(
    room: Room, messages: Collection[EnvelopeId], staying: list[Message], corrections: list[Message]
) -> SpokenError:
    me, digits = author_of(room.party(room.client.me)), _digits(staying)
    if not all(author_of(one.sender).is_same(me) for one in staying):
        created = room.created
        detail = _("only the device that sent it erases %(digits)s; nothing was erased", digits=isolate(digits))
        named = isolate("" if created is None else created.owner)
        return SpokenError(
            detail, _("Ask its author, or an officer of the room's owner %(owner)s.", owner=named), Code.ROLE
        )
    detail = _(
        "another device of yours sent %(digits)s and alone erases it; nothing was erased", digits=isolate(digits)
    )
    there = isolate(f"`amanah erase ROOM {digits}`")
    if corrections:
        here = isolate(f"`amanah erase ROOM {_digits(corrections)}`")
        hint = _(
            "Erase the correction here first, by %(here)s, then the rest on that device, by %(there)s.",
            here=here,
            there=there,
        )
    elif any(one.id in messages for one in staying):
        hint = _("Erase it on that device, by %(there)s; here it can be withdrawn.", there=there)
    else:
        hint = _("Erase the correction on that device first, by %(there)s, then this again.", there=there)
    return SpokenError(detail, hint, Code.ROLE)


def _digits(messages: Collection[Message]) -> str:
    return " ".join(one.id.hex()[:12] for one in messages)
