"""`amanah audit verify` and `list` as people and programs use them: exit codes, text and JSON, offline."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from amanah_client.audit.retention import Retention
from amanah_client.home import Profile
from amanah_protocol import kinds
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import CONTROL, RoomId
from tests.client.audit.auditor import TOLD, Audit, copy
from tests.client.audit.bundles import bundle
from tests.client.audit.world import (
    BOT_TN,
    OFFICER_SN,
    OFFICER_TN,
    SN,
    TN,
    Log,
    community,
    incident,
)

# ---- verify


def test_an_honest_copy_verifies_offline(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, out, err = audit("verify")
    assert (code, err) == (0, "")
    assert "HOLDS" in out
    assert f"room {TOLD.room.hex()[:8]}: opened by officer" in out
    assert "added officer" in out
    assert "then in it: cert.example.ma 1, cert.example.sn 1, cert.example.tn 2" in out
    assert "outside: 5 bare hashes" in out
    assert "sealed" in out


def test_the_first_bad_entry_is_unmistakable(audit: Audit, profile: Profile) -> None:
    rows = TOLD.rows()
    rows[20] = structs.replace(rows[20], entry=rows[19].entry)
    copy(profile, TOLD, rows=rows)
    code, out, err = audit("verify")
    assert code == 5
    assert "DOES NOT HOLD. FIRST BAD ENTRY: 20 (PROOF)" in out
    assert "FAULT at entry 20: " in out
    assert "first bad entry 20" in err
    assert "rely on nothing in it from entry 20 on" in err
    assert "HOLDS:" not in out


def test_a_fault_of_the_whole_record_is_said_to_be_one(audit: Audit, profile: Profile) -> None:
    rows = TOLD.rows()
    rows[16] = structs.replace(rows[16], hash=bytes(32))
    copy(profile, TOLD, rows=rows)
    code, out, err = audit("verify")
    assert code == 5
    assert "DOES NOT HOLD. THE WHOLE RECORD (PROOF)" in out
    assert "the whole record" in err
    assert "rely on nothing in it." in err


def test_verify_prints_one_json_document(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, out, _ = audit("verify", "--json")
    report = json.loads(out)
    assert code == 0
    assert (report["holds"], report["anchored"], report["first_bad"]) == (True, True, None)
    assert report["scope"]["control_confirmed"] == 12
    assert report["rooms"][0]["members"] == {"cert.example.ma": 1, "cert.example.tn": 2}
    assert report["rooms"][0]["changes"][1]["added"][0]["organisation"] == SN


def test_faults_stand_in_the_json_too(audit: Audit, profile: Profile) -> None:
    rows = TOLD.rows()
    rows[20] = structs.replace(rows[20], entry=rows[19].entry)
    copy(profile, TOLD, rows=rows)
    code, out, _ = audit("verify", "--json")
    report = json.loads(out)
    assert (code, report["holds"], report["first_bad"]["log_index"]) == (5, False, 20)
    assert report["findings"][0]["severity"] == "fault"


def test_remarks_break_nothing(audit: Audit, profile: Profile) -> None:
    found = incident()
    found.log.post(OFFICER_TN, found.room, kinds.Message(), sent_at_ms=found.log.now_ms - 200_000)
    copy(profile, found)
    code, out, _ = audit("verify")
    assert code == 0
    assert f"REMARK at entry {found.log.last}: the sender's clock and the relay's differ by 200 s [CLOCK]" in out


def test_without_a_copy_there_is_nothing_to_verify(audit: Audit) -> None:
    code, out, err = audit("verify")
    assert (code, out) == (4, "")
    assert "`amanah audit sync --home " in err


def test_a_record_that_is_wrong_throughout_says_how_many_faults_there_are(audit: Audit, tmp_path: Path) -> None:
    log = Log()
    for _ in range(1_003):
        log.append(LeafType.CERTIFICATE, CONTROL, b"none")
    path = tmp_path / "wrong.bundle"
    wrong = replace(TOLD, log=log)
    path.write_bytes(bundle(wrong, log.rows()))
    code, out, _ = audit("check", path)
    assert code == 5
    # Every entry, and the exporter's certificate, which stands nowhere.
    assert "1004 faults in all" in out


def test_times_beyond_the_calendar_are_shown_as_such(audit: Audit, profile: Profile) -> None:
    found = incident()
    found.log.post(OFFICER_TN, found.room, kinds.Message(), leaf_accepted_at_ms=2**62)
    copy(profile, found)
    code, out, _ = audit("verify")
    assert code == 5
    assert "beyond the year 9999" in out
    listed = json.loads(audit("list", "--json")[1])
    assert listed["entries"][-1]["accepted"] is None


def test_a_commit_without_a_change_is_not_told_as_one_and_a_room_without_its_creation_is(
    audit: Audit, profile: Profile
) -> None:
    found = incident()
    found.log.post(OFFICER_TN, found.room, kinds.Commit())
    headless = found.log.open(OFFICER_TN, "headless", owner=SN)
    copy(profile, found)
    code, out, _ = audit("verify")
    assert code == 5
    assert f"room {headless.hex()[:8]}: its creation does not hold" in out
    assert "in it at the end: nobody" in out
    assert out.count("then in it") == 4
    assert [len(room["changes"]) for room in json.loads(audit("verify", "--json")[1])["rooms"]] == [4, 1, 0]


# ---- list


def test_the_list_says_who_told_whom_what_class_of_thing_when(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, out, _ = audit("list")
    assert code == 0
    bot = BOT_TN.certificate.subject.hex()[:8]
    assert f"TLP:AMBER  bot {bot} of cert.example.tn: 37 alerts" in out
    assert "to cert.example.ma 1, cert.example.sn 1, cert.example.tn 2; room" in out
    assert "outside to a court (disclosure)" in out
    assert "routine, up to 2 KiB; verified" in out
    assert "neither the relay nor an auditor can read them" in out


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ((), 17),
        (("--room", TOLD.small.hex()[:8]), 4),
        (("--organisation", "cert.example.sn"), 7),
        (("--kind", "alert"), 1),
        (("--kind", "intake-key"), 0),
        (("--since", "2026-09-21T14:13:51"), 3),
        (("--since", "2026-09-21T15:13:51+01:00"), 3),
        (("--since", "2027-01-01"), 0),
    ],
)
def test_the_list_takes_filters(audit: Audit, profile: Profile, arguments: tuple[str, ...], count: int) -> None:
    copy(profile, TOLD)
    code, out, _ = audit("list", *arguments, "--json")
    listed = json.loads(out)
    assert (code, listed["format"], len(listed["entries"])) == (0, 1, count)


def test_an_entry_in_json_holds_what_its_header_says(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    (entry,) = json.loads(audit("list", "--kind", "alert", "--json")[1])["entries"]
    assert entry["header"] == {"count": 37}
    assert entry["from"]["organisation"] == TN
    assert entry["to"] == {"cert.example.ma": 1, "cert.example.sn": 1, "cert.example.tn": 2}
    assert (entry["label"], entry["precedence"], entry["size_class"]) == ("TLP:AMBER", "routine", 2)
    assert (entry["said"], entry["state"]) == ("37 alerts", "verified")
    assert entry["accepted"].startswith("2026-09-21T14:13:40")


def test_an_unknown_kind_is_a_usage_error(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, _, err = audit("list", "--kind", "gossip")
    assert code == 2
    assert "Known are create, commit" in err


def test_a_list_of_a_record_that_does_not_hold_says_so_beside_the_entry_and_at_the_end(
    audit: Audit, profile: Profile
) -> None:
    found = incident()
    index = found.log.post(OFFICER_SN, found.room, kinds.Message())
    copy(profile, found)
    code, out, err = audit("list")
    assert code == 5
    assert "FAULT: REVOKED" in out
    assert f"first bad entry {index}" in err
    code, out, _ = audit("list", "--json")
    assert (code, json.loads(out)["first_bad"]["log_index"]) == (5, index)


def test_a_list_in_which_nothing_fits_says_so_and_what_to_try(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, out, _ = audit("list", "--room", "ffff")
    assert code == 0
    assert out.startswith("no entry is like that, of 17 entries of 2 rooms in scope, accepted between 2026-09-21 ")
    assert f"`amanah audit verify --home {profile.home.path}` names the rooms" in out
    assert "sealed" not in out
    assert json.loads(audit("list", "--room", "ffff", "--json")[1])["entries"] == []


def test_a_list_of_a_copy_without_rooms_says_that_nothing_is_there(audit: Audit, profile: Profile) -> None:
    copy(profile, replace(TOLD, log=community()))
    assert audit("list")[1] == "there is no entry of a room in this copy: nothing was accepted in its scope so far\n"


def test_a_list_says_why_entries_without_content_have_the_lowest_label(audit: Audit, profile: Profile) -> None:
    log = community()
    room = log.open(OFFICER_TN)
    log.post(OFFICER_TN, room, kinds.Delivered(room_seq=1), label=Label.CLEAR)
    log.post(OFFICER_TN, room, kinds.Message())
    copy(profile, replace(TOLD, log=log))
    why = "it may say TLP:CLEAR in a room of any label, and lowers nothing there"
    assert why in audit("list")[1]
    assert why not in audit("list", "--kind", "message")[1]


# ---- retention


def test_retention_says_in_words_that_nothing_was_erased_and_nothing_is_held(audit: Audit, profile: Profile) -> None:
    copy(profile, TOLD)
    code, out, _ = audit("retention")
    assert code == 0
    assert out.splitlines()[1:4] == [
        "no room here has a policy: the relay's configuration decides, which is not in the log",
        "no content was erased",
        "no legal hold stands",
    ]


@pytest.mark.parametrize(
    ("others", "said"),
    [
        (
            True,
            [
                "1 room without a policy: the relay's configuration decides there, which is not in the log",
                "no content was erased",
                "in 1 room with a policy nothing is there longer than its room's policy allows",
            ],
        ),
        (False, ["no content was erased", "nothing is there longer than its room's policy allows"]),
    ],
)
def test_only_of_rooms_with_a_policy_it_is_said_that_nothing_is_there_longer(
    audit: Audit,
    profile: Profile,
    monkeypatch: pytest.MonkeyPatch,
    others: bool,  # noqa: FBT001 - a parameter of the test
    said: list[str],
) -> None:
    copy(profile, TOLD)
    found = Retention(
        as_of_ms=1, gone=(), overdue=(), holds=(), forgotten=(),
        with_policy=(RoomId(b"p" * 16),), without_policy=(RoomId(bytes(16)),) if others else (),
    )  # fmt: skip
    monkeypatch.setattr("amanah_client.cli.audit_retention.retention", lambda _: found)
    assert audit("retention")[1].splitlines()[1:-1] == said


def test_retention_of_a_copy_without_rooms_names_no_time(audit: Audit, profile: Profile) -> None:
    copy(profile, replace(TOLD, log=community()))
    code, out, _ = audit("retention")
    assert code == 0
    assert out.splitlines() == [
        "no entry of a room is in this copy, so it says of no content whether it was erased",
        "no legal hold stands",
    ]
    assert json.loads(audit("retention", "--json")[1])["as_of"] is None
