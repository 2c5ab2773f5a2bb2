"""What the relay says on standard error: one line an event, and never who said what.

No line holds content, a name, an address of a peer, or more than eight hex characters of a device
id. What unauthenticated peers cause is counted and written at most once a second, so that nobody
can fill the disk with our own log.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from typing import Final, TextIO

NAME: Final = "amanah.relay"
_SHOWN_KINDS: Final = 16


class _Format(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in the message: a peer's text cannot forge a second one."""
        return (
            super()
            .format(record)
            .encode("ascii", "backslashreplace")
            .decode()
            .replace("\n", "\\n")
            .replace("\r", "\\r")
        )


def configure_logs(level: str, stream: TextIO | None = None) -> logging.Logger:
    """Send the relay's events to `stream` (standard error), from `level` on."""
    logger = logging.getLogger(NAME)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Format("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ"))
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False
    # These write tracebacks for what any stranger can provoke (a cut connection, a bad handshake).
    for name in ("websockets", "websockets.server", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return logger


class Tally:
    """Counts what peers cause, and says it in one line when it is asked to."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._counts: Counter[str] = Counter()

    def count(self, event: str) -> None:
        """One more of an event; `event` is a word of ours, never a peer's."""
        self._counts[event] += 1

    def flush(self) -> None:
        """Write one line if anything was counted; call it once a second."""
        if self._counts:
            shown = sorted(self._counts.items())[:_SHOWN_KINDS]
            self._logger.info("connections %s", " ".join(f"{event}={count}" for event, count in shown))
            self._counts.clear()
