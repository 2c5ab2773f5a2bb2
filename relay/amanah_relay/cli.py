"""`amanah-relay`: keys, store, service, and the checks that an operator runs."""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from cyclopts import App, CycloptsError, Parameter

from amanah_protocol.cards import Armour, armour, decode_armour, encode_relay_card
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError
from amanah_protocol.roster import Relay, decode_roster, verify_roster
from amanah_relay import terminal
from amanah_relay.checks import run_checks
from amanah_relay.config import Config, load_config
from amanah_relay.keys import create_relay_keys, load_relay_keys
from amanah_relay.service import run_service
from amanah_relay.store import Store
from amanah_relay.tls import load_server_tls

_INTERRUPTED: Final = 130
_EPILOGUE: Final = f"""{terminal.EXIT_CODES}

A relay is made in two steps, because the community's roster names its keys:
`amanah-relay keys --origin relay.example.org/log --address wss://relay.example.org:8443 --out relay.card`,
then, with the signed roster, `amanah-relay init --roster roster.txt` and `amanah-relay serve`."""

app = App(
    name="amanah-relay",
    help="The relay of Amanah: orders, stores and forwards sealed envelopes that it cannot read.",
    help_epilogue=_EPILOGUE,
    version=version("amanah"),
    default_parameter=Parameter(negative=""),
    suppress_keyboard_interrupt=False,
)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of every command.

    Attributes:
        config: Configuration file; `AMANAH_RELAY_CONFIG`, else relay.toml in the home.
        home: Folder with relay.toml, keys and store; the current one by default.
    """

    config: Path | None = None
    home: Path | None = None

    def load(self) -> Config:
        """The configuration."""
        return load_config(self.config, self.home, os.environ)


DEFAULTS: Final = Options()


@app.command
def keys(
    *,
    origin: str | None = None,
    address: list[str] | None = None,
    out: Path | None = None,
    json: bool = False,
    options: Options = DEFAULTS,
) -> None:
    """Make the relay's keys if there are none, and print the card for the roster.

    Parameters
    ----------
    origin
        Name of the log for ever, for example relay.example.org/log; needed for new keys.
    address
        Where clients reach the relay, wss://host:port; may be given several times.
    out
        Where to write the card; standard output by default.
    json
        Print it as one JSON document.
    """
    config = options.load()
    if config.keys.file.exists():
        found = load_relay_keys(config.keys.file)
        if origin not in {None, found.origin}:
            raise UsageError(Code.USAGE, f"{config.keys.file} holds the keys of {found.origin}; they are never changed")
    elif origin is None:
        raise UsageError(Code.USAGE, f"no keys at {config.keys.file}; name the log with --origin to make some")
    else:
        found = create_relay_keys(config.keys.file, origin)
        terminal.say(f"made {config.keys.file}: keep a copy of it offline, nobody can make it again")
    card = found.card(tuple(address or ()), _tls_hashes(config))
    if json:
        terminal.show_json(_card_json(card))
        return
    _write(out, armour(Armour.RELAY, encode_relay_card(card)))
    for name, value in _card_json(card).items():
        terminal.say(f"{name + ':':12} {', '.join(value) if isinstance(value, list) else value}")
    terminal.say("next: have this card put into the roster, then `amanah-relay init --roster FILE`")


@app.command
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


@app.command
def serve(*, options: Options = DEFAULTS) -> None:
    """Run the relay until SIGTERM or Ctrl-C."""
    config = options.load()
    _prepare_process()
    run_service(config, load_relay_keys(config.keys.file), lambda address: terminal.say(f"listening on {address}"))


@app.command
def check(*, json: bool = False, options: Options = DEFAULTS) -> int:
    """Check configuration, keys, certificate, store, roster, port and clock; nothing is changed.

    Parameters
    ----------
    json
        Print it as one JSON document.
    """
    findings = run_checks(options.load(), now_ms=time.time_ns() // 1_000_000)
    if json:
        terminal.show_json([finding.as_json() for finding in findings])
    else:
        terminal.show_table(("ok" if f.error is None else "FAILED", f.name, f.detail) for f in findings)
    failed = [finding.error for finding in findings if finding.error is not None]
    for error in failed:
        terminal.report(error)
    return terminal.exit_code(failed[0]) if failed else terminal.EXIT_OK


@app.command
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


@app.command(name="verify-log")
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


def run() -> None:
    """Run the command line and leave with its documented exit code."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run one command; gives the exit code."""
    # A core file would put the relay's keys on the disk in plain form.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        code = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
    except CycloptsError as error:
        terminal.say(f"amanah-relay: {error} See `amanah-relay --help`.")
        return terminal.EXIT_USAGE
    except AmanahError as error:
        return terminal.report(error)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough; there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return terminal.EXIT_OK
    return code if isinstance(code, int) else terminal.EXIT_OK


def _prepare_process() -> None:
    # Each connection is a descriptor; the usual soft limit is a tenth of what the relay serves.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _tls_hashes(config: Config) -> tuple[bytes, ...]:
    if config.tls.certificate is None or config.tls.key is None:
        return ()
    return (load_server_tls(config.tls.certificate, config.tls.key).certificate_hash,)


def _card_json(card: Relay) -> dict[str, str | list[str]]:
    return {
        "key": card.key.hex(),
        "log_vkey": card.log_vkey,
        "origin": card.origin,
        "addresses": list(card.addresses),
        "tls_hashes": [tls_hash.hex() for tls_hash in card.tls_hashes],
    }


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(Code.NOT_FOUND, f"{path}: {error.strerror or 'cannot be read'}") from error


def _write(path: Path | None, text: str) -> None:
    if path is None:
        sys.stdout.write(text)
        return
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(Code.USAGE, f"{path} exists; nothing is overwritten") from None
    except OSError as error:
        raise OperationalError(Code.STORE, f"{path}: {error.strerror or 'cannot be written'}") from error
