"""Who told whom what class of thing, when: the record in words. There is no plaintext to show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from amanah_client.audit.record import Report
from amanah_client.audit.report import Entry, Nations, Severity, Who
from amanah_protocol import kinds
from amanah_protocol.errors import Code
from amanah_protocol.limits import SIZE_CLASSES
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId

_SHORT: Final = 8
_KIB: Final = 1024

NO_PLAINTEXT: Final = (
    "Content, titles, names of people and of files are sealed: they stand nowhere in this record, "
    "and neither the relay nor an auditor can read them, or tell a text from a title or a name."
)
NO_LABEL: Final = (
    "An entry without content (keys, or header only) has nothing that a label would protect: it may say TLP:CLEAR in a "
    "room of any label, and lowers nothing there."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries are wanted; None and "" take all.

    Attributes:
        room: First digits of the room's id.
        organisation: Sent by it, or readable by it.
        kind: A kind of envelope.
        since_ms: Accepted at or after.
    """

    room: str = ""
    organisation: OrgName | None = None
    kind: kinds.Kind | None = None
    since_ms: int = 0

    def takes(self, entry: Entry) -> bool:
        """Whether an entry of the room, kind and time is of the organisation."""
        named = self.organisation
        return named is None or named == entry.sender.organisation or named in dict(entry.readers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry in words.

    Attributes:
        entry: The entry.
        said: What was done, in words.
        state: Its verification state, in words.
        fault: Whether something about it does not hold.
        drill: Whether its room is an exercise; `said` begins with that word then.
    """

    entry: Entry
    said: str
    state: str
    fault: bool
    drill: bool = False


def lines(report: Report, wanted: Filter) -> Iterator[Line]:
    """The wanted entries of an examined record, in log order."""
    faults: dict[int, list[str]] = {}
    for finding in report.findings:
        if finding.severity is Severity.FAULT and finding.index is not None:
            faults.setdefault(finding.index, []).append(finding.code)
    rooms = tuple(report.record.rooms())
    people = {change.index: change for room in rooms for change in room.changes}
    drills = {room.room for room in rooms if room.create is not None and room.create.drill}
    for entry in report.record.entries(room=wanted.room, kind=wanted.kind, since_ms=wanted.since_ms):
        if wanted.takes(entry):
            change = people.get(entry.index)
            said = words(entry.specific) if change is None else changed(change.added, change.removed)
            found = faults.get(entry.index, [])
            drill = entry.room in drills
            state = _state(report, entry, found)
            yield Line(
                entry=entry, said=f"DRILL: {said}" if drill else said, state=state, fault=bool(found), drill=drill
            )


def _state(report: Report, entry: Entry, faults: list[str]) -> str:
    if faults:
        return "FAULT: " + ", ".join(faults)
    since = report.compromised.get(entry.sender.device)
    if since is not None and entry.accepted_at_ms >= since:
        return "verified, but the key was in wrong hands by then"
    return "verified"


def nations(readers: Nations) -> str:
    """`cert.example.ma 2, cert.example.tn 1`."""
    return ", ".join(f"{name or 'unknown'} {count}" for name, count in readers)


def size_words(kind: kinds.Kind, size_class: int) -> str:
    """`up to 8 KiB` of padded content, `keys`, or `header only`."""
    if not size_class:
        return "keys" if kind in kinds.HANDSHAKE else "header only"
    size = SIZE_CLASSES[size_class - 1]
    return f"up to {size} B" if size < _KIB else f"up to {size // _KIB} KiB"


def changed(added: Iterable[Who], removed: Iterable[Who]) -> str:
    """What a commit did to the circle."""
    said = [f"{verb} {', '.join(who.text for who in whom)}" for verb, whom in _verbs(added, removed)]
    return "; ".join(said) or "renewed the keys"


def _verbs(added: Iterable[Who], removed: Iterable[Who]) -> list[tuple[str, tuple[Who, ...]]]:
    return [(verb, people) for verb, people in (("added", tuple(added)), ("removed", tuple(removed))) if people]


def words(specific: kinds.Specific) -> str:  # noqa: C901, PLR0911, PLR0912 - one for each of the union
    """What an envelope of a kind says for all to see."""
    match specific:
        case kinds.Create():
            under = f" under {specific.agreement}" if specific.agreement else ""
            on = f", which continues {short(specific.successor_of)}" if specific.successor_of else ""
            room = "a DRILL room" if specific.drill else "a room"
            return f"opened {room} up to {specific.ceiling.text}{under}{on}"
        case kinds.Commit():
            return f"changed the circle: {len(specific.added)} added, {len(specific.removed)} removed"
        case kinds.Welcome():
            return f"handed the keys to {counted(len(specific.addressees), 'device')}"
        case kinds.Message():
            return "sealed text, title or name"
        case kinds.Alert():
            return counted(specific.count, "alert")
        case kinds.IntakeKey():
            return "gave post-only sensors a key"
        case kinds.Ack():
            return f"acknowledged {short(specific.envelope)} ({specific.grade.name.lower()})"
        case kinds.Delivered():
            return f"confirmed that it has every entry of the room up to place {specific.room_seq}"
        case kinds.Grant():
            whom = counted(len(specific.addressees), "device")
            return f"granted the history from place {specific.from_seq} to {specific.to_seq} to {whom}"
        case kinds.Erase():
            return f"erased the content of {', '.join(map(short, specific.envelopes))}"
        case kinds.Repair():
            count, whom = counted(len(specific.envelopes), "message"), counted(len(specific.addressees), "device")
            return f"sent {count} again to {whom}" if specific.addressees else f"asked for {count} again"
        case kinds.Refuse(code=Code.FORK):
            return "asked for a new epoch: its profile is an old copy"
        case kinds.Refuse():
            return f"refused the change {short(specific.commit)} ({specific.code})"
        case kinds.Decision():
            by = ", ".join(specific.nations) or "nobody"
            return f"proposal {specific.ordinal} {specific.outcome.name.lower()} by {by}"
        case kinds.Relabel():
            return f"changed the label of {short(specific.envelope)} from {specific.old.text} to {specific.new.text}"
        case kinds.Egress():
            return f"disclosed {short(specific.envelope)} outside to {specific.recipient} ({specific.form})"
        case kinds.Counts():
            return f"counted alerts: {specific.accepted} accepted, {specific.merged} merged, {specific.dropped} dropped"
        case _:
            assert_never(specific)


def short(identifier: EnvelopeId | RoomId | DeviceId) -> str:
    """The first digits of an identifier."""
    return identifier.hex()[:_SHORT]


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 room`, `2 rooms`, `2 leaves`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
