"""What must hold of every run: the specification, one function for each invariant.

Each yields a line for every violation. They look at histories and final states alone, never into a
core; all of them take time linear in the number of events and deliveries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from amanah_client import actions, model
from amanah_client.saying import Say
from amanah_protocol import kinds
from amanah_protocol.content.bodies import AlertBatch
from amanah_protocol.content.sealed import decode_content
from amanah_protocol.errors import AmanahError, Code
from amanah_protocol.kinds import Commit, Kind
from amanah_protocol.log import merkle
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import DeviceId, EnvelopeId, RoomId
from tests.engines import ENGINES
from tests.simulation.community import make_community
from tests.simulation.final import Logged, Outcome
from tests.simulation.history import (
    Acked,
    Asked,
    Entered,
    Failed,
    Handed,
    Kept,
    LoggedIn,
    Promised,
    Raised,
    Sent,
)
from tests.simulation.log_tree import LogTree

Invariant: TypeAlias = Callable[[Outcome], Iterator[str]]

REVOCATION_MS: Final = 1_000
"""The relay closes a revoked device's session within this time of storing the revocation."""
DELIVERED_KEPT_MS: Final = 30 * 86_400_000
HANDSHAKE_KEPT_MS: Final = 90 * 86_400_000
CONTROL_TYPES: Final = frozenset(LeafType) - {LeafType.ENVELOPE}


def durability(outcome: Outcome) -> Iterator[str]:
    """I1: each acked envelope is in the store and in the log."""
    for ack in outcome.history.of(Acked):
        who = outcome.names[ack.device]
        at = [logged for logged in outcome.logged.get(ack.envelope, []) if logged.entry.index == ack.index]
        if not at:
            yield f"{who}: {_id(ack.envelope)} was acknowledged at {ack.index} and is not there"
        elif ack.leaf != at[0].entry.hash or ack.room_seq != at[0].entry.room_seq:
            yield f"{who}: {_id(ack.envelope)} was acknowledged as another leaf than the log holds at {ack.index}"
        elif at[0].content is None and ack.envelope not in erased(outcome) and not is_over(outcome, at[0]):
            yield f"{who}: the content of {_id(ack.envelope)} was acknowledged and is not stored"


def exactly_once(outcome: Outcome) -> Iterator[str]:
    """I2: each acked envelope is delivered exactly once to every member in the room at that epoch who stays."""
    shown = deliveries(outcome)
    for room, entries in outcome.rooms.items():
        for device, since in staying(outcome, entries).items():
            for logged in entries[since - 1 :]:
                found = shown.get((device, logged.envelope.id), [])
                yield from _judge_delivery(outcome, room, device, logged, found)


def _judge_delivery(
    outcome: Outcome, room: RoomId, device: DeviceId, logged: Logged, found: list[Kept]
) -> Iterator[str]:
    what = f"{outcome.names[device]} {room.hex()[:8]}/{logged.entry.room_seq} {logged.envelope.header.kind.name}"
    if not found:
        yield f"{what} was never delivered"
        return
    if any(again.row.room_seq != found[0].row.room_seq for again in found):
        yield f"{what} was delivered at two places"
    for again in found[1:]:
        # A room that is being joined is read again by the next core; content that is dropped is told again.
        if not again.joining and again.row.state is not model.MessageState.ERASED:
            yield f"{what} was delivered again"
    last = found[-1].row
    unread = last.state is model.MessageState.UNREADABLE and _is_for(logged, device)
    # What its sender erased before it came here cannot be read until the `erase` comes, and is erased then.
    if unread and (device, logged.envelope.id) not in outcome.erased:
        yield f"{what} cannot be read: {last.cause} ({last.code})"


def _is_for(logged: Logged, device: DeviceId) -> bool:
    addressees = getattr(logged.envelope.header.specific, "addressees", None)
    return addressees is None or device in addressees


def order(outcome: Outcome) -> Iterator[str]:
    """I3: per sender FIFO; per room all members' sequences are prefixes of one order, equal to log order."""
    for room, entries in outcome.rooms.items():
        if [logged.entry.room_seq for logged in entries] != list(range(1, len(entries) + 1)):
            yield f"the places of room {room.hex()[:8]} do not count from 1"
        yield from _sender_order(outcome, room, entries)
    last: dict[tuple[DeviceId, RoomId], int] = {}
    for kept in outcome.history.of(Kept):
        if not kept.is_delivery or kept.row.room_seq is None:
            continue
        key, place = (kept.device, kept.row.room), kept.row.room_seq
        what = f"{outcome.names[kept.device]} {kept.row.room.hex()[:8]}/{place}"
        entries = outcome.rooms.get(kept.row.room, ())
        if place > len(entries) or entries[place - 1].envelope.id != kept.row.envelope:
            yield f"{what} shows an entry that does not stand there in the log"
        elif kept.row.index != entries[place - 1].entry.index:
            yield f"{what} shows a wrong log index"
        if place <= last.get(key, 0) and not kept.joining and kept.before is None:
            yield f"{what} was delivered behind {last[key]}"
        last[key] = max(place, last.get(key, 0))


def _sender_order(outcome: Outcome, room: RoomId, entries: tuple[Logged, ...]) -> Iterator[str]:
    counters: dict[DeviceId, int] = {}
    for logged in entries:
        header = logged.envelope.header
        if header.counter <= counters.get(header.kid, 0):
            yield f"{room.hex()[:8]}/{logged.entry.room_seq}: {outcome.names[header.kid]} counts backwards"
        counters[header.kid] = header.counter


def no_invention(outcome: Outcome) -> Iterator[str]:
    """I4: delivered implies sent by that device, byte-equal content, same label."""
    sent = {(event.device, event.envelope) for event in outcome.history.of(Sent)}
    written: dict[EnvelopeId, model.MessageRow] = {}
    for kept in outcome.history.of(Kept):
        row = kept.row
        if row.state is model.MessageState.SENT:
            written[row.envelope] = row
            continue
        what = f"{outcome.names[kept.device]} {row.room.hex()[:8]}/{row.room_seq}"
        if (row.sender, row.envelope) not in sent:
            yield f"{what} shows what nobody sent"
        own = written.get(row.envelope)
        if own is None or row.state is not model.MessageState.STORED:
            continue
        if row.content != own.content:
            yield f"{what} shows other content than was written"
        if (row.label, row.kind) != (own.label, own.kind):
            yield f"{what} shows {row.label.text} {row.kind}, written was {own.label.text} {own.kind}"
    yield from _said(outcome, written)


def _said(outcome: Outcome, written: dict[EnvelopeId, model.MessageRow]) -> Iterator[str]:
    """What was sealed is what somebody asked for."""
    asked_for = {event.intent: event for event in outcome.history.of(Asked)}
    for device, intents in outcome.intents.items():
        for intent in intents.values():
            asked = asked_for[intent.id].action
            if intent.envelope is None or intent.envelope not in written:
                continue
            row = written[intent.envelope]
            if isinstance(asked, Say | actions.PostAlerts):
                body = decode_content(row.content).body
                if isinstance(asked, Say):
                    same = body == asked.body
                else:
                    same = isinstance(body, AlertBatch) and body.alerts == asked.alerts
                if not same or row.label != asked.label:
                    yield f"{outcome.names[device]}: {_id(row.envelope)} does not say what was asked for"


def log_holds(outcome: Outcome) -> Iterator[str]:
    """I5: number of leaves equals acked envelopes plus control records.

    All checkpoints consistent; each ack has an inclusion proof; no index reused.
    """
    tree = LogTree(entry.hash for entry in outcome.log)
    for place, entry in enumerate(outcome.log):
        if entry.index != place:
            yield f"leaf {place} says that it is {entry.index}"
    acked = {ack.envelope for ack in outcome.history.of(Acked)}
    for entry in outcome.log:
        # A device that was revoked does not come back for its receipt.
        if entry.envelope is not None and entry.envelope not in acked and entry.kid not in outcome.revoked:
            yield f"leaf {entry.index} was never acknowledged"
        if (entry.envelope is None) != (entry.type in CONTROL_TYPES):
            yield f"leaf {entry.index} is neither an envelope nor a control record"
    for promised in set(outcome.history.of(Promised)):
        if promised.size > len(outcome.log) or tree.root(promised.size) != promised.root:
            yield f"a {promised.source} of size {promised.size} is not of this log"
    places: dict[int, EnvelopeId] = {}
    for ack in outcome.history.of(Acked):
        if places.setdefault(ack.index, ack.envelope) != ack.envelope:
            yield f"index {ack.index} was given twice"
        yield from _prove(outcome, tree, ack)


def _prove(outcome: Outcome, tree: LogTree, ack: Acked) -> Iterator[str]:
    size = len(outcome.log)
    if ack.leaf is None or ack.index >= size:
        yield f"the receipt of {_id(ack.envelope)} names no leaf at {ack.index}"
        return
    path = merkle.inclusion_path(tree.read, ack.index, size)
    try:
        merkle.verify_inclusion(ack.leaf, ack.index, size, path, tree.root(size))
    except AmanahError as error:
        yield f"the receipt of {_id(ack.envelope)} at {ack.index} has no proof: {error.detail}"


def one_commit(outcome: Outcome) -> Iterator[str]:
    """I6: one commit per epoch per room."""
    for room, entries in outcome.rooms.items():
        epochs = [
            logged.envelope.header.epoch for logged in entries if isinstance(logged.envelope.header.specific, Commit)
        ]
        if epochs != list(range(len(epochs))):
            yield f"the commits of room {room.hex()[:8]} end the epochs {epochs}"
    secrets: dict[tuple[RoomId, int], tuple[DeviceId, bytes]] = {}
    for entered in outcome.history.of(Entered):
        first = secrets.setdefault((entered.room, entered.epoch), (entered.device, entered.secret))
        if first[1] != entered.secret:
            both = f"{outcome.names[first[0]]} and {outcome.names[entered.device]}"
            yield f"{both} are in different epochs {entered.epoch} of {entered.room.hex()[:8]}"


def no_resurrection(outcome: Outcome) -> Iterator[str]:
    """I7: no content readable by a device after its removal; no login after revocation plus latency bound."""
    for login in outcome.history.of(LoggedIn):
        revoked_ms = outcome.revoked.get(login.device)
        if revoked_ms is not None and login.at_ms > revoked_ms + REVOCATION_MS:
            yield f"{outcome.names[login.device]} logged in at {login.at_ms}, revoked at {revoked_ms}"
    for room, entries in outcome.rooms.items():
        outside = {device: _places_outside(entries, device) for device in outcome.names}
        yield from _handed_outside(outcome, room, entries, outside)
        yield from _opened_outside(outcome, room, entries, outside)


def _places_outside(entries: tuple[Logged, ...], device: DeviceId) -> frozenset[int]:
    """Where a device may read nothing: it was in the room once, and is out of it there."""
    was_in = False
    places = set()
    for before, logged in zip((None, *entries), entries, strict=False):
        inside = before is not None and device in before.members
        was_in |= inside
        if was_in and not inside and device not in logged.members:
            places.add(logged.entry.room_seq)
    return frozenset(places)


def _handed_outside(
    outcome: Outcome, room: RoomId, entries: tuple[Logged, ...], outside: dict[DeviceId, frozenset[int]]
) -> Iterator[str]:
    for handed in outcome.history.of(Handed):
        if handed.room == room and handed.room_seq in outside[handed.device]:
            yield f"{outcome.names[handed.device]} was handed {room.hex()[:8]}/{handed.room_seq} after its removal"


def _opened_outside(
    outcome: Outcome, room: RoomId, entries: tuple[Logged, ...], outside: dict[DeviceId, frozenset[int]]
) -> Iterator[str]:
    """With every group state that the device ever had, nothing opens that was sealed while it was out."""
    community = make_community(outcome.seed)
    keys = {device.id: device.key for device in community.devices.values()}
    suite = getattr(entries[0].envelope.header.specific, "suite", 0)
    for entered in outcome.history.of(Entered):
        places = outside[entered.device]
        if entered.room != room or not places:
            continue
        for logged in entries:
            header = logged.envelope.header
            fits = header.kind in kinds.COMMITTED and header.epoch == entered.epoch and header.kid != entered.device
            if not fits or logged.entry.room_seq not in places or logged.content is None:
                continue
            group = ENGINES[suite].restore(entered.group, entered.keys, keys[entered.device])
            try:
                group.open(logged.content, sender=header.kid, aad=header.aad)
            except AmanahError:
                continue
            yield f"{outcome.names[entered.device]} can open {room.hex()[:8]}/{logged.entry.room_seq} after its removal"


def ack_unknown(outcome: Outcome) -> Iterator[str]:
    """I8: sends without an ack appear zero or one time."""
    for envelope, places in outcome.logged.items():
        if len(places) > 1:
            yield f"{_id(envelope)} stands in the log {len(places)} times"
    signed: dict[tuple[DeviceId, RoomId, int], EnvelopeId] = {}
    for sent in outcome.history.of(Sent):
        # What is sent again has to be the same bytes: only then can it not come to stand twice.
        if signed.setdefault((sent.device, sent.room, sent.counter), sent.envelope) != sent.envelope:
            yield f"{outcome.names[sent.device]} signed two envelopes {sent.counter} in {sent.room.hex()[:8]}"
    said: dict[bytes, EnvelopeId] = {}
    for rows in outcome.messages.values():
        for row in rows:
            if row.state is not model.MessageState.STORED or not row.message_id:
                continue
            if said.setdefault(row.message_id, row.envelope) != row.envelope:
                yield f"one message stands in {_id(row.envelope)} and in {_id(said[row.message_id])}"


def liveness(outcome: Outcome) -> Iterator[str]:
    """I9: after heal, all pending delivered within 30 virtual seconds."""
    yield from outcome.pending
    for asked in outcome.history.of(Asked):
        if asked.intent not in outcome.intents[asked.device]:
            yield f"{outcome.names[asked.device]}: {type(asked.action).__name__} was forgotten"
    for device, intents in outcome.intents.items():
        for intent in intents.values():
            if intent.state is model.IntentState.FAILED and intent.code not in _EXCUSES:
                yield f"{outcome.names[device]}: {intent.action} failed: {intent.code} {intent.detail}"


def silence(outcome: Outcome) -> Iterator[str]:
    """I10, the honest half: honest runs have 0 alarms."""
    for raised in outcome.history.of(Raised):
        expected = raised.code == Code.REVOKED and raised.device in outcome.revoked
        if not expected:
            yield f"{raised.at_ms} {outcome.names[raised.device]}: {raised.code} {raised.detail}"


def soundness(outcome: Outcome) -> Iterator[str]:
    """No core ends by an exception: whatever comes, it is refused, kept or told."""
    for failed in outcome.history.of(Failed):
        yield f"{failed.at_ms} {failed.who}: {failed.detail}"


INVARIANTS: Final[dict[str, Invariant]] = {
    "I1": durability,
    "I2": exactly_once,
    "I3": order,
    "I4": no_invention,
    "I5": log_holds,
    "I6": one_commit,
    "I7": no_resurrection,
    "I8": ack_unknown,
    "I9": liveness,
    "I10": silence,
    "sound": soundness,
}

_EXCUSES: Final = frozenset({Code.NOT_MEMBER, Code.MEMBERSHIP, Code.REVOKED, Code.NOT_FOUND, Code.USAGE})
"""What people asked for and others made impossible meanwhile: a removal, a change that was made already."""


def check(outcome: Outcome) -> dict[str, list[str]]:
    """Every violated invariant with its violations."""
    found = {name: list(invariant(outcome)) for name, invariant in INVARIANTS.items()}
    return {name: violations for name, violations in found.items() if violations}


# ---- what several of them need


def deliveries(outcome: Outcome) -> dict[tuple[DeviceId, EnvelopeId], list[Kept]]:
    """Everything that clients showed, by device and envelope."""
    shown: dict[tuple[DeviceId, EnvelopeId], list[Kept]] = {}
    for kept in outcome.history.of(Kept):
        if kept.is_delivery:
            shown.setdefault((kept.device, kept.row.envelope), []).append(kept)
    return shown


def staying(outcome: Outcome, entries: tuple[Logged, ...]) -> dict[DeviceId, int]:
    """Who is in a room at the end, and was not revoked, with the place since which."""
    since: dict[DeviceId, int] = {}
    for logged in entries:
        since = {device: since.get(device, logged.entry.room_seq) for device in logged.members}
    return {device: place for device, place in since.items() if device not in outcome.revoked}


def erased(outcome: Outcome) -> frozenset[EnvelopeId]:
    """Envelopes whose content somebody had erased."""
    return frozenset(
        envelope
        for entries in outcome.rooms.values()
        for logged in entries
        if logged.envelope.header.kind is Kind.ERASE
        for envelope in getattr(logged.envelope.header.specific, "envelopes", ())
    )


def is_over(outcome: Outcome, logged: Logged) -> bool:
    """Whether a content may have been dropped: thirty days after all had it, commits and welcomes after ninety."""
    entry = logged.entry
    age_ms = outcome.log[-1].accepted_at_ms - entry.accepted_at_ms
    delivered = entry.room_seq <= outcome.confirmed[entry.room] and age_ms >= DELIVERED_KEPT_MS
    return delivered or (logged.envelope.header.kind in kinds.HANDSHAKE and age_ms >= HANDSHAKE_KEPT_MS)


def _id(envelope: EnvelopeId) -> str:
    return envelope.hex()[:12]
