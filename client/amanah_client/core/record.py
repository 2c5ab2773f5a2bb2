"""One room's record: each entry has to be the next of the chain, and is then judged by its own merits.

The chain (place, hash of the one before, log index) is what the room stands on: when it breaks, the
room is asked for once more and then stops. An entry that fails for itself is kept, marked and told;
the record goes on behind it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from msgspec import structs

from amanah_client.causes import cause_of, mending_of
from amanah_client.core import (
    anchor,
    duty,
    granted,
    heads,
    joining,
    matter,
    repair,
    resend,
    restored,
    successor,
    transfer,
)
from amanah_client.core.behind import may_be_dropped
from amanah_client.core.checks import authenticate, check_allowed, check_bound, check_member
from amanah_client.core.context import Context, patience
from amanah_client.core.directory import NotLoggedError
from amanah_client.core.entry import Entry, read_entry, row_of
from amanah_client.core.membership import take_commit, take_create, take_welcome
from amanah_client.core.opening import open_message
from amanah_client.core.own import erase, take_own
from amanah_client.core.place import ask_once_more, follows, park
from amanah_client.core.room import Known, Promise, Room
from amanah_client.core.senders import follow
from amanah_client.core.subscribe import resubscribe
from amanah_client.model import MessageRow, MessageState, RoomStatus
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.frames import Delivery, Refused
from amanah_protocol.identity import Certificate
from amanah_protocol.kinds import Commit, Create, Erase, Grant, Kind, Refuse, Repair, Welcome
from amanah_protocol.log.receipt import check_in_receipt

_QUIET: Final = frozenset({Code.NOT_MEMBER, Code.REFUSED_COMMIT, Code.BEHIND, Code.STATE_LOST})
"""Causes of which the alarm was raised once already, where they began."""
_SIGNED: Final = frozenset({Code.REVOKED, Code.EXPIRED})
"""Causes for which an envelope is refused whose signature holds."""


def receive_delivery(ctx: Context, frame: Delivery) -> None:
    """An entry of a room.

    Raises:
        VerifyError: `FRAME`: it was not asked for.
    """
    room = ctx.rooms.get(frame.room)  # type: ignore[call-overload]  # frames hold plain bytes
    if room is None or not room.link.subscribed:
        raise VerifyError(Code.FRAME, "an entry of a room that was not asked for")
    # While something is fetched, or the control stream is late, what is pushed is skipped and
    # asked for again: a peer cannot fill our memory with what waits (attack 24).
    if not (room.broken or room.link.waits):
        take(ctx, room, frame, {})


def take(ctx: Context, room: Room, frame: Delivery, fetched: dict[bytes, bytes]) -> None:
    """Judge one delivery, with what had to be fetched for it, by hash."""
    content = frame.content
    entry = read_entry(frame, content)
    try:
        if not follows(ctx, room, entry):
            return
    except NotLoggedError as error:
        if not park(ctx, room):
            ask_once_more(ctx, room, Code.GAP, error.detail, (entry.leaf.encode(),))
        return
    if joining.stands_still(ctx, room, entry) or transfer.fetch_missing(ctx, room, entry, fetched):
        return
    envelope = entry.envelope
    if envelope is not None:
        tree = _tree_hash(ctx, envelope)
        entry = structs.replace(
            entry,
            content=fetched.get(envelope.payload) or content,
            tree=None if tree is None else fetched.get(tree),
        )
        if _is_withheld(ctx, room, entry, envelope):
            detail = f"the content of entry {entry.room_seq}, without which the room cannot go on, is withheld"
            ask_once_more(ctx, room, Code.GAP, detail, (entry.leaf.encode(),))
            return
    _judge(ctx, room, entry)


def content_refused(ctx: Context, room: Room, frame: Refused) -> None:
    """A large content is not given: later, or judge the entry without it."""
    fetch = room.link.fetch
    room.link.fetch = None
    if fetch is None:
        return
    if frame.code == Code.NOT_FOUND:
        resume(ctx, room, fetch.delivery, dict.fromkeys(fetch.wanted, b"") | fetch.got)
    else:
        room.link.again_at_ms = ctx.timer_ms + patience(frame)


def resume(ctx: Context, room: Room, delivery: Delivery, fetched: dict[bytes, bytes]) -> None:
    """Judge what waited for something, then ask for what was skipped meanwhile."""
    before = room.link.page
    take(ctx, room, delivery, fetched)
    if not (room.link.waits or room.broken) and room.link.page == before:
        resubscribe(ctx, room)


def _is_withheld(ctx: Context, room: Room, entry: Entry, envelope: Envelope) -> bool:
    """Whether the relay keeps back what the group needs to go on; that is its fault, not the sender's."""
    match envelope.header.specific:
        case Commit(removed=removed):
            follows_it = room.group is not None and not room.lags(envelope.header.epoch)
            needed = follows_it and envelope.header.kid != ctx.me and ctx.me not in removed
        case Welcome(addressees=addressees):
            needed = room.adding is not None and ctx.me in addressees
        case _:
            needed = False
    gone = entry.delivery.erased and may_be_dropped(ctx, envelope)
    return needed and not (entry.content or gone)


def _tree_hash(ctx: Context, envelope: Envelope) -> bytes | None:
    specific = envelope.header.specific
    return specific.tree_hash if isinstance(specific, Welcome) and ctx.me in specific.addressees else None


def _judge(ctx: Context, room: Room, entry: Entry) -> None:
    envelope = entry.envelope
    if envelope is None:
        # No envelope, so nothing to show: no sender, no label. The alarm holds what was delivered.
        flaw = entry.flaw or VerifyError(Code.MALFORMED, "an entry that is no envelope")
        ctx.alarm_for(flaw, room=room.id, evidence=(entry.leaf.encode(),))
        _settle(ctx, room, entry, None)
        return
    row: MessageRow | None
    certificate: Certificate | None = None
    try:
        certificate = authenticate(ctx, entry, envelope)
        row = _examine(ctx, room, entry, envelope, certificate)
    except PeerError as error:
        if isinstance(error, NotLoggedError) and park(ctx, room):
            return
        signed = certificate is not None or error.code in _SIGNED
        row = _reject(ctx, room, entry, envelope, error, signed=signed)
    _settle(ctx, room, entry, row)


def _examine(ctx: Context, room: Room, entry: Entry, envelope: Envelope, certificate: Certificate) -> MessageRow | None:
    header = envelope.header
    enters = room.group is None and isinstance(header.specific, Commit) and ctx.me in header.specific.added
    following = follow(room, header, envelope.id, enters=enters)
    parked = False
    try:
        successor.note(room, envelope)
        if header.kid == ctx.me:
            return take_own(ctx, room, entry, envelope, following)
        if following.flaw is not None:
            raise following.flaw
        return _take_kind(ctx, room, entry, envelope, certificate)
    except NotLoggedError:
        parked = room.refreshed_seq != room.row.head_seq
        raise
    finally:
        # An authentic envelope moves its sender's record on, also if it is refused: one flaw, one alarm.
        if not parked:
            room.senders[header.kid] = following.row


def _take_kind(  # noqa: C901 - one case for each kind that is more than stored
    ctx: Context, room: Room, entry: Entry, envelope: Envelope, certificate: Certificate
) -> MessageRow:
    specific = envelope.header.specific
    row = row_of(entry, envelope, certificate.organisation)
    if isinstance(specific, Create):
        take_create(ctx, room, entry, envelope, specific)
        return row
    check_allowed(envelope.header, certificate, room.spec)
    match specific:
        case Commit():
            take_commit(ctx, room, entry, envelope, specific)
        case Welcome():
            take_welcome(ctx, room, entry, envelope, specific)
        case Repair(addressees=addressees):
            check_bound(room, envelope)
            if addressees:
                return repair.take_answer(ctx, room, entry, envelope, specific, certificate)
            resend.note_request(ctx, room, envelope, specific, certificate)
        case Grant():
            check_bound(room, envelope)
            return granted.take(ctx, room, entry, envelope, specific, certificate)
        case _ if envelope.header.is_sealed:
            check_bound(room, envelope)
            return open_message(ctx, room, entry, envelope, certificate)
        case Erase():
            check_member(room, envelope)  # else it would be shown for good, and sent again to others
            erase(ctx, room, envelope, certificate)
        case Refuse() if restored.is_request(specific):
            check_bound(room, envelope)
            restored.take_request(ctx, room, envelope)
        case Refuse(code=code):
            check_bound(room, envelope)
            detail = f"a member refuses a commit of this room: {code}"
            ctx.alarm(Code.REFUSED_COMMIT, detail, room=room.id, evidence=(envelope.encoded,))
            resend.note_refusal(ctx, room, envelope.header, specific)
        case _:
            check_bound(room, envelope)
    return row


def _reject(
    ctx: Context, room: Room, entry: Entry, envelope: Envelope, error: PeerError, *, signed: bool
) -> MessageRow | None:
    """Keep what failed, marked with its cause, and raise the alarm: never silent, never shown."""
    quiet = error.code in _QUIET and not (error.code is Code.NOT_MEMBER and room.group is not None)
    if not (quiet or envelope.id in room.withheld):  # of which is told once no `erase` has come (`repair`)
        ctx.alarm_for(error, room=room.id, evidence=(entry.leaf.encode(),))
    if error.code is Code.REPLAY:
        return None  # the entry that came first stays what it is
    if not signed:
        # Who is named did not say it here: neither name nor label is shown, and as an envelope's id does not
        # depend on its signature, what was said under this id must not be replaced by it (attack 44).
        return None
    organisation = ctx.directory.organisation(envelope.header.kid)
    row = row_of(entry, envelope, organisation)
    if room.adding is not None and envelope.header.kind is Kind.WELCOME:
        room.adding = None
        if room.row.status is RoomStatus.JOINING:
            room.change(status=RoomStatus.LOST, asked_at_ms=0)  # the keys that it was to have are gone
    cause = cause_of(
        str(error.code),
        kind=row.kind,
        was_in=room.row.status is not RoomStatus.REMOVED and entry.room_seq >= room.row.added_seq,
        has_keys=room.group is not None,
        has_content=bool(entry.content),
        is_own=envelope.header.kid == ctx.me,
    )
    row = replace(row, room=room.id, state=MessageState.UNREADABLE, cause=cause, code=str(error.code))
    return repair.note_missing(room, replace(row, mending=mending_of(cause, row.kind)))


def _settle(ctx: Context, room: Room, entry: Entry, row: MessageRow | None) -> None:
    """The entry has its place in our record, whatever became of it."""
    room.change(head_seq=entry.room_seq, head_leaf=entry.leaf_hash, head_index=entry.index)
    known = Known(leaf=entry.leaf_hash, index=entry.index, accepted_at_ms=entry.accepted_at_ms)
    room.remember(entry.room_seq, known)
    _check_promise(ctx, room, entry)
    heads.check_awaited(ctx, room)
    envelope = entry.envelope
    if envelope is not None and _is_report(ctx, envelope) and room.row.delivered_seq == entry.room_seq - 1:
        # Reports about reports would never end.
        room.change(delivered_seq=entry.room_seq)
    if envelope is not None and _is_followed(room, envelope, row):
        anchor.note(ctx, room, entry)
    if row is not None:
        if envelope is not None:
            _observe(ctx, room, entry, envelope, row)
        ctx.put_message(row)


def _observe(ctx: Context, room: Room, entry: Entry, envelope: Envelope, row: MessageRow) -> None:
    """Who is there, by headers, also of commits that this device cannot follow any more; what has another label."""
    matter.note(ctx, row)
    commit = envelope.header.kind is Kind.COMMIT
    followed = row.state is not MessageState.UNREADABLE
    if followed or (commit and room.row.status is not RoomStatus.OPEN):
        duty.observe(ctx, room, entry, envelope)
    if followed or commit:
        resend.observe(ctx, room, entry, envelope, followed=followed)


def _is_followed(room: Room, envelope: Envelope, row: MessageRow | None) -> bool:
    """Whether this is a commit, and the epoch that it begins is the one we are in."""
    taken = row is not None and row.state is not MessageState.UNREADABLE
    return taken and room.group is not None and envelope.header.kind is Kind.COMMIT


def _keep_promise(promise: Promise, entry: Entry) -> None:
    if entry.envelope is None or entry.envelope.id != promise.envelope or entry.index != promise.index:
        raise VerifyError(Code.RECEIPT, f"entry {entry.room_seq} is not the one that the receipt promised")
    check_in_receipt(promise.receipt, entry.leaf_hash, entry.index)


def _is_report(ctx: Context, envelope: Envelope) -> bool:
    kind = envelope.header.kind
    return kind is Kind.DELIVERED or (envelope.header.kid == ctx.me and kind is not Kind.COMMIT)


def _check_promise(ctx: Context, room: Room, entry: Entry) -> None:
    """The receipt that we got for this place has to name just this entry (attack 38)."""
    promise = room.promised.pop(entry.room_seq, None)
    if promise is None:
        return
    try:
        _keep_promise(promise, entry)
    except VerifyError as error:
        ctx.alarm_for(error, room=room.id, evidence=(promise.encoded, entry.leaf.encode()))
