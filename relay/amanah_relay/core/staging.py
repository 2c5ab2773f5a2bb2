"""Contents too large for one frame: on their way in (staging), and on their way out (a small cache)."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass, field

from amanah_protocol import frames
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, OperationalError, RefusedError, VerifyError
from amanah_protocol.types import DeviceId, OrgName, RoomId
from amanah_relay.effects import SessionId
from amanah_relay.quotas import RelayLimits


@dataclass(slots=True, kw_only=True)
class Staged:
    """A content of which pieces have come.

    Attributes:
        organisation: Whose share of the memory they take.
        total: Bytes announced; they are reserved from the first piece on.
        begun_ms: When the first piece came.
        came: What has come.
        whole: All of it, once it is here and its hash was checked.
    """

    organisation: OrgName
    total: int
    begun_ms: int
    came: bytearray = field(default_factory=bytearray)
    whole: bytes | None = None


class Staging:
    """Contents that sessions have announced, by payload hash."""

    def __init__(self, limits: RelayLimits) -> None:
        self._limits = limits
        self._sessions: dict[SessionId, dict[bytes, Staged]] = {}
        self._organisations: Counter[OrgName] = Counter()
        self.reserved = 0

    def put(self, session: SessionId, organisation: OrgName, frame: frames.Stage, now_ms: int) -> None:
        """Take a piece; pieces come in order.

        Raises:
            OperationalError: `STAGING` for a piece that does not follow.
            RefusedError: `QUOTA` when there is no room for it.
            VerifyError: `CONTENT_HASH` when the whole is not what the hash names.
        """
        held = self._sessions.setdefault(session, {})
        staged = held.get(frame.payload_hash)
        if frame.offset == 0:
            # Begun anew: a client that lost our answers starts over.
            self.discard(session, frame.payload_hash)
            staged = self._begin(session, organisation, frame, now_ms)
        if staged is None or frame.total != staged.total or frame.offset != len(staged.came):
            raise OperationalError(Code.STAGING, "this is not the next piece of a staged content")
        if frame.offset + len(frame.data) > staged.total:
            self.discard(session, frame.payload_hash)
            raise OperationalError(Code.STAGING, "the pieces are longer than was announced")
        staged.came += frame.data
        if len(staged.came) == staged.total:
            self._finish(session, frame.payload_hash, staged)

    def get(self, session: SessionId, payload: bytes) -> bytes | None:
        """A whole staged content."""
        staged = self._sessions.get(session, {}).get(payload)
        return None if staged is None else staged.whole

    def discard(self, session: SessionId, payload: bytes) -> None:
        """Forget one content, if it is there."""
        staged = self._sessions.get(session, {}).pop(payload, None)
        if staged is not None:
            self.reserved -= staged.total
            self._organisations[staged.organisation] -= staged.total

    def drop(self, session: SessionId) -> None:
        """Forget a session."""
        for payload in tuple(self._sessions.get(session, ())):
            self.discard(session, payload)
        self._sessions.pop(session, None)

    def expire(self, now_ms: int) -> None:
        """Forget what was begun too long ago."""
        for session, held in self._sessions.items():
            for payload, staged in tuple(held.items()):
                staged.begun_ms = min(staged.begun_ms, now_ms)  # a clock that was set back gives no time
                if now_ms - staged.begun_ms >= self._limits.stage_ms:
                    self.discard(session, payload)

    def _finish(self, session: SessionId, payload: bytes, staged: Staged) -> None:
        whole = bytes(staged.came)
        if sha256(whole) != payload:
            self.discard(session, payload)
            raise VerifyError(Code.CONTENT_HASH, "the staged content is not the one that was announced")
        staged.whole = whole

    def _begin(self, session: SessionId, organisation: OrgName, frame: frames.Stage, now_ms: int) -> Staged:
        held, limits = self._sessions[session], self._limits
        own = sum(staged.total for staged in held.values())
        # What is announced counts, not what has come: else sessions could promise more than fits.
        if (
            own + frame.total > limits.staged_bytes_per_session
            # Else a few sessions of one organisation would keep all others from adding members.
            or self._organisations[organisation] + frame.total > limits.staged_bytes_per_organisation
            or self.reserved + frame.total > limits.staged_bytes
        ):
            raise RefusedError(Code.QUOTA, "no room to stage this content now", retry_after_ms=limits.stage_ms)
        staged = Staged(organisation=organisation, total=frame.total, begun_ms=now_ms)
        held[frame.payload_hash] = staged
        self.reserved += frame.total
        self._organisations[organisation] += frame.total
        return staged


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedContent:
    """A large content and who may have it (None: every member)."""

    data: bytes
    addressees: tuple[DeviceId, ...] | None


class ContentCache:
    """The large contents fetched last: a welcome and its tree are fetched by up to 96 devices in pieces."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self.generation = 0
        """Counts erasures: what was read before the last one is not kept."""
        self._contents: OrderedDict[tuple[RoomId, bytes], CachedContent] = OrderedDict()

    def get(self, room: RoomId, payload: bytes) -> CachedContent | None:
        """A content, if it is here."""
        found = self._contents.get((room, payload))
        if found is not None:
            self._contents.move_to_end((room, payload))
        return found

    def put(self, room: RoomId, payload: bytes, content: CachedContent) -> None:
        """Keep a content; the one used longest ago goes."""
        before = self._contents.pop((room, payload), None)
        self._bytes += len(content.data) - (0 if before is None else len(before.data))
        self._contents[room, payload] = content
        while self._bytes > self._max_bytes:
            _, dropped = self._contents.popitem(last=False)
            self._bytes -= len(dropped.data)

    def clear(self) -> None:
        """Forget all: something was erased, and nobody may be given it from here."""
        self._contents.clear()
        self._bytes = 0
        self.generation += 1
