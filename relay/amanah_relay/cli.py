"""Entry point of `amanah-relay`: the table of commands, and the last word on every error."""

from __future__ import annotations

import os
import resource
import sys
from typing import Final

from cyclopts import App, CycloptsError, Parameter

from amanah_protocol.errors import AmanahError
from amanah_relay import terminal

# Commands are named by where they stand: a program that is started for one verb loads that verb.
_COMMANDS: Final = (
    ("keys", "keys:keys", "Make the relay's keys if there are none, and print the card for the roster."),
    ("init", "stored:init", "Make the store; the log begins with the roster."),
    ("serve", "serve:serve", "Run the relay until SIGTERM or Ctrl-C."),
    ("check", "check:check", "Check configuration, keys, certificate, store, roster, port and clock."),
    ("backup", "stored:backup", "Copy the store into a new file, also while the relay runs."),
    ("verify-log", "stored:verify_log", "Verify every leaf, chain, batch and content of the store against the log."),
)
_INTERRUPTED: Final = 130
_EPILOGUE: Final = f"""{terminal.EXIT_CODES}

A relay is made in two steps, because the community's roster names its keys:
`amanah-relay keys --origin relay.example.org/log --address wss://relay.example.org:8443 --out relay.card`,
then, with the signed roster, `amanah-relay init --roster roster.txt` and `amanah-relay serve`."""


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - slow to import, and asked for once in a while

    return version("amanah")


def _shown_default(value: object) -> str | None:
    """What help says of a default: that a switch is off until it is given says nothing."""
    return None if value is None or value is False else str(value)


app = App(
    name="amanah-relay",
    help="The relay of Amanah: orders, stores and forwards sealed envelopes that it cannot read.",
    help_epilogue=_EPILOGUE,
    version=_version,
    version_format="plaintext",
    help_format="plaintext",
    default_parameter=Parameter(negative="", show_default=_shown_default),
    suppress_keyboard_interrupt=False,
)
for verb, place, about in _COMMANDS:
    app.command(f"amanah_relay.commands.{place}", name=verb, help=about)


def run() -> None:
    """Run the command line and leave with its documented exit code."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run one command; gives the exit code."""
    # A core file would put the relay's keys on the disk in plain form.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not {"--help", "-h"}.isdisjoint(arguments):
        _explain(arguments[0])
    try:
        code = _command(arguments)
    except KeyboardInterrupt:
        terminal.say("amanah-relay: interrupted")
        return _INTERRUPTED
    except BrokenPipeError:
        code = terminal.EXIT_OK
    _hand_over()
    return code


def _hand_over() -> None:
    """Flush the results; whoever read our output and has enough is no error, and there is nobody left to tell."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(wanted: str) -> None:
    """Let a verb's help be all that is written at it; the table's line is for the list of verbs."""
    for verb, place, _ in _COMMANDS:
        if verb == wanted:
            del app[verb]
            app.command(f"amanah_relay.commands.{place}", name=verb)
            app.help_format = "markdown"


def _command(arguments: list[str]) -> int:
    """Run one command; an error of it is reported here, and what it wrote before is not lost."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        terminal.say(f"amanah-relay: {error} See `amanah-relay --help`.")
        return terminal.EXIT_USAGE
    except AmanahError as error:
        return terminal.report(error)
    except SystemExit:
        # Of the library that prints help: whoever read it has enough.
        return terminal.EXIT_OK
    return code if isinstance(code, int) else terminal.EXIT_OK
