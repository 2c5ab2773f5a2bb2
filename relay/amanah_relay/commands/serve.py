"""`amanah-relay serve`: the relay at work."""

from __future__ import annotations

import resource

from amanah_relay import terminal
from amanah_relay.commands.options import DEFAULTS, Options
from amanah_relay.keys import load_relay_keys
from amanah_relay.service import run_service


def serve(*, options: Options = DEFAULTS) -> None:
    """Run the relay until SIGTERM or Ctrl-C."""
    config = options.load()
    _prepare_process()
    keys = load_relay_keys(config.keys.file)
    run_service(config, keys, lambda address: terminal.say(f"listening on {address}"), terminal.warn)


def _prepare_process() -> None:
    # Each connection is a descriptor; the usual soft limit is a tenth of what the relay serves.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
