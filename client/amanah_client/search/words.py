"""What of an entry is searched, and whether it says anything to a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from amanah_protocol.content.alert import Alert
from amanah_protocol.content.bodies import AlertBatch, Body, RoomInfo, Said
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.page import Page
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Mention, Text
from amanah_protocol.kinds import Kind

_TEXTS: Final = ("title", "type", "name", "text", "note", "what", "reason", "description")
"""Fields in which people write."""


def words_of(body: Body | None) -> str:
    """All words of a body that are searched, as they were written; "" where it has none."""
    match body:
        case AlertBatch(alerts=alerts):
            # A hundred alerts of one rule say one thing.
            return "\n".join(dict.fromkeys(word for alert in alerts for word in _of_alert(alert)))
        case said if isinstance(said, RoomInfo | Said):
            return "\n".join(_texts(said))
        case _:
            return ""


def speaks(body: Body | None, kind: int) -> bool:
    """Whether an entry says something to who comes back: reactions and what programs tell each other do not."""
    if body is None:
        return kind == Kind.DECISION
    return isinstance(body, Said | AlertBatch) and not isinstance(body, Reaction | Page)


def mentions_of(body: Body | None) -> tuple[Mention, ...]:
    """Who is called."""
    match body:
        case Text(mentions=mentions) | Correction(mentions=mentions):
            return mentions
        case Handover(to=to):
            return () if to is None else (to,)
        case _:
            return ()


def _of_alert(alert: Alert) -> Iterator[str]:
    said = (alert.title, alert.category, alert.signature_id, alert.source_address, alert.destination_address)
    yield from (word for word in said if word)


def _texts(body: Said | RoomInfo) -> Iterator[str]:
    for name in _TEXTS:
        found = getattr(body, name, None)
        if isinstance(found, str) and found:
            yield found
