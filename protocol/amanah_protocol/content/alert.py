"""Alerts of sensors, in one shape for all sources: the sealed content of an alert envelope.

An envelope carries 1 to 100 alerts as an array of arrays with a fixed order of fields:

    alerts = [1*100 alert]
    alert  = [ source: tstr, dedupe_id: tstr, observed_at_ms: uint, severity: 0..3, title: tstr,
               category: tstr, signature_id: tstr, source_address: tstr / null, source_port: uint / null,
               destination_address: tstr / null, destination_port: uint / null, protocol: tstr / null,
               original: bstr, original_hash: bstr .size 32 ]
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from amanah_protocol import cbor, limits
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, DecodeError, UsageError
from amanah_protocol.types import Milliseconds

MAX_OBSERVED_AT_MS: Final = 253_402_300_799_999
"""The last millisecond of the year 9999: every later time would fail when it is shown."""

PLAINTEXT_OVERHEAD_BYTES: Final = 512
"""Room left in the plaintext for what stands beside the alerts."""

MAX_PACK_BYTES: Final = limits.MAX_PLAINTEXT_BYTES - PLAINTEXT_OVERHEAD_BYTES

_FIELDS: Final = 14
_MAX_PORT: Final = 65_535
_HASH_BYTES: Final = 32
_ARRAY_HEAD_BYTES: Final = 2
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


class Severity(IntEnum):
    """How bad it is, in ascending order; the number is the wire form."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert. Construction checks every bound, so an invalid one does not exist.

    Texts hold no control characters: a title is shown in terminals, where an escape sequence from
    the network could rewrite what an officer has on the screen.

    Attributes:
        source: The kind of system that made it (`suricata`), up to 253 characters.
        dedupe_id: Equal for records of the same event, in the source's own terms, up to 253
            characters. Two packets of one flow can share it: only `original_hash` is an identity.
        observed_at_ms: When the source saw it, Unix milliseconds, up to the year 9999.
        severity: Normalised severity.
        title: What was seen, up to 1,024 characters.
        category: The source's class of it, up to 1,024 characters, possibly empty.
        signature_id: The rule that matched, as the source numbers it, up to 253 characters.
        source_address: Address the traffic came from, as written, up to 253 characters.
        source_port: 0 to 65,535.
        destination_address: Address the traffic went to, as written, up to 253 characters.
        destination_port: 0 to 65,535.
        protocol: Transport protocol as the source names it, up to 253 characters.
        original: The source's own record, up to 64 KiB; empty when it was longer.
        original_hash: SHA-256 (32 bytes) of the source's record, also when that is left out.

    Raises:
        UsageError: `MALFORMED`, `TOO_LARGE` or `CONTENT_HASH` on construction.
    """

    source: str
    dedupe_id: str
    observed_at_ms: Milliseconds
    severity: Severity
    title: str
    category: str
    signature_id: str
    source_address: str | None = None
    source_port: int | None = None
    destination_address: str | None = None
    destination_port: int | None = None
    protocol: str | None = None
    original: bytes
    original_hash: bytes

    def __post_init__(self) -> None:
        """Check the bounds."""
        for text in (self.title, self.category):
            _check_text(text, limits.MAX_TEXT_CHARS)
        for name in (self.source, self.dedupe_id, self.signature_id):
            _check_text(name, limits.MAX_NAME_CHARS)
        for word in (self.source_address, self.destination_address, self.protocol):
            _check_text(word or "", limits.MAX_NAME_CHARS)
        for port in (self.source_port or 0, self.destination_port or 0):
            if not 0 <= port <= _MAX_PORT:
                raise UsageError(Code.MALFORMED, "alert: a port is between 0 and 65535")
        if not 0 <= self.observed_at_ms <= MAX_OBSERVED_AT_MS:
            raise UsageError(Code.MALFORMED, "alert: the time is not between the years 1970 and 9999")
        self._check_original()

    def _check_original(self) -> None:
        if len(self.original) > limits.MAX_ALERT_ORIGINAL_BYTES:
            raise UsageError(Code.TOO_LARGE, "alert: the original record is above 64 KiB; keep its hash alone")
        if len(self.original_hash) != _HASH_BYTES:
            raise UsageError(Code.MALFORMED, "alert: the hash of the original has 32 bytes")
        # Otherwise a sender could show one record now and prove another one later.
        if self.original and sha256(self.original) != self.original_hash:
            raise UsageError(Code.CONTENT_HASH, "alert: the hash is not that of the original record")

    def to_row(self) -> list[cbor.Value]:
        """The fourteen fields in their wire order."""
        return [
            self.source,
            self.dedupe_id,
            self.observed_at_ms,
            int(self.severity),
            self.title,
            self.category,
            self.signature_id,
            self.source_address,
            self.source_port,
            self.destination_address,
            self.destination_port,
            self.protocol,
            self.original,
            self.original_hash,
        ]


def plain_text(text: str, max_chars: int) -> str:
    """Make a source's text fit an `Alert`: control characters replaced (U+FFFD), cut to `max_chars`."""
    return "".join(_REPLACEMENT if _is_control(char) else char for char in text[:max_chars])


def encode_alerts(alerts: Sequence[Alert]) -> list[cbor.Value]:
    """The array of `alerts` for `cbor.encode`.

    Raises:
        UsageError: `TOO_LARGE` unless there are 1 to 100.
    """
    if not 1 <= len(alerts) <= limits.MAX_ALERTS:
        raise UsageError(Code.TOO_LARGE, f"{len(alerts)} alerts where 1 to {limits.MAX_ALERTS} are allowed")
    return [alert.to_row() for alert in alerts]


def decode_alerts(value: cbor.Value) -> tuple[Alert, ...]:
    """Read what `encode_alerts` made, after `cbor.decode`.

    Raises:
        DecodeError: `BAD_TYPE`, `MALFORMED`, `TOO_LARGE` or `CONTENT_HASH`.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= limits.MAX_ALERTS:
        raise DecodeError(Code.BAD_TYPE, f"alerts: an array of 1 to {limits.MAX_ALERTS} is wanted")
    return tuple(_decode_alert(row) for row in value)


def _decode_alert(row: cbor.Value) -> Alert:
    f = cbor.Fields(row, _FIELDS, "alert")
    try:
        return Alert(
            source=f.text(limits.MAX_NAME_CHARS),
            dedupe_id=f.text(limits.MAX_NAME_CHARS),
            observed_at_ms=f.uint(MAX_OBSERVED_AT_MS),
            severity=Severity(f.uint(Severity.CRITICAL)),
            title=f.text(limits.MAX_TEXT_CHARS),
            category=f.text(limits.MAX_TEXT_CHARS),
            signature_id=f.text(limits.MAX_NAME_CHARS),
            source_address=f.optional_text(limits.MAX_NAME_CHARS),
            source_port=f.optional_uint(),
            destination_address=f.optional_text(limits.MAX_NAME_CHARS),
            destination_port=f.optional_uint(),
            protocol=f.optional_text(limits.MAX_NAME_CHARS),
            original=f.blob(limits.MAX_ALERT_ORIGINAL_BYTES),
            original_hash=f.fixed(_HASH_BYTES),
        )
    except UsageError as flaw:
        raise DecodeError(flaw.code, flaw.detail) from flaw


class AlertPacker:
    """Gathers alerts into packs of at most 100 alerts and `max_bytes` encoded bytes, in order.

    For sources that never end: `add` each alert, and `flush` when the source falls silent.
    """

    __slots__ = ("_bytes", "_max_bytes", "_pending")

    def __init__(self, max_bytes: int = MAX_PACK_BYTES) -> None:
        """Start empty; `max_bytes` bounds the encoded array of one pack."""
        self._max_bytes = max_bytes
        self._pending: list[Alert] = []
        self._bytes = _ARRAY_HEAD_BYTES

    def add(self, alert: Alert) -> tuple[Alert, ...]:
        """Take one alert; the result is a pack that is ready to be sent now, or empty.

        An alert that is too large even alone travels without its original; the hash stays.

        Raises:
            UsageError: `TOO_LARGE` when it does not fit without its original either; what was
                taken before is unharmed.
        """
        size = len(cbor.encode(alert.to_row()))
        if _ARRAY_HEAD_BYTES + size > self._max_bytes:
            alert = replace(alert, original=b"")
            size = len(cbor.encode(alert.to_row()))
        if _ARRAY_HEAD_BYTES + size > self._max_bytes:
            raise UsageError(Code.TOO_LARGE, f"an alert of {size} bytes does not fit into {self._max_bytes}")
        ready = self.flush() if self._bytes + size > self._max_bytes else ()
        self._pending.append(alert)
        self._bytes += size
        return self.flush() if len(self._pending) == limits.MAX_ALERTS else ready

    def flush(self) -> tuple[Alert, ...]:
        """Hand over what has gathered, possibly nothing, and start again."""
        pack = tuple(self._pending)
        self._pending.clear()
        self._bytes = _ARRAY_HEAD_BYTES
        return pack


def pack_alerts(alerts: Iterable[Alert], max_bytes: int = MAX_PACK_BYTES) -> Iterator[tuple[Alert, ...]]:
    """Split a finite stream into packs for one envelope each, in order; none is empty.

    Raises:
        UsageError: `TOO_LARGE` for an alert that does not fit into `max_bytes` even without its
            original.
    """
    packer = AlertPacker(max_bytes)
    for alert in alerts:
        if pack := packer.add(alert):
            yield pack
    if rest := packer.flush():
        yield rest


def _is_control(char: str) -> bool:
    # Cc: terminal control; Cs: lone surrogates, which have no UTF-8 form at all.
    return unicodedata.category(char) in {"Cc", "Cs"}


def _check_text(text: str, max_chars: int) -> None:
    if len(text) > max_chars:
        raise UsageError(Code.TOO_LARGE, f"alert: a text has more than {max_chars} characters")
    if not text.isascii() or not text.isprintable():
        _check_characters(text)


def _check_characters(text: str) -> None:
    if any(_is_control(char) for char in text):
        raise UsageError(Code.MALFORMED, "alert: a text holds control characters")
