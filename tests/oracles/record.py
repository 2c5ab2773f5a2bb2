"""Record histories as transcripts that a client can follow: `python -m tests.oracles.record`.

Written to `tests/vectors/transcripts/`, in the working group's passive-client format with fields of our own: `engines`
that took part; for each epoch `exported` (label and context stand in `tests.oracles.member`), `application` messages
(`sealed`, `data`, `authenticated_data`), and the `group_info` by which somebody joined with the epoch's commit. One of
ours joins with the first commit and only reads; its private keys and the pre-shared keys are in the transcript, and
protect nothing. Keys of other engines are fresh at each recording, so a recording is never the same bytes again.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from amanah_protocol.mls.framing import ContentType, PrivateMessage, PublicMessage, SenderType, decode_message
from amanah_protocol.mls.suites import XWING
from tests.oracles.cast import Cast
from tests.oracles.history import History
from tests.oracles.member import MAX_BYTES
from tests.oracles.room import Epoch

FOLDER: Final = Path(__file__).resolve().parents[1] / "vectors" / "transcripts"
MOST_MEMBERS: Final = 4
SEEDS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a transcript shall be.

    Attributes:
        suite: Its suite.
        engines: The engines beside ours.
        epochs: How long it is.
        shows: What has to happen in it.
    """

    suite: int
    engines: tuple[str, ...]
    epochs: int
    shows: frozenset[str]


_MEMBERS: Final = {"sealed proposal", "public proposal", "sealed commit", "public commit"}
RECORDED: Final = {
    "mls-rs": Wanted(suite=0x0001, engines=("mls-rs",), epochs=8, shows=frozenset({*_MEMBERS, "external commit"})),
    "ts-mls": Wanted(
        suite=0x0003,
        engines=("ts-mls",),
        epochs=9,
        shows=frozenset({*_MEMBERS, "external commit", "proposal from outside", "pre-shared key"}),
    ),
    "ours-xwing": Wanted(suite=XWING, engines=(), epochs=6, shows=frozenset({*_MEMBERS, "external commit"})),
}
"""By the name of the file."""


def kinds_of(epoch: Epoch) -> set[str]:
    """What kinds of message led to an epoch."""
    found = set()
    for message in (*epoch.proposals, epoch.commit):
        decoded = decode_message(message, MAX_BYTES)
        if isinstance(decoded, PrivateMessage):
            found.add("sealed commit" if decoded.content_type is ContentType.COMMIT else "sealed proposal")
        elif isinstance(decoded, PublicMessage):
            kind = "commit" if message is epoch.commit else "proposal"
            sender = decoded.content.sender.type
            if sender is SenderType.NEW_MEMBER_COMMIT:
                found.add("external commit")
            else:
                found.add(f"public {kind}" if sender is SenderType.MEMBER else "proposal from outside")
    return found


def transcript(history: History, cast: Cast) -> dict[str, Any]:
    """The history as its passive member saw it."""
    observer = history.room.passive
    first, *later = history.room.epochs
    assert observer is not None
    assert observer.bundle is not None
    assert first.committed is not None
    assert first.committed.welcome is not None
    assert first.view is not None
    assert first.view.authenticator is not None
    return {
        "cipher_suite": cast.suite.number,
        "engines": ["ours", *cast.engines],
        "external_psks": [{"psk_id": name.hex(), "psk": key.hex()} for name, key in cast.keys.items()],
        "key_package": observer.published.hex(),
        "signature_priv": observer.seed.hex(),
        "encryption_priv": observer.bundle.leaf_private.hex(),
        "init_priv": observer.bundle.init_private.hex(),
        "welcome": first.committed.welcome.hex(),
        "ratchet_tree": None if first.committed.tree is None else first.committed.tree.hex(),
        "initial_epoch_authenticator": first.view.authenticator.hex(),
        "initial_application": _application(first),
        "epochs": [_epoch(epoch) for epoch in later],
    }


def _application(epoch: Epoch) -> list[dict[str, str]]:
    return [
        {
            "sealed": said.sealed.hex(),
            "data": said.data.hex(),
            "authenticated_data": said.authenticated_data.hex(),
        }
        for said in epoch.said
    ]


def _epoch(epoch: Epoch) -> dict[str, Any]:
    assert epoch.view is not None
    assert epoch.view.authenticator is not None
    return {
        "proposals": [proposal.hex() for proposal in epoch.proposals],
        "commit": epoch.commit.hex(),
        "epoch_authenticator": epoch.view.authenticator.hex(),
        "exported": epoch.view.exported.hex(),
        "group_info": None if epoch.group_info is None else epoch.group_info.hex(),
        "application": _application(epoch),
    }


def record(wanted: Wanted, *, now_s: int) -> str:
    """The shortest transcript among the histories of some seeds that show what is wanted."""
    found = []
    for seed in range(SEEDS):
        cast = Cast.of(wanted.suite, wanted.engines, seed=seed, now_s=now_s)
        history = History(cast, seed=seed, tally=Counter(), most=MOST_MEMBERS)
        history.run(wanted.epochs, observed=True)
        shown = set().union(*(kinds_of(epoch) for epoch in history.room.epochs))
        shown |= {"pre-shared key"} if cast.keys else set()
        if wanted.shows <= shown:
            found.append(json.dumps([transcript(history, cast)], indent=1) + "\n")
        cast.close()
    return min(found, key=len)


def main() -> None:
    """Record all."""
    FOLDER.mkdir(exist_ok=True)
    for name, wanted in RECORDED.items():
        (FOLDER / f"{name}.json").write_text(record(wanted, now_s=int(time.time())), encoding="utf-8")


if __name__ == "__main__":
    main()
