"""Another label for a message as people see it: for it and for what corrects it, which says the same in other words.

Each entry has a label of its own, and the strictest of them counts (`Board.label_of`). So one change raises it, and
what lowers it has to lower each that is stricter: every one of these changes stands in the record.
"""

from __future__ import annotations

from dataclasses import dataclass

from amanah_client.actions import Relabel
from amanah_client.incident.board import Board
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId, RoomId
from amanah_protocol.ways import Somebody, check_relabel


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What gives a message another label.

    Attributes:
        old: The label that counts of it.
        new: The label that it gets.
        actions: For `Client.ask`, one after the other; the message's own comes last.
    """

    old: Label
    new: Label
    actions: tuple[Relabel, ...]


def change_of(room: RoomId, message: EnvelopeId, new: Label, *, board: Board, by: Somebody) -> Change:
    """What gives a message another label.

    Args:
        room: Its room.
        message: The message.
        new: The label that it is to get.
        board: The board of the entries from which its label follows.
        by: Who asks.

    Raises:
        RefusedError: `ROLE`: it is not his to lower.
        UsageError: `USAGE`: it has that label, or is a correction of what has a stricter one.
    """
    old, said = board.label_of(message), board.messages[message]
    if new is old:
        raise UsageError(Code.USAGE, f"it is {new.text} already", hint="Nothing has to be changed.")
    stricter = [one for one in (*said.corrections, message) if board.messages[one].label_number > new]
    named = [message] if new > old else stricter
    if not named or (new < old and said.corrects is not None and board.label_of(said.corrects) > new):
        corrected = (said.corrects or message).hex()[:12]
        detail = f"it corrects the message {corrected}, which is {board.label_of(said.corrects or message).text}"
        raise UsageError(Code.USAGE, detail, hint="Lower that one: what corrects it is lowered with it.")
    for one in named:
        now = Label.strictest(board.messages[one].label_number)
        sent = Label.strictest(board.messages[one].sent_number)
        check_relabel(old=now, new=new, now=now, sent=sent, source=said.source, by=by)
    changes = ((one, Label.strictest(board.messages[one].label_number)) for one in named)
    return Change(
        old=old, new=new, actions=tuple(Relabel(room=room, envelope=one, old=now, new=new) for one, now in changes)
    )
