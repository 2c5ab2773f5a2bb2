"""What this device cannot read is asked for, once and of its own organisation; what comes is held against the log.

A request is a `repair` that names messages and no device. It seals nothing, so it costs the room no more than a
`delivered`. Whoever has lost all keys of a room names the room's creation: it asks to be removed and added again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from amanah_client.core import commits, resend, ways
from amanah_client.core.batch import Batch
from amanah_client.core.context import Context
from amanah_client.core.entry import Entry, row_of
from amanah_client.core.gate import blocked
from amanah_client.core.opening import check_body, is_forgotten, open_message, opened, take_profile
from amanah_client.core.room import Room
from amanah_client.model import Mending, MessageRow, MessageState, RoomStatus
from amanah_protocol import kinds
from amanah_protocol.content.bodies import Body, PastMessage, Profile, Repair
from amanah_protocol.content.sealed import check_commitment, check_drill, decode_content
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.errors import AmanahError, Code, PeerError, VerifyError
from amanah_protocol.identity import MEMBER_ROLES, Certificate, Role
from amanah_protocol.labels import Label
from amanah_protocol.limits import MAX_NAMED_DEVICES
from amanah_protocol.types import DeviceId, EnvelopeId

ASK_MS: Final = 60_000
"""Between two requests of a device in a room."""
CALL_MS: Final = 600_000
"""Between two calls to be removed and added again."""
WAIT_MS: Final = 86_400_000
"""What nobody has sent again within a day is said to be unanswered."""
ERASED_MS: Final = 10_000
"""The `erase` of what was erased while it was on its way to this device comes within this time."""
MOST_ASKS: Final = 3
"""A message is asked for again only after an answer that did not hold, and so often at the most."""
MAX_MISSING: Final = 1_024
"""Messages of a room that are looked after at a time; the others are with the next start."""
TEND_MS: Final = 1_000
_ALONE: Final = "no other officer of this organisation is in: the room's owner has to remove this device and invite it"


def report_lost(ctx: Context) -> None:
    """Tell of each room whose keys are gone, once."""
    for room in ctx.lost:
        ctx.alarm(Code.STATE_LOST, "this device's keys of the room are gone or damaged", room=room)
    ctx.lost.clear()


def note_missing(room: Room, row: MessageRow) -> MessageRow:
    """Look after a message that cannot be read, if it can be repaired; gives it back."""
    if row.mending is not None and len(room.missing) < MAX_MISSING:
        room.missing[row.envelope] = row
        room.tend_at_ms = 0
    return row


def tend(ctx: Context, room: Room) -> None:
    """Say of each message that cannot be read whether its repair is waited for, and how long: never in silence."""
    if not room.missing or ctx.timer_ms < room.tend_at_ms:
        return
    room.tend_at_ms = ctx.timer_ms + TEND_MS
    _tell_withheld(ctx, room)
    helped = bool(_colleagues(ctx, room, MEMBER_ROLES))
    for row in tuple(room.missing.values()):
        mending = _mending(ctx, room, row, helped=helped)
        if mending is not row.mending:
            _put(ctx, room, replace(row, mending=mending))


def _tell_withheld(ctx: Context, room: Room) -> None:
    """What the relay says is erased, and nobody has erased by the record read to its head, is withheld."""
    for envelope, since_ms in tuple(room.withheld.items()):
        row = room.missing.get(envelope)
        if row is not None and not (room.link.live and ctx.heard_ms - since_ms >= ERASED_MS):
            continue
        del room.withheld[envelope]
        if row is not None:
            detail = f"the relay says that entry {row.room_seq} is erased, which nobody did: it withholds the content"
            ctx.alarm(Code.GAP, detail, room=room.id, evidence=(row.encoded,))


def _mending(ctx: Context, room: Room, row: MessageRow, *, helped: bool) -> Mending:
    if not helped:
        return Mending.NOBODY
    # Who waits to be added again, or for another's answer, has asked for nothing yet: not for ever either.
    waits = room.row.status is not RoomStatus.OPEN or _is_asked_by_another(ctx, room, row)
    since_ms = row.asked_at_ms or (row.accepted_at_ms or 0 if waits else 0)
    waited = since_ms and ctx.now_ms - since_ms >= WAIT_MS
    return Mending.UNANSWERED if waited or _is_given_up(row) else Mending.WAITING


def _is_given_up(row: MessageRow) -> bool:
    return row.asked_at_ms == 0 and row.asks >= MOST_ASKS


def _is_asked_by_another(ctx: Context, room: Room, row: MessageRow) -> bool:
    """What a colleague asks for it cannot open either: it may be its sender's fault, and nobody has it.

    One request stands for all of us, until an answer shows that somebody has it, or until who asked has left.
    """
    return room.asked_by.get(row.envelope, ctx.me) != ctx.me


def work(ctx: Context, room: Room) -> bool:
    """Ask for what is missing, if it is time; True when a request was published."""
    due = sorted(
        row.envelope
        for row in room.missing.values()
        if row.asked_at_ms == 0
        and row.envelope not in room.withheld
        and not _is_given_up(row)
        and not _is_asked_by_another(ctx, room, row)
    )
    if not due:
        room.ask_at_ms = 0
        return False
    if _has_asked(ctx, room, ASK_MS) or not _is_first(ctx, room) or not _colleagues(ctx, room, MEMBER_ROLES):
        return False
    room.ask_at_ms = 0
    chosen = tuple(due[:MAX_NAMED_DEVICES])
    if _request(ctx, room, chosen, None):
        return True
    for envelope in chosen:  # it will not be allowed tomorrow either
        _put(ctx, room, replace(room.missing[envelope], asks=MOST_ASKS, mending=Mending.UNANSWERED))
    return False


def _is_first(ctx: Context, room: Room) -> bool:
    """Whether those of us who come before have had their time to ask: else all would ask at once."""
    if room.ask_at_ms == 0:
        room.ask_at_ms = ctx.timer_ms + commits.RANK_MS * (resend.rank(ctx, room) or 0)
    return ctx.timer_ms >= room.ask_at_ms


def call(ctx: Context, room: Room) -> bool:
    """All keys of the room are gone: ask to be removed and added again; True when that was published."""
    if blocked(ctx) is not None or _has_asked(ctx, room, CALL_MS):
        return False
    if room.create is None or ctx.me not in room.active or not _colleagues(ctx, room, {Role.OFFICER}):
        if Code.STATE_LOST not in room.told:
            room.told.add(Code.STATE_LOST)
            ctx.alarm(Code.STATE_LOST, _ALONE, room=room.id)
        return False
    return _request(ctx, room, (room.create.id,), set(room.active))


def _has_asked(ctx: Context, room: Room, within_ms: int) -> bool:
    """By the wall's clock and stored, so that a restart asks no sooner."""
    return 0 <= ctx.now_ms - room.row.asked_at_ms < within_ms


def _request(ctx: Context, room: Room, envelopes: tuple[EnvelopeId, ...], members: set[DeviceId] | None) -> bool:
    room.change(asked_at_ms=ctx.now_ms)
    batch = Batch(ctx, room)
    try:
        batch.add_bare(kinds.Repair(envelopes=envelopes, addressees=()), members=members)
    except AmanahError as error:  # a machine whose certificate does not allow it
        ctx.alarm(str(error.code), f"nothing can be asked for again: {error.detail}", room=room.id)
        return False
    batch.launch()
    return True


def _colleagues(ctx: Context, room: Room, roles: Iterable[Role]) -> list[DeviceId]:
    """Other devices of the own organisation that are in the room, by its headers where its keys are gone."""
    members = room.active if room.group is None else room.group.members
    own, allowed = ctx.certificate.organisation, frozenset(roles)
    return [
        device
        for device, standing in ctx.directory.standings(members).items()
        if device != ctx.me
        and standing.certificate.organisation == own
        and standing.certificate.role in allowed
        and standing.usable(ctx.now_ms)
    ]


def note_asked(ctx: Context, room: Room, envelopes: tuple[EnvelopeId, ...]) -> None:
    """The own request stands in the record."""
    for envelope in envelopes:
        row = room.missing.get(envelope)
        if row is not None:
            _put(ctx, room, replace(row, asked_at_ms=ctx.now_ms, asks=row.asks + 1, mending=Mending.WAITING))


def ask_anew(ctx: Context, room: Room, envelopes: Iterable[EnvelopeId]) -> None:
    """What was sent again to this device and is missing all the same is asked for once more."""
    for envelope in envelopes:
        row = room.missing.get(envelope)
        if row is not None and row.asked_at_ms:
            _put(ctx, room, replace(row, asked_at_ms=0))


def take_answer(
    ctx: Context, room: Room, entry: Entry, envelope: Envelope, answer: kinds.Repair, certificate: Certificate
) -> MessageRow:
    """Open messages that were sent again to this device, and take them out of their `repair`.

    Raises:
        DecodeError: As `open_message`.
        VerifyError: As `open_message`; `MEMBERSHIP`: it comes from another organisation; `BINDING`: it holds others
            than it names.
    """
    resend.note_answer(ctx, room, answer, certificate.organisation)
    row = row_of(entry, envelope, certificate.organisation)
    if ctx.me not in answer.addressees:
        return row  # its header is all that is for us
    _check_ours(ctx, certificate)
    try:
        row = open_message(ctx, room, entry, envelope, certificate)
        for item in _items(answer, decode_content(row.content).body) if row.content else ():
            _take_item(ctx, room, envelope, item)
    finally:
        # The others go by its header and owe nothing any more, whatever came here.
        ask_anew(ctx, room, answer.envelopes)
    # The words stand in their own rows: kept here too, they would outlive an erasure.
    return replace(row, content=b"", key=b"")


def _check_ours(ctx: Context, certificate: Certificate) -> None:
    if certificate.organisation != ctx.certificate.organisation:
        raise VerifyError(Code.MEMBERSHIP, "only devices of the own organisation send messages again")


def _items(answer: kinds.Repair, body: Body) -> tuple[PastMessage, ...]:
    items = body.items if isinstance(body, Repair) else ()
    if tuple(sorted(item.envelope for item in items)) != answer.envelopes:
        raise VerifyError(Code.BINDING, "a repair holds other messages than its header names")
    return items


def _take_item(ctx: Context, room: Room, answer: Envelope, item: PastMessage) -> None:
    row = room.missing.get(item.envelope)
    if row is None:
        return  # never missed, repaired by another, or erased meanwhile
    try:
        mended = _mend(ctx, room, answer, row, item)
    except PeerError as error:
        by = answer.header.kid.hex()[:16]
        detail = f"entry {row.room_seq}, sent again by device {by}, does not hold: {error.detail}"
        ctx.alarm(str(error.code), detail, room=room.id, evidence=(answer.encoded, row.encoded))
        return
    del room.missing[row.envelope]
    room.asked_by.pop(row.envelope, None)
    ctx.put_message(mended)


def _mend(ctx: Context, room: Room, answer: Envelope, row: MessageRow, item: PastMessage) -> MessageRow:
    """What was sent again, held against what its author signed and the log holds.

    Raises:
        DecodeError: It is no content.
        VerifyError: `COMMITMENT`: it is not what was committed to by this author, in this room, under this counter;
            `LABEL`, `DRILL`, `BINDING` or `REPLAY`.
    """
    original = decode_envelope(row.encoded)
    check_commitment(original.header, item.k, item.content)
    content = decode_content(item.content)
    if content.label is Label.RED and answer.header.kid != row.sender:
        raise VerifyError(Code.LABEL, "TLP:RED is sent again by its author's device alone")
    check_drill(content, drill=room.spec.drill)
    check_body(original, content.body)
    author = ctx.directory.standing(row.sender, before=row.index)
    if author is None:
        raise VerifyError(Code.CERTIFICATE, "its author's certificate is not in the log")
    ways.check_opened(ctx, room, original.header, content, author.certificate, index=row.index or 0)
    if not room.note_message(row.sender, content.message_id):
        raise VerifyError(Code.REPLAY, "this message was received before, in another envelope")
    if is_forgotten(ctx, content.body):
        return replace(row, state=MessageState.ERASED, cause=None, code="", mending=None)
    if isinstance(content.body, Profile):  # a title that is sent again may be an old one
        take_profile(ctx, room, original, content.body.encoded)
    row = replace(row, cause=None, code="", mending=Mending.DONE, repaired_by=answer.header.kid)
    return opened(row, content, item.content, item.k)


def _put(ctx: Context, room: Room, row: MessageRow) -> None:
    room.missing[row.envelope] = row
    ctx.put_message(row)
