"""F4: the power is cut. Killing a process does not show durability, for its dirty pages live on in the kernel.

An ext4 file system on a loop device is shut down by ioctl, without flushing: what was not synced
is gone, as after a power cut. The control runs the same relay with a relaxed sync and must lose.
Limits: a disk that lies about flushes is outside of this, and only ext4 is tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.community import Organisation
from tests.faults.load import Load, now_ms
from tests.faults.relay_home import make_relay

CUTS = 2
"""A run of the long form multiplies this: `make campaign`."""
ACKNOWLEDGED = 60

EXT4_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
"""EXT4_GOING_FLAGS_NOLOGFLUSH: nothing more reaches the disk, not even the journal."""

RELAXED = """
from amanah_relay.store import sqlite
sqlite._SETTINGS = tuple(s.replace("synchronous = FULL", "synchronous = OFF") for s in sqlite._SETTINGS)
sqlite._FULL = 0
"""


@dataclass
class Disk:
    """An ext4 file system whose power can be cut."""

    image: Path
    mount_point: Path

    def mount(self) -> None:
        """Switch it on."""
        run("mount", "-o", "loop", str(self.image), str(self.mount_point))

    def cut(self) -> None:
        """Cut the power: nothing that is not on the disk now will be."""
        descriptor = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self) -> None:
        """Switch it off."""
        run("umount", str(self.mount_point))


def run(*command: str) -> None:
    """Run a system command; its failure tells that this machine does not allow it."""
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    image, mount_point = tmp_path / "disk.img", tmp_path / "disk"
    mount_point.mkdir()
    with image.open("wb") as file:
        file.truncate(96 * 2**20)
    made = Disk(image, mount_point)
    try:
        run("mkfs.ext4", "-q", str(image))
        made.mount()
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"skipped: no ext4 on a loop device here ({type(error).__name__}): root and e2fsprogs are needed")
    try:
        yield made
    finally:
        with contextlib.suppress(subprocess.SubprocessError):
            made.unmount()


@pytest.mark.slow
def test_what_was_acknowledged_is_there_after_a_power_cut(disk: Disk, scale: int) -> None:
    organisation = Organisation("cert.example.tn", now_ms=now_ms())
    home = make_relay(disk.mount_point, [organisation], now_ms=now_ms())
    os.sync()
    try:
        assert home.start()
        load = asyncio.run(Load.begin(home, organisation))
        for _ in range(CUTS * scale):
            asyncio.run(load.run(10, enough=ACKNOWLEDGED))
            disk.cut()
            home.kill()
            disk.unmount()
            disk.mount()
            home.verify()
            load.check(home)
            assert home.start()
        assert len(load.promises) >= ACKNOWLEDGED * CUTS * scale
        asyncio.run(load.settle())
        home.kill()
        load.check(home)
    finally:
        home.kill()


@pytest.mark.slow
def test_with_a_relaxed_sync_the_same_power_cut_loses(disk: Disk) -> None:
    organisation = Organisation("cert.example.tn", now_ms=now_ms())
    home = make_relay(disk.mount_point, [organisation], now_ms=now_ms())
    os.sync()
    try:
        assert home.start(launcher=RELAXED)
        load = asyncio.run(Load.begin(home, organisation))
        asyncio.run(load.run(10, enough=ACKNOWLEDGED))
        assert len(load.promises) >= ACKNOWLEDGED
        disk.cut()
        home.kill()
        disk.unmount()
        disk.mount()
        with pytest.raises(AssertionError, match="acknowledged envelopes are lost"):
            load.check(home)
    finally:
        home.kill()
