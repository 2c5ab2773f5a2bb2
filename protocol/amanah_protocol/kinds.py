"""The kinds of envelope and what each says in its header, visible to relay and auditors.

`kind_specific` is an array of fixed order per kind; the CDDL is in `docs/protocol.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias, TypeVar

from amanah_protocol import cbor, limits
from amanah_protocol.errors import Code, DecodeError
from amanah_protocol.labels import Label
from amanah_protocol.names import check_organisation, decode_organisation
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId


class MediaType(StrEnum):
    """What the payload's hash is of (label 259 of RFC 9995): a closed list."""

    MLS = "message/mls"
    ALERT_HPKE = "application/vnd.amanah.alert+hpke"
    NONE = "application/vnd.amanah.none"


class Kind(IntEnum):
    """Kinds of envelope; the number is the wire form and is never reused."""

    CREATE = 1
    COMMIT = 2
    WELCOME = 3
    MESSAGE = 4
    ALERT = 5
    INTAKE_KEY = 6
    ACK = 7
    DELIVERED = 8
    GRANT = 9
    ERASE = 10
    REPAIR = 11
    REFUSE = 12
    DECISION = 13
    RELABEL = 14
    EGRESS = 15
    COUNTS = 16


HEADER_ONLY: Final = frozenset({
    Kind.CREATE, Kind.INTAKE_KEY, Kind.ACK, Kind.DELIVERED, Kind.ERASE, Kind.REFUSE,
    Kind.DECISION, Kind.RELABEL, Kind.EGRESS, Kind.COUNTS,
})  # fmt: skip
"""Kinds that never seal anything: payload = SHA-256 of the empty string. Ask `is_sealed` of an envelope."""

COMMITTED: Final = frozenset({Kind.MESSAGE, Kind.ALERT, Kind.GRANT})
"""Kinds that carry a commitment to their content."""

HANDSHAKE: Final = frozenset({Kind.COMMIT, Kind.WELCOME})
"""Kinds whose content is the group engine's own and may reach `MAX_HANDSHAKE_BYTES`."""

T = TypeVar("T")

_SUITE_MAX: Final = 0xFFFF
_POLICY_BYTES: Final = 512
_INTAKE_KEY_BYTES: Final = (32, 1_216)
_MAX_NATIONS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """The first envelope of a room: everything about it that never changes.

    Attributes:
        origin: Origin of the log that the room lives in; binds the room to it.
        nonce: 16 random bytes; with origin and creator they give the room id.
        suite: The room's suite for its whole life.
        ceiling: The highest label that may be sent here.
        owner: The organisation whose officers may add organisations.
        agreement: Identifier of the agreement it is opened under, or None.
        policy: The room's policy, opaque here, up to 512 bytes.
        successor_of: The wedged room this one continues, or None.
        drill: Whether it is an exercise: nothing in it is real.
    """

    origin: str
    nonce: bytes
    suite: int
    ceiling: Label
    owner: OrgName
    agreement: str | None = None
    policy: bytes = b""
    successor_of: RoomId | None = None
    drill: bool = False

    @classmethod
    def decode(cls, f: cbor.Fields) -> Create:
        """Read the eight fields, or nine of a drill."""
        return cls(
            origin=f.text(limits.MAX_NAME_CHARS),
            nonce=f.fixed(16),
            suite=f.uint(_SUITE_MAX),
            ceiling=Label(f.uint(Label.RED)),
            owner=decode_organisation(f),
            agreement=f.optional_text(limits.MAX_NAME_CHARS),
            policy=f.blob(_POLICY_BYTES),
            successor_of=_room(f.optional_fixed(16)),
            drill=_drill(f),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A change of membership and keys; both lists ascending, at most 96 devices together."""

    added: tuple[DeviceId, ...] = ()
    removed: tuple[DeviceId, ...] = ()

    @classmethod
    def decode(cls, f: cbor.Fields) -> Commit:
        """Read the two lists."""
        commit = cls(added=_devices(f), removed=_devices(f))
        if len(commit.added) + len(commit.removed) > limits.MAX_NAMED_DEVICES:
            raise DecodeError(Code.TOO_LARGE, "a commit names at most 96 devices")
        return commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """Secrets for 1 to 96 devices that a commit added; `tree_hash` names the staged tree, if any."""

    addressees: tuple[DeviceId, ...]
    tree_hash: bytes | None = None

    @classmethod
    def decode(cls, f: cbor.Fields) -> Welcome:
        """Read addressees and tree hash."""
        return cls(addressees=_some(_devices(f)), tree_hash=f.optional_fixed(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A sealed message; `attachment` is the SHA-256 of the sealed attachment that goes with it, if one does.

    The relay has to know it, to give the attachment to the room's members and to drop it with the message.
    """

    attachment: bytes | None = None

    @classmethod
    def decode(cls, f: cbor.Fields) -> Message:
        """Read the hash."""
        return cls(attachment=f.fixed(32))


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A sealed batch of alerts; `count` is 1 to 100."""

    count: int

    @classmethod
    def decode(cls, f: cbor.Fields) -> Alert:
        """Read the count."""
        return cls(count=_at_least_one(f.uint(limits.MAX_ALERTS)))


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeKey:
    """The epoch's public key for post-only sensors (32 bytes for X25519, 1,216 for X-Wing), expiry in ms."""

    public_key: bytes
    expires_ms: int

    @classmethod
    def decode(cls, f: cbor.Fields) -> IntakeKey:
        """Read key and expiry."""
        key = f.blob(max(_INTAKE_KEY_BYTES))
        if len(key) not in _INTAKE_KEY_BYTES:
            raise DecodeError(Code.BAD_TYPE, "an intake key is one of X25519 or of X-Wing")
        return cls(public_key=key, expires_ms=f.uint())


class Grade(IntEnum):
    """How far an acknowledgement goes."""

    RECEIVED = 1
    READ = 2
    UNDERSTOOD = 3
    ACTING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """A signed acknowledgement of one message, by one device, in a grade."""

    grade: Grade
    envelope: EnvelopeId

    @classmethod
    def decode(cls, f: cbor.Fields) -> Ack:
        """Read grade and message."""
        return cls(grade=Grade(_at_least_one(f.uint(Grade.ACTING))), envelope=EnvelopeId(f.fixed(32)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """The device has stored everything of the room up to `room_seq`."""

    room_seq: int

    @classmethod
    def decode(cls, f: cbor.Fields) -> Delivered:
        """Read the room sequence."""
        return cls(room_seq=f.uint())


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A bounded, recorded grant of history from `from_seq` to `to_seq`, both included, to 1 to 96 devices."""

    from_seq: int
    to_seq: int
    addressees: tuple[DeviceId, ...]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Grant:
        """Read range and addressees."""
        grant = cls(from_seq=_at_least_one(f.uint()), to_seq=f.uint(), addressees=_some(_devices(f)))
        if grant.to_seq < grant.from_seq:
            raise DecodeError(Code.BAD_TYPE, "a grant's range ascends")
        return grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Content of these envelopes (1 to 96) is to be dropped everywhere; the record stays."""

    envelopes: tuple[EnvelopeId, ...]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Erase:
        """Read the identifiers."""
        return cls(envelopes=_some(_envelopes(f)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """A member re-sends 1 to 96 messages' content to devices of their audience; one that names no device asks for it.

    A request seals nothing. One that names the room's creation asks to be removed and added again.
    """

    envelopes: tuple[EnvelopeId, ...]
    addressees: tuple[DeviceId, ...]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Repair:
        """Read messages and addressees."""
        return cls(envelopes=_some(_envelopes(f)), addressees=_devices(f))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """A member refuses a commit that the relay accepted; evidence for a successor room."""

    commit: EnvelopeId
    code: str

    @classmethod
    def decode(cls, f: cbor.Fields) -> Refuse:
        """Read commit and code."""
        return cls(commit=EnvelopeId(f.fixed(32)), code=f.text(32))


class Outcome(IntEnum):
    """How a proposal ended."""

    ADOPTED = 1
    REFUSED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The outcome of proposal `ordinal` and the nations that stood behind it, ascending, up to 64."""

    ordinal: int
    outcome: Outcome
    nations: tuple[OrgName, ...]

    @classmethod
    def decode(cls, f: cbor.Fields) -> Decision:
        """Read ordinal, outcome and nations."""
        return cls(
            ordinal=f.uint(),
            outcome=Outcome(_at_least_one(f.uint(Outcome.REFUSED))),
            nations=_nations(f),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabel:
    """The author changes a message's label from `old` to `new`, visibly."""

    envelope: EnvelopeId
    old: Label
    new: Label

    @classmethod
    def decode(cls, f: cbor.Fields) -> Relabel:
        """Read message and labels."""
        return cls(envelope=EnvelopeId(f.fixed(32)), old=Label(f.uint(Label.RED)), new=Label(f.uint(Label.RED)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """Content of a message left the circle: in which form, to whom (as the member names it)."""

    envelope: EnvelopeId
    form: str
    recipient: str

    @classmethod
    def decode(cls, f: cbor.Fields) -> Egress:
        """Read message, form and recipient."""
        return cls(envelope=EnvelopeId(f.fixed(32)), form=f.text(64), recipient=f.text(limits.MAX_NAME_CHARS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a machine did with its input since its last counts: nothing is dropped in silence."""

    accepted: int
    merged: int
    dropped: int

    @classmethod
    def decode(cls, f: cbor.Fields) -> Counts:
        """Read the three numbers."""
        return cls(accepted=f.uint(), merged=f.uint(), dropped=f.uint())


Specific: TypeAlias = (
    Create | Commit | Welcome | Message | Alert | IntakeKey | Ack | Delivered
    | Grant | Erase | Repair | Refuse | Decision | Relabel | Egress | Counts
)  # fmt: skip

_TYPES: Final[dict[Kind, type[Specific]]] = {
    Kind.CREATE: Create, Kind.COMMIT: Commit, Kind.WELCOME: Welcome, Kind.MESSAGE: Message,
    Kind.ALERT: Alert, Kind.INTAKE_KEY: IntakeKey, Kind.ACK: Ack, Kind.DELIVERED: Delivered,
    Kind.GRANT: Grant, Kind.ERASE: Erase, Kind.REPAIR: Repair, Kind.REFUSE: Refuse,
    Kind.DECISION: Decision, Kind.RELABEL: Relabel, Kind.EGRESS: Egress, Kind.COUNTS: Counts,
}  # fmt: skip
_KINDS: Final = {cls: kind for kind, cls in _TYPES.items()}
_FIELDS: Final = {cls: tuple(field.name for field in fields(cls)) for cls in _KINDS}


def kind_of(specific: Specific) -> Kind:
    """The kind that a header with this `kind_specific` has."""
    return _KINDS[type(specific)]


def is_sealed(specific: Specific) -> bool:
    """Whether an envelope with this `kind_specific` has sealed content."""
    if isinstance(specific, Repair):
        return bool(specific.addressees)
    return kind_of(specific) not in HEADER_ONLY


def encode_specific(specific: Specific) -> list[object]:
    """The fixed-order array of a kind, ready for `cbor.encode`."""
    if isinstance(specific, Message) and specific.attachment is None:
        return []  # nearly all messages: they say nothing, and that has one form
    values = [getattr(specific, name) for name in _FIELDS[type(specific)]]
    # A real room is created as before there were drills: old rooms stay what they are, and each has one encoding.
    return values[:-1] if isinstance(specific, Create) and not specific.drill else values


def decode_specific(kind: Kind, value: cbor.Value) -> Specific:
    """Read and check the array of a kind.

    Raises:
        DecodeError: `BAD_TYPE` or `TOO_LARGE`.
    """
    cls = _TYPES[kind]
    if cls is Message and value == []:
        return Message()
    length = len(_FIELDS[cls])
    real = cls is Create and isinstance(value, list) and len(value) < length
    return cls.decode(cbor.Fields(value, length - real, kind.name.lower()))


def _devices(f: cbor.Fields) -> tuple[DeviceId, ...]:
    return tuple(DeviceId(item) for item in f.sorted_array(32, limits.MAX_NAMED_DEVICES))


def _envelopes(f: cbor.Fields) -> tuple[EnvelopeId, ...]:
    return tuple(EnvelopeId(item) for item in f.sorted_array(32, limits.MAX_NAMED_DEVICES))


def _nations(f: cbor.Fields) -> tuple[OrgName, ...]:
    nations = tuple(check_organisation(name) for name in f.texts(limits.MAX_NAME_CHARS, _MAX_NATIONS))
    if list(nations) != sorted(set(nations)):
        raise DecodeError(Code.BAD_TYPE, "nations are named once each, ascending")
    return nations


def _some(items: tuple[T, ...]) -> tuple[T, ...]:
    if not items:
        raise DecodeError(Code.BAD_TYPE, "at least one is named")
    return items


def _room(value: bytes | None) -> RoomId | None:
    return None if value is None else RoomId(value)


def _drill(f: cbor.Fields) -> bool:
    """The ninth field of a creation, true where it stands."""
    if f.at_end:
        return False
    if not f.boolean():
        raise DecodeError(Code.NOT_CANONICAL, "a real room is created without a mark")
    return True


def _at_least_one(number: int) -> int:
    if number < 1:
        raise DecodeError(Code.BAD_TYPE, "a number from 1 upwards is wanted")
    return number
