"""The engines of the room suites, as a client's shell makes them."""

from __future__ import annotations

from typing import Final

from amanah_client.encapsulation import encapsulate
from amanah_protocol.group.engines import Engines

ENGINES: Final = Engines(encapsulate)
