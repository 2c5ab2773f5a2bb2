"""Effects on connections, as they come out of one `handle` call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from amanah_protocol import frames
from amanah_protocol.errors import AmanahError, Code
from amanah_protocol.limits import MAX_TEXT_CHARS
from amanah_relay.effects import Close, Effect, FanOut, Send, SessionId

POLICY: Final = 1008
CLOSE_CODES: Final[Mapping[Code, int]] = {
    Code.TOO_LARGE: 1009,
    Code.FRAME: 1002,
    Code.MALFORMED: 1007,
    Code.NOT_CANONICAL: 1007,
    Code.BAD_TYPE: 1007,
    Code.BAD_HEADER: 1007,
    Code.STOPPING: 1001,
    Code.STORE: 1011,
    Code.DISK_FULL: 1011,
    Code.RATE: 1013,
    Code.QUOTA: 1013,
}
"""Close codes of RFC 6455 section 7.4.1; what is not named here is a matter of policy."""


class Output:
    """Collects effects in order."""

    __slots__ = ("_effects",)

    def __init__(self) -> None:
        self._effects: list[Effect] = []

    def add(self, effect: Effect) -> None:
        """Append an effect."""
        self._effects.append(effect)

    def send(self, session: SessionId, frame: frames.Frame) -> None:
        """Write one frame to one session."""
        self._effects.append(Send(session=session, data=frames.encode_frame(frame)))

    def fan_out(self, sessions: tuple[SessionId, ...], data: tuple[bytes, ...]) -> None:
        """Write the same encoded frames to each session."""
        self._effects.append(FanOut(sessions=sessions, data=data))

    def refuse(
        self, session: SessionId, request: int, error: AmanahError, *, position: int = 0, time_ms: int | None = None
    ) -> None:
        """Say that a request is refused, why, and when it may be tried again."""
        refused = frames.Refused(
            request=request,
            code=str(error.code),
            detail=error.detail[:MAX_TEXT_CHARS],
            retry_after_ms=error.retry_after_ms,
            position=position,
            time_ms=time_ms if error.code is Code.CLOCK else None,
        )
        self.send(session, refused)

    def close(self, session: SessionId, error: AmanahError) -> None:
        """Say why, and close."""
        code = str(error.code)
        detail = error.detail[:MAX_TEXT_CHARS]
        self.send(session, frames.Closing(code=code, detail=detail, retry_after_ms=error.retry_after_ms))
        self.add(Close(session=session, code=CLOSE_CODES.get(error.code, POLICY), reason=code))

    def take(self) -> list[Effect]:
        """All effects since the last call."""
        effects, self._effects = self._effects, []
        return effects
