"""Answers `Verify`: here while there is little to do, in a process of its own under load.

Verifying a signature costs a third of all that an envelope costs, and one interpreter uses one
processor. The process (`verification`) is started by the first turn that brings many signatures, if
there is a second processor. It holds no secret. Answers keep the order of the questions, also when
it dies: then what it owed is verified here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from itertools import count, islice
from typing import Final, cast

from amanah_relay import verification
from amanah_relay.effects import Verify
from amanah_relay.inputs import Checked

FEW: Final = 4
"""So many signatures of one turn are verified sooner here than elsewhere."""
MANY: Final = 12
"""A turn with so many starts the process."""
MAX_OPEN: Final = 256
"""While so many signatures are not verified, turns take no more of what clients sent."""
PATIENCE_S: Final = 5.0
"""A process that has not answered for so long is ended."""
RETRY_S: Final = 30.0
"""The rest between the end of one process and the start of another."""


class Verifier:
    """Takes the questions of a turn and answers them in order."""

    def __init__(self, answer: Callable[[Checked], None], logger: logging.Logger) -> None:
        """Verify here until there is more to do.

        Args:
            answer: Called with each answer, on the event loop.
            logger: Where it is said that a process failed.
        """
        self.process: Process | None = None
        """The process, from its start on."""
        self._answer = answer
        self._logger = logger
        self._loop = asyncio.get_running_loop()
        self._asked: list[Verify] = []
        self._owed: deque[tuple[int, list[Verify]]] = deque()
        self._numbers = count()
        self._open = 0
        self._ending: set[Process] = set()
        self._starting: asyncio.Task[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._not_before_s = 0.0 if len(os.sched_getaffinity(0)) > 1 else float("inf")

    @property
    def is_busy(self) -> bool:
        """Whether a question is open."""
        return self._open > 0

    @property
    def is_full(self) -> bool:
        """Whether enough is on its way."""
        return self._open >= MAX_OPEN

    def put(self, question: Verify) -> None:
        """A question; `flush` ends the turn that asked it."""
        self._asked.append(question)
        self._open += len(question.claims)

    def flush(self) -> None:
        """Verify what was asked in this turn, or have it verified."""
        if not self._asked:
            return
        asked, self._asked = self._asked, []
        claims = [claim for question in asked for claim in question.claims]
        if self.process is not None and self.process.is_ready and (self._owed or len(claims) > FEW):
            number = next(self._numbers)
            self._owed.append((number, asked))
            self.process.questions.write(verification.encode(number, claims))
            if self._alarm is None:
                self._watch()
            return
        if len(claims) >= MANY and self.process is None and self._loop.time() >= self._not_before_s:
            self.process = Process(self)
            self._starting = self._loop.create_task(self._start(self.process))
        self._verify_here(asked)

    async def close(self) -> None:
        """End the process; what it owed is answered."""
        self._not_before_s = float("inf")
        self._end()
        if self._starting is not None:
            await self._starting
        await asyncio.gather(*(process.gone.wait() for process in self._ending))

    def answered(self, process: Process, answers: bytearray) -> bool:
        """A process has answered; takes what is whole. Gives False when it said something else."""
        while process is self.process and answers:
            if not self._owed:
                return False
            number, asked = self._owed[0]
            try:
                holds = verification.take(answers, number, sum(len(question.claims) for question in asked))
            except ValueError:
                return False
            if holds is None:
                break
            self._owed.popleft()
            each = iter(holds)
            self._say([(question, tuple(islice(each, len(question.claims)))) for question in asked])
        self._watch()
        return True

    def lost(self, process: Process, why: str) -> None:
        """A process has ended, or does not answer."""
        self._ending.discard(process)
        if process is self.process:
            self._logger.warning("the verifying process %s; what it owed is verified here", why)
            self._end()

    async def _start(self, process: Process) -> None:
        try:
            # `-P`: where the relay was started must not say what the process imports.
            command = (sys.executable, "-P", "-m", verification.__name__)
            await self._loop.subprocess_exec(lambda: process, *command, stderr=None)
        except OSError as error:
            process.gone.set()
            self.lost(process, f"could not be started ({error.strerror})")

    def _end(self) -> None:
        if self.process is not None:
            self.process.end()
            self._ending.add(self.process)
            self.process = None
            self._not_before_s = max(self._not_before_s, self._loop.time() + RETRY_S)
        owed, self._owed = self._owed, deque()
        self._verify_here(question for _, asked in owed for question in asked)
        self._watch()

    def _watch(self) -> None:
        """Wait for the oldest question that is open, if there is one."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._owed and self.process is not None:
            self._alarm = self._loop.call_later(PATIENCE_S, self.lost, self.process, "does not answer")

    def _verify_here(self, questions: Iterable[Verify]) -> None:
        self._say([(question, tuple(claim.holds for claim in question.claims)) for question in questions])

    def _say(self, answers: list[tuple[Verify, tuple[bool, ...]]]) -> None:
        if answers:
            self._open -= sum(len(question.claims) for question, _ in answers)
            self._answer(Checked(answers=tuple((question.token, holds) for question, holds in answers)))


class Process(asyncio.SubprocessProtocol):
    """One process, from its start to its end.

    Attributes:
        is_ready: Whether it has said that it listens.
        gone: Set when it has ended.
        questions: Where it is asked, from then on.
    """

    questions: asyncio.WriteTransport

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._transport: asyncio.SubprocessTransport | None = None
        self._said = bytearray()
        self._ended = False
        self.is_ready = False
        self.gone = asyncio.Event()

    @property
    def number(self) -> int | None:
        """Its process id; None before it has one."""
        return None if self._transport is None else self._transport.get_pid()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It was started."""
        self._transport = cast("asyncio.SubprocessTransport", transport)
        self.questions = cast("asyncio.WriteTransport", self._transport.get_pipe_transport(0))
        if self._ended:
            self._transport.close()

    def pipe_data_received(self, fd: int, data: bytes) -> None:  # noqa: ARG002 - the base class's signature
        """It says that it is ready, then answers."""
        self._said += data
        if not self.is_ready and self._said.startswith(verification.READY):
            self.is_ready = True
            del self._said[: len(verification.READY)]
        # A byte too many would make every later answer one to another question.
        if not self.is_ready or not self._verifier.answered(self, self._said):
            self._verifier.lost(self, "said what it was not asked")

    def process_exited(self) -> None:
        """It has ended."""
        self.gone.set()
        self._verifier.lost(self, "ended")

    def end(self) -> None:
        """Kill it, now or as soon as it has started."""
        self._ended = True
        if self._transport is not None:
            self._transport.close()
