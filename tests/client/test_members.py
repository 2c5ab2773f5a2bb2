"""Who is in a room: from the group that is loaded, as long as it is that of the row that is asked for."""

from __future__ import annotations

import asyncio
from typing import Final

from amanah_client.sdk import Client
from amanah_protocol.labels import Label
from tests.client.test_sdk import invited
from tests.end_to_end.nations import Nations

TN: Final = "cert.example.tn"


async def test_a_row_of_an_earlier_state_has_the_members_of_that_state(nations: Nations) -> None:
    async with await Client.open(nations.enrol("own", TN)) as own, await Client.open(nations.enrol("b", TN)) as other:
        await own.online()
        await other.online()
        room = await own.create_room("Earlier", label=Label.GREEN)
        before = room.row
        assert own.group_of(before) is own.group_of(room.row)
        await invited(room, other.me)
        now, then = own.group_of(room.row), own.group_of(before)
        assert now is not None
        assert then is not None
        assert (now.epoch, {*now.members}) == (then.epoch + 1, {own.me, other.me})
        assert {*then.members} == {own.me}
        assert {party.device for party in room.members()} == {own.me, other.me}
        assert [party.device for party in own.members_of(before)] == [own.me]


async def test_a_program_that_only_reads_loads_the_group_itself(nations: Nations) -> None:
    home = nations.enrol("reads", TN)
    async with await Client.open(home) as own:
        await own.online()
        room = await own.create_room("Read", label=Label.GREEN)
        kept = room.row
    async with await Client.open(home, connect=False) as reader:
        group = reader.group_of(kept)
        assert group is not None
        assert [party.device for party in reader.room("Read").members()] == [*group.members]


async def test_a_thread_that_reads_beside_the_core_is_not_given_the_group_of_the_core(nations: Nations) -> None:
    async with await Client.open(nations.enrol("threads", TN)) as own:
        await own.online()
        room = await own.create_room("Beside", label=Label.GREEN)
        loaded, beside = own.group_of(room.row), await asyncio.to_thread(own.group_of, room.row)
        assert loaded is own.group_of(room.row)
        assert beside is not None
        assert beside is not loaded
        assert {*beside.members} == {own.me}
