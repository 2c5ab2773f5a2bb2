"""A program that writes to a store until something stops it; whoever started it looks at what is left.

`writing.py URL append`   appends for ever and says each size once it is durable;
`writing.py URL limited`  meets the limit of a file's size in the middle of a commit, then goes on;
`writing.py URL sync`     appends until a sync fails, then goes on;
`writing.py URL full`     fills the disk, goes on reading, makes room and goes on appending.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from amanah_protocol.errors import OperationalError
from amanah_protocol.limits import MIB
from amanah_relay.store import Store
from tests.relay.store.asking import size_of
from tests.relay.store.sequence import Sequence, roster
from tests.vectors import examples as x


def say(*words: object) -> None:
    """One line, at once."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def opened(url: str) -> Store:
    """The store, made if there is none."""
    if Path(url.removeprefix("sqlite:///")).exists():
        return Store.open(url)
    return Store.init(url, roster=roster(), origin=x.ORIGIN, now_ms=x.NOW_MS)


def loaded(store: Store) -> Sequence:
    """The end of the log, behind the creation of the room."""
    log = Sequence.behind(store.load())
    if x.ROOM not in log.heads:
        store.append(log.batch(log.create()))
    return log


def append_for_ever(store: Store) -> None:
    """Say each size after it is durable, and sometimes move the WAL."""
    log = loaded(store)
    while True:
        store.append(log.batch(*log.messages(7)))
        say(log.frontier.size)
        if log.batches % 5 == 0:
            store.checkpoint()


def append_until_it_fails(store: Store, log: Sequence) -> None:
    """Append large contents; say the code of the first failure, and of the next attempt."""
    durable = log.frontier.size
    while try_to_append(store, log):
        durable = log.frontier.size
    try_to_append(store, log)
    say("read", size_of(store) - durable)


def try_to_append(store: Store, log: Sequence) -> bool:
    """Say the code when it fails."""
    try:
        store.append(log.batch(log.envelope(content=os.urandom(100_000))))
    except OperationalError as error:
        say(error.code, error.detail)
        return False
    return True


def go_on(store: Store) -> None:
    """Load, append one, verify everything."""
    log = loaded(store)
    store.append(log.batch(log.envelope()))
    say("verified", store.verify_log().size - log.frontier.size)


def main(url: str, mode: str) -> None:
    """Run one of the modes."""
    ballast = Path(url.removeprefix("sqlite:///")).with_name("ballast")
    if mode == "full":
        ballast.write_bytes(bytes(MIB))
    store = opened(url)
    if mode == "append":
        append_for_ever(store)
    log = loaded(store)
    if mode == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (350_000, resource.RLIM_INFINITY))
    append_until_it_fails(store, log)
    if mode == "full":
        # Again as it is, and as a relay that was started again finds it.
        for again in (store, Store.open(url)):
            log = Sequence.behind(again.load())
            say("loaded", log.frontier.size - size_of(again))
            try_to_append(again, log)
        again.close()
        ballast.unlink()
    if mode == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    go_on(store)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
