"""How questions are named, asked and refused; and the search for anything."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import fields, replace

import pytest
from msgspec import structs

from amanah_client.audit.proofs import prove_entry
from amanah_client.audit.questions.case import Case, Stay
from amanah_client.audit.questions.contents import spans_of, without
from amanah_client.audit.questions.question import MAX_NAMED, Cell, Proof, proof
from amanah_client.audit.questions.registry import QUESTIONS, question_of
from amanah_client.audit.questions.search import Hit, search
from amanah_client.audit.questions.words import counted, duration, listed, moment, often
from amanah_protocol.errors import Code, UsageError
from amanah_protocol.log.cose_receipt import CoseReceipt, encode_receipt, sign_root
from amanah_protocol.log.proof_file import encode_proof
from amanah_protocol.log.receipt import Receipt, sign_receipt
from amanah_protocol.types import LeafHash
from tests.client.audit.asking import answered, case_of, text
from tests.client.audit.world import BOT_TN, MA, OFFICER_TN, Incident, Log, incident
from tests.vectors import examples as x


@pytest.fixture(scope="module")
def told() -> Incident:
    return incident()


@pytest.fixture(scope="module")
def case(told: Incident) -> Case:
    return case_of(told.log, told.rows())


def test_each_question_describes_its_parameters_and_its_columns() -> None:
    assert len(QUESTIONS) == 13
    for question in QUESTIONS.values():
        assert question.sentence.endswith("?")
        assert list(question.parameters) == [field.name for field in fields(question.params)]
        assert list(question.columns) == [field.name for field in fields(question.row)]
        assert question.columns["proof"].cell is Cell.PROOF
        assert all(parameter.help for parameter in question.parameters.values())


def test_every_row_of_every_question_names_entries_that_prove_it(told: Incident, case: Case) -> None:
    message, room, device = str(told.disclosed), told.room.hex(), OFFICER_TN.id.hex()
    given = {"nation": MA, "room": room, "message": message, "entry": message, "device": device}
    for question in QUESTIONS.values():
        asked = {name: given[name] for name in question.required}
        asked |= {"message": message, "nation": MA} if question.name == "not-given" else {}
        rows = answered(case, question.name, **asked).found.rows
        assert all(0 <= index < told.log.size for row in rows for index in row.proof.indices)
        assert all(row.proof.indices for row in rows), question.name


def test_a_question_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError) as raised:
        question_of("who-did-it")
    assert raised.value.code is Code.USAGE
    assert "first-learned" in raised.value.hint
    assert question_of(" Times ").name == "times"


@pytest.mark.parametrize(
    ("name", "given", "code", "hint"),
    [
        ("times", {}, Code.USAGE, "--entry is a log index"),
        ("times", {"entry": "1", "nation": "x"}, Code.USAGE, "It takes --entry."),
        ("membership", {"nation": "cert.example.xx"}, Code.NOT_FOUND, "cert.example.ma, cert.example.sn"),
        ("membership", {"room": "ffff"}, Code.UNKNOWN_ROOM, "amanah audit verify"),
        ("membership", {"room": "8"}, Code.UNKNOWN_ROOM, "amanah audit verify"),
        ("who-could-read", {"message": "4"}, Code.NOT_FOUND, "amanah audit list"),
        ("who-could-read", {"message": "ffff"}, Code.NOT_FOUND, "amanah audit list"),
        ("who-could-read", {"message": "no hex"}, Code.NOT_FOUND, "amanah audit list"),
        ("exposure", {"device": "ffff"}, Code.NOT_FOUND, "membership --json"),
        ("exposure", {"device": "zz"}, Code.NOT_FOUND, "membership --json"),
        ("left-circle", {"label": "PURPLE"}, Code.LABEL, "TLP:RED"),
    ],
)
def test_what_the_record_does_not_know_is_refused_with_a_hint(
    case: Case, name: str, given: dict[str, str], code: Code, hint: str
) -> None:
    with pytest.raises(UsageError) as raised:
        answered(case, name, **given)
    assert raised.value.code is code
    assert hint in raised.value.hint


def test_a_time_that_is_none_is_refused(case: Case) -> None:
    with pytest.raises(UsageError) as raised:
        answered(case, "exposure", device=OFFICER_TN.id.hex(), since="yesterday")
    assert "2026-11-23T12:00" in raised.value.hint


def test_first_digits_that_fit_several_are_refused(told: Incident) -> None:
    case = case_of(told.log)
    with case.record.copy.writing() as connection:
        for table, column in (("room", "room"), ("device", "device"), ("entry", "envelope")):
            rows = connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall()  # noqa: S608 - names of ours
            same = [(b"\xab\xcd" + data[2:], number) for number, data in rows]
            connection.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", same)  # noqa: S608 - the same
    for name, given in (
        ("membership", {"room": "abcd"}), ("exposure", {"device": "abcd"}), ("times", {"entry": "abcd"}),
    ):  # fmt: skip
        with pytest.raises(UsageError) as raised:
            answered(case, name, **given)
        assert raised.value.code is Code.USAGE


def test_an_empty_record_knows_no_room_and_no_message_and_answers_the_rest() -> None:
    case = case_of(Log())
    for name, given in (
        ("first-learned", {"nation": MA, "room": "abcd"}), ("who-could-read", {"message": "0"}),
        ("exposure", {"device": "abcd"}), ("times", {"entry": "0"}),
    ):  # fmt: skip
        with pytest.raises(UsageError):
            answered(case, name, **given)
    for name in (
        "membership",
        "labels",
        "left-circle",
        "completeness",
        "automation",
        "acknowledgements",
        "decisions",
        "audits",
    ):
        answer = answered(case, name)
        assert answer.found.rows == ()
        assert "nothing is in scope" in answer.range
    answer = answered(case, "not-given", label="RED", nation=MA)
    assert "was not given to cert.example.ma" in answer.found.said[0]


def test_a_record_that_does_not_hold_is_said_first_by_every_answer(told: Incident) -> None:
    rows = told.rows()
    rows[20] = structs.replace(rows[20], entry=rows[19].entry)
    bad = case_of(told.log, rows)
    assert answered(bad, "membership").trouble.startswith("THE RECORD DOES NOT HOLD (first bad entry 20: ")
    whole = told.rows()
    whole[16] = structs.replace(whole[16], hash=bytes(32))
    assert "(the whole record: " in answered(case_of(told.log, whole), "labels").trouble


# ---- words


def test_numbers_and_times_are_said_plainly() -> None:
    assert [counted(count, "entry", "entries") for count in (0, 1, 2)] == ["no entries", "1 entry", "2 entries"]
    assert [often(count) for count in (0, 1, 2)] == ["never", "once", "2 times"]
    assert [listed(names) for names in ([], ["a"], ["a", "b", "c"])] == ["nobody", "a", "a, b and c"]
    assert [duration(ms) for ms in (None, 0, 61_000, 90_061_000, -2_000)] == [
        "-",
        "0 s",
        "1 min 1 s",
        "1 d 1 h",
        "-2 s",
    ]
    assert [moment(ms) for ms in (None, 0, 2**62)] == ["-", "1970-01-01 00:00:00Z", "beyond the year 9999"]


def test_a_row_names_so_many_entries_and_counts_the_others() -> None:
    assert proof(3, 1, None, 3) == Proof((1, 3), 0)
    assert proof(*range(MAX_NAMED + 2)) == Proof(tuple(range(MAX_NAMED)), 2)


def test_spans_are_merged_and_taken_away() -> None:
    stays = [Stay(1, 1, 5, 0, 9, 0), Stay(1, 2, 1, 0, 3, 0), Stay(1, 3, 8, 0, 12, 0), Stay(1, 4, 20, 0, None, None)]
    assert spans_of(stays) == [(1, 3), (5, 12), (20, 2**62)]
    assert without((2, 30), spans_of(stays)) == [(3, 5), (12, 20)]
    assert without((2, 4), []) == [(2, 4)]


# ---- search


def test_an_id_a_name_and_an_index_find_what_they_name(told: Incident) -> None:
    case = case_of(told.log, told.rows())
    envelope = told.log.rooms[told.room].sent[5]
    (hit,) = search(case, f" {envelope.hex()[:10].upper()} ")
    assert (hit.hit, hit.index, hit.key) == (Hit.ENTRY, 19, envelope.hex())
    assert hit.ask[0] == "who-could-read --message 19"
    (hit,) = search(case, told.room.hex()[:8])
    assert (hit.hit, hit.key) == (Hit.ROOM, told.room.hex())
    assert "under agreement 7: 13 entries" in hit.text
    assert [(hit.hit, hit.key) for hit in search(case, "example.ma")] == [(Hit.NATION, MA)]
    (hit,) = search(case, BOT_TN.certificate.subject.hex()[:8])
    assert (hit.hit, hit.key) == (Hit.DEVICE, BOT_TN.id.hex())
    assert text(BOT_TN) in hit.text
    assert "a bare hash" in search(case, "16")[0].text
    assert search(case, "4")[0].text.startswith("entry 4: certificate, accepted")


@pytest.mark.parametrize("wanted", ["", "   ", "nobody at all", "9" * 18, "a" * 300_001])
def test_what_is_not_there_is_said(told: Incident, wanted: str) -> None:
    with pytest.raises(UsageError):
        search(case_of(told.log), wanted)


def receipt(told: Incident, **changes: object) -> bytes:
    hashes = [leaf.hash for leaf in told.log.leaves]
    given: dict[str, object] = {
        "first_index": 19, "size": 21, "root": bytes(32), "accepted_at_ms": x.NOW_MS,
        "leaves": tuple(hashes[19:21]), **changes,
    }  # fmt: skip
    return sign_receipt(Receipt(**given), x.RELAY_KEY)  # type: ignore[arg-type]  # fields of it


def test_a_pasted_receipt_is_held_against_the_log(told: Incident) -> None:
    case, data = case_of(told.log, told.rows()), receipt(told)
    for pasted in (
        data.hex(),
        b64encode(data).decode(),
        b64encode(data, b"-_").decode().rstrip("="),
        "\n".join((data.hex()[:60], data.hex()[60:])),
    ):
        assert [(hit.hit, hit.index, hit.holds) for hit in search(case, pasted)] == [
            (Hit.RECEIPT, 19, True), (Hit.RECEIPT, 20, True),
        ]  # fmt: skip


def test_a_receipt_that_the_log_does_not_keep_is_evidence(told: Incident) -> None:
    case = case_of(told.log, told.rows())
    broken = receipt(told, leaves=(LeafHash(x.fixed("a")), told.log.leaves[20].hash))
    hits = search(case, broken.hex())
    assert [hit.holds for hit in hits] == [False, True]
    assert "PROMISES ANOTHER ENTRY 19" in hits[0].text
    later = receipt(told, first_index=99, size=101)
    assert "lies behind the end of this copy" in search(case, later.hex())[0].text
    forged = bytearray(receipt(told))
    forged[-1] ^= 1
    assert "no receipt that holds" in search(case, bytes(forged).hex())[0].text


def test_a_cose_receipt_and_a_proof_are_held_against_the_log(told: Incident) -> None:
    case = case_of(told.log, told.rows())
    made = prove_entry(case.record.copy, 19, case.checkpoint)
    cose = CoseReceipt(
        kid=x.RELAY_KEY.key_id,
        size=told.log.size,
        index=19,
        path=made.path,
        signature=sign_root(told.log.root, x.RELAY_KEY),
    )
    wrong = replace(cose, index=20)
    beyond = replace(cose, index=99, size=120)
    assert [search(case, encode_receipt(one).hex())[0].holds for one in (cose, wrong, beyond)] == [True, False, False]
    pasted = encode_proof(made).decode()
    assert search(case, pasted)[0].holds
    assert "is kept: message" in search(case, pasted)[0].text
    assert not search(case, pasted.replace("index 19", "index 20"))[0].holds
    assert not search(case, pasted.replace("index 19", "index 99"))[0].holds
    assert not search(case, pasted[:200])[0].holds


def test_entries_that_cannot_be_read_are_found_by_their_index(told: Incident) -> None:
    rows = told.rows()
    rows[4] = structs.replace(rows[4], entry=b"none")
    assert "no entry that can be read" in search(case_of(told.log, rows), "4")[0].text
