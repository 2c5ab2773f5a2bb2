"""What an entry without words of a person says, in words that several faces show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from amanah_client import terms
from amanah_client.language import gettext as _
from amanah_client.language import isolate, ngettext
from amanah_client.said import ID_DIGITS
from amanah_protocol import kinds
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.egress import TakenOut, read_form
from amanah_protocol.errors import Code
from amanah_protocol.kinds import Kind
from amanah_protocol.types import DeviceId, EnvelopeId

QUIET_KINDS: Final = frozenset({Kind.WELCOME, Kind.DELIVERED, Kind.INTAKE_KEY, Kind.REPAIR})
"""What the programs tell each other: shown when everything is asked for."""
QUIET_TYPES: Final = frozenset({"profile", "title"})
"""Said anew to everybody who joins; the room's members and title are shown by other verbs."""

_NAMED_SIGNATURES: Final = 3


def does(specific: kinds.Specific, name: Callable[[DeviceId], str], safe: Callable[[str], str]) -> str:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """What an entry says by its header.

    Args:
        specific: The header's part of its kind.
        name: Who a device is, safe to show.
        safe: Makes others' text safe to show.
    """
    match specific:
        case kinds.Create(owner=owner, ceiling=ceiling, drill=drill):
            named = {"owner": isolate(owner), "label": isolate(ceiling.text)}
            if drill:
                return _("opens the room for %(owner)s, up to %(label)s, as a drill", **named)
            return _("opens the room for %(owner)s, up to %(label)s", **named)
        case kinds.Commit(added=added, removed=removed):
            came, left = ("; ".join(map(name, changed)) for changed in (added, removed))
            parts = [_("adds %(devices)s", devices=came)] if came else []
            parts += [_("removes %(devices)s", devices=left)] if left else []
            return ", ".join(parts) or _("renews its keys")
        case kinds.Ack(grade=grade, envelope=envelope):
            return _("acknowledges %(envelope)s: %(grade)s", envelope=_id(envelope), grade=terms.grade(grade))
        case kinds.Relabel(envelope=envelope, old=old, new=new):
            labels = {"old": isolate(old.text), "new": isolate(new.text)}
            return _("changes the label of %(envelope)s from %(old)s to %(new)s", envelope=_id(envelope), **labels)
        case kinds.Egress(envelope=envelope, form="forward", recipient=recipient):
            return _("forwards %(envelope)s into room %(room)s", envelope=_id(envelope), room=safe(recipient))
        case kinds.Egress(envelope=envelope, form=form, recipient=recipient) if taken := read_form(form):
            return _took_out(taken, envelope, safe(recipient), safe)
        case kinds.Egress(envelope=envelope, recipient=recipient):
            return _("discloses %(envelope)s to %(whom)s", envelope=_id(envelope), whom=safe(recipient))
        case kinds.Grant(from_seq=first, to_seq=last, addressees=addressees):
            whom = "; ".join(map(name, addressees))
            return _("grants what was said from %(first)s to %(last)s to %(whom)s", first=first, last=last, whom=whom)
        case kinds.Counts(accepted=accepted, merged=merged, dropped=dropped):
            return _(
                "counted its alerts: %(accepted)s accepted, %(merged)s merged, %(dropped)s dropped",
                accepted=accepted,
                merged=merged,
                dropped=dropped,
            )
        case kinds.Erase(envelopes=envelopes):
            return _("erases %(envelopes)s", envelopes=", ".join(map(_id, envelopes)))
        case kinds.Delivered(room_seq=room_seq):
            return _("has stored everything up to %(place)s", place=room_seq)
        case kinds.Repair(envelopes=envelopes, addressees=()):
            return _("asks for %(envelopes)s again", envelopes=", ".join(map(_id, envelopes)))
        case kinds.Repair(envelopes=envelopes):
            return _("sends %(envelopes)s again", envelopes=", ".join(map(_id, envelopes)))
        case kinds.Refuse(code=Code.FORK):
            return _("asks for a new epoch: its profile is an old copy")
        case kinds.Refuse(commit=commit, code=code):
            return _("refuses the change %(commit)s: %(code)s", commit=_id(commit), code=isolate(safe(code)))
        case _other:
            return terms.kind(kinds.kind_of(specific))


def summary(alerts: tuple[Alert, ...], safe: Callable[[str], str]) -> str:
    """How many alerts, how bad, and what most of them say."""
    by_severity = Counter(alert.severity for alert in alerts)
    severities = ", ".join(f"{by_severity[s]} {terms.severity(s)}" for s in reversed(Severity) if by_severity[s])
    titles = Counter(alert.title for alert in alerts)
    often = titles.most_common(_NAMED_SIGNATURES)
    named = ", ".join(f"{count} x {safe(title)}" for title, count in often)
    others = len(titles) - len(often)
    rest = ", " + ngettext("%(count)s other kind", "%(count)s other kinds", others, count=others) if others else ""
    count = ngettext("%(count)s alert", "%(count)s alerts", len(alerts), count=len(alerts))
    return f"{count} ({severities}): {named}{rest}"


def _took_out(taken: TakenOut, newest: EnvelopeId, whom: str, safe: Callable[[str], str]) -> str:
    named = {
        "envelope": _id(newest),
        "label": isolate(taken.label.text),
        "form": isolate(safe(taken.form)),
        "whom": whom,
    }
    if taken.what == "notice":
        return _(
            "takes out the draft of a notice, made of the room up to %(envelope)s, for the authority of %(whom)s "
            "(%(label)s, %(form)s)",
            **named,
        )
    return _("takes out a report of the room up to %(envelope)s, for %(whom)s (%(label)s, %(form)s)", **named)


def _id(identifier: bytes) -> str:
    return isolate(identifier.hex()[:ID_DIGITS])
