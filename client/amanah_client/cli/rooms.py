"""`amanah room`: open rooms, see who is in, invite and remove."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from cyclopts import App, Parameter

from amanah_client import actions, terms
from amanah_client.causes import MEANINGS
from amanah_client.cli import opening, questions, terminal
from amanah_client.cli.asking import catch_up, find_room, look, outcome_json, settle, show_outcome
from amanah_client.cli.showing import alarm_json, party_json, room_json, short, standing_json
from amanah_client.cli.showing_custody import custody_json, custody_lines, parse_policy
from amanah_client.cli.terminal import DEFAULTS, Options, clock, single
from amanah_client.composing import names
from amanah_client.language import gettext as _
from amanah_client.language import isolate, ngettext
from amanah_client.model import Alarm, Rekey, RoomStatus
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_client.standing import standing_of
from amanah_client.view.why import why
from amanah_protocol.errors import Code, RefusedError, UsageError

app = App(name="room", help="Open rooms, see who is in, invite and remove.")

app.command("amanah_client.cli.templates:open_room", name="open", help="Open a room by a template.")

Flag = Annotated[bool, Parameter(negative="")]
Keep = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]
_LAST_ALARMS: Final = 5
DRILL_ROOM: Final = "DRILL: this room is an exercise, nothing in it is real"


@app.command
def create(
    title: str,
    /,
    *,
    label: str,
    agreement: str | None = None,
    classical: Flag = False,
    same_title: Flag = False,
    keep: Keep = (),
    drill: Flag = False,
    common: Options = DEFAULTS,
) -> None:
    """Open a room. Its title is sealed; the relay never sees it.

    A title that another room of this profile has is refused, because `amanah send TITLE` could not tell the two apart.

    Example: amanah room create "Phishing wave" --label TLP:AMBER

    Parameters
    ----------
    title
        What people call it.
    label
        The highest label allowed in it, for ever: TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED.
    agreement
        Identifier of the agreement it is opened under, visible to auditors.
    classical
        Without post-quantum key agreement, for members that cannot do it; fixed for the room's life.
    same_title
        Take the title all the same; both rooms are then named by their ids.
    keep
        How many days the relay keeps content, for ever: LABEL=DAYS or alerts=DAYS or talk=DAYS from acceptance,
        LABEL=last+DAYS from the room's last entry, `default` for TLP:RED=last+7. Once for each; the shortest counts.
    drill
        It is an exercise, for ever: everything in it is marked so, for members and auditors alike.
    """
    ceiling, policy = names.label(label), parse_policy(keep)

    async def work(client: Client) -> None:
        wanted = client.new_room(
            title, label=ceiling, agreement=agreement, classical=classical, policy=policy, drill=drill
        )
        if not same_title:
            check_title(client, wanted.title)
        done = await settle(client, wanted, common)
        if common.json or done.room is None:
            show_outcome(done, common)
            return
        terminal.show(done.room.hex())
        command = isolate(f"amanah room invite {short(done.room)} ORGANISATION")
        terminal.say(_("opened; next: %(command)s", command=command))

    opening.with_client(common, work)


def check_title(client: Client, title: str) -> None:
    """A room is named by its title: no other has it, or is to have it.

    Raises:
        UsageError: `USAGE`.
    """
    rooms = [f"room {short(room.id)}" for room in client.rooms() if room.title == title]
    # One that was asked for without the relay is no room yet.
    asked = [
        f"entry {intent.id[:8]} of the outbox"
        for intent in client.outbox()
        if isinstance(intent.action, actions.CreateRoom) and intent.action.title == title
    ]
    for other in (*rooms, *asked):
        hint = "Choose another title, or give --same-title and name both rooms by their ids."
        raise UsageError(Code.USAGE, f"{other} is called {title!r} already", hint=hint)


@app.command(name="list")
def list_rooms(*, offline: Flag = False, common: Options = DEFAULTS) -> None:
    """List the rooms of this device.

    Parameters
    ----------
    offline
        Show what is stored, without connecting.
    """
    look(common, lambda client: _show_rooms(client.rooms(), common), offline=offline)


def _show_rooms(rooms: list[Room], common: Options) -> None:
    if common.json:
        terminal.show_json([room_json(room) for room in rooms])
        return
    terminal.show_table(
        (_("room"), _("title"), _("status"), _("ceiling"), _("members"), _("entries")),
        (
            (
                short(room.id),
                _("DRILL %(title)s", title=room.title) if room.is_drill else room.title,
                _status(room),
                room.ceiling.text,
                str(len(room.members())),
                str(room.row.head_seq),
            )
            for room in rooms
        ),
        whole=(_("room"),),
    )


def _status(room: Room) -> str:
    if room.row.successor is None:
        return terms.room_status(room.row.status)
    return _("closed, on in %(room)s", room=isolate(short(room.row.successor)))


@app.command
def show(room: str, /, *, offline: Flag = False, common: Options = DEFAULTS) -> None:
    """Show a room: its members by nation, who can read what is sent now, its alarms, and what was refused here.

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    offline
        Show what is stored, without connecting.
    """
    look(common, lambda client: _show_room(client, client.room(room), common), offline=offline)


def _show_alarms(alarms: Sequence[Alarm], counted: str) -> None:
    terminal.show(counted)
    for alarm in alarms[-_LAST_ALARMS:]:
        terminal.show(f"  {clock(alarm.at_ms)}  {alarm.code}  {single(alarm.detail)}")


def _show_room(client: Client, room: Room, common: Options) -> None:
    members, alarms, refused = room.members(), room.alarms(), room.refused()
    standing = standing_of(client.profile.store)
    if common.json:
        value = room_json(room)
        value["members"] = [party_json(party) for party in members]
        value["alarms"] = [alarm_json(alarm) for alarm in alarms]
        value["refused"] = [alarm_json(alarm) for alarm in refused]
        value["custody"] = [custody_json(entry) for entry in room.custody()]
        value["log"] = standing_json(standing)
        terminal.show_json(value)
        return
    created = room.created
    if room.is_drill:
        terminal.show(DRILL_ROOM)
    terminal.show(single(room.title))
    terminal.show(_("room %(room)s", room=isolate(room.id.hex())))
    named = {"label": isolate(room.ceiling.text), "status": terms.room_status(room.row.status), "epoch": room.epoch}
    terminal.show(
        _("up to %(label)s; %(status)s; epoch %(epoch)s; %(count)s entries", count=room.row.head_seq, **named)
    )
    if (status := explain_status(room)) is not None:
        terminal.show(terminal.composed(status))
    if created is not None and created.successor_of is not None:
        terminal.show(_("continues room %(room)s", room=isolate(created.successor_of.hex())))
    if created is not None:
        agreement = _(" under %(agreement)s", agreement=single(created.agreement)) if created.agreement else ""
        terminal.show(_("opened for %(owner)s", owner=isolate(created.owner)) + agreement)
    nations = {party.organisation for party in members}
    devices = ngettext("%(count)s device", "%(count)s devices", len(members), count=len(members))
    organisations = ngettext("%(count)s organisation", "%(count)s organisations", len(nations), count=len(nations))
    named_readers = {"devices": devices, "organisations": organisations}
    terminal.show(_("who can read what is sent now: %(devices)s of %(organisations)s", **named_readers))
    terminal.show_table(
        (_("organisation"), _("name"), _("role"), _("device"), ""),
        (
            (
                party.organisation,
                party.name,
                terms.role(party.role) if party.role else "-",
                short(party.device),
                _("REVOKED") if party.revoked else "",
            )
            for party in members
        ),
        whole=(_("device"),),
    )
    for cause, count in room.unreadable().items():
        named = {"count": count, "cause": isolate(cause), "meaning": _(MEANINGS[cause])}
        terminal.show(_("cannot be read: %(count)s (%(cause)s). %(meaning)s", **named))
    for line in custody_lines(room):
        terminal.show(line)
    _show_alarms(alarms, _("alarms: %(count)s", count=len(alarms)))
    if refused:
        _show_alarms(refused, _("refused on this device, and not sent: %(count)s", count=len(refused)))
    for words in standing.lines:
        terminal.show(words)


@app.command
def invite(room: str, whom: str, /, *more: str, common: Options = DEFAULTS) -> None:
    """Invite organisations with all their officers and bots, or single devices.

    A device must have connected once, as by `amanah doctor`: until then only its own organisation knows it.

    Example: amanah room invite "Phishing wave" cert.example.ma cert.example.fr

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    whom
        DNS name of an organisation, or a device id, or first digits of one.
    more
        More of them.
    """

    async def work(client: Client) -> None:
        into = await find_room(client, room, common)
        for wanted in (whom, *more):
            await _invite(client, into, wanted, common)

    opening.with_client(common, work)


async def _invite(client: Client, into: Room, wanted: str, common: Options) -> None:
    action = into.invitation(wanted)

    def fitting() -> int:
        return sum(
            action.device == party.device or action.organisation == party.organisation for party in into.members()
        )

    before = fitting()
    try:
        done = await settle(client, action, common)
    except RefusedError as error:
        if error.code is not Code.NOT_FOUND:
            raise
        hint = "Its officer runs `amanah doctor` once, which connects it; `amanah roster show` lists the organisations."
        raise RefusedError(error.code, error.detail, hint=hint) from error
    added = max(fitting() - before, 0)
    if common.json:
        terminal.show_line({**outcome_json(done), "added": added, "already_in": before})
    else:
        show_outcome(done, common)
    if done.detail:
        terminal.say(_("not added: %(detail)s", detail=why(done).whole))
    elif done.envelope is None:
        # Who never connected is known to nobody but its own organisation.
        terminal.say(
            ngettext(
                "nobody new: %(count)s device of %(whom)s is in already; others have not connected yet, if there are "
                "any; a device connects once before it can be invited",
                "nobody new: %(count)s devices of %(whom)s are in already; others have not connected yet, if there are "
                "any; a device connects once before it can be invited",
                before,
                count=before,
                whom=isolate(wanted),
            )
        )


@app.command
def remove(room: str, whom: str, /, *more: str, yes: Flag = False, common: Options = DEFAULTS) -> None:
    """Remove members: from then on their devices can read nothing of the room.

    Parameters
    ----------
    room
        Its title, its id, or first digits of the id.
    whom
        A member's name, an organisation, or a device id, or first digits of one.
    more
        More of them.
    yes
        Do not ask to type the room's title.
    """

    async def work(client: Client) -> None:
        outof = await find_room(client, room, common)
        # Members are found by names that only a client which has caught up knows.
        if (problem := await catch_up(client, common)) is not None:
            detail = isolate(problem.detail)
            terminal.say(_("not caught up: %(detail)s; members are found as last known", detail=detail))
        devices = sorted({device for wanted in (whom, *more) for device in outof.find_members(wanted)})
        for party in map(client.party, devices):
            who = {"name": isolate(party.name), "nation": isolate(party.organisation)}
            device = isolate(short(party.device))
            terminal.say(_("to be removed: %(name)s, %(nation)s, device %(device)s", device=device, **who))
        count = ngettext("%(count)s device", "%(count)s devices", len(devices), count=len(devices))
        asked = _("Removing %(devices)s from %(room)s", devices=count, room=isolate(outof.title))
        questions.confirm(asked, outof.title, yes=yes)
        show_outcome(await settle(client, actions.Remove(room=outof.id, devices=tuple(devices)), common), common)

    opening.with_client(common, work)


def explain_status(room: Room) -> str | None:
    """Why nothing more comes from a room, or nothing goes to it; None where all is well."""
    row, title = room.row, isolate(room.title)
    if row.successor is not None:
        return _(
            "%(room)s is closed: a change of it was refused; it goes on in room %(successor)s",
            room=title,
            successor=isolate(short(row.successor)),
        )
    if row.status is RoomStatus.OPEN and row.rekey is not Rekey.NONE:
        return _(
            "this profile is an old copy: in %(room)s it sends when others are online and its keys are renewed",
            room=title,
        )
    said = {
        RoomStatus.REMOVED: _("this device was removed from %(room)s at %(place)s; nothing later reaches it"),
        RoomStatus.HALTED: _("%(room)s is halted: reading stays, sending does not; `amanah room show` has the alarm"),
        RoomStatus.BEHIND: _("this device cannot follow %(room)s any more: it waits to be removed and added again"),
        RoomStatus.LOST: _("this device's keys of %(room)s are gone: it asked to be removed and added again"),
        RoomStatus.JOINING: _("this device was added to %(room)s and waits for its welcome"),
    }.get(row.status)
    return None if said is None else said % {"room": title, "place": row.head_seq}
