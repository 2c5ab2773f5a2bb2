"""`/export`: the report of a room as a new file, in the form that its name asks for."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import tzinfo
from pathlib import Path
from typing import BinaryIO, Final

from amanah_client.report.forms import ENDINGS, Form
from amanah_client.report.reading import usual_label
from amanah_client.report.taking import Taken, record, recorded, take
from amanah_client.room import Room
from amanah_protocol.errors import Code, UsageError

_MODE: Final = 0o600


async def export(room: Room, named: str, zone: tzinfo | None) -> tuple[Path, str]:
    """Write the report; gives where, and whether the room is told. It reads the whole room, and may take a moment.

    Args:
        room: The room.
        named: The new file; one named by the room in the working folder where it is "".
        zone: The zone that times are shown in beside UTC; None for that of this machine.

    Raises:
        UsageError: `USAGE` when the file is there already or cannot be written, `CONFIG` when its form needs an extra.
    """
    path, taken = await asyncio.to_thread(_make, room, named, zone)
    file = await asyncio.to_thread(_opened, path)
    told = await record(room, taken)
    await asyncio.to_thread(_fill, file, path, taken.data)
    return path, recorded(taken, told)


def _make(room: Room, named: str, zone: tzinfo | None) -> tuple[Path, Taken]:
    path = Path(named or f"report-{room.id.hex()[:8]}.md").expanduser().absolute()
    form: Form = next((form for form, ending in ENDINGS.items() if ending == path.suffix), "markdown")
    now_ms = time.time_ns() // 1_000_000
    return path, take(room, notice=None, asked=usual_label(room), form=form, zone=zone, now_ms=now_ms)


def _opened(path: Path) -> BinaryIO:
    """A new file: nobody else reads it, and nothing that is there already is lost."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb")
    except OSError as error:
        raise _unwritten(path, error) from error


def _fill(file: BinaryIO, path: Path, data: bytes) -> None:
    try:
        with file:
            file.write(data)
    except OSError as error:
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> UsageError:
    hint = "Name a new file behind /export."
    return UsageError(Code.USAGE, f"{path}: {error.strerror or 'it cannot be written'}", hint=hint)
