"""Who acknowledged what, for which nation: by nation where all see it, by person where somebody looks."""

from __future__ import annotations

from amanah_protocol import kinds
from amanah_protocol.content.text import Text
from amanah_protocol.kinds import Grade
from tests.client.view.told import A_MA, A_SN, A_TN, TN, Told, party


def bare(text: str) -> str:
    return text.replace("\u2068", "").replace("\u2069", "")


def test_who_is_asked_and_has_not_answered_is_named() -> None:
    told = Told()
    asked = told.say(A_TN, Text(text="Read this", asks=Grade.READ))
    told.show(A_MA, kinds.Ack(grade=Grade.ACTING, envelope=asked))
    told.show(A_SN, kinds.Ack(grade=Grade.RECEIVED, envelope=asked))
    (entry,) = told.entries(A_SN)
    assert entry.acks is not None
    assert entry.acks.by == (("MA", 4, "acting"), ("SN", 1, "received"))
    assert entry.acks.waiting == (("SN", "has not yet read it"),)
    assert entry.acks.mine == 1
    told.show(A_SN, kinds.Ack(grade=Grade.READ, envelope=asked))
    (entry,) = told.entries()
    assert entry.acks is not None
    assert entry.acks.waiting == ()


def test_who_acknowledged_when_is_told_by_person_and_a_colleague_s_word_is_not_one_s_own() -> None:
    colleague = party(TN, 3, "Night shift")
    told = Told()
    asked = told.say(A_MA, Text(text="Read this", asks=Grade.UNDERSTOOD))
    told.show(colleague, kinds.Ack(grade=Grade.UNDERSTOOD, envelope=asked))
    told.show(A_SN, kinds.Ack(grade=Grade.READ, envelope=asked))
    # The same grade once more says nothing new: the time is that of the first.
    told.show(A_SN, kinds.Ack(grade=Grade.READ, envelope=asked))
    told.show(A_SN, kinds.Ack(grade=Grade.RECEIVED, envelope=asked))
    (entry,) = told.entries()
    assert entry.acks is not None
    assert entry.acks.by == (("TN", 3, "understood"), ("SN", 2, "read"))
    assert (entry.acks.mine, bare(entry.acks.ours)) == (0, "acknowledged for TN by Night shift")
    assert [bare(one) for one in entry.acks.people] == [
        "Night shift of TN: understood, 2026-11-28 23:42 UTC", "officer 0 of SN of SN: read, 2026-11-28 23:43 UTC",
    ]  # fmt: skip
    told.show(A_TN, kinds.Ack(grade=Grade.READ, envelope=asked))
    (entry,) = told.entries()
    assert entry.acks is not None
    assert (entry.acks.mine, entry.acks.ours, entry.acks.by[0]) == (2, "", ("TN", 3, "understood"))
    assert bare(entry.acks.people[-1]) == "You: read, 2026-11-28 23:46 UTC"
    (theirs,) = told.entries(colleague)
    assert theirs.acks is not None
    assert (theirs.acks.mine, theirs.acks.ours) == (3, "")


def test_a_message_that_asks_for_nothing_and_has_no_acknowledgement_says_nothing_of_any() -> None:
    told = Told()
    told.say(A_TN, Text(text="x"))
    assert told.entries()[0].acks is None
