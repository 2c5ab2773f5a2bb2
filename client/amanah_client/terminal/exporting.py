"""`/export`: the report of a room as a new file, in the form that its name asks for."""

from __future__ import annotations

import os
import time
from datetime import tzinfo
from pathlib import Path
from typing import Final

from amanah_client.report.forms import ENDINGS, Form, rendered
from amanah_client.report.reading import read_room, usual_label
from amanah_client.report.room import room_report
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.errors import Code, UsageError

_MODE: Final = 0o600


def export(client: Client, room: Room, named: str, zone: tzinfo | None) -> Path:
    """Write the report; gives where. It reads the whole room, and may take a moment.

    Args:
        client: Whose room it is.
        room: The room.
        named: The new file; one named by the room in the working folder where it is "".
        zone: The zone that times are shown in beside UTC; None for that of this machine.

    Raises:
        UsageError: `USAGE` when the file is there already or cannot be written, `CONFIG` when its form needs an extra.
    """
    path = Path(named or f"report-{room.id.hex()[:8]}.md").expanduser()
    made = room_report(read_room(client, room), asked=usual_label(room), zone=zone)
    form: Form = next((form for form, ending in ENDINGS.items() if ending == path.suffix), "markdown")
    data = rendered(made, form, time.time_ns() // 1_000_000)
    try:
        # Nobody else reads it, and nothing that is there already is lost.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
            file.write(data)
    except OSError as error:
        hint = "Name a new file behind /export."
        raise UsageError(Code.USAGE, f"{path}: {error.strerror or 'it cannot be written'}", hint=hint) from error
    return path.resolve()
