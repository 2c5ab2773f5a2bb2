"""A keystore's write under faults of the disk and under SIGKILL: the old key set or the new one."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import pytest

from amanah_client.keystore import KeyFile, Keystore, create_key_file, create_keystore, open_keystore
from amanah_protocol.errors import AmanahError, Code, OperationalError, UsageError

CALLS: Final = (
    (os, "open"),
    (os, "read"),
    (os, "write"),
    (os, "fsync"),
    (os, "replace"),
    (os, "unlink"),
    (fcntl, "flock"),
)
KILLER: Final = Path(__file__).with_name("kill_keystore.py")


@dataclass(slots=True, kw_only=True)
class Faults:
    """Fails the numbered system call, and all after it when it persists.

    A write that fails has written half of its bytes, as on a disk that fills up.
    """

    at: int
    number: int
    persists: bool
    seen: int = 0
    patch: pytest.MonkeyPatch = field(default_factory=pytest.MonkeyPatch)

    def __enter__(self) -> Self:
        for module, name in CALLS:
            self.patch.setattr(module, name, self._wrap(name, getattr(module, name)))
        return self

    def __exit__(self, *_: object) -> None:
        self.patch.undo()

    def _wrap(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - stands in for any system call
            self.seen += 1
            if self.seen == self.at or (self.persists and self.seen > self.at):
                if name == "write":
                    original(arguments[0], arguments[1][: len(arguments[1]) // 2])
                raise OSError(self.number, os.strerror(self.number))
            return original(*arguments, **options)

        return call


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A keystore with the secret `old`, and two key files, of which the first opens it."""

    path: Path
    old: KeyFile
    new: KeyFile

    def open_either(self) -> Keystore:
        """Open with the one key file or the other; exactly one fits."""
        opened = []
        for unlock in (self.old, self.new):
            try:
                opened.append(open_keystore(self.path, unlock))
            except UsageError as error:
                assert error.code is Code.PASSPHRASE  # noqa: PT017 - one of the two has to fit
        assert len(opened) == 1
        return opened[0]


def make_profile(folder: Path) -> Profile:
    folder.mkdir()
    old, new = create_key_file(folder / "old"), create_key_file(folder / "new")
    create_keystore(folder / "keystore", old, {"device": b"old"})
    return Profile(path=folder / "keystore", old=old, new=new)


def put(keystore: Keystore, _: Profile) -> None:
    keystore.put("device", b"new")


def change_unlock(keystore: Keystore, profile: Profile) -> None:
    keystore.change_unlock(profile.new)


@pytest.mark.parametrize("persists", [False, True])
@pytest.mark.parametrize(
    ("number", "code"), [(errno.ENOSPC, Code.DISK_FULL), (errno.EDQUOT, Code.DISK_FULL), (errno.EACCES, Code.STORE)]
)
@pytest.mark.parametrize("action", [put, change_unlock])
def test_a_fault_in_any_system_call_leaves_the_old_or_the_new_keystore(
    tmp_path: Path,
    action: Callable[[Keystore, Profile], None],
    number: int,
    code: Code,
    persists: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    for step in itertools.count(1):
        profile = make_profile(tmp_path / str(step))
        keystore = open_keystore(profile.path, profile.old)
        failed = None
        with Faults(at=step, number=number, persists=persists) as faults:
            try:
                action(keystore, profile)
            except AmanahError as error:
                failed = error
        opened = profile.open_either()
        if faults.seen < step:
            assert failed is None
            assert faults.seen > 12
            return
        if failed is None:
            assert not persists  # only a clean-up may fail without a word
        else:
            assert failed.code in {code, Code.CONFIG}  # CONFIG: the new key file could not be read
        assert opened.secrets["device"] in {b"old", b"new"}
        action(keystore, profile)
        assert profile.open_either().secrets == keystore.secrets
        assert not list(profile.path.parent.glob("*.new"))


@pytest.mark.parametrize("persists", [False, True])
def test_a_fault_while_a_keystore_is_made_leaves_none_or_a_whole_one(tmp_path: Path, persists: bool) -> None:  # noqa: FBT001 - a parameter of the test
    key = create_key_file(tmp_path / "key")
    for step in itertools.count(1):
        path = tmp_path / str(step)
        with Faults(at=step, number=errno.ENOSPC, persists=persists) as faults:
            try:
                create_keystore(path, key, {"device": b"new"})
            except AmanahError as error:
                assert error.code in {Code.DISK_FULL, Code.CONFIG}  # noqa: PT017 - some steps fail, the last does not
        if path.exists():
            assert open_keystore(path, key).secrets == {"device": b"new"}
        if faults.seen < step:
            assert path.exists()
            assert faults.seen > 6
            return


def test_a_fault_while_a_key_file_is_made_leaves_none(tmp_path: Path) -> None:
    for step in itertools.count(1):
        path = tmp_path / str(step)
        with Faults(at=step, number=errno.ENOSPC, persists=False) as faults:
            try:
                create_key_file(path)
            except OperationalError as error:
                assert error.code is Code.DISK_FULL  # noqa: PT017 - some steps fail, the last does not
                assert not path.exists()
        if faults.seen < step:
            assert path.exists()
            assert faults.seen > 3
            return


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process forks itself to be killed at each step")
@pytest.mark.parametrize("action", ["put", "change_unlock"])
def test_sigkill_in_any_system_call_leaves_the_old_or_the_new_keystore(tmp_path: Path, action: str) -> None:
    run = subprocess.run([sys.executable, str(KILLER), str(tmp_path), action], capture_output=True, check=True)
    kills = int(run.stdout) - 1
    assert kills > 12
    devices, old_opens = [], []
    for number in range(1, kills + 2):
        folder = tmp_path / str(number)
        profile = Profile(path=folder / "keystore", old=KeyFile(path=folder / "old"), new=KeyFile(path=folder / "new"))
        keystore = profile.open_either()
        devices.append(keystore.secrets["device"])
        keystore.put("device", b"after")
        assert profile.open_either().secrets["device"] == b"after"
        assert not list(folder.glob("*.new"))
        old_opens.append(opens(profile.path, profile.old))
    if action == "put":
        assert devices == sorted(devices, reverse=True)
        assert set(devices) == {b"old", b"new"}
    else:
        assert old_opens == sorted(old_opens, reverse=True)
        assert set(old_opens) == {True, False}


def opens(path: Path, unlock: KeyFile) -> bool:
    try:
        open_keystore(path, unlock)
    except UsageError:
        return False
    return True


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = make_profile(tmp_path / "profile")
    whole = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:7]))
    open_keystore(profile.path, profile.old).put("device", b"new")
    assert open_keystore(profile.path, profile.old).secrets["device"] == b"new"


def test_each_rename_is_between_the_sync_of_the_file_and_the_sync_of_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = make_profile(tmp_path / "profile")
    keystore = open_keystore(profile.path, profile.old)
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def note_replace(source: Path, target: Path) -> None:
        steps.append(f"rename to {Path(target).name}")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    keystore.put("device", b"new")
    written = ["keystore.previous", "keystore"]
    assert steps == [step for name in written for step in ("sync file", f"rename to {name}", "sync folder")]
    steps.clear()
    create_key_file(tmp_path / "key")
    assert steps == ["sync file", "sync folder"]


def test_a_folder_that_does_not_exist_is_said_so(tmp_path: Path) -> None:
    key = create_key_file(tmp_path / "key")
    with pytest.raises(OperationalError, match="No such file or directory") as caught:
        create_keystore(tmp_path / "nowhere" / "keystore", key, {})
    assert caught.value.code is Code.STORE


def test_a_folder_in_the_place_of_a_keystore_is_said_so(tmp_path: Path) -> None:
    key = create_key_file(tmp_path / "key")
    (tmp_path / "keystore").mkdir()
    with pytest.raises(OperationalError) as caught:
        open_keystore(tmp_path / "keystore", key)
    assert caught.value.code is Code.STORE


def test_a_file_left_behind_by_a_crash_does_not_stop_the_next_write(tmp_path: Path) -> None:
    profile = make_profile(tmp_path / "profile")
    left = profile.path.with_name("keystore.new")
    outside = tmp_path / "outside"
    outside.write_bytes(b"untouched")
    left.symlink_to(outside)
    open_keystore(profile.path, profile.old).put("device", b"new")
    assert open_keystore(profile.path, profile.old).secrets["device"] == b"new"
    assert outside.read_bytes() == b"untouched"
    assert not left.is_symlink()
