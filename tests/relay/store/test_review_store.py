from __future__ import annotations

import sqlite3
from contextlib import closing

from amanah_protocol.crypto import sha256
from amanah_protocol.kinds import Kind
from amanah_relay.effects import Erasure
from amanah_relay.store import Store
from tests.relay.store.asking import content, started
from tests.relay.store.sequence import OTHER_KID, Sequence
from tests.vectors import examples as x


def test_behind_an_envelope_for_everybody_no_other_carrier_of_its_content_is_read(
    store: Store, log: Sequence, url: str
) -> None:
    started(store, log)
    store.append(log.batch(log.envelope(content=b"same"), log.envelope(content=b"same")))
    with closing(sqlite3.connect(url.partition(":///")[2], isolation_level=None)) as raw:
        last = raw.execute("SELECT max(log_index) FROM content").fetchone()[0]
        raw.execute("UPDATE content SET addressees = x'00' WHERE log_index = ?", (last,))
    read = content(store, sha256(b"same"))
    assert (read.data, read.addressees) == (b"same", None)


def test_an_erased_carrier_gives_nobody_the_content_of_the_next(store: Store, log: Sequence) -> None:
    started(store, log)
    first = log.batch(log.envelope(content=b"same", addressees=(x.KID,)))
    store.append(first)
    store.append(log.batch(log.envelope(content=b"same", addressees=(OTHER_KID,))))
    ids = tuple(entry.envelope for entry in first.entries if entry.envelope is not None)
    erasure = Erasure(room=x.ROOM, envelopes=ids, by=None)
    store.append(log.batch(log.envelope(x.SPECIFICS[Kind.ERASE]), erasures=(erasure,)))
    read = content(store, sha256(b"same"))
    assert (read.data, read.addressees) == (b"same", (OTHER_KID,))
