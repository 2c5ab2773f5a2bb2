"""What the page asks for, decoded strictly: one kind of frame for each thing that an officer can do.

Each frame has a number `n`, under which its answer comes back. What the server pushes has none.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from amanah_client.report.forms import Form
from amanah_protocol import limits
from amanah_protocol.content.file import MAX_NAME_CHARS
from amanah_protocol.content.text import MAX_CHARS

Room = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
Entry = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Short = Annotated[str, msgspec.Meta(max_length=limits.MAX_TEXT_CHARS)]
Name = Annotated[str, msgspec.Meta(max_length=limits.MAX_NAME_CHARS)]
FileName = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NAME_CHARS)]
Long = Annotated[str, msgspec.Meta(max_length=MAX_CHARS)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Token = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Time = Annotated[str, msgspec.Meta(max_length=40)]
Grade = Annotated[int, msgspec.Meta(ge=1, le=4)]
LabelName = Literal["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:AMBER+STRICT", "TLP:RED"]
PapName = Literal["PAP:CLEAR", "PAP:GREEN", "PAP:AMBER", "PAP:RED"]
PrecedenceName = Literal["routine", "priority", "immediate", "flash"]


class Frame(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """What every frame has."""

    n: Number


class Sealing(Frame, frozen=True, kw_only=True):
    """What those who can read a room are to be looked at for: with whom the page has shown as them (`view.readers`)."""

    room: Room
    readers: Digest


class Marked(Sealing, frozen=True, kw_only=True):
    """What is sealed under a label that somebody chose, and with what its readers may do with it."""

    label: LabelName
    pap: PapName


class Active(Frame, frozen=True, kw_only=True, tag="active"):
    """Somebody is there: a key was pressed, or the page was touched."""


class Lock(Frame, frozen=True, kw_only=True, tag="lock"):
    """End the session."""


class Look(Frame, frozen=True, kw_only=True, tag="look"):
    """Show a room: its newest entries, those around one, or those before or behind what is shown; or one thread."""

    room: Room
    at: Literal["newest", "before", "after", "around"] = "newest"
    seq: Number = 0
    thread: Entry | None = None


class Whole(Frame, frozen=True, kw_only=True, tag="whole"):
    """All of an entry of which the window shows the beginning: its text, its signs, or what it said before.

    With `version`, that alone: what the entry said first is 0, what it said after its first correction 1.
    """

    room: Room
    entry: Entry
    version: Number | None = None


class Before(Frame, frozen=True, kw_only=True, tag="before"):
    """What an entry said before its corrections, a few of them at a time, those before a version."""

    room: Room
    entry: Entry
    version: Number


class Timeline(Frame, frozen=True, kw_only=True, tag="timeline"):
    """What happened in a room: the incident, tasks, decisions, joint times, changes of readers."""

    room: Room


class Seen(Frame, frozen=True, kw_only=True, tag="seen"):
    """The room was read up to here."""

    room: Room
    seq: Number


class Draft(Frame, frozen=True, kw_only=True, tag="draft"):
    """What somebody was about to say."""

    room: Room
    text: Long


class Type(Marked, frozen=True, kw_only=True, tag="type"):
    """A line of the composer: a text, or a command.

    Attributes:
        closing: The newest closing, as the page shows it.
        signed: Who has signed that, as the page says.
        anyway: Also where it leaves something open behind.
    """

    text: Long
    precedence: PrecedenceName
    answering: Entry | None = None
    replies: bool = False
    thread: Entry | None = None
    asks: Grade | None = None
    closing: Entry | None = None
    signed: tuple[Name, ...] = ()
    anyway: bool = False


class Acknowledge(Frame, frozen=True, kw_only=True, tag="acknowledge"):
    """Acknowledge a message."""

    room: Room
    entry: Entry
    grade: Grade


class React(Sealing, frozen=True, kw_only=True, tag="react"):
    """Put a sign on a message, or take it back."""

    entry: Entry
    sign: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
    stands: bool


class Correct(Marked, frozen=True, kw_only=True, tag="correct"):
    """Say instead."""

    entry: Entry
    text: Long


class Withdraw(Sealing, frozen=True, kw_only=True, tag="withdraw"):
    """Take a message back."""

    entry: Entry
    reason: Short


class Stand(Marked, frozen=True, kw_only=True, tag="stand"):
    """Where the incident stands: "" for what stays."""

    title: Name = ""
    severity: Literal["", "low", "medium", "high", "critical"] = ""
    status: Literal["", "triage", "investigating", "containing", "recovering", "resolved", "closed"] = ""
    type: Name = ""
    aware: Time = ""


class AddTask(Marked, frozen=True, kw_only=True, tag="add_task"):
    """Ask a nation to do something."""

    nation: Name
    what: Short
    until: Time = ""


class MoveTask(Sealing, frozen=True, kw_only=True, tag="move_task"):
    """Say how far a task is."""

    task: Token
    state: Literal["open", "taken", "done", "refused"]
    reason: Short = ""


class Propose(Marked, frozen=True, kw_only=True, tag="propose"):
    """Propose something to all nations of the room."""

    what: Short
    until: Time
    quorum: Annotated[int, msgspec.Meta(ge=0, le=64)] = 0


class Position(Sealing, frozen=True, kw_only=True, tag="position"):
    """Agree or object for the own nation."""

    ordinal: Number
    agrees: bool
    reason: Short = ""


class Conclude(Frame, frozen=True, kw_only=True, tag="conclude"):
    """Record how a proposal ended."""

    room: Room
    ordinal: Number


class SetClock(Marked, frozen=True, kw_only=True, tag="set_clock"):
    """Set a joint time."""

    nature: Literal["action", "embargo", "deadline"] = "action"
    what: Short
    at: Time


class MoveClock(Sealing, frozen=True, kw_only=True, tag="move_clock"):
    """Move a joint time, or call it off: it repeats what that is for, and goes out under the label and PAP of that."""

    clock: Token
    at: Time = ""
    stands: bool = True


class Handover(Marked, frozen=True, kw_only=True, tag="handover"):
    """Leave a note to who comes."""

    text: Long


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A nation of a room that is to be opened, and its role there; "" for none."""

    nation: Name
    role: Name = ""


class NewRoom(Frame, frozen=True, kw_only=True, tag="new_room"):
    """Open a room, by a template where one is named."""

    title: Name
    label: LabelName
    agreement: Name = ""
    template: Name = ""
    parts: Annotated[tuple[Part, ...], msgspec.Meta(max_length=64)] = ()
    drill: bool = False


class PlanRoom(NewRoom, frozen=True, kw_only=True, tag="plan_room"):
    """What opening it would come to, and which nations its label may reach; nothing is done."""


class WhomToInvite(Frame, frozen=True, kw_only=True, tag="whom_to_invite"):
    """Which nations that are not in a room yet may be let in, and why not the others."""

    room: Room


class Invite(Frame, frozen=True, kw_only=True, tag="invite"):
    """Invite an organisation or a device."""

    room: Room
    whom: Name


class Remove(Sealing, frozen=True, kw_only=True, tag="remove"):
    """Remove devices, which are all of somebody's among the readers that were shown."""

    devices: Annotated[tuple[Entry, ...], msgspec.Meta(min_length=1, max_length=96)]


class Release(Frame, frozen=True, kw_only=True, tag="release"):
    """Send what was held, or drop what waits."""

    intent: Token
    drop: bool


class Dismiss(Frame, frozen=True, kw_only=True, tag="dismiss"):
    """What was refused was seen."""

    intent: Token


class AskToSign(Sealing, frozen=True, kw_only=True, tag="ask_to_sign"):
    """Say that the incident is closed, and ask nations to sign off what the room came to."""

    nations: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=64)]
    days: Annotated[int, msgspec.Meta(ge=1, le=90)]


class SignOff(Sealing, frozen=True, kw_only=True, tag="sign_off"):
    """Sign what the page shows for the own nation; with `anyway` also where this device has other facts."""

    closing: Entry
    signed: tuple[Name, ...] = ()
    anyway: bool = False


class RecordClosing(Sealing, frozen=True, kw_only=True, tag="record_closing"):
    """Record that the closing stands which the page shows, signed by whom it names."""

    closing: Entry
    signed: tuple[Name, ...]


class ForwardTargets(Frame, frozen=True, kw_only=True, tag="forward_targets"):
    """Into which rooms a message may go, and why not into the others."""

    room: Room
    entry: Entry


class Forward(Frame, frozen=True, kw_only=True, tag="forward"):
    """Quote a message into another room, for those whom the page has shown as the readers there."""

    room: Room
    readers: Digest
    entry: Entry
    to: Room
    label: LabelName
    note: Short = ""


class PlanGrant(Frame, frozen=True, kw_only=True, tag="plan_grant"):
    """What giving the record from a place on to members would come to; nothing is done."""

    room: Room
    devices: Annotated[tuple[Entry, ...], msgspec.Meta(min_length=1, max_length=limits.MAX_MEMBERS)]
    first: Number = 1
    since_ms: Number = 0


class GrantHistory(PlanGrant, frozen=True, kw_only=True, tag="grant"):
    """Give it."""


class Relabel(Frame, frozen=True, kw_only=True, tag="relabel"):
    """Give a message another label; a lower one because somebody said so twice."""

    room: Room
    entry: Entry
    label: LabelName


class AnswerPage(Frame, frozen=True, kw_only=True, tag="answer_page"):
    """Acknowledge what rings."""

    entry: Entry


class Duty(Frame, frozen=True, kw_only=True, tag="duty"):
    """Who is on duty, what a page would do now, and who was paged before."""


class Sounds(Frame, frozen=True, kw_only=True, tag="sounds"):
    """Whether this page can sound: its officer has touched it, and it is not muted."""

    on: bool


class Bring(Marked, frozen=True, kw_only=True, tag="bring"):
    """Hand over a file, of which nothing was read yet."""

    name: FileName
    size: Number
    text: Long = ""
    precedence: PrecedenceName
    sample: bool = False


class Save(Frame, frozen=True, kw_only=True, tag="save"):
    """Save the file of a message."""

    room: Room
    entry: Entry
    container: bool = False


class Files(Frame, frozen=True, kw_only=True, tag="files"):
    """All files of a room."""

    room: Room


class Erase(Frame, frozen=True, kw_only=True, tag="erase"):
    """Drop the content of an own message everywhere; or only of what corrects it, as far as this device sent that."""

    room: Room
    entry: Entry
    corrections: bool = False


class Report(Frame, frozen=True, kw_only=True, tag="report"):
    """Write the report of a room, or the draft of a notice."""

    room: Room
    form: Form
    label: LabelName
    notice: Literal["", "24h", "72h", "month"] = ""


class Search(Frame, frozen=True, kw_only=True, tag="search"):
    """Look for something in what is stored."""

    query: Name


class Defang(Frame, frozen=True, kw_only=True, tag="defang"):
    """A text with its addresses defanged, before it is put into the composer."""

    text: Long


Flow: TypeAlias = (
    NewRoom | PlanRoom | Dismiss | AskToSign | SignOff | RecordClosing | ForwardTargets | Forward | PlanGrant
    | GrantHistory | Relabel | AnswerPage | Duty | WhomToInvite
)  # fmt: skip
"""What takes more than one step (`desk.flows`)."""

Carry: TypeAlias = Bring | Save | Files | Erase | Report
"""Files, and what becomes one (`desk.files`)."""

Read: TypeAlias = Whole | Before | Timeline | Save | Files | Report
"""What may read a whole room, and takes its time: nothing else waits for it."""

Asked: TypeAlias = (
    Active | Lock | Look | Whole | Before | Timeline | Seen | Draft | Type | Acknowledge | React | Correct | Withdraw
    | Stand | AddTask | MoveTask | Propose | Position | Conclude | SetClock | MoveClock | Handover | Invite | Remove
    | Release | Search | Defang | Sounds | Flow | Carry
)  # fmt: skip

_DECODER: Final[msgspec.json.Decoder[Asked]] = msgspec.json.Decoder(Asked, strict=True)


def decode_frame(text: str) -> Asked:
    """Read a frame of the page.

    Raises:
        msgspec.ValidationError: It is none; nothing of it is done.
        msgspec.DecodeError: The same, for what is no JSON.
    """
    return _DECODER.decode(text)


class Answer(msgspec.Struct, frozen=True, kw_only=True, tag="answer", tag_field="kind"):
    """What became of a frame.

    Attributes:
        n: Its number.
        ok: Whether it was taken.
        text: What to tell the officer, with what to do next where it was refused; "" for nothing.
        data: What was asked for, if it was that.
    """

    n: int
    ok: bool
    text: str = ""
    data: object = None
