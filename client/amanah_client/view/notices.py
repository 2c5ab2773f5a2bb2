"""What a header says for all to see, as one line of a conversation; a change of readers above all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from amanah_client.incident.board import Board
from amanah_client.language import gettext as _
from amanah_client.message import Message
from amanah_client.view import words
from amanah_client.view.alerts import sum_words
from amanah_client.view.entries import Notice
from amanah_client.view.people import Seat
from amanah_protocol import kinds
from amanah_protocol.errors import Code
from amanah_protocol.types import DeviceId


def notice_of(message: Message, seat: Seat, board: Board) -> Notice | None:
    """An entry as a line of the system; None for one that stands elsewhere or says nothing to people."""
    effect = board.without_effect.get(message.id)
    said = _without_effect(message, effect) if effect is not None else _does(message, seat)
    if said is None:
        return None
    text, tone = said
    who = seat.who(message.sender)
    at_ms = message.sent_at_ms
    return Notice(
        id=message.id.hex(),
        seq=message.room_seq or 0,
        at_ms=at_ms,
        utc=words.time_of_day(at_ms),
        chip=who.chip,
        text=text.format(who=words.value(who.name)),
        tone=tone,
    )


Told = tuple[str, Literal["quiet", "readers", "alarm"]]


def _without_effect(message: Message, why: str) -> Told:
    said = _("{who} said something without effect ({kind}): {why}.")
    return said.format(who="{who}", kind=message.type, why=words.without_effect(why)), "quiet"


def _does(message: Message, seat: Seat) -> Told | None:  # noqa: C901, PLR0911 - one for each kind
    match message.specific:
        case kinds.Create(ceiling=ceiling, agreement=agreement):
            under = "" if agreement is None else " " + _("Agreement: {name}.").format(name=_braced(agreement))
            return _("{who} opened the room, up to {label}.").format(who="{who}", label=ceiling.text) + under, "readers"
        case kinds.Commit(added=added, removed=removed):
            return _changed(added, removed, seat)
        case kinds.Egress(recipient=recipient, envelope=envelope, form="forward"):
            said = _("{who} forwarded message {digits} into room {room}.")
            return said.format(who="{who}", digits=envelope.hex()[:8], room=_braced(recipient[:8])), "readers"
        case kinds.Egress(recipient=recipient, envelope=envelope):
            said = _("{who} disclosed message {digits} to {recipient}.")
            return said.format(who="{who}", digits=envelope.hex()[:8], recipient=_braced(recipient)), "readers"
        case kinds.Erase(envelopes=envelopes):
            said = _("{who} erased the content of {count} of the messages above.")
            return said.format(who="{who}", count=len(envelopes)), "quiet"
        case kinds.Relabel(envelope=envelope, old=old, new=new):
            said = _("{who} changed the label of message {digits} from {old} to {new}.")
            return said.format(who="{who}", digits=envelope.hex()[:8], old=old.text, new=new.text), "readers"
        case kinds.Decision(ordinal=ordinal, outcome=outcome):
            adopted = outcome is kinds.Outcome.ADOPTED
            said = (
                _("{who} recorded: proposal {number} is adopted.")
                if adopted
                else _("{who} recorded: proposal {number} is not adopted.")
            )
            return said.format(who="{who}", number=ordinal), "quiet"
        case kinds.Counts() as counts:
            return f"{{who}}: {sum_words(counts)}", "quiet"
        case kinds.Refuse(code=Code.FORK):
            return _("{who} asks for new keys: its profile is an old copy."), "quiet"
        case kinds.Refuse(commit=commit):
            said = _("{who} refuses the change {digits} of the room.")
            return said.format(who="{who}", digits=commit.hex()[:8]), "alarm"
        case kinds.Grant(addressees=addressees, from_seq=first, to_seq=last):
            said = _("{who} granted the record from {first} to {last} to {devices}.")
            given = words.devices(len(addressees))
            return said.format(who="{who}", first=first, last=last, devices=given), "readers"
        case _:  # what programs tell each other, and what was sealed
            return None


def _changed(added: Iterable[DeviceId], removed: Iterable[DeviceId], seat: Seat) -> Told | None:
    came, left = _by_nation(added, seat), _by_nation(removed, seat)
    if came and left:
        return _("{who} added {came} and removed {left}.").format(who="{who}", came=came, left=left), "readers"
    if came:
        return _("{who} added {came}.").format(who="{who}", came=came), "readers"
    return (_("{who} removed {left}.").format(who="{who}", left=left), "readers") if left else None


def _by_nation(devices: Iterable[DeviceId], seat: Seat) -> str:
    counts = Counter(seat.chip(seat.find(device).organisation) for device in devices)
    return ", ".join(f"{_braced(chip)} ({words.devices(count)})" for chip, count in sorted(counts.items()))


def _braced(text: str) -> str:
    """What somebody wrote, inside a text that is formatted once more."""
    return words.value(text).replace("{", "{{").replace("}", "}}")
