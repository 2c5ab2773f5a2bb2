"""The engine of each room suite."""

from __future__ import annotations

from typing import Final

from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.group.flat.engine import FlatEngine
from amanah_protocol.group.seam import Engine
from amanah_protocol.group.suites import FLAT

_ENGINES: Final[dict[int, Engine]] = {FLAT: FlatEngine()}


def engine_for(suite: int) -> Engine:
    """The engine of a suite, as `create` and certificates name it.

    Raises:
        VerifyError: `SUITE`: never another suite in its place (attack 22).
    """
    engine = _ENGINES.get(suite)
    if engine is None:
        raise VerifyError(Code.SUITE, f"the room suite 0x{suite:04X} is not known here")
    return engine
