"""`amanah audit ask`, `search` and `prove` as people and programs use them: exit codes, text and JSON, offline."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from amanah_client.audit.proofs import prove_entry
from amanah_client.audit.questions.registry import QUESTIONS
from amanah_client.audit.report import Finding, Severity
from amanah_client.audit.words import verdict
from amanah_client.cli.audit_ask import ask_question
from amanah_client.cli.audit_words import raise_for
from amanah_client.cli.evidence_words import _VERDICTS
from amanah_client.home import Profile
from amanah_protocol.cards import Armour, armour
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, VerifyError
from amanah_protocol.log.cose_receipt import decode_receipt, encode_receipt, sign_root
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.policy import encode_policy, policy_of_roster
from amanah_protocol.log.proof_file import decode_proof, encode_proof
from tests.client.audit.asking import case_of
from tests.client.audit.auditor import ROSTER, TOLD, Audit, copy
from tests.client.audit.world import MA, OFFICER_TN, SN
from tests.vectors import examples as x

ROOM = TOLD.room.hex()[:8]
CLI_PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"
AUDITORS_PAGE = CLI_PAGE.with_name("auditors.md")


@pytest.fixture
def copied(profile: Profile) -> None:
    copy(profile, TOLD)


def tampered(profile: Profile) -> None:
    rows = TOLD.rows()
    rows[20] = structs.replace(rows[20], entry=rows[19].entry)
    copy(profile, TOLD, rows=rows)


# ---- ask


def test_without_a_question_all_are_listed_with_their_sentences_and_no_copy_is_needed(audit: Audit) -> None:
    code, out, _ = audit("ask")
    assert code == 0
    for name, question in QUESTIONS.items():
        assert f"{name}: {question.sentence}" in out
        for parameter, described in question.parameters.items():
            assert f"--{parameter}  {described.help}" in out
    code, out, _ = audit("ask", "--json")
    listed = json.loads(out)["questions"]
    assert [question["question"] for question in listed] == list(QUESTIONS)
    assert listed[0]["parameters"][0] == {
        "name": "nation", "takes": "nation", "help": "a nation, as cert.example.ma",
    }  # fmt: skip
    wanted = {question["question"]: question["needs"] for question in listed}
    assert wanted["first-learned"] == [["nation"], ["room"]]
    assert wanted["not-given"] == [["message", "room", "label"], ["nation", "device"]]
    assert {"name": "proof", "heading": "proof", "cell": "proof"} in listed[0]["columns"]


def test_the_verb_takes_what_the_questions_take() -> None:
    wanted = {parameter for question in QUESTIONS.values() for parameter in question.parameters}
    assert set(ask_question.__annotations__) - {"question", "limit", "common", "return"} == wanted


def test_an_answer_says_its_rows_its_range_its_limits_and_how_to_check_it(
    audit: Audit, copied: None, profile: Profile
) -> None:
    code, out, err = audit("ask", "first-learned", "--nation", SN, "--room", ROOM)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"{SN} could know of room {ROOM} from 2026-09-21 14:13:34Z on")
    assert lines[1].startswith("   1  first let into the room; who officer ")
    assert lines[1].endswith("; proof: 14")
    assert any(line.startswith("This speaks for the entries 0 to 34 of the log relay.example/log") for line in lines)
    assert any(line.startswith("Not shown: The nation may have learned of it elsewhere") for line in lines)
    home = profile.home.path
    assert lines[-1].startswith(f"Check it yourself: `amanah audit prove 14 --out 14.tlog-proof --home {home}` writes")
    assert f"`amanah audit check 14.tlog-proof --home {home}` verifies it" in lines[-1]


@pytest.mark.parametrize("name", list(QUESTIONS))
def test_every_question_answers_in_text_and_in_json(audit: Audit, copied: None, name: str) -> None:
    given = {"nation": SN, "room": ROOM, "message": "19", "entry": "19", "device": OFFICER_TN.id.hex()[:12]}
    chosen = QUESTIONS[name].required or (("message", "nation") if name == "not-given" else ())
    options = [word for option in chosen for word in (f"--{option}", given[option])]
    assert audit("ask", name, *options)[0] == 0
    code, out, _ = audit("ask", name, *options, "--json")
    answer = json.loads(out)
    assert (code, answer["question"], answer["holds"], answer["trouble"]) == (0, name, True, None)
    assert answer["answer"]
    assert answer["range"]["leaves"] == 35
    assert all(set(row) == set(QUESTIONS[name].columns) for row in answer["rows"])
    assert all(row["proof"]["log_indices"] for row in answer["rows"])


def test_the_list_of_questions_says_what_one_needs_one_of(audit: Audit) -> None:
    out = audit("ask")[1]
    listed = out[out.index("not-given:") : out.index("audits:")]
    assert listed.count("(one of --message, --room and --label)") == 3
    assert listed.count("(one of --nation and --device)") == 2
    assert "(optional)" not in listed


@pytest.mark.parametrize(("name", "options"), [("times", ("--entry", "19")), ("audits", ())])
def test_each_limit_of_an_answer_is_marked_as_one(
    audit: Audit, copied: None, name: str, options: tuple[str, ...]
) -> None:
    lines = audit("ask", name, *options)[1].splitlines()
    limits = json.loads(audit("ask", name, *options, "--json")[1])["limits"]
    assert [line for line in lines if line.startswith("Not ")] == [f"Not shown: {limit}" for limit in limits]


def test_a_column_that_says_nothing_is_left_out(audit: Audit, copied: None) -> None:
    out = audit("ask", "audits")[1]
    assert "ordered to read" in out
    assert "in words" not in out


def test_cells_have_one_form_in_json(audit: Audit, copied: None) -> None:
    out = audit("ask", "left-circle", "--json")[1]
    (row,) = json.loads(out)["rows"]
    assert row["room"] == TOLD.room.hex()
    assert row["label"] == "TLP:AMBER"
    assert row["by"]["device"] == OFFICER_TN.id.hex()
    assert row["accepted_ms"] == "2026-09-21T14:13:52.000Z"
    assert row["to"] is None
    assert row["proof"] == {"log_indices": [19, 32], "more": 0}


def test_a_record_that_does_not_hold_is_said_first_and_ends_with_5(audit: Audit, profile: Profile) -> None:
    tampered(profile)
    code, out, err = audit("ask", "acknowledgements", "--message", "19")
    assert code == 5
    assert out.startswith("THE RECORD DOES NOT HOLD (first bad entry 20: ")
    assert "first bad entry 20" in err
    code, out, _ = audit("ask", "acknowledgements", "--message", "19", "--json")
    answer = json.loads(out)
    assert (code, answer["holds"], answer["first_bad"]["log_index"]) == (5, False, 20)
    assert audit("search", "19")[0] == 5
    assert audit("prove", "5")[0] == 5


def test_rows_beyond_the_limit_are_counted(audit: Audit, copied: None) -> None:
    code, out, _ = audit("ask", "membership", "--limit", "2")
    assert code == 0
    assert "4 further rows not shown" in out
    code, _, err = audit("ask", "membership", "--limit", "0")
    assert code == 2
    assert "at least one row" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ask", "who-did-it"), 2, "Known are first-learned"),
        (("ask", "--nation", MA), 2, "no question was named"),
        (("ask", "times"), 2, "times needs --entry"),
        (("ask", "times", "--entry", "1", "--nation", MA), 2, "does not take --nation"),
        (("ask", "membership", "--nation", "cert.example.xx"), 4, "It speaks of cert.example.ma"),
        (("ask", "membership", "--room", "ffff"), 4, "no room in scope begins with"),
        (("search", "nothing at all"), 4, "nothing in this record is called so"),
        (("search", "--nation"), 2, "there is no option --nation"),
        (("prove", "35"), 4, "The checkpoint covers the entries 0 to 34"),
    ],
    ids=str,
)
def test_what_cannot_be_answered_says_what_to_do(
    audit: Audit, copied: None, arguments: tuple[str, ...], code: int, said: str
) -> None:
    got, out, err = audit(*arguments)
    assert (got, out) == (code, "")
    assert said in err


def test_without_a_copy_nothing_is_answered(audit: Audit, profile: Profile) -> None:
    code, out, err = audit("ask", "membership")
    assert (code, out) == (4, "")
    assert f"`amanah audit sync --home {profile.home.path}` makes one" in err


def test_whoever_verifies_makes_the_indices_of_questions_too(audit: Audit, copied: None, profile: Profile) -> None:
    assert indices(profile) == 0
    assert audit("verify")[0] == 0
    assert indices(profile) == 3
    # Without them an examination of all is quicker.
    profile.store.copy.forget_register()
    assert indices(profile) == 0
    assert audit("ask", "automation")[0] == 0
    assert indices(profile) == 3


def indices(profile: Profile) -> int:
    """Those that questions alone need."""
    query = "SELECT count(*) FROM sqlite_master WHERE name IN ('entry_by_sender', 'entry_counted', 'entry_by_time')"
    with profile.store.copy.reading() as connection:
        return int(connection.execute(query).fetchone()[0])


# ---- search


def test_a_search_names_the_questions_that_a_hit_fits(audit: Audit, copied: None, profile: Profile) -> None:
    code, out, _ = audit("search", "19")
    assert code == 0
    assert out.splitlines()[0].startswith("entry: message ")
    asked = f"amanah audit ask who-could-read --message 19 --home {profile.home.path}"
    assert f"    {asked}" in out.splitlines()
    assert audit(*shlex.split(asked)[2:-2])[0] == 0
    hits = json.loads(audit("search", ROOM, "--json")[1])["hits"]
    assert [(hit["hit"], hit["key"], hit["holds"]) for hit in hits] == [("room", TOLD.room.hex(), True)]


def test_a_receipt_that_does_not_hold_ends_with_5(audit: Audit, copied: None) -> None:
    code, out, err = audit("search", "00" * 100)
    assert code == 5
    assert "no receipt that holds" in out
    assert "no receipt that holds" in err


def test_a_proof_is_found_from_standard_input(
    audit: Audit, copied: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "19.tlog-proof"
    assert audit("prove", "19", "--out", file)[0] == 0
    with file.open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        code, out, _ = audit("search", "-")
    assert code == 0
    assert "the proof under 35 entries is kept: message" in out


# ---- prove, and check


def test_a_proof_is_checked_in_another_profile_by_a_roster_alone(audit: Audit, copied: None, tmp_path: Path) -> None:
    file, roster = tmp_path / "19.tlog-proof", tmp_path / "roster.txt"
    roster.write_text(armour(Armour.ROSTER, ROSTER))
    assert audit("prove", "19", "--out", file)[0] == 0
    assert decode_proof(file.read_bytes()).index == 19
    code, out, _ = audit("check", file, "--roster", roster, home=tmp_path / "nobody")
    assert code == 0
    assert f"entry 19: envelope of room {TOLD.room.hex()}, place 6, accepted 2026-09-21 14:13:39Z" in out
    assert "HOLDS: this entry stands in the log at its index; anchored in the roster file" in out
    checked = json.loads(audit("check", file, "--json")[1])
    assert (checked["holds"], checked["log_index"], checked["room_seq"]) == (True, 19, 6)
    code, out, err = audit("check", file, home=tmp_path / "nobody")
    assert (code, out) == (5, "")
    assert "nothing to hold the proof against" in err
    assert "Give --policy FILE or --roster FILE" in err


def test_a_proof_is_checked_by_a_policy_alone(audit: Audit, copied: None, tmp_path: Path) -> None:
    file, policy = tmp_path / "19.tlog-proof", tmp_path / "policy"
    policy.write_bytes(encode_policy(policy_of_roster(x.roster_of())))
    assert audit("prove", "19", "--out", file)[0] == 0
    code, out, _ = audit("check", file, "--policy", policy, home=tmp_path / "nobody")
    assert (code, "anchored in the policy file" in out) == (0, True)
    other = NoteSigner(name="relay.other/log", key=x.key("another log"), kind=SignatureType.ED25519)
    policy.write_text(f"log {other.verifier.vkey}\nquorum none\n")
    code, _, err = audit("check", file, "--policy", policy, home=tmp_path / "nobody")
    assert (code, "the policy is of the log relay.other/log, and this file of another" in err) == (5, True), err


def test_a_forged_proof_does_not_hold(audit: Audit, copied: None, tmp_path: Path) -> None:
    case = case_of(TOLD.log)
    proof = prove_entry(case.record.copy, 19, case.checkpoint)
    file = tmp_path / "forged.tlog-proof"
    file.write_bytes(encode_proof(replace(proof, extra=TOLD.log.leaves[20].encode())))
    code, out, err = audit("check", file)
    assert (code, out) == (5, "")
    assert "the proof does not hold: " in err


def test_nothing_is_overwritten_by_a_proof(audit: Audit, copied: None, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("kept")
    code, _, err = audit("prove", "19", "--out", taken)
    assert code == 2
    assert "nothing is overwritten" in err
    assert taken.read_text() == "kept"


def test_the_proof_of_a_bare_hash_says_that_it_carries_no_entry(audit: Audit, copied: None, tmp_path: Path) -> None:
    code, _, err = audit("prove", "16", "--out", tmp_path / "16.tlog-proof")
    assert code == 0
    assert "entry 16 is a bare hash here" in err


def keep(profile: Profile, root_signature: bytes) -> None:
    """As if a sync had ended, with that signature of the relay."""
    profile.store.copy.put_values({"checkpoint": TOLD.log.checkpoint(), "root_signature": root_signature})


@pytest.fixture
def receipt(audit: Audit, profile: Profile, tmp_path: Path) -> Path:
    """A COSE receipt of entry 19, its entry beside it."""
    copy(profile, TOLD)
    keep(profile, sign_root(TOLD.log.root, x.RELAY_KEY))
    file = tmp_path / "19.receipt"
    assert audit("prove", "19", "--format", "cose", "--out", file)[0] == 0
    return file


def test_a_cose_receipt_is_checked_in_another_profile_by_a_roster_alone(
    audit: Audit, receipt: Path, tmp_path: Path
) -> None:
    roster = tmp_path / "roster.txt"
    roster.write_text(armour(Armour.ROSTER, ROSTER))
    code, out, _ = audit("check", receipt, "--roster", roster, home=tmp_path / "nobody")
    assert code == 0
    assert f"entry 19: envelope of room {TOLD.room.hex()}, place 6, accepted 2026-09-21 14:13:39Z" in out
    assert TOLD.log.root.hex() in out
    assert "HOLDS: this entry stands in the log; anchored in the roster file" in out
    checked = json.loads(audit("check", receipt, "--json")[1])
    assert (checked["holds"], checked["log_index"], checked["log"]["root"]) == (True, 19, TOLD.log.root.hex())


def test_a_cose_receipt_of_another_entry_does_not_hold(audit: Audit, receipt: Path) -> None:
    receipt.with_name("19.receipt.entry").write_bytes(TOLD.log.leaves[20].encode())
    code, out, err = audit("check", receipt)
    assert (code, out) == (5, "")
    assert "the receipt does not hold: " in err


def test_a_cose_receipt_by_a_key_that_nobody_trusts_is_no_proof(audit: Audit, receipt: Path) -> None:
    other = SigningKey(bytes(range(32)))
    signed = replace(decode_receipt(receipt.read_bytes()), kid=other.key_id, signature=sign_root(TOLD.log.root, other))
    receipt.write_bytes(encode_receipt(signed))
    code, out, err = audit("check", receipt)
    assert (code, out) == (5, "")
    assert "no relay's that is trusted here" in err


def test_a_cose_receipt_wants_a_file_and_overwrites_none(audit: Audit, copied: None, tmp_path: Path) -> None:
    assert audit("prove", "19", "--format", "cose")[0] == 2
    beside = tmp_path / "taken.entry"
    beside.write_text("kept")
    assert audit("prove", "19", "--format", "cose", "--out", tmp_path / "taken")[0] == 2
    assert (beside.read_text(), (tmp_path / "taken").exists()) == ("kept", False)


def test_a_cose_receipt_that_nobody_could_verify_is_not_written(
    audit: Audit, copied: None, profile: Profile, tmp_path: Path
) -> None:
    keep(profile, sign_root(bytes(32), x.RELAY_KEY))
    code, _, err = audit("prove", "19", "--format", "cose", "--out", tmp_path / "receipt")
    assert (code, "no relay that is trusted here" in err, (tmp_path / "receipt").exists()) == (4, True, False)


def test_a_checkpoint_whose_root_the_relay_did_not_sign_gives_no_cose_receipt(
    audit: Audit, copied: None, tmp_path: Path
) -> None:
    code, _, err = audit("prove", "19", "--format", "cose", "--out", tmp_path / "receipt")
    assert (code, "` gets a newer checkpoint" in err) == (4, True)
    assert not (tmp_path / "receipt").exists()


# ---- the pages


def test_the_pages_name_every_question_with_its_sentence() -> None:
    page = AUDITORS_PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", page, re.MULTILINE))
    assert {name: rows.get(name, "").strip() for name in QUESTIONS} == {
        name: question.sentence for name, question in QUESTIONS.items()
    }
    for name, question in QUESTIONS.items():
        line = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert set(re.findall(r"`--([a-z]+)`", line)) == set(question.parameters)


def test_the_page_of_the_command_line_names_the_fields_of_an_answer(audit: Audit, copied: None) -> None:
    names = set(re.findall(r"^\| `(\w+)` \|", CLI_PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    answer = json.loads(audit("ask", "membership", "--json")[1])
    assert set(answer) - {"format", "first_bad"} <= names
    assert set(answer["rows"][0]["proof"]) <= names


def test_the_page_for_auditors_explains_every_verdict() -> None:
    page = AUDITORS_PAGE.read_text(encoding="utf-8")
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| `"))
    held = replace(case_of(TOLD.log).report, anchor="a roster")
    bad = [Finding(severity=Severity.FAULT, index=index, code=Code.PROOF, text="") for index in (None, 7)]
    whole, entry = (replace(held, findings=(one,), faults=1) for one in bad)
    for report in (held, replace(held, anchor=""), whole):
        assert f"| `{verdict(report).partition(' (')[0].partition(':')[0]}`" in rows
    assert f"| `{verdict(entry).partition(' (')[0]}`".replace(": 7", ": n") in rows
    for judged in _VERDICTS.values():
        assert f"| `{judged.partition(':')[0]}`" in rows


@pytest.mark.parametrize(
    ("indices", "more", "rely"),
    [
        ((7, 9), 0, "rely on nothing in it from entry 7 on."),
        ((None,), 0, "rely on nothing in it."),
        ((7, None), 0, "rely on nothing in it."),
        ((7,), 1, "rely on nothing in it."),
    ],
)
def test_what_stands_before_a_bad_entry_is_vouched_for_only_where_every_fault_has_a_place(
    indices: tuple[int | None, ...], more: int, rely: str
) -> None:
    found = tuple(Finding(severity=Severity.FAULT, index=index, code=Code.PROOF, text="") for index in indices)
    report = replace(case_of(TOLD.log).report, findings=found, faults=len(found) + more)
    with pytest.raises(VerifyError) as raised:
        raise_for(report)
    assert raised.value.hint.endswith(rely)
