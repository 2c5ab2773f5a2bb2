"""Entry point of `amanah`: the table of commands, and the last word on every error."""

from __future__ import annotations

import gc
import os
import sys
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final

import platformdirs
from cyclopts import App, CoercionError, CycloptsError, Group, MissingArgumentError, Parameter, UnusedCliTokensError

from amanah_client.cli import terminal
from amanah_client.language import ENGLISH, Language, language, of_environment, setting, speak
from amanah_client.language.choice import VARIABLE
from amanah_client.process import forbid_memory_dumps
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError

# Commands are named by where they stand: a program that is started for one verb loads that verb.
_COMMANDS: Final = {
    "Work in rooms": (
        ("desk", "desk:desk", "Open the officers' desk in a browser of this machine."),
        ("chat", "officer:chat", "Work in rooms on a terminal: conversation, board, composer."),
        ("room", "rooms:app", "Open rooms, see who is in, invite and remove."),
        ("template", "templates:app", "What rooms can be opened with: label, roles, checklist, joint times."),
        ("send", "chat:send", "Send a message to a room."),
        ("read", "chat:read", "Read a room."),
        ("tail", "chat:tail", "Follow a room, or all of them."),
        ("search", "search:search", "Search what was said, in all rooms or in one."),
        ("attach", "attachments:attach", "Hand a file over to a room."),
        ("files", "attachments:files", "List the files of a room."),
        ("save", "attachments:save", "Save a file of a room, verified."),
        ("react", "answering:react", "Put a sign on a message."),
        ("correct", "answering:correct", "Put another text in the place of yours."),
        ("withdraw", "answering:withdraw", "Take back a message of yours."),
        ("erase", "answering:erase", "Drop what a message of yours says, everywhere."),
        ("outbox", "outbox:app", "What is queued, held or on its way."),
    ),
    "Work an incident": (
        ("board", "incident:board", "See what a room's entries come to: incident, tasks, decisions, joint times."),
        ("incident", "incident:incident", "Say where the incident stands."),
        ("ack", "answering:ack", "Acknowledge a message, in one of four grades."),
        ("task", "incident:task", "Ask a nation to do something, and say how far it is."),
        ("decide", "incident:decide", "Propose, agree or object, and close what was decided."),
        ("clock", "incident:clock", "Set a joint time, move it, call it off."),
        ("handover", "answering:handover", "Leave a note for the next shift."),
        ("watch", "watching:watch", "Ring for what must not wait, and page others, until somebody acknowledges."),
        ("duty", "watching:duty", "Who is on duty, and who would be paged."),
        ("alert", "alerts:alert", "Post alerts from Suricata EVE lines."),
        ("close", "closing:close", "Ask a room's nations to sign off, and record that the closing stands."),
        ("sign-off", "closing:sign_off", "Sign for your nation what a room's entries came to."),
    ),
    "Hand on and prove": (
        ("relabel", "labels:relabel", "Change the label of a message, for all to see."),
        ("forward", "labels:forward", "Quote a message into another room, where its label lets it go there."),
        ("grant", "labels:grant", "Give messages from before they came to members of a room."),
        ("report", "reports:report", "Write what a room's entries say, each line with the entry that says it."),
        ("disclose", "evidence:disclose", "Disclose one message, with proof, to somebody outside its room."),
        ("audit", "audit:app", "Copy, verify, list and export the record's metadata."),
    ),
    "Set up and look after": (
        ("org", "ceremony:org", "An organisation's own acts: root, certificates, revocations, grants and holds."),
        ("roster", "ceremony:roster", "The community's signed list of organisations and relays."),
        ("device", "ceremony:device", "Enrol this device."),
        ("witness", "witness:app", "Cosign a log's checkpoints for others: what continues it, and nothing else."),
        ("doctor", "doctor:doctor", "Check this profile and its connection, and say what to do."),
    ),
}
"""What help shows together -> its verbs."""
_SPOKEN: Final = frozenset({
    "chat", "room", "send", "read", "tail", "search", "ack", "react", "correct", "withdraw", "erase", "handover",
    "board", "incident", "task", "decide", "clock", "outbox", "attach", "files", "save", "close", "sign-off",
    "watch", "duty", "template", "relabel", "forward", "grant", "report",
    "org", "roster", "device",
})  # fmt: skip
"""Verbs that speak other languages than English: an officer's day, and becoming part of the community."""
_TRACEBACK: Final = "AMANAH_TRACEBACK"
_EXTRAS: Final = {
    **dict.fromkeys(("jinja2", "starlette", "uvicorn"), ("web", "which this verb answers browsers and programs with")),
    "textual": ("terminal", "which draws the terminal"),
}
"""Package -> the extra that brings it, and what it is for."""


def _version() -> str:
    from importlib.metadata import version  # noqa: PLC0415 - slow to import, and asked for once in a while

    return version("amanah")


def _shown_default(value: object) -> str | None:
    """What help says of a default: that a switch is off until it is given says nothing, an empty text neither."""
    return None if value is None or value is False or value == "" else str(value)


app = App(
    name="amanah",
    help="One end-to-end encrypted, provable channel between national CERTs.",
    help_epilogue=terminal.EXIT_CODES,
    version=_version,
    version_format="plaintext",
    help_format="plaintext",
    # A list that is left out is empty already: it needs no `--empty-...` beside it.
    default_parameter=Parameter(show_default=_shown_default, negative_iterable=()),
    suppress_keyboard_interrupt=False,
)
for called, verbs in _COMMANDS.items():
    together = Group.create_ordered(called)
    for verb, place, about in verbs:
        app.command(f"amanah_client.cli.{place}", name=verb, help=about, group=together)


def run() -> int:
    """Run the command line of this process; gives the documented exit code."""
    forbid_memory_dumps()
    # What is loaded stays: to look through it after every 700 objects takes a tenth of a start.
    gc.set_threshold(10_000, 20, 50)
    return main(sys.argv[1:])


def main(arguments: list[str]) -> int:
    """Run one command.

    Args:
        arguments: What follows the program's name.

    Returns:
        The documented exit code (`terminal`).
    """
    terminal.prepare(arguments)
    try:
        speak(_language(arguments))
    except AmanahError as error:
        return terminal.report(error)
    if not {"--help", "-h"}.isdisjoint(arguments):
        _explain(arguments[0])
    try:
        code = _command(arguments)
    except KeyboardInterrupt:
        terminal.say("amanah: interrupted")
        return terminal.EXIT_INTERRUPTED
    except BrokenPipeError:
        code = terminal.EXIT_OK
    except OSError as error:
        code = terminal.report(terminal.operational(error))
    return _hand_over(code)


def _language(arguments: list[str]) -> Language:
    """What a command line is answered in: English for programs, and where evidence is made or read."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if not options or options[0] not in _SPOKEN or "--json" in options:
        return ENGLISH
    profile = terminal.home_folder() or os.environ.get("AMANAH_HOME") or platformdirs.user_data_dir("amanah")
    return of_environment(os.environ, "" if language(os.environ.get(VARIABLE, "")) else setting(Path(profile)))


def _hand_over(code: int) -> int:
    """Flush the results; gives the exit code. That a reader has enough is no error, and nobody is left to tell."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        return terminal.report(terminal.operational(error, "standard output"))
    return code


def _explain(wanted: str) -> None:
    """Let a verb's help be all that is written at it, with its example; the table's line is for the list of verbs."""
    for verb, place, _ in chain.from_iterable(_COMMANDS.values()):
        if verb == wanted:
            del app[verb]
            app.command(f"amanah_client.cli.{place}", name=verb)
            app.help_format = "markdown"


def _wrong_usage(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError):
        unused = " ".join(error.unused_tokens or ())
        return f"nothing takes what stands at the end: {unused}. A text of several words stands in quotes."
    if isinstance(error, MissingArgumentError) and error.argument is not None and not error.argument.tokens:
        return f"{error.argument.name} is needed." if error.keyword is None else str(error)
    if isinstance(error, CoercionError) and error.target_type is datetime and error.token is not None:
        # What the library says names a type of the language, and no form that it would take.
        given = terminal.single(error.token.value)
        return f"{error.token.keyword}: {given!r} is not a time. Write it as 2026-11-23 or 2026-11-23T12:00, in UTC."
    return str(error)


def _missing_of(error: BaseException | None) -> str:
    """The package without which a verb could not be loaded; "" where something else is the matter."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            return error.name.partition(".")[0]
        error = error.__cause__
    return ""


def _command(arguments: list[str]) -> int:
    """Run one command; an error of it is reported here, and what it wrote before is not lost."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        terminal.say(
            f"amanah: {_wrong_usage(error)} See `{' '.join(('amanah', *(error.command_chain or ())))} --help`."
        )
        return terminal.EXIT_USAGE
    except AmanahError as error:
        return terminal.report(error)
    except SystemExit:
        # Of the library that prints help: whoever read it has enough.
        return terminal.EXIT_OK
    except OSError:
        raise
    except Exception as error:
        missing = _missing_of(error)
        if missing in _EXTRAS:
            extra, purpose = _EXTRAS[missing]
            hint = f"Install the extra: pip install 'amanah[{extra}]'."
            detail = f"{missing} is not installed, {purpose}"
            return terminal.report(UsageError(Code.CONFIG, detail, hint=hint))
        if os.environ.get(_TRACEBACK):
            raise
        # Not its text: it could quote what was sealed.
        fault = f"{type(error).__name__} in the program ({_TRACEBACK}=1 shows where)"
        return terminal.report(OperationalError(Code.INTERNAL, fault))
    return code if isinstance(code, int) else terminal.EXIT_OK
