"""Who was granted a room's record, who read it, what is held and what was erased: as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from amanah_client.cli.terminal import clock, iso, single
from amanah_client.composing import names
from amanah_client.custody import Custody, Read
from amanah_client.room import Room
from amanah_protocol.custody.erasures import ContentErasure
from amanah_protocol.custody.grants import AuditGrant
from amanah_protocol.custody.holds import LegalHold
from amanah_protocol.custody.retention import DEFAULT, KindClass, RoomPolicy
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label

_DIGITS: Final = 8
_UNPROVEN: Final = " (who signed it cannot be told here: it is older than the roster that this device was given)"
_CLASSES: Final = {"talk": KindClass.TALK, "alerts": KindClass.ALERT}


def custody_lines(room: Room) -> Iterator[str]:
    """One line an entry; statements of erasure are summed up."""
    erased = 0
    for entry in room.custody():
        doubt = _UNPROVEN if entry.unproven else ""
        match entry.what:
            case AuditGrant() as grant:
                yield _grant(grant) + doubt
            case Read() as read:
                yield f"audited by {_reader(room, read)} under grant {_named(read)} on {clock(entry.at_ms)}" + doubt
            case LegalHold() as hold:
                yield _hold(hold, entry) + doubt
            case ContentErasure() as erasure:
                erased += len(erasure.places)
            case None:
                yield f"entry {entry.index} of the log concerns this room and does not hold: see the alarms"
    if erased:
        yield f"erased by the relay because their time was over: {erased}"


def _grant(grant: AuditGrant) -> str:
    who = "the community" if grant.granting is None else grant.granting
    until = f"until {clock(grant.not_after_ms)}"
    return f"audit grant {grant.id.hex()[:_DIGITS]}: {who} lets {grant.auditor} read {until}: {single(grant.purpose)}"


def _hold(hold: LegalHold, entry: Custody) -> str:
    what = "released" if hold.released else "held: nothing in it is dropped"
    if hold.released and entry.unproven:
        what = "said to be released, which ends nothing on this device"
    if entry.lapsed:
        what = "ended, as its organisation is not in the roster any more"
    return f"legal hold {hold.id.hex()[:_DIGITS]} of {hold.organisation}: {what}"


def _reader(room: Room, read: Read) -> str:
    party = room.party(read.device)
    return f"{single(party.name)}, {party.organisation}"


def _named(read: Read) -> str:
    return "-" if read.grant is None else read.grant.id.hex()[:_DIGITS]


def parse_policy(words: Iterable[str]) -> RoomPolicy | None:
    """A room's policy as people write it; None for nothing.

    Raises:
        UsageError: `USAGE` or `LABEL`.
    """
    labels: dict[Label, int] = {}
    classes: dict[KindClass, int] = {}
    after_last: dict[Label, int] = {}
    said = list(words)
    for word in said:
        if word == "default":
            after_last.update(DEFAULT.after_last)
            continue
        what, _, days = word.partition("=")
        number = days.removeprefix("last+")
        if not (number.isascii() and number.isdigit()):
            hint = "Write it as TLP:RED=last+7, TLP:AMBER=90 or alerts=30."
            raise UsageError(Code.USAGE, f"--keep {word!r} names no number of days", hint=hint)
        if what in _CLASSES and number == days:
            classes[_CLASSES[what]] = int(number)
        else:
            (labels if number == days else after_last)[names.label(what)] = int(number)
    return RoomPolicy(labels=labels, classes=classes, after_last=after_last) if said else None


def custody_json(entry: Custody) -> dict[str, object]:
    """One entry for programs."""
    told: dict[str, object] = {"at": iso(entry.at_ms), "log_index": entry.index, "unproven": entry.unproven}
    match entry.what:
        case AuditGrant() as grant:
            return told | {
                "type": "grant",
                "grant": grant.id.hex(),
                "granting": grant.granting,
                "auditor": grant.auditor,
                "purpose": grant.purpose,
                "until": iso(grant.not_after_ms),
            }
        case Read() as read:
            named = None if read.grant is None else read.grant.id.hex()
            return told | {"type": "read", "device": read.device.hex(), "grant": named}
        case LegalHold() as hold:
            return told | {
                "type": "hold", "hold": hold.id.hex(), "organisation": hold.organisation, "released": hold.released,
                "lapsed": entry.lapsed,
            }  # fmt: skip
        case ContentErasure() as erasure:
            return told | {
                "type": "erasure", "places": list(erasure.places), "cause": erasure.cause.name.lower(),
            }  # fmt: skip
        case None:
            return told | {"type": "flawed"}
