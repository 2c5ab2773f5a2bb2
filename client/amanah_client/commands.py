"""Commands that a person is told to run: they work as they are printed, in the profile that is in use."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Final

_AUDIT: Final = re.compile(r"`(amanah audit [^`]+)`")


def home_option(home: Path | str, usual: Path | str | None = None) -> str:
    """What a command needs to find a profile: ` --home FOLDER`, or "" for the usual place."""
    return "" if home == usual else f" --home {shlex.quote(str(home))}"


def at_home(text: str, option: str) -> str:
    """A text in which each `amanah audit ...` has this option; what others run, in profiles of theirs, stays."""
    return _AUDIT.sub(lambda found: f"`{found[1]}{option}`", text) if option else text
