"""Messages again for a colleague's device: only what it was entitled to, by one of us, and only once.

Whether it was in a message's audience follows from the commits that this device has seen itself; nobody's word
counts. `TLP:RED` is sent again by its author's device alone; nothing is sent to another organisation.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from amanah_client import effects as e
from amanah_client.causes import MENDED_KINDS
from amanah_client.core import commits
from amanah_client.core.batch import Batch
from amanah_client.core.context import Context
from amanah_client.core.entry import Entry
from amanah_client.core.room import Answer, Dispute, Room
from amanah_client.model import MessageRow, MessageState, RoomStatus, Stay
from amanah_protocol import kinds
from amanah_protocol.content.bodies import PastMessage, Repair
from amanah_protocol.envelope import Envelope, Header, decode_envelope
from amanah_protocol.errors import AmanahError
from amanah_protocol.identity import MEMBER_ROLES, Certificate
from amanah_protocol.kinds import Commit, Create, Welcome
from amanah_protocol.labels import Label
from amanah_protocol.limits import KIB, MAX_NAMED_DEVICES, MAX_PLAINTEXT_BYTES
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId

MAX_OWED: Final = 10 * MAX_NAMED_DEVICES
"""What one device may have asked for and not been sent."""
AGAIN_MS: Final = 3_600_000
"""One message is sent again to one device once in so long, however often it asks."""
MAX_SENT_AGAIN: Final = 8_192
ALONE_MS: Final = 10_000
"""Others who refuse the same commit have said so by then."""
SETTLE_MS: Final = 60_000
"""Those who go on behind a commit have shown it by then, and a successor would have been opened (`successor`)."""
STRAND_MS: Final = 600_000
"""Who was added again is not removed and added once more within this time."""
MAX_STAYS: Final = 1_024
"""Times of devices in a room that are kept, the newest; what is not known is not sent again."""
RETURN_MS: Final = 30_000
"""An answer that was published is back in the record within this time, or is made anew."""
_MOST_BYTES: Final = MAX_PLAINTEXT_BYTES - 4 * KIB
_ITEM_BYTES: Final = 80


# ---- who was in, and when


def observe(ctx: Context, room: Room, entry: Entry, envelope: Envelope, *, followed: bool) -> None:
    """Note what an authentic entry says of the own organisation's devices.

    A time in the room begins only by what this device has followed, and ends by the mere header of a commit.
    """
    for dispute in room.disputes.values():
        if dispute.maker is not None and envelope.header.epoch > dispute.epoch:
            dispute.following.add(envelope.header.kid)
    match envelope.header.specific:
        case Create():
            _enter(ctx, room, (envelope.header.kid,), entry.room_seq)
        case Commit(added=added, removed=removed):
            if ctx.me in (*added, *removed):  # who leaves while this device is out, it does not see
                removed = tuple(stay.device for stay in room.stays)
            _end(room, removed, entry.room_seq)
            room.asked_by = {wanted: by for wanted, by in room.asked_by.items() if by not in removed}
            if followed:
                _enter(ctx, room, added, entry.room_seq)
            for device in (*added, *removed):
                _forget_refusal(room, device)  # it begins anew
            # What was sent to it before it came again it may not have been able to open.
            room.sent_again = {sent: at_ms for sent, at_ms in room.sent_again.items() if sent[0] not in added}
        case Welcome(addressees=addressees) if ctx.me in addressees:
            # Those who were in before us: what lies before our own time we have not got.
            _begin(ctx, room, room.row.added_seq)
        case _:  # no other kind changes who is in
            return
    room.touch()


def _end(room: Room, devices: tuple[DeviceId, ...], at_seq: int) -> None:
    gone = set(devices)
    room.stays = [
        replace(stay, until_seq=at_seq) if stay.until_seq is None and stay.device in gone else stay
        for stay in room.stays
    ]


def _begin(ctx: Context, room: Room, from_seq: int) -> None:
    """Members whose coming this device has not seen, or not noted, count from here."""
    members = () if room.group is None else room.group.members
    inside = {stay.device for stay in room.stays if stay.until_seq is None}
    _enter(ctx, room, tuple(device for device in members if device not in inside), from_seq)


def _enter(ctx: Context, room: Room, devices: tuple[DeviceId, ...], from_seq: int) -> None:
    own = ctx.certificate.organisation
    room.stays += [
        Stay(device=device, from_seq=from_seq, until_seq=None, since_ms=ctx.now_ms)
        for device in devices
        if ctx.directory.organisation(device) == own
    ]
    del room.stays[:-MAX_STAYS]


def was_in(room: Room, device: DeviceId, room_seq: int) -> bool:
    """Whether a device was in the audience of what stands at a place."""
    return any(stay.device == device and stay.covers(room_seq) for stay in room.stays)


# ---- what is asked for


def note_request(ctx: Context, room: Room, envelope: Envelope, request: kinds.Repair, certificate: Certificate) -> None:
    """A member asks for messages again, or to be removed and added again."""
    device = envelope.header.kid
    if certificate.organisation != ctx.certificate.organisation:
        return  # each organisation mends its own
    if room.create is not None and request.envelopes == (room.create.id,):
        strand(ctx, room, device)
        return
    for wanted in request.envelopes:
        row = room.missing.get(wanted)
        if row is not None and was_in(room, device, row.room_seq or 0):
            room.asked_by.setdefault(wanted, device)
    owed = room.owed.setdefault(device, {})
    new = [wanted for wanted in request.envelopes if not _was_sent(ctx, room, device, wanted)]
    owed.update(dict.fromkeys(new[: max(0, MAX_OWED - len(owed))]))
    if not owed:
        del room.owed[device]
        return
    room.owed_since.setdefault(device, ctx.timer_ms)
    room.touch()


def strand(ctx: Context, room: Room, device: DeviceId) -> None:
    """A device of the own organisation cannot follow the room, and we can: it is removed and added again."""
    ours = ctx.directory.organisation(device) == ctx.certificate.organisation
    if room.row.status is not RoomStatus.OPEN or not ours or device == ctx.me:
        return
    stays = [stay for stay in room.stays if stay.device == device]
    # Else one device could have the room change its keys for as long as it likes.
    if len(stays) > 1 and 0 <= ctx.now_ms - stays[-1].since_ms < STRAND_MS:
        return
    room.stranded[device] = ctx.now_ms
    room.looked = None
    room.touch()


def note_refusal(ctx: Context, room: Room, header: Header, refuse: kinds.Refuse) -> None:
    """A member refuses a commit; which one that is, our own record has to show.

    Of each member the first refusal counts: behind a commit that it refuses it follows none that it could refuse.
    """
    known = any(header.kid in dispute.refusing for dispute in room.disputes.values())
    if room.row.status is not RoomStatus.OPEN or known:
        return
    dispute = room.disputes.get(refuse.commit)
    if dispute is None:
        dispute = room.disputes[refuse.commit] = Dispute()
        ctx.effect(e.ReadMessage(room=room.id, envelope=refuse.commit))
    if header.kid != dispute.maker:
        dispute.refusing[header.kid] = ctx.timer_ms


def _examine(room: Room, commit: EnvelopeId, row: MessageRow | None) -> None:
    """A refused commit is one that this device follows, or nobody is mended for it; its maker's own word is none."""
    dispute = room.disputes.get(commit)
    if dispute is None or dispute.maker is not None:
        return
    if row is None or row.kind != kinds.Kind.COMMIT or row.state is not MessageState.STORED:
        del room.disputes[commit]
        return
    dispute.maker, dispute.epoch = row.sender, decode_envelope(row.encoded).header.epoch
    if row.sender in dispute.refusing:
        _forget_refusal(room, row.sender)


def _forget_refusal(room: Room, device: DeviceId) -> None:
    for dispute in room.disputes.values():
        dispute.refusing.pop(device, None)
    room.disputes = {commit: dispute for commit, dispute in room.disputes.items() if dispute.refusing}


def _strand_who_cannot_follow(ctx: Context, room: Room) -> None:
    """Who alone refuses a commit is mended, and so are a few where more are seen to go on.

    Of as many as may hold the room for wedged (`successor`) nobody is removed. The commit's maker, who counts for
    neither there, may be among those who go on: hence more, and not as many.
    """
    for dispute in room.disputes.values():
        if dispute.maker is None:
            continue
        refusing = dispute.refusing
        going_on = (dispute.following | {ctx.me}) - refusing.keys()
        if len(refusing) > 1 and len(going_on) <= len(refusing):
            continue
        wait_ms = ALONE_MS if len(refusing) == 1 else SETTLE_MS
        for device, since_ms in refusing.items():
            if ctx.timer_ms - since_ms >= wait_ms and device not in room.stranded:
                strand(ctx, room, device)


def note_answer(ctx: Context, room: Room, answer: kinds.Repair, organisation: OrgName) -> None:
    """What one of us has sent again is not sent by another too."""
    if organisation != ctx.certificate.organisation:
        return
    for envelope in answer.envelopes:
        if envelope in room.missing:
            room.asked_by[envelope] = ctx.me  # somebody has it: each of us may have it
    for device in answer.addressees:
        owed = room.owed.get(device, {})
        for envelope in answer.envelopes:
            owed.pop(envelope, None)
        room.owed_since[device] = ctx.timer_ms
        _forget_if_done(room, device)
    room.answer = None
    room.touch()


def _forget_if_done(room: Room, device: DeviceId) -> None:
    if not room.owed.get(device):
        room.owed.pop(device, None)
        room.owed_since.pop(device, None)


def _was_sent(ctx: Context, room: Room, device: DeviceId, envelope: EnvelopeId) -> bool:
    at_ms = room.sent_again.get((device, envelope))
    return at_ms is not None and ctx.timer_ms - at_ms < AGAIN_MS


# ---- what is sent again


def tend(ctx: Context, room: Room) -> None:
    """Know who is in, and who cannot follow: that waits for nothing that is to be published."""
    if room.group is not None and not room.watched:
        room.watched = True
        _begin(ctx, room, room.row.head_seq)  # those of a store from before this was noted
    _strand_who_cannot_follow(ctx, room)


def work(ctx: Context, room: Room) -> bool:
    """Send again what is owed, when it is this device's turn; True when an answer was published."""
    if room.answer is None:
        _read_next(ctx, room)
    answer = room.answer
    if answer is None or answer.wanted:
        return False
    room.answer = None
    return _publish(ctx, room, answer)


def _read_next(ctx: Context, room: Room) -> None:
    """Begin with the first device whose turn to be answered by us it is."""
    members = () if room.group is None else room.group.members
    for device, owed in tuple(room.owed.items()):
        since_ms = room.owed_since.setdefault(device, ctx.timer_ms)
        before = rank(ctx, room, asker=device)
        if device not in members or before is None or ctx.timer_ms < since_ms + before * commits.RANK_MS:
            continue
        wanted = tuple(owed)[:MAX_NAMED_DEVICES]
        room.answer = Answer(device=device, wanted=set(wanted))
        for envelope in wanted:
            ctx.effect(e.ReadMessage(room=room.id, envelope=envelope))
        return


def rank(ctx: Context, room: Room, *, asker: DeviceId | None = None) -> int | None:
    """How many of us ask or answer before: each waits for them, and has nothing to do once one has."""
    members = () if room.group is None else room.group.members
    able = [
        device
        for device, standing in ctx.directory.standings(members).items()
        if device != asker
        and standing.certificate.organisation == ctx.certificate.organisation
        and standing.certificate.role in MEMBER_ROLES
        and standing.usable(ctx.now_ms)
    ]
    return able.index(ctx.me) if ctx.me in able else None


def receive_message(ctx: Context, room_id: RoomId, envelope: EnvelopeId, row: MessageRow | None) -> None:
    """The store has answered: a refused commit is looked at, what that device may have is kept until all is read."""
    room = ctx.rooms.get(room_id)
    if room is None:
        return
    _examine(room, envelope, row)
    answer = room.answer
    if answer is None or envelope not in answer.wanted:
        return
    answer.wanted.discard(envelope)
    if row is not None and _may_have(ctx, room, answer.device, row):
        answer.found[envelope] = row
    else:
        room.owed.get(answer.device, {}).pop(envelope, None)  # not ours to send: another may
        _forget_if_done(room, answer.device)
        room.touch()


def _may_have(ctx: Context, room: Room, device: DeviceId, row: MessageRow) -> bool:
    readable = row.state is MessageState.STORED and row.kind in MENDED_KINDS and bool(row.content and row.key)
    if not readable or row.room_seq is None or not was_in(room, device, row.room_seq):
        return False
    return row.label is not Label.RED or row.sender == ctx.me


def _publish(ctx: Context, room: Room, answer: Answer) -> bool:
    chosen = _fitting(answer)
    members = () if room.group is None else room.group.members
    if not chosen or answer.device not in members:
        return False
    batch = Batch(ctx, room)
    try:
        batch.add_message(
            Repair(items=tuple(PastMessage(envelope=r.envelope, content=r.content, k=r.key) for r in chosen)),
            kinds.Repair(envelopes=tuple(row.envelope for row in chosen), addressees=(answer.device,)),
            message_id=ctx.random(16),
            written_at_ms=ctx.now_ms,
            label=max(row.label for row in chosen),
        )
    except AmanahError as error:
        ctx.alarm(str(error.code), f"messages cannot be sent again: {error.detail}", room=room.id)
        for row in chosen:
            room.owed.get(answer.device, {}).pop(row.envelope, None)
        _forget_if_done(room, answer.device)
        return False
    _remember(ctx, room, answer.device, chosen)
    batch.launch()
    return True


def _fitting(answer: Answer) -> list[MessageRow]:
    """As many as one envelope holds, in order of their ids; the rest is for the next."""
    chosen: list[MessageRow] = []
    size = 0
    for envelope in sorted(answer.found):
        row = answer.found[envelope]
        size += len(row.content) + _ITEM_BYTES
        if chosen and size > _MOST_BYTES:
            break
        chosen.append(row)
    return chosen


def _remember(ctx: Context, room: Room, device: DeviceId, sent: list[MessageRow]) -> None:
    # It stays owed until it is back in the record: a publish may be refused, and is then made anew.
    room.owed_since[device] = ctx.timer_ms + RETURN_MS
    for row in sent:
        room.sent_again[device, row.envelope] = ctx.timer_ms
        if len(room.sent_again) > MAX_SENT_AGAIN:
            del room.sent_again[next(iter(room.sent_again))]
