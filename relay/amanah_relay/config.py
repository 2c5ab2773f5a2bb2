"""Configuration: one TOML file, and variables `AMANAH_RELAY_<SECTION>_<KEY>` that go over it.

A setting that does not exist is an error that names it and its nearest neighbour: a limit that was
misspelt would otherwise be a limit that is not there.
"""

from __future__ import annotations

import difflib
import importlib.util
import ipaddress
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from amanah_protocol.errors import Code, UsageError
from amanah_relay.quotas import RelayLimits

PREFIX: Final = "AMANAH_RELAY_"
FILE_VARIABLE: Final = "AMANAH_RELAY_CONFIG"
FILE_NAME: Final = "relay.toml"

Seconds = Annotated[float, Meta(gt=0, le=600)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listen:
    """Where the relay listens.

    Attributes:
        host: An address or name of this machine.
        port: TCP port; 0 takes a free one, which is printed.
        stop_seconds: How long a stop waits for what is in hand before it cuts connections.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8443
    stop_seconds: Seconds = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files; both or neither. Without them the relay listens on loopback alone.

    Attributes:
        certificate: The certificate, its chain behind it.
        key: Its private key, not encrypted.
    """

    certificate: Path | None = None
    key: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The relay's own keys.

    Attributes:
        file: The file that `amanah-relay keys` makes.
    """

    file: Path = Path("relay.keys")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSection:
    """The durable store.

    Attributes:
        url: SQLAlchemy's form; a relative SQLite path is relative to the configuration's folder.
    """

    url: str = "sqlite:///relay.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttachmentSection:
    """Where attachments lie, as files; how much they may take stands in `[limits]`.

    Attributes:
        folder: Made when it is needed, readable by its owner alone.
        reserve_bytes: So much of the disk is left free for the log: below it no attachment is taken.
    """

    folder: Path = Path("attachments")
    reserve_bytes: Annotated[int, Meta(ge=0)] = 1_073_741_824


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What is said on standard error.

    Attributes:
        level: The least that is said.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessSection:
    """The witnesses that cosign this log; their keys stand in the roster.

    Attributes:
        addresses: Submission prefixes (C2SP tlog-witness), `https://...`, or `http://` on loopback.
        timeout_seconds: How long one exchange with one of them may take.
    """

    addresses: tuple[str, ...] = ()
    timeout_seconds: Seconds = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TimestampSection:
    """Authorities that time-stamp checkpoints (RFC 3161); needs the extra `timestamps`.

    Attributes:
        authorities: Their addresses, `https://...`, or `http://` on loopback.
        interval_seconds: Each is asked for a new checkpoint at most so often.
        timeout_seconds: How long one exchange with one of them may take.
        renew_days: How many days before its certificate ends a token is renewed.
    """

    authorities: tuple[str, ...] = ()
    interval_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 60.0
    timeout_seconds: Seconds = 10.0
    renew_days: Annotated[int, Meta(ge=1, le=3_650)] = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of it; paths are absolute.

    Attributes:
        listen: Address and port.
        tls: Certificate and key.
        keys: The relay's keys.
        store: The store.
        attachments: Files of attachments.
        limits: Rates and quotas (`quotas.RelayLimits`).
        log: Events.
        witnesses: Who is asked to cosign checkpoints.
        timestamps: Who is asked to time-stamp them.
    """

    listen: Listen = Listen()
    tls: Tls = Tls()
    keys: Keys = Keys()
    store: StoreSection = StoreSection()
    attachments: AttachmentSection = AttachmentSection()
    limits: RelayLimits = field(default_factory=RelayLimits)
    log: Log = Log()
    witnesses: WitnessSection = WitnessSection()
    timestamps: TimestampSection = TimestampSection()

    @property
    def secure(self) -> bool:
        """Whether TLS is configured."""
        return self.tls.certificate is not None


def find_config(given: Path | None, home: Path | None, environment: Mapping[str, str]) -> tuple[Path | None, Path]:
    """Which file is read, and the folder that relative paths start from.

    A file that was named must exist; `relay.toml` in the home (or here) is read if it is there.

    Raises:
        UsageError: `CONFIG` when a file that was named is not there.
    """
    named = given or (Path(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    if named is not None and home is None:
        if not named.is_file():
            raise UsageError(Code.CONFIG, f"{named}: there is no such configuration file")
        return named, named.resolve().parent
    if named is not None and given is not None:
        raise UsageError(Code.USAGE, "give either --config or --home")
    folder = (home or Path()).resolve()
    path = folder / FILE_NAME
    return (path if path.is_file() else None), folder


def load_config(given: Path | None, home: Path | None, environment: Mapping[str, str]) -> Config:
    """Read file and environment, and check that they make sense together.

    Args:
        given: `--config`.
        home: `--home`: the folder with `relay.toml`, keys and store.
        environment: The process's environment.

    Raises:
        UsageError: `CONFIG`, naming the place.
    """
    path, folder = find_config(given, home, environment)
    table = {} if path is None else _read(path)
    _check_names(table, Config, str(path))
    for variable, value in sorted(environment.items()):
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE:
            section, key = _setting(variable)
            table.setdefault(section, {})[key] = _parse(variable, value, _types(_types(Config)[section])[key])
    try:
        config = msgspec.convert(table, Config, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise UsageError(Code.CONFIG, f"{path or 'the environment'}: {_place(error)}") from error
    _check_listen(config)
    _check_outward("[witnesses]", "a witness", config.witnesses.addresses)
    _check_timestamps(config.timestamps)
    return _rooted(config, folder)


def is_loopback(host: str) -> bool:
    """Whether a host to listen on is this machine's loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(Code.CONFIG, f"{path}: {error.strerror or 'cannot be read'}") from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise UsageError(Code.CONFIG, f"{path}: {error}") from error


def _types(cls: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the dataclasses
    return get_type_hints(cls, include_extras=True)


def _check_names(table: Mapping[str, Any], cls: Any, where: str) -> None:  # noqa: ANN401 - any of the dataclasses
    known = _types(cls)
    for name, value in table.items():
        if name not in known:
            raise UsageError(Code.CONFIG, f"{where}: there is no setting {name!r}{_nearest(name, known)}")
        if cls is Config:
            if not isinstance(value, dict):
                raise UsageError(Code.CONFIG, f"{where}: {name}: a section [{name}] is wanted")
            _check_names(value, known[name], f"{where} [{name}]")


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"


def _setting(variable: str) -> tuple[str, str]:
    known = {
        f"{PREFIX}{section}_{key}".upper(): (section, key)
        for section, cls in _types(Config).items()
        for key in _types(cls)
    }
    found = known.get(variable)
    if found is None:
        close = difflib.get_close_matches(variable, known, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        raise UsageError(Code.CONFIG, f"the environment: there is no setting {variable!r}{meant}")
    return found


def _parse(variable: str, value: str, kind: Any) -> Any:  # noqa: ANN401 - whatever the setting is
    try:
        return msgspec.convert(value, kind, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise UsageError(Code.CONFIG, f"the environment: {variable}: {error}") from error


def _path(kind: type[Path], value: object) -> Path:
    if isinstance(value, Path):  # from the environment, converted before
        return value
    if not isinstance(value, str) or not value:
        message = f"Expected a path, got `{value}`"
        raise ValueError(message)
    return kind(value)


def _place(error: msgspec.ValidationError) -> str:
    text, _, place = str(error).partition(" - at `$.")
    return f"{place.rstrip('`')}: {text}" if place else text


def _check_listen(config: Config) -> None:
    if (config.tls.certificate is None) != (config.tls.key is None):
        raise UsageError(Code.CONFIG, "[tls] needs both certificate and key")
    if not config.secure and not is_loopback(config.listen.host):
        # Without TLS the login's transcript has no certificate to bind, and metadata is open to the network.
        detail = f"[listen] host {config.listen.host!r} needs [tls]: without TLS a relay listens on loopback alone"
        raise UsageError(Code.CONFIG, detail)


def _check_outward(section: str, whom: str, addresses: Iterable[str]) -> None:
    for address in addresses:
        if not _is_outward(address):
            detail = f"{section} {address!r} is no address of {whom}: https://host/path, or http:// on loopback"
            raise UsageError(Code.CONFIG, detail)


def _check_timestamps(section: TimestampSection) -> None:
    _check_outward("[timestamps]", "a time-stamping authority", section.authorities)
    if len(set(section.authorities)) < len(section.authorities):
        raise UsageError(Code.CONFIG, "[timestamps] an authority is named twice")
    if section.authorities and importlib.util.find_spec("rfc3161_client") is None:
        hint = "Install it, `pip install 'amanah[timestamps]'`, or take the section out."
        raise UsageError(Code.CONFIG, "[timestamps] needs the extra `timestamps`, which is not installed", hint=hint)


def _is_outward(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:
        return False
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host or ""))
    return bool(host) and secure and not (parts.query or parts.fragment or parts.username)


def _rooted(config: Config, folder: Path) -> Config:
    tls = config.tls
    if tls.certificate is not None and tls.key is not None:
        tls = Tls(certificate=folder / tls.certificate, key=folder / tls.key)
    keys = Keys(file=folder / config.keys.file)
    store = StoreSection(url=_rooted_url(config.store.url, folder))
    attachments = replace(config.attachments, folder=folder / config.attachments.folder)
    return replace(config, tls=tls, keys=keys, store=store, attachments=attachments)


def _rooted_url(url: str, folder: Path) -> str:
    scheme, separator, path = url.partition(":///")
    if not separator or not scheme.startswith("sqlite") or not path or path.startswith(("/", ":")):
        return url
    return f"{scheme}:///{folder / path}"
