"""The witness's memory: what is durable, what is refused, and that it never comes back empty."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from amanah_client.home import Home
from amanah_client.keystore import KeyFile, create_key_file, create_keystore
from amanah_client.mldsa import MlDsaKey
from amanah_client.witness import state as module
from amanah_client.witness.keys import create_witness_keys, open_witness_keys
from amanah_client.witness.state import State
from amanah_client.witness.witness import Witness
from amanah_protocol.crypto import SigningKey
from amanah_protocol.errors import Code, OperationalError, UsageError
from amanah_protocol.log.checkpoint import Checkpoint, encode_body
from amanah_protocol.log.note import Note, decode_note
from amanah_protocol.log.note_keys import NoteSigner, NoteVerifier, SignatureType, verify_note
from amanah_protocol.log.witnessing import decode_answer, encode_request
from tests.client.witness.logs import FOREIGN, LOG, NOW_S, ORIGIN, WITNESS, witness
from tests.protocol.refusal import refused

OTHER = NoteSigner(name="other.example", key=SigningKey.from_seed(b"o" * 32), kind=SignatureType.COSIGNATURE)
PRIVATE = 0o600


def key(number: int) -> NoteVerifier:
    return NoteSigner(name=ORIGIN, key=SigningKey.from_seed(b"%032d" % number)).verifier


def test_every_commit_is_flushed_before_it_returns(state: State, tmp_path: Path) -> None:
    assert state._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert state._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert stat.S_IMODE((tmp_path / "witness.db").stat().st_mode) == PRIVATE


@pytest.mark.parametrize(("mode", "synchronous"), [("delete", 2), ("memory", 2), ("wal", 1)])
def test_a_place_that_does_not_flush_is_refused(mode: str, synchronous: int) -> None:
    module._check_safe(Path("witness.db"), "wal", 2)
    with refused(Code.STORE, OperationalError):
        module._check_safe(Path("witness.db"), mode, synchronous)


def test_what_was_cosigned_is_there_when_it_is_opened_again(state: State, tmp_path: Path) -> None:
    witness(state).add_checkpoint(LOG.request(0, 7))
    before = state.logs()
    state.close()
    with closing(State(tmp_path / "witness.db", (WITNESS.verifier,))) as again:
        assert again.logs() == before
        assert again.own == (WITNESS.verifier,)


def test_a_memory_that_is_gone_does_not_come_back_empty(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is gone") as caught:
        State(tmp_path / "witness.db", (WITNESS.verifier,))
    assert caught.value.code is Code.NO_PROFILE
    assert "may cosign another history" in caught.value.hint
    (tmp_path / "witness.db").touch()
    with pytest.raises(UsageError, match="is empty"):
        State(tmp_path / "witness.db", (WITNESS.verifier,))


def test_a_memory_that_is_there_is_not_overwritten(state: State, tmp_path: Path) -> None:
    with refused(Code.USAGE, UsageError):
        State.create(tmp_path / "witness.db", (WITNESS.verifier,))
    assert state.logs()


def test_the_memory_of_another_witness_is_refused(state: State, tmp_path: Path) -> None:
    with refused(Code.CONFIG, UsageError):
        State(tmp_path / "witness.db", (OTHER.verifier,))
    State(tmp_path / "witness.db").close()


def test_the_memory_of_a_newer_program_is_refused(state: State, tmp_path: Path) -> None:
    state._connection.execute("PRAGMA user_version = 2")
    with refused(Code.UNKNOWN_VERSION, UsageError):
        State(tmp_path / "witness.db")


def test_what_is_no_memory_is_refused_by_a_typed_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "witness.db").write_bytes(b"no database at all" * 99)
    with refused(Code.STORE, OperationalError):
        State(tmp_path / "witness.db")
    monkeypatch.setattr(module, "_ROOM_BYTES", 2**62)
    with refused(Code.DISK_FULL, OperationalError):
        State(tmp_path / "witness.db")

    def no_disk(_: Path) -> None:
        raise OSError

    monkeypatch.setattr(shutil, "disk_usage", no_disk)
    with refused(Code.STORE, OperationalError):
        State(tmp_path / "witness.db")


def test_a_lock_that_somebody_holds_is_told_as_a_fault_of_the_store(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "witness.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        state._connection.execute("PRAGMA busy_timeout = 1")
        with refused(Code.STORE, OperationalError):
            witness(state).add_checkpoint(LOG.request(0, 7))
    assert witness(state).add_checkpoint(LOG.request(0, 7)).status == 200


def test_a_failed_commit_is_no_answer_and_leaves_the_store_usable(state: State) -> None:
    def lost() -> None:
        with state.deciding() as open_one:
            open_one.add_key("x.example", key(1))
            state._connection.execute("ROLLBACK")

    with refused(Code.STORE, OperationalError):
        lost()
    assert [log.origin for log in state.logs()] == [ORIGIN]


# ---- logs


def test_a_log_is_added_once(state: State) -> None:
    assert state.add_log(FOREIGN.origin, FOREIGN.signer.verifier)
    assert not state.add_log(FOREIGN.origin, FOREIGN.signer.verifier)
    assert [(log.origin, log.keys) for log in state.logs()] == [
        (ORIGIN, (LOG.signer.verifier,)),
        (FOREIGN.origin, (FOREIGN.signer.verifier,)),
    ]


def test_a_log_may_change_its_key(state: State) -> None:
    assert state.add_log(ORIGIN, key(1))
    assert len(state.logs()[0].keys) == 2


def test_the_witnesss_own_key_is_no_key_of_a_log(state: State) -> None:
    plain = NoteVerifier(name=ORIGIN, public=WITNESS.verifier.public)
    with refused(Code.USAGE, UsageError):
        state.add_log(ORIGIN, plain)


def test_two_keys_that_nobody_could_tell_apart_are_refused(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amanah_protocol.log.note_keys.sha256", lambda _: bytes(32))
    monkeypatch.setattr("amanah_client.witness.rows.decode_vkey", lambda _: LOG.signer.verifier)
    with pytest.raises(UsageError, match="this name and key id"):
        state.add_log(ORIGIN, key(1))


def test_what_is_no_origin_is_refused(state: State) -> None:
    with refused(Code.MALFORMED, UsageError):
        state.add_log("two\nlines", key(1))


def test_logs_and_keys_are_bounded(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, module.MAX_KEYS):
        state.add_log(ORIGIN, key(number))
    with refused(Code.USAGE, UsageError):
        state.add_log(ORIGIN, key(99))
    monkeypatch.setattr(module, "MAX_LOGS", 1)
    with refused(Code.USAGE, UsageError):
        state.add_log(FOREIGN.origin, FOREIGN.signer.verifier)


# ---- keys


def test_keys_are_made_once_and_opened_again(tmp_path: Path) -> None:
    home = Home(tmp_path / "witness")
    made = create_witness_keys(home, "cert.example.tn/witness")
    assert [signer.verifier for signer in open_witness_keys(home)] == [signer.verifier for signer in made]
    assert {signer.name for signer in made} == {"cert.example.tn/witness"}
    assert [signer.verifier.kind for signer in made] == [SignatureType.COSIGNATURE, SignatureType.ML_DSA_44]
    assert all(stat.S_IMODE(path.stat().st_mode) == PRIVATE for path in (home.key_file, home.keystore))
    with refused(Code.USAGE, UsageError):
        create_witness_keys(home, "cert.example.tn/witness")


def test_a_witness_may_have_a_key_of_ed25519_alone(tmp_path: Path) -> None:
    home = Home(tmp_path / "witness")
    (made,) = create_witness_keys(home, "cert.example.tn/witness", classical=True)
    assert [signer.verifier for signer in open_witness_keys(home)] == [made.verifier]
    assert made.verifier.kind is SignatureType.COSIGNATURE


def test_each_key_cosigns(tmp_path: Path) -> None:
    signers = create_witness_keys(Home(tmp_path / "witness"), "cert.example.tn/witness")
    own = [signer.verifier for signer in signers]
    with closing(State.create(tmp_path / "witness.db", own)) as state:
        state.add_log(ORIGIN, LOG.signer.verifier)
        answer = Witness(state, signers, lambda: NOW_S).add_checkpoint(LOG.request(0, 7))
        (log,) = state.logs()
        assert state.own == tuple(own)
    cosigned = Note(text=decode_note(LOG.note(7)).text, signatures=decode_answer(answer.body))
    assert {(known.verifier, known.time_s) for known in verify_note(cosigned, own)} == {(key, NOW_S) for key in own}
    assert log.newest is not None
    assert len(verify_note(decode_note(log.newest.note), [*own, *log.keys])) == 3


def test_a_log_that_signs_with_ml_dsa_is_witnessed(state: State) -> None:
    """At time 0: it does not say that it knows no larger tree, it is the log."""
    signer = NoteSigner(name="pq.example/log", key=MlDsaKey(b"m" * 32), kind=SignatureType.ML_DSA_44)
    state.add_log("pq.example/log", signer.verifier)
    text = encode_body(Checkpoint(origin="pq.example/log", size=1, root=bytes(32)))
    note = Note(text=text, signatures=(signer.sign(text),)).encode()
    assert witness(state).add_checkpoint(encode_request(0, (), note)).status == 200


def test_a_name_that_no_key_can_have_makes_nothing(tmp_path: Path) -> None:
    with refused(Code.MALFORMED, UsageError):
        create_witness_keys(Home(tmp_path / "witness"), "two words")
    assert not (tmp_path / "witness").exists()


def test_a_folder_without_keys_is_no_witness(tmp_path: Path) -> None:
    with refused(Code.NO_PROFILE, UsageError):
        open_witness_keys(Home(tmp_path))
    home = Home(tmp_path)
    unlock = create_key_file(home.key_file)
    assert isinstance(unlock, KeyFile)
    create_keystore(home.keystore, unlock, {"device": b"x"}).close()
    with pytest.raises(UsageError, match="holds another profile"):
        open_witness_keys(home)
