"""`amanah-relay keys`: the relay's identity, and the card that names it."""

from __future__ import annotations

import sys
from pathlib import Path

from amanah_protocol.addresses import parse_address
from amanah_protocol.cards import Armour, armour, encode_relay_card
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.roster import Relay
from amanah_relay import terminal
from amanah_relay.commands.options import DEFAULTS, Options
from amanah_relay.config import Config
from amanah_relay.keys import create_relay_keys, load_relay_keys
from amanah_relay.tls import load_server_tls


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
        Where clients reach the relay, wss://host:port (ws:// on loopback only); may be given several times.
    out
        Where to write the card; standard output by default.
    json
        Print it as one JSON document.
    """
    addresses = _addresses(address or [])
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
    card = found.card(addresses, _tls_hashes(config))
    if json:
        terminal.show_json(_card_json(card))
        return
    _write(out, armour(Armour.RELAY, encode_relay_card(card)))
    for name, value in _card_json(card).items():
        terminal.say(f"{name + ':':12} {(', '.join(value) or 'none') if isinstance(value, list) else value}")
    terminal.say("next: have this card put into the roster, then `amanah-relay init --roster FILE`")


def _addresses(given: list[str]) -> tuple[str, ...]:
    """What clients will take, before anything is made: a card is signed into a roster, and no client forgives it."""
    for text in given:
        try:
            parse_address(text)
        except UsageError as error:
            hint = "Give wss://host:port; ws://127.0.0.1:port is for trials on one machine."
            raise UsageError(Code.USAGE, f"--address: {error.detail}", hint=hint) from error
    return tuple(given)


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
