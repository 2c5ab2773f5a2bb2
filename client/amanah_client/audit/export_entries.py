"""The entries of a bundle for analysis: `entries.csv` and `entries.jsonl`, the columns of `docs/cli.md`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Final

from amanah_client.audit.report import Bounds, Nations, Stamped, Who
from amanah_client.audit.table import Line, nations
from amanah_client.moments import iso
from amanah_client.plain import plain

COLUMNS: Final = (
    "log_index", "room", "room_seq", "id", "kind", "said", "label", "precedence", "size_class", "epoch",
    "from_organisation", "from_subject", "from_role", "from_device", "to", "claimed", "accepted",
    "witnessed_not_before", "witnessed_not_after", "state", "stamped_not_after", "drill",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""How a cell begins that a spreadsheet would run."""


def csv_pieces(lines: Iterable[Line]) -> Iterator[bytes]:
    """RFC 4180, UTF-8: a line of column names, then one line an entry."""
    yield _csv_line(COLUMNS)
    for line in lines:
        entry = line.entry
        who = who_json(entry.sender)
        yield _csv_line(
            (
                entry.index, entry.room.hex(), entry.room_seq, entry.envelope.hex(), entry.kind.name.lower(), line.said,
                entry.label.text, entry.precedence.name.lower(), entry.size_class, entry.epoch,
                who["organisation"], who["subject"], who["role"], who["device"], nations(entry.readers),
                iso(entry.sent_at_ms), iso(entry.accepted_at_ms),
                iso(entry.witnessed.not_before_ms), iso(entry.witnessed.not_after_ms), line.state,
                ", ".join(f"{iso(one.not_after_ms)} by {one.authority}" for one in entry.stamped),
                "DRILL" if line.drill else "",
            )
        )  # fmt: skip


def _csv_line(values: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(["" if value is None else _cell(str(value)) for value in values])
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(text: str) -> str:
    """A recipient or an agreement is others' text: behind an apostrophe a spreadsheet shows it and runs nothing."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def json_pieces(lines: Iterable[Line]) -> Iterator[bytes]:
    """One JSON object a line, ASCII."""
    for line in lines:
        yield (json.dumps(line_json(line)) + "\n").encode("ascii")


def line_json(line: Line) -> dict[str, object]:
    """An entry for programs; the names are those of `--json`."""
    entry = line.entry
    return {
        "log_index": entry.index,
        "accepted": iso(entry.accepted_at_ms),
        "sent": iso(entry.sent_at_ms),
        "times": times_json(entry.sent_at_ms, entry.accepted_at_ms, entry.witnessed, entry.stamped),
        "room": entry.room.hex(),
        "room_seq": entry.room_seq,
        "id": entry.envelope.hex(),
        "envelope": entry.envelope.hex(),
        "from": who_json(entry.sender),
        "to": nations_json(entry.readers),
        "kind": entry.kind.name.lower(),
        "header": plain(entry.specific),
        "said": line.said,
        "label": entry.label.text,
        "precedence": entry.precedence.name.lower(),
        "size_class": entry.size_class,
        "epoch": entry.epoch,
        "state": line.state,
        "drill": line.drill,
    }


def times_json(claimed_ms: int, accepted_ms: int, witnessed: Bounds, stamps: Iterable[Stamped]) -> dict[str, object]:
    """The times of an entry, each under the name of whose word it is."""
    between = {"not_before": iso(witnessed.not_before_ms), "not_after": iso(witnessed.not_after_ms)}
    by = [{"authority": one.authority, "not_after": iso(one.not_after_ms)} for one in stamps]
    return {"claimed": iso(claimed_ms), "accepted": iso(accepted_ms), "witnessed": between, "stamped": by}


def who_json(who: Who) -> dict[str, str | None]:
    """A device as an auditor sees it."""
    return {
        "organisation": who.organisation or None,
        "subject": None if who.subject is None else who.subject.hex(),
        "role": None if who.role is None else who.role.name.lower(),
        "device": who.device.hex(),
    }


def nations_json(members: Nations) -> dict[str, int]:
    """Nation -> devices."""
    return {str(name): count for name, count in members}
