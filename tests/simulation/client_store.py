"""A client's store in memory, with the methods and the contract of `amanah_client.store.LocalStore`."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol, assert_never

from amanah_client import actions, model
from amanah_client import effects as e
from amanah_client.causes import GIVING_WAY
from amanah_client.incident.labelled import labelling
from amanah_client.log_rows import AuditRow, ConflictRow, CustodyRow
from amanah_protocol.identity import decode_profile
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, PersonId, RoomId

UNFINISHED = (model.IntentState.QUEUED, model.IntentState.HELD, model.IntentState.SENT)


class ClientStore(Protocol):
    """What the client's shell needs of a store: `LocalStore` has it too."""

    def commit(self, writes: tuple[e.Write, ...]) -> None: ...
    def snapshot(self) -> model.Snapshot: ...
    def add_intent(self, intent: model.Intent) -> None: ...
    def intent(self, intent_id: str) -> model.Intent | None: ...
    def intents(self, *states: model.IntentState) -> tuple[model.Intent, ...]: ...
    def put_wish(self, intent_id: str, wish: model.Wish) -> None: ...
    def wishes(self) -> tuple[tuple[str, model.Wish], ...]: ...
    def rooms(self) -> tuple[model.RoomRow, ...]: ...
    def messages(self, room: RoomId, *, limit: int = 500) -> tuple[model.MessageRow, ...]: ...
    def message(self, room: RoomId, envelope: EnvelopeId) -> model.MessageRow | None: ...
    def labelling(self, room: RoomId, envelope: EnvelopeId) -> tuple[model.MessageRow, ...]: ...
    def alarms(self) -> tuple[model.Alarm, ...]: ...
    def conflicts(self) -> tuple[ConflictRow, ...]: ...


@dataclass(slots=True, kw_only=True)
class MemoryClientStore:
    """The tables."""

    profile: model.Snapshot
    _rooms: dict[RoomId, model.RoomRow] = field(default_factory=dict)
    _messages: dict[tuple[RoomId, EnvelopeId], model.MessageRow] = field(default_factory=dict)
    _intents: dict[str, model.Intent] = field(default_factory=dict)
    _wishes: dict[str, model.Wish] = field(default_factory=dict)
    _control: list[model.ControlRow] = field(default_factory=list)
    _packages: dict[bytes, bytes] = field(default_factory=dict)
    _profiles: dict[tuple[OrgName, PersonId], bytes] = field(default_factory=dict)
    _alarms: list[model.Alarm] = field(default_factory=list)
    _audit: list[AuditRow] = field(default_factory=list)
    _custody: list[CustodyRow] = field(default_factory=list)
    _settled: int = 0
    _stamps: int = 0
    _conflicts: dict[bytes, ConflictRow] = field(default_factory=dict)
    _erased: set[tuple[RoomId, EnvelopeId, DeviceId | None]] = field(default_factory=set)

    # ---- the core

    def commit(self, writes: tuple[e.Write, ...]) -> None:
        """All writes, or none."""
        for write in writes:
            self._perform(write)

    def snapshot(self) -> model.Snapshot:
        """Everything the core needs at start."""
        sent = (row for row in self._messages.values() if row.state is model.MessageState.SENT)
        return replace(
            self.profile,
            control=tuple(self._control),
            rooms=tuple(self._rooms.values()),
            sent=tuple(sent),
            intents=self.intents(*UNFINISHED),
            key_packages=tuple(self._packages.items()),
            profiles=tuple(self._profiles.values()),
            audit_size=len(self._audit),
            custody=tuple(self._custody),
            audit_settled=self._settled,
            audit_stamps=self._stamps,
            conflicts=tuple((row.key, row.at_ms) for row in self._conflicts.values()),
            missing=tuple(row for row in self._messages.values() if row.cause is not None and row.mending is not None),
        )

    # ---- the faces

    def add_intent(self, intent: model.Intent) -> None:
        """Queue an intent."""
        assert intent.id not in self._intents
        self._intents[intent.id] = intent

    def intent(self, intent_id: str) -> model.Intent | None:
        """An intent in whatever state."""
        return self._intents.get(intent_id)

    def intents(self, *states: model.IntentState) -> tuple[model.Intent, ...]:
        """Intents in these states, oldest first."""
        return tuple(intent for intent in self._intents.values() if intent.state in states)

    def put_wish(self, intent_id: str, wish: model.Wish) -> None:
        """Keep what a person decided of an intent."""
        self._wishes[intent_id] = wish

    def wishes(self) -> tuple[tuple[str, model.Wish], ...]:
        """All wishes that were not carried out."""
        return tuple(self._wishes.items())

    def rooms(self) -> tuple[model.RoomRow, ...]:
        """All rooms."""
        return tuple(self._rooms.values())

    def messages(self, room: RoomId, *, limit: int = 500) -> tuple[model.MessageRow, ...]:
        """Messages of a room in room order, own unacknowledged ones last."""
        rows = [row for row in self._messages.values() if row.room == room]
        return tuple(sorted(rows, key=lambda row: 2**62 if row.room_seq is None else row.room_seq))[:limit]

    def message(self, room: RoomId, envelope: EnvelopeId) -> model.MessageRow | None:
        """One message."""
        return self._messages.get((room, envelope))

    def labelling(self, room: RoomId, envelope: EnvelopeId) -> tuple[model.MessageRow, ...]:
        """The entries from which the label of a message follows."""
        rows = self.messages(room, limit=len(self._messages))
        return labelling(envelope, lambda name: self.message(room, name), lambda _: rows)

    def conflicts(self) -> tuple[ConflictRow, ...]:
        """Evidence against the log, oldest first."""
        return tuple(self._conflicts.values())

    def alarms(self) -> tuple[model.Alarm, ...]:
        """All alarms, oldest first."""
        return tuple(self._alarms)

    # ---- inside

    def _perform(self, write: e.Write) -> None:  # noqa: C901, PLR0912, PLR0915 - one branch for each write
        match write:
            case e.PutRoom(row=room):
                self._rooms[room.room] = room
            case e.PutMessage(row=message):
                self._messages[message.room, message.envelope] = message
            case e.PutGranted(row=message):
                known = self._messages.get((message.room, message.envelope))
                if not {(message.room, message.envelope, by) for by in (None, message.sender)}.isdisjoint(self._erased):
                    message = _erased(message)
                if known is None or known.cause in GIVING_WAY:
                    self._messages[message.room, message.envelope] = message
            case e.DropMessage(room=room_id, envelope=envelope):
                self._messages.pop((room_id, envelope), None)
            case e.EraseContent():
                self._erase(write)
            case e.PutIntent(intent=intent):
                self._put_intent(intent)
            case e.PutAction(intent=intent):
                self._intents[intent.id] = replace(self._intents[intent.id], action=intent.action)
            case e.DropWish(intent=intent_id):
                self._wishes.pop(intent_id, None)
            case e.PutControl(row=control):
                assert all(row.sequence != control.sequence for row in self._control[-3:])
                self._control.append(control)
            case e.PutRoster(roster=roster, first=first):
                self.profile = replace(self.profile, roster=roster, first_roster=first or self.profile.first_roster)
            case e.PutControlHead(head=head):
                self.profile = replace(self.profile, control_head=head)
            case e.PutLogView(view=view):
                self.profile = replace(self.profile, log=view)
            case e.PutWitnessed(row=witnessed):
                self.profile = replace(self.profile, witnessed=witnessed)
            case e.PutConflict(row=conflict):
                self._conflicts.setdefault(conflict.key, conflict)
            case e.PutKeyPackage(reference=reference, private=private):
                assert reference not in self._packages
                self._packages[reference] = private
            case e.DropKeyPackage(reference=reference):
                self._packages.pop(reference, None)
            case e.PutProfile(profile=encoded):
                shown = decode_profile(encoded)
                self._profiles[shown.organisation, shown.subject] = encoded
            case e.PutAlarm(alarm=alarm):
                self._alarms.append(alarm)
            case e.PutCustody(row=custody):
                self._custody.append(custody)
            case e.DropOver():
                pass  # no room of the simulation has a policy
            case e.ForgetPerson(organisation=organisation, subject=subject):
                self._profiles.pop((organisation, subject), None)
            case e.PutAuditRows(rows=rows):
                self._audit.extend(rows)
            case e.PutCheckpoints(settled=settled):
                self._settled = settled
            case e.PutStamps(stamps=stamps):
                self._stamps = stamps[-1].number
            case _:
                assert_never(write)

    def _erase(self, write: e.EraseContent) -> None:
        for envelope in write.envelopes:
            row = self._messages.get((write.room, envelope))
            if row is None:
                self._erased.add((write.room, envelope, write.by))
            elif write.by in (None, row.sender):
                self._messages[write.room, envelope] = _erased(row)

    def _put_intent(self, intent: model.Intent) -> None:
        if intent.id not in self._intents:
            return
        if intent.state not in UNFINISHED:
            # The plaintext of a finished one stands in the message alone.
            intent = replace(intent, action=actions.Finished(name=type(intent.action).__name__))
        self._intents[intent.id] = intent


def _erased(row: model.MessageRow) -> model.MessageRow:
    return replace(row, state=model.MessageState.ERASED, content=b"", key=b"", cause=None, code="", mending=None)
