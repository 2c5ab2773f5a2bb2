"""Opens what commands work with: their profile, and the client of it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import TYPE_CHECKING, TypeVar

from amanah_client.cli.terminal import Options, say
from amanah_client.language import ENGLISH, spoken
from amanah_client.language.errors import happened
from amanah_protocol.errors import Code, UsageError

if TYPE_CHECKING:
    from amanah_client.home import Profile
    from amanah_client.sdk import Client

T = TypeVar("T")


def profile(common: Options) -> Profile:
    """Unlock the profile of a command; `with` closes it.

    A wrong passphrase is asked for again: whoever types on would type it into the shell.
    """
    from amanah_client.cli import questions  # noqa: PLC0415 - `--version`, `--help` do without
    from amanah_client.home import find_home, open_profile  # noqa: PLC0415 - the same

    asked: list[str] = []
    while True:
        before = len(asked)
        with contextlib.ExitStack() as until_open:

            def ask(until_open: contextlib.ExitStack = until_open) -> str:
                until_open.enter_context(questions.typing_nothing())
                asked.append(questions.ask_passphrase())
                until_open.enter_context(questions.unlocking())
                return asked[-1]

            try:
                return open_profile(find_home(common.home), ask)
            except UsageError as error:
                if error.code is not Code.PASSPHRASE or len(asked) in {before, questions.TRIES}:
                    raise
                say(f"{error.detail}; try again" if spoken() == ENGLISH else happened(error.code))


def with_client(
    common: Options,
    work: Callable[[Client], Coroutine[object, object, T]],
    *,
    connect: bool = True,
    opened: Profile | None = None,
) -> T:
    """Open the profile's client, do some work with it, close it; SIGTERM ends it as Ctrl-C does.

    Args:
        common: The command's options.
        work: What is done with the client.
        connect: False reads and queues only.
        opened: The profile, where it is unlocked already; it stays open.
    """
    if opened is None:
        # Before the loop runs: it takes the first Ctrl-C for itself, and a question waits for no loop.
        with profile(common) as own:
            return with_client(common, work, connect=connect, opened=own)

    async def main() -> T:
        async with client_of(opened, connect=connect) as client:
            return await work(client)

    return ended_in_order(main())


@contextlib.asynccontextmanager
async def client_of(opened: Profile, *, connect: bool = True) -> AsyncIterator[Client]:
    """The client of a profile, which stays open when the client is closed."""
    from amanah_client.sdk import Client  # noqa: PLC0415 - ceremonies do not wait for what the network needs

    async with await Client.of(opened, connect=connect, lent=True) as client:
        yield client


def ended_in_order(work: Coroutine[object, object, T]) -> T:
    """Do some work; SIGTERM ends it as Ctrl-C does."""
    import asyncio  # noqa: PLC0415 - as above

    async def main() -> T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - narrows for mypy: this is one
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return asyncio.run(main())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
