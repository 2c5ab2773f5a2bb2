"""Messages as text and as JSON: every kind, every state, and nothing that could deceive."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec import structs

from amanah_client.causes import MEANINGS
from amanah_client.cli import showing, terminal
from amanah_client.directory import Directory, Party
from amanah_client.message import Message
from amanah_client.model import Alarm, Cause, Mending, MessageRow, MessageState, Retitled
from amanah_client.plain import plain as as_json
from amanah_client.reading import Since
from amanah_protocol import kinds
from amanah_protocol.content.alert import Alert, Severity
from amanah_protocol.content.bodies import AlertBatch, Body, RoomInfo, Unknown
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.revision import Withdrawal
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.identity import Role
from amanah_protocol.kinds import Kind
from amanah_protocol.labels import Label, Pap, Precedence
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId
from tests.screen import Screen

ROOM = RoomId(b"r" * 16)
ID = EnvelopeId(bytes(range(32)))
OTHER = EnvelopeId(b"o" * 32)
SENDER = DeviceId(b"d" * 32)
NOBODY = Directory((), ())
COLOURS = re.compile("\x1b\\[[0-9;]*m")


def party(name: str = "Officer A (Tunis desk)") -> Party:
    return Party(device=SENDER, organisation=OrgName("cert.example.tn"), role=Role.OFFICER, name=name, revoked=False)


def message(
    body: Body | None = None,
    specific: kinds.Specific | None = None,
    *,
    state: MessageState = MessageState.STORED,
    cause: Cause | None = None,
    mending: Mending | None = None,
    name: str = "Officer A (Tunis desk)",
) -> Message:
    said = specific or kinds.Message()
    row = MessageRow(
        room=ROOM,
        envelope=ID,
        room_seq=7,
        index=11,
        accepted_at_ms=1_000,
        previous=None,
        encoded=b"",
        sender=SENDER,
        organisation=OrgName("cert.example.tn"),
        kind=int(kinds.kind_of(said)),
        label=Label.AMBER,
        label_differs=False,
        sent_at_ms=900,
        written_at_ms=800,
        state=state,
        cause=cause,
        code="" if cause is None else "OPEN",
        mending=mending,
    )
    return Message(
        id=ID,
        room=ROOM,
        room_seq=7,
        sender=party(name),
        kind=kinds.kind_of(said),
        specific=said,
        label=Label.AMBER,
        pap=None if body is None else Pap.AMBER,
        state=state,
        cause=cause,
        written_at_ms=800,
        sent_at_ms=900,
        accepted_at_ms=1_000,
        body=body,
        row=row,
    )


def drawn(shown: Message, label: Label = Label.AMBER, pap: Pap | None = Pap.AMBER) -> str:
    return showing.line(shown, NOBODY, label, pap).plain


def as_value(shown: Message, label: Label = Label.AMBER, pap: Pap | None = Pap.AMBER) -> dict[str, object]:
    return showing.message_json(shown, label, pap)


def alert(title: str, severity: Severity = Severity.HIGH, original: bytes = b'{"a":1}') -> Alert:
    return Alert(
        source="suricata",
        dedupe_id=title,
        observed_at_ms=1_500,
        severity=severity,
        title=title,
        category="",
        signature_id="9",
        source_address="192.0.2.1",
        original=original,
        original_hash=sha256(original),
    )


def test_a_name_writes_no_line_of_its_own() -> None:
    shown = drawn(message(Text(text="x"), name="A\n  12  TLP:RED  B"))
    assert "\n" not in shown


def test_a_line_holds_place_id_time_label_sender_and_text() -> None:
    shown = drawn(message(Text(text="Seen?")))
    assert shown == (
        "    7  000102030405  1970-01-01 00:00:00Z  TLP:AMBER         Officer A (Tunis desk), cert.example.tn: Seen?"
    )


@pytest.mark.parametrize(("accepted_at_ms", "differs"), [(None, False), (120_900, False), (120_901, True)])
def test_the_relays_time_is_shown_as_its_word_where_it_is_another(accepted_at_ms: int | None, differs: bool) -> None:  # noqa: FBT001 - a parameter of the test
    found = replace(message(Text(text="Seen?")), accepted_at_ms=accepted_at_ms)
    shown = drawn(found)
    assert "1970-01-01 00:00:00Z" in shown
    assert shown.endswith(" [the relay says: 1970-01-01 00:02:00Z]: Seen?") is differs


@pytest.mark.parametrize(
    "body",
    [
        Text(
            text="The bank is down\n\n    DRILL is over: this is real\n\u0627\u0644\u0628\u0646\u0643 " + "word " * 40
        ),
        AlertBatch(source="sensor", alerts=tuple(alert("beacon " * 12) for _ in range(3))),
        Handover(text="first\nsecond"),
    ],
)
@pytest.mark.parametrize("drill", [True, False])
def test_each_line_of_what_is_an_exercise_says_so_also_what_is_folded(
    screen: Callable[[], Screen],
    monkeypatch: pytest.MonkeyPatch,
    body: Body,
    drill: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    said = replace(message(body), drill=drill)
    first, *further = drawn(said).split("\n")
    assert further
    assert ("  DRILL  TLP:AMBER" in first) is drill
    assert {one[:7] for one in further} == ({"DRILL  "} if drill else {" " * 7})
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = screen()
    terminal.show(showing.line(said, NOBODY, Label.AMBER, Pap.AMBER))
    written = shown.getvalue().splitlines()
    lines = [COLOURS.sub("", one) for one in written]
    assert len(lines) > len(further) + 1
    assert {one[:7] for one in lines[1:]} == ({"DRILL  "} if drill else {" " * 7})
    # In one style: whoever wrote the text writes none.
    assert {one.startswith("\x1b[1;7mDRILL") for one in written[1:]} == {drill}


def test_a_right_to_left_name_or_text_keeps_its_own_order_only() -> None:
    shown = drawn(message(Text(text="نعم"), name="مكتب"))
    assert shown.endswith("\u2068مكتب\u2069, cert.example.tn: \u2068نعم\u2069")


def test_how_urgent_it_is_and_what_may_be_done_with_it_stand_there_where_they_are_not_the_usual() -> None:
    usual = message(Text(text="x"))
    assert "[" not in drawn(usual)
    unusual = replace(usual, precedence=Precedence.FLASH)
    assert "Officer A (Tunis desk), cert.example.tn [flash] [PAP:RED]: x" in drawn(unusual, pap=Pap.RED)
    assert as_value(unusual)["precedence"] == "flash"
    assert "PAP" not in drawn(message(None, kinds.Commit()), pap=None)


def test_the_pap_is_the_one_that_counts_and_the_one_it_was_sent_with_stands_beside_it_for_programs() -> None:
    value = as_value(message(Text(text="x")), pap=Pap.RED)
    assert (value["pap"], value["sent_pap"]) == ("PAP:RED", "PAP:AMBER")
    value = as_value(message(None, kinds.Commit()), pap=None)
    assert (value["pap"], value["sent_pap"]) == (None, None)


def test_the_label_is_the_one_that_counts_and_the_one_it_was_sent_with_stands_beside_it_for_programs() -> None:
    raised = message(Text(text="x"))
    assert "  TLP:RED           Officer A" in drawn(raised, Label.RED)
    value = as_value(raised, Label.RED)
    assert (value["label"], value["sent_label"]) == ("TLP:RED", "TLP:AMBER")


def test_metadata_has_no_label_to_be_handed_on_under() -> None:
    assert "TLP:" not in drawn(message(None, kinds.Commit()))
    unreadable = drawn(message(None, state=MessageState.UNREADABLE, cause=Cause.CORRUPTED))
    assert "TLP:AMBER" in unreadable


def test_a_message_that_is_not_acknowledged_has_a_dash_for_its_place() -> None:
    sent = replace(message(Text(text="x")), room_seq=None, accepted_at_ms=None)
    assert drawn(sent).startswith("    -  ")


def test_a_name_or_text_cannot_write_a_line_of_its_own() -> None:
    shown = drawn(message(Text(text="one\n    8  fake\u202e"), name="A\r\x1b[2K"))
    first, second = shown.split("\n")
    assert "<000D><001B>" in first
    assert second.startswith("           8  fake<202E>")


@pytest.mark.parametrize(
    ("specific", "said"),
    [
        (
            kinds.Create(origin="o", nonce=bytes(16), suite=1, ceiling=Label.RED, owner=OrgName("cert.example.tn")),
            "opens the room for cert.example.tn, up to TLP:RED",
        ),
        (kinds.Commit(added=(SENDER,)), "adds " + "64" * 8),
        (kinds.Commit(added=(SENDER,), removed=(SENDER,)), ", removes "),
        (kinds.Commit(), "renews its keys"),
        (kinds.Ack(grade=kinds.Grade.READ, envelope=OTHER), "acknowledges 6f6f6f6f6f6f: read"),
        (kinds.Egress(envelope=OTHER, form="disclosure", recipient="Court"), "discloses 6f6f6f6f6f6f to Court"),
        (kinds.Counts(accepted=3, merged=0, dropped=1), "3 accepted, 0 merged, 1 dropped"),
        (kinds.Erase(envelopes=(OTHER,)), "erases 6f6f6f6f6f6f"),
        (kinds.Delivered(room_seq=5), "has stored everything up to 5"),
        (kinds.Refuse(commit=OTHER, code="AUDIENCE"), "refuses the change 6f6f6f6f6f6f: AUDIENCE"),
        (kinds.Refuse(commit=OTHER, code="FORK"), "asks for a new epoch: its profile is an old copy"),
        (
            kinds.Relabel(envelope=OTHER, old=Label.RED, new=Label.AMBER),
            "changes the label of 6f6f6f6f6f6f from TLP:RED to TLP:AMBER",
        ),
        (kinds.Egress(envelope=OTHER, form="forward", recipient="00ff"), "forwards 6f6f6f6f6f6f into room 00ff"),
        (
            kinds.Grant(from_seq=3, to_seq=7, addressees=(SENDER,)),
            "grants what was said from 3 to 7 to " + "64" * 8,
        ),
        (kinds.Decision(ordinal=1, outcome=kinds.Outcome.ADOPTED, nations=()), "[decision]"),
    ],
)
def test_an_entry_without_content_says_what_its_header_says(specific: kinds.Specific, said: str) -> None:
    assert said in drawn(message(None, specific))


def test_alerts_are_summed_up_by_severity_and_by_what_is_seen_most() -> None:
    batch = [alert("scan")] * 3 + [alert("beacon", Severity.CRITICAL)] * 2 + [alert(t) for t in "abc"]
    shown = drawn(message(AlertBatch(source="mon0", alerts=tuple(batch)), kinds.Alert(count=8)))
    assert "8 alerts (2 critical, 6 high): 3 x scan, 2 x beacon" in shown
    assert ", 2 other kinds from mon0\n" in shown
    one = drawn(message(AlertBatch(source="m", alerts=(alert("scan"),)), kinds.Alert(count=1)))
    assert "1 alert (1 high): 1 x " in one


def test_what_cannot_be_read_is_shown_with_its_cause_and_what_was_erased_as_a_tombstone() -> None:
    waiting = message(None, state=MessageState.UNREADABLE, cause=Cause.CORRUPTED, mending=Mending.WAITING)
    shown = drawn(waiting)
    assert "[cannot be read: corrupted (OPEN). What was delivered is missing" in shown
    assert "asks its organisation's other devices" in shown
    value = as_value(waiting)
    assert (value["cause"], value["code"], value["mending"]) == ("corrupted", "OPEN", "waiting")
    assert value["explanation"] == waiting.explanation
    assert drawn(message(None, state=MessageState.ERASED)).endswith("[erased]")


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("mending", [None, Mending.WAITING, Mending.NOBODY, Mending.UNANSWERED])
def test_each_cause_has_a_sentence_and_says_what_happens_by_itself(cause: Cause, mending: Mending | None) -> None:
    said = message(None, state=MessageState.UNREADABLE, cause=cause, mending=mending).explanation
    assert said.startswith(MEANINGS[cause])
    last = {Cause.SENDER_AT_FAULT, Cause.NOT_MEMBER_THEN, Cause.LABEL_BROKEN}
    assert (said != MEANINGS[cause]) == (mending is not None or cause in last)


def test_what_was_repaired_is_shown_with_who_did_it() -> None:
    repaired = replace(message(Text(text="x")), repaired_by=party("B"))
    assert drawn(repaired).endswith(" [repaired by B, cert.example.tn]: x")
    assert as_value(repaired)["repaired_by"] == showing.party_json(party("B"))
    assert repaired.explanation == ""


@pytest.mark.parametrize(
    "text", ["[erased]", "[the relay says: 1970-01-01 00:02:00Z]", "x [repaired by B, cert.example.tn]"]
)
def test_what_a_person_wrote_cannot_look_like_what_the_program_says(text: str) -> None:
    said = drawn(message(Text(text=text)))
    assert said.endswith(f"cert.example.tn: {text}")
    ours = drawn(message(None, state=MessageState.ERASED))
    assert ours.endswith("cert.example.tn [erased]")


def test_a_text_says_what_it_answers_and_what_it_asks_for() -> None:
    asking = Text(text="x", reply_to=OTHER, thread=OTHER, asks=kinds.Grade.ACTING)
    said = drawn(message(asking))
    assert said.endswith(
        f" [answers {showing.short(OTHER)}] [in the thread of {showing.short(OTHER)}] [asks: acting]: x"
    )


def test_what_its_author_made_of_it_since_stands_before_what_it_says() -> None:
    said, other = message(Text(text="at 14:00")), replace(message(Withdrawal(message=ID, reason="no")), id=OTHER)
    for since, remark in (
        (Since(withdrawn=other, corrected=other), " [withdrawn by its author: "),
        (Since(corrected=other), " [corrected by its author: "),
    ):
        line = showing.line(said, NOBODY, Label.AMBER, Pap.AMBER, since=since).plain
        assert remark in line
        assert line.endswith("]: at 14:00")
        made = showing.message_json(said, Label.AMBER, Pap.AMBER, since=since)
        by = {"envelope": OTHER.hex(), "at": "1970-01-01T00:00:00.900Z"}
        assert made["corrected"] == by
        assert made["withdrawn"] == (None if since.withdrawn is None else by | {"reason": "no"})
    assert (as_value(said)["withdrawn"], as_value(said)["corrected"]) == (None, None)


def test_a_title_and_a_body_of_a_newer_version_are_shown_as_such() -> None:
    titled = drawn(message(RoomInfo(title="Wave", description="")))
    assert titled.endswith("[names the room Wave]")
    assert drawn(message(Unknown(type=99, raw=b"\x80"))).endswith("[unknown]")


def test_a_room_that_is_called_otherwise_is_shown_with_what_it_was_called() -> None:
    said = message(RoomInfo(title="Harbour", description=""))
    for holds, words in (
        (True, "[renames the room from Wave to Harbour]"),
        (False, "[calls the room Harbour without effect; it stays Wave]"),
    ):
        of = replace(said, row=replace(said.row, retitled=Retitled(before="Wave", holds=holds)))
        assert drawn(of).endswith(words)
        value = as_value(of)
        assert (value["title"], value["title_before"], value["title_holds"]) == ("Harbour", "Wave", holds)
    assert "title_before" not in as_value(said)


def test_only_what_programs_tell_each_other_is_quiet() -> None:
    quiet = {
        kind
        for kind, specific in (
            (Kind.DELIVERED, kinds.Delivered(room_seq=1)),
            (Kind.WELCOME, kinds.Welcome(addressees=(SENDER,))),
            (Kind.COMMIT, kinds.Commit()),
            (Kind.EGRESS, kinds.Egress(envelope=OTHER, form="f", recipient="r")),
        )
        if showing.is_quiet(message(None, specific))
    }
    assert quiet == {Kind.DELIVERED, Kind.WELCOME}
    assert not showing.is_quiet(message(Text(text="x")))


def test_json_of_a_message_is_plain_data_with_its_text() -> None:
    value = as_value(message(Text(text="نعم")))
    assert json.loads(json.dumps(value)) == value
    assert (value["text"], value["label"], value["type"], value["room_seq"]) == ("نعم", "TLP:AMBER", "text", 7)
    assert value["sender"] == {
        "device": "64" * 32,
        "organisation": "cert.example.tn",
        "subject": None,
        "role": "officer",
        "name": "Officer A (Tunis desk)",
        "revoked": False,
    }
    assert value["accepted_at"] == "1970-01-01T00:00:01.000Z"


def test_json_of_alerts_holds_each_record_and_its_hash() -> None:
    batch = AlertBatch(source="mon0", alerts=(alert("scan"), alert("large", original=b"")))
    value = as_value(message(batch, kinds.Alert(count=2)))
    listed = value["alerts"]
    assert isinstance(listed, list)
    first, second = listed
    assert (value["source"], value["header"]) == ("mon0", {"count": 2})
    assert (first["original"], first["original_sha256"]) == ('{"a":1}', sha256(b'{"a":1}').hex())
    assert (first["original_base64"], second["original_base64"]) == (None, None)
    odd = showing.alert_json(alert("odd", original=b'{"a":"\xe9"}'))
    assert (odd["original"], b64decode(str(odd["original_base64"]))) == (None, b'{"a":"\xe9"}')
    assert (second["original"], second["severity"], second["source_address"]) == (None, "high", "192.0.2.1")


def test_json_of_other_kinds_holds_their_header_and_title() -> None:
    assert as_value(message(RoomInfo(title="Wave", description="")))["title"] == "Wave"
    relabel = kinds.Relabel(envelope=OTHER, old=Label.RED, new=Label.AMBER)
    assert as_value(message(None, relabel))["header"] == {
        "envelope": OTHER.hex(),
        "old": "TLP:RED",
        "new": "TLP:AMBER",
    }


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (b"\x01", "01"),
        (Label.AMBER_STRICT, "TLP:AMBER+STRICT"),
        (kinds.Grade.READ, "read"),
        (MessageState.STORED, "stored"),
        ((b"\x02", 3), ["02", 3]),
        (kinds.Delivered(room_seq=1), {"room_seq": 1}),
        (None, None),
    ],
)
def test_values_of_ours_become_json(value: object, plain: object) -> None:
    assert as_json(value) == plain


def test_json_of_an_alarm_holds_its_evidence() -> None:
    alarm = Alarm(at_ms=0, code="FORK", room=ROOM, detail="two records", evidence=b"\x01")
    assert showing.alarm_json(alarm) == {
        "at": "1970-01-01T00:00:00.000Z",
        "code": "FORK",
        "room": ROOM.hex(),
        "detail": "two records",
        "evidence": "01",
    }
    assert showing.alarm_json(replace(alarm, room=None, evidence=b""))["room"] is None


def test_somebody_without_a_known_organisation_is_shown_by_what_is_known() -> None:
    assert showing.who(structs.replace(party(), organisation=OrgName(""))) == "Officer A (Tunis desk)"
    assert showing.party_json(structs.replace(party(), organisation=OrgName(""), role=None))["role"] is None


def test_each_alert_says_from_where_to_where_how_grave_and_by_which_rule() -> None:
    one = replace(alert("LOCAL scan"), source_port=40_000, destination_address="2001:db8::1", destination_port=443,
                  protocol="TCP")  # fmt: skip
    low = replace(alert("noise", Severity.LOW), source_address=None)
    shown = drawn(message(AlertBatch(source="m", alerts=(low, one)), kinds.Alert(count=2)))
    assert [line.strip() for line in shown.split("\n")[1:]] == [
        "high      1970-01-01 00:00:01Z  192.0.2.1:40000 -> [2001:db8::1]:443 TCP  LOCAL scan [9]",
        "low       1970-01-01 00:00:01Z  ? -> ?  noise [9]",
    ]


def test_of_many_alerts_the_worst_are_listed_and_the_others_counted() -> None:
    batch = (*(alert(f"a{number}", Severity.LOW) for number in range(20)), alert("grave", Severity.CRITICAL))
    shown = drawn(message(AlertBatch(source="m", alerts=batch), kinds.Alert(count=21)))
    lines = shown.split("\n")
    assert "grave" in lines[1]
    assert lines[-1].strip() == "and 11 more; --json shows all of them"
    assert len(lines) == 12


@pytest.mark.parametrize("field", ["title", "signature_id", "source_address", "destination_address", "protocol"])
def test_no_field_of_an_alert_turns_the_line_that_it_stands_in(field: str) -> None:
    evil = alert("x")
    object.__setattr__(evil, field, "a\x1b[2J\u202eb\n    9  forged")  # as no decoder lets it pass
    shown = drawn(message(AlertBatch(source="m", alerts=(evil,)), kinds.Alert(count=1)))
    assert "a<001B>[2J<202E>b     9  forged" in shown
    listed = shown.split("\n")[-1]
    assert listed.startswith("       high")


def test_of_two_who_have_one_name_the_device_tells_which() -> None:
    twin = structs.replace(party("Officer A"), namesakes=True)
    assert showing.who(twin) == "Officer A (646464646464), cert.example.tn"
    assert showing.who(party("Officer A")) == "Officer A, cert.example.tn"
