"""`amanah-relay check`: everything that would keep a relay from serving, found before it does.

Nothing is changed, and it may run beside the relay that it checks.
"""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError, VerifyError
from amanah_protocol.limits import MAX_PAGE, MIB
from amanah_protocol.log.checkpoint import verify_checkpoint
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.roster import Relay, Roster, decode_roster
from amanah_protocol.types import CONTROL
from amanah_relay.addresses import port_warning
from amanah_relay.config import Config
from amanah_relay.effects import Entry, ReadEntries
from amanah_relay.keys import RelayKeys, load_relay_keys
from amanah_relay.store import Store
from amanah_relay.terminal import iso
from amanah_relay.tls import ServerTls, check_server_tls, load_server_tls

MIN_FREE_BYTES: Final = 64 * MIB
PROBE_SECONDS: Final = 5.0
_PAGE_BYTES: Final = MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check.

    Attributes:
        name: What was looked at.
        detail: What was found.
        error: Why it will not do, with a hint; None when it will.
        warning: What may be meant, and is likely not; "" when there is nothing.
    """

    name: str
    detail: str
    error: AmanahError | None = None
    warning: str = ""

    def as_json(self) -> dict[str, str | bool | None]:
        """For `--json`."""
        code = None if self.error is None else str(self.error.code)
        return {"check": self.name, "ok": self.error is None, "detail": self.detail, "code": code,
                "warning": self.warning or None}  # fmt: skip


class Checks:
    """The checks; later ones use what earlier ones found."""

    def __init__(self, config: Config, now_ms: int) -> None:
        self._config = config
        self._now_ms = now_ms
        self._keys: RelayKeys | None = None
        self._tls: ServerTls | None = None
        self._control: list[Entry] = []
        self._named: Relay | None = None

    def keys(self) -> str:
        """The key file is there, private and whole."""
        self._keys = load_relay_keys(self._config.keys.file)
        return f"{self._keys.origin}, relay {self._keys.key.key_id.hex()[:16]}"

    def certificate(self) -> str:
        """The TLS certificate completes a handshake and has not expired."""
        tls = self._config.tls
        if tls.certificate is None or tls.key is None:
            return "none: plain websockets on loopback"
        self._tls = load_server_tls(tls.certificate, tls.key)
        return f"{self._tls.certificate_hash.hex()[:16]}, until {iso(check_server_tls(self._tls) * 1_000)}"

    def store(self) -> str:
        """The store opens, is of this log, and its control stream reads."""
        with closing(Store.open(self._config.store.url)) as store:
            if self._keys is not None and store.origin != self._keys.origin:
                raise UsageError(Code.CONFIG, f"the store is of the log {store.origin}, the keys are of another")
            self._control = list(_control_entries(store))
        free = shutil.disk_usage(_folder(self._config)).free
        if free < MIN_FREE_BYTES:
            raise OperationalError(Code.DISK_FULL, f"{free // MIB} MiB are left for the store")
        return f"{store.origin}, {len(self._control)} control entries, {free // MIB:,} MiB free"

    def roster(self) -> str:
        """The newest roster has not expired and names this relay."""
        roster = self._newest_roster()
        if self._now_ms > roster.expires_ms:
            raise VerifyError(Code.EXPIRED, f"the roster expired on {iso(roster.expires_ms)}")
        if self._keys is not None:
            self._named = self._keys.check_named(roster)
            hashes = self._named.tls_hashes
            if self._tls is not None and hashes and self._tls.certificate_hash not in hashes:
                raise VerifyError(Code.LOGIN, "the roster names other TLS certificates than this relay's")
        return f"version {roster.version} of {roster.community}, until {iso(roster.expires_ms)}"

    def clock(self) -> str:
        """The clock is not behind what was accepted already."""
        newest_ms = max((entry.accepted_at_ms for entry in self._control), default=0)
        if self._now_ms < newest_ms:
            raise OperationalError(Code.CLOCK, f"the clock is behind {iso(newest_ms)}, when an entry was accepted")
        return iso(self._now_ms)

    def port(self) -> str:
        """The port is free, or this very relay answers on it."""
        host, port = self._config.listen.host, self._config.listen.port
        try:
            with socket.create_server((host, port), family=_family(host, port)):
                return f"{host}:{port} is free"
        except OSError as error:
            if self._keys is not None and is_answered_by(self._keys, self._config):
                return f"{host}:{port}: this relay is running"
            raise OperationalError(Code.ADDRESS_IN_USE, f"{host}:{port}: {error.strerror or 'unusable'}") from error

    def address(self) -> Finding:
        """The roster sends clients to the port that is listened on; not so behind a proxy."""
        port = self._config.listen.port
        if self._named is None or port == 0:
            return Finding(name="address", detail="not looked at: no roster that names this relay, or any free port")
        detail = ", ".join(self._named.addresses) or "the roster names none"
        return Finding(name="address", detail=detail, warning=port_warning(self._named, port) or "")

    def _newest_roster(self) -> Roster:
        for entry in reversed(self._control):
            if entry.type is LeafType.ROSTER and entry.document is not None:
                return decode_roster(entry.document)
        raise UsageError(Code.NOT_INITIALISED, "there is no roster to check")


def run_checks(config: Config, *, now_ms: int) -> list[Finding]:
    """Run all checks, each whatever became of the others."""
    checks = Checks(config, now_ms)
    may_fail = (checks.keys, checks.certificate, checks.store, checks.roster, checks.clock, checks.port)
    return [*map(_find, may_fail), checks.address()]


def _find(check: Callable[[], str]) -> Finding:
    name = check.__name__
    try:
        return Finding(name=name, detail=check())
    except AmanahError as error:
        return Finding(name=name, detail=error.detail, error=error)


def _control_entries(store: Store) -> Iterator[Entry]:
    after = 0
    while True:
        wanted = ReadEntries(token=0, room=CONTROL, after=after, limit=MAX_PAGE, max_bytes=_PAGE_BYTES)
        page = store.read_entries(wanted)
        yield from (stored.entry for stored in page.entries)
        if not page.more:
            return
        after += len(page.entries)


def _folder(config: Config) -> Path:
    return Path(config.store.url.partition(":///")[2]).parent


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]


def is_answered_by(keys: RelayKeys, config: Config) -> bool:
    """Whether the log's own key has signed the checkpoint that is served there."""
    host, port = config.listen.host, config.listen.port
    connection: http.client.HTTPConnection
    if config.secure:
        # No authority is asked: the signature on the checkpoint says whose relay it is.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(host, port, timeout=PROBE_SECONDS, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=PROBE_SECONDS)
    with closing(connection):
        try:
            connection.request("GET", "/log/checkpoint")
            note = connection.getresponse().read(64 * 1024)
            verify_checkpoint(note, keys.log.verifier, keys.origin)
        except (OSError, http.client.HTTPException, AmanahError):
            return False
    return True
