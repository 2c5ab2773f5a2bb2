"""How rows are laid down: typed values as MessagePack inside SQLCipher pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar, get_args

import msgspec

from amanah_client import actions, model
from amanah_client.reasons import Reason
from amanah_protocol.errors import Code, DecodeError

T = TypeVar("T")

_ACTIONS: Final = {cls.__name__: cls for cls in get_args(actions.Action)}
_encoder: Final = msgspec.msgpack.Encoder()
_decoders: Final[dict[type, msgspec.msgpack.Decoder[object]]] = {}


def encode_row(row: object) -> bytes:
    """Encode a dataclass of `model`."""
    return _encoder.encode(row)


def decode_row(data: bytes, row_type: type[T]) -> T:
    """Decode a dataclass of `model`.

    Raises:
        DecodeError: `MALFORMED` when the row is damaged or of another version.
    """
    decoder = _decoders.get(row_type)
    if decoder is None:
        decoder = _decoders[row_type] = msgspec.msgpack.Decoder(row_type)
    try:
        return decoder.decode(data)  # type: ignore[return-value]  # the decoder was made for row_type
    except msgspec.MsgspecError as error:
        raise DecodeError(Code.MALFORMED, f"a stored {row_type.__name__} is damaged or of another version") from error


def encode_action(action: actions.Action) -> tuple[str, bytes]:
    """(name, body) of an action."""
    return type(action).__name__, _encoder.encode(action)


class _IntentRow(msgspec.Struct, frozen=True, array_like=True):
    id: str
    created_at_ms: int
    state: model.IntentState
    code: str
    detail: str
    room: bytes | None
    envelope: bytes | None
    index: int | None
    room_seq: int | None
    result: bytes
    reasons: tuple[Reason, ...] = ()
    """Behind what earlier versions wrote: they read no further, and what they wrote is read without it."""


_FIELDS: Final = _IntentRow.__struct_fields__


def encode_intent(intent: model.Intent) -> bytes:
    """Everything of an intent but its action."""
    return _encoder.encode(_IntentRow(*(getattr(intent, name) for name in _FIELDS)))


def decode_intent(action: str, body: bytes, row: bytes) -> model.Intent:
    """An intent from its columns; the action of a finished one has lost its body and is `Finished`.

    Raises:
        DecodeError: `MALFORMED`.
    """
    fields = decode_row(row, _IntentRow)
    found = decode_row(body, _ACTIONS[action]) if body else actions.Finished(name=action)
    intent = model.Intent(id=fields.id, action=found, created_at_ms=fields.created_at_ms)
    return replace(intent, **{name: getattr(fields, name) for name in _FIELDS})
