"""What a report says, once for all its forms: they draw it, and add and leave out nothing.

Names of facts, headings and captions are ours; values and texts may be others' words, which each form makes
harmless in its own way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Final

from amanah_client.moments import moment
from amanah_client.view.words import moment_of
from amanah_protocol.labels import Label
from amanah_protocol.types import EnvelopeId

ID_DIGITS: Final = 16
"""Of an envelope's id, enough to find it by `amanah read`, `amanah audit search` and `amanah disclose`."""
DRILL: Final = "DRILL DRILL DRILL: an exercise, nothing in this report is real."


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The entry that says something: by it anybody can look it up in the log and verify it.

    Attributes:
        id: Its envelope.
        room_seq: Its place in the room.
        log_index: Its place in the log.
    """

    id: EnvelopeId
    room_seq: int
    log_index: int

    @property
    def text(self) -> str:
        """As it is printed."""
        return f"entry {self.room_seq}, envelope {self.id.hex()[:ID_DIGITS]}, log index {self.log_index}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A named value.

    Attributes:
        name: What it is.
        value: What is so.
        source: The entry that says it; None where several do, or the record itself.
        missing: Nothing is known of it: forms make that plain.
    """

    name: str
    value: str = field(repr=False)
    source: Source | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What somebody wrote, line for line; `caption` says which of their words it is, "" for the message itself."""

    text: str = field(repr=False)
    caption: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing of a section.

    Attributes:
        facts: What is so of it.
        quotes: What was written.
        source: The entry that it is.
        label: Its label; None where nothing sealed is in it.
        alarm: Whether it is not to be overlooked.
    """

    facts: tuple[Fact, ...] = ()
    quotes: tuple[Quote, ...] = ()
    source: Source | None = None
    label: Label | None = None
    alarm: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what stands below it.

    Attributes:
        heading: The heading.
        note: What it is, or that there is nothing.
        items: Its things.
        lines: Whether they are the entries themselves, to which all others point.
    """

    heading: str
    note: str = ""
    items: tuple[Item, ...] = ()
    lines: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report.

    Attributes:
        title: What it is of.
        label: The highest label of anything in it: it is the report's own.
        audience: What the label means for handing it on, and the strictest PAP in it for acting on it.
        drill: Whether its room is an exercise.
        sections: What it says, in order.
    """

    title: str = field(repr=False)
    label: Label
    audience: str
    drill: bool
    sections: tuple[Section, ...] = field(repr=False)


def times(at_ms: int | None, zone: tzinfo | None) -> str:
    """A time in UTC and, where it differs, in the reader's zone.

    Args:
        at_ms: The time; None for one that is not known.
        zone: The zone; None for that of this machine.
    """
    utc = moment(at_ms)
    if at_ms is None or not utc.endswith("Z"):
        return utc
    at = moment_of(at_ms)
    there = None if at is None else at.astimezone(zone)
    if there is None or not there.utcoffset():
        return utc
    return f"{utc} ({there.strftime('%Y-%m-%d %H:%M:%S')} {there.tzname()})"
