"""The words that the page's own code needs, in the language that is spoken: it has none of its own."""

from __future__ import annotations

from amanah_client.composing.commands import COMMANDS
from amanah_client.desk.opening import templates
from amanah_client.desk.phrases import apart, phrases
from amanah_client.language import gettext as _
from amanah_client.language import pgettext, spoken
from amanah_client.view import words
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.clock import Nature
from amanah_protocol.content.incident import TYPES, Status
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label, Pap, Precedence


def words_of_page() -> dict[str, object]:
    """All of them, and the choices of its forms."""
    return {
        "lang": spoken().tag,
        "dir": spoken().direction,
        "labels": [label.text for label in Label],
        "paps": [pap.text for pap in Pap],
        "precedences": {one.name.lower(): words.precedence(one) for one in Precedence},
        "severities": {one.name.lower(): words.severity(one) for one in reversed(Severity)},
        "statuses": {one.name.lower(): words.status(one) for one in Status},
        "natures": {one.name.lower(): words.nature(one) for one in Nature},
        "grades": {str(int(one)): words.grade(one) for one in Grade},
        "types": [f"{group}/{one}" for group, ones in TYPES.items() for one in ones],
        "commands": [{"name": one.name, "usage": one.usage, "about": one.about} for one in COMMANDS.values()],
        "templates": templates(),
        "say": _sentences(),
        "keys": _keys(),
    }


def _sentences() -> dict[str, str]:
    return apart(_of_rooms(), _of_conversation(), _of_composer(), _of_board(), _of_people(), _of_files(), phrases())


def _of_rooms() -> dict[str, str]:
    return {
        "incidents": _("Incidents"),
        "standing": _("Standing"),
        "over": _("Closed or resolved"),
        "find": _("Find anything"),
        "new_room": _("New room"),
        "no_rooms": _("No rooms yet"),
        "no_rooms_more": _("Open one, or wait to be invited: a room appears here as soon as you are added to it."),
        "choose": _("Choose a room"),
        "choose_more": _("Ctrl+K finds a room, a person or a word. Ctrl+/ shows all keys."),
        "reading": _("Reading the record of this room"),
        "unread": _("{count} unread"),
        "pages": _("{count} pages, not acknowledged"),
        "drill": _("DRILL"),
        "title": _("Title"),
        "label": _("Label"),
        "ceiling": _("Label, the highest that may be said here"),
        "above_own": _("(this device is certified for less)"),
        "agreement": _("Agreement it is opened under (may stay empty)"),
        "open_room": _("Open the room"),
        "cancel": _("Cancel"),
        "back": _("Rooms"),
        "lock": _("Lock this page"),
        "keys": _("Keys"),
        "board": _("Board"),
        "close": _("Close this window"),
        "alarms": _("Alarms"),
        "refused": _("Refused here"),
        "reconnecting": _("The desk's program does not answer. Connecting again; what you see may be old."),
        "lost": _("No answer came. Look whether it stands in the conversation before you do it again."),
        "fault": _("This page met a fault. Look whether what you asked for was done, then load the page anew."),
        "notified": _("Amanah: something arrived"),
        "notified_page": _("Amanah: somebody waits for an answer"),
        "notify": _("Notify me on this desktop"),
        "found": _("{count} found"),
        "found_more": _("the newest {count}; more words find fewer"),
        "found_none": _("Nothing found"),
        "found_none_more": _("Only what this device can read is searched."),
        "in_words": _("Words in messages"),
    }


def _of_conversation() -> dict[str, str]:
    return {
        "conversation": _("Conversation"),
        "empty": _("Nothing was said here yet"),
        "empty_more": _("What you write is sealed for those who can read this room, and stays provable."),
        "older": _("Older entries"),
        "newest": _("To the newest"),
        "new": _("New"),
        "fresh": _("{count} new below"),
        "reply": _("Reply"),
        "react": _("React"),
        "thread": _("Thread"),
        "in_thread": _("{count} in thread"),
        "thread_begins": _("in thread: {text}"),
        "thread_of": _("Thread"),
        "whole_room": _("Back to the whole room"),
        "correct": _("Correct"),
        "withdraw": _("Withdraw"),
        "withdraw_why": _("Why it is withdrawn (may stay empty)"),
        "more": _("More"),
        "corrected": _("corrected"),
        "before": _("What it said before"),
        "said_before": _("What it said"),
        "show_all": _("Show all: {count} more characters"),
        "earlier": _("{count} earlier"),
        "more_signs": _("{count} more"),
        "copy_id": _("Copy the id"),
        "copied": _("Copied to the clipboard"),
        "proof": _("Proof"),
        "proof_more": _("Anybody in the room can prove this entry. On the command line:"),
        "groups": _("Show groups"),
        "fewer": _("Hide groups"),
        "release": _("Send after all"),
        "drop": _("Drop it"),
        "calls": _("calls"),
        "acknowledge": _("Acknowledge"),
        "ack_who": _("Who acknowledged, and when"),
        "ack_1": _("Received"),
        "ack_2": _("Read"),
        "ack_3": _("Understood"),
        "ack_4": _("We act"),
        "waiting_for": _("waiting for"),
        "you": _("you"),
        "machine": _("machine"),
        "comma": pgettext("between", ", "),
        "colon": pgettext("between", ": "),
        "semicolon": pgettext("between", "; "),
        "days_left": _("{days} d {time}"),
        "not_acknowledged": _("not acknowledged yet"),
    }


def _of_composer() -> dict[str, str]:
    return {
        "message": _("Message"),
        "write": _("Write to this room"),
        "send": _("Send"),
        "hint": _("Enter sends, Shift+Enter begins a line, / for commands"),
        "commands": _("Commands"),
        "lower": _("Lower the label to {label}? Whoever reads it may pass it on further."),
        "lower_yes": _("Lower it"),
        "keep": _("Keep it"),
        "pap": _("What readers may do with it"),
        "precedence": _("How urgent it is"),
        "asks": _("Ask for"),
        "asks_0": _("Asks for nothing"),
        "asks_1": _("Asks: received"),
        "asks_2": _("Asks: read"),
        "asks_3": _("Asks: understood"),
        "asks_4": _("Asks: acting"),
        "replying": _("Reply to {name}"),
        "about": _("About what {name} wrote at {time}: {text}"),
        "readers_changed": _("Changed while you wrote."),
        "in_this_thread": _("In this thread"),
        "correcting": _("Correct your message"),
        "live": _("The text has live addresses."),
        "defang": _("Defang them"),
        "as_is": _("Leave them"),
        "attach": _("Attach"),
        "task": _("Task"),
        "decision": _("Decision"),
        "clock": _("Joint time"),
        "handover": _("Handover"),
        "close_left": _("Still open, and left behind by the closing:"),
        "close_sure": _("The incident would be closed for everybody in this room."),
        "close_incident": _("Close the incident"),
        "closed_status": _(
            "This incident is closed. What you write is still sent and kept; to work on it again, change its status on "
            "the board."
        ),
        "closed_note": _(
            "This room is closed, and its closing is recorded. What you write is still sent and kept, but nobody has "
            "signed it off."
        ),
        "write_closed": _("Closed. Write to this room"),
        "not_writable": _("Nothing can be sent to this room."),
        "queued": _("Offline: what you send is kept and goes out by itself."),
    }


def _of_board() -> dict[str, str]:
    return {
        "joint_action": _("Joint times"),
        "duties": _("Notification clock"),
        "tasks": _("Tasks"),
        "decisions": _("Decisions"),
        "handovers": _("Handover"),
        "people": _("Who is here"),
        "timeline": _("Timeline"),
        "add": _("Add"),
        "change": _("Change"),
        "incident": _("Incident"),
        "begin_incident": _("Nobody has said yet where an incident stands."),
        "severity": _("Severity"),
        "status": _("Status"),
        "type": _("Type, by the taxonomy"),
        "aware": _("First known, in UTC"),
        "first_known": _("First known"),
        "stays": _("as it is"),
        "what": _("What is to be done"),
        "nation": _("Whose task it is"),
        "until": _("By when, in UTC (may stay empty)"),
        "take": _("Take"),
        "done": _("Done"),
        "refuse": _("Refuse"),
        "reopen": _("Open again"),
        "why": _("Why"),
        "propose": _("Propose"),
        "proposed": _("What is proposed"),
        "object_until": _("Nations may object until, in UTC"),
        "quorum": _("How many have to agree"),
        "agree": _("Agree for {nation}"),
        "object": _("Object"),
        "object_why": _("Why {nation} objects"),
        "conclude": _("Record the outcome"),
        "nature": _("What it is for"),
        "happens": _("What happens then"),
        "at": _("When, in UTC"),
        "set": _("Set it"),
        "call_off": _("Call off"),
        "call_off_sure": _("Call it off for all nations of this room? {what}"),
        "move": _("Move"),
        "acknowledge_time": _("Acknowledge for {nation}"),
        "past": _("over"),
        "ended_by_closing": _("The incident was closed before this time"),
        "due": _("due {time}"),
        "task_of": _("Task of {nation}: {what}"),
        "task_due": _("Task of {nation}, due {time}: {what}"),
        "note": _("Note for who comes"),
        "leave": _("Leave it"),
        "nothing_tasks": _("No tasks"),
        "nothing_decisions": _("Nothing proposed"),
        "nothing_clocks": _("No joint time"),
        "nothing_handovers": _("No note for the next shift"),
        "ok": _("Do it"),
    }


def _of_people() -> dict[str, str]:
    return {
        "invite": _("Invite"),
        "invite_whom": _("An organisation, such as cert.example.fr, or the first digits of a device"),
        "invite_more": _("They can read what is sent from then on, and nothing before, without a recorded grant."),
        "invite_not": _("Not to be invited"),
        "remove": _("Remove"),
        "remove_sure": _("Remove {name}, with {devices}? From then on nothing of the room can be read there."),
        "verified": _("certificate in the log"),
        "unsure": _("device revoked or unknown"),
    }


def _of_files() -> dict[str, str]:
    return {
        "files": _("Files"),
        "file": _("File"),
        "no_files": _("No files yet"),
        "no_files_more": _("Choose, drop or paste files into the composer; each is sealed on this machine first."),
        "drop_here": _("Drop the files here: they stay in the composer until you send them"),
        "to_send": _("Files to be sent"),
        "takes_off": _("Take {name} off"),
        "said_of": _("What {name} is"),
        "said_of_it": _("What it is (may stay empty)"),
        "sample": _("May be harmful"),
        "sample_more": _("Receivers get it inside a ZIP archive alone, whose password is the word “infected”."),
        "too_large": _("{name} is too large: a file has at most 2 GiB. Split it, or compress it first."),
        "is_folder": _("{name} is a folder, or cannot be read. Put it into an archive, and attach that."),
        "sealing": _("Sealing {name}"),
        "sending": _("Sending {name}"),
        "fetching": _("Fetching {name}"),
        "waits_here": _("Waits for the connection; goes on by itself."),
        "not_brought": _("{name} did not arrive at the desk's program. Send it again."),
        "save": _("Save"),
        "container": _("Save in a container"),
        "container_file": _("Save {name} in a container"),
        "save_sample": _("Save in its container"),
        "called": _("Its sender calls it {name}"),
        "never_opened": _("It is never opened by itself."),
        "password": _("It is saved inside a ZIP archive, whose password is the word “infected”."),
        "copy": _("Copy"),
        "copy_hash": _("Copy the SHA-256 of {name}"),
        "erase": _("Erase"),
        "erase_sure": _(
            "Erase this everywhere? Its content and file go from all devices and the relay; the record stays."
        ),
        "erase_part": _("Erase the correction"),
        "erase_part_sure": _(
            "Erase everywhere what this device sent to correct this? "
            "The message itself is erased afterwards, on the device that sent it."
        ),
        "erase_elsewhere": _(
            "Another device of yours sent this or a correction of it: erase that there, corrections first."
        ),
        "report": _("Report"),
        "report_more": _(
            "Made from the signed entries, in English. What is above the label is left out, and counted in it. "
            "Everybody in the room sees that it was made."
        ),
        "report_what": _("What is to be written"),
        "report_room": _("Report of the room, with its timeline"),
        "report_24h": _("Draft: early warning, within 24 hours"),
        "report_72h": _("Draft: incident notification, within 72 hours"),
        "report_month": _("Draft: final report, within one month"),
        "form": _("Form"),
        "markdown": _("Text (Markdown)"),
        "html": _("Page (HTML)"),
        "pdf": _("Print (PDF)"),
        "report_label": _("The highest label that it may carry"),
        "make": _("Make it"),
        "made": _("The report is made, labelled {label}. Your browser saves it."),
    }


def _keys() -> list[tuple[str, str]]:
    return [
        ("Ctrl+K", _("Find a room, a person or a word")),
        ("Alt+\u2191 Alt+\u2193", _("Room before, room after")),
        ("Alt+Shift+\u2191 Alt+Shift+\u2193", _("Unread room before, unread room after")),
        ("Enter", _("Send")),
        ("Shift+Enter", _("Begin a line")),
        ("\u2191", _("In an empty composer: correct your last message")),
        ("Tab", _("Complete a name behind @")),
        ("Esc", _("Leave what stands over the page, cancel, mark the room as read")),
        ("J K", _("In the conversation: entry after, entry before")),
        ("R", _("In the conversation: reply")),
        ("1 2 3 4", _("In the conversation: acknowledge as received, read, understood, acting")),
        ("T", _("In the conversation: open the thread")),
        ("Ctrl+Shift+L", _("Lock this page")),
        ("Ctrl+/", _("Show these keys")),
    ]
