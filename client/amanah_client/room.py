"""A room, as integrators and faces hold it."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from amanah_client import actions, effective, model
from amanah_client.custody import Custody, read_custody
from amanah_client.directory import Party, find_devices
from amanah_client.erasing import to_erase
from amanah_client.files import Announced, Incoming, RoomFile, Tell, follow, list_files, nobody, prepare, save_file
from amanah_client.finding import search
from amanah_client.history import Plan, plan
from amanah_client.incident.about import Part, read_part, targets
from amanah_client.incident.board import Board, Fold
from amanah_client.incident.event import Event
from amanah_client.incident.labelled import board_of, matter_of, spoken_by
from amanah_client.keeping import kept
from amanah_client.labels import NOBODY, inside, somebody
from amanah_client.message import Message, counts, event_of
from amanah_client.outcome import result_of
from amanah_client.quoting import quote
from amanah_client.reading import Draft, Found, Unread
from amanah_client.relabelling import Change, change_of
from amanah_client.saying import Decide, Say, saying
from amanah_protocol.content.alert import Alert
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.forwarded import Forwarded
from amanah_protocol.content.text import Text
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.group.seam import Group
from amanah_protocol.identity import parse_organisation
from amanah_protocol.kinds import Create
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.roster import decode_roster
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId
from amanah_protocol.ways import Inside, Matter, Outside, Somebody, Way, check_way

if TYPE_CHECKING:
    from amanah_client.sdk import Client

_PAGE: Final = 500
CLOSED: Final = "closed"
"""Status of a room that goes on in its successor."""


class Room:
    """A room of this device: a handle, which tells what is stored at the moment it is asked."""

    def __init__(self, client: Client, room: RoomId) -> None:
        """Use `Client.room`."""
        self._client = client
        self._id = room

    # ---- what it is

    @property
    def id(self) -> RoomId:
        """Its id."""
        return self._id

    @property
    def client(self) -> Client:
        """Whose room it is."""
        return self._client

    @property
    def row(self) -> model.RoomRow:
        """What is stored of it now."""
        row = self._client.profile.store.room(self._id)
        return model.RoomRow(room=self._id, status=model.RoomStatus.OPENING) if row is None else row

    @property
    def title(self) -> str:
        """Its title, or the first digits of the id until it is known."""
        return self.row.title or self.id.hex()[:8]

    @property
    def successor(self) -> Room | None:
        """The room in which this one goes on, where members refused a change of it; what is sent here goes there."""
        found = self.row.successor
        return None if found is None else Room(self._client, found)

    @property
    def status(self) -> str:
        """Where it stands for this device: `model.RoomStatus`, or `closed` where it goes on in another."""
        row = self.row
        return str(row.status) if row.successor is None else CLOSED

    @property
    def created(self) -> Create | None:
        """What never changes of it; None until its first envelope is signed here or delivered."""
        encoded = self.row.create
        if not encoded:
            # Own and on its way: it stands among the messages before the relay has given it back.
            stored = self._client.profile.store.messages(self._id, limit=1)
            encoded = next((row.encoded for row in stored), b"")
        specific = decode_envelope(encoded).header.specific if encoded else None
        return specific if isinstance(specific, Create) else None

    @property
    def ceiling(self) -> Label:
        """The highest label allowed here; the strictest while the room's creation is not known."""
        created = self.created
        return Label.RED if created is None else created.ceiling

    @property
    def is_drill(self) -> bool:
        """Whether it is an exercise: nothing in it is real."""
        return self._client.is_drill(self.id)

    @property
    def epoch(self) -> int | None:
        """The epoch that this device is in; None before it joined."""
        group = self._group()
        return None if group is None else group.epoch

    def members(self) -> list[Party]:
        """Who can read what is sent now, by organisation and name; empty before this device joined."""
        return self._client.members_of(self.row)

    def nations(self) -> frozenset[OrgName]:
        """The nations that have a device in it."""
        return frozenset(party.organisation for party in self.members() if party.organisation)

    def alarms(self) -> list[model.Alarm]:
        """The alarms about this room, oldest first."""
        return [alarm for alarm in self._client.alarms() if alarm.room == self.id]

    def refused(self) -> list[model.Alarm]:
        """What this device was refused for its label here before it was sent, oldest first, without its words."""
        return [one for one in self._client.profile.store.refused() if one.room == self.id]

    def party(self, device: DeviceId) -> Party:
        """Who a device is, whether or not it is in the room."""
        return self._client.party(device)

    def custody(self) -> list[Custody]:
        """Who was granted its record, who read it under a grant, what is held, what was erased by its time."""
        store = self._client.profile.store
        roster = store.value("roster")
        organisations = () if roster is None else decode_roster(roster).by_name
        return read_custody(store.custody(self._id), organisations)

    def unreadable(self) -> dict[model.Cause, int]:
        """How many messages cannot be read, by cause; what is repaired leaves the count."""
        return self._client.profile.store.unreadable(self._id)

    def messages(
        self, *, after: int = 0, before: int | None = None, limit: int = 500, newest: bool = False
    ) -> list[Message]:
        """Stored entries in room order, own ones that are not acknowledged last; reads no more than it gives.

        Args:
            after: Only those behind this room sequence.
            before: Only those before it, the last ones of them: for scrolling back.
            limit: At most so many.
            newest: The last ones instead of the first.
        """
        stored = self._client.profile.store.messages(self._id, after=after, before=before, limit=limit, newest=newest)
        return self._read(stored)

    def message(self, reference: str) -> Message:
        """One of its messages, by its envelope id or first digits of it.

        Raises:
            UsageError: `NOT_FOUND` when none or more than one fit, or another room's does.
        """
        found = self._client.message(reference)
        if found.room != self.id:
            raise UsageError(Code.NOT_FOUND, f"the message {reference!r} stands in another room")
        return found

    def entries(self, *messages: EnvelopeId) -> dict[EnvelopeId, Message]:
        """Single entries by their ids, such as what corrects or answers what is shown; those that are here."""
        return {found.id: found for found in self._read(self._client.profile.store.desk.entries(self.id, messages))}

    def beside(self, messages: Sequence[Message], board: Board) -> dict[EnvelopeId, Message]:
        """What is shown beside some of its messages: what they answer, what corrects and withdraws any of these.

        Args:
            messages: What is shown.
            board: Their board.
        """
        shown = {message.id for message in messages}
        shown |= targets(event_of(message) for message in messages)
        spoken = [found for name in shown if (found := board.messages.get(name)) is not None]
        told = {entry for one in spoken for entry in (*one.corrections, one.withdrawn) if entry is not None}
        return self.entries(*shown, *told)

    def _read(self, rows: Iterable[model.MessageRow]) -> list[Message]:
        return list(map(self._client.read, rows))

    def search(self, query: str, *, limit: int = 50, before: int | None = None) -> list[Found]:
        """What was said here and fits; as `Client.search`, but for `USAGE` where the query names another room."""
        return search(self._client, query, room=self.id, limit=limit, before=before)

    # ---- what this profile has read, and was about to say

    @property
    def read_mark(self) -> int:
        """Up to which room sequence it was read on this device; 0 for nothing."""
        return self._client.profile.store.desk.mark(self.id)

    def mark_read(self, room_seq: int) -> None:
        """It was read up to here; a mark never goes back. Other devices of the person have marks of their own."""
        self._client.profile.store.desk.put_mark(self.id, room_seq)

    def unread(self) -> Unread:
        """What stands behind the mark, and calls whom; of entries that say something to a person alone."""
        return self._client.profile.store.desk.unread([self.id], self._client.reader)[self.id]

    @property
    def draft(self) -> Draft | None:
        """What somebody was about to say here; gone with the message that says it."""
        return self._client.profile.store.desk.draft(self.id)

    def keep_draft(self, draft: Draft | None) -> None:
        """Keep it, durably; None for none any more."""
        self._client.profile.store.desk.put_draft(self.id, draft)

    def _group(self) -> Group | None:
        return self._client.group_of(self.row)

    # ---- what is sent to it

    @kept("a message")
    def compose(
        self,
        body: Said | str,
        *,
        label: Label | None = None,
        pap: Pap = Pap.AMBER,
        precedence: Precedence = Precedence.ROUTINE,
        circle: Collection[DeviceId] = (),
    ) -> Say:
        """Something to say, for `Client.ask`.

        Args:
            body: What to say: a text, or a body of `amanah_protocol.content` such as a reply, a task or a joint time.
                A text is normalised to NFC; those of a body are taken as they are.
            label: Its label; by default the room's ceiling, and of a correction that of its message.
            pap: What receivers may do with it; it is made as strict as what it answers or corrects.
            precedence: How urgent it is.
            circle: Whom its author was shown as its readers: it is held where others have joined before it is sealed.

        Raises:
            RefusedError: `LABEL` above a ceiling, or below the label of what it answers or corrects.
            UsageError: `TOO_LARGE` above 65,536 characters; for a `Forwarded` and what has no effect; as `Client.ask`.
        """
        content = Text(text=unicodedata.normalize("NFC", body)) if isinstance(body, str) else body
        if isinstance(content, Forwarded):
            detail = "what is forwarded is quoted from the message itself, and recorded"
            raise UsageError(Code.USAGE, detail, hint="Call `Room.forward` in the room where it stands.")
        asked = self._label(effective.usual_label(self, content) if label is None else label)
        pap = max(pap, effective.check_answer(self, content, asked))
        effective.check_effect(self, content)
        said = saying(self.id, content, label=asked, pap=pap, precedence=precedence, circle=tuple(sorted(circle)))
        effective.check_speaker(self._client.profile, said)
        return said

    async def send(
        self,
        body: Said | str,
        *,
        label: Label | None = None,
        pap: Pap = Pap.AMBER,
        precedence: Precedence = Precedence.ROUTINE,
        timeout_s: float = 30,
    ) -> model.Intent:
        """Say something and wait for the receipt; arguments as `compose`, errors as `Client.do`."""
        return await self._client.do(self.compose(body, label=label, pap=pap, precedence=precedence), timeout_s)

    def decision(self, ordinal: int) -> Decide:
        """How a proposal ended, by what the positions come to now, for `Client.ask`.

        Raises:
            UsageError: `NOT_FOUND` for no proposal of this number, `USAGE` for one that was or cannot be decided.
        """
        outcome, nations = effective.conclude(self, ordinal)
        return Decide(room=self.id, ordinal=ordinal, outcome=int(outcome), nations=nations)

    def board(self, about: Collection[EnvelopeId] | None = None) -> Board:
        """What its entries come to, as far as they can be read here.

        Args:
            about: The messages that are shown: `Board.messages` and `Board.without_effect` then speak of these and of
                what makes the incident alone, and little more is read. None reads every entry of the room.
        """
        return Fold(self.placed()).board if about is None else self.part(about).board

    def part(self, shown: Collection[EnvelopeId]) -> Part:
        """The board of what is shown, to be kept while entries arrive; as `board`."""
        desk = self._client.profile.store.desk
        return read_part(
            shown,
            entries=lambda named: self._events(desk.entries(self.id, named)),
            about=lambda named: self._events(desk.about(self.id, named)),
        )

    def _events(self, rows: Iterable[model.MessageRow]) -> dict[EnvelopeId, Event]:
        """By their ids; own ones without a place are not in the record yet."""
        return {found.id: event_of(found) for found in self._read(rows) if found.room_seq is not None and counts(found)}

    def placed(self) -> list[Event]:
        """Its entries as the fold takes them, in room order."""
        return [event_of(message) for message in self.record() if counts(message)]

    def record(self) -> Iterator[Message]:
        """All entries that have a place, in room order."""
        after = 0
        while page := self.messages(after=after, limit=_PAGE):
            # Own ones without a place are not in the record yet.
            placed = [message for message in page if message.room_seq is not None]
            yield from placed
            if len(placed) < _PAGE:
                return
            after = placed[-1].room_seq or after

    @kept("alerts")
    def batch(self, alerts: Sequence[Alert], *, source_name: str, label: Label | None = None) -> actions.PostAlerts:
        """Alerts for one envelope, for `Client.ask`.

        Args:
            alerts: 1 to 100, as `pack_alerts` gives them.
            source_name: How the machine names its input.
            label: Their label; the room's ceiling by default.

        Raises:
            RefusedError: `LABEL` above a ceiling.
        """
        asked = self._label(label, Way.ALERT)
        return actions.PostAlerts(room=self.id, source_name=source_name, alerts=tuple(alerts), label=asked)

    async def post_alerts(
        self, alerts: Sequence[Alert], *, source_name: str, label: Label | None = None, timeout_s: float = 30
    ) -> model.Intent:
        """Post 1 to 100 alerts in one envelope; arguments as `batch`, errors as `Client.do`."""
        return await self._client.do(self.batch(alerts, source_name=source_name, label=label), timeout_s)

    async def attach(
        self,
        path: Path,
        *,
        text: str = "",
        label: Label | None = None,
        pap: Pap = Pap.AMBER,
        precedence: Precedence = Precedence.ROUTINE,
        sample: bool = False,
        circle: Collection[DeviceId] = (),
        timeout_s: float | None = 30,
        tell: Tell = nobody,
    ) -> model.Intent:
        """Hand over a file of up to 2 GiB, and wait until it is in the room.

        When this returns or fails for want of a connection, the file is sealed in the profile and goes out by itself.

        Args:
            path: The file.
            text: What is said of it.
            label: Its label; the room's ceiling by default.
            pap: What receivers may do with it.
            precedence: How urgent it is.
            sample: Whether it may be harmful: receivers save it in a container alone.
            circle: As for `compose`.
            timeout_s: How long to wait for anything to move; None returns as soon as it is sealed.
            tell: Told of bytes done, and of how many.

        Raises:
            RefusedError: `LABEL` above a ceiling.
            UsageError: As `Spool.seal`.
            AmanahError: As `Client.do`.
        """
        said = Announced(
            name=path.name, text=text, label=label, pap=pap, precedence=precedence, sample=sample, circle=tuple(circle)
        )
        intent_id, action = await prepare(self, path, self._announced(said), tell)
        intent = await self._client.ask(action, intent_id=intent_id)
        return intent if timeout_s is None else await follow(self._client, intent, timeout_s, tell, patience=None)

    def incoming(self, said: Announced, size: int) -> Incoming:
        """A file of so many bytes, up to 2 GiB, that is handed over in pieces.

        Raises:
            RefusedError: `LABEL` above a ceiling.
            UsageError: `TOO_LARGE`.
        """
        return Incoming(self, size, self._announced(said))

    @kept("a file")
    def _announced(self, said: Announced) -> Announced:
        return replace(said, label=self._label(said.label))

    def files(self) -> list[RoomFile]:
        """The files in it, in room order, own ones that are on their way last."""
        own = (message for message in self.messages(newest=True) if message.room_seq is None)
        return list_files(self._client, [*self.record(), *own])

    async def save(
        self,
        message: Message,
        folder: Path,
        *,
        container: bool = False,
        timeout_s: float = 30,
        tell: Tell = nobody,
    ) -> Path:
        """Fetch the file of a message and save it in a folder, verified; a sample in a container alone.

        Args:
            message: The message.
            folder: Where it goes.
            container: Put it into a container in any case.
            timeout_s: How long to wait for anything to move.
            tell: Told of bytes done, and of how many.

        Raises:
            AmanahError: As `saving.save` and `Client.do`.
        """
        return await save_file(self._client, message, folder, container=container, timeout_s=timeout_s, tell=tell)

    async def acknowledge(self, message: EnvelopeId, grade: int, *, timeout_s: float = 30) -> model.Intent:
        """Sign an acknowledgement of one message (`kinds.Grade`); errors as `Client.do`."""
        return await self._client.do(actions.Acknowledge(room=self.id, envelope=message, grade=grade), timeout_s)

    @kept("a disclosure")
    def disclosure(self, message: Message, *, recipient: str) -> actions.Disclose:
        """A disclosure to somebody outside, for `Client.ask`.

        Raises:
            RefusedError: `LABEL`.
        """
        check_way(Way.DISCLOSE, self.matter(message), by=self._me, to=Outside())
        return actions.Disclose(room=self.id, envelope=message.id, recipient=recipient)

    async def disclose(self, message: Message, *, recipient: str, timeout_s: float = 30) -> bytes:
        """Log the egress of one message and get its proof, an encoded `Disclosure`; errors as `Client.do`."""
        return result_of(await self._client.do(self.disclosure(message, recipient=recipient), timeout_s))

    @kept("a forward")
    def forwarding(self, message: Message, *, to: Room, label: Label | None = None, note: str = "") -> actions.Forward:
        """A quotation of a message's text into another room, for `Client.ask`; of a corrected one, what it says now.

        Args:
            message: A message of this room.
            to: The other room.
            label: Its label there; by default that which it has now.
            note: What is said of it there; normalised to NFC.

        Raises:
            RefusedError: `LABEL`: it may not reach that room; `DRILL` for what an exercise says, into a real room.
            UsageError: `USAGE` for a message without a text, one that its author took back, or into its own room.
        """
        return quote(self, message, to=to, label=label, note=note)

    async def forward(
        self, message: Message, *, to: Room, label: Label | None = None, note: str = "", timeout_s: float = 30
    ) -> model.Intent:
        """Log the egress here, then quote a message there; arguments as `forwarding`, errors as `Client.do`."""
        return await self._client.do(self.forwarding(message, to=to, label=label, note=note), timeout_s)

    @kept("another label")
    def relabelling(self, message: Message, label: Label) -> Change:
        """Another label for a message, for `Client.ask`: everybody raises one, its author's side lowers it.

        Raises:
            RefusedError: `ROLE`: it is not this person's to lower.
            UsageError: `USAGE`: it has that label, or is a correction of what has a stricter one.
        """
        board = board_of(self._labelling(message), self._who)
        return change_of(self.id, message.id, label, board=board, by=self._me)

    async def relabel(self, message: Message, label: Label, *, timeout_s: float = 30) -> list[model.Intent]:
        """Change the label of a message, for all to see; errors as `relabelling` and `Client.do`."""
        return [await self._client.do(one, timeout_s) for one in self.relabelling(message, label).actions]

    def granting(self, from_seq: int, to_seq: int, devices: tuple[DeviceId, ...]) -> Plan:
        """A stretch of the record for members who came later, as far as labels let it go to them.

        Args:
            from_seq: The place where it begins.
            to_seq: The place where it ends, included.
            devices: Devices of members.

        Raises:
            UsageError: `USAGE` for nobody, or a stretch that does not ascend.
        """
        if not devices or not 0 < from_seq <= to_seq:
            raise UsageError(Code.USAGE, "a grant is for somebody, and its places ascend", hint="See `--help`.")
        known = self._client.directory().certificates
        certificates = [known[device] for device in devices if device in known]

        def check(message: Message) -> Label:
            found = self.matter(message)
            found = replace(found, label=max(found.label, message.label))  # as `core.ways.granted`
            check_way(Way.GRANT, found, by=self._me, to=inside(found.label, self.ceiling, certificates))
            return found.label

        inner = (message for message in self.record() if from_seq <= (message.room_seq or 0) <= to_seq)
        return plan(self.id, inner, devices, check)

    async def grant(
        self, from_seq: int, to_seq: int, devices: tuple[DeviceId, ...], *, timeout_s: float = 30
    ) -> list[model.Intent]:
        """Give a stretch of the record, and wait for each part; arguments as `granting`, errors as `Client.do`.

        What may not go there is left out: `granting` says what that is.
        """
        return [await self._client.do(part, timeout_s) for part in self.granting(from_seq, to_seq, devices).grants]

    def matter(self, message: Message) -> Matter:
        """A message as the rules of labels see it (`amanah_protocol.ways`), with the label that counts now.

        Whoever writes a new way out holds it against `check_way` first.
        """
        return matter_of(message.row, self._labelling(message), self.reached(message.label).people, self._who)

    def limits_of(self, message: Message) -> tuple[Label, Pap | None]:
        """The label that counts of a message now, after all that changed it, and its PAP; None without content here."""
        counts = matter_of(message.row, self._labelling(message), None, self._who)
        return counts.label, None if message.pap is None else counts.pap

    def stands(self, message: Message) -> EnvelopeId | None:
        """The entry that says a message now: itself, its last correction, or none where it was withdrawn."""
        return spoken_by(board_of(self._labelling(message), self._who), message.id)

    def _labelling(self, message: Message) -> tuple[model.MessageRow, ...]:
        return self._client.profile.store.labelling(self.id, message.id)

    def _who(self, device: DeviceId) -> Somebody:
        certificate = self._client.directory().certificates.get(device)
        return NOBODY if certificate is None else somebody(certificate)

    def erasing(self, *messages: EnvelopeId) -> actions.EraseMessages:
        """An erasure of own messages and their corrections, for `Client.ask`; errors as `to_erase`."""
        return actions.EraseMessages(room=self.id, envelopes=to_erase(self, messages))

    async def erase(self, *messages: EnvelopeId, timeout_s: float = 30) -> model.Intent:
        """Drop the content of own messages everywhere; the record stays; errors as `Client.do`."""
        return await self._client.do(self.erasing(*messages), timeout_s)

    def _label(self, label: Label | None, way: Way = Way.SEND) -> Label:
        asked = self.ceiling if label is None else label
        said = Matter(label=asked, source=self._me, circle=None)
        # Whether all members are cleared for it is asked when it is sealed for them.
        check_way(way, said, by=self._me, to=inside(asked, self.ceiling, (self._client.certificate,)))
        return asked

    @property
    def _me(self) -> Somebody:
        return somebody(self._client.certificate)

    def reached(self, label: Label) -> Inside:
        """Whom what is said here under a label reaches now, as the rules of labels see it."""
        group, known = self._group(), self._client.directory().certificates
        members = () if group is None else group.members
        return inside(label, self.ceiling, [known[device] for device in members if device in known])

    # ---- who is in it

    def invitation(self, who: str | DeviceId) -> actions.Invite:
        """An invitation, for `Client.ask`.

        Args:
            who: An organisation's DNS name, for all its officers' and bots' devices; or a device: its
                id, or first digits of it.

        Raises:
            UsageError: `USAGE` for no DNS name, `NOT_FOUND` for no or several devices; and as `check_nation`.
        """
        if isinstance(who, str) and "." in who:
            effective.check_nation(self, organisation := parse_organisation(who))
            return actions.Invite(room=self.id, organisation=organisation)
        device = who if isinstance(who, bytes) else self._client.device(who)
        effective.check_invitation(self, self.party(device).organisation)
        return actions.Invite(room=self.id, device=device)

    async def invite(self, who: str | DeviceId, *, timeout_s: float = 30) -> model.Intent:
        """Invite and wait until it is in the log; argument as `invitation`, errors as `Client.do`."""
        return await self._client.do(self.invitation(who), timeout_s)

    async def remove(self, *devices: DeviceId, timeout_s: float = 30) -> model.Intent:
        """Remove devices; errors as `Client.do`."""
        return await self._client.do(actions.Remove(room=self.id, devices=devices), timeout_s)

    def find_members(self, reference: str) -> tuple[DeviceId, ...]:
        """The members' devices that an organisation, a name or first digits of a device id name.

        Raises:
            UsageError: `NOT_FOUND` when nobody fits; `USAGE` when digits or a name fit several parties.
        """
        return find_devices(self.members(), reference, self.title, prefix_min=self._client.PREFIX_MIN)
