"""The quorum of witnesses that the roster asks for: what they have cosigned of our log, and whether they keep up.

A cosigned checkpoint counts once it is proven to lie on our line. That witnesses are late or missing is told once
and stops nothing: else whoever silences them could silence an incident.
"""

from __future__ import annotations

from typing import Final

from msgspec import structs

from amanah_client import effects as e
from amanah_client.core.conflicts import claim_of
from amanah_client.core.context import Context
from amanah_client.core.requests import Claim, Debt, WitnessedWanted
from amanah_client.log_rows import Quorum, WitnessedRow
from amanah_protocol.errors import Code, PeerError, VerifyError
from amanah_protocol.frames import Checkpoint as CheckpointFrame
from amanah_protocol.frames import GetCheckpoint
from amanah_protocol.limits import CLOCK_REMARK_MS
from amanah_protocol.log.conflict import Way
from amanah_protocol.log.cose_receipt import split_root_line
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.policy import Witnessed, policy_of_roster
from amanah_protocol.log.statement import Form
from amanah_protocol.roster import Roster
from amanah_protocol.types import ZERO_32

ASK_MS: Final = 60_000
FIRST_MS: Final = 15_000
"""A device asks first within this time of its login, each at a moment of its own."""
LATE_MS: Final = 300_000
"""So long witnesses may take: for the first word after a login, and for what the log has grown by."""
AHEAD_MS: Final = CLOCK_REMARK_MS
"""A cosignature's time may lie so far in our future; what lies further counts for nothing (attacks 40, 42)."""
_MARK_MS: Final = 10_000
_MAX_MARKS: Final = 64


def work(ctx: Context) -> None:
    """Ask when it is time, and say when witnesses are missed."""
    witnesses, now_ms = ctx.witnesses, ctx.timer_ms
    if not ctx.roster.value.quorum or ctx.log is None:
        return
    # Whose last login brought no answer asks at once: the relay may hang up before its turn.
    spread_ms = int.from_bytes(ctx.me[:2], "big") % FIRST_MS if witnesses.known.hang_ups < 2 else 0
    since_ms = ctx.session.online_at_ms + spread_ms
    due_ms = since_ms if witnesses.asked_at_ms == -1 else witnesses.asked_at_ms + ASK_MS
    if now_ms >= due_ms and not ctx.is_asking(lambda purpose: isinstance(purpose, WitnessedWanted)):
        witnesses.asked_at_ms = now_ms
        ctx.ask(WitnessedWanted(at_ms=now_ms), lambda number: GetCheckpoint(request=number, witnessed=True))
    _judge(ctx)


def want(ctx: Context) -> None:
    """Ask anew, as soon as can be, for what the quorum has cosigned."""
    ctx.witnesses.asked_at_ms = -ASK_MS
    work(ctx)


def is_awaited(ctx: Context) -> bool:
    """Whether the answer is on its way, or not proven to lie on our line yet."""
    asking = ctx.is_asking(lambda purpose: isinstance(purpose, WitnessedWanted))
    return asking or ctx.witnesses.offered is not None


def cosigned(ctx: Context) -> WitnessedRow | None:
    """The newest checkpoint with the quorum that the roster of now asks for, if it asks for one and there is one."""
    roster, row = ctx.roster.value, ctx.witnesses.row
    if not roster.quorum or row is None or not row.size:
        return None
    try:
        policy_of_roster(roster).verify_note(row.note)
    except PeerError:
        return None  # the quorum of an earlier roster
    return row


def load(ctx: Context, row: WitnessedRow | None) -> None:
    """Go on with what was stored; the time for what is not cosigned of it begins anew."""
    ctx.witnesses.row = row
    if row is not None and ctx.log is not None and ctx.log.size > row.size:
        note_growth(ctx, ctx.log.size)


def receive(ctx: Context, asked: WitnessedWanted, frame: CheckpointFrame) -> Claim:
    """The newest checkpoint that the quorum has cosigned, says the relay.

    Returns:
        What is to be held against our line: it is `proven` when it lies on it.

    Raises:
        DecodeError: It is none.
        VerifyError: `CHECKPOINT`, `SIGNATURE` or `THRESHOLD`.
    """
    note, root_signature = split_root_line(frame.note, ctx.relay.key)
    found = _verify(ctx, note)
    checkpoint = found.checkpoint
    if checkpoint.origin != ctx.relay.origin:
        raise VerifyError(Code.CHECKPOINT, f"this is not a checkpoint of {ctx.relay.origin}")
    roster = ctx.roster.value
    ctx.witnesses.offered_at_ms = asked.at_ms
    ctx.witnesses.offered = WitnessedRow(
        size=checkpoint.size,
        root=checkpoint.root,
        note=note,
        root_signature=root_signature,
        cosignatures=_named(roster, found),
        witnesses=len(roster.witnesses),
        state=Quorum.SEEN,
        since_ms=ctx.now_ms,
    )
    return claim_of(ctx, checkpoint.size, checkpoint.root, Form.CHECKPOINT, note, Way.WITNESSED)


def refused(ctx: Context, asked: WitnessedWanted) -> None:
    """There is none, says the relay."""
    _know(ctx, asked.at_ms)


def _know(ctx: Context, asked_at_ms: int) -> None:
    ctx.witnesses.known = Debt(at_ms=asked_at_ms)


def lose(ctx: Context) -> None:
    """The connection has ended, perhaps before what the witnesses cosigned could be asked for."""
    witnesses = ctx.witnesses
    if ctx.session.online:
        witnesses.known, witnesses.unseen = witnesses.known.hung_up(), witnesses.unseen.hung_up()
        witnesses.grown = {size: debt.hung_up() for size, debt in witnesses.grown.items()}


def _verify(ctx: Context, data: bytes) -> Witnessed:
    """The policy of the roster, without the cosignatures that lie in the future."""
    roster = ctx.roster.value
    policy = policy_of_roster(roster)
    found = policy.verify_note(data)
    latest_s = (ctx.now_ms + AHEAD_MS) // 1_000
    ahead = {policy.witnesses[name].key for name, time_s in found.cosignatures if time_s > latest_s}
    if not ahead:
        return found
    # One witness with a wrong clock must not cost the quorum of the others.
    note, named = decode_note(data), {(key.name, key.key_id) for key in ahead}
    rest = tuple(line for line in note.signatures if (line.name, line.key_id) not in named)
    try:
        return policy.verify_note(Note(text=note.text, signatures=rest).encode())
    except PeerError as error:
        detail = f"{len(ahead)} witnesses cosigned at a time that is still to come; this clock or theirs is wrong"
        raise VerifyError(Code.THRESHOLD, detail) from error


def _named(roster: Roster, found: Witnessed) -> tuple[tuple[str, int], ...]:
    """The cosignatures under the names that the roster gives to its witnesses."""
    policy = policy_of_roster(roster)
    names = {key: witness.name for witness in roster.witnesses for key in witness.keys}
    times: dict[str, int] = {}
    for name, time_s in found.cosignatures:
        named = names[policy.witnesses[name].key]
        # Whoever cosigned with two keys is one witness.
        times[named] = max(time_s, times.get(named, 0))
    return tuple(times.items())


def proven(ctx: Context, size: int, root: bytes) -> None:
    """A head of the log is on our line: if it is the one that the witnesses have cosigned, we say so from now on."""
    offered, row = ctx.witnesses.offered, ctx.witnesses.row
    if offered is None or (offered.size, offered.root) != (size, root):
        return
    ctx.witnesses.offered = None
    _know(ctx, ctx.witnesses.offered_at_ms)
    if row is not None and row.size > size:
        return
    ctx.witnesses.grown = {known: debt for known, debt in ctx.witnesses.grown.items() if known > size}
    if row is not None:
        # What was missed stays so until `_judge` finds that they are back.
        offered = structs.replace(offered, state=row.state, since_ms=row.since_ms)
    if offered != row:
        _put(ctx, offered)


def note_growth(ctx: Context, size: int) -> None:
    """The log was seen at a larger size: from now on the witnesses' time for it runs."""
    grown = ctx.witnesses.grown
    if not grown or ctx.timer_ms - max(debt.at_ms for debt in grown.values()) >= _MARK_MS:
        grown[size] = ctx.owe()
    if len(grown) > _MAX_MARKS:
        # The oldest says since when they are late.
        del grown[sorted(grown)[1]]


def _judge(ctx: Context) -> None:
    """Whether the witnesses are missed; each change is told once."""
    witnesses, row = ctx.witnesses, ctx.witnesses.row
    online_ms = ctx.heard_ms - ctx.session.online_at_ms
    seen = row is not None and row.size > 0
    # Witnesses are judged by what was asked for after their time: a core whose store is slow asks late. A relay that
    # lets no login come to an answer has none.
    known_ms = ctx.heard_ms if witnesses.known.is_worn else witnesses.known.at_ms
    oldest = min(witnesses.grown.values(), default=ctx.owe(), key=lambda debt: debt.at_ms)
    is_late = seen and ctx.is_overdue(oldest, LATE_MS) and known_ms - oldest.at_ms >= LATE_MS
    first_ms = 0 if witnesses.unseen.is_worn else LATE_MS - ASK_MS
    asked = known_ms - ctx.session.online_at_ms >= first_ms
    is_missing = not seen and ctx.is_overdue(witnesses.unseen, LATE_MS) and asked
    state = Quorum.MISSING if is_missing else Quorum.LATE if is_late else Quorum.SEEN
    before = Quorum.SEEN if row is None else row.state
    # Each login begins with a time of grace, which takes back nothing that was said.
    if state is before or (state is Quorum.SEEN and (not seen or (witnesses.grown and online_ms < LATE_MS))):
        return
    known = row or _none_yet(ctx)
    _put(ctx, structs.replace(known, state=state, since_ms=ctx.now_ms))
    ctx.alarm(Code.WITNESSES, _words(ctx, state, known))


def _none_yet(ctx: Context) -> WitnessedRow:
    count = len(ctx.roster.value.witnesses)
    return WitnessedRow(
        size=0, root=ZERO_32, note=b"", cosignatures=(), witnesses=count, state=Quorum.SEEN, since_ms=ctx.now_ms
    )


def _words(ctx: Context, state: Quorum, row: WitnessedRow) -> str:
    size = 0 if ctx.log is None else ctx.log.size
    match state:
        case Quorum.MISSING:
            return "no checkpoint of the log has the cosignatures of the roster's quorum of witnesses"
        case Quorum.LATE:
            return f"the witnesses are late: of {size} leaves they have cosigned {row.size}"
        case _:
            return f"taken back: the witnesses are back, and have cosigned {row.size} leaves"


def _put(ctx: Context, row: WitnessedRow) -> None:
    ctx.witnesses.row = row
    ctx.write(e.PutWitnessed(row=row))
