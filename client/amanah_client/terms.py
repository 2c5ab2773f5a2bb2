"""Words for what the protocol has names for, where people read them; programs read the names themselves.

Labels (TLP, PAP) have no words here: they are written as FIRST writes them, in every language.
"""

from __future__ import annotations

from amanah_client.language import N_, pgettext
from amanah_client.model import IntentState, RoomStatus
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.incident import Status
from amanah_protocol.content.task import TaskState
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade, Kind, Outcome
from amanah_protocol.labels import Precedence
from amanah_protocol.log.leaf import LeafType

STAMPS = (
    N_("holds"), N_("ended"), N_("not checked: unknown authority"), N_("not checked here"), N_("does not hold"),
)  # fmt: skip
"""What is found of a time stamp (`audit.stamps.State`)."""


def kind(found: Kind) -> str:
    """A kind of envelope: `intake key`."""
    return {
        Kind.CREATE: pgettext("kind", "create"),
        Kind.COMMIT: pgettext("kind", "commit"),
        Kind.WELCOME: pgettext("kind", "welcome"),
        Kind.MESSAGE: pgettext("kind", "message"),
        Kind.ALERT: pgettext("kind", "alert"),
        Kind.INTAKE_KEY: pgettext("kind", "intake key"),
        Kind.ACK: pgettext("kind", "ack"),
        Kind.DELIVERED: pgettext("kind", "delivered"),
        Kind.GRANT: pgettext("kind", "grant"),
        Kind.ERASE: pgettext("kind", "erase"),
        Kind.REPAIR: pgettext("kind", "repair"),
        Kind.REFUSE: pgettext("kind", "refuse"),
        Kind.DECISION: pgettext("kind", "decision"),
        Kind.RELABEL: pgettext("kind", "relabel"),
        Kind.EGRESS: pgettext("kind", "egress"),
        Kind.COUNTS: pgettext("kind", "counts"),
    }[found]


def role(found: Role) -> str:
    """What a device is certified as."""
    return {
        Role.OFFICER: pgettext("role", "officer"),
        Role.BOT: pgettext("role", "bot"),
        Role.SENSOR: pgettext("role", "sensor"),
        Role.AUDITOR: pgettext("role", "auditor"),
        Role.WITNESS: pgettext("role", "witness"),
        Role.OPERATOR: pgettext("role", "operator"),
    }[found]


def precedence(found: Precedence) -> str:
    """How urgent it is."""
    return {
        Precedence.ROUTINE: pgettext("precedence", "routine"),
        Precedence.PRIORITY: pgettext("precedence", "priority"),
        Precedence.IMMEDIATE: pgettext("precedence", "immediate"),
        Precedence.FLASH: pgettext("precedence", "flash"),
    }[found]


def grade(found: Grade) -> str:
    """How far an acknowledgement goes."""
    return {
        Grade.RECEIVED: pgettext("grade", "received"),
        Grade.READ: pgettext("grade", "read"),
        Grade.UNDERSTOOD: pgettext("grade", "understood"),
        Grade.ACTING: pgettext("grade", "acting"),
    }[found]


def severity(found: Severity) -> str:
    """How bad it is."""
    return {
        Severity.LOW: pgettext("severity", "low"),
        Severity.MEDIUM: pgettext("severity", "medium"),
        Severity.HIGH: pgettext("severity", "high"),
        Severity.CRITICAL: pgettext("severity", "critical"),
    }[found]


def status(found: Status) -> str:
    """How far the work on an incident is."""
    return {
        Status.TRIAGE: pgettext("status", "triage"),
        Status.INVESTIGATING: pgettext("status", "investigating"),
        Status.CONTAINING: pgettext("status", "containing"),
        Status.RECOVERING: pgettext("status", "recovering"),
        Status.RESOLVED: pgettext("status", "resolved"),
        Status.CLOSED: pgettext("status", "closed"),
    }[found]


def task_state(found: TaskState | None) -> str:
    """How far a task is; None for one that was withdrawn."""
    return {
        None: pgettext("task", "withdrawn"),
        TaskState.OPEN: pgettext("task", "open"),
        TaskState.TAKEN: pgettext("task", "taken"),
        TaskState.DONE: pgettext("task", "done"),
        TaskState.REFUSED: pgettext("task", "refused"),
    }[found]


def outcome(found: Outcome | None) -> str:
    """How a proposal ended; None for one that was withdrawn."""
    return {
        None: pgettext("outcome", "withdrawn"),
        Outcome.ADOPTED: pgettext("outcome", "adopted"),
        Outcome.REFUSED: pgettext("outcome", "refused"),
    }[found]


def intent_state(found: IntentState) -> str:
    """How far something is that was asked for."""
    return {
        IntentState.QUEUED: pgettext("intent", "queued"),
        IntentState.HELD: pgettext("intent", "held"),
        IntentState.SENT: pgettext("intent", "sent"),
        IntentState.DONE: pgettext("intent", "done"),
        IntentState.FAILED: pgettext("intent", "failed"),
    }[found]


def room_status(found: RoomStatus) -> str:
    """Where a room stands for this device."""
    return {
        RoomStatus.OPENING: pgettext("room", "opening"),
        RoomStatus.JOINING: pgettext("room", "joining"),
        RoomStatus.OPEN: pgettext("room", "open"),
        RoomStatus.REMOVED: pgettext("room", "removed"),
        RoomStatus.HALTED: pgettext("room", "halted"),
        RoomStatus.BEHIND: pgettext("room", "behind"),
        RoomStatus.LOST: pgettext("room", "lost"),
    }[found]


def leaf(found: LeafType) -> str:
    """What an entry of the log records."""
    return {
        LeafType.ENVELOPE: pgettext("leaf", "envelope"),
        LeafType.CERTIFICATE: pgettext("leaf", "certificate"),
        LeafType.ENROLMENT: pgettext("leaf", "enrolment"),
        LeafType.REVOCATION: pgettext("leaf", "revocation"),
        LeafType.ROSTER: pgettext("leaf", "roster"),
        LeafType.AUDIT_READ: pgettext("leaf", "audit read"),
        LeafType.AUDIT_GRANT: pgettext("leaf", "audit grant"),
        LeafType.LEGAL_HOLD: pgettext("leaf", "legal hold"),
        LeafType.ERASURE: pgettext("leaf", "erasure"),
    }[found]


def duration(length_ms: int | None) -> str:
    """`1 d 2 h`, `3 min 20 s`, `0 s`: the two largest parts; as a value in a table has it."""
    if length_ms is None:
        return "-"
    rest, parts = abs(length_ms) // 1000, []
    units = (
        (pgettext("unit", "%(count)s d"), 86_400),
        (pgettext("unit", "%(count)s h"), 3_600),
        (pgettext("unit", "%(count)s min"), 60),
        (pgettext("unit", "%(count)s s"), 1),
    )
    for unit, seconds in units:
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(unit % {"count": count})
    return ("-" if length_ms < 0 and parts else "") + (" ".join(parts[:2]) or units[-1][0] % {"count": 0})
