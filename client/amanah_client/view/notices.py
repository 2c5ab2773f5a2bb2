"""What a header says for all to see, as one line of a conversation; a change of readers above all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final, Literal

from amanah_client.language import gettext as _
from amanah_client.language import list_of, ngettext
from amanah_client.message import Message
from amanah_client.model import Retitled
from amanah_client.paging.duty import DESK
from amanah_client.view import words
from amanah_client.view.alerts import sum_words
from amanah_client.view.entries import Notice
from amanah_client.view.gathered import Room
from amanah_client.view.people import Seat
from amanah_protocol import kinds
from amanah_protocol.content.bodies import RoomInfo
from amanah_protocol.content.page import Page, Result
from amanah_protocol.egress import TakenOut, read_form
from amanah_protocol.errors import Code
from amanah_protocol.kinds import HANDSHAKE, HEADER_ONLY
from amanah_protocol.types import DeviceId, EnvelopeId

_NAMED: Final = 6
"""So many people are named in one line."""


def notice_of(message: Message, room: Room) -> Notice | None:
    """An entry as a line of the system; None for one that stands elsewhere or says nothing to people."""
    effect, who = room.board.without_effect.get(message.id), room.seat.who(message.sender)
    name = words.value(who.name)
    if effect is not None:
        withdrawn = room.board.messages[message.id].withdrawn is not None
        said: Told | None = _without_effect(message, name, effect, withdrawn=withdrawn)
    elif isinstance(message.body, Page):
        said = _paged(message.body, words.value(who.chip)), "alarm" if message.body.result is Result.FAILED else "quiet"
    elif isinstance(message.body, RoomInfo):
        said = None if message.row.retitled is None else _called(message.body.title, message.row.retitled, name)
    else:
        said = _does(message, name, room)
    if said is None:
        return None
    text, tone = said
    return Notice(
        id=message.id.hex(),
        seq=message.room_seq or 0,
        at_ms=message.sent_at_ms,
        utc=words.time_of_day(message.sent_at_ms),
        chip=who.chip,
        text=text,
        tone=tone,
    )


Told = tuple[str, Literal["quiet", "readers", "alarm"]]


def _without_effect(message: Message, who: str, why: str, *, withdrawn: bool) -> Told:
    named = {"who": who, "kind": message.type, "why": words.without_effect(why)}
    said = _("%(who)s said something without effect (%(kind)s): %(why)s.", **named)
    taken = _("Withdrawn by its author.")
    return f"{said} {taken}" if withdrawn else said, "quiet"


def _paged(page: Page, nation: str) -> str:
    whom = _("the duty desk of %(nation)s", nation=nation) if page.whom == DESK else words.value(page.whom)
    named = {"nation": nation, "whom": whom, "digits": page.message.hex()[:8]}
    return {
        Result.RANG: _("%(nation)s paged %(whom)s for message %(digits)s: a device rang.", **named),
        Result.REACHED: _("%(nation)s paged %(whom)s for message %(digits)s: the page was taken over.", **named),
        Result.FAILED: _("%(nation)s paged %(whom)s for message %(digits)s: it reached nobody.", **named),
    }[page.result]


def _called(title: str, retitled: Retitled, who: str) -> Told:
    named = {"who": who, "before": words.title(retitled.before), "title": words.title(title)}
    if retitled.holds:
        return _("%(who)s renamed the room from “%(before)s” to “%(title)s”.", **named), "alarm"
    said = _("%(who)s called the room “%(title)s” without effect: it is still called “%(before)s”.", **named)
    return said, "alarm"


def _erased(message: Message, who: str, envelopes: Collection[EnvelopeId], room: Room) -> str:
    """Of what others sent, has no words or is not here nothing is erased: nobody may take it for gone."""
    found = [one for one in map(room.messages.get, envelopes) if one is not None]
    theirs = [one for one in found if not message.sender.may_erase(one.sender.device, room.owner)]
    gone = [one for one in found if one not in theirs and one.kind not in HEADER_ONLY | HANDSHAKE]
    rest = len(envelopes) - len(gone)
    if not found:
        return _("%(who)s asked to erase what is not here.", who=who)
    if not gone and len(theirs) == rest:
        return _("%(who)s asked to erase what another device sent: nothing was erased.", who=who)
    if not gone:
        return _(
            "%(who)s asked to erase what has no words, another device sent or is not here: nothing was erased.", who=who
        )
    said = ngettext(
        "%(who)s erased the content of %(count)s message above.",
        "%(who)s erased the content of %(count)s messages above.",
        len(gone),
        who=who,
    )
    if rest == 0:
        return said
    return f"{said} " + ngettext(
        "Of %(count)s more that was named nothing was erased here.",
        "Of %(count)s more that were named nothing was erased here.",
        rest,
    )


def _does(message: Message, who: str, room: Room) -> Told | None:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    seat = room.seat
    match message.specific:
        case kinds.Create(ceiling=ceiling, agreement=agreement):
            opened = _("%(who)s opened the room, up to %(label)s.", who=who, label=ceiling.text)
            under = "" if agreement is None else " " + _("Agreement: %(name)s.", name=words.value(agreement))
            return opened + under, "readers"
        case kinds.Commit(added=added, removed=removed):
            return _changed(who, _whose(added, seat), _whose(removed, seat))
        case kinds.Egress(recipient=recipient, envelope=envelope, form="forward"):
            digits, into = envelope.hex()[:8], words.value(recipient[:8])
            said = _("%(who)s forwarded message %(digits)s into room %(room)s.", who=who, digits=digits, room=into)
            return said, "readers"
        case kinds.Egress(recipient=recipient, form=form) if taken := read_form(form):
            return _took_out(who, taken, words.value(recipient)), "readers"
        case kinds.Egress(recipient=recipient, envelope=envelope):
            digits, to = envelope.hex()[:8], words.value(recipient)
            said = _("%(who)s disclosed message %(digits)s to %(recipient)s.", who=who, digits=digits, recipient=to)
            return said, "readers"
        case kinds.Erase(envelopes=envelopes):
            return _erased(message, who, envelopes, room), "quiet"
        case kinds.Relabel(envelope=envelope, old=old, new=new):
            said = _("%(who)s changed the label of message %(digits)s from %(old)s to %(new)s.",
                     who=who, digits=envelope.hex()[:8], old=old.text, new=new.text)  # fmt: skip
            return said, "readers"
        case kinds.Decision(ordinal=ordinal, outcome=outcome):
            if outcome is kinds.Outcome.ADOPTED:
                return _("%(who)s recorded: proposal %(number)s is adopted.", who=who, number=ordinal), "quiet"
            return _("%(who)s recorded: proposal %(number)s is not adopted.", who=who, number=ordinal), "quiet"
        case kinds.Counts() as counts:
            return f"{who}: {sum_words(counts)}", "quiet"
        case kinds.Refuse(code=Code.FORK):
            return _("%(who)s asks for new keys: its profile is an old copy.", who=who), "quiet"
        case kinds.Refuse(commit=commit):
            return _("%(who)s refuses the change %(digits)s of the room.", who=who, digits=commit.hex()[:8]), "alarm"
        case kinds.Grant(addressees=addressees, from_seq=first, to_seq=last):
            return ngettext(
                "%(who)s granted the record from %(first)s to %(last)s to %(count)s device.",
                "%(who)s granted the record from %(first)s to %(last)s to %(count)s devices.",
                len(addressees),
                who=who,
                first=first,
                last=last,
            ), "readers"
        case _:  # what programs tell each other, and what was sealed
            return None


def _took_out(who: str, taken: TakenOut, recipient: str) -> str:
    named = {"who": who, "recipient": recipient, "label": taken.label.text, "form": words.value(taken.form)}
    if taken.what == "notice":
        return _(
            "%(who)s took out the draft of a notice made of the room, for the authority of %(recipient)s "
            "(%(label)s, %(form)s).",
            **named,
        )
    return _("%(who)s took out a report of the room, for %(recipient)s (%(label)s, %(form)s).", **named)


def _changed(who: str, came: str, left: str) -> Told | None:
    if came and left:
        return _("%(who)s added %(came)s and removed %(left)s.", who=who, came=came, left=left), "readers"
    if came:
        return _("%(who)s added %(came)s.", who=who, came=came), "readers"
    return (_("%(who)s removed %(left)s.", who=who, left=left), "readers") if left else None


def _whose(devices: Iterable[DeviceId], seat: Seat) -> str:
    whose = [seat.who(seat.find(device)) for device in devices]
    people = Counter(f"{who.chip} {who.name}" for who in whose)
    # Of many the nations alone are told: who they are stands beside the conversation.
    counts = people if len(people) <= _NAMED else Counter(who.chip for who in whose)
    return list_of(f"{words.value(one)} ({words.devices(count)})" for one, count in sorted(counts.items()))
