from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from amanah_protocol.crypto import sha256
from amanah_protocol.errors import Code, OperationalError
from amanah_protocol.kinds import Kind
from amanah_relay.effects import Erasure
from amanah_relay.store import Store
from tests.relay.store.asking import content, page, started
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


@pytest.mark.parametrize("kind", [Kind.COMMIT, Kind.WELCOME])
def test_an_erasure_leaves_what_members_need_to_follow_the_room(store: Store, log: Sequence, kind: Kind) -> None:
    started(store, log)
    batch = log.batch(log.envelope(x.SPECIFICS[kind], b"handshake"), log.envelope(content=b"said"))
    store.append(batch)
    ids = tuple(entry.envelope for entry in batch.entries if entry.envelope is not None)
    erasure = Erasure(room=x.ROOM, envelopes=ids, by=None)
    store.append(log.batch(log.envelope(x.SPECIFICS[Kind.ERASE]), erasures=(erasure,)))
    assert [stored.erased for stored in page(store, after=1).entries] == [False, True, False]
    assert content(store, sha256(b"handshake")).data == b"handshake"
    assert content(store, sha256(b"said")).data is None


def test_an_erasure_of_a_damaged_envelope_says_so(store: Store, log: Sequence, url: str) -> None:
    started(store, log)
    batch = log.batch(log.envelope(content=b"said"))
    store.append(batch)
    with closing(sqlite3.connect(url.partition(":///")[2], isolation_level=None)) as raw:
        raw.execute("UPDATE leaf SET object = x'00' WHERE log_index = ?", (batch.first,))
    ids = tuple(entry.envelope for entry in batch.entries if entry.envelope is not None)
    erase = log.batch(log.envelope(x.SPECIFICS[Kind.ERASE]), erasures=(Erasure(room=x.ROOM, envelopes=ids, by=None),))
    with pytest.raises(OperationalError) as caught:
        store.append(erase)
    assert caught.value.code is Code.DAMAGED
