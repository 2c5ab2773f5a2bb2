"""A device loses the keys of a room, and gets everything back from a colleague's client: real relay, real programs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from amanah_client import effects as e
from amanah_client.home import Home, open_profile
from tests.end_to_end.nations import PROGRAMS, Nations, amanah
from tests.end_to_end.test_audit import MA, TN, done, nations

__all__ = ["nations"]
ROOM = "Phishing wave"


@contextmanager
def following(home: Path) -> Iterator[None]:
    """A client that somebody left running."""
    process = subprocess.Popen(
        [str(PROGRAMS / "amanah"), "tail"],
        env={**os.environ, "AMANAH_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def lose_keys(home: Path) -> None:
    """What is stored of its rooms' keys is damaged."""
    with open_profile(Home(home), str) as profile:
        profile.store.commit(tuple(e.PutRoom(row=replace(row, group=b"damaged")) for row in profile.store.rooms()))


@pytest.mark.slow
def test_who_lost_the_keys_of_a_room_gets_everything_back_without_a_command(nations: Nations) -> None:
    a, a2, b = nations.enrol("officer a", TN), nations.enrol("officer a2", TN), nations.enrol("officer b", MA)
    for home in (a2, b):
        done(home, "room", "list")
    done(a, "room", "create", ROOM, "--label", "TLP:AMBER")
    for nation in (TN, MA):
        done(a, "room", "invite", ROOM, nation)
    done(b, "send", ROOM, "before")
    assert "before" in done(a2, "read", ROOM).out
    lose_keys(a2)
    done(b, "send", ROOM, "said meanwhile")
    # Nobody of its organisation is there: it says so, and waits.
    alone = done(a2, "read", ROOM)
    assert "[cannot be read: state-lost (STATE_LOST)" in alone.out
    assert json.loads(done(a2, "room", "show", ROOM, "--json").out)["unreadable"] == {"state-lost": 1}
    found = json.loads(amanah(a2, "doctor", "--json").out)
    assert [room["causes"] for room in found["unreadable"]] == [{"state-lost": 1}]
    with following(a):
        followed = done(a2, "tail", ROOM, "--until-idle", "20")
    assert "[repaired by officer a, cert.example.tn]: said meanwhile" in followed.out
    said = {line["text"]: line for line in json.loads(done(a2, "read", ROOM, "--json").out) if line.get("text")}
    assert list(said) == ["before", "said meanwhile"]
    assert said["said meanwhile"]["mending"] == "done"
    assert said["said meanwhile"]["repaired_by"]["organisation"] == TN
    assert said["said meanwhile"]["sender"]["organisation"] == MA
    assert json.loads(done(a2, "room", "show", ROOM, "--json").out)["unreadable"] == {}
    done(a2, "send", ROOM, "here again")
    assert "here again" in done(b, "read", ROOM).out
