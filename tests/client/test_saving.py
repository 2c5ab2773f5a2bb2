"""Saving a file: whole and verified or not at all, under a name that is free and safe, a sample in its container."""

from __future__ import annotations

import errno
import importlib.util
import os
from pathlib import Path
from typing import Any, Final

import pytest
import pyzipper

from amanah_client.saving import PASSWORD, save
from amanah_client.spool import Spool
from amanah_protocol.content.file import File
from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, OperationalError, UsageError, VerifyError
from amanah_protocol.limits import ATTACHMENT_CHUNK_BYTES
from tests.protocol.refusal import refused

KEY: Final = bytes(range(32))
MESSAGE: Final = bytes(range(16))
DATA: Final = b"MZ harmful " * (ATTACHMENT_CHUNK_BYTES // 6)


class Here:
    """A fetched file and a folder to save it in."""

    def __init__(self, folder: Path) -> None:
        self.to = folder / "to"
        self.to.mkdir()
        source = folder / "source"
        source.write_bytes(DATA)
        sealed = Spool(folder / "files").seal(source, key=KEY, message_id=MESSAGE)
        (self.sealed,) = (folder / "files").iterdir()
        self.fields: dict[str, Any] = {
            "name": "report.pdf",
            "size": sealed.size,
            "digest": sealed.digest,
            "key": KEY,
            "attachment": sealed.attachment,
        }

    def save(self, *, container: bool = False, message_id: bytes = MESSAGE, **changes: Any) -> Path:  # noqa: ANN401 - fields of a file
        return save(self.sealed, File(**(self.fields | changes)), message_id, self.to, container=container)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.to.iterdir())


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_a_file_is_saved_for_its_user_alone_and_cannot_be_run(here: Here) -> None:
    old = os.umask(0)
    try:
        made = here.save(name="../../bin/run\u202e.sh")
    finally:
        os.umask(old)
    assert made == here.to / "run.sh"
    assert made.read_bytes() == DATA
    assert made.stat().st_mode & 0o7777 == 0o600
    assert here.names() == ["run.sh"]


def test_no_name_that_is_taken_is_taken_again(here: Here) -> None:
    (here.to / "report.pdf").write_bytes(b"mine")
    (here.to / "report (2).pdf").symlink_to(here.to / "nowhere")
    assert here.save().name == "report (3).pdf"
    assert here.save().name == "report (4).pdf"
    assert (here.to / "report.pdf").read_bytes() == b"mine"
    assert not (here.to / "nowhere").exists()


def test_where_there_are_no_links_a_name_is_taken_before_it_is_used(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", none)
    (here.to / "report.pdf").write_bytes(b"mine")
    made = here.save()
    assert (made.name, made.read_bytes()) == ("report (2).pdf", DATA)
    assert here.names() == ["report (2).pdf", "report.pdf"]


def test_a_folder_full_of_that_name_is_said_to_be(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("amanah_client.saving._MOST_NAMES", 2)
    here.save()
    with refused(Code.USAGE, UsageError):
        here.save()
    assert here.names() == ["report.pdf"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"key": bytes(32)}, Code.OPEN),
        ({"message_id": bytes(16)}, Code.OPEN),
        ({"size": len(DATA) - 1}, Code.OPEN),
        ({"size": ATTACHMENT_CHUNK_BYTES}, Code.OPEN),
        ({"digest": sha256(b"harmless")}, Code.CONTENT_HASH),
    ],
)
@pytest.mark.parametrize("container", [False, True])
def test_what_does_not_hold_leaves_nothing(here: Here, changes: dict[str, Any], code: Code, container: bool) -> None:  # noqa: FBT001 - a case of the test
    with refused(code, VerifyError):
        here.save(container=container, **changes)
    assert here.names() == []


def test_bytes_behind_the_last_chunk_are_not_passed_over(here: Here) -> None:
    with here.sealed.open("ab") as file:
        file.write(b"x")
    with refused(Code.OPEN, VerifyError):  # they stand in the last chunk
        here.save()
    with here.sealed.open("r+b") as file:
        file.truncate(len(here.sealed.read_bytes()) - 1)
    exact = DATA[:ATTACHMENT_CHUNK_BYTES]
    source = here.to.parent / "exact"
    source.write_bytes(exact)
    spool = Spool(here.to.parent / "more")
    sealed = spool.seal(source, key=KEY, message_id=MESSAGE)
    (path,) = (here.to.parent / "more").iterdir()
    with path.open("ab") as file:
        file.write(b"x")
    found = File(**(here.fields | {"size": sealed.size, "digest": sealed.digest, "attachment": sealed.attachment}))
    with refused(Code.CONTENT_HASH, VerifyError):
        save(path, found, MESSAGE, here.to)
    assert here.names() == []


def test_a_full_disk_leaves_nothing(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with refused(Code.DISK_FULL, OperationalError):
        here.save()
    assert here.names() == []


def test_an_error_of_the_disk_while_it_is_named_leaves_nothing(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "input/output error")

    monkeypatch.setattr(os, "link", fail)
    with refused(Code.STORE, OperationalError):
        here.save()
    assert here.names() == []


def test_what_is_no_folder_is_refused(here: Here) -> None:
    here.to = here.sealed
    with refused(Code.NOT_FOUND, UsageError):
        here.save()


@pytest.mark.parametrize("changes", [{"sample": True}, {"container": True}])
def test_a_container_is_what_analysts_expect_and_holds_no_plain_byte(here: Here, changes: dict[str, Any]) -> None:
    made = here.save(name="invoice.exe", **changes)
    assert made.name == "invoice.exe.zip"
    assert made.stat().st_mode & 0o7777 == 0o600
    assert b"harmful" not in made.read_bytes()
    with pyzipper.AESZipFile(made) as archive:
        (member,) = archive.infolist()
        assert (member.filename, member.file_size, member.external_attr >> 16 & 0o111) == ("invoice.exe", len(DATA), 0)
        with pytest.raises(RuntimeError, match="password"):
            archive.read(member)
        archive.setpassword(PASSWORD)
        assert archive.read(member) == DATA
    assert PASSWORD == b"infected"


def test_a_sample_without_the_extra_is_not_saved_bare(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pyzipper" else real(name))
    with refused(Code.CONFIG, UsageError):
        here.save(sample=True)
    assert here.names() == []
    assert here.save().read_bytes() == DATA
