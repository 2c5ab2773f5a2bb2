"""Honest witnesses, and how a relay asks them: what `amanah_relay.witnesses` does, in virtual time.

A witness decides by the product's own `witnessing.decide`, and what it has cosigned lasts. It may be away, slow, or
have a clock of its own, and an answer may be lost behind a state that has moved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from amanah_protocol.errors import AmanahError
from amanah_protocol.log.checkpoint import Checkpoint
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier
from amanah_protocol.log.witnessing import Refusal, Refused, decide, decode_request, encode_answer, encode_request
from amanah_relay.effects import Cosign
from tests.simulation.history import Failed, History, Promised
from tests.simulation.scheduler import Scheduler, Work

TIMEOUT_MS: Final = 10_000
ROUND_MS: Final = 1_000
RETRY_MS: Final = (1_000, 2_000, 5_000, 15_000, 30_000)
DELAY_MS: Final = 20
JITTER_MS: Final = 60
FOR_EVER_MS: Final = 2**62


class Witness:
    """One witness of one log."""

    def __init__(self, signer: NoteSigner, log: NoteVerifier) -> None:
        """It has cosigned nothing yet.

        Args:
            signer: Its key.
            log: The key that it trusts for the log.
        """
        self.signer = signer
        self.known: Checkpoint | None = None
        self.delay_ms = DELAY_MS
        self.skew_ms = 0
        self.outages: list[tuple[int, int]] = []
        """When it was away, as (since, until)."""
        self.late: list[tuple[int, int]] = []
        """When it was too slow to be waited for."""
        self._log = log

    def leave(self, now_ms: int, duration_ms: int) -> None:
        """It is not reached for a while."""
        self.outages.append((now_ms, now_ms + duration_ms))

    def slow_down(self, now_ms: int, delay_ms: int) -> None:
        """Each way takes so long from now on."""
        self.late = [(since, min(until, now_ms)) for since, until in self.late]
        self.delay_ms = delay_ms
        if 2 * (delay_ms + JITTER_MS) > TIMEOUT_MS:
            self.late.append((now_ms, FOR_EVER_MS))

    def calm(self, now_ms: int) -> None:
        """It is back, and quick; its clock stays as wrong as it is."""
        self.slow_down(now_ms, DELAY_MS)
        self.outages = [(since, min(until, now_ms)) for since, until in self.outages]

    def is_away(self, at_ms: int) -> bool:
        """Whether nobody reaches it."""
        return any(since <= at_ms < until for since, until in self.outages)

    def take(self, body: bytes, now_ms: int) -> bytes | Refused:
        """The answer to `add-checkpoint`: its cosignature, or why there is none.

        Raises:
            DecodeError: The request is none.
        """
        decided = decide(decode_request(body), (self._log,), self.known)
        if isinstance(decided, Refused):
            return decided
        self.known = decided.checkpoint.value
        return encode_answer((self.signer.sign(decided.note.text, time_s=(now_ms + self.skew_ms) // 1_000),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """What a relay's process gives to those who ask for it.

    Attributes:
        later: Does something, unless the process is another one by then.
        prove: The consistency proof between two sizes.
        tell: Takes a witness's answer for a size.
    """

    later: Callable[[int, Work], None]
    prove: Callable[[int, int], tuple[bytes, ...]]
    tell: Callable[[int, bytes], None]


class Asking:
    """Asks one witness for one process of the relay, which knows nothing of what an earlier one asked."""

    def __init__(self, witness: Witness, *, relayed: Relayed, scheduler: Scheduler, history: History) -> None:
        """Nothing is asked yet."""
        self._witness = witness
        self._relayed = relayed
        self._scheduler = scheduler
        self._history = history
        self._chance = scheduler.stream("witness", witness.signer.name, scheduler.elapsed_ms)
        self._wanted: Cosign | None = None
        self._busy = False
        self._size = 0
        self._failures = 0

    def want(self, effect: Cosign) -> None:
        """Have the newest checkpoint cosigned."""
        self._wanted = effect
        if not self._busy:
            self._submit(effect)

    def _submit(self, wanted: Cosign, *, again: bool = False) -> None:
        self._busy = True
        there, back = self._trip(), self._trip()
        if there + back > TIMEOUT_MS:
            self._relayed.later(TIMEOUT_MS, self._fail)
            # It arrives all the same, and what it answers is not waited for any more.
            self._relayed.later(there, lambda: self._arrive(wanted, None, again=again))
        else:
            self._relayed.later(there, lambda: self._arrive(wanted, back, again=again))

    def _trip(self) -> int:
        return self._witness.delay_ms + self._chance.randint(0, JITTER_MS)

    def _arrive(self, wanted: Cosign, back_ms: int | None, *, again: bool) -> None:
        now_ms = self._scheduler.now_ms
        answer = None if self._witness.is_away(now_ms) else self._ask(wanted)
        if back_ms is None:
            return
        if answer is None or self._witness.is_away(now_ms + back_ms):
            self._relayed.later(TIMEOUT_MS, self._fail)
        else:
            self._relayed.later(back_ms, lambda: self._answered(wanted, answer, again=again))

    def _ask(self, wanted: Cosign) -> bytes | Refused | None:
        try:
            proof = self._relayed.prove(self._size, wanted.size) if 0 < self._size < wanted.size else ()
            answer = self._witness.take(encode_request(self._size, proof, wanted.note), self._scheduler.now_ms)
        except AmanahError as error:
            self._scheduler.note("not cosigned", self._witness.signer.name, error.code)
            return None
        now_ms, name, known = self._scheduler.elapsed_ms, self._witness.signer.name, self._witness.known
        if isinstance(answer, bytes) and known is not None:
            self._scheduler.note("cosigned", name, known.size, known.root)
            self._history.add(Promised(at_ms=now_ms, source=f"checkpoint at {name}", size=known.size, root=known.root))
        elif isinstance(answer, Refused) and answer.finding:
            self._history.add(Failed(at_ms=now_ms, who=name, detail=f"finds {answer.finding} at size {wanted.size}"))
        return answer

    def _answered(self, wanted: Cosign, answer: bytes | Refused, *, again: bool) -> None:
        if isinstance(answer, bytes):
            self._failures, self._size = 0, wanted.size
            self._relayed.tell(wanted.size, answer)
            self._relayed.later(ROUND_MS, lambda: self._go_on(wanted))
        elif answer.refusal is Refusal.STALE and answer.known_size <= wanted.size and not again:
            self._size = answer.known_size
            self._submit(wanted, again=True)
        else:
            self._fail()

    def _fail(self) -> None:
        self._failures += 1
        self._relayed.later(RETRY_MS[min(self._failures, len(RETRY_MS)) - 1], lambda: self._go_on(None))

    def _go_on(self, done: Cosign | None) -> None:
        self._busy = False
        if self._wanted is not None and self._wanted != done:
            self._submit(self._wanted)
