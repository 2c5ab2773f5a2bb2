"""F6, F7 and F19: the client's own disk is full, fails, or its process is killed at a durable system call.

Nothing sealed leaves before the state that sealed it is on disk, no counter is used twice, and what was
said to be queued is there afterwards.
"""

from __future__ import annotations

import os
import random
import re
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from amanah_client import effects as e
from amanah_client import model
from amanah_client.core import ClientCore
from amanah_client.saying import saying
from amanah_client.search.folding import fold
from amanah_client.search.words import words_of
from amanah_client.store import LocalStore
from amanah_client.store.noting import body_of
from amanah_client.store.rows import decode_row
from amanah_protocol.content.sealed import Content, View, encode_content
from amanah_protocol.content.text import Text
from amanah_protocol.crypto import sha256
from amanah_protocol.envelope import decode_envelope
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.labels import Label, Pap
from amanah_protocol.types import DeviceId, EnvelopeId, OrgName, RoomId
from tests.client.core.world import seeded
from tests.engines import ENGINES
from tests.faults.test_kill import strace_works
from tests.relay.people import key_of
from tests.simulation.client_store import ClientStore
from tests.simulation.durable import durable_build
from tests.simulation.runner import run_seed

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = bytes(range(32))
KILLS = 10
"""A run of the long form multiplies this: `make campaign`."""
STORM_MS = 20_000
BROKEN_COMMITS = 150
"""So many commits of a client meet a disk that may fail."""
ROOM = RoomId(b"r" * 16)


# ---- killed at durable system calls


def live(path: Path, *prefix: str) -> list[list[str]]:
    """A life of the client to its end, or until it is killed; gives what it told, line by line."""
    command = [*prefix, sys.executable, "-m", "tests.faults.client_life", str(path), KEY.hex()]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True)
    assert "Traceback" not in ran.stderr, ran.stderr
    return [line.split() for line in ran.stdout.splitlines()]


def check_index(store: LocalStore) -> int:
    """What is indexed is what the stored messages say, all of it and nothing else; gives how many say something."""
    with store._database.reading() as connection:  # noqa: SLF001 - nobody else looks into the index
        connection.execute("INSERT INTO found (found) VALUES ('integrity-check')")
        indexed = dict(connection.execute("SELECT rowid, words FROM found").fetchall())
        stored = connection.execute("SELECT id, row FROM message").fetchall()
    bodies = {number: body_of(decode_row(data, model.MessageRow)) for number, data in stored}
    assert indexed == {number: fold(words_of(body)) for number, body in bodies.items() if words_of(body)}
    return len(indexed)


def check_life(path: Path, told: list[list[str]]) -> int:
    """What the store holds covers all that was told; gives how many envelopes had left."""
    store = LocalStore(path, KEY)
    try:
        snapshot = store.snapshot()
        rows = {row.room: row for row in snapshot.rooms}
        left = [
            (RoomId(bytes.fromhex(line[1])), int(line[2]), bytes.fromhex(line[3])) for line in told if line[0] == "left"
        ]
        for room, counter, encoded in left:
            assert rows[room].counter >= counter, "a restart would sign this counter again"
            message = store.message(room, decode_envelope(encoded).id)
            assert message is not None, "it left before it was stored"
            assert message.encoded == encoded
        for line in told:
            if line[0] == "queued":
                assert store.intent(line[1]) is not None, "it was said to be queued"
        check_index(store)
        ClientCore(snapshot, key=key_of("device A"), random=seeded("again"), engines=ENGINES)
        return len(left)
    finally:
        store.close()


def test_a_client_that_lives_to_its_end_has_stored_all_that_left(tmp_path: Path) -> None:
    told = live(tmp_path / "store.db")
    assert told[-1] == ["done"]
    assert check_life(tmp_path / "store.db", told) > 10


@pytest.mark.slow
def test_a_client_killed_at_durable_system_calls_has_stored_all_that_left(tmp_path: Path, scale: int) -> None:
    if not strace_works():
        pytest.skip("skipped: strace is not here or may not trace")
    trace = tmp_path / "trace"
    calls = "pwrite64,fdatasync,fsync"
    told = live(tmp_path / "whole.db", "strace", "-f", "-qq", "-o", str(trace), "-e", f"trace={calls}")
    assert told[-1] == ["done"]
    count = Counter(re.findall(r"\b(pwrite64|fdatasync|fsync)\(", trace.read_text(encoding="utf-8")))
    places = random.Random(7)
    deaths = left = 0
    for number in range(KILLS * scale):
        call = places.choice(sorted(count))
        when = places.randint(count[call] // 4, count[call])
        path = tmp_path / f"{number}.db"
        inject = f"inject={call}:signal=SIGKILL:when={when}"
        told = live(path, "strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", inject)
        if any(line[0] == "queued" for line in told):
            deaths += told[-1] != ["done"]
            left += check_life(path, told)
    assert deaths > KILLS // 3, "hardly a life ended early"
    assert left, "nothing had left in any life: the test would show nothing"


# ---- a disk that fails or is full


@contextmanager
def room_on_disk(path: Path, more_bytes: int) -> Iterator[None]:
    """For a while files may grow to so many bytes more than the store's log has now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + more_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class FailingStore(LocalStore):
    """A real store whose disk lets every few commits down: at another byte each time.

    Its disk is mended in the end.
    """

    left: int = BROKEN_COMMITS
    path: Path
    source: random.Random
    failed: list[str]

    def commit(self, writes: tuple[e.Write, ...]) -> None:
        self.left -= 1
        if self.left < 0 or self.source.randrange(6):
            super().commit(writes)
            return
        try:
            with room_on_disk(self.path, self.source.choice((0, 24, 2_000, 4_200, 9_000, 20_000))):
                super().commit(writes)
        except OperationalError:
            self.failed.append(self.path.name)
            raise


def failing(folder: Path, seed: int, failed: list[str]) -> Callable[[str, model.Snapshot], ClientStore]:
    """Stores of this kind for all clients of a world."""

    def make(name: str, profile: model.Snapshot) -> ClientStore:
        store = FailingStore(folder / f"{name}.db", sha256(name.encode()), create=True)
        store.path, store.source, store.failed = folder / f"{name}.db", random.Random(f"{seed}/{name}"), failed
        store.install(
            certificate=profile.certificate,
            enrolment=profile.enrolment,
            profile=profile.profile,
            roster=profile.roster,
        )
        return store

    return make


@pytest.mark.slow
def test_disks_that_fail_at_any_byte_lose_nothing_double_nothing_and_alarm_nobody(tmp_path: Path, scale: int) -> None:
    """Those that fail after they were durable are the world's own fault, "client store fails"."""
    failed: list[str] = []
    for seed in range(scale):
        folder = tmp_path / str(seed)
        folder.mkdir()
        with durable_build(folder) as build:
            broken = replace(build, client_store=failing(folder, seed, failed))
            run = run_seed(seed, broken, storm_ms=STORM_MS, wanted=("client store fails",))
        assert not run.violations, run.report()
    assert len(failed) > 20, "hardly a commit failed: the test would show nothing"


def said(number: int, text: str) -> model.MessageRow:
    view = View(log_size=0, log_root=bytes(32), log_signature=b"", room_seq=0, room_head=bytes(32))
    content = Content(
        message_id=bytes(16),
        written_at_ms=1,
        label_number=Label.AMBER,
        pap_number=Pap.AMBER,
        view=view,
        body=Text(text=text),
    )
    return replace(message(number), encoded=b"envelope", content=encode_content(content))


def test_a_disk_that_fails_at_any_byte_keeps_the_index_with_the_messages(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = LocalStore(path, KEY, create=True)
    failed = 0
    for number in range(1, 60):
        writes: list[e.Write] = [e.PutMessage(row=said(number, f"words number{number} " * 40))]
        if number % 3 == 0:
            erased = said(number // 3, "").envelope
            writes.append(e.EraseContent(room=ROOM, envelopes=(erased,), by=None))
        try:
            with room_on_disk(path, 997 * number % 30_000):
                store.commit(tuple(writes))
        except OperationalError:
            failed += 1
            assert check_index(store) <= number
    assert 5 < failed < 55, "all or none of the commits failed: the test would show nothing"
    assert check_index(store) > 5
    store.close()
    again = LocalStore(path, KEY)
    assert check_index(again) > 5
    again.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one mebibyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "amanah-test", str(folder)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("skipped: a small file system needs the rights of root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, capture_output=True)


def message(number: int) -> model.MessageRow:
    return model.MessageRow(
        room=ROOM,
        envelope=EnvelopeId(number.to_bytes(32, "big")),
        room_seq=None,
        index=None,
        accepted_at_ms=None,
        previous=None,
        encoded=os.urandom(30_000),
        sender=DeviceId(bytes(32)),
        organisation=OrgName("cert.example.tn"),
        kind=4,
        label=Label.AMBER,
        label_differs=False,
        sent_at_ms=1,
        written_at_ms=1,
        state=model.MessageState.SENT,
    )


def fill(store: LocalStore) -> tuple[int, Code | None]:
    """Store until it is refused; gives how many messages are in, and why no more."""
    for number in range(100):
        try:
            store.commit((e.PutMessage(row=message(number)),))
        except OperationalError as error:
            return number, error.code
    return 100, None


def test_a_full_disk_is_named_keeps_what_was_stored_and_works_again_when_there_is_room(small_disk: Path) -> None:
    store = LocalStore(small_disk / "store.db", KEY, create=True)
    stored, code = fill(store)
    assert code is Code.DISK_FULL
    assert 3 < stored < 100
    assert [row.envelope[-1] for row in store.messages(ROOM)] == list(range(stored)), "reading goes on"
    with pytest.raises(OperationalError) as again:
        store.add_intent(
            model.Intent(id="a" * 32, action=saying(ROOM, Text(text="x" * 65_000), label=Label.GREEN), created_at_ms=1)
        )
    assert again.value.code is Code.DISK_FULL
    assert store.intent("a" * 32) is None, "what was refused is not there"
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True, capture_output=True)
    store.commit((e.PutMessage(row=message(stored)),))
    assert len(store.messages(ROOM)) == stored + 1
    store.close()
