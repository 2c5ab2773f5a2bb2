"""`amanah search`: what was said in all rooms, or in one."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from amanah_client.cli import terminal
from amanah_client.cli.asking import look
from amanah_client.cli.showing import line, message_json
from amanah_client.cli.terminal import DEFAULTS, Options, isolated
from amanah_client.finding import MOST
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_client.reading import Found
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Label, Pap

Flag = Annotated[bool, Parameter(negative="")]


def search(
    query: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    room: str | None = None,
    limit: int = 50,
    before: int | None = None,
    offline: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Search what people and alerts said, as far as it can be read here; what came last is shown first.

    Words are beginnings of words, and all of them have to be there; "a phrase" is there as it stands. `from:` narrows
    it to a nation, a name or a device, `room:` to a room, `label:` to what was sent with that label.

    Example: amanah search "phish from:cert.example.ma" --room "Phishing wave"

    Parameters
    ----------
    query
        What to search for, in quotes where it has several words.
    room
        Search in this room alone: its title, its id, or first digits of the id.
    limit
        Show at most so many, up to 500.
    before
        Go on behind what was shown before: the number that stood at its end.
    offline
        Search what is stored, without connecting.
    """
    terminal.check_no_option(query, "See `--help`; a query like this comes behind `--`: search -- -v")
    if not 0 < limit <= MOST:
        raise UsageError(Code.USAGE, f"--limit: {limit} is not between 1 and {MOST}")

    def show(client: Client) -> None:
        within = client if room is None else client.room(room)
        found = within.search(query, limit=limit, before=before)
        if common.json:
            terminal.show_json([found_json(one, client) for one in found])
            return
        _show(found, client, titles=room is None)
        if not found:
            terminal.say(_("nothing fits"))
        elif len(found) == limit:
            terminal.say(_("there may be more: %(option)s", option=isolate(f"--before {found[-1].place}")))

    look(common, show, offline=offline)


def _show(found: list[Found], client: Client, *, titles: bool) -> None:
    last = None
    for one in found:
        if titles and one.message.room != last:
            last = one.message.room
            terminal.show(_("in %(room)s", room=isolated(client.room(last).title)))
        label, pap = _marks(one, client)
        terminal.show(line(one.message, client.directory(), label, pap, since=one.since))


def _marks(found: Found, client: Client) -> tuple[Label, Pap | None]:
    return Room(client, found.message.room).limits_of(found.message)


def found_json(found: Found, client: Client) -> dict[str, object]:
    """A message as `read` has it, and where it fits."""
    spans = [list(span) for span in found.spans]
    label, pap = _marks(found, client)
    return message_json(found.message, label, pap, since=found.since) | {
        "place": found.place,
        "excerpt": found.excerpt,
        "spans": spans,
    }
