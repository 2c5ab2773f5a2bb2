"""Works that stand or fall together."""

from __future__ import annotations

import asyncio

import pytest

from amanah_client.together import until_one_ends


class Work:
    """Waits for ever, and says how it ended."""

    def __init__(self) -> None:
        self.ended = ""

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # what is cancelled may have something to put away
            self.ended = "cancelled"
            raise


async def fails() -> None:
    await asyncio.sleep(0)
    raise OSError("the line is dead")


async def ends() -> None:
    await asyncio.sleep(0)


async def test_one_that_fails_ends_the_others_and_is_raised() -> None:
    one, other = Work(), Work()
    with pytest.raises(OSError, match="the line is dead"):
        await until_one_ends(one.run(), fails(), other.run())
    assert (one.ended, other.ended) == ("cancelled", "cancelled")


async def test_one_that_ends_ends_the_others() -> None:
    one = Work()
    await until_one_ends(one.run(), ends())
    assert one.ended == "cancelled"


async def test_whoever_cancels_it_waits_until_all_have_ended() -> None:
    one, other = Work(), Work()
    task = asyncio.create_task(until_one_ends(one.run(), other.run()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (one.ended, other.ended) == ("cancelled", "cancelled")
