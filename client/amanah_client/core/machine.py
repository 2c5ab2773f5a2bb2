"""The client core: one machine between two closed unions, `Input` and `Step`.

It does no IO, knows no clock and draws no randomness but from what it is given. One caller gives it
one input at a time, makes the writes durable, then performs the effects; if the writes fail, the
object is thrown away. So it never counts on an effect having happened.
"""

from __future__ import annotations

from typing import Final, assert_never

from amanah_client import effects as e
from amanah_client import inputs
from amanah_client.actions import Disclose, Forward
from amanah_client.core import (
    anchor,
    answers,
    audit_sync,
    control,
    custody,
    disclose,
    downloads,
    duty,
    expiry,
    granting,
    heads,
    invite,
    joining,
    login,
    matter,
    monitor,
    outbox,
    packages,
    paging,
    pledge,
    quorum,
    record,
    repair,
    resend,
    successor,
    transfer,
    uploads,
)
from amanah_client.core import requests as r
from amanah_client.core.context import Context, Session, own_chain, room_of
from amanah_client.core.hold import hold_behind, release
from amanah_client.core.room import Room, load_room
from amanah_client.core.subscribe import resubscribe
from amanah_client.effects import Step
from amanah_client.model import Intent, IntentState, MessageRow, RoomRow, RoomStatus, Snapshot
from amanah_protocol import frames
from amanah_protocol.content.bodies import Profile
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import AmanahError, Code, PeerError, VerifyError
from amanah_protocol.group.engines import Engines
from amanah_protocol.group.seam import Group, Random
from amanah_protocol.heads import verify_control_head
from amanah_protocol.identity import decode_profile
from amanah_protocol.roster import decode_roster, verify_roster
from amanah_protocol.types import CONTROL, RoomId

ANSWER_MS: Final = 60_000
"""A request that is not answered for so long ends the connection: what was asked is asked anew."""
MAX_EVIDENCE: Final = 64 * 1024
"""Frames up to this length are kept with the alarm that they caused."""


class ClientCore:
    """Everything a client decides."""

    def __init__(self, snapshot: Snapshot, *, key: SigningKey, random: Random, engines: Engines) -> None:
        """Take up what is stored.

        Args:
            snapshot: As the store gives it.
            key: The device's key.
            random: Gives that many bytes from a cryptographic source.
            engines: Of the room suites.

        Raises:
            PeerError: The store is damaged, or its roster does not verify.
        """
        certificate, enrolment = own_chain(snapshot)
        roster = decode_roster(snapshot.roster)
        ctx = Context(
            key=key,
            random=random,
            engines=engines,
            certificate=certificate,
            enrolment=enrolment,
            profile=snapshot.profile,
            # Whether it has expired is asked whenever something is sealed, not here.
            roster=verify_roster(roster, None, now_ms=roster.issued_ms),
            log=snapshot.log,
            audit_size=snapshot.audit_size,
            audit_settled=snapshot.audit_settled,
            audit_stamps=snapshot.audit_stamps,
            session=Session(phase=login.Phase.CLOSED),
        )
        self._ctx = ctx
        _load(ctx, snapshot)

    def handle(self, event: inputs.Input, now_ms: int) -> Step:
        """Take one input.

        Args:
            event: The input.
            now_ms: Unix time in milliseconds.

        Returns:
            Writes, to be made durable as one transaction, and effects, to be performed after it.
        """
        ctx = self._ctx
        ctx.pass_time(now_ms)
        repair.report_lost(ctx)
        self._dispatch(event)
        outbox.advance(ctx)
        return ctx.finish()

    def group_of(self, row: RoomRow) -> Group | None:
        """The group of a room, where the row is of the state that it is in; it moves on with the next input."""
        room = self._ctx.rooms.get(row.room)
        return room.group if room is not None and room.row.group == row.group else None

    def _dispatch(self, event: inputs.Input) -> None:  # noqa: C901 - one case for each input
        ctx = self._ctx
        match event:
            case inputs.Received(data=data):
                self._receive(data)
            case inputs.Tick(made_ms=made_ms):
                ctx.hear_until(made_ms)
                _tick(ctx)
            case inputs.Asked(intent=intent):
                _ask(ctx, intent)
            case inputs.Opened():
                login.open_session(ctx, event)
            case inputs.Lost():
                login.lose(ctx)
            case inputs.Withdrawn(intent=intent_id):
                _withdraw(ctx, intent_id)
            case inputs.MessageRead(room=room, envelope=envelope, row=row, labelling=found):
                matter.receive(ctx, room, envelope, row, found)
                downloads.receive_message(ctx, room, envelope, row)
                resend.receive_message(ctx, room, envelope, row)
            case inputs.SealedRead():
                uploads.receive_sealed(ctx, event)
            case inputs.FetchedFound():
                downloads.receive_found(ctx, event)
            case inputs.PieceKept():
                downloads.receive_kept(ctx, event)
            case _:
                assert_never(event)

    def _receive(self, data: bytes) -> None:
        ctx = self._ctx
        if ctx.session.closing:
            return  # what was on its way when we gave the connection up
        try:
            frame = frames.decode_relay_frame(data)
            ctx.session.received_ms = ctx.timer_ms
            login.check_frame(ctx, frame)
            self._take(frame)
        except PeerError as error:
            # The connection is not worth more than the frame; what it was about is asked for anew.
            ctx.alarm_for(error, evidence=(data,) if len(data) <= MAX_EVIDENCE else ())
            ctx.disconnect(f"{error.code}: {error.detail}", hint=error.hint)

    def _take(self, frame: frames.RelayFrame) -> None:  # noqa: C901, PLR0912 - one case for each frame
        ctx = self._ctx
        match frame:
            case frames.Delivery():
                record.receive_delivery(ctx, frame)
            case frames.Stored():
                answers.receive_stored(ctx, frame)
            case frames.Head(head=head):
                heads.receive_head(ctx, head)
            case frames.ControlEntry():
                control.receive_entry(ctx, frame)
            case frames.Challenge():
                login.receive_challenge(ctx, frame)
            case frames.Ready():
                login.receive_ready(ctx, frame)
            case frames.RoomState():
                paging.receive_room_state(ctx, frame)
            case frames.CustodyGrown():
                custody.hinted(ctx, frame)
            case frames.Flash():
                paging.receive_flash(ctx, frame)
            case frames.Lagging(room=room):
                _lag(ctx, RoomId(room))
            case frames.Stock(suite=suite, left=left):
                if suite in ctx.certificate.suites:
                    ctx.session.stock[suite] = left
            case frames.Closing(code=code, detail=detail):
                login.closing(ctx, code, detail)
            case frames.Refused(request=0, code=code, detail=detail):
                login.closing(ctx, code, detail)
            case (
                frames.Refused() | frames.Done() | frames.PageEnd() | frames.ContentPiece() | frames.KeyPackages()
                | frames.Path() | frames.Checkpoint() | frames.Checkpoints() | frames.Stamps() | frames.LogEntries()
                | frames.Membership() | frames.Custody() | frames.AttachmentState() | frames.AttachmentPiece()
            ):  # fmt: skip
                self._answer(frame)
            case _:
                assert_never(frame)

    def _answer(
        self,
        frame: frames.Refused | frames.Done | frames.PageEnd | frames.ContentPiece | frames.KeyPackages
        | frames.Path | frames.Checkpoint | frames.Checkpoints | frames.Stamps | frames.LogEntries
        | frames.Membership | frames.Custody | frames.AttachmentState | frames.AttachmentPiece,
    ) -> None:  # fmt: skip
        """An answer to a request of ours: it has to be one that fits."""
        ctx = self._ctx
        asked = ctx.session.requests.pop(frame.request, None)
        if asked is None:
            raise VerifyError(Code.FRAME, "an answer to nothing that was asked")
        if isinstance(frame, frames.Refused):
            _refused(ctx, asked.purpose, frame)
        elif isinstance(asked.purpose, r.Audit):
            _audit(ctx, asked.purpose, frame)
        else:
            _answered(ctx, asked.purpose, frame)


def _load(ctx: Context, snapshot: Snapshot) -> None:
    control.load(ctx, snapshot.control)
    if snapshot.first_roster:
        first = decode_roster(snapshot.first_roster)
        ctx.directory.rosters.first = verify_roster(first, None, now_ms=first.issued_ms)
    ctx.load_alarms(snapshot.alarms)
    ctx.packages = dict(snapshot.key_packages)
    for encoded in snapshot.profiles:
        profile = decode_profile(encoded)
        ctx.profiles[profile.organisation, profile.subject] = encoded
    if snapshot.log is not None:
        ctx.watch.proven[snapshot.log.size] = snapshot.log.root
    quorum.load(ctx, snapshot.witnessed)
    ctx.watch.conflicts = dict(snapshot.conflicts)
    _load_rooms(ctx, snapshot)
    custody.load(ctx, snapshot.custody)
    for intent in snapshot.intents:
        _take_up(ctx, intent)
    if snapshot.control_head:
        _load_head(ctx, snapshot.control_head)
    standing = ctx.directory.standing(ctx.me)
    if standing is not None and standing.revoked:
        ctx.halted = str(Code.REVOKED)


def _load_rooms(ctx: Context, snapshot: Snapshot) -> None:
    sent: dict[RoomId, list[MessageRow]] = {}
    for message in snapshot.sent:
        sent.setdefault(message.room, []).append(message)
    for row in snapshot.rooms:
        room = load_room(row, sent.get(row.room, []), ctx.key, ctx.engines)
        ctx.rooms[room.id] = room
        if room.row.status is RoomStatus.LOST and row.status is not RoomStatus.LOST:
            ctx.lost.append(room.id)
        if row.status is RoomStatus.OPEN and row.added_seq > 1 and row.counter == 0:
            room.bodies.append(Profile(encoded=ctx.profile))  # joined, and never said who we are
    for message in snapshot.missing:
        if message.room in ctx.rooms:
            repair.note_missing(ctx.rooms[message.room], message)


def _load_head(ctx: Context, encoded: bytes) -> None:
    for relay in ctx.roster.value.relays:
        try:
            ctx.control.head = verify_control_head(encoded, relay.key).value
        except PeerError:  # of another relay, or of a key that the roster no longer names
            continue
        ctx.control.fresh_at_ms = ctx.control.head.time_ms


def _place(ctx: Context, intent: Intent) -> None:
    """Put an intent into the line of its room, behind what stands there."""
    ctx.outbox[intent.id] = intent
    room_id = room_of(intent.action)
    room = None if room_id is None else ctx.rooms.get(room_id)
    logged = intent.state is IntentState.SENT and intent.envelope is not None
    flying = logged and isinstance(intent.action, Disclose | Forward)
    place = ctx.apart if room is None or flying else room.line
    place[intent.id] = intent


def _take_up(ctx: Context, intent: Intent) -> None:
    """One that is new to this core: asked for now, or before it was made and perhaps behind what another one read."""
    _place(ctx, intent)
    room_id = room_of(intent.action)
    if room_id in ctx.rooms and intent.state is IntentState.QUEUED:
        hold_behind(ctx, ctx.rooms[room_id], intent)


def _ask(ctx: Context, intent: Intent) -> None:
    """A new intent, or a held one that was released; one that is known is not asked for twice."""
    known = ctx.outbox.get(intent.id)
    if known is None:
        _take_up(ctx, intent)
    elif known.state is IntentState.HELD:
        release(ctx, known)
        ctx.write(e.DropWish(intent=intent.id))


def _withdraw(ctx: Context, intent_id: str) -> None:
    ctx.write(e.DropWish(intent=intent_id))
    intent = ctx.outbox.get(intent_id)
    if intent is not None and intent.state in (IntentState.QUEUED, IntentState.HELD):
        ctx.fail(intent, str(Code.USAGE), "withdrawn")


def _tick(ctx: Context) -> None:
    login.tick(ctx)
    expiry.tick(ctx)
    heads.tick(ctx)
    monitor.tick(ctx)
    waiting = [asked.at_ms for asked in ctx.session.requests.values()]
    if waiting and ctx.timer_ms - min(waiting) >= ANSWER_MS:
        ctx.disconnect(f"{Code.TIMEOUT}: the relay did not answer")
    for room in ctx.rooms.values():
        link = room.link
        if link.again_at_ms is not None and ctx.timer_ms >= link.again_at_ms:
            link.again_at_ms = None
            resubscribe(ctx, room)
    if ctx.control.again_at_ms is not None and ctx.timer_ms >= ctx.control.again_at_ms:
        ctx.control.again_at_ms = None
        control.subscribe(ctx)


def _lag(ctx: Context, room_id: RoomId) -> None:
    """We read too slowly, or the relay's store failed: ask again from what we hold."""
    if room_id == CONTROL:
        ctx.control.live = False
        if ctx.control.page is None:
            control.subscribe(ctx)
        return
    room = ctx.rooms.get(room_id)
    if room is not None and room.link.subscribed and not room.broken:
        resubscribe(ctx, room)


def _answered(  # noqa: C901 - one case for each purpose
    ctx: Context,
    purpose: r.Purpose,
    frame: frames.Done | frames.PageEnd | frames.ContentPiece | frames.KeyPackages | frames.Path
    | frames.Checkpoint | frames.Checkpoints | frames.Stamps | frames.LogEntries | frames.Membership | frames.Custody
    | frames.AttachmentState | frames.AttachmentPiece,
) -> None:  # fmt: skip
    match purpose, frame:
        case r.RoomPage(room=room_id), frames.PageEnd():
            paging.receive_room_page(ctx, ctx.rooms[room_id], frame, frame.request)
        case r.ControlPage(), frames.PageEnd():
            paging.receive_control_page(ctx, frame)
        case r.StagedPiece() | r.Offered(), frames.Done():
            pass
        case r.ContentWanted(room=room_id), frames.ContentPiece():
            _piece(ctx, room_id, frame)
        case r.CustodyWanted(room=room_id), frames.Custody():
            custody.receive(ctx, ctx.rooms[room_id], frame)
        case r.UploadFound() | r.PieceSent(), frames.AttachmentState():
            uploads.receive_state(ctx, purpose, frame)
        case r.PieceWanted(), frames.AttachmentPiece():
            downloads.receive_piece(ctx, purpose, frame)
        case r.MembershipWanted(room=room_id), frames.Membership():
            _membership(ctx, ctx.rooms[room_id], frame)
        case r.Taken() | r.Recalled() | r.Gathered(), frames.KeyPackages():
            _packages(ctx, purpose, frame)
        case r.Submitted(intent=intent_id), frames.Done():
            intent = ctx.outbox.get(intent_id)
            if intent is not None:
                ctx.finish_intent(intent)
        case _:
            _proven(ctx, purpose, frame)


def _proven(ctx: Context, purpose: r.Purpose, frame: frames.RelayFrame) -> None:
    """The answer is about the log, or of another kind than was asked for."""
    match purpose, frame:
        case r.CheckpointWanted(), frames.Checkpoint():
            monitor.receive_checkpoint(ctx, purpose, frame)
        case r.WitnessedWanted(), frames.Checkpoint():
            monitor.note_claim(ctx, quorum.receive(ctx, purpose, frame))
        case r.Advance(), frames.Path():
            monitor.receive_advance(ctx, purpose, frame)
            login.log_proven(ctx)
        case r.Compare(), frames.Path():
            monitor.receive_comparison(ctx, purpose, frame)
        case r.Anchored(), frames.Path():
            anchor.receive_path(ctx, purpose, frame)
        case r.Pledged(), frames.Path():
            pledge.receive_path(ctx, purpose, frame)
        case r.GrantProof(), frames.Path():
            granting.receive_path(ctx, purpose, frame)
        case r.Proof(), frames.Path():
            disclose.receive_path(ctx, purpose, frame)
        case _:
            raise VerifyError(Code.FRAME, "an answer of another kind than was asked for")


def _packages(ctx: Context, purpose: r.Taken | r.Recalled | r.Gathered, frame: frames.KeyPackages) -> None:
    rest: r.Purpose | None
    match purpose:
        case r.Taken():
            rest = invite.receive_packages(ctx, purpose, frame)
        case r.Recalled():
            rest = duty.receive_recalled(ctx, purpose, frame)
        case r.Gathered():
            rest = successor.receive_gathered(ctx, purpose, frame)
    if rest is not None:
        ctx.session.requests[frame.request] = r.Asked(purpose=rest, at_ms=ctx.timer_ms)


def _piece(ctx: Context, room_id: RoomId, frame: frames.ContentPiece) -> None:
    room = ctx.rooms[room_id]
    fetch = transfer.receive_piece(ctx, room, frame)
    if fetch is not None:
        record.resume(ctx, room, fetch.delivery, fetch.got)


def _membership(ctx: Context, room: Room, frame: frames.Membership) -> None:
    delivery = joining.receive_membership(ctx, room, frame)
    if delivery is not None:
        record.resume(ctx, room, delivery, {})


def _audit(
    ctx: Context,
    purpose: r.Audit,
    frame: frames.Done | frames.PageEnd | frames.ContentPiece | frames.KeyPackages | frames.Path
    | frames.Checkpoint | frames.Checkpoints | frames.Stamps | frames.LogEntries | frames.Membership | frames.Custody
    | frames.AttachmentState | frames.AttachmentPiece,
) -> None:  # fmt: skip
    try:
        match purpose, frame:
            case r.AuditPage(), frames.LogEntries():
                audit_sync.receive_entries(ctx, purpose, frame)
            case r.AuditEdge(), frames.Path():
                audit_sync.receive_edge(ctx, frame)
            case r.AuditPrefix(), frames.Path():
                audit_sync.receive_prefix(ctx, purpose, frame)
            case r.AuditCheckpoints(), frames.Checkpoints():
                audit_sync.receive_checkpoints(ctx, purpose, frame)
            case r.AuditStamps(), frames.Stamps():
                audit_sync.receive_stamps(ctx, frame)
            case _:
                raise VerifyError(Code.FRAME, "an answer of another kind than was asked for")
    except AmanahError as error:
        audit_sync.fail(ctx, error)


def _refused(ctx: Context, purpose: r.Purpose, frame: frames.Refused) -> None:  # noqa: C901, PLR0912 - one case for each purpose
    match purpose:
        case r.Published(room=room_id):
            answers.receive_refused(ctx, ctx.rooms[room_id], frame)
        case r.StagedPiece() | r.Recalled() | r.Gathered():
            pass  # the publish behind it is refused for it; who is absent is looked for again
        case r.WitnessedWanted():
            quorum.refused(ctx, purpose)
        case r.RoomPage(room=room_id):
            paging.page_refused(ctx, ctx.rooms[room_id], frame)
        case r.ControlPage():
            paging.control_refused(ctx, frame)
        case r.ContentWanted(room=room_id):
            record.content_refused(ctx, ctx.rooms[room_id], frame)
        case r.MembershipWanted(room=room_id):
            joining.membership_refused(ctx, ctx.rooms[room_id], frame)
        case r.CustodyWanted(room=room_id):
            custody.refused(ctx, ctx.rooms[room_id])
        case r.UploadFound() | r.PieceSent():
            uploads.refused(ctx, purpose, frame)
        case r.PieceWanted():
            downloads.refused(ctx, purpose, frame)
        case r.Offered():
            packages.refused(ctx, purpose, frame.code, frame.retry_after_ms)
        case r.Taken(intent=intent_id) | r.Submitted(intent=intent_id):
            ctx.refuse(intent_id, frame)
        case r.CheckpointWanted() | r.Advance() | r.Compare():
            monitor.proof_refused(ctx, purpose, frame)
        case r.Anchored():
            anchor.refused(ctx, purpose)
        case r.Pledged():
            pledge.refused(ctx, purpose)
        case r.GrantProof():
            granting.refused(ctx, purpose)
        case r.Proof(intent=intent_id):
            ctx.refuse(intent_id, frame)
        case r.AuditPage() | r.AuditEdge() | r.AuditPrefix() | r.AuditCheckpoints() | r.AuditStamps():
            audit_sync.refused(ctx, frame)
        case _:
            assert_never(purpose)
