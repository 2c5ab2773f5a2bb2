"""What the relay says of a publish: a receipt that has to hold, or a refusal and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_client.actions import CreateRoom, Disclose, Forward, Invite, Remove
from amanah_client.core import commits, invite, pledge, uploads
from amanah_client.core.context import Context, known_code, patience
from amanah_client.core.requests import Published, Submitted
from amanah_client.core.room import Promise, Room, Work
from amanah_client.core.subscribe import page
from amanah_client.core.withdraw import is_delivered, void
from amanah_client.model import InFlight, Intent, IntentState, MessageState, RoomStatus
from amanah_protocol.envelope import Envelope, decode_envelope
from amanah_protocol.errors import MEANINGS, Code, VerifyError
from amanah_protocol.frames import Accepted, Refused, Stored
from amanah_protocol.kinds import Commit, Delivered
from amanah_protocol.limits import CLOCK_WINDOW_MS, MAX_VOIDS
from amanah_protocol.log.receipt import Receipt, check_in_receipt, verify_receipt
from amanah_protocol.verified import Verified

AGAIN: Final = frozenset({Code.STALE_EPOCH, Code.STALE_INTAKE, Code.COUNTER, Code.BINDING, Code.AUDIENCE, Code.CLOCK})
"""Refusals after which the same thing is sealed anew: it was right to ask, at the wrong moment."""
OVERTAKEN: Final = frozenset({Code.STALE_EPOCH, Code.STALE_INTAKE, Code.AUDIENCE})
"""Refusals because somebody else changed the room first: a lost race, after which nothing is ever given up."""
MOST_REFUSALS: Final = 5
"""Others of `AGAIN` in a row; then what was asked for is given up and its counters with it are not wasted on."""
PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 30_000
RACE_MS: Final = 250
LONGEST_RACE_MS: Final = 16_000
"""Between these, doubling, lies the span from which the pause after a lost race is drawn."""


def receive_stored(ctx: Context, frame: Stored) -> None:
    """Durable, says the relay, and signs it.

    Raises:
        VerifyError: `RECEIPT`, `KEY_ID` or `SIGNATURE`; `FRAME` for what was never asked.
    """
    receipt = verify_receipt(frame.receipt, ctx.relay.key)
    for accepted in frame.accepted:
        asked = ctx.session.requests.get(accepted.request)
        match None if asked is None else asked.purpose:
            case Published(room=room_id):
                _accept(ctx, ctx.rooms[room_id], accepted, receipt, frame.receipt)
            case Submitted(intent=intent_id):
                _accept_control(ctx, intent_id, accepted, receipt)
            case _:
                raise VerifyError(Code.FRAME, "a receipt for something that was not asked")
        del ctx.session.requests[accepted.request]


def _check_accepted(accepted: Accepted, receipt: Receipt, items: int) -> None:
    places = len(accepted.indices) == len(accepted.sequences) == items
    inside = all(receipt.first_index <= index < receipt.size for index in accepted.indices)
    if not places or not inside or accepted.accepted_at_ms != receipt.accepted_at_ms:
        raise VerifyError(Code.RECEIPT, "the receipt does not cover what it is given for")


def _accept_control(ctx: Context, intent_id: str, accepted: Accepted, receipt: Verified[Receipt]) -> None:
    _check_accepted(accepted, receipt.value, 1)
    intent = ctx.outbox.get(intent_id)
    if intent is not None:
        ctx.finish_intent(replace(intent, index=accepted.indices[0], room_seq=accepted.sequences[0]))


def _accept(ctx: Context, room: Room, accepted: Accepted, receipt: Verified[Receipt], encoded: bytes) -> None:
    flight = room.row.in_flight
    if flight is None:
        return
    _check_accepted(accepted, receipt.value, len(flight.items))
    envelopes = [decode_envelope(envelope) for envelope, _ in flight.items]
    for envelope, index, room_seq in zip(envelopes, accepted.indices, accepted.sequences, strict=True):
        if room_seq < room.row.added_seq and envelope.id in room.sent:
            # This device was removed and added again before it could read this far: it is shown no more of it.
            stored = replace(room.sent.pop(envelope.id), state=MessageState.STORED, room_seq=room_seq, index=index)
            ctx.put_message(replace(stored, accepted_at_ms=accepted.accepted_at_ms))
            continue
        promise = Promise(receipt=receipt, encoded=encoded, envelope=envelope.id, index=index, owed=ctx.owe())
        _promise(ctx, room, promise, room_seq)
    pledge.note(ctx, room, receipt.value, encoded, accepted.indices[-1])
    room.change(in_flight=None)
    _go_on_behind(ctx, room, envelopes[-1])
    if isinstance(envelopes[-1].header.specific, Delivered):
        # The relay counts from here: a report that was long under way must not be followed at once by the next,
        # whose refusal would stand in the way of what people say.
        room.change(delivered_at_ms=ctx.now_ms)
    room.link.flying = False
    room.refused_in_a_row = room.voided_in_a_row = 0
    if any(not isinstance(envelope.header.specific, Delivered) for envelope in envelopes):
        room.lost_in_a_row = 0  # a report is overtaken by few: that it arrived says nothing of the race
    _end_work(room)
    for envelope, intent_id, index, room_seq in zip(
        envelopes, flight.intents, accepted.indices, accepted.sequences, strict=True
    ):
        intent = ctx.outbox.get(intent_id)
        if intent is not None:
            _end(ctx, room, replace(intent, code="", detail="", reasons=()), envelope, index, room_seq)
    if room.row.status is RoomStatus.OPENING:
        room.change(create=envelopes[0].encoded)  # what is in flight no longer tells it after a restart
        if not room.link.subscribed:
            page(ctx, room, room.row.head_seq)


def _go_on_behind(ctx: Context, room: Room, last: Envelope) -> None:
    own = room.senders.get(ctx.me)
    # Else a later one is in the log, of an earlier life of this profile (`restored`).
    if own is None or own.counter <= last.header.counter:
        room.change(last_id=last.id, voids=())


def _promise(ctx: Context, room: Room, promise: Promise, room_seq: int) -> None:
    """Hold the receipt against the record: now if the entry was delivered, else when it is.

    Raises:
        VerifyError: `RECEIPT`.
    """
    if room_seq > room.row.head_seq:
        # The first one is kept: else what was acknowledged and left out would be forgotten with it (attack 1).
        first = room.promised.setdefault(room_seq, promise)
        if first.envelope != promise.envelope:
            detail = f"two receipts give the place {room_seq} to two envelopes"
            ctx.alarm(Code.RECEIPT, detail, room=room.id, evidence=(first.encoded, promise.encoded))
        return
    known = room.known.get(room_seq)
    if promise.envelope in room.sent:
        raise VerifyError(Code.RECEIPT, f"the receipt names the place {room_seq}, where something else stands")
    if known is not None:
        check_in_receipt(promise.receipt, known.leaf, promise.index)


def _end_work(room: Room) -> None:
    del room.bodies[: room.work.bodies]
    del room.refusals[: room.work.refusals]
    room.work = Work()


def _end(ctx: Context, room: Room, intent: Intent, envelope: Envelope, index: int, room_seq: int) -> None:
    """An intent's envelope is in the log: the intent is done, or its next step is due."""
    room.widened.pop(intent.id, None)
    placed = replace(intent, room=room.id, envelope=envelope.id, index=index, room_seq=room_seq)
    commit = envelope.header.specific
    match intent.action:
        case CreateRoom():
            ctx.finish_intent(placed)
        case Invite() if isinstance(commit, Commit):
            for device in commit.added:
                room.packages.pop(device, None)
            ctx.put_intent(placed)
        case Invite():
            # What it is known by stays the commit.
            invite.finish(ctx, room, intent)
        case Remove() if isinstance(commit, Commit) and not commits.is_removed(room, intent.action, commit.removed):
            ctx.put_intent(replace(placed, state=IntentState.QUEUED))
        case Disclose() | Forward():
            room.line.pop(intent.id, None)
            ctx.apart[intent.id] = placed
            ctx.put_intent(placed)
        case _:
            ctx.finish_intent(placed)


def receive_refused(ctx: Context, room: Room, frame: Refused) -> None:
    """A publish was refused: send the same bytes later, seal anew, or give up what cannot get better."""
    flight = room.row.in_flight
    if flight is None:
        return
    code = known_code(frame.code)
    barred = uploads.again(ctx, room, flight) if code is Code.STAGING else None
    if barred is not None and not is_delivered(ctx, room, flight):
        # Sent again it would be refused again, and nothing else of the room could go out.
        code = barred.code
        frame = Refused(request=frame.request, code=code, detail=barred.detail, position=barred.position)
    put_off = not MEANINGS[code].final and code is not Code.CLOCK
    # A relay whose store does not answer may put off what it had stored, for want of a look at it.
    if is_delivered(ctx, room, flight) and not put_off:
        ctx.alarm(Code.RECEIPT, f"the relay refused ({frame.code}) what it had delivered", room=room.id)
        return
    room.refused_in_a_row += 1
    if put_off:
        room.link.flying = False
        room.retry_at_ms = ctx.timer_ms + patience(frame, _pause(room))
        return
    if code is Code.CLOCK:
        _note_clock(ctx, frame)
    _void(ctx, room, flight, code, frame)


def _pause(room: Room) -> int:
    return min(LONGEST_PAUSE_MS, PAUSE_MS << min(room.refused_in_a_row, 5))


def _note_clock(ctx: Context, frame: Refused) -> None:
    """Our clock or the relay's is wrong; what was sealed with that time is void either way."""
    if frame.time_ms is None:
        return
    ctx.session.skew_ms = ctx.now_ms - frame.time_ms
    if abs(ctx.session.skew_ms) > CLOCK_WINDOW_MS:
        ctx.alarm(Code.CLOCK, f"this clock is {abs(ctx.session.skew_ms) // 1000} s away from the relay's")


def _void(ctx: Context, room: Room, flight: InFlight, code: Code, frame: Refused) -> None:
    # Who was removed for its silence alone is added again, and what it was asked to say stays asked for.
    lost = code in OVERTAKEN or (code is Code.NOT_MEMBER and room.row.lapsed)
    if lost:
        room.lost_in_a_row += 1
    else:
        room.voided_in_a_row += 1
    again = lost or (code in AGAIN and room.voided_in_a_row < MOST_REFUSALS)
    if code in (Code.STALE_EPOCH, Code.AUDIENCE) and room.group is not None:
        # The epoch that was refused: the commit that ended it may have overtaken the refusal.
        room.stale_epoch = decode_envelope(flight.items[0][0]).header.epoch
        room.stale_since_ms = ctx.timer_ms
        room.told.discard(Code.GAP)
    room.retry_at_ms = ctx.timer_ms + _pause_behind(ctx, room, flight, lost=lost, again=again)
    if again:
        _report_anew(room, flight)
    else:
        _end_work(room)
        if not any(flight.intents):
            room.duty_at_ms = ctx.timer_ms + commits.FRUITLESS_MS
            room.packages.clear()
    room.work = Work()
    position = flight.intents[frame.position] if frame.position < len(flight.intents) else ""
    for intent in void(ctx, room, flight):
        blamed = intent.id == position or not position
        if not again and blamed:
            ctx.give_up(intent, str(code), frame.detail)
    if len(room.row.voids) > MAX_VOIDS:
        detail = f"{len(room.row.voids)} envelopes in a row were refused; this device cannot write here any more"
        ctx.alarm(Code.COUNTER, detail, room=room.id)
    _given_up(ctx, room)


def _pause_behind(ctx: Context, room: Room, flight: InFlight, *, lost: bool, again: bool) -> int:
    """How long to wait before anything is sealed anew, in ms.

    Those who lost to one commit would meet again at the next: each draws its pause from the whole of a
    span that doubles. Messages do not race each other, so the first of them is sealed anew at once.
    """
    if lost:
        if room.lost_in_a_row == 1 and not _has_commit(flight):
            return 0
        span = min(LONGEST_RACE_MS, RACE_MS << min(room.lost_in_a_row, 10))
        return int.from_bytes(ctx.random(4), "big") % span
    return _pause(room) if again or not any(flight.intents) else 0


def _has_commit(flight: InFlight) -> bool:
    return isinstance(decode_envelope(flight.items[0][0]).header.specific, Commit)


def _report_anew(room: Room, flight: InFlight) -> None:
    """A report that did not arrive is not one that was made."""
    for encoded, _ in flight.items:
        specific = decode_envelope(encoded).header.specific
        if isinstance(specific, Delivered):
            room.change(delivered_seq=min(room.row.delivered_seq, specific.room_seq - 1))


def _given_up(ctx: Context, room: Room) -> None:
    """A room that was never made leads nowhere."""
    wanted = any(intent.room == room.id for intent in ctx.apart.values() if isinstance(intent.action, CreateRoom))
    if room.row.status is RoomStatus.OPENING and not wanted:
        room.leave()
        room.change(status=RoomStatus.REMOVED)
