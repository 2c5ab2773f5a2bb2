"""`amanah outbox`: what was asked for and is not done yet."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from cyclopts import App, Parameter

from amanah_client import actions, model, terms
from amanah_client.attaching import Attach, Fetch
from amanah_client.cli import opening, questions, terminal
from amanah_client.cli.asking import await_outcome, outcome_json, show_outcome
from amanah_client.cli.terminal import DEFAULTS, Options, clock, iso
from amanah_client.language import gettext as _
from amanah_client.language import isolate, ngettext
from amanah_client.said import said
from amanah_client.saying import Say
from amanah_client.sdk import Client
from amanah_client.view.why import why
from amanah_protocol.errors import Code, OperationalError

app = App(name="outbox", help="What is queued, held or on its way.")

_ID_DIGITS: Final = 8
_TEXT_CHARS: Final = 40
_POLL_S: Final = 0.05


@app.command(name="list")
def list_intents(*, common: Options = DEFAULTS) -> None:
    """List what is queued, held or on its way, oldest first."""

    async def work(client: Client) -> None:
        waiting = client.outbox()
        if common.json:
            terminal.show_json([{**outcome_json(i), "action": _name(i), "created_at": iso(i.created_at_ms),
                                 "detail": i.detail or None} for i in waiting])  # fmt: skip
            return
        terminal.show_table(
            (_("entry"), _("state"), _("what"), _("since"), _("why")),
            (
                (i.id[:_ID_DIGITS], terms.intent_state(i.state), _what(i, client), clock(i.created_at_ms), _why(i))
                for i in waiting
            ),
            whole=(_("entry"), _("state")),
        )

    opening.with_client(common, work, connect=False)


@app.command
def release(entry: str, /, *, common: Options = DEFAULTS) -> None:
    """Send a held message after all, to the circle as it is now.

    Parameters
    ----------
    entry
        Its id in the outbox, or first digits of it.
    """

    async def work(client: Client) -> None:
        held = client.intent(entry)
        await client.release(held)
        await _changed(client, held, common)
        show_outcome(await await_outcome(client, held.id, common), common)

    opening.with_client(common, work)


@app.command
def drop(entry: str, /, *, common: Options = DEFAULTS, yes: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Never send a queued or held entry.

    Parameters
    ----------
    entry
        Its id in the outbox, or first digits of it.
    yes
        Do not ask.
    """

    async def decide(client: Client) -> model.Intent:
        dropped = client.intent(entry)
        questions.confirm(_("Dropping %(what)s", what=_what(dropped, client)), "drop", yes=yes)
        await client.withdraw(dropped)
        return dropped

    async def work(client: Client) -> None:
        now = await _changed(client, dropped, common)
        if now.state is not model.IntentState.FAILED:
            show_outcome(now, common)
            hint = "It may have gone out already; `amanah outbox list` shows what is left."
            raise OperationalError(Code.TIMEOUT, f"it is {now.state} and was not dropped", hint=hint)
        terminal.say(_("dropped"))

    with opening.profile(common) as own:
        # Before it is connected: what waits for the relay would go out while somebody is asked whether it is dropped.
        dropped = opening.with_client(common, decide, connect=False, opened=own)
        opening.with_client(common, work, opened=own)


async def _changed(client: Client, before: model.Intent, common: Options) -> model.Intent:
    """An intent when it has left the state that it was in, or after the time-out."""
    now = before
    for _try in range(int(common.timeout / _POLL_S)):
        if (now := client.intent(before.id)).state is not before.state:
            break
        await asyncio.sleep(_POLL_S)
    return now


def _name(intent: model.Intent) -> str:
    action = intent.action
    return action.name if isinstance(action, actions.Finished) else type(action).__name__


def _what(intent: model.Intent, client: Client) -> str:
    room = getattr(intent.action, "room", None)
    titles = {known.id: known.title for known in client.rooms()}
    where = _(" to %(room)s", room=isolate(titles[room])) if room in titles else ""
    match intent.action:
        case Say() as action:
            return _("message%(where)s: %(said)s", where=where, said=_cut(said(action.body)))
        case Attach(name=name, size=size):
            named = {"where": where, "name": isolate(_cut(name)), "size": f"{size:,}"}
            return _("file%(where)s: %(name)s, %(size)s bytes", **named)
        case Fetch(envelope=envelope):
            return _("fetch the file of %(message)s", message=isolate(envelope.hex()[:12]))
        case actions.PostAlerts(alerts=alerts):
            return ngettext("%(count)s alert", "%(count)s alerts", len(alerts), count=len(alerts)) + where
        case actions.CreateRoom(title=title):
            return _("open room %(title)s", title=isolate(title))
        case _:
            return f"{_name(intent)}{where}"


def _cut(text: str) -> str:
    cut = text if len(text) <= _TEXT_CHARS else text[: _TEXT_CHARS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return " ".join(cut.split())


def _why(intent: model.Intent) -> str:
    return f"{intent.code} {why(intent).whole}" if intent.code and intent.detail else intent.code
