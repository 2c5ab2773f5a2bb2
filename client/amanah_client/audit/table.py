"""Who told whom what class of thing, when: the record in words. There is no plaintext to show."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from amanah_client import terms
from amanah_client.audit.record import Report
from amanah_client.audit.report import Entry, Nations, Severity, Who
from amanah_client.language import ENGLISH, N_, isolate, ngettext, spoken
from amanah_client.language import gettext as _
from amanah_protocol import kinds
from amanah_protocol.egress import read_form
from amanah_protocol.errors import Code
from amanah_protocol.limits import SIZE_CLASSES
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId

_SHORT: Final = 8
_KIB: Final = 1024

NO_PLAINTEXT: Final = N_(
    "Content, titles, names of people and of files are sealed: they stand nowhere in this record, "
    "and neither the relay nor an auditor can read them, or tell a text from a title or a name."
)
NO_LABEL: Final = N_(
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
        return _("FAULT: %(codes)s", codes=", ".join(faults))
    since = report.compromised.get(entry.sender.device)
    if since is not None and entry.accepted_at_ms >= since:
        return _("verified, but the key was in wrong hands by then")
    return _("verified")


def nations(readers: Nations) -> str:
    """`cert.example.ma 2, cert.example.tn 1`."""
    return ", ".join(f"{name or _('unknown')} {count}" for name, count in readers)


def size_words(kind: kinds.Kind, size_class: int) -> str:
    """`up to 8 KiB` of padded content, `keys`, or `header only`."""
    if not size_class:
        return _("keys") if kind in kinds.HANDSHAKE else _("header only")
    size = SIZE_CLASSES[size_class - 1]
    written = f"{size} B" if size < _KIB else f"{size // _KIB} KiB"
    return _("up to %(size)s", size=isolate(written))


def changed(added: Iterable[Who], removed: Iterable[Who]) -> str:
    """What a commit did to the circle."""
    came, left = (", ".join(_who(who) for who in whom) for whom in (added, removed))
    said = [_("added %(devices)s", devices=came)] if came else []
    said += [_("removed %(devices)s", devices=left)] if left else []
    return "; ".join(said) or _("renewed the keys")


def words(specific: kinds.Specific) -> str:  # noqa: C901, PLR0911 - one for each of what a room lives by
    """What an envelope of a kind says for all to see."""
    match specific:
        case kinds.Create():
            under = _(" under %(agreement)s", agreement=isolate(specific.agreement)) if specific.agreement else ""
            on = _(", which continues %(room)s", room=_id(specific.successor_of)) if specific.successor_of else ""
            label = isolate(specific.ceiling.text)
            opened = _("opened a DRILL room up to %(label)s", label=label) if specific.drill else ""
            return (opened or _("opened a room up to %(label)s", label=label)) + under + on
        case kinds.Commit():
            added, removed = len(specific.added), len(specific.removed)
            return _("changed the circle: %(added)s added, %(removed)s removed", added=added, removed=removed)
        case kinds.Welcome():
            return _("handed the keys to %(devices)s", devices=_devices(specific.addressees))
        case kinds.Message(attachment=bytes(attachment)):
            return _("a sealed file, attachment %(attachment)s", attachment=isolate(attachment.hex()[:_SHORT]))
        case kinds.Message():
            return _("sealed text, title or name")
        case kinds.Alert():
            return ngettext("%(count)s alert", "%(count)s alerts", specific.count, count=specific.count)
        case kinds.IntakeKey():
            return _("gave post-only sensors a key")
        case kinds.Ack():
            grade = terms.grade(specific.grade)
            return _("acknowledged %(envelope)s (%(grade)s)", envelope=_id(specific.envelope), grade=grade)
        case kinds.Delivered():
            return _("confirmed that it has every entry of the room up to place %(place)s", place=specific.room_seq)
        case kinds.Grant():
            return _(
                "granted the history from place %(first)s to %(last)s to %(devices)s",
                first=specific.from_seq,
                last=specific.to_seq,
                devices=_devices(specific.addressees),
            )
        case _:
            return _act(specific)


_Act: TypeAlias = (
    kinds.Erase | kinds.Repair | kinds.Refuse | kinds.Decision | kinds.Relabel | kinds.Egress | kinds.Counts
)


def _act(specific: _Act) -> str:  # noqa: C901, PLR0911 - one for each of the others
    match specific:
        case kinds.Erase():
            return _("erased the content of %(envelopes)s", envelopes=", ".join(map(_id, specific.envelopes)))
        case kinds.Repair():
            count = len(specific.envelopes)
            messages = ngettext("%(count)s message", "%(count)s messages", count, count=count)
            if not specific.addressees:
                return _("asked for %(messages)s again", messages=messages)
            devices = _devices(specific.addressees)
            return _("sent %(messages)s again to %(devices)s", messages=messages, devices=devices)
        case kinds.Refuse(code=Code.FORK):
            return _("asked for a new epoch: its profile is an old copy")
        case kinds.Refuse():
            return _(
                "refused the change %(commit)s (%(code)s)", commit=_id(specific.commit), code=isolate(specific.code)
            )
        case kinds.Decision():
            by = ", ".join(specific.nations)
            named = {"number": specific.ordinal, "nations": isolate(by) if by else _("nobody")}
            if specific.outcome is kinds.Outcome.ADOPTED:
                return _("proposal %(number)s adopted by %(nations)s", **named)
            return _("proposal %(number)s refused by %(nations)s", **named)
        case kinds.Relabel():
            return _(
                "changed the label of %(envelope)s from %(old)s to %(new)s",
                envelope=_id(specific.envelope),
                old=isolate(specific.old.text),
                new=isolate(specific.new.text),
            )
        case kinds.Egress(form=form) if (taken := read_form(form)) is not None:
            return _(
                "took out a file made of the room up to %(envelope)s, for %(recipient)s (%(form)s)",
                envelope=_id(specific.envelope),
                recipient=isolate(specific.recipient),
                form=isolate(taken.text),
            )
        case kinds.Egress():
            return _(
                "disclosed %(envelope)s outside to %(recipient)s (%(form)s)",
                envelope=_id(specific.envelope),
                recipient=isolate(specific.recipient),
                form=isolate(specific.form),
            )
        case kinds.Counts():
            return _(
                "counted alerts: %(accepted)s accepted, %(merged)s merged, %(dropped)s dropped",
                accepted=specific.accepted,
                merged=specific.merged,
                dropped=specific.dropped,
            )
        case _:
            assert_never(specific)


def _who(who: Who) -> str:
    """As `Who.text` has it in English."""
    if spoken() == ENGLISH or who.role is None or who.subject is None:
        return isolate(who.text)
    named = {"digits": isolate(who.subject.hex()[:_SHORT]), "nation": isolate(who.organisation)}
    return _("%(role)s %(digits)s of %(nation)s", role=terms.role(who.role), **named)


def _devices(addressees: Collection[DeviceId]) -> str:
    count = len(addressees)
    return ngettext("%(count)s device", "%(count)s devices", count, count=count)


def _id(identifier: EnvelopeId | RoomId | DeviceId) -> str:
    return isolate(short(identifier))


def short(identifier: EnvelopeId | RoomId | DeviceId) -> str:
    """The first digits of an identifier."""
    return identifier.hex()[:_SHORT]


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 room`, `2 rooms`, `2 leaves`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
