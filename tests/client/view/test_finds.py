"""What a search found stands as its conversation shows it: what was taken back is not read there unasked."""

from __future__ import annotations

import pytest

from amanah_client.language import Language, speaking
from amanah_client.message import Message
from amanah_client.reading import UNCHANGED, Found, Since
from amanah_client.view.entries import Gone
from amanah_client.view.finds import find_line
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.text import Text
from tests.client.view.told import A_TN, Told

SAID = "The password is\nhunter2, at http://a.example"


def found(message: Message, since: Since) -> Found:
    return Found(message=message, at=message, since=since, place=1, excerpt=SAID, spans=((4, 12),))


@pytest.mark.parametrize("lang", ["en", "fr", "ar"])
@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("reason", ["wrong room", ""])
def test_of_what_is_withdrawn_a_find_says_what_the_conversation_says_and_no_word_of_it(
    lang: str,
    corrected: bool,  # noqa: FBT001 - a parameter of the test
    reason: str,
) -> None:
    told = Told()
    said = told.say(A_TN, Text(text=SAID))
    if corrected:
        told.say(A_TN, Correction(message=said, text="The password was changed"))
    told.say(A_TN, Withdrawal(message=said, reason=reason))
    first, *more = told.messages
    since = Since(withdrawn=more[-1], corrected=more[0] if corrected else None)
    with speaking(Language(code=lang)):
        line = find_line(found(first, since))
        (entry,) = told.entries()
    assert isinstance(entry.content, Gone)
    assert (line.state, line.text) == ("withdrawn", entry.content.text)
    assert "hunter2" not in line.text
    assert reason in line.text


def test_what_is_corrected_is_marked_and_its_words_stand_there() -> None:
    told = Told()
    said = told.say(A_TN, Text(text=SAID))
    told.say(A_TN, Correction(message=said, text="The password was changed"))
    first, correction = told.messages
    line = find_line(found(first, Since(corrected=correction)))
    assert (line.state, line.text) == ("corrected", "The password is hunter2, at hxxp://a[.]example")
    assert find_line(found(first, UNCHANGED)).state == ""
    assert (line.entry, line.seq) == (said.hex(), 1)
