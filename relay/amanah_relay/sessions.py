"""One connection as the shell sees it: what came in and waits, what goes out, whether it keeps up."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from amanah_protocol.limits import KIB, MIB
from amanah_relay.effects import SessionId
from amanah_relay.inputs import Input
from amanah_relay.wire import Chunk, RelayConnection

HIGH_BYTES: Final = 4 * MIB
"""Above this the session is congested: live delivery stops and nothing more is read from it."""
LOW_BYTES: Final = 256 * KIB
"""Below this it is drained again."""
HARD_BYTES: Final = 16 * MIB
"""Above this it is cut: answers in flight when it became congested may not grow without bound."""
MAX_WAITING: Final = 64
MAX_WAITING_BYTES: Final = MIB
PROGRESS_SECONDS: Final = 30
PROGRESS_BYTES: Final = PROGRESS_SECONDS * KIB


@dataclass(slots=True)
class Progress:
    """Whether a reader takes at least 1 KiB a second over 30 s while something waits for it.

    Attributes:
        since_s: Start of the window, on a monotonic clock; None while nothing waits.
        taken: Bytes that had left the buffer then.
    """

    since_s: float | None = None
    taken: int = 0

    def is_stalled(self, now_s: float, *, written: int, buffered: int) -> bool:
        """Look at the buffer, about once a second.

        Args:
            now_s: Monotonic time.
            written: Bytes written to the buffer since the connection began.
            buffered: Bytes in it now.
        """
        taken = written - buffered
        if buffered == 0:
            self.since_s = None
        elif self.since_s is None:
            self.since_s, self.taken = now_s, taken
        elif now_s - self.since_s >= PROGRESS_SECONDS:
            if taken - self.taken < PROGRESS_BYTES:
                return True
            self.since_s, self.taken = now_s, taken
        return False


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """A connection, from its opening to its end.

    Attributes:
        number: Its number in inputs and effects.
        connection: The websocket.
        inbox: Inputs of this session that the core has not had, oldest first.
        waiting_bytes: Bytes of the messages among them.
        queued: Whether it stands in the line for its turn.
        room: Set while the reader waits for room in the inbox.
        chunks: What this turn writes to it.
        congested: Whether its buffer is above the high-water mark.
        closing: Whether we have begun to close it.
        guarded: Whether it may send small frames alone: nobody has logged in yet.
        organisation: Whose device logged in; None before, and strangers share one turn.
        written: Bytes written so far.
        progress: Its pace.
    """

    number: SessionId
    connection: RelayConnection
    inbox: deque[tuple[Input, int]] = field(default_factory=deque)
    waiting_bytes: int = 0
    queued: bool = False
    room: asyncio.Future[None] | None = None
    chunks: list[Chunk] = field(default_factory=list)
    congested: bool = False
    closing: bool = False
    guarded: bool = True
    organisation: str | None = None
    written: int = 0
    progress: Progress = field(default_factory=Progress)

    @property
    def full(self) -> bool:
        """Whether reading pauses, so that one peer cannot fill our memory or get ahead of the others."""
        return len(self.inbox) >= MAX_WAITING or self.waiting_bytes >= MAX_WAITING_BYTES

    @property
    def next_bytes(self) -> int:
        """Length of the message that is next; 0 where the next input is none."""
        return self.inbox[0][1]

    def put(self, what: Input, size: int = 0) -> None:
        """Append to the inbox."""
        self.inbox.append((what, size))
        self.waiting_bytes += size

    def take(self) -> Input:
        """The oldest input; wakes the reader when there is room again."""
        what, size = self.inbox.popleft()
        self.waiting_bytes -= size
        if self.room is not None and not self.full:
            self.release()
        return what

    def release(self) -> None:
        """Let the reader go on."""
        if self.room is not None and not self.room.done():
            self.room.set_result(None)


def network_of(address: str) -> str:
    """What unauthenticated peers are counted by: the IPv4 address, or the /64 of an IPv6 address."""
    try:
        host = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(host, ipaddress.IPv4Address):
        return str(host)
    if host.ipv4_mapped is not None:
        return str(host.ipv4_mapped)
    # Whoever has one IPv6 address has at least 2**64 of them.
    return str(ipaddress.IPv6Network((int(host) >> 64 << 64, 64)))
