"""Options that every verb has."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cyclopts import Parameter

from amanah_relay.config import Config, load_config


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
