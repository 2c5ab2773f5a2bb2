"""Login and catching up: a table of what may come when, and what it leads to.

The relay proves itself before we sign anything; a frame for which the table has no place closes the
connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from amanah_client import effects as e
from amanah_client.core import anchor, audit_sync, control, heads, monitor, pledge, quorum
from amanah_client.core.context import Context, Session
from amanah_client.core.room import Link
from amanah_client.core.subscribe import is_unknown, open_room
from amanah_client.inputs import Opened
from amanah_protocol import frames, session
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.heads import verify_control_head
from amanah_protocol.identity import MEMBER_ROLES
from amanah_protocol.limits import LOGIN_MS
from amanah_protocol.types import KeyId, RoomId


class Phase(StrEnum):
    """How far a connection is."""

    CLOSED = "closed"
    GREETED = "greeted"
    PROVED = "proved"
    MEASURING = "measuring"
    CONTROL = "control"
    ROOMS = "rooms"
    ONLINE = "online"


class Event(StrEnum):
    """What takes a connection further."""

    OPENED = "opened"
    CHALLENGE = "challenge"
    READY_GROWN = "ready with a longer log"
    READY = "ready"
    CONSISTENT = "log proven"
    CONTROL_LIVE = "control stream live"
    ROOMS_LIVE = "all rooms live"
    LOST = "lost"


LOGIN: Final[Mapping[tuple[Phase, Event], Phase]] = {
    (Phase.CLOSED, Event.OPENED): Phase.GREETED,  # we have said who we are
    (Phase.GREETED, Event.CHALLENGE): Phase.PROVED,  # the relay's proof held, then we have signed
    (Phase.PROVED, Event.READY_GROWN): Phase.MEASURING,  # the longer log has to continue ours first
    (Phase.PROVED, Event.READY): Phase.CONTROL,
    (Phase.MEASURING, Event.CONSISTENT): Phase.CONTROL,
    (Phase.CONTROL, Event.CONTROL_LIVE): Phase.ROOMS,
    (Phase.ROOMS, Event.ROOMS_LIVE): Phase.ONLINE,
    **{(phase, Event.LOST): Phase.CLOSED for phase in Phase},
}
"""The states of a connection (`protocol.md` section 3)."""

TAKEN: Final[Mapping[type[frames.Frame], frozenset[Phase]]] = {
    frames.Challenge: frozenset({Phase.GREETED}),
    frames.Ready: frozenset({Phase.PROVED}),
    frames.Closing: frozenset(Phase) - {Phase.CLOSED},
    frames.Refused: frozenset(Phase) - {Phase.CLOSED},
    frames.Path: frozenset({Phase.MEASURING, Phase.CONTROL, Phase.ROOMS, Phase.ONLINE}),
    frames.RoomState: frozenset({Phase.MEASURING, Phase.CONTROL, Phase.ROOMS, Phase.ONLINE}),
    frames.Flash: frozenset({Phase.MEASURING, Phase.CONTROL, Phase.ROOMS, Phase.ONLINE}),
    frames.Stock: frozenset({Phase.MEASURING, Phase.CONTROL, Phase.ROOMS, Phase.ONLINE}),
    frames.Head: frozenset({Phase.MEASURING, Phase.CONTROL, Phase.ROOMS, Phase.ONLINE}),
}
"""When a frame may come; those that are not named, from `CONTROL` on."""

_OTHER_RELAY: Final = (
    "Nothing was told to it; ask its operator what listens there, or install the roster that names the new relay."
)
_LATER: Final = frozenset({Phase.CONTROL, Phase.ROOMS, Phase.ONLINE})


def advance(ctx: Context, event: Event) -> None:
    """Take a step of the table.

    Raises:
        VerifyError: `FRAME` when the table has none.
    """
    following = LOGIN.get((Phase(ctx.session.phase), event))
    if following is None:
        raise VerifyError(Code.FRAME, f"{event} does not follow {ctx.session.phase}")
    ctx.session.phase = following


def check_frame(ctx: Context, frame: frames.Frame) -> None:
    """A frame of this type may come now.

    Raises:
        VerifyError: `FRAME`.
    """
    if Phase(ctx.session.phase) not in TAKEN.get(type(frame), _LATER):
        raise VerifyError(Code.FRAME, f"{type(frame).__name__} does not come while {ctx.session.phase}")


def lose(ctx: Context) -> None:
    """Forget everything about the connection; what was in flight will be sent again."""
    monitor.lose(ctx)
    quorum.lose(ctx)
    anchor.lose(ctx)
    pledge.lose(ctx)
    audit_sync.lose(ctx)
    ctx.session = Session(phase=Phase.CLOSED)
    ctx.control.page, ctx.control.live, ctx.control.again_at_ms = None, False, None
    ctx.witnesses.asked_at_ms = -1
    for room in tuple(ctx.rooms.values()):
        if is_unknown(room):
            del ctx.rooms[room.id]
        room.link = Link()
        room.packages.clear()


def open_session(ctx: Context, opened: Opened) -> None:
    """A connection is there: say who we are, and nothing that anybody could use."""
    lose(ctx)
    if ctx.halted:
        ctx.disconnect(f"{ctx.halted}: nothing is sent any more", again=False)
        return
    current = ctx.session
    current.dialled, current.tls_hash, current.opened_at_ms = opened.dialled, opened.tls_hash, ctx.timer_ms
    current.client_nonce = ctx.random(32)
    advance(ctx, Event.OPENED)
    ctx.send(
        frames.Hello(
            versions=session.VERSIONS,
            client_nonce=current.client_nonce,
            device=ctx.me,
            certificate_hash=ctx.certificate.hash,
            dialled=opened.dialled,
        )
    )


def receive_challenge(ctx: Context, frame: frames.Challenge) -> None:
    """The relay is one of the roster, behind the certificate that it says, and has signed first.

    Raises:
        VerifyError: `LOGIN` or `UNKNOWN_VERSION`.
    """
    current = ctx.session
    try:
        relay = ctx.roster.value.relay(frame.relay)
    except VerifyError as error:
        detail = f"another relay answers at {current.dialled}: it is not in the roster"
        raise VerifyError(Code.LOGIN, detail, hint=_OTHER_RELAY) from error
    if relay.origin != frame.origin:
        raise VerifyError(Code.LOGIN, "the relay names another log than the roster")
    if frame.chosen not in session.VERSIONS:
        raise VerifyError(Code.UNKNOWN_VERSION, "the relay chose a version that was not offered")
    if relay.tls_hashes and current.tls_hash not in relay.tls_hashes:
        raise VerifyError(Code.LOGIN, "the TLS certificate is not one of the roster")
    transcript = session.Transcript(
        offered=session.VERSIONS,
        chosen=frame.chosen,
        relay=KeyId(frame.relay),
        origin=frame.origin,
        dialled=current.dialled,
        tls_hash=current.tls_hash,
        client_nonce=current.client_nonce,
        relay_nonce=frame.relay_nonce,
        device=ctx.me,
        certificate_hash=ctx.certificate.hash,
        control_sequence=frame.control_sequence,
        time_ms=frame.time_ms,
    )
    session.verify_relay_proof(transcript, frame.signature, relay.key)
    advance(ctx, Event.CHALLENGE)
    current.relay = relay
    current.skew_ms = ctx.now_ms - frame.time_ms
    current.ahead_ms = frame.time_ms - ctx.timer_ms
    ctx.send(
        frames.Proof(
            signature=session.sign_as_client(transcript, ctx.key),
            certificate=ctx.certificate.encoded,
            enrolment=ctx.enrolment.endorsed.encode(),
        )
    )


def receive_ready(ctx: Context, frame: frames.Ready) -> None:
    """Logged in; the log shown has to continue the one we know before anything of it is taken.

    Raises:
        DecodeError: A part does not parse.
        VerifyError: `CHECKPOINT`, `KEY_ID` or `SIGNATURE`.
    """
    current = ctx.session
    verify_control_head(frame.control_head, ctx.relay.key)
    current.states = {RoomId(state.room): state for state in frame.rooms}
    current.stock = dict(frame.stock)
    current.head_at_ms = ctx.timer_ms
    current.control_head = frame.control_head
    if not monitor.consider(ctx, frame.checkpoint):
        advance(ctx, Event.READY_GROWN)
    elif not ctx.halted:
        advance(ctx, Event.READY)
        begin_control(ctx)


def log_proven(ctx: Context) -> None:
    """The checkpoint of the login continues ours."""
    if ctx.session.phase == Phase.MEASURING and not ctx.halted:
        advance(ctx, Event.CONSISTENT)
        begin_control(ctx)


def begin_control(ctx: Context) -> None:
    """Read the control stream first: rooms are judged by it."""
    heads.receive_head(ctx, ctx.session.control_head)
    if not ctx.halted:
        control.subscribe(ctx)


def control_live(ctx: Context) -> None:
    """The control stream is read to its head: now the rooms, all at once."""
    if ctx.session.phase != Phase.CONTROL or ctx.halted:
        return
    advance(ctx, Event.CONTROL_LIVE)
    current = ctx.session
    if ctx.certificate.role in MEMBER_ROLES:
        # Rooms with a `flash` first: the relay reads a few at a time, in the order of asking.
        for state in sorted(current.states.values(), key=lambda state: state.room not in current.flashes):
            room = open_room(ctx, state)
            if room is not None:
                current.catching_up.add(room.id)
    check_caught_up(ctx)


def check_caught_up(ctx: Context) -> None:
    """Tell the faces once every room is read to its head."""
    current = ctx.session
    if current.phase == Phase.ROOMS and not current.catching_up and not ctx.halted:
        advance(ctx, Event.ROOMS_LIVE)
        current.online, current.online_at_ms = True, ctx.timer_ms
        ctx.effect(e.Online())


def tick(ctx: Context) -> None:
    """A login that takes more than ten seconds is given up."""
    current = ctx.session
    slow = current.phase in (Phase.GREETED, Phase.PROVED) and ctx.timer_ms - current.opened_at_ms >= LOGIN_MS
    if slow:
        ctx.disconnect(f"{Code.TIMEOUT}: the relay did not finish the login")


def closing(ctx: Context, code: str, detail: str) -> None:
    """The relay closes the connection, or refused it; whether to come back depends on why."""
    # Until the relay has proven itself it may be anybody on the way, who must not send us away for good.
    final = code in _STAY_AWAY and ctx.session.relay is not None
    if final:
        ctx.halted = code if code == Code.REVOKED else ctx.halted
    ctx.disconnect(f"{code}: {detail}", again=not final)


_STAY_AWAY: Final = frozenset({
    Code.REPLACED, Code.REVOKED, Code.EXPIRED, Code.CERTIFICATE, Code.FOREIGN_DEVICE, Code.LOGIN,
    Code.UNKNOWN_VERSION, Code.ROLE, Code.THRESHOLD,
})  # fmt: skip
"""What another attempt cannot mend."""
