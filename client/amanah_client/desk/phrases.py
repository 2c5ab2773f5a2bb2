"""More words of the page: of rooms that are opened, drills, closings, what goes on, what waits, and what rings."""

from __future__ import annotations

from collections.abc import Mapping

from amanah_client.language import gettext as _


def apart(*groups: Mapping[str, str]) -> dict[str, str]:
    """All of them by their names, of which no two are the same: the one behind would stand in for the other.

    Raises:
        ValueError: Two are.
    """
    found: dict[str, str] = {}
    for group in groups:
        if twice := found.keys() & group.keys():
            raise ValueError(f"words of the page with one name: {', '.join(sorted(twice))}")
        found |= group
    return found


def phrases() -> dict[str, str]:
    """All of them."""
    return apart(_of_opening(), _of_drills(), _of_closing(), _of_passing(), _of_pending(), _of_ringing())


def _of_opening() -> dict[str, str]:
    return {
        "template": _("Template"),
        "no_template": _("No template: an empty room"),
        "whom": _("Whom to invite"),
        "whom_more": _("All devices of a nation are invited. They can read what is said from the beginning."),
        "whom_nobody": _("No other nation is in the roster."),
        "role": _("Role of {nation}"),
        "no_role": _("no role"),
        "is_drill": _("It is a drill: nothing in it is real, for the whole life of the room"),
        "comes_to": _("What will be made"),
        "comes_to_room": _("A room up to {label}, with nobody else in it."),
        "invited": _("Invited"),
        "stands": _("Incident"),
        "said_first": _("Said first"),
        "checklist": _("Checklist"),
        "as_written": _(
            "A checklist and joint times stand in the room in the language that their template is written in."
        ),
    }


def _of_drills() -> dict[str, str]:
    return {
        "drill_strip": _("DRILL: this room is an exercise. Nothing in it is real."),
        "drill_more": _("This room is an exercise. Nothing in it is real."),
        "notified_drill": _("Amanah: DRILL, something arrived in an exercise"),
        "notified_page_drill": _("Amanah: DRILL, an exercise waits for an answer"),
    }


def _of_closing() -> dict[str, str]:
    return {
        "closing": _("Closing"),
        "no_closing": _("Nobody has asked to close this room."),
        "close_this": _("Close this room"),
        "close_room": _("Close the room, and ask to sign"),
        "close_anew": _("Ask anew"),
        "close_more": _(
            "The incident is said to be closed, and each nation is asked to sign what the entries so far came to. They "
            "sign facts, not the words of a report."
        ),
        "close_nations": _("Who is asked to sign"),
        "close_days": _("How many days they have"),
        "close_go": _("Close the room, and ask them"),
        "sign_for": _("Sign for {nation}"),
        "sign_sure": _(
            "Sign for {nation} what the entries of this room came to, as this device has them? "
            "Everybody in the room sees it."
        ),
        "sign_anyway": _("Sign what this device has"),
        "record_closing": _("Record the closing"),
        "signed": _("signed"),
        "other_facts": _("other facts"),
        "not_signed": _("not signed"),
    }


def _of_passing() -> dict[str, str]:
    return {
        "forward": _("Forward"),
        "forward_more": _(
            "Its text is quoted there, with the nation and the room that it comes from. This room sees that it was "
            "forwarded, by whom, and where to."
        ),
        "forward_to": _("Into which room"),
        "forward_label": _("Its label there"),
        "forward_note": _("What you say of it there (may stay empty)"),
        "forward_none": _("It may go into none of your other rooms."),
        "forward_not": _("Rooms into which it may not go ({count})"),
        "history": _("Give history"),
        "history_more": _(
            "Messages from before they came are given to members of this room. What a label keeps from them is left "
            "out. Everybody in the room, and auditors, see who gave what."
        ),
        "history_whom": _("For whom"),
        "history_since": _("From when on"),
        "history_all": _("From the beginning of the room"),
        "history_marked": _("From the marked message on"),
        "history_day": _("The last 24 hours"),
        "history_week": _("The last 7 days"),
        "history_look": _("Looking which messages may go to them"),
        "history_left_out": _("Left out ({count})"),
        "history_others": _("and {count} more"),
        "history_nobody": _("Nobody else is in this room."),
    }


def _of_pending() -> dict[str, str]:
    return {
        "waits": _("Waits"),
        "waits_trouble": _("To look at ({count})"),
        "waits_all": _("What waits, and what was refused"),
        "waits_none": _("Nothing waits, and nothing was refused."),
        "seen": _("Seen"),
    }


def _of_ringing() -> dict[str, str]:
    return {
        "rings": _("Rings"),
        "rings_for": _("{urgent} from {name}, in {title}"),
        "rings_since": _("since {time}"),
        "answer": _("Understood for {nation}"),
        "show_message": _("Show the message"),
        "mute": _("Mute for 5 minutes"),
        "muted": _("Muted for {time}. A new page ends that."),
        "unmute": _("Sound again"),
        "silent": _("This page is silent: it would not wake you."),
        "silent_more": _("The browser lets it sound after a key press or a click."),
        "sound_on": _("Turn sound on"),
        "sounds_elsewhere": _("Another page or program of this profile sounds."),
        "left": _("{time} left"),
        "duty": _("Duty"),
        "duty_title": _("Who is on duty, and who was paged"),
        "duty_steps": _("What happens to a page now"),
        "duty_when": _("When"),
        "duty_whom": _("Who"),
        "duty_how": _("How"),
        "duty_rings": _("rings"),
        "duty_record": _("Record of pages"),
        "duty_none": _("Nobody was paged yet."),
    }
