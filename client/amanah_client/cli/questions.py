"""What commands ask a person, on a terminal alone; no command requires it."""

from __future__ import annotations

import getpass
import sys

from amanah_client.cli.terminal import say
from amanah_protocol.errors import Code, UsageError


def ask_passphrase() -> str:
    """Ask for the passphrase on the terminal.

    Raises:
        UsageError: `PASSPHRASE` when there is no terminal to ask on.
    """
    if not sys.stdin.isatty():
        raise UsageError(Code.PASSPHRASE, "the profile has a passphrase and there is no terminal to ask for it")
    return getpass.getpass("Passphrase: ")


def new_passphrase() -> str:
    """Ask twice for a new passphrase.

    Raises:
        UsageError: `PASSPHRASE` when the two differ, or it is short, or there is no terminal.
    """
    if not sys.stdin.isatty():
        raise UsageError(Code.PASSPHRASE, "there is no terminal to ask for a passphrase; --key-file needs none")
    first = getpass.getpass("New passphrase (six words or more): ")
    if first != getpass.getpass("Again: "):
        raise UsageError(Code.PASSPHRASE, "the two differ")
    return first


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
        raise UsageError(Code.USAGE, f"{what} is not done unasked; --yes confirms it where there is no terminal")
    say(f"{what}. Type {word} to confirm:")
    if input().strip() != word:
        raise UsageError(Code.USAGE, "nothing was done: that is not what was to be typed")
