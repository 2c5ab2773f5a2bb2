"""Words for what the protocol has names for, where people read them; programs read the names themselves.

Labels (TLP, PAP) have no words here: they are written as FIRST writes them, in every language.
"""

from __future__ import annotations

from amanah_client.language import N_, pgettext
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Grade, Kind
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
