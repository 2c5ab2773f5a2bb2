"""A window of a room's conversation: from entries and their board to what faces show.

Acknowledgements, reactions, corrections, withdrawals and delivery reports stand at the message that they are about, and
not as lines of their own. What only programs tell each other is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from amanah_client.attaching import Attach
from amanah_client.incident.board import Given, Spoken
from amanah_client.incident.on_board import ProposalOnBoard, TaskOnBoard
from amanah_client.language import gettext as _
from amanah_client.language import number
from amanah_client.message import Message
from amanah_client.model import Intent, MessageState
from amanah_client.saying import USUAL_PAP, Say
from amanah_client.view import words
from amanah_client.view.alerts import alert_card
from amanah_client.view.board import clock_line, decision_line, task_line
from amanah_client.view.closing import closing_words
from amanah_client.view.delivery import delivery, intent_delivery
from amanah_client.view.entries import (
    Acknowledged,
    Content,
    DayBreak,
    Entry,
    FileCard,
    Gone,
    Item,
    Notice,
    Prose,
    Quote,
    Reactions,
    StandingCard,
)  # fmt: skip
from amanah_client.view.gathered import Room
from amanah_client.view.notices import notice_of
from amanah_client.view.people import Seat, Who
from amanah_client.view.runs import begun, parse, plain
from amanah_client.visible import shown
from amanah_protocol.content.bodies import AlertBatch, Body, RoomInfo, Unknown
from amanah_protocol.content.clock import Clock
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.page import Page
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Called, Mention, Text
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Precedence
from amanah_protocol.types import EnvelopeId, OrgName, PersonId

RUN_MS: Final = 5 * 60_000
"""One author's entries stand together while no more time lies between two of them."""
APART_MS: Final = 60_000
"""Both times of a message are told where more lies between when it was written and when it was sent."""
_QUOTED_CHARS: Final = 120
_MOST_SIGNS: Final = 12
_DAY_MS: Final = 86_400_000
_ATTACHED: Final = Reaction | Correction | Withdrawal
QUIET: Final = frozenset({Kind.WELCOME, Kind.DELIVERED, Kind.INTAKE_KEY, Kind.REPAIR, Kind.ACK})
"""Kinds that stand nowhere by themselves: what programs tell each other, and acknowledgements."""
_PASSING: Final = (
    Task | TaskMoved | Proposal | Position | Clock | Incident | Forwarded | Closing | SignOff | ClosingRecorded
)
"""What is shown as it stands now, in the incident and in time: made anew with each look."""

_Marks: TypeAlias = tuple[str, str, str]
_Behind: TypeAlias = tuple[Who, int, _Marks]


class Kept:
    """Items as they were made last, for a window in which little changes from one look to the next.

    Whoever keeps them says what has changed: an item is made of its entry, of what is said of that on the board, of
    what it quotes, and of what stands before it.
    """

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._made: dict[EnvelopeId, dict[_Behind | None, Notice | Entry | None]] = {}

    def clear(self) -> None:
        """All of them are made anew."""
        self._made.clear()

    def forget(self, changed: Iterable[EnvelopeId]) -> None:
        """These are made anew."""
        for entry in changed:
            self._made.pop(entry, None)

    def item(self, message: Message, room: Room, before: Entry | None) -> Notice | Entry | None:
        """An entry as an item, behind another one."""
        if isinstance(message.body, _PASSING):
            return _item(message, room, before)
        behind = None if before is None else (before.who, before.at_ms, _marks(before))
        made = self._made.setdefault(message.id, {})
        if behind not in made:
            made[behind] = _item(message, room, before)
        return made[behind]


def conversation(
    messages: Iterable[Message], room: Room, waiting: Sequence[Intent] = (), kept: Kept | None = None
) -> tuple[Item, ...]:
    """A window of entries.

    Args:
        messages: Entries in the order of the room, own ones without a place last.
        room: What they are seen against.
        waiting: What stands in the outbox for this room.
        kept: Items of the last look; None where there is no other.
    """
    kept = Kept() if kept is None else kept
    items: list[Item] = []
    day = -1
    before: Entry | None = None
    for message in messages:
        item = kept.item(message, room, before)
        if item is None:
            continue
        if item.at_ms // _DAY_MS != day:
            day = item.at_ms // _DAY_MS
            items.append(DayBreak(text=_day(item.at_ms, room.seat)))
            before = None
            item = kept.item(message, room, None) or item
        items.append(item)
        before = item if isinstance(item, Entry) else None
    items += [
        _waiting(intent, intent.action, room)
        for intent in waiting
        if isinstance(intent.action, Say | Attach) and intent.envelope not in room.messages
    ]
    return tuple(items)


def is_told(message: Message) -> bool:
    """Whether an entry stands in the conversation by itself, for people: what counts as unread."""
    return isinstance(
        message.body, Text | Forwarded | AlertBatch | Task | Proposal | Clock | Handover | Incident | File
    )


def is_page(message: Message, precedence: Precedence) -> bool:
    """Whether it wants an answer at once."""
    return precedence >= Precedence.IMMEDIATE and is_told(message)


def _day(at_ms: int, seat: Seat) -> str:
    zone = words.offset(at_ms, seat.zone)
    if zone == "UTC":
        return _("%(day)s, times in UTC", day=words.day(at_ms))
    return _("%(day)s, times in UTC (your clock is %(zone)s)", day=words.day(at_ms), zone=words.value(zone))


def _item(message: Message, room: Room, before: Entry | None) -> Notice | Entry | None:
    if message.kind in QUIET:
        return None
    if message.id in room.board.without_effect or message.body is None or isinstance(message.body, Page | RoomInfo):
        found = notice_of(message, room)
        if found is not None or message.state is MessageState.STORED:
            return found
    if isinstance(message.body, _ATTACHED):
        return None
    content = _content(message, room)
    return None if content is None else _entry(message, content, room, before)


def _entry(message: Message, content: Content, room: Room, before: Entry | None) -> Entry:
    seat, said = room.seat, room.board.messages.get(message.id)
    who, at_ms = seat.who(message.sender), message.written_at_ms or message.sent_at_ms
    label = message.label if said is None else room.board.label_of(message.id)
    pap = message.pap if said is None or message.pap is None else room.board.pap_of(message.id)
    the_pap = "" if pap is None else pap.text
    urgent = "" if message.precedence is Precedence.ROUTINE else words.precedence(message.precedence)
    # What stands in a head is read as said of all that stands under it: no entry stands under what is not its own.
    alike = before is not None and before.who == who and _marks(before) == (label.text, the_pap, urgent)
    first = before is None or not alike or not 0 <= at_ms - before.at_ms <= RUN_MS
    text = message.body if isinstance(message.body, Text) else None
    mentions = () if text is None else _mentions(text, said, room)
    own = seat.is_me(message.sender)
    signs = () if said is None else reactions(message, room)
    return Entry(
        id=message.id.hex(),
        seq=message.room_seq or 0,
        who=who,
        first=first,
        at_ms=at_ms,
        utc=words.time_of_day(at_ms),
        sent=_sent(at_ms, message.sent_at_ms),
        relay_time=_relay_time(message),
        label=label.text if first or label is not room.ceiling else "",
        the_label=label.text,
        pap=the_pap if first and pap is not USUAL_PAP else "",
        the_pap=the_pap,
        urgent=urgent,
        pages=message.precedence >= Precedence.IMMEDIATE,
        content=content,
        reply=None if text is None or text.reply_to is None else _quote(text.reply_to, room),
        thread="" if text is None or text.thread is None else text.thread.hex(),
        root=None if text is None or text.thread is None else _quote(text.thread, room),
        threads=0 if said is None else len(said.thread),
        calls=tuple(_called(mention, room) for mention in mentions),
        calls_me=any(_is_called(mention, seat) for mention in mentions),
        reactions=signs if room.most is None else signs[:_MOST_SIGNS],
        more_reactions=0 if room.most is None else max(0, len(signs) - _MOST_SIGNS),
        acks=_acknowledged(message, room),
        delivery=delivery(message, room) if own else None,
        own=own and _may_withdraw(message, content, room),
        erasable=_erasable(message, room) if own else "none",
        repaired="" if message.repaired_by is None else seat.who(message.repaired_by).name,
        drill=message.drill,
    )


def _erasable(message: Message, room: Room) -> Literal["all", "corrections", "none"]:
    """All, where nothing of it would stay: what corrects it is erased with it, and may be of another device."""
    said = room.board.messages.get(message.id)
    named = () if said is None else said.corrections
    left = [room.messages[one] for one in named if one in room.messages]
    may = [_may_erase(one, room) for one in left if one.state is not MessageState.ERASED]
    if _may_erase(message, room):
        return "all" if all(may) else "none"
    return "corrections" if any(may) else "none"


def _may_withdraw(message: Message, content: Content, room: Room) -> bool:
    if isinstance(content, Gone) or message.id not in room.board.messages:
        return False
    return room.board.keeps(message.id, room.seat.now_ms) is None


def _may_erase(message: Message, room: Room) -> bool:
    return room.seat.me.may_erase(message.sender.device, room.owner)


def _marks(entry: Entry) -> _Marks:
    """What is said once for a run of entries."""
    return entry.the_label, entry.the_pap, entry.urgent


def _sent(written_at_ms: int, sent_at_ms: int) -> str:
    """What was written while nothing went out stands where it came, later than others that were written after it."""
    if abs(sent_at_ms - written_at_ms) <= APART_MS:
        return ""
    told = words.times_of_day(written_at_ms, sent_at_ms)
    return _("written %(written)s, sent %(sent)s", written=told[0], sent=told[1])


def _relay_time(message: Message) -> str:
    if not message.clocks_differ or message.accepted_at_ms is None:
        return ""
    return _("the relay says %(time)s", time=words.when(message.accepted_at_ms, message.sent_at_ms))


def _content(message: Message, room: Room) -> Content | None:
    match message.state:
        case MessageState.UNREADABLE:
            return Gone(why="unreadable", text=shown(message.explanation), code=shown(message.code))
        case MessageState.ERASED:
            return Gone(why="erased", text=_("Erased. That it was there stays in the record."))
        case _:
            found, said = _said(message.id, message.body, room), room.board.messages.get(message.id)
            if found is None or said is None or said.withdrawn is None:
                return found
            text = withdrawn_words(message, room.messages.get(said.withdrawn))
            return Gone(why="withdrawn", text=text, was=found)


def withdrawn_words(message: Message, withdrawal: Message | None) -> str:
    """That it is withdrawn, since when and why; a day is named where it is another than that of the message."""
    body = None if withdrawal is None else withdrawal.body
    # Between its marks of direction nothing would be something.
    reason = words.title(body.reason) if isinstance(body, Withdrawal) and body.reason else ""
    if withdrawal is None:
        return _("Withdrawn by its author.")
    time = words.when(withdrawal.sent_at_ms, message.sent_at_ms)
    if reason:
        return _("Withdrawn by its author at %(time)s: %(reason)s", time=time, reason=reason)
    return _("Withdrawn by its author at %(time)s.", time=time)


def _said(entry: EnvelopeId, body: Body | None, room: Room) -> Content | None:  # noqa: C901, PLR0911 - one for each kind
    board, seat = room.board, room.seat
    match body:
        case Text() as text:
            return _prose(entry, text, room)
        case AlertBatch() as batch:
            return alert_card(batch, room.counts.get(entry))
        # What is withdrawn stands as it was said: nothing is to be done with it any more.
        case Task(id=id_) if (task := board.tasks.get(id_)) and task.opened == entry and not task.withdrawn:
            return task_line(task, board, seat, room.nations)
        case Proposal() if (asked := board.proposal(entry)) is not None:
            return _proposed(asked, seat)
        case Clock(id=id_) if (clock := board.clocks.get(id_)) and clock.set == entry and not clock.withdrawn:
            return clock_line(clock, board, seat, room.nations, room.times)
        case Handover(text=text):
            blocks, left_out = begun(text, room.most)
            return StandingCard(title=_("Handover"), blocks=blocks, left_out=left_out)
        case File() as file:
            return file_card(file, room.most)
        case Forwarded(text=text, origin=origin, note=note):
            nation, room_digits = words.value(origin.nation), origin.room.hex()[:8]
            title = _("Forwarded: %(label)s of %(nation)s", label=origin.label.text, nation=nation)
            accepted = words.when(origin.accepted_at_ms, seat.now_ms)
            where = _("From room %(digits)s, accepted %(time)s", digits=room_digits, time=accepted)
            noted = (_("Note: %(text)s", text=words.title(note)),) if note else ()
            blocks, left_out = begun(text, room.most)
            return StandingCard(title=title, lines=(where, *noted), blocks=blocks, left_out=left_out)
        case Task() | TaskMoved() | Proposal() | Position() | Clock() | Incident() as other:
            return StandingCard(title=_title(other), lines=_lines(other, room))
        case Closing() | SignOff() | ClosingRecorded() as closing:
            return StandingCard(title=_("Sign-off"), lines=(closing_words(closing, board, seat),))
        case Unknown(type=number):
            said = _("A newer version of the program wrote this (kind %(number)s). It is kept as it is.", number=number)
            return Gone(why="unknown", text=said)
        case _:  # what programs tell each other
            return None


def _proposed(of: ProposalOnBoard, seat: Seat) -> Content:
    if of.withdrawn is None:
        return decision_line(of, seat)
    return StandingCard(title=_("Decision %(number)s", number=of.number), lines=(words.title(of.proposal.what),))


def _prose(entry: EnvelopeId, text: Text, room: Room) -> Content:
    said = room.board.messages.get(entry)
    if said is None:
        blocks, left_out = begun(text.text, room.most)
        return Prose(blocks=blocks, left_out=left_out)
    *before, last = versions(entry, text, room)
    blocks, left_out = begun(last, room.most)
    kept = tuple(map(parse, before)) if room.most is None else ()
    return Prose(blocks=blocks, before=kept, corrections=len(before), left_out=left_out)


def versions(entry: EnvelopeId, text: Text, room: Room) -> tuple[str, ...]:
    """What a text said, one correction after the other; the last is what it says now."""
    said = room.board.messages.get(entry)
    corrections = () if said is None else said.corrections
    bodies = [room.messages[one].body for one in corrections if one in room.messages]
    return (text.text, *(body.text for body in bodies if isinstance(body, Correction)))


def file_card(file: File, most: int | None) -> FileCard:
    """What is known of a file, whoever lists it; of a longer text than `most` its beginning."""
    safe = file.safe_name
    blocks, left_out = begun(file.text, most)
    return FileCard(
        title=_("File"),
        lines=_file(file),
        blocks=blocks,
        left_out=left_out,
        name=safe,
        called="" if safe == file.name else shown(file.name).replace("\n", " "),
        size=file.size,
        digest=file.digest.hex(),
        attachment=file.attachment.hex(),
        sample=file.sample,
    )


def _file(file: File) -> tuple[str, ...]:
    size = _("%(name)s, %(bytes)s bytes", name=words.value(file.name), bytes=number(file.size))
    digest = _("SHA-256 %(digest)s", digest=file.digest.hex())
    sample = [_("A sample that may be harmful: it is saved in a container alone.")] if file.sample else []
    return (size, digest, *sample)


def _title(body: Task | TaskMoved | Proposal | Position | Clock | Incident) -> str:
    match body:
        case Task() | TaskMoved():
            return _("Task")
        case Proposal(ordinal=number):
            return _("Decision %(number)s", number=number)
        case Position():
            return _("Position")
        case Clock():
            return _("Joint time")
        case Incident():
            return _("Incident")


def _lines(body: Task | TaskMoved | Proposal | Position | Clock | Incident, room: Room) -> tuple[str, ...]:
    match body:
        case TaskMoved(id=task, state=state, reason=reason):
            moved = _moved(room.board.tasks.get(task), task, state, room.seat)
            return (f"{moved}. {words.title(reason)}" if reason else moved,)
        case Position(proposal=proposal, agrees=agrees, reason=reason):
            asked = room.board.proposal(proposal)
            what = words.title(asked.proposal.what) if asked else words.value(proposal.hex()[:8])
            said = _("agrees: %(what)s", what=what) if agrees else _("objects: %(what)s", what=what)
            return (said, *([words.title(reason)] if reason else []))
        case Clock(what=what, at_ms=at_ms, stands=stands):
            named = {"what": words.title(what), "time": words.when(at_ms, room.seat.now_ms)}
            return (_("%(what)s: %(time)s", **named) if stands else _("called off: %(what)s, %(time)s", **named),)
        case Task(nation=nation, what=what, until_ms=until_ms):
            due = [] if until_ms is None else [_("by %(time)s", time=words.when(until_ms, room.seat.now_ms))]
            return (words.joined((words.value(room.seat.chip(nation)), *due)), words.title(what))
        case Proposal(what=what):
            return (words.title(what),)
        case Incident():
            return tuple(_changed(body, room.seat))


def _moved(known: TaskOnBoard | None, task: bytes, state: TaskState, seat: Seat) -> str:
    said = words.task_state(state)
    if known is None:
        return _("%(what)s: %(state)s", what=words.value(task.hex()[:8]), state=said)
    named = {"what": words.title(known.task.what), "nation": words.value(seat.chip(known.task.nation))}
    return _("%(nation)s, %(what)s: %(state)s", state=said, **named)


def _changed(body: Incident, seat: Seat) -> Iterator[str]:
    if body.title is not None:
        yield _("Title: %(title)s", title=words.title(body.title))
    if body.severity is not None:
        yield _("Severity: %(severity)s", severity=words.severity(body.severity))
    if body.status is not None:
        yield _("Status: %(status)s", status=words.status(body.status))
    if body.type is not None:
        yield _("Type: %(type)s", type=words.value(body.type))
    if body.aware_at_ms is not None:
        yield _("First known: %(time)s", time=words.when(body.aware_at_ms, seat.now_ms))


def _quote(target: EnvelopeId, room: Room) -> Quote:
    message = room.messages.get(target)
    if message is None:
        return Quote(id=target.hex(), chip="", name="", text=_("an entry that is not here"))
    who, said = room.seat.who(message.sender), room.board.messages.get(target)
    if said is not None and said.withdrawn is not None:
        taken = withdrawn_words(message, room.messages.get(said.withdrawn))
        return Quote(id=target.hex(), chip=who.chip, name=who.name, text=taken)
    corrected = room.messages.get(said.corrected) if said is not None and said.corrected is not None else None
    body = message.body if corrected is None else corrected.body
    text = body.text if isinstance(body, Text | Correction) else None
    # No more of a text is read than can be shown of it.
    begin = plain(parse(text[: 4 * _QUOTED_CHARS])) if text else _("an entry of another kind")
    first = begin.replace("\n", " ")[:_QUOTED_CHARS]
    return Quote(id=target.hex(), chip=who.chip, name=who.name, text=first)


def _called(mention: Mention, room: Room) -> str:
    chip = words.value(room.seat.chip(mention.organisation))
    if mention.called is Called.DESK:
        return _("duty desk %(nation)s", nation=chip)
    if mention.called is Called.NATION:
        return chip
    name = room.seat.named(mention)
    return _("%(name)s of %(nation)s", name=words.value(name), nation=chip)


def _mentions(text: Text, said: Spoken | None, room: Room) -> tuple[Mention, ...]:
    """Whom a text calls, as it says now."""
    corrected = None if said is None or said.corrected is None else room.messages.get(said.corrected)
    body = None if corrected is None else corrected.body
    return body.mentions if isinstance(body, Correction) else text.mentions


def _is_called(mention: Mention, seat: Seat) -> bool:
    if mention.organisation != seat.me.organisation:
        return False
    return mention.called is not Called.PERSON or mention.person == seat.me.subject


def reactions(message: Message, room: Room) -> tuple[Reactions, ...]:
    """The signs on a message, what most nations put there first."""
    by_sign: dict[str, list[tuple[str, bool]]] = {}
    me = room.seat.me
    for sign, organisation, person in room.board.messages[message.id].reactions:
        mine = (organisation, person) == (me.organisation, me.subject)
        by_sign.setdefault(sign, []).append((room.seat.chip(organisation), mine))
    return tuple(
        Reactions(
            sign=shown(sign).replace("\n", " "),
            chips=tuple(sorted({chip for chip, _mine in by})),
            mine=any(mine for _chip, mine in by),
        )
        for sign, by in sorted(by_sign.items(), key=lambda one: (-len(one[1]), one[0]))
    )


def _acknowledged(message: Message, room: Room) -> Acknowledged | None:
    said, seat = room.board.messages.get(message.id), room.seat
    if said is None:
        return None
    grades = said.grades()
    own = said.author.organisation
    asked = said.asks if said.withdrawn is None else None
    waiting = [
        nation
        for nation in room.sealed_for(message)
        if asked is not None and nation != own and grades.get(nation, 0) < asked
    ]  # fmt: skip
    if not grades and not waiting and asked is None:
        return None
    by = sorted(grades.items(), key=lambda one: (-one[1], seat.chip(one[0])))
    return Acknowledged(
        by=tuple((seat.chip(nation), int(found), words.grade(found)) for nation, found in by),
        waiting=tuple((seat.chip(nation), words.not_yet(asked)) for nation in waiting if asked is not None),
        asks="" if asked is None else words.asks(asked),
        asked=int(asked or 0),
        mine=max((int(one.grade) for who, one in said.acknowledged.items() if _is_mine(who, seat)), default=0),
        people=tuple(_given(who, one, seat) for who, one in _furthest(said)),
        ours=_ours(said, seat),
    )


_Who: TypeAlias = tuple[OrgName, PersonId]


def _furthest(said: Spoken) -> list[tuple[_Who, Given]]:
    return sorted(said.acknowledged.items(), key=lambda one: (-one[1].grade, one[1].at_ms, one[0]))


def _given(who: _Who, given: Given, seat: Seat) -> str:
    grade, time = words.grade(given.grade), words.when(given.at_ms, seat.now_ms)
    if _is_mine(who, seat):
        return _("You: %(grade)s, %(time)s", grade=grade, time=time)
    name, nation = words.value(_name(who, seat)), words.value(seat.chip(who[0]))
    return _("%(name)s of %(nation)s: %(grade)s, %(time)s", name=name, nation=nation, grade=grade, time=time)


def _ours(said: Spoken, seat: Seat) -> str:
    """A colleague's word counts for the nation, and is no word of the reader's."""
    ours = [(who, given) for who, given in _furthest(said) if who[0] == seat.me.organisation]
    if not ours or any(_is_mine(who, seat) for who, _given in ours):
        return ""
    named = words.listed(tuple(words.value(_name(who, seat)) for who, _given in ours))
    nation = words.value(seat.chip(seat.me.organisation))
    return _("acknowledged for %(nation)s by %(names)s", nation=nation, names=named)


def _is_mine(who: _Who, seat: Seat) -> bool:
    return who == (seat.me.organisation, seat.me.subject)


def _name(who: _Who, seat: Seat) -> str:
    return seat.named(Mention(called=Called.PERSON, organisation=who[0], person=who[1]))


def _waiting(intent: Intent, action: Say | Attach, room: Room) -> Entry:
    """What stands in the outbox: written, kept, and not in the record yet."""
    body = action.body
    content = _said(EnvelopeId(bytes(32)), body, room) or Gone(why="unknown", text=_("Kept, and goes out by itself."))
    text = body if isinstance(body, Text) else None
    return Entry(
        id=intent.id,
        seq=0,
        who=room.seat.who(room.seat.me),
        first=True,
        at_ms=intent.created_at_ms,
        utc=words.time_of_day(intent.created_at_ms),
        sent="",
        relay_time="",
        label=action.label.text,
        the_label=action.label.text,
        pap="" if action.pap is USUAL_PAP else action.pap.text,
        the_pap=action.pap.text,
        urgent="" if action.precedence is Precedence.ROUTINE else words.precedence(action.precedence),
        pages=False,
        content=content,
        reply=None if text is None or text.reply_to is None else _quote(text.reply_to, room),
        thread="" if text is None or text.thread is None else text.thread.hex(),
        root=None if text is None or text.thread is None else _quote(text.thread, room),
        threads=0,
        calls=(),
        calls_me=False,
        reactions=(),
        acks=None,
        delivery=intent_delivery(intent),
        own=False,
        erasable="none",
        repaired="",
    )
