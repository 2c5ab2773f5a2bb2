"""A template of a room: its label, who is invited, how the incident begins, what is to be done, and by when.

It is TOML, read strictly: what is misspelt is refused and named, for a deadline that nobody set would be missed.
"""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from amanah_protocol import limits
from amanah_protocol.content.incident import TYPES
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.identity import parse_organisation
from amanah_protocol.labels import Label

BUILT_IN: Final = ("phishing", "ransomware", "vulnerability")
MAX_BYTES: Final = 64 * limits.KIB
OWN: Final = "lead"
"""The role of whoever opens the room; every template has it."""

_UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_NAME: Final = r"^[a-z][a-z0-9-]{0,31}$"

Name: TypeAlias = Annotated[str, Meta(pattern=_NAME)]
Span: TypeAlias = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,3}[mhd]$")]
Sentence: TypeAlias = Annotated[str, Meta(min_length=1, max_length=limits.MAX_TEXT_CHARS)]
Severity: TypeAlias = Literal["low", "medium", "high", "critical"]
Status: TypeAlias = Literal["triage", "investigating", "containing", "recovering", "resolved"]


class Role(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What nations are in a room for.

    Attributes:
        name: Its name, which tasks are given to.
        about: What that means.
        nations: Organisations that have it in every room of the template.
    """

    name: Name
    about: Sentence
    nations: Annotated[tuple[str, ...], Meta(max_length=64)] = ()


class Start(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the incident stands when the room is opened; `aware` starts the clocks of duties to notify."""

    severity: Severity | None = None
    status: Status = "triage"
    type: str | None = None
    aware: bool = False


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A task of the checklist, for each nation of a role; `within` counts from the opening."""

    what: Sentence
    role: Name = OWN
    within: Span | None = None


class Timer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A joint time, counted from the opening."""

    what: Sentence
    after: Span
    nature: Literal["action", "embargo", "deadline"] = "deadline"


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template.

    Attributes:
        format: 1.
        name: What it is called.
        about: What it is for.
        label: The highest label allowed in its rooms.
        agreement: Under which agreement they are opened.
        role: What nations are in them for.
        incident: Where the incident stands then.
        task: The checklist.
        clock: Joint times.
    """

    format: Literal[1]
    name: Name
    about: Sentence
    label: str
    agreement: Annotated[str, Meta(max_length=limits.MAX_NAME_CHARS)] | None = None
    role: Annotated[tuple[Role, ...], Meta(max_length=16)] = ()
    incident: Start = Start()
    task: Annotated[tuple[Step, ...], Meta(max_length=64)] = ()
    clock: Annotated[tuple[Timer, ...], Meta(max_length=16)] = ()

    @property
    def ceiling(self) -> Label:
        """Its label."""
        return Label.parse(self.label)

    @property
    def roles(self) -> tuple[str, ...]:
        """The names of its roles, the own one first."""
        return (OWN, *(role.name for role in self.role if role.name != OWN))


def decode_template(data: bytes, named: str) -> Template:
    """Read a template.

    Args:
        data: TOML in UTF-8, up to 64 KiB.
        named: What it is called where something is wrong with it.

    Raises:
        UsageError: `CONFIG`, `TOO_LARGE`, `LABEL` or `USAGE`.
    """
    if len(data) > MAX_BYTES:
        raise UsageError(Code.TOO_LARGE, f"{named} is longer than {MAX_BYTES} bytes", hint="It is no template.")
    try:
        found = msgspec.convert(tomllib.loads(data.decode()), Template)
    except (msgspec.ValidationError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = "`amanah template show ransomware` prints one that is right."
        raise UsageError(Code.CONFIG, f"{named} is no template: {error}", hint=hint) from error
    _check(found, named)
    return found


def _check(template: Template, named: str) -> None:
    """What types do not say."""
    Label.parse(template.label)
    names = [role.name for role in template.role]
    unknown = [step.role for step in template.task if step.role not in template.roles]
    group, _, type_ = (template.incident.type or "test/test").partition("/")
    for role in template.role:
        for nation in role.nations:
            parse_organisation(nation)
    wrong = ""
    if len(set(names)) != len(names):
        wrong = "a role stands there twice"
    elif unknown:
        wrong = f"a task is for the role {unknown[0]!r}, which it does not have"
    elif type_ not in TYPES.get(group, ()):
        wrong = f"{template.incident.type!r} is no type of the taxonomy"
    if wrong:
        raise UsageError(Code.CONFIG, f"{named} is no template: {wrong}", hint="Mend the file and try again.")


def built_in(name: str) -> bytes:
    """The text of a template that comes along.

    Raises:
        UsageError: `NOT_FOUND`.
    """
    if name not in BUILT_IN:
        hint = f"Known are {', '.join(BUILT_IN)}; a file is named by its path."
        raise UsageError(Code.NOT_FOUND, f"there is no template {name!r}", hint=hint)
    return resources.files("amanah_client.templates").joinpath(f"builtin/{name}.toml").read_bytes()


def span_ms(span: str) -> int:
    """The length of a time as templates write it: `30m`, `24h`, `14d`."""
    found = _SPAN.fullmatch(span)
    assert found is not None  # noqa: S101 - narrows for mypy: a template was checked when it was read
    return int(found[1]) * _UNITS[found[2]]
