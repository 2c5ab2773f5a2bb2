"""A bot does not answer, decide or close for its nation: its client refuses, and no board counts it all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest

from amanah_client import effective
from amanah_client.actions import Acknowledge
from amanah_client.core import ways
from amanah_client.directory import Directory
from amanah_client.incident import board as rules
from amanah_client.language.errors import SpokenError
from amanah_client.message import read_message
from amanah_client.room import Room
from amanah_client.sdk import Client
from amanah_protocol.content.alert import Severity
from amanah_protocol.content.bodies import Said
from amanah_protocol.content.clock import Clock, Nature
from amanah_protocol.content.handover import Handover
from amanah_protocol.content.incident import Incident, Status
from amanah_protocol.content.proposal import Position, Proposal
from amanah_protocol.content.task import Task, TaskMoved, TaskState
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code
from amanah_protocol.identity import Role, issue_certificate, make_request, parse_organisation
from amanah_protocol.kinds import Grade
from amanah_protocol.labels import Label
from amanah_protocol.log.leaf import LeafType
from amanah_protocol.types import EnvelopeId
from tests.client.test_sdk import invited, joined, until
from tests.end_to_end.nations import Nations

TN = parse_organisation("cert.example.tn")
TASK, FAR_MS = bytes(16), 4_000_000_000_000


@dataclass(frozen=True)
class Post:
    """An officer and a bot of one nation, in a room in which something is asked of it."""

    officer: Client
    bot: Client
    ours: Room
    bots: Room
    asked: EnvelopeId
    proposed: EnvelopeId

    @property
    def binding(self) -> tuple[Said, ...]:
        return (
            TaskMoved(id=TASK, state=TaskState.DONE),
            Position(proposal=self.proposed, agrees=True),
            Proposal(ordinal=2, what="Publish", object_until_ms=FAR_MS, quorum=1, nations=(TN,)),
            Clock(id=TASK, nature=Nature.EMBARGO, what="patch", at_ms=FAR_MS),
            Incident(status=Status.CLOSED),
            Handover(text="all quiet"),
        )


@pytest.fixture
async def post(nations: Nations, request: pytest.FixtureRequest) -> AsyncIterator[Post]:
    name = request.node.name
    homes = [nations.enrol(f"{role.name} of {name}", TN, role=role) for role in (Role.OFFICER, Role.BOT)]
    async with await Client.open(homes[0]) as officer, await Client.open(homes[1]) as bot:
        await officer.online()
        await bot.online()
        ours = await officer.create_room(name, label=Label.AMBER)
        await invited(ours, bot.me)
        bots = await joined(bot, name)
        asked = (await ours.send(Text(text="Who acts?", asks=Grade.ACTING))).envelope
        await ours.send(Task(id=TASK, what="Block the host", nation=TN))
        proposal = Proposal(ordinal=1, what="Sinkhole it", object_until_ms=FAR_MS, quorum=1, nations=(TN,))
        proposed = (await ours.send(proposal)).envelope
        assert asked is not None
        assert proposed is not None
        await until(lambda: proposed in bots.board().messages)
        yield Post(officer, bot, ours, bots, asked, proposed)


async def test_a_bot_that_would_bind_its_nation_is_told_who_may_and_nothing_is_queued(post: Post) -> None:
    acknowledged = Acknowledge(room=post.ours.id, envelope=post.asked, grade=int(Grade.ACTING))
    before = len(post.bot.outbox())

    def refuses(told: SpokenError) -> None:
        assert told.code is Code.ROLE
        assert "nothing was sent" in told.detail
        assert TN in told.hint

    for body in post.binding:
        with pytest.raises(SpokenError) as error:
            post.bots.compose(body)
        refuses(error.value)
    with pytest.raises(SpokenError) as error:
        await post.bot.ask(acknowledged)
    refuses(error.value)
    with pytest.raises(SpokenError) as error:
        post.bots.decision(1)
    refuses(error.value)
    assert len(post.bot.outbox()) == before
    # What it is for, and what its officers say, goes.
    for body in post.binding:
        post.ours.compose(body)
    for told in (Text(text="beacon"), Incident(severity=Severity.HIGH), Task(id=b"b" * 16, what="Look", nation=TN)):
        await post.bots.send(told)
    await post.officer.do(acknowledged, 20)
    await until(lambda: post.bots.board().messages[post.asked].grades() == {TN: Grade.ACTING})
    assert post.ours.board().without_effect == post.bots.board().without_effect == {}


async def test_what_a_bot_says_all_the_same_stands_on_no_board_and_is_named(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (effective, ways):
        monkeypatch.setattr(module, "may_ask", lambda _role, _action: True)
    monkeypatch.setattr(effective, "check_effect", lambda _room, _body: None)
    sent = [(await post.bots.send(body)).envelope for body in post.binding]
    sent.append((await post.bots.acknowledge(post.asked, Grade.ACTING)).envelope)
    await until(lambda: sent[-1] in post.ours.board().messages)
    for room in (post.ours, post.bots):
        found = room.board()
        assert found.without_effect == dict.fromkeys(sent, rules.NO_OFFICER)
        assert found.tasks[TASK].state is TaskState.OPEN
        assert found.proposals[1].agreeing == ()
        assert found.messages[post.asked].grades() == {}
        assert (found.standing.status, found.clocks, found.handovers) == (None, {}, {})


async def test_a_later_certificate_takes_back_nothing_that_was_said(post: Post) -> None:
    own = post.officer.certificate
    request = make_request(
        post.officer.profile.device_key, organisation=TN, subject=own.subject, role=Role.BOT, nonce=bytes(16),
        suites=own.suites,
    )  # fmt: skip
    as_bot = issue_certificate(
        request, SigningKey(b"e" * 32), now_ms=own.not_before_ms, ceiling=own.ceiling, profile_mac=bytes(32)
    )
    rows = post.officer.profile.store.control_rows()
    certified = next(row for row in rows if row.type == LeafType.CERTIFICATE)
    row = post.officer.message(post.asked.hex()).row
    assert row.index is not None
    for index, role in ((row.index + 1, Role.OFFICER), (row.index - 1, Role.BOT)):
        directory = Directory((*rows, replace(certified, index=index, object=as_bot.encoded)), ())
        assert directory.party(post.officer.me).role is Role.BOT
        assert read_message(row, directory).sender.role is role
