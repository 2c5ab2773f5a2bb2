"""How frames reach a connection: many messages in one write.

`websockets` sends one message a call, and each call costs a system call for each recipient. Here
the messages of a batch are serialised once (RFC 6455 section 5.2: a server's frames are not masked,
so all recipients get the same bytes) and joined into one write a recipient. This goes beside the
library's interface in two places, `Frame.serialize` and the transport, and nowhere else in the
relay. If an installed version does not serialise as the RFC says, `choose_writer` falls back to the
library's own `broadcast`: slower, and as right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol, TypeAlias, cast

from websockets.asyncio.server import ServerConnection, broadcast
from websockets.frames import Frame, Opcode
from websockets.protocol import State

Chunk: TypeAlias = tuple[bytes, ...]
"""Messages prepared for any number of recipients; what is inside is the writer's business."""

_PROBE: Final = b"amanah"
_PROBE_FRAME: Final = b"\x82\x06amanah"


class RelayConnection(ServerConnection):
    """A connection that tells when its outgoing buffer fills and drains.

    Attributes:
        pressed: Called with True above the high-water mark of `write_limit`, with False below the low
            and at the end.
        pipe: The transport below.
    """

    pressed: Callable[[bool], None] | None = None
    pipe: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is there."""
        super().connection_made(transport)
        self.pipe = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        """asyncio: more is buffered than the high-water mark."""
        super().pause_writing()
        if self.pressed is not None:
            self.pressed(True)  # noqa: FBT003 - a callback of one flag

    def resume_writing(self) -> None:
        """asyncio: less is buffered than the low-water mark."""
        super().resume_writing()
        if self.pressed is not None:
            self.pressed(False)  # noqa: FBT003 - a callback of one flag

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is gone, and so is whatever was buffered."""
        super().connection_lost(exc)
        if self.pressed is not None:
            self.pressed(False)  # noqa: FBT003 - a callback of one flag

    @property
    def buffered_bytes(self) -> int:
        """Bytes that were written and have not reached the kernel."""
        return self.pipe.get_write_buffer_size()

    def limit_message(self, max_bytes: int) -> None:
        """Refuse larger messages from now on with close code 1009, before they are in memory."""
        self.protocol.max_message_size = max_bytes


class Writer(Protocol):
    """Prepares messages once and writes them to connections."""

    def prepare(self, messages: tuple[bytes, ...]) -> Chunk:
        """Messages in the order in which they will arrive."""

    def write(self, connection: RelayConnection, chunks: Iterable[Chunk]) -> int:
        """Write without waiting; nothing once the connection is closing. Gives the bytes written."""


class JoinedWriter:
    """One write, whatever the number of messages."""

    def prepare(self, messages: tuple[bytes, ...]) -> Chunk:
        """Serialise and join."""
        return (b"".join([Frame(Opcode.BINARY, message).serialize(mask=False) for message in messages]),)

    def write(self, connection: RelayConnection, chunks: Iterable[Chunk]) -> int:
        """One write to the transport."""
        # After a close frame no data frame may follow (RFC 6455 section 5.5.1).
        if connection.state is not State.OPEN:
            return 0
        data = b"".join([data for chunk in chunks for data in chunk])
        connection.pipe.write(data)
        return len(data)


class MessageWriter:
    """The library's own interface, one message at a time."""

    def prepare(self, messages: tuple[bytes, ...]) -> Chunk:
        """Nothing to prepare."""
        return messages

    def write(self, connection: RelayConnection, chunks: Iterable[Chunk]) -> int:
        """One `broadcast` a message; it passes over a connection that is closing."""
        written = 0
        for chunk in chunks:
            for message in chunk:
                broadcast((connection,), message)
                written += len(message)
        return written


def choose_writer(serialise: Callable[[bytes], bytes] | None = None) -> Writer:
    """The joined writer where the installed library serialises as RFC 6455 says, else the other."""
    try:
        frame = (serialise or (lambda data: Frame(Opcode.BINARY, data).serialize(mask=False)))(_PROBE)
    except (AttributeError, TypeError, ValueError):
        return MessageWriter()
    return JoinedWriter() if frame == _PROBE_FRAME else MessageWriter()
