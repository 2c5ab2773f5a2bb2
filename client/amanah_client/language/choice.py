"""Which language a person gets, before anybody asked: by the environment of a terminal, or by what a browser says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from amanah_client.language.spoken import ENGLISH, LANGUAGES, Language, language
from amanah_protocol.errors import Code, UsageError

VARIABLE: Final = "AMANAH_LANG"
SETTINGS: Final = "client.toml"
_LOCALES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
_MOST: Final = 32
"""Languages that a browser is listened to for."""


def setting(profile: Path) -> str:
    """What a profile's `client.toml` says: `language = "ar"`; "" where it says nothing.

    Raises:
        UsageError: `CONFIG` when it cannot be read, or names a language that there is no catalogue of.
    """
    path = profile / SETTINGS
    if not path.is_file():
        return ""
    import tomllib  # noqa: PLC0415 - few profiles have settings

    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text).get("language", "")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(Code.CONFIG, f"{path} cannot be read: {error}") from error
    if found and (not isinstance(found, str) or language(found) is None):
        hint = f"Those that there are: {', '.join(LANGUAGES)}."
        raise UsageError(Code.CONFIG, f"{path} names a language that there is no catalogue of: {found!r}", hint=hint)
    return str(found)


def of_environment(environment: Mapping[str, str], setting: str = "") -> Language:
    """A terminal's: `AMANAH_LANG`, else the setting, else the locale of messages.

    Args:
        environment: The process's.
        setting: Of `client.toml`; "" where there is none.
    """
    for wanted in (environment.get(VARIABLE, ""), setting):
        if found := language(wanted):
            return found
    # As POSIX has it: the first that is set decides, also for a language that there is no catalogue of.
    named = next((environment[name] for name in _LOCALES if environment.get(name)), "")
    return language(named) or ENGLISH


def of_program(environment: Mapping[str, str], profile: Path) -> Language | None:
    """What was chosen for a program that shows pages: `AMANAH_LANG`, else the setting; None leaves it to the browser.

    Raises:
        UsageError: As `setting`.
    """
    return language(environment.get(VARIABLE, "")) or language(setting(profile))


def asked_for(chosen: str, header: str) -> Language:
    """A page's: what its reader chose, else what the browser asks for first of what there is (RFC 9110, 12.5.4)."""
    if found := language(chosen):
        return found
    wanted = [_weighed(part) for part in header.split(",")[:_MOST]]
    for _, tag in sorted(wanted, key=lambda one: -one[0]):
        if found := language(tag):
            return found
    return ENGLISH


def _weighed(part: str) -> tuple[float, str]:
    """How much a language is wanted; one of weight 0 is not."""
    tag, _, parameter = part.partition(";")
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0, tag
    try:
        weight = float(value)
    except ValueError:
        weight = 0.0
    return (weight, tag) if 0 < weight <= 1 else (0.0, "")
