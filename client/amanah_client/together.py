"""Works that stand or fall together: none of them ends by itself, so where one does the others have no business on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


async def until_one_ends(*works: Coroutine[object, object, None]) -> None:
    """Run them side by side until one of them ends, then cancel the others and wait for them.

    Raises:
        BaseException: What the first of them raised.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
