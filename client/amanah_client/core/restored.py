"""A profile that was restored from an old copy re-keys before it sends (attack 23).

That it is one shows in the log: an envelope of this device that the profile never signed. Then an *earlier life* went
on from the copy, and it may have used every key that the copy holds, or that follows from it by commits in the log.
Which ones the log does not tell: what the relay refused, or never logged, it has seen all the same. So no key of an
epoch that the earlier life can have known is used again, neither for messages nor for a commit, however many
generations would be skipped: a copy that is put back twice would skip as many twice.

Why what follows is safe:

* The device asks the others to begin an epoch, by an envelope that it signs on *this* connection, and counts no commit
  before that has its place in the log. No earlier life knew it, as all of them ended before, so none knew a commit
  behind it. Where the relay says that the record ends would not do: it may show the rest later (attack 2).
* An epoch that another member's commit begins behind it has secrets which no earlier life ever held: its commit secret
  is the committer's fresh randomness. Nothing was sealed in it by this device, so its ratchets begin anew.
* The first thing that is sealed in such an epoch is an empty commit of our own: a fresh leaf, for whoever holds the
  copy holds its keys. All else goes out behind it.

The request is a `refuse` with the code `FORK`. It seals nothing; the first in rank renews its own keys. Counters go on
behind the highest one in the log.

Where the log holds a commit of the earlier life, the copy cannot follow: nobody can process its own commit from the
wire. Then the device waits to be removed and added again; see `stop`.

Who is added, for the first time as far as its profile knows, is shown nothing of a time in the room before that; there
the relay's word of its own newest counter has to do (`check_joined`).

Not noticed, because nothing shows it, is a copy whose earlier life left nothing in the log, or of which a relay shows
nothing: it would have to show a record that forks (attack 2), or, of a time in the room before the newest, to say a
lower counter than it took.
"""

from __future__ import annotations

from typing import Final, NoReturn

from amanah_client.core import commits
from amanah_client.core.batch import Batch
from amanah_client.core.context import Context
from amanah_client.core.room import Asked, Room
from amanah_client.model import Rekey, RoomStatus
from amanah_protocol.envelope import Envelope
from amanah_protocol.errors import AmanahError, Code, VerifyError
from amanah_protocol.group.seam import Group
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Refuse
from amanah_protocol.types import DeviceId, EnvelopeId

ASK_AGAIN_MS: Final = 600_000
"""When the others are asked once more, if none has begun an epoch."""
ANSWER_AGAIN_MS: Final = 60_000
"""One device is answered so often at most: each answer costs everybody a commit."""
_COPIED: Final = (
    "envelopes of this device that this profile never signed: was it copied or restored? "
    "If not, revoke this device. It renews its keys here before it sends"
)


def is_foreign(room: Room, envelope: Envelope) -> bool:
    """Whether an own envelope, whose signature holds, was signed by another life of this profile."""
    counter, flight = envelope.header.counter, room.row.in_flight
    if flight is None or counter < flight.first_counter:
        return counter > room.row.counter
    # What is in flight is known by its bytes: another life may have given its counter to something else.
    return all(envelope.encoded != encoded for encoded, _ in flight.items)


def check_joined(ctx: Context, room: Room) -> None:
    """This device was added: whether another life of its profile has been in the room before.

    That is not shown to it, as its record begins with its own adding; and the earlier life may have opened the same
    welcome. So the relay says which envelope of this device is the newest. A lie costs a commit, or what it would have
    cost to hide the record.
    """
    state = ctx.session.states.get(room.id)
    if state is not None and state.counter > room.row.counter:
        room.change(rekey=Rekey.EPOCH)
        ctx.alarm(Code.FORK, _COPIED, room=room.id)


def notice(ctx: Context, room: Room, envelope: Envelope) -> VerifyError:
    """This profile is a copy: from here on nothing is sealed with what it holds, and counters go on behind the log's.

    Returns:
        What to raise for the entry, whose content this profile does not have.
    """
    counter = max(room.row.counter, envelope.header.counter)
    room.change(counter=counter, last_id=envelope.id, voids=(), rekey=Rekey.EPOCH)
    room.link.asked = None  # the other life may have known all before this entry
    ctx.alarm(Code.FORK, _COPIED, room=room.id, evidence=(envelope.encoded,))
    return VerifyError(Code.FORK, _COPIED)


def stop(ctx: Context, room: Room, envelope: Envelope) -> NoReturn:
    """Another life of this profile changed the room: its commit cannot be followed.

    Raises:
        VerifyError: `BEHIND`, always.
    """
    if room.row.status is RoomStatus.OPEN and _colleagues(ctx, room):
        room.change(status=RoomStatus.BEHIND)
        detail = "an earlier life of this profile changed the room: it waits to be removed and added again"
    else:
        ctx.halt(room)
        detail = (
            "an earlier life of this profile changed the room, and no other officer of its organisation is in: "
            "ask an officer of the owner's to remove this device and to invite it"
        )
    ctx.alarm(Code.BEHIND, detail, room=room.id, evidence=(envelope.encoded,))
    raise VerifyError(Code.BEHIND, detail)


def note_logged(room: Room, envelope: Envelope) -> None:
    """An own `refuse` has its place: what is in the log behind the request of this connection is new."""
    asked = room.link.asked
    if asked is not None and asked.envelope == envelope.id:
        asked.logged = True


def follow_commit(room: Room) -> None:
    """Another's commit was processed: behind our request it begins an epoch that no earlier life can have known."""
    asked = room.link.asked
    if room.row.rekey is Rekey.EPOCH and asked is not None and asked.logged:
        room.change(rekey=Rekey.KEYS)


def ask(ctx: Context, room: Room) -> None:
    """Ask the others to begin an epoch; where nobody is left who could, say so and halt."""
    group = room.group
    if group is None:
        return
    if _is_asked(ctx, room, group):
        return
    if not _able(ctx, room, but=ctx.me):
        ctx.halt(room)
        ctx.alarm(Code.FORK, "nobody else is in the room to begin an epoch: open another room", room=room.id)
        return
    state = ctx.session.states.get(room.id)
    if state is not None and state.counter > room.row.counter:
        # What is shown is read by now; what is not shown came before it.
        room.change(counter=state.counter, last_id=EnvelopeId(state.last), voids=())
    batch = Batch(ctx, room)
    try:
        batch.add_bare(Refuse(commit=room.row.last_id, code=Code.FORK))
    except AmanahError as error:
        room.retry_at_ms = ctx.timer_ms + ASK_AGAIN_MS
        ctx.alarm(str(error.code), f"the others cannot be asked to begin an epoch: {error.detail}", room=room.id)
        return
    batch.launch()
    room.link.asked = Asked(epoch=group.epoch, at_ms=ctx.timer_ms, envelope=next(reversed(room.sent)))


def _is_asked(ctx: Context, room: Room, group: Group) -> bool:
    """Whether an answer is still to be waited for; a request that was refused, or overtaken by a commit, gets none."""
    asked = room.link.asked
    if asked is None or asked.epoch != group.epoch or ctx.timer_ms - asked.at_ms >= ASK_AGAIN_MS:
        return False
    return asked.logged or asked.envelope in room.sent


def is_request(refuse: Refuse) -> bool:
    """Whether a `refuse` is of no commit, but of all keys that its sender holds."""
    return refuse.code == Code.FORK


def take_request(ctx: Context, room: Room, envelope: Envelope) -> None:
    """Another member cannot seal in this epoch: by rank, one of us ends it."""
    group, kid = room.group, envelope.header.kid
    if group is None or envelope.header.epoch != group.epoch:
        return
    last = room.answered.get(kid)
    able = _able(ctx, room, but=kid)
    if ctx.me not in able or (last is not None and ctx.timer_ms - last < ANSWER_AGAIN_MS):
        return
    room.answered[kid] = ctx.timer_ms
    room.wanted = group.epoch, ctx.timer_ms + able.index(ctx.me) * commits.RANK_MS


def is_wanted(ctx: Context, room: Room) -> bool:
    """Whether it is this device's turn to end the present epoch for another's sake."""
    wanted, group = room.wanted, room.group
    return wanted is not None and group is not None and wanted[0] == group.epoch and ctx.timer_ms >= wanted[1]


def _able(ctx: Context, room: Room, *, but: DeviceId) -> list[DeviceId]:
    """Members that may commit, but for one: officers first, in order of their leaves."""
    members = () if room.group is None else room.group.members
    standings = ctx.directory.standings(members)
    able = [device for device, standing in standings.items() if device != but and standing.usable(ctx.now_ms)]
    return sorted(able, key=lambda device: standings[device].certificate.role is not Role.OFFICER)


def _colleagues(ctx: Context, room: Room) -> bool:
    able = ctx.directory.standings(_able(ctx, room, but=ctx.me))
    own = ctx.certificate.organisation
    return any(one.certificate.organisation == own and one.certificate.role is Role.OFFICER for one in able.values())
