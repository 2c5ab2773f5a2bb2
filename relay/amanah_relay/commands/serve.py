"""`amanah-relay serve`: the relay at work."""

from __future__ import annotations

import resource

from amanah_protocol.errors import Code, OperationalError
from amanah_relay import terminal
from amanah_relay.checks import is_answered_by
from amanah_relay.commands.options import DEFAULTS, Options
from amanah_relay.keys import load_relay_keys
from amanah_relay.service import run_service


def serve(*, options: Options = DEFAULTS) -> None:
    """Run the relay until SIGTERM or Ctrl-C."""
    config = options.load()
    _prepare_process()
    keys = load_relay_keys(config.keys.file)
    try:
        run_service(config, keys, lambda address: terminal.say(f"listening on {address}"), terminal.warn)
    except OperationalError as error:
        # Not another port is wanted where it is this very relay that has it.
        if error.code is Code.ADDRESS_IN_USE and is_answered_by(keys, config):
            hint = "Nothing is to be done; to start it anew, stop the other one first."
            raise OperationalError(error.code, "this relay is running already", hint=hint) from error
        raise


def _prepare_process() -> None:
    # Each connection is a descriptor; the usual soft limit is a tenth of what the relay serves.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
