"""What a conversation is made of, as values: a face draws each of them in its own way."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from amanah_client.view.board import ClockLine, DecisionLine, TaskLine
from amanah_client.view.people import Who
from amanah_client.view.runs import Block


class DayBreak(msgspec.Struct, frozen=True, kw_only=True):
    """A new day, in UTC.

    Attributes:
        text: The day in words, with the reader's zone.
    """

    kind: Literal["day"] = "day"
    text: str


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the system: who came, who left, what was disclosed.

    Attributes:
        id: Its entry, in hex: the way to its proof.
        seq: Its place in the room.
        at_ms: When.
        utc: The same in words.
        chip: Of the nation that did it.
        text: What happened.
        tone: Whether who can read has changed, whether it is to be looked at, or neither.
    """

    kind: Literal["notice"] = "notice"
    id: str
    seq: int
    at_ms: int
    utc: str
    chip: str
    text: str
    tone: Literal["quiet", "readers", "alarm"] = "quiet"


class Prose(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wrote.

    Attributes:
        blocks: What it says now.
        before: What it said before its corrections, oldest first; () where it was not corrected, or more is asked for.
        corrections: How often it was corrected.
        left_out: How many characters are not in the blocks.
    """

    kind: Literal["prose"] = "prose"
    blocks: tuple[Block, ...]
    before: tuple[tuple[Block, ...], ...] = ()
    corrections: int = 0
    left_out: int = 0


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """What is not shown: withdrawn, erased, unreadable, or of a newer version.

    Attributes:
        why: Which of them.
        text: What it means, and what happens by itself.
        code: The error's code where it cannot be read; "" else.
        was: What a withdrawn one said: it was said, and stays provable.
    """

    kind: Literal["gone"] = "gone"
    why: Literal["withdrawn", "erased", "unreadable", "unknown"]
    text: str
    code: str = ""
    was: Content | None = None


class AlertGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts that say the same.

    Attributes:
        severity: low to critical.
        severity_words: The same in words.
        title: What was seen.
        count: How many.
        flows: Up to a few of their flows, defanged.
    """

    severity: str
    severity_words: str
    title: str
    count: int
    flows: tuple[str, ...]


class AlertCard(msgspec.Struct, frozen=True, kw_only=True):
    """Alerts of a machine.

    Attributes:
        title: How many, folded into how many groups.
        severity: Of the worst.
        groups: The worst first.
        sum: `sent 214 = shown 3 + merged 211 + dropped 0`, where the machine has counted.
        adds_up: Whether nothing was dropped.
    """

    kind: Literal["alerts"] = "alerts"
    title: str
    severity: str
    groups: tuple[AlertGroup, ...]
    sum: str
    adds_up: bool


class StandingCard(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody said where the incident stands, or left a note to who comes.

    Attributes:
        title: What it is.
        lines: What changed.
        blocks: What the note says.
        left_out: How many characters are not in the blocks.
    """

    kind: Literal["standing"] = "standing"
    title: str
    lines: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    left_out: int = 0


class FileCard(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody handed over a file.

    Attributes:
        title: What it is.
        lines: What is to be known of it, for faces that have no more room.
        blocks: What was said of it.
        left_out: How many characters of that are not in the blocks.
        name: What it is called when it is saved.
        called: What its sender called it, where that is something else; "" else.
        size: Bytes.
        digest: SHA-256 of them, in hex.
        attachment: Which it is among those that are on their way, in hex.
        sample: Whether its sender says that it may be harmful.
    """

    kind: Literal["file"] = "file"
    title: str
    lines: tuple[str, ...]
    blocks: tuple[Block, ...]
    left_out: int
    name: str
    called: str
    size: int
    digest: str
    attachment: str
    sample: bool


Content: TypeAlias = Prose | Gone | AlertCard | TaskLine | DecisionLine | ClockLine | StandingCard | FileCard


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry answers.

    Attributes:
        id: The entry, in hex.
        chip: Of its author.
        name: Its author's.
        text: Its first words; of what was withdrawn, that alone.
    """

    id: str
    chip: str
    name: str
    text: str


class Reactions(msgspec.Struct, frozen=True, kw_only=True):
    """One sign on a message.

    Attributes:
        sign: The sign.
        chips: Of the nations that put it there.
        mine: Whether the reader did.
    """

    sign: str
    chips: tuple[str, ...]
    mine: bool


class Acknowledged(msgspec.Struct, frozen=True, kw_only=True):
    """How far the nations have acknowledged a message.

    Attributes:
        by: (chip, grade, both in words), the furthest first.
        waiting: (chip, both in words) of those that were asked and have not.
        asks: What was asked for; "" for nothing.
        asked: The same as a grade; 0 for none.
        mine: The reader's own grade, 0 for none.
        people: Who gave which grade and when, in words: the furthest first, and of alike the earliest.
        ours: That the reader's nation has it by others alone, in words; "" where they gave one too, or nobody did.
    """

    by: tuple[tuple[str, int, str], ...]
    waiting: tuple[tuple[str, str], ...]
    asks: str
    asked: int
    mine: int
    people: tuple[str, ...] = ()
    ours: str = ""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How far an own message has come.

    Attributes:
        state: queued, held, sent, accepted, delivered.
        text: The same in words.
        waiting: Chips of the nations that have not stored it yet.
        english: Why it is held, as far as that is not known in another language; "" for nothing.
    """

    state: Literal["queued", "held", "sent", "accepted", "delivered"]
    text: str
    waiting: tuple[str, ...] = ()
    english: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that somebody said.

    Attributes:
        id: Its envelope in hex, or the intent's id while it is queued.
        seq: Its place in the room; 0 while it has none.
        who: Who said it.
        first: Whether it begins a run: of its author, under one label, and as urgent.
        at_ms: When its author wrote it.
        utc: The same in words.
        sent: When it was written and when it was sent, where these are apart; "" else.
        relay_time: The relay's word on the time where it says something else; "" else.
        label: As FIRST writes it, where it is to be shown; "" else.
        the_label: As FIRST writes it, always.
        pap: What readers may do with it, where it is shown: first of a run, and not the usual; "" else.
        the_pap: The same, always; "" without content.
        urgent: Words for a precedence above routine; "" else.
        pages: Whether it is a page.
        content: What was said.
        reply: What it answers.
        thread: The entry that began its thread, in hex; "" for none.
        root: How that begins, where its thread is not what is shown.
        threads: How many entries stand in the thread that it began.
        calls: Whom it calls, in words.
        calls_me: Whether that is the reader.
        reactions: Signs on it.
        more_reactions: How many further signs there are.
        acks: Acknowledgements.
        delivery: Of an own one.
        own: Whether the reader may withdraw it, and correct what is a text.
        erasable: What of it this device may erase, of an own one: all, only what corrects it, or nothing.
        repaired: Who sent it again; "" for nobody.
        drill: Whether it was said in an exercise.
    """

    kind: Literal["entry"] = "entry"
    id: str
    seq: int
    who: Who
    first: bool
    at_ms: int
    utc: str
    sent: str
    relay_time: str
    label: str
    the_label: str
    pap: str
    the_pap: str
    urgent: str
    pages: bool
    content: Content
    reply: Quote | None
    thread: str
    root: Quote | None
    threads: int
    calls: tuple[str, ...]
    calls_me: bool
    reactions: tuple[Reactions, ...]
    acks: Acknowledged | None
    delivery: Delivery | None
    own: bool
    erasable: Literal["all", "corrections", "none"]
    repaired: str
    drill: bool = False
    more_reactions: int = 0


Item: TypeAlias = DayBreak | Notice | Entry
