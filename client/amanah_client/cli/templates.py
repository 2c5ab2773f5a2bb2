"""`amanah template`, and `amanah room open`: a room with everything in it, asked for at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from amanah_client import actions, model, terms
from amanah_client.cli import opening, terminal
from amanah_client.cli.asking import outcome_json
from amanah_client.cli.files import read_file
from amanah_client.cli.rooms import check_title
from amanah_client.cli.showing import short
from amanah_client.cli.terminal import DEFAULTS, Options, composed
from amanah_client.composing import names
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.said import said
from amanah_client.saying import Say
from amanah_client.sdk import Client
from amanah_client.templates.opening import Wanted, fill, open_filled
from amanah_client.templates.template import BUILT_IN, Template, built_in, decode_template
from amanah_protocol.content.text import Text
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.types import OrgName

app = App(name="template", help="What rooms can be opened with: label, roles, checklist, joint times.")

Flag = Annotated[bool, Parameter(negative="")]
Names = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]


@app.command(name="list")
def list_templates(*, common: Options = DEFAULTS) -> None:
    """List the templates that come along."""
    found = [decode_template(built_in(name), name) for name in BUILT_IN]
    if common.json:
        terminal.show_json([_template_json(template) for template in found])
        return
    terminal.show_table(
        (_("template"), _("label"), _("roles"), _("tasks"), _("about")),
        ((one.name, one.ceiling.text, ", ".join(one.roles), str(len(one.task)), one.about) for one in found),
    )


@app.command
def show(template: str, /, *, common: Options = DEFAULTS) -> None:
    """Print a template as it is written, to read it or to make an own one of it.

    Parameters
    ----------
    template
        Its name, or a file.
    """
    data, found = _find(template)
    if common.json:
        terminal.show_json(_template_json(found))
    else:
        terminal.show("\n".join(map(terminal.shown, data.decode().rstrip("\n").split("\n"))))


def open_room(
    title: str,
    /,
    *,
    template: str,
    as_: Annotated[Names, Parameter(name="--as")] = (),
    invite: Names = (),
    label: str | None = None,
    agreement: str | None = None,
    classical: Flag = False,
    same_title: Flag = False,
    drill: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Open a room by a template: invitations, where the incident stands, checklist and joint times, asked for at once.

    All of it is kept in one step before anything goes out; what the relay does not take now goes out by itself.

    Example: amanah room open "Hospital group" --template ransomware --as affected=cert.example.ma

    Parameters
    ----------
    title
        What people call the room and the incident.
    template
        Its name, as `amanah template list` shows it, or a file.
    as_
        Which nation has which role, as ROLE=ORGANISATION; once for each.
    invite
        A nation that is invited without a role; once for each.
    label
        Another label than the template's.
    agreement
        Another agreement than the template's.
    classical
        Without post-quantum key agreement, for members that cannot do it; fixed for the room's life.
    same_title
        Take the title also if another room of this profile has it.
    drill
        It is an exercise, for ever: everything in it is marked so, for members and auditors alike.
    """
    _data, found = _find(template)
    ceiling = None if label is None else names.label(label)
    given, others = tuple(map(_role, as_)), tuple(map(parse_organisation, invite))

    async def work(client: Client) -> None:
        wanted = Wanted(
            template=found,
            title=title,
            cast=given,
            invited=others,
            label=ceiling,
            agreement=agreement,
            classical=classical,
            drill=drill,
        )
        create, filled = fill(client, wanted)
        if not same_title:
            check_title(client, create.title)
        if filled.uncast:
            named = {"roles": isolate(", ".join(filled.uncast)), "nation": isolate(filled.own)}
            terminal.say(_("nobody was named as %(roles)s: these tasks are for %(nation)s", **named))
        asked = await open_filled(client, create, filled)
        await _show_outcomes(client, asked, common)

    opening.with_client(common, work)


async def _show_outcomes(client: Client, asked: tuple[model.Intent, ...], common: Options) -> None:
    """Wait for all of it; each thing that could not be done is named, and the first error ends the verb."""
    first: AmanahError | None = None
    kept = False
    for intent in asked:
        try:
            # Once something is kept for later, so is what stands behind it: nobody waits for each anew.
            if not kept:
                await client.outcome(intent.id, common.timeout, patience=Client.PATIENCE)
        except AmanahError as error:
            first, kept = first or error, isinstance(error, OperationalError)
            terminal.say(f"{_named(intent.action)}: {isolate(error.detail)}")
    ended = [client.intent(intent.id) for intent in asked]
    if common.json:
        found = [outcome_json(one) | {"what": _named(of.action)} for one, of in zip(ended, asked, strict=True)]
        terminal.show_json({"room": outcome_json(ended[0])["room"], "asked": found})
    else:
        for one, of in zip(ended, asked, strict=True):
            state = model.IntentState.QUEUED if one.state is model.IntentState.SENT else one.state
            terminal.show(f"{terms.intent_state(state):<7} {one.id[:8]}  {_named(of.action)}")
        if ended[0].room is not None and first is None:
            terminal.show(ended[0].room.hex())
            terminal.say(_("opened; next: %(command)s", command=isolate(f"amanah board {short(ended[0].room)}")))
    if first is not None:
        raise first


def _named(action: actions.Action) -> str:
    match action:
        case actions.Invite(organisation=organisation) if organisation is not None:
            return _("invite %(nation)s", nation=isolate(organisation))
        case Say(body=Text(text=text)):
            return composed(text.partition("\n")[0])
        case Say():
            return composed(said(action.body))
        case actions.CreateRoom(title=title):
            return _("open %(title)s", title=isolate(title))
        case _:
            return type(action).__name__


def _role(word: str) -> tuple[str, OrgName]:
    role, _, nation = word.partition("=")
    if not role or not nation:
        hint = "Write it as --as affected=cert.example.org."
        raise UsageError(Code.USAGE, f"--as {word!r} names no role and organisation", hint=hint)
    return role, parse_organisation(nation)


def _find(name: str) -> tuple[bytes, Template]:
    """A template that comes along, or that a file holds."""
    data = built_in(name) if name in BUILT_IN or not Path(name).exists() else read_file(Path(name))
    return data, decode_template(data, name)


def _template_json(template: Template) -> dict[str, object]:
    return {
        "name": template.name,
        "about": template.about,
        "label": template.ceiling.text,
        "agreement": template.agreement,
        "roles": [{"name": one.name, "about": one.about, "nations": list(one.nations)} for one in template.role],
        "tasks": [{"what": one.what, "role": one.role, "within": one.within} for one in template.task],
        "clocks": [{"what": one.what, "after": one.after, "nature": one.nature} for one in template.clock],
    }
