"""Entry point of `amanah`."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

from cyclopts import App, CycloptsError

from amanah_client.cli import audit, ceremony, chat, doctor, rooms, terminal
from amanah_client.keystore import forbid_memory_dumps
from amanah_protocol.errors import AmanahError

app = App(
    name="amanah",
    help="One end-to-end encrypted, provable channel between national CERTs.",
    version=version("amanah"),
)
for part in (ceremony.org, ceremony.roster, ceremony.device, rooms.app, chat.outbox, audit.app):
    app.command(part)
for verb in (*chat.VERBS, doctor.doctor):
    app.command(verb)


def run() -> None:
    """Run the command line and leave with its documented exit code."""
    forbid_memory_dumps()
    try:
        app(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        terminal.say(f"amanah: {error} See `amanah --help`.")
        sys.exit(terminal.EXIT_USAGE)
    except AmanahError as error:
        sys.exit(terminal.report(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has enough; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(terminal.EXIT_OK)
