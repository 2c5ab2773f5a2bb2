"""Reads `paging.toml` of a profile's folder: what pages, who is on duty, how they are reached.

A setting that does not exist, or is of another kind, is an error that names its line: a rota that was misspelt would
otherwise page nobody. Without the file nobody is paged, and the device rings all the same.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from amanah_client.paging.duty import Command, Duty, Hook, Mail, Rota, Shift, Webhook
from amanah_protocol import limits
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.labels import Precedence

FILE_NAME: Final = "paging.toml"
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HINT: Final = "Mend that line; `amanah duty show` reads the file again, and pages nobody."
_PLACE: Final = re.compile(r"`\$\.?(?P<path>[^`]*)`")
_UNKNOWN: Final = re.compile(r"unknown field `(?P<name>[^`]*)`")
_HEADER: Final = re.compile(r"^\s*\[\[?\s*(?P<name>\w+)\s*\]\]?")
_CLOCK: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_ADDRESS: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+=-]*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?")
_SMTP: Final = re.compile(r"smtp:(\d{1,5})")

_Seconds = Annotated[float, Meta(gt=0, le=86_400)]
_Name = Annotated[str, Meta(min_length=1, max_length=limits.MAX_NAME_CHARS)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


class _Page(_Strict, frozen=True):
    least: str = "immediate"
    rooms: tuple[_Name, ...] = ()


class _Waits(_Strict, frozen=True):
    desk_seconds: _Seconds = 120
    step_seconds: _Seconds = 300
    repeat_seconds: _Seconds = 600


class _MailSection(_Strict, frozen=True):
    sender: str = ""
    via: str = "smtp:25"


class _Shift(_Strict, frozen=True, rename={"begins": "from", "ends": "until"}):
    begins: str
    ends: str
    days: tuple[str, ...] = DAYS
    zone: str = "UTC"


class _Hook(_Strict, frozen=True):
    command: Annotated[tuple[str, ...], Meta(min_length=1)] | None = None
    webhook: str | None = None
    mail: str | None = None


class _Duty(_Strict, frozen=True):
    name: _Name
    hooks: Annotated[tuple[_Hook, ...], Meta(min_length=1)]
    shifts: tuple[_Shift, ...] = ()


class _File(_Strict, frozen=True):
    page: _Page = _Page()
    waits: _Waits = _Waits()
    mail: _MailSection = _MailSection()
    person: tuple[_Duty, ...] = ()
    backup: _Duty | None = None


def read_rota(path: Path) -> Rota:
    """Read a rota; one that names nobody where there is no file.

    Raises:
        UsageError: `CONFIG`, naming the line and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Rota()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(Code.CONFIG, f"{path}: {reason or 'it cannot be read'}", hint=_HINT) from error
    return parse_rota(text, path.name)


def parse_rota(text: str, name: str = FILE_NAME) -> Rota:
    """A rota from the text of its file.

    Raises:
        UsageError: `CONFIG`, naming the line and what to do.
    """
    return _Reader(text, name).rota()


class _Reader:
    """One file, and where its settings stand."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name

    def rota(self) -> Rota:
        """All of it."""
        try:
            found = msgspec.convert(tomllib.loads(self._text), _File)
        except tomllib.TOMLDecodeError as error:  # names line and column
            raise UsageError(Code.CONFIG, f"{self._name}: {error}", hint=_HINT) from error
        except msgspec.ValidationError as error:
            place = _PLACE.search(str(error))
            self._refuse("" if place is None else place["path"], _said(error))
        self._check_names(found)
        return Rota(
            least=self._least(found.page.least),
            rooms=found.page.rooms,
            people=tuple(self._duty(duty, f"person[{n}]", found.mail) for n, duty in enumerate(found.person)),
            backup=None if found.backup is None else self._duty(found.backup, "backup", found.mail),
            desk_wait_ms=_ms(found.waits.desk_seconds),
            step_wait_ms=_ms(found.waits.step_seconds),
            repeat_wait_ms=_ms(found.waits.repeat_seconds),
            mail_from=found.mail.sender,
            mail_via=self._via(found.mail.via),
        )

    def _check_names(self, found: _File) -> None:
        names = [duty.name for duty in found.person]
        for at, name in enumerate(names):
            if name in names[:at]:
                self._refuse(f"person[{at}].name", "somebody else has this name; name each person once")

    def _least(self, given: str) -> Precedence:
        known = [precedence.name.lower() for precedence in Precedence]
        if given not in known:
            self._refuse("page.least", f"a precedence is wanted: {', '.join(known)}")
        return Precedence[given.upper()]

    def _via(self, given: str) -> str:
        port = _SMTP.fullmatch(given)
        if not (given.startswith("/") or (port is not None and 0 < int(port[1]) < 2**16)):
            self._refuse("mail.via", "smtp:PORT of this machine, or the path of a program like sendmail, is wanted")
        return given

    def _duty(self, duty: _Duty, place: str, mail: _MailSection) -> Duty:
        if any(not character.isprintable() for character in duty.name):
            self._refuse(f"{place}.name", "a name has one line")
        return Duty(
            name=duty.name,
            hooks=tuple(self._hook(hook, f"{place}.hooks[{n}]", mail) for n, hook in enumerate(duty.hooks)),
            shifts=tuple(self._shift(shift, f"{place}.shifts[{n}]") for n, shift in enumerate(duty.shifts)),
        )

    def _hook(self, hook: _Hook, place: str, mail: _MailSection) -> Hook:
        given = [way for way in (hook.command, hook.webhook, hook.mail) if way is not None]
        if len(given) != 1:
            self._refuse(place, "exactly one of command, webhook and mail is wanted")
        if hook.command is not None:
            if not hook.command[0].startswith("/"):
                self._refuse(place, "a command begins with the whole path of its program; no shell looks for it")
            if any("\0" in word for word in hook.command):
                self._refuse(place, "a word of a command holds no NUL")
            return Command(argv=hook.command)
        if hook.webhook is not None:
            return self._webhook(hook.webhook, place)
        for address, at in ((hook.mail or "", place), (mail.sender, "mail.sender")):
            if not _ADDRESS.fullmatch(address):
                self._refuse(at, "a plain mail address is wanted, and one as `sender` of [mail]")
        return Mail(to=hook.mail or "")

    def _webhook(self, url: str, place: str) -> Webhook:
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            _ = parts.port
        except ValueError:
            self._refuse(place, "this is no address of a webhook")
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
        if not is_safe or not host or parts.username is not None or not url.isascii() or not url.isprintable():
            self._refuse(place, "https://HOST/... is wanted, or http:// on this machine's loopback")
        return Webhook(url=url, host=host)

    def _shift(self, shift: _Shift, place: str) -> Shift:
        if not shift.days or not set(shift.days) <= set(DAYS):
            self._refuse(f"{place}.days", f"days are {', '.join(DAYS)}, at least one")
        for key, clock in (("from", shift.begins), ("until", shift.ends)):
            if not _CLOCK.fullmatch(clock):
                self._refuse(f"{place}.{key}", 'an hour is wanted, as "08:00"')
        try:
            zone = ZoneInfo(shift.zone)
        except (OSError, ValueError):  # not found is a KeyError of its own, a folder an OSError
            self._refuse(f"{place}.zone", 'UTC or a zone of the IANA list is wanted, as "Africa/Tunis"')
        except KeyError:
            self._refuse(f"{place}.zone", 'UTC or a zone of the IANA list is wanted, as "Africa/Tunis"')
        return Shift(
            days=frozenset(DAYS.index(day) for day in shift.days),
            begins=time.fromisoformat(shift.begins),
            ends=time.fromisoformat(shift.ends),
            zone=zone,
        )

    def _refuse(self, path: str, why: str) -> NoReturn:
        place = f"line {self._line(path)}" + (f", {path}" if path else "")
        raise UsageError(Code.CONFIG, f"{self._name}: {place}: {why}", hint=_HINT)

    def _line(self, path: str) -> int:
        """The line where a setting stands, or its table where it does not."""
        found = [1]
        keys = re.findall(r"\w+", path)
        table = keys[0] if keys else ""
        nth = int(keys[1]) if len(keys) > 1 and keys[1].isdecimal() else 0
        inside = False
        wanted = [key for key in keys[1:] if not key.isdecimal()]
        for number, line in enumerate(self._text.splitlines(), start=1):
            header = _HEADER.match(line)
            if header is not None:
                inside = header["name"] == table and nth == 0
                nth -= header["name"] == table
                found = [number] if inside else found
            elif (inside or not table) and wanted and re.match(rf"\s*{re.escape(wanted[0])}\s*=", line):
                found.append(number)
        return found[-1]


def _said(error: msgspec.ValidationError) -> str:
    """What is wrong, with the nearest name where one does not exist."""
    detail = _PLACE.sub("", str(error)).removesuffix(" - at ").strip()
    unknown = _UNKNOWN.search(detail)
    if unknown is None:
        return detail
    near = difflib.get_close_matches(unknown["name"], list(_known_names()), n=1)
    return f"there is no setting {unknown['name']!r}" + (f"; {near[0]!r} is near" if near else "")


def _known_names() -> Iterator[str]:
    tables: list[Any] = [_File, _Page, _Waits, _MailSection, _Shift, _Hook, _Duty]
    for table in tables:
        yield from (field.encode_name for field in msgspec.structs.fields(table))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
