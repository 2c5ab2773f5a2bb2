"""What was asked for and is not done: it waits, it is held for somebody's word, or it was refused."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from amanah_client import actions
from amanah_client.attaching import Attach, Fetch
from amanah_client.language import gettext as _
from amanah_client.language import ngettext
from amanah_client.model import Intent, IntentState
from amanah_client.said import said
from amanah_client.saying import Decide, Say
from amanah_client.view import words
from amanah_client.view.people import Seat
from amanah_client.view.why import why

_EXCERPT_CHARS: Final = 80


class WaitingLine(msgspec.Struct, frozen=True, kw_only=True):
    """One of these.

    Attributes:
        id: The intent's.
        room: Its room in hex; "" where it is about none.
        what: What was asked for.
        state: Whether it goes out by itself, waits for a word, is on its way, or is over.
        words: The same in words, with why and what to do.
        english: Why, as far as that is not known in another language; "" for nothing.
        at_ms: When it was asked for.
        utc: The same in words.
        releasable: Whether it can be sent after all.
        droppable: Whether it can be dropped.
    """

    id: str
    room: str
    what: str
    state: Literal["queued", "held", "sent", "refused"]
    words: str
    english: str
    at_ms: int
    utc: str
    releasable: bool
    droppable: bool


def waiting_line(intent: Intent, seat: Seat) -> WaitingLine:
    """An intent that waits, or did not come about as it was asked for."""
    room = intent.room or getattr(intent.action, "room", None)
    found = why(intent)
    state, text = _stands(intent, found.text)
    return WaitingLine(
        id=intent.id,
        room=room.hex() if isinstance(room, bytes) else "",
        what=what(intent.action),
        state=state,
        words=text,
        english="" if state == "sent" else found.english,
        at_ms=intent.created_at_ms,
        utc=words.when(intent.created_at_ms, seat.now_ms),
        releasable=intent.state is IntentState.HELD,
        droppable=intent.state in {IntentState.HELD, IntentState.QUEUED},
    )


def is_trouble(intent: Intent) -> bool:
    """Whether somebody has to look at it: it is held, waits for more than the relay, or ended otherwise."""
    if intent.state is IntentState.DONE:
        return isinstance(intent.action, actions.Invite) and bool(intent.code)
    return intent.state in {IntentState.HELD, IntentState.FAILED} or bool(intent.code)


def _stands(intent: Intent, because: str) -> tuple[Literal["queued", "held", "sent", "refused"], str]:
    match intent.state:
        case IntentState.HELD:
            return "held", _("Held: %(why)s. Release it or drop it.", why=because)
        case IntentState.FAILED:
            return "refused", _("Refused: %(why)s. Nothing of it was done.", why=because)
        case IntentState.DONE:
            return "refused", _("Done, but not for all: %(why)s. Ask for it again when that is mended.", why=because)
        case IntentState.SENT:
            return "sent", _("On its way; the relay has not answered yet.")
        case _:
            waits = _("Waits: %(why)s. It is tried again by itself.", why=because) if because else ""
            return "queued", waits or _("Waits for the relay, and goes out by itself.")


def what(action: actions.Action) -> str:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    """What was asked for, in words."""
    match action:
        case Say(body=body):
            return _("Message: %(said)s", said=words.value(_cut(said(body))))
        case Attach(name=name):
            return _("File: %(name)s", name=words.value(name))
        case Fetch():
            return _("Fetching a file")
        case actions.PostAlerts(alerts=alerts):
            return ngettext("%(count)s alert", "%(count)s alerts", len(alerts))
        case actions.CreateRoom(title=title):
            return _("Opening the room %(title)s", title=words.value(title))
        case actions.Invite(organisation=organisation) if organisation is not None:
            return _("Invitation of %(whom)s", whom=words.value(organisation))
        case actions.Invite():
            return _("Invitation of a device")
        case actions.Remove(devices=devices):
            return ngettext("Removing %(count)s device", "Removing %(count)s devices", len(devices))
        case actions.Acknowledge(envelope=envelope):
            return _("Acknowledgement of message %(digits)s", digits=envelope.hex()[:8])
        case Decide(ordinal=ordinal):
            return _("Outcome of proposal %(number)s", number=ordinal)
        case actions.Relabel(new=new):
            return _("Changing a label to %(label)s", label=words.value(new.text))
        case actions.Forward():
            return _("Forwarding a message")
        case actions.GrantHistory(envelopes=envelopes):
            return ngettext("Giving %(count)s message", "Giving %(count)s messages", len(envelopes))
        case actions.EraseMessages():
            return _("Erasing messages")
        case actions.Disclose(recipient=recipient):
            return _("Disclosure to %(whom)s", whom=words.value(recipient))
        case actions.TakeOut():
            return _("The record that a report was made")
        case actions.Finished(name=name):
            # Ended elsewhere: what it held is not kept twice.
            return _FINISHED.get(name, lambda: words.value(name))()
        case _:  # what programs ask for
            return type(action).__name__


_FINISHED: Final = {
    "Invite": lambda: _("An invitation"),
    "Acknowledge": lambda: _("An acknowledgement"),
    "Say": lambda: _("A message"),
    "Forward": lambda: _("Forwarding a message"),
    "Remove": lambda: _("Removing devices"),
    "TakeOut": lambda: _("The record that a report was made"),
}


def _cut(text: str) -> str:
    return text if len(text) <= _EXCERPT_CHARS else text[: _EXCERPT_CHARS - 1] + "\N{HORIZONTAL ELLIPSIS}"
