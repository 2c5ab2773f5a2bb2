"""What the core knows while it works, and the only ways to change or to tell something.

Every other module is functions over one `Context`. Writes and effects leave through it, so that a
step's order (all writes first) cannot be got wrong elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias

import msgspec

from amanah_client import effects as e
from amanah_client.actions import Action, AuditSync, CreateRoom, Finished, SubmitControl
from amanah_client.attaching import Attach
from amanah_client.core.copying import Copying
from amanah_client.core.directory import Directory
from amanah_client.core.draft import Draft
from amanah_client.core.moving import Download, Upload
from amanah_client.core.requests import WORN_MS, Asked, Claim, Debt, Purpose
from amanah_client.core.room import Room
from amanah_client.log_rows import LogView, WitnessedRow
from amanah_client.model import (
    ALARM_AGAIN_MS,
    Alarm,
    ControlRow,
    Intent,
    IntentState,
    MessageRow,
    RoomStatus,
    Snapshot,
)
from amanah_client.reasons import Reason, english
from amanah_client.refusals import KEPT, refusal, what_of
from amanah_protocol import cbor
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import MEANINGS, Code, PeerError, VerifyError
from amanah_protocol.frames import Frame, Refused, RoomState, encode_frame
from amanah_protocol.group.engines import Engines
from amanah_protocol.group.seam import Credential, Random
from amanah_protocol.heads import ControlHead
from amanah_protocol.identity import Certificate, Enrolment, decode_certificate, decode_enrolment
from amanah_protocol.roster import Relay, Roster
from amanah_protocol.types import ZERO_32, DeviceId, EnvelopeId, LeafHash, OrgName, PersonId, RoomId
from amanah_protocol.verified import Verified

AlarmKey: TypeAlias = tuple[bool, str, RoomId | None, str]
"""By what an alarm is the same as another."""
MAX_ALARMS: Final = 64
"""Alarms of one code and room within that time; who reads the first of them does not wait for more (attack 24)."""
LOGIN_ALARM_AGAIN_MS: Final = 86_400_000
"""The same of an attempt to connect, which repeats itself for as long as nobody looks."""
AGAIN_MS: Final = 1_000
"""When what was refused for now is asked for again, where the relay does not say."""
LONGEST_WAIT_MS: Final = 600_000
"""The longest that a relay can make us wait with one word: a number that it made up must not silence us."""
MAX_STEP_MS: Final = 5_000
"""More than lies between two ticks, however busy the machine is."""
MAX_PROVEN: Final = 256
"""Heads of the log that were proven and need no proof again."""


@dataclass(slots=True, kw_only=True)
class Session:
    """What holds for one connection.

    Attributes:
        phase: Login state (`login.Phase`).
        opened_at_ms: When it opened.
        dialled: host:port that was dialled.
        tls_hash: Hash of the certificate seen.
        client_nonce: Our half of the login.
        relay: The relay of the roster, once it has proven itself.
        requests: Requests not answered, by number.
        last_request: The newest number.
        control_head: Signed control head shown at login, until the log is proven.
        states: The rooms of this device as the relay says.
        catching_up: Rooms whose record is not read to its head yet.
        flashes: Places of `flash` envelopes that the relay announced, the newest of each room.
        stock: Key packages that the relay holds, by suite.
        offer_at_ms: None are offered before this time.
        offers: Made since the last pause.
        online_at_ms: When `Online` was told.
        head_at_ms: When the newest control head was signed, in our running time.
        probed_at_ms: When the first one after it was asked for.
        ahead_ms: The relay's clock minus our running time, as it told its time since the login.
        skew_ms: Our clock minus the relay's, as of its last word.
        received_ms: When the newest frame was taken, in our running time.
        online: Whether `Online` was told.
        closing: Whether we have asked the shell to disconnect.
        uploads: Attachments on their way to the relay, by intent.
        barred: Of messages in flight, why their attachments can never be there (code, in words), by intent.
        downloads: Attachments on their way here, by intent.
    """

    phase: str
    opened_at_ms: int = 0
    dialled: str = ""
    tls_hash: bytes = ZERO_32
    client_nonce: bytes = ZERO_32
    relay: Relay | None = None
    requests: dict[int, Asked] = field(default_factory=dict)
    last_request: int = 0
    control_head: bytes = b""
    states: dict[RoomId, RoomState] = field(default_factory=dict)
    catching_up: set[RoomId] = field(default_factory=set)
    flashes: dict[RoomId, int] = field(default_factory=dict)
    stock: dict[int, int] = field(default_factory=dict)
    offer_at_ms: int = 0
    offers: int = 0
    online_at_ms: int = 0
    head_at_ms: int = 0
    probed_at_ms: int = 0
    ahead_ms: int = 0
    skew_ms: int = 0
    received_ms: int = 0
    online: bool = False
    closing: bool = False
    uploads: dict[str, Upload] = field(default_factory=dict)
    barred: dict[str, tuple[Code, str]] = field(default_factory=dict)
    downloads: dict[str, Download] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class ControlRecord:
    """The control stream as far as it is verified.

    Attributes:
        sequence: Newest sequence.
        leaf: Leaf hash of it.
        index: Its log index, -1 before the first.
        accepted_at_ms: When it was accepted.
        leaves: (leaf hash, time of acceptance) by sequence.
        roster_seen: Whether the roster held has appeared in the stream.
        head: The newest verified signed head, or None.
        fresh_at_ms: The time that bounds its freshness.
        retried: Sequence at which a gap was already asked for again.
        page: Number of the request that is being answered, or None.
        live: Whether the last page reached the head.
        again_at_ms: When to ask for a page that was refused, or None.
    """

    sequence: int = 0
    leaf: LeafHash = LeafHash(ZERO_32)  # noqa: RUF009 - bytes are immutable
    index: int = -1
    accepted_at_ms: int = 0
    leaves: dict[int, tuple[LeafHash, int]] = field(default_factory=dict)
    roster_seen: bool = False
    head: ControlHead | None = None
    fresh_at_ms: int = 0
    retried: int = -1
    page: int | None = None
    live: bool = False
    again_at_ms: int | None = None


@dataclass(slots=True, kw_only=True)
class Watch:
    """What is being proven about the log.

    Attributes:
        proven: Root by size, for heads that lie on one line with ours.
        claims: Those that wait for their proof, by line; one that is being compared stays until it is.
        busy: Whether a proof or checkpoint is on its way.
        fetched: Whether a checkpoint was asked for since the last comparison.
        asked_ms: When that was asked for, in our running time.
        waited_ms: How long the relay has made us wait on this connection, in all.
        counted_ms: Up to when that is counted, in our running time.
        refreshed_at_ms: When a checkpoint was asked for last.
        shown_at_ms: When the newest checkpoint that came was asked for.
        shown_size: How large the log was in it.
        put_off_at_ms: When the newest was asked for that the relay has put off.
        wanted_size: Whoever waits for a checkpoint of at least this size.
        refresh: Whether the newest checkpoint is wanted, whatever its size.
        conflicts: When each contradiction of the log was found, by key.
    """

    proven: dict[int, bytes] = field(default_factory=dict)
    claims: dict[bytes, Claim] = field(default_factory=dict)
    busy: bool = False
    fetched: bool = False
    asked_ms: int = 0
    waited_ms: int = 0
    counted_ms: int = 0
    refreshed_at_ms: int = 0
    shown_at_ms: int = 0
    shown_size: int = 0
    put_off_at_ms: int = 0
    wanted_size: int = 0
    refresh: bool = False
    conflicts: dict[bytes, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Witnesses:
    """How the quorum of witnesses keeps up, as far as this core has seen it.

    Attributes:
        row: The newest that is on our line, and whether they are missed; None before that was looked at.
        asked_at_ms: When it was asked for last on this connection; -1 for not yet.
        known: That was asked for then which we know the answer to.
        unseen: Since when none is known.
        offered: The newest that the relay gave and that is not compared with our line yet.
        offered_at_ms: When that was asked for.
        grown: Since when the log was seen at a size, for sizes beyond what is cosigned.
    """

    row: WitnessedRow | None = None
    asked_at_ms: int = -1
    known: Debt = field(default_factory=lambda: Debt(at_ms=0))
    unseen: Debt = field(default_factory=lambda: Debt(at_ms=0))
    offered: WitnessedRow | None = None
    offered_at_ms: int = 0
    grown: dict[int, Debt] = field(default_factory=dict)


class Place(NamedTuple):
    """Where a message stands."""

    room: RoomId
    envelope: EnvelopeId


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """What an intent is about, as the store gave it.

    Attributes:
        row: The message; None where an answer is to what is not here.
        labelling: The entries from which its label follows, itself among them, in the order of their places.
    """

    row: MessageRow | None
    labelling: tuple[MessageRow, ...] = ()


@dataclass(slots=True, kw_only=True)
class Granting:
    """A grant in the making.

    Attributes:
        size: Size of the checkpoint that its paths lead to.
        root: Its root.
        signature: The log's signature over it.
        paths: Of each message the path, as far as they came.
    """

    size: int
    root: bytes
    signature: bytes
    paths: dict[EnvelopeId, tuple[bytes, ...]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True, eq=False)
class Context:
    """The core's memory; see `Snapshot` for what of it is stored.

    Attributes:
        key: The device's key.
        random: The only source of randomness, but for what the engines bring along.
        engines: Of the room suites.
        certificate: Own certificate.
        enrolment: The enrolment certificate that issued it.
        profile: Own encoded profile.
        roster: The newest accepted roster.
        log: Newest proven log view.
        profiles: Verified profiles of others.
        packages: Secrets of own key packages by reference.
        audit_size: Leaves in the auditor's copy.
        audit_settled: Size of the newest checkpoint in it that the quorum of witnesses had cosigned.
        audit_stamps: Number of the newest time stamp in it.
        copying: The copy in the making.
        reading: Intents that wait for the store, and for which message.
        spoken: The messages that intents are about, as stored.
        granting: What proves the messages of a grant in the making, by intent.
        proving: Since when disclosures wait for witnesses, in our running time.
        session: What holds for this connection.
        rooms: By id.
        outbox: Unfinished intents in order of creation.
        apart: Ids of those that stand in no room's line.
        waits: Intents that are not tried before a time.
        lost: Rooms whose keys were found gone or damaged when this core was made, until that is told.
        halted: Why nothing is sent or dialled any more, "" normally.
        now_ms: The clock at this step; it may be set at any time.
        timer_ms: Running time of this core: what waits is measured by it.
        heard_ms: The same when the newest tick was made. Whatever had come by then was taken, so what is overdue by
            this time is the fault of others, and not of a slow store here.
    """

    key: SigningKey
    random: Random
    engines: Engines
    certificate: Certificate
    enrolment: Enrolment
    profile: bytes
    roster: Verified[Roster]
    log: LogView | None
    audit_size: int
    audit_settled: int
    audit_stamps: int
    session: Session
    directory: Directory = field(default_factory=Directory)
    control: ControlRecord = field(default_factory=ControlRecord)
    watch: Watch = field(default_factory=Watch)
    witnesses: Witnesses = field(default_factory=Witnesses)
    rooms: dict[RoomId, Room] = field(default_factory=dict)
    outbox: dict[str, Intent] = field(default_factory=dict)
    apart: dict[str, Intent] = field(default_factory=dict)
    waits: dict[str, int] = field(default_factory=dict)
    packages: dict[bytes, bytes] = field(default_factory=dict)
    profiles: dict[tuple[OrgName, PersonId], bytes] = field(default_factory=dict)
    copying: Copying | None = None
    reading: dict[tuple[str, Place], None] = field(default_factory=dict)
    spoken: dict[str, dict[Place, Spoken]] = field(default_factory=dict)
    granting: dict[str, Granting] = field(default_factory=dict)
    proving: dict[str, int] = field(default_factory=dict)
    lost: list[RoomId] = field(default_factory=list)
    halted: str = ""
    now_ms: int = 0
    timer_ms: int = 0
    heard_ms: int = 0
    _draft: Draft = field(default_factory=Draft)
    _raised: dict[AlarmKey, int] = field(default_factory=dict)

    @property
    def me(self) -> DeviceId:
        """This device."""
        return self.certificate.device_id

    @property
    def credential(self) -> Credential:
        """The own chain, as the group engine takes it."""
        return Credential(certificate=self.certificate.encoded, enrolment=self.enrolment.endorsed.encode())

    @property
    def relay(self) -> Relay:
        """The relay that we are logged in to.

        Raises:
            VerifyError: `LOGIN` before it has proven itself.
        """
        if self.session.relay is None:
            raise VerifyError(Code.LOGIN, "the relay has not proven itself yet")
        return self.session.relay

    def pass_time(self, now_ms: int) -> None:
        """A step begins.

        A clock that is set, or a machine that slept, must neither raise alarms nor keep anything
        waiting: between two steps no more time passes than there can be between two ticks.
        """
        self.timer_ms += min(max(0, now_ms - self.now_ms), MAX_STEP_MS)
        self.now_ms = now_ms

    def hear_until(self, made_ms: int) -> None:
        """A tick was taken that was made at this time of the clock."""
        self.heard_ms = max(self.heard_ms, self.timer_ms - max(0, self.now_ms - made_ms))

    def owe(self) -> Debt:
        """The relay owes something from now on."""
        return Debt(at_ms=self.timer_ms)

    def is_overdue(self, debt: Debt, within_ms: int) -> bool:
        """Whether the relay has owed it for longer than this, on this connection or in all."""
        if debt.is_spent:
            return self.heard_ms - debt.at_ms >= within_ms
        allowed_ms = min(within_ms, WORN_MS) if debt.is_worn else within_ms
        return self.heard_ms - max(debt.at_ms, self.session.online_at_ms) >= allowed_ms

    # ---- telling the relay

    def send(self, frame: Frame) -> None:
        """Write one frame."""
        self._draft.effect(e.SendFrame(data=encode_frame(frame)))

    def ask(self, purpose: Purpose, frame: Callable[[int], Frame]) -> int:
        """Send a request made with its own fresh number, and remember what it was for."""
        session = self.session
        session.last_request += 1
        session.requests[session.last_request] = Asked(purpose=purpose, at_ms=self.timer_ms)
        self.send(frame(session.last_request))
        return session.last_request

    def disconnect(self, reason: str, *, again: bool = True, hint: str | None = None) -> None:
        """Ask the shell to close the connection, once."""
        if not self.session.closing:
            self.session.closing = True
            self._draft.effect(e.Disconnect(reason=reason, again=again and not self.halted, hint=hint))

    def stop(self, code: Code, detail: str) -> None:
        """Send and dial no more while this core lives: the relay contradicts itself, or we are revoked."""
        self.halted = str(code)
        self.disconnect(f"{code}: {detail}", again=False)

    # ---- telling the store and the faces

    def write(self, write: e.Write) -> None:
        """Append a write to the step."""
        self._draft.write(write)

    def effect(self, effect: e.Effect) -> None:
        """Append an effect to the step."""
        self._draft.effect(effect)

    def put_message(self, row: MessageRow) -> None:
        """Store a message and tell the faces."""
        self.write(e.PutMessage(row=row))
        self.effect(e.MessageChanged(row=row))

    def put_intent(self, intent: Intent) -> None:
        """Store an intent and tell the faces; a finished one leaves the outbox."""
        self.write(e.PutIntent(intent=intent))
        self.effect(e.IntentChanged(intent=intent))
        ended = intent.state in (IntentState.DONE, IntentState.FAILED)
        for place in (self.outbox, self._line_of(intent)):
            if ended:
                place.pop(intent.id, None)
            elif intent.id in place:
                place[intent.id] = intent
        if ended:
            self.waits.pop(intent.id, None)
            # The plaintext of what was to be passed on does not outlive the wish to pass it on.
            self.spoken.pop(intent.id, None)
            self.granting.pop(intent.id, None)
            self.session.uploads.pop(intent.id, None)
            self.session.downloads.pop(intent.id, None)
            if isinstance(intent.action, Attach):
                self.effect(e.DropSealed(attachment=intent.action.attachment))

    def _line_of(self, intent: Intent) -> dict[str, Intent]:
        room_id = None if intent.id in self.apart else room_of(intent.action)
        room = None if room_id is None else self.rooms.get(room_id)
        return self.apart if room is None else room.line

    def finish_intent(
        self, intent: Intent, *, code: str = "", reasons: tuple[Reason, ...] = (), result: bytes = b""
    ) -> None:
        """End an intent that is done; a code and reasons say what of it could not be."""
        detail = english(reasons)
        self.put_intent(
            replace(intent, state=IntentState.DONE, code=code, detail=detail, reasons=reasons, result=result)
        )

    def is_asking(self, wanted: Callable[[Purpose], bool]) -> bool:
        """Whether a request for such a purpose is not answered yet."""
        return any(wanted(asked.purpose) for asked in self.session.requests.values())

    def fail(self, intent: Intent, code: str, detail: str, reasons: tuple[Reason, ...] = ()) -> None:
        """End an intent that this device does not do; where it is refused for its label, that is kept."""
        self.give_up(intent, code, detail, reasons)
        what = what_of(intent.action)
        if code in KEPT and what is not None:
            self._keep(refusal(self.now_ms, code, detail, room=room_of(intent.action), what=what))

    def give_up(self, intent: Intent, code: str, detail: str, reasons: tuple[Reason, ...] = ()) -> None:
        """End an intent that cannot be done, by whomever it is refused."""
        self.put_intent(replace(intent, state=IntentState.FAILED, code=code, detail=detail, reasons=reasons))

    def refuse(self, intent_id: str, refused: Refused) -> None:
        """The relay refused what an intent needs: it is tried later, or ends here."""
        intent = self.outbox.get(intent_id)
        if intent is None:
            return
        code = known_code(refused.code)
        if MEANINGS[code].final:
            self.give_up(intent, str(code), refused.detail)
        else:
            self.note(intent, str(code), refused.detail)
            self.wait(intent, self.timer_ms + patience(refused))

    def note(self, intent: Intent, code: str, detail: str, reasons: tuple[Reason, ...] = ()) -> None:
        """Say on an intent what it waits for; written only when that changed."""
        if (intent.code, intent.detail) != (code, detail):
            self.put_intent(replace(intent, code=code, detail=detail, reasons=reasons))

    def wait(self, intent: Intent, until_ms: int) -> None:
        """Do not try an intent before a time; what stands behind it in the line goes on."""
        self.waits[intent.id] = until_ms

    def load_alarms(self, alarms: tuple[Alarm, ...]) -> None:
        """What another process of this profile raised is not raised anew by this one."""
        self._raised = {_key(alarm): alarm.at_ms for alarm in alarms}

    def alarm(self, code: str, detail: str, *, room: RoomId | None = None, evidence: tuple[bytes, ...] = ()) -> None:
        """Keep an alarm and tell the faces; the same one not again for a while."""
        proof = cbor.encode(list(evidence)) if evidence else b""
        alarm = Alarm(at_ms=self.now_ms, code=code, room=room, detail=detail, evidence=proof)
        if self._keep(alarm):
            self.effect(e.AlarmRaised(alarm=alarm))

    def _keep(self, alarm: Alarm) -> bool:
        """Write it, if it is new."""
        key = _key(alarm)
        # By the wall's clock, which processes share; an alarm that it puts into the future is raised anew.
        age_ms = self.now_ms - self._raised.get(key, -LOGIN_ALARM_AGAIN_MS)
        if 0 <= age_ms < (LOGIN_ALARM_AGAIN_MS if alarm.code == Code.LOGIN else ALARM_AGAIN_MS):
            return False
        self._raised = {k: at for k, at in self._raised.items() if self.now_ms - at < LOGIN_ALARM_AGAIN_MS}
        # Each kind for itself: what this device was refused crowds out nothing that others did.
        lately = (at for known, at in self._raised.items() if known[:3] == key[:3])
        if sum(self.now_ms - at < ALARM_AGAIN_MS for at in lately) >= MAX_ALARMS:
            return False
        self._raised[key] = self.now_ms
        self.write(e.PutAlarm(alarm=alarm))
        return True

    def alarm_for(self, error: PeerError, *, room: RoomId | None = None, evidence: tuple[bytes, ...] = ()) -> None:
        """The alarm of an error."""
        self.alarm(str(error.code), error.detail, room=room, evidence=evidence)

    def halt(self, room: Room) -> None:
        """Block sending in a room; reading stays."""
        if room.row.status is RoomStatus.OPEN:
            room.change(status=RoomStatus.HALTED)

    # ---- the end of a step

    def finish(self) -> e.Step:
        """Write the rooms that changed, and hand the step over."""
        for room in self.rooms.values():
            row = room.flush()
            if row is not None:
                self.write(e.PutRoom(row=row))
                self.effect(e.RoomChanged(row=row))
        return self._draft.take()


def _key(alarm: Alarm) -> AlarmKey:
    return alarm.own, alarm.code, alarm.room, alarm.detail


def room_of(action: Action) -> RoomId | None:
    """The room that an action is about, if it is about one that exists."""
    if isinstance(action, CreateRoom | SubmitControl | AuditSync | Finished):
        return None
    return action.room


def known_code(code: str) -> Code:
    """A code as a relay sent it; one that this version does not know counts as a fault of the relay."""
    try:
        return Code(code)
    except ValueError:
        return Code.FRAME


def patience(refused: Refused, otherwise_ms: int = AGAIN_MS) -> int:
    """How long to wait behind a refusal that is not final, in ms: what the relay says, within reason."""
    return min(refused.retry_after_ms or otherwise_ms, LONGEST_WAIT_MS)


def own_chain(snapshot: Snapshot) -> tuple[Certificate, Enrolment]:
    """The own certificate and the enrolment certificate that issued it.

    Raises:
        DecodeError: The profile is damaged.
    """
    return decode_certificate(snapshot.certificate), decode_enrolment(snapshot.enrolment)


def stored_leaf(row: ControlRow) -> tuple[LeafHash, int]:
    """What comparison with heads needs of a stored entry."""
    return row.hash, row.accepted_at_ms
