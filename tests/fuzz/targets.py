"""The fuzz targets: one file `fuzz_NAME.py` for each decoder.

A target file has a function `run(data)`, which takes any bytes, and `SEEDS`, inputs that it
accepts. `run` lets a `PeerError` through, because that is how a peer's bytes are refused; anything
else that escapes is a crash. What the decoder promises of an accepted input (that it encodes to
the same bytes, say) is asserted in `run`. A new file in this folder is all that a new target takes.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from amanah_protocol.errors import PeerError

FOLDER: Final = Path(__file__).resolve().parent
VECTORS: Final = FOLDER.parent / "vectors" / "protocol.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A decoder under fuzz.

    Attributes:
        name: The file's name without `fuzz_`.
        run: Takes any bytes; `PeerError` alone may escape.
        seeds: Inputs that are accepted.
    """

    name: str
    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]

    def attempt(self, data: bytes) -> bool:
        """Run on one input; whether it was accepted."""
        try:
            self.run(data)
        except PeerError:
            return False
        return True


def names() -> list[str]:
    """Every target."""
    return sorted(path.stem.removeprefix("fuzz_") for path in FOLDER.glob("fuzz_*.py"))


def load(name: str) -> Target:
    """Import a target."""
    module = importlib.import_module(f"tests.fuzz.fuzz_{name}")
    return Target(name=name, run=module.run, seeds=tuple(module.SEEDS))


def known(*decoders: str) -> tuple[bytes, ...]:
    """The known answers of these decoders (`tests/vectors/protocol.json`), as seeds."""
    answers = json.loads(VECTORS.read_text(encoding="utf-8"))["answers"]
    return tuple(bytes.fromhex(answer["hex"]) for answer in answers if answer["decoder"] in decoders)
