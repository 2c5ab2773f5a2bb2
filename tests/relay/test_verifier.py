"""The verifier answers every question once, in order and truly, whatever becomes of its process."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from amanah_protocol.crypto import SignatureClaim, SigningKey
from amanah_relay import verification, verifier
from amanah_relay.effects import Verify
from amanah_relay.inputs import Checked
from amanah_relay.verifier import MANY, MAX_OPEN, Verifier

KEY: Final = SigningKey(bytes(32))
SECONDS: Final = 20


def claim(number: int, *, true: bool = True) -> SignatureClaim:
    """A claim that holds, or one of another message."""
    message = b"%d" % number
    return SignatureClaim(KEY.public, KEY.sign(message if true else b"other"), message)


def question(token: int, *truths: bool) -> Verify:
    """A question and what its answer must be."""
    return Verify(token=token, claims=tuple(claim(token, true=true) for true in truths))


@dataclass(kw_only=True)
class Desk:
    """A verifier, and what it answered."""

    answers: list[tuple[int, tuple[bool, ...]]] = field(default_factory=list)
    asked: list[tuple[int, tuple[bool, ...]]] = field(default_factory=list)
    verifier: Verifier = field(init=False)

    def __post_init__(self) -> None:
        self.verifier = Verifier(self._take, logging.getLogger("test"))

    def _take(self, answer: Checked) -> None:
        self.answers.extend(answer.answers)

    def ask(self, *truths: bool) -> None:
        """A question of this turn."""
        token = len(self.asked) + 1
        self.asked.append((token, truths))
        self.verifier.put(question(token, *truths))

    def turn(self, signatures: int = MANY) -> None:
        """A turn of questions of one and of two claims, every third claim false."""
        for at in range(0, signatures, 3):
            self.ask(True, at % 2 == 0)  # noqa: FBT003 - whether the claims hold
            self.ask(False)  # noqa: FBT003 - whether the claim holds
        self.verifier.flush()

    async def listening(self) -> int:
        """Wait for a process that listens; gives its id."""
        await eventually(lambda: self.verifier.process is not None and self.verifier.process.is_ready)
        number = None if self.verifier.process is None else self.verifier.process.number
        assert number is not None
        return number

    async def alone(self) -> None:
        """Wait until there is no process."""
        await eventually(lambda: self.verifier.process is None)

    async def settled(self) -> None:
        """Wait until everything is answered, and see that all is as it must be."""
        await eventually(lambda: not self.verifier.is_busy)
        assert self.answers == self.asked


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - other processes set no events here
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    """A verifier that is closed at the end."""
    there = Desk()
    try:
        yield there
    finally:
        await there.verifier.close()


def test_the_process_answers_each_question_in_order_until_its_input_ends() -> None:
    claims = [claim(1), claim(2, true=False), claim(3)]
    odd = [claim(4)._replace(signature=b"short"), claim(5)._replace(public=b"")]
    output = io.BytesIO()
    verification.serve(io.BytesIO(verification.encode(7, claims) + verification.encode(8, odd) + b"\x00\x00"), output)
    answers = bytearray(output.getvalue())
    assert answers.startswith(verification.READY)
    del answers[: len(verification.READY)]
    assert verification.take(answers, 7, 3) == (True, False, True)
    assert verification.take(answers, 8, 2) == (False, False)
    assert answers == b""


def test_an_answer_is_taken_when_it_is_whole_and_of_this_question_alone() -> None:
    whole = b"\0\0\0\x07\0\0\0\x02\x01\x00"
    for length in range(len(whole)):
        assert verification.take(bytearray(whole[:length]), 7, 2) is None
    assert verification.take(bytearray(whole + b"rest"), 7, 2) == (True, False)
    wrong = [(whole, 8, 2), (whole, 7, 3), (b"x", 7, 2), (whole[:8] + b"\x02", 7, 2)]
    for answers, number, claims in wrong:
        with pytest.raises(ValueError, match="another answer"):
            verification.take(bytearray(answers), number, claims)


@pytest.mark.parametrize("stray", ["before", "between", "behind"])
async def test_a_process_that_says_anything_else_is_ended_and_nothing_is_taken_for_true(
    stray: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One byte too many would else make every answer one to another signature."""
    noise = {
        "before": "print(end=chr(1), flush=True)",
        "between": "import amanah_protocol.crypto as c, os; v = c.verify_signature\n"
        "def loud(*a):\n    os.write(1, bytes([1]))\n    v(*a)\nc.verify_signature = loud",
        "behind": "import os, threading; threading.Timer(2, os.write, (1, bytes([1]))).start()",
    }
    (tmp_path / "sitecustomize.py").write_text(noise[stray], encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    async with desk() as there:
        there.turn()
        await eventually(lambda: there.verifier.process is None or there.verifier.process.is_ready)
        while there.verifier.process is not None:
            there.turn()
            await asyncio.sleep(0.01)
        await there.settled()
    assert "said what it was not asked" in caplog.text


async def test_few_signatures_are_verified_at_once_and_start_nothing() -> None:
    async with desk() as there:
        for truth in (True, False) * (MANY // 4):
            there.ask(truth)
        there.verifier.flush()
        there.verifier.flush()
        assert there.answers == there.asked
        assert there.verifier.process is None


async def test_many_signatures_start_a_process_and_are_verified_here_until_it_listens() -> None:
    async with desk() as there:
        there.turn()
        assert there.answers == there.asked
        there.turn()
        assert there.answers == there.asked
        await there.listening()
        for _ in range(20):
            there.turn()
        assert there.verifier.is_busy
        await there.settled()


async def test_few_signatures_wait_for_many_before_them() -> None:
    async with desk() as there:
        there.turn()
        await there.listening()
        there.turn()
        there.ask(True)  # noqa: FBT003 - whether the claim holds
        there.verifier.flush()
        assert there.verifier.is_busy
        await there.settled()


async def test_it_is_full_while_too_many_are_open() -> None:
    async with desk() as there:
        there.turn()
        await there.listening()
        while not there.verifier.is_full:
            there.turn()
        assert sum(len(truths) for _, truths in there.asked[len(there.answers) :]) >= MAX_OPEN > 2 * MANY
        await there.settled()
        there.turn()
        await there.settled()


async def test_what_a_dead_process_owed_is_answered_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async with desk() as there:
        there.turn()
        process = await there.listening()
        os.kill(process, signal.SIGSTOP)
        there.turn()
        there.turn()
        os.kill(process, signal.SIGKILL)
        await there.settled()
        assert there.verifier.process is None
        assert "ended" in caplog.text
        there.turn()
        assert there.answers == there.asked
        assert there.verifier.process is None, "not at once again"


async def test_a_process_that_does_not_answer_is_ended(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(verifier, "PATIENCE_S", 0.2)
    async with desk() as there:
        there.turn()
        process = await there.listening()
        os.kill(process, signal.SIGSTOP)
        there.turn()
        await there.settled()
        assert "does not answer" in caplog.text
        await there.verifier.close()
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


async def test_a_new_process_is_started_after_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifier, "RETRY_S", 0.0)
    async with desk() as there:
        there.turn()
        first = await there.listening()
        os.kill(first, signal.SIGKILL)
        await there.alone()
        there.turn()
        assert await there.listening() != first
        there.turn()
        await there.settled()


async def test_where_no_process_can_be_started_all_is_verified_here(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    async with desk() as there:
        there.turn()
        await there.alone()
        there.turn()
        assert there.answers == there.asked
        assert "could not be started" in caplog.text


async def test_one_processor_is_used_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    async with desk() as there:
        there.turn()
        assert there.answers == there.asked
        assert there.verifier.process is None


async def test_closed_before_it_has_started_the_process_is_ended() -> None:
    async with desk() as there:
        there.turn()
        process = there.verifier.process
        assert process is not None
        await there.verifier.close()
        assert process.gone.is_set()
        assert process.number is not None
        with pytest.raises(ProcessLookupError):
            os.kill(process.number, 0)
        there.turn()
        assert there.answers == there.asked
        assert there.verifier.process is None
