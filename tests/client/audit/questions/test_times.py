"""The three times of an entry; who audited; what a lost device exposed."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from amanah_client.audit.examination import Anchor
from amanah_client.audit.questions.words import moment
from amanah_protocol import kinds
from amanah_protocol.audit import audit_chain
from amanah_protocol.cose import Typ
from amanah_protocol.crypto import SigningKey
from amanah_protocol.custody.holds import decode_hold, release_document
from amanah_protocol.labels import Label
from amanah_protocol.log.checkpoint import Checkpoint, cosign_checkpoint, sign_checkpoint, verify_checkpoint
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.log.merkle import Frontier
from amanah_protocol.log.note import decode_note
from amanah_protocol.log.note_keys import NoteSigner, SignatureType
from amanah_protocol.log.policy import Group, Party
from tests.client.audit.asking import answered, at, case_of, cells, said, text
from tests.client.audit.custodian import Held, forgotten, parties, signed
from tests.client.audit.world import (
    AUDITOR_MA,
    AUDITOR_TN,
    MA,
    OFFICER_MA,
    OFFICER_SN,
    OFFICER_TN,
    SN,
    TN,
    Log,
    anchor,
    community,
    incident,
)
from tests.vectors import examples as x

WITNESSES = tuple(
    NoteSigner(name=f"witness.example.{name}", key=x.key(f"witness {name}"), kind=SignatureType.COSIGNATURE)
    for name in ("sn", "tn")
)


def witnessed(quorum: int = 2) -> Anchor:
    """The community, with a quorum of two witnesses."""
    parties = {signer.name: Party(key=signer.verifier) for signer in WITNESSES}
    groups = {"both": Group(threshold=quorum, members=tuple(parties))}
    return replace(anchor(), policy=replace(anchor().policy, witnesses=parties, groups=groups, quorum="both"))


def checkpoint(log: Log, size: int, *times_ms: int, key: SigningKey | None = None) -> bytes:
    """A checkpoint of the first leaves, cosigned at these times by one witness each."""
    frontier = Frontier()
    for leaf in log.leaves[:size]:
        frontier.append(leaf.hash)
    root = frontier.root() if key is None else x.fixed("another log")
    signed = sign_checkpoint(Checkpoint(origin=x.ORIGIN, size=size, root=root), x.LOG_SIGNER)
    verified = verify_checkpoint(signed, x.LOG_SIGNER.verifier, x.ORIGIN)
    note = decode_note(signed)
    cosigned = [
        cosign_checkpoint(verified, witness, time_s=time_ms // 1000)
        for witness, time_ms in zip(WITNESSES, times_ms, strict=False)
    ]
    return replace(note, signatures=(*note.signatures, *cosigned)).encode()


def story() -> Log:
    """A message at entry 14 whose sender's clock is ahead, and three more."""
    log = community()
    room = log.open(OFFICER_TN)
    log.add(OFFICER_TN, room, OFFICER_MA)
    log.post(OFFICER_TN, room, kinds.Message(), sent_at_ms=at(14) + 400)
    for _ in range(3):
        log.post(OFFICER_MA, room, kinds.Message())
    return log


TIMES = ("claimed_ms", "accepted_ms", "not_before_ms", "not_after_ms")


def test_three_times_are_kept_apart() -> None:
    log = story()
    notes = [(13, checkpoint(log, 13, at(20), at(21))), (16, checkpoint(log, 16, at(24), at(23)))]
    last = checkpoint(log, log.size, at(30), at(30))
    case = case_of(log, held_against=witnessed(), checkpoint=last, checkpoints=notes)
    answer = answered(case, "times", entry=14)
    assert cells(answer, *TIMES) == [(at(14) + 400, at(14), at(21), at(23))]
    assert "not before 2026-09-21 14:13:41Z (a log without it" in said(answer)
    assert "not after 2026-09-21 14:13:43Z (a log with it" in said(answer)
    assert cells(answered(case, "times", entry=16), *TIMES[2:]) == [(at(24), at(30))]
    learned = answered(case, "first-learned", nation=MA, room=case.room(1).hex())
    assert cells(learned, "not_before_ms", "not_after_ms")[0] == (None, at(20))


def test_a_time_of_acceptance_after_witnesses_saw_the_entry_is_called_wrong() -> None:
    log = story()
    last = checkpoint(log, log.size, at(14) - 200_000, at(14) - 200_000)
    wrong = answered(case_of(log, held_against=witnessed(), checkpoint=last), "times", entry=14)
    assert "THE RELAY'S TIME IS WRONG" in said(wrong)
    assert wrong.trouble.startswith("THE RECORD DOES NOT HOLD")
    near = checkpoint(log, log.size, at(14) - 100_000, at(14) - 100_000)
    assert "WRONG" not in said(answered(case_of(log, held_against=witnessed(), checkpoint=near), "times", entry=14))


def test_a_time_of_acceptance_long_before_a_log_without_the_entry_is_a_doubt() -> None:
    log = story()
    notes = [(13, checkpoint(log, 13, at(14) + 200_000, at(14) + 200_000))]
    last = checkpoint(log, log.size, at(300), at(300))
    case = case_of(log, held_against=witnessed(), checkpoint=last, checkpoints=notes)
    assert "the witness was late, or that time is wrong" in said(answered(case, "times", entry=14))


def test_without_witnesses_nobody_but_sender_and_relay_speaks_of_the_time() -> None:
    answer = answered(case_of(story()), "times", entry=14)
    assert cells(answer, *TIMES) == [(at(14) + 400, at(14), None, None)]
    assert "nobody but sender and relay" in said(answer)


def test_other_entries_and_bare_hashes_have_times_too() -> None:
    told = incident()
    case = case_of(told.log, told.rows())
    assert cells(answered(case, "times", entry=4), "what", "claimed_ms", "accepted_ms") == [
        ("certificate", None, at(4))
    ]
    assert cells(answered(case, "times", entry=33), "what", "claimed_ms", "accepted_ms") == [
        ("audit read", at(33), at(33))
    ]
    assert cells(answered(case, "times", entry=16), "what", "accepted_ms") == [("bare hash", None)]
    rows = told.rows()
    rows[4] = structs.replace(rows[4], entry=b"none")
    assert cells(answered(case_of(told.log, rows), "times", entry=4), "what") == [("no entry",)]


# ---- audits


def test_reading_orders_name_their_auditor_and_their_range() -> None:
    told = incident()
    case = case_of(told.log)
    answer = answered(case, "audits")
    assert cells(answer, "what", "who", "first", "last", "claimed_ms", "accepted_ms", "state", "proof") == [
        ("ordered to read", text(AUDITOR_MA), 0, 28, at(29), at(29), "holds", (29,)),
        ("ordered to read", text(AUDITOR_TN), 0, 32, at(33), at(33), "holds", (33,)),
    ]
    assert said(answer) == "Orders to read the log: 2, by auditors of cert.example.ma and cert.example.tn."
    assert cells(answered(case, "audits", nation=MA), "proof") == [((29,),)]
    assert cells(answered(case_of(told.log, told.rows()), "audits"), "proof") == [((33,),)]


def test_an_order_of_one_who_is_no_auditor_is_marked() -> None:
    log = community()
    log.read(OFFICER_MA)
    answer = answered(case_of(log), "audits")
    assert cells(answer, "who", "state") == [
        (text(OFFICER_MA), "DOES NOT HOLD: a officer read the log as an auditor [ROLE]")
    ]
    assert (
        said(answer)
        == "Nobody in scope ordered to read the log. Orders and documents that do not hold: 1. See the state."
    )


def test_what_cannot_be_read_is_listed_all_the_same() -> None:
    log = community()
    log.append(LeafType.LEGAL_HOLD, audit_chain(TN), b"hold")
    log.append(LeafType.AUDIT_READ, audit_chain(TN), b"none")
    assert [what for (what,) in cells(answered(case_of(log), "audits"), "what")] == ["legal hold", "audit read"]


def test_who_let_whom_read_what_was_held_and_what_was_dropped_is_said() -> None:
    held = Held()
    grant, hold = held.grant(), held.hold()
    held.put(grant)
    held.put(hold)
    held.read()
    held.read(chain=held.custody())
    release = signed(release_document(hold, now_ms=held.log.now_ms), Typ.LEGAL_HOLD, *parties(TN))
    held.put(decode_hold(release.encode()))
    held.erasure(6, 7)
    forgotten(held)
    case = case_of(held.log)
    answer = answered(case, "audits")
    assert said(answer) == (
        "Orders to read the log: 4, by auditors of cert.example.ma and cert.example.tn. "
        "Under a grant the record of 1 room in scope was read, once in all."
    )
    until, small, room = moment(grant.not_after_ms), held.found.small, held.found.room
    granted = f"67676767: cert.example.tn lets auditors of cert.example.ma read until {until}: joint review 7"
    assert cells(answer, "what", "room", "words", "state")[2:] == [
        *(("audit grant", where, granted, "holds") for where in (None, None, small)),
        *(("legal hold", where, "68686868: cert.example.tn holds 1 room", "holds") for where in (None, room)),
        ("ordered to read", None, "under grant 67676767", "holds"),
        ("ordered to read", small, "under grant 67676767", "holds"),
        *(("legal hold", where, "68686868: cert.example.tn releases 1 room", "holds") for where in (None, room)),
        ("erasure", room, "the relay dropped 2 contents: the room's policy", "holds"),
        ("erasure", None, f"cert.example.tn forgot the name of {OFFICER_TN.certificate.subject.hex()[:8]}", "holds"),
    ]
    assert len(cells(answered(case, "audits", nation=MA), "what")) == 6
    assert len(cells(answered(case, "audits", nation=SN), "what")) == 0


def test_a_grant_of_the_community_is_said_to_be_one() -> None:
    held = Held()
    held.put(held.grant(*x.custodians(TN, SN), of=None, rooms=()))
    (words,) = cells(answered(case_of(held.log), "audits"), "words")[-1]
    assert "the community lets auditors of cert.example.ma read" in words


# ---- exposure


def test_what_a_lost_device_could_read_and_what_it_sent_after() -> None:
    log = community()
    room = log.open(OFFICER_TN, ceiling=Label.RED)
    log.post(OFFICER_TN, room, kinds.Message(), label=Label.RED)
    log.add(OFFICER_TN, room, OFFICER_SN)
    log.post(OFFICER_TN, room, kinds.Message())
    log.post(OFFICER_SN, room, kinds.Message())
    log.post(OFFICER_TN, room, kinds.Grant(from_seq=2, to_seq=2, addressees=(OFFICER_SN.id,)))
    log.post(OFFICER_SN, room, kinds.Message())
    log.revoke(OFFICER_SN, since_ms=at(17))
    log.remove(OFFICER_TN, room, OFFICER_SN)
    answer = answered(case_of(log), "exposure", device=OFFICER_SN.id.hex()[:8])
    columns = ("what", "first_seq", "last_seq", "first_epoch", "last_epoch", "entries", "label", "last_ms", "proof")
    assert cells(answer, *columns) == [
        ("could read", 3, 8, 1, 1, 3, Label.AMBER, at(20), (13, 20)),
        ("was granted", 2, 2, 0, 0, 1, Label.RED, at(17), (17,)),
        ("sent after it was lost: message", 8, 8, 1, 1, 1, Label.AMBER, at(18), (18,)),
    ]
    assert "can have read 4 messages and alerts in 1 room, up to TLP:RED" in said(answer)
    assert "revoked it (entry 19)" in said(answer)
    assert "Since 2026-09-21 14:13:37Z it sent 1 entry" in said(answer)
    earlier = answered(case_of(log), "exposure", device=OFFICER_SN.id.hex()[:8], since="2026-09-21")
    assert cells(earlier, "what", "entries")[-1] == ("sent after it was lost: message", 2)


def test_without_a_time_of_loss_nothing_is_said_to_be_sent_after_it() -> None:
    told = incident()
    case = case_of(told.log)
    answer = answered(case, "exposure", device=OFFICER_MA.id.hex()[:8])
    assert "It is not revoked in this record. When it was lost is not in the record" in said(answer)
    assert cells(answer, "last_seq", "last_ms")[0] == (13, None)
    assert "no messages and alerts in no rooms" in said(answered(case, "exposure", device=AUDITOR_TN.id.hex()[:8]))


def test_what_it_sent_after_its_revocation_does_not_hold() -> None:
    log = community()
    room = log.open(OFFICER_SN)
    log.revoke(OFFICER_SN, since_ms=at(12))
    for _ in range(2):
        log.post(OFFICER_SN, room, kinds.Message())
    answer = answered(case_of(log), "exposure", device=OFFICER_SN.id.hex())
    assert cells(answer, "what", "entries", "state")[-1] == ("sent after it was lost: message", 2, "DOES NOT HOLD")
