"""Why something is held or was not done, in the language of who decides about it."""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import pytest

from amanah_client import reasons
from amanah_client.actions import Invite
from amanah_client.language import Language, speaking
from amanah_client.model import Intent, IntentState
from amanah_client.reasons import Reason, english, few
from amanah_client.saying import saying
from amanah_client.store.rows import decode_intent, encode_action, encode_intent
from amanah_client.terminal import drawing
from amanah_client.view.delivery import intent_delivery
from amanah_client.view.waiting import waiting_line
from amanah_client.view.why import why
from amanah_protocol.content.text import Text
from amanah_protocol.labels import Label
from amanah_protocol.types import RoomId
from tests.client.view.told import MA, NOW_MS, ROOM, SN, seat

DEVICE = "00112233aabbccdd"
EACH = [
    Reason(why=reasons.JOINED, organisations=(MA, SN)),
    Reason(why=reasons.NOT_IN_ROSTER, organisations=(SN,)),
    Reason(why=reasons.NEVER_CONNECTED, organisations=(SN,)),
    Reason(why=reasons.NEVER_CONNECTED, organisations=(), device=DEVICE),
    Reason(why=reasons.NEVER_CONNECTED),
    Reason(why=reasons.ONLY_AUDITORS, organisations=(SN,)),
    Reason(why=reasons.NOT_IN_FORCE, device=DEVICE),
    Reason(why=reasons.NO_PACKAGE, organisations=(SN,), device=DEVICE),
    Reason(why=reasons.BAD_PACKAGE, organisations=(SN,), device=DEVICE, named="BINDING"),
    Reason(why=reasons.OTHER_SUITE, organisations=(SN,), device=DEVICE, named="0x0003"),
    Reason(why=reasons.MORE, named="3"),
]
ENGLISH_WORDS = re.compile(r"\b(joined|device|the|is|not|person|key|package|more|further|certificate|in)\b")


def bare(text: str) -> str:
    return text.replace("\u2068", "").replace("\u2069", "")


def held(*found: Reason, detail: str = "", state: IntentState = IntentState.HELD, code: str = "STALE_EPOCH") -> Intent:
    action = saying(ROOM, Text(text="for few"), label=Label.AMBER)
    return Intent(
        id="ab" * 16, action=action, created_at_ms=NOW_MS, state=state, code=code,
        detail=detail or english(found), reasons=found,
    )  # fmt: skip


def test_each_reason_that_there_is_has_its_sentence() -> None:
    there = {value for name, value in vars(reasons).items() if name.isupper() and not name.startswith("_")}
    assert {one.why for one in EACH} == there


@pytest.mark.parametrize("code", ["fr", "ar"])
@pytest.mark.parametrize("reason", EACH, ids=lambda one: english((one,)))
def test_no_reason_is_told_in_english_to_who_reads_another_language(reason: Reason, code: str) -> None:
    with speaking(Language(code=code)):
        found = why(held(reason))
    assert found.english == ""
    assert not ENGLISH_WORDS.search(bare(found.text))
    for named in (*reason.organisations, reason.device, reason.named):
        assert named in found.text


def test_in_english_it_says_what_is_stored() -> None:
    for one in EACH[1:-1]:
        assert bare(why(held(one)).text) == english((one,))
    assert bare(why(held(EACH[0])).text) == f"joined since this was written: {MA} and {SN}"


@pytest.mark.parametrize(
    ("code", "said"), [("fr", "venues depuis que ceci a été écrit\u00a0: "), ("ar", "انضم بعد كتابة هذا: ")]
)
def test_what_decides_release_or_drop_is_told_in_the_language_of_who_decides(code: str, said: str) -> None:
    intent = held(Reason(why=reasons.JOINED, organisations=(SN,)))
    with speaking(Language(code=code)):
        delivery, line = intent_delivery(intent), waiting_line(intent, seat())
    for told in (bare(delivery.text), bare(line.words)):
        assert said + SN in told
        assert not ENGLISH_WORDS.search(told)
    assert (delivery.english, line.english) == ("", "")


@pytest.mark.parametrize("code", ["fr", "ar"])
def test_an_invitation_that_was_refused_says_why(code: str) -> None:
    reason = Reason(why=reasons.NOT_IN_ROSTER, organisations=("cert.example.zz",))
    refused = held(reason, state=IntentState.FAILED, code="NOT_FOUND")
    refused = replace(refused, action=Invite(room=RoomId(bytes(16))))
    with speaking(Language(code=code)):
        line = waiting_line(refused, seat())
    assert "cert.example.zz" in line.words
    assert not ENGLISH_WORDS.search(bare(line.words))


@pytest.mark.parametrize("found", [(), (Reason(why="of-a-newer-version"),)])
@pytest.mark.parametrize("code", ["fr", "ar"])
def test_what_is_known_in_english_alone_stands_behind_a_sentence(found: tuple[Reason, ...], code: str) -> None:
    intent = replace(held(detail="joined since this was written: x"), reasons=found)
    with speaking(Language(code=code)):
        delivery, line = intent_delivery(intent), waiting_line(intent, seat())
        drawn = "".join(part.text for parts in drawing._delivered(delivery) for part in parts)  # noqa: SLF001 - its line
    assert not ENGLISH_WORDS.search(bare(delivery.text + line.words))
    for english_behind in (delivery.english, line.english):
        assert bare(english_behind) == "joined since this was written: x"
    assert bare(drawn).endswith("(joined since this was written: x)")
    assert bare(why(intent).whole) == "joined since this was written: x"


def test_another_refusal_is_told_by_its_code_with_its_own_words_behind() -> None:
    intent = held(detail="the entry 12", state=IntentState.FAILED, code="QUOTA")
    with speaking(Language(code="fr")):
        line = waiting_line(intent, seat())
    assert "quota" in line.words
    assert (bare(line.english), "the entry 12" in line.words) == ("the entry 12", False)
    assert bare(waiting_line(intent, seat()).words).startswith("Refused: the entry 12. ")


def test_no_more_devices_are_named_than_somebody_reads() -> None:
    many = [Reason(why=reasons.NO_PACKAGE, organisations=(SN,), device=f"{n:016x}") for n in range(15)]
    shown = few(many)
    assert len(shown) == 13
    assert shown[-1] == Reason(why=reasons.MORE, named="3")
    assert english(shown).endswith("; and 3 more")
    assert few(many[:12]) == tuple(many[:12])


class Before(msgspec.Struct, frozen=True, array_like=True):
    """An intent's row as programs before read it."""

    id: str
    created_at_ms: int
    state: IntentState
    code: str
    detail: str
    room: bytes | None
    envelope: bytes | None
    index: int | None
    room_seq: int | None
    result: bytes


def test_a_stored_intent_is_read_by_versions_before_and_behind() -> None:
    intent = held(Reason(why=reasons.JOINED, organisations=(SN,)))
    action = encode_action(intent.action)
    assert decode_intent(*action, encode_intent(intent)) == intent
    before = msgspec.msgpack.decode(encode_intent(intent), type=Before)
    assert before.detail == f"joined since this was written: {SN}"
    assert decode_intent(*action, msgspec.msgpack.encode(before)) == replace(intent, reasons=())
    newer = replace(intent, reasons=(Reason(why="of-a-newer-version", named="x"),))
    assert decode_intent(*action, encode_intent(newer)) == newer
