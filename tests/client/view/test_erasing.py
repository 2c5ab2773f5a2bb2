"""What a conversation offers to erase, and what it tells of an erasure: nobody takes for gone what stays."""

from __future__ import annotations

from dataclasses import replace

from msgspec import structs

from amanah_client.directory import Party
from amanah_client.model import MessageState, Struck
from amanah_client.view.conversation import conversation
from amanah_client.view.entries import Entry, Notice
from amanah_protocol import kinds
from amanah_protocol.content.revision import Correction
from amanah_protocol.content.text import Text
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName
from tests.client.view.test_conversation import NAME, bare
from tests.client.view.told import A_MA, A_TN, MA, Told


def test_an_erasure_is_offered_where_all_of_it_goes() -> None:
    other, owner = structs.replace(A_MA, device=DeviceId(bytes(32))), OrgName("cert.example.sn")
    told = Told()
    first = told.say(A_MA, Text(text="by this device"))
    told.say(other, Text(text="by another one of the same person"))
    told.say(A_MA, Text(text="and again"))
    told.say(other, Correction(message=first, text="corrected there"))

    def shown(me: Party, owner: OrgName = owner) -> list[str]:
        entries = conversation(told.messages, structs.replace(told.room(me), owner=owner))
        return [item.erasable for item in entries if isinstance(item, Entry) and item.own]

    assert shown(A_MA) == ["none", "none", "all"]
    assert shown(other) == ["corrections", "all", "none"]
    assert shown(A_MA, MA) == ["all"] * 3
    told.messages[-1] = replace(told.messages[-1], state=MessageState.ERASED, body=None)
    struck = replace(told.messages[-1].row, struck=Struck(pap=Pap.AMBER, corrects=first))
    told.messages[-1] = replace(told.messages[-1], row=struck)
    assert (shown(A_MA)[:3], shown(other)[:3]) == (["all", "none", "all"], ["none", "all", "none"])


def test_an_erasure_is_told_of_what_it_takes_away_alone() -> None:
    told = Told()
    ours, theirs = told.say(A_TN, Text(text="ours")), told.say(A_MA, Text(text="theirs"))
    told.show(A_MA, kinds.Erase(envelopes=(ours,)))
    told.show(A_MA, kinds.Erase(envelopes=(ours, theirs)))
    said = [bare(item.text) for item in told.items() if isinstance(item, Notice)]
    assert said == [
        "officer 0 of MA asked to erase what another device sent: nothing was erased.",
        "officer 0 of MA erased the content of 1 message above. Of 1 more that was named nothing was erased here.",
    ]
    owned = conversation(told.messages, structs.replace(told.room(), owner=MA))
    assert ["2 messages" in item.text for item in owned if isinstance(item, Notice)] == [False, True]


def test_an_erasure_of_what_is_unknown_or_has_no_words_is_not_told_as_done() -> None:
    told = Told()
    said, unknown = told.say(A_TN, Text(text="said")), EnvelopeId(NAME * 2)
    raised = told.show(A_TN, kinds.Relabel(envelope=said, old=Label.AMBER, new=Label.RED))
    came = told.show(A_TN, kinds.Commit(added=(A_MA.device,)))
    for named in ((unknown,), (raised,), (came,), (raised, unknown), (said, raised, came, unknown), (said,)):
        told.show(A_TN, kinds.Erase(envelopes=named))
    nothing = "asked to erase what has no words, another device sent or is not here: nothing was erased."
    done = "erased the content of 1 message above."
    notices = [bare(item.text) for item in told.items() if isinstance(item, Notice)]
    assert [text.removeprefix("officer 0 of TN ") for text in notices[2:]] == [
        "asked to erase what is not here.",
        *[nothing] * 3,
        f"{done} Of 3 more that were named nothing was erased here.",
        done,
    ]
