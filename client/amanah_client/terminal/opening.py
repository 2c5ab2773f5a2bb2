"""A new room at the terminal: how it is to be opened, and opening it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from amanah_client.language import gettext as _
from amanah_client.language import ngettext
from amanah_client.sdk import Client
from amanah_client.templates.opening import Wanted, fill, open_filled
from amanah_client.templates.template import BUILT_IN, built_in, decode_template
from amanah_client.terminal.dialogs import NOTHING, Choice
from amanah_client.terminal.drawing import Parts
from amanah_client.terminal.lines import Part, said
from amanah_client.view import words
from amanah_protocol.labels import Label

EXERCISE: Final = "exercise"
"""The answer that asks once more, for an exercise."""
_BY_TEMPLATE: Final = "template "


def asked(title: str, *, most: Label, drill: bool) -> tuple[Sequence[Parts], Sequence[Choice]]:
    """What is asked of somebody who opens a room, and the answers.

    Args:
        title: Of the room.
        most: The highest label that whoever opens it is certified for.
        drill: Whether it is an exercise.
    """
    asks: list[Parts] = [said(_("With which label? It is the highest that the room allows, and stays."), "bold")]
    asks.append(said(_("Room: %(title)s", title=words.value(title))))
    if drill:
        asks.append(said(_("It is an exercise, for ever: nothing in it is real."), "drill"))
    choices = [Choice(name=NOTHING, says=said(_("Open no room")))]
    choices += [
        Choice(name=label.text, says=(Part(f" {label.text} ", label.text),))
        for label in reversed(Label)
        if label <= most
    ]
    for template in (decode_template(built_in(name), name) for name in BUILT_IN):
        if template.ceiling > most:
            continue
        name = template.name
        label, tasks = template.ceiling.text, ngettext("%(count)s task", "%(count)s tasks", len(template.task))
        told = said(_("template %(name)s: %(tasks)s", name=words.value(name), tasks=tasks))
        choices.append(Choice(name=_BY_TEMPLATE + name, says=(Part(f" {label} ", label), Part("  "), *told)))
    if not drill:
        choices.append(Choice(name=EXERCISE, says=said(_("Open it as an exercise; asks once more"))))
    return [*asks, ()], choices


async def open_room(client: Client, title: str, how: str, *, drill: bool) -> tuple[str, str]:
    """Ask for a room; gives the id of the intent that makes it, and what to tell.

    Args:
        client: The profile.
        title: Of the room.
        how: One of the answers that open one.
        drill: Whether it is an exercise.

    Raises:
        AmanahError: As `Client.new_room`, `fill` and `Client.ask`.
    """
    told = _("The room is there as soon as the relay has taken it.")
    if not how.startswith(_BY_TEMPLATE):
        made = await client.ask(client.new_room(title, label=Label.parse(how), drill=drill))
        return made.id, told
    name = how.removeprefix(_BY_TEMPLATE)
    create, filled = fill(client, Wanted(template=decode_template(built_in(name), name), title=title, drill=drill))
    first, *_others = await open_filled(client, create, filled)
    if filled.uncast:
        roles = words.listed(filled.uncast)
        uncast = _("Nobody was named as %(roles)s: these tasks are for your nation.", roles=roles)
        told = f"{told} {uncast}"
    return first.id, told
