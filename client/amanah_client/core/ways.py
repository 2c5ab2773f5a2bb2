"""Labels bind: each content is held against its label before it is sealed, and what others sent before it is shown.

What was allowed when it was asked for may not be allowed any more: the circle is another, a certificate was renewed
with a lower ceiling, a label was raised. So it is asked again here, of the state that it is sealed for.
"""

from __future__ import annotations

from dataclasses import replace

from amanah_client.actions import Disclose, Forward, GrantHistory, PostAlerts, Relabel
from amanah_client.attaching import Attach
from amanah_client.core import matter
from amanah_client.core.context import Context, Spoken
from amanah_client.core.room import Room
from amanah_client.incident.binding import may_ask
from amanah_client.incident.labelled import board_of, matter_of, spoken_by
from amanah_client.labels import NOBODY, circle_of, inside, quotation, somebody, source_of
from amanah_client.model import Intent
from amanah_client.saying import Say
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.sealed import Content
from amanah_protocol.envelope import Header
from amanah_protocol.errors import Code, RefusedError, UsageError, VerifyError
from amanah_protocol.identity import Certificate
from amanah_protocol.labels import Label
from amanah_protocol.types import DeviceId, EnvelopeId
from amanah_protocol.ways import Inside, Matter, Outside, Somebody, Way, check_ceiling, check_relabel, check_way


def who(ctx: Context, device: DeviceId) -> Somebody:
    """The person behind a device."""
    standing = ctx.directory.standing(device)
    return NOBODY if standing is None else somebody(standing.certificate)


def readers(ctx: Context, room: Room, label: Label) -> Inside:
    """The room as it is now; nobody where this device is not in it."""
    if room.group is None:
        return inside(label, room.spec.ceiling, ())
    key = (room.group.epoch, ctx.control.sequence)
    if room.readers is None or room.readers[0] != key:
        standings = ctx.directory.standings(room.group.members)
        certificates = [standing.certificate for standing in standings.values()]
        room.readers = key, inside(label, room.spec.ceiling, certificates)
    return replace(room.readers[1], label=label)


def weigh(ctx: Context, spoken: Spoken) -> Matter:
    """What was read, with the label that counts now; of a room that this device left nobody is known.

    Raises:
        UsageError: `NOT_FOUND`.
    """
    row = spoken.row
    if row is None:
        raise UsageError(Code.NOT_FOUND, "there is no such message here")
    room = ctx.rooms.get(row.room)
    circle = frozenset[Somebody]() if room is None else readers(ctx, room, row.label).people
    return matter_of(row, spoken.labelling, circle, lambda device: who(ctx, device))


def granted(ctx: Context, spoken: Spoken) -> Matter:
    """As `weigh`, to be given to who was not there: under the stricter of the label that it was sent with and that now.

    They were shown no entry that changed it: what it was sealed with is what they can check, and a label that was
    raised since has to reach them with the grant.
    """
    found, sent = weigh(ctx, spoken), Label.CLEAR if spoken.row is None else spoken.row.label
    return replace(found, label=max(found.label, sent))


def own_label(ctx: Context, intent: Intent) -> Label:
    """The own label, which is what is changed, of the message that an intent is about; `weigh` says which counts.

    Raises:
        UsageError: `NOT_FOUND`.
    """
    spoken = matter.one(ctx, intent)
    if spoken is None or spoken.row is None:
        raise UsageError(Code.NOT_FOUND, "there is no such message here")
    found = board_of(spoken.labelling, lambda device: who(ctx, device)).messages
    return Label.strictest(found[spoken.row.envelope].label_number)


# ---- before it is sealed


def check_speaker(ctx: Context, intent: Intent) -> None:
    """What binds the nation is asked for by an officer's device.

    Raises:
        RefusedError: `ROLE`.
    """
    if not may_ask(ctx.certificate.role, intent.action):
        raise RefusedError(Code.ROLE, "a bot does not answer, decide or close for its nation")


def check(ctx: Context, room: Room, intent: Intent) -> None:
    """What an intent would seal or let out may go there, as things stand now.

    Raises:
        RefusedError: `LABEL` or `ROLE`.
        UsageError: `USAGE`, `NOT_FOUND`, `UNKNOWN_ROOM`.
    """
    spoken = matter.one(ctx, intent)
    me = somebody(ctx.certificate)
    match intent.action:
        case Say(label=label) as action:
            said = Matter(label=label, source=me, circle=None)
            check_way(Way.SEND, said, by=me, to=readers(ctx, room, label))
            if spoken is not None:
                _check_quoted(ctx, room, action, spoken)
        case Attach(label=label):
            said = Matter(label=label, source=me, circle=None)
            check_way(Way.SEND, said, by=me, to=readers(ctx, room, label))
        case PostAlerts(label=label):
            said = Matter(label=label, source=me, circle=None)
            check_way(Way.ALERT, said, by=me, to=readers(ctx, room, label))
        case Disclose() if spoken is not None:
            check_way(Way.DISCLOSE, weigh(ctx, spoken), by=me, to=Outside())
        case Forward() as action if spoken is not None:
            forwarded(ctx, action, spoken)
        case GrantHistory(devices=devices):
            _check_grant(ctx, room, intent, devices)
        case Relabel() as action if spoken is not None and spoken.row is not None:
            now, source = own_label(ctx, intent), weigh(ctx, spoken).source
            if action.new is now:
                raise UsageError(Code.USAGE, f"it is {now.text} already", hint="Nothing has to be changed.")
            check_relabel(old=action.old, new=action.new, now=now, sent=spoken.row.label, source=source, by=me)
        case _:  # nothing is passed on by the others
            pass


def _check_grant(ctx: Context, room: Room, intent: Intent, devices: tuple[DeviceId, ...]) -> None:
    if not devices or room.group is None or not set(devices) <= set(room.group.members):
        raise UsageError(Code.NOT_MEMBER, "history is given to who is in the room", hint="Invite the device first.")
    found = [granted(ctx, spoken) for spoken in matter.found(ctx, intent)]
    to = _people(ctx, room, max(one.label for one in found), devices)
    for one in found:
        check_way(Way.GRANT, one, by=somebody(ctx.certificate), to=to)


def _people(ctx: Context, room: Room, label: Label, devices: tuple[DeviceId, ...]) -> Inside:
    standings = ctx.directory.standings(devices)
    return inside(label, room.spec.ceiling, [standing.certificate for standing in standings.values()])


def _check_quoted(ctx: Context, room: Room, action: Say, spoken: Spoken) -> None:
    if spoken.row is None:
        return  # what is not here was not read here
    body, found = action.body, weigh(ctx, spoken)
    to = replace(readers(ctx, room, action.label), pap=action.pap)
    if not isinstance(body, Forwarded):
        check_way(Way.QUOTE, found, by=somebody(ctx.certificate), to=to)
        return
    _check_stands(ctx, spoken.row.envelope, spoken)
    quoted = quotation(spoken.row, found, note=body.note)
    if (quoted.text, quoted.origin.nation) != (body.text, body.origin.nation):
        raise UsageError(Code.USAGE, "what is quoted is not what stands there", hint="Forward the message itself.")
    check_way(Way.FORWARD, found, by=somebody(ctx.certificate), to=to)


def forwarded(ctx: Context, action: Forward, spoken: Spoken) -> Forwarded:
    """What a message becomes in another room.

    Raises:
        RefusedError: `LABEL`.
        UsageError: `USAGE`: it has no text, or its author has said otherwise since; `UNKNOWN_ROOM`: this device is
            not in that room.
    """
    to = ctx.rooms.get(action.to)
    if to is None or to.group is None or to.id == action.room:
        raise UsageError(Code.UNKNOWN_ROOM, "it is forwarded into another room that this device is in")
    found, row = weigh(ctx, spoken), spoken.row
    check_way(Way.FORWARD, found, by=somebody(ctx.certificate), to=readers(ctx, to, action.label))
    assert row is not None  # noqa: S101 - narrows for mypy: there is no matter without a row
    _check_stands(ctx, row.envelope, spoken)
    return quotation(row, found, note=action.note)


def _check_stands(ctx: Context, message: EnvelopeId, spoken: Spoken) -> None:
    """Whoever forwards a message has seen what it says now, and chose nobody for what it said before."""
    board = board_of(spoken.labelling, lambda device: who(ctx, device))
    said = spoken_by(board, message)
    if said != message:
        detail = "its author took it back" if said is None else "its author corrected it"
        raise UsageError(Code.USAGE, f"{detail} meanwhile", hint="Look at it as it stands now, then decide anew.")


# ---- before it is shown


def check_opened(
    ctx: Context, room: Room, header: Header, content: Content, certificate: Certificate, *, index: int
) -> None:
    """What was opened may be here, by what its header, the room and the certificates say.

    Args:
        ctx: The core.
        room: Its room.
        header: Its header.
        content: What was sealed.
        certificate: Its sender's.
        index: Its place in the log, from which it is judged, whenever it is opened.

    Raises:
        RefusedError: `LABEL`: it is above a ceiling, or quotes what may not reach this room.
        VerifyError: `LABEL`: its header says another label than it has.
    """
    if content.differs_from(header.label):
        detail = f"sealed as {content.label.text}, labelled {header.label.text} outside"
        raise VerifyError(Code.LABEL, detail)
    check_ceiling(content.label, room.spec.ceiling, "the room's")
    check_ceiling(content.label, certificate.ceiling, "its sender's")
    check_ceiling(content.label, ctx.certificate.ceiling, "this device's")
    if isinstance(content.body, Forwarded):
        _check_forwarded(room, content.label, content.body, by=somebody(certificate), index=index)


def _check_forwarded(room: Room, label: Label, body: Forwarded, *, by: Somebody, index: int) -> None:
    """What a forwarder may have done as far as it shows here: hand-made envelopes know no rule.

    By this room's record alone, as of the entry: so everybody here comes to the same, also who opens it later, and who
    else comes in meanwhile changes nothing. Nobody has to know the room that it was taken from.
    """
    there = (Somebody(organisation=name, person=None) for name in room.row.nations.inside(index))
    # Of its author the organisation alone is known; a renewed certificate undoes nothing that was sent.
    to = Inside(label=label, ceiling=room.spec.ceiling, clearance=label, people=frozenset(there))
    given = Matter(label=body.origin.label, source=source_of(by, body), circle=None)
    check_way(Way.FORWARD, given, by=by, to=to)


def check_granted(
    ctx: Context,
    room: Room,
    content: Content,
    label: Label,
    *,
    author: Certificate,
    by: Certificate,
    devices: tuple[DeviceId, ...],
) -> None:
    """A message may be given to these devices by this member, in a grant under this label.

    Raises:
        RefusedError: `LABEL`.
    """
    sender, people = somebody(author), readers(ctx, room, label).people
    circle = circle_of(sender, content.body, people)
    given = Matter(label=content.label, source=source_of(sender, content.body), circle=circle)
    to = replace(_people(ctx, room, label, devices), clearance=label)
    check_way(Way.GRANT, given, by=somebody(by), to=to)
