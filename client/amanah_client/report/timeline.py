"""The entries of a room in its order, and what is not among them: counted by cause, with the places."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

from amanah_client.causes import MEANINGS
from amanah_client.doing import QUIET_KINDS, QUIET_TYPES, does, summary
from amanah_client.incident.board import Spoken
from amanah_client.message import Message
from amanah_client.model import MessageState
from amanah_client.report.gate import WITHHELD, Gate
from amanah_client.report.report import Fact, Item, Quote, Section, times
from amanah_client.report.summary import acknowledged, withdrawn
from amanah_client.said import said
from amanah_protocol import kinds
from amanah_protocol.content.bodies import AlertBatch, Said, Unknown
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.types import EnvelopeId

NONE = "none"


def timeline(gate: Gate) -> Section:
    """Each entry that a person or a machine made, in the order of the room."""
    items = [_item(gate, message) for message in gate.given.messages if _is_line(gate, message)]
    note = "In the order of the room. The time is the relay's, the same for all who read it."
    note = note if items else "There is no entry."
    return Section(heading="Timeline", note=note, items=tuple(items), lines=True)


def absent(gate: Gate) -> Section:
    """What is not in the timeline, and why; each cause is named, also where nothing is meant by it."""
    messages = gate.given.messages
    facts = [
        Fact(name="entries", value=f"{len(messages)} are here, the last is {_last(messages)}"),
        Fact(name="not here", value=_places(_gaps(messages), "from before this device was in the room, or lost")),
    ]
    facts += [
        Fact(name="left out", value=_places(sorted(places), why), missing=True)
        for why, places in sorted(gate.left_out.items())
    ]
    if not gate.left_out:
        facts.append(Fact(name="left out", value=NONE))
    unreadable: dict[str, list[int]] = {}
    for message in messages:
        if message.state is MessageState.UNREADABLE:
            cause = f"{message.cause}: {MEANINGS[message.cause]}" if message.cause else "no cause is known"
            unreadable.setdefault(cause, []).append(message.room_seq or 0)
    facts += [Fact(name="cannot be read", value=_places(at, why), missing=True) for why, at in unreadable.items()]
    if not unreadable:
        facts.append(Fact(name="cannot be read", value=NONE))
    erased = [message.room_seq or 0 for message in messages if message.state is MessageState.ERASED]
    facts.append(Fact(name="erased", value=_places(erased, "their content is gone, the record stays")))
    later = [message.room_seq or 0 for message in messages if isinstance(message.body, Unknown)]
    facts.append(Fact(name="of a later version", value=_places(later, "this program cannot show them")))
    folded = [message.room_seq or 0 for message in messages if not _is_line(gate, message)]
    facts.append(Fact(name="no line of their own", value=_places(folded, "acknowledgements, and between programs")))
    return Section(heading="What is not in the timeline", items=(Item(facts=tuple(facts)),))


def _is_line(gate: Gate, message: Message) -> bool:
    if message.state is MessageState.UNREADABLE:
        return True
    if isinstance(message.specific, kinds.Ack) and message.id not in gate.board.without_effect:
        return False  # it stands with what it acknowledges
    return message.kind not in QUIET_KINDS and message.type not in QUIET_TYPES


def _item(gate: Gate, message: Message) -> Item:
    source = gate.source(message.id)
    facts = (
        Fact(name="at", value=times(message.accepted_at_ms, gate.zone)),
        Fact(name="by", value=gate.called(message.sender.device)),
    )
    if message.state is MessageState.UNREADABLE:
        words = f"{message.cause} ({message.code}). {message.explanation}"
        return Item(facts=(*facts, Fact(name="cannot be read", value=words, missing=True)), source=source, alarm=True)
    if not gate.lets(message.id):
        return Item(facts=(Fact(name=WITHHELD, value="its label", missing=True),), source=source)
    label = None if message.body is None else gate.label_of(message.id)
    more, quotes = tuple(_facts(gate, message)), tuple(_quotes(gate, message))
    return Item(facts=(*facts, *gate.limits(message.id), *more), quotes=quotes, source=source, label=label)


def _quotes(gate: Gate, message: Message) -> Iterator[Quote]:
    """What it says now, and what it said first."""
    spoken = gate.board.messages[message.id]
    if spoken.withdrawn is not None:
        return
    words = _says(message)
    if words is None:
        return
    if spoken.corrected is None:
        yield Quote(text=words)
        return
    # One label counts for a message and its corrections: where one may stand, so may the others.
    correction = gate.message(spoken.corrected).body
    yield Quote(text=correction.text if isinstance(correction, Correction) else words)
    yield Quote(text=words, caption="first said")


def _says(message: Message) -> str | None:
    match message.body:
        case AlertBatch(source=source, alerts=alerts):
            return f"{summary(alerts, str)} from {source}"
        case body if isinstance(body, Said):
            return said(body)
        case _:
            return None


def _facts(gate: Gate, message: Message) -> Iterator[Fact]:
    spoken = gate.board.messages[message.id]
    if message.clocks_differ:
        yield Fact(name="its author's clock", value=times(message.sent_at_ms, gate.zone), missing=True)
    if message.state is MessageState.ERASED:
        yield Fact(name="erased", value="its content is gone, the record stays", missing=True)
    elif message.body is None:
        yield Fact(name="does", value=does(message.specific, gate.called, str))
    elif isinstance(message.body, Unknown):
        yield Fact(name="of a later version", value=f"type {message.body.type}; it cannot be shown", missing=True)
    if isinstance(message.body, Text) and message.body.reply_to is not None:
        yield _pointer(gate, "answers", message.body.reply_to)
    yield from _corrected(gate, spoken)
    if spoken.withdrawn is not None:
        yield withdrawn(gate, spoken.withdrawn)
    if spoken.asks is not None:
        yield Fact(name="asks to acknowledge", value=spoken.asks.name.lower())
    yield from acknowledged(gate, message.id)
    if (why := gate.board.without_effect.get(message.id)) is not None:
        yield Fact(name="has no effect", value=why, missing=True)


def _corrected(gate: Gate, spoken: Spoken) -> Iterator[Fact]:
    for correction in spoken.corrections:
        if correction not in gate.board.without_effect:  # of what is no text it counts for the label alone
            yield Fact(name="corrected", value="by its author", source=gate.source(correction))


def _pointer(gate: Gate, name: str, entry: EnvelopeId) -> Fact:
    if entry in gate.board.messages:
        return Fact(name=name, value="an entry of this room", source=gate.source(entry))
    return Fact(name=name, value=f"envelope {entry.hex()[:16]}, which is not here", missing=True)


def _gaps(messages: tuple[Message, ...]) -> list[int]:
    places = [0, *(message.room_seq or 0 for message in messages)]
    return [missing for before, after in pairwise(places) for missing in range(before + 1, after)]


def _last(messages: tuple[Message, ...]) -> int:
    return messages[-1].room_seq or 0 if messages else 0


def _places(places: Iterable[int], why: str) -> str:
    """How many there are, and where: `3 (2-3, 7): why`."""
    found = sorted(places)
    if not found:
        return NONE
    runs = [[found[0], found[0]]]
    for place in found[1:]:
        if place == runs[-1][1] + 1:
            runs[-1][1] = place
        else:
            runs.append([place, place])
    named = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
    return f"{len(found)} (entries {named}): {why}"
