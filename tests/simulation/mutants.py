"""Planted faults: each breaks one promise, and the invariant that states the promise has to find it.

An invariant that no mutant trips proves nothing. Where two checks guard one promise (the relay's and
the member's), a mutant breaks both, because either alone keeps it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

import pytest
from msgspec import structs

from amanah_client import effects as e
from amanah_client import model
from amanah_client.core import login as client_login
from amanah_client.core import opening, place, withdraw
from amanah_client.core.context import Context
from amanah_client.core.entry import Entry
from amanah_client.core.room import Room
from amanah_protocol import frames
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label
from amanah_relay.core import RelayCore, acknowledgement, checks, control, fanout, publish, settlement
from amanah_relay.core.parts import Parts
from amanah_relay.effects import Append, Effect, FanOut, Held, Send
from amanah_relay.inputs import Appended, Input, Received
from tests.simulation.client_shell import ClientShell
from tests.simulation.client_store import MemoryClientStore
from tests.simulation.relay_store import KeptPackage, MemoryRelayStore, RelayStore
from tests.simulation.scheduler import START_MS
from tests.simulation.world import Build

Patch = pytest.MonkeyPatch
DELIVERY: Final = frames.Delivery.__struct_config__.tag


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A planted fault.

    Attributes:
        name: What it does wrong, as an identifier.
        breaks: The invariant that has to find it.
        plant: Plants it and gives the world's parts.
        faults: Kinds of faults that bring it out.
        first: The first seed that is tried.
        seeds: Within so many seeds it has to be found.
    """

    name: str
    breaks: str
    plant: Callable[[Patch], Build]
    faults: tuple[str, ...]
    first: int
    seeds: int


MUTANTS: Final[dict[str, Mutant]] = {}


def mutant(
    breaks: str, *faults: str, first: int = 0, seeds: int = 6
) -> Callable[[Callable[[Patch], Build]], Callable[[Patch], Build]]:
    """Register a mutant under its function's name."""

    def register(plant: Callable[[Patch], Build]) -> Callable[[Patch], Build]:
        name = plant.__name__
        MUTANTS[name] = Mutant(name=name, breaks=breaks, plant=plant, faults=faults, first=first, seeds=seeds)
        return plant

    return register


def substitute(patch: Patch, function: Any, other: Any) -> None:
    """Put another function in the place of one, under every name by which our packages hold it."""
    for module in [module for name, module in sys.modules.items() if name.startswith("amanah_")]:
        for name, value in list(vars(module).items()):
            if value is function:
                patch.setattr(module, name, other)


def _always(kind: type[MemoryRelayStore], roster: bytes) -> Callable[[], RelayStore]:
    """One store of a kind, for all processes."""
    store = kind.begun_with(roster, START_MS - 60_000)
    return lambda: store


def allow(*_: object, **__: object) -> None:
    """A check that lets everything pass."""


# ---- the relay


class HastyCore(RelayCore):
    """Believes that a batch is durable as soon as it is handed to the store."""

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        effects = super().handle(event, now_ms)
        for effect in tuple(effects):
            if isinstance(effect, Append):
                effects += self.handle(Appended(batch=effect.batch), now_ms)
        return effects


@mutant("I1", "appends fail", "relay dies")
def relay_acknowledges_before_durable(_: Patch) -> Build:
    """The receipt leaves before the store has answered."""
    return Build(relay_core=HastyCore)


@mutant("I1", "relay dies")
def store_loses_its_last_batch_on_restart(_: Patch) -> Build:
    """Durable was not durable: what relaxed sync does in a power cut."""

    def make(roster: bytes) -> Callable[[], RelayStore]:
        appended: list[Append] = []

        class Recording(MemoryRelayStore):
            def append(self, batch: Append) -> tuple[Held, ...]:
                freed = super().append(batch)
                appended.append(batch)
                return freed

        def reopen() -> RelayStore:
            """All batches again but the last."""
            kept = appended[:-1]
            appended.clear()
            store = Recording.begun_with(roster, START_MS - 60_000)
            for batch in kept[1:]:
                store.append(batch)
            return store

        return reopen

    return Build(relay_store=make)


@mutant("I1")
def receipt_names_the_next_index(patch: Patch) -> Build:
    """Everybody is told the place of the entry behind its own."""
    real = acknowledgement.accepted

    def accepted(request: int, batch: Any, places: Any) -> frames.Accepted:
        return real(request, batch, [(index + 1, room_seq) for index, room_seq in places])

    substitute(patch, real, accepted)
    return Build()


class DroppingCore(RelayCore):
    """Never delivers the entries of a room whose place is a multiple of seven."""

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        return [kept for effect in super().handle(event, now_ms) for kept in _without(effect, _is_seventh)]


def _is_seventh(data: bytes) -> bool:
    frame = frames.decode_relay_frame(data) if data[1] == DELIVERY else None
    return isinstance(frame, frames.Delivery) and frame.room_seq % 7 == 0


def _without(effect: Effect, unwanted: Callable[[bytes], bool]) -> list[Effect]:
    if isinstance(effect, Send):
        return [] if unwanted(effect.data) else [effect]
    if isinstance(effect, FanOut):
        return [replace(effect, data=tuple(data for data in effect.data if not unwanted(data)))]
    return [effect]


@mutant("I2")
def relay_drops_every_seventh_entry(_: Patch) -> Build:
    """Members miss what was acknowledged."""
    return Build(relay_core=DroppingCore)


class ShufflingCore(RelayCore):
    """Writes the entries of a batch in the wrong order."""

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        return [
            replace(effect, data=effect.data[::-1]) if isinstance(effect, FanOut) and _is_of_entries(effect) else effect
            for effect in super().handle(event, now_ms)
        ]


def _is_of_entries(effect: FanOut) -> bool:
    return all(data[1] == DELIVERY for data in effect.data)


@mutant("I3", first=27, seeds=8)
def entries_are_shuffled_and_nobody_minds(patch: Patch) -> Build:
    """The relay delivers out of order, and clients take what comes."""
    substitute(patch, place.follows, lambda *_: True)
    return Build(relay_core=ShufflingCore)


class StammeringCore(RelayCore):
    """Writes every entry twice."""

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        return [twice for effect in super().handle(event, now_ms) for twice in _doubled(effect)]


def _doubled(effect: Effect) -> list[Effect]:
    if isinstance(effect, Send) and effect.data[1] == DELIVERY:
        return [effect, effect]
    if isinstance(effect, FanOut):
        return [replace(effect, data=tuple(data for one in effect.data for data in (one, one)))]
    return [effect]


@mutant("I2")
def entries_come_twice_and_are_shown_twice(patch: Patch) -> Build:
    """The relay delivers twice, and clients do not look whether they have it."""
    real = place.follows

    def follows(ctx: Context, room: Room, entry: Entry) -> bool:
        return entry.room_seq <= room.row.head_seq or real(ctx, room, entry)

    substitute(patch, real, follows)
    return Build(relay_core=StammeringCore)


class CarelessStore(MemoryRelayStore):
    """Stores an envelope as often as it comes."""

    def has_any_of(self, _: Append) -> bool:
        return False


@mutant("I8", "cut", "relay store is slow", first=5)
def a_repetition_is_stored_again(patch: Patch) -> Build:
    """A publish whose receipt was lost is taken for a new one."""

    class Amnesiac(dict[Any, Any]):
        def get(self, *_: object) -> None:
            return None

    real = settlement.appended

    def appended(parts: Parts, event: Appended, now_ms: int) -> None:
        real(parts, event, now_ms)
        if parts.books is not None:
            parts.books.ledger.recent = Amnesiac()

    substitute(patch, settlement.appended, appended)
    substitute(patch, checks.check_counter, allow)
    patch.setattr(publish, "_may_be_stored", lambda *_: False)

    return Build(relay_store=partial(_always, CarelessStore))


@mutant("I6")
def two_commits_end_one_epoch(patch: Patch) -> Build:
    """There is no compare-and-set on the epoch."""
    substitute(patch, checks.check_epoch, allow)
    substitute(patch, checks.check_audience, allow)
    return Build()


@mutant("I7")
def a_message_of_the_old_epoch_is_taken_after_a_removal(patch: Patch) -> Build:
    """Who was removed holds the keys of what is accepted later."""
    real = checks.check_epoch

    def check_epoch(header: Any, *rest: Any) -> None:
        if header.kind is Kind.COMMIT:
            real(header, *rest)

    substitute(patch, real, check_epoch)
    substitute(patch, checks.check_audience, allow)
    return Build()


@mutant("I7")
def a_removed_device_stays_in_the_fan_out(patch: Patch) -> Build:
    """Live delivery goes on behind the removal."""
    real = fanout.encode_line

    def encode_line(entry: Any, **options: Any) -> Any:
        return real(entry, **{**options, "removed": ()})

    substitute(patch, real, encode_line)
    return Build()


@mutant("I7", "weather", first=7, seeds=20)
def a_revoked_device_still_logs_in(patch: Patch) -> Build:
    """Revocations are logged and mean nothing to the relay."""
    substitute(patch, control.check_login_chain, allow)
    substitute(patch, settlement.expel, allow)
    return Build()


@mutant("I5", "appends fail", "relay dies", "cut", first=1)
def heads_are_signed_ahead_of_the_store(patch: Patch) -> Build:
    """What is only on its way into the store is promised already."""
    real = settlement.flush

    def flush(parts: Parts) -> None:
        before = len(parts.out._effects)  # noqa: SLF001 - what was added is looked at, nothing else
        real(parts)
        for effect in parts.out._effects[before:]:  # noqa: SLF001 - the same
            if isinstance(effect, Append) and parts.books is not None:
                ledger = parts.books.ledger
                ledger.size, ledger.root, ledger._note = effect.first + len(effect.entries), effect.root, None  # noqa: SLF001 - the planted fault

    substitute(patch, real, flush)
    return Build()


class LavishStore(MemoryRelayStore):
    """Hands the same key package out again and again."""

    def hand_out(self, kept: KeptPackage) -> bytes | None:
        return kept.data


@mutant("I2")
def a_key_package_is_handed_out_twice(_: Patch) -> Build:
    """Who is added for the second time cannot open its welcome."""
    return Build(relay_store=partial(_always, LavishStore))


class SilentCore(RelayCore):
    """Never says that a session lags."""

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        return [kept for effect in super().handle(event, now_ms) for kept in _without(effect, _is_lagging)]


def _is_lagging(data: bytes) -> bool:
    return data[1] == frames.Lagging.__struct_config__.tag


@mutant("I9", "congest", "appends fail")
def a_slow_reader_is_forgotten(_: Patch) -> Build:
    """A session that fell behind is not told, and hears of the room no more."""
    return Build(relay_core=SilentCore)


class FragileCore(RelayCore):
    """Raises what is no refusal, now and then."""

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        if isinstance(event, Received) and now_ms % 97 == 0:
            raise KeyError(event.session)
        return super().handle(event, now_ms)


@mutant("sound")
def relay_core_raises(_: Patch) -> Build:
    """A frame ends the process."""
    return Build(relay_core=FragileCore)


# ---- the client


class HastyShell(ClientShell):
    """Performs effects before the writes are durable."""

    def _step(self, received: Any) -> None:
        assert self._core is not None
        step = self._core.handle(received, self.clock_ms)
        for effect in step.effects:
            if isinstance(effect, e.SendFrame):
                self._perform(effect)
        if step.writes:
            rest = tuple(effect for effect in step.effects if not isinstance(effect, e.SendFrame))
            self._begin(structs.replace(step, effects=rest))


@mutant("I10", "client store fails")
def client_sends_before_it_writes(_: Patch) -> Build:
    """What was sent is not remembered: the client meets envelopes of its own that it does not know."""
    return Build(client_shell=HastyShell)


@dataclass(slots=True, kw_only=True)
class TornStore(MemoryClientStore):
    """Applies a failed transaction in part: rooms with their cursors, and nothing else."""

    def fail(self, writes: tuple[e.Write, ...]) -> None:
        for write in writes:
            if isinstance(write, e.PutRoom):
                self._perform(write)


class TearingShell(ClientShell):
    """Commits without a transaction."""

    def _fail_commit(self, step: e.Step) -> None:
        assert isinstance(self.store, TornStore)
        self.store.fail(step.writes)


@mutant("I2", "client store fails")
def cursor_moves_without_the_message(_: Patch) -> Build:
    """The room's cursor is written, the message behind it is not."""
    return Build(client_shell=TearingShell, client_store=lambda _, profile: TornStore(profile=profile))


@dataclass(slots=True, kw_only=True)
class LyingStore(MemoryClientStore):
    """Says that every ninth transaction is durable, and forgets it with the process."""

    asked: int = 0
    lost: list[tuple[e.Write, ...]] = field(default_factory=list)

    def commit(self, writes: tuple[e.Write, ...]) -> None:
        self.asked += 1
        if self.asked % 9:
            MemoryClientStore.commit(self, writes)


@mutant("I8", "crash", first=12)
def client_store_lies(_: Patch) -> Build:
    """Durable was not durable."""
    return Build(client_store=lambda _, profile: LyingStore(profile=profile))


@dataclass(slots=True, kw_only=True)
class EmptyingStore(MemoryClientStore):
    """Keeps the outbox in memory only."""

    def snapshot(self) -> model.Snapshot:
        for intent in self.intents(model.IntentState.QUEUED):
            del self._intents[intent.id]
        return MemoryClientStore.snapshot(self)


@mutant("I9", "crash", "offline")
def outbox_is_lost_on_restart(_: Patch) -> Build:
    """What was queued is forgotten with the process."""
    return Build(client_store=lambda _, profile: EmptyingStore(profile=profile))


@mutant("I8")
def client_uses_a_counter_again_after_a_refusal(patch: Patch) -> Build:
    """A refused envelope's counter goes to the next one."""
    real = withdraw.void

    def void(ctx: Context, room: Room, flight: model.InFlight) -> list[model.Intent]:
        voids = room.row.voids
        intents = real(ctx, room, flight)
        room.change(counter=flight.first_counter - 1, voids=voids)
        return intents

    substitute(patch, real, void)
    return Build()


@mutant("I10", "cut", "relay store is slow", first=5)
def client_seals_anew_after_a_lost_answer(patch: Patch) -> Build:
    """What may have been stored is sent again as something else."""
    real = client_login.lose

    def lose(ctx: Context) -> None:
        real(ctx)
        for room in ctx.rooms.values():
            if room.row.in_flight is not None and room.group is not None:
                withdraw.void(ctx, room, room.row.in_flight)

    substitute(patch, real, lose)
    return Build()


@mutant("I4")
def client_shows_a_lower_label(patch: Patch) -> Build:
    """What was written TLP:AMBER is shown as TLP:CLEAR."""
    real = opening.opened

    def opened(*given: Any) -> model.MessageRow:
        return replace(real(*given), label=Label.CLEAR)

    substitute(patch, real, opened)
    return Build()


@mutant("I2", "crash")
def client_does_not_store_its_keys(patch: Patch) -> Build:
    """The group's state moves in memory alone."""
    patch.setattr(Room, "moved", lambda room: room.change(group=room.row.group))
    return Build()


@mutant("I9", "cut", "relay store is slow", first=5)
def client_does_not_send_again(patch: Patch) -> Build:
    """What was in flight when the connection broke stays in flight."""
    real = client_login.lose

    def lose(ctx: Context) -> None:
        flying = {room.id for room in ctx.rooms.values() if room.link.flying}
        real(ctx)
        for room in ctx.rooms.values():
            room.link.flying = room.id in flying

    substitute(patch, real, lose)
    return Build()


@mutant("I10")
def relay_alters_content(_: Patch) -> Build:
    """The relay flips a bit of what it delivers."""

    class AlteringCore(RelayCore):
        def handle(self, event: Input, now_ms: int) -> list[Effect]:
            return [_altered(effect) for effect in super().handle(event, now_ms)]

    return Build(relay_core=AlteringCore)


@mutant("I10")
def relay_leaves_a_commit_out_for_newcomers(_: Patch) -> Build:
    """The first change of each room is not shown to who comes later."""

    class OmittingCore(RelayCore):
        def handle(self, event: Input, now_ms: int) -> list[Effect]:
            return [_omitted(effect) for effect in super().handle(event, now_ms)]

    return Build(relay_core=OmittingCore)


def _omitted(effect: Effect) -> Effect:
    if not isinstance(effect, Send):
        return effect
    frame = frames.decode_relay_frame(effect.data)
    if not isinstance(frame, frames.Membership):
        return effect
    entries = tuple(entry for place, entry in enumerate(frame.entries) if place != 1)
    return replace(effect, data=frames.encode_frame(frames.Membership(request=frame.request, entries=entries)))


def _altered(effect: Effect) -> Effect:
    if isinstance(effect, FanOut):
        return replace(effect, data=tuple(_flip(data) for data in effect.data))
    return effect


def _flip(data: bytes) -> bytes:
    frame = frames.decode_relay_frame(data) if data[1] == DELIVERY else None
    if not isinstance(frame, frames.Delivery) or not frame.content or frame.room_seq % 5:
        return data
    content = bytes([frame.content[0] ^ 1]) + frame.content[1:]
    delivery = frames.Delivery(
        room=frame.room,
        room_seq=frame.room_seq,
        index=frame.index,
        accepted_at_ms=frame.accepted_at_ms,
        previous=frame.previous,
        envelope=frame.envelope,
        content=content,
    )
    return frames.encode_frame(delivery)
