"""`amanah close` and `amanah sign-off`: the end of an incident, signed by its nations."""

from __future__ import annotations

import time
from typing import Annotated, Final

from cyclopts import Parameter

from amanah_client.cli import opening, questions, terminal
from amanah_client.cli.asking import catch_up, find_room, settle, show_outcome
from amanah_client.cli.terminal import DEFAULTS, Options
from amanah_client.effective import check_present
from amanah_client.incident.closing import ask_to_sign, record, sign
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_client.view.closing import left_open
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.errors import Code, UsageError, VerifyError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.types import OrgName

Flag = Annotated[bool, Parameter(negative="")]
Names = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]

_DAY_MS: Final = 86_400_000
USUAL_DAYS: Final = 7


def close(
    room: str,
    /,
    *,
    nation: Names = (),
    days: int = USUAL_DAYS,
    anew: Flag = False,
    yes: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Say that the incident is closed and ask nations to sign off; once they have, record that the closing stands.

    What they sign are the facts of the entries so far, not the words of a report. Asked is anew only with --anew.

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    nation
        Who is asked, once for each; all nations in the room when it is left out.
    days
        How many days they have. When these are over, the closing can be recorded with those who have signed.
    anew
        Ask again, about all entries up to now.
    yes
        Close also while tasks, proposals or joint times are open, unasked.
    """

    async def work(client: Client) -> None:
        into = await _current(client, room, common)
        if into.board().closing is None or anew:
            asked = tuple(map(parse_organisation, nation))
            # Before anything is sent: else the incident would be closed, and nobody asked.
            check_present(into, asked)
            confirm(into, yes=yes)
            await ask(client, into, common, nations=asked, days=days)
            return
        made = record(into.board(), now_ms=_now_ms())
        by = isolate(", ".join(made.nations)) if made.nations else _("nobody")
        terminal.say(_("records as signed off by: %(nations)s", nations=by))
        show_outcome(await settle(client, into.compose(made), common), common)

    opening.with_client(common, work)


def confirm(into: Room, *, yes: bool) -> None:
    """Name what is still open, and have a person confirm that it is left behind.

    Raises:
        UsageError: As `questions.confirm`.
    """
    left = left_open(into.board(about=()), _now_ms())
    if left:
        terminal.say(_("Still open, and left behind by the closing:"))
        for line in left:
            terminal.say(f"- {line}")
        questions.confirm(f"Closing {into.title}", into.title, yes=yes)


async def ask(
    client: Client, into: Room, common: Options, *, nations: tuple[OrgName, ...] = (), days: int = USUAL_DAYS
) -> None:
    """Say that the incident is closed, then ask about all entries up to that."""
    show_outcome(await settle(client, into.compose(Incident(status=Status.CLOSED)), common), common)
    await ask_nations(client, into, common, nations=nations, days=days)


async def ask_nations(
    client: Client, into: Room, common: Options, *, nations: tuple[OrgName, ...] = (), days: int = USUAL_DAYS
) -> None:
    """Ask nations to sign off; all in the room where none is named."""
    asked = nations or tuple(party.organisation for party in into.members())
    body = ask_to_sign(into.placed(), nations=asked, sign_until_ms=_now_ms() + days * _DAY_MS)
    terminal.say(_("asks to sign off: %(nations)s", nations=isolate(", ".join(body.nations))))
    show_outcome(await settle(client, into.compose(body), common), common)


def sign_off(room: str, /, *, anyway: Flag = False, common: Options = DEFAULTS) -> None:
    """Sign for your nation what the room's entries came to, as this device has them.

    Where that is not what was asked, it says in which facts it differs, and signs nothing.

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    anyway
        Sign the facts that this device has, so that everybody sees where they differ; it does not count as agreement.
    """

    async def work(client: Client) -> None:
        into = await _current(client, room, common)
        body, differs = sign(into.placed(), into.board())
        if differs and not anyway:
            hint = "Compare `amanah report` of both, above all what cannot be read here; then sign, or give --anyway."
            raise VerifyError(Code.BINDING, f"this device has other facts: {', '.join(differs)}", hint=hint)
        if differs:
            terminal.say(_("other facts than asked: %(facts)s", facts=isolate(", ".join(differs))))
        show_outcome(await settle(client, into.compose(body), common), common)

    opening.with_client(common, work)


async def _current(client: Client, room: str, common: Options) -> Room:
    """The room with all that the relay has of it: facts of fewer entries would be others.

    Raises:
        UsageError: `UNKNOWN_ROOM`.
        AmanahError: It cannot be caught up.
    """
    into = await find_room(client, room, common)
    if (problem := await catch_up(client, common)) is not None:
        raise problem
    if not into.placed():
        raise UsageError(Code.NOT_FOUND, f"there is nothing in {into.title!r} to sign")
    return into


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
