"""Who can take part in a history: the engines of one suite, as far as they are installed here."""

from __future__ import annotations

import atexit
import shutil
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey

from amanah_protocol.mls.leaf_node import Lifetime
from amanah_protocol.mls.suites import (
    X25519_AES128GCM,
    X25519_CHACHA20POLY1305,
    XWING,
    Suite,
    xwing_aes128gcm,
)
from tests.oracles.member import Ability, Member
from tests.oracles.mls_rs import MlsRs, load
from tests.oracles.ours import Ours
from tests.oracles.ts_mls import Node, TsMls

ROOT: Final = Path(__file__).resolve().parents[2]
PYTHON_FOLDER: Final = ROOT / "build" / "oracles" / "python"
NODE_FOLDER: Final = ROOT / "build" / "oracles" / "node"
DAY_S: Final = 86_400

SUITES: Final[dict[int, Suite]] = {
    suite.number: suite
    for suite in (
        X25519_AES128GCM,
        X25519_CHACHA20POLY1305,
        xwing_aes128gcm(lambda public: MLKEM768PublicKey.from_public_bytes(public).encapsulate()),
    )
}
Casts = tuple[tuple[int, tuple[str, ...]], ...]
CASTS: Final[Casts] = (
    (0x0001, ("mls-rs",)),
    (0x0003, ("ts-mls",)),
    (0x0001, ("ts-mls",)),
    (0x0001, ("mls-rs", "ts-mls")),
)
"""Suites, and the engines beside ours in them; a seed takes them in turn."""
OWN_CASTS: Final[Casts] = ((0x0001, ()), (0x0003, ()), (XWING, ()))
"""Ours alone."""


def absent() -> str | None:
    """Why the oracles cannot run here, or None."""
    if not PYTHON_FOLDER.with_name(".python").exists() or not NODE_FOLDER.with_name(".node").exists():
        return "oracle absent: `make oracles` installs the engines that run beside ours"
    return None if shutil.which("node") else "oracle absent: node is not installed"


@cache
def _mls_rs() -> Any:  # noqa: ANN401 - the wheel ships no types
    return load(PYTHON_FOLDER)


@cache
def _node() -> Node:
    node = Node(NODE_FOLDER)
    atexit.register(node.close)
    return node


@dataclass(slots=True, kw_only=True)
class Cast:
    """Makes up the clients of one history.

    Attributes:
        suite: The suite.
        engines: The engines beside ours.
        random: Of our members, and of what is chosen when they are made up.
        lifetime: Of all key packages.
        keys: Pre-shared keys from outside that all clients know.
    """

    suite: Suite
    engines: tuple[str, ...]
    random: Random
    lifetime: Lifetime
    keys: dict[bytes, bytes] = field(default_factory=dict)
    _made: list[Member] = field(default_factory=list)

    @classmethod
    def of(cls, number: int, engines: tuple[str, ...], *, seed: int, now_s: int) -> Cast:
        """A cast; lifetimes begin an hour before `now_s`, for clocks differ, and end after 84 days."""
        lifetime = Lifetime(now_s - 3_600, now_s - 3_600 + 84 * DAY_S)
        return cls(suite=SUITES[number], engines=engines, random=Random(seed), lifetime=lifetime)

    def make(self, engine: str) -> Member:
        """A fresh client."""
        name = f"{engine} {len(self._made)}".encode()
        made: Member
        if engine == "ours":
            made = Ours(self.suite, name, self, self.random.randbytes)
        elif engine == "mls-rs":
            made = MlsRs(_mls_rs(), name, tree_inside=self.random.random() < 0.5)
        else:
            made = TsMls(_node(), self.suite.number, name, self)
        self._made.append(made)
        return made

    @property
    def abilities(self) -> Ability:
        """What every client of the cast can do."""
        able = Ours.abilities
        for engine in self.engines:
            able &= MlsRs.abilities if engine == "mls-rs" else TsMls.abilities
        return able

    def close(self) -> None:
        """The history is over."""
        for member in self._made:
            member.close()
