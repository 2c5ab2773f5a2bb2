"""`amanah witness`: make a witness of logs, tell it which, let it serve, and see what it has found."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import App, Parameter

from amanah_client.cli import files, terminal
from amanah_client.cli.files import File
from amanah_client.cli.terminal import DEFAULTS, Line, Options
from amanah_client.home import Home, find_home
from amanah_client.witness.keys import check_made, create_witness_keys, open_witness_keys
from amanah_client.witness.rows import Evidence, LogState
from amanah_client.witness.state import State
from amanah_protocol.cards import Armour
from amanah_protocol.errors import Code, DecodeError, UsageError, VerifyError
from amanah_protocol.log.note_keys import NoteVerifier, SignatureType, decode_vkey
from amanah_protocol.log.witnessing import Finding
from amanah_protocol.roster import decode_roster, verify_roster

if TYPE_CHECKING:
    import ssl

    from amanah_client.witness.server import Address
    from amanah_client.witness.witness import Witness

app = App(name="witness", help="Cosign a log's checkpoints for others: what continues it, and nothing else.")

FORMAT: Final = 1
_ALGORITHMS: Final = {SignatureType.COSIGNATURE: "ed25519", SignatureType.ML_DSA_44: "ml-dsa-44"}
_ALARM: Final = "bold red"
_INDENT: Final = 2


@app.command
def init(
    *,
    name: str,
    classical: Annotated[bool, Parameter(negative="")] = False,
    out: File | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Make a witness: its keys, and an empty memory of what it cosigned.

    Its public keys go into the community's roster, or into policies; they are printed for both.

    Example: amanah witness init --name cert.example.tn/witness --home witness --out witness.keys

    Parameters
    ----------
    name
        The name that its keys go by: an address that you own, without https://.
    classical
        Make a key of Ed25519 alone, and none of ML-DSA-44.
    out
        Where to write its public keys, for `amanah roster new --witness`; standard output by default.
    """
    home = find_home(common.home)
    files.check_new(out)
    own = tuple(signer.verifier for signer in create_witness_keys(home, name, classical=classical))
    State.create(_memory(home), own).close()
    terminal.say(f"witness {name} made in {home.path}")
    if common.json:
        terminal.show_json({"format": FORMAT, "name": name, "vkeys": _vkeys(own), "policy": _policy_lines(own)})
    else:
        terminal.say("its public keys, for the roster:")
        files.write_file(out, "".join(f"{vkey}\n" for vkey in _vkeys(own)))
        terminal.say("the same for a policy:")
        for line in _policy_lines(own):
            terminal.say(line)
    terminal.say("next: `amanah witness add-log VKEY` or `--roster FILE`, then `amanah witness serve`")


@app.command(name="add-log")
def add_log(vkey: str = "", /, *, origin: str = "", roster: File | None = None, common: Options = DEFAULTS) -> None:
    """Witness a log from now on, also while the witness serves: any log whose key is known, or those of a roster.

    The first checkpoint that comes is taken as it is; from then on only what continues it is cosigned.

    Example: amanah witness add-log --roster community.roster --home witness

    Parameters
    ----------
    vkey
        The log's verifier key, name+id+base64, as its operator publishes it.
    origin
        The log's origin, where it is not the name of its key.
    roster
        A signed roster: all logs in it.
    """
    if bool(vkey) == (roster is not None):
        raise UsageError(Code.USAGE, "either a verifier key or --roster FILE names what is to be witnessed")
    if roster is None:
        key = _log_key(vkey)
        logs = [(origin or key.name, key)]
    elif origin:
        raise UsageError(Code.USAGE, "--origin goes with a verifier key; a roster names the origins itself")
    else:
        logs = _logs_of(roster)
    with contextlib.closing(_state(find_home(common.home))) as state:
        _add(state, logs)


@app.command
def serve(
    *,
    listen: str,
    roster: File | None = None,
    tls_certificate: Path | None = None,
    tls_key: Path | None = None,
    common: Options = DEFAULTS,
) -> None:
    """Answer logs that ask for a cosignature, and monitors that ask what was cosigned last.

    Without TLS it listens on this machine alone, for a proxy in front of it.

    Example: amanah witness serve --listen 127.0.0.1:8088 --home witness

    Parameters
    ----------
    listen
        Address and port, for example 127.0.0.1:8088 or [::1]:8088.
    roster
        A signed roster, whose logs are added first.
    tls_certificate
        A certificate (PEM), its chain behind it.
    tls_key
        Its private key (PEM), without a passphrase.
    """
    # Here, because HTTP takes longer to load than the other verbs take.
    from amanah_client.witness.server import load_tls, parse_address  # noqa: PLC0415 - see above
    from amanah_client.witness.witness import Witness  # noqa: PLC0415 - see above

    address, tls = parse_address(listen), None
    if (tls_certificate is None) != (tls_key is None):
        raise UsageError(Code.USAGE, "--tls-certificate and --tls-key go together")
    if tls_certificate is not None and tls_key is not None:
        tls = load_tls(tls_certificate, tls_key)
    elif not address.is_loopback:
        hint = "Give --tls-certificate and --tls-key, or listen on 127.0.0.1 behind a proxy that speaks TLS."
        raise UsageError(Code.CONFIG, f"without TLS, {listen} would be open to everybody on the way", hint=hint)
    home = find_home(common.home)
    signers = open_witness_keys(home)
    with contextlib.closing(_state(home, [signer.verifier for signer in signers])) as state:
        if roster is not None:
            _add(state, _logs_of(roster))
        if not state.logs():
            terminal.say("no log is witnessed yet: `amanah witness add-log` adds one, also while this runs")
        _run(Witness(state, signers, lambda: int(time.time())), address, tls)


def _run(witness: Witness, address: Address, tls: ssl.SSLContext | None) -> None:
    import asyncio  # noqa: PLC0415 - as in `serve`

    from amanah_client.listener import serve  # noqa: PLC0415 - the same
    from amanah_client.witness.app import make_app  # noqa: PLC0415 - the same
    from amanah_client.witness.server import listen  # noqa: PLC0415 - the same

    opened = listen(address)
    host, port = opened.getsockname()[:2]
    where = f"{'http' if tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{port}"
    asyncio.run(
        serve(make_app(witness, terminal.say), [opened], tls=tls, ready=lambda: terminal.say(f"listening on {where}"))
    )


@app.command
def status(*, common: Options = DEFAULTS) -> None:
    """Show what was cosigned last for each log, and what speaks against it. Exit code 5 for two histories of one log.

    `--json` holds the signed checkpoints themselves: they prove it to anybody who has the log's key.
    """
    with contextlib.closing(_state(find_home(common.home))) as state:
        own, logs = state.own, state.logs()
    if common.json:
        shown = {
            "format": FORMAT,
            "name": own[0].name,
            "vkeys": _vkeys(own),
            "policy": _policy_lines(own),
            "logs": [_json(log) for log in logs],
        }
        terminal.show_json(shown)
    else:
        terminal.show(f"witness {terminal.single(own[0].name)}, {_logs(len(logs))}")
        for log in logs:
            _show(log)
    forked = [log.origin for log in logs if log.count(Finding.CONFLICT)]
    if forked:
        hint = "Keep what `amanah witness status --json` prints, and give it to every member of the community now."
        raise VerifyError(Code.FORK, f"two histories of one log, both signed by it: {', '.join(forked)}", hint=hint)


# ---- parts


def _memory(home: Home) -> Path:
    return home.path / "witness.db"


def _state(home: Home, own: Sequence[NoteVerifier] | None = None) -> State:
    check_made(home)
    return State(_memory(home), own)


def _log_key(text: str) -> NoteVerifier:
    try:
        return decode_vkey(text)
    except DecodeError as error:
        hint = "A log's verifier key is one word, NAME+ID+BASE64, of Ed25519 (0x01) or ML-DSA-44 (0x06)."
        raise DecodeError(error.code, f"no key of a log: {error.detail}", hint=hint) from error


def _logs_of(path: Path) -> list[tuple[str, NoteVerifier]]:
    roster = decode_roster(files.read_armoured(path, Armour.ROSTER))
    verified = verify_roster(roster, None, now_ms=time.time_ns() // 1_000_000).value
    return [(relay.origin, decode_vkey(relay.log_vkey)) for relay in verified.relays]


def _add(state: State, logs: list[tuple[str, NoteVerifier]]) -> None:
    for origin, key in logs:
        if key.kind is SignatureType.COSIGNATURE:
            raise UsageError(Code.USAGE, f"{terminal.single(key.name)} is the key of a witness, not of a log")
        added = state.add_log(origin, key)
        said = "is witnessed from now on" if added else "was witnessed with this key already"
        terminal.say(f"{terminal.single(origin)} {said}")


def _vkeys(own: tuple[NoteVerifier, ...]) -> list[str]:
    return [key.vkey for key in own]


def _policy_lines(own: tuple[NoteVerifier, ...]) -> list[str]:
    """What names this witness in a policy; of two keys, any one is enough, and both count once."""
    if len(own) == 1:
        return [f"witness {own[0].name} {own[0].vkey}"]
    names = {key.vkey: f"{key.name}/{_ALGORITHMS[key.kind]}" for key in own}
    lines = [f"witness {name} {vkey}" for vkey, name in names.items()]
    return [*lines, f"group {own[0].name} any {' '.join(names.values())}"]


def _logs(count: int) -> str:
    return "1 log" if count == 1 else f"{count} logs"


def _show(log: LogState) -> None:
    origin = terminal.single(log.origin)
    if log.newest is None:
        terminal.show(f"{origin}: nothing cosigned yet")
    else:
        at = terminal.clock(log.newest.cosigned_at_s * 1000)
        terminal.show(f"{origin}: size {log.newest.checkpoint.size}, cosigned {at}")
    for item in log.evidence:
        _show_evidence(item)
    for finding, times in log.beyond.items():
        terminal.show(Line(((f"  {finding}: {times} more, for which there was no room", ""),), indent=_INDENT))


def _show_evidence(item: Evidence) -> None:
    size, since = item.checkpoint.size, terminal.clock(item.first_seen_s * 1000)
    came = f"first seen {since}, {item.times} times" if item.times > 1 else f"seen {since}"
    if item.finding is Finding.CONFLICT:
        said = f"  CONFLICT: another history of size {size}, signed by the log; {came}"
        terminal.show(Line(((said, _ALARM),), indent=_INDENT))
    else:
        said = f"  unproven: a checkpoint of size {size} came without a proof that holds; {came}. Ask the log for one."
        terminal.show(Line(((said, ""),), indent=_INDENT))


def _json(log: LogState) -> dict[str, object]:
    newest = log.newest
    return {
        "origin": log.origin,
        "keys": _vkeys(log.keys),
        "size": None if newest is None else newest.checkpoint.size,
        "cosigned_at": None if newest is None else terminal.iso(newest.cosigned_at_s * 1000),
        "checkpoint": None if newest is None else newest.note.decode(),
        "conflicts": log.count(Finding.CONFLICT),
        "unproven": log.count(Finding.UNPROVEN),
        "evidence": [
            {
                "finding": str(item.finding),
                "size": item.checkpoint.size,
                "first_seen": terminal.iso(item.first_seen_s * 1000),
                "times": item.times,
                "checkpoint": item.note.decode(),
                "cosigned": item.known.decode(),
            }
            for item in log.evidence
        ],
    }
