"""`amanah-relay init`, `backup`, `verify-log`: the store, made, copied and verified."""

from __future__ import annotations

import time
from pathlib import Path

from amanah_protocol.cards import Armour, decode_armour
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.roster import decode_roster, verify_roster
from amanah_relay import terminal
from amanah_relay.commands.options import DEFAULTS, Options
from amanah_relay.keys import load_relay_keys
from amanah_relay.store import Store


def init(*, roster: Path, options: Options = DEFAULTS) -> None:
    """Make the store; the log begins with the roster.

    Parameters
    ----------
    roster
        The signed roster, which names this relay's keys.
    """
    config = options.load()
    found = load_relay_keys(config.keys.file)
    data = decode_armour(_read(roster), Armour.ROSTER)
    now_ms = time.time_ns() // 1_000_000
    found.check_named(verify_roster(decode_roster(data), None, now_ms=now_ms).value)
    Store.init(config.store.url, roster=data, origin=found.origin, now_ms=now_ms).close()
    terminal.say(f"the store of {found.origin} is made; next: `amanah-relay serve`")


def backup(file: Path, *, json: bool = False, options: Options = DEFAULTS) -> None:
    """Copy the store into a new file, also while the relay runs; the keys are not in it.

    Parameters
    ----------
    file
        The file to make; it must not exist.
    json
        Print what was copied as one JSON document.
    """
    store = Store.open(options.load().store.url)
    try:
        made = store.backup(file)
    finally:
        store.close()
    if json:
        terminal.show_json({"file": str(made.path), "size": made.size, "root": made.root.hex()})
    else:
        terminal.say(f"{made.path}: the store with {made.size} leaves, root {made.root.hex()}")


def verify_log(*, json: bool = False, options: Options = DEFAULTS) -> None:
    """Verify every leaf, chain, batch and content of the store against the log's hashes.

    Parameters
    ----------
    json
        Print the result as one JSON document.
    """
    store = Store.open(options.load().store.url)
    try:
        report = store.verify_log()
    finally:
        store.close()
    result = {
        "origin": report.origin,
        "size": report.size,
        "root": report.root.hex(),
        "batches": report.batches,
        "rooms": report.rooms,
        "envelopes": report.envelopes,
        "erased": report.erased,
    }
    if json:
        terminal.show_json(result)
    else:
        terminal.show_table((name, str(value)) for name, value in result.items())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(Code.NOT_FOUND, f"{path}: {error.strerror or 'cannot be read'}") from error
