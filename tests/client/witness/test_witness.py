"""What a witness answers and remembers, without HTTP around it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from amanah_client.witness import rows
from amanah_client.witness.rows import MAX_KEPT, Transaction, origin_hash
from amanah_client.witness.state import State
from amanah_client.witness.witness import Answer, Witness
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.log.checkpoint import decode_checkpoint
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.note_keys import verify_note
from amanah_protocol.log.witnessing import SIZE_TYPE, Finding, decode_answer, encode_request
from tests.client.witness.logs import FOREIGN, LOG, NOW_S, ORIGIN, TWIN, WITNESS, Log, witness
from tests.protocol.refusal import refused


def cosigned_at(answer: Answer, note: bytes) -> int:
    """The time of the witness's cosignature over a checkpoint, verified as a log verifies it."""
    assert answer.status == 200
    signed = decode_note(note)
    whole = Note(text=signed.text, signatures=decode_answer(answer.body))
    (known,) = verify_note(whole, (WITNESS.verifier,))
    return known.time_s


def foreign_signature(log: Log) -> bytes:
    """A request with a checkpoint that another log's key has signed."""
    signed = decode_note(log.note(7))
    return encode_request(0, (), Note(text=signed.text, signatures=(FOREIGN.signer.sign(signed.text),)).encode())


def findings(state: State) -> list[tuple[Finding, int, int]]:
    (log,) = state.logs()
    return [(item.finding, item.checkpoint.size, item.times) for item in log.evidence]


def test_a_log_is_followed_from_its_first_checkpoint_on(state: State) -> None:
    for old, new in ((0, 7), (7, 23), (23, 23), (23, 40)):
        assert cosigned_at(witness(state).add_checkpoint(LOG.request(old, new)), LOG.note(new)) == NOW_S
    (log,) = state.logs()
    assert log.newest is not None
    assert (log.newest.checkpoint, log.newest.cosigned_at_s) == (LOG.head(40), NOW_S)
    assert not log.evidence


def test_the_time_is_that_of_the_clock(state: State) -> None:
    assert cosigned_at(witness(state, 5).add_checkpoint(LOG.request(0, 7)), LOG.note(7)) == 5


def test_the_newest_checkpoint_is_kept_with_the_signatures_of_log_and_witness_alone(state: State) -> None:
    assert witness(state).newest_note(origin_hash(ORIGIN)) is None
    signed = decode_note(LOG.note(7))
    stranger = FOREIGN.signer.sign(signed.text)
    body = encode_request(0, (), Note(text=signed.text, signatures=(stranger, *signed.signatures)).encode())
    witness(state).add_checkpoint(body)
    kept = witness(state).newest_note(origin_hash(ORIGIN))
    assert kept is not None
    known = verify_note(decode_note(kept), (LOG.signer.verifier, WITNESS.verifier))
    assert len(known) == len(decode_note(kept).signatures) == 2
    assert decode_checkpoint(kept)[0] == LOG.head(7)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"old 0\n", 400, b"a request is"),
        (LOG.request(8, 7), 400, b"the old size is larger"),
        (FOREIGN.request(0, 7), 404, b"does not know the log"),
        (foreign_signature(LOG), 403, b"no key"),
        (LOG.request(7, 23).replace(b"old 7\n", b"old 7\n" + b"A" * 43 + b"=\n"), 422, b"the consistency proof"),
        (TWIN.request(7, 7), 409, b"another root"),
    ],
)
def test_each_refusal_is_said_in_words_and_changes_nothing(state: State, body: bytes, status: int, said: bytes) -> None:
    witness(state).add_checkpoint(LOG.request(0, 7))
    (before,) = state.logs()
    answer = witness(state, NOW_S + 1).add_checkpoint(body)
    assert (answer.status, answer.media_type) == (status, "text/plain; charset=utf-8")
    assert said in answer.body
    assert state.logs()[0].newest == before.newest


def test_a_stale_old_size_is_answered_with_the_size(state: State) -> None:
    stale = Answer(status=409, body=b"0\n", media_type=SIZE_TYPE)
    assert witness(state).add_checkpoint(LOG.request(7, 23)) == stale
    witness(state).add_checkpoint(LOG.request(0, 7))
    assert witness(state).add_checkpoint(LOG.request(0, 23)) == Answer(status=409, body=b"7\n", media_type=SIZE_TYPE)


def test_the_log_of_another_project_is_witnessed_under_its_own_key(state: State) -> None:
    state.add_log(FOREIGN.origin, FOREIGN.signer.verifier)
    assert cosigned_at(witness(state).add_checkpoint(FOREIGN.request(0, 7)), FOREIGN.note(7)) == NOW_S
    assert cosigned_at(witness(state).add_checkpoint(FOREIGN.request(7, 40)), FOREIGN.note(40)) == NOW_S
    assert [log.newest and log.newest.checkpoint for log in state.logs()] == [None, FOREIGN.head(40)]


def test_a_key_that_is_trusted_for_one_log_signs_nothing_for_another(state: State) -> None:
    state.add_log(FOREIGN.origin, FOREIGN.signer.verifier)
    assert witness(state).add_checkpoint(foreign_signature(LOG)).status == 403


# ---- evidence


def test_two_signed_histories_are_kept_as_evidence(state: State) -> None:
    witness(state).add_checkpoint(LOG.request(0, 7))
    for _ in range(2):
        witness(state, NOW_S + 9).add_checkpoint(TWIN.request(7, 7))
    (log,) = state.logs()
    (found,) = log.evidence
    assert (found.finding, found.checkpoint, found.times) == (Finding.CONFLICT, TWIN.head(7), 2)
    assert (found.note, found.first_seen_s) == (TWIN.note(7), NOW_S + 9)
    # Both are signed by the log, and need nothing else to be believed.
    for note in (found.note, found.known):
        assert LOG.signer.verifier in {known.verifier for known in verify_note(decode_note(note), log.keys)}
    assert decode_checkpoint(found.known)[0] == LOG.head(7)


def test_evidence_outlives_what_is_cosigned_afterwards(state: State) -> None:
    witness(state).add_checkpoint(LOG.request(0, 7))
    witness(state).add_checkpoint(TWIN.request(0, 7))
    witness(state).add_checkpoint(LOG.request(7, 40))
    assert findings(state) == [(Finding.CONFLICT, 7, 1)]


def test_a_checkpoint_that_is_proven_later_is_no_evidence(state: State) -> None:
    witness(state).add_checkpoint(LOG.request(0, 7))
    witness(state).add_checkpoint(encode_request(7, (), LOG.note(23)))
    assert findings(state) == [(Finding.UNPROVEN, 23, 1)]
    witness(state).add_checkpoint(LOG.request(7, 23))
    assert findings(state) == []


def test_a_fork_that_grew_stays_unproven(state: State) -> None:
    witness(state).add_checkpoint(LOG.request(0, 7))
    witness(state).add_checkpoint(TWIN.request(7, 23))
    witness(state).add_checkpoint(LOG.request(7, 23))
    assert findings(state) == [(Finding.UNPROVEN, 23, 1)]


def test_what_the_log_did_not_sign_is_not_kept(state: State) -> None:
    witness(state).add_checkpoint(LOG.request(0, 7))
    assert witness(state).add_checkpoint(foreign_signature(TWIN)).status == 403
    assert findings(state) == []


def test_evidence_is_bounded_and_what_has_no_room_is_counted(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_KEPT == 64
    monkeypatch.setattr(rows, "MAX_KEPT", 3)
    witness(state).add_checkpoint(LOG.request(0, 7))
    for size in range(8, 14):
        witness(state).add_checkpoint(encode_request(7, (), LOG.note(size)))
    # A flood of what anybody can send leaves room for what only the log can have signed.
    witness(state).add_checkpoint(TWIN.request(7, 7))
    (log,) = state.logs()
    assert findings(state) == [(Finding.CONFLICT, 7, 1)] + [(Finding.UNPROVEN, size, 1) for size in (8, 9, 10)]
    assert log.beyond == {Finding.UNPROVEN: 3}
    assert (log.count(Finding.UNPROVEN), log.count(Finding.CONFLICT)) == (6, 1)


# ---- one after the other


def test_of_two_histories_at_one_moment_one_is_cosigned(state: State, tmp_path: Path) -> None:
    """The second comes, from another connection, when the first is decided and not yet written."""
    with closing(State(tmp_path / "witness.db")) as other:
        second: list[Answer] = []
        thread = threading.Thread(target=lambda: second.append(witness(other).add_checkpoint(TWIN.request(0, 7))))

        def in_between() -> int:
            thread.start()
            thread.join(0.2)
            return NOW_S

        first = Witness(state, (WITNESS,), in_between).add_checkpoint(LOG.request(0, 7))
        thread.join()
    assert first.status == 200
    assert second == [Answer(status=409, body=b"7\n", media_type=SIZE_TYPE)]
    assert findings(state) == [(Finding.CONFLICT, 7, 1)]


def test_without_the_transaction_both_histories_would_be_cosigned(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def bare(self: State) -> Iterator[Transaction]:
        yield Transaction(self._connection)

    with closing(State(tmp_path / "witness.db")) as other:
        monkeypatch.setattr(State, "deciding", bare)
        second: list[Answer] = []

        def in_between() -> int:
            second.append(witness(other).add_checkpoint(TWIN.request(0, 7)))
            return NOW_S

        first = Witness(state, (WITNESS,), in_between).add_checkpoint(LOG.request(0, 7))
    assert cosigned_at(first, LOG.note(7)) == cosigned_at(second[0], TWIN.note(7)) == NOW_S


def test_without_remembering_both_histories_would_be_cosigned(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Transaction, "put_newest", lambda _self, _newest: None)
    for log in (LOG, TWIN):
        assert cosigned_at(witness(state).add_checkpoint(log.request(0, 7)), log.note(7)) == NOW_S


def test_when_signing_fails_nothing_is_remembered(state: State) -> None:
    with refused(Code.USAGE, UsageError):
        witness(state, 0).add_checkpoint(LOG.request(0, 7))
    assert state.logs()[0].newest is None
    assert witness(state).add_checkpoint(LOG.request(0, 7)).status == 200


def test_when_the_store_fails_nobody_is_answered(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    state._connection.execute("CREATE TRIGGER no BEFORE INSERT ON newest BEGIN SELECT RAISE(ABORT, 'no'); END")
    with refused(Code.STORE, OperationalError):
        witness(state).add_checkpoint(LOG.request(0, 7))
    state._connection.execute("DROP TRIGGER no")
    assert state.logs()[0].newest is None
