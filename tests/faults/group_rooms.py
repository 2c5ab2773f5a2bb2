"""Clients of one room that lose power at any moment: groups as they are, a relay and stores in memory.

A client does as `amanah_client.core.room` does: it writes the large part of a group's state when the group moved
and the small part when a key was used, in one transaction with what it sends next or has just read, before anything
leaves. `PowerCut` may strike before and after each of these steps; what was not written is then gone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

from amanah_protocol.crypto import sha256
from amanah_protocol.group.room_engine import RoomEngine
from amanah_protocol.group.room_group import RoomGroup
from amanah_protocol.group.seam import Binding, Changed, OwnKeyPackage
from amanah_protocol.limits import MAX_HANDSHAKE_BYTES
from amanah_protocol.mls.framing import PrivateMessage, decode_message
from amanah_protocol.mls.suites import Aead, Suite
from amanah_protocol.types import DeviceId, EnvelopeId
from tests.protocol.group.circle import CREATE, POLICY, ROOM
from tests.protocol.group.devices import NOW_MS, accept, device

DONE: Final = "done and not stored"
STORED: Final = "stored and not sent"
ACCEPTED: Final = "sent and not known to be accepted"
MOMENTS: Final = (DONE, STORED, ACCEPTED)
"""At which the power may be cut."""

NOBODY: Final = Changed(added=(), removed=())


class PowerCut(Exception):  # noqa: N818 - it is none of a program's own errors
    """The device is without power."""


@dataclass(slots=True)
class Sealings:
    """Every call of an AEAD's `seal`, on all devices.

    Attributes:
        calls: By key and nonce, what was sealed.
        key_of: By ciphertext, its key.
        left: By key, the ciphertext that left a device.
    """

    calls: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = field(default_factory=dict)
    key_of: dict[bytes, bytes] = field(default_factory=dict)
    left: dict[bytes, bytes] = field(default_factory=dict)

    def watch(self, suite: Suite) -> Suite:
        """The suite, with its AEAD watched."""
        aead = suite.aead

        def seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes) -> bytes:
            ciphertext = aead.seal(key, nonce, plaintext, aad)
            assert self.calls.setdefault((key, nonce), (plaintext, aad)) == (plaintext, aad), "a nonce was reused"
            self.key_of[ciphertext] = key
            return ciphertext

        watched = Aead(id=aead.id, key_bytes=aead.key_bytes, nonce_bytes=aead.nonce_bytes, seal=seal, open=aead.open)
        return replace(suite, aead=watched)

    def leaves(self, sealed: bytes) -> None:
        """Something sealed leaves a device: under this key nothing else ever does."""
        message = decode_message(sealed, MAX_HANDSHAKE_BYTES)
        assert isinstance(message, PrivateMessage)
        key = self.key_of[message.ciphertext]
        assert self.left.setdefault(key, message.ciphertext) == message.ciphertext, "a key was used twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a client sends, signed and stored, so that it is the same when it is sent again.

    Attributes:
        id: Of the envelope.
        by: The sender.
        epoch: In which it was sealed.
        sealed: Its sealed content.
        aad: What it is bound to.
        changes: What a commit does; None for a message.
        welcome: For those whom a commit adds.
        tree: The tree beside the welcome.
        text: What a message says; its sender alone knows.
    """

    id: EnvelopeId
    by: int
    epoch: int
    sealed: bytes
    aad: bytes
    changes: Changed | None = None
    welcome: bytes = b""
    tree: bytes = b""
    text: bytes = b""


@dataclass(slots=True)
class Relay:
    """Takes what is of the current epoch, once, in one order."""

    log: list[Sent] = field(default_factory=list)
    epoch: int = 0

    def publish(self, sent: Sent) -> bool:
        """Whether it is in the log, now or since it was sent before."""
        if any(entry.id == sent.id for entry in self.log):
            return True
        if sent.epoch != self.epoch:
            return False
        self.log.append(sent)
        self.epoch += sent.changes is not None
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """All that outlives a power cut, replaced as a whole.

    Attributes:
        group: The part of the group's state that a commit changes; empty outside the room.
        keys: The part that every message changes.
        head: How many entries of the log were processed.
        flying: What was sealed and not answered yet.
        outbox: Texts to be sent, in order.
        read: Texts that were opened or sent, in the log's order.
        package: The own key package, while it was not used.
        entered: Own epochs, each as it was entered: what it exports.
    """

    group: bytes = b""
    keys: bytes = b""
    head: int = 0
    flying: Sent | None = None
    outbox: tuple[bytes, ...] = ()
    read: tuple[bytes, ...] = ()
    package: OwnKeyPackage | None = None
    entered: tuple[tuple[int, bytes], ...] = ()


class Client:
    """One device: what it stored, and what it holds in memory until the power is cut."""

    def __init__(self, number: int, relay: Relay, engine: RoomEngine, watch: Sealings, random: Random) -> None:
        self.number, self.me = number, device(number)
        self.relay, self.engine, self.watch, self.random = relay, engine, watch, random
        self.stored = Stored()
        self.group: RoomGroup | None = None
        self.cuts: dict[str, int] = dict.fromkeys(MOMENTS, 0)
        self.risk = 0.0

    # ---- power

    def start(self) -> None:
        """Go on from what is stored."""
        stored = self.stored
        self.group = self.engine.restore(stored.group, stored.keys, self.me.key) if stored.group else None

    def attempt(self, work: Callable[[], None]) -> None:
        """Work until it is done or the power is cut, and then start again."""
        try:
            work()
        except PowerCut as cut:
            self.cuts[str(cut)] += 1
            self.start()

    def _may_fail(self, moment: str) -> None:
        if self.random.random() < self.risk:
            raise PowerCut(moment)

    def _save(self, *, moved: bool, used_key: bool = True, **changes: object) -> None:
        """One transaction, between two moments at which the power may go."""
        self._may_fail(DONE)
        group, keys = self.stored.group, self.stored.keys
        if moved:
            group = b"" if self.group is None else self.group.epoch_state()
        if moved or used_key:
            keys = b"" if self.group is None else self.group.message_state()
        self.stored = replace(self.stored, group=group, keys=keys, **changes)  # type: ignore[arg-type]  # fields of Stored
        self._may_fail(STORED)

    # ---- being in

    @property
    def live(self) -> RoomGroup:
        assert self.group is not None
        return self.group

    def create(self) -> None:
        """Open the room."""
        me = self.me
        self.group = self.engine.create(
            ROOM, me.key, me.credential, policy=POLICY, now_ms=NOW_MS, random=self.random.randbytes
        )
        self._save(moved=True)

    def offer(self) -> bytes:
        """A key package that is stored before it is given away."""
        if self.stored.package is None:
            me = self.me
            made = self.engine.make_key_package(
                me.key, me.credential, now_ms=NOW_MS, last_resort=False, random=self.random.randbytes
            )
            self._save(moved=False, used_key=False, package=made)
        assert self.stored.package is not None
        return self.stored.package.public

    # ---- sending

    def write(self, text: bytes) -> None:
        """Something to be said, durable before anything else is done for it."""
        self._save(moved=False, used_key=False, outbox=(*self.stored.outbox, text))

    def send_next(self) -> None:
        """Seal the next text, store, send, and send the same again until it is answered."""
        if self.stored.flying is None and self.stored.outbox:
            text, aad = self.stored.outbox[0], self.random.randbytes(32)
            sealed = self.live.seal(text, aad=aad, random=self.random.randbytes)
            sent = Sent(
                id=EnvelopeId(sha256(aad)), by=self.number, epoch=self.live.epoch, sealed=sealed, aad=aad, text=text
            )
            self._save(moved=False, flying=sent)
        self._resend()

    def commit(self, *, adds: tuple[Client, ...] = (), removes: tuple[int, ...] = ()) -> None:
        """Stage a commit, store it with its welcome, and send it."""
        if self.stored.flying is not None:
            return
        packages = tuple(client.offer() for client in adds)
        aad = self.random.randbytes(32)
        staged = self.live.stage_commit(
            adds=packages,
            removes=tuple(device(number).id for number in removes),
            credential=self.me.credential,
            aad=aad,
            random=self.random.randbytes,
        )
        envelope = EnvelopeId(sha256(aad))
        sent = Sent(
            id=envelope,
            by=self.number,
            epoch=self.live.epoch,
            sealed=staged.sealed,
            aad=aad,
            changes=Changed(
                added=tuple(sorted(client.me.id for client in adds)),
                removed=tuple(sorted(device(number).id for number in removes)),
            ),
            welcome=staged.welcome(CREATE, envelope, random=self.random.randbytes) if adds else b"",
            tree=staged.tree,
        )
        self._save(moved=True, flying=sent)
        self._resend()

    def _resend(self) -> None:
        sent = self.stored.flying
        if sent is None:
            return
        assert sent.changes is None or sent.tree == self._pending_tree()
        self.watch.leaves(sent.sealed)
        accepted = self.relay.publish(sent)
        self._may_fail(ACCEPTED)
        if accepted:
            return
        self.live.discard()
        self._save(moved=sent.changes is not None, used_key=False, flying=None)

    def _pending_tree(self) -> bytes:
        """The same after a restart as when it was stored."""
        pending = self.live.pending
        assert pending is not None
        return pending.tree

    # ---- receiving

    def receive(self, count: int) -> None:
        """Process up to that many entries of the log, each in one transaction."""
        for entry in self.relay.log[self.stored.head :][:count]:
            self._take(entry)

    def _take(self, entry: Sent) -> None:
        head = self.stored.head + 1
        if self.group is None:
            self._take_outside(entry, head)
        elif entry.by == self.number:
            self._take_own(entry, head)
        elif entry.changes is None:
            text = self.group.open(entry.sealed, sender=device(entry.by).id, aad=entry.aad)
            self._save(moved=False, head=head, read=(*self.stored.read, text))
        else:
            self.group.process(
                entry.sealed, sender=device(entry.by).id, aad=entry.aad, expected=entry.changes, check=accept
            )
            if self.me.id in entry.changes.removed:
                self.group = None
                self._save(moved=True, head=head, flying=None)
                return
            flying = self.stored.flying
            lost = flying is not None and flying.changes is not None
            self._save(moved=True, head=head, flying=None if lost else flying, entered=self._entered())

    def _take_own(self, entry: Sent, head: int) -> None:
        """An own entry comes back in its place: of a message the text is there, a commit is merged now."""
        flying = self.stored.flying
        assert flying is not None
        assert flying.id == entry.id
        if entry.changes is None:
            outbox, read = self.stored.outbox, self.stored.read
            self._save(moved=False, used_key=False, head=head, flying=None, outbox=outbox[1:], read=(*read, entry.text))
        else:
            self.live.merge()
            self._save(moved=True, head=head, flying=None, entered=self._entered())

    def _take_outside(self, entry: Sent, head: int) -> None:
        package, changes = self.stored.package, entry.changes or NOBODY
        if self.me.id not in changes.added:
            self._save(moved=False, used_key=False, head=head)
            return
        assert package is not None
        bound = Binding(
            room=ROOM, policy=POLICY, create_id=CREATE, commit_id=entry.id, sender=DeviceId(device(entry.by).id)
        )
        self.group, used = self.engine.join(
            entry.welcome,
            entry.tree,
            bound,
            privates={package.reference: package.private},
            key=self.me.key,
            check=accept,
        )
        assert used == package.reference
        self._save(moved=True, head=head, package=None, entered=self._entered())

    def _entered(self) -> tuple[tuple[int, bytes], ...]:
        return (*self.stored.entered, (self.live.epoch, self.live.export("amanah test", b"", 32)))
