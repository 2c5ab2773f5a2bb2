"""A witness that kills itself in one of the statements of its transaction, or when it has committed and not answered.

`kill_witness.py FOLDER NUMBER`: dies before the numbered statement of its connection; 0 for: after the
commit. Whatever it would have answered is written to standard output.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from amanah_client.witness.state import State
from amanah_client.witness.witness import Answer, Witness
from tests.client.witness.logs import LOG, WITNESS, witness


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, number: int) -> None:
    state = State(folder / "witness.db", (WITNESS.verifier,))
    seen = 0

    def count(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == number:
            die()

    class Dying(Witness):
        def add_checkpoint(self, body: bytes) -> Answer:
            answer = super().add_checkpoint(body)
            if number == 0:
                die()
            return answer

    state._connection.set_trace_callback(count)
    working = Dying(state, (WITNESS,), lambda: 1) if number == 0 else witness(state)
    answer = working.add_checkpoint(LOG.request(0, 7))
    sys.stdout.buffer.write(answer.body)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
