"""What commands ask a person, on a terminal alone; no command requires it."""

from __future__ import annotations

import contextlib
import getpass
import signal
import sys
import termios
import threading
from collections.abc import Iterator
from typing import Final

from amanah_client.cli.terminal import say
from amanah_client.keystore import check_strength, made_passphrase
from amanah_client.language import gettext as _
from amanah_client.language import isolate
from amanah_protocol.errors import Code, UsageError

TRIES: Final = 3
_SILENT_S: Final = 0.5
"""A wait that nobody wonders about."""
_ENDING: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""What ends a program at once, unless it says otherwise."""


def ask_passphrase() -> str:
    """Ask for the passphrase on the terminal.

    Raises:
        UsageError: `PASSPHRASE` when there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        detail = "the profile has a passphrase and there is no terminal to ask for it"
        raise UsageError(Code.PASSPHRASE, detail, hint="Run it in a terminal; machines have a profile with a key file.")
    return _typed(_("Passphrase: "))


def _typed(prompt: str) -> str:
    try:
        with _ending_in_order():
            return getpass.getpass(prompt)
    except EOFError:
        raise UsageError(Code.PASSPHRASE, "no passphrase was typed", hint="Nothing was changed.") from None


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """While a terminal is silent every signal ends the program as Ctrl-C does, which gives the terminal back.

    Else whoever comes back to the shell types blindly, and the next secret question looks like any other.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no other thread may say what a signal does, and none asks a person
        return
    # What is ignored, as under nohup, stays so.
    before = {number: signal.getsignal(number) for number in _ENDING}
    before = {number: does for number, does in before.items() if does not in {signal.SIG_IGN, None}}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, does in before.items():
            signal.signal(number, does)


@contextlib.contextmanager
def typing_nothing() -> Iterator[None]:
    """From the question for a passphrase until what it opens is open: the terminal echoes nothing and keeps nothing.

    A person who types on, or types the passphrase once more because nothing seems to happen, would see it in clear
    on the screen, and the shell would take it for a command.
    """
    try:
        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
    except (OSError, ValueError, termios.error):  # nobody types there
        yield
        return
    silent = before.copy()
    silent[3] &= ~termios.ECHO
    with _ending_in_order():
        termios.tcsetattr(terminal, termios.TCSADRAIN, silent)
        try:
            yield
        finally:
            with contextlib.suppress(termios.error):  # it was hung up: nobody types there any more
                termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


@contextlib.contextmanager
def unlocking() -> Iterator[None]:
    """While a key is made of a passphrase: says so where that takes long."""
    said = threading.Timer(_SILENT_S, say, (_("Unlocking…"),))
    said.daemon = True
    said.start()
    try:
        yield
    finally:
        said.cancel()


def new_passphrase() -> str:
    """Ask twice for a new passphrase, and offer one; what will not do is asked for again, `TRIES` times in all.

    Raises:
        UsageError: `PASSPHRASE` when it is below the floor, or the two differ, to the last; or there is no terminal.
    """
    if not sys.stdin.isatty():
        detail = "there is no terminal to ask for a passphrase"
        raise UsageError(Code.PASSPHRASE, detail, hint="Run it in a terminal, or give --key-file, as machines do.")
    problem = UsageError(Code.PASSPHRASE, "the two differ", hint="Nothing was made; begin anew.")
    made = ""
    for left in reversed(range(TRIES)):
        first = made or _typed(_("New passphrase, six dice words or more (Enter takes one made by chance): "))
        if not first:
            # It stays when it is mistyped: it may stand on paper by now.
            first = made = made_passphrase()
            say(_("made by chance: %(passphrase)s", passphrase=isolate(made)))
            say(_("write it down now and keep it away from this machine: without it nobody opens this profile"))
        try:
            check_strength(first)
        except UsageError as error:
            problem = error
            if left:
                say(f"{error.detail}. {error.hint}")
            continue
        if first == _typed(_("Again: ")):
            return first
        problem = UsageError(Code.PASSPHRASE, "the two differ", hint="Nothing was made; begin anew.")
        if left:
            say(_("the two differ; type the one made by chance") if made else _("the two differ; once more"))
    raise problem


def confirm(what: str, word: str, *, yes: bool) -> None:
    """Have a person type a word before something is done that cannot be undone.

    Args:
        what: What is going to be done.
        word: What to type.
        yes: It was confirmed on the command line.

    Raises:
        UsageError: `USAGE` when something else was typed, or there is no terminal to ask on.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        hint = "Give --yes where there is no terminal."
        raise UsageError(Code.USAGE, f"{what} is not done unasked", hint=hint)
    say(_("%(what)s. Type %(word)s to confirm:", what=what, word=isolate(word)))
    if input().strip() != word:
        raise UsageError(Code.USAGE, "that is not what was to be typed", hint="Nothing was done.")
