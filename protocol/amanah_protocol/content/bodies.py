"""What a sealed message says: a closed union of bodies, each with its number.

    text        = [ text: tstr ]                                        ; 1, one that says nothing more
    alert batch = [ source: tstr, alerts ]                              ; 2, see `alert`
    profile     = [ bstr ]                                              ; 3
    room info   = [ title: tstr, description: tstr ]                    ; 4
    grant                                                               ; 5, see `history`
    repair      = [ [ 1*96 item ] ]                                     ; 6
    item        = [ envelope: bstr .size 32, content: bstr, k: bstr .size 32 ]
    reaction 7, correction 8, withdrawal 9, file 10, incident 11, task 12, proposal 13, position 14, clock 15,
    handover 16, text that says more 17, page 18, closing 19, sign-off 20, forwarded 21: see the modules of these
    names

What people say begins with its version. A number or a version that is not known is kept as it is: a newer peer's
message is shown as such, never dropped. Texts travel as they are; normalising them (NFC) is the client's, before it
seals. No `repr` shows what was sealed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from amanah_protocol import cbor, limits
from amanah_protocol.content.alert import Alert, decode_alerts, encode_alerts
from amanah_protocol.content.bounds import check_size
from amanah_protocol.content.clock import Clock
from amanah_protocol.content.closing import Closing, ClosingRecorded, SignOff, decode_closing
from amanah_protocol.content.file import File
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.history import Grant
from amanah_protocol.content.incident import Incident
from amanah_protocol.content.page import Page
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.reaction import Reaction
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.task import Task, TaskMoved, decode_task
from amanah_protocol.content.text import MAX_CHARS, Text
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.types import EnvelopeId

MAX_PROFILE_BYTES: Final = 2 * limits.KIB
MAX_REPAIRED: Final = limits.MAX_NAMED_DEVICES
MAX_TYPE: Final = 2**16 - 1
MAX_BODY_DEPTH: Final = limits.MAX_DEPTH - 1
"""A body stands inside the content's array."""

VERSION: Final = 1
"""Of what people say; another one is a body that is not known."""

_TEXT, _ALERTS, _PROFILE, _ROOM_INFO, _GRANT, _REPAIR = range(1, 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertBatch:
    """Alerts of one machine.

    Attributes:
        source: How the machine names its input, up to 253 characters.
        alerts: 1 to 100; the envelope's header gives the same count, which the receiver compares.

    Raises:
        UsageError: `TOO_LARGE`.
    """

    source: str = field(repr=False)
    alerts: tuple[Alert, ...] = field(repr=False)

    def __post_init__(self) -> None:
        check_size(len(self.source), limits.MAX_NAME_CHARS, "characters of a source's name")
        check_size(len(self.alerts), limits.MAX_ALERTS, "alerts", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The name behind the sender's pseudonym.

    Attributes:
        encoded: `identity.Profile.encoded`, up to 2 KiB; the receiver decodes it and holds it against
            the sender's certificate.

    Raises:
        UsageError: `TOO_LARGE`.
    """

    encoded: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_size(len(self.encoded), MAX_PROFILE_BYTES, "bytes of a profile")


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomInfo:
    """What people call the room from here on, where its sender may name it (section 6).

    Attributes:
        title: Up to 253 characters.
        description: Up to 1,024 characters.

    Raises:
        UsageError: `TOO_LARGE`.
    """

    title: str = field(repr=False)
    description: str = field(repr=False)

    def __post_init__(self) -> None:
        check_size(len(self.title), limits.MAX_NAME_CHARS, "characters of a title")
        check_size(len(self.description), limits.MAX_TEXT_CHARS, "characters of a description")


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMessage:
    """One earlier message, with what proves it against its logged commitment.

    Attributes:
        envelope: Its id, 32 bytes.
        content: Its canonical content, less than 128 KiB.
        k: Its disclosure key, 32 bytes.

    Raises:
        UsageError: `BAD_TYPE` or `TOO_LARGE`.
    """

    envelope: EnvelopeId
    content: bytes = field(repr=False)
    k: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.envelope) != 32 or len(self.k) != 32:
            raise UsageError(Code.BAD_TYPE, "envelope id and disclosure key have 32 bytes")
        check_size(len(self.content), limits.MAX_PLAINTEXT_BYTES, "bytes of content")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """Messages again, for devices that were in their audience and could not open them.

    Attributes:
        items: 1 to 96 messages.

    Raises:
        UsageError: `TOO_LARGE`.
    """

    items: tuple[PastMessage, ...]

    def __post_init__(self) -> None:
        check_size(len(self.items), MAX_REPAIRED, "messages of a repair", 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A body of a newer version.

    Attributes:
        type: Its number, 1 to 65,535: none of those above, or of what people say in a later version.
        raw: Its canonical CBOR.

    Raises:
        UsageError: `USAGE` for another number, `MALFORMED` for other bytes.
    """

    type: int
    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        try:
            value = cbor.decode(self.raw, max_bytes=limits.MAX_PLAINTEXT_BYTES, max_depth=MAX_BODY_DEPTH)
        except DecodeError as error:
            raise UsageError(Code.MALFORMED, "an unknown body is kept as canonical CBOR") from error
        known = self.type in _DECODERS or (self.type in _SAID and not _is_later(value))
        if known or not 0 < self.type <= MAX_TYPE:
            raise UsageError(Code.USAGE, f"{self.type} is not the number of an unknown body")


Said: TypeAlias = (
    Text | Reaction | Correction | Withdrawal | File | Incident | Task | TaskMoved | Proposal | Position | Clock
    | Handover | Page | Closing | ClosingRecorded | SignOff | Forwarded
)  # fmt: skip
"""What people say."""
Body: TypeAlias = Said | AlertBatch | Profile | RoomInfo | Grant | Repair | Unknown


def encode_body(body: Body) -> tuple[int, object]:  # noqa: PLR0911 - one for each of the union
    """The number of a body and its value, ready for `cbor.encode`."""
    match body:
        case Text() if body.is_plain:
            return _TEXT, [body.text]
        case AlertBatch():
            return _ALERTS, [body.source, encode_alerts(body.alerts)]
        case Profile():
            return _PROFILE, [body.encoded]
        case RoomInfo():
            return _ROOM_INFO, [body.title, body.description]
        case Grant():
            return _GRANT, body.encode()
        case Repair():
            return _REPAIR, [_rows(body.items)]
        case Unknown():
            return body.type, cbor.decode(body.raw, max_bytes=limits.MAX_PLAINTEXT_BYTES)
        case _:
            return _NUMBERS[type(body)], [VERSION, *body.encode()]


def body_name(body: Body) -> str:
    """What it is, in one word."""
    named = {TaskMoved: "task", ClosingRecorded: "closing", SignOff: "sign-off"}
    return named.get(type(body), type(body).__name__.lower())


def _rows(items: tuple[PastMessage, ...]) -> list[list[bytes]]:
    return [[item.envelope, item.content, item.k] for item in items]


def decode_body(number: int, value: cbor.Value) -> Body:
    """Read the body of a number; a number or version that is not known gives `Unknown`.

    Raises:
        DecodeError: `BAD_TYPE` or `TOO_LARGE`, or as `decode_alerts`.
    """
    decode, said = _DECODERS.get(number), _SAID.get(number)
    try:
        if decode is not None:
            return decode(value)
        if said is None or _is_later(value):
            return Unknown(type=number, raw=cbor.encode(value))
        return said.decode(value)
    except UsageError as error:
        raise DecodeError(error.code, error.detail) from error


def _decode_text(value: cbor.Value) -> Text:
    return Text(text=cbor.Fields(value, 1, "text").text(MAX_CHARS))


def _is_later(value: cbor.Value) -> bool:
    """Whether a body of what people say is of a version that is not known."""
    version = value[0] if isinstance(value, list) and value else None
    return type(version) is int and version > VERSION


def _decode_alerts(value: cbor.Value) -> AlertBatch:
    f = cbor.Fields(value, 2, "alert batch")
    return AlertBatch(source=f.text(limits.MAX_NAME_CHARS), alerts=decode_alerts(f.next()))


def _decode_profile(value: cbor.Value) -> Profile:
    return Profile(encoded=cbor.Fields(value, 1, "profile").blob(MAX_PROFILE_BYTES))


def _decode_room_info(value: cbor.Value) -> RoomInfo:
    f = cbor.Fields(value, 2, "room info")
    return RoomInfo(title=f.text(limits.MAX_NAME_CHARS), description=f.text(limits.MAX_TEXT_CHARS))


def _decode_repair(value: cbor.Value) -> Repair:
    return Repair(items=_decode_items(cbor.Fields(value, 1, "repair").array(MAX_REPAIRED)))


def _decode_items(rows: list[cbor.Value]) -> tuple[PastMessage, ...]:
    return tuple(_decode_item(row) for row in rows)


def _decode_item(row: cbor.Value) -> PastMessage:
    f = cbor.Fields(row, 3, "past message")
    return PastMessage(envelope=EnvelopeId(f.fixed(32)), content=f.blob(limits.MAX_PLAINTEXT_BYTES), k=f.fixed(32))


_DECODERS: Final[dict[int, Callable[[cbor.Value], Body]]] = {
    _TEXT: _decode_text,
    _ALERTS: _decode_alerts,
    _PROFILE: _decode_profile,
    _ROOM_INFO: _decode_room_info,
    _GRANT: Grant.decode,
    _REPAIR: _decode_repair,
}


class _Form(NamedTuple):
    """How a body of what people say is read.

    Attributes:
        types: What it may be.
        name: Its name.
        fields: How many follow the version.
        read: Reads them.
    """

    types: tuple[type[Said], ...]
    name: str
    fields: int
    read: Callable[[cbor.Fields], Said]

    def decode(self, value: cbor.Value) -> Said:
        """Read it, its version first."""
        f = cbor.Fields(value, 1 + self.fields, self.name)
        if f.uint() != VERSION:
            raise DecodeError(Code.BAD_TYPE, f"{self.name}: versions begin with {VERSION}")
        return self.read(f)


_SAID: Final = {
    7: _Form((Reaction,), "reaction", 3, Reaction.decode),
    8: _Form((Correction,), "correction", 3, Correction.decode),
    9: _Form((Withdrawal,), "withdrawal", 2, Withdrawal.decode),
    10: _Form((File,), "file", 8, File.decode),
    11: _Form((Incident,), "incident", 5, Incident.decode),
    12: _Form((Task, TaskMoved), "task", 2, decode_task),
    13: _Form((Proposal,), "proposal", 5, Proposal.decode),
    14: _Form((Position,), "position", 3, Position.decode),
    15: _Form((Clock,), "clock", 5, Clock.decode),
    16: _Form((Handover,), "handover", 2, Handover.decode),
    17: _Form((Text,), "text", 5, Text.decode),
    18: _Form((Page,), "page", 6, Page.decode),
    19: _Form((Closing, ClosingRecorded), "closing", 1, decode_closing),
    20: _Form((SignOff,), "sign-off", 3, SignOff.decode),
    21: _Form((Forwarded,), "forwarded", 3, Forwarded.decode),
}
_NUMBERS: Final[dict[type[Said], int]] = {kind: number for number, form in _SAID.items() for kind in form.types}
