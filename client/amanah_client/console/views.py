"""What each page says: from the record, the address and its query to a template and what stands in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from amanah_client import terms
from amanah_client.audit.questions.audits import Audited, told
from amanah_client.audit.questions.case import Case
from amanah_client.audit.questions.registry import QUESTIONS, Answer, ask, needs, question_of
from amanah_client.audit.questions.search import search as search_record
from amanah_client.audit.report import MAX_FINDINGS, Finding, RoomSummary, Severity
from amanah_client.audit.retention import CAUSES, retention
from amanah_client.console import entries, places, plots, proof, search
from amanah_client.console.selection import FILTERS, Selection, select
from amanah_client.console.state import Examined
from amanah_client.language import ENGLISH, speaking
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, RoomId

_INDEX: Final = re.compile(r"[0-9]{1,18}")
_ROOM_BYTES: Final = 16
_DEVICE_BYTES: Final = 32
_RECENT: Final = 8
_ROWS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A page to be.

    Attributes:
        template: Its template; "" leads to another address.
        context: What stands in it.
        status: Of HTTP.
        location: Where it leads.
    """

    template: str = ""
    context: Mapping[str, object] = field(default_factory=dict)
    status: int = 200
    location: str = ""


Query = Mapping[str, str]


def overview(examined: Examined, _: Query) -> View:
    """What was verified, what not, and what stands out."""
    everything = Selection()
    return View(
        template="overview.html",
        context={
            "scope": examined.report.scope,
            "histogram": entries.histogram(examined, everything),
            "wanted": everything,
            "rooms": _rooms(examined)[-_RECENT:],
            "room_count": examined.record.room_count,
            "findings": _faults_first(examined)[:_RECENT],
            "nations": places.nations(examined),
            "questions": QUESTIONS,
        },
    )


def entry_list(examined: Examined, query: Query) -> View:
    """The table of entries, under its filters."""
    context: dict[str, object] = {
        "given": {name: query.get(name, "").strip() for name in FILTERS},
        "kinds": [kind.name.lower().replace("_", "-") for kind in Kind],
        "kind_words": [terms.kind(kind) for kind in Kind],
        "labels": [label.text for label in Label],
        "names": [line.name for line in places.nations(examined) if line.name],
    }
    try:
        wanted = select(examined.record, query)
        page = entries.listing(examined, wanted, after=_number(query.get("after")), before=_number(query.get("before")))
    except UsageError as error:
        return View(template="entries.html", context={**context, "refused": error}, status=400)
    context |= {
        "refused": None,
        "wanted": wanted,
        "listing": page,
        "histogram": entries.histogram(examined, wanted),
    }
    return View(template="entries.html", context=context)


def entry(examined: Examined, index: str) -> View:
    """One entry: its three times, its readers, its proof."""
    number = _number(index)
    if number is None:
        raise UsageError(Code.NOT_FOUND, f"{index!r} is no log index", hint="Log indices are numbers from 0 on.")
    shown, record = proof.show(examined, number), examined.record
    found = entries.rows(examined, record.read('WHERE entry."index" = ?', number))
    context: dict[str, object] = {
        "shown": shown,
        "row": found[0] if found else None,
        "findings": entries.findings_of(record, [number]).get(number, []),
        "bounds": record.bounds(number),
        "stamped": record.stamped(number),
        "about": places.devices(record, "WHERE certified = ?1 OR revoked = ?1", number),
        "audited": _told(examined, number),
    }
    if found:
        one = found[0].entry
        ((room,),) = record.select("SELECT number FROM room WHERE room = ?", one.room)
        mentioned = 'JOIN mention ON mention."index" = entry."index" WHERE mention.target = ? ORDER BY entry."index"'
        named = 'JOIN mention ON mention.target = entry."index" WHERE mention."index" = ? ORDER BY entry."index"'
        context |= {
            "devices": [record.who(device) for device in record.members_at(room, one.room_seq)],
            "answers": entries.rows(examined, record.read(f"{mentioned} LIMIT {_ROWS}", number)),
            "targets": entries.rows(examined, record.read(f"{named} LIMIT {_ROWS}", number)),
        }
    return View(template="entry.html", context=context)


def _told(examined: Examined, number: int) -> Audited | None:
    with speaking(ENGLISH):
        return told(_case(examined), number)


def room_list(examined: Examined, _: Query) -> View:
    """The rooms in scope."""
    return View(template="rooms.html", context={"rooms": _rooms(examined)})


def _rooms(examined: Examined) -> tuple[RoomSummary, ...]:
    return examined.once("rooms", examined.record.rooms)


def room(examined: Examined, identifier: str) -> View:
    """One room: its circle over time, and who changed it."""
    found = examined.record.room(RoomId(_id(identifier, _ROOM_BYTES, "room")))
    if found is None:
        hint = "The page of rooms lists those in scope; a room outside of it is bare hashes here."
        raise UsageError(Code.UNKNOWN_ROOM, f"the record speaks of no room {identifier[:8]}", hint=hint)
    wanted = select(examined.record, {"room": found.room.hex()})
    return View(
        template="room.html",
        context={
            "room": found,
            "circle": places.circle(found),
            "stays": places.stays(examined.record, "WHERE room.room = ?", found.room),
            "histogram": entries.histogram(examined, wanted),
            "wanted": wanted,
            "questions": _questions_with(room=found.room.hex()[:16]),
        },
    )


def nation_list(examined: Examined, _: Query) -> View:
    """The nations that the record speaks of."""
    return View(template="nations.html", context={"nations": places.nations(examined)})


def nation(examined: Examined, name: str) -> View:
    """One nation: its devices, and the rooms in which it is or was."""
    organisation = parse_organisation(name)
    line = next((line for line in places.nations(examined) if line.name == organisation), None)
    if line is None:
        hint = "The page of nations lists those that it speaks of."
        raise UsageError(Code.NOT_FOUND, f"the record does not speak of {organisation}", hint=hint)
    record = examined.record
    of_nation = "WHERE device IN (SELECT number FROM device WHERE organisation = ?)"
    wanted = select(record, {"nation": organisation})
    return View(
        template="nation.html",
        context={
            "line": line,
            "devices": places.devices(record, "WHERE organisation = ?", organisation),
            "stays": places.stays(record, of_nation, organisation),
            "histogram": entries.histogram(examined, wanted),
            "wanted": wanted,
            "speed": next((speed for speed in plots.speeds(examined) if speed.nation == organisation), None),
            "questions": _questions_with(nation=organisation),
        },
    )


def device_list(examined: Examined, _: Query) -> View:
    """The devices that the record speaks of."""
    found = places.devices(examined.record)
    ((count,),) = examined.record.select("SELECT count(*) FROM device")
    return View(template="devices.html", context={"devices": found, "left_out": count - len(found)})


def device(examined: Examined, identifier: str) -> View:
    """One device: what it could read, and what it sent."""
    record = examined.record
    line = places.device(record, DeviceId(_id(identifier, _DEVICE_BYTES, "device")))
    if line is None:
        hint = "The page of devices lists those that it speaks of."
        raise UsageError(Code.NOT_FOUND, f"the record speaks of no device {identifier[:8]}", hint=hint)
    wanted = select(record, {"sender": line.who.device.hex()})
    number = record.number(line.who.device)
    return View(
        template="device.html",
        context={
            "line": line,
            "stays": places.stays(record, "WHERE stay.device = ?", number),
            "histogram": entries.histogram(examined, wanted),
            "wanted": wanted,
            "questions": _questions_with(device=line.who.device.hex()[:16]),
        },
    )


def findings(examined: Examined, _: Query) -> View:
    """Everything that was found, faults first."""
    found = _faults_first(examined)
    faults = sum(one.severity is Severity.FAULT for one in found)
    return View(
        template="findings.html",
        context={"findings": found, "unnamed": examined.report.faults - faults, "most": MAX_FINDINGS},
    )


def _faults_first(examined: Examined) -> list[Finding]:
    return sorted(examined.report.findings, key=lambda one: one.severity is not Severity.FAULT)


def retention_page(examined: Examined, _: Query) -> View:
    """What was erased, when and why; what should have been; what is held, and who was forgotten."""
    found = examined.once("retention", lambda: retention(examined.record))
    return View(template="retention.html", context={"found": found, "causes": CAUSES, "most": _ROWS})


def plot_page(examined: Examined, _: Query) -> View:
    """Who talked with whom, volume by day, acknowledgement times."""
    return View(
        template="plots.html",
        context={
            "matrix": plots.matrix(examined),
            "days": plots.volume(examined),
            "speeds": plots.speeds(examined),
        },
    )


# ---- questions and search


def _case(examined: Examined) -> Case:
    made = Case(report=examined.report, anchor=examined.anchor, checkpoint=examined.checkpoint)
    return examined.once("case", lambda: made)


def _questions_with(**given: str) -> list[tuple[str, str, Mapping[str, str]]]:
    """Questions that can be asked with what a page is about: name, sentence, and how they are told."""
    ((name, value),) = given.items()
    return [
        (asked.name, asked.sentence, {name: value})
        for asked in QUESTIONS.values()
        if name in asked.parameters and set(asked.required) <= {name}
    ]


def question_list(_: Examined, _query: Query) -> View:
    """The questions that a record answers."""
    return View(template="questions.html", context={"questions": QUESTIONS})


def question(examined: Examined, name: str, query: Query) -> View:
    """One question: its form, and its answer once everything that it needs was given."""
    asked = question_of(name)
    given = {key: query[key].strip() for key in asked.parameters if query.get(key, "").strip()}
    answer: Answer | None = None
    refused: UsageError | None = None
    # Said in the names of the form's fields: what the question itself refuses speaks of a terminal's options.
    wrong = [group for group in needs(asked) if sum(name in given for name in group) != 1]
    wanted = "ask" in query or bool(given)
    if wanted and not wrong:
        try:
            # An answer is evidence: it is found and kept in one language, whoever asks.
            with speaking(ENGLISH):
                answer = examined.once(("ask", name, *given.items()), lambda: ask(asked, _case(examined), given))
        except UsageError as error:
            refused = error
    context = {
        "question": asked,
        "groups": {name: group for group in needs(asked) for name in group},
        "wrong": wrong if wanted else [],
        "given": given,
        "answer": answer,
        "refused": refused,
        # A column that is empty in all rows says nothing, and others need its place.
        "shown": [
            (key, column)
            for key, column in asked.columns.items()
            if answer is not None and any(getattr(row, key) is not None for row in answer.found.rows)
        ],
    }
    return View(template="question.html", context=context, status=400 if refused or context["wrong"] else 200)


def find(examined: Examined, query: Query) -> View:
    """Whatever the search box was given."""
    text = query.get("q", "").strip()
    try:
        with speaking(ENGLISH):
            hits = search_record(_case(examined), text)
    except UsageError as error:
        return View(template="search.html", context={"q": text, "hits": (), "refused": error}, status=404)
    found = [(hit, search.page_of(hit)) for hit in hits]
    if len(found) == 1 and found[0][0].holds and found[0][1] and found[0][0].hit != "receipt":
        return View(location=found[0][1])
    return View(template="search.html", context={"q": text, "hits": found, "refused": None})


# ---- what stands in an address


def _number(text: str | None) -> int | None:
    return int(text) if text and _INDEX.fullmatch(text) else None


def _id(text: str, length: int, what: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != length:
        hint = f"An id of a {what} has {2 * length} digits; the search finds it by its first ones."
        raise UsageError(Code.NOT_FOUND, f"{text[:80]!r} is no id of a {what}", hint=hint)
    return found
