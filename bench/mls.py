"""Our MLS engine beside AWS mls-rs in one run, and rooms of a thousand members: `make bench-mls`.

Both engines run on suite 0x0001, in this process, with the tree beside the welcome and nothing stored. Joining and
processing are medians over a few members, the rest is one run: read the figures as a proportion, not as a promise. What
an application checks of credentials is in none of them: neither engine is asked to check any here.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Final, NamedTuple

from amanah_protocol.mls.proposals import Add
from amanah_protocol.mls.suites import XWING
from tests.oracles.cast import PYTHON_FOLDER, Cast
from tests.oracles.member import Committed, Framing, Member
from tests.oracles.mls_rs import MlsRs, load
from tests.oracles.room import key_package

SIZES: Final = (3, 100, 500)
ROOM_MEMBERS: Final = 1_000
MESSAGES: Final = 200
MESSAGE: Final = bytes(1_024)
PUBLIC: Final = Framing(public=True)
SEALED: Final = Framing(public=False)


class Figures(NamedTuple):
    """Milliseconds of each step, and bytes of what it made."""

    times: dict[str, float]
    sizes: dict[str, int]


MakesMember = Callable[[], Member]


def timed(run: Callable[[], object]) -> float:
    """Milliseconds of one run."""
    began = time.perf_counter()
    run()
    return (time.perf_counter() - began) * 1e3


def median_of(runs: Iterable[Callable[[], object]]) -> float:
    """Median milliseconds of several runs."""
    return median([timed(run) for run in runs])


def add(member: Member, key_packages: Iterable[bytes], framing: Framing) -> Committed:
    """Decode and add; each engine decodes with its own decoder."""
    if isinstance(member, MlsRs):
        return member.commit_adds(list(key_packages))
    proposals = [Add(key_package(encoded)) for encoded in key_packages]
    return member.commit(proposals, framing, renew=False, tree_inside=False)


def measure(make: MakesMember, members: int, framing: Framing) -> Figures:
    """Go through the life of a group of so many."""
    times: dict[str, float] = {}
    founder, others = make(), [make() for _ in range(members - 1)]
    founder.create(b"a group to measure")
    wanted = [other.key_package() for other in others]
    began = time.perf_counter()
    grown = add(founder, wanted, framing)
    founder.merge()
    times["add all in one commit"] = (time.perf_counter() - began) * 1e3
    welcome, tree = grown.welcome, grown.tree
    assert welcome is not None  # noqa: S101 - narrows for mypy: the commit adds
    some = [
        others[index] for index in sorted({0, len(others) // 3, len(others) // 2, len(others) - 2, len(others) - 1})
    ]
    times["join"] = median_of([partial(joiner.join, welcome, tree) for joiner in some])
    committer, *peers = some
    began = time.perf_counter()
    first = committer.commit([], framing, renew=True, tree_inside=False)
    times["first empty commit, create"] = (time.perf_counter() - began) * 1e3
    takers = [founder, *peers]
    times["a peer processes it"] = median_of([partial(taker.take_commit, first.message) for taker in takers])
    committer.merge()
    more = [make().key_package()]
    began = time.perf_counter()
    one = add(committer, more, framing)
    committer.merge()
    times["add one more, create and apply"] = (time.perf_counter() - began) * 1e3
    assert one.welcome is not None  # noqa: S101 - narrows for mypy: the commit adds
    sizes = {
        "welcome to all": len(welcome),
        "first empty commit": len(first.message),
        "add-one commit": len(one.message),
    }
    return Figures(times, sizes)


def measure_messages(make: MakesMember) -> dict[str, float]:
    """Seal and open messages of 1 KiB between two members."""
    sender, reader = make(), make()
    sender.create(b"two")
    made = add(sender, [reader.key_package()], PUBLIC)
    sender.merge()
    assert made.welcome is not None  # noqa: S101 - narrows for mypy: the commit adds
    reader.join(made.welcome, made.tree)
    sealed: list[bytes] = []
    seal = timed(lambda: sealed.extend(sender.seal(MESSAGE, b"") for _ in range(MESSAGES)))
    opened = timed(lambda: [reader.open(message) for message in sealed])
    return {"seal 1 KiB": seal / MESSAGES, "open 1 KiB": opened / MESSAGES}


def compare() -> None:
    """Print both engines' figures on suite 0x0001 and their ratio."""
    cast, wheel = Cast.of(0x0001, (), seed=0, now_s=int(time.time())), load(PYTHON_FOLDER)
    names = (f"{number}".encode() for number in itertools.count())  # mls-rs wants them to differ
    engines: dict[str, MakesMember] = {
        "ours": partial(cast.make, "ours"),
        "mls-rs": lambda: MlsRs(wheel, next(names), tree_inside=False, stores=False),
    }
    print(f"suite 0x0001{'':34}{'ours ms':>10}{'mls-rs ms':>11}{'ratio':>7}")
    message = {name: measure_messages(make) for name, make in engines.items()}
    print_rows("", message["ours"], message["mls-rs"])
    for members in SIZES:
        found = {name: measure(make, members, PUBLIC) for name, make in engines.items()}
        print_rows(f"{members} members: ", found["ours"].times, found["mls-rs"].times)
        for what, size in found["ours"].sizes.items():
            print(f"  {members} members: {what}, bytes: ours {size:,}, mls-rs {found['mls-rs'].sizes[what]:,}")


def print_rows(prefix: str, ours: dict[str, float], theirs: dict[str, float]) -> None:
    """A line each, with the ratio."""
    for what, own in ours.items():
        print(f"{prefix + what:46}{own:10.3f}{theirs[what]:11.3f}{own / theirs[what]:7.2f}")


def measure_room(suite: int) -> None:
    """A room of a thousand in one of the suites that rooms use."""
    cast = Cast.of(suite, (), seed=0, now_s=int(time.time()))
    found = measure(partial(cast.make, "ours"), ROOM_MEMBERS, SEALED)
    print(f"\nours, suite {suite:#06x}, {ROOM_MEMBERS:,} members, sealed handshakes, credential checks apart")
    for what, took in found.times.items():
        print(f"  {what:44}{took:10.1f} ms")
    for what, size in found.sizes.items():
        print(f"  {what:44}{size:10,} bytes")


def main() -> int:
    """Measure and print everything; 2 when mls-rs is not installed."""
    if not PYTHON_FOLDER.is_dir():
        print("oracle absent: `make oracles` installs it", file=sys.stderr)
        return 2
    compare()
    for suite in (0x0003, XWING):
        measure_room(suite)
    return 0


if __name__ == "__main__":
    sys.exit(main())
