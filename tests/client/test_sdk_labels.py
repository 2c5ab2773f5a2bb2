"""Labels through the SDK: what may not go there is refused when it is asked for, with a hint that names the rule."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from amanah_client import Client, Message, Room, model
from amanah_protocol.content.forwarded import Forwarded, Origin
from amanah_protocol.content.revision import Correction, Withdrawal
from amanah_protocol.content.text import Text
from amanah_protocol.errors import Code, RefusedError, UsageError
from amanah_protocol.kinds import Egress, Relabel
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import OrgName
from tests.client.test_sdk import invited, joined, until
from tests.end_to_end.nations import Nations

TN, MA = "cert.example.tn", "cert.example.ma"


@pytest.fixture(scope="module")
def nations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nations]:
    made = Nations(tmp_path_factory.mktemp("nations"), (TN, MA))
    made.relay.start()
    yield made
    made.close()


@asynccontextmanager
async def members(nations: Nations, title: str) -> AsyncIterator[tuple[Client, Client, Room, Room]]:
    """Officers of two nations in a room that takes everything, as each of them sees it."""
    homes = nations.enrol(f"a {title}", TN), nations.enrol(f"b {title}", MA)
    async with await Client.open(homes[0]) as a, await Client.open(homes[1]) as b:
        await a.online()
        await b.online()
        room = await a.create_room(title, label=Label.RED)
        await invited(room, b.me)
        yield a, b, room, await joined(b, title)


async def heard(room: Room, text: str) -> Message:
    """Wait until a text is there."""
    await until(lambda: any(message.text == text for message in room.messages()))
    return next(message for message in room.messages() if message.text == text)


async def test_a_label_is_changed_for_all_to_see_and_ways_out_go_by_it(nations: Nations) -> None:
    async with members(nations, "relabelled") as (_, __, ours, theirs):
        await ours.send("one", label=Label.AMBER)
        there = await heard(theirs, "one")
        await theirs.relabel(there, Label.RED)
        here = await heard(ours, "one")
        await until(lambda: ours.matter(here).label is Label.RED)
        assert any(message.specific == Relabel(envelope=here.id, old=Label.AMBER, new=Label.RED)
                   for message in ours.messages())  # fmt: skip
        assert ours.board().messages[here.id].label_number == Label.RED
        with pytest.raises(RefusedError, match="lowered by its author") as caught:
            await theirs.relabel(there, Label.AMBER)
        assert caught.value.code is Code.ROLE
        with pytest.raises(RefusedError, match="TLP:RED: it does not leave its room") as caught:
            await ours.disclose(here, recipient="a court")
        assert "lower the label" in caught.value.hint
        with pytest.raises(UsageError):
            await ours.relabel(here, Label.RED)
        await ours.relabel(here, Label.GREEN)
        assert await ours.disclose(here, recipient="a court")


async def test_a_label_is_lowered_with_what_corrects_the_message(nations: Nations) -> None:
    async with members(nations, "corrected") as (_, __, ours, theirs):
        await ours.send("at 14:00", label=Label.AMBER)
        first = await heard(ours, "at 14:00")
        corrected = (await ours.send(Correction(message=first.id, text="in the ministry"), label=Label.RED)).envelope
        assert corrected is not None
        there = await heard(theirs, "at 14:00")
        await until(lambda: theirs.matter(there).label is Label.RED)
        assert theirs.board(about=[first.id]).label_of(first.id) is Label.RED
        with pytest.raises(RefusedError) as refused:
            theirs.relabelling(there, Label.AMBER)
        assert refused.value.code is Code.ROLE
        second = ours.entries(corrected)[corrected]
        change = ours.relabelling(first, Label.GREEN)
        assert (change.old, change.new) == (Label.RED, Label.GREEN)
        assert [one.envelope for one in change.actions] == [corrected, first.id]
        with pytest.raises(UsageError, match="it corrects the message"):
            ours.relabelling(second, Label.AMBER)
        with pytest.raises(UsageError, match="it is a correction itself"):
            ours.compose(Correction(message=corrected, text="at 15:00"))
        await ours.relabel(first, Label.GREEN)
        await until(lambda: theirs.matter(there).label is Label.GREEN)
        # A correction that is no stricter than its message is lowered with it, too.
        await ours.relabel(first, Label.CLEAR)
        await until(lambda: ours.matter(second).label is ours.matter(first).label is Label.CLEAR)


async def test_an_answer_has_the_label_of_what_it_answers_at_least(nations: Nations) -> None:
    async with members(nations, "answered") as (_, __, ours, theirs):
        await ours.send("one")
        first = await heard(theirs, "one")
        assert first.label is Label.RED
        for body in (Text(text="re", reply_to=first.id), Correction(message=first.id, text="re")):
            with pytest.raises(RefusedError) as caught:
                theirs.compose(body, label=Label.AMBER)
            assert caught.value.code is Code.LABEL
        assert (await theirs.send(Text(text="re", reply_to=first.id))).state is model.IntentState.DONE


async def test_an_answer_has_the_pap_of_what_it_answers_at_least(nations: Nations) -> None:
    async with members(nations, "limited") as (_, __, ours, theirs):
        await ours.send("one", pap=Pap.GREEN)
        first = await heard(theirs, "one")
        await ours.send(Correction(message=first.id, text="two"), pap=Pap.RED)
        await until(lambda: theirs.matter(first).pap is Pap.RED)
        assert (first.pap, theirs.limits_of(first)[1]) == (Pap.GREEN, Pap.RED)
        answer = Text(text="re", reply_to=first.id)
        assert [theirs.compose(answer, pap=pap).pap for pap in Pap] == [Pap.RED] * 4
        assert theirs.compose("anew", pap=Pap.CLEAR).pap is Pap.CLEAR


async def test_a_text_is_forwarded_where_its_label_lets_it_go(nations: Nations) -> None:
    async with members(nations, "forwarded") as (a, b, ours, theirs):
        other = await a.create_room("other", label=Label.AMBER)
        await other.invite(b.me)
        await ours.send("one", label=Label.AMBER)
        await ours.send("two", label=Label.RED)
        one, two = await heard(ours, "one"), await heard(ours, "two")
        sent = await ours.forward(one, to=other, note="seen?")
        assert (sent.state, sent.room) == (model.IntentState.DONE, other.id)
        there = await joined(b, "other")
        await until(lambda: any(isinstance(message.body, Forwarded) for message in there.messages()))
        (quoted,) = [message.body for message in there.messages() if isinstance(message.body, Forwarded)]
        assert (quoted.text, quoted.note, quoted.origin.nation) == ("one", "seen?", TN)
        await until(lambda: any(isinstance(message.specific, Egress) for message in theirs.messages()))
        for message, label, code in ((two, None, Code.LABEL), (one, Label.GREEN, Code.LABEL)):
            with pytest.raises(RefusedError) as caught:
                await ours.forward(message, to=other, label=label)
            assert caught.value.code is code
        with pytest.raises(UsageError):
            await ours.forward(one, to=ours)
        with pytest.raises(UsageError):
            await ours.forward(ours.messages()[0], to=other)


async def test_what_is_forwarded_is_what_its_author_says_now(nations: Nations) -> None:
    async with members(nations, "says now") as (a, _, ours, theirs):
        other = await a.create_room("says now, too", label=Label.AMBER)
        await theirs.send("victim: Bank X, 30 hosts", label=Label.AMBER)
        await theirs.send("wrong room", label=Label.AMBER)
        first, second = await heard(ours, "victim: Bank X, 30 hosts"), await heard(ours, "wrong room")
        await theirs.send(Correction(message=first.id, text="30 hosts"), label=Label.AMBER)
        await theirs.send(Withdrawal(message=second.id, reason=""), label=Label.AMBER)
        await until(lambda: ours.board(about=[first.id]).messages[first.id].corrected)
        await until(lambda: ours.board(about=[second.id]).messages[second.id].withdrawn)
        assert (await ours.forward(first, to=other)).state is model.IntentState.DONE
        with pytest.raises(UsageError, match="took this message back"):
            await ours.forward(second, to=other)
        assert [one.body.text for one in other.messages() if isinstance(one.body, Forwarded)] == ["30 hosts"]


async def test_what_is_forwarded_is_made_by_nobody_but_the_client(nations: Nations) -> None:
    async with members(nations, "by hand") as (_, __, ours, ___):
        await ours.send("one", label=Label.AMBER)
        one = await heard(ours, "one")
        origin = Origin(nation=OrgName(MA), room=ours.id, message=one.id, accepted_at_ms=1, label=Label.CLEAR)
        with pytest.raises(UsageError, match="quoted from the message itself"):
            ours.compose(Forwarded(text="two", origin=origin))


async def test_who_comes_later_is_granted_what_labels_let_it_have(nations: Nations) -> None:
    async with members(nations, "granted") as (_, b, ours, theirs):
        for text, label in (("one", Label.AMBER), ("two", Label.RED), ("three", Label.GREEN)):
            await ours.send(text, label=label)
        last = await heard(theirs, "three")
        home = nations.enrol("late", MA)
        async with await Client.open(home) as late:
            await late.online()
            await invited(ours, late.me)
            room = await joined(late, "granted")
            await until(lambda: late.me in {party.device for party in theirs.members()})
            first = await heard(theirs, "one")
            plan = theirs.granting(first.room_seq or 0, last.room_seq or 0, (late.me,))
            ((left, reason),) = plan.left_out
            assert left == (await heard(theirs, "two")).id
            # What names the room and who is in it may have been said anew in between, for who came.
            one, other = plan.grants
            assert {first.id, last.id} <= {*one.envelopes, *other.envelopes}
            assert left not in {*one.envelopes, *other.envelopes}
            assert reason == "TLP:RED: only its author passes it on"
            done = await theirs.grant(first.room_seq or 0, last.room_seq or 0, (late.me,))
            assert [intent.state for intent in done] == [model.IntentState.DONE] * 2
            shown = await heard(room, "three")
            assert shown.granted_by is not None
            assert shown.granted_by.device == b.me
            assert [message.text for message in room.messages() if message.text] == ["one", "three"]
            for wrong in ((0, 1, (late.me,)), (2, 1, (late.me,)), (1, 2, ())):
                with pytest.raises(UsageError):
                    theirs.granting(*wrong)
